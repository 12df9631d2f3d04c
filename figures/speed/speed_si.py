"""Measure the time that synaptic intelligence adds to Adam, for `fig_speed`.

The update of all parameters from a given gradient is measured.  The forward
and backward pass that compute the gradient are measured separately.  A
training step consists of both passes and the update.  Memory access limits the
added time.  The path integral accesses as many bytes as one copy of all
parameters.  The penalty gradient accesses the same number of additional bytes.
Three ports of the update to PyTorch follow common implementations.  The first
port copies each parameter before the step.  The second port joins all
parameters into a flat vector.  The third port uses multi-tensor operations in
place.
"""

import importlib.util
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from figures.run.claims import at_least, at_most
from refsnn import losses, mlp
from refsnn.fast import si as fast_si

TASK = "SI"
TASKS = (TASK,)
SIZES, BATCH, RATE, STRENGTH = (784, 2000, 2000, 10), 256, 1e-3, 0.1
COPY, PASSES = "copy of all parameters", "refsnn, forward and backward"
ADAM, PATH, PENALTY = (f"refsnn, {what}" for what in (
    "Adam", "Adam + path integral", "Adam + path integral + penalty"))
TORCH_PASSES, TORCH_ADAM = "PyTorch, forward and backward", "PyTorch, Adam"
CLONED, FLAT, FOREACH = (f"PyTorch, {how}" for how in (
    "clones", "flat vectors", "multi-tensor"))
PORTS = (CLONED, FLAT, FOREACH)
TOO = " + penalty"
SHARES = {PATH: 0.05, PENALTY: 0.12}        # bounds on (added time / time of a step)
FLOORS = {PATH: 2.2, PENALTY: 3.0}          # bounds on (added time / time of copies)
COPIES = {PATH: 1, PENALTY: 2}              # number of copies with as many bytes


class Problem(NamedTuple):
    """Hold a network in training, a batch, and the importances and anchor of SI."""

    x: np.ndarray           # (B, n)
    labels: np.ndarray      # (B,)
    weights: list
    biases: list
    gradient: list          # with respect to weights, then biases
    importance: list
    anchor: list


def problem(seed, dtype=np.float32, sizes=SIZES, batch=BATCH):
    """Return a `Problem` with random arrays."""
    generator = seeds.rng(seed, "speed", TASK, 0)
    weights, biases = mlp.init(sizes, generator, dtype=dtype)

    def drawn(scale):
        return [(scale * generator.standard_normal(a.shape)).astype(dtype)
                for a in (*weights, *biases)]

    anchor = [a + d for a, d in zip((*weights, *biases), drawn(0.01), strict=True)]
    return Problem(generator.random((batch, sizes[0])).astype(dtype),
                   generator.integers(0, sizes[-1], batch), weights, biases,
                   drawn(1e-3), [abs(a) for a in drawn(1.0)], anchor)


# ---- refsnn ------------------------------------------------------------------

def passes(p):
    """Return a function that runs the forward and the backward pass of a training step.
    """
    def run():
        recording = mlp.forward(p.weights, p.biases, p.x)
        doutputs = losses.cross_entropy(recording.outputs[None], p.labels, "last")[1][0]
        return mlp.backward(p.weights, recording, doutputs)

    return run


def update(p, path=False, penalty=False):
    """Return a function that runs the parameter update of `refsnn` in one pass.

    The update includes the optimiser Adam, and proceeds block by block.

    path, penalty : whether the path integral and the penalty are included.

    The returned function updates the parameters and the path integral in place, and
    returns both.
    """
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
    """Return a function that copies as many bytes as all parameters occupy together."""
    source = np.concatenate([a.ravel() for a in p.gradient])
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


# ---- PyTorch -----------------------------------------------------------------

def _torch(p):
    """Return the module torch, the parameters and all other arrays, as PyTorch tensors.
    """
    import torch
    torch.set_num_threads(1)
    torch.set_grad_enabled(True)
    theta = [torch.from_numpy(a.copy()).requires_grad_()
             for a in (*p.weights, *p.biases)]
    return torch, theta, [[torch.from_numpy(a) for a in arrays] for arrays in
                          (p.gradient, p.importance, p.anchor)]


def torch_passes(p):
    """Return a function that runs the forward and the backward pass in PyTorch."""
    torch, theta, _ = _torch(p)
    x, labels = torch.from_numpy(p.x), torch.from_numpy(p.labels)
    depth = len(p.weights)

    def run():
        a = x
        for i in range(depth):
            a = torch.nn.functional.linear(a, theta[i], theta[depth + i])
            a = torch.relu(a) if i + 1 < depth else a
        return torch.autograd.grad(torch.nn.functional.cross_entropy(a, labels), theta)

    return run


