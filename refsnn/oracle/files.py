# refsnn 0.1.0 | oracle/files.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module writes golden vectors to files and reads results from files.

`write` creates a folder with one uncompressed .npz file for each golden
vector.  The file vectors.json describes the arrays.  `read` loads results
from a file that may be truncated, malicious or too large.  `read`
unpickles nothing, and checks array sizes before it allocates memory.
"""

import hashlib
import json
import math
import os
import pathlib
import shutil
import zipfile

import numpy as np

import refsnn
from refsnn.oracle import check

__all__ = ["read", "write"]

FILES = ("NAME.npz, uncompressed: arrays in.INPUT, out.OUTPUT and, of the k-th mutant, "
         "mutantK.OUTPUT; time first, (T, B, n); weights post x pre")
RESULTS = ("one npz of arrays named VECTOR.OUTPUT, such as bptt.dW; then "
           "python -m refsnn check RESULTS.npz")
BYTES = 10**8           # largest size of a results file, packed and unpacked
ENTRIES = 1000


def write(folder):
    """Write all golden vectors into a new folder.

    >>> write("nowhere/a")
    Traceback (most recent call last):
    ValueError: nowhere/a has no parent folder: must be in one that exists

    Parameters
    ----------
    folder : str
        Path of a new folder, which appears only after all files are written.

    Returns
    -------
    int
        Number of golden vectors written.
    """
    if not folder:
        raise ValueError("folder is '': must be a new folder")
    if os.path.lexists(folder):
        raise ValueError(f"{folder} exists: must be a new folder")
    folder = os.path.normpath(folder)
    if not os.path.isdir(os.path.dirname(folder) or "."):
        raise ValueError(f"{folder} has no parent folder: must be in one that exists")
    part, found = f"{folder}.{os.getpid()}.part", check.vectors()
    os.mkdir(part)
    try:
        for name, v in found.items():
            arrays = {f"in.{key}": np.asarray(a) for key, a in v.inputs.items()}
            arrays |= {f"out.{key}": np.asarray(a) for key, a in v.outputs.items()}
            for k, mutant in enumerate(v.mutants):
                arrays |= {f"mutant{k}.{key}": a for key, a in mutant.outputs.items()}
            np.savez(os.path.join(part, f"{name}.npz"), **arrays)
        with open(os.path.join(part, "vectors.json"), "w", encoding="utf-8") as file:
            json.dump(_description(found), file, indent=1)
            file.write("\n")
        if os.path.lexists(folder):
            raise ValueError(f"{folder} has appeared meanwhile: must be a new folder")
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len(found)


def _description(found):
    """Return the contents of the file vectors.json as a dict."""
    core = pathlib.Path(refsnn.__file__).parent.glob("[a-z]*.py")
    digests = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
               for path in sorted(core)}
    return {
        "refsnn": refsnn.__version__, "numpy": np.__version__, "modules": digests,
        "files": FILES, "results": RESULTS,
        "vectors": {name: {
            "file": f"{name}.npz", "text": v.text, "exact": v.exact,
            "inputs": _described(v.inputs),
            "outputs": _described({key: np.asarray(a) for key, a in v.outputs.items()}),
            "metadata": _measured(v),
            "mutants": [{"name": m.name, "seen": m.seen, "outputs": list(m.outputs)}
                        for m in v.mutants]} for name, v in found.items()}}


def _described(values):
    """Replace each array in a dict by its shape and dtype, and keep numbers."""
    return {name: value if type(value) in (int, float) else
            {"shape": list(np.shape(value)), "dtype": str(np.asarray(value).dtype)}
            for name, value in values.items()}


def _measured(vector):
    """Return statistics of a golden vector, such as its norms and spike rate."""
    arrays = vector.inputs | vector.outputs
    found = {"norms": {name: float(np.linalg.norm(np.ravel(value)))
                       for name, value in vector.outputs.items()}}
    if "spikes" in arrays:
        found["spike_rate"] = float(np.mean(arrays["spikes"]))
    if "mem" in arrays:
        gaps = np.abs(arrays["mem"] - arrays["threshold"])
        found |= {"margin": float(gaps[gaps > 0].min()), "ties": int((gaps == 0).sum())}
    return found


def read(path):
    """Read results from an untrusted .npz file.

    >>> read("nowhere.npz")
    Traceback (most recent call last):
    ValueError: nowhere.npz is missing: must be an npz file

    Parameters
    ----------
    path : str
        Path of a file with at most 1000 real arrays.  The file and its
        unpacked arrays must not exceed 100 MB.

    Returns
    -------
    dict
        The array for each name.
    """
    if not os.path.isfile(path):
        state = "not a regular file" if os.path.lexists(path) else "missing"
        raise ValueError(f"{path} is {state}: must be an npz file")
    if os.path.getsize(path) > BYTES:
        raise ValueError(f"{path} has {os.path.getsize(path)} bytes: must have at most "
                         f"{BYTES}")
    found, name = {}, ""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if not 0 < len(infos) <= ENTRIES or total > BYTES:
                raise ValueError(f"holds {len(infos)} arrays of {total} bytes: must be "
                                 f"1 to {ENTRIES}, {BYTES} bytes at most")
            for info in infos:
                name = info.filename
                if not name.endswith(".npy") or name[:-4] in found:
                    raise ValueError("is not an array, or exists twice")
                found[name[:-4]] = _entry(archive, info)
    except Exception as error:          # zip and npy parsers raise errors of many kinds
        told = " ".join(str(error).split())[:200] or type(error).__name__
        where = f"{path}: {name!r:.60}" if name else path
        if isinstance(error, zipfile.BadZipFile) and not name:
            told = f"is broken or not an npz file: {told}"
        raise ValueError(f"{where} {told}") from None
    return found


def _entry(archive, info):
    """Check the header of an array in an archive, then read the array."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0,
                  (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if header is None:
            raise ValueError(f"has format {version}: must be 1.0 or 2.0")
        shape, _, dtype = header(file)
        if dtype.kind not in "fiub" or dtype.names:
            raise ValueError(f"is of dtype {dtype}: must be real numbers")
        size = math.prod(shape, start=dtype.itemsize)
        if len(shape) > 8 or file.tell() + size != info.file_size:
            raise ValueError(f"claims shape {shape}, {dtype}, and has "
                             f"{info.file_size} bytes")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
