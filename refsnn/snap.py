# refsnn 0.1.0 | snap.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute gradients by SnAp-n, a sparse form of real-time recurrent learning.

Real-time recurrent learning (RTRL) computes the influence matrix M forward
in time.  M holds the total derivative of each state in h with respect to
each weight p.  SnAp-n computes this derivative only for neurons that p
reaches along at most n synapses, of which p is the first.  Let
J[t] = dh[t]/dh[t-1], and let F[t] be the derivative of h[t] with respect
to the weights at fixed h[t-1].  Let q[t] be the direct derivative of the
loss L with respect to h[t].  With the postsynaptic neuron i(p) of p, the
recurrent weights V and the entrywise product o,

    M[t] = P o (J[t] M[t-1] + F[t])                 (1)  [MEE21]
    P_kp = 1 if the neuron of state k is reached from i(p) along at
    most n - 1 nonzero entries of V, else 0         (2)  [MEE21]
    dL/dp = sum_t q[t] M[t]                         (3)

Derivation.  Without the mask P, eq. (1) is the chain rule for the exact
    influence M[t] = dh[t]/dp.  The mask P is the same for all weights into
    one neuron.  Therefore, one dense block of M stores the derivatives
    with respect to all weights into one neuron.
Approximate.  For a weight p, SnAp-n neglects every path that passes
    through a state k with P_kp = 0.  The gradient with respect to p is
    exact for a simulation in which all states k with P_kp = 0 repeat their
    recorded values.  SnAp-n is exact if P removes only zeros.  For
    example, SnAp-2 is exact if V has no zeros, and SnAp-1 is exact if V is
    diagonal.  If N neurons form a ring, SnAp-n is exact for n = N.  SnAp-1
    equals `sparse_rtrl` with rule="block".
Cost.   Let the derivatives of K neurons be stored for each of p weights.
    SnAp-n then takes O(B p K) memory and O(T B p K^2) time.
Departures.  [MEE21] counts the n steps from state to state.  This module
    counts the n steps from neuron to neuron.  Therefore, P has the same
    entries for the current and the potential of a neuron.

[MEE21] J. Menick, E. Elsen, U. Evci et al., ICLR 2021, arXiv 2006.07232.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of

__all__ = ["gradient", "owners", "reach", "stored", "step"]


def reach(V, order):
    """Return an (n, n) bool.  Entry [i, k] is True if SnAp-n computes how the
    states of neuron k depend on the weights into neuron i, eq. (2).

    >>> ring = np.roll(np.eye(3), 1, axis=0)        # 0 to 1 to 2 to 0
    >>> reach(ring, 2).astype(int).tolist()
    [[1, 1, 0], [0, 1, 1], [1, 0, 1]]

    Parameters
    ----------
    V, order : (n, n) float, int
        Recurrent weights, and order n of SnAp-n, at least 1.  Only the
        positions of zeros in V have an effect.
    """
    V, order = arrays("V (n*, n*), order () int in [1, inf)", V, order)
    onward = (V != 0).T
    found = np.eye(len(V), dtype=bool)
    for _ in range(min(order, len(V)) - 1):
        found |= found.astype(float) @ onward > 0                          # (2)
    return found


def owners(n, m, recurrent=True):
    """Return the indices (p,) of the postsynaptic neurons of all p weights.  The
    weights are the entries of W, then those of V, row by row.

    >>> owners(2, 1).tolist()
    [0, 1, 0, 0, 1, 1]

    Parameters
    ----------
    n, m, recurrent : int, int, bool
        Numbers of neurons and inputs, and whether the layer has weights V.
    """
    n, m = arrays("n () int in [1, inf), m () int in [0, inf)", n, m)
    flags("recurrent", recurrent)
    return np.concatenate([np.repeat(np.arange(n), k) for k in (m, n * recurrent)])


def stored(owner, pattern, states):
    """Count the entries of the influence matrix M that SnAp-n stores for one
    sequence.  Return an int.

    >>> stored(owners(3, 2), np.eye(3, dtype=bool), 6), 15 * 6
    (30, 90)

    Parameters
    ----------
    owner, pattern : as for `step`
    states : int, a multiple of the number of neurons
    """
    states, = arrays("states () int in [1, inf)", states)
    groups = _groups(*_checked(owner, pattern, states))
    return sum(len(chosen) * len(kept) for chosen, kept in groups)


