# refsnn 0.1.0 | convnet.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the outputs and the derivatives of a convolutional ReLU network.

The first layers are convolutions with stride 1 and without padding.  Each
convolution is followed by a ReLU and, if its entry in `pools` is True, by
2 x 2 max pooling.  The last layers are dense, with ReLUs between them.
The input of layer l is a map x[l] of shape (H, W, c) with c channels.  The
linear operator C extracts the patches A[l] = C x[l], one for each position
p.  A patch holds the k k c entries of the map under the k x k convolution
kernel, in the order row, column, channel.  The only patch of a dense layer
is its whole input.  The pre-activations pre[l] have the shape (positions,
channels), and pre[L-1] of the last layer are the outputs f:

    pre[l] = A[l] W[l]^T + b[l]                                  (1)
    x[l+1] = max(0, largest pre[l] of each window)               (2)

A window has 2 x 2 positions in a layer with pooling, and one position in a
layer without pooling.  Pooling ignores the last row or column of a map
with an odd number of rows or columns.  Dropout multiplies the inputs x[l]
of layer l by a binary mask m[l]:

    x[l] becomes m[l] x[l],
    pre[l-1] becomes m[l] pre[l-1] in each window                (3)

The gate D selects the pre-activations that eq. (2) copies to x[l+1]:

    D[l]_pi = 1 where pre[l]_pi > 0 is the largest of its window in
              channel i (the first of equals, row by row), else 0      (4)

The gate of dropped entries is 0.  Therefore, eqs. (5)-(11) also hold with
dropout.  As long as no gate changes, x[l+1] = S pre[l].  The linear
operator S multiplies pre[l] by the gate D[l], and sums over each window.
The transposed operator S^T copies an entry to all positions of its window,
and multiplies by the gate.  C^T adds each entry of a patch to the map.

Derivation.  For any array X, let dX be the derivative of a loss with
    respect to X.  The chain rule, summed over the samples, gives

    dW[l] = sum dpre[l]^T A[l],  db[l] = sum_p dpre[l]_p         (5)
    dpre[l-1] = S^T C^T (dpre[l] W[l])                           (6)

    The derivatives of an output f_k with respect to pre[l] are called
    signals, G[l].  The Jacobian contains the derivatives of all outputs
    with respect to all parameters.  Eq. (8) computes the Jacobian:

    G[L-1] = e_k,  G[l-1] = S^T C^T (G[l] W[l])          (7)  [LZ20]
    df_k/dW[l] = G[l]^T A[l],  df_k/db[l] = sum_p G[l]_p         (8)

    Consider a loss that depends on the Jacobian and on the outputs f.  By
    eq. (8), this loss is a function of the patches A, the signals G and
    the outputs f.  Let dA, dG and df be the partial derivatives of the
    loss, and let B be the total derivative of the loss with respect to G.
    Reverse-mode differentiation of (7) starts at layer 0, with B[0] =
    dG[0].  The gradient dW is the sum of (5) and (10).  Eq. (11) replaces
    eq. (6), and starts from dpre[L-1] = df:

    Q[l] = C S B[l-1],  B[l] = dG[l] + Q[l] W[l]^T               (9)
    dW[l] = sum_k G[l]^T Q[l]                                   (10)
    dpre[l-1] = S^T C^T (dpre[l] W[l] + dA[l])                  (11)

    Let y be a standard normal variable that is truncated at -2 and 2, and
    let s be its standard deviation.  The initial parameters are

    W = sqrt(2 / (k k (c_in + c_out))) y / s,
    b ~ N(0, .01^2)                                    (12)  [LZ20]

Exact.  The derivatives are exact where eq. (2) is differentiable.  A ReLU
    is not differentiable at 0.  Max pooling is not differentiable if the
    two largest entries of a window are equal.  Where eq. (2) is not
    differentiable, the gate D of eq. (4) selects a subgradient.
Cost.   In the forward pass, a convolution from c_in to c_out channels
    needs k^2 c_in c_out multiplications for each position of each sample.
    For K outputs, `signals` takes about the time of K forward passes, and
    `second_order` takes about the time of 2 K + 2 forward passes.
Departures.  No departures from [LZ20] are known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

import functools
import math
from typing import List, NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, float_dtype, one_of, shown

__all__ = ["backward", "forward", "init", "jacobian", "second_order", "signals"]

