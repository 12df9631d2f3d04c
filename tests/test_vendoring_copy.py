"""Each core and fast module works alone, copied by `cp` or by `vendor`."""

import concurrent.futures
import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import refsnn
from refsnn import __main__ as command

PACKAGE = Path(refsnn.__file__).resolve().parent


def modules(folder):
    """Return the names of the modules in a folder of the package, as fast/lif."""
    return [str(path.relative_to(PACKAGE).with_suffix(""))
            for path in sorted((PACKAGE / folder).glob("*.py"))
            if not path.name.startswith("_")]


ALONE = modules(".") + modules("fast")


def vendor(*arguments):
    """Run `python -m refsnn vendor`; return its status and the printed lines."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = command.main(["vendor", *map(str, arguments)])
    return status, out.getvalue().splitlines()


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run(folder, *arguments):
    """Run an isolated interpreter, without variables, user site or path."""
    return subprocess.run([sys.executable, "-I", *arguments], cwd=folder,
                          capture_output=True, text=True, timeout=120)


def doctests(folder, *names):
    """Run the doctests of files; return success, numbers of examples and output."""
    done = run(folder, "-m", "doctest", "-v", *names)
    count = [int(n) for n in re.findall(r"^(\d+) tests? in", done.stdout, re.M)]
    return done.returncode == 0, count, done.stdout + done.stderr


def test_the_folders_are_read():
    assert {"lif", "datasets", "bptt", "fast/lif"} <= set(ALONE) and len(ALONE) > 30
    assert "fast/__init__" not in ALONE and len(modules("oracle")) > 3


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of `copied` for every module, two interpreters at a time."""
    folder = tmp_path_factory.mktemp("copies")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = {name: pool.submit(doctests, folder / name, "borrowed.py", "vendored.py")
                for name in ALONE if prepared(name, folder / name)}
        return {name: job.result() for name, job in jobs.items()}


def prepared(name, folder):
    """Copy a module with `cp` and with `vendor`, under other names."""
    folder.mkdir(parents=True)
    shutil.copy(PACKAGE / f"{name}.py", folder / "borrowed.py")
    return vendor(name, folder / "vendored.py")[0] == 0


@pytest.mark.parametrize("name", ALONE)
def test_both_copies_pass_their_doctests(results, name):
    passed, count, output = results[name]
    assert passed, output[-3000:]
    assert len(count) == 2 and count[0] == count[1] > 0, "no example was run"


def test_a_module_that_does_not_stand_alone_is_seen(tmp_path):
    good = '"""Text.\n\n>>> 1 + 1\n2\n"""\n'
    for name, text, expected in (
            ("good", good, (True, [1])), ("wrong", good.replace("\n2", "\n3"), None),
            ("leaning", good + "from . import lif\n", None),
            ("empty", '"""Text."""\n', (True, [0]))):
        (tmp_path / f"{name}.py").write_text(text)
        passed, count, _ = doctests(tmp_path, f"{name}.py")
        assert (passed, count) == expected if expected else not passed


@pytest.mark.parametrize("name", ALONE)
def test_a_copy_is_the_module_with_a_digest(name, tmp_path):
    status, written = vendor(name, tmp_path)
    file = f"{name.rpartition('/')[2]}.py"
    assert status == 0 and written[-1] == str(tmp_path / file)
    source = (PACKAGE / f"{name}.py").read_bytes()
    lines = Path(written[-1]).read_bytes().split(b"\n")
    assert b"\n".join(lines[:1] + lines[2:]) == source
    assert lines[0].startswith(f"# refsnn {refsnn.__version__} | {name}.py | ".encode())
    assert lines[1].decode() == "# sha256 of the rest: " + hashlib.sha256(
        source).hexdigest()
    data = ["data", "data/README", "data/digits.npz"] * (name == "datasets")
    assert listing(tmp_path) == sorted([*data, file])


@pytest.mark.parametrize("name", ["lif", "fast/lif", "losses"])
def test_doctests_see_a_broken_copy(name, tmp_path):
    vendor(name, tmp_path / "mine.py")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    broken = re.sub(r"^( +)return (?!None)", r"\1return not ", text, flags=re.M)
    (tmp_path / "broken.py").write_text(broken, encoding="utf-8")
    assert doctests(tmp_path, "mine.py")[0] and not doctests(tmp_path, "broken.py")[0]


