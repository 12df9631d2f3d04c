"""The pages of the site are complete; if something is missing, the build fails."""

import html
import importlib
import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site():
    """Return the extension, or skip the test if a package of the site is missing."""
    for package in ("sphinx", "furo", "sphinx_gallery", "markdown_it", "jinja2"):
        pytest.importorskip(package)
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("tests/peers", "docs/_ext"):
            patch.syspath_prepend(str(ROOT / folder))
        yield importlib.import_module("refsnn_site")


# ---- what fails the build

@pytest.mark.parametrize("marks, missing", [
    ({}, "marked line"), ({1: ([], [("test_rtrl.py", "test_by_hand")])}, "marked"),
    ({1: ([50], [])}, "proof")])
def test_an_equation_without_line_or_proof_fails(site, monkeypatch, marks, missing):
    assert [code for _, code in site.proved("rtrl", 1)[0]] == ["out += F"]
    monkeypatch.setattr(site.equations, "marks", lambda module: marks)
    with pytest.raises(site.ExtensionError,
                       match=rf"rtrl.py: equation \(1\) has no {missing}"):
        site.rendered("module", "rtrl", module="rtrl")


def test_whole_statements_and_tests_with_drawn_examples_are_shown(site):
    rows, tests = site.proved("lif", 16)
    assert rows[0][1] == "return (syn,  # (16)" and rows[-1][1].endswith("# (20)")
    (_, code), = site.proved("lif", 1)[0]
    assert code == "fired[t] = mem[t] > threshold"
    drawn = ["@given" in source for *_, source in site.proved("lif", 9)[1]]
    assert drawn == sorted(drawn, reverse=True) != [False] * len(drawn)
    page = site.rendered("module", "lif", module="lif")
    for place in (r"test_lif.py.html#L-\d+\">prove<", "/tolerances.py.html"):
        assert re.search(place, page)


def test_a_published_claim_without_a_line_is_refused(site, monkeypatch):
    monkeypatch.setattr(site.results, "unplaced", lambda root: ["xor.correct"])
    with pytest.raises(site.ExtensionError, match="figures/papers names xor.correct"):
        site.paper_pages({})


def test_a_golden_vector_without_a_page_is_refused(site, monkeypatch):
    one = {"bptt": site.vectors()["bptt"]}
    monkeypatch.setattr(site, "vectors", lambda: one)
    monkeypatch.setattr(site.stored, "catalogue", lambda: {
        "required": ["bptt", "rtrl"], "optional": []})
    with pytest.raises(site.ExtensionError, match="golden vector rtrl has no page"):
        site.check_pages()


@pytest.mark.parametrize("text, status", [("", 0), ("See `none`_.", 1)])
def test_a_warning_fails_the_build(site, monkeypatch, tmp_path, text, status):
    build = importlib.import_module("sphinx.cmd.build")
    monkeypatch.setattr(site, "write", lambda app: None)
    monkeypatch.setattr(site, "copy", lambda app, error: None)
    (tmp_path / "index.rst").write_text(f"Title\n=====\n\n{text}\n")
    assert build.build_main(["-Q", "-C", "-D", "extensions=refsnn_site", str(tmp_path),
                             str(tmp_path / "out")]) == status


# ---- texts

def test_headings_have_no_markup_and_html_is_not_parsed(site, monkeypatch):
    text = "<p>`first`</p>\n<h2>a_ &amp; *b*</h2>\n<pre>\n  x\n</pre>"
    template = site.jinja2.Template(text)
    monkeypatch.setattr(site.TEMPLATES, "get_template", lambda name: template)
    page = site.rendered("any", "[ZG18] |x|", fields="orphan", under=["read/lif"])
    assert page == (
        ":orphan:\n\n\\[ZG18\\] \\|x\\|\n" + 14 * "=" + "\n\n.. raw:: html\n\n"
        "   <p>`first`</p>\n\n\na\\_ \\& \\*b\\*\n" + 12 * "-"
        + "\n\n.. raw:: html\n\n\n   <pre>\n     x\n   </pre>\n"
        "\n.. toctree::\n   :hidden:\n\n   /read/lif\n")


