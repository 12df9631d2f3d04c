"""Test that primitive and derivative of each surrogate agree everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from scipy.special import erf
from strategies import SEEDS
from tolerances import RTOL, RTOL_FD

from refsnn import checks, surrogates
from refsnn.surrogates import SURROGATES

NAMES = st.sampled_from(sorted(SURROGATES))
EVERY = pytest.mark.parametrize("name", sorted(SURROGATES))
STEEPNESS = st.floats(0.1, 100.0)
KINK_AT_0 = ("fast_sigmoid", "triangle", "slayer")
KINK_AT_EDGE = ("triangle", "boxcar")


def closed_form(name, v, k):
    """Return the primitive for v > 0 in another form, also for complex v."""
    inside = (k * v).real < 1
    return {
        "fast_sigmoid": lambda: 1 / k - 1 / (k * (1 + k * v)),
        "sigmoid": lambda: 4 / k * (1 / (1 + np.exp(-k * v)) - 0.5),
        "triangle": lambda: np.where(inside, v - k * v * v / 2, 0.5 / k),
        "gaussian": lambda: np.sqrt(np.pi / 2) / k * erf(k * v / np.sqrt(2)),
        "arctan": lambda: np.log((1 + 1j * k * v) / (1 - 1j * k * v)) / (2j * k),
        "slayer": lambda: (1 - np.exp(-k * v)) / k,
        "boxcar": lambda: np.where(inside, v, 1 / k),
    }[name]()


# f(infinity) times k
RISE = {"fast_sigmoid": 1, "sigmoid": 2, "triangle": 0.5,
        "gaussian": np.sqrt(np.pi / 2), "arctan": np.pi / 2, "slayer": 1, "boxcar": 1}


def drawn(seed, k):
    """Draw v on both sides of all kinks, some of it beyond the support."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], 40) * rng.uniform(0.05, 2.5, 40) / k


@proves("surrogates", 1, 2, 3, 4, 5, 6, 7)
@given(NAMES, STEEPNESS, SEEDS)
def test_values_are_the_closed_forms(name, k, seed):
    v = np.abs(drawn(seed, k))
    value, _ = SURROGATES[name](v, k)
    assert np.ptp(value) > 0
    np.testing.assert_allclose(value, np.real(closed_form(name, v, k)), rtol=RTOL)


@proves("surrogates", 1, 2, 3, 4, 5, 6, 7)
@given(NAMES, STEEPNESS, SEEDS)
def test_derivatives_are_complex_steps_of_the_closed_forms(name, k, seed):
    v = np.abs(drawn(seed, k))
    derivative = SURROGATES[name](v, k)[1]
    if name == "arctan":        # its closed form contains the imaginary unit
        expected = 1 / (1 + (k * v) ** 2)
    else:
        step = 1e-30 / k
        expected = np.imag(closed_form(name, v + 1j * step, k)) / step
    assert derivative.max() > 0
    np.testing.assert_allclose(derivative, expected, rtol=RTOL)


@proves("surrogates", 1, 2, 3, 4, 5, 6, 7)
@given(NAMES, STEEPNESS, SEEDS)
def test_derivatives_are_finite_differences_of_the_values(name, k, seed):
    v = drawn(seed, k)
    margin = np.abs(np.abs(k * v) - 1).min()
    if margin < 1e-3:
        v = v[np.abs(np.abs(k * v) - 1) >= 1e-3]
    assert len(v) > 20 and np.abs(k * v).min() >= 0.04
    weights = np.random.default_rng(seed).uniform(0.5, 2, v.shape)

    def loss(u):            # u in units of 1/k: one step size fits every k
        return float(np.sum(weights * SURROGATES[name](u / k, k)[0]) * k)

    gradient = weights * SURROGATES[name](v, k)[1]
    checks.directional(loss, k * v, gradient, np.random.default_rng(seed),
                       rtol=RTOL_FD, margin=margin)
    checks.gradient(loss, k * v, gradient, rtol=RTOL_FD, margin=margin)
    with pytest.raises(AssertionError, match="off by"):
        checks.gradient(loss, k * v, 1.001 * gradient, rtol=RTOL_FD)


@given(NAMES, STEEPNESS, SEEDS)
def test_bumps_are_even_of_peak_one_and_fall(name, k, seed):
    f, v = SURROGATES[name], drawn(seed, k)
    value, derivative = f(v, k)
    mirrored = f(-v, k)
    np.testing.assert_array_equal(mirrored[0], -value)
    np.testing.assert_array_equal(mirrored[1], derivative)
    at_zero = f(np.zeros(1), k)
    assert at_zero[0][0] == 0 and at_zero[1][0] == 1
    falling = f(np.sort(np.abs(v)), k)[1]
    assert (np.diff(falling) <= 0).all() and falling.min() >= 0 and falling.max() <= 1
    assert falling[-1] < falling[0]


