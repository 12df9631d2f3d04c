# refsnn 0.1.0 | oracle/nir/judgement.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Find out how a simulator updates the neurons of a NIR graph.

A convention specifies how a time step is computed, see `dynamics`.  The
physical units of the recorded values may be unknown.  Therefore, simulated
currents are multiplied by a fitted factor.  Simulated potentials are
multiplied by one factor, for which several values are tried, such as
1/v_threshold and a fitted factor.  A simulation fits a recording if all
spikes agree, and if the errors of potential and current are small.  The
largest allowed error is `max(1e-6, 2**-23 N)` times the largest recorded
value.  Here, N is tau/dt.  For neurons without a leak, N is the number of
recorded time steps.  Integer potentials may have errors of 1.
"""

import collections
import itertools

import numpy as np

from refsnn.oracle.hdf5 import need
from refsnn.oracle.nir.dynamics import _candidates, _replay, _solve
from refsnn.oracle.nir.graphs import SPIKING, STATES, _constants, _upstream

__all__ = ["judge"]

CLOSE, LAGS, ENTRIES = 1e-6, 3, 4_000_000   # error, tried lags, entries of an array
SHOWN = {"after": "", "before": ", shown before the reset",
         "marked": ", a constant in rows of spikes"}
# Entries of spikes that differ, relative error of potential and current, convention or
# None for the exact solution, lags of potential and spikes, key of SHOWN, and the unit.
FIT = collections.namedtuple("FIT", "misses error convention lag late shown unit name")
# Name of the node; "named", "not named", "no spike" or "not judged"; the best fit; the
# choices of each axis that fit equally well; the verdict in words.
VERDICT = collections.namedtuple("VERDICT", "node status fit undecided lines")


def judge(graph, recording, pulse=True):
    """Return a list of `VERDICT`.  The list has one entry for each neuron node
    whose states or spikes are recorded.  A `VERDICT` states which simulation
    of the node fits the recording best.

    If `pulse` is False, spikes in the exact solution are Dirac pulses.

    >>> from refsnn.oracle.nir import graphs, nirdata
    >>> graph = graphs.GRAPH({}, {}, set(), {}, [], "")
    >>> judge(graph, nirdata.RECORDING({}, {}, 1.0, []))
    []
    """
    missing = [name for name, node in graph.nodes.items()
               if node.type == "Input" and name not in recording.inputs]
    names = [name for name in graph.nodes if name in recording.nodes]
    if missing or not recording.inputs:
        return [VERDICT(name, "not judged", None, {}, [
            f"{name} ({graph.nodes[name].type}): not judged: the recording has no "
            f"input {', '.join(missing)}"]) for name in names]
    need(recording.dt, "the recording holds no dt: must be given by --dt")
    with np.errstate(all="ignore"):     # Euler steps longer than 2 tau diverge
        exact = _exact(graph, recording, pulse) if names else {}
        return [_judged(graph, name, recording, exact[name], pulse) for name in names]


def _exact(graph, recording, pulse):
    """For each node, return the exact states, or the reason if there are none."""
    found = dict.fromkeys(recording.nodes, "a potential drives the node")
    try:
        return found | _solve(graph, recording.inputs, recording.dt, pulse)[0]
    except ValueError as error:         # endless spikes
        return dict.fromkeys(found, str(error).partition(": must")[0])


def _judged(graph, name, recording, exact, pulse):
    node, dt, own = graph.nodes[name], recording.dt, recording.nodes[name]
    p, given = _constants(node), {
        a: some["spikes"].astype(float) for a, some in recording.nodes.items()
        if "spikes" in some and graph.nodes[a].type in SPIKING}
    free = {a for a in {name, *_upstream(name, graph.sources, given)}
            if graph.nodes[a].type in STATES}
    v, tau = own.get("membrane", np.zeros(1)), p.get("tau", p.get("tau_mem", np.nan))
    whole = bool(v.dtype.kind in "iu" or np.abs(v).max() > 99 and (v % 1 == 0).all())
    memory = np.max(tau) / dt if "v_leak" in p else next(iter(own.values())).shape[1]
    most = 1 / max(1, np.abs(v).max()) if whole else max(CLOSE, 2.0 ** -23 * memory)
    units = {"1": 1.0, "1/v_threshold": 1 / p.get("v_threshold", np.nan),
             "tau/dt": tau / dt, "fitted": None}        # NaN fits no recording
    axes, some = _candidates(
        {graph.nodes[a].type for a in free}, any(b in free for _, b in graph.late),
        any(np.any(graph.nodes[a].fields.get("v_leak", 0)) for a in free), whole)
    some = [one for one in some
            if one.loop != "lag 0" or name in given and free == {name}]

    def replay(some, unit=1.0):
        return _replay(graph, some, recording.inputs, dt, given, name, unit)

    unsolved = isinstance(exact, str)
    fits = [] if unsolved else [_fit(own, exact, None, units, most, np.inf)]
    fits += _fits(own, replay, some, units, most)
    best = min(fits, key=lambda fit: (fit.misses, fit.error))
    one, named = best.convention, best.misses == 0 and best.error <= most
    good = [fit.convention for fit in fits if one and named and fit.convention
            and not fit.misses and fit.error <= 2 * best.error + 1e-12
            and fit.shown == best.shown]
    undecided = {axis: sorted(some) for axis in axes
                 if len(some := {getattr(other, axis) for other in good}) > 1}
    told = ", ".join(f"{axis} {getattr(one, axis)}" for axis in axes if axis not in
                     undecided) if one else "exact solution in continuous time"
    told += f", lag {best.lag}" + f", lag of spikes {best.late}" * (
        best.late != best.lag and {"spikes", "membrane"} <= own.keys())
    told += SHOWN[best.shown]
    if "membrane" in own:
        told += f", unit of v {best.name}" + f" = {np.mean(best.unit):.6g}" * (
            best.name != "1")
    lines = [f"{name} ({node.type}, n = {node.size}): " + "does not follow the graph "
             "in any known convention; nearest: " * (not named) + told]
    lines += ["  not decided by this recording: " + "; ".join(
        f"{axis} {' or '.join(some)}" for axis, some in undecided.items())
        ] * bool(undecided)
    silent = node.type in SPIKING and not own.get("spikes", np.ones(1)).any()
    lines += ["  no spike is recorded: threshold and reset are not judged"] * silent
    others = ", ".join(sorted(free - {name}))
    source = f"spikes of {others} are simulated" if others else "from recorded inputs"
    lines.append(f"  replay: error {best.error:.2g} of the largest value, "
                 f"{best.misses} entries of spikes differ, {source}")
    if not named and one:
        lines.append(f"  first difference: {_first(own, replay([one])[0], best)}")
    scaled = bool(one) and one.gain == "1" and not (unsolved or graph.late)
    if scaled:                          # the unit of the input is dt or dt/tau
        other = node._replace(fields=node.fields | {
            "r": p["r"] / dt * (tau if "v_leak" in p else 1.0)})
        exact = _exact(graph._replace(nodes=graph.nodes | {name: other}), recording,
                       pulse)[name]
    told = f"not judged, {exact}" if isinstance(exact, str) else _distance(
        own, p, exact, best)
    lines.append(f"  exact solution{' for r times tau/dt or 1/dt' * scaled}: {told}")
    status = "not named" if not named else "no spike" if silent else "named"
    return VERDICT(name, status, best, undecided, lines)


def _fits(own, replay, some, units, most):
    groups, found = {}, []
    for one in some:
        groups.setdefault((one.loop, one.numbers, one.gain), []).append(one)
    step = max(1, ENTRIES // next(iter(own.values())).size)
    for (_, numbers, _), group in groups.items():
        unit, tried = 1.0, units
        if numbers == "integer":        # the unit is that of the first potential
            u = replay([group[0]._replace(numbers="float", decay="exact")])[0].before
            v, u = (a[a != 0][:1] for a in (own["membrane"], u))
            unit = (v / u).item() if v.size and u.size else 1.0
            tried = {"fitted": unit}
        for several in (group[i:i + step] for i in range(0, len(group), step)):
            for one, trace in zip(several, replay(several, unit), strict=True):
                least = min((fit.misses for fit in found), default=np.inf)
                found.append(_fit(own, trace, one, tried, most, least))
    return found


def _late(a, lag):
    """Delay an array of shape (S, T, n) by `lag` time steps."""
    return np.concatenate([0 * a[:, :lag], a[:, :a.shape[1] - lag]], axis=1)


def _fit(own, trace, convention, units, most, least):
    spikes, misses, late, T, best = own.get("spikes"), 0, 0, trace.spikes.shape[1], None
    if spikes is not None:
        fired = trace.spikes if spikes.max() > 1 else np.minimum(trace.spikes, 1)
        differ = [_late(fired, lag) != spikes for lag in range(LAGS)]
        misses, late = min((int(a.sum()), lag) for lag, a in enumerate(differ))
        if misses > least:
            return FIT(misses, np.inf, convention, 0, late, "after", 1.0, "1")
        if misses:
            T = int(np.argmax(differ[late].any(axis=(0, 2))))
    for lag, shown, name in itertools.product(range(LAGS), SHOWN, units):
        error, unit = _error(own, trace, T, lag, shown, units[name])
        if best is None or error < 0.9 * best.error:
            best = FIT(misses, error, convention, lag, late, shown, unit, name)
        if error <= most:
            break
    return best


def _error(own, trace, T, lag, shown, unit):
    """Return the largest relative error of the simulated potential and current.
    Also return the factor by which the simulated potential was multiplied."""
    worst, scale = 0.0, 1.0
    potential = trace.before if shown == "before" else trace.after
    for key in (key for key in ("current", "membrane") if key in own):
        u = trace.current if key == "current" else potential
        v, u = own[key][:, :T].astype(float), _late(u, lag)[:, :T]
        if key == "membrane" and shown == "marked":
            marks = own["spikes"][:, :T] > 0 if "spikes" in own else v < v
            if marks.sum() < 2 or np.ptp(v[marks]) > 0:
                return np.inf, 1.0
            v, u = np.where(marks, 0, v), np.where(marks, 0, u)
        power, scale = float((u * u).sum()), unit
        if key == "current" or unit is None:
            scale = float((v * u).sum()) / power if power else 1.0
            if scale <= 0:              # zeros are no recording of a potential
                return np.inf, 1.0
        worst = np.maximum(worst, np.abs(v - scale * u).max(initial=0) / max(
            np.abs(v).max(initial=0), 1e-300))      # NaN stays
    return worst if worst < np.inf else np.inf, scale if "membrane" in own else 1.0


def _first(own, trace, fit):
    found = []
    for key, a, lag, unit in ("spikes", trace.spikes, fit.late, 1.0), (
            "membrane", trace.before if fit.shown == "before" else trace.after, fit.lag,
            fit.unit):
        if key in own:
            wanted = _late(a, lag) * unit
            bad = np.abs(own[key] - wanted) > CLOSE * np.abs(own[key]).max()
            for t, b, i in np.argwhere(bad.swapaxes(0, 1))[:1]:
                found.append((t, b, i, key, own[key][b, t, i], wanted[b, t, i]))
    return "row {}, sample {}, neuron {}, {} is {:.9g} for {:.9g}".format(
        *min(found)) if found else "none"


def _distance(own, p, exact, fit):
    """Describe differences from the exact solution."""
    parts, spikes = [], own.get("spikes", exact.spikes)
    fired = np.flatnonzero((exact.spikes + (spikes > 0)).any(axis=(0, 2)))
    if "membrane" in own:
        T, u = (*fired, exact.after.shape[1])[0], _late(exact.after, fit.lag)
        size = np.max(np.abs(p["v_threshold"] if "v_threshold" in p else u)) or 1
        far = np.abs(own["membrane"] / fit.unit - u)[:, :T].max(initial=0) / size
        if T:
            parts.append(f"error of the potential up to {max(far, 1e-9):.2g} times the "
                         + (f"threshold in {T} rows before any spike"
                            if "v_threshold" in p else "largest"))
    if "spikes" in own and "v_threshold" in p:
        parts.append(f"{spikes.sum():.0f} spikes for {exact.spikes.sum():.0f} exact")
        shifts = [x - y for b, i in np.argwhere(exact.spikes.any(axis=1))
                  for x, y in zip(*(np.flatnonzero(s[b, :, i]) for s in (
                      spikes, exact.spikes)), strict=False)]
        if shifts:
            parts.append(f"spikes {min(shifts)} to {max(shifts)} rows late")
    plain = fit._replace(lag=0, late=0, shown="after")
    return ", ".join([*parts, f"first difference: {_first(own, exact, plain)}"])
