"""Test RTRL against BPTT, and structured LIF steps against generic steps."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, lif, rnn, rtrl

GRID = list(itertools.product(("subtract", "zero"), (False, True), (False, True),
                              (0, 2), (False, True)))


def surrogate(net):
    return proofs.surrogate("fast_sigmoid", 2.0)(
        net.recording.mem - net.model["threshold"])[1]


def by_rows(array, n, m, recurrent=True):
    """Reorder columns from W, then V, row by row, to the rows of [W | V]."""
    W = np.arange(n * m).reshape(n, m)
    V = n * m + np.arange(n * n).reshape(n, n)
    order = np.concatenate([W, V], axis=1) if recurrent else W
    return array[..., order.ravel()]


def example(reset, through_reset, through_recurrence, refractory, recurrent=True,
            size=(11, 2, 3, 4)):
    """Return a live network of these options, its psi, dspikes and dmem."""
    options = strategies.Options(0.6, 0.8, "other", 1.2, reset, refractory, recurrent,
                                 through_reset, through_recurrence, True, True)
    for seed in range(100):
        net = strategies.network(options, strategies.Sizes(*size), seed)
        if strategies.live(net.recording.spikes) and strategies.heard(net) \
                and strategies.gap(net) > 1e-3:
            break
    assert strategies.live(net.recording.spikes) and strategies.heard(net)
    if refractory:
        assert net.recording.clamp.any()
    dspikes, dmem = net.rng.normal(size=(2, *net.recording.mem.shape))
    return net, surrogate(net), dspikes, dmem


def online(net, psi, options):
    """Yield t and the influence at t for t > 0, computed step by step."""
    rec, now = net.recording, None
    for t in range(len(psi) - 1):
        now = rtrl.lif_step(now, net.x[t], net.V, rec.syn[t], rec.mem[t],
                            rec.spikes[t], psi[t], rec.clamp[t + 1], **options)
        yield t + 1, now


# --- generic --------------------------------------------------------------------

def test_by_hand():
    """Use h[0] = 3w, h[1] = 2 h[0] + w and L = h[0] + 5 h[1]."""
    J = np.array([9.0, 2.0]).reshape(2, 1, 1, 1)
    F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    q = np.array([1.0, 5.0]).reshape(2, 1, 1)
    M = rtrl.step(None, J[0], F[0])
    assert M.tolist() == [[[3.0]]] and rtrl.step_gradient(M, q[0]).tolist() == [3.0]
    M = rtrl.step(M, J[1], F[1])
    assert M.tolist() == [[[7.0]]] and rtrl.step_gradient(M, q[1]).tolist() == [35.0]
    assert rtrl.gradient(J, F, q).tolist() == [38.0]


@given(strategies.linear_systems())
def test_forward_is_backward(system):
    close(rtrl.gradient(*system), bptt.gradient(*system))


@given(strategies.linear_systems())
def test_each_step_is_the_gradient_of_its_own_loss(system):
    J, F, q = system
    M, total = None, 0
    for t in range(len(q)):
        M = rtrl.step(M, J[t], F[t])
        found = rtrl.step_gradient(M, q[t])
        alone = np.zeros_like(q)
        alone[t] = q[t]
        close(found, bptt.gradient(J, F, alone))
        total = total + found
    close(total, rtrl.gradient(J, F, q))


@given(strategies.linear_systems())
def test_buffers_hold_the_same(system):
    J, F, q = system
    M = np.ones_like(F[0])
    out = np.full_like(F[0], np.nan)
    found = rtrl.step(M, J[0], F[0], out=out)
    assert found is out and (found == rtrl.step(M, J[0], F[0])).all()
    close(found, J[0] @ M + F[0])
    assert (M == 1).all()


@given(strategies.linear_systems())
def test_wrong_systems_are_told_apart(system):
    J, F, q = system
    assume(len(q) > 2 and q.shape[2] > 1)
    right = bptt.gradient(J, F, q)
    for wrong in (rtrl.gradient(J.swapaxes(2, 3), F, q),
                  rtrl.gradient(np.roll(J, 1, axis=0), F, q),
                  rtrl.gradient(J, F, np.roll(q, 1, axis=0)),
                  1.001 * rtrl.gradient(J, F, q)):
        with pytest.raises(AssertionError):
            close(wrong, right)


@given(st.data())
def test_tanh_networks(data):
    T, B, m, n = data.draw(strategies.sizes(T=(2, 10)))
    rng = np.random.default_rng(data.draw(strategies.SEEDS))
    x, W, V, dh = (rng.normal(size=s) for s in
                   ((T, B, m), (n, m), (n, n), (T, B, n)))
    h = rnn.simulate(x, W, V)
    dW, dV, *_ = rnn.backward(x, W, V, h, dh)
    flat = np.concatenate([dW.ravel(), dV.ravel()])
    close(rtrl.gradient(*rnn.linearise(x, W, V, h), dh), flat)


# --- LIF layers -------------------------------------------------------------------

@pytest.mark.parametrize("reset, through_reset, recurrence, refractory, recurrent",
                         GRID)
def test_lif_on_the_whole_grid(reset, through_reset, recurrence, refractory, recurrent):
    net, psi, dspikes, dmem = example(reset, through_reset, recurrence, refractory,
                                      recurrent)
    args, options = (net.x, net.W, net.V, net.recording, psi), {**net.model,
                                                                **net.paths}
    J, F, _ = lif.linearise(*args, **options)
    q, (n, m) = lif.credit(psi, dspikes, dmem), net.W.shape
    F = by_rows(F, n, m, recurrent)
    grad = lif.backward(*args, dspikes, dmem, **options)
    whole = grad.dW if grad.dV is None else np.concatenate([grad.dW, grad.dV], axis=1)
    close(rtrl.gradient(J, F, q), whole.ravel())
    M, total = rtrl.step(None, J[0], F[0]), 0
    for t, now in online(net, psi, options):             # structured = generic
        M = rtrl.step(M, J[t], F[t])
        close(np.concatenate(now, axis=1), M)
        found = rtrl.step_gradient(now.mem, dmem[t] + psi[t] * dspikes[t])
        np.testing.assert_allclose(found, rtrl.step_gradient(M, q[t]), rtol=RTOL,
                                   atol=RTOL * np.linalg.norm(whole))
        total = total + found
    close(total, whole.ravel())                          # steps sum to the whole
    dW, dV = rtrl.lif_gradient(net.x, net.V, net.recording, psi, dspikes, dmem,
                               **options)
    close(dW, grad.dW)
    assert (dV is None) == (not recurrent)
    if recurrent:
        close(dV, grad.dV)


@given(strategies.live_lif(), strategies.surrogates())
@settings(max_examples=80)
def test_drawn_lif_layers(net, chosen):
    rec = net.recording
    psi = proofs.surrogate(*chosen)(rec.mem - net.model["threshold"])[1]
    dspikes, dmem = net.rng.normal(size=(2, *psi.shape))
    options = {**net.model, **net.paths}
    for ds, du in ((dspikes, dmem), (dspikes, None), (None, dmem)):
        grad = lif.backward(net.x, net.W, net.V, rec, psi, ds, du, **options)
        found = rtrl.lif_gradient(net.x, net.V, rec, psi, ds, du, **options)
        assert np.linalg.norm(grad.dW) > 0 or du is None
        size = np.linalg.norm(grad.dW)
        assert np.linalg.norm(found[0] - grad.dW) <= RTOL * size
        if net.V is not None:
            assert np.linalg.norm(found[1] - grad.dV) <= RTOL * max(
                size, np.linalg.norm(grad.dV))
    J, F, _ = lif.linearise(net.x, net.W, net.V, rec, psi, **options)
    close(rtrl.gradient(J, F, lif.credit(psi, dspikes, dmem)),
          bptt.gradient(J, F, lif.credit(psi, dspikes, dmem)))


@given(strategies.live_lif(through_reset=True), strategies.surrogates())
def test_against_differences_of_the_anchored_run(net, chosen):
    """Compare the forward gradient with differences of the hard-spiking network."""
    function = proofs.surrogate(*chosen)
    margin = proofs.margin(net, *chosen)
    rec, V = net.recording, net.V
    psi = function(rec.mem - net.model["threshold"])[1]
    a, b = net.rng.normal(size=(2, *psi.shape))
    dW, dV = rtrl.lif_gradient(net.x, V, rec, psi, a, b, **net.model, **net.paths)
    run = proofs.anchored_run(net, function, **net.paths)
    theta, grad = ([net.W], [dW]) if V is None else ([net.W, V], [dW, dV])

    def loss(theta):
        found = run(theta[0], None if V is None else theta[1], net.x)
        return float(np.sum(a * found.spikes) + np.sum(b * found.mem))

    far = [t + 8 * checks.STEP * np.sign(net.rng.normal(size=t.shape)) for t in theta]
    moved = run(far[0], None if V is None else far[1], net.x).mem - rec.mem
    assume(np.abs(moved).max() < margin)        # no kink within a difference
    checks.directional(loss, theta, grad, net.rng, rtol=RTOL_FD,
                       margin=strategies.gap(net))


def stacked(net, psi, W2, V2, top, psi2, options):
    """Return (J, F) of two layers whose states are stacked."""
    J1, F1, _ = lif.linearise(net.x, net.W, net.V, net.recording, psi, **options)
    J2, F2, E2 = lif.linearise(net.recording.spikes, W2, V2, top, psi2, **options)
    n, N1, N2 = len(net.W), J1.shape[3], J2.shape[3]
    J = np.zeros((*J1.shape[:2], N1 + N2, N1 + N2))
    F = np.zeros((*J1.shape[:2], N1 + N2, F1.shape[3] + F2.shape[3]))
    J[..., :N1, :N1], J[..., N1:, N1:] = J1, J2
    J[1:, :, N1:, n:N1] = E2[1:] * psi[:-1, :, None, :]
    F[..., :N1, :F1.shape[3]], F[..., N1:, F1.shape[3]:] = F1, F2
    return J, F


@pytest.mark.parametrize("reset, through_reset, recurrence, refractory, recurrent",
                         GRID)
def test_two_lif_layers(reset, through_reset, recurrence, refractory, recurrent):
    """The weights of the lower layer influence the loss through the upper layer."""
    net, psi, _, _ = example(reset, through_reset, recurrence, refractory, recurrent,
                             size=(14, 2, 3, 3))
    rec, model, options = net.recording, net.model, {**net.model, **net.paths}
    model = {**model, **{name: float(np.mean(model[name]))
                         for name in ("alpha", "beta", "gain", "threshold")}}
    options.update(model)
    rec = lif.simulate(net.x, net.W, net.V, refractory=refractory, **model)
    net = net._replace(recording=rec, model=model)
    psi = surrogate(net)
    W2 = model["threshold"] / model["gain"] * net.rng.uniform(0.5, 2, (2, len(net.W)))
    V2 = net.rng.normal(size=(2, 2)) if recurrent else None
    top = lif.simulate(rec.spikes, W2, V2, refractory=refractory, **model)
    assert strategies.live(rec.spikes) and 0 < top.spikes.mean() < 1
    psi2 = proofs.surrogate("fast_sigmoid", 2.0)(top.mem - model["threshold"])[1]
    dspikes, dmem = net.rng.normal(size=(2, *top.mem.shape))
    J, F = stacked(net, psi, W2, V2, top, psi2, options)
    q = np.concatenate([np.zeros((*psi.shape[:2], 2 * psi.shape[2])),
                        lif.credit(psi2, dspikes, dmem)], axis=2)
    upper = lif.backward(rec.spikes, W2, V2, top, psi2, dspikes, dmem, **options)
    lower = lif.backward(net.x, net.W, net.V, rec, psi, upper.dx, **options)
    close(rtrl.gradient(J, F, q), np.concatenate(
        [a.ravel() for g in (lower, upper) for a in (g.dW, g.dV) if a is not None]))
    assert all(np.linalg.norm(g.dW) > 0 for g in (lower, upper))
    found = rtrl.lif_gradient(rec.spikes, V2, top, psi2, dspikes, dmem, **options)
    close(found[0], upper.dW)


def test_a_loss_that_is_known_at_its_step_only():
    """Draw the target of each step after the step, from the network's output."""
    net, _, _, _ = example("subtract", True, True, 0)
    model, (T, B, _), n = net.model, net.x.shape, len(net.W)
    alpha, beta, gain, threshold = (model[k] for k in
                                    ("alpha", "beta", "gain", "threshold"))
    function = proofs.surrogate("fast_sigmoid", 2.0)
    syn, mem, now, total, told = *np.zeros((2, B, n)), None, 0, []
    for t in range(T):
        spikes, psi = (mem > threshold) * 1.0, function(mem - threshold)[1]
        miss = spikes - (net.rng.random((B, n)) < 0.5 * spikes + 0.1)
        told.append(miss)
        if t:
            total = total + rtrl.step_gradient(now.mem, psi * miss)
        now = rtrl.lif_step(now, net.x[t], net.V, syn, mem, spikes, psi, **model)
        syn, mem = (alpha * syn + net.x[t] @ net.W.T + spikes @ net.V.T,
                    beta * mem + gain * syn - threshold * spikes)
    rec = lif.simulate(net.x, net.W, net.V, **model)
    psi = function(rec.mem - threshold)[1]
    grad = lif.backward(net.x, net.W, net.V, rec, psi, np.array(told), **model)
    close(total.reshape(n, -1), np.concatenate([grad.dW, grad.dV], axis=1))


