"""The rules that all source files obey, checked on their text.

Each rule is a function that maps a source text to a list of complaints.  Each
rule is also run on a bad example, about which it must complain.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import refsnn

ROOT = Path(__file__).resolve().parent.parent
CORE, FAST = (sorted((ROOT / "refsnn" / folder).glob("*.py"))
              for folder in ("", "fast"))
COMPOSERS = [path for folder in ("oracle", "convert", "stack")
             for path in sorted((ROOT / "refsnn" / folder).rglob("*.py"))]
CONTRACTS = ROOT / "tests" / "contract"
MODULES = [*CORE, *FAST, *COMPOSERS]
REQUIRED = ("numpy", "scipy", "h5py")
OPTIONAL = ("pooch", "soundfile", "hypothesis", "tqdm")
STANDARD = {"__future__", "gzip", "hashlib", "itertools", "json", "math", "os",
            "pathlib", "re", "struct", "sys", "typing", "wave", "zipfile", "zlib",
            "io", "collections", "contextlib", "functools", "warnings", "argparse",
            "textwrap", "importlib", "ast", "operator", "fractions", "numbers",
            "shutil", "concurrent", "multiprocessing", "signal", "threading",
            "time", "difflib", "queue", "subprocess", "heapq", "bisect"}
RANDOM = {"BitGenerator", "Generator", "PCG64", "Philox", "RandomState",
          "SeedSequence", "default_rng"}     # no state of their own in NumPy
SHOWN = r"__repr__ = (_checks\.)?shown"      # the method of classes that hold arrays
# Paths of one machine.
FORBIDDEN = [r"/root\b", r"/home/\w", r"/tmp/\w", r"/opt/\w"]


def read(path):
    return path.read_text(encoding="utf-8")


def label(path):
    """Return the name of a module within the package, such as "fast/lif.py"."""
    return path.relative_to(ROOT / "refsnn").as_posix()


def composes(name):
    """Return whether a module may import the package: the folders of composers and
    the command line."""
    return name == "__main__.py" or name.startswith(("oracle/", "convert/", "stack/"))


def bundled(name):
    """Return whether the classes of a module are bundles of arrays: the core, fast
    and stack."""
    return not composes(name) or name.startswith("stack/")


def imports(tree):
    """(node, top-level package, inside a function) of every import."""
    inner = {id(child) for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.Lambda))
             for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." if node.level else "argument checks"
                     if node.module == "refsnn._checks" else node.module]
        else:
            continue
        for name in names:
            yield node, name if name == "." else name.split(".")[0], id(node) in inner


def header(source, name, version):
    """Fields of the first line, and complaints about it."""
    first = source.split("\n", 1)[0]
    pattern = (rf"# refsnn {re.escape(version)} \| {re.escape(name)} \| "
               r"SPDX-License-Identifier: MIT \| needs: "
               r"(python|numpy|numpy, scipy|numpy, h5py|numpy, scipy, h5py)"
               r"( \| optional: (\w+(?:, \w+)*))?")
    match = re.fullmatch(pattern, first)
    if match is None:
        return set(), set(), [
            f"{name}:1: the first line is {first!r}; it must be '# refsnn {version} | "
            f"{name} | SPDX-License-Identifier: MIT | needs: numpy', with 'python' "
            "for no package, ', scipy' or ', h5py' after numpy, and ' | optional: "
            "PACKAGE' at the end for packages that functions import"]
    needs = set() if match[1] == "python" else set(match[1].split(", "))
    return needs, set(match[3].split(", ")) if match[3] else set(), []


def bad_imports(source, name, version):
    """What is imported and may not be, or is named in the header and is not."""
    needs, optional, complaints = header(source, name, version)
    seen = set()
    for node, package, inner in imports(ast.parse(source)):
        seen.add(package)
        allowed = package in STANDARD or package in needs & set(REQUIRED) or (
            inner and package in optional & set(OPTIONAL)) or (
            composes(name) and package in (".", "refsnn")) or (
            package == "argument checks")
        if not allowed:
            complaints.append(
                f"{name}:{node.lineno}: the import of {package} is not allowed; line 1 "
                "must name a required package after 'needs: ', and STANDARD in "
                "tests/test_house.py must hold a module of the standard library")
    unused = set() if composes(name) else (needs | optional) - seen
    return complaints + [f"{name}:1: the first line names {package}, which the module "
                         "never imports" for package in sorted(unused)]


def bad_exports(source, name):
    """Public functions that `__all__` lacks, and classes that it must not hold.

    In the core, in fast and in stack, `__all__` holds no class, because `help` would
    print all methods of the class before the functions.
    """
    tree = ast.parse(source)
    functions, classes = ({node.name for node in tree.body if isinstance(node, kind)
                           and not node.name.startswith("_")}
                          for kind in (ast.FunctionDef, ast.ClassDef))
    held, hidden = set(exported(tree)), classes if bundled(name) else set()
    return [f"{name}: __all__ lacks the public name {one}"
            for one in sorted((functions | classes) - hidden - held)] + [
        f"{name}: __all__ holds the class {one}" for one in sorted(hidden & held)]


def bad_names(source, name, taken):
    """Names of a module that its copy by `vendor` would define twice."""
    own = {node.name for node in ast.parse(source).body if hasattr(node, "name")} | {
        ast.unparse(target) for node in ast.parse(source).body
        if isinstance(node, ast.Assign) for target in node.targets}
    return [f"{name}: defines {one}, as _checks.py does"
            for one in sorted(own & taken - {"__all__"})]


def exported(tree):
    """The names in __all__."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def bad_constructs(source, name):
    """Classes with behaviour, **kwargs, module state, pickles."""
    tree, complaints = ast.parse(source), []

    def complain(node, text):
        complaints.append(f"{name}:{node.lineno}: {text}")

    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = [getattr(base, "id", "?") for base in node.bases]
            if bases != ["NamedTuple"]:
                complain(node, f"class {node.name} is no NamedTuple")
            if any(isinstance(child, ast.FunctionDef) or isinstance(child, ast.Assign)
                   and not re.fullmatch(SHOWN, ast.unparse(child))
                   for child in node.body):
                complain(node, f"class {node.name} has methods")
        if isinstance(node, ast.arguments) and node.kwarg is not None:
            complain(node.kwarg, f"**{node.kwarg.arg} must be single arguments")
        if isinstance(node, ast.Global):
            complain(node, "a global statement changes the state of the module")
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if "cache" in ast.unparse(decorator) and name != "_checks.py":
                    complain(node, f"{node.name} keeps results between calls")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" \
                and ast.unparse(node.value) != "False":
            complain(node.value, "allow_pickle must be False")
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for part in map(ast.unparse, getattr(target, "elts", [target])):
                    if not re.fullmatch(r"_?[A-Z][A-Z0-9_]*|__\w+__", part):
                        complain(node, f"{part} is no constant")
    return complaints


