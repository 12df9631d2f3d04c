# refsnn 0.1.0 | fast/si.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Adam and synaptic intelligence in one pass through memory, in place.

For large networks, what Adam, the path integral and the gradient of the
penalty cost is the way of their arrays from memory and back.  Here blocks
that fit the cache go through all of it at once.  With g the gradient of
the task's loss, c the penalty's strength and t = 1, 2, .. the step,

    G = g + 2 c importance (theta - anchor)              (1)  [ZPG17] eq. 4
    m = beta1 m + (1 - beta1) G                          (2)  [KB15] alg. 1
    v = beta2 v + (1 - beta2) G^2                        (3)  [KB15] alg. 1
    update = -rate s / (1 - beta1^t) m
             / (sqrt(v) + eps s), s = sqrt(1 - beta2^t)  (4)  [KB15] alg. 1
    theta = theta + update                               (5)
    path_integral = path_integral - g update             (6)  [ZPG17] eq. 3

Derivation.  (4) is Adam's update, numerator and denominator times s, so
    that no pass corrects v.
Exact.  As `optimisers.adam` of `si.penalty_gradient` added to g, then
    `si.accumulate` with what Adam did, but for rounding.  (6) takes the
    update as it is, before (5) rounds it.
Cost.   Of arrays of p numbers Adam alone reads 4 and writes 3; (6) reads 1
    and writes 1, (1) reads 2.  12 passes in cache, 2 for (6), 4 for (1).
    No memory but for two blocks.
Departures.  Arrays are updated in place: `parameters`, `path_integral` and
    those of `state`.  The gradient is checked before any of them is
    written; what is spoiled otherwise is found, and refused, afterwards.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
import numbers
from typing import List, NamedTuple

import numpy as np

__all__ = ["State", "begin", "step"]
BLOCK = 2**17           # bytes of each array that pass at a time: five fit the cache


class State(NamedTuple):
    """What Adam remembers, one array for each of the parameters."""

    step: int                   # t, steps done
    mean: List[np.ndarray]      # m
    scale: List[np.ndarray]     # v


def _arrays(name, value, like=None, written=False):
    """`value` as a list of contiguous arrays, of the shapes of `like`."""
    arrays = list(value) if isinstance(value, (list, tuple)) else [value]
    if not arrays or (like is not None and len(arrays) != len(like)):
        raise ValueError(f"{name} has {len(arrays)} arrays: must have "
                         f"{len(like) if like else 'at least one'}, one for each of "
                         "the parameters")
    for i, a in enumerate(arrays):
        what = f"{name}[{i}]" if isinstance(value, (list, tuple)) else name
        if not isinstance(a, np.ndarray) or a.dtype not in (np.float32, np.float64) \
                or a.size == 0:
            raise ValueError(f"{what} is a {type(a).__name__} of {np.shape(a)}, "
                             f"{getattr(a, 'dtype', None)}: must be a float32 or "
                             "float64 array, not empty")
        if like is not None and (a.shape, a.dtype) != (like[i].shape, like[i].dtype):
            raise ValueError(f"{what} is of shape {a.shape}, dtype {a.dtype}: must be "
                             f"of {like[i].shape}, {like[i].dtype} like parameters")
        if not a.flags.c_contiguous or (written and not a.flags.writeable):
            raise ValueError(f"{what} is a view with gaps or read-only: must be "
                             f"C-contiguous{' and writeable' * written}")
    return arrays


def _apart(written, read):
    """Refuse arrays to be written that overlap any other."""
    spans = sorted((a.__array_interface__["data"][0], a.nbytes, name, flag)
                   for group, flag in ((written, True), (read, False))
                   for name, arrays in group.items() for a in arrays)
    ends = {True: (0, ""), False: (0, "")}          # of spans seen so far
    for start, size, name, flag in spans:
        end, other = max(ends.values()) if flag else ends[True]
        if start < end:
            raise ValueError(f"{name} shares memory with {other}: must not, one of "
                             "them is updated in place; keep a copy")
        ends[flag] = max(ends[flag], (start + size, name))


def _finite(name, arrays):
    """Refuse a gradient with NaN or infinity, or whose square overflows."""
    for i, a in enumerate(arrays):
        flat = a.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(flat @ flat):
                continue                # the fast way to see that all are finite
            finite = np.isfinite(a).all()
            if finite and np.isfinite(np.square(a)).all():
                continue
        what = "NaN or infinite entries" if not finite else \
            f"an entry of size {np.abs(a).max()}, whose square overflows {a.dtype}"
        raise ValueError(f"{name}[{i}] has {what}: must be finite and smaller")


def _number(name, value, low, high):
    if not isinstance(value, numbers.Real) or isinstance(value, bool) \
            or not low <= value < high or abs(value) > float(np.finfo(float).max):
        raise ValueError(f"{name} is {value!r}: must be a number in [{low:.3g}, "
                         f"{high})")
    return float(value)


def begin(parameters):
    """Adam's state before the first step.

    Parameters
    ----------
    parameters : float array or list of them
        As `step` will be given.

    Returns
    -------
    State
        Zeros.

    Raises
    ------
    ValueError
        If parameters are no C-contiguous float32 or float64 arrays.

    Examples
    --------
    >>> begin([np.ones(2), np.ones(3)]).mean[0].tolist()
    [0.0, 0.0]
    """
    arrays = _arrays("parameters", parameters)
    return State(0, *([np.zeros_like(a) for a in arrays] for _ in range(2)))


