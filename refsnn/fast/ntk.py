# refsnn 0.1.0 | fast/ntk.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the neural tangent kernel and its gradients, with fast algorithms.

The kernel is computed in blocks that fit in the cache.  To save memory,
the Jacobian of a convolutional layer is computed for a few channels at a
time.  For sample n of the first batch, let a_n be the inputs of a dense
layer.  Let g_nk be the derivatives of output k with respect to the
pre-activations of this layer.  For sample m of the second batch, let b_m
be the inputs of this layer.  Let h_mq be the derivatives of output q with
respect to the pre-activations.  Derivatives with respect to
pre-activations are called signals.  The mask Q is 0 for pruned weights and
1 otherwise.  Without a mask, the layer contributes the term (1) to the
kernel.  With the mask Q, the layer contributes the term (2) to the kernel:

    C[n, m] <g_nk, h_mq>,  C[n, m] = <a_n, b_m> + 1         (1)  [LZ20]
    sum_j C_j[n, m] g_nkj h_mqj,
    C_j[n, m] = sum_i Q_ji a_ni b_mi + 1                    (2)

A convolutional layer has P output positions, i entries in each input
patch, and c output channels.  For sample n, the input patches form the
array A_n of shape (P, i).  The derivatives of output k with respect to the
pre-activations form the array G_nk of shape (P, c).  Output k for sample n
has the derivatives J_nk with respect to the weights, and s_nk with respect
to the biases.  For sample m of the second batch, output q has the
derivatives J_mq with respect to the weights, and s_mq with respect to the
biases.  Eq. (4) gives the contribution of the layer to the kernel, where
`o` is the entrywise product.  Without a mask, Q is 1:

    J_nk = G_nk^T A_n,  s_nk = sum G_nk                     (3)
    <J_nk, Q o J_mq> + <s_nk, s_mq>                         (4)

Derivation.  See `ntk`.  With D = dL/dkernel, a dense layer without a mask
    has the derivatives

    R[n, m] = sum_kq D[n, m, k, q] <g_nk, h_mq>             (5)
    da_n = sum_m R[n, m] b_m                                (6)
    dg_nk = sum_mq D[n, m, k, q] C[n, m] h_mq               (7)

    With a mask, the derivatives are

    R_j[n, m] = sum_kq D[n, m, k, q] g_nkj h_mqj            (8)
    da_ni = sum_mj R_j[n, m] Q_ji b_mi                      (9)
    dg_nkj = sum_mq D[n, m, k, q] C_j[n, m] h_mqj           (10)

    and the derivatives of a convolutional layer are

    dJ_nk = sum_mq D[n, m, k, q] Q o J_mq                   (11)
    dG_nk = A_n dJ_nk^T + sum_mq D[n, m, k, q] s_mq         (12)
    dA_n = sum_k G_nk dJ_nk                                 (13)

    If the two batches exchange their roles, (5)-(13) give the derivatives
    of the loss with respect to the second batch.
Exact.  The results equal those of `ntk` up to rounding.
Cost.   Let the batches have N and M samples, and let K be the number of
    outputs.  A dense layer has i inputs and j units.  Without masks, the
    kernel of a large batch with itself needs about half as many
    multiplications as the kernel of two batches.  The following table
    counts the multiplications for two batches:

    layer             multiplications
    dense             N M (i + K^2 j)
    dense, with mask  N M (i + K^2) j
    convolutional     (N + M) K P i c + N M K^2 i c

Departures.  No departures are known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from collections.abc import Callable
from itertools import chain
from math import isqrt, prod

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of

__all__ = ["adjoint", "kernel"]

KINDS = ("at_masked", "through_mask")
REDUCTIONS = ("full", "trace_mean", "trace_sum", "sum_logits", "per_class")
SIDE = 500          # rows of a kernel tile, chosen to fit in the cache
CHUNK = 2 ** 20     # number of entries of a temporary Jacobian, at most
RULES = ("left.inputs[{0}] (N, {1}i{0}) float", "left.signals[{0}] (N, K, {1}j{0})",
         "right.inputs[{0}] (M, {1}i{0})", "right.signals[{0}] (M, K, {1}j{0})",
         "masks[{0}] (j{0}, i{0}) in {{0, 1}}")     # {0}: layer, {1}: position axis


