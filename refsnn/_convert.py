# refsnn 0.1.0 | _convert.py | SPDX-License-Identifier: MIT | needs: numpy, scipy, h5py | optional: tqdm
"""Implement the command `convert`, which converts recordings to spike files.

`help("refsnn.__main__")` describes the command.  The first pass finds bad
recordings and computes a digest of the samples and the options.  In the
second pass, each recording without a file DIGEST.npz in the work folder
OUTPUT.parts is read again and converted, and its spikes are written to
this file.  Finally, the files of all good recordings are joined to the
outputs.
"""

import concurrent.futures
import csv
import functools
import hashlib
import io
import multiprocessing.connection
import os
import re
import shutil
import signal
import sys
import threading
import time
import zipfile
from typing import NamedTuple

import numpy as np

import refsnn
from refsnn import audio, basilar, cochlea, events

__all__ = ["Recording", "Settings", "run"]

RATE = 48000
# --like: ramp, aligned, padded
STYLES = {None: (0.03, True, True), "lauscher-1.0.1": (None, False, False)}
TOGETHER = 1 << 26      # limits (steps times channels) that are converted together
LABEL = "must have --label folder, --label PATTERN or --label FILE.csv"
OWN = r"[0-9a-f]{64}\.npz(\.\d+\.part)?|\d\.h5(\.\d+\.part)?"   # files in a work folder


class Settings(NamedTuple):
    """Hold the options of a conversion."""
    channels: int
    seed: int
    membrane: str
    aligned: bool           # the first spike is moved to t = 0
    ramp: float             # s, or None for half the recording
    padded: bool            # silence is appended to make the conversion fast
    longest: float          # s
    clipped: str
    mix: bool


class Recording(NamedTuple):
    """Hold the path, the duration and the spike file of a good recording."""
    path: str
    seconds: float
    part: str