@pytest.mark.parametrize("link, place", [
    ("../../WORDS.md", "/read/words.html"), ("NIR.md", "/check/nir.html"),
    ("harness/harness.cpp", "/source/tests/peers/harness/harness.cpp.html"),
    ("#xor", "/figures/xor.html"), ("#none", "#none"),
    ("read/lif.html", "read/lif.html"), ("https://a.b/c.md", "https://a.b/c.md"),
    ("../../LICENSE", None)])
def test_links_of_markdown_lead_to_pages(site, link, place):
    html = site.markdown(f"[a `b`]({link})", "tests/peers")
    assert html == (f'<p><a href="{place}">a <code>b</code></a></p>\n' if place else
                    "<p>a <code>b</code></p>\n")


def test_cells_name_their_column_and_threads_are_links(site):
    html = site.markdown("| a | [b](#b) |\n|---|---|\n| c | d |\n| e | x/y-z#12 |\n")
    assert '<span class="remark"># e</span>' in site.markdown("```sh\nd    # e\n```\n")
    assert re.findall(r'<td data-label="(\w)">(\w)', html) == [
        ("a", "c"), ("b", "d"), ("a", "e")]
    assert '<a href="https://github.com/x/y-z/issues/12">x/y-z#12</a>' in html


def test_texts_of_golden_vectors_link_their_equations(site):
    text = site.defined("a (1): refsnn.lif, (1)-(3), (99); refsnn.fast.si, (2); refsnn")
    assert re.findall(r'href="(.*?)"', text) == [
        "/read/lif.html", "/read/lif.html#eq-1", "/read/lif.html#eq-3",
        "/read/fast/si.html", "/read/fast/si.html#eq-2"]


@pytest.mark.parametrize("text, links", [
    ("(1) of `lif`", ["lif.html#eq-1", "lif.html"]),
    ("(1)-(3), (7) and (8) of\nthe module `fast.lif`", [
        *(f"fast/lif.html#eq-{k}" for k in (1, 3, 7, 8)), "fast/lif.html"]),
    ("(2) and `rtrl`; (3) of `none`, (4)", ["rtrl.html"])])
def test_equations_of_named_modules_are_links(site, text, links):
    found = str(site.TEMPLATES.get_template("related.html").module.related(text))
    assert re.findall('href="/read/(.*?)"', found) == links
    assert re.sub("<.*?>", "", found) == text


def test_mistakes_are_measured(site):
    vector = site.vectors()["bptt"]
    dW, dx = vector.outputs["dW"], vector.outputs["dx"]
    mistake = vector.mutants[0]._replace(outputs={"dW": 1.25 * dW, "dV": dW, "dx": dx})
    assert site.effect(vector, mistake) == {"dW": 0.25, "dV": float("inf")}
    symptom = site.TEMPLATES.get_template("symptom.html").module.symptom
    assert symptom(vector, mistake) == (
        "loss, spikes, mem, dx right; dW, dV wrong (dW 0.25, dV another shape)")


def test_sources_of_mistakes_are_links_and_stand_once(site):
    assert site.seen("reset detached") == (
        '<p>Seen in <a href="/check/tools/norse.html">norse</a> lif_step, '
        '<a href="https://github.com/fzenke/spytorch/issues/3">fzenke/spytorch#3</a>.'
        "</p>\n")
    assert site.seen("transposed V") == "<p>No public source.</p>\n"


@pytest.mark.parametrize("text, status", [
    ("equals known mistake: no reset (seen in a#1)", True), ("by | no reset |", True),
    ("a; no reset, times 2", True), ("known mistake: no reset\n", True),
    ("known mistake: there is no reset", False), ("known mistake: no resets", False)])
def test_verdicts_name_mistakes_completely(site, text, status):
    names = site.TEMPLATES.get_template("symptom.html").module.names
    assert bool(names(text, "no reset")) == status


