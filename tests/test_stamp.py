"""The argument checks that stand, in the same words, in every module."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refsnn.lif import _arrays, _one_of

W, X = np.ones((2, 3), np.float32), np.ones((4, 5, 3), bool)


def test_what_fits_is_neither_copied_nor_laid_out_anew():
    turned = np.ones((3, 2), np.float32).T
    w, x, none = _arrays("W (n, m) float, x (T, B, m), V? (n, n)", turned,
                         X.astype(np.float32), None)
    assert w is turned or w.strides == turned.strides and np.shares_memory(w, turned)
    assert none is None
    value = np.arange(3)
    assert _arrays("k (T) int", value)[0] is value


def test_the_first_float_array_sets_the_dtype():
    w, x, v, k = _arrays("W (n, m) float, x (T, B, m), V (n) float, k () int", W, X,
                         np.ones(2), 3)
    assert [w.dtype, x.dtype, v.dtype] == [np.float32] * 3 and k == 3
    assert type(k) is int
    x, w = _arrays("x (T), W (n) float", [1, 2], W[0])
    assert x.dtype == int and w.dtype == np.float32
    assert _arrays("x (T)", np.ones(2, bool))[0].dtype == bool
    assert _arrays("x (T)", np.ones(2, int), dtype=np.float32)[0].dtype == np.float32


@pytest.mark.parametrize("spec, value, shape", [
    ("x (T, *)", np.ones((3, 0)), (3, 0)), ("x (...)", np.ones((2, 0, 1)), (2, 0, 1)),
    ("x (...)", 2.0, ()), ("x (n?)", 2.0, ()), ("x (n?)", [1, 2], (2,)),
    ("x (2, 3)", W, (2, 3)), ("x (3,)", [1, 2, 3], (3,)), ("x (_, _)", W, (2, 3)),
    ("x (n*)", [], (0,)), ("x (n*) in [0, 1)", [], (0,))])
def test_shapes_that_fit(spec, value, shape):
    assert _arrays(spec, value)[0].shape == shape


def test_large_finite_numbers_fit():
    for value in ([1e200, -1e300], np.full((2, 3), np.float32(3e38))):
        assert_array_equal(_arrays("x (...)", value)[0], value)     # squares overflow


def test_lists_and_limits():
    a, b = _arrays("a[] (n, _) float, b (n) in {0, 1}", [W, W], [True, False])
    assert len(a) == 2 and b.dtype == np.float32
    assert_array_equal(_arrays("a[] (n, _) float", (W, W))[0], [W, W])
    assert _arrays("a[] (n)", []) == [[]]
    assert _arrays("a () in [0, inf], b () in (0, 1]", np.inf, 1) == [np.inf, 1]
    assert_array_equal(_arrays("a (n) in [0, 1)", [0, 0.5])[0], [0, 0.5])


@pytest.mark.parametrize("spec, values, match", [
    ("W (n, m) float, x (T, B, m)", (W, np.ones((4, 5, 2))), r"^x is \(4, 5, 2\)"),
    ("W (n, m) float, x (T, m*)", (W, np.ones((4, 2))),
     r"^x is \(4, 2\) .* real \(T, m\*\), dtype = float32, n = 2, m = 3, T = 4$"),
    ("W (n, m) float", (np.ones((2, 3), int),), r"^W is \(2, 3\) .*float \(n, m\)"),
    ("W (n, m) float", (np.ones((2, 3), np.float16),), "^W is"),
    ("x (n)", ([],), "^x is"), ("x (n)", ([np.nan],), "^x is .*nan.*finite"),
    ("x (n)", ([np.inf],), "^x is .*finite"), ("x (n)", (["a"],), "^x is"),
    ("x (n)", (np.ma.masked_array([1.0, 2.0], [False, True]),), "^x is .*masked"),
    ("x (n)", ([1j],), "^x is"), ("x (n)", ([[1], [1, 2]],), "^x is"),
    ("x (n)", (None,), "^x is None"), ("x (2, 3)", (np.ones((3, 2)),), "^x is"),
    ("x (n)", ([1, 2], ), None), ("x (n, n)", (W,), "^x is"), ("x (n?)", (W,), "^x is"),
    ("W (n, m) float, x (n)", (W, [1e300, 0]), "^x is .*1e"),
    ("W (n, m) float, a () in [0, 1)", (W, 1 - 1e-9), r"^a is 0.999.*in \[0, 1\)"),
    ("a () in [0, 1)", (1.0,), r"^a is 1.0: must be .*in \[0, 1\)"),
    ("a () in (0, 1]", (0,), r"^a is 0: must be .*in \(0, 1\]"),
    ("a ()", (True,), "^a is True"), ("a ()", ("1",), "^a is '1'"),
    ("k () int in [0, inf)", (1.5,), "^k is 1.5: must be finite int"),
    ("k () int in [0, inf)", (-1,), "^k is -1"), ("k ()", (10 ** 400,), "^k is 1000"),
    ("c (n) in {0, 1}", ([0, 2],), r"^c is \[0, 2\]: must be .*in \{0, 1\}"),
    ("a[] (n)", (3,), "^a.* is 3: must be one of .*list"),
    ("a[] (n)", ([[1, 2], [1]],), r"^a\[1\] is \[1\]"),
    ("a[] (_) in {0, 1}", ([[0, 1], [2]],), r"^a\[1\] is \[2\].*in \{0, 1\}")])
def test_what_does_not_fit_is_refused_by_name(spec, values, match):
    if match is None:
        _arrays(spec, *values)
        return
    with pytest.raises(ValueError, match=match):
        _arrays(spec, *values)


@pytest.mark.parametrize("values", [(W,), (W, W, W)])
def test_there_is_one_value_for_each_rule(values):
    with pytest.raises(ValueError, match="zip"):
        _arrays("a (n, m), b (n, m)", *values)


def test_a_refusal_names_its_argument_under_any_numpy_settings():
    for setting in ("ignore", "warn", "raise"):
        with np.errstate(all=setting), pytest.raises(ValueError, match="^x is"):
            _arrays("W (n, m) float, x (n)", W, [1e300, 0])


def test_choices_and_types():
    assert _one_of("reset", "zero", "subtract", "zero") == "zero"
    assert _one_of("spike", None, Callable, type(None)) is None
    assert _one_of("flag", np.True_, bool, np.bool_)
    for value, allowed in (("half", ("subtract", "zero")), (1, (bool, np.bool_)),
                           (None, (np.random.Generator,)), ([W], ("zero",)),
                           (np.array("zero"), ("zero",))):
        with pytest.raises(ValueError, match="(?s)^option is .*: must be one of"):
            _one_of("option", value, *allowed)
