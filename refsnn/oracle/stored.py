# refsnn 0.1.0 | oracle/stored.py | SPDX-License-Identifier: MIT | needs: numpy
"""Read and write the JSON files of the golden vectors.

A golden vector is a test problem with its correct results, see `oracle`.
The folder `vectors` beside this module holds one JSON file for each golden
vector.  The files `README.md` and `schema.json` in this folder describe
the format.  The following command recomputes all golden vectors (test
problems and results) and replaces the files whose contents have changed:

    python -m refsnn.oracle.stored

For each known programming error, the JSON file also holds the wrong
results of a program with this error.  The names of golden vectors and the
identifiers of known errors, such as "bptt/reset-detached", never change.
If you change the name of an error in the code, change it in the JSON file,
too.  For each new error, the function `write` creates an identifier from
the name of the error.
"""

import difflib
import json
import pathlib
import re

import numpy as np

from refsnn.oracle.build.vector import Mutant, Vector

__all__ = ["catalogue", "load", "names", "write"]

FOLDER = pathlib.Path(__file__).with_name("vectors")
FORMAT = 1
OTHERS = "schema", "report_schema", "set"      # files that hold no golden vector
UNIT = 2.0 ** -30       # multiples of `UNIT` below 2**20 are computed without rounding


def names(folder=FOLDER):
    """Return a sorted list of the names of all golden vectors (test problems).

    >>> names()[:2]
    ['binning', 'bptt']

    Parameters
    ----------
    folder : str or Path
    """
    if not folder.is_dir():
        raise ValueError(f"folder is {str(folder)!r}: must be a folder that exists")
    return sorted(path.stem for path in folder.glob("*.json")
                  if path.stem not in OTHERS)


def catalogue():
    """Return a dict that lists the stored golden vectors.  The value of the key
    "version" begins with the year and month of the last change.  The list
    "required" names problems whose results follow from published equations.
    The list "optional" names problems whose results also depend on details
    that no published equation specifies, such as details of one program.

    >>> found = catalogue()
    >>> "bptt" in found["required"], "si_nupic" in found["optional"]
    (True, True)
    """
    return _read(FOLDER, "set")


def load(chosen=None):
    """Read stored golden vectors, and return a dict of `Vector`.

    >>> vector = load(["bptt"])["bptt"]
    >>> vector.inputs["x"].shape, vector.mutants[0].id
    ((40, 3, 4), 'bptt/reset-detached')

    Parameters
    ----------
    chosen : list of str, optional; by default all golden vectors
    """
    known = names()
    if isinstance(chosen, str):
        raise ValueError(f"{chosen!r:.60} is a string: must be a list of names")
    for name in chosen or ():
        if name not in known:
            raise ValueError(f"{name!r:.60} is not a vector: "
                             f"{_nearest(str(name), known)}")
    return {name: _vector(_read(FOLDER, name)) for name in (
        known if chosen is None else chosen)}


def _nearest(name, known):
    nearest = difflib.get_close_matches(name, sorted(known), 1)
    told = f"the nearest name is {nearest[0]!r}, and " if nearest else ""
    return f"{told}refsnn.oracle.stored.names() lists all vectors"


def _read(folder, name):
    return json.loads((folder / f"{name}.json").read_bytes())


def _vector(contents):
    inputs = _arrays(contents["inputs"])
    idle = {}
    for name, row in contents["idle"].items():
        mask = np.zeros(np.size(inputs[name]), bool)
        mask[row["entries"]] = True
        idle[name] = mask.reshape(np.shape(inputs[name])), row["reason"]
    return Vector(
        contents["id"], contents["text"], inputs, _arrays(contents["outputs"]),
        [Mutant(m["name"], m["seen"], _arrays(m["outputs"]), m["id"])
         for m in contents["mutants"]], contents["exact"], idle)


def _arrays(rows):
    return {name: np.array(row["data"], row["dtype"]).reshape(row["shape"])[()]
            for name, row in rows.items()}