def test_results_of_runs_that_cannot_be_read_are_not_shown(site, monkeypatch, tmp_path):
    name = next(name for name in site.make.names(ROOT) if name not in site.full())
    monkeypatch.setattr(site, "OUT", tmp_path)
    monkeypatch.setattr(site, "DRAWN", tmp_path)
    assert site.result("digits")[0]["size"] == "full" and site.result(name) is None
    (tmp_path / f"{name}.png").touch()
    (tmp_path / f"{name}.json").write_text('{"size": "quick", "claims": {}}')
    assert site.result(name) is None and site.picture(name) is None


def test_a_picture_of_another_run_than_the_numbers_says_so(site, monkeypatch, tmp_path):
    monkeypatch.setattr(site, "OUT", tmp_path)
    monkeypatch.setattr(site, "DRAWN", tmp_path)
    full, one = site.result("digits")[0], {"value": 0.5, "spread": None, "n": 3}
    (tmp_path / "digits.png").write_bytes(bytes(24))
    for document, size in ((full, "full"), ({**full, "claims": {"a": one}}, "full"),
                           ({**full, "size": "quick", "claims": {"a": one}}, "quick")):
        (tmp_path / "digits.json").write_text(json.dumps(document))
        page = site.rendered("figure", "Digits", name="digits")
        before, _, table = page.partition("<table>")
        assert "digits.png" in before and "<td" in table
        assert (f"This picture shows a {size} run. The table below shows a full run"
                in before) == (document != full)
        assert f"<small>{size} run</small>" in site.rendered("figures", "Figures")
        assert ('png" width="0" height="0"' in before) and (
            "too short" in before) == (document["size"] == "quick")


def test_every_miss_stands_in_the_list_with_its_cause(site):
    lines = site.results.lines_of(ROOT, site.full())
    page = site.rendered("verdicts", "Verdicts", lines=lines)
    for word in ("not reproduced", "differs"):
        name = word.capitalize()
        part = page.partition(f"\n{name}\n{len(name) * '-'}\n")[2].partition("\n---")[0]
        found = [(key, line) for key in lines for line in lines[key]
                 if line.word == word]
        assert len(found) >= 2 and f"Lines: {len(found)}." in part
        assert f'<a href="#{word.replace(" ", "-")}">{len(found)}</a>' in page
        for key, line in found:
            assert f"[{key}]</a> {line.row.place}" in part
            assert str(site.escape(line.row.states)) in part
            for _, claim, result in line.answers:
                if result and result.verdict in site.results.BAD:
                    told = site.keys(site.gallery.cause(claim), True)
                    assert str(told) in part and "ause" in told
    open_ = page.partition("\nNot decided\n---")[2].partition("\n---")[0]
    assert site.results.MISSED in open_ and "on the chip minus in software" in open_
    reasons = {site.results.undecided(line) for part in lines.values()
               for line in part if line.word == "not decided"}
    assert reasons == set(re.findall(r"(?m)^Not decided\\: (.*)$", open_))
    assert site.results.UNSTORED in reasons


def test_pages_of_counts_say_which_papers_were_read(site, pages):
    for page in ("index", "papers/index", "papers/verdicts"):
        assert str(site.keys(site.results.SOURCES)).replace(
            '"/', '"../' if "/" in page else '"') in pages[page]
    assert all(f"[{key}]" in site.results.SOURCES for key in site.papers())


def test_errata_name_their_paper_and_their_test(site):
    errata, departures = map(site.errors, ("errata", "departures"))
    assert len(errata) > 4 and len(departures) > 5
    for item in errata + departures:
        assert re.search(r'"/source/tests/.*#L-\d+">test_\w+\.py::test_\w+</a>', item)
    page = site.rendered("errata", "Misprints and departures")
    for word in ("misprint", "typo", "erratum", *errata, *departures,
                 "read/rnn.html#errata", "read/superspike.html#departures"):
        assert word in page
    assert "read/fast/superspike.html#departures" not in page       # it says only "See"


def test_only_changed_pictures_are_drawn(site, monkeypatch, tmp_path):
    asked = []

    def draw(folder, out, names, *_):
        asked.append(sorted(names))
        for name in names:
            (out / f"{name}.png").touch()
        return [], 0

    monkeypatch.setattr(site, "DRAWN", tmp_path)
    monkeypatch.setattr(site.storage, "draw", draw)
    site.draw()
    site.draw()
    os.utime(tmp_path / "superspike.png", (0, 0))
    site.draw()
    assert len(asked[0]) > 5 and asked[1:] == [[], ["superspike"]]
    monkeypatch.setattr(site.storage, "draw", lambda *_: (["torn"], 1))
    with pytest.raises(site.ExtensionError, match="torn"):
        site.draw()


