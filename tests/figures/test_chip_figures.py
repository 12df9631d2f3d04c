"""Test claims and jobs of the figures of the analog chip, on arrays made by hand."""

import numpy as np
import pytest

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.chip import (chip_images, fig_chip_calibration, fig_chip_pattern,
                          fig_chip_steps, fig_chip_timing, fig_chip_training)
from figures.run import claims
from figures.run.jobs import normalised
from figures.train import image_sets
from refsnn import calibration, chip, chip_weights, in_the_loop


@pytest.fixture
def few_digits(monkeypatch):
    """Reduce the embedded digits to a few images, for the jobs of both figures."""
    whole = chip_images.digits

    def digits(seed, repeat):
        found = whole(seed, repeat)
        return image_sets.Images(found.x[:100], found.labels[:100], found.x_test[:40],
                                 found.labels_test[:40])

    monkeypatch.setattr(chip_images, "digits", digits)


def judged(figure, data, size="default"):
    """Return {id: the judged number} of all claims."""
    found = figure.measured(data)
    return {claim.id: claims.judge(claim, claims.measure(found[claim.id]))
            for claim in figure.claims(size)}


def equal(results, **wanted):
    """Compare the values of some claims; hyphens of ids are written as underscores."""
    values = {name: results[name.replace("_", "-")].value for name in wanted}
    assert values == pytest.approx(wanted)


# ---- full size

@pytest.mark.parametrize("figure", [fig_chip_calibration, fig_chip_timing])
def test_the_full_size_is_that_of_the_paper(figure):
    """Calibration and timing use MNIST, 246 hidden neurons and 20 epochs."""
    assert figure.FOLDERS == {"full": ("mnist",)}
    for _, kwargs in figure.jobs("full", 0, "folder"):
        assert (kwargs["task"], kwargs["folder"]) == ("mnist", "folder")
        assert chip_images.HIDDEN[kwargs["task"]] == 246 and kwargs["epochs"] == 20
    for _, kwargs in figure.jobs("default", 0, "folder"):
        assert (kwargs["task"], kwargs["folder"]) == ("digits", None)
        assert chip_images.HIDDEN[kwargs["task"]] == 100 and kwargs["epochs"] == 12


def test_full_size_conditions():
    def listed(figure, name, *words):
        return [tuple(kwargs[word] for word in words) for function, kwargs, *_ in
                figure.jobs("full", 0, "folder") if function.__name__ == name]

    strengths = listed(fig_chip_timing, "learn", "strength", "repeat")
    assert strengths == [(s, r) for s in (0, 0.3, 1) for r in (0, 1)]
    trained = listed(fig_chip_calibration, "learn", "level", "dropout", "repeat")
    assert trained == [(level, rate, r) for level, rate in (
        (0, 0), (15, 0), (30, 0), (50, 0), (0, 0.4)) for r in (0, 1)]
    sent = listed(fig_chip_calibration, "transfer", "levels", "repeat")
    assert sent == [((0, 15, 30, 50), 0), ((0, 15, 30, 50), 1)]
    assert listed(fig_chip_calibration, "copied", "repeat") == [(0,), (1,)]
    ended = [key[1:] for key in listed(fig_chip_training, "learn", "last", "task",
                                       "augmented", "kind", "repeat") if key[0]]
    assert ended == [(*condition, kind, r) for condition in (
        ("mnist", False), ("mnist", True), ("fashion_mnist", False))
        for kind in ("chip", "software", "ReLU") for r in range(3)]
    assert fig_chip_calibration.DRAWS["mnist"] == 10


def test_full_size_jobs_train_with_the_settings_of_mnist(few_digits, monkeypatch):
    trained, learn = [], chip_images.learn
    monkeypatch.setattr(chip_images, "learn", lambda run, net, images, rule, *more: (
        trained.append((len(net.weights.hidden), rule)),
        learn(run, net, images, rule, *more))[1])
    monkeypatch.setattr(chip_images, "stored", lambda folder, name: (
        chip_images.digits(0, 0) if (folder, name) == ("folder", "mnist") else None))
    kwargs = {"task": "mnist", "folder": "folder", "epochs": 1, "seed": 0, "repeat": 0}
    fig_chip_timing.learn(strength=0.1, **kwargs)
    fig_chip_calibration.learn(level=30, dropout=0.4, **kwargs)
    fig_chip_calibration.transfer(levels=[0], **kwargs)
    fig_chip_calibration.copied(**kwargs)
    assert trained == [(246, chip_images.STORED._replace(**change)) for change in (
        {"burst": 0.1}, {"dropout": 0.4}, {}, {})]


