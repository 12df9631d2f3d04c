# refsnn 0.1.0 | probe.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Find mistakes in the connection to a neuromorphic chip before training.

Typical mistakes are exchanged neurons, weights with a wrong sign or scale,
and delayed spikes.  The function `probe` calls a function run(weights, x).
The function `run` drives an emulated or real chip with the given weights
and input spikes.  The function `run` returns the output spikes and the
sampled membrane potentials.  The chip has m inputs, n hidden neurons with
weights W and k readout neurons with weights W_out.  The results are
compared with model neurons, whose synaptic current I and membrane
potential v follow

    I[t+1] = alpha I[t] + W x[t],  v[t+1] = beta v[t] + I[t]          (1)

Let a and b be the two time constants of a neuron, in time steps.  One of a
and b is the synaptic time constant, and the other is the membrane time
constant.  Let K(s) be the membrane potential v after a single input spike
with W = 1, s steps after the last step with v = 0:

    K(s) = exp(-A (s - 1)) sinh(D s) / sinh(D) for s > 0, otherwise 0,
    A = 2 / ((a + b) (1 - q)),  D = A sqrt(q),
    q = ((a - b) / (a + b))^2                                         (2)

Let y be the sampled membrane potentials minus the mean sample in
measurement (A), divided by the nominal threshold `unit`.  `probe` makes
three measurements:

(A) All weights are 0.  Neurons that spike although all weights are 0 are
    called restless.  The reported noise is the standard deviation of the
    samples in measurement (A).

(B) In input pattern j, input j spikes once, and all other inputs are
    silent.  In one more pattern, all inputs are silent.  If neurons
    respond without input spikes, `probe` searches for inputs that are
    always on.  All patterns are run with at least three sets of weak
    random weights W.  More sets are used if a neuron or an input would
    otherwise have fewer than 12 responses.  For each neuron, the common
    shape of all responses is the first singular vector of y.  A
    least-squares fit of eq. (2) to this shape gives the sum a + b, the
    parameter q, and the lag of the response.  The lag L is the median lag
    of all neurons.  The measured weight of neuron i for input j is

        g_ij = sum_t y_ij[t] K_i[t] / sum_t K_i[t]^2                  (3)

    where K_i is the fitted response of neuron i.  The means over time are
    subtracted from y_ij and K_i.  Row i of the measured weights g is
    assigned to the row of W that has the largest absolute correlation with
    row i of g.  However, row i of g is assigned to row i of W if the
    absolute correlation of these two rows is at least 97 % of the largest
    absolute correlation.  Columns are assigned in the same way.  An
    assignment of rows or columns is accepted if the median of the absolute
    correlations is at least 0.8.  The report says that weights saturate if
    a model with saturated weights has at most half the squared error of a
    model with linear weights.

(C) In input pattern i, all inputs with positive weights to neuron i spike
    in each step, so that neuron i spikes.  If a neuron does not spike
    before the last 14 steps, all patterns are repeated with up to twice
    the weights.  Let S be the recorded spikes.  Let I be the synaptic
    current of eq. (1) for the measured time constants, shifted in time by
    the lag L and multiplied by the measured gain.  A spike lowers the
    potential by

        e[t] = beta y[t] + I[t] - y[t+1]                              (4)

    The lag D is the median time from the first spike of a neuron to the
    first large drop e of the membrane potential.  The measured readouts
    are compared with the readouts that eq. (1) predicts from the weights
    W_out and the spikes S.  The lag R maximises the correlation between
    the measured and the predicted changes of the readouts from step to
    step.  If the correlation at the lag D is above 97 % of the largest
    correlation, the lag R is set to D.  The nominal time constants are
    used for the readouts, unless other time constants raise the
    correlation by more than 3 %.  The comparison omits the smallest and
    the largest sample of each readout, because codes may be cut off there.

Derivation.  Eq. (2) is (alpha^s - beta^s) / (alpha - beta) with alpha =
    exp(-1/a) and beta = exp(-1/b).  An exchange of a and b does not change
    eq. (2), so that (B) cannot tell the two time constants apart.  Let
    `input`, `spikes` and `samples` be the delays of the input, the spikes
    and the samples in time steps.  Let `after` be 1 if the sample of a
    step is taken after the reset of this step, and 0 otherwise.  The lags
    are

    L = input + samples,  R = samples - spikes,
    D = samples - spikes - after                                      (5)

    The difference R - D determines `after`.  The remaining two equations
    in (5) are not sufficient to determine the three delays `input`,
    `spikes` and `samples`.  The report therefore contains as few nonzero
    delays as possible.  If two delays must be nonzero, the report lists
    all pairs of delays that agree with (5).
Approximate.  The function `probe` searches only time lags between -3 and 3
    steps.  If |L| or |R| is at least 3 steps, or if |D| exceeds 3 steps,
    the report says that the delays are too large to measure.  If a chip
    returns no samples of membrane potentials, measurement (B) is omitted,
    and measurement (C) compares only spike counts.  Gains and thresholds
    that differ by 30 % between neurons are not reported as mistakes.  If
    both inputs and neurons are exchanged, the report may be wrong.
