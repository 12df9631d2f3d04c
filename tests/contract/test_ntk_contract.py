"""What the functions of `refsnn.ntk` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import ntk

# The first layer is convolutional with square patches, the second is dense.
LEFT = ("left.inputs[0] (N, P, i) float, left.inputs[1] (N, u) float, "
        "left.signals[0] (N, K, P, c), left.signals[1] (N, K, j)")
RIGHT = LEFT.replace("left", "right").replace("N", "M").replace(" float", "")
MASKS = "masks[0] (c, i) in {0, 1}, masks[1] (j, u) in {0, 1}, kind {through_mask}"
KIND = "kind {at_masked, through_mask}"
REDUCTION = "reduction {full, per_class, trace_sum, trace_mean, sum_logits}"
DERIVATIVE = "dkernel (N, M, K, K), constant bool"
SIZES = {"N": 3, "M": 5, "K": 2, "P": 7, "i": 4, "u": 6, "c": 8, "j": 9}


def contracts(module):
    return [contract(function, text, SIZES) for function, text in (
        (module.kernel, "left.inputs[0] (N, u) float, left.signals[0] (N, K, j)"),
        (module.kernel, f"{LEFT}, {KIND}, {REDUCTION}"),
        (module.kernel, f"{LEFT}, {RIGHT}, {MASKS}, {REDUCTION}"),
        (module.adjoint, f"{LEFT}, {RIGHT}, {DERIVATIVE}, {KIND}"),
        (module.adjoint, f"{LEFT}, {RIGHT}, {DERIVATIVE}, {MASKS}"))]


A, G, M = [np.ones((3, 4)), np.ones((3, 5))], [np.ones((3, 2, 5))] * 2, np.ones((5, 4))
L, D = (A, G), np.ones((3, 3, 2, 2))
THROUGH = {"kind": "through_mask"}
RELATIONS = [
    (lambda ntk: ntk.kernel(None), "^left is None: must be one of tuple, list"),
    (lambda ntk: ntk.kernel((A, G, G)), "^left has 3 entries: must have 2"),
    (lambda ntk: ntk.kernel(L, (A,)), "^right has 1 entries: must have 2"),
    (lambda ntk: ntk.kernel(A[0]), "^left is of type ndarray"),
    (lambda ntk: ntk.kernel((A[0], G)), "^left.inputs is of type ndarray: must be"),
    (lambda ntk: ntk.kernel(([], [])), "^left.inputs has 0 arrays.* at least 1$"),
    (lambda ntk: ntk.kernel((A, G[:1])), "^left.signals has 1 arrays, left.inputs has "
     "2: must be equal"),
    (lambda ntk: ntk.kernel(L, (A[:1], G)), "^right.inputs has 1 arrays, left.inputs"),
    (lambda ntk: ntk.kernel(L, (A, None)), "^right.signals is None: must be one of"),
    (lambda ntk: ntk.kernel(L, **THROUGH), "^masks is None: must be one of list"),
    (lambda ntk: ntk.kernel(L, masks=[M], **THROUGH), "^masks has 1 arrays, left.in"),
    (lambda ntk: ntk.kernel(L, masks=[M, M], **THROUGH),
     r"^masks\[1\] has 4 entries \(axis 1\), left.inputs\[1\] has 5 \(axis 1\)"),
    (lambda ntk: ntk.kernel(L, masks=[M[..., None], M], **THROUGH),
     r"^masks\[0\] has shape \(5, 4, 1\): must have 2 axes"),
    (lambda ntk: ntk.kernel(L, masks=[M.reshape(5, 2, 1, 2)[:, :1], M], **THROUGH),
     r"^masks\[0\] has 2 entries \(axis 1\)"),
    (lambda ntk: ntk.kernel(L, reduction="trace"), "^reduction is 'trace'"),
    (lambda ntk: ntk.adjoint(L, None, D), "^right is None: must be one of tuple"),
    (lambda ntk: ntk.adjoint(L, L, D.swapaxes(1, 2)), r"^dkernel has 2 .*\(axis 1\)")]
FUNCTIONS = contracts(ntk)


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("call, match", RELATIONS)
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call(ntk)
