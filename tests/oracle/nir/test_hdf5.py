"""Fields of untrusted HDF5 files are read, or refused in one line."""

import h5py
import numpy as np
import pytest

from refsnn.oracle.nir import hdf5
from refsnn.oracle.nir.hdf5 import _attribute, _field, _member, _members, _opened


def test_fields_and_attributes_are_read(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["fixed"], file["text"] = np.bytes_("ab"), "cd"
        file.create_dataset("packed", data=np.arange(5.0), compression="gzip")
        file.create_group("empty")
        file.attrs["dt"], file.attrs["kind"] = 0.5, "x"
    with _opened(path) as file:
        assert _field(file, "fixed", path, "U") + _field(file, "text", path, "U") == [
            "ab", "cd"]
        assert _field(file, "packed", path).tolist() == [0, 1, 2, 3, 4]
        assert _members(file, "empty", path)[1] == []
        assert _attribute(file, "dt", path, float) == 0.5
        assert _attribute(file, "kind", path) == "x"
        assert _member(file, "none", path, needed=False) is None


def test_long_texts_and_broken_files_are_refused(tmp_path):
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data="x" * (hdf5.TEXT + 1), dtype=h5py.string_dtype())
        file.create_dataset("b", data=["x"] * 9, dtype=h5py.string_dtype(), chunks=(3,))
        file.attrs["dt"] = [1.0, 2.0]
    for name in "ab":
        with pytest.raises(ValueError, match="texts in pieces, or long ones"), \
                _opened(path) as file:
            _field(file, name, f"{path}: ", "U")
    with pytest.raises(ValueError, match="dt is"), _opened(path) as file:
        _attribute(file, "dt", f"{path}: ", float)
    with pytest.raises(ValueError, match="must be an intact HDF5 file"), _opened(path):
        raise MemoryError
