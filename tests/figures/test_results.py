"""RESULTS.md and the results in README.md say what the stored full runs found."""

import json
import shutil
import sys
import types

import numpy as np
import pytest
import run_all
import toy_project

from figures import papers
from figures.run import claims, gallery, make, results
from figures.run import storage

ROOT = toy_project.ROOT
FULL = ROOT / "figures" / "full"
HINT = "`python run_all.py --table` writes it anew"


@pytest.fixture(scope="module")
def stored():
    return results.read(ROOT)


# ---- the two texts are up to date

def test_results_are_those_of_the_stored_runs():
    path = ROOT / "figures" / "RESULTS.md"
    assert path.read_text(encoding="utf-8") == results.text(ROOT), HINT


def test_readme_shows_the_headlines():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.count(results.BEGIN) == page.count(results.END) == 1
    found = page.partition(results.BEGIN)[2].partition(results.END)[0]
    assert found == results.readme(ROOT), HINT


def test_headlines_show_each_capability_and_what_is_not_reproduced(stored):
    shown = [(name, result.verdict) for name, one in stored.items()
             for claim, result in one.judged.values() if claim.headline]
    folders = {make.path_of(ROOT, name).parent.name for name, _ in shown}
    assert folders == {make.path_of(ROOT, name).parent.name for name in stored}
    assert 10 <= len(shown) <= 14
    assert sum(word in (*results.BAD, "not decided") for _, word in shown) >= 3


# ---- claims and papers

def test_each_published_number_of_a_claim_stands_in_a_line_of_its_paper():
    assert results.unplaced(ROOT) == []


def test_a_claim_without_a_line_is_seen(monkeypatch):
    monkeypatch.setattr(results, "papers", dict)
    assert "superspike.hit" in results.unplaced(ROOT)


def test_all_papers_are_listed():
    wanted = [key for key in gallery.PAPERS if key != "M17"]
    assert list(results.papers()) == wanted
    lines = results.lines_of(ROOT, results.read(ROOT))
    assert sum(map(len, lines.values())) > 80
    for key, module in results.papers().items():
        assert all(isinstance(row, papers.Row) for row in module.ROWS), key
        for one in module.SETTINGS:
            assert one.figure in make.names(ROOT), (key, one.title)
            assert one.settings and all(len(cells) == 3 for cells in one.settings)


@pytest.mark.parametrize("name", sorted(path.stem for path in FULL.glob("*.json")))
def test_stored_results_are_numbers(name):
    document = json.loads((FULL / f"{name}.json").read_text())
    for entry in document["claims"].values():
        assert set(entry) == {"value", "spread", "n", "values"}
        parts = [entry["value"], entry["spread"], entry["n"], *(entry["values"] or ())]
        assert all(part is None or isinstance(part, (int, float)) for part in parts)


@pytest.mark.parametrize("change", ["swap", "drop", "rename", "add", "move"])
def test_changed_results_are_seen(tmp_path, change):
    """A result that is changed by hand gives another text or an error."""
    shutil.copytree(FULL, tmp_path, dirs_exist_ok=True)
    assert results.text(ROOT, tmp_path) == results.text(ROOT)
    path = tmp_path / "digits.json"
    document = json.loads(path.read_text())
    found = document["claims"]
    first, second, *_ = found
    if change == "move":        # the order of claims in a file has no meaning
        document["claims"] = dict(reversed(found.items()))
    elif change == "swap":
        found[first], found[second] = found[second], found[first]
    elif change == "drop":
        del found[first]
    elif change == "rename":
        found["other-name"] = found.pop(first)
    else:
        found["other-name"] = found[first]
    path.write_text(json.dumps(document))
    if change in ("swap", "move"):
        same = results.text(ROOT, tmp_path) == results.text(ROOT)
        assert same == (change == "move")
        return
    lacks, more = f"lacks {first}", "has undeclared other-name"
    wanted = {"drop": lacks, "rename": f"{lacks} and {more}", "add": more}[change]
    with pytest.raises(results.Damaged, match=f"digits.json is damaged .*{wanted}"):
        results.text(ROOT, tmp_path)


