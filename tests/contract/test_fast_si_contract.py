"""What the functions of `refsnn.fast.si` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn.fast import si
from refsnn.fast.si import State


def step(parameters, gradient, state, path_integral, importance, anchor, **numbers):
    """Call `si.step` with copies of the arrays that it updates; return the copies."""
    def copied(value):
        return [np.array(a) if type(a) in (np.ndarray, list) else a for a in value]

    theta, path_integral = copied(parameters), copied(path_integral)
    state = State(state[0], *map(copied, state[1:])) if isinstance(state, tuple) \
        else state
    return si.step(theta, gradient, state, path_integral=path_integral,
                   importance=importance, anchor=anchor, **numbers), theta, \
        path_integral


FUNCTIONS = [
    contract(si.begin, "parameters (...) float"),
    contract(step, "parameters[0] (p) float, gradient[0] (p) float, "
             "state.step () int in [0, inf), state.mean[0] (p) float, "
             "state.scale[0] (p) float in [0, inf], path_integral[0] (p) float, "
             "importance[0] (p) float, anchor[0] (p) float, rate () in [0, inf), "
             "beta1 () in [0, 1), beta2 () in [0, 1), eps () in (0, inf), "
             "strength () in [0, inf)", unchecked=["state.scale[0]"]),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


ONE = np.ones(2)


@pytest.mark.parametrize("changes, match", [
    ({"gradient": []}, "^gradient has 0 arrays: must have 1, as parameters"),
    ({"path_integral": [ONE, ONE]}, "^path_integral has 2 arrays: must have 1, as par"),
    ({"importance": None}, "^importance is None: must be given because anchor is"),
    ({"anchor": None}, "^anchor is None: must be given because importance is"),
    ({"importance": None, "anchor": None}, "^strength is 1.0: must be 0 if importance"),
    ({"state": None}, "^state is of type NoneType: must be a State"),
    ({"strength": np.inf}, "^strength is inf: must be in"),
    ({"eps": 1e-160}, r"^eps is 1e-160: must be in \[1.49\d*e-154, inf\)")])
def test_relations_between_arguments(changes, match):
    arguments = {"parameters": ONE.copy(), "gradient": ONE / 2, "state": si.begin(ONE),
                 "importance": ONE / 3, "anchor": ONE / 4, "strength": 1.0, "rate": 0.1}
    with pytest.raises(ValueError, match=match):
        si.step(**arguments | changes)


def test_there_is_at_least_one_array():
    for call in (lambda: si.begin([]), lambda: si.begin(np.ones((2, 0))),
                 lambda: si.step([], [], si.State(0, [], []), rate=0.1)):
        with pytest.raises(ValueError,
                           match="^parameters has .*: must (have 1|not be empty)"):
            call()
