# refsnn 0.1.0 | optimisers.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Gradient descent: SGD, Adam, Adamax, RMSprop and RMaxProp.

Each takes (state, gradient) of one parameter array and gives (state,
update); the new parameters are old + update.  With g the gradient and t =
1, 2, ..  the number of the step, `sgd` does

    m = momentum m + g                                        (1)
    update = -rate m                                          (2)

`adam` keeps running means of g and of its square, both corrected for
having started at 0,

    m = beta1 m + (1 - beta1) g                          (3)  [KB15] alg. 1
    v = beta2 v + (1 - beta2) g^2                        (4)  [KB15] alg. 1
    update = -rate m / (1 - beta1^t)
             / (sqrt(v / (1 - beta2^t)) + eps)           (5)  [KB15] alg. 1

`adamax` replaces the second one by a decaying maximum,

    v = max(beta2 v, |g| + eps)                          (6)  [KB15] alg. 2
    update = -rate m / (1 - beta1^t) / v                 (7)  [KB15] alg. 2

and `rmsprop` and `rmaxprop` do without the first, and without correction,

    v = decay v + (1 - decay) g^2                         (8)  [TH12] eq. ?
    v = max(decay v, g^2)                                 (9)  [ZG18] eq. ?
    update = -rate g / (sqrt(v) + eps)                   (10)  [ZG18] eq. ?

Derivation.  By (9), v >= g^2: no entry of an update of `rmaxprop` is
    larger than rate.  By (8), an entry is at most rate / sqrt(1 - decay).
Exact.  Entry by entry: rescaling g and eps together leaves (5), (7) and
    (10) as they are.
Cost.   O(p) time a step; none, one or two arrays of state.  With `out=` no
    memory is taken; the numbers are the same to the last bit.
Departures.  (6) has an eps that alg. 2 lacks, where an entry whose
    gradient was always 0 divides 0 by 0.  [ZG18] leaves out eps in (10)
    and writes g as an ascent direction; its decay
    is exp(-0.5 s / 30 s) in its code.  eps^2 may not underflow: g^2 does
    only below it.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[TH12] T. Tieleman and G. Hinton, Neural networks for machine learning,
    lecture 6.5, 2012.
