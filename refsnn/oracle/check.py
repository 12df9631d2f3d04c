# refsnn 0.1.0 | oracle/check.py | SPDX-License-Identifier: MIT | needs: numpy | optional: hypothesis
"""Other people's code, checked: golden vectors and named wrong answers.

A golden vector is a small problem with its right outputs, and with what
well-known mistakes would give instead.  `check` compares results, whose
code it never sees, and says which mistake they equal; `check_gradient`
draws networks and shrinks a failure to the smallest one.

Silence proves nothing: a vector whose network is silent, whose gradient is
0 or one of whose wrong answers equals the right one is refused, and so are
results that are 0 throughout or that a knob does not change.
"""

import itertools

import numpy as np

from refsnn.oracle import spikes_vectors
from refsnn.oracle.arrays_vectors import ARRAYS
from refsnn.oracle.compare import Finding, alive, array, flaw, judge, same, untold
from refsnn.oracle.costs_vectors import COSTS
from refsnn.oracle.identify_presets import identify
from refsnn.oracle.models_vectors import MODELS
from refsnn.oracle.networks_vectors import NETWORKS, TIMED
from refsnn.oracle.online_vectors import ONLINE, RINGS
from refsnn.oracle.rules_vectors import KERNELS, SIZED
from refsnn.oracle.sounds_vectors import SOUNDS

__all__ = ["RULES", "check", "check_gradient", "vectors"]

RULES = spikes_vectors.RULES | SIZED | ONLINE | NETWORKS
FIXED = KERNELS | RINGS | TIMED | COSTS | {
    name: (build, ()) for name, build in (ARRAYS | SOUNDS | MODELS).items()}
KNOWN = (*RULES, *FIXED)
SIZES = (3, 3, 3, (4, 20), 99)      # most of n, m, B; T from, to; the last seed
KNOBS = (       # vectors of the same inputs, what tells them apart, where it did not
    ("bptt", "bptt_detached", "detaching the reset", "norse lif_step"),
    ("bptt_dyadic", "bptt_dyadic_detached", "detaching the reset", "norse lif_step"),
    ("rtrl", "rtrl_block", "the terms of the influence", "chaobrain/braintrace#141"),
    ("rtrl", "rtrl_implicit", "the recurrence", "chaobrain/braintrace#141"),
    ("rtrl_block", "rtrl_implicit", "the diagonal of V", "chaobrain/braintrace#141"),
    ("ntt_at_masked", "ntt_through_mask", "the mask in the kernel",
     "fmi-basel/neural-tangent-transfer#3"),
    ("si_pathint", "si_paper", "the clamp", "ContinualAI/avalanche#734"))


def vectors(names=None):
    """The golden vectors, none of them vacuous.

    Parameters
    ----------
    names : list of str, optional
        Which; all by default.

    Returns
    -------
    dict
        Name to `Vector`.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> vector = vectors(["si_paper"])["si_paper"]
    >>> sorted(vector.outputs), len(vector.mutants) > 5
    (['dpenalty', 'importance', 'path_integral', 'penalty'], True)
    """
    names = KNOWN if names is None else list(names)
    for name in names:
        if name not in KNOWN:
            raise ValueError(f"{name!r} is no vector: must be one of {KNOWN}")
    found = {}
    for name in names:
        if name in RULES:
            build, options, sizes = RULES[name]
            vector = build(name, *sizes, **options)
        else:
            build, arguments = FIXED[name]
            vector = build(*arguments)
        found[name] = alive(vector)
    return found


def _convention(vector, results):
    """What `identify` says of a recording that no mutant explains."""
    p = vector.inputs
    rows = {name: results[name] for name in ("syn", "mem", "spikes") if name in results}
    if "tau_syn" not in p or any(np.shape(row) != vector.outputs[name].shape
                                 for name, row in rows.items()):
        return ""
    return identify(p["x"], p["W"], rows, p["V"], tau_syn=p["tau_syn"],
                    tau_mem=p["tau_mem"], dt=p["dt"], threshold=p["threshold"]).text


def _grouped(results, known):
    """Results by vector; every name must be one that is known."""
    grouped = {}
    if not isinstance(results, dict) or not results:
        raise ValueError(f"results is {results!r:.60}: must be a dict of arrays, not "
                         "empty")
    for key, value in results.items():
        name, _, output = str(key).rpartition(".")
        if name not in known or output not in known[name].outputs:
            names = sorted(known[name].outputs) if name in known else sorted(known)
            raise ValueError(f"results hold {key!r}: must be VECTOR.OUTPUT, "
                             f"{'outputs' if name in known else 'vectors'} are {names}")
        grouped.setdefault(name, {})[output] = value
    return grouped


