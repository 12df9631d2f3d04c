# refsnn 0.1.0 | oracle/identify/identification.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Identify from a recording how a simulator updates LIF neurons.

An update convention states how a simulator computes a time step of LIF
neurons, see `identify`.  The function `identify` simulates every update
convention, and compares each simulation with the recording.  A property of
the update, such as the kind of reset, is called settled if only one choice
agrees with the recording.  A property is called open if more than one
choice agrees with the recording.  For an open property, the report may
name an input signal that helps to distinguish the choices (see `stimuli`).
Only a recorded gradient determines the property `through_reset` (whether
gradients pass through the reset).

The list `members` of the report holds update conventions (ways to compute
a time step) that agree with the recording.  The list starts with presets
(update conventions of published simulators).  After the presets, `members`
holds update conventions that differ from the first preset in a single
property.  If no preset agrees with the recording, `members` holds those
update conventions that agree and are most similar to a preset.  Without
presets, `members` has at most 20 entries.
"""

import numpy as np

from refsnn import _checks, conventions
from refsnn.oracle.identify import arguments, elimination, fitting, nearest, ties
from refsnn.oracle.identify.report import (SILENCE, TERMS, Candidate, Parting, Report,
                                           _cost, _described, _difference, _lines,
                                           _step, _surrogates, _variants, _whole,
                                           _words)
from refsnn.oracle.identify.stimuli import _simulator, _telling

__all__ = ["identify", "relative", "terms"]

SHOWN = 20              # members at most, if no preset fits
FEW_CHANGES = 3         # a mistake changes at most this number of axes
LONE = ("the gradient is not used, because many surrogates explain a single entry: "
        "give the surrogate with its steepness, or record two neurons")
HELD = "equal: a membrane held at reset_to for one step after each spike (refractory 1)"
FEW = ("only the times of {} spikes are known, which other models or constants may "
       "also explain: record mem")
PATH = "reset", "reset_at", "refractory", "mute"        # axes that concern the reset
IDLE = "test", "compare", "record"      # the gradient does not depend on these axes


def identify(x, W, recording, V=None, *, tau_syn=None, tau_mem=None, dt=1.0,
             threshold=1.0, leak=0.0, reset_to=0.0, floor=0.0, gradients=None,
             dspikes=None, surrogate=None, alpha=None, beta=None, refractory=None):
    """Return a `Report` of the update conventions that agree with a recording.
    If no simulation reproduces the entire recording, the report may describe
    the simulation that agrees with the recording for the longest time.

    >>> x, taus = np.ones((9, 1, 1)), {"tau_syn": 2.0, "tau_mem": 5.0}
    >>> step = conventions.PRESETS["spytorch"]
    >>> run = conventions.simulate(step, x, np.eye(1), **taus)
    >>> rows = conventions.recorded(step, run)
    >>> identify(x, np.eye(1), rows, **taus).members[0].preset
    'spytorch'

    Parameters
    ----------
    x : (T, B, m) float
        Input of the recording.  The recording must start from rest, where the
        current syn is 0 and the membrane potential mem is `leak`.
    W, V : (n, m) and (n, n) float
        Weights; V may be None.  If the tool multiplies currents by a gain that
        is not in `conventions.AXES`, multiply W and V by it, and omit syn.
    recording : dict
        At least one of the arrays "spikes", "mem" and "syn", each (T, B, n).
        Do not change the dtype, on which the tolerance depends.
    tau_syn, tau_mem, dt : float
        Time constants and time step, in seconds.  Without a synaptic filter,
        give any tau_syn of at least dt.
    threshold, leak, reset_to, floor : float or (n,) float
        Threshold, leak, reset value and floor of the membrane potential.
    gradients : (n, m) float, optional
        Gradient with respect to W of a loss of the recorded spikes.  A single
        entry needs a callable `surrogate` or the steepness.
    dspikes : (T, B, n) float, optional
        Derivative of the loss with respect to the recorded spikes.
    surrogate : str, float or callable, optional
        Name in `fitting.BUMPS`, steepness, or both ("fast_sigmoid:25"); or a
        function from potential minus threshold to (value, derivative).  By
        default, all names are tried.
    alpha, beta : float, optional
        Decay factors per time step, which replace the time constants and dt.
        The property "decay" is then not judged.  Without a leak, beta is 1.
    refractory : int, optional
        Refractory period in steps; if longer than 2, refractory - 1 to
        refractory + 1 are tried in place of 0 to 2.
    """
    x, W = _checks.arrays("x (T, B, m), W (n, m)", x, W, dtype=float)
    shape = (*x.shape[:2], len(W))
    rows, eps = arguments._recorded(recording, shape)
    decays, taus = arguments._decays(tau_syn, tau_mem, dt, alpha, beta)
    _, V, *levels = _checks.arrays(
        "W (n, m), V? (n, n), threshold (n?), leak (n?), reset_to (n?), floor (n?)", W,
        V, threshold, leak, reset_to, floor, dtype=float)
    if not np.all(np.asarray(levels[0]) > 0):
        raise ValueError(f"threshold is {threshold!r:.60}: must be above 0; subtract a "
                         "resting potential from mem, threshold, leak, reset_to, floor")
    levels = dict(zip(("threshold", "leak", "reset_to", "floor"), levels, strict=True))
    if not any(row.any() for name, row in rows.items()
               if name == "spikes" or "spikes" not in rows):
        return Report([], {}, None, None, (SILENCE,), SILENCE)
    gradient = None if gradients is None else arguments._gradient(
        gradients, dspikes, surrogate, shape, W.shape)
    lone = gradient is not None and W.size == 1 and not callable(
        gradient[2][0]) and gradient[2][1] is None
    mem = np.asarray(recording.get("mem", np.nan))
    exact = mem == np.asarray(levels["threshold"]).astype(mem.dtype)
    problem = elimination.Problem(x, W, V, rows, decays, taus, levels, eps,
                                  arguments._axes(refractory))
    with np.errstate(all="ignore"):         # simulations of other conventions overflow
        found = _identified(problem, exact, None if lone else gradient,
                            alpha is not None)
    lines = found.lines + (LONE,) * lone
    return found._replace(lines=lines, text="; ".join(lines))


def relative(report, right, alone=False):
    """Compare the result of `identify` with the correct update convention.
    Return a list of str.  If there are at most three differences from the
    correct convention, the list names each difference.  If no update
    convention agrees with the recording, `report.members` is empty.  If
    `report.members` is empty, the list describes where the recording first
    differs from the simulation with the convention `report.nearest`.

    >>> report = Report([Candidate("lava")], {}, None, None, ("as lava",))
    >>> relative(report, conventions.PRESETS["lava"]._replace(input="next"))
    ['as lava', 'as the right layer, but input one step early']

    Parameters
    ----------
    report : Report, result of `identify`
    right : conventions.Step, convention of the right layer
    alone : bool
        Whether only spikes were recorded.  If no convention agrees with them,
        no difference is described.
    """
    near = _near(report, right)
    if report.members:
        words = [f"as {_words(near)}"] * (len(near.changes) <= FEW_CHANGES)
        preset = not report.members[0].changes
        return [report.lines[0]] * (preset or not words) + words
    if alone:
        return [report.lines[0]]
    return [report.lines[0], *(
        [_difference(near, report.parting)] if near else report.lines[1:2])]


def terms(report, right):
    """Return a tuple of str: the names of the wrong terms of the LIF equations.

    >>> report = Report([Candidate("lava")], {}, None, None, ())
    >>> terms(report, conventions.PRESETS["lava"]._replace(floor=True))
    ('clamp',)

    Arguments as for `relative`.
    """
    changes = _near(report, right).changes if report.members else ()
    return tuple(dict.fromkeys(TERMS[axis] for axis, _ in changes)) * (
        len(changes) <= FEW_CHANGES)


def _near(report, right):
    """Return the convention in `report` with the fewest differences from `right`."""
    return min((_described(_step(c, conventions.PRESETS), {"the right layer": right},
                           elimination.AXES)
                for c in (report.members or [report.nearest]) if c is not None),
               key=_cost, default=None)


def _identified(problem, exact, gradient, given):
    longer = {"refractory": problem.axes["refractory"][1]} if (
        problem.axes != elimination.AXES) else {}
    presets = {name: step._replace(**longer, **{"decay": "exact"} if given else {})
               for name, step in conventions.PRESETS.items()}
    for eps in sorted({problem.eps, max(problem.eps, arguments.SINGLE)}):
        tried = problem._replace(eps=eps)
        codes, parted = elimination._search(tried)
        fits = ties._settled(tried, codes[parted == len(problem.x)], presets, exact)
        if len(fits):
            found = _recognised(tried, presets, fits, gradient, given)
            note = "fits to the precision of float32, although the recording has more"
            return found._replace(lines=found.lines + (note,) * (eps > problem.eps))
    return nearest._nothing(tried, codes, parted, presets)


def _recognised(problem, presets, fits, gradient, given):
    # Recorded potentials settle all axes that change the gradient, except PATH.
    axes = PATH if "mem" in problem.rows else [a for a in elimination.AXES
                                               if a not in IDLE]
    paths, matches = _paths(problem, presets, fits, axes), {}
    if gradient is not None:
        matches, step, near = _explained(problem, fits, paths, gradient)
        if not matches:
            return _unexplained(_described(step, presets, problem.axes),
                                gradient[0], near)
        fits = fits[sorted(row for path in matches for row in paths[path])]
    choices = {code: tuple(dict.fromkeys(m.through_reset for m in matches[path]))
               if matches else (True, False) for code, path in zip(
                   elimination._grouped(fits).tolist(), _path(fits, axes), strict=True)}
    members = _members(problem, presets, fits, choices)
    first = _step(members[0], presets)
    simulate, inputs = _simulator(problem)

    def tell(step):     # ties settle only "compare", because rounding decides ties
        left = ("ties", "all") if step.compare == first.compare else ()
        return _telling(first, step, problem.rows, simulate, {
            name: one for name, one in inputs.items() if name not in left})

    apart = {c: tell(_step(c, presets)) for c in members[1:]}
    own = choices[_code(first, problem.axes)]
    settled, undecided = _axes(problem, fits, first, own, tell)
    if given:
        del settled["decay"]
    lines = _lines(members, settled, undecided, given)
    if problem.axes != elimination.AXES:
        lines.append("refractory periods tried: "
                     + ", ".join(map(str, problem.axes["refractory"])))
    if members[0].changes and False in own and (
            first.reset, first.reset_at, first.refractory) == ("zero", "after", 0):
        lines.append(HELD)
    fired = nearest._fired(problem)
    if problem.rows.keys() == {"spikes"} and (
            members[0].changes or fired < nearest.MATCHED):
        lines.append(FEW.format(fired))
    if "spikes" not in problem.rows and not elimination._trace(
            problem, first)["spikes"].any():
        return Report([], {}, None, None, (SILENCE, *lines[1:]), settled=settled,
                      open=undecided)
    code = elimination._codes_of(first, problem.axes)
    found = matches.get(_path([code], axes)[0], [])
    lines += [_surrogates(found)] if found else []
    return Report(members, apart, None, None, tuple(lines), settled=settled,
                  open=undecided, gradients=found)


def _code(step, axes):
    return int(elimination._grouped([elimination._codes_of(step, axes)])[0])


def _path(codes, axes):
    """Return the columns of the table `codes` whose names are in `axes`."""
    at = [list(elimination.AXES).index(axis) for axis in axes]
    return list(map(tuple, np.asarray(codes)[:, at].tolist()))


def _paths(problem, presets, fits, axes):
    """Group update conventions by the choices for the properties in `axes`."""
    order = np.argsort(elimination._distance(fits, presets.values(), problem.axes),
                       kind="stable")
    known, found = _path(fits, axes), {}
    for row in order.tolist():
        found.setdefault(known[row], []).append(row)
    return found


def _explained(problem, fits, paths, gradient):
    """Find surrogate derivatives for a recorded gradient."""
    wanted, dspikes, surrogate, eps = gradient
    rtol = 4 * max(eps, problem.eps) * (
        elimination.WIDE + elimination.GROWTH * len(problem.x))
    steps = elimination._steps(fits[[rows[0] for rows in paths.values()]], problem.axes)
    found = [fitting._gradients(problem, step, wanted, dspikes, surrogate, rtol)
             for step in steps]
    for exact in (True, False):
        matches = {path: some for path, (every, _) in zip(paths, found, strict=True)
                   if (some := [m for m in every if m.factor == 1 or not exact])}
        if matches:
            break
    return matches, steps[0], found[0][1]


def _unexplained(candidate, wanted, near):
    at = np.unravel_index(np.argmax(np.abs(wanted - near)), wanted.shape)
    parting = Parting(None, None, None, "gradients", float(wanted[at]), float(near[at]))
    return Report([], {}, candidate, parting, (
        _difference(candidate, parting), "spikes and states fit, but no reset path "
        "gives the recorded gradient with a surrogate that was tried; the argument "
        "`surrogate` can name another, with its steepness, such as 'arctan:7.85'"))


def _members(problem, presets, fits, choices):
    known = problem.axes

    def fit(step):      # and with an allowed choice of `through_reset`
        allowed = choices.get(_code(step, known), ())
        return step.through_reset in allowed or bool(allowed) and step.reset == "none"

    members = [Candidate(name) for name, step in presets.items() if fit(step)]
    if members:
        members += [c for c in _variants(members[0].preset, presets,
                                         conventions.AXES | known)
                    if fit(_step(c, presets))]
        return [_whole(c, presets) for c in members]
    order = np.argsort(elimination._distance(fits, presets.values(), known),
                       kind="stable")
    for step in elimination._steps(fits[order[:SHOWN]], known):
        allowed = choices[_code(step, known)]
        axes = (*known, *["through_reset"][:len(allowed) == 1])
        members.append(_described(step._replace(through_reset=allowed[0]), presets,
                                  axes))
    least = min(map(_cost, members))
    return [c for c in members if _cost(c) == least]


def _axes(problem, fits, first, choices, tell):
    """Return the settled and the open properties."""
    settled, undecided, own = {}, {}, elimination._codes_of(first, problem.axes)
    for at, (axis, values) in enumerate(problem.axes.items()):
        found = sorted(set(fits[:, at].tolist()))
        if len(found) == 1:
            settled[axis] = values[found[0]]
            continue
        stimulus = ""
        for value in found:
            if value != own[at] and not stimulus:
                rows = fits[fits[:, at] == value]
                other = rows[np.argmin((rows != own).sum(axis=1))]
                stimulus = tell(elimination._steps([other], problem.axes)[0]._replace(
                    through_reset=first.through_reset))
        undecided[axis] = tuple(values[i] for i in found), stimulus
    if len(choices) == 1 and first.reset != "none":
        settled["through_reset"] = choices[0]
    else:
        undecided["through_reset"] = (True, False), "" if first.reset == "none" else \
            "gradients"
    return settled, undecided
