# refsnn 0.1.0 | oracle/diagnose/diagnosis.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module finds the wrong term in the LIF equations of a program.

The tested function simulates a layer of leaky integrate-and-fire (LIF)
neurons, and computes gradients of a loss.  `diagnose` calls the tested
function for several variants of a network.  The variants differ in which
terms of the LIF equations are 0.  Nine statements are used:

(A) A programming error in one term of the LIF equations leads to wrong
    results for every network in which this term has an effect.  For all
    other networks, the results are right.  A term has no effect if:

    term             forward                     backward
    current decay    alpha = 0                   alpha = 0
    membrane decay   beta = 0                    beta = 0
    recurrence       V = 0, or no spikes         V = 0
    reset            no spikes                   threshold almost 0

(B) An output that is right for all variants is computed correctly.
(C) The returned spikes and potentials determine each term of (2) and (3)
    of the module `lif`.  The derivatives of the loss with respect to the
    states (adjoints) follow from the returned gradient dW or dx, and
    determine each term of (7) and (9) of `lif`.  If one term of an
    equation has a wrong factor, the residual (the left-hand side minus the
    right-hand side) is a linear map of this term.
(D) If the returned spikes are wrong, but the potentials follow from these
    spikes by the LIF equations, the threshold is wrong.  If the spikes and
    the resets agree with another threshold, the threshold is also wrong.
(E) After the first steps, a wrong initial state leaves no residual.  An
    added constant leaves a constant residual.  The residual of a wrong
    input does not depend on the recurrent weights V.  If only the
    surrogate derivative is wrong, its values that follow from the adjoints
    do not depend on the target.  If only the derivative of the loss with
    respect to the spikes ("error") is wrong, its values that follow from
    the adjoints do not depend on the surrogate derivative.
(F) A correct function gives the same results in a second call as in the
    first call, changes no inputs, and reads all inputs in each call.
(G) The module `loops` imitates programs with one fault.  If such a program
    gives the same results as the function for all networks, the function
    has this fault.  If several faults remain, more networks are tested.
(H) If the target is 1/2 at step t and equals the spikes at later steps,
    the derivative of the loss with respect to the current I[t-1] of one of
    B samples is `dI[t-1] = gain psi[t] (S[t] - 1/2) / B`.  Spikes and
    potentials that are not returned follow from dI.
(I) If the surrogate derivative is constant, gradients depend on the spikes
    but not on the potentials.  If such gradients are wrong although the
    loss is right, the backward pass is wrong.

