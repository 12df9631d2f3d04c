"""Read and write spike trains in the `.ras` text format of the Auryn simulator.

Each line of a `.ras` file holds one spike: the time in seconds and the number of the
neuron, separated by blanks:

    # a comment
    0.0123 17

The function `read_ras` returns two arrays, `times_s` and `units`, which `binning.dense`
converts to a dense spike train.  In the published target files, the spikes form a
picture and are not sorted by time.  Therefore, these files need order="sort".

In the returned arrays, units (neurons) are counted from 0.  If the unit numbers in a
file start at 1, read the file with first_unit=1.  For example, the target file of a
published benchmark with 200 outputs uses the unit numbers 1 to 200.  With first_unit=0,
the spikes of this file are assigned to the wrong units, and an error is raised only if
units=200 is given.

Each spike time is read as the nearest float64 value.  The function `write_ras` writes
enough digits to restore each float64 spike time exactly.  Several spikes may have the
same time, even if they belong to the same unit.  A file is rejected if its last line
does not end with a newline character, because this line may be incomplete.  Reading
needs up to 32 bytes of memory per spike, or 56 bytes with `order="sort"`.
"""

import os
import re

import numpy as np

__all__ = ["read_ras", "write_ras"]

LINE = 256              # maximum length of a line, bytes
BLOCK = 1 << 14         # spikes read at a time
TIME = rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
SPIKE = re.compile(rb"[ \t]*(" + TIME + rb")[ \t]+([+-]?\d{1,18})\s*(?:#.*)?", re.S)
COMMENT = re.compile(rb"\s*(?:#.*)?", re.S)


def read_ras(path, *, duration=None, units=None, first_unit=0, order="file",
             limit=1 << 28):
    """Read the spikes of a `.ras` file.

    Parameters
    ----------
    path : str or path
        The file.
    duration : float, optional
        Length of the trial, s; spikes at or after this time are rejected.
    units : int, optional
        Number of units; larger unit numbers are rejected.
    first_unit : int
        Number of the first unit in the file, usually 0 or 1.
    order : {"file", "sort"}
        With "file", the spikes of the file must be in order of time.  With "sort",
        the spikes are sorted by time; spikes at equal times stay in the order of
        the file.
    limit : int
        Largest file size that is accepted, bytes.

    Returns
    -------
    times_s : (E,) float64
        Spike times, s, in ascending order.
    units : (E,) int64
        Units, counted from 0.

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
    >>> with open(path, "a") as file:
    ...     print("0.25 7", file=file)
    >>> read_ras(path, order="sort")[1].tolist()
    [7, 1, 3]
    """
    duration, count, first = _options(duration, units, first_unit)
    path, limit = os.fspath(path), _integer("limit", limit, 1)
    if not isinstance(order, str) or order not in ("file", "sort"):
        raise ValueError(f"order is {order!r}: must be 'file' or 'sort'")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be a file of spikes")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be one")
    if os.path.getsize(path) > limit:
        raise ValueError(f"{path} has {os.path.getsize(path)} bytes: must have at most "
                         f"limit = {limit}")
    found, done, left = [(np.zeros(0), np.zeros(0, np.int64))], 0, limit
    before = 0.0 if order == "file" else None
    with open(path, "rb") as file:
        while True:
            numbers, times, ids, done, left = _block(file, path, done, left)
            if not numbers:
                break
            ids -= first
            fault = _first_fault(times, ids, before, duration, count, first)
            if fault:
                hint = ", or order must be 'sort'" * fault[1].endswith("not fall")
                raise ValueError(f"{path}, line {numbers[fault[0]]}: {fault[1]}{hint}")
            found.append((times, ids))
            before = times[-1] if order == "file" else None
    times, ids = map(np.concatenate, zip(*found, strict=True))
    if order == "sort":
        sorted_ = np.argsort(times, kind="stable")
        return times[sorted_], ids[sorted_]
    return times, ids


def _block(file, path, done, left):
    """Read one block of lines."""
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


def write_ras(path, times_s, units, *, first_unit=0):
    """Write spikes to a `.ras` file.

    Parameters
    ----------
    path : str or path
        The file; an existing file is replaced.
    times_s : (E,) float
        Spike times, s, not negative and in ascending order.
    units : (E,) int
        Units, counted from 0.
    first_unit : int
        Number of unit 0 in the file.

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


def _first_fault(times, units, before, duration, count, first):
    """Return (index, error text) of the first invalid spike."""
    last = np.inf if duration is None else duration
    end = np.iinfo(np.int64).max if count is None else count
    earlier = np.zeros(len(times)) if before is None else \
        np.concatenate([[before], times[:-1]])
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


def _options(duration, units, first_unit):
    """Check and convert the options."""
    if duration is not None:
        number = isinstance(duration, (int, float, np.integer, np.floating))
        if isinstance(duration, bool) or not number or not 0 < duration < np.inf:
            raise ValueError(f"duration is {duration!r}: must be a finite number of "
                             "seconds above 0, or None")
        duration = float(duration)
    units = None if units is None else _integer("units", units, 1)
    return duration, units, _integer("first_unit", first_unit, 0)


def _integer(name, value, least):
    """Check an integer argument; return an int."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) \
            or not least <= value < 1 << 62:
        raise ValueError(f"{name} is {value!r}: must be an integer of at least {least}")
    return int(value)
