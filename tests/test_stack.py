"""Test gradients of two spiking layers and a readout, backward and forward in time.

Layer 2 receives the spikes of layer 1, and the readout those of layer 2.  A rule that
stays within a layer keeps the influence of a weight on the states of its own layer.
An error passes from the readout down to this layer without any memory of the layers
between them: their currents, membrane potentials, recurrence and resets are forgotten
after each step.
"""

from typing import NamedTuple

import numpy as np
import pytest
from tolerances import RTOL, close

from refsnn import lif, losses, rtrl, surrogates

RULES = ("OSTL", "e-prop", "OTTT")      # each keeps less of its own layer than the last


class Stack(NamedTuple):
    """Hold a stack of two layers and a readout, and its recordings."""

    x: np.ndarray
    weights: list                   # pairs (W, V); the readout has V = None
    models: list
    recordings: list
    psi: list
    dout: np.ndarray


def stack(seed, *, recurrent=True, memory=True, T=16, B=2, sizes=(4, 5, 4, 3)):
    """Return a random stack in which all layers spike."""
    rng = np.random.default_rng([seed, T, B, *sizes])
    while True:
        x = (rng.random((T, B, sizes[0])) < 0.5).astype(float)
        weights, models, recordings, psi, sent = [], [], [], [], x
        for k, (m, n) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            last = k == 2
            V = rng.normal(0, 0.6, (n, n)) if recurrent and not last else None
            weights.append((rng.normal(0.5, 1.2, (n, m)), V))
            keep = memory or k == 0
            models.append({"alpha": rng.uniform(0.3, 0.7, n) * keep,
                           "beta": rng.uniform(0.5, 0.9, n) * keep,
                           "gain": rng.uniform(0.5, 1.5, n)})
            if last:
                out = lif.readout(sent, weights[k][0], **models[k])
                rest = np.zeros_like(out)
                recordings.append(lif.Recording(rest, rest, rest, rest > 0))
            else:
                models[k]["threshold"] = rng.uniform(0.8, 1.4, n)
                recordings.append(lif.simulate(sent, *weights[k], **models[k]))
            sent, mem = recordings[k].spikes, recordings[k].mem
            psi.append(np.zeros_like(mem) if last else surrogates.fast_sigmoid(
                mem - models[k]["threshold"], 2.0)[1])
        if all(0.05 < rec.spikes.mean() < 0.7 for rec in recordings[:2]):
            target = rng.normal(size=out.shape)
            return Stack(x, weights, models, recordings, psi,
                         losses.square(out, target)[1])


def backward(net):
    """Return the gradient of each layer by backpropagation through the stack."""
    inputs = [net.x, *(rec.spikes for rec in net.recordings)]
    top = lif.readout_backward(inputs[2], net.weights[2][0], net.dout, **net.models[2])
    found = [top]
    for k in (1, 0):
        found.insert(0, lif.backward(inputs[k], *net.weights[k], net.recordings[k],
                                     net.psi[k], found[0].dx, **net.models[k]))
    return [np.concatenate([np.ravel(g) for g in (grad.dW, grad.dV) if g is not None])
            for grad in found]


def forward(net, rule=None):
    """Return the gradient of each layer by RTRL of the whole stack, or by a rule."""
    inputs = [net.x, *(rec.spikes for rec in net.recordings)]
    parts = [lif.linearise(inputs[k], *net.weights[k], net.recordings[k], net.psi[k],
                           **net.models[k]) for k in range(3)]
    sizes = [J.shape[2] for J, _, _ in parts]
    edges, found = np.cumsum([0, *sizes]), []
    T, B = net.x.shape[:2]
    q = np.zeros((T, B, edges[-1]))
    q[..., edges[2]:] = lif.credit(net.psi[2], None, net.dout)
    for k in range(3):                          # the weights of layer k
        J = np.zeros((T, B, edges[-1], edges[-1]))
        F = np.zeros((T, B, edges[-1], parts[k][1].shape[3]))
        F[:, :, edges[k]:edges[k + 1]] = parts[k][1]
        for i, (own, _, E) in enumerate(parts):
            span, n = slice(edges[i], edges[i + 1]), sizes[i] // 2
            J[:, :, span, span] = own
            if rule and i == k and i < 2:
                J[:, :, span, span] = within(net, rule, i, inputs[i])
            if rule and i > k and i < 2:        # no memory in the layers above
                J[:, :, span, span] = 0
                gain = np.broadcast_to(net.models[i]["gain"], n)
                J[1:, :, edges[i] + n + np.arange(n), edges[i] + np.arange(n)] = gain
            if i:
                below = slice(edges[i] - sizes[i - 1] // 2, edges[i])   # U of layer i-1
                J[1:, :, span, below] = E[1:] * net.psi[i - 1][:-1, :, None, :]
        found.append(rtrl.gradient(J, F, q))
    return found


def within(net, rule, k, x):
    """Return the Jacobian of one layer that a rule keeps."""
    return lif.linearise(
        x, *net.weights[k], net.recordings[k], net.psi[k], **net.models[k],
        through_recurrence=rule == "OSTL", through_reset=rule != "OTTT")[0]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("recurrent", [False, True])
def test_backward_equals_forward_through_the_stack(seed, recurrent):
    net = stack(seed, recurrent=recurrent)
    for mine, theirs in zip(backward(net), forward(net), strict=True):
        close(mine, theirs, RTOL)


def error(net, rule):
    """Return the relative error of a rule in layers 1 and 2, and in the readout."""
    return [np.linalg.norm(a - b) / np.linalg.norm(b)
            for a, b in zip(forward(net, rule), backward(net), strict=True)]


# mean relative errors in layers 1 and 2 over 20 networks
DEVIATIONS = {"OSTL": (0.54, 0), "e-prop": (0.61, 0.13), "OTTT": (0.50, 0.45)}


@pytest.mark.parametrize("rule", RULES)
def test_rules_within_a_layer_deviate_by_these_amounts(rule):
    first, second, out = np.mean([error(stack(seed), rule) for seed in range(20)],
                                 axis=0)
    np.testing.assert_allclose((first, second), DEVIATIONS[rule], rtol=0, atol=0.005)
    assert out < RTOL                           # the readout is exact
    assert (second < RTOL) == (rule == "OSTL")  # so is OSTL just below the readout


@pytest.mark.parametrize("rule", RULES)
def test_rules_within_a_layer_are_exact_without_memory_above(rule):
    """Compare without recurrence, and without decays and reset paths above layer 1."""
    net = stack(3, recurrent=False, memory=False)
    first, second, out = net.models
    paths = [first | {"through_reset": rule != "OTTT"},
             second | {"through_reset": False}, out]
    close(forward(net, rule)[0], backward(net._replace(models=paths))[0], RTOL)