def test_the_repository_is_linked_if_its_address_is_known(site, monkeypatch):
    text = "In a clone of this repository,\nopen an issue."
    monkeypatch.setattr(site, "ADDRESS", [None, "a/b"])
    place = "the repository that this site was built from"
    assert site.linked(text) == f"In a clone of {place},\nopen an issue in {place}."
    monkeypatch.setattr(site, "ADDRESS", ["https://c.d", "a/b"])
    assert site.linked(text) == (
        'In a clone of <a href="https://c.d/a/b">the repository</a>,\n'
        '<a href="https://c.d/a/b/issues">open an issue</a>.')


# ---- all pages

@pytest.fixture(scope="module")
def pages(site):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "ADDRESS", [None, None])
        return site.pages()


def test_a_golden_vector_has_a_level_and_the_set_a_licence(site, pages):
    for name, level in (("bptt", "required"), ("max_over_time", "optional")):
        assert f"Level: {level}. Golden" in pages[f"check/vectors/{name}"]
    text = pages["check/vectors"]
    assert '"../check/vectors.zip"' in text and ">MIT License</a>" in text
    assert '"../check/vectors/set.json"' in text
    text = pages["check/vectors/surrogates"]
    assert text.count("right: fast_sigmoid; differs: sigmoid: equals the right") == 1


def test_tools_and_questions_are_linked_to_known_mistakes(site, pages):
    """A tool has a mistake, has it not, or is not compared."""
    def tools(mistake):
        text = pages[f"check/mistakes/{mistake}"].partition("Judged tools\n")[2]
        return re.findall(r"<li>(.*)</li>", text)

    found, free, other = tools("missing-factor-tau-syn-of-dw")
    compared = free.count("tools/")
    assert found.endswith(f": none of the {compared} compared.") and "jaxsnn" in free
    assert "problem of spike times" in free and "golden vectors" not in free
    assert f": {len(site.judged()) - compared} of the {len(site.judged())} <a" in other
    found, other = tools("float16-times")
    assert found.endswith("no tool was compared.")
    found, *_ = tools("steepness-ignored")
    assert "tools/norse.html" in found and "norse" not in found.partition("</a>")[2]
    for mistake, tool in (("truncated-after-k-1-not-rtrl", "snntorch"),
                          ("importance-capped-at-1e-3", "avalanche"),
                          ("current-decays-before-it-is-read", "snntorch"),
                          ("scaled-to-unit-area", "snntorch")):
        assert f"tools/{tool}.html" in tools(mistake)[0]
    found, _, free, _ = tools("reset-detached")
    assert "snntorch</a> 1.0.0." in found and "norse</a> 1.1.0 (lif_step)," in found
    assert "(lif_feed_forward_step)" in free and "identify" in free
    found, *_, other = tools("surrogate-read-after-the-reset")
    judged = sum("gradients: " in str(verdict["neurons"])
                 for verdict, _ in site.judged().values())
    assert found.endswith(f": none of the {judged} compared.") and judged > 8
    mistake = "check/mistakes/surrogate-read-after-the-reset"
    assert "questions.html#q13" in pages[mistake]
    assert f"{mistake}.html" in pages["questions"]
    mistake = "check/mistakes/slope-at-a-spike-read-after-the-reset"
    assert "questions.html#q" in pages[mistake]
    assert f"{mistake}.html" in pages["questions"]


def test_the_list_of_mistakes_has_tools_and_questions(site, pages):
    entries = {re.search("<a .*?>(.*?)</a>", part)[1]: part for part in html.unescape(
        pages["check/mistakes"]).split('class="entry"')[1:]}
    for name in ("surrogate one step late", "surrogate read without the adaptation",
                 "surrogate read at the membrane, threshold forgotten",
                 "surrogate read after the reset", "surrogate shifted to 1"):
        text = entries[name].lower()
        assert "surrogate" in text and re.search("membrane|potential", text), name
        assert "questions.html#q" in text
    assert re.search(r"judged tools: <a [^>]*>norse</a> [\d.]+</p>",
                     entries["steepness ignored"])
    assert "judged tools" not in entries["surrogate shifted to 1"]
    assert "github.com/fzenke/pub2018superspike" in entries[
        "surrogate read after the reset"]


