# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Fifteen properties describe how a simulator updates leaky
integrate-and-fire (LIF) neurons, for example the kind of reset.  The code
calls these properties axes.  An update convention states how a simulator
computes a time step, and therefore specifies all fifteen properties.  The
report of `identify` names the published simulators that reproduce the
recording.  The report also lists the properties that the recording
determines.  For other properties, the report may name an input signal
(stimulus) for which different simulators give different results.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative, terms
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative", "terms"]
