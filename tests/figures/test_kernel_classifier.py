"""Support vector machines agree with values by hand, differences and the minimum."""

import doctest

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize

from figures.spoken import kernel_classifier as machine
from tolerances import RTOL, RTOL_FD

KINDS = ("linear", "polynomial", "radial")


def words(seed, N=40, m=6, k=3, spread=2.0):
    """Draw counts (N, m) around a rate for each class, and labels of all classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(N) % k)
    rates = rng.uniform(1, 9, (k, m))
    return rng.poisson(rates[labels] * spread).astype(float), labels


def objective(A, b, K, labels, cost):
    """Return the training objective and its gradient, eqs. (5)-(8)."""
    Y, KA = np.where(labels[:, None] == np.arange(len(b)), 1.0, -1.0), K @ A
    hinge = np.maximum(1 - Y * (KA + b), 0)
    D = -2 * cost * Y * hinge
    return (np.sum(A * KA) / 2 + cost * np.sum(hinge ** 2), K @ (A + D),
            D.sum(axis=0))


def test_kernels_by_hand():
    z, other = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[3.0, 1.0]])
    for kind, want in (("linear", [2.5, -0.5]), ("polynomial", [3.5 ** 2, 0.5 ** 2]),
                       ("radial", np.exp([-2.5, -6.5]))):
        np.testing.assert_allclose(machine.compare(z, other, kind)[:, 0], want,
                                   rtol=RTOL)


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_is_symmetric_and_positive(kind):
    z = np.random.default_rng(0).normal(size=(9, 4))
    K = machine.compare(z, z, kind)
    np.testing.assert_allclose(K, K.T, rtol=RTOL)
    assert np.linalg.eigvalsh(K).min() > -1e-12
    assert np.linalg.eigvalsh(K).max() > 0.1
    if kind == "radial":
        np.testing.assert_allclose(np.diag(K), 1, rtol=RTOL)


@given(seed=st.integers(0, 10 ** 6), N=st.integers(1, 8), k=st.integers(2, 4),
       cost=st.floats(0.01, 10))
def test_gradient_by_finite_differences(seed, N, k, cost):
    rng = np.random.default_rng(seed)
    A, b, z = rng.normal(size=(N, k)), rng.normal(size=k), rng.normal(size=(N, 3))
    labels, K = rng.integers(0, k, N), z @ z.T
    value, dA, db = objective(A, b, K, labels, cost)
    U, u, step = rng.normal(size=A.shape), rng.normal(size=k), 1e-5
    Y = np.where(labels[:, None] == np.arange(k), 1, -1)
    margin, moved = 1 - Y * (K @ A + b), K @ U + u
    assume((abs(margin) > 2 * step * abs(moved)).all())     # no hinge changes sign
    up, down = (objective(A + s * U, b + s * u, K, labels, cost)[0]
                for s in (step, -step))
    slope = np.sum(dA * U) + np.sum(db * u)
    size = abs(dA * U).sum() + abs(db * u).sum() + value
    assert abs((up - down) / (2 * step) - slope) < RTOL_FD * size
    if abs(slope) > 0.1 * size:
        assert abs((up - down) / (2 * step) - 1.001 * slope) > RTOL_FD * size


def test_objective_by_hand():
    A, b = np.array([[1.0, -1.0], [0.0, 0.5]]), np.array([0.5, 0.0])
    K = np.array([[0.25, 0.5], [0.5, 4.0]])
    value, dA, db = objective(A, b, K, np.array([0, 0]), 3.0)
    # f = (0.75, 0), (1, 1.5); hinges (0.25, 1), (0, 2.5)
    assert value == (0.25 + 0 + 0.75) / 2 + 3 * (0.0625 + 1 + 6.25)
    assert db.tolist() == [-1.5, 21]
    np.testing.assert_allclose(dA, K @ (A + [[-1.5, 6], [0, 15]]), rtol=RTOL)


@pytest.mark.parametrize("cost", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("kind", KINDS)
def test_gradient_vanishes_at_the_end_and_nowhere_near(kind, cost):
    counts, labels = words(1)
    found = machine.fit(counts, labels, kind, cost=cost)
    z = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    K = machine.compare(z, z, kind)
    A = np.zeros((len(z), 3))
    A[[int(np.flatnonzero((abs(z - s) < 1e-12).all(axis=1))[0])
       for s in found.support]] = found.A
    value, dA, db = objective(A, found.b, K, labels, cost)
    assert max(abs(dA).max(), abs(db).max()) < RTOL * abs(K).max() * abs(A).max()
    np.testing.assert_allclose(K @ A + found.b, machine.scores(found, counts),
                               rtol=1e-9, atol=1e-9)
    assert abs(A).max() > 1e-3
    rng = np.random.default_rng(2)
    for _ in range(20):
        away = 0.01 * abs(A).max() * rng.normal(size=A.shape)
        assert objective(A + away, found.b, K, labels, cost)[0] > value


def test_minimum_is_that_of_another_method():
    """Minimise over the weights of the linear kernel with BFGS of SciPy."""
    counts, labels = words(3, N=20, m=3, k=2)
    found = machine.fit(counts, labels, "linear", cost=0.5)
    F = (counts - counts.mean(axis=0)) / counts.std(axis=0) / np.sqrt(3)
    y = np.where(labels == 1, 1, -1)

    def value(x):
        hinge = np.maximum(1 - y * (F @ x[:3] + x[3]), 0)
        return x[:3] @ x[:3] / 2 + 0.5 * np.sum(hinge ** 2)

    end = optimize.minimize(value, np.zeros(4), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(F @ end.x[:3] + end.x[3],
                               machine.scores(found, counts)[:, 1], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_counts_and_no_others(kind):
    counts, labels = words(4, N=300, k=4)
    found = machine.fit(counts[:200], labels[:200], kind, cost=1.0)
    right = machine.scores(found, counts[200:]).argmax(axis=1) == labels[200:]
    assert right.mean() > 0.8
    shuffled = np.random.default_rng(0).permutation(labels[:200])
    chance = machine.fit(counts[:200], shuffled, kind, cost=1.0)
    wrong = machine.scores(chance, counts[200:]).argmax(axis=1) == labels[200:]
    assert wrong.mean() < 0.5


def test_only_curved_kernels_solve_exclusive_or():
    counts = np.array([[0, 0], [0, 9], [9, 0], [9, 9]])
    labels = np.array([0, 1, 1, 0])
    for kind, right in (("linear", False), ("polynomial", True), ("radial", True)):
        found = machine.fit(counts, labels, kind, cost=100.0)
        said = machine.scores(found, counts).argmax(axis=1)
        assert (said == labels).all() == right


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_words_scores_minus_one(kind):
    counts, labels = words(8, k=2)
    two, found = (machine.fit(counts, k * labels, kind) for k in (1, 2))
    assert found.b[1] == -1 and not found.A[:, 1].any()
    said, wanted = machine.scores(found, counts), machine.scores(two, counts)
    np.testing.assert_allclose(said[:, [0, 2]], wanted, rtol=RTOL, atol=RTOL)
    assert set(said.argmax(axis=1)) == {0, 2}


def test_scale_of_counts_and_dead_channels_do_not_matter():
    counts, labels = words(5)
    one = machine.scores(machine.fit(counts, labels, "radial"), counts)
    scaled = counts * np.array([1, 2, 3, 4, 5, 6]) + 7
    two = machine.scores(machine.fit(scaled, labels, "radial"), scaled)
    np.testing.assert_allclose(one, two, rtol=RTOL, atol=RTOL)
    dead = np.concatenate([counts, np.full((40, 1), 3)], axis=1)
    three = machine.scores(machine.fit(dead, labels, "linear"), dead)
    dead[:, -1] = 50                    # constant in training, so it has no effect
    np.testing.assert_array_equal(
        machine.scores(machine.fit(np.concatenate(
            [counts, np.full((40, 1), 3)], axis=1), labels, "linear"), dead), three)


@pytest.mark.parametrize("value", [3, 0.1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_channel_has_no_effect(kind, value):
    """The mean of equal numbers can differ from them by rounding."""
    counts, labels = words(10)
    counts = counts.astype(float)
    counts[:, 2] = value
    found, other = machine.fit(counts, labels, kind), counts.copy()
    other[:, 2] = 50
    said = machine.scores(found, other)
    assert np.isfinite(said).all() and np.ptp(said, axis=0).min() > 0.1
    np.testing.assert_array_equal(said, machine.scores(found, counts))


@pytest.mark.parametrize("kind", KINDS)
def test_constant_input_scores_by_the_share_of_each_class(kind):
    """All kernels are constant, so f = b is the mean of Y."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = machine.fit(np.full((6, 4), 7), labels, kind)
    for counts in (np.full((2, 4), 7), np.array([[0, 1, 2, 90], [8, 8, 8, 8]])):
        np.testing.assert_allclose(machine.scores(found, counts),
                                   [[0, -1 / 3, -2 / 3]] * 2, rtol=RTOL, atol=RTOL)


def test_inputs_are_not_changed():
    counts, labels = words(6)
    before = counts.copy(), labels.copy()
    found = machine.fit(counts, labels, "polynomial")
    machine.scores(found, counts)
    assert (counts == before[0]).all() and (labels == before[1]).all()
    assert found.kind == "polynomial"


def test_its_examples():
    failed, tried = doctest.testmod(machine)
    assert failed == 0 and tried >= 8
