"""Vectors of spike-time gradients, by neurons one at a time and by differences."""

import numpy as np
import pytest
from answers import ANSWERS

from refsnn.oracle import check
from refsnn.oracle.build import event_gradients, registry

VECTORS = check.vectors(["eventprop", "eventprop_grid", "eventprop_grid_subtract"])
STEPS = {"W": 1e-7, "W2": 1e-7, "input_times": 1e-7, "tau_mem": 1e-8, "tau_syn": 1e-8}


def potential(t, arrivals, weights, p):
    """Potential at the times t, of a neuron at rest before the arrivals."""
    ago = np.maximum(np.subtract.outer(t, arrivals), 0)
    ratio = p["tau_syn"] / (p["tau_mem"] - p["tau_syn"])
    return ratio * (np.exp(-ago / p["tau_mem"]) - np.exp(-ago / p["tau_syn"])) @ weights


def neuron(arrivals, weights, p):
    """Spike times of a neuron, by a scan and by bisection.  After a spike, the
    currents alone are left."""
    found, begin = [], 0.0
    while True:
        late = np.exp(-np.maximum(begin - arrivals, 0) / p["tau_syn"]) * weights
        since = np.maximum(arrivals, begin)
        t = np.arange(begin, p["until"], 2e-5)
        up = np.flatnonzero(potential(t, since, late, p) > p["threshold"])
        if not len(up):
            return found
        low, high = t[up[0] - 1], t[up[0]]
        for _ in range(60):
            middle = (low + high) / 2
            above = potential(middle, since, late, p) > p["threshold"]
            low, high = (low, middle) if above else (middle, high)
        begin = high
        found.append(high)


def network(p):
    """Spike times of all neurons, by sample and layer, and the loss."""
    spikes, loss = [], 0.0
    for times, units, target in zip(p["input_times"], p["input_units"], p["target"],
                                    strict=True):
        one = [neuron(times, w[units], p) for w in p["W"]]
        sent = np.repeat(np.arange(len(one)), list(map(len, one)))
        two = [neuron(np.concatenate(one), w[sent], p) for w in p["W2"]]
        spikes += [*one, *two]
        loss += sum(((np.array(t) - a) ** 2).sum() / 2
                    for t, a in zip(two, target, strict=True))
    return spikes, loss


def test_right_answers_in_continuous_time_by_differences():
    p, right = VECTORS["eventprop"].inputs, VECTORS["eventprop"].outputs
    spikes, loss = network(p)
    assert list(map(len, spikes)) == right["counts"].ravel().tolist()
    assert np.allclose(np.concatenate(spikes), right["times"], rtol=1e-12)
    assert np.isclose(loss, right["loss"], rtol=1e-12)
    rng = np.random.default_rng(5)
    for key, step in STEPS.items():
        toward = rng.normal(size=np.shape(p[key]))
        up, down = (network(p | {key: p[key] + sign * step * toward})[1]
                    for sign in (1, -1))
        slope = float((right[f"d{key}"] * toward).sum())
        assert abs(slope) > 1e-4
        assert np.isclose((up - down) / (2 * step), slope, rtol=1e-6, atol=0), key


@pytest.mark.parametrize("name", VECTORS)
def test_rounded_inputs_give_results_within_the_tolerance_of_float32(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    single = {key: a if np.asarray(a).dtype.kind == "i" else np.asarray(
        np.float32(a), float)[()] for key, a in p.items()}
    for key, a in ANSWERS[name](single).items():
        assert np.abs(a - right[key]).max() < 1e-5 * np.abs(right[key]).max()


def test_every_neuron_spikes_several_times():
    assert VECTORS["eventprop"].outputs["counts"].min() > 1
    for name in ("eventprop_grid", "eventprop_grid_subtract"):
        assert VECTORS[name].outputs["spikes"].sum(axis=0).min() > 1


def test_the_mistakes_are_faults_of_a_right_backward_pass(monkeypatch):
    """Without its fault, the backward pass that computes the mistakes is right."""
    monkeypatch.setattr(event_gradients, "_mistakes", lambda right, found, _: {
        "none": found("")})
    vector = registry.build("eventprop")
    found = vector.mutants[0].outputs
    assert found.keys() == {key for key in vector.outputs if key[0] == "d"}
    for key, a in found.items():
        right = vector.outputs[key]
        assert np.allclose(a, right, rtol=0, atol=1e-13 * np.abs(right).max())


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


@pytest.mark.parametrize("one, other", [
    ("zero", "subtract"), ("subtract", "zero")])
def test_each_grid_has_the_other_reset_as_a_mistake(one, other):
    names = {"zero": "eventprop_grid", "subtract": "eventprop_grid_subtract"}
    wrong = mutant(names[one], f"reset {event_gradients.RESETS[other]}")
    right = VECTORS[names[other]].outputs
    assert wrong.keys() == right.keys()
    assert all(np.allclose(wrong[key], a, rtol=1e-12, atol=0)
               for key, a in right.items())


def test_faults_of_the_jump_matter_after_the_first_spike_only():
    """The last spike of a neuron has no later potential to depend on."""
    current, d = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    right = event_gradients._jump(0.0, d, current, "")
    assert np.allclose(right, -event_gradients.TAU_MEM * d / (current - 0.75))
    for fault, same in (("factor", True), ("lost", True), ("after", False)):
        assert np.allclose(event_gradients._jump(0.0, d, current, fault), right) is same
        assert not np.allclose(event_gradients._jump(7.0, d, current, fault),
                               event_gradients._jump(7.0, d, current, ""))
