"""Published numbers that figures set theirs beside: reference/NAME.json."""

import json
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / "reference"


def values(name):
    """{key: number} of one file, in which each entry has a value and a source."""
    entries = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {key: entry["value"] for key, entry in entries.items()}