Cost.   For R sets of weights, the chip runs at most R (m + 1) + 2 n + 32
    input patterns of `steps` time bins.  The function `run` is called at
    most R + 3 times.
Departures.  This test is not part of a published method.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np
from scipy import optimize

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of, shown

__all__ = ["probe"]
_WEIGHTS = namedtuple("_WEIGHTS", "hidden recurrent readout")
START = 4               # first step with input in (B) and (C)
STEPS = 24              # least number of steps: START, a response, and all lags
PATTERNS, RATE = 32, 0.3        # in (A): number, and probability of an input spike
WEAK = 0.4              # largest peak potential in (B), in thresholds: no spikes
DRIVE = 2.5             # steady potential in (C), in thresholds
LAGS = range(-3, 4)
LATE = 2 * len(LAGS)    # resets in the last steps of (C) are not used
ROUNDS, ENOUGH = 3, 12  # least number of sets of weights in (B), and of measurements
SHAPE = 0.9             # least share of the responses that (2) explains
NOISY = 1.5             # largest ratio of noise with input to noise in (A)
EXACT = 1e-3            # least relative error of a measured response
GUESSES = (0.25, 0.5, 0.7, 1, 1.4, 2, 3)    # of a + b, relative to nominal
SHORT = 0.1             # least longer time constant, in time steps
WRONG = 1.35            # a scale that is wrong by a larger factor is a fault
FEW = 1 / 0.7           # the same for readouts: all of a few may be off by 30 %
SLOW = 1.05             # the same for the median of a + b
UNLIKE = 1.4            # the same for a + b of one neuron, relative to the median
OUTLIER = 4             # the same in standard deviations of the other neurons
APART = 0.1             # the same for the difference of q in (2) from nominal
CLOSE = 0.97            # correlations above this share of the largest count as equal
FOLLOW = 0.8            # least correlation with the weights
READ = 0.4              # the same for readouts, whose neurons spike almost together
IDLE = 0.25             # responses below this share of the median count as none
FAINT = 0.02            # responses below this share of the nominal ones count as none
ODD = 2                 # ratio of a gain to the median gain from which it is a fault
UNEVEN = 1.7            # the same for readouts
LOST = 0.5              # an input with a smaller correlation does not follow
BENT = 0.5              # saturated weights: squared error, relative to linear weights
STEADY = 0.1            # potential without input spikes from which it is a fault
LARGE = 0.5             # e of (4) above this share of its maximum is a reset
TINY = 1e-300           # avoids a division by 0


class Report(NamedTuple):
    """Hold the results of `probe`.  Values that could not be measured are None.
    The function `probe` describes the fields."""
    faults: tuple
    delay: Optional[dict] = None
    after_reset: Optional[bool] = None
    gain: Optional[np.ndarray] = None
    unit: Optional[np.ndarray] = None
    noise: Optional[np.ndarray] = None
    restless: Optional[np.ndarray] = None
    silent: Optional[np.ndarray] = None
    dead: Optional[np.ndarray] = None
    tau_sum: Optional[np.ndarray] = None
    tau: Optional[np.ndarray] = None
    __repr__ = shown


class _Fit(NamedTuple):
    """Hold the results of measurement (B)."""
    lag: float              # steps
    total: np.ndarray       # (n,) a + b, steps
    q: np.ndarray           # (n,)
    error: np.ndarray       # (n, 2) of total and q
    gain: np.ndarray        # (n,)
    order: np.ndarray       # (n,), the row of W of each sample


