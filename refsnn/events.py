# refsnn 0.1.0 | events.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
r"""Read and write the spike files of the Heidelberg Spiking Data Sets.

The Spiking Heidelberg Digits and the Spiking Speech Commands [CSSZ20] are
recordings of spoken words, converted to spikes on 700 channels.  An HDF5
file holds N recordings.  Each recording has its own number E of spikes:

    spikes/times        N sequences (E,) of float16     spike times, s
    spikes/units        N sequences (E,) of uint16      channels 0 ... 699
    labels              (N,) uint16             indices into extra/keys
    extra/keys          (classes,) text         words
    extra/speaker       (N,) uint16             speakers of the recordings
    extra/meta_info     gender, age, body_height of each speaker

The spike times of each recording are sorted.  The fields extra/speaker and
extra/meta_info are optional; the Spiking Speech Commands lack them.
`read` checks the size of each field before it allocates memory.

Exact.  `read` converts spike times to float64 without rounding errors.
    Equal arguments of `write` give identical files.
Cost.   A spike takes 16 bytes.  `write` holds the whole file in memory.
Departures.  `write` rounds times to float16, as in the published files.
    Between 1 s and 2 s, float16 values are about 1 ms apart.  `read` also
    accepts other float and integer types.  `read` rejects HDF5 soft
    links, HDF5 external links and HDF5 references.  `read` also rejects
    fields whose data is stored in another file.  `read` hangs on some
    damaged files, because the HDF5 library hangs on these files.

[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, The Heidelberg
    Spiking Data Sets, IEEE TNNLS 33(7), 2744-2757, 2022; data CC BY 4.0.
"""

import contextlib
import io
import os
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import h5py
import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, one_of, shown

__all__ = ["read", "write"]

CHUNK = 1 << 26         # largest chunk of a field, bytes
ENTRIES = 1 << 22       # largest number of entries of a field
TEXT = 1 << 20          # largest size of the texts of a field, bytes
WORDS = 1 << 16         # largest number of words or speakers (uint16)
LATEST = 65504.0        # largest float16
CHANNELS = f"channels () int in [1, {WORDS}]"
SEQUENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])


class Speakers(NamedTuple):
    """Hold speaker properties.  The function `write` describes the fields."""
    gender: np.ndarray
    age: np.ndarray
    body_height: np.ndarray
    __repr__ = shown


class Recordings(NamedTuple):
    """Hold N recordings.  The function `read` describes the fields."""
    times: list
    units: list
    labels: np.ndarray
    keys: tuple
    speaker: np.ndarray
    meta: Speakers
    __repr__ = shown


def read(path, *, channels=700, unsorted="refuse", start=0, stop=None,
         limit=1 << 32):
    """Read the recordings from an HDF5 file.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "words.h5")
    >>> spikes = [(np.array([0.25, 0.5]), np.array([3, 699]))]
    >>> write(path, spikes, [1], ["zero", "one"], speaker=[4])
    >>> found = read(path)
    >>> found.times[0].tolist(), found.units[0].tolist(), found.keys
    ([0.25, 0.5], [3, 699], ('zero', 'one'))

    Parameters
    ----------
    path : str or path
    channels : int, number of channels
    unsorted : {"refuse", "sort"}
        Whether a file with unsorted times is rejected, or spikes are sorted.
    start, stop, limit : int
        Only the recordings start ... stop - 1 are returned, by default all.
        The result takes at most `limit` bytes.

    Returns
    -------
    Recordings
        times    list of N arrays (E,) float64, sorted spike times, s
        units    list of N arrays (E,) int64, channels
        labels   (N,) int64, indices into `keys`
        keys     tuple of words
        speaker  (N,) int64, or None if the file has no speakers
        meta     `Speakers`, or None if the file has no metadata
    """
    path = os.fsdecode(one_of("path", path, str, os.PathLike))
    one_of("unsorted", unsorted, "refuse", "sort")
    channels, start, stop, limit = arrays(
        f"{CHANNELS}, start () int in [0, inf), stop? () int in [1, inf), "
        "limit () in [0, inf]", channels, start, stop, limit)
    with _opened(path) as file:
        times, E = _sequences(file, path, "spikes/times", "f")
        units, E_units = _sequences(file, path, "spikes/units", "iu")
        labels = _column(file, path, "labels", "iu")
        keys = _column(file, path, "extra/keys", "U")
        speaker = _column(file, path, "extra/speaker", "iu", False)
        meta = [_column(file, path, f"extra/meta_info/{name}", "iufU", False)
                for name in Speakers._fields]
        _need(len({a is None for a in meta}) == 1, f"{path}, extra/meta_info lacks "
              "fields", f"have all of {Speakers._fields}, or none")
        N = len(labels)
        _need(N == len(E) == len(E_units), f"{path}: labels, spikes/times and "
              f"spikes/units have {N}, {len(E)}, {len(E_units)} entries",
              "have equally many")
        labels, keys, speaker, meta = _about(
            path, labels, keys, speaker, None if meta[0] is None else meta)
        _need((E == E_units).all(), f"{path}, recording {np.argmax(E != E_units)}: "
              "spikes/times and spikes/units have different lengths",
              "have equal lengths")
        stop = N if stop is None else stop
        _need(start < stop <= N, f"{path}: start is {start}, stop is {stop}",
              f"be start < stop <= {N}, the number of recordings")
        size = int(E[start:stop].sum()) * 16 + (stop - start) * 256
        _need(size <= limit, f"{path}: {stop - start} recordings take {size} bytes",
              f"take at most limit = {limit}; read fewer of them with start and stop")
        pairs = [_spikes(f"{path}, recording {i}", *pair, channels, unsorted)
                 for i, pair in enumerate(zip(times[start:stop], units[start:stop],
                                              strict=True), start)]
    return Recordings([t for t, _ in pairs], [u for _, u in pairs], labels[start:stop],
                      tuple(keys.tolist()), speaker if speaker is None
                      else speaker[start:stop], meta)


