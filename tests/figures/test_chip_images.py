"""Test `chip_images` and `chip_words` on small networks and few images."""

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.chip import chip_coding, chip_images, chip_words, fig_chip_words
from figures.run.jobs import normalised
from figures.train import image_sets, lif_training, spoken_words
from refsnn import chip, chip_weights, events, in_the_loop, lif


@pytest.fixture(scope="module")
def images():
    found = chip_images.digits(5, 0)
    return image_sets.Images(found.x[:150], found.labels[:150], found.x_test[:60],
                             found.labels_test[:60])


def arrays(learner):
    return [w for w in learner.weights if w is not None]


def test_images_are_split_anew_in_each_repeat():
    one, again, other = (chip_images.digits(5, repeat) for repeat in (0, 0, 1))
    assert np.array_equal(one.x, again.x) and not np.array_equal(one.x, other.x)
    assert one.x.shape[1:] == (16, 16) and len(one.x) + len(one.x_test) == 1797
    x = chip_images.coded(one.x[:7])
    assert x.shape == (20, 7, 256) and 20 < x.sum(axis=(0, 2)).mean() < 150
    alone = chip_images.coded(one.x[3:4])
    assert np.array_equal(x[:, 3:4], alone), "the code must not depend on the batch"


@pytest.mark.parametrize("kind", ["software", "chip"])
def test_a_training_in_parts_equals_a_training_in_one_part(images, kind):
    rule = chip_images.DEFAULT._replace(dropout=0.2, degrees=10.0)

    def run():
        drawn = chip.draw(3, chip.CALIBRATED)
        return chip_images.in_software if kind == "software" else \
            chip_images.on_chip(drawn, np.random.default_rng(4))

    def start():
        return chip_images.begin(np.random.default_rng(1), 12), np.random.default_rng(2)

    (whole, generator), one = start(), run()
    whole, curves = chip_images.learn(one, whole, images, rule, generator, 2)
    (parted, generator), one = start(), run()
    for first in range(2):
        parted = chip_images.unpacked(lif_training.packed(*parted))
        parted, part = chip_images.learn(one, parted, images, rule, generator, 1,
                                         first=first)
        assert np.array_equal(part[0], curves[first])
    assert all(map(np.array_equal, arrays(whole), arrays(parted)))
    assert curves[1, 0] < curves[0, 0]
    assert np.abs(whole.weights.hidden).max() <= np.float32(63 / 240) \
        or kind == "software"


@pytest.mark.parametrize("change", [
    {}, {"reduction": "reached"}, {"reduction": "sum"}, {"scaling": 3.0},
    {"readout": 0.2}, {"burst": 0.3}, {"decay": 0.0}])
