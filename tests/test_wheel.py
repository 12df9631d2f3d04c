"""A wheel built from a clean copy of the tracked files holds the whole package."""

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import refsnn
from refsnn.oracle import stored

ROOT = Path(__file__).resolve().parent.parent
UNREACHABLE = "No matching distribution|Could not find a version|Max retries|timed out"


def tracked():
    """Return the names of the tracked files that exist."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True,
                              text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git or its folder is missing: not a checkout")
    names = [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]
    if "setup.cfg" not in names:
        pytest.skip("tracked files are missing: not a checkout of this project")
    return names


def isolation():
    """Return the option that spares a download where setuptools builds wheels."""
    try:
        version = importlib.metadata.version("setuptools")
    except importlib.metadata.PackageNotFoundError:
        return []
    recent = tuple(map(int, re.findall(r"\d+", version)[:2])) >= (70, 1)
    able = recent or importlib.util.find_spec("wheel") is not None
    return ["--no-build-isolation"] * able


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Build and unpack a wheel; return its folder and the tracked files."""
    folder, names = tmp_path_factory.mktemp("wheel"), tracked()
    for name in names:
        (folder / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "clone" / name)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation(),
         "--wheel-dir", "dist", "./clone"], cwd=folder, capture_output=True, text=True)
    if done.returncode and not isolation() and re.search(UNREACHABLE, done.stderr):
        pytest.skip("setuptools>=70.1 is missing, and no index offers it")
    assert done.returncode == 0, done.stderr[-3000:]
    wheel, = (folder / "dist").glob("*.whl")
    assert wheel.name == f"refsnn-{refsnn.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site", names


def test_the_wheel_holds_every_file_of_the_package_and_no_other(unpacked):
    site, names = unpacked
    package = {name for name in names if name.startswith("refsnn/")}
    found = {path.relative_to(site).as_posix() for path in site.rglob("*")
             if path.is_file()}
    assert package == {name for name in found if not name.startswith("refsnn-")}
    assert {"refsnn/data/digits.npz", "refsnn/data/README", "refsnn/fast/__init__.py",
            "refsnn/oracle/__init__.py", "refsnn/oracle/vectors/README.md",
            "refsnn/oracle/vectors/PROTOCOL.md", "refsnn/oracle/vectors/LICENSE",
            "refsnn/oracle/vectors/set.json",
            "refsnn/oracle/vectors/bptt.json", "refsnn/oracle/vectors/schema.json"
            } <= package


def test_every_module_of_the_wheel_is_imported_from_it(unpacked):
    site, names = unpacked
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
               for name in names if re.match(r"refsnn/.*\.py$", name)]
    assert {"refsnn", "refsnn.lif", "refsnn.fast.lif", "refsnn.oracle",
            "refsnn.convert.command"} <= set(modules)
    code = ("import importlib, sys\nsite, *names = sys.argv[1:]\n"
            "sys.path.insert(0, site)\n"
            "for name in names:\n"
            "    assert importlib.import_module(name).__file__.startswith(site), name\n"
            "from refsnn import datasets\nprint(*datasets.digits()[0].shape)\n"
            "from refsnn.oracle import stored\nprint(len(stored.load()))")
    done = subprocess.run([sys.executable, "-I", "-c", code, str(site), *modules],
                          cwd=site.parent, capture_output=True, text=True)
    count = len(stored.load())
    assert (done.returncode, done.stdout) == (0, f"1797 8 8\n{count}\n"), \
        done.stderr[-3000:]