If all results are right, `diagnose` calls the tested function again, with
longer input sequences and several active inputs in each time step.
Potentials that equal the threshold are not tested.
"""

import functools
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle import check, identify, protocol
from refsnn.oracle.build.registry import REGISTRY
from refsnn.oracle.diagnose.loops import _reproduced
from refsnn.oracle.diagnose.variants import (
    ALL, CONSTANTS, FORWARD, LEARNED, RULES, TINY, N, T, _adjoints, _ask,
    _back_residuals, _copied, _fits, _follow, _label, _long, _loud, _network, _recorded,
    _recovered, _residuals, _same, _scale, _variants, _zero)
from refsnn.oracle.locate import locate
from refsnn.oracle.matching import FINE, RTOL

__all__ = ["Diagnosis", "diagnose"]

SEEDS = 3                   # networks of each variant
FADING = 40                 # calls after which a state that is kept is 0
SMALL = 0.01                # largest relative error that rounding can cause
EXTRAS = {"one sample": ALL._replace(B=1), "a diagonal V": ALL._replace(diagonal=True),
          "gain = 1": ALL._replace(gain=1.0),
          "a flat surrogate": ALL._replace(steepness=TINY)}
AXES = dict.fromkeys(("loss", *LEARNED), ()) | {
    "spikes": ("step", "sample", "neuron"), "mem": ("step", "sample", "neuron"),
    "dW": ("row", "column"), "dV": ("row", "column"), "dx": ("step", "sample", "input")}
OTHERS = [name for name, entry in REGISTRY.items() if entry.size and name not in RULES]
SWITCHED = ("current decay", "membrane decay", "recurrence", "reset")
SHOWN = {       # terms in the equations of lif, forward and backward
    "input": ("W x[t] in (2)", ""), "threshold": ("U[t] > threshold in (1)", ""),
    "recurrence": ("V S[t] in (2)", "V^T dI[t+1] in (8)"),
    "reset": ("threshold S[t] in (3)", "threshold dU[t+1] in (8)"),
    "current decay": ("alpha I[t] in (2)", "alpha dI[t+1] in (7)"),
    "membrane decay": ("beta U[t] in (3)", "beta dU[t+1] in (9)"),
    "gain": ("gain I[t] in (3)", "gain dU[t+1] in (7)"),
    "current": ("the time of I in (3)", "the time of dU in (7)"),
    "surrogate": ("", "psi[t] in (9)"), "error": ("", "dspikes[t] in (8)")}
GRADED = ("a longer sequence of four samples, with several inputs per step and "
          "input values other than 0 and 1")
IFF = "Only one term acts in exactly those variants whose results are wrong."
MULTIPLE = "In an equation of lif, the residual is a linear map of one term."
MOVED = "The spikes follow from the membranes, but at another threshold."
FIRST = " The first results are wrong, too."
LOOP = "A loop in which"
WHY = {"surrogate": "The surrogate that the adjoints imply does not depend on targets.",
       "error": "The error that the adjoints imply does not depend on the surrogate.",
       "recurrence": "One linear map of the spikes explains the residual of (2).",
       "input": "The input that (2) implies does not depend on V."}


class Diagnosis(NamedTuple):
    """The result of `diagnose`.  The function describes the fields."""
    side: str
    terms: tuple
    arrays: tuple
    text: str


def diagnose(function, rule="bptt"):
    """Infer which term of the LIF equations a function computes wrongly.

    >>> from refsnn import lif
    >>> def function(p):
    ...     c = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    ...     run = lif.simulate(p["x"], p["W"], -p["V"], **c)
    ...     return {"spikes": run.spikes, "mem": run.mem}
    >>> diagnose(function)[:2]
    ('forward', ('recurrence',))

    Parameters
    ----------
    function : callable (p) -> dict
        The dict `p` holds the inputs of a small test problem: x (T, B, m),
        W (n, m), V (n, n), the numbers alpha, beta, gain, threshold and
        steepness, and the right spikes, mem and syn (T, B, n).  The loss is
        the sum of (spikes - target)^2 / (2 B), with target (T, B, n).  The
        function is called 100 to 500 times, and returns some of these outputs,
        as float32 or float64:

        loss, spikes, mem   number, and (T, B, n) from step 0 on
        dW, dV, dx          gradient of the loss, as W, V and x
        dalpha, dbeta, dgain, dthreshold    derivatives with respect to
                            constants that all neurons share: numbers
        dtau_syn, dtau_mem, dlog_tau_syn, dlog_tau_mem
                            the same for alpha = exp(-1/tau_syn) and beta =
                            exp(-1/tau_mem); not compared if alpha or beta is 0
    rule : {"bptt", "bptt_detached", "rtrl"} or another golden vector
        For other golden vectors of variable size, such as "lif_stack", only
        the pass and the layer are found.

    Returns
    -------
    Diagnosis
        side        "right", "forward", "backward", "between calls" or
                    "unknown": the part of the program that is wrong
        terms       at most two wrong terms, outputs or dtypes; none if the
                    outputs allow several explanations
        arrays      names of wrong outputs
        text        reason in words, and the explanations that remain
    """
    if not callable(function):
        raise ValueError(f"function is {function!r:.60}: must be callable")
    if str(rule) in OTHERS:
        return _elsewhere(function, rule)
    if str(rule) not in RULES:
        raise ValueError(f"rule is {rule!r:.60}: must be one of {(*RULES, *OTHERS)}")
    names = []

    def call(p, own=None, single=False):
        run = _ask(function, rule, p, own, single)
        names.append(run.broken or set(run.found))
        if run.broken or names[0] == names[-1]:
            return run
        return run._replace(broken=("", "returns other outputs in another call"))

    return _calls(call) or _judged(call) or _judged(functools.partial(
        call, single=True), " Apart from this, results are rounded to float32.")


def _elsewhere(function, rule):
    """Locate errors for other golden vectors."""
    for case in protocol.cases([rule]):
        given = function(_copied(case.vector.inputs))
        found = protocol.failures(case, given)
        wrong = tuple(f.output for f in found if f.output)
        if wrong:
            side, layer = check.where(case.vector, wrong, set(given) - set(wrong))
            side = {"forward pass": "forward", "loss": "forward",
                    "backward pass": "backward"}.get(side, "unknown")
            return Diagnosis(side, (layer,) * bool(layer), wrong, found[-1].text)
    return Diagnosis("right", (), (), f"{_listed(sorted(given))} are right.")


def _judged(call, note=""):
    runs = {v: [call(_network(v, seed)) for seed in range(SEEDS)] for v in _variants()}
    every = [run for row in runs.values() for run in row]
    for v, row in runs.items():
        for run in row:
            if run.broken:
                return _broken(run, f" (variant \"{_label(v)}\")")
    given, wrong = every[0].found, frozenset().union(*(run.wrong for run in every))
    if not wrong:
        return _right(call, given)
    tried = {name: [call(_network(v, seed)) for seed in range(SEEDS)]
             for name, v in EXTRAS.items()}
    extra = [name for name, row in tried.items() if any(
        run.wrong for run in runs[ALL]) and not any(
        run.wrong or run.broken for run in row)]
    forward = bool(wrong & set(FORWARD))
    sizes = {"T": T, "n": N} | ({"B": ALL.B} if "one sample" in extra else {})
    place, small, shown = _simplest(runs, forward, sizes)
    if wrong == {"loss"} == set(given) and _rounded(every) and all(
            np.isclose(run.found["loss"], run.right["loss"], 5e-6) for run in every):
        return Diagnosis("forward", ("float32",), ("loss",), (
            "Wrong: loss. " + _conclusion("forward", (), ("float32",))))
    if not note and (place.dtypes == ("float32",) or _rounded(every)) and not all(
            _same(run.found[name].astype(np.float32), run.right[name], _scale(
                run.right, name)) for run in every for name in run.wrong):
        return None
    side, terms, why = _inferred(call, runs, tried, frozenset(given), wrong, small)
    dtypes = place.dtypes * (len(place.dtypes) == 1 and side != "unknown" and (
        bool(terms) or place.dtypes == ("float32",)) and set(terms) <= set(AXES)
        and _even(every, forward))
    if not terms and not dtypes:
        dtypes = _rounding(every, forward)
    if not dtypes and max(_sizes(every, forward)) >= SMALL:
        place = _simplest(runs, forward, sizes, rounding=False)[0]
    if len(terms) == 1 and not AXES.get(terms[0], "arrays"):        # one number
        some = [run for run in every if run.right[terms[0]].any()]
        place = locate(*(np.array([answer[terms[0]] for answer in answers], float)
                         for answers in zip(*((run.found, run.right) for run in some),
                                            strict=True)),
                       sizes=sizes | _constants(ALL._asdict()), rounding=False,
                       rtol=RTOL.get(some[0].found[terms[0]].dtype, FINE))
        shown = f"The {'losses' if terms == ('loss',) else terms[0]} of all networks"
    lacking = {"spikes", "mem"} - set(given) if side == "forward" else ()
    text = (f"Wrong: {_listed(sorted(wrong))}.", why,
            _conclusion(side, terms, dtypes, sorted(lacking)),
            extra and f"All results are right with {_listed(extra)}.",
            f"{shown}: {place.text}.{note}")
    return Diagnosis(side, (*terms, *dtypes)[:2], tuple(sorted(wrong)),
                     " ".join(filter(None, text)))


def _rounded(runs):
    values = [value for run in runs for name, value in run.found.items()
              if name != "spikes"]
    return any(value.dtype == np.float64 for value in values) and all(
        np.array_equal(value, value.astype(np.float32)) for value in values)


def _right(call, given):
    """Test a function on longer input sequences."""
    rows = [call(_long(seed)) for seed in range(SEEDS)]
    for run in rows:
        if run.broken:
            return _broken(run, f" ({GRADED})")
    wrong = tuple(sorted(frozenset().union(*(run.wrong for run in rows))))
    if not wrong:
        kinds = sorted({str(value.dtype) for value in given.values()})
        return Diagnosis("right", (), (), (
            f"{_listed(given)} ({', '.join(kinds)}) are right in all variants."))
    side = "forward" if set(wrong) & set(FORWARD) else \
        "backward" if set(given) & set(FORWARD) else "unknown"
    return Diagnosis(side, (), wrong, (
        f"Wrong: {_listed(wrong)}, but only in {GRADED}."))


def _rounding(runs, forward):
    """Test for rounding to float16."""
    found = [locate(run.found[name], run.right[name], rtol=RTOL.get(
        run.found[name].dtype, FINE)).dtypes for run in runs for name in run.wrong
        if (name in FORWARD) == forward and run.right[name].size > N * N]
    return tuple(dtype for dtype in ("float16",) if max(
        _sizes(runs, forward)) < SMALL and 2 * sum(dtype in row for row in found) > len(
            found))


def _even(runs, forward):
    """Return whether the errors resemble rounding errors."""
    sizes = _sizes(runs, forward)
    return bool(max(sizes) < 1000 * min(sizes))


def _sizes(runs, forward):
    return [_size(run, name) for run in runs for name in run.wrong
            if (name in FORWARD) == forward and name != "loss"] or [0.0]


def _size(run, name):
    return np.abs(run.found[name] - run.right[name]).max() / max(
        np.abs(run.right[name]).max(), TINY)


def _listed(names):
    """Join names to "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _conclusion(side, terms, dtypes, lacking=()):
    if dtypes and not terms:
        return f"All results are rounded to {dtypes[0]}." if "float32" in dtypes else \
            f"The errors have the size of rounding to {dtypes[0]}."
    if not terms:
        return "The wrong term is not known" + (
            f" without {_listed(lacking)}." if lacking else ".")
    if not set(terms) <= set(SHOWN):
        return f"The computation of {_listed(terms)} is wrong." * (terms[0] in AXES)
    return (f"The {_listed(terms)} {'is' if len(terms) == 1 else 'are'} wrong: "
            f"{_listed([SHOWN[term][side == 'backward'] for term in terms])} of lif.")


