"""Create random generators, each derived from the root seed and an address."""

import hashlib

import numpy as np


def rng(seed, figure, condition, repeat):
    """Return the random generator that belongs to one address.

    The address consists of `figure`, `condition` and `repeat`, each a text or an
    integer of at least 0.  The random numbers depend only on `seed` and on the address.
    They do not depend on the worker, the order of the jobs or the path of the checkout.
    """
    address = tuple(_address(part) for part in (figure, condition, repeat))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=address))


def _address(part):
    """Return one part of the address of a random generator as an integer."""
    if isinstance(part, str):
        digest = hashlib.sha256(part.encode()).digest()
        return int.from_bytes(digest[:4], "little")
    if isinstance(part, (int, np.integer)) and 0 <= part < 2 ** 32:
        return int(part)
    raise ValueError(f"seed address holds {part!r}: must be a text or a whole "
                     "number from 0 to 2**32 - 1")
