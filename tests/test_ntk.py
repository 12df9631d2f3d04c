"""Tangent kernel: the product J J^T, reductions, adjoint and memory."""

import itertools
import tracemalloc

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
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


@pytest.fixture(params=[(500, 2 ** 20), (6, 100)], ids=["whole", "pieces"])
def tiles(request, monkeypatch):
    """Both with one tile and with many ragged ones."""
    monkeypatch.setattr(ntk, "SIDE", request.param[0])
    monkeypatch.setattr(ntk, "CHUNK", request.param[1])


def example(name, kind, seed=3, K=3):
    rng = np.random.default_rng(seed)
    net = NETS[name]
    masks = draw_masks(net, rng)
    options = {"kind": kind} | ({"masks": masks} if kind == "through_mask" else {})
    return draw(net, 5, K, rng), draw(net, 7, K, rng), options, rng


EVERY = pytest.mark.parametrize("name, kind", list(itertools.product(NETS, ntk.KINDS)))


# --- the kernel ------------------------------------------------------------------

def test_by_hand():
    """f = w x + b at x = 2, 3: 1 + x x'.  With w masked: 1."""
    batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    assert ntk.kernel(batch)[..., 0, 0].tolist() == [[5.0, 7.0], [7.0, 10.0]]
    masked = ntk.kernel(batch, masks=[np.zeros((1, 1))], kind="through_mask")
    assert masked[..., 0, 0].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_convolution_by_hand():
    """Two places, patches 2 and 3, signals 1 and 10: dw = 32, db = 11."""
    batch = [np.array([[[2.0], [3.0]]])], [np.array([[[[1.0], [10.0]]]])]
    assert ntk.kernel(batch).ravel().tolist() == [32.0 ** 2 + 11.0 ** 2]
    assert ntk.kernel(batch, masks=[np.zeros((1, 1, 1, 1))],
                      kind="through_mask").ravel().tolist() == [121.0]


@EVERY
def test_is_the_product_of_jacobians(name, kind, tiles):
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
def test_reductions_are_of_the_full_kernel(name, kind, tiles):
    left, right, options, _ = example(name, kind)
    for other in (right, None):
        full = ntk.kernel(left, other, **options)
        trace = np.einsum("nmkk->nm", full)
        for reduction, want in (("trace_sum", trace), ("trace_mean", trace / 3),
                                ("sum_logits", full.sum(axis=(2, 3))),
                                ("per_class", np.einsum("nmkk->nmk", full))):
            close(ntk.kernel(left, other, reduction=reduction, **options), want)


@EVERY
def test_one_batch_gives_a_positive_symmetric_matrix(name, kind, tiles):
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

@EVERY
def test_adjoint_by_differences(name, kind, tiles):
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
def test_what_is_constant_is_left_out(name, kind, tiles):
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


@EVERY
@pytest.mark.parametrize("silent", [(0, 2), (0,), (2,), range(5)], ids=str)
def test_units_without_signals_are_left_out(name, kind, silent, tiles):
    """Silence `silent` units of the last hidden layer; on the right, not unit 2."""
    left, right, options, rng = example(name, kind)
    silent, every = [u for u in silent if u < left[1][-2].shape[-1]], len(silent) == 5
    left[1][-2][..., silent] = 0
    right[1][-2][..., [unit for unit in silent if unit != 2 or every]] = 0
    close(ntk.kernel(left, right, **options),
          explicit(left, right, options.get("masks")))
    close(ntk.kernel(left, **options), explicit(left, left, options.get("masks")))
    D = rng.normal(size=(5, 7, 3, 3))
    (da, dg), (db, dh) = ntk.adjoint(left, right, D, **options)
    L = len(da)
    assert not dh[-2][..., silent].any()
    if every:       # nothing left of the layer
        assert not (dg[-2].any() or da[-2].any() or db[-2].any()) and da[-1].any()
        return

    def loss(p):
        return float(np.sum(D * ntk.kernel((p[:L], p[L:2 * L]),
                                           (p[2 * L:3 * L], p[3 * L:]), **options)))

    checks.directional(loss, [*left[0], *left[1], *right[0], *right[1]],
                       [*da, *dg, *db, *dh], rng, rtol=1e-10, step=1e-2)