def probe(run, m, n, k, *, scale=240.0, limit=63, unit=70.0, tau_syn=6e-6,
          tau_mem=6e-6, dt=1.7e-6, steps=40, seed=0):
    """Run test patterns on a chip, and report mistakes in its connection.

    >>> def run(weights, x):                    # a chip that does not respond
    ...     T, B, _ = x.shape
    ...     return np.zeros((T, B, 2)), np.full((T, B, 3), 80)
    >>> probe(run, 4, 2, 1).faults
    ('Samples of neurons 0 and 1 do not respond to input.',)

    Parameters
    ----------
    run : callable (weights, x) -> (spikes, samples)
        Function that runs the chip, as for `in_the_loop.record`.  `weights`
        is a NamedTuple of integer arrays, in which the recurrent weights
        are None.  The samples have the shape (T, B, n + k), or are None.
    m, n, k : int
        Numbers of inputs, hidden neurons and readouts.
    scale, limit : float and int
        Weight on the chip for a weight of 1 in the network model, and
        largest weight on the chip.
    unit : float
        Nominal number of codes, the units of the samples, from the leak
        potential to the threshold.
    tau_syn, tau_mem, dt : float
        Nominal time constants and time step, s.
    steps, seed : int
        Number of time bins, at least 24, and seed of weights and input.

    Returns
    -------
    Report
        Values that could not be measured are None.  If measurement (A) or (B)
        finds a mistake other than wrong time constants or exchanged neurons,
        measurement (C) is omitted.  If measurement (C) finds silent neurons,
        delays are not measured.

        faults       sentences; empty if no mistake was found
        delay        dict, delays of input, spikes and samples in steps, > 0 if
                     late
        after_reset  whether a sample is taken after the reset
        gain         (n,) response to input, relative to (1)
        unit         (n,) potential at the first spike
        noise        (n + k,) standard deviation, codes
        restless     (n,) bool, True if the neuron spikes if all weights are 0
        silent       (n,) bool, True if the neuron never spikes
        dead         (m,) bool, True for inputs without effect
        tau_sum      (n, 2) sum a + b, and its error, s
        tau          (n, 2) a and b, in unknown order, s
    """
    one_of("run", run, Callable)
    m, n, k, scale, limit, unit, tau_syn, tau_mem, dt, steps, seed = arrays(
        "m () int in [1, inf), n () int in [1, inf), k () int in [1, inf), scale () in "
        "(0, inf), limit () int in [1, inf), unit () in (0, inf), tau_syn () in "
        "(0, inf), tau_mem () in (0, inf), dt () in (0, inf), "
        f"steps () int in [{STEPS}, inf), seed () int in [0, inf)", m, n, k, scale,
        limit, unit, tau_syn, tau_mem, dt, steps, seed)
    rng, quiet = np.random.default_rng(seed), np.zeros((k, n), int)
    nominal = (tau_syn + tau_mem) / dt, ((tau_syn - tau_mem) / (tau_syn + tau_mem)) ** 2
    fit = _Fit(0.0, *np.full((n, 2), nominal).T, np.zeros((n, 2)), np.ones(n),
               np.arange(n))
    K = _response(*nominal, 0, steps)
    if K.argmax() == steps - 1:
        raise ValueError(
            f"tau_syn is {tau_syn!r} and tau_mem is {tau_mem!r}: must be shorter, so "
            "that the response to a spike reaches its maximum within "
            f"{steps} steps of {dt!r} s")
    if max(tau_syn, tau_mem) < SHORT * dt:
        raise ValueError(
            f"tau_syn is {tau_syn!r} and tau_mem is {tau_mem!r}: one must be at least "
            f"{SHORT * dt:.3g}, a tenth of dt")
    peak = K.max()
    weak = int(min(limit, WEAK * scale / peak))
    if weak < 1:
        raise ValueError(f"scale is {scale!r}: must be at least {peak / WEAK:.3g}, so "
                         "that a weight of 1 is weak")
    spikes, samples = _call(run, np.zeros((n, m), int), quiet, 1.0 * (
        rng.random((steps, PATTERNS, m)) < RATE))
    report = Report(tuple(_told("Neuron", spikes.any(axis=(0, 1)), "spikes", "spike",
                                " without weights")), restless=spikes.any(axis=(0, 1)))
    slow = []
    if samples is not None:
        base = samples.mean(axis=(0, 1))
        noise = (samples - samples.mean(axis=0) - samples.mean(axis=1, keepdims=True)
                 ).std(axis=(0, 1)) / unit
        count = max(ROUNDS, -(-ENOUGH // min(m, n)))
        W = rng.integers(1, weak + 1, (count, n, m)) * rng.choice(
            [-1, 1], (count, n, m))
        x = np.zeros((steps, m + 1, m))             # no spike in the last pattern
        x[START, np.arange(m), np.arange(m)] = 1
        runs = [_call(run, w, quiet, x) for w in W]
        report, fit = _weak(
            report._replace(noise=samples.std(axis=(0, 1))), fit, W, scale,
            np.stack([y[:, :, :n] - base[:n] for _, y in runs]) / unit,
            np.stack([s for s, _ in runs]), noise[:n])
        slow = _slow(fit, nominal, 1e6 * dt, ~report.restless)
        report = report._replace(
            tau_sum=np.stack([fit.total, fit.error[:, 0]], 1)[fit.order] * dt,
            tau=np.where(_apart(fit), _pairs(fit), np.nan).T[fit.order] * dt)
    if report.faults:
        return report._replace(faults=report.faults + tuple(slow))
    low = max(1, weak // 3)
    W_out = rng.integers(low, min(2 * low, limit) + 1, (k, n))
    W_out *= rng.choice([-1, 1], (k, n))
    signs = rng.choice([-1, 1], (n, m))
    signs[np.arange(n), np.arange(n) % m] = 1
    for drive in (DRIVE, 2 * DRIVE):
        W, x = _bursts(signs, limit, drive * scale / min(1.0, np.median(fit.gain)),
                       steps, fit)
        spikes, samples = _call(run, W, W_out, x)
        if spikes[:-LATE].any(axis=(0, 1)).all():
            break
    silent, fired, faults = _trains(spikes, W / scale, x, fit)
    report = report._replace(silent=silent, faults=tuple(slow + faults))
    if faults or samples is None:
        return report._replace(faults=report.faults + tuple(_moved("spikes", fired)))
    y, S = (samples - base) / unit, spikes[:, :, np.argsort(fired)]
    size, D = _resets(y[:, :, np.argsort(fit.order)], S, W / scale, x, fit)
    if D is None:
        return report._replace(faults=(
            *slow, "Neurons spike late: `steps` is too small."))
    sources = [S, spikes][:1 + (fired != np.arange(n)).any()]
    fits = [_readouts(y[:, :, n:], a @ (W_out / scale).T, [nominal] + [
        (np.median(fit.total), np.median(fit.q))] * bool(slow), D, noise[n:])
        for a in sources]
    which = int(np.argmax([f[0] for f in fits]))
    _, R, sent, total, faults = fits[which]
    faults = slow + _neurons(fit.order, fired, which) + faults
    report = report._replace(faults=tuple(faults), unit=size[fit.order])
    if not sent.any():
        return report
    L, after = round(fit.lag), R == D + 1                                  # (5)
    if max(abs(L), abs(R)) >= LAGS[-1] or D not in LAGS:
        return report._replace(faults=(
            *faults,
            "The delays of input, spikes or samples are too large to measure."))
    if total > SLOW * nominal[0] or nominal[0] > SLOW * total:
        faults.append(f"The time constants of the readouts add up to about "
                      f"{total * 1e6 * dt:.0f} µs, and nominally to "
                      f"{nominal[0] * 1e6 * dt:.1f} µs.")
    late, told = _delays(L, R)
    faults += told + ["Each sample is taken after the reset of its step."] * after
    if R - D not in (0, 1):
        faults.append("The delays of spikes, samples and readouts do not agree.")
    faults += _scales(np.median(fit.gain), np.median(size), np.median(np.abs(sent)))
    if (sent < 0).all():
        faults.append("Readout weights or samples of readouts have the opposite sign.")
    else:
        ratio = np.abs(sent) / np.median(np.abs(sent))
        faults += _told("Readout", sent < 0, "acts", "act", " with the opposite sign")
        faults += _told("Readout", np.maximum(ratio, 1 / ratio) > UNEVEN,
                        "responds",
                        "respond", " more or less strongly than the other readouts by "
                        f"a factor above {UNEVEN}")
    return report._replace(faults=tuple(faults), delay=late, after_reset=after)


def _pairs(fit):
    """Return the time constants a >= b."""
    root = np.sqrt(np.maximum(fit.q, 0))
    return fit.total / 2 * np.stack([1 + root, 1 - root])


def _far(scale, factor=WRONG):
    """Return whether a ratio is a fault."""
    return not 1 / factor < scale < factor


def _call(run, W, W_out, x):
    """Return checked spikes and samples."""
    result = run(_WEIGHTS(W, None, W_out), x)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(f"run returned a {type(result).__name__}: must be a pair, "
                         "(spikes, samples)")
    (T, B, _), n = x.shape, len(W)
    spikes, samples = arrays(f"run.spikes {(T, B, n)} in [0, inf), run.samples? "
                             f"{(T, B, n + len(W_out))}", *result, dtype=np.float64)
    if (spikes != np.rint(spikes)).any():
        raise ValueError("run.spikes holds fractions: must hold numbers of spikes")
    return spikes, samples


def _told(name, which, one, many, rest):
    """Describe the True entries of a mask."""
    *first, last = map(str, np.flatnonzero(which)) if which.any() else ("",)
    if not last:
        return []
    listed = f"{', '.join(first)} and {last}" if first else last
    return [f"{name}{'s' * bool(first)} {listed} {many if first else one}{rest}."]


# ---- time constants

def _response(total, q, lag, T, start=START):
    """Return K of eq. (2)."""
    A = 2 / (total * (1 - q))
    D = A * np.sqrt(complex(q or 1e-12))            # imaginary if q < 0
    s = np.maximum(np.arange(T) - start - 1 - lag, 0)
    return (np.exp(-A * (s - 1)) * np.sinh(D * s) / np.sinh(D)).real      # (2)


def _centred(a):
    """Subtract the mean over time, axis 0."""
    return a - a.mean(axis=0)


def _fitted(u, deviation, total, lag=None):
    """Fit eq. (2) to one response."""
    def difference(p):
        K = _centred(_response(np.exp(p[0]), p[1], p[2] if lag is None else lag,
                               len(u)))
        return (u - (K @ u) / (K @ K) * K) / deviation

    guesses = [(np.log(total * f), q, shift) for f in GUESSES for q in (0.0, 0.6)
               for shift in (LAGS if lag is None else (lag,))]
    first = min(guesses, key=lambda p: np.sum(difference(p) ** 2))
    free = slice(3 if lag is None else 2)
    low = np.array([first[0] - 1.5, -1, -5])
    high = np.array([first[0] + 1.5, 0.95, 5])
    found = optimize.least_squares(difference, first[free], bounds=(
        low[free], high[free]), x_scale=0.1)
    errors = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac)))
    p = found.x
    return [np.exp(p[0]), *p[1:]], [np.exp(p[0]) * errors[0], *errors[1:]]


