# refsnn 0.1.0 | oracle/files.py | SPDX-License-Identifier: MIT | needs: numpy
"""Write golden vectors to files, and read the results of programs from files.

A golden vector is a test problem with its correct results, see `oracle`.
For each golden vector (test problem), the function `write` stores one JSON
file and one uncompressed npz file in a new folder.  The file
`vectors.json` describes all arrays.  Stimuli are input signals that
distinguish simulators of LIF neurons, see `identify`.

Because files may be untrusted, all array sizes are checked before memory
is allocated, and Python objects are never unpickled.
"""

import math
import os
import pathlib
import shutil
import warnings
import zipfile

import numpy as np

import refsnn
from refsnn import _checks
from refsnn.oracle import exchange, identify, stored

__all__ = ["read", "read_recording", "write", "write_stimuli"]

STIMULI = (
    "NAME.npz: x (T, B, 1) is run through one neuron of weight W with these decay "
    "factors and this threshold, from rest.  Add what the tool shows, in its own "
    "dtype: spikes, and mem and syn if possible, each (T, B, n).  Save all arrays in "
    "one npz, then python -m refsnn identify RECORDING.npz.  If the tool takes time "
    "constants, use dt = 1, with tau_syn = 8 and tau_mem = 4 if its decays are 1 - "
    "dt/tau, otherwise -1/log(alpha) and -1/log(beta).  The file may hold tau_syn, "
    "tau_mem and dt instead of alpha and beta.  probes.json says what each probe tells "
    "apart.")
TEXTS = ("README.md", "PROTOCOL.md", "LICENSE")     # stored beside the golden vectors
RECORDED = ("x", "W", "threshold")      # required, unlike the following names
OPTIONAL = ("V", "alpha", "beta", "tau_syn", "tau_mem", "dt", "leak", "reset_to",
            "floor", "refractory", "dspikes", "dW", "surrogate")
LEVELS = {"alpha": 0.875, "beta": 0.75, "threshold": 1.75}      # ties exact in float32
BYTES = 10**8           # largest size of a results file, packed and unpacked
TEXT = 2 * 10**7        # bytes, largest size of a JSON file
ENTRIES = 1000          # largest number of arrays
DIRECTORY = 300 * ENTRIES       # bytes, largest list of entries in a zip file
DEFLATED = 1032         # largest ratio of unpacked to packed size


def write(folder):
    """Write all golden vectors to a folder or a zip file.  Return the number
    of golden vectors (int).

    >>> write("nowhere/a")
    Traceback (most recent call last):
    ValueError: nowhere/a has no parent folder: must be in one that exists

    Parameters
    ----------
    folder : str
        New folder, or a new file that ends with .zip, for the JSON files,
        their schemas and the licence.
    """
    _free(folder)
    found = stored.load()
    copied = *TEXTS, *(f"{name}.json" for name in (*stored.OTHERS, *found))

    def fill(part):
        os.mkdir(part)
        for name in copied:
            shutil.copyfile(stored.FOLDER / name, os.path.join(part, name))
        for name, v in found.items():
            arrays = {f"in.{key}": np.asarray(a) for key, a in v.inputs.items()}
            arrays |= {f"out.{key}": np.asarray(a) for key, a in v.outputs.items()}
            for k, mutant in enumerate(v.mutants):
                arrays |= {f"mutant{k}.{key}": a for key, a in mutant.outputs.items()}
            np.savez(os.path.join(part, f"{name}.npz"), **arrays)
        _describe(os.path.join(part, "vectors.json"), _description(found))

    def pack(part):                     # with reproducible bytes
        top = f"refsnn-vectors-{stored.catalogue()['version']}"
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(copied):
                archive.writestr(zipfile.ZipInfo(f"{top}/{name}"),
                                 (stored.FOLDER / name).read_bytes(),
                                 zipfile.ZIP_DEFLATED)

    _complete(folder, pack if str(folder).endswith(".zip") else fill)
    return len(found)


def _free(path):
    if not path:
        raise ValueError("folder is '': must be a new folder")
    if os.path.lexists(path):
        raise ValueError(f"{path} exists: must be a new file or folder")
    if not os.path.isdir(os.path.dirname(os.path.normpath(path)) or "."):
        raise ValueError(f"{path} has no parent folder: must be in one that exists")


