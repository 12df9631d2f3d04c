"""What the functions of `refsnn.ewc` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import ewc

STATE = ("state.importance[0] (p) float, state.anchor[0] (p) float, "
         "state.tasks () int in [0, inf)")
LATER = f"{STATE}, parameters[0] (p) float, strength () in [0, inf)"


def labelled(module, rng, dtype, sizes):
    return {"labels": rng.integers(0, sizes["k"], sizes["B"])}


FUNCTIONS = [
    contract(ewc.fisher, "inputs[0] (B, m) float, inputs[1] (B, p) float, "
             "signals[0] (B, k, n) float, signals[1] (B, k, T) float, "
             "outputs (B, k) float, labels? (B) int in [0, 5], "
             "likelihood {categorical, gaussian}", given=labelled),
    contract(ewc.accumulate, f"{STATE}, importance[0] (p) float in [0, inf), "
             "parameters[0] (p) float, anchors {latest, all}, "
             "decay () in [0, 1]"),
    contract(ewc.penalty, LATER),
    contract(ewc.penalty_gradient, LATER),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


ONE, A, G, F = np.ones(2), np.ones((2, 3)), np.ones((2, 2, 4)), np.zeros((2, 2))
STATE_1 = ewc.accumulate(None, ONE, ONE)


@pytest.mark.parametrize("call, match", [
    (lambda: ewc.fisher(None, [G], F), "^inputs is None: must be one of list, tuple"),
    (lambda: ewc.fisher([A], None, F), "^signals is None: must be one of list, tuple"),
    (lambda: ewc.fisher([A], [G, G], F), "^signals is a list of 2: must have one for "
     "each of the 1 inputs"),
    (lambda: ewc.fisher([], [], F), "^signals is a list of 0: must .* at least one"),
    (lambda: ewc.fisher([A], [G], F, np.array([0, 1]), "gaussian"),
     "^labels is of type ndarray: must be None"),
    (lambda: ewc.accumulate(None, [ONE, ONE], ONE),
     "^importance has 2 arrays: must have 1, as parameters"),
    (lambda: ewc.accumulate(None, [], []), "^parameters has 0 arrays: must have 1"),
    (lambda: ewc.accumulate(None, np.ones(0), np.ones(0)), "^parameters .* not be"),
    (lambda: ewc.penalty(STATE_1, np.ones(3), 1.0),
     r"^state.importance has shape \(2,\): must be \(3,\), as parameters"),
    (lambda: ewc.penalty(STATE_1, ONE, np.inf), r"^strength is inf: must be in"),
    (lambda: ewc.penalty_gradient(None, ONE, 1.0), "^state is of type NoneType")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
