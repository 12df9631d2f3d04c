"""Put one fault at a time into the argument checks of a module, and run tests.

    python tests/contract/mutants.py NAME [PYTEST ARGUMENTS ...]

NAME is a module such as lif or fast/lif.  A fault that the contract of the module does
not detect is tried with the tests that the arguments select, by default those in both
test files of the module.  The faults that are not detected are printed.  `--names`
relaxes `pytest.raises(match=...)` to the name of the argument, and `--write` stores all
faults with their verdicts in tests/contract/faults/.

The faults are made in calls of the functions of `_checks`, in texts of rules, and in
conditions that guard a `raise` or are the first argument of `_need`.  A rule loses its
type, its range or an axis, may be None or must not, has another end of its range, or an
axis with a letter of its own.  A check of a condition is left out, or the condition has
another comparison, connective or number.
"""

import argparse
import ast
import copy
import importlib
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from forked import fails, tests_fail  # noqa: E402

RULE = re.compile(r"([^\s,]+) \(([^()]*)\)( float| int| unread|)"
                  r"( in [\[(][^\])]*[\])]| in \{[^}]*\}|)")
CHECKS = {"arrays", "buffer", "bundle", "flags", "float_dtype", "lists", "one_of",
          "unread"}
SWAPPED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
           ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
           ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And}


def rule_faults(text):
    """Yield (what, text) for each fault of each rule in a text."""
    everywhere = [axis.rstrip("*?") for match in RULE.finditer(text)
                  for axis in match[2].split(", ")]     # one array bounds each letter
    for match in RULE.finditer(text):
        name, axes, kind, span = match.groups()
        if "=" in axes or " " in axes.replace(", ", ""):
            continue

        def put(name=name, axes=axes, kind=kind, span=span, match=match):
            return f"{text[:match.start()]}{name} ({axes}){kind}{span}" \
                f"{text[match.end():]}"

        letters = [a for a in axes.split(", ") if a]
        if kind:
            yield f"{name}: no type", put(kind="")
        if span:
            yield f"{name}: no range", put(span="")
            ends = span.strip()[3:]
            if ends[0] in "[(":
                other = {"[": "(", "(": "[", "]": ")", ")": "]"}
                yield f"{name}: other low end", put(
                    span=f" in {other[ends[0]]}{ends[1:]}")
                if kind != " int" or "inf" not in ends:
                    yield f"{name}: other high end", put(
                        span=f" in {ends[:-1]}{other[ends[-1]]}")
        yield f"{name}: None", put(name=name[:-1] if name.endswith("?") else name + "?")
        if "..." in axes or "{" in axes:
            continue
        for i, letter in enumerate(letters):
            rest = [*letters[:i], "_" + "*" * (letter[-1] == "*"), *letters[i + 1:]]
            if letter[-1] == "?":
                yield f"{name}: no number", put(axes=axes.replace("?", ""))
            elif letter[0] != "_" and everywhere.count(letter.rstrip("*")) > 1:
                yield f"{name}: axis {i} free", put(axes=", ".join(rest))
            elif not letter.isdigit():
                rest[i] = letter[:-1] if letter[-1] == "*" else letter + "*"
                yield f"{name}: axis {i} empty", put(axes=", ".join(rest))
        if letters and "?" not in axes:
            yield f"{name}: any shape", put(axes="...")


