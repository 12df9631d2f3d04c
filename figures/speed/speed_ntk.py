"""Build the tangent-kernel tasks of `fig_speed`.

In the tasks named NTK, each tool computes the neural tangent kernel for all pairs of
samples in a batch.  In the task "NTT gradient", refsnn and other tools compute the
gradient of the loss of Neural Tangent Transfer (NTT).  NTT trains a sparse network
(student) to match the outputs and the tangent kernel of a dense network (teacher).  The
loss is differentiated with respect to the parameters of the student.  The loss uses the
tangent kernel between the first and the second half of a batch, and has no L2 term.

All measured times include the forward pass.  In the task "NTT gradient", the measured
time includes the evaluation of the teacher network and of its tangent kernel.  Each
tool receives arrays in its preferred memory layout.  The JAX code is compiled.
"""

import functools
import os
from typing import NamedTuple, Optional

import numpy as np

from figures.run import seeds
from figures.speed.speed_workers import installed
from refsnn import convnet, mlp, ntt, pruning
from refsnn.fast import ntk

MLP, CONV, GRADIENT = "NTK, MLP", "NTK, LeNet-5-Caffe", "NTT gradient, MLP"
SIZES, SAMPLES = (784, 300, 100, 10), {MLP: 100, CONV: 32, GRADIENT: 64}
TASKS = {task: f"{task.replace('MLP', '784-300-100-10')}, {count} samples"
         for task, count in SAMPLES.items()}
DENSITY, STRENGTH = 0.03, 1e-3
BARE, OURS = "bare products", "refsnn"
STRUCTURED, CONTRACTION, VECTORS = (
    f"neural-tangents, {way}" for way in (
        "structured", "Jacobian contraction", "NTK-vector products"))
TORCH, JAX = "torch.func, Jacobians", "JAX, Jacobians"
OMITTED = {(CONV, TORCH), (CONV, JAX)}      # the Jacobians need half a gigabyte


class Problem(NamedTuple):
    """This class holds a student network, a teacher network and network inputs."""

    x: np.ndarray
    weights: list
    biases: list
    masks: list
    goal: list              # the teacher's weights
    pools: Optional[tuple]      # pooling of `convnet`; None for a perceptron
    kind: str = "at_masked"


def problem(task, seed):
    """Return the `Problem` of a task."""
    generator = seeds.rng(seed, "speed", task, 0)
    if task == CONV:
        image, shapes, pools = convnet.ARCHITECTURES["lenet5_caffe"]
        weights, biases = convnet.init(shapes, generator, dtype=np.float32)
    else:
        image, pools = SIZES[:1], None
        weights, biases = mlp.init(SIZES, generator, dtype=np.float32)
    x = generator.standard_normal((SAMPLES[task], *image), np.float32)
    return Problem(x, weights, biases, pruning.magnitude(weights, DENSITY), weights,
                   pools)


# ---- refsnn

def model(pools):
    """Return the `ntt.Model` of a network."""
    module, options = (mlp, {}) if pools is None else (convnet, {"pools": pools})
    return ntt.Model(*(functools.partial(function, **options) for function in (
        module.forward, module.signals, module.second_order)), ntk.kernel, ntk.adjoint)


def kernel(p):
    """Return a tangent-kernel function in refsnn."""
    net = model(p.pools)

    def run():
        recording = net.forward(p.weights, p.biases, p.x)
        return ntk.kernel((recording.inputs, net.signals(p.weights, recording)))

    return run


def gradient(p):
    """Return a gradient function in refsnn."""
    net, student = model(p.pools), ntt.Student(p.weights, p.biases, p.masks)

    def run():
        goal = ntt.target(net, p.goal, p.biases, p.x)
        return ntt.gradient(net, student, p.x, goal, density=1.0, strength=STRENGTH,
                            l2=0.0, kind=p.kind)[1:]

    return run


def products(p):
    """Return a function for the matrix products."""
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


# ---- other tools

def _masked(arrays, masks):
    return [a * m for a, m in zip(arrays, masks, strict=True)]


def _loss(p, f, between, theta, masks, goal, x):
    """Return the NTT loss without L2 term."""
    live, N = [_masked(theta[0], masks), theta[1]], len(x) // 2
    wanted = between(f, goal, x[:N], x[N:])
    if p.kind == "at_masked":
        got = between(f, live, x[:N], x[N:])
    else:
        got = between(lambda theta, x: f([_masked(theta[0], masks), theta[1]], x),
                      theta, x[:N], x[N:])
    return STRENGTH * ((got - wanted) ** 2).mean() \
        + ((f(live, x) - f(goal, x)) ** 2).mean()


