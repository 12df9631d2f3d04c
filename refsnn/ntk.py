# refsnn 0.1.0 | ntk.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Empirical neural tangent kernel of a layered network, and its adjoint.

For samples x_n and y_m, outputs f_k, and all weights and biases w,

    K[n, m, k, q] = sum_w m_w df_k(x_n)/dw df_q(y_m)/dw   (1)  [LZ20] eq. ?

where m_w is 1 (kind "at_masked") or the mask of w (kind "through_mask").
A dense layer z = W a_n + b has the signals g_nk = df_k(x_n)/dz, and gives

    (<a_n, a_m> + 1) <g_nk, g_mq>                         (2)
    sum_j (sum_i M_ji a_ni a_mi + 1) g_nkj g_mqj          (3)

without and with its mask M (1 is the bias).  A convolution of patches A_n
(P, q) has signals G_nk (P, c) at P places and a Jacobian J, and gives

    J_nk = G_nk^T A_n,   b_nk = sum_P G_nk                (4)
    <M o J_nk, J_mq> + <b_nk, b_mq>                       (5)

Derivation.  df_k(x_n)/dW_ji = g_nkj a_ni.  Adjoint for a loss E, D = dE/dK
    and C = <a_n, a_m> + 1 (a mask gives C and R an index j, as in (3)):

    R[n, m] = sum_kq D[n, m, k, q] <g_nk, g_mq>           (6)
    da_n = sum_m R[n, m] a_m                              (7)
    dg_nk = sum_mq D[n, m, k, q] C[n, m] g_mq             (8)
    dJ_nk = sum_mq D[n, m, k, q] M o J_mq                 (9)
    dG_nk = A_n dJ_nk^T + db_nk,  dA_n = sum_k G_nk dJ_nk   (10)

Exact.  "at_masked" counts all weights of a network run at masked ones, as
    the authors' program does; "through_mask" governs how it trains.
Cost.   N M (i + k^2 j) for i inputs and j units with signals (a mask makes
    i i j), N k P q c + N M k^2 q c for a convolution; half for one batch.
Departures.  Outputs are plain sums, no factor 1/k but in "trace_mean".

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

from math import isfinite, isqrt, prod

import numpy as np

__all__ = ["adjoint", "estimate_memory", "kernel"]

KINDS = ("at_masked", "through_mask")
REDUCTIONS = ("full", "trace_mean", "trace_sum", "sum_logits", "per_class")
SIDE = 500          # rows of a tile of the kernel: it stays in cache
CHUNK = 2 ** 20     # entries of a Jacobian or a product held at a time


def _named(name, value, choices):
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is {value!r}: must be one of {', '.join(choices)}")


