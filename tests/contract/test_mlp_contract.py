"""What the functions of `refsnn.mlp` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import mlp

WEIGHTS = "weights[0] (n, m) float, weights[1] (k, n) float"
INPUTS = "recording.inputs[0] (N, m), recording.inputs[1] (N, n)"
RECORDING = f"{INPUTS}, recording.pre[0] (N, n), recording.pre[1] (N, k)"
SIGNALS = "signals[0] (N, k, n), signals[1] (N, k, k)"
ACTIVATION = "activation {relu, tanh}"
FORWARD = (f"{WEIGHTS}, biases[0] (n), biases[1] (k), x (N, m), {ACTIVATION}, "
           "dropout[0]? (N, m) in {0, 1}")
SIZES = {"N": 5, "m": 3, "n": 4, "k": 2}


def recorded(module, rng, dtype, sizes):
    """Return weights and the recording of a network with these weights."""
    N, m, n, k = (sizes[letter] for letter in SIZES)
    weights, biases = module.init((m, n, k), rng, dtype)
    record = module.forward(weights, biases, rng.normal(size=(N, m)).astype(dtype))
    lists = {"weights": weights, "recording.inputs": record.inputs,
             "recording.pre": record.pre}
    return {f"{name}[{i}]": a for name, given in lists.items()
            for i, a in enumerate(given)} | {"recording.outputs": record.outputs}


FUNCTIONS = [
    contract(mlp.forward, f"{FORWARD}, dropout[1]? (N, n) in {{0, 1}}", SIZES),
    contract(mlp.forward, FORWARD, SIZES,
             given={"activation": "tanh", "dropout[1]": None}),
    contract(mlp.backward, f"{WEIGHTS}, {RECORDING}, doutputs (N, k), {ACTIVATION}",
             SIZES, given=recorded),
    contract(mlp.signals, f"{WEIGHTS}, {RECORDING}, {ACTIVATION}", SIZES,
             given=recorded),
    contract(mlp.jacobian, f"{RECORDING.replace('),', ') float,', 2)}, {SIGNALS}",
             SIZES, given={"recording.outputs": None}),
    contract(mlp.second_order, f"{WEIGHTS}, {RECORDING}, {SIGNALS}, dinputs[0]? (N, m),"
             "dinputs[1]? (N, n), dsignals[0]? (N, k, n), dsignals[1]? (N, k, k), "
             f"doutputs? (N, k), {ACTIVATION}", SIZES, given=recorded),
    contract(mlp.init, "sizes[0] () int in [1, inf), sizes[1] () int in [1, inf), "
             "sizes[2] () int in [1, inf), rng generator", given={"dtype": np.float32})]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


W, B, X = [np.full((4, 3), 0.1), np.ones((2, 4))], [np.ones(4), np.ones(2)], np.ones(
    (5, 3))
REC, D, RNG = mlp.forward(W, B, X), np.ones((5, 2)), np.random.default_rng(0)
SIG, TANH = mlp.signals(W, REC), mlp.forward(W, B, X, "tanh")
MASKS = [np.ones((5, 3)), np.ones((5, 4))]


@pytest.mark.parametrize("call, match", [
    (lambda: mlp.forward([], [], X), "^weights has 0 arrays.* at least 1$"),
    (lambda: mlp.forward(None, B, X), "^weights is None: must be one of list"),
    (lambda: mlp.forward(W[0], B, X), "^weights is of type ndarray: must be one of"),
    (lambda: mlp.forward(W, B[:1], X), "^biases has 1 arrays, weights has 2: must be"),
    (lambda: mlp.forward(W, None, X), "^biases is None: must be one of list"),
    (lambda: mlp.forward(W, B, X, dropout=[None]), "^dropout has 1 arrays, weights"),
    (lambda: mlp.forward(W, B, X, "tanh", MASKS), "^dropout masks tanh units: must be"),
    (lambda: mlp.backward(W, REC, D, "tanh"),
     r"^activation is 'tanh': .* inputs\[1\] is not tanh of pre\[0\]"),
    (lambda: mlp.signals(W, TANH), "^activation is 'relu': must be the recording's"),
    (lambda: mlp.backward(W[:1], REC, D), "^recording.inputs has 2 arrays, w"),
    (lambda: mlp.backward(W, list(REC), D), "^recording is of type list: must be a"),
    (lambda: mlp.backward(W, REC[:2], D), "^recording is of type tuple: must be a"),
    (lambda: mlp.signals(W, REC._replace(pre=REC.pre[:1])), "^recording.pre has 1 arr"),
    (lambda: mlp.jacobian(list(REC), SIG), "^recording is of type list"),
    (lambda: mlp.jacobian(REC, SIG[:1]), "^signals has 1 arrays, recording.inputs has"),
    (lambda: mlp.jacobian(REC._replace(inputs=[], pre=[]), []), "^recording.inputs ha"),
    (lambda: mlp.second_order(W, REC, SIG, W[:1]), "^dinputs has 1 arrays, weights"),
    (lambda: mlp.second_order(W, REC, SIG, None, SIG[0]), "^dsignals is of type ndarr"),
    (lambda: mlp.init((3,), RNG), r"^sizes is \[3\]: must be at least two"),
    (lambda: mlp.init(3, RNG), "^sizes is 3: must be one of list"),
    (lambda: mlp.init((3, 2), RNG, np.float16), "^dtype is .*float16")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_none_stands_for_zero():
    assert mlp.forward(W, B, X, dropout=None).outputs.any()
    assert not np.any(mlp.second_order(W, REC, SIG)[0][0])
    assert len(mlp.init([1, 1], RNG)[0]) == 1
