# refsnn 0.1.0 | ras.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Spike trains in files: the text format of the Auryn simulator.

A `.ras` file has one spike a line, its time in seconds and the number of
the neuron, divided by blanks, in the order of time,

    # a comment
    0.0123 17

and is read into two plain arrays, `times_s` and `units`, which
`encoding.bin_events` turns into a dense train.  Whatever is not of this
form is refused by file and line: files come from elsewhere.

Units are counted from 0 in arrays.  Files that count from 1 are read with
first_unit=1; a published benchmark with 200 outputs has the numbers 1 to
200, which read as if counted from 0 leave unit 0 without a target and one
unit too many.  With `units` given, that is refused.

Exact.  Times are the nearest float64 of what is written; `write_ras`
    writes enough digits to read back the same bits.
Cost.   Reading takes 16 bytes a spike, twice that at its end, and a block
    of lines; files beyond `limit` bytes are refused unread.
Departures.  A last line without line end is refused, for it may be torn: 1
    may be the beginning of 17.  Times in the file may repeat, also for one
    unit; binning counts or clips such spikes.
"""

import os
import re

import numpy as np

__all__ = ["read_ras", "write_ras"]

LINE = 256              # bytes that a line may have
BLOCK = 1 << 14         # lines read at a time
TIME = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SPIKE = re.compile(rb"[ \t]*(" + TIME + rb")[ \t]+([+-]?\d{1,18})\s*(?:#.*)?", re.S)
COMMENT = re.compile(rb"\s*(?:#.*)?", re.S)


def _integer(name, value, least):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or not least <= value < 1 << 62:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least {least}")
    return int(value)


def _options(duration, units, first_unit):
    """Checked options, as Python numbers; absent ones are None."""
    if duration is not None:
        number = isinstance(duration, (int, float, np.integer, np.floating))
        if isinstance(duration, bool) or not number or not 0 < duration < np.inf:
            raise ValueError(f"duration is {duration!r}: must be a finite number of "
                             "seconds above 0, or None")
        duration = float(duration)
    units = None if units is None else _integer("units", units, 1)
    return duration, units, _integer("first_unit", first_unit, 0)


def _first_fault(times, units, before, duration, count, first):
    """Index of the first bad spike and what is wrong with it, or None.

    `units` count from 0 here, `before` is the time of the spike before.
    """
    last = np.inf if duration is None else duration
    end = np.iinfo(np.int64).max if count is None else count
    earlier = np.concatenate([[before], times[:-1]])
    fine = np.isfinite(times) & (times >= 0) & (times < last) & (times >= earlier) \
        & (units >= 0) & (units < end)
    if fine.all():
        return None
    i = int(np.argmin(fine))
    time, unit = float(times[i]), int(units[i]) + first
    if not 0 <= time < last:
        return i, f"time is {time!r}: must be in [0, {last}) s"
    if not 0 <= units[i] < end:
        top = "on" if count is None else f"to {first + count - 1}"
        return i, f"unit is {unit}: must be from {first} {top}"
    return i, f"time is {time!r} after {float(earlier[i])!r}: must not fall"


def _block(file, path, done, left):
    """Next lines: their numbers, times, units; lines done and bytes left."""
    numbers, times, units = [], [], []
    while len(times) < BLOCK and (line := file.readline(LINE + 1)):
        done, left = done + 1, left - len(line)
        spike = SPIKE.fullmatch(line)
        if len(line) > LINE:
            raise ValueError(f"{path}, line {done}: has more than {LINE} bytes: must "
                             "be one spike")
        if not line.endswith(b"\n"):
            raise ValueError(f"{path}, line {done}: has no line end: file must not be "
                             "truncated")
        if left < 0:
            raise ValueError(f"{path}, line {done}: file has grown: must have at most "
                             "limit bytes")
        if spike:
            numbers.append(done)
            times.append(float(spike[1]))
            units.append(int(spike[2]))
        elif not COMMENT.fullmatch(line):
            raise ValueError(f"{path}, line {done}: is {line[:60]!r}: must be a time "
                             "in seconds and a neuron number of at most 18 digits")
    return numbers, np.array(times, float), np.array(units, np.int64), done, left


def read_ras(path, *, duration=None, units=None, first_unit=0, limit=1 << 28):
    """Spikes of a `.ras` file.

    Parameters
    ----------
    path : str or path
        Of the file.
    duration : float, optional
        Length of the trial, s; spikes at or beyond it are refused.
    units : int, optional
        How many units there are; others are refused.
    first_unit : int
        Number that the file gives to the first unit: 0 or 1, as a rule.
    limit : int
        Largest file that is read, in bytes.

    Returns
    -------
    times_s : (E,) float64
        In seconds, never falling.
    units : (E,) int64
        Counted from 0.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is too large or no regular one, a line is not a spike or
        torn, a time is negative, not finite, beyond duration or before the
        one above, a unit unknown, or an option out of range; names file
        and line.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "spikes.ras")
    >>> write_ras(path, np.array([0.5, 0.75]), np.array([0, 2]), first_unit=1)
    >>> times, units = read_ras(path, first_unit=1)
    >>> times.tolist(), units.tolist()
    ([0.5, 0.75], [0, 2])
    >>> read_ras(path)[1].tolist()
    [1, 3]
    """
    duration, count, first = _options(duration, units, first_unit)
    path, limit = os.fspath(path), _integer("limit", limit, 1)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be a file of spikes")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be one")
    if os.path.getsize(path) > limit:
        raise ValueError(f"{path} has {os.path.getsize(path)} bytes: must have at most "
                         f"limit = {limit}")
    found, done, left, before = [(np.zeros(0), np.zeros(0, np.int64))], 0, limit, 0.0
    with open(path, "rb") as file:
        while True:
            numbers, times, ids, done, left = _block(file, path, done, left)
            if not numbers:
                break
            ids -= first
            fault = _first_fault(times, ids, before, duration, count, first)
            if fault:
                raise ValueError(f"{path}, line {numbers[fault[0]]}: {fault[1]}")
            found.append((times, ids))
            before = times[-1]
    times, ids = zip(*found, strict=True)
    return np.concatenate(times), np.concatenate(ids)


def write_ras(path, times_s, units, *, first_unit=0):
    """Write spikes to a `.ras` file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Of the file; one that is there is replaced.
    times_s : (E,) float
        In seconds, never falling, not negative.
    units : (E,) int
        Counted from 0.
    first_unit : int
        Number that the file gives to unit 0.

    Raises
    ------
    ValueError
        If shapes or dtypes are others, a time is negative, not finite or
        before the one above, or a unit or first_unit out of range.

    Examples
    --------
    >>> write_ras("none.ras", np.array([0.2, 0.1]), np.array([0, 0]))
    Traceback (most recent call last):
        ...
    ValueError: spike 1: time is 0.1 after 0.2: must not fall
    """
    _, _, first = _options(None, None, first_unit)
    times, ids = np.asarray(times_s), np.asarray(units)
    if times.dtype.kind != "f" or times.ndim != 1:
        raise ValueError(f"times_s is of shape {times.shape}, dtype {times.dtype}: "
                         "must be (E,) float, in seconds")
    if ids.dtype.kind not in "iu" or ids.shape != times.shape:
        raise ValueError(f"units is of shape {ids.shape}, dtype {ids.dtype}: must be "
                         f"integers of shape {times.shape} like times_s")
    times = times.astype(np.float64)
    fault = _first_fault(times, ids, 0.0, None, 10 ** 18 - first, 0)
    if fault:
        raise ValueError(f"spike {fault[0]}: {fault[1]}")
    path = os.fspath(path)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            for time, unit in zip(times.tolist(), ids.tolist(), strict=True):
                file.write(b"%r %d\n" % (time, unit + first))
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
