# refsnn 0.1.0 | lstm.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module implements long short-term memory (LSTM) with dropout.

The network has input x, cell states c and outputs h.  The vector z[t]
stacks the pre-activations of the input gate i, the forget gate f, the
candidate g and the output gate o.  By default, all entries of the dropout
masks p and q are 1.  The symbol * is the entrywise product, and s is the
logistic function s(z) = 1/(1 + exp(-z)).

    z[t] = W (p[t] * x[t]) + V (q[t] * h[t-1]) + b               (1)
    i, f, o = s(z_i), s(z_f), s(z_o),  g = tanh(z_g)             (2)
    c[t] = f[t] * c[t-1] + i[t] * g[t]                           (3)
    h[t] = o[t] * tanh(c[t])                                     (4)

Derivation.  Let e[t] be the direct derivative of the loss L with respect
    to h[t].  For any array A, let dA be the total derivative dL/dA.
    The chain rule gives

    dh[t] = e[t] + q[t+1] * V^T dz[t+1]                          (5)
    dc[t] = dh[t] * o[t] * (1 - tanh(c[t])^2) + f[t+1] * dc[t+1]     (6)
    dz_i = dc * g * i * (1 - i),  dz_f = dc * c[t-1] * f * (1 - f),
    dz_g = dc * i * (1 - g^2),  dz_o = dh * tanh(c) * o * (1 - o)    (7)
    dW = sum_t dz[t] (p[t] * x[t])^T,
    dV = sum_t dz[t] (q[t] * h[t-1])^T,  db = sum_t dz[t]        (8)
    dx[t] = p[t] * W^T dz[t]                                     (9)

    One `tanh` per step computes all gates, because

    s(z) = 1/2 + tanh(z/2) / 2                                   (10)

    To apply (10), `simulate` halves the weights and biases of the gates i,
    f and o before the first step.  Each entry of a dropout mask is sampled
    independently:

    p = 1/(1 - rate) with probability 1 - rate, else 0           (11)

    The initial entries of W are uniformly distributed between -r and r,

    r = sqrt(6/(m + 4 n))                                        (12)

    The initial V has orthonormal columns.  The initial biases of forget
    gates are 1.  The other initial biases are 0.
Exact.  The gradient is exact, because the network is smooth and no path is
    omitted.  For s(z) close to 0, the rounding error of (10) is large
    relative to s(z).
Cost.   `simulate` takes 4 T B n (m + n) multiplications.  `backward` takes
    8 T B n (m + n) multiplications.  Both functions take O(T B (m + n))
    memory.
Departures.  [HS97] truncates the gradient where the backpropagated error
    leaves a memory cell.  This module does not truncate the gradient.  The
    network has the forget gates of [GSC00], but no peephole connections.
    All gates share one dropout mask.  A mask of shape (B, m) is used at
    all time steps, as in [GG16].  [CSSZ20] trained an LSTM network on
    binned spikes.

