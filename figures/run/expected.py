"""Predict the computing times of jobs from earlier measurements.

The predicted times are used to sort jobs, and to show the remaining time.  The file
`seconds.json` holds the computing times of all jobs in seconds, measured without
--quick and --full.  The module `timing` writes this file.
"""

import json
import pathlib

PATH = pathlib.Path(__file__).with_name("seconds.json")
UNKNOWN_S = 1.0             # if unknown, all jobs count equally in the progress bar


def seconds(listed):
    """Return a dict from the key of each task to the predicted computing time.

    The dict `listed` maps the name of each figure to a list of tasks.
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

    In the list `tasks`, each task must follow the tasks whose results it uses.
    """
    after = dict.fromkeys((task.key for task in tasks), 0.0)
    for task in reversed(tasks):
        for key in task.before:
            if key in after:
                after[key] = max(after[key], after[task.key] + times[task.key])
    return sorted(tasks, key=lambda task: -after[task.key] - times[task.key])
