# refsnn 0.1.0 | oracle/diagnose/variants.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module tests a function that simulates LIF neurons.

The test networks consist of leaky integrate-and-fire (LIF) neurons.  In
some networks, the decay factors or the recurrent weights are 0.  The
adjoint dI is the derivative of the loss with respect to the synaptic
currents.  Each input channel is 1 at one time step of one sample, and 0
otherwise.  A weight has an effect only while its input channel is 1.
Therefore, the gradient with respect to an input weight is one entry of dI.
"""

import itertools
from typing import NamedTuple

import numpy as np

from refsnn import lif, losses, surrogates
from refsnn.oracle.matching import FINE, RTOL

__all__ = ["Run", "Variant"]

FORWARD = ("loss", "spikes", "mem")
CONSTANTS = ("alpha", "beta", "gain", "threshold", "steepness")
LEARNED = {     # for each derivative, the constant, which all neurons share
    "dalpha": "alpha", "dbeta": "beta", "dgain": "gain", "dthreshold": "threshold",
    "dtau_syn": "alpha", "dtau_mem": "beta", "dlog_tau_syn": "alpha",
    "dlog_tau_mem": "beta"}
ORDER = ("spikes", "mem", "loss", "dW", "dV", "dx", *LEARNED)   # of the computation
RULES = {"bptt": (*FORWARD, "dW", "dV", "dx"), "rtrl": (*FORWARD, "dW", "dV"),
         "bptt_detached": (*FORWARD, "dW", "dV", "dx")}
T = 12                      # steps
LONG = 4                    # T of the longer network, in units of T
N = 3                       # neurons
TINY = 1e-12                # threshold so small that the reset has no visible effect


class Variant(NamedTuple):
    """The constants of a network."""
    alpha: float = 0.7
    beta: float = 0.8
    V: float = 1.0              # scale of V
    threshold: float = 0.703    # no two constants, nor T, N and B, are equal
    W: float = 1.0              # scale of W
    gain: float = 0.4
    steepness: float = 1.95
    B: int = 2
    diagonal: bool = False      # whether V is diagonal


class Run(NamedTuple):
    """One call of the tested function."""
    p: dict
    right: dict
    found: dict                 # results, or the right outputs if results are unusable
    wrong: frozenset            # names of wrong outputs
    given: dict                 # results as returned, not copied
    reset: bool                 # whether the gradient passes through the reset
    broken: tuple = ()          # (output or "", message) if the result is unusable
    changed: tuple = ()         # inputs that the call changed


ALL = Variant()


def _variants():
    found = []
    for alpha, beta in itertools.product((ALL.alpha, 0.0), (ALL.beta, 0.0)):
        found += [Variant(alpha, beta, *rest) for rest in itertools.product(
            (1.0, 0.0), (ALL.threshold, TINY))]
        found.append(Variant(alpha, beta, W=0.02))
    return found


def _label(v):
    off = {"alpha = 0": not v.alpha, "beta = 0": not v.beta, "V = 0": not v.V,
           "threshold = 0": v.threshold == TINY, "no spikes": v.W < 1}
    return ", ".join(name for name in off if off[name]) or "all terms on"


def _network(v, seed):
    size = ((1 - v.alpha) * (1 - v.beta) * (1 - v.alpha * v.beta)) ** 0.5 / v.gain
    rng = np.random.default_rng([seed, 20])
    while True:
        p = _recorded(v._asdict() | {
            "x": np.eye(T * v.B).reshape(T, v.B, -1),
            "W": v.W * size * rng.normal(0.3, 1.5, (N, T * v.B)),
            "V": v.V * size * rng.normal(0, 1.5, (N, N)) * (
                np.eye(N) if v.diagonal else 1), "target": rng.random((T, v.B, N))})
        rate = p["spikes"].mean(axis=(0, 1))
        live = rate.min() > 0.1 and rate.max() < 0.7 if v.W == 1 else not rate.any()
        if live and np.abs(p["mem"] - v.threshold)[p["mem"] != 0].min() > 1e-3:
            return p


def _long(seed):
    p = _network(ALL, seed)
    x = 0.75 * p["x"] + 0.5 * np.roll(p["x"], 1, axis=2)
    return _recorded(p | {
        key: np.tile(np.concatenate([a, a[::-1]], axis=1), (LONG, 1, 1))
        for key, a in (("x", x), ("target", p["target"]))})


def _loud(p):
    """Return a copy of the network that spikes more, due to larger input weights."""
    return _recorded(p | {"W": 8 * p["W"]})


def _recorded(p):
    p = {key: p[key] for key in ("x", "W", "V", "target", *CONSTANTS)}
    run = _follow(p)
    return p | {"spikes": run.spikes, "mem": run.mem, "syn": run.syn}


def _follow(p, spikes=None):
    spikes = None if spikes is None else 1.0 * spikes
    return lif.simulate(
        p["x"], p["W"], p["V"], alpha=p["alpha"], beta=p["beta"], gain=p["gain"],
        threshold=p["threshold"], reset_spikes=spikes, recurrent_spikes=spikes)


def _slope(p, mem=None):
    mem = p["mem"] if mem is None else mem
    return surrogates.fast_sigmoid(mem - p["threshold"], p["steepness"])[1]


def _error(p):
    return losses.square(p["spikes"], p["target"])[1]


def _answer(p, rule):
    run = _follow(p)
    back = lif.backward(
        p["x"], p["W"], p["V"], run, _slope(p), _error(p), alpha=p["alpha"],
        beta=p["beta"], gain=p["gain"], threshold=p["threshold"],
        through_reset=rule != "bptt_detached", constants=True)
    right = {"loss": np.float64(losses.square(run.spikes, p["target"])[0]),
             "spikes": run.spikes, "mem": run.mem, "dW": back.dW, "dV": back.dV,
             "dx": back.dx}
    learned = {"dalpha": back.dalpha, "dbeta": back.dbeta, "dgain": back.dgain,
               "dthreshold": back.dthreshold + back.direct}
    for tau, name in (("tau_syn", "alpha"), ("tau_mem", "beta")):
        rate = -np.log(p[name] or 1)                # dt/tau; alpha = exp(-dt/tau)
        learned[f"dlog_{tau}"] = learned[f"d{name}"] * p[name] * rate
        learned[f"d{tau}"] = learned[f"dlog_{tau}"] * rate          # for dt = 1
    return {name: right[name] for name in RULES[rule]} | {
        name: learned[name].sum() for name in LEARNED}


def _ask(function, rule, p, own=None, single=False):
    right, reset, given = _answer(p, rule), rule != "bptt_detached", {}
    own = _copied(p) if own is None else own

    def broken(name, why):
        wrong = frozenset([name] * bool(name))
        return Run(p, right, right, wrong, given, reset, (name, why))

    try:
        with np.errstate(all="ignore"):
            given = function(own)
            found = given if not isinstance(given, dict) else {
                name: np.array(value) for name, value in given.items()}
    except Exception as raised:
        told = " ".join(str(raised).split())
        return broken("", f"raises {type(raised).__name__}: {told:.200}")
    if not isinstance(found, dict) or not found or not set(found) <= set(right):
        shown = sorted(map(str, found)) if isinstance(found, dict) else found
        raise ValueError(f"function returns {shown!r:.60}: must be a dict with some of "
                         f"{tuple(right)}")
    for name, value in given.items():
        if isinstance(value, np.ma.MaskedArray):
            raise ValueError(f"{name} is a masked array: must be a plain array, for "
                             "example after .filled(0)")
    found |= {name: right[name] for name, key in LEARNED.items()
              if name in found and not p[key]}          # no time constant exists
    for name in sorted(found, key=ORDER.index):
        value = found[name]
        if value.dtype.kind not in "fiub" or value.dtype == np.float16:
            return broken(name, f"is of dtype {value.dtype}: must be float32 or "
                          "float64")
        if value.shape != right[name].shape and (value.size > 1 or right[name].ndim):
            return broken(name, f"is of shape {value.shape}: must be "
                          f"{right[name].shape}")
        if not np.isfinite(value).all():
            return broken(name, "is not finite")
        found[name] = value.reshape(right[name].shape)
    if single or any(value.dtype == np.float32 for value in found.values()):
        found |= {name: value.astype(np.float32)    # Python numbers have float64
                  for name, value in found.items() if single or not value.ndim}
    return _compared(Run(p, right, found, frozenset(), given, reset, (), tuple(
        key for key in p if not _kept(own.get(key), p[key]))))


def _copied(p):
    return {key: np.array(value)[()] for key, value in p.items()}


def _kept(value, before):
    try:
        return np.array_equal(np.asarray(value), before)
    except Exception:
        return True


def _scale(right, name):
    """Return the magnitude that scales the tolerance."""
    others = [1.0] if name in FORWARD else [
        np.abs(right[key]).max() for key in ("dW", "dV", "dx") if key in right]
    return max(np.abs(right[name]).max(), 1e-3 * max(others))


def _same(found, right, scale=None):
    scale = np.abs(right).max(initial=0) if scale is None else scale
    gap = np.abs(found.astype(float) - right).max(initial=0)
    return bool(gap <= RTOL.get(found.dtype, FINE) * scale)


def _recovered(call, p):
    """Infer spikes and potentials from gradients."""
    run, target = call(p), p["target"].copy()
    spikes, mem = 1.0 * run.right["spikes"], 1.0 * run.right["mem"]
    for t in range(T - 1, 1, -1):
        target[t] = 0.5
        found = call(p | {"target": target})
        if found.broken:
            return found
        adjoint, _ = _adjoints(found)
        target[t] = spikes[t] = adjoint[t - 2] > 0
        psi = np.abs(adjoint[t - 2]) * 2 * spikes.shape[1] / p["gain"]
        v = (np.maximum(psi, TINY) ** -0.5 - 1) / p["steepness"]            # psi(v)
        mem[t] = p["threshold"] + np.where(spikes[t] > 0, v, -v)
    new = {"spikes": spikes.astype(adjoint.dtype), "mem": mem.astype(adjoint.dtype)}
    return _compared(run._replace(found=run.found | new))


def _compared(run):
    return run._replace(wrong=frozenset(name for name, value in run.found.items()
                        if not _same(value, run.right[name], _scale(run.right, name))))


def _residuals(run):
    """Return residuals of eqs. (2) and (3), and the terms of these equations."""
    p, mem = run.p, run.found["mem"]
    spikes = run.found.get("spikes", mem > p["threshold"])
    right, kept = p["gain"] * _follow(p, spikes).syn[:-1], p["beta"] * mem[:-1]
    reset = -p["threshold"] * spikes[:-1]
    syn = (mem[1:] - kept - reset) / p["gain"]
    inputs, sent = (p["x"] @ p["W"].T)[:-2], (spikes @ p["V"].T)[:-2]
    first, decayed = mem[1:] - kept - reset - right, p["alpha"] * syn[:-1]
    second = syn[1:] - decayed - inputs - sent
    return _cast(mem.dtype, {
        "membrane decay": (first, kept), "reset": (first, reset),
        "gain": (first, right), "current decay": (second, decayed),
        "input": (second, inputs), "recurrence": (second, sent)})


def _cast(dtype, pairs):
    return {name: (residual.astype(dtype), term.astype(dtype))
            for name, (residual, term) in pairs.items()}


def _adjoints(run):
    """Return the wrong and the right adjoints."""
    if "dx" in run.found:
        back = np.linalg.pinv(run.p["W"])
        return [(answer["dx"] @ back).astype(answer["dx"].dtype)
                for answer in (run.found, run.right)]
    return [answer["dW"].T.reshape(T, -1, N) for answer in (run.found, run.right)]


def _back_residuals(run):
    """Return residuals of eqs. (7)-(9), and the terms of these equations."""
    p, (dI, _), psi, q = run.p, _adjoints(run), _slope(run.p), _error(run.p)
    decayed = p["alpha"] * dI[1:]
    dU = (dI[:-1] - decayed) / p["gain"]                        # of steps 2 to T
    later, sent, jump = p["beta"] * dU[1:], dI[2:] @ p["V"], p["threshold"] * run.reset
    reset = -jump * dU[1:]
    dS = q[2:] + sent + reset
    first = dU[:-1] - later - psi[2:] * dS
    right = np.zeros_like(dI)                                   # dU caused by dI
    for t in range(T - 1, 1, -1):
        right[t - 1] = p["beta"] * right[t] + psi[t] * (
            q[t] + dI[t] @ p["V"] - jump * right[t])
    right = p["gain"] * right[1:]
    return _cast(dI.dtype, {
        "membrane decay": (first, later), "recurrence": (first, psi[2:] * sent),
        "reset": (first, psi[2:] * reset), "surrogate": (first, psi[2:] * dS),
        "error": (first, psi[2:] * q[2:]), "gain": (p["gain"] * dU - right, right),
        "current decay": (p["gain"] * dU - right, decayed)})


def _fits(parts):
    """Map the name of each wrong term to the pair (wrong values, right values)."""
    found = {}
    for term in parts[0]:
        residual, right = map(np.concatenate, zip(*(part[term] for part in parts),
                                                  strict=True))
        if not _zero(residual, right) and _mapped(
                residual, right, term in ("gain", "reset")):
            found[term] = residual + right, right
    return found


def _zero(residual, term):
    return _same(residual, 0 * residual, np.abs(term).max() / 20)


def _mapped(residual, term, mixed=False):
    """Return whether `residual` equals `term` times a constant matrix."""
    size = term[0].size if mixed else term.shape[-1]
    residual, term = residual.reshape(-1, size), term.reshape(-1, size)
    fixed = np.linalg.lstsq(term.astype(float), residual.astype(float), rcond=None)[0]
    return len(term) > term.shape[1] and _zero(
        residual - (term @ fixed).astype(residual.dtype), term)
