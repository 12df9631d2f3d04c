"""Exact RTRL in `fig_speed`: its problems, what refsnn runs, and other tools.

Every contender runs the network and carries the exact influence of all of its
weights forward in time, one step after the other, and returns the gradient
(n, m + n) by [W | V], the sum of the gradients of all steps.  The tools' peers
are what their user would write: automatic differentiation of one step of the
network, forward (the influence and the basis of the parameters pushed through
it, column by column) or in reverse (its Jacobians, then their product with
the influence), compiled where the tool compiles.
"""

import importlib.util
from typing import NamedTuple

import numpy as np

from figures.run.claims import Claim, at_least, at_most
from figures.run import seeds
from refsnn import lif, rnn, rtrl, surrogates
from refsnn.fast import rtrl as fast_rtrl

RNN_1, RNN_8, LIF = "RTRL, tanh", "RTRL, tanh, batch 8", "RTRL, LIF"
SIZES = {RNN_1: (100, 1, 32, 64), RNN_8: (100, 8, 32, 64), LIF: (100, 1, 32, 32)}
ALPHA, BETA, STEEPNESS = float(np.exp(-1 / 5)), float(np.exp(-1 / 10)), 10.0
BARE, OURS, ONLINE = "bare products", "refsnn, recording", "refsnn, step by step"
JAX_FORWARD, JAX_REVERSE = "JAX, forward mode", "JAX, reverse mode"
TORCH_FORWARD, TORCH_REVERSE = "PyTorch, forward mode", "PyTorch, reverse mode"
FLOOR = 1.15            # times the bare products, tanh network
# task, peers, how many times faster refsnn must be
FASTER = [(RNN_1, (JAX_REVERSE, JAX_FORWARD), 1.5),
          (RNN_1, (TORCH_REVERSE, TORCH_FORWARD), 3),
          (RNN_8, (JAX_REVERSE,), 1.5), (RNN_8, (TORCH_REVERSE,), 3),
          (LIF, (JAX_FORWARD,), 6), (LIF, (TORCH_FORWARD,), 30)]
SLOW = {(RNN_8, JAX_FORWARD), (RNN_8, TORCH_FORWARD)}       # half a minute each


class Problem(NamedTuple):
    """A network, its input, and the derivative of the loss by its output."""

    x: np.ndarray           # (T, B, m)
    W: np.ndarray           # (n, m)
    V: np.ndarray           # (n, n)
    q: np.ndarray           # (T, B, n), by the states or by the spikes
    spiking: bool           # LIF (reset by subtraction, followed) or tanh
    alpha: float = ALPHA
    beta: float = BETA
    steepness: float = STEEPNESS


def problem(task, seed, dtype=np.float32, size=None):
    """The `Problem` of a task, float32 by default, at its own size."""
    generator = seeds.rng(seed, "speed", task, 0)
    T, B, m, n = SIZES[task] if size is None else size
    spiking = task == LIF
    x = generator.random((T, B, m)) < 0.1 if spiking \
        else generator.standard_normal((T, B, m))
    W = generator.standard_normal((n, m)) * (0.5 if spiking else 1 / np.sqrt(m))
    V = generator.standard_normal((n, n)) * (0.3 if spiking else 1) / np.sqrt(n)
    q = generator.standard_normal((T, B, n)) / B
    return Problem(*(a.astype(dtype) for a in (x, W, V, q)), spiking)


def recorded(p):
    """refsnn: the network first, then its influence, block by block."""
    if not p.spiking:
        def run():
            h = rnn.simulate(p.x, p.W, p.V)
            return np.concatenate(fast_rtrl.gradient(p.x, p.V, h, p.q), axis=1)
        return run

    def run():
        rec = lif.simulate(p.x, p.W, p.V, alpha=p.alpha, beta=p.beta)
        psi = surrogates.fast_sigmoid(rec.mem - 1, p.steepness)[1]
        return np.concatenate(rtrl.lif_gradient(p.x, p.V, rec, psi, p.q, alpha=p.alpha,
                                                beta=p.beta), axis=1)
    return run


