# refsnn 0.1.0 | pruning.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute masks that prune weights by magnitude, by saliency or at random.

A mask is 0 for pruned weights and 1 for kept weights.  With scope="layer",
the weights of each layer form a group.  With scope="global", all weights
form one group.  Of the P weights W of a group, about rho P weights are
kept, where rho is the density.  All methods except random pruning compare
the score of each weight with a threshold.  Let s be the scores of a group
in ascending order.  The threshold is the score s_idx with

    idx = int((1 - rho) P), at most P - 1                (1)  [LZ20]

The methods keep the following weights:

    magnitude     |W| > s_idx,  s = |W|                  (2)  [LZ20]
    snip          |W g| >= s_idx,  s = |W g|             (3)  [LZ20]
    grasp         W h >= s_idx,  s = W h                 (4)  [WZG20]
    random        P - idx - 1 weights, chosen uniformly  (5)

In single-shot network pruning (SNIP), g is the gradient of a loss with
respect to W.  In gradient signal preservation (GraSP), h = H g is the
product of the Hessian H of the loss and the gradient g.  To first order,
the removal of one weight W changes |g|^2 / 2 by -W h.  GraSP keeps the
weights whose removal would reduce |g| most.  SNIP and GraSP use the
cross-entropy loss, which needs labels.  Logit SNIP needs no labels,
because its loss depends only on the outputs f:

    L = sum_n ||f(x_n)||^2,  dL/df = 2 f                 (6)  [LZ20]

The function `scaled` divides the masked weights by the square root of the
density.  Assume that the masks do not depend on the weights.  With the
scaled weights, the summed input of a unit has about the same variance as
without pruning:

    W / sqrt(rho)                                        (7)  [LZ20]

Derivation.  If no two scores are equal, rule (2) keeps P - idx - 1
    weights, and rules (3) and (4) keep P - idx weights.  At low density,
    rule (2) can therefore prune all weights of a small layer.  If several
    weights have the score s_idx, rule (2) prunes them, and rules (3) and
    (4) keep them.
Exact.  As in the code of [LZ20], (1 - rho) P is computed in float64.
    Rounding can decrease the index idx by one, for example for rho = 0.9
    and P = 10.  Biases are not pruned.
Cost.   Time and memory are O(P).
Departures.  The code of [LZ20] computes random masks by permuting only the
    first axis of the magnitude mask, with a fixed random seed.  Rule (5)
    samples from all weights of a group.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
