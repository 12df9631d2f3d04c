# refsnn 0.1.0 | oracle/diagnose/diagnosis.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module infers which LIF equation term a program computes wrongly.

The function `diagnose` calls the tested function for several variants of a
network.  The tested function simulates a layer of leaky integrate-and-fire
(LIF) neurons, and computes gradients of a loss.  The variants differ in
the terms of the LIF equations that are 0.  Six statements are used:

(A) One wrong term of the LIF equations makes the results wrong for every
    variant in which this term has an effect, and for no other variant.  A
    term has no effect if:

    term             forward                     backward
    current decay    alpha = 0                   alpha = 0
    membrane decay   beta = 0                    beta = 0
    recurrence       V = 0, or no spikes         V = 0
    reset            no spikes                   threshold almost 0

(B) An output that is right for all variants is computed correctly.
(C) From the returned spikes and membrane potentials, each term on the
    right-hand sides of equations (2) and (3) of the module `lif` can be
    computed, and from the adjoints each term of equations (7) and (9).
    Adjoints are derivatives of the loss with respect to the states of the
    neurons, which follow from the returned gradient dW or dx.  The
    residual of an equation is its left-hand side minus its right-hand
    side.  If a program multiplies one term by a wrong factor, the residual
    of the equation is a multiple of this term.
(D) Suppose that the returned membrane potentials agree with the returned
    spikes, but that the neurons do not spike exactly where the membrane
    potential exceeds the threshold.  If spikes are missing only in the
    first steps after a spike, the neurons have a refractory period.
    Otherwise, the function uses a wrong threshold.  The threshold is also
    wrong if the spikes and the reset agree with another threshold.
(E) The terms in (A) do not affect the first nonzero membrane potential,
    mem[2], and the derivative of the loss with respect to the last
    synaptic current, dI[T-2] = gain psi[T-1] dS[T-1].  If mem[2] or
    dI[T-2] is wrong, one of five quantities is wrong: the input, the gain,
    the surrogate derivative, the derivative of the loss with respect to
    the spikes ("error"), or the time step at which the synaptic current is
    read ("current").  A wrong gain maps the right currents linearly, and a
    wrong step shifts them in time.  With a wrong input, the residuals are
    0 after the last input.  With a wrong surrogate derivative, dI[T-2] is
    proportional to the error, and vice versa.
(F) A correct function gives the same results in a second call as in the
    first call, changes no inputs, and reads all inputs in each call.

