# refsnn 0.1.0 | oracle/diagnose/diagnosis.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module finds the wrong term in the LIF equations of a program.

The tested function simulates a layer of leaky integrate-and-fire (LIF)
neurons, and computes gradients of a loss.  The function `diagnose` calls
the tested function for several variants of a network, in which different
terms of the LIF equations are 0.  Eight statements are used:

(A) If one term of the LIF equations is wrong, the results are wrong for
    exactly those variants in which this term has an effect.  A term has no
    effect if:

    term             forward                     backward
    current decay    alpha = 0                   alpha = 0
    membrane decay   beta = 0                    beta = 0
    recurrence       V = 0, or no spikes         V = 0
    reset            no spikes                   threshold almost 0

(B) An output that is right for all variants is computed correctly.
(C) The returned spikes and membrane potentials determine each term of
    equations (2) and (3) of the module `lif`.  The adjoints determine each
    term of equations (7) and (9) of `lif`.  Adjoints, the derivatives of
    the loss with respect to the states of the neurons, follow from the
    returned gradient dW or dx.  The residual of an equation is its
    left-hand side minus its right-hand side.  If a program multiplies one
    term by a wrong factor, the residual of the equation is a multiple of
    this term.
(D) If the returned spikes are wrong, but the potentials follow from these
    spikes by the LIF equations, the threshold is wrong.  The threshold is
    also wrong if the spikes and the resets fit another threshold.
(E) After the first steps, a wrong initial state leaves no residual.  A
    constant in an equation leaves a constant residual.  With a wrong gain,
    the currents are a linear map of the right currents.  A current that is
    read at a wrong step is shifted in time.  The residual of a wrong input
    term does not depend on the recurrent weights V.  If only the surrogate
    derivative is wrong, the surrogate derivative that follows from the
    adjoints does not depend on the target.  If only the derivative of the
    loss with respect to the spikes ("error") is wrong, the error that
    follows from the adjoints does not depend on the surrogate derivative.
(F) A correct function gives the same results in a second call as in the
    first call, changes no inputs, and reads all inputs in each call.
(G) If a loop with one fault, see the module `loops`, gives the results of
    the function for all networks, the function has this fault.
(H) If the target is 1/2 at step t and equals the spikes at later steps,
    the adjoints of B samples are `dI[t-2] = gain psi[t] (S[t] - 1/2) / B`.
    Spikes and potentials that are not returned follow from these adjoints.

