"""What the functions of `refsnn.superspike` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import superspike
from refsnn.superspike import Settings, State, Step, coefficients, rest

POSITIVE, CONSTANTS = Settings._fields[:9], Settings._fields[9:12]
NUMBERS = ", ".join([f"settings.{name} () in (0, inf)" for name in POSITIVE]
                    + [f"settings.{name} () in [0, inf)" for name in CONSTANTS])
WORDS = ", ".join(f"settings.{name} {{{', '.join(words)}}}"
                  for name, words in superspike.OPTIONS.items())
LAYER = ("W (B, n, m) float, state.syn (B, n), state.mem (B, n), "
         "state.held (B, n) int, state.past_x (D*, B, m), "
         "state.past_psi (D*, B, n), state.trace_rise (B, m), state.trace (B, m), "
         "state.eligibility_rise (B, n, m), "
         "state.eligibility (B, n, m), state.error_rise (B, n), state.error (B, n), "
         "state.het (B, n)")
STEP = "step.spikes (B, n), step.mem (B, n), step.psi (B, n), step.x (B, m)"


def layer(module, rng, dtype, sizes):
    """Return the coefficients of a layer, and a trace that has a power."""
    k = module.coefficients(module.Settings(delay=1e-4 * sizes["D"], rho=0.5))
    return {"k": k, "state.het": rng.random((sizes["B"], sizes["n"])).astype(dtype)}


FUNCTIONS = [
    contract(superspike.coefficients, f"{NUMBERS}, {WORDS}", given={
        f"settings.{name}": 1.0 if name == "dt" else 2.0
        for name in POSITIVE + CONSTANTS}),
    contract(superspike.rest, "B () int in [1, inf), n () int in [1, inf), "
             "m () int in [1, inf)", given=lambda module, rng, dtype, sizes: {
                 "k": coefficients(Settings()), "dtype": dtype}),
    contract(superspike.forward, f"{LAYER}, x (B, m)", given=layer, D=3),
    contract(superspike.accumulate, f"{LAYER}, {STEP}, signal (B, n)", given=layer,
             D=3),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


K, W, ONE = coefficients(Settings()), np.ones((1, 1, 1)), np.ones((1, 1))
REST, STEP_OF_ONE = rest(K, 1, 1, 1), Step(ONE, ONE, ONE, ONE)


def settings(**changes):
    return lambda: coefficients(Settings(**changes))


@pytest.mark.parametrize("call, match", [
    *((settings(**{name: 5e-5}), "^settings.dt is 0.0001: must be at most 5e-05 s, the "
       "smallest of") for name in Settings._fields[1:9] if "tau" in name
      or name == "refractory"),
    (settings(dt=5.1e-3), "^settings.dt is 0.0051: must be at most 0.005 s"),
    (settings(delay=2.5e-4), "^settings.delay is 0.00025: must be a multiple of "
     "settings.dt = 0.0001"),
    (settings(delay=8e-4 * (1 + 2e-6)), "^settings.delay is 0.0008.*: must be a mult"),
    (settings(delay=1.5e-10), "^settings.delay is 1.5e-10: must be a multiple"),
    (settings(refractory=1.05e-3), "^settings.refractory is 0.00105: must be a mult"),
    (lambda: coefficients({"dt": 1e-4}), "^settings is of type dict: must be a Setti"),
    (lambda: rest(K, 1, 1, 1, np.int64), "^dtype is .*: must be float32 or float64"),
    (lambda: superspike.forward(K._replace(delay=9), REST, W, ONE),
     r"^state.past_x has 8 steps \(axis 0\): must have 9, as k.delay"),
    (lambda: superspike.forward(K, REST[:3], W, ONE), "^state is of type tuple"),
    (lambda: superspike.forward(K, Step(*REST[:4]), W, ONE), "^state is of type Step"),
    (lambda: superspike.accumulate(K, REST, W, None, ONE), "^step is of type NoneT"),
    (lambda: superspike.accumulate(K, REST, W, STEP_OF_ONE[:3], ONE),
     "^step is of type tuple")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def bad_coefficients():
    """Yield (k, match) for coefficients that must be refused."""
    yield from ((Settings(), "^k is of type Settings"), (None, "^k is of type None"),
                (K[:3], "^k is of type tuple: must be a Coefficients"))
    for name in ("trace", "alpha"):
        good = getattr(K, name)
        for bad in (None, good[:2], (*good, 1.0), np.ones(3)):
            yield K._replace(**{name: bad}), rf"^k\.{name} (is|has)"
        for i, entry in ((0, 1.0), (0, -0.1), (1, 1.0), (1, np.nan), (2, -1.0),
                         (2, None), (2, np.inf)):
            yield K._replace(**{name: (*good[:i], entry, *good[i + 1:])}), \
                rf"^k\..*{name}.*(must be in|must be a real)"
    for name in ("syn", "mem", "het"):
        for bad in (1.0, -0.1, None, np.nan, "x", 1j):
            yield K._replace(**{name: bad}), rf"^k\..*{name}"
    for name in ("dt", "gain", "threshold", "steepness", "drive", "rho", "exponent"):
        for bad in (-0.1, np.nan, np.inf, None, ONE):
            yield K._replace(**{name: bad}), rf"^k\..*{name}"
    for name in ("refractory", "delay"):
        for bad in (-1, 1.0, True, None):
            yield K._replace(**{name: bad}), rf"^k\.{name} is {bad}: must be "
    yield K._replace(before_reset=1), "^k.before_reset is 1: must be True or False"
    yield K._replace(zeta="square"), "^k.zeta is 'square': must be one of"


@pytest.mark.parametrize("k, match", [*bad_coefficients()])
def test_bad_coefficients_are_refused(k, match):
    with pytest.raises(ValueError, match=match):
        rest(k, 1, 1, 1)
    with pytest.raises(ValueError, match=match):
        superspike.forward(k, REST, W, ONE)


def test_a_decay_must_be_below_1_in_the_dtype_of_the_layer():
    k = K._replace(het=1 - 1e-9)
    assert rest(k, 1, 1, 1).het == 0
    with pytest.raises(ValueError, match=r"^k\..*het.* out of range in float32 at"):
        rest(k, 1, 1, 1, np.float32)
    single = State(*(a.astype(np.float32) if a.dtype == float else a for a in REST))
    with pytest.raises(ValueError, match=r"^k\..*het.* out of range in float32 at"):
        superspike.accumulate(k, single, W.astype(np.float32), STEP_OF_ONE, ONE)


def test_edges_of_settings_are_accepted():
    k = coefficients(Settings(dt=5e-3, delay=0, rho=0, exponent=0))
    assert (k.refractory, k.delay, k.mem) == (1, 0, 0.5)
    assert type(k.rho) is type(k.exponent) is float
    assert coefficients(Settings(delay=8e-4 * (1 + 5e-7))).delay == 8
    one = dict.fromkeys(POSITIVE[:4] + POSITIVE[6:], 1.0)
    assert coefficients(Settings(**one, delay=1e-6)).delay == 0
    k = coefficients(Settings(**one, delay=0.0))
    assert k.mem == 0 and rest(k._replace(refractory=0), 1, 1, 1).mem == 0


def test_refractory_steps_of_any_integer_type_give_the_same_step():
    k = K._replace(refractory=300)
    states = [REST._replace(held=np.array([[held]], kind)) for held in (0, 2)
              for kind in (int, np.int8, np.uint8, np.int64)]
    for mem in (0.0, 5.0):
        found = [superspike.forward(k, state._replace(mem=np.array([[mem]])), W, ONE)[0]
                 for state in states]
        for i, state in enumerate(found):
            assert state.held.dtype == int and state.held == found[i // 4 * 4].held
    assert [int(state.held[0, 0]) for state in found[::4]] == [300, 1]