@contextlib.contextmanager
def _opened(path):
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be an HDF5 file")
    _need(os.path.isfile(path) and h5py.is_hdf5(path), f"{path} is not an HDF5 file",
          "be one; unpack it first if it is compressed")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except Exception as error:      # the HDF5 library raises errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(path):
            raise
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{path}: {told}: must be an intact HDF5 file") from None


def _sequences(file, path, field, kinds):
    data = _field(file, path, field)
    base = h5py.check_vlen_dtype(data.dtype)
    _need(isinstance(base, np.dtype) and base.kind in kinds and base.itemsize <= 8
          and base.isnative,            # h5py misreads other byte orders
          f"{path}, {field} is of dtype {base or data.dtype}", "hold sequences of "
          f"variable length, of dtype kind {' or '.join(kinds)} in native byte order")
    return data, _lengths(data, path, field, base.itemsize)


def _lengths(data, path, field, itemsize):
    # The bytes are read here, because HDF5 allocates the lengths without a check.
    where, N, most = f"{path}, {field}", len(data), os.path.getsize(path)
    length, offset = np.zeros(N, np.int64), data.id.get_offset()
    _need(data.file.id.get_create_plist().get_sizes()[0] == 8
          and (data.chunks or offset is not None), f"{where} has unusual addresses",
          "be stored at addresses of 8 bytes")
    if data.chunks:
        for k in range(data.id.get_num_chunks()):
            first, raw = _chunk(data, where, k)
            part = np.frombuffer(raw, SEQUENCE)["length"][:N - first]
            length[first:first + len(part)] = part
    else:
        length[:] = np.fromfile(path, SEQUENCE, N, offset=offset)["length"]
    total = int(length.sum()) * itemsize
    _need(total <= most, f"{where} declares {total} bytes",
          f"hold at most {most}, the size of the file")
    return length


def _chunk(data, where, k):
    """Return index and bytes of a chunk."""
    first, plan = data.id.get_chunk_info(k).chunk_offset, data.id.get_create_plist()
    skipped, raw = data.id.read_direct_chunk(first)
    for i in range(plan.get_nfilters()):
        if not skipped >> i & 1:        # the shuffle filter is always skipped
            _need(plan.get_filter(i)[0] == h5py.h5z.FILTER_DEFLATE,
                  f"{where} has filter {plan.get_filter(i)[3]}", "use deflate only")
            raw = zlib.decompressobj().decompress(raw, CHUNK)
    return first[0], raw


