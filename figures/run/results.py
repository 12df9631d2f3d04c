"""Write `figures/RESULTS.md` and the table of results in `README.md`.

The numbers come from the files `figures/full/NAME.json`.  The Python file of each
figure describes the computed numbers.  Texts about papers come from `figures/papers`.
"""

import collections
import importlib
import importlib.util
import json
import numbers
import re
import textwrap
from typing import NamedTuple

from figures.run import claims, gallery, make
from figures.run import storage

BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->"
# How a line of a paper is counted, from the worst to the best of its verdicts.
WORST_FIRST = ("not reproduced", "differs", "not decided", "agrees", "reproduced")
ABSENT, DRAWN, UNSTORED = "not attempted", "drawn", "no full run is stored"
SAME = "as published"
BAD = ("not reproduced", "differs", "fails")
MISSED = "Not decided, but the number itself is outside its tolerance or bound:"
SOURCES = (
    "Of the papers, the text of [ZG18], the main text of [CB22], and the equations and "
    "figures of [NMZ19] were read.  The texts of [ZN21], [LZ20], [ZPG17] and [CSSZ20] "
    "were not read: what these papers state is taken from their abstracts, from the "
    "authors' code, logs and stored results, or from other sources.  Of [WP21], the "
    "equations and the authors' code were read.")


class Damaged(Exception):
    """This exception is raised if the file of a stored result is damaged."""


class Stored(NamedTuple):
    """The stored result of a figure."""

    module: object
    document: dict
    judged: dict            # {id: (claim, result)}
    has_data: bool


class Line(NamedTuple):
    """A table line that compares one published result with results of refsnn."""

    row: tuple              # a `papers.Row`
    answers: tuple          # of (name of the figure, claim, result or None)
    word: str               # how the line is counted


# ---- what is stored, and what is published

def read(root, full=None):
    """Return all stored results, ordered by paper."""
    full, found = full or root / "figures" / "full", {}
    for path in sorted(full.glob("*.json")):
        try:
            if path.stem not in make.names(root):
                raise ValueError(f"there is no figure {path.stem!r}")
            document = json.loads(path.read_text(encoding="utf-8"))
            if (document["figure"], document["size"]) != (path.stem, "full"):
                raise ValueError(f"it holds {document['figure']!r} of size "
                                 f"{document['size']!r}")
            module = make.imported(root, path.stem)
            pairs = claims.read(module, document)
            gallery.note(document)
            data = storage.data(full, path.stem, document)
        except storage.Refused as error:
            raise Damaged(f"{error}") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Damaged(f"{path} is damaged ({type(error).__name__}: {error})"
                          ) from None
        found[path.stem] = Stored(module, document, {
            claim.id: (claim, result) for claim, result in pairs}, data is not None)
    return dict(sorted(found.items(), key=lambda item: gallery.order(
        item[1].module, item[0])))


def papers():
    """Return the modules of all papers."""
    names = {key: f"figures.papers.{key.lower()}" for key in gallery.PAPERS}
    return {key: importlib.import_module(name) for key, name in names.items()
            if importlib.util.find_spec(name)}


def lines_of(root, stored):
    """Return the table lines of each paper."""
    return {key: [_line(root, stored, f"[{key}] {row.place}", row)
                  for row in module.ROWS] for key, module in papers().items()}


