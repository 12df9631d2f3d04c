# refsnn 0.1.0 | ntk.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the empirical neural tangent kernel and the adjoint of the kernel.

Let x_n and y_m be samples, and let f_k be output k of the network.  The
kernel is a sum over all weights and biases w:

    kernel[n, m, k, q] = sum_w s_w df_k(x_n)/dw df_q(y_m)/dw   (1)  [LZ20]

The factor s_w is 1 for the kind "at_masked".  For the kind "through_mask",
s_w is the mask of w, which is 1 for biases.  A dense layer z = W a_n + b
has the signals g_nk = df_k(x_n)/dz; a_m and g_mq are those of y_m.  The
layer adds (2) to the kernel, or
(3) if the layer has a mask Q:

    (<a_n, a_m> + 1) <g_nk, g_mq>                           (2)
    sum_j (sum_i Q_ji a_ni a_mi + 1) g_nkj g_mqj            (3)

A convolutional layer with P output positions has input patches A_n of
shape (P, r) and signals G_nk of shape (P, c).  The Jacobian of output k
consists of J_nk for the weights and b_nk for the biases.  The layer adds
(5) to the kernel, where `o` is the entrywise product, and Q is 1 without a
mask:

    J_nk = G_nk^T A_n,   b_nk = sum_p G_nk[p]               (4)
    <Q o J_nk, J_mq> + <b_nk, b_mq>                         (5)

Derivation.  Eqs. (2)-(5) follow from df_k(x_n)/dW_ji = g_nkj a_ni.  Let E
    be a loss with D = dE/dkernel, and let C = <a_n, a_m> + 1.  Then

    R[n, m] = sum_kq D[n, m, k, q] <g_nk, g_mq>             (6)
    da_n = sum_m R[n, m] a_m                                (7)
    dg_nk = sum_mq D[n, m, k, q] C[n, m] g_mq               (8)
    dJ_nk = sum_mq D[n, m, k, q] Q o J_mq                   (9)
    dG_nk = A_n dJ_nk^T + db_nk,  dA_n = sum_k G_nk dJ_nk   (10)

    Replacing Q o J_mq by b_mq in (9) gives db_nk.  In a dense layer with a
    mask, C and R depend on the unit j.  In this case,
    da_ni = sum_mj R_j[n, m] Q_ji a_mi.
Exact.  All derivatives are evaluated at the masked weights.  The kernel of
    kind "at_masked" includes the derivatives with respect to pruned
    weights, as in the code of [LZ20].  The kernel of kind "through_mask"
    describes the training of the masked network.
Cost.   Let the batches have N and M samples, and let K be the number of
    outputs.  A dense layer with i inputs and j units needs N M (i + K^2 j)
    multiplications.  With a mask, the layer needs N M (i + K^2) j
    multiplications.  A convolutional layer needs (N + M) K P r c +
    N M K^2 r c multiplications, or half of this for one batch without a
    mask.
Departures.  No departures are known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from itertools import chain
from math import isqrt, prod

import numpy as np

from refsnn._checks import arrays, one_of  # python -m refsnn vendor NAME FILE inlines it

__all__ = ["adjoint", "estimate_memory", "kernel"]

KINDS = ("at_masked", "through_mask")
REDUCTIONS = ("full", "trace_mean", "trace_sum", "sum_logits", "per_class")
SIDE = 500          # rows of a kernel tile, chosen to fit in the cache
CHUNK = 2 ** 20     # maximum number of entries of a temporary Jacobian


