# refsnn 0.1.0 | eventprop.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate LIF layers event by event, and differentiate spike times exactly.

Leaky integrate-and-fire (LIF) neurons in continuous time have membrane
potentials U_i and currents I_i.  A spike of input j reaches neuron i after
the delay d_ij.  For recurrent spikes, V_ij takes the place of W_ij.

    tau_mem dU_i/dt = -U_i + I_i,  tau_syn dI_i/dt = -I_i     (1)  [WP21]
    arrival of a spike of j at neuron i:  I_i := I_i + W_ij   (2)  [WP21]
    U_i reaches the threshold with dU_i/dt > 0:
    neuron i spikes, and U_i := 0 for the refractory time     (3)  [WP21]

Between two events, at the time s after the state (U, I),

    U(s) = exp(-s/tau_mem) U + k(s) I,  I(s) = exp(-s/tau_syn) I      (4)
    k(s) = h p(y) s/tau_mem,  h = exp(-s/max(tau_mem, tau_syn))       (5)
    p(y) = (exp(y) - 1)/y,  y = -s |1/tau_mem - 1/tau_syn|

Eq. (5) also holds for equal time constants, with p(0) = 1.  With q =
tau_syn/tau_mem - 1 and g = 1 - U/I, the potential has its only maximum
between two events at the time s*, if g > 0, q g > -1 and I > 0:

    s* = tau_syn log(1 + q g)/q                                       (6)
    U crosses the threshold before s* if and only if
    I > threshold and I(s*) > threshold                               (7)
    s := s + tau_mem (threshold - U(s))/(I(s) - U(s))                 (8)

Newton's method (8) starts at s = 0 and converges to the crossing.  From
the derivatives dt_i = dL/dt_i of the loss L, the backward pass computes dA
= dL/dA for all other quantities A in reverse order of the events:

    between events: dI := exp(-s/tau_syn) dI + k(s) dU                (9)
                    dU := exp(-s/tau_mem) dU                         (10)
    arrival of the spike at t_j:  e_ij = W_ij (dI_i/tau_syn - dU_i/tau_mem)
                    dt_j += e_ij,  dd_ij += e_ij                     (11)
                    dW_ij += dI_i                                    (12)
    end of the refractory time after the spike at t_i:
                    dt_i -= dU_i I_i/tau_mem,  dU_i := 0             (13)
    spike at t_i:   dU_i := -tau_mem dt_i/(I_i - threshold_i)        (14)
                    dthreshold_i -= dU_i                             (15)
    between events: dtau_mem += dU U_mem                             (16)
                    dtau_syn += dU U_syn + dI I_syn                  (17)

Here U_mem is the derivative of U(s) in (4) with respect to tau_mem.  The
derivatives of U(s) and I(s) with respect to tau_syn are U_syn and I_syn.
Let r(y) = int_0^1 v exp(v y) dv.  With z = r(y) for tau_mem >= tau_syn,
and z = p(y) - r(y) otherwise,

    r(y) = (exp(y) - p(y))/y                                         (18)
    dk/dtau_syn = h z s^2/(tau_mem tau_syn^2)                        (19)
    dk/dtau_mem = h (p(y) - z) s^2/tau_mem^3 - k/tau_mem             (20)

Readout neurons do not spike.  Eq. (21) gives the potential of a readout
neuron, and eq. (22) gives the integral of this potential from 0 to t.
Eqs. (21) and (22) are sums over all spikes that have arrived by time t:

    U_i(t) = sum_j W_ij k(t - t_j - d_ij)                            (21)
    int U_i = sum_j W_ij K(t - t_j - d_ij)                           (22)
    K(s) = int_0^s k = tau_syn (1 - exp(-s/tau_syn)) - tau_mem k(s)

Derivation.  Eq. (4) solves (1).  At the maximum of U, (1) gives U(s*) =
    I(s*).  For 0 < s < s*, U rises and is concave.  Therefore, (8) never
    passes the crossing.  Eqs. (9) and (10) are the transpose of (4).  A
    spike that arrives later by eps changes I by eps W/tau_syn and U by
    -eps W/tau_mem, which gives (11).  If neuron i spikes later by eps, U_i
    rises later by eps after the refractory time, which gives (13).  If U_i
    changes by eps, the spike time changes by -eps/(dU_i/dt), which gives
    (14) and (15).  Eqs. (19) and (20) are the derivatives of tau_mem k(s)
    = int_0^s exp(-(s - v)/tau_mem - v/tau_syn) dv.  For |y| < 0.5, a power
    series replaces (18), because (18) loses digits.
