# refsnn 0.1.0 | events.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
r"""Files of the Spiking Heidelberg Digits and of Spiking Speech Commands.

One HDF5 file holds one part of a data set, N recordings:

    spikes/times        (N,) of (E,) float16    s, never falling
    spikes/units        (N,) of (E,) uint16     channels 0 ... 699
    labels              (N,) uint16             places in extra/keys
    extra/keys          (classes,) text         words
    extra/speaker       (N,) uint16             not in Speech Commands
    extra/meta_info     gender, age, body_height of each speaker; optional

Files come from elsewhere: what a field declares is compared with a limit
and the file's size before memory is taken for it; whatever is not of this
form is refused by file, recording and field.

Exact.  Times are widened to float64, units to int64, before anything is
    computed: 1.4 s in microseconds is beyond float16.  What was written is
    read to the bit, and the same spikes make the same file.
Cost.   16 bytes a spike, and those of the file, held in memory.
Departures.  Times are rounded to float16, as published: to 0.5 ms from 0.5
    to 1 s, to 1 ms from 1 to 2 s.  Floats and integers of any width are
    read, for published files were not at hand.  Links other than hard
    ones, data kept in other files and objects are refused, never followed.
    Not refused: bytes damaged so that the HDF5 library itself never ends.

Data.  B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg
    Spiking Data Sets, IEEE TNNLS 33(7), 2744-2757, 2022, CC BY 4.0.
"""

import contextlib
import io
import os
import zlib
from typing import NamedTuple

import h5py
import numpy as np

__all__ = ["Recordings", "Speakers", "read", "write"]

CHUNK = 1 << 26         # bytes that one chunk of a field may have
ENTRIES = 1 << 22       # of a field
TEXT = 1 << 20          # bytes that the words of a field may have
WORDS = 1 << 16         # of uint16: words, speakers, channels
SEQUENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])


class Speakers(NamedTuple):
    """What is known of each speaker, by number: texts or numbers."""

    gender: np.ndarray
    age: np.ndarray
    body_height: np.ndarray


class Recordings(NamedTuple):
    """Spikes of N recordings, and what was said by whom."""

    times: list             # of (E,) float64, s, never falling
    units: list             # of (E,) int64, channels
    labels: np.ndarray      # (N,) int64, places in keys
    keys: tuple             # of str
    speaker: np.ndarray     # (N,) int64, or None
    meta: Speakers          # or None


def _need(good, what, must):
    if not good:
        raise ValueError(f"{what}: must {must}")


