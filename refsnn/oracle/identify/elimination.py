# refsnn 0.1.0 | oracle/identify/elimination.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Find every way to update LIF neurons that agrees with a recording.

An update convention states how a simulator computes a time step of LIF
neurons, see `identify`.  Let r be the recorded synaptic currents (syn) or
membrane potentials (mem) of one time step, and let v be the simulated
values.  If spikes are recorded, the recorded spikes drive the resets and
the recurrent inputs of the simulation.  An update convention is rejected
at the first step t at which (1) or (3) holds:

    |v - r| > (256 + 8 t) eps S(t)  in any entry of row t             (1)
    S(t) = maximum of |r|, threshold and threshold s up to row t      (2)
    not  c(u - tol) <= recorded spikes <= c(u + tol)                  (3)

In (1), eps is the relative rounding error of the recorded numbers.  In
(2), s is the recorded number of spikes.  If r is a synaptic current, (2)
omits the product of the threshold and s.  In (3), c(u) is the number of
spikes that a neuron with the membrane potential u emits.  The tolerance
tol in (3) equals the tolerance of membrane potentials in (1).

Derivation.  For given spikes s, the input of a time step is
    `d = W x + V s`.  Let j be the value of the synaptic current I that the
    simulator uses to update the membrane potential.  The convention
    determines the coefficients p, q, a and f of the update

    j = p I + q d,  I := a I + f d                                    (4)

    One simulation suffices for all update conventions that have the same
    coefficients, the same spike rule and the same reset rule.
Approximate.  If spikes are not recorded, the simulated spikes drive the
    resets and the recurrent inputs.  A simulated potential counts as equal
    to the threshold if the difference is at most `(16 + t/2) eps S(t)`,
    see (1).  The property `compare` specifies the output (0, 1/2 or 1) of
    a neuron whose membrane potential equals the threshold.
Cost.   At most 331,776 simulations are run.  Each simulation takes at most
    O(T B n^2) time for B samples of n neurons.
