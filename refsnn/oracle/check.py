# refsnn 0.1.0 | oracle/check.py | SPDX-License-Identifier: MIT | needs: numpy | optional: hypothesis
"""This module checks results against golden vectors and names mistakes.

`check` compares results without access to the code behind the results.  If
a result is wrong, `check` reports which known mistake gives the same
values.  `check_gradient` tests a function on many random networks and
reports the smallest network for which the function fails.

The tolerance is 1e-9 of the largest correct value for float64 results,
and 1e-4 of it for float32 results.  Spikes, counts and all outputs of
exact golden vectors must equal the correct values.  All-zero results are
rejected, and so are results that ignore an option.  A golden vector is
rejected if it has no spikes, if an output is all zero, or if a known
mistake has no effect.  In golden vectors, each entry of the inputs affects
an output, and each neuron spikes and pauses.
"""

import itertools
from typing import NamedTuple

import numpy as np

from refsnn.oracle.identify import identify
from refsnn.oracle.registry import REGISTRY
from refsnn.oracle.vector import Mutant, Vector

__all__ = ["Finding", "check", "check_gradient", "vectors"]

RTOL = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}
COUNTED = ("spikes", "spikes2", "counts")       # entries are compared exactly
KNOBS = (       # two golden vectors of equal inputs, the option that differs, a source
    ("bptt", "bptt_detached", "detaching the reset", "norse lif_step"),
    ("bptt_dyadic", "bptt_dyadic_detached", "detaching the reset", "norse lif_step"),
    ("rtrl", "rtrl_block", "the terms of the influence", "chaobrain/braintrace#141"),
    ("rtrl", "rtrl_implicit", "the recurrence", "chaobrain/braintrace#141"),
    ("rtrl_block", "rtrl_implicit", "the diagonal of V", "chaobrain/braintrace#141"),
    ("ntt_at_masked", "ntt_through_mask", "the mask in the kernel",
     "fmi-basel/neural-tangent-transfer#3"),
    ("si_pathint", "si_paper", "the clamp", "ContinualAI/avalanche#734"),
    ("si_paper", "si_vandeven", "the penalty in the gradient",
     "GMvandeVen/continual-learning#14"),
    ("eprop", "eprop_reset", "the reset in the traces", "IGITUGraz EligALIF"),
    ("tbptt_rolling", "tbptt_chunks", "the kind of truncation", "snntorch TBPTT"))
SIZES = (3, 3, 3, (4, 20), 99)      # largest n, m, B; range of T; largest seed


class Finding(NamedTuple):
    """Hold the status of one output, and the reason for this status as text."""
    vector: str
    output: str
    status: str         # "right", "wrong", "vacuous" or "missing"
    text: str


def vectors(names=None):
    """Return golden vectors that are verified to detect their known mistakes.

    >>> vector = vectors(["si_paper"])["si_paper"]
    >>> sorted(vector.outputs), len(vector.mutants) > 5
    (['dpenalty', 'importance', 'path_integral', 'penalty'], True)

    Parameters
    ----------
    names : list of str, optional
        Names of the golden vectors; by default, all are returned.

    Returns
    -------
    dict
        The golden `Vector` for each name.
    """
    return {name: _alive(_build(name)) for name in (
        REGISTRY if names is None else names)}


def _build(name, size=()):
    """Build a golden vector; an empty `size` means the size from the registry."""
    if name not in REGISTRY:
        raise ValueError(f"{name!r} is not a vector: must be one of {tuple(REGISTRY)}")
    function, golden, options = REGISTRY[name]
    text, inputs, outputs, mistakes, *idle = function(*(size or golden), **options)
    mutants = [Mutant(*((key, "") if isinstance(key, str) else key), changed)
               for key, changed in mistakes.items()]
    return Vector(name, text, inputs, outputs, mutants, "dyadic" in options, *idle)


