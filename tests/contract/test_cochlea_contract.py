"""What the functions of `refsnn.cochlea` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import cochlea

POSITIVE = "() in (0, 1e12]"
CELL = "dt () in (0, inf), " + ", ".join(
    f"cell.{name} () in (0, inf)" for name in cochlea.HairCell._fields)
BUSHY = ", ".join(f"{name} {POSITIVE}" for name in (
    "dt", "tau_mem", "tau_syn", "refractory", "weight"))


def flat(frequencies, channels):
    return np.full((frequencies.size, channels.stop - channels.start), 9.0)


def velocity(x, **options):
    """Return the sum of velocities (always double) of a sound played twice."""
    if type(x) is np.ndarray and x.ndim == 1 and x.size:
        x = np.tile(x, 2)
    elif type(x) is list:
        x = x * 2
    return cochlea.velocity(x, **options).sum()


def transmitter(**options):
    return cochlea.transmitter(**options).sum()


def firing_probability(**options):
    return cochlea.firing_probability(**options).sum()


def convert(**options):
    return len(cochlea.convert(**options))


def convert_many(**options):
    return len(cochlea.convert_many(**options))


def sound(module, rng, dtype, sizes):
    return {"response": flat, "rate": 48000.0}


def slow(module, rng, dtype, sizes):
    """Return a hair cell in which little changes in a step."""
    return {"dt": 0.1} | {f"cell.{name}": 0.1 for name in cochlea.HairCell._fields}


def drawn(module, rng, dtype, sizes):
    """Return a generator in its initial state."""
    return {"rng": np.random.default_rng(1)}


def many(module, rng, dtype, sizes):
    return {"response": flat, "rate": 48000.0, "channels": 2,
            "rngs": [np.random.default_rng(s) for s in (1, 2)]}


FUNCTIONS = [
    contract(velocity, f"x (N) float, rate {POSITIVE}, response callable, "
             "channels () int in [1, inf)", N=8, given=sound),
    contract(transmitter, f"v (T, C) float, {CELL}", C=2, given=slow),
    contract(firing_probability, f"v (T, C) float, {CELL}", C=2, given=slow),
    contract(cochlea.fibres, f"P (T, C) float in [0, 1), dt {POSITIVE}, rng generator, "
             f"count () int in [1, 255], refractory {POSITIVE}", C=2, given=drawn),
    contract(cochlea.bushy, f"n (T*, C*) int in [0, inf), {BUSHY}", C=2),
    contract(convert, f"x (N) float, response callable, channels () int in [1, inf), "
             "rng generator, block? () int in [1, 1e12], padded bool, "
             f"longest {POSITIVE}", N=8, given=sound),
    contract(convert_many, "sounds[0] (N) float, sounds[1] (K) float, "
             "response callable, padded bool", N=8, K=6, given=many),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, V, P = np.ones(8), np.ones((5, 2)), np.full((5, 2), 0.1)
N = np.ones((3, 1), np.uint8)
RNG, DT = np.random.default_rng(1), 1 / 24000
LOCKED = np.ones((5, 2))
LOCKED.flags.writeable = False
SOUNDS = {"sounds": [X], "response": flat, "channels": 2, "rngs": [RNG]}


@pytest.mark.parametrize("call, match", [
    (lambda: cochlea.velocity(X[:1], 48000, flat, 2), "^x has 1 sample: must have 2"),
    (lambda: cochlea.velocity(X, 48000, flat, slice(-1, 16)), "^channels is slice"),
    (lambda: cochlea.velocity(X, 48000, flat, slice(0, None)), "^channels is slice"),
    (lambda: cochlea.velocity(X, 48000, flat, slice(0, 4, 2)), "^channels is slice"),
    (lambda: cochlea.velocity(X, 48000, flat, slice(16, 16)), "^channels is slice"),
    (lambda: cochlea.velocity(X, 48000, lambda f, c: V, 3),
     r"^response\(frequencies,channels\) is float64 of shape \(5, 2\): .*\(5, 3\)"),
    (lambda: cochlea.velocity(X, 48000, lambda f, c: np.ma.ones((5, 2)), 2),
     "^response.* is a masked array"),
    (lambda: cochlea.velocity(X, 48000, flat, 2, out=V[:2]),
     "^out is float64 of shape"),
    (lambda: cochlea.velocity(X, 48000, flat, 2, out=V.astype("f")), "^out is float32"),
    (lambda: cochlea.velocity(X, 48000, flat, 2, out=V.tolist()),
     "^out is of type list"),
    (lambda: cochlea.velocity(X, 48000, flat, 2, out=LOCKED),
     "^out is read-only: must"),
    (lambda: cochlea.firing_probability(V, DT, out=V[:2]), "^out is float64 of shape"),
    (lambda: cochlea.firing_probability(V, DT, out=V.astype("f")), "^out is float32"),
    (lambda: cochlea.transmitter(V, 1 / 9000), "^dt is 0.000111.*: must be below"),
    (lambda: cochlea.transmitter(V, DT, cell=(1, 2)),
     "^cell is of type tuple: must be "),
    (lambda: cochlea.transmitter(V, DT, cell=cochlea.HairCell(h=2e12)), "^cell.h is 2"),
    (lambda: cochlea.transmitter(V, 2e12), r"^dt is 2.*: must be in \(0, 1e12\]"),
    (lambda: cochlea.fibres(P, DT, [RNG]), "^rng is .*list of 2"),
    (lambda: cochlea.fibres(P, DT, [RNG] * 3), "^rng is .*list of 2"),
    (lambda: cochlea.fibres(P, DT, [RNG, 5]), "^rng is .*list of 2"),
    (lambda: cochlea.fibres(P, DT, np.random), "^rng is <module"),
    (lambda: cochlea.convert(X * 0, flat, 2, RNG), "^x is silent: must have samples"),
    (lambda: cochlea.convert(X, flat, 2, RNG, longest=1e-4),
     "^x lasts 0.000166.* s: must be at most longest = 0.0001 s"),
    (lambda: cochlea.convert(X, flat, 2, RNG, rate=-1), "^rate is -1"),
    (lambda: cochlea.convert(X, flat, 2.0, RNG),
     "^channels is 2.0: must be an integer"),
    (lambda: cochlea.convert_many(**SOUNDS | {"sounds": None}), "^sounds is None"),
    (lambda: cochlea.convert_many(**SOUNDS | {"sounds": 3}),
     "^sounds is 3: must be one"),
    (lambda: cochlea.convert_many(**SOUNDS | {"rngs": [1]}), "^rng is 1: must be a G"),
    (lambda: cochlea.convert_many(**SOUNDS | {"rngs": []}),
     "^rngs has 0 entries: must "),
    (lambda: cochlea.convert_many(**SOUNDS | {"rngs": RNG}),
     "^rngs is of type Generat"),
    (lambda: cochlea.convert_many(**SOUNDS, rate=0), "^rate is 0"),
    (lambda: cochlea.convert_many(**SOUNDS | {"channels": 1.5}), "^channels is 1.5")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_other_arguments_are_accepted():
    out = np.empty((5, 3))[:, :2]               # results may have any strides
    assert cochlea.velocity(X, 48000, flat, slice(None, 2), out=out) is out
    assert cochlea.transmitter(V, DT, cell=tuple(cochlea.HairCell())).shape == (3, 5, 2)
    assert len(cochlea.bushy(N, 1e12, weight=1e12, tau_mem=1e12)) == 2
    assert cochlea.convert_many([], flat, 2, []) == []
