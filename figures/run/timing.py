"""Write the computing times of jobs to `seconds.json`.

    python -m figures.run.timing OUT

The folder OUT must hold results of all figures, computed without --quick and --full.
"""

import json
import pathlib
import sys

from figures.run import expected, jobs, make

SHORTEST_S = 0.1            # so that each job moves the progress bar


def main(out):
    """Copy computing times from `out` to seconds.json."""
    root, found = expected.PATH.parents[2], {}
    for name in make.names(root):
        module = make.imported(root, name)
        tasks = jobs.tasks(root, name, module, "default", 0, None)
        spent = [jobs.load(make.stored_at(out, task))[1]["seconds"] for task in tasks]
        found[name] = [max(SHORTEST_S, round(seconds, 1)) for seconds in spent]
    rows = [f'"{name}": {json.dumps(times)}' for name, times in found.items()]
    expected.PATH.write_text("{" + ",\n ".join(rows) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