def test_a_rule_sets_the_loss(images, change):
    weights = chip_images.begin(np.random.default_rng(1), 12).weights
    weights = weights._replace(hidden=weights.hidden + np.float32(0.03))
    x, labels = chip_images.coded(images.x[:20]), images.labels[:20]
    rule = chip_images.Rule(**change)
    value, d, recording = chip_images.gradient(chip_images.in_software, weights, x,
                                               labels, rule, None)
    assert recording.spikes.any()
    names = "reduction", "scaling", "burst", "readout"
    loss = in_the_loop.loss(recording, labels,
                            **{name: getattr(rule, name) for name in names})
    penalty, dpenalty = chip_weights.penalty(weights, hidden=rule.decay)
    assert value == pytest.approx(loss.value + penalty, rel=1e-6)
    theirs = in_the_loop.gradients(weights, x, recording, loss.dout, loss.dspikes)
    np.testing.assert_allclose(d[0], theirs.hidden + dpenalty[0], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(d[2], theirs.readout, rtol=1e-5, atol=1e-9)
    other = chip_images.gradient(chip_images.in_software, weights, x, labels,
                                 chip_images.Rule(), None)[0]
    assert (value == other) == (not change)


def busy(hidden=12, shift=0.03):
    """Return the weights of a network whose neurons fire."""
    weights = chip_images.begin(np.random.default_rng(1), hidden).weights
    return weights._replace(hidden=weights.hidden + np.float32(shift))


def test_software_equals_lif_and_the_ideal_chip_is_close_to_it(images):
    weights, x = busy(), chip_images.coded(images.x[:30])
    weights = weights._replace(readout=8 * weights.readout)
    decay = np.exp(-1.7 / 6)
    layer = lif.simulate(x.astype(float), weights.hidden.astype(float), alpha=decay,
                         beta=decay)
    out = lif.readout(layer.spikes, weights.readout.astype(float), alpha=decay,
                      beta=decay)
    soft = chip_images.in_software(weights, x)
    assert np.array_equal(soft.spikes, layer.spikes) and layer.spikes.mean() > 0.01
    np.testing.assert_allclose(soft.mem, layer.mem, rtol=0, atol=1e-4)
    np.testing.assert_allclose(soft.out, out, rtol=0, atol=1e-4)
    drawn = chip.draw(1, chip.IDEAL._replace(refractory=1.7e-6))
    hard = chip_images.on_chip(drawn, np.random.default_rng(1))(weights, x)
    out = lif.readout(hard.spikes.astype(float), weights.readout.astype(float),
                      alpha=decay, beta=decay)
    slope = (hard.out * out).sum() / (out ** 2).sum()
    assert hard.spikes.any()
    assert 0.85 < slope < 1.15, "readouts must be in units of the threshold"
    assert chip_weights.integers(weights)[1] < 250
    fast = chip_images.on_chip(drawn, np.random.default_rng(1),
                               reset_after=5e-6)(weights, x)
    assert np.ptp(fast.mem[6:], axis=0).max() == 0 < np.ptp(hard.mem[6:], axis=0).max()


def test_white_pixels_spike_in_the_first_bin(images):
    x = images.x[:5].copy()
    x[:, 0, 0] = 1                      # so that the earliest spike is in bin 0
    flat = x.reshape(5, -1)
    assert np.array_equal(chip_images.coded(x), chip_coding.latency(flat))
    assert chip_images.coded(x)[0, :, 0].all()


def test_stored_images_are_cropped_by_data_set(monkeypatch):
    rng = np.random.default_rng(3)
    pixels = {"train": rng.integers(0, 256, (6, 28, 28)).astype(np.uint8),
              "t10k": rng.integers(0, 256, (4, 28, 28)).astype(np.uint8)}
    monkeypatch.setattr(image_sets.datasets, "images", lambda folder, kind: (
        pixels[kind] / np.float32(255), np.arange(len(pixels[kind]))))
    for name, crop in (("mnist", 2), ("fashion_mnist", 0)):
        found = chip_images.load(name, "somewhere", 0, 0)
        for ours, kind in ((found.x, "train"), (found.x_test, "t10k")):
            assert np.array_equal(ours, chip_coding.shrunk(pixels[kind], crop=crop,
                                                           side=16))
        assert found.labels_test.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("clamp", [True, False])
def test_a_step_clips_weights_to_the_range_of_the_chip(clamp):
    learner = chip_images.begin(np.random.default_rng(1), 12)
    d = [None if w is None else -np.ones_like(w) for w in learner.weights]
    for _ in range(3):
        learner = chip_images.step(learner, d, 0.2, clamp)
    most = np.abs(learner.weights.hidden).max()
    assert most == np.float32(63 / 240) if clamp else most > 0.5
    assert learner.weights.readout.max() > 0.5, "readout weights must not be clipped"


def test_dropout_removes_rows_from_the_network_and_from_its_gradient(images):
    weights, x = busy(60), chip_images.coded(images.x[:20])
    labels, rule = images.labels[:20], chip_images.Rule(dropout=0.2)
    _, d, recording = chip_images.gradient(chip_images.in_software, weights, x, labels,
                                           rule, np.random.default_rng(5))
    kept = chip_weights.dropout(np.random.default_rng(5), 60, 0.2)
    assert 0.05 < 1 - kept.mean() < 0.4
    assert not recording.spikes[:, :, ~kept].any()
    assert recording.spikes[:, :, kept].any()
    used = chip_weights.drop(weights, kept)
    value, dout, dspikes = in_the_loop.loss(recording, labels, scaling=rule.scaling,
                                            burst=rule.burst)
    theirs = in_the_loop.gradients(used, x, recording, dout, dspikes)
    penalty = chip_weights.penalty(weights, hidden=rule.decay)[1].hidden
    assert penalty[~kept].any() and not d[2][:, ~kept].any()
    hidden = np.where(kept[:, None], theirs.hidden, 0)
    np.testing.assert_allclose(d[0], hidden + penalty, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(d[2][:, kept], theirs.readout[:, kept], rtol=1e-5,
                               atol=1e-9)


def test_curves_of_training_and_decay_of_the_learning_rate(images, monkeypatch):
    """Curves are means over images, even if the last mini-batch is smaller."""
    start, told, turned = chip_images.Learner(busy(), (None,) * 3), [], []

    def run(rule, epochs, first=0):
        return chip_images.learn(
            chip_images.in_software, start, images, rule, np.random.default_rng(2),
            epochs, first=first, after_epoch=lambda epoch, weights: told.append(
                (epoch, weights.hidden)))

    _, curves = run(chip_images.Rule(rate=1e-12, batch=40, decay=0.0), 1)
    recording = chip_images.in_software(start.weights, chip_images.coded(images.x))
    loss = in_the_loop.loss(recording, images.labels, burst=5e-4).value
    said = recording.out.max(axis=0).argmax(axis=1)
    assert curves[0] == pytest.approx([loss, np.mean(said == images.labels)], rel=1e-4)
    told.clear()
    run(chip_images.Rule(fade=0.01), 1)
    run(chip_images.Rule(fade=0.01), 2, first=1)
    assert [epoch for epoch, _ in told] == [0, 1, 2]
    moved = [np.abs(a - b).max() for a, b in (
        (told[0][1], start.weights.hidden), (told[1][1], start.weights.hidden),
        (told[2][1], told[1][1]))]
    assert moved[1] == pytest.approx(0.01 * moved[0], rel=0.5)
    assert 0 < moved[2] < 0.05 * moved[1]
    rotated = chip_coding.rotated
    monkeypatch.setattr(chip_coding, "rotated", lambda x, rng, most: (
        turned.append(most), rotated(x, rng, most=most))[1])
    run(chip_images.Rule(degrees=12.0), 1)
    assert set(turned) == {12.0}


def test_all_test_images_are_tested():
    images = chip_images.digits(5, 0)
    images = images._replace(x_test=images.x[:1100], labels_test=images.labels[:1100])
    weights = busy()
    scores = chip_images.test(chip_images.in_software, weights, images)
    recording = chip_images.in_software(weights, chip_images.coded(images.x_test))
    said = recording.out.max(axis=0).argmax(axis=1)
    assert scores.accuracy == pytest.approx(np.mean(said == images.labels_test))
    assert scores.spikes == pytest.approx(recording.spikes.sum() / 1100)


def test_parts_cover_all_epochs():
    assert chip_images.parts(15, "digits") == [(0, 15)]
    assert chip_images.parts(25, "mnist") == [(0, 10), (10, 10), (20, 5)]


def test_scores_use_the_samples_up_to_a_time(images):
    weights = chip_images.begin(np.random.default_rng(1), 12).weights
    weights = weights._replace(hidden=weights.hidden + np.float32(0.05))
    scores = chip_images.test(chip_images.in_software, weights, images)
    recording = chip_images.in_software(weights, chip_images.coded(images.x_test))
    for t in (0, 6, 19):
        said = recording.out[:t + 1].max(axis=0).argmax(axis=1)
        assert scores.until[t] == np.mean(said == images.labels_test)
    assert scores.spikes == recording.spikes.sum() / 60 > 0
    assert scores.accuracy == scores.until[-1]


def test_scores_include_the_last_sample(images):
    def run(weights, x):
        out = np.zeros((*x.shape[:2], 10), np.float32)
        out[-1, :, 3], out[-2, :, 4] = 2, 1
        return in_the_loop.Recording(out, out, out)

    scores = chip_images.test(run, None, images)
    assert scores.accuracy == np.mean(images.labels_test == 3)
    assert scores.until[-2] == np.mean(images.labels_test == 4) != scores.accuracy


def test_the_given_share_of_neurons_is_silenced():
    weights = chip_images.begin(np.random.default_rng(1), 20).weights
    left = chip_images.silenced(weights, np.random.default_rng(2), 0.15)
    assert (~left.hidden.any(axis=1)).sum() == 3
    assert np.array_equal(left.hidden.any(axis=1), left.readout.any(axis=0))
    sets = {tuple(np.flatnonzero(chip_images.silenced(
        weights, np.random.default_rng(seed), 0.19).hidden.any(axis=1)))
        for seed in range(9)}
    assert len(sets) > 5, "the neurons must be chosen at random"
    assert {len(kept) for kept in sets} == {16}


def test_dropout_of_the_reference_network(images, monkeypatch):
    """A hidden unit that is always dropped keeps its weights and has no effect."""
    net, rates = chip_images.reference_begin(np.random.default_rng(1), 20), []

    def dropout(rng, n, rate):
        rates.append(rate)
        return np.arange(n) > 0

    monkeypatch.setattr(chip_weights, "dropout", dropout)
    after, _ = chip_images.reference_learn(net, images, chip_images.Rule(dropout=0.3),
                                           np.random.default_rng(2), 1)
    assert set(rates) == {0.3}
    for old, new, axis in zip(net.parameters[:2], after.parameters[:2], (0, 1),
                              strict=True):
        still = (old == new).all(axis=1 - axis)
        assert still[0] and not still[1:].any()
    huge = net._replace(parameters=[a.copy() for a in net.parameters])
    huge.parameters[1][:, 0] = 1e3
    _, curves = chip_images.reference_learn(huge, images, chip_images.Rule(dropout=0.3),
                                            np.random.default_rng(2), 1)
    assert curves[0, 0] < 5


def test_the_learning_rate_of_the_reference_network_decays(images):
    net = chip_images.reference_begin(np.random.default_rng(1), 20)
    moved = [np.abs(chip_images.reference_learn(
        net, images, chip_images.Rule(fade=1e-3), np.random.default_rng(2), 1,
        first=first)[0].parameters[0] - net.parameters[0]).max() for first in (0, 1)]
    assert moved[1] == pytest.approx(1e-3 * moved[0], rel=0.05)


def test_the_reference_network_learns(images):
    rule = chip_images.Rule(rate=3e-3, batch=25)
    net = chip_images.reference_begin(np.random.default_rng(1), 20)
    net, curves = chip_images.reference_learn(net, images, rule,
                                              np.random.default_rng(2), 4)
    assert curves[-1, 0] < 0.7 * curves[0, 0]
    assert chip_images.reference_test(net, images) > 0.3


# ---- spoken words

def written(path, count, seed):
    """Write words of two classes in the format of SHD.

    In one class the low channels are active before the high ones.  Half of the words of
    a test set are by speaker 4.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    spikes = []
    for label in labels:
        early, late = np.sort(rng.uniform(0, 0.02, (2, 900)))
        low, high = rng.integers(70, 340, 900), rng.integers(430, 700, 900)
        spikes.append((np.concatenate([early, late + 0.03]),
                       np.concatenate([low, high] if label else [high, low])))
    speaker = np.arange(count) // 2 % 2 * (4 if "test" in path.name else 1)
    events.write(path, spikes, labels, ["falling", "rising"], speaker=speaker)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    written(folder / "shd_train.h5", 40, 1)
    written(folder / "shd_test.h5", 20, 2)
    return folder


def test_words_are_coded(recordings):
    found = spoken_words.stored(str(recordings))
    T = chip_words.steps(found)
    assert T == int(max(t.max() for t in found.times) / 2000 / 1.7e-6) + 21
    x = chip_words.coded(found, [0, 1], T)
    assert x.shape == (T, 2, 70) and 120 < x[:, 0].sum() <= 270
    assert x[:10, 1, :30].any() and not x[:7, 1, 40:].any(), "low channels first"
    late = found._replace(times=[t + 1.5 for t in found.times])
    assert chip_words.steps(late) == int(1.4 / 2000 / 1.7e-6) + 21
    assert not chip_words.coded(late, [0], chip_words.steps(late)).any()
    few = found._replace(units=[u // 10 for u in found.units], channels=70)
    x = chip_words.coded(few, [1], T)
    assert x.shape == (T, 1, 70) and x[:, 0, 7:34].any() and not x[:, 0, :7].any()
    rng = np.random.default_rng(0)
    moved = [words._replace(units=[np.full_like(u, unit) for u in words.units])
             for words, unit in ((found, 349), (few, 31))]
    far, near = (np.mean([np.ptp(np.nonzero(chip_words.coded(
        words, [1], T, 27.0, rng)[:, 0])[1]) for _ in range(5)]) for words in moved)
    assert 10 < near and abs(near / far - 1) < 0.3, "3 of 70 channels in both"


@pytest.mark.parametrize("kind", ["chip", "software"])
def test_the_keyword_task_and_its_control(recordings, kind):
    call = {"folder": str(recordings), "kind": kind, "epochs": 8, "spread": 3.0,
            "seed": 1, "repeat": 0, "hidden": 24, "batch": 5, "classes": 2}
    trained = chip_words.keywords(recurrence="trained", **call)
    assert trained["curves"][-1, 0] < 0.8 * trained["curves"][0, 0]
    assert trained["accuracy"].min() >= 0.9
    assert trained["size"].tolist() == [40, 10, 10]
    right = trained["predicted"] == trained["labels"]
    assert right[trained["speakers"] == 4].mean() == trained["accuracy"][2]
    assert trained["condition"] == f"{kind}, trained, augmented"
    assert trained["array 1"].shape == (24, 24)
    assert trained["array 2"].shape == (2, 24)
    assert trained["spikes"].any() and trained["input"].any() and trained["out"].any()
    call["epochs"] = 1
    fixed = chip_words.keywords(recurrence="fixed", before=trained, **call)
    first, other = (r["array 1"] for r in (trained, fixed))
    assert not np.array_equal(first, other)
    assert np.array_equal(np.sort(first.ravel()), np.sort(other.ravel()))
    assert "mean 1" not in fixed and "mean 1" in trained


@pytest.mark.parametrize("recurrence", ["trained", "fixed"])
def test_a_chain_of_jobs_trains_the_keyword_task(recordings, recurrence):
    call = {"folder": str(recordings), "kind": "software", "epochs": 3, "spread": 0.0,
            "seed": 1, "repeat": 0, "hidden": 24, "batch": 100, "classes": 2,
            "recurrence": recurrence}
    start = None
    if recurrence == "fixed":
        start = chip_words.keywords(**{**call, "recurrence": "trained", "epochs": 1})
    whole, part = chip_words.keywords(before=start, **call), None
    for first, count in ((0, 1), (1, 2)):
        part = chip_words.keywords(first=first, count=count,
                                   before=part if first else start, **call)
        assert ("accuracy" in part) == (first > 0)
    np.testing.assert_allclose(part["curves"], whole["curves"], rtol=1e-4)
    np.testing.assert_allclose(part["array 1"], whole["array 1"],
                               rtol=1e-3, atol=1e-4)
    assert whole["curves"][-1, 0] < whole["curves"][0, 0]


def test_the_figure_of_words_reads_files(recordings, monkeypatch):
    """Run --full on small files, with chains of jobs and small networks."""
    monkeypatch.setitem(fig_chip_words.SIZES, "full", (2, 3, 2, None))
    monkeypatch.setattr(fig_chip_words, "PART", 2)
    jobs, results = fig_chip_words.jobs("full", 1, str(recordings)), []
    assert len(jobs) == 2 * 5 * 2
    for function, kwargs, *before in jobs:
        earlier = results[before[0]] if before else None
        assert len(before) == (kwargs["first"] > 0 or kwargs["recurrence"] == "fixed")
        if earlier and not kwargs["first"]:
            assert earlier["condition"] == "chip, trained"
        results.append(normalised(
            function(**{**kwargs, "hidden": 12, "batch": 10}, before=earlier), "word"))
    data = {key: np.asarray(value)
            for key, value in fig_chip_words.gather(results).items()}
    assert data["chip, fixed"].shape == (2, 3)
    assert data["chip, fixed, speakers"].shape == (2, 2)
    np.testing.assert_allclose(data["confusions"].sum(axis=1), 1)
    found = fig_chip_words.measured(data)
    declared = {claim.id: claim for claim in fig_chip_words.claims("full")}
    assert found.keys() == declared.keys() and len(declared) == 3 + 5 + 15
    assert declared["chip"].published[:1] + declared["chip"].published[4:] == (
        0.762, 0.013, 5)
    assert declared["software"].kind == "stand-in"
    assert [declared[name].published.value for name in (
        "gain-recurrence", "gain-augmentation", "chip-software")] == [
        0.119, 0.044, 0.05]
    np.testing.assert_allclose(found["chip"],
                               data["chip, trained"][:, 1:] @ [0.5, 0.5])
    np.testing.assert_allclose(found["gain-recurrence"], found["chip"] - found["fixed"])
    np.testing.assert_array_equal(found["software-held-out"],
                                  data["software, trained"][:, 2])
    fig_chip_words.plot(fig_chip_words.shown(data), Figure())


def test_options_of_the_figure_of_words():
    listed = fig_chip_words.jobs("default", 0, None, epochs=2, classes=3, hidden=9,
                                 shift=5)
    assert [kwargs["spread"] for _, kwargs, *_ in listed] == [0, 0, 5, 0, 5]
    assert all((kwargs["epochs"], kwargs["classes"], kwargs["hidden"]) == (2, 3, 9)
               for _, kwargs, *_ in listed)
    with pytest.raises(ValueError, match="shift is 0: must be above 0"):
        fig_chip_words.jobs("default", 0, None, shift=0)


def test_words_of_the_first_classes_only(recordings):
    call = {"folder": str(recordings), "kind": "software", "epochs": 1, "spread": 0.0,
            "seed": 1, "repeat": 0, "hidden": 8, "recurrence": "trained"}
    found = chip_words.keywords(classes=1, **call)
    assert found["size"].tolist() == [20, 5, 5] and found["accuracy"][0] == 1
    assert found["array 2"].shape == (1, 8)


def test_the_sizes_of_the_paper_fit_the_chip():
    weights = chip_images.begin(np.random.default_rng(1), chip_words.HIDDEN, inputs=70,
                                classes=20, recurrent=True).weights
    run = chip_images.on_chip(chip.draw(1, chip.CALIBRATED), np.random.default_rng(1))
    x = (np.random.default_rng(2).random((12, 3, 70)) < 0.1).astype(np.float32)
    recording = run(weights, x)
    assert recording.mem.shape == (12, 3, 186) and recording.out.shape == (12, 3, 20)
    assert chip_weights.integers(weights)[0].recurrent.any()
    with pytest.raises(ValueError, match="inputs"):
        run(chip_images.begin(np.random.default_rng(1), 190, inputs=70, classes=20,
                              recurrent=True).weights, x)


def test_incomplete_data_and_wrong_options_are_refused(tmp_path):
    call = {"folder": str(tmp_path), "kind": "chip", "epochs": 1, "spread": 0.0,
            "seed": 1, "repeat": 0}
    with h5py.File(tmp_path / "shd_train.h5", "w") as file:
        file["labels"], file["extra/keys"] = np.zeros(2, int), ["a"]
    with pytest.raises(ValueError, match="shd_train.h5, spikes is missing"):
        chip_words.keywords(recurrence="trained", **call)
    with pytest.raises(ValueError, match="recurrence is 'frozen'"):
        chip_words.keywords(recurrence="frozen", **call)
    with pytest.raises(ValueError, match="before is None: must be the result"):
        chip_words.keywords(recurrence="fixed", **call)