def _line(root, stored, where, row):
    """Return a `Line`."""
    if bool(row.claims) == bool(row.reason):
        raise ValueError(f"{where}, {row.states!r}: must have claims or a reason")
    answers = []
    for text in row.claims:
        name, _, key = text.partition(".")
        if name not in make.names(root):
            raise ValueError(f"{where}: claim {text!r}: there is no such figure")
        known = {claim.id: claim for claim in
                 claims.declared(make.imported(root, name), "full")}
        if key not in known:
            raise ValueError(f"{where}: claim {text!r}: must be one of "
                             f"{', '.join(known)}")
        claim, result = known[key], None
        if name in stored:
            claim, result = stored[name].judged.get(key, (claim, None))
        answers.append((name, claim, result))
    found = {result.verdict for _, _, result in answers if result}
    if not row.claims:
        shown = row.reason.startswith((f"{DRAWN} by ", "derived by "))
        return Line(row, (), DRAWN if shown else ABSENT)
    word = next((word for word in WORST_FIRST if word in found), "not decided")
    if word in ("agrees", "reproduced") and None in [one[2] for one in answers]:
        word = "not decided"
    return Line(row, tuple(answers), word)


def unplaced(root):
    """Return the claims that are missing in the lists of `figures/papers`.

    Each returned claim compares a computed number with a published number.
    """
    named = {(f"[{key}]", text) for key, module in papers().items()
             for row in module.ROWS for text in row.claims}
    return [f"{name}.{claim.id}" for name in make.names(root)
            for claim in claims.declared(make.imported(root, name), "full")
            if claim.kind in ("reproduction", "stand-in")
            and (claim.published.paper, f"{name}.{claim.id}") not in named]


def count(lines):
    """Return sentences that state how many published results are reproduced."""
    every = [line for part in lines.values() for line in part]
    words = collections.Counter(line.word for line in every)
    quoted = sum(line.word == "reproduced" and any(
        claim.published.known in ("second-hand", "recalled")
        for _, claim, _ in line.answers if claim.published) for line in every)
    told = [f"Of {words.total()} published results, " + _counted(words, {
        "reproduced": "{are} reproduced", "not reproduced": "{are} not reproduced"})]
    if quoted:
        told.append(f"For {quoted} of the reproduced results, the published number was "
                    "not read in the paper itself, but in another source.")
    if words["agrees"] or words["differs"]:
        told.append("Some results were computed with other data, or with another "
                    "network, than in the paper: " + _counted(words, {
                        "agrees": "agree{s} with the paper",
                        "differs": "differ{s} from it"}))
    told.append("Of the remaining results, " + _counted(words, {
        "not decided": "{are} not decided", ABSENT: "{were} not attempted"}))
    if words[DRAWN]:
        told.append("For " + _counted(words, {
            DRAWN: "{results}, the papers give no number, and refsnn draws a figure or "
                   "derives a formula"}))
    return " ".join(told)


def _counted(words, texts):
    """Return counts as text, such as "3 are reproduced, and 2 are not decided."

    Entries with a count of 0 are omitted, but the first entry is always included.
    """
    one, many = ({"s": "s", "are": "is", "were": "was", "results": "result"},
                 {"s": "", "are": "are", "were": "were", "results": "results"})
    told = [f"{words[word]} {text.format(**(one if words[word] == 1 else many))}"
            for k, (word, text) in enumerate(texts.items()) if words[word] or not k]
    return ", ".join([*told[:-1], (len(told) > 1) * "and " + told[-1]]) + "."


def count_undecided(lines):
    """Return a sentence that states how often each reason for "not decided" occurs."""
    reasons = collections.Counter(undecided(line) for part in lines.values()
                                  for line in part if line.word == "not decided")
    return (f"Reasons of the {reasons.total()} lines that are not decided: "
            + ", ".join(f"{reason} ({n})" for reason, n in reasons.most_common()) + ".")


def undecided(line):
    """Return the reason why a table line has the verdict "not decided"."""
    found = [result for _, claim, result in line.answers
             if claim.kind not in ("own", "shown")]
    if not found:
        return "no published number that can be judged"
    if None in found:
        return UNSTORED
    found = [result for _, _, result in line.answers
             if result and result.verdict == "not decided"]
    if any(result.n == 1 for result in found):
        return "a single run"
    if any(result.spread is None for result in found):
        return "the spread of the runs was not stored"
    return "too few runs for their spread"


