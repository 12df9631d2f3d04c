"""Read the published numbers in figures/reference/NAME.json.

The results of the figure NAME are shown beside these published numbers.  Each entry of
the file holds a published number, `value`, and its source, `source`.  The field `known`
describes where the number was found, for example "plot" for a number that was read off
a plot; see the dict `KNOWN`.
"""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / "reference"
KNOWN = {
    "read": "read in the paper, or in the authors' code, stored output or data, or "
            "computed from such numbers",
    "plot": "read off a plot",
    "words": "stated in words, shown as a number or a short text",
    "second-hand": "quoted by another source, and not checked in the paper",
    "recalled": "recalled and not looked up"}


def entries(name):
    """Return all entries of a file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def values(name):
    """Return the published numbers of a figure."""
    return {key: entry["value"] for key, entry in entries(name).items()}
