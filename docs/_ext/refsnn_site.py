"""Write the pages of the site from the modules, tests, claims, vectors and verdicts.

The templates in `_pages` are HTML, so that docstrings and code are never parsed as
reStructuredText.  A link that begins with "/" starts at the first page.  The build
fails if an equation has no marked line or no proof, if no line of a paper names a
reproduction or a stand-in, if a golden vector has no page, or if Sphinx warns.
"""

import ast
import base64
import functools
import html
import io
import json
import os
import re
import shutil
import textwrap
from pathlib import Path

import equations
import jinja2
import numpy as np
import verdicts
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from matplotlib import image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx.errors import ExtensionError

import refsnn.__main__
import refsnn.conventions
from figures.run import claims, gallery, make, results, storage
from refsnn.oracle import exchange, files, matching, protocol, stored

ROOT = Path(__file__).resolve().parents[2]
FULL, OUT = ROOT / "figures" / "full", ROOT / "figures" / "out"
DRAWN = OUT / "drawn"                               # pictures of stored results
FOLDERS = ("read", "papers", "figures", "check", "source")      # of written pages
PLACES = {"WORDS.md": "read/words", "RESULTS.md": "papers/index",
          "PROOFS.md": "read/equations", "VERDICTS.md": "check/tools",
          "NIR.md": "check/nir", "PROTOCOL.md": "check/protocol"}   # of Markdown files
ADDRESS = [os.environ.get(f"GITHUB_{one}") for one in ("SERVER_URL", "REPOSITORY")]
figure, vectors = functools.partial(make.imported, ROOT), functools.cache(stored.load)
papers, full = map(functools.cache, (results.papers, functools.partial(results.read,
                                                                       ROOT)))


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def rendered(template, title, *, fields="", under=(), **values):
    """Return a page: a template, whose lines <h2> and <h3> become headings of Sphinx.

    The pages `under`, or "text <page>", stand below this page in the sidebar.
    """
    text = re.sub("(?=<t[dh]|<small>|<br)", " ", TEMPLATES.get_template(
        f"{template}.html").render(title=title, under=under, **values))   # for search
    parts = ["1", title, *re.split("^<h([23])>([^<]*)</h.>$", text, flags=re.M)]
    found = "".join(f":{field}:\n" for field in fields.split())
    for level, name, part in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        name = re.sub(r"([^\w\s]|_)", r"\\\1", html.unescape(name))   # no markup
        found += f"\n{name}\n{len(name) * '=-~'[int(level) - 1]}\n\n"
        if part.strip():
            found += ".. raw:: html\n\n" + textwrap.indent(part, "   ") + "\n"
    return found + ("\n.. toctree::\n   :hidden:\n\n" + "".join(
        f"   {one if '<' in one else '/' + one}\n" for one in under) if under else "")


def named(folder, names):
    """Return the entries of pages in the sidebar, where words break at "_"."""
    return [name.replace("/", ".").replace("_", "_\u200b") + f" </{folder}/{name}>"
            for name in names]


def markdown(text, folder=""):
    """Return HTML of Markdown.  Links to files lead to the pages of these files, and
    anchors to figures.  A cell holds the name of its column, for narrow screens."""
    def target(match):
        if match[1][1:] in make.names(ROOT):
            return f'<a href="/figures/{match[1][1:]}.html">{match[2]}</a>'
        if re.match(r"https?:|/|#|[\w/]+\.html", match[1]):
            return match[0]
        path, _, tool = os.path.normpath(Path(folder) / match[1]).partition("#")
        place = PLACES.get(Path(path).name, "") + f"/{tool.split('-')[0]}" * bool(tool)
        if (ROOT / path).suffix in (".py", ".cpp", ".json") and (ROOT / path).is_file():
            place = f"source/{path}"
        return f'<a href="/{place}.html">{match[2]}</a>' if place else match[2]

    def labelled(match):
        cells = iter(re.findall(r"([^<>]*)(?:</\w+>)?</th>", match[0]) * 999)    # rows
        return re.sub("<td>", lambda _: f'<td data-label="{next(cells)}">', match[0])

    found = MarkdownIt("commonmark").enable("table").render(text)
    found = re.sub(r'<a href="([^"]*)">(.*?)</a>', target, found, flags=re.S)
    found = re.sub(r"\b([\w-]+/[\w.-]+)#(\d+)\b(?![^<]*</code>)",
                   r'<a href="https://github.com/\1/issues/\2">\g<0></a>', found)
    found = re.sub("(?m)(?<= )(# .*)$", r'<span class="remark">\1</span>', found)
    return Markup(re.sub(r"<table>.*?</table>", labelled, found, flags=re.S))


