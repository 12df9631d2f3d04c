# refsnn 0.1.0 | oracle/identify.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Which convention a recording follows, or where it parts from the nearest.

Candidates are the presets that are handed in and every step that differs
from one of them on a single axis.  Each is run on the recording's own
input, and it is a member of the recording's class if

    its spikes are equal, one by one                                  (1)
    |its mem - mem| <= rtol max |mem| everywhere; so syn, gradients   (2)

Whoever is in the class cannot be told apart by this recording: `probes`
are inputs that do, and the report names one for each member.  Without a
member, the nearest is the candidate that parts last, at step

    t = first step where (1) or (2) fails                             (3)

and among those the one with the fewest entries that differ.

Derivation.  A convention is observable where it acts: a tie needs u equal
    to the threshold to the last bit, so the tie probe searches, for each
    product of factors f1 f2 f3 that an input meets on its way (1 or 1 -
    alpha, 1 or alpha, 1 or 1 - beta), the input x with

    f3 (f2 (f1 x)) = threshold                                        (4)

    in floating point; several spikes and the kind of reset need a drive of
    two thresholds, a floor inhibition first; a detached reset is seen in
    no recording, only in gradients; spikes alone cannot tell a delay of
    the input from one of the output, membranes can.
Exact.  Each preset that agrees is returned, none that does not; so is each
    step one axis away from those that agree, or from all where none does.
Cost.   One run for each candidate, at most presets x (1 + values of all
    axes), and two for each member and probe.
Departures.  Two changed axes are not searched; the nearest is reported.
"""

from typing import Callable, NamedTuple

import numpy as np

__all__ = ["Candidate", "Parting", "Probe", "Report", "identify", "probes"]

STEPS = 13              # of a probe
QUANTITIES = ("syn", "mem", "spikes")       # cause before effect
WORDS = {       # how a recording differs from a preset, by axis and its value
    ("decay", "exact"): "decays are exp(-dt/tau)",
    ("decay", "euler"): "decays are 1 - dt/tau",
    ("synapse", "none"): "no synaptic filter",
    ("synapse", "first"): "current decays before input is added and it is read",
    ("synapse", "between"): "current decays between adding input and being read",
    ("synapse", "last"): "current decays after input is added and it is read",
    ("input", "same"): "input one step early", ("input", "next"): "input one step late",
    ("drive", "one"): "input enters the current unscaled",
    ("drive", "leak"): "input enters the current times 1 - alpha",
    ("gain", "one"): "current enters the membrane unscaled",
    ("gain", "leak"): "current enters the membrane times 1 - beta",
    ("test", "before"): "spikes one step late",
    ("test", "after"): "spikes one step early",
    ("compare", ">"): "a tie is no spike", ("compare", ">="): "a tie is a spike",
    ("spikes", "one"): "one spike a step at most",
    ("spikes", "many"): "several spikes a step",
    ("reset", "subtract"): "reset by subtraction",
    ("reset", "zero"): "reset to a value",
    ("reset", "none"): "no reset",
    ("reset_at", "once"): "reset in the step of the spike",
    ("reset_at", "before"): "reset before the decay of the next step",
    ("reset_at", "after"): "reset one step late",
    ("through_reset", True): "gradients pass the reset",
    ("through_reset", False): "gradients stop at the reset",
    ("floor", False): "no lower bound", ("floor", True): "membrane bounded below",
    ("refractory", 0): "no refractory steps",
    ("record", "before"): "state recorded one step late",
    ("record", "after"): "state recorded one step early"}


class Candidate(NamedTuple):
    """A preset, or a preset with `axis` set to `value` (None, None: as is)."""

    preset: str
    axis: str
    value: object


class Parting(NamedTuple):
    """First entry that differs; step, sample and neuron are None: gradients."""

    step: int
    sample: int
    neuron: int
    quantity: str
    found: float
    wanted: float


class Probe(NamedTuple):
    """Input x (T, B, 1) of one neuron, W is (1, 1); what it shows."""

    x: np.ndarray
    W: np.ndarray
    shows: str


class Report(NamedTuple):
    """What a recording follows.

    `members` agree with it, presets first; `apart` says which probe tells
    a member from the first one ("" if none does).  Without a member,
    `nearest` is the closest candidate and `parting` says where it parts.
    """

    members: list
    apart: dict
    nearest: Candidate
    parting: Parting
    text: str


def _array(name, value, shape=None):
    """`value` as a finite float64 array of `shape`, or of any with 3 axes."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or (array.shape != shape if shape is not None
                                          else array.ndim != 3 or 0 in array.shape):
        want = "(T, B, n), none of them 0" if shape is None else shape
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a real array of shape {want}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array.astype(float)


