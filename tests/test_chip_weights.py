"""Test weights for an analog chip: rounding, scales, clipping, dropout, penalty."""

import collections

import numpy as np
import pytest
from hypothesis import given
from proofs import proves
from strategies import SEEDS

from refsnn import checks
from refsnn import chip_weights as cw


def drawn(seed, recurrent=True, spread=0.15, dtype=np.float64):
    rng = np.random.default_rng(seed)
    shapes = (5, 7), (5, 5) if recurrent else None, (3, 5)
    return cw.Weights(*(None if s is None else rng.normal(0, spread, s).astype(dtype)
                        for s in shapes))


@proves("chip_weights", 1, 2)
@given(seed=SEEDS)
def test_integers_in_closed_form(seed):
    weights = drawn(seed)
    written, s = cw.integers(weights)
    for w, i in zip(weights[:2], written[:2], strict=True):
        assert i.dtype == np.int8
        inside = np.abs(240 * w) <= 63
        assert np.abs(240 * w - i)[inside].max() <= 0.5
        assert np.array_equal(i[~inside], (63 * np.sign(w))[~inside])
    largest = np.abs(weights.readout).max()
    assert s == min(63 / largest, 250)
    assert np.abs(s * weights.readout - written.readout).max() <= 0.5
    assert np.abs(written.readout).max() == 63 or s == 250


def test_small_and_absent_readouts_have_the_largest_scale():
    weights = drawn(1)
    written, s = cw.integers(weights._replace(readout=0.01 * weights.readout))
    assert s == 250 and 0 < np.abs(written.readout).max() < 3
    written, s = cw.integers(weights._replace(readout=0 * weights.readout), most=100)
    assert s == 100 and not written.readout.any()
    with np.errstate(under="raise"):
        assert cw.integers(weights._replace(readout=weights.readout * 0 + 1e-320))[1] \
            == 250


def test_ties_are_rounded_to_even_and_ranges_are_options():
    weights = cw.Weights(np.array([[0.5, 1.5, -2.5, 9.0]]), None, np.array([[8.0]]))
    written, s = cw.integers(weights, scale=1.0, limit=4, most=9.0)
    assert written.hidden.tolist() == [[0, 2, -2, 4]] and s == 0.5
    assert written.recurrent is None and written.readout.tolist() == [[4]]
    huge = cw.Weights(np.array([[1e308, -1e308]]), None, np.array([[1e308]]))
    written, s = cw.integers(huge)
    assert written.hidden.tolist() == [[63, -63]] and written.readout.tolist() == [[63]]
    assert s == 63 / 1e308


@pytest.mark.parametrize("limit, dtype", [(127, np.int8), ((-128, 127), np.int8),
                                          (128, np.int16), (255, np.int16),
                                          ((-129, 7), np.int16), ((-8, 7), np.int8)])
def test_other_ranges_of_weights(limit, dtype):
    low, high = limit if isinstance(limit, tuple) else (-limit, limit)
    weights = drawn(1, spread=4.0)
    written, s = cw.integers(weights, scale=100.0, limit=limit)
    assert {a.dtype for a in written} == {np.dtype(dtype)}
    for w, i in zip(weights[:2], written[:2], strict=True):
        assert np.array_equal(i, np.clip(np.rint(100 * w), low, high))
        assert (i.min(), i.max()) == (low, high)
    i = written.readout
    assert np.abs(s * weights.readout - i).max() <= 0.5
    assert i.min() == low or i.max() == high
    clipped = cw.clip(weights, scale=100.0, limit=limit)
    for w in clipped[:2]:
        assert (w.min(), w.max()) == (low / 100, high / 100)
    small = weights._replace(readout=1e-6 * weights.readout)
    assert cw.integers(small, limit=limit)[1] == 250
    for sign in (1, -1):        # readout weights of one sign
        one = weights._replace(readout=sign * np.abs(weights.readout))
        i, s = cw.integers(one, limit=limit)
        end = high if sign > 0 else low
        assert s == min(abs(end) / np.abs(one.readout).max(), 250)
        assert np.abs(i.readout.astype(int)).max() == abs(end) or s == 250
    again = cw.integers(clipped, scale=100.0, limit=limit)[0]
    assert np.array_equal(again.hidden, written.hidden)


def test_straight_through_is_the_mean_slope_of_rounding():
    """The integer increases by one over one unit of the chip."""
    w = np.linspace(0.01, 0.01 + 1 / 240, 1001)[:, None]
    readout = np.ones((1, len(w)))
    i = cw.integers(cw.Weights(w, None, readout))[0].hidden
    assert i[-1] - i[0] == 1 and np.unique(i).size == 2


@proves("chip_weights", 3)
@given(seed=SEEDS)
def test_clip(seed):
    weights = drawn(seed, spread=0.4)
    clipped = cw.clip(weights)
    assert np.array_equal(clipped.readout, weights.readout)
    for w, c in zip(weights[:2], clipped[:2], strict=True):
        assert np.abs(c).max() == 63 / 240
        assert np.array_equal(c, np.clip(w, -0.2625, 0.2625))
        assert np.abs(cw.integers(clipped)[0].hidden).max() == 63
    half = cw.clip(weights, scale=480.0, limit=63)
    assert np.abs(half.hidden).max() == 63 / 480
    assert cw.clip(drawn(seed, False)).recurrent is None


def test_dropout_is_one_mask_with_its_rate():
    kept = cw.dropout(np.random.default_rng(1), 100_000, 0.4)
    assert kept.shape == (100_000,) and kept.dtype == bool
    assert abs(kept.mean() - 0.6) < 5 * np.sqrt(0.24 / 100_000)
    assert cw.dropout(np.random.default_rng(1), 50, 0.0).all()
    assert np.array_equal(kept, cw.dropout(np.random.default_rng(1), 100_000))


