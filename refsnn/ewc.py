# refsnn 0.1.0 | ewc.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Elastic weight consolidation: the diagonal Fisher as importance.

After a task, each parameter's importance is the mean square derivative of
the log-likelihood at the task's end; a quadratic penalty then holds what
was important.  For samples n with the outputs f (N, K) and a law p of the
labels y given f,

    F_k = (1/N) sum_n E_y (d log p(y | f[n]) / d theta_k)^2       (1)
    penalty = (strength/2) sum_k F_k (theta_k - anchor_k)^2       (2)
    dpenalty = strength F (theta - anchor)                        (3)

with (2) from [KP17] eq. 3.  In a network, theta reaches f through the
pre-activations z[l] of layer l, whose inputs are a[l] (N, n_in) and whose
signals g[l] are df/dz[l] (N, K, n_out).  An error e = d log p / df then is

    d[l] = sum_k e_k g[l]_k                                       (4)
    F_W[l] = (1/N) sum_n E d[l]^2 (a[l]^2)^T                      (5)
    F_b[l] = (1/N) sum_n E d[l]^2                                 (6)

where E runs over, with p the softmax of f,

    categorical: e = [k = y] - p_k, weight p_y, y = 0 ... K-1     (7)
    labels given: e = [k = y] - p_k, weight 1, y the label        (8)
    gaussian: e_k = unit vectors, weight 1                        (9)

Derivation.  (4)-(6): d log p/dW[l] = d[l] a[l]^T, squared entry by entry.
    (7) is the softmax's log-derivative.  (9): y - f has a standard normal
    law, and E (y - f)(y - f)^T = 1, so that E d^2 = sum_k g_k^2.
Exact.  (7) and (9) take the expectation over the model's own law; (8), the
    empirical Fisher, reads labels instead: those of the data, or a draw
    of the model's own, a Monte-Carlo estimate of (7).  For outputs linear
    in theta and gaussian, (1) is the diagonal of the loss's Hessian.
Cost.   As `signals`, and O(N K^2 n_out + N n_in n_out) a layer; O(N K n)
    memory.  Several batches: mean of their F, weighted by N.
Departures.  [KP17] has one penalty for each earlier task.  `accumulate`
    collapses them into one: the sum of all F about, with anchors="latest",
    the latest parameters, as is common, or, with "all", the mean of all
    anchors weighted by F, which has the gradient of [KP17] and its value
    but for a constant.  Masked heads: hand over the columns of the head
    alone, ``outputs[:, head]`` and ``g[:, head]`` of each layer.

[KP17] J. Kirkpatrick et al., PNAS 114(13), 3521-3526, 2017,
    arXiv 1612.00796.
