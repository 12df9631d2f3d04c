"""Change the times or the channels of recorded events at random.

A recording consists of events (spikes), each with a time t in seconds and a channel i.
Each function returns a new recording, sorted by time.  With standard normal random
numbers N(0, 1), the functions compute

    t' = t + spread N(0, 1)                                           (1)
    i' = round(i + spread N(0, 1) + shared N(0, 1)),                  (2)
         where the last N(0, 1) is the same for all events
    t'[e] = t[permutation(e)]                      "permuted"         (3)
    t'[e] uniform in [0, end)                      "uniform"          (4)

Eqs. (1) and (2) shift the events, for example to augment training data.  In control
experiments, eq. (3) or (4) computes new times for all events.  Eqs. (3) and (4)
preserve the number of events in each channel.  Eq. (3) also preserves the total number
of events at each time.

In eq. (1), times below 0 are set to 0, and times above `end` are set to `end`.
Therefore, the density of events is higher at the times 0 and `end`.  In eq. (2), an
event is dropped if the channel i' does not exist.  Dropping such events lowers the
density of events in the outermost channels.

The authors of [CB22] apply eq. (2) with shared = 0 before they reduce the number of
channels.  The value of `spread` in [CB22] is in a supplement that was not consulted.
Published code of other authors uses other distributions of the shifts, such as a
uniform distribution on +- spread/2.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

import numpy as np


def jitter_times(times, units, rng, *, spread, end):
    """Shift the time of each event, eq. (1).

    The standard deviation of the time shifts is `spread` seconds.

    >>> t, u = jitter_times(np.array([0.1, 0.9]), np.array([5, 6]),
    ...                     np.random.default_rng(1), spread=0.01, end=1.0)
    >>> t.round(3).tolist(), u.tolist()
    ([0.103, 0.908], [5, 6])
    """
    times = times + spread * rng.standard_normal(times.size)               # (1)
    return _sorted(np.clip(times, 0.0, end), units)


def _sorted(times, units):
    order = np.argsort(times, kind="stable")
    return times[order], units[order]


def jitter_channels(times, units, rng, *, spread, shared, channels):
    """Shift each event to a nearby channel, eq. (2).

    >>> t, u = jitter_channels(np.array([0.1, 0.9]), np.array([300, 600]),
    ...                        np.random.default_rng(1), spread=20.0, shared=0.0,
    ...                        channels=700)
    >>> t.tolist(), u.tolist()
    ([0.1, 0.9], [307, 616])
    """
    moved = np.rint(units + spread * rng.standard_normal(units.size)       # (2)
                    + shared * rng.standard_normal()).astype(np.int64)
    kept = (moved >= 0) & (moved < channels)
    return _sorted(times[kept], moved[kept])


def shuffle_times(times, units, rng, *, law, end):
    """Permute the times of all events, or replace them by random times.

    If the argument `law` is "permuted", eq. (3) permutes the event times.  If `law` is
    "uniform", eq. (4) replaces the event times by random times.  The argument `end` is
    the upper limit of the random times in eq. (4), in seconds.

    >>> t, u = shuffle_times(np.arange(6) / 8, np.array([0, 0, 0, 1, 1, 2]),
    ...                      np.random.default_rng(1), law="permuted", end=1.0)
    >>> t.tolist(), u.tolist()
    ([0.0, 0.125, 0.25, 0.375, 0.5, 0.625], [0, 1, 0, 2, 0, 1])
    """
    times = rng.permutation(times) if law == "permuted" \
        else rng.uniform(0.0, end, times.size)                             # (3, 4)
    return _sorted(times, units)
