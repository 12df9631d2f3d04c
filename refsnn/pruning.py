# refsnn 0.1.0 | pruning.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Masks that prune a network: by magnitude, by saliency, at random.

Of a group of P weights w (one layer, or all layers strung together where
scope="global"), the density rho asks for about rho P.  With the scores in
ascending order s_0 <= s_1 <= ..., and the index

    idx = int((1 - rho) P)                               (1)  [LZ20] eq. ?

a weight is kept, mask 1, where

    magnitude     |w| > s_idx,  s = |w|                  (2)  [LZ20] eq. ?
    snip          |w g| >= s_idx,  s = |w g|             (3)  [LZ20] eq. ?
    random        it is one of P - idx - 1, all sets alike   (4)

where g is the gradient of a loss by w: the cross-entropy for SNIP, and for
its label-free form ("logit SNIP"), by way of its derivative by the logits,

    L = sum_n ||f(x_n)||^2,  dL/df = 2 f                 (5)  [LZ20] eq. ?

Weights that are kept may be scaled up to keep the size of a unit's input,

    w / sqrt(rho)                                        (6)  [LZ20] eq. ?

Derivation.  (2) is strict: the weight at the threshold goes too, and all
    that tie with it; without ties P - idx - 1 stay, none of a small layer
    at a low density.  (3) is not: P - idx stay, and all that tie.
Exact.  Biases are never pruned.  A mask is to be multiplied with weights.
Cost.   O(P log P) time, O(P) memory.
Departures.  The authors' random baseline permutes the magnitude mask along
    its first axis, by a key that never changes: a dense unit keeps the
    number of its inputs, in a convolution only the row of the patch moves,
    and "global" is ignored.  Here (4) draws from all positions, with the
    count of (2).

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

import numpy as np

__all__ = ["density", "logit_doutputs", "magnitude", "random", "scaled", "snip"]

SCOPES = ("layer", "global")


def _arrays(name, arrays, like=None):
    """Float arrays, finite and not empty, of the shapes of others."""
    if not isinstance(arrays, (list, tuple)) or not arrays:
        raise ValueError(f"{name} is {type(arrays).__name__}: must be a list of "
                         "arrays, not empty")
    arrays = [np.asarray(array) for array in arrays]
    if like is not None and [a.shape for a in arrays] != [a.shape for a in like]:
        raise ValueError(f"{name} is of shapes {[a.shape for a in arrays]}: must be of "
                         f"those of weights, {[a.shape for a in like]}")
    for at, array in enumerate(arrays):
        if array.dtype not in (np.float32, np.float64) or array.size == 0:
            raise ValueError(f"{name}[{at}] is of shape {array.shape}, dtype "
                             f"{array.dtype}: must be a float array, not empty")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}[{at}] has NaN or infinite entries: must be "
                             "finite")
    return arrays


def _binary(masks, like=None):
    masks = _arrays("masks", masks, like)
    for at, mask in enumerate(masks):
        if not ((mask == 0) | (mask == 1)).all():
            raise ValueError(f"masks[{at}] has entries that are neither 0 nor 1")
    return masks


def _density(rho):
    if isinstance(rho, (bool, np.bool_)) or np.ndim(rho) \
            or np.asarray(rho).dtype.kind not in "fiu" or not 0 < rho <= 1:
        raise ValueError(f"rho is {rho!r}: must be a number in (0, 1]")
    return float(rho)


def _by_group(scores, scope, keep):
    """Masks of keep(flat scores) -> flat bool, for each layer or for all."""
    if not isinstance(scope, str) or scope not in SCOPES:
        raise ValueError(f"scope is {scope!r}: must be one of {', '.join(SCOPES)}")
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