def _apart(fit):
    """Return whether the time constants differ."""
    return fit.q > 2 * fit.error[:, 1]


def _slow(fit, nominal, us, live):
    """Describe wrong time constants."""
    def middle(values, errors):         # of a median
        spread = values.std() / np.sqrt(max(len(values) - 1, 1))
        return np.median(values), 1.25 * max(spread, np.median(errors) / np.sqrt(
            len(values)))

    (total, d_total), (q, d_q) = (middle(a, e) for a, e in zip(
        (fit.total, fit.q), fit.error.T, strict=True))
    long = abs(total - nominal[0]) > max(3 * d_total, (SLOW - 1) * nominal[0])
    wide = abs(q - nominal[1]) > max(3 * d_q, APART)
    a, b = (total / 2 * (1 + sign * np.sqrt(max(q, 0))) * us for sign in (1, -1))
    one, two = (nominal[0] / 2 * (1 + sign * np.sqrt(nominal[1])) * us
                for sign in (1, -1))
    faults = []
    if long:
        faults.append(f"The time constants add up to {total * us:.1f} ± "
                      f"{d_total * us:.1f} µs, and nominally to {nominal[0] * us:.1f} "
                      "µs.")
    if q > 2 * d_q and (long or wide):
        faults.append(f"The time constants are {a:.1f} and {b:.1f} µs in unknown "
                      f"order, and nominally {one:.1f} and {two:.1f} µs.")
    elif wide:
        faults.append("The two time constants are equal within the error, and "
                      f"nominally {one:.1f} and {two:.1f} µs.")
    away = np.abs(np.log(fit.total / total))
    spread = np.median(away) / 0.6745           # of a normal distribution
    odd = live[fit.order] & (away > max(np.log(UNLIKE), OUTLIER * spread)) & (
        np.abs(fit.total - total) > 2 * fit.error[:, 0])
    return faults + _told("Neuron", odd, "has", "have", " time constants that add up "
                          "to " + ", ".join(f"{t * us:.1f}" for t in fit.total[odd])
                          + f" µs, while the median is {total * us:.1f} µs")


