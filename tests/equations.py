"""List each equation with its lines of code and its proofs; put faults into the lines.

    python tests/equations.py --write       write the tables of PROOFS.md
    python tests/equations.py lif fast/lif  put one fault into each marked line of these
                                            modules, and run the proofs

A comment `# (7)` marks the line of code that computes equation (7) of its module, and
`@proves("lif", 7)` marks a test that compares this equation with an independent route.
The value that a marked line computes gets a fault: floats are multiplied by 1.001,
integers are increased by 1, and Booleans are negated.  For an augmented assignment, and
for a call with `out=`, the increment gets the fault.  If a statement has several lines,
only the largest expression on the marked line gets it.  At least one proof of the
equation must then fail.
"""

import ast
import functools
import hashlib
import io
import os
import re
import sys
import textwrap
import tokenize
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# An equation of a docstring ends with its number, and the paper's number if known.
NUMBER = re.compile(r"(?:^|\s{2,})\((\d+)\)(?:\s+\[[A-Z][^\]]*\][^()]*)?$")
TAG = re.compile(r"#\s*\((\d+(?:,\s*\d+)*)\)$")
BEGIN, END = "<!-- proofs:begin -->", "<!-- proofs:end -->"
# Faults that no proof detects, with the reason: (module, equation, code of the line).
SURVIVORS = {}


class Line(NamedTuple):
    """Hold a marked line of a module."""
    module: str         # such as lif or fast/lif
    equation: int
    number: int         # of the line


def modules():
    """Return the names of all modules of the core, `fast`, `stack` and `oracle/nir`."""
    return [str(path.relative_to(ROOT / "refsnn").with_suffix(""))
            for folder in ("", "fast", "stack", "oracle/nir")
            for path in sorted((ROOT / "refsnn" / folder).glob("*.py"))
            if not path.name.startswith("_")]


def source(module):
    return (ROOT / "refsnn" / f"{module}.py").read_text(encoding="utf-8")


def marked(module, text=None):
    """Return all marked lines of a module, in their order."""
    tokens = tokenize.generate_tokens(io.StringIO(text or source(module)).readline)
    return [Line(module, int(k), token.start[0]) for token in tokens
            if token.type == tokenize.COMMENT and TAG.match(token.string)
            for k in TAG.match(token.string)[1].split(",")]


def parts(doc):
    """Return the parts of a docstring: (text, None), or (equation, its number)."""
    found, prose = [], []
    for paragraph in re.split(r"\n\s*\n", doc):
        lines, start = paragraph.split("\n"), 0
        numbers = [(i, int(m[1])) for i, m in enumerate(map(NUMBER.search, lines)) if m]
        if numbers:
            found += [("\n\n".join(prose), None)] * bool(prose)
            prose = []
        else:
            prose.append(paragraph)
        for i, k in numbers:        # a last line without number belongs to the last
            end = len(lines) if k == numbers[-1][1] else i + 1
            found.append((textwrap.dedent("\n".join(lines[start:end])), k))
            start = end
    return found + [("\n\n".join(prose), None)] * bool(prose)


