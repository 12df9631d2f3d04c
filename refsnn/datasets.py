# refsnn 0.1.0 | datasets.py | SPDX-License-Identifier: MIT | needs: numpy, scipy | optional: pooch
r"""Read data sets of images, such as MNIST, CIFAR and SVHN.

`digits` reads the file data/digits.npz next to this module.  `images`
reads MNIST or Fashion-MNIST, which `fetch` downloads.

`upsample` enlarges side x side pixels to size x size by interpolation,

    enlarged = A image A^T,  A[i, j] = max(0, 1 - |centre[i] - j|)     (1)
    centre[i] = (i + 1/2) side / size - 1/2,
                clipped to [0, side - 1]                               (2)

`cifar` reads the binary archives of CIFAR-10 and CIFAR-100.  For each
image, a file holds one label (CIFAR-10) or two labels (CIFAR-100), and the
array `pixels`: all red, then all green, then all blue values (colours 0, 1
and 2),

    x[row, column, colour] =
        pixels[1024 colour + 32 row + column] / 255                    (3)

`svhn` reads the cropped digits of SVHN from MATLAB files.  A file holds
the pixels X and the labels y of all images.  The digit 0 has the label 10,

    x[n, row, column, colour] = X[row, column, colour, n] / 255,
    label[n] = y[n] mod 10                                             (4)

Derivation.  Eq. (1) interpolates linearly along both axes of the image.
    Eq. (2) gives the centres of the new pixels in units of the old pixels.
Exact.  Pixel values are scaled to [0, 1], and not changed otherwise.
Cost.   `idx` can temporarily need about twice the memory of its result.
Departures.  The coarse labels of CIFAR-100 are not returned.

Sources.  digits: E. Alpaydin and C. Kaynak, Optical recognition of
    handwritten digits, UCI Machine Learning Repository, 1998, CC BY 4.0.
    MNIST: Y. LeCun, C. Cortes and C. J. C. Burges.  Fashion-MNIST: H. Xiao
    et al., arXiv 1708.07747, MIT licence.  CIFAR: A. Krizhevsky, 2009.
    SVHN: Y. Netzer et al., 2011, non-commercial.
"""

import gzip
import hashlib
import math
import os
import zlib

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, float_dtype, one_of

__all__ = ["cifar", "digits", "fetch", "idx", "images", "split", "svhn", "upsample"]

IDX_DTYPES = {0x8: "u1", 0x9: "i1", 0xB: ">i2", 0xC: ">i4", 0xD: ">f4", 0xE: ">f8"}
DEFLATE = 1032          # largest compression factor of deflate
BLOCK = 1 << 20         # bytes read at a time
# URL and published MD5 of each file
SOURCES = {
    "mnist": ("https://storage.googleapis.com/cvdf-datasets/mnist/", {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c"}),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310"}),
}
SIDE = 32
PIXELS = 3 * SIDE ** 2
# (classes, kind): files, images per file, bytes of the labels of an image
CIFAR = {(10, "train"): ([f"data_batch_{i}.bin" for i in range(1, 6)], 10000, 1),
         (10, "test"): (["test_batch.bin"], 10000, 1),
         (100, "train"): (["train.bin"], 50000, 2),
         (100, "test"): (["test.bin"], 10000, 2)}
SVHN_MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test": "eb5a983be6a315427106f1b164d9cef3"}


def digits():
    """Return images and labels of handwritten digits.  The images are a float64
    array of shape (1797, 8, 8) with pixel values from 0 to 1.  The labels are
    an int64 array of shape (1797,) with values from 0 to 9.

    >>> images, labels = digits()
    >>> images.shape, labels[:3].tolist()
    ((1797, 8, 8), [0, 1, 2])
    """
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data",
                        "digits.npz")
    with np.load(_file(path, "copy refsnn/data/digits.npz there")) as stored:
        return stored["images"] / 16.0, stored["labels"].astype(np.int64)


