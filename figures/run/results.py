"""Write `figures/RESULTS.md` and the table of results in `README.md`.

These tables show results that were computed with the option --full, and stored in
`figures/full/*.json`.  The data and the published numbers are described in the tables
in `figures/run/settings.py`.  A claim is a statement with a computed number and, in
most cases, a bound on this number.
"""

import json
import re

from figures.run import gallery, make
from figures.run.published import KNOWN
from figures.run.settings import CAUSES, HEADLINES, QUESTIONS, TABLE

BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->"
SAME = "At the published size and on the same data"
VERDICTS = {True: "holds", False: "**FAILS**", None: "not judged"}
MARKS = {"read": "", "plot": " (plot)", "words": " (in words)",
         "second-hand": " (second-hand)", "recalled": " (recalled)"}


# ---- the stored results

def indices(text):
    """Return the integers in a text.

    >>> indices("0, 2-4")
    [0, 2, 3, 4]
    """
    found = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def entered(name, document):
    """Return pairs (claim, `Entry`) of a figure."""
    found = sorted((i, entry) for text, entry in TABLE.get(name, {}).items()
                   for i in indices(text))
    claims = document["claims"]
    if [i for i, _ in found] != list(range(len(claims))):
        raise ValueError(f"figure {name} has {len(claims)} claims, and the table in "
                         "figures/run/settings.py has entries for "
                         f"{[i for i, _ in found]}: must have one for each")
    return list(zip(claims, (entry for _, entry in found), strict=True))


def documents(root):
    """Return the results with --full."""
    paths = sorted((root / "figures" / "full").glob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return {name: found[name] for name in make.names(root) if name in found}


def counted(stored):
    """Return the numbers of figures and claims."""
    verdicts = [claim["ok"] for document in stored.values()
                for claim in document["claims"]]
    hold, fail, rest = (verdicts.count(ok) for ok in (True, False, None))
    return (f"In {len(stored)} figures, {hold + fail} computed values must satisfy a "
            f"bound, such as a minimum accuracy: {hold} values do, and {fail} values "
            f"do not. Another {rest} values have no bound.")


def published_number(claim, entry):
    """Return the published number of a claim as text."""
    if (claim["paper"] is None) != (entry.known == ""):
        raise ValueError(
            f"claim {claim['text']!r}: known is {entry.known!r}, and the published "
            f"number is {claim['paper']!r}: must be one of {', '.join(KNOWN)}, or "
            "empty if there is no number")
    return gallery.shown(claim["paper"]) + (MARKS[entry.known] if entry.known else "")


def row(*cells):
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def title_row(*cells):
    """Return the two header lines of a Markdown table."""
    return [row(*cells), "|" + "---|" * len(cells)]


# ---- RESULTS.md

HEAD = """\
# Results of the full runs

`python run_all.py --table` writes this file from `figures/full/*.json` and the
table in `figures/run/settings.py`.  Do not edit it by hand.

**{count}**

## Claims that fail

{failing}

## How to read the tables

- *claim*: the caption at the top of `figures/*/fig_NAME.py` explains the terms.
- *published*: the published number, "\u2013" if there is none.  A number without a
  mark was {read}.  The marks are:
{marks}
- *refsnn*: the value computed by refsnn, from the run stored in `figures/full`.
  "a \u00b1 s (n runs)" is a mean over n runs and the sample standard deviation.  A
  value without "\u00b1" is a single run, a mean whose standard deviation was not
  stored, or another statistic, such as a ratio, a minimum or a difference of means.
- *bound*: the bound that this value must meet, as stated in the code of the figure.  It
  can differ from the published number.  "none" means that the claim shows a value and
  is not judged.
- *verdict*: "holds" if the value meets the bound, "FAILS" if it does not.
- *data and size*: "{same}" is written only if
  both equal those in the publication.  The number of runs can differ.  The embedded
  digits are 1,797 images of 8x8 pixels that come with refsnn.

"""


def failing(stored):
    """Return a Markdown list of failing claims."""
    found, before = [], None
    for name, document in stored.items():
        for i, (claim, entry) in enumerate(entered(name, document)):
            if claim["ok"] is False:
                cause = CAUSES.get(name, {}).get(i, "not known")
                told = "as above" if cause == before else cause
                before = cause
                found.append(
                    f"- `{name}`: {claim['text']}: {gallery.value(claim)}, must be "
                    f"{gallery.bound(claim)} (published: "
                    f"{published_number(claim, entry)}).  Cause: {told}.")
    return found


def figure(name, document):
    """Return the lines about one figure."""
    versions = document["versions"]
    lines = [f"## `{name}`: {document['title']}", "",
             f"*{QUESTIONS.get(name, '')}*", "",
             f"{document['jobs']} job{'s' * (document['jobs'] != 1)}, "
             f"{gallery.took(document)} of computing, seed "
             f"{document['seeds']['seed']}, refsnn {versions['refsnn']}, NumPy "
             f"{versions['numpy']}, SciPy {versions['scipy']}, Python "
             f"{versions['python']}.", "",
             *title_row("claim", "published", "refsnn", "bound", "verdict",
                        "data and size")]
    above = None
    for claim, entry in entered(name, document):
        data = f"{SAME}: {entry.data}" if entry.same else entry.data
        bound = "none" if claim["ok"] is None else gallery.bound(claim)
        lines.append(row(claim["text"], published_number(claim, entry),
                         gallery.value(claim), bound, VERDICTS[claim["ok"]],
                         "as above" if data == above else data))
        above = data
    return [*lines, ""]


def not_looked_up(root):
    """List published numbers from indirect sources."""
    return [f"- `{name}`, {claim['text']}: {published_number(claim, entry)}"
            for name, document in documents(root).items()
            for claim, entry in entered(name, document)
            if entry.known in ("recalled", "second-hand")]


def text(root):
    """Return the complete text of RESULTS.md."""
    stored = documents(root)
    lines = [HEAD.format(
        count=counted(stored), failing="\n".join(failing(stored)) or "None.",
        read=KNOWN["read"], same=SAME,
        marks="\n".join(f"  -{mark}: {KNOWN[known]}" for known, mark in MARKS.items()
                        if mark))]
    for name, document in stored.items():
        lines += figure(name, document)
    absent = [name for name in make.names(root) if name not in stored]
    lines += ["## Figures without a stored full run", "",
              f"{', '.join(f'`{name}`' for name in absent) or 'None'}.", "",
              "## Published numbers that were not read at the source", "",
              *(not_looked_up(root) or ["None."])]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


# ---- README.md

def readme(root):
    """Return the table of results for README.md."""
    stored, lines = documents(root), title_row("result", "published", "refsnn",
                                               "bound", "verdict", "data")
    for name, index, short, data in HEADLINES:
        claim, entry = entered(name, stored[name])[index]
        lines.append(row(short, published_number(claim, entry),
                         gallery.shown(claim["value"]), gallery.bound(claim),
                         VERDICTS[claim["ok"]], data))
    return "\n".join([*lines, "", counted(stored), ""])


def write(root):
    """Write RESULTS.md and the table in README.md.

    Return the paths of the written files.
    """
    paths = [root / "figures" / "RESULTS.md"]
    gallery.write_bytes(paths[0], text(root).encode())
    path = root / "README.md"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN in page and END in page:
        before, _, rest = page.partition(BEGIN)
        gallery.write_bytes(path, (before + BEGIN + readme(root) + END
                                   + rest.partition(END)[2]).encode())
        paths.append(path)
    return paths
