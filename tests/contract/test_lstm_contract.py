"""What the functions of `refsnn.lstm` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import lstm


def given(module, rng, dtype, sizes):
    """Return arrays with four rows, or four columns, for each cell."""
    T, B, m, n = (sizes[letter] for letter in "TBmn")
    return {name: rng.uniform(-1, 1, shape).astype(dtype) for name, shape in (
        ("W", (4 * n, m)), ("V", (4 * n, n)), ("b", (4 * n,)))}


def recorded(module, rng, dtype, sizes):
    T, B, n = (sizes[letter] for letter in "TBn")
    return given(module, rng, dtype, sizes) | {
        "recording.gates": rng.uniform(0, 1, (T, B, 4 * n)).astype(dtype)}


NETWORK = ("x (T, B, m), W (4n, m) float, V (4n, n), b (4n), h0? (B, n), "
           "cell0? (B, n), x_mask? (B, m), h_mask? (B, n)")
BACKWARD = (f"{NETWORK}, recording.h (T, B, n), recording.cell (T, B, n), "
            "recording.gates (T, B, 4n), dh (T, B, n), dcell_last? (B, n), inputs bool")
SIZE = {"4n": 16}
FUNCTIONS = [
    contract(lstm.simulate, NETWORK, SIZE, given),
    contract(lstm.backward, BACKWARD, SIZE, recorded),
    contract(lstm.dropout, "rate () in [0, 1), rng generator", given=lambda *a: {
        "shape": (2, 3), "dtype": a[2]}),
    contract(lstm.init, "m () int in [1, inf), n () int in [1, inf), rng generator",
             given=lambda *a: {"dtype": a[2]}),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


X, W, V, B = np.ones((3, 2, 4)), np.ones((8, 4)), np.ones((8, 2)), np.ones(8)
H, RNG = np.ones((3, 2, 2)), np.random.default_rng(0)
RUN = lstm.Recording(H, H, np.ones((3, 2, 8)))


@pytest.mark.parametrize("call, match", [
    (lambda: lstm.simulate(X, W[:6], V[:6], B[:6]),
     r"^W has 6 rows \(axis 0\), V has 2 columns \(axis 1\): W must have 4 rows"),
    (lambda: lstm.simulate(X, W, V, B, h_mask=H[:2]),
     r"^h_mask has 2 steps \(axis 0\), x has 3 \(axis 0\)"),
    (lambda: lstm.simulate(X, W, V, B, x_mask=H), r"^x_mask has 2 inputs \(axis 2\)"),
    (lambda: lstm.backward(X, W, V, B, RUN, H, x_mask=X[:, :1]),
     "^x_mask has 1 sample "),
    (lambda: lstm.backward(X, W, V, B, RUN, H, h_mask=X), "^h_mask has 4 units "),
    (lambda: lstm.backward(X, W, V, B, RUN[:2], H), "^recording is of type tuple"),
    (lambda: lstm.backward(X, W, V, B, H, H), "^recording is of type ndarray"),
    (lambda: lstm.dropout([3], 0.1, RNG), "^shape is of type list: must be tuple"),
    (lambda: lstm.dropout((), 0.1, RNG), "^shape is float64: must hold integers"),
    (lambda: lstm.dropout((0, 3), 0.1, RNG), "^shape is out of range at index"),
    (lambda: lstm.dropout((3, 2.0), 0.1, RNG), "^shape is float64: must hold integers"),
    (lambda: lstm.dropout((3,), 0.1, RNG, int), "^dtype is <class 'int'>"),
    (lambda: lstm.init(2, 2, RNG, "float16"), "^dtype is 'float16'")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_masks_of_one_sample_are_drawn():
    assert lstm.dropout((1, 2), 0.0, RNG).tolist() == [[1, 1]]
