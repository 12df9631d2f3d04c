"""Training with the SuperSpike rule: delays of the target, hits, and the picture."""

from types import SimpleNamespace

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from figures.superspike import (fig_superspike, fig_superspike_rates,
                                fig_superspike_trials)
from figures.superspike import superspike_training as training


def test_the_target_arrives_after_the_axonal_delay(monkeypatch):
    """The last target steps of a trial arrive at the start of the next trial."""
    signals, original = [], training.accumulate
    monkeypatch.setattr(training, "accumulate", lambda layers, blocks, signal, matrix: (
        signals.append(signal), original(layers, blocks, signal, matrix))[1])
    layers = [training.layer(np.zeros((1, 1, 3), np.float32), training.OUTPUT)]
    target = training.train_of([0, 40, 95], 100)
    training.practise(layers, np.zeros((100, 1, 3), bool), target, 2, 0.0)
    for signal in signals:                              # the neuron is silent
        assert np.flatnonzero(signal).tolist() == [3, 8, 48] and signal.max() == 1
    assert len(signals) == 2


def test_a_hit_is_one_spike_near_each_target_and_no_other():
    times, window = np.array([2, 50, 80]), 5
    cases = [([2, 50, 80], True), ([0, 55, 75], True), ([7, 45, 85], True),
             ([2, 50], False), ([2, 50, 86], False), ([8, 50, 80], False),
             ([2, 50, 80, 65], False), ([2, 49, 51, 80], False), ([], False),
             ([2, 44, 80], False), ([2, 49, 51], False)]
    spikes = np.zeros((100, len(cases)))
    for i, (fired, _) in enumerate(cases):
        spikes[fired, i] = 1
    assert training.hits(spikes, times, window).tolist() == [hit for _, hit in cases]


def test_spikes_of_the_picture_are_at_least_10_ms_apart():
    """At the largest rate, each unit with ink spikes as often as it may."""
    steps = 7 * 300                             # the letter and its margins: 7 columns
    raster = training.picture(np.random.default_rng(0), steps, 18, 1 / training.DT_S,
                              "I")[:, 0]
    gaps = np.concatenate([np.diff(np.flatnonzero(unit)) for unit in raster.T])
    assert gaps.min() == training.DEAD == 100
    shown = raster.reshape(7, 300, 9, 2).sum(axis=(1, 3)) > 0
    ink = np.zeros((9, 7), bool)                # two units for each row
    ink[1:8, 1:6] = np.array([list(row) for row in training.LETTERS["I"]]) == "1"
    assert_array_equal(shown.T[::-1], ink)


def test_each_rate_trains_each_repetition(monkeypatch):
    figure, seen = fig_superspike_rates, []

    def practise(layers, x, target, loops, rate, *, rule):
        seen.append((layers, x, rate, rule))
        return layers, np.tile(rate.ravel() ** 2, (loops, 1))

    monkeypatch.setattr(training, "practise", practise)
    found = figure.learn("rmsprop", 2.0, 2, 4, 5)
    (layers, x, rate, rule), = seen
    assert rule == "rmsprop" and rate.shape == (6, 1, 1)
    assert_allclose(found["rates"], [1e-5, 1e-3, 1e-1])
    assert_allclose(found["cost"], np.tile(found["rates"][:, None], (4, 1, 2)))
    assert (layers[0].W[:3] == layers[0].W[0]).all()
    for k in range(3):
        at = np.flatnonzero(np.isclose(rate.ravel(), found["rates"][k]))
        assert len(at) == 2
        for a in (layers[0].W, layers[1].W, x.swapaxes(0, 1)):
            assert (a[at[0]] != a[at[1]]).any()


def test_the_online_rule_at_one_synapse_equals_a_block_of_training(monkeypatch):
    steps, figure, original = 600, fig_superspike, training.train_of
    generators = [np.random.default_rng(2)]
    x = training.poisson(generators, 40, 40.0, steps)
    W = abs(training.weights(generators, 1, 40, 0.3)).astype(float)
    layers = [training.layer(W, training.OUTPUT)]
    times = np.array([100, 350, 595])
    monkeypatch.setattr(training, "equidistant", lambda count: times)
    monkeypatch.setattr(training, "train_of", lambda given: original(given, steps))
    monkeypatch.setattr(figure, "neurons", lambda *given: (x, layers))
    found = figure.synapse(0, 2, 0)
    goal = np.roll(original(times, steps), training.AXON, axis=0)
    j, = np.flatnonzero((x[:, 0] == found["synapse_x"][:steps, None]).all(axis=0))
    for part in range(2):
        layers, blocks, arriving = training.run(layers, x)
        layers, m, error = training.accumulate(layers, blocks, goal - arriving)
        own = slice(part * steps, (part + 1) * steps)
        assert_array_equal(found["synapse_spikes"][own], blocks[0].spikes[:, 0, 0])
        assert 3 < blocks[0].spikes.sum() < 100
        assert_allclose(found["synapse_error"][own], error[:, 0, 0], rtol=1e-6,
                        atol=1e-9 * abs(error).max())
        assert_allclose(found["synapse_m"][own][-1], m[0][0, 0, j])
        assert (found["synapse_w"][own] == layers[0].W[0, 0, j]).all()
        layers = training.update(layers, m, figure.RATE_V)
    assert_allclose(found["synapse_w"][-1], layers[0].W[0, 0, j])


def test_weights_are_clipped():
    W = np.random.default_rng(3).uniform(-0.1, 0.1, (2, 3, 4)).astype(np.float32)
    m = np.random.default_rng(4).normal(0, 0.05, W.shape)
    (layer,) = training.update([training.layer(W, training.OUTPUT)], [m], 1.0, "fixed",
                               1.0)
    moved = W + m.astype(np.float32)
    assert layer.W.dtype == np.float32 and (abs(moved) > 0.1).mean() > 0.05
    assert_array_equal(layer.W, np.clip(moved, -0.1, 0.1))


def test_trials_until_each_neuron_hits(monkeypatch):
    """Neurons of each rate come in order, and the rate drops after trial LATE."""
    figure, rates = fig_superspike_trials, []

    def practise(layers, x, target, loops, rate, watch):
        assert layers[0].W.shape == (10, 1, 100) and x.shape[1] == 10
        for loop in range(loops):
            rates.append(rate(loop).ravel())
            spikes = np.zeros((training.STEPS, 10, 1))
            for k in range(10):
                if loop >= 30 * k and k < 9:            # the last one never hits
                    spikes[training.equidistant(5), k] = 1
            watch(loop, 0, [SimpleNamespace(spikes=spikes)])

    monkeypatch.setattr(training, "practise", practise)
    found = figure.learn(0.05, "drop", 2, 310, 5)
    assert_array_equal(found["trials"], [[1, 31], [61, 91], [121, 151], [181, 211],
                                         [241, 310]])
    assert_allclose(rates[0], np.repeat(figure.RATES_V, 2))
    assert_allclose(rates[299], rates[0])
    assert_allclose(rates[300], rates[0] / 10)
    data = figure.gather([{**found, "law": "constant", "scale": scale}
                          for scale in figure.SCALES_V])
    assert_allclose(figure.measured(data)["log-trials-50-mv-10000-uv"],
                    np.log10([241, 310]))
