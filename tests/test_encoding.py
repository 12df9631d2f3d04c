"""Encodings: spikes by hand, independent loops, statistics, bad input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from tolerances import RTOL

from refsnn import encoding
from refsnn.encoding import Events, bin_events, latency, latency_events, poisson

SEEDS = st.integers(0, 2 ** 32 - 1)
DTYPES = st.sampled_from([np.float32, np.float64])


# latency

def test_latency_by_hand():
    # 20 ms log(1 / 0.8) = 4.46 ms, log(0.4 / 0.2) = 13.86 ms,
    # log(0.25 / 0.05) = 32.2 ms, log(0.21 / 0.01) = 60.9 ms
    spikes = latency(np.array([[1.0, 0.4], [0.25, 0.21]]), 100)
    assert spikes.shape == (100, 2, 2) and spikes.dtype == np.float64
    assert np.argwhere(spikes).tolist() == [[4, 0, 0], [13, 0, 1], [32, 1, 0],
                                            [60, 1, 1]]


def test_latency_window_is_half_open():
    value = np.array([[0.4]])           # 13.86 steps: the 14th step, number 13
    assert latency(value, 13).sum() == 0
    assert latency(value, 14)[13].sum() == 1
    # time and step exact: tau log 2 = 4 dt
    exact = {"tau": 4.0 / math.log(2), "threshold": 0.5, "dt": 1.0}
    assert latency_events(np.array([[1.0]]), 9, **exact).step.tolist() == [4]


def test_values_at_or_below_threshold_are_silent():
    for dtype in (np.float32, np.float64):
        at = dtype(0.2)
        values = np.array([[at, np.nextafter(at, dtype(0)), 0.0, -1.0]], dtype)
        assert latency(values, 10 ** 4).sum() == 0
        above = np.array([[np.nextafter(at, dtype(1))]], dtype)
        assert latency(above, 10 ** 4).sum() == 1
        # 20 steps times log(threshold / spacing), about 16 and 36
        exact = 20 * math.log(float(above[0, 0]) / float(np.spacing(at)))
        assert latency_events(above, 10 ** 4).step.tolist() == [math.floor(exact)]


@given(SEEDS, st.integers(1, 60), st.integers(1, 3), st.integers(1, 6), DTYPES,
       st.floats(1e-3, 0.1), st.floats(0.05, 0.9), st.floats(5e-4, 1e-2))
def test_latency_against_one_value_at_a_time(seed, T, B, m, dtype, tau, threshold, dt):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.5, 2.0, (B, m)).astype(dtype)
    values[rng.random((B, m)) < 0.2] = threshold
    before = values.copy()
    spikes = latency(values, T, tau=tau, threshold=threshold, dt=dt)
    assert spikes.dtype == dtype and spikes.shape == (T, B, m)
    assert_array_equal(values, before)
    tie = float(dtype(threshold))
    for b, i in np.ndindex(B, m):
        steps = np.flatnonzero(spikes[:, b, i]).tolist()
        v = float(values[b, i])
        if v <= tie:
            assert steps == []
            continue
        exact = tau * math.log(v / (v - tie)) / dt
        near = {math.floor(exact * (1 - RTOL)), math.floor(exact * (1 + RTOL))}
        assert steps in [[s] if s < T else [] for s in near]
    assert set(np.unique(spikes)) <= {0.0, 1.0}


@given(SEEDS, st.integers(1, 60), st.integers(1, 4), st.integers(1, 8), DTYPES)
def test_events_are_the_ones_of_the_dense_form(seed, T, B, m, dtype):
    values = np.random.default_rng(seed).uniform(0, 1, (B, m)).astype(dtype)
    events, dense = latency_events(values, T), latency(values, T)
    assert isinstance(events, Events)
    assert all(index.dtype == np.int64 for index in events)
    assert_array_equal(np.argwhere(dense), np.stack(events, axis=1))    # the order too


def test_events_of_a_live_batch():
    values = np.random.default_rng(1).uniform(0, 1, (20, 50))
    events = latency_events(values, 100)
    assert 0.7 * values.size < len(events.step) < 0.9 * values.size
    assert np.all(np.diff(events.step) >= 0) and len(set(events.step.tolist())) > 20


@given(SEEDS, DTYPES)
def test_larger_values_never_come_later(seed, dtype):
    values = np.random.default_rng(seed).uniform(0.25, 1, (1, 30))
    values = np.sort(values).astype(dtype)
    steps = latency(values, 100).argmax(axis=0)[0]
    assert np.all(np.diff(steps) <= 0) and steps[0] > steps[-1]


def test_latency_dtypes():
    for kind in (np.float32, np.float64):
        values = np.array([[1.0]], kind)
        assert latency(values, 10).dtype == kind
        for wanted in (np.float32, np.float64, "float32"):
            assert latency(values, 10, dtype=wanted).dtype == np.dtype(wanted)


def test_extreme_values_of_latency():
    above = np.nextafter(1e-300, 1.0)
    values = np.array([[1e308, above]])
    events = latency_events(values, 1000, threshold=1e-300)
    exact = 20 * math.log(above / (above - 1e-300))     # the difference is exact
    assert events.step.tolist() == [0, math.floor(exact)]


# Poisson

@given(SEEDS, st.integers(1, 20), st.integers(1, 3), st.integers(1, 5), DTYPES)
def test_poisson_certain_and_impossible_rates(seed, T, B, m, dtype):
    rng = np.random.default_rng(seed)
    rates = (1000.0 * rng.integers(0, 2, (B, m))).astype(dtype)
    before = rates.copy()
    spikes = poisson(rates, T, 1e-3, rng)
    assert spikes.shape == (T, B, m) and spikes.dtype == dtype
    assert_array_equal(spikes, np.broadcast_to(rates / 1000, (T, B, m)))
    assert_array_equal(rates, before)


def test_poisson_rates_are_met_within_five_standard_errors():
    T, rates = 20000, np.array([[5.0, 50.0, 400.0]])
    spikes = poisson(rates, T, 1e-3, np.random.default_rng(2))
    p = rates[0] * 1e-3
    error = np.sqrt(p * (1 - p) / T)
    assert np.all(np.abs(spikes.mean(axis=(0, 1)) - p) < 5 * error)
    # neighbouring steps are independent
    s = spikes[:, 0, 2] - p[2]
    assert abs(np.mean(s[1:] * s[:-1])) < 5 * p[2] * (1 - p[2]) / math.sqrt(T)


def test_poisson_rates_step_by_step():
    rates = np.zeros((6, 2, 3))
    rates[1::2] = 500.0
    spikes = poisson(rates, 6, 2e-3, np.random.default_rng(1))
    assert_array_equal(spikes, rates / 500)


def test_a_draw_at_the_rate_is_no_spike():
    class Fixed(np.random.Generator):
        def random(self, size):
            return np.full(size, 0.25)

    rates = np.array([[0.25, 0.26]])
    assert poisson(rates, 1, 1.0, Fixed(np.random.PCG64(1))).tolist() == [[[0.0, 1.0]]]


@given(SEEDS)
def test_poisson_is_the_seeds_alone(seed):
    rates = np.full((2, 30), 300.0)
    runs = [poisson(r, 10, 1e-3, np.random.default_rng(seed), dtype=d)
            for r, d in ((rates, None), (rates, np.float32),
                         (np.broadcast_to(rates, (10, 2, 30)), None))]
    assert runs[1].dtype == np.float32
    for other in runs[1:]:
        assert_array_equal(runs[0], other)
    assert 0 < runs[0].mean() < 1
    assert np.any(runs[0] != poisson(rates, 10, 1e-3, np.random.default_rng(seed + 1)))


# bins

def test_bins_by_hand():
    times = np.array([0.0, 0.4999, 0.5, 0.75, 0.6])
    units = np.array([0, 1, 2, 2, 0])
    expected = [[1, 1, 0], [1, 0, 2]]
    assert bin_events(times, units, 2, 3, dt=0.5).tolist() == expected
    clipped = bin_events(times, units, 2, 3, dt=0.5, duplicates="clip")
    assert clipped.tolist() == [[1, 1, 0], [1, 0, 1]]


def test_bin_edges_are_half_open_and_the_last_one_is_outside():
    edges = np.arange(4) * 0.25
    units = np.zeros(3, int)
    assert bin_events(edges[:3], units, 3, 1, dt=0.25).ravel().tolist() == [1, 1, 1]
    below = np.nextafter(edges[1:], 0)
    assert bin_events(below, units, 3, 1, dt=0.25).ravel().tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"times_s\[0\] is 0.75: must be in \[0.0, 0"):
        bin_events(edges[3:], units[:1], 3, 1, dt=0.25)


def test_events_outside_are_dropped_by_name_only():
    times, units = np.array([0.1, 0.3, 0.9, 1.5]), np.array([0, 0, 0, 0])
    with pytest.raises(ValueError, match=r"times_s\[0\] is 0.1: .*outside='drop'"):
        bin_events(times, units, 2, 1, dt=0.5, start=0.25)
    kept = bin_events(times, units, 2, 1, dt=0.5, start=0.25, outside="drop")
    assert kept.ravel().tolist() == [1, 1]


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
    got = bin_events(times, units, T, m, dt=dt, start=start, outside="drop",
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
    counts = bin_events(times, units, 7, 3, dt=0.15)
    assert counts.sum() == 50 and counts.max() > 1
    assert_array_equal(counts, bin_events(times[order], units[order], 7, 3, dt=0.15))


def test_float16_times_are_widened():
    # in float16, 0.9 s / 1e-6 s is infinite, and 0.9 is 0.89990234375
    times = np.array([0.9, 0.0005], np.float16)
    counts = bin_events(times, np.array([0, 1], np.uint16), 10 ** 6, 2, dt=1e-6)
    assert np.argwhere(counts).tolist() == [[500, 1], [899902, 0]]


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i4", "u8", "i8"])
def test_units_of_any_integer_type(kind):
    times, units = np.array([0.5, 299.5]), np.array([100, 3], kind)
    counts = bin_events(times, units, 300, 101, dt=1.0)
    assert np.argwhere(counts).tolist() == [[0, 100], [299, 3]]


def test_no_events_at_all():
    none = bin_events(np.zeros(0), np.zeros(0, int), 3, 2, dt=1.0)
    assert none.tolist() == [[0, 0]] * 3


# refusals

GOOD = np.array([[0.5, 1.0]])


@pytest.mark.parametrize("function", [latency, latency_events])
@pytest.mark.parametrize("change, match", [
    ({"values": np.array([0.5])}, r"values is of shape \(1,\): must be \(B, m\)"),
    ({"values": np.zeros((0, 3))}, "not empty"),
    ({"values": np.zeros((2, 2), int)}, "values is of dtype int64"),
    ({"values": GOOD.astype(np.float16)}, "values is of dtype float16"),
    ({"values": np.array([[np.nan]])}, "values has NaN"),
    ({"values": np.array([[np.inf]])}, "values has NaN or infinite"),
    ({"T": 0}, "T is 0"), ({"T": 2.0}, "T is 2.0"), ({"T": True}, "T is True"),
    ({"tau": 0.0}, "tau is 0.0"), ({"tau": np.nan}, "tau is nan"),
    ({"threshold": -0.1}, "threshold is -0.1"),
    ({"threshold": "x"}, "threshold is 'x'"),
    ({"dt": np.inf}, "dt is inf"), ({"dt": np.ones(2)}, "dt is array"),
    ({"dt": None}, "dt is None"), ({"tau": 10**400}, "tau is 1000"),
])
def test_latency_refuses(function, change, match):
    arguments = {"values": GOOD, "T": 10, **change}
    with pytest.raises(ValueError, match=match):
        function(**arguments)


@pytest.mark.parametrize("dtype", [np.float16, int, bool, complex, "yes", 32])
def test_dtypes_refused(dtype):
    with pytest.raises(ValueError, match="dtype is .*must be float32 or float64"):
        latency(GOOD, 10, dtype=dtype)
    with pytest.raises(ValueError, match="dtype is .*must be float32 or float64"):
        poisson(GOOD, 10, 1e-3, np.random.default_rng(1), dtype=dtype)
    with pytest.raises(ValueError, match="dtype is .*must be float32 or float64"):
        bin_events(GOOD[0], np.array([0, 0]), 2, 1, dt=1.0, dtype=dtype)


@pytest.mark.parametrize("change, match", [
    ({"rates_hz": np.array([[-1.0]])}, "rates_hz is from -1.0 to -1.0"),
    ({"rates_hz": np.array([[1001.0]])}, "must be from 0 to 1/dt = 1000"),
    ({"rates_hz": np.array([[np.nan]])}, "rates_hz has NaN"),
    ({"rates_hz": np.ones(3)}, r"must be \(B, m\) or \(T, B, m\)"),
    ({"rates_hz": np.ones((2, 2), int)}, "dtype int64"),
    ({"rates_hz": np.ones((4, 1, 2))}, "with T = 10"),
    ({"T": -1}, "T is -1"), ({"dt": 0}, "dt is 0"),
    ({"rng": 1}, "rng is 1: must be a numpy.random.Generator"),
    ({"rng": np.random.RandomState(1)}, "rng is"),
])
def test_poisson_refuses(change, match):
    arguments = {"rates_hz": GOOD, "T": 10, "dt": 1e-3,
                 "rng": np.random.default_rng(1), **change}
    with pytest.raises(ValueError, match=match):
        poisson(**arguments)


@pytest.mark.parametrize("change, match", [
    ({"times_s": np.array([0.1, -1e-9])}, r"is -1e-09: must be finite and not"),
    ({"times_s": np.array([np.nan, 0.1])}, r"times_s\[0\] is nan"),
    ({"times_s": np.array([0.1, np.inf])}, r"times_s\[1\] is inf"),
    ({"times_s": np.array([0.1, np.inf], np.float16)}, r"times_s\[1\] is inf"),
    ({"times_s": np.array([1, 2])}, "times_s is of shape .* int64"),
    ({"times_s": np.zeros((1, 2))}, "times_s is of shape"),
    ({"times_s": np.zeros(3)}, r"units is of shape \(2,\).* shape \(3,\)"),
    ({"units": np.array([0, 2])}, r"units\[1\] is 2: must be in 0 .. m-1 = 1"),
    ({"units": np.array([-1, 0])}, r"units\[0\] is -1"),
    ({"units": np.array([0.0, 1.0])}, "units is of shape .*float64"),
    ({"units": np.array([True, False])}, "units is of shape .*bool"),
    ({"T": 0}, "T is 0"), ({"m": 0}, "m is 0"), ({"dt": -1.0}, "dt is -1.0"),
    ({"start": np.nan}, "start is nan"), ({"start": "0"}, "start is '0'"),
    ({"start": 10**400}, "start is 1000"), ({"outside": np.ones(2)}, "outside is a"),
    ({"start": 1e17}, "dt is 1.0: must be large enough"),
    ({"duplicates": "sum"}, "duplicates is 'sum'"),
    ({"outside": "clip"}, "outside is 'clip'"),
])
def test_bin_events_refuses(change, match):
    arguments = {"times_s": np.array([0.1, 1.9]), "units": np.array([0, 1]), "T": 2,
                 "m": 2, "dt": 1.0, **change}
    with pytest.raises(ValueError, match=match):
        bin_events(**arguments)


def test_public_names():
    assert set(encoding.__all__) == {"Events", "bin_events", "latency",
                                     "latency_events", "poisson"}
