"""The command `convert`: labels, splits, processes, and what survives a kill."""

import doctest
import inspect
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import wavfile

from refsnn import __main__ as command
from refsnn import _convert, audio, basilar, cochlea, events


PATH = {**os.environ, "PYTHONPATH": str(Path(command.__file__).resolve().parents[1])}


def record(path, seconds=0.06, rate=16000, pitch=300.0):
    t = np.arange(round(seconds * rate)) / rate
    sound = np.sin(2 * np.pi * pitch * t) * (t % 0.02 < 0.008)
    wavfile.write(path, rate, np.rint(20000 * sound).astype(np.int16))
    return str(path)


@pytest.fixture
def words(tmp_path):
    return [record(tmp_path / "one.wav"), record(tmp_path / "two.wav", pitch=900.0)]


def run(*arguments, label="(.*)"):
    return command.main(["convert", *map(str, arguments), "--channels", "16",
                         *(["--label", str(label)] if label else [])])


def contents(path):
    """Return [(times, units), ...], labels, keys and speakers of a file."""
    with h5py.File(path, "r") as file:
        spikes = list(zip(file["spikes/times"][:], file["spikes/units"][:],
                          strict=True))
        return (spikes, file["labels"][:].tolist(),
                [key.decode() for key in file["extra/keys"][:]],
                file["extra/speaker"][:].tolist())


def same(a, b):
    return len(a) == len(b) and all((x == y).all() for pair in zip(a, b, strict=True)
                                    for x, y in zip(*pair, strict=True))


def test_file_has_the_published_layout(words, tmp_path, capsys):
    assert run(*words, "-o", tmp_path / "a.h5") == 0
    spikes, labels, keys, speakers = contents(tmp_path / "a.h5")
    assert labels == [0, 1] and keys == ["one", "two"] and speakers == [0, 0]
    with h5py.File(tmp_path / "a.h5", "r") as file:
        kinds = [h5py.check_vlen_dtype(file[name].dtype)
                 for name in ("spikes/times", "spikes/units")]
        assert kinds == [np.float16, np.uint16]
        assert file["labels"].dtype == file["extra/speaker"].dtype == np.uint16
    for times, units in spikes:
        assert 5 < times.size == units.size and units.max() < 16
        assert (np.diff(times.astype(float)) >= 0).all() and times.max() < 0.06
        assert times[0] == 0
    found = events.read(tmp_path / "a.h5", channels=16)
    assert [t.tolist() for t in found.times] == [t.tolist() for t, _ in spikes]
    told = capsys.readouterr()
    assert told.out.strip().endswith("a.h5: 2 recordings, 16 channels")
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "one.wav", "two.wav"]


@pytest.mark.parametrize("options, ramp, membrane, aligned", [
    ([], 0.03, "2021", True), (["--like", "lauscher-1.0.1"], None, "2021", False),
    (["--ramp", "0.01", "--membrane", "2020"], 0.01, "2020", True),
    (["--ramp", "0.01", "--like", "lauscher-1.0.1"], 0.01, "2021", False)])
def test_spikes_are_those_of_the_modules(tmp_path, options, ramp, membrane, aligned):
    word = record(tmp_path / "word.wav", seconds=0.1)
    run(word, "-o", tmp_path / "a.h5", "--seed", 3, *options)
    x = audio.prepare(audio.resample(*audio.read(word)), 48000, ramp=ramp)
    table = basilar.table(basilar.places(16), membrane)
    times, units = cochlea.convert(
        x, lambda f, c: basilar.interpolate(table, f, c), 16, _convert._stream(x, 3),
        padded=aligned)
    assert times.size > 5 and times[0] > 0
    (spikes,), *_ = contents(tmp_path / "a.h5")
    assert (spikes[0] == (times - aligned * times[0]).astype(np.float16)).all()
    assert (spikes[1] == units).all()