[WZG20] C. Wang, G. Zhang and R. Grosse, ICLR 2020, arXiv 2002.07376.
"""

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of

__all__ = ["density", "grasp", "logit_doutputs", "magnitude", "random", "scaled",
           "snip"]

SCOPES = ("layer", "global")


def magnitude(weights, rho, *, scope="layer"):
    """Compute masks that keep the weights of largest magnitude, eq. (2).  Return
    a list of arrays of 0 and 1, with the shapes and the dtype of the weights.

    >>> magnitude([np.array([[0.1, -4.0], [3.0, 2.0]])], 0.75)[0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]

    Parameters
    ----------
    weights : list of arrays of float, one for each layer, without biases
    rho : float, density in (0, 1]; at 1, rule (2) prunes the smallest weight
    scope : {"layer", "global"}, the weights that form a group
    """
    weights, _, rho = _checked(weights, rho)

    def keep(score):
        return score > _threshold(score, rho)                              # (2)

    return _by_group([np.abs(W) for W in weights], scope, keep)


def _by_group(scores, scope, keep):
    one_of("scope", scope, *SCOPES)
    flat = [score.ravel() for score in scores]
    if scope == "layer":
        kept = [keep(score) for score in flat]
    else:
        ends = np.cumsum([score.size for score in flat])[:-1]
        kept = np.split(keep(np.concatenate(flat)), ends)
    return [mask.reshape(score.shape).astype(score.dtype)
            for mask, score in zip(kept, scores, strict=True)]


def _index(rho, size):
    return min(int((1 - rho) * size), size - 1)                            # (1)


def _threshold(scores, rho):
    index = _index(rho, scores.size)
    return np.partition(scores, index)[index]


def snip(weights, gradients, rho, *, scope="global"):
    """Compute masks by single-shot network pruning (SNIP), eq. (3).

    >>> snip([np.array([1.0, -3.0])], [np.array([5.0, 0.0])], 0.5)[0].tolist()
    [1.0, 0.0]

    Results as for `magnitude`.

    Parameters
    ----------
    weights, rho, scope : as for `magnitude`
    gradients : list of arrays of float, g for each layer
    """
    products, rho = _products(weights, "gradients", gradients, rho)

    def keep(score):
        return score >= _threshold(score, rho)                             # (3)

    return _by_group([np.abs(product) for product in products], scope, keep)


def _products(weights, name, slopes, rho):
    weights, slopes, rho = _checked(weights, rho, name, slopes)
    with np.errstate(over="ignore"):
        products = [W * slope for W, slope in zip(weights, slopes, strict=True)]
    return arrays(f"weights*{name}[] (...)", products)[0], rho


def grasp(weights, hessian_gradients, rho, *, scope="global"):
    """Compute masks by gradient signal preservation (GraSP), eq. (4).

    >>> grasp([np.array([1.0, -3.0])], [np.array([0.5, 4.0])], 0.5)[0].tolist()
    [1.0, 0.0]

    Results as for `magnitude`.

    Parameters
    ----------
    weights, rho, scope : as for `snip`
    hessian_gradients : list of arrays of float, h = H g for each layer
    """
    products, rho = _products(weights, "hessian_gradients", hessian_gradients, rho)

    def keep(score):
        return score >= _threshold(score, rho)                             # (4)

    return _by_group(products, scope, keep)


def logit_doutputs(outputs):
    """Return the derivative dL/df, of shape (N, K), by eq. (6).  The loss L is
    the sum of all squared outputs f.  The function `mlp.backward` converts
    dL/df to the gradient g.

    >>> logit_doutputs(np.array([[1.0, -3.0]])).tolist()
    [[2.0, -6.0]]

    Parameters
    ----------
    outputs : (N, K) float, network outputs (logits) for N samples
    """
    outputs, = arrays("outputs (N, K) float", outputs)
    return 2 * outputs                                                     # (6)


def random(weights, rho, rng, *, scope="layer"):
    """Compute masks that keep randomly chosen weights, eq. (5).

    >>> masks = random([np.ones((5, 8))], 0.5, np.random.default_rng(1))
    >>> float(masks[0].sum())
    19.0

    Results as for `magnitude`.

    Parameters
    ----------
    weights, rho, scope : as for `magnitude`, but values have no effect
    rng : numpy.random.Generator, which draws one permutation per group
    """
    weights, _, rho = _checked(weights, rho)
    one_of("rng", rng, np.random.Generator)

    def keep(score):
        return rng.permutation(score.size) > _index(rho, score.size)       # (5)

    return _by_group(weights, scope, keep)


def density(masks):
    """Return the fraction of kept weights in the whole network, and a list of the
    fractions in each layer.

    >>> density([np.array([1.0, 0.0]), np.array([1.0, 1.0])])
    (0.75, [0.5, 1.0])

    Parameters
    ----------
    masks : list of arrays of 0 and 1
    """
    masks, = arrays("masks[] (...) in {0, 1}", masks)
    if not masks or not all(mask.size for mask in masks):
        raise ValueError("masks has no arrays, or empty arrays: must have at least one "
                         "array, and no empty arrays")
    counts = [(int(np.count_nonzero(mask)), mask.size) for mask in masks]
    kept, size = map(sum, zip(*counts, strict=True))
    return kept / size, [some / of for some, of in counts]


def scaled(weights, masks, rho):
    """Return the list of masked weights after division by sqrt(rho), eq. (7).

    >>> scaled([np.array([3, 2.0])], [np.array([0.0, 1.0])], 0.25)[0].tolist()
    [0.0, 4.0]

    Parameters
    ----------
    weights, rho : as for `magnitude`
    masks : list of arrays of 0 and 1, in the shapes of the weights
    """
    weights, masks, rho = _checked(weights, rho, "masks", masks, " in {0, 1}")
    return [(W * mask / np.sqrt(rho)).astype(W.dtype)                      # (7)
            for W, mask in zip(weights, masks, strict=True)]


def _checked(weights, rho, name="weights", others=None, rule=""):
    rho, = arrays("rho () in (0, 1]", rho)              # in float64, as in [LZ20]
    weights, others = arrays(f"weights[] (...) float, {name}[] (...){rule}", weights,
                             weights if name == "weights" else others)
    shapes, found = ([a.shape for a in given] for given in (weights, others))
    if shapes != found:
        raise ValueError(f"{name} has the shapes {found}, weights has {shapes}: must "
                         "be equal")
    if not shapes or not all(W.size for W in weights):
        raise ValueError(f"weights has the shapes {shapes}: must have at least one "
                         "array, and no empty arrays")
    return weights, others, rho
