"""Random changes of recordings have the right distribution and change nothing else.

Tests of distributions compare a mean with its expectation, with a tolerance of
5 standard errors.  They fail by chance less than once in 10^6 seeds, and the
seeds are fixed.
"""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from figures.spoken import spike_noise
from figures.spoken.spike_noise import jitter_channels, jitter_times, shuffle_times

SEEDS = st.integers(0, 2 ** 32 - 1)
CHANNELS, WINDOW, SIGMAS = 50, (0.0, 1.0), 5
CALLS = {
    "jitter_times": (jitter_times, {"spread": 0.1, "window": WINDOW,
                                    "outside": "drop"}),
    "jitter_channels": (jitter_channels, {"spread": 4.0, "channels": CHANNELS,
                                          "outside": "clip", "shared": 1.0}),
    "permuted": (shuffle_times, {"law": "permuted"}),
    "uniform": (shuffle_times, {"law": "uniform", "window": WINDOW}),
}


def recording(rng, count=60):
    return np.sort(rng.random(count)), rng.integers(0, CHANNELS, count)


def near(found, expected, sd, count):
    """Tell whether a mean of `count` draws is within 5 standard errors."""
    return abs(found - expected) <= SIGMAS * sd / math.sqrt(count)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_every_result_is_a_recording_and_the_seed_alone_decides(name, seed):
    call, options = CALLS[name]
    times, units = recording(np.random.default_rng(seed))
    before = times.copy(), units.copy()
    t, u = call(times, units, np.random.default_rng(seed), **options)
    assert t.dtype == np.float64 and u.dtype == np.int64 and t.shape == u.shape
    assert (np.diff(t) >= 0).all() and 0 <= u.min() <= u.max() < CHANNELS
    assert 0 <= t[0] and t[-1] <= 1 and t.size > 20
    again = call(times, units, np.random.default_rng(seed), **options)
    assert all(map(np.array_equal, again, (t, u)))
    other = call(times, units, np.random.default_rng(seed + 1), **options)
    assert not all(map(np.array_equal, other, (t, u)))
    assert all(map(np.array_equal, before, (times, units)))
    half = call(times.astype(np.float16), units.astype(np.uint16),
                np.random.default_rng(seed), **options)
    assert half[0].dtype == np.float64 and half[1].dtype == np.int64


@pytest.mark.parametrize("name", CALLS)
def test_unsorted_and_empty_recordings(name):
    call, options = CALLS[name]
    times, units = recording(np.random.default_rng(3))
    t, _ = call(times[::-1], units[::-1], np.random.default_rng(1), **options)
    assert (np.diff(t) >= 0).all()
    t, u = call(np.zeros(0), np.zeros(0, int), np.random.default_rng(1), **options)
    assert t.size == u.size == 0


def test_times_move_by_a_normal_law():
    n, rng = 40000, np.random.default_rng(5)
    t, u = jitter_times(np.full(n, 0.5), np.arange(n), rng, spread=0.02, window=WINDOW,
                        outside="drop")
    assert t.size == n and near(t.mean(), 0.5, 0.02, n)
    assert near(((t - 0.5) ** 2).mean(), 4e-4, 4e-4 * math.sqrt(2), n)
    assert near((np.abs(t - 0.5) < 0.02).mean(), 0.6826895, 0.4654, n)
    assert sorted(u.tolist()) == list(range(n)) and (np.diff(u) < 0).any()
    for spread in (0.0, 0):
        t, u = jitter_times(np.array([0.25, 0.25, 1.0]), np.array([3, 1, 2]), rng,
                            spread=spread, window=WINDOW, outside="drop")
        assert t.tolist() == [0.25, 0.25, 1.0] and u.tolist() == [3, 1, 2]


def test_times_that_leave_the_window():
    times, units, rng = np.zeros(4000), np.arange(4000), np.random.default_rng(6)
    t, _ = jitter_times(times, units, rng, spread=0.1, window=(0.0, 9.0),
                        outside="drop")
    assert t.min() > 0 and near(t.size / 4000, 0.5, 0.5, 4000)
    t, _ = jitter_times(times, units, rng, spread=0.1, window=(-9.0, 0.05),
                        outside="clip")
    assert t.size == 4000 and t.max() == 0.05
    assert near((t == 0.05).mean(), 0.3085375, 0.4619, 4000)


def test_channels_move_by_a_rounded_normal_law():
    n, rng = 40000, np.random.default_rng(7)
    t, u = jitter_channels(np.arange(n) / n, np.full(n, 350), rng, spread=20.0,
                           channels=700, outside="drop")
    variance = 400 + 1 / 12
    assert u.size == n and near(u.mean(), 350, math.sqrt(variance), n)
    assert near(((u - 350.0) ** 2).mean(), variance, variance * math.sqrt(2), n)
    assert_array_equal(t, np.arange(n) / n)
    _, u = jitter_channels(np.zeros(n), np.full(n, 5), rng, spread=0.5, channels=700,
                           outside="drop")
    assert near((u == 5).mean(), 0.6826895, 0.4654, n)      # within half a channel


