# refsnn 0.1.0 | oracle/nir/dynamics.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
r"""Simulate a network in the format NIR.

NIR [P24] defines neurons with potential v, current I and input x by

    I, IF: v' = r x;  LI, LIF: tau v' = v_leak - v + r x;  CubaLI, CubaLIF:
    tau_syn I' = w_in x - I, tau_mem v' = v_leak - v + r I;  IF, LIF,
    CubaLIF: spike if v > v_threshold, then v := v_reset

All states start at 0.  If x is constant for the time t, the solution is

    I := alpha I + d x,  v := beta v + c + a I + b x, with the old I  (1)
    alpha = exp(-t/tau_syn), d = w_in (1 - alpha), beta = exp(-t/tau)  (2)
    c = (1 - beta) v_leak                                             (3)
    I, IF: beta = 1, c = 0, b = r t;  LI, LIF: b = r (1 - beta)       (4)
    CubaLI, CubaLIF: a = r k, b = r w_in (1 - beta - k)               (5)
    k = (t/tau_mem) exp(-t/max(tau_mem, tau_syn)) (exp(y) - 1)/y,
    y = -t |1/tau_mem - 1/tau_syn|                                    (6)

The potential crosses the threshold at the time

    IF:      t = (v_threshold - v)/(r x),  if r x > 0                 (7)
    LIF:     t = tau log((u - v)/(u - v_threshold)), u = v_leak + r x  (8)
    CubaLIF: by bisection, before or after the only extremum at
             t = tau_syn log(1 + q (1 - (v - u)/j))/q, where j = r (I -
             w_in x), q = tau_syn/tau_mem - 1, u = v_leak + r w_in x  (9)

NIR does not define the waveform of a spike.  If `pulse` is true, a spike
is a pulse of height 1 and duration dt, and an input value is the height of
a pulse of duration dt.  If `pulse` is false, a spike is a Dirac pulse of
area 1, and an input value is the area of a Dirac pulse.  Input pulses
begin at the start of a time step.  A Dirac pulse of area A adds

    v: r A for I and IF, r A/tau for LI and LIF;  I: w_in A/tau_syn  (10)

In each time step dt, a simulator computes v and I by (1) with t = dt.  A
convention has one choice for each key of `AXES`.  One choice for the key
"reset" is "subtract".  The gains are 1 - alpha in (2) and 1 - beta in (4).

    alpha, beta: also 1 - dt/tau;  gains: also dt/tau, 1 or the decay  (11)
    Cuba, v reads the old I: a = r gain;  the new I: a = r gain alpha,
    b = r gain d                                                     (12)
    spikes S = 1 if v > v_threshold, at the end of a time step       (13)
    v := v_reset if S,  or  v := v - S (v_threshold - v_reset)       (14)

Derivation.  The equation tau_mem v' = exp(-t/tau_syn) - v with v(0) = 0
    has the solution v(t) = k.  Equations (7) and (8) solve (1) for t.
Exact.  The solution in continuous time.  Nodes that depend on potentials
    of I, LI or CubaLI neurons are not simulated in continuous time.
    Threshold nodes are simulated only if spikes are pulses of height 1.
Cost.   Each event or step takes O(n + p) time for n neurons and p weights.
Departures.  A simulation in time steps rounds delays to multiples of dt.

[P24] J. E. Pedersen et al., Neuromorphic intermediate representation: a
    unified instruction set for interoperable brain-inspired computing,
    Nat. Commun. 15, 8122, 2024.
"""

import bisect
import collections
import itertools

import numpy as np

from refsnn import eventprop
from refsnn.oracle.hdf5 import need
from refsnn.oracle.nir.graphs import (ANALOG, SPIKING, STATES, _constants, _upstream,
                                      _width)

__all__ = ["AXES"]

