"""Test tangent kernels and their transfer against automatic differentiation.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import ntk_cases
import numpy as np
import pytest

from figures.speed import speed_ntk
from refsnn import ntk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

TOOLS = [speed_ntk.TORCH, speed_ntk.JAX]


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ntk_cases.SHAPES)
@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_kernel(tool, name, seed):
    ntk_cases.same_kernel(tool, name, seed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ntk.KINDS)
@pytest.mark.parametrize("name", ntk_cases.SHAPES)
@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_gradient_of_a_transfer(tool, name, kind, seed):
    """The tools differentiate twice; refsnn computes the second derivative by hand."""
    ntk_cases.same_gradient(tool, name, kind, seed)


def test_a_difference_is_seen():
    p = ntk_cases.case("perceptron", "at_masked", 0)
    other = speed_ntk.PEERS[speed_ntk.TORCH][1](
        p._replace(kind="through_mask"), True)()
    with pytest.raises(AssertionError):
        ntk_cases.close(other[0][0], speed_ntk.gradient(p)()[0][0])
