# refsnn 0.1.0 | optimisers.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the parameter updates of SGD, Adam, Adamax, RMSprop and RMaxProp.

Each optimiser treats one array of parameters.  From a state and a gradient
g, the optimiser computes the next state and an update.  The caller adds
the update to the parameters.  At step t = 1, 2, ..., `sgd` computes

    m = momentum m + g                                        (1)
    update = -rate m                                          (2)

`adam` uses running means of g and g^2.  Both means are initially 0, and
eq. (5) corrects the resulting bias:

    m = beta1 m + (1 - beta1) g                          (3)  [KB15] alg. 1
    v = beta2 v + (1 - beta2) g^2                        (4)  [KB15] alg. 1
    update = -rate m / (1 - beta1^t)
             / (sqrt(v / (1 - beta2^t)) + eps)           (5)  [KB15] alg. 1

`adamax` replaces the running mean of g^2 by a decaying maximum of |g|:

    v = max(beta2 v, |g| + eps)                          (6)  [KB15] alg. 2
    update = -rate m / (1 - beta1^t) / v                 (7)  [KB15] alg. 2

`rmsprop` uses eq. (8), `rmaxprop` uses eq. (9), and both use eq. (10):

    v = decay v + (1 - decay) g^2                         (8)  [TH12]
    v = max(decay v, g^2)                                 (9)  [ZG18]
    update = -rate g / (sqrt(v) + eps)                   (10)  [ZG18]

Derivation.  By (9), v >= g^2, so no entry of an `rmaxprop` update exceeds
    the rate.  By (8), v >= (1 - decay) g^2, so no entry of an `rmsprop`
    update exceeds rate / sqrt(1 - decay).
Exact.  All equations apply to each entry of the arrays.  If g and eps are
    multiplied by the same factor, (5), (7) and (10) do not change.
Cost.   A step takes O(p) time for p parameters.  A state has 1 or 2
    arrays.
Departures.  Alg. 2 of [KB15] has no eps in (6).  Without eps, the update
    is 0/0 for entries whose gradient was always 0.  [ZG18] omits eps in
    (10), and defines g as an ascent direction.  The default decay of
    `rmaxprop` is exp(-0.5 s / 30 s), as in the code of [ZG18].  If a rule
    squares g, the square of g must not overflow.  In all rules, the square
    of eps must not underflow.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[TH12] T. Tieleman and G. Hinton, Neural networks for machine learning,
    lecture 6.5, 2012.
