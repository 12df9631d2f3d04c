# refsnn 0.1.0 | delays.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Delay spike trains on a time grid, with delays that can be learned.

A delay d in time steps can be any real number from 0 to K.  A kernel with
K+1 taps a_k represents the delay d.  The input x holds spikes or currents.

    y[t] = sum_{k=0..K} a_k x[t-k]                                    (1)
    nearest:     a_k = 1 if k = rint(d), else 0                       (2)
    linear:      a_k = max(0, 1 - |k - d|)                            (3)
    gaussian:    a_k = exp(-(k - d)^2/(2 s^2))                        (4)
    normalised:  a_k = e_k/(sum_j e_j), e_k as a_k in (4)      (5)  [H24]

The width s is the standard deviation of the Gaussian kernels, in steps.
The derivatives of the taps are

    nearest:     da_k/dd = 0
    linear:      da_k/dd = 1 if k = f + 1, -1 if k = f, else 0        (6)
    gaussian:    da_k/dd = a_k u_k,  u_k = (k - d)/s^2                (7)
                 da_k/ds = a_k v_k,  v_k = (k - d)^2/s^3              (8)
    normalised:  u_k - sum_j a_j u_j in place of u_k in (7), and the
                 same for v_k in (8)                                  (9)

Here f is the largest whole number with f <= d and f < K.  At whole delays
d < K, (6) is the derivative from the right, and at d = K the derivative
from the left.  For a loss L of y, with dA = dL/dA for every array A,

    dx[t] = sum_k a_k dy[t+k],  da_k = sum_t dy[t] x[t-k]            (10)

Delays of neurons have taps a_k[j].  Delays of synapses have taps a_k[i,
j], and the caller multiplies these taps by the weights W_ij.

Derivation.  Eqs. (6)-(9) differentiate (3)-(5).  Eq. (10) transposes (1).
Exact.  Use the same kernel in training and in evaluation.  With a narrow
    normalised kernel, training hardly changes a delay d that is close to a
    whole number.  The derivatives da_k/dd of such a delay are almost 0.
Cost.   `delayed` takes O(K T B m) time for delays of neurons, and O(K T B
    n m) time for delays of synapses.
Departures.  In [H24], the kernels have the width s + 0.27 instead of s.

[H24] I. Hammouamri, I. Khalfaoui-Hassani and T. Masquelier, ICLR 2024,
    arXiv 2306.17670.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of

__all__ = ["delayed", "delayed_backward", "settle", "taps", "taps_backward"]

KERNELS = "nearest", "linear", "gaussian", "normalised"
SMALLEST = 1e-30        # in place of 0 in a denominator


def taps(delays, *, most, kernel="linear", width=None):
    """Return an array of shape (K+1, ...) with the coefficients (taps) a_k of the
    delay kernels, eqs. (2)-(5).

    >>> taps([1.25], most=3).tolist()
    [[0.0], [0.75], [0.25], [0.0]]

    Parameters
    ----------
    delays : (...) float
        Delays in steps, 0 to `most`; (m,) for neurons, (n, m) for synapses.
    most : int, largest delay K in steps
    kernel : {"nearest", "linear", "gaussian", "normalised"}
    width : float or (...) float, optional
        Width s in steps, required for Gaussian kernels and otherwise None.
    """
    return _kernel(delays, most, kernel, width)[0]


def _kernel(delays, most, kernel, width):
    """Return taps and derivatives, eqs. (2)-(9)."""
    one_of("kernel", kernel, *KERNELS)
    most, = arrays("most () int in [0, inf)", most)
    delays, = arrays(f"delays (...) float in [0, {most}]", delays)
    k = np.arange(most + 1, dtype=delays.dtype).reshape(-1, *[1] * delays.ndim)
    apart, flat = k - delays, np.zeros((most + 1, *delays.shape), delays.dtype)
    if kernel in ("nearest", "linear") and width is not None:
        raise ValueError(f"width is given: must be None for the kernel {kernel!r}")
    if kernel == "nearest":
        return (k == np.rint(delays)).astype(delays.dtype), flat, flat     # (2)
    if kernel == "linear":
        low = np.minimum(np.floor(delays), most - 1)
        rise = (k == low + 1).astype(delays.dtype) - (k == low)            # (6)
        return np.maximum(0, 1 - np.abs(apart)), rise * (most > 0), flat   # (3)
    width, = arrays("width (...) in (0, inf)", width, dtype=delays.dtype)
    if width.ndim and width.shape != delays.shape:
        raise ValueError(f"width has shape {width.shape}, delays {delays.shape}: must "
                         "be equal, or width a number")
    power = -(apart / width) ** 2 / 2
    if kernel == "normalised":
        power = power - power.max(axis=0)       # some e_k is 1: their sum is not 0
    a = np.exp(power)                                                      # (4)
    by_delay, by_width = apart / width ** 2, apart ** 2 / width ** 3       # (7, 8)
    if kernel == "normalised":
        a /= a.sum(axis=0)                                                 # (5)
        by_delay = by_delay - (a * by_delay).sum(axis=0)                   # (9)
        by_width = by_width - (a * by_width).sum(axis=0)                   # (9)
    return a, a * by_delay, a * by_width


