"""What the functions of `refsnn.in_the_loop` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import in_the_loop as loop

WEIGHTS = ("weights.hidden (n, m) float, weights.recurrent? (n, n) float, "
           "weights.readout (k, n) float")
WHOLE = ("recording.mem (T, B, n) float, recording.spikes (T, B, n), "
         "recording.out (T, B, k)")
TAU = "tau_syn (all?) in (0, inf), tau_mem (all?) in (0, inf), dt () in (0, inf)"


def named(weights):
    return dict(zip(loop.Gradient._fields, weights, strict=True))


def record(weights, **options):
    return loop.record(weights=named(weights), **options)


def complete(weights, **options):
    return loop.complete(named(weights), **options)


def gradients(weights, **options):
    return loop.gradients(named(weights), **options)


def answered(spikes, samples, **network):
    """Call `record` for a chip that returns these spikes and samples."""
    return loop.record(lambda *_: (spikes, samples), **network)


def chip(module, rng, dtype, sizes):
    """Return a chip whose samples have the sizes of its weights."""
    def run(weights, x):
        n, k = (len(weights[name]) for name in ("hidden", "readout"))
        return np.zeros((*x.shape[:2], n)), x.sum(axis=2, keepdims=True) + np.arange(
            1.0, n + k + 1)

    x = rng.integers(0, 2, [sizes[a] for a in "TBm"]).astype(dtype)
    unit = rng.uniform(1, 2, sizes["n"] + sizes["k"])
    return {"run": run, "x": x, "unit": unit, "dtype": dtype}


def counts(module, rng, dtype, sizes):
    """Return the results of a chip, and the network that it runs."""
    T, B, n, m, k = (sizes[a] for a in "TBnmk")
    return {"spikes": rng.integers(0, 3, (T, B, n)).astype(dtype),
            "samples": rng.normal(size=(T, B, n + k)).astype(dtype), "dtype": dtype,
            "x": np.zeros((T, B, m)),
            "weights": {"hidden": np.ones((n, m)), "readout": np.ones((k, n))}}


def constants(module, rng, dtype, sizes):
    """Return constants of all neurons, hidden neurons first."""
    return {name: rng.uniform(1, 2, sizes["n"] + sizes["k"])
            for name in ("tau_syn", "tau_mem", "gain")}


def labels(module, rng, dtype, sizes):
    return {"labels": rng.integers(0, sizes["k"], sizes["B"])}


FUNCTIONS = [
    contract(record, "run callable, weights.hidden (n, m), weights.recurrent? (n, n), "
             "weights.readout (k, n), x (T, B, m) in [0, inf), unit (all?) in "
             "[1e-9, 1e9), gain () in [1e-9, 1e9)", all=10, given=chip),
    contract(answered, "spikes (T, B, n) in [0, inf), samples? (T, B, all)", all=10,
             given=counts),
    contract(complete, f"{WEIGHTS}, x (T, B, m), recording.mem? (T, B, n), "
             "recording.spikes (T, B, n), recording.out? (T, B, k), "
             f"{TAU}, gain (all?) in (0, inf), threshold (n?) in (0, inf)", all=10,
             given=constants),
    contract(loop.loss, f"{WHOLE}, labels (B) int in [0, 5], "
             "reduction {max, reached, sum}, scaling () in (0, inf), readout () in "
             "[0, inf), burst () in [0, inf), rate () in [0, inf), bound () in "
             "[0, inf)", given=labels),
    contract(gradients, f"{WEIGHTS}, x (T, B, m), {WHOLE.replace(' float', '')}, "
             f"dout (T, B, k), dspikes? (T, B, n), {TAU}, gain (all?) in (0, inf), "
             "threshold (n?) in (0, inf), steepness (n?) in (0, inf)", all=10,
             given=constants),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


NET = {"hidden": np.ones((3, 6)), "readout": np.ones((2, 3))}
X, S, OUT = np.zeros((4, 2, 6)), np.zeros((4, 2, 3)), np.zeros((4, 2, 2))
REC = loop.Recording(S, S, OUT)


def run(weights, x):
    return S, np.zeros((4, 2, 5))


@pytest.mark.parametrize("call, match", [
    (lambda: loop.record(run, {"hidden": S[0]}, X), "^weights.readout is None"),
    (lambda: loop.record(run, 7, X), "^weights.hidden is None"),
    (lambda: loop.record(run, NET, X, dtype=np.int8), "^dtype is "),
    (lambda: loop.record(run, NET, X, unit=np.ones(4)),
     r"^unit has 4 entries \(axis 0\), weights has 5"),
    (lambda: loop.record(None, NET, X), "^run is None: must be Callable"),
    (lambda: loop.record(run, NET | {"hidden": np.ones((4, 6))}, X),
     r"^weights.readout has 3 units \(axis 1\), weights.hidden has 4"),
    (lambda: loop.gradients(NET | {"hidden": np.ones((4, 6))}, X, REC, OUT),
     r"^weights.readout has 3 units \(axis 1\), weights.hidden has 4"),
    (lambda: loop.record(run, NET, X - 1), r"^x is out of range at .*\[0, inf\)"),
    (lambda: loop.record(run, NET, X[:0]), "^x has 0 steps"),
    (lambda: loop.record(run, NET, X[:, :0]), "^x has 0 samples"),
    (lambda: loop.record(run, NET, X + 0.5), "^x holds fractions: must hold whole"),
    (lambda: loop.record(lambda *_: (S + 0.5, None), NET, X),
     "^run.spikes holds fractions: must hold whole numbers"),
    (lambda: loop.record(lambda *_: (S, OUT[..., :1]), NET, X),
     r"^run.samples has 1 entry \(axis 2\): must have 5"),
    (lambda: loop.record(lambda *_: S, NET, X), "^run returned a ndarray: must be a "),
    (lambda: loop.record(lambda *_: (S,), NET, X), "^run returned a tuple"),
    (lambda: loop.record(lambda *_: None, NET, X), "^run returned a NoneType"),
    (lambda: loop.loss(REC, np.array([0, 2])),
     r"^labels is out of range at index \(1,\): must be in \[0, 1\]"),
    (lambda: loop.loss(REC[:2], np.array([0, 1])), "^recording is of type tuple"),
    (lambda: loop.loss(None, np.array([0, 1])), "^recording is of type NoneType"),
    (lambda: loop.complete(NET, X, None), "^recording is of type NoneType"),
    (lambda: loop.complete(NET, X, REC._replace(mem=None), tau_mem=np.ones(3)),
     r"^tau_mem has 3 entries \(axis 0\), weights has 5"),
    (lambda: loop.gradients(NET, X, X, OUT), "^recording is of type ndarray")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_widest_scales_are_accepted():
    for unit, gain in ((1e-9, 1.0), (0.9e9, 1e-9), (1.0, 0.9e9)):
        assert loop.record(run, NET, X, unit=unit, gain=gain).out.shape == (4, 2, 2)
    assert loop.record(lambda *_: (S, OUT), NET, X).mem is None
    assert loop.record(lambda *_: [S, None], NET, X).out is None