def kernel(left, right=None, *, masks=None, kind="at_masked", reduction="full"):
    """Compute the kernel between two batches or within one batch, eqs. (1)-(5).

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> kernel(batch)[:, :, 0, 0].tolist()
    [[5.0, 7.0], [7.0, 10.0]]

    Parameters
    ----------
    left : (inputs, signals)
        Two lists with one array for each layer.  The shapes are (N, i) and (N,
        K, j) for a dense layer, and (N, P, r) and (N, K, P, c) for a
        convolution.  Patches are in the order row, column, channel.  Signals
        are the derivatives of the outputs with respect to the pre-activations.
    right : (inputs, signals), optional
        Second batch, with M samples.  The default is `left`, which almost
        halves the cost for large batches.
    masks : list of arrays of 0 and 1, optional
        Masks in the shapes of the weights, for the kind "through_mask" only.
    kind : {"at_masked", "through_mask"}
        Whether eq. (1) sums over all weights or only over weights with mask 1.
    reduction : {"full", "per_class", "trace_sum", "trace_mean", "sum_logits"}
        "full" is eq. (1).  "per_class" keeps only the entries with k = q.
        "trace_sum" and "trace_mean" are the sum and the mean of these entries
        over k.  "sum_logits" is the kernel of the sum of all outputs.

    Returns
    -------
    (N, M, K, K) for "full", (N, M, K) for "per_class", else (N, M) float
        In memory, the axes of the full kernel have the order (N, K, M, K).
    """
    one_of("reduction", reduction, *REDUCTIONS)
    left, right, shapes, masks = _batches(left, right, masks, kind)
    one, outputs = left is right, left[1][0].shape[1]
    left = _grouped(*left, reduction)
    right = left if one else _grouped(*right, reduction)
    (N, C, K), M = left[1][0].shape[:3], len(right[0][0])
    out = np.zeros((C if reduction == "per_class" else 1, N, K, M, K), left[0][0].dtype)
    flat = out.reshape(len(out), N, K, M * K)
    tiles = [(flat[:, rows, :, cols.start * K:cols.stop * K], rows, cols)
             for rows, cols in _tiles(shapes, M, K, kind, one)]
    layers = list(zip(*left, *right, masks, strict=True))
    for a, g, b, h, mask in (layer for layer in layers if layer[0].ndim == 3):
        _convolution(tiles, a, b, g, h, mask)
    dense = [(a, b, *_live(g, h, m)[1:]) for a, g, b, h, m in layers if a.ndim == 2]
    for tile, rows, cols in tiles:
        for a, b, g, h, mask in dense:
            _dense(tile, a[rows], b[cols], g[rows], h[cols], mask)
        if one and cols.start > rows.start:
            out[:, cols, :, rows] = out[:, rows, :, cols].transpose(0, 3, 4, 1, 2)
    if reduction == "full":
        return out[0].swapaxes(1, 2)                                       # (1)
    if reduction == "per_class":
        return out[:, :, 0, :, 0].transpose(1, 2, 0)
    out = out[0, :, 0, :, 0]
    if reduction == "trace_mean":
        out /= outputs
    return out


def _grouped(inputs, signals, reduction):
    """Return the inputs, and the signals with a new axis for groups of outputs.
    A group consists of one output or of all outputs."""
    if reduction == "sum_logits":
        signals = [g.sum(axis=1, keepdims=True) for g in signals]
    classes = reduction not in ("full", "sum_logits")
    return inputs, [g[:, :, None] if classes else g[:, None] for g in signals]


