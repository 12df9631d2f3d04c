"""Path integrals on quadratic losses: closed forms against loops over steps."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import SEEDS
from tolerances import RTOL

from refsnn import si
from figures.si import si_quadratic
from figures.si.si_quadratic import descent

RAW = si.Settings(clamp="none", xi=1e-18)


def problem(seed, p, null=0):
    """Return (H, d, rng) with eigenvalues between 0.5 and 4, `null` of them 0."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(p, p)))[0]
    h = rng.uniform(0.5, 4, p)
    h[:null] = 0
    return (basis * h) @ basis.T, rng.normal(size=p), rng


def loop(H, d, rate, steps):
    """Return the state of `si` and the last x of plain gradient descent."""
    x, state = d.copy(), si.begin(d)
    for _ in range(steps):
        g = H @ x
        state = si.accumulate(state, -rate * g, g)
        x = x - rate * g
    return state, x


def endless(H, d, rate=1e-12):
    """Return Q of gradient descent that has converged, by default of small steps."""
    return descent(H, d, rate, 10 ** 15)


def loss(H, x):
    return x @ H @ x / 2


@given(SEEDS, st.integers(1, 5), st.integers(1, 30), st.floats(0.01, 0.45))
def test_descent_equals_the_loop(seed, p, steps, rate):
    H, d, _ = problem(seed, p, null=p // 3)
    w, expected = loop(H, d, rate, steps)[0].path_integral, descent(H, d, rate, steps)
    assert np.all(w >= 0) and w.max() > 0
    assert_allclose(w, expected.diagonal(), rtol=RTOL, atol=RTOL * w.max())
    gradients, x = [], d
    for _ in range(steps):
        gradients.append(H @ x)
        x = x - rate * gradients[-1]
    Q = rate * sum(np.outer(g, g) for g in gradients)
    assert_allclose(expected, Q, rtol=RTOL, atol=RTOL * Q.max())


@given(SEEDS, st.integers(1, 5), st.floats(0.02, 0.45))
def test_descent_of_infinitely_many_steps_is_the_limit(seed, p, rate):
    H, d, _ = problem(seed, p, null=p // 3)
    Q, late = endless(H, d, rate), descent(H, d, rate, 10**4)
    assert np.trace(Q) > loss(H, d)
    assert_allclose(late, Q, rtol=RTOL, atol=RTOL * Q.max())


@given(SEEDS, st.integers(1, 5))
def test_small_rates_lose_no_digits(seed, p):
    """In the limit, Q is h_a h_b / (h_a + h_b) d_a d_b; 3 steps yield 3 rate g g^T."""
    H, d, _ = problem(seed, p, null=p // 3)
    h, u = np.linalg.eigh(H)
    h = np.where(h < 1e-12, 0, h)
    total = np.add.outer(h, h)
    Q = u @ (np.outer(h * (u.T @ d), h * (u.T @ d)) / np.where(total, total, 1)) @ u.T
    assert_allclose(endless(H, d), Q, rtol=RTOL, atol=RTOL * Q.max())
    assert_allclose(np.trace(Q), loss(H, d), rtol=RTOL)
    Q = np.outer(H @ d, H @ d)
    assert_allclose(descent(H, d, 1e-13, 3) / 3e-13, Q, rtol=RTOL, atol=RTOL * Q.max())


@given(SEEDS, st.floats(-11, -6), st.floats(0.02, 0.45))
def test_small_eigenvalues_lose_no_digits(seed, power, rate):
    rng = np.random.default_rng(seed)
    H, d = np.diag([4.0, 10 ** power]), rng.choice([-1, 1], 2) * rng.uniform(0.5, 2, 2)
    h = H.diagonal()
    assert_allclose(endless(H, d, rate).diagonal(), h * d ** 2 / (2 - rate * h),
                    rtol=RTOL)


# special cases of the docstring

@given(SEEDS, st.integers(1, 6), st.floats(0.05, 0.45))
def test_diagonal_hessian_for_steps_of_any_size(seed, p, rate):
    rng = np.random.default_rng(seed)
    h, d = rng.uniform(0.5, 4, p), rng.normal(size=p)
    state, x = loop(np.diag(h), d, rate, 1000)
    assert_allclose(state.path_integral, h * d ** 2 / (2 - rate * h), rtol=RTOL)
    assert_allclose(endless(np.diag(h), d, rate).diagonal(),
                    h * d ** 2 / (2 - rate * h), rtol=RTOL)
    importance = si.consolidate(state, x, RAW).importance
    assert_allclose(importance, h / (2 - rate * h), rtol=RTOL)


def test_importance_of_a_diagonal_hessian_is_half_of_it_in_the_limit():
    h, d = np.array([0.5, 1.0, 4.0]), np.array([1.0, -2.0, 0.5])
    errors = []
    for rate, xi in ((0.1, 1e-1), (0.01, 1e-2), (0.001, 1e-3)):
        state, x = loop(np.diag(h), d, rate, round(30 / rate))
        done = si.consolidate(state, x, RAW._replace(xi=xi)).importance
        errors.append(np.abs(done / (h / 2) - 1).max())
    assert errors[0] > 0.05 and errors[2] < 5e-3
    assert errors[1] / errors[0] < 0.2 and errors[2] / errors[1] < 0.2
    # The penalty with c = 1 is then the old loss.
    settings = si.Settings(strength=1.0, clamp="none", xi=1e-3)
    after, theta = si.consolidate(state, x, settings), np.array([0.3, 0.7, -0.4])
    assert_allclose(si.penalty(after, theta, settings), loss(np.diag(h), theta),
                    rtol=5e-3)


@given(SEEDS, st.integers(3, 6), st.floats(0.02, 0.45))
def test_rank_one_gives_every_parameter_the_same_importance(seed, p, rate):
    rng = np.random.default_rng(seed)
    u = rng.choice([-1.0, 1.0], p) * rng.uniform(0.3, 1, p)
    u[0] = 0.0
    u, h, d = u / np.linalg.norm(u), 3.0, rng.normal(size=p)
    if abs(u @ d) < 0.1:
        d = d + u
    H = h * np.outer(u, u)
    state, x = loop(H, d, rate, 500)
    importance = si.consolidate(state, x, RAW).importance
    assert_allclose(importance[1:], h / (2 - rate * h), rtol=RTOL)
    assert importance[0] == 0
    w = endless(H, d).diagonal()[1:]
    assert_allclose(w / (u * (u @ d))[1:] ** 2, h / 2, rtol=RTOL)
    assert_allclose(endless(H, d), (u @ d) ** 2 * H / 2, rtol=RTOL,
                    atol=RTOL * np.abs(H).max())
    assert np.abs(h / 2 / (H.diagonal()[1:] / 2) - 1).max() > 0.01   # not H_kk / 2


@given(SEEDS, st.integers(1, 6), st.floats(0.1, 3.0))
def test_isotropic_starts_give_half_the_hessian_on_average(seed, p, sigma):
    """Starts sigma sqrt(p) e_a with orthonormal e_a have <d d^T> = sigma^2."""
    H, _, rng = problem(seed, p)
    basis = np.linalg.qr(rng.normal(size=(p, p)))[0]
    Q = sum(endless(H, sigma * np.sqrt(p) * e) for e in basis.T) / p
    assert_allclose(Q, sigma ** 2 * H / 2, rtol=RTOL, atol=RTOL * np.abs(Q).max())


def test_random_isotropic_starts_within_five_standard_errors():
    H, _, rng = problem(5, 4)
    samples = np.array([endless(H, 0.7 * rng.normal(size=4)).diagonal()
                        for _ in range(4000)])
    error = samples.std(axis=0) / np.sqrt(len(samples))
    assert np.all(error < 0.05 * samples.mean(axis=0))
    assert np.all(np.abs(samples.mean(axis=0) - 0.49 * H.diagonal() / 2) < 5 * error)


def test_one_path_on_a_generic_hessian_is_not_half_the_hessian():
    H, d, _ = problem(11, 6)
    d[0] = 0.01                 # starts near its minimum, but moves
    ratio = endless(H, d).diagonal() / d ** 2 / (H.diagonal() / 2)
    assert ratio[0] > 10 and ratio.min() < 0.6


@given(SEEDS, st.integers(1, 5), st.floats(0.02, 0.45))
def test_finite_steps_increase_the_share_of_each_direction(seed, p, rate):
    H, d, _ = problem(seed, p)
    h, u = np.linalg.eigh(H)
    shares, steps = h * (u.T @ d) ** 2 / 2, 1 / (1 - rate * h / 2)
    assert_allclose(np.trace(endless(H, d, rate)), shares @ steps, rtol=RTOL)
    Q = u.T @ endless(H, d, rate) @ u
    assert_allclose(Q.diagonal(), shares * steps, rtol=RTOL, atol=RTOL * shares.max())


def test_noise_increases_the_path_integral_as_derived():
    """The mean over runs of a loop with noise agrees within five standard errors."""
    H, d, rng = problem(7, 3)
    root = rng.normal(size=(3, 3)) / 2
    rate, steps, runs = 0.2, 25, 20000
    x, w = np.tile(d, (runs, 1)), np.zeros((runs, 3, 3))
    for _ in range(steps):
        g = x @ H + rng.normal(size=(runs, 3)) @ root.T
        w += rate * g[:, :, None] * g[:, None]
        x = x - rate * g
    error = w.std(axis=0) / np.sqrt(runs)
    Q, still = descent(H, d, rate, steps, root @ root.T), descent(H, d, rate, steps)
    assert error.max() < 0.02 * Q.max()
    assert np.all(np.abs(w.mean(axis=0) - Q) < 5 * error)
    assert np.all(np.abs(Q - still).diagonal() > 20 * error.diagonal())


def test_noise_adds_a_constant_with_each_late_step():
    h, rate, N = np.array([0.0, 1.0, 3.0]), 0.3, np.diag([0.5, 0.25, 2.0])
    d = np.array([1.0, 2.0, -1.0])
    late = [descent(np.diag(h), d, rate, T, N).diagonal() for T in (500, 501)]
    assert_allclose(late[1] - late[0], rate * N.diagonal() / (1 - rate * h / 2),
                    rtol=1e-9)
    # by hand, one step: rate g^2, g = h d + n
    one = descent(np.diag(h), d, rate, 1, N).diagonal()
    assert_allclose(one, rate * ((h * d) ** 2 + N.diagonal()), rtol=RTOL)


def test_a_flat_loss_has_no_path_integral():
    assert endless(np.zeros((1, 1)), np.ones(1)).tolist() == [[0.0]]
    assert descent(np.zeros((1, 1)), np.ones(1), 3.0, 2).tolist() == [[0.0]]


def test_inputs_are_not_modified():
    H, d, _ = problem(1, 3)
    copies = H.copy(), d.copy()
    descent(H, d, 0.1, 3, H)
    assert np.array_equal(H, copies[0]) and np.array_equal(d, copies[1])


def test_its_example():
    failed, tried = doctest.testmod(si_quadratic)
    assert failed == 0 and tried == 2
