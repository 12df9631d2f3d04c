"""Compute and draw the figures, and judge their claims.

A job is one independent part of the computation of a figure.  A task is a job together
with the key under which its result is stored.  A claim is a statement with a computed
number, which is compared with a bound to judge the claim.  Some claims have no bound,
and are not judged.

When the results of all jobs of a figure are available, the results are combined, the
claims are judged, and the figure is drawn and saved.  If a job fails, the figure is
finished without a picture.  Results that are not needed for unfinished figures are
removed from memory.
"""

import contextlib
import dataclasses
import importlib
import numbers
import os
import platform
import shutil
import sys
import traceback
import types

import numpy as np
import scipy
from tqdm import tqdm

import refsnn
from figures.run import expected, gallery, jobs
from figures.run.claims import Claim

LONG_S = 45 * 60            # longest time that a job should take
REDRAW_S, LOG_S = 0.5, 10   # intervals of the bar in a terminal, and of lines in a file
# The bar and the time left follow the expected computing times of the jobs.
BAR = "{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"


class DataMissing(Exception):
    """Report a missing data folder of a figure."""


@dataclasses.dataclass
class Figure:
    """Hold the state of an unfinished figure."""

    name: str
    title: str
    caption: str
    module: types.ModuleType | None = None
    tasks: list = dataclasses.field(default_factory=list)
    open: bool = True
    error: str | None = None            # traceback of the first error
    failures: list = dataclasses.field(default_factory=list)    # one line per failure


def names(root):
    """Return the names of all figures."""
    found = sorted(path.stem.removeprefix("fig_")
                   for path in (root / "figures").glob("*/fig_*.py"))
    return sorted(found, key=lambda name: name == jobs.SPEED)


def path_of(root, name):
    """Return the Python file of a figure."""
    return next((root / "figures").glob(f"*/fig_{name}.py"))


def imported(root, name):
    """Import the Python file of a figure."""
    path = path_of(root, name)
    return importlib.import_module(f"figures.{path.parent.name}.{path.stem}")


def figures(root, options, executor, run, start):
    """Compute the requested figures; return the exit status.

    The object `options` holds the command-line options. The worker processes call the
    functions `run` and `start`.
    """
    identity = jobs.data_key(options.data)
    made = [planned(root, name, options, identity)
            for name in names(root) if name in (options.names or [name])]
    tasks, owners = {}, {}
    for figure in made:
        for task in figure.tasks:
            tasks[task.key] = task
            owners.setdefault(task.key, set()).add(figure.name)
    results = found(tasks.values(), options) if options.resume else {}
    times = expected.seconds({figure.name: figure.tasks for figure in made})
    waiting = expected.longest_first(
        [task for key, task in tasks.items() if key not in results], times)
    before = {key: results[key] for task in waiting for key in task.before
              if key in results}
    stream = computed(waiting, owners, before, options.jobs, executor, run, start)
    done = len(results)
    with tqdm(total=sum(times[key] for key in tasks), file=sys.stderr,
              initial=sum(times[key] for key in results), bar_format=BAR,
              mininterval=REDRAW_S if sys.stderr.isatty() else LOG_S,
              ncols=shutil.get_terminal_size().columns) as bar, \
            contextlib.closing(stream):
        settle(made, results, options, bar)
        for task, answer, error in stream:
            if error is None:
                results[task.key] = answer
                keep(task, *answer, options)
            else:
                blame([figure for figure in made if figure.name in owners[task.key]],
                      task, error)
            done += 1
            bar.set_postfix_str(f"{done} of {len(tasks)} jobs", refresh=False)
            bar.update(min(times[task.key], bar.total - bar.n))     # rounding
            settle(made, results, options, bar)
    page = gallery.write_page(options.out)
    failures = [line for figure in made for line in figure.failures]
    for line in failures:
        print(f"run_all.py: {line}", file=sys.stderr)
    print(page)
    return 1 if failures else 0


# ---- before and during the computation ---------------------------------------

def planned(root, name, options, identity):
    """Return a `Figure` with its tasks."""
    figure = Figure(name, *gallery.described(path_of(root, name)))
    try:
        figure.module = imported(root, name)
        need(name, getattr(figure.module, "FOLDERS", {}).get(options.size, ()), options)
        figure.tasks = jobs.tasks(root, name, figure.module, options.size,
                                  options.seed, options.data, identity)
    except DataMissing:
        raise
    except Exception:
        figure.error = traceback.format_exc()
    return figure


def need(name, folders, options):
    """Check the data folders that a figure needs."""
    for folder in folders:
        if not os.path.isdir(os.path.join(options.data or "", folder)) \
                or options.data is None:
            raise DataMissing(
                f"figure {name} --{options.size} needs a folder {folder!r} in the data "
                f"folder, which is {options.data} (--data or REFSNN_DATA)")


def stored_at(out, task):
    """Return the path of a stored result."""
    return out / "jobs" / task.home / f"{task.key}.npz"


def found(tasks, options):
    """Return the stored results and computing times."""
    answers = {task.key: jobs.load(stored_at(options.out, task)) for task in tasks}
    return {key: answer for key, answer in answers.items() if answer is not None}


