# refsnn 0.1.0 | spike_time.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute exact derivatives of spike times by implicit differentiation.

The units are non-leaky integrate-and-fire neurons that spike at most once.
Input j spikes at the time t_j.  The current I_i, with the time constant
tau, and the membrane potential U_i of unit i follow

    dU_i/dt = I_i,
    I_i(t) = sum_{t_j <= t} W_ij exp(-(t - t_j)/tau)     (1)  [NMZ19]
    U_i(t) = tau sum_{t_j <= t} W_ij (1 - exp(-(t - t_j)/tau))  (2)

Unit i spikes at the time t_i at which the membrane potential U_i first
crosses the threshold.  Let C = {j: t_j <= t_i} be the causal set of
inputs.  With y = exp(t/tau),

    y_i = sum_C W_ij y_j / a_i                           (3)  [M17]
    a_i = sum_C W_ij - threshold/tau = I_i(t_i)          (4)
    dt_i/dW_ij = -tau (1 - exp(-(t_i - t_j)/tau)) / a_i  (5)  [NMZ19]
    dt_i/dt_j = W_ij exp(-(t_i - t_j)/tau) / a_i         (6)

If input j spikes after unit i, the derivatives (5) and (6) are 0.  If unit
i does not spike, t_i is infinity, and all derivatives of t_i are 0.  A
penalty P on the weights can make silent units spike:

    P = sum_i max(0, threshold/tau - sum_j W_ij)         (7)  [M17]

Sample b belongs to the class `labels[b]`.  The cross-entropy loss L is
small if the unit of the correct class spikes first in each sample:

    L = -(1/B) sum_b log softmax(-min(t[b], late)/scale)[labels[b]]   (8)
    dL/dt[b, i] = ([i = labels[b]] - softmax(...)[i]) / (B scale)     (9)

The latency loss compares the spike times with targets:

    L = 1/(2B) sum_b,i (min(t[b, i], late) - targets[b, i])^2        (10)

Derivation.  Eq. (2) is the integral of (1).  For U_i(t_i) = threshold, (1)
    and (2) give (4).  With I_i(t_i) = sum_C W_ij y_j/y_i, (4) gives (3).
    Implicit differentiation of U_i(t_i) = threshold gives dt_i =
    -dU_i/(dU_i/dt), and (5) and (6) follow from (2) and (4).  Between two
    successive input spikes, U_i is monotone, because I_i does not change
    sign.  Therefore, C consists of the j earliest inputs.  Here j is the
    smallest number for which a_i > 0 and the time t_i of (3) precedes the
    next input spike.  To avoid overflow, the code computes t_i = t_j + tau
    log(1 + (threshold - U_i(t_j))/(tau a_i)), which equals (3) by (2).  In
    (7), tau sum_j W_ij is the limit of U_i at late times.
Exact.  The derivatives are exact as long as no causal set changes.  Where
    C changes, t_i jumps or has a kink.  If U_i only touches the threshold,
    unit i does not spike.  If U_i barely exceeds the threshold, a_i is
    close to 0, and (5) and (6) are very large.
Cost.   A layer takes O(B m (n + log m)) time and O(B n m) memory.
Departures.  [NMZ19] sets tau = 1 and allows several spikes per input.
    [M17] sets tau = threshold = 1.  Here, an input with r spikes is
    represented by r inputs with the same weights.

[BKP02] S. M. Bohte, J. N. Kok and H. La Poutre, Neurocomputing 48, 17-37,
    2002 (SpikeProp: (5) and (6) for other response kernels).
