"""The place of a difference: where it is, and what explains it."""

import doctest

import numpy as np
import pytest

from refsnn.oracle import locate as module
from refsnn.oracle.locate import Place, locate

WEIGHTS = ("row", "column")
SERIES = ("step", "sample", "neuron")
RNG = np.random.default_rng(20)
W, V = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 3))
X = RNG.normal(size=(12, 3, 4))
SPIKES = (RNG.random((12, 3, 4)) < 0.3) * 1.0
SIZES = {"T": 12, "B": 3, "n": 5, "gain": 0.18, "1 - alpha": 0.33}


def at(right, axes=WEIGHTS, **options):
    return lambda found: locate(found, right, axes=axes, **options)


def unexplained(place):
    return (place.change, place.factor, place.names, place.dtypes) == ("", None, (), ())


# ---- where

def test_equal_arrays_have_no_place():
    assert at(W)(W) == Place(0.0, None, {}, "", None, (), (),
                             "to 1e-09 of the largest entry")
    assert at(W, rtol=0)(W).text == "exact"
    assert at(W)(W + 0.9e-9 * np.abs(W).max()).share == 0


def test_the_tolerance_is_relative_to_the_largest_right_entry():
    for rtol in (1e-9, 1e-4, 0.1):
        wrong = W.copy()
        wrong[1, 2] += 1.1 * rtol * np.abs(W).max()
        assert at(W, rtol=rtol)(wrong).share == 1 / 12
        wrong[1, 2] -= 0.2 * rtol * np.abs(W).max()
        assert at(W, rtol=rtol)(wrong).share == 0
    assert at(SPIKES, SERIES, rtol=0)(np.nextafter(SPIKES, 2)).share == 1


def test_the_first_wrong_step_and_the_last_of_an_adjoint():
    wrong = X.copy()
    wrong[3:8, 1, 2] += RNG.normal(size=5)
    forward = at(X, SERIES)(wrong)
    assert forward.step == 3
    assert ", first at step 3, only where sample = 1 and neuron = 2; most at (" in \
        forward.text
    backward = at(X, SERIES, backward=True)(wrong)
    assert backward.step == 7 and ", last at step 7, " in backward.text
    assert forward.blocks == backward.blocks == {"sample": (1,), "neuron": (2,)}
    assert forward.share == 5 / X.size and unexplained(forward)
    assert at(W)(W + 1).step is None


def test_blocks_are_told_only_if_other_blocks_are_right():
    wrong = W.copy()
    wrong[1] += [1, 2, 4, 3]
    assert at(W)(wrong).blocks == {"row": (1,)}
    wrong[2, 0] += 1
    assert at(W)(wrong).blocks == {"row": (1, 2)}
    assert "only where row = 1, 2; most" in at(W)(wrong).text
    wrong[0, 0] += 1
    assert at(W)(wrong).blocks == {}
    wide = RNG.normal(size=(2, 9))
    assert "only where column = 0, 1, 2, 3, ...; most" in at(wide)(
        wide + (np.arange(9) < 5)).text
    assert "only where column = 0, 1, 2, 3; most" in at(wide)(
        wide + (np.arange(9) < 4)).text


def test_entries_that_are_zero_in_both_arrays_clear_no_block():
    right = W * [1, 0, 1, 1]
    wrong = right + RNG.normal(size=(3, 4)) * [1, 0, 1, 1]
    assert at(right)(wrong).blocks == {}
    assert at(right)(right + [1, 0, 0, 0]).blocks == {"column": (0,)}
    assert at(W)(W * [1, 1, 1, 0]).blocks == {"column": (3,)}


def test_the_diagonal():
    on, off = at(V)(V + np.diag([1, 2, 4])), at(V)(V + 1 - np.eye(3))
    assert on.blocks == {"diagonal": True} and "only on the diagonal" in on.text
    assert off.blocks == {"diagonal": False} and "only off the diagonal" in off.text
    assert at(V)(V + [[1, 0, 0], [0, 2, 3], [0, 0, 3]]).blocks == {}
    assert at(V * np.eye(3))(V * np.eye(3) + np.eye(3)).blocks == {}
    assert at(V, ())(V + np.eye(3)).blocks == {}
    assert at(V[:1, :1])(V[:1, :1] + 1).blocks == {}


