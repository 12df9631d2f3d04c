"""Synaptic intelligence at work: tasks one after another, and what is kept.

Shared by the figures of [ZPG17].  Parameters are a flat list, weights and
then biases.  `learn` is the fast way, `fast.si.step`, for all rules whose
penalty is quadratic; `learn_clearly` does the same step by step from
`si.py`, with every choice of `si.Settings`.  Images are in [0, 1], as in the
authors' code.
"""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from refsnn import convnet, datasets, ewc, losses, mlp, optimisers, si
from refsnn.fast import si as fast_si
from figures.si import task_sequences

RATE = 1e-3
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
FISHER_SAMPLES = 5000           # of a task, at most, that EWC's Fisher is a mean over


class Images(NamedTuple):
    """A split: x (N, pixels) or (N, H, W, c) float32, and labels (N,) int."""

    x: np.ndarray
    labels: np.ndarray
    x_test: np.ndarray
    labels_test: np.ndarray


class Task(NamedTuple):
    """Images, and the outputs (classes,) bool that answer; None: all."""

    images: Images
    mask: np.ndarray | None = None


class Net(NamedTuple):
    """Functions of an architecture, and the fraction of units that dropout keeps.

    There is one fraction for each layer below the last, or none.
    """

    init: Callable          # (rng) -> weights, biases
    forward: Callable       # (weights, biases, x, dropout=) -> recording
    backward: Callable      # (weights, recording, doutputs) -> weights, biases
    signals: Callable       # (weights, recording)
    pools: tuple            # of each layer
    keep: tuple = ()        # () is all


class Rule(NamedTuple):
    """What holds parameters near those of earlier tasks.

    The penalty is `strength` sum importance (theta - anchor)^2, with the
    importances of "SI", of "EWC" (half the Fisher information) or 1 ("L2").
    """

    name: str               # or "plain"
    strength: float = 0.0
    xi: float = 0.1
    reset: bool = False     # Adam's state, at a task's end


class Learner(NamedTuple):
    """Arrays that learning updates in place."""

    parameters: list
    adam: fast_si.State
    memory: si.State


# ---- images and tasks --------------------------------------------------------

def digits(seed, repeat, flat=True):
    """The embedded digits, 8x8, each repeat with a split of its own."""
    images, labels = datasets.digits()
    images = images.astype(np.float32)
    images = images.reshape(len(images), -1) if flat else images[..., None]
    number = int(seeds.rng(seed, "si", "split", repeat).integers(2 ** 31))
    train, test = datasets.split(labels, seed=number)
    return Images(images[train], labels[train], images[test], labels[test])


def framed(seed, repeat):
    """The embedded digits as MNIST has its own: 20x20 in a frame of 28x28."""
    images = digits(seed, repeat, flat=False)
    large = []
    for x in (images.x, images.x_test):
        x = np.pad(datasets.upsample(x[..., 0], 20), ((0, 0), (4, 4), (4, 4)))
        large.append(x.reshape(len(x), -1))
    return images._replace(x=large[0], x_test=large[1])


def stored(folder, name, flat=True):
    """MNIST or Fashion-MNIST."""
    parts = []
    for kind in ("train", "t10k"):
        x, labels = datasets.images(os.path.join(folder, name), kind)
        parts += [x.reshape(len(x), -1) if flat else x[..., None], labels]
    return Images(*parts)


def split(images, groups, classes=10):
    """One task a group of classes, with a head of its own."""
    masks = task_sequences.head_masks(groups, classes)
    rows = [task_sequences.split(labels, groups) for labels in (
        images.labels, images.labels_test)]
    return [Task(Images(images.x[a], images.labels[a], images.x_test[b],
                        images.labels_test[b]), mask)
            for a, b, mask in zip(*rows, masks, strict=True)]


def permuted(images, order):
    """The same images with the pixels in another order."""
    return Task(images._replace(x=images.x[:, order], x_test=images.x_test[:, order]))


# ---- networks ----------------------------------------------------------------

def perceptron(*sizes, zero=False, keep=1.0):
    """A ReLU network; `zero`: output weights and biases start from 0."""
    return Net(functools.partial(_start, mlp.init, sizes, zero), mlp.forward,
               mlp.backward, mlp.signals, (False,) * (len(sizes) - 1),
               () if keep == 1 else (keep,) * (len(sizes) - 2))


