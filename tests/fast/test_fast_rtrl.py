"""Test fast RTRL of a tanh network against generic RTRL and differences."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from tolerances import RTOL_FD, close

from refsnn import checks, rnn, rtrl
from refsnn.fast import rtrl as fast_rtrl


@st.composite
def networks(draw, T=(2, 9), n=(1, 5)):
    T, B, m, n = draw(strategies.sizes(T=T, n=n))
    rng = np.random.default_rng(draw(strategies.SEEDS))
    start = draw(st.sampled_from((None, rng.normal(size=(B, n)))))
    return (rng.normal(size=(T, B, m)), rng.normal(size=(n, m)),
            rng.normal(size=(n, n)), start, rng.normal(size=(T, B, n)))


def by_rows(F, n, m):
    """Reorder columns from W, then V, row by row, to the rows of [W | V]."""
    order = np.concatenate([np.arange(n * m).reshape(n, m),
                            n * m + np.arange(n * n).reshape(n, n)], axis=1)
    return F[..., order.ravel()]


def before(h, start):
    first = np.zeros_like(h[0]) if start is None else start
    return np.concatenate([first[None], h[:-1]])


def test_by_hand():
    """Use theta = (w, v) and h = tanh(w x + v h'), where h' is fixed at first."""
    x, start, V = np.array([[2.0]]), np.array([[0.5]]), np.array([[3.0]])
    h = np.array([[0.6]])
    M = fast_rtrl.step(None, x, start, h, V)
    close(M, [[[0.64 * 2.0, 0.64 * 0.5]]])
    close(fast_rtrl.step(M, x, h, h, V),
          [[[0.64 * (3 * 1.28 + 2.0), 0.64 * (3 * 0.32 + 0.6)]]])


def test_one_step():
    x, h, V = np.full((1, 1, 1), 2.0), np.full((1, 1, 1), 0.6), np.array([[3.0]])
    dW, dV = fast_rtrl.gradient(x, V, h, 0 * h + 5)
    close(dW, [[0.64 * 2 * 5]])
    assert dV.tolist() == [[0.0]]
    close(fast_rtrl.gradient(x, V, h, 0 * h + 5, h[0])[1], [[0.64 * 0.6 * 5]])


@given(networks())
def test_structured_steps_are_the_generic_ones(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    J, F = rnn.linearise(x, W, V, h, start)
    F, earlier = by_rows(F, *W.shape), before(h, start)
    M = generic = None
    total = 0
    for t in range(len(x)):
        generic = rtrl.step(generic, J[t], F[t])
        M = fast_rtrl.step(M, x[t], earlier[t], h[t], V)
        close(M, generic)
        total = total + rtrl.step_gradient(M, dh[t])
    dW, dV, *_ = rnn.backward(x, W, V, h, dh, start)
    close(total.reshape(len(W), -1), np.concatenate([dW, dV], axis=1))
    found = fast_rtrl.gradient(x, V, h, dh, start)
    close(found[0], dW)
    close(found[1], dV)


@given(networks())
def test_gradient_by_differences(network):
    x, W, V, start, e = network
    grad = fast_rtrl.gradient(x, V, rnn.simulate(x, W, V, start), e, start)

    def loss(theta):
        return float(np.sum(e * rnn.simulate(x, *theta, start)))

    checks.directional(loss, [W, V], list(grad), np.random.default_rng(3),
                       rtol=RTOL_FD)


@given(networks(T=(4, 9), n=(2, 5)))
def test_wrong_gradients_are_told_apart(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    right = rnn.backward(x, W, V, h, dh, start)[0]
    for wrong in (fast_rtrl.gradient(x, V.T, h, dh, start)[0],
                  fast_rtrl.gradient(np.roll(x, 1, axis=0), V, h, dh, start)[0],
                  fast_rtrl.gradient(x, V, h, np.roll(dh, 1, axis=0), start)[0],
                  1.001 * fast_rtrl.gradient(x, V, h, dh, start)[0]):
        with pytest.raises(AssertionError):
            close(wrong, right)


@given(networks())
def test_columns_in_blocks_and_all_at_once(network):
    x, W, V, start, dh = network
    h = rnn.simulate(x, W, V, start)
    whole, size = fast_rtrl.gradient(x, V, h, dh, start), fast_rtrl.BLOCK
    try:
        for fast_rtrl.BLOCK in (1, 8 * len(V) ** 2 * 3):
            for a, b in zip(fast_rtrl.gradient(x, V, h, dh, start), whole, strict=True):
                close(a, b)
    finally:
        fast_rtrl.BLOCK = size


def test_buffers_hold_the_same_and_inputs_are_kept():
    rng = np.random.default_rng(0)
    x, V = rng.normal(size=(2, 2, 3)), rng.normal(size=(4, 4))
    h, M = np.tanh(rng.normal(size=(2, 2, 4))), rng.normal(size=(2, 4, 28))
    arrays = [x, V, h, M]
    kept = [a.copy() for a in arrays]
    for a in arrays:
        a.setflags(write=False)
    out = np.full_like(M, np.nan)
    found = fast_rtrl.step(M, x[1], h[0], h[1], V, out=out)
    assert found is out and (found == fast_rtrl.step(M, x[1], h[0], h[1], V)).all()
    assert (found == fast_rtrl.step(M.transpose(2, 0, 1).copy().transpose(1, 2, 0),
                                    x[1], h[0], h[1], V)).all()
    fast_rtrl.gradient(x, V, h, h, h[0])
    assert all((a == b).all() for a, b in zip(arrays, kept, strict=True))


@given(networks())
def test_float32_is_kept_and_close(network):
    x, W, V, _, dh = (None if a is None else a.astype(np.float32) for a in network)
    h = rnn.simulate(x, W, V)
    found = fast_rtrl.gradient(x, V, h, dh)
    exact = fast_rtrl.gradient(*(a.astype(float) for a in (x, V, h, dh)))
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == np.float32
        assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(np.concatenate(
            exact, axis=1))
    assert fast_rtrl.step(None, x[0], h[0], h[1], V).dtype == np.float32


def test_fast_and_slow_checks_give_the_same_results():
    """Lists and integers take the slow checks."""
    rng = np.random.default_rng(1)
    x, V, h = rng.integers(0, 2, (3, 2, 4)) + 0.0, rng.normal(size=(5, 5)), \
        np.tanh(rng.normal(size=(3, 2, 5)))
    wanted = fast_rtrl.gradient(x, V, h, h)
    for other in (fast_rtrl.gradient(x.astype(int), V, h, h),
                  fast_rtrl.gradient(x, V.tolist(), h, h),
                  fast_rtrl.gradient(x, V, h, h, 0 * h[0])):
        assert all((a == b).all() and a.any() for a, b in
                   zip(other, wanted, strict=True))
    wanted = fast_rtrl.step(None, x[0], h[0], h[1], V)
    assert (fast_rtrl.step(None, x[0] > 0, h[0], h[1].tolist(), V) == wanted).all()


X, V, H = np.ones((3, 2, 4)), np.eye(2), np.full((3, 2, 2), 0.5)
M = np.zeros((2, 2, 12))
SHARED = [({"V": np.ones((2, 3))}, r"^V is \(2, 3\) .*float \(n, n\)"),
          ({"V": np.ones(2)}, r"^V is \(2,\)"), ({"V": V * np.nan}, "^V is .*nan"),
          ({"V": V.astype(int)}, "^V is .*finite float"),
          ({"V": np.ones((0, 0))}, r"^V is \(0, 0\)")]


@pytest.mark.parametrize("change, match", SHARED + [
    ({"x": X}, r"^x is \(3, 2, 4\)"), ({"x": X[0] * np.nan}, "^x is .*nan"),
    ({"before": H[0, :1]}, r"^h is \(2, 2\) .*'B': 1"),
    ({"before": H[0, :0]}, r"^before is \(0, 2\)"),
    ({"before": H[0] * np.inf}, "^before is .*inf"),
    ({"h": H[0] * np.nan}, "^h is .*nan"), ({"h": H[0, :, :1]}, r"^h is \(2, 1\)"),
    ({"M": M[:, :, :4]}, r"^M is float64 \(2, 2, 4\): must be float64 \(2, 2, 12\)"),
    ({"M": M.astype("f")}, "^M is float32"), ({"out": M}, "^out shares memory"),
    ({"out": M[:1]}, r"^out is float64 \(1, 2, 12\)"), ({"out": 1}, "^out is int64"),
    ({"out": np.asfortranarray(M[:, :, ::-1])}, "^out is a ndarray: .*contiguous")])
def test_bad_steps_are_named(change, match):
    good = {"M": M, "x": X[0], "before": H[0], "h": H[1], "V": V}
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        fast_rtrl.step(**{**good, **change})


@pytest.mark.parametrize("change, match", SHARED + [
    ({"x": X[0]}, r"^x is \(2, 4\)"), ({"x": X[:2]}, r"^x is \(2, 2, 4\)"),
    ({"x": X * np.inf}, "^x is .*inf"), ({"h": H[0]}, r"^h is \(2, 2\)"),
    ({"h": H[:0]}, r"^h is \(0, 2, 2\)"), ({"dh": H[:1]}, r"^dh is \(1, 2, 2\)"),
    ({"dh": H * np.nan}, "^dh is .*nan"), ({"state": H[0, 0]}, r"^state is \(2,\)"),
    ({"state": H[0] * np.nan}, "^state is .*nan")])
def test_bad_recordings_are_named(change, match):
    good = {"x": X, "V": V, "h": H, "dh": H}
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        fast_rtrl.gradient(**{**good, **change})
