"""Run exact real-time recurrent learning (RTRL) in refsnn and in other tools.

Each tool simulates a network with input weights W and recurrent weights V.  The tool
returns the gradient of the loss with respect to `[W | V]`.  The influence matrix M
holds the derivatives of the states with respect to all weights.  In each time step,
RTRL replaces M by `J M + F`.  J is the derivative of the new states with respect to the
old states.  F is the direct derivative of the new states with respect to the weights.
JAX and PyTorch compute J and F by reverse-mode automatic differentiation.  The JAX code
is compiled.
"""

import functools
from typing import NamedTuple

import numpy as np

from figures.run import seeds
from figures.speed.speed_workers import installed
from refsnn import lif, rnn, surrogates
from refsnn.fast import rtrl as fast_rtrl

RNN_1, RNN_8, LIF = "RTRL, tanh", "RTRL, tanh, batch 8", "RTRL, LIF"
SIZES = {RNN_1: (100, 1, 32, 64), RNN_8: (100, 8, 32, 64), LIF: (100, 1, 32, 32)}
TASKS = {task: f"{task.split(', batch')[0]}, {m}-{n}, {T} steps, batch {B}"
         for task, (T, B, m, n) in SIZES.items()}
ALPHA, BETA, STEEPNESS = float(np.exp(-1 / 5)), float(np.exp(-1 / 10)), 10.0
BARE, OURS = "bare products", "refsnn"


class Problem(NamedTuple):
    """This class holds the weights, the input and the derivatives dL/d(output)."""

    x: np.ndarray           # (T, B, m)
    W: np.ndarray           # (n, m)
    V: np.ndarray           # (n, n)
    q: np.ndarray           # (T, B, n), dL/d(states), or dL/d(spikes) if spiking
    spiking: bool           # LIF with a gradient through the reset, or tanh
    alpha: float = ALPHA
    beta: float = BETA
    steepness: float = STEEPNESS


def problem(task, seed, dtype=np.float32, size=None):
    """Return the `Problem` of a task."""
    generator = seeds.rng(seed, "speed", task, 0)
    T, B, m, n = SIZES[task] if size is None else size
    spiking = task == LIF
    x = generator.random((T, B, m)) < 0.1 if spiking \
        else generator.standard_normal((T, B, m))
    W = generator.standard_normal((n, m)) * (0.5 if spiking else 1 / np.sqrt(m))
    V = generator.standard_normal((n, n)) * (0.3 if spiking else 1) / np.sqrt(n)
    q = generator.standard_normal((T, B, n)) / B
    return Problem(*(a.astype(dtype) for a in (x, W, V, q)), spiking)


def refsnn(p):
    """Return an RTRL function in refsnn."""
    if not p.spiking:
        def run():
            h = rnn.simulate(p.x, p.W, p.V)
            return np.concatenate(fast_rtrl.gradient(p.x, p.V, h, p.q), axis=1)
        return run

    def run():
        rec = lif.simulate(p.x, p.W, p.V, alpha=p.alpha, beta=p.beta)
        psi = surrogates.fast_sigmoid(rec.mem - 1, p.steepness)[1]
        return np.concatenate(fast_rtrl.lif_gradient(
            p.x, p.V, rec, psi, p.q, alpha=p.alpha, beta=p.beta), axis=1)
    return run


def products(p):
    """Return a function for the matrix products."""
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
    """Return `cell`, `credit` and the state count."""
    n = len(p.W)

    def spike(v):
        soft = v / (1 + p.steepness * abs(v))
        hard = (v > 0) * (1 + 0 * v)
        return stop(hard) + (soft - stop(soft))     # equals hard exactly

    def cell(theta, h, x):
        if not p.spiking:
            return tanh(theta @ concatenate([x, h]))
        syn, mem = h[:n], h[n:]
        fired = spike(mem - 1)
        return concatenate([p.alpha * syn + theta @ concatenate([x, fired]),
                            p.beta * mem + syn - fired])

    def credit(h, q):
        """Return d<q, output>/dh for the states h."""
        if not p.spiking:
            return q
        psi = 1 / (1 + p.steepness * abs(h[:, n:] - 1)) ** 2
        return concatenate([0 * q, psi * q], -1)

    return cell, credit, (2 * n if p.spiking else n)


def jax(p):
    """Return an RTRL function in JAX."""
    import jax
    jax.config.update("jax_enable_x64", p.x.dtype == np.float64)
    jnp = jax.numpy
    cell, credit, N = _cell(p, jnp.tanh, jax.lax.stop_gradient, jnp.concatenate)
    theta = jax.device_put(np.concatenate([p.W, p.V], axis=1))
    B, size = p.x.shape[1], theta.size
    x, q = jax.device_put(p.x), jax.device_put(p.q)

    def influence(theta, h, M, x):
        F, J = jax.jacrev(cell, argnums=(0, 1))(theta, h, x)
        return J @ M + F.reshape(N, size)

    advance = jax.vmap(influence, (None, 0, 0, 0))
    follow = jax.vmap(cell, (None, 0, 0))

    @jax.jit
    def run(theta, x, q):
        def step(state, now):
            h, M, total = state
            x, q = now
            # The loss depends on h[t], which is the state before the step if the
            # network spikes, and the state after the step otherwise.
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


def pytorch(p):
    """Return an RTRL function in PyTorch."""
    import torch
    torch.set_num_threads(1)
    from torch import func
    cell, credit, N = _cell(p, torch.tanh, lambda v: v.detach(), torch.cat)
    theta = torch.from_numpy(np.concatenate([p.W, p.V], axis=1))
    (T, B, _), size = p.x.shape, theta.numel()
    x, q = torch.from_numpy(p.x), torch.from_numpy(p.q)

    def influence(h, M, x):
        F, J = func.jacrev(cell, argnums=(0, 1))(theta, h, x)
        return J @ M + F.reshape(N, size)

    advance = func.vmap(influence)
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


PEERS = {"JAX": ("jax", jax), "PyTorch": ("torch", pytorch)}


def contenders(task, seed, threads):
    """Return a dict {name: build}."""
    builders = {OURS: refsnn, BARE: products} | {
        name: PEERS[name][1] for name in installed(PEERS)}
    p = problem(task, seed)
    return {name: functools.partial(build, p) for name, build in builders.items()}
