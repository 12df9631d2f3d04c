"""What the functions of `refsnn.lif` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import lif

LEAK = "alpha (n?) in [0, 1), beta (n?) in [0, 1), gain (n?) in (0, inf)"
LAYER = f"x (T, B, m*), W (n, m*) float, V? (n, n), {LEAK}, threshold (n?) in (0, inf)"
RUN = "reset {subtract, zero}, refractory () int in [0, inf), spike callable?"
FROZEN = ("clamp? (T, B, n) in {0, 1}, reset_spikes? (T, B, n), "
          "recurrent_spikes? (T, B, n)")
STATE = "state.syn (B, n), state.mem (B, n), state.spikes? (2, B, n)"
BACK = (f"{LAYER}, recording.syn (T, B, n), recording.mem (T, B, n), recording.spikes "
        "(T, B, n), recording.clamp (T, B, n) in {0, 1}, psi (T, B, n), "
        "reset {subtract, zero}, through_reset bool, through_recurrence bool, "
        "constants bool")
FUNCTIONS = [
    contract(lif.simulate, f"{LAYER}, {RUN}, {FROZEN}", needed="V"),
    contract(lif.simulate, "x (T, B, m*), W (n, m*) float",
             given={"alpha": 0.5, "beta": 0.5}),
    contract(lif.run, f"{LAYER}, {RUN}, {FROZEN}, {STATE}", needed="V",
             given={"refractory": 2}, unchecked=["refractory"]),
    contract(lif.step, f"drive (B, n) float, V? (n, n), {LEAK}, threshold (n?) in "
             f"(0, inf), {STATE}, reset {{subtract, zero}}, refractory () int in "
             "[0, inf)", given={"refractory": 2}, unchecked=["refractory"]),
    contract(lif.step, "drive (B, n) float, refractory () int in [0, inf)",
             given={"alpha": 0.5, "beta": 0.5}),
    contract(lif.backward, f"{BACK}, dspikes? (T, B, n), dmem? (T, B, n)"),
    contract(lif.linearise, BACK),
    contract(lif.credit, "psi (T*, B*, n*) float, dspikes? (T*, B*, n*), "
             "dmem? (T*, B*, n*)"),
    contract(lif.readout, f"x (T, B, m*), W (n, m*) float, {LEAK}"),
    contract(lif.readout_run, f"x (T, B, m*), W (n, m*) float, {LEAK}, {STATE}",
             given={"state.spikes": None}, unchecked=["state.spikes"]),
    contract(lif.readout_step, f"drive (B, n) float, {LEAK}, {STATE}",
             given={"state.spikes": None}, unchecked=["state.spikes"]),
    contract(lif.readout_step, "drive (B, n) float", given={"alpha": 0.5, "beta": 0.5}),
    contract(lif.readout_backward, f"x (T, B, m*), W (n, m*) float, {LEAK}, "
             "dmem (T, B, n), constants bool"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, W, HALF = np.ones((4, 2, 3)), np.ones((2, 3)), {"alpha": 0.5, "beta": 0.5}
PSI, ONE = np.ones((4, 2, 2)), np.ones((2, 2))
REC, AFTER = lif.run(X, W, **HALF)
BACKWARD = X, W, None, REC, PSI


@pytest.mark.parametrize("call, match", [
    (lambda: lif.simulate(X, W, refractory=1, spike=lambda t, u: u, **HALF),
     "^clamp is None: must be given"),
    (lambda: lif.simulate(X, W, recurrent_spikes=PSI, **HALF),
     "^recurrent_spikes is given: must be None"),
    (lambda: lif.simulate(X, W, spike=lambda t, u: None, **HALF), "^spike.* is None"),
    (lambda: lif.simulate(X, W, spike=lambda t, u: u[0] > 1, **HALF),
     r"^spike\(t,u\) has shape \(2,\): must have 2 axes"),
    (lambda: lif.run(X, W, None, lif.State(ONE, ONE, PSI), refractory=3, **HALF),
     r"^state.spikes has 4 entries \(axis 0\): must have 3"),
    (lambda: lif.run(X, W, None, (ONE, ONE), **HALF), "^state is of type tuple"),
    (lambda: lif.backward(*BACKWARD, **HALF), "^dspikes, dmem and dstate are None"),
    (lambda: lif.readout_backward(X, W, None, **HALF), "^dmem and dstate are None"),
    (lambda: lif.readout_backward(X, W, None, dstate=lif.State(ONE[:, :1], ONE[:, :1]),
                                  **HALF),
     r"^dstate.syn has 1 unit \(axis 1\), x@W.T has "),
    (lambda: lif.backward(*BACKWARD, dstate=lif.State(ONE, ONE), **HALF),
     "^after is None: must be given"),
    (lambda: lif.backward(*BACKWARD, after=AFTER, dstate=(ONE, ONE), **HALF),
     "^dstate is of type tuple"),
    (lambda: lif.backward(*BACKWARD, after=AFTER, dstate=lif.State(ONE, ONE[:1]),
                          **HALF), "^dstate.mem has 1 sample "),
    (lambda: lif.backward(*BACKWARD, PSI, after=AFTER._replace(mem=ONE[:, :1]),
                          **HALF), "^after.mem has 1 unit "),
    (lambda: lif.linearise(*BACKWARD, ONE, **HALF), "^after is of type ndarray"),
    (lambda: lif.backward(X, W, None, REC[:3], PSI, PSI, **HALF),
     "^recording is of type tuple"),
    (lambda: lif.linearise(X, W, None, None, PSI, **HALF),
     "^recording is of type NoneType")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_one_derivative_is_enough():
    for given in ({"dspikes": PSI}, {"dmem": PSI},
                  {"dstate": lif.State(ONE, ONE), "after": AFTER}):
        assert lif.backward(*BACKWARD, **given, **HALF).dW.any()
    assert lif.readout_backward(X, W, None, dstate=lif.State(ONE, ONE), **HALF).dW.any()