Exact.  Simulation and gradient are exact, also with delays and recurrence.
    The gradient of a spike count is 0, and so is the gradient of a silent
    neuron.  Where a spike appears or vanishes, the gradient does not
    exist.  Near such points, slope or margin of the recording is small.
    At equal times, arrivals come first (input spikes before recurrent
    spikes), then ends of refractory times, and then spikes in the order of
    the neurons.  If an arrival coincides with a spike of the same neuron,
    the gradient is the one-sided derivative for this order.
Cost.   An event takes O(n) time and memory for n neurons.  A spike causes
    one event for each different delay.
Departures.  [WP21] uses the adjoint variables lambda_V = -dU/tau_mem and
    lambda_I = -dI/tau_syn, and no delays.  At an exact crossing, a reset
    to zero and a reset by subtraction of the threshold are the same.

[WP21] T. C. Wunderlich and C. Pehle, Sci. Rep. 11, 12829, 2021,
    arXiv 2009.08378.
"""

import heapq
import math
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, shown

__all__ = ["backward", "first", "first_backward", "readout", "readout_backward",
           "simulate"]

START, ARRIVAL, RELEASE, SPIKE, END = range(5)      # kinds of events in a log
SERIES = [1 / (math.factorial(k) * (k + 2)) for k in range(13, -1, -1)]     # of r(y)
SMALLEST = 1e-200       # in place of 0 in denominators
TAUS = "tau_mem (n?) in (0, inf), tau_syn (n?) in (0, inf)"
LAYER = f"W (n, m) float, delays? (n, m) in [0, inf), {TAUS}"


class State(NamedTuple):
    """Hold U and I.  The function `simulate` describes the fields."""
    mem: np.ndarray
    syn: np.ndarray
    __repr__ = shown


class Log(NamedTuple):
    """Hold all events of a sample.  The function `simulate` describes the fields."""
    at: np.ndarray
    kinds: np.ndarray
    sources: np.ndarray
    reached: np.ndarray
    held: np.ndarray
    mem: np.ndarray
    syn: np.ndarray
    __repr__ = shown


class Recording(NamedTuple):
    """Hold spikes and events.  The function `simulate` describes the fields."""
    times: list
    units: list
    log: list
    slope: np.ndarray
    margin: np.ndarray
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold derivatives.  The function `backward` describes the fields."""
    dW: np.ndarray
    dV: np.ndarray
    dtimes: list
    ddelays: np.ndarray
    drecurrent_delays: np.ndarray
    dtau_mem: np.ndarray
    dtau_syn: np.ndarray
    dthreshold: np.ndarray
    dstate: State
    __repr__ = shown


