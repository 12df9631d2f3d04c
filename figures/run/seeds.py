"""Create a separate random generator for each part of a figure."""

import hashlib

import numpy as np

# NumPy splits larger parts of a spawn key into words of 32 bits, and two different
# addresses could then yield the same words.
LIMIT, BYTES = 2 ** 32, 4


def rng(seed, figure, condition, repeat):
    """Return a random generator for one repetition of one condition in a figure.

    The arguments `figure`, `condition` and `repeat` are strings or integers.
    """
    address = tuple(_address(part) for part in (figure, condition, repeat))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=address))


def _address(part):
    """Convert a text to an integer."""
    if isinstance(part, str):
        digest = hashlib.sha256(part.encode()).digest()
        return int.from_bytes(digest[:BYTES], "little")
    if isinstance(part, (int, np.integer)) and 0 <= part < LIMIT:
        return int(part)
    raise ValueError(f"seed address holds {part!r}: must be a text or a whole "
                     "number from 0 to 2**32 - 1")
