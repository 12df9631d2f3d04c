# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Simulators of leaky integrate-and-fire (LIF) neurons differ in fifteen
properties of a time step, such as the kind of reset.  The code calls these
properties axes.  An update convention is one way to compute a time step,
for example with a reset that subtracts the threshold.  The report of
`identify` names the published tools that agree with the recording, and
lists the properties of the time step that the recording determines.  Where
possible, the report also names an input signal (stimulus) that would
exclude more update conventions.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative"]
