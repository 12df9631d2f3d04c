"""Spikes as arrays: every choice by hand, and against another route."""

import doctest
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from refsnn import encoding, spike_lists
from figures.chip import chip_coding
from refsnn.spike_lists import (
    Binning,
    batches,
    dense,
    sparse,
    steps,
    thinned,
    time_constant,
)

SEEDS = st.integers(0, 2 ** 32 - 1)
PLAIN = Binning(0.0, 1.0, 0.25, "left", "count", "refuse", "refuse")


def one(times, binning, units=None, channels=1):
    """Counts (T, channels) of a single recording."""
    units = [0] * len(times) if units is None else units
    return dense([np.array(times, float)], [np.array(units, int)], channels,
                 binning)[:, 0]


def test_an_event_on_an_edge():
    on = [0.25, 0.5]
    assert one(on, PLAIN)[:, 0].tolist() == [0, 1, 1, 0]
    assert one(on, PLAIN._replace(closed="right"))[:, 0].tolist() == [1, 1, 0, 0]


def test_the_ends_of_the_window():
    drop = PLAIN._replace(outside="drop")
    assert one([0.0, 1.0], drop)[:, 0].tolist() == [1, 0, 0, 0]
    assert one([0.0, 1.0], drop._replace(closed="right"))[:, 0].tolist() == [0, 0, 0, 1]
    with pytest.raises(ValueError, match=r"times\[0\] has an event at 1.0: must be "
                                         "from 0.0 to 1.0"):
        one([0.0, 1.0], PLAIN)
    with pytest.raises(ValueError, match="event at 0.0"):
        one([0.0, 1.0], PLAIN._replace(closed="right"))


def test_events_outside():
    times = [-0.5, -0.1, 0.3, 7.0]
    assert one(times, PLAIN._replace(outside="drop"))[:, 0].tolist() == [0, 1, 0, 0]
    assert one(times, PLAIN._replace(outside="clip"))[:, 0].tolist() == [2, 1, 0, 1]


def test_duplicates_and_units():
    times, units = [0.3, 0.3, 0.4, 0.4], [1, 1, 1, 0]
    assert one(times, PLAIN, units, 2)[1].tolist() == [1, 3]
    assert one(times, PLAIN._replace(duplicates="clip"), units, 2)[1].tolist() == [1, 1]


@pytest.mark.parametrize("partial, T, counts", [("drop", 2, [1, 1]),
                                                ("keep", 3, [1, 1, 1])])
def test_the_last_partial_step(partial, T, counts):
    binning = Binning(0.0, 1.0, 0.4, "left", "count", "drop", partial)
    assert steps(binning) == T
    assert one([0.1, 0.5, 0.9, 1.05], binning)[:, 0].tolist() == counts
    with pytest.raises(ValueError, match="must be a multiple of dt = 0.4, or partial"):
        steps(binning._replace(partial="refuse"))


@pytest.mark.parametrize("partial", ["refuse", "drop", "keep"])
def test_whole_steps_are_seen_in_spite_of_rounding(partial):
    assert 1.4 / 0.014 != 100
    for t1, dt, T in ((1.4, 0.014, 100), (0.3, 0.1, 3), (1.0, 1e-4, 10000)):
        binning = PLAIN._replace(t1=t1, dt=dt, partial=partial)
        assert steps(binning) == T
        assert one([t1 - dt / 2], binning)[:, 0].argmax() == T - 1


def test_float16_times_fall_below_a_decimal_edge():
    binning = PLAIN._replace(dt=0.1)
    assert one([0.1], binning)[1, 0] == 1
    assert one([float(np.float16(0.1))], binning)[0, 0] == 1


@st.composite
def cases(draw):
    """A batch and a binning of any choice, with events on edges."""
    rng = np.random.default_rng(draw(SEEDS))
    B, n, T = (draw(st.integers(1, most)) for most in (4, 5, 7))
    dt = draw(st.sampled_from([0.125, 1e-3, 0.1]))
    t0 = dt * draw(st.integers(-2, 3))
    times = [np.where(rng.random(E) < 0.3, t0 + dt * rng.integers(-1, T + 2, E),
                      t0 + dt * rng.uniform(-1, T + 1, E))
             for E in rng.integers(0, 12, B)]
    binning = Binning(t0, t0 + dt * (T + draw(st.sampled_from([0, 0.5]))), dt,
                      *(draw(st.sampled_from(spike_lists.CHOICES[name])) for name in
                        Binning._fields[3:5]), draw(st.sampled_from(["drop", "clip"])),
                      draw(st.sampled_from(["drop", "keep"])))
    return times, [rng.integers(0, n, len(t)) for t in times], n, binning


