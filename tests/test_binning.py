"""Binning of events: by hand, by loops over events, refusals."""

import doctest
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from proofs import examples, proves

from refsnn import binning
from refsnn.binning import Binning, dense, sparse, steps, time_constant

DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2 ** 32 - 1)
PLAIN = Binning(0.0, 1.0, 0.25)


def one(times, choice, units=None, channels=1):
    """Return counts (T, channels) of a single recording."""
    units = [0] * len(times) if units is None else units
    return dense([np.array(times, float)], [np.array(units, int)], channels,
                 choice)[:, 0]


def test_the_defaults_lose_and_move_no_event():
    assert PLAIN[3:] == ("left", "count", "refuse", "refuse")
    assert PLAIN[3:] == tuple(choices[0] for choices in binning.CHOICES.values())
    assert one([0.0, 0.25, 0.25, 0.99], PLAIN)[:, 0].tolist() == [1, 2, 0, 1]
    for times, choice in (([1.0], PLAIN), ([0.1], PLAIN._replace(dt=0.3))):
        with pytest.raises(ValueError, match="must"):
            one(times, choice)


@proves("binning", 3, 4)
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
    choice = Binning(0.0, 1.0, 0.4, "left", "count", "drop", partial)
    assert steps(choice) == T
    assert one([0.1, 0.5, 0.9, 1.05], choice)[:, 0].tolist() == counts
    with pytest.raises(ValueError, match="^binning.dt is 0.4: must divide 1.0, or par"):
        steps(choice._replace(partial="refuse"))


@proves("binning", 1)
@pytest.mark.parametrize("partial", ["refuse", "drop", "keep"])
def test_whole_steps_are_recognised_despite_rounding(partial):
    assert 1.4 / 0.014 != 100
    for t0, t1, dt, T in ((0.0, 1.4, 0.014, 100), (0.0, 0.3, 0.1, 3),
                          (0.0, 1.0, 1e-4, 10000), (1e5, 1e5 + 0.1, 1e-3, 100)):
        choice = PLAIN._replace(t0=t0, t1=t1, dt=dt, partial=partial)
        assert steps(choice) == T
        assert one([t1 - dt / 2], choice)[:, 0].argmax() == T - 1


def test_float16_times_fall_below_a_decimal_edge():
    choice = PLAIN._replace(dt=0.1)
    assert one([0.1], choice)[1, 0] == 1
    assert one([float(np.float16(0.1))], choice)[0, 0] == 1


@st.composite
def cases(draw):
    """Draw a batch, with events on edges, and a binning of any choice."""
    rng = np.random.default_rng(draw(SEEDS))
    B, n, T = (draw(st.integers(1, most)) for most in (4, 5, 7))
    dt = draw(st.sampled_from([0.125, 1e-3, 0.1]))
    t0 = dt * draw(st.integers(-2, 3))
    times = [np.where(rng.random(E) < 0.3, t0 + dt * rng.integers(-1, T + 2, E),
                      t0 + dt * rng.uniform(-1, T + 1, E))
             for E in rng.integers(0, 12, B)]
    choice = Binning(t0, t0 + dt * (T + draw(st.sampled_from([0, 0.5]))), dt,
                     *(draw(st.sampled_from(binning.CHOICES[name])) for name in
                       Binning._fields[3:5]), draw(st.sampled_from(["drop", "clip"])),
                     draw(st.sampled_from(["drop", "keep"])))
    return times, [rng.integers(0, n, len(t)) for t in times], n, choice