def test_spoilt_lif_steps_are_told_apart():
    net, psi, dspikes, dmem = example("subtract", True, True, 0)
    args, options = (net.recording, psi, dspikes, dmem), {**net.model, **net.paths}
    right = lif.backward(net.x, net.W, net.V, *args, **options).dW

    def found(x=net.x, V=net.V, psi=psi, dmem=dmem, **changed):
        return rtrl.lif_gradient(x, V, net.recording, psi, dspikes, dmem,
                                 **{**options, **changed})[0]

    close(found(), right)
    for wrong in (found(V=net.V.T), found(psi=np.roll(psi, 1, axis=0)),
                  found(x=np.roll(net.x, 1, axis=0)),
                  found(dmem=np.roll(dmem, 1, axis=0)), found(through_reset=False),
                  found(through_recurrence=False), found(reset="zero"),
                  1.001 * found()):
        with pytest.raises(AssertionError):
            close(wrong, right)


def test_step_buffers_hold_the_same_and_inputs_are_kept():
    net, psi, dspikes, dmem = example("zero", True, True, 2)
    rec, options = net.recording, {**net.model, **net.paths}
    steps = list(online(net, psi, options))
    t, last = steps[5]
    arrays = [net.x, net.V, *rec, psi, *last, dspikes, dmem]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    out = rtrl.Influence(*(np.full_like(a, np.nan) for a in last))
    found = rtrl.lif_step(last, net.x[t], net.V, rec.syn[t], rec.mem[t], rec.spikes[t],
                          psi[t], rec.clamp[t + 1], out=out, **options)
    assert found.syn is out.syn and found.mem is out.mem
    assert all((a == b).all() for a, b in zip(found, steps[6][1], strict=True))
    assert np.linalg.norm(found.mem) > 0
    rtrl.lif_gradient(net.x, net.V, rec, psi, dspikes, dmem, **options)
    rtrl.step_gradient(last.mem, dmem[t])
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_float32_is_kept_and_close(reset, recurrent):
    net, psi, dspikes, dmem = example(reset, True, True, 2, recurrent)
    exact = rtrl.lif_gradient(net.x, net.V, net.recording, psi, dspikes, dmem,
                              **net.model)
    cast = [None if a is None else a.astype(np.float32)
            for a in (net.x, net.V, psi, dspikes, dmem)]
    rec = lif.Recording(*(a.astype(np.float32) for a in net.recording))
    found = rtrl.lif_gradient(cast[0], cast[1], rec, *cast[2:], **net.model)
    for a, b in zip(found, exact, strict=True):
        if b is not None:
            assert a.dtype == np.float32
            close(a.astype(float), b, rtol=1e-4)
    single = net._replace(x=cast[0], V=cast[1], recording=rec)
    for (_, a), (_, b) in zip(online(single, cast[2], net.model),
                              online(net, psi, net.model), strict=True):
        assert a.syn.dtype == a.mem.dtype == np.float32
        close(a.syn.astype(float), b.syn, rtol=1e-4)
    J, F, _ = lif.linearise(net.x, net.W, net.V, net.recording, psi, **net.model)
    q = lif.credit(psi, dspikes, dmem)
    half = rtrl.gradient(*(a.astype(np.float32) for a in (J, F, q)))
    assert half.dtype == np.float32
    close(half.astype(float), bptt.gradient(J, F, q), rtol=1e-4)


