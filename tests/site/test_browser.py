"""In a browser, the site is legible, narrow and complete, and asks no other host.

The site must have been built: python -m sphinx docs docs/out
"""

import functools
import html.parser
import http.server
import json
import os
import re
import threading
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "out"
PHONE = 390             # pixels
CONTRAST = 4.5          # smallest of text, by the rules for accessible pages
BATCH = 60              # pages that one browser opens
MOST = 60e6             # bytes of the site
KINDS = ("index", "read/index", "read/rtrl", "read/equations", "read/words",
         "papers/index", "papers/zg18", "papers/verdicts", "papers/errata",
         "figures/index", "figures/superspike", "figures/ntt",
         "figures/xor", "check/index", "check/vectors/bptt", "check/mistakes",
         "check/mistakes/reset-detached", "check/tools", "check/tools/norse",
         "check/protocol", "questions", "use", "tutorials/index",
         "tutorials/learn_online", "source/refsnn/rtrl.py", "search")

# Opens a page in a frame that is as wide as a phone.
FRAME = """
const wait = ms => new Promise(done => setTimeout(done, ms));
const frame = document.createElement("iframe");
frame.style = "width: %dpx; height: 900px; border: 0";
document.body.replaceChildren(frame);
const loaded = () => new Promise(done => frame.onload = done);
const open = async url => { const end = loaded(); frame.src = "/" + url; await end; };
const find = (where, text) => [...frame.contentDocument.querySelectorAll(where)].find(
  one => one.textContent.trim() == text);
const click = async one => { const end = loaded(); one.click(); await end; };
""" % PHONE

# Returns the pages that are too wide, what they load from other hosts, and pictures
# without an alternative text.
WIDE = """
const found = [];
for (const page of PAGES) {
  await open(page);
  const whole = frame.contentDocument.documentElement;
  frame.contentDocument.body.insertAdjacentHTML("beforeend", ADDED);
  const foreign = frame.contentWindow.performance.getEntriesByType("resource").map(
    entry => entry.name).filter(name => !name.startsWith(location.origin));
  const bare = [...frame.contentDocument.images].filter(one => !one.alt.trim()).map(
    one => one.src);
  if (whole.scrollWidth > whole.clientWidth || foreign.length || bare.length)
    found.push([page, whole.scrollWidth, foreign, bare]);
}
return found;
"""

