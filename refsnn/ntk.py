# refsnn 0.1.0 | ntk.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute and differentiate the empirical neural tangent kernel.

Let x_n and y_m be samples of two batches, let f_k be output k of a
network, and let theta_p be the weights and biases.  The kernel is

    kernel[n, m, k, q]
        = sum_p Q_p df_k(x_n)/dtheta_p df_q(y_m)/dtheta_p   (1)  [LZ20]

For kind="at_masked", Q_p is 1 for all parameters.  For
kind="through_mask", Q_p is 0 for pruned weights and 1 for all other
parameters.  For the sample x_n, let a_n be the inputs of a dense layer
with the weights W.  Let g_nk be the derivatives of output k with respect
to the pre-activations of this layer.  For the sample y_m, the inputs of
the layer are b_m, and the derivatives of output q are h_mq.  Such
derivatives with respect to pre-activations are called signals.  The
contribution of the layer to the kernel is

    sum_j C_j[n, m] g_nkj h_mqj,
    C_j[n, m] = 1 + sum_i Q_ji a_ni b_mi                    (2)

A convolutional layer has P output positions, i entries in each input
patch, and c output channels.  The array A_n of shape (P, i) holds the
input patches of the sample x_n.  For the sample x_n, the array G_nk of
shape (P, c) holds the derivatives of output k with respect to the
pre-activations.  The derivatives of output k with respect to the weights
and biases are sums over the positions:

    J_nk = G_nk^T A_n,  s_nk = sum G_nk                     (3)

The array B_m holds the input patches of the sample y_m.  The array H_mq
holds the signals (derivatives) of output q for the sample y_m.  Replacing
A_n by B_m and G_nk by H_mq in (3) gives the derivatives J_mq and s_mq.  If
`o` is the entrywise product, the contribution of a convolutional layer is

    <Q o J_nk, J_mq> + <s_nk, s_mq>                         (4)

Derivation.  Eqs. (2)-(4) follow from df_k(x_n)/dW_ji = g_nkj a_ni.  Let L
    be a loss with D = dL/dkernel.  In a dense layer, (2) gives

    R_j[n, m] = sum_kq D[n, m, k, q] g_nkj h_mqj            (5)
    da_ni = sum_mj R_j[n, m] Q_ji b_mi                      (6)
    dg_nkj = sum_mq D[n, m, k, q] C_j[n, m] h_mqj           (7)

    In a convolutional layer, (3) and (4) give

    dJ_nk = sum_mq D[n, m, k, q] Q o J_mq                   (8)
    ds_nk = sum_mq D[n, m, k, q] s_mq                       (9)
    dG_nk = A_n dJ_nk^T + ds_nk,  dA_n = sum_k G_nk dJ_nk   (10)

    Exchanging the two batches in (5)-(10) gives the derivatives of L with
    respect to the arrays of the second batch.
Exact.  All derivatives are evaluated at the masked weights of the network.
    If kind="at_masked", the sum in (1) includes the pruned weights, as in
    the code of [LZ20].  The kernel of kind "through_mask" describes the
    training of the masked network.
Cost.   Let the batches have N and M samples, and let K be the number of
    outputs.  A dense layer has i inputs and j units.

    layer          multiplications                  stored numbers
    dense          N M (i + K^2) j                  N M K j
    convolutional  (N + M) K P i c + N M K^2 i c    (N + M) K i c

Departures.  No departures are known.

