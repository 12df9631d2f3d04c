"""Every figure of refsnn, each with its claims checked.

    python run_all.py [NAME ...] [--quick | --full] [--resume] [--jobs N] ...

A figure is a file figures/fig_NAME.py: a docstring (title, then the claim),

    jobs(size, seed, data) -> [(function, kwargs), ...]  one per seed x condition
    gather(results)        -> {name: array}   results in the order of the jobs
    claims(data)           -> [common.Claim, ...]
    plot(data, fig)        the only place that may load matplotlib

`size` is "quick", "default" or "full", `data` the data folder or None.  A
job is a function at the top level of the file with plain keyword arguments;
it returns a dict of arrays, numbers and texts, and runs in a process with
one BLAS thread wherever `_run` can see this checkout.  The jobs of
fig_speed run last and alone, on as many threads as their `threads` says.
No job may be long: `(function, kwargs, index)` goes on where job number
`index` of this list, an earlier one, ended.  It starts when that one's
result is there, and gets the dict as keyword argument `before`; with more
indices, a list of dicts.  Figures that import the same job from a module of
figures/ share its results.

Written, whole or not at all: OUT/NAME.png, OUT/NAME.h5 (the data behind the
picture), OUT/NAME.json (claims, seeds, versions, seconds), OUT/index.html,
and the result of each job under OUT/jobs, which --resume re-uses.  --full
also keeps NAME.json in figures/full (in OUT/full where --out is given).

Exit status: 0; 1 if a judged claim fails or a figure raises; 2 for bad
usage; 130 when interrupted.
"""

import argparse
import contextlib
import importlib
import multiprocessing
import multiprocessing.connection
import numbers
import os
import pathlib
import platform
import shutil
import signal
import sys
import threading
import traceback
import types

ROOT = pathlib.Path(__file__).resolve().parent
LONG_S = 45 * 60            # no job should take longer


# ---- the worker's side: sent to other processes, so nothing heavy above ----

def _run(root, module, function, kwargs, code):
    """Run one job of the checkout at `root`: (result, seconds)."""
    threads = kwargs["threads"] if module == "figures.speed.fig_speed" else 1
    _prepare(root, threads)
    jobs = importlib.import_module("figures.run.jobs")
    return jobs.execute(root, module, function, kwargs, code, threads)


def _prepare(root, threads):
    """Put the checkout on the path, and limit BLAS before NumPy loads it."""
    if "numpy" not in sys.modules:          # else too late: execute() verifies
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
    if root not in sys.path:
        sys.path.insert(0, root)


