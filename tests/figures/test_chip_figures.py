"""Claims and jobs of the figures of the analog chip, on arrays made by hand."""


import numpy as np
import pytest

from refsnn import chip, chip_weights

pytestmark = pytest.mark.usefixtures("figures_path")


@pytest.fixture(scope="module")
def timing(figures_path):
    from figures.chip import fig_chip_timing
    return fig_chip_timing


@pytest.fixture(scope="module")
def calibration(figures_path):
    from figures.chip import fig_chip_calibration
    return fig_chip_calibration


@pytest.fixture
def tiny(timing, monkeypatch):
    """Few digits for the jobs of both figures."""
    tasks = timing.tasks
    whole = tasks.digits

    def digits(seed, repeat):
        found = whole(seed, repeat)
        return tasks.Images(found.x[:100], found.labels[:100], found.x_test[:40],
                            found.labels_test[:40])

    monkeypatch.setattr(tasks, "digits", digits)
    return tasks


def by_text(claims):
    """{first words: claim}, the texts of which must differ."""
    found = {claim.text.split(",")[0]: claim for claim in claims}
    assert len(found) == len(claims)
    return found


# ---- when it decides, and with how many spikes

def timed(**changes):
    """Four strengths, two runs; the third is learnt best of the sparse ones."""
    until = np.repeat(np.linspace(0, 0.95, 20)[None, None], 4, axis=0)
    return {"strength": np.array([0, 0.1, 0.2, 0.3]),
            "spikes": np.array([[90, 94], [50, 60], [39, 41], [20, 22]]),
            "accuracy": np.array([[0.95, 0.97], [0.99, 0.99], [0.94, 0.96],
                                  [0.97, 0.97]]),
            "train": np.array([[1, 1], [1, 1], [0.99, 0.99], [0.97, 0.98]]),
            "fast": np.array([[0.94, 0.95]] * 4),
            "until": np.repeat(until, 2, axis=1), **changes}


def test_the_sparse_networks_are_chosen_by_what_they_learnt(timing):
    found = by_text(timing.claims(timed()))
    lost = found["test accuracy lost with at most 40 hidden spikes an image"]
    assert lost.value == pytest.approx(0.96 - 0.95) and lost.bound
    assert found["hidden spikes an image in these networks"].value == 40
    assert found["hidden spikes an image without regulariser"].value == 92
    assert found["test accuracy lost in the fast mode"].value == pytest.approx(0.015)
    assert not found["test accuracy lost in the fast mode"].ok
    assert found["test accuracy without regulariser"].ok
    sparse = timed(spikes=np.array([[30, 30], [50, 50], [60, 60], [70, 70]]))
    assert timing.sparsest(sparse) is None, "that without regulariser does not count"
    assert np.isnan(timing.claims(sparse)[0].value)


def test_networks_that_do_not_fire_prove_nothing(timing):
    dead = timed(accuracy=np.full((4, 2), 0.1), spikes=np.zeros((4, 2)),
                 fast=np.full((4, 2), 0.1), until=np.full((4, 2, 20), 0.1))
    found = by_text(timing.claims(dead))
    assert not found["test accuracy without regulariser"].ok


def test_when_the_decision_has_fallen(timing):
    """Sample t is taken when bin t begins; the first input is there after bin 0."""
    until = np.full((4, 2, 20), 0.5)
    until[0, :, 6:] = 0.9
    until[0, :, 6] = 0.892
    assert timing.decided_us({"until": until}) == pytest.approx(5 * 1.7)
    until[0, :, 6] = 0.885
    assert timing.decided_us({"until": until}) == pytest.approx(6 * 1.7)
    until[0] = 0.9
    assert timing.decided_us({"until": until}) == pytest.approx(-1.7)
    assert timing.times_us()[1] == 0


def test_a_run_of_the_timing_figure(timing, tiny, monkeypatch):
    resets, on_chip = [], tiny.on_chip
    monkeypatch.setattr(tiny, "on_chip", lambda *more, reset_after=None: (
        resets.append(reset_after), on_chip(*more, reset_after=reset_after))[1])
    runs = [timing.learn(strength, 3, 0, 0) for strength in (0.0, 20.0)]
    data = timing.gather(runs)
    assert data["strength"] == [0.0, 20.0]
    assert 0 < data["spikes"][1][0] < 0.7 * data["spikes"][0][0], "it does regularise"
    for run in runs:
        assert run["accuracy"] == run["until"][-1] and 0.1 < run["train"] < 1
    assert resets == [None, 10e-6] * 2, "learnt in the usual mode"


# ---- de-calibrated chips

