# refsnn 0.1.0 | oracle/check.py | SPDX-License-Identifier: MIT | needs: numpy
"""Compare a program's results with the correct results of test problems.

A golden vector is a test problem with its correct results, see `oracle`.
For each wrong result, `check` reports where and how the result differs
from the correct output, and whether the forward pass, the loss or the
backward pass is wrong.  If the report says "layout", the values are right,
but their shape or the order of the axes is wrong.  `check` names a known
mistake only if this mistake explains all given results of a test problem.

The relative error is the error divided by the largest absolute entry of
the correct output.  A relative error of up to 1e-9 is accepted in float64,
and of up to 1e-4 in float32.  Spikes and spike counts must be exact.  If
the name of a test problem contains "dyadic", all outputs of this problem
must be exact.  Results that are 0 everywhere are rejected.  Some pairs of
test problems have the same inputs, but differ in one option.  A program
must not give equal outputs for two problems whose correct outputs differ.
"""

import re
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle import matching, stored
from refsnn.oracle.identify import QUANTITIES, identify, relative, terms
from refsnn.oracle.matching import _alive, _backward, _comparable, _same

__all__ = ["Finding", "check", "vectors", "where"]

KNOBS = (       # two golden vectors with equal inputs, their differing option, a source
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
HALF = "float16", "bfloat16"            # refused, because their rounding is too large
LAYERS = "layer 1", "layer 2", "readout"
FORWARD = ("spikes", "mem", "syn", "spikes2", "mem2", "out", "h", "times", "outputs",
           "counts", "mem_sum")


class Finding(NamedTuple):
    """One result of `check`."""
    vector: str
    output: str         # empty in a summary
    status: str         # "right", "wrong", "vacuous" or "missing"; "fault" in a summary
    text: str
    mistakes: tuple = ()    # identifiers of known mistakes, in a summary


def vectors(names=None):
    """Return a dict that maps names of stored test problems to `Vector` objects.

    >>> vector = vectors(["si_paper"])["si_paper"]
    >>> sorted(vector.outputs), len(vector.mutants) > 5
    (['dpenalty', 'importance', 'path_integral', 'penalty'], True)

    Parameters
    ----------
    names : as for `stored.load`
    """
    return {name: _alive(vector) for name, vector in stored.load(names).items()}


def check(results, known=None):
    """Compare the results of a program with the correct results of test problems.
    Return a list with one `Finding` for each output.  For each test problem
    with wrong outputs, a further `Finding` summarises the errors.  A `Finding`
    also reports each option that the program seems to ignore.

    >>> vector = vectors(["bptt"])["bptt"]
    >>> check({"bptt.dV": vector.outputs["dV"]})[-1].status
    'right'
    >>> wrong = check({"bptt.dV": vector.mutants[0].outputs["dV"]})[-1].text
    >>> wrong.partition("equals ")[2].partition(" (")[0]
    'known mistake: reset detached'

    Parameters
    ----------
    results : dict of arrays, with keys VECTOR.OUTPUT
    known : dict of `Vector`, optional; by default the result of `vectors`
    """
    if known is None:
        wanted = {str(key).rpartition(".")[0] for key in results} if isinstance(
            results, dict) else ()
        known = vectors([name for name in stored.names() if name in wanted])
    grouped = matching.group(results, known)
    findings = []
    for name, given in grouped.items():
        found = _judged(_alive(known[name]), given)
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


def _convention(vector, results, wrong):
    """Describe how the program updates LIF neurons."""
    p, rows = vector.inputs, {}
    for name in [name for name in QUANTITIES if name in results]:
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
    right = conventions.Step(gain="leak")
    lines = relative(report, right, rows.keys() == {"spikes"})
    wrong = terms(report, right)
    return "".join(f"; {line}" for line in lines) + (
        f"; wrong: {', '.join(wrong)}" * bool(wrong))


def _judged(vector, results):
    rounding = not matching.mistakes(vector, results)
    return [Finding(vector.name, name, *(
        _verdict(vector, name, results[name], rounding) if name in results else (
            "missing", "not given, not checked"))) for name in vector.outputs]


def _verdict(vector, name, value, rounding):
    judged = matching.judge(vector, name, value)
    if judged.found is None:
        dtype = str(getattr(value, "dtype", ""))
        near = dtype in HALF and matching.place(vector, name, matching.Judged(
            np.asarray(value, float), matching.RTOL[np.dtype(float)], False, "")).dtypes
        return "wrong", judged.why + "; the error has the size of rounding" * bool(near)
    if judged.right:
        return "right", "exact" if vector.exact or name in matching.COUNTED else (
            f"to {judged.rtol:g} of the largest entry")
    if judged.found.size and not judged.found.any():
        return "vacuous", "0 throughout, which proves nothing"
    return "wrong", matching.place(vector, name, judged, rounding).text


def _summary(vector, results, findings):
    status = {f.output: f.status for f in findings if f.status != "missing"}
    wrong = [name for name in status if status[name] != "right"]
    if not wrong:
        return []
    lucky = {"loss"} if "spikes" in wrong else set()    # can be right by chance
    right = [name for name in status if status[name] == "right" and name not in lucky]
    refused = [f.output for f in findings if f.text.startswith("is of dtype")]
    turned = [f.output for f in findings if re.search(LAYOUT, f.text)]
    told = ("dtype: " if refused == wrong else "layout: " if turned == wrong else
            "".join(f"{part}, " for part in where(vector, wrong, right) if part)[:-2]
            + ": ").removeprefix(": ") + ", ".join(wrong)
    told += f" (right: {', '.join(right)})" * bool(right)
    names = matching.mistakes(vector, results)
    if names:
        told += "; equals known mistake: " + ", or: ".join(names)
    elif note := _single(vector, results):
        told += note
    elif set(QUANTITIES) & set(wrong) and {"tau_syn", "V"} <= vector.inputs.keys():
        named = _convention(vector, results, wrong)
        unexplained = [f.output for f in findings if f.output in set(QUANTITIES) & set(
            wrong) and "equals the right output" not in f.text]
        if unexplained or "no convention fits" not in named:
            told += named
    return [Finding(vector.name, "", "fault", told, tuple(
        m.id for m in matching.recognised(vector, results)))]


def _single(vector, results):
    """Return a note if rounding of constants to float32 may explain all errors."""
    found = [(name, matching.judge(vector, name, value).found)
             for name, value in results.items()]
    with np.errstate(over="ignore"):
        if not all(a is not None and matching.judge(vector, name, np.float32(a)).right
                   for name, a in found):
            return ""
    note = "; within the tolerance of float32, perhaps constants are rounded to float32"
    try:
        from refsnn.oracle.build.registry import REGISTRY, build
    except ImportError:                 # without SciPy
        return note
    rounded = build(vector.name, single=True) if vector.name in REGISTRY else vector
    return "; equals the right output with constants rounded to float32" if all(
        matching.judge(rounded, *one).right for one in found) else note


def where(vector, wrong, right):
    """Find whether the forward or the backward pass is wrong, and in which layer
    the error begins.  Return two str.  An empty str means "unknown".

    >>> vector = vectors(["lif_stack"])["lif_stack"]
    >>> where(vector, ["dW"], vector.outputs.keys() - {"dW"})
    ('backward pass', 'layer 1')

    Parameters
    ----------
    vector, wrong, right : Vector, and names of wrong and of right outputs
    """
    forward = [name for name in vector.outputs if name in FORWARD]
    if not forward or not any(map(_backward, vector.outputs)):
        return "", ""
    unknown = [name for name in (*forward, "loss")
               if name in vector.outputs and name not in (*right, *wrong)]
    side = "forward pass" if set(forward) & set(wrong) else (
        f"pass unknown without {', '.join(unknown)}" if set(unknown) & set(forward) else
        "loss" if "loss" in wrong else
        "backward pass or loss" if unknown else "backward pass")
    at = [2 if name.endswith("out") else int(name.endswith("2")) for name in wrong
          if name != "loss" and (name in FORWARD) == (side == "forward pass")]
    layered = side.endswith("pass") and {"W2", "W_out"} & vector.inputs.keys()
    first = min if side == "forward pass" else max
    return side, LAYERS[first(at)] if layered else ""
