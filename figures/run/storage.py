"""Store the results of full runs in `figures/full`, and draw figures from stored data.

`figures/full/NAME.json` holds the computed numbers of a figure and the git commit of
the code.  `figures/full/NAME.h5` holds the plotted data.  The function `shown` in the
Python file of the figure selects the plotted data.  The HDF5 file also holds the axis
names, the unit and a description of each array.  The axis names, units and descriptions
of arrays are copied from the dict `ARRAYS` in the Python file of the figure.

The JSON file contains a checksum of the HDF5 file.  A new HDF5 file is first written
under a temporary name, then the JSON file is replaced, and finally the HDF5 file is
renamed.  If the program is killed, the folder therefore still contains a complete
result, which is the old result or the new result.
"""

import hashlib
import io
import json
import os

import h5py
import numpy as np

from figures.run import claims, gallery, jobs, origin

LARGEST_B = 300_000         # of a data file
SMALL_B = 256               # smaller arrays are not compressed: the header is larger
CHECKSUM = "data_sha256"    # key in the JSON file


class Refused(Exception):
    """This exception is raised if stored results cannot be used."""


# ---- data files

def shown(module, data):
    """Return the plotted data of a figure."""
    if not hasattr(module, "shown"):        # the picture shows all data
        return data
    return jobs.normalised(module.shown(data), "the result of shown")


def packed(module, data):
    """Return the bytes of an HDF5 file with the data of a figure."""
    content, described = io.BytesIO(), getattr(module, "ARRAYS", None)
    with h5py.File(content, "w") as file:
        file.attrs["title"] = gallery.title_of(module)
        for name, value in data.items():
            array = np.asarray(value)
            if array.dtype.kind == "U":
                array = array.astype(h5py.string_dtype())
            more = {"compression": "gzip", "compression_opts": 9, "shuffle": True} \
                if array.ndim and array.nbytes > SMALL_B else {}
            entry = file.create_dataset(name, data=array, track_times=False, **more)
            if described is not None:
                _describe(entry, name, described)
    return content.getvalue()


def _describe(entry, name, described):
    """Write axis names, unit and description."""
    if name not in described:
        raise ValueError(f"ARRAYS does not describe {name!r}")
    axes, unit, text = described[name]
    names = [axis.strip() for axis in axes.split(",")] if axes else []
    if len(names) != entry.ndim:
        raise ValueError(f"ARRAYS[{name!r}] has the axes {axes!r}, and the array has "
                         f"the shape {entry.shape}: must have one name for each axis")
    for axis, label in zip(entry.dims, names, strict=True):
        axis.label = label
    entry.attrs.update({"axes": axes, "unit": unit, "text": text})


def unpacked(content):
    """Return the data of a figure from the bytes of an HDF5 file."""
    with h5py.File(io.BytesIO(content)) as file:
        return {name: np.asarray(entry.asstr()[()], str)[()]
                if h5py.check_string_dtype(entry.dtype) else entry[()]
                for name, entry in file.items()}


# ---- results in a folder

def document(folder, name):
    """Return the content of a JSON file."""
    path = folder / f"{name}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = [found[key] for key in ("figure", "size", "seed", "options", "claims",
                                        "origins", "jobs")]
        if parts[0] != name:
            raise ValueError(f"the result of a figure {parts[0]!r}")
        if "error" in found:
            raise Refused(f"{path} holds an error and no result")
        for job in found["jobs"]:
            found["origins"][job["origin"]]["commit"]
        return found
    except FileNotFoundError:
        raise Refused(f"{path} does not exist") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Refused(f"{path} is damaged ({type(error).__name__}: {error})") from None


def data(folder, name, found):
    """Return a figure's stored data, or None if no data were stored."""
    path = _completed(folder, name, found)
    if CHECKSUM not in found and not path.exists():
        return None
    try:
        content = path.read_bytes()
        if found.get(CHECKSUM, _checksum(content)) != _checksum(content):
            raise ValueError("it is not the file that was stored")
        return unpacked(content)
    except Exception as error:          # h5py raises errors of many types
        raise Refused(f"{path} is damaged ({type(error).__name__}: {error})") from None


def _checksum(content):
    return hashlib.sha256(content).hexdigest()


