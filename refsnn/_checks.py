# refsnn 0.1.0 | _checks.py | SPDX-License-Identifier: MIT | needs: numpy
"""Check the arguments of public functions.

The algorithm modules in `refsnn/` and `refsnn/fast/` import no module of
the package except `refsnn._checks`.  The command `python -m refsnn vendor
NAME FILE` copies a module to a file, and adds the functions of
`_checks.py` that the module uses.

Public functions check their arguments with the function `arrays`.  The
first argument of `arrays` is a string that specifies all other arguments:

    W, x, V, alpha, k = arrays(
        "W (n, m) float, x (T, B, m), V? (n, n), alpha (n?) in [0, 1), "
        "k () int in [1, inf)", W, x, V, alpha, k)

The specification of an argument has up to four parts.  The first part of a
specification is the name of the argument, such as `W`.  A question mark
after an argument's name allows the value None.  A name such as `a[]`
stands for a list of arrays that all meet the specification.

The second part of a specification names the axes of an array.  For
example, `(n, m)` stands for a matrix with n rows and m columns.  In one
call of `arrays`, axes with the same letter must have the same size.  The
axes `(3, _)` require a matrix with 3 rows and any number of columns.  By
default, the size of an axis must not be 0.  A star after the letter of an
axis, as in `m*`, means that the size of the axis may be 0.  The axes `()`
require a number.  The notation `(n?)` allows a number or an array with n
entries.  The axes `(...)` allow an array of any shape.

The third part of a specification is the type of the array entries.  The
type `float` allows the dtypes float32 and float64, and the type `int`
allows integers.  If the type is `unread`, `arrays` neither casts the array
nor checks its entries.  A missing type allows all real numbers.

The fourth part of an array specification states which values the entries
may have.  For example, `in [0, 1)` allows a range, and `in {0, 1}` allows
only 0 and 1.  Without a range, entries must be finite.

If the argument `dtype` of `arrays` is given, all real arrays are cast to
this dtype.  Without the argument `dtype`, the first array that is
specified as `float` keeps its dtype.  All later real arrays are cast to
the dtype of this first `float` array.  An array that is specified as `int`
keeps its integer dtype.  If the axes are specified as `()`, the function
`arrays` returns a Python number.  An array that needs no cast is not
copied.  Masked arrays are refused.

An error message names the argument, its invalid value or shape, and the
violated requirement.  If an axis has different sizes in two arguments, the
message contains both sizes.  Messages never show whole arrays.
"""

import functools
import math
import re
from typing import NamedTuple

import numpy as np

__all__ = ["arrays", "buffer", "bundle", "flags", "float_dtype", "lists", "one_of",
           "shown", "unread"]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SAFE = 1e38         # smaller numbers do not overflow in a cast to float32
NOUNS = {"T": "steps", "B": "samples", "m": "inputs", "n": "units", "k": "outputs",
         "p": "parameters"}       # names of the entries along an axis, in messages


class _Rule(NamedTuple):
    """Hold the specification of one argument."""
    name: str
    optional: bool      # whether the argument may be None
    many: bool          # whether the argument is a list of arrays
    axes: tuple         # pairs (letter or size, smallest size), or None for (...)
    number: bool        # whether the argument may be a number
    kind: str           # "float", "int", "unread" or ""
    limits: tuple       # (low, high, includes low, includes high), or ()
    values: tuple       # the allowed values, or ()
    range: str          # limits or values as text


def arrays(rules, *values, dtype=None):
    """Check `values` against specifications, and return a list of arrays.

    >>> W, x = arrays("W (n, m) float, x (T, m)", np.ones((1, 2)), [[3, 4]])
    >>> x.tolist()
    [[3.0, 4.0]]
    >>> arrays("W (n, m) float, x (T, m)", np.ones((1, 2)), [[3, 4, 5]])
    Traceback (most recent call last):
    ValueError: x has 3 inputs (axis 1), W has 2 (axis 1): must be equal
    """
    known, found = {"dtype": dtype}, []
    for rule, value in zip(_read_rules(rules), values, strict=True):
        if value is None and rule.optional:
            found.append(None)
        elif rule.many:
            entries = enumerate(one_of(rule.name, value, list, tuple))
            found.append([_checked_array(rule._replace(name=f"{rule.name}[{i}]"), entry,
                                         known) for i, entry in entries])
        else:
            a = _checked_array(rule, value, known)
            found.append(a.item() if rule.axes == () else a)
    return found


@functools.lru_cache(maxsize=1024)
def _read_rules(rules):
    found = re.findall(
        r"(\S+) \((.*?)\)(?: (float|int|unread))?(?: in (.*?[])}]))?", rules)
    return [_read_rule(*parts) for parts in found]