def simulate(times, units, W, V=None, state=None, *, tau_mem, tau_syn, threshold=1.0,
             until, refractory=0.0, delays=None, recurrent_delays=None, most=10_000):
    """Simulate a layer from event to event, eqs. (1)-(8).

    >>> W = np.array([[4.0]])
    >>> taus = {"tau_mem": 1.0, "tau_syn": 1.0}
    >>> rec = simulate([[0.0]], [np.array([0])], W, until=9.0, **taus)
    >>> [round(t, 4) for t in rec.times[0].tolist()], rec.units[0].tolist()
    ([0.3574, 1.1359], [0, 0])

    Parameters
    ----------
    times, units : list of (S,) float, list of (S,) int
        For each sample, sorted times of all input spikes in s, and the input
        neuron of each spike, 0 ... m-1.
    W, V : (n, m) float, (n, n) float or None
        Weights, in the unit of the threshold.  Results have the dtype of `W`;
        the computation is in float64.
    state : State, optional
        State (mem, syn) at the time 0, (B, n); mem is below the threshold.
    tau_mem, tau_syn, threshold : float or (n,) float
        Time constants of U and I in s, and threshold, all above 0.
    until, refractory : float
        Duration of the simulation and refractory time, both in s.
    delays, recurrent_delays : (n, m) float and (n, n) float, optional
        Delays of the synapses in s; 0 by default.
    most : int
        Largest number of spikes in a sample.  Recurrent spiking may never end.

    Returns
    -------
    Recording
        times, units  spike times and spiking neurons of each sample, for the
                      next layer
        log           for each sample, a Log of all events
        slope         (B,) smallest dU/dt at a spike, infinity without spikes
        margin        (B,) smallest distance of the threshold from a maximum
                      of U that causes no spike; infinity without maxima

        Fields of a Log with E events:

        at            (E,) times
        kinds         (E,) START, ARRIVAL, RELEASE (the end of a refractory
                      time), SPIKE or END
        sources       (E,) index of the spike that causes the event; input
                      spikes come first, then the spikes of the layer
        reached       (E, n) True for the neurons that the event changes
        held          (E, n) True for refractory neurons
        mem, syn      (E, n) U and I after the event
    """
    W, V, delays, recurrent_delays, *constants, until, refractory, most = arrays(
        "W (n, m) float, V? (n, n), delays? (n, m) in [0, inf), recurrent_delays? "
        f"(n, n) in [0, inf), {TAUS}, threshold (n?) in (0, inf), until () in (0, inf),"
        " refractory () in [0, inf), most () int in [0, inf)", W, V, delays,
        recurrent_delays, tau_mem, tau_syn, threshold, until, refractory, most)
    times, units = _events(times, units, W.shape[1], W.dtype)
    n, B, dtype = len(W), len(times), W.dtype
    constants = _wide(n, *constants)
    state = [np.zeros((B, n))] * 2 if state is None else bundle("state", state, State)
    mem, syn = (a.astype(float) for a in arrays(
        f"state.mem ({B}, {n}), state.syn ({B}, {n})", *state, dtype=dtype))
    if (mem >= constants[2]).any():
        raise ValueError(f"state.mem is {mem.max():.6g}: must be below the threshold")
    fans = _fan(W, delays) + ([[]] * n if V is None else _fan(V, recurrent_delays))
    weights = np.hstack([W] if V is None else [W, V]).astype(float)
    logs = [_run(times[b], units[b], weights, (mem[b], syn[b]), constants, fans, until,
                 refractory, most, b) for b in range(B)]
    slope, margin = np.array([_nearness(log, *constants) for log in logs], dtype).T
    logs = [log._replace(at=log.at.astype(dtype), mem=log.mem.astype(dtype),
                         syn=log.syn.astype(dtype)) for log in logs]
    return Recording([log.at[log.kinds == SPIKE] for log in logs],
                     [log.reached[log.kinds == SPIKE].argmax(axis=1) for log in logs],
                     logs, slope, margin)


def _run(times, units, weights, state, constants, fans, until, refractory, most, b):
    """Return the events of one sample."""
    (mem, syn), (tau_mem, tau_syn, _), n = state, constants, len(state[0])
    units, count, none = units.tolist(), len(times), np.zeros(n, bool)
    queue = [(t + d, ARRIVAL, k, d, to) for k, (t, j) in enumerate(zip(
        times.tolist(), units, strict=True)) for d, to in fans[j]]
    queue.append((until, END, -1, 0, none))
    heapq.heapify(queue)
    held, due = none.copy(), _crossing(mem, syn, *constants)
    now, kind = 0.0, START
    rows = [(now, kind, count, ~none, none, mem, syn)]
    while kind != END:
        i = int(np.argmin(due))
        event = (float(due[i]), SPIKE, len(units), 0, np.arange(n) == i)
        if queue[0] < event:
            event = heapq.heappop(queue)
        before, (now, kind, source, _, reached) = now, event
        mem, syn = _flow(now - before, mem, syn, tau_mem, tau_syn)         # (1)
        mem[held] = 0
        if kind == ARRIVAL:
            syn += weights[:, units[source]] * reached                     # (2)
        elif kind == RELEASE:
            held &= ~reached
        elif kind == SPIKE:
            if len(units) - count >= most:
                raise ValueError(f"most is {most}: sample {b} has more spikes by the "
                                 f"time {now:.6g}, so must be larger, or the weights "
                                 "smaller")
            mem[i], held[i] = 0, True                                      # (3)
            heapq.heappush(queue, (now + refractory, RELEASE, source, 0, reached))
            units.append(len(fans) - n + i)
            for d, to in fans[units[-1]]:
                heapq.heappush(queue, (now + d, ARRIVAL, source, d, to))
        j = np.flatnonzero(reached)
        due[j] = now + _crossing(mem[j], syn[j], *(a[j] for a in constants))
        due[held] = np.inf
        rows.append((now, kind, source, reached, held.copy(), mem, syn))
    return Log(*map(np.array, zip(*rows, strict=True)))


