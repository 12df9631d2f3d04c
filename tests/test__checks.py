"""The argument checks that all modules share: rules, results and messages."""

import pickle
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from refsnn import _checks, lif
from refsnn._checks import arrays, one_of, shown

W, X = np.ones((2, 3), np.float32), np.ones((4, 5, 3), bool)


class Pair(NamedTuple):
    """Hold two arrays."""
    a: np.ndarray
    b: np.ndarray = None
    __repr__ = shown


def message(function, *values, **options):
    """Return the message of the ValueError that a call raises."""
    with pytest.raises(ValueError) as error:
        function(*values, **options)
    return str(error.value)


def test_an_array_that_fits_is_returned_as_it_is():
    turned = np.ones((3, 2), np.float32).T
    w, x, none = arrays("W (n, m) float, x (T, B, m), V? (n, n)", turned,
                        X.astype(np.float32), None)
    assert w is turned and none is None
    value = np.arange(3)
    assert arrays("k (T) int", value)[0] is value


def test_the_first_float_array_sets_the_dtype():
    w, x, v, k = arrays("W (n, m) float, x (T, B, m), V (n) float, k () int", W, X,
                        np.ones(2), 3)
    assert [w.dtype, x.dtype, v.dtype] == [np.float32] * 3 and k == 3
    assert type(k) is int
    x, w = arrays("x (T), W (n) float", [1, 2], W[0])
    assert x.dtype == int and w.dtype == np.float32
    assert arrays("x (T)", np.ones(2, bool))[0].dtype == bool
    assert arrays("x (T)", np.ones(2, int), dtype=np.float32)[0].dtype == np.float32
    several = arrays("a[] (_) float", [W[0], np.ones(2)])[0]
    assert [a.dtype for a in several] == [np.float32] * 2
    assert type(arrays("a ()", np.float32(2))[0]) is float


@pytest.mark.parametrize("rule, value, shape", [
    ("x (T, *)", np.ones((3, 0)), (3, 0)), ("x (...)", np.ones((2, 0, 1)), (2, 0, 1)),
    ("x (...)", 2.0, ()), ("x (n?)", 2.0, ()), ("x (n?)", [1, 2], (2,)),
    ("x (2, 3)", W, (2, 3)), ("x (3,)", [1, 2, 3], (3,)), ("x (_, _)", W, (2, 3)),
    ("x (n*)", [], (0,)), ("x (n*) in [0, 1)", [], (0,))])
def test_shapes_that_fit(rule, value, shape):
    assert arrays(rule, value)[0].shape == shape


def test_large_finite_numbers_fit():
    for value in ([1e200, -1e300], np.full((2, 3), np.float32(3e38)), [2**62, 2**62]):
        assert_array_equal(arrays("x (...)", value)[0], value)     # squares overflow


def test_entries_that_are_not_read_are_not_cast():
    for x in (X[..., :0], X * np.nan, X.astype(np.float16)):
        w, same = arrays("W (n, m) float, x (T, B, _*) unread", W, x)
        assert same is x and w is W
    assert message(arrays, "W (n, m) float, x (T, m) unread", W, W.T) == \
        "x has 2 inputs (axis 1), W has 3 (axis 1): must be equal"
    assert message(arrays, "x (T) unread", np.ma.masked_array([1.0])).startswith(
        "x is a masked array")
    assert message(arrays, "x (T) unread", [1j]).startswith("x is complex128")


def test_lists_and_ranges():
    a, b = arrays("a[] (n, _) float, b (n) in {0, 1}", [W, W], [True, False])
    assert len(a) == 2 and b.dtype == np.float32
    assert_array_equal(arrays("a[] (n, _) float", (W, W))[0], [W, W])
    assert arrays("a[] (n)", []) == [[]]
    assert arrays("a () in [0, inf], b () in (0, 1]", np.inf, 1) == [np.inf, 1]
    assert_array_equal(arrays("a (n) in [0, 1)", [0, 0.5])[0], [0, 0.5])
    assert arrays("k () int in {10, 100}", 100) == [100]


