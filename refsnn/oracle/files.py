# refsnn 0.1.0 | oracle/files.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors as files for any language, and results read back.

`write` makes a folder of uncompressed .npz files, one for each vector of
`conformance`, and vectors.json, which says in words and shapes what is in
them.  `read` takes results from a file that may be truncated, hostile or
huge: nothing is unpickled, and no array is made before its size is known.
"""

import hashlib
import json
import os
import shutil
import zipfile

import numpy as np

import refsnn
from refsnn.oracle import check

__all__ = ["measure", "read", "write"]

MODULES = ("alif", "bptt", "chip", "cochlea", "conventions", "convnet", "encoding",
           "ewc", "feedback", "in_the_loop", "lif", "losses", "lstm", "mlp", "ntk",
           "ntk_dynamics", "ntt", "optimisers", "pruning", "rnn",
           "rtrl", "si", "snap", "sparse_rtrl", "spike_time", "superspike",
           "surrogates")
BYTES = 10**8           # most that a file of results may hold
ENTRIES = 1000


def measure(vector):
    """How near a vector is to its thresholds, and how alive it is.

    Parameters
    ----------
    vector : Vector
        From `conformance.vectors`.

    Returns
    -------
    dict
        "margin", the smallest distance of a membrane from the threshold but
        for "ties"; "spike_rate", per neuron and step; "norms" of outputs.

    Examples
    --------
    >>> vector = conformance.vectors(["lif_forward"])["lif_forward"]
    >>> found = measure(vector)
    >>> found["margin"] > 1e-4, found["ties"], 0.1 < found["spike_rate"] < 0.6
    (True, 0, True)
    """
    arrays = vector.inputs | vector.outputs
    found = {"norms": {name: float(np.linalg.norm(np.ravel(value)))
                       for name, value in vector.outputs.items()}}
    if "spikes" in arrays:
        found["spike_rate"] = float(np.mean(arrays["spikes"]))
    if "mem" in arrays:
        gaps = np.abs(arrays["mem"] - arrays["threshold"])
        found |= {"margin": float(gaps[gaps > 0].min()), "ties": int((gaps == 0).sum())}
    return found


def _described(values):
    """Shapes and dtypes of arrays, numbers as they are."""
    return {name: value if isinstance(value, (int, float)) and not np.ndim(value)
            and not isinstance(value, np.generic) else
            {"shape": list(np.shape(value)), "dtype": str(np.asarray(value).dtype)}
            for name, value in values.items()}


def _description(found):
    """What vectors.json says."""
    folder = os.path.dirname(os.path.abspath(refsnn.__file__))
    digests = {}
    for name in MODULES:
        with open(os.path.join(folder, f"{name}.py"), "rb") as file:
            digests[name] = hashlib.sha256(file.read()).hexdigest()
    return {
        "refsnn": refsnn.__version__, "numpy": np.__version__, "modules": digests,
        "files": "NAME.npz, uncompressed: arrays in.INPUT, out.OUTPUT and, of the "
                 "k-th mutant, mutantK.OUTPUT; time first, (T, B, n); weights post x "
                 "pre",
        "results": "one npz of arrays named VECTOR.OUTPUT, such as bptt.dW; then "
                   "python -m refsnn check RESULTS.npz",
        "vectors": {name: {
            "file": f"{name}.npz", "text": v.text, "exact": v.exact,
            "inputs": _described(v.inputs),
            "outputs": _described({key: np.asarray(a) for key, a in v.outputs.items()}),
            "metadata": measure(v),
            "mutants": [{"name": m.name, "seen": m.seen, "outputs": list(m.outputs)}
                        for m in v.mutants]} for name, v in found.items()}}


def write(folder):
    """Write all golden vectors into a new folder.

    Parameters
    ----------
    folder : str
        Must not be there yet; appears when it is complete.

    Returns
    -------
    int
        Number of vectors.

    Raises
    ------
    ValueError
        If the folder is there, or has no parent.

    Examples
    --------
    >>> write("nowhere/a")
    Traceback (most recent call last):
    ValueError: nowhere/a has no parent folder: must be in one that exists
    """
    if not folder:
        raise ValueError("folder is '': must be a new folder")
    if os.path.lexists(folder):
        raise ValueError(f"{folder} is there already: must be a new folder")
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


def _entry(archive, info):
    """One array of an archive, whose header says what is there."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0,
                  (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if header is None:
            raise ValueError(f"has format {version}: must be 1.0 or 2.0")
        shape, _, dtype = header(file)
        if dtype.kind not in "fiub" or dtype.names:
            raise ValueError(f"is of dtype {dtype}: must be real numbers")
        size = dtype.itemsize
        for length in shape:
            size *= length
        if len(shape) > 8 or file.tell() + size != info.file_size:
            raise ValueError(f"claims shape {shape}, {dtype}, and has "
                             f"{info.file_size} bytes")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def read(path):
    """Results from an npz file, which may be anybody's.

    Parameters
    ----------
    path : str
        At most 100 MB, unpacked too; 1000 arrays of real numbers.

    Returns
    -------
    dict
        Name to array.

    Raises
    ------
    ValueError
        If the file is none of this, truncated or corrupt; the message names
        the file and the array.

    Examples
    --------
    >>> read("nowhere.npz")
    Traceback (most recent call last):
    ValueError: nowhere.npz is missing: must be an npz file
    """
    if not os.path.isfile(path):
        what = "no regular file" if os.path.lexists(path) else "missing"
        raise ValueError(f"{path} is {what}: must be an npz file")
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
                    raise ValueError("is no array, or there twice")
                found[name[:-4]] = _entry(archive, info)
    except Exception as error:          # whatever the parsers of zip and npy raise
        told = " ".join(str(error).split())[:200] or type(error).__name__
        where = f"{path}: {name!r:.60}" if name else path
        if isinstance(error, zipfile.BadZipFile) and not name:
            told = f"is broken or no npz file: {told}"
        raise ValueError(f"{where} {told}") from None
    return found