def _crossing(mem, syn, tau_mem, tau_syn, threshold):
    """Return the time to the threshold crossing, or infinity without a crossing."""
    wait, i = np.full(mem.shape, np.inf), np.flatnonzero(syn > threshold)  # (7)
    mem, syn, tau_mem, tau_syn, threshold = (
        a[i] for a in (mem, syn, tau_mem, tau_syn, threshold))
    top, s = _summit(mem, syn, tau_mem, tau_syn), np.zeros(len(i))
    above = syn * np.exp(-top / tau_syn) > threshold                       # (7)
    for _ in range(100):
        U, current = _flow(s, mem, syn, tau_mem, tau_syn)
        below = above & (U < threshold) & (current > U)
        step = tau_mem * (threshold - U) / np.where(below, current - U, 1)   # (8)
        before, s = s, np.minimum(s + np.where(below, step, 0), top)
        if (s == before).all():
            break
    wait[i[above]] = s[above]
    return wait


def _summit(mem, syn, tau_mem, tau_syn):
    """Return the time until U is highest."""
    q = tau_syn / tau_mem - 1
    g = 1 - mem / np.where(syn > SMALLEST, syn, 1)
    found = (syn > SMALLEST) & (q * g > -1)
    late = np.log1p(np.where(found, q * g, 0)) / np.where(q == 0, 1, q)
    s = tau_syn * np.where(q == 0, g, late)                                # (6)
    return np.where(found, np.maximum(s, 0), np.inf)


def _nearness(log, tau_mem, tau_syn, threshold):
    """For one sample, return the smallest dU/dt at a spike.  Also return the
    smallest distance between the threshold and a maximum of U without a spike."""
    spike, rising = log.reached & (log.kinds == SPIKE)[:, None], log.syn > log.mem
    slope = ((log.syn - threshold) / tau_mem)[spike].min(initial=np.inf)
    mem, syn, gap = log.mem[:-1], log.syn[:-1], np.diff(log.at)[:, None]
    wait = np.where(syn > mem, np.minimum(_summit(mem, syn, tau_mem, tau_syn), gap), 0)
    top, _ = _flow(wait, mem, syn, tau_mem, tau_syn)
    on = rising[1:] & (log.kinds[1:] != END)[:, None]       # U rises after the event
    on &= wait == gap
    missed = rising[:-1] & ~log.held[:-1] & ~spike[1:] & ~on
    return slope, (threshold - top)[missed].min(initial=np.inf)


def _flow(s, mem, syn, tau_mem, tau_syn):
    """Return U(s) and I(s), eq. (4)."""
    k, *_ = _kernel(s, tau_mem, tau_syn)
    return np.exp(-s / tau_mem) * mem + k * syn, np.exp(-s / tau_syn) * syn  # (4)


def _kernel(s, tau_mem, tau_syn):
    """Compute k(s) by eq. (5)."""
    y = -np.abs(s * (1 / tau_mem - 1 / tau_syn))
    some = np.minimum(y, -SMALLEST)
    p = np.expm1(some) / some                                              # (5)
    slow = s * np.exp(-s / np.maximum(tau_mem, tau_syn))
    return slow * p / tau_mem, y, p, slow                                  # (5)


def _kernel_slopes(s, tau_mem, tau_syn):
    """Return k(s), dk/dtau_mem and dk/dtau_syn."""
    k, y, p, slow = _kernel(s, tau_mem, tau_syn)
    r = np.where(y < -0.5, (np.exp(y) - p) / np.minimum(y, -0.5),          # (18)
                 np.polyval(SERIES, np.maximum(y, -0.5)))
    z = np.where(tau_mem >= tau_syn, r, p - r)
    return (k, slow * s * (p - z) / tau_mem ** 3 - k / tau_mem,            # (20)
            slow * s * z / (tau_mem * tau_syn ** 2))                       # (19)


