"""Data sets: embedded digits, splits, downloads; IDX, CIFAR and SVHN files."""

import functools
import gzip
import hashlib
import http.server
import math
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from proofs import proves
from scipy import ndimage
from scipy.io import savemat
from tolerances import RTOL

from refsnn import datasets
from refsnn.datasets import cifar, digits, fetch, idx, images, split, svhn, upsample

SEEDS = st.integers(0, 2 ** 32 - 1)
NPZ = Path(datasets.__file__).parent / "data" / "digits.npz"


# embedded digits

def test_digits_are_as_stated():
    x, y = digits()
    assert x.shape == (1797, 8, 8) and x.dtype == np.float64
    assert y.shape == (1797,) and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert_array_equal(x * 16, np.round(x * 16))
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert y[:10].tolist() == list(range(10))
    assert (x[0, 2] * 16).tolist() == [0, 3, 15, 2, 0, 11, 8, 0]


def test_digits_equal_the_copy_of_scikit_learn():
    reference = pytest.importorskip("sklearn.datasets",
                                    reason="scikit-learn is missing")
    x, y = digits()
    bunch = reference.load_digits()
    assert_array_equal(x * 16, bunch.images)
    assert_array_equal(y, bunch.target)


def test_digits_can_be_changed_without_consequence():
    x, y = digits()
    x[:], y[:] = 7, 7
    again = digits()
    assert again[0].max() == 1 and again[1].min() == 0


def test_digits_file_is_small_and_attributed():
    assert NPZ.stat().st_size < 60_000
    text = (NPZ.parent / "README").read_text(encoding="utf-8")
    for word in ("Alpaydin", "Kaynak", "1998", "CC BY 4.0", "Changes", "UCI"):
        assert word in text


