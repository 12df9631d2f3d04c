"""Each question has an answer of five sentences, links, and a command that is right."""

import doctest
import json
import re
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "docs" / "questions.md"
_, *PARTS = re.split(r"^## (.*)\n", PATH.read_text(encoding="utf-8"), flags=re.M)
QUESTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))


def bad_answer(text):
    """Return what an answer lacks."""
    answer, sources, *rest = text.strip().split("\n\n")
    sentences = re.findall(r"[.?!](?=\s|$)", answer)
    return [word for word, wrong in (
        ("five sentences", len(sentences) != 5),
        ("a thread", not re.match(r"Asked in [\w-]+/[\w.-]+#\d+", sources)),
        ("a link", "](" not in sources),
        ("your own program", "told(" in text and not re.search(
            "^Your own program: `python -m refsnn ", text, re.M)),
        ("a command", not re.search(r"^>>> ", "\n\n".join(rest), re.M))) if wrong]


def test_the_commands_are_right():
    done = doctest.testfile(str(PATH), module_relative=False, encoding="utf-8")
    assert done.failed == 0 and done.attempted > len(QUESTIONS) >= 20


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_is_complete(question):
    assert question.endswith("?") and bad_answer(QUESTIONS[question]) == []


def test_versions_are_those_of_judged_tools():
    judged = json.loads((PATH.parents[1] / "tests/peers/verdicts.json").read_text())
    told = re.findall(r"\[[\w-]+\s([\d.]+)\]\(check/tools/(\w+)\.html\)",
                      QUESTIONS["Which EventProp code is right?"])
    assert {tool: version for version, tool in told} == {
        tool: verdict["version"] for tool, verdict in judged.items()
        if verdict["gradients"]}
    assert [tool for _, tool in told if any(
        row[2] != "right" for rows in judged[tool]["gradients"].values()
        for row in rows)] == ["norse"]


def test_judged_tools_read_surrogates_at_the_right_potential(monkeypatch):
    """As question 13 says."""
    monkeypatch.syspath_prepend(str(PATH.parents[1] / "tests" / "peers"))
    import verdicts
    judged = json.loads(verdicts.STORED.read_text(encoding="utf-8"))
    found = [yes for verdict in judged.values() for name in verdicts.MISREAD
             for yes in verdicts.chosen(name, verdict).values()]
    assert len(found) > 20 and not any(found)


def test_what_is_missing_is_seen():
    good = ("One. Two 0.5. Three. Four? Five.\n\nAsked in a/b#1. See [c](d.html).\n\n"
            "Your own program: `python -m refsnn check a.npz`.\n\n"
            "```python\n>>> told(1)\n1\n\n```\n")
    assert bad_answer(good) == []
    for old, new in (("Four? ", ""), ("#1", ""), ("[c](d.html)", "c"), (">>>", "..."),
                     ("Asked", "Seen"), ("own ", "")):
        assert len(bad_answer(good.replace(old, new))) == 1
