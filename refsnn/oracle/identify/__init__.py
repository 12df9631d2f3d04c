# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Fifteen properties describe how a simulator updates leaky
integrate-and-fire (LIF) neurons, for example the kind of reset.  The code
calls these properties axes.  An update convention contains one choice for
each property, and therefore specifies how a simulator computes a time
step.  The report of `identify` names the published simulators that
reproduce a recording.  The report also lists each property for which only
one choice agrees with the recording.  If several choices agree, the report
may name an input signal (stimulus) that distinguishes these choices.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative, terms
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative", "terms"]
