# refsnn 0.1.0 | binning.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Bin spike events into time steps.

A recording consists of an array of event times in seconds and an array of
the units (channels) that spike at these times.  A batch consists of B
recordings of n units with E events in total.  Each of the T time steps
from t0 to t1 lasts dt:

    T = (t1 - t0) / dt                                                (1)
    edges[j] = t0 + j dt, j = 0 ... T                                 (2)
    step j:  edges[j] <= t < edges[j+1]        closed="left"          (3)
             edges[j] < t <= edges[j+1]        closed="right"         (4)
    x[j, b, i] = number of events of recording b, unit i, in step j   (5)

If dt does not divide t1 - t0, the option `partial` adds a shorter last
step ("keep"), omits the remaining time ("drop"), or raises an error
("refuse").  If an event lies in no time step, outside="drop" omits the
event, outside="clip" moves it to the first or last step, and
outside="refuse" raises an error.  If a unit has several events in a time
step, the option `duplicates` counts all events ("count") or one event
("clip").  With the default options, no event is lost or moved.

A decay factor alpha per step corresponds to the time constant

    tau = -dt / log(alpha)                                            (6)

Derivation.  Eq. (6) is the solution of alpha = exp(-dt/tau) for tau.
Exact.  Times are compared in float64.  A file in float16 stores rounded
    times, for example 0.09998 s instead of 0.1 s.  Such rounding can move
    an event to the previous time step.
Cost.   `sparse` takes O(T + E log(E T)) time for E events.  Dense results
    take O(T B n) memory.
Departures.  Eq. (1) rounds (t1 - t0) / dt to the nearest integer if the
    quotient differs from this integer by at most 1e-9 times the quotient.
Errata.  In the fourth tutorial of [NMZ19], `numpy.digitize` counts time
    steps from 1 instead of 0.  Therefore, time step 0 is always empty.  An
    event at the end time t1 gets the step number T, but the last step has
    the number T - 1.  The tutorial uses time steps of 14 ms, but decay
    factors for steps of 1 ms.  The time constants are therefore 14 times
    as long as intended.  An incomplete last batch is omitted silently.

[NMZ19] E. O. Neftci et al., 2019, arXiv 1901.09948; SpyTorch tutorials.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, float_dtype, one_of, shown

__all__ = ["dense", "sparse", "steps", "time_constant"]

MOST = 1 << 24          # largest number of steps
ROUNDING = 1e-9         # largest relative distance of (t1 - t0) / dt to an integer
CHOICES = {"closed": ("left", "right"), "duplicates": ("count", "clip"),
           "outside": ("refuse", "drop", "clip"), "partial": ("refuse", "drop", "keep")}


class Binning(NamedTuple):
    """The module docstring explains these options."""
    t0: float
    t1: float
    dt: float
    closed: str = "left"
    duplicates: str = "count"
    outside: str = "refuse"
    partial: str = "refuse"


class Spikes(NamedTuple):
    """The function `sparse` describes the fields."""
    step: np.ndarray
    sample: np.ndarray
    unit: np.ndarray
    count: np.ndarray
    shape: tuple
    __repr__ = shown


def steps(binning):
    """Return the number of time steps T, an int, eq. (1).

    >>> steps(Binning(0.0, 1.4, 0.014))
    100

    Parameters
    ----------
    binning : Binning
        Start t0, end t1 and time step dt, in s, and options.
    """
    return len(_edges(binning)) - 1


def _edges(binning):
    binning = _checked(binning)
    t0, t1, dt, *_ = binning
    bins = (t1 - t0) / dt                                                  # (1)
    T = round(bins)
    whole = abs(bins - T) <= ROUNDING * bins
    if not whole:
        if binning.partial == "refuse":
            raise ValueError(f"binning.dt is {dt}: must divide {t1 - t0}, or "
                             "partial='keep'")
        T = math.floor(bins) + (binning.partial == "keep")
    edges = t0 + dt * np.arange(T + 1)                                     # (2)
    if whole or binning.partial == "keep":
        edges[-1] = t1
    if not (np.diff(edges) > 0).all():
        raise ValueError(f"binning.dt is {dt}: must exceed the float64 spacing at {t1}")
    return edges