def _checked(x, W, recording, gradients, differentiate):
    """The recording as arrays; refuses what shows nothing."""
    _array("x", x)
    if W.ndim != 2 or W.shape[1] != x.shape[2]:
        raise ValueError(f"W is of shape {W.shape}: must be (n, {x.shape[2]})")
    if not isinstance(recording, dict) or not recording \
            or set(recording) - set(QUANTITIES):
        raise ValueError(f"recording holds {list(recording)}: must be a dict of some "
                         f"of {QUANTITIES}")
    shape = (*x.shape[:2], len(W))
    rows = {name: _array(f"recording[{name!r}]", recording[name], shape)
            for name in QUANTITIES if name in recording}
    for name, row in rows.items():
        if not row.any():
            raise ValueError(f"recording[{name!r}] is 0 throughout: must be alive, "
                             "silence follows every convention")
    if gradients is not None:
        gradients = np.asarray(gradients)
        gradients = _array("gradients", gradients, gradients.shape)
        if not callable(differentiate):
            raise ValueError(f"differentiate is {differentiate!r}: must be a callable "
                             "(step, x, W) to judge gradients")
        if not gradients.any():
            raise ValueError("gradients are 0 throughout: must be alive")
    return rows, gradients


def _differs(found, wanted, exact, rtol):
    """Where two arrays differ: any way, or by more than rounding."""
    if exact:
        return found != wanted                                             # (1)
    scale = max(np.abs(found).max(initial=0), np.abs(wanted).max(initial=0))
    return np.abs(found - wanted) > rtol * scale                           # (2)


def _part(rows, run, rtol):
    """(Parting or None, entries that differ) of a recording and a run."""
    run = {name: np.asarray(run[name], float) for name in rows}
    wrong = {name: _differs(row, run[name], name == "spikes", rtol)
             for name, row in rows.items()}
    count = sum(int(bad.sum()) for bad in wrong.values())
    if not count:
        return None, 0
    step = min(int(np.argmax(bad.any(axis=(1, 2)))) for bad in wrong.values()
               if bad.any())                                               # (3)
    name = next(name for name, bad in wrong.items() if bad[step].any())
    sample, neuron = (int(i) for i in np.argwhere(wrong[name][step])[0])
    return Parting(step, sample, neuron, name, float(rows[name][step, sample, neuron]),
                   float(run[name][step, sample, neuron])), count


def _step(candidate, presets):
    step = presets[candidate.preset]
    return step if candidate.axis is None \
        else step._replace(**{candidate.axis: candidate.value})


def _variants(names, presets, axes):
    """All steps one axis away from the named presets."""
    return [Candidate(name, axis, value) for name in names for axis in axes
            for value in axes[axis] if value != getattr(presets[name], axis)]


def _words(candidate):
    if candidate.axis is None:
        return candidate.preset
    words = WORDS.get((candidate.axis, candidate.value),
                      f"{candidate.axis} {candidate.value!r}")
    return f"{candidate.preset}, but {words}"


