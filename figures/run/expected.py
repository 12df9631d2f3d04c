"""Predict the computing times of jobs, to order the jobs and to show the time left.

A job is one independent part of the computing of a figure.  The file seconds.json holds
the computing time of each job of a default run, in seconds: {name of the figure:
[seconds of its first job, ...]}.  The module `timing` writes this file.
"""

import json
import pathlib

PATH = pathlib.Path(__file__).with_name("seconds.json")
UNKNOWN_S = 1.0             # if unknown, all jobs count equally in the progress bar


def seconds(listed):
    """Return the predicted computing time of each task, as a dict {key: seconds}.

    A task is a job together with the key of its result.  The dict `listed` holds the
    tasks of each figure, {name of the figure: [task, ...]}.  If the number of jobs of a
    figure differs from the stored number, for example with --full, each job of the
    figure counts as `UNKNOWN_S`.
    """
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    found = {}
    for name, tasks in listed.items():
        times = stored.get(name, [])
        times = times if len(times) == len(tasks) else [UNKNOWN_S] * len(tasks)
        found.update(zip((task.key for task in tasks), times, strict=True))
    return found


def longest_first(tasks, times):
    """Sort tasks by the predicted time until the last task that depends on them ends.

    tasks : tasks in an order in which each task follows the tasks on which it depends.
    times : result of `seconds`.
    """
    after = dict.fromkeys((task.key for task in tasks), 0.0)
    for task in reversed(tasks):
        for key in task.before:
            if key in after:
                after[key] = max(after[key], after[task.key] + times[task.key])
    return sorted(tasks, key=lambda task: -after[task.key] - times[task.key])
