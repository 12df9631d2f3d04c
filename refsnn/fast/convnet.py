# refsnn 0.1.0 | fast/convnet.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Train a convolutional ReLU network, with fast algorithms.

The network and the results are the same as in the module `convnet`.  The
patches of `convnet` need k^2 times as much memory as a map.  This module
uses smaller row segments, and computes a few maps at a time.  Therefore,
all intermediate results fit in the cache.  The segment R[l]_rs holds the k
c entries of the map in row r and in the columns s, ..., s + k - 1.  Let
W[l]_i be the weights of the kernel row i, of shape (c_out, k c).  A
convolution has the pre-activations (1), and a dense layer has pre[l] =
W[l] x[l] + b[l].  Pooling compares pairs of neighbouring columns (2), and
then pairs of neighbouring rows (3).  Dropout multiplies x[l+1] by the
binary mask m[l+1]:

    pre[l]_rs = b[l] + sum_i W[l]_i R[l]_(r+i,s)                 (1)
    y[l]_rs = max(pre[l]_(r,2s), pre[l]_(r,2s+1))                (2)
    x[l+1]_rs = m[l+1] max(0, y[l]_(2r,s), y[l]_(2r+1,s))        (3)

Without pooling, x[l+1] = m[l+1] max(0, pre[l]).

Derivation.  For any array X, let dX be the derivative of the loss with
    respect to X.  If (2) compares equal entries of pre[l], or (3) equal
    entries of y[l], the first entry counts as larger.  With pooling,

    dy[l]_(2r,s) = dx[l+1]_rs where x[l+1]_rs > 0 and
                   y[l]_(2r,s) >= y[l]_(2r+1,s), else 0,
    dy[l]_(2r+1,s) = dx[l+1]_rs where x[l+1]_rs > 0, minus
                     dy[l]_(2r,s)                                (4)

    Eq. (2) takes only the larger of two neighbouring entries of pre[l].
    Therefore, the derivative with respect to the smaller entry is 0:

    dpre[l]_(r,2s) = dy[l]_rs where pre[l]_(r,2s) >=
                     pre[l]_(r,2s+1), else 0,
    dpre[l]_(r,2s+1) = dy[l]_rs - dpre[l]_(r,2s)                 (5)

    Without pooling, dpre[l] = dx[l+1] where x[l+1] > 0, else 0.  Let Q[l]
    be the row segments of dpre[l], after k - 1 zeros were added on each
    side of each map.  Let V[l]_i be the weights of the kernel row k - 1 -
    i, with the columns in reversed order, of shape (c_in, k c_out).  Then

    dW[l]_i = sum_rs dpre[l]_rs R[l]_(r+i,s)^T,
    db[l] = sum_rs dpre[l]_rs                                    (6)
    dx[l]_rs = sum_i V[l]_i Q[l]_(r+i,s)                         (7)

Exact.  The results equal those of `convnet` up to rounding.
Cost.   A convolution from c_in to c_out channels needs k^2 c_in c_out
    multiplications for each position of each sample in the forward pass.
    The backward pass needs about twice as many.  Every x[l] is stored, and
    also pre[l] if layer l has pooling.
Departures.  See `convnet`.
"""

import math
from typing import List, NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of, shown

__all__ = ["backward", "forward"]

BLOCK = 2 ** 19     # bytes of segments that are processed together, at most
WIDE = 64           # shorter segments hold all kernel rows: short products are slow


class Tape(NamedTuple):
    """Hold all activations.  The function `forward` describes the fields."""
    inputs: List[np.ndarray]
    pre: List[np.ndarray]
    outputs: np.ndarray
    weights: List[np.ndarray]
    pools: tuple
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold a gradient.  The function `backward` describes the fields."""
    weights: List[np.ndarray]
    biases: List[np.ndarray]
    __repr__ = shown


def forward(weights, biases, x, pools, dropout=None):
    """Compute the outputs for a batch of images, eqs. (1)-(3).

    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> tape = forward(weights, [np.zeros(1), np.ones(1)], x, (True,))
    >>> tape.outputs.tolist()
    [[73.0]]

    Arguments as for `convnet.forward`.

    Returns
    -------
    Tape, argument of `backward`
        inputs   list of maps x[l] (N, H, W, c); dense: (N, n_in) or maps
        pre      list of pre[l] (N, rows, columns, c_out) with pooling, or None
        outputs  (N, K) outputs of the network
        weights, pools  arguments of this function
    """
    weights, biases, x, pools, masks = _checked(weights, biases, x, pools, dropout)
    inputs, pre = [], []
    for i, (W, b, pool, mask) in enumerate(zip(weights, biases, pools, masks,
                                               strict=True)):
        if mask is not None:
            x = np.multiply(x, mask, out=x if i else None)                 # (3)
        inputs.append(x)
        if W.ndim == 4:
            x, kept = _convolution(x, W, b, pool)
        else:
            x, kept = x.reshape(len(x), -1) @ W.T + b, None
            if i < len(weights) - 1:
                np.maximum(x, 0, out=x)
        pre.append(kept)
    return Tape(inputs, pre, x, weights, pools)