SPREAD = 0.8796256610342398     # s of (12)
BIAS_STD = 0.01                 # see (12)
BLOCK = 2 ** 20                 # bytes of rows that are processed together
ARCHITECTURES = {               # from [LZ20]: image shape, weight shapes, pools
    "lenet5_caffe": ((28, 28, 1), ((20, 5, 5, 1), (50, 5, 5, 20), (500, 800), (
        10, 500)), (True, True)),
    "conv4": ((32, 32, 3), ((64, 3, 3, 3), (64, 3, 3, 64), (128, 3, 3, 64), (
        128, 3, 3, 128), (512, 3200), (10, 512)), (False, True, False, True))}


class Recording(NamedTuple):
    """Hold all activations.  The function `forward` describes the fields."""
    inputs: List[np.ndarray]
    pre: List[np.ndarray]
    outputs: np.ndarray
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold a gradient.  The function `backward` describes the fields."""
    weights: List[np.ndarray]
    biases: List[np.ndarray]
    __repr__ = shown


def forward(weights, biases, x, pools, dropout=None):
    """Compute the activations and outputs for a batch of images, eqs. (1)-(3).

    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1), np.ones(1)], x, (True,))
    >>> recording.pre[0].ravel().tolist(), recording.outputs.tolist()
    ([8.0, 12.0, 20.0, 24.0], [[73.0]])

    Parameters
    ----------
    weights : list of (c_out, k, k, c_in) and then (n_out, n_in) float
        Weights of all convolutions and then of all dense layers, at least one
        of each.  The results have the dtype of the weights.
    biases : list of (c_out,) and then (n_out,) float
    x : (N, H, W, c_in) float
    pools : sequence of bool
        Entry l is True if 2 x 2 max pooling follows convolution l.
    dropout : list of (N, H, W, c_in) and then (N, n_in) of 0 and 1, optional
        Mask m[l] of each layer, or None for a layer without dropout.  The mask
        of the first dense layer has the shape of the input maps of this layer.
        For inverted dropout, the caller divides W[l] in all calls, and the
        gradient of W[l], by the keep probability of m[l].

    Returns
    -------
    Recording
        inputs   list of patches A[l] (N, P, k k c_in); dense: (N, n_in)
        pre      list of (N, rows, columns, c_out); dense: (N, n_out)
        outputs  f (N, K), equal to pre[-1]
    """
    weights, pools = _layers(weights, pools)
    _, x = arrays("weights[0] (_, _, _, c) float, x (N, _, _, c)", weights[0], x)
    reads, writes = _maps(weights, pools, x.shape[1:], "x")
    biases = _list("biases", biases, [(f"c{i + 1}",) for i in range(len(weights))],
                   "", x.dtype, _first(weights))
    masks = _list("dropout?", dropout, [("N", "H", "W", "c"), *(
        ("N", *shape) for shape in reads[1:])], " in {0, 1}", x.dtype,
        [("x (N, H, W, c)", x)])
    inputs, pre = [], []
    for i, (W, b, mask) in enumerate(zip(weights, biases, masks, strict=True)):
        if i:
            x = _largest(pre[-1], pools[i - 1])
        if mask is not None:
            x = x * mask                                                   # (3)
            for part in _windows(pre[-1], pools[i - 1]) if i else ():
                part *= mask                                               # (3)
        inputs.append(_patches(x, W))
        found = inputs[-1].reshape(-1, W[0].size) @ W.reshape(len(W), -1).T + b  # (1)
        pre.append(found.reshape(-1, *writes[i]))
    return Recording(inputs, pre, pre[-1])


def _patches(x, W):
    if W.ndim == 2:
        return x.reshape(len(x), -1)
    views = np.lib.stride_tricks.sliding_window_view(x, W.shape[1:3], axis=(1, 2))
    return views.transpose(0, 1, 2, 4, 5, 3).reshape(len(x), -1, W[0].size)


def _windows(maps, pool):
    """Return one view per window position."""
    if not pool:
        return [maps]
    rows, columns = (side // 2 * 2 for side in maps.shape[-3:-1])
    return [maps[..., i:rows:2, j:columns:2, :] for i in (0, 1) for j in (0, 1)]


def _largest(pre, pool):
    return functools.reduce(np.maximum, _windows(pre, pool), pre.dtype.type(0))  # (2)


def backward(weights, recording, doutputs, pools):
    """Compute the gradient of a loss by backpropagation, eqs. (5) and (6).

    >>> weights = [np.full((1, 1, 1, 1), 2.0), np.full((1, 1), 3.0)]
    >>> recording = forward(weights, [[0], [0]], [[[[5.0]]]], (False,))
    >>> dW, db = backward(weights, recording, np.ones((1, 1)), (False,))
    >>> dW[0].ravel().tolist(), dW[1].tolist()
    ([15.0], [[10.0]])

    Parameters
    ----------
    weights, recording, pools : arguments and result of `forward`
    doutputs : (N, K) float, derivative of the loss with respect to f

    Returns
    -------
    Gradient, summed over all samples
        weights, biases  lists of derivatives, in the shapes of the parameters
    """
    net = _read(weights, recording, pools)
    shape, dtype = net[2].outputs.shape, net[0][0].dtype
    doutputs, = arrays(f"doutputs {shape}", doutputs, dtype=dtype)
    return _sweep(net, [None] * len(weights), doutputs)


def _sweep(net, dinputs, doutputs):
    dW, db, dpre = [None] * len(dinputs), [None] * len(dinputs), doutputs[:, None]
    for i in range(len(dinputs) - 1, -1, -1):
        W, A, flat = net[0][i], net[2].inputs[i], dpre.reshape(-1, dpre.shape[-1])
        dW[i] = (flat.T @ A.reshape(-1, W[0].size)).reshape(W.shape)       # (5)
        db[i] = np.ones(len(flat), W.dtype) @ flat                         # (5)
        if i:
            dpre = _below(net, i, dpre, dinputs[i])                        # (6, 11)
    return Gradient(dW, db)


def _below(net, i, dpre, extra=None):
    weights, pools, recording, reads = net
    W, pre, pool = weights[i], recording.pre[i - 1], pools[i - 1]
    N, K = dpre.shape[:2]
    gate, found = _gate(pre, pool), np.zeros((N, K, *pre.shape[1:]), pre.dtype)
    for n in _blocks(N, K * pre[0].nbytes) if W.ndim == 4 else [slice(N)]:
        dx = _unpatch(dpre[n].reshape(-1, *dpre.shape[2:]), W, reads[i],
                      None if extra is None else extra[n]).reshape(-1, K, *reads[i])
        for to, won in zip(_windows(found[n], pool), _windows(gate[n, None], pool),
                           strict=True):
            np.multiply(dx, won, out=to)
    return found


def _gate(pre, pool):
    largest, gate = _largest(pre, pool), np.zeros_like(pre)
    free = largest > 0
    for value, to in zip(_windows(pre, pool), _windows(gate, pool), strict=True):
        to[:] = won = (value == largest) & free                            # (4)
        free ^= won
    return gate


def _unpatch(dpre, W, shape, extra):
    """Return C^T (dpre W + extra)."""
    if W.ndim == 2:
        return (dpre @ W if extra is None else dpre @ W + extra).reshape(-1, *shape)
    (rows, columns), k, c = dpre.shape[1:3], W.shape[1], W.shape[3]
    maps = np.zeros((len(dpre), *shape), dpre.dtype)
    for i, j in np.ndindex(k, k):
        part = (dpre.reshape(-1, len(W)) @ W[:, i, j]).reshape(-1, rows, columns, c)
        if extra is not None:
            part += extra.reshape(-1, rows, columns, k, k, c)[:, :, :, i, j]
        maps[:, i:i + rows, j:j + columns] += part
    return maps


def _blocks(rows, size):
    step = max(1, BLOCK // size)
    return [slice(i, i + step) for i in range(0, rows, step)]


def signals(weights, recording, pools):
    """Return a list with the signals G of each layer, eq. (7).  The shape of G is
    (N, K, P, c_out) for a convolution, and (N, K, n_out) for a dense layer.

    >>> weights = [np.ones((1, 2, 2, 1)), np.full((1, 1), 3.0)]
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> recording = forward(weights, [np.zeros(1)] * 2, x, (True,))
    >>> [s.ravel().tolist() for s in signals(weights, recording, (True,))]
    [[0.0, 0.0, 0.0, 3.0], [1.0]]

    Arguments as for `backward`.
    """
    net = _read(weights, recording, pools)
    inputs, _, f = net[2]
    G = np.eye(f.shape[1], dtype=f.dtype) + 0 * f[:, :, None]              # (7)
    found = [G]
    for i in range(len(inputs) - 1, 0, -1):
        G = _below(net, i, G)                                              # (7)
        found.insert(0, G)
    return [G.reshape(*f.shape, *A.shape[1:-1], -1) for A, G in
            zip(inputs, found, strict=True)]


def jacobian(recording, signals):
    """Return the Jacobian (N, K, p) of the outputs, eq. (8).  The last axis
    holds, for each layer, the rows of the weight matrix and then the biases.

    >>> weights = [np.full((1, 1, 1, 1), 2.0), np.full((1, 1), 3.0)]
    >>> recording = forward(weights, [[0], [0]], [[[[5.0]]]], (False,))
    >>> jacobian(recording, signals(weights, recording, (False,))).tolist()
    [[[15.0, 3.0, 10.0, 1.0]]]

    Parameters
    ----------
    recording, signals : results of `forward` and `signals`
    """
    inputs, pre, f = bundle("recording", recording, Recording)
    f, pre = arrays("recording.outputs (_, _) float, recording.pre[] (...)", f, pre)
    shapes = [("N", *[f"P{i}"] * (maps.ndim == 4), "_") for i, maps in enumerate(pre)]
    first = [("recording.outputs (N, K)", f)]
    inputs = _list("recording.inputs", inputs, shapes, "", f.dtype, first)
    first += [(f"recording.inputs[{i}] ({', '.join(shape)})", A)
              for i, (shape, A) in enumerate(zip(shapes, inputs, strict=True))]
    signals = _list("signals", signals, [("N", "K", *shape[1:]) for shape in shapes],
                    "", f.dtype, first)
    (N, K), parts = f.shape, []
    for A, G in zip(inputs, signals, strict=True):
        A, G = A.reshape(N, 1, -1, A.shape[-1]), G.reshape(N, K, -1, G.shape[-1])
        parts += [(G.swapaxes(2, 3) @ A).reshape(N, K, -1), G.sum(axis=2)]  # (8)
    return np.concatenate(parts, axis=2)


def second_order(weights, recording, signals, dinputs, dsignals, doutputs, pools):
    """Compute the gradient of a loss that depends on the Jacobian of the outputs
    with respect to the parameters, eqs. (5), (9)-(11).

    >>> weights = [np.full((1, 1, 1, 1), 2.0), np.full((1, 1), 3.0)]
    >>> rec = forward(weights, [[0], [0]], [[[[5.0]]]], (False,))
    >>> G = signals(weights, rec, (False,))          # E = (G[0]^2 + G[1]^2)/2
    >>> second_order(weights, rec, G, None, G, None, (False,))[0][1].tolist()
    [[3.0]]

    Results as for `backward`.

    Parameters
    ----------
    weights, recording, pools : as for `backward`
    signals : result of the function `signals`
    dinputs, dsignals : lists like recording.inputs and signals, or None
        Partial derivatives dA and dG of the loss; None stands for 0.
    doutputs : (N, K) float, partial derivative df, or None for 0
    """
    net = weights, pools, (inputs, pre, f), reads = _read(weights, recording, pools)
    dtype, shapes = f.dtype, [(*f.shape, *A.shape[1:-1], before.shape[-1])
                              for A, before in zip(inputs, pre, strict=True)]
    signals = _list("signals", signals, shapes, dtype=dtype)
    dinputs = _list("dinputs?", dinputs, [A.shape for A in inputs], dtype=dtype)
    dsignals = _list("dsignals?", dsignals, shapes, dtype=dtype)
    dsignals = [np.zeros(shape, dtype) if G is None else G
                for G, shape in zip(dsignals, shapes, strict=True)]
    doutputs, = arrays(f"doutputs? {f.shape}", doutputs, dtype=dtype)
    dW, db = _sweep(net, dinputs, np.zeros_like(f) if doutputs is None else doutputs)
    B = dsignals[0]
    for i, (W, G) in enumerate(zip(weights[1:], signals[1:], strict=True), 1):
        before, pool = pre[i - 1], pools[i - 1]
        x = B.reshape(*f.shape, *before.shape[1:]) * _gate(before, pool)[:, None]
        x = functools.reduce(np.add, _windows(x, pool)).reshape(-1, *reads[i])
        B = dsignals[i].copy()
        G, out = (a.reshape(-1, *G.shape[2:]) for a in (G, B))
        for part in _blocks(len(x), inputs[i][0].nbytes):
            Q = _patches(x[part], W).reshape(-1, W[0].size)                # (9)
            out[part] += (Q @ W.reshape(len(W), -1).T).reshape(out[part].shape)  # (9)
            dW[i] += (G[part].reshape(-1, len(W)).T @ Q).reshape(W.shape)  # (10)
    return Gradient(dW, db)


def init(shapes, rng, dtype=np.float64):
    """Sample a list of initial weights and a list of initial biases, eq. (12).

    >>> image, shapes, pools = ARCHITECTURES["lenet5_caffe"]
    >>> weights, biases = init(shapes, np.random.default_rng(1), np.float32)
    >>> forward(weights, biases, np.ones((2, *image)), pools).outputs.shape
    (2, 10)

    Parameters
    ----------
    shapes : sequence of tuple of int, as in `ARCHITECTURES`
    rng : numpy.random.Generator
    dtype : float32 or float64; the values are equal up to rounding
    """
    one_of("rng", rng, np.random.Generator)
    float_dtype(dtype)
    shapes, = arrays("shapes[] (_) int in [1, inf)", shapes)
    if not shapes or {*map(len, shapes)} - {2, 4}:
        raise ValueError(f"shapes has entries of lengths {[*map(len, shapes)]}: must "
                         "have at least one, each (c_out, k, k, c_in) or (n_out, n_in)")
    weights, biases = [], []
    for shape in shapes:
        W = rng.standard_normal(shape)
        while (beyond := np.abs(W) > 2).any():
            W[beyond] = rng.standard_normal(np.count_nonzero(beyond))
        inputs = np.prod(shape[1:-1])
        W *= np.sqrt(2 / (inputs * (shape[0] + shape[-1]))) / SPREAD       # (12)
        b = rng.normal(0, BIAS_STD, shape[0])                              # (12)
        weights.append(W.astype(dtype))
        biases.append(b.astype(dtype))
    return weights, biases


def _layers(weights, pools):
    for name, value in (("weights", weights), ("pools", pools)):
        one_of(name, value, list, tuple)
    flags(" ".join(f"pools[{i}]" for i in range(len(pools))), *pools)
    if not 0 < len(pools) < len(weights):
        raise ValueError(f"pools has {len(pools)} entries, weights has {len(weights)}: "
                         "must be one for each convolution, and the last layer dense")
    dense = len(weights) - len(pools)
    return _list("weights", weights, [
        (f"c{i + 1}", f"k{i}", f"k{i}", f"c{i}") for i in range(len(pools))]
        + [("_", "_")] * dense, " float"), [*pools, *[False] * dense]


def _maps(weights, pools, x, source):
    reads, writes = [], []
    for i, (W, pool) in enumerate(zip(weights, pools, strict=True)):
        maps = tuple(side - W.shape[1] + 1 for side in x[:2]) if W.ndim == 4 else ()
        if min(maps) <= pool if maps else W.shape[1] != math.prod(x):
            raise ValueError(f"weights[{i}] has shape {W.shape}, {source} gives input "
                             f"maps {x}: must fit"
                             + ", and leave 2 x 2 positions to pool" * pool)
        reads.append(x)
        writes.append((*maps, len(W)))
        x = (*(side // (1 + pool) for side in maps), len(W))
    return reads, writes


def _read(weights, recording, pools):
    weights, pools = _layers(weights, pools)
    recording, dtype = bundle("recording", recording, Recording), weights[0].dtype
    inputs, pre = arrays("recording.inputs[] (...), recording.pre[] (...)",
                         *recording[:2], dtype=dtype)
    if not pre or pre[0].ndim != 4:
        raise ValueError("recording.pre has no maps in entry 0: must be those of a "
                         "convolution, (N, rows, columns, c_out)")
    _, k, k, c = weights[0].shape
    N, rows, columns, _ = pre[0].shape
    reads, writes = _maps(weights, pools, (rows + k - 1, columns + k - 1, c),
                          "recording.pre[0]")
    pre = _list("recording.pre", pre, [("N", *maps[:-1], f"c{i + 1}")
                                       for i, maps in enumerate(writes)],
                "", dtype, _first(weights))
    inputs = _list("recording.inputs", inputs, [
        (N, *[math.prod(maps[:-1])] * (W.ndim == 4), W[0].size)
        for W, maps in zip(weights, writes, strict=True)], dtype=dtype)
    return weights, pools, Recording(inputs, pre, pre[-1]), reads


def _first(weights):
    return [(f"weights[{i}] (c{i + 1}{', _' * (W.ndim - 1)})", W)
            for i, W in enumerate(weights)]


def _list(name, given, shapes, kind="", dtype=None, first=()):
    name, gap, _ = name.partition("?")
    given = [None] * len(shapes) if gap and given is None else given
    if len(one_of(name, given, list, tuple)) != len(shapes):
        raise ValueError(f"{name} has {len(given)} arrays: must have {len(shapes)}, "
                         "one for each layer")
    rules = [rule for rule, _ in first] + [
        f"{name}[{i}]{gap} ({', '.join(map(str, shape))}){kind}"
        for i, shape in enumerate(shapes)]
    return arrays(", ".join(rules), *(a for _, a in first), *given,
                  dtype=dtype)[len(first):]
