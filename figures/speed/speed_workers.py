"""Measure the computing times of contenders, each in a process of its own.

The threads of one tool therefore do not slow another tool.  The runs of the contenders
are interleaved, and only one contender runs at a time.
"""

import contextlib
import importlib
import multiprocessing
import re
import time

import numpy as np

PAUSE_S = 0.2       # after each run: waiting threads of JAX stay busy for a while


def _seconds(run, times):
    """Return the mean time of `times` successive runs of a function, in seconds.

    If `times` is above 1, the first run is not counted, because the caches still hold
    the data of another contender when this run starts.
    """
    if times > 1:
        run()
    start = time.perf_counter()
    for _ in range(max(1, times - 1)):
        run()
    return (time.perf_counter() - start) / max(1, times - 1)


def _serve(connection, module, arguments, name):
    """Build one contender, send its peak memory, and then answer requests for times.

    The process ends when it receives None.
    """
    import threadpoolctl
    contenders = importlib.import_module(module).contenders     # loads SciPy's BLAS
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        run, size = dict(contenders(*arguments))[name]()
        connection.send(size)
        while (times := connection.recv()) is not None:
            connection.send(_seconds(run, times))


@contextlib.contextmanager
def _started(module, arguments):
    """Start one process for each contender of a module; yield {name: connection}."""
    context, ends, workers = multiprocessing.get_context("spawn"), {}, []
    try:
        for name, _ in importlib.import_module(module).contenders(*arguments):
            ends[name], far = context.Pipe()
            workers.append(context.Process(target=_serve, args=(far, module, arguments,
                                                                name)))
            workers[-1].start()
            far.close()
        yield ends
    finally:
        for end in ends.values():
            with contextlib.suppress(OSError):
                end.send(None)
        for worker in workers:
            worker.join(10)
            worker.terminate()


def measured(module, task, threads, repeats, seed, times=1):
    """Return the quartiles of the times of all contenders in a task, and their memory.

    The function `contenders(task, seed, threads)` of the module returns pairs (name,
    build).  The function `build` returns the function to be timed and its peak memory
    in bytes, or None.  The argument `times` is the number of successive runs, either
    one number or a dict {name: number}.  Contenders that are missing in the dict run
    once.  If the number is above 1, the first run is not counted.
    """
    with _started(module, (task, seed, threads)) as ends:
        memory = {name: end.recv() for name, end in ends.items()}
        seconds = np.zeros((repeats + 1, len(ends)))
        for row in seconds:                     # the first round is a warm-up
            for c, (name, end) in enumerate(ends.items()):
                time.sleep(PAUSE_S * any(re.search("JAX|neural-tangents", other)
                                         for other in ends))
                end.send(times if isinstance(times, int) else times.get(name, 1))
                row[c] = end.recv()
    quartiles = np.quantile(seconds[1:], (0.25, 0.5, 0.75), axis=0).T
    return [(task, name, threads, *of.tolist()) for name, of in
            zip(ends, quartiles, strict=True)], {
                name: size for name, size in memory.items() if size is not None}