def _broken(run, where=""):
    name, why = run.broken
    if not name:
        return Diagnosis("unknown", (), (), f"The function {why.rstrip('.')}{where}.")
    side = "forward" if name in FORWARD else "backward" if (
        "finite" not in why or {"spikes", "mem"} <= set(run.given)) else "unknown"
    return Diagnosis(side, (name,) * ("shape" in why), (name,), f"{name} {why}{where}.")


def _constants(p):
    """Return a dict of the constants of a network.  Time constants are in steps."""
    taus = {tau: -1 / np.log(p[key]) for tau, key in (
        ("tau_syn", "alpha"), ("tau_mem", "beta")) if p[key]}
    return {key: p[key] for key in CONSTANTS} | taus


def _simplest(runs, forward, sizes, rounding=True):
    """Locate the smallest error of a pass."""
    wrong = [(v, run, name) for v, row in runs.items() for run in row
             for name in run.wrong if (name in FORWARD) == forward]

    def size(case):
        return not AXES[case[2]], _size(*case[1:])

    v, run, name = best = min(wrong, key=size)
    place = locate(run.found[name], run.right[name], axes=AXES[name],
                   rtol=RTOL.get(run.found[name].dtype, FINE), backward=not forward,
                   sizes=_constants(run.p) | sizes, rounding=rounding)
    return place, size(best)[1] < SMALL, f"Variant \"{_label(v)}\", {name}"