def _contracted(jacobians, einsum):
    """Return a function that multiplies two Jacobians."""
    def between(f, theta, x, y):
        first = jacobians(f, theta, x)
        second = first if y is None else jacobians(f, theta, y)
        return sum(einsum("nkp,mqp->nmkq", J, G)
                   for J, G in zip(first, second, strict=True))
    return between


def _jax(kernel_of, p, with_gradient):
    """Return a kernel or gradient function."""
    import jax
    jax.config.update("jax_enable_x64", p.x.dtype == np.float64)
    relu, between = jax.nn.relu, kernel_of(jax)

    def f(theta, x):
        for i, (W, b) in enumerate(zip(*theta, strict=True)):
            if W.ndim == 4:
                x = relu(jax.lax.conv_general_dilated(
                    x, W, (1, 1), "VALID",
                    dimension_numbers=("NHWC", "HWIO", "NHWC")) + b)
                if p.pools[i]:
                    x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1),
                                              (1, 2, 2, 1), "VALID")
                continue
            x = x.reshape(len(x), -1) @ W + b
            x = relu(x) if i + 1 < len(theta[0]) else x
        return x

    put = functools.partial(jax.tree.map, jax.device_put)
    x, biases = put(p.x), put(list(p.biases))
    weights, masks, goal = (
        put([W.transpose(1, 2, 3, 0) if W.ndim == 4 else W.T.copy() for W in arrays])
        for arrays in (p.weights, p.masks, p.goal))
    if not with_gradient:
        both = jax.jit(lambda theta, x: between(f, theta, x, None))
        return lambda: jax.block_until_ready(both([weights, biases], x))
    slope = jax.jit(jax.grad(lambda theta, goal, masks, x: _loss(
        p, f, between, theta, masks, goal, x)))

    def run():
        dweights, dbiases = jax.block_until_ready(
            slope([weights, biases], [goal, biases], masks, x))
        return [W.transpose(3, 0, 1, 2) if W.ndim == 4 else W.T
                for W in dweights], dbiases

    return run


def _jax_jacobians(jax):
    def jacobians(f, theta, x):
        rows = jax.vmap(jax.jacrev(lambda theta, x: f(theta, x[None])[0]),
                        (None, 0))(theta, x)
        return [J.reshape(*J.shape[:2], -1) for J in jax.tree.leaves(rows)]
    return _contracted(jacobians, jax.numpy.einsum)


def _neural_tangents(way, jax):
    from jax._src import source_info_util
    from jax.interpreters import ad
    # neural-tangents 0.6.5 expects two names that were removed from jax's `ad`.
    ad.config, ad.source_info_util = jax.config, source_info_util
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")      # silences TensorFlow
    import neural_tangents as nt
    return lambda f, theta, x, y: nt.empirical_ntk_fn(
        lambda theta, x: f(theta, x), trace_axes=(), vmap_axes=0,
        implementation=nt.NtkImplementation[way])(x, y, theta)


def _torch(p, with_gradient):
    """Return a kernel or gradient function."""
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

    between = _contracted(jacobians, torch.einsum)
    weights, biases, masks, goal = map(tensors, (p.weights, p.biases, p.masks, p.goal))
    x = tensors([p.x])[0]
    if not with_gradient:
        return lambda: between(f, [weights, biases], x, None)

    def run():
        dweights, dbiases = func.grad(lambda theta: _loss(
            p, f, between, theta, masks, [goal, biases], x))([weights, biases])
        return [W.permute(0, 2, 3, 1) if W.ndim == 4 else W for W in dweights], dbiases

    return run


PEERS = {name: ("neural_tangents", functools.partial(
    _jax, functools.partial(_neural_tangents, way))) for name, way in (
        (STRUCTURED, "STRUCTURED_DERIVATIVES"), (CONTRACTION, "JACOBIAN_CONTRACTION"),
        (VECTORS, "NTK_VECTOR_PRODUCTS"))}
PEERS |= {JAX: ("jax", functools.partial(_jax, _jax_jacobians)),
          TORCH: ("torch", _torch)}


def contenders(task, seed, threads):
    """Return a dict {name: build}."""
    p = problem(task, seed)
    found = {OURS: functools.partial(gradient if task == GRADIENT else kernel, p)}
    if task == MLP:
        found[BARE] = functools.partial(products, p)
    return found | {name: functools.partial(PEERS[name][1], p, task == GRADIENT)
                    for name in installed(PEERS) if (task, name) not in OMITTED}