@settings(max_examples=200, deadline=None)
@given(cases())
def test_arrays_are_what_a_loop_makes_of_the_definition(case):
    times, units, n, binning = case
    T = steps(binning)
    edges = binning.t0 + binning.dt * np.arange(T + 1)
    if binning.partial == "keep":
        edges[-1] = binning.t1
    expected = np.zeros((T, len(times), n))
    for b, pair in enumerate(zip(times, units, strict=True)):
        for t, u in zip(*pair, strict=True):
            inside = [j for j in range(T) if (
                edges[j] <= t < edges[j + 1] if binning.closed == "left"
                else edges[j] < t <= edges[j + 1])]
            if not inside and binning.outside == "clip":
                inside = [0 if t <= edges[0] else T - 1]
            for j in inside:
                expected[j, b, u] += 1
    if binning.duplicates == "clip":
        expected = np.minimum(expected, 1)
    before = [t.copy() for t in times]
    x, entries = dense(times, units, n, binning), sparse(times, units, n, binning)
    assert_array_equal(x, expected)
    assert entries.shape == x.shape and (np.diff(entries.step) >= 0).all()
    assert len(entries.step) == np.count_nonzero(x) and (entries.count > 0).all()
    again = np.zeros(entries.shape)
    np.add.at(again, (entries.step, entries.sample, entries.unit), entries.count)
    assert_array_equal(again, x)
    narrow = dense(times, units, n, binning, dtype=np.float32)
    assert narrow.dtype == np.float32 and (narrow == x).all()
    assert all(map(np.array_equal, before, times))


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_agrees_with_the_binning_of_encoding(seed):
    rng = np.random.default_rng(seed)
    times, units = rng.uniform(0, 1.2, 40), rng.integers(0, 3, 40)
    x = one(times, PLAIN._replace(outside="drop"), units, 3)
    assert_array_equal(x, encoding.bin_events(times, units, 4, 3, dt=0.25,
                                              outside="drop"))
    assert x.max() > 1


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_thinned_words_are_those_of_the_chip(seed):
    rng = np.random.default_rng(seed)
    times, units = np.sort(rng.random(400)), rng.integers(0, 700, 400)
    t, u = thinned(times, units, channels=700, skip=70, stride=9)
    dt = 1.7e-6 * 2000
    binning = Binning(0.0, 300 * dt, dt, "left", "clip", "refuse", "refuse")
    x = dense([t], [u], 70, binning)[:, 0]
    theirs = chip_coding.words(times, units, T=300)
    assert x.sum() > 10
    assert_array_equal(x, theirs)


def test_channels_that_are_kept():
    units = np.arange(20)
    t, u = thinned(units / 8, units, channels=20, skip=3, stride=7)
    assert u.tolist() == [0, 1, 2] and (t * 8).tolist() == [3, 10, 17]
    t, u = thinned(units / 8, units, channels=20, skip=0, stride=1)
    assert u.tolist() == units.tolist() and t.tolist() == (units / 8).tolist()
    for name, value in (("skip", 20), ("skip", -1), ("stride", 0), ("stride", 1.0),
                        ("channels", 0)):
        options = {"channels": 20, "skip": 3, "stride": 7, name: value}
        with pytest.raises(ValueError, match=f"{name} is"):
            thinned(units / 8, units, **options)
    with pytest.raises(ValueError, match="must be in 0 ... 18"):
        thinned(units / 8, units, channels=19, skip=0, stride=1)


def test_decays_that_belong_to_another_step_are_warned_of():
    alpha = np.exp(-1e-3 / 10e-3)
    with pytest.warns(UserWarning, match=re.escape(
            "alpha = 0.904837 on steps of 0.014 s decays in 0.14 s, not in 0.01 s")) \
            as told:
        tau = time_constant("alpha", alpha, 0.014, meant=0.01)
    assert np.isclose(tau, 0.14, rtol=1e-12, atol=0) and told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isclose(time_constant("alpha", alpha, 1e-3, meant=10e-3), 10e-3,
                          rtol=1e-12, atol=0)
        time_constant("alpha", alpha, 0.014)
        time_constant("alpha", alpha, 1.05e-3, meant=10e-3, tolerance=0.06)
    with pytest.warns(UserWarning):
        time_constant("alpha", alpha, 0.95e-3, meant=10e-3, tolerance=0.04)


@pytest.mark.parametrize("arguments, options", [
    ((0.0, 1.0), {}), ((1.0, 1.0), {}), ((np.nan, 1.0), {}), ((0.5, 0.0), {}),
    ((0.5, "1"), {}), ((0.5, 1.0), {"meant": 0.0}),
    ((0.5, 1.0), {"meant": 1.0, "tolerance": -1.0})])
def test_bad_decays(arguments, options):
    with pytest.raises(ValueError, match="must be"):
        time_constant("alpha", *arguments, **options)


