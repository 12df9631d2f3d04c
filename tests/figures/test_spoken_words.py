"""Spoken digits of the figures: data sets, files, words in steps, classifiers."""

import hashlib
import importlib

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal
from scipy import sparse

from figures.run import jobs as jobs_
from figures.spoken import (fig_spoken_augmentation, fig_spoken_classifiers,
                            fig_spoken_controls, fig_spoken_data,
                            fig_spoken_recurrence, fig_spoken_settings,
                            fig_spoken_speakers, fig_spoken_timing)
from figures.spoken import spoken_networks as networks
from figures.train import spoken_words
from refsnn import events, lif, losses, surrogates

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
    """Return words of six speakers; speakers 4 and 5 are held out."""
    rng = np.random.default_rng(5)
    speaker, label, repeat = (a.ravel() for a in np.indices(
        (SPEAKERS, CLASSES, repeats)))
    times, units = zip(*(word(rng, k, channels) for k in label), strict=True)
    test = (repeat == 0) | np.isin(speaker, spoken_words.HELD_OUT)
    return spoken_words.Words(list(times), list(units), label, speaker, test, channels,
                              "toy")


@pytest.fixture
def toy(monkeypatch):
    """Let the jobs read the words of `made`."""
    words = made()
    monkeypatch.setattr(spoken_words, "embedded", lambda: words)
    return words


# ---- data ----------------------------------------------------------------------

@pytest.mark.parametrize("name, digest", [
    ("hd_words", "05707c2aae1c933e1c9073e03dd131282169b4a069f39ef5113e4379455304a1"),
    ("hd_sounds", "bc86bcd9f6b6b0736eb77c897477f2a86148b068a362471b333f93fd6b89de61")])
def test_embedded_files_are_unchanged(name, digest):
    path = spoken_words.FOLDER / f"{name}.npz"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    text = (spoken_words.FOLDER / "README").read_text()
    assert name in text and "CC BY 4.0" in text and "Schemmel and F. Zenke" in text