AXES = {        # the first choice is the default
    "decay": ("exact", "Euler", "12 bit"), "order": ("joint", "new I", "old I"),
    "gain": ("1 - decay", "dt/tau", "1", "decay"),      # of the potential
    "synapse": ("1 - decay", "dt/tau", "1", "decay"),   # gain of the current
    "reset": ("v_reset", "subtract"), "when": ("same row", "next row"),
    "spikes": ("one", "many"), "tie": ("no spike", "spike"),
    "start": ("0", "v_leak"), "numbers": ("float", "integer"),
    "loop": ("lag 1 from 0", "lag 1 from bias", "lag 0", "lag 2 from 0",
             "lag 2 from bias")}
CONVENTION = collections.namedtuple("CONVENTION", AXES)
DEFAULT = CONVENTION(*(choices[0] for choices in AXES.values()))
# Potentials before the reset and at the end of a row, currents and spikes: (S, T, n).
TRACE = collections.namedtuple("TRACE", "before after current spikes")
MOST = 1000             # spikes of a neuron in a row of the exact solution


def _named(text):
    """Return the convention that a text names."""
    chosen = dict(part.strip().partition("=")[::2] for part in text.split(",") if text)
    for axis, choice in chosen.items():
        need(choice in AXES.get(axis, ()), f"convention has {axis:.30}={choice:.30}: "
             f"must be AXIS=CHOICE, one of {', '.join(AXES.get(axis, AXES))}")
    return DEFAULT._replace(**chosen)


def _candidates(kinds, loop, leak, whole):
    """Return a list of the keys of `AXES`, such as "reset", that affect the given
    types of neurons.  Also return a list of all possible combinations of
    choices for the returned keys.  Each combination is a `CONVENTION`."""
    axes = ["decay"] * bool(kinds - {"I", "IF"}) + ["gain"] + [
        "synapse", "order"] * bool(kinds & {"CubaLI", "CubaLIF"}) + [
        "reset", "when", "spikes", "tie"] * bool(kinds & set(SPIKING)) + [
        "loop"] * loop + ["start"] * leak + ["numbers"] * whole
    found = []
    for choice in itertools.product(*(AXES[axis] for axis in axes)):
        one = DEFAULT._replace(**dict(zip(axes, choice, strict=True)))
        gains = {one.gain, one.synapse if "synapse" in axes else one.gain}
        same = one.decay == "Euler" and "dt/tau" in gains or one.decay == "12 bit" \
            and (one.numbers == "float" or "1 - decay" in gains) or "order" in axes \
            and one.order == "joint" and {one.decay, *gains} != {"exact", "1 - decay"}
        if not (same or one.spikes == "many" and one.reset == "v_reset"
                or "decay" not in axes and "decay" in one.gain):
            found.append(one)
    return axes, found


def _coefficients(p, t, one=DEFAULT):
    """Return alpha, d, beta, c, a and b of eq. (1)."""
    if "v_leak" not in p:
        step = 1.0 if one.gain in ("1", "decay") else t
        return 0.0, 0.0, 1.0, 0.0, 0.0, p["r"] * step                      # (4)
    beta, gain = _decay(one.decay, one.gain, p.get("tau", p.get("tau_mem")), t)    # (2)
    c, g = (1 - beta) * p["v_leak"], p["r"] * gain                         # (3, 4)
    if "w_in" not in p:
        return 0.0, 0.0, beta, c, 0.0, g
    alpha, gain = _decay(one.decay, one.synapse, p["tau_syn"], t)          # (2)
    d = p["w_in"] * gain                                                   # (2)
    if one.order != "joint":
        return (alpha, d, beta, c, g, 0.0) if one.order == "old I" else \
            (alpha, d, beta, c, g * alpha, g * d)                          # (12)
    y = np.minimum(-t * np.abs(1 / p["tau_mem"] - 1 / p["tau_syn"]), -1e-200)
    k = t / p["tau_mem"] * np.exp(-t / np.maximum(p["tau_mem"], p["tau_syn"])) \
        * np.expm1(y) / y                                                  # (6)
    return alpha, d, beta, c, p["r"] * k, p["r"] * p["w_in"] * (1 - beta - k)   # (5)


