"""Derive tests of arguments from one line for each public function.

A contract states, in the words of the docstring and not of the code, what a function
accepts.  Items are separated by commas:

    W (n, m) float          an array; (n?) is a number or an array, (n*) may be empty
    k () int in [1, 9]      a number; V? may be None
    c (T, n) in {0, 1}      the allowed values of all entries
    reset {subtract, zero}  a word
    constants bool          True or False
    rng generator           a numpy.random.Generator
    spike callable?         a function, here optional
    recording.mem (T, n)    a field of a bundle, passed as a tuple in this order
    weights[0] (n, m)       an entry of a list, also of a field: state.mean[0] (n, m)
    a (...) float           an array of any shape

`verify` makes valid arguments of random numbers, with a different size for each
letter, and derives calls that must be refused, calls that must be accepted, and
calls whose results must be equal.
"""

import inspect
import re
from typing import Any, NamedTuple

import numpy as np

ITEM = re.compile(r"([\w.\[\]]+)(\??)\s*(?:\(([^()]*)\))?\s*(float|int|bool|generator|"
                  r"callable\??)?\s*(?:in ([\[(][^\])]*[\])]|\{[^}]*\}))?\s*"
                  r"(\{[^}]*\})?\s*(?:,|$)")
SIZES = {"T": 5, "B": 2, "m": 3, "n": 4, "k": 6, "p": 7}
SHOWN = re.compile(r"array\(|\[\[|[a-zA-Z]\*|[a-zA-Z]\?[,)]")   # not in a message


class Item(NamedTuple):
    """Hold what a contract says of one argument, or of one field or entry."""
    name: str
    optional: bool
    axes: tuple         # letters or sizes as text; None where there are no axes
    kind: str           # "float", "int", "bool", "generator", "callable", "word" or ""
    span: tuple         # (low, high, includes low, includes high), or ()
    values: tuple       # allowed values or words, or ()
    number: bool        # may be a number in place of an array


class Contract(NamedTuple):
    """Hold a function, its items and the data from which a valid call is made."""
    function: Any
    items: list
    sizes: dict         # of the axes, by letter
    given: Any          # valid arguments: a dict, or a function that makes it
    unchecked: tuple    # names of items that are not varied
    needed: tuple       # names of optional items that other items need


def contract(function, text, sizes=None, given=None, unchecked=(), needed=(),
             **numbers):
    """Read the text of a contract; further sizes of axes are given by letter."""
    items = []
    for name, optional, axes, kind, span, words in ITEM.findall(" ".join(text.split())):
        optional = optional or kind[-1:] == "?"
        kind = kind.rstrip("?") or "word" * bool(words)
        ends = tuple(map(float, span[1:-1].split(","))) if span else ()
        values = ends if span[:1] == "{" else tuple(
            word.strip() for word in words[1:-1].split(",") if words)
        letters = None if axes == "..." or kind in (
            "word", "bool", "generator", "callable") else tuple(
            axis.strip().rstrip("?") for axis in axes.split(",") if axis.strip())
        items.append(Item(
            name, bool(optional), letters, kind,
            (*ends, span[0] == "[", span[-1] == "]") if span and not values else (),
            values, letters == () or "?" in axes))
    assert items, text
    return Contract(function, items, SIZES | (sizes or {}) | numbers, given, unchecked,
                    needed)


def shape(item, sizes):
    return (2, 3) if item.axes is None else tuple(
        int(a) if a.isdigit() else sizes[a.rstrip("*")] for a in item.axes)


def value(item, sizes, rng, dtype):
    """Draw a valid value of an item."""
    if item.kind == "word":
        return item.values[0]
    if item.kind == "bool":
        return True
    if item.kind == "generator":
        return np.random.default_rng(3)
    if item.kind == "callable":
        return None
    size = shape(item, sizes)
    low, high, *_ = item.span or (-1.0, 1.0)
    low, high = max(low, -1e3), min(high, max(low, 0) + 2)
    if item.values:
        a = rng.choice(item.values, size)
    elif item.kind == "int":
        a = rng.integers(int(np.ceil(low)), max(int(np.floor(high)), 1) + (
            not item.span), size)
    else:
        a = rng.uniform(low + 0.1 * (high - low), high - 0.1 * (high - low), size)
    if item.kind == "int":
        return int(a) if size == () else np.asarray(a, int)
    return float(a) if size == () else np.asarray(a, dtype)


