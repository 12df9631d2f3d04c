# refsnn 0.1.0 | oracle/diagnose/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package tests functions that compute gradients of LIF layers.

Call the following functions with your function f:

    diagnose(f)                infer which term of the equations is wrong
    assert_correct("bptt", f)  test f on random networks; if f is wrong,
                               report a small network that shows the error
"""

from refsnn.oracle.diagnose.diagnosis import Diagnosis, diagnose
from refsnn.oracle.diagnose.random_networks import assert_correct

__all__ = ["Diagnosis", "assert_correct", "diagnose"]