def _telling(one, other, rows, tools, rtol):
    """Name of the probe that tells two steps apart, "" if none does."""
    simulate, differentiate, inputs = tools
    for names, note in ((tuple(rows), ""), (QUANTITIES, ", with syn and mem")):
        for name, probe in inputs.items():
            a, b = (simulate(step, probe.x, probe.W) for step in (one, other))
            if _part({key: np.asarray(a[key], float) for key in names}, b, rtol)[0]:
                return name + note
    if differentiate is not None:
        for name, probe in inputs.items():
            a, b = (np.asarray(differentiate(step, probe.x, probe.W))
                    for step in (one, other))
            if _differs(a, b, False, rtol).any():
                return f"gradients of {name}"
    return ""


def _judge(candidate, data, rows, gradients, tools, rtol):
    """(Parting or None, entries that differ) of a candidate."""
    step, x, W = data
    parting, count = _part(rows, tools[0](step, x, W), rtol)
    if parting is None and gradients is not None:
        wanted = np.asarray(tools[1](step, x, W), float)
        if wanted.shape != gradients.shape:
            raise ValueError(f"gradients are of shape {gradients.shape}: must be "
                             f"{wanted.shape}, as differentiate returns")
        bad = _differs(gradients, wanted, False, rtol)
        if bad.any():
            return Parting(None, None, None, "gradients", float(gradients[bad][0]),
                           float(wanted[bad][0])), int(bad.sum())
    return parting, count


def _text(members, apart, nearest, parting):
    """The report as sentences."""
    if members:
        first = f"as {_words(members[0])}"
        others = [f"{_words(member)} ({apart[member]})" for member in members[1:]
                  if apart[member]]
        same = [_words(member) for member in members[1:] if not apart[member]]
        return first + ("; not told apart from (probe that would): "
                        + "; ".join(others) if others else "") + (
            "; the same to every probe: " + "; ".join(same) if same else "")
    where = "in the gradients" if parting.step is None else \
        f"at step {parting.step}, sample {parting.sample}, neuron {parting.neuron}"
    return (f"nearest: as {_words(nearest)}; parts {where}: {parting.quantity} is "
            f"{parting.found:.9g}, would be {parting.wanted:.9g}")


def identify(x, W, recording, presets, simulate: Callable, axes, *, gradients=None,
             differentiate: Callable = None, inputs=None, rtol=1e-9):
    """Which conventions a recording follows, eqs. (1)-(3).

    Parameters
    ----------
    x : (T, B, m) float
        Input of the recording.
    W : (n, m) float
        Its weights.
    recording : dict
        Some of "spikes", "mem", "syn", (T, B, n) each.
    presets : dict
        Name to step, a NamedTuple with the axes as fields.
    simulate : callable (step, x, W) -> dict
        What a step would show: "spikes", "mem" and "syn".
    axes : dict
        Axis to the values it may have; {} searches presets alone.
    gradients : array, optional
        Gradient of a loss, in float64.
    differentiate : callable (step, x, W) -> array, optional
        The gradient of the same loss by a step.
    inputs : dict, optional
        Name to `Probe`, what `probes` returned.
    rtol : float
        Of (2); spikes are compared exactly.

    Returns
    -------
    Report
        Members with the probes that tell them apart, or the nearest.

    Raises
    ------
    ValueError
        If a shape does not fit, an entry is not finite or the recording
        shows nothing.

    Examples
    --------
    >>> class Rule(NamedTuple):
    ...     late: int = 0
    >>> def simulate(step, x, W):
    ...     mem = np.roll(x @ W.T, step.late, axis=0)
    ...     return {"mem": mem, "syn": mem, "spikes": mem > 1}
    >>> x, W = np.array([[[1.0]], [[3.0]], [[0.5]]]), np.eye(1)
    >>> seen = {"mem": np.roll(x, 1, axis=0)}
    >>> identify(x, W, seen, {"mine": Rule()}, simulate, {"late": (0, 1)}).text
    'as mine, but late 1'
    >>> identify(x, W, seen, {"mine": Rule()}, simulate, {}).parting.step
    0
    """
    x, W = np.asarray(x), np.asarray(W)
    rows, gradients = _checked(x, W, recording, gradients, differentiate)
    if not isinstance(presets, dict) or not presets or not isinstance(axes, dict):
        raise ValueError(f"presets and axes are {presets!r} and {axes!r}: must be "
                         "dicts, presets not empty")
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol is {rtol!r}: must be in [0, 1)")
    tools = (simulate, differentiate, {} if inputs is None else inputs)

    def judged(candidates):
        return {c: _judge(c, (_step(c, presets), x, W), rows, gradients, tools, rtol)
                for c in candidates}

    found = judged([Candidate(name, None, None) for name in presets])
    exact = [c.preset for c, (parting, _) in found.items() if parting is None]
    found |= judged(_variants(exact or presets, presets, axes))
    members = [c for c, (parting, _) in found.items() if parting is None]
    apart = {c: _telling(_step(members[0], presets), _step(c, presets), rows, tools,
                         rtol) for c in members[1:]}
    nearest = parting = None
    if not members:
        nearest = max(found, key=lambda c: (
            np.inf if found[c][0].step is None else found[c][0].step, -found[c][1]))
        parting = found[nearest][0]
    return Report(members, apart, nearest, parting,
                  _text(members, apart, nearest, parting))


