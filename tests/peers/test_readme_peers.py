"""The README's example in PyTorch runs, and its results are right.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from refsnn import __main__ as command
from refsnn.oracle import diagnose
from refsnn.oracle.diagnose import random_networks

README = Path(__file__).resolve().parents[2] / "README.md"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the golden vectors are."""
    path = tmp_path_factory.mktemp("readme")
    assert command.main(["vectors", str(path / "vectors")]) == 0
    return path


@pytest.fixture
def example(folder, monkeypatch):
    """The example, to be run where the golden vectors are."""
    monkeypatch.chdir(folder)
    (folder / "results.npz").unlink(missing_ok=True)
    found = [block for block in re.findall(
        r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)
        if "import torch" in block]
    assert len(found) == 1
    return found[0]


def function(source):
    names = {}
    exec(compile(source, "README.md", "exec"), names)
    return names["mine"]


def checked(source, capsys):
    arrays = np.load("vectors/bptt.npz")
    found = function(source)({key[3:]: arrays[key] for key in arrays
                              if key.startswith("in.")})
    np.savez("results.npz", **{f"bptt.{key}": value for key, value in found.items()})
    capsys.readouterr()
    return command.main(["check", "results.npz"]), capsys.readouterr().out


def test_the_example_is_right(example, capsys):
    status, told = checked(example, capsys)
    assert status == 0 and told.endswith("3 right, 0 wrong, 0 vacuous, 3 missing\n")


@pytest.mark.parametrize("old, new, words", [
    ('p["threshold"] * S', 'p["threshold"] * S.detach()', "reset detached"),
    ("S @ V.T", "S.detach() @ V.T", "recurrent path cut"),
    ("x @ W.T + S @ V.T", "x @ W.T + S @ V", "0 right, 3 wrong"),
    ("+ (f - f.detach())", "+ p['steepness'] * (f - f.detach())",
     "surrogate times its steepness"),
    ('p["gain"] * I', "I", "0 right, 3 wrong")])
def test_what_is_wrong_in_it_is_named(example, capsys, old, new, words):
    assert example.count(old) == 1
    status, told = checked(example.replace(old, new), capsys)
    assert status == 1 and words in told, told


def test_the_function_is_diagnosed(example):
    wrong = example.replace('p["threshold"] * S)', 'p["threshold"] * S.detach())')
    assert wrong != example
    for source, side, terms in ((example, "right", ()),
                                (wrong, "backward", ("reset",))):
        assert diagnose.diagnose(function(source))[:2] == (side, terms)
    with pytest.raises(AssertionError, match="bptt is wrong for the smallest network"):
        random_networks.assert_correct("bptt", function(wrong))
