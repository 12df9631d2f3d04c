# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Fifteen properties describe how a simulator updates leaky
integrate-and-fire (LIF) neurons, for example the kind of reset.  The code
calls these properties axes.  An update convention is one way to update LIF
neurons, for example with a reset that subtracts the threshold.  The report
of `identify` names the published tools that agree with the recording, and
the properties of the update that the recording determines.  The report may
also name a stimulus: an input signal that would exclude more update
conventions.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative, terms
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative", "terms"]
