"""What the functions of `refsnn.alif` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import alif

CONSTANTS = ("alpha (n?) in [0, 1), beta (n?) in [0, 1), rho (n?) in [0, 1), "
             "adaptation (n?) in [0, inf), gain (n?) in (0, inf), "
             "threshold (n?) in (0, inf)")
LAYER = f"x (T, B, m*), W (n, m*) float, V? (n, n), {CONSTANTS}"
RUN = ("refractory () int in [0, inf), spike callable?, clamp? (T, B, n) in {0, 1}, "
       "reset_spikes? (T, B, n), recurrent_spikes? (T, B, n)")
STATE = ("state.syn (B, n), state.mem (B, n), state.adapted (B, n), "
         "state.spikes? (2, B, n)")
REFRACTORY = {"given": {"refractory": 2}, "unchecked": ["refractory"]}
RECORDING = ("recording.syn (T, B, n), recording.mem (T, B, n), "
             "recording.adapted (T, B, n), recording.spikes (T, B, n), "
             "recording.clamp (T, B, n) in {0, 1}")
UNREAD = {"unchecked": ["recording.syn", "recording.mem", "recording.adapted"]}
SHARED = ("alpha () in [0, 1), beta () in [0, 1), rho (n?) in [0, 1), "
          "adaptation (n?) in [0, inf), gain () in (0, inf)")
TRACES = "traces.syn (B*, z*), traces.mem (B*, z*), traces.adapted (B*, n, z*)"
FUNCTIONS = [
    contract(alif.simulate, f"{LAYER}, {RUN}", needed="V"),
    contract(alif.run, f"{LAYER}, {RUN}, {STATE}", needed="V", **REFRACTORY),
    contract(alif.step, f"drive (B, n) float, V? (n, n), {CONSTANTS}, "
             f"refractory () int in [0, inf), {STATE}", **REFRACTORY),
    contract(alif.step, "drive (B, n) float, refractory () int in [0, inf)",
             given={"alpha": 0.5, "beta": 0.5, "rho": 0.5, "adaptation": 0.5}),
    contract(alif.linearise, f"{LAYER}, {RECORDING}, psi (T, B, n), "
             "through_reset bool, through_recurrence bool, constants bool"),
    contract(alif.credit, f"{RECORDING.replace('T, B, n', 'T*, B*, n')}, psi "
             "(T*, B*, n) float, dspikes? (T*, B*, n), dmem? (T*, B*, n), "
             "adaptation (n?) in [0, inf)", **UNREAD),
    contract(alif.trace_step, f"{TRACES}, z (B*, z*), psi (B*, n) float, {SHARED}",
             z=5),
    contract(alif.eligibility, f"{TRACES}, psi (B*, n) float, adaptation (n?) in "
             "[0, inf)", z=5),
    contract(alif.gradient, f"x (T, B, m*), V? (n, n), {RECORDING}, psi (T, B, n) "
             f"float, dspikes? (T, B, n), dmem? (T, B, n), {SHARED}", **UNREAD),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, W = np.ones((4, 2, 3)), np.ones((2, 3))
ONE, PSI = np.ones((2, 2)), np.ones((4, 2, 2))
MODEL = {"alpha": 0.5, "beta": 0.5, "rho": 0.5, "adaptation": 0.5}
REC, AFTER = alif.run(X, W, **MODEL)


@pytest.mark.parametrize("call, match", [
    (lambda: alif.simulate(X, W, refractory=1, spike=lambda t, v: v, **MODEL),
     "^clamp is None: must be given"),
    (lambda: alif.simulate(X[:0], W, **MODEL), "^x has 0 steps "),
    (lambda: alif.simulate(X[:, :0], W, **MODEL), "^x has 0 samples "),
    (lambda: alif.simulate(X, W, recurrent_spikes=PSI, **MODEL),
     "^recurrent_spikes is given: must be None"),
    (lambda: alif.simulate(X, W, spike=lambda t, v: v[0] > 1, **MODEL),
     r"^spike\(t,v\) has shape \(2,\): must have 2 axes"),
    (lambda: alif.run(X, W, None, alif.State(ONE, ONE, ONE, PSI), refractory=3,
                      **MODEL),
     r"^state.spikes has 4 entries \(axis 0\): must have 3"),
    (lambda: alif.run(X, W, None, (ONE, ONE, ONE), **MODEL), "^state is of type tuple"),
    (lambda: alif.linearise(X, W, None, REC, PSI, AFTER[:3], **MODEL),
     "^after is of type tuple"),
    (lambda: alif.linearise(X, W, None, REC, PSI, AFTER._replace(mem=ONE[:1]),
                            **MODEL),
     "^after.mem has 1 sample "),
    (lambda: alif.linearise(X, W, None, REC, PSI, AFTER._replace(adapted=ONE * np.nan),
                            **MODEL), "^after.adapted is nan"),
    (lambda: alif.linearise(X, W, None, REC, PSI, AFTER._replace(spikes=PSI[:, :, :1]),
                            **MODEL), "^after.spikes has 1 unit "),
    (lambda: alif.linearise(X, W, None, REC[:4], PSI, **MODEL),
     "^recording is of type tuple"),
    (lambda: alif.gradient(X, None, None, PSI, **MODEL),
     "^recording is of type NoneType"),
    (lambda: alif.credit(REC[:4], PSI, adaptation=0.5), "^recording is of type tuple"),
    (lambda: alif.trace_step(None, ONE, ONE, **MODEL), "^traces is of type NoneType"),
    (lambda: alif.eligibility((ONE, ONE), ONE, adaptation=0.5),
     "^traces is of type tuple")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_states_are_cast_to_the_dtype_of_the_weights():
    single = W.astype(np.float32)
    for state in (AFTER, alif.State(*(a.astype(int) for a in AFTER))):
        rec, after = alif.run(X, single, None, state, **MODEL)
        assert rec.mem.dtype == after.adapted.dtype == np.float32 and rec.mem.any()
