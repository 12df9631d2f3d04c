"""Spoken digits of the figures: data sets, files, words in steps, classifiers."""

import importlib
import pathlib

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal
from scipy.io import wavfile

from figures.run import jobs as jobs_
from figures.spoken import fig_spoken_classifiers, spoken_words
from figures.spoken import spoken_networks as networks
from refsnn import events

CLASSES, SPEAKERS = 4, 6


def word(rng, label, channels):
    """Draw a sweep up or down in one of two bands; two classes have the same counts."""
    t = np.sort(rng.uniform(0, 0.49, 120))
    course = t if label % 2 else 0.5 - t
    middle = channels * (0.1 + 0.5 * (label // 2) + 0.7 * course)
    units = np.clip(middle + channels * 0.03 * rng.standard_normal(120), 0,
                    channels - 1)
    return t.astype(np.float16).astype(np.float64), units.astype(np.int64)


def made(channels=70, repeats=8):
    """Return the result of a job that makes words of six speakers, two held out."""
    rng = np.random.default_rng(5)
    speaker, label, repeat = (a.ravel() for a in np.indices(
        (SPEAKERS, CLASSES, repeats)))
    pairs = [word(rng, k, channels) for k in label]
    test = (repeat == 0) | np.isin(speaker, spoken_words.HELD_OUT)
    return spoken_words.packed(pairs, index=np.arange(len(label)), label=label,
                               speaker=speaker, test=test,
                               duration=np.full(len(label), 0.5)), pairs


def test_parts_are_joined_in_order():
    whole, pairs = made()
    rng = np.random.default_rng(1)
    groups = np.array_split(rng.permutation(len(pairs)), 3)
    parts = [spoken_words.packed([pairs[i] for i in group], **{
        key: whole[key][group] for key in ("index", "label", "speaker", "test",
                                           "duration")}) for group in groups]
    words = spoken_words.joined(parts)
    assert_array_equal(words.label, whole["label"])
    for i, (t, u) in enumerate(pairs):
        assert_array_equal(words.times[i], t.astype(np.float32))
        assert_array_equal(words.units[i], u)
    assert_array_equal(spoken_words.counts(words).sum(axis=1), np.full(len(pairs), 120))
    x = spoken_words.binned(words, [3, 0], 0.1, 0.5)
    assert x.shape == (5, 2, 70) and x.sum() == 240
    assert x[0, 1].sum() == (words.times[0] < 0.1).sum() > 0


def test_sets_share_no_word_and_held_out_speakers_are_in_one():
    words = spoken_words.joined([made()[0]])
    train, index, speakers = spoken_words.sets(words)
    assert sorted([*train, *index, *speakers]) == list(range(len(words.label)))
    assert set(words.speaker[speakers]) == set(spoken_words.HELD_OUT)
    assert set(words.speaker[train]) == set(words.speaker[index]) == {0, 1, 2, 3}
    assert len(index) == 4 * CLASSES


def test_synthetic_words_do_not_depend_on_the_parts():
    """The same word results from two parts that contain other words."""
    first = spoken_words.part(3, 1 + max(spoken_words.HELD_OUT), 1, 7, 60)
    again = spoken_words.part(3, 1 + max(spoken_words.HELD_OUT), 1, 67, 1000)
    assert first["index"].tolist() == [7, 67] and again["index"].tolist() == [67]
    start = first["count"][0]
    assert again["count"][0] > 50
    assert_array_equal(first["times"][start:], again["times"])
    assert_array_equal(first["units"][start:], again["units"])


def test_english_words_train_and_recordings_test():
    words = spoken_words.joined([made()[0]])
    real = words._replace(label=words.label[::-1])
    mixed = words._replace(label=words.label + 8)       # 8, 9 English; 10, 11 German
    found = spoken_words.moved(mixed, real)
    train, index, speakers = spoken_words.sets(found)
    assert set(found.label[train]) == {8, 9} and len(index) == 0
    assert len(speakers) == len(words.label)
    assert_array_equal(found.label[speakers], words.label[::-1])


def test_recordings_are_sorted_by_speaker_and_take(tmp_path):
    rng, rows = np.random.default_rng(4), []
    for name in ("7_cy_9", "7_al_3", "2_bo_5", "2_eve_8", "2_dee_6", "9_fay_7"):
        sound = (8000 * rng.standard_normal(1600)).astype(np.int16)
        wavfile.write(tmp_path / f"{name}.wav", 8000, sound)
    for first in (0, 1):
        found = spoken_words.recorded(str(tmp_path), 16, first, 3, parts=2)
        assert found["channels"] == 16 and found["count"].min() > 10
        rows += zip(found["index"], found["label"], found["speaker"], found["test"],
                    strict=True)
    assert [tuple(map(int, row)) for row in sorted(rows)] == [
        (0, 2, 1, 0), (1, 2, 3, 0), (2, 2, 4, 1), (3, 7, 0, 1), (4, 7, 2, 0),
        (5, 9, 5, 1)]
    whole = spoken_words.recorded(str(tmp_path), 16, 0, 3, parts=1)
    words = spoken_words.joined([whole])
    assert words.channels == 16 and abs(words.duration - 0.2).max() < 1e-9
    with pytest.raises(ValueError, match="must have DIGIT_SPEAKER_INDEX.wav"):
        spoken_words.recorded(str(pathlib.Path(__file__).parent), 16, 0, 3)


@pytest.fixture(scope="module", params=["shd", "ssc"])
def files(request, tmp_path_factory):
    """Write a small data set in the format of SHD, or of SSC without speakers."""
    folder, name = tmp_path_factory.mktemp("data"), request.param
    whole, pairs = made(700, 4)
    if name == "ssc":
        whole["speaker"] = np.zeros_like(whole["speaker"])
    for kind in ("train", "test"):
        some = np.flatnonzero(whole["test"] == (kind == "test"))
        events.write(folder / f"{name}_{kind}.h5", [pairs[i] for i in some],
                     whole["label"][some], [f"word {k}" for k in range(CLASSES)],
                     speaker=whole["speaker"][some] if name == "shd" else None)
    return folder, whole, pairs, name


def test_files_of_the_format_are_read_whole(files, monkeypatch):
    folder, whole, pairs, name = files
    monkeypatch.setattr(spoken_words, "AT_ONCE", 7)
    words = spoken_words.stored(folder, name)
    order = np.argsort(whole["test"], kind="stable")
    assert_array_equal(words.label, whole["label"][order])
    assert_array_equal(words.test, whole["test"][order])
    assert_array_equal(words.speaker, whole["speaker"][order])
    assert words.channels == 700
    for i, n in enumerate(order):
        assert_array_equal(words.times[i], pairs[n][0])
        assert_array_equal(words.units[i], pairs[n][1])


@pytest.mark.parametrize("name", ["fig_spoken_data", "fig_spoken_classifiers",
                                  "fig_spoken_loss"])
def test_figures_take_files_of_the_format(name, files):
    """Compute the jobs of --full on files with one epoch and small networks."""
    matplotlib.use("Agg")
    figure, results = importlib.import_module(f"figures.spoken.{name}"), []
    for function, kwargs, *index in figure.jobs("full", 1, str(files[0])):
        assert len(index) == (kwargs.get("first", 0) > 0)
        if kwargs.get("first", 0) > 0:              # one job of each chain
            results.append({})
            continue
        kwargs = {**kwargs}
        if "options" in kwargs:
            kwargs["options"] = {**kwargs["options"], "epochs": 1, "hidden": 8}
            kwargs["repeat"] = min(kwargs["repeat"], 1)
            kwargs["count"] = None
        results.append(jobs_.normalised(function(**kwargs), name))
    data = {key: np.asarray(value) for key, value in figure.gather(results).items()}
    assert data["names"].tolist() == [files[3]]
    assert all(claim.text.startswith(spoken_words.SHORT[files[3]])
               for claim in figure.claims(data))
    figure.plot(data, Figure())


def test_settings_of_the_paper_and_the_tutorial(files):
    figure = fig_spoken_classifiers
    jobs, found = figure.jobs("full", 1, str(files[0])), {}
    for at, (_, kwargs, *before) in enumerate(jobs):
        key = kwargs["condition"], kwargs["repeat"]
        if "first" in kwargs:           # chains without a gap
            first, last = found.get(key, (None, -1))
            done = 0 if first is None else sum(jobs[i][1]["count"] for i in last)
            assert kwargs["first"] == done and before == ([] if not done else [at - 1])
            found[key] = kwargs["options"], [*([] if first is None else last), at]
    for (condition, _), (options, parts) in found.items():
        assert sum(jobs[i][1]["count"] for i in parts) == options["epochs"]
        tutorial = condition == figure.TUTORIAL
        assert options["optimiser"] == "adamax" and options["batch"] == 256
        assert options["epochs"] == (200 if tutorial else 50)
        if "LSTM" in condition or "CNN" in condition:
            assert options["dt"] == 0.01
        else:
            assert options["dt"] == (0.014 if tutorial else 0.002)
            assert options["hidden"] == (200 if tutorial else 128)
            assert options["penalty"] == ("total" if tutorial else "bounds")
        assert options.get("shuffled", False) == condition.endswith("shuffled")
    conditions = {condition for condition, _ in found}
    assert (figure.TUTORIAL in conditions) == (files[3] == "shd")
    assert {*figure.CONDITIONS} - {*figure.COUNTING} <= conditions


def test_full_needs_data(tmp_path):
    with pytest.raises(ValueError, match="must have shd_train.h5 and shd_test.h5, or"):
        spoken_words.data_jobs("full", 1, str(tmp_path))


# ---- classifiers ---------------------------------------------------------------

def learned(whole, kind, **options):
    return networks.classify("toy", None, kind, kind, {
        "tau_mem": 0.1, "wait": 0.1, "epochs": 12, "batch": 16, "hidden": 32,
        **options}, 3, 0, [0.0, 0.3], before=[whole])


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("spiking", {"layers": 2, "epochs": 25}),
    ("lstm", {"dropout": 0.1, "out": 1.0, "epochs": 20}),
    ("cnn", {"dt": 0.01, "rate": 3e-3})])
