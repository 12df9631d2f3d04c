# refsnn 0.1.0 | encoding.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Numbers into spikes: latency and Poisson codes, and binning of events.

A value v becomes one spike, the earlier the larger it is,

    t = tau log(v / (v - threshold)) for v > threshold   (1)  [NMZ19] eq. ?
    step = floor(t / dt), a spike if step < T              (2)

a rate becomes independent spikes of

    P(S[t] = 1) = rate dt                                  (3)

and recorded events become counts in half-open bins,

    S[i, k] = #(events of unit k in [e[i], e[i+1]))        (4)
    e[i] = start + i dt, i = 0 .. T                        (5)

Derivation.  (1) is when v (1 - exp(-t/tau)), a leaky integrator driven
    towards v from 0, reaches the threshold; at v = threshold it never
    does.  The code has it as log1p(threshold / (v - threshold)).
Exact.  (4) holds for the edges (5) as float64 numbers: no event on an edge
    moves to the bin before it.
Cost.   O(T B m), and O(B m) for `latency_events`; O(T m + E log T) for E
    events.
Departures.  [NMZ19] gives (1) in its second tutorial, not in the text, and
    cuts t / dt to an integer as (2) does.  (3) is the one-spike-a-step
    form of a Poisson process; rates above 1/dt are refused.
Errata.  The fourth tutorial of [NMZ19] bins by the upper edge: its bin 0
    is always empty and an event on the last edge is out of range.  Times
    read as float16, as event files store them, are widened before
    arithmetic.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948; the SpyTorch tutorials.