# ---- fig_chip_timing

def timed(**changes):
    """Return data of four strengths and two runs.

    The third strength has the highest training accuracy of the sparse ones.
    """
    until = np.repeat(np.linspace(0, 0.95, 20)[None, None], 4, axis=0)
    return {"strength": np.array([0, 0.1, 0.2, 0.3]),
            "spikes": np.array([[90, 94], [50, 60], [39, 41], [20, 22]]),
            "accuracy": np.array([[0.95, 0.97], [0.99, 0.99], [0.94, 0.96],
                                  [0.97, 0.97]]),
            "train": np.array([[1, 1], [1, 1], [0.99, 0.99], [0.97, 0.98]]),
            "fast": np.array([[0.94, 0.95]] * 4),
            "events": np.array([[20000, 30000], *[[9000, 9000]] * 3]),
            "until": np.repeat(until, 2, axis=1), **changes}


def test_the_sparse_networks_are_selected_by_their_training_accuracy():
    found = judged(fig_chip_timing, timed())
    equal(found, lost_sparse=0.96 - 0.95, spikes_sparse=40, spikes=92, lost_fast=0.015,
          accuracy=0.96, events=25000, energy=(120 + 80) / 2)
    assert found["energy"].n == 2
    slow = judged(fig_chip_timing, timed(fast=np.array([[0.92, 0.941]] * 4)))
    assert slow["lost-fast"].verdict == "fails"
    sparse = timed(spikes=np.array([[30, 30], [50, 50], [60, 60], [70, 70]]))
    assert fig_chip_timing.sparsest(sparse) is None, "strength 0 must not be selected"
    none = judged(fig_chip_timing, sparse)
    assert none["lost-sparse"].verdict == "fails" and np.isnan(
        none["spikes-sparse"].value)


def test_silent_networks_fail_a_claim():
    dead = timed(accuracy=np.full((4, 2), 0.1), spikes=np.zeros((4, 2)),
                 fast=np.full((4, 2), 0.1), until=np.full((4, 2, 20), 0.1))
    assert judged(fig_chip_timing, dead)["accuracy"].verdict == "fails"


def test_time_of_the_decision():
    """Sample t is taken at the start of bin t, the first input at the end of bin 0."""
    until = np.full(20, 0.5)
    until[6:] = 0.9
    until[6] = 0.892
    assert fig_chip_timing.decided_us(until) == pytest.approx(5 * 1.7)
    until[6] = 0.885
    assert fig_chip_timing.decided_us(until) == pytest.approx(6 * 1.7)
    late = timed(until=np.tile(until, (4, 2, 1)))
    assert judged(fig_chip_timing, late)["margin"].verdict == "fails"
    found = judged(fig_chip_timing, late, "full")["margin"]
    assert found.value == pytest.approx(-0.2) and found.verdict == "differs"
    until[:] = 0.9
    assert fig_chip_timing.decided_us(until) == pytest.approx(-1.7)
    assert fig_chip_timing.times_us()[1] == 0


def test_options_of_the_timing_figure():
    listed = fig_chip_timing.jobs("full", 0, "folder", strengths=[2, 1], repeats=1,
                                  epochs=3, hidden=50)
    assert [(kwargs["strength"], kwargs["epochs"], kwargs["hidden"])
            for _, kwargs in listed] == [(s, 3, 50) for s in (0, 1, 2)]


def test_a_run_of_the_timing_figure(few_digits, monkeypatch):
    resets, on_chip = [], chip_images.on_chip
    monkeypatch.setattr(chip_images, "on_chip", lambda *more, reset_after=None: (
        resets.append(reset_after), on_chip(*more, reset_after=reset_after))[1])
    runs = [fig_chip_timing.learn("digits", None, strength, 3, 0, 0)
            for strength in (0.0, 20.0)]
    data = fig_chip_timing.gather(runs)
    assert data["strength"] == [0.0, 20.0]
    assert 0 < data["spikes"][1][0] < 0.7 * data["spikes"][0][0], "fewer spikes"
    for run in runs:
        assert run["accuracy"] == run["until"][-1] and 0.1 < run["train"] < 1
        inputs = chip_images.coded(chip_images.digits(0, 0).x_test).sum() / 40
        assert run["events"] == pytest.approx(100 * inputs + 10 * run["spikes"])
    assert resets == [None, 10e-6] * 2, "trained in the usual mode"


