"""The data and the training of `yin_yang`, with a small network."""

import matplotlib.figure
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from figures.run import claims, jobs
from figures.spike_times import fig_yin_yang as figure


@pytest.fixture(scope="module")
def data():
    return figure.gather([figure.learn(15, 30, 300, 0, repeat) for repeat in range(2)])


def test_stored_parts_of_a_training_give_what_the_whole_gives(monkeypatch, tmp_path):
    """A run that is killed after a part continues from the stored file."""
    options = {"epochs": 3, "hidden": 20, "samples": 300, "seed": 0, "repeat": 1}
    whole = figure.learn(**options)
    monkeypatch.setattr(figure, "PART", 2)
    first = figure.learn(**options)
    jobs.save(tmp_path / "part.npz", jobs.normalised(first, "part"), {})
    stored, _ = jobs.load(tmp_path / "part.npz")
    last = figure.learn(**options, first=2, before=stored)
    assert len(first["error"]) == 2 and set(last) == set(whole)
    for name, value in whole.items():
        assert_array_equal(last[name], value)
    assert_array_equal(figure.gather([first, last])["error"], whole["error"][None])


def test_a_full_run_is_ten_chains_of_short_jobs():
    listed = figure.jobs("full", 0, None)
    assert len(listed) == 100
    for k, (_, kwargs, *index) in enumerate(listed):
        assert index == ([k - 1] if k % 10 else [])
        assert (kwargs["first"], kwargs["epochs"]) == (30 * (k % 10), 300)
        assert kwargs["repeat"] == k // 10


def test_classes_of_points():
    points = np.array([[0.25, 0.5], [0.75, 0.5], [0.5, 0.8], [0.1, 0.2], [0.25, 0.65],
                       [0.75, 0.65], [0.9, 0.75], [0.5, 0.1]])
    assert figure.classes(points).tolist() == [2, 2, 0, 1, 0, 1, 0, 1]


def test_a_turn_by_180_degrees_exchanges_yin_and_yang():
    points, labels = figure.drawn(np.random.default_rng(0), 301)
    assert np.bincount(labels).tolist() == [101, 100, 100]
    assert (np.hypot(*(points - 0.5).T) <= 0.5).all()
    assert np.array_equal(figure.classes(1 - points), np.array([1, 0, 2])[labels])


def test_inputs_are_between_10_and_40_ms():
    times, units = figure.encode(np.array([[0.0, 0.5], [1.0, 0.25]]))
    np.testing.assert_allclose(1e3 * np.array(times), [[10, 25, 40, 25, 20],
                                                       [40, 17.5, 10, 32.5, 20]])
    assert units[1].tolist() == [0, 1, 2, 3, 4]


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(1)
    points, labels = figure.drawn(rng, 12)
    weights = [rng.normal(1.5, 0.78, (20, 5)), rng.normal(2.5, 0.2, (3, 20))]
    grads = figure.gradient(weights, points, labels)

    def loss(moved):
        first = figure.network(moved, figure.encode(points))[2]
        t = np.minimum(first, figure.UNTIL)
        logits = -t / figure.SCALE
        logits = logits - logits.max(axis=1, keepdims=True)
        wanted = t[np.arange(12), labels]
        return (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(12), labels]
                + 3e-3 * np.expm1(wanted / 6.4e-3)).mean()

    for i in range(2):
        toward = rng.normal(size=weights[i].shape)
        ends = [loss([w + sign * 1e-7 * toward if k == i else w
                      for k, w in enumerate(weights)]) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / 2e-7 == pytest.approx((grads[i] * toward).sum(),
                                                           rel=1e-4)


def test_training_lowers_the_error(data):
    assert (data["error"][:, -1] < 0.55).all() and data["error"].shape == (2, 15)
    assert (data["spikes"] > 1).all()
    wrong = (data["predicted"] != data["labels"]).mean()
    assert wrong == data["error"][0, -1]


def test_claims_and_plot(data):
    for size in ("quick", "default", "full"):
        ids = {claim.id for claim in claims.declared(figure, size)}
        assert ids == set(figure.measured(data))
    figure.plot(figure.shown(data), matplotlib.figure.Figure(layout="constrained"))