def calibrated():
    """Three levels, two runs; error 0.1 of whole networks, 0.2 and 0.15 of cut ones."""
    silenced = np.full((2, 2, 7), 0.9)
    silenced[0, :, 3], silenced[1, :, 3] = 0.8, 0.85
    return {"which": np.array(["all"] * 3), "level": np.array([0, 30, 50]),
            "loop": np.array([[0.95, 0.97], [0.94, 0.96], [0.8, 0.9]]),
            "transfer": np.array([[0.93, 0.95], [0.8, 0.86], [0.3, 0.5]]),
            "restless": np.array([[0, 0], [0, 1], [2, 3]]), "silenced": silenced,
            "software": np.array([0.96, 0.98]), "dropout": np.array([0.94, 0.94])}


def test_what_calibration_claims(calibration):
    found = calibration.claims(calibrated())
    assert [claim.value for claim in found] == pytest.approx([
        0.01, 0.11 - 0.01, 0.94, 0.96, 0.85, 0.4, 2.5, 1.0, 0.5])
    assert [claim.ok for claim in found] == [True, True, None, True] + [None] * 5
    for claim, words in zip(found, (
            "lost at 30 %", "weights from software lose", "weights from software, on",
            "in the loop, on", "50 %, chip", "50 %, weights", "without input at 50 %",
            "without dropout", "with 40 % dropout"), strict=True):
        assert words in claim.text
    chance = calibrated() | {"loop": np.full((3, 2), 0.1),
                             "transfer": np.array([[0.14] * 2, [0.1] * 2, [0.1] * 2])}
    assert not all(claim.ok for claim in calibration.claims(chance)[:4:3])


def test_levels_are_percent_of_time_constants_and_of_thresholds(calibration):
    chips = {key: calibration.drawn(*key, 3, 0) for key in (
        ("all", 0), ("all", 30), ("time constants", 30), ("thresholds", 30))}
    calm = chips["all", 0]
    for (which, level), c in chips.items():
        for name, wanted in (("tau_mem", which != "thresholds"),
                             ("threshold", which != "time constants")):
            moved = getattr(c, name) / getattr(calm, name) - 1
            spread = 0.3 if level and wanted else 0
            assert moved.std() == pytest.approx(spread, abs=0.05), (which, name)


def test_runs_of_the_calibration_figure(calibration, tiny, monkeypatch):
    """Each condition is learnt and tested on its own chip; sent weights as well."""
    chips, dropouts, cut = [], [], []
    on_chip, dropout, silenced = tiny.on_chip, chip_weights.dropout, tiny.silenced
    monkeypatch.setattr(tiny, "on_chip", lambda drawn, *more, **options: (
        chips.append(drawn), on_chip(drawn, *more, **options))[1])
    monkeypatch.setattr(chip_weights, "dropout", lambda rng, n, rate: (
        dropouts.append(rate), dropout(rng, n, rate))[1])
    monkeypatch.setattr(tiny, "silenced", lambda weights, rng, share: (
        cut.append(share), silenced(weights, rng, share))[1])
    kwargs = {"epochs": 1, "seed": 0, "repeat": 0}
    found = [calibration.learn("all", level, rate, **kwargs)
             for level, rate in ((0, 0.0), (50, 0.0), (0, 0.4))]
    assert set(dropouts) == {0.4} and ["silenced" in run for run in found] == [
        True, False, True]
    assert sorted(set(cut)) == list(calibration.SHARES)
    assert found[0]["silenced"][0] == pytest.approx(found[0]["accuracy"], abs=0.1)
    sent = calibration.transfer(conditions=[("all", 0), ("thresholds", 50)], **kwargs)
    wanted = [("all", 0), ("all", 50), ("all", 0), ("all", 0), ("thresholds", 50)]
    for c, key in zip(chips, wanted, strict=True):
        other = calibration.drawn(*key, 0, 0)
        assert np.array_equal(c.threshold, other.threshold)
        assert np.array_equal(c.tau_mem, other.tau_mem)
    data = calibration.gather([*found, sent])
    assert data["which"] == ["all", "all"] and data["level"] == [0, 50]
    assert np.array_equal(data["loop"], [[r["accuracy"]] for r in found[:2]])
    assert np.array_equal(data["transfer"], [[a] for a in sent["accuracy"]])
    assert np.array_equal(data["dropout"], [found[2]["accuracy"]])
    assert np.array_equal(data["silenced"], [[found[0]["silenced"]],
                                             [found[2]["silenced"]]])


def test_restless_neurons_are_those_that_fire_without_input(calibration):
    tasks = calibration.tasks
    drawn = chip.draw(3, chip.CALIBRATED)
    drawn.threshold[:7] = -0.5
    run = tasks.on_chip(drawn, np.random.default_rng(1))
    weights = tasks.begin(np.random.default_rng(2), 50).weights
    assert calibration.restless(run, weights) == 7

    def seldom(weights, x):
        assert not x.any()
        spikes = np.zeros((*x.shape[:2], 50), np.float32)
        spikes[:6, 0, 0] = 1                    # 0.075 of the bins of 4 images
        spikes[:3, 0, 1] = 1                    # 0.0375: noise
        return run(weights, x)._replace(spikes=spikes)

    assert calibration.restless(seldom, weights) == 1
