# refsnn 0.1.0 | oracle/exchange.py | SPDX-License-Identifier: MIT | needs: numpy
"""Read arrays from JSON text, and write reports as JSON text.

JSON files of golden vectors and of results hold each array as an object
with the fields `dtype`, `shape` and `data`.  A report is a dict with the
results of `python -m refsnn COMMAND`, see `vectors/report_schema.json`.
"""

import json
import math

import numpy as np

import refsnn
from refsnn.oracle import stored

__all__ = ["arrays", "identify_report", "line", "parse", "report"]

DTYPES = "float64", "float32", "int64"
FIELDS = {"dtype", "shape", "data"}
AXES = 8                # largest number of axes


def parse(text):
    """Parse a JSON object, which may contain NaN and Infinity.

    >>> parse('{"id": 1}'), parse("[1]")
    Traceback (most recent call last):
    ValueError: is a list: must be a JSON object
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}: must be a JSON object") from None
    if not isinstance(found, dict):
        raise ValueError(f"is a {type(found).__name__}: must be a JSON object")
    return found


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name exists twice")
    return found


def arrays(contents, texts=()):
    """Return the arrays of a JSON object.  Fields in `texts` may be strings.

    >>> arrays({"W": {"dtype": "float64", "shape": [2], "data": [1, 2]}})
    {'W': array([1., 2.])}
    >>> arrays({"W": [1, 2]})
    Traceback (most recent call last):
    ValueError: 'W' is a list: must be an object with dtype, shape and data
    """
    return {name: np.array(row) if name in texts and isinstance(row, str) else
            _array(row, f"{name!r:.60}") for name, row in contents.items()}


def _array(row, name):
    if not isinstance(row, dict) or row.keys() != FIELDS:
        told = f"has the fields {sorted(row)!s:.60}" if isinstance(row, dict) else \
            f"is a {type(row).__name__}"
        raise ValueError(f"{name} {told}: must be an object with dtype, shape and data")
    dtype, shape, data = row["dtype"], row["shape"], row["data"]
    if dtype not in DTYPES:
        raise ValueError(f"{name} is of dtype {dtype!r:.60}: must be one of {DTYPES}")
    if not isinstance(shape, list) or len(shape) > AXES or not all(
            type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"{name} has the shape {shape!r:.60}: must be a list of at "
                         f"most {AXES} sizes")
    kinds = (int,) if dtype == "int64" else (int, float)
    if not isinstance(data, list) or not all(type(value) in kinds for value in data):
        raise ValueError(f"{name} has other data than a list of numbers: must be "
                         f"numbers of dtype {dtype}")
    if len(data) != math.prod(shape):
        raise ValueError(f"{name} has {len(data)} numbers: must have "
                         f"{math.prod(shape)} for the shape {shape}")
    try:
        with np.errstate(over="ignore"):
            return np.array(data, dtype).reshape(shape)
    except OverflowError:
        raise ValueError(f"{name} holds a number that is too large: must fit "
                         f"{dtype}") from None


def line(contents):
    """Return JSON text in one line.

    >>> line({"shape": [2, 3]})
    '{"shape": [2,3]}'
    """
    return json.dumps(contents, separators=(",", ": "), allow_nan=False)


def report(command, passed, contents):
    """Return the report of a command, with version numbers and results.

    >>> report("check", True, {"findings": []})["command"]
    'check'
    """
    return {"format": stored.FORMAT, "command": command, "refsnn": refsnn.__version__,
            "vectors": stored.catalogue()["version"], "passed": passed} | contents


def identify_report(found):
    """Return the report of `identify`.

    >>> from refsnn.oracle.identify import Report
    >>> identify_report(Report([], {}, None, None, ("no spike",)))["passed"]
    False
    """
    return report("identify", bool(found.members), {
        "lines": list(found.lines),
        "presets": [{"preset": c.preset, "changes": dict(c.changes)}
                    for c in found.members], "settled": found.settled,
        "open": {axis: {"choices": list(choices), "probe": probe or ""}
                 for axis, (choices, probe) in found.open.items()}})
