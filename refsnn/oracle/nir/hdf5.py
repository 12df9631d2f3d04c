# refsnn 0.1.0 | oracle/nir/hdf5.py | SPDX-License-Identifier: MIT | needs: numpy, h5py
"""Read fields of an untrusted HDF5 file.

The link, type, layout and size of each HDF5 field are checked before the
field is read.  Data in other files are not read.  Error messages name the
file and the group of a field, as in "a.nir: node/tau".
"""

import contextlib
import math
import os

import h5py
import numpy as np

from refsnn.events import SEQUENCE

__all__ = []

MOST, TEXT = 1 << 28, 1 << 20   # bytes, largest field and its texts
MEMBERS = 2000                  # largest number of members of a group
FILTERS = {1, 2, 3, 32000}      # deflate, shuffle, Fletcher checksum, LZF


def _need(good, told):
    if not good:
        raise ValueError(told)


@contextlib.contextmanager
def _opened(path):
    """Open an HDF5 file, and name it in every error."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be an HDF5 file")
    _need(os.path.isfile(path) and h5py.is_hdf5(path),
          f"{path} is not an HDF5 file: must be one")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except Exception as error:      # the HDF5 library raises errors of many kinds
        if isinstance(error, ValueError) and str(error).startswith(path):
            raise
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{path}: {told}: must be an intact HDF5 file") from None


def _member(group, name, where, needed=True):
    """Return a group or dataset, but no link, or None."""
    _need(isinstance(group, h5py.Group), f"{where.rstrip('/, :')} is no group: must be "
          "one")
    key, where = name.encode(), f"{where}{name:.60}"
    if not key or not group.id.links.exists(key):
        _need(not needed, f"{where} is missing: must be present")
        return None
    _need(group.id.links.get_info(key).type == h5py.h5l.TYPE_HARD,
          f"{where} is a soft or external link: must be stored in the file itself")
    return group[name]


def _filters(data, where):
    """Return the filters of a dataset of this file."""
    _need(isinstance(data, h5py.Dataset), f"{where} is no dataset: must be one")
    plan = data.id.get_create_plist()
    _need(plan.get_layout() != h5py.h5d.VIRTUAL and not plan.get_external_count(),
          f"{where} has its data in other files: must be stored in the file itself")
    _need(data.shape is not None, f"{where} is of shape None: must hold entries")
    return {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}


def _members(group, name, where):
    """Return a group, and its names."""
    found = _member(group, name, where)
    _need(isinstance(found, h5py.Group) and len(found) <= MEMBERS, f"{where}{name:.60} "
          f"is no group: must be one of {MEMBERS} members at most")
    return found, list(found)


def _field(group, name, where, kinds="fiub", needed=True):
    """Return an array, or texts, or None."""
    data, where = _member(group, name, where, needed), f"{where}{name:.60}"
    if data is None:
        return None
    filters, file = _filters(data, where), data.file.filename
    size = data.dtype.itemsize * max(map(math.prod, (data.shape, data.chunks or ())))
    most = min(MOST, os.path.getsize(file) * (1032 if filters else 1))  # deflate
    _need(filters <= FILTERS and size <= most, f"{where} is of shape {data.shape}, "
          f"chunks {data.chunks}, filters {sorted(filters)}: must have at most {most} "
          f"bytes, and filters of {sorted(FILTERS)}")
    text = h5py.check_string_dtype(data.dtype)
    _need((data.dtype.kind if text is None else "U") in kinds or not data.size,
          f"{where} is of dtype {data.dtype}: must be of kind "
          f"{' or '.join(kinds)} (U: text)")
    if text and text.length is None and data.size:  # HDF5 allocates without a check
        offset = data.id.get_offset()
        _need(offset is not None and np.fromfile(
            file, SEQUENCE, data.size, offset=offset)["length"].sum(dtype=np.uint64)
            <= TEXT, f"{where} holds texts in pieces, or long ones: must have at most "
            f"{TEXT} bytes")
    found = np.asarray(data[()])
    return found if "U" not in kinds else [
        bytes(word).decode() for word in found.astype(object).ravel()]


def _attribute(group, name, where, kind=str):
    """Return one text, or one finite number."""
    value = group.attrs.get(name)
    value = value.decode() if isinstance(value, bytes) else value
    _need(isinstance(value, str) if kind is str else np.ndim(value) == 0 and np.asarray(
        value).dtype.kind in "fiu" and np.isfinite(value), f"{where}{name} is "
        f"{value!r:.60}: must be a {kind.__name__}")
    return kind(value)
