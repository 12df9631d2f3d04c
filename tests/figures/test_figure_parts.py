"""Small functions of several figures, with arrays made by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate

from figures.ntt import fig_ntk, fig_ntt_merged, fig_ntt_teachers
from figures.online import fig_ladder
from figures.si import (fig_si_correlation, fig_si_permuted, fig_si_theory,
                        fig_si_transfer)
from figures.spoken import fig_sound
from figures.superspike import fig_superspike_rates
from figures.surrogate import fig_digits, fig_surrogates, fig_xor
from figures.train import fast_training, image_sets
from refsnn import encoding, mlp, ntk_dynamics, surrogates


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
    images = image_sets.Images(x, None, x, None)
    monkeypatch.setattr(fig_si_permuted, "SIZES", (4, 3, 2))
    monkeypatch.setattr(fig_si_permuted.training, "sequence",
                        lambda *given: (images, []))
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


def test_correlation_is_averaged_over_different_tasks():
    matrices = np.array([[[1, 0.2, 0.4], [0.2, 1, -0.3], [0.4, -0.3, 1]]])
    found = fig_si_correlation.apart(np.stack([matrices, np.ones_like(matrices)]))
    assert_allclose(found, [[0.1], [1]])


def test_exponents_are_fitted_to_the_largest_sizes_of_one_rule():
    n = np.array([8, 64, 2, 16, 4, 32, 8, 16])
    rule = np.array(["exact"] * 6 + ["block"] * 2)
    seconds = np.where(n < 16, 5.0, 5 / 16 ** 3 * n ** 3.0)
    data = {"rule": rule, "neurons": n, "seconds": np.where(rule == "exact", seconds,
                                                            1.0 / n)}
    assert fig_ladder.exponent(data, "exact", "seconds", 3) == pytest.approx(3)
    assert fig_ladder.exponent(data, "block", "seconds") == pytest.approx(-1)
    whole = np.polyfit(np.log(n[:6]), np.log(seconds[:6]), 1)[0]
    assert fig_ladder.exponent(data, "exact", "seconds") == pytest.approx(whole)


def test_the_areas_under_all_surrogate_derivatives_are_equal():
    v = np.linspace(-400, 400, 4_000_001)
    for name in fig_surrogates.AREAS:
        rule = getattr(surrogates, name)
        derivative = rule(v, steepness=fig_surrogates.steepness(name))[1]
        assert_allclose(integrate.trapezoid(derivative, v), 2 / 3, rtol=2e-3)


def test_the_last_batch_of_a_test_counts_by_its_size(monkeypatch):
    """Of the labels 0 to 4, the network recognises 0, 1 and 4."""
    right = np.array([1.0, 1, 0, 0, 1])
    monkeypatch.setattr(fig_digits, "forward", lambda values, weights: (values, None))
    monkeypatch.setattr(fig_digits.losses, "accuracy",
                        lambda record, labels: right[labels].mean())
    labels = np.arange(5)
    assert fig_digits.test(np.zeros((5, 1)), labels, None, batch=4) == 0.6
    assert fig_digits.test(np.zeros((5, 1)), labels, None, batch=2) == 0.6


def test_errors_are_relative_to_the_change_and_to_the_exact_gradient():
    found = np.array([[1.0, 1], [9, 9], [4, 5]])
    foretold = np.array([[7.0, 7], [7, 7], [4, 7.5]])
    assert fig_ntk.relative(found, foretold) == 0.5
    error, turned = fig_ladder.compared(np.array([0.0, 2]), np.array([4.0, 0]))
    assert_allclose((error, turned), (5 ** 0.5 / 2, 1))
    error, turned = fig_ladder.compared(np.array([6.0, 8]), np.array([3.0, 4]))
    assert_allclose((error, turned), (1, 0), atol=1e-15)


def test_a_margin_is_positive_on_the_side_of_the_true_class():
    logits = np.array([[[3.0, 1], [0, 4], [1, 0]], [[0, 1], [5, 0], [0, 7]]])
    assert fig_ntt_merged.plane(logits, np.array([0, 1, 0])).tolist() == [
        [1.5, 4], [-4, -5]]


def test_early_tests_end_with_the_step_early_and_leave_the_first_out():
    at = np.array([0, fig_ntt_merged.EARLY - 1, fig_ntt_merged.EARLY,
                   fig_ntt_merged.EARLY + 1])
    curves = np.array([np.stack([at, np.array(row)], axis=1) for row in
                       ([0.0, 0.2, 0.4, 1.0], [0.0, 0.6, 0.8, 1.0])])
    assert_allclose(fig_ntt_merged.early(curves), [0.3, 0.7])


def test_the_teacher_with_the_largest_first_distance_is_trained_longest(monkeypatch):
    monkeypatch.setattr(fig_ntt_teachers, "transfer",
                        lambda *given: {"log": np.array(given[1:])})
    before = [{"log": np.array([[0, first], [100, last]])}
              for first, last in ((1, 9), (3, 1), (2, 2))]
    assert fig_ntt_teachers.largest("data", 5, before)["largest"].tolist() == [
        1, 5, fig_ntt_teachers.END]


def test_stored_spikes_are_counted_once_a_millisecond_in_every_ninth_channel():
    """Counted are 70 (twice in one step), 79 and 691; not 61, 71 and 700."""
    units = np.array([70, 70, 70, 79, 691, 61, 71, 700])
    times = 0.5 + np.array([0, 0.0008, 0.002, 0.0, 0.2, 0.1, 0.1, 0.1])
    data = {"times 0": times, "units 0": units, "stored 0": np.array(8)}
    assert fig_sound.stored(data, 0) == 0.5


def test_the_shortest_interval_lies_between_two_spikes_of_one_cell():
    data = {"count": np.array(2), "times 0": np.array([0.4, 0.1, 0.15, 0.9]),
            "units 0": np.array([1, 1, 2, 2]), "times 1": np.array([0.0, 0.2]),
            "units 1": np.array([5, 5])}
    assert_allclose([fig_sound.shortest_ms(data, i) for i in range(2)], [300, 200])


def test_the_widest_range_of_usable_rates_has_no_gap():
    rates = np.array([1e-3, 1e-2, 1e-1, 1, 10, 100])
    good, bad = [0.1, 0.6, 0.9], [0.1, 0.7, 0.7]
    share = np.array([good, good, bad, good, good, good])
    assert fig_superspike_rates.decades(rates, share) == 3
    assert fig_superspike_rates.decades(rates[::2], share[:3]) == 4
    assert fig_superspike_rates.decades(rates, np.array([bad] * 6)) == 0


def test_the_decrease_of_a_quadratic_loss():
    H = np.array([[2.0, 1], [1, 4]])
    assert fig_si_theory.dropped(H, np.array([1.0, 1]), np.array([0.0, 1])) == 2


def test_final_accuracies_of_separate_networks_are_those_of_their_own_task():
    runs = np.arange(18).reshape(2, 3, 3)
    data = {"A separate": runs, "A tested": np.array([runs + 1, runs]),
            "A strengths": np.array([1.0, 0.1])}
    assert fig_si_transfer.final(data, "A", fig_si_transfer.SCRATCH).tolist() == [
        [0, 4, 8], [9, 13, 17]]
    assert fig_si_transfer.final(data, "A", 0.1).tolist() == [[6, 7, 8], [15, 16, 17]]
