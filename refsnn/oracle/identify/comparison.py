# refsnn 0.1.0 | oracle/identify/comparison.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module compares a recording with a simulator that the caller supplies.

An update convention is one way to compute a time step, see `identify`.
The update conventions that the caller defines are called presets.  The
caller also supplies a function that simulates neurons with a given update
convention.  A candidate is a preset, or an update convention that differs
from a preset in one property.  A candidate matches a recording r if

    simulated spikes = recorded spikes                                (1)
    |simulated - r| <= rtol max |r|  for mem, syn and gradients       (2)

Derivation.  Spike counts are integers, which are stored without rounding
    errors.
Exact.  The list `members` of the report holds all tested candidates that
    match the recording.  All presets of the caller are tested.  If some
    presets of the caller match the recording, all update conventions that
    differ from a matching preset in one property are also tested.  If no
    preset of the caller matches the recording, all update conventions are
    tested that differ from a preset in exactly one property.
Cost.   Each candidate is simulated once.  If several candidates match the
    recording, the function `_telling` searches for input signals that
    distinguish the first candidate from each other candidate.  For each
    input signal, `_telling` runs up to four simulations.  If the caller
    supplies a function for gradients, `_telling` also computes up to two
    gradients.
Departures.  Update conventions that differ from every preset of the caller
    in two or more properties are not tested.
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
    """Hold the update conventions and the simulator of the caller.

    Update conventions are NamedTuples, such as `conventions.Step`.  The
    function `simulate` returns a dict with the synaptic currents "syn", the
    membrane potentials "mem" and the spike counts "spikes".  The function
    `differentiate` returns the gradient of a loss with respect to the input
    weights W.
    """

    presets: dict       # update step of each preset
    axes: dict          # choices of each axis; if empty, only presets are tested
    simulate: Callable                  # called as simulate(step, x, W)
    differentiate: Callable = None      # called as differentiate(step, x, W)
    inputs: dict = None                 # `Stimulus` for each name


def _among(x, W, rows, gradients, tools, rtol):
    """Compare a recording with the caller's candidates."""
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
    run = {name: np.asarray(run[name]) for name in rows}
    wrong = {name: row != run[name] if name == "spikes" else               # (1)
             _differs(row, run[name], rtol) for name, row in rows.items()}
    return _parting(wrong, rows, run), sum(int(bad.sum()) for bad in wrong.values())


def _differs(found, wanted, rtol):
    """Mark the entries that violate eq. (2)."""
    scale = np.abs(found).max(initial=0)
    return ~(np.abs(found - wanted) <= rtol * scale)                       # (2)


def _telling(one, other, names, tools, rtol):
    """Name an input signal that distinguishes conventions."""
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
    others = "; ".join(f"{_words(c)} ({name})" for c, name in apart.items() if name)
    same = "; ".join(_words(c) for c, name in apart.items() if not name)
    return (f"as {_words(members[0])}"
            + f"; equally possible (distinguishing probe): {others}" * bool(others)
            + f"; equal on every probe: {same}" * bool(same))


# ---- validation

def _validated(rows, gradients, tools, rtol):
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
