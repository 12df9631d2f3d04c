# refsnn 0.1.0 | spike_noise.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Recordings changed at random: augmentation, and controls without timing.

A recording is a pair of arrays, times t (s) and units i (channels); each
function makes a new one, in order of time,

    t' = t + spread N(0, 1)                                           (1)
    i' = round(i + spread N(0, 1) + shared N(0, 1)),                  (2)
         the last N drawn once for all events
    an event stays with the probability 1 - p                         (3)
    Poisson(rate (t1 - t0) channels) events are added, at uniform
         times of [t0, t1) in uniform channels                        (4)
    t'[e] = t[permutation(e)]                      "permuted"         (5)
    t'[e] uniform in [t0, t1)                      "uniform"          (6)

(5) and (6) are controls: each channel has as many events as before, their
order is lost.  (5) also keeps how the recording as a whole swells and
fades.

What leaves the window of time or the channels is dropped or clipped to its
end, as the caller says: dropping makes margins thinner, clipping denser.

Derivation.  None: these are definitions.
Exact.  In distribution; what is drawn depends on rng alone.
Cost.   O(E log E) time, O(E) memory.
Departures.  [CB22] has (2) without `shared`, before channels are thinned
    out; its spread is in a supplement that was not looked up.  Public code
    has other laws, such as a uniform one of +- half the spread.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import math

import numpy as np

__all__ = ["drop", "insert", "jitter_channels", "jitter_times", "shuffle_times"]


def _number(name, value, least=0.0, most=math.inf):
    if isinstance(value, bool) or not isinstance(
            value, (int, float, np.integer, np.floating)) \
            or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}: must be a finite number from {least} "
                         f"to {most}")
    return float(value)


def _channels(channels):
    if isinstance(channels, bool) or not isinstance(channels, (int, np.integer)) \
            or channels < 1:
        raise ValueError(f"channels is {channels!r}: must be an integer of at least 1")
    return int(channels)


def _window(window):
    """t0 and t1."""
    try:
        t0, t1 = window
    except (TypeError, ValueError):
        raise ValueError(f"window is {window!r}: must be t0, t1 in s") from None
    t0, t1 = _number("t0", t0, -math.inf), _number("t1", t1, -math.inf)
    if not t0 < t1:
        raise ValueError(f"window is {window!r}: must be t0 < t1")
    return t0, t1


def _choice(name, value, allowed):
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: must be one of {allowed}")


def _recording(times, units, rng, channels=None):
    """Times as float64, units as int64: copies."""
    times, units = np.asarray(times), np.asarray(units)
    if times.ndim != 1 or times.shape != units.shape or times.dtype.kind != "f" \
            or units.dtype.kind not in "iu":
        raise ValueError(f"times and units are of shapes {times.shape}, {units.shape}, "
                         f"{times.dtype}, {units.dtype}: must be (E,) float and int")
    if not np.isfinite(times).all():
        raise ValueError("times has NaN or infinite entries: must be finite")
    most = math.inf if channels is None else channels
    if units.size and not 0 <= units.min() <= units.max() < most:
        raise ValueError(f"units is from {units.min()} to {units.max()}: must be from "
                         f"0 to below {most}")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    return times.astype(np.float64), units.astype(np.int64)


def _ordered(times, units):
    order = np.argsort(times, kind="stable")
    return times[order], units[order]


def jitter_times(times, units, rng, *, spread, window, outside):
    """Every event a little earlier or later, eq. (1).

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        Channels.
    rng : numpy.random.Generator
        Draws.
    spread : float
        Standard deviation, s.
    window : (t0, t1)
        s; both ends belong to it.
    outside : "drop" or "clip"
        What happens to events that are then outside.

    Returns
    -------
    times, units : (F,) arrays
        In order of time.

    Raises
    ------
    ValueError
        If times and units do not fit, or an option is out of range.

    Examples
    --------
    >>> t, u = jitter_times(np.array([0.1, 0.9]), np.array([5, 6]),
    ...                     np.random.default_rng(1), spread=0.01,
    ...                     window=(0.0, 1.0), outside="drop")
    >>> t.round(3).tolist(), u.tolist()
    ([0.103, 0.908], [5, 6])
    """
    times, units = _recording(times, units, rng)
    t0, t1 = _window(window)
    _choice("outside", outside, ("drop", "clip"))
    times += _number("spread", spread) * rng.standard_normal(times.size)   # (1)
    if outside == "clip":
        return _ordered(np.clip(times, t0, t1), units)
    kept = (times >= t0) & (times <= t1)
    return _ordered(times[kept], units[kept])