"""

import numbers
from typing import NamedTuple

import numpy as np

__all__ = ["Events", "bin_events", "latency", "latency_events", "poisson"]


class Events(NamedTuple):
    """Where a dense (T, B, m) spike array has ones, ordered by step."""

    step: np.ndarray        # (E,) int64, in 0 .. T-1, never falling
    sample: np.ndarray      # (E,) int64, in 0 .. B-1
    unit: np.ndarray        # (E,) int64, in 0 .. m-1


def _real(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _positive(name, value):
    if not _real(value) or not 0 < value <= float(np.finfo(float).max):
        raise ValueError(f"{name} is {value!r}: must be a finite number above 0")


def _count(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or value < 1:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least 1")
    return int(value)


def _floats(name, value, ndims):
    """`value` as a finite, non-empty float32 or float64 array."""
    array = np.asarray(value)
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} is of dtype {array.dtype}: must be float32 or "
                         "float64")
    if array.ndim not in ndims or array.size == 0:
        want = " or ".join({2: "(B, m)", 3: "(T, B, m)"}[d] for d in ndims)
        raise ValueError(f"{name} is of shape {array.shape}: must be {want}, not "
                         "empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _dtype(dtype, default):
    try:
        dtype = np.dtype(default if dtype is None else dtype)
    except TypeError:
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64") from None
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype}: must be float32 or float64")
    return dtype


def latency_events(values, T, *, tau=20e-3, threshold=0.2, dt=1e-3):
    """Latency code as indices of its spikes, eqs. (1) and (2).

    Parameters
    ----------
    values : (B, m) float
        For example grey levels in [0, 1].
    T : int
        Steps of the window.
    tau : float
        Time constant of the code, s.
    threshold : float
        Values at or below it give no spike; units of `values`.
    dt : float
        Step, s.

    Returns
    -------
    Events
        At most one for each value, ordered by step, then sample, then unit.

    Raises
    ------
    ValueError
        If values are no finite (B, m) floats, T is no positive integer, or
        tau, threshold or dt are not positive.

    Examples
    --------
    >>> events = latency_events(np.array([[0.0, 1.0, 0.4]]), 100)
    >>> events.step.tolist(), events.unit.tolist()
    ([4, 13], [1, 2])
    """
    values, T = _floats("values", values, (2,)), _count("T", T)
    for name, value in (("tau", tau), ("threshold", threshold), ("dt", dt)):
        _positive(name, value)
    threshold = float(values.dtype.type(threshold))     # a tie in float32 too
    sample, unit = np.nonzero(values > threshold)
    excess = values[sample, unit].astype(np.float64) - threshold
    time = float(tau) * np.log1p(threshold / excess)                       # (1)
    step = np.floor(time / float(dt))                                      # (2)
    inside = np.flatnonzero(step < T)
    inside = inside[np.argsort(step[inside], kind="stable")]
    return Events(step[inside].astype(np.int64), sample[inside], unit[inside])


def latency(values, T, *, tau=20e-3, threshold=0.2, dt=1e-3, dtype=None):
    """Latency code as a spike train, eqs. (1) and (2).

    Parameters
    ----------
    values, T, tau, threshold, dt
        As for `latency_events`.
    dtype : float32 or float64, optional
        Of the result; that of values by default.

    Returns
    -------
    (T, B, m) float
        0 or 1, at most a single 1 for each value.

    Raises
    ------
    ValueError
        As `latency_events`, or if dtype is another one.

    Examples
    --------
    >>> spikes = latency(np.array([[0.0, 1.0, 0.4]]), 100)
    >>> spikes.sum(axis=0).tolist(), int(spikes[:, 0, 1].argmax())
    ([[0.0, 1.0, 1.0]], 4)
    """
    values = _floats("values", values, (2,))
    dtype = _dtype(dtype, values.dtype)
    events = latency_events(values, T, tau=tau, threshold=threshold, dt=dt)
    spikes = np.zeros((int(T), *values.shape), dtype)
    spikes[events] = 1
    return spikes


def poisson(rates_hz, T, dt, rng, *, dtype=None):
    """Independent spikes at given rates, eq. (3).

    Parameters
    ----------
    rates_hz : (B, m) or (T, B, m) float
        Constant or step by step, in Hz, from 0 to 1/dt.
    T : int
        Steps.
    dt : float
        Step, s.
    rng : numpy.random.Generator
        Draws the spikes, the same ones for either dtype.
    dtype : float32 or float64, optional
        Of the result; that of rates_hz by default.

    Returns
    -------
    (T, B, m) float
        0 or 1.

    Raises
    ------
    ValueError
        If a shape, dtype or T does not fit, dt is not positive, or rates are
        negative, not finite or above 1/dt.

    Examples
    --------
    >>> rates = np.array([[0.0, 1000.0]])
    >>> poisson(rates, 3, 1e-3, np.random.default_rng(1)).tolist()
    [[[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 1.0]]]
    """
    rates, T = _floats("rates_hz", rates_hz, (2, 3)), _count("T", T)
    _positive("dt", dt)
    dtype = _dtype(dtype, rates.dtype)
    if rates.ndim == 3 and len(rates) != T:
        raise ValueError(f"rates_hz is of shape {rates.shape}: must be (B, m), or "
                         f"(T, B, m) with T = {T}")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    probability = rates.astype(np.float64) * float(dt)                     # (3)
    if not (probability.min() >= 0 and probability.max() <= 1):
        raise ValueError(f"rates_hz is from {rates.min()} to {rates.max()}: must be "
                         f"from 0 to 1/dt = {1 / float(dt)}")
    draws = rng.random((T, *rates.shape[-2:]))
    return (draws < probability).astype(dtype)


def _events(times_s, units, m):
    """Times as float64, units as int64, one of each an event."""
    times, units = np.asarray(times_s), np.asarray(units)
    if times.dtype.kind != "f" or times.ndim != 1:
        raise ValueError(f"times_s is of shape {times.shape}, dtype {times.dtype}: "
                         "must be (E,) float, in seconds")
    if units.dtype.kind not in "iu" or units.shape != times.shape:
        raise ValueError(f"units is of shape {units.shape}, dtype {units.dtype}: "
                         f"must be integers of shape {times.shape} like times_s")
    times = times.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(times) & (times >= 0)))
    if bad.size:
        raise ValueError(f"times_s[{bad[0]}] is {times[bad[0]]}: must be finite and "
                         "not negative")
    bad = np.flatnonzero((units < 0) | (units >= m))
    if bad.size:
        raise ValueError(f"units[{bad[0]}] is {units[bad[0]]}: must be in 0 .. "
                         f"m-1 = {m - 1}")
    return times, units.astype(np.int64)


def bin_events(times_s, units, T, m, *, dt, start=0.0, duplicates="count",
               outside="refuse", dtype=np.float64):
    """Events of one recording as counts in bins, eqs. (4) and (5).

    Parameters
    ----------
    times_s : (E,) float
        Event times, s, in any order.
    units : (E,) int
        Which unit fired, in 0 .. m-1.
    T, m : int
        Number of bins and of units.
    dt : float
        Width of a bin, s.
    start : float
        First edge, s.
    duplicates : "count" or "clip"
        Events of one unit in one bin are counted, or make one spike.
    outside : "refuse" or "drop"
        What happens to events before start or from start + T dt on.
    dtype : float32 or float64
        Of the result.

    Returns
    -------
    (T, m) float
        Counts, or 0 and 1.

    Raises
    ------
    ValueError
        If times are negative or not finite, units out of range, shapes,
        dtypes or options not as above, or events outside when refused.

    Examples
    --------
    >>> times, units = np.array([0.0, 0.5, 0.6, 1.0]), np.array([1, 0, 0, 1])
    >>> bin_events(times, units, 2, 2, dt=0.5, outside="drop").tolist()
    [[0.0, 1.0], [2.0, 0.0]]
    """
    T, m, dtype = _count("T", T), _count("m", m), _dtype(dtype, None)
    _positive("dt", dt)
    for name, value, allowed in (("duplicates", duplicates, ("count", "clip")),
                                 ("outside", outside, ("refuse", "drop"))):
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"{name} is {value!r}: must be one of {allowed}")
    if not _real(start) or not abs(start) <= float(np.finfo(float).max):
        raise ValueError(f"start is {start!r}: must be a finite number")
    times, units = _events(times_s, units, m)
    edges = float(start) + float(dt) * np.arange(T + 1)                    # (5)
    if not (np.diff(edges) > 0).all():
        raise ValueError(f"dt is {dt!r}: must be large enough to tell bins at "
                         f"{edges[-1]!r} s apart")
    step = np.searchsorted(edges, times, side="right") - 1
    inside = (step >= 0) & (step < T)
    if outside == "refuse" and not inside.all():
        first = np.flatnonzero(~inside)[0]
        raise ValueError(f"times_s[{first}] is {times[first]}: must be in [{edges[0]}, "
                         f"{edges[-1]}), or outside='drop'")
    cell = step[inside] * m + units[inside]
    counts = np.bincount(cell, minlength=T * m).reshape(T, m)              # (4)
    return (np.minimum(counts, 1) if duplicates == "clip" else counts).astype(dtype)
