# refsnn 0.1.0 | convnet.py | SPDX-License-Identifier: MIT | needs: numpy
r"""A convolutional ReLU network with max pooling, its derivatives by hand.

Convolutions (stride 1, no padding), each with a ReLU and, where `pools`
says so, 2 x 2 max pooling, then dense layers with ReLUs between them.
Layer l reads the map x[l] (H, W, c) of a sample as patches A[l] = C x[l]:
for each position p of the kernel a row of the k k c numbers below it, by
row, column and channel; a dense layer reads all in one.  With z[l] of
(positions, channels) and outputs f = z[L-1],

    z[l] = A[l] W[l]^T + b[l]                                    (1)
    x[l+1] = max(0, largest z[l] of each window)                 (2)

where a window is 2 x 2 positions (a ragged last row or column is dropped)
or, without pooling, one.  The gate

    D[l]_pi = 1 where z[l]_pi > 0 is the largest of its window in channel i
              (the first of equals, row by row), 0 elsewhere     (3)

makes (2) linear while none flips: S z sums D z over each window, S^T y is
D times the y of p's window.  C^T adds a patch to where it came from.

Derivation.  By the chain rule, with dz = dE/dz and sums over samples,

    dW[l] = sum dz[l]^T A[l],  db[l] = sum_p dz[l]_p             (4)
    dz[l-1] = S^T C^T (dz[l] W[l])                               (5)

    and for the signals G[l] = df_k/dz[l] of a sample,

    G[L-1] = e_k,  G[l-1] = S^T C^T (G[l] W[l])         (6)  [LZ20] eq. ?
    df_k/dW[l] = G[l]^T A[l],  df_k/db[l] = sum_p G[l]_p         (7)

    If E has derivatives Abar, Gbar and fbar by all A, G and f, (6) is
    reversed over samples and outputs from B[0] = Gbar[0], and (1) from
    dz[L-1] = fbar; their dW, (9) and (4), are summed:

    T[l] = C S B[l-1],  B[l] = Gbar[l] + T[l] W[l]^T             (8)
    dW[l] = sum_k G[l]^T T[l]                                    (9)
    dz[l-1] = S^T C^T (dz[l] W[l] + Abar[l])                     (10)

    At the start, y normal but cut at +-2, of standard deviation s,

    W = sqrt(2 / (k k (c_in + c_out))) y / s, b ~ N(0, .01^2)    (11)

Exact.  Where no largest of a window is 0 or met twice; there, by (3).
Cost.   N P k k c_in c_out products a layer, P positions; K times for
    `signals`, 2 K for `second_order`.
Departures.  None known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

import functools
from typing import List, NamedTuple

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "forward", "init", "jacobian",
           "second_order", "signals"]

SPREAD = 0.8796256610342398     # standard deviation of a normal variable cut at +-2
BLOCK = 2 ** 20                 # bytes of the rows that are followed together
ARCHITECTURES = {               # of [LZ20]: shapes of image and weights, pools
    "lenet5_caffe": ((28, 28, 1), ((20, 5, 5, 1), (50, 5, 5, 20), (500, 800), (
        10, 500)), (True, True)),
    "conv4": ((32, 32, 3), ((64, 3, 3, 3), (64, 3, 3, 64), (128, 3, 3, 64), (
        128, 3, 3, 128), (512, 3200), (10, 512)), (False, True, False, True))}


class Recording(NamedTuple):
    """A pass: patches (N, P, q) and z (N, rows, columns, c) of convolutions.

    inputs (N, n_in) and z (N, n_out) of dense layers; outputs (N, K).
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
    fits = array.ndim == len(shape) and 0 not in array.shape and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in ((np.float32, np.float64) if dtype is None
                                       else (dtype,)):
        want = "({})".format(", ".join("1+" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a {dtype or 'float'} array of shape {want}")
    if not np.isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _list(name, values, shapes, dtype=None, gaps=False):
    """`values` as arrays of `shapes`; with gaps, None stands for zeros."""
    values = [None] * len(shapes) if gaps and values is None else values
    if not isinstance(values, (list, tuple)) or len(values) != len(shapes):
        raise ValueError(f"{name} is {type(values).__name__} of length "
                         f"{len(values) if hasattr(values, '__len__') else 'none'}: "
                         f"must be a list of {len(shapes)} arrays, one for each layer")
    return [np.zeros(shape, dtype) if gaps and value is None
            else _array(f"{name}[{i}]", value, shape, dtype)
            for i, (value, shape) in enumerate(zip(values, shapes, strict=True))]


def _network(weights, pools, size, of_z=False):
    """Checked weights and pools; shapes of the maps that layers read, and of z.

    `size` (rows, columns) is that of the images or of the first z.
    """
    if not isinstance(weights, (list, tuple)) or not isinstance(pools, (list, tuple)) \
            or not 0 < len(pools) < len(weights) or [np.ndim(W) for W in weights] \
            != [4] * len(pools) + [2] * (len(weights) - len(pools)) \
            or {*map(type, pools)} - {bool, np.bool_}:
        raise ValueError(f"pools is {pools!r}: must be a bool for each 4-D array of "
                         "weights, which must be a list of some and then of 2-D ones")
    dtype = _array("weights[0]", weights[0], (None,) * 4).dtype
    weights = _list("weights", weights, [(None,) * np.ndim(W) for W in weights], dtype)
    pools, reads, writes = [*pools, *[False] * (len(weights) - len(pools))], [], []
    first = weights[0].shape
    x = (*(side + of_z * (first[1] - 1) for side in size), first[3])
    for i, (W, pool) in enumerate(zip(weights, pools, strict=True)):
        k, dense = W.shape[1], W.ndim == 2
        z = () if dense else (x[0] - k + 1, x[1] - k + 1)
        if W.shape[1:] != ((np.prod(x),) if dense else (k, k, x[2])) \
                or not dense and min(z) <= pool:
            raise ValueError(f"weights[{i}] is of shape {W.shape}: must fit the maps "
                             f"{x} that it reads, with square kernels"
                             + " and a window to pool" * pool)
        reads.append(x)
        writes.append((*z, len(W)))
        x = (*(side // (1 + pool) for side in z), len(W))
    return weights, pools, reads, writes


def _read(weights, recording, pools):
    """Checked weights, pools, recording, and shapes of the maps that layers read."""
    pre = getattr(recording, "pre", None)
    if not isinstance(pre, (list, tuple)) or not pre or np.ndim(pre[0]) != 4:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "Recording whose pre[0] is (N, rows, columns, c_out)")
    N, *size, _ = np.shape(pre[0])
    weights, pools, reads, writes = _network(weights, pools, size, of_z=True)
    pre = _list("recording.pre", pre, [(N, *z) for z in writes], weights[0].dtype)
    inputs = _list("recording.inputs", recording.inputs, [
        (N, *[np.prod(z[:-1])] * (W.ndim == 4), W[0].size)
        for W, z in zip(weights, writes, strict=True)], weights[0].dtype)
    return weights, pools, Recording(inputs, pre, pre[-1]), reads


def _blocks(rows, size):
    """Slices of rows of `size` bytes, about BLOCK bytes together."""
    step = max(1, BLOCK // size)
    return [slice(i, i + step) for i in range(0, rows, step)]


def _patches(x, W):
    """C: patches (R, P, q) of maps (R, H, W, c); (R, n) for a dense layer."""
    if W.ndim == 2:
        return x.reshape(len(x), -1)
    views = np.lib.stride_tricks.sliding_window_view(x, W.shape[1:3], axis=(1, 2))
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), -1, W[0].size)


def _unpatch(dz, W, shape, extra):
    """C^T (dz W + extra), R rows to maps (R, *shape), by each pixel of a kernel."""
    if W.ndim == 2:
        return (dz @ W if extra is None else dz @ W + extra).reshape(-1, *shape)
    (rows, columns), k, c = dz.shape[1:3], W.shape[1], W.shape[3]
    maps = np.zeros((len(dz), *shape), dz.dtype)
    for i, j in np.ndindex(k, k):
        part = (dz.reshape(-1, len(W)) @ W[:, i, j]).reshape(-1, rows, columns, c)
        if extra is not None:
            part += extra.reshape(-1, rows, columns, k, k, c)[:, :, :, i, j]
        maps[:, i:i + rows, j:j + columns] += part
    return maps


def _windows(maps, pool):
    """Views of the positions of all windows, row by row."""
    if not pool:
        return [maps]
    rows, columns = (side // 2 * 2 for side in maps.shape[-3:-1])
    return [maps[..., i:rows:2, j:columns:2, :] for i in (0, 1) for j in (0, 1)]


def _largest(z, pool):
    """x of the next layer."""
    return functools.reduce(np.maximum, _windows(z, pool), z.dtype.type(0))  # (2)


def _gate(z, pool):
    """D as 0 and 1 of the shape and dtype of z."""
    largest, gate = _largest(z, pool), np.zeros_like(z)
    free = largest > 0
    for value, to in zip(_windows(z, pool), _windows(gate, pool), strict=True):
        to[:] = won = (value == largest) & free                            # (3)
        free ^= won
    return gate


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
        Of the one dtype that all arguments have.

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
    x, inputs, pre = _array("x", x, (None,) * 4), [], []
    weights, pools, _, writes = _network(weights, pools, x.shape[1:3])
    x = _array("x", x, (*x.shape[:3], weights[0].shape[3]), weights[0].dtype)
    biases = _list("biases", biases, [(len(W),) for W in weights], x.dtype)
    for W, b, pool, shape in zip(weights, biases, pools, writes, strict=True):
        inputs.append(_patches(x, W))
        z = inputs[-1].reshape(-1, W[0].size) @ W.reshape(len(W), -1).T
        pre.append(z.reshape(-1, *shape))
        pre[-1] += b                                                       # (1)
        x = _largest(pre[-1], pool)
    return Recording(inputs, pre, pre[-1])


def _below(net, i, dz, extra=None):
    """dz (N, K, *shape of z) of layer i - 1 from that of layer i."""
    weights, pools, recording, reads = net
    W, z, pool, (N, K) = weights[i], recording.pre[i - 1], pools[i - 1], dz.shape[:2]
    gate, found = _gate(z, pool), np.zeros((N, K, *z.shape[1:]), z.dtype)
    for n in _blocks(N, K * z[0].nbytes) if W.ndim == 4 else [slice(N)]:
        dx = _unpatch(dz[n].reshape(-1, *dz.shape[2:]), W, reads[i],
                      None if extra is None else extra[n]).reshape(-1, K, *reads[i])
        for to, won in zip(_windows(found[n], pool), _windows(gate[n, None], pool),
                           strict=True):
            np.multiply(dx, won, out=to)
    return found


def _sweep(net, dinputs, doutputs):
    """Gradient through (1) and (2), against the layers."""
    dz, dW, db = doutputs[:, None], [], []
    for i in range(len(dinputs) - 1, -1, -1):
        W, A, flat = net[0][i], net[2].inputs[i], dz.reshape(-1, dz.shape[-1])
        dW.insert(0, (flat.T @ A.reshape(-1, W[0].size)).reshape(W.shape))
        db.insert(0, np.ones(len(flat), W.dtype) @ flat)                   # (4)
        if i:
            dz = _below(net, i, dz, dinputs[i])                            # (5, 10)
    return Gradient(dW, db)


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
    net = _read(weights, recording, pools)
    doutputs = _array("doutputs", doutputs, net[2].outputs.shape, net[0][0].dtype)
    return _sweep(net, [None] * len(weights), doutputs)


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
    net = _read(weights, recording, pools)
    inputs, _, f = net[2]
    found = [np.eye(f.shape[1], dtype=f.dtype) + 0 * f[:, :, None]]
    for i in range(len(inputs) - 1, 0, -1):
        found.insert(0, _below(net, i, found[0]))                          # (6)
    return [G.reshape(*f.shape, *A.shape[1:-1], -1) for A, G in
            zip(inputs, found, strict=True)]


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
    f = _array("recording.outputs", getattr(recording, "outputs", None), (None, None))
    inputs = _list("recording.inputs", recording.inputs, [
        (len(f), *np.shape(A)[1:]) for A in recording.inputs or ()], f.dtype)
    signals = _list("signals", signals, [
        (*f.shape, *A.shape[1:-1], None) for A in inputs], f.dtype)
    (N, K), parts = f.shape, []
    for A, G in zip(inputs, signals, strict=True):
        A, G = A.reshape(N, 1, -1, A.shape[-1]), G.reshape(N, K, -1, G.shape[-1])
        parts += [(G.swapaxes(2, 3) @ A).reshape(N, K, -1), G.sum(axis=2)]  # (7)
    return np.concatenate(parts, axis=2)


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
    net = weights, pools, (inputs, pre, f), reads = _read(weights, recording, pools)
    dtype, shapes = f.dtype, [(*f.shape, *A.shape[1:-1], z.shape[-1])
                              for A, z in zip(inputs, pre, strict=True)]
    signals = _list("signals", signals, shapes, dtype)
    dinputs = _list("dinputs", dinputs, [A.shape for A in inputs], dtype, gaps=True)
    dsignals = _list("dsignals", dsignals, shapes, dtype, gaps=True)
    doutputs = np.zeros_like(f) if doutputs is None else doutputs
    dW, db = _sweep(net, dinputs, _array("doutputs", doutputs, f.shape, dtype))
    B = dsignals[0]
    for i, (W, G) in enumerate(zip(weights[1:], signals[1:], strict=True), 1):
        z, pool = pre[i - 1], pools[i - 1]
        x = B.reshape(*f.shape, *z.shape[1:]) * _gate(z, pool)[:, None]
        x = functools.reduce(np.add, _windows(x, pool)).reshape(-1, *reads[i])
        B = dsignals[i].copy()
        G, out = (a.reshape(-1, *G.shape[2:]) for a in (G, B))
        for r in _blocks(len(x), inputs[i][0].nbytes):
            T = _patches(x[r], W).reshape(-1, W[0].size)
            out[r] += (T @ W.reshape(len(W), -1).T).reshape(out[r].shape)  # (8)
            dW[i] += (G[r].reshape(-1, len(W)).T @ T).reshape(W.shape)     # (9)
    return Gradient(dW, db)


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
        If a shape is not of rank 4 or 2 and above 0, or dtype is another;
        `forward` refuses shapes that do not chain.

    Examples
    --------
    >>> image, shapes, pools = ARCHITECTURES["lenet5_caffe"]
    >>> weights, biases = init(shapes, np.random.default_rng(1), np.float32)
    >>> x = np.ones((2, *image), np.float32)
    >>> forward(weights, biases, x, pools).outputs.shape
    (2, 10)
    """
    if not isinstance(rng, np.random.Generator) \
            or dtype not in (np.float32, np.float64):
        raise ValueError(f"rng is {rng!r}, dtype {dtype!r}: must be a numpy.random."
                         "Generator, and float32 or float64")
    weights, biases = [], []
    for shape in shapes if isinstance(shapes, (list, tuple)) and shapes else [shapes]:
        if np.shape(shape) not in ((2,), (4,)) or not all(
                isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise ValueError(f"shapes has {shape!r}: must be (c_out, k, k, c_in) or "
                             "(n_out, n_in), integers above 0")
        W = rng.standard_normal(shape)
        while (beyond := np.abs(W) > 2).any():
            W[beyond] = rng.standard_normal(np.count_nonzero(beyond))
        W *= np.sqrt(2 / (np.prod(shape[1:-1]) * (shape[0] + shape[-1]))) / SPREAD
        weights.append(W.astype(dtype))                                    # (11)
        biases.append(rng.normal(0, 0.01, shape[0]).astype(dtype))
    return weights, biases
