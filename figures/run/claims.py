"""Define claims, which are statements of a figure about its numbers.

A claim consists of a text, a computed value, a bound and a verdict.
"""

from typing import NamedTuple

import numpy as np


class Claim(NamedTuple):
    """Hold one claim of a figure and its verdict.

    `value` is the computed number or a short text.  `bound` is the bound that the value
    must meet, for example ">= 0.96".  `ok` is True if the value meets the bound, False
    if the value misses the bound, and None if the claim is not judged.  `paper` is the
    published number, or None if no number is published.
    """

    text: str
    value: float | str
    bound: str
    ok: bool | None
    paper: float | str | None = None


def at_least(text, value, bound, paper=None):
    """Return the claim that `value` is at least `bound`.

    If `value` is NaN, the claim fails.
    """
    return Claim(text, float(value), f">= {bound:g}", bool(value >= bound), paper)


def at_most(text, value, bound, paper=None):
    """Return the claim that `value` is at most `bound`.

    If `value` is NaN, the claim fails.
    """
    return Claim(text, float(value), f"<= {bound:g}", bool(value <= bound), paper)


def exactly(text, value, bound, paper=None):
    """Return the claim that `value` and `bound` are exactly equal."""
    return Claim(text, float(value), f"= {bound:g}", bool(value == bound), paper)


def mean_and_spread(values, axis=0):
    """Return the mean and the sample standard deviation over `axis`.

    For a single value, the returned standard deviation is 0.
    """
    values = np.asarray(values, float)
    if values.shape[axis] == 0:
        raise ValueError(f"values is of shape {values.shape}: axis {axis} must "
                         "not be empty")
    spread = np.zeros_like(values.mean(axis=axis))
    if values.shape[axis] > 1:
        spread = values.std(axis=axis, ddof=1)
    return values.mean(axis=axis), spread
