"""The gallery is sound HTML, and a browser shows every picture and claim."""

import html.parser
import json
import pathlib
import re
import types

import chromium
import numpy as np
import pytest
import toy_project

from figures.run import gallery

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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Return the gallery of a run in which a claim fails and a figure raises."""
    folder = toy_project.make(
        tmp_path_factory.mktemp("gallery") / "checkout", walks=toy_project.WALKS,
        fails=toy_project.FAILS, raises=toy_project.RAISES, speed=toy_project.SPEED)
    first = toy_project.run(folder, "fails", "raises", "speed", "--jobs", 1)
    second = toy_project.run(folder, "walks", "--jobs", 2)
    assert (first.returncode, second.returncode) == (1, 0), first.stderr
    return pathlib.Path(second.stdout.splitlines()[-1])


def claims(page):
    """Yield (claim, verdict) of every claim in the JSON files beside a page."""
    for path in sorted(page.parent.glob("*.json")):
        for claim in json.loads(path.read_text())["claims"]:
            yield claim, {True: "pass", False: "FAIL", None: "not judged"}[claim["ok"]]


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
    assert not re.search(r"https?:|<script|@import", text), "must not need a network"


def test_links_lead_somewhere(page):
    tags = Reader(page.read_text(encoding="utf-8")).tags
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert set(links) >= {"walks.h5", "walks.json", "walks.png", "#walks",
                          "raises.json"}
    for link in links:
        if link.startswith("#"):
            assert any(attributes.get("id") == link[1:] for _, attributes in tags)
        else:
            assert (page.parent / link).is_file(), link
    assert "raises.h5" not in links


def test_page_escapes_and_says_all(page):
    text = " ".join(Reader(page.read_text(encoding="utf-8")).text)
    assert 'Sums of coin flips & "products" <here>' in text
    assert "ZeroDivisionError: raised by repeat 7" in text
    assert "Mirrors no published figure." in text
    found = list(claims(page))
    assert len(found) == 3 and {verdict for _, verdict in found} == {
        "pass", "FAIL", "not judged"}
    for claim, _ in found:
        assert claim["text"] in text
    assert text.index("A claim that does not hold") < text.index("Threads of a job")


def document(**changes):
    return {"name": "a", "title": "A", "caption": "", "claims": [], "size": "quick",
            "seeds": {"seed": 0, "repeats": []}, "jobs": 1, "seconds": 300.0,
            "data": "embedded", "versions": {"refsnn": "0"}} | changes


def test_earlier_outputs_stay_and_foreign_files_are_left_out(tmp_path, capsys):
    gallery.write_json(tmp_path / "a.json", document())
    gallery.write_json(tmp_path / "b.json", document(name="b", title="B & C"))
    (tmp_path / "torn.json").write_text('{"name": ')
    (tmp_path / "other.json").write_text("[1, 2]")
    text = gallery.write_page(tmp_path).read_text()
    assert text.count("<article") == 2 and "B &amp; C" in text and "5 min" in text
    printed = capsys.readouterr().out
    assert "torn.json" in printed and "other.json" in printed


def test_keys_of_papers_are_resolved(tmp_path):
    gallery.write_json(tmp_path / "a.json", document(caption="Mirrors [ZG18] fig. 2."))
    text = gallery.write_page(tmp_path).read_text(encoding="utf-8")
    assert "<li>[ZG18] Zenke and Ganguli, 2018, arXiv 1705.11146</li>" in text
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
    claim = {"text": "t", "value": np.float32(np.nan), "bound": ">= 1", "ok": False,
             "paper": float("inf")}
    gallery.write_json(tmp_path / "a.json", document(claims=[claim]))
    text = (tmp_path / "a.json").read_text()
    back = json.loads(text, parse_constant=pytest.fail)
    assert back["claims"][0]["value"] == "nan" and back["claims"][0]["paper"] == "inf"
    assert "nan" in gallery.write_page(tmp_path).read_text()


def test_shown():
    values = [None, 0.0, 0.98765432, 84745.76, 1234567.0, 1e-5, 3, "text", float("nan")]
    assert [gallery.shown(value) for value in values] == [
        "\u2013", "0", "0.9877", "84746", "1.23e+06", "1.00e-05", "3", "text", "nan"]


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
            "fails.png", "walks.png", "speed.png"]
        for name, natural, alternative, shows in report.pictures:
            assert natural > 500 and alternative > 10 and shows, name
        assert report.wide <= report.window == width, "must not scroll sideways"
        rows = [" ".join(text.split()) for text, shows in report.claims if shows]
        assert len(rows) == 3 + 2, "of claims, and of the table of speed"
        for claim, verdict in claims(page):
            assert any(row.startswith(claim["text"]) and verdict in row
                       and gallery.shown(claim["value"]) in row
                       and gallery.shown(claim["paper"]) in row for row in rows), claim


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
