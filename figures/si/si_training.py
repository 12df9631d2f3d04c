"""Train networks on sequences of tasks with synaptic intelligence (SI).

The parameters of a network are a list of all weight arrays, followed by all bias
arrays.  The function `learn` uses `fast.si.step`, and supports the penalties SI, EWC
and L2.  The function `learn_clearly` computes the same updates as `learn`, but with the
module `si` in place of `fast.si`.  Only `learn_clearly` supports all fields of
`si.Settings`.  Grey levels of images are between 0 and 1, as in the code of [ZPG17].
"""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from figures.si import task_sequences
from figures.train import image_sets
from refsnn import convnet, datasets, ewc, losses, mlp, optimisers, si
from refsnn.fast import convnet as fast_convnet
from refsnn.fast import si as fast_si

RATE = 1e-3
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
FISHER_SAMPLES = 5000           # largest number of images for the Fisher information


class Task(NamedTuple):
    """Data of a task."""

    images: image_sets.Images
    mask: np.ndarray | None = None     # (classes,), outputs of the task; None: all


class Net(NamedTuple):
    """Functions of a network."""

    init: Callable          # (rng) -> weights, biases
    forward: Callable       # (weights, biases, x, dropout=) -> recording
    backward: Callable      # (weights, recording, doutputs) -> weights, biases
    derivatives: Callable   # (weights, biases, x) -> arguments of `ewc.fisher`
    pools: tuple            # whether each layer is pooled
    keep: tuple = ()        # for all layers but the last: probability of keeping a unit


class Rule(NamedTuple):
    """Penalty on changes of the parameters.

    The penalty is `strength * sum(importance * (theta - anchor)**2)`, where theta are
    the parameters, and the anchor is their value at the end of the previous task.  If
    `name` is "SI", synaptic intelligence computes the importances.  If `name` is "EWC"
    (elastic weight consolidation), the importance of a parameter is half its Fisher
    information, summed over all learnt tasks.  If `name` is "L2", all importances are
    1.  If `reset` is "moments", the moments of Adam are set to 0 after each task, and
    the step counter of Adam is kept.
    """

    name: str               # "SI", "EWC", "L2" or "plain"
    strength: float = 0.0
    xi: float = 0.1
    reset: str = ""         # of Adam after a task: "all", "moments" or ""


class Learner(NamedTuple):
    """A network and its training state."""

    parameters: list
    adam: fast_si.State
    memory: si.State


# ---- images and tasks --------------------------------------------------------

def shaped(images, flat):
    """Flatten images, or append a channel axis."""
    x, x_test = (a.reshape(len(a), -1) if flat else a[..., None]
                 for a in (images.x, images.x_test))
    return images._replace(x=x, x_test=x_test)


def digits(seed, repeat, flat=True):
    """Return the stored digits of 8x8 pixels."""
    return shaped(image_sets.digits(seed, "si", repeat), flat)


def framed(seed, repeat):
    """Return the enlarged digits in larger images."""
    images = image_sets.digits(seed, "si", repeat)
    x, x_test = (np.pad(datasets.upsample(a, 20), ((0, 0), (4, 4), (4, 4)))
                 for a in (images.x, images.x_test))
    return shaped(images._replace(x=x, x_test=x_test), True)


def stored(folder, name, flat=True):
    """Read MNIST or Fashion-MNIST from a folder."""
    return shaped(image_sets.stored(os.path.join(folder, name)), flat)


def split(images, groups, classes=10):
    """Return one task for each group of classes."""
    masks = task_sequences.head_masks(groups, classes)
    rows = [task_sequences.split(labels, groups) for labels in (
        images.labels, images.labels_test)]
    return [Task(image_sets.Images(images.x[a], images.labels[a], images.x_test[b],
                                   images.labels_test[b]), mask)
            for a, b, mask in zip(*rows, masks, strict=True)]


def sequence(folder, total, repeat, seed):
    """Return the images and the pixel permutations."""
    images = framed(seed, repeat) if folder is None else stored(folder, "mnist")
    return images, task_sequences.permutations(
        seeds.rng(seed, "si", "orders", repeat), total, 784)


def permuted(images, order):
    """Return a task with permuted pixels."""
    return Task(images._replace(x=images.x[:, order], x_test=images.x_test[:, order]))


# ---- networks ----------------------------------------------------------------

def perceptron(*sizes, zero=False, keep=1.0):
    """Return a `Net` that describes a fully connected ReLU network.

    sizes : the number of inputs, followed by the number of units of each layer.
    zero : if True, the output weights are initialised to 0, like all biases.
    keep : probability that dropout keeps a hidden unit.
    """
    return Net(functools.partial(_start, mlp.init, sizes, zero), mlp.forward,
               mlp.backward, functools.partial(_derivatives, mlp.forward, mlp.signals),
               (False,) * (len(sizes) - 1),
               () if keep == 1 else (keep,) * (len(sizes) - 2))