def kernel(left, right=None, *, masks=None, kind="at_masked", reduction="full",
           mapper=map):
    """Compute the neural tangent kernel of one or two batches, eqs. (1)-(4).

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> kernel(batch)[:, :, 0, 0].tolist()
    [[5.0, 7.0], [7.0, 10.0]]

    Results as for `ntk.kernel`.

    Parameters
    ----------
    left, right, masks, kind, reduction : as for `ntk.kernel`
    mapper : callable, optional
        Function like `map`, for the Jacobians of both batches.  The method
        `map` of a thread pool gives the same numbers.
    """
    one_of("reduction", reduction, *REDUCTIONS)
    one_of("mapper", mapper, Callable)
    one = right is None
    left, right, masks = _checked(left, left if one else right, masks, kind)
    shapes, outputs = _shapes(*left), left[1][0].shape[1]
    left = _grouped(*left, reduction)
    right = left if one else _grouped(*right, reduction)
    (N, C, K), M = left[1][0].shape[:3], len(right[0][0])
    out = np.zeros((C if reduction == "per_class" else 1, N, K, M, K), left[0][0].dtype)
    flat = out.reshape(len(out), N, K, M * K)
    tiles = [(flat[:, rows, :, cols.start * K:cols.stop * K], rows, cols)
             for rows, cols in _tiles(shapes, M, K, kind, one)]
    layers = list(zip(*left, *right, masks, strict=True))
    for a, g, b, h, mask in (layer for layer in layers if layer[0].ndim == 3):
        _convolution(tiles, a, b, g, h, mask, mapper)
    dense = [(a, b, *_live(g, h, m)[1:]) for a, g, b, h, m in layers if a.ndim == 2]
    for tile, rows, cols in tiles:
        for a, b, g, h, mask in dense:
            _dense(tile, a[rows], b[cols], g[rows], h[cols], mask)
        if one and cols.start > rows.start:
            out[:, cols, :, rows] = out[:, rows, :, cols].transpose(0, 3, 4, 1, 2)
    if reduction == "full":
        return out[0].swapaxes(1, 2)
    if reduction == "per_class":
        return out[:, :, 0, :, 0].transpose(1, 2, 0)
    out = out[0, :, 0, :, 0]
    if reduction == "trace_mean":
        out /= outputs
    return out


def _shapes(inputs, signals):
    return [(a.shape, g.shape) for a, g in zip(inputs, signals, strict=True)]


def _grouped(inputs, signals, reduction):
    """Add an axis for groups of outputs."""
    if reduction == "sum_logits":
        signals = [g.sum(axis=1, keepdims=True) for g in signals]
    classes = reduction not in ("full", "sum_logits")
    return inputs, [g[:, :, None] if classes else g[:, None] for g in signals]