[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

from numbers import Real
from typing import NamedTuple

import numpy as np

from refsnn._checks import arrays, one_of  # python -m refsnn vendor NAME FILE inlines it

__all__ = ["State", "adam", "adamax", "rmaxprop", "rmsprop", "sgd"]


class State(NamedTuple):
    """Hold the state of an optimiser for one array of parameters."""
    step: int                       # t, the number of completed steps
    mean: np.ndarray | None         # m, shape of the parameters
    scale: np.ndarray | None        # v, shape of the parameters


def sgd(state, gradient, *, rate, momentum=0.0, out=None):
    """Compute one step of stochastic gradient descent, eqs. (1) and (2).

    >>> state, update = sgd(None, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> state, update = sgd(state, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> update.tolist()
    [-1.5]

    Parameters
    ----------
    state : State or None
        Result of the previous step; None at the start.
    gradient : (...) float
        Gradient of the loss with respect to the parameters, of any shape.
    rate, momentum : float
        Learning rate, and decay factor of past gradients, in [0, 1).
    out : (State, array), optional
        Earlier result.  The function overwrites the arrays of `out` and
        returns them.  The entry out[0] may be `state` itself.

    Returns
    -------
    (State, array)
        State after the step, and update in the shape and dtype of `gradient`.
    """
    g, (old,), (mean, update), t = _begin(state, gradient, ("mean",), out)
    rate, _, momentum = _options(g, rate, 1.0, {"momentum": momentum})
    _blend(momentum, old, 1.0, g, mean, update)                            # (1)
    np.multiply(mean, -rate, out=update)                                   # (2)
    return State(t, mean, None), update


def _begin(state, gradient, fields, out):
    """Check the arguments.  Return the gradient, the arrays of the old state, the
    buffers for the results, and the step number t."""
    g, = arrays("gradient (...) float", gradient)
    _finite("gradient", g)
    if state is None:
        t, old = 0, [np.zeros_like(g) for _ in fields]
    else:
        t, *old = _past(state, g, fields)
    if out is None:
        new = [np.empty_like(g) for _ in (*fields, "update")]
    else:
        new = _buffers(out, old, g, fields)
    return g, old, new, t + 1


def _blend(decay, old, weight, new, out, work):
    """Write decay * old + weight * new to `out`, using the buffer `work`."""
    np.multiply(new, weight, out=work)
    np.multiply(old, decay, out=out)
    out += work


def adam(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8, out=None):
    """Compute one step of Adam, eqs. (3)-(5).

    >>> state, update = adam(None, np.array([2.0, -4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5, 0.5]

    Parameters
    ----------
    state, gradient, rate, out : as for `sgd`
    beta1, beta2 : float
        Decay factors of the running means of g and g^2, in [0, 1).
    eps : float
        Constant that is added to the square root, in units of the gradient.

    Returns
    -------
    (State, array)
    """
    g, old, (mean, scale, update), t = _begin(state, gradient, ("mean", "scale"), out)
    rate, eps, beta1, beta2 = _options(g, rate, eps, {"beta1": beta1, "beta2": beta2})
    _blend(beta2, old[1], 1 - beta2, _square(g, update), scale, update)    # (4)
    _blend(beta1, old[0], 1 - beta1, g, mean, update)                      # (3)
    np.sqrt(scale, out=update)
    update *= (1 - beta2 ** t) ** -0.5
    _divide(mean, rate / (1 - beta1 ** t), update, eps, update)            # (5)
    return State(t, mean, scale), update


def _square(g, work):
    """Write g^2 to `work`, check that g^2 is finite, and return `work`."""
    with np.errstate(over="ignore"):
        np.multiply(g, g, out=work)
    _finite("gradient^2", work)
    return work


def _divide(a, factor, scale, eps, update):
    """Write -factor * a / (scale + eps) to `update`.  The arguments `update` and
    `scale` may be the same array."""
    np.add(scale, eps, out=update)
    np.divide(a, update, out=update)
    update *= -factor


def adamax(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8, out=None):
    """Compute one step of Adamax, eqs. (3), (6) and (7).

    >>> state, update = adamax(None, np.array([2.0, 0.0]), rate=0.5)
    >>> (update.round(6) + 0).tolist()
    [-0.5, 0.0]

    Parameters
    ----------
    state, gradient, rate, beta1, beta2, eps, out
        As for `adam`, but `beta2` is the decay factor of the maximum of |g|,
        and `eps` is added to |g|.

    Returns
    -------
    (State, array)
    """
    g, old, (mean, scale, update), t = _begin(state, gradient, ("mean", "scale"), out)
    rate, eps, beta1, beta2 = _options(g, rate, eps, {"beta1": beta1, "beta2": beta2})
    np.abs(g, out=update)
    update += eps
    np.multiply(old[1], beta2, out=scale)
    np.maximum(scale, update, out=scale)                                   # (6)
    _blend(beta1, old[0], 1 - beta1, g, mean, update)
    _divide(mean, rate / (1 - beta1 ** t), scale, 0.0, update)             # (7)
    return State(t, mean, scale), update


def rmsprop(state, gradient, *, rate, decay=0.99, eps=1e-8, out=None):
    """Compute one step of RMSprop, eqs. (8) and (10).

    >>> state, update = rmsprop(None, np.array([3.0]), rate=0.5, decay=0.75)
    >>> update.round(6).tolist()
    [-1.0]

    Parameters
    ----------
    state, gradient, rate, eps, out : as for `adam`
    decay : float
        Decay factor of the running mean of g^2, in [0, 1).

    Returns
    -------
    (State, array)
    """
    g, (old,), (scale, update), t = _begin(state, gradient, ("scale",), out)
    rate, eps, decay = _options(g, rate, eps, {"decay": decay})
    _blend(decay, old, 1 - decay, _square(g, update), scale, update)       # (8)
    _divide(g, rate, np.sqrt(scale, out=update), eps, update)              # (10)
    return State(t, None, scale), update


def rmaxprop(state, gradient, *, rate, decay=0.98347, eps=1e-8, out=None):
    """Compute one step of RMaxProp, eqs. (9) and (10).

    >>> state, update = rmaxprop(None, np.array([4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5]

    Parameters
    ----------
    state, gradient, rate, decay, eps, out
        As for `rmsprop`; `decay` is the decay factor of the maximum of g^2.

    Returns
    -------
    (State, array)
    """
    g, (old,), (scale, update), t = _begin(state, gradient, ("scale",), out)
    rate, eps, decay = _options(g, rate, eps, {"decay": decay})
    squared = _square(g, update)
    np.multiply(old, decay, out=scale)
    np.maximum(scale, squared, out=scale)                                  # (9)
    _divide(g, rate, np.sqrt(scale, out=update), eps, update)              # (10)
    return State(t, None, scale), update


def _options(g, rate, eps, decays):
    least, most = float(np.sqrt(np.finfo(g.dtype).tiny)), float(np.finfo(float).max)
    # the square of a gradient as small as eps must not underflow
    limits = [("rate", rate, 0, most), ("eps", eps, least, most)]
    for name, x, low, high in limits + [(k, x, 0, 1) for k, x in decays.items()]:
        x = float(x) if isinstance(x, np.floating) else x   # compare in float64
        if not isinstance(x, Real) or isinstance(x, bool) or not low <= x < high:
            raise ValueError(f"{name} is {x!r:.60}: must be in [{low:.3g}, {high:.3g})")
    return [float(x) for x in (rate, eps, *decays.values())]


def _finite(name, a):
    if a.dtype not in (np.float32, np.float64) or not (a.size and np.isfinite(a).all()):
        raise ValueError(f"{name} is {a!r:.60}: must be finite float and not empty")


def _past(state, g, fields):
    old = _fitting("state", state, g, fields)
    for field, a in zip(fields, old, strict=True):
        _finite(f"state.{field}", a)
    if "scale" in fields and state.scale.min() < 0:
        raise ValueError(f"state.scale is {state.scale!r:.60}: must not be negative")
    return state.step, *old


def _fitting(name, state, g, fields):
    """Return the arrays of a state.  Arrays not in `fields` must be None."""
    if not isinstance(one_of(name, state, State).step, int) or state.step < 0:
        raise ValueError(f"{name}.step is {state.step!r:.60}: must be an int >= 0")
    for field in ("mean", "scale"):
        _like(f"{name}.{field}", getattr(state, field), g if field in fields else None)
    return [getattr(state, field) for field in fields]


def _like(name, a, g):
    found, wanted = ((x.shape, x.dtype) if isinstance(x, np.ndarray) else type(x)
                     for x in (a, g))
    if found != wanted:
        raise ValueError(f"{name} is {found}, {a!r:.60}: must be {wanted}")


def _buffers(out, old, g, fields):
    if len(one_of("out", out, tuple)) != 2:
        raise ValueError(f"out is {out!r:.60}: must be an earlier (State, update)")
    _like("out[1]", out[1], g)
    written = [*_fitting("out[0]", out[0], g, fields), out[1]]
    for i, array in enumerate(written):
        others = [g, *written[i + 1:],
                  *(a for k, a in enumerate(old) if k != i or a is not array)]
        if any(np.may_share_memory(array, other) for other in others):
            raise ValueError("out has arrays that share memory with each other, the "
                             "gradient or the state: only out[0] may be the state")
    return written