# ---- measurement (B)

def _weak(report, fit, W, scale, y, spikes, noise):
    """Evaluate measurement (B)."""
    count, T, _, n = y.shape
    live, nominal = ~report.restless, fit
    if not live.any():
        return report, fit
    faults = _always(y[:, :, -1], spikes[:, :, -1], W / scale, live, noise, fit)
    if faults:
        return report._replace(faults=report.faults + tuple(faults)), fit
    Y = y[:, :, :-1] - y[:, :, -1:].mean(axis=0)
    Y = _centred(np.concatenate(Y, axis=1))                 # (T, R m, n)
    A = np.concatenate(W / scale, axis=1)                   # (n, R m)
    K = _centred(_response(fit.total[0], fit.q[0], 0, T))
    U, sizes, _ = np.linalg.svd(Y.transpose(2, 0, 1), full_matrices=False)
    rows = sizes[:, 0] / (np.linalg.norm(K) * np.linalg.norm(A, axis=1))
    floor = noise * (np.sqrt(T) + np.sqrt(A.shape[1])) / (
        np.linalg.norm(K) * np.linalg.norm(A, axis=1))
    idle = (rows < np.maximum(max(IDLE * np.median(rows), FAINT), 2 * floor)) & live
    if idle.any():
        told = _told("neuron", idle, "do", "do", " not respond to input")
        return report._replace(faults=(*report.faults, f"Samples of {told[0]}")), fit
    shapes = U[:, :, 0] * np.sign(np.take_along_axis(
        U[:, :, 0], np.abs(U[:, :, 0]).argmax(1)[:, None], 1))
    errors = np.maximum(noise / sizes[:, 0], EXACT * np.abs(shapes).max(axis=1))
    total = nominal.total[0]
    lag = np.median([_fitted(u, e, total)[0][2] for u, e in zip(
        shapes[live], errors[live], strict=True)])
    fits = [_fitted(u, e, total, lag) for u, e in zip(shapes, errors, strict=True)]
    (total, q), error = np.transpose([p for p, _ in fits]), np.array(
        [e for _, e in fits])
    K = np.stack([_centred(_response(t, s, lag, T)) for t, s in zip(
        total, q, strict=True)], axis=1)                    # (T, n)
    g = np.einsum("ti,tbi->ib", K, Y) / (K ** 2).sum(axis=0)[:, None]     # (3)
    fit = _Fit(float(lag), total, q, error, np.ones(n), np.arange(n))
    known = (g ** 2).sum(axis=1) * (K ** 2).sum(axis=0)
    rest = (Y ** 2).sum(axis=(0, 1)) - known - NOISY * T * A.shape[1] * noise ** 2
    if np.median((rest / known)[live]) > 1 / SHAPE - 1:
        return report._replace(faults=(
            *report.faults, "Responses do not have the shape of eq. (2), that of a "
            "neuron with two time constants.")), fit
    g, W = g.reshape(n, count, -1), (W / scale).transpose(1, 0, 2)
    order, like = _paired(*(np.where(live[:, None], a.reshape(n, -1), W.reshape(n, -1))
                            for a in (g, W)))
    if np.median(np.abs(like)) >= FOLLOW and (np.sort(order) == np.arange(n)).all():
        back = np.argsort(order)                            # samples in the order of W
        g, live = g[back], live[back]
        fit = fit._replace(total=total[back], q=q[back], error=error[back], order=order)
    columns = (np.sqrt((a[live] ** 2).mean(axis=(0, 1))) for a in (g, W))
    dead = np.divide(*columns) < max(IDLE * np.median(rows), FAINT)
    faults = [*_told("Input", dead, "has", "have", " no effect"),
              *_order(g, W, live, dead)]
    report = report._replace(dead=dead)
    if not faults:
        level, faults = _saturation(g, W, scale)
        gain = (g * W).sum(axis=(1, 2)) / (W ** 2).sum(axis=(1, 2))
        fit, report = fit._replace(gain=gain), report._replace(gain=gain[fit.order])
        odd = live & ((gain > ODD * np.median(gain)) | (gain < np.median(gain) / ODD))
        faults = faults or _told(
            "Neuron", odd, "responds", "respond", " more or less strongly than the "
            f"other neurons by a factor above {ODD}")
    return report._replace(faults=report.faults + tuple(faults)), fit