@proves("binning", 1, 2, 3, 4, 5)
@examples(200)
@given(cases())
def test_arrays_equal_a_loop_over_the_definition(case):
    times, units, n, choice = case
    T = steps(choice)
    edges = choice.t0 + choice.dt * np.arange(T + 1)
    if choice.partial == "keep":
        edges[-1] = choice.t1
    expected = np.zeros((T, len(times), n))
    for b, pair in enumerate(zip(times, units, strict=True)):
        for t, u in zip(*pair, strict=True):
            inside = [j for j in range(T) if (
                edges[j] <= t < edges[j + 1] if choice.closed == "left"
                else edges[j] < t <= edges[j + 1])]
            if not inside and choice.outside == "clip":
                inside = [0 if t <= edges[0] else T - 1]
            for j in inside:
                expected[j, b, u] += 1
    if choice.duplicates == "clip":
        expected = np.minimum(expected, 1)
    before = [t.copy() for t in times]
    x, entries = dense(times, units, n, choice), sparse(times, units, n, choice)
    assert_array_equal(x, expected)
    assert entries.shape == x.shape and (np.diff(entries.step) >= 0).all()
    assert len(entries.step) == np.count_nonzero(x) and (entries.count > 0).all()
    again = np.zeros(entries.shape)
    np.add.at(again, (entries.step, entries.sample, entries.unit), entries.count)
    assert_array_equal(again, x)
    narrow = dense(times, units, n, choice, dtype=np.float32)
    assert narrow.dtype == np.float32 and (narrow == x).all()
    assert all(map(np.array_equal, before, times))


@proves("binning", 6)
def test_decays_made_for_another_step_give_a_warning():
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
    with pytest.warns(UserWarning):                 # 2 s, relative to 1 s
        time_constant("alpha", np.exp(-0.5), 1.0, meant=1.0, tolerance=0.7)


def test_a_recording_without_events():
    times, units = [np.zeros(0), np.array([0.3])], [np.zeros(0, int), np.array([1])]
    x = dense(times, units, 2, PLAIN)
    assert x[:, 0].sum() == 0 and x[1, 1].tolist() == [0, 1] and x.sum() == 1


def test_its_doctests():
    failed, tried = doctest.testmod(binning)
    assert failed == 0 and tried > 7


# --- one recording ------------------------------------------------------------------

def counted(times, units, T, m, *, dt, start=0.0, dtype=np.float64, **options):
    """Return counts (T, m) of a single recording in T steps."""
    choice = PLAIN._replace(t0=start, t1=start + T * dt, dt=dt, **options)
    return dense([times], [units], m, choice, dtype=dtype)[:, 0]


def test_bins_by_hand():
    times = np.array([0.0, 0.4999, 0.5, 0.75, 0.6])
    units = np.array([0, 1, 2, 2, 0])
    expected = [[1, 1, 0], [1, 0, 2]]
    assert counted(times, units, 2, 3, dt=0.5).tolist() == expected
    clipped = counted(times, units, 2, 3, dt=0.5, duplicates="clip")
    assert clipped.tolist() == [[1, 1, 0], [1, 0, 1]]


def test_bin_edges_are_half_open_and_the_last_one_is_outside():
    edges = np.arange(4) * 0.25
    units = np.zeros(3, int)
    assert counted(edges[:3], units, 3, 1, dt=0.25).ravel().tolist() == [1, 1, 1]
    below = np.nextafter(edges[1:], 0)
    assert counted(below, units, 3, 1, dt=0.25).ravel().tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="event at 0.75: must be from 0.0 to 0.75"):
        counted(edges[3:], units[:1], 3, 1, dt=0.25)


