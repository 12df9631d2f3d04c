# refsnn 0.1.0 | bptt.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Backpropagation through time (BPTT) computes the exact gradient of a loss.

The loss L depends on the states h[t] = f(h[t-1], x[t]; parameters) of a
network.  BPTT needs three arrays, computed along one trajectory:

    J[t] = dh[t]/dh[t-1],  F[t] = dh[t]/dparameters at fixed h[t-1],
    q[t] = direct derivative of L with respect to h[t].

The direct derivative q[t] excludes the effect of h[t] on later states.
The adjoint a[t] is the total derivative dL/dh[t]:

    a[t] = q[t] + J[t+1]^T a[t+1],  a[T] = 0       (1)  [NMZ19]
    dL/dparameters = sum_t F[t]^T a[t]             (2)  [NMZ19]

For LIF layers, eqs. (1) and (2) become eqs. (7)-(10) of the module `lif`.

A long trajectory can be processed in chunks of steps, from the last chunk
to the first.  The last state of a chunk is also the first state of the
next chunk.  If two chunks share a state h[t], only the earlier chunk may
use the derivative F[t] for the gradient.  In the later of the two chunks,
F[t] must be 0.  The direct derivative of the loss at the last state of a
chunk is

    q[last] = dstate, where dstate = a[first] of the next chunk   (3)

The gradients of all chunks then sum to the gradient of (2).  Truncated
BPTT has two forms.  Truncation by chunks sets dstate = 0.  Therefore, each
derivative q[t] is propagated back only to the start of its chunk.  Rolling
truncation propagates each q[t] back over K steps:

    a[t] = sum_{d=0..K} J[t+1]^T ... J[t+d]^T q[t+d]              (4)

Derivation.  The total derivative M[t] = dh[t]/dparameters obeys M[t] =
    J[t] M[t-1] + F[t], and dL/dparameters = sum_t q[t]^T M[t].  Insert
    M[t] = sum_{s<=t} J[t] ... J[s+1] F[s] and exchange the two sums.  The
    factor of F[s] is then a[s]^T.
Exact.  The gradient is exact for the given arrays J, F and q.  Truncation
    omits the influence of a parameter at step s on the loss after step s +
    K, or in later chunks.
Cost.   `gradient` takes O(T B n (n + p)) time for n states and p
    parameters, and `truncated` takes O(T B n (K n + p)) time.
Departures.  [NMZ19] writes separate sums for each layer.  Here, h holds
    the states of all layers.  The caller adds the gradients of terms that
    depend directly on the parameters, such as weight decay.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays

__all__ = ["adjoint", "chunk", "gradient", "truncated"]

SYSTEM = "J (T, B, n, n) float, F (T, B, n, p*), q (T, B, n)"


def adjoint(J, q):
    """Return the adjoints a (T, B, n), eq. (1).

    >>> J, q = np.full((3, 1, 1, 1), 0.5), np.ones((3, 1, 1))
    >>> adjoint(J, q).ravel().tolist()
    [1.75, 1.5, 1.0]

    Parameters
    ----------
    J : (T, B, n, n) float
        Jacobians ``J[t][b, i, j] = dh[t, b, i] / dh[t-1, b, j]``; J[0] is
        unused.  The result has the dtype of J.
    q : (T, B, n) float, direct derivative of the loss with respect to h[t]
    """
    J, q = arrays("J (T, B, n, n) float, q (T, B, n)", J, q)
    a = np.array(q)
    for t in range(len(q) - 2, -1, -1):
        a[t] += (a[t + 1][:, None, :] @ J[t + 1])[:, 0, :]                 # (1)
    return a


def gradient(J, F, q):
    """Return the gradient (p,), summed over steps and batch, eqs. (1), (2).

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> gradient(J, 3 * q[..., None], q).tolist()
    [7.5]

    Parameters
    ----------
    J, q : as for `adjoint`
    F : (T, B, n, p) float
        ``dh[t]/dparameters`` at fixed h[t-1]
    """
    J, F, q = arrays(SYSTEM, J, F, q)
    return np.einsum("tbi,tbip->p", adjoint(J, q), F)                      # (2)


def chunk(J, F, q, dstate):
    """Return the contribution of one chunk of steps to the gradient, and the
    adjoint of the first state of the chunk, eqs. (1)-(3).  The contribution
    has the shape (p,), and the adjoint has the shape (B, n).

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((1, 1, 1))
    >>> [a.tolist() for a in chunk(J, 2 * J, q, np.full((1, 1), 2.0))]
    [[4.0], [[2.0]]]

    Parameters
    ----------
    J, F : (T + 1, B, n, n) and (T + 1, B, n, p) float
        As for `gradient`, for the T steps of the chunk and the first step of
        the next chunk.  `lif.linearise` returns these arrays if `after` is
        given.  F[0] must be 0 if the first state belongs to an earlier chunk.
    q : as for `adjoint`
    dstate : (B, n) float
        Adjoint of the next chunk's first state.  Zeros truncate the gradient.
    """
    J, F, dstate = arrays("J (T, B, n, n) float, F (T, B, n, p*), dstate (B, n)", J, F,
                          dstate)
    _, q = arrays(f"dstate (B, n), q ({len(J) - 1}, B, n)", dstate, q, dtype=J.dtype)
    a = adjoint(J, np.concatenate([q, dstate[None]]))                      # (3)
    return np.einsum("tbi,tbip->p", a, F), a[0]                            # (2)


def truncated(J, F, q, horizon):
    """Return the gradient (p,) of truncated BPTT, eqs. (2), (4).  Each derivative
    q[t] is propagated back over `horizon` steps (rolling truncation).  The
    gradient is summed over all time steps and all samples.

    >>> J, q = np.full((3, 1, 1, 1), 0.5), np.ones((3, 1, 1))
    >>> [truncated(J, q[..., None], q, K).tolist() for K in range(3)]
    [[3.0], [4.0], [4.25]]

    Parameters
    ----------
    J, F, q : as for `gradient`
    horizon : int, K >= 0; the gradient is exact if K >= T - 1
    """
    J, F, q, K = arrays(SYSTEM + ", horizon () int in [0, inf)", J, F, q, horizon)
    a, term = q.copy(), np.array(q)
    for d in range(1, min(K, len(q) - 1) + 1):
        term = (term[1:, :, None, :] @ J[1:len(q) - d + 1])[:, :, 0, :]
        a[:len(term)] += term                                              # (4)
    return np.einsum("tbi,tbip->p", a, F)                                  # (2)
