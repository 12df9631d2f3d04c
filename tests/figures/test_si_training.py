"""Dropout in the figures of synaptic intelligence."""

import numpy as np
import pytest
from tolerances import RTOL_FD

from figures.si import si_training
from refsnn import checks

NETS = {
    "perceptron": (si_training.perceptron(12, 9, 8, 4, keep=0.6), (12,)),
    "pools": (si_training.convolutional(
        ((5, 3, 3, 2), (6, 2, 2, 5), (7, 24), (4, 7)), (True, False),
        keep=(0.8, 1, 0.5)), (9, 8, 2)),
    "ragged": (si_training.convolutional(
        ((5, 2, 2, 1), (4, 2, 2, 5), (4, 24)), (True, False), keep=(0.7, 0.6)),
        (8, 9, 1))}


def example(name, dtype):
    """Return (net, parameters, x, labels); biases are not zero."""
    net, shape = NETS[name]
    rng = np.random.default_rng(5)
    parameters = [(a + 0.2 * rng.normal(size=a.shape)).astype(dtype)
                  for a in si_training.begin(net, rng).parameters]
    x = rng.random((6, *shape)).astype(dtype)
    return net, parameters, x, rng.integers(0, 4, 6)


def twin(net, parameters, x, generator):
    """Outputs of a forward pass that draws and applies its own masks."""
    weights, biases = si_training.halves(parameters)
    scales, kept = [1.0, *(1 / keep for keep in net.keep)], []
    for i, (W, b, s) in enumerate(zip(weights, biases, scales, strict=True)):
        W = W * np.float32(s)
        if W.ndim == 4:
            view = np.lib.stride_tricks.sliding_window_view(x, W.shape[1:3], (1, 2))
            shape = view.shape[:3]
            x = view.transpose(0, 1, 2, 4, 5, 3)
        else:
            shape = x.shape[:1]
        z = (x.reshape(-1, W[0].size) @ W.reshape(len(W), -1).T + b).reshape(
            *shape, len(W))
        if i == len(net.keep):
            return z, kept
        if net.pools[i]:
            N, rows, columns, c = z.shape
            z = z[:, :rows // 2 * 2, :columns // 2 * 2].reshape(
                N, rows // 2, 2, columns // 2, 2, c).max((2, 4))
        stays = generator.random(z.shape, np.float32) < net.keep[i]
        kept.append(stays)
        x = np.maximum(z, 0) * stays


@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("name", NETS)
def test_masks_are_drawn_layer_by_layer_and_the_outputs_agree_to_the_bit(name, dtype):
    net, parameters, x, _ = example(name, dtype)
    weights, biases = si_training.halves(parameters)
    ours, theirs = np.random.default_rng(2), np.random.default_rng(2)
    masks = si_training.dropout_masks(net, weights, x, ours)
    outputs, kept = twin(net, parameters, x, theirs)
    assert masks[0] is None and ours.random() == theirs.random()
    for mask, stays, keep in zip(masks[1:], kept, net.keep, strict=True):
        assert mask.shape == stays.shape and (mask == stays).all()
        assert mask.all() == (keep == 1) and mask.any()
    scaled = [W * np.float32(1 / keep) for W, keep in
              zip(weights, (1, *net.keep), strict=True)]
    found = net.forward(scaled, biases, x, dropout=masks).outputs
    assert found.dtype == dtype and (found == outputs).all()
    assert (found != net.forward(weights, biases, x).outputs).any()


@pytest.mark.parametrize("name", NETS)
def test_the_gradient_with_dropout_by_differences(name):
    net, parameters, x, labels = example(name, np.float64)

    def loss(theta):
        return si_training.gradient(net, theta, x, labels, None,
                                    np.random.default_rng(3))[0]

    _, found = si_training.gradient(net, parameters, x, labels, None,
                                    np.random.default_rng(3))
    rng = np.random.default_rng(4)
    checks.directional(loss, parameters, found, rng, rtol=RTOL_FD, step=1e-5)
    half = len(found) // 2
    unscaled = [g * keep for g, keep in zip(found, (1, *net.keep), strict=False)]
    for wrong in (si_training.gradient(net, parameters, x, labels)[1],
                  [*unscaled, *found[half:]]):
        with pytest.raises(AssertionError):
            checks.directional(loss, parameters, wrong, rng, rtol=RTOL_FD, step=1e-5)


def test_there_is_no_dropout_without_a_generator_or_a_fraction():
    net, parameters, x, labels = example("perceptron", np.float32)
    everything = si_training.perceptron(12, 9, 8, 4)
    base = si_training.gradient(everything, parameters, x, labels)
    for found in (si_training.gradient(net, parameters, x, labels),
                  si_training.gradient(everything, parameters, x, labels, None,
                                       np.random.default_rng(1))):
        assert found[0] == base[0]
        assert all((a == b).all() for a, b in zip(found[1], base[1], strict=True))
