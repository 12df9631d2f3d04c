# refsnn 0.1.0 | probe.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Find mistakes in the connection to a chip, before any training.

`probe` drives a chip through the function run(weights, x) -> (spikes,
samples) of `in_the_loop.record`.  It compares the results with nominal
neurons,

    I[t+1] = alpha I[t] + W x[t],  v[t+1] = beta v[t] + I[t]          (1)

Let K[t] be the response v[t] to one input spike at W = 1, and let y be the
samples minus their mean without weights, in units of the threshold.  Three
measurements are made:

(A) All weights are 0.  Neurons that spike are restless, and the standard
    deviation of the samples is the noise.
(B) Each input spikes alone, at weak random weights W.  The lag L and the
    measured weights g follow from least squares,

        g_ij = sum_t y_ij[t] K[t-L] / sum_t K[t-L]^2,
        L maximises sum_ij g_ij^2 sum_t K[t-L]^2                      (2)

    A row of g belongs to the neuron whose row of W it is most correlated
    with.
(C) Many inputs spike together, at strong weights, so that each neuron
    spikes.  With the current I of (1), shifted by L, a spike lowers the
    potential by

        e[t] = beta y[t] + I[t] - y[t+1]                              (3)

    The lag D maximises sum_t e[t] S[t-D].  The lag R is that of the
    readouts, compared with eq. (1) for W_out and the recorded spikes.

Derivation.  Let the input be i steps late, the recorded spikes s steps,
    and the samples p steps.  Let a = 1 if a sample is taken after a reset
    in its step, else a = 0.  Then

    L = i + p,  R = p - s,  D = p - s - a                             (4)

    Eq. (4) determines a, but leaves one delay open.  The solution with the
    smallest number of delays is reported.
Approximate.  If a chip returns no samples, only (A) and the spikes of (C)
    are used, so that delays and scales remain unknown.