def _shapes(name, pair, shape):
    """[(shape of inputs, of signals), ...] of a batch, or a refusal."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 \
            or not all(isinstance(part, (tuple, list)) for part in pair) \
            or not len(pair[0]) == len(pair[1]) > 0:
        raise ValueError(f"{name} is not (inputs, signals): must be two lists alike")
    layers = [(shape(a), shape(g)) for a, g in zip(*pair, strict=True)]
    N, K = (*layers[0][1], 0, 0)[:2]
    for at, (a, g) in enumerate(layers):
        kind = (len(a), len(g))
        if kind not in ((2, 3), (3, 4)) or kind == (3, 4) and a[1] != g[2] \
                or min(a + g) < 1 or (a[0], *g[:2]) != (N, N, K):
            raise ValueError(f"{name} has inputs[{at}] of shape {a}, signals[{at}] of "
                             f"{g}: must be (N, i) and (N, K, j), or (N, P, q) and "
                             f"(N, K, P, c), with N={N} and K={K}, nothing empty")
    return layers


def _batch(name, pair):
    """Inputs and signals of a batch, checked, and their shapes."""
    layers = _shapes(name, pair, np.shape)
    inputs, signals = ([np.asarray(a) for a in part] for part in pair)
    for a in inputs + signals:
        if a.dtype not in (np.float32, np.float64) or a.dtype != inputs[0].dtype:
            raise ValueError(f"{name} has an array of dtype {a.dtype}: must be all "
                             "float32 or all float64")
        if not (isfinite(np.vdot(a, a)) or np.isfinite(a).all()):
            raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return (inputs, signals), layers


def _masks(masks, left, kind):
    """A mask (units, inputs) for each layer, or a None for each."""
    _named("kind", kind, KINDS)
    if kind == "at_masked":
        return [None] * len(left[0])
    if not isinstance(masks, (tuple, list)) or len(masks) != len(left[0]):
        raise ValueError(f"masks is a {type(masks).__name__}: must be a list of "
                         f"{len(left[0])} arrays, for kind 'through_mask'")
    found = [np.asarray(mask) for mask in masks]
    for at, (a, g, mask) in enumerate(zip(*left, found, strict=True)):
        shape = (g.shape[-1], a.shape[-1])
        if mask.ndim not in (2, 4) or (len(mask), prod(mask.shape[1:])) != shape:
            raise ValueError(f"masks[{at}] is of shape {mask.shape}: must be that of "
                             f"the weights, {shape[0]} units of {shape[1]}")
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError(f"masks[{at}] has entries that are neither 0 nor 1")
        found[at] = mask.reshape(shape).astype(a.dtype)
    return found


def _checked(left, right, masks, kind):
    """Both batches, shapes of the left one, and masks."""
    left, shapes = _batch("left", left)
    right, others = (left, shapes) if right is None else _batch("right", right)
    first, second = ([b[0][0].dtype.name, *((a[1:], g[1:]) for a, g in layers)]
                     for b, layers in ((left, shapes), (right, others)))
    if first != second:
        raise ValueError(f"right is of {second}: must be like left, {first}")
    return left, right, shapes, _masks(masks, left, kind)


def _tiles(layers, M, K, kind, one=False):
    """Slices of samples, [(of N, of M), ...]; one batch: from the diagonal on."""
    N, side = layers[0][0][0], max(1, SIDE // K)
    if kind == "through_mask":
        widest = max([1, *(max(a[1], K * g[-1]) for a, g in layers if len(a) == 2)])
        side = max(1, min(side, isqrt(CHUNK // widest)))
    return [(slice(n, min(n + side, N)), slice(m, min(m + side, M)))
            for n in range(0, N, side) for m in range(n if one else 0, M, side)]


def _cuts(N, K, a, g):
    """Channels of a convolution whose Jacobian is held at a time, as slices."""
    size = max(1, min(g[-1], CHUNK // (N * K * max(a[1:]))))
    return [slice(start, start + size) for start in range(0, g[-1], size)]


def _jacobian(a, g, cut, mask=None):
    """(N, C, K, c q): the Jacobian of some channels of a convolution."""
    rows = g[..., cut].swapaxes(-2, -1).reshape(len(g), -1, g.shape[-2])
    J = (rows @ a).reshape(*g.shape[:3], -1)                               # (4)
    return J if mask is None else J * mask[cut].ravel()


def _rows(block):
    return block.reshape(-1, block.shape[-1])


def _gram(tile, g, h, both=1):
    """Add both (r, 1, m K) times <g_nk, h_mq> to a tile, class by class."""
    for c in range(g.shape[1]):
        product = (_rows(g[:, c]) @ _rows(h[:, c]).T).reshape(len(g), g.shape[2], -1)
        tile[c % len(tile)] += np.multiply(product, both, out=product)


def _overlap(x, y, mask):
    """(r, m, j): what two samples have in common of the inputs of each unit."""
    pairs = (x[:, None] * y).reshape(-1, x.shape[1])
    return (pairs @ mask.T + 1).reshape(len(x), len(y), len(mask))


def _live(g, h, mask):
    """Which units have signals, as an index, and what g, h, mask hold of them."""
    units = np.flatnonzero(_rows(g).any(axis=0) | _rows(h).any(axis=0))
    if len(units) in (0, g.shape[-1]):
        return slice(None), g, h, mask
    live = g.take(units, axis=-1)
    return (units, live, live if h is g else h.take(units, axis=-1),
            None if mask is None else mask[units])


def _dense(tile, x, y, g, h, mask):
    """Add a dense layer to a tile (C, r, K, m K)."""
    if mask is None:
        both = np.repeat(x @ y.T + 1, g.shape[2], axis=1)[:, None]
        return _gram(tile, g, h, both)                                     # (2)
    both = _overlap(x, y, mask)[:, :, None]
    for c in range(g.shape[1]):
        weighted = (both * h[:, c]).reshape(len(x), -1, h.shape[-1])
        tile[c % len(tile)] += g[:, c] @ weighted.swapaxes(1, 2)           # (3)


def _convolution(tiles, a, b, g, h, mask):
    """Add a convolution to all tiles, some channels at a time."""
    for cut in _cuts(max(len(a), len(b)), prod(g.shape[1:3]), a.shape, g.shape):
        first = _jacobian(a, g, cut)
        second = first if g is h and mask is None else _jacobian(b, h, cut, mask)
        for tile, rows, cols in tiles:
            _gram(tile, first[rows], second[cols])                         # (5)
        del first, second       # before the next ones are made
    for tile, rows, cols in tiles:
        _gram(tile, g[rows].sum(axis=3), h[cols].sum(axis=3))


def _grouped(inputs, signals, reduction):
    """Signals as (N, C, K, ...): C classes of K outputs each; one of C, K is 1."""
    if reduction == "sum_logits":
        signals = [g.sum(axis=1, keepdims=True) for g in signals]
    classes = reduction not in ("full", "sum_logits")
    return inputs, [g[:, :, None] if classes else g[:, None] for g in signals]


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
        "full": eq. (1); "per_class": its entries k = q; "trace_sum" and
        "trace_mean": these summed and averaged over k; "sum_logits": (1)
        summed over k and q, the kernel of the sum of all outputs.

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
    left, right, shapes, masks = _checked(left, right, masks, kind)
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
    return out[0, :, 0, :, 0] / (outputs if reduction == "trace_mean" else 1)


def _dense_adjoint(D, mask, x, g, dx, dg, y, h, dy, dh):
    """Add to dx and dy, dg and dh (or Nones) what a tile D (r, m, K, K) is worth."""
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
    """Add to da (or None), dg (too), db and dh; D is (N K, M K)."""
    for E, x, s, dx, ds, y, t in ((D, a, g, da, dg, b, h), (D.T, b, h, db, dh, a, g)):
        ds = np.zeros_like(s) if ds is None else ds
        for cut in _cuts(max(len(a), len(b)), g.shape[1], a.shape, g.shape):
            dJ = E @ _rows(_jacobian(y, t[:, None], cut, mask))            # (9)
            dJ = dJ.reshape(len(x), -1, x.shape[2])             # (N, K c, q)
            dG = (dJ @ x.swapaxes(1, 2)).reshape(*s.shape[:2], -1, x.shape[1])
            ds[..., cut] += dG.swapaxes(2, 3)                              # (10)
            if dx is not None:
                G = s[..., cut].swapaxes(1, 2).reshape(*x.shape[:2], -1)
                dx += G @ dJ
        ds += (E @ _rows(t.sum(axis=2))).reshape(*s.shape[:2], 1, -1)


def adjoint(left, right, dkernel, *, masks=None, kind="at_masked", constant=False):
    """Gradient of <dkernel, kernel> by all that the kernel reads, (6)-(10).

    Parameters
    ----------
    left, right : (inputs, signals)
        The two batches, as for `kernel`.
    dkernel : (N, M, K, K) float
        Derivative of a loss by the full kernel.
    masks, kind
        As for `kernel`.
    constant : bool
        Whether inputs[0] are, and signals[-1], as those of a linear last
        layer: their derivatives are then left out.

    Returns
    -------
    (dinputs, dsignals), (dinputs, dsignals) : lists of float
        Of the left and of the right batch, in the shapes of theirs; None
        for inputs[0] and signals[-1] if constant.

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
    left, right, shapes, masks = _checked(left, () if right is None else right, masks,
                                          kind)
    (N, K), M, dtype = left[1][0].shape[:2], len(right[0][0]), left[0][0].dtype
    D = np.asarray(dkernel)
    if D.shape != (N, M, K, K) or D.dtype != dtype or not np.isfinite(D).all():
        raise ValueError(f"dkernel is of shape {D.shape}, dtype {D.dtype}: must be "
                         f"finite, {dtype}, of shape {(N, M, K, K)}")
    grads = [[np.zeros(x.shape, x.dtype) for x in part] for part in (*left, *right)]
    if constant:
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


