"""Forty faults in loops that simulate and train a spiking layer.

The three loops are correct implementations of the golden vector `bptt` in PyTorch,
JAX and NumPy.  A fault replaces one piece of a loop's text by another.  No fault is
a stored mistake of a golden vector.  `diagnose` has to find, for each fault, the side
and the term below.

Sides: "forward", "backward" and "between calls".

Terms, where one of the named terms has to be found:

- "input", "recurrence", "reset", "current decay", "membrane decay", "gain",
  "threshold": the term of the equations of `lif`, on the side that computes it
- "current": the time at which the membrane reads the current
- "surrogate", "error": the surrogate derivative; the derivative of the loss
- "loss", "spikes", "mem", "dW", "dV", "dx": the array that is wrong, all others are
  right
- "float16", "bfloat16", "float32": rounding to this dtype
- "gradient", "state", "inputs", "weights": what one call leaves behind for the next:
  gradients that accumulate, a state that is kept, inputs that are changed in
  place, weights that are not read anew
"""

from typing import NamedTuple

__all__ = ["CLASSES", "FAULTS", "LOOPS", "Fault", "build"]

CLASSES = ("sign", "factor", "shift", "transposition", "missing term", "detach",
           "surrogate", "reduction", "dtype", "training step")

TORCH = '''
import numpy as np
import torch

kept = {}


def function(p):
    p = {key: torch.as_tensor(np.array(value)) for key, value in p.items()}
    for key in ("W", "V", "x"):
        if key not in kept or kept[key].shape != p[key].shape:
            kept[key] = torch.zeros_like(p[key]).requires_grad_()
        kept[key].data.copy_(p[key])
        kept[key].grad = None
    W, V, x = kept["W"], kept["V"], kept["x"]
    I, U = 0 * p["mem"][0], 0 * p["mem"][0]
    spikes, mem = [], []
    for t in range(len(x)):
        v = U - p["threshold"]
        f = v / (1 + p["steepness"] * v.abs())
        S = (v > 0) + (f - f.detach())
        spikes.append(S)
        mem.append(U)
        I, U = (p["alpha"] * I + x[t] @ W.T + S @ V.T,
                p["beta"] * U + p["gain"] * I - p["threshold"] * S)
    spikes, mem = torch.stack(spikes), torch.stack(mem)
    loss = ((spikes - p["target"]) ** 2).sum() / (2 * x.shape[1])
    loss.backward()
    found = {"loss": loss, "spikes": spikes, "mem": mem, "dW": W.grad, "dV": V.grad,
             "dx": x.grad}
    return {key: value.detach().numpy().copy() for key, value in found.items()}
'''

JAX = '''
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
kept = {}


def losses(W, V, x, c):
    def step(state, x):
        I, U = state
        v = U - c["threshold"]
        f = v / (1 + c["steepness"] * jnp.abs(v))
        S = (v > 0) + (f - jax.lax.stop_gradient(f))
        new = (c["alpha"] * I + x @ W.T + S @ V.T,
               c["beta"] * U + c["gain"] * I - c["threshold"] * S)
        return new, (S, U)

    rest = jnp.zeros((x.shape[1], len(W)), W.dtype)
    _, (spikes, mem) = jax.lax.scan(step, (rest, rest), x)
    loss = ((spikes - c["target"]) ** 2).sum() / (2 * x.shape[1])
    return loss, (spikes, mem)


gradients = jax.jit(jax.value_and_grad(losses, (0, 1, 2), has_aux=True))


def function(p):
    c = {key: jnp.asarray(value) for key, value in p.items()}
    (loss, (spikes, mem)), (dW, dV, dx) = gradients(c["W"], c["V"], c["x"], c)
    found = {"loss": loss, "spikes": spikes, "mem": mem, "dW": dW, "dV": dV, "dx": dx}
    return {key: np.asarray(value) for key, value in found.items()}
'''

