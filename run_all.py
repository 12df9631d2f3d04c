"""Compute every figure of refsnn and judge its claims.

    python run_all.py [NAME ...] [--quick | --full] [--resume] [--jobs N] ...

A claim is a sentence with a number that the figure computes; most claims have
a bound.  A figure is a file figures/FOLDER/fig_NAME.py.  The docstring of the
file holds the title, then the caption.  The file defines

    jobs(size, seed, data) -> [(function, kwargs), ...]  one per seed x condition
    gather(results)        -> {name: array}   results in the order of the jobs
    claims(data)           -> [Claim, ...]
    plot(data, fig)        the only place that may load matplotlib
    table(data)            optional: rows of texts, printed and stored with the claims

`size` is "quick", "default" or "full"; `data` is the data folder or None.  A
job is a function at the top level of a figure file, or of a module that the
file imports, with plain keyword arguments.  The job returns a dict of arrays,
numbers and texts.  The job runs in a process with one BLAS thread, on any
computer that can read this copy of the repository.  The jobs of fig_speed run
last and one by one, on as many threads as their argument `threads` says.

No job may take longer than 45 minutes.  A long job is split into parts: the
entry `(function, kwargs, index)` of the list continues the job with number
`index`, which must be earlier in the list.  The part starts when the earlier
job has finished, and receives the result of the earlier job as the keyword
argument `before`.  With several indices, `before` is a list of results.
Figures that import the same job from a module share its results.

A run writes OUT/NAME.png, OUT/NAME.h5 (the data behind the picture),
OUT/NAME.json (claims, seeds, versions, seconds) and OUT/index.html.  Results
of jobs are stored in OUT/jobs, and --resume reads these results.  Every file
is written either whole or not at all.  With --full, NAME.json is also kept in
figures/full (in OUT/full if --out is given).
"""

import argparse
import importlib
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent
NOTES = """\
exit status:
  0; 1 if a judged claim fails or a figure raises an exception; 2 for bad usage;
  130 if interrupted.  The figure on speed has a table of ratios and no claims,
  because the ratios depend on the computer.

output:
  OUT/index.html is the gallery, and its path is the last line printed.  NAME.png
  is the picture, NAME.h5 the data behind it, NAME.json the claims.  A claim has
  our value, the bound that the code of the figure states, and the published value.
  Random numbers depend on --seed alone: results are the same on any number of
  workers.

on a cluster whose nodes all see this folder (pip install -e '.[cluster]'):
  python run_all.py --full --data DIR --resume --executor dask:tcp://HOST:8786
  mpiexec -n 64 python -m mpi4py.futures run_all.py --full --data DIR --resume \\
      --executor mpi
  No job takes longer than 45 minutes.  A run that is killed loses only the jobs
  that were running.
"""


# ---- the worker's side: other processes load this file, so nothing heavy above --

def _run(root, module, function, kwargs, code):
    """Run one job with the code in the folder `root`; return (result, seconds)."""
    threads = kwargs["threads"] if module.endswith(".fig_speed") else 1
    _prepare(root, threads)
    # Loads NumPy, so only after _prepare.
    jobs = importlib.import_module("figures.run.jobs")
    return jobs.execute(root, module, function, kwargs, code, threads)


def _prepare(root, threads):
    """Add `root` to the import path, and limit BLAS threads before NumPy loads BLAS."""
    if "numpy" not in sys.modules:          # else no effect: execute() verifies
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
    if root not in sys.path:
        sys.path.insert(0, root)


def _start_worker():
    """Ignore Ctrl-C in a worker process, and exit when the parent process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---- the command line ----------------------------------------------------------

class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"run_all.py: {message}\n")


def _parser():
    """Return the parser of the command line."""
    parser = _Parser(prog="run_all.py", description=__doc__.partition("\n")[0],
                     epilog=NOTES,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME",
        help="figures to compute, with or without fig_ (default: all)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const="quick",
                      default="default",
                      help="small runs of about two minutes in all; no claim is judged")
    size.add_argument("--full", action="store_const", dest="size", const="full",
                      help="the sizes of the papers, on the data sets in --data: takes "
                      "two days, or a cluster")
    add("--data", metavar="DIR", default=os.environ.get("REFSNN_DATA") or None,
        help="folder of the data sets for --full (default: $REFSNN_DATA)")
    add("--jobs", metavar="N", type=int, default=_cores(),
        help="local processes, with one BLAS thread each (default: one per core, here "
        "%(default)s)")
    add("--executor", metavar="SPEC", default="processes",
        help="where jobs run: processes (default), dask:ADDRESS or mpi")
    add("--resume", action="store_true",
        help="use the results in OUT of finished jobs whose code, arguments, seed and "
        "data are unchanged")
    add("--list", action="store_true",
        help="list the figures with their titles and stop")
    add("--table", action="store_true",
        help="write figures/RESULTS.md, and the results in README.md, from the stored "
        "results of --full and stop")
    add("--out", metavar="DIR", help="folder to write to (default: figures/out)")
    add("--seed", metavar="N", type=int, default=0,
        help="root of all seeds, 0 or more (default: 0)")
    return parser


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check(options, parser, root, known):
    """Exit with a one-line message if an option is invalid; complete the valid options.
    """
    options.names = [name.removeprefix("fig_").removesuffix(".py")
                     for name in options.names]
    for name in options.names:
        if name not in known:
            parser.error(f"no figure {name!r}: must be one of {', '.join(known)}")
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}: must be 1 or more")
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}: must be 0 or more")
    if options.data is not None and not os.path.isdir(options.data):
        parser.error(f"data folder {options.data!r} (--data or REFSNN_DATA) "
                     "does not exist or is not a folder")
    if options.data is not None:
        options.data = os.path.abspath(options.data)
    options.full = pathlib.Path(options.out or root / "figures") / "full"
    options.out = pathlib.Path(options.out or root / "figures" / "out").resolve()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f".{os.getpid()}.part").touch()
        (options.out / f".{os.getpid()}.part").unlink()
    except OSError as error:
        parser.error(f"cannot write to {str(options.out)!r}: {error.strerror}")


def main(argv=None, root=ROOT):
    """Run the command and return the exit status."""
    _prepare(str(root), 1)                  # gather() and claims() run here
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        # These modules load NumPy, so after _prepare.  They need the extra `figures`.
        from figures.run import gallery, jobs, make, results
    except ImportError as error:
        parser.error(f"{error}: python -m pip install -e '.[figures]'")
    known = make.names(root)
    if options.table:
        try:
            print(*results.write(root), sep="\n")
        except results.Damaged as error:
            parser.error(f"{error}")
        return 0
    if options.list:
        for name in known:
            print(name, gallery.described(make.path_of(root, name))[0], sep="\t")
        return 0
    _check(options, parser, root, known)
    try:
        executor, end = None, (lambda: None)
        if options.executor != "processes":
            executor, end = jobs.foreign(options.executor)
    except (ValueError, OSError) as error:
        parser.error(f"{error}")
    try:
        return make.figures(root, options, executor, _run, _start_worker)
    except make.DataMissing as error:
        parser.error(f"{error}")
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.terminate()
        print("run_all.py: interrupted; continue with --resume", file=sys.stderr)
        return 130
    finally:
        end()


if __name__ == "__main__":
    sys.exit(main())
