"""The proof tools accept right gradients and reject nearly right ones."""

import numpy as np
import proofs
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL

from refsnn import checks, lif


def cubic(w):
    return float(np.sum(w ** 3) + np.sum(w) ** 2)


def cubic_gradient(w):
    return 3 * w ** 2 + 2 * np.sum(w)


@proves("checks", 1, 2, 4)
@given(strategies.SEEDS, st.integers(1, 6))
def test_right_gradients_pass_and_a_tenth_of_a_per_cent_is_rejected(seed, size):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.5, 2, size)
    g = cubic_gradient(w)
    checks.directional(cubic, w, g, rng)
    checks.gradient(cubic, w, g)
    assert checks.taylor_slope(cubic, w, g, rng.normal(size=size)) > 1.9
    wrong = g.copy()
    wrong[rng.integers(size)] *= 1.001
    with pytest.raises(AssertionError, match="gradient says"):
        checks.gradient(cubic, w, wrong)
    with pytest.raises(AssertionError, match="gradient says"):
        checks.directional(cubic, w, 1.001 * g, rng)
    assert checks.taylor_slope(cubic, w, 1.1 * g, np.ones(size)) < 1.5


def test_failure_names_parameter_index_values_sides_and_margin():
    theta = [np.ones(2), np.array([[1.0, 2.0]])]
    grad = [np.full(2, 3.0), np.array([[1.0, 2.5]])]

    def f(p):
        return float(3 * p[0].sum() + 0.5 * np.sum(p[1] ** 2))

    with pytest.raises(AssertionError) as error:
        checks.gradient(f, theta, grad, names=["W", "V"], margin=0.125)
    text = str(error.value)
    assert text.startswith("V[0, 1]: gradient says 2.5, finite difference says 2.0") \
        or text.startswith("V[0, 1]: gradient says 2.5, finite difference says 1.99")
    assert "nearest threshold at a distance of 0.125" in text
    with pytest.raises(AssertionError, match="V, direction 0: .*0.125"):
        checks.directional(f, theta, grad, np.random.default_rng(0), names=["W", "V"],
                           margin=0.125)


def test_a_run_with_a_hard_threshold_is_recognised():
    with pytest.raises(AssertionError, match="see `anchored`"):
        checks.gradient(lambda w: float(w[0] > 0), np.ones(1), np.ones(1))


def test_zeros_never_pass():
    zero = np.zeros(3)
    for f in (lambda w: 0.0, lambda w: 7.0):
        with pytest.raises(AssertionError, match="comparison is inconclusive"):
            checks.directional(f, zero, zero, np.random.default_rng(0))
        with pytest.raises(AssertionError, match="comparison is inconclusive"):
            checks.gradient(f, zero, zero)
    with pytest.raises(ValueError, match=r"^theta\[0\] has shape \(0,\): must not be"):
        checks.gradient(f, zero[:0], zero[:0])


def test_a_difference_below_rounding_is_refused_not_passed():
    with pytest.raises(AssertionError, match="rounding noise"):
        checks.directional(lambda w: 1e9 + 1e-9 * float(w[0]), np.ones(1),
                           np.full(1, 1e-9), np.random.default_rng(0))


def test_small_entries_are_judged_too():
    """An entry of 1e-2, wrong by a tenth, would pass an absolute tolerance of 1e-2."""
    def f(w):
        return float(w[0] + 1e-2 * w[1])

    with pytest.raises(AssertionError, match=r"theta\[0\]\[1\]"):
        checks.gradient(f, np.zeros(2), np.array([1.0, 1.1e-2]))


def test_a_thousandth_of_the_largest_entry_is_the_scale_of_small_ones():
    def f(w):
        return float(w[0] + 1e-4 * w[1])

    checks.gradient(f, np.zeros(2), np.array([1.0, 1e-4]))
    with pytest.raises(AssertionError, match=r"theta\[0\]\[1\]"):
        checks.gradient(f, np.zeros(2), np.array([1.0, 1.001e-4]))