def check(results, known=None):
    """Compare results with the golden vectors.

    >>> vector = vectors(["bptt"])["bptt"]
    >>> check({"bptt.dV": vector.outputs["dV"]})[-1].status
    'right'
    >>> wrong = check({"bptt.dV": vector.mutants[0].outputs["dV"]})[-1].text
    >>> wrong.partition("equals ")[2].partition(" (")[0]
    'mutant: reset detached'

    Parameters
    ----------
    results : dict
        Arrays with keys "VECTOR.OUTPUT", for outputs of golden vectors.
    known : dict, optional
        The `Vector` for each name; by default, the result of `vectors`.

    Returns
    -------
    list of Finding
        One finding for each output of each golden vector in the results, and
        one for each option that has no effect on the results.
    """
    grouped, known = _grouped(results, known)
    findings = []
    for name, given in grouped.items():
        found = _judge(_alive(known[name]), given)
        unnamed = [f.status == "wrong" and "equals" not in f.text for f in found]
        if name == "lif_forward" and any(unnamed):
            at = unnamed.index(True)
            found[at] = found[at]._replace(
                text=found[at].text + _convention(known[name], given))
        findings += found
    for one, other, knob, seen in KNOBS:
        for output in sorted(set(grouped.get(one, {})) & set(grouped.get(other, {}))):
            a, b = (_comparable(grouped[name][output])[0] for name in (one, other))
            right = [known[name].outputs[output] for name in (one, other)]
            if a is not None and _same(a, b, False) and not _same(*right, False):
                findings.append(Finding(other, output, "vacuous", (
                    f"equals your {one}.{output}: {knob} changes nothing "
                    f"(seen in {seen})")))
    return findings


def _grouped(results, known):
    """Group results by golden vector; return the groups and the golden vectors."""
    if not isinstance(results, dict) or not results:
        raise ValueError(f"results is {results!r:.60}: must be a nonempty dict")
    if known is None:
        wanted = {str(key).rpartition(".")[0] for key in results}
        known = vectors([name for name in REGISTRY if name in wanted])
    grouped = {}
    for key, value in results.items():
        name, _, output = str(key).rpartition(".")
        if name not in known or output not in known[name].outputs:
            kind, names = ("outputs", known[name].outputs) if name in known else (
                "vectors", known or REGISTRY)
            raise ValueError(f"results hold {key!r}: must be VECTOR.OUTPUT, {kind} are "
                             f"{sorted(names)}")
        grouped.setdefault(name, {})[output] = value
    return grouped, known


def _convention(vector, results):
    """Return the report of `identify`, or "" if no result is valid."""
    p, rows = vector.inputs, {}
    for name, value in results.items():
        row = _comparable(value)[0]
        if row is not None and row.any() and row.shape == vector.outputs[name].shape:
            rows[name] = row
    return "; " + identify(
        p["x"], p["W"], rows, p["V"], tau_syn=p["tau_syn"], tau_mem=p["tau_mem"],
        dt=p["dt"], threshold=p["threshold"]).text if rows else ""


# ---- one golden vector

def _differs(found, right, exact, rtol=1e-9):
    """Mark entries that differ; `rtol` is relative to the largest correct entry."""
    return found != right if exact else ~(
        np.abs(found - right) <= rtol * np.abs(right).max(initial=0))


def _same(found, right, exact, rtol=1e-9):
    """Return whether two arrays agree in their shapes and their entries."""
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
    """Return the names of mistakes that change no output by more than 1e-4."""
    return [mutant.name for mutant in vector.mutants if all(
        _same(value, vector.outputs[name], vector.exact or name in COUNTED, 1e-4)
        for name, value in mutant.outputs.items())]


def _alive(vector):
    """Return a golden vector, or raise an error if it misses a known mistake."""
    why = _flaw(vector)
    if not why and _unseen(vector):
        why = f"blind: mutants {_unseen(vector)} change nothing"
    if why:
        raise ValueError(f"vector {vector.name} is {why}: must be able to fail")
    return vector


