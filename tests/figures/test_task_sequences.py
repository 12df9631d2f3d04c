"""Sequences of tasks: partitions, permutations and heads."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import SEEDS
from tolerances import RTOL

from figures.si import task_sequences
from figures.si.task_sequences import (enter_head, head_masks, leave_head,
                                       permutations, split)
from refsnn import checks, losses

PAIRS = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]


@given(SEEDS, st.integers(2, 9), st.integers(1, 4))
def test_split_is_a_partition_in_order(seed, classes, parts):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.concatenate([np.arange(classes),
                                             rng.integers(0, classes, 30)]))
    groups = [g.tolist() for g in np.array_split(rng.permutation(classes),
                                                 min(parts, classes))]
    kept = labels.copy()
    found = split(labels, groups)
    assert_array_equal(np.sort(np.concatenate(found)), np.arange(len(labels)))
    for indices, group in zip(found, groups, strict=True):
        assert indices.dtype == np.int64 and np.all(np.diff(indices) > 0)
        assert set(labels[indices].tolist()) == set(group)
    assert_array_equal(labels, kept)


def test_split_digits_in_pairs():
    labels = np.arange(40) % 10
    found = split(labels, PAIRS)
    assert found[1].tolist() == [2, 3, 12, 13, 22, 23, 32, 33]
    assert len(split(labels, PAIRS[:2])) == 2         # not all need appear
    assert split(labels, [range(3), np.arange(3, 5)])[1].tolist()[:2] == [3, 4]


@given(SEEDS, st.integers(1, 6), st.integers(1, 30))
def test_permutations_depend_only_on_their_seed(seed, count, pixels):
    order = permutations(np.random.default_rng(seed), count, pixels)
    assert order.shape == (count, pixels) and order.dtype == np.int64
    for row in order:
        assert_array_equal(np.sort(row), np.arange(pixels))
    assert order[0].tolist() == list(range(pixels))
    same = permutations(np.random.default_rng(seed), np.int64(count), pixels)
    assert_array_equal(same, order)
    again = permutations(np.random.default_rng(seed), count + 2, pixels)
    assert_array_equal(again[:count], order)
    x = np.arange(2.0 * pixels).reshape(2, pixels)
    shown = x[:, order[-1]]                                 # (1), and back
    assert_array_equal(shown[:, np.argsort(order[-1])], x)


def test_permutations_differ_between_tasks_and_seeds():
    order, other = (permutations(np.random.default_rng(seed), 5, 50) for seed in (3, 4))
    assert len({tuple(row) for row in order.tolist()}) == 5
    assert_array_equal(order[1], np.random.default_rng(3).permutation(50))
    assert np.any(other[1:] != order[1:])


def test_masks_by_hand():
    masks = head_masks(PAIRS, 10)
    assert masks.shape == (5, 10) and masks.dtype == bool
    assert masks.sum(axis=1).tolist() == [2] * 5 and masks.all(axis=1).sum() == 0
    assert np.flatnonzero(masks[2]).tolist() == [4, 5]
    assert head_masks([(2, 0)], 4)[0].tolist() == [True, False, True, False]
    assert head_masks([(0,)], 1).tolist() == [[True]]
    head, places = enter_head(np.array([[7.0]]), np.array([0]), np.array([True]))
    assert head.tolist() == [[7.0]] and places.tolist() == [0]


def head_loss(outputs, labels, mask):
    head, places = enter_head(outputs, labels, mask)
    value, dhead = losses.cross_entropy(head[None], places, "last")
    return value, leave_head(dhead[0], mask)


@given(SEEDS, st.integers(1, 5), st.sampled_from([np.float32, np.float64]))
def test_a_head_has_its_own_softmax(seed, N, dtype):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 2, (N, 7)).astype(dtype)
    groups = [[6, 0, 3], [5, 1], [2, 4]]
    masks, task = head_masks(groups, 7), int(rng.integers(0, 3))
    labels = rng.choice(groups[task], N)
    kept = outputs.copy()
    value, doutputs = head_loss(outputs, labels, masks[task])
    assert (doutputs.dtype, doutputs.shape) == (dtype, (N, 7))
    assert np.all(doutputs[:, ~masks[task]] == 0)
    assert np.all(doutputs[:, masks[task]] != 0)
    if dtype == np.float64:
        p = np.exp(outputs) * masks[task]
        p /= p.sum(axis=1, keepdims=True)
        rows = np.arange(N)
        assert_allclose(value, -np.log(p[rows, labels]).mean(), rtol=RTOL)
        p[rows, labels] -= 1
        assert_allclose(doutputs, p / N, rtol=RTOL, atol=RTOL)
        checks.gradient(lambda f: head_loss(f, labels, masks[task])[0], outputs,
                        doutputs)
    assert_array_equal(outputs, kept)
    other = outputs.copy()
    other[:, ~masks[task]] += 100                   # other heads have no effect
    assert head_loss(other, labels, masks[task])[0] == value
    head = enter_head(outputs, labels, masks[task])[0]
    assert not np.shares_memory(head, outputs)


def test_its_examples():
    failed, tried = doctest.testmod(task_sequences)
    assert failed == 0 and tried >= 7
