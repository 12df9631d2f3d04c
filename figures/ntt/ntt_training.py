"""Provide images, networks and training functions for the figures on [LZ20].

Neural Tangent Transfer (NTT) trains a sparse network (student) to match the outputs and
the tangent kernel of a dense network (teacher).  NTT needs no labels.  In function
names, NTT is called "transfer".

By default, the images are the handwritten digits included in refsnn, enlarged to 16x16
pixels.  The data sets MNIST, Fashion-MNIST and CIFAR-10 are read from a data folder.
As in the code of [LZ20], images are standardised with the mean and the standard
deviation over all training images, separately for each colour channel.
"""

import collections
import contextlib
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy import special

from figures.run import colours, seeds
from figures.train import image_sets
from refsnn import convnet, datasets, losses, mlp, ntt, optimisers, pruning
from refsnn.fast import convnet as fast_convnet
from refsnn.fast import ntk
from refsnn.fast import si as fast_si

BATCH, SIDE = 64, 16
SCORED = 100            # training images with which SNIP and GraSP score the weights
TEMPERATURE = 200       # of GraSP, as in its authors' code [recalled]
METHODS = ("NTT", "NTT masks", "random", "magnitude", "SNIP", "logit-SNIP", "GraSP",
           "dense")
COLOURS = dict(zip(METHODS, (colours.BLUE, colours.SKY, colours.VERMILION, colours.GREY,
                             colours.GREEN, colours.PURPLE, colours.ORANGE,
                             colours.BLACK), strict=True))
MARKS = dict(zip(METHODS, "oPsX^vD.", strict=True))
SIZES = {"digits": (256, 300, 100, 10), "mnist": (784, 300, 100, 10),
         "fashion_mnist": (784, 300, 100, 10)}
CIFAR = "cifar-10-batches-bin"              # folder of the data folder
RATES = {"digits": 2e-3, "mnist": 5e-4}     # learning rates of the transfer


class Net(NamedTuple):
    """This class holds the functions that initialise and train a network."""

    init: Callable          # (rng) -> weights, biases
    model: ntt.Model
    backward: Callable      # (weights, recording, doutputs) -> weights, biases
    flat: bool              # True if the network input is a vector, not an image
    # Faster functions forward and backward, for the training with labels:
    fast: tuple = None


def mean_and_spread(values):
    """Return mean and standard deviation over runs."""
    mean = values.mean(axis=0)
    return mean, values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)


# ---- images ------------------------------------------------------------------

def digits(seed, repeat):
    """Return the included digits, standardised."""
    return standardised(image_sets.digits(seed, "ntt", repeat, SIDE))


def stored(folder, name):
    """Read and standardise a data set."""
    path = os.path.join(folder, name)
    return standardised(image_sets.stored(path) if name != CIFAR else image_sets.Images(
        *datasets.cifar(path, "train"), *datasets.cifar(path, "test")))


def standardised(images):
    """Standardise images with statistics of training images."""
    axes = tuple(range(3))
    mean, deviation = images.x.mean(axes, np.float64), images.x.std(axes, np.float64)
    x, x_test = (((a - mean) / deviation).astype(np.float32)
                 for a in (images.x, images.x_test))
    return images._replace(x=x, x_test=x_test)


def problem(name, folder, seed, repeat):
    """Return a perceptron and the images."""
    net = perceptron(*SIZES[name])
    return net, digits(seed, repeat) if folder is None else shuffled(folder, name, seed)


def shuffled(folder, name, seed):
    """Return a data set with the training images in random order."""
    images = stored(folder, name)
    order = seeds.rng(seed, "ntt", "order", 0).permutation(len(images.x))
    return images._replace(x=images.x[order], labels=images.labels[order])


# ---- networks ----------------------------------------------------------------

def perceptron(*sizes):
    """Return a perceptron with ReLU units."""
    return Net(functools.partial(mlp.init, sizes, dtype=np.float32),
               ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                         ntk.adjoint), mlp.backward, True)


def convolutional(name):
    """Return a convolutional network of `convnet`."""
    _, shapes, pools = convnet.ARCHITECTURES[name]
    forward, backward, signals, second_order = (
        functools.partial(f, pools=pools) for f in
        (convnet.forward, convnet.backward, convnet.signals, convnet.second_order))
    return Net(functools.partial(convnet.init, shapes, dtype=np.float32),
               ntt.Model(forward, signals, second_order, ntk.kernel, ntk.adjoint),
               backward, False, (
                   functools.partial(fast_convnet.forward, pools=pools),
                   lambda weights, tape, doutputs: fast_convnet.backward(tape, doutputs)
               ))


