"""SuperSpike tasks: target trains, classification errors, cost and clipping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from strategies import SEEDS, spike_trains
from tolerances import RTOL

from figures.superspike.signals import classification, clipped, cost, spike_train

FLOATS = st.sampled_from((np.float32, np.float64))


# --- trains --------------------------------------------------------------------

@given(spike_trains(), st.sampled_from((1e-4, 1e-3, 0.3)), st.floats(-0.45, 0.45))
def test_times_and_trains_agree(drawn, dt, jitter):
    spikes, _ = drawn
    T, B, n = spikes.shape
    events = []
    for b in range(B):
        step, unit = np.nonzero(spikes[:, b])
        events.append((np.maximum(step + jitter, 0) * dt, unit))
    assert (spike_train(events, T, n, dt) == spikes).all()
    events[0] = (np.append(events[0][0], (T - 0.4) * dt), np.append(events[0][1], 0))
    with pytest.raises(ValueError, match=r"events\[0\]: times .* within the trial"):
        spike_train(events, T, n, dt)


def test_times_of_published_trains_fall_on_their_steps():
    """0.083 / 1e-4 is a little above 830, 0.0003 / 1e-4 a little below 3."""
    train = spike_train([([3e-4, 0.083, 0.166], [0, 0, 0])], 5000, 1, 1e-4)
    assert np.flatnonzero(train).tolist() == [3, 830, 1660]
    assert spike_train([([], [])], 3, 2, 1.0, bool).dtype == bool
    assert spike_train([([1], [1])], 3, 2, 1.0, np.float32).dtype == np.float32


@pytest.mark.parametrize("times, units, match", [
    ([0.2, 0.1], [0, 0], r"\[0.2, 0.1\] s: must be .*sorted"),
    ([-0.1], [0], r"\[-0.1\] s: must be finite, at least 0"),
    ([np.nan], [0], r"\[nan\] s: must be finite"),
    ([np.inf, np.inf], [0, 0], r"\[inf, inf\] s: must be finite"),
    ([5.0], [0], r"\[5.0\] s: must be .*within the trial, whose last step is at 4.0"),
    ([0.1], [3], r"units are \[3\]: must be in 0 .. 2"),
    ([0.1], [-1], r"units are \[-1\]: must be in"),
    ([1.0, 1.1], [2, 2], "spikes twice in a step"), ([0.1], [0.0], "units of shape"),
    ([0.1, 0.2], [0], "units of shape"), ([[0.1]], [[0]], "times of shape"),
    (["1"], [0], "times of shape")])
def test_bad_times_and_units_are_refused(times, units, match):
    with pytest.raises(ValueError, match=match):
        spike_train([([0.0], [0]), (times, units)], 5, 3, 1.0)


@pytest.mark.parametrize("arguments, match", [
    (([], 5, 3, 1.0), "events is"), (([([0.1],)], 5, 3, 1.0), "events is"),
    ((3, 5, 3, 1.0), "events is"), (([([], [])], 0, 3, 1.0), "T is 0"),
    (([([], [])], 5, 2.0, 1.0), "n is 2.0"), (([([], [])], 5, 3, 0.0), "dt is 0.0"),
    (([([], [])], 5, 3, 1.0, int), "dtype is"), (([([], [])], True, 3, 1.0), "T is")])
def test_bad_sizes_of_a_train_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        spike_train(*arguments)


# --- classification ------------------------------------------------------------

def one_by_one(heard, spikes, labels, ends, outside):
    """Return the signal of a loop over steps and units."""
    heard, signal = heard.copy(), np.zeros_like(spikes)
    for t, b, i in np.ndindex(spikes.shape):
        label = labels[t, b]
        if spikes[t, b, i] and i != label and (label >= 0 or outside == "wrong"):
            signal[t, b, i] = -1
        if spikes[t, b, i] and i == label:
            heard[b] = True
        if i == spikes.shape[2] - 1 and ends[t, b]:
            if not heard[b]:
                signal[t, b, label] = 1
            heard[b] = False
    return heard, signal


def drawn_windows(rng, T, B, k):
    """Return labels and ends of windows of random lengths and gaps."""
    labels, ends = np.full((T, B), -1), np.zeros((T, B), bool)
    for b in range(B):
        t = rng.integers(0, 4)
        while t < T:
            stop = t + rng.integers(1, 7)
            labels[t:stop, b] = rng.integers(0, k)
            if stop <= T:
                ends[stop - 1, b] = True
            t = stop + rng.integers(0, 4)
    return labels, ends


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 39),
       st.sampled_from(("free", "wrong")), FLOATS)
def test_classification_equals_a_loop_over_steps_for_any_blocks(seed, B, k, cut,
                                                                outside, dtype):
    rng = np.random.default_rng(seed)
    spikes = (rng.random((40, B, k)) < 0.15).astype(dtype)
    labels, ends = drawn_windows(rng, 40, B, k)
    heard = np.zeros(B, bool)
    expected = one_by_one(heard, spikes, labels, ends, outside)
    parts = []
    for part in (slice(0, cut), slice(cut, 40)):
        heard, signal = classification(heard, spikes[part], labels[part], ends[part],
                                       outside=outside)
        parts.append(signal)
    signal = np.concatenate(parts)
    assert (signal == expected[1]).all() and (heard == expected[0]).all()
    assert signal.any() and signal.dtype == dtype


def test_classification_by_hand():
    """A miss, a hit, a wrong spike, and a spike while no window is open."""
    spikes = np.zeros((8, 1, 2))
    spikes[3, 0, 1] = spikes[4, 0, 0] = spikes[6, 0, 0] = 1
    labels = np.array([0, 0, 1, 1, 1, -1, -1, -1])[:, None]
    ends = np.array([0, 1, 0, 0, 1, 0, 0, 0], bool)[:, None]
    heard, signal = classification(np.array([False]), spikes, labels, ends)
    assert signal[:, 0].tolist() == [[0, 0], [1, 0], [0, 0], [0, 0], [-1, 0], [0, 0],
                                     [0, 0], [0, 0]]
    wrong = classification(np.array([False]), spikes, labels, ends, outside="wrong")[1]
    assert np.argwhere(wrong != signal).tolist() == [[6, 0, 0]] and wrong[6, 0, 0] == -1
    early = classification(np.array([True]), spikes, labels, ends)[1]
    assert np.argwhere(early != signal).tolist() == [[1, 0, 0]] and not early[1].any()


GOOD = {"heard": np.zeros(1, bool), "spikes": np.zeros((2, 1, 2)),
        "labels": np.zeros((2, 1), int), "ends": np.array([[False], [True]])}


@pytest.mark.parametrize("bad, match", [
    ({"labels": np.full((2, 1), 2)}, "labels is from 2 to 2: must be in -1 .. 1"),
    ({"labels": np.full((2, 1), -2)}, "labels is from -2"),
    ({"labels": np.zeros((2, 2), int)}, "labels is of shape"),
    ({"labels": np.zeros((2, 1))}, "labels is of shape"),
    ({"labels": np.array([[0], [1]])}, "ends is True between windows, or False"),
    ({"labels": np.full((2, 1), -1)}, "ends is True between windows"),
    ({"ends": np.zeros((2, 1))}, "ends is of shape"),
    ({"ends": np.zeros((1, 1), bool)}, "ends is of shape"),
    ({"heard": np.zeros(2, bool)}, "heard is of shape"),
    ({"heard": np.zeros(1)}, "heard is of shape"),
    ({"spikes": np.zeros((2, 1))}, "spikes is of shape"),
    ({"spikes": np.full((2, 1, 2), np.nan)}, "spikes has NaN"),
    ({"outside": "right"}, "outside is 'right'")])
def test_bad_windows_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        classification(**{**GOOD, **bad})


# --- cost ----------------------------------------------------------------------

@given(SEEDS, st.integers(1, 19), st.floats(0.01, 100.0), FLOATS)
def test_cost_is_a_weighted_mean_for_any_blocks(seed, cut, tau, dtype):
    rng = np.random.default_rng(seed)
    error = rng.normal(size=(20, 2, 3)).astype(dtype)
    decay, running, parts = np.exp(-0.1 / tau), None, []
    for part in (error[:cut], error[cut:]):
        running, values = cost(running, part, 0.1, tau=tau)
        parts.append(values)
    values = np.concatenate(parts)
    square = np.mean(error.astype(float) ** 2, axis=2)
    sums = [lfilter([1.0], [1.0, -decay], s, axis=0) for s in (square, 0 * square + 1)]
    rtol = RTOL if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(values, sums[0] / sums[1], rtol=rtol)
    assert values.dtype == dtype and running.shape == (2, 2)
    root = cost(None, error, 0.1, tau=tau, root=True)[1]
    np.testing.assert_allclose(root ** 2, values, rtol=rtol)


@pytest.mark.parametrize("change, match", [
    ({"error": np.ones((2, 3))}, "error is of shape"), ({"dt": 0.0}, "dt is 0.0"),
    ({"error": np.full((2, 1, 1), np.nan)}, "error has NaN"),
    ({"tau": -1.0}, "tau is -1.0"), ({"tau": np.inf}, "tau is inf"),
    ({"root": 1}, "root is 1"), ({"running": np.ones((2, 2))}, "running is of shape")])
def test_a_bad_cost_is_refused(change, match):
    options = {"running": None, "error": np.ones((2, 1, 1)), "dt": 1e-4, **change}
    with pytest.raises(ValueError, match=match):
        cost(**options)


# --- clipping ------------------------------------------------------------------

@given(SEEDS, st.floats(0.01, 2.0), FLOATS)
def test_clipping(seed, bound, dtype):
    W, update = np.random.default_rng(seed).normal(size=(2, 2, 3, 4)).astype(dtype)
    W = clipped(W, 0 * W, bound)
    new = clipped(W, update, bound)
    assert new.dtype == dtype and (np.abs(new) <= dtype(bound)).all()
    inside = np.abs(W + update) < bound
    assert (new[inside] == (W + update)[inside]).all()
    assert (np.sign(new[~inside]) == np.sign((W + update)[~inside])).all()
    slack = 1 + 4 * np.finfo(dtype).eps
    assert (np.abs(new - W) <= np.abs(update) * slack + np.finfo(dtype).eps).all()


@pytest.mark.parametrize("arguments, match", [
    ((np.ones((1, 2, 3)), np.ones((1, 3, 2))), "update is of shape"),
    ((np.ones((2, 3)), np.ones((2, 3))), "W is of shape"),
    ((np.ones((1, 2, 3)), np.full((1, 2, 3), np.nan)), "update has NaN"),
    ((np.ones((1, 2, 3)), np.ones((1, 2, 3)), 0.0), "bound is 0.0")])
def test_bad_clipping_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        clipped(*arguments)