def step(parameters, gradient, state, *, rate, beta1=0.9, beta2=0.999, eps=1e-8,
         path_integral=None, importance=None, anchor=None, strength=0.0):
    """One step, in place, eqs. (1) to (6).

    Parameters
    ----------
    parameters : float array or list of them
        Updated in place: C-contiguous, float32 or float64.
    gradient : array or list of arrays
        Of the task's loss alone, at the parameters.
    state : State
        From `begin` or the last step.  Its arrays are updated in place.
    rate, beta1, beta2, eps : float
        Of Adam, as for `optimisers.adam`.
    path_integral : array or list of arrays, optional
        Updated in place, as that of an `si.State`; None leaves out (6).
    importance, anchor : array or list of arrays, optional
        Of the penalty; both or none.  They are only read.
    strength : float
        c, at least 0 (`factor` times `strength` of an `si.Settings`); at 0
        (1) is left out.

    Returns
    -------
    State
        With the same arrays, one step on.

    Raises
    ------
    ValueError
        If a shape, dtype or number does not fit, the gradient is not
        finite, or an array to be updated shares memory with another: all
        arrays are left as they are.  Or if another array holds NaN or
        infinity or (1) overflows: then the updated ones are spoiled.

    Examples
    --------
    >>> theta, w = np.array([1.0, 2.0]), np.zeros(2)
    >>> state = step(theta, np.array([4.0, -1.0]), begin(theta), rate=0.5,
    ...              path_integral=w)
    >>> theta.round(6).tolist(), w.round(6).tolist()
    ([0.5, 2.5], [2.0, 0.5])
    """
    theta = _arrays("parameters", parameters, written=True)
    g = _arrays("gradient", gradient, theta)
    if not isinstance(state, State) \
            or not isinstance(state.step, (int, np.integer)) or state.step < 0:
        raise ValueError(f"state is {state!r:.60}: must be a State that begin or step "
                         "returned")
    written = {"parameters": theta,
               "state.mean": _arrays("state.mean", state.mean, theta, True),
               "state.scale": _arrays("state.scale", state.scale, theta, True)}
    read, none = {"gradient": g}, [None] * len(g)
    if path_integral is not None:
        written["path_integral"] = _arrays("path_integral", path_integral, theta, True)
    if (importance is None) != (anchor is None):
        raise ValueError(f"{'anchor' if anchor is None else 'importance'} is None: "
                         "must be given where the other array of the penalty is")
    if anchor is not None:
        read.update(importance=_arrays("importance", importance, theta),
                    anchor=_arrays("anchor", anchor, theta))
    least = max(float(np.finfo(a.dtype).tiny) ** 0.5 for a in theta)
    adam = (_number("rate", rate, 0, math.inf), _number("beta1", beta1, 0, 1),
            _number("beta2", beta2, 0, 1), _number("eps", eps, least, math.inf))
    c = 2 * _number("strength", strength, 0, math.inf)
    if anchor is None and c > 0:
        raise ValueError(f"strength is {strength!r}: must be 0 where importance and "
                         "anchor are not given")
    _apart(written, read)
    _finite("gradient", g)
    columns = [g, *written.values(), *([] if path_integral is not None else [none]),
               *((read["importance"], read["anchor"]) if c > 0 else (none, none))]
    with np.errstate(over="ignore", invalid="ignore"):
        seen = [_pass(arrays, state.step + 1, adam, c)
                for arrays in zip(*columns, strict=True)]
    if not np.isfinite(seen).all():
        raise ValueError("parameters, state, path_integral, importance or anchor has "
                         "NaN or infinite entries, or strength makes them overflow: "
                         "must be finite; what is updated in place is now spoiled")
    return state._replace(step=state.step + 1)


def _pass(arrays, t, adam, c):
    """All of (1)-(6) for one array of parameters; not finite if spoiled."""
    rate, beta1, beta2, eps = adam
    s = math.sqrt(1 - beta2 ** t)
    factor, eps = -rate * s / (1 - beta1 ** t), eps * s
    flat = [None if a is None else a.reshape(-1) for a in arrays]
    size, pull, seen = BLOCK // flat[0].itemsize, flat[5] is not None, 0.0
    spare = np.empty((2, min(size, len(flat[0]))), flat[0].dtype)
    for start in range(0, len(flat[0]), size):
        g, theta, m, v, w, importance, anchor = (
            None if a is None else a[start:start + size] for a in flat)
        work, total = spare[0, :len(g)], g
        if pull:
            total = np.subtract(theta, anchor, out=spare[1, :len(g)])
            total *= importance
            total *= c
            total += g                                                     # (1)
            seen += float(total @ total)
        m *= beta1
        m += np.multiply(total, 1 - beta1, out=work)                       # (2)
        v *= beta2
        np.multiply(total, total, out=work)
        v += np.multiply(work, 1 - beta2, out=work)                        # (3)
        np.add(np.sqrt(v, out=work), eps, out=work)
        np.divide(m, work, out=work)
        work *= factor                                                     # (4)
        theta += work                                                      # (5)
        seen += float(theta @ theta)
        if w is not None:
            work *= g
            w -= work                                                      # (6)
            seen += float(w @ w)
    return seen
