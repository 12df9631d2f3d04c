# refsnn 0.1.0 | fast/eventprop.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate feed-forward event-driven layers, and differentiate spike times.

The neurons are leaky integrate-and-fire (LIF) neurons in continuous time,
as in `eventprop`, with the membrane potentials U_i and the currents I_i.
A spike of input j reaches neuron i after the delay d_ij.  There are no
refractory times and no recurrent synapses.  Because the neurons do not
interact, one loop over the input spikes simulates all neurons in parallel.

    tau_mem dU_i/dt = -U_i + I_i,  tau_syn dI_i/dt = -I_i     (1)  [WP21]
    arrival of a spike of j at neuron i:  I_i := I_i + W_ij   (2)  [WP21]
    U_i reaches the threshold: neuron i spikes, U_i := 0      (3)  [WP21]

At the time s after the state (U, I), with y = -s |1/tau_mem - 1/tau_syn|
and p(y) = (exp(y) - 1)/y, the solution of (1) is

    U(s) = exp(-s/tau_mem) U + k(s) I,  I(s) = exp(-s/tau_syn) I      (4)
    k(s) = h p(y) s/tau_mem,  h = exp(-s/max(tau_mem, tau_syn))       (5)

Let q = tau_syn/tau_mem - 1 and g = 1 - U/I.  For I > threshold, U has a
maximum at the time `s*` if `q g > -1`.  Otherwise, U does not reach the
threshold.  Newton's method (8) starts at s = 0 and converges to the
threshold crossing:

    s* = tau_syn log(1 + q g)/q                                       (6)
    U crosses the threshold before s* if and only if
    I > threshold and I(s*) > threshold                               (7)
    s := s + tau_mem (threshold - U(s))/(I(s) - U(s))                 (8)

For any quantity A, dA is the total derivative dL/dA of the loss L.  The
backward pass visits all input and output spikes in reverse temporal order:

    between events: dI := exp(-s/tau_syn) dI + k(s) dU                (9)
                    dU := exp(-s/tau_mem) dU                         (10)
    arrival of the spike at t_j:  e_ij = W_ij (dI_i/tau_syn - dU_i/tau_mem)
                    dt_j += e_ij,  dd_ij += e_ij                     (11)
                    dW_ij += dI_i                                    (12)
    spike at t_i:   dU_i := (dU_i I_i - tau_mem dt_i)
                            / (I_i - threshold_i)                    (13)
                    dthreshold_i -= dU_i                             (14)
    between events: dtau_mem += dU U_mem                             (15)
                    dtau_syn += dU U_syn + dI I_syn                  (16)

Here U_mem is the derivative of U(s) in (4) with respect to tau_mem.  The
derivatives of U(s) and I(s) with respect to tau_syn are U_syn and I_syn.
With z = r(y) for tau_mem >= tau_syn, and z = p(y) - r(y) otherwise,

    r(y) = (exp(y) - p(y))/y                                         (17)
    dk/dtau_syn = h z s^2/(tau_mem tau_syn^2)                        (18)
    dk/dtau_mem = h (p(y) - z) s^2/tau_mem^3 - k/tau_mem             (19)

Derivation.  The module `eventprop` derives all equations.  Here, the spike
    and the end of the refractory time are one event.  Therefore, (13)
    combines (13) and (14) of `eventprop`.
Exact.  Spikes and gradients equal those of `eventprop` up to rounding.  If
    U almost touches the threshold, rounding can add or remove a spike.
Cost.   For S input spikes per sample, a simulation takes O(S B n) time and
    memory, and additional time for each spike.
Departures.  [WP21] uses the adjoint variables lambda_V = -dU/tau_mem and
    lambda_I = -dI/tau_syn, and no delays.

[WP21] T. C. Wunderlich and C. Pehle, Sci. Rep. 11, 12829, 2021,
    arXiv 2009.08378.
"""

import math
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of, shown

__all__ = ["backward", "simulate"]

SERIES = [1 / (math.factorial(k) * (k + 2)) for k in range(13, -1, -1)]     # of r(y)
SMALLEST = 1e-200       # in place of 0 in denominators


class Recording(NamedTuple):
    """Hold spikes and states.  The function `simulate` describes the fields."""
    times: list
    units: list
    samples: np.ndarray
    order: np.ndarray
    gaps: list
    inputs: list
    constants: list
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold derivatives.  The function `backward` describes the fields."""
    dW: np.ndarray
    dtimes: list
    ddelays: np.ndarray
    dtau_mem: np.ndarray
    dtau_syn: np.ndarray
    dthreshold: np.ndarray
    __repr__ = shown