def _always(y, spikes, W, live, noise, fit):
    """Describe a response without input."""
    decay = np.exp(-1 / _pairs(fit)).max(axis=0)
    columns = W[:, live].reshape(-1, W.shape[2])
    least = 3 * np.sqrt((noise ** 2).mean())
    early, steady = ((y + spikes / (1 - decay))[:, :T, live].mean(axis=1).ravel()
                     for T in (START, None))
    if np.sqrt((steady ** 2).mean()) < max(STEADY, least):
        return []
    for level in (early, steady):       # the steady potential may be out of range
        if np.sqrt((level ** 2).mean()) < least:
            continue
        rest, chosen = level, []
        for _ in range(min(3, W.shape[2])):
            match = np.abs(columns.T @ rest) / np.linalg.norm(columns, axis=0)
            chosen.append(int(match.argmax()))
            part = columns[:, chosen]
            rest = level - part @ np.linalg.lstsq(part, level, rcond=None)[0]
            if (rest ** 2).sum() < (1 - FOLLOW) * (level ** 2).sum():
                which = np.isin(np.arange(W.shape[2]), chosen)
                return _told("Input", which, "is", "are", " always on")
    return ["Neurons respond although there are no input spikes."]


def _paired(a, b):
    """Assign rows of a to rows of b."""
    a, b = (rows - rows.mean(axis=1, keepdims=True) for rows in (a, b))
    sizes = (np.sqrt((rows ** 2).sum(axis=1)) for rows in (a, b))
    correlation = a @ b.T / np.maximum(np.outer(*sizes), TINY)
    best, rows = np.abs(correlation).argmax(axis=1), np.arange(len(a))
    own = np.abs(np.diagonal(correlation)) >= CLOSE * np.abs(correlation[rows, best])
    best = np.where(own, rows, best)
    return best, correlation[rows, best]


def _moved(what, order):
    """Describe an exchange of neurons."""
    wrong = np.flatnonzero(order != np.arange(len(order)))
    if not wrong.size or (np.sort(order) != np.arange(len(order))).any():
        return []
    pairs = ", ".join(f"{i} are those of {order[i]}" for i in wrong)
    return [f"The {what} of {pairs}."]


def _ordered(what, a, b, least=FOLLOW):
    """Describe unlike rows of a and b."""
    order, correlation = _paired(a, b)
    if np.median(np.abs(correlation)) < least:
        return [f"The {what} do not follow from the weights."]
    return _moved(what, order)


def _order(g, W, live, dead):
    """Describe a wrong order or sign."""
    g, W = (np.where(live[:, None, None], a, W) for a in (g, W))
    order, like = _paired(*(a.reshape(len(a), -1) for a in (g, W)))
    straight = np.median(np.abs(like)) >= FOLLOW
    sign = np.where(straight & (like < 0), -1, 1)
    sizes = np.sqrt((g ** 2).mean(axis=(1, 2)))
    scaled = (g * (sign / sizes)[:, None, None], W)
    inputs, fits = _paired(*(a[live].transpose(2, 0, 1).reshape(a.shape[2], -1)
                             for a in scaled))
    known = ~dead
    inputs = np.where(known, inputs, np.arange(len(inputs)))
    if straight and (sign < 0).all():
        return ["Hidden weights or samples of neurons have the opposite sign."]
    if np.median(np.abs(fits[known])) >= FOLLOW:
        lost = known & (np.abs(fits) < LOST)
        turned = known & (fits < 0) & ~lost
        if turned.all():
            return ["Hidden weights or samples of neurons have the opposite sign."]
        return (_told("Hidden weights or samples of neuron", sign < 0, "have", "have",
                      " the opposite sign")
                + _exchanged(np.where(lost, np.arange(len(inputs)), inputs))
                + _told("Input", turned, "acts", "act", " with the opposite sign")
                + _told("Input", lost, "does", "do", " not follow from the weights"))
    if len(g) == g.shape[2] and np.median(np.abs(_paired(
            g.reshape(len(g), -1), W.transpose(2, 1, 0).reshape(len(g), -1))[1])
            ) >= FOLLOW:
        return ["The matrix of the hidden weights is transposed."]
    return [] if straight else ["The samples do not follow from the weights."]


def _exchanged(order):
    """Describe an exchange of inputs."""
    wrong = np.flatnonzero(order != np.arange(len(order)))
    if not wrong.size:
        return []
    pairs = ", ".join(f"{i} acts with the weights of input {order[i]}" for i in wrong)
    return [f"Input {pairs}."]