def _comparable(value):
    """Return a result in float64 and its tolerance, or None and an error message."""
    found = np.asarray(value)
    if found.dtype.kind not in "fiub" or found.dtype == np.float16:
        return None, f"is of dtype {found.dtype}: must be float32 or float64"
    if not np.isfinite(found).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
        return None, f"is {found[where]} at {where}: must be finite"
    return found.astype(float), RTOL.get(found.dtype, 1e-9)


def _judge(vector, results):
    """Compare results with a golden vector; return a finding for each output."""
    arrays = {name: _comparable(value) for name, value in results.items()}
    given = {name: found for name, (found, _) in arrays.items() if found is not None}
    findings = []
    for name in vector.outputs:
        if name not in arrays:
            verdict = "missing", "not given, not checked"
        elif name not in given:
            verdict = "wrong", arrays[name][1]
        else:
            verdict = _verdict(vector, name, given, arrays[name][1])
        findings.append(Finding(vector.name, name, *verdict))
    return findings


def _verdict(vector, name, given, rtol):
    """Return the status of one output, and a text that explains the status."""
    found, right = given[name], np.asarray(vector.outputs[name], float)
    found = found.reshape(()) if found.size == 1 and not right.ndim else found
    exact = vector.exact or name in COUNTED
    if _same(found, right, exact, rtol):
        return "right", "exact" if exact else f"to {rtol:g} of the largest entry"
    cause = _cause(vector, name, found, given, rtol)
    if found.size and not found.any():
        return "vacuous", f"0 throughout, which proves nothing{cause}"
    if found.shape != right.shape:
        return "wrong", f"is of shape {found.shape}: must be {right.shape}{cause}"
    gap = np.abs(found - right)
    at = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
    bad = _differs(found, right, exact, rtol)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return "wrong", (f"{int(bad.sum())} of {bad.size} entries differ, first at "
                     f"{first}, most at {at}: yours {found[at]:.9g}, right "
                     f"{right[at]:.9g}{cause}")


def _cause(vector, name, found, given, rtol):
    """Name a known mistake or a transformation that gives the same wrong result."""
    def equals(mutant, key, value):
        return _same(value, mutant.outputs.get(key, vector.outputs[key]),
                     vector.exact or key in COUNTED, rtol)

    named = [m for m in vector.mutants if name in m.outputs and equals(m, name, found)]
    whole = [m for m in named if all(equals(m, *item) for item in given.items())]
    told = [m.name + f" (seen in {m.seen})" * bool(m.seen) for m in whole or named]
    if told:
        return "; equals mutant: " + ", or: ".join(told)
    right = np.asarray(vector.outputs[name], float)
    for words, changed in _changes(right):
        if _same(found, changed, False, rtol):
            return f"; equals the right output {words}"
    if found.shape == right.shape and np.any(right):
        factor = float(np.vdot(found, right) / np.vdot(right, right))
        simple = right.size > 1 or any(     # any scalar is a multiple of another
            abs(k - round(k)) < rtol for k in (factor, 1 / (factor or 1)))
        if factor and simple and _same(found, factor * right, False, rtol):
            return f"; equals the right output times {factor:.6g}"
    return ""


def _changes(right):
    """Yield simple transformations of an array, each with its name."""
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


# ---- random networks