def backward(dtimes, units, W, V, recording, *, tau_mem, tau_syn, threshold=1.0):
    """Differentiate a loss that depends on spike times, eqs. (9)-(17).

    >>> W, units = np.array([[4.0]]), [np.array([0])]
    >>> constants = {"tau_mem": 1.0, "tau_syn": 1.0}
    >>> rec = simulate([[0.0]], units, W, until=9, **constants)
    >>> grad = backward([[1.0, 0.0]], units, W, None, rec, **constants)
    >>> [a.round(4).tolist() for a in (grad.dW, grad.dtimes[0])]
    [[[-0.139]], [1.0]]

    Parameters
    ----------
    dtimes : list of (S,) float
        Derivatives of the loss with respect to `recording.times`.
    units, W, V, tau_mem, tau_syn, threshold : as for `simulate`
    recording : Recording, result of `simulate`

    Returns
    -------
    Gradient, summed over the samples except for dtimes and dstate
        dW, dV             (n, m) and (n, n), or None
        dtimes             list of (S,), for the input spikes of each sample
        ddelays            (n, m), also for synapses without delay
        drecurrent_delays  (n, n), or None
        dtau_mem, dtau_syn, dthreshold  (n,), one entry for each neuron
        dstate             State at the time 0, (B, n) and (B, n)
    """
    W, V, *constants = arrays(f"W (n, m) float, V? (n, n), {TAUS}, threshold (n?) in "
                              "(0, inf)", W, V, tau_mem, tau_syn, threshold)
    recording, dtype = bundle("recording", recording, Recording), W.dtype
    n, m = W.shape
    dtimes, units = arrays(f"dtimes[] (_*), units[] (_*) int in [0, {m})", dtimes,
                           units, dtype=dtype)
    for name, found, wanted in (
            ("units", units, [int(log.sources[0]) for log in recording.log]),
            ("dtimes", dtimes, [len(t) for t in recording.times])):
        if [len(a) for a in found] != wanted:
            raise ValueError(f"{name} has {[len(a) for a in found][:8]} spikes in the "
                             f"first samples: must have {wanted[:8]}, as in recording")
    tau_mem, tau_syn, threshold = _wide(n, *constants)
    weights = np.hstack([W] if V is None else [W, V]).astype(float)
    dweights, ddelays = np.zeros((2, *weights.shape))
    dtau_mem, dtau_syn, dthreshold = np.zeros((3, n))
    dinputs, dstate = [], []
    for dt, inputs, own, log in zip(dtimes, units, recording.units, recording.log,
                                    strict=True):
        count, unit = len(inputs), np.concatenate([inputs, own])
        dt = np.concatenate([np.zeros(count), dt])
        at, mem, syn = (a.astype(float) for a in (log.at, log.mem, log.syn))
        dmem, dsyn = np.zeros((2, n))
        for e in range(len(at) - 1, 0, -1):
            k, to = log.sources[e], log.reached[e]
            j = unit[k] if log.kinds[e] != END else None
            if log.kinds[e] == ARRIVAL:
                j += m * (k >= count)
                moved = weights[:, j] * (dsyn / tau_syn - dmem / tau_mem) * to
                dt[k] += moved.sum()                                       # (11)
                ddelays[:, j] += moved                                     # (11)
                dweights[:, j] += dsyn * to                                # (12)
            elif log.kinds[e] == RELEASE:
                dt[k] -= dmem[j] * syn[e, j] / tau_mem[j]                  # (13)
                dmem[j] = 0                                                # (13)
            elif log.kinds[e] == SPIKE:
                dmem[j] = -tau_mem[j] * dt[k] / (syn[e, j] - threshold[j])   # (14)
                dthreshold[j] -= dmem[j]                                   # (15)
            s, U, current = at[e] - at[e - 1], mem[e - 1], syn[e - 1]
            gain, by_mem, by_syn = _kernel_slopes(s, tau_mem, tau_syn)
            fade, decay = np.exp(-s / tau_mem), np.exp(-s / tau_syn)
            dtau_mem += dmem * (U * fade * s / tau_mem ** 2 + current * by_mem)   # (16)
            later = dsyn * decay * s / tau_syn ** 2
            dtau_syn += current * (dmem * by_syn + later)                  # (17)
            dsyn = decay * dsyn + gain * dmem                              # (9)
            dmem = fade * dmem                                             # (10)
        dinputs.append(dt[:count].astype(dtype))
        dstate.append((dmem, dsyn))
    dstate = State(*np.array(dstate, dtype).transpose(1, 0, 2))
    dweights, ddelays, *dconstants = (a.astype(dtype) for a in (
        dweights, ddelays, dtau_mem, dtau_syn, dthreshold))
    dV, drecurrent = (None if V is None else a[:, m:] for a in (dweights, ddelays))
    return Gradient(dweights[:, :m], dV, dinputs, ddelays[:, :m], drecurrent,
                    *dconstants, dstate)