def _convolution(x, W, b, pool):
    """Return x[l+1] and, with pooling, pre[l]."""
    pre, step = _empty(x, W)
    N, rows, columns, _ = pre.shape
    out = np.empty((N, rows // 2, columns // 2, len(W)), x.dtype) if pool else pre
    found, work = _plan(x, W.transpose(1, 2, 3, 0), step)
    b = np.tile(b, columns)
    for n in range(0, N, step):
        part, to = pre[n:n + step], out[n:n + step]
        _multiply(found[n:n + step], work, part)
        flat = part.reshape(-1, len(b))
        flat += b                                                          # (1)
        if pool:
            part = np.maximum(*_pairs(part))                               # (2)
            part = np.maximum(part[:, ::2], part[:, 1::2], out=to)         # (3)
        np.maximum(part, 0, out=to)                                        # (3)
    return out, pre if pool else None


def _empty(x, W):
    """Allocate pre[l], and choose the block length."""
    k = W.shape[1]
    pre = np.empty((len(x), x.shape[1] - k + 1, x.shape[2] - k + 1, len(W)), x.dtype)
    size = k * max(x[:1].nbytes, pre[:1].nbytes, 1)
    return pre, max(1, min(len(x), BLOCK // size))


def _pairs(maps):
    """Return even and odd columns of `maps`.  Omit an unpaired row or column."""
    rows, columns = (side // 2 * 2 for side in maps.shape[1:3])
    return maps[:, :rows, :columns:2], maps[:, :rows, 1:columns:2]


def _plan(maps, kernel, step):
    """Return row segments of `maps`, and buffers."""
    k, _, c, c_out = kernel.shape
    height = 1 if k * c >= WIDE else k          # number of kernel rows in a segment
    found = np.lib.stride_tricks.sliding_window_view(maps, (height, k), axis=(1, 2))
    found = found.transpose(0, 1, 2, 4, 5, 3)
    segments = np.empty((step, *found.shape[1:]), maps.dtype)
    shifted = np.lib.stride_tricks.sliding_window_view(
        segments.reshape(*segments.shape[:3], -1), k // height, axis=1)
    shifted = np.moveaxis(shifted, 4, 0)        # (i, step, rows, columns, entries)
    kernel = kernel.reshape(k // height, 1, 1, -1, c_out)
    terms = np.empty((*shifted.shape[:4], c_out), maps.dtype)
    return found, (segments, shifted, kernel, terms)


def _multiply(found, work, out):
    """Compute the sum in (1) or (7)."""
    segments, shifted, kernel, terms = work
    np.copyto(segments[:len(found)], found)
    # OpenBLAS is fastest with the small product of one row of one map.
    terms = np.matmul(shifted[:, :len(found)], kernel, out=terms[:, :len(found)])
    np.add.reduce(terms, axis=0, out=out)                                  # (1, 7)


def backward(tape, doutputs):
    """Compute the gradients of a loss for all weights and biases, eqs. (4)-(7).

    >>> weights = [np.full((1, 1, 1, 1), 2.0), np.full((1, 1), 3.0)]
    >>> tape = forward(weights, [[0], [0]], [[[[5.0]]]], (False,))
    >>> dW, db = backward(tape, np.ones((1, 1)))
    >>> dW[0].ravel().tolist(), dW[1].tolist()
    ([15.0], [[10.0]])

    Results as for `convnet.backward`.

    Parameters
    ----------
    tape : Tape, result of `forward`
    doutputs : (N, K) float, derivative of the loss with respect to f
    """
    f, weights = one_of("tape", tape, Tape).outputs, tape.weights
    _, d = arrays("tape.outputs (N, K) float, doutputs (N, K)", f, doutputs)
    dW, db = [None] * len(weights), [None] * len(weights)
    for i, W in reversed(list(enumerate(weights))):
        x, above = tape.inputs[i], tape.inputs[i + 1] if i + 1 < len(weights) else None
        if W.ndim == 4:
            dW[i], db[i], d = _convolution_adjoint(x, W, tape.pre[i], above, d, i > 0)
            continue
        if above is not None:
            d = d * (above > 0)
        dW[i] = d.T @ x.reshape(len(x), -1)                                # (6)
        db[i] = d.sum(axis=0)                                              # (6)
        d = (d @ W).reshape(x.shape)                                       # (7)
    return Gradient(dW, db)


def _convolution_adjoint(x, W, pre, above, d, below):
    """Return dW, db and, if `below`, dx."""
    (c_out, k, _, _), (empty, step), dx = W.shape, _empty(x, W), None
    _, rows, columns, _ = empty.shape
    found, (segments, shifted, *_) = _plan(x, W.transpose(1, 2, 3, 0), step)
    shifted = shifted.reshape(len(shifted), step, rows * columns, -1)
    dpre = np.zeros((step, rows, columns, c_out), x.dtype)
    dW = np.zeros((len(shifted), c_out, shifted.shape[-1]), x.dtype)
    db = np.zeros(columns * c_out, x.dtype)
    if below:
        padded = np.pad(dpre, ((0, 0), (k - 1, k - 1), (k - 1, k - 1), (0, 0)))
        inner = padded[:, k - 1:k - 1 + rows, k - 1:k - 1 + columns]
        dfound, work = _plan(padded, W[:, ::-1, ::-1].transpose(1, 2, 0, 3), step)
        dx = np.empty(x.shape, x.dtype)
    for n in range(0, len(x), step):
        part = slice(n, n + step)
        size = len(x[part])
        block = _gated(dpre[:size], d[part], above[part],
                       None if pre is None else pre[part])
        np.copyto(segments[:size], found[part])
        terms = block.reshape(size, -1, c_out).swapaxes(1, 2) @ shifted[:, :size]  # (6)
        dW += np.add.reduce(terms, axis=1)                                 # (6)
        db += np.add.reduce(block.reshape(-1, len(db)), axis=0)            # (6)
        if below:
            np.copyto(inner[:size], block)
            _multiply(dfound[:size], work, dx[part])
    dW = dW.swapaxes(0, 1).reshape(W.shape)
    return dW, db.reshape(-1, c_out).sum(axis=0), dx


def _gated(dpre, d, above, pre):
    d = d * (above > 0)                                                    # (4)
    if pre is None:
        np.copyto(dpre, d)
        return dpre
    (left, right), (dleft, dright) = _pairs(pre), _pairs(dpre)
    y = np.maximum(left, right)
    top, bottom = y[:, ::2], y[:, 1::2]
    np.multiply(d, top >= bottom, out=top)                                 # (4)
    np.subtract(d, top, out=bottom)                                        # (4)
    np.multiply(y, left >= right, out=dleft)                               # (5)
    np.subtract(y, dleft, out=dright)                                      # (5)
    return dpre


def _checked(weights, biases, x, pools, masks):
    for name, value in (("weights", weights), ("biases", biases), ("pools", pools)):
        one_of(name, value, list, tuple)
    flags(" ".join(f"pools[{i}]" for i in range(len(pools))), *pools)
    masks = [None] * len(weights) if masks is None else one_of("dropout", masks, list,
                                                               tuple)
    if not 0 < len(pools) < len(weights) == len(biases) == len(masks):
        raise ValueError(
            f"weights has {len(weights)} arrays, biases {len(biases)}, dropout "
            f"{len(masks)}, pools {len(pools)}: must be equal, but for fewer pools, at "
            "least one, and the last layer dense")
    layers = range(len(weights))
    axes = [f"k{i}, k{i}, c{i}" if i < len(pools) else "_" for i in layers]
    rules = [f"weights[{i}] (c{i + 1}, {axes[i]}) float" for i in layers]
    rules += [f"biases[{i}] (c{i + 1})" for i in layers]
    *found, x = arrays(", ".join([*rules, "x (N, _, _, c0)"]), *weights, *biases, x)
    weights, biases, maps = found[:len(layers)], found[len(layers):], x.shape[1:]
    pools, rules = (*pools, *[False] * (len(layers) - len(pools))), []
    for i, (W, pool) in enumerate(zip(weights, pools, strict=True)):
        shape = ", ".join(map(str, maps)) if i else "H, W, c"
        rules.append(f"dropout[{i}]? (N, {shape}) in {{0, 1}}")
        sides = [side - W.shape[1] + 1 for side in maps[:2]] if W.ndim == 4 else []
        if min(sides) <= pool if sides else W.shape[1] != math.prod(maps):
            raise ValueError(f"weights[{i}] has shape {W.shape}, x gives input maps "
                             f"{maps}: must fit"
                             + ", and leave 2 x 2 positions to pool" * pool)
        maps = (*(side // (1 + pool) for side in sides), len(W))
    x, *masks = arrays(", ".join(["x (N, H, W, c)", *rules]), x, *masks, dtype=x.dtype)
    return weights, biases, x, pools, masks
