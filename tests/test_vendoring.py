"""Each module, copied alone under another name, works by itself."""

import concurrent.futures
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "refsnn"
COMPOSERS = {"__init__", "__main__", "conformance", "conformance_arrays",
             "conformance_compare", "conformance_costs", "conformance_files",
             "conformance_identify", "conformance_models", "conformance_networks",
             "conformance_online", "conformance_rules", "conformance_sounds",
             "conformance_spikes"}
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py")
                 if path.stem not in COMPOSERS)


def run(folder, *arguments):
    """Result of an isolated interpreter: no variables, no user site, no path."""
    return subprocess.run([sys.executable, "-I", *arguments], cwd=folder,
                          capture_output=True, text=True, timeout=120)


def doctests(folder, source, stem):
    """(failed, number of examples, output) of a copy's doctests."""
    folder.mkdir()
    copy = folder / f"borrowed_{stem}.py"
    copy.write_text(source, encoding="utf-8")
    done = run(folder, "-m", "doctest", "-v", copy.name)
    count = re.search(r"^(\d+) tests? in", done.stdout, re.M)
    return (done.returncode != 0, int(count[1]) if count else 0,
            done.stdout + done.stderr)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Results for every module, two interpreters at a time."""
    folder = tmp_path_factory.mktemp("copies")
    sources = [(PACKAGE / f"{stem}.py").read_text(encoding="utf-8")
               for stem in MODULES]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(doctests, [folder / stem for stem in MODULES], sources,
                           MODULES)
        return dict(zip(MODULES, results, strict=True))


@pytest.mark.parametrize("stem", MODULES)
def test_a_copy_passes_its_doctests(copies, stem):
    failed, count, output = copies[stem]
    assert not failed, output[-3000:]
    assert count > 0, "no example was run"


def test_a_copy_without_the_images_says_what_it_misses(tmp_path):
    shutil.copy(PACKAGE / "datasets.py", tmp_path / "borrowed.py")
    done = run(tmp_path, "-c", "import sys; sys.path.insert(0, '.')\n"
               "import borrowed\nborrowed.digits()")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "digits.npz" in last and "Error: " in last, done.stderr


def test_a_module_that_does_not_stand_alone_is_seen(tmp_path):
    good = '"""Text.\n\n>>> 1 + 1\n2\n"""\n'
    failed, count, _ = doctests(tmp_path / "good", good, "good")
    assert (failed, count) == (False, 1)
    assert doctests(tmp_path / "wrong", good.replace("\n2", "\n3"), "wrong")[0]
    assert doctests(tmp_path / "leaning", good + "from . import lif\n", "leaning")[0]
    assert doctests(tmp_path / "empty", '"""Text."""\n', "empty")[1] == 0
