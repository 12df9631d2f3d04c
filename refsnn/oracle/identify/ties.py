# refsnn 0.1.0 | oracle/identify/ties.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module infers whether a potential at the threshold causes a spike.

The property `compare` specifies the output (0, 1/2 or 1) of a neuron whose
membrane potential equals the threshold.  If no membrane potential equals
the threshold, the recording cannot show which output the simulator would
compute.  Rounding errors can hide that a potential equals the threshold.
"""

import numpy as np

from refsnn.oracle.identify import elimination

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
    own = spikes is None        # simulated spikes depend on "compare"
    half = not own and (spikes != np.rint(spikes)).any()
    groups = [[np.where(np.arange(len(row)) == at, value, row) for value in range(
        len(values))] for row in (*base[first], *base[~first])]     # presets first
    tried = [[code for code in same if (fits == code).all(axis=1).any()] if own else
             same[:1] for same in groups[:0 if half else most]]
    found, kept = _ties(problem, elimination._steps(
        [code for some in tried for code in some], problem.axes), not own and exact), []
    for number, same in enumerate(groups):
        names = {"half"} if half else set()
        if number < len(tried):
            some = [next(found) for _ in tried[number]]
            names = some[0] if not own else {
                values[code[at]] for code in tried[number] if all(some)}
        kept += [code for code, name in zip(same, values, strict=True)
                 if len(names) != 1 or name in names]
    return np.array(kept, fits.dtype).reshape(-1, fits.shape[1])


def _ties(problem, steps, exact=False):
    """Find the output of neurons whose membrane potential equals the threshold.
    For a membrane potential v at the threshold, the output is 0 if a spike
    needs v > threshold, and 1 if a spike needs v >= threshold.  The output can
    also be 1/2.  For each update convention, yield a set of str that names all
    outputs found.  The outputs 0, 1 and 1/2 are named ">", ">=" and "half".
    """
    for step, run, single in zip(
            steps, elimination._traces(problem, steps),
            elimination._traces(problem, steps, np.float32), strict=True):
        yield _tied(problem, step, exact, run, single["states"])


def _tied(problem, step, exact, run, single):
    u, s = run["states"], run["forced"]
    thr = np.broadcast_to(problem.levels["threshold"], u.shape)
    level = np.maximum(np.rint(u / thr), 1) if step.spikes == "many" else 1.0
    tie = u == level * thr
    if not (tie.any() or np.any(exact)):
        return set()
    tie &= np.logical_and.accumulate(single == u, axis=0)
    spikes, state, _ = elimination._recorded_states(step, len(u))
    seen, known = np.zeros((2, *u.shape), bool)
    seen[state] = exact
    tie |= seen & (np.abs(u - thr) <= elimination._slack(problem)["mem"][-1])
    known[spikes if "spikes" in problem.rows else slice(None)] = True
    value = (s - level + 1)[tie & known & ~run["held"]]
    return {name for name, count in ((">", 0), (">=", 1), ("half", 0.5))
            if (value == count).any()}
