"""Vectors of surrogates, losses, regularisers and optimisers, by hand."""

import numpy as np
import pytest
from proofs import slopes_hold
from tolerances import RTOL

from refsnn import surrogates
from refsnn.oracle import check

VECTORS = check.vectors(["surrogates", "surrogates_threshold", "max_over_time",
                         "first_spike", "van_rossum", "regularisers", "optimisers"])


def both(name):
    return VECTORS[name].inputs, VECTORS[name].outputs


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


def test_surrogates_near_a_threshold_by_differences():
    """Spikes f(mem - threshold), and f(mem / threshold - 1) of the ratio."""
    p, right = both("surrogates_threshold")
    k, threshold, step = p["steepness"], p["threshold"], 1e-5
    assert threshold != 1 and k * np.abs(p["mem"] - threshold).max() > 100
    for key, f in surrogates.SURROGATES.items():
        for end, v in (("", lambda u: u - threshold),
                       ("_ratio", lambda u: u / threshold - 1)):
            ends = [f(v(p["mem"] + sign * step), k)[0] for sign in (1, -1)]
            assert np.allclose((ends[0] - ends[1]) / (2 * step), right[key + end],
                               rtol=1e-5, atol=1e-9), key + end
    assert len(right) == 2 * len(surrogates.SURROGATES)


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


def test_the_gradient_of_a_double_softmax_belongs_to_its_loss():
    vector, wrong = VECTORS["max_over_time"], mutant("max_over_time", "softmax twice")

    def loss(scores):
        for _ in range(2):
            scores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(scores[np.arange(4), vector.inputs["labels"]]).mean()

    scores, d = vector.inputs["record"].max(axis=0), wrong["drecord"]
    assert np.isclose(loss(scores), wrong["loss"], rtol=1e-14)
    assert slopes_hold(loss, scores, d.sum(axis=0), 0)
    assert ((d != 0) == (vector.outputs["drecord"] != 0)).all()


def first_spike_loss(spikes, p):
    """The loss of any real trains: 1 - s multiplies up to the share unfired."""
    times, total = p["dt"] * np.cumprod(1 - spikes, axis=0).sum(axis=0), 0.0
    for row, label in zip(times, p["labels"], strict=True):
        total += row[label] / p["tau"] + np.log(np.exp(-row / p["tau"]).sum())
    return total / len(times)


def test_first_spikes_by_differences():
    p, right = both("first_spike")
    assert not p["spikes"][:, 1, 2].any()
    assert np.isclose(first_spike_loss(p["spikes"], p), right["loss"], rtol=RTOL)
    assert slopes_hold(lambda s: first_spike_loss(s, p), p["spikes"], right["dspikes"],
                       4)


def distance(spikes, p):
    """Two filters, one after the other, step by step."""
    rise, decay = (np.exp(-p["dt"] / p[key]) for key in ("tau_rise", "tau_decay"))
    first, second, cost = 0, 0, 0.0
    for s in spikes - p["target"]:
        cost += (second ** 2).sum() if np.ndim(second) else 0.0
        first = rise * first + (1 - rise) * s
        second = decay * second + (1 - decay) * first / p["dt"]
    return p["dt"] * cost / (2 * spikes.shape[1])


def test_van_rossum_by_filters_in_turn():
    p, right = VECTORS["van_rossum"].inputs, VECTORS["van_rossum"].outputs
    assert np.isclose(distance(p["spikes"], p), right["loss"], rtol=1e-12)
    assert slopes_hold(lambda s: distance(s, p), p["spikes"], right["dspikes"], 6)


def test_a_derivative_that_is_filtered_once_is_named():
    p, right = VECTORS["van_rossum"].inputs, VECTORS["van_rossum"].outputs
    words = "derivative filtered forward in time"
    mutant = next(m for m in VECTORS["van_rossum"].mutants if words in m.name)
    assert not np.allclose(mutant.outputs["dspikes"], right["dspikes"])
    told = check.check({"van_rossum.dspikes": mutant.outputs["dspikes"]})
    assert words in told[2].text and told[1].status == "wrong"
    assert p["spikes"].any() and p["target"].any()


def costs(spikes, p):
    """The regularisers, trial by trial."""
    lower, upper, burst, total = [], [], [], []
    for trial in spikes.swapaxes(0, 1):
        counts = trial.sum(axis=0)
        lower.append(np.mean([max(0, p["below"] - c) ** 2 for c in counts]))
        upper.append(max(0, counts.mean() - p["above"]) ** 2)
        burst.append(np.mean(counts ** 2))
        total.append(counts.sum())
    return {key: np.mean(a) for key, a in (("lower", lower), ("upper", upper),
                                           ("burst", burst), ("total", total))}


@pytest.mark.parametrize("key", ["lower", "upper", "burst", "total"])
def test_regularisers_trial_by_trial(key):
    p, right = VECTORS["regularisers"].inputs, VECTORS["regularisers"].outputs
    assert np.isclose(costs(p["spikes"], p)[key], right[key], rtol=1e-12)
    counts = p["spikes"].sum(axis=0)
    assert (counts != p["below"]).all() and (counts.mean(axis=1) != p["above"]).all()
    assert slopes_hold(lambda s: costs(s, p)[key], p["spikes"], right[f"d{key}"], 7)


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
