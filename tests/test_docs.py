"""The documents are true: equations, docstrings, README, versions.

Each rule is a function from a text to a list of complaints; each is also run
on a bad example, on which it must complain.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import refsnn

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for path in (ROOT / "refsnn").glob("*.py")
                 if path.stem != "__init__")
BOOKKEEPING = {"__main__", "conformance", "conformance_arrays",
               "conformance_compare", "conformance_costs", "conformance_files",
               "conformance_identify", "conformance_models", "conformance_networks",
               "conformance_online", "conformance_rules", "conformance_sounds",
               "conformance_spikes",
               "datasets", "events", "ras", "vendoring"}      # no equations
DOC_WIDTH, CODE_WIDTH = 75, 88
LABELS = (("Derivation.",), ("Exact.", "Approximate."), ("Cost.",), ("Departures.",))
COMMANDS = ("python -m pip install -e '.[figures]' && python run_all.py",
            "python -m pip install -e '.[test]' && python -m pytest")
NUMBER = re.compile(r"(?:^|\s{2,})\((\d+)\)(?:\s+\[[A-Z][^\]]*\][^()]*)?$")
TAG = re.compile(r"#\s*\((\d+(?:,\s*\d+)*)\)$")


def read(path):
    return path.read_text(encoding="utf-8")


# ---- modules

def displayed(source):
    """Numbers of the equations that the module docstring displays, in order."""
    doc = ast.get_docstring(ast.parse(source), clean=False) or ""
    return [int(m[1]) for m in map(NUMBER.search, doc.splitlines()) if m]


def tagged(source):
    """Numbers that comments tag lines of code with."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    tags = [TAG.match(token.string) for token in tokens
            if token.type == tokenize.COMMENT]
    return {int(k) for tag in tags if tag for k in tag[1].split(",")}


def bad_equations(source, name):
    """Equations displayed twice, out of order, not coded; tags without equation."""
    shown, tags = displayed(source), tagged(source)
    complaints = []
    if shown != list(range(1, len(shown) + 1)):
        complaints.append(f"{name}: equations are numbered {shown}")
    if set(shown) - tags:
        complaints.append(f"{name}: no code for {sorted(set(shown) - tags)}")
    if tags - set(shown):
        complaints.append(f"{name}: no equation for {sorted(tags - set(shown))}")
    return complaints


def unknown(source):
    """How many equations have no number in their paper yet."""
    return len(re.findall(r"\] eq\. \?", source))


def bad_labels(source, name):
    """Fixed labels that the docstring of an algorithm module lacks."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    if not displayed(source):
        known = name.removesuffix(".py") in BOOKKEEPING
        return [] if known else [f"{name}: displays no equation"]
    return [f"{name}: no label {' or '.join(choice)}" for choice in LABELS
            if not any(re.search(rf"^{re.escape(label)}\s", doc, re.M)
                       for label in choice)]


def bad_keys(source, name):
    """Papers cited in the docstring and not given in full at its end."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    cited = set(re.findall(r"\[([A-Z][A-Za-z+]*\d\d)\]", doc))
    given = set(re.findall(r"^\[([A-Z][A-Za-z+]*\d\d)\] \w", doc, re.M))
    return [f"{name}: [{key}] is not in the references"
            for key in sorted(cited - given)]


def documented(tree):
    """Module, classes and functions that have a docstring."""
    return [node for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None]


def bad_widths(source, name):
    """Text beyond 75 columns in docstrings, lines beyond 88 but the header."""
    complaints = [f"{name}:{number}: {len(line)} columns"
                  for number, line in enumerate(source.splitlines(), 1)
                  if len(line) > CODE_WIDTH and number > 1]
    for node in documented(ast.parse(source)):
        complaints += [f"{name}: docstring of {getattr(node, 'name', name)}: "
                       f"{len(line)} columns: {line}"
                       for line in ast.get_docstring(node).splitlines()
                       if len(line) > DOC_WIDTH]
    return complaints


# ---- functions

def refusing(tree):
    """Names of functions that raise, themselves or through one they call."""
    functions = {node.name: node for node in tree.body
                 if isinstance(node, ast.FunctionDef)}
    found = {name for name, node in functions.items()
             if any(isinstance(child, ast.Raise) for child in ast.walk(node))}
    while True:
        more = {name for name, node in functions.items()
                if name not in found and any(isinstance(child, ast.Name)
                                             and child.id in found
                                             for child in ast.walk(node))}
        if not more:
            return found
        found |= more


