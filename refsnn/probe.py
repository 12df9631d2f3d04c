# refsnn 0.1.0 | probe.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Find mistakes in the connection to a neuromorphic chip before training.

Typical mistakes are exchanged neurons, weights with a wrong sign or scale,
and delayed spikes.  The function `probe` calls a function run(weights, x).
The function `run` drives an emulated or real chip with the given weights
and input spikes, and returns the output spikes and samples of the membrane
potentials.  The chip has m inputs, n hidden neurons with weights W and k
readout neurons with weights W_out.  The results are compared with nominal
neurons, whose synaptic current I and membrane potential v follow

    I[t+1] = alpha I[t] + W x[t],  v[t+1] = beta v[t] + I[t]          (1)

Let K[t] be the response v[t] of a nominal neuron to a single input spike
with W = 1.  In K, this input spike has the same time as in measurement
(B).  Let y be the samples minus their mean in measurement (A), divided by
the argument `unit`.  `probe` makes three measurements:

(A) All weights are 0.  Neurons that spike are called restless.  The noise
    is the standard deviation of the samples in measurement (A).

(B) In input pattern j, input j spikes once, and all other inputs are
    silent.  All input patterns are run with three sets of weak random
    weights W.  A least-squares fit gives the lag L and the measured weight
    g_ij of neuron i for input j,

        g_ij = sum_t y_ij[t] K[t-L] / sum_t K[t-L]^2,
        L maximises sum_ij g_ij^2 sum_t K[t-L]^2                      (2)

    To find exchanged neurons, row i of the measured weights g is assigned
    to the neuron whose row of W has the largest absolute correlation with
    row i of g.  Row i of g is assigned to neuron i itself if the
    correlation with row i of W is at least 97 % of the largest
    correlation.  For each neuron, the fit with K explains a share of the
    sum of y^2, from which the noise is subtracted.  If the median of the
    explained share is below 90 %, the report says that the time constants
    or the time step are wrong.

(C) In input pattern i, all inputs with positive weights to neuron i spike
    in each step, so that neuron i spikes.  Let S be the recorded spikes.
    Let I be the synaptic current of eq. (1), shifted in time by the lag L
    and multiplied by the measured gain.  A spike lowers the potential by

        e[t] = beta y[t] + I[t] - y[t+1]                              (3)

    The lag D is the median time from the first spike of a neuron to the
    first large drop e of the membrane potential.  The measured readouts
    are compared with the readouts that eq. (1) predicts from the weights
    W_out and the spikes S.  The lag R maximises the correlation between
    the measured and the predicted changes of the readouts from step to
    step.  If the correlation at the lag D is above 97 % of the maximum,
    the lag R is set to D.

Derivation.  Let `input`, `spikes` and `samples` be the delays of the
    input, the spikes and the samples in time steps.  Let `after` be 1 if
    the sample of a step is taken after the reset of this step, and 0
    otherwise.  The lags are

    L = input + samples,  R = samples - spikes,
    D = samples - spikes - after                                      (4)

    The difference R - D determines `after`.  The remaining two equations
    do not determine the three delays `input`, `spikes` and `samples`.  The
    report therefore contains as few nonzero delays as possible.  If two
    delays must be nonzero, the delay `samples` is set to 0.  If a chip has
    several nonzero delays, the reported delays may be wrong.
Approximate.  The function `probe` searches only time lags between -3 and 3
    steps.  If |L| or |R| is at least 3 steps, or if |D| exceeds 3 steps,
    the report says that the delays are too large to measure.  If a chip
    returns no samples of membrane potentials, measurement (B) is omitted,
    and measurement (C) compares only spike counts.
Cost.   The chip runs at most 3 m + n + 32 input patterns of `steps` time
    bins, in at most five calls of the function `run`.
Departures.  This test is not part of a published method.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

# `python -m refsnn vendor NAME FILE` appends these functions to a copy.
from refsnn._checks import arrays, one_of

