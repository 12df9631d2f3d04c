"""Read the numbers in figures/reference/NAME.json, which were published in papers.

NAME is the name of a figure, whose results are shown beside the published numbers.
Each entry of the file holds a published number, `value`, and its source, `source`.  The
field `known` is a word such as "read" or "plot", which states how the published number
is known; the dict `KNOWN` explains these words.
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
    """Return all entries of the file figures/reference/NAME.json as a dict."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def values(name):
    """Return a dict of the published numbers in figures/reference/NAME.json."""
    return {key: entry["value"] for key, entry in entries(name).items()}
