"""The gallery is sound HTML, and a browser shows every picture and claim."""

import html.parser
import json
import re
import types

import chromium
import numpy as np
import pytest
import toy_project

from figures.run import claims, gallery

VOID = {"meta", "link", "img", "br"}

# Returns what a reader would see.
SEEN = """(() => {
const shows = e => e.getClientRects().length > 0 && e.getBoundingClientRect().height > 0
  && e.getBoundingClientRect().right <= innerWidth + 1;
return {
  pictures: [...document.images].map(i => [i.getAttribute("src"), i.naturalWidth,
                                           i.alt.length, shows(i)]),
  claims: [...document.querySelectorAll("tbody tr")].map(r => [r.innerText, shows(r)]),
  wide: document.documentElement.scrollWidth, window: innerWidth,
};
})()"""


SOURCE = claims.Published(0.95, "[ZG18]", "fig. 4, text", "plot", 0.002, 5)
DRAWN = claims.stand_in("drawn", "accuracy on <drawn> digits & more", SOURCE,
                        differs="drawn digits", cause="too few digits")
DECLARED = {
    "walks": (claims.reproduction("near", "distance after 400 steps", SOURCE),
              DRAWN, DRAWN._replace(id="again", text="the same once more"),
              claims.own("one", "share of walks that end", low=0.5, high=2, unit="m"),
              claims.shown("seen", "a number that is shown", published=SOURCE._replace(
                  value="about 2", spread=None, n=None), why="there is no number"),),
    "fails": (claims.own("large", "x is large", low=3),),
    "speed": (), "raises": ()}
MEASURED = {"walks": {"near": [0.95, 0.951], "drawn": [0.5, 0.51], "again": [0.5],
                      "one": 1.0, "seen": 2.25}, "fails": {"large": 2.5}, "speed": {}}
TEXTS = {"walks": 'Sums of coin flips & "products" <here>.\n\nThe walks of [M17].\n',
         "fails": "A claim that does not hold.\n\nMirrors no published figure.\n",
         "speed": "Threads of a job.\n\nCaption.\n",
         "raises": "A job that raises <something>.\n\nNo picture.\n"}


VERSIONS = {"refsnn": "0.1", "numpy": "2", "scipy": "1", "python": "3", "blas": "x"}


def find(name):
    """Return the module of a figure."""
    return types.SimpleNamespace(
        __name__=name, __doc__=TEXTS[name], claims=lambda size: DECLARED[name],
        measured=lambda data: MEASURED[name])


