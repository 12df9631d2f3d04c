# refsnn 0.1.0 | snap.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Sparse n-step approximation (SnAp-n) of real-time recurrent learning.

The influence of each parameter is carried forward in time, but only on the
states of neurons that it reaches within n steps of the network; all others
are held at 0.  With the state Jacobian J, the immediate influence F and
the credit q of any recurrence, and i(p) the neuron that p leads into,

    M[t] = P o (J[t] M[t-1] + F[t])                 (1)  [MEE21] eq. ?
    P_kp = 1 if neuron k is reached from i(p) along at most n - 1
    synapses V_kl != 0, else 0                      (2)  [MEE21] eq. ?
    dL/dp = sum_t q[t] M[t]                         (3)

Derivation.  Without P, (1) is the exact M[t] = dh[t]/dp.  Where P is 0, M
    is not stored: a group of parameters with one i(p) needs the rows and
    columns of J of the neurons it keeps, so it carries one small block.
Approximate.  Keeps what the neurons near i(p) do to each other; drops what
    reaches them by way of the others.  It is the exact gradient, for
    parameters of one group, of a run in which the kept neurons read the
    recorded spikes of all others.  Exact where P leaves out zeros only:
    n = 2 on a dense V, n = N on a ring of N neurons, any n if V is
    diagonal.  n = 1 is the rung "block" of `sparse_rtrl`.
Cost.   For parameters that keep k of N neurons: O(B p k) memory and
    O(T B p k^2) time, where exact takes k = N.  Arrays J and F are read,
    not stored.
Departures.  [MEE21] counts steps of single states; here all states of a
    neuron (current, membrane, adaptation) are kept or dropped together, so
    that a step is a synapse.

[MEE21] J. Menick, E. Elsen, U. Evci, S. Osindero, K. Simonyan and A.
    Graves, ICLR 2021, arXiv 2006.07232.