def test_axes_without_names():
    place = at(X, ())(X + [0, 1, 0, 0])
    assert place.step is None and place.blocks == {"axis 2": (1,)}
    assert "only where axis 2 = 1;" in place.text
    with pytest.raises(ValueError, match="axes is .* must name the 2 axes of right"):
        locate(W, W, axes=SERIES)


def test_arrays_of_any_real_dtype():
    small, large = np.uint8([[1, 2], [3, 5]]), np.uint8([[2, 4], [6, 10]])
    assert locate(small, large).names == ("1/2",) == locate(
        small.tolist(), large.tolist()).names
    assert locate(SPIKES > 0, SPIKES < 1).share == 1


def test_huge_values_and_empty_arrays():
    huge = 1.7e308 * np.sign(W)
    assert at(huge)(-huge).share == 1 and at(huge)(huge).share == 0
    none = np.zeros((0, 4))
    assert at(none)(none).share == 0


def test_the_largest_difference_is_told():
    wrong = W.copy()
    wrong[1, 2] += 0.25
    wrong[2, 3] -= 0.5
    assert at(W)(wrong).text == (
        "2 of 12 entries differ by more than 1e-09 of the largest, only where row = 1, "
        f"2 and column = 2, 3; most at (2, 3): yours {wrong[2, 3]:.9g}, right "
        f"{W[2, 3]:.9g}")


def test_single_numbers():
    assert locate(3.0, 6.0).text == (
        "differs by more than 1e-09 of the largest: yours 3, right 6")
    for found in (3.0, -6.0, 0.0, 6.001, 18.0):
        assert unexplained(locate(found, 6.0))


def test_values_that_are_not_finite_are_wrong_and_unexplained():
    for bad in (np.nan, np.inf, -np.inf):
        wrong = 2 * X
        wrong[4, 0, 1] = bad
        place = at(X, SERIES)(wrong)
        assert unexplained(place) and place.share == 1
        wrong = X.copy()
        wrong[4, 0, 1] = bad
        place = at(X, SERIES)(wrong)
        assert place.step == 4 and place.share == 1 / X.size
        assert f"most at (4, 0, 1): yours {bad:.9g}" in place.text


# ---- factors

@pytest.mark.parametrize("factor, names, shown", [
    (0.5, ("1/2",), "times 0.5 (1/2)"), (2, ("2",), "times 2"),
    (-1, ("-1",), "times -1"), (1 / 3, ("1/3", "1/B"), "times 0.333333 (1/3, 1/B)"),
    (12, ("T",), "times 12 (T)"), (1 / 12, ("1/T",), "times 0.0833333 (1/T)"),
    (-3, ("-3", "-B"), "times -3, which equals -B"), (36, ("T B",), "times 36 (T B)"),
    (1 / 36, ("1/(T B)",), "times 0.0277778 (1/(T B))"),
    (0.18, ("gain",), "times 0.18 (gain)"), (1 / 0.18, ("1/gain",), "(1/gain)"),
    (1 / 0.33, ("1/(1 - alpha)",), "(1/(1 - alpha))"), (4 / 3, ("4/3",), "(4/3)"),
    (1 / 18, ("2/(T B)",), "times 0.0555556 (2/(T B))"),
    (180, ("T B n",), "times 180 (T B n)"), (1 / 180, ("1/(T B n)",), "(1/(T B n))"),
    (2 / 180, ("2/(T B n)",), "(2/(T B n))"), (15, ("B n",), "times 15 (B n)"),
    (1.001, (), "times 1.001"), (0.0, (), "; the wrong entries are 0")])
def test_factors_have_names(factor, names, shown):
    for right, axes in ((W, WEIGHTS), (X, SERIES), (SPIKES, SERIES)):
        place = locate(factor * right, right, axes=axes, sizes=SIZES)
        assert (place.change, place.names, place.dtypes) == ("", names, ())
        assert np.isclose(place.factor, factor, rtol=1e-12)
        assert place.text.endswith(shown)


def test_the_text_of_a_factor():
    assert at(W)(W / 2).text == ("12 of 12 entries differ by more than 1e-09 of the "
                                 "largest; equals the right output times 0.5 (1/2)")
    few = dict.fromkeys("abcdef", 0.7)
    assert locate(0.7 * W, W, sizes=few).text.endswith("times 0.7 (a, b, c, d, e, f)")


