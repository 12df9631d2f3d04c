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


def bad_coverage(name, without, by_hand):
    """Return functions that lack a contract, or that have one and are in BY_HAND."""
    return [f"The function {f} has no contract; it belongs in the list FUNCTIONS of "
            f"tests/contract/{name}.py" for f in without if f not in by_hand] + [
        f"The function {f} has a contract in tests/contract/{name}.py or does not "
        "exist, so it must not be in BY_HAND of tests/contract/test_coverage.py"
        for f in by_hand if f not in without]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_a_contract(module):
    name = f"test_{module.replace('/', '_')}_contract"
    assert (Path(__file__).parent / f"{name}.py").exists(), \
        f"tests/contract/{name}.py is missing: copy test_rnn_contract.py"
    functions = [c.function for c in importlib.import_module(name).FUNCTIONS]
    bad = bad_coverage(name, without_contract(module, functions),
                       BY_HAND.get(module, []))
    assert not bad, "\n".join(bad)


def test_a_missing_contract_is_seen():
    assert without_contract("bptt", []) == ["adjoint", "chunk", "gradient", "truncated"]
    told, = bad_coverage("test_a_contract", ["f", "g"], ["g"])
    assert told == "The function f has no contract; it belongs in the list FUNCTIONS " \
        "of tests/contract/test_a_contract.py"
    assert len(bad_coverage("test_a_contract", [], ["g"])) == 1
