# refsnn 0.1.0 | oracle/identify/comparison.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module compares a recording with a simulator that the caller supplies.

The caller defines a set of conventions, called presets, and a function
that simulates neurons with any of these conventions.  A convention is one
choice for each property of an update step in which simulators differ, such
as the kind of reset.  In the code, a property of a convention is called an
axis.  A candidate is a preset of the caller, or a convention that differs
from such a preset in one property.  A candidate matches a recording r if

    simulated spikes = recorded spikes                                (1)
    |simulated - r| <= rtol max |r|  for mem, syn and gradients       (2)

Derivation.  Spike counts are integers, so rounding errors do not change
    them.
Exact.  The list `members` of the report holds all tested candidates that
    match the recording.  All presets of the caller are tested.  If some
    presets match, the conventions that differ from one of these presets in
    one property are tested, too.  If no preset matches, the conventions
    that differ from any preset in one property are tested, too.
Cost.   Each candidate is simulated once.  For each matching candidate
    after the first, `_telling` searches for an input signal, called a
    stimulus, for which this candidate and the first candidate give
    different results.  For each input signal, the search takes up to four
    simulations, and up to two gradients if the caller can compute
    gradients.
Departures.  Conventions that differ from each preset in several properties
    are not tested.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refsnn import _checks
from refsnn.oracle.identify.arguments import QUANTITIES
from refsnn.oracle.identify.report import (Candidate, Parting, Report, _difference,
                                           _parting, _step, _variants, _words)

__all__ = ["Tools"]


class Tools(NamedTuple):
    """Hold the conventions and the simulator of the caller.

    A convention is a NamedTuple `step` with one choice for each property of an
    update step.  The function `simulate` returns a dict of the arrays "syn",
    "mem" and "spikes".  The function `differentiate` returns the gradient of a
    loss with respect to the weights W.
    """

    presets: dict       # update step of each preset
    axes: dict          # choices of each axis; if empty, only presets are tested
    simulate: Callable                  # called as simulate(step, x, W)
    differentiate: Callable = None      # called as differentiate(step, x, W)
    inputs: dict = None                 # `Stimulus` for each name


def _among(x, W, rows, gradients, tools, rtol):
    """Compare a recording with the conventions that `tools` defines, eqs. (1) and
    (2).  Return the report."""
    gradients = _validated(rows, gradients, tools, rtol)

    def judged(candidates):
        return {c: _judge(_step(c, tools.presets), x, W, rows, gradients, tools, rtol)
                for c in candidates}

    found = judged([Candidate(name, None, None) for name in tools.presets])
    exact = [c.preset for c, (parting, _) in found.items() if parting is None]
    found |= judged(_variants(exact or tools.presets, tools.presets, tools.axes))
    members = [c for c, (parting, _) in found.items() if parting is None]
    if members:
        first = _step(members[0], tools.presets)
        apart = {c: _telling(first, _step(c, tools.presets), rows, tools, rtol)
                 for c in members[1:]}
        return Report(members, apart, None, None, (_text(members, apart),))
    nearest = max(found, key=lambda c: (
        np.inf if found[c][0].step is None else found[c][0].step, -found[c][1]))
    parting, _ = found[nearest]
    return Report([], {}, nearest, parting, (_difference(nearest, parting),))


def _judge(step, x, W, rows, gradients, tools, rtol):
    """Compare a recording with the simulation of one convention.

    Return the first difference, or None if the simulation matches the
    recording.  Also return the number of entries that differ.  Gradients are
    compared only if the recorded arrays match.
    """
    parting, count = _compared(rows, tools.simulate(step, x, W), rtol)
    if parting is None and gradients is not None:
        wanted = np.asarray(tools.differentiate(step, x, W))
        if wanted.shape != gradients.shape:
            raise ValueError(f"gradients are of shape {gradients.shape}: must be "
                             f"{wanted.shape}, as differentiate returns")
        bad = _differs(gradients, wanted, rtol)
        if bad.any():
            return Parting(None, None, None, "gradients", float(gradients[bad][0]),
                           float(wanted[bad][0])), int(bad.sum())
    return parting, count


def _compared(rows, run, rtol):
    """Compare recorded and simulated arrays.  Return the first difference, or
    None if all entries match.  Also return the number of entries that differ."""
    run = {name: np.asarray(run[name]) for name in rows}
    wrong = {name: row != run[name] if name == "spikes" else               # (1)
             _differs(row, run[name], rtol) for name, row in rows.items()}
    return _parting(wrong, rows, run), sum(int(bad.sum()) for bad in wrong.values())


def _differs(found, wanted, rtol):
    """Return a mask of the entries that differ by more than the bound of eq. (2)."""
    scale = np.abs(found).max(initial=0)
    return ~(np.abs(found - wanted) <= rtol * scale)                       # (2)


def _telling(one, other, names, tools, rtol):
    """Return the name of an input signal (stimulus) for which two conventions
    give different results.  If no such input signal is known, return ""."""
    inputs = tools.inputs or {}
    for keys, note in ((names, ""), (QUANTITIES, ", with syn and mem")):
        for name, (x, W, _) in inputs.items():
            a, b = (tools.simulate(step, x, W) for step in (one, other))
            if _compared({key: np.asarray(a[key]) for key in keys}, b, rtol)[1]:
                return name + note
    for name, (x, W, _) in inputs.items() if tools.differentiate else ():
        a, b = (np.asarray(tools.differentiate(step, x, W)) for step in (one, other))
        if _differs(a, b, rtol).any():
            return f"gradients of {name}"
    return ""


def _text(members, apart):
    """Describe in words the conventions that match a recording."""
    others = "; ".join(f"{_words(c)} ({name})" for c, name in apart.items() if name)
    same = "; ".join(_words(c) for c, name in apart.items() if not name)
    return (f"as {_words(members[0])}"
            + f"; equally possible (distinguishing probe): {others}" * bool(others)
            + f"; equal on every probe: {same}" * bool(same))


# ---- validation

def _validated(rows, gradients, tools, rtol):
    """Validate the arguments that are used together with `tools`.  Return the
    gradients as an array."""
    for name, row in rows.items():
        if not row.any():
            raise ValueError(f"recording[{name!r}] is 0 throughout: must not be, "
                             "because silence fits every convention")
    if not isinstance(tools.presets, dict) or not tools.presets \
            or not isinstance(tools.axes, dict):
        raise ValueError(f"presets and axes are {tools.presets!r} and {tools.axes!r}: "
                         "must be dicts, presets not empty")
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol is {rtol!r}: must be in [0, 1)")
    if gradients is None:
        return None
    gradients, = _checks.arrays("gradients (...)", gradients)
    if not callable(tools.differentiate):
        raise ValueError(f"tools.differentiate is {tools.differentiate!r}: must be a "
                         "callable (step, x, W) to judge gradients")
    if not gradients.any():
        raise ValueError("gradients are 0 throughout: must not be")
    return gradients
