"""Test real-time recurrent learning on arrays J, F and q, against backpropagation."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from tolerances import close

from refsnn import bptt, lif, rnn, rtrl

GRID = list(itertools.product(("subtract", "zero"), (False, True), (False, True),
                              (0, 2), (False, True)))


def surrogate(net):
    return proofs.surrogate("fast_sigmoid", 2.0)(
        net.recording.mem - net.model["threshold"])[1]


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


# --- arrays --------------------------------------------------------------------------

@proves("rtrl", 1, 2, 3)
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


@proves("rtrl", 1, 3)
@given(strategies.linear_systems())
def test_forward_is_backward(system):
    close(rtrl.gradient(*system), bptt.gradient(*system))


@proves("rtrl", 1, 2)
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

@proves("rtrl", 1, 3)
@pytest.mark.parametrize("reset, through_reset, recurrence, refractory, recurrent",
                         GRID)
def test_lif_on_the_whole_grid(reset, through_reset, recurrence, refractory, recurrent):
    net, psi, dspikes, dmem = example(reset, through_reset, recurrence, refractory,
                                      recurrent)
    args, options = (net.x, net.W, net.V, net.recording, psi), {**net.model,
                                                                **net.paths}
    J, F, _ = lif.linearise(*args, **options)
    grad = lif.backward(*args, dspikes, dmem, **options)
    flat = np.concatenate([a.ravel() for a in (grad.dW, grad.dV) if a is not None])
    close(rtrl.gradient(J, F, lif.credit(psi, dspikes, dmem)), flat)


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


# --- what is refused: see also tests/contract ---------------------------------------

def test_influences_are_not_read():
    bad = np.full((1, 2, 10), np.nan)
    assert np.isnan(rtrl.step_gradient(bad, np.ones((1, 2)))).all()
