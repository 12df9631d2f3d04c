# refsnn 0.1.0 | optimisers.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the parameter updates of SGD, Adam, Adamax, RMSprop and RMaxProp.

Each call computes one update of one array of parameters.  The caller adds
the returned update to the parameters.  With the learning rate `rate`,
stochastic gradient descent (SGD) computes at step t >= 1

    mean = momentum mean + gradient                           (1)
    update = -rate mean                                       (2)

The function `adam` uses running means of the gradient and of the squared
gradient.  Because the means start at 0, eq. (5) corrects their bias:

    mean = beta1 mean + (1 - beta1) gradient             (3)  [KB15] alg. 1
    scale = beta2 scale + (1 - beta2) gradient^2         (4)  [KB15] alg. 1
    update = -rate mean / (1 - beta1^t)
             / (sqrt(scale / (1 - beta2^t)) + eps)       (5)  [KB15] alg. 1

The function `adamax` replaces the running mean of the squared gradient by
a decaying maximum of |gradient|:

    scale = max(beta2 scale, |gradient| + eps)           (6)  [KB15] alg. 2
    update = -rate mean / (1 - beta1^t) / scale          (7)  [KB15] alg. 2

The functions `rmsprop`, (8) and (10), and `rmaxprop`, (9) and (10), use

    scale = decay scale + (1 - decay) gradient^2          (8)  [TH12]
    scale = max(decay scale, gradient^2)                  (9)  [ZG18]
    update = -rate gradient / (sqrt(scale) + eps)        (10)  [ZG18]

Derivation.  By (9), scale >= gradient^2, so no entry of an `rmaxprop`
    update exceeds the rate.  By (8), scale >= (1 - decay) gradient^2, so
    no entry of an `rmsprop` update exceeds rate / sqrt(1 - decay).
Exact.  All equations apply to each entry of the arrays.  A common positive
    factor of eps and all gradients does not change (5), (7) and (10).
Cost.   A step takes O(p) time for p parameters.
Departures.  Alg. 2 of [KB15] has no eps in (6).  Therefore, the update is
    0/0 for entries whose gradient was always 0.  In [ZG18], (10) has no
    eps and a plus sign, because an ascent direction replaces the gradient.
    The default decay of `rmaxprop` is exp(-0.5 s / 30 s), for an update
    every 0.5 s and the time constant 30 s of the code of [ZG18].

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[TH12] T. Tieleman and G. Hinton, Neural networks for machine learning,
    lecture 6.5, 2012.
