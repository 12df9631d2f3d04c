"""Define the claims of figures: a sentence, a computed value, a bound, a verdict."""

from typing import NamedTuple

import numpy as np


class Claim(NamedTuple):
    """Hold a sentence that a figure claims, and whether the value supports it.

    `value` is the computed number or a short text.  `bound` is the bound that
    the value must meet, for example ">= 0.96".  `ok` is the verdict, None if
    the claim is not judged.  `paper` is the published number, None if no
    number is published.
    """

    text: str
    value: float | str
    bound: str
    ok: bool | None
    paper: float | str | None = None


def at_least(text, value, bound, paper=None):
    """Return the claim that `value` is at least `bound`; NaN fails."""
    return Claim(text, float(value), f">= {bound:g}", bool(value >= bound), paper)


def at_most(text, value, bound, paper=None):
    """Return the claim that `value` is at most `bound`; NaN fails."""
    return Claim(text, float(value), f"<= {bound:g}", bool(value <= bound), paper)


def exactly(text, value, bound, paper=None):
    """Return the claim that `value` equals `bound` to the last bit."""
    return Claim(text, float(value), f"= {bound:g}", bool(value == bound), paper)


def mean_and_spread(values, axis=0):
    """Return mean and sample standard deviation over `axis`.

    The standard deviation of a single value is 0.
    """
    values = np.asarray(values, float)
    if values.shape[axis] == 0:
        raise ValueError(f"values is of shape {values.shape}: axis {axis} must "
                         "not be empty")
    spread = np.zeros_like(values.mean(axis=axis))
    if values.shape[axis] > 1:
        spread = values.std(axis=axis, ddof=1)
    return values.mean(axis=axis), spread
