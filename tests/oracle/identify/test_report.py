"""The report in words."""

import numpy as np
import pytest

from refsnn.conventions import AXES, PRESETS
from refsnn.oracle.identify import report
from refsnn.oracle.identify.fitting import Match
from refsnn.oracle.identify.report import Candidate, Parting


def test_every_value_has_words_of_its_own():
    known = {(axis, value) for axis in AXES for value in AXES[axis]}
    words = {(axis, value): words for axis, values in report.WORDS.items()
             for value, words in values.items()}
    assert set(words) == known - {("refractory", 1), ("refractory", 2)}
    assert len(set(words.values())) == len(words)
    assert set(report.TITLES) == set(PRESETS)
    assert len(set(report.TITLES.values())) == len(PRESETS)


@pytest.mark.parametrize("candidate, step, words", [
    (Candidate("lava"), PRESETS["lava"], "lava"),
    (Candidate("lava", (("refractory", 2),)), PRESETS["lava"]._replace(refractory=2),
     "lava, but refractory 2"),
    (Candidate("lava", (("floor", True), ("mute", True))),
     PRESETS["lava"]._replace(floor=True, mute=True),
     "lava, but membrane bounded below and membrane not held while refractory")])
def test_a_candidate_is_a_step_and_words(candidate, step, words):
    assert report._step(candidate, PRESETS) == step
    assert report._words(candidate) == words
    assert report._words(candidate, "X") == words.replace("lava", "X")
    assert report._described(step, PRESETS, AXES) == candidate
    assert report._words(Candidate("a", (("own", "x"),))) == "a, but own 'x'"


def test_a_step_is_described_by_the_fewest_changes():
    axes = {axis: values for axis, values in AXES.items() if axis != "through_reset"}
    for name, step in PRESETS.items():
        twin = "norse" if name == "norse_feed_forward" else name
        assert report._described(step, PRESETS, axes) == (twin, ())
        assert report._described(step, PRESETS, AXES) == (name, ())
        for candidate in report._variants(name, PRESETS, AXES):
            step = report._step(candidate, PRESETS)
            found = report._described(step, PRESETS, AXES)
            assert report._step(found, PRESETS) == step
            assert len(found.changes) < 2 and dict(found.changes).keys() <= set(AXES)
    assert report._variants("lava", PRESETS, {"floor": (False, True)}) == [
        ("lava", (("floor", True),))]


def test_the_first_difference_is_that_of_the_first_quantity():
    rows = {"syn": np.arange(12.0).reshape(3, 2, 2), "mem": np.ones((3, 2, 2))}
    run = {"syn": -rows["syn"], "mem": 2 * rows["mem"]}
    wrong = {name: np.zeros((3, 2, 2), bool) for name in rows}
    assert report._parting(wrong, rows, run) is None
    wrong["syn"][2, 0, 1] = wrong["syn"][2, 1, 0] = True
    assert report._parting(wrong, rows, run) == (2, 0, 1, "syn", 9.0, -9.0)
    wrong["mem"][2, 0, 0] = True
    assert report._parting(wrong, rows, run) == (2, 0, 1, "syn", 9.0, -9.0)
    wrong["mem"][1, 1, 0] = True
    assert report._parting(wrong, rows, run) == (1, 1, 0, "mem", 1.0, 2.0)


def test_differences_in_words():
    lava = Candidate("lava", (("floor", True),))
    parting = Parting(3, 1, 2, "mem", 1 / 3, 2.0)
    assert report._difference(lava, parting) == (
        "nearest: as lava, but membrane bounded below; differs first at step 3, sample "
        "1, neuron 2: mem is 0.333333333, would be 2")
    parting = Parting(None, None, None, "gradients", 1.0, 2 / 3)
    assert report._difference(lava, parting) == (
        "nearest: as lava, but membrane bounded below; differs in the gradients: "
        "an entry is 1, would be 0.666666667")


SETTLED = {"decay": "exact", "floor": False}
OPEN = {"compare": ((">", ">="), "ties"), "refractory": ((0, 1, 2), "overdrive"),
        "mute": ((False, True), ""), "through_reset": ((True, False), "")}
SHOWN = ("open: compare (> or >=; probe: ties), refractory (0 or 1 or 2; probe: "
         "overdrive)")


@pytest.mark.parametrize("axes, name", [
    ([(), (), ("floor",)], "lava LIF (lava) or sinabs LIF (sinabs)"),
    ([("floor",)], "lava LIF (lava), but membrane bounded below"),
    ([("floor", "mute")], "lava LIF (lava), but membrane bounded below and membrane "
     "not held while refractory"),
    ([("floor", "mute", "refractory")], "no preset, but: decay exact, floor False")])
def test_the_first_line_names_the_convention(axes, name):
    values = {"floor": True, "mute": True, "refractory": 2}
    members = [Candidate(preset, tuple((axis, values[axis]) for axis in some))
               for preset, some in zip(("lava", "sinabs", "norse"), axes,
                                       strict=False)]
    assert report._lines(members, SETTLED, {}, False) == [
        f"as {name}", "settled: decay exact, floor False", "open: no axis"]


def test_one_line_each_for_settled_and_open_axes():
    members = [Candidate("lava")]
    idle = "; equal on every probe: mute (False or True), through_reset (True or False)"
    first = "as lava LIF (lava)"
    assert report._lines(members, {}, OPEN, True) == [
        first, "settled: no axis (decays are given)", SHOWN + idle]
    some = dict(list(OPEN.items())[2:])
    assert report._lines(members, SETTLED, some, False)[2] == "open: no axis" + idle
    some = dict(list(OPEN.items())[:2])
    assert report._lines(members, SETTLED, some, False)[2] == SHOWN


def test_surrogates_in_words():
    matches = [Match(True, "slayer", 2.0, "both", 1.0, 0.0, 0.25),
               Match(False, "boxcar", np.pi, "above", 0.5, 0.0),
               Match(True, "given", 0.0, "below", -1 / 3, 0.0)]
    words = ["surrogate slayer of steepness 2 and peak 0.25, through the reset",
             "surrogate boxcar of steepness 3.14159, 0 below the threshold, not "
             "through the reset, times 0.5",
             "surrogate given, 0 above the threshold, through the reset, times "
             "-0.33333"]
    assert report._surrogates(matches) == "gradients: " + " or ".join(words)
    assert report._surrogates(2 * matches[:2]).endswith(words[1])
    assert report._surrogates(2 * matches) == "gradients: " + " or ".join(
        words + words[:1]) + ", and 2 more"
