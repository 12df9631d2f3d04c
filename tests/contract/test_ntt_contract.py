"""What the functions of `refsnn.ntt` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import mlp, ntt, pruning
from refsnn.fast import ntk

MODEL = ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel, ntk.adjoint)
TEACHER = ("weights[0] (n, m) float, weights[1] (k, n) float, biases[0] (n), "
           "biases[1] (k)")
STUDENT = ("student.weights[0] (n, m) float, student.weights[1] (k, n) float, "
           "student.biases[0] (n), student.biases[1] (k), "
           "student.masks[0] (n, m) in {0, 1}, student.masks[1] (k, n) in {0, 1}")
BIASES = "student.biases[0]", "student.biases[1]"       # the network checks these
MASKS = "student.masks[0]", "student.masks[1]"          # the result holds these
COEFFICIENTS = ("density () in (0, 1], strength () in [0, inf), l2 () in [0, inf), "
                "kind {at_masked, through_mask}")


def batch(module, rng, dtype, sizes):
    """Return a model and a batch of 5 inputs."""
    return {"model": MODEL, "x": rng.normal(size=(5, sizes["m"])).astype(dtype)}


def batches(module, rng, dtype, sizes):
    """Return the further arguments of a transfer of 3 steps."""
    return {"model": MODEL, "prune": lambda W: pruning.magnitude(W, 0.5),
            "batches": rng.normal(size=(3, 4, sizes["m"])).astype(dtype),
            "optimiser": lambda state, g: (state, -0.1 * g)}


FUNCTIONS = [
    contract(ntt.target, TEACHER, given=batch),
    contract(ntt.gradient, f"{STUDENT}, goal.outputs (5, k), goal.kernel (2, 3, k, k), "
             f"{COEFFICIENTS}", given=batch, unchecked=BIASES),
    contract(ntt.transfer, f"{TEACHER}, {COEFFICIENTS}, every () int in [1, inf), "
             "watch callable?", given=batches),
    contract(ntt.transfer, f"{TEACHER}, {STUDENT}", given=lambda *given: batches(
        *given) | {"density": 0.5, "prune": None}, unchecked=[*BIASES, *MASKS])]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


W, B, X = [np.ones((2, 3))], [np.ones(2)], np.ones((2, 3))
STUDENT, GOAL = ntt.Student(W, B, W), ntt.target(MODEL, W, B, X)


def gradient(student=STUDENT, goal=GOAL, model=MODEL, x=X, **options):
    return ntt.gradient(model, student, x, goal, density=0.5, **options)


def transfer(batches=(X,), optimiser=lambda state, g: (state, g), prune=lambda W: W,
             watch=None):
    return ntt.transfer(MODEL, W, B, batches, density=0.5, prune=prune,
                        optimiser=optimiser, watch=watch)


@pytest.mark.parametrize("call, match", [
    (lambda: gradient(x=X[:1]), r"^x has shape \(1, 3\): must .* at least 2 samples"),
    (lambda: gradient(x=X[0]), r"^x has shape \(3,\): must be a batch"),
    (lambda: gradient(x=X * np.nan), "^x is nan at index .*: must be finite"),
    (lambda: ntt.target(MODEL, W, B, X[:1]), "^x has shape"),
    (lambda: ntt.target(3, W, B, X), "^model is of type int: must be a Model"),
    (lambda: gradient(model=None), "^model is of type NoneType: must be a Model"),
    (lambda: gradient(None), "^student is of type NoneType: must be a Student"),
    (lambda: gradient(GOAL), "^student is of type Target: must be a Student"),
    (lambda: gradient(goal=None), "^goal is of type NoneType: must be a Target"),
    (lambda: gradient(goal=STUDENT), "^goal is of type Student: must be a Target"),
    (lambda: gradient(STUDENT._replace(masks=[])), "^student.masks has the shapes .*"),
    (lambda: gradient(STUDENT._replace(masks=[W[0].T])), "^student.masks has the s"),
    (lambda: gradient(STUDENT._replace(masks=None)), "^student.masks is None"),
    (lambda: gradient(ntt.Student([], B, [])), "^student.masks .* at least one la"),
    (lambda: gradient(model=MODEL._replace(kernel=lambda *batches, **_: np.ones(
        (1, 1, 2, 2))), kind="all"), "^kind is 'all': must be one of"),
    (lambda: transfer(iter([X])), "^batches is <.*: must have a length"),
    (lambda: transfer(optimiser=None), "^optimiser is None: must be Callable"),
    (lambda: transfer(prune=None), "^prune is None: must be Callable"),
    (lambda: transfer(watch=3), "^watch is 3: must be one of Callable, None")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
