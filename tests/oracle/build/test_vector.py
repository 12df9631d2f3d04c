"""Random numbers that no version of NumPy changes."""

import doctest

import numpy as np
import pytest

from refsnn.oracle.build import vector
from refsnn.oracle.build.vector import DECAYS, LEVELS, TIMES, delayed, marked, numbers

PINNED = [[19, 5, 7], [57, 16, 59]]


def test_delayed_begins_with_a_step_of_zeros():
    found = delayed(np.arange(1, 7, dtype=np.int8).reshape(3, 2))
    assert found.tolist() == [[0, 0], [1, 2], [3, 4]] and found.dtype == np.int8
    with pytest.raises(ValueError, match="array has no step"):
        delayed(np.zeros((0, 2)))


def test_marks():
    a = np.zeros((3, 2))
    assert marked(a).all() and marked(a).shape == (3, 2) and marked(1.0).shape == ()
    assert marked(a, -1, (0, 1)).tolist() == [[False, True], [False, False],
                                              [True, True]]
    assert (marked(a, a == 0)).all() and not marked(a, a > 0).any()
    with pytest.raises(IndexError):
        marked(a, 3)


def test_numbers_are_multiples_and_pinned():
    found = numbers([1, 0], 1000)
    assert (found * 64 == np.floor(found * 64)).all() and found.dtype == np.float64
    assert 0 == found.min() and found.max() == 63 / 64
    assert abs(found.mean() - 0.49) < 0.03
    assert (64 * numbers(3, 2, 3)).astype(int).tolist() == PINNED
    assert (numbers(3, 6).reshape(2, 3) == numbers(3, 2, 3)).all()


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_empty_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape is"):
        numbers(1, *shape)


def test_no_shared_constant_is_one_or_equals_another():
    values = [*TIMES.values(), *LEVELS.values(), *DECAYS.values()]
    assert 1 not in values and len({*TIMES.values()}) == 3
    assert DECAYS["alpha"] == np.exp(-0.4) and DECAYS["beta"] == np.exp(-0.2)
    assert DECAYS["gain"] == 1 - DECAYS["beta"]


def test_examples():
    failed, tried = doctest.testmod(vector)
    assert failed == 0 < tried
