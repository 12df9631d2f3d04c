"""Adam, the path integral and the penalty, and what PyTorch's ports make of them.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "figures"))

import speed_si  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

RTOL_PEERS = 1e-9       # float64, other order of summation


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


def close(theirs, ours):
    ours, theirs = (np.concatenate([np.asarray(a).ravel() for a in arrays])
                    for arrays in (ours, theirs))
    assert theirs.dtype == np.float64 and np.linalg.norm(ours) > 0
    assert np.linalg.norm(theirs - ours) < RTOL_PEERS * np.linalg.norm(ours)


@pytest.mark.parametrize("penalty", [False, True])
@pytest.mark.parametrize("port", speed_si.PORTS)
def test_the_same_parameters_and_path(port, penalty):
    p = speed_si.problem(0, np.float64, (5, 7, 6, 3), 4)
    ours = speed_si.update(p, True, penalty)
    theirs = speed_si.torch_update(p, port, penalty)
    for _ in range(5):
        theta, path = ours()
        other, integral = theirs()
    close([a.detach() for a in other], theta)
    if not penalty:         # else the ports count the penalty's gradient as well
        close(integral, path)


def test_the_same_gradient():
    p = speed_si.problem(1, np.float64, (5, 7, 6, 3), 4)
    dweights, dbiases = speed_si.passes(p)()
    close(speed_si.torch_passes(p)(), [*dweights, *dbiases])
