"""Gradients of every convention: finite differences, BPTT and RTRL, `lif`."""

import numpy as np
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerances import RTOL, RTOL_FD

from refsnn import bptt, checks, conventions, lif, rtrl, surrogates
from refsnn import conventions_linear as linear
from refsnn.conventions import AXES, PRESETS, Step

VALUES = [(axis, value) for axis, values in AXES.items() for value in values]
CONSTANTS = {"tau_syn": 2.7, "tau_mem": 4.1, "dt": 0.9, "threshold": 0.8,
             "leak": 0.06, "reset_to": -0.05, "floor": -0.2}


def smooth(v):
    """A surrogate without kinks."""
    return surrogates.SURROGATES["arctan"](v, 3.0)


def network(step, seed, recurrent, T=9, B=2, m=3, n=3, constants=CONSTANTS):
    """(x, W, V, run) whose free membranes cross the threshold now and then."""
    rng = np.random.default_rng(seed)
    x = (rng.random((T, B, m)) < 0.5) * rng.uniform(0.5, 1.5, (T, B, m))
    W = rng.normal(0.4, 1, (n, m))
    free = conventions.simulate(step._replace(reset="none", floor=False, refractory=0),
                                x, W, **(constants | {"leak": 0, "threshold": 1e9}))
    top = np.quantile(np.abs(free.mem[3:]).reshape(-1, n), 0.8, axis=0)
    W *= (constants["threshold"] * rng.uniform(1.1, 3.2, n) / (top + 1e-9))[:, None]
    V = rng.normal(0, 0.3, (n, n)) * np.abs(W).mean() if recurrent else None
    return x, W, V, conventions.simulate(step, x, W, V, **constants)


def alive(step, run):
    """Spikes that matter, every option at work, no membrane near the floor."""
    floor = np.abs(run.mem - CONSTANTS["floor"])
    return 0 < (run.spikes > 0).mean() < 0.8 and run.spikes[1:-3].any() \
        and (not step.floor or floor.min() == 0 and floor[floor > 0].min() > 1e-3) \
        and (not step.refractory or run.held.any()) \
        and (step.spikes == "one" or run.spikes.max() > 1)


def parts(step, x, W, V, run, seed):
    """(loss of [W, V, x], its gradient by BPTT and by RTRL)."""
    rng = np.random.default_rng(seed)
    (T, B, n), theta = (len(x), x.shape[1], len(W)), CONSTANTS["threshold"]
    dspikes, dmem = rng.normal(size=(2, T, B, n))
    base, psi = smooth(run.mem - theta)

    def loss(values):
        W, V, x = values if len(values) == 3 else (values[0], None, values[1])
        again = conventions.simulate(
            step, x, W, V, clamp=run.held, **CONSTANTS,
            spike=lambda k, u: run.spikes[k] + (smooth(u - theta)[0] - base[k]),
            reset_spikes=None if step.through_reset else run.fired)
        rows = conventions.recorded(step, again)
        return float(np.sum(dspikes * rows["spikes"]) + np.sum(dmem * rows["mem"]))

    slopes = conventions.slopes(step, run, **CONSTANTS)
    J, F, E = linear.linearise(x, W, V, run.spikes, psi, slopes)
    q = linear.credit(psi, slopes, dspikes, dmem)
    dx = np.einsum("tbi,tbij->tbj", bptt.adjoint(J, q), E)[1:]
    flat = bptt.gradient(J, F, q)
    dW, dV = flat[:W.size].reshape(W.shape), flat[W.size:].reshape(-1, n)
    return loss, [dW, dx] if V is None else [dW, dV, dx], flat, rtrl.gradient(J, F, q)


