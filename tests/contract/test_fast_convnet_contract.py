"""What the functions of `refsnn.fast.convnet` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify
from test_convnet_contract import POOLS, SIZES, WEIGHTS

from refsnn.fast import convnet


def recorded(module, rng, dtype, sizes):
    """Return the tape of a network."""
    B, i, c, k, _ = (sizes[letter] for letter in SIZES)
    weights = [rng.normal(size=shape).astype(dtype) for shape in ((c, 2, 2, i), (k, c))]
    return {"tape": module.forward(weights, [np.ones(c), np.ones(k)],
                                   rng.normal(size=(B, 3, 3, i)), POOLS)}


FUNCTIONS = [
    contract(convnet.forward, f"{WEIGHTS}, biases[0] (c), biases[1] (k), "
             "x (B, 3, 3, i), dropout[0]? (B, 3, 3, i) in {0, 1}, "
             "dropout[1]? (B, 1, 1, c) in {0, 1}", SIZES, given={"pools": POOLS}),
    contract(convnet.backward, "doutputs (B, k)", SIZES, given=recorded)]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


W1, W2, W3 = np.ones((2, 3, 3, 1)), np.ones((3, 2, 2, 2)), np.ones((4, 3))
B, X, P = [np.ones(2), np.ones(3), np.ones(4)], np.ones((2, 6, 6, 1)), (True, False)
ONE = np.ones((2, 4))


def forward(weights=(W1, W2, W3), biases=B, x=X, pools=P, dropout=None):
    return convnet.forward(weights, biases, x, pools, dropout)


def backward(doutputs=ONE, **fields):
    return convnet.backward(forward()._replace(**fields), doutputs)


@pytest.mark.parametrize("call, match", [
    (lambda: forward(x=X[:, :2]), r"^weights\[0\] has .* x gives input maps"),
    (lambda: forward(x=X[:, :3]), r"^weights\[0\] .*, and leave 2 x 2"),
    (lambda: forward(x=X[:, :, :4]), r"^weights\[1\] has shape"),
    (lambda: forward([W1, W2, W3[:, :2]]), r"^weights\[2\] has shape \(4, 2\), x g"),
    (lambda: forward(W1), "^weights is of type ndarray: must be one of list"),
    (lambda: forward([]), "^weights has 0 arrays"),
    (lambda: forward([W1, W2], B[:2]), "^weights has 2 arrays, .* pools 2"),
    (lambda: forward([W3], B[:1], pools=()), "^weights has 1 arrays, .* pools 0"),
    (lambda: forward(pools=(True,)), r"^weights\[1\] has shape .* 2 axes"),
    (lambda: forward(pools=(True, 0)), r"^pools\[1\] is 0: must be True or False"),
    (lambda: forward(pools=True), "^pools is True: must be one of list, tuple"),
    (lambda: forward([W1[:, :2], W2, W3]), r"^weights\[0\] has 3 .*\(axis 2\)"),
    (lambda: forward([W1, W2[..., :1], W3]), r"^weights\[1\] has 1 .*weights\[0\] h"),
    (lambda: forward(biases=B[:2]), "^weights has 3 arrays, biases 2"),
    (lambda: forward(biases=None), "^biases is None"),
    (lambda: forward(dropout=[None]), "^weights has 3 arrays, .* dropout 1"),
    (lambda: forward(dropout=np.ones(3)), "^dropout is of type ndarray"),
    (lambda: convnet.backward(None, ONE), "^tape is None"),
    (lambda: backward(np.ones((3, 4))), r"^doutputs has 3 .*\(axis 0\), tape.outputs"),
    (lambda: backward(np.ones((2, 3))), r"^doutputs has 3 .*\(axis 1\), tape.outputs"),
    (lambda: backward(outputs=None), "^tape.outputs is "),
    (lambda: backward(outputs=np.ones((2, 4), int)), "^tape.outputs is int64"),
    (lambda: backward(outputs=np.ones(4)), r"^tape.outputs has shape \(4,\)")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
