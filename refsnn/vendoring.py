# refsnn 0.1.0 | vendoring.py | SPDX-License-Identifier: MIT | needs: python
"""One module, copied into a project of your own.

Most modules stand alone: `copy` writes one under any name, with its first
line (version, licence, what it needs) and a second one that holds the
digest of the others, so that a later change shows:

    sed 2d COPY.py | sha256sum      # is what line 2 says
    python -m doctest COPY.py       # the copy works

Data that a module reads come along, with their licence, in a folder data
beside it.  Nothing is overwritten, and a copy is complete or not there.
"""

import hashlib
import os
import re

__all__ = ["copy"]

DATA = {"datasets": ("data/digits.npz", "data/README")}     # what modules read


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _source(name):
    """The text of a module that stands alone."""
    folder = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(folder, f"{name}.py")
    if not re.fullmatch(r"[a-z]\w*", str(name)) or not os.path.isfile(path):
        raise ValueError(f"module is {name!r}: must be the name of a module, such as "
                         "lif")
    text = _read(path)
    if re.search(rb"^ *(>>> +)?(from|import) (refsnn|\.)", text, re.M):
        raise ValueError(f"module is {name!r}, which imports others: must be one that "
                         "stands alone")
    return folder, text


def _target(destination, name):
    """Path of the copy, in a folder that is there."""
    path = os.fspath(destination)
    path = os.path.join(path, f"{name}.py") if os.path.isdir(path) else path
    if not path.endswith(".py"):
        raise ValueError(f"destination is {path}: must be a folder that exists, or end "
                         "with .py")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise ValueError(f"{path} has no folder: must be in one that exists")
    return path


def copy(module, destination):
    """Copy a module, and the data that it reads.

    Parameters
    ----------
    module : str
        Its name, such as "lif".
    destination : str or path
        A folder that exists, or a new file in one that ends with .py.

    Returns
    -------
    list of str
        The files that were written, the copy last.

    Raises
    ------
    ValueError
        If there is no such module, or it does not stand alone, the folder
        is missing, or something else is there already.

    Examples
    --------
    >>> copy("nothing", ".")
    Traceback (most recent call last):
    ValueError: module is 'nothing': must be the name of a module, such as lif
    """
    folder, text = _source(module)
    path = _target(destination, module)
    first, _, rest = text.partition(b"\n")
    line = f"# sha256 of the rest: {hashlib.sha256(text).hexdigest()}\n".encode()
    wanted = {}
    for name in DATA.get(module, ()):
        to = os.path.join(os.path.dirname(path), *name.split("/"))
        data = _read(os.path.join(folder, *name.split("/")))
        if not (os.path.isfile(to) and _read(to) == data):
            wanted[to] = data
    wanted[path] = first + b"\n" + line + rest
    for to in wanted:
        if os.path.lexists(to):
            raise ValueError(f"{to} is there already: must be a new file")
    _write(wanted)
    return list(wanted)


def _write(wanted):
    """New files, {path: bytes}, all or none."""
    parts, made, done = [], [], []
    try:
        for to, data in wanted.items():
            if not os.path.isdir(os.path.dirname(to) or "."):
                os.mkdir(os.path.dirname(to))
                made.append(os.path.dirname(to))
            parts.append(f"{to}.{os.getpid()}.part")
            with open(parts[-1], "xb") as file:
                file.write(data)
        for to, part in zip(wanted, parts, strict=True):
            if os.path.lexists(to):
                raise ValueError(f"{to} has appeared meanwhile: must be a new file")
            os.rename(part, to)
            done.append(to)
    finally:
        whole = len(done) == len(wanted)
        for path in parts + done * (not whole):
            if os.path.exists(path):
                os.remove(path)
        for path in made * (not whole):
            os.rmdir(path)
