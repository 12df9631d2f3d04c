"""Claims are declared soundly, and judged by their confidence intervals."""

import json
import math
import types

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies
from scipy import stats

from figures.run import claims, gallery

SOURCE = claims.Published(0.8, "[ZG18]", "fig. 4", "read")
NUMBERS = strategies.floats(0.1, 10)
RUNS = strategies.lists(NUMBERS, min_size=2, max_size=8).filter(
    lambda values: np.std(values) > 1e-3 * np.mean(values))


def figure(*declared, **measured):
    """Return a figure with these claims and values."""
    return types.SimpleNamespace(
        __name__="fig_toy", claims=lambda size: declared,
        measured=lambda data: {key.replace("_", "-"): value
                               for key, value in measured.items()})


def reproduction(**changes):
    """Return a reproduction of 0.8 within 0.01."""
    return claims.reproduction("a", "accuracy", SOURCE)._replace(**changes)


def verdict(claim, value):
    return claims.judge(claim, claims.measure(value)).verdict


# ---- verdicts

@pytest.mark.parametrize("value, word", [
    (0.8, "reproduced"), (0.809, "reproduced"), (0.791, "reproduced"),
    (0.811, "not reproduced"), (0.789, "not reproduced"), (math.nan, "not reproduced"),
    ([0.8], "not decided"), ([0.2], "not decided"),
    ([0.800, 0.801, 0.802], "reproduced"), ([0.9, 0.91, 0.92], "not reproduced"),
    ([0.7, 0.71, 0.72], "not reproduced"), ([0.75, 0.8, 0.85], "not decided"),
    ([0.8, 0.8], "reproduced"), ([0.9, 0.9], "not reproduced")])
def test_a_reproduction_is_two_sided(value, word):
    assert verdict(reproduction(), value) == word
    words = dict(zip(claims.VERDICTS["reproduction"], claims.VERDICTS["stand-in"],
                     strict=True))
    assert verdict(reproduction(kind="stand-in"), value) == words[word]


@pytest.mark.parametrize("low, high, value, word", [
    (0.8, None, 0.8, "holds"), (0.8, None, 0.79, "fails"), (None, 0.8, 0.79, "holds"),
    (None, 0.8, 0.81, "fails"), (0.7, 0.9, 0.8, "holds"), (0.7, 0.9, 0.95, "fails"),
    (0.7, 0.9, 0.65, "fails"), (0.8, None, math.nan, "fails"),
    (0.8, None, [0.9], "not decided"), (0.8, None, [0.85, 0.86, 0.87], "holds"),
    (0.8, None, [0.75, 0.9, 0.95], "not decided"),
    (0.8, None, [0.7, 0.71, 0.72], "fails"),
    (None, 0.8, [0.75, 0.9, 0.95], "not decided"), (1, 1, [1, 1], "holds")])
def test_an_own_claim_meets_its_bounds(low, high, value, word):
    assert verdict(claims.own("a", "accuracy", low=low, high=high), value) == word


@pytest.mark.parametrize("value, word", [
    (0.1, "reproduced"), (0.0, "not reproduced"), (-0.1, "not reproduced"),
    ([0.1, 0.11, 0.12], "reproduced"), ([-0.1, 0.1, 0.2], "not decided"),
    ([-0.1, -0.11, -0.12], "not reproduced"), ([0, 0], "not reproduced"),
    ([0.1], "not decided")])
def test_an_order_is_compared_with_zero(value, word):
    """The published size of the difference plays no part."""
    assert verdict(reproduction(ordered=True), value) == word
    words = SOURCE._replace(value="better", known="words")
    assert verdict(reproduction(ordered=True, published=words), value) == word


def test_a_spread_over_an_unknown_number_of_runs_does_not_count():
    known = reproduction(published=SOURCE._replace(spread=0.1))
    assert verdict(known, [0.8, 0.801]) == "reproduced"
    assert verdict(known, [0.7, 0.701]) == "not reproduced"
    assert claims.judge(known, claims.Result(0.81, 0.1, 5)).reason.startswith("n = 5")