def simulate(times, units, W, *, tau_mem, tau_syn, threshold=1.0, until, delays=None,
             most=10_000, first=False):
    """Simulate a layer from one input spike to the next, eqs. (1)-(8).

    >>> W = np.array([[4.0]])
    >>> taus = {"tau_mem": 1.0, "tau_syn": 1.0}
    >>> rec = simulate([[0.0]], [np.array([0])], W, until=9.0, **taus)
    >>> [round(t, 4) for t in rec.times[0].tolist()], rec.units[0].tolist()
    ([0.3574, 1.1359], [0, 0])

    The input spikes may be in any order.

    Parameters
    ----------
    times, units, W, tau_mem, tau_syn, threshold, until, delays, most : as for
        `eventprop.simulate`
    first : bool
        Whether neurons spike at most once, which first-spike losses permit.

    Returns
    -------
    Recording
        times, units  spike times and spiking neurons of each sample, sorted,
                      for the next layer
        samples, order, gaps, inputs, constants
                      intermediate results for `backward`
    """
    W, delays, *constants, until, most = arrays(
        "W (n, m) float, delays? (n, m) in [0, inf), tau_mem (n?) in (0, inf), tau_syn "
        "(n?) in (0, inf), threshold (n?) in (0, inf), until () in (0, inf), most () "
        "int in [0, inf)", W, delays, tau_mem, tau_syn, threshold, until, most)
    flags("first", first)
    samples, stops, j, source, real = _arrivals(times, units, W, delays, until)
    by_input, neurons = W.T.astype(float), np.arange(len(W))
    B, n, dtype = len(samples), len(W), W.dtype
    constants = [np.atleast_1d(a).astype(float) for a in constants]
    now, (mem, syn), counts = np.zeros((B, 1)), np.zeros((2, B, n)), np.zeros(B, int)
    may_spike, gaps = np.ones((B, n), bool), []
    fired = [(np.zeros(0), counts[:0], counts[:0])]
    for stop, inputs in zip(stops, j, strict=True):
        now, mem, syn = (a[:len(stop)] for a in (now, mem, syn))
        gap, passes = stop - now, []
        # I decreases, so that U stays below its value for a constant current.
        bound = syn + np.exp(-gap / constants[0]) * (mem - syn)
        b, i = np.nonzero(may_spike[:len(stop)] & (syn > constants[2])
                          & (bound >= constants[2]))
        U, current, t, end = mem[b, i], syn[b, i], now[b, i % now.shape[1]], stop[
            b, i % stop.shape[1]]
        gaps.append((passes, *(a.astype(dtype, copy=False) for a in (gap, mem, syn))))
        mem, syn = _flow(gap, mem, syn, *constants[:2])                    # (1)
        while len(b):
            own = [a[i % len(a)] for a in constants]
            wait = _crossing(U, current, *own)
            spikes = wait < end - t
            s = np.where(spikes, wait, end - t)
            passes.append((b, i, spikes, *(a.astype(dtype, copy=False)
                                           for a in (s, U, current))))
            U, current = _flow(s, U, current, *own[:2])                    # (1)
            U[spikes] = 0                                                  # (3)
            mem[b, i], syn[b, i] = U, current
            b, i, U, current, t, end = (a[spikes] for a in (b, i, U, current, t + s,
                                                            end))
            fired.append((t, b, i))
            counts += np.bincount(b, minlength=B)
            if counts.max() > most:
                raise ValueError(f"most is {most}: sample {samples[counts.argmax()]} "
                                 f"has more spikes by the time {stop.max():.6g}, so "
                                 "must be larger, or the weights smaller")
            if first:
                may_spike[b, i] = False
                break
        now = stop
        syn[:len(inputs)] += by_input[inputs, neurons]                     # (2)
    t, b, i = (np.concatenate(a) for a in zip(*fired, strict=True))
    order = np.lexsort((i, t, samples[b]))
    ends = np.cumsum(np.bincount(samples[b], minlength=B))[:-1]
    return Recording(np.split(t[order].astype(dtype), ends), np.split(i[order], ends),
                     samples, order, gaps, [W, j, source, real],
                     [a.astype(dtype) for a in constants])