def test_mistakes_are_grouped_and_sorted(site, pages):
    groups = re.split(r"\n([\w\\]+): .*\n---+\n", pages["check/mistakes"])[1:]
    assert groups[0] == "lif\\" and "bptt\\" not in groups and len(groups) > 40
    for text in groups[1::2]:
        names = re.findall(r'"entry"><a .*?>(.*)</a>', html.unescape(text))
        assert names == sorted(names, key=str.casefold) != []
    assert sum(text.count("entry") for text in groups) == len(site.mistakes())


def test_pages_of_tools_say_in_words_what_a_version_does(site, pages):
    for tool, (verdict, _) in site.judged().items():
        text = pages[f"check/tools/{tool}"]
        assert text.count(verdict["date"]) == 1 and "No public source" not in text
        assert "(#presets" not in text and len(re.findall('="#presets', text)) == 0
        assert not verdict["neurons"] or "a tie: " in text or "gain: " in text
    assert re.search(r"Differs: <a [^>]*>EventProp</a> \(lif_adjoint_step, ",
                     pages["check/tools/norse"])
    assert "may follow another definition" in pages["check/tools/snntorch"]
    assert "nir.html#snntorch" in pages["check/tools/snntorch"]
    assert "nir.html" not in pages["check/tools/btorch"]
    assert "No difference of the time step was found" in pages["check/tools/torch"]
    assert "No difference of the time" not in pages["check/tools/snntorch"]
    assert re.search("synaptic current</th> <td [^>]*refsnn.>decays between [^<]*</td> "
                     "<td [^>]*Leaky.><b>none</b>", pages["check/tools/snntorch"])
    row = re.search(r">gradients of spike times</a></th>(.*?)</tr>",
                    pages["check/tools"], re.S)[1]
    assert row.count("✓") == 3 and row.count("≠") == 1
    assert "<td>part</td>" in pages["check/tools"]
    assert "tools.html#presets" in pages["check/tools/snntorch"]
    presets = pages["check/tools"].partition("\nPresets\n---")[2]
    assert presets.count("●") == presets.count("<tbody>") * len(
        site.refsnn.conventions.PRESETS) > 100


def test_the_page_check_shows_a_recording_and_its_report(site, pages):
    """The contents of a recording are those of the command's help."""
    text = html.unescape(pages["check/index"])
    for words in ("<code>x (T, B, m), W (n, m)</code></th>", "a spike (>=)",
                  "</th> <td>or tau_syn, tau_mem and dt; with alpha and beta, the unit",
                  "as spikingjelly LIFNode (spikingjelly)", "settled: decay euler"):
        assert words in text
    assert set(re.findall("<code>(\\w+)</code></td>", text)) == {
        *site.refsnn.conventions.AXES}
    assert "check/nir.html" in text.partition("Each golden vector has a field")[0]


def test_one_statement_says_how_to_install(pages):
    for page in ("index", "use", "check/index", "check/protocol"):
        assert "python -m pip install -e ." in pages[page], page
        assert "a clone of the repository that this site" in pages[page]
    assert "open an issue in the repository that this site" in pages["use"]
    assert "pip install refsnn" not in "".join(
        text for name, text in pages.items() if not name.startswith("source/"))


def test_the_first_page_leads_to_all_parts(site, pages):
    doors = re.findall('<div><a href="(.*?)"><b>(.*?)</b>', pages["index"])
    assert [name for _, name in doors] == ["Read", "Check", "Figures", "Use"]
    for page in ("check/protocol", "check/mistakes", "check/tools", "check/nir",
                 "read/equations", "questions", "tutorials/index", "papers/wp21"):
        assert f'href="{page}.html"' in pages["index"]
    assert len(site.papers()) == 8 and "fast" not in site.modules()


