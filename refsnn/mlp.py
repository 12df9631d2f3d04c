# refsnn 0.1.0 | mlp.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the outputs and the derivatives of a multilayer perceptron.

The activation function phi of the hidden layers is ReLU or tanh.  Layer l
= 0 ... L-1 has weights W[l], biases b[l], inputs a[l] and pre-activations
pre[l].  The symbol * is the entrywise product.  For a sample x, the
outputs f of the network are given by

    a[0] = x,  pre[l] = W[l] a[l] + b[l]                         (1)
    a[l+1] = phi(pre[l]),  f = pre[L-1]                          (2)

Dropout multiplies the inputs of layer l by a binary mask m[l]:

    a[l] becomes m[l] * a[l],  pre[l-1] becomes m[l] * pre[l-1]  (3)

Only the inputs x and ReLU units can have dropout.  Dropped ReLU units have
the pre-activation 0 and the derivative phi'(0) = 0.  Therefore, eqs.
(4)-(13) also hold with dropout.  For any array A, let dA be the derivative
of a loss with respect to A.  The gradient of the loss with respect to the
parameters, summed over the samples n, is

    dpre[L-1] = df,
    dpre[l] = phi'(pre[l]) * (W[l+1]^T dpre[l+1])                (4)
    dW[l] = sum_n dpre[l] a[l]^T,  db[l] = sum_n dpre[l]         (5)

The signals g[l]_k = df_k/dpre[l] give the Jacobian of the outputs:

    g[L-1]_k = e_k, the unit vector                              (6)
    g[l]_k = phi'(pre[l]) * (W[l+1]^T g[l+1]_k)                  (7)
    df_k/dW[l] = g[l]_k a[l]^T,  df_k/db[l] = g[l]_k             (8)

A loss may also depend on the Jacobian, such as the loss of [LZ20], which
compares tangent kernels.  By (8), such a loss is a function of the layer
inputs a[l], the signals g[l] and the outputs f.  Let da[l], dg[l]_k and df
be the partial derivatives of this loss.  Let B[l]_k and dpre[l] be the
total derivatives with respect to g[l]_k and pre[l].  The gradient dW is
the sum of (5) and (11):

    B[0]_k = dg[0]_k,  B[l+1]_k = dg[l+1]_k + W[l+1] Q[l]_k      (9)
    Q[l]_k = phi'(pre[l]) * B[l]_k                              (10)
    dW[l+1] += sum_nk g[l+1]_k Q[l]_k^T                         (11)
    e[l] = phi''(pre[l]) * sum_k B[l]_k * (W[l+1]^T g[l+1]_k)   (12)
    dpre[l] = phi'(pre[l]) * (W[l+1]^T dpre[l+1] + da[l+1])
              + e[l],  dpre[L-1] = df                           (13)

For a layer with n_in inputs and n_out units, the initial weights follow a
truncated normal distribution with the variance proposed by [GB10]:

    s = sqrt(2 / (n_in + n_out)) / 0.87962566          (14)  [LZ20]
    W ~ N(0, s^2) given |W| <= 2 s,  b ~ N(0, 0.01^2)  (15)  [LZ20]

Derivation.  Eqs. (4)-(8) follow from (1) and (2) by the chain rule.
    Reverse-mode differentiation gives (9)-(12) from (7), and (13) from (1)
    and (2).  The derivatives da[0] and dg[L-1] are not used, because x and
    g[L-1] do not depend on the parameters.  For tanh, phi' = 1 - a^2 and
    phi'' = -2 a phi', so (7) gives e[l] = -2 a[l+1] * sum_k B[l]_k *
    g[l]_k.  ReLU has phi'' = 0.  The number 0.87962566 is the standard
    deviation of a normal variable truncated at -2 and 2.
Exact.  The derivatives are exact, except for ReLU units with a
    pre-activation of exactly 0.  For these units, phi'(0) is set to 0.
Cost.   For N samples, K outputs and p weights, `backward` needs O(N p)
    operations.  `signals`, `jacobian` and `second_order` need O(N K p).