def test_batches_cover_what_they_say():
    for N, size in ((7, 3), (6, 3), (2, 5), (1, 1)):
        kept = np.concatenate([np.arange(N)[s] for s in batches(N, size, last="keep")])
        assert kept.tolist() == list(range(N))
        full = [np.arange(N)[s] for s in batches(N, size, last="drop")]
        assert all(len(part) == size for part in full) and len(full) == N // size
        assert [i for part in full for i in part] == list(range(size * (N // size)))
        if N % size:
            with pytest.raises(ValueError, match=f"size is {size}: must divide"):
                batches(N, size, last="refuse")
        else:
            assert len(batches(N, size, last="refuse")) == N // size
    dropped = batches(2264, 256, last="drop")
    assert 2264 - dropped[-1].stop == 216               # the tutorial's
    for wrong in ((0, 1, "keep"), (1, 0, "keep"), (1, 1, "all"), (1.0, 1, "keep")):
        with pytest.raises(ValueError, match="is"):
            batches(*wrong[:2], last=wrong[2])


@pytest.mark.parametrize("change, name", [
    ({"t0": np.nan}, "t0"), ({"t1": np.inf}, "t1"), ({"t1": 0.0}, "dt"),
    ({"dt": 0.0}, "dt"), ({"dt": -0.25}, "dt"), ({"dt": 2.0}, "dt"),
    ({"dt": "1"}, "dt"), ({"dt": True}, "dt"), ({"closed": "both"}, "closed"),
    ({"duplicates": "sum"}, "duplicates"), ({"outside": "keep"}, "outside"),
    ({"partial": "round"}, "partial"), ({"dt": 5e-324}, "dt"), ({"dt": 1e-9}, "dt"),
    ({"t0": 1e17, "t1": 1e17 + 64, "dt": 4.0}, "dt")])
def test_what_is_no_binning(change, name):
    with pytest.raises(ValueError, match=f"^{name} is .*must"):
        steps(PLAIN._replace(**change))


def test_most_steps(monkeypatch):
    binning = PLAIN._replace(t0=4.0, t1=12.0, dt=1.0)
    monkeypatch.setattr(spike_lists, "MOST", 8)
    assert steps(binning) == 8
    monkeypatch.setattr(spike_lists, "MOST", 7)
    with pytest.raises(ValueError, match="dt is 1.0: must make at most 7 steps of 8.0"):
        steps(binning)


def test_choices_have_no_defaults():
    with pytest.raises(TypeError):
        Binning(0.0, 1.0, 0.25)
    for wrong in ((0.0, 1.0, 0.25), None, 3):
        with pytest.raises(ValueError, match="must be a Binning"):
            steps(wrong)


@pytest.mark.parametrize("times, units, match", [
    ([], [], "0 and 0 recordings"), ([[0.1]], [], "1 and 0 recordings"),
    ([[0.1], [0.1, 0.2]], [[0], [1]], r"times\[1\] and units\[1\] are of shapes"),
    ([[0.1], [np.nan]], [[0], [1]], r"times\[1\] has NaN"),
    ([[0.1], [np.inf]], [[0], [1]], r"times\[1\] has NaN or inf"),
    ([[0.1], [0.1]], [[0], [2]], r"units\[1\] is from 2 to 2: must be in 0 ... 1"),
    ([[0.1], [0.1]], [[0], [-1]], r"units\[1\] is from -1"),
    ([[0.1], [0.1]], [[0], [1.0]], "must be \\(E,\\) float and int"),
    ([[0.1], [1]], [[0], [1]], "must be \\(E,\\) float and int"),
    ([[[0.1]]], [[[0]]], "must be \\(E,\\) float and int")])
def test_what_is_no_batch(times, units, match):
    times, units = ([np.array(a) for a in part] for part in (times, units))
    with pytest.raises(ValueError, match=match):
        sparse(times, units, 2, PLAIN)
    with pytest.raises(ValueError, match=match):
        dense(times, units, 2, PLAIN)


def test_other_bad_arguments():
    times, units = [np.array([0.1])], [np.array([0])]
    for wrong in (0, 1.0, True):
        with pytest.raises(ValueError, match="channels is"):
            sparse(times, units, wrong, PLAIN)
    with pytest.raises(ValueError, match="dtype is"):
        dense(times, units, 1, PLAIN, dtype=int)


def test_a_recording_without_events():
    times, units = [np.zeros(0), np.array([0.3])], [np.zeros(0, int), np.array([1])]
    x = dense(times, units, 2, PLAIN)
    assert x[:, 0].sum() == 0 and x[1, 1].tolist() == [0, 1] and x.sum() == 1


def test_its_examples():
    failed, tried = doctest.testmod(spike_lists)
    assert failed == 0 and tried > 8
