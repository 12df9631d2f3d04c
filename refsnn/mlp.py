# refsnn 0.1.0 | mlp.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Multilayer perceptron (ReLU or tanh), with derivatives to second order.

Layers l = 0 ... L-1, for one sample n; `o` multiplies entry by entry:

    a[0] = x,  z[l] = W[l] a[l] + b[l]                           (1)
    a[l+1] = phi(z[l]),  f = z[L-1]                              (2)

How each output f_k, and a loss E of f, hang on a layer, d[l] = dE/dz[l]:

    g[l]_k = df_k/dz[l]:  g[L-1]_k = e_k, the unit vector        (3)
    g[l]_k = phi'(z[l]) o (W[l+1]^T g[l+1]_k)                    (4)
    d[L-1] = dE/df,  d[l] = phi'(z[l]) o (W[l+1]^T d[l+1])       (5)
    dW[l] = sum_n d[l] a[l]^T,  db[l] = sum_n d[l]               (6)
    df_k/dW[l] = g[l]_k a[l]^T,  df_k/db[l] = g[l]_k             (7)

By (7) every function of the Jacobian, so the neural tangent kernel of
[LZ20], is one of the lists a and g.  Its gradient by the weights needs
that of E = sum_l <A[l], a[l]> + sum_lk <G[l]_k, g[l]_k> + <O, f> with A,
G and O constant.  With B[l]_k = dE/dg[l]_k,

    B[0]_k = G[0]_k,  B[l+1]_k = G[l+1]_k + W[l+1] T[l]_k        (8)
    T[l]_k = phi'(z[l]) o B[l]_k                                 (9)
    dW[l+1] gains sum_nk g[l+1]_k T[l]_k^T                       (10)
    c[l] = phi''(z[l]) o sum_k B[l]_k o (W[l+1]^T g[l+1]_k)      (11)
    d[L-1] = O,
    d[l] = phi'(z[l]) o (W[l+1]^T d[l+1] + A[l+1]) + c[l]        (12)

    and (6).  Weights are drawn, as in [LZ20], by the law of [GB10],

    s = sqrt(2 / (n_in + n_out)) / 0.87962566                    (13)
    W ~ N(0, s^2) given |W| <= 2 s,  b ~ N(0, 0.01^2)            (14)

Derivation.  (4)-(7): chain rule along (1) and (2).  For (8)-(12): a[0],
    z[0], a[1], ... f are computed in order by (1) and (2), then g[L-1],
    ... g[0] by (3) and (4).  The adjoint runs in reverse.  First through
    (4), from g[0] up: step l reads g[l+1], W[l+1] and z[l], which makes
    (8) with (9), (10) and (11).  These are the layers (1) and (2), linear
    and without bias, fed with G: a tangent sweep, of N K rows.  Then from
    f down to x: (5) with what A and (11) add to it, which is (12).  A[0]
    and G[L-1] stand before constants (x and e_k) and drop out.
    tanh has phi' = 1 - a^2 and phi'' = -2 a phi', a = phi(z), so that
    (11) is -2 a[l+1] o sum_k B[l]_k o g[l]_k, by (4).  ReLU has phi'' = 0.
    (13): 0.87962566 is the deviation of a standard normal cut at -2 and 2.
Exact.  For tanh everywhere.  For ReLU wherever no z is 0; phi'(0) is 0 by
    choice.  g jumps where a gate flips; its derivative holds in between.
Cost.   Of w weights, v lie beyond the first layer.  Multiplications:
    `forward` N w, `backward` N (w + v), `signals` N K v, `second_order`
    2 N K v + N (w + v), less where units lack signals; `jacobian` N K w.
