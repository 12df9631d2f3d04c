# refsnn 0.1.0 | optimisers.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute the parameter updates of SGD, Adam, Adamax, RMSprop and RMaxProp.

Each optimiser treats one array of parameters.  From a state and a
gradient, the optimiser computes the next state and an update.  The caller
adds the update to the parameters.  Let `rate` be the learning rate.  At
step t = 1, 2, ..., `sgd` computes

    mean = momentum mean + gradient                           (1)
    update = -rate mean                                       (2)

`adam` uses running means of the gradient and of the squared gradient.
Both means are initially 0, and eq. (5) corrects the resulting bias:

    mean = beta1 mean + (1 - beta1) gradient             (3)  [KB15] alg. 1
    scale = beta2 scale + (1 - beta2) gradient^2         (4)  [KB15] alg. 1
    update = -rate mean / (1 - beta1^t)
             / (sqrt(scale / (1 - beta2^t)) + eps)       (5)  [KB15] alg. 1

`adamax` replaces the second mean by a decaying maximum of |gradient|:

    scale = max(beta2 scale, |gradient| + eps)           (6)  [KB15] alg. 2
    update = -rate mean / (1 - beta1^t) / scale          (7)  [KB15] alg. 2

`rmsprop` uses eq. (8), `rmaxprop` uses eq. (9), and both use eq. (10):

    scale = decay scale + (1 - decay) gradient^2          (8)  [TH12]
    scale = max(decay scale, gradient^2)                  (9)  [ZG18]
    update = -rate gradient / (sqrt(scale) + eps)        (10)  [ZG18]

Derivation.  By (9), scale >= gradient^2, so no entry of an `rmaxprop`
    update exceeds the rate.  By (8), scale >= (1 - decay) gradient^2, so
    no entry of an `rmsprop` update exceeds rate / sqrt(1 - decay).
Exact.  All equations apply to each entry of the arrays.  If eps and the
    gradients of all steps are multiplied by the same positive factor, (5),
    (7) and (10) do not change.
Cost.   A step takes O(p) time for p parameters.  A state has 1 or 2
    arrays.
Departures.  Alg. 2 of [KB15] has no eps in (6).  Without eps, the update
    is 0/0 for entries whose gradient was always 0.  [ZG18] omits eps in
    (10), and has a plus sign in (10), because the gradient is replaced by
    an ascent direction.  The default decay of `rmaxprop` is exp(-0.5 s /
    30 s), for an update every 0.5 s and a time constant of 30 s, as in the
    code of [ZG18].  If an optimiser squares the gradient, the square must
    not overflow.  The square of eps must not underflow.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[TH12] T. Tieleman and G. Hinton, Neural networks for machine learning,
    lecture 6.5, 2012.