@pytest.mark.parametrize("factor, sizes, names", [
    (0.5, {"leak": 0.0}, ("1/2",)), (6, {"steepness": 2.0, "B": 3}, ()),
    (12, {"T": 12, "K": 1}, ("T",)), (24, {"T": 12, "B": 2}, ("T B",)),
    (1000 * (1 + 1.9e-9), {"T": 1000}, ("T",)), (1000 * (1 + 2.4e-9), {"T": 1000}, ()),
    (5, {}, ()), (0.2, {}, ()), (0.75, {}, ("3/4",))])
def test_names_are_those_of_the_sizes(factor, sizes, names):
    assert locate(factor * W, W, sizes=sizes).names == names


def test_a_factor_of_one_is_none():
    for error in (1e-12, 9e-10):
        assert at(W)(W.T * (1 + error)).factor is None
    assert np.isclose(at(W)(W.T * (1 + 2e-9)).factor - 1, 2e-9, rtol=1e-3)


def test_a_factor_of_the_wrong_entries_alone():
    wrong = W.copy()
    wrong[1] *= 3
    place = at(W)(wrong)
    assert place.blocks == {"row": (1,)} and np.isclose(place.factor, 3)
    assert place.text.endswith("; the wrong entries equal the right ones times 3")
    wrong[1] = 0
    assert at(W)(wrong).text.endswith("row = 1; the wrong entries are 0")
    wrong[1] = W[1] * [3, 3, 3, 3.001]
    assert unexplained(at(W)(wrong))


def test_a_factor_must_hold_for_every_entry():
    for k in range(12):
        wrong = 2 * W
        wrong.flat[k] += 1e-7
        assert unexplained(at(W)(wrong))
    assert at(W, rtol=1e-4)(wrong).factor is not None


def test_few_or_equal_entries_have_no_factor():
    for right in (W[:1, :2], np.full((3, 4), 7.0), np.eye(3), W * [[1, 0, 0, 0]] * [
            [1], [1], [0]], np.array([[1.0, -1.0, 2.0]])):
        assert unexplained(at(right)(2 * right))
        assert unexplained(at(right)(0 * right))
    assert at(W[:1, :3])(2 * W[:1, :3]).factor == 2
    sparse = np.zeros((12, 3, 4))
    sparse[::2, 0, 0] = sparse[1, 1, 1] = 1         # seven spikes, then eight
    assert unexplained(at(sparse, SERIES)(2 * sparse))
    sparse[3, 1, 1] = 1
    assert at(sparse, SERIES)(2 * sparse).factor == 2
    small = np.array([[1.0, 1e-8, 2e-8, 3e-8]])     # all but one are within rounding
    assert unexplained(at(small)(2 * small))
    near = np.array([[1.0, 1.002, 0.998, 1.001]])   # distinct in float64, not float32
    for scale in (1e-3, 1.0, 1e3):
        right = scale * near
        assert np.isclose(at(right)(2 * right).factor, 2, rtol=1e-12)
        assert unexplained(at(right, rtol=1e-4)(2 * right))


# ---- changes of the axes

def shifted(a, k, fill=0.0):
    moved = np.roll(a, k, axis=0)
    moved[:k if k > 0 else None][k if k < 0 else 0:] = fill
    return moved


@pytest.mark.parametrize("found, right, axes, change", [
    (V.T, V, WEIGHTS, "transposed"), (W.T, W, WEIGHTS, "transposed"),
    (W.T.reshape(3, 4), W, WEIGHTS, "transposed, reshaped"),
    (W.ravel(), W, WEIGHTS, "flattened"), (W.reshape(2, 6), W, WEIGHTS, "reshaped"),
    (W.T.ravel(), W, WEIGHTS, "transposed, flattened"),
    (W[::-1], W, WEIGHTS, "reversed along row"),
    (W[:, ::-1], W, WEIGHTS, "reversed along column"),
    (X[::-1], X, SERIES, "time reversed"),
    (X[:, ::-1], X, SERIES, "reversed along sample"),
    (X.swapaxes(0, 1), X, SERIES, "batch before time"),
    (X[:3].swapaxes(0, 1), X[:3], SERIES, "batch before time"),
    (X.swapaxes(0, 1), X, (), "with its axes in the order (1, 0, 2)"),
    (X.T, X, SERIES, "with its axes reversed"),
    (X.swapaxes(1, 2), X, SERIES, "with its axes in the order (0, 2, 1)"),
    (shifted(X, 1), X, SERIES, "one step late"),
    (shifted(X, -1), X, SERIES, "one step early"),
    (shifted(X, 3), X, SERIES, "3 steps late"),
    (shifted(X, -2), X, SERIES, "2 steps early"),
    (np.roll(X, 1, 0), X, SERIES, "one step late, wrapped around"),
    (np.roll(X, -3, 0), X, SERIES, "3 steps early, wrapped around"),
    (shifted(X, 1, 7.0), X, SERIES, "one step late, apart from steps without "
     "counterpart"),
    (shifted(X, -2, 7.0), X, SERIES, "2 steps early, apart from steps without "
     "counterpart"),
    (shifted(SPIKES, 1), SPIKES, SERIES, "one step late")])
