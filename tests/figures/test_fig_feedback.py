"""The figure of feedback rules: gradients of each rule, and the learning rate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tolerances import RTOL, close

from figures.surrogate import fig_feedback as figure
from figures.train import lif_training
from refsnn import checks, feedback


def drawn():
    """Return weights of an active network in float64, input spikes and labels."""
    rng = np.random.default_rng(3)
    weights = lif_training.initial(rng, (6, 7, 5, 4), (2.0, 2.0, 0.5))
    x = (rng.random((figure.STEPS, 3, 6)) < 0.2).astype(float)
    return weights, x, rng.integers(0, 4, 3)


def test_feedback_alignment_uses_only_its_fixed_matrices():
    weights, x, labels = drawn()
    run = lif_training.forward(weights, x, figure.NET)
    _, drecord = figure.output_loss(run.record, labels)
    assert all(0.01 < layer.spikes.mean() < 0.5 for layer in run.hidden)
    exact = lif_training.gradients(weights, x, run, drecord, figure.NET)
    fixed = [2 * weights[1], 3 * weights[2]]
    for rule, scales in (("backpropagation", (1, 1, 1)),
                         ("feedback alignment", (6, 3, 1))):
        found = figure.gradients(rule, weights, x, labels, run, drecord, fixed)
        for a, b, scale in zip(found, exact, scales, strict=True):
            close(a, scale * b)


def test_local_errors_are_the_derivative_of_the_local_loss():
    rng = np.random.default_rng(4)
    spikes, G = rng.random((figure.STEPS, 2, 5)), rng.normal(0, 0.3, (4, 5))
    labels = rng.integers(0, 4, 2)

    def loss(spikes):
        trace = feedback.presynaptic_trace(spikes, **figure.NET.constants())
        return feedback.local_cross_entropy(trace, G, labels)[0]

    checks.directional(loss, spikes, figure.local_error(spikes, G, labels), rng)


@pytest.mark.parametrize("rule", figure.RULES)
def test_the_learning_rate_of_each_rule_decreases(rule, monkeypatch):
    rng, rates, update = np.random.default_rng(5), [], lif_training.update
    x = (rng.random((figure.STEPS, 30, 6)) < 0.2).astype(np.float32)
    monkeypatch.setattr(figure, "load", lambda: [(x, rng.integers(0, 10, 30))] * 2)
    monkeypatch.setattr(lif_training, "update", lambda *given, rate: (
        rates.append(rate), update(*given, rate=rate))[1])
    found = figure.learn(rule, 2, 0.04, 2, 10, 0, 0, hidden=8)
    assert_allclose(rates, 0.02 + 0.02 * np.cos(np.pi * np.arange(6) / 6), rtol=RTOL)
    assert found["cosine"].shape == (3, 2)
    assert (found["cosine"] == 1).all() == (rule == "backpropagation")
