"""What the functions of `refsnn.si` accept and refuse."""

import numpy as np
import pytest
from harness import contract, verify

from refsnn import si

STATE = ("state.path_integral[0] (p) float, state.importance[0] (p) float, "
         "state.anchor[0] (p) float, state.steps () int in [{}, inf), "
         "state.tasks () int in [0, inf)")
SETTINGS = ("settings.gradient {task, total}, settings.displacement {step, descent}, "
            "settings.rate () in (0, inf), settings.clamp {none, running, task}, "
            "settings.xi () in (0, inf), settings.strength () in [0, inf), "
            "settings.factor () in {0.5, 1}, settings.cap () in (0, inf], "
            "settings.clip () in (0, inf], settings.reset_optimiser bool")
LATER = f"{STATE.format(0)}, parameters[0] (p) float, {SETTINGS}"
FUNCTIONS = [
    contract(si.begin, "parameters (...) float"),
    contract(si.accumulate, f"{STATE.format(0)}, displacement[0] (p) float, "
             "task_gradient[0] (p) float, penalty_gradient[0] (p) float, " + SETTINGS),
    contract(si.consolidate, f"{STATE.format(1)}, parameters[0] (p) float, {SETTINGS}"),
    contract(si.penalty, LATER),
    contract(si.penalty_gradient, LATER),
]


@pytest.mark.parametrize("c", FUNCTIONS, ids=lambda c: c.function.__name__)
def test_contract(c):
    bad = verify(c)
    assert not bad, "\n".join(bad)


ONE = np.ones(2)
STEP = si.accumulate(si.begin(ONE), ONE, -ONE)


@pytest.mark.parametrize("call, match", [
    (lambda: si.begin(np.ones((0, 2))), r"^parameters has shape \(0, 2\): must not"),
    (lambda: si.begin([]), "^parameters has 0 arrays: must have 1"),
    (lambda: si.penalty(STEP, [ONE, ONE]), "^parameters has 2 arrays: must have 1"),
    (lambda: si.penalty(STEP._replace(importance=[ONE, ONE]), ONE),
     "^state.importance has 2 arrays: must have 1"),
    (lambda: si.accumulate(STEP, ONE, ONE, settings=si.Settings("total")),
     "^penalty_gradient is None: must be given because settings.gradient is 'total'"),
    (lambda: si.consolidate(si.begin(ONE), 2 * ONE),
     "^state.steps is 0: must be above 0"),
    (lambda: si.consolidate(si.consolidate(STEP, 2 * ONE), 3 * ONE),
     "^state.steps is 0: must be above 0"),
    (lambda: si.consolidate(STEP, ONE), "^parameters equal state.anchor"),
    (lambda: si.consolidate(si.accumulate(si.begin(ONE), 0 * ONE, ONE), 2 * ONE),
     "^state.path_integral is 0 in every entry: must .*from copies")])
def test_relations_between_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_the_total_gradient_alone_needs_the_gradient_of_the_penalty():
    found = si.accumulate(STEP, ONE, ONE, settings=si.Settings("task"))
    assert found.path_integral.tolist() == [0, 0] and found.steps == 2
    found = si.accumulate(STEP, ONE, ONE, ONE, si.Settings("total"))
    assert found.path_integral.tolist() == [-1, -1]


def test_an_infinite_cap_or_clip_is_no_limit():
    settings = si.Settings("task", "descent", rate=1.0, cap=np.inf, clip=np.inf)
    found = si.accumulate(STEP, ONE, 1e6 * ONE, settings=settings)
    assert found.path_integral.tolist() == [1e12 + 1] * 2
    state = STEP._replace(importance=1e6 * ONE)
    assert si.penalty(state, 2 * ONE, settings) == 2e5
