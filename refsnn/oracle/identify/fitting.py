# refsnn 0.1.0 | oracle/identify/fitting.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module fits decay factors and surrogate derivatives to recordings.

If a recording agrees with no update convention (see `identify`) for the
given constants, the function `_constants` fits the decay factors and the
gain by least squares.  Let y[k] be the membrane potential before the reset
by spike s[k], and let z[k] be the membrane potential after this reset, or
before the reset if the reset follows the next decay.  The potentials y and
z follow from the recording.  The model is

    h[k] = alpha h[k-1] + d[k],  d[k] = W x[k] + V s[k]               (1)
    y[k+1] = beta z[k] + g h[k - delay] + c                           (2)

for a delay of 0 or 1.  The function `_gradients` searches for a surrogate
derivative that reproduces a recorded gradient up to a factor:

    gradient = factor dW(surrogate, steepness k, side, peak, reset path)
                                                                      (3)

In (3), the function dW is the gradient of the loss with respect to the
input weights W.  If `side` is "above" or "below", the surrogate derivative
is nonzero only above or only below the threshold.  The peak is the value
of the surrogate derivative at the threshold.  The last argument of the
function dW is true if the gradient passes through the reset.  If no
gradient satisfies (3), the search is repeated with gradients that do not
pass through the recurrent weights V.

Derivation.  For a fixed decay factor alpha, the potential y in (2) is
    linear in the constants beta, g and c.  Gauss-Newton steps refine the
    best of 49 trial values of alpha.  The backward recursion for dW
    follows from eqs. (12)-(15) of the module `conventions`.
Exact.  If the recording contains spikes, the recorded spikes drive the
    resets and the recurrent inputs of the simulation.
Cost.   For B samples of n neurons with m inputs, `_constants` takes
    O(T B n (m + n)) time.  To test one surrogate derivative, `_gradients`
    takes O(T B n (m + n)) time.
Departures.  The surrogate derivative "step" is 1 for membrane potentials
    above `threshold - 1/k` and 0 otherwise, as in the classes `Heaviside`
    of sinabs and `StepPWL` of rockpool.  If the steepness k is 0, this
    surrogate derivative is 1 everywhere (straight-through estimator).
    First, surrogate derivatives with the peak 1 are tried with a fitted
    factor.  If none satisfies (3), other peaks are tried with factor 1.
