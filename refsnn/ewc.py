# refsnn 0.1.0 | ewc.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Elastic weight consolidation (EWC) reduces forgetting of earlier tasks.

The importance F of a parameter at the end of a task is its Fisher
information, the mean squared derivative of the log-likelihood with respect
to this parameter.  During later tasks, a quadratic penalty keeps important
parameters near reference values (anchors).  For N samples, K outputs f[n]
and labels with p(y | f),

    F_i = (1/N) sum_n E_y[(d log p(y | f[n]) / d theta_i)^2]      (1)
    penalty = (strength/2) sum_i F_i (theta_i - anchor_i)^2       (2)
    d penalty/d theta = strength F (theta - anchor)               (3)

Eq. (2) is eq. 3 of [KP17].  Layer l of a network has the inputs a[l], the
pre-activations pre[l] and the signals g[l]_k = df_k/dpre[l] of output k.
With e = d log p / df,

    dpre[l] = sum_k e_k g[l]_k                                    (4)
    F_W[l] = (1/N) sum_n E[dpre[l]^2] (a[l]^2)^T                  (5)
    F_b[l] = (1/N) sum_n E[dpre[l]^2]                             (6)

By (4), each vector e in (7)-(9) yields a vector dpre.  The expectation
E[dpre^2] in (5) and (6) is the weighted sum of dpre^2 over all e.  In (7)
and (8), p is the softmax of f.  In (9), p is the normal distribution with
mean f and variance 1.  The bracket [A] is 1 if A is true, else 0:

    categorical: e_k = [k = y] - p_k, weight p_y, y = 0 ... K-1   (7)
    labels given: e_k = [k = y] - p_k, weight 1, y the label      (8)
    gaussian: e_k = [k = j], weight 1, j = 0 ... K-1              (9)

After each task, the importances F of the parameters are added to a sum
`F*`.  Online EWC [S+18] multiplies `F*` by `decay` before each addition:

    F_i* <- decay F_i* + F_i                                      (10)

Derivation.  Eqs. (5) and (6) square the entries of d log p/dW[l] = dpre[l]
    a[l]^T and d log p/db[l] = dpre[l].  Eq. (7) is the derivative of the
    logarithm of the softmax.  For the normal distribution, e = y - f has a
    standard normal distribution.  Therefore E[e e^T] is the identity, and
    E[dpre^2] = sum_k g_k^2, as in eq. (9).
Exact.  With eqs. (7) and (9), E is the exact expectation over the label
    distribution p of the model.  Eq. (8) gives the empirical Fisher
    information, or, if the labels are sampled from the model, a
    Monte-Carlo estimate of the result of eq. (7).  If p is a normal
    distribution and the outputs f are linear in the parameters theta, the
    importance (1) is the diagonal of the Hessian of the mean of -log p.
Cost.   Each layer takes O(N K^2 n_out + N n_in n_out) time and O(N K
    n_out) memory.  To combine batches, average F, weighted by samples.
Departures.  In [KP17], each earlier task has its own penalty.  This module
    has one penalty, with the sum of the importances F of all earlier
    tasks.  With the common choice anchors="latest", the anchor is the
    parameter vector at the end of the latest task.  With anchors="all",
    the anchor is the F-weighted mean of the parameters at the ends of all
    tasks, and eq. (3) is the gradient of the sum of all penalties of
    [KP17].  If each task has its own output units (head), pass only the
    columns of the current head: ``outputs[:, head]``, and ``g[:, head]``
    for each layer.

