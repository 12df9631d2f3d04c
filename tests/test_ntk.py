"""The tangent kernel is J J^T; its adjoint is compared with differences."""

import itertools

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves
from tolerances import RTOL, RTOL_FD, close

from refsnn import checks, convnet, mlp, ntk

# (inputs, units) of a dense layer, (places, patch, channels) of a convolution
DENSE = [(5, 4), (4, 3)]
CONVOLUTIONS = [(6, 4, 3), (2, 27, 4), (8, 5), (5, 2)]
NETS = {"dense": DENSE, "convolution": CONVOLUTIONS}


def draw(net, N, K, rng, dtype=np.float64):
    """(inputs, signals) of a batch, at random."""
    return ([rng.normal(size=(N, *layer[:-1])).astype(dtype) for layer in net],
            [rng.normal(size=(N, K, *layer[:-2], layer[-1])).astype(dtype)
             for layer in net])


def draw_masks(net, rng, density=0.5):
    return [(rng.random((layer[-1], layer[-2])) < density).astype(float)
            for layer in net]


def jacobian(batch, masks=None):
    """J (N, K, p) and the mask of its columns (p,), weights before biases."""
    columns, kept = [], []
    for at, (a, g) in enumerate(zip(*batch, strict=True)):
        if a.ndim == 2:
            weights, bias = np.einsum("nkj,ni->nkji", g, a), g
        else:
            weights, bias = np.einsum("nkpc,npq->nkcq", g, a), g.sum(axis=2)
        columns += [weights.reshape(*g.shape[:2], -1), bias]
        kept += [np.ones(weights[0, 0].size) if masks is None else masks[at].ravel(),
                 np.ones(bias.shape[-1])]
    return np.concatenate(columns, axis=2), np.concatenate(kept)


def explicit(left, right, masks=None):
    J, kept = jacobian(left, masks)
    return np.einsum("nkp,p,mqp->nmkq", J, kept, jacobian(right)[0])


def example(name, kind, seed=3, K=3):
    rng = np.random.default_rng(seed)
    net = NETS[name]
    masks = draw_masks(net, rng)
    options = {"kind": kind} | ({"masks": masks} if kind == "through_mask" else {})
    return draw(net, 5, K, rng), draw(net, 7, K, rng), options, rng


EVERY = pytest.mark.parametrize("name, kind", list(itertools.product(NETS, ntk.KINDS)))


# --- the kernel ------------------------------------------------------------------

@proves("ntk", 1, 2)
def test_by_hand():
    """f = w x + b at x = 2, 3: 1 + x x'.  With w masked: 1."""
    batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    assert ntk.kernel(batch)[..., 0, 0].tolist() == [[5.0, 7.0], [7.0, 10.0]]
    masked = ntk.kernel(batch, masks=[np.zeros((1, 1))], kind="through_mask")
    assert masked[..., 0, 0].tolist() == [[1.0, 1.0], [1.0, 1.0]]


@proves("ntk", 1, 3, 4)
def test_a_convolution_by_hand():
    """Two places, patches 2 and 3, signals 1 and 10: dw = 32, db = 11."""
    batch = [np.array([[[2.0], [3.0]]])], [np.array([[[[1.0], [10.0]]]])]
    assert ntk.kernel(batch).ravel().tolist() == [32.0 ** 2 + 11.0 ** 2]
    assert ntk.kernel(batch, masks=[np.zeros((1, 1, 1, 1))],
                      kind="through_mask").ravel().tolist() == [121.0]


@proves("ntk", 1, 2, 3, 4)
@EVERY
def test_is_the_product_of_jacobians(name, kind):
    left, right, options, _ = example(name, kind)
    masks = options.get("masks")
    close(ntk.kernel(left, right, **options), explicit(left, right, masks))
    close(ntk.kernel(left, **options), explicit(left, left, masks))
    close(ntk.kernel(left, **options), ntk.kernel(left, left, **options))


@given(st.sampled_from(sorted(NETS)), st.integers(1, 6), st.integers(1, 6),
       st.integers(1, 4), strategies.SEEDS)
def test_any_sizes(name, N, M, K, seed):
    rng = np.random.default_rng(seed)
    left, right = draw(NETS[name], N, K, rng), draw(NETS[name], M, K, rng)
    masks = draw_masks(NETS[name], rng)
    close(ntk.kernel(left, right), explicit(left, right))
    close(ntk.kernel(left, right, masks=masks, kind="through_mask"),
          explicit(left, right, masks))


@EVERY
def test_reductions_are_of_the_full_kernel(name, kind):
    left, right, options, _ = example(name, kind)
    for other in (right, None):
        full = ntk.kernel(left, other, **options)
        trace = np.einsum("nmkk->nm", full)
        for reduction, want in (("trace_sum", trace), ("trace_mean", trace / 3),
                                ("sum_logits", full.sum(axis=(2, 3))),
                                ("per_class", np.einsum("nmkk->nmk", full))):
            close(ntk.kernel(left, other, reduction=reduction, **options), want)


