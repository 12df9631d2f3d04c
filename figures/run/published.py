"""Read the published numbers in figures/reference/NAME.json.

The file NAME.json holds published numbers for the figure NAME.  Each entry has a number
`value`, a text `source` and a text `known`.  The text `known` states how the published
number is known, and is a key of the dict `claims.KNOWN`.  For example, the key "plot"
means that the number was read off a plot.  If the number is a mean over runs, the entry
can also state the number of runs `n` and the standard deviation `spread`.
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
    """Return a published value with its source."""
    entry = entries(name)[key]
    return Published(entry["value"], paper, place, entry["known"],
                     entry.get("spread"), entry.get("n"))
