# refsnn 0.1.0 | oracle/matching.py | SPDX-License-Identifier: MIT | needs: numpy
"""Compare the results of a program with the correct results.

A golden vector is a test problem with its correct results, see `oracle`.
The docstring of `check` states the tolerances.
"""

from typing import NamedTuple

import numpy as np

from refsnn.oracle import stored
from refsnn.oracle.locate import locate

__all__ = ["Judged", "counts", "flaw", "group", "judge", "mistakes", "place",
           "recognised", "unseen"]

FINE = 1e-9        # tolerance of float64 results, far above rounding errors
RTOL = {np.dtype(np.float64): FINE, np.dtype(np.float32): 1e-4}
COUNTED = ("spikes", "spikes2", "counts")       # rounded, then compared exactly
VISIBLE = 1e-4      # smallest change that float32 results show, of the largest entry
HALVES = np.float16, np.float32     # dtypes whose counts have the precision of float32
SLACK = 4           # rounding errors of a count, such as h + f - f, that are removed


class Judged(NamedTuple):
    """A judged result."""
    found: object       # float64 array, or None if the result is invalid
    rtol: float         # relative tolerance for the dtype of the result
    right: bool
    why: str            # reason why the result is invalid, or ""


def group(results, known):
    """Group results {"VECTOR.OUTPUT": array} by golden vector.

    >>> known = stored.load(["bptt"])
    >>> group({"bptt.dW": 0}, known)
    {'bptt': {'dW': 0}}

    If the results for a test problem contain a float32 array, all float64
    scalars among the results for the same problem are rounded to float32.
    """
    if not isinstance(results, dict) or not results:
        raise ValueError(f"results is {results!r:.60}: must be a nonempty dict")
    grouped = {}
    for key, value in results.items():
        parts = value if isinstance(value, (list, tuple)) else [value]
        if any(isinstance(part, np.ma.MaskedArray) for part in parts):
            raise ValueError(f"{key} is a masked array: must be a plain array, for "
                             "example after .filled(0)")
    for key, value in results.items():
        name, _, output = str(key).rpartition(".")
        if name not in known or output not in known[name].outputs:
            told = f"outputs are {sorted(known[name].outputs)}" if name in known else \
                stored._nearest(name or str(key), {*known, *stored.names()})
            raise ValueError(f"results hold {key!r:.60}: must be VECTOR.OUTPUT, {told}")
        grouped.setdefault(name, {})[output] = value
    for given in grouped.values():
        if any(str(getattr(value, "dtype", "")).endswith("float32")
               for value in given.values()):
            given |= {output: np.float32(value) for output, value in given.items()
                      if isinstance(value, float) or np.shape(value) == ()
                      and getattr(value, "dtype", None) == np.float64}
    return grouped


def flaw(vector):
    """Return a message if an array of spikes is 0 everywhere or 1 everywhere,
    or if an output is 0 everywhere.  Otherwise, return "".

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> flaw(vector), flaw(vector._replace(outputs={"dW": np.zeros((2, 2))}))
    ('', 'dead: dW is 0 throughout')
    """
    for arrays in (vector.inputs, vector.outputs):
        for name in {"spikes", "spikes2"} & arrays.keys():
            if not np.any(arrays[name]):
                return f"silent: {name} are 0 throughout"
            if np.all(arrays[name]):
                return f"never silent: {name} are 1 throughout"
    for name, value in vector.outputs.items():
        if not np.any(value):
            return f"dead: {name} is 0 throughout"
    return ""


def unseen(vector):
    """Return the names of the known programming mistakes that hardly change the
    outputs of the test problem `vector`.

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> outputs = vector.outputs | vector.mutants[0].outputs
    >>> unseen(vector), unseen(vector._replace(outputs=outputs))
    ([], ['reset detached'])
    """
    return [mutant.name for mutant in vector.mutants if all(
        _same(value, vector.outputs[name], vector.exact or name in COUNTED, VISIBLE)
        for name, value in mutant.outputs.items())]


def _alive(vector):
    why = flaw(vector)
    if not why and unseen(vector):
        why = f"blind to the mistakes {unseen(vector)}"
    if why:
        raise ValueError(f"vector {vector.name} is {why}: must reject wrong results")
    return vector


def judge(vector, name, value):
    """Compare one result of a program with the correct output.

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> judge(vector, "dW", vector.outputs["dW"])[1:]
    (1e-09, True, '')
    >>> judge(vector, "dW", None).why
    'is of dtype object: must be float32 or float64'
    """
    found, rtol = _given(vector, name, value)
    if found is None:
        return Judged(None, 0.0, False, rtol)
    return Judged(found, rtol, _equal(vector, name, found, vector.outputs[name], rtol),
                  "")


def mistakes(vector, results):
    """Return descriptions of all known mistakes that would cause `results`.
    The description of a mistake can name a public program with this mistake.

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> name, = mistakes(vector, vector.mutants[0].outputs)
    >>> name.partition(" (")[0]
    'reset detached'
    """
    return [m.name + f" (seen in {m.seen})" * bool(m.seen) + _untold(vector, m, results)
            for m in recognised(vector, results)]


