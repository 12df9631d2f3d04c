"""Vectors of costs by hand and by finite differences."""

import numpy as np
import pytest
from proofs import blinded, slopes_hold

from refsnn.oracle import check, compare
from refsnn.oracle.costs_vectors import COSTS

VECTORS = {name: make(*arguments) for name, (make, arguments) in COSTS.items()}
STEP = 1e-5


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_can_fail(name):
    with pytest.raises(ValueError, match="blind"):
        compare.alive(blinded(VECTORS[name]))


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


def log_law(p, x):
    """Log-probabilities of the classes for one sample."""
    f = p["W1"] @ np.maximum(p["W0"] @ x + p["b0"], 0) + p["b1"]
    return f - np.log(np.exp(f).sum())


def test_fisher_entry_by_entry():
    """Mean of squared differences of the log-law, over x and the law's labels."""
    p, right = VECTORS["ewc"].inputs, VECTORS["ewc"].outputs
    for key in ("W0", "W1", "b0", "b1"):
        F = np.zeros(p[key].shape)
        for at in np.ndindex(F.shape):
            moved = np.zeros(F.shape)
            moved[at] = STEP
            for x in p["x"]:
                up, down = (log_law(p | {key: p[key] + sign * moved}, x)
                            for sign in (1, -1))
                F[at] += np.exp(log_law(p, x)) @ ((up - down) / (2 * STEP)) ** 2
        assert np.allclose(F / len(p["x"]), right[f"F_{key}"], rtol=1e-6, atol=1e-10)


def held(p, F):
    return p["strength"] / 2 * sum((F[f"F_{key}"] * (p[f"moved_{key}"] - p[key]) ** 2
                                    ).sum() for key in ("W0", "W1", "b0", "b1"))


def test_the_penalty_and_its_derivative():
    p, right = VECTORS["ewc"].inputs, VECTORS["ewc"].outputs
    assert np.isclose(held(p, right), right["penalty"], rtol=1e-12)
    for key in ("W0", "W1", "b0", "b1"):
        assert slopes_hold(lambda a, key=key: held(p | {f"moved_{key}": a}, right),
                           p[f"moved_{key}"], right[f"dpenalty_{key}"], 8)


def test_a_derivative_that_is_filtered_once_is_named():
    p, right = VECTORS["van_rossum"].inputs, VECTORS["van_rossum"].outputs
    words = "derivative filtered forward in time"
    mutant = next(m for m in VECTORS["van_rossum"].mutants if words in m.name)
    assert not np.allclose(mutant.outputs["dspikes"], right["dspikes"])
    told = check.check({"van_rossum.dspikes": mutant.outputs["dspikes"]})
    assert words in told[1].text and told[1].status == "wrong"
    assert p["spikes"].any() and p["target"].any()
