"""Build the networks of `fig_speed` in other tools, each from one `Problem`.

Each builder returns a function without arguments.  This function runs the network on
one batch, with or without gradients, waits for the end of the computation, and returns
(out, gradients).  The loops in PyTorch and JAX compute the same network as refsnn, and
tests/peers compares the results.  The other builders use the LIF neuron of their tool,
with as little additional code as possible.  Gradients are derivatives of the inner
product <out, dout> with respect to W, W_out and, in recurrent networks, V.  Gradients
of weights that belong to a layer of a tool are computed, but not returned.
"""

import importlib.util
import logging
from typing import NamedTuple

import numpy as np

from figures.run.claims import at_least


class Problem(NamedTuple):
    """Hold the weights and the input of a network with one hidden layer and a readout.

    The field `dout` is the derivative of the loss with respect to the readout.  If
    `dout` is None, only the output `out` is computed.  The reset subtracts the
    threshold.
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


def _torch(problem, batch_first=False):
    """Return the module torch, and the arrays of a problem as PyTorch tensors.

    Arrays that are None stay None.
    """
    logging.disable(logging.WARNING)
    import torch
    torch.set_num_threads(problem.threads)
    torch.set_grad_enabled(problem.dout is not None)
    order = (1, 0, 2) if batch_first else (0, 1, 2)
    x, dout = (a if a is None else torch.from_numpy(a.transpose(order).copy())
               for a in (problem.x, problem.dout))
    weights = [None if w is None else torch.from_numpy(w.copy()).requires_grad_(
        problem.dout is not None) for w in (problem.W, problem.V, problem.W_out)]
    return torch, x, weights, dout


def _spike(torch, steepness):
    """Return the spike function with the surrogate derivative of a fast sigmoid."""
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


def _torch_step(torch, run, weights, dout):
    """Return a function that calls `run` and then computes gradients for `weights`."""
    weights = [w for w in weights if w is not None]

    def step():
        torch.set_grad_enabled(dout is not None)
        if dout is None:
            return run(), None
        for w in weights:
            w.grad = None
        out = run()
        (out * dout).sum().backward()
        return out, [w.grad for w in weights]

    return step


def pytorch_loop(problem, batch_first=False):
    """Build the network as a loop over time in PyTorch.

    One matrix product computes the input currents of all time steps.
    """
    torch, x, (W, V, W_out), dout = _torch(problem, batch_first)
    spike, axis = _spike(torch, problem.steepness), 1 if batch_first else 0

    def filtered(sent, spiking):
        now = torch.zeros_like(sent.select(axis, 0))
        syn, mem, record = now, now, []
        for t in range(sent.shape[axis]):
            fired = spike(mem - 1) if spiking else None
            record.append(fired if spiking else mem)
            later = problem.beta * mem + syn
            mem = later - fired.detach() if spiking else later
            syn = problem.alpha * syn + sent.select(axis, t)
            if spiking and V is not None:
                syn = syn + fired @ V.T
        return torch.stack(record, dim=axis)

    def run():
        return filtered(filtered(x @ W.T, True) @ W_out.T, False)

    return _torch_step(torch, run, (W, V, W_out), dout)


def pytorch_loop_batch_major(problem):
    """Build the loop of `pytorch_loop`, but with the batch as the first axis.

    Tutorials use this order of the axes.
    """
    return pytorch_loop(problem, batch_first=True)


def snntorch(problem):
    """Build the network with the neuron `Synaptic` of the library snnTorch."""
    torch, x, (W, V, W_out), dout = _torch(problem)
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

    return _torch_step(torch, run, (W, None, W_out), dout)


def norse(problem):
    """Build the network with the LIF neuron of the library Norse."""
    torch, x, (W, V, W_out), dout = _torch(problem)
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

    weights = (W, None, W_out) if V is None else (None, None, W_out)
    return _torch_step(torch, run, weights, dout)


def spikingjelly(problem):
    """Build the network with the LIF neuron of the library SpikingJelly."""
    torch, x, (W, V, W_out), dout = _torch(problem)
    from spikingjelly.activation_based import functional, layer, neuron, surrogate
    n, k = len(W), len(W_out)
    tau = 1 / (1 - problem.beta)
    hidden = neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan(),
                            decay_input=False, v_reset=None, detach_reset=True)
    if V is not None:
        hidden = layer.LinearRecurrentContainer(hidden, n, n, bias=False)
        hidden.rc.weight = torch.nn.Parameter(torch.cat([torch.eye(n), V.detach()], 1))
        hidden.step_mode = "m"
    else:
        hidden.step_mode = "m"
    readout = neuron.LIFNode(tau=tau, decay_input=False, v_threshold=1e9, v_reset=None,
                             step_mode="m", store_v_seq=True)

    def run():
        functional.reset_net(hidden)
        functional.reset_net(readout)
        readout(hidden(x @ W.T) @ W_out.T)
        return readout.v_seq.reshape(len(x), -1, k)

    return _torch_step(torch, run, (W, None, W_out), dout)


def jax(problem):
    """Build the network as a scan over time in JAX.

    JAX compiles the scan when it runs for the first time.
    """
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


BUILDERS = {"JAX scan": ("jax", jax), "Norse": ("norse", norse),
            "snnTorch": ("snntorch", snntorch),
            "SpikingJelly": ("spikingjelly", spikingjelly),
            "PyTorch, batch-major": ("torch", pytorch_loop_batch_major),
            "PyTorch, time-major": ("torch", pytorch_loop)}


def installed():
    """Return the names of builders with an installed library, and all other names.
    """
    there = [name for name, (tool, _) in BUILDERS.items()
             if importlib.util.find_spec(tool) is not None]
    return there, [name for name in BUILDERS if name not in there]


def faster(found, task, names, ours, bound, threads=1, label=None):
    """Return the claim that other tools take at least `bound` times as long as `ours`.

    The result is a list, which is empty if no other tool is installed.

    found : median times in seconds, {(task, name, threads): median}.
    names : other contenders.  Contenders that are missing in `found` are not installed.
    label : start of the claim text, by default the task.
    """
    ratios = {name: found[task, name, threads] / found[task, ours, threads]
              for name in names if (task, name, threads) in found}
    fastest = ", ".join(ratios) if len(ratios) == 1 \
        else f"the fastest of ({'; '.join(ratios)})"
    return [at_least(f"{label or task}: time of {fastest} / time of {ours}",
                     min(ratios.values()), bound)] if ratios else []
