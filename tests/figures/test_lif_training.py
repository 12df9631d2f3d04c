"""The training of LIF networks: mini-batches, penalties, scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import close

from figures.train import fast_training as fast
from figures.train import lif_training as training
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


@pytest.mark.parametrize("batch", [4, None])
def test_training_follows_the_mini_batches_and_the_penalty(batch):
    weights, x, labels = start, *_ = drawn((6, 7, 3), np.float32)
    found, history = fast.fit(
        weights, fast.events(x), labels, NET, rate=1e-2, epochs=2, batch=batch,
        generator=np.random.default_rng(5), penalty=penalty)
    rng, states = np.random.default_rng(5), [None] * 2
    for epoch in range(2):
        mean, parts = 0, [np.arange(11)]
        if batch:
            parts = np.array_split(rng.permutation(11), 3)
        for part in parts:
            run = training.forward(weights, x[:, part], NET)
            loss, d = losses.cross_entropy(run.record, labels[part])
            cost, dspikes = penalty(run.hidden[0].spikes)
            assert cost > 0.01 * loss
            slopes = training.gradients(weights, x[:, part], run, d, NET, [dspikes])
            moved = [optimisers.adam(*pair, rate=1e-2)
                     for pair in zip(states, slopes, strict=True)]
            states, steps = zip(*moved, strict=True)
            weights = [W + step for W, step in zip(weights, steps, strict=True)]
            mean += (loss + cost) / len(parts)
        assert_allclose(history[epoch], mean, rtol=1e-5)
    for W, wanted, before in zip(found, weights, start, strict=True):
        assert abs(wanted - before).max() > 1e-3
        assert_allclose(W, wanted, rtol=1e-3, atol=1e-4)
    plain, _ = fast.fit(start, fast.events(x), labels, NET, rate=1e-2, epochs=2,
                        batch=batch, generator=np.random.default_rng(5))
    assert abs(plain[0] - found[0]).max() > 1e-3


def test_the_derivative_of_a_penalty_is_added_to_the_error():
    weights, x, labels = drawn((6, 7, 5, 3))
    run = training.forward(weights, x, NET)
    _, d = losses.cross_entropy(run.record, labels)
    dspikes = [penalty(layer.spikes)[1] for layer in run.hidden]

    def gradients(d, *parts):
        return training.gradients(weights, x, run, d, NET, *parts)

    plain, none = gradients(d), [0 * part for part in dspikes]
    for a, b in zip(gradients(d, none), plain, strict=True):
        assert_array_equal(a, b)
    for parts in (dspikes, [dspikes[0], none[1]], [none[0], dspikes[1]]):
        alone = gradients(0 * d, parts)
        assert alone[0].any() and alone[1].any() == parts[1].any()
        for a, b, c in zip(gradients(d, parts), plain, alone, strict=True):
            close(a, b + c)


@pytest.mark.parametrize("patterns, sizes", [(7, [4, 3]), (5, [5]), (11, [4, 4, 3]),
                                             (1, [1])])
def test_mini_batches_have_about_four_patterns(patterns, sizes):
    parts = training.batches(np.random.default_rng(7), patterns, 4)
    assert [len(part) for part in parts] == sizes
    assert sorted(np.concatenate(parts)) == list(range(patterns))


def test_scores_are_means_over_all_patterns():
    weights, x, labels = drawn((6, 7, 3), np.float32, count=40)
    run = training.forward(weights, x, NET)
    found = fast.evaluate(weights, fast.events(x), labels, NET)
    assert_allclose(found.loss, losses.cross_entropy(run.record, labels)[0], rtol=1e-5)
    assert found.accuracy == losses.accuracy(run.record, labels)
    assert found.spikes == run.hidden[0].spikes.sum() / 40 > 0


def test_weights_and_states_are_packed_and_unpacked():
    rng = np.random.default_rng(8)
    weights = [rng.random((2, 3)), None, rng.random(4)]
    states = [optimisers.adam(None, rng.random((2, 3)), rate=1e-3)[0], None, None]
    found = training.packed(weights, states)
    assert set(found) == {"array 0", "step 0", "mean 0", "scale 0", "array 2"}
    for ours, wanted in zip(training.unpacked(found), (weights, states), strict=True):
        assert [part is None for part in ours] == [part is None for part in wanted]
    for a, b in zip(training.unpacked(found)[1][0], states[0], strict=True):
        assert_array_equal(a, b)