def section(path, title):
    """Return a section of a Markdown file, without its heading."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", read(path),
                     re.M | re.S)[1]


def keys(text, code=False):
    """Link papers, such as [ZG18], and, with `code`, figures in backquotes."""
    found = re.sub(r"\[([A-Z]+\d\d)\]", lambda m: (
        f'<a href="/papers/{m[1].lower()}.html">{m[0]}</a>'
        if m[1] in papers() else m[0]), str(escape(text)))
    return Markup(re.sub("`([^`]+)`", lambda m: (
        f'<a href="/figures/{m[1]}.html">{m[1]}</a>' if m[1] in make.names(ROOT) else
        f'<a href="/source/{m[1]}.html">{m[1]}</a>' if (ROOT / m[1]).is_file() else
        f"<code>{m[1]}</code>"), found) if code else found)


@functools.cache
def coloured(code, name="a.py", **options):
    """Return code with colours."""
    found = highlight(code, get_lexer_for_filename(name, stripnl=False),
                      HtmlFormatter(nowrap=not options, **options))
    return Markup(re.sub('<span class="[npw]">([^<]*)</span>', r"\1", found))  # plain


def file_of(module):
    """Return the path of a module, such as "fast/lif", or of a package."""
    return next(path for path in (f"refsnn/{module}.py", f"refsnn/{module}/__init__.py")
                if (ROOT / path).is_file())


@functools.cache
def modules():
    """Return the modules with proved equations, and those of packages for users."""
    packages = [path.parent for path in sorted((ROOT / "refsnn").rglob("__init__.py"))
                if path.parent.name not in ("refsnn", "build", "fast")]
    names = [path.relative_to(ROOT / "refsnn").with_suffix("").as_posix() for path in
             [*packages, *sorted((ROOT / "refsnn" / "oracle").glob("[!_]*.py"))]]
    return list(dict.fromkeys(equations.modules() + names))


@functools.cache
def parts(module):
    """Return the parts of the docstring of a module, as `equations.parts` does."""
    return equations.parts(ast.get_docstring(ast.parse(read(file_of(module)))) or "")


def proved(module, k):
    """Return the lines (number, code) and the tests (path, name, line, source) of an
    equation, which must exist.  Tests with drawn examples stand first."""
    rows, tests = equations.marks(module).get(k, ([], []))
    if not (rows and tests):
        raise ExtensionError(f"refsnn/{module}.py: equation ({k}) has no "
                             + ("proof" if rows else "marked line"))
    return equations.code_of(module)[k], sorted((
        (f"tests/{file}", name, *equations.functions(ROOT / "tests" / file)[name])
        for file, name in tests), key=lambda test: "@given" not in test[3])


def read_pages():       # a search for a word shows the page of words first
    words = re.findall(r"(?m)^\| ([a-z ]{3,}) \|", read("WORDS.md"))
    return {f"read/{module}": rendered(
        "module", module.replace("/", ".") + " (module)", module=module)
            for module in modules()} | {
        "read/index": rendered("read", "Read", under=[
            "read/equations", "read/words", *named("read", modules())]),
        "read/words": f".. index:: ! {', ! '.join(words)}\n"
                      + rendered("words", "Words and letters"),
        "read/equations": rendered("equations", "All equations", fields="hide-toc")}


def draw():
    """Draw stored results whose picture is missing or older than its sources."""
    def changed(*paths):
        return max(path.stat().st_mtime if path.exists() else 0 for path in paths)

    DRAWN.mkdir(parents=True, exist_ok=True)
    wanted = [path.stem for path in FULL.glob("*.h5") if changed(
        path, path.with_suffix(".json"), make.path_of(ROOT, path.stem)) > changed(
        DRAWN / f"{path.stem}.png")]
    told, status = storage.draw(FULL, DRAWN, wanted, figure, True)
    if status:
        raise ExtensionError("; ".join(told))


def result(name):
    """Return the full run of a figure, else the last run, and its claims, or None."""
    try:
        document = json.loads(read((FULL if name in full() else OUT) / f"{name}.json"))
        return document, claims.read(figure(name), document)
    except (OSError, LookupError, ValueError):      # no run, or one that failed
        return None


def picture(name):
    """Return the picture of a figure and the document of its run, or None."""
    path = next((path for path in (DRAWN / f"{name}.png", OUT / f"{name}.png")
                 if path.is_file() and result(name)), None)
    return path and (path, json.loads(read(path.with_suffix(".json"))))


def drawn_by(line):
    """Return the figures that answer a line of a paper."""
    found = re.findall(r"(?m)(?:^|`)(\w+)", "\n".join([*line.row.claims,
                                                      line.row.reason]))
    return [name for name in dict.fromkeys(found) if name in make.names(ROOT)]


@functools.cache
def papers_of(name):
    """Return the keys of the papers of a figure, in the order of the papers."""
    known, tag = papers(), gallery.tag(figure(name))
    return [key for key in known if f"[{key}]" in tag or any(
        text.startswith(f"{name}.") for row in known[key].ROWS for text in row.claims)]


def errors(title):
    """Return the departures or errata in `help("refsnn")`, with links to tests."""
    def target(match):
        path = next((ROOT / "tests").rglob(match[1])).relative_to(ROOT)
        line = equations.functions(ROOT / path)[match[2]][0]
        return f'<a href="/source/{path}.html#L-{line}">{match[0]}</a>'

    text = re.search(rf"most important\s{title}.*?:\n\n- (.*?)(?=\n\nThe |\Z)",
                     refsnn.__doc__, re.S)[1]
    text = re.sub("`(.*?)`", r"<code>\1</code>", str(keys(text)))
    text = re.sub(r"(test_\w+\.py)::(test_\w+)", target, text)
    return [Markup(" ".join(item.split())) for item in text.split("\n\n- ")]


def paper_pages(lines):
    for claim in results.unplaced(ROOT):
        raise ExtensionError(f"no line in figures/papers names {claim}")
    names, known = make.names(ROOT), papers()
    found = {f"figures/{name}": rendered(
        "figure", gallery.title_of(figure(name)), fields="orphan hide-toc", name=name)
        for name in names}
    for key, module in known.items():
        found[f"papers/{key.lower()}"] = rendered(
            "paper", f"[{key}] {gallery.PAPERS[key][0]}", key=key, lines=lines[key],
            module=module)
    under = {"papers/verdicts": rendered("verdicts", "Results by verdict", lines=lines),
             "papers/errata": rendered("errata", "Misprints and departures")}
    return found | under | {
        "figures/index": rendered("figures", "Figures"),
        "papers/index": rendered("papers", "Papers", lines=lines, under=[
            *(f"papers/{key.lower()}" for key in known), *under])}


def effect(vector, mistake):
    """Return the largest relative errors of outputs that a known mistake changes."""
    return {name: error for name, a in mistake.outputs.items() if (
        error := np.abs(a - b).max() / np.abs(b).max()
        if np.shape(a) == np.shape(b := vector.outputs[name]) else np.inf)
        > matching.FINE}


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


@functools.cache
def judged():
    """Return {tool: (verdict, its section of VERDICTS.md)}."""
    found = {tool: (verdict, verdicts.section(tool, verdicts.adapter(tool), verdict))
             for tool, verdict in json.loads(verdicts.STORED.read_text()).items()}
    for verdict, _ in found.values():
        verdict["vectors"] += [["eventprop", f"{one}, {by}:", text, text] for one, rows
                               in verdict["gradients"].items() for by, _, text in rows]
    return found


@functools.cache
def mistakes():
    """Return {name: rows (vector, mistake)} of all known mistakes."""
    found = {}
    for one in vectors().values():
        for mistake in one.mutants:
            found.setdefault(mistake.name, []).append((one, mistake))
    return dict(sorted(found.items(), key=lambda item: item[0].casefold()))


def seen(mistake):
    """Return where a known mistake was seen, with links to threads and to tools."""
    texts = {one.seen for _, one in mistakes()[mistake]}
    told = "; ".join(sorted(a for a in texts if sum(a in b for b in texts) == 1))
    told = re.sub(rf"(?<![\w/])({'|'.join(judged())})(?![\w/#])",
                  r"[\1](/check/tools/\1.html)", told)
    told = re.sub("^pub.*", r"[code of [ZG18]](https://github.com/fzenke/\g<0>)", told)
    return markdown(f"Seen in {told}." if told else "No public source.")


def defined(text):
    """Link the modules and equations that the text of a golden vector names."""
    first, *parts = re.split(r"\brefsnn\.([\w.]*\w)", str(escape(text)))
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        of = next(one for one in modules() if name.replace(".", "/") in (
            one, f"{one}/{name.rpartition('.')[2]}"))
        for k in equations.marks(of) if of in equations.modules() else ():
            part = part.replace(f"({k})", f'<a href="/read/{of}.html#eq-{k}">({k})</a>')
        first += f'<a href="/read/{of}.html">refsnn.{name}</a>{part}'
    return Markup(first)


def check_pages():
    found = {f"check/vectors/{one.name}": rendered(
        "vector", f"{one.name} (golden vector)", one=one) for one in vectors().values()}
    catalogue = stored.catalogue()
    for name in {*catalogue["required"], *catalogue["optional"]} - set(vectors()):
        raise ExtensionError(f"the golden vector {name} has no page")
    for mistake, rows in mistakes().items():
        found[f"check/mistakes/{slug(mistake)}"] = rendered(
            "mistake", mistake, rows=rows, fields="orphan")
    for tool, (verdict, text) in judged().items():
        found[f"check/tools/{tool}"] = rendered(
            "tool", text.partition("\n")[0][3:], tool=tool, verdict=verdict, text=text)
    under = {"check/vectors": rendered("vectors", "Golden vectors", under=named(
                 "check/vectors", vectors())),
             "check/mistakes": rendered("mistakes", "Known mistakes"),
             "check/tools": rendered("tools", "Tools", under=[
                 f"check/tools/{tool}" for tool in judged()])}
    for template, path in (("document", "tests/peers/NIR.md"),
                           ("protocol", "refsnn/oracle/vectors/PROTOCOL.md")):
        under[f"check/{Path(path).stem.lower()}"] = rendered(
            template, read(path).partition("\n")[0].strip("# "), of=read(path),
            folder=os.path.dirname(path))
    return found | under | {"check/index": rendered("check", "Check", under=under)}


def linked(text):
    """Link the repository and its issues, if the build knows their address."""
    place, issue = "the repository that this site was built from", r"\g<0> in {}"
    if all(ADDRESS):
        place = f'<a href="{"/".join(ADDRESS)}">the repository</a>'
        issue = f'<a href="{"/".join(ADDRESS)}/issues">\\g<0></a>'
    text = re.sub("clone of th(e|is) repository", f"clone of {place}", text)
    return re.sub("open an issue", issue.format(place), text)


def pages():
    """Return {name: text} of all pages."""
    lines = results.lines_of(ROOT, full())
    found = read_pages() | paper_pages(lines) | check_pages() | {
        "index": rendered("index", "refsnn", lines=lines, fields="hide-toc", under=(
            "read/index", "papers/index", "figures/index", "check/index", "questions",
            "use", "tutorials/index")),
        "use": rendered("use", "Use"), "questions": rendered("questions", "Questions")}
    found = {name: linked(text) for name, text in found.items()}    # but no source
    paths = re.findall(r'href="/source/([^"#]+)\.html', "".join(found.values()))
    for path in sorted(set(paths)):
        found[f"source/{path}"] = rendered("source", path, path=path,
                                           fields="orphan nosearch hide-toc")
    return {name: re.sub(r'(href|src)="/', rf'\1="{"../" * name.count("/")}', text)
            for name, text in found.items()}


def write(app):
    """Replace the written pages."""
    draw()
    for part in FOLDERS:
        shutil.rmtree(app.srcdir / part, ignore_errors=True)
    for name, text in pages().items():
        path = app.srcdir / f"{name}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def copy(app, error):
    """Copy pictures and data of figures, and golden vectors, to the site."""
    if error is not None:
        return
    shutil.rmtree(app.doctreedir)           # of no use: all pages are written anew
    for source, target in ((stored.FOLDER, "check/vectors"),
                           (ROOT / "figures" / "pictures", "pictures")):
        shutil.copytree(source, app.outdir / target, dirs_exist_ok=True)
    (app.outdir / "check" / "vectors.zip").unlink(missing_ok=True)
    files.write(str(app.outdir / "check" / "vectors.zip"))
    for name in filter(result, make.names(ROOT)):
        shown = [picture(name)[0].with_suffix(kind) for kind in (".png", ".h5")
                 if picture(name)]
        for path in [(FULL if name in full() else OUT) / f"{name}.json", *shown]:
            shutil.copy(path, app.outdir / "figures" / path.name)


def setup(app):
    app._fail_on_warnings = True        # as with the option -W
    app.connect("builder-inited", write)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(ROOT / "docs" / "_pages"), autoescape=True,
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
TEMPLATES.globals |= globals() | {"base64": base64, "exchange": exchange,
                                  "image": image, "io": io, "protocol": protocol}
