"""Latency and Poisson codes: by hand, by loops, statistics, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from proofs import proves
from tolerances import RTOL

from refsnn.encoding import Events, latency, latency_events, poisson

SEEDS = st.integers(0, 2 ** 32 - 1)
DTYPES = st.sampled_from([np.float32, np.float64])


# latency

@proves("encoding", 1, 2)
def test_latency_by_hand():
    # 20 ms log(1 / 0.8) = 4.46 ms, log(0.4 / 0.2) = 13.86 ms,
    # log(0.25 / 0.05) = 32.2 ms, log(0.21 / 0.01) = 60.9 ms
    spikes = latency(np.array([[1.0, 0.4], [0.25, 0.21]]), 100)
    assert spikes.shape == (100, 2, 2) and spikes.dtype == np.float64
    assert np.argwhere(spikes).tolist() == [[4, 0, 0], [13, 0, 1], [32, 1, 0],
                                            [60, 1, 1]]


def test_latency_window_is_half_open():
    value = np.array([[0.4]])           # 13.86 steps: in step 13, counted from 0
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


@proves("encoding", 1, 2)
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
def test_events_equal_the_dense_form(seed, T, B, m, dtype):
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


@proves("encoding", 1, 2)
def test_the_latency_of_float32_is_computed_in_float64():
    value = np.array([[0.20226730406284332]], np.float32)
    excess = float(value[0, 0]) - float(np.float32(0.2))
    exact = 2000 * math.log1p(float(np.float32(0.2)) / excess)
    assert 8981.9 < exact < 8982
    assert latency_events(value, 10 ** 4, dt=1e-5).step.tolist() == [8981]


# Poisson

@proves("encoding", 3)
@given(SEEDS, st.integers(1, 20), st.integers(1, 3), st.integers(1, 5), DTYPES)
def test_poisson_certain_and_impossible_rates(seed, T, B, m, dtype):
    rng = np.random.default_rng(seed)
    rates = (1000.0 * rng.integers(0, 2, (B, m))).astype(dtype)
    before = rates.copy()
    spikes = poisson(rates, T, 1e-3, rng)
    assert spikes.shape == (T, B, m) and spikes.dtype == dtype
    assert_array_equal(spikes, np.broadcast_to(rates / 1000, (T, B, m)))
    assert_array_equal(rates, before)


@proves("encoding", 3)
def test_poisson_rates_are_right_within_five_standard_errors():
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
def test_poisson_spikes_depend_only_on_the_seed(seed):
    rates = np.full((2, 30), 300.0)
    runs = [poisson(r, 10, 1e-3, np.random.default_rng(seed), dtype=d)
            for r, d in ((rates, None), (rates, np.float32),
                         (np.broadcast_to(rates, (10, 2, 30)), None))]
    assert runs[1].dtype == np.float32
    for other in runs[1:]:
        assert_array_equal(runs[0], other)
    assert 0 < runs[0].mean() < 1
    assert np.any(runs[0] != poisson(rates, 10, 1e-3, np.random.default_rng(seed + 1)))


def test_rates_of_one_step_are_refused():
    with pytest.raises(ValueError, match="^rates_hz has shape"):
        poisson(np.ones((1, 2, 2)), 3, 1e-3, np.random.default_rng(0))