@functools.cache
def functions(path):
    """Return {name: (line, source)} of the functions in a file."""
    text, found = path.read_text(encoding="utf-8"), {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = min([node, *node.decorator_list], key=lambda part: part.lineno)
            found[node.name] = node.lineno, textwrap.dedent("\n".join(
                text.splitlines()[first.lineno - 1:node.end_lineno]))
    return found


@functools.cache
def code_of(module):
    """Return {equation: [(number of a line, code)]}: the whole marked statements; only
    the marked line of a statement that contains others, such as a loop."""
    text, found = source(module), {}
    tree, rows = ast.parse(text), re.sub(r" +(?=# \(\d)", "  ", text).splitlines()
    for line in marked(module):
        node = statement_of(tree, line.number)
        one = hasattr(node, "body") or node.lineno == node.end_lineno
        first, last = (line.number,) * 2 if one else (node.lineno, node.end_lineno)
        code = textwrap.dedent("\n".join(rows[first - 1:last])).split("\n")
        found.setdefault(line.equation, {}).update(enumerate((
            code[0].rpartition("#")[0].strip(),) if one else code, first))
    return {k: sorted(lines.items()) for k, lines in found.items()}


@functools.cache
def marks(module):
    """Return {equation: (its lines, its proofs (test file, test function))}."""
    found = {}
    for line in marked(module):
        found.setdefault(line.equation, ([], []))[0].append(line.number)
    for file, name, of, proved in proofs():
        for k in proved if of == module else ():
            found.setdefault(k, ([], []))[1].append((file, name))
    return dict(sorted(found.items()))


@functools.cache
def proofs(folder=ROOT / "tests"):
    """Return (test file, test function, module, equations) of every mark."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "proves":
                    module, *equations = (ast.literal_eval(a) for a in mark.args)
                    found.append((path.relative_to(folder).as_posix(), node.name,
                                  module, equations))
    return found


# ---- one fault in a marked line

def fault(value):
    """Return a value with the fault."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(fault, value))
    if isinstance(value, (tuple, list)):
        return type(value)(map(fault, value))
    dtype = getattr(value, "dtype", np.dtype(type(value)) if isinstance(
        value, (bool, int, float, complex)) else None)
    kind = getattr(dtype, "kind", "")
    if kind == "b":
        return not value if np.ndim(value) == 0 else np.logical_not(value)
    if kind in ("i", "u"):
        return value + 1
    return value * dtype.type(1.001) if kind in ("f", "c") else value


def fault_out(function, *arguments, out, **options):
    """Call a function of NumPy with out=, and put the error into its increment."""
    before = np.array(out)
    result = function(*arguments, out=out, **options)
    own = any(isinstance(a, np.ndarray) and np.shares_memory(a, out)
              for a in arguments)
    change = out - before if own and out.dtype != bool else None
    out[...] = fault(np.array(out)) if change is None else before + fault(change)
    return result


def statement_of(tree, number):
    """Return the smallest statement that contains a line."""
    return min((node for node in ast.walk(tree) if isinstance(node, ast.stmt)
                and node.lineno <= number <= node.end_lineno),
               key=lambda node: node.end_lineno - node.lineno)


def faulty(text, number):
    """Return a source with the fault in one line; the module needs _fault and
    _fault_out."""
    tree = ast.parse(text)
    statement = statement_of(tree, number)
    parts = [(parent, field, i) for parent in ast.walk(statement)
             for field, value in ast.iter_fields(parent)
             for i, child in enumerate(value if isinstance(value, list) else [value])
             if isinstance(child, ast.expr) and child.lineno <= number
             and child.end_lineno >= number and changeable(parent, child)]

    def child(part):
        value = getattr(part[0], part[1])
        return value[part[2]] if isinstance(value, list) else value

    within = [part for part in parts if child(part).lineno == child(part).end_lineno]
    ending = [part for part in parts if child(part).end_lineno == number]
    whole = [part for part in parts if part[0] is statement]
    if statement.lineno == statement.end_lineno or not (within or ending):
        chosen = whole or parts
    else:
        chosen = within or ending
    parent, field, i = max(chosen, key=lambda part: (
        child(part).end_col_offset - child(part).col_offset
        + 1000 * (child(part).end_lineno - child(part).lineno)))
    node = child((parent, field, i))
    if isinstance(node, ast.Call) and any(k.arg == "out" for k in node.keywords):
        new = ast.Call(ast.Name("_fault_out", ast.Load()), [node.func, *node.args],
                       node.keywords)
    else:
        new = ast.Call(ast.Name("_fault", ast.Load()), [node], [])
    if isinstance(getattr(parent, field), list):
        getattr(parent, field)[i] = new
    else:
        setattr(parent, field, new)
    return ast.unparse(ast.fix_missing_locations(tree))


def changeable(parent, child):
    """Return whether an expression is a value that can be passed to a function."""
    return not (isinstance(getattr(child, "ctx", None), (ast.Store, ast.Del))
                or isinstance(child, (ast.Starred, ast.Slice, ast.JoinedStr))
                or isinstance(parent, (ast.JoinedStr, ast.FormattedValue))
                or isinstance(parent, ast.Call) and child is parent.func
                or isinstance(parent, (ast.keyword, ast.FunctionDef))
                or isinstance(parent, ast.Subscript) and child is parent.slice
                or isinstance(parent, ast.Attribute)
                or isinstance(child, ast.Constant) and isinstance(
                    child.value, (str, type(None))))


def detect(tests, module, text):
    """Return whether one of the tests fails if the module has the source `text`."""
    from forked import fails, tests_fail        # imports pytest
    return fails(module, text, lambda: tests_fail(tests), _fault=fault,
                 _fault_out=fault_out)


def survivors(lines):
    """Yield (line, code) of each marked line whose fault no proof detects."""
    for line in lines:
        text = source(line.module)
        tests = [str(ROOT / "tests" / file) + "::" + name
                 for file, name in marks(line.module)[line.equation][1]]
        code = text.splitlines()[line.number - 1].rpartition("#")[0].strip()
        if not tests or not detect(tests, line.module, faulty(text, line.number)):
            yield line, code


def chosen(lines, part):
    """Return all lines if `part` is "1", and a tenth that it determines otherwise."""
    return [line for line in lines if part == "1" or int(hashlib.sha256(
        f"{part} {line.module} {line.equation}".encode()).hexdigest(), 16) % 10 == 0]


# ---- PROOFS.md

def tables():
    """Return the tables of PROOFS.md: equation, lines and proofs of each module."""
    told = []
    for module in modules():
        if marks(module):
            told += ["", f"## {module}", "", "| equation | line | proofs |",
                     "|---|---|---|"]
        for k, (lines, proved) in marks(module).items():
            tests = {}
            for file, name in proved:
                tests.setdefault(file, []).append(f"`{name.removeprefix('test_')}`")
            told.append(f"| ({k}) | {', '.join(map(str, lines))} | " + "; ".join(
                f"{file}: {', '.join(names)}" for file, names in tests.items()) + " |")
    return told[1:]


def main(names):
    if names == ["--write"]:
        path = ROOT / "tests" / "PROOFS.md"
        head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        text = "\n".join([head + begin, *tables(), END]) + rest.partition(END)[2]
        path.write_text(text, encoding="utf-8")
        return 0
    lines = [line for name in names for line in marked(name)]
    found = [*survivors(lines)]
    for line, code in found:
        print(f"{line.module} ({line.equation}), line {line.number}: {code}")
    print(f"{len(found)} of {len(lines)} faults are not detected")
    return int(bool(found))


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
