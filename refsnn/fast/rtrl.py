# refsnn 0.1.0 | fast/rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Real-time recurrent learning (RTRL) of a tanh network, made fast.

The influence M[t] = dh[t]/dtheta of the weights theta = [W | V] on a rate
network

    h[t] = tanh(W x[t] + V h[t-1])

travels along with the state.  Row i of theta holds the c = m + n weights
into neuron i, and column i c + j of M belongs to theta_ij.  D(z) is the
n x (n c) matrix with z_j in row i of that column and 0 elsewhere: a weight
touches one neuron at once.  Then

    M[t] = diag(1 - h[t]^2) (V M[t-1] + D(x[t] | h[t-1])),
    M[-1] = 0                                      (1)  [WZ89] eq. ?
    dL/dtheta = sum_t q[t]^T M[t]                  (2)  [WZ89] eq. ?

with q[t] the derivative of the loss of step t by h[t]; each term of (2)
is known at its step.

Derivation.  The chain rule through tanh, by theta, with h[t-1] itself a
    function of theta.
Exact.  An ordinary smooth function; nothing is dropped.
Cost.   O(n^3 c) time a step and O(n^2 c) memory for each sequence: the
    product V M, beside which D costs next to nothing.  The columns of M do
    not depend on each other: over a recording they are followed in blocks
    that stay in the cache.
Departures.  [WZ89] has the logistic function, one sequence and an update
    of the weights at each step; here the caller decides when.

[WZ89] R. J. Williams and D. Zipser, A learning algorithm for continually
    running fully recurrent neural networks, Neural Computation 1(2),
    270-280, 1989.
"""

import numpy as np

__all__ = ["gradient", "step"]

BLOCK = 2 ** 19         # bytes of the columns that are followed together


def _array(name, value, shape, dtype=None, finite=True):
    """`value` as an array of `shape` (None axes free): float, or cast to dtype."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    kinds = "f" if dtype is None else "fiub"
    if not fits or array.dtype.kind not in kinds or dtype is None and \
            array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a {'float' if kinds == 'f' else 'real'} array of "
                         f"shape {want}")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _filled(name, array):
    """Refuse an array with an axis of length 0."""
    if 0 in array.shape:
        raise ValueError(f"{name} is of shape {array.shape}: must have no axis of 0")
    return array


def _buffer(name, value, shape, dtype, others):
    """`value` to write to, apart from `others`; a new array for None."""
    if value is None:
        return np.empty(shape, dtype)
    if not isinstance(value, np.ndarray) or value.shape != shape \
            or value.dtype != dtype or not value.flags.c_contiguous \
            or not value.flags.writeable:
        raise ValueError(f"{name} is {getattr(value, 'shape', value)}, "
                         f"{getattr(value, 'dtype', None)}: must be a writeable, "
                         f"C-contiguous {np.dtype(dtype)} array of shape {shape}")
    if any(np.may_share_memory(value, other) for other in others):
        raise ValueError(f"{name} shares memory with an argument: must be apart")
    return value


def _previous(name, value, shape, dtype):
    """The influence before a step, 0 for None; entries are not searched."""
    if value is None:
        return np.zeros(shape, dtype)
    array = _array(name, value, shape, finite=False)
    if array.dtype != dtype:
        raise ValueError(f"{name} is of dtype {array.dtype}: must be {dtype}")
    return np.ascontiguousarray(array)


def _weights(V):
    """Checked square weights."""
    V = _filled("V", _array("V", V, (None, None)))
    if V.shape[0] != V.shape[1]:
        raise ValueError(f"V is of shape {V.shape}: must be square")
    return V


def _diagonal(M, first, c):
    """View (k, c) of the entries of D in columns of neurons first, first + 1, ..."""
    k = M.shape[1] // c
    return np.einsum("iij->ij", M[first:first + k].reshape(k, k, c))


