"""The clear and the fast training of LIF networks: mini-batches, penalties, scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import close

from figures.surrogate import fast_training as fast
from figures.surrogate import lif_training as training
from refsnn import losses, optimisers

NET = training.Net(steepness=10.0)


def drawn(sizes, dtype=np.float64, count=11):
    """Return weights of an active network, input spikes and labels."""
    rng = np.random.default_rng(4)
    weights = training.initial(rng, sizes, 2.0, dtype)
    x = (rng.random((25, count, sizes[0])) < 0.25).astype(dtype)
    return weights, x, rng.integers(0, sizes[-1], count)


def penalty(spikes):
    """Return a tenth of the mean square count of a neuron, and its derivative."""
    counts = spikes.sum(axis=0)
    d = np.broadcast_to(0.2 * counts / counts.size, spikes.shape)
    return 0.1 * np.square(counts).mean(), d.astype(spikes.dtype)


@pytest.mark.parametrize("reduction", ["max", "sum"])
def test_training_follows_the_mini_batches_and_the_penalty_of_each_layer(reduction):
    weights, x, labels = drawn((6, 7, 5, 3))
    found, history = training.fit(
        weights, x, labels, NET, rate=1e-2, epochs=2, batch=4, reduction=reduction,
        generator=np.random.default_rng(5), penalty=penalty)
    rng, states = np.random.default_rng(5), [None] * 3
    for epoch in range(2):
        mean = 0
        for part in np.array_split(rng.permutation(11), 3):
            run = training.forward(weights, x[:, part], NET)
            loss, d = losses.cross_entropy(run.record, labels[part], reduction)
            costs, dspikes = zip(*(penalty(layer.spikes) for layer in run.hidden),
                                 strict=True)
            assert min(costs) > 0
            slopes = training.gradients(weights, x[:, part], run, d, NET, dspikes)
            moved = [optimisers.adam(*pair, rate=1e-2)
                     for pair in zip(states, slopes, strict=True)]
            states, steps = zip(*moved, strict=True)
            weights = [W + step for W, step in zip(weights, steps, strict=True)]
            mean += (loss + sum(costs)) / 3
        assert_allclose(history[epoch], mean)
    for W, wanted in zip(found, weights, strict=True):
        close(W, wanted)


def test_the_derivative_of_a_penalty_is_added_to_the_error():
    weights, x, labels = drawn((6, 7, 5, 3))
    run = training.forward(weights, x, NET)
    _, d = losses.cross_entropy(run.record, labels)
    dspikes = [penalty(layer.spikes)[1] for layer in run.hidden]

    def gradients(d, *parts):
        return training.gradients(weights, x, run, d, NET, *parts)

    plain, none = gradients(d), [0 * part for part in dspikes]
    for parts in (none, [None, None], [None, none[1]]):
        for a, b in zip(gradients(d, parts), plain, strict=True):
            assert_array_equal(a, b)
    for parts in (dspikes, [dspikes[0], None], [None, dspikes[1]]):
        alone = gradients(0 * d, parts)
        assert alone[0].any() and alone[1].any() == (parts[1] is not None)
        for a, b, c in zip(gradients(d, parts), plain, alone, strict=True):
            close(a, b + c)


def test_fast_training_with_a_penalty_equals_the_clear_one():
    weights, x, labels = drawn((6, 7, 3), np.float32)
    (one, two), (loss, same) = zip(*(module.fit(
        weights, spikes, labels, NET, rate=1e-3, epochs=3, batch=4, penalty=penalty,
        generator=np.random.default_rng(6))
        for module, spikes in ((training, x), (fast, fast.events(x)))), strict=True)
    plain, less = training.fit(weights, x, labels, NET, rate=1e-3, epochs=3, batch=4,
                               generator=np.random.default_rng(6))
    assert_allclose(loss, same, rtol=1e-4)
    assert (loss > 1.01 * less).all()
    for a, b in zip(one, two, strict=True):
        assert_allclose(a, b, atol=1e-4)
    assert abs(one[0] - plain[0]).max() > 1e-3


@pytest.mark.parametrize("patterns, sizes", [(7, [4, 3]), (5, [5]), (11, [4, 4, 3]),
                                             (1, [1])])
def test_mini_batches_have_about_four_patterns(patterns, sizes):
    parts = training.batches(np.random.default_rng(7), patterns, 4)
    assert [len(part) for part in parts] == sizes
    assert sorted(np.concatenate(parts)) == list(range(patterns))


@pytest.mark.parametrize("batch", [500, 16])
def test_scores_are_means_over_all_patterns(batch):
    weights, x, labels = drawn((6, 7, 5, 3), count=40)
    run = training.forward(weights, x, NET)
    accuracies = set()
    for reduction in ("max", "sum", "last"):
        found = training.evaluate(weights, x, labels, NET, reduction=reduction,
                                  batch=batch)
        assert_allclose(found.loss,
                        losses.cross_entropy(run.record, labels, reduction)[0])
        assert_allclose(found.accuracy,
                        losses.accuracy(run.record, labels, reduction))
        assert_allclose(found.spikes, [layer.spikes.sum() / 40 for layer in run.hidden])
        accuracies.add(round(found.accuracy, 6))
    assert len(accuracies) == 3