[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, shown

__all__ = ["adam", "adamax", "rmaxprop", "rmsprop", "sgd"]


class State(NamedTuple):
    """Hold an optimiser's state.  The function `sgd` describes the fields."""
    step: int
    mean: np.ndarray | None
    scale: np.ndarray | None
    __repr__ = shown


def sgd(state, gradient, *, rate, momentum=0.0):
    """Compute one step of stochastic gradient descent, eqs. (1) and (2).

    >>> state, update = sgd(None, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> state, update = sgd(state, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> update.tolist()
    [-1.5]

    Parameters
    ----------
    state : State from the previous step, or None at the start
    gradient : (...) float, gradient of the loss, of any shape
    rate, momentum : float
        Learning rate, and decay factor of past gradients, in [0, 1).

    Returns
    -------
    (State, array)
        State after the step, and update in the shape and dtype of `gradient`:

        step   t, the number of completed steps
        mean   running mean of (1) or (3); None for RMSprop and RMaxProp
        scale  running value of (4), (6), (8) or (9); None for SGD
    """
    g, t, (mean,), (rate, momentum) = _begin(
        state, gradient, ["mean"], {"rate": rate, "momentum": momentum})
    mean = momentum * mean + g                                             # (1)
    update = -rate * mean                                                  # (2)
    return _end(g, t, mean, None, update)


def adam(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """Compute one step of Adam, eqs. (3)-(5).

    >>> state, update = adam(None, np.array([2.0, -4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5, 0.5]

    Results as for `sgd`.

    Parameters
    ----------
    state, gradient, rate : as for `sgd`
    beta1, beta2, eps : float
        Constants of eqs. (3)-(7); beta1 and beta2 are in [0, 1).
    """
    g, t, (mean, scale), (rate, eps, beta1, beta2) = _begin(
        state, gradient, ["mean", "scale"],
        {"rate": rate, "eps": eps, "beta1": beta1, "beta2": beta2})
    mean = beta1 * mean + (1 - beta1) * g                                  # (3)
    scale = beta2 * scale + (1 - beta2) * _squared(g)                      # (4)
    root = np.sqrt(scale) * (1 - beta2 ** t) ** -0.5
    update = mean / (root + eps) * (-rate / (1 - beta1 ** t))              # (5)
    return _end(g, t, mean, scale, update)


def _squared(g):
    with np.errstate(over="ignore"):
        return arrays("gradient^2 (...)", g * g)[0]


def adamax(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8):
    """Compute one step of Adamax, eqs. (3), (6) and (7).

    >>> state, update = adamax(None, np.array([2.0, 0.0]), rate=0.5)
    >>> (update.round(6) + 0).tolist()
    [-0.5, 0.0]

    Arguments and results as for `adam`.
    """
    g, t, (mean, scale), (rate, eps, beta1, beta2) = _begin(
        state, gradient, ["mean", "scale"],
        {"rate": rate, "eps": eps, "beta1": beta1, "beta2": beta2})
    mean = beta1 * mean + (1 - beta1) * g                                  # (3)
    scale = np.maximum(beta2 * scale, np.abs(g) + eps)                     # (6)
    update = mean / scale * (-rate / (1 - beta1 ** t))                     # (7)
    return _end(g, t, mean, scale, update)


def rmsprop(state, gradient, *, rate, decay=0.99, eps=1e-8):
    """Compute one step of RMSprop, eqs. (8) and (10).

    >>> state, update = rmsprop(None, np.array([3.0]), rate=0.5, decay=0.75)
    >>> update.round(6).tolist()
    [-1.0]

    Results as for `sgd`.

    Parameters
    ----------
    state, gradient, rate, eps : as for `adam`
    decay : float in [0, 1), constant of eqs. (8) and (9)
    """
    g, t, (scale,), (rate, eps, decay) = _begin(
        state, gradient, ["scale"], {"rate": rate, "eps": eps, "decay": decay})
    scale = decay * scale + (1 - decay) * _squared(g)                      # (8)
    update = g / (np.sqrt(scale) + eps) * -rate                            # (10)
    return _end(g, t, None, scale, update)


def rmaxprop(state, gradient, *, rate, decay=0.98347, eps=1e-8):
    """Compute one step of RMaxProp, eqs. (9) and (10).

    >>> state, update = rmaxprop(None, np.array([4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5]

    Arguments and results as for `rmsprop`.
    """
    g, t, (scale,), (rate, eps, decay) = _begin(
        state, gradient, ["scale"], {"rate": rate, "eps": eps, "decay": decay})
    scale = np.maximum(decay * scale, _squared(g))                         # (9)
    update = g / (np.sqrt(scale) + eps) * -rate                            # (10)
    return _end(g, t, None, scale, update)


def _begin(state, gradient, fields, options):
    g, = arrays("gradient (...) float", gradient)
    if g.size == 0:
        raise ValueError(f"gradient has shape {g.shape}: must not be empty")
    least = float(np.sqrt(np.finfo(g.dtype).tiny))      # eps^2 must not underflow
    ranges = {"rate": "[0, inf)", "eps": f"[{least}, inf)"}
    rules = (f"{name} () in {ranges.get(name, '[0, 1)')}" for name in options)
    options = arrays(", ".join(rules), *options.values(), dtype=np.float64)
    if state is None:
        return g, 1, [np.zeros_like(g) for _ in fields], options
    step, *past = arrays("state.step () int in [0, inf), state.mean? (...), "
                         "state.scale? (...) in [0, inf)",
                         *bundle("state", state, State), dtype=g.dtype)
    for field, a in zip(State._fields[1:], past, strict=True):
        if (a is None) == (field in fields):
            raise ValueError(f"state.{field} is {'not ' * (a is not None)}None: must "
                             "be that of the same optimiser")
        if a is not None and a.shape != g.shape:
            raise ValueError(f"state.{field} has shape {a.shape}, gradient has "
                             f"{g.shape}: must be equal")
    return g, step + 1, [a for a in past if a is not None], options


def _end(g, t, *results):
    mean, scale, update = (None if a is None else np.asarray(a, g.dtype)
                           for a in results)
    return State(t, mean, scale), update