[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` appends these functions to a copy.
from refsnn._checks import arrays, bundle, one_of, unread

__all__ = ["State", "adam", "adamax", "rmaxprop", "rmsprop", "sgd"]


class State(NamedTuple):
    """Hold the state of an optimiser for one array of parameters."""
    step: int                       # t, the number of completed steps
    mean: np.ndarray | None         # of (1) or (3); None for RMSprop, RMaxProp
    scale: np.ndarray | None        # of (4), (6), (8) or (9); None for SGD


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
        Result of an earlier call.  The function overwrites the arrays of `out`
        and returns them.  The entry out[0] may be `state` itself.

    Returns
    -------
    (State, array)
        State after the step, and update in the shape and dtype of `gradient`.
    """
    g, (old,), (mean, update), t = _begin(state, gradient, ("mean",), out)
    rate, momentum = arrays("rate () in [0, inf), momentum () in [0, 1)", rate,
                            momentum, dtype=np.float64)
    _blend(momentum, old, 1.0, g, out=mean, work=update)                   # (1)
    np.multiply(mean, -rate, out=update)                                   # (2)
    return State(t, mean, None), update


def _begin(state, gradient, fields, out):
    """Check the arguments.  Return the gradient, the arrays of the old state,
    the arrays for the results, and the step number t."""
    g, = arrays("gradient (...) float", gradient)
    if g.size == 0:
        raise ValueError(f"gradient has shape {g.shape}: must not be empty")
    t, old = (0, [np.zeros_like(g) for _ in fields]) if state is None \
        else _past(state, g, fields)
    new = [np.empty_like(g) for _ in (*fields, "update")] if out is None \
        else _buffers(out, old, g, fields)
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
        Decay factors of the two running means, in [0, 1).
    eps : float
        Constant that is added to the square root, in units of the gradient.

    Returns
    -------
    (State, array)
    """
    g, old, (mean, scale, update), t = _begin(state, gradient, ("mean", "scale"), out)
    rate, eps, beta1, beta2 = arrays(_options(g, "beta1", "beta2"), rate, eps, beta1,
                                     beta2, dtype=np.float64)
    _blend(beta2, old[1], 1 - beta2, _square(g, update), out=scale, work=update)  # (4)
    _blend(beta1, old[0], 1 - beta1, g, out=mean, work=update)             # (3)
    np.sqrt(scale, out=update)
    update *= (1 - beta2 ** t) ** -0.5
    _divide(mean, rate / (1 - beta1 ** t), update, eps, out=update)        # (5)
    return State(t, mean, scale), update


def _square(g, work):
    """Write g^2 to `work`, check that g^2 is finite, and return `work`."""
    with np.errstate(over="ignore"):
        np.multiply(g, g, out=work)
    arrays("gradient^2 (...)", work)
    return work


def _divide(a, factor, scale, eps, out):
    """Write -factor * a / (scale + eps) to `out`.  The arguments `out` and
    `scale` may be the same array."""
    np.add(scale, eps, out=out)
    np.divide(a, out, out=out)
    out *= -factor


def adamax(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8, out=None):
    """Compute one step of Adamax, eqs. (3), (6) and (7).

    >>> state, update = adamax(None, np.array([2.0, 0.0]), rate=0.5)
    >>> (update.round(6) + 0).tolist()
    [-0.5, 0.0]

    Parameters
    ----------
    state, gradient, rate, beta1, beta2, eps, out
        As for `adam`, but `beta2` is the decay factor of the maximum, and
        `eps` is added to |gradient|.

    Returns
    -------
    (State, array)
    """
    g, old, (mean, scale, update), t = _begin(state, gradient, ("mean", "scale"), out)
    rate, eps, beta1, beta2 = arrays(_options(g, "beta1", "beta2"), rate, eps, beta1,
                                     beta2, dtype=np.float64)
    np.abs(g, out=update)
    update += eps
    np.multiply(old[1], beta2, out=scale)
    np.maximum(scale, update, out=scale)                                   # (6)
    _blend(beta1, old[0], 1 - beta1, g, out=mean, work=update)             # (3)
    _divide(mean, rate / (1 - beta1 ** t), scale, 0.0, out=update)         # (7)
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
        Decay factor of the running mean, in [0, 1).

    Returns
    -------
    (State, array)
    """
    g, (old,), (scale, update), t = _begin(state, gradient, ("scale",), out)
    rate, eps, decay = arrays(_options(g, "decay"), rate, eps, decay, dtype=np.float64)
    _blend(decay, old, 1 - decay, _square(g, update), out=scale, work=update)  # (8)
    _divide(g, rate, np.sqrt(scale, out=update), eps, out=update)          # (10)
    return State(t, None, scale), update


def rmaxprop(state, gradient, *, rate, decay=0.98347, eps=1e-8, out=None):
    """Compute one step of RMaxProp, eqs. (9) and (10).

    >>> state, update = rmaxprop(None, np.array([4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5]

    Parameters
    ----------
    state, gradient, rate, decay, eps, out
        As for `rmsprop`; `decay` is the decay factor of the maximum.

    Returns
    -------
    (State, array)
    """
    g, (old,), (scale, update), t = _begin(state, gradient, ("scale",), out)
    rate, eps, decay = arrays(_options(g, "decay"), rate, eps, decay, dtype=np.float64)
    squared = _square(g, update)
    np.multiply(old, decay, out=scale)
    np.maximum(scale, squared, out=scale)                                  # (9)
    _divide(g, rate, np.sqrt(scale, out=update), eps, out=update)          # (10)
    return State(t, None, scale), update


def _options(g, *decays):
    """Return the argument checks of the options, for `arrays`.  The lower limit
    of eps ensures that the square of eps does not underflow."""
    least = float(np.sqrt(np.finfo(g.dtype).tiny))
    return f"rate () in [0, inf), eps () in [{least}, inf)" + "".join(
        f", {name} () in [0, 1)" for name in decays)


def _past(state, g, fields):
    """Check a state, and return its step and its arrays."""
    state = bundle("state", state, State)
    step, *old = arrays("state.step () int in [0, inf), state.mean? (...), "
                        "state.scale? (...) in [0, inf)", *state, dtype=g.dtype)
    for field, a in zip(State._fields[1:], old, strict=True):
        if (a is None) == (field in fields):
            raise ValueError(f"state.{field} is {'not ' * (a is not None)}None: must "
                             "be that of the same optimiser")
        if a is not None and a.shape != g.shape:
            raise ValueError(f"state.{field} has shape {a.shape}, gradient has "
                             f"{g.shape}: must be equal")
    return step, [a for a in old if a is not None]


def _buffers(out, old, g, fields):
    """Check `out`, and return its arrays."""
    if len(one_of("out", out, tuple)) != 2:
        raise ValueError(f"out has {len(out)} entries: must have 2, state and update")
    new = bundle("out[0]", out[0], State)
    names = [*(f"out[0].{field}" for field in fields), "out[1]"]
    written = [*(getattr(new, field) for field in fields), out[1]]
    for i, (name, a) in enumerate(zip(names, written, strict=True)):
        unread(name, one_of(name, a, np.ndarray), g.shape, g.dtype)
        if not a.flags.writeable:
            raise ValueError(f"{name} is read-only: must be writeable")
        others = [g, *written[i + 1:],
                  *(b for k, b in enumerate(old) if k != i or b is not a)]
        if any(np.may_share_memory(a, other) for other in others):
            raise ValueError(f"{name} shares memory with another array: must be "
                             "separate, but out[0] may be the state")
    return written
