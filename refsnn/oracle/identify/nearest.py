# refsnn 0.1.0 | oracle/identify/nearest.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module searches for reasons why no simulation agrees with a recording.

If no update convention (see `identify`) agrees with a recording, the decay
factors and a gain are fitted by least squares.  If the error of the fit is
small, the report lists the fitted values.  The field `nearest` names the
update convention that agrees with the recording for the longest time t:

    t = first row that contradicts the convention                     (1)

If no fit of the decay factors and the gain has a small error, the
simulation with the convention `nearest` must be similar to the recording.
If no fit has a small error and no simulation is similar to the recording,
`nearest` is None.  A simulation counts as similar to the recording if at
least two time steps and at least twelve nonzero recorded numbers precede
the first difference.  A simulation also counts as similar to the recording
if the root mean square error of each array is below half the standard
deviation of the recorded array.

Derivation.  The tolerances are those of the module `elimination`.
Approximate.  The field `nearest` is chosen among the presets and at most
    24 other conventions.  The presets are the update conventions of
    published simulators.  The other conventions are those most similar to
    a preset among all that agree with the recording for the longest time.
Cost.   To find wrong arguments, such as transposed weights, the function
    `_changed` tries at most eight changes of the arguments.  Each change
    of the arguments is tested with every update convention.
Departures.  If a changed argument makes a simulation agree with the
    recording, the report names this argument.  The list `members` of the
    report is empty, because with the user's own arguments, no update
    convention agrees with the recording.
