"""Measure the speed of tangent kernels and Neural Tangent Transfer for `fig_speed`.

Each kernel is the full tangent kernel between all samples of a batch.  The time of a
kernel includes the forward pass.  Each gradient is the gradient of the loss of
Neural Tangent Transfer without its L2 term.  The kernels in this loss are kernels
between the two halves of a batch.  The time of a gradient includes the kernel of the
teacher.  The code for every other tool follows the common practice of its users, and
uses the memory layout that the tool prefers.  The code for JAX is compiled.  The
library neural-tangents has three implementations of the kernel.  In torch.func, the
kernel is computed as the product of the Jacobians of all samples.
"""

import functools
import importlib.util
import os
import tracemalloc
from typing import NamedTuple, Optional

import numpy as np

from figures.run import seeds
from figures.run.claims import at_most, reported
from figures.speed import speed_peers
from refsnn import convnet, mlp, ntk, ntt, optimisers, pruning

MLP, CONV, GRADIENT = "NTK, MLP", "NTK, LeNet-5-Caffe", "NTT gradient, MLP"
TRANSFER = "NTT, one step"
SIZES, SAMPLES = (784, 300, 100, 10), {MLP: 100, CONV: 32, GRADIENT: 64, TRANSFER: 64}
TASKS = (MLP, CONV, GRADIENT)           # tasks with a panel in the figure
DENSITY, STRENGTH = 0.03, 1e-3
STEPS, TIMED = 18_720, 300      # steps of a transfer, and steps that are timed
BARE, OURS = "bare products", "refsnn"
STRUCTURED, CONTRACTION, VECTORS = (
    f"neural-tangents, {way}" for way in (
        "structured", "Jacobian contraction", "NTK-vector products"))
TORCH, TORCH_TWICE, JAX = ("torch.func, Jacobians", "PyTorch, double backward",
                           "JAX, Jacobians")
OTHERS = (CONTRACTION, VECTORS)
# task, contenders, bound on (their time / time of refsnn)
FASTER = [(MLP, (STRUCTURED, *OTHERS), 1), (MLP, (TORCH,), 1),
          (GRADIENT, (STRUCTURED,), 1.8), (GRADIENT, OTHERS, 50),
          (GRADIENT, (TORCH_TWICE,), 50),
          (CONV, (STRUCTURED, *OTHERS), 1.5)]
QUICK = {BARE: 4, OURS: 4, STRUCTURED: 4}       # successive runs of short tasks
MEMORY = 1 / 100                # bound on (peak memory of refsnn / that of OTHERS)


class Problem(NamedTuple):
    """Hold a student network, its teacher and a batch of inputs.

    The arrays have the form that `mlp` or `convnet` uses.
    """

    x: np.ndarray
    weights: list
    biases: list
    masks: list
    goal: list              # the teacher's weights
    pools: Optional[tuple]      # pooling of `convnet`; None for a perceptron
    kind: str = "at_masked"


def problem(task, seed, dtype=np.float32):
    """Return the `Problem` of a task.

    The weights of the student are the masked weights of the teacher.
    """
    generator = seeds.rng(seed, "speed", task, 0)
    if task == CONV:
        image, shapes, pools = convnet.ARCHITECTURES["lenet5_caffe"]
        weights, biases = convnet.init(shapes, generator, dtype=dtype)
    else:
        image, pools = SIZES[:1], None
        weights, biases = mlp.init(SIZES, generator, dtype=dtype)
    x = generator.standard_normal((SAMPLES[task], *image)).astype(dtype)
    masks = pruning.magnitude(weights, DENSITY)
    return Problem(x, weights, biases, masks, weights, pools)


# ---- refsnn ------------------------------------------------------------------

def model(pools):
    """Return the `ntt.Model` of a perceptron or of a convolutional network."""
    module, options = (mlp, {}) if pools is None else (convnet, {"pools": pools})
    return ntt.Model(*(functools.partial(function, **options) for function in (
        module.forward, module.signals, module.second_order)), ntk.kernel, ntk.adjoint)


