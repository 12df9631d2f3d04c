"""The command `convert`: options, output files, interrupts and bad recordings."""

import doctest
import inspect
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from recorded import PATH, clipped, contents, record, run, same, silent

from refsnn import __main__, audio, cochlea, events
from refsnn.convert import command, workers


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


OWN = ["-o", "a.h5", "--label", "(.*)"]

LISTS = {
    "bytes.txt": b"one\n\xff\n", "empty.txt": b"", "all.txt": b"one.wav\n\ntwo\n",
    "more.txt": b"one\nthree\n", "b.h5.parts/mine": b"mine"}


@pytest.mark.parametrize("options, match", [
    (["-o", ""], "output is '': must name a file"),
    (["-o", "b/"], "output is 'b/'"),
    (["-o", "no/a.h5"], "no/a.h5 has no parent folder"),
    (["-o", "one.wav"], "one.wav exists: must be a new file"),
    (["-o", "a.h5", "--seed", "-1"], "seed is -1"),
    (["-o", "a.h5", "--channels", "0"], "channels is 0"),
    (["-o", "a.h5", "--channels", "10001"], "channels is 10001"),
    (["-o", "a.h5", "--ramp", "nan"], "ramp is nan"),
    (["-o", "a.h5", "--ramp", "0"], "ramp is 0.0"),
    (["-o", "a.h5", "--longest", "nan"], "longest is nan"),
    (["-o", "a.h5", "--longest", "-1"], "longest is -1.0"),
    (["-o", "a.h5", "--jobs", "0"], "jobs is 0"),
    (["-o", "a.h5"], "2 recordings would have their file names as labels: must have "
     "--label folder or --label PATTERN; --label '(.*)' keeps"),
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
    ([*OWN, "--test", "none.txt", "b.h5"], "none.txt"),
    ([*OWN, "--test", "bytes.txt", "b.h5"], "bytes.txt is not UTF-8"),
    ([*OWN, "--test", "empty.txt", "b.h5"], "names 0 of 2"),
    ([*OWN, "--test", "all.txt", "b.h5"], "names 2 of 2"),
    ([*OWN, "--test", "more.txt", "b.h5"],
     "more.txt, line 2: 'three' names 0 recordings: must name one"),
    (["yes/one.wav", *OWN, "--test", "more.txt", "b.h5"],
     "more.txt, line 1: 'one' names 2 recordings: must name one; add its folder"),
    ([*OWN, "--test", "no.txt", "b.h5"], "no.txt is missing: must be a text file"),
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
    assert __main__.main(["convert", "one.wav", "two.wav", *options]) == 2
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

    monkeypatch.setattr(workers, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    assert run(*words, "-o", output) == 2
    assert "was created meanwhile" in capsys.readouterr().err
    assert output.read_text() == "another's"
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "a.h5.parts", "one.wav", "two.wav"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_what_is_interrupted_leaves_nothing(words, tmp_path, monkeypatch, error):
    def convert(*arguments, **options):
        raise error("in the middle")

    monkeypatch.setattr(workers, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    status = {ValueError: 2, KeyboardInterrupt: 130}
    if error in status:
        assert run(*words, "-o", tmp_path / "a.h5") == status[error]
    else:
        with pytest.raises(error):
            run(*words, "-o", tmp_path / "a.h5")
    assert sorted(os.listdir(tmp_path)) == ["one.wav", "two.wav"]


def test_the_longest_sound_is_that_of_the_modules():
    for function in (audio.read, cochlea.convert):
        longest = inspect.signature(function).parameters["longest"].default
        assert __main__.LONGEST == longest


def test_as_a_process(words, tmp_path):
    line = [sys.executable, "-m", "refsnn", "convert", words[0], "-o", "a.h5"]
    for status in (0, 2):
        done = subprocess.run([*line, "--channels", "16"], cwd=tmp_path, env=PATH,
                              capture_output=True, text=True)
        assert done.returncode == status
    assert done.stderr == "refsnn: a.h5 exists: must be a new file\n"
    assert contents(tmp_path / "a.h5")[2] == ["one"]


def test_an_interrupt_keeps_what_is_finished(words, tmp_path, monkeypatch):
    convert, calls = cochlea.convert, []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return convert(*arguments, **options)

    monkeypatch.setattr(workers, "TOGETHER", 1)
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
    assert lines[3] == (
        f"refsnn: 3 of 5 recordings are bad and left out; {tmp_path}/a.h5.parts keeps "
        f"the others for another run; before this run, delete the incomplete "
        f"{tmp_path}/a.h5")
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


def test_run_refuses_and_its_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(command)
    assert failed == 0 and tried == 2
    options = __main__._parser().parse_args(
        ["convert", "a.wav", "-o", "a.h5", "--jobs", "0"])
    with pytest.raises(ValueError, match=r"jobs is 0: must be in \[1, inf\)"):
        command.run(options)