Departures.  None known.  The last layer is linear: a loss is the caller's.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
[GB10] X. Glorot and Y. Bengio, AISTATS 2010, PMLR 9, 249-256.
"""

import math
from typing import List, NamedTuple

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "forward", "init", "jacobian",
           "second_order", "signals"]

ACTIVATIONS = ("relu", "tanh")
CUT_STD = 0.87962566103423978       # of a standard normal cut at -2 and 2


class Recording(NamedTuple):
    """What each layer reads, what it computes of it, and the last of these."""

    inputs: List[np.ndarray]      # a[l], (N, n_in)
    pre: List[np.ndarray]         # z[l], (N, n_out)
    outputs: np.ndarray           # f, (N, K); is pre[-1]


class Gradient(NamedTuple):
    """Adjoints of all weights and biases, summed over samples."""

    weights: List[np.ndarray]
    biases: List[np.ndarray]


def _array(name, value, shape, dtype=None):
    """`value` as a finite float array of `shape`; None axes are 1 or more."""
    array = np.asarray(value)
    fits = array.shape == shape or array.ndim == len(shape) and all(
        size == want or (want is None and size)
        for want, size in zip(shape, array.shape, strict=True))
    kinds = (np.float32, np.float64) if dtype is None else (dtype,)
    if not fits or array.dtype not in kinds:
        want = "({})".format(", ".join("1+" if s is None else str(s) for s in shape))
        kind = "float" if dtype is None else np.dtype(dtype).name
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a {kind} array of shape {want}")
    if not (math.isfinite(np.vdot(array, array)) or np.isfinite(array).all()):
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _list(name, value, length=None):
    """Refuse what is no list of `length` arrays (of at least one, if None)."""
    if not isinstance(value, (list, tuple)) or len(value) != (length or len(value)) \
            or not value:
        raise ValueError(f"{name} is {type(value).__name__} of length "
                         f"{len(value) if hasattr(value, '__len__') else 'none'}: "
                         f"must be a list of {length or 'at least one'} arrays")
    return value


def _weights(weights):
    """The weights as arrays whose widths chain, all of one dtype."""
    found, width, dtype = [], None, None
    for i, W in enumerate(_list("weights", weights)):
        W = _array(f"weights[{i}]", W, (None, width), dtype)
        found.append(W)
        width, dtype = W.shape[0], W.dtype
    return found


def _activation(activation):
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}: must be one of {ACTIVATIONS}")


def _recording(recording, weights=None):
    """Inputs and pre-activations of a recording, fit for the weights if given."""
    if not isinstance(recording, tuple) or len(recording) != 3:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "Recording (inputs, pre, outputs)")
    inputs = _list("recording.inputs", recording[0], weights and len(weights))
    pre = _list("recording.pre", recording[1], len(inputs))
    found, N, n_out, dtype = [], None, None, weights and weights[0].dtype
    for i, (a, z) in enumerate(zip(inputs, pre, strict=True)):
        n_out, n_in = weights[i].shape if weights else (None, n_out)
        a = _array(f"recording.inputs[{i}]", a, (N, n_in), dtype)
        z = _array(f"recording.pre[{i}]", z, (len(a), n_out), a.dtype)
        (N, n_out), dtype = z.shape, z.dtype
        found.append((a, z))
    return list(zip(*found, strict=True))


def _signals(signals, pre):
    """Signals that fit the pre-activations of a recording."""
    K, signals = pre[-1].shape[1], _list("signals", signals, len(pre))
    return [_array(f"signals[{i}]", g, (len(z), K, z.shape[1]), z.dtype)
            for i, (g, z) in enumerate(zip(signals, pre, strict=True))]


def _adjoints(name, adjoints, like):
    """A list of adjoints of the shapes of `like`, or None where they are 0."""
    size = len(like)
    adjoints = [None] * size if adjoints is None else _list(name, adjoints, size)
    return [None if a is None else _array(f"{name}[{i}]", a, b.shape, b.dtype)
            for i, (a, b) in enumerate(zip(adjoints, like, strict=True))]


def _slopes(inputs, pre, activation):
    """phi'(z[l]), (N, n_out), of all layers below the last."""
    found = []
    for i, (a, z) in enumerate(zip(inputs[1:], pre[:-1], strict=True)):
        if activation == "relu":
            slope = (z > 0).astype(z.dtype)
            fits = a == slope * z
        else:
            slope = 1 - a ** 2
            fits = np.abs(a - np.tanh(z)) <= 8 * np.finfo(a.dtype).eps
        if not fits.all():
            raise ValueError(f"activation is {activation!r}: must be that of the "
                             f"recording, whose inputs[{i + 1}] is not {activation} of "
                             f"its pre[{i}]")
        found.append(slope)
    return found


def _network(weights, recording, activation):
    """What all derivatives start from: weights, inputs, pre, slopes."""
    _activation(activation)
    weights = _weights(weights)
    inputs, pre = _recording(recording, weights)
    return weights, inputs, pre, _slopes(inputs, pre, activation)


def _live(signals):
    """Units with signals, as an index, and their signals, (N K, units)."""
    rows = signals.reshape(-1, signals.shape[2])
    units = np.flatnonzero(rows.any(axis=0))
    units = units if len(units) < rows.shape[1] else slice(None)
    return units, rows[:, units]