"""

import itertools
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle.identify import elimination

__all__ = ["BUMPS", "Fit", "Match"]

BUMPS = {       # surrogate derivatives f'(v), as functions of z = k v
    "fast_sigmoid": lambda z: 1 / (1 + np.abs(z)) ** 2,
    "sigmoid": lambda z: 1 - np.tanh(z / 2) ** 2,
    "triangle": lambda z: np.maximum(0, 1 - np.abs(z)),
    "gaussian": lambda z: np.exp(-z * z / 2),
    "arctan": lambda z: 1 / (1 + z * z),
    "slayer": lambda z: np.exp(-np.abs(z)),
    "boxcar": lambda z: 1.0 * (np.abs(z) < 1),
    "step": lambda z: 1.0 * (z > -1)}
SIDES = {"both": lambda v: np.ones_like(v), "above": lambda v: 1.0 * (v >= 0),
         "below": lambda v: 1.0 * (v <= 0)}
STEEPNESS = (0.5, 1.0, np.pi / 2, 2.0, 3.0, np.pi, 4.0, 5.0, 10.0, 20.0, 25.0, 50.0,
             100.0)
PEAKS = (lambda k: 1.0,), (     # f'(0), as in snntorch atan, fast sigmoids, norse tanh
    lambda k: k / 4, lambda k: k / 2, lambda k: k, lambda k: 1 / np.pi,
    lambda k: 0.25, lambda k: 0.3, lambda k: 0.5)
FORMS = (("subtract", "before"), ("subtract", "after"), ("zero", "before"),
         ("zero", "after"), ("none", "before"), ("subtract", "once"), ("zero", "once"))
CLOSE = 0.05            # root mean square error at most, relative to the potential
GRID = np.concatenate([[0.0], 1 - np.geomspace(0.99, 1e-3, 48)])
FEWEST = 8              # entries in a fit of three constants and a decay factor
REFINED = 12            # Gauss-Newton steps at most, until the error no longer falls
SLOWEST = 0.9999        # largest decay factor of the current: 10,000 steps
RANK = 1e-9             # least singular value of independent columns; largest: 1
UNSCALED = 1e-12        # the same, for columns of very different sizes
USEFUL = 0.5            # largest error, relative to that of a fit without input
SCANNED = 4000          # entries of a recording for which the grid is tested


class Fit(NamedTuple):
    """Fitted constants."""
    step: object        # conventions.Step of the reset and of the recorded rows
    alpha: float
    beta: float
    gain: float         # total factor on the filtered input
    rest: float         # constant c of (2) divided by 1 - beta
    error: float        # root mean square, relative to that of the recording
    exact: bool         # if True, the error is within rounding


class Match(NamedTuple):
    """A surrogate gradient that satisfies (3)."""
    through_reset: bool
    surrogate: str
    steepness: float
    side: str
    factor: float
    error: float        # largest error, relative to the largest entry
    peak: float = 1.0   # f'(0)
    through_recurrence: bool = True     # through the recurrent spikes


def _constants(problem):
    """Fit (1) and (2).  Return a `Fit`, or None if the error is large."""
    if not {"mem", "spikes"} <= set(problem.rows):
        return None
    T, B, _ = problem.x.shape
    mem, spikes = (problem.rows[name].reshape(T, -1) for name in ("mem", "spikes"))
    with np.errstate(over="ignore"):
        if not np.isfinite(np.vdot(mem, mem)):
            return None
    thr, reset_to = (np.broadcast_to(np.asarray(problem.levels[name], float), (
        B, len(problem.W))).ravel() for name in ("threshold", "reset_to"))
    drive = (problem.x.reshape(T * B, -1) @ problem.W.T).reshape(T, B, -1)
    P, slack = mem.shape[1], elimination._slack(problem)["mem"][-1]
    some = np.sort(np.argsort(-np.ptp(mem, axis=0))[:max(1, SCANNED // T)])
    still = np.abs(mem - reset_to) <= slack
    fits, filtered = [], {}
    for test, record, (reset, at) in (
            (test, record, form) for test in (0, 1) for record in (0, 1)
            for form in FORMS):
        if at == "once" and test < record:
            continue
        if test not in filtered:
            d = drive
            if problem.V is not None:
                past = problem.rows["spikes"] if test == 0 else np.concatenate(
                    [np.zeros((1, *drive.shape[1:])), problem.rows["spikes"][:-1]])
                d = d + past @ problem.V.T
            d = d.reshape(T, -1)
            filtered[test] = d, _filtered(d[:, some], GRID)
        y, z, valid = _pairs(mem, spikes, test, record, reset, at, thr, reset_to)
        valid = valid & ~(still[1:] & still[:-1])       # held by refractoriness
        hidden = np.where(valid, 0, mem[1:] - reset_to)     # 0 if the reset is right
        if _rms(hidden) > CLOSE * _rms(mem):
            continue
        for delay in (0, 1):
            d, scanned = filtered[test]
            arrays = y, z, valid, d
            found = _fitted(*(a[:, some] for a in arrays), record, delay, GRID, scanned)
            if found is not None:
                step = conventions.Step(
                    test=("before", "after")[test], record=("before", "after")[record],
                    reset=reset, reset_at=at, input=("same", "next")[delay])
                fits.append((found, arrays, record, delay, np.abs(hidden).max(), step))
    near = max(4 * min((fit[0][0] for fit in fits), default=np.inf), slack)
    every, fits = fits, []
    for found, *given, most, step in every:
        if len(some) < P and found[0] <= near:          # refine with all entries
            arrays, alphas = given[0], found[2][:1]
            found = _fitted(*arrays, *given[1:], alphas, _filtered(arrays[3], alphas))
        if found is not None and found[0] <= near:
            fits.append((found[0], max(found[1], most), *found[2:], step))
    least = min((fit[0] for fit in fits), default=np.inf)
    if not least <= CLOSE * _rms(mem):
        return None
    # Of nearly equal fits, choose the one with most entries, because a reset to a
    # value may hide the entries with spikes.
    error, worst, (alpha, beta, gain, c), _, step = max(
        (fit for fit in fits if fit[0] <= max(2 * least, slack)),
        key=lambda fit: (fit[3], -fit[0]))
    return Fit(step, float(alpha), float(beta), float(gain), float(c / (1 - beta)),
               float(error / _rms(mem)), bool(worst <= slack))


def _pairs(mem, spikes, test, record, reset, at, thr, reset_to):
    T = len(mem)
    # Row t of mem is state t + record, and its spikes are in row t + record - test.
    rows = np.arange(T) + record - test
    s = np.where((rows >= 0)[:, None], spikes[np.clip(rows, 0, T - 1)], 0)
    seen = (s == 0) | (reset != "zero")
    if at == "once":            # the potential is recorded after the reset
        return (mem + thr * s)[1:], mem[:-1], seen[1:]
    if at == "after":
        return mem[1:] + thr * s[:-1], mem[:-1], seen[:-1]
    z = {"subtract": mem - thr * s, "zero": np.where(s > 0, reset_to, mem),
         "none": mem}[reset]
    return mem[1:], z[:-1], np.ones_like(seen[1:])


def _fitted(y, z, valid, d, record, delay, alphas, filtered):
    T = len(d)
    at = np.arange(T - 1) + record - delay      # h[k - delay] for row t = k - record
    use = valid & (at >= 0)[:, None]
    if np.count_nonzero(use) < FEWEST:
        return None
    at = np.clip(at, 0, T - 1)
    y, z = y[use], z[use]

    def solved(h, slope):
        A = np.stack([z, h[at][use], np.ones_like(z)], axis=1)
        norm = np.sqrt((A ** 2).sum(axis=0))
        if not norm.all() or not np.isfinite(norm).all():
            return np.inf, None, A, slope
        p, _, rank, _ = np.linalg.lstsq(A / norm, y, rcond=RANK)           # (2)
        return _rms(y - A @ (p / norm)) if rank == 3 else np.inf, p / norm, A, slope

    found = [solved(*pair) for pair in zip(*filtered, strict=True)]
    best = int(np.argmin([error for error, *_ in found]))
    alpha, (error, p, A, slope) = alphas[best], found[best]
    if p is None or not np.isfinite(error):
        return None
    for _ in range(REFINED):
        step = np.linalg.lstsq(np.column_stack([A, p[1] * slope[at][use]]), y - A @ p,
                               rcond=UNSCALED)[0][3]
        new = float(np.clip(alpha + step, 0, SLOWEST))
        later = solved(*(a[0] for a in _filtered(d, [new])))
        if not later[0] < error:
            break
        alpha, (error, p, A, slope) = new, later
    alone = A[:, [0, 2]]        # without the input
    without = _rms(y - alone @ np.linalg.lstsq(alone, y, rcond=RANK)[0])
    if not (0 <= p[0] < 1) or not error < USEFUL * without:
        return None
    return [error, np.abs(y - A @ p).max(), (alpha, *p), len(y)]


def _filtered(d, alphas):
    """Return h of (1), and dh/dalpha."""
    alpha = np.reshape(alphas, (-1, 1, 1))

    def summed(h):          # each pass doubles the length of the sum
        for s in 2 ** np.arange(len(d).bit_length()):
            h[:, s:] += alpha ** s * h[:, :-s]                             # (1)
        return h

    h = summed(d + 0 * alpha)
    late = np.zeros_like(h)
    late[:, 1:] = h[:, :-1]
    return h, summed(late)


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def _gradients(problem, step, wanted, dspikes, surrogate, rtol):
    """Return all surrogate derivatives that satisfy (3)."""
    seen = elimination._trace(problem, step)
    tau_syn, tau_mem, dt = problem.taus
    given = problem.levels | {"tau_syn": tau_syn, "tau_mem": tau_mem, "dt": dt}
    with np.errstate(all="ignore"):
        run = conventions.simulate(
            step, problem.x, problem.W, problem.V, clamp=seen["held"] * 1.0,
            spike=lambda k, u: seen["forced"][k], **given)
    v = seen["states"] - np.broadcast_to(
        np.asarray(problem.levels["threshold"], float), seen["states"].shape)
    name, steepness = surrogate
    names = [name] if name is not None else list(BUMPS)
    widths = [steepness] if steepness is not None else list(STEEPNESS)
    found, near, best = [], np.zeros_like(wanted), np.inf
    detached = [None] * (problem.V is not None)
    for V, peaks in itertools.product(
            [problem.V, *detached], PEAKS[:1] if callable(name) else PEAKS):
        for through in (True, False) if step.reset != "none" else (True,):
            slopes = conventions.slopes(step._replace(through_reset=through), run,
                                        **given)
            for kind in names:
                kinds = _kinds(kind, widths, peaks)
                psi = np.stack([peak * SIDES[side](v) * (
                    kind(v) if callable(kind) else BUMPS[kind](k * v))
                    for k, side, peak in kinds])
                every = _adjoint(problem._replace(V=V), psi, slopes, dspikes)
                for (k, side, peak), dW in zip(kinds, every, strict=True):
                    factor, error = _compared(dW, wanted, rtol)
                    if error <= rtol and (factor == 1 or peaks is PEAKS[0]):
                        found.append(Match(through, "given" if callable(kind) else kind,
                                           float(k), side, factor, error, float(peak),
                                           V is problem.V))
                    if error < best:
                        best, near = error, dW
        if found:
            break
    sides = list(SIDES)
    return sorted(found, key=lambda m: (m.factor != 1, sides.index(m.side))), near


def _kinds(kind, widths, peaks):
    if callable(kind):
        return [(0.0, "both", 1.0)]
    if kind == "step" and len(widths) > 1:      # the steepness is not given
        widths = [0.0, *widths]
    return [(k, side, peak(k)) for k in widths
            for side in (["both"] if kind == "step" else SIDES) for peak in peaks]


def _compared(dW, wanted, rtol):
    size = np.vdot(dW, dW)
    if not np.isfinite(size) or size == 0:
        return 1.0, np.inf
    factor = float(np.vdot(dW, wanted) / size)
    if abs(factor - 1) <= rtol or wanted.size < 3:
        factor = 1.0
    gap = np.abs(factor * dW - wanted)                                     # (3)
    return factor, float(gap.max() / np.abs(wanted).max())


def _adjoint(problem, psi, slopes, dspikes):
    """Return dW for several surrogate derivatives `psi`."""
    x, V = problem.x, problem.V
    psi = psi * slopes.get("live", 1.0)
    a, f, b, g, e, z = (slopes[name] for name in conventions.PARTS)
    first = int(slopes["rows"][0])
    syn, mem = np.zeros((2, len(psi), *psi.shape[2:]))
    dW = np.zeros((len(psi), *problem.W.shape))
    for k in range(len(x), -1, -1):
        by_spike = np.zeros(psi.shape[2:])
        if first <= k < first + len(x):
            by_spike = by_spike + dspikes[k - first]
        if k < len(x):
            d = f[k + 1] * syn + g[k + 1] * mem
            dW += np.swapaxes(d, 1, 2) @ x[k]
            by_spike = by_spike + z[k + 1] * mem + (0 if V is None else d @ V)
            syn, mem = a[k + 1] * syn + b[k + 1] * mem, e[k + 1] * mem
        mem = mem + psi[:, k] * by_spike
    return dW