[KP17] J. Kirkpatrick et al., PNAS 114, 3521, 2017, arXiv 1612.00796.
[S+18] J. Schwarz et al., ICML 2018, arXiv 1805.06370.
"""

from typing import List, NamedTuple, Union

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, lists, one_of, shown

__all__ = ["accumulate", "fisher", "penalty", "penalty_gradient"]


class Fisher(NamedTuple):
    """Hold Fisher information.  The function `fisher` describes the fields."""
    weights: List[np.ndarray]
    biases: List[np.ndarray]
    __repr__ = shown


class State(NamedTuple):
    """Hold the state of EWC.  The function `accumulate` describes the fields."""
    importance: Union[np.ndarray, list]
    anchor: Union[np.ndarray, list]
    tasks: int
    __repr__ = shown


def fisher(inputs, signals, outputs, labels=None, likelihood="categorical"):
    """Return the diagonal Fisher information of a network, eqs. (1), (4)-(9).

    >>> a, g = [np.array([[2.0]])], [np.array([[[1.0], [0.0]]])]
    >>> found = fisher(a, g, np.zeros((1, 2)))      # p (1 - p) a^2, p (1 - p)
    >>> found.weights[0].round(9).tolist(), found.biases[0].round(9).tolist()
    ([[1.0]], [0.25])

    Parameters
    ----------
    inputs, signals : lists of (N, n_in) and of (N, K, n_out) float
        Inputs a[l] and signals g[l] of each layer, as from `mlp`.
    outputs : (N, K) float, of the dtype of the result
    labels : (N,) int for eq. (8), with "categorical" only, optional
    likelihood : {"categorical", "gaussian"}, the distribution p

    Returns
    -------
    Fisher
        weights, biases  lists of (n_out, n_in) and of (n_out,), by layer
    """
    outputs, inputs, signals, labels = arrays(
        "outputs (N, K) float, inputs[] (N, _) float, signals[] (N, K, _) float, "
        "labels? (N) int", outputs, inputs, signals, labels)
    if not 0 < len(inputs) == len(signals):
        raise ValueError(f"signals is a list of {len(signals)}: must have one for each "
                         f"of the {len(inputs)} inputs, at least one")
    errors, root = _errors(outputs, labels, likelihood)
    N, weights, biases = len(outputs), [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for a, g in zip(inputs, signals, strict=True):
            dpre = np.matmul(errors, g) * root                             # (4)
            squared = np.einsum("nmj,nmj->nj", dpre, dpre) / N             # (1)
            F_W = squared.T @ (a * a)                                      # (5)
            F_b = squared.sum(axis=0)                                      # (6)
            weights.append(F_W)
            biases.append(F_b)
    _finite("the information of inputs and signals", weights + biases)
    return Fisher(weights, biases)


def _errors(outputs, labels, likelihood):
    """Return error vectors e and square-rooted weights."""
    N, K = outputs.shape
    unit = np.eye(K, dtype=outputs.dtype)
    if one_of("likelihood", likelihood, "categorical", "gaussian") == "gaussian":
        one_of("labels", labels, type(None))
        return np.broadcast_to(unit, (N, K, K)), np.ones_like(unit[:1, :1])  # (9)
    with np.errstate(over="ignore"):            # differences of -inf yield p = 0
        p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    if labels is None:
        return unit - p[:, None], np.sqrt(p)[..., None]                    # (7)
    arrays(f"labels (...) int in [0, {K - 1}]", labels)
    return (unit[labels] - p)[:, None], np.ones_like(p[:1, :1, None])      # (8)


def accumulate(state, importance, parameters, anchors="latest", decay=1.0):
    """Update importances and reference values (anchors) after a task, eq. (10).

    >>> state = accumulate(None, np.array([1.0]), np.array([0.0]))
    >>> state = accumulate(state, np.array([3.0]), np.array([1.0]), "all")
    >>> state.importance.tolist(), state.anchor.tolist(), state.tasks
    ([4.0], [0.75], 2)

    Parameters
    ----------
    state : State after the previous task, or None for the first task
    importance : array or list of arrays
        Fisher information F, such as ``[*found.weights, *found.biases]``.
    parameters : array or list of arrays, after the last step of the task
    anchors : {"latest", "all"}
    decay : float, from 0 to 1; 1 for the sum of importances

    Returns
    -------
    State
        importance, anchor  F*, and the anchor of eq. (2)
        tasks  number of completed tasks
    """
    one_of("anchors", anchors, "latest", "all")
    theta, old, before, tasks, _ = _checked(
        State(parameters, parameters, 0) if state is None else state, parameters)
    F = lists("importance", importance, theta, "parameters")
    _, decay = arrays("importance[] (...) in [0, inf), decay () in [0, 1]",
                      F, decay)                 # F is a mean of squares
    old = [np.zeros_like(a) for a in theta] if state is None else [
        np.asarray(decay * a) for a in old]
    with np.errstate(over="ignore", invalid="ignore"):
        total = [np.asarray(a + b) for a, b in zip(old, F, strict=True)]   # (10)
        new = [np.array(a) for a in theta]
        if anchors == "all":
            for a, b, f, s in zip(new, before, old, total, strict=True):
                a += (b - a) * np.divide(f, s, out=np.zeros_like(s), where=s > 0)
    _finite("importance", total)
    _finite("anchor", new)
    return State(_formed(total, parameters), _formed(new, parameters), tasks + 1)


def penalty(state, parameters, strength):
    """Return the penalty on changes of important parameters as a float, eq. (2).

    >>> state = accumulate(None, np.array([2.0]), np.array([1.0]))
    >>> penalty(state, np.array([4.0]), strength=0.5)
    4.5

    Parameters
    ----------
    state, parameters : State, and current array or list of arrays
    strength : float, at least 0, called lambda in [KP17]
    """
    theta, F, anchor, _, strength = _checked(state, parameters, strength)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = map(np.subtract, theta, anchor)
        value = strength / 2 * sum((f * change * change).sum(dtype=np.float64)  # (2)
                                   for f, change in zip(F, moved, strict=True))
    _finite("penalty", [np.asarray(value)])
    return float(value)


def penalty_gradient(state, parameters, strength):
    """Return the gradient of the penalty with respect to the parameters, eq. (3).
    The gradient has the structure of `parameters`: an array or a list.

    >>> state = accumulate(None, np.array([2.0]), np.array([1.0]))
    >>> penalty_gradient(state, np.array([4.0]), strength=0.5).tolist()
    [3.0]

    Arguments as for `penalty`.
    """
    theta, F, anchor, _, strength = _checked(state, parameters, strength)
    with np.errstate(over="ignore", invalid="ignore"):
        moved = map(np.subtract, theta, anchor)
        found = [np.asarray(strength * (f * change))                       # (3)
                 for f, change in zip(F, moved, strict=True)]
    _finite("penalty_gradient", found)
    return _formed(found, parameters)


def _formed(found, like):
    return list(found) if isinstance(like, (list, tuple)) else found[0]


def _checked(state, parameters, strength=0.0):
    state = bundle("state", state, State)
    tasks, strength = arrays("state.tasks () int in [0, inf), strength () in [0, inf)",
                             state.tasks, strength, dtype=np.float64)
    theta = lists("parameters", parameters)
    return (theta, lists("state.importance", state.importance, theta, "parameters"),
            lists("state.anchor", state.anchor, theta, "parameters"), tasks, strength)


def _finite(name, found):
    if not all(np.isfinite(a).all() for a in found):
        raise ValueError(f"{name} overflows {found[0].dtype}: must be finite")
