"""Compute every figure of refsnn and judge its claims.

    python run_all.py [NAME ...] [--quick | --full] [--resume] [--jobs N] ...

A claim is a sentence with a number that the figure computes; see the module
figures/run/claims.py.  A figure is a file figures/FOLDER/fig_NAME.py.  The
docstring of the file holds the title, then the caption.  The file defines

    jobs(size, seed, data) -> [(function, kwargs), ...]  one per seed x condition
    gather(results)        -> {name: array}   results in the order of the jobs
    claims(size)           -> [Claim, ...]    what is stated, without numbers
    measured(data)         -> {id: number, or one number for each run}
    shown(data)            -> {name: array}   optional: less data, for the picture
    plot(data, fig)        the only place that may load matplotlib
    table(data)            optional: rows of texts, printed and stored with the claims
    ARRAYS                 {name: (axes, unit, text)} of all arrays
    FOLDERS, INSTEAD       optional: data folders and files by size, and what
                           replaces them

`size` is "quick", "default" or "full"; `data` is the data folder or None.
Further arguments of `jobs` are options for `figures.figure`.  A job is a
function at the top level of a figure file, or of a module that the file
imports, with plain keyword arguments.  The job returns a dict of arrays,
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
OUT/NAME.json (numbers and their origin) and OUT/index.html.  Results of jobs
are stored in OUT/jobs, and --resume reads these results.  Every file is
written either whole or not at all.  Only --store writes to figures/full.
"""

import argparse
import functools
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
computing time, on one core of an AMD EPYC (2026):
  --quick about 1.5 min, default 36 min.  --full took 91 h; its processors were not
  recorded.  Jobs run on all cores at once.

exit status:
  0; 1 if an own claim fails, a figure raises an exception, or a result cannot be
  stored or drawn; 2 for bad usage; 130 if interrupted.  Own claims are those that no
  paper states.  The figure on speed has a table of ratios and no claims, because the
  ratios depend on the computer.

output:
  OUT/index.html is the gallery, and its path is the last line printed.  NAME.png
  is the picture, NAME.h5 the data behind it with axes and units, NAME.json the
  numbers of the claims, and the commit, the computer and the time of each job.
  Random numbers depend on --seed alone: results are the same on any number of
  workers.  In Python, `figures.figure("NAME")` computes one figure.

on two machines HOST1 and HOST2 that both see this folder at the same path, with 16
cores each (python -m pip install -e '.[cluster]'):
  with Dask:
    HOST1$ dask scheduler --port 8786
    both$  OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 \\
               dask worker tcp://HOST1:8786 --nworkers 16 --nthreads 1
    HOST1$ python run_all.py --full --data DIR --resume \\
               --executor dask:tcp://HOST1:8786
  with MPI (here MPICH; with Open MPI: --host HOST1:17,HOST2:16):
    HOST1$ mpiexec -n 33 -hosts HOST1:17,HOST2:16 python -m mpi4py.futures \\
               run_all.py --full --data DIR --resume --executor mpi

if a worker dies:
  A local process is replaced, and its job repeated up to three times.  Dask gives the
  job to another worker.  MPI ends the whole run.  A run that ends early loses only
  the jobs that were running: start it again with --resume.  No job takes longer than
  45 minutes.
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
                      help="small runs for a first look; no claim is judged")
    size.add_argument("--full", action="store_const", dest="size", const="full",
                      help="the sizes of the papers, or smaller ones where these are "
                      "too costly, on the data sets in --data")
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
        help="list the names of the figures, the figures of the papers that they "
        "repeat, and their titles, and stop")
    add("--table", action="store_true",
        help="write figures/RESULTS.md, and the results in README.md, from the stored "
        "results of --full and stop")
    add("--store", metavar="DIR",
        help="copy the results of --full, for all figures or NAME, from the folder of "
        "a finished run to figures/full and stop")
    add("--stale", action="store_true",
        help="list the stored results that the code of HEAD might not reproduce, with "
        "the functions that changed, and stop")
    add("--draw", action="store_true",
        help="draw the figures from stored data, without computing, and stop")
    add("--from", metavar="DIR", dest="source",
        help="folder with the data for --draw (default: figures/full)")
    add("--out", metavar="DIR", help="folder to write to (default: figures/out; for "
        "--draw: figures/out/drawn)")
    add("--seed", metavar="N", type=int, default=0,
        help="root of all seeds, 0 or more (default: 0)")
    return parser


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _check_names(options, parser, known):
    """Exit with a one-line message if there is no such figure."""
    options.names = [name.removeprefix("fig_").removesuffix(".py")
                     for name in options.names]
    for name in options.names:
        if name not in known:
            parser.error(f"no figure {name!r}: must be one of {', '.join(known)}")


