"""Test the figure on increased mismatch and noise, on few digits and by hand."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.chip import chip_images, fig_chip_gap as figure
from figures.run import claims
from figures.run.jobs import normalised
from figures.train import image_sets
from refsnn import chip

CALL = {"task": "digits", "folder": None, "tests": [], "epochs": 2, "first": 0,
        "count": 2, "seed": 1, "repeat": 0, "hidden": 12}
PAIRS = ((0, 1), (5, 1), (10, 1), (15, 1), (20, 1), (0, 2), (0, 4), (0, 8))


@pytest.fixture
def few(monkeypatch):
    """Reduce the embedded digits to a few images."""
    whole = chip_images.digits
    monkeypatch.setattr(chip_images, "digits", lambda seed, repeat: image_sets.Images(
        *(array[:count] for array, count in zip(whole(seed, repeat), (100, 100, 40, 40),
                                                strict=True))))


def test_full_size():
    assert figure.FOLDERS == {"full": ("mnist",)} and figure.chips("full") == [*PAIRS]
    listed = figure.jobs("full", 0, "folder")
    assert len(listed) == 3 * 9 * 2
    for i, (_, kwargs, *before) in enumerate(listed):
        assert (kwargs["first"], kwargs["count"]) == (10 * (i % 2), 10)
        assert before == ([i - 1] if i % 2 else [])
        assert [kwargs[key] for key in ("task", "folder", "epochs", "hidden",
                                        "repeat")] == ["mnist", "folder", 20, 246,
                                                       i // 18]
        pair = (*PAIRS, (None, None))[i // 2 % 9]
        assert (kwargs["level"], kwargs["factor"]) == pair
        assert kwargs["tests"] == ([list(pair) for pair in PAIRS]
                                   if pair == (None, None) else [])
    small = figure.jobs("default", 0, None, repeats=1, epochs=3, hidden=50)
    assert [(kwargs["epochs"], kwargs["count"], kwargs["hidden"])
            for _, kwargs, *_ in small] == [(3, 3, 50)] * 6


def test_each_chip_has_the_increase_that_it_says_and_no_other(monkeypatch):
    made = []
    monkeypatch.setattr(chip_images, "on_chip", lambda drawn, rng: made.append(drawn))
    for pair in PAIRS:
        figure.runner(*pair, 3, 1, None)
    plain = chip_images.drawn(3, 1)
    for (level, factor), one in zip(PAIRS, made, strict=True):
        effects = one.effects._replace(
            noise=chip.CALIBRATED.noise,
            decalibration=None if level else one.effects.decalibration)
        assert effects == chip.CALIBRATED
        assert one.effects.noise == (0.02 * factor, 0.015 * factor, 0.03)
        for name in ("tau_mem", "tau_syn", "threshold"):
            ratio = getattr(one, name) / getattr(plain, name)
            assert ratio.std() == pytest.approx(level / 100, rel=0.2, abs=1e-6), name
        assert np.array_equal(one.gain, plain.gain)
        assert np.array_equal(one.leak, plain.leak)
    assert figure.runner(None, None, 3, 1, None) is chip_images.in_software


@pytest.mark.parametrize("pair", [(None, None), (0, 4)])
def test_parts_of_a_training_equal_the_whole(few, pair):
    call = {**CALL, "level": pair[0], "factor": pair[1],
            "tests": [] if pair[1] else [[0, 1], [20, 1]]}
    whole = figure.learn(**call)
    part = figure.learn(**{**call, "count": 1})
    assert "accuracy" not in part
    part = figure.learn(before=normalised(part, "part"),
                        **{**call, "first": 1, "count": 1})
    assert part.keys() == whole.keys()
    for key, value in whole.items():
        np.testing.assert_array_equal(part[key], value)


def test_networks_are_paired_and_tested_on_the_same_chips(few, monkeypatch):
    """Weights of software are not limited, and are tested on each chip."""
    seen, ran, gradient, run_on = [], [], chip_images.gradient, chip_images.on_chip
    step, limits = chip_images.step, []

    def spy(run, weights, x, labels, rule, generator):
        seen.append((weights.hidden, x, rule))
        return gradient(run, weights, x, labels, rule, generator)

    monkeypatch.setattr(chip_images, "gradient", spy)
    monkeypatch.setattr(chip_images, "on_chip", lambda drawn, rng: (
        ran.append((drawn, rng.bit_generator.state)), run_on(drawn, rng))[1])
    monkeypatch.setattr(chip_images, "step", lambda learner, d, rate, clamp: (
        limits.append((rate, clamp)), step(learner, d, rate, clamp))[1])
    calls = [{**CALL, "level": level, "factor": factor} for level, factor in
             ((0, 1), (20, 1))] + [{**CALL, "level": None, "factor": None,
                                    "tests": [[0, 1], [20, 1]]}]
    results = [figure.learn(**call) for call in calls]
    size = len(seen) // 3
    rates = 1e-3 * 0.94 ** np.repeat([0, 1], size // 2)
    for i in range(3):
        assert np.array_equal(seen[i * size][0], seen[0][0])
        for one, other in zip(seen[i * size:(i + 1) * size], seen, strict=False):
            assert np.array_equal(one[1], other[1]) and one[2] == chip_images.DEFAULT
        assert limits[i * size:(i + 1) * size] == [
            (pytest.approx(rate), i < 2) for rate in rates]
    (calm, state), (moved, again) = ran[-2:]
    assert state == again == ran[2][1], "the tests have the same noise"
    assert np.array_equal(calm.threshold, ran[0][0].threshold)
    assert np.array_equal(moved.threshold, ran[3][0].threshold)
    assert len(results[2]["transfer"]) == 2 and results[0]["transfer"] == []
    data = normalised(figure.gather(results), "data")
    assert data["loop"].tolist() == [[r["accuracy"]] for r in results[:2]]
    assert data["transfer"][:, 0].tolist() == results[2]["transfer"]
    assert data["software"].tolist() == [results[2]["accuracy"]]


# ---- claims by hand

def made_up(gaps):
    """Return data of 3 runs; at (0, 1), the difference is 0."""
    gaps = {(0, 1): [0.0, 0.001, -0.001], **gaps}
    results = [{"kind": "chip", "level": level, "factor": factor, "accuracy": 0.96,
                "transfer": []} for level, factor in PAIRS for _ in range(3)]
    results += [{"kind": "software", "accuracy": 0.97, "transfer": [
        0.96 - gaps[pair][run] for pair in PAIRS]} for run in range(3)]
    return normalised(figure.gather([{}, *results]), "data")


def test_claims_by_hand():
    few, some, much = [0.0, 0.002, 0.001], [0.01, 0.03, 0.02], [0.03, 0.032, 0.031]
    data = made_up({(5, 1): few, (10, 1): some, (15, 1): much, (20, 1): much,
                    (0, 2): few, (0, 4): few, (0, 8): some})
    found = figure.measured(data)
    declared = {claim.id: claim for claim in figure.claims("full")}
    assert found.keys() == declared.keys() and len(declared) == 2 + 8 + 16 + 1
    assert found["least-decalibrated"] == 15, "the mean 0.02 alone is not enough"
    assert np.isnan(found["least-noise"])
    assert found["gap-decalibrated-10"] == pytest.approx(some)
    assert found["gap-noise-2"] == pytest.approx(few)
    assert found["transfer-decalibrated-15"] == pytest.approx(0.96 - np.array(much))
    assert found["loop-noise-4"] == pytest.approx([0.96] * 3)
    assert found["software"].tolist() == [0.97] * 3
    own = {key: (claim.low, claim.high, claims.judge(
        claim, claims.measure(found[key])).verdict)
        for key, claim in declared.items() if claim.kind == "own"}
    assert own == {"gap-decalibrated-20": (0.01, None, "holds"),
                   "gap-noise-8": (0.01, None, "not decided")}
    assert not [claim for claim in figure.claims("default") if claim.kind == "own"]
    figure.plot(data, Figure())
    loud = made_up({pair: few for pair in PAIRS} | {(0, 4): much, (0, 8): much})
    assert figure.measured(loud)["least-noise"] == 4
