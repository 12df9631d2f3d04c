# refsnn 0.1.0 | losses.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Compute losses and activity regularisers for spiking networks.

The functions return each loss or regulariser together with its derivative
with respect to the membrane potentials or the spikes.  An array `record`
of shape (T, B, k) holds the membrane potentials or the spikes of k readout
units at T steps for B samples.  The score of each class is computed from
`record` by eq. (1), (2) or (3).  The scores have the shape (B, k).  The
loss (4) is the softmax cross entropy of the scores and the B class labels:

    scores = record[s], s = max(argmax_t record[t])      (1)  [NMZ19]
    scores = sum_t record[t]                             (2)
    scores = record[T-1]                                 (3)
    L = -(1/B) sum_b log softmax(scores[b])[labels[b]]   (4)  [NMZ19]
    dL/dscores[b, i] = (softmax(scores[b])[i] - [i = labels[b]]) / B  (5)

In the first-spike loss, the scores in (4) are `-first/tau` with the time
constant tau.  Here `first` is the time of the first spike of a unit.  A
unit that never spikes has `first = T dt`:

    first = dt sum_{s=0}^{T-1} prod_{j<=s} (1 - S[j])    (6)
    dfirst/dS[s] = -dt A[s] R[s], A[s] = prod_{j<s} (1 - S[j]),
    R[s] = 1 + (1 - S[s+1]) R[s+1], R[T-1] = 1           (7)

The van Rossum distance between spike trains S and target spike trains S^
uses the smoothing kernel (8), which has unit area.  With rise =
exp(-dt/tau_rise) and decay = exp(-dt/tau_decay),

    K[t] = (1-rise)(1-decay)/dt sum_{j<t} rise^j decay^(t-1-j)  (8)
    L = dt/(2 B) sum_{t,b,i} e^2, e = K*(S - S^)  (9)  [ZG18] eq. 2.1
    dL/dS[s] = (dt/B) sum_{t>=s} K[t-s] e[t]  (10)

The squared loss compares `record` with a target of the same shape:

    L = 1/(2 B) sum_{t,b,k} (record - target)^2          (11)
    dL/drecord = (record - target) / B                   (12)

The regularisers penalise the spike count (13) of each neuron, or the mean
spike count (14) of a layer:

    counts[b, i] = sum_t S[t, b, i]                      (13)
    counts[b] = (1/n) sum_i counts[b, i]                 (14)
    lower_bound   mean max(0, bound - counts)^power      (15)  [CSSZ20]
    upper_bound   mean max(0, counts - bound)^power      (16)  [CSSZ20]
    burst         (1/(B n)) sum_{b,i} counts[b, i]^2     (17)  [CB22] eq. 6
    total         (1/B) sum_{b,i} counts[b, i]           (18)  [NMZ19]

The means in (15) and (16) are over all entries of `counts`.

Derivation.  If a unit reaches its maximum in (1) at several steps, only
    the last of these steps receives a derivative.  The first of these
    steps is often step 0, at which a leaky readout does not depend on the
    weights.  The products in (6) are 1 before the first spike and 0 from
    this spike on, so their sum is the number of steps before the first
    spike.  In (7), A[s] is the product of the factors before 1 - S[s], and
    R[s] is the sum over the products of later factors.  If rise and decay
    differ, the sum in (8) is (rise^t - decay^t)/(rise - decay).  The total
    of this sum over t is 1/((1-rise)(1-decay)), so dt sum_t K[t] = 1.
    Eq. (10) is the transpose of the convolution in eq. (9).
Exact.  Eq. (1) has a kink where a unit has the same maximum at two steps.
    With power=1, (15) and (16) have a kink where a count equals the bound,
    and the derivative is set to 0 there.
