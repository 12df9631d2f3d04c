# refsnn 0.1.0 | oracle/identify/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package identifies the conventions of a recorded LIF layer.

`identify` compares a recording with all conventions of a LIF step.  A
preset is the convention of an existing tool, and an axis is one choice
within a convention, such as the kind of reset.  `identify` reports the
presets that fit, the axes that the recording settles, and for each open
axis an input (a stimulus) that settles it.  The modules are:

    identification  the function `identify`
    arguments       validation of the arguments
    elimination     search for the conventions that fit
    ties            the axis "compare"
    fitting         surrogate gradients, and least squares for constants
    nearest         recordings that no convention fits
    stimuli         inputs that distinguish conventions
    comparison      candidates that the caller supplies
    report          the report in words
"""

from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.comparison import Tools
from refsnn.oracle.identify.identification import identify, relative
from refsnn.oracle.identify.report import Candidate, Parting, Report
from refsnn.oracle.identify.stimuli import Stimulus, make_stimuli

__all__ = ["QUANTITIES", "Candidate", "Parting", "Report", "Stimulus", "Tools",
           "identify", "make_stimuli", "relative"]
