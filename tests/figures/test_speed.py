"""Contenders are measured in turn, each in a process of its own, and compared."""

import contextlib
import os
import time

import pytest
from matplotlib.figure import Figure

from figures.run import colours, gallery, jobs
from figures.speed import fig_speed, speed_lif, speed_workers


def contenders(task, seed, threads):
    """Return contenders that append their names to a file, with the process number."""
    def build(name, seconds):
        first = [0.5]                   # the first run takes longer

        def run():
            time.sleep(first.pop() if first else seconds)
            with open(task, "a", encoding="utf-8") as file:
                file.write(f"{name} {os.getpid()}\n")
        return run
    return {"slow": lambda: build("slow", 0.12), "quick": lambda: build("quick", 0.001)}


def test_runs_are_interleaved_in_processes_of_their_own(tmp_path):
    path = str(tmp_path / "log")
    rows = speed_workers.measured(__name__, path, 1, 3, 0)
    assert [row[:3] for row in rows] == [(path, "slow", 1), (path, "quick", 1)]
    for row, least in zip(rows, (0.12, 0.001), strict=True):
        assert least <= row[3] <= row[4] <= row[5] < 0.3
    assert rows[1][5] < 0.05
    with open(path, encoding="utf-8") as file:
        ran = [line.split() for line in file]
    quick = ["quick"] * (1 + speed_workers.MORE)
    assert [name for name, _ in ran] == [
        "slow", "quick", *["slow", *quick] * 3]         # the first round is a warm-up
    assert len({number for _, number in ran} - {str(os.getpid())}) == 2


@pytest.mark.parametrize("name, pause", [("JAX scan", 0.2), ("neural-tangents", 0.2),
                                         ("PyTorch", 0)])
def test_runs_wait_for_busy_threads_of_jax(monkeypatch, name, pause):
    class End:
        send, recv = staticmethod(lambda go: None), staticmethod(lambda: 1.0)

    pauses = []
    monkeypatch.setattr(speed_workers.time, "sleep", pauses.append)
    monkeypatch.setattr(speed_workers, "_started", lambda *arguments:
                        contextlib.nullcontext({"refsnn": End, name: End}))
    speed_workers.measured(__name__, "task", 1, 2, 0)
    assert pauses == [pause] * 6


def data():
    """Return the data of the figure for a measurement of two contenders."""
    task, other, ours = speed_lif.TRAINING, "JAX scan", speed_lif.OURS
    results = [
        {"rows": [(task, ours, 1, 1.0, 2.0, 4.0), (task, other, 1, 9.0, 12.0, 15.0)],
         "missing": ["torch", "jax"], "computer": "a computer"},
        {"rows": [(task, ours, 2, 1.0, 1.0, 1.0), (task, other, 2, 2.0, 3.0, 4.0)],
         "missing": ["norse", "jax"], "computer": "a computer"}]
    return jobs.normalised(fig_speed.gather([
        jobs.normalised(result, "result") for result in results]), "data")


def test_times_are_divided_by_those_of_refsnn_with_as_many_threads():
    found = data()
    assert found["ratio"].tolist() == [1, 6, 1, 3]
    assert found["threads"].tolist() == [1, 1, 2, 2]
    assert found["upper"].tolist() == [4, 15, 1, 4]
    assert str(found["missing"]) == "jax, norse, torch"
    assert fig_speed.claims("default") == [] and fig_speed.measured(found) == {}
    assert found.keys() == fig_speed.ARRAYS.keys()
    rows = fig_speed.table(found)
    assert rows[1:] == [
        ["training", "refsnn", "1", "2000", "1"],
        ["training", "JAX scan", "1", "12000", "6"],
        ["training", "refsnn", "2", "1000", "1"],
        ["training", "JAX scan", "2", "3000", "3"]]
    assert all(len(row) == len(rows[0]) for row in rows)
    assert gallery.aligned(rows)[3] == \
        "  training  refsnn     2        1000        1"


def test_the_picture_shows_medians_and_quartiles_of_the_ratios():
    fig = Figure()
    fig_speed.plot(data(), fig)
    axis, = fig.axes
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in dots] == [[6], [3]]
    assert [line.get_color() for line in dots] == [colours.BLUE, colours.VERMILION]
    quartiles = [part[:, 0].tolist() for drawn in axis.collections
                 for part in drawn.get_segments()]
    assert quartiles == [[4.5, 7.5], [2, 4]]
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        speed_lif.TASKS["training"], "JAX scan"]
    assert "a computer\nnot installed: jax, norse, torch" == fig.get_supxlabel()
    assert [text.get_text() for text in fig.legends[0].texts] == ["1 thread",
                                                                  "2 threads"]


def test_the_legend_names_only_threads_that_were_measured():
    fig, found = Figure(), data()
    fig_speed.plot({key: value[found["threads"] == 1] if value.ndim else value
                    for key, value in found.items()}, fig)
    assert [text.get_text() for text in fig.legends[0].texts] == ["1 thread"]


def test_contenders_have_names_and_builders():
    for task, module in fig_speed.TASKS.items():
        found = module.contenders(task, 0, 1)
        assert module.OURS in found and all(map(callable, found.values()))
        assert set(speed_workers.installed(module.PEERS)) <= set(module.PEERS)
    assert {"bare products"} < set(speed_lif.contenders(speed_lif.RECURRENT, 0, 1))


@pytest.mark.parametrize("section", ["lif", "si"])
def test_contenders_of_refsnn_run(section):
    module = fig_speed.SECTIONS[section]
    for task in module.TASKS:
        for name, build in module.contenders(task, 0, 1).items():
            if name not in module.PEERS:
                build()()


def test_a_measurement_names_the_tools_that_are_not_installed(monkeypatch):
    monkeypatch.setattr(fig_speed.os, "sched_setaffinity", lambda *given: None,
                        raising=False)
    monkeypatch.setattr(speed_workers, "measured", lambda module, task, *given: [
        (task, "refsnn", given[0], 1.0, 2.0, 3.0)])
    monkeypatch.setattr(speed_workers, "installed", lambda peers: ["Norse", "PyTorch"])
    found = fig_speed.measure("lif", 2, 3, 0)
    assert found["missing"] == ["jax", "snntorch", "spikingjelly"]
    assert [row[:3] for row in found["rows"]] == [
        (task, "refsnn", 2) for task in speed_lif.TASKS]
    assert found["computer"]
    few = fig_speed.measure("lif", 2, 3, 0, tasks=1)
    assert [row[0] for row in few["rows"]] == [speed_lif.RECURRENT]


def test_medians_are_over_seven_runs_or_more():
    for size, least in (("default", 7), ("full", 25)):
        listed = fig_speed.jobs(size, 0, None)
        assert min(kwargs["repeats"] for _, kwargs in listed) == least
        assert {kwargs["threads"] for _, kwargs in listed} == {1, 2}
        assert {kwargs["section"] for _, kwargs in listed} == set(fig_speed.SECTIONS)