def first(times, units, n):
    """Return the first spike times (B, n) in s.  Infinity marks silent neurons.

    >>> first([[0.1, 0.2, 0.3]], [np.array([1, 1, 0])], 3).tolist()
    [[0.3, 0.1, inf]]

    Parameters
    ----------
    times, units : list of (S,) float, list of (S,) int
        Spike times and neurons of each sample, as in `simulate`.
    n : int, number of neurons
    """
    n, = arrays("n () int in [1, inf)", n)
    times, units = _events(times, units, n)
    found = np.full((len(times), n), np.inf, times[0].dtype)
    for row, t, i in zip(found, times, units, strict=True):
        np.minimum.at(row, i, t)
    return found


def first_backward(dfirst, times, units):
    """Return the derivatives of the loss with respect to `times` as a list of
    float arrays of shape (S,).  Only first spikes have nonzero derivatives.

    >>> first_backward([[1.0, 2.0]], [[0.1, 0.2, 0.3]], [np.array([1, 1, 0])])
    [array([2., 0., 1.])]

    Parameters
    ----------
    dfirst : (B, n) float, derivatives of the loss, not used for silent neurons
    times, units : as for `first`
    """
    dfirst, = arrays("dfirst (B, n) float", dfirst)
    times, units = _events(times, units, dfirst.shape[1])
    if len(times) != len(dfirst):
        raise ValueError(f"dfirst has {len(dfirst)} samples, times has {len(times)}: "
                         "must be equal")
    found = [np.zeros(len(t), dfirst.dtype) for t in times]
    for row, d, i in zip(found, dfirst, units, strict=True):
        index = np.unique(i, return_index=True)[1]
        row[index] = d[i[index]]
    return found


def readout(at, times, units, W, *, tau_mem, tau_syn, delays=None, integral=False):
    """Return an array of shape (T, B, n) with the potentials of eq. (21).  With
    integral=True, return the integrals of the potentials, eq. (22).

    >>> spikes = [[0.0]], [np.array([0])], np.array([[1.0]])
    >>> readout([1.0], *spikes, tau_mem=1.0, tau_syn=1.0).round(4).tolist()
    [[[0.3679]]]

    Parameters
    ----------
    at : (T,) or (T, B, n) float, times in s, for all neurons or for each
    times, units, W, tau_mem, tau_syn, delays : as for `simulate`
    integral : bool, whether to integrate the potentials from 0 to `at`
    """
    _, W, samples = _readout(at, times, units, W, delays, tau_mem, tau_syn, integral)
    found = [(w * value).sum(axis=2) for _, w, value, *_ in samples]       # (21, 22)
    return np.stack(found, axis=1).astype(W.dtype)