def kernel(p):
    """Return a function that computes the kernel of the dense network with `refsnn`."""
    net = model(p.pools)

    def run():
        recording = net.forward(p.weights, p.biases, p.x)
        return ntk.kernel((recording.inputs, net.signals(p.weights, recording)))

    return run


def gradient(p):
    """Return a function that computes the gradient of the transfer loss with `refsnn`.

    The gradient is (dweights, dbiases), without the L2 term.
    """
    net, student = model(p.pools), ntt.Student(p.weights, p.biases, p.masks)

    def run():
        goal = ntt.target(net, p.goal, p.biases, p.x)
        return ntt.gradient(net, student, p.x, goal, density=1.0, strength=STRENGTH,
                            l2=0.0, kind=p.kind)[1:]

    return run


def products(p):
    """Return a function that computes only the matrix products of a kernel.

    The products occur in the forward pass, the backward pass and each layer's
    kernel.
    """
    recording = mlp.forward(p.weights, p.biases, p.x)
    rows = [g.reshape(-1, g.shape[2]) for g in mlp.signals(p.weights, recording)]

    def run():
        for a, W in zip(recording.inputs, p.weights, strict=True):
            a @ W.T
        for g, W in zip(rows[1:-1], p.weights[1:-1], strict=True):
            g @ W
        for a, g in zip(recording.inputs, rows, strict=True):
            a @ a.T
            g @ g.T             # symmetric, so that NumPy computes one half

    return run


def steps(seed, count):
    """Return a function that runs `count` steps of Neural Tangent Transfer.

    The pruning masks are recomputed during the transfer.
    """
    p, generator = problem(TRANSFER, seed), seeds.rng(seed, "speed", TRANSFER, 1)
    batches = generator.standard_normal((count, *p.x.shape), np.float32)
    return lambda: ntt.transfer(
        model(None), p.goal, p.biases, batches, density=DENSITY,
        prune=lambda W: pruning.magnitude(W, DENSITY),
        optimiser=functools.partial(optimisers.adam, rate=1e-3))


# ---- other tools -------------------------------------------------------------

def _jax(p):
    """Return the module jax, the network as a function, and the JAX arrays.

    The function is called as f([weights, biases], x).
    """
    import jax
    jax.config.update("jax_enable_x64", p.x.dtype == np.float64)
    relu = jax.nn.relu
    order = ("NHWC", "HWIO", "NHWC")

    def f(parameters, x):
        weights, biases = parameters
        for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
            if W.ndim == 4:
                x = relu(jax.lax.conv_general_dilated(x, W, (1, 1), "VALID",
                                                      dimension_numbers=order) + b)
                if p.pools[i]:
                    x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1),
                                              (1, 2, 2, 1), "VALID")
                continue
            x = x.reshape(len(x), -1) @ W + b
            x = relu(x) if i + 1 < len(weights) else x
        return x

    put = functools.partial(jax.tree.map, jax.device_put)
    weights, masks, goal = (
        put([W.transpose(1, 2, 3, 0) if W.ndim == 4 else W.T.copy() for W in arrays])
        for arrays in (p.weights, p.masks, p.goal))
    return jax, f, put(p.x), weights, put(list(p.biases)), masks, goal


def _masked(arrays, masks):
    return [a * m for a, m in zip(arrays, masks, strict=True)]


def _loss(p, f, kernel_of, theta, masks, goal, x):
    """Return the sum of the kernel term and the output term of the transfer loss.

    The arguments `theta` and `goal` hold the [weights, biases] of the student and of
    the teacher.  The function `kernel_of(f, theta, x, y)` computes the tangent kernel
    of the network f.
    """
    weights, biases = theta
    live = [_masked(weights, masks), biases]
    N = len(x) // 2
    wanted = kernel_of(f, goal, x[:N], x[N:])
    if p.kind == "at_masked":
        got = kernel_of(f, live, x[:N], x[N:])
    else:
        got = kernel_of(lambda theta, x: f([_masked(theta[0], masks), theta[1]], x),
                        theta, x[:N], x[N:])
    return STRENGTH * ((got - wanted) ** 2).mean() \
        + ((f(live, x) - f(goal, x)) ** 2).mean()


