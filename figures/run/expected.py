"""Predict the computing times of jobs, in order to sort jobs and show the time left.

A job is one independent part of the computation of a figure.  The file seconds.json,
which the module `timing` writes, holds the measured computing time of each job in
seconds, {name of the figure: [seconds of its first job, ...]}.  The times in
seconds.json were measured without the options --quick and --full.
"""

import json
import pathlib

PATH = pathlib.Path(__file__).with_name("seconds.json")
UNKNOWN_S = 1.0             # if unknown, all jobs count equally in the progress bar


def seconds(listed):
    """Return the predicted computing time of each task, as a dict {key: seconds}.

    A task is a job together with the key under which its result is stored.  The dict
    `listed` maps the name of each figure to the list of its tasks.  If the number of
    tasks of a figure differs from the number of times in seconds.json, for example with
    the option --full, the predicted time of each of these tasks is `UNKNOWN_S`.
    """
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    found = {}
    for name, tasks in listed.items():
        times = stored.get(name, [])
        times = times if len(times) == len(tasks) else [UNKNOWN_S] * len(tasks)
        found.update(zip((task.key for task in tasks), times, strict=True))
    return found


def longest_first(tasks, times):
    """Sort tasks such that the longest predicted chains of dependent tasks start first.

    The argument `tasks` lists each task after all tasks on which it depends.  The
    argument `times` is the dict that `seconds` returns.
    """
    after = dict.fromkeys((task.key for task in tasks), 0.0)
    for task in reversed(tasks):
        for key in task.before:
            if key in after:
                after[key] = max(after[key], after[task.key] + times[task.key])
    return sorted(tasks, key=lambda task: -after[task.key] - times[task.key])
