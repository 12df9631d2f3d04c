"""Training in the loop with other simulators in place of a chip."""

import inspect

import chips
import numpy as np
import pytest

from refsnn import chip_weights, in_the_loop, optimisers, probe

SIZES = 12, 8, 3
CHIPS = {"snntorch": chips.snntorch_chip, "norse": chips.norse_chip}


@pytest.fixture(params=CHIPS)
def run(request):
    pytest.importorskip(request.param)
    return CHIPS[request.param]


def test_adapters_are_short(run):
    lines, _ = inspect.getsourcelines(run)
    assert len(lines) <= 30


def test_probe_finds_no_fault(run):
    report = probe.probe(run, *SIZES)
    assert report.faults == () and not report.silent.any()
    if run is chips.snntorch_chip:
        assert report.delay == {"input": 0, "spikes": 0, "samples": 0}
        np.testing.assert_allclose(report.gain, 1, rtol=1e-5)


def test_probe_names_a_forgotten_shift():
    pytest.importorskip("snntorch")

    def early(weights, x):
        return chips.snntorch_chip(weights, np.concatenate([x[1:], 0 * x[:1]]))

    report = probe.probe(early, *SIZES)
    assert report.faults == ("Input comes 1 step early.",)


def test_learning_in_the_loop(run):
    """The task of the example in the docstring of `in_the_loop`."""
    rng = np.random.default_rng(1)
    x, labels = (rng.random((50, 8, 20)) < 0.1) * 1.0, np.arange(8) % 2
    weights, history = chip_weights.initial(rng, 20, 50, 2, dtype=np.float64), []
    first = second = None
    for _ in range(40):
        written, s = chip_weights.integers(weights)
        record = in_the_loop.record(run, written, x, gain=240 / s, dtype=np.float64)
        record = in_the_loop.complete(weights, x, record)
        value, dout, dspikes = in_the_loop.loss(record, labels, burst=5e-4)
        d = in_the_loop.gradients(weights, x, record, dout, dspikes)
        first, dW = optimisers.adam(first, d.hidden, rate=0.005)
        second, dW_out = optimisers.adam(second, d.readout, rate=0.005)
        weights = chip_weights.clip(chip_weights.Weights(
            weights.hidden + dW, None, weights.readout + dW_out))
        history.append(value)
    assert record.spikes.any() and history[-1] < 0.1 < 0.5 < history[0]