def estimate_memory(left, right=None, *, kind="at_masked", reduction="full",
                    dtype=np.float32):
    """Bytes that `kernel` takes at its peak, its result among them.

    Parameters
    ----------
    left : (inputs, signals)
        Two lists of shapes, of the arrays that `kernel` is to be given.
    right : (inputs, signals), optional
        Shapes of the other batch.  None: the same batch, symmetric.
    kind, reduction
        As for `kernel`.
    dtype : dtype
        float32 or float64.

    Returns
    -------
    int
        Of all arrays that live at one time, for the largest of the layers;
        those handed in are not counted, nor what is copied of their signals
        where units have none.

    Raises
    ------
    ValueError
        If the shapes are those of no network, or an option is unknown.

    Examples
    --------
    >>> N, K = 1000, 10
    >>> batch = [(N, 784), (N, 300)], [(N, K, 300), (N, K, 10)]
    >>> [estimate_memory(batch, reduction=r) // 10**6
    ...  for r in ("full", "trace_sum")]
    [401, 6]
    """
    _named("kind", kind, KINDS)
    _named("reduction", reduction, REDUCTIONS)
    _named("dtype", np.dtype(dtype).name, ("float32", "float64"))
    first = _shapes("left", left, tuple)
    second = [] if right is None else _shapes("right", right, tuple)
    (N, K), M = first[0][1][:2], (second or first)[0][0][0]
    held = sum(prod(g) // K for _, g in first + second) * (reduction == "sum_logits")
    C, K = {"full": (1, K), "sum_logits": (1, 1)}.get(reduction, (K, 1))
    held += N * M * K * K * (C if reduction == "per_class" else 1)
    masked, extra = kind == "through_mask", 0
    r, m = (part.stop for part in _tiles(first, M, K, kind)[0])
    for a, g in first:
        held += a[-1] * g[-1] * masked
        if len(a) == 2:
            here = r * m * (max(a[1] + 2 * g[-1], g[-1] * (1 + K * min(C, 2)))
                            if masked else K)
        else:
            here = _cuts(max(N, M), C * K, a, g)[0].stop * C * K * (
                (N + M * (masked + bool(second))) * a[2] + max(N, M) * a[1])
        extra = max(extra, here + r * m * K * K)
    return (held + extra) * np.dtype(dtype).itemsize