[HS97] S. Hochreiter and J. Schmidhuber, Neural Computation 9, 1735, 1997.
[GSC00] F. Gers, J. Schmidhuber, F. Cummins, Neural Comp. 12, 2451, 2000.
[GG16] Y. Gal and Z. Ghahramani, NeurIPS 2016, arXiv 1512.05287.
[CSSZ20] B. Cramer and others, arXiv 1910.07407.
"""

import math
from typing import NamedTuple, Optional

import numpy as np

from refsnn._checks import arrays, flags, float_dtype, one_of  # python -m refsnn vendor NAME FILE inlines it

__all__ = ["Gradient", "Recording", "backward", "dropout", "init", "simulate"]


class Recording(NamedTuple):
    """Hold the outputs, cell states and gates of a simulation."""
    h: np.ndarray           # outputs, (T, B, n)
    c: np.ndarray           # cell states, (T, B, n)
    gates: np.ndarray       # i, f, g, o of (2), (T, B, 4 n)


class Gradient(NamedTuple):
    """Hold the derivatives of the loss with respect to W, V, b, x, h0 and c0."""
    dW: np.ndarray
    dV: np.ndarray
    db: np.ndarray
    dx: Optional[np.ndarray]        # None if `backward` got inputs=False
    dh0: np.ndarray
    dc0: np.ndarray


def simulate(x, W, V, b, *, h0=None, c0=None, x_mask=None, h_mask=None):
    """Simulate the network over T steps, eqs. (1)-(4).

    >>> W, V, b = np.zeros((4, 1)), np.zeros((4, 1)), np.array([0.0, 0, 9, 0])
    >>> run = simulate(np.ones((2, 1, 1)), W, V, b)
    >>> run.c.round(3).ravel().tolist(), run.gates[0, 0].round(3).tolist()
    ([0.5, 0.75], [0.5, 0.5, 1.0, 0.5])

    Parameters
    ----------
    x : (T, B, m) float
        Input.
    W, V, b : (4 n, m), (4 n, n) and (4 n,) float
        Weights and biases, with rows in the order i, f, g, o.  Results
        have the dtype of W.
    h0, c0 : (B, n) float, optional
        Outputs and cell states before the first step; 0 by default.
    x_mask, h_mask : (B, m) and (B, n), or (T, B, m) and (T, B, n) float
        Dropout masks p and q.  A mask with two axes is used at all steps.

    Returns
    -------
    Recording
    """
    W, V, b, x, h0, c0, p, q = _network(W, V, b, x, h0, c0, x_mask, h_mask)
    (T, B, m), n = x.shape, V.shape[1]
    half = np.repeat(np.array([0.5, 0.5, 1, 0.5], W.dtype), n)
    shift = np.where(half < 1, half, 0)
    read = (x if p is None else x * p).reshape(T * B, m)
    gates = (read @ (W * half[:, None]).T).reshape(T, B, 4 * n)
    gates += b * half
    h, c = np.empty((2, T, B, n), W.dtype)
    last, cell = (np.zeros_like(h[0]) if a is None else a for a in (h0, c0))
    q = None if q is None else np.broadcast_to(q, h.shape)
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
    """Compute the gradient of the loss backward in time, eqs. (5)-(9).

    >>> x, W, V = np.ones((1, 1, 1)), np.zeros((4, 1)), np.zeros((4, 1))
    >>> run = simulate(x, W, V, np.zeros(4))
    >>> backward(x, W, V, np.zeros(4), run, np.ones((1, 1, 1))).db.tolist()
    [0.0, 0.0, 0.25, 0.0]

    Parameters
    ----------
    x, W, V, b, recording, h0, c0, x_mask, h_mask
        Arguments and result of `simulate`.
    dh : (T, B, n) float
        Direct derivative e[t] of the loss with respect to the outputs.  The
        argument `dh` is thus e, not dh of (5).
    dc_last : (B, n) float, optional
        Derivative of the loss with respect to the last cell states.
    inputs : bool
        If False, dx is not computed, and the field dx is None.

    Returns
    -------
    Gradient
        The fields dW, dV and db are summed over steps and batch.
    """
    if not isinstance(recording, tuple) or len(recording) != 3:
        raise ValueError(f"recording is of type {type(recording).__name__}: must be a "
                         "Recording (h, c, gates)")
    W, V, b, x, h0, c0, p, q, h, c, gates, e, dc = _network(
        W, V, b, x, h0, c0, x_mask, h_mask, *recording, dh, dc_last)
    flags("inputs", inputs)
    (T, B, m), n = x.shape, V.shape[1]
    h0, c0, dc = (np.zeros_like(h[0]) if a is None else a for a in (h0, c0, dc))
    h, q = np.concatenate([h0[None], h[:-1]]), \
        None if q is None else np.broadcast_to(q, h.shape)
    x, h = x if p is None else x * p, h if q is None else h * q
    dz, dh0, dc0 = _sweep(V, c, gates, e, c0, dc, q)
    dz = dz.reshape(T * B, 4 * n)
    dW, dV = dz.T @ x.reshape(T * B, m), dz.T @ h.reshape(T * B, n)        # (8)
    dx = (dz @ W).reshape(x.shape) if inputs else None                     # (9)
    if inputs and p is not None:
        dx *= p
    return Gradient(dW, dV, dz.sum(axis=0), dx, dh0, dc0)


def _sweep(V, c, gates, e, c0, dc, q):
    """Return the derivatives dz of eq. (7) at all time steps, and the derivatives
    dh0 and dc0 with respect to the initial state."""
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
        np.matmul(dz[t], V, out=dh)                                        # (5)
        if q is not None:
            dh *= q[t]
    return dz, dh, dc


def dropout(shape, rate, rng, dtype=np.float64):
    """Sample a dropout mask, eq. (11).

    >>> mask = dropout((1, 1000), 0.2, np.random.default_rng(1))
    >>> np.unique(mask).tolist(), 0.9 < float(mask.mean()) < 1.1
    ([0.0, 1.25], True)

    Parameters
    ----------
    shape : tuple of int
        Shape (B, m) of a mask for all steps, or (T, B, m) of separate masks.
    rate : float
        Dropout probability, in [0, 1).
    rng : numpy.random.Generator
    dtype : float32 or float64
        Dtype of the result; both dtypes give the same values up to rounding.

    Returns
    -------
    array of `shape`
    """
    _, rate = arrays("shape (_) int in [1, inf), rate () in [0, 1)",
                     one_of("shape", shape, tuple), rate)
    _source(rng, dtype)
    return ((rng.random(shape) >= rate) / (1 - rate)).astype(dtype)        # (11)


def init(m, n, rng, dtype=np.float64):
    """Sample initial weights and biases, eq. (12).

    >>> W, V, b = init(5, 2, np.random.default_rng(1))
    >>> W.shape, V.shape, b.tolist()
    ((8, 5), (8, 2), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])

    Parameters
    ----------
    m, n : int
        Numbers of inputs and cells.
    rng, dtype
        As for `dropout`.

    Returns
    -------
    W, V, b : (4 n, m), (4 n, n) and (4 n,) float
    """
    m, n = arrays("m () int in [1, inf), n () int in [1, inf)", m, n)
    _source(rng, dtype)
    W = rng.uniform(-1, 1, (4 * n, m)) * math.sqrt(6 / (m + 4 * n))        # (12)
    Q, R = np.linalg.qr(rng.standard_normal((4 * n, n)))
    V = Q * np.sign(np.diag(R))         # so that all directions are equally likely
    b = np.repeat([0.0, 1.0, 0.0, 0.0], n)
    return W.astype(dtype), V.astype(dtype), b.astype(dtype)


def _source(rng, dtype):
    one_of("rng", rng, np.random.Generator)
    float_dtype(dtype)


def _network(W, V, b, x, h0, c0, x_mask, h_mask, *more):
    p, q = ("B" if np.ndim(mask) == 2 else "T, B" for mask in (x_mask, h_mask))
    W, V, *others = arrays(
        "W (g, m) float, V (g, n) float, b (g) float, x (T, B, m) float, "
        f"h0? (B, n) float, c0? (B, n) float, x_mask? ({p}, m) float, "
        f"h_mask? ({q}, n) float" + bool(more) * (
            ", recording.h (T, B, n) float, recording.c (T, B, n) float, "
            "recording.gates (T, B, g) float, dh (T, B, n) float, "
            "dc_last? (B, n) float"), W, V, b, x, h0, c0, x_mask, h_mask, *more)
    if len(W) != 4 * V.shape[1]:
        raise ValueError(f"W is of shape {W.shape}, V of {V.shape}: must have 4 n rows "
                         "for the gates i, f, g, o, and V n columns")
    return W, V, *others
