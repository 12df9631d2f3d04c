# refsnn 0.1.0 | losses.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Losses of recordings, each as a pair (value, derivative).

A recording r (T, B, k) holds k readout membranes or spike trains.  Three
reductions over time turn it into scores z (B, k), whose softmax cross
entropy with the labels y (B,) is the loss:

    z = r[s], s = max(argmax_t r[t])                     (1)  [NMZ19] eq. ?
    z = sum_t r[t]                                       (2)
    z = r[T-1]                                           (3)
    L = -(1/B) sum_b log softmax(z[b])[y[b]]             (4)  [NMZ19] eq. ?
    dL/dz[b, c] = (softmax(z[b])[c] - [c = y[b]]) / B    (5)

The first spike decides, z = -t/tau, with t the time of the first spike
(silent: T dt),

    t = dt sum_{s=0}^{T-1} prod_{r<=s} (1 - S[r])        (6)
    dt/dS[s] = -dt A[s] R[s], A[s] = prod_{r<s} (1 - S[r]),
    R[s] = 1 + (1 - S[s+1]) R[s+1], R[T-1] = 1           (7)

The van Rossum distance of the trains S and S^, of unit-area impulses, and
its derivative, with a = exp(-dt/tau_rise) and b = exp(-dt/tau_decay), are

    K[t] = (1-a)(1-b)/dt sum_{i=0}^{t-1} a^i b^(t-1-i), K[0] = 0  (8)
    L = (dt/2B) sum_{t,b,i} e[t]^2, e = K*(S - S^)  (9)  [ZG18] eq. 2.1
    dL/dS[s] = (dt/B) sum_{t>=s} K[t-s] e[t]  (10)

and the square loss of r against r^ (T, B, k) is

    L = (1/2B) sum_{t,b,k} (r - r^)^2                    (11)
    dL/dr = (r - r^) / B                                 (12)

Derivation.  (5) and (12) are elementary.  Ties of (1): the maximum's
    derivative is carried by one of the tied steps, here the last.  Step 0
    of a leaky readout depends on no weight, so a silent network, whose
    record is 0 throughout, would learn nothing, for ever, with the first.
    (6) counts the steps before the first spike: the product is 1 until it,
    and 0 from it on.  It is linear in each S[s] alone; S[s] stands in the
    products of all steps from s on, and dividing it out there gives (7),
    without a division.  (8): the sum is (a^t - b^t)/(a - b), t a^(t-1) at
    a = b, and sums to 1/((1-a)(1-b)): dt sum_t K[t] = 1.  (10) is the
    adjoint of the convolution, the same filter run backward in time.
Exact.  (1) has a kink at ties between steps; all other values are smooth,
    (6) for every real S: its derivative at 0-1 trains is a one-spike
    difference, and exact in anchored finite differences.
Cost.   O(T B k) time and memory.
Departures.  All values are means over the batch and sums over units and
    steps.  [ZG18] has continuous time; (8) is its kernel, in proportion to
    exp(-t/tau_decay) - exp(-t/tau_rise), sampled at the steps and scaled
    to area 1.  The integral ends with the record.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import numpy as np
from scipy.signal import lfilter

__all__ = ["accuracy", "cross_entropy", "first_spike_time", "square", "van_rossum"]