def _arrivals(times, units, W, delays, until):
    """Sort the samples by number of spikes, and the spikes of each sample by
    arrival time.  The arrays `j[k]` and `source[k]` have one row for each
    sample with more than k spikes."""
    n, m = W.shape
    times, = arrays("times[] (_*) float in [0, inf)", times, dtype=W.dtype)
    units, = arrays(f"units[] (_*) int in [0, {m})", units)
    sizes = np.array([len(t) for t in times])
    if not times or sizes.tolist() != [len(j) for j in units]:
        raise ValueError(f"units has {[len(j) for j in units][:8]} spikes in the first "
                         f"samples, times has {sizes[:8].tolist()}: must be equal, for "
                         "at least 1 sample")
    samples = np.argsort(-sizes, kind="stable")         # most spikes first
    real = np.arange(sizes.max() + 1) < sizes[samples][:, None]
    at, j = np.full(real.shape, until, float), np.zeros(real.shape, int)
    at[real], j[real] = (np.concatenate([a[b] for b in samples])
                         for a in (times, units))
    at, j = at.T[:, :, None], j.T[:, :, None]
    if delays is not None:
        at = at + delays.astype(float)[np.arange(n), j]
    order = at.argsort(axis=0, kind="stable")
    at, j = (np.take_along_axis(a, order, 0) for a in (np.minimum(at, until), j))
    source = order + np.arange(len(sizes))[:, None] * real.shape[1]
    rows = [np.count_nonzero(sizes >= k) for k in range(len(at) + 1)]
    stops = [a[:size] for a, size in zip(at, rows[:-1], strict=True)]
    j, source = ([a[:size] for a, size in zip(every, rows[1:], strict=True)]
                 for every in (j, source))
    return samples, stops, j, source, real


def _crossing(mem, syn, tau_mem, tau_syn, threshold):
    """Return the time to the threshold crossing, or infinity without a crossing."""
    wait = np.full(mem.shape, np.inf)
    i = np.flatnonzero(syn > threshold)                                    # (7)
    q, g = tau_syn[i] / tau_mem[i] - 1, 1 - mem[i] / syn[i]
    found = q * g > -1
    late = np.log1p(np.where(found, q * g, 0)) / np.where(q == 0, 1, q)    # (6)
    top = tau_syn[i] * np.where(q == 0, g, late)                           # (6)
    found &= syn[i] * np.exp(-np.maximum(top, 0) / tau_syn[i]) > threshold[i]   # (7)
    i, top = i[found], np.maximum(top[found], 0)
    mem, syn, tau_mem, tau_syn, threshold = (
        a[i] for a in (mem, syn, tau_mem, tau_syn, threshold))
    s = np.zeros(len(i))
    for _ in range(100):
        U, current = _flow(s, mem, syn, tau_mem, tau_syn)
        below = (U < threshold) & (current > U)
        step = tau_mem * (threshold - U) / np.where(below, current - U, 1)   # (8)
        before, s = s, np.minimum(s + np.where(below, step, 0), top)
        if (s == before).all():
            break
    wait[i] = s
    return wait


def _flow(s, mem, syn, tau_mem, tau_syn):
    """Return U(s) and I(s), eq. (4)."""
    fade, decay, k = _response(s, tau_mem, tau_syn)[:3]
    return fade * mem + k * syn, decay * syn                               # (4)


def _response(s, tau_mem, tau_syn):
    """Compute k(s) by eq. (5)."""
    fade, decay = np.exp(-s / tau_mem), np.exp(-s / tau_syn)
    y = np.minimum(-np.abs(s * (1 / tau_mem - 1 / tau_syn)), -SMALLEST)
    p = np.expm1(y) / y                                                    # (5)
    k = s / tau_mem * np.maximum(fade, decay) * p                          # (5)
    return fade, decay, k, y, p