def _decay(kind, gain, tau, t):
    decay = np.exp(-t / tau) if kind == "exact" else \
        1 - t / tau if kind == "Euler" else 1 - np.floor(4096 * t / tau + 1e-6) / 4096
    return decay, {"1 - decay": 1 - decay, "dt/tau": t / tau, "decay": decay,
                   "1": 1 + 0 * tau}[gain]                                 # (11)


def _flow(p, v, current, x, t):
    """Return the potential and the current at the end of an interval of length t."""
    alpha, d, beta, c, a, b = _coefficients(p, t)
    return beta * v + c + a * current + b * x, alpha * current + d * x     # (1)


def _crossing(p, v, current, x, end):
    """Return the time to each neuron's next spike.  Times above `end` become inf."""
    threshold = p["v_threshold"]
    with np.errstate(all="ignore"):         # there may be no crossing
        if "w_in" in p:
            wait = _driven(p, v, current, x, end)
            calm = (x == 0) & (p["v_reset"] == p["v_leak"]) & (v < threshold)
            if calm.any() and end > 0:
                part = {name: a[calm] for name, a in p.items()}
                wait[calm] = _undriven(part, v[calm], current[calm], end)
        elif "tau" in p:
            u = p["v_leak"] + p["r"] * x
            wait = p["tau"] * np.log((u - v) / (u - threshold))            # (8)
            wait[u <= threshold] = np.inf
        else:
            wait = (threshold - v) / (p["r"] * x)                          # (7)
            wait[p["r"] * x <= 0] = np.inf
    wait[v > threshold] = 0
    return np.where(wait <= end, wait, np.inf)


def _undriven(p, v, current, end):
    leak, n = p["v_leak"], len(v)
    state = eventprop.State((v - leak)[None], (p["r"] * current)[None])
    found = eventprop.simulate(
        [np.zeros(0)], [np.zeros(0, int)], np.zeros((n, 1)), state=state, until=end,
        tau_mem=p["tau_mem"], tau_syn=p["tau_syn"], threshold=p["v_threshold"] - leak)
    return eventprop.first(found.times, found.units, n)[0]


def _driven(p, v, current, x, end):
    u, threshold = p["v_leak"] + p["r"] * p["w_in"] * x, p["v_threshold"]
    j, q = p["r"] * (current - p["w_in"] * x), p["tau_syn"] / p["tau_mem"] - 1
    q = np.where(q == 0, 1e-300, q)         # log(1 + q g)/q tends to g
    top = p["tau_syn"] * np.log1p(q * (1 - (v - u) / j)) / q               # (9)
    top = np.clip(np.nan_to_num(top), 0, end)           # NaN if there is no extremum
    early = _flow(p, v, current, x, top)[0] > threshold
    crosses = early | (_flow(p, v, current, x, end)[0] > threshold)
    low, high = np.where(early, 0, top), np.where(early, top, end)
    for _ in range(60 if crosses.any() else 0):
        t = (low + high) / 2
        above = _flow(p, v, current, x, t)[0] > threshold
        low, high = np.where(above, low, t), np.where(above, t, high)
    return np.where(crosses, high, np.inf)


def _apply(node, x, bias=True):
    """Return the output of a stateless node."""
    fields = {name: a.astype(float) for name, a in node.fields.items()}
    if "weight" in fields:
        return x @ fields["weight"].T + fields.get("bias", 0.0) * bias
    if "threshold" in fields:
        return (x > fields["threshold"].ravel()).astype(float)
    return x * fields["scale"].ravel() if "scale" in fields else x


def _spread(nodes, sources, held, bias=True):
    """Compute the outputs and inputs of all nodes.  Outputs in `held` are known."""
    outputs, totals = dict(held), {}
    for name, node in [*nodes.items()] * 2:         # twice, because of loops
        totals[name] = sum((outputs[a] for a in sources[name] if a in outputs),
                           np.zeros(_width(node)))
        if name not in held:
            outputs[name] = _apply(node, totals[name], bias)
    return outputs, totals