def test_synaptic_events_are_counted_by_hand():
    """Two images have 3 and 1 bright pixels, and 2 hidden spikes in total."""
    x = np.zeros((2, 16, 16), np.float32)
    x[0, 0, :3], x[1, 5, 5], x[:, 9, 9] = (1, 0.5, 0.3), 1, 0.1

    def run(weights, x):
        spikes, out = (np.zeros((20, 2, n), np.float32) for n in (7, 10))
        spikes[3, 0, 1] = spikes[8, 1, 6] = 1
        return in_the_loop.Recording(spikes, spikes, out)

    labels = np.array([0, 1])
    scores = chip_images.test(run, None, image_sets.Images(x, labels, x, labels))
    assert (scores.inputs, scores.spikes) == (2, 1)
    assert fig_chip_timing.events(scores, 7) == (4 * 7 + 2 * 10) / 2


# ---- fig_chip_calibration

def calibrated():
    """Return data of three levels and two runs.

    The test error is 0.1, and with 15 % of the neurons silenced 0.2 without
    dropout and 0.15 with dropout.
    """
    silenced = np.full((2, 2, 7), 0.9)
    silenced[0, :, 3], silenced[1, :, 3] = 0.8, 0.85
    return {"level": np.array([0, 30, 50]),
            "loop": np.array([[0.95, 0.97], [0.94, 0.96], [0.8, 0.9]]),
            "transfer": np.array([[0.93, 0.95], [0.8, 0.86], [0.3, 0.5]]),
            "restless": np.array([[0, 0], [0, 1], [2, 3]]), "silenced": silenced,
            "software": np.array([0.96, 0.98]), "dropout": np.array([0.94, 0.94]),
            "twin": np.array([0.93, 0.95])}


def test_claims_on_calibration():
    found = judged(fig_chip_calibration, calibrated())
    equal(found, lost_30=0.01, gap_30=0.11 - 0.01, gap_0=0.02, loop_0=0.96,
          loop_50=0.85, software_50=0.4, restless_50=2.5, silenced=1.0,
          silenced_dropout=0.5, twin_share=(0.03 / 0.16 + 0.03 / 0.12) / 2,
          software_0=0.94, loop_30=0.95, twin_30=0.94, software_30=0.83)
    assert [found[name].verdict for name in ("lost-30", "gap-30", "loop-0")] == [
        "holds", "not decided", "not decided"]
    poor = calibrated() | {"twin": np.array([0.815, 0.87])}
    assert judged(fig_chip_calibration, poor)["twin-share"].verdict == "fails"
    no_gap = poor | {"software": np.array([0.8, 0.8]), "twin": np.array([0.5] * 2)}
    assert judged(fig_chip_calibration, no_gap)["twin-share"].verdict == "fails"
    chance = calibrated() | {"loop": np.full((3, 2), 0.1)}
    assert judged(fig_chip_calibration, chance)["loop-0"].verdict == "fails"
    full = judged(fig_chip_calibration, chance, "full")
    assert full["gap-30"].verdict == "not decided"
    assert full["silenced"].verdict == "differs", "1 against 0.37"


def test_options_of_the_calibration_figure():
    listed = fig_chip_calibration.jobs("full", 0, "folder", levels=[20], repeats=1,
                                       epochs=3, hidden=50)
    assert [kwargs["level"] for _, kwargs in listed[:-2]] == [0, 20, 30, 0]
    assert all((kwargs["epochs"], kwargs["hidden"]) == (3, 50) for _, kwargs in listed)
    few = {key: value[:2] if key in ("level", "loop", "restless", "transfer") else value
           for key, value in calibrated().items()}
    assert "loop-50" not in fig_chip_calibration.measured(few)


def test_levels_are_relative_deviations_in_percent():
    calm, moved = (fig_chip_calibration.drawn(level, 3, 0) for level in (0, 30))
    for name in ("tau_mem", "threshold"):
        ratio = getattr(moved, name) / getattr(calm, name)
        assert ratio.std() == pytest.approx(0.3, abs=0.05), name
    assert calm.effects.decalibration is None


