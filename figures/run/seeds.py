"""Random generators, each derived from the root seed and an address."""

import hashlib

import numpy as np


def rng(seed, figure, condition, repeat):
    """Generator addressed by where its numbers are used.

    `figure`, `condition` and `repeat` are whole numbers >= 0 or texts; the
    stream depends on them and on `seed`, never on worker, order or path.
    """
    address = tuple(_address(part) for part in (figure, condition, repeat))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=address))


def _address(part):
    if isinstance(part, str):
        digest = hashlib.sha256(part.encode()).digest()
        return int.from_bytes(digest[:4], "little")
    if isinstance(part, (int, np.integer)) and 0 <= part < 2 ** 32:
        return int(part)
    raise ValueError(f"seed address holds {part!r}: must be a text or a whole "
                     "number from 0 to 2**32 - 1")
