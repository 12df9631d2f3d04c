# refsnn 0.1.0 | convert/labels.py | SPDX-License-Identifier: MIT | needs: python
"""Apply the options --label, --speaker and --test to a list of sound files."""

import os
import re
from pathlib import Path

LABEL = "must have --label folder or --label PATTERN"


def _labels(paths, label):
    names, whole = list(map(_stem, paths)), list(map(os.path.abspath, paths))
    known, named = {}, {}
    for i, (name, path) in enumerate(zip(names, paths, strict=True)):
        if known.setdefault(whole[i], i) != i:
            raise ValueError(f"{path} is given twice: must be given once")
        if label is None and named.setdefault(name, path) != path:
            raise ValueError(f"{named[name]} and {path} have the same name: {LABEL}")
    if label is None:
        if len(paths) > 1:
            raise ValueError(f"{len(paths)} recordings would have their file names as "
                             f"labels: {LABEL}; --label '(.*)' keeps the file names")
        return names
    if label == "folder":
        labels = [_stem(os.path.dirname(path) + ".") for path in whole]
    else:
        labels = ["-".join(filter(None, found.groups()))
                  for found in _matches(names, label, "--label")]
    for path, text in zip(paths, labels, strict=True):
        if not text:
            raise ValueError(f"{path} has an empty label: {LABEL}")
    return labels


def _stem(path):
    try:
        return os.fsencode(os.path.splitext(os.path.basename(path))[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path!a} is not UTF-8: must be renamed") from None


def _matches(names, pattern, option):
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{option} is {pattern!r}: {error}: must be a regular "
                         "expression") from None
    if not compiled.groups:
        raise ValueError(f"{option} is {pattern!r}: must have a group in parentheses")
    for name in names:
        if not compiled.search(name):
            raise ValueError(f"{option} is {pattern!r}: must match each file name "
                             f"without suffix, such as {name!r}")
    return list(map(compiled.search, names))


def _speakers(paths, pattern):
    if pattern is None:
        return [0] * len(paths)
    found = [match[1] for match in
             _matches(list(map(_stem, paths)), pattern, "--speaker")]
    for path, text in zip(paths, found, strict=True):
        if not re.fullmatch("[0-9]{1,5}", text or "") or int(text) >= 1 << 16:
            raise ValueError(f"{path}: --speaker finds {text!r}: must be an integer "
                             "below 65536")
    return list(map(int, found))


def _tested(paths, file):
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"{file} is missing: must be a text file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8: must be a text file") from None
    names, tested = list(map(str.strip, text.splitlines())), set()
    for line, (name, some) in enumerate(zip(names, _named(paths, names), strict=True)):
        if name and len(some) != 1:
            remedy = "; add its folder" if some else ""
            raise ValueError(f"{file}, line {line + 1}: {name!r} names {len(some)} "
                             f"recordings: must name one{remedy}")
        tested.update(some)
    if not 0 < len(tested) < len(paths):
        raise ValueError(f"{file} names {len(tested)} of {len(paths)} recordings: must "
                         "name some and not all")
    return tested


def _named(paths, names):
    names = [os.path.normpath(name).replace(os.sep, "/") if name else ""
             for name in names]
    depths, known = {name.count("/") for name in names if name}, {}
    for i, path in enumerate(paths):
        whole = os.path.abspath(path).replace(os.sep, "/")
        for depth in depths:
            end = "/".join(whole.split("/")[-1 - depth:])
            for text in {end, os.path.splitext(end)[0]}:
                known.setdefault(text, []).append(i)
    return [known.get(name, []) for name in names]
