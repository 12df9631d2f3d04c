"""Vectors are written for any language, and results are read from any file."""

import doctest
import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import refsnn
from refsnn import conventions
from refsnn.oracle import check, exchange, files, identify, stored
from refsnn.oracle.files import read, read_recording, write, write_stimuli

VECTORS = check.vectors()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "new"
    assert write(str(path)) == len(VECTORS)
    return path


@pytest.fixture(scope="module")
def told(folder):
    return json.loads((folder / "vectors.json").read_text(encoding="utf-8"))


def test_there_is_one_file_for_each_vector(folder, told):
    assert sorted(os.listdir(folder)) == sorted(
        [f"{name}.{kind}" for name in VECTORS for kind in ("json", "npz")]
        + ["README.md", "PROTOCOL.md", "LICENSE", "vectors.json", "schema.json",
           "report_schema.json", "set.json"])
    for path in folder.iterdir():
        if path.suffix != ".npz" and path.name != "vectors.json":
            assert path.read_bytes() == (stored.FOLDER / path.name).read_bytes()
    assert list(told["vectors"]) == list(VECTORS)
    assert os.listdir(folder.parent) == ["new"]


@pytest.mark.parametrize("name", VECTORS)
def test_a_file_holds_the_vector_uncompressed(folder, told, name):
    vector, row = VECTORS[name], told["vectors"][name]
    with zipfile.ZipFile(folder / row["file"]) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in
                   archive.infolist())
    with np.load(folder / row["file"], allow_pickle=False) as arrays:
        expected = {f"in.{key}" for key in vector.inputs} | {
            f"out.{key}" for key in vector.outputs} | {
            f"mutant{k}.{key}" for k, m in enumerate(vector.mutants)
            for key in m.outputs}
        assert set(arrays) == expected
        for key, value in vector.outputs.items():
            kept = arrays[f"out.{key}"]
            assert kept.dtype == np.float64 and (kept == value).all()
            assert row["outputs"][key] == {"shape": list(kept.shape),
                                           "dtype": "float64"}
        for key, value in vector.inputs.items():
            assert (arrays[f"in.{key}"] == value).all()
            assert arrays[f"in.{key}"].dtype.kind in "fi"
        for k, mutant in enumerate(vector.mutants):
            assert row["mutants"][k] == {"id": mutant.id, "name": mutant.name,
                                         "seen": mutant.seen,
                                         "outputs": list(mutant.outputs)}
            for key, value in mutant.outputs.items():
                assert (arrays[f"mutant{k}.{key}"] == value).all()
    assert row["text"] == vector.text and row["exact"] == vector.exact
    assert row["idle"].keys() == vector.idle.keys()
    for key, (mask, reason) in vector.idle.items():
        assert row["idle"][key] == {"reason": reason, "entries": [
            k for k in range(mask.size) if mask.ravel()[k]]}


def test_the_description_is_text_of_many_lines(folder):
    text = (folder / "vectors.json").read_text(encoding="ascii")
    assert text.startswith('{\n "refsnn": "') and text.endswith("\n}\n")


def test_the_description_names_versions(told):
    assert (told["refsnn"], told["numpy"]) == (refsnn.__version__, np.__version__)
    assert told["vectors"]["bptt"]["inputs"]["alpha"] == VECTORS["bptt"].inputs["alpha"]


