"""Stored results are whole, of committed code, and drawn without computing."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import toy_project

from figures.run import gallery, jobs, origin, storage

REACHED = '''"""A module that jobs reach."""


def double(x):
    """Return a double."""
    return 2 * x


def triple(x):
    """Return a triple."""
    return 3 * x
'''
USER = '''"""Uses a function."""
from figures.run.claims import own
from refsnn import lif

ARRAYS = {"x": ("run", "1", "a number"), "more": ("run, step", "s", "times"),
          "word": ("", "", "a text")}


def job(repeat, seed, scale):
    return {"x": lif.FUNCTION(repeat + scale), "more": [0.5] * 3}


def jobs(size, seed, data, repeats=3, scale=1):
    return [(job, {"repeat": r, "seed": seed, "scale": scale}) for r in range(repeats)]


def gather(results):
    return {"x": [r["x"] for r in results], "more": [r["more"] for r in results],
            "word": "\\u00b5"}


def claims(size):
    return [own("x", "a number", low=1)]


def measured(data):
    return {"x": data["x"]}


def shown(data):
    return {"x": data["x"], "word": data["word"]}


def plot(data, fig):
    assert set(data) == {"x", "word"}
    fig.subplots().plot(data["x"])
'''


def checkout(folder):
    """Return a checkout with two figures whose jobs reach one function each."""
    folder = toy_project.make(folder, two=USER.replace("FUNCTION", "double"),
                              three=USER.replace("FUNCTION", "triple"))
    (folder / "refsnn" / "lif.py").write_text(REACHED)
    (folder / "refsnn" / "_checks.py").write_text("def arrays(a):\n    return 1\n")
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return a checkout, its commit, and the folder of a full run."""
    folder = checkout(tmp_path_factory.mktemp("stored") / "checkout")
    commit, out = toy_project.commit(folder), folder / "figures" / "out"
    done = toy_project.run(folder, "--full", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    done = toy_project.run(folder, "--store", out)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "stored three", "stored two"]
    return folder, commit, out


# ---- store ----------------------------------------------------------------

def test_a_stored_result_says_where_it_comes_from(ran):
    folder, commit, out = ran
    found = storage.document(folder / "figures" / "full", "two")
    run = json.loads((out / "two.json").read_text())
    assert {**run, storage.CHECKSUM: found[storage.CHECKSUM]} == found
    assert found["code"]["commit"] == commit == found["origins"][0]["commit"]
    assert found["claims"]["x"] == {"value": 4.0, "spread": 2.0, "n": 3,
                                    "values": [2.0, 4.0, 6.0]}
    assert [job["call"] for job in found["jobs"]] == [
        f"job(repeat={repeat}, scale=1)" for repeat in range(3)]


def test_a_stored_data_file_has_what_is_shown_with_axes_and_units(ran):
    with h5py.File(ran[2] / "two.h5") as file:
        assert set(file) == {"x", "more", "word"}
        assert [axis.label for axis in file["more"].dims] == ["run", "step"]
    with h5py.File(ran[0] / "figures" / "full" / "two.h5") as file:
        assert set(file) == {"x", "word"}
        assert file["x"][:].tolist() == [2, 4, 6]
        assert dict(file["x"].attrs)["unit"] == "1"
        assert file["x"].attrs["axes"] == "run" == file["x"].dims[0].label
        assert file["word"].attrs["text"] == "a text"


def altered(ran, tmp_path, **changes):
    """Return a copy of the run folder in which the result `two` is altered."""
    tmp_path.mkdir(exist_ok=True)
    for name in ("two.json", "two.h5"):
        (tmp_path / name).write_bytes((ran[2] / name).read_bytes())
    document = {**json.loads((tmp_path / "two.json").read_text()), **changes}
    gallery.write_json(tmp_path / "two.json", document)
    return tmp_path


ORIGIN = {"commit": "0123456789abcdef", "digest": "a", "versions": {}, "machine": {},
          "date": "", "data": {}}


@pytest.mark.parametrize("changes, words", [
    ({"size": "default"}, "its size is 'default'"),
    ({"options": {"scale": 2}}, "with the options {'scale': 2}"),
    ({"code": {"commit": None}}, "does not say from which commit"),
    ({"code": {"commit": "0123456789abcdef" + origin.CHANGED}},
     "uncommitted changes of 0123456789"),
    ({"origins": [{**ORIGIN, "commit": None}]}, "does not say from which commit"),
    ({"origins": [{**ORIGIN, "commit": "0" * 40 + origin.CHANGED}]}, "uncommitted"),
    ({"claims": {}}, "claims are not those of this code"),
    ({"error": "ZeroDivisionError"}, "holds an error"),
    ({"figure": "three"}, "is damaged"), ({"jobs": [{"origin": 7}]}, "is damaged")])