def test_counts_can_be_equal():
    count = reproduction(published=SOURCE._replace(value=8156), tolerance=0)
    assert [verdict(count, value) for value in (8156, 8155, 8157)] == [
        "reproduced", "not reproduced", "not reproduced"]


def test_a_number_without_a_verdict():
    result = claims.judge(claims.shown("a", "b"), claims.measure([1, 2]))
    assert result.verdict is result.interval is None and result.value == 1.5


@given(RUNS, strategies.floats(0.01, 3))
def test_the_interval_is_that_of_scipy(values, tolerance):
    """Without a published spread, the test is the one of one sample."""
    result = claims.judge(reproduction(tolerance=tolerance), claims.measure(values))
    wanted = stats.ttest_1samp(values, SOURCE.value).confidence_interval(claims.LEVEL)
    np.testing.assert_allclose(result.interval, np.subtract(wanted, SOURCE.value),
                               rtol=1e-9, atol=1e-12)
    own = claims.judge(claims.own("a", "b", low=1), claims.measure(values))
    np.testing.assert_allclose(own.interval, wanted, rtol=1e-9, atol=1e-12)
    inside = -tolerance <= result.interval[0] and result.interval[1] <= tolerance
    outside = result.interval[0] > tolerance or result.interval[1] < -tolerance
    assert result.verdict == claims.VERDICTS["reproduction"][
        0 if inside else 1 if outside else 2]


@given(RUNS, NUMBERS, strategies.floats(0.01, 3), strategies.integers(2, 9))
def test_a_published_spread_widens_the_interval_as_by_welch(values, mean, spread, n):
    published = SOURCE._replace(value=mean, spread=spread, n=n)
    result = claims.judge(reproduction(published=published), claims.measure(values))
    other = np.arange(n, dtype=float)           # any sample of this mean and spread
    other = mean + (other - other.mean()) * spread / other.std(ddof=1)
    wanted = stats.ttest_ind(values, other, equal_var=False).confidence_interval(
        claims.LEVEL)
    np.testing.assert_allclose(result.interval, wanted, rtol=1e-8, atol=1e-9)