@pytest.mark.parametrize("bad, told", [
    (np.ones((2, 2)), "y has 2 inputs (axis 1), x has 3 (axis 1): must be equal"),
    (np.full((2, 3), np.inf), "y is inf at index (0, 0): must be finite"),
    (np.ones((2, 3), int) * 1j, "y is complex128: must be a real array (n, m)"),
    (np.ones(2), "y has shape (2,): must have 2 axes, (n, m)")])
def test_a_second_array_with_the_same_axes_is_checked_too(bad, told):
    x = np.ones((2, 3))
    assert arrays("x (n, m) float, y (n, m), z (n, m)", x, x, x)[1] is x
    assert message(arrays, "x (n, m) float, y (n, m)", x, bad) == told
    assert message(arrays, "x (n, m) float, y (n, m) in [0, 1)", x, x) == \
        "y is out of range at index (0, 0): must be in [0, 1)"
    assert message(arrays, "x (n, m) float, y (n, m) int", x, x) == \
        "y is float64: must hold integers"
    assert message(arrays, "x (n, m) float, y (n, m)", x, np.ma.masked_array(x)) == \
        "y is a masked array: must be a plain array, without masked entries"


def test_bools_are_the_numbers_0_and_1():
    assert_array_equal(arrays("a (n) in {0, 1}", [False, True])[0], [0, 1])
    assert message(arrays, "a (n) in {1, 2}", [True, False]) == \
        "a is out of range at index (1,): must be in {1, 2}"


