"""The generic backward sweep against hand values and a forward sweep."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from tolerances import RTOL

from refsnn import bptt, checks


def forward_gradient(J, F, q):
    """sum_t q[t] M[t] with M[t] = J[t] M[t-1] + F[t], one sample at a time."""
    total = np.zeros(F.shape[3])
    for b in range(q.shape[1]):
        M = np.zeros(F.shape[2:])
        for t in range(len(q)):
            M = F[t, b] + (J[t, b] @ M if t else 0)
            total += q[t, b] @ M
    return total


@given(strategies.linear_systems())
def test_backward_equals_forward(system):
    J, F, q = system
    grad = bptt.gradient(J, F, q)
    assert np.linalg.norm(grad) > 0
    np.testing.assert_allclose(grad, forward_gradient(J, F, q), rtol=RTOL,
                               atol=RTOL * np.linalg.norm(grad))


@given(strategies.linear_systems())
def test_gradient_by_differences(system):
    J, F, q = system

    def loss(theta):
        h, total = np.zeros(q.shape[1:]), 0.0
        for t in range(len(q)):
            h = (np.einsum("bij,bj->bi", J[t], h) if t else 0) + F[t] @ theta
            total += float(np.sum(q[t] * h))
        return total

    theta = np.ones(F.shape[3])
    checks.gradient(loss, theta, bptt.gradient(J, F, q))


def two_sums(J, F, q, horizon):
    """sum over t and d <= horizon of q[t] J[t] ... J[t-d+1] F[t-d]."""
    total = np.zeros(F.shape[3])
    for t in range(len(q)):
        back = q[t][:, None, :]
        for d in range(min(horizon, t) + 1):
            total += (back @ F[t - d]).sum(axis=(0, 1))
            back = back @ J[t - d]
    return total


@given(strategies.linear_systems(), st.integers(0, 12))
def test_truncated_equals_its_two_sums(system, horizon):
    grad = bptt.truncated(*system, horizon)
    assert np.linalg.norm(grad) > 0
    np.testing.assert_allclose(grad, two_sums(*system, horizon), rtol=RTOL,
                               atol=RTOL * np.linalg.norm(grad))


@given(strategies.linear_systems())
def test_truncation_ends_where_the_past_does(system):
    J, F, q = system
    T = len(q)
    exact = bptt.gradient(J, F, q)
    for horizon in (T - 1, T, np.int64(T + 5)):
        np.testing.assert_allclose(bptt.truncated(J, F, q, horizon), exact, rtol=RTOL,
                                   atol=RTOL * np.linalg.norm(exact))
    np.testing.assert_allclose(bptt.truncated(J, F, q, 0),
                               np.einsum("tbi,tbip->p", q, F), rtol=RTOL,
                               atol=RTOL * np.linalg.norm(exact))
    if T > 1:
        short = bptt.truncated(J, F, q, T - 2)
        assert np.linalg.norm(short - exact) > 1e-9 * np.linalg.norm(exact)


def test_by_hand():
    """h[0] = 3w, h[1] = 2 h[0] + w, L = h[0] + 5 h[1]."""
    J = np.array([9.0, 2.0]).reshape(2, 1, 1, 1)
    F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    q = np.array([1.0, 5.0]).reshape(2, 1, 1)
    assert bptt.adjoint(J, q).ravel().tolist() == [11.0, 5.0]
    assert bptt.gradient(J, F, q).tolist() == [38.0]
    assert bptt.truncated(J, F, q, 0).tolist() == [8.0]
    assert bptt.truncated(J, F, q, 1).tolist() == [38.0]


@pytest.mark.parametrize("wide", ["J", "q"])
def test_the_widest_dtype_is_that_of_the_result(wide):
    rng = np.random.default_rng(2)
    J, F, q = (rng.standard_normal(shape).astype(np.float32)
               for shape in ((4, 2, 3, 3), (4, 2, 3, 5), (4, 2, 3)))
    J64, q64 = J.astype(float), q.astype(float)
    J, q = (J64, q) if wide == "J" else (J, q64)
    for run, exact in ((bptt.adjoint(J, q), bptt.adjoint(J64, q64)),
                       (bptt.truncated(J, F, q, 2), bptt.truncated(J64, F, q64, 2))):
        assert run.dtype == np.float64
        np.testing.assert_allclose(run, exact, rtol=RTOL, atol=RTOL)


def test_first_jacobian_is_not_used_and_inputs_are_kept():
    rng = np.random.default_rng(0)
    J, F, q = rng.normal(size=(3, 2, 2, 2)), rng.normal(size=(3, 2, 2, 4)), \
        rng.normal(size=(3, 2, 2))
    for a in (J, F, q):
        a.setflags(write=False)
    other = J.copy()
    other[0] = 7
    assert (bptt.gradient(J, F, q) == bptt.gradient(other, F, q)).all()
    assert (bptt.truncated(J, F, q, 2) == bptt.truncated(other, F, q, 2)).all()
    other[1] = 7
    assert not np.allclose(bptt.gradient(J, F, q), bptt.gradient(other, F, q),
                           rtol=1e-3)
    single = bptt.gradient(*(a.astype(np.float32) for a in (J, F, q)))
    assert single.dtype == np.float32
    assert bptt.truncated(*(a.astype(np.float32) for a in (J, F, q)),
                          1).dtype == np.float32


@pytest.mark.parametrize("change, match", [
    ({"J": np.ones((3, 1, 2, 3))}, "J is of shape"),
    ({"J": np.ones((2, 1, 2, 2))}, "J is of shape"),
    ({"F": np.ones((3, 1, 3, 4))}, "F is of shape"),
    ({"F": np.ones((3, 1, 2))}, "F is of shape"),
    ({"q": np.ones((3, 2))}, "q is of shape"),
    ({"q": np.ones((0, 1, 2))}, "q is of shape"),
    ({"q": np.ones((3, 1, 2), int)}, "q is of dtype int64"),
    ({"J": None}, "J is of dtype object"), ({"q": None}, "q is of dtype object"),
    ({"F": None}, "F is of dtype object"),
    ({"J": np.full((3, 1, 2, 2), np.nan)}, "J has NaN"),
    ({"F": np.full((3, 1, 2, 4), np.inf)}, "F has NaN")])
def test_bad_input_is_named(change, match):
    good = {"J": np.ones((3, 1, 2, 2)), "F": np.ones((3, 1, 2, 4)),
            "q": np.ones((3, 1, 2))}
    with pytest.raises(ValueError, match=match):
        bptt.gradient(**{**good, **change})
    with pytest.raises(ValueError, match=match):
        bptt.truncated(**{**good, **change}, horizon=1)
    if "F" not in change:
        with pytest.raises(ValueError, match=match):
            bptt.adjoint(*({**good, **change}[k] for k in "Jq"))


@pytest.mark.parametrize("horizon", [-1, 1.0, True, None, "1", np.nan])
def test_bad_horizon_is_named(horizon):
    with pytest.raises(ValueError, match="horizon is .*integer >= 0"):
        bptt.truncated(np.ones((3, 1, 2, 2)), np.ones((3, 1, 2, 4)),
                       np.ones((3, 1, 2)), horizon)
