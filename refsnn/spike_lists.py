# refsnn 0.1.0 | spike_lists.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Lists of spikes as arrays, dense or sparse, with every choice named.

A recording is a pair of arrays, times (s) and units (channels); a batch is
a list of times and a list of units.  `Binning` holds what tools choose
behind one's back, and has no defaults:

    T = (t1 - t0) / dt                                                (1)
    edges[j] = t0 + j dt, j = 0 ... T                                 (2)
    step j:  edges[j] <= t < edges[j+1]        closed="left"          (3)
             edges[j] < t <= edges[j+1]        closed="right"         (4)
    x[j, b, i] = events of recording b and unit i in step j           (5)

partial    where (1) is no integer, a bin is left over: "refuse", "drop"
           it (events in it are outside), or "keep" it, ending at t1
outside    events before t0 or after t1: "refuse", "drop", or "clip" them
           into the first and the last step
duplicates more than one event of a unit in a step: "count" or "clip" to 1

Decay factors belong to a step.  alpha made for another dt is another time
constant,

    tau = -dt / log(alpha)                                            (6)

which `time_constant` computes, and compares with the one that was meant.

Derivation.  (6) solves alpha = exp(-dt/tau) for tau.
Exact.  Events on an edge are where (3) or (4) says, for the float64 edges
    of (2): 0.1 in a file of float16 is 0.09998 and falls below an edge at
    0.1.  Steps finer than the step of float16 (`provenance`) tell nothing.
Cost.   O(E log T), and T B n numbers where dense.
Departures.  (1) counts as an integer when within 1e-9 of one, relative,
    because 1.4 / 0.014 is none in floating point.

Errata.  The tutorial that accompanies the data numbers steps by
    `numpy.digitize` from 1, so step 0 is always empty and an event at t1
    out of range; its 100 steps in 1.4 s are run with decays made for 1 ms,
    which multiplies time constants by 14; and it leaves out the last batch
    where that is not full: `batches` says which are.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

__all__ = ["Binning", "Spikes", "batches", "dense", "sparse", "steps", "thinned",
           "time_constant"]

MOST = 1 << 24          # steps
CHOICES = {"closed": ("left", "right"), "duplicates": ("count", "clip"),
           "outside": ("refuse", "drop", "clip"), "partial": ("refuse", "drop", "keep")}


class Binning(NamedTuple):
    """How events become steps; see above."""

    t0: float               # s
    t1: float               # s
    dt: float               # s
    closed: str             # "left" or "right"
    duplicates: str         # "count" or "clip"
    outside: str            # "refuse", "drop" or "clip"
    partial: str            # "refuse", "drop" or "keep"


class Spikes(NamedTuple):
    """Entries of a (T, B, n) array that are not 0, ordered by step."""

    step: np.ndarray        # (E,) int64, in 0 ... T-1, never falling
    sample: np.ndarray      # (E,) int64, in 0 ... B-1
    unit: np.ndarray        # (E,) int64, in 0 ... n-1
    count: np.ndarray       # (E,) int64, at least 1
    shape: tuple            # (T, B, n)


def _integer(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or value < least:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least {least}")
    return int(value)


def _number(name, value):
    if isinstance(value, bool) or not isinstance(
            value, (int, float, np.integer, np.floating)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}: must be a finite number")
    return float(value)


def _edges(binning):
    """Edges of steps (T+1,)."""
    if not isinstance(binning, tuple) or len(binning) != len(Binning._fields):
        raise ValueError(f"binning is {binning!r}: must be a Binning")
    binning = Binning(*binning)
    for name, allowed in CHOICES.items():
        value = getattr(binning, name)
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}: must be one of {allowed}")
    t0, t1, dt = (_number(name, getattr(binning, name)) for name in ("t0", "t1", "dt"))
    if not 0 < dt <= (t1 - t0) * (1 + 1e-9):
        raise ValueError(f"dt is {dt}: must be above 0, at most t1 - t0 = {t1 - t0}")
    if t1 - t0 > dt * MOST:
        raise ValueError(f"dt is {dt}: must make at most {MOST} steps of {t1 - t0} s")
    bins = (t1 - t0) / dt                                                  # (1)
    T = round(bins)
    if abs(bins - T) > 1e-9 * bins:
        if binning.partial == "refuse":
            raise ValueError(f"t1 - t0 is {t1 - t0}: must be a multiple of dt = {dt}, "
                             "or partial='drop' or 'keep'")
        T = math.floor(bins) + (binning.partial == "keep")
    edges = t0 + dt * np.arange(T + 1)                                     # (2)
    if binning.partial == "keep":
        edges[-1] = t1
    if not (np.diff(edges) > 0).all():
        raise ValueError(f"dt is {dt}: must tell steps at {t1} s apart")
    return edges