def test_embedded_words_have_the_stated_numbers():
    words, names = spoken_words.embedded(), spoken_words.names()
    assert len(words.times) == len(set(names)) == 1400 and words.channels == 70
    train, known, held = spoken_words.sets(words)
    assert (len(train), len(known), len(held)) == (1000, 200, 200)
    assert set(words.speaker[held]) == {4, 5} == set(spoken_words.HELD_OUT)
    assert set(words.speaker[train]) == set(words.speaker[known]) == {*range(12)} - {
        4, 5}
    for index, count in ((train, 5), (known, 1), (held, 5)):
        pairs, found = np.unique(np.stack([words.speaker[index], words.label[index]]),
                                 axis=1, return_counts=True)
        assert pairs.shape[1] == 20 * len(set(words.speaker[index]))
        assert (found == count).all()
    for name, label, speaker in zip(names, words.label, words.speaker, strict=True):
        language, digit = ("english", "german")[label // 10], label % 10
        assert name.startswith(f"lang-{language}_speaker-{speaker:02d}_trial-")
        assert name.endswith(f"_digit-{digit}")
    with np.load(spoken_words.FOLDER / "hd_words.npz") as file:
        assert file["words"].tolist() == spoken_words.WORDS
    for t, u in zip(words.times, words.units, strict=True):
        steps = np.floor(t.astype(float) * 1000).astype(int)
        assert steps.min() >= 0 and (np.diff(steps) >= 0).all() and u.max() < 70
        assert len(np.unique(70 * steps + u)) == len(t) > 100


def test_sets_share_no_word_and_held_out_speakers_are_in_one():
    words = made()
    train, index, speakers = spoken_words.sets(words)
    assert sorted([*train, *index, *speakers]) == list(range(len(words.label)))
    assert set(words.speaker[speakers]) == set(spoken_words.HELD_OUT)
    assert set(words.speaker[train]) == set(words.speaker[index]) == {0, 1, 2, 3}
    assert len(index) == 4 * CLASSES


def test_validation_never_sees_test_words():
    words = made()
    found = spoken_words.validation(words)
    train, index, speakers = spoken_words.sets(found)
    assert len(index) == 0 and set(found.speaker[speakers]) == {3}
    assert set(found.speaker[train]) == {0, 1, 2}
    kept = np.flatnonzero(~words.test)
    assert len(found.times) == len(kept)
    assert all(a is words.times[i] for a, i in zip(found.times, kept, strict=True))


def test_training_speakers_are_chosen():
    words = made()
    found = networks.chosen(words, 1, np.random.default_rng(0))
    train, known, held = found
    assert len(set(words.speaker[train])) == 1
    assert set(words.speaker[known]) == set(words.speaker[train])
    assert_array_equal(held, spoken_words.sets(words)[2])
    for one, other in zip(networks.chosen(words, 0, None), spoken_words.sets(words),
                          strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("law", ["permuted", "uniform"])
def test_controls_keep_counts(law):
    words = made()
    found = networks.shuffled(words, law, np.random.default_rng(1))
    assert_array_equal(spoken_words.counts(found), spoken_words.counts(words))
    last = spoken_words.durations(words).max()
    for t, own in zip(found.times, words.times, strict=True):
        assert (np.sort(t) == np.sort(own)).all() == (law == "permuted")
        assert 0 <= t.min() and t.max() <= last and (np.diff(t) >= 0).all()


def test_words_in_steps():
    words = made()
    x = spoken_words.binned(words, [3, 0], 0.1, 0.5)
    assert x.shape == (5, 2, 70) and x.sum() == 240
    assert x[0, 1].sum() == (words.times[0] < 0.1).sum() > 0
    found = spoken_words.sparsely(words, [3, 0], 0.1, 0.5)
    assert found.dtype == np.float32 and x.max() > 1
    assert_array_equal(found.toarray().reshape(x.shape), x)


@pytest.mark.parametrize("kind, cache", [("spiking", 0), ("lstm", 0), ("lstm", 1e9)])
def test_a_network_reads_the_binned_words(kind, cache, monkeypatch):
    words, o, index = made(), networks.Options(), np.array([7, 0, 5])
    monkeypatch.setattr(networks, "AT_ONCE", 3)
    monkeypatch.setattr(networks, "CACHE", cache)
    network, longest = networks.NETWORKS[kind](o), networks.steps(words, o.dt)
    right = spoken_words.binned(words, index, o.dt, longest)
    for x in (networks.reader(network, words, o)(index),
              networks.binned(network, words, index, o, longest)):
        if network.sparse:
            x, T = x
            assert T == len(right) and x.dtype == np.float32
            x = x.toarray().reshape(right.shape)
        assert_array_equal(x, right)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a small data set in the format of SHD; return its folder and its words."""
    folder, words = tmp_path_factory.mktemp("data"), made(700, 4)
    for name in spoken_words.FILES:
        some = np.flatnonzero(words.test == ("test" in name))
        events.write(folder / name, [(words.times[i], words.units[i]) for i in some],
                     words.label[some], [f"word {k}" for k in range(CLASSES)],
                     speaker=words.speaker[some])
    return folder, words


def test_files_of_the_format_are_read_whole(files, monkeypatch):
    folder, whole = files
    monkeypatch.setattr(spoken_words, "AT_ONCE", 7)
    words = spoken_words.stored(folder)
    order = np.argsort(whole.test, kind="stable")
    assert_array_equal(words.label, whole.label[order])
    assert_array_equal(words.test, whole.test[order])
    assert_array_equal(words.speaker, whole.speaker[order])
    assert words.channels == 700 and words.title == "SHD regenerated"
    for i, n in enumerate(order):
        assert_array_equal(words.times[i], whole.times[n])
        assert_array_equal(words.units[i], whole.units[n])


def test_published_files_are_told_by_their_speakers(files, tmp_path):
    words, size = files[1], SPEAKERS
    people = events.Speakers(np.array(["f"] * size), np.arange(size) + 20.0,
                             np.arange(size) + 160.0)
    for name in spoken_words.FILES:
        events.write(tmp_path / name, [(words.times[0], words.units[0])], [0], ["one"],
                     speaker=[0], meta=people)
    assert spoken_words.stored(tmp_path).title == "SHD"


def test_full_needs_data(tmp_path):
    for data in (None, str(tmp_path)):
        with pytest.raises(ValueError, match="must have the files shd_train.h5 and sh"):
            spoken_words.read(spoken_words.folder("full", data))
    assert spoken_words.folder("default", "data") is None


@pytest.mark.parametrize("name", ["spoken_data", "spoken_classifiers", "spoken_timing",
                                  "spoken_speakers", "spoken_recurrence",
                                  "spoken_settings", "spoken_cnn", "spoken_controls",
                                  "spoken_augmentation"])
@pytest.mark.parametrize("size", ["default", "full"])
@pytest.mark.filterwarnings("ignore:The number of unique classes")  # of few words
def test_figures_of_small_networks(name, size, files, monkeypatch):
    """Compute the jobs with one epoch and small networks."""
    matplotlib.use("Agg")
    few = spoken_words.validation(spoken_words.embedded())     # 20 classes
    kept = np.arange(0, len(few.label), 7)
    few = few._replace(times=[few.times[i] for i in kept], label=few.label[kept],
                       units=[few.units[i] for i in kept], test=few.test[kept],
                       speaker=np.where(few.test, few.speaker // 2 + 3,
                                        few.speaker)[kept])
    few = few._replace(test=few.test | (np.arange(len(kept)) % 5 == 0))
    monkeypatch.setattr(spoken_words, "embedded", lambda: few)
    monkeypatch.setattr(spoken_words, "stored", lambda folder: few._replace(
        title="SHD regenerated"))
    figure = importlib.import_module(f"figures.spoken.fig_{name}")
    results = []
    for function, kwargs, *index in figure.jobs(size, 1, "folder"):
        assert len(index) == (kwargs.get("first", 0) > 0)
        if kwargs.get("first", 0) > 0:              # one job of each chain
            results.append({})
            continue
        kwargs = {**kwargs}
        changed = {}
        if "options" in kwargs:
            changed["dt"] = kwargs["options"]["dt"]
            kwargs["options"] = {**kwargs["options"], "epochs": 1, "hidden": 4,
                                 "dt": max(changed["dt"], 0.02), "side": 5,
                                 "blocks": 1}
            kwargs["count"] = None
        results.append(jobs_.normalised(function(**kwargs), name) | changed)
    data = {key: np.asarray(value) for key, value in figure.gather(results).items()}
    title = "1,400 Heidelberg Digits" if size == "default" else "SHD regenerated"
    assert str(data["title"]) in (title, few.title)
    assert data.keys() == figure.ARRAYS.keys() & data.keys()
    values, declared = figure.measured(data), figure.claims(size)
    assert {claim.id for claim in declared} == values.keys()
    assert all(np.isfinite(values[claim.id]).all() for claim in declared)
    assert all(claim.text.startswith(spoken_words.named(size)) for claim in declared)
    figure.plot(figure.shown(data), Figure())


def test_settings_of_the_table():
    figure, found = fig_spoken_classifiers, {}
    jobs = figure.jobs("full", 1, "folder")
    for at, (_, kwargs, *before) in enumerate(jobs):
        key = kwargs["condition"], kwargs["repeat"]
        if "first" in kwargs:           # chains without a gap
            first, last = found.get(key, (None, -1))
            done = 0 if first is None else sum(jobs[i][1]["count"] for i in last)
            assert kwargs["first"] == done and before == ([] if not done else [at - 1])
            found[key] = kwargs["options"], [*([] if first is None else last), at]
    for (condition, _), (options, parts) in found.items():
        assert sum(jobs[i][1]["count"] for i in parts) == options["epochs"]
        assert (options["dt"], options["epochs"], options["hidden"]) == {
            "LSTM": (0.01, 50, 128), "CNN": (0.01, 10, 128),
            figure.LARGE: (0.01, 30, 1024), figure.TUTORIAL: (0.014, 200, 200)}.get(
            condition, (0.004, 50, 128))
        if condition != figure.TUTORIAL:
            assert (options["tau_mem"], options["tau_syn"]) == (0.02, 0.01)
        assert (options["channels"] > 0) == condition.endswith("augmented")
    runs = {name: sum(key[0] == name for key in found) for name in figure.CONDITIONS}
    assert [runs[name] for name in (figure.FORWARD, "feed-forward, 2 layers",
                                    "recurrent", "recurrent, augmented", figure.LARGE,
                                    "LSTM", "CNN")] == [3, 1, 3, 3, 2, 3, 3]
    assert {key[0] for key in found} | {f"counts, {kind}" for kind in networks.MACHINES
                                        } == set(figure.CONDITIONS)


# ---- classifiers ---------------------------------------------------------------

def learned(kind, **options):
    return networks.classify(None, kind, kind, {
        "tau_mem": 0.1, "wait": 0.1, "epochs": 12, "batch": 16, "hidden": 32,
        **options}, 3, 0, [0.0, 0.3] if kind in networks.NETWORKS else [])


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("spiking", {"layers": 2, "epochs": 25}),
    ("lstm", {"dropout": 0.1, "out": 1.0, "epochs": 20}),
    ("cnn", {"dt": 0.01, "rate": 3e-3}),
    ("blocks", {"rate": 3e-3, "maps": (6,), "blocks": 1, "dropout": 0.2})])
def test_networks_learn_the_order_of_events(kind, options, toy):
    """Networks tell classes apart that have the same counts, if times are kept."""
    found = learned(kind, **options)
    assert found["accuracy"].min() > 0.75
    assert found["curve"][-1, 0] < 0.6 * found["curve"][0, 0]
    assert found["curve"][-1, 1] > max(0.75, found["curve"][0, 1])
    assert found["jittered"][0] > found["jittered"][1]
    tests = np.concatenate(spoken_words.sets(toy)[1:])
    assert_array_equal(found["label"], toy.label[tests])
    assert_array_equal(found["speaker"], toy.speaker[tests])
    right = found["predicted"] == found["label"]
    assert right.mean() == found["jittered"][0]
    assert right[4 * CLASSES:].mean() == found["accuracy"][2]
    for law in ("permuted", "uniform"):
        blind = learned(kind, law=law, **options)
        assert blind["accuracy"][1:].max() < 0.7


def test_counts_do_not_contain_the_order(toy):
    for kind in networks.MACHINES:
        found = learned(kind)
        assert 0.3 < found["accuracy"][1:].mean() < 0.7


def test_machines_have_the_published_settings():
    """The machine with the kernel written out predicts the same classes."""
    from sklearn.svm import SVC
    words = made()
    train, *_ = sets = spoken_words.sets(words)
    c = spoken_words.counts(words)
    c[:, 5] = 3                             # a channel without information
    words = words._replace(units=[np.repeat(np.arange(70), row.astype(int))
                                  for row in c])
    spread = c[train].std(axis=0)
    z = (c - c[train].mean(axis=0)) / np.where(spread > 0, spread, 1)
    inner = z @ z[train].T
    square = (z ** 2).sum(axis=1)
    seen = []
    for kind, kernel in (
            ("linear", inner), ("polynomial of degree 2", (inner / 70) ** 2),
            ("polynomial of degree 3", (inner / 70) ** 3),
            ("radial", np.exp((2 * inner - square[:, None] - square[train]) / 70))):
        other = SVC(kernel="precomputed", C=1.0).fit(kernel[train], words.label[train])
        seen.append(networks.machine(kind, words, sets))
        assert_array_equal(seen[-1], other.predict(kernel))
    assert all((one != two).any() for one, two in zip(seen, seen[1:], strict=False))
    assert len(seen) == len(networks.MACHINES)


def test_predictions_do_not_depend_on_the_words_in_one_pass(monkeypatch):
    words, o = made(), networks.Options(hidden=12, scale=3.0, out=0.5)
    network, index = networks.spiking(o), np.arange(len(words.label))[::-1]
    T = round(networks.steps(words, o.dt) / o.dt)
    p = network.begin(np.random.default_rng(2), 70, CLASSES, T)
    whole = networks.predicted(network, p, words, index, o)
    assert len(index) > 5 and len(set(whole)) > 1
    monkeypatch.setattr(networks, "AT_ONCE", 5)
    assert_array_equal(networks.predicted(network, p, words, index, o), whole)


def first_words(words, o):
    """Return eight words in steps (T, 8, channels) and their labels."""
    x = spoken_words.binned(words, np.arange(8), o.dt, networks.steps(words, o.dt))
    return x.astype(float), words.label[:8]


def given(network, x):
    """Return words (T, B, channels) in the form that a network reads."""
    return (sparse.csr_matrix(x.reshape(-1, x.shape[2])), len(x)) if network.sparse \
        else x


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("spiking", {}), ("spiking", {"layers": 3}),
    ("spiking", {"loss": "sum"}), ("spiking", {"loss": "last"}), ("lstm", {}),
    ("cnn", {"dt": 0.01})])
def test_gradients_are_those_of_the_score(kind, options):
    """The derivative by the readout weights, which is exact, equals differences."""
    o = networks.Options(hidden=12, wait=0.1, scale=3.0, deep=3.0, out=0.5, **options)
    words = made()
    x, labels = first_words(words, o)
    network, rng = networks.NETWORKS[kind](o), np.random.default_rng(2)
    p = [a.astype(float) for a in network.begin(rng, 70, CLASSES, len(x))]
    x = given(network, x)
    loss, right, d = network.gradient(p, x, labels, rng)
    assert right == (networks.reduced(network.record(p, x), o).argmax(axis=1)
                     == labels).mean()
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


def test_quick_runs_use_a_third_of_the_words():
    """The first of three words, which leaves all classes in each set."""
    listed, words = [], spoken_words.embedded()
    networks.add(listed, "counts, linear", "quick", None, 0, 0)
    found = networks.classify(**listed[0][1])
    kept = [index[index % 3 == 0] for index in spoken_words.sets(words)]
    assert found["size"].tolist() == [len(index) for index in kept]
    tests = np.concatenate(kept[1:])
    assert_array_equal(found["label"], words.label[tests])
    assert_array_equal(found["speaker"], words.speaker[tests])
    for index in kept:
        assert set(words.label[index]) == set(range(20))


@pytest.mark.parametrize("kind, options", [
    ("spiking", {"recurrent": True}), ("lstm", {}), ("cnn", {"dt": 0.01}),
    ("spiking", {"optimiser": "adamax", "law": "permuted", "penalty": "tutorial"}),
    ("lstm", {"dropout": 0.2, "spread": 0.01}),
    ("blocks", {"maps": (4,), "blocks": 1, "dropout": 0.2})])
def test_a_chain_of_jobs_is_one_training(files, kind, options):
    """Three jobs of one epoch equal one job of three, to the last bit."""
    options = {"epochs": 3, "hidden": 8, "batch": 16, "scale": 20.0, "out": 1.0,
               "tau_mem": 0.1, **options}
    job = {"folder": str(files[0]), "condition": "toy", "kind": kind,
           "options": options, "seed": 3, "repeat": 0, "jitters": []}
    whole, parts = networks.classify(**job), {}
    for first, count in ((0, 1), (1, 1), (2, 1)):
        parts = networks.classify(**job, first=first, count=count,
                                  before=parts if first else None)
        assert ("accuracy" in parts) == (first == 2)
        parts = jobs_.normalised(parts, "part")
    assert len(whole["curve"]) == 3 and whole["curve"][2, 0] < whole["curve"][0, 0]
    assert_array_equal(parts["curve"], whole["curve"])
    assert_array_equal(parts["predicted"], whole["predicted"])


def test_training_ends_if_the_training_accuracy_grows_no_more(files, monkeypatch):
    """The rest of the chain hands the network on, and its last job tests it."""
    o = networks.Options(patience=2)
    for accuracy, end in (([0.1, 0.2], False), ([0.1, 0.2, 0.2], False),
                          ([0.2, 0.1, 0.204], True), ([0.2, 0.1, 0.206], False),
                          ([0.2, 0.3, 0.1, 0.1], True)):
        curve = np.stack([np.zeros(len(accuracy)), accuracy], axis=1)
        assert networks.ended(curve, o) == end
        assert not networks.ended(curve, networks.Options())
    options = {"epochs": 9, "hidden": 8, "batch": 16, "rate": 0.0, "patience": 2}
    job = {"folder": str(files[0]), "condition": "toy", "kind": "spiking",
           "options": options, "seed": 3, "repeat": 0, "jitters": []}
    whole, parts = networks.classify(**job), {}
    assert whole["converged"] and len(whole["curve"]) == 3
    for first in (0, 2, 4, 6, 8):
        parts = networks.classify(**job, first=first, count=min(2, 9 - first),
                                  before=parts if first else None)
    assert_array_equal(parts["curve"], whole["curve"])
    assert_array_equal(parts["accuracy"], whole["accuracy"])
    never = networks.classify(**{**job, "options": {**options, "patience": 0}})
    assert not never["converged"] and len(never["curve"]) == 9


def test_initial_weights_are_uniform():
    W, V = networks.uniform(np.random.default_rng(1), (400, 50, 20), None, np.float32)
    assert W.shape == (50, 400) and V.shape == (20, 50) and V.dtype == np.float32
    for a, bound in ((W, 1 / 20), (V, 50 ** -0.5)):
        assert 0.98 * bound < abs(a).max() <= bound
        np.testing.assert_allclose(a.std(), bound / 3 ** 0.5, rtol=0.05)
    o = networks.Options(uniform=True, recurrent=True, hidden=64)
    p = networks.spiking(o).begin(np.random.default_rng(1), 70, 4, 20)
    assert [a.shape for a in p] == [(64, 70), (4, 64), (64, 64)]
    assert abs(p[2]).max() <= 1 / 8 and abs(p[0]).max() <= 70 ** -0.5


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_the_input_of_membranes_is_multiplied(reset):
    """The recording equals that of `refsnn.lif` with another gain."""
    o = networks.Options(recurrent=True, scaled=True, hidden=12, scale=9.0, loop=1.0,
                         out=2.0, reset=reset)
    x, labels = first_words(made(), o)
    network, rng = networks.spiking(o), np.random.default_rng(2)
    p = [a.astype(float) for a in network.begin(rng, 70, CLASSES, len(x))]
    constants = {"alpha": np.exp(-2.0), "beta": np.exp(-1.0), "gain": 1 - np.exp(-1.0)}
    run = lif.simulate(x, p[0], p[2], reset=reset, **constants)
    record = lif.readout(run.spikes, p[1], **constants)
    assert 0.05 < run.spikes.mean() < 0.5
    pair = given(network, x)
    np.testing.assert_allclose(network.record(p, pair), record, rtol=1e-9, atol=1e-12)
    loss, _, d = network.gradient(p, pair, labels, rng)
    assert loss == pytest.approx(losses.cross_entropy(record, labels, o.loss)[0])
    way = rng.standard_normal(p[1].shape)
    up, down = (network.gradient([p[0], p[1] + s * way, p[2]], pair, labels, rng)[0]
                for s in (1e-6, -1e-6))
    np.testing.assert_allclose(np.vdot(d[1], way), (up - down) / 2e-6, rtol=1e-5)
    _, drecord = losses.cross_entropy(record, labels, o.loss)
    error = lif.readout_backward(run.spikes, p[1], drecord, **constants).dx
    psi = surrogates.fast_sigmoid(run.mem - 1, o.steepness)[1]
    back = lif.backward(x, p[0], p[2], run, psi, error, reset=reset,
                        through_reset=False, **constants)
    for found, wanted in ((d[0], back.dW), (d[2], back.dV)):
        np.testing.assert_allclose(found, wanted, rtol=1e-6,
                                   atol=1e-9 * abs(wanted).max())


def test_bounds_by_hand():
    """Two neurons in 200 steps: rates of 0.11 and 0.61 in the first of two words."""
    spikes = np.zeros((200, 2, 2))
    spikes[:22, 0, 0] = spikes[:122, 0, 1] = 1
    value, d = networks.bounds(spikes)
    np.testing.assert_allclose(value, (0.1 ** 2 + 0.6 ** 2) / 4)
    np.testing.assert_allclose(d[7], [[2 * 0.1 / 4 / 200, 2 * 0.6 / 4 / 200], [0, 0]])
    spikes[:200, 1] = 1
    np.testing.assert_allclose(networks.bounds(spikes)[0], (
        0.1 ** 2 + 0.6 ** 2 + 2 * 0.99 ** 2) / 4 + 0.06 * (100 ** 2) / 2)
    way = np.random.default_rng(1).standard_normal(spikes.shape)
    _, d = networks.bounds(spikes)
    slope = (networks.bounds(spikes + 1e-5 * way)[0]
             - networks.bounds(spikes - 1e-5 * way)[0]) / 2e-5
    np.testing.assert_allclose(np.vdot(d, way), slope, rtol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_penalty_is_part_of_the_loss_and_its_derivative(layers):
    """The derivative of the penalty is right and is added to that of the loss."""
    rng = np.random.default_rng(2)
    spikes = 300.0 * rng.random((20, 3, 5))
    spikes[:, :, 0] = 0                             # a silent neuron in an active layer
    o = networks.Options(hidden=12, wait=0.1, scale=3.0, deep=3.0, layers=layers)
    value, d = networks.tutorial(spikes)
    way = rng.standard_normal(spikes.shape)
    slope = (networks.tutorial(spikes + 1e-4 * way)[0]
             - networks.tutorial(spikes - 1e-4 * way)[0]) / 2e-4
    assert value > 0
    np.testing.assert_allclose(np.vdot(d, way), slope, rtol=1e-5)
    count = spikes.sum(axis=(0, 1))
    np.testing.assert_allclose(value, 2e-6 * (count.sum() + (count ** 2).mean()))
    words = made()
    x, labels = first_words(words, o)
    plain, costly = (networks.spiking(o._replace(penalty=k)) for k in ("", "tutorial"))
    p = [3 * a.astype(float) for a in plain.begin(rng, 70, CLASSES, len(x))]
    one, other = (net.gradient(p, given(net, x), labels, rng)
                  for net in (plain, costly))
    assert other[0] > one[0] and (other[2][0] != one[2][0]).any()
    assert (other[2][layers] == one[2][layers]).all()       # the readout costs nothing


def test_the_loss_ignores_the_initial_readout():
    """The loss ignores the initial value 0 of a readout that stays below 0."""
    record = np.zeros((10, 1, 2))
    record[3:, 0, 0], record[3:, 0, 1] = -1.0, 1.0
    o = networks.Options(loss="max", wait=0.1)
    _, right, d = networks.score(record, np.array([0]), o)
    assert right == 0
    assert d[:5].any() == 0 and d[5:, 0, 0].min() < 0


def test_augmentation_changes_only_the_given_words():
    words = made()
    o = networks.Options(channels=1.0, spread=0.01)
    found = networks.changed(words, [1, 4], np.random.default_rng(0), o, 0.5)
    for i in range(6):
        same = len(words.units[i]) == len(found.units[i]) and \
            (words.units[i] == found.units[i]).all()
        assert same == (i not in (1, 4))
    assert all(t.max() < 0.5 for t in found.times)


@pytest.mark.parametrize("channels", [70, 700])
def test_channels_are_jittered_in_units_of_70(channels):
    words = made(channels)
    words = words._replace(units=[np.full_like(u, channels // 2) for u in words.units])
    found = networks.changed(words, range(100), np.random.default_rng(0),
                             networks.Options(channels=2.0), 0.5)
    moved = np.array([u.mean() for u in found.units[:100]]) / channels * 70 - 35
    inside = np.mean([u.std() for u in found.units[:100]]) / channels * 70
    assert 1.5 < moved.std() < 2.5 and 1.8 < inside < 2.2


@pytest.mark.parametrize("loss, wait, answer", [
    ("max", 0.0, 0), ("max", 0.1, 1), ("sum", 0.1, 2), ("last", 0.1, 3)])
def test_the_answer_is_reduced_like_the_score(loss, wait, answer):
    words, o = made(repeats=1), networks.Options(loss=loss, wait=wait)
    record = np.zeros((25, 24, 4))
    record[4, :, 0] = 9
    record[5, :, 1], record[6, :, 1] = 6, -6
    record[:, :, 2], record[-1, :, 3] = 1, 5
    network = networks.Network(None, lambda parameters, x: record[:, :x.shape[1]], None)
    index = np.arange(24)
    found = networks.predicted(network, None, words, index, o)
    assert_array_equal(found, np.full(24, answer))
    wrong, right = (networks.score(record, np.full(24, k), o)[0]
                    for k in ((answer + 1) % 4, answer))
    assert right < wrong


def test_the_curve_is_the_mean_loss_of_all_words():
    words, o = made(repeats=1), networks.Options(batch=2, epochs=3)
    index, seen = np.array([1, 5, 8, 15, 22]), []       # in batches of 3 and 2 words

    def gradient(parameters, x, labels, generator):
        seen.append(len(labels))
        return loss.pop(0), 0.5 * (len(seen) % 2), [np.zeros(1)]

    loss = [1.0, 6.0, 2.0, 2.0, 3.0, 0.5]
    network = networks.Network(lambda *given: [np.zeros(1)], None, gradient)
    _, curve = networks.fit(network, words, index, o, np.random.default_rng(4))
    assert seen == 3 * [3, 2]
    np.testing.assert_allclose(curve, [[3, 0.3], [2, 0.3], [2, 0.3]])


@pytest.mark.parametrize("channels, rows", [(70, 35), (100, 50), (129, 43), (700, 64)])
def test_images_have_32_to_64_rows_of_neighbouring_channels(channels, rows):
    o = networks.Options(maps=(2, 3), side=5, hidden=4)
    network, rng = networks.convolutional(o), np.random.default_rng(1)
    p = network.begin(rng, channels, 3, 20)
    for _ in range(2):
        rows = (rows - 4) // 2
    assert p[2].shape == (4, 3 * 2 * rows)          # 20 steps become 8 and then 2
    x = rng.integers(0, 3, (20, 2, channels)).astype(np.float32)
    found, same = (network.record(p, x[..., [*first, *range(2, channels)]])
                   for first in ((0, 1), (1, 0)))
    assert found.shape == (1, 2, 3)
    np.testing.assert_allclose(found, same, rtol=1e-5)


def test_a_spike_at_the_end_of_the_last_step_is_kept():
    words = made(repeats=1)
    for last, duration in ((0.16, 0.18), (0.17, 0.18), (5.0, 1.42)):
        times = [np.array([0.0, last])] * 24
        some = words._replace(times=times, units=[np.array([3, 4])] * 24)
        longest = networks.steps(some, 0.02)
        np.testing.assert_allclose(longest, duration)
        x = spoken_words.binned(some, np.arange(24), 0.02, longest)
        assert x.shape[0] == round(duration / 0.02)
        assert x.sum() == (48 if last < networks.LONGEST else 24)


def test_the_accuracy_on_all_test_words_weights_the_sets_by_size():
    accuracy = np.array([[0.1, 0.5, 0.9], [0.2, 0.0, 1.0]])
    data = {"size": np.array([1000, 30, 10]), "LSTM": accuracy}
    np.testing.assert_allclose(spoken_words.tested(data, "LSTM"), [0.6, 0.25])
    one = {"size": np.array([1000, 0, 10]),
           "LSTM": np.where(np.arange(3) == 1, np.nan, accuracy)}
    np.testing.assert_allclose(spoken_words.tested(one, "LSTM"), [0.9, 1.0])


def test_accuracy_by_speakers_is_that_on_held_out_speakers():
    """The other two accuracies of each result are NaN."""
    label, speaker = np.arange(20), np.repeat([3, 4, 5], [4, 8, 8])

    def result(condition, value, right):
        return {"condition": condition, "data": "toy", "label": label,
                "speaker": speaker, "accuracy": np.array([np.nan, np.nan, value]),
                "predicted": np.where(label < right, label, 19 - label)}

    names, counts = fig_spoken_speakers.SHOWN, fig_spoken_speakers.COUNTS
    results = [result(f"{name}, speakers {k}", k / 10, 0) for name in names
               for k in reversed(counts)]
    results += [{"condition": "LSTM"}, *(result(name, 0.9, right) for name, right in
                                         zip(names, (1, 12, 16), strict=True))]
    found = fig_spoken_speakers.gather(results)
    for name, rates in zip(names, ([0.25, 0, 0], [1, 1, 0], [1, 1, 0.5]), strict=True):
        assert_array_equal(found[name], [rates])
        if name != "recurrent":
            np.testing.assert_allclose(found[f"{name}, speakers"][:, 0],
                                       [*(k / 10 for k in counts), 0.9])
    assert found["confusions"][2, 2] == found["confusions"][18, 1] == 1


def test_errors_between_the_languages_are_counted():
    confusions = np.full((20, 20), 0.01) + 0.7 * np.eye(20)
    confusions[9, 19], confusions[19, 9], confusions[3, 4] = 0.3, 0.2, 0.1
    between, within = 198 * 0.01 + 0.5, 179 * 0.01 + 0.1
    np.testing.assert_allclose(fig_spoken_speakers.between(confusions),
                               between / (between + within))


def test_values_of_training_speakers():
    """Of the SVM, only runs with some of the speakers depend on chance."""
    data = {"speakers": np.array([3, 4, 5]), "counts": np.array([2, 6, 10]),
            "between": np.array([0.7, 0.6]),
            **{name: np.array([[0.9, 0.2, 0.6], [0.8, 0.3, 0.7]])
               for name in fig_spoken_speakers.SHOWN},
            **{f"{name}, speakers": np.array([[0.1, 0.2], [0.3, 0.3], [0.5, 0.7]])
               for name in fig_spoken_speakers.SOME}}
    found = fig_spoken_speakers.measured(data)
    for name, value in (("gain", [0.4, 0.5]), ("lstm-known", [0.9, 0.8]),
                        ("lstm-held-out", [0.4, 0.5]), ("svm-held-out", 0.4),
                        ("svm-2", [0.1, 0.2]), ("svm-10", 0.5), ("lstm-6", [0.3] * 2)):
        np.testing.assert_allclose(found[name], value, err_msg=name)
    few = {**data, "counts": np.array([3, 6, 10])}
    assert "gain" not in fig_spoken_speakers.measured(few)


def test_values_of_classifiers():
    names = fig_spoken_classifiers
    data = {"title": "SHD", "size": np.array([9, 30, 10]),
            "counts, linear": np.array([[1, 0.8, 0.4]]),
            names.FORWARD: np.array([[1, 0.4, 0.4], [1, 0.6, 0.2]]),
            "recurrent": np.array([[1, 0.8, 0.4], [1, 0.6, 0.2], [1, 1, 1]])}
    found = names.measured(data)
    for name, value in (("svm-linear", 0.7), ("svm-linear-known", 0.8),
                        ("recurrent", [0.7, 0.5, 1]), ("gain-recurrence", [0.3, 0]),
                        ("speakers-least", [0, 0.4]),
                        ("forward-1-known", [0.4, 0.6])):
        np.testing.assert_allclose(found[name], value, err_msg=name, atol=1e-15)
    assert np.ndim(found["svm-linear"]) == 0, "does not depend on chance"
    assert "gain-augmentation" not in found
    small = names.measured(data | {"title": spoken_words.EMBEDDED})
    np.testing.assert_allclose(small["speakers-mean"], [0.4, 0.2, 0.8 / 3])


def test_options_of_the_figures_of_words():
    listed = fig_spoken_classifiers.jobs("default", 0, None, repeats=2, epochs=3,
                                         hidden=5,
                                         classifiers=["counts, linear", "CNN"])
    assert [(kwargs["condition"], kwargs["repeat"]) for _, kwargs in listed] == [
        ("counts, linear", 0), ("CNN", 0), ("CNN", 1)]
    assert all((kwargs["options"]["epochs"], kwargs["options"]["hidden"]) == (3, 5)
               for _, kwargs in listed)
    with pytest.raises(ValueError, match="classifiers is .'RNN'.: must be some of"):
        fig_spoken_classifiers.jobs("default", 0, None, classifiers=["RNN"])
    listed = fig_spoken_speakers.jobs("default", 0, None, counts=[3], repeats=1)
    assert [kwargs["condition"] for _, kwargs in listed] == [
        "counts, radial", "counts, radial, speakers 3", "recurrent", "LSTM",
        "LSTM, speakers 3"]
    (_, kwargs), = fig_spoken_data.jobs("default", 0, None, validated=True)
    found = fig_spoken_data.survey(**kwargs)
    assert set(found["speaker"][found["set"] == 2]) == {3, 9}
    listed = fig_spoken_timing.jobs("default", 0, None, steps=[20, 100], repeats=1)
    assert [kwargs["condition"] for _, kwargs in listed if "dt" in
            kwargs["condition"]] == ["recurrent, dt 0.1", "LSTM, dt 0.1"]


def test_values_of_spike_times():
    """The best time step of the LSTM is the second one."""
    figure = fig_spoken_timing
    steps, rows = np.array([20, 40, 160]), np.array([[0.7, 0.5], [0.6, 0.8],
                                                    [0.3, 0.4]])
    data = {"counts": np.array([0.5, 0.6, 0.4]), "recurrent, by loss": rows,
            **{name: rows for name in figure.TIMED}}
    for name in figure.FINE:
        data |= {f"{name}, steps": steps, f"{name}, by step": rows,
                 f"{name}, jittered": rows.T}
    found = figure.measured(data)
    for name, value in (("svm", 0.6), ("lost-steps", [0.3, 0.4]),
                        ("lost-uniform-cnn", [0.4, 0.1]), ("lstm-uniform", [0.3, 0.4]),
                        ("lost-jitter-recurrent", [0.4, 0.1]),
                        ("lstm-40-ms", [0.6, 0.8]), ("gain-maximum", [0.4, 0.1]),
                        ("loss-sum", [0.6, 0.8])):
        np.testing.assert_allclose(found[name], value, err_msg=name)
    assert "lost-steps" not in figure.measured(
        {**data, "LSTM, steps": np.array([20, 40, 100])})


def test_an_unknown_condition_is_refused():
    with pytest.raises(KeyError):
        networks.add([], "perceptron", "quick", None, 0, 0)


def test_each_setting_of_the_other_program_is_removed_once():
    found = {}
    for _, kwargs, *_ in fig_spoken_settings.jobs("full", 0, "folder"):
        found[kwargs["condition"]] = kwargs["options"]
    runs = fig_spoken_settings.runs(True)
    conditions = fig_spoken_recurrence.conditions("full", runs)
    usual = networks.options("recurrent", "folder", **networks.CONVERGED)
    assert len(runs) == len(found) == 20
    for key, (name, more) in conditions.items():
        o = networks.Options(**found[networks.named(name, more)])
        net, setting = key.split("-")
        assert o.recurrent == (net == "recurrent") and not o.falling
        assert (o.patience, o.epochs, o.rate, o.optimiser) == (20, 200, 1e-3, "adam")
        for other, value in fig_spoken_recurrence.NH.items():
            assert getattr(o, other) == (getattr(usual, other) if other == setting
                                         else value) != (
                value if other == setting else None)
    shared = {kwargs["condition"] for _, kwargs, *_ in fig_spoken_recurrence.jobs(
        "full", 0, "folder")} & set(found)
    assert shared == {networks.named(*conditions[f"{net}-nh"]) for net in (
        "forward", "recurrent")}


def test_values_of_recurrence():
    """The first of three runs of each condition is the first in the list of results."""
    figure, results = fig_spoken_recurrence, []
    label = np.arange(10)
    for repeat in range(3):
        for i, _ in enumerate(figure.RUNS):
            results.append({"curve": np.zeros((1, 2))})
            results.append({
                "data": "SHD", "label": label, "accuracy": np.array([i / 10, 0, 0]),
                "predicted": np.where(label < i + repeat, label, -1),
                "converged": i > 2, "curve": np.full((2 + i, 2), i / 10)})
    data = figure.gather(results)
    found = figure.measured(data)
    np.testing.assert_allclose(found["recurrent-nh"], [0.7, 0.8, 0.9])
    np.testing.assert_allclose(found["forward-max"], [0.3, 0.4, 0.5])
    np.testing.assert_allclose(found["forward-max-training"], [0.3] * 3)
    np.testing.assert_allclose(found["gain-nh"], [0.1] * 3)
    np.testing.assert_allclose(found["gain-sum-large"], [0.2] * 3)
    np.testing.assert_allclose(found["gain-change"], [0.1] * 3)
    assert found["not-converged"] == 9
    assert np.isfinite(data["curves"]).sum(axis=2).tolist() == [
        [2 + i] * 3 for i in range(8)]


def test_values_of_controls_and_augmentation():
    label = np.arange(10)

    def result(i, repeat):
        return {"data": "SHD", "label": label, "accuracy": np.array([0.9, i / 10, 0.1]),
                "predicted": np.where(label < 9 - 2 * i + repeat, label, -1),
                "converged": i > 0, "curve": np.full((2, 2), i / 10)}

    figure = fig_spoken_controls
    data = figure.gather([result(i, repeat) for repeat in (0, 1) for i in range(3)])
    found = figure.measured(data)
    for name, value in (("recorded", [0.9, 1]), ("lost-permuted", [0.2, 0.2]),
                        ("lost-uniform", [0.4, 0.4])):
        np.testing.assert_allclose(found[name], value, err_msg=name)
    figure = fig_spoken_augmentation
    data = figure.gather([result(i, repeat) for repeat in (0, 1) for i in range(2)])
    found = figure.measured(data)
    for name, value in (("gain", [-0.2, -0.2]), ("augmented-test", [0.7, 0.8]),
                        ("augmented-known", [0.1, 0.1]), ("plain-known", [0, 0]),
                        ("not-converged", 2)):
        np.testing.assert_allclose(found[name], value, err_msg=name)


def test_runs_of_the_controls():
    """The spiking network has three runs at 10 ms, the other networks at their usual
    step; the runs at 4 ms stay single."""
    def count(figure):
        found = {}
        for _, kwargs, *_ in figure.jobs("full", 0, "folder"):
            found.setdefault(kwargs["condition"], set()).add(kwargs["repeat"])
        return {key: len(value) for key, value in found.items()}

    runs = count(fig_spoken_timing)
    for name, laws, steps in (("LSTM", 3, 1), ("CNN", 3, None), ("recurrent", 1, 1)):
        assert [runs[name + law] for law in (
            "", ", law permuted", ", law uniform")] == [laws] * 3
        assert runs.get(f"{name}, dt 0.04") == steps
    assert count(fig_spoken_controls) == {
        f"recurrent, {law}dt 0.01": 3 for law in ("", "law permuted, ",
                                                  "law uniform, ")}
    _, kwargs, *_ = fig_spoken_augmentation.jobs("full", 0, "folder")[-1]
    o = networks.Options(**kwargs["options"])
    assert (o.channels, o.spread, o.dt) == (2, 0.01, 0.01)
    assert (o.patience, o.epochs) == (20, 200)