__all__ = ["Report", "probe"]
_WEIGHTS = namedtuple("_WEIGHTS", "hidden recurrent readout")
START = 4               # first step with input in (B) and (C)
STEPS = 24              # least number of steps: START, a response, and all lags
PATTERNS, RATE = 32, 0.3        # in (A): number, and probability of an input spike
WEAK = 0.4              # largest peak potential in (B), in thresholds: no spikes
DRIVE = 2.5             # steady potential in (C), in thresholds
LAGS = range(-3, 4)
SHAPE = 0.9             # least share of the response that K explains
ROUNDS = 3              # sets of weights in (B)
WRONG = 1.35            # a scale that is wrong by a larger factor is a fault
CLOSE = 0.97            # correlations above this share of the largest count as equal
FOLLOW = 0.8            # median correlation of rows that follow from the weights
READ = 0.4              # the same for readouts, whose neurons spike almost together
IDLE = 0.25             # responses below this share of the median count as none
FAINT = 0.02            # responses below this share of the nominal ones count as none
ODD = 2                 # ratio of a gain to the median gain from which it is a fault
LARGE = 0.5             # e of (3) above this share of its maximum is a reset
TINY = 1e-300           # avoids a division by 0


class Report(NamedTuple):
    """Hold the results of `probe`.  Quantities that were not measured are None."""
    faults: tuple                   # sentences; empty if no mistake was found
    delay: Optional[dict]           # of input, spikes, samples; steps, > 0 is late
    after_reset: Optional[bool]     # a sample is taken after the reset of its step
    gain: Optional[np.ndarray]      # (n,) response to input, relative to (1)
    unit: Optional[np.ndarray]      # (n,) potential at the first spike, in `unit`
    noise: Optional[np.ndarray]     # (n + k,) standard deviation, codes
    restless: np.ndarray            # (n,) bool: spikes although all weights are 0
    silent: Optional[np.ndarray]    # (n,) bool: never spikes
    dead: Optional[np.ndarray]      # (m,) bool: input without effect


