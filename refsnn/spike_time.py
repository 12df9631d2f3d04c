# refsnn 0.1.0 | spike_time.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Exact gradients of spike times, through the threshold crossing.

Non-leaky integrate-and-fire units with exponentially decaying currents,
one spike each.  Input j spikes at t_j (s), W_ij is in threshold units per
second:

    dU_i/dt = I_i,
    I_i(t) = sum_{t_j <= t} W_ij exp(-(t - t_j)/tau)     (1)  [NMZ19] eq. ?
    U_i(t) = tau sum_{t_j <= t} W_ij (1 - exp(-(t - t_j)/tau))  (2)

Unit i spikes at t_i, when U_i first passes the threshold.  With z =
exp(t/tau) and the causal set C = {j: t_j <= t_i},

    z_i = sum_C W_ij z_j / a_i                           (3)  [M17] eq. ?
    a_i = sum_C W_ij - threshold/tau = I_i(t_i)          (4)
    dt_i/dW_ij = -tau (1 - exp(-(t_i - t_j)/tau)) / a_i  (5)  [NMZ19] eq. ?
    dt_i/dt_j = W_ij exp(-(t_i - t_j)/tau) / a_i         (6)

for j in C, and 0 otherwise.  A silent unit has t_i = infinity and no
derivative at all: it stays dead unless its weights are raised, as by

    P = sum_i max(0, threshold/tau - sum_j W_ij)         (7)  [M17] eq. ?

The first spike is made the label's one (y) by the cross entropy

    L = -(1/B) sum_b log softmax(-min(t[b], late)/scale)[y[b]]   (8)
    dL/dt[b, c] = ([c = y[b]] - softmax(...)[c]) / (B scale)     (9)

Derivation.  (2) is the integral of (1).  U_i(t_i) = threshold in (2) is
    tau (sum_C W_ij - sum_C W_ij z_j/z_i) = threshold, which gives (3), and
    I_i(t_i) = sum_C W_ij z_j/z_i, which gives (4).  (5) and (6) are
    dt_i = -dU_i/(dU_i/dt), the implicit derivative of the crossing, with
    (2) for dU_i and (4) for dU_i/dt; so are the derivatives of (3), by
    dt = tau dz/z.  C: between two inputs U_i is monotone, so with the p
    earliest inputs as C there is a crossing before input p+1 iff a_i > 0
    and t_i < t_{p+1} (U_i(t_p) <= threshold makes I_i(t_p) >= a_i); the
    first such p is the right one.  (3) divided by z_p does not overflow:
    t_i = t_p + tau log(I_i(t_p)/a_i).  (7): tau sum_j W_ij is
    U_i long after all inputs; a unit whose inputs all spike fires for
    certain if it is above the threshold.
Exact.  As long as no causal set changes; there t_i jumps or has a kink.
    A membrane that touches the threshold and does not pass is silent; a_i,
    then, is near 0, and (5) and (6) grow without bound.  Units with t >=
    late, silent ones too, have the derivative 0 in (9).
Cost.   O(B n m) time and memory, m inputs, n units, and a sort.
Departures.  [NMZ19] has tau = 1 and several spikes per input, [M17] also
    tau = threshold = 1.  Here an input that spikes r times is r inputs
    with one weight.

[BKP02] S. M. Bohte, J. N. Kok and H. La Poutre, Neurocomputing 48, 17-37,
    2002 (SpikeProp: (5) and (6) for other response kernels).
[M17] H. Mostafa, IEEE TNNLS 29(7), 3227-3235, 2018, arXiv 1606.08165.
[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Crossing", "backward", "cross_entropy", "forward", "potential",
           "silent_cost"]


class Crossing(NamedTuple):
    """Threshold crossings of a layer, as `forward` returns them."""

    times: np.ndarray       # (B, n) s, infinity: silent
    causal: np.ndarray      # (B, n, m) bool, inputs up to the crossing
    slope: np.ndarray       # (B, n) dU/dt at the crossing, 0: silent


def _positive(name, value):
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "fiu" \
            or not 0 < number < np.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number above 0")
    return float(number)


def _weights(W):
    W = np.asarray(W)
    if W.dtype not in (np.float32, np.float64):
        raise ValueError(f"W is of dtype {W.dtype}: must be float32 or float64")
    if W.ndim != 2 or 0 in W.shape:
        raise ValueError(f"W is of shape {W.shape}: must be (n, m), none of them 0")
    if not np.isfinite(W).all():
        raise ValueError("W has NaN or infinite entries: must be finite")
    return W


def _times(name, value, width=None, dtype=None):
    """Spike times (B, width), infinity for none."""
    times = np.asarray(value)
    if times.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} is of dtype {times.dtype}: must be float32 or "
                         "float64")
    if times.ndim != 2 or 0 in times.shape or width not in (None, times.shape[1]):
        raise ValueError(f"{name} is of shape {times.shape}: must be "
                         f"(B, {width or 'k'}), none of them 0")
    if np.isnan(times).any() or times.min() < 0:
        raise ValueError(f"{name} has NaN or negative entries: must be times in s, "
                         "at least 0, or infinity for no spike")
    return times if dtype is None else times.astype(dtype)


