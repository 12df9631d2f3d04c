# refsnn 0.1.0 | oracle/hdf5.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read fields of an untrusted HDF5 file.

Before a field is read, its type, layout and size are checked.  Soft links
are rejected.  A field is also rejected if its data are in another file.
"""

import contextlib
import math
import os
import zlib

import h5py
import numpy as np

from refsnn.events import SEQUENCE

__all__ = ["naming", "need", "read"]

MEMBERS, PLACE = 20_000, 1000   # groups and datasets of a file, characters of a path
MOST, TEXT = 1 << 29, 1 << 20   # bytes of all arrays, and of the texts of a field
CHUNKS = 1 << 12                # compressed chunks of a field
DEFLATE, FILTERS = 1, {1, 2, 3, 32000}      # also shuffle, Fletcher checksum, LZF


def need(good, told):
    """Raise a ValueError with the message `told` if `good` is false.

    >>> need(1 > 2, "x is 1: must be above 2")
    Traceback (most recent call last):
    ValueError: x is 1: must be above 2
    """
    if not good:
        raise ValueError(told)


@contextlib.contextmanager
def naming(path):
    """Turn every error in a `with` block into a ValueError that names `path`.

    >>> with naming("nowhere.h5"):
    ...     pass
    Traceback (most recent call last):
    ValueError: nowhere.h5 is missing: must be a file
    """
    need(os.path.isfile(path), f"{path} is missing: must be a file")
    try:
        yield
    except Exception as error:      # the HDF5 library raises errors of many kinds
        told = str(error).removeprefix(path).strip(": .") or type(error).__name__
        told = told if ": must" in told else f"{told}: must be an intact file"
        told = told if len(told) < 360 else f"{told[:180]} ... {told[-180:]}"
        raise ValueError("".join(c if c.isprintable() else " "
                                 for c in f"{path}: {told}")) from None


def read(path, names, texts=()):
    """Return the fields of all groups of a file as a dict {group: {name: value}}.

    Fields and attributes are skipped if the set `names` does not contain their
    names.  Attributes are returned as floats.  A field becomes a list of str
    if `texts` contains its name, and otherwise an array.  The key of a group
    is its path in the file.  The key of the root group is the empty string.

    >>> read("nowhere.h5", {"data"})
    Traceback (most recent call last):
    ValueError: nowhere.h5 is missing: must be a file
    """
    found, count, size = {}, 0, 0
    with naming(path), h5py.File(path, "r") as file:
        groups = [("", file)]
        for place, group in groups:         # inner groups are appended
            members = list(group)
            count += len(members)
            need(count <= MEMBERS and len(place) <= PLACE, f"{place} is too deep, or "
                 f"one of many: must be one of {MEMBERS} members at most")
            fields = found[place[:-1]] = {
                name: float(group.attrs[name]) for name in names & {*group.attrs}
                if group.attrs.get_id(name).shape == ()
                and group.attrs.get_id(name).dtype.kind in "fiu"}
            for name in members:
                where = f"{place}{name}"
                need(isinstance(name, str) and where.isprintable() and "/" not in name,
                     f"{where!r} is a path, or holds control characters: must have a "
                     "printable name")
                need(isinstance(group.get(name, getlink=True), h5py.HardLink),
                     f"{where} is a soft or external link: must be stored in the file "
                     "itself")
                if isinstance(group[name], h5py.Group):
                    groups.append((f"{where}/", group[name]))
                elif name in names:
                    text = name in texts
                    a = fields[name] = _field(group[name], where, text)
                    size += sum(len(word) + 50 for word in a) if text else a.nbytes
                    need(size <= MOST, f"{where} is one of many large arrays: must be "
                         f"{MOST} bytes in sum")
    return found


def _field(data, where, text):
    """Return a list of str if `text` is true, and an array otherwise."""
    need(isinstance(data, h5py.Dataset) and data.shape is not None and not (
        data.is_virtual or data.external), f"{where} holds nothing, or has its data in "
        "other files: must be an array in the file itself")
    plan, path = data.id.get_create_plist(), data.file.filename
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    size = data.dtype.itemsize * max(map(math.prod, (data.shape, data.chunks or ())))
    most = min(MOST, os.path.getsize(path) * (1032 if filters else 1))  # deflate
    need(size <= most and len(filters) == len(FILTERS & {*filters}), f"{where} is of "
         f"shape {data.shape}, chunks {data.chunks}, filters {filters}: must have at "
         f"most {most} bytes, and different filters of {sorted(FILTERS)}")
    kind = h5py.check_string_dtype(data.dtype)
    need(not data.size or (kind if text else data.dtype.kind in "fiub"), f"{where} is "
         f"of dtype {data.dtype}: must be {'text' if text else 'numbers'}")
    if kind and kind.length is None and data.size:  # HDF5 allocates without a check
        offset = data.id.get_offset()
        need(offset is not None and np.fromfile(
            path, SEQUENCE, data.size, offset=offset)["length"].sum(dtype=np.uint64)
            <= TEXT, f"{where} holds texts in pieces, or long ones: must have at most "
            f"{TEXT} bytes")
    count = data.id.get_num_chunks() if DEFLATE in filters else 0
    need(count <= CHUNKS, f"{where} has {count} compressed chunks: must be at most "
         f"{CHUNKS}")
    for chunk in map(data.id.get_chunk_info, range(count)):
        stream = zlib.decompressobj()       # HDF5 expands a chunk without a limit
        if not chunk.filter_mask >> filters.index(DEFLATE) & 1:
            packed = data.id.read_direct_chunk(chunk.chunk_offset)[1]
            stream.decompress(packed, size + 4)     # 4 bytes of a checksum
        need(not stream.unconsumed_tail, f"{where} has a chunk of more than {size} "
             "bytes: must be as large as declared")
    found = np.asarray(data[()])
    if not text:
        return found
    found = [bytes(word).decode() for word in found.astype(object).ravel()]
    need(all(map(str.isprintable, found)), f"{where} holds control characters: must "
         "be printable")
    return found
