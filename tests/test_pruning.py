"""Pruning masks: counts, thresholds, ties and uniform randomness."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from proofs import proves

from refsnn import mlp, pruning

LENET = [(300, 784), (100, 300), (10, 100)]
CAFFE = [(20, 5, 5, 1), (50, 5, 5, 20), (500, 800), (10, 500)]


def draw(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def counts(masks):
    return [int(mask.sum()) for mask in masks]


def same(masks, others):
    """Equal, and neither all ones nor all zeros."""
    assert 0 < pruning.density(masks)[0] < 1
    return all((a == b).all() for a, b in zip(masks, others, strict=True))


@st.composite
def layers(draw):
    """Draw (weights without ties, rho that keeps some and prunes some, rng)."""
    rng = np.random.default_rng(draw(strategies.SEEDS))
    shapes = draw(st.lists(st.tuples(st.integers(2, 6), st.integers(5, 9)),
                           min_size=1, max_size=3))
    return ([rng.normal(size=shape) for shape in shapes],
            draw(st.floats(0.3, 0.85)), rng)


# --- counts ----------------------------------------------------------------------

@proves("pruning", 1, 5)
@pytest.mark.parametrize("shapes, want", [
    (LENET, [7055, 899, 29]), (CAFFE, [14, 749, 11999, 149])], ids=["mlp", "conv"])
def test_counts_are_those_of_the_authors(shapes, want):
    weights = draw(shapes)
    assert counts(pruning.magnitude(weights, 0.03)) == want
    assert counts(pruning.random(weights, 0.03, np.random.default_rng(1))) == want
    saliency = pruning.snip(weights, draw(shapes, 2), 0.03, scope="layer")
    assert counts(saliency) == [n + 1 for n in want]
    total = sum(W.size for W in weights)
    for masks in (pruning.magnitude(weights, 0.03, scope="global"),
                  pruning.random(weights, 0.03, np.random.default_rng(1),
                                 scope="global")):
        assert sum(counts(masks)) == total - int(0.97 * total) - 1
        assert counts(masks) != want


@proves("pruning", 1, 2, 3)
def test_by_hand():
    """Five weights at density 0.6: idx is 2, the threshold 3."""
    weights = [np.array([1.0, -5.0, 3.0, -2.0, 4.0])]
    assert pruning.magnitude(weights, 0.6)[0].tolist() == [0, 1, 0, 0, 1]
    assert pruning.snip(weights, [np.ones(5)], 0.6)[0].tolist() == [0, 1, 1, 0, 1]
    assert pruning.snip(weights, [np.array([9.0, 0.0, 1.0, 1.0, -1.0])],
                        0.6)[0].tolist() == [1, 0, 1, 0, 1]
    assert pruning.magnitude(weights, 1)[0].tolist() == [0, 1, 1, 1, 1]
    assert pruning.snip(weights, [np.ones(5)], 1.0)[0].tolist() == [1] * 5


@proves("pruning", 4)
def test_grasp_by_hand():
    """The products w h are 1, -10, 3, 4 and -8: the largest stay, not the farthest."""
    weights, products = [np.array([1.0, -5.0, 3.0, -2.0, 4.0])], [np.array(
        [1.0, 2.0, 1.0, -2.0, -2.0])]
    assert pruning.grasp(weights, products, 0.6)[0].tolist() == [1, 0, 1, 1, 0]
    two = [weights[0], np.array([7.0, 8.0])], [products[0], np.ones(2)]
    assert [a.tolist() for a in pruning.grasp(*two, 0.3)] == [[0, 0, 0, 1, 0], [1, 1]]
    assert [a.tolist() for a in pruning.grasp(*two, 0.5, scope="layer")] == [
        [1, 0, 1, 1, 0], [0, 1]]


def test_ties_with_the_threshold_go_or_stay_together():
    weights = [np.array([3.0, -3.0, 3.0, 1.0, 7.0])]
    assert pruning.magnitude(weights, 0.6)[0].tolist() == [0, 0, 0, 0, 1]
    assert pruning.snip(weights, [np.ones(5)], 0.6)[0].tolist() == [1, 1, 1, 0, 1]
    assert not pruning.magnitude([np.full((3, 3), 2.0)], 0.5)[0].any()


def test_the_smallest_density_of_all():
    weights = draw([(3, 4)])
    assert counts(pruning.magnitude(weights, 1e-300)) == [0]
    assert counts(pruning.snip(weights, weights, 1e-300)) == [1]


# --- properties ------------------------------------------------------------------

@proves("pruning", 1, 2)
@given(layers())
def test_the_largest_stay(drawn):
    weights, rho, _ = drawn
    for mask, W in zip(pruning.magnitude(weights, rho), weights, strict=True):
        assert np.abs(W)[mask == 1].min() > np.abs(W)[mask == 0].max()
        assert mask.sum() == W.size - int((1 - rho) * W.size) - 1


@given(layers())
def test_scale_and_sign_do_not_matter(drawn):
    weights, rho, rng = drawn
    gradients = [rng.normal(size=W.shape) for W in weights]
    turned = [-8.0 * W for W in weights]
    for scope in pruning.SCOPES:
        assert same(pruning.magnitude(weights, rho, scope=scope),
                    pruning.magnitude(turned, rho, scope=scope))
        assert same(pruning.snip(weights, gradients, rho, scope=scope),
                    pruning.snip(turned, gradients, rho, scope=scope))
        assert same(pruning.snip(weights, gradients, rho, scope=scope),
                    pruning.snip(gradients, weights, rho, scope=scope))


@given(layers())
def test_masks_move_with_the_weights(drawn):
    weights, rho, rng = drawn
    orders = [rng.permutation(W.size) for W in weights]

    def moved(arrays):
        return [a.ravel()[order].reshape(a.shape)
                for a, order in zip(arrays, orders, strict=True)]

    gradients = [rng.normal(size=W.shape) for W in weights]
    for scope in pruning.SCOPES:
        assert same(moved(pruning.magnitude(weights, rho, scope=scope)),
                    pruning.magnitude(moved(weights), rho, scope=scope))
        assert same(moved(pruning.snip(weights, gradients, rho, scope=scope)),
                    pruning.snip(moved(weights), moved(gradients), rho, scope=scope))


@given(layers())
def test_global_is_one_layer_of_all(drawn):
    weights, rho, rng = drawn
    gradients = [rng.normal(size=W.shape) for W in weights]
    whole = [np.concatenate([W.ravel() for W in weights])]
    slope = [np.concatenate([g.ravel() for g in gradients])]
    for found, want in (
            (pruning.magnitude(weights, rho, scope="global"),
             pruning.magnitude(whole, rho)),
            (pruning.snip(weights, gradients, rho), pruning.snip(whole, slope, rho)),
            (pruning.random(weights, rho, np.random.default_rng(3), scope="global"),
             pruning.random(whole, rho, np.random.default_rng(3)))):
        assert same([np.concatenate([mask.ravel() for mask in found])], want)


@given(layers())
def test_a_denser_mask_contains_a_sparser_one(drawn):
    weights, rho, _ = drawn
    for scope in pruning.SCOPES:
        more = pruning.magnitude(weights, rho, scope=scope)
        less = pruning.magnitude(weights, rho / 2, scope=scope)
        assert all((a >= b).all() for a, b in zip(more, less, strict=True))
        assert sum(counts(more)) > sum(counts(less))


def test_scopes_differ():
    weights = draw([(20, 30), (20, 30)])
    weights[1] *= 1e-6
    assert counts(pruning.magnitude(weights, 0.5)) == [299, 299]
    assert counts(pruning.magnitude(weights, 0.5, scope="global"))[1] == 0


# --- at random -------------------------------------------------------------------

def chi_square(kept, draws, share):
    """Return the sum of squared deviations over their variance, about P - 1."""
    return float(np.sum((kept - draws * share) ** 2) / (draws * share * (1 - share))
                 * (1 - 1 / kept.size))


@proves("pruning", 5)
def test_random_masks_are_uniform():
    """All positions are kept equally often, and so are pairs of the first 8.

    Without a bias the statistic has the mean P - 1 and the standard
    deviation sqrt(2 (P - 1)), which it exceeds four times by chance in one
    of 10^4 seeds.
    """
    rng, draws, weights = np.random.default_rng(11), 4000, [np.ones((6, 10))]
    masks = np.array([pruning.random(weights, 0.35, rng)[0].ravel()
                      for _ in range(draws)])
    assert (masks.sum(axis=1) == 60 - int(0.65 * 60) - 1).all()
    statistic = chi_square(masks.sum(axis=0), draws, masks[0].mean())
    assert abs(statistic - 59) < 4 * np.sqrt(2 * 59)
    both = (masks.T @ masks)[np.triu_indices(8, 1)]
    kept = masks[0].sum()
    pair = kept * (kept - 1) / (60 * 59)
    assert np.abs(both - draws * pair).max() < 5 * np.sqrt(draws * pair * (1 - pair))


def test_a_bias_is_seen():
    """Fixed counts for each row, and a permutation that never changes."""
    rng, draws, base = np.random.default_rng(12), 4000, np.zeros((6, 10))
    base[:, :2], base[0] = 1, 1
    rows = np.array([rng.permuted(base, axis=1).ravel() for _ in range(draws)])
    fixed = np.array([base.ravel()] * draws)
    for masks in (rows, fixed):
        assert chi_square(masks.sum(axis=0), draws, base.mean()) > 59 + 40 * 11


def test_random_masks_depend_on_the_seed_alone():
    weights = draw([(9, 8), (5, 9)])
    first, again, other = (
        pruning.random(w, 0.4, np.random.default_rng(seed))
        for w, seed in ((weights, 1), (draw([(9, 8), (5, 9)], 7), 1), (weights, 2)))
    assert same(first, again) and not same(first, other)
    rng = np.random.default_rng(1)
    assert not same(*(pruning.random(weights, 0.4, rng) for _ in range(2)))


@proves("pruning", 7)
def test_scaled_weights_keep_the_variance_of_the_input():
    rng = np.random.default_rng(5)
    weights = draw([(400, 300)])
    masks = pruning.random(weights, 0.1, rng)
    sparse = pruning.scaled(weights, masks, 0.1)
    x = rng.normal(size=300)
    assert (sparse[0] == weights[0] * masks[0] / np.sqrt(0.1)).all()
    ratio = np.var(sparse[0] @ x) / np.var(weights[0] @ x)
    assert 0.7 < ratio < 1.3
    assert np.var((weights[0] * masks[0]) @ x) / np.var(weights[0] @ x) < 0.2


# --- logit SNIP ------------------------------------------------------------------

@proves("pruning", 6)
def test_logit_saliency_is_the_change_of_the_squared_logits():
    """Compare |w dL/dw| with finite differences of sum ||f||^2."""
    rng = np.random.default_rng(6)
    weights, biases = mlp.init((4, 5, 3), rng)
    x = rng.normal(size=(6, 4))
    record = mlp.forward(weights, biases, x, "tanh")
    found = mlp.backward(weights, record, pruning.logit_doutputs(record.outputs),
                         "tanh").weights
    for layer, W in enumerate(weights):
        slopes = np.empty(W.shape)
        for i in np.ndindex(*W.shape):
            values = []
            for h in (1e-5, -1e-5):
                moved = [V.copy() for V in weights]
                moved[layer][i] += h
                f = mlp.forward(moved, biases, x, "tanh").outputs
                values.append(np.sum(f ** 2))
            slopes[i] = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(found[layer], slopes, rtol=1e-6,
                                   atol=1e-6 * np.abs(slopes).max())
    masks = pruning.snip(weights, found, 0.4)
    scores = np.concatenate([np.abs(W * g).ravel()
                             for W, g in zip(weights, found, strict=True)])
    kept = np.concatenate([mask.ravel() for mask in masks])
    assert kept.sum() == 35 - int(0.6 * 35)
    assert scores[kept == 1].min() > scores[kept == 0].max()
    assert not same(masks, pruning.magnitude(weights, 0.4, scope="global"))


# --- house rules -----------------------------------------------------------------

def test_density_counts():
    masks = [np.array([[1.0, 0.0], [0.0, 0.0]]), np.ones(4)]
    assert pruning.density(masks) == (0.625, [0.25, 1.0])


def test_dtype_and_arguments_are_kept():
    weights = [W.astype(np.float32) for W in draw([(4, 5), (3, 2, 2, 1)])]
    before = [W.copy() for W in weights]
    rng = np.random.default_rng(1)
    for masks in (pruning.magnitude(weights, 0.5), pruning.random(weights, 0.5, rng),
                  pruning.snip(weights, draw([(4, 5), (3, 2, 2, 1)]), 0.5),
                  pruning.scaled(weights, pruning.magnitude(weights, 0.5), 0.5)):
        assert {m.dtype for m in masks} == {np.dtype(np.float32)}
        assert [m.shape for m in masks] == [W.shape for W in weights]
    assert all((a == b).all() for a, b in zip(weights, before, strict=True))
    assert pruning.logit_doutputs(weights[0]).dtype == np.float32


W0 = draw([(4, 5), (3, 4)])
M0 = [np.ones((4, 5)), np.zeros((3, 4))]


def test_arrays_are_cast_to_the_dtype_of_the_first_weights():
    weights = [W0[0].astype(np.float32), W0[1]]
    g = draw([(4, 5), (3, 4)], 2)
    for masks in ([mask > 0 for mask in M0], [mask.astype(int) for mask in M0]):
        assert pruning.density(masks) == pruning.density(M0)
        for a, b in zip(pruning.scaled(weights, masks, 0.5),
                        pruning.scaled(weights, M0, 0.5), strict=True):
            assert a.dtype == b.dtype and (a == b).all()
    found = pruning.snip(weights, g, 0.5)
    assert [mask.dtype for mask in found] == [np.float32, np.float32]
    assert same(found, pruning.snip(weights, [g[0].astype(np.float32), g[1]], 0.5))


@proves("pruning", 1)
def test_the_index_is_computed_in_float64():
    """In float64, (1 - 0.9) 10 is below 1, and the index is 0; in float32, it is 1."""
    weights = [np.arange(1, 11, dtype=np.float32)]
    assert counts(pruning.magnitude(weights, 0.9)) == [9]
    assert counts(pruning.snip(weights, weights, 0.9)) == [10]
