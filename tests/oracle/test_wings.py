"""The folders of `refsnn.oracle` use each other's public names only.

A wing is a folder: `refsnn/oracle` itself, and each folder in it.  The modules of
one wing may share private names, which begin with an underscore.  No private name
crosses from one wing to another, or from the core to a wing.
"""

import ast
from pathlib import Path

import pytest

import refsnn

PACKAGE = Path(refsnn.__file__).parent
SHARED = "refsnn._checks"       # the argument checks, which every module may import


def dotted(path):
    """Return the name of a module, such as "refsnn.oracle.build.kernels"."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
WINGS = {name: path.parent for name, path in MODULES.items()}
ORACLE = [name for name in MODULES if name.startswith("refsnn.oracle")]


def private(name):
    return name.startswith("_") and not name.endswith("__")


def imported(tree):
    """Yield (line, name in this module, full name) for each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield node.lineno, one.asname or one.name.split(".")[0], (
                    one.name if one.asname else one.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                yield node.lineno, one.asname or one.name, f"{node.module}.{one.name}"


def chain(node):
    """Return the names in an expression such as a.b._c, or an empty list."""
    if isinstance(node, ast.Name):
        return [node.id]
    first = chain(node.value) if isinstance(node, ast.Attribute) else []
    return [*first, node.attr] if first else []


def crossings(source, name, wings):
    """Return complaints about private names that module `name` takes from other
    wings.  The dict `wings` maps each module of the package to its wing."""
    tree, complaints, known = ast.parse(source), [], {}

    def complain(line, full):
        owner = full
        while owner and owner not in wings:
            owner = owner.rpartition(".")[0]
        inner = full[len(owner) + 1:].split(".")[0] if owner else ""
        foreign = owner and wings[owner] != wings[name] and full != SHARED
        if foreign and not full.startswith(f"{SHARED}.") and (
                private(inner) or private(owner.rpartition(".")[2])):
            complaints.append(f"{name}:{line}: {full}")

    for line, own, full in imported(tree):
        known[own] = full
        complain(line, full)
    for node in ast.walk(tree):
        names = chain(node) if isinstance(node, ast.Attribute) else []
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and \
                isinstance(node.args[1], ast.Constant):
            names = chain(node.args[0]) + [node.args[1].value]
        if names and names[0] in known:
            complain(node.lineno, ".".join([known[names[0]], *names[1:]]))
    return complaints


@pytest.mark.parametrize("name", ORACLE)
def test_no_private_name_crosses_a_wing(name):
    assert crossings(MODULES[name].read_text("utf-8"), name, WINGS) == []


def test_wings_are_found():
    folders = {path.name for name, path in WINGS.items() if name in ORACLE}
    assert {"oracle", "build", "identify", "diagnose"} <= folders
    assert len(ORACLE) > 25


def test_each_wing_is_a_package_that_the_wheel_holds():
    named = (PACKAGE.parent / "setup.cfg").read_text("utf-8").split()
    for name in ORACLE:
        assert (WINGS[name] / "__init__.py").is_file()
        assert ".".join(WINGS[name].relative_to(PACKAGE.parent).parts) in named


def test_the_tests_have_the_folders_of_the_modules():
    tests = Path(__file__).parent
    for name in ORACLE:
        path = MODULES[name].relative_to(PACKAGE / "oracle")
        if path.stem != "__init__":
            assert (tests / path.parent / f"test_{path.name}").exists(), name


OWN = {"refsnn": "core", "refsnn.lif": "core", "refsnn._checks": "core",
       "refsnn._hidden": "core", "refsnn.oracle": "oracle",
       "refsnn.oracle.check": "oracle", "refsnn.oracle.build": "build",
       "refsnn.oracle.build.vector": "build", "refsnn.oracle.build.kernels": "build"}


@pytest.mark.parametrize("bad", [
    "from refsnn.lif import _f", "from refsnn import lif\nlif._f()",
    "import refsnn.lif\nrefsnn.lif._f()", "import refsnn.lif as a\na._f(1).b",
    "from refsnn.oracle.check import f, _g as g", "from refsnn import _hidden",
    "def f():\n    from refsnn.oracle import check\n    return check._A.b",
    "from refsnn.oracle import check as a\ngetattr(a, '_f')()",
    "from refsnn._hidden import f"])
def test_a_crossing_is_seen(bad):
    name = "refsnn.oracle.build.kernels"
    good = ("import numpy as np\nfrom refsnn import _checks, lif\n"
            "from refsnn._checks import arrays\nfrom refsnn.oracle import check\n"
            "from refsnn.oracle.build import vector\nnp._a\nvector._f()\n"
            "from refsnn.oracle.build.vector import _f\ncheck.f()._replace(a=1)\n"
            "lif.__name__\n_checks._f()\ngetattr(check, 'f')\n")
    assert crossings(good, name, OWN) == []
    assert len(crossings(good + bad, name, OWN)) >= 1