def test_runs_of_the_calibration_figure(few_digits, monkeypatch):
    """Each condition is trained and tested on its own chip, also with transfer."""
    chips, dropouts, cut = [], [], []
    on_chip, silenced = chip_images.on_chip, chip_images.silenced
    dropout = chip_weights.dropout
    monkeypatch.setattr(chip_images, "on_chip", lambda drawn, *more, **options: (
        chips.append(drawn), on_chip(drawn, *more, **options))[1])
    monkeypatch.setattr(chip_weights, "dropout", lambda rng, n, rate: (
        dropouts.append(rate), dropout(rng, n, rate))[1])
    monkeypatch.setattr(chip_images, "silenced", lambda weights, rng, share: (
        cut.append(share), silenced(weights, rng, share))[1])
    kwargs = {"task": "digits", "folder": None, "epochs": 1, "seed": 0, "repeat": 0}
    found = [fig_chip_calibration.learn(level=level, dropout=rate, **kwargs)
             for level, rate in ((0, 0.0), (50, 0.0), (0, 0.4))]
    assert set(dropouts) == {0.4} and ["silenced" in run for run in found] == [
        True, False, True]
    shares = fig_chip_calibration.SHARES
    assert cut == 2 * [share for share in shares for _ in range(3 if share else 1)]
    assert found[0]["silenced"][0] == pytest.approx(found[0]["accuracy"], abs=0.1)
    sent = fig_chip_calibration.transfer(levels=[0, 50], **kwargs)
    copied = fig_chip_calibration.copied(**kwargs)
    twin = chips.pop(-2)
    assert (twin.synapse == 1).all() and not twin.adc_gain.any()
    for name in set(fig_chip_calibration.SHARED) - {"timing"}:
        assert getattr(twin.effects, name) == getattr(chip.CALIBRATED, name), name
    assert twin.effects.timing == (0, 0.3e-6) and twin.effects.sampling[1] == 0
    assert {"refractory", "headroom", "noise"} <= set(fig_chip_calibration.SHARED)
    error = np.abs(twin.tau_mem / chips[-1].tau_mem - 1)
    assert np.median(error) < 0.02 and chips[-1].tau_mem.std() > 0.2 * 6e-6
    for c, level in zip(chips, [0, 50, 0, 0, 50, 30], strict=True):
        other = fig_chip_calibration.drawn(level, 0, 0)
        assert np.array_equal(c.threshold, other.threshold)
        assert np.array_equal(c.tau_mem, other.tau_mem)
    data = fig_chip_calibration.gather([*found, sent, copied])
    assert data["twin"] == [copied["accuracy"]] and data["level"] == [0, 50]
    assert np.array_equal(data["loop"], [[r["accuracy"]] for r in found[:2]])
    assert np.array_equal(data["transfer"], [[a] for a in sent["accuracy"]])
    assert np.array_equal(data["silenced"], [[found[0]["silenced"]],
                                             [found[2]["silenced"]]])


def test_neurons_that_fire_without_input_are_counted():
    drawn = chip.draw(3, chip.CALIBRATED)
    drawn.threshold[:7] = -0.5
    run = chip_images.on_chip(drawn, np.random.default_rng(1))
    weights = chip_images.begin(np.random.default_rng(2), 50).weights
    assert fig_chip_calibration.restless(run, weights) == 7

    def seldom(weights, x):
        assert not x.any()
        spikes = np.zeros((*x.shape[:2], 50), np.float32)
        spikes[:6, 0, 0] = 1            # 0.075 of the bins of 4 images: counted
        spikes[:3, 0, 1] = 1            # 0.0375 of the bins: not counted
        return run(weights, x)._replace(spikes=spikes)

    assert fig_chip_calibration.restless(seldom, weights) == 1


# ---- fig_chip_training

def trained(kind, repeat, **changes):
    """Return the result of a training run of two epochs, with few neurons and steps."""
    final = {"chip": 0.96, "software": 0.98, "ReLU": 0.97}[kind] + 0.01 * repeat
    pictures = {f"{when} {name}": np.full((20, 10), 0.5)
                for when in ("first", "last")
                for name in ("input", "spikes", "mem", "out")} if kind != "ReLU" else {}
    return {"task": "mnist", "augmented": False, "kind": kind, "ended": True,
            "curves": np.array([[2, 0.5], [1 + repeat, 0.9]]),
            "tests": np.array([[1, 0.5], [2, final]]), **pictures, **changes}