[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import numbers
from typing import NamedTuple

import numpy as np

__all__ = ["State", "adam", "adamax", "rmaxprop", "rmsprop", "sgd"]


class State(NamedTuple):
    """What an optimiser remembers of one parameter array."""

    step: int                       # t, steps done
    mean: np.ndarray | None         # m, shape of the parameters
    scale: np.ndarray | None        # v, shape of the parameters


def _options(g, rate, eps, decays):
    """The options as floats, in order, none out of range."""
    floor = float(np.sqrt(np.finfo(g.dtype).tiny))
    limits = [("rate", rate, 0, np.inf), ("eps", eps, floor, np.inf)]
    for name, value, low, high in limits + [(k, v, 0, 1) for k, v in decays.items()]:
        if not isinstance(value, numbers.Real) or isinstance(value, bool) \
                or not low <= value < high or abs(value) > float(np.finfo(float).max):
            raise ValueError(f"{name} is {value!r}: must be a number in [{low:.3g}, "
                             f"{high})")
    return [float(v) for v in (rate, eps, *decays.values())]


def _gradient(gradient):
    g = np.asarray(gradient)
    if g.dtype not in (np.float32, np.float64) or g.size == 0:
        raise ValueError(f"gradient is of shape {g.shape}, dtype {g.dtype}: must be "
                         "float32 or float64 and not empty")
    if not np.isfinite(g).all():
        raise ValueError("gradient has NaN or infinite entries: must be finite")
    return g


def _like(name, array, g):
    shape, dtype = np.shape(array), getattr(array, "dtype", type(array).__name__)
    if not isinstance(array, np.ndarray) or (shape, dtype) != (g.shape, g.dtype):
        raise ValueError(f"{name} is of shape {shape}, dtype {dtype}: must be an array "
                         f"of {g.shape}, {g.dtype} like gradient")


def _arrays(name, state, g, fields):
    """The arrays (mean, scale) of a state, None where not in `fields`."""
    if not isinstance(state, State) or not isinstance(state.step, int) \
            or state.step < 0:
        raise ValueError(f"{name} is {state!r:.60}: must be a State, or None at the "
                         "start")
    for field, array in zip(("mean", "scale"), state[1:], strict=True):
        if (array is not None) != (field in fields):
            raise ValueError(f"{name}.{field} is {array!r:.60}: must be "
                             f"{'an array' if field in fields else 'None'}, the "
                             "state is that of another optimiser")
        if array is not None:
            _like(f"{name}.{field}", array, g)
    return state[1:]


def _begin(state, g, fields, out):
    """Old arrays, arrays to write into and t: (old, new, update, step)."""
    if state is None:
        state = State(0, *(np.zeros_like(g) if f in fields else None
                           for f in ("mean", "scale")))
    old = _arrays("state", state, g, fields)
    if not all(np.isfinite(a).all() for a in old if a is not None) \
            or "scale" in fields and state.scale.min() < 0:
        raise ValueError("state has entries that are NaN, infinite or of negative "
                         "scale: must be as an earlier step returned it")
    if out is None:
        new = [None if a is None else np.empty_like(g) for a in old]
        return old, new, np.empty_like(g), state.step + 1
    if not isinstance(out, tuple) or len(out) != 2:
        raise ValueError(f"out is {out!r:.60}: must be an earlier (State, update)")
    new, update = _arrays("out[0]", out[0], g, fields), out[1]
    _like("out[1]", update, g)
    for i, array in enumerate((*new, update)):
        others = [g, *(a for k, a in enumerate(old) if array is not a or k != i),
                  *(*new, update)[i + 1:]]
        if array is not None and any(np.may_share_memory(array, a)
                                     for a in others if a is not None):
            raise ValueError("out has arrays that share memory with each other, "
                             "gradient or state: only out[0] may be state")
    return old, new, update, state.step + 1


def _square(g, work):
    """g^2, into work; what overflows is refused."""
    with np.errstate(over="ignore"):
        np.multiply(g, g, out=work)
    if not np.isfinite(work).all():
        raise ValueError(f"gradient has an entry of size {np.abs(g).max()}: must be "
                         f"less, its square overflows {g.dtype}")
    return work


def _blend(decay, old, weight, new, out, work):
    """out = decay old + weight new, where out may be old and work new."""
    np.multiply(new, weight, out=work)
    np.multiply(old, decay, out=out)
    out += work


def _divide(a, factor, scale, eps, update):
    """update = -factor a / (scale + eps), where update may be scale."""
    np.add(scale, eps, out=update)
    np.divide(a, update, out=update)
    update *= -factor


def sgd(state, gradient, *, rate, momentum=0.0, out=None):
    """Stochastic gradient descent, eqs. (1) and (2).

    Parameters
    ----------
    state : State or None
        From the step before; None at the start.
    gradient : float array of any shape
        Of the loss by the parameters.
    rate : float
        Learning rate.
    momentum : float
        Decay of the sum of past gradients, in [0, 1).
    out : (State, array), optional
        An earlier result, whose arrays are overwritten and returned; its
        state may be `state` itself.

    Returns
    -------
    (State, array)
        The state after the step; the update, of gradient's shape and dtype.

    Raises
    ------
    ValueError
        If gradient is not finite float32 or float64, the state or out does
        not fit it, or an option is out of range.

    Examples
    --------
    >>> state, update = sgd(None, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> state, update = sgd(state, np.array([2.0]), rate=0.5, momentum=0.5)
    >>> update.tolist()
    [-1.5]
    """
    g = _gradient(gradient)
    rate, _, momentum = _options(g, rate, 1.0, {"momentum": momentum})
    (old, _), (mean, _), update, step = _begin(state, g, ("mean",), out)
    _blend(momentum, old, 1.0, g, mean, update)                            # (1)
    np.multiply(mean, -rate, out=update)                                   # (2)
    return State(step, mean, None), update


def adam(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8, out=None):
    """Adam, eqs. (3) to (5).

    Parameters
    ----------
    state, gradient, rate, out
        As for `sgd`.
    beta1, beta2 : float
        Decays of the means of g and of g^2, in [0, 1).
    eps : float
        Added to the root of v; units of gradient.

    Returns
    -------
    (State, array)
        As `sgd`.

    Raises
    ------
    ValueError
        As `sgd`, or if g^2 overflows its dtype.

    Examples
    --------
    >>> state, update = adam(None, np.array([2.0, -4.0]), rate=0.5)
    >>> update.round(6).tolist()
    [-0.5, 0.5]
    """
    g = _gradient(gradient)
    rate, eps, beta1, beta2 = _options(g, rate, eps, {"beta1": beta1, "beta2": beta2})
    old, (mean, scale), update, step = _begin(state, g, ("mean", "scale"), out)
    squared = _square(g, update)
    _blend(beta2, old[1], 1 - beta2, squared, scale, update)               # (4)
    _blend(beta1, old[0], 1 - beta1, g, mean, update)                      # (3)
    np.sqrt(scale, out=update)
    update *= (1 - beta2 ** step) ** -0.5
    _divide(mean, rate / (1 - beta1 ** step), update, eps, update)         # (5)
    return State(step, mean, scale), update


def adamax(state, gradient, *, rate, beta1=0.9, beta2=0.999, eps=1e-8, out=None):
    """Adamax: Adam with a decaying maximum, eqs. (3), (6) and (7).

    Parameters
    ----------
    state, gradient, rate, eps, out
        As for `adam`; eps is added to |g|.
    beta1, beta2 : float
        Decays of the mean of g and of the maximum of |g|, in [0, 1).

    Returns
    -------
    (State, array)
        As `sgd`.

    Raises
    ------
    ValueError
        As `sgd`.

    Examples
    --------
    >>> state, update = adamax(None, np.array([2.0, 0.0]), rate=0.5)
    >>> (update.round(6) + 0).tolist()
    [-0.5, 0.0]
    """
    g = _gradient(gradient)
    rate, eps, beta1, beta2 = _options(g, rate, eps, {"beta1": beta1, "beta2": beta2})
    old, (mean, scale), update, step = _begin(state, g, ("mean", "scale"), out)
    np.abs(g, out=update)
    update += eps
    np.multiply(old[1], beta2, out=scale)
    np.maximum(scale, update, out=scale)                                   # (6)
    _blend(beta1, old[0], 1 - beta1, g, mean, update)
    _divide(mean, rate / (1 - beta1 ** step), scale, 0.0, update)          # (7)
    return State(step, mean, scale), update


def rmsprop(state, gradient, *, rate, decay=0.99, eps=1e-8, out=None):
    """RMSprop, eqs. (8) and (10).

    Parameters
    ----------
    state, gradient, rate, eps, out
        As for `adam`.
    decay : float
        Of the mean of g^2, in [0, 1).

    Returns
    -------
    (State, array)
        As `sgd`.

    Raises
    ------
    ValueError
        As `adam`.

    Examples
    --------
    >>> state, update = rmsprop(None, np.array([3.0]), rate=0.5, decay=0.75)
    >>> update.round(6).tolist()
    [-1.0]
    """
    g = _gradient(gradient)
    rate, eps, decay = _options(g, rate, eps, {"decay": decay})
    (_, old), (_, scale), update, step = _begin(state, g, ("scale",), out)
    squared = _square(g, update)
    _blend(decay, old, 1 - decay, squared, scale, update)                  # (8)
    _divide(g, rate, np.sqrt(scale, out=update), eps, update)              # (10)
    return State(step, None, scale), update


def rmaxprop(state, gradient, *, rate, decay=0.98347, eps=1e-8, out=None):
    """RMaxProp, eqs. (9) and (10): no entry moves by more than rate.

    Parameters
    ----------
    state, gradient, rate, eps, out
        As for `adam`.
    decay : float
        Of the maximum of g^2, in [0, 1).

    Returns
    -------
    (State, array)
        As `sgd`; no entry of the update exceeds rate.

    Raises
    ------
    ValueError
        As `adam`.

    Examples
    --------
    >>> state, update = rmaxprop(None, np.array([4.0]), rate=0.5, decay=0.25)
    >>> state, update = rmaxprop(state, np.array([1.0]), rate=0.5, decay=0.25)
    >>> update.round(6).tolist()
    [-0.25]
    """
    g = _gradient(gradient)
    rate, eps, decay = _options(g, rate, eps, {"decay": decay})
    (_, old), (_, scale), update, step = _begin(state, g, ("scale",), out)
    squared = _square(g, update)
    np.multiply(old, decay, out=scale)
    np.maximum(scale, squared, out=scale)                                  # (9)
    _divide(g, rate, np.sqrt(scale, out=update), eps, update)              # (10)
    return State(step, None, scale), update