def _read_rule(name, shape, kind, span):
    axes = None if "..." in shape else tuple(
        (int(axis) if axis.isdigit() else axis.rstrip("*?"), "*" not in axis)
        for axis in shape.replace(",", " ").split())
    numbers = tuple(map(float, span[1:-1].split(","))) if span else ()
    limits = (*numbers, span[0] == "[", span[-1] == "]") if span[:1] in "[(" and span \
        else ()
    return _Rule(name.replace("[]", "").rstrip("?"), name.endswith("?"), "[]" in name,
                 axes, "?" in shape or not shape, kind, limits,
                 () if limits else numbers, span)


def _checked_array(rule, value, known):
    dtype = known["dtype"]
    if type(value) is np.ndarray and value.dtype is dtype and not rule.range \
            and known.get(rule.axes) == value.shape and rule.kind in ("", "float") \
            and math.isfinite(np.vdot(value, value)):
        return value        # shortcut for the most frequent case: half of the time
    a = value if type(value) is np.ndarray else _converted(rule, value)
    if a.dtype is not dtype or rule.kind == "int":
        _check_type(rule, a, value)
    if rule.axes is not None and not (rule.number and a.ndim == 0):
        _match_axes(rule, a, value, known)
        known[rule.axes] = a.shape
    if rule.kind == "float" and dtype is None:
        known["dtype"] = dtype = a.dtype
    if rule.kind == "unread":
        return a
    if a.dtype is dtype or dtype is None or rule.kind == "int":
        cast = a
    elif a.ndim == 0 and abs(a.item()) < SAFE:
        cast = a.astype(dtype)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            cast = a.astype(dtype, copy=False)
    if not (a.dtype.kind == "b" and rule.values == (0, 1) or _in_range(rule, cast)):
        _refuse_entry(rule, a, cast)
    return cast


def _check_type(rule, a, value):
    if rule.kind == "float" and a.dtype not in FLOATS:
        wide = a.dtype.kind == "f" and a.itemsize > 4
        _refuse(rule, _described(a, value), "must be float32 or float64"
                + f", for example after .astype(np.float{64 if wide else 32})"
                * (a.dtype.kind in "fiu"))
    if rule.kind == "int":
        if a.dtype.kind not in "iu":
            _refuse(rule, _described(a, value), "must be an integer" if rule.axes == ()
                    else "must hold integers" + _label_advice(rule, a))
    elif a.dtype.kind not in "fiu" and (a.dtype.kind != "b" or a.ndim == 0):
        _refuse(rule, _described(a, value), "must be a real number" if rule.number
                else f"must be a real array {_axes_text(rule)}")


def _converted(rule, value):
    if isinstance(value, tuple) and hasattr(value, "_fields") and any(
            isinstance(field, np.ndarray) for field in value):
        _refuse(rule, f"is of type {type(value).__name__}",
                f"{_wanted_array(rule)}, so pass one of its fields")
    try:
        masked, a = _is_masked(value), np.asarray(value)
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        # The sentences of the first line that fit in 120 characters.
        reason = re.match(r"(?m).{,120}(?=\.\s|\.?$)", str(error))
        reason = f" ({reason[0].rstrip('.')})" if reason and reason[0] else ""
        raise ValueError(f"{rule.name} is of type {type(value).__name__} and no array"
                         f"{reason}: {_wanted_array(rule)}") from None
    if masked:
        _refuse(rule, "is a masked array", "must be a plain array, without masked "
                "entries")
    return a


def _is_masked(value):
    return isinstance(value, np.ma.MaskedArray) or isinstance(
        value, (list, tuple)) and any(map(_is_masked, value))


def _match_axes(rule, a, value, known):
    if a.ndim != len(rule.axes):
        _refuse(rule, f"has shape {a.shape}" if a.ndim else _described(a, value),
                _wanted_axes(rule) + _label_advice(rule, a) + _pair_advice(rule, value))
    for axis, ((letter, positive), size) in enumerate(zip(rule.axes, a.shape)):
        if type(letter) is int:
            if size != letter:
                _refuse(rule, f"has {_sized(size, letter)} (axis {axis})",
                        f"must have {letter}")
            continue
        if positive and size == 0:
            _refuse(rule, f"has {_sized(0, letter)} (axis {axis})",
                    "must have at least 1")
        if letter and letter != "_":
            first, other, where = known.setdefault(letter, (size, rule.name, axis))
            if first != size:
                _refuse(rule, f"has {_sized(size, letter)} (axis {axis}), {other} has "
                        f"{first} (axis {where})", "must be equal")


def _sized(size, letter):
    noun = NOUNS.get(letter, "entries")
    return f"{size} {noun}" if size != 1 else "1 entry" if noun == "entries" else \
        f"1 {noun[:-1]}"


