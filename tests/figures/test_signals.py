"""SuperSpike tasks: classification errors and clipping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS

from figures.superspike.signals import classification, clipped

FLOATS = st.sampled_from((np.float32, np.float64))


# --- classification ------------------------------------------------------------

def one_by_one(heard, spikes, labels, ends):
    """Return the signal of a loop over steps and units."""
    heard, signal = heard.copy(), np.zeros_like(spikes)
    for t, b, i in np.ndindex(spikes.shape):
        label = labels[t, b]
        if spikes[t, b, i] and i != label:
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


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 39), FLOATS)
def test_classification_equals_a_loop_over_steps_for_any_blocks(seed, B, k, cut, dtype):
    rng = np.random.default_rng(seed)
    spikes = (rng.random((40, B, k)) < 0.15).astype(dtype)
    labels, ends = drawn_windows(rng, 40, B, k)
    heard = np.zeros(B, bool)
    expected = one_by_one(heard, spikes, labels, ends)
    parts = []
    for part in (slice(0, cut), slice(cut, 40)):
        heard, signal = classification(heard, spikes[part], labels[part], ends[part])
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
                                     [-1, 0], [0, 0]]
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
    ({"spikes": np.full((2, 1, 2), np.nan)}, "spikes has NaN")])
def test_bad_windows_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        classification(**{**GOOD, **bad})


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