def _events(times, units, channels):
    """All events of a batch: time, sample, unit."""
    times, units = list(times), list(units)
    if len(times) != len(units) or not times:
        raise ValueError(f"times and units have {len(times)} and {len(units)} "
                         "recordings: must have as many, not 0")
    for b, (t, u) in enumerate(zip(times, units, strict=True)):
        t, u = np.asarray(t), np.asarray(u)
        if t.ndim != 1 or t.shape != u.shape or t.dtype.kind != "f" \
                or u.dtype.kind not in "iu":
            raise ValueError(f"times[{b}] and units[{b}] are of shapes {t.shape}, "
                             f"{u.shape}, {t.dtype}, {u.dtype}: must be (E,) float "
                             "and int")
        if not np.isfinite(t).all():
            raise ValueError(f"times[{b}] has NaN or infinite entries: must be finite")
        if u.size and not 0 <= u.min() <= u.max() < channels:
            raise ValueError(f"units[{b}] is from {u.min()} to {u.max()}: must be in "
                             f"0 ... {channels - 1}")
    sample = np.repeat(np.arange(len(times)), [np.size(t) for t in times])
    return np.concatenate(times).astype(np.float64), sample, \
        np.concatenate(units).astype(np.int64)


def steps(binning):
    """Number of steps T, eq. (1).

    Parameters
    ----------
    binning : Binning
        Every choice.

    Returns
    -------
    int
        T.

    Raises
    ------
    ValueError
        If a choice is none, or t0, t1, dt do not fit together.

    Examples
    --------
    >>> steps(Binning(0.0, 1.4, 0.014, "left", "count", "drop", "refuse"))
    100
    """
    return len(_edges(binning)) - 1


def sparse(times, units, channels, binning):
    """Events of a batch as the entries of an array, eqs. (1)-(5).

    Parameters
    ----------
    times : list of (E,) float
        Of each recording, s, in any order.
    units : list of (E,) int
        Of each recording, in 0 ... channels - 1.
    channels : int
        n.
    binning : Binning
        Every choice.

    Returns
    -------
    Spikes
        Ordered by step, then sample, then unit; each entry once.

    Raises
    ------
    ValueError
        If times and units do not fit together or to channels, a choice is
        none, or there are events outside or a partial step, and refused.

    Examples
    --------
    >>> binning = Binning(0.0, 1.0, 0.5, "left", "count", "drop", "refuse")
    >>> times, units = np.array([0.1, 0.2, 0.5, 1.0]), np.array([1, 1, 0, 0])
    >>> x = sparse([times], [units], 2, binning)
    >>> x.step.tolist(), x.unit.tolist(), x.count.tolist(), x.shape
    ([0, 1], [1, 0], [2, 1], (2, 1, 2))
    """
    channels, edges = _integer("channels", channels, 1), _edges(binning)
    binning, T = Binning(*binning), len(edges) - 1
    times, units = list(times), list(units)
    t, sample, unit = _events(times, units, channels)
    side = "right" if binning.closed == "left" else "left"
    step = np.searchsorted(edges, t, side=side) - 1                        # (3, 4)
    out = (step < 0) | (step >= T)
    if binning.outside == "refuse" and out.any():
        i = int(np.argmax(out))
        raise ValueError(f"times[{sample[i]}] has an event at {t[i]}: must be from "
                         f"{edges[0]} to {edges[-1]}, or outside='drop' or 'clip'")
    if binning.outside == "clip":
        step = np.clip(step, 0, T - 1)
    else:
        step, sample, unit = step[~out], sample[~out], unit[~out]
    B = len(times)
    cell, count = np.unique((step * B + sample) * channels + unit,
                            return_counts=True)                            # (5)
    if binning.duplicates == "clip":
        count = np.ones_like(count)
    row, unit = np.divmod(cell, channels)
    step, sample = np.divmod(row, B)
    return Spikes(step, sample, unit, count.astype(np.int64), (T, B, channels))