def _in_range(rule, a):
    if a.ndim == 0:
        entry = a.item()
        return entry in rule.values if rule.values else _within(rule, entry, entry)
    if a.size == 0 or not rule.range and (
            a.dtype.kind != "f" or math.isfinite(np.vdot(a, a))):   # a quick test
        return True
    if rule.values:
        return bool(_within(rule, a, a).all())
    with np.errstate(invalid="ignore"):
        return bool(_within(rule, a.min(), a.max()))


def _within(rule, least, most):
    """Compare `least` and `most` with the range."""
    if rule.values:
        return np.logical_or.reduce([least == v for v in rule.values])
    low, high, with_low, with_high = rule.limits or (-math.inf, math.inf, False, False)
    return (low <= least if with_low else low < least) & (
        most <= high if with_high else most < high)


def _refuse_entry(rule, a, cast):
    with np.errstate(invalid="ignore"):
        index = tuple(map(int, np.argwhere(~np.asarray(_within(rule, cast, cast)))[0]))
    before, entry = a[index].item(), cast[index].item()
    place = f" at index {index}" * bool(index)
    kind = f" in {cast.dtype}" * bool(before != entry and before == before)
    if rule.kind != "int" and not math.isfinite(entry):
        found = f"overflows{kind}{place}" if kind else f"is {entry}{place}"
    elif index:
        found = f"is out of range{kind}{place}"
    else:
        found = f"is {before!r:.60}" + f" ({entry})" * bool(kind) + kind
    _refuse(rule, found, f"must be in {rule.range}" if rule.range else "must be finite")


def _refuse(rule, found, wanted):
    raise ValueError(f"{rule.name} {found}: {wanted}")


def _described(a, value):
    if value is None or isinstance(value, (str, bytes, bool, np.bool_, float, complex)):
        return f"is {value!r:.60}"
    if a.dtype == object:
        return "has dtype object" if a.ndim or value is a else \
            f"is of type {type(value).__name__}"
    return f"is {a.dtype}"


def _axes_text(rule):
    return "of any shape" if rule.axes is None else "({})".format(
        ", ".join(str(letter or "any") for letter, _ in rule.axes))


def _wanted_array(rule):
    return "must be a number" if rule.axes == () else \
        f"must be an array {_axes_text(rule)}"


def _wanted_axes(rule):
    if rule.axes == ():
        return "must be a number"
    if rule.number:
        return f"must be a number or an array {_axes_text(rule)}"
    count = len(rule.axes)
    return f"must have {count} {'axis' if count == 1 else 'axes'}, {_axes_text(rule)}"


def _label_advice(rule, a):
    if rule.name != "labels" or a.ndim == 0 or a.dtype.kind not in "fiub":
        return ""
    cast = ".astype(int)" * (a.dtype.kind == "f")
    if a.ndim == 2 and a.shape[1]:
        return ", for example labels" + (
            f".ravel(){cast}" if a.shape[1] == 1 else ".argmax(axis=1)")
    return f", for example after {cast}" if cast else ""


def _pair_advice(rule, value):
    """Return advice about a pair (f, f')."""
    return ", so pass the derivative, element 1 of the pair" if rule.name == "psi" \
        and isinstance(value, tuple) and len(value) == 2 else ""


def one_of(name, value, *allowed):
    """Check that a value is an allowed string or has an allowed type, and return
    this value.

    >>> one_of("reset", "zero", "subtract", "zero")
    'zero'
    """
    types = tuple(x for x in allowed if isinstance(x, type))
    if not (isinstance(value, types) or isinstance(value, str) and value in allowed):
        told = repr(value)[:60] if isinstance(value, (str, int, float, type(None))) \
            else f"of type {type(value).__name__}"
        names = [repr(x) if isinstance(x, str) else
                 "None" if x is type(None) else x.__name__ for x in allowed]
        raise ValueError(f"{name} is {told}: must be " + "one of " * (len(names) > 1)
                         + ", ".join(names) + ", for example np.random.default_rng(0)"
                         * (np.random.Generator in allowed))
    return value


def flags(names, *values):
    """Check that each value is a bool; `names` holds the argument names.

    >>> flags("through_reset constants", True, np.False_)
    """
    for name, value in zip(names.split(), values, strict=True):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} is {value!r:.60}: must be True or False")


def float_dtype(dtype):
    """Check that a dtype is float32 or float64, and return the NumPy dtype.

    >>> str(float_dtype("float32"))
    'float32'
    """
    for allowed in FLOATS:
        if isinstance(dtype, (str, type, np.dtype)) and allowed == dtype:
            return allowed
    raise ValueError(f"dtype is {dtype!r:.60}: must be float32 or float64")


