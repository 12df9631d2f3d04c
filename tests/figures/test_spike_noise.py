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
CHANNELS, END, SIGMAS = 50, 1.0, 5
CALLS = {
    "jitter_times": (jitter_times, {"spread": 0.1, "end": END}),
    "jitter_channels": (jitter_channels, {"spread": 4.0, "shared": 1.0,
                                          "channels": CHANNELS}),
    "permuted": (shuffle_times, {"law": "permuted", "end": END}),
    "uniform": (shuffle_times, {"law": "uniform", "end": END})}


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
    t, u = jitter_times(np.full(n, 0.5), np.arange(n), rng, spread=0.02, end=END)
    assert t.size == n and near(t.mean(), 0.5, 0.02, n)
    assert near(((t - 0.5) ** 2).mean(), 4e-4, 4e-4 * math.sqrt(2), n)
    assert near((np.abs(t - 0.5) < 0.02).mean(), 0.6826895, 0.4654, n)
    assert sorted(u.tolist()) == list(range(n)) and (np.diff(u) < 0).any()
    t, u = jitter_times(np.array([0.25, 0.25, 1.0]), np.array([3, 1, 2]), rng,
                        spread=0.0, end=END)
    assert t.tolist() == [0.25, 0.25, 1.0] and u.tolist() == [3, 1, 2]


def test_times_that_leave_the_window_are_clipped():
    for start, end, bound in ((0.05, 9.0, 0.0), (8.95, 9.0, 9.0)):
        t, _ = jitter_times(np.full(4000, start), np.arange(4000),
                            np.random.default_rng(6), spread=0.1, end=end)
        assert t.size == 4000 and 0 <= t.min() and t.max() <= end
        assert near((t == bound).mean(), 0.3085375, 0.4619, 4000)


def test_channels_move_by_a_rounded_normal_law():
    n, rng = 40000, np.random.default_rng(7)
    t, u = jitter_channels(np.arange(n) / n, np.full(n, 350), rng, spread=20.0,
                           shared=0.0, channels=700)
    variance = 400 + 1 / 12
    assert u.size == n and near(u.mean(), 350, math.sqrt(variance), n)
    assert near(((u - 350.0) ** 2).mean(), variance, variance * math.sqrt(2), n)
    assert_array_equal(t, np.arange(n) / n)
    _, u = jitter_channels(np.zeros(n), np.full(n, 5), rng, spread=0.5, shared=0.0,
                           channels=700)
    assert near((u == 5).mean(), 0.6826895, 0.4654, n)      # within half a channel


def test_channels_move_together():
    rng, places = np.random.default_rng(8), np.array([200, 300, 400])
    moves = []
    for _ in range(2000):
        _, u = jitter_channels(np.arange(3) / 3, places, rng, spread=0.0, shared=10.0,
                               channels=700)
        assert len(set((u - places).tolist())) == 1
        moves.append(u[0] - 200)
    assert near(np.mean(np.square(moves)), 100 + 1 / 12, 100 * math.sqrt(2), 2000)


def test_events_that_leave_the_channels_are_dropped():
    n, rng = 4000, np.random.default_rng(9)
    for place in (0, 9):
        _, u = jitter_channels(np.zeros(n), np.full(n, place), rng, spread=2.0,
                               shared=0.0, channels=10)
        assert 0 <= u.min() <= u.max() <= 9     # half a channel beyond the end: 0.25 sd
        assert near(u.size / n, 0.5987063, 0.4902, n)


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.sampled_from(["permuted", "uniform"]))
def test_shuffled_times_keep_the_counts(seed, law):
    times, units = recording(np.random.default_rng(seed), 300)
    units = np.where(times < 0.5, units // 2, units)        # low channels come first
    t, u = shuffle_times(times, units, np.random.default_rng(seed), law=law, end=2.0)
    assert_array_equal(np.bincount(u, minlength=CHANNELS),
                       np.bincount(units, minlength=CHANNELS))
    assert (u != units).any()
    if law == "permuted":
        assert_array_equal(t, times)
    else:
        assert 0 <= t.min() and t.max() < 2 and near(t.mean(), 1, 0.5774, 300)


@pytest.mark.parametrize("law", ["permuted", "uniform"])
def test_shuffled_times_forget_what_came_when(law):
    n, rng = 4000, np.random.default_rng(12)
    times, units = np.arange(n) / n, np.arange(n) // (n // 2)   # channel 0, then 1
    t, u = shuffle_times(times, units, rng, law=law, end=END)
    assert near(u[:n // 2].mean(), 0.5, 0.5, n // 2)
    assert near(t[u == 0].mean(), 0.5, 0.2887, n // 2)


def test_its_examples():
    failed, tried = doctest.testmod(spike_noise)
    assert failed == 0 and tried >= 5