# Returns the text with the smallest contrast to its background, in both themes.
DIM = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].map(part => part / 255);
};
const light = rgb => rgb.slice(0, 3).map(
  part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce(
  (sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
const over = (top, base) => top.map((part, i) =>
  i < 3 ? part * top[3] + base[i] * (1 - top[3]) : 1);
const ground = one => {
  const own = rgba(getComputedStyle(one).backgroundColor);
  return own[3] == 1 ? own : over(own, one.parentElement ? ground(one.parentElement)
                                                         : [1, 1, 1, 1]);
};
const found = [];
for (const page of PAGES) {
  await open(page);
  const body = frame.contentDocument.body;
  for (const theme of ["light", "dark"]) {
    body.dataset.theme = theme;
    await wait(300);
    for (const one of body.querySelectorAll("*")) {
      const text = [...one.childNodes].filter(node => node.nodeType == 3).map(
        node => node.data.trim()).join("");
      const box = one.getBoundingClientRect();
      const options = {visibilityProperty: true, opacityProperty: true};
      if (!text || !one.checkVisibility(options)) continue;
      if (box.width < 2 || box.height < 2) continue;
      const base = ground(one);
      const parts = [light(over(rgba(getComputedStyle(one).color), base)), light(base)];
      const ratio = (Math.max(...parts) + 0.05) / (Math.min(...parts) + 0.05);
      if (ratio < LEAST) found.push([page, theme, text.slice(0, 40), ratio]);
    }
  }
}
return found;
"""


def missing(text):
    if os.environ.get("REFSNN_NO_SKIP") == "1":
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="module")
def run():
    """Return a function that runs a script in a browser on the site."""
    if not (SITE / "index.html").is_file():
        missing("no site: python -m sphinx docs docs/out")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tests" / "figures"))
        import chromium
    browser = chromium.browsers()[0]

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(
        Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def in_browser(script, path="use.html", **values):
        given = "".join(f"const {name} = {json.dumps(value)};\n"
                        for name, value in values.items())
        return chromium.opened(
            browser, f"http://127.0.0.1:{server.server_port}/{path}", 1200, 900,
            f"(async () => {{\n{given}{FRAME}{script}}})()")

    yield in_browser
    server.shutdown()
    server.server_close()


def pages():
    """Return the paths of all pages."""
    return sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")
                  if "_static" not in path.parts)


# ---- without a browser

class Reader(html.parser.HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.loaded = set(), {""}, set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        for name in ("src", "srcset", "data") + ("href",) * (tag == "link"):
            if given.get(name):
                self.loaded.add(given[name])


def dead(read):
    """Return the links to missing files and anchors, and foreign files that load."""
    found = []
    for name, page in read.items():
        for link in page.links | page.loaded:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme == "data" or parts.scheme and link not in page.loaded:
                continue
            target = os.path.normpath(os.path.join(
                os.path.dirname(name), urllib.parse.unquote(parts.path))) \
                if parts.path else name
            anchors = read[target].anchors if target in read else {""}
            if parts.scheme or parts.netloc or not (SITE / target).is_file() or (
                    urllib.parse.unquote(parts.fragment) not in anchors):
                found.append((name, link))
    return found


def test_every_link_and_anchor_leads_somewhere(run):
    read = {name: Reader(SITE / name) for name in pages()}
    assert len(read) > 400 and dead(read) == []
    page = read["index.html"]
    for link in ("none.html", "read/rtrl.html#eq-9", "#none"):
        page.links.add(link)
    page.loaded.add("https://a.b/c.css")
    assert len(dead({**read})) == 4


def test_the_site_is_small_and_no_file_asks_another_host():
    if not SITE.is_dir():
        missing("no site: python -m sphinx docs docs/out")
    for path in [*SITE.rglob("*.css"), *SITE.rglob("*.html")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*[\"']?(https?:)?//|@import", text), path
    assert sum(path.stat().st_size for path in SITE.rglob("*")) <= MOST


def test_notebooks_begin_with_what_they_need():
    if not SITE.is_dir():
        missing("no site: python -m sphinx docs docs/out")
    found = [json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
             for path in SITE.rglob("*.ipynb")]
    assert found and all("-e '.[figures]'" in "".join(cell) for cell in found)


# ---- with a browser

def test_pages_fit_a_phone_ask_no_other_host_and_describe_pictures(run):
    every = pages()
    for start in range(0, len(every), BATCH):
        found, console = run(WIDE, PAGES=every[start:start + BATCH], ADDED="")
        assert found == [] and console == []
    for added in (f'<div style="width: {PHONE + 20}px">.</div>', "<img>"):
        assert len(run(WIDE, PAGES=["use.html"], ADDED=added)[0]) == 1


def test_nothing_scrolls_sideways_on_a_desktop(run):
    found, _ = run("""
      frame.style.width = "1280px";
      const found = [];
      for (const page of PAGES) {
        await open(page);
        for (const one of frame.contentDocument.querySelectorAll("article *"))
          if (one.scrollWidth > one.clientWidth + 1 &&
              getComputedStyle(one).overflowX == "auto")
            found.push([page, one.scrollWidth, one.innerText.slice(0, 40)]);
      }
      return found;
    """, PAGES=[f"{kind}.html" for kind in KINDS])
    assert found == []


def test_text_is_legible_in_both_themes(run):
    found, console = run(DIM, PAGES=[f"{kind}.html" for kind in KINDS], LEAST=CONTRAST)
    assert found == [] and console == []
    assert run(DIM, PAGES=["index.html"], LEAST=30)[0]


def test_an_equation_its_line_and_its_test_are_three_clicks_away(run):
    found, console = run("""
      await open("index.html");
      await click(frame.contentDocument.querySelector('.doors a'));
      await click(find("article a", "rtrl"));
      const one = frame.contentDocument.getElementById("eq-1");
      const before = one.innerText;
      one.querySelector("summary").click();
      return [before, one.innerText, frame.contentWindow.location.pathname];
    """)
    before, after, path = found
    assert path == "/read/rtrl.html" and console == []
    assert "M[t] = J[t] M[t-1] + F[t]" in before and "out += F" in before
    assert "def test_by_hand" in after and "def test_by_hand" not in before


def test_a_line_of_a_source_page_is_highlighted(run):
    (path, text, other), _ = run("""
      await open("read/rtrl.html");
      await click(frame.contentDocument.querySelector("#eq-1 pre.highlight a"));
      const border = one => getComputedStyle(one).outlineStyle;
      const line = frame.contentDocument.querySelector(":target");
      return [frame.contentWindow.location.pathname, line.innerText,
              border(line) != border(line.nextElementSibling)];
    """)
    assert path == "/source/refsnn/rtrl.py.html" and "out += F" in text and other


def test_the_filter_shows_the_equations_with_all_words(run):
    (some, every, first, traces, near, none), _ = run("""
      await open("read/equations.html");
      const count = () => [...frame.contentDocument.querySelectorAll(".entry")].filter(
        one => one.checkVisibility()).map(one => one.innerText);
      const every = count(), box = frame.contentDocument.getElementById("filter");
      const filter = words => {
        box.value = words;
        box.dispatchEvent(new Event("input"));
        return count();
      };
      return [filter("ZG18 lambda"), every.length, filter("lif linearise"),
              filter("eligibility trace"), filter("xyzzy eligibility trace"),
              filter("xyzzy")];
    """)
    assert every > 400 and 2 <= len(some) < 20
    assert all("ZG18" in text and "lambda" in text for text in some)
    assert first[0].startswith("lif (") and "linearise" in first[0]
    assert {text.split("\u00b7")[0].partition(") ")[0] for text in traces} >= {
        "alif (8", "sparse_rtrl (7", "stack.online (4", "superspike (8",
        "superspike (9"}
    assert set(near[:len(traces)]) == set(traces) and none == []


def test_the_filter_of_mistakes_prefers_words_to_parts_of_words(run):
    (surrogate, ties, potential, part, groups, notes), _ = run("""
      await open("check/mistakes.html");
      const box = frame.contentDocument.getElementById("filter");
      const shown = where => [...frame.contentDocument.querySelectorAll(where)].filter(
        one => one.checkVisibility()).map(one => one.innerText);
      const filter = words => {
        box.value = words;
        box.dispatchEvent(new Event("input"));
        return shown(".entry");
      };
      const found = [filter("surrogate potential"), filter("tie"),
                     filter("potential shown"), filter("daptatio")];
      const groups = shown("h2");
      await open("tutorials/learn_online.html");
      return [...found, groups, shown(".sphx-glr-download-link-note a")];
    """)
    assert ties and all(re.search(r"\btie", text) for text in ties)
    assert any(text.startswith("membrane and current shown") for text in potential)
    for name in ("one step late", "read at the membrane", "read after the reset",
                 "read without the adaptation", "shifted to 1"):
        assert any(text.startswith(f"surrogate {name}") for text in surrogate)
    assert part and all("adaptation" in text for text in part)
    assert 1 <= len(groups) < 6 and any(note.endswith(".ipynb") for note in notes)


@pytest.mark.parametrize("words, page", [
    ("eligibility trace", "read/alif.html"), ("de-calibration", "papers/cb22.html"),
    ("misprint", "papers/errata.html"), ("erratum", "papers/errata.html"),
    ("typo", "papers/errata.html"), ("Braille", "papers/nmz19.html"),
    ("reset by subtraction", "check/mistakes/reset-to-zero-not-by-subtraction.html")])
def test_search_finds(run, words, page):
    found, _ = run("""
      await open("search.html?q=" + encodeURIComponent(WORDS));
      let links = [];
      for (let tries = 0; tries < 100; tries++) {
        await wait(100);
        const now = [...frame.contentDocument.querySelectorAll("ul.search li > a")];
        if (now.length && now.length == links.length) break;
        links = now;
      }
      return links.map(link => new URL(link.href).pathname.slice(1));
    """, WORDS=words)
    assert page in found[:10]
    assert words != "eligibility trace" or found[0] == "read/words.html"
