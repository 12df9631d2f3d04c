"""Test networks with single effects of the chip, and the figure that trains them."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.chip import (chip_images, chip_software, chip_words,
                          fig_chip_word_settings as figure)
from figures.run import claims
from figures.run.jobs import normalised
from figures.train import spoken_words
from refsnn import chip, chip_weights, lif

DT = chip_images.DT_S


def rng():
    return np.random.default_rng(4)


@pytest.fixture(scope="module")
def busy():
    """Return weights and inputs of a network that spikes in a tenth of the bins."""
    given = np.random.default_rng(3)
    weights = chip_images.begin(given, 30, inputs=20, classes=4, recurrent=True).weights
    weights = weights._replace(hidden=4 * weights.hidden,
                               recurrent=1.5 * weights.recurrent)
    x = (given.random((60, 5, 20)) < 0.2).astype(np.float32)
    assert 0.05 < chip_images.in_software(weights, x).spikes.mean() < 0.3
    return weights, x


def ran(busy, *names, parts=1, effects=chip.CALIBRATED):
    """Return the recording with the named effects alone."""
    return chip_software.simulated(chip.only(effects, *names), rng(), parts)(*busy)


# ---- effects in software

def test_software_without_effects_is_ideal_software(busy):
    found, wanted = ran(busy), chip_images.in_software(*busy)
    np.testing.assert_array_equal(found.spikes, wanted.spikes)
    np.testing.assert_allclose(found.mem, wanted.mem, atol=1e-4)
    np.testing.assert_allclose(found.out, wanted.out, atol=1e-4)


@pytest.mark.parametrize("names", [("refractory",), ("refractory", "headroom"),
                                   ("refractory", "headroom", "adc_limit")])
def test_software_with_short_steps_is_a_chip_without_mismatch(busy, names):
    """Both have the same steps; also shows that the chip gets exact weights."""
    effects = chip.only(chip.CALIBRATED, *names)
    if names[1:]:
        effects = effects._replace(headroom=(-0.4, 0.95, 0.5))
    drawn = chip.draw(1, effects)
    wanted = chip_images.on_chip(drawn, rng())(*busy)
    found = ran(busy, *names, parts=17, effects=effects)
    assert wanted.spikes.mean() > 0.01
    assert (found.spikes != wanted.spikes).mean() < 0.002
    # At a spike, the chip shows the potential after the reset.
    same = (found.mem <= 1) & (wanted.mem <= 1)
    assert (abs(found.mem - wanted.mem)[same] < 0.02).mean() > 0.98
    assert (abs(found.out - wanted.out) < 0.02).mean() > 0.95


def test_reset_of_the_chip_is_that_of_lif(busy):
    weights, x = busy
    wanted = lif.simulate(x, weights.hidden, weights.recurrent, alpha=chip_images.DECAY,
                          beta=chip_images.DECAY, reset="zero", refractory=1)
    found = ran(busy, "refractory")
    np.testing.assert_array_equal(found.spikes, wanted.spikes)
    np.testing.assert_allclose(found.mem, wanted.mem, atol=1e-4)


def test_integer_weights(busy):
    weights, x = busy
    written, scale = chip_weights.integers(weights)
    assert abs(weights.hidden).max() * 240 > 70, "some weights are limited"
    used = chip_weights.Weights(*(np.float32(w / s) for w, s in zip(
        written, (240, 240, scale), strict=True)))
    wanted, found = chip_images.in_software(used, x), ran(busy, "weight_limit")
    np.testing.assert_allclose(found.out, wanted.out, atol=1e-4)
    assert abs(wanted.out - chip_images.in_software(*busy).out).max() > 0.01


def test_limited_potentials(busy):
    """One neuron, then the codes: floor(80 + 70 v) from 0 to 255."""
    lone = chip_weights.Weights(np.full((1, 1), 3.0, np.float32), np.zeros((1, 1)),
                                np.full((1, 1), 0.1, np.float32))
    x = np.zeros((4, 1, 1), np.float32)
    x[0] = 1
    mem = ran((lone, x), "headroom").mem.ravel()
    factor = np.exp(-DT / 6e-6 * (1 - 0.2) / 0.2)
    assert mem[:3] == pytest.approx([0, 0, 1.75 + factor * (3 - 1.75)])
    plain, found = chip_images.in_software(*busy), ran(busy, "adc_limit")
    scale = chip_weights.integers(busy[0])[1] / 240
    np.testing.assert_array_equal(found.spikes, plain.spikes)
    np.testing.assert_allclose(found.mem, np.clip(np.floor(70 * plain.mem), -80, 175)
                               / 70, atol=1.01 / 70)
    np.testing.assert_allclose(70 * found.mem, np.rint(70 * found.mem), atol=1e-3)
    codes = 70 * scale * found.out
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)
    assert plain.mem.min() < -1.2 and found.mem.min() == pytest.approx(-80 / 70)


def test_noise():
    silent = chip_weights.Weights(np.zeros((200, 3), np.float32), np.zeros((200, 200)),
                                  np.full((50, 200), 63 / 120, np.float32))
    x = np.ones((40, 30, 3), np.float32)
    found = ran((silent, x), "noise")
    spread = np.sqrt(2 * (0.02 ** 2 + 0.015 ** 2))      # the first sample is subtracted
    assert found.mem[30:].std() == pytest.approx(spread, rel=0.03)
    assert found.out[30:].std() == pytest.approx(2 * spread, rel=0.05), "scale 120"
    assert not found.spikes.any()
    read = ran((silent, x), "noise", effects=chip.CALIBRATED._replace(
        noise=(0.1, 0.0, 0.0))).mem[30:]
    assert read.std() == pytest.approx(np.sqrt(2) * 0.1, rel=0.03)


def test_lost_spikes(busy):
    weights, x = busy
    for loss, count in ((1.0, 0), (0.0, None)):
        found = ran(busy, "loss", effects=chip.CALIBRATED._replace(loss=loss))
        assert found.spikes.any() == (count is None) == found.out.any()
    lost = chip_software.simulated(chip.IDEAL._replace(loss=0.5), rng())
    strong = weights._replace(hidden=0 * weights.hidden + 2)
    found, wanted = lost(strong, x), chip_images.in_software(strong, x)
    assert found.out.std() < 0.7 * wanted.out.std(), "hidden spikes are lost, too"


def test_time_steps_change_the_times_of_spikes_alone(busy):
    """Responses to inputs are equal; a neuron spikes at most once in a bin."""
    weights, x = busy
    weak = weights._replace(hidden=0.1 * weights.hidden)
    for parts in (2, 5):
        found, plain = ran((weak, x), parts=parts), ran((weak, x))
        assert not plain.spikes.any()
        np.testing.assert_allclose(found.mem, plain.mem, atol=1e-5)
        found, plain = ran(busy, parts=parts), ran(busy)
        assert found.spikes.max() == 1 and (found.spikes != plain.spikes).any()
        first, late = found.spikes.argmax(axis=0), plain.spikes.argmax(axis=0)
        assert (first <= late)[plain.spikes.any(axis=0)].mean() > 0.9


# ---- networks of the figure

def test_each_network_changes_what_it_says_and_nothing_else(monkeypatch):
    drawn, soft = [], []
    monkeypatch.setattr(chip_images, "on_chip", lambda chip, rng: drawn.append(chip))
    monkeypatch.setattr(chip_software, "simulated", lambda effects, rng, parts: (
        soft.append((effects, parts))))
    for name in figure.NETWORKS:
        figure.runner(name, 3, 1, rng())
    off = [{key: value for key, value in one.effects._asdict().items()
            if value != getattr(chip.CALIBRATED, key)} for one in drawn]
    assert off == [{}, {"noise": None, "loss": None}, {"weight_limit": None},
                   {"headroom": None, "adc_limit": None}, {}]
    plain = chip_images.drawn(3, 1)
    for one in drawn:
        for name in ("gain", "synapse", "tau_syn", "threshold", "adc_offset"):
            assert np.array_equal(getattr(one, name), getattr(plain, name))
    on = [({key for key, value in effects._asdict().items() if value is not None},
           parts) for effects, parts in soft]
    assert on == [({"noise", "loss"}, 1), ({"refractory"}, 1), ({"weight_limit"}, 1),
                  ({"headroom", "adc_limit"}, 1), (set(), 5)]
    assert figure.runner("software", 3, 1, None) is chip_images.in_software
    assert figure.runner("software-penalties", 3, 1, None) is chip_images.in_software


@pytest.fixture
def few(monkeypatch):
    """Use the first half second of 12 words to train and of 8 words to test."""
    whole = spoken_words.embedded()
    index = [np.flatnonzero((whole.label < 2) & (whole.test == test))[:count]
             for test, count in ((False, 12), (True, 8))]
    words = spoken_words.chosen(whole, np.concatenate(index))
    keep = [t < 0.2 for t in words.times]
    words = words._replace(times=[t[k] for t, k in zip(words.times, keep, strict=True)],
                           units=[u[k] for u, k in zip(words.units, keep, strict=True)])
    monkeypatch.setattr(spoken_words, "read", lambda folder: words)
    return words


CALL = {"folder": None, "epochs": 2, "seed": 1, "repeat": 0, "first": 0, "count": 2,
        "classes": 2, "hidden": 8, "batch": 4}


@pytest.mark.parametrize("name", ["software", "software-noise", "chip", "chip-weights"])
def test_parts_of_a_training_equal_the_whole(few, name):
    whole = figure.learn(name=name, **CALL)
    part = figure.learn(name=name, **{**CALL, "count": 1})
    assert "accuracy" not in part
    part = figure.learn(name=name, before=normalised(part, "part"),
                        **{**CALL, "first": 1, "count": 1})
    assert part.keys() == whole.keys()
    for key, value in whole.items():
        np.testing.assert_array_equal(part[key], value)


def test_networks_are_paired_and_differ_in_penalties_and_limits(few, monkeypatch):
    """All start from the same weights, and receive the words in the same order."""
    seen, gradient, step = [], chip_images.gradient, chip_images.step

    def spy(run, weights, x, labels, rule, *more, **options):
        seen.append([weights, x, rule, options["rate"], options["bound"], None])
        return gradient(run, weights, x, labels, rule, *more, **options)

    monkeypatch.setattr(chip_images, "gradient", spy)
    monkeypatch.setattr(chip_images, "step", lambda learner, d, rate, clamp: (
        seen[-1].__setitem__(5, (rate, clamp)), step(learner, d, rate, clamp))[1])
    for name in figure.NETWORKS:
        figure.learn(name=name, **CALL)
    runs = [seen[i:i + 6] for i in range(0, len(seen), 6)]      # 2 epochs, 3 batches
    assert len(runs) == len(figure.NETWORKS)
    for name, run in zip(figure.NETWORKS, runs, strict=True):
        assert np.array_equal(run[0][0].hidden, runs[0][0][0].hidden)
        assert np.array_equal(run[0][0].recurrent, runs[0][0][0].recurrent)
        free = name.endswith("penalties")
        for one, other, epoch in zip(run, runs[0], (0, 0, 0, 1, 1, 1), strict=True):
            assert np.array_equal(one[1], other[1])
            assert one[2]._replace(decay=0.1) == chip_words.RULE
            assert (one[2].decay, one[3], one[4]) == (
                (0.0, 0.0, 3000.0) if free else (0.1, 1e-7, 3000.0))
            assert one[5] == (pytest.approx(1.5e-3 * 0.97 ** epoch),
                              name in ("chip", "chip-noise", "chip-range",
                                       "chip-penalties", "software-weights"))
    assert not np.array_equal(runs[0][0][1], runs[0][3][1]), "each epoch is shuffled"


def test_full_size():
    listed = figure.jobs("full", 0, "folder")
    assert len(listed) == 3 * 12 * 6
    for i, (_, kwargs, *before) in enumerate(listed):
        assert kwargs["first"] == 5 * (i % 6) and kwargs["count"] == 5
        assert before == ([i - 1] if i % 6 else [])
        assert [kwargs[key] for key in ("epochs", "classes", "hidden", "batch")] == [
            30, 20, 186, 100]
        assert (kwargs["name"], kwargs["repeat"]) == (
            list(figure.NETWORKS)[i // 6 % 12], i // 72)
    few = figure.jobs("default", 0, None, repeats=1, epochs=2, classes=5, hidden=9)
    assert len(few) == 12 and few[0][1]["count"] == 2
    assert (few[0][1]["classes"], few[0][1]["hidden"]) == (5, 9)


# ---- claims by hand

def made_up(**changes):
    """Return data in which software exceeds the chip by 0.04 in the mean of 3 runs."""
    test = {name: np.array([0.78, 0.80, 0.79]) if name.startswith("software")
            else np.array([0.75, 0.75, 0.75]) for name in figure.NETWORKS}
    test |= {name: np.array(value) for name, value in changes.items()}
    results = [{"name": name, "accuracy": value, "curve": np.array([0.1, value + 0.1]),
                "data": "words", "classes": np.int64(20)}
               for name, values in test.items() for value in values]
    return normalised(figure.gather([{"curve": 1}, *results]), "data")


def judged(data):
    found = figure.measured(data)
    declared = {claim.id: claim for claim in figure.claims("full")}
    assert found.keys() == declared.keys()
    return {key: claims.judge(claim, claims.measure(found[key]))
            for key, claim in declared.items()}


def test_shares_by_hand():
    found = judged(made_up(**{
        "software-noise": [0.75, 0.77, 0.76], "chip-range": [0.76, 0.76, 0.76],
        "software-penalties": [0.80, 0.80, 0.80], "chip-penalties": [0.78] * 3}))
    values = {key: result.value for key, result in found.items()}
    assert values["gap"] == pytest.approx(0.04)
    assert values["share-software-noise"] == pytest.approx(0.03 / 0.04)
    assert values["share-chip-range"] == pytest.approx(0.01 / 0.04)
    assert values["share-penalties"] == pytest.approx(0.5)
    assert values["share-software-steps"] == values["share-chip-noise"] == (
        pytest.approx(0, abs=1e-12))
    assert values["software-noise"] == pytest.approx(0.76)
    assert values["chip-training"] == pytest.approx(0.85)
    assert len(found) == 9 + 1 + 24


def test_a_cause_needs_an_interval_above_one_half():
    """The interval is that of the removed part minus half of the difference."""
    verdicts = [judged(made_up(**{"software-noise": values}))[
        "share-software-noise"].verdict for values in (
        [0.74, 0.74, 0.75], [0.72, 0.79, 0.76], [0.78, 0.80, 0.79])]
    assert verdicts == ["holds", "not decided", "fails"]
    gap, left = np.array([0.03, 0.05, 0.07]), np.array([0.02, 0.01, 0.0])
    value = figure.share(gap, left)
    assert value.mean() == pytest.approx(1 - left.mean() / gap.mean())
    claim = claims.own("a", "b", low=0.5)
    low, high = claims.judge(claim, claims.measure(value)).interval
    other = claims.judge(claim, claims.measure(gap / 2 - left)).interval
    assert (low - 0.5, high - 0.5) == pytest.approx(np.array(other) / gap.mean())


def test_without_a_difference_there_is_no_share():
    data = made_up(chip=[0.8, 0.8, 0.8])
    found = judged(data)["share-software-noise"]
    assert np.isnan(found.value) and found.verdict == "fails"
    figure.plot(data, Figure())


def test_the_shares_are_claims_of_the_full_size_alone():
    own = {size: {claim.id: (claim.low, claim.high, claim.log)
                  for claim in figure.claims(size) if claim.kind == "own"}
           for size in ("default", "full")}
    assert own == {"default": {}, "full": dict.fromkeys(
        (f"share-{key}" for key in figure.SHARES), (0.5, None, False))}
    gap = next(c for c in figure.claims("full") if c.id == "gap")
    assert gap.published.value == -0.05