def recognised(vector, results):
    """Return a list of all known mistakes that would cause `results`.
    Each known mistake is an object of the class `Mutant`.

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> [m.id for m in recognised(vector, vector.mutants[0].outputs)]
    ['bptt/reset-detached']
    """
    given = {name: _given(vector, name, value) for name, value in results.items()}
    if any(found is None for found, _ in given.values()):
        return []
    return [m for m in vector.mutants if all(
        _equal(vector, name, found, m.outputs.get(name, vector.outputs[name]), rtol)
        for name, (found, rtol) in given.items())]


def _untold(vector, mutant, given):
    """Return a note that lists missing results."""
    names = [name for name, value in mutant.outputs.items()
             if name not in given and not _backward(name)
             and not _equal(vector, name, value, vector.outputs[name], FINE)]
    verb = "are" if len(names) > 1 else "is"
    return f" (only if {', '.join(names)}, not given, {verb} wrong too)" * bool(names)


def place(vector, name, judged, rounding=True):
    """Return a `Place` that tells where and how a program's result is wrong.

    >>> vector = stored.load(["bptt"])["bptt"]
    >>> half = judge(vector, "dW", vector.outputs["dW"] / 2)
    >>> place(vector, "dW", half).factor
    0.5
    """
    return locate(judged.found, vector.outputs[name], backward=_backward(name),
                  rounding=rounding, **_context(vector, name, judged.rtol))


def counts(values, array):
    """Remove rounding errors from spike counts that were summed as floats.
    The argument `array` is a float64 copy of the program's output `values`.
    The dtype of `values` determines how large a rounding error can be.

    >>> counts(np.float32([1]), np.array([1 + 1e-7, 1.5])).tolist()
    [1.0, 1.5]
    """
    single = np.asarray(values).dtype in HALVES
    whole = np.rint(array)
    near = np.abs(array - whole) <= SLACK * (2.0 ** -23 if single else 2.0 ** -52) \
        * np.maximum(whole, 1)
    return np.where(near, whole, array)


def _same(found, right, exact, rtol=FINE):
    found, right = np.asarray(found, float), np.asarray(right, float)
    return found.shape == right.shape and bool(np.all(
        found == right if exact else
        np.abs(found - right) <= rtol * np.abs(right).max(initial=0)))


def _comparable(value):
    """Return the float64 result and the tolerance."""
    try:
        found = np.asarray(value)
    except Exception as error:          # tensors raise errors of many kinds
        return None, f"is not an array: {' '.join(str(error).split()):.100}"
    if found.dtype.kind not in "fiub" or found.dtype == np.float16:
        return None, f"is of dtype {found.dtype}: must be float32 or float64"
    with np.errstate(over="ignore"):    # extended precision may overflow
        found, rtol = found.astype(float), RTOL.get(found.dtype, FINE)
    if not np.isfinite(found).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        return None, f"is {found[where]} at {where}: must be finite"
    return found, rtol


def _given(vector, name, value):
    """Apply `_comparable` and remove rounding from counts."""
    half = name in COUNTED and getattr(value, "dtype", None) == np.float16
    found, rtol = _comparable(np.float32(value) if half else value)
    if found is not None and name in COUNTED and not vector.exact:
        found = counts(value, found)
    if found is not None and found.size == 1 and not np.ndim(vector.outputs[name]):
        found = found.reshape(())
    return found, rtol


def _equal(vector, name, found, other, rtol):
    return _same(found, other, vector.exact or name in COUNTED, rtol)


def _context(vector, name, rtol):
    """Return the keyword arguments of `locate`."""
    right, values = vector.outputs[name], vector.inputs | vector.outputs
    T, B, _ = max((np.shape(a) for a in values.values() if np.ndim(a) == 3),
                  default=(0, 0, 0))
    axes = {1: ("entry",), 2: ("row", "column")}.get(np.ndim(right), ())
    if np.ndim(right) == 3 and len(right) == T:
        axes = "step", "sample", "input" if name == "dx" else "neuron"
    x, labels = (vector.inputs.get(key, ()) for key in ("x", "labels"))
    sizes = {"T": T, "B": B or (len(x) if np.ndim(x) > 1 else np.size(labels)),
             "n": np.shape(right)[2] if "neuron" in axes else 0}
    sizes = {name: size for name, size in sizes.items() if size}
    if np.ndim(vector.inputs.get("W")) == 2:
        sizes["n"], sizes["m"] = vector.inputs["W"].shape
    if np.ndim(vector.inputs.get("V")) == 2:    # because W may hold n rows per gate
        sizes["n"] = vector.inputs["V"].shape[1]
    sizes |= {key: np.asarray(a).item() for key, a in vector.inputs.items()
              if np.ndim(a) == 0}
    return {"rtol": 0 if vector.exact or name in COUNTED else rtol, "axes": axes,
            "sizes": sizes}


def _backward(name):
    return name.startswith("d") and name != "direct"