NUMPY = '''
import numpy as np

kept = {}


def function(p):
    x, W, V, target = p["x"], p["W"], p["V"], p["target"]
    alpha, beta, gain, threshold = p["alpha"], p["beta"], p["gain"], p["threshold"]
    (T, B, m), n = x.shape, len(W)
    I, U = np.zeros((B, n)), np.zeros((B, n))
    spikes, mem = np.zeros((T, B, n)), np.zeros((T, B, n))
    for t in range(T):
        mem[t] = U
        spikes[t] = U > threshold
        I[:], U[:] = (alpha * I + x[t] @ W.T + spikes[t] @ V.T,
                      beta * U + gain * I - threshold * spikes[t])
    loss = ((spikes - target) ** 2).sum() / (2 * B)
    error = (spikes - target) / B
    psi = 1 / (1 + p["steepness"] * np.abs(mem - threshold)) ** 2
    dW, dV, dx = np.zeros_like(W), np.zeros_like(V), np.zeros_like(x)
    dI, dU = np.zeros((B, n)), np.zeros((B, n))
    for t in reversed(range(T)):
        dW += dI.T @ x[t]
        dV += dI.T @ spikes[t]
        dx[t] = dI @ W
        dS = error[t] + dI @ V - threshold * dU
        dI, dU = alpha * dI + gain * dU, beta * dU + psi[t] * dS
    return {"loss": loss, "spikes": spikes, "mem": mem, "dW": dW, "dV": dV, "dx": dx}
'''

LOOPS = {"torch": TORCH, "jax": JAX, "numpy": NUMPY}


class Fault(NamedTuple):
    """Hold a change of a loop, and the side and the terms that it makes wrong."""
    kind: str           # one of CLASSES
    loop: str
    old: str
    new: str
    side: str
    terms: tuple


