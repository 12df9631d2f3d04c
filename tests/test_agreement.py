"""Test that independent routes to a gradient agree, and test all losses."""

import itertools

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, lif, losses, rtrl, sparse_rtrl

OUT = {"alpha": 0.6, "beta": 0.85, "gain": 0.7}
LABELS = np.array([0, 2])


# --- lif.backward and the generic backward pass of bptt ---------------------------

@given(strategies.live_lif(), strategies.surrogates())
@settings(max_examples=80)
def test_layer_backward_is_the_generic_sweep(net, chosen):
    rec = net.recording
    psi = proofs.surrogate(*chosen)(rec.mem - net.model["threshold"])[1]
    dspikes, dmem = net.rng.normal(size=(2, *psi.shape))
    args = (net.x, net.W, net.V, rec, psi)
    grad = lif.backward(*args, dspikes, dmem, **net.model, **net.paths)
    J, F, E = lif.linearise(*args, **net.model, **net.paths)
    q = lif.credit(psi, dspikes, dmem)
    flat = np.concatenate([a.ravel() for a in (grad.dW, grad.dV) if a is not None])
    close(bptt.gradient(J, F, q), flat)
    states = bptt.adjoint(J, q)
    close(states[..., :len(net.W)], grad.dsyn)
    close(np.einsum("tbi,tbim->tbm", states[1:], E[1:]), grad.dx[:-1])


# --- backward and forward in time ---------------------------------------------------

@given(strategies.live_lif(), strategies.surrogates())
@settings(max_examples=80)
def test_backpropagation_and_real_time_recurrent_learning_agree(net, chosen):
    """Compare the routes on a layer, and on its arrays; no two share code."""
    rec = net.recording
    psi = proofs.surrogate(*chosen)(rec.mem - net.model["threshold"])[1]
    rule = "exact" if net.paths["through_recurrence"] else "implicit"
    reset = {"through_reset": net.paths["through_reset"]}
    for direct in (net.rng.normal(size=(2, *psi.shape)),
                   [net.rng.normal(size=psi.shape), None],
                   [None, net.rng.normal(size=psi.shape)]):
        grad = lif.backward(net.x, net.W, net.V, rec, psi, *direct, **net.model,
                            **net.paths)
        found = sparse_rtrl.gradient(net.x, net.V, rec, psi, *direct, rule=rule,
                                     **net.model, **reset)
        assert np.linalg.norm(grad.dW) > 0 or direct[1] is None
        size = np.linalg.norm(grad.dW)
        assert np.linalg.norm(found.dW - grad.dW) <= RTOL * size
        if net.V is not None:
            assert np.linalg.norm(found.dV - grad.dV) <= RTOL * max(
                size, np.linalg.norm(grad.dV))
        J, F, _ = lif.linearise(net.x, net.W, net.V, rec, psi, **net.model, **net.paths)
        q = lif.credit(psi, *direct)
        generic, flat = rtrl.gradient(J, F, q), bptt.gradient(J, F, q)
        assert np.linalg.norm(generic - flat) <= RTOL * np.linalg.norm(flat)


@st.composite
def two_layers(draw):
    """Draw a live layer and a second layer that reads its spikes."""
    net = draw(strategies.live_lif(per_neuron=False, size=strategies.sizes(T=(8, 12))))
    rng = np.random.default_rng(draw(strategies.SEEDS))
    n = len(net.W)
    W = rng.uniform(0.5, 1.5, (2, n)) * 1.5 * net.model["threshold"] / max(
        1e-3, net.model["gain"])
    V = 0.3 * rng.normal(size=(2, 2)) if net.V is not None else None
    top = lif.simulate(net.recording.spikes, W, V, refractory=net.refractory,
                       **net.model)
    return net, W, V, top


@given(two_layers())
@settings(max_examples=80)
def test_two_layers_by_loops_are_one_stacked_recurrence(drawn):
    net, W2, V2, top = drawn
    if not 0 < top.spikes.mean() < 1:
        return
    rec, n, n2 = net.recording, len(net.W), len(W2)
    function = proofs.surrogate("arctan", 2.0)
    psi, psi2 = (function(r.mem - net.model["threshold"])[1] for r in (rec, top))
    dspikes = net.rng.normal(size=top.mem.shape)
    options = {**net.model, **net.paths}
    upper = lif.backward(rec.spikes, W2, V2, top, psi2, dspikes, **options)
    lower = lif.backward(net.x, net.W, net.V, rec, psi, upper.dx, **options)
    J1, F1, _ = lif.linearise(net.x, net.W, net.V, rec, psi, **options)
    J2, F2, E2 = lif.linearise(rec.spikes, W2, V2, top, psi2, **options)
    T, B = net.x.shape[:2]
    N1, N2, p1, p2 = 2 * n, 2 * n2, F1.shape[3], F2.shape[3]
    J, F = np.zeros((T, B, N1 + N2, N1 + N2)), np.zeros((T, B, N1 + N2, p1 + p2))
    J[..., :N1, :N1], J[..., N1:, N1:] = J1, J2
    J[1:, :, N1:, n:N1] = E2[1:] * psi[:-1, :, None, :]
    F[..., :N1, :p1], F[..., N1:, p1:] = F1, F2
    q = np.concatenate([np.zeros((T, B, N1)), lif.credit(psi2, dspikes)], axis=-1)
    flat = np.concatenate([a.ravel() for g in (lower, upper) for a in (g.dW, g.dV)
                           if a is not None])
    close(bptt.gradient(J, F, q), flat)


# --- all losses, on networks with hard spikes --------------------------------------

def readout_loss(reduction):
    """Return the cross entropy of a leaky readout as a function (rec, out)."""
    def loss(rec, out):
        return losses.cross_entropy(out, LABELS, reduction)
    return loss


