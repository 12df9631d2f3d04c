"""Spiking XOR: stimuli, signs of the feedback, and the counts behind the claims."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS

from figures.run import seeds
from figures.superspike import fig_superspike_xor as figure
from figures.superspike import superspike_training as training


def generators(count, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(count)]


@pytest.mark.parametrize("common", [False, True])
def test_each_input_has_its_own_fixed_time(common):
    times = figure.spike_times(generators(3), common)
    assert times.shape == (3, 100) and times.min() >= 0
    assert times.max() < figure.SPAN + common           # the reference group is last
    for b in range(3):
        counts = [len(set(times[b, group])) for group in figure.GROUPS]
        assert counts == [1, 1, 1] if common else min(counts) > 20
    x, labels, ends, starts = figure.stimuli(generators(3, 1), times)
    noise = figure.NOISE_HZ * training.DT_S
    for b in range(3):
        seen, clean = set(), np.zeros((training.STEPS, 100), bool)
        for start, *present in starts[b]:
            seen.add(tuple(present))
            for group, there in zip(figure.GROUPS, (1, *present), strict=True):
                clean[start + times[b, group], group] |= bool(there)
            first = start + training.AXON
            assert (labels[first:first + figure.WINDOW, b] == sum(present) % 2).all()
            assert ends[first + figure.WINDOW - 1, b]
        assert len(starts[b]) == ends[:, b].sum() >= 7 and len(seen) >= 3
        assert x[:, b][clean].all()
        rest = x[:, b] & ~clean
        assert 0.5 * noise < rest.mean() < 1.5 * noise
        assert np.diff([start for start, *_ in starts[b]]).min() >= figure.GAPS[0]


@pytest.mark.parametrize("n", [4, 8])
def test_balanced_feedback_is_positive_for_one_output(n):
    matrix = training.feedback("random", generators(5), n, 2)
    changed = figure.balanced(matrix)
    assert changed.dtype == matrix.dtype and changed.shape == matrix.shape
    assert (np.sort(np.abs(changed), axis=2) == np.sort(np.abs(matrix), axis=2)).all()
    assert ((changed > 0).sum(axis=2) == 1).all() and (changed.sum(axis=2) > 0).all()
    assert (changed[:, 0::2, 0] > 0).all() and (changed[:, 1::2, 1] > 0).all()
    assert not (matrix.sum(axis=2) > 0).all()


def test_live_neurons_by_hand():
    fired = np.zeros((10, 2, 4))
    fired[:, 0] = [0, 1, 0, 0]          # 2 Hz
    fired[0, 0, 2] = 5                  # 1 Hz in the mean of 5 s
    fired[0, 0, 3] = 4                  # 0.8 Hz
    assert figure.live(fired).tolist() == [2, 0]


def test_solved_needs_consecutive_blocks_without_an_error():
    errors = np.ones((3 * 60, 2, 4))
    errors[:, 1] = 8
    errors[-figure.LAST:, 0, 0] = 0
    errors[-figure.LAST - 9:-9, 0, 1] = 0
    errors[-figure.LAST + 1:, 0, 2] = 0         # one block too few
    errors[:100, 0, 3] = 0                      # before the last third
    assert figure.solved(errors).tolist() == [True, True, False, False]
    assert figure.rate(errors[-figure.LAST:]).tolist() == [
        0, pytest.approx(9 / 320), 1 / 320, 1 / 8]


def test_regulariser_and_balance_belong_to_their_cases(monkeypatch):
    kept, original = [], training.accumulate
    monkeypatch.setattr(training, "accumulate", lambda layers, ran, signal, matrix: (
        kept.append((layers, matrix)), original(layers, ran, signal, matrix))[1])
    drawn = training.feedback("random", [seeds.rng(5, "superspike_xor", "feedback", r)
                                         for r in range(2)], 4, 2)
    listed = figure.jobs("full", 5, None)
    assert sorted(sum((kwargs["names"] for _, kwargs in listed), [])) == \
        sorted(figure.CASES)
    for function, kwargs in listed:
        kept.clear()
        names = kwargs["names"]
        result = function(**{**kwargs, "repeats": 2, "blocks": 2})
        hidden = figure.CASES[names[0]][1]
        assert result["fired"].shape == (2, 2 * len(names), hidden)
        k = kept[0][0][0].k
        assert (k.rho, k.zeta) == ((figure.REGULARISER["rho"], "error")
                                   if "regularised" in names else (0, "plain"))
        for i, name in enumerate(names):
            kind, n, *_ = figure.CASES[name]
            assert n == hidden
            for j, (layers, matrix) in enumerate(kept):
                part = matrix[2 * i:2 * i + 2]
                if kind == "symmetric":
                    assert (part == layers[1].W[2 * i:2 * i + 2].swapaxes(1, 2)).all()
                    assert j or (part == figure.balanced(part)).all()
                elif name in figure.UNBALANCED:
                    assert (part == drawn).all()
                elif kind == "random":
                    assert (part == figure.balanced(part)).all()
                elif hidden:
                    assert (part == 1).all()
            if hidden:
                first, second = (layers[0].W[2 * i:2 * i + 2] for layers, _ in kept)
                scale = figure.LARGE_V if name == "large" else figure.SCALE_V
                assert 0.9 < 10 * first.std() / scale < 1.1
                assert (abs(second).max() > 1.01 * figure.BOUND_V) == (
                    name in figure.WIDE)


def test_networks_do_not_depend_on_those_beside_them():
    both = figure.learn(["symmetric", "random"], 2, 3, 5)
    data = figure.gather([both])
    for name in ("symmetric", "random"):
        alone = figure.learn([name], 2, 3, 5)
        np.testing.assert_array_equal(data[f"{name}_fired"], alone["fired"])
        np.testing.assert_array_equal(data[f"{name}_errors"], alone["errors"])
    np.testing.assert_array_equal(data["x"], alone["x"][:, data["best"]])
    np.testing.assert_array_equal(data["spikes"], alone["spikes"][:, data["best"]])
    assert (data["symmetric_fired"] != data["random_fired"]).any()


def data(runs, share=1.0, last=4):
    """Return data in which a share of the runs with feedback is solved."""
    found = {}
    for name, (_, hidden, *_) in figure.CASES.items():
        errors = np.ones((120, 2, runs))
        errors[:, 1] = 8
        if name != "none":
            errors[:, 0, :round(share * runs)] = 0
        fired = np.zeros((120, runs, hidden))
        fired[:, :, :last] = 9
        found |= {f"{name}_errors": errors, f"{name}_fired": fired}
    return found


def test_numbers_of_full_runs_are_shares_of_solved_runs():
    for share in (1.0, 0.85, 0.75):
        found = figure.measured(data(20, share))
        for name in list(figure.CASES)[1:]:
            assert found[f"solved-{figure.IDS[name]}"].mean() == pytest.approx(share)
        assert len(found["solved-most-live"]) == 140
        assert np.isnan(found["solved-few-live"])
    few = data(20, 0.85, 2)
    few["uniform_errors"] = data(20, 0.25)["uniform_errors"]
    found = figure.measured(few)
    assert found["solved-few-live"].mean() == pytest.approx(0.85)
    assert np.isnan(found["solved-most-live"])
    assert found["random-minus-uniform"].tolist() == 5 * [0] + 12 * [1] + 3 * [0]
    assert (found["live-random"] == 2).all() and found["median-none"] == 1 / 8
    assert (found["smallest-none"], found["largest-random"]) == (1 / 8, 1 / 8)


def test_numbers_of_shorter_runs_are_those_of_the_best_run():
    short = {key: value for key, value in data(6, 0.5).items()
             if key.split("_")[0] in list(figure.CASES)[:figure.SHOWN["default"]]}
    found = figure.measured(short)
    assert set(found) == {claim.id for claim in figure.claims("default")}
    assert found["smallest-none"] == 1 / 8 and found["smallest-random"] == 0


# --- the error signal

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


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 39),
       st.sampled_from((np.float32, np.float64)))
def test_the_signal_equals_a_loop_over_steps_for_any_blocks(seed, B, k, cut, dtype):
    rng = np.random.default_rng(seed)
    spikes = (rng.random((40, B, k)) < 0.15).astype(dtype)
    labels, ends = drawn_windows(rng, 40, B, k)
    heard = np.zeros(B, bool)
    expected = one_by_one(heard, spikes, labels, ends)
    parts = []
    for part in (slice(0, cut), slice(cut, 40)):
        heard, signal = figure.classification(heard, spikes[part], labels[part],
                                              ends[part])
        parts.append(signal)
    signal = np.concatenate(parts)
    assert (signal == expected[1]).all() and (heard == expected[0]).all()
    assert signal.any() and signal.dtype == dtype


def test_the_signal_by_hand():
    """A miss, a hit, a wrong spike, and a spike while no window is open."""
    spikes = np.zeros((8, 1, 2))
    spikes[3, 0, 1] = spikes[4, 0, 0] = spikes[6, 0, 0] = 1
    labels = np.array([0, 0, 1, 1, 1, -1, -1, -1])[:, None]
    ends = np.array([0, 1, 0, 0, 1, 0, 0, 0], bool)[:, None]
    heard, signal = figure.classification(np.array([False]), spikes, labels, ends)
    assert signal[:, 0].tolist() == [[0, 0], [1, 0], [0, 0], [0, 0], [-1, 0], [0, 0],
                                     [-1, 0], [0, 0]]
    early = figure.classification(np.array([True]), spikes, labels, ends)[1]
    assert np.argwhere(early != signal).tolist() == [[1, 0, 0]] and not early[1].any()
