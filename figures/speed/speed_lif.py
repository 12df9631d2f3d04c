"""Build spiking networks in refsnn and in other tools, for the figure `fig_speed`.

This module has one function for each tool (refsnn and other libraries).  The function
of a tool builds a network of LIF neurons, and returns a function `run()`.  The function
`run` simulates one batch.  Except in the task "inference", `run` also computes
gradients.  In all tools except refsnn, `run` returns (out, gradients), where `out`
holds the membrane potentials of the readouts.  The gradients are the derivatives of
`(out * dout).sum()` with respect to the weights W, W_out and, in recurrent networks, V.

The PyTorch and JAX networks are loops over time steps.  Tests in `tests/peers` verify
that the PyTorch and JAX networks give the same results as refsnn.  The networks in
Norse, snnTorch and SpikingJelly use the LIF neurons of these libraries.  In recurrent
networks, layer objects of Norse, snnTorch and SpikingJelly store the weights V, and in
Norse also W.  The gradients of weights that layer objects store are computed, but `run`
does not return these gradients.
"""

import functools
import logging
from typing import NamedTuple

import numpy as np
from scipy import sparse

from figures.run import seeds
from figures.speed.speed_workers import installed
from refsnn.fast import lif as fast_lif

ALPHA, BETA, STEEPNESS = float(np.exp(-1 / 5)), float(np.exp(-1 / 10)), 10.0
RECURRENT, INFERENCE, TRAINING = "recurrent training", "inference", "training"
SIZES = {RECURRENT: (100, 256, 700, 200, 20), INFERENCE: (50, 100, 256, 246, 10),
         TRAINING: (50, 100, 256, 246, 10)}         # T, B, m, n, k
TASKS = {task: f"{task}, {m}-{n}-{k}, {T} steps, batch {B}"
         for task, (T, B, m, n, k) in SIZES.items()}
DENSITY = 0.05              # share of active inputs, recurrent training
BARE, DENSE, OURS = "bare products", "refsnn, dense input", "refsnn"


class Problem(NamedTuple):
    """This class holds the weights, the input and the constants of one benchmark.

    The field `dout` is the derivative of the loss with respect to the readouts `out`.
    """

    x: np.ndarray           # (T, B, m)
    W: np.ndarray           # (n, m)
    V: np.ndarray           # (n, n) or None
    W_out: np.ndarray       # (k, n)
    dout: np.ndarray        # (T, B, k) or None
    alpha: float
    beta: float
    steepness: float
    threads: int


def problem(task, seed, threads):
    """Return the `Problem` of a task."""
    generator = seeds.rng(seed, "speed", task, 0)
    T, B, m, n, k = SIZES[task]
    if task == RECURRENT:
        x = generator.random((T, B, m)) < DENSITY
        scale = 0.25 / np.sqrt(m * DENSITY)
    else:       # each input spikes once, half of the inputs within the T steps
        x = np.arange(T)[:, None, None] == generator.integers(0, 2 * T, (B, m))
        scale = 0.25
    V = 0.2 / np.sqrt(n) * generator.standard_normal((n, n))
    dout = generator.standard_normal((T, B, k)) / B
    arrays = [None if a is None else a.astype(np.float32) for a in (
        x, scale * generator.standard_normal((n, m)), V if task == RECURRENT else None,
        generator.standard_normal((k, n)) / np.sqrt(n),
        None if task == INFERENCE else dout)]
    return Problem(*arrays, ALPHA, BETA, STEEPNESS, threads)


# ---- refsnn ------------------------------------------------------------------

def refsnn(p, dense=False):
    """Build the network in refsnn."""
    x, steps, last = p.x, len(p.x), [None]
    x = x if dense else sparse.csr_matrix(x.reshape(-1, x.shape[2]))
    decays = {"alpha": p.alpha, "beta": p.beta, "steps": steps}
    if p.dout is None:
        return lambda: fast_lif.scores(x, p.W, p.W_out, **decays)

    def step():
        _, last[0] = fast_lif.forward(x, p.W, p.V, p.W_out, work=last[0], **decays)
        return fast_lif.gradients(last[0], p.dout, steepness=p.steepness)

    return step