def _complete(path, make):
    """Create a file or folder with a temporary name, and then rename it."""
    path = os.path.normpath(path)
    part = f"{path}.{os.getpid()}.part"
    try:
        make(part)
        if os.path.lexists(path):
            raise ValueError(f"{path} was created meanwhile: must be a new file or "
                             "folder")
        os.rename(part, path)
    finally:
        if os.path.isfile(part):
            os.remove(part)
        shutil.rmtree(part, ignore_errors=True)


def _describe(path, contents):
    pathlib.Path(path).write_bytes(stored._text(contents).encode())


def _description(found):
    return {
        "refsnn": refsnn.__version__, "numpy": np.__version__, "files": "see README.md",
        "vectors": {name: {
            "file": f"{name}.npz", "text": v.text, "exact": v.exact,
            "inputs": _described(v.inputs),
            "outputs": _described({key: np.asarray(a) for key, a in v.outputs.items()}),
            "idle": stored._idle(v),
            "mutants": [{"id": m.id, "name": m.name, "seen": m.seen,
                         "outputs": list(m.outputs)} for m in v.mutants]
        } for name, v in found.items()}}


def _described(values):
    return {name: value.item() if isinstance(value, np.generic) else
            {"shape": list(np.shape(value)), "dtype": str(np.asarray(value).dtype)}
            for name, value in values.items()}


def write_stimuli(folder):
    """Write all stimuli to a folder.  Return the number of stimuli (int).

    >>> write_stimuli("nowhere/a")
    Traceback (most recent call last):
    ValueError: nowhere/a has no parent folder: must be in one that exists

    Arguments as for `write`.
    """
    _free(folder)
    found = identify.make_stimuli([LEVELS["alpha"]], [LEVELS["beta"]],
                                  LEVELS["threshold"])

    def fill(part):
        os.mkdir(part)
        for name, stimulus in found.items():
            arrays = {"x": stimulus.x, "W": stimulus.W} | LEVELS
            np.savez(os.path.join(part, f"{name}.npz"), **{
                key: np.float32(value) for key, value in arrays.items()})
        _describe(os.path.join(part, "probes.json"), {
            "refsnn": refsnn.__version__, "files": STIMULI, "constants": LEVELS,
            "probes": {name: {"file": f"{name}.npz", "shows": shows,
                              "x": list(x.shape), "W": list(W.shape)}
                       for name, (x, W, shows) in found.items()}})

    _complete(folder, fill)
    return len(found)


def read(path, texts=()):
    """Read a program's results from an untrusted file into a dict of arrays.

    >>> read("nowhere.npz")
    Traceback (most recent call last):
    ValueError: nowhere.npz is missing: must be an npz or JSON file

    Parameters
    ----------
    path : str
        Path of a file with at most 1000 real arrays.  An npz file and its
        unpacked arrays must not exceed 100 MB.  A .json file must not exceed
        20 MB.  Its format is that of the JSON files of the golden vectors.
    texts : tuple of str
        Names of arrays that may hold a single string instead of real numbers.
    """
    _checks.one_of("path", path, str, os.PathLike)
    if not os.path.isfile(path):
        state = "not a regular file" if os.path.lexists(path) else "missing"
        raise ValueError(f"{path} is {state}: must be an npz or JSON file")
    size, text = os.path.getsize(path), str(path).endswith(".json")
    if size > (TEXT if text else BYTES):
        raise ValueError(f"{path} has {size} bytes: must have at most "
                         f"{TEXT if text else BYTES}")
    if text:
        return _text(path, texts)
    found, name, most = {}, "", min(BYTES, DEFLATED * size)
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(_short(path, size)) as archive:
            warnings.simplefilter("ignore")     # NumPy warns of old headers
            infos = archive.infolist()
            total = sum(info.file_size for info in infos)
            if not infos:
                raise ValueError(f"holds no array: must hold 1 to {ENTRIES}")
            if len(infos) > ENTRIES or total > most:
                raise ValueError(f"holds {len(infos)} arrays of {total} bytes: must be "
                                 f"1 to {ENTRIES}, {most} bytes at most")
            for info in infos:
                name = info.filename
                if not name.endswith(".npy") or name[:-4] in found:
                    raise ValueError("is not an array, or exists twice")
                found[name[:-4]] = _entry(archive, info, name[:-4] in texts)
    except Exception as error:          # zip and npy parsers raise errors of many kinds
        told = " ".join(str(error).split())[:200] or type(error).__name__
        where = f"{path}: {name!r:.60}" if name else path
        if isinstance(error, zipfile.BadZipFile) and not name:
            told = (f"is broken or not an npz file: {told}: must be an npz file, or "
                    "end with .json; help('refsnn.__main__') describes both")
        raise ValueError(f"{where} {told}") from None
    return found


