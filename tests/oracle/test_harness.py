"""The harnesses in Python and C++ pass all that they answer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refsnn.oracle import check, files, protocol, stored

FOLDER = Path(__file__).parents[1] / "peers" / "harness"
ONLY = ["lif_forward", "bptt", "bptt_detached", "ewc"]


def compiled(source, folder):
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        pytest.skip("no compiler of C++ (c++, g++ or clang++) is on the path")
    path = folder / "harness"
    subprocess.run([compiler, "-O2", "-std=c++17", "-o", path, source], check=True)
    return str(path)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Return the path of the program in C++."""
    return compiled(FOLDER / "harness.cpp", tmp_path_factory.mktemp("harness"))


def passes(command, missing):
    report = protocol.run(command, ONLY)
    assert report["passed"]
    status = [(row["vector"], row["status"]) for row in report["findings"]]
    assert [vector for vector, one in status if one == "skipped"] == ["ewc"]
    assert {vector for vector, one in status if one == "right"} == set(ONLY) - {"ewc"}
    assert len([one for _, one in status if one == "missing"]) == missing
    assert report["tool"].startswith("harness in ")


def test_the_harness_in_python_passes():
    passes([sys.executable, str(FOLDER / "harness.py")], 0)


def test_the_harness_in_cpp_passes(program):
    passes([program], 4)                        # dx of four requests


def test_the_program_in_cpp_writes_outputs_in_any_order(tmp_path):
    before = (FOLDER / "harness.cpp").read_text("utf-8")
    source = tmp_path / "other.cpp"             # writes no spikes
    source.write_text(before.replace('write(prefix + "spikes", {T, B, n}, S), ', ""))
    found = protocol.run([compiled(source, tmp_path)], ["lif_forward", "bptt"])
    assert source.read_text() != before and found["passed"]
    assert {(row["vector"], row["output"]) for row in found["findings"]
            if row["status"] == "right"} == {
        ("lif_forward", "mem"), ("lif_forward", "syn"), ("bptt", "mem"),
        ("bptt", "loss"), ("bptt", "dW"), ("bptt", "dV")}


def test_the_program_in_cpp_reads_and_writes_files(program, tmp_path):
    for name, size in (("bptt", 5), ("lif_forward", 3)):
        with open(stored.FOLDER / f"{name}.json", "rb") as file:
            done = subprocess.run([program, "file"], stdin=file, capture_output=True,
                                  check=True)
        path = tmp_path / "results.json"
        path.write_bytes(done.stdout)
        found = [f.status for f in check.check(files.read(path))]
        assert found.count("right") == size and "wrong" not in found


def test_the_harnesses_are_short():
    for path in FOLDER.iterdir():
        if path.suffix in (".py", ".cpp"):
            assert len(path.read_text("utf-8").splitlines()) <= 80, path