def count_own(stored):
    """Return a sentence that states how many numbers lie within the required bounds."""
    words = collections.Counter(result.verdict for one in stored.values()
                                for claim, result in one.judged.values()
                                if claim.kind == "own")
    return f"Of {words.total()} own properties, which no paper states, " + _counted(
        words, {"holds": "hold{s}", "fails": "fail{s}",
                "not decided": "{are} not decided"})


# ---- Markdown

def row_of(*cells):
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ")
                             for cell in cells) + " |"


def title_row(*cells):
    """Return the two header lines of a Markdown table."""
    return [row_of(*cells), "|" + "---|" * len(cells)]


def linked(names):
    """Return links to the sections of figures."""
    return ", ".join(f"[`{name}`](#{name})" for name in dict.fromkeys(names))


def unique(texts):
    """Return a table cell that lists texts in separate lines, without duplicates."""
    return "<br>".join(dict.fromkeys(text for text in texts if text))


def verdict(claim, result):
    """Return the verdict on a claim and the reason, such as "not decided: n = 1"."""
    if result is None:
        return f"not decided: {UNSTORED}"
    word = gallery.verdict(claim, result)
    word = f"**{word}**" if word in BAD else word
    return f"{word}: {result.reason}" if result.reason else word


def data_of(claim):
    """Describe how the data and settings in refsnn differ from those in the paper."""
    if claim.differs or claim.kind in ("own", "shown"):
        return claim.differs
    return SAME


def value(claim, result):
    """Format the value that refsnn computed."""
    return gallery.shown(None) if result is None else gallery.ours(claim, result)


# ---- RESULTS.md

HEAD = """\
# Results of the full runs

`python run_all.py --table` writes this file from the numbers in `figures/full/*.json`
and from the code of the figures.  Do not edit it by hand.

**{count}**

{own}

{undecided}

{sources}

The first sentence counts the lines of the tables of papers below.  Drawings have lines,
too.  A line with several numbers counts as the worst of them, in the order not
reproduced, differs, not decided, agrees, reproduced.  After the tables of papers follow
[Settings](#settings), [Failures and causes](#failures-and-causes) and
[Figures](#figures).

How to read the tables:

- *refsnn*: "a \u00b1 s (n)" is the mean over n runs and their sample standard
  deviation, and "a (1)" is a single run.  The digits of a end where those of s end.
  A number without "(n)" does not depend on chance for the given data, or is one
  statistic of all runs, such as a largest error.
- *published*: the same for the publication.  Marks say how the number is known:
  - no mark: {read}
{marks}
- *verdict*: depends on the 95 % confidence interval of refsnn minus published
  (Student's t), and on a tolerance, which the tables under [Figures](#figures) show in
  the column "required".  If the whole interval is within the tolerance, the number is
  *reproduced* (in the published experiment, or with departures that are believed not to
  matter) or *agrees* (with other data, another size or other settings).  If the whole
  interval is outside the tolerance, the number is *not reproduced* or *differs*.
  Otherwise, and for a single run of a random quantity, the number is *not decided*.
  If the tolerance is a factor, the mean and the interval are those of the logarithms.
  "About m runs would decide" assumes that the mean and the standard deviation do not
  change.  A published number is taken as exact if its standard deviation or its number
  of runs is not known, or if it is of one run; chance in the published runs can then
  also explain a number that is not reproduced.  If a paper states an order in words, a
  difference must be above 0, and a ratio above 1.  Of some published differences, only
  the sign is judged: they are required to be "above 0".  For own properties, the
  interval must meet a bound: the property *holds*, *fails* or is *not decided*.
- *data and size*: what differs from the publication.  "{same}" means that nothing is
  known to differ but random numbers and the number of runs.  SHD are the Spiking
  Heidelberg Digits, which are recordings of spoken digits, encoded as spikes.  "SHD
  regenerated by refsnn" means that refsnn computed the spikes from the same recordings,
  with other random numbers, and that the 424 test words of known speakers are other
  words.
"""