Departures.  No departures from [LZ20] are known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
[GB10] X. Glorot and Y. Bengio, AISTATS 2010, PMLR 9, 249-256.
"""

import math
from typing import List, NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, float_dtype, one_of, shown

__all__ = ["backward", "forward", "init", "jacobian", "second_order", "signals"]

ACTIVATIONS = ("relu", "tanh")
CUT_STD = 0.87962566103423978           # see (14) and Derivation
BIAS_STD = 0.01                         # see (15)
ROUNDING = 8            # units of rounding by which two libraries' tanh may differ
RECORDING = "recording.inputs[{0}] (N, n{0}); recording.pre[{0}] (N, n{1})"


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


def forward(weights, biases, x, activation="relu", dropout=None):
    """Compute the activations and outputs of a network, eqs. (1)-(3).

    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> biases = [np.zeros(2), np.ones(1)]
    >>> forward(weights, biases, np.array([[3.0], [-2.0]])).outputs.tolist()
    [[4.0], [3.0]]

    Parameters
    ----------
    weights, biases : lists of (n_out, n_in) and of (n_out,) float
        Parameters of each layer.  The results have the dtype of the weights.
    x : (N, n) float
    activation : {"relu", "tanh"}
        Activation function of the hidden layers.  The last layer is linear.
    dropout : list of (N, n_in) of 0 and 1, optional
        Mask m[l] of each layer, or None for a layer without dropout.  For
        inverted dropout, the caller divides W[l] in all calls, and the
        gradient of W[l], by the keep probability of m[l].

    Returns
    -------
    Recording
        inputs, pre  lists of a[l] (N, n_in), and of pre[l] (N, n_out)
        outputs  f (N, K), equal to pre[-1]
    """
    one_of("activation", activation, *ACTIVATIONS)
    weights, biases, x, dropout = _layers(
        "weights[{0}] (n{1}, n{0}) float; biases[{0}] (n{1}); x (N, n0); "
        "dropout[{0}]? (N, n{0}) in {{0, 1}}", weights, biases, x, dropout)
    if activation == "tanh" and any(mask is not None for mask in dropout[1:]):
        raise ValueError("dropout masks tanh units: must be None except in entry 0")
    a, inputs, pre = x, [], []
    for i, (W, b, mask) in enumerate(zip(weights, biases, dropout, strict=True)):
        if i > 0:
            a = (np.tanh(pre[-1]) if activation == "tanh" else
                 np.maximum(pre[-1], 0))                                   # (2)
        if mask is not None:
            a = a * mask                                                   # (3)
            if i > 0:
                pre[-1] *= mask                                            # (3)
        found = a @ W.T + b                                                # (1)
        inputs.append(a)
        pre.append(found)
    return Recording(inputs, pre, pre[-1])


def backward(weights, recording, doutputs, activation="relu"):
    """Compute the gradients of a loss for all weights and biases, eqs. (4), (5).

    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[1.0, 1.0]])]
    >>> rec = forward(weights, [np.zeros(2), np.ones(1)], np.array([[3.0]]))
    >>> [dW.tolist() for dW in backward(weights, rec, np.ones((1, 1))).weights]
    [[[3.0], [0.0]], [[3.0, 0.0]]]

    Parameters
    ----------
    weights, recording, activation : arguments and result of `forward`
    doutputs : (N, K) float, derivative of the loss with respect to f

    Returns
    -------
    Gradient, summed over all samples
        weights, biases  lists of derivatives, in the shapes of the parameters
    """
    weights, inputs, pre, slopes, doutputs = _network(
        weights, recording, activation, "; doutputs (N, n{2})", doutputs)
    return _down(weights, inputs, slopes, doutputs, *[[None] * len(weights)] * 3)


def _slopes(inputs, pre, activation):
    found = []
    for i, (a, before) in enumerate(zip(inputs[1:], pre[:-1], strict=True)):
        if activation == "relu":
            slope = (before > 0).astype(before.dtype)
            fits = a == slope * before
        else:
            slope = 1 - a ** 2
            fits = np.abs(a - np.tanh(before)) <= ROUNDING * np.finfo(a.dtype).eps
        if not fits.all():
            raise ValueError(f"activation is {activation!r}: must be the recording's, "
                             f"but inputs[{i + 1}] is not {activation} of pre[{i}]")
        found.append(slope)
    return found


def _down(weights, inputs, slopes, doutputs, dinputs, extra, gain):
    """Evaluate eqs. (5), (13); None is 0."""
    dW, db, dpre = [None] * len(weights), [None] * len(weights), doutputs
    for i in range(len(weights) - 1, -1, -1):
        if i < len(weights) - 1:
            dpre = dpre @ weights[i + 1]                                   # (4)
            if dinputs[i + 1] is not None:
                dpre += dinputs[i + 1]                                     # (13)
            dpre *= slopes[i]                                              # (4)
            if extra[i] is not None:
                dpre += extra[i]                                           # (13)
        dW[i] = dpre.T @ inputs[i]                                         # (5)
        db[i] = dpre.sum(axis=0)                                           # (5)
        if gain[i] is not None:
            dW[i] += gain[i]
    return Gradient(dW, db)


def signals(weights, recording, activation="relu"):
    """Return a list of the signals g[l] (N, K, n_out) of all layers, eqs. (6),
    (7).  Entry [n, k] belongs to sample n and output k.

    >>> weights = [np.array([[1.0], [-1.0]]), np.array([[5.0, 7.0]])]
    >>> rec = forward(weights, [np.zeros(2), np.ones(1)], np.array([[3.0]]))
    >>> [g.tolist() for g in signals(weights, rec)]
    [[[[5.0, 0.0]]], [[[1.0]]]]

    Arguments as for `backward`.
    """
    weights, inputs, pre, slopes = _network(weights, recording, activation)
    N, K = pre[-1].shape
    found = [np.eye(K, dtype=pre[-1].dtype) + np.zeros_like(pre[-1])[:, None]]   # (6)
    for i in range(len(weights) - 2, -1, -1):
        units, rows = _live(found[-1])
        g = weights[-1] if i == len(weights) - 2 else (     # W^T e_k is row k of W
            rows @ weights[i + 1][units]).reshape(N, K, -1)
        g = g * slopes[i][:, None]                                         # (7)
        found.append(g)
    return found[::-1]


def _live(signals):
    """Select the units with nonzero signals."""
    rows = signals.reshape(-1, signals.shape[2])    # row (n, k): sample n, output k
    units = np.flatnonzero(rows.any(axis=0))
    units = units if len(units) < rows.shape[1] else slice(None)
    return units, rows[:, units]


def jacobian(recording, signals):
    """Return the Jacobian (N, K, p) of the outputs, eq. (8).  The last axis
    holds, for each layer, the rows of the weight matrix and then the biases.

    >>> rec = forward([np.ones((1, 1))], [np.ones(1)], np.full((1, 1), 3.0))
    >>> jacobian(rec, [np.full((1, 1, 1), 2.0)]).tolist()
    [[[6.0, 2.0]]]

    Parameters
    ----------
    recording, signals : results of `forward` and `signals`
    """
    inputs, pre, signals = _layers(
        RECORDING.replace("n{0})", "n{0}) float") + "; signals[{0}] (N, n{2}, n{1})",
        *bundle("recording", recording, Recording)[:2], signals)
    parts = []
    for a, g in zip(inputs, signals, strict=True):
        weights = g[..., None] * a[:, None, None]                          # (8)
        parts += [weights.reshape(*pre[-1].shape, -1), g]                  # (8)
    return np.concatenate(parts, axis=2)


def second_order(weights, recording, signals, dinputs=None, dsignals=None,
                 doutputs=None, activation="relu"):
    """Compute the gradient of a loss that depends on the outputs f and on the
    derivatives of f with respect to the parameters, eqs. (5), (9)-(13).

    >>> weights = [np.array([[3.0]]), np.array([[5.0]])]
    >>> rec = forward(weights, [np.zeros(1)] * 2, np.ones((1, 1)))
    >>> g = signals(weights, rec)                # 5.0 and 1.0
    >>> second_order(weights, rec, g, dsignals=[2 * g[0], None])[0][1].tolist()
    [[10.0]]

    Results as for `backward`.

    Parameters
    ----------
    weights, recording, activation : as for `backward`
    signals : result of the function `signals`
    dinputs, dsignals : lists like recording.inputs and signals, optional
        Partial derivatives da and dg of the loss; None stands for 0.
    doutputs : (N, K) float, partial derivative df; None stands for 0
    """
    weights, inputs, pre, slopes, signals, dinputs, dsignals, doutputs = _network(
        weights, recording, activation, "; signals[{0}] (N, n{2}, n{1}); "
        "dinputs[{0}]? (N, n{0}); dsignals[{0}]? (N, n{2}, n{1}); "
        "doutputs? (N, n{2})", signals, dinputs, dsignals, doutputs)
    doutputs = np.zeros_like(pre[-1]) if doutputs is None else doutputs
    extra, gain = _up(weights, inputs, signals, slopes, dsignals, activation)
    return _down(weights, inputs, slopes, doutputs, dinputs, extra, gain)


def _up(weights, inputs, signals, slopes, dsignals, activation):
    extra, gain, B = [None] * len(weights), [None] * len(weights), None
    N, K = signals[-1].shape[:2]
    for i in range(len(weights) - 1):
        if dsignals[i] is not None:
            B = dsignals[i] if B is None else np.add(B, dsignals[i], out=B)    # (9)
        if B is None:
            continue
        if activation == "tanh":
            extra[i] = np.einsum("nki,nki->ni", B, signals[i])
            extra[i] *= -2 * inputs[i + 1]                                 # (12)
        Q = B * slopes[i][:, None]                                         # (10)
        units, rows = _live(signals[i + 1])
        gain[i + 1] = np.zeros_like(weights[i + 1])
        gain[i + 1][units] = rows.T @ Q.reshape(N * K, -1)                 # (11)
        if i < len(weights) - 2:         # signals[-1] is constant
            units, rows = _live(Q)
            B = (rows @ weights[i + 1].T[units]).reshape(N, K, -1)         # (9)
    return extra, gain


def init(sizes, rng, dtype=np.float64):
    """Sample a list of initial weights and a list of biases, eqs. (14) and (15).

    >>> weights, biases = init((784, 300, 10), np.random.default_rng(1))
    >>> [W.shape for W in weights], [b.shape for b in biases]
    ([(300, 784), (10, 300)], [(300,), (10,)])

    Parameters
    ----------
    sizes : sequence of int, numbers of inputs, hidden units and outputs
    rng : numpy.random.Generator
    dtype : float32 or float64; the values are equal up to rounding
    """
    sizes = [int(n) for n in arrays("sizes[] () int in [1, inf)", sizes)[0]]
    one_of("rng", rng, np.random.Generator)
    if len(sizes) < 2:
        raise ValueError(f"sizes is {sizes}: must be at least two integers")
    float_dtype(dtype)
    weights, biases = [], []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        scale = math.sqrt(2 / (n_in + n_out)) / CUT_STD                    # (14)
        W = rng.standard_normal((n_out, n_in))                             # (15)
        while (beyond := np.abs(W) > 2).any():
            W[beyond] = rng.standard_normal(np.count_nonzero(beyond))
        weights.append((scale * W).astype(dtype))
        b = BIAS_STD * rng.standard_normal(n_out)                          # (15)
        biases.append(b.astype(dtype))
    return weights, biases


def _network(weights, recording, activation, spec="", *values):
    one_of("activation", activation, *ACTIVATIONS)
    weights, inputs, pre, *values = _layers(
        f"weights[{{0}}] (n{{1}}, n{{0}}) float; {RECORDING}{spec}", weights,
        *bundle("recording", recording, Recording)[:2], *values)
    return weights, inputs, pre, _slopes(inputs, pre, activation), *values


def _layers(spec, *values):
    first, *_ = names = [rule.partition("[")[0] for rule in spec.split("; ")]
    L = len(one_of(first, values[0], list, tuple))
    rules, given, lists = [], [], ["[{0}]" in rule for rule in spec.split("; ")]
    for rule, name, value, many in zip(spec.split("; "), names, values, lists,
                                       strict=True):
        if many:
            value = [None] * L if value is None and "[{0}]?" in rule else value
            if not 0 < len(one_of(name, value, list, tuple)) == L:
                raise ValueError(f"{name} has {len(value)} arrays, {first} has {L}: "
                                 "must be equal, and at least 1")
        given += value if many else [value]
        rules += [rule.format(i, i + 1, L) for i in range(L if many else 1)]
    found = iter(arrays(", ".join(rules), *given))
    return [[next(found) for _ in range(L)] if many else next(found) for many in lists]
