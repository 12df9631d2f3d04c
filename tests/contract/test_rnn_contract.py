"""What the functions of `refsnn.rnn` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import rnn

NETWORK = "x (T, B, m*), W (n, m*) float, V (n, n), state? (B, n)"
FUNCTIONS = [
    contract(rnn.simulate, NETWORK),
    contract(rnn.run, NETWORK),
    contract(rnn.step, "drive (B, n) float, V (n, n), state? (B, n)"),
    contract(rnn.backward, f"{NETWORK}, h (T, B, n), dh (T, B, n), dstate? (B, n)"),
    contract(rnn.linearise, f"{NETWORK}, h (T, B, n)"),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


def test_states_and_recordings_are_cast_to_the_dtype_of_the_weights():
    x, W, V = np.ones((3, 2, 4), int), np.ones((2, 4), np.float32) / 8, np.eye(2)
    h, last = rnn.run(x, W, V, np.ones((2, 2), int))
    found = [h, last, *rnn.backward(x, W, V, h.astype(float), np.ones((3, 2, 2), int),
                                    last.astype(float), np.ones((2, 2))),
             *rnn.linearise(x, W, V, h.astype(float))]
    assert {a.dtype for a in found} == {np.dtype(np.float32)}
    assert all(a.any() for a in found)
