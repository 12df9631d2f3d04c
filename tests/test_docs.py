"""The documents agree with the code: equations, docstrings, README, versions.

Each rule is a function that maps a text to a list of complaints.  Each rule is
also run on a bad example, about which it must complain.
"""

import ast
import importlib
import io
import json
import pydoc
import re
import tokenize
from pathlib import Path

import equations
import numpy as np
import pytest

import refsnn
from refsnn import __main__ as command

ROOT = Path(__file__).resolve().parent.parent
CORE, *OTHERS = (sorted(path for path in (ROOT / "refsnn").glob(pattern)
                        if not path.stem.startswith("_"))
                 for pattern in ("*.py", "fast/*.py", "convert/*.py", "stack/*.py",
                                 "oracle/**/*.py"))
MODULES = [*CORE, *sum(OTHERS, []), ROOT / "refsnn" / "__main__.py"]
WITHOUT_EQUATIONS = {"datasets.py", "events.py"}
WITHOUT_SECTIONS = re.compile(          # for use by other modules of the package only
    r"oracle/(build/|matching|exchange|hdf5|locate|nir/)")
DOC_WIDTH, CODE_WIDTH = 75, 88
# A type in a summary: a shape, the name of a type, or a class of the package.
TYPE = re.compile(r"\([^()]*,[^()]*\)|\b(int|float(64)?|list|dict|str|uint8)\b"
                  r"|`[A-Z]\w+`")
LABELS = (("Derivation.",), ("Exact.", "Approximate."), ("Cost.",), ("Departures.",))
COMMANDS = ("python -m pip install -e '.[figures]' && python run_all.py",
            "python -m pip install -e '.[test]' && python -m pytest -n auto")


def read(path):
    return path.read_text(encoding="utf-8")


# ---- modules

def displayed(source):
    """Return the numbers of the equations in the module docstring, in order."""
    doc = ast.get_docstring(ast.parse(source), clean=False) or ""
    return [int(m[1]) for m in map(equations.NUMBER.search, doc.splitlines()) if m]


def tagged(source):
    """Return the equation numbers that comments put on lines of code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    tags = [equations.TAG.match(token.string) for token in tokens
            if token.type == tokenize.COMMENT]
    return {int(k) for tag in tags if tag for k in tag[1].split(",")}


def bad_equations(source, name):
    """Equations displayed twice, out of order, not coded; tags without equation."""
    shown, tags = displayed(source), tagged(source)
    complaints = []
    if shown != list(range(1, len(shown) + 1)):
        complaints.append(f"{name}: equations are numbered {shown}")
    complaints += [f"{name}: no line of code has the comment # ({k}) for equation ({k})"
                   for k in sorted(set(shown) - tags)]
    return complaints + [f"{name}: a line has the comment # ({k}), and the module "
                         f"docstring displays no equation ({k})"
                         for k in sorted(tags - set(shown))]


def bad_labels(source, name):
    """Fixed labels that the docstring of an algorithm module lacks."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    if not displayed(source):
        known = name in WITHOUT_EQUATIONS or re.match(
            "oracle/|convert/|stack/network|_", name)
        return [] if known else [
            f"{name}: the module docstring displays no equation with a number"]
    return [f"{name}: the module docstring has no paragraph {' or '.join(choice)}"
            for choice in LABELS
            if not any(re.search(rf"^{re.escape(label)}\s", doc, re.M)
                       for label in choice)]