def arguments(c, dtype=np.float64, sizes=None, module=None):
    """Return valid arguments by name; those of bundles and lists by their parts."""
    rng = np.random.default_rng(7)
    found = {item.name: value(item, c.sizes | (sizes or {}), rng, dtype)
             for item in c.items}
    if c.given:
        found |= c.given if isinstance(c.given, dict) else c.given(
            module or inspect.getmodule(c.function), np.random.default_rng(8), dtype,
            c.sizes | (sizes or {}))
    return found


def call(c, values, function=None):
    """Call the function; join the parts of bundles and lists."""
    joined = {}
    for name, v in values.items():
        head, *parts = re.findall(r"^\w+|\.\w+|\[\d+\]", name)
        place = joined
        for part in parts:
            place, head = place.setdefault(head, {}), part
        place[head] = v
    joined = {name: assembled(v) for name, v in joined.items()}
    f = function or c.function
    plain = [p for p in inspect.signature(f).parameters.values()
             if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)]
    head = [joined.pop(p.name) for p in plain if p.name in joined]
    return f(*head, **joined)


def assembled(v):
    """Return a tuple of parts named .field, or a list of parts named [0], [1]."""
    if not isinstance(v, dict) or not all(name[0] in ".[" for name in v):
        return v
    parts = [assembled(part) for part in v.values()]
    return tuple(parts) if next(iter(v))[0] == "." else parts


def leaves(result):
    """Return all arrays and numbers of a nested result, in order."""
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in leaves(part)]
    if isinstance(result, dict):
        return [leaf for part in result.values() for leaf in leaves(part)]
    if isinstance(result, slice):
        return leaves((result.start, result.stop, result.step))
    return [] if result is None or callable(result) or isinstance(result, str) \
        else [np.asarray(result.toarray() if hasattr(result, "toarray") else result)]


def same(a, b):
    a, b = leaves(a), leaves(b)
    return len(a) == len(b) and all(
        x.shape == y.shape and x.dtype == y.dtype and np.allclose(
            x, y, rtol=1e-9 if x.dtype != np.float32 else 1e-4, atol=1e-12,
            equal_nan=True) for x, y in zip(a, b, strict=True))


def bad_values(item, good, shared):
    """Yield (what, value) that a function must refuse for one item."""
    yield from [("None", None)] * (not item.optional)
    if item.kind == "word":
        yield from (("unknown word", "nonesuch"), ("number", 1), ("list", [good]))
        return
    if item.kind in ("bool", "generator", "callable"):
        yield from (("text", "no"), ("number", 3.5))
        yield from [("seed", 0)] * (item.kind == "generator")
        return
    yield from (("text", "x"), ("dict", {"a": 1}), ("complex", np.add(good, 1j)))
    a = np.asarray(good)
    yield "masked", np.ma.masked_array(a, mask=np.zeros(a.shape, bool))
    yield from [("a bool", True)] * item.number
    if item.axes is not None:
        yield "another axis", a[..., None]
        if a.ndim and not item.number:
            yield "an axis less", a[0]
        for axis in range(a.ndim) if a.size else ():
            longer = np.concatenate([a, a.take([0], axis)], axis)
            if item.axes[axis].isdigit() or item.axes[axis].rstrip("*") in shared:
                yield f"axis {axis} longer", longer
            if "*" not in item.axes[axis]:
                yield f"axis {axis} empty", a.take([], axis)
    if item.kind == "float" and a.ndim:
        yield from (("integers", np.ones(a.shape, int)), ("float16", a.astype("f2")))
    if item.kind == "int":
        yield "fractions", np.add(good, 0.5)
        yield "bools", np.ones(a.shape, bool)
    for what, entry in outside(item):
        if a.ndim == 0:
            yield what, entry
        elif a.size:
            other = a.astype(np.result_type(a, np.asarray(entry)))
            other[(-1,) * a.ndim] = entry
            yield what, other


def outside(item):
    """Yield (what, number) beyond each end of a range; NaN and infinity."""
    low, high, with_low, with_high = item.span or (-np.inf, np.inf, False, False)
    if item.kind != "int":
        yield "NaN", np.nan
        yield from [("infinity", np.inf)] * (not (with_high and high == np.inf))
        yield from [("-infinity", -np.inf)] * (not (with_low and low == -np.inf))
    if item.values:
        low, high = sorted(item.values)[:2]
        above = 1000 if item.kind == "int" else 1e3
        yield from (("between values", (low + high) / 2), ("above", above))
        return
    step = 1 if item.kind == "int" else 1e-3
    if np.isfinite(low):
        yield "low end", type(step)(low) - step * with_low
    if np.isfinite(high):
        yield "high end", type(step)(high) + step * with_high