def _waiting(folder, name):
    """Return the temporary path of new data."""
    return folder / f".{name}.h5.new"


def _completed(folder, name, found):
    """Finish an interrupted `put`; return the path."""
    waiting = _waiting(folder, name)
    if waiting.exists() and _checksum(waiting.read_bytes()) == found.get(CHECKSUM):
        os.replace(waiting, folder / f"{name}.h5")
    return folder / f"{name}.h5"


# ---- store

def store(folder, full, names, find):
    """Copy results from `folder` to the folder `full`.

    If `names` is empty, all results computed with --full are copied.  For each figure,
    yield a message and a truth value that states whether the result was copied.
    """
    for name in names or full_results(folder):
        try:
            found = document(folder, name)
            content = checked(folder, name, found, find(name))
        except Refused as error:
            yield f"not stored: {name}: {error}", False
            continue
        put(full, name, found, content)
        yield f"stored {name}: {len(content)} bytes of data", True


def full_results(folder):
    """List the figures computed with --full."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            if json.loads(path.read_text(encoding="utf-8"))["size"] == "full":
                found.append(path.stem)
        except (OSError, ValueError, LookupError, TypeError):
            found.append(path.stem)             # is named by store()
    return found


def checked(folder, name, found, module):
    """Validate a result; return its packed data."""
    if found["size"] != "full" or found["options"]:
        raise Refused(f"its size is {found['size']!r} with the options "
                      f"{found['options']}: must be 'full' without options")
    for one in (found.get("code") or {"commit": None}, *found["origins"]):
        if not one["commit"]:
            raise Refused("it does not say from which commit it was computed")
        if one["commit"].endswith(origin.CHANGED):
            raise Refused(f"it was computed with uncommitted changes of "
                          f"{one['commit'].removesuffix(origin.CHANGED)[:10]}")
    try:
        claims.read(module, found)
    except (ValueError, LookupError, TypeError) as error:
        raise Refused(f"its claims are not those of this code: {error}") from None
    whole = data(folder, name, found)
    if whole is None:
        raise Refused(f"{folder / f'{name}.h5'} does not exist")
    try:
        content = packed(module, shown(module, whole))
    except Exception as error:
        raise Refused(f"its data do not fit this code ({type(error).__name__}: "
                      f"{error})") from None
    if len(content) > LARGEST_B:
        raise Refused(f"its data take {len(content)} bytes: must be at most "
                      f"{LARGEST_B}; shown() must return less")
    return content


def put(full, name, found, content):
    """Replace a stored result."""
    full.mkdir(parents=True, exist_ok=True)
    if (full / f"{name}.json").exists():
        try:
            _completed(full, name, document(full, name))
        except Refused:
            pass                                # the old result was damaged
    gallery.write_bytes(_waiting(full, name), content)
    found = {**found, CHECKSUM: _checksum(content)}
    gallery.write_json(full / f"{name}.json", found)
    _completed(full, name, found)


# ---- draw

def draw(folder, out, names, find, requested):
    """Draw stored figures; return (messages, exit status).

    If `requested` is true and data are missing, the exit status is 1.
    """
    lines, missing, failed = [], [], False
    for name in names:
        try:
            if not requested and not (folder / f"{name}.json").exists():
                missing.append(name)
                continue
            found = document(folder, name)
            stored = data(folder, name, found)
            if stored is None:
                missing.append(name)
                continue
            module = find(name)
            try:
                if CHECKSUM not in found:           # a run, with all of its data
                    stored = shown(module, stored)
                picture = gallery.png(gallery.drawn(module.plot, stored))
            except Exception as error:
                raise Refused(f"the stored data of {name} cannot be drawn with this "
                              f"code ({type(error).__name__}: {error})") from None
        except Refused as error:
            lines.append(str(error))
            failed = True
            continue
        gallery.write_bytes(out / f"{name}.png", picture)
        if out.resolve() != folder.resolve():
            for kind in ("json", "h5"):
                gallery.write_bytes(out / f"{name}.{kind}",
                                    (folder / f"{name}.{kind}").read_bytes())
    if missing:
        lines.append(f"no data stored: {', '.join(missing)}")
    return lines, int(failed or bool(requested and missing))
