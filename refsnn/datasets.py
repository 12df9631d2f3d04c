# refsnn 0.1.0 | datasets.py | SPDX-License-Identifier: MIT | needs: numpy | optional: pooch
r"""Images to train on: embedded digits, and files of the MNIST format.

`digits` reads 1,797 real handwritten digits of 8x8 pixels that come with
the module (data/digits.npz); `images` reads MNIST or Fashion-MNIST from a
folder, where `fetch` puts them.  `upsample` interpolates between pixel
centres,

    Y = A X A^T,  A[i, j] = max(0, 1 - |p[i] - j|)                (1)
    p[i] = (i + 1/2) k / size - 1/2, clipped to [0, k - 1]        (2)

for k x k images X, and `split` draws a test set with every class in its
proportion.

Derivation.  (1) is linear interpolation at the centres (2) of the new
    pixels, row by row and column by column.  Rows of A sum to 1: values
    stay in the range of X.
Exact.  A split depends on labels, fraction and seed, and on nothing else.
Cost.   `idx` takes no more memory than the file really holds, whatever its
    header says, and at most `limit`.
Departures.  Pixels are scaled to [0, 1], from 0..16 (digits) or 0..255.

Sources.  digits: E. Alpaydin and C. Kaynak, Optical recognition of
    handwritten digits, UCI Machine Learning Repository, 1998, CC BY 4.0.
    MNIST: Y. LeCun, C. Cortes and C. J. C. Burges.  Fashion-MNIST: H.
    Xiao, K. Rasul and R. Vollgraf, arXiv 1708.07747, MIT licence.
"""

import gzip
import io
import os
import zipfile
import zlib

import numpy as np

__all__ = ["digits", "fetch", "idx", "images", "split", "upsample"]

DIGITS = {"images": (1797, 8, 8), "labels": (1797,)}
IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4",
              0x0E: ">f8"}
DEFLATE = 1032          # no byte of deflate stands for more bytes than this
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


def _file(path, advice):
    """`path` as a str, where a regular file is."""
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: {advice}")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be one")
    return path


def _member(path, name, shape):
    """A uint8 array of a known shape out of an npz file."""
    size = int(np.prod(shape))
    with zipfile.ZipFile(path) as archive, archive.open(name + ".npy") as member:
        stream = io.BytesIO(member.read(size + BLOCK))
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"npy version is {version}: must be (1, 0)")
    header = np.lib.format.read_array_header_1_0(stream)
    if header != (shape, False, np.dtype("u1")):
        raise ValueError(f"(shape, Fortran order, dtype) is {header}: must be "
                         f"{(shape, False, np.dtype('u1'))}")
    data = stream.read()
    if len(data) != size:
        raise ValueError(f"holds {len(data)} bytes: must hold {size}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def digits(path=None):
    """The embedded handwritten digits.

    Parameters
    ----------
    path : str or path, optional
        Of digits.npz; by default data/digits.npz beside this module.

    Returns
    -------
    images : (1797, 8, 8) float64
        Ink in [0, 1], in steps of 1/16.
    labels : (1797,) int64
        0 .. 9.

    Raises
    ------
    FileNotFoundError
        If the file is missing: it is not part of a copy of this module.
    ValueError
        If the file is not the one that belongs here, naming the field.

    Examples
    --------
    >>> digits("nowhere.npz")                       # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere.npz is missing: copy refsnn/data/digits.npz ...
    """
    if path is None:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "data", "digits.npz")
    path = _file(path, "copy refsnn/data/digits.npz there, or give digits(path) its "
                       "path")
    arrays = {}
    for name, shape in DIGITS.items():
        try:
            arrays[name] = _member(path, name, shape)
        except Exception as error:      # whatever the parsers of zip and npy raise
            told = " ".join(str(error).split())[:200] or "cannot be read"
            raise ValueError(f"{path}, field {name}: {told}: must be refsnn's "
                             "digits.npz") from None
    for name, top in (("images", 16), ("labels", 9)):
        if arrays[name].max() > top:
            raise ValueError(f"{path}, field {name}: largest value is "
                             f"{arrays[name].max()}: must be at most {top}")
    return arrays["images"] / 16.0, arrays["labels"].astype(np.int64)


