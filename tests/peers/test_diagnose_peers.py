"""Diagnosis of forty faults, and of right loops, in PyTorch, JAX and NumPy.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import pathlib
import sys

import numpy as np
import pytest

from refsnn.oracle.diagnose import diagnose, variants

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle" / "diagnose"))
from faults import FAULTS, LOOPS, build                             # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own
LEAST = 36                  # faults with the right side and the right term
NETWORKS = 10               # random networks of each loop and dtype
SINGLE = {"torch": ("torch.as_tensor(np.array(value))",
                    "torch.as_tensor(np.array(value), dtype=torch.float32)"),
          "jax": ("jnp.asarray(value)", "jnp.asarray(value, jnp.float32)")}


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("loop", LOOPS)
def test_a_right_loop_is_right(loop):
    assert diagnose(build(loop))[:3] == ("right", (), ())


def test_a_float32_loop_is_right():
    told = diagnose(build("torch", SINGLE["torch"]))
    assert told.side == "right" and "(float32)" in told.text


def drawn(seed):
    """Return a random network, with a target that scales the loss."""
    rng = np.random.default_rng([seed, 1])
    v = variants.ALL._replace(
        alpha=rng.uniform(0.2, 0.9), beta=rng.uniform(0.2, 0.9), V=rng.uniform(0, 1),
        threshold=rng.uniform(0.5, 1), gain=rng.uniform(0.1, 1),
        steepness=rng.uniform(0.5, 10), B=int(rng.integers(1, 4)))
    p = variants._network(v, seed)
    return p | {"target": 10 ** rng.uniform(-3, 3) * p["target"]}


@pytest.mark.parametrize("loop, changes, dtype", [
    *((loop, (), np.float64) for loop in LOOPS),
    *((loop, (change,), np.float32) for loop, change in SINGLE.items())])
def test_right_loops_are_not_blamed_on_random_networks(loop, changes, dtype):
    function = build(loop, *changes)
    for seed in range(NETWORKS):
        run = variants._ask(function, "bptt", drawn(seed))
        assert run.found["dW"].dtype == dtype and run.right["dW"].any()
        assert run.broken == () and run.wrong == frozenset(), (seed, run.wrong)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_wrong_factor_of_a_loss_shows_on_random_networks(loop):
    wrong = build(loop)
    for seed in range(NETWORKS):
        run = variants._ask(lambda p: {"dW": 1.001 * wrong(p)["dW"]}, "bptt",
                            drawn(seed))
        assert run.wrong == {"dW"}


def test_faults_are_named_and_none_is_misnamed():
    missed, misnamed = [], []
    for index, fault in enumerate(FAULTS):
        told = diagnose(build(fault.loop, (fault.old, fault.new)))
        if told.side != fault.side or not set(told.terms) & set(fault.terms):
            missed.append((index, told))
        if set(told.terms) - set(fault.terms):
            misnamed.append((index, told))
    assert misnamed == []
    assert len(FAULTS) == 40 and len(FAULTS) - len(missed) >= LEAST, missed