def _tiles(layers, M, K, kind, one=False):
    """Return the row and column slices that divide the kernel into tiles."""
    # If both batches are the same, the upper half of the kernel is sufficient.
    N, side = layers[0][0][0], max(1, SIDE // K)
    if kind == "through_mask":
        widest = max([1, *(max(a[1], K * g[-1]) for a, g in layers if len(a) == 2)])
        side = max(1, min(side, isqrt(CHUNK // widest)))
    return [(slice(n, min(n + side, N)), slice(m, min(m + side, M)))
            for n in range(0, N, side) for m in range(n if one else 0, M, side)]


def _live(g, h, mask):
    """Return the units with nonzero signals.  Also return the signals and the
    rows of the mask for these units."""
    units = np.flatnonzero(_rows(g).any(axis=0) | _rows(h).any(axis=0))
    if len(units) in (0, g.shape[-1]):
        return slice(None), g, h, mask
    live = g.take(units, axis=-1)
    return (units, live, live if h is g else h.take(units, axis=-1),
            None if mask is None else mask[units])


def _dense(tile, x, y, g, h, mask):
    """Add the kernel of a dense layer to a tile of the kernel, in place."""
    if mask is None:
        both = np.repeat(x @ y.T + 1, g.shape[2], axis=1)[:, None]
        return _gram(tile, g, h, both)                                     # (2)
    both = _overlap(x, y, mask)[:, :, None]
    for c in range(g.shape[1]):
        weighted = (both * h[:, c]).reshape(len(x), -1, h.shape[-1])
        tile[c % len(tile)] += g[:, c] @ weighted.swapaxes(1, 2)           # (3)


def _gram(tile, g, h, both=1):
    """Add `both` times <g_nk, h_mq> to a tile of the kernel, in place."""
    for c in range(g.shape[1]):
        product = (_rows(g[:, c]) @ _rows(h[:, c]).T).reshape(len(g), g.shape[2], -1)
        tile[c % len(tile)] += np.multiply(product, both, out=product)


def _rows(block):
    return block.reshape(-1, block.shape[-1])


def _overlap(x, y, mask):
    """Return the sum in parentheses of eq. (3) for all pairs of samples and all
    units j."""
    pairs = (x[:, None] * y).reshape(-1, x.shape[1])
    return (pairs @ mask.T + 1).reshape(len(x), len(y), len(mask))


def _convolution(tiles, a, b, g, h, mask):
    """Add the kernel of a convolutional layer to all tiles, in place.  Each
    iteration processes one block of channels."""
    for cut in _cuts(max(len(a), len(b)), prod(g.shape[1:3]), a.shape, g.shape):
        first = _jacobian(a, g, cut)
        second = first if g is h and mask is None else _jacobian(b, h, cut, mask)
        for tile, rows, cols in tiles:
            _gram(tile, first[rows], second[cols])                         # (5)
        del first, second       # free the memory before the next cut
    for tile, rows, cols in tiles:
        _gram(tile, g[rows].sum(axis=3), h[cols].sum(axis=3))


def _cuts(N, K, a, g):
    size = max(1, min(g[-1], CHUNK // (N * K * max(a[1:]))))
    return [slice(start, start + size) for start in range(0, g[-1], size)]


def _jacobian(a, g, cut, mask=None):
    """Return J of eq. (4) for the channels `cut`, multiplied by the mask if there
    is a mask."""
    rows = g[..., cut].swapaxes(-2, -1).reshape(len(g), -1, g.shape[-2])
    J = (rows @ a).reshape(*g.shape[:3], -1)                               # (4)
    return J if mask is None else J * mask[cut].ravel()


def adjoint(left, right, dkernel, *, masks=None, kind="at_masked", constant=False):
    """Backpropagate loss derivatives through the kernel, eqs. (6)-(10).

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> (dinputs, dsignals), _ = adjoint(batch, batch, np.ones((2, 2, 1, 1)))
    >>> dinputs[0].tolist(), dsignals[0].ravel().tolist()
    ([[5.0], [5.0]], [12.0, 17.0])

    Parameters
    ----------
    left, right, masks, kind : as for `kernel`; `right` is required
    dkernel : (N, M, K, K) float
        Derivative of the loss with respect to the full kernel.
    constant : bool
        Whether inputs[0] and signals[-1] are constant, which requires a linear
        last layer.  The derivatives of constants are None.

    Returns
    -------
    (dinputs, dsignals), (dinputs, dsignals) : lists of arrays
        Derivatives with respect to the left batch and to the right batch.
    """
    left, right, shapes, masks, D = _batches(
        left, () if right is None else right, masks, kind, ", dkernel (N, M, K, K)",
        dkernel)
    (N, K), M = left[1][0].shape[:2], len(right[0][0])
    grads = [[np.zeros(x.shape, x.dtype) for x in part] for part in (*left, *right)]
    if one_of("constant", constant, bool):
        grads[0][0] = grads[2][0] = grads[1][-1] = grads[3][-1] = None
    for a, g, b, h, mask, *four in zip(*left, *right, masks, *grads, strict=True):
        if a.ndim == 3:
            _convolution_adjoint(D.swapaxes(1, 2).reshape(N * K, M * K), a, b, g, h,
                                 mask, *four)
            continue
        (units, g, h, mask), (da, dg, db, dh) = _live(g, h, mask), four
        live = [None if dg is None else np.zeros(z.shape, z.dtype) for z in (g, h)]
        sides = (a, g, da, live[0]), (b, h, db, live[1])
        for tile in _tiles(shapes, M, K, kind):
            _dense_adjoint(D[tile], mask, *(
                z if z is None else z[part] for side, part in
                zip(sides, tile, strict=True) for z in side))
        if dg is not None:
            dg[..., units], dh[..., units] = live
    return (grads[0], grads[1]), (grads[2], grads[3])


def _dense_adjoint(D, mask, x, g, dx, dg, y, h, dy, dh):
    """Add the derivatives of a dense layer to dx, dg, dy and dh in place.  An
    array that is None is skipped."""
    (r, K, j), m = g.shape, len(y)
    flat, Dt = D.swapaxes(1, 2).reshape(r, K, m * K), D.transpose(1, 3, 0, 2)
    if mask is None:
        if dg is not None:
            seen = _rows(flat * np.repeat(x @ y.T + 1, K, axis=1)[:, None])
            dg += (seen @ _rows(h)).reshape(g.shape)                       # (8)
            dh += (seen.T @ _rows(g)).reshape(h.shape)
        if dx is not None:
            R = (flat * (_rows(g) @ _rows(h).T).reshape(r, K, m * K)).sum(axis=1)
            R = R.reshape(r, m, K) @ np.ones(K, R.dtype)                   # (6)
            dx += R @ y                                                    # (7)
            dy += R.T @ x
        return
    both = _overlap(x, y, mask)[:, :, None]
    if dg is not None:
        dg += flat @ (both * h).reshape(r, m * K, j)
        dh += Dt.reshape(m, K, r * K) @ (both.swapaxes(0, 1) * g).reshape(m, r * K, j)
    if dx is not None:
        R = (_rows(np.einsum("nkj,nmkj->nmj", g, D @ h)) @ mask).reshape(r, *y.shape)
        dx += np.einsum("nmi,mi->ni", R, y)
        dy += np.einsum("nmi,ni->mi", R, x)


def _convolution_adjoint(D, a, b, g, h, mask, da, dg, db, dh):
    """Add the derivatives of a convolutional layer to da, dg, db and dh in place.
    An array that is None is skipped."""
    for E, x, s, dx, ds, y, t in ((D, a, g, da, dg, b, h), (D.T, b, h, db, dh, a, g)):
        ds = np.zeros_like(s) if ds is None else ds
        for cut in _cuts(max(len(a), len(b)), g.shape[1], a.shape, g.shape):
            dJ = E @ _rows(_jacobian(y, t[:, None], cut, mask))            # (9)
            dJ = dJ.reshape(len(x), -1, x.shape[2])             # (N, K c, r)
            dG = (dJ @ x.swapaxes(1, 2)).reshape(*s.shape[:2], -1, x.shape[1])
            ds[..., cut] += dG.swapaxes(2, 3)                              # (10)
            if dx is not None:
                G = s[..., cut].swapaxes(1, 2).reshape(*x.shape[:2], -1)
                dx += G @ dJ
        ds += (E @ _rows(t.sum(axis=2))).reshape(*s.shape[:2], 1, -1)


def estimate_memory(left, right=None, *, kind="at_masked", reduction="full",
                    dtype=np.float32):
    """Estimate the peak memory of `kernel` in bytes, including the result.

    >>> batch = [(1000, 784), (1000, 300)], [(1000, 10, 300), (1000, 10, 10)]
    >>> estimate_memory(batch) // 10**6
    401

    Parameters
    ----------
    left, right, kind, reduction : as for `kernel`, with shapes for arrays
    dtype : dtype
        Dtype of all arrays, float32 or float64.

    Returns
    -------
    int
        Estimate without the arguments.  The estimate also omits the copies of
        signals that `kernel` makes if some units of a layer have only zero
        signals.
    """
    one_of("kind", kind, *KINDS)
    one_of("reduction", reduction, *REDUCTIONS)
    one_of("dtype", np.dtype(dtype).name, "float32", "float64")
    first = _shapes("left", left)
    second = [] if right is None else _shapes("right", right)
    (N, K), M = first[0][1][:2], (second or first)[0][0][0]
    masked, summed = kind == "through_mask", reduction == "sum_logits"
    size = summed * sum(prod(g) // K for _, g in first + second)
    size += masked * sum(a[-1] * g[-1] for a, g in first)
    C, K = {"full": (1, K), "sum_logits": (1, 1)}.get(reduction, (K, 1))
    r, m = (part.stop for part in _tiles(first, M, K, kind)[0])
    size += (C if reduction == "per_class" else 1) * N * M * K * K + r * m * K * K
    layers = []
    for a, g in first:
        if len(a) == 3:
            layers += [_cuts(max(N, M), C * K, a, g)[0].stop * C * K * (
                (N + M * (masked + bool(second))) * a[2] + max(N, M) * a[1])]
        elif masked:
            layers += [r * m * max(a[1] + 2 * g[-1], g[-1] * (1 + K * min(C, 2)))]
        else:
            layers += [r * m * K]
    return (size + max(layers)) * np.dtype(dtype).itemsize


def _batches(left, right, masks, kind, more="", *values):
    """Check the arguments.  Return both batches, the array shapes of the
    batch `left`, the masks and the checked `values`."""
    one_of("kind", kind, *KINDS)
    L = _layers("left", left)
    places = [f"P{i}, " * (np.ndim(a) == 3) for i, a in enumerate(left[0])]
    rules = ["left.inputs[{0}] (N, {1}i{0}) float",
             "left.signals[{0}] (N, K, {1}j{0}) float"]
    lists = [*left]
    if right is not None:
        _layers("right", right, L)
        rules += [rule.replace("left", "right").replace("N", "M") for rule in rules]
        lists += right
    if kind == "through_mask":
        if len(one_of("masks", masks, list, tuple)) != L:
            raise ValueError(f"masks has {len(masks)} arrays: must have {L}")
        rules += ["masks[{0}] (j{0}, i{0}) in {{0, 1}}"]
        lists += [[np.reshape(mask, (len(mask), prod(np.shape(mask)[1:])))
                   if np.ndim(mask) == 4 else mask for mask in masks]]
    found = arrays(", ".join([rule.format(i, P) for rule in rules for i, P in
                              enumerate(places)]) + more, *chain(*lists), *values)
    lists = [found[i * L:(i + 1) * L] for i in range(len(rules))]
    left = tuple(lists[:2])
    return (left, left if right is None else tuple(lists[2:4]),
            [(a.shape, g.shape) for a, g in zip(*left, strict=True)],
            lists[-1] if kind == "through_mask" else [None] * L,
            *found[len(rules) * L:])


def _layers(name, batch, L=None):
    if not isinstance(batch, (tuple, list)) or len(batch) != 2 or not all(
            isinstance(part, (tuple, list)) for part in batch) \
            or not 0 < len(batch[0]) == len(batch[1]) == (L or len(batch[0])):
        raise ValueError(f"{name} is not (inputs, signals): must be two lists of "
                         f"{L or 'equally many'} arrays, one for each layer")
    return len(batch[0])


def _shapes(name, batch):
    _layers(name, batch)
    layers = [tuple(map(tuple, layer)) for layer in zip(*batch, strict=True)]
    N, K = (*layers[0][1], 0, 0)[:2]
    for i, (a, g) in enumerate(layers):
        wanted = (N, *a[1:]), (N, K, *a[1:-1], *g[-1:])
        if len(a) not in (2, 3) or (a, g) != wanted or min(a + g) < 1:
            raise ValueError(f"{name} has inputs[{i}] of shape {a}, signals[{i}] of "
                             f"{g}: must be (N, i) and (N, K, j), or (N, P, r) and "
                             f"(N, K, P, c), not empty, with N={N} and K={K}")
    return layers
