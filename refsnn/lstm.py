# refsnn 0.1.0 | lstm.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate and differentiate a long short-term memory (LSTM) network.

The network has inputs x, cell states `cell` and outputs h.  The vector
pre[t] stacks the pre-activations of the input gate i, the forget gate f,
the candidate g and the output gate o.  Dropout multiplies the inputs by
the mask x_mask and the recurrent outputs by the mask h_mask.  With the
entrywise product * and the logistic function s(a) = 1/(1 + exp(-a)),

    pre[t] = W (x_mask[t] * x[t]) + V (h_mask[t] * h[t-1]) + b   (1)
    i, f, o = s(pre_i), s(pre_f), s(pre_o),  g = tanh(pre_g)     (2)
    cell[t] = f[t] * cell[t-1] + i[t] * g[t]                     (3)
    h[t] = o[t] * tanh(cell[t])                                  (4)

Derivation.  Let e[t] be the direct derivative of the loss L with respect
    to h[t], with all other states held constant.  For any array A, let dA
    be the total derivative dL/dA.  The chain rule gives

    dh[t] = e[t] + h_mask[t+1] * V^T dpre[t+1]                   (5)
    dcell[t] = dh[t] * o[t] * (1 - tanh(cell[t])^2)
               + f[t+1] * dcell[t+1]                             (6)
    dpre_i = dcell * g * i * (1 - i)
    dpre_f = dcell * cell[t-1] * f * (1 - f)
    dpre_g = dcell * i * (1 - g^2)
    dpre_o = dh * tanh(cell) * o * (1 - o)                       (7)
    dW = sum_t dpre[t] (x_mask[t] * x[t])^T,
    dV = sum_t dpre[t] (h_mask[t] * h[t-1])^T,
    db = sum_t dpre[t]                                           (8)
    dx[t] = x_mask[t] * W^T dpre[t]                              (9)

    `simulate` computes all gates of a step by one call of `tanh`, because

    s(a) = 1/2 + tanh(a/2) / 2                                   (10)

    Each entry of a dropout mask is sampled independently:

    mask = 1/(1 - rate) with probability 1 - rate, else 0        (11)

    The initial entries of W are uniform between -limit and limit, with

    limit = sqrt(6/(m + 4 n))                                    (12)

    The columns of the initial recurrent weights V are orthonormal.  The
    initial biases are 1 for forget gates, and otherwise 0.
Exact.  The gradient is exact.  If the logistic function s(a) is close to
    0, the rounding error of eq. (10) is large relative to s(a).
Cost.   `simulate` takes 4 T B n (m + n) multiplications, and `backward`
    takes 8 T B n (m + n).  Both functions take O(T B (m + n)) memory.
Departures.  The algorithm of [HS97] truncates the gradient of the loss
    where the backpropagated error leaves a memory cell.  The network has
    the forget gates of [GSC00], but no peephole connections.  All gates
    share one dropout mask.  Masks without a time axis are those of [GG16].
    [CSSZ20] trains an LSTM network on binned spikes.

[HS97] S. Hochreiter and J. Schmidhuber, Neural Computation 9, 1735, 1997.
[GSC00] F. Gers, J. Schmidhuber, F. Cummins, Neural Comp. 12, 2451, 2000.
[GG16] Y. Gal and Z. Ghahramani, NeurIPS 2016, arXiv 1512.05287.
[CSSZ20] B. Cramer and others, arXiv 1910.07407.
"""

import math
from typing import NamedTuple, Optional

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, float_dtype, one_of, shown

__all__ = ["backward", "dropout", "init", "simulate"]


class Recording(NamedTuple):
    """Hold recorded states.  The function `simulate` describes the fields."""
    h: np.ndarray
    cell: np.ndarray
    gates: np.ndarray
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold derivatives.  The function `backward` describes the fields."""
    dW: np.ndarray
    dV: np.ndarray
    db: np.ndarray
    dx: Optional[np.ndarray]
    dh0: np.ndarray
    dcell0: np.ndarray
    __repr__ = shown


