# refsnn 0.1.0 | ntk.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Empirical neural tangent kernel of a layered network, and its adjoint.

For samples x_n, y_m and outputs f_k, with all weights and biases w,

    K[n, m, k, q] = sum_w m_w df_k(x_n)/dw df_q(y_m)/dw     (1)  [LZ20] eq. ?

where m_w is 1 (kind "at_masked") or the mask of w (kind "through_mask").
A dense layer that reads a_n, whose signals are g_nk = df_k(x_n)/dz with z
what its units sum up, gives without and with its mask M, M_ji = 0 or 1,

    (<a_n, a_m> + 1) <g_nk, g_mq>                           (2)
    sum_j (sum_i M_ji a_ni a_mi + 1) g_nkj g_mqj            (3)

the 1 being the bias.  A convolution that reads patches A_n (P, q), with
signals G_nk (P, c) at its P places, has the Jacobian and gives

    J_nk = G_nk^T A_n,   b_nk = sum_P G_nk                  (4)
    <M o J_nk, J_mq> + <b_nk, b_mq>                         (5)

Reductions: "full" is (1); "per_class" keeps k = q; "trace_sum" and
"trace_mean" sum and average that over k; "sum_logits" sums (1) over k and
q, the kernel of the sum of all outputs.

Derivation.  Of (2): df_k(x_n)/dW_ji = g_nkj a_ni.  Of the adjoint, for a
    loss E with D = dE/dK, C = <a_n, a_m> + 1 and likewise for the y_m:

    R[n, m] = sum_kq D[n, m, k, q] <g_nk, g_mq>             (6)
    da_n = sum_m R[n, m] a_m                                (7)
    dg_nk = sum_mq D[n, m, k, q] C[n, m] g_mq               (8)

    with a mask C gets an index j, as in (3), and so does R; for (4)

    dJ_nk = sum_mq D[n, m, k, q] M o J_mq                   (9)
    dG_nk = A_n dJ_nk^T + db_nk,  dA_n = sum_k G_nk dJ_nk   (10)

Exact.  Of the arrays given.  "at_masked" takes them from a network run at
    masked weights and counts the weights that are masked away too; that is
    what the authors' program matches between two networks.  The kernel
    that governs training of the masked network is "through_mask".
Cost.   N M (i + k^2 j) for each dense layer of i inputs and j units, with a
    mask N M (i j + k^2 j); convolutions N k P q c + (N k) (M k) q c.  Half
    of it for one batch.  No Jacobian of a dense layer is formed, those of a
    convolution for some channels at a time.
Departures.  Weights are post x pre.  Outputs are plain sums: no softmax, no
    factor 1/k but in "trace_mean".

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from math import isqrt, prod

import numpy as np

__all__ = ["adjoint", "kernel"]

KINDS = ("at_masked", "through_mask")
REDUCTIONS = ("full", "trace_mean", "trace_sum", "sum_logits", "per_class")
SIDE = 160          # rows of a tile of the kernel: it stays in cache
CHUNK = 2 ** 20     # entries of a Jacobian or a product held at a time


def _named(name, value, choices):
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r}: must be one of {', '.join(choices)}")


def _pair(name, value):
    if not isinstance(value, (tuple, list)) or len(value) != 2 \
            or not all(isinstance(part, (tuple, list)) for part in value) \
            or not len(value[0]) == len(value[1]) > 0:
        raise ValueError(f"{name} is no (inputs, signals): must be two lists, with one "
                         "entry for each layer")
    return value


def _fits(name, inputs, signals):
    """Refuse shapes that are not those of a batch; (N, K)."""
    N, K = (*signals[0][:2], 0, 0)[:2]
    for l, (a, g) in enumerate(zip(inputs, signals, strict=True)):
        dense, convolution = len(a) == 2 and len(g) == 3, len(a) == 3 and len(g) == 4
        if not (dense or convolution and a[1] == g[2]) or 0 in g or a[0] != N \
                or g[:2] != (N, K) or convolution and a[2] == 0:
            raise ValueError(
                f"{name} has inputs[{l}] of shape {a} and signals[{l}] of {g}: must be "
                f"(N, i) and (N, K, j), or (N, P, q) and (N, K, P, c), N={N} and K={K} "
                "alike in all layers and nothing empty")
    return N, K


def _batch(name, value):
    inputs, signals = ([np.asarray(a) for a in part] for part in _pair(name, value))
    _fits(name, [a.shape for a in inputs], [g.shape for g in signals])
    for part, arrays in (("inputs", inputs), ("signals", signals)):
        for l, array in enumerate(arrays):
            if array.dtype not in (np.float32, np.float64) \
                    or array.dtype != inputs[0].dtype:
                raise ValueError(f"{name} has {part}[{l}] of dtype {array.dtype}: must "
                                 "be float32 or float64, one for all arrays")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has NaN or infinite {part}[{l}]: must be "
                                 "finite")
    return inputs, signals


