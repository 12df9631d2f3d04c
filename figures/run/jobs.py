"""Jobs: their keys and stored results, the workers' side, and executors.

A job is a module-level function of a figure file with plain keyword
arguments.  Its result is a dict of names to arrays, numbers, texts, truth
values or lists of them; it is stored as npz without pickle, and numbers
come back as NumPy scalars, the same whether computed or re-used.

A job may continue earlier ones of its figure: the result of one, or the
list of the results of several, is its argument `before`, sent with the
call.  Its key covers the keys of the jobs that it continues, so a stored
part holds even where a part before it is lost and has to be computed again.

A job that figures import from another module of figures/ is shared: where
their arguments are the same, it is computed once for all of them.
"""

import ast
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

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
# glibc hands large arrays back to the system at once and fetches them anew, page by
# page: a third of a convolutional network's step.  With these it keeps them.
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "268435456",
             "MALLOC_MMAP_THRESHOLD_": "33554432"}
SPEED = "speed"             # the figure that runs last, alone, on n threads
REBUILDS = 3                # how often a job may lose the process it runs in
POLL_S = 0.05
SECONDS = "seconds of this job"


class Task(NamedTuple):
    """One job: what `_run` is called with, and where its result is kept."""

    home: str               # its figure, or the module of figures/ that is shared
    key: str
    call: tuple             # (root, module, function, kwargs, code)
    before: tuple           # keys of the tasks that it continues


# ---- keys: a result is re-used if nothing it depends on has changed --------

def _imports(path):
    """Dotted names that a source file imports, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(root, module):
    """Files of the checkout that `module` of figures/ depends on, sorted."""
    root = pathlib.Path(root)
    found, open_names = set(), [module]
    while open_names:
        name = open_names.pop()
        relative = pathlib.Path(*name.split("."))
        for path in (root / relative.with_suffix(".py"),
                     root / relative / "__init__.py"):
            if path.is_file() and path not in found:
                found.add(path)
                open_names.extend(_imports(path))
    return sorted(found | set((root / "refsnn" / "data").glob("*.npz")))


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


_digest_when_loaded = functools.cache(_digest)


def code_key(root, module, digest=_digest):
    """Digest of the sources and embedded data that `module` depends on."""
    parts = [(path.relative_to(root).as_posix(), digest(path))
             for path in sources(root, module)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@functools.cache
def _code_when_loaded(root, module):
    return code_key(root, module, _digest_when_loaded)


def data_key(folder):
    """Names, sizes and times of the files in the data folder, as a digest."""
    if folder is None:
        return None
    folder = pathlib.Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [(path.relative_to(folder).as_posix(), path.stat().st_size,
              path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _is_plain(value):
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or type(value) in (bool, int, float, str)


def tasks(root, name, module, size, seed, data, identity):
    """Tasks of one figure, in the order of its `jobs`.

    The key of each covers the code it depends on, its arguments, size,
    seed, data, the versions of NumPy and SciPy, and the keys of the jobs
    that it continues.
    """
    codes = functools.cache(functools.partial(code_key, root))
    scipy = importlib.import_module("scipy").__version__
    listed = []
    for job in module.jobs(size, seed, data):
        function, kwargs = job[:2]
        label = getattr(function, "__name__", "")
        if getattr(module, label, None) is not function:
            raise TypeError(f"job {function!r}: must be a function at the top "
                            f"level of {module.__name__}.py")
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
        address = [home, label, kwargs, codes(home), size, seed, identity,
                   np.__version__, scipy, *before]
        text = json.dumps(address, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        listed.append(Task(home if shared else name, key, (
            str(root), home, label, kwargs, codes(home)), before))
    return listed


def _shared(root, module, function):
    """Whether a job of a figure is that of another module beside it."""
    home = function.__module__
    return home != module.__name__ and pathlib.Path(
        root, *home.split(".")).with_suffix(".py").is_file()


def _continued(label, listed, kwargs, *indices):
    """Keys of the earlier jobs that a job continues."""
    own = len(listed)
    for index in indices:
        if type(index) is not int or not 0 <= index < own:
            raise ValueError(f"job {label}, number {own}, continues job {index!r}: "
                             f"must be an int, 0 or more and less than {own}")
    if indices and "before" in kwargs:
        raise ValueError(f"job {label}, number {own}: before is {kwargs['before']!r}: "
                         "must be left out, to be the result of job "
                         f"{', '.join(map(str, indices))}")
    return tuple(listed[index].key for index in indices)


# ---- stored results -------------------------------------------------------

def normalised(result, what):
    """Dict of arrays and NumPy scalars, as it would come back from a file."""
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
    """Binary file that takes the place of `path` only when it is complete."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save(path, result, seconds):
    """Store the result of a job, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:           # "= " because savez has names of its own
        np.savez(file, **{f"= {name}": value for name, value in result.items()},
                 **{SECONDS: seconds})


def load(path):
    """(result, seconds) of a stored job; None where absent or torn."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            whole = {name: stored[name][()] for name in stored.files}
        seconds = float(whole.pop(SECONDS))
    except Exception:                   # absent, torn or altered: compute again
        return None
    return {name.removeprefix("= "): value for name, value in whole.items()}, seconds


# ---- the worker's side ----------------------------------------------------