def _text(path, texts):
    try:
        contents = exchange.parse(pathlib.Path(path).read_bytes())
        if not 0 < len(contents) <= ENTRIES:
            raise ValueError(f"holds {len(contents)} arrays: must hold 1 to {ENTRIES}")
        return exchange.arrays(contents, texts)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _short(path, size):
    """Reject zip files with many entries."""
    with open(path, "rb") as file:
        file.seek(max(0, size - 22))
        end = file.read()
    if end[:4] != b"PK\5\6":
        raise zipfile.BadZipFile("the last record of a zip file is missing")
    length = int.from_bytes(end[12:16], "little")
    if length > DIRECTORY:
        raise ValueError(f"lists its arrays in {length} bytes: must be {DIRECTORY} "
                         "bytes at most")
    return path


def _entry(archive, info, text):
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0,
                  (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if header is None:
            raise ValueError(f"has format {version}: must be 1.0 or 2.0")
        shape, _, dtype = header(file)
        text = text and dtype.kind == "U" and shape == () and dtype.itemsize <= 400
        if dtype.kind not in "fiub" and not text or dtype.names:
            raise ValueError(f"is of dtype {dtype}: must be real numbers")
        size = math.prod(shape, start=dtype.itemsize)
        if len(shape) > 8 or file.tell() + size != info.file_size:
            raise ValueError(f"claims shape {shape}, {dtype}, and has "
                             f"{info.file_size} bytes")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def read_recording(path):
    """Read a recording of a LIF layer from an untrusted file.  Return the
    arguments of `identify.identify` in two parts: the tuple (x, W, recording,
    V), and a dict of the other arguments in the file.

    >>> read_recording("nowhere.npz")
    Traceback (most recent call last):
    ValueError: nowhere.npz is missing: must be an npz or JSON file

    Parameters
    ----------
    path : str
        Path of a file as for `read`.  `help("refsnn.__main__")` lists the
        required and the optional arrays.
    """
    found = read(path, texts=("surrogate",))
    rows = {name: found.pop(name) for name in identify.QUANTITIES if name in found}
    known = RECORDED + OPTIONAL
    unknown = [name for name in found if name not in known]
    missing = [name for name in RECORDED if name not in found]
    decays, taus = ([name for name in names if name in found] for names in (
        ("alpha", "beta"), ("tau_syn", "tau_mem", "dt")))
    if unknown:
        raise ValueError(f"{path} holds {unknown[0]!r:.60}: must hold only "
                         f"{', '.join((*known, *identify.QUANTITIES))}")
    if missing or not rows:
        lacking = missing[0] if missing else "recording"
        raise ValueError(f"{path} has no {lacking}: must hold x, W, threshold and some "
                         "of spikes, mem and syn")
    if (len(decays), len(taus)) not in ((2, 0), (0, 3)):
        raise ValueError(f"{path} holds {', '.join(decays + taus) or 'no decay'}: must "
                         "hold either alpha and beta, or tau_syn, tau_mem and dt "
                         "(alpha = 0 if the layer has no synaptic filter)")
    if ("dW" in found) != ("dspikes" in found) or "surrogate" in found and \
            "dW" not in found:
        raise ValueError(f"{path} holds only a part of dW, dspikes and surrogate: must "
                         "hold dW and dspikes, and perhaps surrogate")
    arguments = found.pop("x"), found.pop("W"), rows, found.pop("V", None)
    if "dW" in found:
        found["gradients"] = found.pop("dW")
    return arguments, {name: value.item() if value.size == 1 and name not in (
        "gradients", "dspikes") else value for name, value in found.items()}
