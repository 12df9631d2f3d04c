# refsnn 0.1.0 | lstm.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Long short-term memory (LSTM) with dropout, and its gradient by hand.

Gates i (input), f (forget), o (output) and candidates g are rows of one
z[t], in the order i, f, g, o.  p and q are masks of dropout, handed in as
arrays, 1 if absent; `*` multiplies entry by entry, s(z) = 1/(1 + exp(-z)).

    z[t] = W (p[t] * x[t]) + V (q[t] * h[t-1]) + b               (1)
    i, f, o = s(z_i), s(z_f), s(z_o),  g = tanh(z_g)             (2)
    c[t] = f[t] * c[t-1] + i[t] * g[t]                           (3)
    h[t] = o[t] * tanh(c[t])                                     (4)

Derivation.  The chain rule backward in time.  e[t] is the direct
    derivative of the loss by h[t]; dA is dL/dA with all later steps.

    dh[t] = e[t] + q[t+1] * V^T dz[t+1]                          (5)
    dc[t] = dh[t] * o[t] * (1 - tanh(c[t])^2) + f[t+1] * dc[t+1]     (6)
    dz_i = dc * g * i * (1 - i),  dz_f = dc * c[t-1] * f * (1 - f),
    dz_g = dc * i * (1 - g^2),  dz_o = dh * tanh(c) * o * (1 - o)    (7)
    dW = sum_t dz[t] (p[t] * x[t])^T,
    dV = sum_t dz[t] (q[t] * h[t-1])^T,  db = sum_t dz[t]        (8)
    dx[t] = p[t] * W^T dz[t]                                     (9)

    One `tanh` serves all gates of a step, by

    s(z) = 1/2 + tanh(z/2) / 2                                   (10)

    with the half taken into copies of W, V and b.  Masks are drawn by

    p = 1/(1 - rate) with probability 1 - rate, else 0           (11)

    and weights by W uniform within +-sqrt(6 / (m + 4 n)), V with
    orthonormal columns, b = 1 for forget gates and 0 elsewhere      (12)
Exact.  An ordinary smooth function.  (10) rounds at eps, not at eps s(z).
Cost.   `simulate` T B n (4 m + 4 n) multiplications, `backward` twice that
    (less T B 4 n m without dx), and some 20 passes a step in cache;
    O(T B (m + n)) memory.