def test_results_have_the_dtype_of_the_jacobians():
    rng = np.random.default_rng(2)
    half = [rng.normal(size=shape).astype(np.float32)
            for shape in ((4, 2, 3, 3), (4, 2, 3, 5), (4, 2, 3))]
    full = [a.astype(float) for a in half]
    for one, other in ((half, full), (full, half)):
        found, wanted = rtrl.gradient(one[0], *other[1:]), rtrl.gradient(*one)
        assert found.dtype == wanted.dtype == one[0].dtype
        assert (found == wanted).all() and found.any()
        J, F = one[0], one[1]
        wanted = rtrl.step(F[0], J[1], F[1])
        assert wanted.dtype == J.dtype
        for M, last in ((F[0], other[1][1]), (other[1][0], F[1])):
            found = rtrl.step(M, J[1], last)
            assert found.dtype == wanted.dtype and (found == wanted).all()
        product = rtrl.step_gradient(other[1][0], one[2][0])
        assert product.dtype == np.float64


def test_fast_and_slow_checks_give_the_same_steps():
    """Lists, integers and large entries take the slow checks."""
    rng = np.random.default_rng(6)
    M, J, F = (rng.integers(-3, 4, size).astype(float) for size in
               ((2, 3, 4), (2, 3, 3), (2, 3, 4)))
    q, wanted = np.arange(6.0).reshape(2, 3), rtrl.step(M, J, F)
    assert (rtrl.step(M.tolist(), J, F.tolist()) == wanted).all() and wanted.any()
    assert (rtrl.step_gradient(M, q.tolist()) == rtrl.step_gradient(M, q)).all()
    assert (rtrl.step(1e200 * M, J, 1e200 * F) / 1e200 == pytest.approx(wanted))
    state, options = [np.ones((1, 2)), 2 * np.ones((1, 2)), np.eye(2)[:1]], {
        "alpha": 0.5, "beta": 0.75, "gain": 0.25, "threshold": 1.0, "reset": "zero"}
    x, V, psi, clamp = np.ones((1, 3)), np.eye(2), np.ones((1, 2)), np.array([[0, 1]])
    start = rtrl.Influence(*rng.normal(size=(2, 1, 2, 10)))
    wanted = rtrl.lif_step(start, x, V, *state, psi, clamp, **options)
    for other in ({"x": x > 0}, {"V": V.tolist()}, {"clamp": clamp > 0},
                  {"alpha": np.full(2, 0.5)}, {"gain": np.float32(0.25)},
                  {"threshold": 1}, {"mem": (2 * np.ones((1, 2))).tolist()}):
        given = {"x": x, "V": V, "syn": state[0], "mem": state[1], "spikes": state[2],
                 "psi": psi, "clamp": clamp, **options, **other}
        found = rtrl.lif_step(start, **given)
        assert (found.syn == wanted.syn).all() and (found.mem == wanted.mem).all()
    assert wanted.mem.any() and wanted.syn.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fast_check_accepts_valid_arguments(dtype, monkeypatch):
    """Replace the slow check by an error, for B = 3 sequences and n = 2 neurons."""
    one, x, V, F = (np.ones(s, dtype) for s in ((3, 2), (3, 4), (2, 2), (3, 2, 5)))

    def slow(*_, **__):
        raise AssertionError("the slow check was called")

    monkeypatch.setattr(rtrl, "_arrays", slow)
    out = np.empty_like(F)
    assert rtrl.step(F, np.ones((3, 2, 2), dtype), F, out=out) is out and out.all()
    assert rtrl.step_gradient(F, one).dtype == dtype
    for W, w in ((None, 4), (V, 6)):
        new = rtrl.lif_step(None, x, W, one, one, one, one, alpha=0.0, beta=0.0)
        assert new.syn.shape == (3, 2, 2 * w) and new.syn.any()
    with pytest.raises(AssertionError, match="slow check"):
        rtrl.lif_step(None, x, None, one, one, one, one, alpha=0, beta=0.0)