def _saturation(g, W, scale):
    """Return the saturation level, and its description."""
    def error(bent):                # of a gain for each neuron
        part = (g * bent).sum(axis=(1, 2)) ** 2 / (bent ** 2).sum(axis=(1, 2))
        return ((g ** 2).sum() - part.sum()) / (g ** 2).sum()

    most = np.abs(W).max()
    levels = np.unique(np.rint(np.linspace(1, scale * most, 64)))[:-1] / scale
    linear = error(W)
    kinds = [("Weights", -1, 1), ("Positive weights", -np.inf, 1),
             ("Negative weights", -1, np.inf)]
    found = [(error(np.clip(W, low * level if low > -np.inf else -most,
                            high * level if high < np.inf else most)), level, name)
             for name, low, high in kinds for level in levels]
    least = min(found, default=(1, 0, ""))
    both = min((f for f in found if f[2] == "Weights"), default=least)
    if both[0] < 1.5 * least[0]:
        least = both
    if linear < EXACT ** 2 or least[0] > BENT * linear:
        return None, []
    return least[1], [f"{least[2]} saturate at {round(scale * least[1])}."]


# ---- measurement (C)

def _potential(drive, alpha, beta):
    """Return v of eq. (1)."""
    v, syn = np.zeros(drive.shape), np.zeros(drive.shape[1:])
    for t in range(len(drive) - 1):
        v[t + 1] = beta * v[t] + syn
        syn = alpha * syn + drive[t]                                       # (1)
    return v


def _late(a, lag):
    """Shift an array in time."""
    T, zeros = len(a), np.zeros_like(a)
    return np.concatenate([zeros, a, zeros])[T - lag:2 * T - lag]


def _bursts(signs, limit, scale, T, fit):
    """Return the weights and patterns of (C)."""
    n, m = signs.shape
    x, own = np.zeros((T, n, m)), (signs > 0).sum(axis=1, keepdims=True)
    x[START:] = np.maximum(signs, 0)
    gap = np.prod(1 - np.exp(-1 / _pairs(fit)), axis=0)[:, None]
    steady = own / gap                                      # of eq. (1), weights 1
    return signs * np.rint(np.clip(scale / steady, 1, limit)).astype(int), x


def _trains(spikes, W, x, fit):
    """Compare spike counts with nominal neurons."""
    alpha, beta = np.exp(-1 / _pairs(fit))
    drive, counts = x @ W.T, 0.0
    v, syn = np.zeros((2, *drive.shape[1:]))
    for t in range(len(x)):
        fired = 1.0 * (v > 1)
        counts = counts + fired
        v = beta * v + syn - fired
        syn = alpha * syn + drive[t]
    silent = ~spikes.any(axis=(0, 1))
    faults = _told("Neuron", silent, "never spikes", "never spike", "")
    own = np.arange(len(silent))
    if faults or not np.ptp(counts, axis=0).all():      # the patterns do not differ
        return silent, own, faults
    order, like = _paired(spikes.sum(axis=0).T, counts.T)
    if np.median(np.abs(like)) < FOLLOW:
        faults = ["The spikes do not follow from the weights."]
    return silent, order if (np.sort(order) == own).all() else own, faults


def _resets(y, spikes, W, x, fit):
    """Return unit and the lag D."""
    drive = _late(x @ W.T, round(fit.lag)) * fit.gain
    decays = np.exp(-1 / _pairs(fit))

    def drops(alpha, beta):
        e, syn = np.zeros((2, *y.shape))
        for t in range(len(y) - 1):
            syn[t + 1] = alpha * syn[t] + drive[t]
        expected = beta * y[:-1] + syn[:-1]                                # (4)
        e[:-1] = expected - y[1:]
        e[-len(LAGS):] = 0                      # samples may be missing there
        return e

    # In the right order of the time constants, e is large at few steps only.
    e = max((drops(*decays), drops(*decays[::-1])),
            key=lambda e: np.sum(e ** 2) / np.sum(np.abs(e)) ** 2)
    first, drop = (spikes > 0).argmax(axis=0), (e > LARGE * e.max(axis=0)).argmax(
        axis=0)
    some = spikes[:-LATE].any(axis=0)          # spikes of (pattern, neuron)
    if not some.any(axis=0).all():
        return None, None
    D = int(np.median((drop - first)[some]))
    peak = np.maximum(y, _late(y, 1))       # sample t may follow the reset of step t
    at = np.clip(first + D, 0, len(y) - 1)[None]
    peak = np.take_along_axis(peak, at, 0)[0]
    return np.array([np.median(row[own]) for row, own in zip(
        peak.T, some.T, strict=True)]), D