def _inferred(call, runs, tried, given, wrong, small):
    """Infer the wrong pass and terms."""
    if wrong - set(LEARNED):            # derivatives of constants follow from adjoints
        given, wrong = given - (wrong & set(LEARNED)), wrong - set(LEARNED)
    seen, grads = given & set(FORWARD), given & {"dW", "dx"}
    if wrong & seen:
        side, (terms, why) = "forward", _forward(call, runs, given, wrong, small)
        if terms or {"mem", "spikes"} <= given or not grads or given - wrong - seen:
            return side, terms, why
    else:
        side, (terms, why) = "backward", _backward(call, runs, given, wrong)
        flat = any(run.wrong and not run.broken                     # statement (I)
                   for run in tried["a flat surrogate"])
        if "mem" in given or seen and (flat or not small):
            return side, terms, why
        if terms and set(terms) <= set(AXES):
            return side, terms, why
    if why.startswith(LOOP):
        return side, terms, why
    if grads:                                                       # statement (H)
        def recall(p):
            return _recovered(call, p) if len(p["x"]) == T else call(p)

        told = {v: [recall(run.p) for run in row[:SEEDS if v == ALL else 1]]
                for v, row in runs.items()}
        every = [run for row in told.values() for run in row]
        bad = frozenset().union(*(run.wrong for run in every))
        if not any(run.broken for run in every):
            if not bad & {"mem", "spikes"}:
                return (side, terms, why) if side == "backward" else (
                    side, ("loss",), "The gradients belong to the right membranes.")
            found = _states(recall, told, given | {"mem", "spikes"},
                            bad & set(FORWARD))
            if found[0]:
                return "forward", *found
    return (side, terms, why) if side == "forward" else (
        "unknown", (), "The pass is unknown without spikes and mem.")