@pytest.mark.parametrize("as_float", [False, True])
def test_each_operation_is_rounded_to_float32(as_float):
    """Compare with operations on vectors for one neuron, to the last bit."""
    alpha, beta, gain, threshold = np.float32([1 / 3, 0.7, 2, 0.9])
    rng = np.random.default_rng(2)
    x, (psi, dmem) = rng.random((15, 1, 6), "f"), rng.random((2, 15, 1, 1), "f")
    rest, (syn, mem, total) = 0 * psi, np.zeros((3, 6), np.float32)
    options = {"alpha": alpha, "beta": beta, "gain": gain, "threshold": threshold}
    if as_float:
        options = {name: float(value) for name, value in options.items()}
    now = None
    for t in range(14):
        now = rtrl.lif_step(now, x[t], None, rest[t], rest[t], rest[t], psi[t],
                            **options)
        syn, mem = alpha * syn + x[t, 0], \
            mem * (beta - threshold * psi[t, 0, 0]) + gain * syn
        total += dmem[t + 1, 0, 0] * mem
        assert (now.syn == syn).all() and (now.mem == mem).all()
        assert now.syn.dtype == now.mem.dtype == np.float32
    found = rtrl.lif_gradient(x, None, (rest,) * 4, psi, None, dmem, **options)[0]
    assert (found == total).all() and total.all()