def upsample(images, size=16):
    """Enlarge images to (N, size, size) by bilinear interpolation, eqs. (1) and
    (2).  The dtype of the images is preserved.

    >>> upsample(np.array([[[0.0, 1.0], [0.0, 1.0]]]), 4)[0, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]

    Parameters
    ----------
    images : (N, side, side) float
    size : int, side of the enlarged images in pixels, at least `side`
    """
    images, = arrays("images (N, side, side) float", images)
    side = images.shape[1]
    size, = arrays(f"size () int in [{side}, inf)", size)
    centre = (np.arange(size) + 0.5) * side / size - 0.5                   # (2)
    centre = np.clip(centre, 0, side - 1)                                  # (2)
    A = np.maximum(0, 1 - np.abs(centre[:, None] - np.arange(side)))       # (1)
    A = A.astype(images.dtype)
    return A @ images @ A.T                                                # (1)


def split(labels, test_fraction=0.2, seed=0):
    """Divide the samples of each class at random into training and test samples.
    Return two sorted int arrays: indices of training and of test samples.

    >>> train, test = split(np.array([0, 0, 0, 1, 1, 1]), 1 / 3)
    >>> len(train), len(test), sorted(train.tolist() + test.tolist())
    (4, 2, [0, 1, 2, 3, 4, 5])

    Parameters
    ----------
    labels : (N,) int, at least two samples of each class
    test_fraction : float
        Fraction of each class in the test set, in (0, 1).  Numbers are
        rounded, but each set has at least one sample of each class.
    seed : int, at least 0
    """
    labels, test_fraction, seed = arrays(
        "labels (N) int, test_fraction () in (0, 1), seed () int in [0, inf)", labels,
        test_fraction, seed)
    rng = np.random.default_rng(seed)
    chosen = np.zeros(labels.size, bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if members.size < 2:
            raise ValueError(f"labels has 1 sample of class {label}: must have at "
                             "least 2 of each class")
        count = min(max(round(test_fraction * members.size), 1), members.size - 1)
        chosen[rng.permutation(members)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def idx(path, *, limit=1 << 31):
    """Read an array from an IDX file, with or without gzip compression.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> np.array([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1], np.uint8).tofile(path)
    >>> idx(path).tolist()
    [7, 2, 1]

    Parameters
    ----------
    path, limit : str or path, int
        IDX file, and largest accepted size of the array, in bytes.

    Returns
    -------
    array of the declared shape and dtype, in native byte order
    """
    path = _file(_path("path", path), "must be a file of the IDX format, gzipped or "
                 "not")
    limit, = arrays("limit () in [0, inf]", limit)
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        stream = gzip.GzipFile(fileobj=plain) if zipped else plain
        try:
            dtype, shape, count = _header(path, stream, limit, os.path.getsize(path),
                                          zipped)
            data = bytearray()
            while len(data) <= count and (
                    block := stream.read(min(BLOCK, count + 1 - len(data)))):
                data += block
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}, field data: {error}: must be intact") from None
    if len(data) != count:
        raise ValueError(f"{path}, field data: {'more than ' * (len(data) > count)}"
                         f"{min(len(data), count)} bytes: must be {count} for {shape} "
                         f"of {dtype}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{path}, field data: has NaN or infinity: must be finite")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(path, stream, limit, size, zipped):
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_DTYPES \
            or not 0 < magic[3] <= 32:
        raise ValueError(f"{path}, field magic: is {magic.hex() or 'empty'}: must be "
                         "0000, a dtype code of 08 to 0e and 1 to 32 dimensions")
    raw = stream.read(4 * magic[3])
    if len(raw) < 4 * magic[3]:
        raise ValueError(f"{path}, field dimensions: truncated after {len(raw)} bytes: "
                         f"must be {magic[3]} of 4 bytes")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4"))
    dtype = np.dtype(IDX_DTYPES[magic[2]])
    count = dtype.itemsize * math.prod(shape)
    most = size * DEFLATE if zipped else size - 4 - len(raw)
    if not 0 < count <= limit:
        raise ValueError(f"{path}, field dimensions: {shape} make {count} bytes: must "
                         f"be from 1 to limit = {limit}")
    if count > most or not zipped and count != most:
        raise ValueError(f"{path}, field data: {shape} of {dtype} make {count} bytes: "
                         f"file holds {'at most ' * zipped}{most}")
    return dtype, shape, count


def images(folder, kind="train", *, classes=10, dtype=np.float32):
    """Read a folder of MNIST-format files.  Return images of shape (N, rows,
    columns) with pixel values from 0 to 1, and int64 labels of shape (N,).

    >>> images("nowhere")                           # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: folder nowhere is missing: must hold MNIST-format ...

    Parameters
    ----------
    folder : str or path
        Folder with the files KIND-images-idx3-ubyte and
        KIND-labels-idx1-ubyte, each with or without .gz.
    kind, classes : {"train", "t10k"}, int
        Training or test set, and number of classes; labels must be smaller.
    dtype : float32 or float64
    """
    folder, dtype = _path("folder", folder), float_dtype(dtype)
    classes, = arrays("classes () int in [1, inf)", classes)
    one_of("kind", kind, "train", "t10k")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"folder {folder} is missing: must hold MNIST-format "
                                "files; fetch() downloads them")
    found = []
    for name, ndim in (("images-idx3", 3), ("labels-idx1", 1)):
        path = os.path.join(folder, f"{kind}-{name}-ubyte")
        path = path if os.path.exists(path) else path + ".gz"
        array = idx(_file(path, "must be present, with or without .gz"))
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise ValueError(f"{path}, field magic: is for {array.ndim} dimensions of "
                             f"{array.dtype}: must be {ndim} of uint8")
        found.append(array)
    pixels, labels = found
    if len(pixels) != len(labels):
        raise ValueError(f"{path}, field dimensions: {len(labels)} labels: must be "
                         f"{len(pixels)}, one for each image")
    if labels.max() >= classes:
        raise ValueError(f"{path}, field data: largest label is {labels.max()}: must "
                         f"be below classes = {classes}")
    return np.divide(pixels, 255, dtype=dtype), labels.astype(np.int64)