def dense(times, units, channels, binning, *, dtype=np.float64):
    """Events of a batch as an array, eqs. (1)-(5).

    Parameters
    ----------
    times, units, channels, binning
        As in `sparse`.
    dtype : float32 or float64
        Of the result.

    Returns
    -------
    (T, B, n) float
        Counts, or 0 and 1.

    Raises
    ------
    ValueError
        As `sparse`, or if dtype is another one.

    Examples
    --------
    >>> binning = Binning(0.0, 1.0, 0.5, "right", "clip", "clip", "refuse")
    >>> dense([np.array([0.1, 0.2, 0.5, 9.0])], [np.array([1, 1, 0, 0])], 2,
    ...       binning).tolist()
    [[[1.0, 1.0]], [[1.0, 0.0]]]
    """
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    found = sparse(times, units, channels, binning)
    x = np.zeros(found.shape, dtype)
    x[found.step, found.sample, found.unit] = found.count
    return x


def thinned(times, units, *, channels, skip, stride):
    """Every so manyth channel of a recording, renumbered from 0.

    [CB22] leaves out the first 70 of 700 channels and keeps every ninth of
    the others: skip=70, stride=9, which makes 70.

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        In 0 ... channels - 1.
    channels : int
        How many there are.
    skip, stride : int
        The first channel that is kept, and how far it is to the next.

    Returns
    -------
    times, units : (F,) arrays
        Of (channels - skip) / stride channels, rounded up.

    Raises
    ------
    ValueError
        If times and units do not fit, or a number is out of range.

    Examples
    --------
    >>> t, u = thinned(np.array([0.1, 0.2, 0.3]), np.array([70, 71, 691]),
    ...                channels=700, skip=70, stride=9)
    >>> t.tolist(), u.tolist()
    ([0.1, 0.3], [0, 69])
    """
    channels, skip = _integer("channels", channels, 1), _integer("skip", skip, 0)
    stride = _integer("stride", stride, 1)
    if skip >= channels:
        raise ValueError(f"skip is {skip}: must be below channels = {channels}")
    times, _, units = _events([times], [units], channels)
    kept = (units >= skip) & ((units - skip) % stride == 0)
    return times[kept], (units[kept] - skip) // stride


def time_constant(name, decay, dt, *, meant=None, tolerance=0.01):
    """Time constant of a decay factor on steps of dt, eq. (6).

    Parameters
    ----------
    name : str
        Of the factor, for the warning.
    decay : float
        Above 0, below 1: what remains after one step.
    dt : float
        s; `Binning.dt` of the input.
    meant : float, optional
        s; a UserWarning tells where this is not what comes out.
    tolerance : float
        Relative difference from meant that is passed over.

    Returns
    -------
    float
        s.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> round(time_constant("alpha", np.exp(-1e-3 / 10e-3), 14e-3), 6)
    0.14
    """
    decay, dt = _number("decay", decay), _number("dt", dt)
    tolerance = _number("tolerance", tolerance)
    if not (0 < decay < 1 and dt > 0 and tolerance >= 0):
        raise ValueError(f"decay, dt, tolerance are {decay}, {dt}, {tolerance}: must "
                         "be above 0, below 1; above 0; at least 0")
    tau = -dt / math.log(decay)                                            # (6)
    if meant is not None:
        meant = _number("meant", meant)
        if meant <= 0:
            raise ValueError(f"meant is {meant}: must be above 0")
        if abs(tau - meant) > tolerance * meant:
            warnings.warn(f"{name} = {decay:.6g} on steps of {dt:.6g} s decays in "
                          f"{tau:.6g} s, not in {meant:.6g} s", stacklevel=2)
    return tau


def batches(N, size, *, last):
    """Where batches begin and end.

    Parameters
    ----------
    N, size : int
        Recordings, and how many make a batch.
    last : "keep", "drop" or "refuse"
        What happens to the last one where it is not full.

    Returns
    -------
    list of slice
        Of range(N).

    Raises
    ------
    ValueError
        If a number is below 1, last is none of these, or is "refuse" and the
        last batch is not full.

    Examples
    --------
    >>> batches(5, 2, last="keep")[-1], len(batches(2264, 256, last="drop"))
    (slice(4, 5, None), 8)
    """
    N, size = _integer("N", N, 1), _integer("size", size, 1)
    if last not in ("keep", "drop", "refuse"):
        raise ValueError(f"last is {last!r}: must be 'keep', 'drop' or 'refuse'")
    if last == "refuse" and N % size:
        raise ValueError(f"size is {size}: must divide N = {N}, or last='keep' or "
                         "'drop'")
    end = N - N % size if last == "drop" else N
    return [slice(first, min(first + size, N)) for first in range(0, end, size)]