@pytest.mark.parametrize("rules, values, told", [
    ("W (n, m) float, x (T, B, m)", (W, np.ones((4, 5, 2))),
     "x has 2 inputs (axis 2), W has 3 (axis 1): must be equal"),
    ("W (n, m) float, x (T, m*)", (W, np.ones((4, 2))),
     "x has 2 inputs (axis 1), W has 3 (axis 1): must be equal"),
    ("V (n, n)", (W,), "V has 3 units (axis 1), V has 2 (axis 0): must be equal"),
    ("a[] (q)", ([[1, 2], [1]],),
     "a[1] has 1 entry (axis 0), a[0] has 2 (axis 0): must be equal"),
    ("x (2, 3)", (W.T,), "x has 3 entries (axis 0): must have 2"),
    ("x (T)", ([],), "x has 0 steps (axis 0): must have at least 1"),
    ("x (T, B, m*)", (W,), "x has shape (2, 3): must have 3 axes, (T, B, m)"),
    ("x (n?)", (W,), "x has shape (2, 3): must be a number or an array (n)"),
    ("x (p)", (2.5,), "x is 2.5: must have 1 axis, (p)"),
    ("k () int", ([1],), "k has shape (1,): must be a number"),
    ("W (n, m) float", (W.astype(int),),
     "W is int64: must be float32 or float64, for example after .astype(np.float32)"),
    ("W (n, m) float", (W.astype("f2"),),
     "W is float16: must be float32 or float64, for example after .astype(np.float32)"),
    ("W (n, m) float", (W * 1j,), "W is complex64: must be float32 or float64"),
    ("W (n, m) float", (W > 0,), "W is bool: must be float32 or float64"),
    ("W (n, m) float", (W.astype(">f8"),),
     "W is >f8: must be float32 or float64, for example after .astype(np.float64)"),
    ("W (n, m) float", (W.astype(">f4"),),
     "W is >f4: must be float32 or float64, for example after .astype(np.float32)"),
    ("x (n)", ([0, np.nan],), "x is nan at index (1,): must be finite"),
    ("x (n, m)", ([[1, -np.inf]],), "x is -inf at index (0, 1): must be finite"),
    ("x (n)", (["a"],), "x is <U1: must be a real array (n)"),
    ("x (n)", ([1j],), "x is complex128: must be a real array (n)"),
    ("x (n)", (np.array([1, None]),), "x has dtype object: must be a real array (n)"),
    ("x (n)", ([1, None],), "x has dtype object: must be a real array (n)"),
    ("x (n)", (np.array(None),), "x has dtype object: must be a real array (n)"),
    ("W (n, m) float", (W.astype(object),),
     "W has dtype object: must be float32 or float64"),
    ("W (n, m) float", (Pair(W, W),),
     "W is of type Pair: must be an array (n, m), so pass one of its fields"),
    ("x (...)", (Pair(W),),
     "x is of type Pair: must be an array of any shape, so pass one of its fields"),
    ("f(theta) ()", (Pair(W),),
     "f(theta) is of type Pair: must be a number, so pass one of its fields"),
    ("x (...)", ({},), "x is of type dict: must be a real array of any shape"),
    ("x (n)", (np.ma.masked_array([1.0, 2.0], [False, True]),),
     "x is a masked array: must be a plain array, without masked entries"),
    ("x (n, m)", ([np.ma.masked_array([1.0, 2.0], [False, True])],),
     "x is a masked array: must be a plain array, without masked entries"),
    ("x (n)", (None,), "x is None: must be a real array (n)"),
    ("a[] (n)", (3,), "a is 3: must be one of list, tuple"),
    ("a ()", (True,), "a is True: must be a real number"),
    ("a ()", ("1",), "a is '1': must be a real number"),
    ("k () int", (1.5,), "k is 1.5: must be an integer"),
    ("k () int", (True,), "k is True: must be an integer"),
    ("k () int in [0, inf)", (-1,), "k is -1: must be in [0, inf)"),
    ("a () in [0, 1)", (1.0,), "a is 1.0: must be in [0, 1)"),
    ("a () in (0, 1]", (0,), "a is 0: must be in (0, 1]"),
    ("a () in (0, 1)", (np.nan,), "a is nan: must be in (0, 1)"),
    ("c (n) in {0, 1}", ([0, 2],),
     "c is out of range at index (1,): must be in {0, 1}"),
    ("k () int in {10, 100}", (50,), "k is 50: must be in {10, 100}"),
    ("W (n, m) float, x (n)", (W, [1e300, 0]),
     "x overflows in float32 at index (0,): must be finite"),
    ("W (n, m) float, a (n?)", (W, -4e38), "a overflows in float32: must be finite"),
    ("W (n, m) float, a () in [0, 1)", (W, 1 - 1e-9),
     "a is 0.999999999 (1.0) in float32: must be in [0, 1)"),
    ("labels (B) int", (np.ones(3),),
     "labels is float64: must hold integers, for example after .astype(int)"),
    ("labels (B) int", (np.eye(3, dtype=int),),
     "labels has shape (3, 3): must have 1 axis, (B), for example "
     "labels.argmax(axis=1)"),
    ("labels (B) int", (np.ones((3, 1), int),),
     "labels has shape (3, 1): must have 1 axis, (B), for example labels.ravel()"),
    ("labels (B) int", (np.eye(3),),
     "labels is float64: must hold integers, for example labels.argmax(axis=1)"),
    ("labels (B) int", (np.ones((3, 1)),),
     "labels is float64: must hold integers, for example "
     "labels.ravel().astype(int)"),
    ("labels (B) int", (2.0,), "labels is 2.0: must hold integers"),
    ("labels (B) int", (2,), "labels is int64: must have 1 axis, (B)"),
    ("labels (B) int", (None,), "labels is None: must hold integers"),
    ("labels (B) int", ("cat",), "labels is 'cat': must hold integers"),
    ("labels (B) int", (["cat"],), "labels is <U3: must hold integers"),
    ("labels (B) int", ([["cat", "dog"]],), "labels is <U3: must hold integers"),
    ("labels (B) int", ([True, False],), "labels is bool: must hold integers"),
    ("psi (T, B, n) float", ((X * 1.0, X * 1.0),),
     "psi has shape (2, 4, 5, 3): must have 3 axes, (T, B, n), so pass the derivative, "
     "element 1 of the pair")])
def test_messages_name_the_argument_and_who_disagrees(rules, values, told):
    assert message(arrays, rules, *values) == told


def test_values_that_are_no_arrays_are_named():
    for rule, value, told in (
            ("x (n)", [[1], [1, 2]], "x is of type list and no array "),
            ("f(theta) ()", (1.0, X), "f(theta) is of type tuple and no array "),
            ("k ()", 10**400, "k is of type int: must be a real number")):
        assert message(arrays, rule, value).startswith(told)
    assert message(arrays, "f ()", (1.0, X)).endswith("): must be a number")


