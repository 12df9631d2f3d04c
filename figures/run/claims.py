"""Define and judge claims, which are statements with a computed number.

A claim consists of a text, a computed number (the value), a bound, and a verdict.  The
verdict is True if the value meets the bound.  A claim without a bound has no verdict.
The functions that create claims accept one number, or an array with one number for each
training run.  For an array, the value of the claim is the mean over the training runs.
With two or more training runs, the claim also contains the standard deviation over the
training runs.
"""

from typing import NamedTuple

import numpy as np


class Claim(NamedTuple):
    """Hold one claim of a figure.

    The field `value` is the computed number, or a short text.  The field `bound` is a
    text such as ">= 0.96", or "shown only" for a claim without a bound.  The verdict
    `ok` is True if the value meets the bound, False if the value does not meet the
    bound, and None for a claim without a bound.  The field `paper` is the published
    number, or None if no number is published.  The field `spread` is the sample
    standard deviation over `runs` training runs, or None if `value` is not a mean over
    training runs.
    """

    text: str
    value: float | str
    bound: str
    ok: bool | None
    paper: float | str | None = None
    spread: float | None = None
    runs: int | None = None


def at_least(text, value, bound, paper=None):
    """Return the `Claim` that `value` is at least `bound`.

    The verdict is False if `value` is NaN.
    """
    return _claim(text, value, f">= {bound:.4g}", lambda mean: mean >= bound, paper)


def at_most(text, value, bound, paper=None):
    """Return the `Claim` that `value` is at most `bound`.

    The verdict is False if `value` is NaN.
    """
    return _claim(text, value, f"<= {bound:.4g}", lambda mean: mean <= bound, paper)


def exactly(text, value, bound, paper=None):
    """Return the `Claim` that `value` equals `bound`."""
    return _claim(text, value, f"= {bound:.4g}", lambda mean: mean == bound, paper)


def reported(text, value, paper=None):
    """Return a `Claim` without a bound."""
    if isinstance(value, str):
        return Claim(text, value, "shown only", None, paper)
    return _claim(text, value, "shown only", None, paper)


def runs(count):
    """Return the number of runs, such as "3 runs"."""
    return f"{count} run" + "s" * (count != 1)


def _claim(text, value, bound, judge, paper):
    value = np.asarray(value, float)
    mean, spread = mean_and_spread(value) if value.ndim else (value, None)
    ok = judge and bool(judge(mean))
    if value.ndim == 0 or len(value) == 1:
        return Claim(text, float(mean), bound, ok, paper)
    return Claim(text, float(mean), bound, ok, paper, float(spread), len(value))


def mean_and_spread(values):
    """Return mean and standard deviation over axis 0."""
    values = np.asarray(values, float)
    if len(values) == 0:
        raise ValueError(f"values is of shape {values.shape}: must not be empty")
    mean = values.mean(axis=0)
    return mean, values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
