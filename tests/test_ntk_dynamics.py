"""Training predicted from the tangent kernel, against training itself."""

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL, close

from refsnn import mlp, ntk, ntk_dynamics


@st.composite
def linear(draw, rank=None):
    """Draw (J (N, K, p), J of other samples, outputs, targets, their outputs, rng)."""
    N, M, K = (draw(st.integers(1, 4)) for _ in range(3))
    p = draw(st.integers(1, 30))        # below N K: a kernel with eigenvalues 0
    rng = np.random.default_rng(draw(strategies.SEEDS))
    return (rng.normal(size=(N, K, p)), rng.normal(size=(M, K, p)),
            rng.normal(size=(N, K)), rng.normal(size=(N, K)), rng.normal(size=(M, K)),
            rng)


def product(J, other):
    return np.einsum("nkp,mqp->nmkq", J, other)


def top(J):
    return np.linalg.norm(J.reshape(-1, J.shape[2]), 2) ** 2


def descend(J, other, f, y, g, rate, steps, share):
    """Return the outputs of the linear model during gradient descent."""
    theta, found = np.zeros(J.shape[2]), []
    for _ in range(steps + 1):
        now = f + J @ theta
        found.append((now, g + other @ theta))
        theta = theta - rate * share * np.einsum("nk,nkp->p", now - y, J)
    return [np.array(part) for part in zip(*found, strict=True)]


# --- linear models: exact ----------------------------------------------------------

@proves("ntk_dynamics", 2, 3, 4)
def test_by_hand():
    """K = 5, rate 0.1: each step halves the error; K = 2 gives 2/5 of the change."""
    found = ntk_dynamics.predict(
        np.full((1, 1, 1, 1), 5.0), np.array([[3.0]]), np.array([[1.0]]), [0, 1, 2],
        rate=0.1, cross=np.full((1, 1, 1, 1), 2.0), test_outputs=np.array([[7.0]]))
    np.testing.assert_allclose(found.train.ravel(), [3.0, 2.0, 1.5], rtol=RTOL)
    np.testing.assert_allclose(found.test.ravel(), [7.0, 6.6, 6.4], rtol=RTOL)


@proves("ntk_dynamics", 2, 3, 4)
@given(linear(), st.sampled_from(ntk_dynamics.LOSSES), st.floats(0.05, 1.9),
       st.integers(1, 40))
def test_closed_form_is_the_iteration(drawn, loss, pace, steps):
    J, other, f, y, g, _ = drawn
    share = 1 / len(f) if loss == "mean" else 1
    rate = pace / (share * top(J))
    want = descend(J, other, f, y, g, rate, steps, share)
    found = ntk_dynamics.predict(
        product(J, J), f, y, np.arange(steps + 1), rate=rate, loss=loss,
        cross=product(other, J), test_outputs=g)
    close(found.train, want[0])
    close(found.test, want[1])
    last = ntk_dynamics.predict(product(J, J), f, y, steps, rate=rate, loss=loss)
    close(last.train[0], want[0][-1])
    assert last.test is None


@given(linear(), st.floats(0.05, 1.9))
def test_one_step_is_the_first_of_many(drawn, pace):
    J, other, f, y, g, _ = drawn
    rate = pace / top(J)
    found = ntk_dynamics.predict(product(J, J), f, y, 1, rate=rate,
                                 cross=product(other, J), test_outputs=g)
    close(ntk_dynamics.one_step(product(J, J), f, f - y, rate), found.train[0])
    close(ntk_dynamics.one_step(product(other, J), g, f - y, rate), found.test[0])


def test_training_samples_passed_as_other_samples_agree():
    rng = np.random.default_rng(1)
    J, f, y = rng.normal(size=(3, 2, 9)), *rng.normal(size=(2, 3, 2))
    kernel = product(J, J)
    found = ntk_dynamics.predict(kernel, f, y, [0, 3, 500, 10 ** 6],
                                 rate=0.9 / top(J), cross=kernel, test_outputs=f)
    close(found.train, found.test)
    close(found.train[-1], y)                           # 6 outputs, 9 weights: learnt


