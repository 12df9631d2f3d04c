# refsnn 0.1.0 | fast/si.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Perform Adam steps with synaptic intelligence (SI) at high speed.

SI adds a penalty with the coefficient `strength` to the loss.  The penalty
keeps important parameters near their anchors.  The anchors are the
parameters after the previous task.  The path integral of a parameter
estimates how much the changes of this parameter have decreased the loss of
the current task.  For speed, eqs. (1)-(6) are computed in blocks that fit
in the cache.  Let g be the gradient of the task loss with respect to the
parameters theta.  With root = sqrt(1 - beta2^t), step t >= 1 computes

    total = g + 2 strength importance (theta - anchor)   (1)  [ZPG17] eq. 4
    mean = beta1 mean + (1 - beta1) total                (2)  [KB15] alg. 1
    scale = beta2 scale + (1 - beta2) total^2            (3)  [KB15] alg. 1
    update = -rate root / (1 - beta1^t) mean
             / (sqrt(scale) + eps root)                  (4)  [KB15] alg. 1
    theta = theta + update                               (5)
    path_integral = path_integral - g update             (6)  [ZPG17] eq. 3

Derivation.  Eq. (4) is the usual update of Adam, with the numerator and
    the denominator multiplied by `root`.
Exact.  Up to rounding, `optimisers.adam` with the gradient `total` of (1)
    gives the same update as `step`.  With this update, gradient="task" and
    displacement="step", `si.accumulate` gives the same path integral.  The
    importance is not capped.
Cost.   A step takes O(p) time for p parameters.  The two temporary arrays
    of a step need at most 128 KiB each.
Departures.  `step` changes parameters, state and path_integral in place.

