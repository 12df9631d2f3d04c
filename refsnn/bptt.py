# refsnn 0.1.0 | bptt.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Backpropagation through time (BPTT): the exact gradient, backward in time.

For any recurrence h[t] = f(h[t-1], x[t]; parameters) with loss L, given as
arrays along one trajectory,

    J[t] = dh[t]/dh[t-1],  F[t] = dh[t]/dparameters (h[t-1] held),
    q[t] = dL/dh[t] (direct),

the adjoint p[t] = dL/dh[t], all later states taken into account, is

    p[t] = q[t] + J[t+1]^T p[t+1],  p[T] = 0       (1)  [NMZ19] eq. ?
    dL/dparameters = sum_t F[t]^T p[t]             (2)  [NMZ19] eq. ?

Truncated, the credit q[t] is followed back K steps only:

    p[t] = sum_{d=0..K} J[t+1]^T ... J[t+d]^T q[t+d]          (3)

Derivation.  The total derivative M[t] = dh[t]/dparameters obeys M[t] =
    J[t] M[t-1] + F[t], and dL/dparameters = sum_t q[t]^T M[t].  Writing
    M[t] out as sum_{s<=t} J[t] ... J[s+1] F[s] and exchanging the two sums
    collects, in front of F[s], the adjoint of (1).
Exact.  For every J, F and q; what was dropped, was dropped in J.  (3) is
    approximate below K = T - 1: it drops what a parameter did more than K
    steps before the loss that it is held to account for.
Cost.   O(T B n (n + p)) time and, beside the arrays handed in, O(B n)
    memory: n states, p parameters.  (3): O(T B n (K n + p)) time.
Departures.  [NMZ19] writes the sums for one layered network; here h stacks
    all states of all layers.  Direct terms of the loss in the parameters,
    such as weight decay, are added by the caller.  Truncation is often
    done in chunks of K steps, whose first steps see less than K; (3) gives
    every q[t] the same K.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

import numpy as np

__all__ = ["adjoint", "gradient", "truncated"]


def _checked(J, F, q):
    """The arrays as floats whose shapes agree; F may be None."""
    arrays = {"J": J, "F": F, "q": q}
    for name, value in arrays.items():
        if name == "F" and value is None:
            continue
        array = arrays[name] = np.asarray(value)
        if array.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name} is of dtype {array.dtype}: must be float32 "
                             "or float64")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    J, F, q = arrays.values()
    if q.ndim != 3 or 0 in q.shape:
        raise ValueError(f"q is of shape {q.shape}: must be (T, B, n), none of them 0")
    if J.shape != (*q.shape, q.shape[2]):
        raise ValueError(f"J is of shape {J.shape}: must be (T, B, n, n) to match "
                         f"q of shape {q.shape}")
    if F is not None and (F.ndim != 4 or F.shape[:3] != q.shape):
        raise ValueError(f"F is of shape {F.shape}: must be (T, B, n, p) to match "
                         f"q of shape {q.shape}")
    return J, F, q


def adjoint(J, q):
    """Adjoints p[t] of the states, eq. (1).

    Parameters
    ----------
    J : (T, B, n, n) float
        State Jacobians ``J[t][b, i, j] = dh[t, b, i] / dh[t-1, b, j]``;
        J[0] is not used.
    q : (T, B, n) float
        Direct credit dL/dh[t], units of loss per unit of state.

    Returns
    -------
    (T, B, n) float
        Total credit dL/dh[t].

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> J, q = np.full((3, 1, 1, 1), 0.5), np.ones((3, 1, 1))
    >>> adjoint(J, q).ravel().tolist()
    [1.75, 1.5, 1.0]
    """
    J, _, q = _checked(J, None, q)
    p = q.astype(np.result_type(J, q))
    for t in range(len(q) - 2, -1, -1):
        p[t] += (p[t + 1][:, None, :] @ J[t + 1])[:, 0, :]                 # (1)
    return p


def gradient(J, F, q):
    """Gradient of a loss along a whole trajectory, eqs. (1) and (2).

    Parameters
    ----------
    J : (T, B, n, n) float
        State Jacobians; J[0] is not used.
    F : (T, B, n, p) float
        Immediate influence of the parameters on the states.
    q : (T, B, n) float
        Direct credit, units of loss per unit of state.

    Returns
    -------
    (p,) float
        Summed over steps and batch, units of loss per unit of parameter.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    >>> gradient(J, F, q).tolist()
    [5.5]
    """
    J, F, q = _checked(J, np.asarray(F), q)
    p = adjoint(J, q)
    return np.einsum("tbi,tbip->p", p, F)                                  # (2)


def truncated(J, F, q, horizon):
    """Gradient whose credit is followed back some steps only, (2) and (3).

    Parameters
    ----------
    J : (T, B, n, n) float
        State Jacobians; J[0] is not used.
    F : (T, B, n, p) float
        Immediate influence of the parameters on the states.
    q : (T, B, n) float
        Direct credit, units of loss per unit of state.
    horizon : int
        Steps K, at least 0 (immediate influence alone); exact from T - 1.

    Returns
    -------
    (p,) float
        Summed over steps and batch, units of loss per unit of parameter.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite or the horizon is not an
        integer of at least 0.

    Examples
    --------
    >>> J, q = np.full((3, 1, 1, 1), 0.5), np.ones((3, 1, 1))
    >>> [truncated(J, q[..., None], q, K).tolist() for K in range(3)]
    [[3.0], [4.0], [4.25]]
    """
    J, F, q = _checked(J, np.asarray(F), q)
    if type(horizon) is bool or not isinstance(horizon, (int, np.integer)) \
            or horizon < 0:
        raise ValueError(f"horizon is {horizon!r}: must be an integer >= 0")
    credit = q.astype(np.result_type(J, q))
    p = credit.copy()
    for d in range(1, min(int(horizon), len(q) - 1) + 1):
        credit = (credit[1:, :, None, :] @ J[1:len(q) - d + 1])[:, :, 0, :]
        p[:len(credit)] += credit                                          # (3)
    return np.einsum("tbi,tbip->p", p, F)