def backward(dtimes, recording):
    """Differentiate a loss that depends on spike times, eqs. (9)-(19).

    >>> W, taus = np.array([[4.0]]), {"tau_mem": 1.0, "tau_syn": 1.0}
    >>> rec = simulate([[0.0]], [np.array([0])], W, until=9.0, **taus)
    >>> grad = backward([[1.0, 0.0]], rec)
    >>> [a.round(4).tolist() for a in (grad.dW, grad.dtimes[0])]
    [[[-0.139]], [1.0]]

    Arguments as for `eventprop.backward`.
    `recording` is a result of the function `simulate` of this module.

    Returns
    -------
    Gradient
        dW       (n, m)
        dtimes   list of (S,), for the input spikes of each sample
        ddelays  (n, m), also for synapses without delay
        dtau_mem, dtau_syn, dthreshold  (n,), one entry for each neuron

        All fields except dtimes are sums over the samples.
    """
    one_of("recording", recording, Recording)
    W, j, source, real = recording.inputs
    constants = [a.astype(float) for a in recording.constants]
    (n, m), B, neurons = W.shape, len(real), np.arange(len(W))
    by_input = W.T.astype(float)
    dtype = recording.times[0].dtype
    dtimes, = arrays("dtimes[] (_*)", dtimes, dtype=dtype)
    sizes, wanted = ([len(a) for a in lists] for lists in (dtimes, recording.times))
    if sizes != wanted:
        raise ValueError(f"dtimes has {sizes[:8]} spikes in the first samples: must "
                         f"have {wanted[:8]}, as in recording")
    dt = np.empty(len(recording.order))
    dt[recording.order] = np.concatenate(dtimes)
    dmem, dsyn, dthreshold = np.zeros((3, B, n))
    dtaus = np.zeros((2, B, n))
    dw, moved = np.empty((2, real.sum(), n))
    last, left = len(dw), len(dt)
    for inputs, (passes, *state) in zip(reversed(j), reversed(recording.gaps)):
        size, rows = len(inputs), len(state[1])
        last -= size
        dw[last:last + size] = dsyn[:size]                                 # (12)
        moved[last:last + size] = by_input[inputs, neurons] * (            # (11)
            dsyn[:size] / constants[1] - dmem[:size] / constants[0])
        found = _between(dmem[:rows], dsyn[:rows], *state, *constants[:2])
        if passes:
            b, i = passes[0][:2]
            found[:, b, i] = 0
            found[:2, b, i] = dmem[b, i], dsyn[b, i]
        for b, i, spikes, *later in reversed(passes):
            s, U, current = (a.astype(float, copy=False) for a in later)
            tau_mem, tau_syn, threshold = (a[i % len(a)] for a in constants)
            dU, dI = found[:2, b, i]
            left, ends = left - spikes.sum(), current * np.exp(-s / tau_syn)
            dU[spikes] = ((dU * ends)[spikes] - tau_mem[spikes] * dt[      # (13)
                left:left + spikes.sum()]) / (ends - threshold)[spikes]
            dthreshold[b, i] -= spikes * dU                                # (14)
            found[:2, b, i] = 0
            found[:, b, i] += _between(dU, dI, s, U, current, tau_mem, tau_syn)
        dmem[:rows], dsyn[:rows] = found[:2]
        dtaus[:, :rows] += found[2:]
    place = (np.concatenate(j) * n + neurons).ravel()
    dW, ddelays = (np.bincount(place, a.ravel(), m * n).reshape(m, n).T.astype(dtype)
                   for a in (dw, moved))
    source = np.concatenate(source)
    if source.shape[1] == 1:
        moved = moved.sum(axis=1)
    dinputs = np.bincount(source.ravel(), moved.ravel(), real.size).reshape(real.shape)
    dinputs = [dinputs[b, real[b]].astype(dtype) for b in recording.samples.argsort()]
    return Gradient(dW, dinputs, ddelays, *(a.sum(axis=0).astype(dtype)
                                            for a in (*dtaus, dthreshold)))


def _between(dU, dI, s, U, current, tau_mem, tau_syn):
    """Return dU, dI, dtau_mem and dtau_syn of eqs. (9), (10), (15) and (16)."""
    fade, decay, kernel, y, p = _response(s, tau_mem, tau_syn)
    r = np.where(y < -0.5, (np.exp(y) - p) / np.minimum(y, -0.5),          # (17)
                 np.polyval(SERIES, np.maximum(y, -0.5)))
    z = np.where(tau_mem >= tau_syn, r, p - r)
    slow = np.maximum(fade, decay) * s * s / tau_mem
    by_mem = slow * (p - z) / tau_mem ** 2 - kernel / tau_mem              # (19)
    by_syn = slow * z / tau_syn ** 2                                       # (18)
    return np.array([
        fade * dU,                                                         # (10)
        decay * dI + kernel * dU,                                          # (9)
        dU * (fade * s / tau_mem ** 2 * U + by_mem * current),             # (15)
        current * (by_syn * dU + decay * s / tau_syn ** 2 * dI)])          # (16)