def peak(function):
    """Return the peak memory of a call that must raise ValueError."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# upsampling

def test_upsample_by_hand():
    # centres of 4 pixels over 2: -1/4 (clipped to 0), 1/4, 3/4, 5/4 (clipped)
    image = np.array([[[0.0, 4.0], [8.0, 12.0]]])
    assert upsample(image, 4)[0].tolist() == [[0, 1, 3, 4], [2, 3, 5, 6],
                                              [6, 7, 9, 10], [8, 9, 11, 12]]
    assert upsample(np.array([[[3.0]]]), 3).tolist() == [[[3.0] * 3] * 3]


@proves("datasets", 1, 2)
@given(SEEDS, st.integers(1, 3), st.integers(2, 9), st.integers(0, 12))
def test_upsample_against_scipy(seed, N, k, more):
    x = np.random.default_rng(seed).uniform(0, 1, (N, k, k))
    before = x.copy()
    got = upsample(x, k + more)
    expected = ndimage.zoom(x, (1, (k + more) / k, (k + more) / k), order=1,
                            mode="nearest", grid_mode=True)
    assert got.shape == expected.shape == (N, k + more, k + more)
    assert_allclose(got, expected, rtol=RTOL, atol=RTOL)
    assert_array_equal(x, before)
    assert got.min() >= x.min() * (1 - RTOL) and got.max() <= x.max() * (1 + RTOL)


def test_upsample_keeps_dtype_constants_and_size():
    x, _ = digits()
    assert upsample(x).shape == (1797, 16, 16) and upsample(x).max() <= 1
    assert_array_equal(upsample(x, 8), x)
    short = upsample(x[:9].astype(np.float32))
    assert short.dtype == np.float32
    assert_allclose(short, upsample(x[:9]), rtol=1e-6, atol=1e-6)
    assert_allclose(upsample(np.full((2, 5, 5), 0.7), 13), 0.7, rtol=RTOL)


# splits

@given(SEEDS, st.integers(1, 6), st.floats(0.01, 0.99), st.integers(0, 5))
def test_split_covers_all_once_and_each_class_in_proportion(seed, k, fraction, which):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(k), rng.integers(2, 40, k)) - 2)
    before = labels.copy()
    train, test = split(labels, fraction, which)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(labels.size))
    assert np.all(np.diff(train) > 0) and np.all(np.diff(test) > 0)
    for label in range(-2, k - 2):
        inside, all_ = np.sum(labels[test] == label), np.sum(labels == label)
        assert 1 <= inside < all_
        assert abs(inside - fraction * all_) <= max(0.5, 1 - fraction * all_,
                                                    1 - (1 - fraction) * all_)
    for a, b in zip((train, test), split(labels, fraction, which), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(labels, before)


def test_splits_of_the_digits_are_fixed_and_differ_by_seed():
    _, labels = digits()
    train, test = split(labels)
    assert (train.size, test.size) == (1438, 359)
    assert test[:8].tolist() == [5, 9, 12, 14, 16, 17, 19, 23]
    other = split(labels, seed=1)[1]
    assert 30 < np.intersect1d(test, other).size < 110      # a fifth of 359 by chance
    assert not set(train.tolist()) & set(test.tolist())


# IDX files

CODES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx_bytes(shape, data, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + data


def write(path, data, zipped=False):
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@given(SEEDS, st.sampled_from(sorted(CODES)), st.lists(st.integers(1, 5), min_size=1,
                                                       max_size=4), st.booleans())
def test_idx_round_trip(tmp_path_factory, seed, code, shape, zipped):
    dtype = np.dtype(CODES[code])
    array = np.random.default_rng(seed).integers(-100, 100, shape)
    array = array.astype(dtype)         # big-endian; -1 is 255 as u1
    path = write(tmp_path_factory.mktemp("idx") / "x", idx_bytes(
        shape, array.tobytes(), code), zipped)
    got = idx(path)
    assert got.shape == tuple(shape) and got.dtype == dtype.newbyteorder("=")
    assert got.dtype.isnative
    assert_array_equal(got, array)
    got[...] = 0                        # writable, and the file's own
    assert_array_equal(idx(str(path)), array)


def test_large_idx_is_read_in_blocks(tmp_path):
    data = np.random.default_rng(1).integers(0, 256, 3 * (1 << 20) + 5).astype(np.uint8)
    path = write(tmp_path / "x", idx_bytes((data.size,), data.tobytes()), True)
    assert_array_equal(idx(path), data)


SIX = idx_bytes((2, 3), bytes(range(6)))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("data, field", [
    (b"", "magic"), (SIX[:3], "magic"), (b"\1" + SIX[1:], "magic"),
    (b"\0\1" + SIX[2:], "magic"), (b"\0\0\x0a" + SIX[3:], "magic"),
    (b"\0\0\x08\0", "magic"), (b"PK\3\4" + SIX, "magic"),
    (idx_bytes((1,) * 33, b"\0"), "magic"), (idx_bytes((1,) * 255, b"\0"), "magic"),
    (SIX[:4], "dimensions"), (SIX[:11], "dimensions"),
    (idx_bytes((0, 3), b""), "dimensions"), (idx_bytes((3, 0), b""), "dimensions"),
    (SIX[:12], "data"), (SIX[:-1], "data"), (SIX + b"\0", "data"),
    (idx_bytes((2, 4), bytes(6)), "data"),
    (idx_bytes((2 ** 32 - 1,) * 4, bytes(6)), "dimensions"),
    (idx_bytes((2 ** 32 - 1,) * 2, bytes(6)), "dimensions"),
    (idx_bytes((2 ** 30,), bytes(6)), "data"),
    (idx_bytes((2,), struct.pack(">2f", 1.0, np.nan), 0x0D), "data"),
    (idx_bytes((1,), struct.pack(">d", np.inf), 0x0E), "data"),
])
def test_bad_idx_is_refused_by_file_and_field(tmp_path, data, field, zipped):
    path = write(tmp_path / "images-idx", data, zipped)
    with pytest.raises(ValueError, match=f"images-idx, field {field}: "):
        idx(path)


def test_idx_of_most_dimensions(tmp_path):
    path = write(tmp_path / "x", idx_bytes((1,) * 32, b"\7"))
    assert idx(path).shape == (1,) * 32 and idx(path).sum() == 7


def test_torn_gzip_is_refused(tmp_path):
    whole = gzip.compress(idx_bytes((1000,), bytes(range(250)) * 4))
    for name, data in (("cut", whole[:-20]), ("no trailer", whole[:-8]),
                       ("head", whole[:5]), ("tail", whole + b"garbage"),
                       ("checksum", whole[:-8] + b"\1\2\3\4" + whole[-4:]),
                       ("body", whole[:20] + b"\xff\xff\xff" + whole[23:])):
        path = write(tmp_path / name, data)
        with pytest.raises(ValueError, match=f"{name}, field "):
            idx(path)


@given(SEEDS, st.booleans())
def test_random_damage_to_idx_is_a_value_error_or_harmless(tmp_path_factory, seed,
                                                           zipped):
    rng = np.random.default_rng(seed)
    good = idx_bytes((20, 3), bytes(range(60)))
    data = bytearray(gzip.compress(good) if zipped else good)
    data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    path = write(tmp_path_factory.mktemp("idx") / "x", bytes(data))
    try:
        array = idx(path)
    except ValueError as error:
        assert f"{path}, field " in str(error)
    else:
        assert array.nbytes == 60


def test_idx_bombs_take_little_memory(tmp_path):
    # 64 MB of zeros in 64 kB; and headers that promise what is not there
    zeros = gzip.compress(idx_bytes((1000,), bytes(1 << 26)))
    claim = gzip.compress(idx_bytes((2 ** 31 - 1,), bytes(1 << 21)))
    for name, data in (("more", zeros), ("claim", claim),
                       ("plain", idx_bytes((2 ** 31 - 1,), bytes(100)))):
        path = write(tmp_path / name, data)
        assert path.stat().st_size < 1 << 17
        assert peak(functools.partial(idx, path)) < 1 << 23


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("shape", [
    (2 ** 31, 2 ** 15, 2 ** 15),
    (609, 36760123, 823996703)])            # 2^64 + 5 entries: 5 in 64 bits
@pytest.mark.parametrize("limit, told", [
    (1 << 31, "field dimensions: .* must be from 1 to limit = 2147483648"),
    (np.inf, "field data: .* file holds ")])
def test_gigantic_headers_are_refused_in_one_line(tmp_path, shape, zipped, limit, told):
    path = write(tmp_path / "bomb", idx_bytes(shape, bytes(5)), zipped)
    with pytest.raises(ValueError, match=f"^.*bomb, {told}") as caught:
        idx(path, limit=limit)
    text = str(caught.value)
    assert "\n" not in text and f"{shape} " in text and str(math.prod(shape)) in text
    assert peak(functools.partial(idx, path, limit=limit)) < 1 << 20


def test_idx_limit_is_in_bytes(tmp_path):
    path = write(tmp_path / "x", idx_bytes((3,), bytes(24), 0x0E))
    assert idx(path, limit=24).nbytes == 24
    with pytest.raises(ValueError, match=r"x, field dimensions: .* limit = 23"):
        idx(path, limit=23)
    for limit in (-1, np.nan, None):
        with pytest.raises(ValueError, match=r"^limit is .*(\[0, inf\]|real number)"):
            idx(path, limit=limit)


def test_missing_idx(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing is missing: must be a file"):
        idx(tmp_path / "nothing")
    with pytest.raises(ValueError, match="no regular file"):
        idx(tmp_path)


# folders of images

def folder_of(path, n=4, labels=(3, 1, 0, 9), kind="train", zipped=False):
    end = ".gz" if zipped else ""
    path.mkdir(exist_ok=True)
    write(path / f"{kind}-images-idx3-ubyte{end}",
          idx_bytes((n, 2, 3), bytes(range(0, 6 * n)[:-1]) + b"\xff"), zipped)
    write(path / f"{kind}-labels-idx1-ubyte{end}",
          idx_bytes((len(labels),), bytes(labels)), zipped)
    return path


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", ["train", "t10k"])
def test_images_of_a_folder(tmp_path, kind, zipped):
    folder = folder_of(tmp_path / "mnist", kind=kind, zipped=zipped)
    for dtype in (np.float32, np.float64):
        x, y = images(str(folder), kind, dtype=dtype)
        assert x.shape == (4, 2, 3) and x.dtype == dtype
        assert x.max() == 1 and x.flat[7] == dtype(7) / dtype(255)
        assert y.tolist() == [3, 1, 0, 9] and y.dtype == np.int64
    assert images(folder, kind)[0].dtype == np.float32


def test_images_refuse(tmp_path):
    folder = folder_of(tmp_path / "a")
    with pytest.raises(ValueError, match="labels-idx1-ubyte, field data: largest label "
                                         "is 9: must be below classes = 9"):
        images(folder, classes=9)
    with pytest.raises(FileNotFoundError, match="folder .*nowhere is missing"):
        images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte.gz is missing"):
        images(folder, "t10k")
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="labels-idx1-ubyte.gz is missing"):
        images(folder)
    with pytest.raises(ValueError, match="labels-idx1-ubyte, field dimensions: 3 labels"
                                         ": must be 4"):
        images(folder_of(tmp_path / "b", labels=(1, 2, 3)))
    other = folder_of(tmp_path / "c")
    write(other / "train-images-idx3-ubyte", SIX)
    with pytest.raises(ValueError, match="images-idx3-ubyte, field magic: .*2 dimens"):
        images(other)
    write(other / "train-images-idx3-ubyte", idx_bytes((4, 1, 1), bytes(16), 0x0C))
    with pytest.raises(ValueError, match="images-idx3-ubyte, field magic: .*int32"):
        images(other)


REAL = {("mnist", "train"): (60000, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265,
                                     5851, 5949]),
        ("mnist", "t10k"): (10000, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974,
                                    1009]),
        ("fashion_mnist", "train"): (60000, [6000] * 10),
        ("fashion_mnist", "t10k"): (10000, [1000] * 10)}


@pytest.mark.parametrize("name, kind", REAL)
def test_published_data_sets(name, kind):
    folder = os.path.join(os.environ.get("REFSNN_DATA", ""), name)
    if "REFSNN_DATA" not in os.environ or not os.path.isdir(folder):
        pytest.skip(f"folder {name} is missing: REFSNN_DATA names its parent")
    x, y = images(folder, kind)
    count, classes = REAL[name, kind]
    assert x.shape == (count, 28, 28) and np.bincount(y).tolist() == classes
    assert 0.1 < x.mean() < 0.4 and x.max() == 1


# downloads

FILES = {f"{kind}-{what}-ubyte.gz": f"{kind} {what}".encode() * 50
         for kind in ("train", "t10k") for what in ("images-idx3", "labels-idx1")}


def md5(data):
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def fake_pooch(monkeypatch):
    """Replace pooch by functions that behave alike and record their calls."""
    calls = []

    def file_hash(path, alg):
        assert alg == "md5"
        return md5(Path(path).read_bytes())

    def retrieve(url, known_hash, fname, path):
        target = Path(path) / fname
        data = FILES[fname]
        if not target.exists():
            calls.append((url, known_hash))
            if known_hash != "md5:" + md5(data):
                raise ValueError(f"hash of {fname} does not match")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return str(target)

    module = types.SimpleNamespace(file_hash=file_hash, retrieve=retrieve)
    monkeypatch.setitem(sys.modules, "pooch", module)
    sums = {name: md5(data) for name, data in FILES.items()}
    monkeypatch.setattr(datasets, "SOURCES", {
        "mnist": ("https://example.org/m/", sums),
        "torn": ("https://example.org/t/", {**sums, "t10k-images-idx3-ubyte.gz": "0"})})
    return calls


def test_fetch_asks_for_each_file_with_its_checksum_once(tmp_path, fake_pooch):
    target = fetch("mnist", tmp_path)
    assert target == str(tmp_path / "mnist")
    assert fake_pooch == [("https://example.org/m/" + name, "md5:" + md5(data))
                          for name, data in FILES.items()]
    assert {p.name: p.read_bytes() for p in Path(target).iterdir()} == FILES
    assert fetch("mnist", str(tmp_path)) == target and len(fake_pooch) == 4


def test_fetch_refuses_a_wrong_checksum(tmp_path, fake_pooch):
    with pytest.raises(ValueError, match="does not match"):
        fetch("torn", tmp_path)
    assert not (tmp_path / "torn" / "t10k-images-idx3-ubyte.gz").exists()


def test_fetch_never_replaces_a_file_that_is_there(tmp_path, fake_pooch):
    path = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match="labels-idx1-ubyte.gz has another checksum"):
        fetch("mnist", tmp_path)
    assert path.read_bytes() == b"mine"


def test_fetch_says_which_file_cannot_be_had(tmp_path, fake_pooch, monkeypatch):
    def fail(url, known_hash, fname, path):
        raise ConnectionError("no route")

    monkeypatch.setattr(sys.modules["pooch"], "retrieve", fail)
    with pytest.raises(OSError, match="train-images-idx3-ubyte.gz cannot be fetched "
                                      "from https://example.org/m/: no route"):
        fetch("mnist", tmp_path)


def test_fetch_refuses_unknown_names_and_a_missing_pooch(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="^name is 'cifar': must be one of"):
        fetch("cifar", tmp_path)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match="pip install pooch"):
        fetch("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_published_sources():
    names = {f"{kind}-{what}-ubyte.gz" for kind in ("train", "t10k")
             for what in ("images-idx3", "labels-idx1")}
    assert set(datasets.SOURCES) == {"mnist", "fashion_mnist"}
    sums = [s for _, files in datasets.SOURCES.values() for s in files.values()]
    assert len(set(sums)) == 8 and {len(bytes.fromhex(s)) for s in sums} == {16}
    for url, files in datasets.SOURCES.values():
        assert set(files) == names and url.startswith("http") and url.endswith("/")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve the four files over local HTTP, with one damaged in a second folder."""
    for name, data in FILES.items():
        for folder in ("good", "bad"):
            path = tmp_path / "www" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if folder == "good" or "t10k-im" not in name
                             else data[:-7])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        sums = {name: md5(data) for name, data in FILES.items()}
        root = f"http://127.0.0.1:{httpd.server_address[1]}"
        monkeypatch.setattr(datasets, "SOURCES", {
            name: (f"{root}/{name}/", sums) for name in ("good", "bad", "absent")})
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(variable, raising=False)
        yield
        httpd.shutdown()
        thread.join()


