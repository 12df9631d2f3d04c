"""Imports among the modules of figures/: no paper uses another paper, and no circles.

Each rule maps {name of a module: its source text} to a list of complaints, and is also
run on bad examples, about which it must complain.
"""

import ast
import graphlib
import pathlib

import pytest

from figures.run import jobs

ROOT = pathlib.Path(jobs.__file__).resolve().parents[2]
SHARED = ("run", "train")


def sources():
    """Return {name of a module: source text} of all modules in figures/."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(
        encoding="utf-8") for path in (ROOT / "figures").rglob("*.py")
        if "out" not in path.relative_to(ROOT).parts}


def imported(name, texts):
    """Return the modules of figures/ that a module imports, at any place of its code.

    A name in an import statement can be a module, a package or a name within either.
    """
    found = set()
    for node in ast.walk(ast.parse(texts[name])):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[:-node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            named = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for full in named:
            parts = full.split(".")
            ends = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
            found.update([end for end in ends if end in texts][:1] or [
                f"{end}.__init__" for end in ends if f"{end}.__init__" in texts][:1])
    return found


def foreign(texts):
    """List the imports of one paper's folder, or of the shared folders, from another.

    The folder `train` may also use `run`, and all papers may use both.
    """
    complaints = []
    for name in texts:
        own = name.split(".")[1]
        allowed = {own, *({"run": (), "train": ("run",)}.get(own, SHARED)), "__init__"}
        complaints += [f"{name} imports {other}" for other in imported(name, texts)
                       if other.split(".")[1] not in allowed]
    return sorted(complaints)


def circles(texts):
    """List one circle of modules that import each other, if there is any."""
    try:
        graphlib.TopologicalSorter({
            name: imported(name, texts) for name in texts}).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_the_modules_are_found():
    texts = sources()
    folders = {name.split(".")[1] for name in texts if name.count(".") == 2}
    assert {"surrogate", "speed", "spoken", *SHARED} <= folders and len(texts) > 60
    assert "figures.train.lif_training" in imported("figures.online.fig_delay", texts)
    assert sum(len(imported(name, texts)) for name in texts) > 200


def test_no_paper_uses_the_folder_of_another_paper():
    assert foreign(sources()) == []


def test_no_circle_of_imports():
    assert circles(sources()) == []


EMPTY = {f"figures.{name}": "" for name in (
    "__init__", "chip.__init__", "chip.a", "online.__init__", "online.b",
    "run.__init__", "run.seeds", "train.__init__", "train.c")}
GOOD = {**EMPTY, "figures.train.c": "import figures.run.seeds", "figures.chip.a":
        "import numpy\nfrom figures.run import seeds\nfrom figures.train.c import f\n"}


@pytest.mark.parametrize("name, bad", [
    ("chip.a", "from figures.online import b"), ("chip.a", "import figures.online.b"),
    ("chip.a", "from figures.online.b import f"), ("chip.a", "from ..online import b"),
    ("chip.a", "from figures import online"),
    ("chip.a", "from figures.online import *"),
    ("chip.a", "def f():\n    from figures.online import b"),
    ("train.c", "from figures.online import b"),
    ("run.seeds", "import figures.train.c")])
def test_an_import_from_another_paper_is_seen(name, bad):
    assert foreign(GOOD) == []
    found = foreign({**GOOD, f"figures.{name}": bad})
    assert len(found) == 1 and found[0].startswith(f"figures.{name} imports figures.")


@pytest.mark.parametrize("one, other", [
    ("from figures.run import seeds", "from figures.train.c import f"),
    ("import figures.run.seeds", "def f():\n    from figures.train import c"),
    ("from ..run.seeds import rng", "from ..train import c")])
def test_a_circle_is_seen(one, other):
    assert circles(GOOD) == []
    found = circles({**GOOD, "figures.train.c": one, "figures.run.seeds": other})
    assert set(found) == {"figures.train.c", "figures.run.seeds"}
