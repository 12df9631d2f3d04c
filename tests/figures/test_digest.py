"""The digest changes with the code that is reached, and with nothing else."""

import pathlib
import sys

import pytest

from figures.run import digest, jobs, make, stale

ROOT = pathlib.Path(jobs.__file__).resolve().parents[2]

FIGURE = '''"""A toy.

It has a caption.
"""
import numpy as np

from figures.run import helpers
from figures.run.tools import Net, scaled as grown
from refsnn import lif

SIZES = {"quick": 1, "default": 2, "full": 3}
RATE: float = 0.1
UNUSED = 7
TABLE = {}
TABLE["a"] = 1
ARRAYS = {"x": ("", "1", "a number")}


def job(seed: int, size="full", *, scale=RATE) -> dict:
    """Return a result."""
    # a comment
    net = Net(size)
    total: float = net.double() + lif.backward(seed)
    def inner(x):
        return x + OFFSET
    return {"x": inner(grown(total)) + TABLE["a"], "y": [RATE for RATE in (1, 2)]}


def other(seed):
    import figures.run.late as late
    return {"x": late.value(seed), "y": helpers}


def evaluated(text):
    return eval(text)


def jobs(size, seed, data):
    return [(job, {"seed": seed})] * SIZES[size]


def gather(results):
    return results[0]


def measured(data):
    return {"a": data["x"]}


def claims(size):
    return [UNUSED]


def plot(data, fig):
    fig.subplots()


OFFSET, LAST = 3, 4
FIRST, SECOND = OFFSET, 5
'''
TOOLS = '''"""Tools."""
import functools
from typing import NamedTuple


class Net(NamedTuple):
    """Hold a network."""
    size: int
    leak: float = 0.5

    def double(self):
        """Return a double."""
        return 2 * self.size

    @functools.cache
    def half(self):
        return self.size // 2


def scaled(x):
    return _twice(x)


def _twice(x):
    return 2 * x


def unused(x):
    return x
'''
LIF = '''"""LIF."""
from refsnn._checks import arrays

__all__ = ["backward"]


def backward(x):
    arrays("x", x)
    return f"{x} is {x!r:>{4}}" "b"


def simulate(x):
    return x


if __name__ == "__main__":
    simulate(1)
'''
TEXTS = {"figures/__init__.py": "", "figures/run/__init__.py": "",
         "figures/toys/__init__.py": "", "figures/toys/fig_toy.py": FIGURE,
         "figures/run/tools.py": TOOLS, "refsnn/lif.py": LIF,
         "figures/run/helpers.py": "def first():\n    return 1\n",
         "figures/run/late.py": "def value(x):\n    return x\n",
         "refsnn/__init__.py": '"""The package."""\n\n__version__ = "1"\n',
         "refsnn/_checks.py": "def arrays(rules, *values):\n    return values\n"}
TOY = "figures.toys.fig_toy"


def code(texts=TEXTS, size=None):
    """Return the parsed code of texts by path."""
    return digest.Code((texts.get, lambda folder: sorted(
        path for path in texts if path.startswith(folder + "/"))), size)


def changed(path, old, new, name="job", size=None):
    """Return whether a change of a text changes the digest of a name."""
    assert TEXTS[path].count(old) == 1, old
    texts = {**TEXTS, path: TEXTS[path].replace(old, new)}
    before, after = (code(one, size).digest([(TOY, name)]) for one in (TEXTS, texts))
    return before != after


TOY_PATH, TOOLS_PATH, LIF_PATH = ("figures/toys/fig_toy.py", "figures/run/tools.py",
                                  "refsnn/lif.py")


@pytest.mark.parametrize("path, old, new", [
    (TOY_PATH, "It has a caption.", "It has another caption."),
    (TOY_PATH, '    """Return a result."""\n', ""),
    (TOY_PATH, "# a comment", "# another comment"),
    (TOY_PATH, "RATE: float = 0.1", "RATE = 0.1"),
    (TOY_PATH, "seed: int, size", "seed, size"), (TOY_PATH, " -> dict", ""),
    (TOY_PATH, "total: float = net", "total = net"),
    (TOY_PATH, "size=\"full\", *, scale=RATE)", "size='full',\n        *, scale=RATE)"),
    (TOY_PATH, "UNUSED = 7", "UNUSED = 8"),
    (TOY_PATH, "LAST = 3, 4", "LAST = 3, 5"),
    (TOY_PATH, "return [UNUSED]", "return []"),
    (TOY_PATH, "fig.subplots()", "fig.clear()"), (TOY_PATH, '"a number"', '"a text"'),
    (TOY_PATH, "value(seed)", "value(1)"), (TOY_PATH, "(1, 2)]", "(1, 2) ]"),
    (TOOLS_PATH, '    """Hold a network."""\n', ""),
    (TOOLS_PATH, "size: int\n", "size: float\n"),
    (TOOLS_PATH, '        """Return a double."""\n', "        pass\n"),
    (TOOLS_PATH, "def unused(x):\n    return x", "def unused(x):\n    return 2 * x"),
    (LIF_PATH, "def simulate(x):\n    return x", "def simulate(x):\n    return -x"),
    (LIF_PATH, '["backward"]', '["backward", "simulate"]'),
    (LIF_PATH, "    simulate(1)", "    simulate(2)"),
    (LIF_PATH, '>{4}}" "b"', '>{4}}b"'),
    ("refsnn/__init__.py", '"1"', '"2"'),
    ("refsnn/_checks.py", "return values", "return list(values)"),
    ("figures/run/helpers.py", "return 1", "return 2"),
    ("figures/run/late.py", "return x", "return -x")])