def _check(options, parser):
    """Exit with a one-line message if an option is invalid; complete the valid options.
    """
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}: must be 1 or more")
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}: must be 0 or more")
    if options.data is not None and not os.path.isdir(options.data):
        parser.error(f"data folder {options.data!r} (--data or REFSNN_DATA) "
                     "does not exist or is not a folder")
    if options.data is not None:
        options.data = os.path.abspath(options.data)


def _folder(path, parser):
    """Return a folder in which files can be written, or exit with a message."""
    path = pathlib.Path(path).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / f".{os.getpid()}.part").touch()
        (path / f".{os.getpid()}.part").unlink()
    except OSError as error:
        parser.error(f"cannot write to {str(path)!r}: {error.strerror}")
    return path


def _listed(root, known):
    """Return one line for each figure: name, papers and figures, title."""
    from figures.run import gallery, make
    rows = []
    for name in known:
        try:
            tag = gallery.tag(make.imported(root, name))
        except Exception as error:
            tag = type(error).__name__
        rows.append((name, tag, gallery.described(make.path_of(root, name))[0]))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    return [f"{name:{widths[0]}}  {tag:{widths[1]}}  {title}"
            for name, tag, title in rows]


def _store(root, options, find):
    """Store results; return the exit status."""
    from figures.run import storage
    status = 0
    full = root / "figures" / "full"
    for line, done in storage.store(pathlib.Path(options.store), full, options.names,
                                    find):
        print(line, file=sys.stdout if done else sys.stderr)
        status = status if done else 1
    return status


def _draw(root, options, known, find, parser):
    """Draw figures from stored data; return the exit status."""
    from figures.run import gallery, storage
    source = pathlib.Path(options.source or root / "figures" / "full")
    if not source.is_dir():
        parser.error(f"folder {str(source)!r} (--from) does not exist")
    out = _folder(options.out or root / "figures" / "out" / "drawn", parser)
    lines, status = storage.draw(source, out, options.names or known, find,
                                 bool(options.names))
    for line in lines:
        print(line, file=sys.stderr)
    print(gallery.write_page(out, find))
    return status


def main(argv=None, root=ROOT):
    """Run the command and return the exit status."""
    _prepare(str(root), 1)                  # gather() and claims() run here
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        # These modules load NumPy, so after _prepare.  They need the extra `figures`.
        from figures.run import jobs, make, results, stale, storage
    except ImportError as error:
        parser.error(f"{error}: python -m pip install -e '.[figures]'")
    known, find = make.names(root), functools.partial(make.imported, root)
    _check_names(options, parser, known)
    if options.list:
        print("\n".join(_listed(root, known)))
        return 0
    try:
        if options.table:
            print(*results.write(root), sep="\n")
            return 0
        if options.stale:
            for line in stale.report(root, options.names or known):
                print(line)
            return 0
        if options.store:
            if not os.path.isdir(options.store):
                parser.error(f"folder {options.store!r} (--store) does not exist")
            return _store(root, options, find)
        if options.draw:
            return _draw(root, options, known, find, parser)
    except (results.Damaged, storage.Refused) as error:
        parser.error(f"{error}")
    _check(options, parser)
    options.out = _folder(options.out or root / "figures" / "out", parser)
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
    try:
        try:
            status = main()
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
    except BrokenPipeError:                 # as in `run_all.py --list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