def _exact(call, runs, forward):
    """Find a wrong term by statement (G)."""
    found = _reproduced([run for row in runs.values() for run in row], forward)
    if len({fault.terms for fault in found}) > 1:
        found = _reproduced([call(_long(0)), call(_loud(runs[ALL][0].p))], forward,
                            found) or found
    words = {fault.terms: fault.words for fault in found[::-1]}
    return found[0].terms if len(words) == 1 else (), (
        f"{LOOP} {' or '.join(words.values())} gives the same results." * bool(found))


def _switched(runs, wrong, forward):
    """Find the wrong term by statement (A)."""
    terms = set(SWITCHED)
    for v, row in runs.items():
        off = any(run.wrong & wrong for run in row)
        spikes = v.W == 1 or not forward
        reset = spikes if v.threshold != TINY else None if forward else False
        acts = {"current decay": v.alpha > 0, "membrane decay": v.beta > 0,
                "recurrence": spikes and v.V > 0, "reset": reset}
        idle = {"current decay": not v.alpha, "membrane decay": not v.beta,
                "recurrence": not v.V, "reset": v.threshold == TINY}     # both passes
        some = any(run.wrong - {"dV"} for run in row)     # V = 0 does not make dV 0
        terms = {term for term in terms if acts[term] in (off, None)
                 and not (idle[term] and acts[term] is False and some)}
    return (tuple(terms), IFF) if len(terms) == 1 else ((), "")


def _multiple(parts):
    """Find a wrong term by statement (C)."""
    found = _fits(parts)
    terms, why = _only(sorted(found), MULTIPLE)
    if terms:
        place = locate(*found[terms[0]], sizes=_constants(ALL._asdict()),
                       rtol=RTOL.get(found[terms[0]][0].dtype, FINE), rounding=False)
        if place.factor is not None:
            names = f" ({', '.join(place.names)})" * bool(place.names)
            why += f" The term has the factor {place.factor:.6g}{names}."
    return terms, why


def _only(names, why=""):
    """Return the pair (terms, reason).  The tuple of terms names the wrong term,
    or is empty if several terms may be wrong."""
    if len(names) < 2:
        return tuple(names), (why or WHY[names[0]]) if names else ""
    return (), f"Each of {_listed(names)} alone would explain this."


def _forward(call, runs, given, wrong, small):
    bad, others = wrong & set(FORWARD), given - wrong
    exact = others & {"dW", "dx"}               # shows that the dynamics are right
    if exact or "mem" in others or "spikes" in others and (
            bad == {"loss"} or not small):
        terms = tuple(sorted(bad - {"loss"} or bad))
        return terms, f"Right: {_listed(sorted(others))}."       # statement (B)
    return _states(call, runs, given, bad)


