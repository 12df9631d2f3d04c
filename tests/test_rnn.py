"""Test the tanh network against hand values, differences and generic BPTT."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from tolerances import RTOL, RTOL_FD

from refsnn import bptt, checks, rnn


@st.composite
def networks(draw):
    size = draw(strategies.sizes(T=(1, 8)))
    rng = np.random.default_rng(draw(strategies.SEEDS))
    T, B, m, n = size
    h0 = draw(st.sampled_from((None, rng.normal(size=(B, n)))))
    return (rng.normal(size=(T, B, m)), rng.normal(size=(n, m)),
            rng.normal(size=(n, n)), h0, rng.normal(size=(T, B, n)))


def test_by_hand():
    x, W, V = np.ones((2, 1, 1)), np.array([[0.5]]), np.array([[2.0]])
    h = rnn.simulate(x, W, V, np.array([[0.25]])).ravel()
    assert h[0] == np.tanh(1.0)
    assert h[1] == np.tanh(0.5 + 2 * np.tanh(1.0))


@given(networks())
def test_gradient_by_differences(network):
    x, W, V, h0, e = network
    h = rnn.simulate(x, W, V, h0)
    grad = rnn.backward(x, W, V, h, e, h0)
    theta, names = [W, V, x], ["W", "V", "x"]
    if len(x) == 1 and h0 is None:
        assert not grad[1].any()
        theta, grad, names = [W, x], (grad[0], grad[2]), ["W", "x"]

    def loss(p):
        W, V, x = p if len(p) == 3 else (p[0], network[2], p[1])
        return float(np.sum(e * rnn.simulate(x, W, V, h0)))

    checks.gradient(loss, theta, list(grad), names=names, rtol=RTOL_FD)
    direction = [np.ones_like(t) for t in theta]
    assert checks.taylor_slope(loss, theta, list(grad), direction,
                               start=1e-3) >= 1.9


@given(networks())
def test_gradient_by_complex_step(network):
    x, W, V, h0, e = network
    h = rnn.simulate(x, W, V, h0)
    dW = rnn.backward(x, W, V, h, e, h0)[0]
    d = np.cos(np.arange(W.size)).reshape(W.shape)

    def loss(W):
        last, total = np.zeros(h[0].shape) if h0 is None else h0, 0
        for t in range(len(x)):
            last = np.tanh(x[t] @ W.T + last @ V.T)
            total = total + np.sum(e[t] * last)
        return total

    np.testing.assert_allclose(checks.complex_step(loss, W, d), np.sum(dW * d),
                               rtol=RTOL, atol=RTOL * np.linalg.norm(dW))


@given(networks())
def test_backward_equals_generic_sweep(network):
    x, W, V, h0, e = network
    h = rnn.simulate(x, W, V, h0)
    J, F = rnn.linearise(x, W, V, h, h0)
    dW, dV, _ = rnn.backward(x, W, V, h, e, h0)
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


@pytest.mark.parametrize("call, match", [
    (lambda: rnn.simulate(X[0], W1, V1), r"^x is \(2, 4\) .*float \(T, B, m\*\)"),
    (lambda: rnn.simulate(X[:0], W1, V1), r"^x is \(0, 2, 4\)"),
    (lambda: rnn.simulate(X[:, :0], W1, V1), r"^x is \(3, 0, 4\)"),
    (lambda: rnn.simulate(X, W1[:0], V1[:0, :0]), r"^W is \(0, 4\)"),
    (lambda: rnn.simulate(X * np.nan, W1, V1), "^x is .*nan"),
    (lambda: rnn.simulate(X, W1.astype(int), V1), "^W is .*finite float"),
    (lambda: rnn.simulate(X.astype(int), W1, V1), "^x is .*finite float"),
    (lambda: rnn.simulate(X, W1, V1[:1]), r"^V is \(1, 2\)"),
    (lambda: rnn.simulate(X, W1, V1, np.ones(2)), r"^h0 is \(2,\)"),
    (lambda: rnn.backward(X, W1, V1, X, X), r"^h is \(3, 2, 4\)"),
    (lambda: rnn.backward(X, W1, V1, X[..., :2], X), r"^dh is \(3, 2, 4\)"),
    (lambda: rnn.backward(X, W1, V1, X[..., :2], X[..., :2], V1[:1]),
     r"^h0 is \(1, 2\)"),
    (lambda: rnn.linearise(X, W1, V1, X), r"^h is \(3, 2, 4\)"),
    (lambda: rnn.linearise(X, W1, V1, X[..., :2] * np.inf), "^h is .*(inf|nan)")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()
