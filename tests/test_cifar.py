"""CIFAR and SVHN: files in the exact format, truncated, corrupt and foreign."""

import hashlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import io

from refsnn import datasets as module
from refsnn.datasets import MD5, cifar, svhn


@pytest.fixture
def small(monkeypatch):
    """The formats with 4 images a file."""
    monkeypatch.setattr(module, "FILES", {
        key: (names, 4, head) for key, (names, _, head) in module.FILES.items()})


def rows(seed, count, head, classes):
    """Rows as a file has them, and what they hold."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = rng.integers(0, classes, count, np.uint8)
    labels[0] = classes - 1
    raw = np.zeros((count, head + 3072), np.uint8)
    raw[:, 0], raw[:, head - 1] = 7, labels
    for k in range(3):
        for r in range(32):
            start = head + 1024 * k + 32 * r
            raw[:, start:start + 32] = pixels[:, r, :, k]
    return raw.tobytes(), pixels, labels


def write(folder, classes, kind, seed=0):
    names, count, head = module.FILES[classes, kind]
    pixels, labels = [], []
    for i, name in enumerate(names):
        raw, *parts = rows(seed + i, count, head, classes)
        (folder / name).write_bytes(raw)
        pixels.append(parts[0])
        labels.append(parts[1])
    return np.concatenate(pixels), np.concatenate(labels)


@pytest.mark.parametrize("classes, kind", list(module.FILES))
def test_cifar_is_what_was_written(tmp_path, small, classes, kind):
    pixels, labels = write(tmp_path, classes, kind)
    x, y = cifar(tmp_path, kind, classes=classes)
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert_array_equal(np.round(255 * x), pixels)
    assert_array_equal(y, labels)
    double, _ = cifar(tmp_path, kind, classes=classes, dtype=np.float64)
    assert_array_equal(double, pixels / 255)


def test_the_published_sizes(tmp_path):
    """Bytes of the files of the archives."""
    sizes = {names[0]: count * (head + 3072)
             for names, count, head in module.FILES.values()}
    assert sizes == {"data_batch_1.bin": 30730000, "test_batch.bin": 30730000,
                     "train.bin": 153700000, "test.bin": 30740000}
    path = tmp_path / "test_batch.bin"
    with open(path, "wb") as file:
        file.truncate(30730000)
    x, y = cifar(tmp_path, "test")
    assert x.shape == (10000, 32, 32, 3) and not x.any() and not y.any()


@pytest.mark.parametrize("change", [
    lambda raw: raw[:-1], lambda raw: raw[:-3073], lambda raw: raw + b"\0",
    lambda raw: b"", lambda raw: raw * 2])
def test_cifar_of_another_length_is_refused(tmp_path, small, change):
    write(tmp_path, 10, "train")
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match="data_batch_3.bin holds .* must hold 12292"):
        cifar(tmp_path)


def test_other_files_and_options_are_refused(tmp_path, small):
    write(tmp_path, 10, "train")
    raw = bytearray((tmp_path / "data_batch_2.bin").read_bytes())
    raw[3073] = 10
    (tmp_path / "data_batch_2.bin").write_bytes(raw)
    with pytest.raises(ValueError, match="data_batch_2.bin: largest label is 10"):
        cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_2.bin is missing"):
        cifar(tmp_path)
    (tmp_path / "data_batch_2.bin").mkdir()
    with pytest.raises(ValueError, match="no regular file"):
        cifar(tmp_path)
    with pytest.raises(ValueError, match="classes is 20: must be 10 or 100"):
        cifar(tmp_path, classes=20)
    for read in (cifar, svhn):
        with pytest.raises(ValueError, match="kind is 't10k'"):
            read(tmp_path, "t10k")
        with pytest.raises(ValueError, match="dtype is int8"):
            read(tmp_path, dtype="int8")


def digits(N=5):
    rng = np.random.default_rng(3)
    return {"X": rng.integers(0, 256, (32, 32, 3, N), np.uint8),
            "y": np.array([[10], [1], [9], [4], [10]], np.uint8)[:N]}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["train", "test"])
def test_svhn_is_what_was_written(tmp_path, kind, packed):
    arrays = digits()
    io.savemat(tmp_path / f"{kind}_32x32.mat", arrays, do_compression=packed)
    x, y = svhn(tmp_path, kind, checked=False)
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert x.flags.c_contiguous
    for n in range(5):
        assert_array_equal(np.round(255 * x[n]), arrays["X"][:, :, :, n])
    assert y.tolist() == [0, 1, 9, 4, 0]
    assert svhn(tmp_path, kind, dtype="float64", checked=False)[0].dtype == np.float64


def test_svhn_is_read_by_default_only_as_published(tmp_path, monkeypatch):
    path = tmp_path / "test_32x32.mat"
    io.savemat(path, digits())
    with pytest.raises(ValueError, match="test_32x32.mat has MD5 .*: must be eb5a983b"):
        svhn(tmp_path, "test")
    raw = path.read_bytes()
    monkeypatch.setitem(MD5, "test", hashlib.md5(raw).hexdigest())
    assert svhn(tmp_path, "test")[1].tolist() == [0, 1, 9, 4, 0]
    path.write_bytes(raw[:184] + raw[185:])             # SciPy would crash on this
    with pytest.raises(ValueError, match="has MD5"):
        svhn(tmp_path, "test")


@pytest.mark.parametrize("change, field", [
    ({"X": None}, "X"), ({"y": None}, "y"), ({"y": np.ones((4, 1), np.uint8)}, "y"),
    ({"X": np.zeros((32, 32, 3, 5))}, "X"), ({"X": np.zeros((32, 32, 5), "u1")}, "X"),
    ({"X": np.zeros((28, 28, 3, 5), "u1")}, "X"), ({"y": np.zeros((5, 1), "u1")}, "y"),
    ({"y": np.full((5, 1), 11, "u1")}, "y"), ({"y": np.array(["a", "b"])}, "y"),
    ({"X": np.array([{}], object)}, "X")])
def test_svhn_with_other_arrays_is_refused(tmp_path, change, field):
    arrays = {key: value for key, value in {**digits(), **change}.items()
              if value is not None}
    io.savemat(tmp_path / "train_32x32.mat", arrays)
    with pytest.raises(ValueError, match=f"train_32x32.mat, field {field}: .* must"):
        svhn(tmp_path, checked=False)


@pytest.mark.parametrize("packed", [False, True])
def test_broken_svhn_is_refused(tmp_path, packed):
    path = tmp_path / "train_32x32.mat"
    io.savemat(path, digits(), do_compression=packed)
    raw = path.read_bytes()
    for broken in (b"", b"no such file", raw[:100], raw[:150], raw[:len(raw) // 2],
                   raw[:124] + b"\x00\x02" + raw[126:],      # version 7.3
                   raw[:128] + b"\xff" * 64 + raw[192:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="train_32x32.mat"):
            svhn(tmp_path, checked=False)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="train_32x32.mat is missing"):
        svhn(tmp_path, checked=False)