@proves("checks", 1, 2)
def test_extrapolation_leaves_no_error_of_a_cubic():
    """The error of a cubic is of second order only, and (2) cancels it."""
    w = np.array([1.0, 1.5])
    checks.gradient(cubic, w, cubic_gradient(w), step=0.25)
    checks.directional(cubic, w, cubic_gradient(w), np.random.default_rng(0), step=0.25)


def test_rounding_noise_is_four_eps_f_over_h_and_is_allowed():
    """Noise of 1.8e-4 of the value is accepted, larger noise is not."""
    def f(w, slope=5e-7):
        return 1.0 + slope * float(w[0])

    for w in np.linspace(0, 1, 30).reshape(-1, 1):
        checks.gradient(f, w, np.full(1, 5e-7))
        with pytest.raises(AssertionError, match="gradient says"):
            checks.gradient(f, w, np.full(1, 1.001 * 5e-7))
    noise = 4 * np.finfo(float).eps / 1e-5
    with pytest.raises(AssertionError, match=f"rounding noise {noise:.3g}, "):
        checks.gradient(lambda w: f(w, 4e-7), np.zeros(1), np.full(1, 4e-7))


def test_slope_of_how_many_points_and_which():
    at = []

    def f(w):
        at.append(float(w[0]))
        return float(w[0] ** 2)

    slope = checks.taylor_slope(f, np.ones(1), np.full(1, 2.0), np.ones(1), start=0.5,
                                halvings=3)
    assert at == [1.0, 1.5, 1.25, 1.125] and abs(slope - 2) < 1e-9
    at.clear()
    checks.taylor_slope(f, np.zeros(1), np.zeros(1), np.ones(1))
    assert at == [0.0] + [1e-2 / 2 ** k for k in range(8)]
    with pytest.raises(AssertionError, match="comparison is inconclusive"):
        checks.taylor_slope(lambda w: 7.0, np.ones(1), np.zeros(1), np.ones(1))


def test_adjoint_gap_does_not_depend_on_scale():
    M = np.array([[1.0, 2.0], [3.0, 5.0]])
    gaps = [checks.adjoint_gap(lambda a, s=s: s * M @ a,
                               lambda b, s=s: 1.1 * s * M.T @ b, (2,), (2,),
                               np.random.default_rng(1)) for s in (1e-6, 1.0, 1e6)]
    assert gaps[0] > 1e-3
    np.testing.assert_allclose(gaps, gaps[1], rtol=RTOL)
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal(2), rng.standard_normal(2)
    cosine = (M @ a) @ b / np.sqrt((M @ a) @ (M @ a) * (b @ b))
    assert abs(gaps[1] / abs(0.1 * cosine) - 1) < RTOL


def test_lists_of_numbers_are_gradients():
    theta, gradient = np.ones(2), [3.0, 3.0]
    checks.gradient(lambda w: float((w ** 3).sum()), theta, gradient)
    assert checks.taylor_slope(lambda w: float((w ** 3).sum()), theta, gradient,
                               [1.0, 0.5]) > 1.9


def test_slope_of_a_linear_map_is_infinite():
    w = np.ones(3)
    assert checks.taylor_slope(lambda v: float(v @ w), w, w, w) == np.inf
    assert checks.taylor_slope(lambda v: float(v @ w), w, 1.01 * w, w) < 1.1


def test_complex_step_sees_what_differences_lose():
    w = np.array([0.5, 1.5])
    d = np.array([1.0, 2.0])
    exact = float(np.sum(np.cos(w) * d))
    assert abs(checks.complex_step(lambda v: np.sum(np.sin(v)), w, d) / exact - 1) \
        < 1e-15
    with pytest.raises(ValueError, match="complex number"):
        checks.complex_step(lambda v: np.sum(np.abs(v)), w, d)