Departures.  The module does not test gradients through the reset.
"""

from typing import NamedTuple

import numpy as np

from refsnn import _checks, conventions
from refsnn.oracle.identify.report import RARE

__all__ = ["AXES", "Problem"]

AXES = {name: values for name, values in conventions.AXES.items()
        if name != "through_reset"}
LINEAR = ("decay", "synapse", "input", "drive", "gain")
FIRST = 32              # entries of a row that are compared before all others
WIDE = 256              # rounding errors allowed, in units of eps
NARROW = 16             # rounding errors allowed for simulated spikes
GROWTH = 8              # further rounding errors in each step
EQUAL = 1e-12           # relative difference of gains that no recording can show
ENTRIES = 400_000       # largest number of entries simulated together: 3 MB


class Problem(NamedTuple):
    """A recording, its inputs and its constants."""
    x: np.ndarray       # (T, B, m)
    W: np.ndarray       # (n, m)
    V: np.ndarray       # (n, n) or None
    rows: dict          # some of "syn", "mem" and "spikes", each (T, B, n)
    decays: dict        # {"exact": (alpha, beta)}, perhaps "euler"
    taus: tuple         # tau_syn, tau_mem, dt
    levels: dict        # threshold, leak, reset_to and floor, () or (n,)
    eps: float          # precision of the recording
    axes: dict = AXES   # choices of each axis
    __repr__ = _checks.shown


class _Flat(NamedTuple):
    """This class holds a `Problem` in flattened arrays.  T is the number of time
    steps, and P is the number of pairs of a sample and a neuron."""
    drive: np.ndarray   # (2, T, P): d of (4) for both choices of `test`
    V: object           # None if the recurrent input is part of `drive`
    n: int
    rows: dict
    slack: dict         # (T,) tolerance of each quantity
    thr: np.ndarray     # (P,), as are the next three levels
    leak: np.ndarray
    reset_to: np.ndarray
    floor: np.ndarray


class _Runs(NamedTuple):
    """The choices of R simulations.  Each array has the shape (R, 1)."""
    alpha: np.ndarray
    f: np.ndarray       # f, p and q of (4)
    p: np.ndarray
    q: np.ndarray
    beta: np.ndarray
    gain: np.ndarray
    test: np.ndarray    # 1 for "after"
    many: np.ndarray
    compare: np.ndarray     # index in AXES; 0 if spikes are recorded
    subtract: np.ndarray
    zero: np.ndarray
    after: np.ndarray       # whether the reset follows the decay
    floor: np.ndarray
    refractory: np.ndarray
    mute: np.ndarray


def _search(problem, fits_only=False):
    """Return all tested update conventions.  For each convention, also return the
    first time step found to differ from the recording, or T if none differs."""
    codes, flat, T = _product(problem), _flatten(problem), len(problem.x)
    runs, run, leaf = _runs(problem, codes)
    alive = np.zeros((len(runs.beta), 4), bool)
    alive[run, leaf] = True
    if flat.drive.shape[2] > FIRST:
        keep = _active(flat)
        part = flat._replace(
            drive=flat.drive[:, :, keep],
            rows={name: row[:, keep] for name, row in flat.rows.items()},
            **{name: getattr(flat, name)[keep] for name in (
                "thr", "leak", "reset_to", "floor")})
        found = _parted(part, runs, alive, T)
        latest = alive & (found == (T if fits_only else found[alive].max()))
        full = np.minimum(_parted(flat, runs, latest, T), found)
        return codes, np.where(latest, full, found)[run, leaf]
    return codes, _parted(flat, runs, alive, T)[run, leaf]


def _product(problem):
    """Return all conventions that simulate differently."""
    axes = problem.axes
    drop = np.zeros([len(values) for values in axes.values()], bool)

    def chosen(name, value):
        return np.reshape([choice == value for choice in axes[name]],
                          [-1 if other == name else 1 for other in axes])

    drop |= (chosen("refractory", 0) & chosen("mute", True)
             | chosen("synapse", "none") & chosen("drive", "leak")
             | chosen("reset", "none") & ~chosen("reset_at", "after"))
    # Neurons held for one step have, in effect, a reset to a value.
    shown = chosen("reset_at", "once") & (chosen("test", "after")
                                          | chosen("record", "before"))
    above = np.all(problem.levels["reset_to"] >= problem.levels["floor"])
    drop |= chosen("refractory", 1) & chosen("mute", False) & ~shown & (
        above | chosen("floor", False))
    for decay in axes["decay"]:
        if decay not in problem.decays:
            drop |= chosen("decay", decay)
            continue
        known = [np.nan]
        for gain in AXES["gain"]:
            value = _gains(problem, decay)[gain]
            if np.isnan(value) or np.isclose(value, known, EQUAL, 0).any():
                drop |= chosen("decay", decay) & chosen("gain", gain)
            known.append(value)
    return np.argwhere(~drop).astype(np.int8)


def _numbers(problem, decay, synapse, order, drive, gain):
    alpha, beta = problem.decays[decay]
    alpha = 0.0 if synapse == "none" else alpha
    scale = 1 - alpha if drive == "leak" else 1.0
    late = order == "next"          # the current is read before the input is added
    at = {"first": 0, "between": 1, "last": 2, "none": int(late)}[synapse]
    f = scale * (alpha if at > late else 1.0)       # the decay follows the input
    p = alpha if at <= (not late) else 1.0          # the decay precedes the reading
    q = 0.0 if late else scale * (alpha if at == 1 else 1.0)               # (4)
    return alpha, f, p, q, beta, _gains(problem, decay)[gain]


def _gains(problem, decay):
    (_, beta), (_, tau, dt) = problem.decays[decay], problem.taus
    return {"one": 1.0, "leak": 1 - beta, "rate": dt / tau if tau else np.nan,
            "integral": tau * (1 - beta)}


def _runs(problem, codes, dtype=float):
    """Return the simulations that conventions share."""
    at = dict(zip(AXES, codes.T, strict=True))
    key, inverse = _distinct(*(at[name] for name in LINEAR))
    table = np.array([_numbers(problem, *(AXES[name][i] for name, i in zip(
        LINEAR, row, strict=True))) for row in key])
    table, same = np.unique(table, axis=0, return_inverse=True)
    forced = "spikes" in problem.rows
    reset, after = (choices[at["reset"]] for choices in (
        np.arange(3), np.array([True, True, False])))   # the time of no reset is idle
    after = after & (at["reset_at"] == 2)
    test, record = at["test"], at["record"]
    kind, run = _distinct(
        same.ravel()[inverse], test * forced, at["spikes"],
        at["compare"] * (not forced), reset, after, at["floor"], at["refractory"],
        at["mute"])
    number, test_, many, compare, reset, after, floor, steps, mute = kind.T[:, :, None]
    runs = _Runs(*table[number[:, 0]].astype(dtype).T[:, :, None], test_, many > 0,
                 compare, *((reset == k).astype(dtype) for k in (0, 1)), after > 0,
                 floor > 0, np.array(problem.axes["refractory"])[steps], mute > 0)
    shown = (at["reset_at"] == 0) & (at["reset"] != 2) & (test >= record)
    return runs, run, 2 * record + shown


def _distinct(*columns):
    sizes = [column.max() + 1 for column in columns]
    key = np.ravel_multi_index(columns, sizes)
    count = np.bincount(key)
    found = np.unravel_index(np.flatnonzero(count), sizes)
    return np.stack(found, axis=1), (np.cumsum(count > 0) - 1)[key]


def _flatten(problem, dtype=float):
    T, B, _ = problem.x.shape
    x, W, V = (None if value is None else value.astype(dtype) for value in (
        problem.x, problem.W, problem.V))
    n = len(W)
    drive = np.stack([(x.reshape(T * B, -1) @ W.T).reshape(T, B * n)] * 2)
    rows = {name: row.reshape(T, B * n).astype(dtype)
            for name, row in problem.rows.items()}
    thr, leak, reset_to, floor = (
        np.broadcast_to(np.asarray(problem.levels[name], dtype), (B, n)).ravel()
        for name in ("threshold", "leak", "reset_to", "floor"))
    if V is not None and "spikes" in rows:
        for test in (0, 1):
            past = rows["spikes"] if test == 0 else np.concatenate(
                [(leak > thr)[None].astype(dtype), rows["spikes"][:-1]])
            drive[test] += (past.reshape(T, B, n) @ V.T).reshape(T, B * n)
        V = None
    many = np.maximum(1.0, np.maximum.accumulate(rows["spikes"].max(axis=1))
                      if "spikes" in rows else 1.0)
    growth = problem.eps * (WIDE + GROWTH * np.arange(T))
    top = {name: np.maximum.accumulate(np.abs(rows[name]).max(axis=1))
           if name in rows else np.zeros(T) for name in ("syn", "mem")}
    top["mem"] = np.maximum(top["mem"], thr.max() * many)                  # (2)
    slack = {name: growth * np.maximum(value, thr.max())
             for name, value in top.items()}
    return _Flat(drive, V, n, rows, slack, thr, leak, reset_to, floor)


def _active(flat):
    score = sum((row != row[0]).sum(axis=0) for row in flat.rows.values())
    if flat.V is not None:
        sample = int(np.argmax(score.reshape(-1, flat.n).sum(axis=1)))
        return np.arange(sample * flat.n, (sample + 1) * flat.n)
    return np.sort(np.argsort(-score, kind="stable")[:FIRST])


def _parted(flat, runs, active, T):
    """Call `_eliminate` for parts of the simulations."""
    found, index = np.full(active.shape, T), np.flatnonzero(active.any(axis=1))
    size = max(1, ENTRIES // flat.drive.shape[2])
    for start in range(0, len(index), size):
        some = index[start:start + size]
        found[some] = _eliminate(flat, _taken(runs, some), active[some], T)
    return found


def _taken(runs, some):
    return _Runs(*(column[some] for column in runs))


def _eliminate(flat, runs, alive, T):
    parted, alive = np.where(alive, T, 0), alive.copy()
    index, states = np.arange(len(alive)), _states(flat, runs, T)
    keep = None
    with np.errstate(all="ignore"):
        for _ in range(T + 1):
            k, state = states.send(keep)
            runs = runs if keep is None else _taken(runs, keep)
            keep = None
            row = _contradicted(flat, runs, k, state, T)       # (runs, 4), T if none
            left = alive[index]
            fell = left & (row < T)
            if fell.any():
                parted[index] = np.where(fell, row, parted[index])
                left &= ~fell
                alive[index] = left
                some = left.any(axis=1)
                if not some.any():
                    break
                if 2 * np.count_nonzero(some) <= len(index):
                    keep = np.nonzero(some)[0]
                    index = index[keep]
    states.close()
    return parted


def _contradicted(flat, runs, k, state, T):
    syn, mem, shown, held = state["syn"], state["mem"], state["reset"], state["held"]
    row = np.full((len(mem), 2, 2), T)              # choices of record, and leaves
    for record in (0, 1):
        t = k - record
        if not 0 <= t < T:
            continue
        if "syn" in flat.rows:
            bad = _off(syn, flat.rows["syn"][t], flat.slack["syn"][t])
            row[bad, record] = t
        if "mem" in flat.rows:
            for leaf, value in ((0, mem), (1, shown)):
                bad = _off(value, flat.rows["mem"][t], flat.slack["mem"][t])
                row[bad, record, leaf] = t                                 # (1)
    if "spikes" in flat.rows:
        t = k - runs.test
        known = np.clip(t, 0, T - 1)
        low, high = _bounds(runs.many, mem, flat.thr, flat.slack["mem"][known])
        live, seen = ~(held & runs.mute), flat.rows["spikes"][known[:, 0]]
        bad = (known == t)[:, 0] & ~(
            (low * live <= seen) & (seen <= high * live)).all(axis=1)      # (3)
        row[bad] = np.minimum(row[bad], t[bad][:, :, None])
    return row.reshape(-1, 4)


def _off(value, row, slack):
    return ~(np.abs(value - row) <= slack).all(axis=1)


def _bounds(many, mem, thr, slack):
    low, high = mem - slack, mem + slack
    if not np.any(many):
        return (low > thr) * 1.0, (high >= thr) * 1.0
    return (np.where(many, np.maximum(np.ceil(low / thr) - 1, 0), low > thr),
            np.where(many, np.maximum(np.floor(high / thr), 0), high >= thr))


def _states(flat, runs, T):
    """Simulate several update conventions in parallel."""
    syn = np.zeros((len(runs.beta), flat.drive.shape[2]), flat.drive.dtype)
    mem, after, since, s, fired = syn + flat.leak, syn, syn + np.inf, None, None
    for k in range(T + 1):
        if k:
            d = flat.drive[runs.test[:, 0], k - 1]
            if flat.V is not None:
                d = d + (s.reshape(len(s), -1, flat.n) @ flat.V.T).reshape(s.shape)
            read = runs.p * syn + runs.q * d
            syn = runs.alpha * syn + runs.f * d
            v = runs.beta * np.where(runs.after, mem, after) + runs.gain * read + (
                1 - runs.beta) * flat.leak
            v = np.where(runs.after, _reset(flat, runs, v, fired), v)
            mem = np.where(runs.floor, np.maximum(v, flat.floor), v)
        held = since <= runs.refractory
        mem = np.where(held & ~runs.mute, flat.reset_to, mem) if k else mem
        if "spikes" in flat.rows:
            s = _forced(flat, runs.test, k, T)
        else:
            s = _own(flat, runs, mem, k, T) * ~(held & runs.mute)
        s = s.astype(syn.dtype)
        since = np.where(s > 0, 1, since + 1).astype(syn.dtype)
        fired = np.where(runs.many & (runs.zero > 0), s > 0.5, s).astype(syn.dtype)
        after = _reset(flat, runs, mem, fired)
        keep = yield k, {"syn": syn, "mem": mem, "reset": after, "spikes": s,
                         "held": held}
        if keep is not None:
            runs = _taken(runs, keep)
            syn, mem, after, since, s, fired = (
                value[keep] for value in (syn, mem, after, since, s, fired))


def _forced(flat, test, k, T):
    t = k - test
    rows = flat.rows["spikes"][np.clip(t[:, 0], 0, T - 1)]
    return np.where(t < 0, flat.leak > flat.thr, rows * (t < T))


def _own(flat, runs, mem, k, T):
    """Return the spikes of simulated neurons."""
    low, high = _bounds(runs.many, mem, flat.thr,
                        NARROW / WIDE * flat.slack["mem"][min(k, T - 1)])
    return np.select([runs.compare == 0, runs.compare == 1], [low, high],
                     (low + high) / 2)


def _reset(flat, runs, mem, fired):
    return np.where(runs.zero > 0, mem * (1 - fired) + flat.reset_to * fired,
                    mem - runs.subtract * flat.thr * fired)


def _traces(problem, steps, dtype=float):
    """Yield the simulated recording of each convention."""
    flat, (T, B, _) = _flatten(problem, dtype), problem.x.shape
    size = max(1, ENTRIES // problem.x[..., 0].size // flat.n)
    for start in range(0, len(steps), size):
        some = steps[start:start + size]
        runs, run, _ = _runs(problem, np.array([_codes_of(step, problem.axes)
                                                for step in some]), dtype)
        with np.errstate(all="ignore"):
            states = [state for _, state in _states(flat, runs, T)]
            every = {name: np.stack([state[name] for state in states], axis=1).reshape(
                         -1, T + 1, B, flat.n)
                     for name in ("syn", "mem", "reset", "spikes", "held")}
            for step, i in zip(some, run, strict=True):
                found = {name: value[i] for name, value in every.items()}
                own = _count(step, found["mem"], flat.thr.reshape(B, flat.n))
                own = own * ~found["held"] if step.mute else own
                spikes, state, shown = _recorded_states(step, T + 1)
                yield {"syn": found["syn"][state], "spikes": own[spikes],
                       "mem": found["reset" if shown else "mem"][state],
                       "states": found["mem"], "forced": found["spikes"],
                       "held": found["held"]}


def _trace(problem, step, dtype=float):
    return next(_traces(problem, [step], dtype))


def _count(step, mem, thr):
    """Count the spikes for each membrane potential."""
    low, high = mem > thr, mem >= thr
    if step.spikes == "many":
        low = low * np.maximum(np.ceil(mem / thr) - 1, 1)
        high = high * np.maximum(np.floor(mem / thr), 1)
    return {">": 1.0 * low, ">=": 1.0 * high, "half": 0.5 * low + 0.5 * high}[
        step.compare]


def _recorded_states(step, states):
    s, u, rows = int(step.test == "after"), int(step.record == "after"), states - 1
    return slice(s, s + rows), slice(u, u + rows), step.reset_at == "once" and s >= u


def _steps(codes, axes=AXES):
    return [conventions.Step(**{name: values[i] for (name, values), i in zip(
        axes.items(), row, strict=True)}) for row in codes]


def _slack(problem):
    return _flatten(problem).slack


def _codes_of(step, axes=AXES):
    step = step._replace(mute=step.mute and step.refractory > 0)
    return [values.index(getattr(step, name)) for name, values in axes.items()]


def _grouped(codes):
    return np.ravel_multi_index(np.transpose(codes), [*map(len, AXES.values())])


def _distance(codes, steps, axes=AXES):
    """Return the smallest difference from `steps`."""
    weights = np.array([3 if axis in RARE else 1 for axis in AXES])
    return np.min([(codes != _codes_of(step, axes)) @ weights for step in steps],
                  axis=0)
