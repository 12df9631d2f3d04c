"""Fields of HDF5 files are read, and bad fields are refused before they are read."""

import doctest

import h5py
import numpy as np
import pytest

from refsnn.oracle import hdf5

NAMES = {"data", "dt", "n_neurons", "t_max", "type", "value"}


def test_fields_and_attributes_are_read(tmp_path):
    """Also a chunk that is stored without the filter deflate."""
    path, ones = str(tmp_path / "a.h5"), np.frombuffer(bytes([1] * 72), np.int64)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("value", (9,), np.int64, chunks=(9,), shuffle=True,
                                   compression="gzip")
        data.id.write_direct_chunk((0,), ones.tobytes(), filter_mask=2)
        file["type"], file["a/type"] = np.bytes_("ab"), "cd"
        file.create_dataset("a/data", data=np.arange(5.0), compression="gzip")
        file.create_group("empty")
        file["a"].attrs["dt"], file["a"].attrs["t_max"] = 0.5, [1.0, 2.0]
        file["a"].attrs["n_neurons"], file["a/other"] = "x", np.zeros(3, "f8,i4")
    found = hdf5.read(path, NAMES, {"type"})
    assert found["a"].pop("data").tolist() == [0, 1, 2, 3, 4]
    assert (found[""].pop("value") == ones).all()
    assert found == {
        "": {"type": ["ab"]}, "a": {"type": ["cd"], "dt": 0.5}, "empty": {}}


def test_long_texts_and_broken_files_are_refused(tmp_path):
    path = str(tmp_path / "a.h5")
    for options in {"data": "x" * (hdf5.TEXT + 1)}, {
            "data": ["x"] * 9, "chunks": (3,)}:
        with h5py.File(path, "w") as file:
            file.create_dataset("type", dtype=h5py.string_dtype(), **options)
        with pytest.raises(ValueError, match="texts in pieces, or long ones"):
            hdf5.read(path, NAMES, {"type"})
    with pytest.raises(ValueError, match="must be an intact file"), hdf5.naming(path):
        raise MemoryError
    with pytest.raises(ValueError) as error, hdf5.naming(path):
        raise KeyError("a\n" + 999 * "b" + "c")
    told = str(error.value).removeprefix(path)
    assert told.isprintable() and len(told) < 400
    assert told.startswith(": 'a\\nb") and told.endswith("bc': must be an intact file")


def test_an_error_of_need_is_named_once(tmp_path):
    path = str(tmp_path / "a.h5")
    h5py.File(path, "w").close()
    hdf5.need(True, "x is 1: must be 2")
    with pytest.raises(ValueError, match=f"^{path}: x is 1: must be 2$"), \
            hdf5.naming(path), hdf5.naming(path):
        hdf5.need(False, "x is 1: must be 2")


def test_its_examples():
    failed, tried = doctest.testmod(hdf5)
    assert failed == 0 and tried >= 1
