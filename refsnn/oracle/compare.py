# refsnn 0.1.0 | oracle/compare.py | SPDX-License-Identifier: MIT | needs: numpy
"""Results against a golden vector, and which mistake a wrong one equals.

Float64 results are compared to 1e-9 of the largest entry, float32 ones to
1e-4, spikes and counts one by one, and exact ("dyadic") vectors with ==.

Silence proves nothing: a vector whose network is silent, whose gradient is
0 or one of whose wrong answers equals the right one is refused; results
that are 0 throughout are vacuous, not right.
"""

import itertools
from typing import NamedTuple

import numpy as np

__all__ = ["Finding", "alive", "array", "flaw", "judge", "same", "untold"]

RTOL = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}
COUNTED = ("spikes", "counts")      # compared one by one


class Finding(NamedTuple):
    """What became of an output: "right", "wrong", "vacuous" or "missing"."""

    vector: str
    output: str
    status: str
    text: str


def _differs(found, right, exact, rtol=1e-9):
    """Where two arrays of one shape differ."""
    return found != right if exact else ~(
        np.abs(found - right) <= rtol * np.abs(right).max(initial=0))


def same(found, right, exact, rtol=1e-9):
    """Whether two arrays are the same, shape and all.

    Parameters
    ----------
    found, right : array_like
        What is compared, and with what.
    exact : bool
        Whether every bit counts.
    rtol : float
        Or else the largest difference, over the largest entry of right.

    Returns
    -------
    bool
        True if they are.

    Examples
    --------
    >>> same([1.0, 2.0], [1.0, 2 + 1e-9], False), same([1.0], 1.0, False)
    (True, False)
    """
    return np.shape(found) == np.shape(right) and not np.any(
        _differs(np.asarray(found, float), np.asarray(right, float), exact, rtol))


def flaw(vector):
    """Why a vector proves nothing, or "": silence and zeros do not.

    Parameters
    ----------
    vector : Vector
        Of `conformance_spikes`.

    Returns
    -------
    str
        "silent", "never silent" or "dead", and of what; "" if it is alive.

    Examples
    --------
    >>> from refsnn.conformance_spikes import Vector
    >>> flaw(Vector("a", "", {}, {"dW": np.zeros(3)}, [], False))
    'dead: dW is 0 throughout'
    """
    arrays = vector.inputs | vector.outputs
    if "spikes" in arrays and not np.any(arrays["spikes"]):
        return "silent: spikes are 0 throughout"
    if "spikes" in arrays and np.all(arrays["spikes"]):
        return "never silent: spikes are 1 throughout"
    for name, value in vector.outputs.items():
        if not np.any(value):
            return f"dead: {name} is 0 throughout"
    return ""


def untold(vector):
    """Wrong answers that equal the right one, in float32.

    Parameters
    ----------
    vector : Vector
        Of `conformance_spikes`.

    Returns
    -------
    list of str
        Names of mutants.

    Examples
    --------
    >>> from refsnn.conformance_spikes import Mutant, Vector
    >>> same_again = Mutant("knob", "", {"dW": np.ones(3)})
    >>> untold(Vector("a", "", {}, {"dW": np.ones(3)}, [same_again], False))
    ['knob']
    """
    return [mutant.name for mutant in vector.mutants if all(
        same(value, vector.outputs[name], vector.exact or name in COUNTED, 1e-4)
        for name, value in mutant.outputs.items())]


def alive(vector):
    """The vector, unless it proves nothing.

    Parameters
    ----------
    vector : Vector
        Of `conformance_spikes`.

    Returns
    -------
    Vector
        The same.

    Raises
    ------
    ValueError
        If it is silent or dead, or a mutant equals the right answer.

    Examples
    --------
    >>> from refsnn.conformance_spikes import Vector
    >>> alive(Vector("a", "", {}, {"dW": np.zeros(3)}, [], False))
    Traceback (most recent call last):
        ...
    ValueError: vector a is dead: dW is 0 throughout: must be able to fail
    """
    why = flaw(vector)
    if not why and untold(vector):
        why = f"blind: mutants {untold(vector)} change nothing"
    if why:
        raise ValueError(f"vector {vector.name} is {why}: must be able to fail")
    return vector


