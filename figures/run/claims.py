"""Compare the numbers that figures compute with published numbers or with bounds.

A claim is a statement with a computed number.  In the file of each figure, the function
`claims(size)` returns a list of claims.  The function `measured(data)` returns a dict
from the id of each claim to its value.  A value that depends on chance is an array with
one number for each run, even for a single run.  Any other value is one number.  There
are four kinds of claims:

    reproduction    a published number, of the same experiment or with departures that
                    are stated and believed not to matter
    stand-in        a published number, but other data, another size or other settings
    own             a property that no paper states, with a bound
    shown           a number without a verdict

To compare a computed with a published number, refsnn computes the 95 % confidence
interval of the difference between the two numbers.  The confidence interval is computed
with Student's t from the results of all runs.  The tolerance is the largest accepted
deviation from the published number.  The following table defines the verdict on a
claim.

    whole interval within the tolerance     reproduced (a stand-in agrees)
    whole interval outside the tolerance    not reproduced (a stand-in differs)
    otherwise, or with a single run         not decided

A published spread over a known number of runs widens the interval.  Otherwise, the
published number is taken as exact.  With `log=True`, positive values are compared by
their logarithms, and the tolerance is a factor.  With `ordered=True`, only the sign of
a difference between two conditions is tested.  The confidence interval of the
difference is compared with 0.

A claim with bounds holds if the whole confidence interval of the value is within the
bounds.  A claim with bounds fails if the whole confidence interval of the value is
outside the bounds.  Otherwise, the claim is not decided.
"""

import bisect
import math
import numbers
import re
from typing import NamedTuple

import numpy as np
from scipy import special

KNOWN = {
    "read": "read in the paper, or in the authors' code, stored output or data, or "
            "computed from such numbers",
    "plot": "read off a plot",
    "words": "stated in words",
    "second-hand": "quoted by another source, and not checked in the paper",
    "recalled": "recalled and not looked up"}
KINDS = ("reproduction", "stand-in", "own", "shown")
# The words for: agrees with the statement, does not, and cannot be decided.
VERDICTS = {"reproduction": ("reproduced", "not reproduced", "not decided"),
            "stand-in": ("agrees", "differs", "not decided"),
            "own": ("holds", "fails", "not decided")}
LEVEL = 0.95        # of the confidence intervals
MOST = 10_000       # more runs are not proposed


class Published(NamedTuple):
    """A published result and its source.  The result is a number or a short text."""

    value: float | str
    paper: str              # such as "[NMZ19]"
    place: str              # such as "fig. 4", "table 1", "tutorial 2"
    known: str              # a key of KNOWN
    spread: float = None    # standard deviation over n runs
    n: int = None           # None if unknown; the spread is then not used


class Claim(NamedTuple):
    """Describe a number that a figure computes, and the rule that judges the number."""

    id: str                 # words and hyphens, unique in the figure, never reused
    text: str
    kind: str
    unit: str = ""
    published: Published = None
    tolerance: float = None
    ordered: bool = False
    log: bool = False
    low: float = None       # bounds of an own claim
    high: float = None
    differs: str = ""       # what of data, size and settings differs from the paper
    cause: str = ""         # of a number that is not as published
    cause_run: str = ""     # the run by which the cause is shown; else it is suspected
    headline: str = ""      # the text of this claim in README.md
    why: str = ""           # why a published number is not judged


class Result(NamedTuple):
    """The number computed for a claim, and the verdict on the claim."""

    value: float            # the mean over runs
    spread: float = None    # sample standard deviation; None if not known
    n: int = None           # number of runs; None if the value is not random
    values: tuple = None    # one for each run
    interval: tuple = None  # 95 % interval: of the value, or of what is compared
    verdict: str = None     # one of VERDICTS, or None
    reason: str = ""        # why a claim is not decided, and how many runs would decide


def reproduction(id, text, published, *, tolerance=0.01, unit="", ordered=False,
                 log=False, differs="", cause="", cause_run="", headline=""):
    """Return a `Claim`, which states that refsnn reproduces a published number."""
    return Claim(id, text, "reproduction", unit, published, tolerance, ordered, log,
                 differs=differs, cause=cause, cause_run=cause_run, headline=headline)


def stand_in(id, text, published, *, differs, tolerance=0.01, unit="", ordered=False,
             log=False, cause="", cause_run="", headline=""):
    """Return a `Claim`, which states that a number agrees with a published number.

    The argument `differs` describes the differences from the experiment in the paper.
    """
    return Claim(id, text, "stand-in", unit, published, tolerance, ordered, log,
                 differs=differs, cause=cause, cause_run=cause_run, headline=headline)


def own(id, text, *, low=None, high=None, unit="", log=False, differs="", cause="",
        cause_run="", headline=""):
    """Return a `Claim`, which states that a value lies between `low` and `high`."""
    return Claim(id, text, "own", unit, log=log, low=low, high=high, differs=differs,
                 cause=cause, cause_run=cause_run, headline=headline)


