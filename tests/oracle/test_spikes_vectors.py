"""Numbers that no version of NumPy changes, and vectors of any size."""

import doctest

import numpy as np
import pytest

from refsnn.oracle import spikes_vectors
from refsnn.oracle.spikes_vectors import FORWARD, RULES, delayed, numbers

PINNED = [[19, 5, 7], [57, 16, 59]]


def test_delayed_begins_with_a_step_of_zeros():
    found = delayed(np.arange(1, 7, dtype=np.int8).reshape(3, 2))
    assert found.tolist() == [[0, 0], [1, 2], [3, 4]] and found.dtype == np.int8
    with pytest.raises(ValueError, match="array has no step"):
        delayed(np.zeros((0, 2)))


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


@pytest.mark.parametrize("name", RULES)
def test_vectors_of_other_sizes(name):
    build, options, _ = RULES[name]
    for seed in range(3):
        vector = build(name, seed, 7, 2, 2, 1, **options)
        assert vector.name == name and vector.text and vector.mutants
        assert all(np.isfinite(value).all() for value in vector.outputs.values())
        again = build(name, seed, 7, 2, 2, 1, **options)
        assert all((again.outputs[key] == value).all()
                   for key, value in vector.outputs.items())


def test_all_axes_of_the_step_that_a_recording_shows_are_mutants():
    assert {axis for _, _, axes in FORWARD for axis in axes} == {
        "input", "test", "record", "reset", "reset_at", "synapse", "decay", "gain",
        "spikes", "compare"}


def test_examples():
    failed, tried = doctest.testmod(spikes_vectors)
    assert failed == 0 < tried
