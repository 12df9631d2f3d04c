# refsnn 0.1.0 | oracle/hdf5.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read fields of an untrusted HDF5 file.

Before a field is read, its link, type, layout and size are checked.  A
damaged or hostile file is refused before large memory is taken.  Links and
data in other files are not followed.  In messages, a place such as
"a.nir: node/" stands before the name of a field.
"""

import contextlib
import math
import os

import h5py
import numpy as np

__all__ = ["attribute", "field", "member", "names", "need", "opened"]

MOST, TEXT = 1 << 28, 1 << 20   # bytes, largest field and its texts
MEMBERS = 2000                  # largest number of members of a group
FILTERS = {1, 2, 3, 32000}      # deflate, shuffle, Fletcher checksum, LZF
SEQUENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])


def need(good, told):
    """Raise a ValueError unless a condition holds.

    >>> need(False, "tau is 0: must be above 0")
    Traceback (most recent call last):
    ValueError: tau is 0: must be above 0
    """
    if not good:
        raise ValueError(told)


@contextlib.contextmanager
def opened(path):
    """Open an HDF5 file; errors of the HDF5 library become ValueErrors.

    >>> with opened("nowhere.nir") as file:
    ...     pass
    Traceback (most recent call last):
    ValueError: nowhere.nir is missing: must be an HDF5 file
    """
    need(os.path.isfile(path), f"{path} is missing: must be an HDF5 file")
    need(h5py.is_hdf5(path) and os.path.getsize(path) <= 4 * MOST, f"{path} is no HDF5 "
         f"file, or too large: must be one of {4 * MOST} bytes at most")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except Exception as error:      # the HDF5 library raises errors of many kinds
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(told if told.startswith(path) else f"{path}: {told}: must be "
                         "an intact HDF5 file") from None


def names(group, where):
    """Return the names of all members of a group.

    >>> names(None, "a.nir: node")
    Traceback (most recent call last):
    ValueError: a.nir: node is no group: must be one of 2000 members at most
    """
    need(isinstance(group, h5py.Group) and len(group) <= MEMBERS, f"{where} is no "
         f"group: must be one of {MEMBERS} members at most")
    return list(group)


def member(group, name, where, needed=True):
    """Return a group or dataset, or None if it is missing and not needed.

    >>> file = h5py.File("a.nir", "w", driver="core", backing_store=False)
    >>> member(file, "node", "a.nir: ")
    Traceback (most recent call last):
    ValueError: a.nir: node is missing: must be present
    """
    need(isinstance(group, h5py.Group), f"{where} is no group: must be one")
    links, key = group.id.links, name.encode()
    if not key or not links.exists(key):
        need(not needed, f"{where}{name:.60} is missing: must be present")
        return None
    need(links.get_info(key).type == h5py.h5l.TYPE_HARD, f"{where}{name:.60} is a soft "
         "or external link: must be stored in the file itself")
    return group[name]


def field(group, name, where, kinds="fiub", needed=True):
    """Return a field as an array of numbers, or as a list of texts for kinds="U".

    >>> file = h5py.File("a.nir", "w", driver="core", backing_store=False)
    >>> field(file, "version", "a.nir: ", "U", needed=False) is None
    True
    """
    data, where = member(group, name, where, needed), f"{where}{name:.60}"
    if data is None:
        return None
    need(isinstance(data, h5py.Dataset) and data.shape is not None, f"{where} is no "
         "array: must be one")
    plan, file = data.id.get_create_plist(), data.file.filename
    need(plan.get_layout() != h5py.h5d.VIRTUAL and not plan.get_external_count(),
         f"{where} has its data in other files: must be stored in the file itself")
    filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    size = data.dtype.itemsize * max(map(math.prod, (data.shape, data.chunks or ())))
    most = min(MOST, os.path.getsize(file) * (1032 if filters else 1))  # deflate
    need(filters <= FILTERS and size <= most, f"{where} is of shape {data.shape}, "
         f"chunks {data.chunks}, filters {sorted(filters)}: must have at most {most} "
         f"bytes, and filters of {sorted(FILTERS)}")
    text = h5py.check_string_dtype(data.dtype)
    need((data.dtype.kind if text is None else "U") in kinds or not data.size,
         f"{where} is of dtype {data.dtype}: must be of kind "
         f"{' or '.join(kinds)} (U: text)")
    if text and text.length is None and data.size:  # HDF5 allocates without a check
        offset = data.id.get_offset()
        need(offset is not None and np.fromfile(
            file, SEQUENCE, data.size, offset=offset)["length"].sum(dtype=np.uint64)
            <= TEXT, f"{where} holds texts in pieces, or long ones: must have at most "
            f"{TEXT} bytes")
    found = np.asarray(data[()])
    return found if "U" not in kinds else [
        bytes(word).decode() for word in found.astype(object).ravel()]


def attribute(group, name, where, kind=str):
    """Return an attribute that holds one text, or one finite number.

    >>> file = h5py.File("a.h5", "w", driver="core", backing_store=False)
    >>> attribute(file, "dt", "a.h5: ", float)
    Traceback (most recent call last):
    ValueError: a.h5: dt is None: must be a float
    """
    need(isinstance(group, h5py.Group), f"{where} is no group: must be one")
    value = group.attrs.get(name)
    value = value.decode() if isinstance(value, bytes) else value
    need(isinstance(value, str) if kind is str else np.ndim(value) == 0 and np.asarray(
        value).dtype.kind in "fiu" and np.isfinite(value), f"{where}{name} is "
        f"{value!r:.60}: must be a {kind.__name__}")
    return kind(value)