def _record(name, value):
    """value as a finite float array (T, B, k)."""
    array = np.asarray(value)
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} is of dtype {array.dtype}: must be float32 or "
                         "float64")
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"{name} is of shape {array.shape}: must be (T, B, k), "
                         "none of them 0")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _target(name, value, record):
    """target as an array of the record's shape and dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"target is of dtype {array.dtype}: must be numbers")
    if array.shape != record.shape:
        raise ValueError(f"target is of shape {array.shape}: must be {record.shape} "
                         f"to match {name}")
    if not np.isfinite(array).all():
        raise ValueError("target has NaN or infinite entries: must be finite")
    return array.astype(record.dtype)


def _labels(labels, record):
    labels, (_, B, k) = np.asarray(labels), record.shape
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of dtype {labels.dtype}: must be integers")
    if labels.shape != (B,):
        raise ValueError(f"labels is of shape {labels.shape}: must be ({B},), one "
                         "for each column of the batch")
    if labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"labels reaches from {labels.min()} to {labels.max()}: "
                         f"must be in 0 ... {k - 1}")
    return labels


def _positive(name, value):
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "fiu" \
            or not 0 < number < np.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number above 0")
    return float(number)


def _last_maximum(record):
    """Steps (B, k) of the maximum over time, the last one of ties."""
    return len(record) - 1 - record[::-1].argmax(axis=0)


def _scores(record, reduction):
    if not isinstance(reduction, str) or reduction not in ("max", "sum", "last",
                                                           "first"):
        raise ValueError(f"reduction is {reduction!r}: must be 'max', 'sum', 'last' "
                         "or, for accuracy alone, 'first'")
    if reduction == "max":
        return record.max(axis=0)                                          # (1)
    if reduction == "sum":
        return record.sum(axis=0)                                          # (2)
    if reduction == "last":
        return record[-1]                                                  # (3)
    return -_first(record)


def _first(spikes):
    return np.cumprod(1 - spikes, axis=0).sum(axis=0)                      # (6)


def _softmax_loss(scores, labels):
    """Cross entropy of scores (B, k) and its derivative by them."""
    rows = np.arange(len(labels))
    shifted = scores - scores.max(axis=1, keepdims=True)    # no overflow in exp
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logp[rows, labels].mean()                                      # (4)
    dscores = np.exp(logp)
    dscores[rows, labels] -= 1
    return float(loss), dscores / len(labels)                              # (5)


def cross_entropy(record, labels, reduction="max"):
    """Softmax cross entropy of a reduced recording, eqs. (1)-(5).

    Parameters
    ----------
    record : (T, B, k) float
        Readout membranes, or spikes (with "sum": spike counts).
    labels : (B,) int
        Right classes, 0 ... k-1.
    reduction : {"max", "sum", "last"}
        Equation (1), (2) or (3).  The last one of tied steps carries the
        derivative of the maximum.

    Returns
    -------
    loss : float
        Nats, mean over the batch.
    drecord : (T, B, k) float
        Its derivative by the recording.

    Raises
    ------
    ValueError
        If a shape, dtype, label or reduction does not fit, or an entry is
        not finite.

    Examples
    --------
    >>> loss, drecord = cross_entropy(np.zeros((3, 1, 2)), np.array([0]))
    >>> round(loss, 4), drecord[:, 0, 0].tolist()
    (0.6931, [0.0, 0.0, -0.5])
    """
    record = _record("record", record)
    labels = _labels(labels, record)
    if not isinstance(reduction, str) or reduction not in ("max", "sum", "last"):
        raise ValueError(f"reduction is {reduction!r}: must be 'max', 'sum' or "
                         "'last'")
    loss, dscores = _softmax_loss(_scores(record, reduction), labels)
    drecord = np.zeros_like(record)
    if reduction == "max":
        np.put_along_axis(drecord, _last_maximum(record)[None], dscores[None], 0)
    elif reduction == "sum":
        drecord[:] = dscores
    else:
        drecord[-1] = dscores
    return loss, drecord


def accuracy(record, labels, reduction="max"):
    """Fraction of the batch whose largest score is the label's.

    Parameters
    ----------
    record : (T, B, k) float
        Readout membranes or spikes.
    labels : (B,) int
        Right classes, 0 ... k-1.
    reduction : {"max", "sum", "last", "first"}
        Equation (1), (2), (3), or the first spike, (6).  Of tied classes
        the lowest is chosen.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If a shape, dtype, label or reduction does not fit, or an entry is
        not finite.

    Examples
    --------
    >>> spikes = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])
    >>> accuracy(spikes, np.array([1]), "first")
    1.0
    """
    record = _record("record", record)
    labels = _labels(labels, record)
    return float((_scores(record, reduction).argmax(axis=1) == labels).mean())


def first_spike_time(spikes, labels, tau, dt):
    """Cross entropy of first-spike times, softmax(-t/tau), eqs. (4)-(7).

    Parameters
    ----------
    spikes : (T, B, k) float
        Spike trains of the output units, 0 or 1 (any real number in
        anchored finite differences).
    labels : (B,) int
        Units that should be first, 0 ... k-1.
    tau : float
        Time difference that makes a factor e of probability, s.
    dt : float
        Step, s.

    Returns
    -------
    loss : float
        Nats, mean over the batch.
    dspikes : (T, B, k) float
        Its derivative by the spikes.

    Raises
    ------
    ValueError
        If a shape, dtype or label does not fit, an entry is not finite, or
        tau or dt is not above 0.

    Examples
    --------
    >>> spikes = np.array([[[0.0, 0.0]], [[1.0, 0.0]]])
    >>> loss, dspikes = first_spike_time(spikes, np.array([0]), 1.0, 1.0)
    >>> round(loss, 4), [round(d, 4) for d in dspikes[:, 0, 0].tolist()]
    (0.3133, [-0.2689, -0.2689])
    """
    spikes = _record("spikes", spikes)
    labels = _labels(labels, spikes)
    scale = spikes.dtype.type(_positive("dt", dt) / _positive("tau", tau))
    loss, dscores = _softmax_loss(-scale * _first(spikes), labels)
    silent = 1 - spikes
    dspikes = np.ones_like(spikes)
    np.cumprod(silent[:-1], axis=0, out=dspikes[1:])        # A
    dspikes *= scale * dscores
    later = np.ones_like(spikes[0])                         # R
    for s in range(len(spikes) - 2, -1, -1):
        later = 1 + silent[s + 1] * later
        dspikes[s] *= later                                                # (7)
    return loss, dspikes


def _smooth(trains, a, b, dt):
    """trains * K along time, as a cascade of two low-pass filters."""
    coefficients = [[1 - a, 0], [1, -a], [0, (1 - b) / dt], [1, -b]]
    up, rise, down, decay = np.array(coefficients, trains.dtype)
    return lfilter(down, decay, lfilter(up, rise, trains, axis=0), axis=0)  # (8)


def van_rossum(spikes, target, tau_rise, tau_decay, dt):
    """Van Rossum distance of spike trains, eqs. (8)-(10).

    Parameters
    ----------
    spikes, target : (T, B, n) float
        Trains of spikes (0 or 1) and the ones they should be.
    tau_rise, tau_decay : float
        Time constants of the kernel, s.  Their order does not matter; if
        they are equal, the kernel is the alpha function.
    dt : float
        Step, s.

    Returns
    -------
    loss : float
        In 1/s: sum over units, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative by the spikes; 0 in the last step, whose kernel
        begins beyond the record.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, an entry is not finite, or a
        time is not above 0.

    Examples
    --------
    >>> spikes = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    >>> tau = float(1 / np.log(2))
    >>> loss, dspikes = van_rossum(spikes, 0 * spikes, tau, tau, 1.0)
    >>> round(loss, 9), [round(d, 9) for d in dspikes.ravel().tolist()]
    (0.0625, [0.125, 0.0625, 0.0])
    """
    spikes = _record("spikes", spikes)
    target = _target("spikes", target, spikes)
    dt = _positive("dt", dt)
    a, b = (np.exp(-dt / _positive(name, tau)) for name, tau in
            (("tau_rise", tau_rise), ("tau_decay", tau_decay)))
    error = _smooth(spikes - target, a, b, dt)
    scale = spikes.dtype.type(dt / spikes.shape[1])
    loss = float(scale / 2 * np.sum(error * error))                        # (9)
    return loss, scale * _smooth(error[::-1], a, b, dt)[::-1]              # (10)


def square(record, target):
    """Half the squared distance of a recording, eqs. (11) and (12).

    Parameters
    ----------
    record, target : (T, B, k) float
        Recording, and what it should be.

    Returns
    -------
    loss : float
        Units of the recording squared: sum over steps and units, mean
        over the batch.
    drecord : (T, B, k) float
        Its derivative by the recording.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> loss, drecord = square(np.full((2, 1, 1), 3.0), np.ones((2, 1, 1)))
    >>> loss, drecord.ravel().tolist()
    (4.0, [2.0, 2.0])
    """
    record = _record("record", record)
    error = record - _target("record", target, record)
    B = record.shape[1]
    return float(np.sum(error * error) / (2 * B)), error / B           # (11, 12)
