"""Compute and draw the figures, and compare the results with published numbers.

When all jobs of a figure are done, the computed numbers are compared with published
numbers or bounds.  The figure is then drawn and saved.  See the modules `jobs` and
`claims`.  If a job fails, the error is saved in place of the figure.
"""

import contextlib
import dataclasses
import functools
import importlib
import os
import shutil
import sys
import traceback
import types

from tqdm import tqdm

from figures.run import claims, digest, expected, gallery, jobs, origin, stale, storage

LONG_S = 45 * 60            # longest time that a job should take
REDRAW_S, LOG_S = 0.5, 10   # intervals of the bar in a terminal, and of lines in a file
COARSE = 80                 # dots per inch of pictures with --quick
ORIGIN = ("commit", "digest", "versions", "machine", "date", "data")    # of a job
BAR = "{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"


class DataMissing(ValueError):
    """This exception is raised if a figure needs a data folder that does not exist."""


@dataclasses.dataclass
class Figure:
    """Record the state of a figure while its jobs are running."""

    name: str
    module: types.ModuleType | None = None
    tasks: list = dataclasses.field(default_factory=list)
    code: dict = dataclasses.field(default_factory=dict)    # commit and digest
    data: dict = dataclasses.field(default_factory=dict)    # checksums of the data
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

    The function `run` computes one job.  If `executor` is None, the jobs run in local
    processes.  Each local process calls `start` before its first job.
    """
    code = digest.Code(digest.in_folder(root))
    made = [planned(root, name, options, code)
            for name in names(root) if name in (options.names or [name])]
    for line in (line for figure in made for line in told(figure, options)):
        print(line, file=sys.stderr)
    options.commit = origin.commit(root)
    describe(root, made, options)
    find = functools.partial(imported, root)
    tasks, owners = {}, {}
    for figure in made:
        for task in figure.tasks:
            tasks[task.key] = task
            owners.setdefault(task.key, set()).add(figure.name)
    results = found(tasks.values(), options) if options.resume else {}
    times = expected.seconds({figure.name: figure.tasks for figure in made})
    data = {key: figure.data for figure in made for key in
            [task.key for task in figure.tasks]}
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
        settle(made, results, options, bar, find)
        for task, answer, error in stream:
            if error is None:
                results[task.key] = keep(task, *answer, data[task.key], options)
            else:
                blame([figure for figure in made if figure.name in owners[task.key]],
                      task, error)
            done += 1
            bar.set_postfix_str(f"{done} of {len(tasks)} jobs", refresh=False)
            bar.update(min(times[task.key], bar.total - bar.n))     # rounding
            settle(made, results, options, bar, find)
    page = gallery.write_page(options.out, find)
    failures = [line for figure in made for line in figure.failures]
    for line in failures:
        print(f"run_all.py: {line}", file=sys.stderr)
    print(page)
    return 1 if failures else 0


# ---- before and during the computation ---------------------------------------

def planned(root, name, options, code):
    """Return a `Figure` with its tasks."""
    figure = Figure(name)
    try:
        figure.module = imported(root, name)
        need(name, folders(figure, options), options.size, options.data)
        figure.tasks = jobs.tasks(root, name, figure.module, options.size,
                                  options.seed, options.data, code)
    except DataMissing:
        raise
    except Exception:
        figure.error = traceback.format_exc()
    return figure


def folders(figure, options):
    """Return the data folders and files that a figure needs."""
    return getattr(figure.module, "FOLDERS", {}).get(options.size, ())


def describe(root, made, options):
    """Store hashes of the code and of the data that each figure uses."""
    code = digest.Code(digest.in_folder(root), options.size)
    for figure in made:
        if figure.error is None:
            called = {task.call[2] for task in figure.tasks}.union(stale.DEPENDS)
            figure.code = {"commit": options.commit, "digest": code.digest(
                stale.roots(code, figure.name, called)), "checks": code.checks()}
            figure.data = origin.data(options.data, origin.used(
                options.data, folders(figure, options),
                [task.call[3] for task in figure.tasks]))


def need(name, wanted, size, data):
    """Check the data folders and files that a figure needs."""
    for folder in wanted:
        if not has(data, folder):
            raise DataMissing(
                f"figure {name} --{size} needs {folder!r} in the data folder, which is "
                f"{data} (--data or REFSNN_DATA)")


def has(data, name):
    """Return whether the data folder contains `name`."""
    return data is not None and os.path.exists(os.path.join(data, name))


def told(figure, options):
    """Yield messages about missing optional data folders."""
    instead = getattr(figure.module, "INSTEAD", {}).get(options.size, {})
    for folder, text in instead.items():
        if not has(options.data, folder):
            yield (f"run_all.py: figure {figure.name}: the data folder, which is "
                   f"{options.data}, has no {folder!r}: {text}")


def stored_at(out, task):
    """Return the path of a stored result."""
    return out / "jobs" / task.home / f"{task.key}.npz"


def found(tasks, options):
    """Return the stored results and computing times."""
    answers = {task.key: jobs.load(stored_at(options.out, task)) for task in tasks}
    return {key: answer for key, answer in answers.items() if answer is not None}


def computed(waiting, owners, results, lanes, executor, run, start):
    """Run all tasks in the same way as `jobs.compute`.

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


