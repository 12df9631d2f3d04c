# refsnn 0.1.0 | oracle/identify/ties.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module determines whether potentials at the threshold cause spikes.

In a tie, the membrane potential equals the threshold.  Only a tie reveals
the property "compare": whether a spike needs potential > threshold or
potential >= threshold.  Rounding errors can hide a tie, because a rounded
potential may lie on either side of the threshold.
"""

import numpy as np

from refsnn.oracle.identify import elimination

__all__ = []

SIMULATED = 20_000_000  # largest number of entries in all simulations


def _settled(problem, fits, presets, exact):
    at, values = list(elimination.AXES).index("compare"), elimination.AXES["compare"]
    base = fits.copy()
    base[:, at] = 0
    base = np.unique(base, axis=0)
    known = [step._replace(compare=values[0]) for step in presets.values()]
    first = elimination._distance(base, known, problem.axes) == 0
    spikes = problem.rows.get("spikes")
    most = max(4, min(200, SIMULATED // (problem.x[..., 0].size * len(problem.W))))
    kept = []
    for number, row in enumerate([*base[first], *base[~first]]):    # presets first
        same = np.tile(row, (len(values), 1))
        same[:, at] = np.arange(len(values))
        if spikes is not None and (spikes != np.rint(spikes)).any():
            names = {"half"}
        elif number >= most:
            names = set()
        elif spikes is None:
            steps = elimination._steps([code for code in same if (
                fits == code).all(axis=1).any()], problem.axes)
            sure = all(_ties(problem, step) for step in steps)
            names = {step.compare for step in steps} if sure else set()
        else:
            names = _ties(problem, elimination._steps([row], problem.axes)[0], exact)
        kept += [code for code, name in zip(same, values, strict=True)
                 if len(names) != 1 or name in names]
    return np.array(kept, fits.dtype).reshape(-1, fits.shape[1])


def _ties(problem, step, exact=False):
    """Return the choices for "compare" that fit."""
    run = elimination._trace(problem, step)
    u, s = run["states"], run["forced"]
    thr = np.broadcast_to(problem.levels["threshold"], u.shape)
    level = np.maximum(np.rint(u / thr), 1) if step.spikes == "many" else 1.0
    tie = u == level * thr
    if not (tie.any() or np.any(exact)):
        return set()
    tie &= np.logical_and.accumulate(
        elimination._trace(problem, step, np.float32)["states"] == u, axis=0)
    spikes, state, _ = elimination._recorded_states(step, len(u))
    seen, known = np.zeros((2, *u.shape), bool)
    seen[state] = exact
    tie |= seen & (np.abs(u - thr) <= elimination._slack(problem)["mem"][-1])
    known[spikes if "spikes" in problem.rows else slice(None)] = True
    value = (s - level + 1)[tie & known & ~run["held"]]
    return {name for name, count in ((">", 0), (">=", 1), ("half", 0.5))
            if (value == count).any()}
