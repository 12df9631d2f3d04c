"""Write the results of figures to files and to a web page."""

import ast
import html
import inspect
import io
import json
import math
import pathlib
import re
import struct
import types
import urllib.parse

import numpy as np

from figures.run import claims, jobs

PAPERS = {                              # authors, year and arXiv number by key
    "NMZ19": ("Neftci, Mostafa and Zenke, 2019", "1901.09948"),
    "ZN21": ("Zenke and Neftci, 2021", "2010.11931"),
    "ZG18": ("Zenke and Ganguli, 2018", "1705.11146"),
    "LZ20": ("Liu and Zenke, 2020", "2006.08228"),
    "ZPG17": ("Zenke, Poole and Ganguli, 2017", "1703.04200"),
    "CB22": ("Cramer, Billaudelle and others, 2022", "2006.07239"),
    "CSSZ20": ("Cramer, Stradmann, Schemmel and Zenke, 2020", "1910.07407"),
    "M17": ("Mostafa, 2018", "1606.08165"),
    "WP21": ("Wunderlich and Pehle, 2021", "2009.08378")}
ARXIV = "https://arxiv.org/abs/"
# Verdicts from the worst to the best, with their classes in the page.
LOOKS = {"fails": "fail", "not reproduced": "miss", "differs": "miss",
         "not decided": "open", "agrees": "pass", "reproduced": "pass",
         "holds": "pass", None: "open"}
SIGNS = {"fail": "\u2717 ", "miss": "\u2260 ", "open": "\u2013 ", "pass": "\u2713 "}
UNJUDGED = "not judged"
PROGRAMS = ("refsnn", "numpy", "scipy", "python")       # versions that are shown
MARKS = {"read": "", "plot": " (plot)", "words": " (in words)",
         "second-hand": " (second-hand)", "recalled": " (recalled)"}
LOOK = pathlib.Path(__file__).with_name("style.mplstyle")
DIGITS = 4                              # significant digits of numbers in tables
LONG = 1000             # shorter numbers have three digits if their spread is unknown
SMALL, LARGE = 1e-4, 1e5                # numbers beyond have an exponent: short cells
MINUTES_FROM_S, HOURS_FROM_S = 120, 7200    # longer times are shown in larger units
PNG_SIZE = slice(16, 24)                # bytes with the width and height in a PNG file


def described(path):
    """Return the title and caption of a figure."""
    try:
        text = ast.get_docstring(ast.parse(path.read_bytes(), str(path)))
    except (SyntaxError, ValueError):
        text = None
    title, _, caption = (text or path.stem).partition("\n")
    return title.strip().rstrip("."), caption.strip()


# ---- one figure -----------------------------------------------------------

def drawn(plot, data):
    """Draw a figure; return the matplotlib figure."""
    import matplotlib.style                     # slow; most commands need no picture
    from matplotlib.figure import Figure
    with matplotlib.style.context([str(LOOK)]):
        fig = Figure()
        plot(data, fig)
    return fig


def png(fig, **options):
    """Return a PNG file of a matplotlib figure as bytes."""
    import matplotlib.style
    picture = io.BytesIO()
    with matplotlib.style.context([str(LOOK)]):
        fig.savefig(picture, format="png", metadata={"Software": None}, **options)
    return picture.getvalue()


def write_bytes(path, content):
    """Write bytes to a temporary file, and rename this file to `path`."""
    with jobs.replacing(path) as file:
        file.write(content)


def write_json(path, document):
    """Write a JSON file, in which NaN and infinity are strings."""
    text = json.dumps(_strict(document), indent=1, allow_nan=False,
                      ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())