def spike_loss(function):
    """Return a loss of spikes as a function (rec, out)."""
    def loss(rec, out):
        return function(rec.spikes)
    return loss


def target(rec):
    """Return target spikes at every fourth step."""
    spikes = np.zeros_like(rec)
    spikes[3::4] = 1
    return spikes


LOSSES = {
    "max": readout_loss("max"), "sum": readout_loss("sum"),
    "last": readout_loss("last"),
    "square": lambda rec, out: losses.square(out, np.ones_like(out)),
    "count": spike_loss(lambda s: losses.cross_entropy(s, LABELS, "sum")),
    "first": spike_loss(lambda s: losses.first_spike_time(s, LABELS, 0.004, 1e-3)),
    "van_rossum": spike_loss(lambda s: losses.van_rossum(s, target(s), 5e-3, 1e-2,
                                                         1e-3)),
    "lower": spike_loss(lambda s: losses.lower_bound(s, 30.0)),
    "upper": spike_loss(lambda s: losses.upper_bound(s, 0.25, per="neuron")),
    "population": spike_loss(lambda s: losses.upper_bound(s, 0.25)),
    "burst": spike_loss(losses.burst), "total": spike_loss(losses.total)}
ON_READOUT = ("max", "sum", "last", "square")
GRID = list(itertools.product(LOSSES, strategies.SURROGATE_NAMES,
                              ("subtract", "zero"), (False, True),
                              ("forward", "cut", "followed")))


def argmax_gap(out):
    """Return the smallest gap between the two largest entries over time."""
    first, second = np.sort(out, axis=0)[::-1][:2]
    return float((first - second).min())


def spread(spikes):
    """Return the largest range of first spike times within a sample, in steps."""
    first = spikes.argmax(axis=0)
    return int((first.max(axis=1) - first.min(axis=1)).max())


def live_case(name, surrogate, reset, through_reset, recurrence):
    """Return a live network, a readout and its output that fit the loss `name`."""
    options = strategies.Options(0.5, 0.75, "one", 1.2, reset, 1,
                                 recurrence != "forward", through_reset,
                                 recurrence == "followed", False, True)
    for seed in range(400):
        net = strategies.network(options, strategies.Sizes(12, 2, 3, 3), seed)
        rec = net.recording
        W_out = net.rng.normal(size=(3, 3))
        out = lif.readout(rec.spikes, W_out, **OUT)
        if strategies.live(rec.spikes) and rec.spikes.any(axis=0).all() \
                and proofs.margin(net, surrogate, 1.5) > 2e-3 \
                and (name != "max" or argmax_gap(out) > 1e-2) \
                and (name != "first" or spread(rec.spikes) > 2):
            return net, W_out, out
    raise AssertionError("no live network among 400 seeds")


@pytest.mark.parametrize("name, surrogate, reset, through_reset, recurrence",
                         strategies.thinned(GRID))
def test_every_loss_on_live_networks(name, surrogate, reset, through_reset, recurrence):
    net, W_out, out = live_case(name, surrogate, reset, through_reset, recurrence)
    rec, function = net.recording, proofs.surrogate(surrogate, 1.5)
    psi = function(rec.mem - net.model["threshold"])[1]
    value, direct = LOSSES[name](rec, out)
    theta, names = proofs.parameters(net)
    theta, names = theta[:-1], names[:-1]               # test_lif.py tests dx
    if name in ON_READOUT:
        top = lif.readout_backward(rec.spikes, W_out, direct, **OUT)
        theta, names, direct = [*theta, W_out], [*names, "W_out"], top.dx
    grad = lif.backward(net.x, net.W, net.V, rec, psi, direct, **net.model, **net.paths)
    claimed = [a for a in (grad.dW, grad.dV) if a is not None]
    if name in ON_READOUT:
        claimed.append(top.dW)
    run = proofs.anchored_run(net, function, **net.paths)

    def loss(p):
        again = run(p[0], None if net.V is None else p[1], net.x)
        W = p[-1] if name in ON_READOUT else W_out
        return LOSSES[name](again, lif.readout(again.spikes, W, **OUT))[0]

    assert value == loss(theta)
    checks.directional(loss, theta, claimed, net.rng, names=names, rtol=RTOL_FD,
                       directions=2, margin=strategies.gap(net))


def test_silent_hidden_layer_learns_by_the_last_tie_and_never_by_the_first():
    """Test the maximum over time of a silent network, where all steps are tied.

    The gradient enters at the last step and reaches the hidden weights.  If it
    entered at the first step, it would not reach them.
    """
    x = np.zeros((12, 1, 2))
    x[:4] = 1
    W, W_out = np.full((3, 2), 0.1), np.ones((2, 3))
    rec = lif.simulate(x, W, alpha=0.5, beta=0.5)
    assert not rec.spikes.any()
    out = lif.readout(rec.spikes, W_out, **OUT)
    psi = proofs.surrogate("fast_sigmoid", 1.0)(rec.mem - 1.0)[1]
    _, dout = losses.cross_entropy(out, np.array([0]))
    assert np.flatnonzero(dout[:, 0, 0]).tolist() == [11]
    W_out = np.array([[1.0, 0.5, 0.2], [-1.0, 0.0, 1.0]])

    def hidden_gradient(dout):
        top = lif.readout_backward(rec.spikes, W_out, dout, **OUT)
        return lif.backward(x, W, None, rec, psi, top.dx, alpha=0.5, beta=0.5).dW

    assert np.abs(hidden_gradient(dout)).max() > 1e-4
    first = np.zeros_like(dout)
    first[0] = dout[11]
    assert not hidden_gradient(first).any()
