"""Read the published numbers in figures/reference/NAME.json.

The results of the figure NAME are shown beside these published numbers.  Each entry of
the file holds a published number, `value`, and its source, `source`.  The field `known`
describes where the number was found, for example "plot" for a number that was read off
a plot; see the dict `claims.KNOWN`.  If the number is a mean over several runs, `n` is
the number of runs, and `spread` is the standard deviation over the runs, if known.
"""

import json
import pathlib

from figures.run.claims import KNOWN, Published      # noqa: F401

FOLDER = pathlib.Path(__file__).parents[1] / "reference"


def entries(name):
    """Return all entries of a file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def values(name):
    """Return the published numbers of a figure."""
    return {key: entry["value"] for key, entry in entries(name).items()}


def number(name, key, paper, place):
    """Return a published number of a figure with its source."""
    entry = entries(name)[key]
    return Published(entry["value"], paper, place, entry["known"],
                     entry.get("spread"), entry.get("n"))