def run(options):
    """Convert recordings, and return the exit status of the command.

    >>> from refsnn.__main__ import main
    >>> main(["convert", "nowhere.wav", "-o", "spikes.h5"])
    2

    Parameters
    ----------
    options : argparse.Namespace
        Options of the command line.

    Returns
    -------
    int
        Exit status: 0 after success, 1 if bad recordings are left out.
    """
    paths, settings = options.audio, _settings(options)
    labels, speakers = _labels(paths, options.label), _speakers(paths, options.speaker)
    tested = _tested(paths, options.test[0]) if options.test else set()
    outputs, folder = [options.output, *options.test[1:]], f"{options.output}.parts"
    others = [name for name in os.listdir(folder) if not re.fullmatch(OWN, name)] \
        if os.path.lexists(folder) else []
    if others:
        raise ValueError(f"{folder} holds {others[0]!a}: must be a work folder, or "
                         "absent")
    found, bad = {}, {}
    for i, path in enumerate(paths):
        try:
            x = _samples(path, settings)
        except (ValueError, OSError) as error:
            bad[i] = str(error)
        else:
            part = os.path.join(folder, f"{_digest(x, settings)}.npz")
            found[i] = Recording(path, x.size / RATE, part)
    errors = _convert_all({one.part: one for one in found.values()}, folder, settings,
                          options.jobs)
    bad |= {i: errors[one.part] for i, one in found.items() if one.part in errors}
    if bad and len(paths) == 1:
        raise ValueError(bad[0])
    for i in sorted(bad):
        print(f"refsnn: {bad[i]}", file=sys.stderr)
    splits = [[(found[i].part, labels[i], speakers[i]) for i in found
               if i not in bad and (i in tested) == test]
              for test in (False, True)[:len(outputs)]]
    _join(folder, splits, outputs, sorted(set(labels)), settings.channels)
    if bad:
        print(f"refsnn: {len(bad)} of {len(paths)} recordings are bad and left out; "
              f"{folder} keeps the others for another run", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return int(bool(bad))


def _join(folder, splits, outputs, keys, channels):
    """Write each list of (part, label, speaker) to its output, or write no file."""
    wholes = [os.path.join(folder, f"{i}.h5") for i in range(len(outputs))]
    for output, split in zip(outputs, splits, strict=True):
        if not split:
            raise ValueError(f"{output} is not written: no good recording is left")
    for whole, split in zip(wholes, splits, strict=True):
        if os.path.exists(whole):
            os.remove(whole)
        parts, labels, speakers = zip(*split, strict=True)
        events.write(whole, map(_load, parts), list(map(keys.index, labels)), keys,
                     speaker=speakers, channels=channels)
    for output in outputs:
        if os.path.lexists(output):
            raise ValueError(f"{output} was created meanwhile: must be a new file")
    for whole, output, split in zip(wholes, outputs, splits, strict=True):
        os.rename(whole, output)
        print(f"{output}: {len(split)} recordings, {channels} channels")


def _settings(options):
    """Return the checked options that do not depend on recordings."""
    o, (ramp, aligned, padded) = options, STYLES[options.like]
    for name, value, ok, must in (
            ("channels", o.channels, 1 <= o.channels <= 10000, "from 1 to 10000"),
            ("seed", o.seed, o.seed >= 0, "0 or more"),
            ("jobs", o.jobs, o.jobs >= 1, "1 or more"),
            ("longest", o.longest, 0 < o.longest <= 3600, "above 0 and at most 3600 s"),
            ("ramp", o.ramp, o.ramp is None or 0 < o.ramp <= 3600,
             "above 0 and at most 3600 s")):
        if not ok:
            raise ValueError(f"--{name} is {value}: must be {must}")
    return Settings(o.channels, o.seed, o.membrane, aligned,
                    ramp if o.ramp is None else o.ramp, padded, o.longest, o.clipped,
                    o.mix)


# ---- labels, speakers and splits

def _labels(paths, label):
    """Return the label of each recording."""
    names, whole = list(map(_stem, paths)), list(map(os.path.abspath, paths))
    known, named = {}, {}
    for i, (name, path) in enumerate(zip(names, paths, strict=True)):
        if known.setdefault(whole[i], i) != i:
            raise ValueError(f"{path} is given twice: must be given once")
        if label is None and named.setdefault(name, path) != path:
            raise ValueError(f"{named[name]} and {path} have the same name: {LABEL}")
    if label is None:
        if len(paths) > 1:
            raise ValueError(f"{len(paths)} recordings would have their file names as "
                             f"labels: {LABEL}; --label '(.*)' keeps the file names")
        return names
    if label == "folder":
        labels = [_stem(os.path.dirname(path) + ".") for path in whole]
    elif label.lower().endswith(".csv"):
        labels = _listed(paths, label)
    else:
        labels = ["-".join(filter(None, found.groups()))
                  for found in _matches(names, label, "--label")]
    for path, text in zip(paths, labels, strict=True):
        if not text:
            raise ValueError(f"{path} has an empty label: {LABEL}")
    return labels


def _stem(path):
    """Return the file name of a path without its suffix."""
    try:
        return os.fsencode(os.path.splitext(os.path.basename(path))[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path!a} is not UTF-8: must be renamed") from None


def _matches(names, pattern, option):
    """Return the match of a pattern in each name."""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{option} is {pattern!r}: {error}: must be a regular "
                         "expression") from None
    if not compiled.groups:
        raise ValueError(f"{option} is {pattern!r}: must have a group in parentheses")
    for name in names:
        if not compiled.search(name):
            raise ValueError(f"{option} is {pattern!r}: must match each file name "
                             f"without suffix, such as {name!r}")
    return list(map(compiled.search, names))


def _speakers(paths, pattern):
    """Return the speaker numbers that a pattern finds in the file names."""
    if pattern is None:
        return [0] * len(paths)
    found = [match[1] for match in
             _matches(list(map(_stem, paths)), pattern, "--speaker")]
    for path, text in zip(paths, found, strict=True):
        if not re.fullmatch("[0-9]{1,5}", text or "") or int(text) >= 1 << 16:
            raise ValueError(f"{path}: --speaker finds {text!r}: must be an integer "
                             "below 65536")
    return list(map(int, found))


def _listed(paths, file):
    """Return the label of each recording, read from a CSV file."""
    rows = csv.DictReader(io.StringIO(_text(file), newline=""))
    try:
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise ValueError(f"{file} has the columns {rows.fieldnames}: must have "
                             "file and label")
        rows = [(rows.line_num, row["file"], row["label"]) for row in rows]
    except csv.Error as error:
        raise ValueError(f"{file}: {error}: must be a CSV file") from None
    labels = [None] * len(paths)
    for (line, name, label), some in zip(
            rows, _named(paths, [row[1] for row in rows]), strict=True):
        if not (name and label):
            raise ValueError(f"{file}, line {line}: must have a file and a label")
        if len(some) > 1 or (some and labels[some[0]] is not None):
            raise ValueError(f"{file}, line {line}: {name!r} is ambiguous or repeated: "
                             "must name one recording; add its folder")
        for i in some:
            labels[i] = label
    for path, label in zip(paths, labels, strict=True):
        if label is None:
            raise ValueError(f"{path} is not in {file}: must have a label")
    return labels


def _tested(paths, file):
    """Return the indices of the recordings named in a list of test files."""
    names = list(map(str.strip, _text(file).splitlines()))
    tested = set()
    for line, (name, some) in enumerate(zip(names, _named(paths, names), strict=True)):
        if name and len(some) != 1:
            remedy = "; add its folder" if some else ""
            raise ValueError(f"{file}, line {line + 1}: {name!r} names {len(some)} "
                             f"recordings: must name one{remedy}")
        tested.update(some)
    if not 0 < len(tested) < len(paths):
        raise ValueError(f"{file} names {len(tested)} of {len(paths)} recordings: must "
                         "name some and not all")
    return tested


def _named(paths, names):
    """Return the indices of the matching recordings for each name.

    A recording matches if its path, with or without suffix, ends with the
    name.
    """
    names = [os.path.normpath(name).replace(os.sep, "/") if name else ""
             for name in names]
    depths, known = {name.count("/") for name in names if name}, {}
    for i, path in enumerate(paths):
        whole = os.path.abspath(path).replace(os.sep, "/")
        for depth in depths:
            end = "/".join(whole.split("/")[-1 - depth:])
            for text in {end, os.path.splitext(end)[0]}:
                known.setdefault(text, []).append(i)
    return [known.get(name, []) for name in names]


def _text(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: must be a text file") from None


# ---- sounds and spikes

def _samples(path, settings):
    """Return the normalised sound in a file.  Error messages name the file."""
    sound, rate = audio.read(path, longest=settings.longest, clipped=settings.clipped,
                             mix=settings.mix)
    try:
        sound = audio.resample(sound, rate, RATE)
        return audio.prepare(sound, RATE, ramp=settings.ramp)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _stream(x, seed):
    """Return a random generator with a seed derived from `x` and `seed`."""
    digest = hashlib.sha256(x.astype("<f8").tobytes()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])


def _digest(x, settings):
    """Return a digest of the samples `x`, the version and the conversion options."""
    digest = hashlib.sha256(x.astype("<f8").tobytes())
    digest.update(f"{refsnn.__version__} {settings[:6]}".encode())
    return digest.hexdigest()


def _convert_all(todo, folder, settings, jobs):
    """Convert a dict {part: recording}, and return a dict {part: error message}."""
    if not todo:
        return {}
    os.makedirs(folder, exist_ok=True)
    total = sum(one.seconds for one in todo.values())
    todo = [one for part, one in todo.items() if not os.path.exists(part)]
    groups = _groups(todo, settings.channels, -(-len(todo) // jobs))
    done, errors = total - sum(one.seconds for one in todo), {}
    table = basilar.table(basilar.places(settings.channels), settings.membrane)
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
    """Group recordings for joint conversion, with at most `most` in each group."""
    groups = []
    for one in sorted(todo, key=lambda one: -one.seconds):
        size = (len(groups[-1]) + 1 if groups else 1) * channels * RATE / 2
        if groups and len(groups[-1]) < most \
                and size * groups[-1][0].seconds < TOGETHER:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _convert(group, table, settings):
    """Convert recordings, and write their parts.  Return error messages or None."""
    found, sounds = [None] * len(group), {}
    for i, one in enumerate(group):
        try:
            x = _samples(one.path, settings)
        except (ValueError, OSError) as error:
            found[i] = str(error)
            continue
        if _digest(x, settings) in one.part:
            sounds[i] = x
        else:
            found[i] = f"{one.path} has changed meanwhile: must stay as it is"
    more = {"rate": RATE, "padded": settings.padded}
    response = basilar.response(table)
    rngs = [_stream(x, settings.seed) for x in sounds.values()]
    if len(sounds) < 2:             # in blocks of channels, for long recordings
        spikes = [cochlea.convert(x, response, settings.channels, *rngs,
                                  longest=(x.size + 1) / RATE, **more)
                  for x in sounds.values()]
    else:
        spikes = cochlea.convert_many([*sounds.values()], response, settings.channels,
                                      rngs, **more)
    for i, (times, units) in zip(sounds, spikes, strict=True):
        if settings.aligned:
            times = times - times[:1].sum()
        new = f"{group[i].part}.{os.getpid()}.part"
        with open(new, "wb") as file:
            np.savez(file, times=times.astype(np.float16),
                     units=units.astype(np.uint16))
        os.replace(new, group[i].part)
    return found


def _load(part):
    try:
        with open(part, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["times"], arrays["units"]
    except (ValueError, LookupError, EOFError, zipfile.BadZipFile):
        raise ValueError(f"{part} is damaged: must be deleted; the same command then "
                         "continues") from None


# ---- processes and progress

def _results(work, groups, jobs):
    """Yield each recording and its result, in the order of completion."""
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
    """Ignore Ctrl-C, and exit when the main process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _progress(results, total, done):
    """Yield the results, and print the progress and the remaining time to stderr."""
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
                bar.update(one.seconds)
                yield one, error
