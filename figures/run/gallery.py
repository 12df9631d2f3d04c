"""Write the results of figures to files and to a web page."""

import ast
import html
import io
import json
import math
import pathlib
import struct
import urllib.parse

import h5py
import numpy as np

from figures.run import jobs

PAPERS = {                              # authors, year and arXiv number by key
    "CB22": ("Cramer, Billaudelle and others, 2022", "2006.07239"),
    "CSSZ20": ("Cramer, Stradmann, Schemmel and Zenke, 2020", "1910.07407"),
    "LZ20": ("Liu and Zenke, 2020", "2006.08228"),
    "M17": ("Mostafa, 2018", "1606.08165"),
    "NMZ19": ("Neftci, Mostafa and Zenke, 2019", "1901.09948"),
    "ZG18": ("Zenke and Ganguli, 2018", "1705.11146"),
    "ZN21": ("Zenke and Neftci, 2021", "2010.11931"),
    "ZPG17": ("Zenke, Poole and Ganguli, 2017", "1703.04200")}
VERDICTS = {True: ("pass", "\u2713 pass"), False: ("fail", "\u2717 FAIL"),
            None: ("open", "\u2013 not judged")}
LOOK = pathlib.Path(__file__).with_name("style.mplstyle")
DIGITS = 4                              # significant digits of numbers in tables
SMALL, LARGE = 1e-3, 1e5                # numbers beyond have an exponent: short cells
MINUTES_FROM_S = 120                    # longer times are shown in minutes
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

def draw(plot, data):
    """Draw a figure; return a PNG file as bytes."""
    import matplotlib.style                     # slow; most commands need no picture
    from matplotlib.figure import Figure
    with matplotlib.style.context([str(LOOK)]):
        fig = Figure()
        plot(data, fig)
        picture = io.BytesIO()
        fig.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def write_bytes(path, content):
    """Write bytes to a file in one step."""
    with jobs.replacing(path) as file:
        file.write(content)


def write_h5(path, data, title):
    """Store the data of a figure in an HDF5 file.

    Each array becomes one HDF5 data set.
    """
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["title"] = title
        for name, value in data.items():
            if value.dtype.kind == "U":
                file.create_dataset(name, data=np.asarray(value, object),
                                    dtype=h5py.string_dtype())
            else:
                file.create_dataset(name, data=value, track_times=False)
    write_bytes(path, content.getvalue())


def write_json(path, document):
    """Write JSON, with NaN and infinity as texts."""
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


# ---- the page -------------------------------------------------------------

def write_page(out):
    """Write the web page; return its path."""
    documents = _documents(out)
    cards = "\n".join(card(document, out) for _, document in documents)
    every = [claim for _, document in documents for claim in document["claims"]]
    page = PAGE.format(style=STYLE, summary=_summary(documents, every), cards=cards,
                       index=_index(documents), papers=_papers(documents))
    path = out / "index.html"
    write_bytes(path, page.encode())
    return path


def _documents(out):
    """Read all JSON files."""
    found = []
    for path in out.glob("*.json"):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            card(document, out)
            found.append((document["name"], document))
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            print(f"{path}: not the record of a figure, left out of the gallery")
    return sorted(found, key=lambda pair: (pair[0] == jobs.SPEED, pair[0]))


def _papers(documents):
    """Return the cited papers as HTML."""
    captions = " ".join(document["caption"] for _, document in documents)
    rows = [f"<li>[{key}] {authors}, arXiv {number}</li>"
            for key, (authors, number) in PAPERS.items() if f"[{key}" in captions]
    return "\n".join(rows)


def _summary(documents, claims):
    """Return the numbers of figures and claims."""
    counts = {ok: sum(claim["ok"] is ok for claim in claims) for ok in VERDICTS}
    errors = sum("error" in document for _, document in documents)
    parts = [f"{len(documents)} figure" + "s" * (len(documents) != 1)]
    parts += [f'<span class="verdict {VERDICTS[ok][0]}">{counts[ok]} '
              f'{VERDICTS[ok][1][2:]}</span>' for ok in VERDICTS if counts[ok]]
    if errors:
        parts.append(f'<span class="verdict fail">{errors} without a result</span>')
    return " \u00b7 ".join(parts)


def _state(document):
    """Return the worst verdict's class and text."""
    verdicts = [claim["ok"] for claim in document["claims"]]
    if "error" in document:
        return "fail", "\u2717 no result"
    return VERDICTS[False if False in verdicts else
                    True if True in verdicts else None]


