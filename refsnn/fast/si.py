# refsnn 0.1.0 | fast/si.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module computes Adam and synaptic intelligence in one memory pass.

In large networks, memory bandwidth limits the speed of Adam, the path
integral and the penalty gradient.  This module computes all three
quantities in one loop over blocks of parameters.  A block is small enough
for the cache.  Let g be the gradient of the task loss, let theta be the
parameters, and let c be the penalty coefficient.  Let t = 1, 2, ... be the
step.  Then

    G = g + 2 c importance (theta - anchor)              (1)  [ZPG17] eq. 4
    m = beta1 m + (1 - beta1) G                          (2)  [KB15] alg. 1
    v = beta2 v + (1 - beta2) G^2                        (3)  [KB15] alg. 1
    update = -rate s / (1 - beta1^t) m
             / (sqrt(v) + eps s), s = sqrt(1 - beta2^t)  (4)  [KB15] alg. 1
    theta = theta + update                               (5)
    path_integral = path_integral - g update             (6)  [ZPG17] eq. 3

Derivation.  Eq. (4) multiplies the numerator and the denominator of Adam's
    update by s.  The bias correction of v then needs no additional pass
    over v.
Exact.  Up to rounding, a step gives the results of `optimisers.adam` with
    the gradient G of (1), followed by `si.accumulate` with Adam's update,
    gradient="task", displacement="step" and no cap.
Cost.   Each step reads the gradient twice and all other arrays once, and
    writes all updated arrays once.  The extra memory is two blocks.
Departures.  The parameters, the path integral and the state are updated in
    place.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
