"""Test tangent kernels and their transfer against neural-tangents.

Not part of the suite: needs the `neural-tangents` extra, in an environment of
its own, and fails without it.
"""

import ntk_cases
import numpy as np
import pytest

from figures.speed import speed_ntk
from refsnn import ntk

pytestmark = pytest.mark.filterwarnings("ignore")   # of packages from before

WAYS = [speed_ntk.STRUCTURED, speed_ntk.CONTRACTION, speed_ntk.VECTORS]


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ntk_cases.SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_kernel(way, name, seed):
    ntk_cases.same_kernel(way, name, seed)


@pytest.mark.parametrize("kind", ntk.KINDS)
@pytest.mark.parametrize("name", ntk_cases.SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_gradient_of_a_transfer(way, name, kind):
    ntk_cases.same_gradient(way, name, kind, 3)