def test_fetch_with_pooch_itself(tmp_path, server):
    pytest.importorskip("pooch", reason="pooch is missing: extra 'data'")
    target = Path(fetch("good", tmp_path / "out"))
    assert {p.name: p.read_bytes() for p in target.iterdir()} == FILES
    assert fetch("good", tmp_path / "out") == str(target)
    with pytest.raises(ValueError, match="t10k-images"):
        fetch("bad", tmp_path / "out")
    left = {p.name for p in (tmp_path / "out" / "bad").iterdir()}
    assert left == {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"}
    with pytest.raises(OSError, match="train-images.* cannot be fetched"):
        fetch("absent", tmp_path / "out")
    assert list((tmp_path / "out" / "absent").iterdir()) == []


# CIFAR and SVHN

@pytest.fixture
def small(monkeypatch):
    """Let files of CIFAR hold 4 images each."""
    monkeypatch.setattr(datasets, "CIFAR", {
        key: (names, 4, head) for key, (names, _, head) in datasets.CIFAR.items()})


def rows(seed, count, head, classes):
    """Return rows as stored in a file, their pixels and labels."""
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


def write_cifar(folder, classes, kind, seed=0):
    names, count, head = datasets.CIFAR[classes, kind]
    pixels, labels = [], []
    for i, name in enumerate(names):
        raw, *parts = rows(seed + i, count, head, classes)
        (folder / name).write_bytes(raw)
        pixels.append(parts[0])
        labels.append(parts[1])
    return np.concatenate(pixels), np.concatenate(labels)


@proves("datasets", 3)
@pytest.mark.parametrize("classes, kind", list(datasets.CIFAR))
def test_cifar_is_what_was_written(tmp_path, small, classes, kind):
    pixels, labels = write_cifar(tmp_path, classes, kind)
    x, y = cifar(tmp_path, kind, classes=classes)
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert_array_equal(np.round(255 * x), pixels)
    assert_array_equal(y, labels)
    double, _ = cifar(tmp_path, kind, classes=classes, dtype=np.float64)
    assert_array_equal(double, pixels / 255)


def test_the_published_sizes(tmp_path):
    """The sizes of the published files, in bytes."""
    sizes = {names[0]: count * (head + 3072)
             for names, count, head in datasets.CIFAR.values()}
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
    write_cifar(tmp_path, 10, "train")
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match="data_batch_3.bin holds .* must hold 12292"):
        cifar(tmp_path)


