"""run_all.py computes the same numbers on any workers, and refuses bad input."""

import concurrent.futures
import copy
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
import scipy
import toy_project
from hypothesis import given, settings, strategies

from figures.run import digest, expected, jobs, make, origin, seeds


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    """Return a checkout whose two figures ran once, on one worker."""
    folder = toy_project.make(tmp_path_factory.mktemp("walks") / "checkout",
                              walks=toy_project.WALKS, speed=toy_project.SPEED)
    done = toy_project.run(folder, "--jobs", 1, OPENBLAS_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    return folder, done


def computed(folder):
    """Return the repeats of the walks that were computed so far, in order."""
    log = folder / "log"
    return [line.split()[0] for line in log.read_text().splitlines()]


# ---- what a run writes ----------------------------------------------------

def test_last_line_is_the_gallery(walks):
    folder, done = walks
    page = pathlib.Path(done.stdout.splitlines()[-1])
    assert page == folder / "figures" / "out" / "index.html"
    assert page.is_file()


def test_outputs_and_record(walks):
    out = walks[0] / "figures" / "out"
    record = json.loads((out / "walks.json").read_text())
    assert record["claims"]["far"]["n"] == 6
    assert record["claims"]["norm"]["n"] is None
    assert len(record["claims"]["far"]["values"]) == 6
    assert (record["figure"], record["size"], record["seed"], record["options"]) == (
        "walks", "default", 0, {})
    assert [job["call"] for job in record["jobs"]] == [
        f"walk(repeat={repeat}, pause=0.0)" for repeat in range(6)]
    assert all(job["origin"] == 0 and job["seconds"] >= 0 for job in record["jobs"])
    origin_, = record["origins"]
    assert list(origin_) == ["commit", "digest", "versions", "machine", "date", "data"]
    assert origin_["commit"] is None and origin_["data"] == {}
    assert origin_["versions"]["numpy"] == np.__version__
    assert "openblas" in origin_["versions"]["blas"]
    assert origin_["machine"] == origin.machine()
    assert origin_["digest"] == digest.Code(digest.in_folder(walks[0])).digest(
        [("figures.toys.fig_walks", "walk")])
    assert record["code"]["digest"] != origin_["digest"]
    assert (out / "walks.png").read_bytes()[:4] == b"\x89PNG"
    with h5py.File(out / "walks.h5") as file:
        assert file["paths"].shape == (6, 400)
        assert dict(file["paths"].attrs)["unit"] == "steps"
        assert [axis.label for axis in file["paths"].dims] == ["run", "step"]
        assert file["norms"].attrs["text"] == "norm of a product"
        assert abs(file["paths"][:]).max() > 1
        assert file["one"].asstr()[()] == "\u00b5"
        assert file["labels"].asstr()[0] == "the name of a savez argument"
        assert not file["matplotlib"][:].any(), "a worker has loaded matplotlib"
    assert not list(out.rglob("*.part"))


def test_speed_is_last_each_job_in_a_process_of_its_own(walks):
    folder, done = walks
    with h5py.File(folder / "figures" / "out" / "speed.h5") as file:
        assert file["asked"][:].tolist() == [1, 2]
        assert file["pools"][0] == 1
        assert len(set(file["pid"][:].tolist())) == 2
    assert done.stdout.index("walks:") < done.stdout.index("speed:")


def test_the_table_of_a_figure_is_printed_stored_and_shown(walks):
    folder, done = walks
    out = folder / "figures" / "out"
    record = json.loads((out / "speed.json").read_text())
    assert record["claims"] == {} and record["table"][0] == ["threads", "<pools>"]
    assert [row[0] for row in record["table"][1:]] == ["1", "2"]
    assert "\n  threads  <pools>\n  1        1\n  2        " in done.stdout
    page = (out / "index.html").read_text()
    assert '<th scope="col">threads</th><th scope="col">&lt;pools&gt;</th>' in page
    assert ('<tr><td data-label="threads">1</td><td data-label="&lt;pools&gt;">1</td>'
            in page)
    assert "table" not in json.loads((out / "walks.json").read_text())


def test_one_and_three_workers_give_the_same_bits(walks, tmp_path):
    folder, _ = walks
    done = toy_project.run(folder, "walks", "--jobs", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert toy_project.numbers(tmp_path) == toy_project.numbers(
        folder / "figures" / "out")
    pids = {line.split()[1] for line in (folder / "log").read_text().splitlines()}
    assert len(pids) >= 3, "three processes must take part"


def test_another_seed_gives_other_numbers(walks, tmp_path):
    folder, _ = walks
    assert toy_project.run(folder, "fig_walks", "--seed", 1, "--out",
                           tmp_path).returncode == 0
    assert toy_project.numbers(tmp_path)["paths"] != toy_project.numbers(
        folder / "figures" / "out")["paths"]


def test_quick_judges_nothing_and_full_stores_nothing(tmp_path):
    folder = toy_project.make(tmp_path / "checkout", fails=toy_project.FAILS)
    quick = toy_project.run(folder, "--quick", "--jobs", 1)
    assert quick.returncode == 0, quick.stderr
    assert "not judged" in quick.stdout
    full = toy_project.run(folder, "--full", "--jobs", 1)
    assert full.returncode == 1
    assert "figure fails fails: x is large: 2.5, must be \u2265 3" in full.stderr
    record = json.loads((folder / "figures" / "out" / "fails.json").read_text())
    assert record["size"] == "full"
    assert record["claims"] == {"large": {"value": 2.5, "spread": None, "n": None,
                                          "values": None}}
    assert not (folder / "figures" / "full").exists()


def test_a_figure_that_raises_leaves_the_others_alone(tmp_path):
    folder = toy_project.make(
        tmp_path / "checkout", raises=toy_project.RAISES, walks=toy_project.WALKS,
        broken="def jobs(:\n", plain="def job(x):\n    pass\n\n\n"
        "def jobs(size, seed, data):\n    return [(job, {'x': object()})]\n")
    done = toy_project.run(folder, "--jobs", 2)
    assert done.returncode == 1
    first = re.search(r"job figures\.toys\.fig_raises\.job\(repeat=(7|8)\)",
                      done.stderr)
    assert first, "one of the two jobs that start at once must raise first"
    assert ", in job\n" in done.stderr
    assert "figure raises raised: ZeroDivisionError: raised by repeat " \
        f"{first[1]}\n" in done.stderr
    assert done.stderr.count("fig_raises.job(") == 1, "only one traceback must be shown"
    assert "figure broken raised: SyntaxError" in done.stderr
    assert "job job: x is <object" in done.stderr
    assert 1 <= len(list(folder.glob("raised-*"))) < 6, "the rest must be left out"
    assert (folder / "figures" / "out" / "walks.png").is_file()
    record = json.loads((folder / "figures" / "out" / "raises.json").read_text())
    assert "ZeroDivisionError" in record["error"] and record["claims"] == {}


@pytest.mark.parametrize("old, new, words", [
    ('data["x"]', '"a"', "large: a value is 'a': must be a number"),
    ('"large": d', '"small": d', "lacks large and has undeclared small"),
    ("low=3", "low=float('nan')", "claim 'large': low is nan"),
    ("import own", "import own\nARRAYS = {}", "ARRAYS does not describe 'x'"),
    ("import own", "import own\nARRAYS = {'x': ('run', '1', 'a number')}",
     "has the axes 'run', and the array has the shape ()")])
def test_what_cannot_be_written_fails_its_figure(tmp_path, old, new, words):
    text = toy_project.FAILS.replace(old, new)
    assert text != toy_project.FAILS
    folder = toy_project.make(tmp_path / "checkout", fails=text)
    done = toy_project.run(folder, "--jobs", 1)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert "figure fails raised: ValueError" in done.stderr


# ---- killed, incomplete, resumed ------------------------------------------------

def test_killed_run_is_resumed(walks, tmp_path):
    folder = toy_project.make(tmp_path / "checkout", pause=0.3,
                              walks=toy_project.WALKS)
    stored = folder / "figures" / "out" / "jobs" / "walks"
    words, environment = toy_project.command(folder, "--jobs", 2)
    killed = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(list(stored.glob("*.npz"))) >= 2)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    pids = {int(line.split()[1])
            for line in (folder / "log").read_text().splitlines()}
    wait_for(lambda: not any(map(is_alive, pids)))
    finished = len(list(stored.glob("*.npz")))
    before = len(computed(folder))
    assert 2 <= finished < 6
    assert not (folder / "figures" / "out" / "walks.h5").exists()
    done = toy_project.run(folder, "--jobs", 2, "--resume")
    assert done.returncode == 0, done.stderr
    assert len(computed(folder)) - before == 6 - finished
    assert toy_project.numbers(folder / "figures" / "out") == toy_project.numbers(
        walks[0] / "figures" / "out")


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def is_alive(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[1]
    except OSError:
        return False


def test_resume_recomputes_what_is_torn_or_changed(walks):
    folder, _ = walks
    again = ("walks", "--jobs", 2, "--resume", "--seed", 5)
    stored = folder / "figures" / "out" / "jobs" / "walks"
    before = set(stored.glob("*.npz"))
    assert toy_project.run(folder, *again).returncode == 0
    numbers = toy_project.numbers(folder / "figures" / "out")
    torn, flipped, gone = sorted(set(stored.glob("*.npz")) - before)[:3]
    torn.write_bytes(torn.read_bytes()[:-40])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    gone.unlink()
    count = len(computed(folder))
    assert toy_project.run(folder, *again).returncode == 0
    assert len(computed(folder)) - count == 3
    assert toy_project.numbers(folder / "figures" / "out") == numbers
    code = folder / "figures" / "run" / "seeds.py"
    code.write_text(code.read_text() + "# a comment\n")
    assert toy_project.run(folder, *again).returncode == 0
    assert len(computed(folder)) - count == 3
    text = code.read_text()
    assert "BYTES = 2 ** 32" in text
    code.write_text(text.replace("BYTES = 2 ** 32", "BYTES = 2 ** 31"))
    assert toy_project.run(folder, *again).returncode == 0
    assert len(computed(folder)) - count == 9
    assert toy_project.run(folder, *again[:3], *again[4:]).returncode == 0
    assert len(computed(folder)) - count == 15, "only --resume may use stored results"
    assert toy_project.numbers(folder / "figures" / "out") == numbers


@pytest.mark.parametrize("times, status", [(1, 0), (99, 1)])
def test_killed_worker(tmp_path, times, status):
    folder = toy_project.make(tmp_path / "checkout", times=times,
                              killed=toy_project.KILLED, walks=toy_project.WALKS)
    done = toy_project.run(folder, "--jobs", 2)
    out = folder / "figures" / "out"
    assert done.returncode == status, done.stderr
    assert (folder / "killed").stat().st_size == min(times, 1 + jobs.REBUILDS)
    assert (out / "walks.png").is_file()
    if status == 0:
        with h5py.File(out / "killed.h5") as file:
            assert file["squares"][:].tolist() == [0, 1, 4, 9]
    else:
        assert "job figures.toys.fig_killed.job(repeat=1, times=99)" in done.stderr
        assert "figure killed raised: " in done.stderr


def test_interrupt_ends_the_run_and_its_workers(tmp_path):
    folder = toy_project.make(tmp_path / "checkout", pause=30,
                              walks=toy_project.WALKS)
    words, environment = toy_project.command(folder, "--jobs", 2)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:        # a background job of a shell ignores SIGINT, and so do its children
        run = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(lambda: (folder / "log").exists() and len(computed(folder)) == 2)
    os.killpg(run.pid, signal.SIGINT)       # as Ctrl-C, which reaches the workers too
    errors = run.communicate(timeout=20)[1]
    assert run.returncode == 130
    assert "Traceback" not in errors and "continue with --resume" in errors
    pids = [int(line.split()[1])
            for line in (folder / "log").read_text().splitlines()]
    wait_for(lambda: not any(map(is_alive, pids)))


# ---- jobs that continue others ---------------------------------------------

CONTINUES = (None, 0, 1, None, 3, 4, 1)
PARTS = ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "0.7"]


def chained(folder, trap="pass"):
    return toy_project.make(folder / "checkout", chain=toy_project.CHAIN.replace(
        "TRAP", trap), walks=toy_project.WALKS)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Return a checkout whose chains ran once, on one worker."""
    folder = chained(tmp_path_factory.mktemp("chain"))
    done = toy_project.run(folder, "chain", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return folder, parts(folder), toy_project.numbers(
        folder / "figures" / "out", "chain")


def parts(folder):
    """Return the parts of the chains that began so far, in order."""
    lines = (folder / "parts").read_text().splitlines()
    return [line.split()[0] for line in lines]


def stored_parts(folder):
    """Return the files with the results of the parts."""
    files = (folder / "figures" / "out" / "jobs" / "chain").glob("*.npz")
    named = {path: jobs.load(path)[0] for path in files}
    return {f"{result['repeat']}.{result['part']}": path
            for path, result in named.items()}


def test_a_job_begins_where_the_one_before_it_ended(chain):
    folder, ran, _ = chain
    assert sorted(ran) == sorted(PARTS)
    with h5py.File(folder / "figures" / "out" / "chain.h5") as file:
        path, start, met = file["path"][:], file["start"][:], file["met"].asstr()[:]
    assert met.tolist() == ["0", "01", "012", "0", "01", "012", "017"]
    for i, index in enumerate(CONTINUES):
        expected = np.ones(3) if index is None else path[index, -1] / 3
        assert np.array_equal(start[i], expected) and abs(expected).min() > 0
    assert len(np.unique(path[:, -1, 0])) == 7


JOIN = """\"\"\"Parts and their join.\"\"\"
import time


def part(repeat, wait):
    time.sleep(wait)
    return {"met": repeat}


def join(repeat, before):
    return {"met": repeat, "joined": [one["met"] for one in before]}


def jobs(size, seed, data):
    parts = [(part, {"repeat": i, "wait": (0.5, 0.0, 0.0)[i]}) for i in range(3)]
    return [*parts, (join, {"repeat": 3}, 2, 0, 1), (join, {"repeat": 4}, 3, 3)]


def gather(results):
    return {"first": results[3]["joined"], "second": results[4]["joined"]}


def claims(size):
    return []


def measured(data):
    return {}


def plot(data, fig):
    fig.subplots()
"""


def test_a_job_gets_the_results_of_several_in_their_order(tmp_path):
    folder = toy_project.make(tmp_path / "checkout", join=JOIN)
    done = toy_project.run(folder, "join", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "figures" / "out" / "join.h5") as file:
        assert file["first"][:].tolist() == [2, 0, 1]
        assert file["second"][:].tolist() == [3, 3]


def test_chains_give_the_same_bits_on_three_workers(chain, tmp_path):
    folder, before, numbers = chain
    done = toy_project.run(folder, "chain", "--jobs", 3, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert toy_project.numbers(tmp_path, "chain") == numbers
    ran = (folder / "parts").read_text().splitlines()[len(before):]
    assert len({line.split()[1] for line in ran}) >= 2, "two processes must take part"
    order = [line.split()[0] for line in ran]
    assert sorted(order) == sorted(PARTS)
    for i, index in enumerate(CONTINUES):
        assert index is None or order.index(PARTS[index]) < order.index(PARTS[i])


@pytest.mark.parametrize("gone", [["1.1", "1.2"], ["0.1"], ["0.0", "0.7"]],
                         ids=["tail", "middle", "first and another end"])
def test_resume_computes_the_missing_parts_alone(chain, gone):
    """A stored part is used even if the parts before it are lost."""
    folder, _, numbers = chain
    stored, count = stored_parts(folder), len(parts(folder))
    assert sorted(stored) == sorted(PARTS)
    for name in gone[1:]:
        stored[name].unlink()
    stored[gone[0]].write_bytes(stored[gone[0]].read_bytes()[:-40])      # torn
    out = folder / "figures" / "out"
    (out / "chain.h5").unlink()
    done = toy_project.run(folder, "chain", "--jobs", 2, "--resume")
    assert done.returncode == 0, done.stderr
    assert sorted(parts(folder)[count:]) == gone
    assert toy_project.numbers(out, "chain") == numbers


def test_a_killed_worker_repeats_the_part_in_flight(chain, tmp_path):
    trap = "(HOME / 'mended').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    folder = chained(tmp_path, trap)
    done = toy_project.run(folder, "chain", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert sorted(parts(folder)) == sorted([*PARTS, "0.1"])
    assert toy_project.numbers(folder / "figures" / "out", "chain") == chain[2]


def test_parts_after_one_that_raises_are_left_out(chain, tmp_path):
    folder = chained(tmp_path, "raise ZeroDivisionError('not mended')")
    done = toy_project.run(folder, "--jobs", 2)
    out = folder / "figures" / "out"
    assert done.returncode == 1
    assert "fig_chain.walk(seed=0, repeat=0, part=1)" in done.stderr
    assert "figure chain raised: ZeroDivisionError: not mended" in done.stderr
    assert not {"0.2", "0.7"} & set(parts(folder))
    assert (out / "walks.png").is_file() and not (out / "chain.h5").exists()
    kept = len(stored_parts(folder))
    assert kept >= 1
    count = len(parts(folder))
    (folder / "mended").touch()
    again = toy_project.run(folder, "chain", "--jobs", 2, "--resume")
    assert again.returncode == 0, again.stderr
    assert len(parts(folder)) - count == 7 - kept
    assert toy_project.numbers(out, "chain") == chain[2]


# ---- jobs that figures share --------------------------------------------------

SHARED = """\"\"\"A job that figures have in common.\"\"\"
import pathlib

LOG = pathlib.Path(__file__).parents[2] / "shared"


def step(seed, number, before=None):
    with open(LOG, "a") as log:
        log.write(f"{number} ")
    return {"met": number + (0 if before is None else 10 * before["met"])}
"""

SHARING = """\"\"\"One of the figures that share.\"\"\"
from figures.toys.shared_tasks import step

OWN = ""


def own(seed, before):
    if OWN:
        raise ValueError(OWN)
    return {"met": -before["met"]}


def jobs(size, seed, data):
    return [(step, {"seed": seed, "number": 1}), (own, {"seed": seed}, 0),
            (step, {"seed": seed, "number": 2}, 0)]


def gather(results):
    return {"met": [r["met"] for r in results]}


def claims(size):
    return []


def measured(data):
    return {}


def plot(data, fig):
    fig.subplots()
"""


def sharing(folder, fails):
    """Return a checkout with three figures that share; the named ones fail."""
    folder = toy_project.make(folder, **{
        name: SHARING.replace('OWN = ""', f'OWN = "{"not mended" * (name in fails)}"')
        for name in "abc"})
    (folder / "figures" / "toys" / "shared_tasks.py").write_text(SHARED)
    return folder


def test_figures_share_a_job_of_another_module(tmp_path):
    folder = sharing(tmp_path / "checkout", "")
    done = toy_project.run(folder, "a", "b", "c", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    for name in "abc":
        with h5py.File(folder / "figures" / "out" / f"{name}.h5") as file:
            assert file["met"][:].tolist() == [1, -1, 12]
    assert sorted((folder / "shared").read_text().split()) == ["1", "2"]
    for name in "abc":          # one figure must use what another has computed
        (folder / "figures" / "out" / f"{name}.h5").unlink()
    done = toy_project.run(folder, "b", "--resume")
    assert done.returncode == 0, done.stderr
    assert sorted((folder / "shared").read_text().split()) == ["1", "2"]
    with h5py.File(folder / "figures" / "out" / "b.h5") as file:
        assert file["met"][:].tolist() == [1, -1, 12]


@pytest.mark.parametrize("fails", ["a", "b", "ac", "abc"])
def test_a_shared_job_outlives_a_figure_that_fails(tmp_path, fails):
    folder = sharing(tmp_path / "checkout", fails)
    done = toy_project.run(folder, "a", "b", "c", "--jobs", 1)
    assert done.returncode == 1
    for name in "abc":
        assert (f"figure {name} raised: ValueError: not mended" in done.stderr) \
            == (name in fails)
        assert (folder / "figures" / "out" / f"{name}.h5").exists() \
            == (name not in fails)


def test_a_shared_job_that_fails_fails_all_its_figures(tmp_path):
    folder = sharing(tmp_path / "checkout", "")
    path = folder / "figures" / "toys" / "shared_tasks.py"
    path.write_text(SHARED.replace("with open", "assert number < 2\n    with open"))
    done = toy_project.run(folder, "a", "b", "--jobs", 2)
    assert done.returncode == 1
    for name in "ab":
        assert f"figure {name} raised: AssertionError" in done.stderr
    assert "job figures.toys.shared_tasks.step(seed=0, number=2)" in done.stderr


# ---- the runner keeps its own state ---------------------------------------------

def computing(tasks, owners, results, run):
    """Yield what `jobs.compute` yields, from three threads."""
    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        yield from jobs.compute(tasks, run, executor, 1, None, owners, results)


def task_of(key, *before):
    return jobs.Task("toy", key, ("root", "module", key, {}, "code"), before)


def test_the_runner_changes_none_of_its_arguments():
    tasks = [task_of("a"), task_of("b", "a"), task_of("c", "old", "b")]
    arguments = tasks, {key: {"toy"} for key in "abc"}, {"old": ("older", 1.0)}
    copies = copy.deepcopy(arguments)
    seen = {}

    def run(root, module, function, kwargs, code):
        seen[function] = kwargs
        return f"result of {function}", 0.5

    found = [(task.key, answer, error)
             for task, answer, error in computing(*arguments, run)]
    assert found == [(key, (f"result of {key}", 0.5), None) for key in "abc"]
    assert seen == {"a": {}, "b": {"before": "result of a"},
                    "c": {"before": ["older", "result of b"]}}
    assert arguments == copies


def test_a_task_is_left_out_when_all_its_figures_have_failed():
    """Task `bad` fails figure one; only figure two still needs `shared`."""
    tasks = [task_of("bad"), task_of("next", "bad"), task_of("first"),
             task_of("shared", "first"), task_of("own", "first")]
    owners = {"bad": {"one"}, "next": {"one"}, "first": {"one", "two"},
              "shared": {"one", "two"}, "own": {"one"}}
    over = threading.Event()

    def run(root, module, function, kwargs, code):
        if function == "bad":
            raise ZeroDivisionError
        over.wait(10)
        return function, 0.0

    found = {}
    for task, _, error in computing(tasks, owners, {}, run):
        found[task.key] = type(error)
        over.set()                      # the other tasks end after the one that fails
    assert found == {"bad": ZeroDivisionError, "first": type(None),
                     "shared": type(None)}


def test_each_speed_job_starts_with_its_own_number_of_threads(monkeypatch):
    def compute(tasks, *others):
        yield from ((task, os.environ["OMP_NUM_THREADS"], None) for task in tasks)

    monkeypatch.setattr(jobs, "compute", compute)
    speed = [jobs.Task("speed", str(n), (*3 * [""], {"threads": n}, ""), ())
             for n in (2, 3)]
    found = make.computed([*speed, task_of("walk")], {}, {}, 1, None, None, None)
    assert [(task.key, threads) for task, threads, _ in found] == [
        ("walk", "1"), ("2", "2"), ("3", "3")]


def test_a_figure_that_fails_keeps_no_old_picture_and_no_old_data(tmp_path):
    outputs = {kind: tmp_path / f"toy.{kind}" for kind in ("png", "h5", "json")}
    for path in outputs.values():
        path.write_text("old")
    figure = make.Figure("toy", "A toy", "", error="ValueError: no")
    assert make.fail(figure, {"name": "toy"}, outputs) == ["toy: no result"]
    assert list(tmp_path.iterdir()) == [outputs["json"]]
    assert json.loads(outputs["json"].read_text())["error"] == "ValueError: no"


# ---- refusals -------------------------------------------------------------

@pytest.mark.parametrize("arguments, words", [
    (["nosuch"], ["'nosuch'", "walks", "speed"]),
    (["--out", "{file}/out"], ["cannot write", "file/out"]),
    (["--out", "{file}"], ["cannot write", "file"]),
    (["--data", "{file}/data"], ["data folder", "does not exist"]),
    (["--executor", "carrier"], ["'carrier'", "dask:ADDRESS"]),
    (["--executor", "dask:"], ["'dask:'", "dask:ADDRESS"]),
    (["--jobs", "0"], ["--jobs is 0"]),
    (["--jobs", "two"], ["--jobs", "two"]),
    (["--seed", "-1"], ["--seed is -1"]),
    (["--quick", "--full"], ["--full", "--quick"]),
    (["--nosuch"], ["--nosuch"]),
])
def test_bad_usage_is_one_clear_line(walks, tmp_path, arguments, words):
    file = tmp_path / "file"
    file.write_text("")
    done = toy_project.run(walks[0], *[part.format(file=file) for part in arguments])
    assert done.returncode == 2
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_figure_says_which_data_folders_it_needs(tmp_path):
    needy = toy_project.WALKS + 'FOLDERS = {"full": ("mnist",)}\n'
    folder = toy_project.make(tmp_path / "checkout", needy=needy)
    for data in ([], ["--data", tmp_path]):
        done = toy_project.run(folder, "fig_needy.py", "--full", *data)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert "figure needy --full needs 'mnist'" in done.stderr
    (tmp_path / "mnist").mkdir()
    assert toy_project.run(folder, "needy", "--full", *data).returncode == 0
    assert toy_project.run(folder, "needy").returncode == 0


def test_missing_data_folder_from_the_environment(walks):
    done = toy_project.run(walks[0], REFSNN_DATA="/no/such/folder")
    assert done.returncode == 2 and "/no/such/folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_describes_every_option(walks):
    done = toy_project.run(walks[0], "--help")
    assert done.returncode == 0 and "exit status:" in done.stdout
    source = (toy_project.ROOT / "run_all.py").read_text()
    options = re.findall(r'add(?:_argument)?\("(--\w+)"', source)
    assert {"--quick", "--full", "--jobs", "--resume"} <= set(options)
    for option in options:
        found = re.search(rf"\n  {option}(?: [A-Z]+)?\s+(\w[^\n]+)", done.stdout)
        assert found and len(found[1]) > 15, option


def test_list(walks):
    done = toy_project.run(walks[0], "--list")
    assert done.stdout.splitlines() == [
        'walks  [ZG18] fig. 1  Sums of coin flips & "products" <here>',
        "speed                 Threads of a job"]


def test_a_list_that_nobody_reads_to_its_end_is_quiet(walks):
    words, environment = toy_project.command(walks[0], "--list")
    for option in ("--list", "--help"):
        with subprocess.Popen([*words[:-1], option], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
            run.stdout.close()
            assert run.stderr.read() == ""


# ---- pieces ---------------------------------------------------------------

def plain(function="job", kwargs=None):
    module = type(sys)("figures.toys.fig_toy")
    module.job = lambda: None
    module.job.__name__ = "job"
    module.jobs = lambda size, seed, data: [
        (getattr(module, function, print), {} if kwargs is None else kwargs)]
    return module


def key(*, kwargs=None, size="quick", seed=0, root=toy_project.ROOT):
    return jobs.tasks(root, "toy", plain(kwargs=kwargs), size, seed, None)[0].key


def test_key_covers_arguments_size_and_seed():
    keys = {key(), key(kwargs={"a": 1}), key(kwargs={"a": 1.5}), key(size="full"),
            key(seed=1), key(kwargs={"a": [1, 2]})}
    assert len(keys) == 6
    assert key(kwargs={"a": 1, "b": 2}) == key(kwargs={"b": 2, "a": 1})


@pytest.mark.parametrize("package", [np, scipy])
def test_key_covers_the_version_of(monkeypatch, package):
    before = key()
    monkeypatch.setattr(package, "__version__", "0")
    assert key() != before


def listed(*parts):
    """Return the tasks of a figure with the jobs ({argument: value}, *indices)."""
    module = plain()
    module.jobs = lambda size, seed, data: [(module.job, *part) for part in parts]
    return jobs.tasks(toy_project.ROOT, "toy", module, "quick", 0, None)


def test_key_covers_the_job_that_is_continued():
    tasks = listed(({"a": 1},), ({"a": 2},), ({"b": 1},), ({"b": 1}, 0),
                   ({"b": 1}, 1), ({"b": 1}, 3), ({"b": 1}, 0),
                   ({"b": 1}, 0, 1), ({"b": 1}, 1, 0))
    keys = [task.key for task in tasks]
    assert len(set(keys)) == 8 and keys[6] == keys[3]
    assert [task.before for task in tasks] == [
        (), (), (), (keys[0],), (keys[1],), (keys[3],), (keys[0],),
        (keys[0], keys[1]), (keys[1], keys[0])]
    assert keys[2] == key(kwargs={"b": 1})
    assert listed(({"a": 3},), ({"b": 1}, 0), ({"b": 1}, 1))[2].key not in keys


@pytest.mark.parametrize("index", [-1, 1, 2, 0.0, "0", None, False, [0]])
def test_a_job_continues_an_earlier_one(index):
    with pytest.raises(ValueError) as error:
        listed(({"a": 1},), ({"a": 2}, index), ({"a": 3},))
    assert str(error.value) == (f"job job, number 1, continues job {index!r}: must be "
                                "an int, 0 or more and less than 1")


def test_each_of_several_jobs_is_an_earlier_one():
    with pytest.raises(ValueError, match="number 2, continues job 2: must be an int"):
        listed(({"a": 1},), ({"a": 2},), ({"a": 3}, 0, 2))


def test_a_job_that_continues_another_has_no_before_of_its_own():
    with pytest.raises(ValueError, match="number 1: before is 3: must be left out"):
        listed(({"a": 1},), ({"before": 3}, 0))
    assert listed(({"before": 3},))[0].before == ()


def test_key_covers_the_code_that_the_job_reaches(tmp_path):
    text = "from figures.run import seeds\n\n\ndef job():\n    seeds.rng(0)\n"
    folder = toy_project.make(tmp_path / "checkout", toy=text)
    keys = [key(root=folder)]
    for name, old, new in (
            ("run/seeds.py", "LIMIT, BYTES", "LIMIT,  BYTES"),          # the layout
            ("toys/fig_toy.py", "\n\n\ndef", "\n\n\nOTHER = 1\n\n\ndef"),
            ("run/seeds.py", "2 ** 32, 4", "2 ** 31, 4"),
            ("toys/fig_toy.py", "rng(0)", "rng(1)")):
        path = folder / "figures" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        keys.append(key(root=folder))
    assert len(set(keys)) == 3 and len(set(keys[:3])) == 1


@pytest.mark.parametrize("names", [(), ("used",)])
def test_key_covers_the_contents_of_the_data_that_the_job_can_read(tmp_path, names):
    found = {}
    for case, text in ("first", "1"), ("copy", "1"), ("changed", "2"), ("other", "1"):
        (folder := tmp_path / "data" / "used").mkdir(parents=True)
        (folder / "a").write_text(text)
        (folder.parent / "unused").write_text(case * (case == "other"))
        os.utime(folder / "a", (len(found), 1))
        origin.checksum.cache_clear()
        module = plain(kwargs={"folder": str(folder.parent)})
        module.FOLDERS = {"quick": names}
        found[case] = jobs.tasks(toy_project.ROOT, "toy", module, "quick", 0,
                                 str(folder.parent))[0].key
        shutil.rmtree(folder.parent)
    assert found["first"] == found["copy"] != found["changed"]
    assert (found["first"] == found["other"]) == bool(names)


@pytest.mark.parametrize("value", [np.float64(1), np.ones(2), {1: 2}, {1}, [None, b""]])
def test_job_arguments_must_be_plain(value):
    with pytest.raises(TypeError, match="job job: a is .*must be None, a bool"):
        jobs.tasks(toy_project.ROOT, "toy", plain(kwargs={"a": value}), "quick", 0,
                   None)


def test_job_must_be_a_function_of_the_file():
    with pytest.raises(TypeError, match="must be a function at the top level"):
        jobs.tasks(toy_project.ROOT, "toy", plain("nosuch"), "quick", 0, None)


def test_speed_jobs_must_say_their_threads():
    with pytest.raises(TypeError, match="job job of fig_speed: must have an argu"):
        jobs.tasks(toy_project.ROOT, "speed", plain(), "quick", 0, None)


@pytest.mark.parametrize("result, words", [
    ([1], "is list: must be a dict"), ({1: 2}, "must be a dict with texts"),
    ({"a": object()}, "'a' is of dtype object"), ({"a": b"x"}, "'a' is of dtype")])
def test_results_must_be_numbers_and_texts(result, words):
    with pytest.raises(TypeError, match=words):
        jobs.normalised(result, "result")


RECORD = {"seconds": 1.5, "commit": None}
RESULT = {"x": np.arange(12.0).reshape(3, 4), "word": "a", "file": True, "a/b": 1 + 2j,
          "empty": np.zeros((0, 3), np.float32), "words": ["a", "\u00b5"],
          "nan": np.nan}


def test_stored_result_comes_back_to_the_last_bit(tmp_path):
    result = jobs.normalised(RESULT, "result")
    jobs.save(tmp_path / "jobs" / "a.npz", result, RECORD)
    back, record = jobs.load(tmp_path / "jobs" / "a.npz")
    assert record == RECORD and list(back) == list(result)
    for name, value in result.items():
        assert type(back[name]) is type(value) and back[name].dtype == value.dtype
        assert back[name].tobytes() == value.tobytes()
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["a.npz"]


@given(cut=strategies.integers(0, 10 ** 6), bit=strategies.integers(0, 7),
       truncate=strategies.booleans())
@settings(max_examples=150)
def test_damaged_result_is_never_used(tmp_path_factory, cut, bit, truncate):
    folder = tmp_path_factory.getbasetemp()
    result = jobs.normalised(RESULT, "result")
    jobs.save(folder / "whole.npz", result, RECORD)
    content = bytearray((folder / "whole.npz").read_bytes())
    cut %= len(content)
    if truncate:
        del content[cut:]
    else:
        content[cut] ^= 1 << bit
    (folder / "damaged.npz").write_bytes(content)
    loaded = jobs.load(folder / "damaged.npz")
    if truncate:
        assert loaded is None
    elif loaded is not None:            # the changed bit was not part of a value
        back, record = loaded
        assert record == RECORD
        assert all(back[name].tobytes() == result[name].tobytes() for name in result)


def test_nothing_is_left_of_a_write_that_fails(tmp_path):
    (tmp_path / "a").write_text("before")
    with open(tmp_path / "a") as reader:
        with jobs.replacing(tmp_path / "a") as file:
            file.write(b"between")
        assert reader.read() == "before", "a reader must see a whole file"
    with pytest.raises(KeyError), jobs.replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise KeyError
    assert (tmp_path / "a").read_text() == "between"
    assert len(list(tmp_path.iterdir())) == 1


def test_workers_refuse_more_threads(monkeypatch):
    np.ones((2, 2)) @ np.ones((2, 2))
    jobs.check_threads(64)
    monkeypatch.setattr(jobs.threadpoolctl, "threadpool_info",
                        lambda: [{"num_threads": 3, "internal_api": "openblas"}])
    jobs.check_threads(3)
    with pytest.raises(RuntimeError, match="3 threads of openblas: must be 2"):
        jobs.check_threads(2)


def test_workers_refuse_code_that_is_not_that_of_the_run(walks):
    folder = walks[0]
    name = "figures.speed.fig_speed"
    with pytest.raises(RuntimeError, match=f"the code of {name}.job has changed"):
        jobs.execute(str(folder), name, "job", {"threads": 1}, "other", 1)


def test_workers_refuse_a_module_of_another_checkout(walks):
    folder, name = walks[0], "figures.run.seeds"
    with pytest.raises(RuntimeError, match="which is not in .*restart the workers"):
        jobs.execute(str(folder), name, "rng", {}, digest.Code(
            digest.in_folder(folder)).digest([(name, "rng")]), 64)


def test_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for name in ("MKL_NUM_THREADS", *jobs.ALLOCATOR):
        monkeypatch.delenv(name, raising=False)
    with jobs.environment(3):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
        assert jobs.ALLOCATOR.items() <= os.environ.items()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert not {"MKL_NUM_THREADS", *jobs.ALLOCATOR} & set(os.environ)


def test_seeds_are_addressed():
    def draw(*address):
        return seeds.rng(*address).random()

    drawn = {draw(*address) for address in [
        (0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0),
        (0, "a", 0, 1), (0, "a", "x", 0), (0, 3, 0, 0)]}
    assert len(drawn) == 7
    assert draw(0, "a", 0, 0) == draw(0, "a", 0, 0)
    sequence = np.random.SeedSequence(5, spawn_key=(1, 2, 3))
    assert draw(5, 1, 2, 3) == np.random.default_rng(sequence).random()
    for part in (-1, 1.5, 2 ** 32, None):
        with pytest.raises(ValueError, match="seed address holds"):
            seeds.rng(0, "a", part, 0)


def test_workers_start_light():
    """Importing run_all.py, as workers do, loads neither NumPy nor matplotlib."""
    spec = importlib.util.spec_from_file_location("r", toy_project.ROOT / "run_all.py")
    code = f"import runpy, sys; runpy.run_path({spec.origin!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True,
                            text=True, check=True).stdout.split()
    assert not {"numpy", "matplotlib", "tqdm"} & set(loaded)


# ---- expected computing times

def test_tasks_are_sorted_by_the_time_until_their_chain_ends():
    """The chain a, b, c takes 6 s in all, d takes 5.5 s, and the chain a, f 5 s."""
    rows = [("e", 1, ()), ("a", 1, ()), ("f", 4, ("a", "gone")), ("b", 2, ("a",)),
            ("c", 3, ("b",)), ("d", 5.5, ())]
    tasks = [jobs.Task("home", key, (), before) for key, _, before in rows]
    times = {key: seconds for key, seconds, _ in rows}
    found = expected.longest_first(tasks, times)
    assert "".join(task.key for task in found) == "adbfce"


def test_expected_seconds_are_those_of_the_stored_run(monkeypatch, tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text('{"one": [2.5, 4.0], "two": [7.0]}')
    monkeypatch.setattr(expected, "PATH", path)
    listed = {name: [jobs.Task("home", f"{name} {i}", (), ()) for i in range(2)]
              for name in ("one", "two", "three")}
    assert expected.seconds(listed) == {
        "one 0": 2.5, "one 1": 4.0, "two 0": 1, "two 1": 1, "three 0": 1, "three 1": 1}


def test_seconds_of_a_run_are_stored(tmp_path):
    folder = toy_project.make(tmp_path / "checkout", walks=toy_project.WALKS,
                              speed=toy_project.SPEED)
    assert toy_project.run(folder).returncode == 0
    out = folder / "figures" / "out"
    with h5py.File(out / "walks.h5") as file:
        ends = file["paths"][:].tolist()
    for path in (out / "jobs" / "walks").glob("*.npz"):
        result = jobs.load(path)[0]
        jobs.save(path, result, {"seconds": ends.index(result["path"].tolist()) + 1.04})
    subprocess.run([sys.executable, "-m", "figures.run.timing", out], cwd=folder,
                   check=True)
    stored = json.loads((folder / "figures" / "run" / "seconds.json").read_text())
    assert set(stored) == {"walks", "speed"} and stored["walks"] == [1, 2, 3, 4, 5, 6]
    assert len(stored["speed"]) == 2 and min(stored["speed"]) >= 0.1


def test_stored_seconds_are_of_existing_figures():
    stored = json.loads(expected.PATH.read_text())
    known = make.names(toy_project.ROOT)
    assert set(stored) <= set(known) and all(map(all, stored.values()))
