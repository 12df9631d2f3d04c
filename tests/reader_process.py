"""Run one file reader in a separate process with 1 GB of memory.

`python reader_process.py NAME` reads paths from standard input and answers
each by one line: "right", "refused: MESSAGE" or "wrong: WHY".  It is started
by test_fuzz_readers.
"""

import os
import pathlib
import sys
import traceback

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
os.environ["OPENBLAS_NUM_THREADS"] = "1"        # each thread reserves memory

import numpy as np                                                  # noqa: E402

LIMIT = 1 << 30         # bytes


def _need(good, why):
    if not good:
        raise AssertionError(why)


def idx(path):
    from refsnn import datasets
    array = datasets.idx(path)
    _need(array.dtype.isnative and array.nbytes <= 1032 * os.path.getsize(path),
          f"array of {array.shape} {array.dtype}")


def hdf5(path):
    from refsnn import events
    found = events.read(path)
    _need(len(found.times) == len(found.units) == len(found.labels), "lengths")
    for times, units in zip(found.times, found.units, strict=True):
        _need(times.dtype == np.float64 and times.shape == units.shape, "shape")
        _need(np.isfinite(times).all() and (times >= 0).all(), "times")
        _need((np.diff(times) >= 0).all(), "order of times")
        _need(((units >= 0) & (units < 700)).all(), "units")
    _need(((found.labels >= 0) & (found.labels < len(found.keys))).all(), "labels")


def wav(path):
    from refsnn import audio
    sound, rate = audio.read(path)
    _need(sound.dtype == np.float64 and sound.ndim == 1 and len(sound), "sound")
    _need(np.isfinite(sound).all(), "finite")
    _need(isinstance(rate, int) and rate > 0, "rate")


def npz(path):
    import tracemalloc
    from refsnn.oracle import files
    most = 1032 * os.path.getsize(path) + (1 << 20)     # largest ratio of deflation
    tracemalloc.start()
    try:
        for array in files.read(path).values():
            _need(array.dtype.kind in "biuf", f"array of {array.dtype}")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        _need(peak < most, f"{peak} bytes of memory")


def ras(path):
    from figures.superspike import ras
    times, units = ras.read_ras(path)
    _need(np.isfinite(times).all() and (np.diff(times) >= 0).all(), "times")
    _need((units >= 0).all(), "units")


def nir(path):
    from refsnn.oracle.nir import graphs
    for node in graphs.read(path).nodes.values():
        _need(node.size > 0, "size")
        _need(all(np.isfinite(a).all() for a in node.fields.values()), "fields")


def nirdata(path):
    from refsnn.oracle.nir import graphs, nirdata
    inputs = {"input": graphs.NODE("Input", {}, 3), "first": graphs.NODE("LIF", {}, 2)}
    found = nirdata.read(path, graphs.GRAPH(inputs, {}, set(), {}, [], ""), 1e-3)
    for a in (*found.inputs.values(), *found.nodes.get("first", {}).values()):
        _need(a.ndim == 3 and np.isfinite(a).all(), "array")


READERS = {f.__name__: f for f in (idx, hdf5, wav, npz, ras, nir, nirdata)} | {
    "flac": wav}


def answer(reader, path):
    """Return the fate of a file in one line."""
    try:
        reader(path)
    except (ValueError, FileNotFoundError) as error:
        told = str(error)
        if path not in told or "\n" in told or len(told) > len(path) + 400:
            return f"wrong: no clear message: {told!r}"
        return f"refused: {told}"
    except Exception:
        return f"wrong: {traceback.format_exc()!r}"
    return "right"


def main(name):
    import resource
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                       # C libraries may print to standard output
    try:
        READERS[name]("")               # imports happen before the limit is set
    except (ValueError, OSError):
        pass
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    for line in sys.stdin:
        print(answer(READERS[name], line[:-1]), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
