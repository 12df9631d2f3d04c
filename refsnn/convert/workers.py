# refsnn 0.1.0 | convert/workers.py | SPDX-License-Identifier: MIT | needs: numpy, scipy | optional: tqdm
"""Convert many sounds in several processes, and print the progress.

The spikes do not depend on the number of processes.
"""

import concurrent.futures
import functools
import multiprocessing.connection
import os
import signal
import sys
import threading
import time

from refsnn import basilar
from refsnn.convert.sounds import RATE, _convert

TOGETHER = 1 << 26      # limits (steps times channels) that are converted together


def _convert_all(todo, folder, settings, jobs):
    if not todo:
        return {}
    os.makedirs(folder, exist_ok=True)
    total = sum(one.seconds for one in todo.values())
    todo = [one for part, one in todo.items() if not os.path.exists(part)]
    groups = _groups(todo, settings.channels, -(-len(todo) // jobs))
    done, errors = total - sum(one.seconds for one in todo), {}
    table = basilar.table(basilar.places(settings.channels))
    work = functools.partial(_convert, table=table, settings=settings)
    try:
        for one, error in _progress(_results(work, groups, jobs), total, done):
            if error is not None:
                errors[one.part] = error
    finally:
        if not os.listdir(folder):
            os.rmdir(folder)
    return errors


def _groups(todo, channels, most):
    groups = []
    for one in sorted(todo, key=lambda one: -one.seconds):
        size = (len(groups[-1]) + 1 if groups else 1) * channels * RATE / 2
        if groups and len(groups[-1]) < most \
                and size * groups[-1][0].seconds < TOGETHER:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _results(work, groups, jobs):
    """Yield (recording, error message or None)."""
    if jobs == 1 or not groups:
        for group in groups:
            yield from zip(group, work(group), strict=True)
        return
    with concurrent.futures.ProcessPoolExecutor(
            min(jobs, len(groups)), multiprocessing.get_context("spawn"),
            _start_worker) as pool:
        try:
            futures = {pool.submit(work, group): group for group in groups}
            for future in concurrent.futures.as_completed(futures):
                yield from zip(futures[future], future.result(), strict=True)
        except concurrent.futures.BrokenExecutor:
            raise ValueError("a process was killed: must have enough memory for all "
                             "--jobs; the same command continues") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker():
    """Ignore Ctrl-C; exit with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _progress(results, total, done):
    try:
        import tqdm
    except ImportError:
        start, first = time.monotonic(), done
        for one, error in results:
            done += one.seconds
            left = (time.monotonic() - start) * (total - done) / (done - first)
            print(f"{done:.2f}/{total:.2f} s of sound, {left:.0f} s left: {one.path}",
                  file=sys.stderr, flush=True)
            yield one, error
    else:
        form = "{percentage:3.0f}%|{bar}| {n:.2f}/{total:.2f} s of sound " \
            "[{elapsed}<{remaining}]"
        with tqdm.tqdm(total=total, initial=done, bar_format=form,
                       file=sys.stderr) as bar:
            for one, error in results:
                bar.update(min(one.seconds, total - bar.n))
                yield one, error
