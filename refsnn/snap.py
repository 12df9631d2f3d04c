# refsnn 0.1.0 | snap.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute gradients by SnAp-n, a sparse n-step approximation of RTRL.

The influence matrix M holds the influence of each parameter p on the
states h.  Like real-time recurrent learning (RTRL), SnAp-n propagates M
forward in time.  SnAp-n keeps only the influence on neurons that p reaches
along at most n synapses, of which p is the first, and sets all other
entries of M to 0.  Let J be the state Jacobian, let F be the immediate
influence, and let q be the direct derivative dL/dh.  Let i(p) be the
postsynaptic neuron of p.  With the entrywise product o,

    M[t] = P o (J[t] M[t-1] + F[t])                 (1)  [MEE21]
    P_kp = 1 if the neuron of state k is reached from i(p) along at
    most n - 1 nonzero entries of V, else 0         (2)  [MEE21]
    dL/dp = sum_t q[t] M[t]                         (3)

Derivation.  Without P, (1) gives the exact M[t] = dh[t]/dp.  Entries of M
    where P is 0 are not stored.  Parameters with the same i(p) share one
    block of M.  The update of a block needs only the entries of J between
    its kept neurons.
Approximate.  SnAp-n neglects all paths through neurons that are not kept.
    The gradient of one block is exact for a simulation in which all other
    neurons repeat their recorded states.  SnAp-n is exact if P removes
    only zeros.  This is the case for n = 2 with a dense V, for n = N on a
    ring of N neurons, and for any n with a diagonal V.  SnAp-1 equals
    `sparse_rtrl` with rule="block".
Cost.   Each of p parameters has K kept neurons; exact RTRL keeps all
    neurons.  The memory is O(B p K), and the time is O(T B p K^2).
Departures.  [MEE21] counts steps between single states.  Here, a step
    leads from neuron to neuron.  The states of a neuron, such as current
    and membrane potential, are all kept or all neglected.

[MEE21] J. Menick, E. Elsen, U. Evci, S. Osindero, K. Simonyan and A.
    Graves, ICLR 2021, arXiv 2006.07232.
"""

import numpy as np

from refsnn._checks import arrays, flags, one_of

__all__ = ["gradient", "owners", "reach", "stored", "step"]


def reach(V, order):
    """Find the neurons reached in at most order - 1 synapses, eq. (2).

    >>> ring = np.roll(np.eye(3), 1, axis=0)        # 0 to 1 to 2 to 0
    >>> reach(ring, 2).astype(int).tolist()
    [[1, 1, 0], [0, 1, 1], [1, 0, 1]]

    Parameters
    ----------
    V : (n, n) float
        Recurrent weights (post x pre); only the positions of zeros matter.
    order : int
        Order n of SnAp-n, at least 1.

    Returns
    -------
    (n, n) bool
        Entry [i, k] is True if SnAp-n keeps the influence on neuron k of the
        weights into neuron i.  The diagonal is True.
    """
    V, order = arrays("V (n*, n*), order () int in [1, inf)", V, order)
    onward = (V != 0).T
    found = np.eye(len(V), dtype=bool)
    for _ in range(min(order, len(V)) - 1):
        found |= found.astype(float) @ onward > 0                          # (2)
    return found


def owners(n, m, recurrent=True):
    """Return the postsynaptic neuron of each parameter of a layer.

    >>> owners(2, 1).tolist()
    [0, 1, 0, 0, 1, 1]

    Parameters
    ----------
    n, m : int
        Number of neurons, at least 1, and number of inputs, at least 0.
    recurrent : bool
        True if n x n recurrent weights V follow the n x m input weights W.

    Returns
    -------
    (p,) int
        Postsynaptic neuron of each entry of W, then of V, row by row.
    """
    n, m = arrays("n () int in [1, inf), m () int in [0, inf)", n, m)
    flags("recurrent", recurrent)
    return np.concatenate([np.repeat(np.arange(n), k) for k in (m, n * recurrent)])


def stored(owner, pattern, states):
    """Count the entries of M that SnAp-n stores for one sequence.

    >>> stored(owners(3, 2), np.eye(3, dtype=bool), 6), 15 * 6
    (30, 90)

    Parameters
    ----------
    owner, pattern
        As for `step`.
    states : int
        Number of states, a multiple of the number of neurons.

    Returns
    -------
    int
    """
    states, = arrays("states () int in [1, inf)", states)
    groups = _groups(*_checked(owner, pattern, states))
    return sum(len(chosen) * len(kept) for chosen, kept in groups)


def step(blocks, J, F, owner, pattern):
    """Advance the blocks of the influence matrix by one step, eq. (1).

    >>> J, F = np.full((1, 1, 1), 0.5), np.ones((1, 1, 2))
    >>> blocks = step(None, J, F, [0, 0], np.array([[True]]))
    >>> step(blocks, J, F, [0, 0], np.array([[True]]))[0].tolist()
    [[[1.5, 1.5]]]

    Parameters
    ----------
    blocks : tuple of (B, k_g, p_g) float, or None
        One block for each row g of `pattern`: the influence of the parameters
        of row g on the states that row g keeps.  None stands for 0.
    J : (B, N, N) float
        State Jacobian of this step.  The result has the dtype of `J`.
    F : (B, N, p) float
        Immediate influence.  Entries outside `pattern` are ignored.
    owner : (p,) int
        Index of the row of `pattern` that belongs to each parameter.
    pattern : (g, n) bool
        Entry [g, k] is True if row g keeps neuron k; see `reach`.  The states
        k, n + k, 2 n + k, ... belong to neuron k.  N is a multiple of n.

    Returns
    -------
    tuple of (B, k_g, p_g) float
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
    """Compute the loss gradient of a trajectory forward in time, eq. (3).

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    >>> gradient(J, F, q, [0], np.array([[True]])).tolist()
    [5.5]

    Parameters
    ----------
    J, F : (T, B, N, N) float, (T, B, N, p) float
        State Jacobian and immediate influence at each step; J[0] is unused.
    q : (T, B, N) float
        Direct derivative dL/dh[t] of the loss.
    owner, pattern
        As for `step`.

    Returns
    -------
    (p,) float
        Gradient, summed over steps and batch.
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
    """For each row of `pattern`, return the indices of the parameters and the
    indices of the kept states."""
    kept = np.tile(pattern, states // pattern.shape[1])
    return [(np.flatnonzero(owner == g), np.flatnonzero(states_of_g))
            for g, states_of_g in enumerate(kept)]


def _checked(owner, pattern, states, F=None):
    """Check the arguments of `_groups`; F has a column for each parameter."""
    pattern, = arrays("pattern (g, n)", pattern)
    _, owner = arrays(f"F? (_*, _, p*), owner (p*) int in [0, {len(pattern)})", F,
                      owner)
    if pattern.dtype != bool or states % pattern.shape[1]:
        raise ValueError(f"pattern is {pattern.dtype} of shape {pattern.shape}: must "
                         f"be bool with a divisor of the {states} states as axis 1")
    return owner, pattern, states