def _masks(masks, left, kind):
    """A mask (units, inputs) for each layer, or a None for each."""
    _named("kind", kind, KINDS)
    if kind == "at_masked":
        return [None] * len(left[0])
    if not isinstance(masks, (tuple, list)) or len(masks) != len(left[0]):
        raise ValueError(f"masks is {type(masks).__name__}: must be a list of "
                         f"{len(left[0])} arrays for kind 'through_mask'")
    found = []
    for l, (a, g, mask) in enumerate(zip(*left, masks, strict=True)):
        mask = np.asarray(mask)
        shape = (g.shape[-1], a.shape[-1])
        if mask.ndim not in (2, 4) or mask.shape[0] != shape[0] \
                or prod(mask.shape[1:]) != shape[1]:
            raise ValueError(f"masks[{l}] is of shape {mask.shape}: must be that of the "
                             f"weights, {shape[0]} x {shape[1]} in all")
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError(f"masks[{l}] has entries other than 0 and 1")
        found.append(mask.reshape(shape).astype(a.dtype))
    return found


def _checked(left, right, masks, kind):
    left = _batch("left", left)
    if right is None:
        return left, left, _masks(masks, left, kind)
    right = _batch("right", right)
    for l, arrays in enumerate(zip(*left, *right, strict=False)):
        a, g, b, h = (x.shape[-1] for x in arrays)
        if (a, g) != (b, h) or len(left[0]) != len(right[0]) \
                or left[1][0].shape[1] != right[1][0].shape[1] \
                or [x.ndim for x in arrays[:2]] != [x.ndim for x in arrays[2:]] \
                or arrays[0].dtype != arrays[2].dtype:
            raise ValueError(f"right differs from left at layer {l}: must be of the "
                             "same layers, outputs and dtype")
    return left, right, _masks(masks, left, kind)


