"""The command `convert`: processes, progress, groups and a killed run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded import PATH, run

from refsnn import cochlea
from refsnn.convert import command, workers


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


def test_rounding_does_not_lift_the_progress_above_its_total(capsys):
    """The warning of tqdm would be an error."""
    pytest.importorskip("tqdm", reason="tqdm is missing")
    results = [(command.Recording("a.wav", s, "part"), None) for s in (0.1, 0.2, 0.3)]
    assert 0.1 + 0.2 + 0.3 > 0.6
    assert list(workers._progress(results, 0.6, 0.0)) == results
    assert "0.60/0.60 s of sound" in capsys.readouterr().err


def test_the_time_left_follows_the_work_of_this_run(capsys, monkeypatch):
    """In 6 s, 2 of 5 s of sound are converted, and 1 s was finished before."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(time, "monotonic", iter([10.0, 16.0]).__next__)
    results = [(command.Recording("a.wav", 2.0, "part"), None)]
    assert list(workers._progress(results, 5.0, 1.0)) == results
    assert capsys.readouterr().err == "3.00/5.00 s of sound, 6 s left: a.wav\n"


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

from refsnn import __main__, cochlea
from refsnn.convert import workers

workers.TOGETHER = 1
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
    others = children.read_text().split() if children.exists() else []
    process.kill()
    assert process.wait() == -signal.SIGKILL and not os.path.exists("a.h5")
    wait(lambda: all(map(ended, others)))              # no process is left behind
    finished = len(list(parts.glob("*.npz")))
    assert 2 <= finished < len(many)
    (parts / f"{'0' * 64}.npz.1.part").write_bytes(b"half")
    (parts / "0.h5").write_bytes(b"half")
    convert, calls = cochlea.convert, []

    def counted(*arguments, **options):
        calls.append(1)
        return convert(*arguments, **options)

    monkeypatch.setattr(workers, "TOGETHER", 1)
    monkeypatch.setattr(cochlea, "convert", counted)
    capsys.readouterr()
    assert run(*many, "-o", "a.h5", label="folder") == 0
    assert len(calls) == len(many) - finished
    assert f"{0.1 * finished:.2f}/0.60" in capsys.readouterr().err or \
        "tqdm" not in sys.modules
    assert Path("a.h5").read_bytes() == Path("whole.h5").read_bytes()
    assert not parts.exists()       # whole.h5 was made of groups, a.h5 one by one


def test_recordings_are_grouped_by_their_length():
    todo = [command.Recording(str(i), seconds, f"{i}.npz")
            for i, seconds in enumerate((0.5, 4.0, 0.6, 0.7, 0.4, 0.3))]
    seconds = [[one.seconds for one in group]
               for group in workers._groups(todo, 700, 3)]
    assert seconds == [[4.0], [0.7, 0.6, 0.5], [0.4, 0.3]]
    assert [len(group) for group in workers._groups(todo, 16, 2)] == [2, 2, 2]
    assert workers._groups([], 16, 2) == []
    for channels in (16, 700, 10000):
        for group in workers._groups(todo, channels, 6):
            size = len(group) * channels * group[0].seconds * 24000
            assert len(group) == 1 or size < workers.TOGETHER


def test_a_killed_worker_is_told_in_one_line(words, capsys):
    with pytest.raises(ValueError, match="^a process was killed: must have enough mem"):
        list(workers._results(os._exit, [1, 1], 2))