def _silent(nodes):
    """Return the outputs before the first event."""
    return {name: np.zeros(node.size) for name, node in nodes.items()
            if node.type in ("Input", "Delay", *STATES)}


def _solve(graph, inputs, dt, pulse=True):
    """Return two dicts, whose keys are the names of the neuron nodes.  Each value
    of the first dict is a tuple `TRACE` of the exact states of one node.  The
    second dict holds the exact spike times of each node."""
    (S, T), nodes = next(iter(inputs.values())).shape[:2], dict(graph.nodes)
    for _ in graph.nodes:
        nodes = {name: node for name, node in nodes.items() if (
            pulse or node.type != "Threshold") and all(
            a in nodes and nodes[a].type not in ANALOG for a in graph.sources[name])}
    traces = {name: TRACE(*np.zeros((4, S, T, node.size)))
              for name, node in nodes.items() if node.type in STATES}
    spikes = {name: [[] for _ in range(S)] for name in traces}
    for b in range(S):
        _events(nodes, graph.sources, inputs, dt, pulse, b, traces, spikes)
    return traces, spikes


def _events(nodes, sources, inputs, dt, pulse, b, traces, spikes):
    """Write the exact solution for sample b into `traces` and `spikes`."""
    p = {name: _constants(node) for name, node in nodes.items()
         if node.type in ("Delay", *STATES)}
    state = {name: np.zeros((2, nodes[name].size)) for name in traces}
    held, drive, queue, now, row = _silent(nodes), {}, [], 0.0, 0
    T = next(iter(inputs.values())).shape[1]

    def later(time, changes, step):
        bisect.insort(queue, (time, changes, step), key=lambda entry: entry[0])

    def send(changes, step):
        """Change outputs by steps or Dirac pulses."""
        if step:
            held.update({name: held[name] + x for name, x in changes.items()})
        totals = _spread(nodes, sources, held if step else _silent(nodes) | changes,
                         bias=step)[1]
        for name, k in p.items():
            x = totals[name] - drive.get(name, 0.0) * step
            for wait in np.unique(k["delay"][x != 0]) if "delay" in k else ():
                later(now + wait, {name: x * (k["delay"] == wait)}, step)
            if name in state and not step:
                scale = k["w_in"] / k["tau_syn"] if "w_in" in k else \
                    k["r"] / k.get("tau", 1.0)                             # (10)
                state[name][int("w_in" in k)] += scale * x
        if step:
            drive.update(totals)

    send({}, True)
    later(0.0, None, pulse)             # None is the end of a row
    while True:
        span, first = queue[0][0] - now, None
        for name in (name for name in state if nodes[name].type in SPIKING):
            wait = _crossing(p[name], *state[name], drive[name], span)
            if wait.min() <= span:
                first, i, span = name, int(np.argmin(wait)), float(wait.min())
        for name in state:
            state[name] = np.stack(_flow(p[name], *state[name], drive[name], span))
        now += span
        if first:
            one = (np.arange(nodes[first].size) == i).astype(float)
            state[first][0, i] = p[first]["v_reset"][i]
            spikes[first][b].append((now, i))
            fired = traces[first].spikes[b, min(int(now / dt + 1e-6), T - 1)]
            fired[i] += 1
            need(fired[i] <= MOST, f"{first} spikes more than {MOST} times in a row "
                 f"of the exact solution, at {now:.6g} s: must spike less often")
            changes, step = {first: one}, pulse
            if pulse:
                later(now + dt, {first: -one}, True)
        else:
            now, changes, step = queue.pop(0)
        if changes is None:
            for name, trace in traces.items() if row else ():
                trace.before[b, row - 1] = trace.after[b, row - 1] = state[name][0]
                trace.current[b, row - 1] = state[name][1]
            if row == T:
                return
            changes = {name: x[b, row] - held[name] for name, x in inputs.items()}
            row += 1
            later(row * dt, None, pulse)
        send(changes, step)