FAULTS = [
    Fault("sign", "torch", "x[t] @ W.T + S @ V.T", "x[t] @ W.T - S @ V.T",
          "forward", ("recurrence",)),
    Fault("sign", "jax", '- c["threshold"] * S', '+ c["threshold"] * S',
          "forward", ("reset",)),
    Fault("sign", "numpy", "dI @ V - threshold * dU", "dI @ V + threshold * dU",
          "backward", ("reset",)),
    Fault("sign", "numpy", "error = (spikes - target) / B",
          "error = (target - spikes) / B", "backward", ("error",)),

    Fault("factor", "torch", 'p["gain"] * I', '(1 - p["alpha"]) * I',
          "forward", ("gain",)),
    Fault("factor", "jax", "/ (2 * x.shape[1])", "/ x.shape[1]", "forward", ("loss",)),
    Fault("factor", "numpy", "alpha * dI + gain * dU", "alpha * dI + dU",
          "backward", ("gain",)),
    Fault("factor", "numpy", "dV += dI.T", "dV += gain * dI.T", "backward", ("dV",)),

    Fault("shift", "torch", 'p["gain"] * I - p["threshold"]',
          'p["gain"] * (p["alpha"] * I + x[t] @ W.T + S @ V.T) - p["threshold"]',
          "forward", ("current",)),
    Fault("shift", "jax", "(S, U)\n\n", "(S, new[1])\n\n", "forward", ("mem",)),
    Fault("shift", "numpy", "dV += dI.T @ spikes[t]", "dV += dI.T @ spikes[t - 1]",
          "backward", ("dV",)),
    Fault("shift", "numpy", "psi[t] * dS", "psi[t - 1] * dS",
          "backward", ("surrogate",)),

    Fault("transposition", "torch", "S @ V.T", "(V.T @ S.T).T",
          "forward", ("recurrence",)),
    Fault("transposition", "jax", '"dV": dV', '"dV": dV.T', "backward", ("dV",)),
    Fault("transposition", "numpy", "x[t] @ W.T", "x[t] @ W.reshape(m, n)",
          "forward", ("input",)),
    Fault("transposition", "numpy", "error[t] + dI @ V -", "error[t] + dI @ V.T -",
          "backward", ("recurrence",)),

    Fault("missing term", "torch", ' - p["threshold"] * S)', ")",
          "forward", ("reset",)),
    Fault("missing term", "jax", 'c["alpha"] * I + x', "x",
          "forward", ("current decay",)),
    Fault("missing term", "numpy", "error[t] + dI @ V -", "error[t] -",
          "backward", ("recurrence",)),
    Fault("missing term", "numpy", "beta * dU + psi", "psi",
          "backward", ("membrane decay",)),

    Fault("detach", "torch", '- p["threshold"] * S', '- p["threshold"] * S.detach()',
          "backward", ("reset",)),
    Fault("detach", "torch", "S @ V.T", "S.detach() @ V.T",
          "backward", ("recurrence",)),
    Fault("detach", "jax", 'c["alpha"] * I', 'c["alpha"] * jax.lax.stop_gradient(I)',
          "backward", ("current decay",)),
    Fault("detach", "jax", 'c["beta"] * U', 'c["beta"] * jax.lax.stop_gradient(U)',
          "backward", ("membrane decay",)),

    Fault("surrogate", "torch", 'f = v / (1 + p["steepness"] * v.abs())',
          'f = torch.sigmoid(p["steepness"] * v)', "backward", ("surrogate",)),
    Fault("surrogate", "torch", 'f = v / (1 + p["steepness"] * v.abs())',
          'f = v.clamp(min=0) / (1 + p["steepness"] * v.abs())',
          "backward", ("surrogate",)),
    Fault("surrogate", "jax", 'f = v / (1 + c["steepness"] * jnp.abs(v))',
          'f = v / (1 + jnp.abs(v))', "backward", ("surrogate",)),
    Fault("surrogate", "numpy", "np.abs(mem - threshold)) ** 2",
          "np.abs(mem - threshold))", "backward", ("surrogate",)),

    Fault("reduction", "torch", '.sum() / (2 * x.shape[1])', ".mean()",
          "forward", ("loss",)),
    Fault("reduction", "jax", '"dW": dW', '"dW": dW / len(p["x"])',
          "backward", ("dW",)),
    Fault("reduction", "numpy", "error = (spikes - target) / B",
          "error = spikes - target", "backward", ("error",)),
    Fault("reduction", "numpy", "dV += dI.T @ spikes[t]",
          "dV += np.outer(dI.sum(axis=0), spikes[t].mean(axis=0))",
          "backward", ("dV",)),

    Fault("dtype", "torch", "x[t] @ W.T", "x[t] @ W.bfloat16().double().T",
          "forward", ("input", "bfloat16")),
    Fault("dtype", "jax", "c = {key: jnp.asarray(value)",
          "c = {key: jnp.asarray(value, jnp.float32)", "forward", ("float32",)),
    Fault("dtype", "numpy", "np.abs(mem - threshold)) ** 2",
          "np.abs(mem - threshold).astype(np.float16)) ** 2",
          "backward", ("surrogate", "float16")),
    Fault("dtype", "numpy", "dV += dI.T @ spikes[t]",
          "dV += (dI.T @ spikes[t]).astype(np.float16)",
          "backward", ("dV", "float16")),

    Fault("training step", "torch", "        kept[key].grad = None\n", "",
          "between calls", ("gradient",)),
    Fault("training step", "jax", 'gradients(c["W"], c["V"], c["x"], c)',
          'gradients(c["W"], kept.setdefault(c["V"].shape, c["V"]), c["x"], c)',
          "between calls", ("weights",)),
    Fault("training step", "numpy", "I, U = np.zeros((B, n)), np.zeros((B, n))\n    s",
          "I, U = kept.setdefault((B, n), (np.zeros((B, n)), np.zeros((B, n))))\n    s",
          "between calls", ("state",)),
    Fault("training step", "numpy", '    return {"loss"',
          '    W -= 0.1 * dW\n    return {"loss"', "between calls", ("inputs",))]


def build(loop, *changes):
    """Return the function of a loop after changes (old, new) of its text."""
    text = LOOPS[loop]
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} occurs {text.count(old)} times in {loop}: must "
                             "occur once")
        text = text.replace(old, new)
    scope = {}
    exec(compile(text, f"{loop} loop", "exec"), scope)
    return scope["function"]
