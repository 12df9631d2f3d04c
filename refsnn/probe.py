# refsnn 0.1.0 | probe.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Detect errors of a neuromorphic chip and of its control software.

For example, two neurons may be exchanged, or spikes may be delayed.  The
user supplies a function run(weights, x), which runs a real or emulated
chip.  The function `run` returns the output spikes and the sampled
membrane potentials.  The chip has m inputs, n hidden neurons (weights W),
and k readout neurons (weights W_out).  The results are compared with
model neurons, whose synaptic current I and membrane potential v follow

    I[t+1] = alpha I[t] + W x[t],  v[t+1] = beta v[t] + I[t]          (1)

Let a and b be the two time constants of a neuron in time steps, in unknown
order.  A single input spike with W = 1 causes the membrane potential K(s),
s steps after the last step with v = 0:

    K(s) = exp(-A (s - 1)) sinh(D s) / sinh(D) for s > 0, otherwise 0,
    A = 2 / ((a + b) (1 - q)),  D = A sqrt(q),
    q = ((a - b) / (a + b))^2                                         (2)

The measured potentials are y = (sample - rest) / unit.  Here, `rest` is
the mean sampled potential of a neuron if all weights are 0.  The argument
`unit` is the nominal threshold.  `probe` makes three measurements:

(A) All weights are 0.  Neurons that spike nevertheless are called
    restless.  The noise of a neuron or readout is the standard deviation
    of its sampled membrane potential.

(B) In test pattern j, input j spikes once, and all other inputs are
    silent.  An additional pattern has no input spikes.  If neurons respond
    while all inputs are silent, `probe` searches for inputs that are
    always active.  For each of at least three sets of weak random weights
    W, all patterns are run on the chip.  All responses of a neuron have
    the same time course up to a factor.  For each neuron, the first
    singular vector of all responses estimates the common time course.  A
    least-squares fit of (2) gives the sum a + b, the parameter q, and the
    delay of the response.  The lag L is the median delay.  The measured
    weight of neuron i for input j is

        g_ij = sum_t y_ij[t] K_i[t] / sum_t K_i[t]^2                  (3)

    Here, K_i is the fitted response of neuron i.  The means over time are
    subtracted from y_ij and K_i.  To test whether neurons are in a wrong
    order, `probe` correlates each row of the measured weights g with all
    rows of W.  The row of g is assigned to the row of W with the largest
    absolute correlation.  To test whether inputs are in a wrong order,
    `probe` assigns each column of g to the column of W with the largest
    absolute correlation.  Then g is compared with the weights W, and with
    modified weights: |W|, max(W, 0), min(W, 0) and clipped weights.  If a
    modified version of W, such as |W|, predicts the measured weights g
    much better than W does, the report names the modification.

(C) The whole chip receives n test patterns, where n is the number of
    neurons.  In test pattern i, all inputs with a positive weight to
    neuron i spike in each step from step 4 on.  Therefore, neuron i
    spikes.  If a neuron spikes too late or never, all patterns are run
    once more with larger synaptic weights.  Let S be the recorded spikes.
    The current I is computed by eq. (1) with the measured time constants
    and gain.  Before the current I is computed, the input spikes x are
    delayed by the lag L.  A spike lowers the potential by

        e[t] = beta y[t] + I[t] - y[t+1]                              (4)

    A step with a large drop e[t] is called a reset.  In one pattern, let r
    be the step of a neuron's first reset, and let f be the step of its
    first recorded spike.  The lag D is the median of r - f over all
    neurons and patterns.  The estimated threshold of a neuron is the mean
    of a lower and an upper bound.  The two bounds of a neuron's threshold
    are computed from all patterns in which this neuron spikes:

        max y[t] for t <= r,  min beta y[r] + I[r]                    (5)

    On chips that work in steps and sample before the reset, y[r] itself
    exceeds the threshold.  On these chips, the bounds are max y[t] for t <
    r and min y[r] instead of (5).  `probe` chooses the bounds that
    contradict each other less.  The readouts are predicted from W_out and
    S by eq. (1).  The lag R maximises the correlation between the
    predicted and the measured changes of the readouts in a time step.  If
    several predictions are nearly equally accurate, `probe` prefers the
    nominal time constants or the medians from (B), and then R = D.  The
    signs of W_out are reported as lost only if |W_out| gives clearly
    better predictions.

A chip may return the spikes or samples of the previous or next pattern.
If two mistakes explain the results almost equally well, the report names
both mistakes.  The thresholds and delays are measured only if the chip
resets its neurons before each input pattern.  If more than 10 % of the
neurons' resets have no recorded spike, the delays are not measured.  If
the samples of a neuron or readout are clipped at a level close to `rest`,
the report names the neuron or readout.

Derivation.  Eq. (2) is (alpha^s - beta^s) / (alpha - beta) with alpha =
    exp(-1/a) and beta = exp(-1/b).  Eq. (2) is symmetric in a and b.
    Therefore (B) cannot tell the two time constants apart.  A neuron does
    not spike before its potential exceeds the threshold.  Therefore the
    samples up to step r are lower bounds of the threshold.  Without the
    reset, the potential at step r + 1 would be beta y[r] + I[r], which is
    an upper bound.  Let `input`, `spikes` and `samples` be delays in time
    steps.  Let `after` be 1 if each sample is taken after the reset of its
    time step, otherwise 0.  The lags are

    L = input + samples,  R = samples - spikes,
    D = samples - spikes - after                                      (6)

    The report lists the solutions of (6) with the fewest nonzero delays.