def step(blocks, J, F, owner, pattern):
    """Compute the influence M[t] of the parameters on the states, eq. (1).
    Return a tuple of arrays, one for each row of `pattern`.  The array for row
    g has the shape (B, k_g, p_g), and holds the influence of p_g parameters on
    k_g states.

    >>> J, F = np.full((1, 1, 1), 0.5), np.ones((1, 1, 2))
    >>> blocks = step(None, J, F, [0, 0], np.array([[True]]))
    >>> step(blocks, J, F, [0, 0], np.array([[True]]))[0].tolist()
    [[[1.5, 1.5]]]

    Parameters
    ----------
    blocks : tuple of (B, k_g, p_g) float, or None
        Influence of the p_g parameters of row g of `pattern` on the k_g states
        of the neurons that row g keeps, or None at the start.
    J : (B, N, N) float
        Jacobian of this step.  The result has the dtype of J.
    F : (B, N, p) float
        F[t] of eq. (1).  Entries outside `pattern` are ignored.
    owner : (p,) int, row of `pattern` for each parameter, as from `owners`
    pattern : (g, n) bool
        Entry [g, k] is True if row g keeps neuron k, as in the result of
        `reach`.  The states k, n + k, 2 n + k, ... belong to neuron k.  The
        number of states N is a multiple of the number of neurons n.
    """
    J, F = arrays("J (B*, N, N) float, F (B*, N, p*)", J, F)
    groups = _groups(*_checked(owner, pattern, F.shape[1], F[:1]))
    if blocks is not None:
        shapes = [(len(J), len(kept), len(chosen)) for chosen, kept in groups]
        if len(one_of("blocks", blocks, tuple)) != len(shapes):
            raise ValueError(f"blocks has {len(blocks)} arrays: must have "
                             f"{len(shapes)}")
        blocks = arrays(", ".join(f"blocks[{g}] {s}" for g, s in enumerate(shapes)),
                        *blocks, dtype=J.dtype)
    return _step(blocks, J, F, groups)


def _step(blocks, J, F, groups):
    found = tuple(F[:, kept[:, None], chosen] for chosen, kept in groups)
    if blocks is not None:
        for new, block, (_, kept) in zip(found, blocks, groups, strict=True):
            new += J[:, kept[:, None], kept] @ block                       # (1)
    return found


def gradient(J, F, q, owner, pattern):
    """Compute the approximate gradient of the loss by SnAp-n, eqs. (1), (3).  The
    gradient has the shape (p,), and is a sum over steps and batch.

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    >>> gradient(J, F, q, [0], np.array([[True]])).tolist()
    [5.5]

    Parameters
    ----------
    J, F : (T, B, N, N) float, (T, B, N, p) float
        Arguments of `step` at all steps; J[0] is not used.
    q : (T, B, N) float, direct derivative of the loss with respect to h[t]
    owner, pattern : as for `step`
    """
    J, F, q = arrays("J (T, B, N, N) float, F (T, B, N, p*), q (T, B, N)", J, F, q)
    groups = _groups(*_checked(owner, pattern, F.shape[2], F[0, :1]))
    blocks, total = None, np.zeros(F.shape[3], J.dtype)
    for t in range(len(q)):
        blocks = _step(blocks, J[t], F[t], groups)
        for block, (chosen, kept) in zip(blocks, groups, strict=True):
            total[chosen] += np.einsum("bk,bkp->p", q[t][:, kept], block)  # (3)
    return total


def _groups(owner, pattern, states):
    kept = np.tile(pattern, states // pattern.shape[1])
    return [(np.flatnonzero(owner == g), np.flatnonzero(states_of_g))
            for g, states_of_g in enumerate(kept)]


def _checked(owner, pattern, states, F=None):
    pattern, = arrays("pattern (g, n)", pattern)
    _, owner = arrays(f"F? (_*, _, p*), owner (p*) int in [0, {len(pattern)})", F,
                      owner)
    if pattern.dtype != bool or states % pattern.shape[1]:
        raise ValueError(f"pattern is {pattern.dtype} of shape {pattern.shape}: must "
                         f"be bool with a divisor of the {states} states as axis 1")
    return owner, pattern, states