def readout_backward(dmem, at, times, units, W, *, tau_mem, tau_syn, delays=None,
                     integral=False):
    """Return the `Gradient` of a loss that depends on the result of `readout`.
    The fields dV, drecurrent_delays, dthreshold and dstate are None.

    >>> spikes = [1.0], [[0.0]], [np.array([0])], np.array([[1.0]])
    >>> grad = readout_backward([[[1.0]]], *spikes, tau_mem=1.0, tau_syn=1.0)
    >>> grad.dW.round(4).tolist()
    [[0.3679]]

    Parameters
    ----------
    dmem : (T, B, n) float
        Derivative of the loss with respect to the result of `readout`.
    at, times, units, W, tau_mem, tau_syn, delays, integral : as for `readout`
    """
    at, W, samples = _readout(at, times, units, W, delays, tau_mem, tau_syn, integral)
    _, dmem = arrays("at (T, B, n), dmem (T, B, n)", at, dmem, dtype=W.dtype)
    dW, ddelays = np.zeros((2, *W.shape))
    dtaus, dinputs = np.zeros((2, len(W))), []
    for b, (j, w, value, speed, *by_taus) in enumerate(samples):
        d = dmem[:, b, :, None].astype(float)
        np.add.at(dW.T, j, (d * value).sum(axis=0).T)
        moved = -(d * w * speed).sum(axis=0)
        np.add.at(ddelays.T, j, moved.T)
        dinputs.append(moved.sum(axis=0).astype(W.dtype))
        dtaus += [(d * w * by).sum(axis=(0, 2)) for by in by_taus]
    dW, ddelays, dtaus = (a.astype(W.dtype) for a in (dW, ddelays, dtaus))
    return Gradient(dW, None, dinputs, ddelays, None, *dtaus, None, None)


def _readout(at, times, units, W, delays, tau_mem, tau_syn, integral):
    """Check the arguments, and compute the responses to each sample."""
    flags("integral", integral)
    W, delays, *taus = arrays(LAYER, W, delays, tau_mem, tau_syn)
    times, units = _events(times, units, W.shape[1], W.dtype)
    at, = arrays("at (...) in [0, inf)", at, dtype=W.dtype)
    if at.ndim == 1:
        at = np.tile(at[:, None, None], (1, len(times), len(W)))
    at, = arrays(f"at (T, {len(times)}, {len(W)})", at, dtype=W.dtype)
    delays = np.zeros(W.shape) if delays is None else delays.astype(float)
    taus = _wide(len(W), *taus)
    return at, W, ((j, W[:, j].astype(float), *_response(
        at[:, b].astype(float), t, delays[:, j], *taus, integral))
        for b, (t, j) in enumerate(zip(times, units, strict=True)))


def _response(at, times, delays, tau_mem, tau_syn, integral):
    """Return a response and its derivatives.  The response is the function K of
    eq. (22) if `integral` is true, and the function k of eq. (21) otherwise."""
    s = np.maximum(at[:, :, None] - times - delays, 0)
    tau_mem, tau_syn, late = tau_mem[:, None], tau_syn[:, None], s > 0
    k, by_mem, by_syn = _kernel_slopes(s, tau_mem, tau_syn)
    decay = np.exp(-s / tau_syn)
    if not integral:
        return k, late * (decay - k) / tau_mem, by_mem, by_syn
    rise = -np.expm1(-s / tau_syn)
    return (tau_syn * rise - tau_mem * k, k, -k - tau_mem * by_mem,        # (22)
            rise - decay * s / tau_syn - tau_mem * by_syn)


def _fan(weights, delays):
    """Group the target neurons by delay."""
    delays = np.zeros(weights.shape) if delays is None else delays.astype(float)
    return [[(d, to == d) for d in np.unique(to).tolist()] for to in delays.T]


def _wide(n, *constants):
    return [np.full(n, a, float) for a in constants]


def _events(times, units, m, dtype=None):
    """Return checked lists of spikes."""
    times, units = arrays("times[] (_*) float in [0, inf), units[] (_*) int in "
                          f"[0, {m})", times, units, dtype=dtype)
    if not times or len(units) != len(times):
        raise ValueError(f"units has {len(units)} samples, times has {len(times)}: "
                         "must be equal and at least 1")
    for b, (t, j) in enumerate(zip(times, units, strict=True)):
        if len(t) != len(j):
            raise ValueError(f"units[{b}] has {len(j)} spikes, times[{b}] has "
                             f"{len(t)}: must be equal")
        if (np.diff(t) < 0).any():
            k = int(np.argmax(np.diff(t) < 0))
            raise ValueError(f"times[{b}] is {t[k + 1]:.6g} after {t[k]:.6g}, at index "
                             f"{k + 1}: must not decrease")
    return times, units
