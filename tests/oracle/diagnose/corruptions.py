"""Corruptions of each term of a loop that simulates and trains a spiking layer.

`corrupted` returns a function that answers the golden vector `bptt`, in which one
term of the simulation or of the gradient is changed by one of `CHANGES`.
"""

import numpy as np

__all__ = ["CHANGES", "INVISIBLE", "TERMS", "corrupted"]


def bfloat16(value):
    """Truncate to the 8 significant bits of bfloat16, after adding half a step."""
    bits = np.asarray(value, np.float32).view(np.uint32) + np.uint32(0x8000)
    return (bits & np.uint32(0xffff0000)).view(np.float32).astype(float)


CHANGES = {         # (value, value one step before, inputs) -> wrong value
    "sign": lambda a, b, p: -a,
    "factor": lambda a, b, p: 1.3 * a,
    "factor 1 - alpha": lambda a, b, p: (1 - p["alpha"]) * a,
    "factor 1 - beta": lambda a, b, p: (1 - p["beta"]) * a,
    "factor gain": lambda a, b, p: p["gain"] * a,
    "factor B": lambda a, b, p: p["x"].shape[1] * a,
    "missing": lambda a, b, p: 0 * a,
    "late": lambda a, b, p: b,
    "samples reversed": lambda a, b, p: a[::-1],
    "units reversed": lambda a, b, p: a[..., ::-1],
    "mean over samples": lambda a, b, p: 0 * a + a.mean(axis=0),
    "float16": lambda a, b, p: a.astype(np.float16).astype(float),
    "bfloat16": lambda a, b, p: bfloat16(a),
    "float32": lambda a, b, p: a.astype(np.float32).astype(float)}
TERMS = [("forward", term) for term in (
    "input", "recurrence", "reset", "current decay", "membrane decay", "gain",
    "threshold", "loss", "spikes", "mem")] + [("backward", term) for term in (
        "recurrence", "reset", "current decay", "membrane decay", "gain", "surrogate",
        "error", "dW", "dV", "dx")]
INVISIBLE = {       # the change has no effect on the term
    "threshold": {"late", "samples reversed", "units reversed", "mean over samples",
                  "float16", "bfloat16", "float32"},
    "loss": {"samples reversed", "units reversed", "mean over samples"},
    "spikes": {"float16", "bfloat16", "float32"}}


def corrupted(side=None, term=None, change=None, detached=False):
    """Return a function in which a term is changed, or a right function."""
    change = CHANGES.get(change, change)

    def function(p):
        past = {}

        def at(where, name, value):
            if (where, name) != (side, term):
                return value
            value = np.asarray(value, float)
            wrong = change(value, past.get(name, 0 * value), p)
            past[name] = value
            return wrong

        x, W, V, alpha, beta, gain, threshold = (p[key] for key in (
            "x", "W", "V", "alpha", "beta", "gain", "threshold"))
        (T, B), n = x.shape[:2], len(W)
        I, U = np.zeros((B, n)), np.zeros((B, n))
        spikes, mem = np.zeros((T, B, n)), np.zeros((T, B, n))
        for t in range(T):
            mem[t] = U
            spikes[t] = U > at("forward", "threshold", np.full((B, n), threshold))
            I, U = (at("forward", "current decay", alpha * I)
                    + at("forward", "input", x[t] @ W.T)
                    + at("forward", "recurrence", spikes[t] @ V.T),
                    at("forward", "membrane decay", beta * U)
                    + at("forward", "gain", gain * I)
                    - at("forward", "reset", threshold * spikes[t]))
        loss = ((spikes - p["target"]) ** 2).sum() / (2 * B)
        dW, dV, dx = np.zeros_like(W), np.zeros_like(V), np.zeros_like(x)
        dI, dU = np.zeros((B, n)), np.zeros((B, n))
        for t in reversed(range(T)):
            dW += at("backward", "dW", dI.T @ x[t])
            dV += at("backward", "dV", dI.T @ spikes[t])
            dx[t] = at("backward", "dx", dI @ W)
            dS = at("backward", "error", (spikes[t] - p["target"][t]) / B) \
                + at("backward", "recurrence", dI @ V)
            if not detached:
                dS = dS - at("backward", "reset", threshold * dU)
            psi = at("backward", "surrogate", 1 / (
                1 + p["steepness"] * np.abs(mem[t] - threshold)) ** 2)
            dI, dU = (at("backward", "current decay", alpha * dI)
                      + at("backward", "gain", gain * dU),
                      at("backward", "membrane decay", beta * dU) + psi * dS)
        outputs = {"loss": np.array([loss]), "spikes": spikes, "mem": mem}
        if side == "forward" and term in outputs:
            value = outputs[term]
            before = np.concatenate([0 * value[:1], value[:-1]])
            outputs[term] = change(value, before, p)
        return outputs | {"loss": outputs["loss"][0], "dW": dW, "dV": dV, "dx": dx}
    return function