def shown(id, text, *, unit="", published=None, why="", differs="", headline=""):
    """Return a `Claim` whose number is reported but not tested.

    If the argument `published` is given, the argument `why` must state why the computed
    number is not compared with the published number.
    """
    return Claim(id, text, "shown", unit, published, why=why, differs=differs,
                 headline=headline)


# ---- declarations

def declared(module, size):
    """Return the claims of a figure, or raise an error if a claim is invalid."""
    found, seen = tuple(module.claims(size)), set()
    for claim in found:
        wrong = "its id is used twice" if claim.id in seen else _wrong(claim)
        if wrong:
            raise ValueError(f"{module.__name__}, {size}, claim {claim.id!r}: {wrong}")
        seen.add(claim.id)
    return found


def _wrong(claim):
    """Return an error message if a claim has invalid fields, else an empty text."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim.id):
        return "the id must be words in lower case, joined by hyphens"
    if not claim.text or claim.kind not in KINDS:
        return f"text is {claim.text!r}, and kind is {claim.kind!r}"
    if claim.cause_run and not claim.cause:
        return "cause_run is given without a cause"
    if claim.kind == "own":
        return _wrong_bounds(claim)
    published = claim.published
    if published is None:
        return "" if claim.kind == "shown" else "a published number must be given"
    if claim.kind == "shown":
        return _wrong_source(published) or (
            "" if claim.why else "why must say why the published number is not judged")
    if claim.kind == "stand-in" and not claim.differs:
        return "differs must say what differs from the paper"
    if not isinstance(published.value, numbers.Real) and not claim.ordered:
        return f"the published value is {published.value!r}: must be a number"
    least = 1 if claim.log else 0
    if not claim.ordered and not (claim.tolerance is not None
                                  and claim.tolerance >= least):
        return f"tolerance is {claim.tolerance}: must be at least {least}"
    if claim.log and not claim.ordered and not published.value > 0:
        return f"the published value is {published.value}: must be above 0 with log"
    return _wrong_source(published)


def _wrong_bounds(claim):
    """Return an error message if bounds are invalid, else an empty text."""
    bounds = [bound for bound in (claim.low, claim.high) if bound is not None]
    if not bounds or bounds != sorted(bounds) or not all(map(math.isfinite, bounds)):
        return f"low is {claim.low}, and high is {claim.high}: must be finite numbers"
    if claim.log and not bounds[0] > 0:
        return f"the bounds are {bounds}: must be above 0 with log"
    return ""


def _wrong_source(published):
    """Return an error message if `published` has invalid fields, else an empty text."""
    if published.known not in KNOWN:
        return f"known is {published.known!r}: must be one of {', '.join(KNOWN)}"
    if not re.fullmatch(r"\[[A-Z]+\d\d\]", published.paper) or not published.place:
        return (f"paper is {published.paper!r}, and place is {published.place!r}: must "
                'be such as "[ZG18]" and "fig. 4"')
    if published.spread is not None and not (
            published.spread >= 0 and published.n in (None, *range(2, MOST))):
        return (f"the published spread is {published.spread}, and n is {published.n}: "
                "must be at least 0 and 2")
    return ""


# ---- values

def measure(value):
    """Return a `Result` with the mean and standard deviation of the values of all runs.

    >>> measure([1.0, 3.0])[:3], measure(2.0)[:3]
    ((2.0, 1.4142135623730951, 2), (2.0, None, None))
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.ndim > 1 or not array.size:
        raise ValueError(f"a value is {value!r}: must be a number, or an array with "
                         "one number for each run")
    array = array.astype(float)
    if array.ndim == 0:
        return Result(array.item())
    spread = array.std(ddof=1).item() if array.size > 1 else None
    return Result(array.mean().item(), spread, array.size, tuple(array.tolist()))


def measured(module, data, size, options=()):
    """Return a dict that maps the id of each claim to the `Result` of this claim."""
    values, claims = module.measured(data), declared(module, size)
    if options:
        claims = [claim for claim in claims if claim.id in values]
        values = {claim.id: values[claim.id] for claim in claims}
    found = {}
    for claim in _matched(claims, values, f"measured() of {module.__name__}, {size},"):
        try:
            found[claim.id] = measure(values[claim.id])
        except ValueError as error:
            raise ValueError(f"{module.__name__}, {claim.id}: {error}") from None
    return found


def stored(results):
    """Convert results for a JSON file."""
    return {key: {"value": result.value, "spread": result.spread, "n": result.n,
                  "values": result.values and list(result.values)}
            for key, result in results.items()}


def read(module, document):
    """Return (claim, result) pairs from the content of a JSON file.

    The results of quick runs, or of runs with changed options, are not compared with
    published numbers or bounds.  A claim is a statement with a number.  If a claim was
    added to the code after the JSON file was written, the claim is not returned.
    """
    claims, entries = declared(module, document["size"]), document["claims"]
    if "ids" in document:       # of all claims that were declared at the run
        claims = [claim for claim in claims if claim.id in document["ids"]]
    if document["options"]:
        claims = [claim for claim in claims if claim.id in entries]
    judges = document["size"] != "quick" and not document["options"]
    found = []
    for claim in _matched(claims, entries, f"the result of {document['figure']}"):
        one = entries[claim.id]
        result = Result(float(one["value"]),
                        None if one["spread"] is None else float(one["spread"]),
                        one["n"], one["values"] and tuple(map(float, one["values"])))
        found.append((claim, judge(claim, result) if judges else result))
    return found