def taps_backward(dtaps, delays, *, most, kernel="linear", width=None):
    """Return the derivatives (ddelays, dwidth) of the loss, eqs. (6)-(9).  Both
    have the shape of `delays`.  If all kernels have the same width s, the
    derivative with respect to s is the sum of all entries of dwidth.

    >>> ddelays, _ = taps_backward([[0.0], [1.0], [3.0]], [1.0], most=2)
    >>> ddelays.tolist()
    [2.0]

    Parameters
    ----------
    dtaps : (K+1, ...) float
        Derivative of the loss with respect to the taps.  For synapses, this is
        W times the dtaps of `delayed_backward`.
    delays, most, kernel, width : as for `taps`
    """
    a, by_delay, by_width = _kernel(delays, most, kernel, width)
    dtaps, = arrays("dtaps (...)", dtaps, dtype=a.dtype)
    if dtaps.shape != a.shape:
        raise ValueError(f"dtaps has shape {dtaps.shape}: must have {a.shape}, as taps")
    return (dtaps * by_delay).sum(axis=0), (dtaps * by_width).sum(axis=0)


def delayed(x, taps, state=None):
    """Return the delayed inputs y, eq. (1), and the `state` for the next call.
    For delays of m presynaptic neurons, y has the shape (T, B, m).  If each
    synapse of n postsynaptic neurons has a delay, y has the shape (T, B, n).

    >>> y, state = delayed([[[1.0]], [[0.0]]], [[0.25], [0.75]])
    >>> y.ravel().tolist(), state.ravel().tolist()
    ([0.25, 0.75], [0.0])

    Parameters
    ----------
    x : (T, B, m) array, spikes or currents; T = 1 for a single step
    taps : (K+1, m) or (K+1, n, m) float
        Taps of neurons, or the product of weights W and taps of synapses.
    state : (K, B, m) array, optional
        Inputs of the last K steps in temporal order; 0 by default.
    """
    taps, full, T = _buffered(x, taps, state)
    K, y = len(taps) - 1, 0
    for k, a in enumerate(taps):
        part = full[K - k:K - k + T]
        y = y + (part * a if a.ndim == 1 else part @ a.T)                  # (1)
    return y, full[T:].copy()


def delayed_backward(dy, x, taps, state=None):
    """Return the derivatives (dx, dtaps, dstate) of the loss with respect to
    the arguments of `delayed`, eq. (10).

    >>> x, a = np.array([[[1.0]], [[0.0]]]), np.array([[0.0], [0.5]])
    >>> dx, dtaps, dstate = delayed_backward([[[2.0]], [[3.0]]], x, a)
    >>> [d.ravel().tolist() for d in (dx, dtaps, dstate)]
    [[1.5, 0.0], [2.0, 3.0], [1.0]]

    Parameters
    ----------
    dy : (T, B, m) or (T, B, n) array, derivative of the loss
    x, taps, state : as for `delayed`
    """
    taps, full, T, dy = _buffered(x, taps, state, dy)
    K, (dfull, dtaps) = len(taps) - 1, map(np.zeros_like, (full, taps))
    for k, a in enumerate(taps):
        part = slice(K - k, K - k + T)
        dfull[part] += dy * a if a.ndim == 1 else dy @ a                   # (10)
        dtaps[k] = (dy * full[part]).sum(axis=(0, 1)) if a.ndim == 1 \
            else np.tensordot(dy, full[part], ((0, 1), (0, 1)))            # (10)
    return dfull[K:], dtaps, dfull[:K]


def _buffered(x, taps, state, *dy):
    """Check arguments; join `state` and `x`."""
    taps, = arrays("taps (...) float", taps)
    if taps.ndim not in (2, 3):
        raise ValueError(f"taps has shape {taps.shape}: must have 2 or 3 axes")
    n = "n, " * (taps.ndim == 3)
    taps, _, x, state, *dy = arrays(
        f"taps (_, {n}m) float, taps[1:] (k*, {n}m), x (T, B, m), state? (k*, B, m)"
        + f", dy (T, B, {n[:1] or 'm'})" * len(dy), taps, taps[1:], x, state, *dy)
    if state is None:
        state = np.zeros((len(taps) - 1, *x.shape[1:]), x.dtype)
    return taps, np.concatenate([state, x]), len(x), *dy


def settle(delays, x, W=None, *, most, kernel="linear", width=None):
    """Round trained delays to whole time steps.  Return the rounded delays and
    the relative change of the output (float).  In `taps`, use the rounded
    delays with kernel="nearest" or kernel="linear".  The relative change is
    the norm of the difference between the outputs before and after rounding,
    divided by the norm of the output before rounding.

    >>> x = np.array([[[1.0]], [[0.0]], [[0.0]], [[0.0]]])
    >>> rounded, change = settle([1.25], x, most=3)
    >>> rounded.tolist(), round(change, 3)
    ([1.0], 0.447)

    Parameters
    ----------
    delays, most, kernel, width : arguments of `taps` in the training
    x : (T, B, m) array, input on which the outputs are compared
    W : (n, m) float, optional, weights, for delays of synapses
    """
    before = taps(delays, most=most, kernel=kernel, width=width)
    rounded = np.rint(delays)                                              # (2)
    W = 1 if W is None else arrays("W (n, m), delays (n, m)", W, before[0],
                                   dtype=before.dtype)[0]
    old, new = (delayed(x, W * a)[0] for a in (before, taps(rounded, most=most)))
    size, change = (float(np.linalg.norm(a)) for a in (old, new - old))
    return rounded, change / max(size, SMALLEST)
