# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package infers from a recording how a simulator updates LIF neurons.

Fifteen properties, such as the kind of reset, describe how a simulator
updates leaky integrate-and-fire (LIF) neurons.  The code calls these
properties axes.  An update convention consists of fifteen choices, one for
each property of the update.  The report of `identify` names the published
simulators that reproduce a recording.  The report also lists the inferred
properties of the simulator.  If a property remains unknown, the report may
name an input signal (stimulus) that helps to determine this property.
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.identification import identify, relative, terms
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus",
           "identify", "make_stimuli", "relative", "terms"]