"""

import numpy as np

__all__ = ["gradient", "owners", "reach", "stored", "step"]


def _integer(name, value, least):
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) \
            or value < least:
        raise ValueError(f"{name} is {value!r}: must be an integer >= {least}")


def reach(V, order):
    """Which neurons the weights into each neuron reach, eq. (2).

    Parameters
    ----------
    V : (n, n) float
        Recurrent weights, post x pre; only which are 0 matters.
    order : int
        The n of SnAp-n, at least 1.

    Returns
    -------
    (n, n) bool
        Entry [i, k]: weights into i are kept at k.  The diagonal is True.

    Raises
    ------
    ValueError
        If V is not a finite square matrix, or order no integer above 0.

    Examples
    --------
    >>> ring = np.roll(np.eye(3), 1, axis=0)        # 0 to 1 to 2 to 0
    >>> reach(ring, 2).astype(int).tolist()
    [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    """
    V = np.asarray(V)
    if V.ndim != 2 or V.shape[0] != V.shape[1] or V.dtype.kind not in "fiub":
        raise ValueError(f"V is of shape {V.shape}, dtype {V.dtype}: must be a real "
                         "square matrix")
    if not np.isfinite(V).all():
        raise ValueError("V has NaN or infinite entries: must be finite")
    _integer("order", order, 1)
    onward = (V != 0).T
    found = np.eye(len(V), dtype=bool)
    for _ in range(min(order, len(V)) - 1):
        found = found | (found.astype(float) @ onward > 0)                 # (2)
    return found


def owners(n, m, recurrent=True):
    """The neuron that each parameter of a layer leads into.

    Parameters
    ----------
    n, m : int
        Neurons and inputs, of at least 1 and 0.
    recurrent : bool
        Whether n x n recurrent weights follow the n x m input weights.

    Returns
    -------
    (p,) int
        For W, then V, row by row.

    Raises
    ------
    ValueError
        If a size is no such integer, or recurrent no bool.

    Examples
    --------
    >>> owners(2, 1).tolist()
    [0, 1, 0, 0, 1, 1]
    """
    _integer("n", n, 1)
    _integer("m", m, 0)
    if not isinstance(recurrent, (bool, np.bool_)):
        raise ValueError(f"recurrent is {recurrent!r}: must be True or False")
    rows = np.arange(n)
    return np.concatenate([np.repeat(rows, m), np.repeat(rows, n * recurrent)])


def _groups(owner, pattern, states, p):
    """[(parameters, states they keep), ...], one pair for each neuron."""
    owner, pattern = np.asarray(owner), np.asarray(pattern)
    if pattern.ndim != 2 or pattern.dtype != bool or 0 in pattern.shape:
        raise ValueError(f"pattern is of shape {pattern.shape}, dtype {pattern.dtype}: "
                         "must be a bool array (g, n), neither of them 0")
    if states % pattern.shape[1]:
        raise ValueError(f"pattern is of shape {pattern.shape}: must have n such that "
                         f"the {states} states are a multiple of it")
    if owner.ndim != 1 or owner.dtype.kind not in "iu" or p not in (None, len(owner)):
        raise ValueError(f"owner is of shape {owner.shape}, dtype {owner.dtype}: must "
                         f"be {'' if p is None else f'{p} '}integers")
    if owner.size and not 0 <= owner.min() <= owner.max() < len(pattern):
        raise ValueError(f"owner is in [{owner.min()}, {owner.max()}]: must be in "
                         f"[0, {len(pattern) - 1}]")
    kept = np.tile(pattern, states // pattern.shape[1])
    return [(np.flatnonzero(owner == g), np.flatnonzero(kept[g]))
            for g in range(len(pattern))]


def stored(owner, pattern, states):
    """How many numbers SnAp carries along for one sequence.

    Parameters
    ----------
    owner : (p,) int
        Row of `pattern` that holds for each parameter.
    pattern : (g, n) bool
        Neurons (or states) kept, as from `reach`.
    states : int
        States in all: a multiple of n.

    Returns
    -------
    int
        Entries of all blocks.

    Raises
    ------
    ValueError
        If shapes disagree or an owner has no row.

    Examples
    --------
    >>> stored(owners(3, 2), np.eye(3, dtype=bool), 6), 15 * 6
    (30, 90)
    """
    _integer("states", states, 1)
    return sum(len(p) * len(k) for p, k in _groups(owner, pattern, states, None))


def _float(name, value, shape):
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _step(blocks, J, F, groups):
    """The step (1), each group's block by itself."""
    return tuple((0 if block is None else J[:, kept[:, None], kept] @ block)
                 + F[:, kept[:, None], chosen]                             # (1)
                 for block, (chosen, kept) in zip(blocks, groups, strict=True))


def step(blocks, J, F, owner, pattern):
    """Blocks of the influence matrix one step on, eq. (1).

    Parameters
    ----------
    blocks : tuple of (B, k_g, p_g) float, or None
        One for each row g of `pattern`: its parameters' influence on the
        states that it keeps, both in ascending order.  None: all are 0.
    J : (B, N, N) float
        State Jacobian of this step.
    F : (B, N, p) float
        Immediate influence; what `pattern` leaves out is dropped.
    owner : (p,) int
        Row of `pattern` that holds for each parameter.
    pattern : (g, n) bool
        What is kept, as from `reach`.  N is a multiple of n, and states k,
        n + k, 2 n + k, ... belong to neuron k.

    Returns
    -------
    tuple of (B, k_g, p_g) float
        New blocks.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite, an owner has no row.

    Examples
    --------
    >>> J, F = np.full((1, 1, 1), 0.5), np.ones((1, 1, 2))
    >>> blocks = step(None, J, F, [0, 0], np.array([[True]]))
    >>> step(blocks, J, F, [0, 0], np.array([[True]]))[0].tolist()
    [[[1.5, 1.5]]]
    """
    F = _float("F", F, (None, None, None))
    B, states, p = F.shape
    J = _float("J", J, (B, states, states))
    groups = _groups(owner, pattern, states, p)
    if blocks is None:
        blocks = [None] * len(groups)
    elif not isinstance(blocks, tuple) or len(blocks) != len(groups):
        raise ValueError(f"blocks is a {type(blocks).__name__}: must be a tuple of "
                         f"{len(groups)} arrays")
    else:
        blocks = [_float(f"blocks[{g}]", block, (B, len(kept), len(chosen)))
                  for g, (block, (chosen, kept)) in
                  enumerate(zip(blocks, groups, strict=True))]
    return _step(blocks, J, F, groups)


def gradient(J, F, q, owner, pattern):
    """Gradient of a whole trajectory, carried forward in time, eq. (3).

    Parameters
    ----------
    J : (T, B, N, N) float
        State Jacobians; J[0] is not used.
    F : (T, B, N, p) float
        Immediate influence of the parameters on the states.
    q : (T, B, N) float
        Direct credit dL/dh[t].
    owner, pattern
        As for `step`.

    Returns
    -------
    (p,) float
        Summed over steps and batch.

    Raises
    ------
    ValueError
        If shapes disagree, an entry is not finite, an owner has no row.

    Examples
    --------
    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    >>> gradient(J, F, q, [0], np.array([[True]])).tolist()
    [5.5]
    """
    q = _float("q", q, (None, None, None))
    J = _float("J", J, (*q.shape, q.shape[2]))
    F = _float("F", F, (*q.shape, None))
    if 0 in q.shape:
        raise ValueError(f"q is of shape {q.shape}: must be (T, B, N), none of them 0")
    groups = _groups(owner, pattern, q.shape[2], F.shape[3])
    total = np.zeros(F.shape[3], np.result_type(J, F, q))
    blocks = [None] * len(groups)
    for t in range(len(q)):
        blocks = _step(blocks, J[t], F[t], groups)
        for block, (chosen, kept) in zip(blocks, groups, strict=True):
            total[chosen] += np.einsum("bk,bkp->p", q[t][:, kept], block)  # (3)
    return total
