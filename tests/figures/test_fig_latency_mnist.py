"""The code, the gradients, the training in parts and the claims of `latency_mnist`."""

import matplotlib.figure
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from peaks import peaks
from tolerances import RTOL, RTOL_FD

from figures.run import claims, jobs
from figures.spike_times import fig_latency_mnist as figure
from refsnn import eventprop, losses


def trained(monkeypatch, part, before=None, first=0):
    """Return the result of a job of `part` mini-batches."""
    monkeypatch.setattr(figure, "PART", part)
    kwargs = {"folder": None, "epochs": 2, "hidden": 20, "samples": 96, "batch": 32,
              "seed": 0, "repeat": 0, "first": first}
    return figure.learn(**kwargs) if before is None else figure.learn(
        **kwargs, before=before)


@pytest.fixture(scope="module")
def whole():
    with pytest.MonkeyPatch.context() as patch:
        return trained(patch, 6)


def test_bright_pixels_spike_early_and_black_pixels_do_not_spike():
    images = np.array([[1.0, 0.0, 0.5], [1 / 255, 2 / 255, 0.75]])
    times, units = figure.encode(images)
    assert [j.tolist() for j in units] == [[0, 2], [1, 2]]
    np.testing.assert_allclose(times, [[0, 15e-3], [30e-3 * 253 / 255, 7.5e-3]])
    images = np.full((2, 4000), 0.5)
    moved = np.array(figure.encode(images, np.random.default_rng(0))[0]) - 15e-3
    assert moved.std() == pytest.approx(1e-3, rel=0.05) and abs(moved.mean()) < 1e-4
    assert min(map(min, figure.encode(images + 0.5, np.random.default_rng(0))[0])) == 0


def test_the_highest_potentials_are_those_of_eventprop():
    rng = np.random.default_rng(0)
    sizes = [0, 1, 4, 9, 12]
    times = [np.sort(rng.uniform(0, 50e-3, size)) for size in sizes]
    units = [rng.integers(0, 5, size) for size in sizes]
    W = rng.normal(0.3, 1, (6, 5))
    found, wanted = (eventprop.readout(at[None], times, units, W, **figure.TAUS)[0]
                     for at in (figure.highest(times, units, W)[0], peaks(
                         times, units, W, until=figure.UNTIL, **figure.TAUS)))
    np.testing.assert_allclose(found, wanted, rtol=RTOL, atol=1e-12)
    assert (found > 0.05).any() and (found < 1e-12).any()


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(2)
    images, labels = rng.random((4, 30)), np.array([3, 1, 0, 9])
    weights = [rng.normal(0.5, 0.2, (12, 30)), rng.normal(0.3, 1.5, (10, 12))]
    spikes = figure.encode(images)
    hidden, grads = figure.gradient(weights, spikes, labels)
    ended = figure.network(weights, spikes)[1][2] >= 0
    assert min(map(len, hidden.times)) > 5 and ended.any() and not ended.all()

    def loss(moved):
        top = figure.network(moved, spikes)[2]
        return losses.cross_entropy(top[None], labels)[0]

    for i in range(2):
        toward = rng.normal(size=weights[i].shape)
        up, down = (loss([w + sign * 1e-6 * toward if k == i else w
                          for k, w in enumerate(weights)]) for sign in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx((grads[i] * toward).sum(),
                                                   rel=RTOL_FD)


def test_stored_parts_of_a_training_give_what_the_whole_gives(whole, monkeypatch,
                                                              tmp_path):
    """A run that is killed after a part continues from the stored file."""
    first = trained(monkeypatch, 4)
    assert "tested" not in first and len(first["accuracy"]) == 1
    jobs.save(tmp_path / "part.npz", jobs.normalised(first, "part"), {})
    stored, _ = jobs.load(tmp_path / "part.npz")
    last = trained(monkeypatch, 4, stored, first=4)
    assert set(last) == set(whole) and len(whole["accuracy"]) == 2
    for name, value in whole.items():
        assert_array_equal(last[name], value)
    assert_array_equal(figure.gather([first, last])["accuracy"][0], whole["accuracy"])


def test_silent_neurons_gain_weight(monkeypatch):
    monkeypatch.setattr(figure, "DIGITS", (5e-3, 1, (0, 0), (0.2, 0.1)))
    found = trained(monkeypatch, 2)
    np.testing.assert_allclose(found["array 0"], 2 * 6.9e-5)


def test_a_full_run_is_a_chain_of_short_jobs():
    listed = figure.jobs("full", 0, "data")
    assert len(listed) == 90        # 18 epochs of 469 mini-batches
    for k, (_, kwargs, *index) in enumerate(listed):
        assert index == ([k - 1] if k else []) and kwargs["first"] == 94 * k
        assert kwargs["folder"].endswith("mnist")


def test_claims_and_plot(whole):
    data = figure.gather([whole, whole])
    for size in ("quick", "default", "full"):
        ids = {claim.id for claim in claims.declared(figure, size)}
        assert ids == set(figure.measured(data))
    found = figure.measured({"tested": [0.9, 0.8], "spikes": [5, 6.0]})
    assert found == {"accuracy": [0.9, 0.8], "spikes": [5, 6.0]}
    figure.plot(figure.shown(data), matplotlib.figure.Figure(layout="constrained"))
