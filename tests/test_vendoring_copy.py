"""A module copied by `vendoring.copy`: whole, with its digest, over nothing."""

import doctest
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import refsnn
from refsnn import vendoring

PACKAGE = Path(refsnn.__file__).resolve().parent
ALONE = sorted(path.stem for path in PACKAGE.glob("*.py")
               if not path.stem.startswith(("_", "conformance")))


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ALONE)
def test_a_copy_is_the_module_with_a_digest(name, tmp_path):
    written = vendoring.copy(name, tmp_path)
    assert written[-1] == str(tmp_path / f"{name}.py")
    source = (PACKAGE / f"{name}.py").read_bytes()
    lines = Path(written[-1]).read_bytes().split(b"\n")
    assert b"\n".join(lines[:1] + lines[2:]) == source
    assert lines[0].startswith(f"# refsnn {refsnn.__version__} | {name}.py | ".encode())
    assert lines[1].decode() == "# sha256 of the rest: " + hashlib.sha256(
        source).hexdigest()
    data = ["data", "data/README", "data/digits.npz"] * (name == "datasets")
    assert listing(tmp_path) == sorted([*data, f"{name}.py"])


@pytest.mark.parametrize("name", ["lif", "datasets"])
def test_doctests_prove_the_copy(name, tmp_path):
    vendoring.copy(name, tmp_path / "mine.py")
    line = [sys.executable, "-I", "-m", "doctest"]
    done = subprocess.run([*line, "-v", "mine.py"], cwd=tmp_path, capture_output=True,
                          text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-2000:]
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    (tmp_path / "broken.py").write_text(text.replace("return ", "return not ", 1),
                                        encoding="utf-8")
    assert subprocess.run([*line, "broken.py"], cwd=tmp_path,
                          capture_output=True).returncode


def test_the_command_of_the_docstring_shows_a_change(tmp_path):
    vendoring.copy("bptt", tmp_path)

    def digest():
        done = subprocess.run("sed 2d bptt.py | sha256sum", shell=True, cwd=tmp_path,
                              capture_output=True, text=True, check=True)
        return done.stdout.split()[0]

    text = (tmp_path / "bptt.py").read_text(encoding="utf-8")
    assert digest() in text.split("\n")[1]
    (tmp_path / "bptt.py").write_text(text + "\n", encoding="utf-8")
    assert digest() not in text


def test_the_images_of_a_copy_are_found(tmp_path):
    vendoring.copy("datasets", tmp_path / "mine.py")
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.')\n"
         "import mine\nprint(mine.digits()[0].shape)"], cwd=tmp_path,
        capture_output=True, text=True)
    assert done.stdout.strip() == "(1797, 8, 8)", done.stderr
    assert "CC BY 4.0" in (tmp_path / "data" / "README").read_text()


def test_images_that_are_there_are_kept(tmp_path):
    vendoring.copy("datasets", tmp_path)
    assert vendoring.copy("datasets", tmp_path / "again.py") == [
        str(tmp_path / "again.py")]
    (tmp_path / "data" / "digits.npz").write_bytes(b"others")
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="digits.npz is there already"):
        vendoring.copy("datasets", tmp_path / "third.py")
    assert listing(tmp_path) == before
    assert (tmp_path / "data" / "digits.npz").read_bytes() == b"others"


@pytest.mark.parametrize("module, destination, match", [
    ("nothing", ".", "module is 'nothing': must be the name of a module, such as lif"),
    ("../lif", ".", "must be the name"), ("LIF", ".", "must be the name"),
    ("__init__", ".", "must be the name"), (3, ".", "must be the name"),
    ("conformance", ".", "which imports others: must be one that stands alone"),
    ("conformance_files", ".", "stands alone"),
    ("lif", "no/lif.py", "no/lif.py has no folder"), ("lif", "no", "end with .py"),
    ("lif", "there.py", "there.py is there already"),
    ("lif", "dangling.py", "dangling.py is there already")])
def test_refusals_leave_nothing(tmp_path, monkeypatch, module, destination, match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("mine")
    os.symlink("nowhere", "dangling.py")
    with pytest.raises(ValueError, match=match):
        vendoring.copy(module, destination)
    assert listing(tmp_path) == ["dangling.py", "there.py"]
    assert (tmp_path / "there.py").read_text() == "mine"


def test_what_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def rename(part, to, real=os.rename):
        calls.append(to)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(part, to)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        vendoring.copy("datasets", tmp_path)
    assert len(calls) == 3 and listing(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    seen = []

    def lexists(path, real=os.path.lexists):
        seen.append(path)
        if len(seen) == 2:
            (tmp_path / "lif.py").write_text("another's")
        return real(path)

    monkeypatch.setattr(os.path, "lexists", lexists)
    with pytest.raises(ValueError, match="lif.py has appeared meanwhile"):
        vendoring.copy("lif", tmp_path)
    assert (tmp_path / "lif.py").read_text() == "another's"
    assert listing(tmp_path) == ["lif.py"]


def test_examples():
    failed, tried = doctest.testmod(vendoring)
    assert failed == 0 < tried