def test_any_cross_kernel_and_eigenvalues_of_zero():
    """Eigenvalues 0, along which an arbitrary cross kernel still has entries."""
    rng = np.random.default_rng(8)
    kernel = np.zeros((3, 3, 2, 2))
    kernel[0, 0], kernel[2, 2] = 2 * np.eye(2), np.eye(2)
    cross, f, y = rng.normal(size=(4, 3, 2, 2)), *rng.normal(size=(2, 3, 2))
    g = rng.normal(size=(4, 2))
    found = ntk_dynamics.predict(kernel, f, y, [0, 1, 2, 3], rate=0.3, cross=cross,
                                 test_outputs=g)
    for s in range(4):
        close(found.train[s], f)
        close(found.test[s], g)
        f, g = (ntk_dynamics.one_step(K, now, f - y, 0.3)
                for K, now in ((kernel, f), (cross, g)))


@pytest.mark.parametrize("root", [1e-5, 1e-4, 1e-3])
def test_slow_directions_are_not_lost(root):
    """For small eigenvalues x, computing 1 - (1 - x)^2 loses digits."""
    J = np.array([[[1.0, 0.0], [0.0, root]]])
    f, y = np.zeros((1, 2)), np.array([[1.0, 1e5]])
    found = ntk_dynamics.predict(product(J, J), f, y, 2, rate=0.5,
                                 cross=np.array([[[[1.0, 0.0], [0.0, 1e-4]]]]),
                                 test_outputs=f)
    slow = 0.5 * root ** 2
    close(found.test[0, 0, 1], 1e-4 * 1e5 * 0.5 * (2 - slow), rtol=RTOL)


@given(linear(), st.integers(0, 10))
def test_kernels_are_symmetrised_if_asymmetric_by_rounding(drawn, step):
    J, _, f, y, _, rng = drawn
    assume(f.size > 1)
    kernel, noise = product(J, J), rng.normal(size=(len(f), len(f), *2 * f.shape[1:]))
    skew = noise - noise.transpose(1, 0, 3, 2)
    skew *= np.abs(kernel).max() / np.abs(skew).max()
    found, wanted = (predict(K, f, y, step, rate=0.5 / top(J)).train
                     for K in (kernel + 4e-4 * skew, kernel))
    close(found, wanted)
    with pytest.raises(ValueError, match="^kernel is not symmetric"):
        predict(kernel + 6e-4 * skew, f, y, step)


def test_eigenvalues_below_zero_by_rounding_are_taken_as_zero():
    kernel = np.diag(np.array([1, -1e-5], np.float32))[None, None]
    f = np.ones((1, 2), np.float32)
    left = predict(kernel, f, 0 * f, 10 ** 6, rate=1.0).train
    assert left.ravel().tolist() == [0, 1]


@given(linear(), st.integers(0, 11))
def test_indefinite_kernels_are_refused(drawn, digits):
    """The largest eigenvalue is 1, and the smallest is -10^-digits."""
    _, _, f, y, _, rng = drawn
    assume(f.size > 1)
    Q = np.linalg.qr(rng.normal(size=(f.size, f.size)))[0]
    values = np.linspace(0, 1, f.size)
    values[0] = -10.0 ** -digits
    kernel = ((Q * values) @ Q.T).reshape(2 * f.shape).swapaxes(1, 2)
    with pytest.raises(ValueError, match="^kernel has eigenvalues -"):
        predict(kernel, f, y)


def test_wrong_predictions_are_rejected():
    rng = np.random.default_rng(2)
    J, f, y = rng.normal(size=(3, 2, 9)), *rng.normal(size=(2, 3, 2))
    rate = 0.5 / top(J)
    right = ntk_dynamics.predict(product(J, J), f, y, 7, rate=rate).train
    for wrong in (ntk_dynamics.predict(product(J, J), f, y, 8, rate=rate),
                  ntk_dynamics.predict(product(J, J), f, y, 7, rate=1.001 * rate),
                  ntk_dynamics.predict(product(J, J), f, y, 7, rate=rate, loss="mean"),
                  ntk_dynamics.predict(product(J, J), y, f, 7, rate=rate)):
        with pytest.raises(AssertionError):
            close(wrong.train, right)