@proves("chip_weights", 4)
@given(seed=SEEDS)
def test_drop_silences_rows_and_is_its_own_adjoint(seed):
    weights, d = drawn(seed), drawn(seed + 1)
    kept = np.array([True, False, True, True, False])
    left = cw.drop(weights, kept)
    assert not left.hidden[~kept].any() and not left.readout[:, ~kept].any()
    assert not left.recurrent[~kept].any() and not left.recurrent[:, ~kept].any()
    assert np.array_equal(left.hidden[kept], weights.hidden[kept]), "no rescaling"
    assert np.array_equal(left.readout[:, kept], weights.readout[:, kept])
    assert np.array_equal(left.recurrent[np.ix_(kept, kept)],
                          weights.recurrent[np.ix_(kept, kept)])
    for a, b, da, db in zip(left, weights, cw.drop(d, kept), d, strict=True):
        assert np.sum(a * db) == pytest.approx(np.sum(b * da)) != 0
    assert cw.drop(drawn(seed, False), kept).recurrent is None


@proves("chip_weights", 5)
@pytest.mark.parametrize("name", cw.Weights._fields)
def test_each_penalty_alone(name):
    weights, strengths = drawn(3), dict.fromkeys(cw.Weights._fields, 0.0)
    strengths[name] = 0.3
    value, d = cw.penalty(weights, **strengths)
    assert value == pytest.approx(0.3 * np.mean(getattr(weights, name) ** 2))
    checks.directional(
        lambda w: cw.penalty(weights._replace(**{name: w}), **strengths)[0],
        getattr(weights, name), getattr(d, name), np.random.default_rng(1))
    assert [f for f in d._fields if getattr(d, f).any()] == [name]
    assert cw.penalty(weights)[0] == pytest.approx(0.1 * np.mean(weights.hidden ** 2))
    assert cw.penalty(drawn(3, False))[1].recurrent is None


@proves("chip_weights", 6)
def test_initial_has_the_published_spread():
    weights = cw.initial(np.random.default_rng(1), 256, 246, 10, recurrent=True)
    g = 0.7 * (1 - np.exp(-1.7 / 6))
    for w, mean, m in ((weights.hidden, 1e-3, 256), (weights.recurrent, 0, 246),
                       (weights.readout, 0, 246)):
        sigma = g / np.sqrt(m)
        assert w.dtype == np.float32
        assert abs(w.mean() - mean) < 5 * sigma / np.sqrt(w.size)
        assert abs(w.std() / sigma - 1) < 5 / np.sqrt(2 * w.size)
    many = cw.initial(np.random.default_rng(2), 4, 900, 900).readout
    assert abs(many.mean()) < 5 * g / 30 / 900
    z = np.random.default_rng(3).standard_normal((4, 9))
    one = cw.initial(np.random.default_rng(3), 9, 4, 1, dtype=np.float64)
    np.testing.assert_allclose(one.hidden - z * g / 3, 0.001, rtol=1e-9)
    slow = cw.initial(np.random.default_rng(3), 9, 4, 1, tau_mem=12e-6, dt=3.4e-6,
                      dtype=np.float64)
    np.testing.assert_allclose(slow.hidden, one.hidden, rtol=1e-9)
    assert round(g / 16, 4) == 0.0108 and round(g / np.sqrt(246), 4) == 0.011
    assert cw.initial(np.random.default_rng(1), 2, 3, 4).recurrent is None
    assert cw.initial(np.random.default_rng(1), 1, 1, 1).hidden.shape == (1, 1)
    assert cw.initial(np.random.default_rng(1), 2, 3, 4,
                      dtype=np.float64).readout.dtype == np.float64


def test_exact_products_are_rounded():
    """Products of float32 weights near half an integer are exact in float64."""
    w = ((np.arange(62) + 0.5) / 240).astype(np.float32)[None]
    expected = np.rint(w.astype(np.float64) * 240)
    assert (expected != np.rint(w * np.float32(240))).any(), "must differ"
    weights = cw.Weights(w, None, np.ones((1, 1), np.float32))
    assert np.array_equal(cw.integers(weights)[0].hidden, expected)


def test_dtypes_are_kept_and_inputs_left_alone():
    weights = drawn(2, spread=0.4, dtype=np.float32)
    before = [w.copy() for w in weights]
    kept = np.array([True, False, True, True, False])
    for result in (cw.clip(weights), cw.drop(weights, kept),
                   cw.penalty(weights, 0.1, 0.2, 0.3)[1]):
        assert {w.dtype for w in result} == {np.dtype(np.float32)}
    cw.integers(weights._asdict())
    plain = collections.namedtuple("Plain", "hidden readout")(*weights[::2])
    assert cw.integers(plain)[0].recurrent is None
    assert all(map(np.array_equal, weights, before))


def test_matrices_of_another_precision_are_cast():
    """All matrices take the dtype of the hidden weights."""
    weights = drawn(2)
    mixed = weights._replace(hidden=weights.hidden.astype(np.float32))
    for result in (cw.clip(mixed), cw.drop(mixed, np.ones(5, bool)),
                   cw.penalty(mixed, 0.1, 0.2, 0.3)[1]):
        assert {w.dtype for w in result} == {np.dtype(np.float32)}
    assert np.array_equal(cw.clip(mixed).readout, weights.readout.astype(np.float32))


def test_penalty_is_a_float():
    weights = cw.Weights(np.ones((2, 2), np.float32), None, np.ones((2, 2), np.float32))
    assert type(cw.penalty(weights)[0]) is float