def _blocks(n, c, itemsize):
    """(first, last) neurons of blocks of columns of about BLOCK bytes."""
    edges = np.linspace(0, n, min(n, -(-n * n * c * itemsize // BLOCK)) + 1)
    edges = edges.round().astype(int).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))


def step(M, x, before, h, V, out=None):
    """One step of the influence in a tanh network, eq. (1).

    Parameters
    ----------
    M : (B, n, n (m + n)) float or None
        Influence of [W | V] one step before; None stands for 0.  Its
        entries are trusted.
    x : (B, m) float
        Input of this step.
    before, h : (B, n) float
        States before and after this step.
    V : (n, n) float
        Recurrent weights; their dtype is the result's.
    out : (B, n, n (m + n)) float, optional
        Buffer for the result, other memory than M.

    Returns
    -------
    (B, n, n (m + n)) float
        Influence after the step; its gradient is the sum of
        q[b, i] M[b, i] over b and i, shaped (n, m + n).

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, h, V = np.ones((1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.5)
    >>> M = step(None, x, h, h, V)
    >>> step(M, x, h, h, V).tolist()
    [[[1.5, 0.0]]]
    """
    V = _weights(V)
    before = _filled("before", _array("before", before, (None, len(V)), V.dtype))
    h = _array("h", h, before.shape, V.dtype)
    x = _array("x", x, (len(h), None), V.dtype)
    z, slope = np.concatenate([x, before], axis=1), 1 - h ** 2
    shape = (*h.shape, h.shape[1] * z.shape[1])
    M = _previous("M", M, shape, V.dtype)
    out = _buffer("out", out, shape, V.dtype, (M, x, before, h, V))
    for b in range(len(h)):
        np.matmul(slope[b][:, None] * V, M[b], out=out[b])
        view = _diagonal(out[b], 0, z.shape[1])
        view += slope[b][:, None] * z[b]                                   # (1)
    return out


def gradient(x, V, h, dh, h0=None):
    """Gradient of a recorded tanh network, forward in time, eqs. (1), (2).

    Parameters
    ----------
    x : (T, B, m) float
        Input.
    V : (n, n) float
        Recurrent weights; their dtype is the result's.
    h : (T, B, n) float
        Recorded states.
    dh : (T, B, n) float
        Direct derivative of the loss by the states.
    h0 : (B, n) float, optional
        State before the first step, 0 by default.

    Returns
    -------
    dW, dV : (n, m) and (n, n) float
        Summed over steps and batch.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, h, V = np.ones((2, 1, 1)), np.zeros((2, 1, 1)), np.full((1, 1), 0.5)
    >>> gradient(x, V, h, h + 1)[0].tolist()
    [[2.5]]
    """
    V = _weights(V)
    h = _filled("h", _array("h", h, (None, None, len(V)), V.dtype))
    dh = _array("dh", dh, h.shape, V.dtype)
    x = _array("x", x, (*h.shape[:2], None), V.dtype)
    first = np.zeros_like(h[0]) if h0 is None \
        else _array("h0", h0, h[0].shape, V.dtype)
    z = np.concatenate([x, np.concatenate([first[None], h[:-1]])], axis=2)
    (_, B, n), m = h.shape, x.shape[2]
    slope, total = 1 - h ** 2, np.zeros((n, m + n), V.dtype)
    for b in range(B):
        J = slope[:, b, :, None] * V
        for low, high in _blocks(n, m + n, V.itemsize):
            total[low:high] += _block(J, slope[:, b, low:high], z[:, b], dh[:, b], low)
    return total[:, :m], total[:, m:]


def _block(J, slope, z, q, first):
    """sum_t q[t] M[t] in the columns of some neurons of one sequence."""
    (T, n, _), k, c = J.shape, slope.shape[1], z.shape[1]
    M, new = (np.zeros((n, k * c), J.dtype) for _ in range(2))
    spots = [_diagonal(new, first, c), _diagonal(M, first, c)]
    total, part = np.zeros((2, k * c), J.dtype)
    sent = np.empty((k, c), J.dtype)
    for t in range(T):
        if t:
            np.matmul(J[t], M, out=new)
        np.multiply(slope[t][:, None], z[t], out=sent)
        spots[t % 2] += sent                                               # (1)
        np.matmul(q[t], new, out=part)
        total += part                                                      # (2)
        M, new = new, M
    return total.reshape(k, c)