def test_spikes_depend_on_samples_seed_and_options_only(words, tmp_path):
    copy = tmp_path / "other"
    copy.mkdir()
    renamed = record(copy / "three.wav")
    results = {}
    for name, arguments in (("a", words), ("reversed", words[::-1]),
                            ("renamed", [words[1], renamed]),
                            ("seed", [*words, "--seed", 1]),
                            ("ramp", [*words, "--ramp", 0.01]),
                            ("old", [*words, "--membrane", "2020"])):
        assert run(*arguments, "-o", tmp_path / f"{name}.h5") == 0
        results[name] = contents(tmp_path / f"{name}.h5")[0]
    assert same(results["a"], results["reversed"][::-1])
    assert same(results["a"], results["renamed"][::-1])
    for name in ("seed", "ramp", "old"):
        for one, other in zip(results["a"], results[name], strict=True):
            assert one[0].size != other[0].size or (one[0] != other[0]).any()


def test_each_recording_has_a_stream_of_its_own():
    x, y = np.ones(3), np.array([1.0, 1.0, 1 + 1e-15])
    draws = [_convert._stream(*of).random() for of in ((x, 0), (x, 1), (y, 0), (y, 1))]
    assert len(set(draws)) == 4
    assert _convert._stream(x.copy(), 0).random() == draws[0]


@pytest.mark.parametrize("missing", [False, True])
def test_progress_is_told(words, tmp_path, capsys, monkeypatch, missing):
    if missing:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    else:
        pytest.importorskip("tqdm", reason="tqdm is missing")
    run(*words, "-o", tmp_path / "a.h5")
    told = capsys.readouterr().err
    assert "0.12/0.12 s of sound" in told
    assert bool(re.fullmatch(
        rf"0.06/0.12 s of sound, \d+ s left: {re.escape(words[0])}\n"
        rf"0.12/0.12 s of sound, 0 s left: {re.escape(words[1])}\n", told)) == missing