def jitter_channels(times, units, rng, *, spread, channels, outside, shared=0.0):
    """Every event to a channel nearby, eq. (2).

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        In 0 ... channels - 1.
    rng : numpy.random.Generator
        Draws.
    spread, shared : float
        Standard deviations, channels: of each event, and of all together.
    channels : int
        How many there are.
    outside : "drop" or "clip"
        What happens to events that are then in none.

    Returns
    -------
    times, units : (F,) arrays
        In order of time.

    Raises
    ------
    ValueError
        If times and units do not fit, or an option is out of range.

    Examples
    --------
    >>> t, u = jitter_channels(np.array([0.1, 0.9]), np.array([300, 600]),
    ...                        np.random.default_rng(1), spread=20.0,
    ...                        channels=700, outside="drop")
    >>> t.tolist(), u.tolist()
    ([0.1, 0.9], [307, 616])
    """
    channels = _channels(channels)
    times, units = _recording(times, units, rng, channels)
    _choice("outside", outside, ("drop", "clip"))
    spread, shared = _number("spread", spread), _number("shared", shared)
    moved = np.rint(units + spread * rng.standard_normal(units.size)       # (2)
                    + shared * rng.standard_normal())
    if outside == "clip":
        return _ordered(times, np.clip(moved, 0, channels - 1).astype(np.int64))
    kept = (moved >= 0) & (moved < channels)
    return _ordered(times[kept], moved[kept].astype(np.int64))


def drop(times, units, rng, *, p):
    """Some events left out, eq. (3).

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        Channels.
    rng : numpy.random.Generator
        Draws.
    p : float
        Probability that an event is left out.

    Returns
    -------
    times, units : (F,) arrays
        In order of time.

    Raises
    ------
    ValueError
        If times and units do not fit, or p is no probability.

    Examples
    --------
    >>> t, u = drop(np.linspace(0, 1, 1000), np.arange(1000),
    ...             np.random.default_rng(1), p=0.25)
    >>> 700 < t.size == u.size < 800
    True
    """
    times, units = _recording(times, units, rng)
    kept = rng.random(times.size) >= _number("p", p, 0.0, 1.0)             # (3)
    return _ordered(times[kept], units[kept])


def insert(times, units, rng, *, rate, channels, window):
    """Some events more, of no meaning, eq. (4).

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        In 0 ... channels - 1.
    rng : numpy.random.Generator
        Draws.
    rate : float
        Of the new events, Hz in each channel.
    channels : int
        How many there are.
    window : (t0, t1)
        s.

    Returns
    -------
    times, units : (F,) arrays
        In order of time.

    Raises
    ------
    ValueError
        If times and units do not fit, or an option is out of range.

    Examples
    --------
    >>> t, u = insert(np.zeros(0), np.zeros(0, int), np.random.default_rng(1),
    ...               rate=2.0, channels=100, window=(0.0, 1.0))
    >>> 150 < t.size < 250, bool((np.diff(t) >= 0).all())
    (True, True)
    """
    channels, (t0, t1) = _channels(channels), _window(window)
    times, units = _recording(times, units, rng, channels)
    mean = _number("rate", rate) * (t1 - t0) * channels
    count = rng.poisson(_number("rate (t1 - t0) channels", mean, 0.0, 1e9))
    new = rng.uniform(t0, t1, count)                                       # (4)
    return _ordered(np.concatenate([times, new]),
                    np.concatenate([units, rng.integers(0, channels, count)]))


def shuffle_times(times, units, rng, *, law, window=None):
    """A control: each channel as active as before, at other times, eq. (5).

    Parameters
    ----------
    times : (E,) float
        s.
    units : (E,) int
        Channels.
    rng : numpy.random.Generator
        Draws.
    law : "permuted" or "uniform"
        Whether times are dealt anew among the events, or drawn.
    window : (t0, t1), optional
        s; where uniform.

    Returns
    -------
    times, units : (E,) arrays
        In order of time.

    Raises
    ------
    ValueError
        If times and units do not fit, or an option is none.

    Examples
    --------
    >>> t, u = shuffle_times(np.arange(6) / 8, np.array([0, 0, 0, 1, 1, 2]),
    ...                      np.random.default_rng(1), law="permuted")
    >>> t.tolist(), u.tolist()
    ([0.0, 0.125, 0.25, 0.375, 0.5, 0.625], [0, 1, 0, 2, 0, 1])
    """
    times, units = _recording(times, units, rng)
    _choice("law", law, ("permuted", "uniform"))
    if (law == "uniform") != (window is not None):
        raise ValueError(f"window is {window!r}: must be given where law is 'uniform', "
                         "and only there")
    times = rng.permutation(times) if law == "permuted" \
        else rng.uniform(*_window(window), times.size)                     # (5, 6)
    return _ordered(times, units)