def test_integers_and_booleans_are_numbers():
    """Inputs, states, weights and adjoints may be integers; psi must be float."""
    rng = np.random.default_rng(4)
    x, syn, mem, spikes, clamp, dspikes, dmem = (
        rng.integers(0, 2, (5, 2, 3)) for _ in range(7))
    V, psi = rng.integers(-1, 2, (3, 3)), rng.random((5, 2, 3))
    whole = x.astype(bool), V, (syn, mem, spikes.astype(bool), clamp.astype(bool)), \
        psi, dspikes, dmem.astype(bool)
    real = x + 0.0, V + 0.0, (syn + 0.0, mem + 0.0, spikes + 0.0, clamp + 0.0), psi, \
        dspikes + 0.0, dmem + 0.0
    for a, b in zip(*(rtrl.lif_gradient(*arrays, alpha=0.5, beta=0.75)
                      for arrays in (whole, real)), strict=True):
        assert (a == b).all() and a.any()
    M = [rtrl.lif_step(None, x[0], V, *(a[0] for a in states[:3]), psi[0],
                       states[3][0], alpha=0.5, beta=0.75)
         for x, V, states in (whole[:3], real[:3])]
    assert (M[0].syn == M[1].syn).all() and M[0].syn.any()


def test_influences_are_trusted():
    bad = np.full((1, 2, 10), np.nan)
    assert np.isnan(rtrl.step_gradient(bad, np.ones((1, 2)))).all()
    assert np.isnan(rtrl.lif_step(**{**STEP, "influence": (bad, bad)}).mem).all()


