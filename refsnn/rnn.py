# refsnn 0.1.0 | rnn.py | SPDX-License-Identifier: MIT | needs: numpy
r"""A rate recurrent network (tanh), the non-spiking relative of `lif`.

    a[t] = W x[t] + V h[t-1]                      (1)  [NMZ19] eq. ?, box 1
    h[t] = tanh(a[t])                             (2)  [NMZ19] eq. ?, box 1

Derivation.  With dh[t] = dL/dh[t] (later steps included), d[t] = dL/da[t],
    and e[t] the direct derivative of the loss by h[t],

    d[t] = (1 - h[t]^2) dh[t]                     (3)  [NMZ19] eq. ?, box 2
    dh[t] = e[t] + V^T d[t+1]                     (4)  [NMZ19] eq. ?, box 2
    dW = sum_t d[t] x[t]^T,  dV = sum_t d[t] h[t-1]^T    (5)
    dx[t] = W^T d[t]                                 (6)

    and as arrays, with parameters W then V, row by row,

    J[t] = diag(1 - h[t]^2) V                        (7)
    F[t]: dh_i[t]/dW_ij = (1 - h_i[t]^2) x_j[t],
          dh_i[t]/dV_ij = (1 - h_i[t]^2) h_j[t-1]          (8)

Exact.  An ordinary smooth function; finite differences apply as they are.
Cost.   O(T B n (m + n)) time, O(T B n) memory; `linearise` O(T B n p).
Departures.  None.  A bias is an input that is always 1.
Errata.  [NMZ19] box 2 prints the presynaptic factor of dV at step s; it is
    the step before that of the error, as in (5).

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

import numpy as np

__all__ = ["backward", "linearise", "simulate"]


def _array(name, value, shape, dtype=None):
    """`value` as a finite float array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array if dtype is None else array.astype(dtype, copy=False)


def _network(x, W, V):
    W = _array("W", W, (None, None))
    x = _array("x", x, (None, None, W.shape[1]), W.dtype)
    V = _array("V", V, (W.shape[0],) * 2, W.dtype)
    if 0 in x.shape[:2] or W.shape[0] == 0:
        raise ValueError(f"x and W are of shapes {x.shape} and {W.shape}: "
                         "must have T, B and n of at least 1")
    return x, W, V


def _before(h, h0):
    """h[t-1] for every t, with h0 (0 if None) before the first."""
    first = np.zeros_like(h[0]) if h0 is None \
        else _array("h0", h0, h[0].shape, h.dtype)
    return np.concatenate([first[None], h[:-1]])


def simulate(x, W, V, h0=None):
    """Run the network over T steps, eqs. (1) and (2).

    Parameters
    ----------
    x : (T, B, m) float
        Input.
    W : (n, m) float
        Input weights; their dtype is the result's.
    V : (n, n) float
        Recurrent weights.
    h0 : (B, n) float, optional
        State before the first step, 0 by default.

    Returns
    -------
    (T, B, n) float
        States h[t], in [-1, 1].

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> h = simulate(np.ones((2, 1, 1)), np.zeros((1, 1)), np.eye(1))
    >>> h.ravel().tolist()
    [0.0, 0.0]
    """
    x, W, V = _network(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    h = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    last = np.zeros((B, n), W.dtype) if h0 is None \
        else _array("h0", h0, (B, n), W.dtype)
    for t in range(T):
        h[t] += last @ V.T                                                 # (1)
        last = h[t] = np.tanh(h[t])                                        # (2)
    return h


def backward(x, W, V, h, dh, h0=None):
    """Gradient backward in time, eqs. (3)-(6).

    Parameters
    ----------
    x, W, V, h0
        As handed to `simulate`.
    h : (T, B, n) float
        What `simulate` returned.
    dh : (T, B, n) float
        Direct derivative of the loss by the states.

    Returns
    -------
    dW, dV, dx : (n, m), (n, n) and (T, B, m) float
        Adjoints, weights' summed over steps and batch.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W, V = np.ones((1, 1, 1)), np.zeros((1, 1)), np.eye(1)
    >>> h = simulate(x, W, V)
    >>> float(backward(x, W, V, h, np.full((1, 1, 1), 2.0))[0][0, 0])
    2.0
    """
    x, W, V = _network(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    h = _array("h", h, (T, B, n), W.dtype)
    d = _array("dh", dh, (T, B, n), W.dtype) * 1
    for t in range(T - 1, -1, -1):
        if t < T - 1:
            d[t] += d[t + 1] @ V                                           # (4)
        d[t] *= 1 - h[t] ** 2                                              # (3)
    flat = d.reshape(T * B, n)
    dW = flat.T @ x.reshape(T * B, m)
    dV = flat.T @ _before(h, h0).reshape(T * B, n)                         # (5)
    return dW, dV, (flat @ W).reshape(x.shape)                             # (6)


def linearise(x, W, V, h, h0=None):
    """The network as arrays J and F along a recording, eqs. (7) and (8).

    Parameters
    ----------
    x, W, V, h, h0
        As for `backward`.

    Returns
    -------
    J : (T, B, n, n) float
        ``J[t] = dh[t]/dh[t-1]``; J[0] belongs to h0.
    F : (T, B, n, n m + n n) float
        Immediate influence of W then V, row by row.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W, V = np.ones((2, 1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.5)
    >>> J, F = linearise(x, W, V, simulate(x, W, V))
    >>> J.ravel().tolist(), F[1, 0].tolist()
    ([0.5, 0.5], [[1.0, 0.0]])
    """
    x, W, V = _network(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    h = _array("h", h, (T, B, n), W.dtype)
    slope = 1 - h ** 2
    J = slope[..., None] * V                                               # (7)
    F = np.zeros((T, B, n, n * m + n * n), W.dtype)
    before = _before(h, h0)
    for i in range(n):
        first = n * m + i * n
        F[:, :, i, i * m:(i + 1) * m] = slope[:, :, i, None] * x
        F[:, :, i, first:first + n] = slope[:, :, i, None] * before        # (8)
    return J, F