def test_channels_move_together():
    rng, places = np.random.default_rng(8), np.array([200, 300, 400])
    moves = []
    for _ in range(2000):
        _, u = jitter_channels(np.arange(3) / 3, places, rng, spread=0.0, shared=10.0,
                               channels=700, outside="drop")
        assert len(set((u - places).tolist())) == 1
        moves.append(u[0] - 200)
    assert near(np.mean(np.square(moves)), 100 + 1 / 12, 100 * math.sqrt(2), 2000)


def test_channels_that_leave():
    n, rng = 4000, np.random.default_rng(9)
    for place, end in ((0, 0), (9, 9)):
        for outside in ("drop", "clip"):
            _, u = jitter_channels(np.zeros(n), np.full(n, place), rng, spread=2.0,
                                   channels=10, outside=outside)
            share = 0.5987063           # half a channel beyond the end: 0.25 sd
            if outside == "drop":
                assert 0 <= u.min() <= u.max() <= 9
                assert near(u.size / n, share, 0.4902, n)
            else:
                assert u.size == n
                inner = 0.1974127       # rounded to the end itself
                assert near((u == end).mean(), 1 - share + inner, 0.4902, n)


def test_a_single_channel():
    rng = np.random.default_rng(13)
    t = np.arange(20) / 20
    _, u = jitter_channels(t, np.zeros(20, int), rng, spread=9.0, channels=1,
                           outside="clip")
    assert u.size == t.size and not u.any()


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.sampled_from(["permuted", "uniform"]))
def test_shuffled_times_keep_the_counts(seed, law):
    times, units = recording(np.random.default_rng(seed), 300)
    units = np.where(times < 0.5, units // 2, units)        # low channels come first
    window = (0.25, 2.0) if law == "uniform" else None
    t, u = shuffle_times(times, units, np.random.default_rng(seed), law=law,
                         window=window)
    assert_array_equal(np.bincount(u, minlength=CHANNELS),
                       np.bincount(units, minlength=CHANNELS))
    assert (u != units).any()
    if law == "permuted":
        assert_array_equal(t, times)
    else:
        assert 0.25 <= t.min() and t.max() < 2 and near(t.mean(), 1.125, 0.5052, 300)


@pytest.mark.parametrize("law", ["permuted", "uniform"])
def test_shuffled_times_forget_what_came_when(law):
    n, rng = 4000, np.random.default_rng(12)
    times, units = np.arange(n) / n, np.arange(n) // (n // 2)   # channel 0, then 1
    t, u = shuffle_times(times, units, rng, law=law,
                         window=WINDOW if law == "uniform" else None)
    assert near(u[:n // 2].mean(), 0.5, 0.5, n // 2)
    assert near(t[u == 0].mean(), 0.5, 0.2887, n // 2)


@pytest.mark.parametrize("name, option, values", [
    ("jitter_times", "spread", [-1.0, np.nan, np.inf]),
    ("jitter_times", "window", [(1.0, 1.0), (2.0, 1.0)]),
    ("jitter_times", "outside", ["keep", None]),
    ("jitter_channels", "spread", [-1.0, np.nan]),
    ("jitter_channels", "shared", [-1.0, np.nan]),
    ("jitter_channels", "outside", ["keep"]),
    ("jitter_channels", "channels", [0, -1]),
    ("permuted", "law", ["random"]), ("permuted", "window", [WINDOW]),
    ("uniform", "window", [None, (1.0, 0.0)])])
def test_bad_options(name, option, values):
    (call, options), (times, units) = CALLS[name], recording(np.random.default_rng(1))
    for value in values:
        with pytest.raises(ValueError, match=f"^{option} is .*must be"):
            call(times, units, np.random.default_rng(1), **{**options, option: value})


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("times, units, match", [
    ([0.1], [0, 1], "times and units are of shapes"),
    ([[0.1]], [[0]], "times and units are of shapes"),
    ([1], [0], "finite float and int"), ([0.1], [0.5], "finite float and int"),
    ([np.nan], [0], "finite float"), ([0.1], [-1], "units is from -1")])
def test_bad_recordings(name, times, units, match):
    call, options = CALLS[name]
    with pytest.raises(ValueError, match=match):
        call(np.array(times), np.array(units), np.random.default_rng(1), **options)


def test_units_beyond_the_channels():
    call, options = CALLS["jitter_channels"]
    times, units = recording(np.random.default_rng(1))
    with pytest.raises(ValueError, match="must be from 0 to below 10"):
        call(times, units, np.random.default_rng(1), **{**options, "channels": 10})


def test_its_examples():
    failed, tried = doctest.testmod(spike_noise)
    assert failed == 0 and tried >= 5