def test_networks_learn_the_order_of_events(kind, options):
    """Networks tell classes apart that have the same counts, if times are kept."""
    whole = made()[0]
    found = learned(whole, kind, **options)
    assert found["accuracy"].min() > 0.75
    assert found["curve"][-1] < 0.6 * found["curve"][0]
    assert found["jittered"][0] > found["jittered"][1]
    blind = learned(whole, kind, shuffled=True, **options)
    assert blind["accuracy"][1:].max() < 0.7


def test_counts_do_not_contain_the_order():
    for kind in ("linear", "radial"):
        found = learned(made()[0], kind)
        assert 0.3 < found["accuracy"][1:].mean() < 0.7


def first_words(words, o):
    """Return eight words in steps (T, 8, channels) and their labels."""
    return networks.reader(words, o)(np.arange(8)).astype(float), words.label[:8]


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("spiking", {}), ("spiking", {"layers": 3}),
    ("spiking", {"loss": "sum"}), ("spiking", {"loss": "last"}), ("lstm", {}),
    ("cnn", {"dt": 0.01})])
def test_gradients_are_those_of_the_score(kind, options):
    """The derivative by the readout weights, which is exact, equals differences."""
    o = networks.Options(hidden=12, wait=0.1, scale=3.0, deep=3.0, out=0.5, **options)
    words = spoken_words.joined([made()[0]])
    x, labels = first_words(words, o)
    network, rng = networks.NETWORKS[kind](o), np.random.default_rng(2)
    p = [a.astype(float) for a in network.begin(rng, 70, CLASSES, len(x))]
    loss, d = network.gradient(p, x, labels, rng)
    assert [a.shape for a in d] == [a.shape for a in p]
    assert all(abs(a).max() > 0 for a in d)
    last = {"spiking": o.layers, "lstm": 3, "cnn": 3}[kind]
    way, step, values = rng.standard_normal(p[last].shape), 1e-6, []
    for sign in (1, -1):
        moved = [*p]
        moved[last] = p[last] + sign * step * way
        values.append(network.gradient(moved, x, labels, rng)[0])
    slope = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(np.vdot(d[last], way), slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("lstm", {}), ("cnn", {"dt": 0.01}),
    ("spiking", {"optimiser": "adamax", "shuffled": True, "penalty": "bounds"})])