def computed(waiting, owners, results, lanes, executor, run, start):
    """Run all tasks; yield (task, answer, error).

    The tasks of the figure `speed` run last, one at a time.
    """
    speed = [task for task in waiting if task.home == jobs.SPEED]
    others = [task for task in waiting if task.home != jobs.SPEED]
    with jobs.environment(1):
        yield from jobs.compute(others, run, executor, lanes, start, owners, results)
    for task in speed:
        with jobs.environment(task.call[3]["threads"]):
            for _, answer, error in jobs.compute([task], run, None, 1, start, owners,
                                                 results):
                yield task, answer, error
                if error is not None:
                    return
                results = {**results, task.key: answer}


def keep(task, result, seconds, options):
    """Store a result; warn if the job took long."""
    if seconds > LONG_S:
        print(f"run_all.py: {called(task)} took {seconds / 60:.0f} min: split it",
              file=sys.stderr)
    jobs.save(stored_at(options.out, task), result, seconds)


def blame(owners, task, error):
    """Store a traceback in each `Figure` concerned."""
    for figure in owners:
        figure.error = figure.error or f"{called(task)}\n{jobs.trace(error)}"


def called(task):
    """Return a function call as text."""
    _, module, function, kwargs, _ = task.call
    words = ", ".join(f"{word}={value!r}" for word, value in kwargs.items())
    return f"job {module}.{function}({words})"


def settle(made, results, options, bar):
    """Finish figures that have failed or are complete."""
    for figure in made:
        if figure.open and (figure.error or all(
                task.key in results for task in figure.tasks)):
            with bar.external_write_mode(sys.stdout):
                print("\n".join(finish(figure, results, options)), flush=True)
    left = [figure for figure in made if figure.open]
    wanted = {task.key for figure in left for task in figure.tasks}
    for key in results.keys() - wanted:             # to release the memory
        del results[key]
    bar.set_description(left[0].name if left else "done",
                        refresh=sys.stderr.isatty())


# ---- one figure, with all its results ------------------------------------------

def finish(figure, results, options):
    """Judge, draw and save a figure."""
    answers = [results[task.key] for task in figure.tasks if task.key in results]
    document = record(figure, answers, options)
    outputs = {kind: options.out / f"{figure.name}.{kind}"
               for kind in ("png", "h5", "json")}
    figure.open = False
    try:
        if figure.error is None:
            data = jobs.normalised(
                figure.module.gather([result for result, _ in answers]),
                "the result of gather")
            document["claims"] = judged(figure.module.claims(data), options.size)
            if hasattr(figure.module, "table"):
                document["table"] = figure.module.table(data)
            gallery.write_bytes(outputs["png"], gallery.draw(figure.module.plot, data))
            gallery.write_h5(outputs["h5"], data, figure.title)
    except Exception:
        figure.error = traceback.format_exc()
    if figure.error:
        return fail(figure, document, outputs)
    gallery.write_json(outputs["json"], document)
    if options.size == "full":
        options.full.mkdir(parents=True, exist_ok=True)
        gallery.write_json(options.full / f"{figure.name}.json", document)
    figure.failures = [
        f"figure {figure.name} fails: {claim['text']}: "
        f"{gallery.shown(claim['value'])}, must be {claim['bound']}"
        for claim in document["claims"] if claim["ok"] is False]
    return [f"{figure.name}: {document['seconds']:.1f} s of computing",
            *gallery.aligned(document.get("table", []))] + [
        f"  {gallery.VERDICTS[claim['ok']][1]}  {claim['text']}: "
        f"{gallery.value(claim)} ({claim['bound']})"
        for claim in document["claims"]]


def fail(figure, document, outputs):
    """Write the error to a JSON file."""
    outputs["png"].unlink(missing_ok=True)
    outputs["h5"].unlink(missing_ok=True)
    gallery.write_json(outputs["json"], {**document, "claims": [],
                                         "error": figure.error})
    figure.failures = [f"figure {figure.name} raised: "
                       f"{figure.error.strip().splitlines()[-1]}"]
    print(f"figure {figure.name}: {figure.error}", file=sys.stderr)
    return [f"{figure.name}: no result"]


def judged(claims, size):
    """Return the claims as a list.

    With --quick, claims have no verdicts.
    """
    plain = [Claim(*claim)._asdict() for claim in claims]
    for claim in plain:
        for name in ("value", "paper"):
            if not isinstance(claim[name], (numbers.Real, str, type(None))):
                raise TypeError(f"claim {claim['text']!r}: {name} is "
                                f"{claim[name]!r}: must be a number, a str or None")
            if isinstance(claim[name], np.generic):
                claim[name] = claim[name].item()
        is_judged = claim["ok"] is not None and size != "quick"
        claim["ok"] = bool(claim["ok"]) if is_judged else None
    return plain


def record(figure, answers, options):
    """Return the JSON content without claims."""
    repeats = {task.call[3]["repeat"] for task in figure.tasks
               if "repeat" in task.call[3]}
    return {"name": figure.name, "title": figure.title, "caption": figure.caption,
            "claims": [], "size": options.size,
            "data": os.path.basename(options.data) if options.data else "embedded",
            "seeds": {"seed": options.seed, "repeats": sorted(repeats)},
            "jobs": len(figure.tasks),
            "seconds": round(sum(seconds for _, seconds in answers), 1),
            "versions": {"refsnn": refsnn.__version__, "numpy": np.__version__,
                         "scipy": scipy.__version__,
                         "python": platform.python_version()}}
