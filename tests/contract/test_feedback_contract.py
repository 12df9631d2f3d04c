"""What the functions of `refsnn.feedback` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import feedback

FUNCTIONS = [
    contract(feedback.transport, "dsyn (T, B, k) float, G (k, n)"),
    contract(feedback.direct, "error (T, B, k) float, H (k, n)"),
    contract(feedback.local_square, "spikes (T, B, n), G (k, n) float, "
             "target (T, B, k)"),
    contract(feedback.local_cross_entropy, "spikes (T, B, n), G (k, n) float, "
             "labels (B) int in [0, 5]", k=6, given=lambda module, rng, dtype, sizes: {
                 "labels": rng.integers(0, sizes["k"], sizes["B"])}),
    contract(feedback.presynaptic_trace, "x (T, B, m) float, alpha () in [0, 1), "
             "beta () in [0, 1), gain () in (0, inf)"),
    contract(feedback.three_factor, "post (T, B, n) float, trace (T, B, m)"),
    contract(feedback.alignment, "a (5, 3), b (5, 3)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("a, b, match", [
    ([1, 2], [0, 0], "^a or b is zero"), ([0, 0], [1, 2], "^a or b is zero"),
    ([], [], "^a or b is zero or empty"), (1.0, 0.0, "^a or b is zero"),
    ([[1, 2]], [1, 2], r"^b has shape \(2,\), a has \(1, 2\): must be equal")])
def test_gradients_to_align(a, b, match):
    with pytest.raises(ValueError, match=match):
        feedback.alignment(a, b)
    assert feedback.alignment(2.0, -1.0) == -1


def test_labels_are_classes_of_the_readout():
    with pytest.raises(ValueError, match=r"^labels is out of range .* \[0, 2\)"):
        feedback.local_cross_entropy(np.ones((1, 1, 3)), np.ones((2, 3)), [2])