def _ties(alphas, betas, threshold):
    """Inputs x of (4), one for each product of factors that has one."""
    found = []
    for alpha in alphas:
        for beta in betas:
            for f1 in (1.0, 1 - alpha):
                for f2 in (1.0, alpha):
                    for f3 in (1.0, 1 - beta):
                        if f1 * f2 * f3 > 0:
                            x = threshold / (f1 * f2 * f3)
                            x += np.arange(-8, 9) * np.spacing(x)
                            at = x[f3 * (f2 * (f1 * x)) == threshold]      # (4)
                            found += at[:1].tolist()
    return sorted(set(found))


def probes(alphas, betas, threshold=1.0):
    """Inputs on which conventions come apart, for `identify` or by hand.

    One neuron of weight 1, a size of input in each sample.  Run them with
    the leak at 0 and decays exact in binary, if the tool allows: a tie that
    rounding misses shows nothing.

    Parameters
    ----------
    alphas, betas : list of float
        Decays in question, exact and Euler, in [0, 1).
    threshold : float
        Of the neurons, above 0.

    Returns
    -------
    dict
        "overdrive", "inhibition", "ties" and "all", the three as one batch,
        to `Probe`.

    Raises
    ------
    ValueError
        If a decay or the threshold is out of range.

    Examples
    --------
    >>> found = probes([0.25], [0.5], 2.0)
    >>> found["ties"].x[1, :3, 0].tolist()
    [2.0, 2.6666666666666665, 4.0]
    """
    for name, value, low, high in (("alphas", alphas, 0, 1), ("betas", betas, 0, 1),
                                   ("threshold", [threshold], 1e-300, 1e300)):
        if not isinstance(value, (list, tuple)) or not value or not all(
                isinstance(v, (int, float, np.number)) and low <= v < high
                for v in value):
            raise ValueError(f"{name} is {value!r}: must be numbers in [{low}, {high})")
    low = min([min(a, 1 - a) * (1 - b) for a in alphas if a for b in betas] + [1.0])
    sizes = threshold * np.geomspace(0.6, 9 / low, 40)
    patterns = {
        "overdrive": ([0, 1, 1, 1, 0, 0, 1], "decays, gains and delays; kind and "
                      "time of the reset; several spikes a step; refractory steps"),
        "inhibition": ([0, -1, -1, 0, 1, 1, 1, 0.5], "a floor"),
        "ties": ([0, 1], "whether u = threshold is a spike")}
    found = {}
    for name, (pattern, shows) in patterns.items():
        size = _ties(alphas, betas, float(threshold)) if name == "ties" else sizes
        x = np.zeros((STEPS, len(size), 1))
        x[:len(pattern), :, 0] = np.multiply.outer(pattern, size)
        found[name] = Probe(x, np.ones((1, 1)), shows)
    x = np.concatenate([probe.x for probe in found.values()], axis=1)
    return found | {"all": Probe(x, np.ones((1, 1)), "all of these")}
