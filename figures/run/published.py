"""Read the published numbers from figures/reference/NAME.json.

Figures compare their results with the published numbers.  Each entry has the fields
`value`, `source` and `known`.  The field `known` states how the number is known, for
example "read" or "plot"; the dict `KNOWN` explains these words.
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
    """Return all entries of the reference file `name` as a dict."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def values(name):
    """Return the published values in the reference file `name` as a dict."""
    return {key: entry["value"] for key, entry in entries(name).items()}