def test_a_result_that_cannot_be_stored_is_refused_in_one_line(
        ran, tmp_path, changes, words):
    folder, full = altered(ran, tmp_path, **changes), ran[0] / "figures" / "full"
    before = {path.name: path.read_bytes() for path in full.iterdir()}
    done = toy_project.run(ran[0], "two", "--store", folder)
    assert done.returncode == 1 and done.stdout == ""
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in full.iterdir()} == before


def test_a_run_of_changed_code_is_not_stored(tmp_path):
    folder = checkout(tmp_path / "checkout")
    assert toy_project.run(folder, "two", "--full").returncode == 0
    store = ("two", "--store", folder / "figures" / "out")
    assert "from which commit" in toy_project.run(folder, *store).stderr
    toy_project.commit(folder)
    (folder / "refsnn" / "new.py").write_text("")
    assert toy_project.run(folder, "two", "--full").returncode == 0
    assert "with uncommitted changes" in toy_project.run(folder, *store).stderr
    (folder / "refsnn" / "new.py").unlink()
    assert toy_project.run(folder, "two", "--full", "--resume").returncode == 0
    assert "with uncommitted changes" in toy_project.run(folder, *store).stderr
    assert not (folder / "figures" / "full").exists()
    (folder / "figures" / "full").mkdir()
    (folder / "figures" / "full" / "two.json").write_text("a result is no code")
    assert toy_project.run(folder, "two", "--full").returncode == 0
    assert toy_project.run(folder, *store).returncode == 0


def test_data_that_are_too_large_are_refused(ran, tmp_path, monkeypatch):
    folder, full = altered(ran, tmp_path / "run"), tmp_path / "full"
    monkeypatch.setattr(storage, "LARGEST_B", 1000)
    module = type(sys)("figures.toys.fig_two")
    exec(ran[0].joinpath("figures/toys/fig_two.py").read_text().replace(
        "from refsnn import lif", ""), vars(module))
    (line, done), = storage.store(folder, full, ["two"], lambda name: module)
    assert not done and "must be at most 1000" in line and not full.exists()


@pytest.fixture
def old(tmp_path):
    """Return a folder with a stored result."""
    storage.put(tmp_path / "full", "two", {**DOCUMENT, "seed": 1}, content(1))
    return tmp_path / "full"


DOCUMENT = {"figure": "two", "size": "full", "seed": 0, "options": {}, "claims": {},
            "origins": [], "jobs": []}


def content(number):
    """Return a data file that holds a number."""
    return storage.packed(type(sys)("toy"), {"x": np.float64(number)})


class Killed(BaseException):
    """Stands for the signal that ends a process."""


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("left", [0, 1])
def test_a_killed_store_leaves_a_whole_result(old, monkeypatch, after, left):
    """Kill before the rename number `after`, and once more in a second attempt."""
    real, done = os.replace, []

    def replace(source, target):
        if len(done) == after:
            raise Killed
        done.append(target)
        real(source, target)

    for _ in range(1 + left):
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            try:
                storage.put(old, "two", {**DOCUMENT, "seed": 2}, content(2))
            except Killed:
                pass
    found = storage.document(old, "two")
    assert found["seed"] == (2 if after >= 2 else 1)
    assert storage.data(old, "two", found)["x"] == found["seed"]
    storage.put(old, "two", {**DOCUMENT, "seed": 3}, content(3))
    found = storage.document(old, "two")
    assert found["seed"] == 3 == storage.data(old, "two", found)["x"]
    assert sorted(path.name for path in old.iterdir()) == ["two.h5", "two.json"]


def test_data_come_back_to_the_last_bit():
    rng = np.random.default_rng(0)
    data = jobs.normalised({
        "a": rng.normal(size=(30, 20)), "b": rng.normal(size=400).astype(np.float32),
        "c": np.arange(500) % 7, "d": rng.random(300) < 0.5, "e": ["a", "\u00b5"],
        "f": "text", "g": 1.5, "h": np.zeros((0, 3)), "i": True, "j": 1 + 2j}, "data")
    file = storage.packed(type(sys)("toy"), data)
    back = storage.unpacked(file)
    assert set(back) == set(data)
    for name, value in data.items():
        assert back[name].dtype == value.dtype and back[name].shape == value.shape
        assert np.array_equal(back[name], value)
    assert file == storage.packed(type(sys)("toy"), data)


# ---- draw -----------------------------------------------------------------