def guards(tree):
    """Return the nodes of all checks: calls, rules and conditions of a raise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and len(node.body) == 1 and isinstance(
                node.body[0], ast.Raise):
            yield node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) \
                and node.func.id in {*CHECKS, "_need"}:
            yield node
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) \
                and len(node.value) < 600 and "\n" not in node.value \
                and RULE.search(node.value):
            yield node


def faults(source):
    """Yield (line, what, source) for each fault of the checks of a module."""
    tree = ast.parse(source)
    docs = {id(node.body[0].value) for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
            and isinstance(node.body[0], ast.Expr)}
    raised = {id(child) for node in ast.walk(tree) if isinstance(node, ast.Raise)
              for child in ast.walk(node)} | {
        id(child) for node in ast.walk(tree) if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "_need" for text in node.args[1:]
        for child in ast.walk(text)}

    def changed(change, node):
        """Return the source with one node changed in place, and restore the node."""
        kept = copy.copy(node.__dict__)
        change()
        text = ast.unparse(tree)
        node.__dict__.clear()
        node.__dict__.update(kept)
        return text

    for node in list(guards(tree)):
        if id(node) in docs | raised:
            continue
        condition = node.test if isinstance(node, ast.If) else node.args[0] \
            if isinstance(node, ast.Call) and node.func.id == "_need" else None
        if isinstance(node, ast.Constant):
            for what, text in rule_faults(node.value):
                yield node.lineno, what, changed(
                    lambda text=text, node=node: setattr(node, "value", text), node)
        elif condition:
            change = (lambda node=node: setattr(node, "test", ast.Constant(False))) \
                if isinstance(node, ast.If) else lambda node=node: setattr(
                    node, "args", [ast.Constant(True), *node.args[1:]])
            yield node.lineno, f"never: {ast.unparse(condition)}", changed(change, node)
            for part in ast.walk(condition):
                yield from condition_faults(part, changed, node.lineno)
        elif node.func.id in ("one_of", "flags", "float_dtype", "bundle") and node.args:
            place = -1 if node.func.id == "float_dtype" else 1
            yield node.lineno, f"not checked: {ast.unparse(node)}", replaced(
                source, tree, node, node.args[place])


def condition_faults(part, changed, line):
    if isinstance(part, ast.Compare):
        for i, op in enumerate(part.ops):
            if type(op) in SWAPPED:
                ops = [*part.ops[:i], SWAPPED[type(op)](), *part.ops[i + 1:]]
                yield line, f"other comparison: {ast.unparse(part)}", changed(
                    lambda ops=ops: setattr(part, "ops", ops), part)
    elif isinstance(part, ast.BoolOp):
        yield line, f"other connective: {ast.unparse(part)}", changed(
            lambda: setattr(part, "op", SWAPPED[type(part.op)]()), part)
    elif isinstance(part, ast.Constant) and type(part.value) in (int, float):
        yield line, f"other number: {part.value}", changed(
            lambda: setattr(part, "value", part.value + 1), part)


def replaced(source, tree, node, other):
    """Return the source with a call replaced by one of its arguments."""
    kept = dict(node.__dict__), node.__class__
    node.__class__ = type(other)
    node.__dict__.clear()
    node.__dict__.update(other.__dict__)
    text = ast.unparse(tree)
    node.__class__ = kept[1]
    node.__dict__.clear()
    node.__dict__.update(kept[0])
    return text


def relaxed():
    """Let `pytest.raises` compare the name of the argument alone."""
    raises = pytest.raises

    def named(kind, *arguments, match=None, **options):
        found = re.match(r"\^?\(?(?:\?s\))?([\w.\\\[\]]+)", match or "")
        return raises(kind, *arguments, match=found and found[1].split(".")[0].split(
            "\\")[0], **options)

    pytest.raises = named


def contract_fails(name):
    contracts = importlib.import_module(f"test_{name.replace('/', '_')}_contract")
    complaints = importlib.import_module("harness").complaints
    with np.errstate(divide="raise", over="raise", invalid="raise", under="ignore"):
        return any(complaint for c in contracts.FUNCTIONS
                   for complaint in complaints(c))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name")
    parser.add_argument("--names", action="store_true")
    parser.add_argument("--write", action="store_true")
    options, arguments = parser.parse_known_args()
    name, stem = options.name, options.name.replace("/", "_")
    arguments = arguments or [f"tests/contract/test_{stem}_contract.py",
                              f"tests/{'fast/' * ('/' in name)}test_{stem}.py"]
    os.chdir(ROOT)
    source = (ROOT / "refsnn" / f"{name}.py").read_text()
    if options.names:
        relaxed()
    runs = {"contract": lambda: contract_fails(name),
            "hand": lambda: tests_fail(arguments)}
    for run in runs.values():
        if fails(name, ast.unparse(ast.parse(source)), run):
            sys.exit("the tests fail without a fault")
    found = [(what, next((kind for kind, run in runs.items()
                          if fails(name, text, run)), "not detected"))
             for _, what, text in faults(source)]
    verdicts = [verdict for _, verdict in found]
    print(f"{name}: {len(found)} faults, of which the contract detects "
          f"{verdicts.count('contract')} and {' '.join(arguments)} "
          f"{verdicts.count('hand')}")
    print(*(f"  {verdict}: {what}" for what, verdict in found
            if verdict != "contract"), sep="\n")
    if options.write:
        path = ROOT / "tests" / "contract" / "faults" / f"{stem}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")


if __name__ == "__main__":
    main()