def check(results, known=None):
    """Compare results with the golden vectors; the code is never seen.

    Parameters
    ----------
    results : dict
        "VECTOR.OUTPUT" to array, of any of the vectors.
    known : dict, optional
        Vectors to compare with; by default those of `vectors`.

    Returns
    -------
    list of Finding
        One for each output of each vector of which results hold one, and
        one for each knob that changes nothing.

    Raises
    ------
    ValueError
        If a name is unknown, there are no results, or a vector is vacuous.

    Examples
    --------
    >>> vector = vectors(["bptt"])["bptt"]
    >>> check({"bptt.dV": vector.outputs["dV"]})[-1].status
    'right'
    >>> wrong = check({"bptt.dV": vector.mutants[0].outputs["dV"]})[-1].text
    >>> wrong.partition("equals ")[2].partition(" (")[0]
    'mutant: reset detached'
    """
    if known is None:
        wanted = {str(key).rpartition(".")[0] for key in results} \
            if isinstance(results, dict) else set()
        names = [name for name in KNOWN if name in wanted]
        known = vectors(names or None)
    grouped, findings = _grouped(results, known), []
    for name, given in grouped.items():
        found = judge(alive(known[name]), given)
        lost = [f.status == "wrong" and "equals" not in f.text for f in found]
        if name == "lif_forward" and any(lost):
            at = lost.index(True)
            words = _convention(known[name], given)
            found[at] = found[at]._replace(text=f"{found[at].text}; {words}")
        findings += found
    for one, other, knob, seen in KNOBS:
        for output in sorted(set(grouped.get(one, {})) & set(grouped.get(other, {}))):
            a, b = (array(grouped[name][output])[0] for name in (one, other))
            if a is None or not same(a, b, False) or same(
                    *(known[name].outputs[output] for name in (one, other)), False):
                continue
            findings.append(Finding(other, output, "vacuous", (
                f"equals your {one}.{output}: {knob} changes nothing (seen in {seen})"
            )))
    return findings


def check_gradient(rule, function, examples=60):
    """Drive a function with networks drawn by Hypothesis, and shrink.

    Parameters
    ----------
    rule : str
        One with sizes: a key of `RULES`.
    function : callable (inputs) -> dict
        Inputs are named as in the golden vector; returns some outputs.
    examples : int
        Networks to draw.

    Returns
    -------
    int
        Live networks that were judged.

    Raises
    ------
    AssertionError
        If the function is wrong: the smallest network, and what it equals.
    ValueError
        If the rule is unknown, nothing is returned that can be judged, or
        the networks do not tell every mutant from the right answer.

    Examples
    --------
    >>> try:
    ...     check_gradient("bptt", lambda p: {"dV": 0 * p["V"]}, 9)
    ... except AssertionError as error:
    ...     print(str(error)[:39])
    bptt is wrong for the smallest network,
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}: must be one of {sorted(RULES)}")
    if type(examples) is not int or examples < 1:
        raise ValueError(f"examples is {examples!r}: must be an integer above 0")
    import hypothesis
    from hypothesis import strategies as st
    told, judged, mutants, bad = set(), [], {}, []
    checks = hypothesis.HealthCheck

    @hypothesis.settings(max_examples=examples, deadline=None, derandomize=True,
                         database=None, phases=[hypothesis.Phase.generate],
                         suppress_health_check=[checks.filter_too_much,
                                                checks.too_slow])
    @hypothesis.given(*(st.integers(1, most) for most in SIZES[:3]),
                      st.integers(*SIZES[3]), st.integers(0, SIZES[4]))
    def run(n, m, B, T, seed):
        vector = _drawn(rule, n, m, B, T, seed)
        hypothesis.assume(not flaw(vector))
        judged.append(seed)
        mutants.update(dict.fromkeys(mutant.name for mutant in vector.mutants))
        told.update({mutant.name for mutant in vector.mutants} - set(untold(vector)))
        if _fault(vector, function):
            bad.append((n, m, B, T, seed))
            raise AssertionError(rule)

    try:
        run()
    except (AssertionError, hypothesis.errors.Unsatisfiable):
        if bad:
            sizes = _smallest(rule, function, bad[0])
            raise AssertionError(_told(rule, function, sizes)) from None
        if judged:
            raise                   # the function's own complaint
    if set(mutants) - told or not judged:
        raise ValueError(f"examples is {examples}: must be more, the {len(judged)} "
                         f"live networks do not tell {sorted(set(mutants) - told)}")
    return len(judged)


def _drawn(rule, n, m, B, T, seed):
    """A network of these sizes, compared by tolerance."""
    build, options, _ = RULES[rule]
    return build(rule, seed, T, B, m, n, **options)._replace(exact=False)


def _fault(vector, function):
    """What is wrong with a function on a network, "" if nothing."""
    results = function(dict(vector.inputs))
    known = {vector.name: vector}
    _grouped({f"{vector.name}.{name}": value for name, value in results.items()}
             if isinstance(results, dict) else None, known)
    return "; ".join(f"{f.output} {f.text}" for f in judge(vector, results)
                     if f.status in ("wrong", "vacuous"))


def _smallest(rule, function, found):
    """Sizes of the smallest network that fails: neurons, inputs, batch, steps.

    Each size draws other numbers, so that all below `found` are tried, of a
    few seeds each: first the widths with many steps, then fewer steps.
    """
    def fails(*sizes):
        vector = _drawn(rule, *sizes)
        return not flaw(vector) and bool(_fault(vector, function))

    least, most = SIZES[3]
    for sizes in itertools.product(*(range(1, size + 1) for size in found[:3])):
        for seed in range(5):
            if fails(*sizes, most, seed):
                tried = itertools.product([sizes], range(least, most), range(5))
                return next((*sizes, T, seed) for sizes, T, seed in (
                    *tried, (sizes, most, seed)) if fails(*sizes, T, seed))
    return found


def _told(rule, function, sizes):
    """The failure on a network in words."""
    vector = _drawn(rule, *sizes)
    shown = "; ".join(f"{name} = {np.asarray(vector.inputs[name]).tolist()}"
                      for name in ("x", "W", "V") if name in vector.inputs)
    n, m, B, T, seed = sizes
    return (f"{rule} is wrong for the smallest network, T={T}, B={B}, m={m}, n={n}, "
            f"seed={seed}: {_fault(vector, function)}; {shown:.2000}")