@EVERY
def test_one_batch_gives_a_positive_symmetric_matrix(name, kind):
    left, _, options, _ = example(name, kind)
    matrix = ntk.kernel(left, **options).swapaxes(1, 2).reshape(15, 15)
    close(matrix, matrix.T)
    values = np.linalg.eigvalsh(matrix)
    assert values[0] > -RTOL * values[-1] and values[-1] > 0


@pytest.mark.parametrize("name", NETS)
def test_the_kinds_differ_below_density_one(name):
    left, right, options, _ = example(name, "through_mask")
    at, through = ntk.kernel(left, right), ntk.kernel(left, right, **options)
    assert np.linalg.norm(at - through) > 0.1 * np.linalg.norm(at)
    ones = [np.ones_like(mask) for mask in options["masks"]]
    close(ntk.kernel(left, right, masks=ones, kind="through_mask"), at)
    close(ntk.kernel(left, right, masks=options["masks"]), at, rtol=0)
    D = np.random.default_rng(2).normal(size=(5, 7, 3, 3))
    ignored, none = (ntk.adjoint(left, right, D, **masks)[0] for masks in (
        {"masks": options["masks"]}, {}))
    close(ignored[0][0], none[0][0], rtol=0)


def test_what_is_wrong_is_told_apart():
    left, right, _, rng = example("dense", "at_masked")
    found = ntk.kernel(left, right)
    bias = sum(np.einsum("nkj,mqj->nmkq", g, h)
               for g, h in zip(left[1], right[1], strict=True))
    for wrong in (found - bias, found.swapaxes(2, 3), 1.001 * found):
        with pytest.raises(AssertionError):
            close(wrong, explicit(left, right))
    square = [(4, 4), (4, 4)]
    left, right = draw(square, 5, 3, rng), draw(square, 7, 3, rng)
    masks = draw_masks(square, rng)
    turned = [mask.T for mask in masks]
    close(ntk.kernel(left, right, masks=masks, kind="through_mask"),
          explicit(left, right, masks))
    with pytest.raises(AssertionError):
        close(ntk.kernel(left, right, masks=turned, kind="through_mask"),
              explicit(left, right, masks))


# --- of networks -----------------------------------------------------------------

def flat(arrays):
    return np.concatenate([a.ravel() for pair in zip(*arrays, strict=True)
                           for a in pair])


def unflat(theta, like):
    arrays, start = ([], []), 0
    for pair in zip(*like, strict=True):
        for part, a in zip(arrays, pair, strict=True):
            part.append(theta[start:start + a.size].reshape(a.shape))
            start += a.size
    return arrays


def by_differences(run, like, step=1e-5):
    """J (N, K, p) of run(weights, biases) by extrapolated differences."""
    theta, columns = flat(like), []
    for i in range(theta.size):
        slopes = []
        for h in (step, step / 2):
            up, down = (run(*unflat(theta + s * h * (np.arange(theta.size) == i), like))
                        for s in (1, -1))
            slopes.append((up - down) / (2 * h))
        columns.append((4 * slopes[1] - slopes[0]) / 3)
    return np.stack(columns, axis=2)


@proves("ntk", 1, 2)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_of_a_masked_mlp_by_differences(activation):
    rng = np.random.default_rng(4)
    weights, biases = mlp.init((4, 5, 3), rng)
    masks = [(rng.random(W.shape) < 0.6).astype(float) for W in weights]
    weights = [W * m for W, m in zip(weights, masks, strict=True)]
    batches, jacobians = [], []
    for N in (4, 3):
        x = rng.normal(size=(N, 4))
        record = mlp.forward(weights, biases, x, activation)
        assert np.abs(record.pre[0]).min() > 1e-3
        batches.append((record.inputs, mlp.signals(weights, record, activation)))
        jacobians.append(by_differences(
            lambda W, b, x=x: mlp.forward(W, b, x, activation).outputs,
            (weights, biases)))
    kept = flat((masks, [np.ones_like(b) for b in biases]))
    assert 0 < kept.mean() < 1
    close(ntk.kernel(*batches),
          np.einsum("nkp,mqp->nmkq", *jacobians), rtol=RTOL_FD)
    close(ntk.kernel(*batches, masks=masks, kind="through_mask"),
          np.einsum("nkp,p,mqp->nmkq", jacobians[0], kept, jacobians[1]), rtol=RTOL_FD)


def test_of_a_convolutional_net_is_the_product_of_its_jacobian():
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=s) / 2 for s in ((3, 3, 3, 1), (4, 2, 2, 3), (3, 4))]
    biases = [rng.normal(size=len(W)) / 9 for W in weights]
    pools = (True, False)
    masks = [(rng.random(W.shape) < 0.6).astype(float) for W in weights]
    record = convnet.forward(weights, biases, rng.normal(size=(4, 6, 6, 1)), pools)
    signals = convnet.signals(weights, record, pools)
    J = convnet.jacobian(record, signals)
    batch = record.inputs, signals
    close(ntk.kernel(batch), np.einsum("nkp,mqp->nmkq", J, J))
    kept = flat((masks, [np.ones_like(b) for b in biases]))
    close(ntk.kernel(batch, masks=masks, kind="through_mask"),
          np.einsum("nkp,p,mqp->nmkq", J, kept, J))