Cost.   Time and memory are O(T B k).
Departures.  Losses (9) and (11) are summed over units and steps, and
    averaged over the batch only.  The kernel of [ZG18] is eq. (8) up to a
    factor, at the time steps.  The tutorials of [NMZ19] also penalise the
    squared spike count of a neuron in a whole batch, which is
    ``burst(spikes.reshape(T * B, 1, n))``.  [CB22] penalises the spike
    count of a layer by max(0, n counts[b] - limit)^2, which is n^2 times
    (16) with bound = limit/n and per="population".

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119, 2022, arXiv 2006.07239.
[CSSZ20] B. Cramer et al., IEEE TNNLS 33(7), 2744, 2022, arXiv 1910.07407.
[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

import numpy as np
from scipy.signal import lfilter

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of

__all__ = ["accuracy", "burst", "cross_entropy", "first_spike_time", "lower_bound",
           "square", "total", "upper_bound", "van_rossum"]


def cross_entropy(record, labels, reduction="max"):
    """Return the cross entropy L in nats and the derivative of L with respect to
    `record`, eqs. (1)-(5).  The derivative has the shape (T, B, k).

    >>> loss, drecord = cross_entropy(np.zeros((3, 1, 2)), np.array([0]))
    >>> round(loss, 4), drecord[:, 0, 0].tolist()
    (0.6931, [0.0, 0.0, -0.5])

    Parameters
    ----------
    record, labels : (T, B, k) float, (B,) int
        Potentials or spikes of the readout, class of each sample, 0 ... k-1.
    reduction : {"max", "sum", "last"}
        Reduction over time by eq. (1), (2) or (3).
    """
    record, labels = _labelled("record", record, labels)
    one_of("reduction", reduction, "max", "sum", "last")
    loss, dscores = _softmax_loss(_scores(record, reduction), labels)
    drecord = np.zeros_like(record)
    if reduction == "max":
        last = len(record) - 1 - record[::-1].argmax(axis=0)    # last maximum
        np.put_along_axis(drecord, last[None], dscores[None], 0)
    elif reduction == "sum":
        drecord[:] = dscores
    else:
        drecord[-1] = dscores
    return loss, drecord


def _scores(record, reduction):
    if reduction == "max":
        return record.max(axis=0)                                          # (1)
    if reduction == "sum":
        return record.sum(axis=0)                                          # (2)
    if reduction == "last":
        return record[-1]                                                  # (3)
    return -_first(record)


def _softmax_loss(scores, labels):
    rows = np.arange(len(labels))
    shifted = scores - scores.max(axis=1, keepdims=True)    # no overflow in exp
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logp[rows, labels].mean()                                      # (4)
    dscores = np.exp(logp)
    dscores[rows, labels] -= 1
    return float(loss), dscores / len(labels)                              # (5)


def accuracy(record, labels, reduction="max"):
    """Return the fraction of samples that are classified correctly, a float.

    >>> spikes = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])
    >>> accuracy(spikes, np.array([1]), "first")
    1.0

    Parameters
    ----------
    record, labels : as for `cross_entropy`
    reduction : {"max", "sum", "last", "first"}
        Scores of eq. (1), (2) or (3), or minus the first spike time (6).  Of
        several units with the largest score, the first is chosen.
    """
    record, labels = _labelled("record", record, labels)
    one_of("reduction", reduction, "max", "sum", "last", "first")
    return float((_scores(record, reduction).argmax(axis=1) == labels).mean())


def first_spike_time(spikes, labels, tau, dt):
    """Return the first-spike loss L in nats and the derivative of L with respect
    to the spikes, eqs. (4)-(7).  The derivative has the shape (T, B, k).

    >>> spikes = np.array([[[0.0, 0.0]], [[1.0, 0.0]]])
    >>> loss, dspikes = first_spike_time(spikes, np.array([0]), 1.0, 1.0)
    >>> round(loss, 4), [round(d, 4) for d in dspikes[:, 0, 0].tolist()]
    (0.3133, [-0.2689, -0.2689])

    Parameters
    ----------
    spikes, labels : (T, B, k) float, (B,) int
        Spikes (0 or 1), and unit that should spike first in each sample.
    tau, dt : float
        Time constant of the scores -first/tau, and time step, in seconds.
    """
    spikes, labels = _labelled("spikes", spikes, labels)
    dt, tau = arrays("dt () in (0, inf), tau () in (0, inf)", dt, tau)
    scale = spikes.dtype.type(dt / tau)
    loss, dscores = _softmax_loss(-scale * _first(spikes), labels)
    silent = 1 - spikes
    dspikes = np.ones_like(spikes)
    np.cumprod(silent[:-1], axis=0, out=dspikes[1:])        # A of (7)
    dspikes *= scale * dscores
    later = np.ones_like(spikes[0])                         # R of (7)
    for s in range(len(spikes) - 2, -1, -1):
        later = 1 + silent[s + 1] * later
        dspikes[s] *= later                                                # (7)
    return loss, dspikes


def _first(spikes):
    return np.cumprod(1 - spikes, axis=0).sum(axis=0)                      # (6)


def van_rossum(spikes, target, tau_rise, tau_decay, dt):
    """Return the van Rossum distance L in 1/s and its derivative dL/dS (T, B, n),
    eqs. (8)-(10).

    >>> spikes = np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    >>> tau = float(1 / np.log(2))
    >>> loss, dspikes = van_rossum(spikes, 0 * spikes, tau, tau, 1.0)
    >>> round(loss, 9), dspikes.ravel().round(9).tolist()
    (0.0625, [0.125, 0.0625, 0.0])

    Parameters
    ----------
    spikes, target : (T, B, n) float
        Spike trains S (0 or 1) and target spike trains S^.
    tau_rise, tau_decay, dt : float
        Time constants (may be equal) of the kernel and time step, in seconds.
    """
    spikes, target = arrays("spikes (T, B, n) float, target (T, B, n)", spikes, target)
    dt, *taus = arrays("dt () in (0, inf), tau_rise () in (0, inf), "
                       "tau_decay () in (0, inf)", dt, tau_rise, tau_decay)
    a, b = (np.exp(-dt / tau) for tau in taus)
    error = _smooth(spikes - target, a, b, dt)
    scale = spikes.dtype.type(dt / spikes.shape[1])
    loss = float(scale / 2 * np.sum(error * error))                        # (9)
    return loss, scale * _smooth(error[::-1], a, b, dt)[::-1]              # (10)


def _smooth(trains, a, b, dt):
    coefficients = [[1 - a, 0], [1, -a], [0, (1 - b) / dt], [1, -b]]
    up, rise, down, decay = np.array(coefficients, trains.dtype)
    return lfilter(down, decay, lfilter(up, rise, trains, axis=0), axis=0)  # (8)


def square(record, target):
    """Return the squared loss L (11) and its derivative dL/drecord (T, B, k), eq.
    (12).

    >>> loss, drecord = square(np.full((2, 1, 1), 3.0), np.ones((2, 1, 1)))
    >>> loss, drecord.ravel().tolist()
    (4.0, [2.0, 2.0])

    Parameters
    ----------
    record, target : (T, B, k) float, array `record` and its target
    """
    record, target = arrays("record (T, B, k) float, target (T, B, k)", record, target)
    error, B = record - target, record.shape[1]
    return float(np.sum(error * error) / (2 * B)), error / B           # (11, 12)


def lower_bound(spikes, bound, per="neuron", power=2):
    """Return the penalty for spike counts below a bound, eq. (15), and the
    derivative of the penalty with respect to the spikes.  The derivative has
    the shape (T, B, n).  The unit of the penalty is spikes^power.

    >>> value, dspikes = lower_bound(np.zeros((2, 1, 2)), 3)
    >>> value, dspikes[0, 0].tolist()
    (9.0, [-3.0, -3.0])

    Parameters
    ----------
    spikes, bound : (T, B, n) float, float
        Spike trains of a layer, and bound on the spike count, at least 0.
    per : {"neuron", "population"}
        Whether the bound applies to each count (13) or to the mean (14).
    power : {2, 1}, exponent of the distance between count and bound
    """
    return _bounded(spikes, bound, per, power, -1)


def upper_bound(spikes, bound, per="population", power=2):
    """Return the penalty for spike counts above a bound, eq. (16).

    >>> value, dspikes = upper_bound(np.ones((5, 1, 2)), 3)
    >>> value, dspikes[0, 0].tolist()
    (4.0, [2.0, 2.0])

    Arguments and results as for `lower_bound`.
    """
    return _bounded(spikes, bound, per, power, 1)


def _bounded(spikes, bound, per, power, sign):
    spikes, bound, power = arrays("spikes (T, B, n) float, bound () in [0, inf), "
                                  "power () in {1, 2}", spikes, bound, power)
    one_of("per", per, "neuron", "population")
    counts, share = spikes.sum(axis=0), 1.0                                # (13)
    if per == "population":
        counts, share = counts.mean(axis=1, keepdims=True), 1 / counts.shape[1]  # (14)
    excess = np.maximum(sign * (counts - bound), 0)                        # (15, 16)
    slope = 2 * excess if power == 2 else excess > 0
    dspikes = np.broadcast_to(sign * share / excess.size * slope, spikes.shape)
    return float(np.mean(excess ** power)), dspikes.astype(spikes.dtype)   # (15, 16)


def burst(spikes):
    """Return the mean squared spike count (float), eq. (17), and its derivative
    with respect to the spikes.  The derivative has the shape (T, B, n).

    >>> value, dspikes = burst(np.ones((3, 1, 2)))
    >>> value, dspikes[0, 0].tolist()
    (9.0, [3.0, 3.0])

    Arguments as for `lower_bound`.
    """
    spikes, = arrays("spikes (T, B, n) float", spikes)
    counts = spikes.sum(axis=0)
    dspikes = np.broadcast_to(2 * counts / counts.size, spikes.shape)
    return float(np.mean(counts * counts)), dspikes.astype(spikes.dtype)   # (17)


def total(spikes):
    """Return the mean number of spikes per sample (float) and its derivative with
    respect to the spikes, eq. (18).  The derivative has the shape (T, B, n).

    >>> value, dspikes = total(np.ones((3, 2, 4)))
    >>> value, float(dspikes[0, 0, 0])
    (12.0, 0.5)

    Arguments as for `lower_bound`.
    """
    spikes, = arrays("spikes (T, B, n) float", spikes)
    B = spikes.shape[1]
    return float(spikes.sum() / B), np.full_like(spikes, 1 / B)            # (18)


def _labelled(name, record, labels):
    record, = arrays(f"{name} (T, B, k) float", record)
    return arrays(f"{name} (T, B, k), labels (B) int in [0, {record.shape[2]})", record,
                  labels)
