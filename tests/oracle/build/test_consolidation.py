"""Vectors of synaptic intelligence and of EWC, by hand and by differences."""

import numpy as np
import pytest
from proofs import slopes_hold

from refsnn.oracle import check
from refsnn.oracle.build.registry import REGISTRY

PRESETS = [name for name in REGISTRY if name.startswith("si_")]
VECTORS = check.vectors([*PRESETS, "ewc", "ewc_online", "fisher"])
RTOL = 1e-10
STEP = 1e-5


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


def near(a, b):
    return np.abs(a - b).max() < RTOL * np.abs(b).max()


@pytest.mark.parametrize("name", PRESETS)
def test_synaptic_intelligence_by_hand(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    theta, g, begin = p["theta"], p["task_gradient"], 0
    if name in ("si_vandeven", "si_mammoth_old", "si_avalanche", "si_nupic"):
        g = g + p["penalty_gradient"]
    importance, paths = np.zeros(theta.shape[1]), []
    for end in p["task_ends"]:
        steps = theta[begin + 1:end + 1] - theta[begin:end]
        own = g[begin:end]
        if name == "si_mammoth_old":
            own = np.clip(own, -p["clip"], p["clip"])
            steps = -p["rate"] * own
        paths.append(-(own * steps).sum(axis=0))
        drift = theta[end] - theta[begin]
        w = np.maximum(paths[-1], 0) if name == "si_nupic" else paths[-1]
        importance = importance + w / (drift ** 2 + p["xi"])
        importance = np.maximum(importance, 0) if name == "si_pathint" else importance
        begin = end
    away = theta[0] - theta[-1]
    scale = p["strength"] * p.get("factor", 1.0)
    held = np.minimum(importance, p.get("cap", np.inf))
    assert near(right["path_integral"], np.array(paths))
    assert near(right["importance"], importance)
    assert near(right["penalty"], scale * (held * away ** 2).sum())
    assert near(right["dpenalty"], 2 * scale * held * away)
    if name in ("si_pathint", "si_paper"):
        total = g + p["penalty_gradient"]
        wrong = -(total[6:] * (theta[7:] - theta[6:-1])).sum(axis=0)
        assert near(mutant(name, "regularised gradient")["path_integral"][1], wrong)
        kept = mutant(name, "path integral not set to 0 between tasks")
        paths, importance = np.cumsum(paths, axis=0), 0
        for path, begin, end in zip(paths, (0, 6), (6, 12), strict=True):
            drift = theta[end] - theta[begin]
            importance = importance + path / (drift ** 2 + p["xi"])
            if name == "si_pathint":
                importance = np.maximum(importance, 0)
        assert near(kept["path_integral"], paths)
        assert near(kept["importance"], importance)
        assert near(kept["penalty"], scale * (importance * away ** 2).sum())
        assert near(kept["dpenalty"], 2 * scale * importance * away)


def log_law(p, x):
    """Log-probabilities of the classes for one sample."""
    f = p["W1"] @ np.maximum(p["W0"] @ x + p["b0"], 0) + p["b1"]
    return f - np.log(np.exp(f).sum())


@pytest.mark.parametrize("name", ["ewc", "ewc_online"])
def test_fisher_entry_by_entry(name):
    """Mean of squared differences of the log-law, over x and the law's labels."""
    given, right = VECTORS[name].inputs, VECTORS[name].outputs
    for key in ("W0", "W1", "b0", "b1"):
        F = np.zeros(given[key].shape)
        for p in (given, {k[7:]: a for k, a in given.items() if k[:7] == "second_"}):
            F *= given.get("decay", 1)
            for at in np.ndindex(F.shape):
                moved = np.zeros(F.shape)
                moved[at] = STEP
                for x in p["x"]:
                    up, down = (log_law(p | {key: p[key] + sign * moved}, x)
                                for sign in (1, -1))
                    F[at] += np.exp(log_law(p, x)) @ ((up - down) / (2 * STEP)) ** 2
        assert np.allclose(F / len(p["x"]), right[f"F_{key}"], rtol=1e-6, atol=1e-10)


def test_three_kinds_of_fisher_information_by_differences():
    """Squared differences of the log-law of each sample and label, and of a batch."""
    p, right = VECTORS["fisher"].inputs, VECTORS["fisher"].outputs
    law = np.exp([log_law(p, x) for x in p["x"]])
    every = np.arange(len(law))
    for key in ("W0", "W1", "b0", "b1"):
        for at in np.ndindex(p[key].shape):
            moved = np.zeros(p[key].shape)
            moved[at] = STEP
            up, down = (np.array([log_law(p | {key: p[key] + sign * moved}, x)
                                  for x in p["x"]]) for sign in (1, -1))
            slopes = (up - down) / (2 * STEP)
            given, drawn = slopes[every, p["labels"]], slopes[every, p["drawn"]]
            largest = slopes[every, law.argmax(axis=1)]
            pairs = slopes[:, p["labels"]]
            for found, F in (
                    (right["empirical_" + key], (given ** 2).mean()),
                    (right["sampled_" + key], (drawn ** 2).mean()),
                    (right["exact_" + key], (law * slopes ** 2).sum() / len(law)),
                    *((mutant("fisher", words)[kind + key], F) for words, kind, F in (
                        ("square of the mean gradient of the batch", "empirical_",
                         given.mean() ** 2),
                        ("square of the mean gradient of batches of 2", "empirical_",
                         (given.reshape(-1, 2).mean(axis=1) ** 2).mean()),
                        ("square of the mean over all samples with the labels of all "
                         "samples", "empirical_", pairs.mean() ** 2),
                        ("labels of the largest output", "sampled_",
                         (largest ** 2).mean()),
                        ("all labels with the same weight", "exact_",
                         (slopes ** 2).sum() / len(law))))):
                assert np.isclose(found[at], F, rtol=1e-6, atol=1e-10)


def held(p, F, when="second_"):
    return p.get("decay", 1) * p["strength"] / 2 * sum(
        (F[f"F_{key}"] * (p[f"moved_{key}"] - p[f"{when}{key}"]) ** 2).sum()
        for key in ("W0", "W1", "b0", "b1"))


@pytest.mark.parametrize("name", ["ewc", "ewc_online"])
def test_the_penalty_and_its_derivative(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    assert np.isclose(held(p, right), right["penalty"], rtol=1e-12)
    for key in ("W0", "W1", "b0", "b1"):
        assert slopes_hold(lambda a, key=key: held(p | {f"moved_{key}": a}, right),
                           p[f"moved_{key}"], right[f"dpenalty_{key}"], 8)


def test_mistakes_of_the_decay_by_hand():
    """The importances of both tasks follow from those of `ewc`, their sum."""
    p, right = VECTORS["ewc_online"].inputs, VECTORS["ewc_online"].outputs
    both, c = VECTORS["ewc"].outputs, p["decay"]
    keys = [key for key in right if key[:2] == "F_"]
    first = {key: (both[key] - right[key]) / (1 - c) for key in keys}
    second = {key: both[key] - first[key] for key in keys}
    for words, a, b, scale in (
            ("without decay", 1, 1, 1 / c),
            ("decay of the importance alone, not of the penalty", c, 1, 1 / c),
            ("decay of the penalty alone, not of the importance", 1, 1, 1),
            ("decay of the new importance, not of the old one", 1, c, 1),
            ("decay of both importances", c, c, 1),
            ("running average: 1 - decay times the new importance", c, 1 - c, 1)):
        wrong = mutant("ewc_online", words)
        F = {key: a * first[key] + b * second[key] for key in keys}
        assert np.isclose(wrong["penalty"], scale * held(p, F), rtol=RTOL)
        for key in {*keys} & {*wrong}:
            assert near(wrong[key], F[key])
        assert ({*keys} <= {*wrong}) == (F[keys[0]] - right[keys[0]]).any()
    apart = mutant("ewc_online", "an anchor for each task")["penalty"]
    assert np.isclose(apart, c * held(p, first, "") + held(p, second), rtol=RTOL)