def sparse(times, units, channels, binning):
    """Return the nonzero event counts x of a batch, eqs. (1)-(5).

    >>> binning = Binning(0.0, 1.0, 0.5, outside="drop")
    >>> times, units = np.array([0.1, 0.2, 0.5, 1.0]), np.array([1, 1, 0, 0])
    >>> x = sparse([times], [units], 2, binning)
    >>> x.step.tolist(), x.unit.tolist(), x.count.tolist(), x.shape
    ([0, 1], [1, 0], [2, 1], (2, 1, 2))

    Parameters
    ----------
    times, units, channels : list of (E,) float, list of (E,) int, int
        Event times (s, in any order), units, and number n of units.
    binning : Binning

    Returns
    -------
    Spikes, sorted by step, then sample, then unit
        step, sample, unit  (E,) int64, below T, B and n
        count               (E,) int64, number of events, at least 1
        shape               (T, B, n)
    """
    times, units, channels = _events(times, units, channels)
    edges, binning = _edges(binning), Binning(*binning)
    T, B = len(edges) - 1, len(times)
    if T * B * channels >= 2 ** 63:
        raise ValueError(f"channels is {channels}: must be below {2 ** 63 // (T * B)}, "
                         f"for {B} recordings of {T} steps")
    t = np.concatenate(times)
    unit = np.concatenate(units).astype(np.int64)
    sample = np.repeat(np.arange(B), [len(a) for a in times])
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
    cell, count = np.unique((step * B + sample) * channels + unit,
                            return_counts=True)                            # (5)
    if binning.duplicates == "clip":
        count = np.ones_like(count)
    row, unit = np.divmod(cell, channels)
    step, sample = np.divmod(row, B)
    return Spikes(step, sample, unit, count.astype(np.int64), (T, B, channels))


def dense(times, units, channels, binning, *, dtype=np.float64):
    """Return all event counts x (T, B, n) of a batch, eqs. (1)-(5).

    >>> binning = Binning(0.0, 1.0, 0.5, "right", "clip", outside="clip")
    >>> dense([np.array([0.1, 0.2, 0.5, 9.0])], [np.array([1, 1, 0, 0])], 2,
    ...       binning).tolist()
    [[[1.0, 1.0]], [[1.0, 0.0]]]

    Parameters
    ----------
    times, units, channels, binning : as for `sparse`
    dtype : float32 or float64
    """
    found = sparse(times, units, channels, binning)
    x = np.zeros(found.shape, float_dtype(dtype))
    x[found.step, found.sample, found.unit] = found.count
    return x


def time_constant(name, decay, dt, *, meant=None, tolerance=0.01):
    """Convert a decay factor to a time constant (float) in seconds, eq. (6).

    >>> round(time_constant("alpha", np.exp(-1e-3 / 10e-3), 14e-3), 6)
    0.14

    Parameters
    ----------
    name, decay, dt : str, float, float
        Name and value of the decay factor, in (0, 1), and time step, s.
    meant, tolerance : float
        Intended time constant in seconds, and relative difference from it
        above which a UserWarning is issued.
    """
    decay, dt, meant, tolerance = arrays(
        "decay () in (0, 1), dt () in (0, inf), meant? () in (0, inf), "
        "tolerance () in [0, inf)", decay, dt, meant, tolerance, dtype=np.float64)
    tau = -dt / math.log(decay)                                            # (6)
    if meant is not None and abs(tau - meant) > tolerance * meant:
        warnings.warn(f"{name} = {decay:.6g} on steps of {dt:.6g} s decays in "
                      f"{tau:.6g} s, not in {meant:.6g} s", stacklevel=2)
    return tau


def _checked(binning):
    binning = bundle("binning", binning, Binning)
    for name, allowed in CHOICES.items():
        one_of(f"binning.{name}", getattr(binning, name), *allowed)
    t0, t1, dt = arrays("binning.t0 (), binning.t1 (), binning.dt ()",
                        *binning[:3], dtype=np.float64)
    if not dt <= (t1 - t0) * (1 + ROUNDING) <= dt * MOST * (1 + ROUNDING):
        raise ValueError(f"binning.dt is {dt}: must make 1 to {MOST} steps of "
                         f"{t1 - t0} s")
    return Binning(t0, t1, dt, *binning[3:])


def _events(times, units, n):
    n, = arrays("channels () int in [1, inf)", n)
    times, units = arrays(
        f"times[] (_*), units[] (_*) int in [0, {n - 1}]", *(
            list(a) if isinstance(a, np.ndarray) else a for a in (times, units)),
        dtype=np.float64)
    if not 0 < len(times) == len(units):
        raise ValueError(f"times has {len(times)} recordings, units has {len(units)}: "
                         "must be equal, and at least 1")
    for i, (t, u) in enumerate(zip(times, units, strict=True)):
        if len(t) != len(u):
            raise ValueError(f"units[{i}] has {len(u)} events (axis 0), times[{i}] has "
                             f"{len(t)} (axis 0): must be equal")
    return times, units, n