Approximate.  Delays can be measured only if the lags in (6) satisfy
    |L| <= 2, |R| <= 2 and |D| <= 3.  If the chip returns no membrane
    potentials, measurement (B) is omitted.  Without membrane potentials,
    measurement (C) compares only the spike counts of chip neurons and
    model neurons.  The gain or threshold of one neuron is reported only if
    it differs from the median by a factor of 2 or more.  If inputs and
    neurons are both in a wrong order, the report may be wrong.
Cost.   Measurement (B) uses N = max(3, 12/min(m, n)) sets of weights,
    where N is rounded up.  The function `run` is called at most N + 3
    times, with at most N (m + 1) + 2 n + 32 patterns in total.
Departures.  No publication describes these measurements.
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
_FIT = namedtuple("_FIT", "lag total q error gain order")        # results of (B)
START, STEPS = 4, 24    # first step with input in (B) and (C), least number of steps
PATTERNS, RATE = 32, 0.3        # in (A): number, and probability of an input spike
WEAK, DRIVE = 0.4, 2.5  # in thresholds: largest potential in (B), steady one in (C)
LAGS, LATE = range(-3, 4), 14   # in steps; last steps of (C) that are not used
ROUNDS, ENOUGH = 3, 12  # least number of sets of weights in (B), and of measurements
SHAPE, NOISY = 0.9, 1.5         # least share that (2) explains, and most more noise
EXACT, TINY = 1e-3, 1e-300      # least relative error of a response; is not 0
GUESSES = (0.25, 0.5, 0.7, 1, 1.4, 2, 3)    # of a + b, relative to nominal
WRONG, FEW = 1.35, 1 / 0.7      # larger scales are faults; of all of a few readouts
SLOW, UNLIKE = 1.05, 1.4        # the same for a + b: median, and one neuron relative
OUTLIER = 4             # to it; in standard deviations of the other neurons
ODD, UNEVEN = 2, 1.7    # the same for a gain, and a readout, relative to the median
APART = 0.1             # the same for the difference of q in (2) from nominal
CLOSE = 0.97            # correlations above this share of the largest count as equal
ALIKE = 1.25            # as do unexplained variances up to this multiple of the least
FOLLOW, READ, LOST = 0.8, 0.6, 0.5      # least correlations: in general, of readouts
IDLE, FAINT = 0.25, 0.02        # no response: share of the median, of the nominal one
STEADY = 0.1            # potential without input spikes from which it is a fault
BENT, LARGE = 0.5, 0.5  # largest ratio of squared errors; of e (4) for no reset
MISSED, OFTEN = 0.1, 0.25       # faulty shares: resets without spike, cut off samples
OTHERS = {1: "previous", -1: "next"}        # patterns whose results may be returned
UNKNOWN = "The delays of input, spikes or samples are too large to measure."


class Report(NamedTuple):
    """Unmeasured values are None.  The function `probe` describes the fields."""
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