def online(p):
    """refsnn: network, influence and gradient, one step after the other."""
    (T, B, m), n = p.x.shape, len(p.W)
    shape = (B, n, n * (m + n))

    def tanh():
        spare, M = np.empty(shape, p.W.dtype), None
        h, total = np.zeros((B, n), p.W.dtype), np.zeros(shape[2], p.W.dtype)
        for t in range(T):
            h, before = np.tanh(p.x[t] @ p.W.T + h @ p.V.T), h
            M, spare = fast_rtrl.step(M, p.x[t], before, h, p.V, out=spare), M
            total += rtrl.step_gradient(M, p.q[t])
        return total.reshape(n, m + n)

    def spiking():
        syn, mem = np.zeros((2, B, n), p.W.dtype)
        spare, M = rtrl.Influence(*np.empty((2, *shape), p.W.dtype)), None
        total = np.zeros(shape[2], p.W.dtype)
        for t in range(T):
            spikes = (mem > 1).astype(p.W.dtype)
            psi = surrogates.fast_sigmoid(mem - 1, p.steepness)[1]
            if t:
                total += rtrl.step_gradient(M.mem, psi * p.q[t])
            M, spare = rtrl.lif_step(M, p.x[t], p.V, syn, mem, spikes, psi, out=spare,
                                     alpha=p.alpha, beta=p.beta), M
            syn, mem = (p.alpha * syn + p.x[t] @ p.W.T + spikes @ p.V.T,
                        p.beta * mem + syn - spikes)
        return total.reshape(n, m + n)

    return spiking if p.spiking else tanh


def products(p):
    """The product of every step and sequence alone: n x n with n x n (m + n).

    Orthogonal, so that however many follow each other, nothing fades away.
    """
    (T, B, m), n = p.x.shape, len(p.W)
    generator = np.random.default_rng(0)
    J = np.linalg.qr(generator.standard_normal((T, B, n, n)))[0].astype(p.W.dtype)
    M = generator.standard_normal((2, B, n, n * (m + n))).astype(p.W.dtype)

    def run():
        for t in range(T):
            for b in range(B):
                np.matmul(J[t, b], M[t % 2, b], out=M[1 - t % 2, b])

    return run


def _cell(p, tanh, stop, concatenate):
    """(theta, h, x) -> h of one sequence; h = [currents | membranes] if spiking."""
    n = len(p.W)

    def spike(v):
        soft = v / (1 + p.steepness * abs(v))
        hard = (v > 0) * (1 + 0 * v)
        return stop(hard) + (soft - stop(soft))     # the value of hard, exactly

    def cell(theta, h, x):
        if not p.spiking:
            return tanh(theta @ concatenate([x, h]))
        syn, mem = h[:n], h[n:]
        fired = spike(mem - 1)
        return concatenate([p.alpha * syn + theta @ concatenate([x, fired]),
                            p.beta * mem + syn - fired])

    def credit(h, q):
        """Derivative of <q, output> by h."""
        if not p.spiking:
            return q
        psi = 1 / (1 + p.steepness * abs(h[:, n:] - 1)) ** 2
        return concatenate([0 * q, psi * q], -1)

    return cell, credit, (2 * n if p.spiking else n)


def jax_peer(p, reverse):
    """A scan over the steps under jit."""
    import jax
    jax.config.update("jax_enable_x64", p.x.dtype == np.float64)
    jnp = jax.numpy
    cell, credit, N = _cell(p, jnp.tanh, jax.lax.stop_gradient, jnp.concatenate)
    theta = jax.device_put(np.concatenate([p.W, p.V], axis=1))
    B, size = p.x.shape[1], theta.size
    x, q = jax.device_put(p.x), jax.device_put(p.q)

    def jacobians(theta, h, M, x):
        F, J = jax.jacrev(cell, argnums=(0, 1))(theta, h, x)
        return J @ M + F.reshape(N, size)

    def tangents(theta, h, M, x):
        def push(direction, column):
            return jax.jvp(lambda theta, h: cell(theta, h, x), (theta, h),
                           (direction, column))[1]
        basis = jnp.eye(size, dtype=theta.dtype).reshape(size, *theta.shape)
        return jax.vmap(push, (0, 1), 1)(basis, M)

    advance = jax.vmap(jacobians if reverse else tangents, (None, 0, 0, 0))
    follow = jax.vmap(cell, (None, 0, 0))

    @jax.jit
    def run(theta, x, q):
        def step(state, now):
            h, M, total = state
            x, q = now
            # The loss of step t reads h[t]: after the step, or before it.
            if p.spiking:
                total += jnp.einsum("bi,bip->p", credit(h, q), M)
            h, M = follow(theta, h, x), advance(theta, h, M, x)
            if not p.spiking:
                total += jnp.einsum("bi,bip->p", q, M)
            return (h, M, total), None
        start = (jnp.zeros((B, N), theta.dtype), jnp.zeros((B, N, size), theta.dtype),
                 jnp.zeros(size, theta.dtype))
        return jax.lax.scan(step, start, (x, q))[0][2].reshape(theta.shape)

    return lambda: jax.block_until_ready(run(theta, x, q))


