"""What the functions of `refsnn.superspike_signals` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import superspike_signals as signals

FUNCTIONS = [
    contract(signals.delayed, "past (D*, B, n), train (T, B, n)", D=3),
    contract(signals.feedback, "kind {symmetric, random, uniform}, "
             "W_out (B, k, n) float, rng? generator"),
    contract(signals.feedback, "kind {random}, W_out (B, k, n) float, rng generator"),
    contract(signals.hidden_signal, "signal (T, B, k), matrix (B, n, k) float"),
    contract(signals.poisson_moment, "rate_hz () in (0, inf), tau () in (0, inf), "
             "order () int in [1, 100]"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("past, kind", [
    (0.5, int), (1e300, int), (2, bool), (-1, np.uint8)])
def test_the_past_must_fit_the_dtype_of_the_train(past, kind):
    past, train = np.full((2, 1, 2), past), np.zeros((4, 1, 2), kind)
    with pytest.raises(ValueError, match=f"^past is {past.dtype}: .*{train.dtype}"):
        signals.delayed(past, train)


def test_the_past_is_cast_to_the_float_dtype_of_the_train():
    train = np.zeros((1, 1, 1), np.float32)
    past, late = signals.delayed(np.full((2, 1, 1), 0.1), train)
    assert past.dtype == late.dtype == np.float32 and late == np.float32(0.1)
    with pytest.raises(ValueError, match="^past overflows in float32 at"):
        signals.delayed(np.full((2, 1, 1), 1e300), train)


def test_errors_of_any_real_dtype_give_the_dtype_of_the_feedback():
    signal, matrix = np.array([[[1, -1]]]), np.array([[[3.0, 1.0]]], np.float32)
    for kind in (int, np.int8, np.float64):
        hidden = signals.hidden_signal(signal.astype(kind), matrix)
        assert hidden.dtype == np.float32 and hidden.tolist() == [[[2.0]]]
