"""The command `convert`: spikes, digests and bad sounds."""

import os

import numpy as np
import pytest
from recorded import clipped, contents, record, run, same, silent, stereo
from scipy.io import wavfile

from refsnn import __main__, audio, basilar, cochlea
from refsnn.convert import command, sounds, workers


@pytest.mark.parametrize("options, ramp, aligned", [
    ([], 0.03, True), (["--like", "lauscher-1.0.1"], None, False),
    (["--ramp", "0.01"], 0.01, True),
    (["--ramp", "0.01", "--like", "lauscher-1.0.1"], 0.01, False)])
def test_spikes_are_those_of_the_modules(tmp_path, options, ramp, aligned):
    word = record(tmp_path / "word.wav", seconds=0.1)
    run(word, "-o", tmp_path / "a.h5", "--seed", 3, *options)
    x = audio.prepare(audio.resample(*audio.read(word)), 48000, ramp=ramp)
    table = basilar.table(basilar.places(16))
    times, units = cochlea.convert(
        x, lambda f, c: basilar.interpolate(table, f, c), 16, sounds._stream(x, 3),
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
                            ("ramp", [*words, "--ramp", 0.01])):
        assert run(*arguments, "-o", tmp_path / f"{name}.h5") == 0
        results[name] = contents(tmp_path / f"{name}.h5")[0]
    assert same(results["a"], results["reversed"][::-1])
    assert same(results["a"], results["renamed"][::-1])
    for name in ("seed", "ramp"):
        for one, other in zip(results["a"], results[name], strict=True):
            assert one[0].size != other[0].size or (one[0] != other[0]).any()


def test_each_recording_has_a_stream_of_its_own():
    x, y = np.ones(3), np.array([1.0, 1.0, 1 + 1e-15])
    draws = [sounds._stream(*of).random() for of in ((x, 0), (x, 1), (y, 0), (y, 1))]
    assert len(set(draws)) == 4
    assert sounds._stream(x.copy(), 0).random() == draws[0]


def empty(path):
    wavfile.write(path, 8000, np.zeros(0, np.int16))


def nan(path):
    wavfile.write(path, 8000, np.full(800, np.nan, np.float32))


def long(path):
    wavfile.write(path, 8000, np.zeros(8000 * 31, np.int8).view(np.uint8))


def short(path):
    wavfile.write(path, 48000, np.ones(3, np.int16))


def few(path):
    wavfile.write(path, 8000, np.ones(10, np.int16))


def truncated(path):
    record(path)
    os.truncate(path, 1000)


def text(path):
    path.write_text("one two three four")


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("make, match", [
    (silent, "is silent"), (empty, "is empty"), (clipped, "is clipped"),
    (clipped, "; the option --clipped keep accepts clipped sounds\n"),
    (stereo, " has 2 channels: must be mono; the option --mix averages these channels"),
    (nan, "NaN"), (long, "lasts 31.000 s"), (stereo, "2 channels: must be mono"),
    (short, "bad.wav, 3 samples at 48000 Hz: audio has 3 samples"),
    (few, "bad.wav, 10 samples at 8000 Hz: audio has 60 samples"),
    (truncated, "truncated"), (text, "magic"),
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


def test_bad_arguments_of_the_modules_are_told_as_they_are(words):
    settings = command.Settings(16, 0, True, -1.0, True, 30.0, "refuse", False)
    with pytest.raises(ValueError, match=r"one.wav: ramp is -1.0: .*in \(0, 1e12\]"):
        sounds._samples(words[0], settings)


@pytest.mark.parametrize("options", [["--seed", "1"], ["--channels", "17"],
                                     ["--ramp", "0.02"],
                                     ["--like", "lauscher-1.0.1", "--ramp", "0.03"]])
def test_parts_of_other_options_are_not_used(words, options):
    arguments = ["convert", words[0], "-o", "a.h5", "--channels", "16"]
    digests = set()
    for line in (arguments, [*arguments, *options]):
        settings = command._settings(__main__._parser().parse_args(line))
        digests.add(sounds._digest(sounds._samples(words[0], settings), settings))
    assert len(digests) == 2


@pytest.mark.parametrize("make, options", [
    (clipped, ["--clipped", "keep"]), (stereo, ["--mix"]),
    (lambda path: record(path, 31.0, 8000), ["--longest", "31"])])
def test_recordings_are_accepted_on_request(tmp_path, monkeypatch, make, options):
    make(tmp_path / "a.wav")

    def convert(x, *arguments, rate, longest, padded):
        assert 0 < x.size <= rate * longest
        return np.ones(1), np.zeros(1, int)

    monkeypatch.setattr(workers, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", convert)
    assert run(tmp_path / "a.wav", "-o", tmp_path / "a.h5", *options) == 0
    assert run(tmp_path / "a.wav", "-o", tmp_path / "b.h5") == 2


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
    settings = command._settings(__main__._parser().parse_args(
        ["convert", *words, "-o", "a.h5", "--channels", "16"]))
    digest = sounds._digest(sounds._samples(words[0], settings), settings)
    (tmp_path / "a.h5.parts").mkdir()
    part = tmp_path / "a.h5.parts" / f"{digest}.npz"
    for content in (b"", b"PK\3\4damage", b"damage"):
        part.write_bytes(content)
        assert run(*words, "-o", tmp_path / "a.h5") == 2
        assert f"{part} is damaged: must be deleted" in capsys.readouterr().err
    part.unlink()
    assert run(*words, "-o", tmp_path / "a.h5") == 0
