# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Fifteen properties (in the code: axes) describe how a simulator updates
leaky integrate-and-fire (LIF) neurons, for example the kind of reset.  An
update convention is a choice for all fifteen properties.  The report of
`identify` names the published simulators that reproduce the recording, and
each property for which only one choice agrees.  The report may also name a
stimulus: an input signal that would exclude further update conventions.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative, terms
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative", "terms"]
