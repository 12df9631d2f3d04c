"""Provide images, networks, transfer and training for the figures on [LZ20].

The images are the embedded digits (enlarged to 16x16 pixels), or MNIST or
Fashion-MNIST from a data folder.  As in the authors' code, all images are standardised
with one mean and one standard deviation, computed over the whole training set.
"""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from figures.run import colours, seeds
from refsnn import convnet, datasets, losses, mlp, ntk, ntt, optimisers, pruning

BATCH, SIDE = 64, 16
SNIPPED = 100           # training images with which SNIP scores the weights
METHODS = ("NTT", "random", "SNIP", "logit-SNIP", "scaled random", "dense")
COLOURS = dict(zip(METHODS, (colours.BLUE, colours.VERMILION, colours.GREEN,
                             colours.PURPLE, colours.ORANGE, colours.BLACK),
                   strict=True))
MARKS = dict(zip(METHODS, "os^vD.", strict=True))


class Images(NamedTuple):
    """Hold the training images and the test images of one data set.

    The standardised images x have shape (N, H, W) and dtype float32.  The labels are
    integers of shape (N,).
    """

    x: np.ndarray
    labels: np.ndarray
    x_test: np.ndarray
    labels_test: np.ndarray


class Net(NamedTuple):
    """Hold the functions of a network architecture.

    The field `model` is passed to functions of the module `ntt`.
    """

    init: Callable          # (rng) -> weights, biases
    model: ntt.Model
    backward: Callable      # (weights, recording, doutputs) -> weights, biases
    flat: bool              # True if the network input is a vector, not an image


# ---- images ------------------------------------------------------------------

def digits(seed, repeat):
    """Return the embedded digits.

    Each repetition splits the images at random into a training set and a test set.
    """
    images, labels = datasets.digits()
    images = datasets.upsample(images, SIDE).astype(np.float32)
    number = int(seeds.rng(seed, "ntt", "split", repeat).integers(2 ** 31))
    train, test = datasets.split(labels, seed=number)
    return standardised(images[train], labels[train], images[test], labels[test])


def stored(folder, name):
    """Read MNIST or Fashion-MNIST from a folder, and return standardised images."""
    parts = [datasets.images(os.path.join(folder, name), kind)
             for kind in ("train", "t10k")]
    return standardised(*parts[0], *parts[1])


def standardised(x, labels, x_test, labels_test):
    """Standardise all images with the mean and the deviation of the training images."""
    mean, deviation = x.mean(dtype=np.float64), x.std(dtype=np.float64)
    x, x_test = (((a - mean) / deviation).astype(np.float32) for a in (x, x_test))
    return Images(x, labels, x_test, labels_test)


# ---- networks ----------------------------------------------------------------

def perceptron(*sizes):
    """Return a ReLU network; `sizes` lists the numbers of inputs and of layer units."""
    return Net(functools.partial(mlp.init, sizes, dtype=np.float32),
               ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                         ntk.adjoint), mlp.backward, True)


def convolutional(name):
    """Return the convolutional network that `convnet` defines under `name`."""
    _, shapes, pools = convnet.ARCHITECTURES[name]
    forward, backward, signals, second_order = (
        functools.partial(f, pools=pools) for f in
        (convnet.forward, convnet.backward, convnet.signals, convnet.second_order))
    return Net(functools.partial(convnet.init, shapes, dtype=np.float32),
               ntt.Model(forward, signals, second_order, ntk.kernel, ntk.adjoint),
               backward, False)