def test_conditions_may_differ_in_the_number_of_repeats():
    runs = [trained(kind, repeat) for kind, repeats in (
        ("chip", 3), ("software", 3), ("ReLU", 1)) for repeat in range(repeats)]
    runs += [trained(kind, 0, task="fashion_mnist")
             for kind in fig_chip_training.KINDS]
    runs.insert(0, trained("chip", 9, ended=False))
    data = normalised(fig_chip_training.gather(runs), "data")
    assert data["mnist False chip curves"].shape == (3, 2, 2)
    assert data["mnist False chip curves"][:, 1, 0].tolist() == [1, 2, 3]
    assert data["mnist False ReLU tests"].shape == (1, 2, 2)
    found = fig_chip_training.measured(data)
    assert {name: value.tolist() for name, value in found.items()} == {
        name: pytest.approx(values) for name, values in (
            ("mnist-chip", [0.96, 0.97, 0.98]), ("mnist-software", [0.98, 0.99, 1]),
            ("mnist-relu", [0.97]), ("fashion-chip", [0.96]),
            ("fashion-software", [0.98]), ("fashion-relu", [0.97]))}
    full = {claim.id: claim for claim in fig_chip_training.claims("full")}
    assert found.keys() < full.keys()
    assert full["mnist-augmented-relu"].published[:2] == (0.987, "[CB22]")
    assert full["fashion-chip"].kind == "stand-in"
    assert full["mnist-software"].text == "MNIST: test accuracy, ideal software"
    fig = Figure()
    fig_chip_training.plot(data, fig)
    legend = [text.get_text() for ax in fig.findobj(Axes) if ax.get_title() == "MNIST"
              and ax.get_legend() for text in ax.get_legend().get_texts()]
    assert legend == ["chip in the loop: 0.970", "ideal software: 0.990",
                      "ReLU network: 0.970"]


def test_claims_on_training_with_embedded_digits():
    runs = [trained(kind, repeat, task="digits") for kind in fig_chip_training.KINDS
            for repeat in range(2)]
    data = normalised(fig_chip_training.gather(runs), "data")
    found = judged(fig_chip_training, data)
    equal(found, digits_loss=0.02, digits_chip=0.965, digits_software=0.985,
          digits_relu=0.975)
    assert found["digits-loss"].verdict == "fails"
    listed = fig_chip_training.jobs("default", 0, None, repeats=1, epochs=2, hidden=9)
    assert [(kwargs["kind"], kwargs["epochs"], kwargs["hidden"])
            for _, kwargs in listed] == [(kind, 2, 9) for kind in
                                         fig_chip_training.KINDS]


# ---- fig_chip_steps

def test_errors_of_a_step():
    spikes = np.array([[1, 1, 0, 1]], bool)
    fired = np.array([[1, 0, 1, 0]], bool)
    out = np.array([3.0, -1.0])
    found = fig_chip_steps.errors((fired, out + [1.0, 0.0]), (spikes, out))
    assert found == pytest.approx([np.sqrt(0.5 / 5), 0.5 / 2, 2 / 3, 1 / 3])


def test_claims_on_steps():
    errors = np.zeros((2, 5, 4))
    errors[:, 1] = [0.04, 0.5, 0.07, 0.01]
    errors[:, 0] = [0.08, 0.9, 0.2, 0.03]
    errors[:, 4] = [0.01, 0.1, 0.01, 0.001]
    data = {"errors": errors, "spikes": np.array([80.0, 90.0])}
    found = judged(fig_chip_steps, data)
    equal(found, spikes_usual=0.01, rms_usual=0.04, mean_ratio=9, bins_usual=0.07,
          rms_long=0.08, spikes_long=0.03, spikes=85)
    assert [found[name].verdict for name in ("spikes-usual", "rms-usual",
                                             "mean-ratio")] == ["holds"] * 3
    errors[:, 1, 3] = -0.03                 # too many spikes are an error, too
    assert judged(fig_chip_steps, data)["spikes-usual"].verdict == "fails"
    assert fig_chip_steps.step_us(fig_chip_steps.PARTS)[[0, 1, 4]] == pytest.approx(
        [1.7 / 9, 0.1, 0.0125])
    assert fig_chip_steps.step_us(fig_chip_steps.FINE) == pytest.approx(0.005)
    few = fig_chip_steps.jobs("default", 0, None, repeats=2, images=7)
    assert [(kwargs["epochs"], kwargs["images"]) for _, kwargs in few] == [(12, 7)] * 2