def test_what_is_no_code_or_not_reached_does_not_count(path, old, new):
    assert not changed(path, old, new)


@pytest.mark.parametrize("path, old, new", [
    (TOY_PATH, "RATE: float = 0.1", "RATE: float = 0.2"),
    (TOY_PATH, "scale=RATE)", "scale=UNUSED)"),
    (TOY_PATH, "LAST = 3, 4", "LAST = 4, 4"),
    (TOY_PATH, "OFFSET, LAST = 3, 4", "LAST = 4; OFFSET, LAST = LAST, 3"),
    (TOY_PATH, 'TABLE["a"] = 1', 'TABLE["a"] = 2'),
    (TOY_PATH, "TABLE = {}", "TABLE = {1: 2}"), (TOY_PATH, "x + OFFSET", "x - OFFSET"),
    (TOY_PATH, "(1, 2)]", "(1, 3)]"),
    (TOY_PATH, "from refsnn import lif", "from figures.run import late as lif"),
    (TOY_PATH, "Net, scaled as grown", "Net, unused as grown"),
    (TOOLS_PATH, "2 * self.size", "3 * self.size"),
    (TOOLS_PATH, "self.size // 2", "self.size // 3"),
    (TOOLS_PATH, "    size: int\n", ""),
    (TOOLS_PATH, "leak: float = 0.5", "leak: float"),
    (TOOLS_PATH, "@functools.cache\n    ", ""), (TOOLS_PATH, "2 * x", "3 * x"),
    (TOOLS_PATH, '"""Tools."""', "import figures\nfigures.x = 3"),
    (LIF_PATH, 'arrays("x", x)', 'arrays("y", x)'), (LIF_PATH, "{x!r:", "{x!s:"),
    (LIF_PATH, '"b"', '"c"'),
    ("refsnn/__init__.py", '"1"\n', '"1"\nprint("imported")\n')])
def test_what_is_reached_counts(path, old, new):
    assert changed(path, old, new)


@pytest.mark.parametrize("name, path, old, new, counts", [
    ("other", "figures/run/late.py", "return x", "return -x", True),
    ("other", "figures/run/helpers.py", "return 1", "return 2", True),  # as an argument
    ("evaluated", TOY_PATH, "UNUSED = 7", "UNUSED = 8", True),
    ("evaluated", TOOLS_PATH, "def unused", "def unused_", False),
    ("gather", TOY_PATH, "LAST = 3, 4", "LAST = 4, 4", False),
    ("gather", TOY_PATH, "results[0]", "results[1]", True),
    ("measured", TOY_PATH, 'data["x"]}', 'data["y"]}', True),
    ("nosuch", TOY_PATH, "UNUSED = 7", "UNUSED = 8", True)])
def test_other_functions_and_what_cannot_be_resolved(name, path, old, new, counts):
    assert changed(path, old, new, name) == counts


def test_only_the_entries_of_the_size_count():
    for old, new, size, counts in (
            ('"full": 3', '"full": 4', "full", True),
            ('"quick": 1', '"quick": 2', "full", False),
            ('"quick": 1', '"quick": 2', "quick", True),
            ('"quick": 1', '"quick": 2', None, True)):
        assert changed(TOY_PATH, old, new, "jobs", size) == counts
    choice = FIGURE.replace("SIZES[size]", '(1 if size == "quick" else 2)')
    for old, size, same in (("(1 if", "full", True), ("(1 if", "quick", False),
                            ("else 2)", "full", False), ("else 2)", "quick", True)):
        other = choice.replace(old, old.replace("1", "7").replace("2", "7"))
        found = [code({**TEXTS, TOY_PATH: text}, size).digest([(TOY, "jobs")])
                 for text in (choice, other)]
        assert (found[0] == found[1]) == same
    texts = {**TEXTS, TOY_PATH: FIGURE.replace("SIZES[size]", 'SIZES["quick"]')}
    other = {**texts, TOY_PATH: texts[TOY_PATH].replace('"quick": 1', '"quick": 2')}
    found = [code(one, "full").digest([(TOY, "jobs")]) for one in (texts, other)]
    assert found[0] != found[1]