def test_a_chain_of_jobs_is_one_training(files, kind, options):
    """Three jobs of one epoch equal one job of three, up to the order of the words."""
    folder, name = str(files[0]), files[3]
    options = {"epochs": 3, "hidden": 8, "batch": 1000, "scale": 20.0, "out": 1.0,
               "tau_mem": 0.1, **options}
    job = {"name": name, "folder": folder, "condition": "toy", "kind": kind,
           "options": options, "seed": 3, "repeat": 0, "jitters": []}
    whole, parts = networks.classify(**job), {}
    for first, count in ((0, 1), (1, 1), (2, 1)):
        parts = networks.classify(**job, first=first, count=count,
                                  before=[parts] if first else None)
        assert ("accuracy" in parts) == (first == 2)
    assert len(whole["curve"]) == 3 and whole["curve"][2] < whole["curve"][0]
    np.testing.assert_allclose(parts["curve"], whole["curve"], rtol=1e-4)
    assert_array_equal(parts["accuracy"], whole["accuracy"])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", ["bounds", "total"])
def test_a_penalty_is_part_of_the_loss_and_its_derivative(name, layers):
    """The derivative of the penalty is right and is added to that of the loss."""
    rng = np.random.default_rng(2)
    spikes = 300.0 * rng.random((20, 3, 5))
    spikes[:, :, 0] = 0                             # a silent neuron in an active layer
    o = networks.Options(hidden=12, wait=0.1, scale=3.0, deep=3.0, layers=layers,
                         gain=True, penalty=name)
    value, d = networks.penalty(spikes, o)
    way = rng.standard_normal(spikes.shape)
    # The steps are so small that silent neurons stay below their bound of 0.001.
    slope = (networks.penalty(spikes + 1e-7 * way, o)[0]
             - networks.penalty(spikes - 1e-7 * way, o)[0]) / 2e-7
    assert value > 0
    np.testing.assert_allclose(np.vdot(d, way), slope, rtol=1e-5)
    words = spoken_words.joined([made()[0]])
    x, labels = first_words(words, o)
    plain, costly = (networks.spiking(o._replace(penalty=k)) for k in ("none", name))
    p = [3 * a.astype(float) for a in plain.begin(rng, 70, CLASSES, len(x))]
    one, other = (net.gradient(p, x, labels, rng) for net in (plain, costly))
    if name == "total":                             # no spike, no cost
        assert other[0] > one[0] and (other[1][0] != one[1][0]).any()
    assert (other[1][layers] == one[1][layers]).all()       # the readout costs nothing


