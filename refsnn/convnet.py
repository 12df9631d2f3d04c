# refsnn 0.1.0 | convnet.py | SPDX-License-Identifier: MIT | needs: numpy
r"""A convolutional ReLU network with max pooling, and its derivatives by hand.

Convolutions come first (stride 1, no padding, each followed by a ReLU and,
where `pools` says so, by 2 x 2 max pooling), then dense layers with ReLUs
between them.  Layer l = 0, ..., L-1 reads the map x[l] (H, W, c) of a
sample through its patches A[l] = C x[l], one row for each position p of the
kernel: the k k c numbers below it, by row, column and channel.  A dense
layer has one position and reads all of its map.  With a row of W[l] for
each of the layer's channels and z[l] (positions, channels),

    z[l] = A[l] W[l]^T + b[l]                          (1)  [LBBH98] eq. ?
    x[l+1] = max(0, largest z[l] of each window)       (2)

and outputs f = z[L-1].  A window is 2 x 2 positions, a ragged last row or
column is dropped; without pooling it is one position.  The gate

    D[l]_pi = 1 where z[l]_pi > 0 is the largest of its window in channel i
              (the first of equals, row by row), 0 elsewhere      (3)

turns (2) into a map that is linear while no gate flips: S z sums D z over
each window, and S^T y is D times the y of the window of p.  C^T adds each
number of a patch to the pixel from which it came.

Derivation.  By the chain rule, with dz = dE/dz and sums over samples,

    dW[l] = sum dz[l]^T A[l],  db[l] = sum_p dz[l]_p             (4)
    dz[l-1] = S^T C^T (dz[l] W[l])                               (5)

    and for the signals G[l] = df_k/dz[l] of a sample,

    G[L-1] = e_k,  G[l-1] = S^T C^T (G[l] W[l])         (6)  [LZ20] eq. ?
    df_k/dW[l] = G[l]^T A[l],  df_k/db[l] = sum_p G[l]_p         (7)

    A scalar E whose derivatives by A[l], G[l] and f are Abar[l], Gbar[l]
    and fbar depends on the weights through (6) and through (1).  Reversed,
    (6) is a sweep with the layers over all samples and outputs, B[0] =
    Gbar[0],

    T[l] = C S B[l-1],  B[l] = Gbar[l] + T[l] W[l]^T             (8)
    dW[l] = sum_k G[l]^T T[l]                                    (9)

    and (1) is one against them from dz[L-1] = fbar, whose (4) is added:

    dz[l-1] = S^T C^T (dz[l] W[l] + Abar[l])                    (10)

    At the start, with fans k k c,

    W ~ normal, cut at 2 s and scaled to variance 2 / (fan_in + fan_out),
    b ~ N(0, 0.01^2)                                  (11)  [LZ20] eq. ?

Exact.  The derivative wherever no z is 0 and no window has two largest;
    there, that of (3).  Second derivatives of (3) are 0.
Cost.   Products of N P q c_out a layer, q = k k c_in, P positions; K times
    that for `signals`, 4 K times for `second_order`.  Memory: the patches,
    N P q; patches of N K rows are formed and used in blocks.
Departures.  [LBBH98] has trained subsampling and sigmoids; this is the
    later form with ReLU and max pooling that [LZ20] uses.

[LBBH98] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based
    learning applied to document recognition, Proceedings of the IEEE
    86(11), 2278-2324, 1998.
[LZ20] T. Liu and F. Zenke, Finding trainable sparse networks through
    Neural Tangent Transfer, ICML 2020, arXiv 2006.08228.
"""

from typing import List, NamedTuple

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "forward", "init", "jacobian",
           "second_order", "signals"]

SPREAD = 0.87962566103423978        # deviation of a normal cut at 2
BLOCK = 2 ** 20         # bytes of the patches that are formed together
ARCHITECTURES = {       # of [LZ20]: image (H, W, c), weights, pools
    "lenet5_caffe": ((28, 28, 1), ((20, 5, 5, 1), (50, 5, 5, 20), (500, 800),
                                   (10, 500)), (True, True)),
    "conv4": ((32, 32, 3), ((64, 3, 3, 3), (64, 3, 3, 64), (128, 3, 3, 64),
                            (128, 3, 3, 128), (512, 3200), (10, 512)),
              (False, True, False, True))}


