# refsnn 0.1.0 | oracle/build/vector.py | SPDX-License-Identifier: MIT | needs: numpy
"""Define the class `Vector`, which holds a test problem and its results."""

from typing import NamedTuple

import numpy as np

from refsnn import _checks

__all__ = ["DECAYS", "LEVELS", "TIMES", "Mutant", "Vector", "delayed", "marked",
           "numbers"]

TIMES = {"tau_syn": 5e-3, "tau_mem": 10e-3, "dt": 2e-3}     # s
LEVELS = {"threshold": 0.75, "steepness": 2.0}      # 1 would hide missing factors
DECAYS = {"alpha": float(np.exp(-TIMES["dt"] / TIMES["tau_syn"])),
          "beta": float(np.exp(-TIMES["dt"] / TIMES["tau_mem"])),
          "gain": 1 - float(np.exp(-TIMES["dt"] / TIMES["tau_mem"]))}


class Mutant(NamedTuple):
    """A programming mistake."""
    name: str
    seen: str           # public source of the mistake, or ""
    outputs: dict
    id: str = ""        # identifier in stored golden vectors, which never changes
    __repr__ = _checks.shown


class Vector(NamedTuple):
    """A test problem."""
    name: str
    text: str           # description of the problem
    inputs: dict
    outputs: dict
    mutants: list
    exact: bool         # if False, results may differ by a tolerance
    idle: dict = {}     # input: (mask of entries that change no output, reason)
    __repr__ = _checks.shown


def numbers(seed, *shape):
    """Return random multiples of 1/64 in [0, 1).  The seed is an int or a list
    of int.  With a given seed, all NumPy versions return the same numbers.

    >>> numbers(1, 3).shape, float(numbers(1, 99).max()) < 1
    ((3,), True)
    """
    if not shape or min(shape) < 1:
        raise ValueError(f"shape is {shape}: must be axes of at least 1")
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(32)) % np.uint64(64)).astype(float).reshape(shape) / 64


def marked(array, *places):
    """Return a mask that is True at the given indices.  If no index is given,
    all entries of the mask are True.

    >>> marked(np.zeros((3, 2)), 0, (2, 1)).astype(int).tolist()
    [[1, 1], [0, 0], [0, 1]]
    """
    mask = np.full(np.shape(array), not places)
    for place in places:
        mask[place] = True
    return mask


def delayed(array):
    """Delay a time series by one step.  The result starts with 0.

    >>> delayed(np.array([1, 2, 3])).tolist()
    [0, 1, 2]
    """
    if len(array) == 0:
        raise ValueError("array has no step: must have one or more")
    return np.concatenate([np.zeros_like(array[:1]), array[:-1]])
