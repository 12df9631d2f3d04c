# refsnn 0.1.0 | cifar.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Small colour images to train on: CIFAR-10, CIFAR-100 and SVHN from files.

`cifar` reads the binary archives, plain bytes and never a pickle.  An
image is a row: one label, for CIFAR-100 a coarse and then the fine one,
then 3,072 pixels, the red plane first, each of 32 lines,

    x[r, c, k] = pixel[1024 k + 32 r + c] / 255              (1)

`svhn` reads the MATLAB files (version 5) of cropped digits, arrays X
(32, 32, 3, N) and y (N, 1), where a 0 is written 10,

    x[n, r, c, k] = X[r, c, k, n] / 255,  label = y mod 10   (2)

Derivation.  (1) and (2) are the formats, by their descriptions.
Exact.  Values are those of the files.
Cost.   Files are read whole; a file of CIFAR of another length than it
    must have is refused before that, and one of SVHN with another MD5.
Departures.  Pixels are scaled to [0, 1], from 0..255; channels come last.
    The coarse labels of CIFAR-100 are left out.

Sources.  CIFAR: A. Krizhevsky, Learning multiple layers of features from
    tiny images, 2009.  SVHN: Y. Netzer, T. Wang, A. Coates, A. Bissacco,
    B. Wu and A. Y. Ng, Reading digits in natural images, 2011; for
    research, not for trade.
"""

import hashlib
import os

import numpy as np
from scipy import io

__all__ = ["cifar", "svhn"]

SIDE = 32
PIXELS = 3 * SIDE ** 2
# (classes, kind): files, images in each, bytes of labels
FILES = {(10, "train"): ([f"data_batch_{i}.bin" for i in range(1, 6)], 10000, 1),
         (10, "test"): (["test_batch.bin"], 10000, 1),
         (100, "train"): (["train.bin"], 50000, 2),
         (100, "test"): (["test.bin"], 10000, 2)}
# Published: what else is damaged can crash the library that reads it.
MD5 = {"train": "e26dedcc434d2e4c54c9b2d4a06d8373",
       "test": "eb5a983be6a315427106f1b164d9cef3"}


def _file(folder, name, what):
    """Path of a regular file."""
    path = os.path.join(os.fspath(folder), name)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is missing: must be a file of {what}")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is no regular file: must be one")
    return path


def _options(kind, dtype):
    if kind not in ("train", "test"):
        raise ValueError(f"kind is {kind!r}: must be 'train' or 'test'")
    if dtype not in (np.float32, np.float64, "float32", "float64"):
        raise ValueError(f"dtype is {dtype}: must be float32 or float64")


def cifar(folder, kind="train", *, classes=10, dtype=np.float32):
    """Images and labels of CIFAR-10 or CIFAR-100, binary version, eq. (1).

    Parameters
    ----------
    folder : str or path
        Where the archive was unpacked: cifar-10-batches-bin or
        cifar-100-binary.
    kind : "train" or "test"
        Which set.
    classes : 10 or 100
        Which of the two.
    dtype : float32 or float64
        Of the images.

    Returns
    -------
    images : (N, 32, 32, 3) float
        In [0, 1].
    labels : (N,) int64
        In 0 .. classes-1.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If an option is another one, or a file has another length than it
        must have or a label that is none.

    Examples
    --------
    >>> cifar("nowhere", "test")                    # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere...test_batch.bin is missing: must be a ...
    """
    _options(kind, dtype)
    if classes not in (10, 100):
        raise ValueError(f"classes is {classes!r}: must be 10 or 100")
    names, count, head = FILES[classes, kind]
    images = np.empty((len(names) * count, SIDE, SIDE, 3), dtype)
    labels = np.empty(len(images), np.int64)
    for i, name in enumerate(names):
        path = _file(folder, name, f"CIFAR-{classes}, binary version")
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
        np.divide(planes.transpose(0, 2, 3, 1), 255, out=images[part],     # (1)
                  dtype=dtype)
    return images, labels


def svhn(folder, kind="train", *, dtype=np.float32, checked=True):
    """Images and labels of the cropped digits of SVHN, eq. (2).

    Parameters
    ----------
    folder : str or path
        Holds train_32x32.mat and test_32x32.mat.
    kind : "train" or "test"
        Which set.
    dtype : float32 or float64
        Of the images.
    checked : bool
        Refuse a file that is not the published one, by its MD5.  False
        reads any file of this format; SciPy may crash on a damaged one.

    Returns
    -------
    images : (N, 32, 32, 3) float
        In [0, 1].
    labels : (N,) int64
        The digit, 0 .. 9.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If an option is another one, or the file has another MD5, cannot be
        read, holds other arrays or a label that is none.

    Examples
    --------
    >>> svhn("nowhere")                             # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere...train_32x32.mat is missing: must be a ...
    """
    _options(kind, dtype)
    path = _file(folder, f"{kind}_32x32.mat", "SVHN, cropped digits")
    if checked:
        with open(path, "rb") as file:
            md5 = hashlib.md5(file.read(), usedforsecurity=False).hexdigest()
        if md5 != MD5[kind]:
            raise ValueError(f"{path} has MD5 {md5}: must be {MD5[kind]}, that of the "
                             "published file")
    try:
        found = io.loadmat(path, variable_names=("X", "y"))
    except Exception as error:          # of many kinds, by what is broken
        raise ValueError(f"{path} cannot be read ({str(error) or type(error)}): must "
                         "be a MATLAB file of version 5") from None
    X, y = (np.asarray(found.get(name)) for name in ("X", "y"))
    N = X.shape[-1] if X.ndim == 4 else 0
    for name, array, shape in (("X", X, (SIDE, SIDE, 3, N)), ("y", y, (N, 1))):
        if array.shape != shape or array.dtype != np.uint8 or N == 0:
            raise ValueError(f"{path}, field {name}: is of shape {array.shape}, dtype "
                             f"{array.dtype}: must be uint8, X (32, 32, 3, N) and y "
                             "(N, 1)")
    if y.min() < 1 or y.max() > 10:
        raise ValueError(f"{path}, field y: labels go from {y.min()} to {y.max()}: "
                         "must be in 1 .. 10, where 10 stands for 0")
    images = np.divide(X.transpose(3, 0, 1, 2), 255, dtype=dtype, order="C")  # (2)
    return images, y[:, 0].astype(np.int64) % 10