def _index(documents):
    """Return HTML list items with links."""
    rows = []
    for name, document in documents:
        kind, word = _state(document)
        rows.append(f'<li><a href="#{html.escape(name)}">'
                    f'{html.escape(document["title"])}</a> '
                    f'<span class="verdict {kind}">{word}</span></li>')
    return "\n".join(rows)


def card(document, out):
    """Return the HTML of one figure."""
    name, title = document["name"], html.escape(document["title"])
    link = html.escape(urllib.parse.quote(name))
    caption = "".join(f"<p>{html.escape(part)}</p>\n"
                      for part in document["caption"].split("\n\n") if part.strip())
    picture = ""
    if "error" in document:
        picture = ('<p><span class="verdict fail">\u2717 no result</span></p>\n'
                   f'<pre>{html.escape(document["error"])}</pre>')
    elif (out / f"{name}.png").is_file():
        width, height = struct.unpack(
            ">II", (out / f"{name}.png").read_bytes()[PNG_SIZE])
        alt = html.escape(f'{document["title"]}. {document["caption"]}')
        picture = (f'<a href="{link}.png"><img src="{link}.png" alt="{alt}" '
                   f'width="{width}" height="{height}"></a>')
    links = "".join(f' \u00b7 <a href="{link}.{kind}">{word}</a>'
                    for kind, word in (("h5", "data (HDF5)"), ("json", "claims (JSON)"))
                    if (out / f"{name}.{kind}").is_file())
    return CARD.format(name=html.escape(name), title=title, caption=caption,
                       picture=picture, table=_table(document["claims"])
                       + _grid(document.get("table", [])),
                       note=html.escape(_note(document)), links=links)


def _table(claims):
    """Return an HTML table of claims."""
    if not claims:
        return ""
    rows = []
    for claim in claims:
        kind, word = VERDICTS[claim["ok"]]
        cells = [("Ours", value(claim)), ("Bound", bound(claim)),
                 ("Published", shown(claim["paper"]))]
        row = "".join(f'<td data-label="{label}">{html.escape(text)}</td>'
                      for label, text in cells)
        rows.append(f'<tr class="{kind}"><th scope="row">'
                    f'{html.escape(claim["text"])}</th>{row}<td data-label="Verdict">'
                    f'<span class="verdict {kind}">{word}</span></td></tr>')
    head = "".join(f'<th scope="col">{word}</th>' for word in
                   ("Claim", "Ours", "Bound", "Published", "Verdict"))
    return (f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
            + "\n".join(rows) + "\n</tbody>\n</table>")


def _grid(rows):
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


def value(claim):
    """Return value and standard deviation as text."""
    if claim.get("spread") is None:         # absent in results of earlier versions
        return shown(claim["value"])
    spread = f"\u00b1 {claim['spread']:.2g} ({claim['runs']} runs)"
    return f"{shown(claim['value'])} {spread}"


def bound(claim):
    """Return the bound of a claim as text."""
    return claim["bound"].replace(">=", "\u2265").replace("<=", "\u2264")


def _note(document):
    """Describe seed, computing time and data."""
    return (f'{document["size"]} size, seed {document["seeds"]["seed"]}, '
            f'{document["jobs"]} jobs, {took(document)} of computing, data: '
            f'{document["data"]}, refsnn {document["versions"]["refsnn"]}')


def took(document):
    """Return the computing time as text."""
    seconds = document["seconds"]
    return f"{seconds:.0f} s" if seconds < MINUTES_FROM_S else f"{seconds / 60:.0f} min"


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
{picture}
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
th, td { padding: .5rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e6e8ea; }
thead th { color: #5a6169; font-size: .8rem; border-bottom-color: #b9bfc5; }
tbody th { font-weight: 400; width: 52%; }
td { white-space: nowrap; }
tr.fail > * { background: #fdf0f0; }
tr.fail > th { border-left: .3rem solid #a4262c; font-weight: 600; }
.verdict { white-space: nowrap; font-weight: 600; }
.verdict.pass { color: #0b6b43; }
.verdict.fail { color: #fff; background: #a4262c; padding: .1rem .45rem;
  border-radius: .3rem; }
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
  td::before { content: attr(data-label); color: #5a6169; }
  tr { border-bottom: 1px solid #dfe2e5; padding-bottom: .5rem; }
}
@media print { body { background: #fff; } article { break-inside: avoid; } }
"""
