"""Reproduce the pseudo-random numbers of jax.random, without JAX.

The generator Threefry-2x32 with 20 rounds [SM11] encrypts the integers 0, 1, ...
(counters) with a random key of two 32-bit words.  The numbers equal those of
`jax.random` in versions of JAX before 0.5.  Later versions of JAX yield the same
numbers as this file if the option `jax_threefry_partitionable` is False.  All samples
are float32 numbers.

[SM11] J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, SC 2011,
    doi 10.1145/2063384.2063405.
"""

import numpy as np
from scipy import special

ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)       # bits; one tuple per 4 rounds
PARITY = np.uint32(0x1BD11BDA)                      # constant of the key schedule
ROOT_2 = np.float32(np.sqrt(2))
BELOW_1 = np.nextafter(np.float32(1), np.float32(0))
CUT = special.erf(ROOT_2)       # probability of a normal variable between -2 and 2


def encrypt(key, x, y):
    """Encrypt two uint32 arrays of counters."""
    keys = np.array([*key, key[0] ^ key[1] ^ PARITY], np.uint32)
    x, y = x + keys[0], y + keys[1]
    for block in range(5):
        for bits in ROTATIONS[block % 2]:
            x = x + y
            y = x ^ (y << np.uint32(bits) | y >> np.uint32(32 - bits))
        x = x + keys[(block + 1) % 3]
        y = y + keys[(block + 2) % 3] + np.uint32(block + 1)
    return x, y


def words(key, count):
    """Return `count` random words of 32 bits."""
    counters = np.arange(count + count % 2, dtype=np.uint32)
    counters[count:] = 0
    return np.concatenate(encrypt(key, *counters.reshape(2, -1)))[:count]


def split(key):
    """Derive two random keys from one key."""
    return words(key, 4).reshape(2, 2)


def uniform(key, shape, low, high):
    """Sample an array uniformly from [low, high)."""
    mantissa = words(key, int(np.prod(shape))) >> np.uint32(9)
    unit = (mantissa | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)
    low, high = np.float32(low), np.float32(high)
    return np.maximum(low, unit * (high - low) + low).reshape(shape)


def normal(key, shape):
    """Sample an array from the standard normal distribution."""
    return ROOT_2 * special.erfinv(uniform(key, shape, -BELOW_1, 1))


def truncated_normal(key, shape):
    """Sample normal numbers between -2 and 2."""
    return ROOT_2 * special.erfinv(uniform(key, shape, -CUT, CUT))