def _states(call, runs, given, bad):
    every = [run for row in runs.values() for run in row]
    full = {"mem", "spikes"} <= given
    if "spikes" in given and not all(_same(s, np.clip(np.rint(s), 0, 1), 1.0)
                                     for s in (run.found["spikes"] for run in every)):
        many = "mem" in given and all(_same(run.found["spikes"], np.maximum(np.ceil(
            run.found["mem"] / run.p["threshold"]) - 1, 0), 1.0) for run in every)
        return ("several spikes",) * many, "The spikes are not 0 or 1" + (
            ", but several in a step." if many else ".")
    terms, why = _exact(call, runs, True)
    if why:
        return terms, why
    if bad == given & set(FORWARD) == {"loss"}:
        p = _network(ALL, 0)
        losses = [call(p | {"target": 0 * p["target"] + k}).found["loss"] for k in (
            0.3, 0.7, 0.5)]
        if not _same(losses[0] + losses[1] - 2 * losses[2], np.float64(0.04 * T * N)):
            return ("loss",), "The losses for three targets have a wrong difference."
    if full and all(_same(run.found["mem"], _follow(run.p, run.found["spikes"]).mem)
                    for run in every):                           # statement (D)
        return ("threshold",), "The spikes do not follow from the membranes."
    terms, why = _dynamics(call, runs, given, bad)
    if full and _moved(every):
        reset = "reset" in _fits([_residuals(run) for run in runs[ALL]])
        return ("threshold",) * reset, MOVED
    return (terms, why) if why or not full else _convention(runs[ALL][0])


def _convention(run):
    """Describe a recording by `identify`."""
    p, rows = run.p, {name: run.found[name] for name in ("mem", "spikes")}
    right, report = conventions.Step(), identify.identify(
        p["x"], p["gain"] * p["W"], rows, p["gain"] * p["V"], alpha=p["alpha"],
        beta=p["beta"], threshold=p["threshold"])
    return identify.terms(report, right)[:2], (
        f"By `identify`: {'; '.join(identify.relative(report, right))}.")


def _dynamics(call, runs, given, bad):
    every = [run for row in runs.values() for run in row]
    if "mem" in given:
        terms, why = _offset(every)
        if terms:
            return terms, why
    else:
        runs = {v: runs[v] for v in runs if v.W == 1}
    terms, why = _switched(runs, bad, True)
    if terms == ("reset",):             # or another effect of spikes
        terms, why = (), (
            "The results are right without spikes: the input, gain, reset, threshold, "
            "their time steps or the loss can be wrong.")
    if "mem" not in given:
        return terms, why
    rows = runs[ALL] + [call(_loud(run.p)) for run in runs[ALL]]
    parts = list(map(_residuals, rows))
    found = _multiple(parts)
    if not found[0] and terms and all(
            _same(run.found["mem"][:3], run.right["mem"][:3]) for run in every):
        return terms, why
    mixed = found[0] == ("gain",) and "factor" not in found[1]     # or mixed inputs
    if found[1] and not mixed or "spikes" not in given:
        return found
    alone = [_residuals(call(_recorded(run.p | {"V": 0 * run.p["V"]}))) for run in rows]
    sent = _fits([{"recurrence": (
        part["recurrence"][0], 1.0 * run.found["spikes"][:-2])}
        for part, run in zip(parts, rows, strict=True)])
    return _only([*found[0], *sent, *["input"] * all(               # statement (E)
        _same(part["input"][0], other["input"][0])
        for part, other in zip(parts, alone, strict=True))], found[1])