In all variants, each input channel is 1 at one time step of one sample,
and 0 otherwise.  If all results are right, `diagnose` calls the tested
function again, with longer sequences and several inputs at each time step.
No membrane potential equals the threshold.
"""

import functools
from typing import NamedTuple

import numpy as np

from refsnn.oracle.diagnose.variants import (
    ALL, FORWARD, RTOL, RULES, TINY, N, T, _adjoints, _ask, _back_residuals, _copied,
    _error, _fits, _follow, _label, _long, _mapped, _network, _ratio, _recorded,
    _residuals, _same, _scale, _slope, _variants, _zero)
from refsnn.oracle.locate import locate

__all__ = ["Diagnosis", "diagnose"]

SEEDS = 3                   # networks of each variant
SMALL = 0.01                # largest relative error that rounding can cause
STOP = 5                    # step at which the input ends, for statement (E)
EXTRAS = {"one sample": ALL._replace(B=1), "a diagonal V": ALL._replace(diagonal=True),
          "gain = 1": ALL._replace(gain=1.0),
          "a flat surrogate": ALL._replace(steepness=TINY)}
AXES = {"loss": (), "spikes": ("step", "sample", "neuron"), "dV": ("row", "column"),
        "mem": ("step", "sample", "neuron"), "dW": ("row", "column"),
        "dx": ("step", "sample", "input")}
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
GRADED = ("a longer sequence of four samples, with several inputs per step and "
          "input values other than 0 and 1")
IFF = "Only one term acts in exactly those variants whose results are wrong."
MULTIPLE = "In an equation of lif, the residual is a multiple of one term."
WHY = {"gain": "One linear map explains the errors of all currents.",
       "current": "The current has the right effect at a wrong step.",
       "input": "The equations hold after the end of the input."}


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
        test problem.  It is called about 100 times.
    rule : {"bptt", "bptt_detached", "rtrl"}

    Returns
    -------
    Diagnosis, in which an ambiguous term is not named
    """
    if not callable(function):
        raise ValueError(f"function is {function!r:.60}: must be callable")
    if str(rule) not in RULES:
        raise ValueError(f"rule is {rule!r:.60}: must be one of {tuple(RULES)}")
    names = []

    def call(p, own=None, single=False):
        run = _ask(function, rule, p, own, single)
        names.append(run.broken or set(run.found))
        if run.broken or names[0] == names[-1]:
            return run
        return run._replace(broken=("", "returns other outputs in another call"))

    return _calls(call) or _judged(call) or _judged(functools.partial(
        call, single=True), " Apart from this, results are rounded to float32.")


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
    infer = _forward if forward else _backward
    terms, why = infer(call, runs, frozenset(given), wrong, small)
    side = "forward" if forward else "backward"
    if not forward and not set(given) & ({"mem"} if small else set(FORWARD)) and (
            not set(terms) & set(AXES)):
        side, terms, why = "unknown", (), "The pass is unknown without spikes and mem."
    dtypes = place.dtypes * (len(place.dtypes) == 1 and side != "unknown" and (
        bool(terms) or place.dtypes == ("float32",)) and set(terms) <= set(AXES)
        and _even(every, forward))
    if not dtypes and max(_sizes(every, forward)) >= SMALL:
        place = _simplest(runs, forward, rounding=False)[0]
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
        return f"All results are rounded to {dtypes[0]}."
    if not terms:
        return "The wrong term is not known."
    if terms == ("refractory period",):
        return "The function has a refractory period, but (1) of lif has none."
    if not set(terms) <= set(SHOWN):
        return f"The computation of {_listed(terms)} is wrong."
    return f"The {terms[0]} is wrong: {SHOWN[terms[0]][side == 'backward']} of lif."


def _broken(run, where=""):
    name, why = run.broken
    if not name:
        return Diagnosis("unknown", (), (), {}, (
            f"The function {why.rstrip('.')}{where}."))
    side = "forward" if name in FORWARD else "backward"
    return Diagnosis(side, (name,) * ("shape" in why), (name,), {},
                     f"{name} {why}{where}.")


def _simplest(runs, forward, rounding=True):
    """Find the smallest error, preferably not of the loss."""
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


def _only(names, why):
    """Accept at most one wrong term."""
    if len(names) < 2:
        return tuple(names), why
    return (), f"Each of {_listed(names)} alone would explain this."