# --- the adjoint -----------------------------------------------------------------

@proves("ntk", 5, 6, 7, 8, 9, 10)
@EVERY
def test_adjoint_by_differences(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    found = ntk.adjoint(left, right, D, **options)
    theta = [a for part in (*left, *right) for a in part]
    gradient = [a for batch in found for part in batch for a in part]
    L = len(left[0])

    def loss(p):
        return float(np.sum(D * ntk.kernel((p[:L], p[L:2 * L]),
                                           (p[2 * L:3 * L], p[3 * L:]), **options)))

    assert all(np.linalg.norm(g) > 0 for g in gradient)
    # The loss is of the fourth degree along a direction: differences are exact at
    # every step, and a large one keeps the rounding of the many terms small.
    checks.directional(loss, theta, gradient, rng, rtol=1e-10, step=1e-2)
    for i in range(len(theta)):                     # each array by itself
        checks.directional(
            lambda p, i=i: loss(theta[:i] + [p] + theta[i + 1:]), theta[i],
            gradient[i], rng, rtol=1e-10, step=1e-2)
    assert checks.taylor_slope(loss, theta, gradient,
                               [np.cos(t) for t in theta]) >= 1.9
    with pytest.raises(AssertionError, match="off by"):
        checks.directional(loss, theta, [1.001 * g for g in gradient], rng)
    with pytest.raises(AssertionError, match="off by"):
        checks.directional(loss, theta, [
            a for batch in ntk.adjoint(left, right, D.swapaxes(2, 3), **options)
            for part in batch for a in part], rng)


@EVERY
def test_adjoint_of_both_sides_is_symmetric(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    there = ntk.adjoint(left, right, D, **options)
    back = ntk.adjoint(right, left, D.transpose(1, 0, 3, 2), **options)
    for one, other in zip(there, back[::-1], strict=True):
        for a, b in zip(one[0] + one[1], other[0] + other[1], strict=True):
            close(a, b)


@EVERY
def test_what_is_constant_is_left_out(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    whole = ntk.adjoint(left, right, D, **options)
    found = ntk.adjoint(left, right, D, constant=True, **options)
    for batch, other in zip(found, whole, strict=True):
        assert batch[0][0] is None and batch[1][-1] is None
        for a, b in zip(batch[0][1:] + batch[1][:-1], other[0][1:] + other[1][:-1],
                        strict=True):
            close(a, b)


@EVERY
def test_one_constant_layer_has_no_adjoint(name, kind):
    left, right, options, rng = example(name, kind)
    left, right = (tuple(part[:1] for part in batch) for batch in (left, right))
    options = {key: value[:1] if key == "masks" else value
               for key, value in options.items()}
    D = rng.normal(size=(5, 7, 3, 3))
    assert ntk.adjoint(left, right, D, constant=True, **options) \
        == (([None], [None]), ([None], [None]))


def test_the_masked_inputs_have_no_gradient():
    left, right, _, rng = example("dense", "through_mask")
    masks = [np.ones((4, 5)), np.ones((3, 4))]
    masks[0][:, 2] = 0
    (da, _), _ = ntk.adjoint(left, right, rng.normal(size=(5, 7, 3, 3)), masks=masks,
                             kind="through_mask")
    assert not da[0][:, 2].any() and da[0][:, [0, 1, 3, 4]].all()


# --- dtypes ----------------------------------------------------------------------

@EVERY
def test_float32_is_kept(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    wide = ntk.kernel(left, right, **options)
    left, right = (tuple([a.astype(np.float32) for a in part] for part in batch)
                   for batch in (left, right))
    for reduction in ntk.REDUCTIONS:
        assert ntk.kernel(left, right, reduction=reduction,
                          **options).dtype == np.float32
    found = ntk.adjoint(left, right, D.astype(np.float32), **options)
    assert {a.dtype for batch in found for part in batch for a in part} \
        == {np.dtype(np.float32)}
    close(ntk.kernel(left, right, **options), wide, rtol=1e-5)


@EVERY
def test_arrays_are_cast_to_the_dtype_of_the_first_inputs(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    single, wide = (tuple([a.astype(dtype) for a in part] for part in left)
                    for dtype in (np.float32, float))
    mixed = [single[0][0], *wide[0][1:]], wide[1]
    other = tuple([a.astype(np.float32) for a in part] for part in right)
    options |= {"masks": [M.astype(bool) for M in options["masks"]]} \
        if "masks" in options else {}
    found = ntk.kernel(mixed, right, **options)
    assert found.dtype == np.float32
    assert (found == ntk.kernel(single, other, **options)).all()
    for one, two in zip(ntk.adjoint(mixed, right, D, **options), ntk.adjoint(
            single, other, D.astype(np.float32), **options), strict=True):
        for a, b in zip(one[0] + one[1], two[0] + two[1], strict=True):
            assert a.dtype == np.float32 and (a == b).all()
    huge = mixed[0], [1e99 * g for g in wide[1]]
    with pytest.raises(ValueError, match=r"^left.signals\[0\] overflows in float32"):
        ntk.kernel(huge)
