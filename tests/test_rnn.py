"""Test the tanh network against hand values, differences and generic BPTT."""

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import bptt, checks, rnn


@st.composite
def networks(draw):
    size = draw(strategies.sizes(T=(1, 8)))
    rng = np.random.default_rng(draw(strategies.SEEDS))
    T, B, m, n = size
    start = draw(st.sampled_from((None, rng.normal(size=(B, n)))))
    return (rng.normal(size=(T, B, m)), rng.normal(size=(n, m)),
            rng.normal(size=(n, n)), start, rng.normal(size=(T, B, n)))


@proves("rnn", 1, 2)
def test_by_hand():
    x, W, V = np.ones((2, 1, 1)), np.array([[0.5]]), np.array([[2.0]])
    h = rnn.simulate(x, W, V, np.array([[0.25]])).ravel()
    assert h[0] == np.tanh(1.0)
    assert h[1] == np.tanh(0.5 + 2 * np.tanh(1.0))


@proves("rnn", 3, 4, 5, 6)
@given(networks())
def test_gradient_by_differences(network):
    x, W, V, start, e = network
    h = rnn.simulate(x, W, V, start)
    grad = rnn.backward(x, W, V, h, e, start)[:3]
    theta, names = [W, V, x], ["W", "V", "x"]
    if len(x) == 1 and start is None:
        assert not grad[1].any()
        theta, grad, names = [W, x], (grad[0], grad[2]), ["W", "x"]

    def loss(p):
        W, V, x = p if len(p) == 3 else (p[0], network[2], p[1])
        return float(np.sum(e * rnn.simulate(x, W, V, start)))

    checks.gradient(loss, theta, list(grad), names=names, rtol=RTOL_FD)
    direction = [np.ones_like(t) for t in theta]
    assert checks.taylor_slope(loss, theta, list(grad), direction,
                               start=1e-3) >= 1.9


@given(networks())
def test_gradient_by_complex_step(network):
    x, W, V, start, e = network
    h = rnn.simulate(x, W, V, start)
    dW = rnn.backward(x, W, V, h, e, start)[0]
    d = np.cos(np.arange(W.size)).reshape(W.shape)

    def loss(W):
        last, total = np.zeros(h[0].shape) if start is None else start, 0
        for t in range(len(x)):
            last = np.tanh(x[t] @ W.T + last @ V.T)
            total = total + np.sum(e[t] * last)
        return total

    np.testing.assert_allclose(checks.complex_step(loss, W, d), np.sum(dW * d),
                               rtol=RTOL, atol=RTOL * np.linalg.norm(dW))


@proves("rnn", 7, 8)
@given(networks())
def test_backward_equals_generic_sweep(network):
    x, W, V, start, e = network
    h = rnn.simulate(x, W, V, start)
    J, F = rnn.linearise(x, W, V, h, start)
    dW, dV, *_ = rnn.backward(x, W, V, h, e, start)
    flat = np.concatenate([dW.ravel(), dV.ravel()])
    assert np.linalg.norm(flat) > 0
    np.testing.assert_allclose(bptt.gradient(J, F, e), flat, rtol=RTOL,
                               atol=RTOL * np.linalg.norm(flat))


def test_no_inputs_at_all():
    h = rnn.simulate(np.ones((3, 2, 0)), np.ones((1, 0)), np.eye(1), np.ones((2, 1)))
    assert h.shape == (3, 2, 1) and h.all()


def test_arguments_are_kept():
    arrays = [X / 9, W1 / 9, V1, np.full((3, 2, 2), 0.5), np.ones((3, 2, 2))]
    before = [a.copy() for a in arrays]
    rnn.backward(*arrays)
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


def test_float32_is_kept():
    x, W, V = (np.ones(s, np.float32) for s in ((3, 1, 2), (2, 2), (2, 2)))
    h = rnn.simulate(x, W, V)
    arrays = [h, *rnn.backward(x, W, V, h, h), *rnn.linearise(x, W, V, h)]
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


X, W1, V1 = np.ones((3, 2, 4)), np.ones((2, 4)), np.ones((2, 2))


# --- states ---------------------------------------------------------------------

@given(networks(), st.sampled_from((np.float32, np.float64)))
def test_steps_equal_the_run_to_the_last_bit(network, dtype):
    x, W, V, start, _ = (None if a is None else a.astype(dtype) for a in network)
    h, last = rnn.run(x, W, V, start)
    (T, B, m), state = x.shape, start
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, -1)
    for a in (x, W, V, drive):
        a.setflags(write=False)
    for t in range(T):
        state = rnn.step(drive[t], V, state)
        assert state.dtype == dtype and (state == h[t]).all() and state.any()
    assert (last == state).all() and last.shape == state.shape
    assert not np.shares_memory(last, h)
    assert (rnn.simulate(x, W, V, start) == h).all()


@proves("rnn", 4, 7)
@given(networks())
def test_gradient_by_states(network):
    """Test first and last state by differences, and the first by the Jacobian."""
    x, W, V, start, e = network
    start = np.full(e[0].shape, 0.5) if start is None else start
    later = np.random.default_rng(5).normal(size=start.shape)
    h = rnn.simulate(x, W, V, start)
    grad = rnn.backward(x, W, V, h, e, start, later)
    theta, names = [W, V, x, start], ["W", "V", "x", "state"]

    def loss(theta):
        W, V, x, state = theta
        h, last = rnn.run(x, W, V, state)
        return float(np.sum(e * h) + np.sum(later * last))

    checks.gradient(loss, theta, list(grad), names=names, rtol=RTOL_FD)
    with pytest.raises(AssertionError, match="state"):
        checks.gradient(loss, theta, [*grad[:3], 1.001 * grad[3]], names=names,
                        rtol=RTOL_FD)
    q = e.copy()
    q[-1] += later
    J = rnn.linearise(x, W, V, h, start)[0]
    close(np.einsum("bi,bij->bj", bptt.adjoint(J, q)[0], J[0]), grad[3])


@given(networks(), st.data())
def test_chunks_equal_the_whole(network, data):
    """Test states and gradients; without adjoints the gradient differs."""
    x, W, V, start, e = network
    assume(len(x) > 1)
    cut = data.draw(st.integers(1, len(x) - 1))
    h, last = rnn.run(x, W, V, start)
    later = np.random.default_rng(6).normal(size=last.shape)
    whole = rnn.backward(x, W, V, h, e, start, later)
    early, middle = rnn.run(x[:cut], W, V, start)
    late, end = rnn.run(x[cut:], W, V, middle)
    close(np.concatenate([early, late]), h, RTOL / 100)
    close(end, last, RTOL / 100)
    two = rnn.backward(x[cut:], W, V, late, e[cut:], middle, later)
    one = rnn.backward(x[:cut], W, V, early, e[:cut], start, two[3])
    for k in range(2):
        close(one[k] + two[k], whole[k], RTOL / 100)
    close(np.concatenate([one[2], two[2]]), whole[2], RTOL / 100)
    close(one[3], whole[3], RTOL / 100)
    truncated = rnn.backward(x[:cut], W, V, early, e[:cut], start)[0]
    assert np.linalg.norm(truncated - one[0]) > RTOL_FD * np.linalg.norm(one[0])