Cost.   The chip runs 3 m + n + 32 patterns of `steps` time bins.
Departures.  This test is not part of a published method.
"""

import re
from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

__all__ = ["Report", "probe"]
_WEIGHTS = namedtuple("_WEIGHTS", "hidden recurrent readout")
START = 4               # first step with input
DRIVE = 2.5             # steady potential in (C), in thresholds
LAGS = range(-3, 4)
ROUNDS = 3              # sets of weights in (B)
WRONG = 0.3             # relative error of a scale that is reported


class Report(NamedTuple):
    """Hold what `probe` measured.  Values that could not be measured are None."""
    faults: tuple                   # sentences; empty if no mistake was found
    delay: Optional[dict]           # of input, spikes and samples, in steps
    after_reset: Optional[bool]     # samples are taken after a reset in their step
    gain: Optional[np.ndarray]      # (n,) strength of the input, relative to nominal
    unit: Optional[np.ndarray]      # (n,) threshold above the leak, over `unit`
    noise: Optional[np.ndarray]     # (n + k,) standard deviation, codes
    restless: np.ndarray            # (n,) bool: spikes without weights
    silent: Optional[np.ndarray]    # (n,) bool: never spikes
    dead: Optional[np.ndarray]      # (m,) bool: input without effect


def probe(run, m, n, k, *, scale=240.0, limit=63, unit=70.0, tau_syn=6e-6,
          tau_mem=6e-6, dt=1.7e-6, steps=40, seed=0):
    """Drive a chip with a few inputs, and describe its mistakes.

    >>> def run(weights, x):                    # a chip that does not respond
    ...     T, B, _ = x.shape
    ...     return np.zeros((T, B, 2)), np.full((T, B, 3), 80)
    >>> probe(run, 4, 2, 1).faults
    ('Neurons 0 and 1 do not respond to input.',)

    Parameters
    ----------
    run : callable (weights, x) -> (spikes, samples)
        Function that runs the chip, as for `in_the_loop.record`.
    m, n, k : int
        Numbers of inputs, hidden neurons and readouts.
    scale, limit : float and int
        Hardware weight that represents the real weight 1, and largest
        hardware weight.
    unit : float
        Nominal number of codes from leak to threshold.
    tau_syn, tau_mem, dt : float
        Nominal time constants and time step, s.
    steps, seed : int
        Number of time bins, and seed of the random weights.

    Returns
    -------
    Report
        If a weight acts on a wrong neuron or with a wrong sign, (C) is
        omitted.
    """
    _one_of("run", run, Callable)
    _arrays("m () int in [1, inf), n () int in [1, inf), k () int in [1, inf), "
            "scale () in (0, inf), limit () int in [1, inf), unit () in (0, inf), "
            "tau_syn () in (0, inf), tau_mem () in (0, inf), dt () in (0, inf), "
            "steps () int in [24, inf), seed () int in [0, inf)", m, n, k, scale, limit,
            unit, tau_syn, tau_mem, dt, steps, seed)
    rng, decays = np.random.default_rng(seed), (np.exp(-dt / tau_syn),
                                                np.exp(-dt / tau_mem))
    none, quiet = np.zeros((n, m), int), np.zeros((k, n), int)
    spikes, samples = _call(run, none, quiet, (rng.random((steps, 32, m)) < 0.3) * 1.0)
    restless, found = spikes.any(axis=(0, 1)), {"gain": None, "dead": None}    # (A)
    faults = _told("Neuron", restless, "spikes", "spike", " without weights")
    kernel = _potential(np.eye(1, steps, START)[0], *decays)
    weak = max(1, int(min(limit, 0.4 * scale / kernel.max())))
    if samples is not None:
        base, noise = samples.mean(axis=(0, 1)), samples.std(axis=(0, 1))
        W = rng.integers(-weak, weak + 1, (ROUNDS, n, m))
        x = np.zeros((steps, m, m))
        x[START, np.arange(m), np.arange(m)] = 1
        y = [_call(run, w, quiet, x)[1][:, :, :n] - base[:n] for w in W]
        found = _responses(np.concatenate(y, axis=1) / unit, W / scale, kernel,
                           restless)
        faults += found.pop("faults")
    report = Report(tuple(faults), None, None, found["gain"], None,
                    None if samples is None else noise, restless, None, found["dead"])
    if faults:
        return report
    gain = 1.0 if samples is None else min(1.0, np.median(found["gain"]))
    W, x = _bursts(rng, m, n, limit, scale / gain, steps, decays)
    W_out = rng.integers(-weak, weak + 1, (k, n))
    spikes, samples = _call(run, W, W_out, x)
    silent, faults = _trains(spikes, W / scale, x, decays)
    report = report._replace(silent=silent, faults=tuple(faults))
    if faults or samples is None:
        return report
    y = (samples - base) / unit
    size, D = _resets(y[:, :, :n], spikes, W / scale, x, decays, found)
    R, faults = _readouts(y[:, :, n:], spikes @ (W_out / scale).T, decays, D)
    L, after = found["lag"], R == D + 1
    late = {"input": L * (L != R), "spikes": -R * (L != R),
            "samples": L * (L == R)}                                       # (4)
    typical, strength = np.median(size), np.median(found["gain"] / size)
    faults += [f"{name.capitalize()} {'come' if name != 'input' else 'comes'} {abs(d)} "
               f"step{'s' * (abs(d) > 1)} {'late' if d > 0 else 'early'}."
               for name, d in late.items() if d]
    faults += ["Samples are taken after a reset in their step."] * after
    if R - D not in (0, 1):
        faults.append("The delays of spikes, samples and readouts do not agree.")
    if abs(typical - 1) > WRONG:
        faults.append(f"The threshold is {typical:.2f} times `unit` above the leak.")
    if abs(strength - 1) > WRONG:
        faults.append(f"Input is {strength:.2f} times as strong as described.")
    return report._replace(faults=tuple(faults), delay=late, after_reset=after,
                           unit=size)


def _call(run, W, W_out, x):
    """Return the checked spikes and samples of a chip."""
    result = run(_WEIGHTS(W, None, W_out), x)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(f"run returned a {type(result).__name__}: must be a pair, "
                         "(spikes, samples)")
    (T, B, _), n = x.shape, len(W)
    return _arrays(f"run.spikes {(T, B, n)} in [0, inf), run.samples? "
                   f"{(T, B, n + len(W_out))}", *result, dtype=np.float64)


def _told(name, which, one, many, rest):
    """Return a list with a sentence on the entries of a mask that are True."""
    *first, last = map(str, np.flatnonzero(which)) if which.any() else ("",)
    if not last:
        return []
    listed = f"{', '.join(first)} and {last}" if first else last
    return [f"{name}{'s' * bool(first)} {listed} {many if first else one}{rest}."]


def _potential(drive, alpha, beta):
    """Return v of eq. (1) for W x = drive; time is the first axis."""
    v, syn = np.zeros(drive.shape), np.zeros(drive.shape[1:])
    for t in range(len(drive) - 1):
        v[t + 1] = beta * v[t] + syn
        syn = alpha * syn + drive[t]                                       # (1)
    return v


def _late(a, lag):
    """Shift an array by `lag` steps in time, and fill in zeros."""
    out, T = np.zeros_like(a), len(a)
    out[max(lag, 0):T + min(lag, 0)] = a[max(-lag, 0):T - max(lag, 0)]
    return out


def _paired(a, b):
    """Return the row of b that each row of a is most correlated with, and this
    correlation."""
    a, b = (c - c.mean(axis=1, keepdims=True) for c in (a, b))
    sizes = (np.sqrt((c ** 2).sum(axis=1)) for c in (a, b))
    r = a @ b.T / np.maximum(np.outer(*sizes), 1e-300)
    best, rows = np.abs(r).argmax(axis=1), np.arange(len(a))
    own = np.abs(np.diagonal(r)) > 0.97 * np.abs(r[rows, best])
    best = np.where(own, rows, best)
    return best, r[rows, best]


def _ordered(what, order):
    """Return a list with a sentence if neurons are not in their order."""
    wrong = np.flatnonzero(order != np.arange(len(order)))
    if not wrong.size:
        return []
    pairs = ", ".join(f"{i} are those of {order[i]}" for i in wrong[:4])
    return [f"The {what} of {pairs}{', ...' * (wrong.size > 4)}."]


def _responses(y, W, kernel, restless):
    """Compare the measured weights of (B) with the weights W (ROUNDS, n, m)."""
    shifted = np.stack([_late(kernel, lag) for lag in LAGS])
    power = (shifted ** 2).sum(axis=1)
    g = np.einsum("lt,tbi->lib", shifted, y) / power[:, None, None]
    best = int(np.argmax((g ** 2).sum(axis=(1, 2)) * power))
    g, w = g[best], np.concatenate(W, axis=1)                              # (2)
    size = np.sqrt((w ** 2).mean())
    idle = (np.sqrt((g ** 2).mean(axis=1)) < 0.25 * size) & ~restless
    dead = np.sqrt((g.reshape(len(g), len(W), -1) ** 2).mean(axis=(0, 1))) < 0.25 * size
    found = {"lag": LAGS[best], "gain": None, "dead": dead, "faults": _told(
        "Neuron", idle, "does", "do", " not respond to input")}
    if found["faults"]:
        return found
    found["faults"] = _told("Input", dead, "has", "have", " no effect")
    order, r = _paired(g, w)
    order = np.where(restless, np.arange(len(g)), order)
    if np.median(np.abs(r)) < 0.8:
        square = W.shape[1] == W.shape[2]
        turned = square and np.median(_paired(g, np.concatenate(
            W.transpose(0, 2, 1), axis=1))[1]) > 0.8
        return found | {"faults": [
            "The matrix of the hidden weights is transposed." if turned else
            "The samples do not follow from the hidden weights."]}
    found["faults"] += _ordered("samples", order)
    found["gain"] = (g * w[order]).sum(axis=1) / (w[order] ** 2).sum(axis=1)
    if np.median(found["gain"]) < 0:
        found["faults"].append("Weights act with the opposite sign.")
    return found


def _bursts(rng, m, n, limit, scale, T, decays):
    """Return strong weights, and one pattern for each neuron: its inputs with
    positive weights spike in each step."""
    signs = rng.choice([-1, 1], (n, m))
    signs[np.arange(n), np.arange(n) % m] = 1
    x, own = np.zeros((T, n, m)), (signs > 0).sum(axis=1, keepdims=True)
    x[START:] = signs > 0
    steady = own / ((1 - decays[0]) * (1 - decays[1]))      # of eq. (1), weights 1
    return signs * np.rint(np.clip(DRIVE * scale / steady, 1, limit)).astype(int), x


def _trains(spikes, W, x, decays):
    """Compare spikes with those of nominal neurons."""
    alpha, beta = decays
    drive, counts = x @ W.T, 0.0
    v, syn = np.zeros((2, *drive.shape[1:]))
    for t in range(len(x)):
        fired = (v > 1) * 1.0
        counts = counts + fired
        v = beta * v + syn - fired
        syn = alpha * syn + drive[t]
    silent = ~spikes.any(axis=(0, 1))
    faults = _told("Neuron", silent, "never spikes", "never spike", "")
    if not faults and len(W) > 1:
        order, _ = _paired(spikes.sum(axis=0).T, counts.T)
        faults = _ordered("spikes", order)
    return silent, faults


def _resets(y, spikes, W, x, decays, found):
    """Return the median potential of each neuron at its first spikes, and D."""
    alpha, beta = decays
    drive, syn = _late(x @ W.T, found["lag"]) * found["gain"], np.zeros(y.shape)
    for t in range(len(y) - 1):
        syn[t + 1] = alpha * syn[t] + drive[t]
    e = np.zeros(y.shape)
    e[:-1] = beta * y[:-1] + syn[:-1] - y[1:]                              # (3)
    D = max(LAGS, key=lambda lag: (e * _late(spikes, lag)).sum())
    some = _late(spikes, D).cumsum(axis=0)
    first = (some > 0) & (np.concatenate([0 * some[:1], some[:-1]]) == 0)
    peak = np.maximum(y, _late(y, 1))       # a sample may follow a spike in its step
    return np.array([np.median(row[some]) for row, some in zip(
        peak.T, first.T, strict=True)]), D


def _readouts(y, drive, decays, D):
    """Compare readouts with those of the recorded spikes."""
    v, rows = (np.diff(a, axis=0, prepend=0) for a in (_potential(drive, *decays), y))
    rows = rows.reshape(-1, y.shape[2]).T
    pairs = [_paired(rows, (_late(v, lag) + _late(v, lag - half)).reshape(
        rows.shape[::-1]).T) for lag in LAGS for half in (0, 1)]
    scores = [np.abs(r).sum() for _, r in pairs]
    close = [i for i, score in enumerate(scores) if score > 0.97 * max(scores)]
    best = min(close, key=lambda i: (LAGS[i // 2] != D, -scores[i]))
    order, r = pairs[best]
    faults = _ordered("readouts", order)
    if np.median(r) < 0:
        faults.append("Readout weights act with the opposite sign.")
    return LAGS[best // 2], faults


# ---- checks, the same in every module ----
def _arrays(spec, *values, dtype=None):
    """Return `values`, checked against a text like "W (n, m) float, V? (n, n)".
    A name with "?" is optional, and a name with "[]" is a list.  The shape
    (n?) allows a number.  Arrays get the dtype of the first float array."""
    known = {"dtype": dtype}
    return [_array(*rule, value, known) for rule, value in zip(re.findall(
        r"(\S+) \((.*?)\)( float| int|)( in .*?[])}]|)", spec), values, strict=True)]


def _array(name, axes, kind, limits, value, known):
    if name.endswith("[]"):
        return [_array(f"{name[:-1]}{i}]", axes, kind, limits, entry, known)
                for i, entry in enumerate(_one_of(name, value, list, tuple))]
    if value is None and name.endswith("?"):
        return None
    try:
        a = np.asarray(value)
        ok = a.dtype in (np.float32, np.float64) if kind == " float" else \
            a.dtype.kind in ("iu" if kind else "fiub"[:3 + a.ndim])
        known["dtype"] = known["dtype"] or (a.dtype if kind == " float" else None)
        a = a if kind == " int" else a.astype(known["dtype"] or a.dtype, copy=False)
        ends = "" if "?" in axes and not a.ndim else axes.replace("...", "* " * a.ndim)
        ok &= all(size == int(x) if x.isdigit() else (size > 0 or x[-1] == "*") and (
            x[0] in "_*" or known.setdefault(x.rstrip("*?"), size) == size)
            for x, size in zip(re.findall(r"[^\s,]+", ends), a.shape, strict=True))
        if not (ok and not limits and np.vdot(a, a) < np.inf):        # no temporaries
            low, high = map(float, (limits or " in (-inf, inf)")[5:-1].split(","))
            ok &= bool(((a == low) | (a == high)).all() if "{" in limits else (
                not a.size or (a.min() >= low if "[" in limits else a.min() > low) and (
                    a.max() <= high if "]" in limits else a.max() < high)))
    except (ArithmeticError, RuntimeError, RuntimeWarning, TypeError, ValueError):
        ok = False
    if not ok:
        shown = " ".join(f"{getattr(value, 'shape', '')} {value!r}".split())[:80]
        raise ValueError(f"{name.rstrip('?')} is {shown}: must be finite"
                         f"{kind or ' real'} ({axes}){limits}, with {known}")
    return a if axes else a.item()


def _one_of(name, value, *allowed):
    types = tuple(x for x in allowed if isinstance(x, type))
    if not isinstance(value, types) and str(value) not in allowed:
        raise ValueError(f"{name} is {value!r:.60}: must be one of {allowed}")
    return value