def test_the_time_left_follows_the_work_of_this_run(capsys, monkeypatch):
    """In 6 s, 2 of 5 s of sound are converted, and 1 s was finished before."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(time, "monotonic", iter([10.0, 16.0]).__next__)
    results = [(_convert.Recording("a.wav", 2.0, "part"), None)]
    assert list(_convert._progress(results, 5.0, 1.0)) == results
    assert capsys.readouterr().err == "3.00/5.00 s of sound, 6 s left: a.wav\n"


def silent(path):
    wavfile.write(path, 8000, np.zeros(800, np.int16))


def empty(path):
    wavfile.write(path, 8000, np.zeros(0, np.int16))


def clipped(path):
    wavfile.write(path, 8000, np.full(800, 32767, np.int16))


def nan(path):
    wavfile.write(path, 8000, np.full(800, np.nan, np.float32))


def long(path):
    wavfile.write(path, 8000, np.zeros(8000 * 31, np.int8).view(np.uint8))


def stereo(path):
    wavfile.write(path, 8000, np.ones((800, 2), np.int16))


def short(path):
    wavfile.write(path, 48000, np.ones(3, np.int16))


def truncated(path):
    record(path)
    os.truncate(path, 1000)


def text(path):
    path.write_text("one two three four")


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("make, match", [
    (silent, "is silent"), (empty, "is empty"), (clipped, "is clipped"),
    (nan, "NaN"), (long, "lasts 31.000 s"), (stereo, "2 channels: must be mono"),
    (short, "has 3 samples"), (truncated, "truncated"), (text, "magic"),
    (folder, "no regular file"), (lambda path: None, "is missing")])
def test_a_bad_recording_leaves_nothing(tmp_path, capsys, make, match):
    bad = tmp_path / "bad.wav"
    make(bad)
    before = sorted(os.listdir(tmp_path))
    assert run(bad, "-o", tmp_path / "a.h5") == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1     # not even progress
    assert told.err.startswith("refsnn: ") and "bad.wav" in told.err
    assert match in told.err and sorted(os.listdir(tmp_path)) == before


def test_names_not_in_utf_8_are_refused_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record("one.wav")
    name = os.fsdecode(b"on\xe9.wav")
    try:
        os.rename("one.wav", name)
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    assert run(name, "-o", "a.h5", label=None) == 2
    told = capsys.readouterr().err
    assert told == ("refsnn: 'on\\udce9.wav' is not UTF-8: must be "
                    "renamed\n")
    assert os.listdir() == [name]
    record("zw\u00f6lf.wav")
    assert run("zw\u00f6lf.wav", "-o", "a.h5", label=None) == 0
    assert contents("a.h5")[2] == ["zw\u00f6lf"]


OWN = ["-o", "a.h5", "--label", "(.*)"]
LISTS = {
    "bytes.csv": b"file,label\none,\xff\n", "head.csv": b"a,b\none,1\n",
    "empty.csv": b"", "short.csv": b"file,label\none\ntwo,2\n",
    "part.csv": b"file,label\none,1\n", "all.txt": b"one.wav\n\ntwo\n",
    "twice.csv": b"file,label\none,1\none.wav,1\n", "more.txt": b"one\nthree\n",
    "whole.csv": b"file,label\none,1\ntwo,2\n", "b.h5.parts/mine": b"mine"}


@pytest.mark.parametrize("options, match", [
    (["-o", ""], "output is '': must name a file"),
    (["-o", "b/"], "output is 'b/'"),
    (["-o", "no/a.h5"], "no/a.h5 has no parent folder"),
    (["-o", "one.wav"], "one.wav exists: must be a new file"),
    (["-o", "a.h5", "--seed", "-1"], "--seed is -1"),
    (["-o", "a.h5", "--channels", "0"], "--channels is 0"),
    (["-o", "a.h5", "--channels", "10001"], "--channels is 10001"),
    (["-o", "a.h5", "--ramp", "nan"], "--ramp is nan"),
    (["-o", "a.h5", "--ramp", "0"], "--ramp is 0.0"),
    (["-o", "a.h5", "--longest", "nan"], "--longest is nan"),
    (["-o", "a.h5", "--longest", "-1"], "--longest is -1.0"),
    (["-o", "a.h5", "--jobs", "0"], "--jobs is 0"),
    (["-o", "a.h5"], "2 recordings would have their file names as labels: must have "
     "--label folder, --label PATTERN or --label FILE.csv; --label '(.*)' keeps"),
    (["yes/one.wav", "-o", "a.h5"], "one.wav and yes/one.wav have the same name: must "
     "have --label folder"),
    (["./one.wav", "-o", "a.h5", "--label", "folder"], "./one.wav is given twice"),
    (["-o", "a.h5", "--label", "("], "--label is '(': missing ), unterminated"),
    (["-o", "a.h5", "--label", "one"], "--label is 'one': must have a group"),
    (["-o", "a.h5", "--label", "(one)"], "must match each file name without suffix, "
     "such as 'two'"),
    (["-o", "a.h5", "--label", "(x?)"], "one.wav has an empty label: must have"),
    ([*OWN, "--speaker", "(.)"], "one.wav: --speaker finds 'o': must be an integer"),
    ([*OWN, "--speaker", "(x)?"], "one.wav: --speaker finds None: must be an integer"),
    ([*OWN, "--speaker", "o"], "--speaker is 'o': must have a group"),
    (["-o", "a.h5", "--label", "none.csv"], "none.csv"),
    (["-o", "a.h5", "--label", "bytes.csv"], "bytes.csv is not UTF-8"),
    (["-o", "a.h5", "--label", "head.csv"], "head.csv has the columns ['a', 'b']: mu"),
    (["-o", "a.h5", "--label", "empty.csv"], "empty.csv has the columns None: must"),
    (["-o", "a.h5", "--label", "short.csv"], "short.csv, line 2: must have a file and"),
    (["-o", "a.h5", "--label", "part.csv"], "two.wav is not in part.csv: must have a"),
    (["-o", "a.h5", "--label", "twice.csv"], "twice.csv, line 3: 'one.wav' is ambigu"),
    (["yes/one.wav", "-o", "a.h5", "--label", "whole.csv"], "whole.csv, line 2: 'one' "
     "is ambiguous or repeated: must name one recording; add its folder"),
    ([*OWN, "--test", "none.txt", "b.h5"], "none.txt"),
    ([*OWN, "--test", "bytes.csv", "b.h5"], "not UTF-8"),
    ([*OWN, "--test", "empty.csv", "b.h5"], "names 0 of 2"),
    ([*OWN, "--test", "all.txt", "b.h5"], "names 2 of 2"),
    ([*OWN, "--test", "more.txt", "b.h5"],
     "more.txt, line 2: 'three' names 0 recordings: must name one"),
    (["yes/one.wav", *OWN, "--test", "more.txt", "b.h5"],
     "more.txt, line 1: 'one' names 2 recordings: must name one; add its folder"),
    ([*OWN, "--test", "all.txt", "./a.h5"], "a.h5 is given twice"),
    ([*OWN, "--test", "all.txt", "one.wav"], "one.wav exists"),
    (["-o", "b.h5", *OWN[2:]], "b.h5.parts holds 'mine': must be a work folder")])
def test_bad_options_leave_nothing(words, tmp_path, capsys, monkeypatch, options,
                                   match):
    monkeypatch.chdir(tmp_path)
    for name in ("yes", "b.h5.parts"):
        os.mkdir(name)
    record("yes/one.wav", pitch=500.0)
    for name, content in LISTS.items():
        Path(name).write_bytes(content)
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    assert command.main(["convert", "one.wav", "two.wav", *options]) == 2
    told = capsys.readouterr()
    assert match in told.err and told.err.count("\n") == 1 and told.out == ""
    assert told.err.startswith("refsnn: ")
    assert {path: path.is_file() and path.read_bytes()
            for path in Path().rglob("*")} == before


def test_a_file_that_appears_meanwhile_is_kept(words, tmp_path, capsys, monkeypatch):
    output = tmp_path / "a.h5"

    def convert(*arguments, **options):
        output.write_text("another's")
        return np.zeros(1), np.zeros(1, int)

    monkeypatch.setattr(_convert, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    assert run(*words, "-o", output) == 2
    assert "was created meanwhile" in capsys.readouterr().err
    assert output.read_text() == "another's"
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "a.h5.parts", "one.wav", "two.wav"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_what_is_interrupted_leaves_nothing(words, tmp_path, monkeypatch, error):
    def convert(*arguments, **options):
        raise error("in the middle")

    monkeypatch.setattr(_convert, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    status = {ValueError: 2, KeyboardInterrupt: 130}
    if error in status:
        assert run(*words, "-o", tmp_path / "a.h5") == status[error]
    else:
        with pytest.raises(error):
            run(*words, "-o", tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == ["one.wav", "two.wav"]


def test_choices_are_those_of_the_modules():
    assert sorted(command.MEMBRANES) == sorted(basilar.MEMBRANES)
    for function in (audio.read, cochlea.convert):
        longest = inspect.signature(function).parameters["longest"].default
        assert command.LONGEST == longest


def test_bad_arguments_of_the_modules_are_told_as_they_are(words):
    settings = _convert.Settings(16, 0, "2021", True, -1.0, True, 30.0, "refuse", False)
    with pytest.raises(ValueError, match=r"one.wav: ramp is -1.0: .*in \(0, 1e12\]"):
        _convert._samples(words[0], settings)


def test_as_a_process(words, tmp_path):
    line = [sys.executable, "-m", "refsnn", "convert", words[0], "-o", "a.h5"]
    for status in (0, 2):
        done = subprocess.run([*line, "--channels", "16"], cwd=tmp_path, env=PATH,
                              capture_output=True, text=True)
        assert done.returncode == status
    assert done.stderr == "refsnn: a.h5 exists: must be a new file\n"
    assert contents(tmp_path / "a.h5")[2] == ["one"]


# ---- data sets

@pytest.fixture
def many(tmp_path, monkeypatch):
    """Record words of two folders, of the same names, and enter their folder."""
    monkeypatch.chdir(tmp_path)
    paths = [f"{word}/speaker-{speaker:02}_{speaker - 6}.wav" for word in ("yes", "no")
             for speaker in (7, 8, 11)]
    for i, path in enumerate(paths):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        record(path, seconds=0.1, pitch=300 + 50 * i)
    return paths


CSV = "\ufefffile,note,label\nyes/speaker-07_1.wav,x,a\nyes/speaker-08_2,x,\u00e4\n" \
    "./yes/speaker-11_5.wav,,a\nno/speaker-07_1,x,b\nno/speaker-08_2,x,b\n" \
    "no/speaker-11_5,x,b\nno/other,x,c\n"


@pytest.mark.parametrize("label, expected, keys", [
    ("folder", [1, 1, 1, 0, 0, 0], ["no", "yes"]),
    (r"speaker-(\d).*_(\d)", [0, 1, 2, 0, 1, 2], ["0-1", "0-2", "1-5"]),
    ("labels.csv", [0, 2, 0, 1, 1, 1], ["a", "b", "\u00e4"])])
def test_labels_and_speakers(many, label, expected, keys):
    Path("labels.csv").write_text(CSV, encoding="utf-8")
    assert run(*many, "-o", "a.h5", "--speaker", r"speaker-(\d+)", label=label) == 0
    spikes, *found = contents("a.h5")
    assert found == [expected, keys, [7, 8, 11, 7, 8, 11]]
    assert all(times.size for times, _ in spikes)


def test_the_largest_speaker():
    assert _convert._speakers(["a/65535.wav"], "(.*)") == [65535]
    for number in ("65536", "100000"):
        with pytest.raises(ValueError, match=f"'{number}': must be an integer below"):
            _convert._speakers([f"{number}.wav"], "(.*)")


def test_a_group_that_takes_no_part_is_no_part_of_the_label(words, tmp_path):
    assert run(*words, "-o", tmp_path / "a.h5", label="^(.)(x)?(.)") == 0
    assert contents(tmp_path / "a.h5")[1:3] == ([0, 1], ["o-n", "t-w"])


def test_the_split_shares_labels_and_spikes(many):
    Path("test.txt").write_text("yes/speaker-11_5\n\n no/speaker-07_1.wav \n")
    assert run(*many, "-o", "train.h5", "--test", "test.txt", "test.h5",
               label="folder") == 0
    assert run(*many, "-o", "all.h5", label="folder") == 0
    whole, train, test = map(contents, ("all.h5", "train.h5", "test.h5"))
    assert train[1:3] == ([1, 1, 0, 0], ["no", "yes"])
    assert test[1:3] == ([1, 0], ["no", "yes"])
    assert same(train[0], [whole[0][i] for i in (0, 1, 4, 5)])
    assert same(test[0], [whole[0][i] for i in (2, 3)])
    assert sorted(os.listdir()) == ["all.h5", "no", "test.h5", "test.txt", "train.h5",
                                    "yes"]


def test_two_processes_give_the_file_of_one(many):
    for jobs in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "refsnn", "convert", *many, "-o", f"{jobs}.h5",
             "--label", "folder", "--channels", "16", "--jobs", str(jobs)], env=PATH,
            capture_output=True, text=True, check=True)
        assert "0.60/0.60 s of sound" in done.stderr
    assert Path("1.h5").read_bytes() == Path("2.h5").read_bytes()


def ended(process):
    """Tell whether a process has ended, perhaps without having been collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except OSError:
        return True


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# Stops converting when two recordings are finished.
SLOW = """
import pathlib
import time

from refsnn import __main__, _convert, cochlea

_convert.TOGETHER = 1
convert = cochlea.convert


def slow(*arguments, **options):
    while len(list(pathlib.Path("a.h5.parts").glob("*.npz"))) >= 2:
        time.sleep(0.01)
    return convert(*arguments, **options)


cochlea.convert = slow
if __name__ == "__main__":
    __main__.main()
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_continues(many, monkeypatch, capsys, jobs):
    assert run(*many, "-o", "whole.h5", label="folder") == 0
    Path("slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "slow.py", "convert", *many, "-o", "a.h5", "--label",
         "folder", "--channels", "16", "--jobs", str(jobs)], env=PATH,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = Path("a.h5.parts")
    wait(lambda: len(list(parts.glob("*.npz"))) >= 2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text().split() if children.exists() else []
    process.kill()
    assert process.wait() == -signal.SIGKILL and not os.path.exists("a.h5")
    wait(lambda: all(map(ended, workers)))              # no process is left behind
    finished = len(list(parts.glob("*.npz")))
    assert 2 <= finished < len(many)
    (parts / f"{'0' * 64}.npz.1.part").write_bytes(b"half")
    (parts / "0.h5").write_bytes(b"half")
    convert, calls = cochlea.convert, []

    def counted(*arguments, **options):
        calls.append(1)
        return convert(*arguments, **options)

    monkeypatch.setattr(_convert, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", counted)
    capsys.readouterr()
    assert run(*many, "-o", "a.h5", label="folder") == 0
    assert len(calls) == len(many) - finished
    assert f"{0.1 * finished:.2f}/0.60" in capsys.readouterr().err or \
        "tqdm" not in sys.modules
    assert Path("a.h5").read_bytes() == Path("whole.h5").read_bytes()
    assert not parts.exists()       # whole.h5 was made of groups, a.h5 one by one


@pytest.mark.parametrize("options", [["--seed", "1"], ["--channels", "17"],
                                     ["--membrane", "2020"], ["--ramp", "0.02"],
                                     ["--like", "lauscher-1.0.1", "--ramp", "0.03"]])
def test_parts_of_other_options_are_not_used(words, options):
    arguments = ["convert", words[0], "-o", "a.h5", "--channels", "16"]
    digests = set()
    for line in (arguments, [*arguments, *options]):
        settings = _convert._settings(command._parser().parse_args(line))
        digests.add(_convert._digest(_convert._samples(words[0], settings), settings))
    assert len(digests) == 2


def test_an_interrupt_keeps_what_is_finished(words, tmp_path, monkeypatch):
    convert, calls = cochlea.convert, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return convert(*arguments, **options)

    monkeypatch.setattr(_convert, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", interrupted)
    assert run(*words, "-o", tmp_path / "a.h5") == 130
    assert len(os.listdir(tmp_path / "a.h5.parts")) == 1
    assert run(*words, "-o", tmp_path / "a.h5") == 0 and len(calls) == 3
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "one.wav", "two.wav"]


def test_bad_recordings_are_left_out_of_a_batch(words, tmp_path, capsys):
    for make in (silent, clipped):
        make(tmp_path / f"{make.__name__}.wav")
    bad = [tmp_path / "silent.wav", tmp_path / "clipped.wav"]
    assert run(bad[0], words[0], tmp_path / "none.wav", words[1], bad[1], "-o",
               tmp_path / "a.h5") == 1
    told = capsys.readouterr()
    assert told.out.endswith("a.h5: 2 recordings, 16 channels\n")
    lines = told.err.splitlines()[-4:]
    assert "silent.wav: audio is silent" in lines[0]
    assert "none.wav is missing" in lines[1] and "clipped.wav, field d" in lines[2]
    assert "refsnn: 3 of 5 recordings are bad and left out; " in lines[3]
    spikes, labels, keys, _ = contents(tmp_path / "a.h5")
    assert labels == [2, 4] and keys == ["clipped", "none", "one", "silent", "two"]
    assert run(*words, "-o", tmp_path / "b.h5") == 0
    assert same(spikes, contents(tmp_path / "b.h5")[0])
    # A corrected recording is converted, and the others are not converted again.
    (tmp_path / "a.h5").unlink()
    kept = {path: path.stat().st_mtime_ns for path in
            (tmp_path / "a.h5.parts").iterdir()}
    assert len(kept) == 2
    record(bad[0], pitch=700.0)
    assert run(bad[0], *words, "-o", tmp_path / "a.h5", "--jobs", 2) == 0
    assert len(contents(tmp_path / "a.h5")[0]) == 3
    assert not (tmp_path / "a.h5.parts").exists()


def test_a_batch_without_a_good_recording_is_not_written(words, tmp_path, capsys):
    for name in ("a", "b"):
        silent(tmp_path / f"{name}.wav")
    bad = [tmp_path / "a.wav", tmp_path / "b.wav"]
    assert run(*bad, "-o", tmp_path / "a.h5") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "a.h5 is not written: no good recording is left" in lines[2]
    assert sorted(os.listdir(tmp_path)) == ["a.wav", "b.wav", "one.wav", "two.wav"]
    (tmp_path / "list").write_text("a\nb\n")
    assert run(*bad, *words, "-o", tmp_path / "a.h5", "--test", tmp_path / "list",
               tmp_path / "b.h5") == 2
    assert "b.h5 is not written" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.parametrize("make, options", [
    (clipped, ["--clipped", "keep"]), (stereo, ["--mix"]),
    (lambda path: record(path, 31.0, 8000), ["--longest", "31"])])
def test_recordings_are_accepted_on_request(tmp_path, monkeypatch, make, options):
    make(tmp_path / "a.wav")

    def convert(x, *arguments, rate, longest, padded):
        assert 0 < x.size <= rate * longest
        return np.ones(1), np.zeros(1, int)

    monkeypatch.setattr(_convert, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    assert run(tmp_path / "a.wav", "-o", tmp_path / "a.h5", *options) == 0
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.h5") == 2


def test_recordings_are_grouped_by_their_length():
    todo = [_convert.Recording(str(i), seconds, f"{i}.npz")
            for i, seconds in enumerate((0.5, 4.0, 0.6, 0.7, 0.4, 0.3))]
    seconds = [[one.seconds for one in group]
               for group in _convert._groups(todo, 700, 3)]
    assert seconds == [[4.0], [0.7, 0.6, 0.5], [0.4, 0.3]]
    assert [len(group) for group in _convert._groups(todo, 16, 2)] == [2, 2, 2]
    assert _convert._groups([], 16, 2) == []
    for channels in (16, 700, 10000):
        for group in _convert._groups(todo, channels, 6):
            size = len(group) * channels * group[0].seconds * 24000
            assert len(group) == 1 or size < _convert.TOGETHER


def test_a_recording_that_changes_is_left_out(words, tmp_path, capsys, monkeypatch):
    table = basilar.table

    def changed(*arguments):
        record(words[1], pitch=444.0)
        return table(*arguments)

    monkeypatch.setattr(basilar, "table", changed)
    assert run(*words, "-o", tmp_path / "a.h5") == 1
    assert "two.wav has changed meanwhile" in capsys.readouterr().err
    assert len(contents(tmp_path / "a.h5")[0]) == 1


def test_a_damaged_part_is_told(words, tmp_path, capsys):
    settings = _convert._settings(command._parser().parse_args(
        ["convert", *words, "-o", "a.h5", "--channels", "16"]))
    digest = _convert._digest(_convert._samples(words[0], settings), settings)
    (tmp_path / "a.h5.parts").mkdir()
    part = tmp_path / "a.h5.parts" / f"{digest}.npz"
    for content in (b"", b"PK\3\4damage", b"damage"):
        part.write_bytes(content)
        assert run(*words, "-o", tmp_path / "a.h5") == 2
        assert f"{part} is damaged: must be deleted" in capsys.readouterr().err
    part.unlink()
    assert run(*words, "-o", tmp_path / "a.h5") == 0


def test_a_killed_worker_is_told_in_one_line(words, capsys):
    with pytest.raises(ValueError, match="^a process was killed: must have enough mem"):
        list(_convert._results(os._exit, [1, 1], 2))


def test_run_refuses_and_its_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(_convert)
    assert failed == 0 and tried == 2
    options = command._parser().parse_args(
        ["convert", "a.wav", "-o", "a.h5", "--jobs", "0"])
    with pytest.raises(ValueError, match="--jobs is 0: must be 1 or more"):
        _convert.run(options)
