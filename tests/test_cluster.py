"""Dask, with a worker that is killed, and MPI give the numbers of local processes."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
import toy_project

BIN = pathlib.Path(sys.executable).parent


def need(found, missing):
    """Skip and name what is missing; fail instead if skips are forbidden."""
    if not found:
        (pytest.fail if os.environ.get("REFSNN_NO_SKIP") == "1" else pytest.skip)(
            f"{missing} is not installed: python -m pip install -e '.[cluster]'")


def importable(name):
    """Tell whether a fresh interpreter can import a package, warnings or not."""
    return subprocess.run([sys.executable, "-c", f"import {name}"],
                          capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Return a checkout and the numbers of its figures from local processes."""
    folder = toy_project.make(
        tmp_path_factory.mktemp("cluster") / "checkout", pause=0.3,
        walks=toy_project.WALKS, speed=toy_project.SPEED,
        chain=toy_project.CHAIN.replace("TRAP", "pass"))
    done = toy_project.run(folder, "walks", "chain", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    return folder, numbers_of(folder / "figures" / "out")


def numbers_of(out):
    """Return the numbers that were stored for the walks and the chains of jobs."""
    return [toy_project.numbers(out, name) for name in ("walks", "chain")]


def pids(folder, since):
    """Return the process of each job that began, after `since` earlier jobs."""
    lines = (folder / "log").read_text().splitlines()[since:]
    return [int(line.split()[1]) for line in lines]


@contextlib.contextmanager
def started(*words, **more):
    """Start a process that ends with the test."""
    process = subprocess.Popen([str(word) for word in words],
                               env={**os.environ, **more},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(tmp_path):
    """Return the address of a Dask scheduler and its two worker processes."""
    need(importable("distributed"), "dask[distributed]")
    note = tmp_path / "scheduler.json"
    dask = (sys.executable, "-m", "dask")
    with contextlib.ExitStack() as stack:
        stack.enter_context(started(
            *dask, "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard",
            "--scheduler-file", note))
        workers = [stack.enter_context(started(
            *dask, "worker", "--scheduler-file", note, "--no-nanny", "--nthreads", 1,
            "--no-dashboard", "--local-directory", tmp_path,
            OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1"))
            for _ in range(2)]
        wait_for(note.exists)
        address = json.loads(note.read_text())["address"]
        count = ("import sys, distributed as d; "
                 "d.Client(sys.argv[1], timeout=20).wait_for_workers(2, timeout=20)")
        subprocess.run([sys.executable, "-c", count, address], check=True, timeout=40,
                       capture_output=True)
        yield address, workers


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def test_dask_with_a_worker_killed(local, cluster, tmp_path):
    folder, numbers = local
    address, workers = cluster
    before = len(pids(folder, 0))
    words, environment = toy_project.command(
        folder, "walks", "chain", "--executor", f"dask:{address}", "--out",
        tmp_path / "out")
    run = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: len(set(pids(folder, before))) == 2)
        workers[0].send_signal(signal.SIGKILL)
        output, errors = run.communicate(timeout=40)
    finally:
        run.kill()
    assert run.returncode == 0, errors
    ran = pids(folder, before)
    assert set(ran) == {worker.pid for worker in workers}, "both must take part"
    assert len(ran) > 6, "the job of the killed worker was not repeated"
    assert workers[1].poll() is None
    assert numbers_of(tmp_path / "out") == numbers
    assert pathlib.Path(output.splitlines()[-1]).is_file()


def test_workers_that_hold_older_code_are_refused(cluster, tmp_path):
    folder = toy_project.make(tmp_path / "checkout", pause=0.2,
                              walks=toy_project.WALKS)
    words = ("--executor", f"dask:{cluster[0]}")
    first = toy_project.run(folder, *words)
    assert first.returncode == 0, first.stderr
    assert len(set(pids(folder, 0))) == 2, "both must take part"
    code = folder / "figures" / "run" / "seeds.py"
    text = code.read_text()
    assert "BYTES = 2 ** 32" in text
    code.write_text(text.replace("BYTES = 2 ** 32", "BYTES = 2 ** 31"))
    second = toy_project.run(folder, *words)
    assert second.returncode == 1
    assert "restart long-lived workers" in second.stderr
    assert len(pids(folder, 0)) == 6, "computed by the older code"


def test_no_scheduler_is_one_clear_line(local):
    need(importable("distributed"), "dask[distributed]")
    done = toy_project.run(local[0], "--executor", "dask:tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "tcp://127.0.0.1:9" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_mpi_gives_the_same_numbers(local, tmp_path):
    need(importable("mpi4py.MPI"), "mpi4py with an MPI (mpich)")
    mpiexec = BIN / "mpiexec" if (BIN / "mpiexec").exists() else shutil.which("mpiexec")
    need(mpiexec, "mpiexec (mpich)")
    folder, numbers = local
    before = len(pids(folder, 0))
    words, environment = toy_project.command(
        folder, "--executor", "mpi", "--out", tmp_path / "out")
    done = subprocess.run(
        [str(mpiexec), "-n", "3", sys.executable, "-m", "mpi4py.futures", *words[1:]],
        env={**environment, "OPENBLAS_NUM_THREADS": "2"}, capture_output=True,
        text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(set(pids(folder, before))) == 2, "both workers must take part"
    assert len(pids(folder, before)) == 6
    assert numbers_of(tmp_path / "out") == numbers
    assert (tmp_path / "out" / "speed.png").is_file()
    assert pathlib.Path(done.stdout.splitlines()[-1]).is_file()


def test_mpi_started_alone_is_refused(local):
    need(importable("mpi4py.MPI"), "mpi4py with an MPI (mpich)")
    done = toy_project.run(local[0], "--executor", "mpi")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "mpiexec -n N python -m mpi4py.futures run_all.py" in done.stderr
