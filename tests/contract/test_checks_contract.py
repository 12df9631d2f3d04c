"""What the functions of `refsnn.checks` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import checks

GRADIENT = "theta (n) float, gradient (n) float"
OPTIONS = "rtol () in (0, 1), step () in (0, inf), margin? () in [-inf, inf]"
DIRECTION = "theta (n) float, direction (n) float"


def square(w):
    return np.sum(np.square(w))


def correct(module, rng, dtype, sizes):
    """Return a function, and its gradient at a point; only float64 is accepted."""
    theta = rng.uniform(0.5, 1, sizes["n"])
    return {"f": square, "theta": theta, "gradient": 2 * theta}


def along(module, rng, dtype, sizes):
    return correct(module, rng, dtype, sizes) | {
        "direction": rng.uniform(0.5, 1, sizes["n"])}


def analytic(module, rng, dtype, sizes):
    given = along(module, rng, dtype, sizes)
    del given["gradient"]
    return given


def recorded(module, rng, dtype, sizes):
    return {"surrogate": lambda v: (v, np.ones_like(v)),
            "mem": rng.uniform(size=[sizes[a] for a in "TBn"])}


FUNCTIONS = [
    contract(checks.directional, f"{GRADIENT}, rng generator, {OPTIONS}, "
             "directions () int in [1, inf)", given=correct),
    contract(checks.gradient, f"{GRADIENT}, {OPTIONS}", given=correct),
    contract(checks.anchored, "mem (T*, B*, n*) float, threshold (n*?)",
             given=recorded),
    contract(checks.complex_step, f"{DIRECTION}, step () in (0, inf)", given=analytic),
    contract(checks.taylor_slope, f"{GRADIENT}, direction (n) float, "
             "start () in (0, inf), halvings () int in [3, inf)", given=along),
    contract(checks.adjoint_gap, "rng generator", given={
        "jvp": lambda a: 2 * a, "vjp": lambda b: 2 * b, "shape_in": (2, 3),
        "shape_out": (2, 3)}),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


ONE, TWO, RNG = np.ones(1), np.ones(2), np.random.default_rng(0)
MEM = np.ones((1, 1, 2))


def zero(w):
    return 0.0


def same(a):
    return a


@pytest.mark.parametrize("call, match", [
    (lambda: checks.directional(zero, [], [], RNG), "theta has 0 arrays: must have 1"),
    (lambda: checks.gradient(zero, [], []), "theta has 0 arrays: must ha"),
    (lambda: checks.gradient(zero, [TWO], [TWO, TWO]), "gradient has 2 arrays: must "),
    (lambda: checks.gradient(zero, [TWO], None), "gradient is None: must be one of"),
    (lambda: checks.gradient(zero, TWO, TWO, names=["a", "b"]),
     "names has 2 entries, theta has 1: must be equal"),
    (lambda: checks.gradient(zero, TWO, TWO, names=[]), "names has 0 entries"),
    (lambda: checks.directional(zero, TWO, TWO, RNG, names="W"), "names is 'W'"),
    (lambda: checks.directional(None, TWO, TWO, RNG), "f is None: must be Callable"),
    (lambda: checks.gradient("f", TWO, TWO), "f is 'f': must be Callable"),
    (lambda: checks.taylor_slope(3, TWO, TWO, TWO), "f is 3: must be Callable"),
    (lambda: checks.complex_step(None, TWO, TWO), "f is None: must be Callable"),
    (lambda: checks.gradient(same, TWO, TWO), r"f\(theta\) has shape \(2,\): "),
    (lambda: checks.gradient(lambda w: np.nan, TWO, TWO), r"f\(theta\) is nan"),
    (lambda: checks.gradient(lambda w: None, TWO, TWO), r"f\(theta\) is None"),
    (lambda: checks.gradient(lambda w: 1j, TWO, TWO), r"f\(theta\) is 1j"),
    (lambda: checks.taylor_slope(zero, TWO, TWO, ONE),
     r"direction\[0\] has shape \(1,\): must be \(2,\), as theta\[0\]"),
    (lambda: checks.taylor_slope(zero, TWO, TWO, 0 * TWO), "direction is zero"),
    (lambda: checks.complex_step(np.abs, TWO, TWO), r"f returned float64 of sh"),
    (lambda: checks.complex_step(same, TWO, TWO), r"f returned complex128 of"),
    (lambda: checks.anchored(3, MEM), "surrogate is 3: must be Callable"),
    (lambda: checks.anchored(same, MEM), "surrogate returned a ndarray: must ret"),
    (lambda: checks.frozen(None, TWO), "run is None: must be Callable"),
    (lambda: checks.frozen(zero), "recording is empty"),
    (lambda: checks.frozen(zero, TWO, None), r"recording\[1\] is None"),
    (lambda: checks.frozen(zero, np.ma.masked_array(TWO, TWO > 0)),
     r"recording\[0\] is a masked array"),
    (lambda: checks.frozen(zero, TWO * np.nan), r"recording\[0\] is nan at"),
    (lambda: checks.adjoint_gap(None, same, (2,), (2,), RNG), "jvp is None"),
    (lambda: checks.adjoint_gap(same, None, (2,), (2,), RNG), "vjp is None"),
    (lambda: checks.adjoint_gap(same, same, 2, (2,), RNG), "shape_in is 2: must"),
    (lambda: checks.adjoint_gap(same, same, (2.0,), (2,), RNG), r"shape_in\[0\] is"),
    (lambda: checks.adjoint_gap(same, same, (2,), (0,), RNG), r"shape_out\[0\] is 0"),
    (lambda: checks.adjoint_gap(same, same, (0,), (2,), RNG), r"shape_in\[0\] is 0"),
    (lambda: checks.adjoint_gap(same, same, (2,), (2.0,), RNG), r"shape_out\[0\] is"),
    (lambda: checks.adjoint_gap(same, same, (2,), (3,), RNG), r"jvp\(a\) has 2 "),
    (lambda: checks.adjoint_gap(lambda a: a * np.nan, same, (2,), (2,), RNG),
     r"jvp\(a\) is nan at"),
    (lambda: checks.adjoint_gap(same, lambda b: b * np.inf, (2,), (2,), RNG),
     r"vjp\(b\) is (-)?inf at"),
    (lambda: checks.adjoint_gap(lambda a: 0 * a, same, (2,), (2,), RNG),
     "jvp returned zeros")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=f"^{match}"):
        call()


@pytest.mark.parametrize("tool", [
    lambda t, g: checks.directional(square, t, g, RNG),
    lambda t, g: checks.gradient(square, t, g),
    lambda t, g: checks.complex_step(square, g, t),
    lambda t, g: checks.taylor_slope(square, t, g, g)])
def test_float32_is_refused(tool):
    for t, g in ((TWO.astype(np.float32), TWO), (TWO, TWO.astype(np.float32))):
        with pytest.raises(ValueError, match="float32.*: must be float64, because"):
            tool(t, g)
    with pytest.raises(ValueError, match="^mem is float32: must be float64"):
        checks.anchored(same, MEM.astype(np.float32))


def test_shapes_may_have_one_entry():
    assert checks.adjoint_gap(same, same, (1,), (1,), RNG) < 1e-14


@pytest.mark.parametrize("t, u", [
    (0, ONE), (0, np.ones((1, 1))), (0, np.ones((2, 2))), (0, MEM), (0, 1.0),
    (1, np.ones((1, 2))), (-1, np.ones((1, 2)))])
def test_a_spike_function_fits_its_recording(t, u):
    spike = checks.anchored(lambda v: (v, v), MEM)
    assert spike(0, np.ones((1, 2))).shape == (1, 2)
    with pytest.raises(ValueError, match="^u has shape .* at step .*, mem has shape "
                       r"\(1, 1, 2\): must be \(1, 2\), at a step from 0 to 0$"):
        spike(t, u)