def complaint(c, values, name, what, bad):
    """Call with one bad value; return a text if it is not refused by name."""
    try:
        call(c, values | {name: bad})
    except ValueError as error:
        head = re.split(r"[.\[]", name)[0]
        text = str(error)
        if not re.search(rf"(?<!\w){re.escape(head)}\b", text):
            return f"{name}, {what}: the message names another argument: {text}"
        if SHOWN.search(text):
            return f"{name}, {what}: the message shows notation or contents: {text}"
        return ""
    except Exception as error:
        return f"{name}, {what}: must raise a ValueError, and raises {error!r}"
    return f"{name}, {what}: must raise a ValueError, and is accepted"


def variants(item, good):
    """Yield (what, value) that must give the same result as `good`."""
    a = np.asarray(good)
    if item.kind in ("word", "bool", "generator", "callable") or a.ndim == 0 \
            or item.axes is None:
        return
    fixed = a.copy()
    fixed.flags.writeable = False
    wide = np.repeat(a, 2, axis=-1)[..., ::2]
    yield from (("read-only", fixed), ("strided", wide),
                ("Fortran order", np.asfortranarray(a)), ("list", a.tolist()))
    if item.kind != "float" and a.dtype.kind == "f" and set(item.values) == {0, 1}:
        yield from (("bools", a > 0), ("integers", a.astype(int)))


def accepted(item):
    """Yield (what, number) at each closed end of a finite range, and inside, or each
    allowed number."""
    if item.values:
        yield from ((f"{v}", int(v) if item.kind == "int" else v) for v in item.values)
        return
    low, high, with_low, with_high = item.span or (0, 2, False, False)
    number = int if item.kind == "int" else float
    middle = (low + high) / 2 if high < np.inf else low + 1
    yield "a number", number(middle)
    if with_low and abs(low) < 1e6:
        yield "low end", number(low)
    if with_high and abs(high) < 1e3:
        yield "high end", number(high)


def complaints(c):
    """Yield complaints about a function that does not keep its contract."""
    values = arguments(c)
    base = call(c, values)
    assert leaves(base) or base is None or callable(base), "nothing is returned"
    letters = [a.rstrip("*") for item in c.items for a in item.axes or ()]
    shared = {a for a in letters if letters.count(a) > 1}
    for item in c.items:
        good = values[item.name]
        if item.name in c.unchecked:
            continue
        for what, bad in bad_values(item, good, shared):
            if good is not None or what in ("text", "number"):
                yield complaint(c, arguments(c), item.name, what, bad)
        other = {a for one in c.items if one is not item for a in one.axes or ()}
        square = [a in other and not a.isdigit() and item.axes.count(a) > 1
                  for a in item.axes or ()]
        if any(square) and good is not None:
            yield complaint(c, arguments(c), item.name, "larger matrices", np.pad(
                good, [(0, int(more)) for more in square], mode="edge"))
        if item.optional and item.name not in c.needed:
            yield attempt(c, {item.name: None}, f"{item.name} is None")
        for what, other in variants(item, good) if good is not None else ():
            yield attempt(c, {item.name: other}, f"{item.name}, {what}", base)
        for what, end in accepted(item) if item.number else ():
            yield attempt(c, {item.name: end}, f"{item.name}, {what}")
    yield from untouched(c)
    for a in leaves(call(c, arguments(c, np.float32))):
        if a.dtype == np.float64 and a.ndim:
            yield "float32: a result is float64"
    one = {a: 1 for a in letters if not a.isdigit()}
    none = {a.rstrip("*"): 0 for item in c.items for a in item.axes or () if "*" in a}
    for sizes in (one, one | none):
        yield attempt(c, arguments(c, sizes=sizes), f"sizes {sizes}")


def attempt(c, changes, what, expected=None):
    """Return a complaint about a call that fails, or whose result differs."""
    try:
        found = call(c, arguments(c) | changes)
    except Exception as error:
        return f"{what}: {type(error).__name__}: {error}"
    return f"{what}: another result" if expected is not None \
        and not same(found, expected) else ""


def untouched(c):
    """Yield complaints about arguments that a call modifies."""
    values, before = arguments(c), arguments(c)
    call(c, values)
    for name, a in before.items():
        if isinstance(a, np.ndarray) and not np.array_equal(values[name], a,
                                                            equal_nan=True):
            yield f"{name} was modified"


def verify(c):
    """Return all complaints."""
    return [complaint for complaint in complaints(c) if complaint]
