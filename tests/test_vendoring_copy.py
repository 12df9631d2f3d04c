"""Each core and fast module works alone, copied by `vendor`."""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refsnn
from refsnn import __main__ as command

sys.path.append(str(Path(__file__).parent / "contract"))
import harness                                                      # noqa: E402

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


ALONE_IN_THE_WORLD = """
import doctest, importlib.util, json, sys
sys.modules["refsnn"] = None            # every import of it raises an ImportError
found = {}
for name in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        found[name] = doctest.testmod(module)
    except Exception as error:
        found[name] = repr(error), 0
print(json.dumps(found))
"""


def doctests(folder, *names):
    """Run doctests of files in an interpreter that cannot import refsnn; return
    pairs (failed, attempted) by name."""
    done = run(folder, "-c", ALONE_IN_THE_WORLD, *names)
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Return a folder with a copy of every module, by `vendor`."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "fast").mkdir()
    for name in ALONE:
        assert vendor(name, folder / f"{name}.py")[0] == 0
    return folder


def test_copies_pass_their_doctests_without_the_package(copies):
    found = doctests(copies, *ALONE)
    assert sorted(found) == sorted(ALONE)
    assert {name: result for name, result in found.items()
            if result[0] != 0 or result[1] == 0} == {}


def loaded(path):
    """Import a file while refsnn cannot be imported."""
    spec = importlib.util.spec_from_file_location("copy_of_" + path.stem, path)
    module = importlib.util.module_from_spec(spec)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules)
              if name.partition(".")[0] == "refsnn"}
    sys.modules["refsnn"] = None
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        del sys.modules["refsnn"], sys.modules[spec.name]
        sys.modules |= hidden
    return module


def contracts(name, copy=None):
    """Return the contracts of a module, or of a copy in its place."""
    full = f"refsnn.{name.replace('/', '.')}"
    package, own = (importlib.import_module(path) for path in (
        full.rpartition(".")[0], full))
    file = f"test_{name.replace('/', '_')}_contract.py"
    try:
        sys.modules[full] = copy or own
        setattr(package, full.rpartition(".")[2], copy or own)
        return runpy.run_path(str(Path(__file__).parent / "contract" / file))[
            "FUNCTIONS"]
    finally:
        sys.modules[full] = own
        setattr(package, full.rpartition(".")[2], own)


@pytest.mark.parametrize("name", ALONE)
def test_a_copy_gives_the_results_of_the_module(name, copies):
    own = loaded(copies / f"{name}.py")
    assert not hasattr(own, "refsnn")
    for c, other in zip(contracts(name), contracts(name, own), strict=True):
        assert other.function is not c.function
        assert harness.same(
            harness.call(c, harness.arguments(c)),
            harness.call(other, harness.arguments(other, module=own)))


def test_a_module_that_does_not_stand_alone_is_seen(tmp_path):
    good = '"""Text.\n\n>>> 1 + 1\n2\n"""\n'
    for name, text, expected in (
            ("good", good, [0, 1]), ("wrong", good.replace("\n2", "\n3"), [1, 1]),
            ("empty", '"""Text."""\n', [0, 0]),
            ("leaning", good + "import refsnn\n", None),
            ("hanging", good + "from refsnn._checks import arrays\n", None)):
        (tmp_path / f"{name}.py").write_text(text)
        found = doctests(tmp_path, name)[name]
        assert found == expected if expected else "refsnn" in found[0]
        if not expected:
            with pytest.raises(ImportError, match="refsnn"):
                loaded(tmp_path / f"{name}.py")


@pytest.mark.parametrize("name", ALONE)
def test_a_copy_is_the_module_its_checks_and_a_digest(name, copies):
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    lines = (copies / f"{name}.py").read_text(encoding="utf-8").split("\n")
    copy = "\n".join(lines[:1] + lines[2:])
    assert lines[1] == "# sha256 of the rest: " + hashlib.sha256(
        copy.encode()).hexdigest()
    assert lines[0] == source.partition("\n")[0]      # all of them need NumPy
    found = re.search(r"^from refsnn\._checks import ([^(\n]+|\([^)]*\))\n", source,
                      re.M)
    if not found:
        assert copy == source
        return
    head, body = source[:found.start()], source[found.end():]
    assert copy.startswith(head) and body in copy and "refsnn._checks" not in copy
    middle, rest = copy[len(head):].split(body)
    for one in re.findall(r"\w+", found[1]):       # `shown` stands before the classes
        assert f"\ndef {one}(" in (middle if one == "shown" else rest)


def test_a_recording_of_a_copy_prints_names_dtypes_and_shapes(copies):
    own = loaded(copies / "lif.py")
    rec = own.simulate([[[1.0]]], np.ones((2, 1)), alpha=0.5, beta=0.5)
    assert type(rec) is own.Recording and str(rec) == (
        "Recording(syn: float64 (1, 1, 2), mem: float64 (1, 1, 2), "
        "spikes: float64 (1, 1, 2), clamp: bool (1, 1, 2))")


def test_a_copy_holds_only_the_checks_that_it_reaches(tmp_path):
    text = command._alone("# needs: python | optional: pooch\n"
                          "from refsnn._checks import float_dtype\n",
                          (PACKAGE / "_checks.py").read_text())
    assert text.startswith("# needs: python, numpy | optional: pooch\nimport numpy as")
    assert re.findall(r"^(?:def|class) (\w+)", text, re.M) == ["float_dtype"]
    assert re.findall(r"^(\w+) = ", text, re.M) == ["FLOATS"]


def test_files_of_a_copy(tmp_path):
    for name in ("fast/lif", "datasets"):
        folder = tmp_path / name.rpartition("/")[2]
        folder.mkdir()
        file = f"{folder.name}.py"
        assert vendor(name, folder)[1][-1] == str(folder / file)
        data = ["data", "data/README", "data/digits.npz"] * (name == "datasets")
        assert listing(folder) == sorted([*data, file])


@pytest.mark.parametrize("name", ["lif", "fast/lif", "losses"])
def test_doctests_see_a_broken_copy(name, tmp_path):
    vendor(name, tmp_path / "mine.py")
    text = (tmp_path / "mine.py").read_text(encoding="utf-8")
    broken = re.sub(r"^( +)return (?!None)", r"\1return not ", text, flags=re.M)
    (tmp_path / "broken.py").write_text(broken, encoding="utf-8")
    found = doctests(tmp_path, "mine", "broken")
    assert found["mine"][0] == 0 != found["broken"][0]


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
    vendor("datasets", tmp_path / "mine.py")
    (tmp_path / "data" / "digits.npz").unlink()
    done = use(tmp_path, "mine")
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
                   "li\nf", "oracle/__init__", "convert/labels", *modules("oracle"))),
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
def test_an_interrupted_copy_leaves_whole_files(tmp_path, monkeypatch, error, status,
                                                at):
    calls = []

    def rename(part, to, real=os.rename):
        calls.append(to)
        if len(calls) == at:
            raise error
        real(part, to)

    monkeypatch.setattr(os, "rename", rename)
    assert vendor("datasets", tmp_path) == (status, [])
    whole = ["data/digits.npz", "data/README"][:at - 1]
    assert len(calls) == at and listing(tmp_path) == ["data", *sorted(whole)]
    assert all((tmp_path / name).read_bytes() == (PACKAGE / name).read_bytes()
               for name in whole)
    monkeypatch.undo()
    assert vendor("datasets", tmp_path)[0] == 0         # the same command continues


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