def test_a_claim_that_is_newer_than_the_run_is_not_decided(tmp_path):
    shutil.copytree(FULL, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "digits.json"
    document = json.loads(path.read_text())
    del document["claims"]["fashion-test"]
    document["ids"].remove("fashion-test")
    path.write_text(json.dumps(document))
    lines = results.lines_of(ROOT, results.read(ROOT, tmp_path))["NMZ19"]
    line, = [line for line in lines if line.row.claims == ("digits.fashion-test",)]
    assert line.word == "not decided" and line.answers[0][2] is None
    results.text(ROOT, tmp_path)


# ---- a small project

SOURCE = claims.Published(0.8, "[ZG18]", "fig. 4", "read", 0.002, 3)
WORDS = SOURCE._replace(value="faster", known="words", spread=None, n=None)
TOY = types.SimpleNamespace(
    __name__="fig_toy", __doc__="A toy.\n\nCaption.", claims=lambda size: [
        claims.reproduction("good", "good | accuracy", SOURCE, headline="Good"),
        claims.reproduction("bad", "bad accuracy", SOURCE, cause="too little",
                            cause_run="another run", headline="Bad"),
        claims.stand_in("near", "accuracy on digits", SOURCE, differs="digits"),
        claims.stand_in("too", "again", SOURCE, differs="digits"),
        claims.stand_in("far", "accuracy on letters", SOURCE, differs="letters",
                        cause="letters are hard"),
        claims.reproduction("once", "cost of one run", SOURCE, unit="%", cause="c"),
        claims.reproduction("order", "difference", WORDS, ordered=True),
        claims.own("holds", "own one", low=0),
        claims.own("fails", "own two", high=0, cause="two"),
        claims.own("fails-too", "own three", high=0, cause="two"),
        claims.stand_in("sign", "sign", SOURCE, ordered=True, differs="digits"),
        claims.shown("shown", "a number", published=WORDS, why="there is none")])
MEASURED = {"good": [0.8, 0.801, 0.799], "bad": [0.9, 0.901, 0.899],
            "near": [0.8, 0.801, 0.799], "too": [0.8], "far": [0.7, 0.701, 0.699],
            "once": [0.85],
            "order": [0.1, 0.11], "sign": [0.1, 0.11], "holds": 1.0, "fails": 2.0,
            "fails-too": 2.0, "shown": 3.25}
ROWS = (
    papers.Row("fig. 1", "a drawing", reason="no result"),
    papers.Row("fig. 2", "good", ("toy.good", "toy.order")),
    papers.Row("fig. 3", "bad and good", ("toy.good", "toy.bad", "toy.once")),
    papers.Row("fig. 4", "near", ("toy.good", "toy.near", "toy.sign")),
    papers.Row("fig. 5", "far", ("toy.far",)),
    papers.Row("fig. 6", "once", ("toy.near", "toy.once")),
    papers.Row("fig. 7", "shown", ("toy.shown", "toy.holds")),
    papers.Row("fig. 7", "own", ("toy.holds",)),
    papers.Row("fig. 8", "another figure", ("other.good", "toy.good")),
    papers.Row("fig. 9", "a curve", reason="drawn by `toy`; no number is published"),
    papers.Row("eq. 1", "a mean", reason="derived by a test; no number is published"))
DOC = "List what [ZG18] publishes: toys.\n\nZenke, arXiv 1.1.  It was\nread.\n"
TODAY = {"commit": None, "digest": None, "data": None, "versions": dict.fromkeys(
    gallery.PROGRAMS, "1"), "machine": None, "date": None}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return the folder of a project with one stored figure."""
    monkeypatch.setattr(make, "names", lambda root: ["other", "toy"])
    monkeypatch.setattr(make, "imported", lambda root, name: TOY)
    settings = (papers.Experiment("toy", "A table", (("rate", "1", "2"),)),)
    monkeypatch.setattr(results, "papers", lambda: {
        "ZG18": types.SimpleNamespace(__doc__=DOC, ROWS=ROWS, SETTINGS=settings)})
    (tmp_path / "figures" / "full").mkdir(parents=True)
    TOY.measured = lambda data: MEASURED
    gallery.write_json(tmp_path / "figures" / "full" / "toy.json", {
        "figure": "toy", "size": "full", "seed": 0, "options": {},
        "claims": claims.stored(claims.measured(TOY, {}, "full")), "origins": [TODAY],
        "jobs": [{"origin": 0, "seconds": 300.0, "call": "4 jobs"}]})
    return tmp_path


def test_lines_are_counted_by_the_worst_of_their_numbers(project):
    lines = results.lines_of(project, results.read(project))["ZG18"]
    assert [line.word for line in lines] == [
        "not attempted", "reproduced", "not reproduced", "agrees", "differs",
        "not decided", "not decided", "not decided", "not decided", "drawn", "drawn"]
    page = results.text(project)
    assert ("**Of 11 published results, 1 is reproduced, and 1 is not reproduced. Some "
            "results were computed with other data, or with another network, than in "
            "the paper: 1 agrees with the paper, and 1 differs from it. Of the "
            "remaining results, 4 are "
            "not decided, and 1 was not attempted. For 2 results, the papers give no "
            "number, and refsnn draws a figure or derives a formula.**") in page
    assert ("Of 3 own properties, which no paper states, 1 holds, and 2 fail."
            in page)
    assert ("Reasons of the 4 lines that are not decided: no published number that can "
            "be judged (2), a single run (1), no full run is stored (1).") in page


@pytest.mark.parametrize("figure, planned, told", [
    ("toy", "5", "2 or 3"), ("toy", "3", "3"), ("toy", "1; many: 3", "1; many: 3"),
    ("other", "5", "5 (planned)")])
def test_settings_tell_the_number_of_stored_runs(project, figure, planned, told):
    module = types.SimpleNamespace(ROWS=ROWS[1:2])
    one = papers.Experiment(figure, "A", (("rate", "5", "5"), ("runs", "1", planned)))
    assert list(results.with_runs(module, one, results.read(project))) == [
        ("rate", "5", "5"), ("runs", "1", told)]


def test_the_first_page_has_one_line_for_each_row(project):
    page = results.text(project)
    first = page.partition("## Published numbers")[2].partition("## Settings")[0]
    rows = [line for line in first.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(ROWS) and "arxiv.org/abs/1705.11146" in first
    assert "\n\nToys.  It was read.\n\n" in first
    assert rows[0] == "| fig. 1 | a drawing | – | – | not attempted | no result | – |"
    assert rows[1] == (
        "| fig. 2 | good | good \\| accuracy: 0.8 ± 0.001 (3)<br>difference: 0.105 ± "
        "0.0071 (2) | 0.8 ± 0.002 (3)<br>faster (in words) | reproduced | as published "
        "| [`toy`](#toy) |")
    assert ("| counted as not reproduced:<br>reproduced<br>**not reproduced**<br>not "
            "decided: n = 1 | as published |") in rows[2]
    assert "(3)<br>cost of one run: 0.85 (1) % | 0.8 ± 0.002 (3) |" in rows[2]
    assert rows[3].endswith("| counted as agrees:<br>reproduced<br>agrees<br>"
                            "agrees | as published<br>digits<br>only the sign of the "
                            "difference is judged | [`toy`](#toy) |")
    assert rows[4] == ("| fig. 5 | far | 0.7 ± 0.001 (3) | 0.8 ± 0.002 (3) | "
                       "**differs** | letters | [`toy`](#toy) |")
    assert rows[6].endswith("| not decided | not judged: there is none | [`toy`](#toy) "
                            "|")
    assert rows[7].endswith("| own one: 1 | – | not decided | not judged: no published "
                            "number is at hand | [`toy`](#toy) |")
    assert ("good \\| accuracy: –<br>good \\| accuracy: 0.8 ± 0.001 (3) |" in rows[8]
            and "not decided: no full run is stored<br>reproduced" in rows[8])


def test_the_other_pages(project):
    page = results.text(project)
    assert "**[ZG18] A table** ([`toy`](#toy))" in page and "| rate | 1 | 2 |" in page
    found = page.partition("## Failures and causes")[2].partition("## Figures")[0]
    assert [line for line in found.splitlines() if line] == [
        "- [`toy`](#toy): bad accuracy: 0.9 ± 0.001 (3) (published: 0.8 ± 0.002 (3), "
        "[ZG18] fig. 4): **not reproduced**.  Cause, shown by another run: too little.",
        "- [`toy`](#toy): accuracy on letters: 0.7 ± 0.001 (3) (published: 0.8 ± 0.002 "
        "(3), [ZG18] fig. 4): **differs**.  Suspected cause: letters are hard.",
        "- [`toy`](#toy): own two: 2 (must be ≤ 0): **fails**.  Suspected cause: two.",
        "- [`toy`](#toy): own three: 2 (must be ≤ 0): **fails**.  Cause as above.",
        "Not decided, but the number itself is outside its tolerance or bound:",
        "- [`toy`](#toy): cost of one run: 0.85 (1) % (published: 0.8 ± 0.002 (3), "
        "[ZG18] fig. 4): not decided: n = 1.  Suspected cause: c."]
    section = page.partition("\n### toy\n")[2]
    assert "A toy ([ZG18] fig. 4)." in section and "4 jobs, 5 min of comp" in section
    assert "; no data stored." in section
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(TOY.claims("full"))
    assert "| own one | `holds` | 1 | – | ≥ 0 | holds |  |" in rows
    assert rows[2].endswith("| agrees | digits |")
    assert rows[3].endswith("| not decided: n = 1 | as above |")
    assert "### Figures without a stored full run\n\n`other`." in page
    path = project / "figures" / "full" / "toy.h5"
    path.write_bytes(storage.packed(TOY, {"a": np.arange(3)}))
    assert "no data stored" not in results.text(project)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(results.Damaged, match="toy.h5 is damaged"):
        results.text(project)


def test_only_the_marked_part_of_the_readme_is_written(project):
    assert [path.name for path in results.write(project)] == ["RESULTS.md"]
    page = project / "README.md"
    page.write_text(f"before\n{results.BEGIN}stale\n{results.END}after")
    for _ in range(2):
        assert [path.name for path in results.write(project)] == ["RESULTS.md",
                                                                  "README.md"]
        assert page.read_text() == (
            f"before\n{results.BEGIN}"
            "| result | published (n) | refsnn (n) | verdict |\n"
            "|---|---|---|---|\n"
            "| Good | 0.8 ± 0.002 (3) | 0.8 ± 0.001 (3) | reproduced |\n"
            "| Bad | 0.8 ± 0.002 (3) | 0.9 ± 0.001 (3) | **not reproduced** |\n\n"
            "Of 11 published results, 1 is reproduced, and 1 is not reproduced. Some "
            "results were computed with other data, or with another network, than in "
            "the paper: 1 agrees with the paper, and 1 differs from it. Of the "
            "remaining results, 4 are "
            "not decided, and 1 was not attempted. For 2 results, the papers give no "
            "number, and refsnn draws a figure or derives a formula.\n"
            "Of 3 own properties, which no paper states, 1 holds, and 2 fail.\n"
            f"{results.END}after")


@pytest.mark.parametrize("row, message", [
    (papers.Row("fig. 1", "a"), "must have claims or a reason"),
    (papers.Row("fig. 1", "a", ("toy.good",), "b"), "must have claims or a reason"),
    (papers.Row("fig. 1", "a", ("toys.good",)), "there is no such figure"),
    (papers.Row("fig. 1", "a", ("toy.best",)), "'toy.best': must be one of good, bad")])
def test_wrong_lines_of_papers_are_refused(project, monkeypatch, row, message):
    monkeypatch.setattr(results, "papers", lambda: {
        "ZG18": types.SimpleNamespace(ROWS=(row,), SETTINGS=())})
    with pytest.raises(ValueError, match=rf"\[ZG18\] fig. 1.*{message}"):
        results.text(project)


@pytest.mark.parametrize("change, reason", [
    (lambda text: text[:100], "JSONDecodeError"), (lambda text: "[1]", "TypeError"),
    (lambda text: text.replace('"full"', '"quick"'), "of size 'quick'"),
    (lambda text: text.replace('"toy"', '"other"'), "it holds 'other'"),
    (lambda text: text.replace('"jobs"', '"job"'), "KeyError: 'jobs'"),
    (lambda text: text.replace('"call"', '"name"'), "KeyError: 'call'"),
    (lambda text: text.replace('"spread"', '"sd"'), "KeyError: 'spread'"),
    (lambda text: text.replace("3.25", '"high"'), "could not convert .*high"),
    (lambda text: text.replace("3.25", "null"), "TypeError")])
def test_a_damaged_file_is_named_in_one_line(project, change, reason):
    path = project / "figures" / "full" / "toy.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(results.Damaged, match=f"toy.json is damaged .*{reason}") as met:
        results.write(project)
    assert "\n" not in str(met.value)
    assert not (project / "figures" / "RESULTS.md").exists()


def test_the_command_names_a_damaged_file(project, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (project / "figures" / "full" / "toy.json").write_text("{")
    with pytest.raises(SystemExit) as met:
        run_all.main(["--table"], root=project)
    assert met.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("run_all.py: ")
    assert printed.err.count("\n") == 1 and "toy.json is damaged" in printed.err


def test_a_file_of_no_figure_is_named(project):
    full = project / "figures" / "full"
    (full / "gone.json").write_bytes((full / "toy.json").read_bytes())
    with pytest.raises(results.Damaged, match="gone.json .*there is no figure 'gone'"):
        results.read(project)
