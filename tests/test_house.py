"""The rules of the house, read off the source text.

Each rule is a function from a source to a list of complaints; each is also
run on a bad example, on which it must complain.
"""

import ast
import re
from pathlib import Path

import pytest

import refsnn

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "refsnn").glob("*.py"))
COMPOSERS = {"__main__", "conformance", "conformance_arrays",      # they alone import
             "conformance_compare", "conformance_costs",           # inside the package
             "conformance_files", "conformance_identify", "conformance_models",
             "conformance_networks", "conformance_online", "conformance_rules",
             "conformance_sounds", "conformance_spikes"}
REQUIRED = ("numpy", "scipy", "h5py")
OPTIONAL = ("pooch", "soundfile", "hypothesis", "tqdm")
STANDARD = {"__future__", "gzip", "hashlib", "itertools", "json", "math", "os",
            "pathlib", "re", "struct", "sys", "typing", "wave", "zipfile", "zlib",
            "io", "collections", "contextlib", "functools", "warnings", "argparse",
            "textwrap", "importlib", "operator", "fractions", "numbers", "shutil"}
RANDOM = {"BitGenerator", "Generator", "PCG64", "Philox", "RandomState",
          "SeedSequence", "default_rng"}     # no state of their own in NumPy
LINES, FUNCTION_LINES, PUBLIC_NAMES = (60, 300), 40, 8
# Paths of one machine.
FORBIDDEN = [r"/root\b", r"/home/\w", r"/tmp/\w", r"/opt/\w"]


def read(path):
    return path.read_text(encoding="utf-8")


def imports(tree):
    """(node, top-level package, inside a function) of every import."""
    inner = {id(child) for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.Lambda))
             for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." if node.level else node.module]
        else:
            continue
        for name in names:
            yield node, name if name == "." else name.split(".")[0], id(node) in inner


def docstring_lines(node):
    """Lines that the docstring of a function, class or module takes."""
    if ast.get_docstring(node) is None:
        return 0
    return node.body[0].end_lineno - node.body[0].lineno + 1


def header(source, name, version):
    """Fields of the first line, and complaints about it."""
    first = source.split("\n", 1)[0]
    pattern = (rf"# refsnn {re.escape(version)} \| {re.escape(name)} \| "
               r"SPDX-License-Identifier: MIT \| needs: "
               r"(python|numpy|numpy, scipy|numpy, h5py|numpy, scipy, h5py)"
               r"( \| optional: (\w+(?:, \w+)*))?")
    match = re.fullmatch(pattern, first)
    if match is None:
        return set(), set(), [f"{name}:1: first line is {first!r}"]
    needs = set() if match[1] == "python" else set(match[1].split(", "))
    return needs, set(match[3].split(", ")) if match[3] else set(), []


def bad_imports(source, name, version):
    """What is imported and may not be, or is named in the header and is not."""
    needs, optional, complaints = header(source, name, version)
    composer = name.removesuffix(".py") in COMPOSERS
    seen = set()
    for node, package, inner in imports(ast.parse(source)):
        seen.add(package)
        allowed = package in STANDARD or package in needs & set(REQUIRED) or (
            inner and package in optional & set(OPTIONAL)) or (
            composer and package in (".", "refsnn"))
        if not allowed:
            complaints.append(f"{name}:{node.lineno}: imports {package}")
    unused = (needs | optional) - seen
    if unused and not composer:
        complaints.append(f"{name}:1: names {sorted(unused)}, never imported")
    return complaints