def _side(K, layers, kind):
    """Samples on a side of a tile; layers are (inputs, units) of the dense."""
    side = max(1, SIDE // K)
    if kind == "through_mask" and layers:
        side = min(side, max(1, isqrt(CHUNK // max(max(i, K * j) for i, j in layers))))
    return side


def _tiles(left, right, K, kind):
    """Pairs of slices over the samples; one batch: on and above the diagonal."""
    layers = [(a.shape[1], g.shape[-1]) for a, g in zip(*left, strict=True)
              if a.ndim == 2]
    side, (N, M) = _side(K, layers, kind), (len(left[0][0]), len(right[0][0]))
    return [(slice(n, min(n + side, N)), slice(m, min(m + side, M)))
            for n in range(0, N, side)
            for m in range(n if left is right else 0, M, side)]


def _channels(K, a, g):
    """Channels of a convolution whose Jacobian is held at a time."""
    return max(1, min(g[-1], CHUNK // (a[0] * K * max(a[1:]))))


def _by_channel(g, cut):
    """Signals of some channels, (N, P, K, c) to (N, K c, P)."""
    some = g[..., cut].swapaxes(-2, -1)
    return np.ascontiguousarray(some).reshape(len(g), -1, g.shape[-2])


def _jacobian(a, g, cut):
    """(N, C, K, c q): the Jacobian of some channels of a convolution."""
    return (_by_channel(g, cut) @ a).reshape(*g.shape[:3], -1)             # (4)


def _rows(block):
    return block.reshape(-1, block.shape[-1])


def _gram(tile, g, h, both=None):
    """Add both (r, m) times <g_nk, h_mq> to a tile, class by class."""
    for c in range(g.shape[1]):
        product = _rows(g[:, c]) @ _rows(h[:, c]).T
        product = product.reshape(len(g), g.shape[2], -1)
        if both is not None:
            product *= both[:, None]
        tile[c % len(tile)] += product


def _dense(tile, x, y, g, h, mask):
    """Add a dense layer to a tile (C, r, K, m K)."""
    if mask is None:
        return _gram(tile, g, h, np.repeat(x @ y.T + 1, g.shape[2], axis=1))  # (2)
    both = _overlap(x, y, mask)
    for c in range(g.shape[1]):
        weighted = both[:, :, None] * h[:, c]                   # (r, m, K, j)
        weighted = weighted.reshape(len(x), -1, g.shape[-1])
        tile[c % len(tile)] += g[:, c] @ weighted.swapaxes(1, 2)           # (3)


def _overlap(x, y, mask):
    """(r, m, j): what two samples have in common of the inputs of each unit."""
    pairs = (x[:, None] * y).reshape(-1, x.shape[1])
    return (pairs @ mask.T + 1).reshape(len(x), len(y), -1)


def _convolution(out, tiles, a, b, g, h, mask):
    """Add a convolution to all tiles, some channels at a time."""
    size = min(_channels(prod(s.shape[1:3]), x.shape, s.shape)
               for x, s in ((a, g), (b, h)))
    for start in range(0, g.shape[-1], size):
        cut = slice(start, start + size)
        first = _jacobian(a, g, cut)
        second = first if g is h else _jacobian(b, h, cut)
        if mask is not None:
            second = second * mask[cut].ravel()
        for rows, cols in tiles:
            _gram(_tile(out, rows, cols, g.shape[2]), first[rows], second[cols])  # (5)
    bias, other = g.sum(axis=3), h.sum(axis=3)
    for rows, cols in tiles:
        _gram(_tile(out, rows, cols, g.shape[2]), bias[rows], other[cols])


def _tile(out, rows, cols, K):
    return out[:, rows, :, cols.start * K:cols.stop * K]


def _grouped(batch, reduction):
    """Signals as (N, C, K, ...): C classes of K outputs each; one of C, K is 1."""
    inputs, signals = batch
    if reduction == "sum_logits":
        signals = [g.sum(axis=1, keepdims=True) for g in signals]
    axis = 1 if reduction in ("full", "sum_logits") else 2
    return inputs, [np.expand_dims(g, axis) for g in signals]


def kernel(left, right=None, *, masks=None, kind="at_masked", reduction="full"):
    """Kernel between the samples of two batches, or of one, eq. (1).

    Parameters
    ----------
    left : (inputs, signals)
        Two lists, one entry a layer.  Dense: inputs (N, i) that the layer
        reads and signals (N, K, j), derivative of each output by what the
        layer's units sum up.  Convolution: patches (N, P, q) in (row,
        column, channel) order and signals (N, K, P, c).
    right : (inputs, signals), optional
        The other batch, of M samples.  None: the same, for half the work.
    masks : list of arrays of 0 and 1, optional
        Of the weights' shapes; read by kind "through_mask" only.
    kind : str
        "at_masked": all weights count; "through_mask": those not masked.
    reduction : str
        "full", "trace_mean", "trace_sum", "sum_logits" or "per_class".

    Returns
    -------
    (N, M, K, K), (N, M, K) for "per_class", else (N, M) float
        The full kernel is contiguous in the order (N, K, M, K).

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> kernel(batch)[:, :, 0, 0].tolist()
    [[5.0, 7.0], [7.0, 10.0]]
    """
    _named("reduction", reduction, REDUCTIONS)
    left, right, masks = _checked(left, right, masks, kind)
    one, N, M = left is right, len(left[0][0]), len(right[0][0])
    outputs = left[1][0].shape[1]
    left = _grouped(left, reduction)
    right = left if one else _grouped(right, reduction)
    C, K = left[1][0].shape[1:3]
    tiles = _tiles(left, right, K, kind)
    kept = C if reduction == "per_class" else 1
    out = np.zeros((kept, N, K, M * K), left[0][0].dtype)
    layers = list(zip(*left, *right, masks, strict=True))
    for a, g, b, h, mask in layers:
        if a.ndim == 3:
            _convolution(out, tiles, a, b, g, h, mask)
    for rows, cols in tiles:
        for a, g, b, h, mask in layers:
            if a.ndim == 2:
                _dense(_tile(out, rows, cols, K), a[rows], b[cols], g[rows], h[cols],
                       mask)
    out = out.reshape(kept, N, K, M, K)
    for rows, cols in tiles:
        if one and cols.start > rows.start:
            out[:, cols, :, rows] = out[:, rows, :, cols].transpose(0, 3, 4, 1, 2)
    if reduction == "full":
        return out[0].swapaxes(1, 2)                                       # (1)
    if reduction == "per_class":
        return out.reshape(kept, N, M).transpose(1, 2, 0)
    if reduction == "trace_mean":
        out /= outputs
    return out.reshape(N, M)


def _dense_adjoint(D, x, y, g, h, mask):
    """dx, dy, dg, dh of a tile; D is (r K, m K)."""
    (r, K, j), m = g.shape, len(y)
    if mask is None:
        R = (D * (_rows(g) @ _rows(h).T)).reshape(r, K, m * K).sum(axis=1)
        R = R.reshape(r, m, K).sum(axis=2)                                 # (6)
        D = D.reshape(r, K, -1) * np.repeat(x @ y.T + 1, K, axis=1)[:, None]
        D = D.reshape(r * K, -1)
        return (R @ y, R.T @ x,                                            # (7)
                (D @ _rows(h)).reshape(g.shape),                           # (8)
                (D.T @ _rows(g)).reshape(h.shape))
    D, both = D.reshape(r, K, m, K), _overlap(x, y, mask)
    seen = D.swapaxes(1, 2) @ h                                 # (r, m, K, j)
    R = np.einsum("nkj,nmkj->nmj", g, seen).reshape(-1, j) @ mask
    R = R.reshape(r, m, -1)
    dg = np.einsum("nmj,nmkj->nkj", both, seen)
    dh = np.einsum("nmj,nmqj->mqj", both, D.transpose(0, 2, 3, 1) @ g[:, None])
    return np.einsum("nmi,mi->ni", R, y), np.einsum("nmi,ni->mi", R, x), dg, dh


def _pull(a, g, da, dg, dJ, cut):
    """Add what dJ (N K, c q) of some channels is worth to da and dg."""
    N, P, q = a.shape
    some = _by_channel(g, cut)                                  # (N, K c, P)
    dJ = dJ.reshape(N, -1, q)
    da += some.swapaxes(1, 2) @ dJ                                         # (10)
    dg[..., cut] += (dJ @ a.swapaxes(1, 2)).reshape(
        N, g.shape[1], -1, P).swapaxes(2, 3)


def _convolution_adjoint(D, a, b, g, h, mask, adjoints):
    """Add to (da, db, dg, dh); D is (N K, M K)."""
    da, db, dg, dh = adjoints
    K = g.shape[1]
    size = min(_channels(K, x.shape, s.shape) for x, s in ((a, g), (b, h)))
    for start in range(0, g.shape[-1], size):
        cut = slice(start, start + size)
        first, second = (_jacobian(x, s[:, None], cut) for x, s in ((a, g), (b, h)))
        weight = 1 if mask is None else mask[cut].ravel()
        _pull(a, g, da, dg, D @ _rows(second) * weight, cut)               # (9)
        _pull(b, h, db, dh, D.T @ _rows(first) * weight, cut)
    dg += (D @ _rows(h.sum(axis=2))).reshape(len(a), K, 1, -1)
    dh += (D.T @ _rows(g.sum(axis=2))).reshape(len(b), K, 1, -1)


def adjoint(left, right, dkernel, *, masks=None, kind="at_masked"):
    """Gradient of <dkernel, kernel> by all that the kernel reads, (6)-(10).

    Parameters
    ----------
    left, right : (inputs, signals)
        The two batches, as for `kernel`.
    dkernel : (N, M, K, K) float
        Derivative of a loss by the full kernel.
    masks, kind
        As for `kernel`.

    Returns
    -------
    (dinputs, dsignals), (dinputs, dsignals) : lists of float
        Of the left and of the right batch, in the shapes of theirs.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> (dinputs, dsignals), _ = adjoint(batch, batch, np.ones((2, 2, 1, 1)))
    >>> dinputs[0].tolist(), dsignals[0].ravel().tolist()
    ([[5.0], [5.0]], [12.0, 17.0])
    """
    _pair("right", right)
    left, right, masks = _checked(left, right, masks, kind)
    N, K, M = len(left[0][0]), left[1][0].shape[1], len(right[0][0])
    D = np.asarray(dkernel)
    if D.shape != (N, M, K, K) or D.dtype.kind != "f" or not np.isfinite(D).all():
        raise ValueError(f"dkernel is of shape {D.shape}, dtype {D.dtype}: must be "
                         f"finite and float, of shape {(N, M, K, K)}")
    D = D.astype(left[0][0].dtype, copy=False).swapaxes(1, 2)   # (N, K, M, K)
    grads = [[np.zeros_like(x) for x in part] for part in (*left, *right)]
    for (da, dg, db, dh, *arrays) in zip(*grads, *left, *right, masks, strict=True):
        a, g, b, h, mask = arrays
        if a.ndim == 3:
            _convolution_adjoint(D.reshape(N * K, M * K), a, b, g, h, mask,
                                 (da, db, dg, dh))
            continue
        for rows, cols in _tiles(left, list(right), K, kind):
            got = _dense_adjoint(D[rows, :, cols].reshape(
                (rows.stop - rows.start) * K, -1), a[rows], b[cols], g[rows], h[cols],
                mask)
            for whole, part, some in zip((da, db, dg, dh), got, (rows, cols) * 2,
                                         strict=True):
                whole[some] += part
    return (grads[0], grads[1]), (grads[2], grads[3])
