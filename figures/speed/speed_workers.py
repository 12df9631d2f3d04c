"""Measure the computing times of refsnn and other tools.

Computing times are measured for refsnn, for other tools, and for simple computations
such as copying all parameters.  Each program or computation whose time is measured is
called a competitor.  Each competitor runs in a separate process.  Only one competitor
runs at a time.

Each module with tasks, such as `speed_lif`, defines:

TASKS : dict that maps the name of each task to a title
OURS : name of the competitor to which all computing times are relative
PEERS : dict that maps the name of each competitor from another package to (package,
    build)
contenders(task, seed, threads) : returns a dict {name: build}; each call `build()`
    returns the function whose computing time is measured
"""

import contextlib
import importlib
import importlib.util
import multiprocessing
import re
import time

import numpy as np

PAUSE_S = 0.2       # after each run: waiting threads of JAX stay busy for a while
SHORT_S, MORE = 0.1, 3      # a run shorter than SHORT_S is followed by MORE runs


def installed(peers):
    """Return the names of installed peers."""
    return [name for name, (package, _) in peers.items()
            if importlib.util.find_spec(package) is not None]


def _seconds(run):
    """Return the computing time in seconds."""
    for count in (1, MORE):
        start = time.perf_counter()
        for _ in range(count):
            run()
        spent = (time.perf_counter() - start) / count
        if spent >= SHORT_S:
            break
    return spent


def _serve(connection, module, task, name, seed, threads):
    """Measure one competitor upon each request."""
    import threadpoolctl
    contenders = importlib.import_module(module).contenders     # loads SciPy's BLAS
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        run = contenders(task, seed, threads)[name]()
        while connection.recv():
            connection.send(_seconds(run))


@contextlib.contextmanager
def _started(module, task, seed, threads):
    """Start one process for each competitor."""
    context, ends, workers = multiprocessing.get_context("spawn"), {}, []
    try:
        for name in importlib.import_module(module).contenders(task, seed, threads):
            ends[name], far = context.Pipe()
            workers.append(context.Process(target=_serve, args=(
                far, module, task, name, seed, threads)))
            workers[-1].start()
            far.close()
        yield ends
    finally:
        for end in ends.values():
            with contextlib.suppress(OSError):
                end.send(False)
        for worker in workers:
            worker.join(10)
            worker.terminate()


def measured(module, task, threads, repeats, seed):
    """Measure all competitors in one task."""
    with _started(module, task, seed, threads) as ends:
        pause = PAUSE_S * any(re.search("JAX|neural-tangents", name) for name in ends)
        seconds = np.zeros((repeats + 1, len(ends)))
        for row in seconds:                     # the first round is a warm-up
            for c, end in enumerate(ends.values()):
                time.sleep(pause)
                end.send(True)
                row[c] = end.recv()
    quartiles = np.quantile(seconds[1:], (0.25, 0.5, 0.75), axis=0).T
    return [(task, name, threads, *of.tolist())
            for name, of in zip(ends, quartiles, strict=True)]