def test_the_command_of_the_docstring_shows_a_change(tmp_path):
    vendor("bptt", tmp_path)

    def digest():
        done = subprocess.run("sed 2d bptt.py | sha256sum", shell=True, cwd=tmp_path,
                              capture_output=True, text=True, check=True)
        return done.stdout.split()[0]

    text = (tmp_path / "bptt.py").read_text(encoding="utf-8")
    assert digest() in text.split("\n")[1]
    (tmp_path / "bptt.py").write_text(text + "\n", encoding="utf-8")
    assert digest() not in text


def use(folder, name):
    """Call `digits` of a copy of datasets in a new interpreter."""
    return run(folder, "-c", "import sys; sys.path.insert(0, '.')\n"
               f"import {name}\nprint({name}.digits()[0].shape)")


def test_a_copy_without_the_images_says_what_it_misses(tmp_path):
    shutil.copy(PACKAGE / "datasets.py", tmp_path / "borrowed.py")
    done = use(tmp_path, "borrowed")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "digits.npz" in last and "Error: " in last, done.stderr


def test_the_images_of_a_copy_are_found(tmp_path):
    vendor("datasets", tmp_path / "mine.py")
    done = use(tmp_path, "mine")
    assert done.stdout.strip() == "(1797, 8, 8)", done.stderr
    assert "CC BY 4.0" in (tmp_path / "data" / "README").read_text()


def test_images_that_are_present_are_kept(tmp_path, capsys):
    vendor("datasets", tmp_path)
    again = tmp_path / "again.py"
    assert vendor("datasets", again) == (0, [str(again)])
    (tmp_path / "data" / "digits.npz").write_bytes(b"others")
    before = listing(tmp_path)
    assert vendor("datasets", tmp_path / "third.py") == (2, [])
    assert "digits.npz exists: must be a new file" in capsys.readouterr().err
    assert listing(tmp_path) == before
    assert (tmp_path / "data" / "digits.npz").read_bytes() == b"others"


@pytest.mark.parametrize("module, destination, match", [
    *((name, ".", f"module is '{name}': must be a module that stands alone")
      for name in ("nothing", "../lif", "LIF", "__init__", "__main__", "fast/__init__",
                   "fast/../lif", "fast/lif.py", "fast.lif", "/lif", "data/digits", "",
                   "li\nf", "oracle/__init__", *modules("oracle"))),
    ("lif", "no/lif.py", "no/lif.py has no parent folder"),
    ("lif", "no", "destination is no: must be a folder that exists, or end with .py"),
    ("lif", "there.py/lif.py", "there.py/lif.py has no parent folder"),
    ("lif", "there.py", "there.py exists: must be a new file"),
    ("lif", "dangling.py", "dangling.py exists: must be a new file")])
def test_refusals_leave_nothing(tmp_path, monkeypatch, capsys, module, destination,
                                match):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text("mine")
    os.symlink("nowhere", "dangling.py")
    assert vendor(module, destination) == (2, [])
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith("refsnn: ")
    assert match.encode("unicode_escape").decode() in told
    assert listing(tmp_path) == ["dangling.py", "there.py"]
    assert (tmp_path / "there.py").read_text() == "mine"


@pytest.mark.parametrize("error, status", [(KeyboardInterrupt, 130),
                                           (OSError("no space left"), 2)])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_copy_leaves_nothing(tmp_path, monkeypatch, error, status, at):
    calls = []

    def rename(part, to, real=os.rename):
        calls.append(to)
        if len(calls) == at:
            raise error
        real(part, to)

    monkeypatch.setattr(os, "rename", rename)
    assert vendor("datasets", tmp_path) == (status, [])
    assert len(calls) == at and listing(tmp_path) == []


def test_an_unwritable_folder_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("an unprivileged user is missing: this one may write anywhere")
    assert vendor("lif", tmp_path) == (2, [])
    assert "lif.py" in capsys.readouterr().err and listing(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch, capsys):
    seen = []

    def lexists(path, real=os.path.lexists):
        seen.append(path)
        if len(seen) == 3:
            (tmp_path / "lif.py").write_text("another's")
        return real(path)

    monkeypatch.setattr(os.path, "lexists", lexists)
    assert vendor("lif", tmp_path) == (2, [])
    assert "lif.py was created meanwhile" in capsys.readouterr().err
    assert (tmp_path / "lif.py").read_text() == "another's"
    assert listing(tmp_path) == ["lif.py"]