def _offset(runs):
    """Test whether a simulator starts from a wrong initial state, adds a
    constant to an equation, or limits the membrane potential to a range.
    """
    parts = list(map(_residuals, runs))
    pairs = [(part["input"][0], sum(part["gain"]) / run.p["gain"])
             for run, part in zip(runs, parts, strict=True)]
    told = all("mem" in run.given for run in runs)      # else the start is not known
    if all(_zero(second[2:], syn) for second, syn in pairs):
        rest = all(not run.found["mem"][0].any() and _zero(syn[0], syn)
                   and (told or _zero(second, syn))
                   for run, (second, syn) in zip(runs, pairs, strict=True))
        return ("initial state",) * (not rest), (not rest) * (
            "The equations hold after the first steps, but not from rest.")
    mem = np.concatenate([run.found["mem"][1:] for run in runs], axis=1)
    free = mem - np.concatenate([part["reset"][0] for part in parts], axis=1)
    low, high = mem.min() + 0.0, mem.max()
    if low < high and _zero(mem - np.clip(free, low, high), mem):
        bounds = [f"{word} {bound:.6g}" for word, bound, gap in (
            ("below", low, low - free.min()), ("above", high, free.max() - high))
            if gap > SMALL * (high - low)]
        return ("clamp",), f"The membranes are never {' or '.join(bounds)}."
    if all(_zero(second[2:] - second[2:].mean(axis=(0, 1)), syn)
           for second, syn in pairs):
        equation = "(2) or (3)" if not told else "(2)" if all(
            _zero(syn[0], syn) for _, syn in pairs) else "(3)"
        return ("bias",), (
            f"A constant is added to the right-hand side of {equation} of lif.")
    return (), ""


def _moved(runs):
    """Return whether spikes need another threshold."""
    moved = False
    for run in runs:
        mem, fired = run.found["mem"], run.found["spikes"] > 0
        low, high = mem[~fired].max(initial=-np.inf), mem[fired].min(initial=np.inf)
        if low >= high:
            return False
        moved |= not low <= run.p["threshold"] < high
    return moved


def _backward(call, runs, given, wrong):
    others, sums = given - wrong - set(FORWARD), {"dW", "dx"}
    every = [run for row in runs.values() for run in row]
    blind = others == {"dV"} and not given & wrong - sums and all(
        _same(run.found["dV"], np.einsum(
            "tbi,tbj->ij", _adjoints(run)[0], run.right["spikes"]),
            _scale(run.right, "dV")) for run in every)  # dV does not show the error
    factors = _factors(every, sorted(wrong)) if len(wrong) > 1 else []
    if len(wrong) > 1 and _limited(every, wrong, factors):
        return ("clipping",), "A limit of the norm or of the entries explains this."
    if others and not blind and (len(wrong) == 1 or others & (sums | set(LEARNED))):
        terms = tuple(sorted(wrong))
        return terms, f"Right: {_listed(sorted(others))}."       # statement (B)
    if factors and wrong == {"dW", "dV"}:
        return (), "The error, or both dW and dV, have a factor: dx would decide."
    if factors and "dx" in wrong:
        return ("error",), "All gradients of a network have the same factor."
    if any(run.found[name].any() for run in every for name in wrong):
        terms, why = _exact(call, runs, False)
        if why:
            return terms, why
    if not given & sums:
        return (), ""
    last = all(_same(found[T - 3:], right[T - 3:]) for found, right in map(
        _adjoints, every))
    if not last and len(given - set(FORWARD)) == 1:     # or a wrong sum over adjoints
        return (), ""
    found = _multiple([_back_residuals(run) for run in runs[ALL]])
    terms, why = _switched(runs, wrong, False)
    if last and terms and not found[0]:
        return terms, why
    return found if found[1] else _implied(call, runs[ALL])


def _factors(runs, names):
    """Return one gradient factor for each network."""
    found = []
    for run in runs:
        given, right = (np.concatenate([answer[name].ravel() for name in names])
                        for answer in (run.found, run.right))
        found.append(float(np.vdot(given, right) / np.vdot(right, right)))
        if not _same(given, found[-1] * right) or not found[-1]:
            return []
    return found


def _limited(runs, names, factors):
    """Return whether clipping explains the gradients."""
    limit = max(np.abs(run.found[name]).max() for run in runs for name in names)
    if all(_same(run.found[name], np.clip(run.right[name], -limit, limit))
           for run in runs for name in names):
        return bool(limit)
    norms = [np.sqrt(sum(np.square(run.found[name].astype(float)).sum()
                         for name in names)) for run in runs]
    return bool(factors) and np.allclose(
        factors, np.minimum(1, max(norms) * np.divide(factors, norms)), 1e-4)


