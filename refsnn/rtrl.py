# refsnn 0.1.0 | rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute exact gradients by real-time recurrent learning (RTRL).

Consider a recurrence h[t] = f(h[t-1], x[t]; parameters) of the state h.
RTRL computes the influence M[t], which is the total derivative of h[t]
with respect to the parameters, forward in time.  The gradient of the loss
L[t] of step t is then available at step t, and no earlier state is stored.
Let J[t] = dh[t]/dh[t-1] and q[t] = dL[t]/dh[t], and let F[t] be the
derivative of h[t] with respect to the parameters at fixed h[t-1].  With
L = sum_t L[t],

    M[t] = J[t] M[t-1] + F[t],  M[-1] = 0     (1)  [WZ89]
    dL[t]/dparameters = q[t]^T M[t]           (2)  [WZ89]
    dL/dparameters = sum_t q[t]^T M[t]        (3)  [WZ89]

The functions `lif.linearise` and `lif.credit` compute the derivatives J, F
and q.  For leaky integrate-and-fire (LIF) neurons, the module
`sparse_rtrl` is faster, because it skips entries of J that are always 0.

Derivation.  Eqs. (1)-(3) are the chain rule.
Exact.  The gradient is exact if the derivatives J, F and q are exact.
Cost.   A step takes O(B n^2 p) time and O(B n p) memory for B sequences, n
    states and p parameters.
Departures.  The units of [WZ89] are rate units, not spiking neurons.
    [WZ89] updates the weights at each time step.

[WZ89] R. J. Williams and D. Zipser, Neural Comput. 1, 270-280, 1989.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, buffer, unread

__all__ = ["gradient", "step", "step_gradient"]


def step(M, J, F, out=None):
    """Compute the influence M[t] of the parameters on the states, eq. (1).  M[t]
    is an array of shape (B, n, p).

    >>> M = step(None, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 2.0))
    >>> step(M, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 3.0)).tolist()
    [[[4.0]]]

    Parameters
    ----------
    M : (B, n, p) float, influence at the previous step, or None at the start
    J, F : (B, n, n) and (B, n, p) float
        J[t] and F[t] of eq. (1).  The result has the dtype of J.
    out : (B, n, p) float, separate buffer for the result, optional
    """
    J, F, M = arrays("J (B, n, n) float, F (B, n, p), M? (B, n, p)", J, F, M)
    M = np.zeros_like(F) if M is None else M
    out = buffer("out", out, F.shape, F.dtype, (M, J, F))
    np.matmul(J, M, out=out)
    out += F                                                               # (1)
    return out


def step_gradient(M, q):
    """Return the gradient of the loss L[t] with respect to parameters, eq. (2).
    The gradient has the shape (p,), and is a sum over the batch.

    >>> step_gradient(np.array([[[1.0, 2.0]]]), np.array([[3.0]])).tolist()
    [3.0, 6.0]

    Parameters
    ----------
    M : (B, n, p) float, influence, whose entries are not checked
    q : (B, n) float
        q[t] of eq. (2).  If M is the trace `mem` of `sparse_rtrl.lif_step`
        with rule="exact", q is dmem + psi dspikes.
    """
    q, = arrays("q (B, n) float", q)
    M = unread("M, for this q,", M, (*q.shape, np.size(M) // q.size), np.float32,
               np.float64)
    return q.reshape(-1) @ M.reshape(q.size, M.shape[2])                   # (2)


def gradient(J, F, q):
    """Return the gradient (p,) of the total loss, eqs. (1), (3).  The total loss
    is the sum over steps and batch.

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> gradient(J, 3 * q[..., None], q).tolist()
    [7.5]

    Parameters
    ----------
    J, F, q : (T, B, n, n), (T, B, n, p) and (T, B, n) float
        Arguments of `step` and `step_gradient` at all steps; J[0] is not used.
    """
    J, F, q = arrays("J (T, B, n, n) float, F (T, B, n, p), q (T, B, n)", J, F, q)
    M, total = np.zeros_like(F[0]), np.zeros(F.shape[3], F.dtype)
    for t in range(len(q)):
        M = np.matmul(J[t], M)
        M += F[t]
        total += q[t].reshape(-1) @ M.reshape(q[t].size, F.shape[3])       # (3)
    return total