def magnitude(weights, rho, *, scope="layer"):
    """Masks that keep the weights of largest magnitude, eq. (2).

    Parameters
    ----------
    weights : list of arrays of float
        One of any shape for each layer, biases left out.
    rho : float
        Density, in (0, 1].  At 1 the rule still drops the smallest.
    scope : str
        "layer": each layer by itself; "global": all of them together.

    Returns
    -------
    list of arrays of 0 and 1
        In the shapes and dtypes of the weights.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> magnitude([np.array([[0.1, -4.0], [3.0, 2.0]])], 0.75)[0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    weights, rho = _arrays("weights", weights), _density(rho)
    return _by_group([np.abs(W) for W in weights], scope,
                     lambda score: score > _threshold(score, rho))         # (2)


def snip(weights, gradients, rho, *, scope="global"):
    """Masks that keep the weights of largest saliency, eq. (3).

    Parameters
    ----------
    weights : list of arrays of float
        One of any shape for each layer, biases left out.
    gradients : list of arrays of float
        Of a loss by them: of the cross-entropy, or for logit SNIP of (5),
        which a model's `backward` returns for `logit_doutputs`.
    rho : float
        Density, in (0, 1].
    scope : str
        "layer": each layer by itself; "global": all of them together.

    Returns
    -------
    list of arrays of 0 and 1
        In the shapes and dtypes of the weights.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = [np.array([1.0, -2.0, 3.0])]
    >>> gradients = [np.array([5.0, 1.0, 0.0])]
    >>> snip(weights, gradients, 0.6)[0].tolist()
    [1.0, 1.0, 0.0]
    """
    weights, rho = _arrays("weights", weights), _density(rho)
    gradients = _arrays("gradients", gradients, weights)
    with np.errstate(over="ignore"):
        scores = [np.abs(W * g).astype(W.dtype)
                  for W, g in zip(weights, gradients, strict=True)]
    for at, score in enumerate(scores):
        if not np.isfinite(score).all():
            raise ValueError(f"gradients[{at}] overflows {score.dtype}, multiplied by "
                             "weights: must be of products that are finite")
    return _by_group(scores, scope,
                     lambda score: score >= _threshold(score, rho))        # (3)


def logit_doutputs(outputs):
    """Derivative of the label-free loss by the logits, eq. (5).

    Parameters
    ----------
    outputs : (N, K) float
        Logits of the samples that score the weights.

    Returns
    -------
    (N, K) float
        What to hand to `backward` to get the gradients that `snip` reads.

    Raises
    ------
    ValueError
        If outputs is no finite float array.

    Examples
    --------
    >>> logit_doutputs(np.array([[1.0, -3.0]])).tolist()
    [[2.0, -6.0]]
    """
    outputs, = _arrays("outputs", [outputs])
    if outputs.ndim != 2:
        raise ValueError(f"outputs is of shape {outputs.shape}: must be (N, K)")
    return 2 * outputs                                                     # (5)


def random(weights, rho, rng, *, scope="layer"):
    """Masks at random, as many weights kept as `magnitude` keeps, eq. (4).

    Parameters
    ----------
    weights : list of arrays of float
        Whose shapes and dtypes the masks have; their values do not matter.
    rho : float
        Density, in (0, 1].
    rng : numpy.random.Generator
        Source of randomness: one permutation for each group.
    scope : str
        "layer": each layer by itself; "global": all of them together.

    Returns
    -------
    list of arrays of 0 and 1
        In the shapes and dtypes of the weights.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> masks = random([np.ones((5, 8))], 0.5, np.random.default_rng(1))
    >>> float(masks[0].sum())
    19.0
    """
    weights, rho = _arrays("weights", weights), _density(rho)
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng is {rng!r}: must be a numpy.random.Generator")
    return _by_group(weights, scope, lambda score: rng.permutation(score.size)
                     > _index(rho, score.size))                            # (4)


def density(masks):
    """Share of the weights that masks keep, over all and for each layer.

    Parameters
    ----------
    masks : list of arrays of 0 and 1
        One for each layer.

    Returns
    -------
    whole, layers : float and list of float
        Of all layers together, and of each.

    Raises
    ------
    ValueError
        If an array is empty, or has entries other than 0 and 1.

    Examples
    --------
    >>> density([np.array([1.0, 0.0]), np.array([1.0, 1.0])])
    (0.75, [0.5, 1.0])
    """
    counts = [(int(np.count_nonzero(mask)), mask.size) for mask in _binary(masks)]
    kept, size = map(sum, zip(*counts, strict=True))
    return kept / size, [some / of for some, of in counts]


def scaled(weights, masks, rho):
    """Masked weights that are scaled up by their density, eq. (6).

    Parameters
    ----------
    weights : list of arrays of float
        One of any shape for each layer, biases left out.
    masks : list of arrays of 0 and 1
        Of the same shapes.
    rho : float
        Density, in (0, 1], asked for when the masks were made.

    Returns
    -------
    list of arrays of float
        The variance of a unit's input is about that of the dense network,
        for masks that are drawn without regard to the weights.

    Raises
    ------
    ValueError
        If a shape, dtype or option does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights, masks = [np.array([3.0, 2.0])], [np.array([0.0, 1.0])]
    >>> scaled(weights, masks, 0.25)[0].tolist()
    [0.0, 4.0]
    """
    weights, rho = _arrays("weights", weights), _density(rho)
    masks = _binary(masks, weights)
    return [(W * mask / np.sqrt(rho)).astype(W.dtype)                      # (6)
            for W, mask in zip(weights, masks, strict=True)]
