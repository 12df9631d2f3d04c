"""Test the LIF layer against hand-computed values and finite differences."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import examples, proves
from tolerances import RTOL, RTOL_FD

from refsnn import checks, lif

HALF = {"alpha": 0.5, "beta": 0.5}


def column(*values):
    """Return the values as a (T, 1, 1) array."""
    return np.array(values, float).reshape(-1, 1, 1)


def ravel(array):
    return array.ravel().tolist()


# --- closed forms by hand ------------------------------------------------------

def test_one_input_spike_below_threshold():
    rec = lif.simulate(column(1, 0, 0, 0, 0), [[0.75]], **HALF)
    assert ravel(rec.syn) == [0, 0.75, 0.375, 0.1875, 0.09375]
    assert ravel(rec.mem) == [0, 0, 0.75, 0.75, 0.5625]
    assert not rec.spikes.any() and not rec.clamp.any()


@proves("lif", 1, 2, 3, 4)
@pytest.mark.parametrize("reset, expected", [
    ("subtract", [0, 0, 1.5, 0.5, 0.625]), ("zero", [0, 0, 1.5, 0, 0.375])])
def test_one_spike_and_its_reset(reset, expected):
    rec = lif.simulate(column(1, 0, 0, 0, 0), [[1.5]], reset=reset, **HALF)
    assert ravel(rec.mem) == expected
    assert ravel(rec.spikes) == [0, 0, 1, 0, 0]


@proves("lif", 1)
def test_a_tie_is_no_spike():
    at = lif.simulate(column(1, 0, 0), [[1.0]], **HALF)
    above = lif.simulate(column(1, 0, 0), [[1.0 + 1e-15]], **HALF)
    assert ravel(at.mem)[2] == 1.0 and not at.spikes.any()
    assert ravel(above.spikes) == [0, 0, 1]


def test_drive_of_two_thresholds_leaves_the_rest_under_subtraction():
    rec = lif.simulate(column(1, 0, 0, 0), [[5.0]], alpha=0.0, beta=0.5)
    assert ravel(rec.mem) == [0, 0, 5, 1.5]
    assert ravel(rec.spikes) == [0, 0, 1, 1]


def test_threshold_and_gain_other_than_one():
    rec = lif.simulate(column(1, 0, 0, 0), [[2.0]], threshold=0.5, gain=0.25,
                       alpha=0.0, beta=0.0)
    assert ravel(rec.mem) == [0, 0, 0.5, 0] and not rec.spikes.any()
    rec = lif.simulate(column(1, 0, 0, 0), [[4.0]], threshold=0.5, gain=0.25,
                       alpha=0.0, beta=0.5)
    assert ravel(rec.mem) == [0, 0, 1, 0] and ravel(rec.spikes) == [0, 0, 1, 0]


@proves("lif", 2)
def test_recurrence_takes_one_step_longer_than_the_spike():
    x = np.zeros((6, 1, 1))
    x[0] = 1
    V = np.array([[0, 0], [3.0, 0]])
    rec = lif.simulate(x, [[1.5], [0.0]], V, alpha=0.0, beta=0.0)
    assert rec.spikes[:, 0].tolist() == [[0, 0], [0, 0], [1, 0], [0, 0], [0, 1], [0, 0]]
    assert rec.syn[:, 0].tolist() == [[0, 0], [1.5, 0], [0, 0], [0, 3], [0, 0], [0, 0]]


@proves("lif", 4, 5)
@pytest.mark.parametrize("refractory, spikes, mem", [
    (0, [0, 0, 1, 0, 1, 0, 1], [0, 0, 2, 0, 2, 0, 2]),      # a reset to 0 takes a step
    (1, [0, 0, 1, 0, 1, 0, 1], [0, 0, 2, 0, 2, 0, 2]),
    (2, [0, 0, 1, 0, 0, 1, 0], [0, 0, 2, 0, 0, 2, 0])])
def test_refractory_steps(refractory, spikes, mem):
    rec = lif.simulate(np.ones((7, 1, 1)), [[2.0]], alpha=0.0, beta=0.0,
                       reset="zero", refractory=refractory)
    assert ravel(rec.spikes) == spikes and ravel(rec.mem) == mem


@proves("lif", 3, 5)
def test_refractoriness_holds_for_k_steps_under_subtraction():
    rec = lif.simulate(np.ones((7, 1, 1)), [[2.0]], alpha=0.0, beta=0.0, refractory=2)
    assert ravel(rec.spikes) == [0, 0, 1, 0, 0, 1, 0]
    assert ravel(rec.clamp) == [0, 0, 0, 1, 1, 0, 1]
    assert ravel(rec.mem) == [0, 0, 2, 0, 0, 2, 0]


def test_smallest_sizes():
    rec = lif.simulate(np.ones((1, 1, 1)), [[9.0]], **HALF)
    assert all(field.shape == (1, 1, 1) and not field.any() for field in rec)
    none = lif.simulate(np.ones((3, 2, 0)), np.ones((1, 0)), **HALF)
    assert none.mem.shape == (3, 2, 1) and not none.mem.any()
    grad = lif.backward(np.ones((1, 1, 1)), [[9.0]], None, rec, rec.mem, None,
                        rec.mem + 1, **HALF)
    assert not grad.dW.any() and not grad.dx.any()


@proves("lif", 6)
def test_readout_is_the_layer_below_threshold():
    x = np.random.default_rng(1).random((9, 2, 3))
    W = np.random.default_rng(2).normal(size=(2, 3))
    rec = lif.simulate(x, W, threshold=1e6, alpha=0.3, beta=0.8, gain=0.2)
    mem = lif.readout(x, W, alpha=0.3, beta=0.8, gain=0.2)
    assert np.abs(mem).max() > 0.01
    np.testing.assert_allclose(mem, rec.mem, rtol=RTOL)


@proves("lif", 7, 9, 10, 11)
def test_silent_step_gradient_by_hand():
    """Expect dU[2]/dW = x[0] gain and dU[3]/dW = x[1] + (alpha + beta) x[0]."""
    x, dmem = column(2, 3, 5, 7), column(0, 0, 0, 1)
    rec = lif.simulate(x, [[0.01]], alpha=0.25, beta=0.5)
    grad = lif.backward(x, [[0.01]], None, rec, 0 * rec.mem, None, dmem, alpha=0.25,
                        beta=0.5)
    assert ravel(grad.dW) == [3 + 0.75 * 2]
    assert ravel(grad.dx) == [0.0075, 0.01, 0, 0]


@proves("lif", 7, 8, 9, 10)
def test_spike_gradient_by_hand():
    """Use one spike at step 2, with psi = 1 at that step and 0 at all others."""
    x, dmem = column(1, 0, 0, 0), column(0, 0, 0, 1)
    for reset, through, expected in (("subtract", False, 0.5 + 0.5),
                                     ("subtract", True, 0.5 + 0.5 - 1.0),
                                     ("zero", False, 0.0),
                                     ("zero", True, -(0.5 * 1.5 + 0.75))):
        rec = lif.simulate(x, [[1.5]], reset=reset, **HALF)
        grad = lif.backward(x, [[1.5]], None, rec, column(0, 0, 1, 0), None, dmem,
                            reset=reset, through_reset=through, **HALF)
        assert ravel(grad.dW) == [expected], (reset, through)


def test_default_follows_every_path():
    net = strategies.network(strategies.Options(
        0.6, 0.8, "one", 1.0, "subtract", 0, True, True, True, False, False),
        strategies.Sizes(10, 2, 3, 3), 5)
    assert strategies.live(net.recording.spikes)
    psi = proofs.surrogate("fast_sigmoid", 2.0)(net.recording.mem - 1.0)[1]
    run = [lif.backward(net.x, net.W, net.V, net.recording, psi, psi, **net.model, **k)
           for k in ({}, {"through_reset": True, "through_recurrence": True},
                     {"through_reset": False}, {"through_recurrence": False})]
    assert (run[0].dW == run[1].dW).all()
    assert not np.allclose(run[0].dW, run[2].dW, rtol=1e-3)
    assert not np.allclose(run[0].dW, run[3].dW, rtol=1e-3)


# --- the surrogate gradient is the derivative of the anchored run ---------------

def prove(net, name, steepness, dspikes, dmem, value):
    """Compare `backward` with finite differences of `value(recording)`."""
    function = proofs.surrogate(name, steepness)
    psi = function(net.recording.mem - net.model["threshold"])[1]
    grad = proofs.gradients(lif.backward(
        net.x, net.W, net.V, net.recording, psi, dspikes, dmem, **net.model,
        **net.paths))
    run = proofs.anchored_run(net, function, **net.paths)
    theta, names = proofs.parameters(net)
    W, V, x = proofs.unpack(theta)
    base = run(W, V, x)
    assert (base.spikes == net.recording.spikes).all()      # hard, to the last bit
    assert (base.mem == net.recording.mem).all()

    def loss(theta):
        return value(run(*proofs.unpack(theta)))

    live = [i for i, g in enumerate(grad) if np.abs(g).max() > 0]
    assert 0 in live                                        # dW is not zero
    for i in live:                     # dV is 0 if all spikes come too late
        def part(one, i=i):
            return loss([one if j == i else t for j, t in enumerate(theta)])

        checks.directional(part, theta[i], grad[i], net.rng, names=[names[i]],
                           rtol=RTOL_FD, margin=strategies.gap(net))
    for i in set(range(len(grad))) - set(live):
        moved = [t + 1e-3 * (j == i) for j, t in enumerate(theta)]
        assert loss(moved) == loss(theta)
    return theta, grad, loss


def projection(net):
    """Return a random linear loss of spikes and membranes, and its derivatives."""
    a, b = net.rng.normal(size=(2, *net.recording.mem.shape))
    return a, b, lambda rec: float(np.sum(a * rec.spikes) + np.sum(b * rec.mem))


GRID = list(itertools.product(strategies.SURROGATE_NAMES, ("subtract", "zero"),
                              (False, True), ("forward", "cut", "followed"), (0, 2)))


@proves("lif", 7, 8, 9, 10, 11)
@pytest.mark.parametrize("name, reset, through_reset, recurrence, refractory", GRID)
def test_gradient_on_the_whole_grid_of_options(name, reset, through_reset, recurrence,
                                               refractory):
    options = strategies.Options(
        0.55, 0.8, "other", 1.3, reset, refractory, recurrence != "forward",
        through_reset, recurrence == "followed", True, True)
    for seed in range(200):
        net = strategies.network(options, strategies.Sizes(11, 2, 3, 3), seed)
        if strategies.live(net.recording.spikes) \
                and proofs.margin(net, name, 1.5) > 2e-3:
            break
    assert strategies.live(net.recording.spikes)
    dspikes, dmem, value = projection(net)
    prove(net, name, 1.5, dspikes, dmem, value)


def reach(net, function, theta, direction):
    """Return the largest change of a membrane per unit step along a direction."""
    run = proofs.anchored_run(net, function, **net.paths)
    moved = run(*proofs.unpack([t + 1e-8 * d for t, d in
                                zip(theta, direction, strict=True)]))
    return float(np.abs(moved.mem - net.recording.mem).max()) / 1e-8


@proves("lif", 7, 8, 9, 10, 11)
@given(strategies.live_lif(), strategies.surrogates())
@examples(60)
def test_gradient_of_drawn_networks(net, chosen):
    margin = proofs.margin(net, *chosen)
    dspikes, dmem, value = projection(net)
    theta, _ = proofs.parameters(net)
    directions = [[net.rng.normal(size=t.shape) for t in theta] for _ in range(3)]
    units = [reach(net, proofs.surrogate(*chosen), theta, d) for d in directions]
    assume(4 * checks.STEP * max(units) < margin)   # no kink within a difference
    theta, grad, loss = prove(net, *chosen, dspikes, dmem, value)
    slopes = [checks.taylor_slope(loss, theta, grad, d, halvings=5,
                                  start=0.02 * margin / max(unit, 1.0))
              for d, unit in zip(directions, units, strict=True)]
    assert np.median(slopes) >= 1.9     # of three: one may cross a flat direction


@pytest.mark.parametrize("mutant", ["transpose", "shift", "one-step", "factor"])
@given(st.data())
@examples(15)
def test_wrong_gradients_are_rejected(mutant, data):
    fixed = {"through_recurrence": True} if mutant == "transpose" else {}
    size = strategies.sizes(T=(8, 12), n=(2, 4))
    net = data.draw(strategies.live_lif(size, recurrent=True, **fixed))
    function = proofs.surrogate("sigmoid", 2.0)
    psi = function(net.recording.mem - net.model["threshold"])[1]
    dspikes, dmem, value = projection(net)

    def dW(V=net.V, psi=psi, dspikes=dspikes):
        return lif.backward(net.x, net.W, V, net.recording, psi, dspikes, dmem,
                            **net.model, **net.paths).dW

    right = dW()
    wrong = {"transpose": lambda: dW(V=net.V.T), "factor": lambda: 1.001 * right,
             "shift": lambda: dW(psi=np.roll(psi, 1, axis=0)),
             "one-step": lambda: dW(dspikes=np.roll(dspikes, 1, axis=0))}[mutant]()
    run = proofs.anchored_run(net, function, **net.paths)
    assume(np.abs(wrong - right).max() > 1e-4 * np.abs(right).max())  # the fault shows
    with pytest.raises(AssertionError, match="W, direction .: gradient says"):
        checks.directional(lambda W: value(run(W, net.V, net.x)), net.W, wrong,
                           net.rng, names=["W"], rtol=RTOL_FD)


@given(st.data())
def test_readout_gradient(data):
    size = data.draw(strategies.sizes())
    rng = np.random.default_rng(data.draw(strategies.SEEDS))
    x, W = rng.normal(size=(size.T, size.B, size.m)), rng.normal(size=(size.n, size.m))
    constants = {"alpha": rng.uniform(0, 0.9, size.n), "beta": rng.uniform(0, 0.9),
                 "gain": rng.uniform(0.1, 2)}
    dmem = rng.normal(size=(size.T, size.B, size.n))
    grad = lif.readout_backward(x, W, dmem, **constants)
    assert grad.dV is None
    checks.gradient(lambda p: float(np.sum(dmem * lif.readout(p[1], p[0],
                                                              **constants))),
                    [W, x], [grad.dW, grad.dx], names=["W", "x"], rtol=RTOL_FD,
                    step=0.1)           # bilinear, so a large step is exact


# --- float32, inputs kept --------------------------------------------------------

@given(strategies.live_lif(per_neuron=False))
def test_float32_is_kept_and_close(net):
    single = lif.simulate(net.x.astype(np.float32), net.W.astype(np.float32),
                          None if net.V is None else net.V.astype(np.float32),
                          refractory=net.refractory, **net.model)
    assert single.mem.dtype == single.syn.dtype == single.spikes.dtype == np.float32
    if (single.spikes != net.recording.spikes).any():
        assert strategies.gap(net) < 1e-3       # a spike may flip near threshold only
        return
    psi = proofs.surrogate("arctan", 2.0)(single.mem - np.float32(
        net.model["threshold"]))[1]
    args = (net.x, net.W, net.V, net.recording, psi.astype(float), None, net.x[:, :, :1]
            + 0 * net.recording.mem)
    double = lif.backward(*args, **net.model, **net.paths)
    cast = [None if a is None else a.astype(np.float32) for a in args[:3]]
    half = lif.backward(*cast, single, psi, None, args[6].astype(np.float32),
                        **net.model, **net.paths)
    assert {a.dtype for a in (*half[:4], *half.dstate[:2]) if a is not None} \
        == {np.dtype(np.float32)}
    size = np.linalg.norm(double.dW)
    assert np.linalg.norm(half.dW - double.dW) <= 1e-4 * size


@given(strategies.live_lif(recurrent=True))
def test_inputs_are_not_modified(net):
    rec = net.recording
    psi = np.ones_like(rec.mem)
    arrays = [net.x, net.W, net.V, *rec, psi]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    lif.simulate(net.x, net.W, net.V, refractory=net.refractory, **net.model)
    lif.backward(net.x, net.W, net.V, rec, psi, psi, psi, **net.model)
    lif.linearise(net.x, net.W, net.V, rec, psi, **net.model)
    lif.credit(psi, psi, psi)
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


@proves("lif", 12, 13, 14, 15)
@given(strategies.live_lif(), strategies.surrogates())
def test_linearisation_is_the_step_s_derivative(net, chosen):
    """Compare J[t], F[t] and E[t] with differences of one anchored step."""
    rec, n = net.recording, len(net.W)
    function = proofs.surrogate(*chosen)
    psi = function(rec.mem - net.model["threshold"])[1]
    J, F, E = lif.linearise(net.x, net.W, net.V, rec, psi, **net.model)
    assert not J[0].any() and not F[0].any() and not E[0].any()
    q = lif.credit(psi, psi, 2 * psi)
    np.testing.assert_allclose(q[..., n:], 2 * psi + psi ** 2, rtol=RTOL)
    assert not q[..., :n].any()
    t = int(np.argmax(rec.spikes[:-1].any(axis=(1, 2)))) + 1     # right after a spike
    a, b, g, th = (np.broadcast_to(net.model[k], n) for k in
                   ("alpha", "beta", "gain", "threshold"))
    spike = checks.anchored(function, rec.mem, net.model["threshold"])
    c = 1 - rec.clamp[t]

    def step(h, W, V, x):
        syn, mem = h[:, :n], h[:, n:]
        s = spike(t - 1, mem)
        leak = b * mem + g * syn
        new = a * syn + x @ W.T + (0 if V is None else s @ V.T)
        after = leak * (1 - s) if net.model["reset"] == "zero" else leak - th * s
        return np.concatenate([new, c * after], axis=1)

    h = np.concatenate([rec.syn[t - 1], rec.mem[t - 1]], axis=1)
    np.testing.assert_allclose(step(h, net.W, net.V, net.x[t - 1]),
                               np.concatenate([rec.syn[t], rec.mem[t]], axis=1),
                               rtol=RTOL, atol=RTOL)
    p = net.rng.normal(size=h.shape)
    dh = net.rng.normal(size=h.shape)
    dx = net.rng.normal(size=net.x[t].shape)
    dW = net.rng.normal(size=net.W.shape)
    dV = None if net.V is None else net.rng.normal(size=net.V.shape)
    flat = np.concatenate([dW.ravel()] + ([] if dV is None else [dV.ravel()]))
    claimed = np.array(np.einsum("bi,bij,bj", p, J[t], dh)
                       + np.einsum("bi,bij,bj", p, E[t], dx)
                       + np.einsum("bi,bij,j", p, F[t], flat))
    if proofs.margin(net, *chosen) < 1e-3:
        return

    def moved(e):
        V = None if dV is None else net.V + e * dV
        return float(np.sum(p * step(h + e * dh, net.W + e * dW, V,
                                     net.x[t - 1] + e * dx)))

    checks.directional(moved, np.zeros(()), claimed, net.rng, rtol=RTOL_FD)


# --- what is refused -----------------------------------------------------------

X, W1, V1 = np.zeros((4, 2, 3)), np.ones((2, 3)), np.zeros((2, 2))
REC = lif.simulate(X, W1, V1, **HALF)
PSI = np.ones((4, 2, 2))
NAN = np.full((4, 2, 2), np.nan)


def test_a_recording_of_any_dtype_is_read_in_that_of_the_weights():
    """Cast integer spikes, a numeric mask and float64 fields to the weights' dtype."""
    x = np.ones((7, 2, 1))
    rec = lif.simulate(x, [[1.5], [2.5]], refractory=1, reset="zero", **HALF)
    assert rec.clamp.any() and strategies.live(rec.spikes)
    other = lif.Recording(rec.syn, rec.mem, rec.spikes.astype(np.uint8),
                          rec.clamp.astype(np.uint8))
    for W in ([[1.5], [2.5]], np.float32([[1.5], [2.5]])):
        for run in (lif.backward, lif.linearise):
            kind = np.asarray(W).dtype
            psi = (np.ones(rec.mem.shape),) * (2 if run is lif.backward else 1)
            a, b = (run(x, W, np.eye(2), r, *psi, reset="zero", **HALF)[:4]
                    for r in (rec, other))
            assert all((c == d).all() and c.dtype == kind
                       for c, d in zip(a, b, strict=True))