def document(name, **changes):
    """Return a stored result."""
    results = {} if "error" in changes else claims.stored(
        claims.measured(find(name), {}, "full"))
    return {"figure": name, "size": "full", "seed": 0, "options": {}, "claims": results,
            "origins": [{"commit": "0123456789abcdef", "digest": None, "data": None,
                         "versions": VERSIONS, "machine": None, "date": None}],
            "jobs": [{"origin": 0, "seconds": 200.0, "call": "a()"},
                     {"origin": 0, "seconds": 100.0, "call": "b()"}]} | changes


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the gallery of a run in which a claim fails and a figure raises."""
    out = tmp_path_factory.mktemp("gallery")
    table = {"table": [["threads", "<pools>"], ["1", "1"], ["2", "2"]]}
    for name in TEXTS:
        more = {"error": "ZeroDivisionError: <b>"} if name == "raises" else \
            table if name == "speed" else {}
        gallery.write_json(out / f"{name}.json", document(name, **more))
        if name != "raises":
            (out / f"{name}.png").write_bytes(gallery.png(gallery.drawn(
                lambda data, fig: fig.subplots().plot(data), np.arange(3))))
            (out / f"{name}.h5").write_bytes(b"")
    return gallery.write_page(out, find, pytest.fail)


def judged():
    """Yield (claim, result) of every claim."""
    for name in MEASURED:
        yield from claims.read(find(name), document(name))


# ---- the text of the page -------------------------------------------------

class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and texts; complains if a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_sound_html(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=\"en\">")
    reader = Reader(text)
    names = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert sorted(names) == sorted(set(names)) and "walks" in names
    for tag, attributes in reader.tags:
        if tag == "img":
            assert len(attributes["alt"]) > 10
            assert int(attributes["width"]) > int(attributes["height"]) > 100
    text = text.replace(f'href="{gallery.ARXIV}', "")
    assert not re.search(r"https?:|<script|@import", text), "must not need a network"


def test_links_lead_somewhere(page):
    tags = Reader(page.read_text(encoding="utf-8")).tags
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert set(links) >= {"walks.h5", "walks.json", "walks.png", "#walks",
                          "raises.json", "https://arxiv.org/abs/1705.11146"}
    for link in links:
        if link.startswith("#"):
            assert any(attributes.get("id") == link[1:] for _, attributes in tags)
        elif not link.startswith(gallery.ARXIV):
            assert (page.parent / link).is_file(), link
    assert "raises.h5" not in links


def test_page_escapes_and_says_all(page):
    text = " ".join(" ".join(Reader(page.read_text(encoding="utf-8")).text).split())
    assert 'Sums of coin flips & "products" <here>' in text
    assert "ZeroDivisionError: <b>" in text
    assert "Mirrors no published figure." in text and "5 min of computing" in text
    assert "commit 0123456789 " in text
    found = list(judged())
    assert {result.verdict for _, result in found} == {
        "reproduced", "differs", "not decided", "holds", "fails", None}
    for claim, _ in found:
        assert claim.text in text
    for word in ("0.505 ± 0.0071 (2)", "0.95 ± 0.002 (5) (plot)", "[ZG18] fig. 4",
                 "Differs from the paper: drawn digits.", "within 0.01",
                 "Differs from the paper as above.", "Suspected cause: too few digits.",
                 "n = 1", "about 2 (plot)", "Not judged: there is no number.",
                 "≥ 0.5 and ≤ 2", "1 m"):
        assert word in text, word
    assert text.count("Differs from the paper: drawn digits.") == 1


def test_figures_are_ordered_by_paper(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall('<article id="(.*?)"', text) == ["walks", "fails", "raises",
                                                       "speed"]
    texts = {"a": "[ZPG17] fig. 3", "b": "[CB22] table 1", "z": "", "speed": "",
             "d": "[ZG18] fig. 4"}
    order = [gallery.order(types.SimpleNamespace(PAPER=paper), name)
             for name, paper in texts.items()]
    assert sorted(order) == [order[i] for i in (4, 0, 1, 2, 3)]


def test_tags_come_from_the_published_places():
    assert gallery.tag(find("walks")) == "[ZG18] fig. 4"
    assert gallery.tag(find("fails")) == ""
    other = SOURCE._replace(paper="[CB22]", place="table 1; text")
    module = types.SimpleNamespace(claims=lambda size: [
        DRAWN, DRAWN._replace(published=other),
        DRAWN._replace(published=SOURCE._replace(place="fig. 2"))])
    assert gallery.tag(module) == "[ZG18] fig. 4, fig. 2; [CB22] table 1"


def test_the_worst_verdict_stands_in_the_index(page):
    index = page.read_text(encoding="utf-8").partition("</nav>")[0]
    found = re.findall(r'href="#(\w+)".*?"verdict (\w+)">(.*?)</span></li>', index)
    assert found == [("walks", "miss", "≠ differs"), ("fails", "fail", "✗ fails"),
                     ("raises", "fail", "✗ no result"),
                     ("speed", "open", "– not judged")]
    assert "4 figures \u00b7" in index and "1 reproduced</span>" in index
    assert "1 without a result" in index


def test_files_that_are_no_results_are_left_out(tmp_path):
    told = []
    gallery.write_json(tmp_path / "a.json", document("fails"))
    (tmp_path / "torn.json").write_text('{"name": ')
    (tmp_path / "other.json").write_text("[1, 2]")
    gallery.write_json(tmp_path / "earlier.json", document("walks", claims={}))
    gallery.write_json(tmp_path / "gone.json", document("x", error="no such figure"))
    text = gallery.write_page(tmp_path, find, told.append).read_text()
    assert re.findall('<article id="(.*?)"', text) == ["fails", "x"]
    assert [re.search(r"(\w+)\.json", line)[1] for line in told] == [
        "earlier", "other", "torn"]
    assert "lacks again, drawn, near, one, seen" in told[0]


def test_keys_of_papers_are_resolved(page):
    text = page.read_text(encoding="utf-8")
    assert ("<li>[ZG18] Zenke and Ganguli, 2018, <a "
            'href="https://arxiv.org/abs/1705.11146">arXiv 1705.11146</a></li>') in text
    assert 'walks of <a href="https://arxiv.org/abs/1606.08165">[M17]</a>' in text
    assert "[NMZ19]" not in text
    references = " ".join(path.read_text() for path in sorted(
        (toy_project.ROOT / "refsnn").glob("*.py")))
    for key, (authors, number) in gallery.PAPERS.items():
        found = re.findall(rf"(?m)^\[{key}\] ([^\[\"]+)", references)
        assert any(re.sub(r"\s+", " ", entry).find(f"arXiv {number}") > 0
                   and authors.split()[0].strip(",") in entry for entry in found), key
    keys = {key for path in (toy_project.ROOT / "figures").glob("*/fig_*.py")
            for key in re.findall(r"\[([A-Z]+\d\d)", gallery.described(path)[1])}
    assert keys and keys <= set(gallery.PAPERS)


def test_numbers_are_strict_json(tmp_path):
    results = {"large": {"value": np.float32(np.nan), "spread": None, "n": None,
                         "values": None}}
    gallery.write_json(tmp_path / "a.json", document("fails", claims=results))
    back = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert back["claims"]["large"]["value"] == "nan"
    text = gallery.write_page(tmp_path, find, pytest.fail).read_text()
    assert ">nan<" in text and "the value is not finite" in text


@pytest.mark.parametrize("claim, text", [
    (claims.own("a", "b", low=0.5), "≥ 0.5"), (claims.own("a", "b", high=2), "≤ 2"),
    (claims.own("a", "b", low=0, high=0), "= 0"), (claims.shown("a", "b"), "–"),
    (claims.reproduction("a", "b", SOURCE), "within 0.01"),
    (claims.reproduction("a", "b", SOURCE, tolerance=0), "equal"),
    (claims.reproduction("a", "b", SOURCE, ordered=True), "above 0"),
    (claims.reproduction("a", "b", SOURCE, ordered=True, log=True), "above 1"),
    (claims.reproduction("a", "b", SOURCE, log=True, tolerance=1.25),
     "within a factor of 1.25")])
def test_required(claim, text):
    assert gallery.required(claim) == text


def test_a_line_of_text():
    lines = [gallery.line(*pair) for pair in judged()]
    assert lines[0] == ("✓ reproduced  distance after 400 steps: 0.9505 ± 0.00071 "
                        "(2) (within 0.01; published: 0.95 ± 0.002 (5) (plot), [ZG18] "
                        "fig. 4, text)")
    assert lines[2].startswith("– not decided, n = 1  the same once more: 0.5 (1) (")
    assert lines[4] == ("–   a number that is shown: 2.25 (published: about 2 (plot), "
                        "[ZG18] fig. 4, text)")
    assert lines[-1] == "✗ fails  x is large: 2.5 (≥ 3)"


@pytest.mark.parametrize("changes, text", [
    ({}, "Suspected cause: a."), ({"cause_run": "b"}, "Cause, shown by b: a."),
    ({"cause": ""}, "Cause: not known.")])
def test_causes_are_shown_or_suspected(changes, text):
    assert gallery.cause(DRAWN._replace(**{"cause": "a"} | changes)) == text


def test_origins():
    short = document("fails", jobs=[{"origin": 0, "seconds": 9000, "call": "9 jobs"}],
                     options={"hidden": 8})
    short["origins"][0].update(commit=None, data={"mnist": "sha", "shd": "sha"},
                               note="a note")
    versions = "refsnn 0.1, numpy 2, scipy 1, python 3"
    assert gallery.note(short) == (
        "full size, seed 0, hidden = 8, 9 jobs, 2.5 h of computing, data: mnist, shd, "
        f"{versions}, date not recorded, a note, commit not recorded")
    found = document("fails")
    found["origins"] = [{**found["origins"][0], "date": "today", "machine": {
        "processor": "fast", "cores": 2}}, *found["origins"]]
    assert gallery.note(found) == (
        "full size, seed 0, 2 jobs, 5 min of computing, data: embedded or "
        f"random, {versions}, "
        "fast, today, commit 0123456789")
    found["jobs"].append({"origin": 1, "seconds": 7.0, "call": "201 jobs"})
    assert gallery.note(found).partition("; ")[2] == (
        f"201 jobs, 7 s of computing, data: embedded or random, {versions}, date not "
        "recorded, commit 0123456789")


def test_shown():
    values = [None, 0.0, 0.98765432, 84745.76, 1234567.0, 1e-5, 3, "text", float("nan")]
    assert [gallery.shown(value) for value in values] == [
        "–", "0", "0.9877", "84746", "1.23e+06", "1.00e-05", "3", "text", "nan"]


def test_spreads_have_two_digits():
    assert [gallery.with_spread(1.0, spread, 3) for spread in (0.01234, 99.9, 188.0)] \
        == ["1 ± 0.012 (3)", "1 ± 100 (3)", "0 ± 190 (3)"]
    assert [gallery.with_spread(133.8, spread, 2) for spread in (0.0, 0.1234, 35.0)] \
        == ["133.8 ± 0 (2)", "133.8 ± 0.12 (2)", "134 ± 35 (2)"]


def test_random_numbers_of_unknown_spread_have_three_digits():
    claim = claims.own("a", "a", low=0, unit="s")
    assert [gallery.ours(claim, claims.Result(value, spread, n)) for value, spread, n in
            ((0.076412, None, 1), (0.076412, None, None), (1234.5, None, 2),
             (0.076412, 0.0051, 2))] == [
        "0.0764 (1) s", "0.07641 s", "1234 (2) s", "0.0764 ± 0.0051 (2) s"]


# ---- the page in a browser ------------------------------------------------

def opened(path, width):
    """Open a page in every installed browser; yield (report, console lines)."""
    for browser in chromium.browsers():
        report, console = chromium.opened(browser, path.as_uri(), width, 900, SEEN)
        yield types.SimpleNamespace(**report), console


@pytest.mark.parametrize("width", [1200, 390])
def test_every_picture_loads_and_every_claim_is_shown(page, width):
    for report, console in opened(page, width):
        assert console == []
        assert [name for name, *_ in report.pictures] == [
            "walks.png", "fails.png", "speed.png"]
        for name, natural, alternative, shows in report.pictures:
            assert natural > 500 and alternative > 10 and shows, name
        assert report.wide <= report.window == width, "must not scroll sideways"
        rows = [" ".join(text.split()) for text, shows in report.claims if shows]
        assert len(rows) == 6 + 2, "of claims, and of the table of speed"
        for claim, result in judged():
            assert any(row.startswith(claim.text)
                       and gallery.verdict(claim, result) in row
                       and gallery.ours(claim, result) in row and result.reason in row
                       and gallery.published(claim) in row for row in rows), claim


def test_the_script_notices_what_is_wrong(tmp_path):
    """It reports a missing picture, a hidden claim and a word on the console."""
    wrong = tmp_path / "wrong.html"
    wrong.write_text(
        '<!DOCTYPE html><html><body><img src="none.png" alt=""><table><tbody>'
        '<tr hidden><td>claim</td></tr></tbody></table><div style="width:3000px">.'
        '</div><script>console.error("word")</script></body></html>')
    for report, console in opened(wrong, 800):
        assert report.pictures[0][1] == 0
        assert report.claims[0][1] is False
        assert report.wide > report.window
        assert any("word" in line for line in console)
