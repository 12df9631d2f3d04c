"""Measure the speed of updates with synaptic intelligence (SI).

The benchmark measures the time of one update of all network parameters.  The update
combines synaptic intelligence with the optimiser Adam.  The gradient of the loss is
given.  Memory access limits the speed of the update.  Therefore, an update takes longer
than copying all parameters.
"""

import functools
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from figures.speed.speed_workers import installed
from refsnn import mlp
from refsnn.fast import si as fast_si

TASK = "SI"
SIZES, RATE, STRENGTH = (784, 2000, 2000, 10), 1e-3, 0.1
TASKS = {TASK: f"SI with Adam, update of {'-'.join(map(str, SIZES))}"}
COPY, OURS = "copy of all parameters", "refsnn"
ADAM, PATH = "refsnn, Adam only", "refsnn, Adam and path integral only"


class Problem(NamedTuple):
    """This class holds the arrays that an update of the network parameters needs."""

    weights: list
    biases: list
    gradient: list
    importance: list
    anchor: list


def problem(seed, dtype=np.float32, sizes=SIZES):
    """Return a `Problem` with random arrays."""
    generator = seeds.rng(seed, "speed", TASK, 0)
    weights, biases = mlp.init(sizes, generator, dtype=dtype)

    def drawn(scale):
        return [(scale * generator.standard_normal(a.shape)).astype(dtype)
                for a in (*weights, *biases)]

    anchor = [a + d for a, d in zip((*weights, *biases), drawn(0.01), strict=True)]
    return Problem(weights, biases, drawn(1e-3), [abs(a) for a in drawn(1.0)], anchor)


def update(p, path=False, penalty=False):
    """Return an update function of `refsnn.fast.si`."""
    theta = [a.copy() for a in (*p.weights, *p.biases)]
    state, options = [fast_si.begin(theta)], {}
    if path:
        options["path_integral"] = [np.zeros_like(a) for a in theta]
    if penalty:
        options |= {"importance": p.importance, "anchor": p.anchor,
                    "strength": STRENGTH}

    def run():
        state[0] = fast_si.step(theta, p.gradient, state[0], rate=RATE, **options)
        return theta, options.get("path_integral")

    return run


def copying(p):
    """Return a function that copies all parameters."""
    source = np.concatenate([a.ravel() for a in p.gradient])
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


# ---- PyTorch

def torch_update(p, path=False, penalty=False):
    """Return an update function in PyTorch."""
    import torch
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    theta = [torch.from_numpy(a.copy()).requires_grad_()
             for a in (*p.weights, *p.biases)]
    gradient, importance, anchor = ([torch.from_numpy(a) for a in arrays] for arrays in
                                    (p.gradient, p.importance, p.anchor))
    adam = torch.optim.Adam(theta, lr=RATE)
    integral, old = ([torch.zeros_like(a) for a in theta] for _ in range(2))

    def run():
        total = gradient
        if penalty:
            total = torch._foreach_sub(theta, anchor)
            torch._foreach_mul_(total, importance)
            torch._foreach_mul_(total, 2 * STRENGTH)
            torch._foreach_add_(total, gradient)
        for a, g in zip(theta, total, strict=True):
            a.grad = g
        if path:
            torch._foreach_copy_(old, theta)
        adam.step()
        if path:
            torch._foreach_sub_(old, theta)
            torch._foreach_addcmul_(integral, old, [a.grad for a in theta])
        return theta, integral

    return run


PEERS = {"PyTorch, Adam only": ("torch", torch_update),
         "PyTorch": ("torch", functools.partial(torch_update, path=True, penalty=True))}


def contenders(task, seed, threads):
    """Return a dict {name: build}."""
    builders = {OURS: functools.partial(update, path=True, penalty=True), ADAM: update,
                PATH: functools.partial(update, path=True), COPY: copying} | {
        name: PEERS[name][1] for name in installed(PEERS)}
    p = problem(seed)
    return {name: functools.partial(build, p) for name, build in builders.items()}