If all results are right, `diagnose` calls the tested function again, with
longer input sequences and several active inputs in each time step.  No
membrane potential equals the threshold.
"""

import functools
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle import check, identify, protocol
from refsnn.oracle.build.registry import REGISTRY
from refsnn.oracle.diagnose.loops import _reproduced
from refsnn.oracle.diagnose.variants import (
    ALL, FORWARD, RTOL, RULES, TINY, N, T, _adjoints, _ask, _back_residuals, _copied,
    _fits, _follow, _label, _long, _mapped, _network, _recorded, _recovered, _residuals,
    _same, _scale, _variants, _zero)
from refsnn.oracle.locate import locate

__all__ = ["Diagnosis", "diagnose"]

SEEDS = 3                   # networks of each variant
FADING = 40                 # calls after which a state that is kept is 0
SMALL = 0.01                # largest relative error that rounding can cause
EXTRAS = {"one sample": ALL._replace(B=1), "a diagonal V": ALL._replace(diagonal=True),
          "gain = 1": ALL._replace(gain=1.0),
          "a flat surrogate": ALL._replace(steepness=TINY)}
AXES = {"loss": (), "spikes": ("step", "sample", "neuron"), "dV": ("row", "column"),
        "mem": ("step", "sample", "neuron"), "dW": ("row", "column"),
        "dx": ("step", "sample", "input")}
OTHERS = [name for name, entry in REGISTRY.items() if entry.size and name not in RULES]
CONSTANTS = ("alpha", "beta", "gain", "threshold", "steepness")
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
ADDED = {       # what a program does, in contrast to the equations of lif
    "refractory period": "has a refractory period, in contrast to (1)",
    "several spikes": "emits several spikes per step, in contrast to (1)",
    "clamp": "bounds the membrane potential, in contrast to (3)",
    "bias": "adds a constant, in contrast to (2) and (3)",
    "initial state": "does not start from rest, in contrast to the simulation",
    "truncation": "truncates the gradient, in contrast to (7)-(9)",
    "clipping": "limits the gradient, in contrast to (10)",
    "first step": "omits the first step of the equations",
    "last step": "omits the last step of the equations"}
GRADED = ("a longer sequence of four samples, with several inputs per step and "
          "input values other than 0 and 1")
IFF = "Only one term acts in exactly those variants whose results are wrong."
MULTIPLE = "In an equation of lif, the residual is a multiple of one term."
MOVED = "The spikes follow from the membranes, but at another threshold."
FIRST = " The first results are wrong, too."
LOOP = "A loop in which"
WHY = {"surrogate": "The surrogate that the adjoints imply does not depend on targets.",
       "error": "The error that the adjoints imply does not depend on the surrogate.",
       "gain": "One linear map explains the errors of all currents.",
       "current": "The current has the right effect at a wrong step.",
       "recurrence": "One linear map of the spikes explains the residual of (2).",
       "input": "The input that (2) implies does not depend on V."}


class Diagnosis(NamedTuple):
    """Hold the result of `diagnose`."""
    side: str           # "right", "forward", "backward", "between calls", "unknown"
    terms: tuple        # at most two wrong terms, outputs or dtypes
    arrays: tuple       # wrong outputs
    variants: dict      # wrong outputs of each variant
    text: str           # reason in words


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
        The dict `p` holds the inputs of a small test problem (golden vector):
        x (T, B, m), W, V, target, alpha, beta, gain, threshold, steepness,
        spikes, mem and syn.  The function returns some or all outputs of this
        test problem.  It is called 100 to 500 times.
    rule : {"bptt", "bptt_detached", "rtrl"} or another golden vector
        For other golden vectors of variable size, such as "lif_stack", the
        pass and the layer are found, and no terms.

    Returns
    -------
    Diagnosis, in which an ambiguous term is not named
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
            return Diagnosis(side, (layer,) * bool(layer), wrong, {}, found[-1].text)
    return Diagnosis("right", (), (), {}, f"{_listed(sorted(given))} are right.")


def _judged(call, note=""):
    runs = {v: [call(_network(v, seed)) for seed in range(SEEDS)] for v in _variants()}
    every = [run for row in runs.values() for run in row]
    table = {_label(v): tuple(sorted(frozenset().union(*(run.wrong for run in row))))
             for v, row in runs.items()}
    for v, row in runs.items():
        for run in row:
            if run.broken:
                return _broken(run, f" (variant \"{_label(v)}\")")._replace(
                    variants=table)
    given, wrong = every[0].found, frozenset().union(*(run.wrong for run in every))
    if not wrong:
        return _right(call, given, table)
    forward = bool(wrong & set(FORWARD))
    place, small, shown = _simplest(runs, forward)
    if wrong == {"loss"} == set(given) and _rounded(every) and all(
            np.isclose(run.found["loss"], run.right["loss"], 5e-6) for run in every):
        return Diagnosis("forward", ("float32",), ("loss",), table, (
            "Wrong: loss. " + _conclusion("forward", (), ("float32",))))
    if not note and (place.dtypes == ("float32",) or _rounded(every)) and not all(
            _same(run.found[name].astype(np.float32), run.right[name], _scale(
                run.right, name)) for run in every for name in run.wrong):
        return None
    side, terms, why = _inferred(call, runs, frozenset(given), wrong, small)
    dtypes = place.dtypes * (len(place.dtypes) == 1 and side != "unknown" and (
        bool(terms) or place.dtypes == ("float32",)) and set(terms) <= set(AXES)
        and _even(every, forward))
    if not terms and not dtypes:
        dtypes = _rounding(every, forward)
    if not dtypes and max(_sizes(every, forward)) >= SMALL:
        place = _simplest(runs, forward, rounding=False)[0]
    if terms == ("loss",):
        found, right = (np.array([float(answer["loss"]) for answer in answers])
                        for answers in zip(*((run.found, run.right) for run in every)))
        place = locate(found, right, sizes={"T": T, "B": ALL.B, "n": N}, rtol=RTOL.get(
            every[0].found["loss"].dtype, 1e-9), rounding=False)
        shown = "The losses of all networks"
    tried = {name: [call(_network(v, seed)) for seed in range(SEEDS)]
             for name, v in EXTRAS.items()}
    extra = [name for name, row in tried.items() if any(
        run.wrong for run in runs[ALL]) and not any(
        run.wrong or run.broken for run in row)]
    text = (f"Wrong: {_listed(sorted(wrong))}.", why, _conclusion(side, terms, dtypes),
            extra and f"All results are right with {_listed(extra)}.",
            f"{shown}: {place.text}.{note}")
    return Diagnosis(side, (*terms, *dtypes)[:2], tuple(sorted(wrong)), table,
                     " ".join(filter(None, text)))


def _rounded(runs):
    values = [value for run in runs for name, value in run.found.items()
              if name != "spikes"]
    return any(value.dtype == np.float64 for value in values) and all(
        np.array_equal(value, value.astype(np.float32)) for value in values)


def _right(call, given, table):
    """Test a function on longer input sequences."""
    rows = [call(_long(seed)) for seed in range(SEEDS)]
    for run in rows:
        if run.broken:
            return _broken(run, f" ({GRADED})")._replace(variants=table)
    wrong = tuple(sorted(frozenset().union(*(run.wrong for run in rows))))
    if not wrong:
        kinds = sorted({str(value.dtype) for value in given.values()})
        return Diagnosis("right", (), (), table, (
            f"{_listed(given)} ({', '.join(kinds)}) are right in all variants."))
    side = "forward" if set(wrong) & set(FORWARD) else \
        "backward" if set(given) & set(FORWARD) else "unknown"
    return Diagnosis(side, (), wrong, table, (
        f"Wrong: {_listed(wrong)}, but only in {GRADED}."))


def _rounding(runs, forward):
    """Test for rounding to float16."""
    found = [locate(run.found[name], run.right[name], rtol=RTOL.get(
        run.found[name].dtype, 1e-9)).dtypes for run in runs for name in run.wrong
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


def _conclusion(side, terms, dtypes):
    if dtypes and not terms:
        return f"All results are rounded to {dtypes[0]}." if "float32" in dtypes else \
            f"The errors have the size of rounding to {dtypes[0]}."
    if not terms:
        return "The wrong term is not known."
    if terms[0] in ADDED:
        return f"The function {ADDED[terms[0]]} of lif."
    if not set(terms) <= set(SHOWN):
        return f"The computation of {_listed(terms)} is wrong."
    return (f"The {_listed(terms)} {'is' if len(terms) == 1 else 'are'} wrong: "
            f"{_listed([SHOWN[term][side == 'backward'] for term in terms])} of lif.")


def _broken(run, where=""):
    name, why = run.broken
    if not name:
        return Diagnosis("unknown", (), (), {}, (
            f"The function {why.rstrip('.')}{where}."))
    side = "forward" if name in FORWARD else "backward"
    return Diagnosis(side, (name,) * ("shape" in why), (name,), {},
                     f"{name} {why}{where}.")


def _simplest(runs, forward, rounding=True):
    """Locate the smallest error of a pass."""
    wrong = [(v, run, name) for v, row in runs.items() for run in row
             for name in run.wrong if (name in FORWARD) == forward]

    def size(case):
        return case[2] == "loss", _size(*case[1:])

    v, run, name = best = min(wrong, key=size)
    sizes = {key: run.p[key] for key in CONSTANTS}
    place = locate(run.found[name], run.right[name], axes=AXES[name],
                   rtol=RTOL.get(run.found[name].dtype, 1e-9), backward=not forward,
                   sizes=sizes | {"T": T, "B": v.B, "n": N}, rounding=rounding)
    return place, size(best)[1] < SMALL, f"Variant \"{_label(v)}\", {name}"


def _inferred(call, runs, given, wrong, small):
    """Infer the wrong pass and terms."""
    seen, grads = given & set(FORWARD), given & {"dW", "dx"}
    if wrong & seen:
        side, (terms, why) = "forward", _forward(call, runs, given, wrong, small)
        if terms or {"mem", "spikes"} <= given or not grads or given - wrong - seen:
            return side, terms, why
    else:
        side, (terms, why) = "backward", _backward(call, runs, given, wrong)
        if "mem" in given if small else seen:
            return side, terms, why
        if terms and (set(terms) <= set(AXES) or why.startswith(LOOP)):
            return side, terms, why
    if grads:                                                       # statement (H)
        def recall(p):
            return _recovered(call, p)

        tried = {v: [recall(run.p) for run in row[:SEEDS if v == ALL else 1]]
                 for v, row in runs.items()}
        every = [run for row in tried.values() for run in row]
        bad = frozenset().union(*(run.wrong for run in every))
        if not any(run.broken for run in every):
            if not bad & {"mem", "spikes"}:
                return (side, terms, why) if side == "backward" else (
                    side, ("loss",), "The gradients belong to the right membranes.")
            found = _states(recall, tried, given | {"mem", "spikes"},
                            bad & set(FORWARD))
            if found[0]:
                return "forward", *found
    return (side, terms, why) if side == "forward" else (
        "unknown", (), "The pass is unknown without spikes and mem.")


def _exact(runs, forward):
    """Find a wrong term by statement (G)."""
    found = _reproduced([run for row in runs.values() for run in row], forward)
    terms = dict.fromkeys(fault.terms for fault in found)
    words = " or ".join({fault.terms: fault.words for fault in found[::-1]}.values())
    return found[0].terms if len(terms) == 1 else (), (
        f"{LOOP} {words} gives the same results." * bool(found))


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


def _only(names, why=""):
    """Accept at most one wrong term."""
    if len(names) < 2:
        return tuple(names), why or "".join(map(WHY.get, names))
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
    if "spikes" in given and not all(_same(s, np.clip(np.rint(s), 0, 1), 1.0)
                                     for s in (run.found["spikes"] for run in every)):
        many = "mem" in given and all(_same(run.found["spikes"], np.maximum(np.ceil(
            run.found["mem"] / run.p["threshold"]) - 1, 0), 1.0) for run in every)
        return ("several spikes",) * many, "The spikes are not 0 or 1."
    terms, why = _exact(runs, True)
    if why:
        return terms, why
    if bad == given & set(FORWARD) == {"loss"}:
        p = _network(ALL, 0)
        losses = [call(p | {"target": 0 * p["target"] + k}).found["loss"] for k in (
            0.3, 0.7, 0.5)]
        if not _same(losses[0] + losses[1] - 2 * losses[2], np.float64(0.04 * T * N)):
            return ("loss",), "The losses for three targets have a wrong difference."
    if not {"mem", "spikes"} <= given:
        return _dynamics(call, runs, given, bad)
    if all(_same(run.found["mem"], _follow(run.p, run.found["spikes"]).mem)
           for run in every):                                    # statement (D)
        return ("threshold",), "The spikes do not follow from the membranes."
    terms, why = _dynamics(call, runs, given, bad)
    if _moved(every):
        reset = _fits([_residuals(run) for run in runs[ALL]]) == ("reset",)
        return ("threshold",) * reset, MOVED
    return _convention(runs[ALL][0]) if not why else (terms, why)


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
    if terms == ("reset",) and not ({"mem", "spikes"} <= given and any(
            map(_prompt, every))):
        terms, why = (), "The decays and the recurrence are right."
    if "mem" not in given:
        return terms, why
    first = all(_same(run.found["mem"][:3], run.right["mem"][:3]) for run in every)
    if first and terms:
        return terms, why
    rows = runs[ALL] + [call(_recorded(run.p | {"W": 8 * run.p["W"]}))
                        for run in runs[ALL]]
    parts = [_residuals(run) for run in rows]
    terms = _fits(parts)
    if terms or "spikes" not in given:
        return _only(terms, MULTIPLE * bool(terms))
    pairs = [(residual + right, right) for residual, right in (
        part["gain"] for part in parts)]
    alone = [_residuals(call(_recorded(run.p | {"V": 0 * run.p["V"]}))) for run in rows]
    found = {                                                       # statement (E)
        "gain": _joint(pairs),
        "current": all(_same(a[:-1], b[1:]) for a, b in pairs) or all(
            _same(a[1:], b[:-1]) for a, b in pairs),
        "recurrence": _joint([(part["recurrence"][0], run.found["spikes"][:-2])
                              for part, run in zip(parts, rows, strict=True)]),
        "input": all(_same(part["input"][0], other["input"][0])
                     for part, other in zip(parts, alone, strict=True))}
    return _only([name for name in found if found[name]])


def _offset(runs):
    """Find a wrong initial state or constant."""
    parts = [_residuals(run)["current decay"] for run in runs]
    if all(_zero(second[2:], syn) for second, syn in parts):
        rest = all(not run.found["mem"][0].any() and _zero(syn[0], syn)
                   and ("mem" in run.given or _zero(second, syn))
                   for run, (second, syn) in zip(runs, parts, strict=True))
        return ("initial state",) * (not rest), (
            "The equations hold after the first steps." * (not rest))
    gaps = [(run.found["mem"][1:], _residuals(run)["reset"][0]) for run in runs]
    low, high = (f([f(mem) for mem, _ in gaps]) for f in (np.min, np.max))
    if low < high and all(_zero(mem - np.clip(mem - gap, low, high), mem)
                          for mem, gap in gaps):
        return ("clamp",), f"The membranes are within {low:.6g} and {high:.6g}."
    if all(_zero(second[2:] - second[2:].mean(axis=(0, 1)), syn)
           for second, syn in parts):
        return ("bias",), "The residual of (2) is the same at all steps."
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


def _joint(pairs):
    """Test one linear map on all arrays."""
    return _mapped(*map(np.concatenate, zip(*pairs, strict=True)))


def _prompt(run):
    """Return whether errors follow the first spike."""
    mem, right = run.found["mem"], run.right["mem"]
    wrong = np.abs(mem - right) > RTOL.get(mem.dtype, 1e-9) * np.abs(right).max()
    first, spike = (np.argmax(a.any(axis=(1, 2))) for a in (wrong, run.right["spikes"]))
    return wrong.any() and first == spike + 1


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
    if others and not blind and (len(wrong) == 1 or others & sums):
        terms = tuple(sorted(wrong))
        return terms, f"Right: {_listed(sorted(others))}."       # statement (B)
    if factors and wrong == {"dW", "dV"}:
        return (), "The error, or both dW and dV, have a factor: dx would decide."
    if factors and "dx" in wrong:
        return ("error",), "All gradients of a network have the same factor."
    if any(run.found[name].any() for run in every for name in wrong):
        terms, why = _exact(runs, False)
        if why:
            return terms, why
    if not given & sums:
        return (), ""
    pairs = list(map(_adjoints, every))
    last = all(_same(found[T - 3:], right[T - 3:]) for found, right in pairs)
    terms, why = _switched(runs, wrong, False)
    if last and terms:
        return terms, why
    if not last and len(given - set(FORWARD)) == 1:     # or a wrong sum over adjoints
        return (), ""
    terms = _fits([_back_residuals(run) for run in runs[ALL]])
    if terms:
        return _only(terms, MULTIPLE)
    return _implied(call, runs)


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
    if not any(run.wrong for run in runs[ALL]):
        return (), ""

    def same(name, one, two):
        """Compare two calls of the tested function."""
        (a, right), (b, other) = (_back_residuals(run)[name] for run in (one, two))
        return _same((a + right) * other, (b + other) * right)

    shifted = []
    for run in runs[ALL]:
        dI, right = _adjoints(run)
        if not dI.any():
            return (), ""
        t = int(np.flatnonzero(dI.any(axis=(1, 2)))[-1])
        shifted.append(t != T - 3 and _same(dI[t], right[T - 3]))
    maps = [_back_residuals(run)["gain"] for run in runs[ALL]]
    found = {"current": all(shifted),
             "surrogate": all(same("surrogate", run, call(run.p | {
                 "target": 1 - run.p["target"]})) for run in runs[ALL]),
             "error": all(same("error", run, call(run.p | {
                 "steepness": run.p["steepness"] / 2})) for run in runs[ALL]),
             "gain": _joint([(residual + right, right) for residual, right in maps])}
    return _only([name for name in found if found[name]])


def _calls(call):
    """Test statement (F) with several calls."""
    p = _network(ALL, SEEDS)
    other = _network(ALL, SEEDS + 1) | {"x": p["x"][::-1]}
    first, again = call(p), call(p)
    if first.broken:
        return _broken(first)

    def told(terms, text, run=again):
        return Diagnosis("between calls", terms, tuple(sorted(run.wrong)), {}, text)

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