def batches(generator, x, steps, size=BATCH):
    """Return a sequence of `steps` random mini-batches.

    Each epoch uses every image at most once.  An incomplete mini-batch at the end of an
    epoch is dropped.
    """
    each = len(x) // size
    order = np.concatenate([generator.permutation(len(x))[:each * size]
                            for _ in range(-(-steps // each))])
    return Batches(x, order.reshape(-1, size)[:steps])


class Batches:
    """Provide a sequence whose entry i is the mini-batch x[order[i]]."""

    def __init__(self, x, order):
        self.x, self.order = x, order

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i):
        return self.x[self.order[i]]


def read(net, x):
    """Return the images, reshaped to the input shape of the network."""
    if net.flat:
        return x.reshape(len(x), -1)
    return x if x.ndim == 4 else x[..., None]


def outputs(net, weights, biases, x, size=500):
    """Return the network outputs for all images, an array of shape (N, k)."""
    return np.concatenate([
        net.model.forward(weights, biases, read(net, x[first:first + size])).outputs
        for first in range(0, len(x), size)])


def accuracy(net, weights, biases, x, labels):
    return float((outputs(net, weights, biases, x).argmax(axis=1) == labels).mean())


def cross_entropy(out, labels):
    """Return the mean cross entropy L and its derivative dL/d(outputs).

    The derivative is of shape (N, k).
    """
    loss, derivative = losses.cross_entropy(out[None], labels, "last")
    return loss, derivative[0]


# ---- masks -------------------------------------------------------------------

def first_masks(method, net, weights, biases, images, density, generator,
                scope="layer"):
    """Return the masks that a baseline method computes from the initial weights."""
    if method == "dense":
        return [np.ones_like(W) for W in weights]
    if method in ("random", "scaled random"):
        return pruning.random(weights, density, generator, scope=scope)
    if method == "magnitude":
        return pruning.magnitude(weights, density, scope=scope)
    x, labels = read(net, images.x[:SNIPPED]), images.labels[:SNIPPED]
    recording = net.model.forward(weights, biases, x)
    if method == "SNIP":
        doutputs = cross_entropy(recording.outputs, labels)[1]
    else:
        doutputs = pruning.logit_doutputs(recording.outputs)
    gradients = net.backward(weights, recording, doutputs).weights
    return pruning.snip(weights, gradients, density, scope=scope)


def student(method, net, teacher, images, density, generator, scope="layer", **options):
    """Make a sparse network from the dense network `teacher` with one method.

    The keyword arguments `options` are passed on to `transfer`.
    """
    if method == "NTT":
        return transfer(net, teacher, images.x, density=density, generator=generator,
                        scope=scope, **options)
    masks = first_masks(method, net, *teacher, images, density, generator, scope)
    weights = teacher[0] if method != "scaled random" \
        else pruning.scaled(teacher[0], masks, density)
    return ntt.Student(weights, teacher[1], masks)


# ---- learning ----------------------------------------------------------------

def transfer(net, teacher, x, *, density, steps, rate, generator, strength=1e-3,
             l2=1e-4, kind="at_masked", watch=None, every=100, scope="layer",
             batch=BATCH):
    """Run `ntt.transfer` with the optimiser Adam and with magnitude pruning."""
    return ntt.transfer(
        net.model, *teacher, batches(generator, read(net, x), steps, batch),
        density=density,
        prune=lambda W: pruning.magnitude(W, density, scope=scope), every=every,
        optimiser=functools.partial(optimisers.adam, rate=rate), strength=strength,
        l2=l2, kind=kind, watch=watch)


def supervise(net, student, images, *, steps, every, rate, generator, l2=1e-8,
              watch=None):
    """Train a network with labels and fixed masks.

    Return the weights, the biases and the learning curve.  The curve has rows (step,
    test accuracy, running mean of the training loss).  `every` is the number of steps
    between two rows, or a list of steps.  The last row is computed after training.
    """
    masks = student.masks
    weights = [W * M for W, M in zip(student.weights, masks, strict=True)]
    biases, order = student.biases, np.arange(len(images.x))
    states, curve, mean = [None] * (2 * len(weights)), [], 0.0
    listed = range(0, steps, every) if isinstance(every, int) else every
    for step, index in enumerate(batches(generator, order, steps)):
        if step in listed:
            curve.append((step, accuracy(net, weights, biases, images.x_test,
                                         images.labels_test), mean))
        if watch is not None:
            watch(step, weights, biases)
        recording = net.model.forward(weights, biases, read(net, images.x[index]))
        loss, doutputs = cross_entropy(recording.outputs, images.labels[index])
        mean += (loss - mean) * (1 if step == 0 else 0.05)
        dweights, dbiases = net.backward(weights, recording, doutputs)
        gradients = [*(M * (dW + 2 * l2 * W) for M, dW, W in
                       zip(masks, dweights, weights, strict=True)), *dbiases]
        moved = [optimisers.adam(state, g, rate=rate)
                 for state, g in zip(states, gradients, strict=True)]
        states = [state for state, _ in moved]
        weights = [W + d for W, (_, d) in zip(weights, moved, strict=False)]
        biases = [b + d for b, (_, d) in zip(biases, moved[len(weights):], strict=True)]
    curve.append((steps, accuracy(net, weights, biases, images.x_test,
                                  images.labels_test), mean))
    return weights, biases, np.array(curve)
