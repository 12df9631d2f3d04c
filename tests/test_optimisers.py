"""Test optimisers: hand-computed steps, bounds, buffers, bad input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from proofs import proves
from tolerances import RTOL

from refsnn import optimisers
from refsnn.optimisers import State, adam, adamax, rmaxprop, rmsprop, sgd

ALL = {"sgd": sgd, "adam": adam, "adamax": adamax, "rmsprop": rmsprop,
       "rmaxprop": rmaxprop}
EACH = pytest.mark.parametrize("optimiser", ALL.values(), ids=ALL)
SEEDS = st.integers(0, 2 ** 32 - 1)
DECAYS = st.floats(0.0, 0.999)


def run(optimiser, gradients, **options):
    """Return the updates of a sequence of gradients as one array."""
    state, updates = None, []
    for g in gradients:
        state, update = optimiser(state, g, **options)
        updates.append(update)
    return np.array(updates)


def draw(seed, steps, shape=(2, 3), dtype=np.float64, spread=3.0):
    """Draw gradients over many orders of magnitude, none of them zero."""
    rng = np.random.default_rng(seed)
    size = np.exp(spread * rng.standard_normal((steps, *shape)))
    return (size * rng.choice([-1, 1], size.shape)).astype(dtype)


# Loops over single numbers share no code with the module.

def sgd_loop(gs, rate, momentum):
    out = []
    for t in range(len(gs)):
        past = math.fsum(momentum ** (t - s) * gs[s] for s in range(t + 1))
        out.append(-rate * past)
    return out


def adam_loop(gs, rate, beta1, beta2, eps):
    out = []
    for t in range(1, len(gs) + 1):
        first = [(1 - beta1) * beta1 ** (t - s) for s in range(1, t + 1)]
        second = [(1 - beta2) * beta2 ** (t - s) for s in range(1, t + 1)]
        m = math.fsum(w * g for w, g in zip(first, gs, strict=False)) / math.fsum(first)
        v = math.fsum(w * g * g for w, g in zip(second, gs, strict=False)) \
            / math.fsum(second)
        out.append(-rate * m / (math.sqrt(v) + eps))
    return out


def adamax_loop(gs, rate, beta1, beta2, eps):
    out = []
    for t in range(1, len(gs) + 1):
        first = [(1 - beta1) * beta1 ** (t - s) for s in range(1, t + 1)]
        m = math.fsum(w * g for w, g in zip(first, gs, strict=False)) / math.fsum(first)
        v = max(beta2 ** (t - s) * (abs(gs[s - 1]) + eps) for s in range(1, t + 1))
        out.append(-rate * m / v)
    return out


def rmsprop_loop(gs, rate, decay, eps):
    out = []
    for t in range(1, len(gs) + 1):
        v = math.fsum((1 - decay) * decay ** (t - s) * gs[s - 1] ** 2
                      for s in range(1, t + 1))
        out.append(-rate * gs[t - 1] / (math.sqrt(v) + eps))
    return out


def rmaxprop_loop(gs, rate, decay, eps):
    out = []
    for t in range(1, len(gs) + 1):
        v = max(decay ** (t - s) * gs[s - 1] ** 2 for s in range(1, t + 1))
        out.append(-rate * gs[t - 1] / (math.sqrt(v) + eps))
    return out


def agrees(optimiser, loop, seed, steps, **options):
    gradients = draw(seed, steps)
    updates = run(optimiser, gradients, **options)
    for index in np.ndindex(gradients.shape[1:]):
        series = [float(g[index]) for g in gradients]
        expected = np.array(loop(series, *options.values()))
        # Sums of opposite signs may cancel: compare relative to the largest so far.
        scale = np.maximum.accumulate(np.abs(expected))
        assert_allclose(updates[(slice(None), *index)] / scale, expected / scale,
                        rtol=RTOL, atol=RTOL)
        assert np.all(scale > 0)


@proves("optimisers", 1, 2)
@given(SEEDS, st.integers(1, 12), st.floats(1e-4, 1.0), DECAYS)
def test_sgd_sums_decaying_gradients(seed, steps, rate, momentum):
    agrees(sgd, sgd_loop, seed, steps, rate=rate, momentum=momentum)


@proves("optimisers", 3, 4, 5)
@given(SEEDS, st.integers(1, 12), st.floats(1e-4, 1.0), DECAYS, DECAYS,
       st.floats(1e-9, 1e-2))
def test_adam_follows_its_weighted_means(seed, steps, rate, beta1, beta2, eps):
    agrees(adam, adam_loop, seed, steps, rate=rate, beta1=beta1, beta2=beta2, eps=eps)


@proves("optimisers", 3, 6, 7)
@given(SEEDS, st.integers(1, 12), st.floats(1e-4, 1.0), DECAYS, DECAYS,
       st.floats(1e-9, 1e-2))
def test_adamax_follows_its_decaying_maximum(seed, steps, rate, beta1, beta2, eps):
    agrees(adamax, adamax_loop, seed, steps, rate=rate, beta1=beta1, beta2=beta2,
           eps=eps)


@proves("optimisers", 8, 10)
@given(SEEDS, st.integers(1, 12), st.floats(1e-4, 1.0), DECAYS, st.floats(1e-9, 1e-2))
def test_rmsprop_follows_its_weighted_mean(seed, steps, rate, decay, eps):
    agrees(rmsprop, rmsprop_loop, seed, steps, rate=rate, decay=decay, eps=eps)


@proves("optimisers", 9, 10)
@given(SEEDS, st.integers(1, 12), st.floats(1e-4, 1.0), DECAYS, st.floats(1e-9, 1e-2))
def test_rmaxprop_follows_its_decaying_maximum(seed, steps, rate, decay, eps):
    agrees(rmaxprop, rmaxprop_loop, seed, steps, rate=rate, decay=decay, eps=eps)


# Values by hand, g = 3 and then -1; eps is 1 so that it has a visible effect.

@proves("optimisers", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
@pytest.mark.parametrize("optimiser, options, expected", [
    (sgd, {"momentum": 0.0}, [-1.5, 0.5]),
    (sgd, {"momentum": 0.5}, [-1.5, -0.25]),
    # m 1.5, 0.25; m / (1 - b^t) 3, 1/3; v 2.25, 1.9375; v / (1 - b^t) 9, 31/7
    (adam, {"beta1": 0.5, "beta2": 0.75, "eps": 1.0},
     [-0.5 * 3 / 4, -0.5 / 3 / (math.sqrt(31 / 7) + 1)]),
    # u = max(0, 3 + 1) = 4, then max(0.75 * 4, 1 + 1) = 3
    (adamax, {"beta1": 0.5, "beta2": 0.75, "eps": 1.0}, [-0.375, -0.5 / 9]),
    # v 2.25, 1.9375
    (rmsprop, {"decay": 0.75, "eps": 1.0},
     [-0.5 * 3 / 2.5, 0.5 / (math.sqrt(1.9375) + 1)]),
    # v 9, max(2.25, 1)
    (rmaxprop, {"decay": 0.25, "eps": 1.0}, [-0.375, 0.2]),
    # v 9, max(0.9, 1): the new gradient takes over
    (rmaxprop, {"decay": 0.1, "eps": 1.0}, [-0.375, 0.25]),
])
def test_two_steps_by_hand(optimiser, options, expected):
    updates = run(optimiser, np.array([[3.0], [-1.0]]), rate=0.5, **options)
    assert_allclose(updates[:, 0], expected, rtol=RTOL)


@proves("optimisers", 1, 3, 4, 6, 8, 9)
@pytest.mark.parametrize("optimiser, options, expected", [
    (sgd, {"momentum": 0.5}, State(2, 0.5, None)),
    (adam, {"beta1": 0.5, "beta2": 0.75}, State(2, 0.25, 1.9375)),
    (adamax, {"beta1": 0.5, "beta2": 0.75, "eps": 1.0}, State(2, 0.25, 3.0)),
    (rmsprop, {"decay": 0.75}, State(2, None, 1.9375)),
    (rmaxprop, {"decay": 0.25}, State(2, None, 2.25)),
])
def test_state_by_hand(optimiser, options, expected):
    state = None
    for g in (3.0, -1.0):
        state, _ = optimiser(state, np.array([g]), rate=0.5, **options)
    assert state.step == 2
    for got, want in zip(state[1:], expected[1:], strict=True):
        assert (got is None and want is None) or got.tolist() == [want]


def test_defaults_are_those_of_the_papers():
    g = draw(1, 9, (4,), spread=1.0)
    for optimiser, options in ((sgd, {"momentum": 0.0}),
                               (adam, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
                               (adamax, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
                               (rmsprop, {"decay": 0.99, "eps": 1e-8}),
                               (rmaxprop, {"decay": 0.98347, "eps": 1e-8})):
        assert_array_equal(run(optimiser, g, rate=0.1),
                           run(optimiser, g, rate=0.1, **options))
    assert abs(0.98347 / math.exp(-0.5 / 30) - 1) < 1e-5


@given(SEEDS, st.sampled_from(["adam", "adamax"]), DECAYS, DECAYS,
       st.sampled_from([np.float32, np.float64]))
def test_first_step_is_rate_times_sign(seed, name, beta1, beta2, dtype):
    g = draw(seed, 1, (5,), dtype)[0]
    _, update = ALL[name](None, g, rate=0.25, beta1=beta1, beta2=beta2, eps=1e-18)
    assert_allclose(update, -0.25 * np.sign(g), rtol=20 * np.finfo(dtype).eps)


@given(SEEDS, st.floats(1e-4, 10.0), DECAYS, st.sampled_from([-18, -8, 0]),
       st.sampled_from([np.float32, np.float64]), st.floats(0.1, 12.0))
def test_rmaxprop_never_moves_by_more_than_rate(seed, rate, decay, power, dtype,
                                                spread):
    gradients = draw(seed, 20, (8,), dtype, spread)
    gradients[3:6] *= dtype(1e-12)
    updates = run(rmaxprop, gradients, rate=rate, decay=decay, eps=10.0 ** power)
    assert np.all(np.abs(updates) <= dtype(rate))       # not by a rounding error
    if power == -18:
        assert np.abs(updates[0]).min() >= 0.999 * dtype(rate)
    assert_array_equal(np.sign(updates), -np.sign(gradients))


def test_rmaxprop_keeps_its_bound_where_squares_underflow():
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        floor = math.sqrt(info.tiny)
        g = np.array([info.tiny, floor / 8, floor / 2, floor, 3 * floor], dtype)
        update = run(rmaxprop, [g], rate=1.0, eps=floor)[0]
        assert np.all(np.abs(update) <= 1) and abs(update[-1]) > 0.7


def test_rmsprop_may_exceed_rate_up_to_its_bound():
    gradients = np.array([[1e-6]] * 50 + [[1.0]])
    for decay in (0.9, 0.99):
        jump = -run(rmsprop, gradients, rate=0.1, decay=decay)[-1, 0]
        assert_allclose(jump, 0.1 / math.sqrt(1 - decay), rtol=1e-6)
        assert -run(rmaxprop, gradients, rate=0.1, decay=decay)[-1, 0] <= 0.1


@given(SEEDS, st.integers(-20, 20), st.sampled_from(sorted(ALL)))
def test_scale_of_gradients_does_not_matter_but_for_sgd(seed, power, name):
    factor, gradients = 2.0 ** power, draw(seed, 6)
    if name == "sgd":
        assert_array_equal(run(sgd, gradients * factor, rate=0.1, momentum=0.5),
                           run(sgd, gradients, rate=0.1, momentum=0.5) * factor)
        return
    assert_array_equal(run(ALL[name], gradients * factor, rate=0.1, eps=1e-3 * factor),
                       run(ALL[name], gradients, rate=0.1, eps=1e-3))


@EACH
def test_all_go_downhill(optimiser):
    theta, state = np.array([1.0, -2.0, 3.0]), None
    start = theta @ theta
    for _ in range(300):
        state, update = optimiser(state, 2 * theta, rate=0.01)
        theta = theta + update
    assert theta @ theta < 0.5 * start


@EACH
@given(seed=SEEDS, dtype=st.sampled_from([np.float32, np.float64]),
       shape=st.sampled_from([(), (1,), (4,), (2, 3), (2, 1, 2)]))
def test_dtype_shape_and_no_aliasing(optimiser, seed, dtype, shape):
    gradients = draw(seed, 3, shape, dtype)
    state, kept = None, []
    for g in gradients:
        before, old = g.copy(), state
        copies = [None if a is None else a.copy() for a in (old or (None,) * 3)[1:]]
        state, update = optimiser(old, g, rate=np.float64(0.1))
        arrays = [a for a in (update, *state[1:]) if a is not None]
        assert len(arrays) == (3 if optimiser in (adam, adamax) else 2)
        for array in arrays:
            assert isinstance(array, np.ndarray)
            assert (array.dtype, array.shape) == (dtype, shape)
            assert not any(np.shares_memory(array, k) for k in [g, *kept])
        for a, b in zip((old or (None,) * 3)[1:], copies, strict=True):
            assert (a is None and b is None) or np.array_equal(a, b)
        assert_array_equal(g, before)
        kept += arrays
    assert state.step == 3


@EACH
def test_float32_is_close_to_float64(optimiser):
    gradients = draw(5, 8, (20,), spread=1.0)
    exact = run(optimiser, gradients, rate=0.1)
    short = run(optimiser, gradients.astype(np.float32), rate=0.1)
    assert short.dtype == np.float32
    assert_allclose(short, exact, rtol=3e-5, atol=1e-5 * np.abs(exact).max())


def test_entries_never_seen_stay_where_they_are():
    gradients = np.array([[0.0, 1.0]] * 4)
    for optimiser in ALL.values():
        assert np.all(run(optimiser, gradients, rate=0.1)[:, 0] == 0)


def test_public_names():
    assert set(optimisers.__all__) == set(ALL)


@EACH
def test_a_state_at_step_0_is_the_start(optimiser):
    gradient = draw(5, 1)[0]
    state, update = optimiser(None, gradient, rate=0.1)
    start = optimisers.State(0, *(None if a is None else np.zeros_like(a)
                                  for a in state[1:]))
    again, same = optimiser(start, gradient, rate=0.1)
    assert again.step == 1 and np.array_equal(same, update)