def _jax_peer(p, kernel_of, with_gradient, measured):
    """Return a compiled function that computes the kernel or the gradient in JAX.

    If the list `measured` is given, the peak memory in bytes is appended to this list.
    """
    jax, f, x, weights, biases, masks, goal = _jax(p)
    kernel_of = kernel_of(jax)
    if with_gradient:
        task = jax.jit(jax.grad(lambda theta, goal, masks, x: _loss(
            p, f, kernel_of, theta, masks, goal, x)))
        arguments = [weights, biases], [goal, biases], masks, x
    else:
        task = jax.jit(lambda theta, x: kernel_of(f, theta, x, None))
        arguments = [weights, biases], x
    compiled = task.lower(*arguments).compile()
    if measured is not None:
        size = compiled.memory_analysis()
        measured.append(size.temp_size_in_bytes + size.output_size_in_bytes)
    if not with_gradient:
        return lambda: jax.block_until_ready(compiled(*arguments))

    def run():
        dweights, dbiases = jax.block_until_ready(compiled(*arguments))
        return [W.transpose(3, 0, 1, 2) if W.ndim == 4 else W.T
                for W in dweights], dbiases

    return run


def neural_tangents(way):
    """Return a builder for one implementation in the library neural-tangents.

    The argument `way` names one of the three implementations.
    """
    def kernel_of(jax):
        from jax._src import source_info_util
        from jax.interpreters import ad
        # neural-tangents 0.6.5 expects two names that were removed from jax's `ad`.
        ad.config, ad.source_info_util = jax.config, source_info_util
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")      # silences TensorFlow
        import neural_tangents as nt

        def between(f, theta, x, y):
            return nt.empirical_ntk_fn(
                lambda theta, x: f(theta, x), trace_axes=(), vmap_axes=0,
                implementation=nt.NtkImplementation[way])(x, y, theta)
        return between

    return lambda p, with_gradient, measured=None: _jax_peer(p, kernel_of,
                                                             with_gradient, measured)


def jax_jacobians(p, with_gradient, measured=None):
    """Build a function that multiplies the Jacobians of all samples in JAX."""
    def kernel_of(jax):
        def jacobians(f, theta, x):
            rows = jax.vmap(jax.jacrev(lambda theta, x: f(theta, x[None])[0]),
                            (None, 0))(theta, x)
            return [J.reshape(*J.shape[:2], -1) for J in jax.tree.leaves(rows)]

        def between(f, theta, x, y):
            first = jacobians(f, theta, x)
            second = first if y is None else jacobians(f, theta, y)
            return sum(jax.numpy.einsum("nkp,mqp->nmkq", J, G)
                       for J, G in zip(first, second, strict=True))
        return between

    return _jax_peer(p, kernel_of, with_gradient, measured)