def simulate(x, W, V, b, *, h0=None, cell0=None, x_mask=None, h_mask=None):
    """Simulate the LSTM network over T steps, eqs. (1)-(4).

    >>> W, V, b = np.zeros((4, 1)), np.zeros((4, 1)), np.array([0.0, 0, 9, 0])
    >>> run = simulate(np.ones((2, 1, 1)), W, V, b)
    >>> run.cell.round(3).ravel().tolist(), run.gates[0, 0].round(3).tolist()
    ([0.5, 0.75], [0.5, 0.5, 1.0, 0.5])

    Parameters
    ----------
    x : (T, B, m) float, int or bool
    W, V, b : (4 n, m), (4 n, n) and (4 n,) float
        Weights and biases, rows i, f, g, o.  Results have the dtype of W.
    h0, cell0 : (B, n) float before the first step, optional; 0 by default
    x_mask, h_mask : (B, m) and (B, n), or (T, B, m) and (T, B, n) float
        Dropout masks, optional; without a time axis, equal at all steps.

    Returns
    -------
    Recording
        h, cell  outputs and cell states, (T, B, n)
        gates    i, f, g and o of (2), (T, B, 4 n)
    """
    W, V, b, x, last, cell, x_mask, h_mask = _network(
        W, V, b, x, h0, cell0, x_mask, h_mask)
    (T, B, m), n = x.shape, V.shape[1]
    half = np.repeat(np.array([0.5, 0.5, 1, 0.5], W.dtype), n)     # for gates, by (10)
    shift = np.where(half < 1, half, 0)
    read = (x if x_mask is None else x * x_mask).reshape(T * B, m)
    gates = (read @ (W * half[:, None]).T).reshape(T, B, 4 * n)            # (1)
    gates += b * half                                                      # (1)
    h, cells = np.empty((2, T, B, n), W.dtype)
    last, cell = (np.zeros_like(h[0]) if a is None else a for a in (last, cell))
    h_mask = None if h_mask is None else np.broadcast_to(h_mask, h.shape)
    V, into, spare = (V * half[:, None]).T.copy(), np.empty_like(gates[0]), 0 * cell
    for t in range(T):
        pre = gates[t]
        if h_mask is not None:
            last = np.multiply(last, h_mask[t], out=spare)                 # (1)
        pre += np.matmul(last, V, out=into)                                # (1)
        np.tanh(pre, out=pre)                                              # (2)
        pre *= half                                                        # (10)
        pre += shift                                                       # (10)
        i, f, g, o = (pre[:, j * n:(j + 1) * n] for j in range(4))
        np.multiply(f, cell, out=cells[t])                                 # (3)
        cells[t] += np.multiply(i, g, out=spare)                           # (3)
        np.multiply(o, np.tanh(cells[t], out=spare), out=h[t])             # (4)
        last, cell = h[t], cells[t]
    return Recording(h, cells, gates)


def backward(x, W, V, b, recording, dh, *, dcell_last=None, h0=None, cell0=None,
             x_mask=None, h_mask=None, inputs=True):
    """Compute the gradient of a loss by backpropagation, eqs. (5)-(9).

    >>> x, W, V = np.ones((1, 1, 1)), np.zeros((4, 1)), np.zeros((4, 1))
    >>> run = simulate(x, W, V, np.zeros(4))
    >>> backward(x, W, V, np.zeros(4), run, np.ones((1, 1, 1))).db.tolist()
    [0.0, 0.0, 0.25, 0.0]

    Parameters
    ----------
    x, W, V, b, recording, h0, cell0, x_mask, h_mask
        Arguments and result of `simulate`.
    dh : (T, B, n) float, direct derivative e[t] of the loss, eq. (5)
    dcell_last, inputs : (B, n) float, optional, and bool
        Derivative of the loss with respect to the last cell states, and
        whether dx is computed.

    Returns
    -------
    Gradient, with dW, dV and db summed over steps and batch
        dW, dV, db   (4 n, m), (4 n, n) and (4 n,)
        dx           (T, B, m), or None if `inputs` is False
        dh0, dcell0  (B, n), by the initial outputs and cell states
    """
    W, V, b, x, h0, cell0, x_mask, h_mask, h, cells, gates, e, dcell = _network(
        W, V, b, x, h0, cell0, x_mask, h_mask,
        *bundle("recording", recording, Recording), dh, dcell_last)
    flags("inputs", inputs)
    (T, B, m), n = x.shape, V.shape[1]
    h0, cell0, dcell = (np.zeros_like(h[0]) if a is None else a
                        for a in (h0, cell0, dcell))
    before = np.concatenate([h0[None], h[:-1]])
    if x_mask is not None:
        x = x * x_mask                                                     # (8)
    if h_mask is not None:
        h_mask = np.broadcast_to(h_mask, h.shape)
        before = before * h_mask                                           # (8)
    dpre, dh0, dcell0 = _sweep(V, cells, gates, e, cell0, dcell, h_mask)
    dpre = dpre.reshape(T * B, 4 * n)
    dW = dpre.T @ x.reshape(T * B, m)                                      # (8)
    dV = dpre.T @ before.reshape(T * B, n)                                 # (8)
    db = dpre.sum(axis=0)                                                  # (8)
    dx = (dpre @ W).reshape(x.shape) if inputs else None                   # (9)
    if inputs and x_mask is not None:
        dx *= x_mask                                                       # (9)
    return Gradient(dW, dV, db, dx, dh0, dcell0)