def probe(run, m, n, k, *, scale=240.0, limit=63, unit=70.0, tau_syn=6e-6,
          tau_mem=6e-6, dt=1.7e-6, steps=40, seed=0):
    """Run test patterns on a chip, and describe mistakes in the connection.

    >>> def run(weights, x):                    # a chip that does not respond
    ...     T, B, _ = x.shape
    ...     return np.zeros((T, B, 2)), np.full((T, B, 3), 80)
    >>> probe(run, 4, 2, 1).faults
    ('Neurons 0 and 1 do not respond to input.',)

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
        If measurement (A) or (B) finds a mistake, (C) is omitted.  If (C)
        finds silent neurons or a wrong order of the neurons, delays are not
        measured.
    """
    one_of("run", run, Callable)
    m, n, k, scale, limit, unit, tau_syn, tau_mem, dt, steps, seed = arrays(
        "m () int in [1, inf), n () int in [1, inf), k () int in [1, inf), scale () in "
        "(0, inf), limit () int in [1, inf), unit () in (0, inf), tau_syn () in "
        "(0, inf), tau_mem () in (0, inf), dt () in (0, inf), "
        f"steps () int in [{STEPS}, inf), seed () int in [0, inf)", m, n, k, scale,
        limit, unit, tau_syn, tau_mem, dt, steps, seed)
    rng, decays = np.random.default_rng(seed), (np.exp(-dt / tau_syn),
                                                np.exp(-dt / tau_mem))
    none, quiet = np.zeros((n, m), int), np.zeros((k, n), int)
    spikes, samples = _call(run, none, quiet, 1.0 * (
        rng.random((steps, PATTERNS, m)) < RATE))
    restless, found = spikes.any(axis=(0, 1)), {"gain": None, "dead": None}    # (A)
    faults = _told("Neuron", restless, "spikes", "spike", " without weights")
    kernel = _potential(np.eye(1, steps, START)[0], *decays)
    weak = int(min(limit, WEAK * scale / kernel.max()))
    if weak < 1:
        raise ValueError(f"scale is {scale!r}: must be at least "
                         f"{kernel.max() / WEAK:.3g}, so that a weight of 1 is weak")
    if samples is not None:
        base, noise = samples.mean(axis=(0, 1)), samples.std(axis=(0, 1))
        W = rng.integers(1, weak + 1, (ROUNDS, n, m)) * rng.choice(
            [-1, 1], (ROUNDS, n, m))
        x = np.zeros((steps, m, m))
        x[START, np.arange(m), np.arange(m)] = 1
        y = [_call(run, w, quiet, x)[1][:, :, :n] - base[:n] for w in W]
        found = _responses(np.concatenate(y, axis=1) / unit, W / scale, kernel,
                           restless, noise[:n] / unit)
        faults += found.pop("faults")
    report = Report(tuple(faults), None, None, found["gain"], None,
                    None if samples is None else noise, restless, None, found["dead"])
    if faults:
        return report
    gain = 1.0 if samples is None else min(1.0, np.median(found["gain"]))
    W, x = _bursts(rng, m, n, limit, scale / gain, steps, decays)
    low = max(1, weak // 3)
    W_out = rng.integers(low, min(2 * low, limit) + 1, (k, n))
    W_out *= rng.choice([-1, 1], (k, n))
    spikes, samples = _call(run, W, W_out, x)
    silent, faults = _trains(spikes, W / scale, x, decays)
    report = report._replace(silent=silent, faults=tuple(faults))
    if faults or samples is None:
        return report
    y = (samples - base) / unit
    size, D = _resets(y[:, :, :n], spikes, W / scale, x, decays, found)
    if D is None:
        return report._replace(faults=("Neurons spike late: `steps` is too small.",))
    R, sent, faults = _readouts(y[:, :, n:], spikes @ (W_out / scale).T, decays, D)
    if faults:
        return report._replace(faults=tuple(faults), unit=size)
    L, after = found["lag"], R == D + 1                                    # (4)
    if max(abs(L), abs(R)) >= LAGS[-1] or D not in LAGS:
        return report._replace(unit=size, faults=(
            "The delays of input, spikes or samples are too large to measure.",))
    late = {"input": L * (L != R), "spikes": -R * (L != R),
            "samples": L * (L == R)}                                       # (4)
    typical, strength = np.median(size), np.median(found["gain"] / size)
    faults += [f"{name.capitalize()} {'come' if name != 'input' else 'comes'} {abs(d)} "
               f"step{'s' * (abs(d) > 1)} {'late' if d > 0 else 'early'}."
               for name, d in late.items() if d]
    faults += ["Each sample is taken after the reset of its step."] * after
    if R - D not in (0, 1):
        faults.append("The delays of spikes, samples and readouts do not agree.")
    if _far(typical):
        faults.append(f"Neurons spike at {typical:.2f} times `unit` above the leak.")
    if _far(strength):
        faults.append(f"Input is {strength:.2f} times as strong as described.")
    if sent < 0:
        faults.append("Readout weights act with the opposite sign.")
    elif _far(sent / typical):
        faults.append(f"Readouts are {sent / typical:.2f} times as strong as "
                      "described.")
    return report._replace(faults=tuple(faults), delay=late, after_reset=after,
                           unit=size)


def _far(scale):
    """Return whether a ratio differs from 1 by the factor `WRONG` or more."""
    return not 1 / WRONG < scale < WRONG


def _call(run, W, W_out, x):
    """Run the chip.  Check and return the spikes and the membrane samples."""
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
    """Return a list with one sentence that lists the neurons or inputs whose
    entry in a mask is True.  If no entry of the mask is True, the list is
    empty."""
    *first, last = map(str, np.flatnonzero(which)) if which.any() else ("",)
    if not last:
        return []
    listed = f"{', '.join(first)} and {last}" if first else last
    return [f"{name}{'s' * bool(first)} {listed} {many if first else one}{rest}."]


def _potential(drive, alpha, beta):
    """Return the membrane potential v of eq. (1), where the array `drive` is the
    product of W and x.  The first axis is time."""
    v, syn = np.zeros(drive.shape), np.zeros(drive.shape[1:])
    for t in range(len(drive) - 1):
        v[t + 1] = beta * v[t] + syn
        syn = alpha * syn + drive[t]                                       # (1)
    return v


def _late(a, lag):
    """Shift an array by `lag` steps in time, and fill the gap with zeros."""
    T, zeros = len(a), np.zeros_like(a)
    return np.concatenate([zeros, a, zeros])[T - lag:2 * T - lag]


def _paired(a, b):
    """For each row of the matrix `a`, find the row of the matrix `b` with the
    largest absolute correlation.  Return the indices of the rows that were
    found, and the correlations."""
    a, b = (rows - rows.mean(axis=1, keepdims=True) for rows in (a, b))
    sizes = (np.sqrt((rows ** 2).sum(axis=1)) for rows in (a, b))
    correlation = a @ b.T / np.maximum(np.outer(*sizes), TINY)
    best, rows = np.abs(correlation).argmax(axis=1), np.arange(len(a))
    own = np.abs(np.diagonal(correlation)) >= CLOSE * np.abs(correlation[rows, best])
    best = np.where(own, rows, best)
    return best, correlation[rows, best]


def _ordered(what, a, b, least=FOLLOW):
    """Check that the rows of the matrices `a` and `b` correlate and have the same
    order.  Return a list with one sentence about a mistake, or an empty list."""
    order, correlation = _paired(a, b)
    own = np.arange(len(order))
    if np.median(np.abs(correlation)) < least:
        return [f"The {what} do not follow from the weights."]
    wrong = own[order != own]
    if not wrong.size or (np.sort(order) != own).any():
        return []
    pairs = ", ".join(f"{i} are those of {order[i]}" for i in wrong[:4])
    return [f"The {what} of {pairs}{', ...' * (wrong.size > 4)}."]


def _responses(y, W, kernel, restless, noise):
    """Compare the measured weights of measurement (B) with the weights W, an
    array of shape (ROUNDS, n, m).  Return a dict with the measured values and
    with sentences about mistakes."""
    shifted = np.stack([_late(kernel, lag) for lag in LAGS])
    power = (shifted ** 2).sum(axis=1)
    g = np.einsum("lt,tbi->lib", shifted, y) / power[:, None, None]        # (2)
    best = int(np.argmax((g ** 2).sum(axis=(1, 2)) * power))               # (2)
    g, weights = g[best], np.concatenate(W, axis=1)
    found = {"lag": LAGS[best], "gain": None, "dead": None}

    def share(axes):        # size of responses relative to that of the weights
        return np.sqrt((g.reshape(W.shape[1], len(W), -1) ** 2).mean(axes) / (
            weights.reshape(W.shape[1], len(W), -1) ** 2).mean(axes))

    rows, columns = share((1, 2)), share((0, 1))
    least = max(IDLE * np.median(rows), FAINT)
    idle, found["dead"] = (rows < least) & ~restless, columns < least
    if idle.any():
        return found | {"faults": _told("Neuron", idle, "does", "do",
                                        " not respond to input")}
    known = (g ** 2).sum(axis=1) * power[best]      # (n,), explained by K
    fit = known / np.maximum((y ** 2 - noise ** 2).sum(axis=(0, 1)), known)
    if np.median(fit) < SHAPE:
        return found | {"faults": ["Responses do not have the shape of the nominal "
                                   "time constants and time step."]}
    faults = _told("Input", found["dead"], "has", "have", " no effect")
    order, correlation = _paired(g, weights)
    turned = W.shape[1] == W.shape[2] and _paired(g, np.concatenate(
        W.transpose(0, 2, 1), axis=1))[1]
    if np.median(np.abs(correlation)) < FOLLOW < np.median(np.abs(turned)):
        return found | {"faults": ["The matrix of the hidden weights is transposed."]}
    some = ~restless & (order == np.arange(len(g)))
    faults += _ordered("samples", np.where(restless[:, None], weights, g),
                       weights)
    if faults or not some.any():
        return found | {"faults": faults}
    gain = found["gain"] = (g * weights).sum(axis=1) / (weights ** 2).sum(axis=1)
    inverted = (gain < 0) & some
    if inverted.all():
        faults.append("Weights act with the opposite sign.")
    else:
        faults += _told("Neuron", inverted, "has", "have",
                        " weights that act with the opposite sign")
        odd = some & ((gain > ODD * np.median(gain)) | (gain < np.median(gain) / ODD))
        faults += _told("Neuron", odd & ~inverted, "responds", "respond",
                        " more or less strongly than the other neurons by a factor "
                        f"above {ODD}")
    return found | {"faults": faults}


def _bursts(rng, m, n, limit, scale, T, decays):
    """Return the weights and the input patterns of measurement (C).  In the input
    pattern of a neuron, all inputs with positive weights to this neuron spike
    in each step."""
    signs = rng.choice([-1, 1], (n, m))
    signs[np.arange(n), np.arange(n) % m] = 1
    x, own = np.zeros((T, n, m)), (signs > 0).sum(axis=1, keepdims=True)
    x[START:] = np.maximum(signs, 0)
    steady = own / ((1 - decays[0]) * (1 - decays[1]))      # of eq. (1), weights 1
    return signs * np.rint(np.clip(DRIVE * scale / steady, 1, limit)).astype(int), x


def _trains(spikes, W, x, decays):
    """Compare the recorded spike counts with simulated spike counts of nominal
    neurons.  Return the mask of silent neurons, and a list of sentences about
    mistakes."""
    alpha, beta = decays
    drive, counts = x @ W.T, 0.0
    v, syn = np.zeros((2, *drive.shape[1:]))
    for t in range(len(x)):
        fired = 1.0 * (v > 1)
        counts = counts + fired
        v = beta * v + syn - fired
        syn = alpha * syn + drive[t]
    silent = ~spikes.any(axis=(0, 1))
    faults = _told("Neuron", silent, "never spikes", "never spike", "")
    if not faults and np.ptp(counts, axis=0).all():     # patterns differ
        faults = _ordered("spikes", spikes.sum(axis=0).T, counts.T)
    return silent, faults


def _resets(y, spikes, W, x, decays, found):
    """Return the median membrane potential of each neuron at the first spikes,
    and the lag D.  If a neuron spikes too late for a measurement of the lag D,
    both results are None."""
    alpha, beta = decays
    drive, syn = _late(x @ W.T, found["lag"]) * found["gain"], np.zeros(y.shape)
    for t in range(len(y) - 1):
        syn[t + 1] = alpha * syn[t] + drive[t]
    e = np.zeros(y.shape)
    expected = beta * y[:-1] + syn[:-1]                                    # (3)
    e[:-1] = expected - y[1:]
    e[-len(LAGS):] = 0                          # samples may be missing there
    first, drop = (spikes > 0).argmax(axis=0), (e > LARGE * e.max(axis=0)).argmax(
        axis=0)
    some = spikes[:-2 * len(LAGS)].any(axis=0)          # spikes of (pattern, neuron)
    if not some.any(axis=0).all():
        return None, None
    D = int(np.median((drop - first)[some]))
    peak = np.maximum(y, _late(y, 1))       # sample t may follow the reset of step t
    peak = np.take_along_axis(peak, np.maximum(first + D, 0)[None], 0)[0]
    return np.array([np.median(row[own]) for row, own in zip(
        peak.T, some.T, strict=True)]), D


def _readouts(y, drive, decays, D):
    """Compare measured readouts with the readouts that eq. (1) predicts from the
    recorded spikes.  Return the lag R, the relative strength of the readouts,
    and a list of sentences about mistakes."""
    v = _potential(drive, *decays)
    silent = y.std(axis=(0, 1)) < IDLE * np.median(v.std(axis=(0, 1)))
    v, y = (np.diff(a, axis=0, prepend=0) for a in (v, y))
    rows, *sent = (a[:-len(LAGS)].reshape(-1, y.shape[2]).T for a in (y, *(
        (_late(v, lag) + _late(v, lag - half)) / 2 for lag in LAGS for half in (0, 1))))
    if silent.any():
        return 0, 0.0, _told("Readout", silent, "does", "do", " not respond to spikes")
    pairs = [_paired(rows, row) for row in sent]
    scores = [np.abs(correlation).sum() for _, correlation in pairs]
    close = [i for i, score in enumerate(scores) if score > CLOSE * max(scores)]
    best = min(close, key=lambda i: (LAGS[i // 2] != D, -scores[i]))
    gain = np.median((rows * sent[best]).sum(axis=1) / (sent[best] ** 2).sum(axis=1))
    return LAGS[best // 2], gain, _ordered("readouts", rows, sent[best], READ)