def test_runs_of_the_steps_figure(few_digits, monkeypatch):
    seen, emulate = [], chip.emulate

    def seeing(drawn, *args, step, **options):
        seen.append((step, drawn.effects))
        return emulate(drawn, *args, step=max(step, 0.02e-6), **options)

    monkeypatch.setattr(chip, "emulate", seeing)
    run = fig_chip_steps.learn(9, 40, 0, 0)
    assert [step * 1e6 for step, _ in seen] == pytest.approx(
        [0.1888889, 0.1, 0.05, 0.025, 0.0125, 0.005])
    for _, effects in seen:
        off = {name for name, value in effects._asdict().items() if value is None}
        assert off == {"noise", "sampling", "loss", "decalibration", "pathological"}
    assert np.shape(run["errors"]) == (5, 4) and run["spikes"] > 0
    assert np.shape(run["traces"]) == (3, 20, 10)


# ---- fig_chip_pattern

def test_spread_of_a_chip():
    drawn = chip.draw(3, chip.UNCALIBRATED, dtype=np.float64)
    drawn.threshold[5], drawn.tau_mem[5] = np.inf, 1
    able = np.arange(256) != 5
    found = dict(zip(fig_chip_pattern.QUANTITIES, fig_chip_pattern.spread(drawn),
                     strict=True))
    exc, inh = drawn.tau_syn[:, able]
    assert found["synaptic time constant"] == pytest.approx(
        np.sqrt((exc.var() + inh.var()) / 2) / ((exc.mean() + inh.mean()) / 2))
    assert found["membrane time constant"] == pytest.approx(
        drawn.tau_mem[able].std() / drawn.tau_mem[able].mean())
    for name in ("threshold", "leak", "reset"):
        assert found[name] == pytest.approx(getattr(drawn, name)[able].std())


def test_references_are_the_codes_of_the_nominal_leak():
    drawn = chip.draw(3, chip.UNCALIBRATED, dtype=np.float64)
    found = fig_chip_pattern.reference(drawn, np.random.default_rng(1))
    error = found - 80 - drawn.adc_offset + 0.5                 # codes are floors
    assert abs(error.mean()) < 0.1 and error.std() < 0.5
    assert drawn.leak.std() > 0.1 and drawn.adc_offset.std() > 5


def test_runs_of_the_pattern_figure(monkeypatch):
    """The stages are uncalibrated, calibrated, and calibrated with references."""
    given, calibrate = [], calibration.calibrate
    monkeypatch.setattr(calibration, "calibrate", lambda run, **more: (
        given.append((run.args[0], more["reference"] is not None)),
        calibrate(run, **more))[1])
    run = fig_chip_pattern.bench(0, 0, 0, sweeps=1)
    assert [known for _, known in given] == [True, True, False, False]
    assert np.array_equal(given[0][0].leak, given[2][0].leak)
    before, plain, known = np.array(run["spreads"])
    assert (plain < 0.8 * before).all()
    assert plain[4] > 0.1 and known[4] < 0.02
    assert plain[:4] == pytest.approx(known[:4], rel=0.3)
    drawn = chip.draw(3, chip.IDEAL)
    peak = fig_chip_pattern.response(drawn, np.random.default_rng(1)).max(axis=0)
    assert peak == pytest.approx(80 + 70 * 63 / 240 * 1.708, abs=1)
    first, last = run["traces"]
    assert first[0].std() > 3 * last[0].std()
    assert 0.95 < run["near"] <= 1


def test_claims_on_patterns():
    spreads = np.tile([[[0.1], [0.02], [0.03]]], (2, 1, 6))
    spreads[:, :, 4] = 0.2, 0.14, 0.007
    data = {"spreads": spreads, "near": np.array([0.90, 0.901]), "accuracy": 0.9}
    found = judged(fig_chip_pattern, data)
    equal(found, tau_syn_ratio=0.2, tau_mem_ratio=0.2, gain_after=0.02,
          reset_after=0.02, leak_ratio=0.05, near=0.9005, accuracy=0.9, gain_before=0.1,
          leak_after=0.14, threshold_references=0.03)
    assert len(found) == 4 + 18 + 1 and found["accuracy"].n == 1
    assert {name: result.verdict for name, result in found.items()
            if result.verdict} == {"near": "fails", **dict.fromkeys((
                "tau-syn-ratio", "tau-mem-ratio", "gain-after", "reset-after",
                "leak-ratio"), "holds")}
    bounds = {claim.id: (claim.low, claim.high) for claim in
              fig_chip_pattern.claims("default") if claim.kind == "own"}
    assert bounds == {"tau-syn-ratio": (None, 0.2), "tau-mem-ratio": (None, 0.45),
                      "gain-after": (None, 0.05), "reset-after": (None, 0.06),
                      "near": (0.95, None), "leak-ratio": (None, 0.5)}
    assert fig_chip_pattern.NEAR * 70 == pytest.approx(8)
