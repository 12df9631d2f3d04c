"""Run the computations of figures in parallel, and store their results.

A job is one independent part of the computation of a figure.  A job calls one function.
The Python file of the figure defines or imports this function.  The keyword arguments
of a job must be values that JSON can represent, such as numbers, strings and lists.
The result of a job is a dict of arrays, numbers, texts, truth values or lists.  Each
result is stored in one npz file without pickle.

A job can use the results of earlier jobs of the same figure.  The function that a job
calls receives the result of an earlier job as the argument `before`.  If a job uses
several earlier jobs, `before` is a list of the results of these jobs.  The name of the
npz file contains the key of the job.  The key is a hash of everything on which the
result of the job depends, such as the code and the arguments.  The key of a job depends
on the keys of earlier jobs, but not on their results.  Therefore, the stored result of
a job stays valid if an earlier job is computed again.

If jobs of several figures call the same function of a shared module with the same
arguments, only one of these jobs is computed.
"""

import collections
import concurrent.futures
import contextlib
import functools
import hashlib
import importlib
import json
import multiprocessing
import os
import pathlib
import sys
import time
import traceback
from typing import NamedTuple

import numpy as np
import scipy
import threadpoolctl

from figures.run import digest, origin

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# By default, glibc returns the memory of large arrays to the system and maps it again,
# which takes a third of a convolutional step.  With these settings, in bytes, glibc
# keeps up to 256 MiB, and maps only arrays above 32 MiB, its largest threshold.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(256 * 2 ** 20),
             "MALLOC_MMAP_THRESHOLD_": str(32 * 2 ** 20)}
SPEED = "speed"             # figure whose jobs run last, one at a time, on n threads
REBUILDS = 3                # how often a job is repeated if its process is killed
POLL_S = 0.05               # interval at which running jobs are checked
CONNECT_S = 10              # a Dask scheduler that does not answer by then is refused
DECIMALS = 2                # of the seconds of a job
KEY_DIGITS = 32             # of SHA-256: 128 bits, so that two keys never agree
RECORD = "record of this job"


class Task(NamedTuple):
    """A job with its key."""

    home: str               # name of the figure, or of a module that figures share
    key: str
    call: tuple             # (root, module, function, kwargs, code)
    before: tuple           # keys of the tasks that this task continues


# ---- keys: a result is reused if nothing that it depends on has changed ---------

@functools.cache
def _code_when_loaded(root):
    return digest.Code(digest.in_folder(root))


@functools.cache
def _digest_when_loaded(root, module, function):
    return _code_when_loaded(root).digest([(module, function)])


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or type(value) in (bool, int, float, str)


def tasks(root, name, module, size, seed, data, code=None, **options):
    """Return the tasks of a figure.

    The key of a task is a hash of the list `address`.  The keyword arguments `options`
    are passed to the function `jobs` in the Python file of the figure.
    """
    code, listed = code or digest.Code(digest.in_folder(root)), []
    codes = functools.cache(lambda home, label: code.digest([(home, label)]))
    required = getattr(module, "FOLDERS", {}).get(size, ())
    for job in module.jobs(size, seed, data, **options):
        function, kwargs = job[:2]
        label = getattr(function, "__name__", "")
        if getattr(module, label, None) is not function:
            raise TypeError(f"job {function!r}: must be a function at the top "
                            f"level of {module.__name__}")
        for word, value in kwargs.items():
            if not _is_plain(value):
                raise TypeError(
                    f"job {label}: {word} is {value!r}: must be None, a bool, an "
                    "int, a float, a str, or a list, tuple or dict of them")
        if name == SPEED and "threads" not in kwargs:
            raise TypeError(f"job {label} of fig_{SPEED}: must have an argument "
                            "threads")
        before = _continued(label, listed, *job[1:])
        shared = name != SPEED and _shared(root, module, function)
        home = function.__module__ if shared else module.__name__
        address = [home, label, kwargs, codes(home, label), size, seed,
                   origin.data(data, origin.used(data, required, [kwargs])),
                   np.__version__, scipy.__version__, *before]
        text = json.dumps(address, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]
        listed.append(Task(home.rpartition(".")[2] if shared else name, key, (
            str(root), home, label, kwargs, codes(home, label)), before))
    return listed


