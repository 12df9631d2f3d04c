"""Test the page of verdicts on tools, with no tool installed."""

import importlib
import json
import pathlib
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from refsnn import conventions, eventprop, lif, surrogates
from refsnn.oracle import exchange, protocol, stored
from refsnn.oracle.build.vector import delayed

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
REQUIRED = {"torch", "snntorch", "norse", "spikingjelly", "spyx", "sinabs", "rockpool",
            "jaxpike", "braintrace", "avalanche", "neural_tangents", "jaxsnn",
            "eventax", "exact_event_adjoint", "brian2", "nengo", "bindsnet"}
STORED = json.loads((PEERS / "verdicts.json").read_text())
KNOWN = {mistake.name for one in stored.load().values() for mistake in one.mutants}


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    return importlib.import_module("verdicts")


@pytest.fixture
def spike_times(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    return importlib.import_module("spike_times")


def test_each_adapter_has_a_verdict(verdicts):
    assert set(STORED) == set(verdicts.TOOLS) >= REQUIRED


def test_the_page_is_rendered_from_the_stored_verdicts(verdicts):
    assert verdicts.PAGE.read_text() == verdicts.page(STORED)


def test_the_page_has_one_section_for_each_adapter(verdicts):
    rows = re.findall(r"^## (\S+) (\S+)$", verdicts.PAGE.read_text(), re.M)
    pins = [verdicts.adapter(tool).PINS[0] for tool in verdicts.TOOLS]
    assert sorted(f"{name}=={version}" for name, version in rows) == sorted(pins)


@pytest.mark.parametrize("tool", STORED)
def test_a_verdict_is_of_the_adapter_and_its_versions(verdicts, tool):
    module, verdict = verdicts.adapter(tool), STORED[tool]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", pin) for pin in module.PINS)
    assert verdict["version"] == module.PINS[0].partition("==")[2]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", verdict["date"])
    assert list(verdict["neurons"]) == list(module.NEURONS)
    assert {row[0] for row in verdict["vectors"]} == set(module.VECTORS)
    assert list(verdict["gradients"]) == list(verdicts.named(module))
    assert [fault["line"] for fault in verdict["faults"]] == [
        fault["line"] for fault in module.FAULTS]


@pytest.mark.parametrize("tool", STORED)
def test_a_verdict_names_the_convention_and_shows_the_faults(verdicts, tool):
    module, verdict = verdicts.adapter(tool), STORED[tool]
    for neuron, expected in module.NEURONS.items():
        told = verdict["neurons"][neuron]
        assert expected in told["probe"][0]
        assert ", but" in expected or expected in told["layer"][0]
    for fault, seen in zip(module.FAULTS, verdict["faults"], strict=True):
        assert fault["shows"] == seen["shows"] != fault["right"]
        assert fault["fault"].endswith(".") and fault["place"]
        assert fault.get("mistake", "reset detached") in KNOWN
    assert verdict["neurons"] or verdict["vectors"] or verdict["gradients"]


def test_adapters_are_short(verdicts):
    for tool in verdicts.TOOLS:
        text = (PEERS / "adapters" / f"{tool}.py").read_text()
        assert text.partition("\nFAULTS = ")[0].count("\n") < 110, tool


def test_an_adapter_answers_requests(verdicts):
    """The replies hold the outputs of the asked vector alone, from its inputs."""
    _, case = protocol.cases(["bptt"])

    def results(vectors):
        p = vectors["bptt"].inputs
        return {"bptt.dW": p["W"], "bptt.loss": p["threshold"],
                "rnn.dW": vectors["rnn"].inputs["W"]}

    toy = SimpleNamespace(PINS=("numpy==1",), VECTORS=("bptt", "rnn"), results=results)
    hello, reply = verdicts.replies(toy, [protocol.HELLO, json.loads(exchange.line(
        protocol._request(3, case.vector, "float64")))])
    assert hello == {"id": 0, "tool": "numpy", "version": np.__version__}
    assert reply["id"] == 3
    found = exchange.arrays(reply["outputs"])
    assert list(found) == ["dW", "loss"] and found["loss"] == 0.75
    np.testing.assert_array_equal(found["dW"], case.vector.inputs["W"])


def test_rows_of_stored_and_fresh_inputs(verdicts):
    command = [sys.executable, str(PEERS / "harness" / "harness.py")]
    for rows in verdicts.answered(command, ["lif_forward"]):
        assert [row[:3] for row in rows] == [
            ["lif_forward", key, "right"] for key in ("spikes", "mem", "syn")]
    assert verdicts.answered(command, []) == ([], [])
    module = verdicts.adapter("torch")
    rows = [[name, "dV", "right", ""] for name in module.VECTORS]
    told = verdicts.section("torch", module, STORED["torch"] | {
        "vectors": rows, "fresh": [["bptt", "dV", "wrong", "differs"]]})
    assert "| bptt | dV | - |\n| bptt, fresh inputs | - | dV: differs |\n" in told
    assert told.count("fresh") == 1


def test_the_page_says_who_chose_the_surrogate(verdicts):
    rows = [row for row in verdicts.PAGE.read_text().splitlines()
            if "| surrogate " in row and "through the reset |" in row]
    chosen = [row for row in rows if " (chosen by the adapter), " in row]
    assert len([row for row in rows if " (default of the tool), " in row]) == 5
    assert len(chosen) == len(rows) - 5 and any("fast_sigmoid" in row for row in chosen)


def test_conventions_are_told_in_words(verdicts):
    told = {"layer": ["as x", "settled: decay exact, input next, compare >, drive one"],
            "probe": ["as x", "settled: compare half, refractory 2, floor False, "
                      "mute False (decays are given)", "open: gain"]}
    assert verdicts.in_words(told) == (
        "decay: exp(-dt/tau); input acts: one step later; a tie: half a spike; "
        "refractory steps: 2")
    told["layer"].pop()
    assert verdicts.in_words(told).startswith("decay: given as a factor; a tie: half")
    for axis in conventions.AXES.keys() - {"mute", "refractory"}:
        assert set(verdicts.PLAIN[axis][1]) == set(map(str, conventions.AXES[axis]))
    _, _, *rows = [row.split(" | ") for row in verdicts.presets().splitlines()
                   if row.startswith("|")]
    assert rows[0][:2] == ["| refsnn", "exp(-dt/tau)"] and rows[1][0] == "| spytorch"
    assert len(rows) == len(conventions.PRESETS)
    assert {(step.floor, step.refractory) for step in conventions.PRESETS.values()} == {
        (False, 0)}


def test_neurons_differ_from_refsnn_in_words(verdicts):
    assert verdicts.differences(STORED["torch"]["neurons"]) == []
    between, own, after = ("decays between input and reading", "in its own step",
                           "after the step")
    neurons = STORED["snntorch"]["neurons"]
    assert list(neurons) == ["Leaky", "Synaptic", "Leaky, reset_mechanism='zero'"]
    assert verdicts.differences(neurons) == [
        ("synaptic current", between, "none", "decays first in a step", "none"),
        ("input acts", "one step later", own, own, own),
        ("reset", "by the threshold", "by the threshold", "by the threshold",
         "to a value"),
        ("reset acts", "after the next decay", "after the next decay",
         "after the next decay", "before the next decay"),
        ("spikes recorded", "before the step", after, after, after),
        ("potential recorded", "before the step", after, after, after),
        ("gradient through the reset", "yes", "no", "no", "no")]


@pytest.mark.parametrize("tool, mistake, neurons", [
    ("norse", "reset detached", {"lif_step": True, "lif_feed_forward_step": False}),
    ("norse", "decays are 1 - dt/tau, not exp(-dt/tau)", {
        "lif_step": True, "lif_feed_forward_step": True}),
    ("snntorch", "decays are 1 - dt/tau, not exp(-dt/tau)", {}),
    ("snntorch", "reset before the decay: beta times threshold is subtracted", {
        "Leaky": False, "Leaky, reset_mechanism='zero'": False, "Synaptic": False}),
    ("sinabs", "reset before the decay: beta times threshold is subtracted", {}),
    ("nengo", "surrogate one step late", {}), ("norse", "no such mistake", {}),
    ("torch", "surrogate one step late", {"loop of the adapter": False})])
def test_conventions_are_known_mistakes(verdicts, tool, mistake, neurons):
    assert verdicts.chosen(mistake, STORED[tool]) == neurons


def test_a_surrogate_that_is_read_elsewhere_is_not_named(verdicts):
    """A named surrogate excludes the mistakes of `MISREAD`, which have these names."""
    assert set(verdicts.MISREAD) < KNOWN
    rng, known = np.random.default_rng(5), {
        "alpha": 0.875, "beta": 0.75, "threshold": 1.0}
    x, W = (rng.random((30, 3, 4)) < 0.4) * 1.0, rng.normal(1.5, 2, (5, 4))
    run = lif.simulate(x, W, None, gain=1.0, **known)
    d, v = rng.integers(-64, 64, run.spikes.shape) / 64, run.mem - 1
    for f in (surrogates.fast_sigmoid, surrogates.triangle):
        right = f(v, 2.0)[1]
        for psi in (right, delayed(right), f(v - run.spikes, 2.0)[1],
                    f(np.where(v > 0, -1, v), 2.0)[1], f(run.mem, 2.0)[1]):
            g = lif.backward(x, W, None, run, psi, d, gain=1.0, **known)
            _, lines = verdicts.identified(known | {
                "x": x, "W": W, "spikes": run.spikes, "mem": run.mem, "syn": run.syn,
                "dspikes": d, "dW": g.dW})
            settled = verdicts.chosen("surrogate one step late", {"neurons": {
                "a": {"probe": lines, "layer": lines}}})
            assert settled == ({"a": False} if psi is right else {})


def test_factors_are_named_after_known_mistakes(verdicts):
    text = "1 of 2 entries differ; equals the right output times "
    rows = [["surrogates", "triangle", "wrong", text + "2.5 (steepness)"],
            ["surrogates", "arctan", "wrong", text + "0.795775"],
            ["surrogates", "sigmoid", "wrong", text + "0.7"],
            ["surrogates", "slayer", "right", ""], ["rtrl", "dW", "right", ""],
            ["surrogates", "", "fault", "triangle, arctan"]]
    told = "equals the right output times"
    assert verdicts.outcome("surrogates", rows) == (["slayer"], [
        f"triangle: {told} 2.5 (steepness), scaled to unit area",
        f"arctan: {told} 0.795775, scaled to unit area", f"sigmoid: {told} 0.7"])
    assert verdicts.outcome("surrogates", rows[:1])[1][0].endswith(
        ", times the steepness: peak k, not 1")


def times_of(run):
    """Return spike times by neuron, then by time."""
    return np.concatenate([run.times[0][run.units[0] == i] for i in range(3)])


def test_all_neurons_of_the_problem_of_spike_times_spike_clearly(spike_times):
    for run in spike_times.runs(spike_times.problem()):
        assert np.bincount(run.units[0], minlength=3).min() >= 2
        assert run.margin.min() > 0.25
        assert run.slope.min() * spike_times.CONSTANTS["tau_mem"] > 0.5


def test_the_right_gradients_of_spike_times_are_those_of_eventprop(spike_times):
    p, known = spike_times.problem(), spike_times.CONSTANTS
    lower, upper = spike_times.runs(p)
    errors = [upper.times[0] - p["target"][upper.units[0]]]
    g2 = eventprop.backward(errors, lower.units, p["W2"], None, upper, **known)
    g = eventprop.backward(g2.dtimes, [p["input_units"]], p["W"], None, lower, **known)
    right = {"dW2": g2.dW, "dW": g.dW, "dinput_times": g.dtimes[0]}
    for key, found in spike_times.gradients(p).items():
        np.testing.assert_allclose(found, right[key], rtol=1e-9, atol=1e-18)


def test_known_mistakes_of_spike_times_are_named(spike_times):
    p = spike_times.problem()
    times = {"times": times_of(spike_times.runs(p)[1])}
    told = spike_times.judged(times | spike_times.gradients(p))
    assert [row[1:] for row in told] == [[1.0, "right"]] * 3
    for known in spike_times.MISTAKES:
        wrong = spike_times.gradients(p, [known])
        told = spike_times.judged(times | {key: -2 * a for key, a in wrong.items()})
        name = spike_times.FAULTS[known][0]
        assert [row[2] for row in told] == [
            ("the right gradient" if known == "inputs" else name) + ", times -2"] + [
            f"{name}, times -2"] * 2
    other = {"dinput_times": np.random.default_rng(0).normal(size=12)}
    told = spike_times.judged(times | spike_times.gradients(p) | other)
    assert told[2][2] == "wrong, no known mistake"


@pytest.mark.parametrize("wrong", [slice(1, None), slice(None, None, -1)])
def test_gradients_of_other_spike_times_are_not_judged(spike_times, wrong):
    p = spike_times.problem()
    times = times_of(spike_times.runs(p)[1])
    with pytest.raises(ValueError, match="times"):
        spike_times.judged({"times": times[wrong]} | spike_times.gradients(p))