def _start_worker():
    """Leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---- the command line -----------------------------------------------------

class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"run_all.py: {message}\n")


def _parser():
    parser = _Parser(prog="run_all.py", description=__doc__.partition("\n")[0],
                     epilog="The last line printed is the path of the gallery.")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME",
        help="figures to run, with or without fig_ (default: all)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const="quick",
                      default="default", help="a first look; claims not judged")
    size.add_argument("--full", action="store_const", dest="size", const="full",
                      help="the papers' own sizes, on the data sets in --data")
    add("--data", metavar="DIR", default=os.environ.get("REFSNN_DATA") or None,
        help="folder of the real data sets (default: $REFSNN_DATA)")
    add("--jobs", metavar="N", type=int, default=_cores(),
        help="local processes (default: one per core, here %(default)s)")
    add("--executor", metavar="SPEC", default="processes",
        help="processes (default), dask:ADDRESS or mpi")
    add("--resume", action="store_true", help="re-use finished jobs found in OUT")
    add("--list", action="store_true", help="list the figures and stop")
    add("--table", action="store_true",
        help="print README's table of the --full results and stop")
    add("--out", metavar="DIR", help="folder to write to (default: figures/out)")
    add("--seed", metavar="N", type=int, default=0, help="root of all seeds")
    return parser


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _checked(options, parser, root):
    """Refuse what cannot work, in one line, before anything runs."""
    known = _known(root)
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
                     "does not exist or is no folder")
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


def _known(root):
    """Names of the figures, in the order they run: speed last."""
    names = sorted(path.stem.removeprefix("fig_")
                   for path in (root / "figures").glob("*/fig_*.py"))
    return sorted(names, key=lambda name: name == "speed")


def main(argv=None, root=ROOT):
    """Run the command; returns the exit status."""
    _prepare(str(root), 1)                  # gather() and claims() run here
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        import matplotlib                   # noqa: F401
        import threadpoolctl                # noqa: F401
        import tqdm                         # noqa: F401

        from figures.run import gallery
        from figures.run import jobs
    except ImportError as error:
        parser.error(f"{error}: python -m pip install -e '.[figures]'")
    if options.table:
        print(gallery.readme_table(root))
        return 0
    if options.list:
        for name in _known(root):
            print(name, gallery.described(_file(root, name))[0], sep="\t")
        return 0
    _checked(options, parser, root)
    try:
        executor, end = None, (lambda: None)
        if options.executor != "processes":
            executor, end = jobs.foreign(options.executor)
    except (ValueError, OSError) as error:
        parser.error(f"{error}")
    try:
        return _run_all(root, options, executor)
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.terminate()
        print("run_all.py: interrupted; go on with --resume", file=sys.stderr)
        return 130
    finally:
        end()


def _file(root, name):
    return next((root / "figures").glob(f"*/fig_{name}.py"))


# ---- one run --------------------------------------------------------------

def _run_all(root, options, executor):
    """Compute, draw and judge the figures asked for: the exit status."""
    from figures.run import gallery
    from figures.run import jobs
    from tqdm import tqdm
    identity = jobs.data_key(options.data)
    figures = {name: _planned(root, name, options, identity)
               for name in _known(root) if name in (options.names or [name])}
    tasks = {task.key: task for figure in figures.values() for task in figure.tasks}
    owners = {key: [figure for figure in figures.values() if task in figure.tasks]
              for key, task in tasks.items()}
    waiting = [task for key, task in tasks.items()
               if key not in owners[key][0].results]
    with tqdm(total=len(tasks), initial=len(tasks) - len(waiting), unit="job",
              file=sys.stderr, mininterval=0.5 if sys.stderr.isatty() else 10,
              ncols=shutil.get_terminal_size().columns) as bar:
        _settle(figures, options, bar)
        stream = _stream(waiting, owners, options.jobs, executor)
        with contextlib.closing(stream):
            for task, result, error in stream:
                _take(owners[task.key], task, result, error, options)
                bar.update()
                _settle(figures, options, bar)
    page = gallery.write_page(options.out)
    failures = [line for figure in figures.values() for line in figure.failures]
    for line in failures:
        print(f"run_all.py: {line}", file=sys.stderr)
    print(page)
    return 1 if failures else 0


def _planned(root, name, options, identity):
    """A figure with its tasks and, to resume, the results found of them."""
    from figures.run import gallery
    from figures.run import jobs
    title, caption = gallery.described(_file(root, name))
    figure = types.SimpleNamespace(name=name, title=title, caption=caption, tasks=[],
                                   results={}, error=None, failures=[], open=True)
    try:
        figure.module = importlib.import_module(
            f"figures.{_file(root, name).parent.name}.fig_{name}")
        _found(name, getattr(figure.module, "FOLDERS", {}), options)
        figure.tasks = jobs.tasks(root, name, figure.module, options.size,
                                    options.seed, options.data, identity)
    except Exception:
        figure.error = traceback.format_exc()
    for task in figure.tasks if options.resume else []:
        stored = jobs.load(_stored(options, task))
        if stored is not None:
            figure.results[task.key] = stored
    return figure


def _found(name, folders, options):
    """Refuse, in one line, a run without the data folders that a figure needs."""
    for folder in folders.get(options.size, ()):
        if not os.path.isdir(os.path.join(options.data or "", folder)) \
                or options.data is None:
            print(f"run_all.py: error: figure {name} --{options.size} needs a folder "
                  f"{folder!r} in the data folder, which is {options.data} (--data or "
                  "REFSNN_DATA)", file=sys.stderr)
            raise SystemExit(2)


def _stored(options, task):
    return options.out / "jobs" / task.home / f"{task.key}.npz"


def _stream(waiting, owners, lanes, executor):
    """Tasks as they end; those of the speed figure at the end, one by one."""
    from figures.run import jobs
    most = [task for task in waiting if task.home != jobs.SPEED]
    with jobs.environment(1):
        yield from jobs.compute(most, _run, executor, lanes, _start_worker, owners)
    for task in waiting:
        if task.home == jobs.SPEED:
            with jobs.environment(task.call[3]["threads"]):
                yield from jobs.compute([task], _run, None, 1, _start_worker, owners)


def _take(figures, task, answer, error, options):
    """Keep and store the result of a task for its figures, or why there is none."""
    from figures.run import jobs
    _, module, function, kwargs, _ = task.call
    words = ", ".join(f"{word}={value!r}" for word, value in kwargs.items())
    if error is not None:
        why = jobs.trace(error)
        for figure in figures:
            figure.error = figure.error or f"job {module}.{function}({words})\n{why}"
        return
    result, seconds = answer
    if seconds > LONG_S:
        print(f"run_all.py: job {module}.{function}({words}) took "
              f"{seconds / 60:.0f} min: split it", file=sys.stderr)
    jobs.save(_stored(options, task), result, seconds)
    for figure in figures:
        figure.results[task.key] = result, seconds


def _settle(figures, options, bar):
    """Finish the figures that have all their results, or none to come."""
    for figure in figures.values():
        if figure.open and (figure.error or all(
                task.key in figure.results for task in figure.tasks)):
            with bar.external_write_mode(sys.stdout):
                print("\n".join(_finish(figure, options)), flush=True)
    left = [figure.name for figure in figures.values() if figure.open]
    bar.set_description(left[0] if left else "done", refresh=sys.stderr.isatty())


def _finish(figure, options):
    """Gather, judge, draw and write one figure: lines for the terminal."""
    from figures.run import gallery
    document = _document(figure, options)
    outputs = {kind: options.out / f"{figure.name}.{kind}"
               for kind in ("png", "h5", "json")}
    figure.open = False
    try:
        if figure.error is None:
            _draw(figure, document, options, outputs)
    except Exception:
        figure.error = traceback.format_exc()
    figure.results = {}
    if figure.error:
        document.update(claims=[], error=figure.error)
        outputs["png"].unlink(missing_ok=True)
        outputs["h5"].unlink(missing_ok=True)
        figure.failures = [f"figure {figure.name} raised: "
                           f"{figure.error.strip().splitlines()[-1]}"]
        gallery.write_json(outputs["json"], document)
        print(f"figure {figure.name}: {figure.error}", file=sys.stderr)
        return [f"{figure.name}: no result"]
    gallery.write_json(outputs["json"], document)
    if options.size == "full":
        options.full.mkdir(parents=True, exist_ok=True)
        gallery.write_json(options.full / f"{figure.name}.json", document)
    return [f"{figure.name}: {document['seconds']:.1f} s of computing"] + [
        f"  {gallery.VERDICTS[claim['ok']][1]}  {claim['text']}: "
        f"{gallery.shown(claim['value'])} ({claim['bound']})"
        for claim in document["claims"]]


def _draw(figure, document, options, outputs):
    """Write the data and the picture, judge the claims."""
    from figures.run import gallery
    from figures.run import jobs
    results = [figure.results[task.key][0] for task in figure.tasks]
    data = jobs.normalised(figure.module.gather(results), "what gather returns")
    document["claims"] = _judged(figure.module.claims(data), options.size)
    style = pathlib.Path(gallery.__file__).with_name("style.mplstyle")
    gallery.write_bytes(outputs["png"], gallery.draw(figure.module.plot, data, style))
    gallery.write_h5(outputs["h5"], data, figure.title)
    if figure.name != jobs.SPEED:
        figure.failures = [
            f"figure {figure.name} fails: {claim['text']}: "
            f"{gallery.shown(claim['value'])}, must be {claim['bound']}"
            for claim in document["claims"] if claim["ok"] is False]


def _judged(claims, size):
    """Claims as plain dicts; with --quick none is judged."""
    from figures.run.claims import Claim
    plain = [Claim(*claim)._asdict() for claim in claims]
    for claim in plain:
        for name in ("value", "paper"):
            if not isinstance(claim[name], (numbers.Real, str, type(None))):
                raise TypeError(f"claim {claim['text']!r}: {name} is "
                                f"{claim[name]!r}: must be a number, a str or None")
            if hasattr(claim[name], "item"):            # a NumPy scalar
                claim[name] = claim[name].item()
        judged = claim["ok"] is not None and size != "quick"
        claim["ok"] = bool(claim["ok"]) if judged else None
    return plain


def _document(figure, options):
    """All that NAME.json says, claims aside."""
    versions = {name: importlib.import_module(name).__version__
                for name in ("refsnn", "numpy", "scipy")}
    repeats = {task.call[3]["repeat"] for task in figure.tasks
               if "repeat" in task.call[3]}
    data = os.path.basename(options.data) if options.data else "embedded"
    return {"name": figure.name, "title": figure.title, "caption": figure.caption,
            "claims": [], "size": options.size, "data": data,
            "seeds": {"seed": options.seed, "repeats": sorted(repeats)},
            "jobs": len(figure.tasks),
            "seconds": round(sum(took for _, took in figure.results.values()), 1),
            "versions": {**versions, "python": platform.python_version()}}


if __name__ == "__main__":
    sys.exit(main())