def _tiles(layers, M, K, kind, one=False):
    # For one batch, the kernel is symmetric, and its upper half is sufficient.
    N, side = layers[0][0][0], max(1, SIDE // K)
    if kind == "through_mask":
        widest = max([1, *(max(a[1], K * g[-1]) for a, g in layers if len(a) == 2)])
        side = max(1, min(side, isqrt(CHUNK // widest)))
    return [(slice(n, min(n + side, N)), slice(m, min(m + side, M)))
            for n in range(0, N, side) for m in range(n if one else 0, M, side)]


def _live(g, h, mask):
    """Select the units with nonzero signals."""
    units = np.flatnonzero(_rows(g).any(axis=0) | _rows(h).any(axis=0))
    if len(units) in (0, g.shape[-1]):
        return slice(None), g, h, mask
    live = g.take(units, axis=-1)
    return (units, live, live if h is g else h.take(units, axis=-1),
            None if mask is None else mask[units])


def _dense(tile, a, b, g, h, mask):
    if mask is None:
        C = np.repeat(a @ b.T + 1, g.shape[2], axis=1)[:, None]            # (1)
        return _gram(tile, g, h, C)
    C = _overlap(a, b, mask)[:, :, None]
    for group in range(g.shape[1]):
        weighted = (C * h[:, group]).reshape(len(a), -1, h.shape[-1])
        tile[group % len(tile)] += g[:, group] @ weighted.swapaxes(1, 2)   # (2)


def _gram(tile, g, h, C=1):
    """Add C times scalar products of signals."""
    for group in range(g.shape[1]):
        product = _rows(g[:, group]) @ _rows(h[:, group]).T
        product = product.reshape(len(g), g.shape[2], -1)
        tile[group % len(tile)] += np.multiply(product, C, out=product)    # (1, 4)


def _rows(block):
    return block.reshape(-1, block.shape[-1])


def _overlap(a, b, mask):
    """Return the factors C_j of eq. (2)."""
    pairs = (a[:, None] * b).reshape(-1, a.shape[1])
    return (pairs @ mask.T + 1).reshape(len(a), len(b), len(mask))         # (2)


def _convolution(tiles, a, b, g, h, mask, mapper):
    for cut in _cuts(max(len(a), len(b)), prod(g.shape[1:3]), a.shape, g.shape):
        sides = ((a, g, cut), (b, h, cut, mask))[:1 if g is h and mask is None else 2]
        first, *_, second = [*mapper(lambda side: _jacobian(*side), sides)] * 2
        for tile, rows, cols in tiles:
            _gram(tile, first[rows], second[cols])
        del first, second       # free the memory before the next channels
    for tile, rows, cols in tiles:
        s, s_m = g[rows].sum(axis=3), h[cols].sum(axis=3)                  # (3)
        _gram(tile, s, s_m)


def _cuts(N, K, a, g):
    size = max(1, min(g[-1], CHUNK // (N * K * max(a[1:]))))
    return [slice(start, start + size) for start in range(0, g[-1], size)]


def _jacobian(a, g, cut, mask=None):
    rows = g[..., cut].swapaxes(-2, -1).reshape(len(g), -1, g.shape[-2])
    J = (rows @ a).reshape(*g.shape[:3], -1)                               # (3)
    return J if mask is None else J * mask[cut].ravel()


def adjoint(left, right, dkernel, *, masks=None, kind="at_masked", constant=False,
            mapper=map):
    """Compute loss derivatives with respect to `left` and `right`, eqs. (5)-(13).

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> (dinputs, dsignals), _ = adjoint(batch, batch, np.ones((2, 2, 1, 1)))
    >>> dinputs[0].tolist(), dsignals[0].ravel().tolist()
    ([[5.0], [5.0]], [12.0, 17.0])

    Results as for `ntk.adjoint`.

    Parameters
    ----------
    left, right, dkernel, masks, kind, constant : as for `ntk.adjoint`
    mapper : as for `kernel`, for the convolutions
    """
    flags("constant", constant)
    one_of("mapper", mapper, Callable)
    left, right, masks, D = _checked(left, right, masks, kind, ", dkernel (N, M, K, K)",
                                     dkernel)
    (N, K), M, shapes = left[1][0].shape[:2], len(right[0][0]), _shapes(*left)
    grads = [[np.zeros(x.shape, x.dtype) for x in part] for part in (*left, *right)]
    if constant:
        grads[0][0] = grads[2][0] = grads[1][-1] = grads[3][-1] = None
    for a, g, b, h, mask, *four in zip(*left, *right, masks, *grads, strict=True):
        if a.ndim == 3:
            _convolution_adjoint(D.swapaxes(1, 2).reshape(N * K, M * K), a, b, g, h,
                                 mask, *four, mapper)
            continue
        (units, g, h, mask), (da, dg, db, dh) = _live(g, h, mask), four
        live = [None if dg is None else np.zeros(x.shape, x.dtype) for x in (g, h)]
        sides = (a, g, da, live[0]), (b, h, db, live[1])
        for tile in _tiles(shapes, M, K, kind):
            _dense_adjoint(D[tile], mask, *(
                x if x is None else x[part] for side, part in
                zip(sides, tile, strict=True) for x in side))
        if dg is not None:
            dg[..., units], dh[..., units] = live
    return (grads[0], grads[1]), (grads[2], grads[3])


def _dense_adjoint(D, mask, a, g, da, dg, b, h, db, dh):
    (N, K, j), M = g.shape, len(b)
    flat, turned = D.swapaxes(1, 2).reshape(N, K, M * K), D.transpose(1, 3, 0, 2)
    if mask is None:
        if dg is not None:
            seen = _rows(flat * np.repeat(a @ b.T + 1, K, axis=1)[:, None])  # (7)
            dg += (seen @ _rows(h)).reshape(g.shape)                       # (7)
            dh += (seen.T @ _rows(g)).reshape(h.shape)
        if da is not None:
            R = (flat * (_rows(g) @ _rows(h).T).reshape(N, K, M * K)).sum(axis=1)
            R = R.reshape(N, M, K) @ np.ones(K, R.dtype)                   # (5)
            da += R @ b                                                    # (6)
            db += R.T @ a
        return
    C = _overlap(a, b, mask)[:, :, None]
    if dg is not None:
        dg += flat @ (C * h).reshape(N, M * K, j)                          # (10)
        dh += turned.reshape(M, K, N * K) @ (C.swapaxes(0, 1) * g).reshape(M, N * K, j)
    if da is not None:
        R = np.einsum("nkj,nmkj->nmj", g, D @ h)                           # (8)
        R = (_rows(R) @ mask).reshape(N, *b.shape)
        da += np.einsum("nmi,mi->ni", R, b)                                # (9)
        db += np.einsum("nmi,ni->mi", R, a)


def _convolution_adjoint(D, a, b, g, h, mask, da, dg, db, dh, mapper):
    cuts = _cuts(max(len(a), len(b)), g.shape[1], a.shape, g.shape)

    def add(E, A, G, dA, dG, B, H):
        dG = np.zeros_like(G) if dG is None else dG
        for cut in cuts:
            dJ = E @ _rows(_jacobian(B, H[:, None], cut, mask))            # (11)
            dJ = dJ.reshape(len(A), -1, A.shape[2])             # (N, K c, i)
            part = (dJ @ A.swapaxes(1, 2)).reshape(*G.shape[:2], -1, A.shape[1])
            dG[..., cut] += part.swapaxes(2, 3)                            # (12)
            if dA is not None:
                signals = G[..., cut].swapaxes(1, 2).reshape(*A.shape[:2], -1)
                dA += signals @ dJ                                         # (13)
        dG += (E @ _rows(H.sum(axis=2))).reshape(*G.shape[:2], 1, -1)      # (12)

    for _ in mapper(add, (D, D.T), (a, b), (g, h), (da, db), (dg, dh), (b, a), (h, g)):
        pass


def _checked(left, right, masks, kind, more="", *values):
    one_of("kind", kind, *KINDS)
    for name, batch in (("left", left), ("right", right)):
        if len(one_of(name, batch, tuple, list)) != 2:
            raise ValueError(f"{name} has {len(batch)} entries: must have 2, inputs "
                             "and signals")
    names = [rule.partition("[")[0] for rule in RULES]
    lists = [*left, *right, *[masks] * (kind == "through_mask")]
    lists = [arrays(f"{name}[] (...)", given)[0]
             for name, given in zip(names, lists, strict=False)]
    for name, given in zip(names, lists, strict=False):
        if not 0 < len(given) == len(lists[0]):
            raise ValueError(f"{name} has {len(given)} arrays, left.inputs has "
                             f"{len(lists[0])}: must be equal, and at least 1")
    masks = [M.reshape(len(M), prod(M.shape[1:])) if M.ndim == 4 else M
             for masks in lists[4:] for M in masks]     # convolution: (c, k, k, c)
    rules = ", ".join(rule.format(i, f"P{i}, " * (a.ndim == 3))
                      for rule in RULES[:len(lists)] for i, a in enumerate(lists[0]))
    found = iter(arrays(rules + more, *chain(*lists[:4]), *masks, *values))
    lists = [[next(found) for _ in given] for given in lists]
    return (lists[:2], lists[2:4], *(lists[4:] or [[None] * len(lists[0])]), *found)