"""

import numbers
from typing import List, NamedTuple, Union

import numpy as np

__all__ = ["Fisher", "State", "accumulate", "fisher", "penalty", "penalty_gradient"]

LIKELIHOODS = ("categorical", "gaussian")
ANCHORS = ("latest", "all")


class Fisher(NamedTuple):
    """Diagonal of the Fisher information, in the shapes of the parameters."""

    weights: List[np.ndarray]     # (n_out, n_in)
    biases: List[np.ndarray]      # (n_out,)


class State(NamedTuple):
    """What is remembered of tasks, each in the form of the parameters."""

    importance: Union[np.ndarray, list]     # sum of all F
    anchor: Union[np.ndarray, list]
    tasks: int


def _float(name, value, shape=None, dtype=None):
    """`value` as a finite float array of `shape`, None axes being 1 or more."""
    try:
        a = np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:      # of tensors, of lists
        raise ValueError(f"{name} is a {type(value).__name__}: must be an array or "
                         f"convertible to one; {error}") from error
    fits = shape is None or (len(shape) == a.ndim and all(
        s in (None, n) for s, n in zip(shape, a.shape, strict=True)))
    if not fits or a.size == 0 or a.dtype not in (np.float32, np.float64) \
            or a.dtype != (dtype or a.dtype):
        want = "" if shape is None else " of shape ({})".format(
            ", ".join("1+" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {a.shape}, dtype {a.dtype}: must be a "
                         f"{dtype or 'float32 or float64'} array{want}, not empty")
    if not np.isfinite(a).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return a


def _arrays(name, value, like=None):
    """`value` as a list of float arrays, of the shapes of `like`."""
    several = isinstance(value, (list, tuple))
    values = list(value) if several else [value]
    if not values or (like is not None and len(values) != len(like)):
        raise ValueError(f"{name} has {len(values)} arrays: must have "
                         f"{len(like) if like else 'at least one'}, one for each of "
                         "the parameters")
    return [_float(f"{name}[{i}]" if several else name, a,
                   None if like is None else like[i].shape,
                   None if like is None else like[i].dtype)
            for i, a in enumerate(values)]


def _formed(name, arrays, like):
    """Arrays in the form of `like`, refused if they overflowed."""
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError(f"{name} overflows {arrays[0].dtype}: importance, parameters "
                         "and strength must be such that it is finite")
    return list(arrays) if isinstance(like, (list, tuple)) else arrays[0]


def _layers(inputs, signals, outputs):
    """Checked lists of (a, g) and the outputs (N, K)."""
    outputs = _float("outputs", outputs, (None, None))
    (N, K), dtype = outputs.shape, outputs.dtype
    for name, value in (("inputs", inputs), ("signals", signals)):
        if not isinstance(value, (list, tuple)) or not value \
                or len(value) != len(inputs):
            raise ValueError(f"{name} is a {type(value).__name__}: must be a list of "
                             "arrays, one a layer, as many as inputs")
    return [(_float(f"inputs[{i}]", a, (N, None), dtype),
             _float(f"signals[{i}]", g, (N, K, None), dtype))
            for i, (a, g) in enumerate(zip(inputs, signals, strict=True))], outputs


def _errors(outputs, labels, likelihood):
    """Errors e (N, M, K) and the root of their weights (N, M, 1)."""
    N, K = outputs.shape
    unit = np.eye(K, dtype=outputs.dtype)
    if not isinstance(likelihood, str) or likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood is {likelihood!r}: must be one of {LIKELIHOODS}")
    if likelihood == "gaussian":
        if labels is not None:
            raise ValueError("labels is given: must be None where likelihood is "
                             "'gaussian'")
        return np.broadcast_to(unit, (N, K, K)), np.ones_like(unit[:1, :1])  # (9)
    p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    if labels is None:
        return unit - p[:, None], np.sqrt(p)[..., None]                    # (7)
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.shape != (N,) \
            or not ((labels >= 0) & (labels < K)).all():
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         f"must be ({N},) integers in 0 ... {K - 1}")
    return (unit[labels] - p)[:, None], np.ones_like(p[:1, :1, None])      # (8)


def fisher(inputs, signals, outputs, labels=None, likelihood="categorical"):
    """Diagonal of the Fisher information of a network, eqs. (1), (4)-(9).

    Parameters
    ----------
    inputs : list of (N, n_in) float
        What each layer reads, as ``mlp.forward(...).inputs``.
    signals : list of (N, K, n_out) float
        Derivatives of the outputs by its pre-activations, as `mlp.signals`.
    outputs : (N, K) float
        f: logits, or means.
    labels : (N,) int, optional
        For the empirical Fisher (8); None takes the expectation.
    likelihood : {"categorical", "gaussian"}
        Softmax of the outputs, or unit variance about them.

    Returns
    -------
    Fisher
        Of weights and biases, mean over samples.

    Raises
    ------
    ValueError
        If a list, shape or dtype does not fit, an entry is not finite, or a
        label or likelihood is none.

    Examples
    --------
    >>> a, g = [np.array([[2.0]])], [np.array([[[1.0], [0.0]]])]
    >>> found = fisher(a, g, np.zeros((1, 2)))      # p (1 - p) a^2, p (1 - p)
    >>> found.weights[0].round(9).tolist(), found.biases[0].round(9).tolist()
    ([[1.0]], [0.25])
    """
    layers, outputs = _layers(inputs, signals, outputs)
    errors, root = _errors(outputs, labels, likelihood)
    N, weights, biases = len(outputs), [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for a, g in layers:
            d = np.matmul(errors, g) * root                                # (4)
            squared = np.einsum("nmj,nmj->nj", d, d) / N
            weights.append(squared.T @ (a * a))                            # (5)
            biases.append(squared.sum(axis=0))                             # (6)
    if not all(np.isfinite(a).all() for a in (*weights, *biases)):
        raise ValueError(f"inputs or signals are so large that their squares overflow "
                         f"{outputs.dtype}: must be smaller")
    return Fisher(weights, biases)                                         # (1)


def accumulate(state, importance, parameters, anchors="latest"):
    """End a task: add its Fisher information and move the anchor.

    Parameters
    ----------
    state : State or None
        Of the tasks before; None at the first.
    importance : array or list of arrays
        F at the task's end, as ``[*found.weights, *found.biases]``.
    parameters : array or list of arrays
        Where; copied.
    anchors : {"latest", "all"}
        The new anchor: the parameters, or the mean of all anchors weighted
        by F (the parameters, where that is 0).

    Returns
    -------
    State
        One task more; `state` is left as it is.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, an entry is not finite, or an
        importance is negative.

    Examples
    --------
    >>> state = accumulate(None, np.array([1.0]), np.array([0.0]))
    >>> state = accumulate(state, np.array([3.0]), np.array([1.0]), "all")
    >>> state.importance.tolist(), state.anchor.tolist(), state.tasks
    ([4.0], [0.75], 2)
    """
    if not isinstance(anchors, str) or anchors not in ANCHORS:
        raise ValueError(f"anchors is {anchors!r}: must be one of {ANCHORS}")
    theta = _arrays("parameters", parameters)
    F = _arrays("importance", importance, theta)
    if min(a.min() for a in F) < 0:
        raise ValueError(f"importance has the entry {min(a.min() for a in F)}: must "
                         "not be negative, it is a mean of squares")
    old, before = _state(state, theta) if state is not None \
        else ([np.zeros_like(a) for a in theta], theta)
    with np.errstate(over="ignore", invalid="ignore"):
        total = [np.asarray(a + b) for a, b in zip(old, F, strict=True)]
        new = [np.array(a) for a in theta]
        if anchors == "all":
            for a, b, f, s in zip(new, before, old, total, strict=True):
                a += (b - a) * np.divide(f, s, out=np.zeros_like(s), where=s > 0)
    return State(_formed("importance", total, parameters),
                 _formed("anchor", new, parameters),
                 1 if state is None else state.tasks + 1)


def _state(state, theta):
    if not isinstance(state, State):
        raise ValueError(f"state is {state!r:.60}: must be a State that accumulate "
                         "returned")
    return (_arrays("state.importance", state.importance, theta),
            _arrays("state.anchor", state.anchor, theta))


def _quadratic(state, parameters, strength):
    """(F, theta - anchor) of each array, and the strength."""
    if not isinstance(strength, numbers.Real) or isinstance(strength, bool) \
            or not 0 <= strength <= float(np.finfo(float).max):
        raise ValueError(f"strength is {strength!r}: must be a finite number, at "
                         "least 0")
    theta = _arrays("parameters", parameters)
    F, anchor = _state(state, theta)
    with np.errstate(over="ignore"):
        moved = [t - a for t, a in zip(theta, anchor, strict=True)]
    return F, moved, float(strength)


def penalty(state, parameters, strength):
    """What holds important parameters near their anchor, eq. (2).

    Parameters
    ----------
    state : State
        From `accumulate`.
    parameters : array or list of arrays
        Where.
    strength : float
        lambda, at least 0.

    Returns
    -------
    float
        To be added to the loss.

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, an entry is not finite, or
        strength is negative.

    Examples
    --------
    >>> state = accumulate(None, np.array([2.0]), np.array([1.0]))
    >>> penalty(state, np.array([4.0]), strength=0.5)
    4.5
    """
    F, moved, strength = _quadratic(state, parameters, strength)
    with np.errstate(over="ignore", invalid="ignore"):
        terms = _formed("penalty", [f * d * d for f, d in zip(F, moved, strict=True)],
                        [])
        value = strength / 2 * sum(a.sum(dtype=np.float64) for a in terms)     # (2)
    return float(_formed("penalty", [np.asarray(value)], None))


def penalty_gradient(state, parameters, strength):
    """Derivative of the penalty by the parameters, eq. (3).

    Parameters
    ----------
    state, parameters, strength
        As for `penalty`.

    Returns
    -------
    array or list of arrays
        In the form of the parameters.

    Raises
    ------
    ValueError
        As `penalty`.

    Examples
    --------
    >>> state = accumulate(None, np.array([2.0]), np.array([1.0]))
    >>> penalty_gradient(state, np.array([4.0]), strength=0.5).tolist()
    [3.0]
    """
    F, moved, strength = _quadratic(state, parameters, strength)
    with np.errstate(over="ignore", invalid="ignore"):
        found = [np.asarray(strength * (f * d))                            # (3)
                 for f, d in zip(F, moved, strict=True)]
    return _formed("penalty_gradient", found, parameters)