def _shared(root, module, function):
    """Return whether a function is imported from another module of `figures`."""
    package, *rest = function.__module__.split(".")
    return package == "figures" and function.__module__ != module.__name__ \
        and pathlib.Path(root, package, *rest).with_suffix(".py").is_file()


def _continued(label, listed, kwargs, *indices):
    """Return the keys of earlier jobs."""
    own = len(listed)
    for index in indices:
        if type(index) is not int or not 0 <= index < own:
            raise ValueError(f"job {label}, number {own}, continues job {index!r}: "
                             f"must be an int, 0 or more and less than {own}")
    if indices and "before" in kwargs:
        raise ValueError(f"job {label}, number {own}: before is {kwargs['before']!r}: "
                         "must be left out, because it receives the result of job "
                         f"{', '.join(map(str, indices))}")
    return tuple(listed[index].key for index in indices)


# ---- stored results -------------------------------------------------------

def normalised(result, what):
    """Convert the values in the dict `result` to NumPy arrays and NumPy scalars."""
    if not isinstance(result, dict) or not all(isinstance(k, str) for k in result):
        raise TypeError(f"{what} is {type(result).__name__}: must be a dict with "
                        "texts as keys")
    arrays = {name: np.asarray(value) for name, value in result.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biufcU":
            raise TypeError(f"{what}: {name!r} is of dtype {array.dtype}: must be "
                            "numbers, truth values or texts")
    return {name: array[()] for name, array in arrays.items()}


@contextlib.contextmanager
def replacing(path):
    """Open a temporary file, which replaces `path` if no error occurs."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save(path, result, record):
    """Store the result of a job, and a record of how the result was computed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:           # "= ": savez reserves the name `file`
        np.savez(file, **{f"= {name}": value for name, value in result.items()},
                 **{RECORD: json.dumps(record)})


def load(path):
    """Return (result, record) from a file, or None if the file cannot be read."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            whole = {name: stored[name][()] for name in stored.files}
        record = json.loads(str(whole.pop(RECORD)))
    except Exception:           # absent, incomplete or altered: computed again
        return None
    return {name.removeprefix("= "): value for name, value in whole.items()}, record


# ---- the worker's side ----------------------------------------------------

def execute(root, module, function, kwargs, code, threads):
    """Run one job; return the result, and a dict with the duration and the machine."""
    if _digest_when_loaded(root, module, function) != code:
        raise RuntimeError(f"the code of {module}.{function} has changed since this "
                           "run began: start again (and restart long-lived workers)")
    loaded = importlib.import_module(module)
    if pathlib.Path(root, "figures") not in pathlib.Path(loaded.__file__).parents:
        raise RuntimeError(f"this worker has loaded {loaded.__file__}, which is not in "
                           f"{root}: restart the workers")
    check_threads(threads)
    start = time.perf_counter()
    result = normalised(getattr(loaded, function)(**kwargs), f"result of {function}")
    return result, {
        "seconds": round(time.perf_counter() - start, DECIMALS), "date": origin.today(),
        "versions": {**origin.versions(), "checks": _code_when_loaded(root).checks()},
        "machine": origin.machine()}


def check_threads(threads):
    """Check the number of BLAS and OpenMP threads."""
    for pool in threadpoolctl.threadpool_info():
        if pool["num_threads"] > threads:
            raise RuntimeError(
                f"this worker would use {pool['num_threads']} threads of "
                f"{pool['internal_api']}: must be {threads}; start it with "
                + " ".join(f"{name}={threads}" for name in THREADS))


# ---- executors ------------------------------------------------------------

@contextlib.contextmanager
def environment(threads):
    """Limit the BLAS threads of new processes."""
    wanted = {**dict.fromkeys(THREADS, str(threads)), **ALLOCATOR}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def process(start):
    """Return an executor with one process."""
    return concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=start)


def foreign(spec):
    """Return an executor and a function that closes the executor.

    The text `spec` must be "dask:ADDRESS" or "mpi".
    """
    if spec.startswith("dask:") and spec != "dask:":
        distributed = _cluster_extra("distributed")
        client = distributed.Client(spec.removeprefix("dask:"), timeout=CONNECT_S,
                                    set_as_default=False)
        return client.get_executor(pure=False), client.close
    if spec != "mpi":
        raise ValueError(f"--executor is {spec!r}: must be processes, dask:ADDRESS "
                         "or mpi")
    started = "mpi4py.futures" in sys.modules
    futures = _cluster_extra("mpi4py.futures")
    if not started or _cluster_extra("mpi4py.MPI").COMM_WORLD.Get_size() < 2:
        raise ValueError("--executor mpi needs at least two processes: mpiexec -n N "
                         "python -m mpi4py.futures run_all.py --executor mpi")
    executor = futures.MPIPoolExecutor()
    return executor, executor.shutdown


def _cluster_extra(name):
    """Import a package of the extra `cluster`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"--executor needs {name} ({error}): python -m pip "
                         "install -e '.[cluster]'") from None


