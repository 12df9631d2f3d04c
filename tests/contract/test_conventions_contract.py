"""What the functions of `refsnn.conventions` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import conventions
from refsnn.conventions import PARTS, PRESETS, Step

STEP = ("step.decay {exact, euler}, step.synapse {between, none, first, last}, "
        "step.input {next, same}, step.drive {one, leak}, step.gain {one, leak, rate, "
        "integral}, step.test {before, after}, step.compare {>, >=, half}, step.spikes "
        "{one, many}, step.reset {subtract, zero, none}, step.reset_at {after, once, "
        "before}, step.through_reset bool, step.floor bool, "
        "step.refractory () int in [0, inf), step.record {before, after}, "
        "step.mute bool")
CONSTANTS = ("tau_syn (n?) in [0, inf), tau_mem (n?) in [0, inf), dt () in (0, inf), "
             "threshold (n?) in (0, inf), leak (n?), reset_to (n?), floor (n?)")
RUN = ("run.syn (S, B, n), run.mem (S, B, n) float, run.spikes (S, B, n), "
       "run.fired (S, B, n), run.reset (S, B, n), run.free (S, B, n), "
       "run.held (S, B, n) in {0, 1}")
SLOPES = ", ".join(f"slopes.{name} (6, B, n)" for name in PARTS)


def linearise(x, W, V, spikes, psi, slopes):
    """Call `conventions.linearise` with slopes in the order of PARTS and of "live"."""
    return conventions.linearise(x, W, V, spikes, psi,
                                 dict(zip((*PARTS, "live"), slopes, strict=True)))


def credit(psi, slopes, dspikes, dmem):
    """Call `conventions.credit` with slopes in this order."""
    names = "row_by_mem", "row_by_spikes", "rows", "live"
    return conventions.credit(psi, dict(zip(names, slopes, strict=True)), dspikes, dmem)


def frozen(module, rng, dtype, sizes):
    """Return recorded values, with one state more than the input."""
    states = sizes["T"] + 1, sizes["B"], sizes["n"]
    return {"clamp": rng.integers(0, 2, states).astype(dtype),
            "reset_spikes": rng.random(states).astype(dtype)}


FUNCTIONS = [
    contract(conventions.simulate, f"{STEP}, x (T, B, m*), W (n, m*) float, V? (n, n), "
             f"{CONSTANTS}, spike callable?, clamp? (S, B, n) in {{0, 1}}, "
             "reset_spikes? (S, B, n)", given=frozen, S=6),
    contract(conventions.recorded, f"{STEP}, {RUN}", S=6),
    contract(conventions.slopes, f"{STEP}, {RUN}, {CONSTANTS}", S=6),
    contract(linearise, "x (5, B, m*), W (n, m*), V? (n, n), spikes (6, B, n), "
             f"psi (6, B, n) float, {SLOPES}, slopes.live? (6, B, n) in {{0, 1}}"),
    contract(credit, "psi (6, B, n) float, slopes.row_by_mem (6, B, n), "
             "slopes.row_by_spikes (6, B, n), slopes.rows (2) int in {0, 1}, "
             "slopes.live? (6, B, n) in {0, 1}, dspikes? (5, B, n), dmem? (5, B, n)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, W, S, T = np.ones((3, 2, 4)), np.ones((2, 4)), Step(), {"tau_syn": 2, "tau_mem": 3}
FINAL, PSI = conventions.simulate(S, X, W, **T), np.ones((4, 2, 2))
PARTS_1 = conventions.slopes(S, FINAL, **T)


def simulate(step=S, **changes):
    return conventions.simulate(step, **{"x": X, "W": W, **T, **changes})


@pytest.mark.parametrize("call, match", [
    (lambda: simulate("norse"), r"step is of type str: must be a Step \(decay, "),
    (lambda: simulate(S._replace(refractory=True)), "step.refractory is True: must"),
    (lambda: simulate(S._replace(refractory=1), spike=max), "clamp is None: must be "),
    (lambda: simulate(V=np.ones((3, 3))), "V has 3 units .axis 0., W has 2 .axis 0.: "),
    (lambda: simulate(clamp=FINAL.held[1:]), r"clamp has 3 .*\(axis 0\): must have 4"),
    (lambda: simulate(spike=lambda k, u: u[0] > 1), r"spike\(k,u\) has shape \(2,\)"),
    (lambda: simulate(S._replace(gain="rate"), tau_mem=np.array([0.0, 2.0])),
     "tau_mem is 0 for a neuron: must be above 0 for a gain of dt/tau"),
    (lambda: simulate(PRESETS["norse"], tau_syn=0.5),
     "tau_syn is below dt = 1.0 for a neuron: must be at least dt for Euler steps"),
    (lambda: simulate(PRESETS["norse"], tau_mem=np.array([3, 0.5])), "tau_mem is"),
    (lambda: conventions.recorded(S, FINAL[:6]), "run is of type tuple: must be a Run"),
    (lambda: conventions.slopes(S, FINAL, **(T | {"leak": np.zeros(3)})),
     r"leak has 3 units \(axis 0\), run.mem has 2 \(axis 2\): must be equal"),
    (lambda: conventions.linearise(X, W, None, PSI, PSI, list(PARTS_1)),
     "slopes is of type list: must be dict"),
    (lambda: conventions.linearise(X[:1], W, None, PSI[:1], PSI[:1], {
        name: PSI[:1] for name in PARTS}), "psi has 1 state: must have T"),
    (lambda: conventions.credit(PSI, {"rows": [0, 0], "row_by_mem": PSI}),
     "slopes.row_by_spikes is None: must be")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        call()


def test_the_time_constant_of_no_synapse_is_not_used():
    found = simulate(PRESETS["snntorch_leaky"], tau_syn=None)
    assert np.array_equal(found.mem, simulate(PRESETS["snntorch_leaky"]).mem)


def test_slopes_of_one_step():
    run = conventions.simulate(S, X[:1], W, **T)
    parts = conventions.slopes(S, run, **T)
    J, *_ = conventions.linearise(X[:1], W, None, run.spikes, PSI[:2], parts)
    assert J.shape == (2, 2, 4, 4) and J.any()
    with pytest.raises(ValueError, match="^psi has 1 state: must have T"):
        conventions.linearise(X[:0], W, None, run.spikes[:1], PSI[:1], {
            name: a[:1] for name, a in parts.items() if name in PARTS})