class Recording(NamedTuple):
    """What a pass wrote down: lists with an entry for each layer.

    inputs: patches (N, P, q) of a convolution, (N, n_in) of a dense layer;
    pre: z, (N, rows, columns, c_out) and (N, n_out); outputs: (N, K).
    """

    inputs: List[np.ndarray]
    pre: List[np.ndarray]
    outputs: np.ndarray


class Gradient(NamedTuple):
    """Adjoints of weights and biases, lists of arrays of their shapes."""

    weights: List[np.ndarray]
    biases: List[np.ndarray]


def _array(name, value, shape, dtype=None):
    """`value` as a finite float array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or 0 in array.shape or array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a float array of shape {want}, no axis of 0")
    with np.errstate(over="ignore", invalid="ignore"):
        array = array if dtype is None else array.astype(dtype, copy=False)
        finite = np.isfinite(array.sum()) or np.isfinite(array).all()
    if not finite:
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _list(name, values, shapes, dtype, gaps=False):
    """`values` as arrays of `shapes`; with gaps, None may stand for 0."""
    if gaps and values is None:
        return [None] * len(shapes)
    if not isinstance(values, (list, tuple)) or len(values) != len(shapes):
        what = len(values) if isinstance(values, (list, tuple)) else type(values)
        raise ValueError(f"{name} is a list of {what}: must have {len(shapes)} arrays, "
                         "one for each layer")
    return [None if gaps and value is None else
            _array(f"{name}[{i}]", value, shape, dtype)
            for i, (value, shape) in enumerate(zip(values, shapes, strict=True))]


def _weights(weights, pools):
    """Weights as arrays of one dtype, and pools with a False for dense layers."""
    if not isinstance(weights, (list, tuple)) or len(weights) < 2:
        raise ValueError(f"weights is {type(weights)}: must be a list of the arrays "
                         "of at least one convolution and one dense layer")
    ranks = [np.ndim(W) for W in weights]
    count = ranks.count(4)
    if not 0 < count < len(ranks) or ranks != [4] * count + [2] * (len(ranks) - count):
        raise ValueError(f"weights have ranks {ranks}: must be 4 (convolutions) and "
                         "then 2 (dense), at least one of each")
    if not isinstance(pools, (list, tuple)) or len(pools) != count \
            or not all(isinstance(pool, (bool, np.bool_)) for pool in pools):
        raise ValueError(f"pools is {pools!r}: must be {count} bools, one for each "
                         "convolution")
    first = np.asarray(weights[0]).dtype
    weights = _list("weights", weights, [(None,) * rank for rank in ranks], first)
    for i, W in enumerate(weights[:count]):
        if W.shape[1] != W.shape[2]:
            raise ValueError(f"weights[{i}] is of shape {W.shape}: must be "
                             "(c_out, k, k, c_in)")
    return weights, [bool(pool) for pool in pools] + [False] * (len(ranks) - count)


def _chain(weights, pools, image):
    """Shapes of the maps that layers read and of z, of one sample."""
    reads, writes = [], []
    for i, (W, pool) in enumerate(zip(weights, pools, strict=True)):
        reads.append(tuple(image))
        if W.ndim == 4:
            k = W.shape[1]
            image = (image[0] - k + 1, image[1] - k + 1, len(W))
            fits = W.shape[3] == reads[-1][2] and min(image[:2]) > pool
        else:
            image, fits = (len(W),), W.shape[1] == np.prod(image)
        if not fits:
            raise ValueError(f"weights[{i}] is of shape {W.shape}: must fit the maps "
                             f"{reads[-1]} that the layer reads"
                             + " and leave a window to pool" * pool)
        writes.append(image)
        image = (image[0] // 2, image[1] // 2, image[2]) if pool else image
    return reads, writes


def _read(weights, recording, pools):
    """Checked weights, recording and pools, and the shapes of `_chain`."""
    weights, pools = _weights(weights, pools)
    dtype = weights[0].dtype
    if not isinstance(recording, Recording):
        raise ValueError(f"recording is {type(recording)}: must be a Recording")
    inputs, pre, outputs = recording
    if not isinstance(pre, (list, tuple)) or len(pre) != len(weights):
        raise ValueError("recording.pre must be a list of "
                         f"{len(weights)} arrays, one for each layer")
    first = _array("recording.pre[0]", pre[0], (None,) * 4)
    N, k = len(first), weights[0].shape[1]
    reads, writes = _chain(weights, pools, (
        first.shape[1] + k - 1, first.shape[2] + k - 1, weights[0].shape[3]))
    pre = _list("recording.pre", pre, [(N, *shape) for shape in writes], dtype)
    inputs = _list("recording.inputs", inputs, [
        (N, *_positions(shape), W[0].size) for shape, W in
        zip(writes, weights, strict=True)], dtype)
    outputs = _array("recording.outputs", outputs, (N, *writes[-1]), dtype)
    return weights, Recording(inputs, pre, outputs), pools, reads


def _positions(shape):
    """(P,) of the z of a convolution, () of that of a dense layer."""
    return (shape[0] * shape[1],) if len(shape) == 3 else ()


def _signal_shapes(recording):
    """(N, K, P, c_out) or (N, K, n_out) of each layer."""
    N, K = recording.outputs.shape
    return [(N, K, *_positions(z.shape[1:]), z.shape[-1]) for z in recording.pre]


def _matrix(array):
    """All but the last axis in one: a matrix for one product."""
    return array.reshape(-1, array.shape[-1])


def _patches(x, W):
    """C: the patches (R, P, q) of maps (R, H, W, c); (R, n) for a dense layer."""
    if W.ndim == 2:
        return x.reshape(len(x), -1)
    k = W.shape[1]
    views = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), -1, W[0].size)


def _unpatch(patches, W, shape):
    """C^T: patches of R rows added up to maps (R, *shape)."""
    if W.ndim == 2:
        return patches.reshape(len(patches), *shape)
    k = W.shape[1]
    rows, columns = shape[0] - k + 1, shape[1] - k + 1
    parts = patches.reshape(len(patches), rows, columns, k, k, shape[2])
    maps = np.zeros((len(patches), *shape), patches.dtype)
    for i in range(k):
        for j in range(k):
            maps[:, i:i + rows, j:j + columns] += parts[:, :, :, i, j]
    return maps


def _blocks(rows, size, itemsize):
    """Slices of `rows` rows, of about BLOCK bytes at `size` numbers a row."""
    step = max(1, BLOCK // (size * itemsize))
    return [slice(i, i + step) for i in range(0, rows, step)]


def _windows(maps, pool):
    """Views of each window's positions, in row-major order, over the last axes."""
    if not pool:
        return [maps]
    rows, columns = (size // 2 * 2 for size in maps.shape[-3:-1])
    return [maps[..., i:rows:2, j:columns:2, :] for i in (0, 1) for j in (0, 1)]


def _largest(z, pool):
    """x of the next layer, eq. (2)."""
    views = _windows(z, pool)
    largest = np.maximum(views[0], 0)
    for view in views[1:]:
        np.maximum(largest, view, out=largest)                             # (2)
    return largest


def _gates(z, pool):
    """D at each of `_windows`, as 0 and 1 of the dtype of z, eq. (3)."""
    largest, gates = _largest(z, pool), []
    free = largest > 0
    for view in _windows(z, pool):
        won = (view == largest) & free
        free ^= won
        gates.append(won.astype(z.dtype))                                  # (3)
    return gates


def _select(maps, gates, pool):
    """S: what the gates let through of maps (N, K, *shape of z)."""
    views = _windows(maps, pool)
    total = views[0] * gates[0][:, None]
    for view, gate in zip(views[1:], gates[1:], strict=True):
        total += view * gate[:, None]
    return total


def _spread(dx, gates, pool, z):
    """S^T: dx (N, K, *shape of x) back to the winners in maps like z."""
    maps = np.zeros((*dx.shape[:2], *z.shape[1:]), dx.dtype)
    for view, gate in zip(_windows(maps, pool), gates, strict=True):
        np.multiply(dx, gate[:, None], out=view)
    return maps


def _back(dz, W, shape, extra=None):
    """C^T (dz W + extra) for R rows, maps (R, *shape), in blocks."""
    flat = W.reshape(len(W), -1)
    maps = np.empty((len(dz), *shape), dz.dtype)
    for part in _blocks(len(dz), dz[0].size // len(W) * flat.shape[1], dz.itemsize):
        patches = _matrix(dz[part]) @ flat
        if extra is not None:
            patches += _matrix(extra[part])
        maps[part] = _unpatch(patches.reshape(len(maps[part]), -1), W, shape)
    return maps


def forward(weights, biases, x, pools):
    """Outputs of the network, and what its derivatives need, eqs. (1) and (2).

    Parameters
    ----------
    weights : list of (c_out, k, k, c_in) and then (n_out, n_in) float
        Convolutions, then dense layers, at least one of each.
    biases : list of (c_out,) and then (n_out,) float
        One for each channel or unit.
    x : (N, H, W, c_in) float
        Images, channels last.
    pools : sequence of bool
        For each convolution, whether 2 x 2 max pooling follows.

    Returns
    -------
    Recording
        In the dtype of weights[0].

    Raises
    ------
    ValueError
        If shapes do not chain, a map is smaller than a kernel or a window,
        or an entry is not finite.

    Examples
    --------
    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> biases = [np.zeros(1), np.ones(1)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, biases, x, (True,))
    >>> recording.pre[0].ravel().tolist(), recording.outputs.tolist()
    ([8.0, 12.0, 20.0, 24.0], [[73.0]])
    """
    weights, pools = _weights(weights, pools)
    dtype = weights[0].dtype
    x = _array("x", x, (None,) * 4, dtype)
    biases = _list("biases", biases, [(len(W),) for W in weights], dtype)
    _, writes = _chain(weights, pools, x.shape[1:])
    inputs, pre = [], []
    for W, b, pool, shape in zip(weights, biases, pools, writes, strict=True):
        inputs.append(_patches(x, W))
        z = _matrix(inputs[-1]) @ W.reshape(len(W), -1).T
        z += b                                                             # (1)
        pre.append(z.reshape(len(x), *shape))
        x = _largest(pre[-1], pool)
    return Recording(inputs, pre, pre[-1])


def _below(i, dz, weights, recording, pools, reads, extra=None):
    """dz (N, K, *z of layer i - 1) of dz (N, K, *z of layer i), eqs. (5), (6), (10)."""
    z, pool = recording.pre[i - 1], pools[i - 1]
    dx = _back(dz.reshape(-1, *dz.shape[2:]), weights[i], reads[i], extra)
    return _spread(dx.reshape(*dz.shape[:2], *reads[i]), _gates(z, pool), pool, z)


def _sweep(weights, recording, pools, reads, dinputs, doutputs):
    """Gradient through (1) and (2) against the layers, eqs. (4), (5) and (10)."""
    dz, dW, db = doutputs[:, None], [], []
    for i in range(len(weights) - 1, -1, -1):
        flat = _matrix(dz)
        dW.append((flat.T @ _matrix(recording.inputs[i])).reshape(weights[i].shape))
        db.append(flat.sum(axis=0))                                        # (4)
        if i > 0:
            dz = _below(i, dz, weights, recording, pools, reads,
                        dinputs[i])                                        # (5, 10)
    return Gradient(dW[::-1], db[::-1])


def backward(weights, recording, doutputs, pools):
    """Gradient of a loss, eqs. (4) and (5).

    Parameters
    ----------
    weights, pools
        As handed to `forward`.
    recording : Recording
        What it returned.
    doutputs : (N, K) float
        Derivative of the loss by the outputs.

    Returns
    -------
    Gradient
        Summed over samples.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1)] * 2, x, (True,))
    >>> grad = backward(weights, recording, np.ones((1, 1)), (True,))
    >>> grad.weights[0].ravel().tolist(), grad.weights[1].tolist()
    ([12.0, 15.0, 21.0, 24.0], [[24.0]])
    """
    weights, recording, pools, reads = _read(weights, recording, pools)
    doutputs = _array("doutputs", doutputs, recording.outputs.shape, weights[0].dtype)
    return _sweep(weights, recording, pools, reads, [None] * len(weights), doutputs)


def signals(weights, recording, pools):
    """Derivatives of every output by every z, eq. (6).

    Parameters
    ----------
    weights, recording, pools
        As for `backward`.

    Returns
    -------
    list of (N, K, P, c_out) and then (N, K, n_out) float
        ``signals[l][n, k] = d outputs[n, k] / d z[l][n]``, P in row-major
        order.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1)] * 2, x, (True,))
    >>> [s.ravel().tolist() for s in signals(weights, recording, (True,))]
    [[0.0, 0.0, 0.0, 3.0], [1.0]]
    """
    weights, recording, pools, reads = _read(weights, recording, pools)
    N, K = recording.outputs.shape
    G = np.empty((N, K, K), weights[0].dtype)
    G[:] = np.eye(K)
    found = [G]
    for i in range(len(weights) - 1, 0, -1):
        G = _below(i, G, weights, recording, pools, reads)                 # (6)
        found.append(G)
    shapes = _signal_shapes(recording)
    return [G.reshape(shape) for G, shape in zip(found[::-1], shapes, strict=True)]


def jacobian(recording, signals):
    """Derivatives of every output by all parameters, eq. (7).

    Parameters
    ----------
    recording : Recording
        Of `forward`.
    signals : list of arrays
        Of `signals`.

    Returns
    -------
    (N, K, p) float
        Layer by layer, the weights row by row and then the biases.

    Raises
    ------
    ValueError
        If shapes do not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1)] * 2, x, (True,))
    >>> jacobian(recording, signals(weights, recording, (True,))).tolist()
    [[[12.0, 15.0, 21.0, 24.0, 3.0, 24.0, 1.0]]]
    """
    recording, found = _recorded(recording, signals)
    N, K = recording.outputs.shape
    parts = []
    for A, G in zip(recording.inputs, found, strict=True):
        A, G = A.reshape(N, 1, -1, A.shape[-1]), G.reshape(N, K, -1, G.shape[-1])
        parts += [(G.swapaxes(2, 3) @ A).reshape(N, K, -1), G.sum(axis=2)]  # (7)
    return np.concatenate(parts, axis=2)


def _recorded(recording, signals):
    """Checked recording and signals that agree with each other, without weights."""
    if not isinstance(recording, Recording):
        raise ValueError(f"recording is {type(recording)}: must be a Recording")
    outputs = _array("recording.outputs", recording.outputs, (None, None))
    pre = _list("recording.pre", recording.pre, [
        (len(outputs), *(None,) * (np.ndim(z) - 1)) for z in recording.pre],
        outputs.dtype)
    inputs = _list("recording.inputs", recording.inputs, [
        (len(outputs), *_positions(z.shape[1:]), None) for z in pre], outputs.dtype)
    recording = Recording(inputs, pre, outputs)
    return recording, _list("signals", signals, _signal_shapes(recording),
                            outputs.dtype)


def _tangent(weights, recording, signals, dsignals, pools):
    """Gradient by the weights through (6), with the layers, eqs. (8) and (9)."""
    dW = [np.zeros_like(W) for W in weights]
    N, K = recording.outputs.shape
    B = dsignals[0]
    for i in range(1, len(weights)):
        W, flat = weights[i], weights[i].reshape(len(weights[i]), -1)
        G = signals[i].reshape(N * K, *signals[i].shape[2:])
        following = None if dsignals[i] is None else dsignals[i].copy()
        if B is not None:
            z, pool = recording.pre[i - 1], pools[i - 1]
            x = _select(B.reshape(N, K, *z.shape[1:]), _gates(z, pool), pool)
            x = x.reshape(N * K, *x.shape[2:])
            if following is None:
                following = np.zeros_like(signals[i])
            out = following.reshape(G.shape)
            for part in _blocks(N * K, G[0].size // len(W) * flat.shape[1],
                                x.itemsize):
                T = _matrix(_patches(x[part], W))
                out[part] += (T @ flat.T).reshape(out[part].shape)         # (8)
                dW[i] += (_matrix(G[part]).T @ T).reshape(W.shape)         # (9)
        B = following
    return dW


def second_order(weights, recording, signals, dinputs, dsignals, doutputs, pools):
    """Gradient of a scalar of inputs, signals and outputs, eqs. (4), (8)-(10).

    Parameters
    ----------
    weights, recording, pools
        As for `backward`.
    signals : list of arrays
        Of `signals`.
    dinputs, dsignals : lists of arrays, or None
        Derivatives of the scalar by recording.inputs and by signals, of
        their shapes; a list or an entry may be None, which stands for 0.
    doutputs : (N, K) float, or None
        Derivative by the outputs beside that.

    Returns
    -------
    Gradient
        By all weights and biases; the images do not move.

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1)] * 2, x, (True,))
    >>> found = signals(weights, recording, (True,))
    >>> dsignals = [np.ones((1, 1, 4, 1)), None]
    >>> grad = second_order(weights, recording, found, None, dsignals, None,
    ...                     (True,))
    >>> grad.weights[0].ravel().tolist(), grad.weights[1].tolist()
    ([0.0, 0.0, 0.0, 0.0], [[1.0]])
    """
    weights, recording, pools, reads = _read(weights, recording, pools)
    dtype, shapes = weights[0].dtype, _signal_shapes(recording)
    signals = _list("signals", signals, shapes, dtype)
    dsignals = _list("dsignals", dsignals, shapes, dtype, gaps=True)
    dinputs = _list("dinputs", dinputs, [A.shape for A in recording.inputs], dtype,
                    gaps=True)
    doutputs = np.zeros_like(recording.outputs) if doutputs is None \
        else _array("doutputs", doutputs, recording.outputs.shape, dtype)
    grad = _sweep(weights, recording, pools, reads, dinputs, doutputs)
    through = _tangent(weights, recording, signals, dsignals, pools)
    return Gradient([a + b for a, b in zip(grad.weights, through, strict=True)],
                    grad.biases)


def init(shapes, rng, dtype=np.float64):
    """Random weights and biases, eq. (11).

    Parameters
    ----------
    shapes : sequence of tuple of int
        Of the weights, as in `ARCHITECTURES`.
    rng : numpy.random.Generator
        Source of the draws.
    dtype : float32 or float64
        Of the result; the draws are the same.

    Returns
    -------
    weights, biases : lists of arrays
        As `forward` takes them.

    Raises
    ------
    ValueError
        If shapes are not of ranks 4 and then 2, or dtype is another.

    Examples
    --------
    >>> image, shapes, pools = ARCHITECTURES["lenet5_caffe"]
    >>> weights, biases = init(shapes, np.random.default_rng(1), np.float32)
    >>> forward(weights, biases, np.ones((2, *image)), pools).outputs.shape
    (2, 10)
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    weights, biases = [], []
    for shape in shapes:
        if len(shape) not in (2, 4) or not all(
                isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise ValueError(f"shapes has {shape!r}: must be (c_out, k, k, c_in) or "
                             "(n_out, n_in), integers above 0")
        W = rng.standard_normal(shape)
        while (np.abs(W) > 2).any():
            outside = np.abs(W) > 2
            W[outside] = rng.standard_normal(outside.sum())
        field = int(np.prod(shape[1:-1]))
        variance = 2 / (field * (shape[0] + shape[-1]))
        weights.append((W * np.sqrt(variance) / SPREAD).astype(dtype))     # (11)
        biases.append(rng.normal(0, 0.01, shape[0]).astype(dtype))
    return weights, biases