def test_no_credit_is_credit_of_zero():
    x, psi = np.ones((6, 1, 1)), np.full((6, 1, 1), 0.5)
    rec = lif.simulate(x, [[1.5]], **HALF)
    dW = [lif.backward(x, [[1.5]], None, rec, psi, *credit, **HALF).dW.item()
          for credit in ((psi,), (psi, 0 * psi), (None, psi), (0 * psi, psi))]
    assert dW[0] == dW[1] != dW[2] == dW[3] and all(dW)


def test_refractoriness_is_of_one_neuron_of_one_sample():
    x = np.zeros((7, 2, 1))
    x[:, 1] = 1
    rec = lif.simulate(x, [[1.5], [0.25]], refractory=2, **HALF)
    assert rec.spikes[:, 1, 0].any() and rec.clamp[:, 1, 0].any()
    assert not rec.clamp[:, 0].any() and not rec.clamp[:, :, 1].any()
    alone = lif.simulate(x[:, 1:], [[0.25]], **HALF)
    assert (rec.mem[:, 1:, 1:] == alone.mem).all() and alone.mem.any()


def test_inputs_enter_the_currents_of_every_step_but_the_first():
    rec = lif.simulate(X, W1, V1, **HALF)
    E = lif.linearise(X, W1, V1, rec, PSI, **HALF)[2]
    assert (E[1:, :, :2] == W1).all() and not E[0].any() and not E[:, :, 2:].any()