def check(step, seed, recurrent):
    x, W, V, run = network(step, seed, recurrent)
    if not alive(step, run):
        return False
    loss, found, flat, forward = parts(step, x, W, V, run, seed)
    theta = [W, x] if V is None else [W, V, x]
    if not all(np.abs(g).max() > 1e-2 for g in found):
        return False
    checks.directional(loss, theta, found, np.random.default_rng(seed), rtol=RTOL_FD,
                       names=["W", "x"] if V is None else ["W", "V", "x"])
    np.testing.assert_allclose(forward, flat, rtol=RTOL, atol=RTOL * np.abs(flat).max())
    return True


def alive_seed(step, recurrent):
    return next(seed for seed in range(40) if check(step, seed, recurrent))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("axis, value", VALUES)
def test_every_value_of_every_axis(axis, value, recurrent):
    for name in ("refsnn", "norse_feed_forward", "rockpool"):
        assert alive_seed(PRESETS[name]._replace(**{axis: value}), recurrent) < 40


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(name):
    for recurrent in (False, True):
        assert alive_seed(PRESETS[name], recurrent) < 40


@settings(max_examples=60)
@given(st.tuples(*(st.sampled_from(values) for values in AXES.values())),
       strategies.SEEDS, st.booleans())
def test_any_combination(values, seed, recurrent):
    assume(check(Step(*values), seed, recurrent))


def test_a_taylor_slope_of_two():
    step = PRESETS["spikingjelly"]
    seed = alive_seed(step, True)
    x, W, V, run = network(step, seed, True)
    loss, found, _, _ = parts(step, x, W, V, run, seed)
    direction = [np.cos(np.arange(a.size)).reshape(a.shape) for a in (W, V, x)]
    assert checks.taylor_slope(loss, [W, V, x], found, direction, start=1e-3) >= 1.9
    wrong = [1.001 * found[0], *found[1:]]
    assert checks.taylor_slope(loss, [W, V, x], wrong, direction, start=1e-3) < 1.5


@pytest.mark.parametrize("other", ["through_reset", "reset_at", "synapse", "input"])
def test_what_another_convention_says_is_rejected(other):
    step = PRESETS["norse_feed_forward"]
    value = {"through_reset": False, "reset_at": "after", "synapse": "between",
             "input": "next"}[other]
    wrong, seed = step._replace(**{other: value}), alive_seed(step, True)
    x, W, V, run = network(step, seed, True)
    loss, _, flat, _ = parts(step, x, W, V, run, seed)
    found = parts(wrong, x, W, V, run, seed)
    assert np.abs(found[2] - flat).max() > 1e-3 * np.abs(flat).max()
    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(loss, [W, V, x], found[1], np.random.default_rng(1))