def fetch(name, folder):
    """Download MNIST or Fashion-MNIST with pooch, unless the files are present.
    Return the path (str) of the data folder.  Pass this path to `images`.

    >>> fetch("minst", "data")
    Traceback (most recent call last):
    ValueError: name is 'minst': must be one of 'mnist', 'fashion_mnist'

    Parameters
    ----------
    name : {"mnist", "fashion_mnist"}
    folder : str or path
        The files are stored in folder/name, and must have the published MD5.
    """
    folder = _path("folder", folder)
    one_of("name", name, *SOURCES)
    try:
        import pooch
    except ImportError:
        raise ImportError("fetch needs pooch: python -m pip install pooch") from None
    url, files = SOURCES[name]
    target = os.path.join(folder, name)
    for file, md5 in files.items():
        path = os.path.join(target, file)
        if os.path.exists(path) and pooch.file_hash(path, alg="md5") != md5:
            raise ValueError(f"{path} has another checksum than the published md5 "
                             f"{md5}: must be moved away first")
        try:
            pooch.retrieve(url + file, known_hash=f"md5:{md5}", fname=file, path=target)
        except OSError as error:
            raise OSError(f"{path} cannot be fetched from {url}: {error}") from None
    return target


def cifar(folder, kind="train", *, classes=10, dtype=np.float32):
    """Read images and labels of CIFAR-10 or CIFAR-100, eq. (3).  The images are
    a float array of shape (N, 32, 32, 3) with pixel values from 0 to 1.  The
    labels are an int64 array of shape (N,).

    >>> cifar("nowhere", "test")                    # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: nowhere...test_batch.bin is missing: must be a ...

    Parameters
    ----------
    folder : str or path
        Unpacked archive cifar-10-batches-bin or cifar-100-binary.
    kind, classes : {"train", "test"} and {10, 100}
        Training or test set; 10 classes for CIFAR-10, 100 for CIFAR-100.
    dtype : float32 or float64
    """
    folder, dtype = _path("folder", folder), float_dtype(dtype)
    classes, = arrays("classes () int in {10, 100}", classes)
    one_of("kind", kind, "train", "test")
    names, count, head = CIFAR[classes, kind]
    images = np.empty((len(names) * count, SIDE, SIDE, 3), dtype)
    labels = np.empty(len(images), np.int64)
    for i, name in enumerate(names):
        path = _file(os.path.join(folder, name),
                     f"must be a file of CIFAR-{classes}, binary version")
        size, want = os.path.getsize(path), count * (head + PIXELS)
        if size != want:
            raise ValueError(f"{path} holds {size} bytes: must hold {want}, {count} "
                             f"images of {head + PIXELS}")
        rows = np.fromfile(path, np.uint8).reshape(count, -1)
        part = slice(i * count, (i + 1) * count)
        labels[part] = rows[:, head - 1]
        if labels[part].max() >= classes:
            raise ValueError(f"{path}: largest label is {labels[part].max()}: must be "
                             f"below {classes}")
        planes = rows[:, head:].reshape(-1, 3, SIDE, SIDE)
        np.divide(planes.transpose(0, 2, 3, 1), 255, out=images[part],     # (3)
                  dtype=dtype)
    return images, labels