@proves("checks", 3)
@given(strategies.live_lif(), strategies.surrogates())
def test_the_anchored_run_is_the_hard_one_to_the_last_bit(net, chosen):
    rec = net.recording
    run = proofs.anchored_run(net, proofs.surrogate(*chosen))
    again = run(net.W, net.V, net.x)
    assert all((a == b).all() for a, b in zip(rec, again, strict=True))
    assert rec.spikes.any()
    smooth = proofs.anchored_run(net, proofs.surrogate("fast_sigmoid", 2.0))
    moved = smooth(net.W * 1.0001, net.V, net.x)
    assert (moved.spikes != rec.spikes).any()       # and yet it can be differentiated


def test_anchored_does_not_follow_its_argument():
    mem = np.full((1, 1, 1), 1.5)
    spike = checks.anchored(lambda v: (v, v), mem, 1.0)
    mem[:] = 0
    assert spike(0, np.array([[1.5]])) == 1.0
    for function in (lambda v: v, lambda v: (v[0], v), lambda v: (v, v, v)):
        with pytest.raises(ValueError, match="surrogate returned .*return a pair"):
            checks.anchored(function, np.ones((2, 3, 1)), 1.0)


def test_anchored_threshold_is_one_by_default():
    mem = np.array([0.9, 1.0, 1.1]).reshape(3, 1, 1)
    spike = checks.anchored(lambda v: (v, v), mem)
    assert [float(spike(t, mem[t])[0, 0]) for t in range(3)] == [0.0, 0.0, 1.0]


def test_frozen_arguments_cannot_move():
    def run(theta, spikes):
        spikes[0] = theta
        return float(spikes.sum())

    with pytest.raises(ValueError, match="read-only"):
        checks.frozen(run, np.zeros(2))(1.0)


@given(strategies.live_lif(recurrent=False, refractory=0))
def test_frozen_reset_is_the_gradient_without_the_reset_s_path(net):
    """Check through_reset=False with `frozen` and the recorded reset spikes."""
    rec, function = net.recording, proofs.surrogate("arctan", 3.0)
    psi = function(rec.mem - net.model["threshold"])[1]
    a = net.rng.normal(size=rec.mem.shape)
    spike = checks.anchored(function, rec.mem, net.model["threshold"])
    loss = checks.frozen(lambda W, s: float(np.sum(a * lif.simulate(
        net.x, W, spike=spike, reset_spikes=s, **net.model).spikes)), rec.spikes)
    dW = lif.backward(net.x, net.W, None, rec, psi, a, **net.model,
                      through_reset=False).dW
    checks.directional(loss, net.W, dW, net.rng)


def test_adjoint_gap():
    rng = np.random.default_rng(3)
    M = rng.normal(size=(3, 4))
    assert checks.adjoint_gap(lambda a: M @ a, lambda b: M.T @ b, (4,), (3,), rng) \
        < 1e-14
    assert checks.adjoint_gap(lambda a: M @ a, lambda b: 1.001 * M.T @ b, (4,), (3,),
                              rng) > 1e-5


def test_recordings_stay_writeable_and_the_anchor_fixed():
    a = np.ones(3)
    checks.frozen(lambda theta, b: b, a)
    assert a.flags.writeable
    mem, threshold = np.full((1, 1, 2), 2.0), np.ones(2)
    spike = checks.anchored(lambda v: (1 * v, np.ones_like(v)), mem, threshold)
    before = spike(0, mem[0])
    threshold[:] = 5.0
    assert (spike(0, mem[0]) == before).all()


def test_directions_lean_towards_the_gradient():
    """Otherwise, the terms of the derivative could cancel."""
    seen = []

    def f(theta):
        seen.append(theta.sum() - 100)
        return float(theta.sum())

    checks.directional(f, np.ones(100), np.ones(100), np.random.default_rng(0),
                       directions=20)
    assert all(gain > 0 for gain in seen[::2])