def test_readouts_are_of_the_dtype_of_their_weights():
    W = np.float32([[0.3, 0.7, 0.1]])
    assert lif.readout(X, W, **HALF).dtype == np.float32
    assert lif.readout_backward(X, W, PSI[..., :1], **HALF).dsyn.dtype == np.float32


def test_each_operation_is_rounded_to_float32():
    """Compare the readout and the gradient with scalar float32 operations."""
    alpha, beta, psi, zero, one = np.float32([1 / 3, 0.7, 0.1, 0, 1])
    x, W = np.linspace(0.1, 1, 9, dtype="f")[:, None, None], np.ones((1, 1), "f")
    constants = {"alpha": alpha, "beta": beta}
    syn, mem, found = zero, zero, lif.readout(x, W, **constants)
    for t in range(9):
        assert found[t].item() == mem
        syn, mem = alpha * syn + x[t, 0, 0], beta * mem + syn
    x = x / x
    rest = lif.Recording(0 * x, 0 * x, 0 * x, x > 1)
    dsyn, dmem = zero, zero
    direct = {True: lif.backward(x, W, None, rest, psi * x, None, x, **constants),
              False: lif.backward(x, W, None, rest, psi * x, 0 * x, x, **constants)}
    for t in range(8, -1, -1):
        dsyn, dmem = alpha * dsyn + dmem, one + beta * dmem + psi * -dmem
        for grad in direct.values():
            assert grad.dsyn.dtype == np.float32 and grad.dsyn[t].item() == dsyn
    assert dsyn > 1