@pytest.mark.parametrize("layers, recurrent", [(1, False), (1, True), (2, False)])
def test_a_gain_scales_all_weights(layers, recurrent):
    o = networks.Options(hidden=12, wait=0.1, layers=layers, recurrent=recurrent)
    words, rng = spoken_words.joined([made()[0]]), np.random.default_rng(2)
    x, labels = first_words(words, o)
    one, other = networks.spiking(o), networks.spiking(o._replace(gain=True))
    p = [3 * a.astype(float) for a in one.begin(rng, 70, CLASSES, len(x))]
    gain = float(np.float32(1 - np.exp(-o.dt / o.tau_mem)))
    scaled = [a / gain for a in p]
    np.testing.assert_allclose(other.record(scaled, x), one.record(p, x), rtol=1e-9)
    (loss, d), (same, dscaled) = (net.gradient(q, x, labels, rng) for net, q in (
        (one, p), (other, scaled)))
    assert abs(loss - same) < 1e-9 and all(abs(a).max() > 0 for a in d)
    for a, b in zip(d, dscaled, strict=True):
        np.testing.assert_allclose(b, gain * a, rtol=1e-9, atol=1e-12)


def test_the_loss_ignores_the_initial_readout():
    """The loss ignores the initial value 0 of a readout that stays below 0."""
    record = np.zeros((10, 1, 2))
    record[3:, 0, 0], record[3:, 0, 1] = -1.0, 1.0
    o = networks.Options(loss="max", wait=0.1)
    _, d = networks.score(record, np.array([0]), o)
    assert d[:5].any() == 0 and d[5:, 0, 0].min() < 0


def test_augmentation_changes_only_the_given_words():
    words = spoken_words.joined([made()[0]])
    o = networks.Options(channels=1.0, spread=0.01, insert=2.0)
    found = networks.changed(words, [1, 4], np.random.default_rng(0), o, 0.5)
    for i in range(6):
        same = len(words.units[i]) == len(found.units[i]) and \
            (words.units[i] == found.units[i]).all()
        assert same == (i not in (1, 4))
    assert all(t.max() < 0.5 for t in found.times)


def test_an_unknown_condition_is_refused():
    with pytest.raises(KeyError):
        networks.add([], "perceptron", "toy", None, 0, 0, [])