def _matched(claims, entries, where):
    """Check that each claim has one entry."""
    ids = [claim.id for claim in claims]
    parts = [f"{word} {', '.join(sorted(keys))}" for word, keys in
             (("lacks", set(ids) - set(entries)),
              ("has undeclared", set(entries) - set(ids))) if keys]
    if parts:
        raise ValueError(f"{where} {' and '.join(parts)}")
    return claims


# ---- verdicts

def judge(claim, result):
    """Return a `Result`, to which a confidence interval and a verdict are added.

    A verdict is a word that states whether a claim holds, such as "reproduced".

    >>> tutorial = Published(0.863, "[NMZ19]", "tutorial 2", "read")
    >>> claim = reproduction("accuracy", "test accuracy", tutorial)
    >>> judge(claim, measure([0.861, 0.862, 0.866])).verdict
    'reproduced'
    >>> judge(claim, measure([0.851, 0.862, 0.876])).reason
    'n = 3; about 9 runs would decide'
    """
    if claim.kind == "shown":
        return result
    yes, no, undecided = VERDICTS[claim.kind]
    if not math.isfinite(result.value):
        return result._replace(verdict=no, reason="the value is not finite")
    if claim.log and min(result.values or [result.value]) <= 0:
        return result._replace(verdict=no, reason="a value is not above 0")
    if result.n is not None and result.spread is None:
        reason = "n = 1" if result.n == 1 else (f"n = {result.n}; the spread of the "
                                                "runs was not stored")
        return result._replace(verdict=undecided, reason=reason)
    value, error, freedom = _compared(claim, result)
    half = _half(error, freedom)
    low, high = _accepted(claim)
    result = result._replace(interval=(value - half, value + half))
    if claim.ordered:                                       # 0 itself is no order
        if value - half > 0:
            return result._replace(verdict=yes)
        if value + half <= 0:
            return result._replace(verdict=no)
    elif low <= value - half and value + half <= high:
        return result._replace(verdict=yes)
    elif value + half < low or value - half > high:
        return result._replace(verdict=no)
    return result._replace(verdict=undecided, reason=_runs_needed(
        claim, result, value, min(abs(value - low), abs(value - high))))


def misses(claim, result):
    """Return whether the mean over all runs is outside the range of accepted values."""
    if not result.verdict:
        return False
    low, high = _accepted(claim)
    return not low <= _compared(claim, result)[0] <= high


def _accepted(claim):
    """Return the smallest and the largest accepted value."""
    scale = math.log if claim.log else float
    if claim.kind == "own":
        return (-math.inf if claim.low is None else scale(claim.low),
                math.inf if claim.high is None else scale(claim.high))
    if claim.ordered:
        return 0, math.inf
    return -scale(claim.tolerance), scale(claim.tolerance)


def _compared(claim, result, n=None):
    """Return how far a computed number deviates from the published number.

    The result is the tuple (deviation, standard error of the deviation, degrees of
    freedom).  A claim may state only bounds, or only the sign of a difference between
    two conditions.  For such claims, the computed number is returned in place of the
    deviation.  If the argument `n` is given, the standard error and the degrees of
    freedom are computed for `n` runs instead of the actual number of runs.
    """
    value, spread, n = result.value, result.spread or 0, n or result.n or 1
    if claim.log:
        spread /= value     # to first order
        value = math.log(value)
        if result.values and spread:
            value = np.log(result.values).mean().item()
            spread = np.log(result.values).std(ddof=1).item()
    parts = [(spread ** 2 / n, n - 1)]
    if claim.kind != "own" and not claim.ordered:
        published = claim.published
        value -= math.log(published.value) if claim.log else published.value
        if published.spread and published.n:
            other = published.spread / (published.value if claim.log else 1)
            parts.append((other ** 2 / published.n, published.n - 1))
    variance = sum(part for part, _ in parts)
    if not variance:
        return value, 0.0, 1
    freedom = 1 / sum((part / variance) ** 2 / max(count, 1) for part, count in parts)
    return value, math.sqrt(variance), freedom                  # Welch


def _half(error, freedom):
    """Return the half-width of a confidence interval."""
    return error * special.stdtrit(freedom, (1 + LEVEL) / 2).item() if error else 0.0


def _runs_needed(claim, result, value, distance):
    """Estimate how many runs are needed to confirm or reject a claim."""
    n = MOST + 1
    if result.n is not None:
        n = 1 + bisect.bisect_left(range(1, n), True, key=lambda n: _half(
            *_compared(claim, result, n)[1:]) < distance)
    if n <= MOST:
        return f"n = {result.n}; about {n} runs would decide"
    if claim.published and claim.published.spread and claim.published.n:
        return "the published spread is too large"
    return f"n = {result.n}; more than {MOST} runs would be needed"