def _finite(times):
    """times with 0 for infinity."""
    return np.where(np.isfinite(times), times, 0)


def forward(inputs, W, *, tau, threshold):
    """First crossing of the threshold by each unit, eqs. (1)-(4).

    Parameters
    ----------
    inputs : (B, m) float
        Input spike times, s, at least 0; infinity for no spike.
    W : (n, m) float
        Weights, threshold units per s.  Its dtype is the result's.
    tau : float
        Time constant of the currents, s.
    threshold : float
        Above 0.

    Returns
    -------
    Crossing
        Spike times, causal sets and slopes.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, a time is NaN or negative, or tau
        or threshold not above 0.

    Examples
    --------
    >>> inputs = np.array([[1.0, np.inf]])
    >>> W = np.array([[2.0, 9.0], [0.5, 9.0]])
    >>> out = forward(inputs, W, tau=1.0, threshold=1.0)
    >>> [round(t, 4) for t in out.times[0].tolist()], out.causal.tolist()
    ([1.6931, inf], [[[True, False], [False, False]]])
    """
    W = _weights(W)
    inputs = _times("inputs", inputs, W.shape[1], W.dtype)
    tau, threshold = _positive("tau", tau), _positive("threshold", threshold)
    order = np.argsort(inputs, axis=1, kind="stable")
    arrival = np.take_along_axis(inputs, order, 1)
    spiked = np.isfinite(arrival)
    start = np.maximum.accumulate(_finite(arrival), axis=1)
    decay = np.exp(-np.diff(start, axis=1, prepend=0) / tau)
    end = np.append(arrival[:, 1:], np.full((len(inputs), 1), np.inf), axis=1)
    shape = (len(inputs), len(W))
    times, last = np.full(shape, np.inf, W.dtype), np.full(shape, -np.inf, W.dtype)
    slope, current = np.zeros(shape, W.dtype), np.zeros(shape, W.dtype)
    a = np.full(shape, -threshold / tau, W.dtype)
    for p in range(W.shape[1]):
        column = W.T[order[:, p]] * spiked[:, p, None]
        current = decay[:, p, None] * current + column                     # (1)
        a += column                                                        # (4)
        found = (a > 0) & np.isinf(times)
        with np.errstate(over="ignore"):
            ratio = np.divide(current, a, out=np.ones_like(a), where=found)
        t = start[:, p, None] + W.dtype.type(tau) * np.log(np.maximum(ratio, 1))  # (3)
        found &= t < end[:, p, None]
        times[found], slope[found] = t[found], a[found]
        last[found] = np.broadcast_to(start[:, p, None], shape)[found]
    return Crossing(times, inputs[:, None, :] <= last[:, :, None], slope)


def backward(dtimes, inputs, W, crossing, *, tau):
    """Gradient of a loss of spike times, eqs. (5) and (6).

    Parameters
    ----------
    dtimes : (B, n) float
        Derivative of the loss by the spike times; not read where silent.
    inputs, W, tau
        As handed to `forward`.
    crossing : Crossing
        What `forward` returned.

    Returns
    -------
    dW : (n, m) float
        Summed over the batch.
    dinputs : (B, m) float
        Derivative by the input times; 0 where there is none.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, a time is NaN or negative, dtimes
        is not finite, or tau not above 0.

    Examples
    --------
    >>> inputs, W = np.array([[1.0]]), np.array([[2.0]])
    >>> out = forward(inputs, W, tau=1.0, threshold=1.0)
    >>> dW, dinputs = backward(np.array([[1.0]]), inputs, W, out, tau=1.0)
    >>> round(float(dW[0, 0]), 9), round(float(dinputs[0, 0]), 9)
    (-0.5, 1.0)
    """
    W = _weights(W)
    inputs = _times("inputs", inputs, W.shape[1], W.dtype)
    if not isinstance(crossing, tuple) or len(crossing) != 3:
        raise ValueError(f"crossing is {crossing!r:.60}: must be a Crossing")
    times, causal, slope = (np.asarray(field) for field in crossing)
    dtimes, shape = np.asarray(dtimes), (len(inputs), len(W))
    for name, array, wanted in (
            ("dtimes", dtimes, shape), ("crossing.times", times, shape),
            ("crossing.slope", slope, shape),
            ("crossing.causal", causal, (*shape, W.shape[1]))):
        if array.shape != wanted or array.dtype.kind not in "fb":
            raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                             f"must be {wanted} to match inputs and W, and of floats")
    if not np.isfinite(dtimes).all():
        raise ValueError("dtimes has NaN or infinite entries: must be finite")
    tau, fired = _positive("tau", tau), np.isfinite(times)
    if np.isnan(times).any() or not (slope[fired] > 0).all():
        raise ValueError("crossing.times has NaN, or a time whose slope is not above "
                         "0: must be as `forward` returned it")
    scaled = (dtimes / np.where(fired, slope, 1)).astype(W.dtype)
    ago = (_finite(times)[:, :, None] - _finite(inputs)[:, None, :]) * causal
    ago = (ago / tau).astype(W.dtype)
    response = W.dtype.type(tau) * np.expm1(-ago)           # minus dU_i/dW_ij
    dW = np.einsum("bi,bij->ij", scaled, response)                         # (5)
    dinputs = np.einsum("bi,bij->bj", scaled, W * np.exp(-ago) * causal)   # (6)
    return dW, dinputs