def bad_bundles(source, name):
    """Public classes that hold arrays and would print all entries of the arrays."""
    complaints, kinds = [], r"\bndarray|\bcsr_matrix|\b[Ll]ist\b"
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if any(isinstance(child, ast.AnnAssign)
                   and re.search(kinds, ast.unparse(child.annotation))
                   for child in node.body):
                kinds += rf"|\b{node.name}\b"
                if not re.search(SHOWN, ast.unparse(node)):
                    complaints.append(f"{name}:{node.lineno}: class {node.name} holds "
                                      "arrays and lacks __repr__ = shown")
    return complaints


def bad_random(source, name):
    """Any use of NumPy's or Python's global random state."""
    complaints = []
    for node in ast.walk(ast.parse(source)):
        text = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Call)) else ""
        match = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", text)
        if match and match[1] not in RANDOM:
            complaints.append(f"{name}:{node.lineno}: {text} uses global random state")
        if re.fullmatch(r"(?:\w+\.)*default_rng\((None)?\)", text):
            complaints.append(f"{name}:{node.lineno}: {text} has no seed")
        if isinstance(node, ast.Import) and "random" in [a.name for a in node.names]:
            complaints.append(f"{name}:{node.lineno}: random has a global state")
    return complaints


def bad_words(text, name):
    """Lines that speak of a machine, or of anything but the project."""
    return [f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if any(re.search(pattern, line) for pattern in FORBIDDEN)]


def texts():
    """Return every text file of the project, this one (with bad words) excepted."""
    kinds = {".py", ".md", ".html", ".css", ".js", ".cfg", ".toml", ".cff", ".json",
             ".mplstyle", ".txt"}
    names = {"LICENSE", "README", "run", ".gitignore"}
    folders = [ROOT / name for name in (
        ".ci", "refsnn", "tests", "figures", "examples", "docs/_ext", "docs/_pages",
        "docs/_static")]
    found = [*ROOT.glob("*"), ROOT / "docs" / "conf.py", ROOT / "docs" / "questions.md",
             *(path for folder in folders for path in folder.rglob("*"))]
    return sorted(path for path in found if path.is_file()
                  and path != Path(__file__).resolve()
                  and path.relative_to(ROOT).parts[:2] != ("figures", "out")
                  and (path.suffix in kinds or path.name in names))


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_module_keeps_the_rules(path):
    source, name = read(path), label(path)
    bad = header(source, name, refsnn.__version__)[2] or [
        *bad_imports(source, name, refsnn.__version__), *bad_exports(source, name),
        *bad_constructs(source, name), *(bad_bundles(source, name) if bundled(name)
                                         else [])]
    assert not bad, "\n".join(bad)


