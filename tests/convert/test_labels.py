"""The command `convert`: labels, speakers and splits."""

import os
from pathlib import Path

import pytest
from recorded import contents, record, run, same

from refsnn.convert import labels


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


@pytest.mark.parametrize("label, expected, keys", [
    ("folder", [1, 1, 1, 0, 0, 0], ["no", "yes"]),
    (r"speaker-(\d).*_(\d)", [0, 1, 2, 0, 1, 2], ["0-1", "0-2", "1-5"])])
def test_labels_and_speakers(many, label, expected, keys):
    assert run(*many, "-o", "a.h5", "--speaker", r"speaker-(\d+)", label=label) == 0
    spikes, *found = contents("a.h5")
    assert found == [expected, keys, [7, 8, 11, 7, 8, 11]]
    assert all(times.size for times, _ in spikes)


def test_the_largest_speaker():
    assert labels._speakers(["a/65535.wav"], "(.*)") == [65535]
    for number in ("65536", "100000"):
        with pytest.raises(ValueError, match=f"'{number}': must be an integer below"):
            labels._speakers([f"{number}.wav"], "(.*)")


def test_a_group_that_takes_no_part_is_no_part_of_the_label(words, tmp_path):
    assert run(*words, "-o", tmp_path / "a.h5", label="^(.)(x)?(.)") == 0
    assert contents(tmp_path / "a.h5")[1:3] == ([0, 1], ["o-n", "t-w"])


def test_the_split_shares_labels_and_spikes(many):
    Path("test.txt").write_text("\ufeffyes/speaker-11_5\n\n no/speaker-07_1.wav \n",
                                encoding="utf-8")
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