def upsample(images, size=16):
    """Larger images by bilinear interpolation, eqs. (1) and (2).

    Parameters
    ----------
    images : (N, k, k) float
        Of any units.
    size : int
        Side of the result, at least k.

    Returns
    -------
    (N, size, size) float
        In the units and of the dtype of images.

    Raises
    ------
    ValueError
        If images are no finite (N, k, k) floats or size is below k.

    Examples
    --------
    >>> upsample(np.array([[[0.0, 1.0], [0.0, 1.0]]]), 4)[0, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    images = np.asarray(images)
    if images.dtype not in (np.float32, np.float64) or images.ndim != 3 \
            or images.shape[1] != images.shape[2] or images.size == 0:
        raise ValueError(f"images is of shape {images.shape}, dtype {images.dtype}: "
                         "must be (N, k, k) float32 or float64, not empty")
    if not np.isfinite(images).all():
        raise ValueError("images has NaN or infinite entries: must be finite")
    k = images.shape[1]
    if not isinstance(size, (int, np.integer)) or size < k:
        raise ValueError(f"size is {size!r}: must be an integer of at least {k}, the "
                         "side of images")
    p = np.clip((np.arange(size) + 0.5) * k / size - 0.5, 0, k - 1)        # (2)
    A = np.maximum(0, 1 - np.abs(p[:, None] - np.arange(k)))
    A = A.astype(images.dtype)
    return A @ images @ A.T                                                # (1)


def split(labels, test_fraction=0.2, seed=0):
    """Indices of a training and a test set, fixed, disjoint and stratified.

    Parameters
    ----------
    labels : (N,) int
        Classes.
    test_fraction : float
        Part of each class that goes to the test set, in (0, 1); rounded to
        whole samples, at least one of each class in either set.
    seed : int
        Which split.

    Returns
    -------
    train, test : int64 arrays
        Rising indices; together each of 0 .. N-1 once.

    Raises
    ------
    ValueError
        If labels are no integers of shape (N,), a class has a single
        sample, or test_fraction or seed is out of range.

    Examples
    --------
    >>> train, test = split(np.array([0, 0, 0, 1, 1, 1]), 1 / 3)
    >>> len(train), len(test), sorted(train.tolist() + test.tolist())
    (4, 2, [0, 1, 2, 3, 4, 5])
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or labels.size == 0:
        raise ValueError(f"labels is of shape {labels.shape}, dtype {labels.dtype}: "
                         "must be (N,) integers, not empty")
    if not isinstance(test_fraction, (float, np.floating)) or not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction!r}: must be in (0, 1)")
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}: must be an integer, not negative")
    rng = np.random.default_rng(seed)
    chosen = np.zeros(labels.size, bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if members.size < 2:
            raise ValueError(f"labels has {members.size} sample of class {label}: must "
                             "have two or more of each")
        count = min(max(round(test_fraction * members.size), 1), members.size - 1)
        chosen[rng.permutation(members)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _header(path, stream, limit, size, zipped):
    """Dtype, shape and number of data bytes that an IDX header announces."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_DTYPES \
            or magic[3] == 0:
        raise ValueError(f"{path}, field magic: is {magic.hex() or 'empty'}: must be "
                         "0000, a dtype code of 08 to 0e and a number of dimensions")
    raw = stream.read(4 * magic[3])
    if len(raw) < 4 * magic[3]:
        raise ValueError(f"{path}, field dimensions: truncated after {len(raw)} bytes: "
                         f"must be {magic[3]} of 4 bytes")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4"))
    dtype = np.dtype(IDX_DTYPES[magic[2]])
    count = dtype.itemsize
    for n in shape:
        count *= n
    most = size * DEFLATE if zipped else size - 4 - len(raw)
    if not 0 < count <= limit:
        raise ValueError(f"{path}, field dimensions: {shape} make {count} bytes: must "
                         f"be from 1 to limit = {limit}")
    if count > most or not zipped and count != most:
        raise ValueError(f"{path}, field data: {shape} of {dtype} make {count} bytes: "
                         f"file holds {'at most ' * zipped}{most}")
    return dtype, shape, count


def idx(path, *, limit=1 << 31):
    """An array from a file of the IDX format, gzipped or not.

    Parameters
    ----------
    path : str or path
        Of the file; whether it is gzipped is read from it, not its name.
    limit : int
        Largest array that is accepted, in bytes.

    Returns
    -------
    array
        Of the shape and dtype that the header gives, native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated, corrupt, longer than its header says or
        larger than limit; names file and field.

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> with open(path, "wb") as file:
    ...     file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    11
    >>> idx(path).tolist()
    [7, 2, 1]
    """
    path = _file(path, "must be a file of the IDX format, gzipped or not")
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
            raise ValueError(f"{path}, field data: {error}: must be an intact file"
                             ) from None
    if len(data) != count:
        raise ValueError(f"{path}, field data: {'more than ' * (len(data) > count)}"
                         f"{min(len(data), count)} bytes: must be {count} for {shape} "
                         f"of {dtype}")
    array = np.frombuffer(data, dtype).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{path}, field data: has NaN or infinite entries: must be "
                         "finite")
    return array.astype(dtype.newbyteorder("="), copy=False)


def images(folder, kind="train", *, classes=10, dtype=np.float32):
    """Images and labels of a folder of MNIST-format files.

    Parameters
    ----------
    folder : str or path
        Holds KIND-images-idx3-ubyte and KIND-labels-idx1-ubyte, or .gz.
    kind : "train" or "t10k"
        Which set.
    classes : int
        Number of classes.
    dtype : float32 or float64
        Of the images.

    Returns
    -------
    images : (N, rows, columns) float
        In [0, 1].
    labels : (N,) int64
        In 0 .. classes-1.

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing.
    ValueError
        If kind or dtype is another one, or as `idx`, or if the two files
        do not fit each other.

    Examples
    --------
    >>> images("nowhere")                           # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FileNotFoundError: folder nowhere is missing: must hold MNIST-format ...
    """
    folder = os.fspath(folder)
    if kind not in ("train", "t10k"):
        raise ValueError(f"kind is {kind!r}: must be 'train' or 't10k'")
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise ValueError(f"dtype is {dtype}: must be float32 or float64")
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"folder {folder} is missing: must hold MNIST-format "
                                "files, fetch() gets them")
    arrays = []
    for name, ndim in (("images-idx3", 3), ("labels-idx1", 1)):
        path = os.path.join(folder, f"{kind}-{name}-ubyte")
        path = path if os.path.exists(path) else path + ".gz"
        array = idx(_file(path, "must be there, with or without .gz"))
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise ValueError(f"{path}, field magic: is for {array.ndim} dimensions of "
                             f"{array.dtype}: must be {ndim} of uint8")
        arrays.append(array)
    pixels, labels = arrays
    if len(pixels) != len(labels):
        raise ValueError(f"{path}, field dimensions: {len(labels)} labels: must be "
                         f"{len(pixels)}, one for each image")
    if labels.max() >= classes:
        raise ValueError(f"{path}, field data: largest label is {labels.max()}: must "
                         f"be below classes = {classes}")
    return np.divide(pixels, 255, dtype=dtype), labels.astype(np.int64)


def fetch(name, folder):
    """Download MNIST or Fashion-MNIST, unless it is there already.

    Parameters
    ----------
    name : "mnist" or "fashion_mnist"
        Which.
    folder : str or path
        The four files go to folder/name; each appears when it is complete
        and its published MD5 is right, or not at all.

    Returns
    -------
    str
        folder/name, for `images`.

    Raises
    ------
    ValueError
        If the name is unknown, a file of another checksum is in the way, or
        a download has a wrong one.
    ImportError
        If pooch is missing.
    OSError
        If the download fails.

    Examples
    --------
    >>> fetch("minst", "data")
    Traceback (most recent call last):
        ...
    ValueError: name is 'minst': must be one of ['fashion_mnist', 'mnist']
    """
    if name not in SOURCES:
        raise ValueError(f"name is {name!r}: must be one of {sorted(SOURCES)}")
    try:
        import pooch
    except ImportError:
        raise ImportError("fetch needs pooch, which is missing: python -m pip install "
                          "pooch") from None
    url, files = SOURCES[name]
    target = os.path.join(os.fspath(folder), name)
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