@given(RUNS, NUMBERS)
def test_ratios_are_compared_as_logarithms(values, published):
    claim = reproduction(log=True, tolerance=1.2,
                         published=SOURCE._replace(value=published))
    wanted = stats.ttest_1samp(np.log(values), np.log(published)).confidence_interval(
        claims.LEVEL)
    result = claims.judge(claim, claims.measure(values))
    np.testing.assert_allclose(result.interval, np.subtract(wanted, np.log(published)),
                               rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("value, word", [
    (0.8, "reproduced"), (0.95, "reproduced"), (0.67, "reproduced"),
    (0.97, "not reproduced"), (0.65, "not reproduced"), (0.0, "not reproduced"),
    ([0.8, 0.0, 0.8], "not reproduced")])
def test_the_tolerance_of_a_ratio_is_a_factor(value, word):
    assert verdict(reproduction(log=True, tolerance=1.2), value) == word


def test_a_published_ratio_with_a_spread():
    """The published logarithm has the relative spread, to first order."""
    other = np.array([1.98, 2.0, 2.02])
    published = SOURCE._replace(value=other.mean(), spread=other.std(ddof=1), n=3)
    values = [1.9, 2.0, 2.2]
    result = claims.judge(reproduction(log=True, tolerance=1.2, published=published),
                          claims.measure(values))
    wanted = stats.ttest_ind(np.log(values), np.log(other), equal_var=False)
    np.testing.assert_allclose(result.interval, wanted.confidence_interval(
        claims.LEVEL), atol=1e-4)
    exact = claims.judge(reproduction(log=True, tolerance=1.2,
                                      published=published._replace(spread=None)),
                         claims.measure(values))
    assert abs(exact.interval[0] - result.interval[0]) > 1e-3


def test_a_ratio_whose_runs_were_not_stored():
    """The spread of a logarithm is the relative spread, to first order."""
    values = [0.799, 0.8, 0.801]
    claim = reproduction(log=True, tolerance=1.2)
    known = claims.measure(values)
    first, other = (claims.judge(claim, result).interval
                    for result in (known, known._replace(values=None)))
    assert first != other
    np.testing.assert_allclose(first, other, rtol=2e-3)


def test_few_intervals_miss_the_mean():
    """In 4,000 experiments, a wrong verdict is as rare as the level promises."""
    draw, count = np.random.default_rng(5), 4000
    published = SOURCE._replace(spread=0.02, n=4)
    missed = 0
    for _ in range(count):
        other = draw.normal(0.5, 0.02, 4)
        claim = reproduction(published=published._replace(
            value=other.mean(), spread=other.std(ddof=1)))
        low, high = claims.judge(claim, claims.measure(draw.normal(0.6, 0.05, 3))
                                 ).interval
        missed += not low <= 0.1 <= high
    assert 0.03 < missed / count < 0.07     # Welch is approximate: 0.05 +- 6 standard
    #                                         errors of this share


@given(RUNS)
@settings(max_examples=50)
def test_the_proposed_number_of_runs_decides(values):
    claim = claims.own("a", "b", low=1)
    mean, spread = np.mean(values), np.std(values, ddof=1)
    result = claims.judge(claim, claims.measure(values))
    assume("about" in result.reason)
    n = int(result.reason.split()[4])
    assert n > len(values)
    known = [claims.judge(claim, claims.Result(mean, spread, runs)).verdict
             for runs in (n - 1, n)]
    assert known[0] == "not decided" != known[1]


@pytest.mark.parametrize("claim, result, reason", [
    (reproduction(), claims.measure([0.8]), "n = 1"),
    (reproduction(), claims.Result(0.8, None, 5),
     "n = 5; the spread of the runs was not stored"),
    (reproduction(), claims.Result(0.81, 0.1, 5),
     "n = 5; more than 10000 runs would be needed"),
    (reproduction(published=SOURCE._replace(spread=0.1, n=3)), claims.measure(0.8),
     "the published spread is too large"),
    (reproduction(published=SOURCE._replace(spread=0.1, n=3)),
     claims.Result(0.8, 0.1, 5), "the published spread is too large")])
def test_a_claim_that_is_not_decided_says_why(claim, result, reason):
    result = claims.judge(claim, result)
    assert (result.verdict, result.reason) == ("not decided", reason)


# ---- declarations

@pytest.mark.parametrize("wrong, message", [
    ({"id": "Accuracy"}, "words in lower case"), ({"id": "a b"}, "words in lower case"),
    ({"id": "a_b"}, "words in lower case"), ({"id": ""}, "words in lower case"),
    ({"text": ""}, "text is ''"), ({"kind": "copy"}, "kind is 'copy'"),
    ({"published": None}, "a published number must be given"),
    ({"tolerance": None}, "tolerance is None"), ({"tolerance": -1}, "tolerance is -1"),
    ({"log": True}, "tolerance is 0.01: must be at least 1"),
    ({"log": True, "tolerance": 1.2, "published": SOURCE._replace(value=0)},
     "must be above 0 with log"),
    ({"kind": "stand-in"}, "differs must say"),
    ({"published": SOURCE._replace(value="about")}, "'about': must be a number"),
    ({"published": SOURCE._replace(known="seen")}, "must be one of read, plot"),
    ({"published": SOURCE._replace(paper="ZG18")}, 'must be such as "\\[ZG18\\]"'),
    ({"published": SOURCE._replace(place="")}, "place is ''"),
    ({"published": SOURCE._replace(spread=-1, n=3)}, "spread is -1"),
    ({"published": SOURCE._replace(spread=0.1, n=1)}, "n is 1"),
    ({"kind": "shown"}, "why must say why"), ({"cause_run": "b"}, "without a cause"),
    ({"kind": "own", "published": None}, "low is None, and high is None"),
    ({"kind": "own", "low": 2, "high": 1}, "low is 2, and high is 1"),
    ({"kind": "own", "low": 0, "log": True}, "must be above 0 with log")])
def test_wrong_declarations_are_refused(wrong, message):
    claim = reproduction(**wrong)
    with pytest.raises(ValueError, match=f"fig_toy, full, claim {claim.id!r}.*"
                       + message):
        claims.declared(figure(claim), "full")


def test_ids_are_unique():
    with pytest.raises(ValueError, match="claim 'a': its id is used twice"):
        claims.declared(figure(reproduction(), claims.shown("a", "b")), "full")


def test_sound_declarations_are_returned():
    declared = (
        reproduction(), claims.stand_in("b-2", "b", SOURCE, differs="the data"),
        reproduction(id="c", ordered=True, tolerance=None,
                     published=SOURCE._replace(value="better", known="words")),
        reproduction(id="h", tolerance=0, published=SOURCE._replace(spread=0.1)),
        claims.own("d", "d", low=0), claims.own("e", "e", low=1, high=1, log=True),
        claims.shown("f", "f"), claims.shown("g", "g", published=SOURCE, why="none"))
    assert claims.declared(figure(*declared), "full") == declared


# ---- values

@pytest.mark.parametrize("value", ["1", [], [[1.0]], None, [1, "a"], 1j])
def test_a_value_is_one_number_or_one_for_each_run(value):
    with pytest.raises(ValueError, match="must be a number, or an array"):
        claims.measure(value)
    with pytest.raises(ValueError, match="fig_toy, a: a value is"):
        claims.measured(figure(reproduction(), a=value), {}, "full")


def test_every_declared_claim_has_a_value():
    declared = [claims.shown(key, "text") for key in ("a", "b-c", "d")]
    found = claims.measured(figure(*declared, a=1, b_c=[2], d=3), {}, "full")
    assert list(found) == ["a", "b-c", "d"] and found["b-c"].n == 1
    with pytest.raises(ValueError, match="fig_toy, full, lacks b-c, d and has "
                                         "undeclared e$"):
        claims.measured(figure(*declared, a=1, e=3), {}, "full")
    options = {"hidden": 8}
    few = claims.measured(figure(*declared, a=1, e=3), {}, "full", options)
    assert list(few) == ["a"]
    read = claims.read(figure(*declared), {"figure": "toy", "size": "full", "options":
                                           options, "claims": claims.stored(few)})
    assert [(claim.id, result.value) for claim, result in read] == [("a", 1)]


@pytest.mark.parametrize("size, options, judged", [
    ("full", {}, True), ("default", {}, True), ("quick", {}, False),
    ("full", {"hidden": 8}, False)])
def test_stored_values_are_read_as_measured(tmp_path, size, options, judged):
    values = {"a": [0.7, 0.8, 0.81], "b": 2.0, "c": [0.1], "d": math.nan}
    module = figure(*[reproduction(id=key) for key in values], **values)
    results = claims.measured(module, {}, size)
    path = tmp_path / "toy.json"
    gallery.write_json(path, {"figure": "toy", "size": size, "options": options,
                              "claims": claims.stored(results)})
    for claim, result in claims.read(module, json.loads(path.read_text())):
        wanted = results[claim.id]
        if judged:
            wanted = claims.judge(claim, wanted)
            assert wanted.verdict
        assert repr(result) == repr(wanted)         # NaN equals itself as text


@pytest.mark.parametrize("claim, value, misses", [
    (reproduction(), [0.85], True), (reproduction(), [0.75], True),
    (reproduction(), [0.805], False), (reproduction(), [0.7, 0.9], False),
    (reproduction(log=True, tolerance=1.1), [0.9], True),
    (reproduction(ordered=True), [-0.1], True), (claims.shown("a", "b"), [0.1], False),
    (claims.own("a", "b", low=1), [0.1], True),
    (claims.own("a", "b", high=1), 1, False)])
def test_a_value_misses_its_bounds(claim, value, misses):
    assert claims.misses(claim, claims.judge(claim, claims.measure(value))) == misses
