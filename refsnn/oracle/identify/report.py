# refsnn 0.1.0 | oracle/identify/report.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module defines the class `Report`, which `identify` returns.

The module also writes the text of the report.  An update convention states
how a simulator computes a time step of LIF neurons, see `identify`.  A
`Candidate` consists of the name of a published simulator and a list of
changed properties, such as the kind of reset.
"""

from typing import NamedTuple

import numpy as np

from refsnn import conventions

__all__ = ["Candidate", "Parting", "Report"]

TITLES = {
    "refsnn": "refsnn lif", "spytorch": "spytorch tutorials", "stork": "stork LIFGroup",
    "hxtorch": "hxtorch LIF", "norse": "norse lif_step",
    "norse_feed_forward": "norse lif_feed_forward_step", "nir": "NIR CubaLIF",
    "nir_subtract": "NIR CubaLIF, subtract",
    "snntorch_leaky": "snntorch Leaky, subtract",
    "snntorch_synaptic": "snntorch Synaptic, subtract",
    "spikingjelly": "spikingjelly LIFNode", "lava": "lava LIF", "sinabs": "sinabs LIF",
    "rockpool": "rockpool LIF", "spyx_lif": "spyx LIF", "spyx_cubalif": "spyx CuBaLIF"}
WORDS = {       # text on a recording that differs from a preset, by axis and choice
    "decay": {"exact": "decays are exp(-dt/tau)", "euler": "decays are 1 - dt/tau"},
    "synapse": {"none": "no synaptic filter",
                "first": "current decays first in a step",
                "between": "current decays between input and reading",
                "last": "current decays last in a step"},
    "input": {"same": "input one step early", "next": "input one step late"},
    "drive": {"one": "input enters the current unscaled",
              "leak": "input enters the current times 1 - alpha"},
    "gain": {"one": "current enters the membrane unscaled",
             "leak": "current enters the membrane times 1 - beta",
             "rate": "current enters the membrane times dt/tau_mem",
             "integral": "current enters the membrane times tau_mem (1 - beta)"},
    "test": {"before": "spikes one step late", "after": "spikes one step early"},
    "compare": {">": "a tie is no spike", ">=": "a tie is a spike",
                "half": "a tie is half a spike"},
    "spikes": {"one": "one spike a step at most", "many": "several spikes a step"},
    "reset": {"subtract": "reset by subtraction", "zero": "reset to a value",
              "none": "no reset"},
    "reset_at": {"once": "reset in the step of the spike",
                 "before": "reset before the decay of the next step",
                 "after": "reset one step late"},
    "through_reset": {True: "gradients pass the reset",
                      False: "gradients stop at the reset"},
    "floor": {False: "no lower bound", True: "membrane bounded below"},
    "refractory": {0: "no refractory steps"},
    "record": {"before": "state recorded one step late",
               "after": "state recorded one step early"},
    "mute": {False: "membrane held while refractory",
             True: "membrane not held while refractory"}}
TERMS = {       # wrong term of a layer, by axis that differs from the right layer
    "decay": "decays", "synapse": "current decay", "input": "current",
    "drive": "gain", "gain": "gain", "test": "spikes", "compare": "threshold",
    "spikes": "several spikes", "reset": "reset", "reset_at": "reset", "floor": "clamp",
    "refractory": "refractory period", "record": "mem", "mute": "refractory period"}
RARE = {"floor", "refractory", "mute"}      # axes that few tools change
SILENCE = ("no spike in the recording, and silence fits every convention: drive the "
           "layer above its threshold")


class Candidate(NamedTuple):
    """Describe a simulator by its differences from a published simulator."""
    preset: str
    changes: tuple = ()     # pairs (axis, new choice)


class Parting(NamedTuple):
    """The first difference between a recording and a simulation."""
    step: int           # step, sample and neuron are None for gradients
    sample: int
    neuron: int
    quantity: str
    found: float        # value in the recording
    wanted: float       # value of the candidate


class Report(NamedTuple):
    """The result of `identify`."""
    members: list       # candidates that fit the recording, presets first
    apart: dict         # other member: stimulus that excludes it or the first, or ""
    nearest: Candidate  # the nearest candidate if no candidate fits, else None
    parting: Parting    # first difference of `nearest` from the recording
    lines: tuple        # the report in words
    text: str = ""      # `lines` in one line
    settled: dict = {}  # choice for each axis on which all conventions that fit agree
    open: dict = {}     # (choices, stimulus that distinguishes them) of other axes
    fit: object = None  # refitted constants, a fitting.Fit
    gradients: list = []        # fitting.Match of each surrogate that fits


def _cost(candidate):
    """Count the changes; rare changes count thrice."""
    return len(candidate.changes) + 2 * len(RARE & set(dict(candidate.changes)))


def _step(candidate, presets):
    return presets[candidate.preset]._replace(**dict(candidate.changes))


def _variants(name, presets, axes):
    return [Candidate(name, ((axis, value),))
            for axis, values in axes.items() for value in values
            if value != getattr(presets[name], axis)]


def _described(step, presets, axes):
    return _whole(min((
        Candidate(name, tuple((axis, getattr(step, axis)) for axis in axes
                              if getattr(step, axis) != getattr(preset, axis)))
        for name, preset in presets.items()), key=_cost), presets)


def _whole(candidate, presets):
    """Add a given refractory period."""
    name, period = candidate.preset, presets[candidate.preset].refractory
    if period == conventions.PRESETS.get(name, presets[name]).refractory:
        return candidate
    changes = {"refractory": period} | dict(candidate.changes)
    return Candidate(name, tuple(changes.items()))


def _parting(wrong, rows, run):
    steps = [int(np.argmax(bad.any(axis=(1, 2)))) for bad in wrong.values()
             if bad.any()]
    if not steps:
        return None
    step = min(steps)
    name = next(name for name, bad in wrong.items() if bad[step].any())
    at = step, *(int(i) for i in np.argwhere(wrong[name][step])[0])
    return Parting(*at, name, float(rows[name][at]), float(run[name][at]))


def _title(preset):
    return f"{TITLES[preset]} ({preset})"


def _words(candidate, name=None):
    changes = [WORDS.get(axis, {}).get(value, f"{axis} {value!r}")
               for axis, value in candidate.changes]
    return (name or candidate.preset) + ", but " * bool(changes) + " and ".join(changes)


def _difference(nearest, parting):
    step, sample, neuron, quantity, found, wanted = parting
    where = "in the gradients: an entry" if step is None else \
        f"first at step {step}, sample {sample}, neuron {neuron}: {quantity}"
    return (f"nearest: as {_words(nearest)}; differs {where} is {found:.9g}, would be "
            f"{wanted:.9g}")


def _lines(members, settled, undecided, given):
    choices = ", ".join(f"{axis} {value}" for axis, value in settled.items())
    changes = members[0].changes
    equal = members if dict(changes).keys() <= {"refractory"} else members[:1]
    name = _words(members[0], " or ".join(
        _title(c.preset) for c in equal if c.changes == changes))
    if len(changes) > 2:
        name = f"no preset, but: {choices}"
    shown = {axis: " or ".join(map(str, values))
             for axis, (values, _) in undecided.items()}
    live = ", ".join(f"{axis} ({shown[axis]}; probe: {stimulus})"
                     for axis, (_, stimulus) in undecided.items() if stimulus)
    idle = ", ".join(f"{axis} ({shown[axis]})"
                     for axis, (_, stimulus) in undecided.items() if not stimulus)
    return [f"as {name}",
            f"settled: {choices or 'no axis'}" + " (decays are given)" * given,
            f"open: {live or 'no axis'}" + f"; equal on every probe: {idle}"
            * bool(idle)]


def _surrogates(matches):
    some = []
    for match in matches[:4]:
        width = f" of steepness {match.steepness:.6g}" * (match.surrogate != "given")
        if (match.surrogate, match.steepness) == ("step", 0):
            width = " of steepness 0 (straight-through)"
        width += f" and peak {match.peak:.6g}" * (match.peak != 1)
        side = {"both": "", "above": ", 0 below the threshold",
                "below": ", 0 above the threshold"}[match.side]
        some.append(f"surrogate {match.surrogate}{width}{side}, "
                    + "not " * (not match.through_reset) + "through the reset"
                    + ", not through the recurrent spikes" * (
                        not match.through_recurrence)
                    + f", times {match.factor:.5g}" * (match.factor != 1))
    return "gradients: " + " or ".join(some) + (
        f", and {len(matches) - 4} more" * (len(matches) > 4))