def _rule(node, some, dt, unit):
    """Return the update function of a node, and its initial potential."""
    p, near, cut = _constants(node), np.asarray, np.asarray
    if some[0].numbers == "integer":
        near, cut = np.round, np.trunc
    alpha, d, beta, c, a, b = np.array([[part + 0 * p["r"] for part in _coefficients(
        p, dt, one)] for one in some]).transpose(1, 0, 2)[:, :, None]
    d, c, b = d * unit, c * unit, b * unit
    low, high = (near(p.get(name, 0.0) * unit) for name in ("v_reset", "v_threshold"))
    many, subtract, late, tie, leak = (
        np.array([choice in one for one in some])[:, None, None]
        for choice in ("many", "subtract", "next row", "spike", "v_leak"))

    def reset(v, spikes):
        return np.where(subtract, v - spikes * (high - low),               # (14)
                        np.where(spikes > 0, low, v))                      # (14)

    def advance(state, x):
        _, v, current, spikes = state
        v = cut(beta * v) + near(c + a * current + b * x)                  # (1)
        current = cut(alpha * current) + near(d * x)                       # (1)
        if node.type not in SPIKING:
            return TRACE(v, v, current, spikes)
        v = np.where(late, reset(v, spikes), v)
        over = (v - high) / (high - low)
        count = np.maximum(np.where(tie, np.floor(over) + 1, np.ceil(over)), 0)
        spikes = np.where(many, count, np.minimum(count, 1))               # (13)
        return TRACE(v, np.where(late, v, reset(v, spikes)), current, spikes)

    return advance, leak * unit * p.get("v_leak", 0.0)


def _replay(graph, some, inputs, dt, recorded, name, unit=1.0):
    """Simulate a node in each convention.  Recorded spikes are not simulated."""
    (S, T), nodes = next(iter(inputs.values())).shape[:2], graph.nodes
    given, rest = inputs | recorded, _spread(nodes, graph.sources, _silent(nodes))[0]
    wanted = {name, *_upstream(name, graph.sources, given)}
    wanted = sorted((one for one in nodes if one in wanted),
                    key=lambda one: one == name and one in given)
    (_, lag, *begin), delays, rules, state = some[0].loop.split(), {}, {}, {}
    for one in wanted:
        node = nodes[one]
        if node.type == "Delay":
            delays[one] = np.round(np.minimum(
                _constants(node)["delay"] / dt, T)).astype(int)
            need(delays[one].min() > 0 or all(b != one for _, b in graph.late),
                 f"{one}/delay is below dt/2 in a loop: must be longer")
        elif node.type in STATES:
            rules[one], v = _rule(node, some, dt, unit)
            v = v + np.zeros((len(some), S, node.size))
            state[one] = TRACE(v, v, 0 * v, 0 * v)
    past, rows = [], []         # outputs in all rows, and TRACEs

    def total(one, t):
        found = np.zeros(_width(nodes[one]))
        for a in graph.sources[one] if t >= 0 else ():
            k = t - int(lag) * ((a, one) in graph.late and one not in delays)
            found = found + (past[k][a] if k >= 0 else rest[a] * ("bias" in begin))
        return found

    for t in range(T):
        past.append({one: x[:, t] for one, x in given.items()})
        for one in wanted:
            if one in delays:
                out = sum(total(one, t - k) * (delays[one] == k)
                          for k in np.unique(delays[one]))
            elif one in state:
                row = state[one] = rules[one](state[one], total(one, t))
                out = row.spikes if nodes[one].type in SPIKING else row.after / unit
            else:
                out = _apply(nodes[one], total(one, t))
            past[t].setdefault(one, out)
        rows.append(state[name])
    found = np.array(rows)              # (T, 4, conventions, S, n)
    found[:, :3] /= unit
    return [TRACE(*found[:, :, k].transpose(1, 2, 0, 3)) for k in range(len(some))]
