"""Vectors without a spiking layer, by hand."""

import numpy as np
import pytest

from refsnn import conformance_compare, surrogates
from refsnn.conformance_arrays import ARRAYS

VECTORS = {name: make() for name, make in ARRAYS.items()}


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


@pytest.mark.parametrize("name", ARRAYS)
def test_every_vector_can_fail(name):
    vector = VECTORS[name]
    assert vector.name == name and not vector.exact
    assert conformance_compare.alive(vector) is vector
    again = ARRAYS[name]()
    assert all(np.all(again.outputs[key] == value)
               for key, value in vector.outputs.items())
    blind = vector._replace(
        mutants=[vector.mutants[0]._replace(outputs=vector.outputs)])
    with pytest.raises(ValueError, match="blind"):
        conformance_compare.alive(blind)


def test_surrogates_by_hand():
    p, right = VECTORS["surrogates"].inputs, VECTORS["surrogates"].outputs
    z = p["steepness"] * np.abs(p["v"])
    assert np.allclose(right["fast_sigmoid"], (1 + z) ** -2, rtol=1e-14)
    assert np.allclose(right["triangle"], np.maximum(0, 1 - z), rtol=1e-13, atol=1e-15)
    assert len(right) == 7
    wrong = mutant("surrogates", "surrogate without +1")["fast_sigmoid"]
    assert np.allclose(wrong, z ** -2, rtol=1e-14)
    unit = mutant("surrogates", "scaled to unit area")
    v = np.linspace(-400, 400, 2_000_001)
    for name, bump in unit.items():
        scale = bump[17] / right[name][17] if right[name][17] else bump[18]
        area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
        whole = area(surrogates.SURROGATES[name](v, p["steepness"])[1], v)
        assert abs(scale * whole - 1) < 2e-3, name


def test_ties_of_the_maximum_are_there():
    vector = VECTORS["max_over_time"]
    record, d = vector.inputs["record"], vector.outputs["drecord"]
    top = record == record.max(axis=0)
    assert (top.sum(axis=0) > 1).any() and (d[~top] == 0).all()
    last = len(record) - 1 - np.argmax(top[::-1], axis=0)
    assert (np.take_along_axis(d, last[None], axis=0)[0] == d.sum(axis=0)).all()
    scores = record.max(axis=0)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.isclose(vector.outputs["loss"], -np.log(
        p[np.arange(4), vector.inputs["labels"]]).mean(), rtol=1e-14)


def test_bins_by_hand():
    p, counts = VECTORS["binning"].inputs, VECTORS["binning"].outputs["counts"]
    expected = np.zeros((p["T"], p["m"]))
    for time, unit in zip(p["times"], p["units"], strict=True):
        expected[int(time // p["dt"]), unit] += 1
    assert (counts.reshape(expected.shape) == expected).all()
    assert counts.sum() == 300 and counts.max() > 1
    halves = mutant("binning", "float16 times")["counts"]
    assert halves.sum() == 300 and 0 < np.abs(halves - counts).sum() < 300