def test_stored_data_are_drawn_as_after_the_run(ran, tmp_path):
    folder, _, out = ran
    count = len(list((out / "jobs").rglob("*.npz")))
    done = toy_project.run(folder, "--draw", "--out", tmp_path / "a")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "a" / "index.html")]
    for name in ("two", "three"):
        picture = (tmp_path / "a" / f"{name}.png").read_bytes()
        assert picture == (out / f"{name}.png").read_bytes()
        assert f'id="{name}"' in (tmp_path / "a" / "index.html").read_text()
    assert len(list((out / "jobs").rglob("*.npz"))) == count
    done = toy_project.run(folder, "two", "--draw", "--from", out, "--out",
                           tmp_path / "b")
    assert done.returncode == 0 and not (tmp_path / "b" / "three.png").exists()
    assert (tmp_path / "b" / "two.png").read_bytes() == (out / "two.png").read_bytes()


def test_damaged_and_missing_data_are_named_in_one_line(ran, tmp_path):
    full, source = tmp_path / "full", ran[0] / "figures" / "full"
    full.mkdir()
    for path in source.iterdir():
        (full / path.name).write_bytes(path.read_bytes())
    data = bytearray((full / "two.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (full / "two.h5").write_bytes(data)
    (full / "three.json").write_bytes((full / "three.json").read_bytes()[:-30])
    draw = ("--draw", "--from", full, "--out", tmp_path / "out")
    done = toy_project.run(ran[0], *draw)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 2, done.stderr
    assert lines[0].startswith(f"{full / 'three.json'} is damaged (JSONDecodeError")
    assert lines[1].startswith(f"{full / 'two.h5'} is damaged (ValueError")
    (full / "two.h5").unlink()
    assert f"{full / 'two.h5'} is damaged" in toy_project.run(ran[0], *draw).stderr
    (full / "three.json").unlink()
    document = json.loads((full / "two.json").read_text())
    del document[storage.CHECKSUM]               # as in results without data
    gallery.write_json(full / "two.json", document)
    done = toy_project.run(ran[0], *draw)
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["no data stored: three, two"]
    assert toy_project.run(ran[0], "two", *draw).returncode == 1


# ---- stale ----------------------------------------------------------------

def test_stale_results_are_listed_with_the_functions_that_changed(tmp_path):
    folder = checkout(tmp_path / "checkout")
    commit, out = toy_project.commit(folder)[:10], folder / "figures" / "out"
    assert toy_project.run(folder, "--full", "--jobs", 1).returncode == 0
    assert toy_project.run(folder, "--store", out).returncode == 0

    def lines():
        done = toy_project.run(folder, "--stale")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def change(path, old, new):
        text = (folder / path).read_text()
        assert text.count(old) == 1
        (folder / path).write_text(text.replace(old, new))
        return toy_project.commit(folder)[:10]

    current = ["up to date: three, two"]
    assert lines() == current
    change("refsnn/lif.py", "Return a double", "Return twice the number")
    change("figures/toys/fig_two.py", '"a number", low', '"the number", low')
    assert lines() == current
    change("refsnn/_checks.py", "return 1", "return 2")
    assert lines() == [*current, "computed with another check engine: three, two"]
    change("refsnn/__init__.py", '__version__ = "', '__version__ = "7')
    assert lines()[2] == "computed with another version of refsnn: three, two"
    later = change("refsnn/lif.py", "return 2 * x", "return x + x")
    assert lines()[:3] == [f"two: changed since {commit}: refsnn.lif.double",
                           "not up to date: two", "up to date: three"]
    # Only two is computed again; jobs of three are resumed.
    assert toy_project.run(folder, "--full", "--resume", "--jobs", 1).returncode == 0
    assert toy_project.run(folder, "--store", out).returncode == 0
    assert lines()[0] == current[0]
    full = folder / "figures" / "full"
    commits = {name: {one["commit"][:10] for one in storage.document(
        full, name)["origins"]} for name in ("two", "three")}
    assert commits == {"two": {later}, "three": {commit}}
    change("refsnn/lif.py", "return 3 * x", "return x + x + x")
    assert lines()[:2] == [
        f"three: changed since {later}: refsnn.lif.triple",
        f"three: changed since {commit}: refsnn.lif.triple"]
    change("figures/toys/fig_two.py", '[r["x"] for', '[+r["x"] for')
    assert any(line == f"two: changed since {later}: figures.toys.fig_two.gather"
               for line in lines())


def test_what_cannot_be_compared_is_named(ran, tmp_path):
    folder = checkout(tmp_path / "checkout")
    full = folder / "figures" / "full"
    assert "is not a repository of git" in toy_project.run(folder, "--stale").stderr
    toy_project.commit(folder)
    full.mkdir()
    document = json.loads((ran[2] / "two.json").read_text())
    nowhere = {**document["code"], "commit": "0" * 40, "digest": "a"}
    gallery.write_json(full / "two.json", {**document, "code": nowhere})
    gallery.write_json(full / "three.json", {
        **document, "figure": "three", "origins": [{**ORIGIN, "commit": None}]})
    lines = toy_project.run(folder, "--stale").stdout.splitlines()
    first = document["origins"][0]["commit"][:10]
    assert lines == [f"two: the code differs from {commit}, which is not in this "
                     "repository" for commit in ("0" * 10, first)] + [
        "no origin recorded: three", "not up to date: two"]
    (full / "two.json").write_text("{")
    lines = toy_project.run(folder, "--stale").stdout.splitlines()
    assert lines[0].startswith(f"{full / 'two.json'} is damaged")
    assert lines[1:] == ["damaged: two", "no origin recorded: three"]


# ---- origin ---------------------------------------------------------------

def test_used_data_have_checksums(tmp_path):
    for name, text in (("mnist/a", "1"), ("mnist/b/c", "2"), ("other/d", "3")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "file").write_text("4")
    root = str(tmp_path)
    assert origin.used(None, (), [{"folder": None}]) == set()
    assert origin.used(root, ("mnist",), [{"a": 1}, {"b": "text"}]) == set()
    assert origin.used(root, (), [{"a": [f"{root}/mnist/b"]}]) == {"mnist"}
    assert origin.used(root, ("mnist",), [{"a": root}]) == {"mnist"}
    assert origin.used(root, (), [{"a": root}]) == {"mnist", "other", "file"}
    first = origin.data(root, {"mnist", "file"})
    assert list(first) == ["file", "mnist"] and len(set(first.values())) == 2
    (tmp_path / "mnist" / "b" / "c").write_text("5")
    origin.checksum.cache_clear()
    second = origin.data(root, {"mnist", "file"})
    assert second["file"] == first["file"] and second["mnist"] != first["mnist"]
    assert origin.called("f", {"x": f"{root}/mnist", "seed": 3, "n": 1}, root, 3) == \
        "f(x='DATA/mnist', n=1)"
    assert origin.called("f", {"seed": 4}, None, 3) == "f(seed=4)"


# ---- notebooks ------------------------------------------------------------

SCRIPT = """\
from figures import figure
for options in ({}, {"repeats": 2, "scale": 5, "seed": 3, "size": "quick"}):
    result = figure("two", **options)
    print(result.data["x"].tolist(), result.claims["x"].verdict, result.claims["x"].n)
    assert result._repr_png_()[:4] == b"\\x89PNG"
    assert len(result.figure.axes) == 1
    print(result)
for name, options in (("two", {"depth": 1}), ("none", {}), ("two", {"size": "huge"}),
                      ("two", {"size": "full", "data": "nowhere"})):
    try:
        figure(name, **options)
    except ValueError as error:
        print(error)
"""


def test_a_script_without_a_main_guard_computes_a_figure(tmp_path):
    folder = checkout(tmp_path / "checkout")
    path = toy_project.path_of(folder, "two")
    path.write_text(path.read_text() + '\n\nFOLDERS = {"full": ("mnist",)}\n')
    (folder / "script.py").write_text(SCRIPT)
    environment = toy_project.command(folder)[1]
    done = subprocess.run([sys.executable, "script.py"], cwd=folder, env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "[2, 4, 6] not decided 3"
    assert "a number: 4 \u00b1 2 (3)" in lines[2]
    assert lines[3] == "[10, 12] None 2"
    assert lines[6] == "figure two has no option depth: must be one of repeats, scale"
    assert lines[7] == "name is 'none': must be one of three, two"
    assert lines[8] == "size is 'huge': must be one of quick, default, full"
    assert lines[9].startswith("figure two --full needs 'mnist'")


def test_a_run_says_what_it_uses_instead_of_missing_data(tmp_path):
    folder = checkout(tmp_path / "checkout")
    path = toy_project.path_of(folder, "two")
    path.write_text(path.read_text() + 'INSTEAD = {"full": {"target": "it draws"}}\n')
    done = toy_project.run(folder, "two", "--full", "--jobs", 1)
    assert done.returncode == 0
    assert "figure two: the data folder, which is None, has no 'target': it draws" \
        in done.stderr
    (tmp_path / "target").touch()
    for more in (("--full", "--data", tmp_path), ()):
        assert "it draws" not in toy_project.run(folder, "two", *more).stderr