def test_changes_of_the_axes(found, right, axes, change):
    place = locate(found, right, axes=axes)
    assert (place.change, place.factor, place.dtypes) == (change, None, ())
    assert place.text.endswith(f"equals the right output {change}")
    if found.shape == right.shape:
        assert place.text == (
            f"{round(place.share * right.size)} of {right.size} entries "
            "differ by more than 1e-09 of the largest; equals the right output "
            f"{change}")
    else:
        assert place.share == 1 and place.text.startswith(f"is of shape {found.shape}:")
    twice = locate(found / -2, right, axes=axes, sizes=SIZES)
    assert twice.change == change and twice.names == ("-1/2",)
    assert np.isclose(twice.factor, -0.5)
    assert twice.text.endswith(f"equals the right output {change} times -0.5 (-1/2)")
    for k in range(found.size):                     # one entry contradicts it
        wrong = found.copy()
        wrong.flat[k] += 1e-3
        worse = locate(wrong, right, axes=axes)
        assert unexplained(worse) or "without counterpart" in worse.change


def test_axes_of_four_dimensions_and_more():
    right = RNG.normal(size=(2, 3, 4, 5))
    place = locate(right.transpose(0, 2, 1, 3), right)
    assert place.change == "with its axes in the order (0, 2, 1, 3)"
    assert place.text == ("is of shape (2, 4, 3, 5): must be (2, 3, 4, 5); equals the "
                          "right output with its axes in the order (0, 2, 1, 3)")
    more = right[None]
    assert unexplained(locate(more.T, more))


def test_other_shapes():
    for found in (W[:2], W[:, :, None] * [1, 2], W[:0], np.zeros(5)):
        place = at(W)(found)
        assert unexplained(place) and place.share == 1
        assert place.text == f"is of shape {found.shape}: must be (3, 4)"
    assert unexplained(locate(np.full((4, 3), 2.0), np.full((3, 4), 2.0)))


def test_large_shifts_and_short_series_are_not_searched():
    assert unexplained(at(X, SERIES)(shifted(X, 4)))
    assert at(X[:4], SERIES)(shifted(X[:4], 1)).change == "one step late"
    assert unexplained(at(X[:3], SERIES)(shifted(X[:3], 1)))
    assert unexplained(at(X, ())(shifted(X, 1)))


# ---- rounding

def bfloat16(a):
    """Round to 8 bits by the bits of float32: to nearest, ties to even."""
    bits = np.asarray(a, np.float32).view(np.uint32)
    up = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return up.astype(np.uint32).view(np.float32).astype(float)


ROUND = {"bfloat16": bfloat16, "float16": lambda a: a.astype(np.float16).astype(float),
         "float32": lambda a: a.astype(np.float32).astype(float)}


@pytest.mark.parametrize("dtype", ROUND)
def test_rounding_is_that_of_the_dtype(dtype):
    values = RNG.normal(size=2000) * 10.0 ** RNG.integers(-6, 3, 2000)
    values = values.astype(np.float32).astype(float) if dtype == "bfloat16" else values
    assert (module._rounded(values, dtype) == ROUND[dtype](values)).all()
    assert (module._rounded(np.zeros(3), dtype) == 0).all()


@pytest.mark.parametrize("dtype", ROUND)
def test_rounded_arrays_are_recognised(dtype):
    for right, axes in ((W, WEIGHTS), (X, SERIES), (X[0, :1, :3] * 1e-3, WEIGHTS)):
        place = locate(ROUND[dtype](right), right, axes=axes)
        assert place.dtypes == (dtype,) and place.factor is None
        assert place.text.endswith(f"; the error has the size of rounding to {dtype}")
        sums = locate(ROUND[dtype](right + ROUND[dtype](right) - right[::-1] * 0.001
                                   * (right - ROUND[dtype](right))), right, axes=axes)
        assert dtype in sums.dtypes or sums.dtypes == ()