[KB15] D. P. Kingma and J. Ba, ICLR 2015, arXiv 1412.6980.
[ZPG17] F. Zenke, B. Poole and S. Ganguli, ICML 2017, arXiv 1703.04200.
"""

import math
from typing import List, NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, lists, shown, unread

__all__ = ["begin", "step"]
BLOCK = 2**17           # bytes per block; five blocks fit the cache
LEAST_EPS = {np.dtype(kind): float(np.finfo(kind).tiny) ** 0.5     # eps^2 is not 0
             for kind in (np.float32, np.float64)}


class State(NamedTuple):
    """Hold the state of Adam.  The function `begin` describes the fields."""
    step: int
    mean: List[np.ndarray]
    scale: List[np.ndarray]
    __repr__ = shown


def begin(parameters):
    """Return the state of Adam before the first step.

    >>> begin([np.ones(2), np.ones(3)]).mean[0].tolist()
    [0.0, 0.0]

    Parameters
    ----------
    parameters : float array or list of float arrays

    Returns
    -------
    State, in which all arrays are 0
        step         number of completed steps
        mean, scale  lists of running means of gradients and their squares
    """
    theta = lists("parameters", parameters)
    return State(0, *([np.zeros_like(a) for a in theta] for _ in range(2)))


def step(parameters, gradient, state, *, rate, beta1=0.9, beta2=0.999, eps=1e-8,
         path_integral=None, importance=None, anchor=None, strength=0.0):
    """Perform one step of Adam and synaptic intelligence in place, eqs. (1)-(6).
    Return a `State` that shares its arrays with the given state.

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
        Gradient of the task loss without the penalty, cast if necessary.
    state : State from `begin` or from the previous step, updated in place
    rate, beta1, beta2, eps : as for `optimisers.adam`
    path_integral, importance, anchor : array or list of arrays, optional
        Fields of an `si.State`.  The path integral is updated in place.  The
        importance and the anchor must be given together.
    strength : float
        Penalty coefficient: `factor` times `strength` of `si.Settings`.

    Raises
    ------
    ValueError
        Before the update, if the gradient is not finite, or if an array to be
        updated shares memory with another array.  After the update, if another
        array is not finite or overflows; the updated arrays are then invalid.
    """
    theta = _written("parameters", parameters)
    g, none = _read("gradient", gradient, theta), [None] * len(theta)
    state = bundle("state", state, State)
    written = {"parameters": theta,
               "state.mean": _written("state.mean", state.mean, theta),
               "state.scale": _written("state.scale", state.scale, theta)}
    if path_integral is not None:
        written["path_integral"] = _written("path_integral", path_integral, theta)
    if (importance is None) != (anchor is None):
        a, b = ("anchor", "importance")[::1 if anchor is None else -1]
        raise ValueError(f"{a} is None: must be given because {b} is given")
    read = {"gradient": g}
    if anchor is not None:
        read.update(importance=_read("importance", importance, theta),
                    anchor=_read("anchor", anchor, theta))
    least = max(LEAST_EPS[a.dtype] for a in theta)
    completed, *adam, strength = arrays(
        "state.step () int in [0, inf), rate () in [0, inf), beta1 () in [0, 1), "
        f"beta2 () in [0, 1), eps () in [{least}, inf), strength () in [0, inf)",
        state.step, rate, beta1, beta2, eps, strength, dtype=np.float64)
    if anchor is None and strength > 0:
        raise ValueError(f"strength is {strength!r}: must be 0 if importance is None")
    _apart(written, read)
    _finite(g)
    pull = (read["importance"], read["anchor"]) if strength > 0 else (none, none)
    columns = [g, *written.values(), *([] if path_integral is not None else [none]),
               *pull]
    with np.errstate(over="ignore", invalid="ignore"):
        seen = [_pass(column, completed + 1, adam, 2 * strength)
                for column in zip(*columns, strict=True)]
    if not np.isfinite(seen).all() and not all(     # sums of squares can overflow
            np.isfinite(a).all() for arrays in written.values() for a in arrays):
        raise ValueError("parameters, state, path_integral, importance or anchor has "
                         "NaN or infinite entries, or strength makes them overflow: "
                         "must be finite; arrays updated in place are now invalid")
    return state._replace(step=completed + 1)


def _pass(column, t, adam, factor):
    rate, beta1, beta2, eps = adam
    root = math.sqrt(1 - beta2 ** t)
    rate, eps = -rate * root / (1 - beta1 ** t), eps * root
    flat = [None if a is None else a.reshape(-1) for a in column]
    size, pull, seen = BLOCK // flat[0].itemsize, flat[5] is not None, 0.0
    spare = np.empty((2, min(size, len(flat[0]))), flat[0].dtype)
    for start in range(0, len(flat[0]), size):
        g, theta, mean, scale, path_integral, importance, anchor = (
            None if a is None else a[start:start + size] for a in flat)
        work, total = spare[0, :len(g)], g
        if pull:
            total = np.subtract(theta, anchor, out=spare[1, :len(g)])
            total *= importance
            total *= factor
            total += g                                                     # (1)
            seen += float(total @ total)
        mean *= beta1
        mean += np.multiply(total, 1 - beta1, out=work)                    # (2)
        scale *= beta2
        np.multiply(total, total, out=work)
        scale += np.multiply(work, 1 - beta2, out=work)                    # (3)
        np.add(np.sqrt(scale, out=work), eps, out=work)
        np.divide(mean, work, out=work)
        work *= rate                                                       # (4)
        theta += work                                                      # (5)
        seen += float(theta @ theta)
        if path_integral is not None:
            work *= g
            path_integral -= work                                          # (6)
            seen += float(path_integral @ path_integral)
    return seen


def _written(name, value, like=None):
    """Check arrays that are updated in place."""
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(found) != (count := len(like or found) or 1):
        raise ValueError(f"{name} has {len(found)} arrays: must have {count}, as "
                         "parameters")
    for i, (a, model) in enumerate(zip(found, like or found, strict=True)):
        if not (_fits(a, model) and a.flags.carray and a.size and a.dtype in LEAST_EPS):
            unread(f"{name}[{i}]", a, np.shape(model),
                   *([model.dtype] if like else LEAST_EPS))
            raise ValueError(f"{name}[{i}] is of type {type(a).__name__}: must be an "
                             "array that is writeable, C-contiguous and not empty")
    return found


def _read(name, value, like):
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(found) != len(like) or not all(map(_fits, found, like)):
        found = lists(name, value, like, "parameters")
    return [a if a.flags.c_contiguous else a.copy() for a in found]


def _fits(a, model):
    return type(a) is np.ndarray and a.shape == model.shape and a.dtype == model.dtype


def _apart(written, read):
    """Check that updated arrays share no memory."""
    every = [a for group in (written, read) for found in group.values() for a in found]
    if all(a.flags.owndata for a in every) and len({*map(id, every)}) == len(every):
        return      # each array owns its memory; the search is 20 times slower
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
    for i, a in enumerate(gradient):
        flat = a.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            # The sum of squares is fast, but may overflow even if no square does.
            if not np.isfinite(flat @ flat) and not np.isfinite(np.square(a)).all():
                raise ValueError(f"gradient[{i}] has NaN or infinite entries, or its "
                                 f"square overflows {a.dtype}: must be smaller")