def test_defaults_follow_every_path():
    options = strategies.Options(0.6, 0.8, "one", 1.0, "subtract", 0, True, True, True,
                                 False, False)
    net = strategies.network(options, strategies.Sizes(11, 2, 3, 3), 5)
    rec, psi = net.recording, surrogate(net)
    assert strategies.live(rec.spikes)
    decays = {name: net.model[name] for name in ("alpha", "beta")}
    full = {**decays, "gain": 1.0, "threshold": 1.0, "reset": "subtract",
            "through_reset": True, "through_recurrence": True}
    for (_, a), (_, b) in zip(online(net, psi, decays), online(net, psi, full),
                              strict=True):
        assert (a.syn == b.syn).all() and (a.mem == b.mem).all()
    assert np.linalg.norm(a.mem) > 0
    found = [rtrl.lif_gradient(net.x, net.V, rec, psi, psi, **kind)[0]
             for kind in (decays, full, {**full, "through_recurrence": False},
                          {**full, "through_reset": False})]
    assert (found[0] == found[1]).all()
    for other in found[2:]:
        assert not np.allclose(found[0], other, rtol=1e-3)


def test_flags_may_be_numpy_bools():
    for flag in (True, False):
        one, two = (rtrl.lif_gradient(**RUN, through_reset=f, through_recurrence=f)
                    for f in (flag, np.bool_(flag)))
        assert all((a == b).all() and a.any() for a, b in zip(one, two, strict=True))


def test_smallest_sizes():
    one = np.zeros((1, 1, 1))
    dW, dV = rtrl.lif_gradient(one + 1, np.eye(1), (one,) * 4, one + 1, one + 1,
                               alpha=0.5, beta=0.5)
    assert dW.tolist() == dV.tolist() == [[0.0]]    # x[0] meets no membrane yet
    rest = np.zeros((4, 1, 2))
    dW, dV = rtrl.lif_gradient(np.zeros((4, 1, 0)), np.eye(2), (rest,) * 4, rest + 1,
                               rest + 1, alpha=0.5, beta=0.5)
    assert dW.shape == (2, 0) and dV.tolist() == [[0.0, 0.0], [0.0, 0.0]]


# --- what is refused --------------------------------------------------------------

A = np.ones((3, 1, 2, 2))
GOOD = {"J": A, "F": np.ones((3, 1, 2, 4)), "q": np.ones((3, 1, 2))}
NAN, RO = np.full((1, 2, 4), np.nan), np.zeros((1, 2, 4))
RO.setflags(write=False)


@pytest.mark.parametrize("change, match", [
    ({"J": np.ones((3, 1, 2, 3))}, r"^J is \(3, 1, 2, 3\) .*float \(T, B, n, n\)"),
    ({"J": np.ones((2, 1, 2, 2))}, r"^F is \(3, 1, 2, 4\) .*T = 2"),
    ({"J": A.astype(int)}, "^J is .*finite float"),
    ({"J": A.astype(np.float16)}, "^J is .*finite float"),
    ({"J": A * np.nan}, "^J is .*nan"), ({"J": None}, "^J is None"),
    ({"F": np.ones((3, 1, 3, 4))}, r"^F is \(3, 1, 3, 4\)"),
    ({"F": np.ones((3, 1, 2, 0))}, r"^F is \(3, 1, 2, 0\)"),
    ({"F": np.full((3, 1, 2, 4), np.inf)}, "^F is .*inf"),
    ({"q": np.ones((3, 2))}, r"^q is \(3, 2\)"),
    ({"q": np.ones((0, 1, 2))}, r"^q is \(0, 1, 2\)"),
    ({"q": np.full((3, 1, 2), np.nan)}, "^q is .*nan")])
