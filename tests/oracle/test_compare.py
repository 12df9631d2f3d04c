"""What is the same, what proves nothing, and what a wrong result equals."""

import doctest

import numpy as np
import pytest

from refsnn.oracle import compare
from refsnn.oracle.compare import alive, array, flaw, judge, same, untold
from refsnn.oracle.spikes_vectors import Mutant, Vector

RIGHT = np.array([[1.0, 2.0], [3.0, -4.0]])


def vector(mutants=(), exact=False, name="dW"):
    return Vector("toy", "", {}, {name: RIGHT}, list(mutants), exact)


def test_tolerance_is_that_of_the_largest_entry():
    assert same(RIGHT + 3.9e-9, RIGHT, False) and not same(RIGHT + 4.1e-9, RIGHT, False)
    assert same(RIGHT + 0.3, RIGHT, False, 0.1)
    assert not same(RIGHT + 0.5, RIGHT, False, 0.1)
    assert not same(RIGHT + 1e-15, RIGHT, True) and same(RIGHT.copy(), RIGHT, True)
    assert not same(RIGHT[None], RIGHT, False)
    assert not same(RIGHT + np.nan, RIGHT, False)
    assert same(0.0, 0.0, False) and not same(1e-300, 0.0, False)


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
    assert untold(vector([near, far])) == ["near"]
    assert untold(vector([near, far], exact=True)) == []
    assert untold(vector([Mutant("one more", "", {"spikes": RIGHT + 1e-9})],
                         name="spikes")) == []
    assert alive(vector([far])).mutants == [far]
    with pytest.raises(ValueError, match=r"toy is blind: mutants \['near'\] change"):
        alive(vector([far, near]))


@pytest.mark.parametrize("value, rtol", [
    (RIGHT, 1e-9), (RIGHT.astype(np.float32), 1e-4),
    (RIGHT.astype(np.longdouble), 1e-9), (RIGHT.astype(int), 1e-9), (RIGHT > 0, 1e-9),
    (3, 1e-9)])
def test_what_is_compared(value, rtol):
    found, tolerance = array(value)
    assert found.dtype == np.float64 and tolerance == rtol
    assert (found == np.asarray(value)).all()


@pytest.mark.parametrize("value, words", [
    (RIGHT.astype(np.float16), "float16: must be float32"), ("text", "dtype <U4"),
    (RIGHT * 1j, "complex128"), (None, "object"),
    ([1, np.inf], "is inf at (1,): must be finite")])
def test_what_is_not(value, words):
    found, why = array(value)
    assert found is None and words in why


@pytest.mark.parametrize("wrong, words", [
    (RIGHT.T, "equals the right one transposed"), (-RIGHT, "the right one times -1"),
    (2 * RIGHT, "equals mutant: doubled (seen in a#1)"),
    (RIGHT[:1], "is of shape (1, 2): must be (2, 2)"),
    (RIGHT + np.eye(2), "2 of 4 entries differ, first at (0, 0), most at (0, 0): yours "
                        "2, right 1"),
    (RIGHT + [[0, 0], [1, 2]], "2 of 4 entries differ, first at (1, 0), most at "
                               "(1, 1): yours -2, right -4")])
def test_what_is_wrong_is_said(wrong, words):
    doubled = Mutant("doubled", "a#1", {"dW": 2 * RIGHT})
    found = judge(vector([doubled]), {"dW": wrong})
    assert [f.status for f in found] == ["wrong"] and words in found[0].text
    assert ("mutant" in found[0].text) == ("mutant" in words)


def test_two_outputs_tell_which_mutant_it_is():
    one = Mutant("one", "", {"a": 2 * RIGHT, "b": 3 * RIGHT})
    two = Mutant("two", "", {"a": 2 * RIGHT})
    toy = Vector("toy", "", {}, {"a": RIGHT, "b": RIGHT}, [one, two], False)
    assert judge(toy, {"a": 2 * RIGHT})[0].text.endswith("equals mutant: one, or: two")
    both = judge(toy, {"a": 2 * RIGHT, "b": 3 * RIGHT})
    assert all(f.text.endswith("equals mutant: one") for f in both)
    mixed = judge(toy, {"a": 2 * RIGHT, "b": RIGHT})
    assert mixed[0].text.endswith("equals mutant: two") and mixed[1].status == "right"


def test_recordings_out_of_step():
    right = np.arange(24.0).reshape(4, 2, 3) + 1
    toy = Vector("toy", "", {}, {"mem": right}, [], False)
    late, early = np.zeros((2, 4, 2, 3))
    late[1:], early[:-1] = right[:-1], right[1:]
    for wrong, words in ((late, "one step late"), (early, "one step early"),
                         (right[::-1], "time reversed"), (right.T, "axes reversed"),
                         (right.swapaxes(0, 1), "batch before time")):
        told = judge(toy, {"mem": wrong})[0].text
        assert told.endswith(f"equals the right one {words}")


def test_axes_in_any_order_are_named():
    right = np.arange(120.0).reshape(2, 3, 4, 5) + 1
    toy = Vector("toy", "", {}, {"kernel": right}, [], False)
    for wrong, words in ((right.transpose(0, 2, 1, 3), "with its axes in the order "
                          "(0, 2, 1, 3)"), (right.ravel(), "flattened")):
        told = judge(toy, {"kernel": wrong})[0]
        assert told.status == "wrong"
        assert told.text.endswith(f"equals the right one {words}")


def test_a_single_number_is_no_multiple_but_of_whole_numbers():
    toy = Vector("toy", "", {}, {"loss": np.float64(6)}, [], False)
    for wrong, words in ((-6.0, "times -1"), (18.0, "times 3"), (2.0, "times 0.333333"),
                         (7.5, "")):
        told = judge(toy, {"loss": wrong})[0].text
        assert told.endswith(f"equals the right one {words}" if words else "right 6")


def test_exact_vectors_and_counts_are_compared_bit_by_bit():
    near = np.nextafter(RIGHT, 9)
    for toy, status in ((vector(), "right"), (vector(exact=True), "wrong"),
                        (vector(name="spikes"), "wrong")):
        assert judge(toy, {next(iter(toy.outputs)): near})[0].status == status


def test_zeros_and_absence():
    found = judge(vector(), {"dW": 0 * RIGHT})[0]
    assert found.status == "vacuous" and "0 throughout" in found.text
    assert judge(vector(), {})[0].status == "missing"
    none = judge(vector(), {"dW": np.zeros((0, 2))})[0]
    assert none.status == "wrong" and "of shape (0, 2): must be (2, 2)" in none.text
    assert judge(vector(), {"dW": None})[0].status == "wrong"


def test_examples():
    failed, tried = doctest.testmod(compare)
    assert failed == 0 < tried