def _forward(call, runs, given, wrong, small):
    every = [run for row in runs.values() for run in row]
    bad, others = wrong & set(FORWARD), given - wrong
    exact = others & {"dW", "dx"}               # shows that the dynamics are right
    if exact or "mem" in others or "spikes" in others and (
            bad == {"loss"} or not small):
        terms = tuple(sorted(bad - {"loss"} or bad))
        return terms, f"Right: {_listed(sorted(others))}."       # statement (B)
    if "spikes" in given and not all(_same(s, np.clip(np.rint(s), 0, 1), 1.0)
                                     for s in (run.found["spikes"] for run in every)):
        return (), "The spikes are not 0 or 1."
    if bad == given & set(FORWARD) == {"loss"}:
        p = _network(ALL, 0)
        losses = [call(p | {"target": 0 * p["target"] + k}).found["loss"] for k in (
            0.3, 0.7)]
        if not _same(sum(losses), np.float64(0.58 * T * N / 2)):     # for any spikes
            return ("loss",), "The losses for two targets have a wrong sum."
    if {"mem", "spikes"} <= given and all(      # statement (D)
            _same(run.found["mem"], _follow(run.p, run.found["spikes"]).mem)
            for run in every):
        steps, least = _pause(every)
        if steps:
            return ("refractory period",), (
                f"Spikes are missing in {'at least ' * least}{steps} step"
                f"{'s' * (steps > 1)} after each spike, and only there.")
        return ("threshold",), "The spikes do not follow from the membranes."
    if {"mem", "spikes"} <= given and _moved(every):
        why = "The spikes follow from the membranes, but at another threshold."
        return ("threshold",) * all(map(_resets_alike, every)), why
    if "mem" not in given:
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
    if first or terms or "spikes" not in given:
        return _only(terms, MULTIPLE * bool(terms))
    pairs = [(residual + right, right) for residual, right in (
        part["gain"] for part in parts)]
    ended = [call(_recorded(run.p | {"x": run.p["x"] * (
        np.arange(T) < STOP)[:, None, None]})) for run in rows]
    late = [_residuals(run)["recurrence"] for run in ended]
    found = {                                                       # statement (E)
        "gain": _mapped(*(np.concatenate(a) for a in zip(*pairs))),
        "current": all(_same(a[:-1], b[1:]) for a, b in pairs) or all(
            _same(a[1:], b[:-1]) for a, b in pairs),
        "input": any(sent[STOP + 2:].any() for _, sent in late) and all(
            _zero(residual[STOP + 2:], sent) for residual, sent in late)}
    terms = [name for name in found if found[name]]
    return _only(terms, "".join(WHY[term] for term in terms))


def _pause(runs):
    """Infer the refractory period."""
    missing, intervals = [], [T]
    for run in runs:
        over, fired = run.found["mem"] > run.p["threshold"], run.found["spikes"] > 0.5
        since = np.full(fired.shape, T)         # steps since the last spike
        for t in range(1, T):
            since[t] = np.where(fired[t - 1], 1, since[t - 1] + 1)
        if np.any(fired & ~over):
            return 0, False
        missing += [*since[over & ~fired]]
        intervals += [*since[fired]]
    steps = int(max(missing, default=0))
    return steps * bool(steps < min(intervals)), bool(min(intervals) == T)


def _gap(run):
    mem, fired = run.found["mem"], run.found["spikes"] > 0
    return mem[~fired].max(initial=-np.inf), mem[fired].min(initial=np.inf)


def _moved(runs):
    """Return whether the threshold is wrong."""
    gaps = [(*_gap(run), run.p["threshold"]) for run in runs]
    return all(low < high for low, high, _ in gaps) and any(
        not low <= threshold < high for low, high, threshold in gaps)


def _resets_alike(run):
    """Return whether resets use the spike threshold."""
    residual, spikes = _residuals(run)["reset"]
    excess = np.vdot(residual, spikes) / max(np.vdot(spikes, spikes), 1)
    (low, high), scale = _gap(run), np.abs(run.found["mem"]).max()
    above, slack = run.p["threshold"] - excess, RTOL.get(residual.dtype, 1e-9) * scale
    return _same(residual, excess * spikes, scale) and (
        not spikes.any() or bool(low - slack <= above <= high + slack))


def _prompt(run):
    """Return whether errors follow the first spike."""
    mem, right = run.found["mem"], run.right["mem"]
    wrong = np.abs(mem - right) > RTOL.get(mem.dtype, 1e-9) * np.abs(right).max()
    first, spike = (np.argmax(a.any(axis=(1, 2))) for a in (wrong, run.right["spikes"]))
    return wrong.any() and first == spike + 1


