# refsnn 0.1.0 | oracle/locate.py | SPDX-License-Identifier: MIT | needs: numpy
"""Find where and how a wrong array differs from the right array.

The function `locate` reports wrong entries, and tests three explanations
of the errors:

    change    the axes of the right array are transposed, reshaped,
              reversed or shifted, and all entries may have one factor
    factor    the wrong entries are the right entries times a factor
    rounding  all errors are as small as the rounding errors of a dtype

An explanation is reported only if it accounts for all wrong entries.  If
an array is shifted in time by k steps, its first or last k steps may hold
any values.  If an array has few different values, it can equal a shifted
or scaled copy of the other array by chance.  If the correct array has few
different values, `locate` therefore tests only for rounding errors.  For
such an array, the explanations "change" and "factor" are not considered.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

__all__ = ["Place", "locate"]

DTYPES = {      # significant bits, exponent of the smallest step, largest error in ulps
    "bfloat16": (8, -133, 8), "float16": (11, -24, 8), "float32": (24, -149, 64)}
STEPS = 3       # largest shift in time, in steps
ROUND = 1e-9    # smallest tolerance of a factor, for results without rounding errors
CLEAR = 100     # magnitudes differ clearly if they differ by this many tolerances
MANY = 7        # more values than this contradict an explanation that holds by chance
TERMS = 4       # largest numerator and denominator of a factor such as 2/3
AXES = 4        # arrays with more axes have too many orders of axes to try
UNBIASED = 0.6, 0.7     # bounds of the mean sign of rounding errors, and of their
#                         correlation with the right values; both are near 0
USED = 0.5      # larger shares of values use the last bits of their own dtype


class Place(NamedTuple):
    """Describe where and how a wrong array differs from the correct array."""
    share: float        # share of wrong entries
    step: int | None    # first wrong time step, or last wrong step if `backward`
    blocks: dict        # axis: wrong indices, if other indices are right;
    #                     "diagonal": True if the wrong entries lie on the diagonal
    change: str         # "transposed", "one step late" and the like, or ""
    factor: float | None    # factor on the right values, or None
    names: tuple        # simple expressions of the factor, such as "1/2" or "B"
    dtypes: tuple       # dtypes whose rounding has the size of the error
    text: str           # text with all these results


def locate(found, right, *, rtol=1e-9, axes=(), backward=False, sizes=None,
           rounding=True):
    """Find where and how a wrong array differs from the right array.

    >>> right = np.arange(6.0).reshape(2, 3)
    >>> locate(right / 2, right, axes=("row", "column")).names
    ('1/2',)
    >>> locate(right + np.eye(2, 3), right, axes=("row", "column")).blocks
    {'column': (0, 1)}

    An entry of `found` is wrong if its error exceeds `rtol` times the largest
    magnitude in `right`.  The tuple `axes` names all axes, such as ("step",
    "sample", "neuron").  The time axis must be named "step".  If `backward` is
    true, the last wrong step is reported, not the first.  `locate` tests for
    rounding errors only if `rounding` is true.  `sizes` is a dict of named
    numbers, such as the batch size B.  If a wrong factor is a simple
    expression of numbers in `sizes`, such as 1/B, the expression is reported.
    """
    found, right = (np.asarray(a, float) for a in (found, right))
    if len(axes) not in (0, right.ndim):
        raise ValueError(f"axes is {axes!r}: must name the {right.ndim} axes of right")
    axes = tuple(axes) or tuple(f"axis {i}" for i in range(right.ndim))
    with np.errstate(all="ignore"):
        if found.shape != right.shape:
            change, factor = _change(found, right, rtol, axes)
            names = _names(factor, sizes or {}, rtol)
            told = _explained(change, factor, names)
            return Place(1.0, None, {}, change, factor, names, (), (
                f"is of shape {found.shape}: must be {right.shape}{told}"))
        return _located(found, right, rtol, axes, backward, sizes or {}, rounding)


def _located(found, right, rtol, axes, backward, sizes, rounding):
    gap = np.abs(found - right)
    bad = ~(gap <= rtol * np.abs(right).max(initial=0))
    if not bad.any():
        return Place(0.0, None, {}, "", None, (), (), (
            f"to {rtol:g} of the largest entry" if rtol else "exact"))
    step, blocks = _blocks(bad, right != 0, axes, backward)
    every, change, factor, dtypes = not np.any(right[~bad]), "", None, ()
    if np.isfinite(found).all():
        factor = _factor(found, right, rtol)
        if factor is None:
            factor = _factor(found[bad], right[bad], rtol)
        if factor is None and rounding:
            dtypes = _rounding(found, right)
        if factor is None and not dtypes:
            change, factor = _change(found, right, rtol, axes)
    names = _names(factor, sizes, rtol)
    where = "" if change else _where(step, blocks, backward)
    told = _explained(change, factor, names, every)
    if dtypes:
        told = f"; the error has the size of rounding to {' or '.join(dtypes)}"
    if not told:
        at = np.unravel_index(np.where(bad, gap, 0).argmax(), gap.shape)
        told = (f"{f'; most at {tuple(map(int, at))}' * bool(at)}: yours "
                f"{found[at]:.9g}, right {right[at]:.9g}")
    count = f"{int(bad.sum())} of {bad.size} entries differ" if bad.ndim else "differs"
    more = f" by more than {rtol:g} of the largest" * bool(rtol)
    return Place(float(bad.mean()), step, blocks, change, factor, names, dtypes,
                 f"{count}{more}{where}{told}")


def _blocks(bad, live, axes, backward):
    step, blocks = None, {}
    for i, axis in enumerate(axes):
        others = tuple(j for j in range(bad.ndim) if j != i)
        wrong = bad.any(axis=others)
        at = tuple(np.flatnonzero(wrong).tolist())
        if axis == "step":
            step = at[-1 if backward else 0]
        elif np.any(live.any(axis=others) & ~wrong):
            blocks[axis] = at
    if axes == ("row", "column") and len(bad) == bad.shape[1] and not blocks:
        for diagonal in (True, False):
            other = np.eye(len(bad)) != diagonal
            if not (bad & other).any() and (live & other).any():
                blocks["diagonal"] = diagonal
    return step, blocks


def _where(step, blocks, backward):
    told = "" if step is None else f", {'last' if backward else 'first'} at step {step}"
    only = [f"{axis} = {', '.join(map(str, at[:4]))}{', ...' * (len(at) > 4)}"
            for axis, at in blocks.items() if axis != "diagonal"]
    told += f", only where {' and '.join(only)}" * bool(only)
    if "diagonal" in blocks:
        told += f", only {'on' if blocks['diagonal'] else 'off'} the diagonal"
    return told


def _telling(values, rtol):
    """Return whether the values differ enough."""
    size = np.abs(values[values != 0])
    unit = CLEAR * max(rtol, ROUND) * size.max()
    levels = np.unique(np.round(size[size > 10 * unit] / unit))
    return len(levels) > 2 or min(len(size), values.size - len(size)) > MANY


def _factor(found, right, rtol):
    rtol = max(rtol, ROUND)
    if not np.any(right) or not _telling(right, rtol):
        return None
    k = float(np.vdot(found, right) / np.vdot(right, right))
    k = 1.0 if abs(k - 1) <= rtol else k
    gap = np.abs(found - k * right)
    return k if np.all(gap <= rtol * np.abs(k * right).max()) else None


def _names(factor, sizes, rtol):
    """Return simple expressions that equal a factor."""
    if not factor:
        return ()
    known = {f"{p}/{q}" if q > 1 else str(p): p / q
             for p in range(1, TERMS + 1) for q in range(1, TERMS + 1)
             if math.gcd(p, q) == 1}
    for name, value in sizes.items():
        if value not in (0, 1):
            known[name] = value
            known[f"1/({name})" if " " in name else f"1/{name}"] = 1 / value
    whole = [name for name, value in sizes.items() if type(value) is int and value > 1]
    for some in (*itertools.combinations(whole, 2), *itertools.combinations(whole, 3)):
        size = math.prod(sizes[name] for name in some)
        known |= {" ".join(some): size, f"1/({' '.join(some)})": 1 / size,
                  f"2/({' '.join(some)})": 2 / size}
    return tuple("-" * (factor < 0) + name for name, value in known.items()
                 if abs(abs(factor) - value) <= 2 * max(rtol, ROUND) * abs(value))


def _change(found, right, rtol, axes):
    best = "", None
    for words, changed, mask in _changes(right, found.shape, axes):
        factor = _factor(found[mask], changed[mask], rtol)
        if factor == 1:
            return words, None
        if factor and not best[0]:
            best = words, factor
    return best


def _changes(right, shape, axes):
    every = np.ones(shape, bool)
    if math.prod(shape) != right.size or right.ndim > AXES:
        return
    for order in itertools.permutations(range(right.ndim)):
        words = f"with its axes in the order {order}"
        if order == tuple(range(right.ndim))[::-1]:
            words = "transposed" if right.ndim == 2 else "with its axes reversed"
        elif order == (1, 0, 2) and axes[0] == "step":
            words = "batch before time"
        plain = order == tuple(range(right.ndim))
        changed = right.transpose(order)
        if changed.shape == shape:
            if not plain:
                yield words, changed, every
        else:
            cast = "flattened" if len(shape) == 1 else "reshaped"
            yield cast if plain else f"{words}, {cast}", changed.reshape(shape), every
    if right.shape == shape:
        yield from _moved(right, axes)


def _moved(right, axes):
    """Yield reversals and time shifts."""
    every = np.ones(right.shape, bool)
    for i, axis in enumerate(axes):
        yield ("time reversed" if axis == "step" else f"reversed along {axis}",
               np.flip(right, i), every)
    if "step" not in axes:
        return
    i = axes.index("step")
    for k in range(1, min(STEPS, right.shape[i] // 4) + 1):
        for shift, side in ((k, "late"), (-k, "early")):
            rolled = np.roll(right, shift, i)
            at = np.arange(right.shape[i]).reshape([-1 if j == i else 1
                                                    for j in range(right.ndim)])
            known = (at >= k if shift > 0 else at < right.shape[i] - k) & every
            words = f"{'one step' if k == 1 else f'{k} steps'} {side}"
            yield words, np.where(known, rolled, 0), every
            yield f"{words}, wrapped around", rolled, every
            yield f"{words}, apart from steps without counterpart", rolled, known


def _rounded(values, dtype, fewer=0):
    bits, least, _ = DTYPES[dtype]
    unit = np.ldexp(1.0, np.maximum(np.frexp(values)[1] - bits, least) + fewer)
    return np.round(values / unit) * unit


def _rounding(found, right):
    right, error = right.ravel(), (found - right).ravel()
    found, signs = found[found != 0], np.sign(error[error != 0])
    size, likely = np.linalg.norm(error), []
    mean, along = UNBIASED
    mixed = (len(signs) > MANY and abs(signs.mean()) < mean
             and abs(error @ right) < along * size * np.linalg.norm(right))
    for dtype, (bits, _, most) in DTYPES.items():
        if np.abs(error).max() > most * 2.0 ** -bits * np.abs(right).max():
            continue
        own = np.linalg.norm(_rounded(right, dtype) - right)
        if len(found) > 2 and own and np.all(_rounded(found, dtype) == found) \
                and np.mean(_rounded(found, dtype, 3) != found) > USED:
            return dtype,       # all values fit this dtype, and most use its last bits
        if mixed and own / 8 <= size <= own * most:
            likely.append(dtype)
    return tuple(likely)


def _explained(change, factor, names, every=True):
    if not change and factor is None:
        return ""
    if factor == 0:
        return "; the wrong entries are 0"
    if not change and not every:
        told = "; the wrong entries equal the right ones"
    else:
        told = "; equals the right output" + f" {change}" * bool(change)
    if factor is None:
        return told
    shown = f"{factor:.6g}"
    also = [name for name in names if name != shown]
    told = f"{told} times {shown}"
    if also and shown in names:         # the other names can agree by chance
        return f"{told}, which equals {' and '.join(also)}"
    return told + f" ({', '.join(also)})" * bool(also)