def keep(task, result, record, data, options):
    """Store a result; warn if the job took long."""
    if record["seconds"] > LONG_S:
        print(f"run_all.py: {called(task)} took {record['seconds'] / 60:.0f} min: "
              "split it", file=sys.stderr)
    record = {**record, "commit": options.commit, "digest": task.call[4], "data": data}
    jobs.save(stored_at(options.out, task), result, record)
    return result, record


def blame(owners, task, error):
    """Record the error of a failed task for each figure that uses the task."""
    for figure in owners:
        figure.error = figure.error or f"{called(task)}\n{jobs.trace(error)}"


def called(task):
    """Return a function call as text."""
    _, module, function, kwargs, _ = task.call
    words = ", ".join(f"{word}={value!r}" for word, value in kwargs.items())
    return f"job {module}.{function}({words})"


def settle(made, results, options, bar, find):
    """Save finished figures and the web page."""
    ended = False
    for figure in made:
        if figure.open and (figure.error or all(
                task.key in results for task in figure.tasks)):
            ended = True
            with bar.external_write_mode(sys.stdout):
                print("\n".join(finish(figure, results, options)), flush=True)
    if ended:
        gallery.write_page(options.out, find, tell=str)     # tells at the end
    left = [figure for figure in made if figure.open]
    wanted = {task.key for figure in left for task in figure.tasks}
    for key in results.keys() - wanted:             # to release the memory
        del results[key]
    bar.set_description(left[0].name if left else "done",
                        refresh=sys.stderr.isatty())


# ---- one figure, with all its results ------------------------------------------

def finish(figure, results, options):
    """Test the claims of a figure, then draw and save the figure."""
    answers = {task.key: results[task.key] for task in figure.tasks
               if task.key in results}
    document = described(figure, answers, options)
    outputs = {kind: options.out / f"{figure.name}.{kind}"
               for kind in ("png", "h5", "json")}
    figure.open = False
    try:
        if figure.error is None:
            module = figure.module
            data = gathered(module, [result for result, _ in answers.values()])
            document["ids"] = [
                claim.id for claim in claims.declared(module, options.size)]
            document["claims"] = claims.stored(
                claims.measured(module, data, options.size))
            judged = claims.read(module, document)
            if hasattr(module, "table"):
                document["table"] = module.table(data)
            fig = gallery.drawn(module.plot, storage.shown(module, data))
            coarse = {"dpi": COARSE} if options.size == "quick" else {}
            gallery.write_bytes(outputs["png"], gallery.png(fig, **coarse))
            gallery.write_bytes(outputs["h5"], storage.packed(module, data))
    except Exception:
        figure.error = traceback.format_exc()
    if figure.error:
        return fail(figure, document, outputs)
    gallery.write_json(outputs["json"], document)
    figure.failures = [
        f"figure {figure.name} fails: {claim.text}: {gallery.ours(claim, result)}, "
        f"must be {gallery.required(claim)}" for claim, result in judged
        if claim.kind == "own" and result.verdict == claims.VERDICTS["own"][1]]
    return [f"{figure.name}: {seconds(document):.1f} s of computing",
            *gallery.aligned(document.get("table", [])),
            *(f"  {gallery.line(claim, result)}" for claim, result in judged)]


def gathered(module, results):
    """Combine the results of a figure's jobs."""
    return jobs.normalised(module.gather(results), "the result of gather")


def seconds(document):
    """Return the computing time of a figure."""
    return sum(job["seconds"] for job in document["jobs"])


def fail(figure, document, outputs):
    """Write the error to a JSON file."""
    outputs["png"].unlink(missing_ok=True)
    outputs["h5"].unlink(missing_ok=True)
    gallery.write_json(outputs["json"], {**document, "claims": {},
                                         "error": figure.error})
    figure.failures = [f"figure {figure.name} raised: "
                       f"{figure.error.strip().splitlines()[-1]}"]
    print(f"figure {figure.name}: {figure.error}", file=sys.stderr)
    return [f"{figure.name}: no result"]


def described(figure, answers, options):
    """Return a dict that describes how the results of a figure were computed."""
    origins, listed = [], []
    for task in figure.tasks:
        if task.key in answers:
            record = answers[task.key][1]
            found = {name: record[name] for name in ORIGIN}
            if found not in origins:
                origins.append(found)
            listed.append({
                "origin": origins.index(found), "seconds": record["seconds"],
                "call": origin.called(*task.call[2:4], options.data, options.seed)})
    return {"figure": figure.name, "size": options.size, "seed": options.seed,
            "options": {}, "code": figure.code, "claims": {}, "origins": origins,
            "jobs": listed}
