"""The list of vectors: each one can be built, and cites equations that exist."""

import doctest
import importlib
import re

import numpy as np
import pytest
from proofs import blinded

from refsnn.oracle import check, matching
from refsnn.oracle.build import registry
from refsnn.oracle.build.registry import REGISTRY, Entry

SIZED = [name for name, entry in REGISTRY.items() if entry.size]


def test_every_entry_has_a_function_a_size_and_options():
    assert set(SIZED) < set(REGISTRY)
    for entry in REGISTRY.values():
        assert isinstance(entry, Entry) and callable(entry.function)
        assert len(entry.size) in (0, 5) and isinstance(entry.options, dict)
    assert {name for name, entry in REGISTRY.items() if "dyadic" in entry.options} == {
        name for name, vector in check.vectors().items() if vector.exact}


def test_build():
    assert doctest.testmod(registry).failed == 0
    with pytest.raises(ValueError, match="'other' is not a vector: must be one of"):
        registry.build("other")


@pytest.mark.parametrize("name", SIZED)
def test_vectors_of_other_sizes(name):
    for seed in range(3):
        vector = registry.build(name, (seed, 7, 2, 2, 1))
        assert vector.name == name and vector.text and vector.mutants
        assert all(np.isfinite(value).all() for value in vector.outputs.values())
        again = registry.build(name, (seed, 7, 2, 2, 1))
        assert all((again.outputs[key] == value).all()
                   for key, value in vector.outputs.items())


@pytest.mark.parametrize("name", REGISTRY)
def test_every_vector_can_fail(name):
    with pytest.raises(ValueError, match="blind"):
        matching._alive(blinded(registry.build(name)))


def cited(text):
    """Return (module, numbers of its equations) for each module in a text."""
    for module, rest in re.findall(r"refsnn\.(\w+)(.*?)(?=refsnn\.|$)", text):
        yield module, [int(k) for k in re.findall(r"\((\d+)\)", rest)]


@pytest.mark.parametrize("name", REGISTRY)
def test_cited_modules_and_equations_exist(name):
    found = dict(cited(registry.build(name).text))
    assert found
    for module, equations in found.items():
        doc = importlib.import_module(f"refsnn.{module}").__doc__
        assert all(re.search(rf"\({k}\)( |$)", doc, re.M) for k in equations)
    assert all(found.values()) or set(found) <= {"rtrl", "sparse_rtrl"}