def test_flags_may_be_numpy_bools():
    x, psi = np.ones((5, 1, 1)), np.ones((5, 1, 1))
    rec = lif.simulate(x, [[3.0]], **HALF)
    for flag in (True, False):
        one, two = (lif.backward(x, [[3.0]], None, rec, psi, psi, through_reset=f,
                                 through_recurrence=f, **HALF).dW
                    for f in (flag, np.bool_(flag)))
        assert one == two != 0


def test_defaults_are_gain_and_threshold_one():
    x, dmem = np.ones((5, 1, 1)), column(0, 0, 0, 0, 1)
    for W in ([[0.3]], [[3.0]]):
        rec = [lif.simulate(x, W, **HALF, **k) for k in ({}, {"gain": 1, "threshold": 1,
               "reset": "subtract", "refractory": 0})]
        assert all((a == b).all() for a, b in zip(*rec, strict=True))
        assert (lif.readout(x, W, **HALF) == lif.readout(x, W, gain=1, **HALF)).all()
        assert (lif.readout_backward(x, W, dmem, **HALF).dW
                == lif.readout_backward(x, W, dmem, gain=1, **HALF).dW).all()
        grads = [lif.backward(x, W, None, rec[0], dmem + 0.5, dmem, dmem, **HALF, **k)
                 for k in ({}, {"gain": 1, "threshold": 1, "reset": "subtract",
                                "through_reset": True})]
        assert (grads[0].dW == grads[1].dW).all() and grads[0].dW.any()
        J = [lif.linearise(x, W, [[0.5]], rec[0], dmem + 0.25, **HALF, **k)[0]
             for k in ({}, {"gain": 1, "threshold": 1, "reset": "subtract",
                            "through_reset": True, "through_recurrence": True})]
        assert (J[0] == J[1]).all() and J[0][1:, :, :, 1].all()


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_gradients_with_a_final_state_keep_float32(reset):
    x, W = np.ones((3, 1, 2), "f4"), np.full((2, 2), 0.8, "f4")
    options = {"alpha": 0.5, "beta": 0.5, "reset": reset}
    rec, after = lif.run(x, W, W, **options)
    found = lif.backward(x, W, W, rec, rec.mem, rec.mem, rec.mem, after=after,
                         constants=True, **options)
    assert rec.spikes.any() and found.dW.any()
    arrays = [*found._replace(dstate=None), *(found.dstate or ())]
    assert {a.dtype for a in arrays if a is not None} == {np.dtype("f4")}