def test_other_files_and_options_are_refused(tmp_path, small):
    write_cifar(tmp_path, 10, "train")
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
    with pytest.raises(ValueError, match=r"^classes is 20: .*in \{10, 100\}"):
        cifar(tmp_path, classes=20)
    with pytest.raises(ValueError, match="^classes is 10.0: must be an integer"):
        cifar(tmp_path, classes=10.0)


def svhn_arrays(N=5):
    rng = np.random.default_rng(3)
    return {"X": rng.integers(0, 256, (32, 32, 3, N), np.uint8),
            "y": np.array([[10], [1], [9], [4], [10]], np.uint8)[:N]}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["train", "test"])
@proves("datasets", 4)
def test_svhn_is_what_was_written(tmp_path, kind, packed):
    arrays = svhn_arrays()
    savemat(tmp_path / f"{kind}_32x32.mat", arrays, do_compression=packed)
    x, y = svhn(tmp_path, kind, checked=False)
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert x.flags.c_contiguous
    for n in range(5):
        np.testing.assert_allclose(255.0 * x[n], arrays["X"][:, :, :, n], rtol=1e-6)
    assert y.tolist() == [0, 1, 9, 4, 0]
    assert svhn(tmp_path, kind, dtype="float64", checked=False)[0].dtype == np.float64


def test_svhn_is_read_by_default_only_as_published(tmp_path, monkeypatch):
    path = tmp_path / "test_32x32.mat"
    savemat(path, svhn_arrays())
    with pytest.raises(ValueError, match="test_32x32.mat has MD5 .*: must be eb5a983b"):
        svhn(tmp_path, "test")
    raw = path.read_bytes()
    monkeypatch.setitem(datasets.SVHN_MD5, "test", hashlib.md5(raw).hexdigest())
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
    arrays = {key: value for key, value in {**svhn_arrays(), **change}.items()
              if value is not None}
    savemat(tmp_path / "train_32x32.mat", arrays)
    with pytest.raises(ValueError, match=f"train_32x32.mat, field {field}: .* must"):
        svhn(tmp_path, checked=False)


def test_scipy_is_needed_for_svhn_alone():
    code = ("import sys\nsys.modules['scipy'] = None\nfrom refsnn import datasets\n"
            "print(datasets.digits()[0].shape)\ndatasets.svhn('nowhere')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "(1797, 8, 8)\n" and "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_broken_svhn_is_refused(tmp_path, packed):
    path = tmp_path / "train_32x32.mat"
    savemat(path, svhn_arrays(), do_compression=packed)
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
