"""Parts of the delay figure: its trials, its networks and its gradients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import RTOL, RTOL_FD

from figures.online import fig_delay as figure
from refsnn import alif, lif, sparse_rtrl


def drawn(networks=3, delay=7, number=6):
    """Weights in float64 and trials of a few live networks."""
    weights = [part.astype(float) for part in figure.initial(
        [np.random.default_rng(i) for i in range(networks)])]
    x, labels = figure.trials([np.random.default_rng(9 + i) for i in range(networks)],
                              delay, number)
    return weights, x.astype(float), labels


def test_trials_show_two_cues_and_ask_whether_they_differ():
    _, x, labels = drawn(number=40)
    assert x.shape == (2 * figure.CUE + 7 + figure.WINDOW, 40, 3 * 4 * figure.GROUP)
    cues = x.reshape(len(x), 40, 3, 4, figure.GROUP).sum(axis=4)
    first, second = cues[:figure.CUE], cues[figure.CUE + 7:2 * figure.CUE + 7]
    assert cues.sum() == first[..., :2].sum() + second[..., 2:].sum() > 0
    on = [part.sum(axis=0) > 0 for part in (first[..., :2], second[..., 2:])]
    assert all((part.sum(axis=2) == 1).all() for part in on)
    assert_array_equal(labels, (on[0][..., 1] ^ on[1][..., 1]).T)
    assert 0 < labels.mean() < 1


def test_answers_are_the_readouts_mean_over_the_response():
    weights, x, _ = drawn()
    recording, answers, _ = figure.forward("exact", weights, x)
    assert 0 < recording.spikes.mean() < 1
    membrane = lif.readout(recording.spikes, figure.together(weights[2]),
                           **figure.CONSTANTS)
    mean = membrane[-figure.WINDOW:].mean(axis=0)
    assert_allclose(answers.swapaxes(0, 1).reshape(mean.shape), mean, rtol=1e-5,
                    atol=1e-5 * abs(mean).max())       # response is float32


def test_networks_side_by_side_do_not_touch():
    weights, x, labels = drawn()
    m = 4 * figure.GROUP
    for condition in figure.CONDITIONS:
        _, found = figure.gradients(condition, weights, x, labels)
        for i in range(3):
            _, alone = figure.gradients(condition, [part[i:i + 1] for part in weights],
                                        x[:, :, i * m:(i + 1) * m], labels[i:i + 1])
            for ours, theirs in zip(found, alone, strict=True):
                assert_allclose(ours[i], theirs[0], rtol=RTOL,
                                atol=RTOL * abs(theirs).max())
        assert abs(found[2]).max() > 0
        assert (abs(found[1]).max() > 0) == (condition in figure.RULES)


def test_blocks_come_apart_again():
    parts = np.random.default_rng(0).normal(size=(3, 2, 4))
    whole = figure.together(parts)
    assert whole.shape == (6, 12) and np.count_nonzero(whole) == parts.size
    assert_array_equal(figure.apart(whole, 3), parts)


def test_error_is_the_derivative_of_the_cross_entropy():
    rng = np.random.default_rng(1)
    answers, labels = rng.normal(size=(2, 5, 2)), rng.integers(0, 2, (2, 5))

    def losses(answers):
        each = np.log(np.exp(answers).sum(axis=2))
        return (each - np.take_along_axis(answers, labels[..., None], 2)[..., 0]
                ).mean(axis=1).sum()

    step = 1e-6 * rng.normal(size=answers.shape)
    slope = losses(answers + step) - losses(answers - step)
    assert_allclose((figure.error(answers, labels) * 2 * step).sum(), slope,
                    rtol=RTOL_FD)


def test_gradients_taken_backward_are_those_of_the_traces():
    weights, x, labels = drawn()
    assert max(figure.deviation(rule, weights, x, labels)
               for rule in figure.RULES) < RTOL
    assert figure.forward(figure.ALIF, weights, x)[0].adapted.max() > 1
    found = {rule: figure.gradients(rule, weights, x, labels)[1][1]
             for rule in sparse_rtrl.RULES}
    for rule in sparse_rtrl.RULES[1:]:
        gap = np.linalg.norm(found[rule] - found["exact"])
        assert gap > 1e-3 * np.linalg.norm(found["exact"])
    assert np.linalg.norm(found["block"] - found["implicit"]) > 0
    assert np.linalg.norm(found["implicit"] - found["presynaptic"]) > 0


@pytest.mark.parametrize("wrong, named", [("block", "implicit"), ("implicit", "block"),
                                          ("exact", "block"), ("block", "exact"),
                                          ("implicit", "presynaptic")])
def test_deviation_sees_another_rule(wrong, named, monkeypatch):
    weights, x, labels = drawn()
    backward = figure.backward
    monkeypatch.setattr(figure, "backward",
                        lambda condition, *rest: backward(wrong, *rest))
    assert figure.deviation(named, weights, x, labels) > 1e-6


def test_deviation_sees_a_threshold_not_followed(monkeypatch):
    weights, x, labels = drawn()
    monkeypatch.setattr(figure, "through_adaptation", lambda psi, dspikes: dspikes)
    assert figure.deviation(figure.ALIF, weights, x, labels) > 1e-3


def test_gradients_are_clipped_network_by_network():
    found = [np.ones((2, 3, 3)), np.ones((2, 4, 4))]
    found[0][1] *= 1e-3
    found[1][1] *= 1e-3
    short = figure.clipped(found)
    assert_allclose(sum((part[0] ** 2).sum() for part in short), figure.CLIP ** 2,
                    rtol=RTOL)
    assert_array_equal(short[0][1], found[0][1])


def test_memory_is_counted_from_the_traces():
    n, c = figure.HIDDEN, 4 * figure.GROUP + figure.HIDDEN
    assert [figure.carried(rule) for rule in figure.RULES] == [
        2 * (n + 2) * n * c, 4 * n * c, 4 * n * c, 2 * (n + 1) * c, (3 * n + 2) * c]
    traces = alif.Traces
    assert traces._fields == ("syn", "mem", "adapted")
    work = [figure.multiplications(rule) for rule in sparse_rtrl.RULES]
    assert work == sorted(work, reverse=True)