def compute(waiting, run, executor, lanes, start, owners, results):
    """Run all tasks, and yield the tuple (task, answer, error) for each task.

    The answer of a task is the pair (result, record) that `run` returns, or None after
    an error.  The dict `results` maps the key of each earlier task to the stored pair
    (result, record) of the task.  The dict `owners` maps the key of each task to the
    names of the figures that use the task.  If a task raises an error, all figures that
    use the task fail.  A task is skipped if all its figures have failed.

    If `executor` is None, the tasks run in local processes.  The argument `lanes` is
    the number of local processes.  Each local process calls `start` before its first
    task.  If a local process is killed, its task is repeated in a new process, at most
    `REBUILDS` times.
    """
    waiting, flying, lost = list(waiting), {}, collections.Counter()
    results, failed = dict(results), set()
    local, pools = executor is None, [executor] if executor else [None] * lanes
    try:
        while waiting or flying:
            waiting = [task for task in waiting if not owners[task.key] <= failed]
            needed = {key for task in waiting for key in task.before}.union(
                *(task.before for _, task in flying.values()))
            results = {key: results[key] for key in needed & results.keys()}
            _submit(waiting, run, pools, local, start, flying, results)
            ended = [future for future in flying if future.done()]
            for future in ended:
                lane, task = flying.pop(future)
                answer, error = _outcome(future)
                if local and isinstance(error, concurrent.futures.BrokenExecutor):
                    pools[lane] = None
                    lost[task.key] += 1
                    if lost[task.key] <= REBUILDS:
                        waiting.insert(0, task)
                        continue
                if error is None:
                    results[task.key] = answer
                else:
                    failed |= owners[task.key]
                yield task, answer, error
            if flying and not ended:
                time.sleep(POLL_S)
    finally:
        for pool in filter(None, pools if local else []):
            pool.shutdown(wait=not flying, cancel_futures=True)


def _outcome(future):
    """Return (answer, error) of a finished future."""
    try:
        return future.result(), None
    except Exception as error:
        return None, error


def trace(error):
    """Return a traceback as text."""
    if type(error.__cause__).__name__.endswith("RemoteTraceback"):
        return str(error.__cause__).strip().strip('"').strip()
    return "".join(traceback.format_exception(error)).strip()


def _submit(waiting, run, pools, local, start, flying, results):
    """Submit tasks whose required results are available."""
    ready = [task for task in waiting if results.keys() >= set(task.before)]
    busy = {lane for lane, _ in flying.values()}
    free = [lane for lane in range(len(pools)) if lane not in busy]
    for lane, task in zip(free if local else [0] * len(ready), ready, strict=False):
        waiting.remove(task)
        call = _call(task, results)
        pools[lane] = pools[lane] or process(start)
        try:
            future = pools[lane].submit(run, *call)
        except concurrent.futures.BrokenExecutor:
            if not local:
                raise
            pools[lane] = process(start)                    # killed while idle
            future = pools[lane].submit(run, *call)
        flying[future] = lane, task


def _call(task, results):
    """Return the arguments of `execute`."""
    if not task.before:
        return task.call
    root, module, function, kwargs, code = task.call
    before = [results[key][0] for key in task.before]
    return root, module, function, {
        **kwargs, "before": before if len(before) > 1 else before[0]}, code
