"""What the figures share: claims, addressed seeds, colours, summaries.

A job must not load matplotlib, so this module does not: colours are plain
strings, which `figures/style.mplstyle` repeats as the colour cycle.
"""

import hashlib
from typing import NamedTuple

import numpy as np

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#7F7F7F"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)


class Claim(NamedTuple):
    """One sentence a figure stands for, and whether our numbers bear it out.

    `value` is our number (or a short text), `bound` says what it must meet
    (">= 0.96"), `ok` is the verdict (None: not judged) and `paper` the
    published number, None where there is none.
    """

    text: str
    value: float | str
    bound: str
    ok: bool | None
    paper: float | str | None = None


def at_least(text, value, bound, paper=None):
    """Claim that `value` is `bound` or more; NaN fails."""
    return Claim(text, float(value), f">= {bound:g}", bool(value >= bound), paper)


def at_most(text, value, bound, paper=None):
    """Claim that `value` is `bound` or less; NaN fails."""
    return Claim(text, float(value), f"<= {bound:g}", bool(value <= bound), paper)


def exactly(text, value, bound, paper=None):
    """Claim that `value` equals `bound` to the last bit."""
    return Claim(text, float(value), f"= {bound:g}", bool(value == bound), paper)


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


def mean_and_spread(values, axis=0):
    """Mean and sample standard deviation over `axis` (0 for one value)."""
    values = np.asarray(values, float)
    if values.shape[axis] == 0:
        raise ValueError(f"values is of shape {values.shape}: axis {axis} must "
                         "not be empty")
    spread = np.zeros_like(values.mean(axis=axis))
    if values.shape[axis] > 1:
        spread = values.std(axis=axis, ddof=1)
    return values.mean(axis=axis), spread