def test_bad_systems_are_named(change, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        rtrl.gradient(**{**GOOD, **change})


@pytest.mark.parametrize("call, match", [
    (lambda: rtrl.step(None, A[0], A[0, :0]), r"^F is \(0, 2, 2\)"),
    (lambda: rtrl.step(None, A[0, :, :1], A[0]), r"^J is \(1, 1, 2\)"),
    (lambda: rtrl.step(None, A[0], A[0, 0]), r"^F is \(2, 2\) .*float \(B, n, p\)"),
    (lambda: rtrl.step(A[0, :, :1], A[0], A[0]), r"^M is \(1, 1, 2\)"),
    (lambda: rtrl.step(NAN, A[0], GOOD["F"][0]), "^M is .*nan"),
    (lambda: rtrl.step(None, A[0] * np.inf, A[0]), "^J is .*inf"),
    (lambda: rtrl.step(A[0], A[0] * np.inf, A[0]), "^J is .*inf"),
    (lambda: rtrl.step(None, A[0], A[0], out=A[0].astype("f")),
     "^out is float32 .*must be float64"),
    (lambda: rtrl.step(None, A[0], A[0], out=np.zeros((1, 2, 3))),
     r"^out is .*\(1, 2, 3\): must be float64 \(1, 2, 2\)"),
    (lambda: rtrl.step(None, A[0], A[0], out=3), "^out is "),
    (lambda: rtrl.step(None, A[0], GOOD["F"][0], out=RO), "^out is .*writeable"),
    (lambda: rtrl.step(None, A[0], A[0], out=np.ones((1, 2, 4))[:, :, ::2]),
     "^out is .*contiguous"),
    (lambda: rtrl.step(A[0], A[0] * 1, A[0] * 1, out=A[0]), "^out shares memory"),
    (lambda: rtrl.step_gradient(A[0], np.ones(2)), r"^q is \(2,\)"),
    (lambda: rtrl.step_gradient(A[0], np.ones((1, 3))),
     r"^M is float64 \(1, 2, 2\): must be .*\(1, 3, 1\)"),
    (lambda: rtrl.step_gradient(A[0, :0], np.ones((0, 2))), r"^q is \(0, 2\)"),
    (lambda: rtrl.step_gradient(A[0], np.full((1, 2), np.nan)), "^q is .*nan")])
def test_bad_steps_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


O2 = np.ones((1, 2))
BIG = rtrl.Influence(np.zeros((1, 2, 10)), np.zeros((1, 2, 10)))
STEP = {"influence": None, "x": np.ones((1, 3)), "V": np.eye(2), "syn": O2, "mem": O2,
        "spikes": O2, "psi": O2, "alpha": 0.5, "beta": 0.5}


def narrow(arguments, psi):
    """Return the arguments with a float32 psi where it is None."""
    one = psi.astype(np.float32) if arguments["psi"] is None else arguments["psi"]
    return {**arguments, "psi": one}


BAD_MODEL = [
    ({"V": np.ones((2, 3))}, r"^V is \(2, 3\) .*finite real \(n, n\)"),
    ({"V": np.ones((3, 3))}, r"^V is \("),
    ({"V": np.ones(2)}, r"^V is \("), ({"V": np.eye(2) * np.nan}, "^V is .*finite"),
    ({"alpha": 1.0}, r"^alpha is 1.0: must be .* in \[0, 1\)"),
    ({"alpha": -0.1}, "^alpha is -0.1"),
    ({"alpha": 1 - 1e-9, "psi": None}, "^alpha is .*float32"),
    ({"beta": 1 - 1e-9, "psi": None}, "^beta is .*float32"),
    ({"gain": 1e300, "psi": None}, "^gain is .*float32"),
    ({"threshold": 1e-300, "psi": None}, "^threshold is .*float32"),
    ({"V": np.eye(2) * 1e300, "psi": None}, "^V is .*finite"),
    ({"alpha": np.ones(3) / 2}, r"^alpha is \(3,\)"),
    ({"alpha": "x"}, "^alpha is 'x'"), ({"beta": np.nan}, "^beta is nan"),
    ({"beta": 1.5}, "^beta is 1.5"),
    ({"gain": 0.0}, r"^gain is 0.0: must be .* in \(0, inf\)"),
    ({"gain": np.inf}, "^gain is inf"), ({"threshold": -1}, "^threshold is -1"),
    ({"threshold": 0}, "^threshold is 0"),
    ({"reset": "soft"}, "^reset is 'soft'"), ({"reset": None}, "^reset is None"),
    ({"reset": np.array(["zero"])}, "^reset is array"),
    ({"through_reset": 1}, "^through_reset is 1"),
    ({"through_recurrence": None}, "^through_recurrence is None")]


@pytest.mark.parametrize("change, match", BAD_MODEL + [
    ({"psi": np.ones(2)}, r"^psi is \("), ({"psi": O2 * np.nan}, "^psi is .*finite"),
    ({"psi": O2.astype(int)}, "^psi is .*finite float"),
    ({"psi": O2[:0]}, r"^psi is \(0, 2\)"),
    ({"x": np.ones((2, 3))}, r"^x is \("), ({"x": O2 * np.inf}, "^x is .*finite"),
    ({"x": np.ones((1, 3, 1))}, r"^x is \(1, 3, 1\)"),
    ({"syn": np.ones((1, 3))}, r"^syn is \("), ({"mem": np.ones(2)}, r"^mem is \("),
    ({"spikes": O2 * np.nan}, "^spikes is .*finite"),
    ({"clamp": O2 * 0.5}, r"^clamp is .* in \{0, 1\}"),
    ({"clamp": O2[:, :1]}, r"^clamp is \(1, 1\)"),
    ({"influence": np.zeros((2, 1, 2, 10))}, "^influence is a ndarray"),
    ({"influence": BIG[:1]}, "^influence is a tuple"),
    ({"influence": (BIG.syn, BIG.mem[..., :4])}, "^influence.mem is float64"),
    ({"influence": (BIG.syn.astype("f"), BIG.mem)}, "^influence.syn is .*float32"),
    ({"influence": BIG, "out": BIG}, "^out.syn shares memory"),
    ({"out": (BIG.syn, BIG.syn)}, "^out.syn and out.mem share"),
    ({"out": (BIG.syn, None, 3)}, "^out is a tuple"),
    ({"out": (BIG.syn, BIG.mem.astype("f"))}, "^out.mem is .*float64"),
    ({"V": None, "influence": BIG},
     r"^influence.syn .*\(1, 2, 10\): must .*\(1, 2, 6\)")])
def test_bad_lif_steps_are_named(change, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        rtrl.lif_step(**narrow({**STEP, **change}, O2))


O3 = np.ones((4, 1, 2))
RUN = {"x": np.ones((4, 1, 3)), "V": np.eye(2), "recording": (O3, O3, O3, 0 * O3),
       "psi": O3, "dspikes": O3, "alpha": 0.5, "beta": 0.5}


@pytest.mark.parametrize("change, match", BAD_MODEL + [
    ({"psi": O2}, r"^psi is \("), ({"psi": O3[:0]}, r"^psi is \(0, 1, 2\)"),
    ({"psi": O3 * np.nan}, "^psi is .*finite"), ({"x": O3[:3]}, r"^x is \("),
    ({"x": O3 * np.inf}, "^x is .*finite"), ({"dmem": O3[1:]}, r"^dmem is \("),
    ({"dspikes": O3[:, :, :1]}, r"^dspikes is \("),
    ({"dmem": O3 * np.nan}, "^dmem is .*finite"),
    ({"recording": O3}, "^recording is a ndarray"),
    ({"recording": (O3, O3, O3)}, "^recording is a tuple"),
    ({"recording": (O3, O3[1:], O3, O3)}, r"^recording.mem is \("),
    ({"recording": (O3[1:], O3, O3, O3)}, r"^recording.syn is \("),
    ({"recording": (O3, O3, O3, O3[1:])}, r"^recording.clamp is \("),
    ({"recording": (O3, O3, O3 * np.nan, O3)}, "^recording.spikes is .*finite"),
    ({"recording": (O3, O3, O3, O3 / 2)}, r"^recording.clamp is .* in \{0, 1\}")])
def test_bad_recordings_are_named(change, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        rtrl.lif_gradient(**narrow({**RUN, **change}, O3))


@pytest.mark.parametrize("name", ["x", "psi", "syn"])
def test_out_of_a_lif_step_shares_no_memory_with_inputs(name):
    two = np.ones((1, 2))
    out = rtrl.Influence(np.zeros((1, 2, 10)), np.zeros((1, 2, 10)))
    step = {"x": np.ones((1, 3)), "V": np.eye(2), "syn": two, "mem": two, "spikes": two,
            "psi": two, "alpha": 0.5, "beta": 0.5}
    step[name] = out.mem[:, 0, :step[name].shape[1]]
    with pytest.raises(ValueError, match="^out.mem shares memory"):
        rtrl.lif_step(None, **step, out=out)


def test_step_refuses_out_that_is_J_and_F_without_axes():
    J = np.ones((1, 2, 2))
    with pytest.raises(ValueError, match="^out shares memory"):
        rtrl.step(1 * J, J, 1 * J, out=J)
    for F in (1.0, np.ones(2)):
        with pytest.raises(ValueError, match="^F is "):
            rtrl.step(None, J, F)


def test_results_of_a_step_may_not_overwrite_the_recurrent_weights():
    B, n = 1, 2
    buffer, one = np.zeros((B, n, n * n)), np.ones((B, n))
    V, out = buffer[0, :, :n], rtrl.Influence(np.zeros_like(buffer), buffer)
    with pytest.raises(ValueError, match="^out.mem shares memory"):
        rtrl.lif_step(None, np.zeros((B, 0)), V, one, one, one, one, one, out=out,
                      alpha=0.5, beta=0.5)