def bad_keys(source, name):
    """Papers cited in the docstring and not given in full at its end."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    cited = set(re.findall(r"\[([A-Z][A-Za-z+]*\d\d)\]", doc))
    given = set(re.findall(r"^\[([A-Z][A-Za-z+]*\d\d)\] \w", doc, re.M))
    return [f"{name}: the references of the module docstring lack [{key}]"
            for key in sorted(cited - given)]


def documented(tree):
    """Module, classes and functions that have a docstring."""
    return [node for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None]


def bad_widths(source, name):
    """Text beyond 75 columns in docstrings, lines beyond 88 but the header."""
    complaints = [f"{name}:{number}: the line has {len(line)} columns, not {CODE_WIDTH}"
                  for number, line in enumerate(source.splitlines(), 1)
                  if len(line) > CODE_WIDTH and number > 1]
    for node in documented(ast.parse(source)):
        complaints += [f"{name}: the docstring of {getattr(node, 'name', name)} has "
                       f"{len(line)} columns, not {DOC_WIDTH}: {line}"
                       for line in ast.get_docstring(node).splitlines()
                       if len(line) > DOC_WIDTH]
    return complaints


# ---- functions

def sections(doc):
    """Text below each underlined heading of a numpydoc docstring."""
    parts = re.split(r"^([A-Z][a-z]+)\n-{3,}\n", doc, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def functions(source, name):
    """Return the docstring of each function.  For a fast module, the functions of the
    core module of this name are included, such as "superspike.rest"."""
    found = {node.name: ast.get_docstring(node) or "" for node in ast.parse(source).body
             if isinstance(node, ast.FunctionDef)}
    folder, _, file = name.rpartition("/")
    if folder == "fast":
        core = functions(read(ROOT / "refsnn" / file), file)
        found |= {f"{Path(file).stem}.{key}": doc for key, doc in core.items()}
    return found


def referred(doc, docs):
    """Return the sections, those of another function where the text names it, as
    "Arguments and results as for `f`.", "Arguments as for `f`." and "Results as for
    `f`." do.  A summary that holds the type or the shape of the result counts as
    the section Returns."""
    found, summary = sections(doc), doc.split("\n\n")[0].replace("\n", " ")
    if TYPE.search(summary):
        found.setdefault("Returns", summary)
    for told, name in re.findall(r"^(Arguments and results|Arguments|Results) as for "
                                 r"`([\w.]+)`\.$", doc, re.M):
        rest = {key: text for key, text in docs.items() if key != name}
        other = referred(docs.get(name, ""), rest)
        for key, word in (("Parameters", "argument"), ("Returns", "result")):
            if word in told.lower() and key in other:
                found.setdefault(key, other[key])
    return found


def bad_functions(source, name):
    """Public functions without summary, sections, parameters or doctest."""
    tree, complaints = ast.parse(source), []
    docs = functions(source, name)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        doc = ast.get_docstring(node) or ""
        found, where = referred(doc, docs), f"{name}:{node.lineno}: {node.name}"
        arguments = [a.arg for a in node.args.posonlyargs + node.args.args
                     + node.args.kwonlyargs + [node.args.vararg] if a]
        gives = any(isinstance(child, ast.Return) and child.value is not None
                    for child in ast.walk(node))
        wanted = ["Parameters"] * bool(arguments) + ["Returns"] * gives
        inner = WITHOUT_SECTIONS.match(name) and "Parameters" not in found
        complaints += [] if inner else [
            f"{where} has no section {s} in its docstring"
            for s in wanted if s not in found]
        heads = re.findall(r"^\S.*$", found.get("Parameters", ""), re.M)
        named = set(re.findall(r"\w+", " ".join(h.split(" : ")[0] for h in heads)))
        complaints += [] if inner else [
            f"{where} does not say what {a} is" for a in arguments if a not in named]
        if ">>> " not in doc:
            complaints.append(f"{where} has no example >>> in its docstring")
        summary = doc.split("\n\n")[0].replace("\n", " ")
        if not re.match(r"\S.*[.:]$", summary) or "---" in summary:
            complaints.append(f"{where} has no summary that ends with a full stop")
    return complaints


def bad_fields(source, name):
    """Fields of classes with arrays that no docstring of a function describes."""
    tree, complaints = ast.parse(source), []
    if name.startswith("oracle/"):
        return []
    docs = functions(source, name)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or "__repr__" not in ast.unparse(node):
            continue
        found = re.search(r"The\s+function\s+`(\w+)`\s+describes\s+the\s+fields",
                          ast.get_docstring(node) or "")
        doc = docs.get(found[1], "") if found else ""
        doc += referred(doc, docs).get("Returns", "")
        complaints += [f"{name}:{node.lineno}: the function that the docstring of "
                       f"{node.name} names does not describe {child.target.id}"
                       for child in node.body if isinstance(child, ast.AnnAssign)
                       and not re.search(rf"^    (\w+, )*{child.target.id}\b", doc,
                                         re.M)]
    return complaints


def bad_module(source, name):
    """All of the above."""
    return [c for rule in (bad_equations, bad_labels, bad_keys, bad_widths,
                           bad_functions, bad_fields) for c in rule(source, name)]


def label(path):
    """Return the name of a module within the package, such as "fast/lif.py"."""
    return path.relative_to(ROOT / "refsnn").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_module_documents_what_it_does(path):
    bad = bad_module(read(path), label(path))
    assert not bad, "\n".join(bad)
    assert "eq. ?" not in read(path)


def bad_help(text, doc):
    """Methods of tuples in the text of `help`, and a late first function."""
    lines, last = text.splitlines(), doc.strip().splitlines()[-1].strip()
    end = [line.strip() for line in lines].index(last)
    first = next((number for number, line in enumerate(lines) if number > end
                  and re.match(r"    \w+\(", line)), len(lines))
    tuples = r" *\| +(_asdict|_replace|_make|__new__|__getnewargs__)\("
    return [line for line in lines if re.match(tuples, line)] + [
        f"the first function stands {first - end} lines below the docstring"] * (
        first - end > 25)


@pytest.mark.parametrize("path", CORE + OTHERS[0], ids=label)
def test_help_shows_the_functions_at_once(path):
    module = importlib.import_module(
        "refsnn." + label(path).removesuffix(".py").replace("/", "."))
    text = pydoc.render_doc(module, renderer=pydoc.plaintext)
    assert bad_help(text, module.__doc__) == []
    if path.name == "lif.py":
        assert re.search(r"(?m)^    \w+\(", "\n".join(text.splitlines()[:150]))


def test_a_late_function_and_methods_of_tuples_are_seen():
    good = "DESCRIPTION\n    The end.\n\nFUNCTIONS\n    f(x)\n"
    assert bad_help(good, "Text.\n\nThe end.\n") == []
    assert len(bad_help(good.replace("FUN", 25 * "\n" + "FUN"), "The end.")) == 1
    assert len(bad_help(good + "     |  _asdict(self)\n", "The end.")) == 1


def test_packages_keep_the_width():
    bad = [c for path in (ROOT / "refsnn").rglob("__init__.py")
           for c in bad_widths(read(path), label(path))]
    assert not bad, "\n".join(bad)


# ---- README and its fellows

def commands(readme):
    """Commands that install the project and run it, each once."""
    found = re.findall(r"python -m pip install -e '\.\[[a-z]+\]' && python [^`\n]+",
                       readme)
    return list(dict.fromkeys(command.strip() for command in found))


def python_blocks(readme):
    return re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)


def bad_ci(script, lines):
    """Lines of the README that the script does not run, run_all with --quick."""
    run = {line.strip().removeprefix("step ") for line in script.splitlines()}
    wanted = [line + " --quick" * ("run_all" in line) for line in lines]
    return [line for line in wanted if line not in run]


def between(text, name):
    """Text between a pair of markers."""
    pattern = rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->"
    found = re.findall(pattern, text, re.S)
    if len(found) != 1:
        raise ValueError(f"{name} is marked {len(found)} times: must be once")
    return found[0]


def test_readme_begins_with_the_two_commands():
    readme = read(ROOT / "README.md")
    assert tuple(commands(readme)) == COMMANDS
    top = readme[:readme.index(COMMANDS[0])]
    assert "python3 -m venv" in top and "activate" in top
    assert len(top.splitlines()) < 25


def test_ci_runs_the_commands_of_the_readme():
    readme, script = read(ROOT / "README.md"), read(ROOT / ".ci" / "run")
    assert bad_ci(script, commands(readme)) == []
    assert len(bad_ci(script.replace("--quick", ""), commands(readme))) == 1
    assert len(bad_ci(script, ["python -m nothing"])) == 1


def foreign(block):
    """Whether an example needs what the project does not: see tests/peers."""
    return "import torch" in block


def test_readme_pictures_are_small():
    named = re.findall(r"^\[\w+\]: (figures/pictures/\S+)$", read(ROOT / "README.md"),
                       re.M)
    stored = sorted((ROOT / "figures" / "pictures").iterdir())
    assert [ROOT / name for name in sorted(named)] == stored and len(stored) == 2
    assert all(path.stat().st_size < 120_000 for path in stored)


def test_readme_examples_run(tmp_path, monkeypatch):
    block, proof, online, chip, results = [
        part for part in python_blocks(read(ROOT / "README.md")) if not foreign(part)]
    names = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)
    assert all(0 < names[layer].spikes.mean() < 1 for layer in ("one", "two"))
    assert names["dW1"].all()
    exec(compile(proof, "README.md", "exec"), names)
    wrong = proof.replace("W1, dW1, rng", "W1, 1.001 * dW1, rng")
    with pytest.raises(AssertionError, match="gradient"):
        exec(compile(wrong, "README.md", "exec"), names)
    for seed in range(20):
        rng, found = np.random.default_rng(seed), {}
        names |= {"x": (rng.random((50, 8, 20)) < 0.1).astype(float),
                  "target": rng.random((50, 8, 5)),
                  **{name: rng.normal(0, 0.5, names[name].shape)
                     for name in ("W1", "W2", "W3")}}
        for repetitions in (1, 7):         # the error of the last step falls
            part = online.replace("range(60)", f"range({repetitions})")
            after = dict(names)
            exec(compile(part, "README.md", "exec"), after)
            assert all(0 < layer.spikes.mean() < 1 for layer in after["now"].layers[:2])
            found[repetitions] = np.sum(
                (after["now"].potentials - after["target_now"]) ** 2)
        assert found[7] < found[1]
    names = after
    for repetitions in (1, 60):
        part = chip.replace("range(60)", f"range({repetitions})")
        after = dict(names)
        exec(compile(part, "README.md", "exec"), after)
        assert after["report"].faults == () and 0 < after["rec"].spikes.mean() < 1
        found[repetitions] = after["loss"]
    assert found[60] < 0.5 * found[1]
    monkeypatch.chdir(tmp_path)
    assert command.main(["vectors", "vectors"]) == 0
    for part, status in (results, 0), (results.replace("out.dW", "mutant1.dW"), 1):
        exec(compile(part, "README.md", "exec"), {})
        assert command.main(["check", "results.npz"]) == status


def test_only_the_peers_need_other_tools():
    assert "torch" not in read(ROOT / "setup.cfg").partition("peers =")[0]


def bad_tests(text):
    """Return the tests that a text names and that do not exist."""
    found = re.findall(r"(test_\w+\.py)::(test_\w+)", text)
    paths = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    return [f"{name}::{test}" for name, test in found
            if name not in paths or f"\ndef {test}(" not in read(paths[name])]


def test_each_departure_has_its_test():
    departures = refsnn.__doc__.partition("Departures and errata.")[2]
    items = departures.split("\n- ")[1:]
    assert len(items) > 8 and all("::test_" in item for item in items)
    assert bad_tests(refsnn.__doc__) == []
    assert bad_tests("see test_lif.py::test_nothing") == ["test_lif.py::test_nothing"]
    assert bad_tests("test_none.py::test_a") == ["test_none.py::test_a"]


def bad_map(where, rows, stems):
    """Return modules without a row in a map, and rows that must not be there."""
    return [f"{where} has no row for the module {stem}" for stem in stems
            if stem not in rows] + [
        f"{where} has a row for {row}, which is no module or has a row already"
        for row in sorted(rows) if row not in stems or rows.count(row) > 1]


def test_the_map_names_every_module():
    """Both maps, in the README and in `help("refsnn")`, name each core module once."""
    stems = [path.stem for path in CORE]
    part = read(ROOT / "README.md").partition("## The modules")[2].partition("\n## ")[0]
    core = refsnn.__doc__.partition("Departures and errata.")[0]
    bad = bad_map("README.md, section The modules,",
                  re.findall(r"^\| `(\w+)` \|", part, re.M), stems)
    bad += bad_map("The docstring of refsnn/__init__.py",
                   re.findall(r"^    (\w+)  ", core, re.M), stems)
    assert not bad, "\n".join(bad)
    assert bad_map("README.md", ["a", "b"], ["a", "b"]) == []
    assert bad_map("README.md", ["a"], ["a", "lif"]) == [
        "README.md has no row for the module lif"]
    assert len(bad_map("README.md", ["a", "a", "b"], ["a"])) == 3
    for key in ("ZN21", "LZ20", "CB22", "CSSZ20", "NMZ19", "ZG18", "ZPG17"):
        assert f"[{key}]" in read(ROOT / "README.md")


def bad_marks(shown, marks, of):
    """Return equations of a module without proof, and proofs without equation."""
    proved = {k for _, _, module, equations in marks if module == of
              for k in equations}
    return [f'{of}: no test of equation ({k}) has the mark @proves("{of}", {k})'
            for k in shown if k not in proved] + [
        f'{of}: a test has the mark @proves("{of}", {k}), and the module docstring '
        f"displays no equation ({k})" for k in sorted(proved - set(shown))]


def test_each_equation_has_a_proof():
    marks = equations.proofs()
    bad = [c for of in equations.modules()
           for c in bad_marks(displayed(equations.source(of)), marks, of)]
    assert not bad, "\n".join(bad)
    assert {of for _, _, of, _ in marks} <= set(equations.modules())
    assert bad_marks([1, 2], [("f", "t", "a", [1]), ("f", "t", "b", [2])], "a")
    assert bad_marks([1], [("f", "t", "a", [1, 2])], "a")
    assert bad_marks([1], [("f", "t", "a", [1])], "a") == []


def test_parts_of_a_docstring_hold_its_words_and_equations():
    doc = ("Let\n\n    a = b  (1)  [ZG18] eq. 2.1\n    c =\n      d    (2)\n    of e"
           "\n\nx.\n\ny.")
    assert equations.parts(doc) == [
        ("Let", None), ("a = b  (1)  [ZG18] eq. 2.1", 1),
        ("c =\n  d    (2)\nof e", 2), ("x.\n\ny.", None)]
    for of in equations.modules():
        doc = ast.get_docstring(ast.parse(equations.source(of)))
        parts = equations.parts(doc)
        assert [k for _, k in parts if k] == displayed(equations.source(of)), of
        assert " ".join(text for text, _ in parts).split() == doc.split(), of


def test_a_table_lists_the_lines_and_the_proofs_of_each_equation():
    """`python tests/equations.py --write` writes the table."""
    told = between(read(ROOT / "tests" / "PROOFS.md"), "proofs").strip().splitlines()
    assert told == equations.tables(), \
        "tests/PROOFS.md is out of date: run python tests/equations.py --write"


def test_links_lead_somewhere():
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "tests/PROOFS.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(path)):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_site_finds_what_its_pages_quote():
    """Pages of the site quote passages that a change of words may remove."""
    pages = "".join(map(read, sorted((ROOT / "docs" / "_pages").glob("*.html"))))
    sections = re.findall(r'section\("([^"]+)", "([^"]+)"\)', pages)
    passages = re.findall(r're\.search\("(.*?)", (?:read\("(.*?)"\)|refsnn\.)', pages)
    assert len(sections) >= 3 and len(passages) >= 2
    for path, title in sections:
        assert f"\n## {title}\n" in read(ROOT / path)
    for pattern, path in passages:
        assert re.search(ast.literal_eval(f'"{pattern}"'), read(
            ROOT / (path or "refsnn/__main__.py"))), pattern


def test_one_version():
    version = refsnn.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert "version = attr: refsnn.__version__" in read(ROOT / "setup.cfg")
    assert f"\nversion: {version}\n" in read(ROOT / "CITATION.cff")
    assert re.search(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.M)[1] == version


def test_changelog_begins_with_numbers():
    headings = re.findall(r"^#+ (.*)$", read(ROOT / "CHANGELOG.md"), re.M)
    assert headings[0] == "Changes" and headings[2] == "Numbers"


def test_stored_results_are_json():
    for folder in ("full", "reference"):
        for path in sorted((ROOT / "figures" / folder).glob("*.json")):
            json.loads(read(path))


# ---- the rules can say no

GOOD = r'''
r"""A rule in two sentences.

    y = a x                                  (1)  [NMZ19]
    z = y + b                                (2)

