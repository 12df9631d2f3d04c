"""What the functions of `refsnn.rtrl` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import rtrl

FUNCTIONS = [
    contract(rtrl.step, "M? (B, n, p), J (B, n, n) float, F (B, n, p)"),
    contract(rtrl.step_gradient, "M (B, n, p) float, q (B, n) float", unchecked=["M"]),
    contract(rtrl.gradient, "J (T, B, n, n) float, F (T, B, n, p), q (T, B, n)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


J, F = np.ones((1, 2, 2)), np.ones((1, 2, 4))
FIXED = np.zeros((1, 2, 4))
FIXED.setflags(write=False)


@pytest.mark.parametrize("out, match", [
    (F.astype("f"), "^out is float32 of shape .*: must be float64"),
    (np.zeros((1, 2, 3)), r"^out is .*\(1, 2, 3\): must be .*\(1, 2, 4\)"),
    (3, "^out is "), (FIXED, "^out is .*writeable"), (F.tolist(), "^out is .*write"),
    (np.ones((1, 2, 8))[:, :, ::2], "^out is .*contiguous"),
    (np.ma.masked_array(F), "^out is a masked array")])
def test_buffers(out, match):
    with pytest.raises(ValueError, match=match):
        rtrl.step(None, J, F, out=out)


def test_the_buffer_is_separate_from_all_arguments():
    for place in range(3):
        arguments = [J + 0, J + 1, J + 2]
        with pytest.raises(ValueError, match="^out shares memory"):
            rtrl.step(*arguments, out=arguments[place])


@pytest.mark.parametrize("M, match", [
    (np.ones((1, 2, 2), int), "^M, .* is int64 of shape"), (None, "^M, .* is object"),
    (np.ones((2, 2)), r"^M, .* is .*\(2, 2\): must be .*\(1, 2, 2\)"),
    (np.ones((1, 3, 2)), r"^M, .* is .*\(1, 3, 2\): must be .*\(1, 2, 3\)"),
    (np.ma.masked_array(J), "^M, .* is a masked array")])
def test_shape_and_type_of_an_influence_whose_entries_are_not_read(M, match):
    with pytest.raises(ValueError, match=match):
        rtrl.step_gradient(M, np.ones((1, 2)))
