"""Perturb recordings of events at random, for data augmentation and for controls.

A recording holds the time t in seconds and the channel i (unit) of each event.
Each function returns a new recording, sorted by time.  Let N(0, 1) be a standard
normal random variable.  The functions compute

    t' = t + spread N(0, 1)                                           (1)
    i' = round(i + spread N(0, 1) + shared N(0, 1)),                  (2)
         where the last N(0, 1) is the same for all events
    t'[e] = t[permutation(e)]                      "permuted"         (3)
    t'[e] uniform in [t0, t1)                      "uniform"          (4)

Eqs. (3) and (4) are controls that randomise the times and keep the number of
events of each channel.  Eq. (3) also keeps the number of events at each time,
summed over channels.

An event that is shifted out of the time window, or out of the range of
channels, is dropped or clipped to the boundary.  Dropping lowers the event
density near the boundary, and clipping raises the density.

[CB22] uses eq. (2) without `shared`, before channels are removed.  The spread is
given in a supplement of [CB22] that was not consulted.  Public code uses other
distributions, such as a uniform distribution on +- spread/2.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import numpy as np


def jitter_times(times, units, rng, *, spread, window, outside):
    """Shift each event in time by an independent random amount, eq. (1).

    Parameters
    ----------
    times : (E,) float
        Times of the events in s.
    units : (E,) int
        Channels of the events.
    rng : numpy.random.Generator
        Random generator.
    spread : float
        Standard deviation of the shifts in s.
    window : (t0, t1)
        First and last allowed time in s.
    outside : "drop" or "clip"
        Whether events outside the window are dropped or clipped.

    Returns
    -------
    times, units : (F,) arrays
        Events of the new recording, sorted by time.

    Examples
    --------
    >>> t, u = jitter_times(np.array([0.1, 0.9]), np.array([5, 6]),
    ...                     np.random.default_rng(1), spread=0.01,
    ...                     window=(0.0, 1.0), outside="drop")
    >>> t.round(3).tolist(), u.tolist()
    ([0.103, 0.908], [5, 6])
    """
    times, units = _recording(times, units)
    t0, t1 = _window(window)
    _check("outside", outside, outside in ("drop", "clip"), '"drop" or "clip"')
    _check("spread", spread, 0 <= spread < np.inf, "finite and at least 0")
    times += spread * rng.standard_normal(times.size)                      # (1)
    if outside == "clip":
        return _sorted(np.clip(times, t0, t1), units)
    kept = (times >= t0) & (times <= t1)
    return _sorted(times[kept], units[kept])


def _sorted(times, units):
    order = np.argsort(times, kind="stable")
    return times[order], units[order]


def jitter_channels(times, units, rng, *, spread, channels, outside, shared=0.0):
    """Shift each event to a nearby channel, eq. (2).

    Parameters
    ----------
    times, units, rng
        Events and generator, as for `jitter_times`; units are in 0 ... channels - 1.
    spread, shared : float
        Standard deviations, in channels, of the shift of each event and of
        the common shift of all events.
    channels : int
        Number of channels.
    outside : "drop" or "clip"
        Whether events outside the channels are dropped or clipped.

    Returns
    -------
    times, units : (F,) arrays
        Events of the new recording, sorted by time.

    Examples
    --------
    >>> t, u = jitter_channels(np.array([0.1, 0.9]), np.array([300, 600]),
    ...                        np.random.default_rng(1), spread=20.0,
    ...                        channels=700, outside="drop")
    >>> t.tolist(), u.tolist()
    ([0.1, 0.9], [307, 616])
    """
    times, units = _recording(times, units, channels)
    _check("outside", outside, outside in ("drop", "clip"), '"drop" or "clip"')
    _check("spread", spread, 0 <= spread < np.inf, "finite and at least 0")
    _check("shared", shared, 0 <= shared < np.inf, "finite and at least 0")
    moved = np.rint(units + spread * rng.standard_normal(units.size)       # (2)
                    + shared * rng.standard_normal())
    if outside == "clip":
        return _sorted(times, np.clip(moved, 0, channels - 1).astype(np.int64))
    kept = (moved >= 0) & (moved < channels)
    return _sorted(times[kept], moved[kept].astype(np.int64))


def shuffle_times(times, units, rng, *, law, window=None):
    """Replace the event times by permuted or random times, eqs. (3) and (4).

    The number of events of each channel stays the same.

    Parameters
    ----------
    times, units, rng
        Events and generator, as for `jitter_times`.
    law : "permuted" or "uniform"
        Whether times are permuted among the events or sampled from a uniform
        distribution.
    window : (t0, t1), optional
        Interval of the new times in s; for "uniform" only.

    Returns
    -------
    times, units : (E,) arrays
        Events of the new recording, sorted by time.

    Examples
    --------
    >>> t, u = shuffle_times(np.arange(6) / 8, np.array([0, 0, 0, 1, 1, 2]),
    ...                      np.random.default_rng(1), law="permuted")
    >>> t.tolist(), u.tolist()
    ([0.0, 0.125, 0.25, 0.375, 0.5, 0.625], [0, 1, 0, 2, 0, 1])
    """
    times, units = _recording(times, units)
    _check("law", law, law in ("permuted", "uniform"), '"permuted" or "uniform"')
    _check("window", window, (law == "uniform") == (window is not None),
           'given if law is "uniform" and only then')
    times = rng.permutation(times) if law == "permuted" \
        else rng.uniform(*_window(window), times.size)                     # (3, 4)
    return _sorted(times, units)


# ---- checks --------------------------------------------------------------------

def _check(name, value, fits, text):
    if not fits:
        raise ValueError(f"{name} is {value!r}: must be {text}")


def _window(window):
    _check("window", window, window[0] < window[1], "t0 < t1")
    return window


def _recording(times, units, channels=np.inf):
    """Check a recording; return copies of its times and units.

    The times are of dtype float64, and the units of dtype int64.
    """
    _check("channels", channels, channels >= 1, "at least 1")
    times, units = np.asarray(times), np.asarray(units)
    if times.ndim != 1 or times.shape != units.shape or times.dtype.kind != "f" \
            or units.dtype.kind not in "iu" or not np.isfinite(times).all():
        raise ValueError(f"times and units are of shapes {times.shape}, {units.shape}, "
                         f"{times.dtype}, {units.dtype}: must be (E,) finite float "
                         "and int arrays")
    if units.size and not 0 <= units.min() <= units.max() < channels:
        raise ValueError(f"units is from {units.min()} to {units.max()}: must be from "
                         f"0 to below {channels}")
    return times.astype(np.float64), units.astype(np.int64)