"""

import numpy as np

from refsnn.oracle.identify import elimination, fitting
from refsnn.oracle.identify.report import (Candidate, Report, _described, _difference,
                                           _parting, _title, _whole, _words)

COMPARED = 24           # number of conventions compared, besides the presets
MATCHED = 12            # least number of nonzero entries before the first difference
CLOSE = 0.5             # or largest error, in standard deviations


def _nothing(problem, codes, parted, presets):
    lines = ["no convention fits"]
    fit = fitting._constants(problem)
    nearest, parting = _nearest(problem, codes, parted, presets, fit is not None)
    if nearest is not None:
        lines.append(_difference(nearest, parting))
    if fit is not None:
        lines.append(
            "with refitted constants (a least-squares fit, not a recognition): alpha "
            f"{fit.alpha:.6g}, beta {fit.beta:.6g}, gain {fit.gain:.6g}, rest "
            f"{fit.rest:.3g}, reset {fit.step.reset}; mem: "
            + ("exact to rounding" if fit.exact else f"error {100 * fit.error:.2g} %")
            + _spiking(problem, fit.step))
    started = _started(problem, presets)
    if not started and parting and parting.step == 0 and (
            fit is None or not fit.exact):
        lines.append("does the recording start from rest?")
    lines += started + _constant(problem) + _changed(problem, presets, fit)
    values = np.unique(problem.rows.get("spikes", 0))
    if len(values) == 2 and values[1] != 1:
        lines.append(f"each spike is {values[1]:g}: divide spikes by {values[1]:g}")
    return Report([], {}, nearest, parting, tuple(lines), fit=fit)


def _started(problem, presets):
    """List simulators that reproduce the recording from a fitted initial state."""
    if problem.rows.keys() != {"mem", "spikes"}:
        return []
    names, k = [], np.arange(len(problem.x) + 1)[:, None]
    # In other presets, the effect of the first state is not linear.
    linear = {name: step for name, step in presets.items() if step.reset != "zero" and (
        step.decay in problem.decays) and not (step.floor or step.refractory)}
    runs = elimination._traces(problem, [*linear.values()])
    for (name, step), run in zip(linear.items(), runs, strict=True):
        alpha, beta = problem.decays[step.decay]
        modes = np.hstack([beta ** k, k * beta ** k if alpha == beta else alpha ** k])
        _, at, _ = elimination._recorded_states(step, len(k))
        gap = (problem.rows["mem"] - run["mem"]).reshape(len(problem.x), -1)
        start = (modes @ np.linalg.lstsq(modes[at], gap, rcond=None)[0]).reshape(
            run["states"].shape)
        if _first(problem, step, run | {"mem": run["mem"] + start[at],
                                        "states": run["states"] + start})[0] is None:
            names.append(_title(name))
    return [f"{' or '.join(names)} fits, if not started from rest"] if names else []


def _spiking(problem, step):
    """Describe which thresholds explain the recorded spikes."""
    threshold, untested = problem.levels["threshold"], (
        "; spikes and the threshold are not tested")
    if np.ndim(threshold):
        return untested
    late = (step.record == "after") - (step.test == "after")    # spikes, in rows
    low, high = _thresholds(problem, late, 0)
    # A reset "after" is equivalent to a reset "once" with the spikes one row off.
    if step.reset_at == "once" or step.reset_at == "after" and not low < high:
        if step.reset == "zero":
            return untested
        low, high = _thresholds(problem, late - (step.reset_at == "after"), threshold)
    if not low < high:
        return "; no constant threshold explains the spikes"
    if low <= threshold <= high:
        return "; the threshold explains the spikes"
    return ("; for the recorded mem, the spikes need a threshold between "
            f"{low:.6g} and {high:.6g}")


def _thresholds(problem, late, reset):
    mem, spikes = problem.rows["mem"], problem.rows["spikes"]
    first, last = max(0, late), max(0, -late)
    mem, spikes = mem[last:len(mem) - first], spikes[first:len(spikes) - last]
    mem, fired = mem + reset * spikes, spikes > 0
    return mem[~fired].max(initial=-np.inf), mem[fired].min(initial=np.inf)


def _constant(problem):
    """Describe a constant potential after each spike."""
    if not {"mem", "spikes"} <= problem.rows.keys():
        return []
    mem, fired = problem.rows["mem"], problem.rows["spikes"] > 0
    slack = elimination._slack(problem)["mem"].max()
    neuron, at = np.nonzero(fired.reshape(len(fired), -1).T)
    shortest = np.diff(at)[np.diff(neuron) == 0].min(initial=len(fired))
    for lag in (0, 1):
        later = [mem[k:][fired[:len(fired) - k]] for k in range(lag, len(mem))]
        held = [len(a) > 2 and abs(a - later[0][0]).max() <= slack for a in later]
        steps = min((held + [False]).index(False), int(shortest))
        if steps:
            value, known = later[0][0], np.unique(problem.levels["reset_to"])
            # The row of the spike can be the first of the period, or precede it.
            periods = " or ".join(str(k) for k in (steps - 1, steps) if k < shortest
                                  and k not in problem.axes["refractory"])
            hints = [] if abs(known - value).min() <= slack else [
                f"is reset_to {value:.6g}?"]
            hints += [f"is refractory {periods}?"] if periods else []
            where = "after each spike" if lag else "from each spike on"
            told = f"mem is {value:.6g} in {steps} step{'s' * (steps > 1)} {where}: "
            return [told + " ".join(hints)] if hints else []
    return []


def _nearest(problem, codes, parted, presets, fitted):
    last = codes[parted == parted.max()]
    order = np.argsort(elimination._distance(last, presets.values(), problem.axes),
                       kind="stable")
    found = []
    steps = [step for step in presets.values() if step.decay in problem.decays] \
        + elimination._steps(last[order[:COMPARED]], problem.axes)
    for step, run in zip(steps, elimination._traces(problem, steps), strict=True):
        parting, matched = _first(problem, step, run)
        error = _error(problem, run)
        if parting and (matched >= MATCHED and parting.step > 1
                        or error < (np.inf if fitted else CLOSE)):
            found.append((-parting.step, error, step, parting))
    if not found:
        return None, None
    _, _, step, parting = min(found, key=lambda row: row[:2])              # (1)
    return _described(step, presets, problem.axes), parting


def _first(problem, step, run):
    """Compare a recording with one simulation."""
    slack, wrong, alive = elimination._slack(problem), {}, {}
    for name, row in problem.rows.items():
        limit = 0 if name == "spikes" else slack[name][:, None, None]
        alive[name] = np.abs(row) > limit
        wrong[name] = ~(np.abs(run[name] - row) <= limit)
    if "spikes" in wrong:       # near the threshold, both answers are accepted
        at, _, _ = elimination._recorded_states(step, len(problem.x) + 1)
        low, high = elimination._bounds(
            step.spikes == "many", run["states"][at], problem.levels["threshold"],
            slack["mem"][:, None, None])
        live = ~(run["held"][at] & step.mute)
        wrong["spikes"] = ~((low * live <= problem.rows["spikes"])
                            & (problem.rows["spikes"] <= high * live))
    parting = _parting(wrong, problem.rows, run)
    end = parting.step if parting else None
    return parting, sum(int(mask[:end].sum()) for mask in alive.values())


def _error(problem, run):
    errors = []
    for name, row in problem.rows.items():
        size = np.abs(row).max() or 1.0
        error = np.square((run[name] - row) / size).sum()
        spread = np.square((row - row.mean()) / size).sum()
        errors.append(np.sqrt(error / spread) if error < np.inf and spread > 0
                      else np.inf)
    return float(max(errors))


def _fired(problem):
    return int(np.sum(problem.rows.get("spikes", 0)))


def _changed(problem, presets, fit):
    """Test whether a wrong argument, such as transposed weights, was passed."""
    alone = problem.rows.keys() == {"spikes"}
    if alone and _fired(problem) < MATCHED:
        return []
    n, m = problem.W.shape
    V, W = problem.V, problem.W
    others = {}
    if fit is not None and fit.exact:
        words = f"W{' and V' * (V is not None)} times {fit.gain:.15g}"
        others[words] = problem._replace(W=fit.gain * W,
                                         V=None if V is None else fit.gain * V)
        if "syn" in problem.rows:       # the gain may act behind syn
            others[f"{words}, without syn,"] = others[words]._replace(rows={
                name: row for name, row in problem.rows.items() if name != "syn"})
    if np.any(problem.levels["threshold"] != 1):
        others["threshold 1"] = problem._replace(
            levels=problem.levels | {"threshold": np.ones(())})
    if problem.x.shape[1] > 3:          # fewer steps fit many conventions
        others["batch before time"] = problem._replace(
            x=problem.x.swapaxes(0, 1),
            rows={name: row.swapaxes(0, 1) for name, row in problem.rows.items()})
    if V is not None:
        others["transposed V"] = problem._replace(V=V.T)
        if not alone:               # a small V may change no spike
            others["V = 0"] = problem._replace(V=None)
    if n == m:
        others["transposed W"] = problem._replace(W=W.T)
        if V is not None:
            others["transposed W and V"] = problem._replace(W=W.T, V=V.T)
    for words, other in others.items():
        codes, parted = elimination._search(other, fits_only=True)
        fits = codes[parted == len(other.x)]
        if len(fits):
            names = [_words(_whole(Candidate(preset), presets),
                            _title(preset)) for preset, step in presets.items()
                     if (fits == elimination._codes_of(step, other.axes)).all(
                         axis=1).any()]
            if alone and not names:
                continue
            near = fits[[np.argmin(elimination._distance(fits, presets.values(),
                                                         other.axes))]]
            candidate = _described(elimination._steps(near, other.axes)[0], presets,
                                   other.axes)
            told = " or ".join(names) or _words(candidate, _title(candidate.preset))
            return [f"{words} fits: as {told}"]
    return []
