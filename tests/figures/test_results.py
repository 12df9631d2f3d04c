"""RESULTS.md and the results in README.md say what the stored full runs found."""

import json
import re

import pytest
import toy_project

from figures.run import gallery, make, published, results, settings

ROOT = toy_project.ROOT
STORED = results.documents(ROOT)
SMALL = ("feedback", "regularisation", "si_transfer", "sound", "spoken_classifiers",
         "spoken_data")
HINT = "`python run_all.py --table` writes it anew"


def claims():
    """Yield (name of the figure, claim, entry of the table) for all claims."""
    for name, document in STORED.items():
        for claim, entry in results.entered(name, document):
            yield name, claim, entry


# ---- the two texts are up to date

def test_results_are_those_of_the_stored_runs():
    path = ROOT / "figures" / "RESULTS.md"
    assert path.read_text(encoding="utf-8") == results.text(ROOT), HINT


def test_readme_shows_the_headlines():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.count(results.BEGIN) == page.count(results.END) == 1
    found = page.partition(results.BEGIN)[2].partition(results.END)[0]
    assert found == results.readme(ROOT), HINT


def test_every_claim_is_in_the_results():
    rows = [line for line in results.text(ROOT).splitlines() if line.startswith("| ")]
    rows = [line for line in rows if not line.startswith("| claim |")]
    assert len(rows) == len(list(claims())) > 200
    for ok, word in results.VERDICTS.items():
        assert sum(f"| {word} |" in line for line in rows) == sum(
            claim["ok"] is ok for _, claim, _ in claims())
    listed = [line for line in results.text(ROOT).splitlines()
              if re.match(r"- `\w+`: .*, must be ", line)]
    assert len(listed) == sum(claim["ok"] is False for _, claim, _ in claims()) > 0


def test_headlines_show_each_capability_and_claims_that_fail():
    shown = [(one.figure, STORED[one.figure]["claims"][one.index]["ok"])
             for one in settings.HEADLINES]
    folders = {make.path_of(ROOT, name).parent.name for name, _ in shown}
    assert folders == {make.path_of(ROOT, name).parent.name for name in STORED}
    assert 10 <= len(shown) <= 14 and [ok for _, ok in shown].count(False) >= 3


# ---- the table

def test_the_table_has_the_figures_that_are_stored():
    assert list(settings.TABLE) == list(STORED)
    assert not set(settings.TABLE) - set(make.names(ROOT))


def test_each_stored_figure_has_a_question():
    assert not set(STORED) - set(settings.QUESTIONS)
    assert not set(settings.QUESTIONS) - set(make.names(ROOT))
    assert all(text.endswith("?") for text in settings.QUESTIONS.values())
    page = results.text(ROOT)
    assert all(f"*{settings.QUESTIONS[name]}*" in page for name in STORED)


def test_causes_belong_to_claims_that_fail():
    for name, told in settings.CAUSES.items():
        assert all(STORED[name]["claims"][i]["ok"] is False for i in told), name
    lines = [line for line in results.text(ROOT).splitlines() if ".  Cause: " in line]
    known = sum(map(len, settings.CAUSES.values()))
    assert len(lines) - known == sum("Cause: not known." in line for line in lines)


def test_published_numbers_are_known_as_the_references_say():
    """The entry of a claim and that of its reference agree."""
    found = 0
    for name, claim, entry in claims():
        path = published.FOLDER / f"{name}.json"
        known = {one["known"] for one in published.entries(name).values()
                 if one["value"] == claim["paper"]} if path.is_file() else set()
        assert not known or entry.known in known, (name, claim["text"])
        found += bool(known)
    assert found > 25


def test_the_published_size_and_data_are_claimed_where_they_hold():
    for name, claim, entry in claims():
        text = f"{name}: {claim['text']}: {entry.data}"
        assert not (entry.same and name in SMALL), text
        assert not (entry.same and re.search(
            "in place of|emulated|drawn anew|embedded|converted again|ours|not the "
            "authors'",
            entry.data)), text
        assert not (entry.same and STORED[name]["data"] == "embedded"), text
    assert sum(entry.same for *_, entry in claims()) >= 15


