# refsnn 0.1.0 | oracle/check.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module checks results against golden vectors and names known mistakes.

`check` needs only the results, not the code that computed the results.
For each wrong output, `check` reports where and how the output differs
from the correct output (see `locate`).  If a golden vector has outputs of
both passes, `check` reports whether the forward pass, the loss or the
backward pass is at fault, or only the layout or the dtype of results.  A
known mistake is named only if it reproduces all given outputs of the
golden vector.

The tolerance, relative to the largest correct value, is 1e-9 for float64
results and 1e-4 for float32 results.  Spikes and counts must be equal to
the correct values.  In exact golden vectors, all outputs must be equal to
the correct values.  All-zero results are rejected, and so are results that
ignore an option.  A golden vector is rejected if its spikes are constant,
if an output is all zero, or if a known mistake changes no output.  In
golden vectors except `lif_wide`, each neuron spikes in some steps and is
silent in others.  Each entry of an input affects an output, unless the
field `idle` marks this entry.
"""

import re
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle import arguments, stored
from refsnn.oracle.elimination import AXES
from refsnn.oracle.identify import identify
from refsnn.oracle.locate import locate
from refsnn.oracle.report import _changes, _cost, _described, _difference, _step, _words

__all__ = ["Finding", "check", "vectors"]

RTOL = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}
COUNTED = ("spikes", "spikes2", "counts")       # rounded, then compared exactly
KNOBS = (       # two golden vectors of equal inputs, the option that differs, a source
    ("bptt", "bptt_detached", "detaching the reset", "norse lif_step"),
    ("bptt_dyadic", "bptt_dyadic_detached", "detaching the reset", "norse lif_step"),
    ("rtrl", "rtrl_block", "the choice of terms", "chaobrain/braintrace#141"),
    ("rtrl", "rtrl_implicit", "the recurrence", "chaobrain/braintrace#141"),
    ("rtrl_block", "rtrl_implicit", "the diagonal of V", "chaobrain/braintrace#141"),
    ("ntt_at_masked", "ntt_through_mask", "the mask in the kernel",
     "fmi-basel/neural-tangent-transfer#3"),
    ("si_pathint", "si_paper", "the clamp", "ContinualAI/avalanche#734"),
    ("si_paper", "si_vandeven", "the penalty in the gradient",
     "GMvandeVen/continual-learning#14"),
    ("eprop", "eprop_reset", "the reset in the traces", "IGITUGraz EligALIF"),
    ("tbptt_rolling", "tbptt_chunks", "the kind of truncation", "snntorch TBPTT"))
LAYOUT = (r"equals the right output (transposed|with its axes (reversed|in the order "
          r"\([0-9, ]*\))|batch before time|flattened|reshaped)(, (flattened|reshaped)"
          r")?(;|$)")
LAYER = ("spikes", "mem", "syn")       # what `identify` accepts
FORWARD = ("spikes", "mem", "syn", "spikes2", "mem2", "out", "h", "times", "outputs",
           "counts", "mem_sum")


class Finding(NamedTuple):
    """Hold the status of one output, and the reason for this status as text.
    If `output` is "", the text summarises the wrong outputs of a golden
    vector."""
    vector: str
    output: str
    status: str         # "right", "wrong", "vacuous" or "missing"; "fault" in a summary
    text: str


def vectors(names=None):
    """Return stored golden vectors; check that they detect all known mistakes.

    >>> vector = vectors(["si_paper"])["si_paper"]
    >>> sorted(vector.outputs), len(vector.mutants) > 5
    (['dpenalty', 'importance', 'path_integral', 'penalty'], True)

    Parameters
    ----------
    names : list of str, optional
        As for `stored.load`.

    Returns
    -------
    dict
        As for `stored.load`.
    """
    return {name: _alive(vector) for name, vector in stored.load(names).items()}


def check(results, known=None):
    """Compare results with the golden vectors.

    >>> vector = vectors(["bptt"])["bptt"]
    >>> check({"bptt.dV": vector.outputs["dV"]})[-1].status
    'right'
    >>> wrong = check({"bptt.dV": vector.mutants[0].outputs["dV"]})[-1].text
    >>> wrong.partition("equals ")[2].partition(" (")[0]
    'known mistake: reset detached'

    Parameters
    ----------
    results : dict
        Arrays with keys "VECTOR.OUTPUT", for outputs of golden vectors.
    known : dict, optional
        The `Vector` for each name; by default, the result of `vectors`.

    Returns
    -------
    list of Finding
        One finding for each output of each golden vector in the results, a
        summary of each golden vector with a wrong output, and one finding
        for each output on which an option has no effect.
    """
    grouped, known = _grouped(results, known)
    findings = []
    for name, given in grouped.items():
        found = _judge(_alive(known[name]), given)
        findings += found + _summary(known[name], given, found)
    for one, other, knob, seen in KNOBS:
        for output in sorted(set(grouped.get(one, {})) & set(grouped.get(other, {}))):
            a, b = (_comparable(grouped[name][output])[0] for name in (one, other))
            right = [known[name].outputs[output] for name in (one, other)]
            if a is not None and _same(a, b, False) and not _same(*right, False):
                bad, equal = (one, other) if _same(b, right[1], False) else (other, one)
                findings.append(Finding(bad, output, "vacuous", (
                    f"equals your {equal}.{output}: {knob} changes nothing "
                    f"(seen in {seen})")))
    return findings


def _grouped(results, known):
    """Group results by golden vector; return the groups and the golden vectors."""
    if not isinstance(results, dict) or not results:
        raise ValueError(f"results is {results!r:.60}: must be a nonempty dict")
    if known is None:
        wanted = {str(key).rpartition(".")[0] for key in results}
        known = vectors([name for name in stored.names() if name in wanted])
    grouped = {}
    for key, value in results.items():
        name, _, output = str(key).rpartition(".")
        if name not in known or output not in known[name].outputs:
            kind, names = ("outputs", known[name].outputs) if name in known else (
                "vectors", known or stored.names())
            raise ValueError(f"results hold {key!r}: must be VECTOR.OUTPUT, {kind} are "
                             f"{sorted(names)}")
        grouped.setdefault(name, {})[output] = value
    for given in grouped.values():
        if any(str(getattr(value, "dtype", "")).endswith("float32")
               for value in given.values()):
            given |= {output: np.float32(value) for output, value in given.items()
                      if isinstance(value, float) or np.shape(value) == ()
                      and getattr(value, "dtype", None) == np.float64}
    return grouped, known


def _convention(vector, results, wrong):
    """Describe the convention that the results follow, or the nearest one,
    relative to the right layer if few axes differ.  Return "" if no wrong
    result can be used, or if `identify` raises an error, for example because
    the time constants differ between neurons."""
    p, rows = vector.inputs, {}
    for name in [name for name in LAYER if name in results]:
        row = _comparable(results[name])[0]
        if row is not None and row.any() and row.shape == vector.outputs[name].shape:
            rows[name] = row
    if not set(rows) & set(wrong):
        return ""
    try:
        report = identify(p["x"], p["W"], rows, p["V"], tau_syn=p["tau_syn"],
                          tau_mem=p["tau_mem"], dt=p["dt"], threshold=p["threshold"])
    except ValueError:                  # such as negative spikes
        return ""
    right = {"the right layer": conventions.Step(gain="leak")}     # p["gain"]
    near = [_described(_step(c, conventions.PRESETS), right, AXES)
            for c in (*report.members, report.nearest) if c is not None]
    if report.members:
        best = min(near, key=lambda c: _cost(_changes(c)))
        words = f"; as {_words(best)}" * (len(_changes(best)) <= 3)
        tool = f"; {report.lines[0]}"       # a preset, or many changes of one
        return tool * (report.members[0].axis is None or not words) + words
    told = f"; {report.lines[0]}"
    if rows.keys() == {"spikes"}:           # many conventions are equally near
        return told
    return told + "".join(f"; {line}" for line in (
        [_difference(near[0], report.parting)] if near else report.lines[1:2]))


# ---- one golden vector

def _differs(found, right, exact, rtol=1e-9):
    """Mark wrong entries.  The tolerance is `rtol` times the largest right
    entry, or 0 if `exact` is True."""
    return found != right if exact else ~(
        np.abs(found - right) <= rtol * np.abs(right).max(initial=0))


def _same(found, right, exact, rtol=1e-9):
    """Return whether two arrays have equal shapes, and equal entries within
    the tolerance of `_differs`."""
    return np.shape(found) == np.shape(right) and not np.any(
        _differs(np.asarray(found, float), np.asarray(right, float), exact, rtol))


def _flaw(vector):
    """Return a message if spikes are constant or an output is all zero, else ""."""
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


def _unseen(vector):
    """Return the names of mistakes that change no output by more than 1e-4 of
    its largest entry.  If outputs are compared exactly, every change
    counts."""
    return [mutant.name for mutant in vector.mutants if all(
        _same(value, vector.outputs[name], vector.exact or name in COUNTED, 1e-4)
        for name, value in mutant.outputs.items())]


def _alive(vector):
    """Return a golden vector unchanged.  Raise an error if spikes are
    constant, if an output is all zero, or if a known mistake changes no
    output."""
    why = _flaw(vector)
    if not why and _unseen(vector):
        why = f"blind to the mistakes {_unseen(vector)}"
    if why:
        raise ValueError(f"vector {vector.name} is {why}: must be able to fail")
    return vector


def _comparable(value):
    """Return a result in float64 and its relative tolerance.  For an invalid
    result, return None and an error message."""
    try:
        found = np.asarray(value)
    except Exception as error:          # tensors raise errors of many kinds
        return None, f"is not an array: {' '.join(str(error).split()):.100}"
    if found.dtype.kind not in "fiub" or found.dtype == np.float16:
        return None, f"is of dtype {found.dtype}: must be float32 or float64"
    with np.errstate(over="ignore"):    # extended precision may overflow
        found, rtol = found.astype(float), RTOL.get(found.dtype, 1e-9)
    if not np.isfinite(found).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        return None, f"is {found[where]} at {where}: must be finite"
    return found, rtol


def _judge(vector, results):
    """Compare results with a golden vector; return a finding for each output.
    Rounding is tested as an explanation only if no known mistake explains the
    results."""
    rounding = not _mistakes(vector, results)
    return [Finding(vector.name, name, *(
        _verdict(vector, name, results[name], rounding) if name in results else (
            "missing", "not given, not checked"))) for name in vector.outputs]


def _verdict(vector, name, value, rounding):
    """Return the status of one output, and a text that explains the status."""
    found, rtol = _given(vector, name, value)
    if found is None:
        dtype = str(getattr(value, "dtype", ""))
        near = dtype in ("float16", "bfloat16") and _place(
            vector, name, np.asarray(value, float), 1e-9, True).dtypes
        return "wrong", rtol + "; the error has the size of rounding" * bool(near)
    if _equal(vector, name, found, vector.outputs[name], rtol):
        return "right", "exact" if vector.exact or name in COUNTED else (
            f"to {rtol:g} of the largest entry")
    if found.size and not found.any():
        return "vacuous", "0 throughout, which proves nothing"
    return "wrong", _place(vector, name, found, rtol, rounding).text


def _given(vector, name, value):
    """Call `_comparable`; accept counts in float16 and remove their rounding
    errors.  Reshape a single entry to () if the output is a scalar."""
    half = name in COUNTED and getattr(value, "dtype", None) == np.float16
    found, rtol = _comparable(np.float32(value) if half else value)
    if found is not None and name in COUNTED and not vector.exact:
        found = arguments._counts(value, found)
    if found is not None and found.size == 1 and not np.ndim(vector.outputs[name]):
        found = found.reshape(())
    return found, rtol


def _equal(vector, name, found, other, rtol):
    """Return whether two values of the output `name` agree within the
    tolerance `rtol`, or exactly if the output is exact."""
    return _same(found, other, vector.exact or name in COUNTED, rtol)


def _place(vector, name, found, rtol, rounding):
    """Return the `Place` in which `locate` finds the errors of a wrong output."""
    return locate(found, vector.outputs[name], backward=_backward(name),
                  rounding=rounding, **_context(vector, name, rtol))


def _context(vector, name, rtol):
    """Return the tolerance, the axes and the sizes that `locate` needs."""
    right, values = vector.outputs[name], vector.inputs | vector.outputs
    T, B, _ = max((np.shape(a) for a in values.values() if np.ndim(a) == 3),
                  default=(0, 0, 0))
    axes = {1: ("entry",), 2: ("row", "column")}.get(np.ndim(right), ())
    if np.ndim(right) == 3 and len(right) == T:
        axes = "step", "sample", "input" if name == "dx" else "neuron"
    sizes = {"T": T, "B": B or np.size(vector.inputs.get("labels", ()))}
    sizes = {name: size for name, size in sizes.items() if size}
    if np.ndim(vector.inputs.get("W")) == 2:
        sizes["n"], sizes["m"] = vector.inputs["W"].shape
    if np.ndim(vector.inputs.get("V")) == 2:    # W may stack the weights of gates
        sizes["n"] = vector.inputs["V"].shape[1]
    sizes |= {key: a for key, a in vector.inputs.items() if type(a) in (int, float)}
    return {"rtol": 0 if vector.exact or name in COUNTED else rtol, "axes": axes,
            "sizes": sizes}


def _backward(name):
    """Return whether an output is a derivative."""
    return name.startswith("d") and name != "direct"


def _summary(vector, results, findings):
    """Return a list with one finding that summarises the wrong outputs.  If no
    output is wrong, the list is empty."""
    status = {f.output: f.status for f in findings if f.status != "missing"}
    wrong = [name for name in status if status[name] != "right"]
    if not wrong:
        return []
    lucky = {"loss"} if "spikes" in wrong else set()    # can be right by chance
    right = [name for name in status if status[name] == "right" and name not in lucky]
    refused = [f.output for f in findings if f.text.startswith("is of dtype")]
    turned = [f.output for f in findings if re.search(LAYOUT, f.text)]
    told = ("dtype: " if refused == wrong else "layout: " if turned == wrong else
            _side(vector, wrong, right)) + ", ".join(wrong)
    told += f" (right: {', '.join(right)})" * bool(right)
    names = _mistakes(vector, results)
    if names:
        told += "; equals known mistake: " + ", or: ".join(names)
    elif set(LAYER) & set(wrong) and {"tau_syn", "V"} <= vector.inputs.keys():
        told += _convention(vector, results, wrong)
    return [Finding(vector.name, "", "fault", told)]


def _side(vector, wrong, right):
    """Return a text that says whether the forward pass, the loss or the
    backward pass is at fault."""
    forward = [name for name in vector.outputs if name in FORWARD]
    if not forward or not any(map(_backward, vector.outputs)):
        return ""
    if set(forward) & set(wrong):
        return "forward pass: "
    unknown = [name for name in (*forward, "loss")
               if name in vector.outputs and name not in right + wrong]
    if set(unknown) & set(forward):
        return f"pass unknown without {', '.join(unknown)}: "
    if "loss" in wrong:
        return "loss: "
    return "backward pass or loss: " if unknown else "backward pass: "


def _mistakes(vector, results):
    """Return the names of the mistakes that reproduce all given results."""
    given = {name: _given(vector, name, value) for name, value in results.items()}
    if any(found is None for found, _ in given.values()):
        return []
    return [m.name + f" (seen in {m.seen})" * bool(m.seen) + _untold(vector, m, given)
            for m in vector.mutants if all(
                _equal(vector, name, found, m.outputs.get(name, vector.outputs[name]),
                       rtol) for name, (found, rtol) in given.items())]


def _untold(vector, mutant, given):
    """Return a note that lists the outputs that a mistake changes but that
    are missing from the results.  The note omits derivatives."""
    names = [name for name, value in mutant.outputs.items()
             if name not in given and not _backward(name)
             and not _equal(vector, name, value, vector.outputs[name], 1e-9)]
    verb = "are" if len(names) > 1 else "is"
    return f" (only if {', '.join(names)}, not given, {verb} wrong too)" * bool(names)
