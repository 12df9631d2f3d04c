"""Measure the computing times of contenders, each in a process of its own.

A contender is refsnn or another tool.  Because each contender has its own process, the
threads of one tool do not slow another tool.  The contenders take turns, so that only
one contender runs at a time.

Each module with tasks, such as `speed_lif`, defines three constants and a function.
The constant TASKS is a dict that maps the name of each task to a title.  The constant
OURS is the name of the contender whose computing time divides the computing times of
all contenders.  The constant PEERS is a dict that maps the name of each contender from
another tool to a tuple (package, build).  The function `contenders(task, seed,
threads)` returns a dict {name: build}, and each call `build()` returns the function
whose computing time is measured.
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
    """Return the names of the contenders in `peers` whose package is installed."""
    return [name for name, (package, _) in peers.items()
            if importlib.util.find_spec(package) is not None]


def _seconds(run):
    """Return the time of one run of a function, in seconds.

    When a run starts, the caches of the processor hold the data of another contender.
    If the first run is short, the function therefore runs MORE times, and the mean time
    of these later runs is returned.
    """
    for count in (1, MORE):
        start = time.perf_counter()
        for _ in range(count):
            run()
        spent = (time.perf_counter() - start) / count
        if spent >= SHORT_S:
            break
    return spent


def _serve(connection, module, task, name, seed, threads):
    """Build one contender; run it and send the time of the run upon each request."""
    import threadpoolctl
    contenders = importlib.import_module(module).contenders     # loads SciPy's BLAS
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        run = contenders(task, seed, threads)[name]()
        while connection.recv():
            connection.send(_seconds(run))


@contextlib.contextmanager
def _started(module, task, seed, threads):
    """Start one process for each contender of a task; yield {name: connection}."""
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
    """Return the quartiles of the computing times of all contenders in a task.

    Each row of the result is (task, name of the contender, number of threads, lower
    quartile, median, upper quartile).
    """
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