@pytest.mark.parametrize("text, numbers", [
    ("3", [3]), ("0-2", [0, 1, 2]), ("0, 2-3, 7", [0, 2, 3, 7])])
def test_indices(text, numbers):
    assert results.indices(text) == numbers


@pytest.mark.parametrize("table", [{}, {"0": "a"}, {"0-2": "a"}, {"0-1, 1": "a"}])
def test_each_claim_needs_one_entry(monkeypatch, table):
    entries = {key: settings.Entry(data) for key, data in table.items()}
    monkeypatch.setitem(settings.TABLE, "toy", entries)
    with pytest.raises(ValueError, match="figure toy has 2 claims"):
        results.entered("toy", {"claims": [{}, {}]})


@pytest.mark.parametrize("paper, known, wanted", [
    (0.5, "read", "0.5"), (0.5, "recalled", "0.5 (recalled)"),
    (0.86, "plot", "0.86 (plot)"), ("wider", "words", "wider (in words)"),
    (None, "", "\u2013"), (0.5, "", None), (None, "read", None)])
def test_published_numbers_carry_a_mark(paper, known, wanted):
    claim, entry = {"text": "a", "paper": paper}, settings.Entry("b", known)
    if wanted is not None:
        assert results.published_number(claim, entry) == wanted
        return
    with pytest.raises(ValueError, match=f"known is '{known}'.* must be one of read"):
        results.published_number(claim, entry)


def test_numbers_that_were_recalled_are_listed():
    lines = results.not_looked_up(ROOT)
    assert all("(recalled)" in line or "(second-hand)" in line for line in lines)
    assert any("SHD" in line and "0.56 (recalled)" in line for line in lines)
    assert any("ladder" in line and "3 (second-hand)" in line for line in lines)
    assert set(results.MARKS) == set(published.KNOWN)


def test_only_the_marked_part_of_the_readme_is_written(tmp_path, monkeypatch):
    (tmp_path / "figures" / "toys").mkdir(parents=True)
    (tmp_path / "figures" / "full").mkdir()
    (tmp_path / "figures" / "reference").mkdir()
    (tmp_path / "figures" / "toys" / "fig_toy.py").write_text('"""A toy."""\n')
    claim = {"text": "a | b", "value": 0.98765, "bound": ">= 0.9", "ok": True,
             "paper": 0.95}
    document = {"name": "toy", "title": "A toy", "claims": [claim], "jobs": 2,
                "seconds": 300.0, "seeds": {"seed": 0, "repeats": []},
                "versions": {"refsnn": "0", "numpy": "2", "scipy": "1", "python": "3"}}
    for name in ("toy", "deleted"):
        path = tmp_path / "figures" / "full" / f"{name}.json"
        path.write_text(json.dumps(document))
    assert list(results.documents(tmp_path)) == ["toy"]
    monkeypatch.setattr(results, "TABLE", {"toy": {"0": settings.Entry("c", "read")}})
    monkeypatch.setattr(results, "HEADLINES",
                        (settings.Headline("toy", 0, "short", "d"),))
    assert [path.name for path in results.write(tmp_path)] == ["RESULTS.md"]
    (tmp_path / "README.md").write_text(
        f"before\n{results.BEGIN}stale\n{results.END}after")
    assert [path.name for path in results.write(tmp_path)] == [
        "RESULTS.md", "README.md"]
    page = (tmp_path / "README.md").read_text()
    assert page.startswith(f"before\n{results.BEGIN}| result | published |")
    assert page.endswith("Another 0 values have no bound.\n" + results.END + "after")
    assert "| short | 0.95 | 0.9877 | ≥ 0.9 | holds | d |" in page
    assert "stale" not in page
    text = (tmp_path / "figures" / "RESULTS.md").read_text()
    assert "| a \\| b | 0.95 | 0.9877 | \u2265 0.9 | holds | c |" in text
    assert gallery.took(document) == "5 min" and "5 min of computing" in text
