"""Predict the computing times of jobs from earlier measurements.

A job is one independent part of the computation of a figure.  The predicted times are
used to sort jobs, and to show the remaining time.  The file `seconds.json` holds the
measured computing times of all jobs of each figure, in seconds.  The module `timing`
writes the file `seconds.json` from results that were computed without the options
--quick and --full.
"""

import json
import pathlib

PATH = pathlib.Path(__file__).with_name("seconds.json")
UNKNOWN_S = 1.0             # if unknown, all jobs count equally in the progress bar


def seconds(listed):
    """Return the predicted time of each task.

    The dict `listed` maps the name of each figure to its tasks.
    """
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    found = {}
    for name, tasks in listed.items():
        times = stored.get(name, [])
        times = times if len(times) == len(tasks) else [UNKNOWN_S] * len(tasks)
        found.update(zip((task.key for task in tasks), times, strict=True))
    return found


def longest_first(tasks, times):
    """Sort tasks so that the longest chains of dependent tasks start first.

    If task B uses the results of task A, then A must come before B in the list `tasks`.
    """
    after = dict.fromkeys((task.key for task in tasks), 0.0)
    for task in reversed(tasks):
        for key in task.before:
            if key in after:
                after[key] = max(after[key], after[task.key] + times[task.key])
    return sorted(tasks, key=lambda task: -after[task.key] - times[task.key])
