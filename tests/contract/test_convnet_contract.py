"""What the functions of `refsnn.convnet` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import convnet

# Images of 3 x 3 pixels, a kernel of 2 x 2, and pooling to one pixel; _ is 4 i.
SIZES, POOLS = {"B": 5, "i": 2, "c": 3, "k": 4, "_": 1}, (True,)
WEIGHTS = "weights[0] (c, 2, 2, i) float, weights[1] (k, c) float"
RECORDING = ("recording.inputs[0] (B, 4, _), recording.inputs[1] (B, c), "
             "recording.pre[0] (B, 2, 2, c), recording.pre[1] (B, k)")
SIGNALS = "signals[0] (B, k, 4, c), signals[1] (B, k, k)"


def recorded(module, rng, dtype, sizes):
    """Return weights and the recording of a network with these weights."""
    B, i, c, k, _ = (sizes[letter] for letter in SIZES)
    weights, biases = module.init(((c, 2, 2, i), (k, c)), rng, dtype)
    x = rng.normal(size=(B, 3, 3, i)).astype(dtype)
    record = module.forward(weights, biases, x, POOLS)
    lists = {"weights": weights, "recording.inputs": record.inputs,
             "recording.pre": record.pre}
    return {f"{name}[{i}]": a for name, given in lists.items()
            for i, a in enumerate(given)} | {
                "recording.outputs": record.outputs, "pools": POOLS}


FUNCTIONS = [
    contract(convnet.forward, f"{WEIGHTS}, biases[0] (c), biases[1] (k), "
             "x (B, 3, 3, i), dropout[0]? (B, 3, 3, i) in {0, 1}, "
             "dropout[1]? (B, 1, 1, c) in {0, 1}", SIZES, given={"pools": POOLS}),
    contract(convnet.backward, f"{WEIGHTS}, {RECORDING}, doutputs (B, k)", SIZES,
             given=recorded),
    contract(convnet.signals, f"{WEIGHTS}, {RECORDING}", SIZES, given=recorded),
    contract(convnet.jacobian, "recording.inputs[0] (B, P, q), recording.inputs[1] "
             "(B, n), recording.pre[0] (B, 2, 2, 5), recording.pre[1] (B, k), "
             "recording.outputs (B, k) float, signals[0] (B, k, P, c), "
             "signals[1] (B, k, r)", P=4, q=8, r=9,
             c=3, unchecked=["recording.pre[0]", "recording.pre[1]"]),
    contract(convnet.second_order, f"{WEIGHTS}, {RECORDING}, {SIGNALS}, dinputs[0]? "
             "(B, 4, _), dinputs[1]? (B, c), dsignals[0]? (B, k, 4, c), dsignals[1]? "
             "(B, k, k), doutputs? (B, k)", SIZES, given=lambda *given: recorded(
                 *given) | {"dinputs[0]": None}, unchecked=["dinputs[0]"]),
    contract(convnet.init, "shapes[0] (4) int in [1, inf), shapes[1] (2) int in "
             "[1, inf), rng generator", given={"dtype": np.float32})]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


W1, W2, W3 = np.ones((2, 3, 3, 1)), np.ones((3, 2, 2, 2)), np.ones((4, 3))
B, X, P = [np.ones(2), np.ones(3), np.ones(4)], np.ones((2, 6, 6, 1)), (True, False)
REC, RNG = convnet.forward([W1, W2, W3], B, X, P), np.random.default_rng(1)
SIG, ONE = convnet.signals([W1, W2, W3], REC, P), np.ones((2, 4))


def forward(weights=(W1, W2, W3), biases=B, x=X, pools=P, dropout=None):
    return convnet.forward(weights, biases, x, pools, dropout)


def backward(weights=(W1, W2, W3), pools=P, recording=REC, **fields):
    return convnet.backward(weights, recording._replace(**fields) if fields else
                            recording, ONE, pools)


def second(signals=SIG, dinputs=None, dsignals=None):
    return convnet.second_order([W1, W2, W3], REC, signals, dinputs, dsignals, None, P)


@pytest.mark.parametrize("call, match", [
    (lambda: forward(x=X[:, :2]), r"^weights\[0\] has .* x gives input maps"),
    (lambda: forward(x=X[:, :3]), r"^weights\[0\] .*, and leave 2 x 2"),
    (lambda: forward(x=X[:, :, :4]), r"^weights\[1\] has shape"),
    (lambda: forward([W1, W2, W3[:, :2]]), r"^weights\[2\] has shape \(4, 2\), x g"),
    (lambda: forward(W1), "^weights is of type ndarray: must be one of list"),
    (lambda: forward([]), "^pools has 2 entries, weights has 0: must be one f"),
    (lambda: forward([W1, W2]), "^pools has 2 entries, weights has 2"),
    (lambda: forward([W3], pools=()), "^pools has 0 entries"),
    (lambda: forward(pools=(True,)), r"^weights\[1\] has shape .* 2 axes"),
    (lambda: forward(pools=(True, 0)), r"^pools\[1\] is 0: must be True or False"),
    (lambda: forward(pools=True), "^pools is True: must be one of list, tuple"),
    (lambda: forward([W1[:, :2], W2, W3]), r"^weights\[0\] has 3 .*\(axis 2\)"),
    (lambda: forward([W1, W2[..., :1], W3]), r"^weights\[1\] has 1 .*weights\[0\] h"),
    (lambda: forward(biases=B[:2]), "^biases has 2 arrays: must have 3"),
    (lambda: forward(biases=None), "^biases is None"),
    (lambda: forward(dropout=[None]), "^dropout has 1 arrays: must have 3"),
    (lambda: forward(dropout=np.ones(3)), "^dropout is of type ndarray"),
    (lambda: backward(recording=None), "^recording is of type NoneType: must be a"),
    (lambda: backward(pre=[]), "^recording.pre has no maps in entry 0"),
    (lambda: backward(pre=[X[0]]), "^recording.pre has no maps in entry 0"),
    (lambda: backward(pre=REC.pre[:2]), "^recording.pre has 2 arrays: must have 3"),
    (lambda: backward(pre=None), "^recording.pre is None: must be one of list"),
    (lambda: backward(inputs=None), "^recording.inputs is None: must be one of list"),
    (lambda: backward(inputs=REC.inputs[:2]), "^recording.inputs has 2 arrays"),
    (lambda: backward(pre=[REC.pre[0][:, :1], *REC.pre[1:]]), r"^weights\[0\] .*pre"),
    (lambda: backward(pools=(False, False)), r"^weights\[2\] has shape"),
    (lambda: convnet.jacobian(None, SIG), "^recording is of type NoneType"),
    (lambda: convnet.jacobian(REC, SIG[:2]), "^signals has 2 arrays: must have 3"),
    (lambda: convnet.jacobian(REC._replace(inputs=None), SIG), "^recording.inputs is"),
    (lambda: convnet.jacobian(REC._replace(pre=None), SIG), "^recording.pre is None"),
    (lambda: second(SIG[:2]), "^signals has 2 arrays"),
    (lambda: second(SIG, REC.inputs[:1]), "^dinputs has 1 arrays"),
    (lambda: second(SIG, [X, None, None]), r"^dinputs\[0\] has shape .* 3 axes"),
    (lambda: second(SIG, None, SIG[0]), "^dsignals is of type ndarray"),
    (lambda: convnet.init([(2, 3, 3)], RNG), r"^shapes has entries of lengths \[3\]"),
    (lambda: convnet.init([], RNG), "^shapes has entries of lengths"),
    (lambda: convnet.init(3, RNG), "^shapes is 3: must be one of list"),
    (lambda: convnet.init(None, RNG), "^shapes is None: must be one of list"),
    (lambda: convnet.init([(2, 3)], RNG, int), "^dtype is .*int")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_none_stands_for_zero():
    assert not np.any(second()[0][0]) and np.any(second(SIG, None, SIG)[0][1])
    assert forward(dropout=[None] * 3).outputs.any()