def _readouts(y, drive, constants, D, noise):
    """Compare readouts with eq. (1)."""
    T, (_, B, k) = len(y), drive.shape
    late = np.arange(T)[:, None] - np.arange(T)

    def predicted(total, q):
        K = np.append(_response(total, q, 0, T, 0), 0)      # 0 at negative times
        return (K[np.where(late < 0, T, late)] @ drive.reshape(T, -1)).reshape(T, B, k)

    # Codes may be cut off at the smallest and at the largest code.
    ends = ((y == y.min(axis=(0, 1))) | (y == y.max(axis=(0, 1)))).any(axis=2)
    inside = ~(ends | _late(ends, 1))
    inside[-len(LAGS):] = False

    def rows(a):                            # changes from step to step
        return np.diff(a, axis=0, prepend=0)[inside].T

    size, v = y.std(axis=(0, 1)), predicted(*constants[0])
    silent = size < np.maximum(2 * noise, max(
        IDLE * np.median(size), FAINT * np.median(v.std(axis=(0, 1)))))
    if silent.any():
        return 0, 0, np.zeros(k), 0.0, _told("Readout", silent, "does", "do",
                                             " not respond to spikes")
    found, measured = [], rows(y)
    totals = constants[0][0] * np.geomspace(0.3, 3.3, 32)
    for total, q in constants + [(total, q) for total in totals for q in (0.0, 0.3)]:
        v = predicted(total, q)
        for lag in LAGS:
            for half in (0, 1):
                sent = rows((_late(v, lag) + _late(v, lag - half)) / 2)
                _, like = _paired(measured, sent)
                found.append((np.abs(like).sum(), lag, total, q, sent))
    best = max(score for score, *_ in found)
    given = found[:2 * len(LAGS) * len(constants)]
    if max(score for score, *_ in given) < CLOSE * best:
        given = found
    _, _, total, q, _ = max(given, key=lambda f: f[0])
    score, lag, _, _, sent = min(
        (f for f in given if f[2:4] == (total, q) and f[0] > CLOSE * best),
        key=lambda f: (f[1] != D, -f[0]))
    order, like = _paired(measured, sent)
    gain = (measured * sent[order]).sum(axis=1) / (sent[order] ** 2).sum(axis=1)
    if np.median(np.abs(like)) < READ:
        return 0, 0, np.zeros(k), 0.0, ["The readouts do not follow from the weights."]
    return score, lag, gain, total, _moved("readouts", order)


def _neurons(samples, spikes, reported):
    """Describe exchanged neurons."""
    if (samples != spikes).any():
        return _moved("samples", samples) + _moved("spikes", spikes)
    told = [text[4:-1] for text in _moved("samples", samples)]
    rows = ["Rows of the hidden weights are exchanged:",
            "or spikes, samples and the columns of the readout weights are exchanged"]
    both = ["Neurons are exchanged in spikes and samples:",
            "or the rows of the hidden and the columns of the readout weights are "
            "exchanged"]
    head, tail = rows if reported else both
    return [f"{head} {text.partition(' of ')[2]}; {tail}." for text in told]


def _scales(drive, threshold, readout):
    """Describe wrong scales."""
    measured = np.log(np.maximum([drive, threshold, readout], TINY))
    causes = {          # which of the three the cause changes
        (1, 1, 1): "Codes are {0:.2f} times as large as described; or weights and "
                   "thresholds are.",
        (1, 0, 1): "Weights are {0:.2f} times as strong as described; or codes are, "
                   "and thresholds are {1:.2f} times as high.",
        (0, 1, 0): "Thresholds are {0:.2f} times as high as described; or codes of "
                   "neurons are {0:.2f} times as large, and hidden weights are "
                   "{1:.2f} times as strong.",
        (1, 0, 0): "Hidden weights are {0:.2f} times as strong as described; or codes "
                   "of neurons are, and thresholds are {1:.2f} times as high.",
        (0, 0, 1): "Readout weights are {0:.2f} times as strong as described; or codes "
                   "of readouts are."}
    if not any(map(_far, np.exp(measured))):
        return []
    found = []
    for changed, text in causes.items():
        scale = measured @ changed / sum(changed)
        rest = measured - scale * np.array(changed)
        found.append((np.abs(rest).max(), np.exp(scale), changed, text))
    rest, scale, changed, text = min(found)
    if _far(np.exp(rest)) or scale < FAINT:
        return [f"In codes, responses to input are {drive:.2f} times, thresholds "
                f"{threshold:.2f} times and readouts {readout:.2f} times as large as "
                "described."]
    far = _far(scale, FEW if changed == (0, 0, 1) else WRONG)
    return [text.format(scale, 1 / scale)] if far else []


def _delays(L, R):
    """Return and describe the delays, eq. (5)."""
    late = {"input": L * (L != R), "spikes": -R * (L != R), "samples": L * (L == R)}
    many = [{"input": L - s, "spikes": s - R, "samples": s} for s in {0, L, R}]    # (5)
    count = sum(d != 0 for d in late.values())
    equal = [late] if count < 2 else [d for d in many if sum(
        v != 0 for v in d.values()) == count]

    def told(name, d):
        many = "s" * (abs(d) > 1)
        return f"{name} come{'s' * (name == 'input')} {abs(d)} step{many} " \
               f"{'late' if d > 0 else 'early'}"

    each = [" and ".join(told(name, d) for name, d in delays.items() if d)
            for delays in equal]
    text = ", or ".join(filter(None, each))
    return late, [text[0].upper() + text[1:] + "."] if text else []
