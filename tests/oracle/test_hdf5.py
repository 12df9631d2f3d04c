"""Fields of untrusted HDF5 files are read, or refused in one line."""

import doctest

import h5py
import numpy as np
import pytest

from refsnn.oracle import hdf5
from refsnn.oracle.hdf5 import attribute, field, member, names, need, opened


def test_fields_and_attributes_are_read(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["fixed"], file["text"] = np.bytes_("ab"), "cd"
        file.create_dataset("packed", data=np.arange(5.0), compression="gzip")
        file.create_group("empty")
        file.attrs["dt"], file.attrs["kind"] = 0.5, "x"
    with opened(path) as file:
        assert field(file, "fixed", path, "U") + field(file, "text", path, "U") == [
            "ab", "cd"]
        assert field(file, "packed", path).tolist() == [0, 1, 2, 3, 4]
        assert names(member(file, "empty", path), path) == []
        assert attribute(file, "dt", path, float) == 0.5
        assert attribute(file, "kind", path) == "x"
        assert member(file, "none", path, needed=False) is None


def test_long_texts_and_broken_files_are_refused(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data="x" * (hdf5.TEXT + 1), dtype=h5py.string_dtype())
        file.create_dataset("b", data=["x"] * 9, dtype=h5py.string_dtype(), chunks=(3,))
        file.attrs["dt"] = [1.0, 2.0]
    for name in "ab":
        with pytest.raises(ValueError, match="texts in pieces, or long ones"), \
                opened(path) as file:
            field(file, name, f"{path}: ", "U")
    with pytest.raises(ValueError, match="dt is"), opened(path) as file:
        attribute(file, "dt", f"{path}: ", float)
    with pytest.raises(ValueError, match="must be an intact HDF5 file"), opened(path):
        raise MemoryError
    need(True, "")


def test_its_examples():
    failed, tried = doctest.testmod(hdf5)
    assert failed == 0 and tried == 9