@pytest.mark.parametrize("reason, told", [
    ("it is bad", " (it is bad)"), ("it is bad.\nvery", " (it is bad)"), ("", ""),
    ("It is bad.  Use " + 25 * "other " + "data.", " (It is bad)"),
    (30 * "long " + "sentence", ""),
    ("Tensor 2.0 requires grad. Use tensor.detach().numpy() instead.",
     " (Tensor 2.0 requires grad. Use tensor.detach().numpy() instead)")])
def test_reasons_are_whole_sentences(reason, told):
    class Bad:
        """Refuse a conversion to an array."""

        def __array__(self, dtype=None, copy=None):
            raise TypeError(reason)

    assert message(arrays, "x (n)", Bad()) == \
        f"x is of type Bad and no array{told}: must be an array (n)"


@pytest.mark.parametrize("values", [(W,), (W, W, W)])
def test_there_is_one_value_for_each_rule(values):
    with pytest.raises(ValueError, match="zip"):
        arrays("a (n, m), b (n, m)", *values)


def test_a_message_is_the_same_under_any_numpy_settings():
    for setting in ("ignore", "warn", "raise"):
        with np.errstate(all=setting):
            for bad in ([1e300, 0], [np.nan, 0], [np.inf, np.nan]):
                for span in ("", " in [0, 1)"):
                    assert message(arrays, f"W (n, m) float, x (n){span}", W,
                                   bad).startswith("x ")


def test_choices_and_types():
    assert one_of("reset", "zero", "subtract", "zero") == "zero"
    assert one_of("spike", None, Callable, type(None)) is None
    assert one_of("flag", np.True_, bool, np.bool_)
    for value, allowed, told in (
            ("half", ("subtract", "zero"), "'half': must be one of 'subtract', 'zero'"),
            (0, (np.random.Generator,),
             "0: must be Generator, for example np.random.default_rng(0)"),
            ([W], ("zero",), "of type list: must be 'zero'"),
            (np.array("zero"), (Callable, type(None)),
             "of type ndarray: must be one of Callable, None")):
        assert message(one_of, "option", value, *allowed) == f"option is {told}"
    assert _checks.flags("a b", True, np.False_) is None
    assert message(_checks.flags, "a b", True, 0.0) == \
        "b is 0.0: must be True or False"


def test_dtypes():
    for dtype in (np.float32, "float32", np.dtype("f4")):
        assert _checks.float_dtype(dtype) == np.float32
    for dtype in (int, "half", None, np.float16, 1.0, np.ones(1)):
        assert message(_checks.float_dtype, dtype).startswith("dtype is ")


def test_bundles():
    found = _checks.bundle("state", (W, None), Pair, np.dtype("f4"))
    assert isinstance(found, Pair) and found.a is W and found.b is None
    assert _checks.bundle("state", Pair(W), Pair).a is W
    assert message(_checks.bundle, "state", W, Pair) == \
        "state is of type ndarray: must be a Pair (a, b)"
    other = NamedTuple("Other", [("b", int), ("a", int)])
    for bad in ((W,), (W, W, W), other(W, W), None):
        assert message(_checks.bundle, "state", bad, Pair).startswith("state is of ")
    assert message(_checks.bundle, "state", Pair(W, [1.0]), Pair, np.dtype("f4")) == \
        "state.b is float64: must be float32"


def test_texts_hold_shapes_in_place_of_entries():
    x = np.zeros((5, 2, 3), "f4")
    rec, state = lif.run(x, np.ones((4, 3), "f4"), alpha=0.5, beta=0.5)
    assert str(rec) == repr(rec) == f"{rec}" == (
        "Recording(syn: float32 (5, 2, 4), mem: float32 (5, 2, 4), "
        "spikes: float32 (5, 2, 4), clamp: bool (5, 2, 4))")
    assert repr([state._replace(spikes=None)]) == \
        "[State(syn: float32 (2, 4), mem: float32 (2, 4), spikes: None)]"
    for value, text in (
            ([W, (W, 2)], "[float32 (2, 3), (float32 (2, 3), 2)]"),
            ((W,), "(float32 (2, 3),)"), (np.ones(0), "float64 (0,)"),
            ({"W": W, 1: 2.5}, "{'W': float32 (2, 3), 1: 2.5}"), ([], "[]"),
            (Pair(Pair(W), sparse.csr_matrix(W)),
             "Pair(a: Pair(a: float32 (2, 3), b: None), b: float32 (2, 3))"),
            (np.array(2.5), "array(2.5)"), ("zero", "'zero'"),
            (list(range(8)), "[0, 1, 2, 3, 4, 5, 6, 7]"),
            (tuple(range(9)), "(0, 1, 2, 3, 4, 5, 6, 7, ... 9 entries)")):
        assert shown(value) == text