def _backward(call, runs, given, wrong, small):
    others, sums = given - wrong - set(FORWARD), {"dW", "dx"}
    blind = others == {"dV"} and not given & wrong - sums and all(
        _same(run.found["dV"], np.einsum(
            "tbi,tbj->ij", _adjoints(run)[0], run.right["spikes"]),
            _scale(run.right, "dV"))
        for row in runs.values() for run in row)    # dV does not show the error
    if others and not blind and (len(wrong) == 1 or others & sums):
        terms = tuple(sorted(wrong))
        return terms, f"Right: {_listed(sorted(others))}."       # statement (B)
    if not given & sums:
        return (), ""
    pairs = [_adjoints(run) for row in runs.values() for run in row]
    last = all(_same(found[T - 3:], right[T - 3:]) for found, right in pairs)
    terms, why = _switched(runs, wrong, False)
    if last and terms:
        return terms, why
    if not last and len(given - set(FORWARD)) == 1:     # or a wrong sum over adjoints
        return (), ""
    terms = _fits([_back_residuals(run) for run in runs[ALL]])
    if last or terms:
        return _only(terms, MULTIPLE * bool(terms))
    return _last_adjoint(call, runs)


def _last_adjoint(call, runs):
    """Apply statement (E) to the last adjoint."""
    shifted, by_error, by_slope, pairs = [], [], [], []
    if not any(run.wrong for run in runs[ALL]):
        return (), ""
    for run in runs[ALL]:
        rows = (run, call(run.p | {"target": 1 - run.p["target"]}),
                call(run.p | {"steepness": run.p["steepness"] / 2}))
        (dI, right), (dI1, _), (dI2, _) = map(_adjoints, rows)
        if not dI.any():
            return (), ""
        t = int(np.flatnonzero(dI.any(axis=(1, 2)))[-1])
        shifted.append(t != T - 3 and _same(dI[t], right[T - 3]))
        t = min(t, T - 3)
        q, psi = ([f(r.p)[t + 2] for r in rows] for f in (_error, _slope))
        by_error.append(_ratio(dI[t], q[0], dI1[t], q[1]))
        by_slope.append(_ratio(dI[t], psi[0], dI2[t], psi[2]))
        pairs += [(a[t], e * s) for a, e, s in zip((dI, dI1, dI2), q, psi)]
    if all(shifted):
        return ("current",), WHY["current"]
    if all(by_error) and not all(by_slope):
        return ("surrogate",), "The last adjoint is proportional to the error."
    if all(by_slope) and not all(by_error):
        return ("error",), "The last adjoint is proportional to the surrogate."
    if t < T - 3:
        return (), "The last adjoint is 0."
    if _mapped(*map(np.stack, zip(*pairs))):
        parts = [_back_residuals(run)["gain"] for run in runs[ALL]]
        mapped = _mapped(*(np.concatenate(a) for a in zip(*(
            (residual + right, right) for residual, right in parts))))
        return (("gain",), WHY["gain"]) if mapped else ((), "")
    if not all(by_error) or not run.reset:
        return (), ""
    silent = (_adjoints(run) for v, row in runs.items() if v.W < 1 for run in row)
    if all(_same(found[T - 3:], right[T - 3:]) for found, right in silent):
        return (), "The last adjoint is right without spikes."
    late = []
    for run in runs[ALL._replace(V=0.0)]:       # error at the last step only
        target = run.p["spikes"].copy()
        target[-1] = run.p["target"][-1]
        dI, right = _adjoints(call(run.p | {"target": target}))
        late.append(_ratio(dI, right, dI[T - 3], right[T - 3]))
    why = "With an error at the last step alone, all earlier adjoints are "
    if all(late):
        return ("error",), why + "right."
    return ("surrogate",), why + "wrong."


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
        if first.wrong:
            return told((), f"{text}. The first results are wrong, too.")
        if all(_same(again.found[name], 2 * first.found[name]) for name in off):
            return told(("gradient",), f"{text}, as if gradients accumulated.")
        if not {"spikes", "mem"} & set(off):
            return told((), f"{text}.")
        active = call(_recorded(p | {"x": 0 * p["x"]})).wrong & {"spikes", "mem"}
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