def test_rounding_may_be_excluded():
    place = locate(ROUND["float16"](W), W, axes=WEIGHTS, rounding=False)
    assert place.dtypes == () and "; most at (" in place.text


@pytest.mark.parametrize("dtype", ROUND)
def test_results_of_rounded_weights_are_recognised_by_size(dtype):
    x = RNG.normal(size=(20, 3, 4))
    place = locate(x @ ROUND[dtype](W).T, x @ W.T, axes=SERIES)
    assert dtype in place.dtypes and ("float32" in place.dtypes) == (dtype == "float32")
    assert place.text.endswith(f"rounding to {' or '.join(place.dtypes)}")


@pytest.mark.parametrize("dtype, unit", [("bfloat16", 2 ** -8), ("float16", 2 ** -11),
                                         ("float32", 2 ** -24)])
def test_errors_of_another_size_are_no_rounding(dtype, unit):
    top = np.abs(X).max()
    noise = RNG.uniform(-1, 1, X.shape) * top
    assert dtype in at(X, SERIES)(X + unit * noise).dtypes
    for size in (unit / 100, unit * 200):
        assert dtype not in at(X, SERIES)(X + size * noise).dtypes
    spoiled = X + unit * noise                      # one entry is far off
    spoiled[3, 1, 2] += 100 * unit * top
    assert dtype not in at(X, SERIES)(spoiled).dtypes


def test_rounding_needs_eight_errors_or_three_rounded_numbers():
    right = X.ravel()[:8]
    noise = 2 ** -12 * np.array([1, -1, 1, -1, -1, 1, -1, 1])
    assert locate(right + noise, right).dtypes
    assert not locate(right[:7] + noise[:7], right[:7]).dtypes
    assert not locate(right + noise * (np.arange(8) < 7), right).dtypes
    for size in (2, 3):
        assert bool(locate(ROUND["float16"](right[:size]), right[:size]).dtypes) == (
            size > 2)
    zeros = np.zeros(40)
    rounded = ROUND["float16"](np.append(right, zeros))
    assert locate(rounded, np.append(right, zeros)).dtypes == ("float16",)


def test_systematic_errors_are_no_rounding():
    for unit in (2 ** -9, 2 ** -12, 2 ** -25):
        for error in (np.abs(X), np.ones_like(X), X * (1 + 0.1 * RNG.random(X.shape)),
                      X * (np.arange(12) < 1)[:, None, None] * (X > 0)):
            assert at(X, SERIES)(X + unit * error).dtypes == ()


def test_few_or_simple_numbers_are_no_rounding():
    for right, found in ((0.51, 0.5), (16.01, 16.0), ([0.51, 0.26], [0.5, 0.25]),
                         ([0.51, 0.26, 1.01, 2.02], [0.5, 0.25, 1.0, 2.0])):
        assert locate(found, right).dtypes == ()
    assert at(SPIKES, SERIES)(1 - SPIKES).dtypes == ()
    exact = np.round(16 * X) / 16                   # not changed by any rounding
    assert at(exact, SERIES)(exact + 2 ** -12 * RNG.choice([-1, 1], X.shape)
                             ).dtypes == ()


# ---- negative controls

@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_explanation(seed):
    rng = np.random.default_rng(seed)
    for right, axes in ((W, WEIGHTS), (V, WEIGHTS), (X, SERIES), (W[0], ("entry",))):
        for rtol in (1e-9, 1e-4):
            for found in (rng.normal(size=right.shape), right + rng.normal(
                    size=right.shape), right * (1 + rng.normal(size=right.shape) / 9)):
                assert unexplained(locate(found, right, axes=axes, rtol=rtol))
    flipped = SPIKES.copy()
    flipped.flat[rng.integers(0, SPIKES.size, 5)] = 0.5
    assert unexplained(locate(flipped, SPIKES, axes=SERIES, rtol=0))


def test_examples():
    failed, tried = doctest.testmod(module)
    assert failed == 0 < tried


def test_one_name_for_two_axes_is_refused():
    with pytest.raises(ValueError, match="^axes is"):
        locate(np.ones((2, 2)), np.eye(2), axes=("row",))