def check_gradient(rule, function, examples=60):
    """Test a function on random networks; report the smallest network that fails.

    >>> try:
    ...     check_gradient("bptt", lambda p: {"dV": 0 * p["V"]}, 9)
    ... except AssertionError as error:
    ...     print(str(error)[:39])
    bptt is wrong for the smallest network,

    Parameters
    ----------
    rule : str
        Name of a golden vector whose entry in the registry has a size.
    function : callable (inputs) -> dict
        Maps the inputs of the golden vector to some or all of its outputs.
    examples : int
        Number of networks that Hypothesis samples.

    Returns
    -------
    int
        Number of tested networks; silent networks are not counted.

    Raises
    ------
    AssertionError
        If a result of the function is wrong.  The message describes the
        smallest network and any known mistake that gives the same result.
    ValueError
        If a known mistake gives correct outputs for all tested networks.  In
        this case, increase `examples`.
    """
    sized = sorted(name for name, entry in REGISTRY.items() if entry.size)
    if rule not in sized:
        raise ValueError(f"rule is {rule!r}: must be one of {sized}")
    if type(examples) is not int or examples < 1:
        raise ValueError(f"examples is {examples!r}: must be an integer above 0")
    import hypothesis
    from hypothesis import strategies as st
    judged, mutants, told, bad = [], set(), set(), []
    checks = hypothesis.HealthCheck

    @hypothesis.settings(max_examples=examples, deadline=None, derandomize=True,
                         database=None, phases=[hypothesis.Phase.generate],
                         suppress_health_check=[checks.filter_too_much,
                                                checks.too_slow])
    @hypothesis.given(*(st.integers(1, most) for most in SIZES[:3]),
                      st.integers(*SIZES[3]), st.integers(0, SIZES[4]))
    def run(n, m, B, T, seed):
        vector = _network(rule, n, m, B, T, seed)
        hypothesis.assume(not _flaw(vector))
        judged.append(seed)
        names = {mutant.name for mutant in vector.mutants}
        mutants.update(names)
        told.update(names - set(_unseen(vector)))
        if _fault(vector, function):
            bad.append((n, m, B, T, seed))
            raise AssertionError(rule)

    try:
        run()
    except (AssertionError, hypothesis.errors.Unsatisfiable):
        if bad:
            sizes = _smallest(rule, function, bad[0])
            raise AssertionError(_failure(rule, function, sizes)) from None
        if judged:
            raise                       # `function` itself raised the error
    if mutants - told or not judged:
        raise ValueError(f"examples is {examples}: must be more, the {len(judged)} "
                         f"live networks do not show {sorted(mutants - told)}")
    return len(judged)


def _network(rule, n, m, B, T, seed):
    """Build a golden vector for a random network, to compare with a tolerance."""
    return _build(rule, (seed, T, B, m, n))._replace(exact=False)


def _fault(vector, function):
    """Apply a function to the inputs of a golden vector; describe wrong outputs."""
    results = function(dict(vector.inputs))
    _grouped({f"{vector.name}.{name}": value for name, value in results.items()}
             if isinstance(results, dict) else None, {vector.name: vector})
    return "; ".join(f"{f.output} {f.text}" for f in _judge(vector, results)
                     if f.status in ("wrong", "vacuous"))


def _smallest(rule, function, found):
    """Return n, m, B, T and seed of the smallest network with wrong results.
    The search tries five seeds for each size.  It varies n, m and B first, at
    the largest T, and then T.  Results are wrong for the network `found`."""
    def fails(*sizes):
        vector = _network(rule, *sizes)
        return not _flaw(vector) and bool(_fault(vector, function))

    least, most = SIZES[3]
    for widths in itertools.product(*(range(1, size + 1) for size in found[:3])):
        for seed in range(5):
            if fails(*widths, most, seed):
                tried = itertools.product(range(least, most), range(5))
                return next((*widths, *more) for more in (*tried, (most, seed))
                            if fails(*widths, *more))
    return found


def _failure(rule, function, sizes):
    """Return an error message that describes a network and its wrong outputs."""
    vector = _network(rule, *sizes)
    shown = "; ".join(f"{name} = {np.asarray(vector.inputs[name]).tolist()}"
                      for name in ("x", "W", "V") if name in vector.inputs)
    n, m, B, T, seed = sizes
    return (f"{rule} is wrong for the smallest network, T={T}, B={B}, m={m}, n={n}, "
            f"seed={seed}: {_fault(vector, function)}; {shown:.2000}")
