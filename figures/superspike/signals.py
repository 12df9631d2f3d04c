"""Compute target spike trains, error signals, costs and clipped weights.

The tasks of [ZG18] use these functions together with `refsnn.superspike`.  Spike trains
and errors have time as their first axis.  B is the number of independent networks
(replicas).
"""

import math
import numbers

import numpy as np


def spike_train(events, T, n, dt, dtype=np.float64):
    """Return trains of zeros and ones; a one marks the time step nearest to a spike.

    A unit number outside 0 .. n-1 is rejected.  One target spike train published
    with [ZG18] contains such a number.

    Parameters
    ----------
    events : list of B pairs (times_s, units)
        Sorted spike times in s, and the unit number of each spike, in 0 .. n-1.
    T, n : int
        Number of time steps, and number of units.
    dt : float
        Duration of a time step, s.
    dtype : float32, float64 or bool
        Dtype of the result.

    Returns
    -------
    (T, B, n) array
        Spike trains; each unit spikes at most once per step.

    """
    T, n, dt = _count("T", T), _count("n", n), _positive("dt", dt)
    if dtype not in (np.float32, np.float64, bool):
        raise ValueError(f"dtype is {dtype!r}: must be float32, float64 or bool")
    if not isinstance(events, (list, tuple)) or not events \
            or any(not isinstance(e, (list, tuple)) or len(e) != 2 for e in events):
        raise ValueError(f"events is {events!r:.60}: must be a list of pairs "
                         "(times_s, units), one per replica")
    train = np.zeros((T, len(events), n), dtype)
    for b, (times, units) in enumerate(events):
        steps, units = _steps(f"events[{b}]", times, units, T, n, dt)
        train[steps, b, units] = 1
        if np.count_nonzero(train[:, b]) < len(steps):
            raise ValueError(f"events[{b}]: a unit spikes twice in a step of {dt} s: "
                             "must be at most once")
    return train


def _steps(name, times, units, T, n, dt):
    """Check the spikes of one replica; return their time steps and their unit numbers.
    """
    times, units = np.asarray(times), np.asarray(units)
    if times.ndim != 1 or times.size and times.dtype.kind not in "fiu":
        raise ValueError(f"{name}: times of shape {times.shape}, dtype {times.dtype}: "
                         "must be (E,) numbers, in seconds")
    if units.shape != times.shape or units.size and units.dtype.kind not in "iu":
        raise ValueError(f"{name}: units of shape {units.shape}, dtype {units.dtype}: "
                         f"must be integers of shape {times.shape} like the times")
    times, units = times.astype(float), units.astype(np.int64)
    if not (np.isfinite(times) & (times >= 0)).all() or (np.diff(times) < 0).any() \
            or (np.rint(times / dt) >= T).any():
        raise ValueError(f"{name}: times are {times.tolist()!r:.60} s: must be finite, "
                         "at least 0, sorted, and within the trial, whose last step is "
                         f"at {(T - 1) * dt} s")
    if ((units < 0) | (units >= n)).any():
        raise ValueError(f"{name}: units are {units.tolist()!r:.60}: must be in "
                         f"0 .. {n - 1}")
    return np.rint(times / dt).astype(np.int64), units


def classification(heard, spikes, labels, ends, *, outside="free"):
    """Return the error signal of a classification task.

    The signal is -1 for each spike of a wrong output unit.  If the correct unit
    does not spike within a window, its signal is 1 in the last step of the window.
    The paper does not state whether spikes between windows are errors, so the
    argument `outside` determines how these spikes are treated.

    Parameters
    ----------
    heard : (B,) bool
        Whether the correct unit has already spiked in the current window.  Pass
        False at the start, and later the value returned for the previous block.
    spikes : (T, B, k) float
        Spikes of the output units.
    labels : (T, B) int
        Correct unit at each step; -1 between windows.
    ends : (T, B) bool
        True in the last step of each window.
    outside : {"free", "wrong"}
        Whether spikes between windows are ignored or count as errors.

    Returns
    -------
    heard : (B,) bool
        Value to pass for the next block.
    signal : (T, B, k) float
        Error signal, in the dtype of the spikes.
    """
    spikes = _floats("spikes", spikes, 3)
    labels, ends, heard = _windows(spikes, labels, ends, heard)
    if outside not in ("free", "wrong"):
        raise ValueError(f"outside is {outside!r}: must be 'free' or 'wrong'")
    right = labels[:, :, None] == np.arange(spikes.shape[2])
    wrong = ~right if outside == "wrong" else ~right & (labels >= 0)[:, :, None]
    signal = np.where(wrong, 0 - spikes, spikes.dtype.type(0))
    hits = np.cumsum(((spikes != 0) & right).any(axis=2), axis=0)
    since = -heard.astype(int)
    for t, b in np.argwhere(ends):
        if hits[t, b] == since[b]:
            signal[t, b, labels[t, b]] = 1
        since[b] = hits[t, b]
    return hits[-1] > since, signal