def _sweep(V, cells, gates, e, cell0, dcell, h_mask):
    n, dpre, dcell = cells.shape[2], np.empty_like(gates), dcell.copy()
    dh, squashed, spare = np.zeros((3,) + dcell.shape, dcell.dtype)
    slope = np.empty_like(gates[0])
    for t in range(len(cells) - 1, -1, -1):
        (i, f, g, o), (di, df, dg, do) = (
            [a[t, :, j * n:(j + 1) * n] for j in range(4)] for a in (gates, dpre))
        dh += e[t]                                                         # (5)
        np.tanh(cells[t], out=squashed)
        np.multiply(dh, squashed, out=do)                                  # (7)
        squashed *= squashed
        np.subtract(1, squashed, out=squashed)
        by_h = np.multiply(dh, o, out=spare)
        dcell += np.multiply(by_h, squashed, out=spare)                    # (6)
        np.multiply(dcell, g, out=di)                                      # (7)
        np.multiply(dcell, cells[t - 1] if t else cell0, out=df)           # (7)
        np.multiply(dcell, i, out=dg)                                      # (7)
        np.multiply(gates[t], gates[t], out=slope)
        np.subtract(gates[t], slope, out=slope)                            # (7)
        np.subtract(1, np.multiply(g, g, out=spare), out=slope[:, 2 * n:3 * n])  # (7)
        dpre[t] *= slope                                                   # (7)
        dcell *= f                                                         # (6)
        np.matmul(dpre[t], V, out=dh)                                      # (5)
        if h_mask is not None:
            dh *= h_mask[t]                                                # (5)
    return dpre, dh, dcell


def dropout(shape, rate, rng, dtype=np.float64):
    """Sample a dropout mask (B, m) or (T, B, m), eq. (11).

    >>> mask = dropout((1, 1000), 0.2, np.random.default_rng(1))
    >>> np.unique(mask).tolist(), 0.9 < float(mask.mean()) < 1.1
    ([0.0, 1.25], True)

    Parameters
    ----------
    shape, rate : tuple of int, float
        Shape (B, m) for one mask at all steps, or (T, B, m), and probability
        that an entry is 0, in [0, 1).
    rng : numpy.random.Generator
    dtype : float32 or float64
    """
    _, rate = arrays("shape (_) int in [1, inf), rate () in [0, 1)",
                     one_of("shape", shape, tuple), rate)
    one_of("rng", rng, np.random.Generator)
    dtype = float_dtype(dtype)
    return ((rng.random(shape) >= rate) / (1 - rate)).astype(dtype)        # (11)


def init(m, n, rng, dtype=np.float64):
    """Sample initial parameters W (4 n, m), V (4 n, n) and b (4 n,), eq. (12).

    >>> W, V, b = init(5, 2, np.random.default_rng(1))
    >>> W.shape, V.shape, b.tolist()
    ((8, 5), (8, 2), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0])

    Parameters
    ----------
    m, n : int, numbers of inputs and cells
    rng, dtype : as for `dropout`
    """
    m, n = arrays("m () int in [1, inf), n () int in [1, inf)", m, n)
    one_of("rng", rng, np.random.Generator)
    dtype = float_dtype(dtype)
    W = rng.uniform(-1, 1, (4 * n, m)) * math.sqrt(6 / (m + 4 * n))        # (12)
    Q, R = np.linalg.qr(rng.standard_normal((4 * n, n)))
    V = Q * np.sign(np.diag(R))         # so that all directions are equally likely
    b = np.repeat([0.0, 1.0, 0.0, 0.0], n)
    return W.astype(dtype), V.astype(dtype), b.astype(dtype)


def _network(W, V, b, x, h0, cell0, x_mask, h_mask, *more):
    for_x, for_h = ("B" if np.ndim(mask) == 2 else "T, B" for mask in (x_mask, h_mask))
    W, V, *others = arrays(
        "W (4n, m) float, V (4n, n), b (4n), x (T, B, m), h0? (B, n), cell0? (B, n), "
        f"x_mask? ({for_x}, m), h_mask? ({for_h}, n)" + bool(more) * (
            ", recording.h (T, B, n), recording.cell (T, B, n), "
            "recording.gates (T, B, 4n), dh (T, B, n), dcell_last? (B, n)"),
        W, V, b, x, h0, cell0, x_mask, h_mask, *more)
    if len(W) != 4 * V.shape[1]:
        raise ValueError(f"W has {len(W)} rows (axis 0), V has {V.shape[1]} columns "
                         "(axis 1): W must have 4 rows, i, f, g, o, for each column")
    return W, V, *others