Departures.  [HS97] had no forget gates (they are [GSC00]'s), and cut the
    gradient where it leaves a cell; here it follows every path.  Peepholes
    are left out.  [CSSZ20] trained this network on binned spikes; a mask
    (B, m) is one for all steps, as in [GG16], and serves all four gates.

[HS97] S. Hochreiter and J. Schmidhuber, Neural Computation 9, 1735, 1997.
[GSC00] F. Gers, J. Schmidhuber, F. Cummins, Neural Comp. 12, 2451, 2000.
[GG16] Y. Gal and Z. Ghahramani, NeurIPS 2016, arXiv 1512.05287.
[CSSZ20] B. Cramer and others, arXiv 1910.07407.
"""

import math
from typing import NamedTuple, Optional

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "dropout", "init", "simulate"]


class Recording(NamedTuple):
    """What a run leaves behind."""

    h: np.ndarray           # outputs, (T, B, n)
    c: np.ndarray           # cells, (T, B, n)
    gates: np.ndarray       # i, f, g, o after their functions, (T, B, 4 n)


class Gradient(NamedTuple):
    """Adjoints of weights (summed over steps and batch), input and start."""

    dW: np.ndarray
    dV: np.ndarray
    db: np.ndarray
    dx: Optional[np.ndarray]
    dh0: np.ndarray
    dc0: np.ndarray


def _array(name, value, shapes, dtype=None):
    """`value` as a finite float array of one of `shapes`; None axes are 1+."""
    array = np.asarray(value)
    fits = any(array.ndim == len(shape) and all(
        size == want or (want is None and size)
        for want, size in zip(shape, array.shape, strict=True)) for shape in shapes)
    if not fits or array.dtype not in (np.float32, np.float64):
        want = " or ".join("({})".format(", ".join(
            "1+" if s is None else str(s) for s in shape)) for shape in shapes)
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}")
    if not (math.isfinite(np.vdot(array, array)) or np.isfinite(array).all()):
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array if dtype is None else array.astype(dtype, copy=False)


def _network(x, W, V, b):
    """The arguments as arrays of the dtype of W, n, and 1/2 where eq. (10) is."""
    W = _array("W", W, [(None, None)])
    n, rest = divmod(len(W), 4)
    if rest:
        raise ValueError(f"W is of shape {W.shape}: must have 4 n rows, of the gates "
                         "i, f, g, o")
    x = _array("x", x, [(None, None, W.shape[1])], W.dtype)
    V = _array("V", V, [(4 * n, n)], W.dtype)
    b = _array("b", b, [(4 * n,)], W.dtype)
    half = np.full(4 * n, 0.5, W.dtype)
    half[2 * n:3 * n] = 1
    return x, W, V, b, n, half


def _start(name, value, h):
    return np.zeros_like(h) if value is None else _array(name, value, [h.shape],
                                                         h.dtype)


def _masks(x, name, mask):
    """One mask a step, of the shape of x; None if there are none."""
    return None if mask is None else np.broadcast_to(
        _array(name, mask, [x.shape[1:], x.shape], x.dtype), x.shape)


def _masked(x, name, mask):
    """p[t] * x[t] for all t, and the masks one a step."""
    mask = _masks(x, name, mask)
    return x if mask is None else x * mask, mask


def dropout(shape, rate, rng, dtype=np.float64):
    """Draw a mask of dropout, eq. (11).

    Parameters
    ----------
    shape : tuple of int
        (B, m) for one mask at all steps, (T, B, m) for one a step.
    rate : float
        Probability of 0, in [0, 1).
    rng : numpy.random.Generator
        Source of randomness.
    dtype : float32 or float64
        Of the result; the draws are the same.

    Returns
    -------
    array of `shape`
        Entries 0 or 1/(1 - rate): 1 in the mean.

    Raises
    ------
    ValueError
        If rate is not in [0, 1), shape no tuple of integers above 0, or rng
        or dtype another.

    Examples
    --------
    >>> mask = dropout((1, 1000), 0.2, np.random.default_rng(1))
    >>> np.unique(mask).tolist(), 0.9 < float(mask.mean()) < 1.1
    ([0.0, 1.25], True)
    """
    if not isinstance(shape, tuple) or not shape or not all(
            isinstance(size, (int, np.integer)) and size > 0 for size in shape):
        raise ValueError(f"shape is {shape!r}: must be a tuple of integers above 0")
    if not isinstance(rate, (int, float, np.floating)) or not 0 <= rate < 1:
        raise ValueError(f"rate is {rate!r}: must be a number in [0, 1)")
    _source(rng, dtype)
    return ((rng.random(shape) >= rate) / (1 - rate)).astype(dtype)        # (11)


def _source(rng, dtype):
    if not isinstance(rng, np.random.Generator) \
            or dtype not in (np.float32, np.float64):
        raise ValueError(f"rng is {rng!r}, dtype {dtype!r}: must be a numpy.random."
                         "Generator, and float32 or float64")


def init(m, n, rng, dtype=np.float64):
    """Draw weights, eq. (12).

    Parameters
    ----------
    m, n : int
        Inputs and cells.
    rng : numpy.random.Generator
        Source of randomness.
    dtype : float32 or float64
        Of the result; the draws are the same.

    Returns
    -------
    W, V, b : (4 n, m), (4 n, n) and (4 n,) float
        Rows in the order i, f, g, o.

    Raises
    ------
    ValueError
        If a number is no integer above 0, or rng or dtype another.

    Examples
    --------
    >>> W, V, b = init(5, 2, np.random.default_rng(1))
    >>> W.shape, V.shape, b.tolist()
    ((8, 5), (8, 2), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    """
    for name, size in (("m", m), ("n", n)):
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) \
                or size < 1:
            raise ValueError(f"{name} is {size!r}: must be an integer above 0")
    _source(rng, dtype)
    W = rng.uniform(-1, 1, (4 * n, m)) * math.sqrt(6 / (m + 4 * n))
    Q, R = np.linalg.qr(rng.standard_normal((4 * n, n)))
    V = Q * np.sign(np.diag(R))         # so that all directions are as likely
    b = np.repeat([0.0, 1.0, 0.0, 0.0], n)                                 # (12)
    return W.astype(dtype), V.astype(dtype), b.astype(dtype)


def simulate(x, W, V, b, *, h0=None, c0=None, x_mask=None, h_mask=None):
    """Run the network over T steps, eqs. (1)-(4).

    Parameters
    ----------
    x : (T, B, m) float
        Input.
    W, V, b : (4 n, m), (4 n, n) and (4 n,) float
        Weights and biases, rows in the order i, f, g, o; the dtype of W is
        the result's.
    h0, c0 : (B, n) float, optional
        Output and cells before the first step, 0 by default.
    x_mask, h_mask : (B, m), (B, n) float, or one a step, optional
        Factors of what the gates read of x[t] and of h[t-1]; see `dropout`.

    Returns
    -------
    Recording
        h, c (T, B, n) and gates (T, B, 4 n).  A linear readout is
        ``h @ W_out.T``, whose derivative by h is ``dout @ W_out``.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> W, V, b = np.zeros((4, 1)), np.zeros((4, 1)), np.array([0.0, 0, 9, 0])
    >>> run = simulate(np.ones((2, 1, 1)), W, V, b)
    >>> run.c.round(3).ravel().tolist(), run.gates[0, 0].round(3).tolist()
    ([0.5, 0.75], [0.5, 0.5, 1.0, 0.5])
    """
    x, W, V, b, n, half = _network(x, W, V, b)
    (T, B, m), shift = x.shape, np.where(half < 1, half, 0)
    read = _masked(x, "x_mask", x_mask)[0].reshape(T * B, m)
    gates = (read @ (W * half[:, None]).T).reshape(T, B, 4 * n)
    gates += b * half
    h, c = np.empty((2, T, B, n), W.dtype)
    last, cell = _start("h0", h0, h[0]), _start("c0", c0, h[0])
    q = _masks(h, "h_mask", h_mask)
    V, into, spare = (V * half[:, None]).T.copy(), np.empty_like(gates[0]), 0 * cell
    for t in range(T):
        z = gates[t]
        z += np.matmul(last if q is None else np.multiply(last, q[t], out=spare), V,
                       out=into)                                           # (1)
        np.tanh(z, out=z)
        z *= half
        z += shift                                                         # (2, 10)
        i, f, g, o = (z[:, k * n:(k + 1) * n] for k in range(4))
        np.multiply(f, cell, out=c[t])
        c[t] += np.multiply(i, g, out=spare)                               # (3)
        np.multiply(o, np.tanh(c[t], out=spare), out=h[t])                 # (4)
        last, cell = h[t], c[t]
    return Recording(h, c, gates)


def backward(x, W, V, b, recording, dh, *, dc_last=None, h0=None, c0=None,
             x_mask=None, h_mask=None, inputs=True):
    """Gradient backward in time, eqs. (5)-(9).

    Parameters
    ----------
    x, W, V, b, h0, c0, x_mask, h_mask
        As handed to `simulate`.
    recording : Recording
        What it returned.
    dh : (T, B, n) float
        Direct derivative of the loss by the outputs, e[t].
    dc_last : (B, n) float, optional
        Derivative by the cells after the last step.
    inputs : bool
        Whether dx is wanted.

    Returns
    -------
    Gradient
        dW, dV, db, dx (None if not wanted), dh0, dc0.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W, V = np.ones((1, 1, 1)), np.zeros((4, 1)), np.zeros((4, 1))
    >>> run = simulate(x, W, V, np.zeros(4))
    >>> backward(x, W, V, np.zeros(4), run, np.ones((1, 1, 1))).db.tolist()
    [0.0, 0.0, 0.25, 0.0]
    """
    x, W, V, b, n, _ = _network(x, W, V, b)
    T, B, m = x.shape
    if not isinstance(recording, tuple) or len(recording) != 3:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "Recording (h, c, gates)")
    h, c, gates = (_array(f"recording.{name}", a, [(T, B, size)], W.dtype) for
                   name, a, size in zip(("h", "c", "gates"), recording,
                                        (n, n, 4 * n), strict=True))
    if not isinstance(inputs, (bool, np.bool_)):
        raise ValueError(f"inputs is {inputs!r}: must be a bool")
    e = _array("dh", dh, [(T, B, n)], W.dtype)
    h0, c0 = _start("h0", h0, h[0]), _start("c0", c0, h[0])
    x, p = _masked(x, "x_mask", x_mask)
    h, q = _masked(np.concatenate([h0[None], h[:-1]]), "h_mask", h_mask)
    dz, dh0, dc0 = _sweep(V, c, gates, e, c0, _start("dc_last", dc_last, h[0]), q)
    dz = dz.reshape(T * B, 4 * n)
    dW, dV = dz.T @ x.reshape(T * B, m), dz.T @ h.reshape(T * B, n)        # (8)
    dx = (dz @ W).reshape(x.shape) if inputs else None
    if inputs and p is not None:
        dx *= p                                                            # (9)
    return Gradient(dW, dV, dz.sum(axis=0), dx, dh0, dc0)


def _sweep(V, c, gates, e, c0, dc, q):
    """dz of all steps, and dh, dc before the first, eqs. (5)-(7)."""
    n, dz, dc = c.shape[2], np.empty_like(gates), dc.copy()
    dh, squashed, spare = np.zeros((3,) + dc.shape, dc.dtype)
    slope = np.empty_like(gates[0])
    for t in range(len(c) - 1, -1, -1):
        (i, f, g, o), (di, df, dg, do) = (
            [a[t, :, k * n:(k + 1) * n] for k in range(4)] for a in (gates, dz))
        dh += e[t]
        np.tanh(c[t], out=squashed)
        np.multiply(dh, squashed, out=do)
        squashed *= squashed
        np.subtract(1, squashed, out=squashed)
        dc += np.multiply(np.multiply(dh, o, out=spare), squashed, out=spare)  # (6)
        np.multiply(dc, g, out=di)
        np.multiply(dc, c[t - 1] if t else c0, out=df)
        np.multiply(dc, i, out=dg)
        np.multiply(gates[t], gates[t], out=slope)
        np.subtract(gates[t], slope, out=slope)
        np.subtract(1, np.multiply(g, g, out=spare), out=slope[:, 2 * n:3 * n])
        dz[t] *= slope                                                     # (7)
        dc *= f
        np.matmul(dz[t], V, out=dh)
        if q is not None:
            dh *= q[t]                                                     # (5)
    return dz, dh, dc