# --- networks: to first order ------------------------------------------------------

def network(width, seed, samples=6, K=2, masked=False):
    """Draw (weights, biases, x, targets, masks) of a tanh network.

    With a single hidden layer K[n, m, k, q] would equal K[n, m, q, k], so
    there are two.  Weights have the variance 1 / inputs; with Glorot's the
    first layer would contribute less with growing width.
    """
    rng = np.random.default_rng(seed)
    sizes = (3, width, width, K)
    weights = [rng.normal(size=(n, m)) / np.sqrt(m)
               for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
    biases = [rng.normal(0, 0.1, n) for n in sizes[1:]]
    masks = [(rng.random(W.shape) < (0.6 if masked else 2)).astype(float)
             for W in weights]
    weights = [W * m for W, m in zip(weights, masks, strict=True)]
    return weights, biases, rng.normal(size=(samples, 3)), \
        rng.normal(size=(samples, K)), masks


def batch(weights, biases, x):
    record = mlp.forward(weights, biases, x, "tanh")
    return (record.inputs, mlp.signals(weights, record, "tanh")), record


def step(weights, biases, x, doutputs, masks, rate):
    record = mlp.forward(weights, biases, x, "tanh")
    grad = mlp.backward(weights, record, doutputs(record.outputs), "tanh")
    return ([W - rate * dW * m for W, dW, m in
             zip(weights, grad.weights, masks, strict=True)],
            [b - rate * db for b, db in zip(biases, grad.biases, strict=True)])


def slope(rates, gaps):
    """Return the least-squares slope of log gap over log rate."""
    return np.polyfit(np.log(rates), np.log(gaps), 1)[0]


@proves("ntk_dynamics", 1)
@pytest.mark.parametrize("kind", ntk.KINDS)
def test_one_step_of_an_mlp_to_second_order_in_the_rate(kind):
    """With the loss sum f^4 / 4, on training samples and on other samples."""
    masked = kind == "through_mask"
    weights, biases, x, _, masks = network(12, 3, masked=masked)
    others = np.random.default_rng(4).normal(size=(5, 3))
    train, record = batch(weights, biases, x)
    test, beyond = batch(weights, biases, others)
    options = {"kind": kind, "masks": masks}
    rates = 2.0 ** -np.arange(6, 13)
    for (asked, f), where in (((train, record.outputs), x),
                              ((test, beyond.outputs), others)):
        kernel = ntk.kernel(asked, train, **options)
        gaps, crossed, unmasked = [], [], []
        for rate in rates:
            moved = step(weights, biases, x, lambda f: f ** 3, masks, rate)
            real = mlp.forward(*moved, where, "tanh").outputs
            for gap, K in ((gaps, kernel), (crossed, kernel.swapaxes(2, 3)),
                           (unmasked, ntk.kernel(asked, train))):
                gap.append(np.linalg.norm(real - ntk_dynamics.one_step(
                    K, f, record.outputs ** 3, rate)))
        assert slope(rates, gaps) >= 1.9
        assert slope(rates, crossed) < 1.2
        assert (slope(rates, unmasked) < 1.2) == masked


def test_predictions_are_better_for_wide_networks():
    """Compare the final gap after 30 steps, averaged over 5 seeds."""
    gaps = {}
    for width in (8, 256):
        found = []
        for seed in range(5):
            weights, biases, x, y, masks = network(width, seed)
            train, record = batch(weights, biases, x)
            kernel = ntk.kernel(train)
            matrix = kernel.swapaxes(1, 2).reshape(12, 12)
            rate = 0.5 / np.linalg.eigvalsh(matrix)[-1]
            told = ntk_dynamics.predict(kernel, record.outputs, y, 30, rate=rate).train
            for _ in range(30):
                weights, biases = step(weights, biases, x, lambda f, y=y: f - y, masks,
                                       rate)
            real = mlp.forward(weights, biases, x, "tanh").outputs
            found.append(np.linalg.norm(real - told[0])
                         / np.linalg.norm(real - record.outputs))
        gaps[width] = np.mean(found)
    assert gaps[256] < 0.25 * gaps[8], gaps


# --- house rules -------------------------------------------------------------------

def test_float32_is_kept_and_arguments_too():
    rng = np.random.default_rng(3)
    J = rng.normal(size=(3, 2, 4))
    f, y, g = rng.normal(size=(3, 3, 2))
    arrays = [a.astype(np.float32) for a in (product(J, J), f, y, g)]
    before = [a.copy() for a in arrays]
    kernel, f32, y32, g32 = arrays
    rate = np.float64(0.5 / top(J))
    found = ntk_dynamics.predict(kernel, f32, y32, [1, 9], rate=rate, cross=kernel,
                                 test_outputs=g32)
    one = ntk_dynamics.one_step(kernel, f32, y32, rate)
    assert {a.dtype for a in (*found, one)} == {np.dtype(np.float32)}
    wide = ntk_dynamics.predict(product(J, J), f, y, [1, 9], rate=rate,
                                cross=product(J, J), test_outputs=g)
    for a, b in zip(found, wide, strict=True):
        close(a, b, rtol=1e-4)
    assert all((a == b).all() for a, b in zip(arrays, before, strict=True))


K0 = np.einsum("nk,mq->nmkq", np.eye(3, 2), np.eye(3, 2))
F0 = np.ones((3, 2))


def predict(kernel=K0, outputs=F0, targets=F0, steps=1, rate=0.1, **others):
    return ntk_dynamics.predict(kernel, outputs, targets, steps, rate=rate, **others)


def test_arrays_are_cast_to_the_dtype_of_the_outputs():
    f, y, K = F0.astype(np.float32), np.zeros((3, 2), int), K0
    found = ntk_dynamics.predict(K, f, y, [2], rate=1, cross=K, test_outputs=F0)
    wanted = ntk_dynamics.predict(*(a.astype(np.float32) for a in (K, f, y)), [2],
                                  rate=1, cross=K.astype(np.float32), test_outputs=f)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == np.float32 and (a == b).all()
    one = ntk_dynamics.one_step(K, f, F0, 0.1)
    assert one.dtype == np.float32
    assert (one == ntk_dynamics.one_step(K.astype(np.float32), f, f, 0.1)).all()
    with pytest.raises(ValueError, match="^kernel overflows in float32"):
        ntk_dynamics.predict(1e99 * K, f, y, 1, rate=0.1)


def test_slow_directions_keep_their_digits_in_float32():
    kernel = np.diag([1.0, 1e-5, 1e-7]).astype("f4")[:, :, None, None]
    f = np.ones((3, 1), "f4")
    found = ntk_dynamics.predict(kernel, f, 0 * f, 10 ** 7, rate=1.0, cross=kernel,
                                 test_outputs=f)
    for outputs in (found.train, found.test):
        np.testing.assert_allclose(outputs.ravel()[2], np.exp(-1), rtol=1e-5)


def test_outputs_that_overflow_are_refused():
    with pytest.raises(ValueError, match="^rate is 1.0: must be lower, .* 511 steps"):
        ntk_dynamics.predict(np.full((1, 1, 1, 1), 5.0), np.full((1, 1), 1e3),
                             np.zeros((1, 1)), 511, rate=1.0)
    one = np.ones((1, 1, 1, 1))
    with pytest.raises(ValueError, match="^rate is 12.0: must be lower, .* 295 steps"):
        ntk_dynamics.predict(one, one[0, 0], 0 * one[0, 0], [295], rate=12.0,
                             cross=1e10 * one, test_outputs=0 * one[0, 0])