def text(root, full=None):
    """Return the complete text of RESULTS.md."""
    stored = read(root, full)
    lines = lines_of(root, stored)
    marks = "\n".join(f"  -{mark}: {claims.KNOWN[known]}"
                      for known, mark in gallery.MARKS.items() if mark)
    parts = [HEAD.format(count=count(lines), own=count_own(stored),
                         undecided=count_undecided(lines), marks=marks,
                         sources="\n".join(textwrap.wrap(SOURCES, 88)),
                         read=claims.KNOWN["read"], same=SAME),
             "## Published numbers and figures", ""]
    for key, module in papers().items():
        parts += paper(key, lines[key], module)
    parts += settings(stored)
    parts += [*failures(stored), "## Figures", ""]
    for name, one in stored.items():
        parts += figure(name, one)
    absent = [name for name in make.names(root) if name not in stored]
    parts += ["### Figures without a stored full run", "",
              f"{', '.join(f'`{name}`' for name in absent) or 'None'}."]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)) + "\n"


def paper(key, lines, module):
    """Return the lines about one paper."""
    authors, number = gallery.PAPERS[key]
    found = [f"### [{key}] {authors}, [arXiv {number}]({gallery.ARXIV}{number})", "",
             about(module), "", count({key: lines}), "",
             *title_row("place", "what the paper states", "refsnn", "published",
                        "verdict", "data and size", "figure")]
    for line in lines:
        found.append(row_of(line.row.place, line.row.states, *_cells(line)))
    return [*found, ""]


def about(module):
    """Return the description of a paper from the docstring of its module."""
    title, _, text = module.__doc__.partition("\n\n")
    subject = title.partition(": ")[2]
    return (subject[:1].upper() + subject[1:] + "  "
            + " ".join(text.split()).partition(". ")[2])


def _named(claim):
    """Return whether a table must explain the computed number in words."""
    source = claim.published
    return (source is None or source.known == "words"
            or not isinstance(source.value, numbers.Real))


def _cells(line):
    """Return five cells of a table row."""
    if not line.answers:
        nothing = gallery.shown(None)
        return nothing, nothing, line.word, line.row.reason, nothing
    several = len(line.answers) > 1
    ours = [f"{claim.text}: {value(claim, result)}" if several or _named(claim) else
            value(claim, result) for _, claim, result in line.answers]
    published = [gallery.published(claim) for _, claim, _ in line.answers]
    verdicts = [verdict(claim, result) for _, claim, result in line.answers]
    words = {gallery.shown(None) if result is None else gallery.verdict(claim, result)
             for _, claim, result in line.answers}
    if all(claim.kind in ("shown", "own") for _, claim, _ in line.answers):
        verdicts = [line.word]
    elif len(words) > 1:
        verdicts.insert(0, f"counted as {line.word}:")
    data = unique([data_of(claim) for _, claim, _ in line.answers]
                  + ["only the sign of the difference is judged"
                     for _, claim, _ in line.answers
                     if claim.ordered and isinstance(claim.published.value,
                                                     numbers.Real)]
                  + [claim.why and f"not judged: {claim.why}"
                     for _, claim, _ in line.answers])
    if not any(claim.published for _, claim, _ in line.answers):
        data = unique([data, "not judged: no published number is at hand"])
    return ("<br>".join(ours), unique(published) if len(set(published)) == 1 else
            "<br>".join(published),
            unique(verdicts) if len(set(verdicts)) == 1 else "<br>".join(verdicts),
            data,
            linked(name for name, _, _ in line.answers))


def settings(stored):
    """Return tables that compare published settings with the settings of refsnn."""
    return ["## Settings", "", *(line for key, module in papers().items()
                                 for line in settings_of(key, module, stored))]