def torch_peer(p, reverse):
    """The same by `torch.func`, step by step."""
    import torch
    torch.set_num_threads(1)
    from torch import func
    cell, credit, N = _cell(p, torch.tanh, lambda v: v.detach(), torch.cat)
    theta = torch.from_numpy(np.concatenate([p.W, p.V], axis=1))
    (T, B, _), size = p.x.shape, theta.numel()
    x, q = torch.from_numpy(p.x), torch.from_numpy(p.q)
    basis = torch.eye(size, dtype=theta.dtype).reshape(size, *theta.shape)

    def jacobians(h, M, x):
        F, J = func.jacrev(cell, argnums=(0, 1))(theta, h, x)
        return J @ M + F.reshape(N, size)

    def tangents(h, M, x):
        def push(direction, column):
            return func.jvp(lambda theta, h: cell(theta, h, x), (theta, h),
                            (direction, column))[1]
        return func.vmap(push, (0, 1), 1)(basis, M)

    advance = func.vmap(jacobians if reverse else tangents)
    follow = func.vmap(lambda h, x: cell(theta, h, x))

    def run():
        with torch.no_grad():
            h, M, total = (torch.zeros(shape, dtype=theta.dtype)
                           for shape in ((B, N), (B, N, size), (size,)))
            for t in range(T):
                if p.spiking:
                    total = total + torch.einsum("bi,bip->p", credit(h, q[t]), M)
                h, M = follow(h, x[t]), advance(h, M, x[t])
                if not p.spiking:
                    total = total + torch.einsum("bi,bip->p", q[t], M)
        return total.reshape(theta.shape)

    return run


PEERS = {JAX_FORWARD: ("jax", lambda p: jax_peer(p, False)),
         JAX_REVERSE: ("jax", lambda p: jax_peer(p, True)),
         TORCH_FORWARD: ("torch", lambda p: torch_peer(p, False)),
         TORCH_REVERSE: ("torch", lambda p: torch_peer(p, True))}


def installed():
    """Names of the peers whose tool is there."""
    return [name for name, (tool, _) in PEERS.items()
            if importlib.util.find_spec(tool) is not None]


def contenders(task, seed):
    """(name, function) of all that take part in a task."""
    p = problem(task, seed)
    runs = [(BARE, products(p)), (OURS, recorded(p)), (ONLINE, online(p))]
    return runs + [(name, PEERS[name][1](p)) for name in installed()
                   if (task, name) not in SLOW]


def claims(found):
    """Each bound, of {(task, name, threads): seconds} on one thread."""
    made = [at_most(f"{task}: {OURS}, time over that of the bare products",
                    found[task, OURS, 1] / found[task, BARE, 1], FLOOR)
            for task in (RNN_1, RNN_8) if (task, OURS, 1) in found]
    for task, names, bound in FASTER:
        ratios = {name: found[task, name, 1] / found[task, OURS, 1]
                  for name in names if (task, name, 1) in found}
        text = f"{task}: times faster than "
        if ratios:
            made.append(at_least(text + "; ".join(ratios) + " (least)"
                                        * (len(ratios) > 1), min(ratios.values()),
                                        bound))
        elif (task, OURS, 1) in found:
            made.append(Claim(text + "; ".join(names), "not installed",
                                     f">= {bound}", None))
    return made


def title(task):
    T, B, m, n = SIZES[task]
    return f"{task.split(', batch')[0]}, {m}-{n}, {T} steps, batch {B}"