def _guesses(right):
    """What any array may have suffered, by name."""
    if right.ndim == 2 and right.shape[0] == right.shape[1]:
        yield "transposed", right.T
    if right.ndim == 3:
        rest = np.zeros_like(right[:1])
        yield "one step late", np.concatenate([rest, right[:-1]])
        yield "one step early", np.concatenate([right[1:], rest])
        yield "time reversed", right[::-1]
        yield "batch before time", right.swapaxes(0, 1)
    if right.ndim > 1:
        yield "axes reversed", right.T
        yield "flattened", right.ravel()
    if 2 < right.ndim < 5:
        for axes in itertools.permutations(range(right.ndim)):
            yield f"with its axes in the order {axes}", right.transpose(axes)


def _cause(vector, name, found, given, rtol):
    """Which named mistake an output equals."""
    def equals(mutant, key, value):
        return same(value, mutant.outputs.get(key, vector.outputs[key]),
                    vector.exact or key in COUNTED, rtol)

    named = [m for m in vector.mutants if name in m.outputs and equals(m, name, found)]
    whole = [m for m in named if all(equals(m, *item) for item in given.items())]
    if named:
        return "; equals mutant: " + ", or: ".join(
            m.name + (f" (seen in {m.seen})" if m.seen else "")
            for m in (whole or named))
    right = np.asarray(vector.outputs[name], float)
    for words, guess in _guesses(right):
        if same(found, guess, False, rtol):
            return f"; equals the right one {words}"
    if found.shape == right.shape and np.any(right):
        factor = float(np.vdot(found, right) / np.vdot(right, right))
        told = right.size > 1 or any(abs(k - round(k)) < rtol for k in (factor, 1 / (
            factor or 1)))                  # of a single number, not any factor
        if factor and told and same(found, factor * right, False, rtol):
            return f"; equals the right one times {factor:.6g}"
    return ""


def array(value):
    """What is compared of a result, and how closely.

    Parameters
    ----------
    value : array_like
        A result.

    Returns
    -------
    found : float64 array or None
        None, if it cannot be compared.
    rtol : float or str
        Tolerance of its dtype, or else why not.

    Examples
    --------
    >>> array(np.float32(2))[1], array(np.float16(2))[1]
    (0.0001, 'is of dtype float16: must be float32 or float64')
    """
    found = np.asarray(value)
    if found.dtype.kind not in "fiub" or found.dtype == np.float16:
        return None, f"is of dtype {found.dtype}: must be float32 or float64"
    if not np.isfinite(found).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        return None, f"is {found[where]} at {where}: must be finite"
    return found.astype(float), RTOL.get(found.dtype, 1e-9)


def _compare(vector, name, found, given, rtol):
    """(status, text) of an output."""
    right = np.asarray(vector.outputs[name], float)
    found = found.reshape(()) if found.size == 1 and not right.ndim else found
    exact = vector.exact or name in COUNTED
    if same(found, right, exact, rtol):
        return "right", "exact" if exact else f"to {rtol:g} of the largest entry"
    cause = _cause(vector, name, found, given, rtol)
    if found.size and not found.any():
        return "vacuous", "0 throughout, which proves nothing" + cause
    if found.shape != right.shape:
        return "wrong", f"is of shape {found.shape}: must be {right.shape}{cause}"
    gap = np.abs(found - right)
    at = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
    bad = _differs(found, right, exact, rtol)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return "wrong", (f"{int(bad.sum())} of {bad.size} entries differ, first at "
                     f"{first}, most at {at}: yours {found[at]:.9g}, right "
                     f"{right[at]:.9g}{cause}")


def judge(vector, results):
    """What became of each output of a vector.

    Parameters
    ----------
    vector : Vector
        Of `conformance_spikes`.
    results : dict
        Output to array, of some of its outputs.

    Returns
    -------
    list of Finding
        One for each output.

    Examples
    --------
    >>> from refsnn.conformance_spikes import Vector
    >>> vector = Vector("a", "", {}, {"dW": np.arange(3.0)}, [], False)
    >>> judge(vector, {"dW": [0.0, 2.0, 4.0]})[0].text.partition("; ")[2]
    'equals the right one times 2'
    """
    arrays = {name: array(value) for name, value in results.items()}
    given = {name: found for name, (found, _) in arrays.items() if found is not None}
    findings = []
    for name in vector.outputs:
        if name not in arrays:
            status, text = "missing", "not given, not checked"
        elif arrays[name][0] is None:
            status, text = "wrong", arrays[name][1]
        else:
            found, rtol = arrays[name]
            status, text = _compare(vector, name, found, given, rtol)
        findings.append(Finding(vector.name, name, status, text))
    return findings