def products(p):
    """Return a function for the matrix products."""
    (T, B, _), n, k = p.x.shape, len(p.W), len(p.W_out)
    generator = np.random.default_rng(0)
    spikes = (generator.random((T, B, n)) < 0.1).astype(np.float32)
    dsyn = generator.standard_normal((T, B, n)).astype(np.float32)
    x, S, dI, dR = (a.reshape(T * B, -1) for a in (p.x, spikes, dsyn, p.dout))
    W, V, W_out = (np.ascontiguousarray(a.T) for a in (p.W, p.V, p.W_out))
    wide, narrow = np.empty((T * B, n), np.float32), np.empty((T * B, k), np.float32)
    one = np.empty((B, n), np.float32)

    def step():
        np.matmul(x, W, out=wide)
        for t in range(T):
            np.matmul(spikes[t], V, out=one)
        np.matmul(S, W_out, out=narrow)
        np.matmul(dR, p.W_out, out=wide)
        for t in range(T):
            np.matmul(dsyn[t], p.V, out=one)
        return dI.T @ x, dI.T @ S, dR.T @ S

    return step


# ---- other tools -------------------------------------------------------------

def _torch(problem):
    """Prepare a problem for PyTorch."""
    logging.disable(logging.WARNING)
    import torch
    torch.set_num_threads(problem.threads)
    x, W, V, W_out, dout = (a if a is None else torch.from_numpy(a.copy())
                            for a in problem[:5])

    def step(run, weights):
        weights = [w for w in weights if w is not None]

        def once():
            torch.set_grad_enabled(dout is not None)
            if dout is None:
                return run(), None
            for w in weights:
                w.grad = None
            out = run()
            (out * dout).sum().backward()
            return out, [w.grad for w in weights]

        return once

    return torch, x, [w if w is None else w.requires_grad_(dout is not None)
                      for w in (W, V, W_out)], step


def _spike(torch, steepness):
    """Return a spike function with surrogate derivative."""
    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return (v > 0).to(v.dtype)

        @staticmethod
        def backward(ctx, adjoint):
            v, = ctx.saved_tensors
            return adjoint / (steepness * v.abs() + 1) ** 2

    return Spike.apply


def pytorch(problem):
    """Build the network in PyTorch."""
    torch, x, (W, V, W_out), step = _torch(problem)
    spike = _spike(torch, problem.steepness)

    def filtered(sent, spiking):
        now = torch.zeros_like(sent[0])
        syn, mem, record = now, now, []
        for t in range(len(sent)):
            fired = spike(mem - 1) if spiking else None
            record.append(fired if spiking else mem)
            later = problem.beta * mem + syn
            mem = later - fired.detach() if spiking else later
            syn = problem.alpha * syn + sent[t]
            if spiking and V is not None:
                syn = syn + fired @ V.T
        return torch.stack(record)

    return step(lambda: filtered(filtered(x @ W.T, True) @ W_out.T, False),
                (W, V, W_out))


def snntorch(problem):
    """Build the network in snnTorch."""
    torch, x, (W, V, W_out), step = _torch(problem)
    import snntorch as snn
    options = {"alpha": problem.alpha, "beta": problem.beta,
               "spike_grad": snn.surrogate.fast_sigmoid(slope=problem.steepness)}
    T, n = len(x), len(W)
    if V is None:
        hidden = snn.Synaptic(**options)
    else:
        hidden = snn.RSynaptic(**options, linear_features=n)
        hidden.recurrent = torch.nn.Linear(n, n, bias=False)
        hidden.recurrent.weight = torch.nn.Parameter(V.detach())
    readout = snn.Synaptic(**options, reset_mechanism="none")

    def run():
        state, top = hidden.init_rsynaptic() if V is not None else \
            hidden.reset_mem(), readout.reset_mem()
        record = []
        for t in range(T):
            state = hidden(x[t] @ W.T, *state)
            _, *top = readout(state[0] @ W_out.T, *top)
            record.append(top[1])
            state = state if V is not None else state[1:]
        return torch.stack(record)

    return step(run, (W, W_out))