def _windows(spikes, labels, ends, heard):
    """Check `labels`, `ends` and `heard`, and return them as arrays.

    `labels` and `ends` are of shape (T, B), and `heard` is of shape (B,).
    """
    T, B, k = spikes.shape
    labels, ends, heard = np.asarray(labels), np.asarray(ends), np.asarray(heard)
    if labels.shape != (T, B) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be integers of shape {(T, B)}")
    if labels.min() < -1 or labels.max() >= k:
        raise ValueError(f"labels is from {labels.min()} to {labels.max()}: must be in "
                         f"-1 .. {k - 1}")
    for name, array, shape in (("ends", ends, (T, B)), ("heard", heard, (B,))):
        if array.shape != shape or array.dtype != bool:
            raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                             f"must be bool of shape {shape}")
    changes = (labels[1:] != labels[:-1]) & (labels[:-1] >= 0)
    if (changes & ~ends[:-1]).any() or (ends & (labels < 0)).any():
        raise ValueError("ends is True between windows, or False where labels change: "
                         "must mark the last step of each window")
    return labels, ends, heard


def cost(running, error, dt, *, tau=10.0, root=False):
    """Return the running mean of the squared error, averaged over time and units.

    With the decay factor d = exp(-dt/tau), the cost of [ZG18] is

        C[t] = sum_{s<=t} d^(t-s) mean_k e_k[s]^2 / sum_{s<=t} d^(t-s)

    The paper reports the square root of C.  The published code reports 1.2e6 C,
    because the smoothing kernel in the published code is not normalised, in contrast
    to the kernel in this module.

    Parameters
    ----------
    running : (2, B) float64 or None
        Both sums of C after the previous block; None at the start.
    error : (T, B, k) float
        Filtered errors of a block, 1/s.
    dt, tau : float
        Duration of a step, and time constant, s.
    root : bool
        Whether to return the square root of C instead of C.

    Returns
    -------
    running : (2, B) float64
        Both sums of C after the block.
    values : (T, B) float
        C in 1/s^2, or its square root in 1/s.

    """
    error = _floats("error", error, 3)
    T, B, _ = error.shape
    decay = math.exp(-_positive("dt", dt) / _positive("tau", tau))
    if not isinstance(root, bool):
        raise ValueError(f"root is {root!r}: must be True or False")
    running = np.zeros((2, B)) if running is None else _floats("running", running, 2)
    if running.shape != (2, B):
        raise ValueError(f"running is of shape {running.shape}: must be {(2, B)}")
    sums = np.ones((T, 2, B))
    sums[:, 0] = np.mean(np.square(error, dtype=np.float64), axis=2)
    for row in sums:
        row += decay * running
        running = row
    values = sums[:, 0] / sums[:, 1]
    return running.copy(), (np.sqrt(values) if root else values).astype(error.dtype)


def clipped(W, update, bound=0.1):
    """Return the updated weights W + update, clipped to the range [-bound, bound].

    The arrays have shape (B, n, m), and all values are in V.
    """
    W, update, bound = _floats("W", W, 3), _floats("update", update, 3), \
        _positive("bound", bound)
    if W.shape != update.shape:
        raise ValueError(f"update is of shape {update.shape}: must be {W.shape}")
    return np.clip(W + update, -bound, bound).astype(W.dtype)


def _floats(name, value, ndim):
    array = np.asarray(value)
    if array.ndim != ndim or array.size == 0 \
            or array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be float32 or float64, of {ndim} axes and not empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _positive(name, value):
    if isinstance(value, bool) or not isinstance(value, numbers.Real) \
            or not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}: must be a finite number above 0")
    return float(value)


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least 1")
    return int(value)
