"""Contenders are measured in turn, each in a process of its own."""

import contextlib
import os
import time

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.speed import (fig_speed, speed_chip, speed_ntk, speed_peers, speed_rtrl,
                           speed_si, speed_workers)


def contenders(task, seed, threads):
    """Return contenders that append their names to a file, with the process number."""
    def build(name, seconds, size):
        first = [0.5]                   # the first run takes longer

        def run():
            time.sleep(first.pop() if first else seconds)
            with open(task, "a", encoding="utf-8") as file:
                file.write(f"{name} {os.getpid()}\n")
        return run, size
    return [("slow", lambda: build("slow", 0.05, None)),
            ("quick", lambda: build("quick", 0.001, 7))]


def test_runs_are_interleaved_in_processes_of_their_own(tmp_path):
    path = str(tmp_path / "log")
    rows, memory = speed_workers.measured(__name__, path, 1, 3, 0, {"quick": 3})
    assert [row[:3] for row in rows] == [(path, "slow", 1), (path, "quick", 1)]
    for row, least in zip(rows, (0.05, 0.001), strict=True):
        assert least <= row[3] <= row[4] <= row[5] < 0.1
    assert rows[1][5] < 0.05 and memory == {"quick": 7}
    with open(path, encoding="utf-8") as file:
        ran = [line.split() for line in file]
    assert [name for name, _ in ran] == ["slow", *["quick"] * 3] * 4  # warm-up first
    assert len({number for _, number in ran} - {str(os.getpid())}) == 2


@pytest.mark.parametrize("name, pause", [("JAX scan", 0.2), ("neural-tangents", 0.2),
                                         ("PyTorch", 0)])
def test_runs_wait_for_busy_threads_of_jax(monkeypatch, name, pause):
    class End:
        send, recv = staticmethod(lambda times: None), staticmethod(lambda: 1.0)

    pauses = []
    monkeypatch.setattr(speed_workers.time, "sleep", pauses.append)
    monkeypatch.setattr(speed_workers, "_started", lambda module, arguments:
                        contextlib.nullcontext({"refsnn": End, name: End}))
    speed_workers.measured(__name__, "task", 1, 2, 0)
    assert pauses == [pause] * 6


def test_each_number_of_threads_has_its_own_bound_in_the_picture():
    task = fig_speed.TRAINING
    rows = [(task, fig_speed.SPARSE, 1, 1.0), (task, "JAX scan", 1, 6.0),
            (task, fig_speed.SPARSE, 2, 1.0), (task, "JAX scan", 2, 2.0),
            (fig_speed.RECURRENT, fig_speed.SPARSE, 1, 1.0),
            (speed_si.TASK, speed_si.ADAM, 1, 1.0),
            (speed_chip.SOUND, speed_chip.OURS, 1, 1.0)]
    names = "task", "name", "threads", "median"
    fig = Figure()
    fig_speed.plot({**dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)),
                    "missing": "", "computer": "a computer"}, fig)
    axis = fig.axes[1]
    assert axis.get_title().startswith(task)
    lines = sorted((line.mean(axis=0) for drawn in axis.collections
                    for line in drawn.get_segments()), key=lambda middle: middle[1])
    bars = sorted((bar.get_y() + bar.get_height() / 2, bar.get_width())
                  for bar in axis.patches)[2:]                  # of JAX
    assert [ratio for _, ratio in bars] == [6, 2]
    np.testing.assert_allclose(lines, [(5, bars[0][0]), (1.5, bars[1][0])])


def test_contenders_have_names_and_builders():
    for module, tasks in ((fig_speed, fig_speed.SIZES), (speed_rtrl, speed_rtrl.SIZES),
                          (speed_ntk, (*speed_ntk.TASKS, speed_ntk.TRANSFER)),
                          (speed_si, speed_si.TASKS), (speed_chip, speed_chip.TASKS)):
        for task in tasks:
            found = module.contenders(task, 0, 1)
            assert len(dict(found)) == len(found) and all(map(callable, dict(
                found).values()))


def test_tools_that_are_not_installed_yield_no_claim():
    found = {("a", "ours", 1): 1.0, ("a", "x", 1): 3.0}
    claim, = speed_peers.faster(found, "a", ("x", "y"), "ours", 2)
    assert claim.ok and claim.value == 3 and claim.text == "a: time of x / time of ours"
    assert speed_peers.faster(found, "a", ("y",), "ours", 2) == []