def _pulled(torch, theta, gradient, penalty):
    """Add the gradient of the penalty to the gradient of the loss."""
    pulls = torch.autograd.grad(STRENGTH * penalty, theta)
    for a, g, pull in zip(theta, gradient, pulls, strict=True):
        a.grad = pull.add_(g)


def torch_update(p, port=None, penalty=False):
    """Return a function that runs Adam in PyTorch, alone or with synaptic intelligence.

    As in most PyTorch ports, the gradient in eq. (1) of `si` includes the penalty
    gradient.
    """
    torch, theta, (gradient, importance, anchor) = _torch(p)
    adam = torch.optim.Adam(theta, lr=RATE)
    flat = port == FLAT

    def joined(arrays):
        return torch.cat([a.reshape(-1) for a in arrays])

    path = [torch.zeros_like(a, requires_grad=False) for a in theta]
    if flat:
        path, importance, anchor = map(joined, (path, importance, anchor))
    old = [a.detach().clone() for a in theta]

    def pull():
        if flat:
            return (importance * (joined(theta) - anchor) ** 2).sum()
        return sum((o * (a - t) ** 2).sum()
                   for o, a, t in zip(importance, theta, anchor, strict=True))

    def cloned():
        adam.step()
        for i, (w, a) in enumerate(zip(path, theta, strict=True)):
            w.add_(-a.grad * (a.detach() - old[i]))
            old[i] = a.detach().clone()

    def vectors():
        before = joined(theta).detach().clone()
        adam.step()
        path.add_(-joined([a.grad for a in theta]) * (joined(theta).detach() - before))

    def together():
        with torch.no_grad():
            torch._foreach_copy_(old, theta)
            adam.step()
            torch._foreach_sub_(old, theta)
            torch._foreach_addcmul_(path, old, [a.grad for a in theta])

    step = {None: adam.step, CLONED: cloned, FLAT: vectors, FOREACH: together}[port]

    def run():
        for a, g in zip(theta, gradient, strict=True):
            a.grad = g
        if penalty and port == FOREACH:
            with torch.no_grad():
                pulls = torch._foreach_sub(theta, anchor)
                torch._foreach_mul_(pulls, importance)
                torch._foreach_mul_(pulls, 2 * STRENGTH)
                torch._foreach_add_(pulls, gradient)
            for a, total in zip(theta, pulls, strict=True):
                a.grad = total
        elif penalty:
            _pulled(torch, theta, gradient, pull())
        step()
        return theta, path

    return run


# ---- for fig_speed -----------------------------------------------------------

def contenders(task, seed, threads=1):
    """Return pairs (name, build) of all contenders in a task, for `speed_workers`."""
    runs = [(COPY, copying), (ADAM, update), (PATH, update, True),
            (PENALTY, update, True, True), (PASSES, passes)]
    if importlib.util.find_spec("torch") is not None:
        runs += [(TORCH_ADAM, torch_update), (TORCH_PASSES, torch_passes)]
        for port in PORTS:
            runs += [(port, torch_update, port), (port + TOO, torch_update, port, True)]
    return [(name, lambda build=build, more=more: (build(problem(seed), *more), None))
            for name, build, *more in runs]


def claims(found):
    """Return the claims on the median times.

    The dict `found` maps (task, name, threads) to a time in seconds.
    """
    seconds = {name: value for (task, name, _), value in found.items() if task == TASK}
    added = {name: seconds[name] - seconds[ADAM] for name in SHARES}
    shares = {name: added[name] / (seconds[ADAM] + seconds[PASSES]) for name in SHARES}
    made = [at_most(f"SI: time added by {name.split('Adam + ')[1]} / time of a "
                    "training step", shares[name], bound)
            for name, bound in SHARES.items()]
    made += [at_most(f"SI: time added by {name.split('Adam + ')[1]} / time of "
                     "copying as many bytes",
                     added[name] / (COPIES[name] * seconds[COPY]), bound)
             for name, bound in FLOORS.items()]
    for name, more in ((PATH, ""), (PENALTY, TOO)) if TORCH_ADAM in seconds else ():
        whole = seconds[TORCH_ADAM] + seconds[TORCH_PASSES]
        theirs = min(seconds[port + more] - seconds[TORCH_ADAM] for port in PORTS)
        made.append(at_least(
            f"SI: share of a training step added by the fastest PyTorch port{more} / "
            "share added by refsnn", theirs / whole / shares[name], 1))
    return made


def title(task):
    """Return the title of the panel of the task."""
    return f"SI, update of {'-'.join(map(str, SIZES))}, batch {BATCH}"
