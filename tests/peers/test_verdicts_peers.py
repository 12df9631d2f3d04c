"""Test that installed tools still earn the verdicts of VERDICTS.md.

Only tools that are installed are tested.  `environments.py` installs a tool.
"""

import importlib.util
import json
import sys

import numpy as np
import pytest
import spike_times
import verdicts

INSTALLED = [tool for tool in verdicts.TOOLS if importlib.util.find_spec(tool)]
STORED = json.loads(verdicts.STORED.read_text())
NEURONS = [(tool, neuron) for tool in INSTALLED
           for neuron in verdicts.adapter(tool).NEURONS]
FAULTS = [(tool, fault) for tool in INSTALLED
          for fault in verdicts.adapter(tool).FAULTS]
GRADIENTS = [(tool, name) for tool in INSTALLED
             for name in verdicts.named(verdicts.adapter(tool))]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def gradients_are_on():
    """Enable gradients in PyTorch, if it is installed."""
    if importlib.util.find_spec("torch"):
        import torch
        torch.set_grad_enabled(True)


@pytest.fixture(autouse=True)
def jax_computes_in_float32():
    """Undo the setting of other test files in the same process."""
    if not importlib.util.find_spec("jax"):
        yield
        return
    import jax
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize(("tool", "neuron"), NEURONS)
def test_float32_recordings_are_identified(tool, neuron):
    module = verdicts.adapter(tool)
    expected, layer = module.NEURONS[neuron], False
    for recording in verdicts.recordings(module, neuron):
        assert {recording[name].dtype for name in ("x", "W", "mem")} == {
            np.dtype(np.float32)}
        assert 0.02 < (recording["spikes"] > 0).mean() < 0.9
        status, lines = verdicts.identified(recording)
        assert status == 0
        assert expected in lines[0] or layer and ", but" in expected
        told = [line for line in lines if line.startswith("gradients: ")]
        assert len(told) == ("dW" in recording)
        assert not any(" times " in line for line in told)
        layer = True


@pytest.mark.parametrize(("tool", "fault"), FAULTS)
def test_faults_are_still_there(tool, fault):
    """Reproduce each fault; a failure means that the tool has changed."""
    assert verdicts.reproduced(fault["line"]) == fault["shows"]


@pytest.mark.parametrize("tool", [tool for tool in INSTALLED
                                  if verdicts.adapter(tool).VECTORS])
def test_vectors_get_the_stored_verdicts(tool):
    found = verdicts.answered([sys.executable, verdicts.__file__, "--answer", tool],
                              verdicts.adapter(tool).VECTORS)
    for rows, key in zip(found, ("vectors", "fresh"), strict=True):
        assert sorted(row[:3] for row in rows) == sorted(
            row[:3] for row in STORED[tool].get(key, []))


@pytest.mark.parametrize(("tool", "name"), GRADIENTS)
def test_gradients_of_spike_times_get_the_stored_verdicts(tool, name):
    found = verdicts.adapter(tool).spike_times(name, spike_times.problem())
    assert len(found["times"]) == 11
    for row, stored in zip(spike_times.judged(found),
                           STORED[tool]["gradients"][name], strict=True):
        assert row[::2] == stored[::2]
        assert row[1] == pytest.approx(stored[1], abs=1e-3)


if "avalanche" in INSTALLED:
    def test_avalanche_passes_with_a_copy_of_the_weights(monkeypatch):
        import torch
        from avalanche.training.plugins import SynapticIntelligencePlugin

        from refsnn.oracle import check

        @torch.no_grad()
        def extract(model, target, excluded):
            for name, weights in model.named_parameters():
                target[name].data = weights.detach().flatten().clone()

        monkeypatch.setattr(SynapticIntelligencePlugin, "extract_weights",
                            staticmethod(extract))
        vectors = check.vectors(["si_avalanche"])
        found = check.check(verdicts.adapter("avalanche").results(vectors), vectors)
        assert [f.status for f in found] == ["right"] * 4