def probe(run, m, n, k, *, scale=240.0, limit=63, unit=70.0, tau_syn=6e-6,
          tau_mem=6e-6, dt=1.7e-6, steps=40, seed=0):
    """Test a chip, and report errors such as delayed spikes or swapped inputs.

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
    m, n, k : int, numbers of inputs, hidden neurons and readouts
    scale, limit : float and int
        Weight on the chip for a weight of 1 in the model, and largest weight.
    unit : float
        Nominal number of ADC codes from the leak potential to the threshold.
    tau_syn, tau_mem, dt : float, nominal time constants and time step, s
    steps, seed : int
        Number of time bins, at least 24, and seed of weights and input.

    Returns
    -------
    Report
        If measurement (A) or (B) finds a mistake other than wrong time
        constants or exchanged neurons, measurement (C) is omitted.  If
        measurement (C) finds silent neurons, delays are not measured.

        faults       sentences on mistakes, or on samples after the reset
        delay        dict, steps by which input, spikes and samples are late
        after_reset  whether a sample is taken after the reset
        gain         (n,) response to input, relative to (1)
        unit         (n,) threshold of (5)
        noise        (n + k,) standard deviation, codes
        restless     (n,) bool, True if the neuron spikes if all weights are 0
        silent       (n,) bool, True if the neuron never spikes
        dead         (m,) bool, True for inputs without effect
        tau_sum      (n, 2) sum a + b, and its error, s
        tau          (n, 2) a and b, in unknown order, s; NaN if unresolved
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
    fit = _FIT(0.0, *np.full((n, 2), nominal).T, np.zeros((n, 2)), np.ones(n),
               np.arange(n))
    K = _response(*nominal, 0, steps)
    given = f"tau_syn is {tau_syn!r} and tau_mem is {tau_mem!r}:"
    if K.argmax() == steps - 1:
        raise ValueError(f"{given} must be shorter, so that the response to a spike "
                         f"reaches its maximum within {steps} steps of {dt!r} s")
    if max(tau_syn, tau_mem) < 0.1 * dt:
        raise ValueError(f"{given} one must be at least {0.1 * dt:.3g}, a tenth of dt")
    weak = int(min(limit, WEAK * scale / K.max()))
    if weak < 1:
        raise ValueError(f"scale is {scale!r}: must be at least {K.max() / WEAK:.3g}, "
                         "so that a weight of 1 is weak")
    spikes, samples = _call(run, np.zeros((n, m), int), quiet, 1.0 * (
        rng.random((steps, PATTERNS, m)) < RATE))
    restless = spikes.any(axis=(0, 1))
    report = _add(Report((), restless=restless), *_told(
        "Neuron", restless, "spikes/spike", " without weights"))
    slow = []
    if samples is not None:
        base = samples.mean(axis=(0, 1))
        noise = (samples - samples.mean(axis=0) - samples.mean(axis=1, keepdims=True)
                 ).std(axis=(0, 1)) / unit
        size = max(ROUNDS, -(-ENOUGH // min(m, n))), n, m
        W = rng.integers(1, weak + 1, size) * rng.choice([-1, 1], size)
        x = np.zeros((steps, m + 1, m))             # no spike in the last pattern
        x[START, np.arange(m), np.arange(m)] = 1
        runs = [_call(run, w, quiet, x) for w in W]
        report, fit = _weak(
            report._replace(noise=samples.std(axis=(0, 1))), fit, W, scale,
            np.stack([y - base for _, y in runs]) / unit,
            np.stack([s for s, _ in runs]), noise, unit)
        slow = _slow(fit, nominal, 1e6 * dt, ~report.restless)
        report = report._replace(
            tau_sum=np.stack([fit.total, fit.error[:, 0]], 1)[fit.order] * dt,
            tau=np.where(fit.q > 2 * fit.error[:, 1], _pairs(fit.total, fit.q),
                         np.nan).T[fit.order] * dt)
    if report.faults:
        return _add(report, *slow)
    report = _add(report, *slow)
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
    if samples is not None:
        y = (samples - base) / unit
        carried, faults = _edges(y, noise, n, WEAK * min(1.0, np.median(fit.gain)))
        report = _add(report, *faults)
        if carried:
            return report
    silent, guesses, faults = _trains(spikes, W / scale, x, fit)
    report = _add(report._replace(silent=silent), *faults)
    if faults or samples is None:
        return _add(report, *_either(text for _, _, text in guesses))
    found = [(*_resets(y[:, :, np.argsort(fit.order)], S, W / scale, x, fit), S)
             for S in (np.roll(spikes, -other, axis=1)[:, :, np.argsort(order)]
                       for order, other, _ in guesses)]
    if found[0][1] is None:
        return _add(report, "Neurons spike late: `steps` is too small.")
    least = min(missed for _, _, missed, _ in found) + 1 - CLOSE
    guesses = [guess for guess, f in zip(guesses, found, strict=True) if f[2] <= least]
    bounds, D, missed, S = next(f for f in found if f[2] <= least)
    size, near = bounds.mean(axis=0), np.median(np.clip(1, *np.sort(bounds, axis=0)))
    report = report._replace(unit=size[fit.order])                         # (5)
    L, far = round(fit.lag), max(LAGS)
    if max(abs(L), abs(D) - 1) >= far:
        return _add(report, *_neurons(fit.order, guesses, False), UNKNOWN)
    if missed > MISSED:
        return _add(report, *_neurons(fit.order, guesses, False), f"About "
                    f"{100 * missed:.0f} % of the resets have no recorded spike.")
    sources = [S, spikes][:1 + (guesses[0][0] != np.arange(n)).any()]
    pairs = [nominal] + [(np.median(fit.total), np.median(fit.q))] * bool(slow)
    plain, lost = (max(((*_readouts(
        y[:, :, n:], a @ (weights / scale).T, pairs, D, noise[n:]), i)
        for i, a in enumerate(sources)), key=lambda found: found[0])
        for weights in (W_out, np.abs(W_out)))
    signless = bool(plain[0] < CLOSE * lost[0])
    _, R, sent, (total, *others), faults, which = lost if signless else plain
    faults = ["The sign of the readout weights is lost."] * signless + faults
    report = _add(report, *_neurons(fit.order, guesses, which), *faults)
    if abs(R) >= far or not sent.any():
        return _add(report, *[UNKNOWN] * bool(sent.any()))
    faults, after = [], R == D + 1                                         # (6)
    if _far(total / nominal[0], SLOW):
        equal = [f"; or readout weights are {scale:.2f} times as strong as described"
                 for scale in others[:1]]
        faults.append(f"The time constants of the readouts add up to about "
                      f"{1e6 * dt * total:.0f} µs, and nominally to "
                      f"{1e6 * dt * nominal[0]:.1f} µs{''.join(equal)}.")
    late, told = _delays(L, R) if R - D in (0, 1) else (
        None, ["The delays of spikes, samples and readouts do not agree."])
    faults += told + ["Each sample is taken after the reset of its step."] * after
    odd = _far(np.clip(np.median(size), *np.sort(bounds, axis=0)) / np.median(size),
               ODD)[fit.order]
    faults += _told("Neuron", odd, "has/have", " a threshold that differs from those "
                    f"of the other neurons by a factor above {ODD}")
    faults += _scales(np.median(fit.gain), np.median(size) if _far(near) else near,
                      np.median(np.abs(sent)))
    if (sent < 0).all():
        faults.append("Readout weights or samples of readouts have the opposite sign.")
    else:
        odd = _far(np.abs(sent) / np.median(np.abs(sent)), UNEVEN)
        faults += _told("Readout", sent < 0, "acts/act", " with the opposite sign")
        faults += _told("Readout", odd, "responds/respond", " more or less strongly "
                        f"than the other readouts by a factor above {UNEVEN}")
    return _add(report._replace(delay=late, after_reset=after), *faults)


def _pairs(total, q):
    """Return the time constants a >= b."""
    root = np.sqrt(np.maximum(q, 0))
    return total / 2 * np.stack([1 + root, 1 - root])


def _add(report, *faults):
    """Return a report with more faults."""
    return report._replace(faults=report.faults + faults)


def _far(scale, factor=WRONG):
    """Return whether a ratio is a fault."""
    return (scale <= 1 / factor) | (scale >= factor)


def _either(texts):
    """Join alternative explanations to a sentence."""
    text = ", or ".join(filter(None, texts))
    return [text[0].upper() + text[1:] + "."] if text else []


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


def _told(name, which, verb, rest):
    """Describe the True entries of a mask."""
    if not which.any():
        return []
    *first, last = map(str, np.flatnonzero(which))
    listed = f"{', '.join(first)} and {last}" if first else last
    return [f"{name}{'s' * bool(first)} {listed} {verb.split('/')[bool(first)]}{rest}."]


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
        K = _centred(_response(np.exp(p[0]), p[1], (*p, lag)[2], len(u)))
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


def _slow(fit, nominal, us, live):
    """Describe wrong time constants."""
    def middle(values, errors):         # of a median
        n, error = len(values), np.median(errors)
        return np.median(values), 1.25 * max(
            values.std() / np.sqrt(max(n - 1, 1)), error / np.sqrt(n))

    (total, d_total), (q, d_q) = map(middle, (fit.total, fit.q), fit.error.T)
    long = abs(total - nominal[0]) > max(3 * d_total, (SLOW - 1) * nominal[0])
    wide = abs(q - nominal[1]) > max(3 * d_q, APART)
    (a, b), (one, two) = us * _pairs(total, q), us * _pairs(*nominal)
    digits = max(1, -int(f"{d_total * us:.0e}".partition("e")[2]))
    faults = [f"The time constants add up to {total * us:.{digits}f} ± "
              f"{d_total * us:.{digits}f} µs, and nominally to {one + two:.1f} µs."
              ] * bool(long)
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
    return faults + _told("Neuron", odd, "has/have", " time constants that add up to "
                          + ", ".join(f"{t * us:.1f}" for t in fit.total[odd])
                          + f" µs, while the median is {total * us:.1f} µs")


def _weak(report, fit, W, scale, y, spikes, noise, unit):
    """Evaluate measurement (B)."""
    (count, T, _, n), live = spikes.shape, ~report.restless
    if not live.any():
        return report, fit
    active = np.abs(y[..., n:]).max(axis=(0, 1, 2)) > np.maximum(
        2 * OUTLIER * noise[n:], EXACT)
    y, noise = y[..., :n], noise[:n]
    cut = live & _cut(y, EXACT, IDLE * np.abs(y).max(axis=(0, 1, 2)))
    cut_off = _told("Samples of neuron", cut, "are/are", " cut off close to rest")
    if (cut & (noise > 0.5 / unit)).any():      # noise cannot be one-sided
        return _add(report, *cut_off), fit
    faults = _turned(y[..., live], W[:, live]) or _always(
        y[:, :, -1], spikes[:, :, -1], W / scale, live, noise, fit)
    if faults:
        return _add(report, *faults), fit
    Y = y[:, :, :-1] - y[:, :, -1:].mean(axis=0)
    Y = _centred(np.concatenate(Y, axis=1))                 # (T, R m, n)
    A = np.concatenate(W / scale, axis=1)                   # (n, R m)
    K = _centred(_response(fit.total[0], fit.q[0], 0, T))
    U, sizes, _ = np.linalg.svd(Y.transpose(2, 0, 1), full_matrices=False)
    full = np.linalg.norm(K) * np.linalg.norm(A, axis=1)
    rows, floor = sizes[:, 0] / full, noise * (T ** 0.5 + A.shape[1] ** 0.5) / full
    idle = (rows < np.maximum(max(IDLE * np.median(rows), FAINT), 2 * floor)) & live
    if idle.any():
        return _add(report, *_told("Samples of neuron", idle, "do/do",
                                   " not respond to input"),
                    *_told("Samples of readout", active & ~spikes.any(), "respond/"
                           "respond", " to input although no neuron spikes")), fit
    shapes = U[:, :, 0] * np.sign(np.take_along_axis(
        U[:, :, 0], np.abs(U[:, :, 0]).argmax(1)[:, None], 1))
    errors = np.maximum(noise / sizes[:, 0], EXACT * np.abs(shapes).max(axis=1))
    lag = np.median([_fitted(u, e, fit.total[0])[0][2] for u, e in zip(
        shapes[live], errors[live], strict=True)])
    (total, q), error = np.transpose([_fitted(u, e, fit.total[0], lag) for u, e in zip(
        shapes, errors, strict=True)], (1, 2, 0))
    K = np.stack([_centred(_response(t, s, lag, T)) for t, s in zip(
        total, q, strict=True)], axis=1)                    # (T, n)
    g = np.einsum("ti,tbi->ib", K, Y) / (K ** 2).sum(axis=0)[:, None]     # (3)
    fit = _FIT(float(lag), total, q, error.T, np.ones(n), np.arange(n))
    known = (g ** 2).sum(axis=1) * (K ** 2).sum(axis=0)
    rest = (Y ** 2).sum(axis=(0, 1)) - known - NOISY * T * A.shape[1] * noise ** 2
    if np.median((rest / known)[live]) > 1 / SHAPE - 1:
        return _add(report, "Responses do not have the shape of eq. (2), that of a "
                    "neuron with two time constants."), fit
    g, W = g.reshape(n, count, -1), (W / scale).transpose(1, 0, 2)
    order, like = _paired(*(np.where(live[:, None], a.reshape(n, -1), W.reshape(n, -1))
                            for a in (g, W)))
    straight = np.median(np.abs(like)) >= FOLLOW
    if straight:
        order = _whole(order)
        back = np.argsort(order)                            # samples in the order of W
        g, live, like = g[back], live[back], like[back]
        fit = fit._replace(total=total[back], q=q[back], error=fit.error[back],
                           order=order)
    if np.median(_own(g[live, 1:], W[live, :-1])) >= FOLLOW:
        return _add(report, "The weights of each run are those of the previous "
                    "run."), fit
    sizes = np.sqrt((g[live] ** 2).mean(axis=0) / (W[live] ** 2).mean(axis=0))
    none = sizes < max(IDLE * np.median(rows), FAINT)       # (R, m)
    dead = none.all(axis=0)
    if (none & ~dead).mean() > MISSED * (1 - MISSED) and np.median(
            _own(g[live] * ~none, W[live] * ~none)) >= FOLLOW:
        return _add(report, f"About {100 * none.mean():.0f} % of the input spikes have "
                    "no effect."), fit
    bent = _bent(g, W, scale)
    if cut.any() and bent:
        bent = [f"{cut_off[0][:-1]}, or {bent[0][:1].lower()}{bent[0][1:]}"]
    faults = [*_told("Input", dead, "has/have", " no effect"),
              *(bent or _order(g, W, live, dead, straight, straight & (like < 0)))]
    report = report._replace(dead=dead)
    if not faults:
        gain = (g * W).sum(axis=(1, 2)) / (W ** 2).sum(axis=(1, 2))
        fit, report = fit._replace(gain=gain), report._replace(gain=gain[fit.order])
        faults = _told("Neuron", live & _far(gain / np.median(gain), ODD), "responds/"
                       "respond", " more or less strongly than the other neurons by a "
                       f"factor above {ODD}")
    return _add(report, *faults), fit


def _turned(y, W):
    """Describe samples of other patterns."""
    g = y.mean(axis=1).transpose(2, 0, 1)                       # (n, R, m + 1)
    W = np.pad(W.transpose(1, 0, 2), ((0, 0), (0, 0), (0, 1)))
    likes, sizes = _neighbours(g, W), (g ** 2).sum(axis=(0, 1))
    least = max(FOLLOW, CLOSE * max(likes.values()))
    return _either(         # the pattern without input spikes responds least
        f"the samples are those of the {other} pattern" for r, other in OTHERS.items()
        if likes[r] >= least and sizes[r - 1] < sizes[-1])


def _always(y, spikes, W, live, noise, fit):
    """Describe a response without input."""
    decay = np.exp(-1 / _pairs(fit.total, fit.q)).max(axis=0)
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
                return _told("Input", which, "is/are", " always on")
    return ["Neurons respond although there are no input spikes."]


def _correlation(a, b):
    """Correlate all rows of `a` and `b`."""
    a, b = (rows - rows.mean(axis=1, keepdims=True) for rows in (a, b))
    sizes = (np.sqrt((rows ** 2).sum(axis=1)) for rows in (a, b))
    return a @ b.T / np.maximum(np.outer(*sizes), TINY)


def _own(a, b):
    """Correlate `a[i]` with `b[i]` for each i."""
    return np.diagonal(_correlation(a.reshape(len(a), -1), b.reshape(len(b), -1)))


def _paired(a, b):
    """Assign each row of `a` to the most correlated row of `b`."""
    correlation = _correlation(a, b)
    best, rows = np.abs(correlation).argmax(axis=1), np.arange(len(a))
    own = np.abs(np.diagonal(correlation)) >= CLOSE * np.abs(correlation[rows, best])
    best = np.where(own, rows, best)
    return best, correlation[rows, best]


def _neighbours(a, b):
    """Correlate `b` with `a` at three shifts."""
    return {r: np.median(np.abs(np.diagonal(_correlation(*(
        rows.reshape(len(rows), -1) for rows in (np.roll(a, -r, axis=-1), b))))))
        for r in (0, *OTHERS)}


def _whole(order):
    """Replace `order` unless it is a permutation."""
    own = np.arange(len(order))
    return order if (np.sort(order) == own).all() else own


def _moved(what, order, link="are those of"):
    """Describe an exchange."""
    n = len(order)
    own, step = np.arange(n), order[0]
    if n > 4 and step and (order == (own + step) % n).all():
        shift = f"+ {step}" if step <= n / 2 else f"- {n - step}"
        return f"{what} i {link} i {shift} modulo {n}"
    if n > 4 and (order == own[::-1]).all():
        return f"{what} i {link} {n - 1} - i"
    pairs = [f"{i} {link} {j}" for i, j in enumerate(order) if i != j]
    return f"{what} {', '.join(pairs)}" if pairs else ""


def _order(g, W, live, dead, straight, opposite):
    """Describe a wrong order or sign."""
    sizes = np.sqrt((g ** 2).mean(axis=(1, 2))) * np.where(opposite, -1, 1)
    inputs, fits = _paired(*(a[live].transpose(2, 0, 1).reshape(a.shape[2], -1)
                             for a in (g / sizes[:, None, None], W)))
    follow = np.median(np.abs(fits[~dead])) >= FOLLOW
    lost = ~dead & (np.abs(fits) < LOST)
    turned = ~dead & (fits < 0) & ~lost
    if opposite.all() or follow and turned[~dead].all():
        return ["Hidden weights or samples of neurons have the opposite sign."]
    if follow:
        inputs = np.where(dead | lost, np.arange(len(inputs)), inputs)
        return (_told("Hidden weights or samples of neuron", opposite, "have/have",
                      " the opposite sign")
                + _either([_moved("input", inputs, "acts with the weights of input")])
                + _told("Input", turned, "acts/act", " with the opposite sign")
                + _told("Input", lost, "does/do", " not follow from the weights"))
    if len(g) == g.shape[2] and np.median(np.abs(_paired(
            g.reshape(len(g), -1), W.transpose(2, 1, 0).reshape(len(g), -1))[1])
            ) >= FOLLOW:
        return ["The matrix of the hidden weights is transposed."]
    return [] if straight else ["The samples do not follow from the weights."]


def _bent(g, W, scale):
    """Describe saturated, ineffective or unsigned weights."""
    def error(bent):                # of a gain for each neuron
        part = (g * bent).sum(axis=(1, 2)) ** 2 / (bent ** 2).sum(axis=(1, 2))
        return ((g ** 2).sum() - part.sum()) / (g ** 2).sum()

    linear, most = error(W), np.abs(W).max()
    levels = np.unique(np.rint(np.linspace(1, scale * most, 64)))[:-1] / scale
    sides = ("Positive weights", -np.inf, 1), ("Negative weights", -1, np.inf)
    found = [(error(np.clip(W, low * level, high * level)), level,
              f"{name} saturate at {round(scale * level)}.")
             for name, low, high in (("Weights", -1, 1), *sides) for level in levels]
    both = min(found[:len(levels)], default=(1, 0, ""))
    found += [(error(np.clip(W, low, high)), 0,
               f"{name} have no effect.") for name, low, high in (
                   (sides[0][0], -np.inf, 0), (sides[1][0], 0, np.inf))]
    found.append((error(np.abs(W)), 0, "The sign of the hidden weights is lost."))
    least = both if both[0] < 1.5 * min(found)[0] else min(found)
    return [least[2]] if linear > EXACT ** 2 and least[0] < BENT * linear else []


def _model(drive, alpha, beta, threshold=np.inf):
    """Simulate eq. (1)."""
    syn, v = np.zeros((2, len(drive) + 1, *drive.shape[1:]))
    fired = np.zeros(drive.shape)
    for t, given in enumerate(drive):
        fired[t] = v[t] > threshold
        syn[t + 1] = alpha * syn[t] + given                                # (1)
        v[t + 1] = beta * v[t] + syn[t] - fired[t]                         # (1)
    return syn[:-1], v[:-1], fired


def _late(a, lag):
    """Shift an array in time."""
    T, zeros = len(a), np.zeros_like(a)
    return np.concatenate([zeros, a, zeros])[T - lag:2 * T - lag]


def _bursts(signs, limit, scale, T, fit):
    """Return the weights and patterns of (C)."""
    n, m = signs.shape
    x, own = np.zeros((T, n, m)), (signs > 0).sum(axis=1, keepdims=True)
    x[START:] = np.maximum(signs, 0)
    steady = own / np.prod(1 - np.exp(-1 / _pairs(fit.total, fit.q)), axis=0)[:, None]
    return signs * np.rint(np.clip(scale / steady, 1, limit)).astype(int), x


def _cut(y, least, most):
    """Return which neurons and readouts are clipped."""
    y, which = y.reshape(-1, y.shape[-1]), False
    for end in (y.min(axis=0), y.max(axis=0)):
        size = np.abs(end)
        share = (y == end).mean(axis=0) * ((least < size) & (size < most))
        which |= share > (OFTEN / 2 if (share > OFTEN).any() else OFTEN)
    return which


def _edges(y, noise, n, weak):
    """Detect samples that are clipped or depend on the previous input pattern."""
    if (y[0].std(axis=0) > np.maximum(STEADY, 3 * noise)).any():
        previous, own = (np.corrcoef(y[0, 1:].ravel(), last.ravel())[0, 1]
                         for last in (y[-1, :-1], y[-1, 1:]))
        if previous > own:
            return True, ["The state is not reset between patterns."]
    which = _cut(y[START:], np.maximum(EXACT, 3 * noise), weak)
    return False, [text for name, part in (("neuron", which[:n]), (
        "readout", which[n:])) for text in _told(
            f"Samples of {name}", part, "are/are", " cut off close to rest")]


def _trains(spikes, W, x, fit):
    """Compare spike counts with nominal neurons."""
    counts = _model(x @ W.T, *np.exp(-1 / _pairs(fit.total, fit.q)), 1)[2].sum(axis=0)
    silent, guess = ~spikes.any(axis=(0, 1)), (np.arange(len(W)), 0, "")
    faults = _told("Neuron", silent, "never spikes/never spike", "")
    if faults or not np.ptp(counts, axis=0).all():      # the patterns do not differ
        return silent, [guess], faults
    a, b = spikes.sum(axis=0).T, counts.T
    (order, like), likes = _paired(a, b), _neighbours(a, b)
    order = _whole(order)
    fits = [(np.median(np.abs(like)), (order, 0, _moved("the spikes of", order)))]
    fits += [(likes[r], (guess[0], r, f"the spikes are those of the {other} pattern"))
             for r, other in OTHERS.items()]
    best = max(like for like, _ in fits)
    if best < FOLLOW:
        return silent, [guess], ["The spikes do not follow from the weights."]
    guesses = [guess for like, guess in fits if like >= CLOSE * best]
    return silent, guesses if all(text for _, _, text in guesses) else [guess], []


def _resets(y, spikes, W, x, fit):
    """Return three results: the lower and upper bounds (5) of the thresholds, the
    lag D, and the share of resets without a recorded spike."""
    drive = _late(x @ W.T, round(fit.lag)) * fit.gain
    decays = np.exp(-1 / _pairs(fit.total, fit.q))

    def drops(alpha, beta):
        expected = beta * y + _model(drive, alpha, beta)[0]                # (4)
        e = expected - _late(y, -1)
        e[:-1][(y[:-1] == y.min(axis=(0, 1))) | (y[1:] == y.max(axis=(0, 1)))] = 0
        e[-len(LAGS):] = 0
        return e, expected

    some = spikes[:-LATE].any(axis=0)          # spikes of (pattern, neuron)
    if not some.any(axis=0).all():
        return None, None, 0
    # In the right order of the time constants, e is large at few steps.
    e, expected = max((drops(*decays), drops(*decays[::-1])), key=lambda pair: np.sum(
        pair[0] ** 2) / np.sum(np.abs(pair[0])) ** 2)
    first, drop = (spikes > 0).argmax(axis=0), (e > LARGE * e.max(axis=0)).argmax(
        axis=0)
    D = int(np.median((drop - first)[some]))
    steps, found = np.arange(len(y))[:, None, None], []
    for last, spiking in ((drop - 1, y), (drop, expected)):
        low = np.where((steps <= last) & some, y, -np.inf).max(axis=(0, 1))
        high = np.where((steps == drop) & some, spiking, np.inf).min(axis=(0, 1))
        found.append((np.maximum(low - high, 0).sum(), low, high))
    least = min(wrong for wrong, _, _ in found)
    low, high = np.mean([bounds for wrong, *bounds in found if wrong == least], axis=0)
    sizes = np.where(some, np.take_along_axis(e, drop[None], 0)[0], np.nan)
    large = e > LARGE * np.nanmedian(sizes, axis=0)
    large &= ~_late(large, 1)                   # the first step of each reset
    sent = sum(_late(spikes, D + near) for near in (-1, 0, 1)) > 0
    return np.stack([low, high]), D, 1 - (large & sent).sum() / max(large.sum(), 1)


def _readouts(y, drive, constants, D, noise):
    """Compare readouts with eq. (1)."""
    T, (_, B, k), none = len(y), drive.shape, (0, 0, np.zeros(len(noise)), (0.0,))
    late = np.arange(T)[:, None] - np.arange(T)

    def predicted(total, q):
        K = np.append(_response(total, q, 0, T, 0), 0)      # 0 at negative times
        return (K[np.where(late < 0, T, late)] @ drive.reshape(T, -1)).reshape(T, B, k)

    ends = ((y == y.min(axis=(0, 1))) | (y == y.max(axis=(0, 1)))).any(axis=2)
    inside = ~(ends | _late(ends, 1))
    inside[-len(LAGS):] = False

    def rows(a):                            # changes from step to step
        return np.diff(a, axis=0, prepend=0)[inside].T

    size, nominal = ((a - a.mean(axis=0)).std(axis=(0, 1))  # without shifts of patterns
                     for a in (y, predicted(*constants[0])))
    silent = size < np.maximum(2 * noise, max(
        IDLE * np.median(size), FAINT * np.median(nominal)))
    if silent.any():
        return *none, _told("Readout", silent, "does/do", " not respond to spikes")
    found, measured = [], rows(y)
    clear = 1 - 2 * noise ** 2 / np.maximum(measured.var(axis=1), TINY)
    totals = constants[0][0] * np.geomspace(0.3, 3.3, 32)
    for total, q in constants + [(total, q) for total in totals for q in (0.0, 0.3)]:
        v = predicted(total, q)
        for lag in LAGS:
            for half in (0, 1):
                sent = rows((_late(v, lag) + _late(v, lag - half)) / 2)
                order, like = _paired(measured, sent)
                found.append(((clear - like ** 2).mean(), lag, total, q, order, like,
                              sent))
    found.sort(key=lambda f: f[0])
    least, whole = found[0][0], clear.mean()
    most = max(ALIKE * least, whole - CLOSE ** 2 * (whole - least))
    given = [f for f in found if f[2:4] in constants]
    if given[0][0] > most:
        given = [f for f in found if f[2:4] == found[0][2:4]]
    fits = []
    for rest, lag, total, _, order, like, sent in given:
        # Spikes between two steps make the prediction inexact: it is no regressor.
        gain = np.sqrt(np.maximum(clear, like ** 2)) * np.sign(like) * (
            measured.std(axis=1) / sent[order].std(axis=1))
        middle = np.median(np.abs(gain))
        if rest <= most:
            fits.append((lag != D, bool(_far(middle)), rest, total, middle, lag, gain,
                         order, like))
    _, _, rest, total, _, lag, gain, order, like = min(fits, key=lambda f: f[:3])
    plain = [f[4] for f in fits if f[3] == constants[0][0]      # nominal
             and f[2] <= ALIKE * max(least, EXACT)]
    if np.median(found[0][5] ** 2) < READ ** 2 * np.median(clear):
        return *none, ["The readouts do not follow from the weights."]
    return (np.sqrt(clear.mean() - rest), lag, gain, (total, *plain), _either([_moved(
        "the readouts of", _whole(order))]))


def _neurons(samples, guesses, reported):
    """Describe exchanged neurons."""
    (spikes, turned, _), *others = guesses
    told = _moved("the samples of", samples)
    if others or turned or (samples != spikes).any():
        return _either([told]) + _either(text for _, _, text in guesses)
    texts = ["Neurons are exchanged in spikes and samples: {}; or the rows of the "
             "hidden and the columns of the readout weights are exchanged.",
             "Rows of the hidden weights are exchanged: {}; or spikes, samples and the "
             "columns of the readout weights are exchanged."]
    return [texts[reported].format(told.partition(" of ")[2])] if told else []


def _scales(drive, threshold, readout):
    """Describe wrong scales."""
    measured = np.log(np.maximum([drive, threshold, readout], TINY))
    causes = {          # which of the three the cause changes
        (1, 1, 1): ("Codes", "large", "weights and thresholds are"),
        (1, 0, 1): ("Weights", "strong", "codes are, and thresholds are {1:.2f} times "
                    "as high"),
        (0, 1, 0): ("Thresholds", "high", "codes of neurons are {0:.2f} times as "
                    "large, and hidden weights are {1:.2f} times as strong"),
        (1, 0, 0): ("Hidden weights", "strong", "codes of neurons are, and thresholds "
                    "are {1:.2f} times as high"),
        (0, 0, 1): ("Readout weights", "strong", "codes of readouts are")}
    if not _far(np.exp(measured)).any():
        return []
    found = []
    for changed, words in causes.items():
        scale = measured @ changed / sum(changed)
        rest = measured - scale * np.array(changed)
        found.append((np.abs(rest).max(), np.exp(scale), changed, words))
    rest, scale, changed, (what, size, others) = min(found)
    if _far(np.exp(rest)) or scale < FAINT:
        return [f"In codes, responses to input are {drive:.2f} times, thresholds "
                f"{threshold:.2f} times and readouts {readout:.2f} times as large as "
                "described."]
    text = f"{what} are {{0:.2f}} times as {size} as described; or {others}."
    far = _far(scale, FEW if changed == (0, 0, 1) else WRONG)
    return [text.format(scale, 1 / scale)] if far else []


def _delays(L, R):
    """Return and describe the delays, eq. (6)."""
    each = [(L - s, s - R, s) for s in dict.fromkeys((L * (L == R), 0, L, R))]   # (6)
    count = min(map(np.count_nonzero, each))
    equal = [{"input": a, "spikes": b, "samples": c} for a, b, c in each
             if np.count_nonzero((a, b, c)) == count]

    def told(name, d):
        return (f"{name} come{'s' * (name == 'input')} {abs(d)} "
                f"step{'s' * (abs(d) > 1)} {'late' if d > 0 else 'early'}")

    return equal[0], _either(" and ".join(
        told(name, d) for name, d in delays.items() if d) for delays in equal)