def _column(file, path, field, kinds, needed=True):
    data = _field(file, path, field, needed)
    if data is None:
        return None
    where, text = f"{path}, {field}", h5py.check_string_dtype(data.dtype)
    _need((data.dtype.kind if text is None else "U") in kinds,
          f"{where} is of dtype {data.dtype}",
          f"be of dtype kind {' or '.join(kinds)} (U: text)")
    if text is None:
        return data[:]
    size = len(data) * text.length if text.length else \
        int(_lengths(data, path, field, 1).sum())
    _need(size <= TEXT, f"{where} has {size} bytes", f"have at most {TEXT}")
    return np.array([bytes(word).decode() for word in data[:]])


def _field(file, path, field, needed=True):
    data, where = file, f"{path}, "
    for name in field.split("/"):
        data, where = _member(data, name, where, needed), f"{where}{name}/"
        if data is None:
            return None
    where = where[:-1]
    _filters(data, where)
    _need(len(data.shape) == 1 and data.size <= ENTRIES,
          f"{where} is of shape {data.shape}",
          f"be one-dimensional with at most {ENTRIES} entries")
    _need(not data.chunks or data.chunks[0] * data.dtype.itemsize <= CHUNK,
          f"{where} has chunks of {data.chunks} entries",
          f"have chunks of at most {CHUNK} bytes")
    return data


def _member(group, name, where, needed=True):
    """Return a group or dataset, or None if it is missing."""
    _need(isinstance(group, h5py.Group), f"{where.rstrip('/, :')} is no group",
          "be one")
    key, where = name.encode(), f"{where}{name:.60}"
    if not key or not group.id.links.exists(key):
        _need(not needed, f"{where} is missing", "be present")
        return None
    _need(group.id.links.get_info(key).type == h5py.h5l.TYPE_HARD,
          f"{where} is a soft or external link", "be stored in the file itself")
    return group[name]


def _filters(data, where):
    """Return the HDF5 filters of a dataset, and reject external data."""
    _need(isinstance(data, h5py.Dataset), f"{where} is no dataset", "be one")
    plan = data.id.get_create_plist()
    _need(plan.get_layout() != h5py.h5d.VIRTUAL and not plan.get_external_count(),
          f"{where} has its data in other files", "be stored in the file itself")
    _need(data.shape is not None, f"{where} is of shape None", "hold entries")
    return {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}


def write(path, spikes, labels, keys, *, speaker=None, meta=None, channels=700):
    """Write spikes and labels to a new file.  An error leaves no partial file.

    >>> write("none.h5", [], [0, 3], ["zero", "one"])
    Traceback (most recent call last):
    ValueError: none.h5, recording 1, labels is 3: must be in 0 ... 1

    Parameters
    ----------
    path : str or path of a new file
    spikes : iterable of N pairs ((E,) float, (E,) int)
        Sorted spike times in seconds and channels of each recording.
    labels, keys : (N,) int and sequence of str
        Index into `keys` for each recording, and the words.
    speaker : (N,) int, optional
    meta : Speakers, optional, properties of the speakers 0, 1, ...

        gender, age, body_height  (speakers,) array
    channels : int, number of channels, larger than every channel in `spikes`
    """
    path = os.fsdecode(one_of("path", path, str, os.PathLike))
    channels, labels, speaker = arrays(
        f"{CHANNELS}, labels (N) int, speaker? (N) int", channels, labels, speaker)
    one_of("spikes", spikes, Iterable)
    meta = meta if meta is None else bundle("meta", meta, Speakers)
    _need(not any(isinstance(a, np.ma.MaskedArray) for a in (keys, *(meta or ()))),
          "keys or meta holds a masked array", "hold plain arrays")
    _need(not os.path.lexists(path), f"{path} exists", "be a new file")
    _need(os.path.isdir(os.path.dirname(path) or "."), f"{path} has no parent folder",
          "be in an existing folder")
    given = keys
    labels, keys, speaker, meta = _about(path, labels, keys, speaker, meta)
    _need(all(isinstance(key, str) for key in given), "keys holds an entry that is no "
          "text", "hold texts only")
    columns = {"labels": labels.astype(np.uint16), "extra/keys": keys}
    columns |= {} if speaker is None else {"extra/speaker": speaker.astype(np.uint16)}
    for name, a in (meta._asdict() if meta else {}).items():
        columns[f"extra/meta_info/{name}"] = a
    image = io.BytesIO()        # the HDF5 library crashes when a disk is full
    with h5py.File(image, "w") as file:
        _fill(file, path, spikes, len(labels), channels)
        for name, a in columns.items():
            file[name] = np.char.encode(a, "utf-8") if a.dtype.kind == "U" else a
    part = f"{path}.{os.getpid()}.part"
    stream = open(part, "xb")
    try:
        with stream:
            stream.write(image.getbuffer())
        _need(not os.path.lexists(path), f"{path} was created meanwhile",
              "be a new file")
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _fill(file, path, spikes, N, channels):
    fields = [file.create_dataset(f"spikes/{name}", (N,), h5py.vlen_dtype(kind))
              for name, kind in (("times", np.dtype("f2")), ("units", np.dtype("u2")))]
    i = -1
    for i, pair in enumerate(spikes):
        where = f"{path}, recording {i}"
        _need(i < N, f"{path}: spikes has more recordings than labels", f"have {N}")
        _need(isinstance(pair, (list, tuple)) and len(pair) == 2, f"spikes[{i}] is of "
              f"type {type(pair).__name__}", "be a pair (times, units)")
        times, units = arrays(f"spikes[{i}].times (E*), spikes[{i}].units (E*) int",
                              *pair)
        _need(times.dtype.kind == "f", f"spikes[{i}].times is {times.dtype}",
              "be floats, in s")
        pair = _spikes(where, times, units, channels, "refuse")
        _need((pair[0] <= LATEST).all(), f"{where}, spikes/times: the last spike is at "
              f"{pair[0][-1:].sum()} s", f"be at most {LATEST} s, because of float16")
        for data, a in zip(fields, pair, strict=True):
            data[i] = a.astype(h5py.check_vlen_dtype(data.dtype))
    _need(i == N - 1, f"{path}: spikes has {i + 1} recordings", f"have {N}, as labels")