def bad_sizes(source, name):
    """Modules, functions and lists of public names that outgrow their limits.

    The docstrings of functions are not counted: they explain, they do not
    complicate.
    """
    tree = ast.parse(source)
    named = [node for node in ast.walk(tree)
             if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    complaints = []
    for node in named:
        length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
        if isinstance(node, ast.FunctionDef) and length > FUNCTION_LINES:
            complaints.append(f"{name}:{node.lineno}: {node.name} has {length} lines")
    total = len(source.splitlines())
    length = total - sum(map(docstring_lines, named))
    if name != "__init__.py" and not (total >= LINES[0] and length <= LINES[1]):
        complaints.append(f"{name}: has {length} lines, {total} in all")
    public = {node.name for node in tree.body
              if isinstance(node, (ast.FunctionDef, ast.ClassDef))
              and not node.name.startswith("_")}
    listed = exported(tree)
    if len(listed) > PUBLIC_NAMES:
        complaints.append(f"{name}: has {len(listed)} public names")
    if public - set(listed):
        complaints.append(f"{name}: __all__ lacks {sorted(public - set(listed))}")
    return complaints


def exported(tree):
    """The names in __all__."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
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
            if any(isinstance(child, ast.FunctionDef) for child in node.body):
                complain(node, f"class {node.name} has methods")
        if isinstance(node, ast.arguments) and node.kwarg is not None:
            complain(node.kwarg, f"**{node.kwarg.arg}")
        if isinstance(node, ast.Global):
            complain(node, "global")
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if "cache" in ast.unparse(decorator):
                    complain(node, f"{node.name} keeps results between calls")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" \
                and ast.unparse(node.value) != "False":
            complain(node.value, "allow_pickle")
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if not re.fullmatch(r"_?[A-Z][A-Z0-9_]*|__\w+__", ast.unparse(target)):
                    complain(node, f"{ast.unparse(target)} is no constant")
    return complaints


def bad_random(source, name):
    """Any use of NumPy's or Python's global random state."""
    complaints = []
    for node in ast.walk(ast.parse(source)):
        text = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Call)) else ""
        match = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", text)
        if match and match[1] not in RANDOM:
            complaints.append(f"{name}:{node.lineno}: {text}")
        if re.fullmatch(r"(?:\w+\.)*default_rng\((None)?\)", text):
            complaints.append(f"{name}:{node.lineno}: {text}, no seed")
        if isinstance(node, ast.Import) and "random" in [a.name for a in node.names]:
            complaints.append(f"{name}:{node.lineno}: import random")
    return complaints


def bad_words(text, name):
    """Lines that speak of a machine, or of anything but the project."""
    return [f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if any(re.search(pattern, line) for pattern in FORBIDDEN)]


def texts():
    """Every text file of the project but this one, which holds the bad words."""
    folders = [ROOT, ROOT / ".ci", ROOT / "refsnn", ROOT / "tests",
               ROOT / "tests" / "peers", ROOT / "tests" / "peers_nt", ROOT / "figures",
               ROOT / "figures" / "full", ROOT / "figures" / "reference"]
    kinds = {".py", ".md", ".cfg", ".toml", ".cff", ".json", ".mplstyle", ".txt"}
    return sorted(path for folder in folders for path in folder.glob("*")
                  if path.is_file() and path != Path(__file__).resolve()
                  and (path.suffix in kinds or path.name in (
                      "LICENSE", "run", ".gitignore")))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_keeps_the_rules(path):
    source, name = read(path), path.name
    assert header(source, name, refsnn.__version__)[2] == []
    assert bad_imports(source, name, refsnn.__version__) == []
    assert bad_sizes(source, name) == []
    assert bad_constructs(source, name) == []


def test_modules_are_found():
    assert {"__init__", "lif", "bptt", "surrogates"} <= {p.stem for p in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_has_its_tests(path):
    if path.stem == "__init__":
        return
    files = sorted((ROOT / "tests").glob(f"test_{path.stem}*.py"))
    tests = "".join(map(read, files))
    assert "raises" in tests and "ValueError" in tests, "nothing is refused"
    functions = {node.name for node in ast.parse(read(path)).body
                 if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    missing = [name for name in sorted(functions)
               if not re.search(rf"\b{name}\b", tests)]
    assert missing == []


def test_nothing_uses_global_random_state():
    paths = [path for path in texts() if path.suffix == ".py"]
    assert len(paths) > 10
    assert [c for path in paths for c in bad_random(read(path), path.name)] == []


def test_text_speaks_of_the_project_only():
    paths = texts()
    assert {"README.md", "setup.cfg", "lif.py", "run"} <= {path.name for path in paths}
    assert [c for path in paths for c in bad_words(read(path), path.name)] == []


def test_the_package_imports_nothing():
    assert list(imports(ast.parse(read(ROOT / "refsnn" / "__init__.py")))) == []


GOOD = "# refsnn 1.2.3 | a.py | SPDX-License-Identifier: MIT | needs: numpy\n" \
    'r"""Text."""\nimport numpy as np\n'


@pytest.mark.parametrize("bad", [
    GOOD.replace("1.2.3", "1.2.2"), GOOD.replace("a.py", "b.py"),
    GOOD.replace("MIT", "GPL"), GOOD.replace("needs: numpy", "needs: torch"),
    "\n" + GOOD, GOOD.replace("needs: numpy", "needs: numpy | optional:")])
def test_a_bad_header_is_seen(bad):
    assert header(GOOD, "a.py", "1.2.3") == ({"numpy"}, set(), [])
    assert header(bad, "a.py", "1.2.3")[2]


@pytest.mark.parametrize("bad", [
    "import scipy\n", "from scipy.signal import lfilter\n", "from refsnn import lif\n",
    "import refsnn.lif\n", "from . import lif\n", "from .lif import simulate\n",
    "import matplotlib.pyplot as plt\n", "import pickle\n", "import torch\n",
    "def f():\n    import pooch\n", "import random\n"])
def test_a_bad_import_is_seen(bad):
    assert bad_imports(GOOD, "a.py", "1.2.3") == []
    assert len(bad_imports(GOOD + bad, "a.py", "1.2.3")) == 1


def test_optional_packages_are_imported_where_needed_only():
    source = GOOD.replace("numpy\n", "numpy | optional: pooch\n", 1)
    assert bad_imports(source + "def f():\n    import pooch\n", "a.py", "1.2.3") == []
    assert bad_imports(source + "import pooch\n", "a.py", "1.2.3")
    assert bad_imports(source, "a.py", "1.2.3"), "named and never imported"
    composer = GOOD.replace("a.py", "conformance.py") + "from refsnn import lif\n"
    assert bad_imports(composer, "conformance.py", "1.2.3") == []


def test_bad_sizes_are_seen():
    lines = "A = 1\n" * 80
    doc = "def g():\n    '''Long." + "\n" * 300 + "    '''\n"
    function = "__all__ = ['f']\ndef f():\n    '''Text.'''\n" + "    a = 1\n" * 39
    assert bad_sizes(lines + function, "a.py") == []
    assert bad_sizes(lines + "__all__ = ['g']\n" + doc, "a.py") == []
    assert bad_sizes(lines + function + "    a = 1\n", "a.py")
    assert bad_sizes("A = 1\n" * 59, "a.py") and bad_sizes("A = 1\n" * 301, "a.py")
    assert bad_sizes(lines + "def f():\n    return 1\n", "a.py"), "not in __all__"
    assert bad_sizes(lines + f"__all__ = {list('abcdefghi')}\n", "a.py")


@pytest.mark.parametrize("bad", [
    "class A:\n    b = 1\n", "class A(dict):\n    b: int\n",
    "class A(NamedTuple):\n    b: int\n    def f(self):\n        return 1\n",
    "def f(**options):\n    return 1\n", "def f():\n    global A\n    A = 1\n",
    "seen = {}\n", "@functools.lru_cache\ndef f():\n    return 1\n",
    "def f(p):\n    return np.load(p, allow_pickle=True)\n"])
def test_a_bad_construct_is_seen(bad):
    good = "class A(NamedTuple):\n    b: int\nTABLE = {}\n__all__ = []\n"
    assert bad_constructs(good, "a.py") == []
    assert len(bad_constructs(good + bad, "a.py")) == 1


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
