"""Activity regularisers: values by hand, derivatives by differences."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import SEEDS, spike_trains
from tolerances import RTOL, RTOL_FD

from refsnn import checks, regularisers
from refsnn.regularisers import burst, lower_bound, total, upper_bound

BOUNDED = pytest.mark.parametrize("bounded, sign", [(lower_bound, -1),
                                                    (upper_bound, 1)])
PER = st.sampled_from(("neuron", "population"))
POWER = st.sampled_from((1, 2))
EPS32 = float(np.finfo(np.float32).eps)


def three_neurons():
    """Counts (b, i): 3 0 1 and 0 0 2."""
    spikes = np.zeros((4, 2, 3))
    spikes[1:, 0, 0] = spikes[2, 0, 2] = spikes[:2, 1, 2] = 1
    return spikes


@pytest.mark.parametrize("f, per, bound, power, value, slopes", [
    (lower_bound, "neuron", 2, 2, (4 + 1 + 4 + 4) / 6,
     [[0, -4 / 6, -2 / 6], [-4 / 6, -4 / 6, 0]]),
    (lower_bound, "neuron", 2, 1, (2 + 1 + 2 + 2) / 6,
     [[0, -1 / 6, -1 / 6], [-1 / 6, -1 / 6, 0]]),
    (upper_bound, "neuron", 1, 2, (4 + 1) / 6, [[4 / 6, 0, 0], [0, 0, 2 / 6]]),
    (upper_bound, "neuron", 1, 1, 3 / 6, [[1 / 6, 0, 0], [0, 0, 1 / 6]]),
    (lower_bound, "population", 1, 2, (1 / 9) / 2, [[0] * 3, [-1 / 9] * 3]),
    (upper_bound, "population", 1, 2, (1 / 9) / 2, [[1 / 9] * 3, [0] * 3]),
    (upper_bound, "population", 1, 1, (1 / 3) / 2, [[1 / 6] * 3, [0] * 3]),
])
def test_bounds_by_hand(f, per, bound, power, value, slopes):
    got, dspikes = f(three_neurons(), bound, per, power)
    assert got == pytest.approx(value, rel=RTOL)
    scale = np.abs(slopes).max()
    np.testing.assert_allclose(dspikes, np.broadcast_to(
        np.array(slopes)[None], (4, 2, 3)), rtol=RTOL, atol=RTOL * scale)


def test_defaults_are_neurons_below_and_the_population_above():
    spikes = three_neurons()
    assert lower_bound(spikes, 2)[0] == lower_bound(spikes, 2, "neuron", 2)[0]
    assert upper_bound(spikes, 1)[0] == upper_bound(spikes, 1, "population", 2)[0]


def test_burst_and_total_by_hand():
    spikes = three_neurons()
    value, dspikes = burst(spikes)
    assert value == pytest.approx((9 + 1 + 4) / 6, rel=RTOL)
    np.testing.assert_allclose(
        dspikes, np.broadcast_to([[[1, 0, 1 / 3], [0, 0, 2 / 3]]], (4, 2, 3)),
        rtol=RTOL)
    value, dspikes = total(spikes)
    assert value == 3.0 and (dspikes == 0.5).all() and dspikes.shape == (4, 2, 3)


@BOUNDED
@given(drawn=spike_trains(), per=PER, power=POWER, seed=SEEDS)
def test_derivatives_of_the_bounds(bounded, sign, drawn, per, power, seed):
    spikes, _ = drawn
    rng = np.random.default_rng(seed)
    counts = spikes.sum(axis=0)
    if per == "population":
        counts = counts.mean(axis=1)
    bound = rng.uniform(counts.min(), counts.max() + 0.5) if sign < 0 \
        else rng.uniform(max(0, counts.min() - 0.5), counts.max())
    margin = np.abs(counts - bound).min()
    assume(margin > 1e-2)
    value, dspikes = bounded(spikes, bound, per, power)
    violated = sign * (counts - bound) > 0
    assume(violated.any())
    assert value > 0 and dspikes.any()

    def f(s):
        return bounded(s, bound, per, power)[0]

    checks.gradient(f, spikes, dspikes, rtol=RTOL_FD, margin=margin)
    checks.directional(f, spikes, dspikes, rng, rtol=RTOL_FD, margin=margin)
    if power == 2:
        direction = rng.standard_normal(spikes.shape)
        assert checks.taylor_slope(f, spikes, dspikes, direction,
                                   start=1e-3 * margin) > 1.9
    with pytest.raises(AssertionError):
        checks.gradient(f, spikes, 1.001 * dspikes, rtol=RTOL_FD)


@given(spike_trains(), SEEDS)
def test_derivatives_of_burst_and_total(drawn, seed):
    spikes, _ = drawn
    rng = np.random.default_rng(seed)
    for f in (burst, total):
        value, dspikes = f(spikes)
        assert value > 0
        checks.gradient(lambda s, f=f: f(s)[0], spikes, dspikes, rtol=RTOL_FD)
        checks.directional(lambda s, f=f: f(s)[0], spikes, dspikes, rng, rtol=RTOL_FD)
        assert checks.taylor_slope(lambda s, f=f: f(s)[0], spikes, dspikes,
                                   rng.standard_normal(spikes.shape)) > 1.9


@BOUNDED
@pytest.mark.parametrize("per", ["neuron", "population"])
@pytest.mark.parametrize("power", [1, 2])
def test_a_bound_met_exactly_has_no_derivative(bounded, sign, per, power):
    spikes = np.zeros((4, 2, 3))
    spikes[:2] = 1                                       # all counts are 2
    value, dspikes = bounded(spikes, 2, per, power)
    assert value == 0 and not dspikes.any()
    value, dspikes = bounded(spikes, 2 - sign, per, power)
    assert value == 1 and (sign * dspikes > 0).all()
    value, dspikes = bounded(spikes, 2 + sign, per, power)
    assert value == 0 and not dspikes.any()


@given(spike_trains(), PER, POWER)
def test_values_are_batch_means(drawn, per, power):
    spikes, _ = drawn
    B = spikes.shape[1]
    for f in (burst, total, lambda s: lower_bound(s, 3.3, per, power),
              lambda s: upper_bound(s, 0.7, per, power)):
        value, dspikes = f(spikes)
        columns = [f(spikes[:, [b]]) for b in range(B)]
        assert value == pytest.approx(np.mean([c[0] for c in columns]), rel=RTOL)
        np.testing.assert_allclose(
            dspikes, np.concatenate([c[1] for c in columns], axis=1) / B, rtol=RTOL)


@given(spike_trains(), st.floats(0.5, 6.0))
def test_published_terms_of_other_scale(drawn, bound):
    spikes, _ = drawn
    T, B, n = spikes.shape
    assert B * total(spikes)[0] == pytest.approx(spikes.sum(), rel=RTOL)
    strung, dstrung = burst(spikes.reshape(T * B, 1, n))
    batch_counts = spikes.sum(axis=(0, 1))
    assert strung == pytest.approx(np.mean(batch_counts ** 2), rel=RTOL)
    np.testing.assert_allclose(
        dstrung.reshape(T, B, n),
        np.broadcast_to(2 * batch_counts / n, spikes.shape), rtol=RTOL)
    layer = np.mean(np.maximum(0, spikes.sum(axis=(0, 2)) - bound) ** 2)
    ours = n * n * upper_bound(spikes, bound / n, "population")[0]
    assert ours == pytest.approx(layer, rel=RTOL, abs=RTOL)


def test_one_neuron_is_its_population():
    spikes = three_neurons()[:, :, :1]
    for f in (lower_bound, upper_bound):
        neuron, population = f(spikes, 1, "neuron"), f(spikes, 1, "population")
        assert neuron[0] == population[0] > 0
        np.testing.assert_array_equal(neuron[1], population[1])


ALL = {"burst": burst, "total": total, "lower": lambda s: lower_bound(s, 2.5),
       "upper": lambda s: upper_bound(s, 0.4),
       "lower L1": lambda s: lower_bound(s, 2.5, "population", 1),
       "upper L1": lambda s: upper_bound(s, 0.4, "neuron", 1)}


@pytest.mark.parametrize("name", ALL)
def test_float32_is_kept_and_inputs_too(name):
    spikes = three_neurons()
    spikes.setflags(write=False)
    value, dspikes = ALL[name](spikes)
    value32, dspikes32 = ALL[name](spikes.astype(np.float32))
    assert isinstance(value, float) and isinstance(value32, float) and value > 0
    assert dspikes.dtype == np.float64 and dspikes32.dtype == np.float32
    assert value32 == pytest.approx(value, rel=8 * EPS32)
    np.testing.assert_allclose(dspikes32, dspikes, rtol=8 * EPS32)
    dspikes += 1            # writable, and no view of anything


@pytest.mark.parametrize("bad, message", [
    (np.zeros((4, 2, 3), bool), "spikes is of dtype bool: must be float32 or float64"),
    (np.zeros((4, 2)), r"spikes is of shape \(4, 2\): must be \(T, B, n\), none"),
    (np.zeros((4, 0, 3)), r"spikes is of shape \(4, 0, 3\): must be \(T, B, n\), none"),
    (np.full((4, 2, 3), np.nan), "spikes has NaN or infinite entries: must be finite"),
])
@pytest.mark.parametrize("name", ALL)
def test_bad_spikes_are_refused(name, bad, message):
    with pytest.raises(ValueError, match=message):
        ALL[name](bad)


@BOUNDED
def test_bad_options_are_refused(bounded, sign):
    spikes = three_neurons()
    assert np.isfinite(bounded(spikes, 0)[0])
    for bad in (-1, np.nan, np.inf, "1", None, [1, 2, 3]):
        with pytest.raises(ValueError, match="bound is .*: must be a finite number"):
            bounded(spikes, bad)
    for bad in ("unit", None, 1, np.ones(2), ["neuron"]):
        with pytest.raises(ValueError, match="per is .*: must be 'neuron' or"):
            bounded(spikes, 1, bad)
    for bad in (0, 3, 1.5, "2", None, True, np.ones(2)):
        with pytest.raises(ValueError, match="power is .*: must be 1 or 2"):
            bounded(spikes, 1, "neuron", bad)


def test_surface():
    assert sorted(regularisers.__all__) == ["burst", "lower_bound", "total",
                                            "upper_bound"]