def init(sizes, rng, dtype=np.float64):
    """Draw weights and biases, eqs. (13) and (14).

    Parameters
    ----------
    sizes : sequence of int
        Inputs, neurons of each layer, outputs: two at least.
    rng : numpy.random.Generator
        Source of randomness; layer by layer, weights, then biases.
    dtype : float32 or float64
        Of the result; the numbers are the same but for rounding.

    Returns
    -------
    weights : list of (n_out, n_in) float
        Truncated normal.
    biases : list of (n_out,) float
        Normal.

    Raises
    ------
    ValueError
        If sizes are no integers above 0, or dtype or rng is another.

    Examples
    --------
    >>> weights, biases = init((784, 300, 10), np.random.default_rng(1))
    >>> [W.shape for W in weights], [b.shape for b in biases]
    ([(300, 784), (10, 300)], [(300,), (10,)])
    """
    if not isinstance(sizes, (list, tuple)) or len(sizes) < 2 or not all(
            isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0
            for n in sizes):
        raise ValueError(f"sizes is {sizes!r}: must be a list of at least two integers "
                         "above 0")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    weights, biases = [], []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        scale = math.sqrt(2 / (n_in + n_out)) / CUT_STD                    # (13)
        W = rng.standard_normal((n_out, n_in))
        while (beyond := np.abs(W) > 2).any():
            W[beyond] = rng.standard_normal(np.count_nonzero(beyond))
        weights.append((scale * W).astype(dtype))
        biases.append((0.01 * rng.standard_normal(n_out)).astype(dtype))   # (14)
    return weights, biases


def forward(weights, biases, x, activation="relu"):
    """Run the network, eqs. (1) and (2).

    Parameters
    ----------
    weights : list of (n_out, n_in) float
        One a layer; all arrays are of one dtype, the result's.
    biases : list of (n_out,) float
        One a layer.
    x : (N, n) float
        Samples.
    activation : {"relu", "tanh"}
        Of all layers but the last, which is linear.

    Returns
    -------
    Recording
        Inputs a[l] (N, n_in), pre-activations z[l] (N, n_out), outputs.

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> biases = [np.zeros(2), np.ones(1)]
    >>> forward(weights, biases, np.array([[3.0], [-2.0]])).outputs.tolist()
    [[4.0], [3.0]]
    """
    _activation(activation)
    weights = _weights(weights)
    dtype = weights[0].dtype
    biases = [_array(f"biases[{i}]", b, (len(W),), dtype) for i, (W, b) in
              enumerate(zip(weights, _list("biases", biases, len(weights)),
                            strict=True))]
    a = _array("x", x, (None, weights[0].shape[1]), dtype)
    inputs, pre = [], []
    for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
        if i > 0:
            a = np.maximum(pre[-1], 0) if activation == "relu" \
                else np.tanh(pre[-1])                                      # (2)
        z = a @ W.T
        z += b                                                             # (1)
        inputs.append(a)
        pre.append(z)
    return Recording(inputs, pre, pre[-1])


def _down(weights, inputs, slopes, doutputs, dinputs, extra, gain):
    """The sweep from outputs to inputs, eqs. (5), (6) and (12).

    `extra` are the c[l] of (11), `gain` what (10) adds; None is 0.
    """
    dW, db, d = [], [], doutputs
    for i in range(len(weights) - 1, -1, -1):
        if i < len(weights) - 1:
            d = d @ weights[i + 1]
            if dinputs[i + 1] is not None:
                d += dinputs[i + 1]
            d *= slopes[i]                                                 # (5)
            if extra[i] is not None:
                d += extra[i]                                              # (12)
        dW.append(d.T @ inputs[i])
        db.append(d.sum(axis=0))                                           # (6)
        if gain[i] is not None:
            dW[-1] += gain[i]
    return Gradient(dW[::-1], db[::-1])


def backward(weights, recording, doutputs, activation="relu"):
    """Gradient of a loss of the outputs, eqs. (5) and (6).

    Parameters
    ----------
    weights, activation
        As handed to `forward`.
    recording : Recording
        What `forward` returned; of another activation it is refused.
    doutputs : (N, K) float
        Derivative of the loss by the outputs.

    Returns
    -------
    Gradient
        By weights and biases, summed over samples.

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> rec = forward(weights, [np.zeros(2), np.ones(1)], np.array([[3.0]]))
    >>> dW, db = backward(weights, rec, np.ones((1, 1)))
    >>> dW[0].tolist(), dW[1].tolist()
    ([[3.0], [0.0]], [[3.0, 0.0]])
    """
    weights, inputs, pre, slopes = _network(weights, recording, activation)
    doutputs = _array("doutputs", doutputs, pre[-1].shape, pre[-1].dtype)
    return _down(weights, inputs, slopes, doutputs, *[[None] * len(weights)] * 3)


