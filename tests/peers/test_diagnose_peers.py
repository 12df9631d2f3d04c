"""Diagnosis of forty faults in loops of PyTorch, JAX and NumPy.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import pathlib
import sys

import numpy as np
import pytest

from refsnn.oracle.diagnose import diagnose

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle" / "diagnose"))
from faults import FAULTS, LOOPS, build                             # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own
LEAST = 36                  # faults with the right side and the right term


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("loop", LOOPS)
def test_a_right_loop_is_right(loop):
    assert diagnose(build(loop))[:3] == ("right", (), ())


def test_a_float32_loop_is_right():
    loop = build("torch", ("torch.as_tensor(np.array(value))",
                           "torch.as_tensor(np.array(value), dtype=torch.float32)"))
    told = diagnose(loop)
    assert told.side == "right" and "(float32)" in told.text


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
