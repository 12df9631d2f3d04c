"""Describe where a result comes from: code, computer, versions and data."""

import datetime
import functools
import hashlib
import os
import pathlib
import platform
import subprocess

import numpy as np
import scipy
import threadpoolctl

import refsnn

# Files that a run may change; all other files in these folders count as code.
CODE = ("run_all.py", "refsnn", "figures", ":(exclude)figures/full",
        ":(exclude)figures/RESULTS.md")
CHANGED = "-dirty"          # after the commit, if files differ from this commit
BLOCK = 2 ** 20             # bytes that are read at once
DIGITS = 16                 # of SHA-256, in the checksums of data


def commit(root):
    """Return the commit that is checked out in the folder `root`, or None."""
    top = _git(root, "rev-parse", "--show-toplevel")
    head = _git(root, "rev-parse", "HEAD")
    if not top or not head or not os.path.samefile(top, root):
        return None
    return head + CHANGED * (_git(root, "status", "--porcelain", "--", *CODE) != "")


def _git(root, *words):
    """Return the output of git, or None if git fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True,
                              text=True)
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def today():
    """Return the date in universal time."""
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


@functools.cache
def machine():
    """Return the processor and the number of cores."""
    return {"processor": _processor(), "cores": os.cpu_count()}


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines
             if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions():
    """Return the versions of the software that computes the results."""
    blas = {f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}"
            for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}
    return {"refsnn": refsnn.__version__, "python": platform.python_version(),
            "numpy": np.__version__, "scipy": scipy.__version__,
            "blas": ", ".join(sorted(text.strip() for text in blas))}


# ---- data

def data(folder, used):
    """Return the checksums of all used files."""
    return {name: checksum(os.path.join(folder, name)) for name in sorted(used)}


@functools.cache
def checksum(path):
    """Return a checksum of a file or folder."""
    path = pathlib.Path(path)
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            total.update(f"{file.relative_to(path).as_posix()}\0".encode())
            with open(file, "rb") as content:
                while block := content.read(BLOCK):
                    total.update(block)
    return total.hexdigest()[:DIGITS]


def used(folder, required, calls):
    """Return the names of the data files and subfolders that the jobs can read.

    calls : arguments of all jobs.  The list `required` names files and subfolders of
        the data folder.  A job with the argument `folder` can read all of them.  If
        `required` is empty, such a job can read the whole data folder.
    """
    if folder is None:
        return set()
    found = {os.path.relpath(text, folder).split(os.sep)[0]
             for text in _texts(calls) if text == folder
             or text.startswith(os.path.join(folder, ""))}
    if "." in found:
        found |= set(required) or {path.name for path in pathlib.Path(folder).iterdir()}
    return found - {"."}


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)


def called(function, kwargs, folder, seed):
    """Return a function call as short text."""
    words = [f"{word}={value!r}" for word, value in kwargs.items()
             if (word, value) != ("seed", seed)]
    text = f"{function}({', '.join(words)})"
    return text if folder is None else text.replace(folder, "DATA")
