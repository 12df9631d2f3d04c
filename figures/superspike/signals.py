"""Compute error signals and clipped weights.

The tasks of [ZG18] use these functions together with `refsnn.superspike`.  Spike trains
and errors have time as their first axis.  B is the number of independent networks
(replicas).
"""

import math
import numbers

import numpy as np


def classification(heard, spikes, labels, ends):
    """Return the error signal of a classification task.

    The signal is -1 for each spike of a wrong output unit, and for each spike between
    windows.  If the correct unit does not spike within a window, its signal is 1 in the
    last step of the window.  The paper does not state whether spikes between windows
    are errors.

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

    Returns
    -------
    heard : (B,) bool
        Value to pass for the next block.
    signal : (T, B, k) float
        Error signal, in the dtype of the spikes.
    """
    spikes = _floats("spikes", spikes, 3)
    labels, ends, heard = _windows(spikes, labels, ends, heard)
    right = labels[:, :, None] == np.arange(spikes.shape[2])
    signal = np.where(right, spikes.dtype.type(0), 0 - spikes)
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