def test_the_masked_inputs_have_no_gradient():
    left, right, _, rng = example("dense", "through_mask")
    masks = [np.ones((4, 5)), np.ones((3, 4))]
    masks[0][:, 2] = 0
    (da, _), _ = ntk.adjoint(left, right, rng.normal(size=(5, 7, 3, 3)), masks=masks,
                             kind="through_mask")
    assert not da[0][:, 2].any() and da[0][:, [0, 1, 3, 4]].all()


# --- memory ----------------------------------------------------------------------

SIZES = [([(784, 300), (300, 100), (100, 10)], 64, 10),
         ([(20, 1500), (1500, 2)], 60, 2),
         ([(576, 25, 20), (64, 500, 50), (800, 500), (500, 10)], 8, 10)]


@pytest.mark.parametrize("net, N, K", SIZES, ids=["mlp", "wide", "convolution"])
@pytest.mark.parametrize("kind", ntk.KINDS)
@pytest.mark.parametrize("one", [True, False], ids=["one", "two"])
def test_memory_is_estimated_to_a_factor_of_two(net, N, K, kind, one):
    rng = np.random.default_rng(6)
    left, right = (draw(net, n, K, rng, np.float32) for n in (N, N // 2))
    masks = draw_masks(net, rng)
    left_shapes, right_shapes = (tuple([a.shape for a in part] for part in batch)
                                 for batch in (left, right))
    for reduction in ntk.REDUCTIONS:
        told = ntk.estimate_memory(left_shapes, None if one else right_shapes,
                                   kind=kind, reduction=reduction)
        tracemalloc.start()
        ntk.kernel(left, None if one else right, masks=masks, kind=kind,
                   reduction=reduction)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert told / 2 < peak < told * 2, (reduction, told, peak)


def wide(n):
    return [(n, 20), (n, 6)], [(n, 3, 6), (n, 3, 3)]


def narrow(n):
    return [(n, 2), (n, 8)], [(n, 3, 8), (n, 3, 3)]


def patches(n):
    return [(n, 9, 4)], [(n, 3, 9, 2)]


# Of 5 and 7 samples and 3 units: result, masked weights, then what the largest layer
# holds beside the product of its signals.  Of 5 alone: the same with 5 in place of 7.
@pytest.mark.parametrize("shapes, kind, reduction, two, one", [
    (wide, "at_masked", "full", 315 + 35 * 3 + 315, 225 + 25 * 3 + 225),
    (wide, "at_masked", "trace_mean", 35 + 35 + 35, 25 + 25 + 25),
    (wide, "at_masked", "trace_sum", 35 + 35 + 35, 25 + 25 + 25),
    (wide, "at_masked", "per_class", 105 + 35 + 35, 75 + 25 + 25),
    (wide, "at_masked", "sum_logits", 12 * 9 + 35 + 35 + 35, 5 * 9 + 25 + 25 + 25),
    (wide, "through_mask", "full", 315 + 138 + 35 * 32 + 315,
     225 + 138 + 25 * 32 + 225),
    (wide, "through_mask", "trace_sum", 35 + 138 + 35 * 32 + 35,
     25 + 138 + 25 * 32 + 25),
    (wide, "through_mask", "sum_logits", 12 * 9 + 35 + 138 + 35 * 32 + 35,
     5 * 9 + 25 + 138 + 25 * 32 + 25),
    (narrow, "through_mask", "full", 315 + 40 + 35 * 8 * 4 + 315,
     225 + 40 + 25 * 8 * 4 + 225),
    (narrow, "through_mask", "per_class", 105 + 40 + 35 * 8 * 3 + 35,
     75 + 40 + 25 * 8 * 3 + 25),
    (narrow, "through_mask", "sum_logits", 12 * 11 + 35 + 40 + 35 * 18 + 35,
     5 * 11 + 25 + 40 + 25 * 18 + 25),
    (patches, "at_masked", "full", 315 + 6 * (12 * 4 + 7 * 9) + 315,
     225 + 6 * (5 * 4 + 5 * 9) + 225),
    (patches, "at_masked", "sum_logits", 12 * 18 + 35 + 2 * (12 * 4 + 7 * 9) + 35,
     5 * 18 + 25 + 2 * (5 * 4 + 5 * 9) + 25),
    (patches, "through_mask", "per_class", 105 + 8 + 6 * (19 * 4 + 7 * 9) + 35,
     75 + 8 + 6 * (10 * 4 + 5 * 9) + 25)])
def test_memory_of_small_batches_by_hand(shapes, kind, reduction, two, one):
    options = {"kind": kind, "reduction": reduction}
    told = ntk.estimate_memory(shapes(5), shapes(7), **options)
    assert told == 4 * two and type(told) is int
    assert ntk.estimate_memory(shapes(5), **options) == 4 * one
    assert ntk.estimate_memory(shapes(5), dtype=float, **options) == 8 * one


# The same where a tile is of SIDE // 3 samples, or of as many as CHUNK allows, and a
# convolution of as many channels.
@pytest.mark.parametrize("shapes, kind, side, chunk, two", [
    (wide, "at_masked", 8, 90, 315 + 4 * 3 + 4 * 9),
    (wide, "at_masked", 2, 90, 315 + 1 * 3 + 1 * 9),
    (wide, "through_mask", 12, 90, 315 + 138 + 4 * 32 + 4 * 9),
    (wide, "through_mask", 12, 5, 315 + 138 + 1 * 32 + 1 * 9),
    (narrow, "through_mask", 12, 100, 315 + 40 + 4 * 32 + 4 * 9),
    (patches, "at_masked", 99, 378, 315 + 6 * (12 * 4 + 7 * 9) + 315),
    (patches, "at_masked", 99, 190, 315 + 3 * (12 * 4 + 7 * 9) + 315),
    (patches, "at_masked", 99, 10, 315 + 3 * (12 * 4 + 7 * 9) + 315),
    (patches, "through_mask", 99, 37, 315 + 8 + 3 * (19 * 4 + 7 * 9) + 30 * 9)])
def test_memory_of_tiles_by_hand(monkeypatch, shapes, kind, side, chunk, two):
    monkeypatch.setattr(ntk, "SIDE", side)
    monkeypatch.setattr(ntk, "CHUNK", chunk)
    assert ntk.estimate_memory(shapes(5), shapes(7), kind=kind) == 4 * two


def test_what_is_not_told_is_all_weights_and_the_full_kernel():
    left, right, options, rng = example("dense", "through_mask")
    close(ntk.kernel(left, right, masks=options["masks"]), explicit(left, right))
    D = rng.normal(size=(5, 7, 3, 3))
    (da, _), _ = ntk.adjoint(left, right, D, masks=options["masks"])
    close(da[0], ntk.adjoint(left, right, D, kind="at_masked")[0][0][0])
    shapes = tuple([a.shape for a in part] for part in left)
    assert ntk.estimate_memory(shapes) == ntk.estimate_memory(
        shapes, kind="at_masked", reduction="full", dtype=np.float32)
    assert ntk.estimate_memory(shapes) < ntk.estimate_memory(
        shapes, kind="through_mask")


def test_memory_of_one_sample_with_one_input_and_one_output():
    """Count the result, the sum <a, a> + 1 and the product of the signals."""
    assert ntk.estimate_memory(([(1, 1)], [(1, 1, 1)])) == 3 * 4


def test_reductions_do_not_form_the_full_kernel():
    shapes = [(1000, 100), (1000, 50)], [(1000, 10, 50), (1000, 10, 10)]
    full = ntk.estimate_memory(shapes, dtype=np.float64)
    assert full > 1000 ** 2 * 100 * 8
    for reduction in ntk.REDUCTIONS[1:]:
        assert ntk.estimate_memory(shapes, reduction=reduction) < full / 15
    assert ntk.estimate_memory(shapes) == full / 2
    rng = np.random.default_rng(7)
    batch = draw([(40, 30), (30, 10)], 200, 10, rng)
    tracemalloc.start()
    ntk.kernel(batch, reduction="trace_mean")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 ** 2 * 100 * 8 / 10


# --- house rules -----------------------------------------------------------------

@EVERY
def test_float32_is_kept_and_arguments_too(name, kind):
    left, right, options, rng = example(name, kind)
    D = rng.normal(size=(5, 7, 3, 3))
    wide = ntk.kernel(left, right, **options)
    left, right = (tuple([a.astype(np.float32) for a in part] for part in batch)
                   for batch in (left, right))
    before = [a.copy() for batch in (left, right) for part in batch for a in part]
    for reduction in ntk.REDUCTIONS:
        assert ntk.kernel(left, right, reduction=reduction,
                          **options).dtype == np.float32
    found = ntk.adjoint(left, right, D.astype(np.float32), **options)
    assert {a.dtype for batch in found for part in batch for a in part} \
        == {np.dtype(np.float32)}
    close(ntk.kernel(left, right, **options), wide, rtol=1e-5)
    after = [a for batch in (left, right) for part in batch for a in part]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


L0, R0, _, _ = example("dense", "at_masked")
C0, _, _, _ = example("convolution", "at_masked")
M0 = [np.ones((4, 5)), np.ones((3, 4))]
D0 = np.ones((5, 7, 3, 3))


def changed(batch, part, layer, value):
    parts = [list(batch[0]), list(batch[1])]
    parts[part][layer] = value
    return tuple(parts)


def one(array, value):
    """With one entry changed."""
    array = array.copy()
    array.flat[-1] = value
    return array


def through(masks):
    return ntk.kernel(L0, masks=masks, kind="through_mask")


@pytest.mark.parametrize("call, match", [
    (lambda: ntk.kernel(L0[0]), r"^left is not \(inputs, signals\)"),
    (lambda: ntk.kernel(None), "^left is not"),
    (lambda: ntk.kernel(([], [])), "^left is not"),
    (lambda: ntk.kernel((L0[0], L0[1][:1])), "^left is not"),
    (lambda: ntk.kernel((np.ones((1, 2, 3)), np.ones((1, 2, 3)))), "^left is not"),
    (lambda: ntk.kernel(changed(L0, 0, 1, L0[0][1][:4])), r"^left.inputs\[1\] is \(4"),
    (lambda: ntk.kernel(changed(L0, 0, 0, L0[0][0][0])), r"^left.inputs\[0\] is \(5,"),
    (lambda: ntk.kernel(changed(L0, 1, 1, L0[1][1][:, :2])), r"signals\[1\] is \(5, 2"),
    (lambda: ntk.kernel(changed(L0, 1, 0, L0[1][0][:, 0])), r"signals\[0\] is \(5, 4"),
    (lambda: ntk.kernel(changed(L0, 0, 0, L0[0][0][:, :0])), r"inputs\[0\] is \(5, 0"),
    (lambda: ntk.kernel(changed(L0, 0, 0, L0[0][0][:0])), r"inputs\[0\] is \(0, 5"),
    (lambda: ntk.kernel(changed(C0, 0, 0, C0[0][0][:, :2])), r"signals\[0\] .*P0"),
    (lambda: ntk.kernel(changed(L0, 0, 0, L0[0][0] * np.nan)), "^left.*nan.*finite"),
    (lambda: ntk.kernel(L0, changed(R0, 1, 1, R0[1][1] * np.inf)), "^right.*finite"),
    (lambda: ntk.kernel(changed(L0, 1, 1, one(L0[1][1], np.nan))), "^left.*finite"),
    (lambda: ntk.kernel(changed(C0, 0, 0, one(C0[0][0], np.inf))), "^left.*finite"),
    (lambda: ntk.kernel(changed(L0, 0, 0, L0[0][0].astype(int))), "^left.*float"),
    (lambda: ntk.kernel(changed(L0, 0, 1, L0[0][1].astype(int))), "^left.*float"),
    (lambda: ntk.kernel(L0, C0), r"^right is not .* 2 arrays"),
    (lambda: ntk.kernel(L0, tuple(part[:2] for part in C0)), r"^right.inputs\[0\] is"),
    (lambda: ntk.kernel(L0, changed(R0, 0, 0, np.ones((7, 6)))), "^right.inputs.0. is"),
    (lambda: ntk.kernel(L0, (R0[0][:1], R0[1][:1])), "^right is not"),
    (lambda: ntk.kernel(L0, (R0[0], [g[:, :2] for g in R0[1]])), "^right.signals"),
    (lambda: ntk.adjoint(L0, (R0[0], [g[:, :2] for g in R0[1]]), D0), "^right.signals"),
    (lambda: ntk.kernel(L0, kind="masked"), "^kind is 'masked'"),
    (lambda: ntk.kernel(L0, reduction="trace"), "^reduction is 'trace'"),
    (lambda: ntk.kernel(L0, reduction=None), "^reduction is None"),
    (lambda: through(None), "^masks is None"),
    (lambda: through(M0[:1]), "^masks has 1 arrays: must have 2"),
    (lambda: through([M0[0].T, M0[1]]), r"^masks\[0\] is \(5, 4\)"),
    (lambda: through([M0[0].ravel(), M0[1]]), r"^masks\[0\] is \(20,\)"),
    (lambda: through([M0[0][..., None], M0[1]]), r"^masks\[0\] is \(4, 5, 1\)"),
    (lambda: through([M0[0], M0[1] / 2]), r"^masks\[1\] .*in \{0, 1\}"),
    (lambda: through([M0[0], M0[1] * np.nan]), r"^masks\[1\] .*in \{0, 1\}"),
    (lambda: through([one(M0[0], 0.5), M0[1]]), r"^masks\[0\] .*in \{0, 1\}"),
    (lambda: through([one(M0[0], 2.0), M0[1]]), r"^masks\[0\] .*in \{0, 1\}"),
    (lambda: ntk.adjoint(L0, None, D0), "^right is not"),
    (lambda: ntk.adjoint(L0, R0, D0[0]), r"^dkernel is \(7, 3, 3\)"),
    (lambda: ntk.adjoint(L0, R0, D0.swapaxes(0, 1)), r"^dkernel is \(7, 5"),
    (lambda: ntk.adjoint(L0, R0, D0[:, :6]), r"^dkernel is \(5, 6"),
    (lambda: ntk.adjoint(L0, R0, D0[..., :2]), r"^dkernel is \(5, 7, 3, 2\)"),
    (lambda: ntk.adjoint(L0, R0, D0 * np.nan), "^dkernel .* finite"),
    (lambda: ntk.adjoint(L0, R0, one(D0, np.inf)), "^dkernel .* finite"),
    (lambda: ntk.adjoint(L0, R0, D0, kind="through_mask"), "^masks is None"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(4, 3, 2)])), "^left has inputs"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3)])), "^left has inputs"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3, 0)])), "^left has inputs"),
    (lambda: ntk.estimate_memory(([(5,)], [(5, 3, 2)])), "^left has inputs"),
    (lambda: ntk.estimate_memory(([(5, 4), (5, 2)], [(5, 3, 2), (5, 2, 2)])),
     r"^left has inputs\[1\]"),
    (lambda: ntk.estimate_memory(([(5, 9, 4)], [(5, 3, 8, 2)])), "^left has inputs"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3, 2)]), ([], [])), "^right is not"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3, 2)]), kind=1), "^kind is 1"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3, 2)]), reduction=""),
     "^reduction is ''"),
    (lambda: ntk.estimate_memory(([(5, 4)], [(5, 3, 2)]), dtype=int), "^dtype is")])
def test_bad_input_is_named(call, match):
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=match):
        call()


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
    with pytest.raises(ValueError, match=r"^left.signals\[0\] is .*finite"):
        ntk.kernel(huge)


@pytest.mark.parametrize("reduction", ntk.REDUCTIONS)
def test_the_estimate_covers_every_reduction(reduction):
    N = 2000
    batch = [np.ones((N, 3), "f4")], [np.ones((N, 2, 2), "f4")]
    ntk.kernel(batch, reduction=reduction)              # imports
    tracemalloc.start()
    ntk.kernel(batch, reduction=reduction)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = ntk.estimate_memory(([(N, 3)], [(N, 2, 2)]), reduction=reduction)
    assert peak < 1.15 * estimate