def bundle(name, value, kind, dtype=None):
    """Convert the tuple `value` to the named-tuple class `kind`.  If `dtype` is
    given, check that all fields have this dtype.

    >>> class State(NamedTuple):
    ...     syn: np.ndarray
    >>> bundle("state", (np.ones(2),), State, np.dtype(float)).syn.tolist()
    [1.0, 1.0]
    """
    fields = kind._fields
    if not isinstance(value, tuple) or getattr(value, "_fields", fields) != fields \
            or len(value) != len(fields):
        raise ValueError(f"{name} is of type {type(value).__name__}: must be a "
                         f"{kind.__name__} ({', '.join(fields)})")
    for field, entry in zip(fields, value, strict=True):
        if dtype is not None and entry is not None:
            found = getattr(entry, "dtype", None) or np.asarray(entry).dtype
            if found != dtype:
                raise ValueError(f"{name}.{field} is {found}: must be {dtype}")
    return kind(*value)


def shown(value):
    """Return a text that describes a value.  The text shows the dtype and shape of
    an array, but not its entries.  Named tuples use this function as `__repr__`.
    At most eight entries of a list, tuple or dict are shown.

    >>> class State(NamedTuple):
    ...     syn: np.ndarray
    ...     step: int
    ...     __repr__ = shown
    >>> State(np.ones((2, 3)), 5)
    State(syn: float64 (2, 3), step: 5)
    """
    if hasattr(value, "dtype") and getattr(value, "ndim", 0):
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = zip(value._fields, value, strict=True)
        return type(value).__name__ + "({})".format(
            ", ".join(f"{name}: {shown(entry)}" for name, entry in fields))
    if type(value) not in (list, tuple, dict):
        return repr(value)
    parts = [f"{entry!r}: {shown(value[entry])}" if type(value) is dict
             else shown(entry) for entry in list(value)[:8]]
    parts += [f"... {len(value)} entries"] * (len(value) > 8)
    text = ", ".join(parts) + "," * (type(value) is tuple and len(value) == 1)
    return {list: "[{}]", tuple: "({})", dict: "{{{}}}"}[type(value)].format(text)


def lists(name, value, like=None, source=None):
    """Convert an array, or a list of arrays, to a list of float arrays.  The
    arrays must be finite and not empty.  If the argument `like`, a list of
    arrays, is given, array i must have the shape of `like[i]`, and is cast to
    the dtype of `like[i]`.  Error messages call `like` `source`.

    >>> [a.tolist() for a in lists("theta", [np.ones(1), np.zeros(2)])]
    [[1.0], [0.0, 0.0]]
    """
    several = isinstance(value, (list, tuple))
    given = list(value) if several else [value]
    as_source = f", as {source}" if source else ""
    if len(given) != (count := len(like or given) or 1):
        raise ValueError(f"{name} has {len(given)} arrays: must have {count}"
                         + as_source)
    found = []
    for i, (entry, model) in enumerate(zip(given, like or given, strict=True)):
        index = f"[{i}]" if several else ""
        a, = arrays(f"{name}{index} (...) float", entry, dtype=like and model.dtype)
        if a.size == 0:
            raise ValueError(f"{name}{index} has shape {a.shape}: must not be empty")
        if like and a.shape != model.shape:
            raise ValueError(f"{name}{index} has shape {a.shape}: must be {model.shape}"
                             f"{as_source}{index if source else ''}")
        found.append(a)
    return found


def unread(name, value, shape, *dtypes):
    """Check the shape and the dtype of an array without reading its entries.

    >>> unread("M", np.ones(2), (2,), np.float64).tolist()
    [1.0, 1.0]
    """
    a = value if type(value) is np.ndarray else _converted(
        _read_rule(name, "...", "", ""), value)
    if a.shape != shape or a.dtype not in dtypes:
        raise ValueError(f"{name} is {a.dtype} of shape {a.shape}: must be "
                         f"{np.dtype(dtypes[-1])} of shape {shape}")
    return a


def buffer(name, value, shape, dtype, others=()):
    """Return the output array `value`, or a new array if `value` is None.  An
    output array must be writeable and contiguous, and must not share memory
    with the arrays `others`.

    >>> buffer("out", None, (2, 3), np.float32).shape
    (2, 3)
    """
    if value is None:
        return np.empty(shape, dtype)
    unread(name, value, shape, dtype)
    if not isinstance(value, np.ndarray) or not value.flags.carray:
        raise ValueError(f"{name} is of type {type(value).__name__}: must be an array "
                         "that is writeable and C-contiguous")
    if any(np.may_share_memory(value, other) for other in others):
        raise ValueError(f"{name} shares memory with an argument: must be separate")
    return value