def potential(at, inputs, W, *, tau):
    """Membrane potentials at given times, without a reset, eq. (2).

    Parameters
    ----------
    at : (T,) float
        Times, s.
    inputs, W, tau
        As for `forward`.

    Returns
    -------
    (T, B, n) float
        Threshold units.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, a time of inputs is NaN or
        negative, at is not finite, or tau not above 0.

    Examples
    --------
    >>> U = potential([0.5, 1.0 + float(np.log(2))], np.array([[1.0]]),
    ...               np.array([[2.0]]), tau=1.0)
    >>> U.ravel().tolist()
    [0.0, 1.0]
    """
    W = _weights(W)
    inputs = _times("inputs", inputs, W.shape[1], W.dtype)
    tau, at = _positive("tau", tau), np.asarray(at)
    if at.ndim != 1 or at.dtype.kind not in "fiu" or not np.isfinite(at).all():
        raise ValueError(f"at is of shape {at.shape}, dtype {at.dtype}: must be (T,) "
                         "finite times in s")
    ago = np.maximum(at.astype(W.dtype)[:, None, None] - inputs, 0)
    return -tau * np.expm1(-ago / tau) @ W.T                               # (2)


def silent_cost(W, *, tau, threshold):
    """Weight-sum penalty that revives silent units, eq. (7).

    Parameters
    ----------
    W : (n, m) float
        Weights, threshold units per s.
    tau : float
        Time constant of the currents, s.
    threshold : float
        Above 0.

    Returns
    -------
    value : float
        Threshold units per s; 0 if all units can fire.
    dW : (n, m) float
        Its derivative; 0 for a sum that is exactly threshold/tau.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, W is not finite, or tau or
        threshold not above 0.

    Examples
    --------
    >>> W = np.array([[0.25, 0.5], [2.0, 0.0]])
    >>> value, dW = silent_cost(W, tau=1.0, threshold=1.0)
    >>> value, dW.tolist()
    (0.25, [[-1.0, -1.0], [0.0, 0.0]])
    """
    W = _weights(W)
    needed = _positive("threshold", threshold) / _positive("tau", tau)
    missing = np.maximum(W.dtype.type(needed) - W.sum(axis=1), 0)
    dW = np.zeros_like(W)
    dW[missing > 0] = -1
    return float(missing.sum()), dW                                        # (7)


def cross_entropy(times, labels, *, scale, late):
    """Cross entropy of which unit spikes first, eqs. (8) and (9).

    Parameters
    ----------
    times : (B, k) float
        Spike times of the output units, s; infinity for silent ones.
    labels : (B,) int
        Units that should be first, 0 ... k-1.
    scale : float
        Time difference that makes a factor e of probability, s.
    late : float
        Time that later and silent units count as, s.

    Returns
    -------
    loss : float
        Nats, mean over the batch.
    dtimes : (B, k) float
        Its derivative, 0 for units that are late or silent.

    Raises
    ------
    ValueError
        If a shape, dtype or label does not fit, a time is NaN or negative,
        or scale or late is not above 0.

    Examples
    --------
    >>> times, labels = np.array([[1.0, np.inf]]), np.array([0])
    >>> loss, dtimes = cross_entropy(times, labels, scale=1.0, late=2.0)
    >>> round(loss, 4), [round(d, 4) for d in dtimes[0].tolist()]
    (0.3133, [0.2689, 0.0])
    """
    times, labels = _times("times", times), np.asarray(labels)
    scale, late = _positive("scale", scale), _positive("late", late)
    B, k = times.shape
    if labels.shape != (B,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be ({B},) integers to match times")
    if labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"labels reaches from {labels.min()} to {labels.max()}: "
                         f"must be in 0 ... {k - 1}")
    scores = -np.minimum(times, times.dtype.type(late)) / times.dtype.type(scale)
    scores -= scores.max(axis=1, keepdims=True)
    logp = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    rows = np.arange(B)
    dtimes = -np.exp(logp)
    dtimes[rows, labels] += 1
    loss = -logp[rows, labels].mean()                                      # (8)
    return float(loss), np.where(times < late, dtimes / (B * scale), 0)    # (9)
