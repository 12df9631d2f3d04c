"""Small functions of several figures, with arrays made by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from figures.ntt import fig_ntk
from figures.online import fig_ladder
from figures.si import fig_si_correlation, fig_si_permuted, fig_si_split, si_training
from figures.surrogate import fast_training, fig_digits, fig_xor
from refsnn import encoding, mlp, ntk_dynamics


def test_a_pattern_without_a_correct_first_spike_is_no_success():
    """The correct neurons of the four patterns are 0, 1, 1 and 0."""
    none = np.inf
    times = np.array([[[1, 2], [2, 1], [none, 1], [1, none]],
                      [[none, none], [1, 1], [none, none], [0, 0]],
                      [[2, 1], [1, 2], [1, none], [none, 1]]])
    assert fig_xor.right_first(times).all(axis=1).tolist() == [True, False, False]
    assert not fig_xor.right_first(times)[1:].any()


def test_events_of_images_equal_those_of_their_dense_code():
    values = np.random.default_rng(1).random((7, 9)).astype(np.float32)
    found = fig_digits.events(values)
    wanted = fast_training.events(encoding.latency(values, fig_digits.STEPS))
    assert found.shape == wanted.shape == (7 * fig_digits.STEPS, 9)
    assert 20 < found.nnz == wanted.nnz < 63
    assert_array_equal(found.toarray(), wanted.toarray())


def test_the_strength_with_the_largest_mean_accuracy_at_the_end_is_chosen(monkeypatch):
    x = np.zeros((1, 4))
    images = si_training.Images(x, None, x, None)
    monkeypatch.setattr(fig_si_permuted, "SIZES", (4, 3, 2))
    monkeypatch.setattr(fig_si_permuted, "sequence", lambda *given: (images, []))
    before = [{"rows": np.array([first, last]), "strength": np.array(strength)}
              for strength, first, last in ((10.0, [0.9, 0.9], [0.5, 0.7]),
                                            (100.0, [0.1, 0.1], [0.8, 0.6]),
                                            (1000.0, [0.2, 0.9], [0.3, 0.9]))]
    job = {"condition": "EWC", "strength": None, "number": 0, "total": 1, "epochs": 1,
           "batch": 1, "repeat": 0, "seed": 0, "folder": None}
    first = fig_si_permuted.learn(first=0, before=before, **job)
    assert first["strength"] == 100
    assert fig_si_permuted.learn(first=1, before=first, **job)["strength"] == 100
    one = fig_si_permuted.learn(first=0, before=before, **{**job, "strength": 7.0})
    assert one["strength"] == 7


def test_the_learning_rate_is_a_quarter_of_its_limit(monkeypatch):
    """The limit is 2 / (largest eigenvalue of the kernel), which is J J^T."""
    rng, rates = np.random.default_rng(2), []
    weights = [rng.normal(0, n ** -0.5, (m, n)) for n, m in ((5, 6), (6, 3))]
    biases = [np.zeros(6), np.zeros(3)]
    x, targets, unseen = (rng.random(shape) for shape in ((4, 5), (4, 3), (2, 5)))
    predict = ntk_dynamics.predict
    monkeypatch.setattr(fig_ntk, "STEPS", 10)
    monkeypatch.setattr(fig_ntk, "problem", lambda *given: (
        weights, biases, x, targets, unseen))
    monkeypatch.setattr(ntk_dynamics, "predict", lambda *given, rate, **more: (
        rates.append(rate), predict(*given, rate=rate, **more))[1])
    found = fig_ntk.descend(6, None, 0, 0)
    recording = mlp.forward(weights, biases, x)
    J = mlp.jacobian(recording, mlp.signals(weights, recording)).reshape(12, -1)
    assert_allclose(rates, [0.5 / np.linalg.eigvalsh(J @ J.T).max()])
    for number in range(11):
        recording, later = (mlp.forward(weights, biases, a) for a in (x, unseen))
        if number % fig_ntk.EVERY == 0:
            assert_allclose(found["found"][number // fig_ntk.EVERY], later.outputs[0])
        slopes = mlp.backward(weights, recording, recording.outputs - targets)
        weights = [a - rates[0] * d for a, d in zip(weights, slopes.weights,
                                                    strict=True)]
        biases = [a - rates[0] * d for a, d in zip(biases, slopes.biases, strict=True)]


def test_the_interval_contains_95_percent():
    """The quantile of Student's t with two degrees of freedom is 4.303."""
    mean, half = fig_si_split.interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2 and half == pytest.approx(4.302653 / 3 ** 0.5)


def test_correlation_is_averaged_over_different_tasks():
    matrices = np.array([[[1, 0.2, 0.4], [0.2, 1, -0.3], [0.4, -0.3, 1]]])
    found = fig_si_correlation.apart(np.stack([matrices, np.ones_like(matrices)]))
    assert_allclose(found, [[0.1], [1]])


def test_exponents_are_fitted_to_the_largest_sizes_of_one_rule():
    n = np.array([8, 64, 2, 16, 4, 32, 8, 16])
    rung = np.array(["exact"] * 6 + ["block"] * 2)
    seconds = np.where(n < 16, 5.0, 5 / 16 ** 3 * n ** 3.0)
    data = {"rung": rung, "neurons": n, "seconds": np.where(rung == "exact", seconds,
                                                            1.0 / n)}
    assert fig_ladder.exponent(data, "exact", "seconds", 3) == pytest.approx(3)
    assert fig_ladder.exponent(data, "block", "seconds") == pytest.approx(-1)
    whole = np.polyfit(np.log(n[:6]), np.log(seconds[:6]), 1)[0]
    assert fig_ladder.exponent(data, "exact", "seconds") == pytest.approx(whole)