def _about(path, labels, keys, speaker, meta):
    keys, most = np.asarray(keys), WORDS
    _need(keys.dtype.kind == "U" and keys.ndim == 1 and 0 < keys.size <= WORDS
          and np.unique(keys).size == keys.size, f"{path}, extra/keys is of shape "
          f"{keys.shape}, dtype {keys.dtype}", f"be from 1 to {WORDS} different texts")
    _need(0 < labels.size <= ENTRIES, f"{path}, labels is of shape {labels.shape}",
          f"be one for each of 1 to {ENTRIES} recordings")
    if meta is not None:
        meta = Speakers(*map(np.asarray, meta))
        most = meta.gender.size
        for name, a in meta._asdict().items():
            _need(a.dtype.kind in "iufU" and a.shape == (most,) and 0 < most <= WORDS
                  and (a.dtype.kind != "f" or np.isfinite(a).all()),
                  f"{path}, extra/meta_info/{name} (meta.{name}) is of shape {a.shape},"
                  f" dtype {a.dtype}",
                  "be finite numbers or texts, one for each speaker")
    found = [labels, np.zeros(labels.shape, int) if speaker is None else speaker]
    for field, a, end in zip(("labels", "extra/speaker"), found, (keys.size, most),
                             strict=True):
        _need(a.shape == labels.shape, f"{path}, {field} is of shape {a.shape}",
              "be one for each recording")
        i = int(np.argmax((a < 0) | (a >= end)))
        _need(0 <= a[i] < end, f"{path}, recording {i}, {field} is {a[i]}",
              f"be in 0 ... {end - 1}")
    labels, speakers = (a.astype(np.int64) for a in found)
    return labels, keys, None if speaker is None else speakers, meta


def _spikes(where, times, units, channels, unsorted):
    for name, a, bad, must in (
            ("times", times, ~((times >= 0) & (times < np.inf)),
             "be finite, in s, and not negative"),
            ("units", units, (units < 0) | (units >= channels),
             f"be in 0 ... {channels - 1}")):
        if bad.any():
            i = int(np.argmax(bad))
            _need(False, f"{where}, spikes/{name}: spike {i} is {a[i]}", must)
    times, units = times.astype(np.float64), units.astype(np.int64)
    falls = np.flatnonzero(times[1:] < times[:-1])
    if falls.size:
        i = int(falls[0])
        _need(unsorted == "sort", f"{where}, spikes/times: spike {i + 1} is "
              f"{times[i + 1]} after {times[i]}", "not fall unless unsorted='sort'")
        order = np.argsort(times, kind="stable")
        times, units = times[order], units[order]
    return times, units


def _need(good, what, must):
    if not good:
        raise ValueError(f"{what}: must {must}")
