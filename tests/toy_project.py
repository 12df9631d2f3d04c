"""Makes a small checkout with toy figures, on which tests run run_all.py."""

import os
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent

WALKS = '''"""Sums of coin flips & "products" <here>.

The last entry of 6 walks is no further than 400 steps away.

Mirrors no published figure.
"""
import os
import pathlib
import sys
import time

import numpy as np

from figures.run import seeds
from figures.run.claims import Published, own, shown as report

ARRAYS = {"paths": ("run, step", "steps", "distance of each walk"),
          "norms": ("run", "1", "norm of a product"),
          "matplotlib": ("run", "1", "whether matplotlib was loaded"),
          "labels": ("run", "", "a text"), "one": ("", "", "a unit")}
LOG = pathlib.Path(__file__).parents[2] / "log"


def walk(seed, repeat, pause):
    with open(LOG, "a") as log:
        log.write(f"{repeat} {os.getpid()}\\n")
    time.sleep(pause)
    draw = seeds.rng(seed, "walks", 0, repeat)
    mixed = draw.normal(size=(90, 90))
    return {"path": np.cumsum(draw.choice([-1.0, 1.0], 400)),
            "norm": float(np.linalg.norm(mixed @ mixed @ mixed.T)),
            "file": "the name of a savez argument",
            "matplotlib": "matplotlib" in sys.modules}


def jobs(size, seed, data):
    return [(walk, {"seed": seed, "repeat": r, "pause": PAUSE}) for r in range(6)]


def gather(results):
    return {"paths": [r["path"] for r in results],
            "norms": [r["norm"] for r in results],
            "matplotlib": [r["matplotlib"] for r in results],
            "labels": [r["file"] for r in results], "one": "\\u00b5"}


def claims(size):
    return [own("far", "distance <after> 400 steps & no more", high=400),
            report("norm", "norm of a product",
                   published=Published(0.5, "[ZG18]", "fig. 1", "plot"), why="a toy")]


def measured(data):
    return {"far": abs(data["paths"][:, -1]), "norm": data["norms"][0]}


def plot(data, fig):
    fig.subplots().plot(data["paths"].T)
'''

SPEED = '''"""Threads of a job."""
import os

import numpy as np
import threadpoolctl


def job(threads):
    np.ones((2, 2)) @ np.ones((2, 2))
    found = [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
    asked = os.environ["OPENBLAS_NUM_THREADS"]
    return {"asked": int(asked), "pid": os.getpid(), "pools": max(found)}


def jobs(size, seed, data):
    return [(job, {"threads": threads}) for threads in (1, 2)]


def gather(results):
    return {name: [r[name] for r in results] for name in results[0]}


def claims(size):
    return []


def measured(data):
    return {}


def table(data):
    return [["threads", "<pools>"], *([str(a), str(b)] for a, b in zip(
        data["asked"], data["pools"], strict=True))]


def plot(data, fig):
    fig.subplots().plot(data["asked"], data["pools"])
'''

KILLED = '''"""A job that kills the process it runs in."""
import os
import pathlib
import signal

FLAG = pathlib.Path(__file__).parents[2] / "killed"


def job(repeat, times):
    met = FLAG.stat().st_size if FLAG.exists() else 0
    if repeat == 1 and met < times:
        with open(FLAG, "a") as flag:
            flag.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": repeat ** 2}


def jobs(size, seed, data):
    return [(job, {"repeat": r, "times": TIMES}) for r in range(4)]


def gather(results):
    return {"squares": [r["square"] for r in results]}


def claims(size):
    return []


def measured(data):
    return {}


def plot(data, fig):
    fig.subplots().plot(data["squares"])
'''