def _implied(call, runs):
    """Apply statement (E) to the adjoints."""
    if not any(run.wrong for run in runs) or not all(
            _adjoints(run)[0].any() for run in runs):
        return (), ""

    def same(name, one, two):
        """Compare two calls of the tested function."""
        (a, right), (b, other) = (_back_residuals(run)[name] for run in (one, two))
        return _same((a + right) * other, (b + other) * right)

    terms, why = _only([name for name, change in (
        ("surrogate", lambda p: {"target": 1 - p["target"]}),
        ("error", lambda p: {"steepness": p["steepness"] / 2})) if all(
            same(name, run, call(run.p | change(run.p))) for run in runs)])
    if terms == ("surrogate",):
        for word, sign in (("below", 1), ("above", -1)):
            sides = [sign * (run.p["mem"] - run.p["threshold"])[2:] > 0 for run in runs]
            if all(_zero(side * residual, right) for side, (residual, right) in zip(
                    sides, (_back_residuals(run)["surrogate"] for run in runs),
                    strict=True)):
                why += f" It is wrong only {word} the threshold."
    return terms, why


def _calls(call):
    """Test statement (F) with several calls."""
    p = _network(ALL, SEEDS)
    other = _network(ALL, SEEDS + 1) | {"x": p["x"][::-1]}
    first, again = call(p), call(p)
    if first.broken:
        return _broken(first)

    def told(terms, text, run=again):
        return Diagnosis("between calls", terms, tuple(sorted(run.wrong)), text)

    if first.changed:
        return told(("inputs",), f"A call changes {_listed(first.changed)} in place.")
    if again.broken:
        return told((), "The second call with the same inputs fails: "
                    f"{' '.join(filter(None, again.broken))}.")
    off = sorted(name for name in first.found if not _same(
        again.found[name], first.found[name]))
    if off:
        text = f"A second call with the same inputs gives another {_listed(off)}"
        if all(_same(again.found[name] - first.found[name], first.right[name])
               for name in off):
            return told(("gradient",), f"{text}, as if gradients accumulated.")
        if not set(FORWARD) & set(off):
            return told((), f"{text}." + FIRST * bool(first.wrong))
        silent, faint = (_recorded(p | {"x": k * p["x"]}) for k in (0, 1e-3))
        active = call(faint).wrong if first.wrong else call(silent).wrong & set(FORWARD)
        for _ in range(FADING * bool(first.wrong)):
            call(silent)
        if first.wrong and not (active and not call(faint).wrong):
            return told((), f"{text}.{FIRST}")
        terms, how = (("state",), "active") if active else (("weights",), "silent")
        return told(terms, f"{text}. The network is {how} without input.")
    active = "mem" in first.found and np.any(first.found.get("spikes", off)[:T - 2])

    def stale(run):
        """Return whether a call repeats earlier results."""
        same = {key for key in first.found if _same(run.found[key], first.found[key])}
        return same >= set(first.found) if first.wrong else bool(same & run.wrong)

    for name in ("W", "V", "x", "target", *CONSTANTS):
        some = (0.9 * p[name], 0.8 * p[name]) if name in CONSTANTS else (
            other[name], 0 * p[name])
        tried = [call(_recorded(p | {name: value})) for value in some]
        if all(run.wrong - {"d" + name} and stale(run) for run in tried) and (
                not first.wrong or active and name in "WVx"):
            found = told(("weights",) if name in "WV" else (), (
                f"Results are wrong for another {name}, as if it were not read anew."),
                tried[0])
            return found._replace(side="unknown") if name in CONSTANTS else found
    own, new = _copied(p), _recorded(p | {"W": other["W"], "V": other["V"]})
    arrays = {name: own[name] for name in ("W", "V", "spikes", "mem", "syn")}
    call(p, own)
    for name, array in arrays.items():
        array.flags.writeable = True
        array[:] = new[name]
    run = call(new, own | arrays)
    if run.wrong and not first.wrong and not call(new).wrong:
        return told(("weights",), "Results are wrong if the values of the arrays W and "
                    "V change, as if they were not read anew.", run)
    if any(not np.array_equal(np.ravel(np.asarray(first.given[name])), np.ravel(value))
           for name, value in first.found.items()):
        return told((), "A later call overwrites the results of an earlier one.")
    return None