def convolutional(shapes, pools, zero=True, keep=(), framed=None):
    """Return a `Net` that describes a convolutional network.

    The tuple `pools` contains True for each convolution that is followed by pooling.
    The dict `framed` maps the index of a layer to the shape (H, W) of its input maps.
    The edges of the input maps are set to 0 in each layer whose index is in `framed`.
    """
    forward, clear, signals = (functools.partial(f, pools=pools) for f in (
        fast_convnet.forward, convnet.forward, convnet.signals))
    if framed:
        forward, clear = (functools.partial(_framed, f, framed)
                          for f in (forward, clear))
    return Net(functools.partial(_start, convnet.init, shapes, zero), forward,
               lambda weights, tape, doutputs: fast_convnet.backward(tape, doutputs),
               functools.partial(_derivatives, clear, signals),
               (*pools, *[False] * (len(shapes) - len(pools))), keep)


def _framed(forward, framed, weights, biases, x, dropout=None):
    """Call `forward` with 0 at map edges."""
    masks = list(dropout or [None] * len(weights))
    for i, shape in framed.items():
        frame = np.zeros((len(x), *shape, weights[i].shape[3]), bool)
        frame[:, 1:-1, 1:-1] = True if masks[i] is None else masks[i][:, 1:-1, 1:-1]
        masks[i] = frame
    return forward(weights, biases, x, dropout=masks)


def _derivatives(forward, signals, weights, biases, x):
    recording = forward(weights, biases, x)
    return recording.inputs, signals(weights, recording), recording.outputs


def _start(init, shapes, zero, rng):
    weights, biases = init(shapes, rng, dtype=np.float32)
    biases = [np.zeros_like(b) for b in biases]
    if zero:
        weights[-1] = np.zeros_like(weights[-1])
    return weights, biases


def halves(parameters):
    """Split parameters into weights and biases."""
    return parameters[:len(parameters) // 2], parameters[len(parameters) // 2:]


def begin(net, generator):
    """Return the `Learner` of an untrained network."""
    weights, biases = net.init(generator)
    parameters = [*weights, *biases]
    return Learner(parameters, fast_si.begin(parameters), si.begin(parameters))


def dropout_masks(net, weights, x, generator):
    """Sample the dropout masks; the mask of a layer without dropout is None."""
    masks, shape = [None], x.shape[1:]
    for W, pool, keep in zip(weights[:-1], net.pools[:-1], net.keep, strict=True):
        shape = (len(W),) if W.ndim == 2 else (
            *((side - W.shape[1] + 1) // (1 + pool) for side in shape[:2]), len(W))
        masks.append(None if keep == 1 else
                     generator.random((len(x), *shape), np.float32) < keep)
    return masks


def gradient(net, parameters, x, labels, mask=None, generator=None):
    """Return the loss and its gradient, with dropout if `generator` is not None."""
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
    """Return the accuracy.

    If `mask` is not None, the predicted class is always one at which `mask` is True.
    """
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
    """Return the test accuracy on each task."""
    return np.array([accuracy(net, parameters, task.images.x_test,
                              task.images.labels_test, task.mask) for task in listed])


# ---- learning ----------------------------------------------------------------

def batches(generator, number, epochs, size):
    """Yield the image indices of each mini-batch; the last may be smaller."""
    for _ in range(epochs):
        order = generator.permutation(number)
        yield from (order[first:first + size] for first in range(0, number, size))


def learn(net, learner, task, rule, *, epochs, batch, generator):
    """Return the `Learner` after training on one task; `learner` is overwritten."""
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
    """Update the importances after a task."""
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
        step = adam.step if rule.reset == "moments" else 0
        adam = fast_si.begin(parameters)._replace(step=step)
    return Learner(parameters, adam, memory)


def fisher(net, parameters, task, size=250):
    """Return the diagonal Fisher information."""
    weights, biases = halves(parameters)
    x = task.images.x[:FISHER_SAMPLES]
    total = [np.zeros_like(a) for a in parameters]
    for first in range(0, len(x), size):
        part = x[first:first + size]
        found = ewc.fisher(*net.derivatives(weights, biases, part))
        for a, F in zip(total, [*found.weights, *found.biases], strict=True):
            a += F * np.float32(len(part) / len(x))
    return total


def share(learner, xi):
    """Return `w / (Delta^2 + xi)` for all parameters; the values can be negative."""
    return [w / ((a - b) ** 2 + np.float32(xi)) for w, a, b in zip(
        learner.memory.path_integral, learner.parameters, learner.memory.anchor,
        strict=True)]


def learn_clearly(net, parameters, memory, task, settings, *, epochs, batch, generator,
                  adam=None):
    """Train on one task with `refsnn.si`, not with the faster `refsnn.fast.si`."""
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
    """Convert a `Learner` to a dict."""
    parameters, adam, memory = learner
    found = {"adam step": adam.step, "steps": memory.steps, "tasks": memory.tasks}
    for i, theta in enumerate(parameters):
        found[f"parameters {i}"] = theta
        for name, arrays, start in _kept(learner, theta, i):
            if not np.array_equal(arrays[i], start):
                found[f"{name} {i}"] = arrays[i]
    return found


def unpacked(found):
    """Restore a `Learner` from a dict."""
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
    """Return (name, arrays, initial value) tuples."""
    zero, (_, adam, memory) = np.zeros_like(theta), learner
    return (("mean", adam.mean, zero), ("scale", adam.scale, zero),
            ("path_integral", memory.path_integral, zero),
            ("importance", memory.importance, zero), ("anchor", memory.anchor, theta))