def test_the_protocol_begins_with_four_steps(site, pages):
    text = html.unescape(pages["check/protocol"])
    first, second = re.findall(r"\n\n(.*)\n---+\n", text)[:2]
    assert first == "From C\\+\\+ in four steps" and second == "Requests and replies"
    assert "harness.cpp.html" in text.partition(first)[0]
    assert text.index("<details>") < text.index('"dtype": "int64"')
    assert max(map(len, re.findall('(?<=download=").*', text))) > 5000


def test_every_page_is_made(site, pages):
    for name in ("index", "questions", "use", "read/rtrl", "read/words", "papers/cb22",
                 "figures/xor", "check/index", "check/protocol", "check/tools/norse",
                 "check/mistakes/reset-detached", "source/tests/test_rtrl.py"):
        assert len(pages[name]) > 200, name
    assert {f"check/vectors/{name}" for name in site.stored.names()} <= set(pages)
    assert {f"check/tools/{name}" for name in site.verdicts.TOOLS} <= set(pages)
    assert {f"figures/{name}" for name in site.make.names(ROOT)} <= set(pages)
    assert ("check/nir" in pages) == (ROOT / "tests" / "peers" / "NIR.md").is_file()
    for mistake in site.mistakes():
        assert f"mistakes/{site.slug(mistake)}.html" in pages["check/mistakes"]
        assert f"check/mistakes/{site.slug(mistake)}" in pages
    assert "questions.html#q" in pages["check/mistakes/reset-detached"]
    assert "\nDerivation\n---" in pages["read/lif"]
    assert "lif.html#eq-9\">(9)</a> of <a" in pages["read/words"]
    for entry in (r"bptt \(1\).*· adjoint", r"lif \(8\).*· adjoint"):
        assert re.search(entry, pages["read/equations"])
    assert pages["papers/nmz19"].count("The correct sign is plus") == 1
    misses = [pages[f"papers/{key}"].partition("their causes\n-")[2].partition(
        "\nDepartures and")[0] for key in ("nmz19", "cssz20")]
    assert ["[CSSZ20]" in part for part in misses] == [False, True]
    assert "source/figures/online/braille_tutorial.py.html" in pages["papers/nmz19"]
    assert re.search("exponent .*Not judged: .*not decided", pages["papers/zn21"])
    settings = pages["papers/cssz20"].partition("\nSettings\n")[2]
    assert re.search(r">reset</th> <td.*>unknown.*<span[^>]*>\?</span>", settings)
    assert re.search(r">100 \(40 recalled\)</td> <td[^>]*>100<", settings)
    assert settings.count("<details open>") == 1
    settings = pages["papers/zpg17"].partition("\nSettings\n")[2]
    assert re.search(r">dropout</th> <td[^>]*>[\d., ]*</td> <td[^>]*>same; F", settings)
    assert re.search(r">runs</th> <td[^>]*>5</td> <td[^>]*><span.*≠", settings)
    for page in ("index", "papers/index"):
        assert re.search(r'verdicts.html#not-reproduced">\d+</a> are not', pages[page])
    assert "/source/figures/train/spoken_words.py.html" in pages[
        "figures/spoken_classifiers"]
    for key in ("nmz19", "cssz20"):
        assert f'"../papers/{key}.html"' in pages["figures/spoken_classifiers"]
    assert pages["figures/index"].count('"../figures/spoken_classifiers.html"') == 2
    assert "   eventprop_\u200bgrid </check/vectors/eventprop_grid>" in \
        pages["check/vectors"]
    for tool in ("norse", "spyx"):
        assert f"\n{tool}\n{'~' * len(tool)}\n" in pages["check/nir"]
    assert "**" not in pages["check/nir"] and "<strong>" not in pages["check/nir"]
    numbers = [(module, k) for module in site.equations.modules()
               for k in site.equations.marks(module)]
    assert len(numbers) > 400
    for module, k in numbers:
        assert f'id="eq-{k}"' in pages[f"read/{module}"]
        assert f'"../read/{module}.html#eq-{k}"' in pages["read/equations"]
    assert not re.search(r'(href|src)="/', "".join(pages.values()))
