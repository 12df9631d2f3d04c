# refsnn 0.1.0 | rnn.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate a recurrent network of tanh units, and differentiate a loss.

With the inputs x, the states h, and the weights W and V,

    pre[t] = W x[t] + V h[t-1]                       (1)  [NMZ19], box 1
    h[t] = tanh(pre[t])                              (2)  [NMZ19], box 1

The state h[-1] before step 0 is 0 by default.

Derivation.  Let e[t] be the direct derivative of the loss L with respect
    to h[t], with all other states held constant.  For any other array A,
    let dA be the total derivative dL/dA.  The chain rule gives

    dpre[t] = (1 - h[t]^2) dh[t]                     (3)  [NMZ19], box 2
    dh[t] = e[t] + V^T dpre[t+1]                     (4)  [NMZ19], box 2
    dW = sum_t dpre[t] x[t]^T,  dV = sum_t dpre[t] h[t-1]^T         (5)
    dx[t] = W^T dpre[t]                                             (6)

    The Jacobian J[t] = dh[t]/dh[t-1], and the derivative F[t] of h[t] with
    respect to the weights at fixed h[t-1], are

    J[t] = diag(1 - h[t]^2) V                                       (7)
    F[t]: dh_i[t]/dW_ij = (1 - h_i[t]^2) x_j[t],
          dh_i[t]/dV_ij = (1 - h_i[t]^2) h_j[t-1]                   (8)

Exact.  The gradient is exact.
Cost.   `simulate` and `backward` take O(T B n (m + n)) time and O(T B (m +
    n)) memory.  `linearise` takes O(T B n p) for p weights.
Departures.  None.  An input that is always 1 has the effect of a bias.
Errata.  Box 2 of [NMZ19] prints the gradient dV of the recurrent weights
    with the presynaptic state h[t].  It must be h[t-1], as in (5).

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays

__all__ = ["backward", "linearise", "run", "simulate", "step"]

NETWORK = "W (n, m*) float, x (T, B, m*), V (n, n), state? (B, n)"


def simulate(x, W, V, state=None):
    """Simulate the recurrent network over T steps by eqs. (1) and (2).  Return
    the array of the states, which has the shape (T, B, n).

    >>> simulate(np.ones((1, 1, 1)), np.zeros((1, 1)), np.eye(1)).tolist()
    [[[0.0]]]

    Parameters
    ----------
    x : (T, B, m) float, int or bool
    W, V : (n, m) and (n, n) float
    state : (B, n) float before the first step, optional; 0 by default
    """
    return run(x, W, V, state)[0]


def run(x, W, V, state=None):
    """Simulate the network by eqs. (1) and (2).  Return two arrays: the
    states, of shape (T, B, n), and a copy of the last state, of shape (B, n).

    >>> x, W, V = np.zeros((2, 1, 1)), np.ones((1, 1)), np.eye(1)
    >>> h, state = run(x, W, V, np.ones((1, 1)))
    >>> bool((state == np.tanh(np.tanh(1))).all())
    True

    Arguments as for `simulate`.
    """
    W, x, V, state = arrays(NETWORK, W, x, V, state)
    (T, B, m), n = x.shape, W.shape[0]
    h = _scan((x.reshape(T * B, m) @ W.T).reshape(T, B, n), V, state)
    return h, h[-1].copy()


def step(drive, V, state=None):
    """Simulate the states (B, n) of the network for one step, eqs. (1), (2).

    >>> step(np.zeros((1, 1)), np.eye(1), np.zeros((1, 1))).tolist()
    [[0.0]]

    Parameters
    ----------
    drive : (B, n) float, ``x[t] @ W.T``, of the dtype of the result
    V, state : as for `run`
    """
    drive, V, state = arrays("drive (B, n) float, V (n, n), state? (B, n)", drive, V,
                             state)
    return _scan(drive[None].copy(), V, state)[0]


def _scan(h, V, last):
    last = np.zeros_like(h[0]) if last is None else last
    for t in range(len(h)):
        h[t] += last @ V.T                                                 # (1)
        last = h[t] = np.tanh(h[t])                                        # (2)
    return h


def backward(x, W, V, h, dh, state=None, dstate=None):
    """Return four arrays with the derivatives of a loss with respect to W, V, x
    and the initial state, eqs. (3)-(6).  The shapes are (n, m) for dW, (n, n)
    for dV, (T, B, m) for dx and (B, n) for dstate.

    >>> x, W, V = np.ones((1, 1, 1)), np.zeros((1, 1)), np.eye(1)
    >>> h = simulate(x, W, V)
    >>> float(backward(x, W, V, h, np.full((1, 1, 1), 2.0))[0][0, 0])
    2.0

    Parameters
    ----------
    x, W, V, state : as for `simulate`
    h, dh : (T, B, n) float
        States from `simulate`, and direct derivatives e[t] of eq. (4).
    dstate : (B, n) float, optional
        Derivative of the loss of later steps with respect to the last state:
        the last result of `backward` for a simulation that continues this one.
    """
    W, x, V, state, h, dh, later = arrays(
        f"{NETWORK}, h (T, B, n), dh (T, B, n), dstate? (B, n)", W, x, V, state, h, dh,
        dstate)
    (T, B, m), n = x.shape, W.shape[0]
    dpre = dh * 1
    if later is not None:
        dpre[T - 1] += later
    for t in range(T - 1, -1, -1):
        if t < T - 1:
            dpre[t] += dpre[t + 1] @ V                                     # (4)
        dpre[t] *= 1 - h[t] ** 2                                           # (3)
    flat = dpre.reshape(T * B, n)
    dW = flat.T @ x.reshape(T * B, m)                                      # (5)
    dV = flat.T @ _before(h, state).reshape(T * B, n)                      # (5)
    dx = (flat @ W).reshape(x.shape)                                       # (6)
    return dW, dV, dx, dpre[0] @ V                                         # (4)


def _before(h, state):
    state = np.zeros_like(h[0]) if state is None else state
    return np.concatenate([state[None], h[:-1]])


def linearise(x, W, V, h, state=None):
    """Differentiate h[t] with respect to h[t-1] and weights, eqs. (7), (8).

    >>> x, W, V = np.ones((2, 1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.5)
    >>> J, F = linearise(x, W, V, simulate(x, W, V))
    >>> J.ravel().tolist(), F[1, 0].tolist()
    ([0.5, 0.5], [[1.0, 0.0]])

    Arguments as for `backward`.

    Returns
    -------
    J : (T, B, n, n) float
        Jacobians dh[t]/dh[t-1]; J[0] is for the initial state.
    F : (T, B, n, n m + n n) float
        Derivative of h[t] with respect to the weights at fixed h[t-1].  The
        columns are the entries of W, then of V, row by row.
    """
    W, x, V, state, h = arrays(f"{NETWORK}, h (T, B, n)", W, x, V, state, h)
    (T, B, m), n = x.shape, W.shape[0]
    slope = 1 - h ** 2
    J = slope[..., None] * V                                               # (7)
    F = np.zeros((T, B, n, n * m + n * n), W.dtype)
    before = _before(h, state)
    for i in range(n):
        first = n * m + i * n
        F[:, :, i, i * m:(i + 1) * m] = slope[:, :, i, None] * x           # (8)
        F[:, :, i, first:first + n] = slope[:, :, i, None] * before        # (8)
    return J, F