[M17] H. Mostafa, IEEE TNNLS 29(7), 3227-3235, 2018, arXiv 1606.08165.
[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, shown, unread

__all__ = ["backward", "cross_entropy", "forward", "latency", "potential",
           "silent_cost"]

LAYER = "W (n, m) float, inputs (B, m) in [0, inf]"
CONSTANTS = "tau () in (0, inf), threshold () in (0, inf)"


class Crossing(NamedTuple):
    """Hold spike times.  The function `forward` describes the fields."""
    times: np.ndarray
    causal: np.ndarray
    slope: np.ndarray
    __repr__ = shown


def forward(inputs, W, *, tau, threshold):
    """Find the first threshold crossing of each unit, eqs. (1)-(4).

    >>> inputs = np.array([[1.0, np.inf]])
    >>> W = np.array([[2.0, 9.0], [0.5, 9.0]])
    >>> out = forward(inputs, W, tau=1.0, threshold=1.0)
    >>> [round(t, 4) for t in out.times[0].tolist()], out.causal.tolist()
    ([1.6931, inf], [[[True, False], [False, False]]])

    Parameters
    ----------
    inputs : (B, m) float or int, spike times >= 0 in s, infinity if silent
    W : (n, m) float
        Weights in threshold units per s.  The results have the dtype of `W`.
    tau, threshold : float
        Time constant of the currents in s, and threshold, both above 0.

    Returns
    -------
    Crossing
        times   (B, n) spike times in s, infinity if silent
        causal  (B, n, m) bool, True for inputs in C
        slope   (B, n) dU/dt at the crossing, 0 if silent
    """
    W, inputs = arrays(LAYER, W, inputs)
    tau, threshold = arrays(CONSTANTS, tau, threshold)
    order = np.argsort(inputs, axis=1, kind="stable")
    arrival = np.take_along_axis(inputs, order, 1)
    spiked = np.isfinite(arrival)
    start = np.maximum.accumulate(np.where(spiked, arrival, 0), axis=1)
    gap = np.diff(start, axis=1, prepend=0) / tau
    decay, rise = np.exp(-gap), -tau * np.expm1(-gap)
    end = np.append(arrival[:, 1:], np.full((len(inputs), 1), np.inf), axis=1)
    shape = (len(inputs), len(W))
    times, last = np.full(shape, np.inf, W.dtype), np.full(shape, -np.inf, W.dtype)
    slope, current = np.zeros(shape, W.dtype), np.zeros(shape, W.dtype)
    a, left = (np.full(shape, x, W.dtype) for x in (-threshold / tau, threshold))
    for j in range(W.shape[1]):
        column = W.T[order[:, j]] * spiked[:, j, None]
        left -= rise[:, j, None] * current                  # threshold - U_i(t_j)
        current = decay[:, j, None] * current + column                     # (1)
        a += column                                                        # (4)
        found = (a > 0) & np.isinf(times)
        with np.errstate(over="ignore"):
            ratio = np.divide(left, tau * a, out=np.zeros_like(a), where=found)
        ratio = np.maximum(ratio, 0)
        t = start[:, j, None] + W.dtype.type(tau) * np.log1p(ratio)        # (3)
        found &= t < end[:, j, None]
        times[found], slope[found] = t[found], a[found]
        np.copyto(last, start[:, j, None], where=found)
    return Crossing(times, inputs[:, None, :] <= last[:, :, None], slope)


def backward(dtimes, inputs, W, crossing, *, tau):
    """Return the derivatives of a loss that depends on spike times, eqs. (5),
    (6).  The derivative dW has the shape (n, m) and is a sum over the batch.
    The derivative dinputs has the shape (B, m).

    >>> inputs, W = np.array([[1.0]]), np.array([[2.0]])
    >>> out = forward(inputs, W, tau=1.0, threshold=1.0)
    >>> dW, dinputs = backward(np.array([[1.0]]), inputs, W, out, tau=1.0)
    >>> round(float(dW[0, 0]), 9), round(float(dinputs[0, 0]), 9)
    (-0.5, 1.0)

    Parameters
    ----------
    dtimes : (B, n) float, dL/dt; entries of silent units are ignored
    inputs, W, crossing, tau : arguments and result of `forward`
    """
    crossing = bundle("crossing", crossing, Crossing)
    W, inputs, tau, times, causal, slope = arrays(
        f"{LAYER}, tau () in (0, inf), crossing.times (B, n) in [0, inf], "
        "crossing.causal (B, n, m), crossing.slope (B, n)", W, inputs, tau,
        *crossing)
    fired = np.isfinite(times)
    if not (slope[fired] > 0).all():
        raise ValueError("crossing.slope is not positive at a finite time: must be "
                         "above 0")
    dtimes = unread("dtimes", dtimes, times.shape, int, np.float32, np.float64)
    dtimes, = arrays("dtimes (B, n)", np.where(fired, dtimes, 0), dtype=W.dtype)
    scaled = dtimes / np.where(fired, slope, 1)
    times, inputs = np.where(fired, times, 0), np.where(np.isinf(inputs), 0, inputs)
    ago = (times[:, :, None] - inputs[:, None, :]) * causal
    ago = (ago / tau).astype(W.dtype)
    response = W.dtype.type(tau) * np.expm1(-ago)           # minus dU_i/dW_ij
    dW = np.einsum("bi,bij->ij", scaled, response)                         # (5)
    dinputs = np.einsum("bi,bij->bj", scaled, W * np.exp(-ago) * causal)   # (6)
    return dW, dinputs


def potential(at, inputs, W, *, tau):
    """Return the membrane potentials U (T, B, n) at given times, eq. (2).  U is
    in threshold units and is never reset.

    >>> inputs, W = np.array([[1.0]]), np.array([[2.0]])
    >>> potential([0.5, 99.0], inputs, W, tau=1.0).ravel().tolist()
    [0.0, 2.0]

    Parameters
    ----------
    at : (T,) float, times in s
    inputs, W, tau : as for `forward`
    """
    W, inputs, at = arrays(LAYER + ", at (T*)", W, inputs, at)
    tau, = arrays("tau () in (0, inf)", tau)
    ago = np.maximum(at[:, None, None] - inputs, 0)
    return -tau * np.expm1(-ago / tau) @ W.T                               # (2)


def silent_cost(W, *, tau, threshold):
    """Return the penalty P for silent units, eq. (7), and its derivative dP/dW
    (n, m).  P is in threshold units per s.

    >>> W = np.array([[0.25, 0.5], [2.0, 0.0]])
    >>> value, dW = silent_cost(W, tau=1.0, threshold=1.0)
    >>> value, dW.tolist()
    (0.25, [[-1.0, -1.0], [0.0, 0.0]])

    Arguments as for `forward`.
    """
    W, = arrays("W (n, m) float", W)
    tau, threshold = arrays(CONSTANTS, tau, threshold)
    missing = np.maximum(W.dtype.type(threshold / tau) - W.sum(axis=1), 0)
    dW = np.zeros_like(W)
    dW[missing > 0] = -1
    return float(missing.sum()), dW                                        # (7)


def cross_entropy(times, labels, *, scale, late):
    """Return the cross-entropy loss in nats, eq. (8), and its derivatives with
    respect to the spike times, eq. (9).  The derivatives have the shape
    (B, k).  The derivative with respect to a spike time t >= `late` is 0.

    >>> times, labels = np.array([[1.0, np.inf]]), np.array([0])
    >>> loss, dtimes = cross_entropy(times, labels, scale=1.0, late=2.0)
    >>> round(loss, 4), [round(d, 4) for d in dtimes[0].tolist()]
    (0.3133, [0.2689, 0.0])

    Parameters
    ----------
    times, labels : (B, k) float, (B,) int
        Spike times of the output units in s, infinity for silent units, and
        index of the unit that should spike first in each sample, 0 ... k-1.
    scale, late : float, softmax time scale and upper limit of times, both in s
    """
    times, = arrays("times (B, k) float in [0, inf]", times)
    B, k = times.shape
    _, labels, scale, late = arrays(
        f"times (B, k) in [0, inf], labels (B) int in [0, {k}), scale () in (0, inf), "
        "late () in (0, inf)", times, labels, scale, late, dtype=times.dtype)
    scores = -np.minimum(times, times.dtype.type(late)) / times.dtype.type(scale)
    scores -= scores.max(axis=1, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows, dtimes = np.arange(B), -np.exp(logp)
    dtimes[rows, labels] += 1
    loss = -logp[rows, labels].mean()                                      # (8)
    return float(loss), np.where(times < late, dtimes / (B * scale), 0)    # (9)


def latency(times, targets, *, late):
    """Return the loss (10) in s^2, and the derivative dL/dt, of shape (B, k).

    >>> latency(np.array([[1.0, np.inf]]), np.zeros((1, 2)), late=2.0)
    (2.5, array([[1., 0.]]))

    Parameters
    ----------
    times, late : as for `cross_entropy`
    targets : (B, k) float, wanted spike times in s
    """
    times, targets, late = arrays("times (B, k) float in [0, inf], targets (B, k), "
                                  "late () in (0, inf)", times, targets, late)
    error = np.minimum(times, times.dtype.type(late)) - targets
    loss = float((error ** 2).sum() / (2 * len(times)))                    # (10)
    return loss, np.where(times < late, error / len(times), 0)             # (10)