def sections(doc):
    """Text below each underlined heading of a numpydoc docstring."""
    parts = re.split(r"^([A-Z][a-z]+)\n-{3,}\n", doc, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def bad_functions(source, name):
    """Public functions without summary, sections, parameters or doctest."""
    tree, complaints = ast.parse(source), []
    raising = refusing(tree)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        doc = ast.get_docstring(node) or ""
        found, where = sections(doc), f"{name}:{node.lineno}: {node.name}"
        arguments = [a.arg for a in node.args.posonlyargs + node.args.args
                     + node.args.kwonlyargs + [node.args.vararg] if a]
        gives = any(isinstance(child, ast.Return) and child.value is not None
                    for child in ast.walk(node))
        wanted = ["Parameters"] * bool(arguments) + ["Returns"] * gives \
            + ["Raises"] * (node.name in raising)
        complaints += [f"{where} has no {s}" for s in wanted if s not in found]
        heads = re.findall(r"^\S.*$", found.get("Parameters", ""), re.M)
        named = set(re.findall(r"\w+", " ".join(h.split(" : ")[0] for h in heads)))
        complaints += [f"{where} does not say what {a} is"
                       for a in arguments if a not in named]
        if ">>> " not in doc:
            complaints.append(f"{where} has no example")
        summary = doc.split("\n\n")[0].replace("\n", " ")
        if not re.match(r"\S.*[.:]$", summary) or "---" in summary:
            complaints.append(f"{where} has no summary")
    return complaints


def bad_module(source, name):
    """All of the above."""
    return [c for rule in (bad_equations, bad_labels, bad_keys, bad_widths,
                           bad_functions) for c in rule(source, name)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_documents_what_it_does(path):
    assert bad_module(read(path), path.name) == []


def test_equation_numbers_of_the_papers_are_listed():
    """Those still unknown are printed (`python tests/test_docs.py`)."""
    count = {path.stem: unknown(read(path)) for path in MODULES}
    assert all(number <= len(displayed(read(ROOT / "refsnn" / f"{stem}.py"))) + 1
               for stem, number in count.items())
    assert unknown("x = y  (1)  [NMZ19] eq. ?\nz  (2)  [NMZ19] eq. 5\n") == 1


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


def lines_of_code(block):
    return [line for line in block.splitlines() if line.strip()]


def test_readme_examples_run():
    block, proof, plugged = [block for block in python_blocks(read(ROOT / "README.md"))
                             if not foreign(block)]
    names = {"__name__": "readme"}
    assert len(lines_of_code(block)) == 10
    exec(compile(block, "README.md", "exec"), names)
    assert 0 < names["layer"].spikes.mean() < 1 and names["dW"].all()
    exec(compile(proof, "README.md", "exec"), names)
    exec(compile(plugged, "README.md", "exec"), names)
    assert names["history"][-1] < 0.1 < 0.5 < names["history"][0]
    exec(compile(block, "README.md", "exec"), names)
    wrong = proof.replace("W, dW, rng", "W, 1.001 * dW, rng")
    with pytest.raises(AssertionError, match="gradient"):
        exec(compile(wrong, "README.md", "exec"), names)


def test_readme_has_one_example_of_another_tool():
    found = [block for block in python_blocks(read(ROOT / "README.md"))
             if foreign(block)]
    assert [len(lines_of_code(block)) for block in found] == [15]
    assert "torch" not in read(ROOT / "setup.cfg").partition("peers =")[0]


def test_readme_answers_questions_by_modules():
    readme = read(ROOT / "README.md")
    rows = re.findall(r"^\| [A-Z][^|`]+\? \|(.*)\|$", readme, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(rows) > 10 and len(named) > 20
    assert named <= {path.stem for path in MODULES}


def bad_tests(text):
    """Tests that a text names and that are not there."""
    found = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    return [f"{name}::{test}" for name, test in found
            if not (ROOT / "tests" / name).exists()
            or f"\ndef {test}(" not in read(ROOT / "tests" / name)]


def test_each_departure_has_its_test():
    readme = read(ROOT / "README.md")
    part = readme.partition("## Departures and errata")[2].partition("\n## ")[0]
    items = part.split("\n- ")[1:]
    assert len(items) > 5 and all("::test_" in item for item in items)
    assert bad_tests(readme) == []
    assert bad_tests("see `test_lif.py::test_nothing`") == ["test_lif.py::test_nothing"]
    assert bad_tests("`test_none.py::test_a`") == ["test_none.py::test_a"]


def test_readme_names_every_module_and_paper():
    readme = read(ROOT / "README.md")
    part = readme.partition("## Modules")[2].partition("<details>")[0]
    rows = re.findall(r"^\| `(\w+)` \|", part, re.M)
    assert sorted(rows) == [path.stem for path in MODULES]
    for key in ("ZN21", "LZ20", "CB22", "CSSZ20", "NMZ19", "ZG18", "ZPG17"):
        assert f"[{key}]" in readme


def papers(doc):
    """Papers that a docstring cites for equations, with their numbers if known."""
    found = {}
    for key, number in re.findall(r"\[([A-Z]+\d\d)\](?:,? eq\. ([\w.]*\d))?", doc):
        found.setdefault(key, set()).update({number} - {""})
    return ", ".join(" ".join((f"[{key}]", ", ".join(sorted(numbers)))).strip()
                     for key, numbers in found.items())


def proofs(path):
    """README's row on a module: its equations, functions, and who proves them."""
    tree = ast.parse(read(path))
    shown = displayed(read(path))
    equations = {0: "", 1: "(1)"}.get(len(shown), f"(1)-({len(shown)})")
    public = next(ast.literal_eval(node.value) for node in tree.body
                  if isinstance(node, ast.Assign)
                  and getattr(node.targets[0], "id", "") == "__all__")
    word = re.compile(rf"(?:from refsnn import [^)]*?|refsnn\.)\b{path.stem}\b")
    others = [test for folder in ("peers", "peers_nt") for test in sorted(
        (ROOT / "tests" / folder).glob("test_*.py")) if word.search(read(test))]
    tests = [test.relative_to(ROOT / "tests").as_posix() for test in (
        ROOT / "tests" / f"test_{path.stem}.py", *others)]
    names, proved = (", ".join(f"`{one}`" for one in some) for some in (public, tests))
    cited = papers(ast.get_docstring(tree) or "")
    return f"| `{path.stem}` | {equations} | {cited} | {names} | {proved} |"


def test_readme_says_what_proves_each_module():
    told = between(read(ROOT / "README.md"), "proofs").strip().splitlines()
    rows = [proofs(path) for path in MODULES]
    assert told[2:] == rows
    assert all(row.count("test_") for row in rows)


def test_readme_tells_the_options_of_run_all():
    told = between(read(ROOT / "README.md"), "options")
    done = subprocess.run([sys.executable, "run_all.py", "--help"], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    offered = set(re.findall(r"(?<![\w-])--[a-z]+", done.stdout)) - {"--help"}
    assert set(re.findall(r"`(--[a-z]+)", told)) == offered


def test_readme_shows_the_results_of_full_runs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "figures"))
    from figures.run import gallery
    assert between(read(ROOT / "README.md"), "full-results").strip() \
        == gallery.readme_table(ROOT).strip()


def test_links_lead_somewhere():
    for name in ("README.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", read(ROOT / name)):
            assert (ROOT / target).exists(), f"{name}: {target}"


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

    y = a x                                  (1)  [NMZ19] eq. ?
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

    Raises
    ------
    ValueError
        If x is not finite.

    Examples
    --------
    >>> f(1.0, a=2.0)
    3.0
    """
    _check(x)
    y = a * x                                                      # (1)
    return y + 1                                                   # (2)

def _check(x):
    if x > 3:
        raise ValueError
'''


@pytest.mark.parametrize("old, new", [
    ("# (1)", ""), ("# (2)", "# (2, 3)"), ("# (2)", "# as in (2)"),
    ("    (2)\n", "    (3)\n"), ("    (2)\n", "\n"), ("Derivation.  ", "Because "),
    ("Exact.", "Precise."), ("Cost.", "Price."), ("Departures.", "Other."),
    ("[NMZ19] E.", "See E."), ("Anything.", "Anything" + " at all" * 10 + "."),
    ("y = a * x ", "y = a * x " + 30 * " "), (">>> ", "... "), ("Raises\n", "Raise\n"),
    ("    ------\n", ""), ("Returns\n", "Return\n"), ("Parameters\n", "Inputs\n"),
    ("x, a :", "x :"), ("Value of eq. (1).", "")])
def test_a_bad_module_is_seen(old, new):
    assert bad_module(GOOD, "a.py") == []
    assert old in GOOD
    assert bad_module(GOOD.replace(old, new), "a.py")


def test_equation_numbers_are_told_from_prose():
    doc = 'r"""Text.\n\n    a = b  (1)  [ZG18] eq. 2.1\n  with (2)\n    c (3)\n' \
        '    d = e        (2)\n    the sum of (2) and  (1) is\n"""\n'
    assert displayed(doc) == [1, 2]
    assert tagged("a = 1  # (1)\nb = 2  # (2, 3)\n# (n, m)\nc = '# (7)'\n") == {1, 2, 3}


if __name__ == "__main__":
    for module in MODULES:
        complaints = bad_module(read(module), module.name)
        print("\n".join(complaints) or f"{module.stem}: fine")
        if unknown(read(module)):
            print(f"{module.stem}: {unknown(read(module))} equation numbers of "
                  "papers are eq. ?")
