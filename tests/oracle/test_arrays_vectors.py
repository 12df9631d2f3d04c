"""Vectors without a simulation, by hand."""

import numpy as np
import pytest
from proofs import blinded

from refsnn import surrogates
from refsnn.oracle import arrays_vectors, compare
from refsnn.oracle.arrays_vectors import ARRAYS

VECTORS = {name: make() for name, make in ARRAYS.items()}


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_can_fail(name):
    with pytest.raises(ValueError, match="blind"):
        compare.alive(blinded(VECTORS[name]))


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


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


def test_the_chip_s_gradient_is_that_of_the_layer():
    p, right = VECTORS["in_the_loop"].inputs, VECTORS["in_the_loop"].outputs
    names = ("scaling", "cost_of_readout", "cost_of_bursts")
    loss = arrays_vectors._chip_loss(p, *(p[key] for key in names))
    alpha, beta = (np.exp(-p["dt"] / p[key]) for key in ("tau_syn", "tau_mem"))
    psi = (p["steepness"] * np.abs(p["mem"] - p["threshold"]) + 1) ** -2.0
    own = arrays_vectors._by_lif(p, alpha, beta, loss, psi)
    assert own.keys() == right.keys() and alpha != beta
    for key, value in own.items():
        assert np.abs(right[key] - value).max() < 1e-12 * np.abs(value).max()


def test_the_chip_s_loss_by_hand():
    p = VECTORS["in_the_loop"].inputs
    peak = p["out"].max(axis=0)
    z = p["scaling"] * peak
    cross = np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), p["labels"]]
    counts = p["spikes"].sum(axis=0)
    loss = cross.mean() + p["cost_of_readout"] * (peak ** 2).mean() \
        + p["cost_of_bursts"] * (counts ** 2).mean()
    assert np.isclose(VECTORS["in_the_loop"].outputs["loss"], loss, rtol=1e-13)


def test_masks_by_hand():
    p, right = VECTORS["pruning"].inputs, VECTORS["pruning"].outputs
    for i in range(2):
        W = np.abs(p[f"W{i}"])
        edge = np.sort(W.ravel())[int(0.7 * W.size)]
        assert (right[f"magnitude{i}"] == (W > edge)).all()
    every = np.concatenate([np.abs(p[f"W{i}"] * p[f"g{i}"]).ravel() for i in range(2)])
    edge = np.sort(every)[int(0.7 * every.size)]
    for i in range(2):
        assert (right[f"snip{i}"] == (np.abs(p[f"W{i}"] * p[f"g{i}"]) >= edge)).all()


def test_updates_by_hand():
    p, right = VECTORS["optimisers"].inputs, VECTORS["optimisers"].outputs
    m, v, top = 0, 0, 0
    for t, g in enumerate(p["gradients"]):
        m = p["beta1"] * m + (1 - p["beta1"]) * g
        v = p["beta2"] * v + (1 - p["beta2"]) * g ** 2
        step = m / (1 - p["beta1"] ** (t + 1)) / (
            np.sqrt(v / (1 - p["beta2"] ** (t + 1))) + p["eps"])
        top = np.maximum(p["decay"] * top, g ** 2)
        assert np.allclose(right["adam"][t], -p["rate"] * step, rtol=1e-12)
        assert np.allclose(right["rmaxprop"][t], -p["rate"] * g / (
            np.sqrt(top) + p["eps"]), rtol=1e-12)