Derivation.  Of (1) and (2).
Exact.  Yes.
Cost.  O(n).
Departures.  None.

[NMZ19] E. Neftci and others.
"""

def f(x, *, a):
    """Value of eq. (1).

    Parameters
    ----------
    x, a : float
        Anything.

    Returns
    -------
    float
        The value.

    Examples
    --------
    >>> f(1.0, a=2.0)
    3.0
    """
    y = a * x                                                      # (1)
    return y + 1                                                   # (2)
'''


@pytest.mark.parametrize("old, new", [
    ("# (1)", ""), ("# (2)", "# (2, 3)"), ("# (2)", "# as in (2)"),
    ("    (2)\n", "    (3)\n"), ("    (2)\n", "\n"), ("Derivation.  ", "Because "),
    ("Exact.", "Precise."), ("Cost.", "Price."), ("Departures.", "Other."),
    ("[NMZ19] E.", "See E."), ("Anything.", "Anything" + " at all" * 10 + "."),
    ("y = a * x ", "y = a * x " + 30 * " "), (">>> ", "... "),
    ("    -------\n", ""), ("Returns\n", "Return\n"), ("Parameters\n", "Inputs\n"),
    ("x, a :", "x :"), ("Value of eq. (1).", "")])
def test_a_bad_module_is_seen(old, new):
    assert bad_module(GOOD, "a.py") == []
    assert old in GOOD
    assert bad_module(GOOD.replace(old, new), "a.py")


@pytest.mark.parametrize("text, bad", [
    ("Arguments and results as for `f`.", 0), ("Arguments as for `f`.", 1),
    ("Arguments and results as for `h`.", 4), ("", 4), ("Results as for `f`.", 3),
    ("Arguments as for `f`.\n    Results as for `f`.", 0),
    ("Arguments and results as for `g`.", 4)])
def test_arguments_of_another_function_are_described_there(text, bad):
    more = f'''
def g(a, *, x):
    """Return another value.

    >>> g(1, x=2)
    2

    {text}
    """
    return a * x
'''
    assert len(bad_module(GOOD + more, "a.py")) == bad


@pytest.mark.parametrize("summary, bad", [
    ("Return a value, eqs. (1), (2).", 1), ("Return y (T, n) of eq. (1).", 0),
    ("Return a float, eq. (1).", 0), ("Return the `State`.", 0), ("Return `y`.", 1)])
def test_a_summary_may_hold_the_type_of_the_result(summary, bad):
    part = re.sub(r"    Returns.*?(?=    Examples)", "", GOOD, flags=re.S)
    part = part.replace("Value of eq. (1).", summary)
    assert len(bad_module(part, "a.py")) == bad


def test_functions_for_other_modules_need_a_summary_and_an_example():
    short = re.sub(r"    Parameters.*?(?=    Examples)", "", GOOD, flags=re.S)
    assert bad_module(short, "a.py") and not bad_module(short, "oracle/matching.py")
    for old, new in ((">>> ", "... "), ("Value of eq. (1).", "")):
        assert bad_module(short.replace(old, new), "oracle/matching.py")


@pytest.mark.parametrize("old, new", [
    ("syn    (B, n)", "sin    (B, n)"), ("mem", "me"), ("`f`", "`g`"), ("`f`", "`h`"),
    ("describes the fields", "returns it")])
def test_a_field_without_description_is_seen(old, new):
    good = 'class A(NamedTuple):\n    """Hold b.  The\n    function `f` describes ' \
        'the fields."""\n    syn: float\n    mem: list\n    __repr__ = shown\n' \
        'def f():\n    """Return A.\n\n    A\n        syn    (B, n)\n' \
        '        mem    (B, n)\n    """\ndef g():\n    """Return 1."""\n'
    assert bad_fields(good, "a.py") == []
    at = good.rindex(old)
    assert bad_fields(good[:at] + new + good[at + len(old):], "a.py")


def test_equation_numbers_are_told_from_prose():
    doc = 'r"""Text.\n\n    a = b  (1)  [ZG18] eq. 2.1\n  with (2)\n    c (3)\n' \
        '    d = e        (2)\n    the sum of (2) and  (1) is\n"""\n'
    assert displayed(doc) == [1, 2]
    assert tagged("a = 1  # (1)\nb = 2  # (2, 3)\n# (n, m)\nc = '# (7)'\n") == {1, 2, 3}
