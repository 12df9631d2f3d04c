"""Batch normalisation and the network of convolution blocks, by finite differences."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal
from tolerances import RTOL, RTOL_FD

from figures.spoken import batch_normalisation as norm
from figures.spoken import convolution_blocks as blocks
from figures.spoken import spoken_networks as networks

SMALL = networks.Options(maps=(3,), side=4, blocks=2, hidden=5, dropout=0.0)


@given(seed=st.integers(0, 10 ** 6), shape=st.sampled_from([
    (5, 2), (2, 3, 4, 3), (1, 2, 1, 1)]))
def test_batch_normalisation_by_finite_differences(seed, shape):
    """In random directions of the input, the scale and the shift."""
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(1, 2, shape), rng.normal(size=shape)
    p = [x, *rng.normal(size=(2, shape[-1]))]
    ways = [rng.normal(size=a.shape) for a in p]
    y, tape = norm.forward(*p)
    found = norm.backward(dy, p[1], tape)
    values = [np.vdot(dy, norm.forward(*(a + s * way for a, way in zip(
        p, ways, strict=True)))[0]) for s in (1e-5, -1e-5)]
    parts = [np.vdot(a, way) for a, way in zip(found, ways, strict=True)]
    size = sum(np.abs(a * way).sum() for a, way in zip(found, ways, strict=True))
    assert abs((values[0] - values[1]) / 2e-5 - sum(parts)) < RTOL_FD * size
    assert all(abs(part) > 0 for part in parts)


def test_batch_normalisation_by_hand():
    x = np.array([[1.0, 5], [3, 5], [5, 5]])
    y, tape = norm.forward(x, np.array([2.0, 3]), np.array([10.0, 20]))
    z = 2 / np.sqrt(8 / 3 + norm.EPS)
    assert_allclose(y, [[10 - 2 * z, 20], [10, 20], [10 + 2 * z, 20]], rtol=RTOL)
    y, _ = norm.forward(x, np.ones(2), np.zeros(2),
                        (np.zeros(2), np.array([1, 4]) - norm.EPS))
    assert_allclose(y, x / [1, 2], rtol=RTOL)
    failed, tried = doctest.testmod(norm)
    assert tried and not failed


def test_a_convolution_equals_that_of_scipy():
    rng = np.random.default_rng(1)
    x, W = rng.normal(size=(2, 7, 6, 3)), rng.normal(size=(4, 3, 3, 3))
    found, _ = blocks.convolution(x, W)
    assert found.shape == (2, 5, 4, 4)
    for n in range(2):
        for k in range(4):
            wanted = sum(signal.correlate2d(x[n, ..., c], W[k, ..., c], "valid")
                         for c in range(3))
            assert_allclose(found[n, ..., k], wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (1, 5, 7, 2)])
def test_pooling_ignores_the_last_row_of_an_odd_number(shape):
    x = np.random.default_rng(1).permutation(np.prod(shape)).reshape(shape) + 1.0
    y, back = blocks.pooling(x)
    assert y[0, 1, 1, 0] == x[0, 2:4, 2:4, 0].max()
    dx, _ = back(np.ones(y.shape))
    assert dx.sum() == y.size and set(x[dx > 0]) == set(y.ravel())
    assert not dx[:, shape[1] // 2 * 2:].any()


def drawn(o, seed=0):
    """Return float64 parameters, images and a random generator."""
    rng = np.random.default_rng(seed)
    p = blocks.initial(rng, (24, 21), o, 4, np.float64)
    p = [a + 0.3 * rng.normal(size=a.shape) if a.ndim == 1 else a for a in p]
    return p, rng.poisson(1.0, (6, 24, 21, 1)).astype(float), rng


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_gradient_of_all_parameters_by_finite_differences(dropout):
    """Each array of parameters is moved alone."""
    o = SMALL._replace(dropout=dropout)
    p, x, rng = drawn(o)
    outputs, back, _ = blocks.forward(p, x, o, np.random.default_rng(3))
    dout = rng.normal(size=outputs.shape)
    found = back(dout)
    assert [a.shape for a in found] == [a.shape for a in p] and len(p) == 18
    for i, d in enumerate(found):
        way, values = rng.normal(size=d.shape), []
        for s in (1e-6, -1e-6):
            moved = [*p]
            moved[i] = p[i] + s * way
            values.append(np.vdot(dout, blocks.forward(
                moved, x, o, np.random.default_rng(3))[0]))
        slope = (values[0] - values[1]) / 2e-6
        assert abs(np.vdot(d, way) - slope) < 1e-5 * abs(d * way).sum(), i
        assert abs(d).max() > 1e-3


def test_dropout_keeps_the_mean_and_is_for_training_alone():
    x = np.ones((50, 40))
    y, back = blocks.dropped(x, 0.2, np.random.default_rng(1))
    assert set(np.unique(y)) == {0, 1.25} and abs(y.mean() - 1) < 0.03
    assert_array_equal(back(x)[0], y)
    p, x, _ = drawn(SMALL)
    o = SMALL._replace(dropout=0.5)
    with_masks = blocks.forward(p, x, o, np.random.default_rng(1))
    alone = blocks.forward(p, x, o)
    assert (alone[0] != with_masks[0]).any()
    assert_array_equal(alone[0], blocks.forward(p, x, SMALL)[0])


def test_tests_use_the_mean_statistics_of_training():
    """A word is classified alike in any batch."""
    network, rng = networks.block_network(SMALL), np.random.default_rng(1)
    x = rng.poisson(0.7, (24, 9, 70)).astype(np.float32)
    p = network.begin(rng, 70, 4, 24)
    ready = network.settle(p, [x[:, :4], x[:, 4:8]])
    assert len(ready) == len(p) + 8
    whole = network.record(ready, x)
    assert_allclose(network.record(ready, x[:, 2:3]), whole[:, 2:3], rtol=1e-5,
                    atol=1e-6)
    assert abs(network.record(p, x[:, 2:5]) - whole[:, 2:5]).max() > 1e-3
    one, two = (blocks.forward(p, networks.images(part), SMALL)[2][1] for part in
                (x[:, :4], x[:, 4:8]))
    assert_allclose(ready[-6], (one[0] + two[0]) / 2, rtol=1e-5)
    assert_allclose(ready[-5], (one[1] + two[1]) / 2, rtol=1e-5)