def norse(problem):
    """Build the network in Norse."""
    torch, x, (W, V, W_out), step = _torch(problem)
    import norse.torch as tool
    n, m = W.shape
    if V is None:
        hidden = tool.LIF()
    else:
        hidden = tool.LIFRecurrent(m, n, autapses=True)
        hidden.input_weights = torch.nn.Parameter(W.detach())
        hidden.recurrent_weights = torch.nn.Parameter(V.detach())
    readout = tool.LI()

    def run():
        spikes, _ = hidden(x @ W.T if V is None else x)
        return readout(spikes @ W_out.T)[0]

    return step(run, (W if V is None else None, W_out))


def spikingjelly(problem):
    """Build the network in SpikingJelly."""
    torch, x, (W, V, W_out), step = _torch(problem)
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    n, k = len(W), len(W_out)
    tau = 1 / (1 - problem.beta)
    hidden = neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan(),
                            decay_input=False, v_reset=None, detach_reset=True)
    if V is not None:
        hidden = layer.LinearRecurrentContainer(hidden, n, n, bias=False)
        hidden.rc.weight = torch.nn.Parameter(torch.cat([torch.eye(n), V.detach()], 1))
    hidden.step_mode = "m"
    readout = neuron.LIFNode(tau=tau, decay_input=False, v_threshold=1e9, v_reset=None,
                             step_mode="m", store_v_seq=True)

    def run():
        functional.reset_net(hidden)
        functional.reset_net(readout)
        readout(hidden(x @ W.T) @ W_out.T)
        return readout.v_seq.reshape(len(x), -1, k)

    return step(run, (W, W_out))


def jax(problem):
    """Build the network in JAX."""
    import jax
    jax.config.update("jax_enable_x64", problem.x.dtype == np.float64)
    jnp = jax.numpy

    @jax.custom_jvp
    def spike(v):
        return (v > 0).astype(v.dtype)

    @spike.defjvp
    def _(primals, tangents):
        v, = primals
        return spike(v), tangents[0] / (problem.steepness * jnp.abs(v) + 1) ** 2

    def filtered(sent, V, spiking):
        def step(state, now):
            syn, mem = state
            fired = spike(mem - 1) if spiking else jnp.zeros_like(mem)
            later = problem.beta * mem + syn - jax.lax.stop_gradient(fired)
            syn = problem.alpha * syn + now
            if spiking and V is not None:
                syn = syn + fired @ V.T
            return (syn, later), fired if spiking else mem

        rest = jnp.zeros_like(sent[0])
        return jax.lax.scan(step, (rest, rest), sent)[1]

    def run(weights, x):
        W, V, W_out = weights
        return filtered(filtered(x @ W.T, V, True) @ W_out.T, None, False)

    def value(weights, x, dout):
        out = run(weights, x)
        return (out * dout).sum(), out

    put = jax.device_put
    weights = tuple(None if w is None else put(w)
                    for w in (problem.W, problem.V, problem.W_out))
    x = put(problem.x)
    if problem.dout is None:
        forward = jax.jit(run)
        return lambda: (jax.block_until_ready(forward(weights, x)), None)
    dout, both = put(problem.dout), jax.jit(jax.value_and_grad(value, has_aux=True))

    def step():
        (_, out), grads = jax.block_until_ready(both(weights, x, dout))
        return out, [g for g in grads if g is not None]

    return step


PEERS = {"JAX scan": ("jax", jax), "Norse": ("norse", norse),
         "snnTorch": ("snntorch", snntorch),
         "SpikingJelly": ("spikingjelly", spikingjelly), "PyTorch": ("torch", pytorch)}


def contenders(task, seed, threads):
    """Return a dict {name: build}."""
    builders = {OURS: refsnn}
    if task == RECURRENT and threads == 1:
        builders |= {DENSE: lambda p: refsnn(p, True), BARE: products}
    builders |= {name: PEERS[name][1] for name in installed(PEERS)}
    p = problem(task, seed, threads)
    return {name: functools.partial(build, p) for name, build in builders.items()}