def write(folder=FOLDER):
    """Recompute all stored test problems, and replace the JSON files that have
    changed.  Return a list of the names of new and changed test problems.

    To ignore rounding errors, `write` keeps a stored array if all new entries
    differ by at most 1e-12 times the largest entry.  If an array holds the
    wrong results of a program with a known error, `write` ignores changes up
    to 1e-10 times the largest entry.  If all entries of an array are multiples
    of `2**-30` and below `2**20`, `write` stores every change of the array.

    >>> write("nowhere")
    Traceback (most recent call last):
    ValueError: folder is 'nowhere': must be a folder that exists

    Arguments as for `names`.
    """
    from refsnn.oracle.build.registry import REGISTRY     # imports SciPy
    path, changed = pathlib.Path(folder), {}
    known = names(path)
    lost = sorted(set(known) - set(REGISTRY))
    if lost:
        raise ValueError(f"vectors {lost} are stored: must be in the registry, too")
    for name in REGISTRY:
        old = _read(path, name) if name in known else None
        new = _recomputed(name, old)
        if old is None or _differences(old, new):
            changed[name] = _text(_kept(old, new))
    for name, text in changed.items():
        part = path / f"{name}.part"
        part.write_bytes(text.encode())
        part.replace(path / f"{name}.json")
    return list(changed)


def _recomputed(name, old):
    from refsnn.oracle import matching
    from refsnn.oracle.build import registry
    vector = matching._alive(registry.build(name))
    known = {m["name"]: m["id"] for m in old["mutants"]} if old else {}
    ids = [known.get(m.name) or _identifier(name, m.name) for m in vector.mutants]
    lost = sorted(set(known.values()) - set(ids))
    if lost:
        raise ValueError(f"mutants {lost} are stored: must have names in the code")
    if len(set(ids)) < len(ids):
        raise ValueError(f"identifiers are {ids}: must be unique")
    return _contents(vector._replace(mutants=[
        mutant._replace(id=own) for mutant, own in zip(vector.mutants, ids,
                                                       strict=True)]))


def _identifier(name, mistake):
    return f"{name}/" + re.sub("[^a-z0-9]+", "-", mistake.lower()).strip("-")


def _contents(vector):
    return {
        "format": FORMAT, "id": vector.name, "text": vector.text,
        "exact": vector.exact, "inputs": _rows(vector.inputs),
        "outputs": _rows(vector.outputs), "idle": _idle(vector),
        "mutants": [{"id": m.id, "name": m.name, "seen": m.seen,
                     "outputs": _rows(m.outputs)} for m in vector.mutants]}


def _rows(arrays):
    found = {}
    for name, array in arrays.items():
        found[name] = {
            "dtype": str(np.asarray(array).dtype), "shape": list(np.shape(array)),
            "data": [int(a) if abs(a) < 2 ** 53 and a == int(a) else a
                     for a in np.ravel(array).tolist()]}
    return found


def _idle(vector):
    """Return the input entries that do not change any output."""
    return {name: {"reason": reason, "entries": np.flatnonzero(mask).tolist()}
            for name, (mask, reason) in vector.idle.items()}


def _text(contents):
    text = json.dumps(contents, indent=1, allow_nan=False) + "\n"
    return re.sub(r"\[[-+.,\de\s]*\](?=,?\n)",
                  lambda match: re.sub(r"\s", "", match[0]), text)


def _differences(old, new, place=""):
    if isinstance(new, dict) and isinstance(old, dict) and old.keys() == new.keys():
        return [where for key in new
                for where in _differences(old[key], new[key], f"{place}.{key}")]
    if isinstance(new, list) and isinstance(old, list) and len(old) == len(new):
        if new and isinstance(new[0], dict):
            return [where for k in range(len(new))
                    for where in _differences(old[k], new[k], f"{place}.{k}")]
        a, b = np.array(old), np.array(new)
        rtol = 1e-10 if ".mutants" in place else 1e-12
        largest = np.abs(b).max(initial=0)
        exact = largest < 2 ** 20 and not (b % UNIT).any()
        near = np.abs(a - b) <= (0 if exact else rtol) * largest     # False for NaN
        return [place] * (not np.all(near))
    return [place] * (old != new)


def _kept(old, new, place=""):
    """Keep the old arrays if the new arrays differ only by rounding errors."""
    if not _differences(old, new, place):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _kept(old.get(key), value, f"{place}.{key}")
                for key, value in new.items()}
    if place == ".mutants" and old:
        known = {mutant["id"]: mutant for mutant in old}
        return [_kept(known.get(mutant["id"]), mutant, place) for mutant in new]
    return new


if __name__ == "__main__":
    print(f"written: {', '.join(write()) or 'nothing, all files are up to date'}")