from typing import List, NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` appends these functions to a copy.
from refsnn._checks import arrays

__all__ = ["State", "begin", "step"]
BLOCK = 2**17           # bytes per block; five blocks fit the cache


class State(NamedTuple):
    """Hold the state of Adam; each list has one array for each parameter array."""
    step: int                   # t, number of completed steps
    mean: List[np.ndarray]      # m
    scale: List[np.ndarray]     # v


def begin(parameters):
    """Return the state of Adam before the first step.

    >>> begin([np.ones(2), np.ones(3)]).mean[0].tolist()
    [0.0, 0.0]

    Parameters
    ----------
    parameters : float array or list of float arrays

    Returns
    -------
    State
    """
    theta = _lists("parameters", parameters)
    return State(0, *([np.zeros_like(a) for a in theta] for _ in range(2)))


def step(parameters, gradient, state, *, rate, beta1=0.9, beta2=0.999, eps=1e-8,
         path_integral=None, importance=None, anchor=None, strength=0.0):
    """Perform one optimisation step in place, eqs. (1)-(6).

    >>> theta, w = np.array([1.0, 2.0]), np.zeros(2)
    >>> state = step(theta, np.array([4.0, -1.0]), begin(theta), rate=0.5,
    ...              path_integral=w)
    >>> theta.round(6).tolist(), w.round(6).tolist()
    ([0.5, 2.5], [2.0, 0.5])

    Parameters
    ----------
    parameters : float array or list of float arrays
        C-contiguous float32 or float64 parameters, updated in place.
    gradient : array or list of arrays
        Gradient of the task loss without the penalty.
    state : State
        State from `begin` or the previous step, updated in place.
    rate, beta1, beta2, eps : float
        Learning rate and constants of Adam, as for `optimisers.adam`.
    path_integral, importance, anchor : array or list of arrays, optional
        Fields of an `si.State`.  The path integral is updated in place.  Pass
        both the importance and the anchor, or neither.  Both are ignored if
        strength = 0.
    strength : float
        Coefficient c >= 0, the product factor * strength of `si.Settings`.

    Returns
    -------
    State

    Raises
    ------
    ValueError
        If the gradient is not finite, or if an array to be updated shares
        memory with another array.  In these cases, no array is modified.  If
        another array has NaN or infinite entries, or if the update overflows,
        the error is raised after the update, and the updated arrays are
        invalid.  An infinite entry of state.scale causes no error; its
        parameter is not updated.
    """
    theta = _lists("parameters", parameters, written=True)
    g, none = _lists("gradient", gradient, theta), [None] * len(theta)
    if not isinstance(state, State) \
            or not isinstance(state.step, (int, np.integer)) or state.step < 0:
        raise ValueError(f"state is {state!r:.60}: must be a State, see `begin`")
    written = {"parameters": theta,
               "state.mean": _lists("state.mean", state.mean, theta, True),
               "state.scale": _lists("state.scale", state.scale, theta, True)}
    if path_integral is not None:
        written["path_integral"] = _lists("path_integral", path_integral, theta, True)
    if (importance is None) != (anchor is None):
        a, b = ("anchor", "importance")[::1 if anchor is None else -1]
        raise ValueError(f"{a} is None: must be given because {b} is given")
    read = {"gradient": g}
    if anchor is not None:
        read.update(importance=_lists("importance", importance, theta),
                    anchor=_lists("anchor", anchor, theta))
    *adam, strength = _numbers(theta, rate, beta1, beta2, eps, strength)
    if anchor is None and strength > 0:
        raise ValueError(f"strength is {strength!r}: must be 0 if importance is None")
    _apart(written, read)
    _finite(g)
    pull = (read["importance"], read["anchor"]) if strength > 0 else (none, none)
    columns = [g, *written.values(), *([] if path_integral is not None else [none]),
               *pull]
    with np.errstate(over="ignore", invalid="ignore"):
        seen = [_pass(arrays, state.step + 1, adam, 2 * strength)
                for arrays in zip(*columns, strict=True)]
    if not np.isfinite(seen).all() and not all(     # sums of squares can overflow
            np.isfinite(a).all() for arrays in written.values() for a in arrays):
        raise ValueError("parameters, state, path_integral, importance or anchor has "
                         "NaN or infinite entries, or strength makes them overflow: "
                         "must be finite; arrays updated in place are now invalid")
    return state._replace(step=state.step + 1)


def _pass(arrays, t, adam, c):
    """Apply eqs. (1)-(6) in place.  Return a sum of squares, which is not finite
    if an array has a NaN or infinite entry."""
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


def _lists(name, value, like=None, written=False):
    """Check the arrays in `value`, and return the arrays as a list.  If
    `like` is given, the arrays must have the shapes and dtypes of `like`."""
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    if not found or (like is not None and len(found) != len(like)):
        raise ValueError(f"{name} has {len(found)} arrays: must have "
                         f"{len(like) if like else 'at least 1'}, as parameters")
    for i, (a, b) in enumerate(zip(found, like or found)):
        if not isinstance(a, np.ndarray) or a.dtype not in (np.float32, np.float64) \
                or a.size == 0 or (a.shape, a.dtype) != (b.shape, b.dtype) \
                or not a.flags.c_contiguous or (written and not a.flags.writeable):
            raise ValueError(
                f"{name}[{i}] is of {type(a)}, {getattr(a, 'dtype', None)}, "
                f"{np.shape(a)}: must be C-contiguous{', writeable' * written}, float32"
                f" or float64, not empty{f', {b.dtype} {b.shape}' if like else ''}")
    return found


def _numbers(theta, *numbers):
    """Check rate, beta1, beta2, eps and strength, and return them as floats."""
    least = max(float(np.finfo(a.dtype).tiny) ** 0.5 for a in theta)
    rate, beta1, beta2, eps, strength = numbers
    if {*map(type, numbers)} == {float} and 0 <= rate < math.inf and 0 <= beta1 < 1 \
            and 0 <= beta2 < 1 and least <= eps < math.inf and 0 <= strength < math.inf:
        return numbers          # 20 microseconds faster than `arrays`
    return arrays("rate () in [0, inf), beta1 () in [0, 1), beta2 () in [0, 1), "
                  f"eps () in [{least}, inf), strength () in [0, inf)", *numbers,
                  dtype=np.float64)


def _apart(written, read):
    """Raise an error if an updated array shares memory with another array."""
    spans = sorted((a.__array_interface__["data"][0], a.nbytes, name, flag)
                   for group, flag in ((written, True), (read, False))
                   for name, arrays in group.items() for a in arrays)
    ends = {True: (0, ""), False: (0, "")}          # largest end so far, by flag
    for start, size, name, flag in spans:
        end, other = max(ends.values()) if flag else ends[True]
        if start < end:
            raise ValueError(f"{name} shares memory with {other}: must be a copy, one "
                             "of them is updated in place")
        ends[flag] = max(ends[flag], (start + size, name))


def _finite(gradient):
    """Raise an error if the square of a gradient entry is NaN or infinite."""
    for i, a in enumerate(gradient):
        flat = a.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            # The sum of squares is fast, but may overflow even if no square does.
            if not np.isfinite(flat @ flat) and not np.isfinite(np.square(a)).all():
                raise ValueError(f"gradient[{i}] has NaN or infinite entries, or its "
                                 f"square overflows {a.dtype}: must be smaller")
