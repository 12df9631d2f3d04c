"""Test exact RTRL against the automatic differentiation of other tools.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import numpy as np
import pytest

from figures.speed import speed_rtrl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

RTOL_PEERS = 1e-9       # float64, different order of summation
SMALL = {speed_rtrl.RNN_1: (9, 1, 3, 4), speed_rtrl.RNN_8: (9, 3, 3, 4),
         speed_rtrl.LIF: (30, 2, 5, 4)}


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("task", SMALL)
@pytest.mark.parametrize("name", speed_rtrl.PEERS)
@pytest.mark.parametrize("seed", range(2))
def test_the_same_gradient(name, task, seed):
    p = speed_rtrl.problem(task, seed, np.float64, SMALL[task])
    ours, theirs = speed_rtrl.refsnn(p)(), np.asarray(speed_rtrl.PEERS[name][1](p)())
    assert theirs.dtype == np.float64 and ours.shape == theirs.shape
    assert np.linalg.norm(ours) > 0
    assert np.linalg.norm(theirs - ours) < RTOL_PEERS * np.linalg.norm(ours)