def test_the_readme_mentions_every_file_and_array(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    for path in folder.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text or \
            f"`NAME{path.suffix}`" in text and path.stem in VECTORS
    with np.load(folder / "bptt.npz") as arrays:
        assert all(f"`{key}`" in text for key in ("in.x", "out.dW", "mutant0.dW"))
        assert {key.partition(".")[0].rstrip("0123456789") for key in arrays} == {
            "in", "out", "mutant"}
    assert "`VECTOR.OUTPUT`" in text


@pytest.mark.parametrize("path", [None, 3, b"mine.npz"])
def test_a_path_is_text(path):
    with pytest.raises(ValueError, match="^path is .*: must be one of str, PathLike$"):
        read(path)


def test_an_empty_file_of_results_is_told_plainly(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path)
    with pytest.raises(ValueError, match=r"\.npz holds no array: must hold 1 to 1000$"):
        read(path)


def test_the_same_bytes_each_time(folder, tmp_path):
    write(str(tmp_path / "again"))
    for name in os.listdir(folder):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_was_written_is_read_and_right(folder, tmp_path):
    with np.load(folder / "bptt.npz") as arrays:
        np.savez(tmp_path / "mine.npz", **{f"bptt.{key[4:]}": arrays[key]
                                           for key in arrays if key[:4] == "out."})
    found = check.check(read(str(tmp_path / "mine.npz")))
    assert {f.status for f in found} == {"right"}
    assert len(found) == len(VECTORS["bptt"].outputs)


@pytest.mark.parametrize("function", [write, write_stimuli])
@pytest.mark.parametrize("path, match", [
    ("there", "there exists: must be"), ("dangling", "dangling exists: must be"),
    ("file", "file exists: must be"), ("empty", "empty exists: must be"),
    ("no/new", "no/new has no parent"), ("", "folder is ''")])
def test_nothing_is_overwritten(tmp_path, monkeypatch, function, path, match):
    monkeypatch.chdir(tmp_path)
    os.mkdir("there")
    os.mkdir("empty")
    for name in ("there/mine", "file"):
        Path(name).write_text("mine")
    os.symlink("nowhere", "dangling")
    with pytest.raises(ValueError, match=match):
        function(path)
    assert sorted(os.listdir()) == ["dangling", "empty", "file", "there"]
    assert os.listdir("there") == ["mine"]


def test_a_new_folder_may_have_a_name_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_stimuli("new") == 4 and len(os.listdir("new")) == 5


def test_what_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "load", lambda: {"bptt": VECTORS["bptt"]})

    def dump(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dumps", dump)
    for function in (write, write_stimuli):
        with pytest.raises(KeyboardInterrupt):
            function(str(tmp_path / "new"))
        assert os.listdir(tmp_path) == []
    monkeypatch.setattr(zipfile.ZipFile, "writestr", dump)
    with pytest.raises(KeyboardInterrupt):
        write(str(tmp_path / "new.zip"))
    assert os.listdir(tmp_path) == []


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    def load():
        os.mkdir(tmp_path / "new")
        (tmp_path / "new" / "mine").write_text("mine")
        return {"bptt": VECTORS["bptt"]}

    monkeypatch.setattr(stored, "load", load)
    with pytest.raises(ValueError, match="new was created meanwhile"):
        write(str(tmp_path / "new") + "/")
    assert os.listdir(tmp_path) == ["new"] and os.listdir(tmp_path / "new") == ["mine"]


# ---- results

def packed(path, entries):
    """A zip of raw bytes, {name: bytes}."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return str(path)


def raw(a, version=(1, 0)):
    file = io.BytesIO()
    np.lib.format.write_array(file, a, version, allow_pickle=True)
    return file.getvalue()


def claiming(shape, descr="<f8", data=b""):
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (118 - len(text) - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read_as_they_are(tmp_path, compressed):
    arrays = {"a.dW": np.arange(6.0).reshape(2, 3), "b.f": np.float32([1.5]),
              "c.n": np.array(3), "d.b": np.array([True]), "e.e": np.zeros((0, 2)),
              "f.f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
              "g.g": np.arange(3, dtype=">f8")}
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)
    found = read(str(tmp_path / "a.npz"))
    assert list(found) == list(arrays)
    for key, value in arrays.items():
        assert found[key].dtype == value.dtype and found[key].shape == value.shape
        assert (found[key] == value).all()


def test_largest_arrays_are_read(tmp_path, monkeypatch):
    a = np.arange(3.0).reshape((3,) + 7 * (1,))
    path = packed(tmp_path / "a.npz", [("a.npy", raw(a, (2, 0)))])
    assert np.array_equal(read(path)["a"], a)
    many = packed(tmp_path / "many.npz", [(f"{k}.npy", raw(a)) for k in range(1000)])
    assert len(read(many)) == 1000
    np.savez_compressed(tmp_path / "zeros.npz", a=np.zeros(5000))
    monkeypatch.setattr(files, "BYTES", 128 + 40_000)
    assert read(str(tmp_path / "zeros.npz"))["a"].shape == (5000,)


def test_errors_without_a_text_are_named_by_their_kind(tmp_path, monkeypatch):
    def fail(file):
        raise EOFError

    path = packed(tmp_path / "a.npz", [("a.npy", raw(np.zeros(2)))])
    monkeypatch.setattr(np.lib.format, "read_magic", fail)
    with pytest.raises(ValueError, match="a.npz: 'a.npy' EOFError$"):
        read(path)


@pytest.mark.parametrize("entries, match", [
    ([], "holds no array"), ([("a.txt", b"x")], "'a.txt' is not an array"),
    ([("a.npy", raw(np.zeros(2)) + b"more")], "'a.npy' claims shape"),
    ([("a.npy", raw(np.zeros(2))[:-1])], "claims shape"),
    ([("a.npy", claiming((10 ** 12,)))], "claims shape"),
    ([("a.npy", claiming((2 ** 33, 2 ** 33)))], "claims shape"),
    ([("a.npy", claiming((-1,)))], "a.npy"), ([("a.npy", claiming(("x",)))], "a.npy"),
    ([("a.npy", claiming((1,) * 9, data=b"8" * 8))], "claims shape"),
    ([("a.npy", claiming((1,), "|O", b"8" * 8))], "is of dtype object: must be real"),
    ([("a.npy", raw(np.array([{}])))], "is of dtype object: must be real"),
    ([("a.npy", raw(np.array(["text"])))], "is of dtype <U4"),
    ([("a.npy", raw(np.zeros(2, complex)))], "is of dtype complex128"),
    ([("a.npy", raw(np.zeros(2, [("b", float)])))], "is of dtype"),
    ([("a.npy", raw(np.zeros(2), (3, 0)))], "has format (3, 0): must be 1.0 or 2.0"),
    ([("a.npy", b"")], "a.npy"), ([("a.npy", b"\x93NUMPY\x01\x00\xff\xff{")], "a.npy"),
    ([(f"{k}.npy", b"") for k in range(1001)], "holds 1001 arrays")])
def test_files_that_are_none_are_named(tmp_path, entries, match):
    path = packed(tmp_path / "bad.npz", entries)
    with pytest.raises(ValueError) as error:
        read(path)
    text = str(error.value)
    assert text.startswith(path) and match in text and "\n" not in text, text


def test_names_that_are_there_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = packed(tmp_path / "a.npz", 2 * [("a.npy", raw(np.zeros(2)))])
    with pytest.raises(ValueError, match="exists twice"):
        read(path)


def test_other_files(tmp_path, monkeypatch):
    for name, data in (("text", b"no zip"), ("empty", b""), ("a.npy", raw(np.eye(2)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} is broken or not an npz file: "):
            read(str(tmp_path / name))
    with pytest.raises(ValueError, match="is not a regular file"):
        read(str(tmp_path))
    with pytest.raises(ValueError, match="missing is missing"):
        read(str(tmp_path / "missing"))
    np.savez(tmp_path / "a.npz", a=np.zeros(100))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-30])
    with pytest.raises(ValueError, match="cut.npz is broken or not an npz file: "):
        read(str(tmp_path / "cut.npz"))
    flipped = bytearray(whole)
    flipped[600] ^= 1
    (tmp_path / "flipped.npz").write_bytes(flipped)
    with pytest.raises(ValueError, match="flipped.npz: 'a.npy' Bad CRC"):
        read(str(tmp_path / "flipped.npz"))
    monkeypatch.setattr(files, "BYTES", len(whole))
    assert read(str(tmp_path / "a.npz"))["a"].shape == (100,)
    monkeypatch.setattr(files, "BYTES", len(whole) - 1)
    with pytest.raises(ValueError, match=f"has {len(whole)} bytes: must have at most"):
        read(str(tmp_path / "a.npz"))


def test_what_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BYTES", 5000)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10_000))
    assert (tmp_path / "bomb.npz").stat().st_size < 5000
    with pytest.raises(ValueError, match="holds 1 arrays of 80128 bytes"):
        read(str(tmp_path / "bomb.npz"))


def test_sizes_that_no_compression_reaches_are_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "false.npz", "w") as archive:
        archive.writestr("a.npy", claiming((10 ** 7,), "|u1"))
        archive.filelist[0].file_size = 128 + 10 ** 7
    size = (tmp_path / "false.npz").stat().st_size
    with pytest.raises(ValueError, match="holds 1 arrays of 10000128 bytes: must be 1 "
                       f"to 1000, {1032 * size} bytes at most"):
        read(str(tmp_path / "false.npz"))


def test_long_lists_of_entries_are_refused_unread(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", a=0, b=1)
    entry = 46 + len("a.npy")
    monkeypatch.setattr(files, "DIRECTORY", 2 * entry)
    assert len(read(str(tmp_path / "a.npz"))) == 2
    monkeypatch.setattr(files, "DIRECTORY", 2 * entry - 1)
    with pytest.raises(ValueError, match="lists its arrays in 102 bytes: must be 101 "
                       "bytes at most"):
        read(str(tmp_path / "a.npz"))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.comment = b"more"
    with pytest.raises(ValueError, match="is broken or not an npz file: the last rec"):
        read(str(tmp_path / "a.npz"))


def test_headers_of_python_2_are_read_without_a_warning(tmp_path):
    data = raw(np.arange(3.0)).replace(b"(3,), } ", b"(3L,), }")
    path = packed(tmp_path / "a.npz", [("a.npy", data)])
    assert read(path)["a"].tolist() == [0, 1, 2]


# ---- stimuli and recordings

def test_stimuli_are_recordings_without_an_answer(tmp_path):
    assert write_stimuli(str(tmp_path / "new")) == 4
    told = json.loads((tmp_path / "new" / "probes.json").read_text(encoding="utf-8"))
    wanted = identify.make_stimuli([0.875], [0.75], 1.75)
    assert list(told["probes"]) == list(wanted)
    assert told["constants"] == {"alpha": 0.875, "beta": 0.75, "threshold": 1.75}
    for name, row in told["probes"].items():
        with np.load(tmp_path / "new" / row["file"], allow_pickle=False) as arrays:
            assert {arrays[key].dtype for key in arrays} == {np.dtype(np.float32)}
            assert set(arrays) == {"x", "W", "alpha", "beta", "threshold"}
            assert row["x"] == list(arrays["x"].shape) and row["shows"]
            np.testing.assert_array_equal(arrays["x"], np.float32(wanted[name].x))
            x = arrays["x"]
    x = np.load(tmp_path / "new" / "ties.npz")["x"][1, :, 0]
    for f1 in (1, 0.125):
        for f2 in (1, 0.875):
            for f3 in (1, 0.25):        # ties are exact in float32
                assert np.float32(1.75) in np.float32(f3) * (
                    np.float32(f2) * (np.float32(f1) * x))


def saved(path, **changes):
    """Save a recording of norse with some arrays changed, or None to leave out."""
    x, W = np.full((9, 2, 3), 1.5, np.float32), np.ones((4, 3), np.float32)
    step = conventions.PRESETS["norse"]
    rows = conventions.recorded(step, conventions.simulate(step, x, W, tau_syn=2,
                                                           tau_mem=3))
    arrays = {"x": x, "W": W, "threshold": np.array(1.0), "tau_syn": np.array([2.0]),
              "tau_mem": np.array(3), "dt": np.float32(1), **rows} | changes
    np.savez(path, **{key: a for key, a in arrays.items() if a is not None})
    return str(path)


def test_a_recording_is_read_as_it_is(tmp_path):
    V, surrogate = np.zeros((4, 4)), np.array("boxcar")
    path = saved(tmp_path / "a.npz", V=V, dW=np.ones((4, 3)), surrogate=surrogate,
                 dspikes=np.ones((9, 2, 4)), leak=np.zeros(4), floor=np.array(-1))
    (x, W, rows, found), options = read_recording(path)
    assert x.dtype == W.dtype == rows["mem"].dtype == np.float32
    assert set(rows) == {"spikes", "mem", "syn"} and np.array_equal(found, V)
    assert options["tau_syn"] == 2.0 and options["surrogate"] == "boxcar"
    assert options["leak"].shape == (4,) and options["floor"] == -1
    assert set(options) == {"tau_syn", "tau_mem", "dt", "threshold", "gradients",
                            "dspikes", "surrogate", "leak", "floor"}
    assert all(type(options[key]) in (int, float) for key in ("tau_mem", "threshold"))
    decays = saved(tmp_path / "b.npz", alpha=np.array(0.5), beta=np.array(0.25),
                   **dict.fromkeys(("tau_syn", "tau_mem", "dt")), dW=np.ones((4, 3)),
                   dspikes=np.ones((9, 2, 4)), surrogate=np.array("b" * 100))
    options_of_b = read_recording(decays)[1]
    assert [options_of_b[key] for key in ("alpha", "beta", "surrogate")] == [
        0.5, 0.25, "b" * 100]
    report = identify.identify(x, W, rows, None, **{
        key: options[key] for key in ("tau_syn", "tau_mem", "dt", "threshold")})
    assert report.members[0].preset == "norse"


@pytest.mark.parametrize("changes, match", [
    ({"x": None}, "has no x: must hold x, W, threshold"), ({"W": None}, "has no W"),
    ({"threshold": None}, "has no threshold"),
    ({"spikes": None, "mem": None, "syn": None}, "has no recording: must hold"),
    ({"voltage": np.ones(3)}, "holds 'voltage': must hold only x, W"),
    ({"alpha": np.ones(())}, "holds alpha, tau_syn, tau_mem, dt: must hold either"),
    ({"alpha": np.ones(()), "beta": np.ones(())}, "must hold either alpha and beta"),
    ({"dt": None}, "holds tau_syn, tau_mem: must hold either"),
    ({"tau_syn": None, "tau_mem": None, "dt": None}, "holds no decay: must hold"),
    ({"dW": np.ones((4, 3))}, "holds only a part of dW, dspikes"),
    ({"dspikes": np.ones((9, 2, 4))}, "holds only a part of dW, dspikes"),
    ({"surrogate": np.array("boxcar")}, "holds only a part of dW, dspikes"),
    ({"surrogate": np.array(["boxcar"])}, "'surrogate.npy' is of dtype <U6"),
    ({"surrogate": np.array("b" * 101)}, "'surrogate.npy' is of dtype <U101"),
    ({"mem": np.array("text")}, "'mem.npy' is of dtype <U4: must be real"),
    ({"mem": np.ones((9, 2, 4), complex)}, "'mem.npy' is of dtype complex128"),
    ({"mem": np.array([None])}, "'mem.npy' is of dtype object: must be real")])
def test_recordings_that_are_none_are_named(tmp_path, changes, match):
    path = saved(tmp_path / "a.npz", **changes)
    with pytest.raises(ValueError) as error:
        read_recording(path)
    assert str(error.value).startswith(path) and match in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_recordings_are_refused_or_read(tmp_path):
    """Flipped, cut and repeated bytes; each file is refused in one line, or read."""
    whole = Path(saved(tmp_path / "a.npz")).read_bytes()
    rng, refused = np.random.default_rng(5), 0
    for number in range(400):
        data = bytearray(whole)
        kind = number % 4
        at = int(rng.integers(len(data)))
        if kind == 0:
            data[at] ^= int(rng.integers(1, 256))
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at:at + int(rng.integers(1, 200))]
        else:
            data[at:at] = data[:int(rng.integers(1, 200))]
        (tmp_path / "b.npz").write_bytes(data)
        try:
            (x, W, rows, V), options = read_recording(str(tmp_path / "b.npz"))
        except ValueError as error:
            assert "b.npz" in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert rows and all(row.dtype.kind in "fiub" for row in rows.values())
    assert refused > 200


def test_examples():
    failed, tried = doctest.testmod(files)
    assert failed == 0 < tried


def test_json_has_one_spelling(folder, tmp_path):
    write_stimuli(str(tmp_path / "probes"))
    paths = [*folder.glob("*.json"), tmp_path / "probes" / "probes.json"]
    assert len(paths) > len(VECTORS)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text == stored._text(json.loads(text))
        assert '":[' not in text


# ---- archives and JSON files

def test_an_archive_holds_the_set_and_its_licence(tmp_path):
    path = tmp_path / "set.zip"
    assert write(str(path)) == len(VECTORS)
    folder = f"refsnn-vectors-{stored.catalogue()['version']}"
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == sorted(
            f"{folder}/{item.name}" for item in stored.FOLDER.iterdir())
        for name in archive.namelist():
            assert archive.read(name) == (stored.FOLDER.joinpath(
                name.partition("/")[2])).read_bytes()
    first = path.read_bytes()
    with pytest.raises(ValueError, match="set.zip exists: must be a new file or"):
        write(str(path))
    path.unlink()
    write(str(path))
    assert path.read_bytes() == first and os.listdir(tmp_path) == ["set.zip"]


def test_json_files_hold_the_same_arrays_as_npz_files(tmp_path):
    arrays = {"a.b": np.float32([[0.1, 2]]), "c": np.arange(3), "d": np.float64(0.1)}
    path = tmp_path / "a.json"
    path.write_text(exchange.line(stored._rows(arrays)))
    found = read(path)
    assert list(found) == list(arrays)
    for key, value in arrays.items():
        assert np.array_equal(found[key], value) and found[key].dtype == value.dtype


@pytest.mark.parametrize("text, match", [
    ("", "is not JSON"), ("[]", "is a list: must be a JSON object"),
    ("{}", "holds 0 arrays: must hold 1 to 1000"),
    (json.dumps({str(k): 1 for k in range(1001)}), "holds 1001 arrays"),
    ('{"a": 1}', "'a' is a int: must be an object with dtype")])
def test_bad_json_files_are_refused(tmp_path, monkeypatch, text, match):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"a.json: {match}"):
        read(path)
    monkeypatch.setattr(files, "TEXT", len(text) - 1)
    with pytest.raises(ValueError, match=f"a.json has {len(text)} bytes: must have at "
                       f"most {len(text) - 1}"):
        read(path)


def test_the_surrogate_of_a_recording_may_be_a_text(tmp_path):
    x = np.ones((2, 1, 1))
    arrays = {"x": x, "W": x[0], "spikes": x, "threshold": np.float64(1), "alpha":
              np.float64(0), "beta": np.float64(0.5), "dW": x[0], "dspikes": x}
    path = tmp_path / "a.json"
    path.write_text(exchange.line(stored._rows(arrays) | {"surrogate": "arctan"}))
    _, options = read_recording(path)
    assert options["surrogate"] == "arctan" and options["threshold"] == 1.0
    path.write_text(exchange.line(stored._rows(arrays) | {"x": "arctan"}))
    with pytest.raises(ValueError, match="'x' is a str: must be an object"):
        read_recording(path)