def signals(weights, recording, activation="relu"):
    """Derivatives of the outputs by the pre-activations, eqs. (3) and (4).

    Parameters
    ----------
    weights, recording, activation
        As for `backward`.

    Returns
    -------
    list of (N, K, n_out) float
        One a layer: entry [n, k] is d outputs[n, k] / d pre[l][n].

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[5.0, 7.0]])]
    >>> rec = forward(weights, [np.zeros(2), np.ones(1)], np.array([[3.0]]))
    >>> [g.tolist() for g in signals(weights, rec)]
    [[[[5.0, 0.0]]], [[[1.0]]]]
    """
    weights, inputs, pre, slopes = _network(weights, recording, activation)
    N, K = pre[-1].shape
    found = [np.eye(K, dtype=pre[-1].dtype) + np.zeros_like(pre[-1])[:, None]]   # (3)
    for i in range(len(weights) - 2, -1, -1):
        units, rows = _live(found[-1])
        g = weights[-1] if i == len(weights) - 2 else (     # unit vectors choose rows
            rows @ weights[i + 1][units]).reshape(N, K, -1)
        found.append(g * slopes[i][:, None])                               # (4)
    return found[::-1]


def jacobian(recording, signals):
    """Derivatives of all outputs by all parameters, explicitly, eq. (7).

    For small networks: N K p numbers.

    Parameters
    ----------
    recording : Recording
        What `forward` returned.
    signals : list of (N, K, n_out) float
        What `signals` returned.

    Returns
    -------
    (N, K, p) float
        Layer by layer, weights row by row, then biases.

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> rec = forward([np.ones((1, 1))], [np.ones(1)], np.full((1, 1), 3.0))
    >>> jacobian(rec, [np.full((1, 1, 1), 2.0)]).tolist()
    [[[6.0, 2.0]]]
    """
    inputs, pre = _recording(recording)
    signals = _signals(signals, pre)
    N, K = pre[-1].shape
    p = sum((a.shape[1] + 1) * z.shape[1] for a, z in zip(inputs, pre, strict=True))
    jac, start = np.empty((N, K, p), pre[-1].dtype), 0
    for a, g in zip(inputs, signals, strict=True):
        for block in (g[..., None] * a[:, None, None], g):                 # (7)
            block = block.reshape(N, K, -1)
            jac[..., start:start + block.shape[2]] = block
            start += block.shape[2]
    return jac


def _up(weights, inputs, signals, slopes, dsignals, activation):
    """The tangent sweep, eqs. (8)-(11): c[l] and the gain of each dW."""
    extra, gain, B = [None] * len(weights), [None] * len(weights), None
    N, K = signals[-1].shape[:2]
    for i in range(len(weights) - 1):
        if dsignals[i] is not None:
            B = dsignals[i] if B is None else np.add(B, dsignals[i], out=B)    # (8)
        if B is None:
            continue
        if activation == "tanh":
            extra[i] = np.einsum("nki,nki->ni", B, signals[i])
            extra[i] *= -2 * inputs[i + 1]                                 # (11)
        T = B * slopes[i][:, None]                                         # (9)
        units, rows = _live(signals[i + 1])
        gain[i + 1] = np.zeros_like(weights[i + 1])
        gain[i + 1][units] = rows.T @ T.reshape(N * K, -1)                 # (10)
        if i < len(weights) - 2:         # the last signals are constant
            units, rows = _live(T)
            B = (rows @ weights[i + 1].T[units]).reshape(N, K, -1)
    return extra, gain


def second_order(weights, recording, signals, dinputs=None, dsignals=None,
                 doutputs=None, activation="relu"):
    """Gradient of a function of inputs, signals and outputs, eqs. (6)-(12).

    Parameters
    ----------
    weights, recording, activation
        As for `backward`.
    signals : list of (N, K, n_out) float
        What `signals` returned.
    dinputs : list of (N, n_in) float, optional
        Its derivative by inputs[l].  Here and below None, for the whole or
        for a layer, is 0; that of inputs[0] is not used: x is constant.
    dsignals : list of (N, K, n_out) float, optional
        Its derivative by signals[l]; that of the last, which is constant,
        is not used.
    doutputs : (N, K) float, optional
        Its derivative by the outputs.

    Returns
    -------
    Gradient
        By weights and biases, summed over samples.

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.array([[3.0]]), np.array([[5.0]])]
    >>> rec = forward(weights, [np.zeros(1)] * 2, np.ones((1, 1)))
    >>> g = signals(weights, rec)                # 5.0 and 1.0
    >>> second_order(weights, rec, g, dsignals=[2 * g[0], None])[0][1].tolist()
    [[10.0]]
    """
    weights, inputs, pre, slopes = _network(weights, recording, activation)
    signals = _signals(signals, pre)
    dinputs = _adjoints("dinputs", dinputs, inputs)
    dsignals = _adjoints("dsignals", dsignals, signals)
    doutputs = np.zeros_like(pre[-1]) if doutputs is None \
        else _array("doutputs", doutputs, pre[-1].shape, pre[-1].dtype)
    extra, gain = _up(weights, inputs, signals, slopes, dsignals, activation)
    return _down(weights, inputs, slopes, doutputs, dinputs, extra, gain)