@given(NAMES, STEEPNESS, SEEDS)
def test_steps_are_bounded(name, k, seed):
    v = drawn(seed, k)
    value = SURROGATES[name](v, k)[0]
    assert (np.abs(value) <= np.abs(v) * (1 + RTOL)).all()
    assert (np.abs(value) <= RISE[name] / k * (1 + RTOL)).all()
    far = SURROGATES[name](np.array([1e13, -1e13]), k)[0]
    np.testing.assert_allclose(far, [RISE[name] / k, -RISE[name] / k], rtol=RTOL)


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_stay_finite_and_within_bounds(name, dtype):
    info = np.finfo(dtype)
    v = np.array([0, info.tiny, 1e-20, 1, 1e20, info.max], dtype)
    v = np.concatenate([v, -v])
    for k in (float(info.tiny), 1e-10, 1.0, 1e10, float(info.max)):
        value, derivative = SURROGATES[name](v, k)
        assert value.dtype == derivative.dtype == dtype
        assert np.isfinite(value).all() and np.isfinite(derivative).all()
        slack = 4 * info.smallest_subnormal / dtype(k)      # k |v| may underflow
        assert (np.abs(value) * (1 - 8 * info.eps) - slack <= np.abs(v)).all()
        assert (0 <= derivative).all() and (derivative <= 1 + 4 * info.eps).all()
        if k > 1:
            np.testing.assert_allclose(value[5], RISE[name] / k, rtol=8 * info.eps)
            assert derivative[5] <= info.eps


@EVERY
def test_what_happens_at_the_kinks(name):
    tiny, k = 1e-9, 4.0
    f = SURROGATES[name]
    if name in KINK_AT_0:       # one-sided slopes of f' differ in sign
        fall = (1 - f(np.array([-tiny, tiny]), k)[1]) / tiny
        assert (fall > 0.5 * k).all()
    else:
        assert (1 - f(np.array([-tiny, tiny]), k)[1] <= tiny).all()
    edge = f(np.array([-1 / k, 1 / k]), k)[1].tolist()
    if name in KINK_AT_EDGE:
        assert edge == [0.0, 0.0]
        assert f(np.array([0.5, -7.0]), k)[1].tolist() == [0.0, 0.0]
    else:
        assert min(edge) > 0 and (f(np.array([2 / k, -2 / k]), k)[1] > 0).all()
    assert name != "boxcar" or f(np.array([0.2499]), k)[1].tolist() == [1.0]


@proves("surrogates", 1, 2, 3, 4, 5, 6, 7)
def test_values_by_hand():
    v, k = np.array([-0.5, 0.25]), 2.0
    for name, value, derivative in (
            ("fast_sigmoid", [-0.25, 1 / 6], [0.25, 4 / 9]),
            ("sigmoid", [-np.tanh(0.5), np.tanh(0.25)],
             [np.cosh(0.5) ** -2, np.cosh(0.25) ** -2]),
            ("triangle", [-0.25, 0.1875], [0, 0.5]),
            ("gaussian", None, [np.exp(-0.5), np.exp(-0.125)]),
            ("arctan", [-np.pi / 8, np.arctan(0.5) / 2], [0.5, 0.8]),
            ("slayer", [(np.exp(-1) - 1) / 2, (1 - np.exp(-0.5)) / 2],
             [np.exp(-1), np.exp(-0.5)]),
            ("boxcar", [-0.5, 0.25], [0, 1])):
        got = SURROGATES[name](v, k)
        np.testing.assert_allclose(got[1], derivative, rtol=RTOL)
        if value is not None:
            np.testing.assert_allclose(got[0], value, rtol=RTOL)


@EVERY
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 0, 3), (4, 2, 3)])
def test_any_shape_and_float32(name, shape):
    v = np.random.default_rng(3).normal(size=shape)
    double = SURROGATES[name](v, 3)
    single = SURROGATES[name](v.astype(np.float32), 3)
    for a, b in zip(double, single, strict=True):
        assert a.shape == b.shape == shape
        assert a.dtype == np.float64 and b.dtype == np.float32
        scale = np.abs(a).max(initial=0.1)
        np.testing.assert_allclose(b, a, rtol=32 * np.finfo(np.float32).eps,
                                   atol=8 * np.finfo(np.float32).eps * scale)


@EVERY
def test_inputs_stay_as_they_are(name):
    v = np.linspace(-1, 1, 7)
    v.setflags(write=False)
    value, derivative = SURROGATES[name](v, 2.0)
    value += 1
    derivative += 1
    assert v.tolist() == np.linspace(-1, 1, 7).tolist()


def test_table_is_complete():
    assert set(SURROGATES) | {"SURROGATES"} == set(surrogates.__all__)
    for name, f in SURROGATES.items():
        assert f is getattr(surrogates, name) and f.__name__ == name
