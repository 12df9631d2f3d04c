"""Test generic BPTT against hand-computed values and a forward sweep."""

import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL

from refsnn import bptt, checks


def forward_gradient(J, F, q):
    """Return sum_t q[t] M[t], M[t] = J[t] M[t-1] + F[t], sample by sample."""
    total = np.zeros(F.shape[3])
    for b in range(q.shape[1]):
        M = np.zeros(F.shape[2:])
        for t in range(len(q)):
            M = F[t, b] + (J[t, b] @ M if t else 0)
            total += q[t, b] @ M
    return total


@proves("bptt", 1, 2)
@given(strategies.linear_systems())
def test_backward_equals_forward(system):
    J, F, q = system
    grad = bptt.gradient(J, F, q)
    assert np.linalg.norm(grad) > 0
    np.testing.assert_allclose(grad, forward_gradient(J, F, q), rtol=RTOL,
                               atol=RTOL * np.linalg.norm(grad))


@proves("bptt", 1, 2)
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
    """Return the sum over t and d <= horizon of q[t] J[t] ... J[t-d+1] F[t-d]."""
    total = np.zeros(F.shape[3])
    for t in range(len(q)):
        back = q[t][:, None, :]
        for d in range(min(horizon, t) + 1):
            total += (back @ F[t - d]).sum(axis=(0, 1))
            back = back @ J[t - d]
    return total


@proves("bptt", 2, 4)
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


def chunks(J, F, q, edges, handed_back):
    """Return the gradient in chunks, and the adjoint of the first state."""
    T, start = len(q), [0, *edges]
    dstate, total = np.zeros_like(q[0]), 0
    for first, end in reversed(list(zip(start, [*edges, T], strict=True))):
        own = F[first:end + 1].copy()
        own[0] *= first == 0            # a state that is handed in has no parameters
        part, last = [own, J[first:end + 1]], q[first:end]
        if end == T:                    # no state after the last step
            part = [np.concatenate([a, 0 * a[:1]]) for a in part]
        grad, dstate = bptt.chunk(part[1], part[0], last, dstate * handed_back)
        total = total + grad
    return total, dstate


@proves("bptt", 2, 3)
@given(strategies.linear_systems(), st.data())
def test_chunks_with_the_adjoint_handed_back_are_exact(system, data):
    J, F, q = system
    edges = sorted(data.draw(st.sets(st.integers(1, max(1, len(q) - 1)), max_size=3)))
    edges = [e for e in edges if e < len(q)]
    total, dstate = chunks(J, F, q, edges, True)
    wanted, start = bptt.gradient(J, F, q), bptt.adjoint(J, q)[0]
    assert np.linalg.norm(total - wanted) <= 1e-12 * np.linalg.norm(wanted)
    assert np.linalg.norm(dstate - start) <= 1e-12 * np.linalg.norm(start)


@proves("bptt", 2, 3)
@given(strategies.linear_systems(), st.integers(1, 10))
def test_truncation_by_chunks_is_no_rolling_truncation(system, length):
    """Compare with the sum over t and over the steps of the chunk until t."""
    J, F, q = system
    wanted = np.zeros(F.shape[3])
    for t in range(len(q)):
        first = t // length * length
        back = q[t][:, None, :]
        for d in range(t - first + (first == 0)):
            wanted += (back @ F[t - d]).sum(axis=(0, 1))
            back = back @ J[t - d]
    total, _ = chunks(J, F, q, list(range(length, len(q), length)), False)
    size = np.linalg.norm(bptt.gradient(J, F, q))
    assert np.linalg.norm(total - wanted) <= RTOL * size
    if 1 < length < len(q):
        for horizon in range(len(q)):
            rolling = bptt.truncated(J, F, q, horizon)
            assert np.linalg.norm(total - rolling) > 1e-9 * size


@proves("bptt", 1, 2, 4)
def test_by_hand():
    """Use h[0] = 3w, h[1] = 2 h[0] + w and L = h[0] + 5 h[1]."""
    J = np.array([9.0, 2.0]).reshape(2, 1, 1, 1)
    F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    q = np.array([1.0, 5.0]).reshape(2, 1, 1)
    assert bptt.adjoint(J, q).ravel().tolist() == [11.0, 5.0]
    assert bptt.gradient(J, F, q).tolist() == [38.0]
    assert bptt.truncated(J, F, q, 0).tolist() == [8.0]
    assert bptt.truncated(J, F, q, 1).tolist() == [38.0]


def test_results_have_the_dtype_of_the_jacobians():
    rng = np.random.default_rng(2)
    half = [rng.standard_normal(shape).astype(np.float32)
            for shape in ((4, 2, 3, 3), (4, 2, 3, 5), (4, 2, 3))]
    full = [a.astype(float) for a in half]
    for run, chosen in ((bptt.gradient, (0, 1, 2)), (bptt.adjoint, (0, 2)),
                        (lambda *system: bptt.truncated(*system, 2), (0, 1, 2))):
        for one, other in ((half, full), (full, half)):
            found = run(one[0], *(other[i] for i in chosen[1:]))
            wanted = run(*(one[i] for i in chosen))
            assert found.dtype == wanted.dtype == one[0].dtype
            assert (found == wanted).all() and found.any()
    for q, dstate in ((full[2], half[2][0]), (half[2], full[2][0])):
        for a, b in zip(bptt.chunk(*half[:2], q[1:], dstate),
                        bptt.chunk(*half[:2], half[2][1:], half[2][0]), strict=True):
            assert a.dtype == np.float32 and (a == b).all() and a.any()


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