def test_tuples_with_a_text_of_shapes_stay_tuples():
    state = lif.State(W, W + 1)
    again = pickle.loads(pickle.dumps(state))
    assert type(again) is lif.State and (again.mem == W + 1).all()
    syn, mem, spikes = state
    assert syn is W and spikes is None and state._replace(mem=None).mem is None
    assert list(state._asdict()) == ["syn", "mem", "spikes"] and state[0] is W
    assert state == (W, mem, None) and hash(lif.State(1, 2)) == hash((1, 2, None))


def test_lists_of_arrays():
    assert _checks.lists("a", W)[0] is W and _checks.lists("a", (W, W))[1] is W
    found = _checks.lists("a", [np.ones((2, 3))], [W])
    assert found[0].dtype == np.float32
    for one in (np.float32(2), np.ones((), np.float32)):
        a, = _checks.lists("a", one, [np.ones((), np.float32)])
        assert (type(a), a.shape, a.dtype) == (np.ndarray, (), np.float32)
    for bad, like, told in (
            ([], None, "a has 0 arrays: must have 1"),
            ([W], [W, W], "a has 1 arrays: must have 2"),
            ([W, W[:1]], [W, W], "a[1] has shape (1, 3): must be (2, 3)"),
            (W[0], [W], "a has shape (3,): must be (2, 3)"),
            (W[:, :0], None, "a has shape (2, 0): must not be empty"),
            (W.astype(int), None, "a is int64: must be float32 or float64, for example "
             "after .astype(np.float32)")):
        assert message(_checks.lists, "a", bad, like) == told
    assert message(_checks.lists, "a", [W[:1]], [W], "b") == \
        "a[0] has shape (1, 3): must be (2, 3), as b[0]"
    assert message(_checks.lists, "a", [W, W], [W], "b") == \
        "a has 2 arrays: must have 1, as b"


def test_buffers():
    assert np.isnan(_checks.unread("M", W * np.nan, (2, 3), float, np.float32)).all()
    for bad in (W.T, W.astype(float), None, [1.0], np.ma.masked_array(W, W > 0)):
        assert message(_checks.unread, "M", bad, (2, 3), np.float32).startswith("M is ")
    out = _checks.buffer("out", None, (2, 3), np.float32)
    assert out.shape == (2, 3) and out.dtype == np.float32
    assert _checks.buffer("out", W, (2, 3), np.float32, [X, W + 1]) is W
    fixed = W.copy()
    fixed.flags.writeable = False
    for bad in (fixed, W.T.copy().T, W.tolist(), W[:1]):
        assert message(_checks.buffer, "out", bad, (2, 3), W.dtype).startswith("out ")
    assert message(_checks.buffer, "out", W, (2, 3), np.float32, [X, W[1:]]) == \
        "out shares memory with an argument: must be separate"


@pytest.mark.parametrize("value, match", [
    (np.longdouble("nan"), "^a is nan: must be in "),
    (np.longdouble(2), r"^a is .*2.*: must be in \[0, 1\)"),
    (np.full(2, np.longdouble("nan")), r"^b is nan at index \(0,\): must be finite")])
def test_invalid_long_doubles_are_refused(value, match):
    with pytest.raises(ValueError, match=match):
        if np.ndim(value):
            arrays("b (n)", value)
        else:
            arrays("a () in [0, 1)", value)


@pytest.mark.parametrize("wrap", [
    lambda m: m, lambda m: [m, m], lambda m: [[1.0, 2.0], m], lambda m: ([[m, m]],)])
def test_masked_arrays_at_any_depth_are_refused(wrap):
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    with pytest.raises(ValueError, match="^a is a masked array"):
        arrays("a (...)", wrap(masked))