def convolutional(shapes, pools, zero=True, keep=()):
    """A network of convnet.py; `pools` of its convolutions."""
    forward, backward, signals = (functools.partial(f, pools=pools) for f in
                                  (convnet.forward, convnet.backward, convnet.signals))
    return Net(functools.partial(_start, convnet.init, shapes, zero), forward, backward,
               signals, (*pools, *[False] * (len(shapes) - len(pools))), keep)


def _start(init, shapes, zero, rng):
    weights, biases = init(shapes, rng, dtype=np.float32)
    biases = [np.zeros_like(b) for b in biases]
    if zero:
        weights[-1] = np.zeros_like(weights[-1])
    return weights, biases


def halves(parameters):
    """Weights and biases."""
    return parameters[:len(parameters) // 2], parameters[len(parameters) // 2:]


def begin(net, generator):
    """A network before its first task."""
    weights, biases = net.init(generator)
    parameters = [*weights, *biases]
    return Learner(parameters, fast_si.begin(parameters), si.begin(parameters))


def dropout_masks(net, weights, x, generator):
    """Draw a mask of the inputs of each layer; each unit stays with chance keep."""
    masks, shape = [None], x.shape[1:]
    for W, pool, keep in zip(weights[:-1], net.pools[:-1], net.keep, strict=True):
        shape = (len(W),) if W.ndim == 2 else (
            *((side - W.shape[1] + 1) // (1 + pool) for side in shape[:2]), len(W))
        masks.append(generator.random((len(x), *shape), np.float32) < keep)
    return masks


def gradient(net, parameters, x, labels, mask=None, generator=None):
    """Return the cross-entropy and its gradient, with dropout given a generator.

    Units that stay are scaled by 1 / keep, a factor that is applied to the
    weights that read them and therefore to the gradient of these weights.
    """
    weights, biases = halves(parameters)
    masks, scales = None, [1.0] * len(weights)
    if generator is not None and net.keep:
        masks = dropout_masks(net, weights, x, generator)
        scales = [1.0, *(1 / keep for keep in net.keep)]
        weights = [W * np.float32(s) for W, s in zip(weights, scales, strict=True)]
    recording = net.forward(weights, biases, x, dropout=masks)
    head, places = (recording.outputs, labels) if mask is None \
        else task_sequences.enter_head(recording.outputs, labels, mask)
    loss, dhead = losses.cross_entropy(head[None], places, "last")
    doutputs = dhead[0] if mask is None else task_sequences.leave_head(dhead[0], mask)
    dweights, dbiases = net.backward(weights, recording, doutputs)
    for dW, scale in zip(dweights, scales, strict=True):
        if scale != 1:
            dW *= np.float32(scale)
    return loss, [*dweights, *dbiases]


def accuracy(net, parameters, x, labels, mask=None, size=1000):
    """Share of right answers, by the outputs of the head."""
    weights, biases = halves(parameters)
    right = 0
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        outputs = net.forward(weights, biases, x[rows]).outputs
        if mask is not None:
            outputs = np.where(mask, outputs, -np.inf)
        right += int((outputs.argmax(axis=1) == labels[rows]).sum())
    return right / len(x)


def tested(net, parameters, listed):
    """Test accuracy on each of the tasks."""
    return np.array([accuracy(net, parameters, task.images.x_test,
                              task.images.labels_test, task.mask) for task in listed])


# ---- learning ----------------------------------------------------------------

def batches(generator, number, epochs, size):
    """Rows of each batch; each image once an epoch, the last batch ragged."""
    for _ in range(epochs):
        order = generator.permutation(number)
        yield from (order[first:first + size] for first in range(0, number, size))


def learn(net, learner, task, rule, *, epochs, batch, generator):
    """Learn a task: the learner, its arrays updated in place."""
    parameters, adam, memory = learner
    pulled, steps = rule.strength > 0 and memory.tasks > 0, 0
    hold = {"importance": memory.importance, "anchor": memory.anchor,
            "strength": rule.strength} if pulled else {}
    if rule.name == "SI":
        hold["path_integral"] = memory.path_integral
    x, labels = task.images.x, task.images.labels
    for rows in batches(generator, len(x), epochs, batch):
        _, found = gradient(net, parameters, x[rows], labels[rows], task.mask,
                            generator)
        adam = fast_si.step(parameters, found, adam, rate=RATE, **hold)
        steps += 1
    return Learner(parameters, adam, memory._replace(steps=memory.steps + steps))


def consolidate(net, learner, task, rule):
    """End a task."""
    parameters, adam, memory = learner
    if rule.name == "SI":
        memory = si.consolidate(memory, parameters, si.Settings(xi=rule.xi))
    elif rule.name in ("EWC", "L2"):
        grown = memory.importance
        if rule.name == "L2":
            grown = [np.ones_like(a) for a in parameters]
        else:
            grown = [a + F / 2 for a, F in zip(
                grown, fisher(net, parameters, task), strict=True)]
        memory = memory._replace(importance=grown, tasks=memory.tasks + 1,
                                 anchor=[a.copy() for a in parameters], steps=0)
    if rule.reset:
        adam = fast_si.begin(parameters)
    return Learner(parameters, adam, memory)


def fisher(net, parameters, task, size=250):
    """Diagonal of the Fisher information, all labels by their probability."""
    weights, biases = halves(parameters)
    x = task.images.x[:FISHER_SAMPLES]
    total = [np.zeros_like(a) for a in parameters]
    for first in range(0, len(x), size):
        part = x[first:first + size]
        recording = net.forward(weights, biases, part)
        found = ewc.fisher(recording.inputs, net.signals(weights, recording),
                           recording.outputs)
        for a, F in zip(total, [*found.weights, *found.biases], strict=True):
            a += F * np.float32(len(part) / len(x))
    return total


def share(learner, xi):
    """What the task at its end adds to the importances, before any clamp."""
    return [w / ((a - b) ** 2 + np.float32(xi)) for w, a, b in zip(
        learner.memory.path_integral, learner.parameters, learner.memory.anchor,
        strict=True)]


def learn_clearly(net, parameters, memory, task, settings, *, epochs, batch, generator,
                  adam=None):
    """As `learn`, from si.py and optimisers.py; new arrays: (parameters, memory,
    Adam's states).  All of `settings` but the strength counts from task 1 on."""
    x, labels = task.images.x, task.images.labels
    adam = adam or [None] * len(parameters)
    for rows in batches(generator, len(x), epochs, batch):
        _, found = gradient(net, parameters, x[rows], labels[rows], task.mask,
                            generator)
        pull = si.penalty_gradient(memory, parameters, settings)
        moved = [optimisers.adam(state, np.clip(g + p, -settings.clip, settings.clip),
                                 rate=RATE)
                 for state, g, p in zip(adam, found, pull, strict=True)]
        adam, steps = (list(part) for part in zip(*moved, strict=True))
        memory = si.accumulate(memory, steps, found, pull, settings)
        parameters = [a + step for a, step in zip(parameters, steps, strict=True)]
    return parameters, memory, adam


# ---- from one job to the next ------------------------------------------------

def packed(learner):
    """Arrays of a learner as a dict, without those that need no storing."""
    parameters, adam, memory = learner
    found = {"adam step": adam.step, "steps": memory.steps, "tasks": memory.tasks}
    for i, theta in enumerate(parameters):
        found[f"parameters {i}"] = theta
        for name, arrays, start in _kept(learner, theta, i):
            if not np.array_equal(arrays[i], start):
                found[f"{name} {i}"] = arrays[i]
    return found


def unpacked(found):
    """The learner that `packed` was given."""
    count = sum(key.startswith("parameters ") for key in found)
    parameters = [np.array(found[f"parameters {i}"]) for i in range(count)]
    learner = Learner(parameters, fast_si.begin(parameters), si.begin(parameters))
    for i, theta in enumerate(parameters):
        for name, arrays, _ in _kept(learner, theta, i):
            arrays[i] = np.array(found.get(f"{name} {i}", arrays[i]))
    return Learner(parameters, learner.adam._replace(step=int(found["adam step"])),
                   learner.memory._replace(steps=int(found["steps"]),
                                           tasks=int(found["tasks"])))


def _kept(learner, theta, i):
    """Lists of arrays beside the parameters, and what they are if not stored."""
    zero, (_, adam, memory) = np.zeros_like(theta), learner
    return (("mean", adam.mean, zero), ("scale", adam.scale, zero),
            ("path_integral", memory.path_integral, zero),
            ("importance", memory.importance, zero), ("anchor", memory.anchor, theta))
