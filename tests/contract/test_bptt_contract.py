"""What the functions of `refsnn.bptt` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import bptt

SYSTEM = "J (T, B, n, n) float, F (T, B, n, p*), q (T, B, n)"
FUNCTIONS = [
    contract(bptt.adjoint, "J (T, B, n, n) float, q (T, B, n)"),
    contract(bptt.gradient, SYSTEM),
    contract(bptt.chunk, "J (3, B, n, n) float, F (3, B, n, p*), q (2, B, n), "
             "dstate (B, n)"),
    contract(bptt.truncated, f"{SYSTEM}, horizon () int in [0, inf)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("steps, q, match", [
    ((3, 4), 2, r"^F has 4 steps \(axis 0\), J has 3"),
    ((3, 3), 3, r"^q has 3 entries \(axis 0\): must have 2"),
    ((3, 3), 1, r"^q has 1 entry \(axis 0\): must have 2")])
def test_steps_of_a_chunk(steps, q, match):
    with pytest.raises(ValueError, match=match):
        bptt.chunk(np.ones((steps[0], 1, 2, 2)), np.ones((steps[1], 1, 2, 4)),
                   np.ones((q, 1, 2)), np.ones((1, 2)))
