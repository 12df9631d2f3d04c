"""Test the page of verdicts on tools, with no tool installed."""

import importlib
import json
import pathlib
import re

import pytest

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
REQUIRED = {"torch", "snntorch", "norse", "spikingjelly", "spyx", "sinabs", "rockpool",
            "jaxpike", "braintrace", "avalanche", "neural_tangents"}
STORED = json.loads((PEERS / "verdicts.json").read_text())


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(PEERS))
    return importlib.import_module("verdicts")


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
    assert list(verdict["neurons"]) == list(module.NEURONS)
    assert {row[0] for row in verdict["vectors"]} == set(module.VECTORS)
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
    assert verdict["neurons"] or verdict["vectors"]


def test_adapters_are_short(verdicts):
    for tool in verdicts.TOOLS:
        text = (PEERS / "adapters" / f"{tool}.py").read_text()
        assert text.partition("\nFAULTS = ")[0].count("\n") < 110, tool
