"""Read the published numbers from figures/reference/NAME.json.

Figures compare their results with these numbers.  Each entry has a `value`, a `source`,
and the field `known`, which is a key of `KNOWN` and states how the number is known.
"""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / "reference"
KNOWN = {
    "read": "read in the paper, in the authors' code, its stored output or their data, "
            "or computed from such numbers",
    "plot": "read off a plot",
    "words": "stated in words only; the number or text stands for these words",
    "second-hand": "quoted by another source; the paper itself was not read",
    "recalled": "recalled and not looked up"}


def entries(name):
    """Return a dict that maps the keys of the reference file `name` to its entries."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def values(name):
    """Return a dict that maps the keys of the reference file `name` to its values."""
    return {key: entry["value"] for key, entry in entries(name).items()}