def _strict(value):
    """Convert a value to strict JSON."""
    if isinstance(value, dict):
        return {key: _strict(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def shown(value):
    """Format a number or a text for tables."""
    if value is None:
        return "\u2013"
    if isinstance(value, float):
        if value != 0 and not SMALL <= abs(value) < LARGE:
            return f"{value:.2e}"
        if abs(value) >= 10 ** DIGITS:          # the format g would add an exponent
            return f"{value:.0f}"
        return f"{value:.{DIGITS}g}"
    return str(value)


# ---- texts from claims and results ------------------------------------------

def with_spread(value, spread, n):
    """Return a value, its standard deviation and the number of runs as text.

    >>> with_spread(0.5, None, 1), with_spread(0.53194, 0.0172, 3)
    ('0.5 (1)', '0.532 \u00b1 0.017 (3)')
    """
    if spread and math.isfinite(spread):        # further digits have no meaning
        value = round(value, 1 - math.floor(math.log10(spread)))
    text = shown(value)
    if spread is not None:
        text += f" \u00b1 {float(f'{spread:.2g}'):g}"      # no exponent for 190
    return text if n is None else f"{text} ({n})"


def ours(claim, result):
    """Format the value that refsnn computed."""
    unit = "" if claim.unit in ("1", "accuracy") else claim.unit
    value, spread, n = result[:3]
    if n and spread is None and abs(value) < LONG:      # the spread is not known
        value = float(f"{value:.3g}")
    return f"{with_spread(value, spread, n)} {unit}".strip()


def published(claim):
    """Return the published number as text."""
    source = claim.published
    if source is None:
        return shown(None)
    return with_spread(source.value, source.spread, source.n) + MARKS[source.known]


def required(claim):
    """Return the tolerance or bounds as text."""
    if claim.kind == "shown":
        return shown(None)
    if claim.kind == "own":
        low, high = (None if bound is None else shown(float(bound))
                     for bound in (claim.low, claim.high))
        if low == high:
            return f"= {low}"
        return " and ".join(sign + bound for sign, bound in (
            ("\u2265 ", low), ("\u2264 ", high)) if bound is not None)
    if claim.ordered:
        return "above 1" if claim.log else "above 0"
    if claim.log:
        return f"within a factor of {claim.tolerance:g}"
    return f"within {claim.tolerance:g}" if claim.tolerance else "equal"


def verdict(claim, result):
    """Return the verdict on a claim as text."""
    return result.verdict or (shown(None) if claim.kind == "shown" else UNJUDGED)


def line(claim, result):
    """Return one line of text about a claim."""
    reason = f", {result.reason}" if result.reason else ""
    compared = [] if claim.kind == "shown" else [required(claim)]
    if claim.published:
        source = claim.published
        compared.append(f"published: {published(claim)}, {source.paper} {source.place}")
    more = f" ({'; '.join(compared)})" if compared else ""
    word = "" if claim.kind == "shown" else verdict(claim, result) + reason
    return (f"{SIGNS[LOOKS[result.verdict]]}{word}  {claim.text}: "
            f"{ours(claim, result)}{more}")


def notes(claim, result, before=""):
    """Yield sentences about differences and causes.

    If two successive table rows describe the same differences from the paper, the
    second row says only "as above".  The argument `before` is the text `differs`
    (differences from the paper) of the claim in the previous table row.
    """
    if claim.differs:
        yield ("Differs from the paper as above." if claim.differs == before else
               f"Differs from the paper: {claim.differs}.")
    if claim.why:
        yield f"Not judged: {claim.why}."
    if claim.cause and LOOKS[result.verdict] in ("fail", "miss", "open"):
        yield cause(claim)


def cause(claim):
    """Return the cause of a failure as a sentence."""
    if not claim.cause:
        return "Cause: not known."
    if claim.cause_run:
        return f"Cause, shown by {claim.cause_run}: {claim.cause}."
    return f"Suspected cause: {claim.cause}."


def tag(module):
    """Return the paper and the place of a published figure, such as "[ZG18] fig. 4".

    If the module defines no constant PAPER, return all papers that its claims cite.
    """
    if isinstance(getattr(module, "PAPER", None), str):
        return module.PAPER
    found = {}
    for claim in module.claims("full"):
        if claim.published:
            place = re.split(",|;| and ", claim.published.place)[0]
            found.setdefault(claim.published.paper, {})[place] = None
    return "; ".join(f"{paper} {', '.join(places)}" for paper, places in found.items())


def order(module, name):
    """Return a key that sorts figures by paper."""
    first = re.search(r"\[([A-Z]+\d\d)\]", tag(module))
    keys = list(PAPERS)
    return (name == jobs.SPEED, keys.index(first[1]) if first else len(keys), name)


def work(listed):
    """Return the number of jobs and their computing time as text.

    Some old result files have one entry "201 jobs" instead of one entry for each job.
    """
    counts = [re.fullmatch(r"(\d+) jobs?", job["call"]) for job in listed]
    count = sum(int(found[1]) if found else 1 for found in counts)
    return f"{count} job{'s' * (count != 1)}, {took(listed)} of computing"


def took(listed):
    """Return the computing time of jobs as text."""
    seconds = sum(job["seconds"] for job in listed)
    if seconds < MINUTES_FROM_S:
        return f"{seconds:.0f} s"
    return (f"{seconds / 60:.0f} min" if seconds < HOURS_FROM_S else
            f"{seconds / 3600:.1f} h")


# ---- the page -------------------------------------------------------------

def write_page(out, find, tell=print):
    """Write the web page; return its path."""
    found = _documents(out, find, tell)
    cards = "\n".join(text for *_, text in found)
    page = PAGE.format(style=STYLE, summary=_summary(found), cards=cards,
                       index=_index(found), papers=_papers(cards))
    path = out / "index.html"
    write_bytes(path, page.encode())
    return path


def _documents(out, find, tell):
    """Return one tuple (JSON content, module, claims, HTML) for each figure."""
    found = []
    for path in sorted(out.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            module, pairs = _read(document, find)
            found.append((order(module, document["figure"]), document, module, pairs,
                          card(document, module, pairs, out)))
        except Exception as error:      # a foreign, torn or earlier file
            tell(f"{path}: not the result of a figure, left out of the gallery "
                 f"({type(error).__name__}: {error})")
    return [parts[1:] for parts in sorted(found, key=lambda parts: parts[0])]


def _read(document, find):
    """Return the module of a figure, and a list of (claim, result) pairs."""
    if "error" not in document:
        module = find(document["figure"])
        return module, claims.read(module, document)
    try:
        text = find(document["figure"]).__doc__
    except Exception:
        text = None
    name = document["figure"]
    return types.SimpleNamespace(__name__=name, __doc__=text, PAPER=""), []


def _papers(cards):
    """Return the cited papers as HTML."""
    rows = [f'<li>[{key}] {authors}, <a href="{ARXIV}{number}">arXiv {number}</a></li>'
            for key, (authors, number) in PAPERS.items() if f"[{key}" in cards]
    return "\n".join(rows)


def _badge(verdict, word=None):
    """Return a verdict as HTML."""
    look = LOOKS[verdict]
    return (f'<span class="verdict {look}">{SIGNS[look]}{word or verdict or UNJUDGED}'
            '</span>')


def _summary(found):
    """Return HTML with the counts of figures and of verdicts such as "reproduced"."""
    every = [result.verdict for _, _, pairs, _ in found for claim, result in pairs
             if claim.kind != "shown"]
    errors = sum("error" in document for document, *_ in found)
    parts = [f"{len(found)} figure" + "s" * (len(found) != 1)]
    parts += [_badge(word, f"{every.count(word)} {word or UNJUDGED}")
              for word in reversed(LOOKS) if word in every]
    if errors:
        parts.append(_badge("fails", f"{errors} without a result"))
    return " \u00b7 ".join(parts)


def _state(document, pairs):
    """Return the worst verdict as HTML."""
    if "error" in document:
        return _badge("fails", "no result")
    found = {result.verdict for _, result in pairs}
    return _badge(next((word for word in LOOKS if word in found), None))


def _index(found):
    """Return HTML list items with links."""
    rows = []
    for document, module, pairs, _ in found:
        paper = tag(module)
        small = f" <small>{html.escape(paper)}</small>" if paper else ""
        rows.append(f'<li><span><a href="#{html.escape(document["figure"])}">'
                    f"{html.escape(title_of(module))}</a>{small}</span> "
                    f"{_state(document, pairs)}</li>")
    return "\n".join(rows)


def title_of(module):
    """Return the title of a figure."""
    return (module.__doc__ or module.__name__).partition("\n")[0].strip().rstrip(".")


def caption_of(module):
    """Return the caption of a figure."""
    return inspect.cleandoc(module.__doc__ or "").partition("\n")[2].strip()


def _linked(text):
    """Return HTML in which each paper key, such as [ZG18], links to the paper."""
    def link(found):
        key = found[0].strip("[]")
        return (f'<a href="{ARXIV}{PAPERS[key][1]}">{found[0]}</a>' if key in PAPERS
                else found[0])
    return re.sub(r"\[[A-Z]+\d\d\]", link, html.escape(text))


def card(document, module, pairs, out):
    """Return the HTML of one figure."""
    name, title, caption = document["figure"], title_of(module), caption_of(module)
    link = html.escape(urllib.parse.quote(name))
    paragraphs = "".join(f"<p>{_linked(part)}</p>\n"
                         for part in caption.split("\n\n") if part.strip())
    picture = ""
    if "error" in document:
        picture = (f"<p>{_badge('fails', 'no result')}</p>\n"
                   f'<pre>{html.escape(document["error"])}</pre>')
    elif (out / f"{name}.png").is_file():
        width, height = struct.unpack(
            ">II", (out / f"{name}.png").read_bytes()[PNG_SIZE])
        picture = (f'<a href="{link}.png"><img src="{link}.png" '
                   f'alt="{html.escape(f"{title}. {caption}")}" '
                   f'width="{width}" height="{height}"></a>')
    links = "".join(f' \u00b7 <a href="{link}.{kind}">{word}</a>'
                    for kind, word in (("h5", "data (HDF5)"),
                                       ("json", "numbers (JSON)"))
                    if (out / f"{name}.{kind}").is_file())
    paper = tag(module) and f'<p class="paper">{_linked(tag(module))}</p>\n'
    return CARD.format(name=html.escape(name), title=html.escape(title), paper=paper,
                       caption=paragraphs, picture=picture,
                       table=table(pairs) + grid(document.get("table", [])),
                       note=html.escape(note(document)), links=links)


def table(pairs):
    """Return an HTML table of claims."""
    if not pairs:
        return ""
    rows, before = [], ""
    for claim, result in pairs:
        small = "".join(f"<small>{_linked(text)}</small>"
                        for text in notes(claim, result, before))
        before = claim.differs
        source = claim.published
        place = f"<small>{_linked(f'{source.paper} {source.place}')}</small>" \
            if source else ""
        word = shown(None) if claim.kind == "shown" else _badge(result.verdict)
        reason = f"<small>{html.escape(result.reason)}</small>" if result.reason else ""
        cells = [("refsnn", html.escape(ours(claim, result))),
                 ("Published", html.escape(published(claim)) + place),
                 ("Required", html.escape(required(claim))), ("Verdict", word + reason)]
        row = "".join(f'<td data-label="{label}"><span>{text}</span></td>'
                      for label, text in cells)
        rows.append(f'<tr class="{LOOKS[result.verdict]}"><th scope="row">'
                    f"{html.escape(claim.text)}{small}</th>{row}</tr>")
    head = "".join(f'<th scope="col">{word}</th>' for word in
                   ("Claim", "refsnn", "Published", "Required", "Verdict"))
    return (f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
            + "\n".join(rows) + "\n</tbody>\n</table>")


def grid(rows):
    """Return an HTML table with a header."""
    if not rows:
        return ""
    names, *body = [[html.escape(text) for text in row] for row in rows]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = ["".join(f'<td data-label="{name}">{text}</td>'
                     for name, text in zip(names, row, strict=True)) for row in body]
    return (f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
            + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</tbody>\n</table>")


def aligned(rows):
    """Return the lines of a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(text.ljust(width) for text, width in
                             zip(row, widths, strict=True)).rstrip() for row in rows]


def note(document):
    """Describe how a figure was computed."""
    parts = [f'{document["size"]} size', f'seed {document["seed"]}',
             *(f"{key} = {value}" for key, value in document["options"].items())]
    runs = {}
    for job in document["jobs"]:
        origin = ", ".join(_origin(document["origins"][job["origin"]]))
        runs.setdefault(origin, []).append(job)
    return ", ".join([*parts, "; ".join(f"{work(listed)}, {origin}"
                                        for origin, listed in runs.items())])


def _origin(origin):
    """Yield short texts that describe how a job was computed."""
    data = origin["data"]
    yield f"data: {', '.join(data) if data else 'embedded or random'}"
    yield from (f"{name} {origin['versions'][name]}" for name in PROGRAMS)
    if origin["machine"]:
        yield origin["machine"]["processor"]
    yield origin["date"] or "date not recorded"
    if origin.get("note"):
        yield origin["note"]
    yield f"commit {origin['commit'][:10]}" if origin["commit"] \
        else "commit not recorded"


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>refsnn: figures and claims</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>refsnn: figures and claims</h1>
<p class="summary">{summary}</p>
<nav aria-label="Figures"><ul>
{index}
</ul></nav>
</header>
<main>
{cards}
</main>
<footer><ul>
{papers}
</ul></footer>
</body>
</html>
"""

CARD = """<article id="{name}">
<h2>{title}</h2>
{paper}{picture}
{caption}{table}
<p class="note"><code>{name}</code>: {note}{links}</p>
</article>"""

STYLE = """\
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; max-width: 62rem; padding: 0 1rem 4rem; color: #1c2024;
  background: #f5f6f7; font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue",
  "Liberation Sans", Arial, sans-serif; }
header { padding: 2.2rem 0 .4rem; }
h1 { margin: 0 0 .4rem; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 0 0 .9rem; font-size: 1.25rem; line-height: 1.3; }
a { color: #00578a; }
.summary { margin: 0 0 1rem; color: #454b52; }
footer { margin-top: 2rem; color: #4a5157; font-size: 0.9rem; }
footer ul { list-style: none; margin: 0; padding: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li { display: flex; gap: 1rem; justify-content: space-between;
  align-items: baseline; padding: .28rem 0; border-top: 1px solid #dfe2e5; }
article { margin-top: 1.6rem; padding: 1.4rem 1.5rem 1rem; background: #fff;
  border: 1px solid #dfe2e5; border-radius: .6rem; }
article p { margin: .7rem 0; max-width: 46rem; }
img { display: block; width: 100%; height: auto; }
pre { overflow-x: auto; padding: .8rem 1rem; background: #f5f6f7; font-size: .8rem;
  border-left: .3rem solid #a4262c; white-space: pre-wrap; overflow-wrap: anywhere; }
table { width: 100%; margin: 1rem 0 .6rem; border-collapse: collapse;
  font-size: .94rem; font-variant-numeric: tabular-nums; }
small { display: block; color: #5a6169; font-size: .84em; font-weight: 400;
  line-height: 1.4; white-space: normal; }
.paper { margin-top: -.6rem !important; }
th, td { padding: .5rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e6e8ea; }
thead th { color: #5a6169; font-size: .8rem; border-bottom-color: #b9bfc5; }
tbody th { font-weight: 400; width: 46%; }
td { white-space: nowrap; }
tr.fail > * { background: #fdf0f0; }
tr.fail > th { border-left: .3rem solid #a4262c; font-weight: 600; }
.verdict { white-space: nowrap; font-weight: 600; }
.verdict.pass { color: #0b6b43; }
.verdict.fail { color: #fff; background: #a4262c; padding: .1rem .45rem;
  border-radius: .3rem; }
.verdict.miss { color: #9a3b00; }
.verdict.open { color: #5a6169; font-weight: 400; }
.note { color: #5a6169; font-size: .84rem; max-width: none; }
@media (max-width: 40rem) {
  article { padding: 1.1rem 1rem .6rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  tr, tbody th, td { display: block; width: 100%; }
  tbody th, td { border: 0; padding: .15rem .5rem; white-space: normal; }
  tbody th { font-weight: 600; padding-top: .6rem; }
  td { display: flex; gap: 1rem; justify-content: space-between; }
  td > span { text-align: right; }
  td::before { content: attr(data-label); color: #5a6169; }
  tr { border-bottom: 1px solid #dfe2e5; padding-bottom: .5rem; }
}
@media print { body { background: #fff; } article { break-inside: avoid; } }
"""