def torch_jacobians(p, with_gradient, measured=None):
    """Build a function that multiplies the Jacobians of all samples in `torch.func`.

    The gradient is computed by automatic differentiation of the loss.
    """
    import torch
    from torch import func
    torch.set_num_threads(1)

    def f(theta, x):
        weights, biases = theta
        for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
            if W.ndim == 4:
                x = torch.relu(torch.conv2d(x, W, b))
                if p.pools[i]:
                    x = torch.nn.functional.max_pool2d(x, 2)
                if weights[i + 1].ndim == 2:        # order: row, column, channel
                    x = x.permute(0, 2, 3, 1)
                continue
            x = torch.nn.functional.linear(x.flatten(1), W, b)
            x = torch.relu(x) if i + 1 < len(weights) else x
        return x

    def tensors(arrays):
        return [torch.from_numpy((a.transpose(0, 3, 1, 2) if a.ndim == 4 else a).copy())
                for a in arrays]

    def jacobians(f, theta, x):
        rows = func.vmap(func.jacrev(lambda theta, x: f(theta, x[None])[0]),
                         (None, 0))(theta, x)
        return [J.flatten(2) for part in rows for J in part]

    def between(f, theta, x, y):
        first = jacobians(f, theta, x)
        second = first if y is None else jacobians(f, theta, y)
        return sum(torch.einsum("nkp,mqp->nmkq", J, G)
                   for J, G in zip(first, second, strict=True))

    weights, biases, masks, goal = map(tensors, (p.weights, p.biases, p.masks, p.goal))
    x = tensors([p.x])[0]
    if not with_gradient:
        return lambda: between(f, [weights, biases], x, None)

    def run():
        dweights, dbiases = func.grad(lambda theta: _loss(
            p, f, between, theta, masks, [goal, biases], x))([weights, biases])
        return [W.permute(0, 2, 3, 1) if W.ndim == 4 else W for W in dweights], dbiases

    return run


PEERS = {STRUCTURED: ("neural_tangents", neural_tangents("STRUCTURED_DERIVATIVES")),
         CONTRACTION: ("neural_tangents", neural_tangents("JACOBIAN_CONTRACTION")),
         VECTORS: ("neural_tangents", neural_tangents("NTK_VECTOR_PRODUCTS")),
         JAX: ("jax", jax_jacobians), TORCH: ("torch", torch_jacobians),
         TORCH_TWICE: ("torch", torch_jacobians)}


def installed(name):
    """Return whether the tool that a contender needs is installed."""
    return importlib.util.find_spec(PEERS[name][0]) is not None


def missing():
    """Return the tools that only this module uses, if they are not installed."""
    return [] if installed(STRUCTURED) else ["neural-tangents"]


def contenders(task, seed, threads=1):
    """Return pairs (name, build) of all contenders in a task, for `speed_workers`."""
    if task == TRANSFER:
        return [(OURS, lambda: (steps(seed, TIMED), None))]
    p = problem(task, seed)

    def ours():
        run = gradient(p) if task == GRADIENT else kernel(p)
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return run, peak

    def peer(name):
        measured = []
        run = PEERS[name][1](p, task == GRADIENT, measured)
        return run, sum(measured) if measured else None

    names = dict.fromkeys(name for at, names, _ in FASTER if at == task
                          for name in names if installed(name))
    return [(BARE, lambda: (products(p), None))] * (task == MLP) + [(OURS, ours)] + [
        (name, functools.partial(peer, name)) for name in names]


def claims(found, memory):
    """Return the claims on the median times, and on the peak memory of the task `MLP`.

    The times are in seconds.

    found : {(task, name, threads): seconds}.
    memory : {name: bytes}.
    """
    made = [claim for task, names, bound in FASTER
            for claim in speed_peers.faster(found, task, names, OURS, bound)]
    if all(name in memory for name in OTHERS):
        made.append(at_most(
            f"{MLP}: peak memory of {OURS} / smallest peak memory of "
            f"({'; '.join(OTHERS)}); {OURS} needs {memory[OURS] / 2 ** 20:.3g} MiB",
            max(memory[OURS] / memory[name] for name in OTHERS), MEMORY))
    minutes = found[TRANSFER, OURS, 1] / TIMED * STEPS / 60
    return [*made, reported(f"NTT, MLP: time of {STEPS:,} steps (min), computed from "
                            f"{TIMED} steps", minutes)]


def title(task):
    """Return the title of the panel of a task."""
    if task == CONV:
        return f"NTK, LeNet-5-Caffe, {SAMPLES[task]} samples, full kernel"
    sizes = "-".join(map(str, SIZES))
    return f"NTK, {sizes}, {SAMPLES[task]} samples, full kernel" if task == MLP else \
        f"NTT gradient, {sizes}, batch {SAMPLES[task]}"