def test_modules_are_found():
    assert {"__init__.py", "lif.py", "fast/lif.py", "oracle/check.py",
            "oracle/build/kernels.py", "convert/labels.py",
            "stack/online.py"} <= set(map(label, MODULES))


def test_no_module_defines_a_name_of_the_argument_checks():
    tree = ast.parse(read(ROOT / "refsnn" / "_checks.py"))
    taken = {node.name if hasattr(node, "name") else ast.unparse(node.targets[0])
             for node in tree.body if hasattr(node, "name")
             or isinstance(node, ast.Assign)}
    assert {"arrays", "one_of", "FLOATS"} <= taken
    bad = [c for path in [*CORE, *FAST] if path.name != "_checks.py"
           for c in bad_names(read(path), label(path), taken)]
    assert not bad, "\n".join(bad)


def test_no_two_modules_share_a_name():
    """Apart from fast/X, which has the name of its core module on purpose."""
    paths = [*CORE, *COMPOSERS, *sorted((ROOT / "figures").rglob("*.py"))]
    stems = [path.stem for path in paths if path.stem != "__init__"]
    bad = [f"{path.relative_to(ROOT)}: another module is named {path.stem} too"
           for path in paths if stems.count(path.stem) > 1]
    assert not bad, "\n".join(bad)
    assert not {"tasks", "nets", "arrays", "models", "costs", "rules"} & set(stems)
    assert {path.stem for path in FAST} <= {path.stem for path in CORE}


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_module_has_its_tests(path):
    if path.stem == "__init__":
        return
    folder = ROOT / "tests" / path.parent.relative_to(ROOT / "refsnn")
    prefix = "fast_" if path.parent.name == "fast" else ""
    files = sorted([*folder.glob(f"test_{prefix}{path.stem}*.py"),
                    *CONTRACTS.glob(f"test_{prefix}{path.stem}_contract.py")])
    tests = "".join(map(read, files))
    tree = ast.parse(read(path))
    functions = {node.name for node in tree.body
                 if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    file = f"test_{prefix}{path.stem}"
    bad = [f"{label(path)}: no test names the function {name}; it belongs in "
           f"{(folder / file).relative_to(ROOT)}.py" for name in sorted(functions)
           if not re.search(rf"\b{name}\b", tests)]
    if functions and not ("contract(" in tests or "ValueError" in tests):
        bad.append(f"{label(path)}: no test sees a ValueError; contracts belong in "
                   f"tests/contract/{file}_contract.py")
    assert not bad, "\n".join(bad)


def test_nothing_uses_global_random_state():
    paths = [path for path in texts() if path.suffix == ".py"]
    assert len(paths) > 10
    bad = [c for path in paths for c in bad_random(read(path), path.name)]
    assert not bad, "\n".join(bad)


def test_text_speaks_of_the_project_only():
    paths = texts()
    assert {"README.md", "setup.cfg", "lif.py", "run"} <= {path.name for path in paths}
    bad = [c for path in paths for c in bad_words(read(path), path.name)]
    assert not bad, "\n".join(bad)


def test_the_package_imports_nothing():
    found = imports(ast.parse(read(ROOT / "refsnn" / "__init__.py")))
    assert [(package, inner) for _, package, inner in found] == [("importlib", True)]


GOOD = "# refsnn 1.2.3 | a.py | SPDX-License-Identifier: MIT | needs: numpy\n" \
    'r"""Text."""\nimport numpy as np\n'


@pytest.mark.parametrize("bad", [
    GOOD.replace("1.2.3", "1.2.2"), GOOD.replace("a.py", "b.py"),
    GOOD.replace("MIT", "GPL"), GOOD.replace("needs: numpy", "needs: torch"),
    "\n" + GOOD, GOOD.replace("needs: numpy", "needs: numpy | optional:")])
def test_a_bad_header_is_seen(bad):
    assert header(GOOD, "a.py", "1.2.3") == ({"numpy"}, set(), [])
    told, = header(bad, "a.py", "1.2.3")[2]
    assert "must be '" + GOOD.partition("\n")[0] + "'" in told


@pytest.mark.parametrize("bad", [
    "import scipy\n", "from scipy.signal import lfilter\n", "from refsnn import lif\n",
    "import refsnn.lif\n", "from . import lif\n", "from .lif import simulate\n",
    "import matplotlib.pyplot as plt\n", "import pickle\n", "import torch\n",
    "def f():\n    import pooch\n", "import random\n",
    "from refsnn.convert import labels\n", "import refsnn._checks\n"])
def test_a_bad_import_is_seen(bad):
    assert bad_imports(GOOD, "a.py", "1.2.3") == []
    assert len(bad_imports(GOOD + bad, "a.py", "1.2.3")) == 1


def test_optional_packages_are_imported_where_needed_only():
    source = GOOD.replace("numpy\n", "numpy | optional: pooch\n", 1)
    assert bad_imports(source + "def f():\n    import pooch\n", "a.py", "1.2.3") == []
    assert bad_imports(source + "import pooch\n", "a.py", "1.2.3")
    assert bad_imports(source, "a.py", "1.2.3"), "named and never imported"
    composer = GOOD.replace("a.py", "oracle/a.py") + "from refsnn import lif\n"
    assert bad_imports(composer, "oracle/a.py", "1.2.3") == []
    assert bad_imports(composer.replace("oracle", "fast"), "fast/a.py", "1.2.3")


def test_a_missing_export_is_seen():
    assert bad_exports("__all__ = ['f']\ndef f():\n    return 1\n", "a.py") == []
    assert bad_exports("__all__ = []\ndef f():\n    return 1\n", "a.py")
    out = "__all__ = []\nclass A(NamedTuple):\n    b: int\n"
    held = out.replace("[]", "['A']")
    for name, good, bad in (("a.py", out, held), ("oracle/a.py", held, out)):
        assert bad_exports(good, name) == []
        assert len(bad_exports(bad, name)) == 1


def test_a_name_of_the_argument_checks_is_seen():
    assert bad_names("A = 1\ndef f():\n    return 1\n", "a.py", {"g", "B"}) == []
    for bad in ("def g():\n    return 1\n", "B = 2\n", "class B:\n    c: int\n"):
        assert len(bad_names(bad, "a.py", {"g", "B"})) == 1


@pytest.mark.parametrize("bad", [
    "class A:\n    b: int = 1\n", "class A(dict):\n    b: int\n",
    "class A(NamedTuple):\n    b: int\n    def f(self):\n        return 1\n",
    "class A(NamedTuple):\n    b: int\n    __repr__ = other\n",
    "class A(NamedTuple):\n    b: int\n    __eq__ = shown\n",
    "def f(**options):\n    return 1\n", "def f():\n    global A\n    A = 1\n",
    "seen = {}\n", "@functools.lru_cache\ndef f():\n    return 1\n",
    "def f(p):\n    return np.load(p, allow_pickle=True)\n"])
def test_a_bad_construct_is_seen(bad):
    good = "class A(NamedTuple):\n    b: int\n    __repr__ = shown\n" \
        "TABLE = {}\n__all__ = []\n"
    assert bad_constructs(good, "a.py") == []
    assert len(bad_constructs(good + bad, "a.py")) == 1


@pytest.mark.parametrize("field", ["np.ndarray", "Optional[np.ndarray]", "list",
                                   "List[np.ndarray]", "csr_matrix", "First"])
def test_a_bundle_that_prints_all_entries_is_seen(field):
    first = "class First(NamedTuple):\n    a: np.ndarray\n    __repr__ = shown\n"
    good = first + "class Other(NamedTuple):\n    a: int\n    b: str = '>'\n"
    assert bad_bundles(good, "a.py") == []
    bad = good.replace("int", field)
    assert len(bad_bundles(bad, "a.py")) == 1
    assert bad_bundles(bad + "    __repr__ = shown\n", "a.py") == []


@pytest.mark.parametrize("bad", [
    "np.random.seed(1)", "x = np.random.normal(size=3)", "r = np.random.default_rng()",
    "from numpy.random import default_rng\nr = default_rng()", "import random",
    "r = numpy.random.rand()"])
def test_global_random_state_is_seen(bad):
    assert bad_random("r = np.random.default_rng(3)\nr.normal()\n", "a.py") == []
    assert len(bad_random(bad, "a.py")) == 1


@pytest.mark.parametrize("bad", [
    "data in /tmp/data", "export X=/home/me", "see /opt/tool"])
def test_bad_words_are_seen(bad):
    assert bad_words("a network that works,\nsettled.", "a.md") == []
    assert bad_words("fine\n" + bad + "\n", "a.md") == [f"a.md:2: {bad}"]


def test_modules_are_imported_at_their_first_use():
    code = ("import sys, refsnn; assert 'numpy' not in sys.modules; "
            "print(refsnn.oracle.check.check.__name__, refsnn.lif.__name__)\n"
            "for name in 'refsnn.none', 'refsnn.oracle.none':\n"
            "    try:\n        eval(name)\n"
            "    except AttributeError as error:\n        print(error)\n"
            "sys.modules['scipy'] = None\ntry:\n    refsnn.basilar\n"
            "except ImportError as error:\n    print(error)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True,
                          capture_output=True, check=True)
    first, *rest, last = done.stdout.splitlines()
    assert first == "check refsnn.lif" and "scipy" in last
    assert rest == ["module 'refsnn' has no attribute 'none'",
                    "module 'refsnn.oracle' has no attribute 'none'"]
