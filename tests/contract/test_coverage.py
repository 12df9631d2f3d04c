"""Every public function of the core and of `fast` has a contract."""

import ast
import importlib
from pathlib import Path

import pytest

REFSNN = Path(__file__).resolve().parents[2] / "refsnn"
MODULES = [str(path.relative_to(REFSNN).with_suffix(""))
           for path in [*sorted(REFSNN.glob("*.py")), *sorted(REFSNN.glob("fast/*.py"))]
           if not path.name.startswith("_")]


# Functions that are tested by hand: they read foreign files, or have other arguments
# than a contract can state.
BY_HAND = {"audio": ["prepare"], "basilar": ["places"], "checks": ["frozen"],
           "datasets": ["digits", "fetch"], "probe": ["probe"]}


def without_contract(module, functions):
    """Return the public functions of a module that are in no contract."""
    tree = ast.parse((REFSNN / f"{module}.py").read_text(encoding="utf-8"))
    return sorted({node.name for node in tree.body if isinstance(node, ast.FunctionDef)
                   and node.name[0] != "_"} - {f.__name__ for f in functions})


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_a_contract(module):
    file = importlib.import_module(f"test_{module.replace('/', '_')}_contract")
    assert without_contract(module, [c.function for c in file.FUNCTIONS]) == \
        BY_HAND.get(module, [])


def test_a_missing_contract_is_seen():
    assert without_contract("bptt", []) == ["adjoint", "chunk", "gradient", "truncated"]