@pytest.mark.parametrize("through", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("refractory", [0, 2])
def test_the_default_is_lif_to_the_last_bit(reset, refractory, through):
    net = strategies.network(strategies.Options(
        0.6, 0.8, "one", 1.3, reset, refractory, True, through, True, False, True),
        strategies.Sizes(12, 2, 3, 3), 5)
    tau = {"tau_syn": 1.9, "tau_mem": 4.3, "threshold": 1.3}
    model = {"alpha": np.exp(-1 / 1.9), "beta": np.exp(-1 / 4.3), "threshold": 1.3}
    step = Step(reset=reset, refractory=refractory, through_reset=through)
    rec = lif.simulate(net.x, net.W, net.V, reset=reset, refractory=refractory, **model)
    run = conventions.simulate(step, net.x, net.W, net.V, **tau)
    rows = conventions.recorded(step, run)
    assert strategies.live(rec.spikes)
    for name, field in (("syn", rec.syn), ("mem", rec.mem), ("spikes", rec.spikes)):
        assert np.array_equal(rows[name], field)
    assert np.array_equal(run.held[:-1], rec.clamp)
    psi = smooth(run.mem - 1.3)[1]
    slopes = conventions.slopes(step, run, **tau)
    ours = linear.linearise(net.x, net.W, net.V, run.spikes, psi, slopes)
    theirs = lif.linearise(net.x, net.W, net.V, rec, psi[:-1], reset=reset,
                           through_reset=through, **model)
    for got, wanted in zip(ours, theirs, strict=True):
        assert wanted.any() and np.array_equal(got[:-1], wanted)
    dspikes, dmem = net.rng.normal(size=(2, *rec.mem.shape))
    assert np.array_equal(linear.credit(psi, slopes, dspikes, dmem)[:-1],
                          lif.credit(psi[:-1], dspikes, dmem))
    assert not linear.credit(psi, slopes, dspikes, dmem)[-1].any()


def test_only_what_is_asked_for():
    step = PRESETS["norse"]
    x, W, V, run = network(step, alive_seed(step, True), True)
    psi, slopes = smooth(run.mem - 0.8)[1], conventions.slopes(step, run, **CONSTANTS)
    both = linear.credit(psi, slopes, run.spikes[1:], run.mem[1:])
    alone = (linear.credit(psi, slopes, run.spikes[1:])
             + linear.credit(psi, slopes, dmem=run.mem[1:]))
    assert both.any() and np.allclose(both, alone, rtol=RTOL)
    assert not linear.credit(psi, slopes).any()


def test_arguments_are_kept_and_float32_too():
    x, W, psi = (np.ones(s, np.float32) for s in ((3, 2, 4), (2, 4), (4, 2, 2)))
    run = conventions.simulate(Step(), x, W, tau_syn=3, tau_mem=2)
    slopes = conventions.slopes(Step(), run, tau_syn=3, tau_mem=2)
    before = {name: np.array(part) for name, part in slopes.items()}
    arrays = [*linear.linearise(x, W, np.eye(2), run.spikes, psi, slopes),
              linear.credit(psi, slopes, psi[1:], psi[1:])]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}
    assert all(np.array_equal(before[name], slopes[name]) for name in slopes)
    assert (x == 1).all() and (W == 1).all() and (psi == 1).all()


X, W1, PSI = np.ones((3, 2, 4)), np.ones((2, 4)), np.ones((4, 2, 2))
RUN = conventions.simulate(Step(), X, W1, tau_syn=3, tau_mem=2)
SLOPES = conventions.slopes(Step(), RUN, tau_syn=3, tau_mem=2)


def without(name):
    return {key: value for key, value in SLOPES.items() if key != name}


@pytest.mark.parametrize("call, match", [
    (lambda: linear.linearise(X[1:], W1, None, RUN.spikes, PSI, SLOPES),
     r"x is of shape \(2, 2, 4\).* must be a real array of shape \(3, 2, 4\)"),
    (lambda: linear.linearise(X, W1[:1], None, RUN.spikes, PSI, SLOPES), "W is of"),
    (lambda: linear.linearise(X, W1, W1, RUN.spikes, PSI, SLOPES), "V is of shape"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes[1:], PSI, SLOPES), "spikes is"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI.astype(int), SLOPES),
     "psi is of .*int64: must be"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI[:1], SLOPES), "psi is of"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI[:, :0], SLOPES), "psi is"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI * np.inf, SLOPES),
     "psi has NaN or infinite"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI, without("mem_by_mem")),
     r"slopes lacks \['mem_by_mem'\]"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI, list(SLOPES)), "slopes la"),
    (lambda: linear.linearise(X, W1, None, RUN.spikes, PSI, SLOPES | {
        "syn_by_syn": PSI[1:]}), r"slopes\['syn_by_syn'\] is of shape"),
    (lambda: linear.credit(PSI[0], SLOPES), "psi is of shape"),
    (lambda: linear.credit(PSI, without("rows")), "slopes lacks"),
    (lambda: linear.credit(PSI, SLOPES | {"rows": [2, 0]}), r"slopes\['rows'\] is"),
    (lambda: linear.credit(PSI, SLOPES, PSI), r"dspikes is of shape \(4, 2, 2\)"),
    (lambda: linear.credit(PSI, SLOPES, None, PSI), "dmem is of shape")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()