def test_events_outside_are_dropped_only_on_request():
    times, units = np.array([0.1, 0.3, 0.9, 1.5]), np.array([0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"times\[0\] .* at 0.1: .*outside='drop'"):
        counted(times, units, 2, 1, dt=0.5, start=0.25)
    kept = counted(times, units, 2, 1, dt=0.5, start=0.25, outside="drop")
    assert kept.ravel().tolist() == [1, 1]


@proves("binning", 2, 3, 5)
@given(SEEDS, st.integers(1, 12), st.integers(1, 4), st.integers(0, 40),
       st.sampled_from([1e-3, 0.1, 0.014, 1 / 3]),
       st.sampled_from([0.0, 0.1, 0.7, -0.5]), st.booleans(), st.booleans(), DTYPES)
def test_bins_against_one_event_at_a_time(seed, T, m, E, dt, start, clip, on_edges,
                                          dtype):
    rng = np.random.default_rng(seed)
    if on_edges:                        # 0.1 * 3 is not 0.3: edges are floats
        times = start + dt * rng.integers(0, T + 2, E)
        times = times + rng.integers(-1, 2, E) * np.spacing(times)
    else:
        times = start + dt * rng.uniform(-1, T + 1, E)
    times, units = np.maximum(times, 0.0), rng.integers(0, m, E).astype(np.uint16)
    copies = times.copy(), units.copy()
    expected = np.zeros((T, m))
    for t, k in zip(times.tolist(), units.tolist(), strict=True):
        for i in range(T):
            if start + i * dt <= t < start + (i + 1) * dt:
                expected[i, k] = 1 if clip else expected[i, k] + 1
    got = counted(times, units, T, m, dt=dt, start=start, outside="drop",
                  duplicates="clip" if clip else "count", dtype=dtype)
    assert got.dtype == dtype
    assert_array_equal(got, expected)
    assert_array_equal(times, copies[0])
    assert_array_equal(units, copies[1])


@given(SEEDS)
def test_order_of_events_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    times, units = rng.uniform(0, 1, 50), rng.integers(0, 3, 50)
    order = rng.permutation(50)
    counts = counted(times, units, 7, 3, dt=0.15)
    assert counts.sum() == 50 and counts.max() > 1
    assert_array_equal(counts, counted(times[order], units[order], 7, 3, dt=0.15))


def test_float16_times_are_converted_first():
    # in float16, 0.9 s / 1e-6 s is infinite, and 0.9 is 0.89990234375
    times = np.array([0.9, 0.0005], np.float16)
    counts = counted(times, np.array([0, 1], np.uint16), 10 ** 6, 2, dt=1e-6)
    assert np.argwhere(counts).tolist() == [[500, 1], [899902, 0]]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i4", "u8", "i8"])
def test_units_of_any_integer_type(kind):
    times, units = np.array([0.5, 299.5]), np.array([100, 3], kind)
    counts = counted(times, units, 300, 101, dt=1.0)
    assert np.argwhere(counts).tolist() == [[0, 100], [299, 3]]


def test_no_events_at_all():
    none = counted(np.zeros(0), np.zeros(0, int), 3, 2, dt=1.0)
    assert none.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("dtype", [np.float16, int, bool, complex, "yes", 32])
def test_dtypes_refused(dtype):
    times, units = np.array([0.5, 1.0]), np.array([0, 0])
    with pytest.raises(ValueError, match="dtype is .*must be float32 or float64"):
        dense([times], [units], 1, PLAIN._replace(outside="drop"), dtype=dtype)


def test_sparse_counts_have_64_bits():
    window = Binning(0.0, 1.0, 0.5, "left", "count", "refuse", "refuse")
    found = sparse([np.array([0.2, 0.3])], [np.array([1, 1])], 2, window)
    assert [a.dtype for a in found[:4]] == [np.int64] * 4


def test_an_equal_time_constant_is_no_warning(recwarn):
    tau = binning.time_constant("beta", 0.9, 1e-3)
    assert binning.time_constant("beta", 0.9, 1e-3, meant=tau, tolerance=0.0) == tau
    assert not recwarn.list


@pytest.mark.parametrize("end, dt, closed, time, counts", [
    (0.9, 0.3, "right", 0.9, [0, 0, 1]), (0.3, 0.1, "left", 0.3, [0, 0, 0])])
def test_the_last_step_ends_at_the_end_of_the_window(end, dt, closed, time, counts):
    """Here, rounding separates t0 + T dt from t1."""
    binning = Binning(0.0, end, dt, closed, "count", "drop", "refuse")
    assert 3 * dt != end
    assert dense([np.array([time])], [np.array([0])], 1, binning).ravel().tolist() \
        == counts


def test_more_cells_than_64_bits_are_refused():
    options = binning.Binning(0.0, 1.0, 0.1, "left", "count", "drop", "refuse")
    times, units = [np.array([0.95])], [np.array([5])]
    assert binning.sparse(times, units, 2 ** 59, options).step.tolist() == [9]
    for channels in (2 ** 60, 2 ** 62):
        with pytest.raises(ValueError, match=r"^channels is \d+: must be below \d+, "
                                             "for 1 recordings of 10 steps"):
            binning.sparse(times, units, channels, options)