[LZ20] T. Liu and F. Zenke, ICML 2020, arXiv 2006.08228.
"""

import math
from itertools import chain

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, flags, one_of

__all__ = ["adjoint", "kernel"]

KINDS = ("at_masked", "through_mask")
REDUCTIONS = ("full", "trace_mean", "trace_sum", "sum_logits", "per_class")
RULES = ("left.inputs[{0}] (N, {1}i{0}) float", "left.signals[{0}] (N, K, {1}j{0})",
         "right.inputs[{0}] (M, {1}i{0})", "right.signals[{0}] (M, K, {1}j{0})",
         "masks[{0}] (j{0}, i{0}) in {{0, 1}}")     # {0}: layer, {1}: position axis


def kernel(left, right=None, *, masks=None, kind="at_masked", reduction="full"):
    """Compute the tangent kernel (N, M, K, K) of two batches, eqs. (1)-(4).

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> kernel(batch)[:, :, 0, 0].tolist()
    [[5.0, 7.0], [7.0, 10.0]]

    Parameters
    ----------
    left : (inputs, signals)
        Two lists with one array for each layer, (N, i) and (N, K, j) for a
        dense layer, and (N, P, i) and (N, K, P, c) for a convolution.  The
        entries of a patch have the order row, column, channel.  Results have
        the dtype of the first array.
    right : (inputs, signals) of M samples, by default `left`
    masks : list of arrays of 0 and 1, optional
        Masks with the shapes of the weights, required by "through_mask".
    kind : {"at_masked", "through_mask"}, which selects Q_p in eq. (1)
    reduction : {"full", "per_class", "trace_sum", "trace_mean", "sum_logits"}
        "full" is eq. (1).  "per_class" (N, M, K) has the entries with k = q.
        "trace_sum" and "trace_mean" (N, M) are the sum and the mean of these
        entries.  "sum_logits" (N, M) is the kernel of the summed outputs.
    """
    one_of("reduction", reduction, *REDUCTIONS)
    layers, = _layers(left, left if right is None else right, masks, kind)
    full = sum(_layer_kernel(*layer) for layer in layers)                  # (1)
    if reduction == "full":
        return full
    if reduction == "sum_logits":
        return full.sum(axis=(2, 3))
    same = np.einsum("nmkk->nmk", full).copy()
    if reduction == "per_class":
        return same
    return same.sum(axis=2) if reduction == "trace_sum" else same.mean(axis=2)


def _layer_kernel(a, g, b, h, Q):
    if a.ndim == 2:
        return _sum("nmj,nkj,mqj->nmkq", _overlap(a, b, Q), g, h)          # (2)
    (J, s), (J_m, s_m) = _jacobian(a, g), _jacobian(b, h)
    weights = _sum("ci,nkci,mqci->nmkq", Q, J, J_m)                        # (4)
    return weights + _sum("nkc,mqc->nmkq", s, s_m)                         # (4)


def _overlap(a, b, Q):
    return _sum("ni,ji,mi->nmj", a, Q, b) + 1                              # (2)


def _jacobian(A, G):
    return _sum("nkpc,npi->nkci", G, A), G.sum(axis=2)                     # (3)


def _sum(axes, *factors):
    """Call `np.einsum`, two factors at a time."""
    return np.einsum(axes, *factors, optimize=True)


def adjoint(left, right, dkernel, *, masks=None, kind="at_masked", constant=False):
    """Compute loss derivatives with respect to `left` and `right`, eqs. (5)-(10).
    Return a pair (dinputs, dsignals) for each batch.

    >>> batch = [np.array([[2.0], [3.0]])], [np.ones((2, 1, 1))]
    >>> (dinputs, dsignals), _ = adjoint(batch, batch, np.ones((2, 2, 1, 1)))
    >>> dinputs[0].tolist(), dsignals[0].ravel().tolist()
    ([[5.0], [5.0]], [12.0, 17.0])

    Parameters
    ----------
    left, right, masks, kind : as for `kernel`; `right` is required
    dkernel : (N, M, K, K) float, derivative D of the loss
    constant : bool
        If True, the derivatives with respect to inputs[0] and signals[-1] are
        None.  Both arrays are constant if the last layer is linear.
    """
    flags("constant", constant)
    layers, D = _layers(left, right, masks, kind, ", dkernel (N, M, K, K)", dkernel)
    turned = D.transpose(1, 0, 3, 2)
    sides = ([_layer_adjoint(D, a, g, b, h, Q) for a, g, b, h, Q in layers],
             [_layer_adjoint(turned, b, h, a, g, Q) for a, g, b, h, Q in layers])
    dleft, dright = (tuple(map(list, zip(*side, strict=True))) for side in sides)
    if constant:
        dleft[0][0] = dleft[1][-1] = dright[0][0] = dright[1][-1] = None
    return dleft, dright


def _layer_adjoint(D, a, g, b, h, Q):
    if a.ndim == 2:
        R = _sum("nmkq,nkj,mqj->nmj", D, g, h)                             # (5)
        da = _sum("nmj,ji,mi->ni", R, Q, b)                                # (6)
        dg = _sum("nmkq,nmj,mqj->nkj", D, _overlap(a, b, Q), h)            # (7)
        return da, dg
    J_m, s_m = _jacobian(b, h)
    dJ = _sum("nmkq,ci,mqci->nkci", D, Q, J_m)                             # (8)
    ds = _sum("nmkq,mqc->nkc", D, s_m)                                     # (9)
    dG = _sum("npi,nkci->nkpc", a, dJ) + ds[:, :, None]                    # (10)
    dA = _sum("nkpc,nkci->npi", g, dJ)                                     # (10)
    return dA, dG


def _layers(left, right, masks, kind, more="", *values):
    one_of("kind", kind, *KINDS)
    for name, batch in (("left", left), ("right", right)):
        if len(one_of(name, batch, tuple, list)) != 2:
            raise ValueError(f"{name} has {len(batch)} entries: must have 2, inputs "
                             "and signals")
    names = [rule.partition("[")[0] for rule in RULES]
    lists = [*left, *right, *[masks] * (kind == "through_mask")]
    lists = [arrays(f"{name}[] (...)", given)[0]
             for name, given in zip(names, lists, strict=False)]
    for name, given in zip(names, lists, strict=False):
        if not 0 < len(given) == len(lists[0]):
            raise ValueError(f"{name} has {len(given)} arrays, left.inputs has "
                             f"{len(lists[0])}: must be equal, and at least 1")
    masks = [M.reshape(len(M), math.prod(M.shape[1:])) if M.ndim == 4 else M
             for masks in lists[4:] for M in masks]     # convolution: (c, k, k, c)
    rules = ", ".join(rule.format(i, f"P{i}, " * (a.ndim == 3))
                      for rule in RULES[:len(lists)] for i, a in enumerate(lists[0]))
    found = iter(arrays(rules + more, *chain(*lists[:4]), *masks, *values))
    lists = [[next(found) for _ in given] for given in lists]
    masks = lists[4] if lists[4:] else [
        np.ones((g.shape[-1], a.shape[-1]), a.dtype)
        for a, g in zip(*lists[:2], strict=True)]
    return list(zip(*lists[:4], masks, strict=True)), *found