def settings_of(key, module, stored):
    """Return tables that compare the settings of one paper with those of refsnn."""
    found = []
    for one in module.SETTINGS:
        link = linked([one.figure]) if one.figure in stored else f"`{one.figure}`"
        found += [f"**[{key}] {one.title}** ({link})", "",
                  *title_row("setting", "published", "refsnn"),
                  *(row_of(*cells) for cells in with_runs(module, one, stored)), ""]
    return found


def with_runs(module, one, stored):
    """Yield the settings of an experiment.

    The setting "runs" in the constant SETTINGS is the planned number of runs.  If no
    result is stored yet, the word "(planned)" follows the planned number of runs.  If
    the planned and the actual number of runs differ, the actual number is shown.
    """
    judged = stored[one.figure].judged if one.figure in stored else {}
    found = {judged[key][1].n for row in module.ROWS for name, _, key in (
        text.partition(".") for text in row.claims)
        if name == one.figure and key in judged and judged[key][1].n}
    for setting, published, ours in one.settings:
        if setting == "runs" and ours.isdigit() and found and int(ours) not in found:
            ours = " or ".join(map(str, sorted(found)))
        yield setting, published, (f"{ours} (planned)" if setting == "runs"
                                   and one.figure not in stored else ours)


def failures(stored, paper=None):
    """Return Markdown lists of failed claims with their causes."""
    every = [(name, claim, result) for name, one in stored.items()
             for claim, result in one.judged.values()
             if not (paper and claim.published) or claim.published.paper == paper]
    failed = [part for part in every if part[2].verdict in BAD]
    missed = [part for part in every if part[2].verdict == "not decided"
              and claims.misses(*part[1:])]
    return ["## Failures and causes", "", *(_listed(failed) or [
        'No result is called "differs" or "not reproduced".']), "",
            MISSED, "",
            *(_listed(missed) or ["None."]), ""]


def _listed(parts):
    """Return a Markdown list of claims."""
    found, before = [], None
    for name, claim, result in parts:
        told = gallery.cause(claim)
        against = (f"published: {gallery.published(claim)}, {claim.published.paper} "
                   f"{claim.published.place}" if claim.published else
                   f"must be {gallery.required(claim)}")
        found.append(f"- {linked([name])}: {claim.text}: {value(claim, result)} "
                     f"({against}): {verdict(claim, result)}.  "
                     + ("Cause as above." if claim.cause and told == before else told))
        before = told
    return found


def figure(name, one):
    """Return the lines about one figure."""
    tag = gallery.tag(one.module)
    found = [f"### {name}", "",
             f"{gallery.title_of(one.module)}{f' ({tag})' * bool(tag)}.", "",
             f"{gallery.note(one.document)}"
             + ("" if one.has_data else "; no data stored") + ".", "",
             *title_row("claim", "id", "refsnn", "published", "required", "verdict",
                        "data and size")]
    above = None
    for claim, result in one.judged.values():
        data = data_of(claim)
        more = [f"not judged: {claim.why}"] if claim.why else []
        found.append(row_of(
            claim.text, f"`{claim.id}`", value(claim, result),
            gallery.published(claim), gallery.required(claim), verdict(claim, result),
            unique(["as above" if data and data == above else data, *more])))
        above = data
    return [*found, ""]


# ---- README.md

def readme(root, full=None):
    """Return the table of results for README.md."""
    stored = read(root, full)
    found = title_row("result", "published (n)", "refsnn (n)", "verdict")
    for one in stored.values():
        for claim, result in one.judged.values():
            if claim.headline:
                word = gallery.verdict(claim, result)
                found.append(row_of(
                    claim.headline, gallery.published(claim),
                    gallery.ours(claim, result),
                    f"**{word}**" if word in BAD else word))
    return "\n".join([*found, "", count(lines_of(root, stored)), count_own(stored), ""])


def write(root):
    """Write RESULTS.md and the table in README.md; return their paths."""
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
