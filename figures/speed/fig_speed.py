"""Computing times of other tools, relative to refsnn

For each task, the figure shows the computing times of other tools, divided by the
computing time of refsnn.  A ratio of computing times above 1 means that refsnn is
faster than the other tool.  For some tasks, the figure also shows the time for the
dense matrix products alone ("bare products").  For the update with synaptic
intelligence (SI), the figure also shows the time for copying all parameters.  Most
other tools compute the same quantities as refsnn.  In Norse, snnTorch and SpikingJelly,
LIF neurons have different equations than in refsnn.  For networks of LIF neurons,
refsnn receives the input spikes as a sparse matrix.

Dots are medians over 7 runs (25 with --full, one with --quick).  Lines extend from the
first to the third quartile.  In each run, all tools are measured one after the other,
in separate processes.  A warm-up run is not counted.  Numbers are float32, or float64
for sound.  Some other tools are also measured with two threads, but refsnn always uses
one thread.  Computing times depend on the computer, and are therefore not compared with
expected values.
"""

import contextlib
import os
import platform

import numpy as np

from figures.run import colours, gallery
from figures.speed import (speed_lif, speed_ntk, speed_rtrl, speed_si, speed_sound,
                           speed_workers)

SECTIONS = {"lif": speed_lif, "rtrl": speed_rtrl, "si": speed_si, "ntk": speed_ntk,
            "sound": speed_sound}
TASKS = {task: module for module in SECTIONS.values() for task in module.TASKS}
COLUMNS = {"task": str, "name": str, "threads": int, "lower": float, "median": float,
           "upper": float}


ARRAYS = {
    "task": ("measurement", "", "task"),
    "name": ("measurement", "", "name of the tool"),
    "threads": ("measurement", "1", "number of threads"),
    "lower": ("measurement", "s", "first quartile of the computing time"),
    "median": ("measurement", "s", "median of the computing time"),
    "upper": ("measurement", "s", "third quartile of the computing time"),
    "ratio": ("measurement", "1", "median / median of refsnn"),
    "missing": ("", "", "tools that are not installed"),
    "computer": ("", "", "processor and BLAS library")}


def jobs(size, seed, data, sections=None, repeats=None):
    """Return one job for each module `speed_*`."""
    sections = sections or ([*SECTIONS][:3] if size == "quick" else [*SECTIONS])
    repeats = repeats or {"quick": 1, "default": 7, "full": 25}[size]
    listed = [(section, 1) for section in sections]
    listed += [("lif", 2)] * (size != "quick" and "lif" in sections)
    more = {"tasks": 1} if size == "quick" else {}
    return [(measure, {"section": section, "threads": threads, "repeats": repeats,
                       "seed": seed, **more}) for section, threads in listed]


def measure(section, threads, repeats, seed, tasks=None):
    """Measure the first `tasks` tasks, or all."""
    module = SECTIONS[section]
    if hasattr(os, "sched_setaffinity"):        # for this process, which ends here
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    rows = [row for task in [*module.TASKS][:tasks] for row in speed_workers.measured(
        module.__name__, task, threads, repeats, seed)]
    absent = module.PEERS.keys() - set(speed_workers.installed(module.PEERS))
    return {"rows": rows, "computer": computer(),
            "missing": sorted({module.PEERS[name][0] for name in absent})}


def computer():
    """Name the processor and the BLAS library."""
    import threadpoolctl
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration), \
            open("/proc/cpuinfo", encoding="utf-8") as lines:
        name = next(line.partition(":")[2].strip() for line in lines
                    if line.startswith("model name"))
    libraries = {f'{pool["internal_api"]} {pool["version"]}'
                 for pool in threadpoolctl.threadpool_info()
                 if pool["user_api"] == "blas"}
    return f"{name}, {', '.join(sorted(libraries)) or 'unknown BLAS'}"


def gather(results):
    """Return all computing times and ratios."""
    rows = [row for result in results for row in result["rows"]]        # of texts
    found = {name: list(map(COLUMNS[name], column)) for name, column in zip(
        COLUMNS, zip(*rows, strict=True), strict=True)}
    names = list(zip(*(found[name] for name in ("task", "name", "threads")),
                     strict=True))
    median = dict(zip(names, found["median"], strict=True))
    missing = sorted({str(name) for result in results for name in result["missing"]})
    return {**found, "missing": ", ".join(missing),
            "ratio": [median[task, name, threads] / median[
                task, TASKS[task].OURS, threads] for task, name, threads in names],
            "computer": str(results[0]["computer"])}


def claims(size):
    """Return no claims."""
    return []


def measured(data):
    """Return no numbers."""
    return {}


def shown(data):
    """Return what is plotted."""
    return data


def table(data):
    """Return a table of times and ratios."""
    rows = zip(*(data[name].tolist() for name in ("task", "name", "threads", "median",
                                                  "ratio")), strict=True)
    return [["task", "contender", "threads", "median, ms", "ratio to refsnn"], *(
        [task, name, str(threads), gallery.shown(1e3 * median), f"{ratio:.3g}"]
        for task, name, threads, median, ratio in rows)]


def plot(data, fig):
    """Draw the ratios of the computing times."""
    rows = list(zip(*(data[name].tolist() for name in (*COLUMNS, "ratio")),
                    strict=True))
    labels = {}                     # (task, name), or (task, None) for the title
    for task in dict.fromkeys(row[0] for row in rows):
        labels[task, None] = TASKS[task].TASKS[task]
        labels.update({(at, name): name for at, name, *_ in rows
                       if at == task and name != TASKS[task].OURS})
    place = {key: y for y, key in enumerate(labels)}
    fig.set_size_inches(9, 1.2 + 0.19 * len(place))
    ax = fig.subplots()
    for threads, colour in ((1, colours.BLUE), (2, colours.VERMILION)):
        drawn = [row for row in rows if row[2] == threads and row[:2] in place]
        if not drawn:
            continue
        y = [place[row[:2]] + 0.3 * (threads - 1.5) for row in drawn]
        scale = [ratio / median for *_, median, _, ratio in drawn]
        ax.hlines(y, *(np.multiply(scale, [row[i] for row in drawn]) for i in (3, 5)),
                  colour, lw=1)
        ax.plot([row[-1] for row in drawn], y, "o", ms=4, color=colour,
                label=f"{threads} thread{'s' * (threads > 1)}")
    ax.axvline(1, color=colours.GREY, lw=0.8)
    ax.set_xscale("log")
    ax.tick_params(axis="x", which="minor", labelsize=7)
    ax.set_yticks(list(place.values()), list(labels.values()), fontsize=8)
    for label, (_, name) in zip(ax.get_yticklabels(), labels, strict=True):
        label.set_fontweight("normal" if name else "bold")
    ax.set_ylim(len(place), -1)
    fig.legend(loc="outside upper right", ncols=2)
    ax.set_xlabel("time / time of refsnn")
    missing = f"not installed: {data['missing']}" if str(data["missing"]) else ""
    fig.supxlabel(f"{data['computer']}\n{missing}", fontsize=8)