def batches(generator, x, steps, size=BATCH):
    """Return `steps` random mini-batches of equal size."""
    each = len(x) // size
    order = np.concatenate([generator.permutation(len(x))[:each * size]
                            for _ in range(-(-steps // each))])
    return Batches(x, order.reshape(-1, size)[:steps])


class Batches:
    """This class is a sequence of mini-batches of the images `x`.

    Row i of `order` holds the indices of the images in mini-batch i.
    """

    def __init__(self, x, order):
        self.x, self.order = x, order

    def __len__(self):
        return len(self.order)

    def __getitem__(self, i):
        return self.x[self.order[i]]


def read(net, x):
    """Return images in the input shape of `net`."""
    if net.flat:
        return x.reshape(len(x), -1)
    return x if x.ndim == 4 else x[..., None]


def outputs(net, weights, biases, x, size=500):
    """Return the network outputs, of shape (N, k)."""
    forward, _ = learning(net)
    return np.concatenate([
        forward(weights, biases, read(net, x[first:first + size])).outputs
        for first in range(0, len(x), size)])


def learning(net):
    """Return functions for the training with labels."""
    return net.fast or (net.model.forward, net.backward)


def accuracy(net, weights, biases, x, labels):
    return float((outputs(net, weights, biases, x).argmax(axis=1) == labels).mean())


def cross_entropy(out, labels):
    """Return the cross entropy and its derivative."""
    loss, derivative = losses.cross_entropy(out[None], labels, "last")
    return loss, derivative[0]


# ---- masks -------------------------------------------------------------------

def first_masks(method, net, weights, biases, images, density, generator,
                scope="layer"):
    """Compute the masks of one pruning method."""
    if method == "dense":
        return [np.ones_like(W) for W in weights]
    if method == "random":
        return pruning.random(weights, density, generator, scope=scope)
    if method == "permuted":            # random masks in the code of [LZ20]
        return [generator.permuted(M, axis=1)       # inputs, or height of a kernel
                for M in pruning.magnitude(weights, density)]
    if method == "magnitude":
        return pruning.magnitude(weights, density, scope=scope)
    x, labels = read(net, images.x[:SCORED]), images.labels[:SCORED]
    if method == "GraSP":
        return pruning.grasp(weights, hessian_gradient(net, weights, biases, x, labels),
                             density, scope=scope)
    recording = net.model.forward(weights, biases, x)
    if method == "SNIP":
        doutputs = cross_entropy(recording.outputs, labels)[1]
    else:
        doutputs = pruning.logit_doutputs(recording.outputs)
    gradients = net.backward(weights, recording, doutputs).weights
    return pruning.snip(weights, gradients, density, scope=scope)


def hessian_gradient(net, weights, biases, x, labels, temperature=TEMPERATURE):
    """Return the product of the Hessian and the gradient of a loss, for GraSP.

    The loss L is the cross entropy of `f / temperature`, where f are the network
    outputs.  A layer with the input `a` computes `W a + b` from its weights W and its
    biases b.  V and c are the derivatives of L with respect to W and b.  G_k is the
    derivative of the output f_k with respect to `W a + b`.  The product is the gradient
    of the directional derivative E of L along the fixed direction (V, c),

        E = sum p_k G_k (V a + c), with p = dL/df.

    The sum runs over images, layers and outputs k.
    """
    recording = net.model.forward(weights, biases, x)
    share = special.softmax(recording.outputs / temperature, axis=1)
    p = cross_entropy(recording.outputs / temperature, labels)[1] / temperature
    v, along, dinputs, dsignals = net.backward(weights, recording, p), 0, [], []
    signals = net.model.signals(weights, recording)
    for a, G, V, c in zip(recording.inputs, signals, *v, strict=True):
        places, V = a.reshape(len(a), -1, a.shape[-1]), V.reshape(len(V), -1)
        g = G.reshape(*G.shape[:2], -1, len(V))             # (N, K, P, n)
        change = places @ V.T + c               # derivative of z along v, (N, P, n)
        along = along + np.einsum("nkpi,npi->nk", g, change)    # derivative of f
        dsignals.append((p[:, :, None, None] * change[:, None]).reshape(G.shape))
        dinputs.append((np.einsum("nk,nkpi->npi", p, g) @ V).reshape(a.shape))
    doutputs = share * (along - (share * along).sum(axis=1, keepdims=True))
    doutputs /= temperature ** 2 * len(x)                   # dE/df = dp/df along
    return net.model.second_order(weights, recording, signals, dinputs, dsignals,
                                  doutputs).weights


def student(method, net, teacher, images, density, generator, scope="layer", **options):
    """Return a sparse network; `options` are passed to `transfer`."""
    if method == "NTT":
        return transfer(net, teacher, images.x, density=density, generator=generator,
                        scope=scope, **options)
    return ntt.Student(*teacher, first_masks(method, net, *teacher, images, density,
                                             generator, scope))


# ---- learning ----------------------------------------------------------------

def transfer(net, teacher, x, *, density, steps, rate, generator, strength=1e-3,
             l2=1e-4, kind="at_masked", watch=None, every=100, scope="layer",
             batch=BATCH):
    """Run Neural Tangent Transfer with Adam."""
    return ntt.transfer(
        net.model, *teacher, batches(generator, read(net, x), steps, batch),
        density=density,
        prune=lambda W: pruning.magnitude(W, density, scope=scope), every=every,
        optimiser=functools.partial(optimisers.adam, rate=rate), strength=strength,
        l2=l2, kind=kind, watch=watch)


def threaded(model, pool):
    """Return a network model that computes in a thread pool."""
    kernel, adjoint = (functools.partial(function, mapper=pool.map)
                       for function in (model.kernel, model.adjoint))
    return model._replace(kernel=kernel, adjoint=adjoint, map=pool.map)


def transfer_part(net, teacher, x, *, density, total, first, count, rate, generator,
                  l2, scope, batch, before=None, every=100, threads=1,
                  kind="at_masked", log=None):
    """Run `count` steps of Neural Tangent Transfer, starting with step `first`.

    A complete run has `total` steps.  The masks are updated at intervals of `every`
    steps.  The returned dict is the argument `before` of the next call.  The argument
    `first` should be a multiple of `every`.  Several calls of `transfer_part` give the
    same final student as a single call of `ntt.transfer` with the same mini-batches.
    The number of threads does not change the result.  The function `log(step, student)`
    is called at each step, before the masks are updated.
    """
    given, kept = [], collections.deque(maxlen=2 * len(teacher[0]))
    prune = functools.partial(pruning.magnitude, rho=density, scope=scope)
    student = None
    if before is not None:
        student, given = unpacked(before), adam_states(before)
        if first % every == 0 and first < total - every:
            student = student._replace(masks=prune(student.weights))

    def optimiser(state, gradient):
        kept.append(optimisers.adam(given.pop(0) if given else state, gradient,
                                    rate=rate))
        return kept[-1]

    def watch(step, now):
        nonlocal student
        student = now
        if log is not None and (step or not first):
            log(first + step, now)
        if step == count:
            raise StopIteration

    with contextlib.suppress(StopIteration), ThreadPoolExecutor(threads) as pool:
        ntt.transfer(threaded(net.model, pool), *teacher,
                     batches(generator, read(net, x), total - first, batch),
                     density=density, prune=prune, every=every, optimiser=optimiser,
                     l2=l2, kind=kind, student=student, watch=watch)
    found = packed(student)
    if first + count < total:
        found |= {f"{name} {i}": value for i, (state, _) in enumerate(kept)
                  for name, value in state._asdict().items()}
    return found


def packed(student):
    """Return a student as a dict."""
    return {f"{field} {i}": array for field, arrays in student._asdict().items()
            for i, array in enumerate(arrays)}


def unpacked(found):
    """Restore a student from a dict."""
    count = sum(key.startswith("masks ") for key in found)
    return ntt.Student(*([found[f"{field} {i}"] for i in range(count)]
                         for field in ntt.Student._fields))


def adam_states(found):
    """Restore the Adam states from a dict."""
    count = sum(key.startswith("step ") for key in found)
    return [optimisers.State(int(found[f"step {i}"]), found[f"mean {i}"],
                             found[f"scale {i}"]) for i in range(count)]


def supervise(net, student, images, *, steps, every, rate, generator, l2=1e-8,
              first=0, count=None, state=None):
    """Train a sparse network with labels.

    Each row of the returned learning curve is (step, test accuracy).  Training can be
    divided into several calls of `supervise`.  Each call runs `count` steps, and starts
    with the step `first`.  Each later call takes the weights, the biases and the
    `state` that the previous call returned.  If all calls receive new random generators
    with the same seed, the division of the training into calls does not change the
    final network.
    """
    weights = [W * M for W, M in zip(student.weights, student.masks, strict=True)]
    biases, order = [b.copy() for b in student.biases], np.arange(len(images.x))
    parameters, curve = [*weights, *biases], []         # updated in place
    state, (forward, backward) = state or fast_si.begin(parameters), learning(net)
    listed = range(0, steps, every) if isinstance(every, int) else every
    order, last = batches(generator, order, steps), min(first + (count or steps), steps)
    for step in range(first, last):
        index = order[step]
        if step in listed:
            curve.append((step, accuracy(net, weights, biases, images.x_test,
                                         images.labels_test)))
        tape = forward(weights, biases, read(net, images.x[index]))
        _, doutputs = cross_entropy(tape.outputs, images.labels[index])
        dweights, dbiases = backward(weights, tape, doutputs)
        dweights = [M * (dW + 2 * l2 * W) for M, dW, W in
                    zip(student.masks, dweights, weights, strict=True)]
        state = fast_si.step(parameters, [*dweights, *dbiases], state, rate=rate)
    if last == steps:
        curve.append((steps, accuracy(net, weights, biases, images.x_test,
                                      images.labels_test)))
    return weights, biases, np.array(curve).reshape(-1, 2), state