def svhn(folder, kind="train", *, dtype=np.float32, checked=True):
    """Read the cropped SVHN digits, and convert images and labels with eq. (4).
    Images (N, 32, 32, 3) and labels (N,) have the same format as in `cifar`.

    >>> svhn("nowhere")                             # doctest: +ELLIPSIS
    Traceback (most recent call last):
    FileNotFoundError: nowhere...train_32x32.mat is missing: must be a ...

    Parameters
    ----------
    folder : str or path, with train_32x32.mat and test_32x32.mat
    kind, dtype : as for `cifar`
    checked : bool
        If True, a file with another MD5 digest than the published one is
        rejected.  If False, SciPy may crash if the file is damaged.
    """
    from scipy.io import loadmat        # only this function needs SciPy
    folder, dtype = _path("folder", folder), float_dtype(dtype)
    one_of("kind", kind, "train", "test")
    flags("checked", checked)
    path = _file(os.path.join(folder, f"{kind}_32x32.mat"),
                 "must be a file of SVHN, cropped digits")
    if checked:
        with open(path, "rb") as file:
            md5 = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
        if md5 != SVHN_MD5[kind]:
            raise ValueError(f"{path} has MD5 {md5}: must be {SVHN_MD5[kind]}")
    try:
        found = loadmat(path, variable_names=("X", "y"))
    except Exception as error:          # the exception type depends on the damage
        raise ValueError(f"{path} cannot be read ({str(error) or type(error)}): must "
                         "be a MATLAB file of version 5") from None
    X, y = (np.asarray(found.get(name)) for name in ("X", "y"))
    N = X.shape[-1] if X.ndim == 4 else 0
    for name, array, shape in (("X", X, (SIDE, SIDE, 3, N)), ("y", y, (N, 1))):
        if array.shape != shape or array.dtype != np.uint8 or N == 0:
            raise ValueError(f"{path}, field {name}: is {array.dtype} {array.shape}: "
                             "must be uint8, X (32, 32, 3, N) and y (N, 1)")
    if y.min() < 1 or y.max() > 10:
        raise ValueError(f"{path}, field y: labels go from {y.min()} to {y.max()}: "
                         "must be in 1 ... 10, where 10 stands for 0")
    images = np.divide(X.transpose(3, 0, 1, 2), 255, dtype=dtype, order="C")  # (4)
    return images, y[:, 0].astype(np.int64) % 10


def _path(name, value):
    return os.fspath(one_of(name, value, str, os.PathLike))


def _file(path, advice):
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: {advice}")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be one")
    return path