def test_data_beside_the_code_counts_where_it_is_read():
    reader = "import pathlib\nHERE = pathlib.Path(__file__)\n\n\ndef read():\n    " \
        "return HERE\n\n\ndef other():\n    return 1\n"
    found = []
    for content in (b"1", b"2"):
        texts = {**TEXTS, "figures/toys/reader.py": reader,
                 "figures/toys/data/a.npz": content, "figures/toys/data/TEXT": content}
        found.append([code(texts).digest([("figures.toys.reader", name)])
                      for name in ("read", "other")])
    assert found[0][0] != found[1][0] and found[0][1] == found[1][1]


def test_the_check_engine_has_a_digest_of_its_own():
    texts = {**TEXTS, "refsnn/_checks.py": "def arrays(*values):\n    return 1\n"}
    assert code().checks() != code(texts).checks()
    assert not any("_checks" in label for label in code().reached([(TOY, "job")]))


SAMPLE = '''"""A text."""
import os.path as path
from . import lif


def f(x: int, /, y=1, *more, z: str = "a", **rest) -> None:
    """Documented."""
    with open(x) as file, open(y):
        n: int
        m: int = 0x10 if (k := len(rest)) else -1
    try:
        return f"{x=} {x!r:>{y}}" f"{z:.2f}" "" "\\u00b5", k, path, b''
    except OSError as error:
        raise ValueError from error
    match x:
        case {"a": [1, *tail], **others} if tail:
            pass
        case lif.A(b=1e-5) | None as whole:
            return lambda *, q=...: [i async for i in whole[1:2, ::3]]


async def g():
    global n
    n += 1_000j


@f
class C(lif.B, metaclass=f):
    a: int
    b: str = u"b"
    c = True
'''


def test_the_digest_is_the_same_for_all_versions_of_python():
    """The expected digest was computed with Python 3.10, 3.11, 3.12 and 3.13."""
    texts = {"refsnn/a.py": SAMPLE, "refsnn/lif.py": LIF, "refsnn/__init__.py": ""}
    assert code(texts).digest([("refsnn.a", None)]) == (
        "1c43fe8a9cc025e92aebaa7be73787d0")


# ---- the figures of this repository

REACH_BACKWARD = {
    "delay", "delay_task", "digits", "feedback", "ladder", "online", "patterns",
    "rules_in_depth", "spike_time_grid", "spoken_augmentation",
    "spoken_classifiers", "spoken_cnn", "spoken_controls", "spoken_recurrence",
    "spoken_settings", "spoken_speakers", "spoken_timing", "surrogates", "xor"}


def test_a_change_of_lif_backward_counts_for_the_figures_that_reach_it():
    read, below = digest.in_folder(ROOT)
    text = read("refsnn/lif.py").decode()
    start = text.index("\ndef backward(")
    end = text.index('"""', text.index('"""', start) + 3)
    docstring = text[:end] + " More.\n" + text[end:]
    line = text.index("\n    return ", end)
    body = text[:line] + "\n    x = -x" + text[line:]
    codes = [digest.Code((lambda path, new=new: new if path == "refsnn/lif.py" else
                          read(path), below)) for new in (text, docstring, body)]
    differ = [{name for name in make.names(ROOT) if one.digest(
        stale.roots(one, name, stale.DEPENDS)) != codes[0].digest(
            stale.roots(codes[0], name, stale.DEPENDS))} for one in codes[1:]]
    assert differ == [set(), REACH_BACKWARD]


CHEAP = ("superspike_rates", "xor", "si_theory", "surrogates", "ntk")
TINY = {"epochs": 1, "repeats": 1, "repeat": 0, "steps": 5, "points": 5}


@pytest.mark.parametrize("name", CHEAP)
def test_all_functions_that_a_job_calls_are_reached(name):
    """A run with a profiler finds no function that the digest leaves out."""
    module, called = make.imported(ROOT, name), set()

    def watch(frame, event, argument):
        path = pathlib.Path(frame.f_code.co_filename)
        if event == "call" and ROOT in path.parents \
                and path.relative_to(ROOT).parts[0] in digest.FOLDERS:
            outer = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
            called.add((".".join(path.relative_to(ROOT).with_suffix("").parts),
                        outer.split(".")[0]))

    function, kwargs, *_ = module.jobs("quick", 0, None)[0]
    small = {key: min(value, TINY[key]) if key in TINY and value else value
             for key, value in kwargs.items()}
    sys.setprofile(watch)
    try:
        function(**small)
    finally:
        sys.setprofile(None)
    labels = digest.Code(digest.in_folder(ROOT)).reached(
        [(module.__name__, function.__name__)])
    called = {f"{home.removesuffix('.__init__')}.{top}" for home, top in called
              if not top.startswith("<") and home != digest.CHECKS}
    assert len(called) > 3
    if sys.version_info >= (3, 11):         # earlier versions do not know outer names
        assert called <= set(labels)