@contextlib.contextmanager
def _opened(path):
    """An HDF5 file to read; whatever the library says becomes a ValueError."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be an HDF5 file of spikes")
    _need(os.path.isfile(path) and h5py.is_hdf5(path), f"{path} is no HDF5 file",
          "be one, and unpacked where it came compressed")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError,
            ArithmeticError, zlib.error) as error:
        if isinstance(error, ValueError) and str(error).startswith(path):
            raise
        raise ValueError(f"{path}: {error}: must be an intact HDF5 file") from None


def _field(file, path, field, needed=True):
    """A dataset (N,) of hard links and data in the file alone, or None."""
    data, so_far = file, []
    for name in field.split("/"):
        _need(isinstance(data, h5py.Group), f"{path}, {'/'.join(so_far)} is no group",
              "be one")
        so_far.append(name)
        where, links = f"{path}, {'/'.join(so_far)}", data.id.links
        if not links.exists(name.encode()):
            _need(not needed, f"{where} is missing", "be there")
            return None
        _need(links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD,
              f"{where} is a link to elsewhere", "be in the file itself")
        data = data[name]
    _need(isinstance(data, h5py.Dataset), f"{where} is no dataset", "be one")
    plan = data.id.get_create_plist()
    _need(plan.get_layout() != h5py.h5d.VIRTUAL and not plan.get_external_count(),
          f"{where} has its data in other files", "be in the file itself")
    _need(data.shape is not None and len(data.shape) == 1 and data.size <= ENTRIES,
          f"{where} is of shape {data.shape}",
          f"be one-dimensional, of at most {ENTRIES} entries")
    _need(not data.chunks or data.chunks[0] * data.dtype.itemsize <= CHUNK,
          f"{where} has chunks of {data.chunks} entries", f"have {CHUNK} bytes in each")
    return data


def _chunk(data, where, k):
    """First entry of a stored chunk, and its bytes as before the filters."""
    first, plan = data.id.get_chunk_info(k).chunk_offset, data.id.get_create_plist()
    skipped, raw = data.id.read_direct_chunk(first)
    for i in range(plan.get_nfilters()):
        if not skipped >> i & 1:        # shuffling is, always
            _need(plan.get_filter(i)[0] == h5py.h5z.FILTER_DEFLATE,
                  f"{where} has filter {plan.get_filter(i)[3]}", "have only deflate")
            raw = zlib.decompressobj().decompress(raw, CHUNK)
    return first[0], raw


def _lengths(data, path, field, width):
    """Lengths (N,) of sequences, `width` bytes an item, before any is read.

    The library takes what memory a sequence declares before it looks whether
    the file has as much.  Sequences themselves are never compressed.
    """
    where, N, most = f"{path}, {field}", len(data), os.path.getsize(path)
    length, offset = np.zeros(N, np.int64), data.id.get_offset()
    _need(data.file.id.get_create_plist().get_sizes()[0] == 8
          and (data.chunks or offset is not None), f"{where} has other addresses",
          "have those of 8 bytes, in a place of their own")
    if data.chunks:
        for k in range(data.id.get_num_chunks()):
            first, raw = _chunk(data, where, k)
            part = np.frombuffer(raw, SEQUENCE)["length"][:N - first]
            length[first:first + len(part)] = part
    else:
        length[:] = np.fromfile(path, SEQUENCE, N, offset=offset)["length"]
    total = int(length.sum()) * width
    _need(total <= most, f"{where} declares {total} bytes",
          f"have at most the {most} of the file")
    return length


def _sequences(file, path, field, kinds):
    """A field of spikes, and the lengths of its sequences."""
    data = _field(file, path, field)
    base = h5py.check_vlen_dtype(data.dtype)
    _need(isinstance(base, np.dtype) and base.kind in kinds and base.itemsize <= 8
          and base.isnative,            # h5py reads the others wrongly
          f"{path}, {field} is of dtype {base or data.dtype}",
          f"be sequences of variable length, of a kind of {kinds}, in native order")
    return data, _lengths(data, path, field, base.itemsize)


def _column(file, path, field, kinds, needed=True):
    """A field of numbers or of texts as an array, or None."""
    data = _field(file, path, field, needed)
    if data is None:
        return None
    where, text = f"{path}, {field}", h5py.check_string_dtype(data.dtype)
    _need((data.dtype.kind if text is None else "U") in kinds,
          f"{where} is of dtype {data.dtype}", f"be of a kind of {kinds}")
    if text is None:
        return data[:]
    size = len(data) * text.length if text.length else \
        int(_lengths(data, path, field, 1).sum())
    _need(size <= TEXT, f"{where} has {size} bytes", f"have at most {TEXT}")
    return np.array([bytes(word).decode() for word in data[:]])


def _about(path, channels, labels, keys, speaker, meta):
    """Labels and speakers as int64, and what they refer to, as arrays."""
    keys, labels, most = np.asarray(keys), np.asarray(labels), WORDS
    _need(isinstance(channels, (int, np.integer)) and 0 < channels <= WORDS,
          f"{path}: channels is {channels!r}", f"be an integer in 1 ... {WORDS}")
    _need(keys.dtype.kind == "U" and keys.ndim == 1 and 0 < keys.size <= WORDS
          and np.unique(keys).size == keys.size, f"{path}, extra/keys is of shape "
          f"{keys.shape}, dtype {keys.dtype}", f"be from 1 to {WORDS} different texts")
    _need(labels.ndim == 1 and 0 < labels.size <= ENTRIES,
          f"{path}, labels is of shape {labels.shape}",
          f"be one for each of 1 to {ENTRIES} recordings")
    if meta is not None:
        meta = Speakers(*map(np.asarray, meta))
        most = meta.gender.size
        for name, a in meta._asdict().items():
            _need(a.dtype.kind in "iufU" and a.shape == (most,) and 0 < most <= WORDS
                  and (a.dtype.kind != "f" or np.isfinite(a).all()),
                  f"{path}, extra/meta_info/{name} is {str(a)[:60]}",
                  "be finite numbers or texts, one for each speaker")
    found = [labels, np.asarray(np.zeros(labels.shape, int) if speaker is None
                                else speaker)]
    for field, a, end in zip(("labels", "extra/speaker"), found, (keys.size, most),
                             strict=True):
        _need(a.dtype.kind in "iu" and a.shape == labels.shape,
              f"{path}, {field} is of shape {a.shape}, dtype {a.dtype}",
              "be integers, one for each recording")
        i = int(np.argmax((a < 0) | (a >= end)))
        _need(0 <= a[i] < end, f"{path}, recording {i}, {field} is {a[i]}",
              f"be in 0 ... {end - 1}")
    labels, speakers = (a.astype(np.int64) for a in found)
    return labels, keys, None if speaker is None else speakers, meta


def _spikes(where, times, units, channels, unsorted):
    """Times as float64, units as int64 of a recording, checked."""
    _need(times.ndim == 1 and times.shape == units.shape and times.dtype.kind == "f"
          and units.dtype.kind in "iu", f"{where}: spikes/times, spikes/units are of "
          f"shapes {times.shape}, {units.shape}, {times.dtype}, {units.dtype}",
          "be floats and integers of equal length")
    for name, a, bad, must in (
            ("times", times, ~((times >= 0) & (times < np.inf)),
             "be finite, in s, and not negative"),
            ("units", units, (units < 0) | (units >= channels),
             f"be in 0 ... {channels - 1}")):
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(
                f"{where}, spikes/{name}: spike {i} is {a[i]}: must {must}")
    times, units = times.astype(np.float64), units.astype(np.int64)
    falls = np.flatnonzero(times[1:] < times[:-1])
    if falls.size:
        i = int(falls[0])
        _need(unsorted == "sort", f"{where}, spikes/times: spike {i + 1} is "
              f"{times[i + 1]} after {times[i]}", "not fall, or unsorted='sort'")
        order = np.argsort(times, kind="stable")
        times, units = times[order], units[order]
    return times, units


def read(path, *, channels=700, unsorted="refuse", start=0, stop=None,
         limit=1 << 32):
    """Recordings of a file.

    Parameters
    ----------
    path : str or path
        Of the HDF5 file.
    channels : int
        How many there are; other units are refused.
    unsorted : "refuse" or "sort"
        What happens where times of a recording fall.
    start, stop : int
        The first of the recordings that are read, and the one after the
        last; the end of the file by default.
    limit : int
        Most bytes that the result may take.

    Returns
    -------
    Recordings
        Times in s.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated or no HDF5 file, a field is missing, a link,
        of another dtype or shape, declares more than the file holds, or has
        values that are not allowed; names file, field and recording.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "words.h5")
    >>> spikes = [(np.array([0.25, 0.5]), np.array([3, 699]))]
    >>> write(path, spikes, [1], ["zero", "one"], speaker=[4])
    >>> found = read(path)
    >>> found.times[0].tolist(), found.units[0].tolist(), found.keys
    ([0.25, 0.5], [3, 699], ('zero', 'one'))
    """
    path = os.fsdecode(path)
    _need(unsorted in ("refuse", "sort"), f"unsorted is {unsorted!r}",
          "be 'refuse' or 'sort'")
    with _opened(path) as file:
        times, E = _sequences(file, path, "spikes/times", "f")
        units, F = _sequences(file, path, "spikes/units", "iu")
        labels = _column(file, path, "labels", "iu")
        keys = _column(file, path, "extra/keys", "U")
        speaker = _column(file, path, "extra/speaker", "iu", False)
        meta = [_column(file, path, f"extra/meta_info/{name}", "iufU", False)
                for name in Speakers._fields]
        _need(len({a is None for a in meta}) == 1, f"{path}, extra/meta_info lacks "
              "fields", f"have all of {Speakers._fields}, or none")
        N = len(labels)
        _need(N == len(E) == len(F), f"{path}: labels, spikes/times and spikes/units "
              f"have {N}, {len(E)}, {len(F)} entries", "be as many")
        labels, keys, speaker, meta = _about(
            path, channels, labels, keys, speaker, None if meta[0] is None else meta)
        _need((E == F).all(), f"{path}, recording {np.argmax(E != F)}: spikes/times "
              "and spikes/units have different lengths", "be of equal length")
        stop = N if stop is None else stop
        _need(isinstance(start, int) and isinstance(stop, int) and 0 <= start < stop
              and stop <= N, f"{path}: start, stop are {start!r}, {stop!r}",
              f"be integers in 0 ... {N}, in this order")
        size = int(E[start:stop].sum()) * 16 + (stop - start) * 256
        _need(size <= limit, f"{path}: {stop - start} recordings take {size} bytes",
              f"take at most limit = {limit}: see `start`")
        pairs = [_spikes(f"{path}, recording {i}", *pair, channels, unsorted)
                 for i, pair in enumerate(zip(times[start:stop], units[start:stop],
                                              strict=True), start)]
    return Recordings([t for t, _ in pairs], [u for _, u in pairs], labels[start:stop],
                      tuple(keys.tolist()), speaker if speaker is None
                      else speaker[start:stop], meta)


def _fill(file, path, spikes, N, channels):
    """Spikes into an open file, one recording after the other."""
    fields = [file.create_dataset(f"spikes/{name}", (N,), h5py.vlen_dtype(kind))
              for name, kind in (("times", np.dtype("f2")), ("units", np.dtype("u2")))]
    i = -1
    for i, pair in enumerate(spikes):
        where = f"{path}, recording {i}"
        _need(i < N, f"{path}: spikes has more recordings than labels", f"have {N}")
        pair = _spikes(where, *map(np.asarray, pair), channels, "refuse")
        _need((pair[0] <= np.finfo(np.float16).max).all(),
              f"{where}, spikes/times ends at {pair[0][-1:]}", "fit into float16")
        for data, a in zip(fields, pair, strict=True):
            data[i] = a.astype(h5py.check_vlen_dtype(data.dtype))
    _need(i == N - 1, f"{path}: spikes has {i + 1} recordings", f"have {N}, as labels")


def write(path, spikes, labels, keys, *, speaker=None, meta=None, channels=700):
    """Write a new file, whole or not at all.

    Parameters
    ----------
    path : str or path
        Of the file; there must be none yet.
    spikes : iterable of pairs ((E,) float, (E,) int)
        Times in s, never falling, rounded to float16, and channels, of one
        recording after the other; may be made while it is written.
    labels : (N,) int
        Places in keys.
    keys : sequence of str
        Words.
    speaker : (N,) int, optional
        Who speaks.
    meta : Speakers, optional
        Of the speakers 0, 1 and so on.
    channels : int
        How many there are.

    Raises
    ------
    ValueError
        If there is something at path, or something could not be read again;
        names the field and the recording.

    Examples
    --------
    >>> write("none.h5", [], [0, 3], ["zero", "one"])
    Traceback (most recent call last):
        ...
    ValueError: none.h5, recording 1, labels is 3: must be in 0 ... 1
    """
    path = os.fsdecode(path)
    _need(not os.path.lexists(path), f"{path} is there already", "be a new file")
    _need(os.path.isdir(os.path.dirname(path) or "."), f"{path} has no folder",
          "be in one that exists")
    labels, keys, speaker, meta = _about(path, channels, labels, keys, speaker, meta)
    columns = {"labels": labels.astype(np.uint16), "extra/keys": keys}
    columns |= {} if speaker is None else {"extra/speaker": speaker.astype(np.uint16)}
    for name, a in (meta._asdict() if meta else {}).items():
        columns[f"extra/meta_info/{name}"] = a
    image = io.BytesIO()        # HDF5 itself crashes where a disk is full
    with h5py.File(image, "w") as file:
        _fill(file, path, spikes, len(labels), channels)
        for name, a in columns.items():
            file[name] = np.char.encode(a, "utf-8") if a.dtype.kind == "U" else a
    part = f"{path}.{os.getpid()}.part"
    stream = open(part, "xb")
    try:
        with stream:
            stream.write(image.getbuffer())
        _need(not os.path.lexists(path), f"{path} has appeared meanwhile", "be new")
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)