CHAIN = '''"""Two walks in three parts each, and another end of the first."""
import os
import pathlib
import signal

import numpy as np

from figures.run import seeds

HOME = pathlib.Path(__file__).parents[2]
CONTINUES = (None, 0, 1, None, 3, 4, 1)


def walk(seed, repeat, part, before=None):
    with open(HOME / "parts", "a") as log:
        log.write(f"{repeat}.{part} {os.getpid()}\\n")
    if (repeat, part) == (0, 1) and not (HOME / "mended").exists():
        TRAP
    steps = seeds.rng(seed, "chain", part, repeat).normal(size=(50, 3))
    start, met = np.ones(3), ""
    if before is not None:
        start, met = before["path"][-1] / 3, before["met"]
        before["path"][:] = 0           # a copy of its own
    return {"path": start * np.cumprod(1 + 0.1 * steps, 0), "start": start,
            "met": f"{met}{part}", "repeat": repeat, "part": part}


def jobs(size, seed, data):
    listed = [(walk, {"seed": seed, "repeat": index // 3 % 2, "part": index % 3})
              for index in range(6)]
    listed.append((walk, {"seed": seed, "repeat": 0, "part": 7}))
    return [job if index is None else (*job, index)
            for job, index in zip(listed, CONTINUES)]


def gather(results):
    return {name: [r[name] for r in results] for name in ("path", "start", "met")}


def claims(size):
    return []


def measured(data):
    return {}


def plot(data, fig):
    fig.subplots().plot(data["path"][:, :, 0].T)
'''

RAISES = '''"""A job that raises <something>."""
import pathlib


def job(repeat):
    (pathlib.Path(__file__).parents[2] / f"raised-{repeat}").touch()
    raise ZeroDivisionError(f"raised by repeat {repeat}")


def jobs(size, seed, data):
    return [(job, {"repeat": repeat}) for repeat in (7, 8, 9, 10, 11, 12)]


gather = claims = measured = plot = None
'''

FAILS = '''"""A claim that does not hold."""
from figures.run.claims import own


def job():
    return {"x": 2.5}


def jobs(size, seed, data):
    return [(job, {})]


def gather(results):
    return results[0]


def claims(size):
    return [own("large", "x is large", low=3)]


def measured(data):
    return {"large": data["x"]}


def plot(data, fig):
    fig.subplots().plot([data["x"]])
'''


def make(folder, pause=0.0, times=1, **figures):
    """Write a checkout with the named figures and return its folder.

    The figures stand in figures/toys, that on speed in figures/speed.
    """
    (folder / "refsnn").mkdir(parents=True)
    shutil.copy(ROOT / "run_all.py", folder)
    shutil.copy(ROOT / "refsnn" / "__init__.py", folder / "refsnn")
    shutil.copytree(ROOT / "figures" / "run", folder / "figures" / "run",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "figures" / "__init__.py", folder / "figures")
    for part in ("toys", "speed"):
        (folder / "figures" / part).mkdir()
        (folder / "figures" / part / "__init__.py").write_text("")
    for name, text in figures.items():
        text = text.replace("PAUSE", str(pause)).replace("TIMES", str(times))
        path_of(folder, name).write_text(text)
    return folder


def path_of(folder, name):
    """Return the path of a figure in the checkout."""
    part = "speed" if name == "speed" else "toys"
    return folder / "figures" / part / f"fig_{name}.py"


def command(folder, *arguments):
    """Return the command line, and an environment without the user's settings."""
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("REFSNN_DATA", "PYTHONPATH")}
    return ([sys.executable, str(folder / "run_all.py"), *map(str, arguments)],
            environment)


def run(folder, *arguments, timeout=60, **more):
    """Run run_all.py of the checkout to its end and return the process."""
    words, environment = command(folder, *arguments)
    return subprocess.run(words, env={**environment, **more}, capture_output=True,
                          text=True, timeout=timeout)


def numbers(folder, name="walks"):
    """Return all data of a figure, as bytes or lists of texts."""
    with h5py.File(folder / f"{name}.h5") as file:
        values = {key: np.asarray(file[key][()]) for key in file}
    return {key: value.tolist() if value.dtype.kind == "O" else value.tobytes()
            for key, value in values.items()}


def commit(folder):
    """Commit all code of the checkout, and return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
        (folder / ".gitignore").write_text("__pycache__/\nfigures/out/\n/log\n")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "a")
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder, *words):
    """Run git in the checkout and return its output."""
    return subprocess.run(["git", "-C", str(folder), *words], check=True, text=True,
                          capture_output=True).stdout