def execute(root, module, function, kwargs, code, threads):
    """Run one job here: (result, seconds).  Refuses changed code or threads."""
    if _code_when_loaded(root, module) != code:
        raise RuntimeError(f"the code of {module} is not the one this run began "
                           "with: start again (and restart long-lived workers)")
    loaded = importlib.import_module(module)
    if pathlib.Path(root, "figures") not in pathlib.Path(loaded.__file__).parents:
        raise RuntimeError(f"this worker has loaded {loaded.__file__}, not that "
                           f"of {root}: restart the workers")
    check_threads(threads)
    start = time.perf_counter()
    result = normalised(getattr(loaded, function)(**kwargs), f"result of {function}")
    return result, time.perf_counter() - start


def check_threads(threads):
    """Refuse to compute on more BLAS or OpenMP threads than `threads`."""
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    for pool in pools:
        if pool["num_threads"] > threads:
            raise RuntimeError(
                f"worker would use {pool['num_threads']} threads of "
                f"{pool['internal_api']}: must be {threads}; start it with "
                + " ".join(f"{name}={threads}" for name in THREADS))


# ---- executors ------------------------------------------------------------

@contextlib.contextmanager
def environment(threads):
    """Processes that are started meanwhile have `threads` BLAS threads."""
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
    """Executor of one local process; `start` is run in it first."""
    return concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=start)


def foreign(spec):
    """Executor for `dask:ADDRESS` or `mpi`, and the function that ends it."""
    if spec.startswith("dask:") and spec != "dask:":
        distributed = _cluster_extra("distributed")
        client = distributed.Client(spec.removeprefix("dask:"), timeout=10,
                                    set_as_default=False)
        return client.get_executor(pure=False), client.close
    if spec != "mpi":
        raise ValueError(f"--executor is {spec!r}: must be processes, dask:ADDRESS "
                         "or mpi")
    started = "mpi4py.futures" in sys.modules
    futures = _cluster_extra("mpi4py.futures")
    if not started or _cluster_extra("mpi4py.MPI").COMM_WORLD.Get_size() < 2:
        raise ValueError("--executor mpi needs two processes or more: mpiexec -n N "
                         "python -m mpi4py.futures run_all.py --executor mpi")
    executor = futures.MPIPoolExecutor()
    return executor, executor.shutdown


def _cluster_extra(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"--executor needs {name} ({error}): python -m pip "
                         "install -e '.[cluster]'") from None


def compute(waiting, run, executor, lanes, start, owners):
    """Yield (task, result, error) as tasks end, whatever the order.

    `owners` are the figures of each task, a list by its key.  The caller keeps
    `results`, by key, and `error` of each figure: a task starts when those it
    continues are among the results of one, and is left out when all have errors.

    Where `executor` is None, each of `lanes` is one local process with one
    task at a time: one that is killed takes one known task with it.  It is
    replaced and the task repeated, three times at most.
    """
    waiting, flying, lost = list(waiting), {}, collections.Counter()
    local, pools = executor is None, [executor] if executor else [None] * lanes
    try:
        while waiting or flying:
            _submit(waiting, run, pools, local, start, flying, owners)
            ended = [future for future in flying if future.done()]
            for future in ended:
                lane, task = flying.pop(future)
                result, error = _outcome(future)
                if local and isinstance(error, concurrent.futures.BrokenExecutor):
                    pools[lane] = None
                    lost[task.key] += 1
                    if lost[task.key] <= REBUILDS:
                        waiting.insert(0, task)
                        continue
                yield task, result, error
            if flying and not ended:
                time.sleep(POLL_S)
    finally:
        for pool in filter(None, pools if local else []):
            pool.shutdown(wait=not flying, cancel_futures=True)


def _outcome(future):
    try:
        return future.result(), None
    except Exception as error:
        return None, error


def trace(error):
    """Traceback of an error, the worker's own part where it has one."""
    if type(error.__cause__).__name__.endswith("RemoteTraceback"):
        return str(error.__cause__).strip().strip('"').strip()
    return "".join(traceback.format_exception(error)).strip()


def _submit(waiting, run, pools, local, start, flying, owners):
    """Hand out tasks that can start: one to each idle process, or all at once."""
    waiting[:] = [task for task in waiting if _alive(task, owners)]
    ready = [task for task in waiting if _results(task, owners) is not None]
    busy = {lane for lane, _ in flying.values()}
    free = [lane for lane in range(len(pools)) if lane not in busy]
    for lane, task in zip(free if local else [0] * len(ready), ready, strict=False):
        waiting.remove(task)
        call = _call(task, _results(task, owners))
        pools[lane] = pools[lane] or process(start)
        try:
            future = pools[lane].submit(run, *call)
        except concurrent.futures.BrokenExecutor:
            if not local:
                raise
            pools[lane] = process(start)                    # killed while idle
            future = pools[lane].submit(run, *call)
        flying[future] = lane, task


def _alive(task, owners):
    """Figures that still want a task."""
    return [figure for figure in owners[task.key] if figure.error is None]


def _results(task, owners):
    """Results of a figure with all that a task continues; None if there is none."""
    return next((figure.results for figure in _alive(task, owners)
                 if all(key in figure.results for key in task.before)), None)


def _call(task, results):
    """What `_run` is called with: `before` is the results themselves, no copies."""
    if not task.before:
        return task.call
    root, module, function, kwargs, code = task.call
    before = [results[key][0] for key in task.before]
    if len(before) == 1:
        before = before[0]
    return root, module, function, {**kwargs, "before": before}, code
