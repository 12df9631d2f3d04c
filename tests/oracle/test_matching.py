"""Comparison of results with one golden vector."""

import doctest

import numpy as np
import pytest

from refsnn.oracle import matching, stored
from refsnn.oracle.build.vector import Mutant, Vector
from refsnn.oracle.matching import (_alive, _comparable, _same, counts, flaw, group,
                                    judge, mistakes, place, unseen)

RIGHT = np.array([[1.0, 2.0], [3.0, -4.0]])


def toy(mutants=(), exact=False, name="dW"):
    return Vector("toy", "", {}, {name: RIGHT}, list(mutants), exact)


def test_tolerance_is_that_of_the_largest_entry():
    assert _same(RIGHT + 3.9e-9, RIGHT, False)
    assert not _same(RIGHT + 4.1e-9, RIGHT, False)
    assert _same(RIGHT + 0.3, RIGHT, False, 0.1)
    assert not _same(RIGHT + 0.5, RIGHT, False, 0.1)
    assert not _same(RIGHT + 1e-15, RIGHT, True) and _same(RIGHT.copy(), RIGHT, True)
    assert not _same(RIGHT[None], RIGHT, False)
    assert not _same(RIGHT + np.nan, RIGHT, False)
    assert _same(0.0, 0.0, False) and not _same(1e-300, 0.0, False)


def test_flaws():
    spikes = np.array([0.0, 1.0])
    for inputs, outputs, words in (
            ({}, {"spikes": 0 * spikes}, "silent"),
            ({"spikes": 0 * spikes}, {}, "silent"),
            ({"spikes": spikes * 0 + 1}, {"dW": RIGHT}, "never silent"),
            ({"spikes": spikes}, {"dW": RIGHT, "dV": 0 * RIGHT}, "dead: dV"),
            ({"spikes": spikes}, {"dW": RIGHT}, "")):
        told = flaw(Vector("toy", "", inputs, outputs, [], False))
        assert told.startswith(words) and bool(told) == bool(words)


def test_mutants_must_be_told_in_float32():
    near = Mutant("near", "", {"dW": RIGHT + 3e-4})
    far = Mutant("far", "", {"dW": RIGHT + 5e-4})
    assert unseen(toy([near, far])) == ["near"]
    assert unseen(toy([near, far], exact=True)) == []
    assert unseen(toy([Mutant("one more", "", {"spikes": RIGHT + 1e-9})],
                      name="spikes")) == []
    assert _alive(toy([far])).mutants == [far]
    with pytest.raises(ValueError, match=r"toy is blind to .* \['near'\]"):
        _alive(toy([far, near]))


@pytest.mark.parametrize("value, rtol", [
    (RIGHT, 1e-9), (RIGHT.astype(np.float32), 1e-4),
    (RIGHT.astype(np.longdouble), 1e-9), (RIGHT.astype(int), 1e-9), (RIGHT > 0, 1e-9),
    (3, 1e-9)])
def test_what_is_compared(value, rtol):
    found, tolerance = _comparable(value)
    assert found.dtype == np.float64 and tolerance == rtol
    assert (found == np.asarray(value)).all()


@pytest.mark.parametrize("value, words", [
    (RIGHT.astype(np.float16), "float16: must be float32"), ("text", "dtype <U4"),
    (RIGHT * 1j, "complex128"), (None, "object"),
    ([1, np.inf], "is inf at (1,): must be finite")])
def test_what_is_not(value, words):
    found, why = _comparable(value)
    assert found is None and words in why


def test_counts_are_rounded_by_their_size():
    some = np.array([1e-7, 100.00002], np.float32)
    assert counts(some, some.astype(float)).tolist() == [0.0, 100.0]
    assert counts(some.astype(float), some.astype(float)).tolist() != [0.0, 100.0]


def test_results_are_grouped_by_vector():
    known = {"toy": toy(), "a.b": toy(name="mem")}
    found = group({"toy.dW": 1, "a.b.mem": 2}, known)
    assert found == {"toy": {"dW": 1}, "a.b": {"mem": 2}}
    with pytest.raises(ValueError, match=r"^results hold 'toy.dV': .*outputs are \['d"):
        group({"toy.dV": 1}, known)
    with pytest.raises(ValueError, match="hold 'no.dW': .*the nearest name is 'no"):
        group({"no.dW": 1}, known | {"not": toy()})
    with pytest.raises(ValueError, match=r"must be VECTOR.OUTPUT, refsnn.*\(\) lists"):
        group({"b": 1}, {"a": toy()})
    for nothing in ({}, None, [1]):
        with pytest.raises(ValueError, match="^results is .*: must be a nonempty dict"):
            group(nothing, known)


def test_floats_beside_float32_results_are_rounded():
    vector = toy()._replace(outputs=dict.fromkeys(("dW", "loss", "gap", "dV"), RIGHT))
    given = {"toy.dW": np.float32(RIGHT), "toy.loss": 0.1, "toy.gap": np.float64(0.1),
             "toy.dV": RIGHT}
    found = group(given, {"toy": vector})["toy"]
    assert type(found["loss"]) is type(found["gap"]) is np.float32
    assert found["loss"] == np.float32(0.1)
    assert found["dV"] is RIGHT
    del given["toy.dW"]
    assert type(group(given, {"toy": vector})["toy"]["loss"]) is float


def test_a_result_is_right_wrong_or_invalid():
    assert judge(toy(), "dW", RIGHT + 3e-9)[1:] == (1e-9, True, "")
    assert judge(toy(), "dW", np.float32(RIGHT + 1e-4))[1:] == (1e-4, True, "")
    wrong = judge(toy(), "dW", RIGHT + 1)
    assert not wrong.right and (wrong.found == RIGHT + 1).all()
    none = judge(toy(), "dW", [1, np.nan])
    assert none == (None, 0.0, False, "is nan at (1,): must be finite")
    half = judge(toy(name="spikes"), "spikes", np.float16(RIGHT))
    assert half.right and half.rtol == 1e-4
    scalar = Vector("toy", "", {}, {"loss": 2.0}, [], False)
    assert judge(scalar, "loss", [[2.0]]).found.shape == ()


def test_places_are_compared_with_their_sizes():
    vector = stored.load(["bptt"])["bptt"]
    right = vector.outputs["dW"]
    one, other = (judge(vector, "dW", k * right) for k in (1 / 3, 1 / 40))
    assert place(vector, "dW", one).names == ("1/3", "1/B", "1/n")
    assert place(vector, "dW", other).names == ("1/T",)
    rounded = judge(vector, "dW", np.float16(right).astype(float))
    assert place(vector, "dW", rounded).dtypes == ("float16",)
    assert place(vector, "dW", rounded, rounding=False).dtypes == ()


def test_a_mistake_must_explain_all_results():
    one = Mutant("one", "a#1", {"dW": 2 * RIGHT})
    assert mistakes(toy([one]), {"dW": 2 * RIGHT}) == ["one (seen in a#1)"]
    assert mistakes(toy([one]), {"dW": RIGHT}) == []
    assert mistakes(toy([one]), {"dW": None}) == []


def test_doctests():
    failed, tried = doctest.testmod(matching)
    assert (failed, tried > 12) == (0, True)


def test_recognised_mistakes_have_identifiers():
    vector = stored.load(["bptt"])["bptt"]
    for mutant in vector.mutants:
        found = matching.recognised(vector, vector.outputs | mutant.outputs)
        assert mutant.id in [m.id for m in found]
    assert matching.recognised(vector, vector.outputs) == []
    assert matching.recognised(vector, {"dW": None}) == []
