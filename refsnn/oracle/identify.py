# refsnn 0.1.0 | oracle/identify.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module identifies the conventions of a recorded LIF layer.

A preset is the update step of an existing tool, by default from the module
`conventions`.  A candidate is a preset, or a preset with one convention
changed.  Each candidate is simulated with the recorded input.  A candidate
that matches the recording is called a member:

    simulated spikes = recorded spikes                                (1)
    |simulated mem - mem| <= rtol max |mem|; also syn, gradients      (2)

The recording does not distinguish between the members.  For each further
member, the report names a probe (a test input) that distinguishes this
member from the first member.  If no candidate matches, the report names
the candidate with the largest t (at equal t, with the fewest differences):

    t = first step at which (1) or (2) fails                          (3)

Derivation.  Some conventions have an effect for special inputs only.  In a
    tie, the membrane potential equals the threshold to the last bit.  Let
    f1 be 1 or 1 - alpha, f2 be 1 or alpha, and f3 be 1 or 1 - beta.  The
    probe "ties" contains inputs x such that, in floating-point arithmetic,

    f3 (f2 (f1 x)) = threshold                                        (4)

    Inputs of twice the threshold reveal multiple spikes per step and the
    type of reset, and inhibition reveals a floor.  Only gradients reveal a
    detached reset.  Membrane potentials distinguish an input delay from an
    output delay, but spikes do not.
Exact.  All matching presets are members.  If presets match, only these
    presets are varied.  Otherwise, all presets are varied.
Cost.   For p presets and v values of all axes together, at most p (1 + v)
    simulations run.  Each pair of member and probe adds at most six
    simulations.
Departures.  Steps that change two conventions of a preset are not tested.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refsnn import bptt, conventions

__all__ = ["Candidate", "Parting", "Probe", "Report", "Tools", "identify", "probes"]

STEPS = 13              # time steps of a probe
QUANTITIES = ("syn", "mem", "spikes")       # in causal order
WORDS = {       # for each axis and value: how a recording differs from a preset
    "decay": {"exact": "decays are exp(-dt/tau)", "euler": "decays are 1 - dt/tau"},
    "synapse": {"none": "no synaptic filter",
                "first": "current decays before input is added and it is read",
                "between": "current decays between adding input and being read",
                "last": "current decays after input is added and it is read"},
    "input": {"same": "input one step early", "next": "input one step late"},
    "drive": {"one": "input enters the current unscaled",
              "leak": "input enters the current times 1 - alpha"},
    "gain": {"one": "current enters the membrane unscaled",
             "leak": "current enters the membrane times 1 - beta"},
    "test": {"before": "spikes one step late", "after": "spikes one step early"},
    "compare": {">": "a tie is no spike", ">=": "a tie is a spike"},
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
               "after": "state recorded one step early"}}


class Candidate(NamedTuple):
    """Hold a preset and the one convention that a candidate changes."""
    preset: str
    axis: str           # name of the convention, or None for the preset itself
    value: object       # new value of the convention


class Parting(NamedTuple):
    """Hold the first entry in which a recording differs from a candidate."""
    step: int           # step, sample and neuron are None for gradients
    sample: int
    neuron: int
    quantity: str
    found: float        # value in the recording
    wanted: float       # value of the candidate


class Probe(NamedTuple):
    """Hold a test input x of shape (T, B, 1) for one neuron with weight W."""
    x: np.ndarray
    W: np.ndarray
    shows: str          # conventions that the probe distinguishes


class Tools(NamedTuple):
    """Hold the candidates and the functions that simulate them.

    An update step is a NamedTuple with one field for each axis (convention).
    The function `simulate` returns a dict of "syn", "mem" and "spikes".  The
    function `differentiate` returns the gradient of a loss with respect to W.
    """

    presets: dict       # update step of each preset
    axes: dict          # values of each axis; if empty, only presets are tested
    simulate: Callable                  # called as simulate(step, x, W)
    differentiate: Callable = None      # called as differentiate(step, x, W)
    inputs: dict = None                 # probe of each name


class Report(NamedTuple):
    """Hold the conventions that a recording follows."""
    members: list       # candidates that match the recording, presets first
    apart: dict         # probe that tells each other member from the first, or ""
    nearest: Candidate  # the closest candidate if none matches, else None
    parting: Parting    # first difference of `nearest` from the recording
    text: str


def identify(x, W, recording, V=None, *, tau_syn=None, tau_mem=None, dt=1.0,
             threshold=1.0, leak=0.0, reset_to=0.0, floor=0.0, gradients=None,
             dspikes=None, surrogate=None, tools=None, rtol=1e-9):
    """Identify the conventions that a recording follows, eqs. (1)-(3).

    >>> x, taus = np.ones((9, 1, 1)), {"tau_syn": 2.0, "tau_mem": 5.0}
    >>> step = conventions.PRESETS["spytorch"]
    >>> run = conventions.simulate(step, x, np.eye(1), **taus)
    >>> mem = conventions.recorded(step, run)["mem"]
    >>> identify(x, np.eye(1), {"mem": mem}, **taus).members[0].preset
    'spytorch'

    Parameters
    ----------
    x : (T, B, m) float
        Input of the recording.
    W, V : (n, m) and (n, n) float
        Input weights and recurrent weights; V may be None.
    recording : dict
        At least one of the arrays "spikes", "mem" and "syn", each (T, B, n).
    tau_syn, tau_mem, dt : float
        Time constants and time step, in seconds.
    threshold, leak, reset_to, floor : float
        Threshold, leak, reset value and floor of the membrane potential.
    gradients : (n, m) float, optional
        Gradient, with respect to W, of a loss on the recorded spikes.
    dspikes : (T, B, n) float, optional
        Derivative of this loss with respect to the recorded spikes.
    surrogate : callable v -> (value, derivative), optional
        Surrogate function of v, the membrane potential minus the threshold.
    tools : Tools, optional
        Candidates that replace the candidates from `conventions`.  V, tau_syn,
        tau_mem, `dspikes` and `surrogate` must then be None, and all other
        constants have no effect.
    rtol : float
        Relative tolerance of eq. (2); spikes are compared exactly.

    Returns
    -------
    Report
        Members, and probes that distinguish members, or the nearest candidate.
    """
    x, W = conventions._arrays("x (T, B, m), W (n, m)", x, W, dtype=float)
    rows = _recorded(recording, (*x.shape[:2], len(W)))
    own = V, tau_syn, tau_mem, dspikes, surrogate
    if tools is None:
        if gradients is not None and (dspikes is None or surrogate is None):
            raise ValueError("gradients are given: dspikes and surrogate must be, too")
        tools = _conventions(W, *own, dt, {"threshold": threshold, "leak": leak,
                                           "reset_to": reset_to, "floor": floor})
    elif any(value is not None for value in own):
        raise ValueError("tools are given: V, tau_syn, tau_mem, dspikes and surrogate "
                         "must be None")
    gradients = _checked(tools, gradients, rtol)

    def judged(candidates):
        return {c: _judge(_step(c, tools), x, W, rows, gradients, tools, rtol)
                for c in candidates}

    found = judged([Candidate(name, None, None) for name in tools.presets])
    exact = [c.preset for c, (parting, _) in found.items() if parting is None]
    found |= judged(_variants(exact or tools.presets, tools))
    members = [c for c, (parting, _) in found.items() if parting is None]
    apart = {c: _telling(_step(members[0], tools), _step(c, tools), rows, tools, rtol)
             for c in members[1:]}
    nearest = parting = None
    if not members:
        nearest = max(found, key=lambda c: (
            np.inf if found[c][0].step is None else found[c][0].step, -found[c][1]))
        parting = found[nearest][0]
    return Report(members, apart, nearest, parting,
                  _text(members, apart, nearest, parting))


def _conventions(W, V, tau_syn, tau_mem, dspikes, surrogate, dt, levels):
    """Return the `Tools` for the candidates from the module `conventions`."""
    tau_syn, tau_mem, dt = conventions._arrays(
        "tau_syn () in (0, inf), tau_mem () in (0, inf), dt () in (0, inf)",
        tau_syn, tau_mem, dt)
    euler = bool(min(tau_syn, tau_mem) >= dt)   # otherwise, 1 - dt/tau is below 0
    axes = conventions.AXES if euler else conventions.AXES | {"decay": ("exact",)}
    presets = {name: step for name, step in conventions.PRESETS.items()
               if euler or step.decay == "exact"}
    constants = {"tau_syn": tau_syn, "tau_mem": tau_mem, "dt": dt} | levels

    def run(step, x, weights):
        own = V if weights is W else None
        return own, conventions.simulate(step, x, weights, own, **constants)

    def simulate(step, x, weights):
        return conventions.recorded(step, run(step, x, weights)[1])

    def differentiate(step, x, weights):
        own, found = run(step, x, weights)
        psi = surrogate(found.mem - levels["threshold"])[1]
        slopes = conventions.slopes(step, found, **constants)
        J, F, _ = conventions.linearise(x, weights, own, found.spikes, psi, slopes)
        d = dspikes if weights is W else np.cos(np.arange(psi[1:].size)).reshape(
            psi[1:].shape)                      # any loss distinguishes gradients
        flat = bptt.gradient(J, F, conventions.credit(psi, slopes, d))
        return flat[:weights.size].reshape(weights.shape)

    decays = [[float(np.exp(-dt / tau))] + [1 - dt / tau] * euler
              for tau in (tau_syn, tau_mem)]
    return Tools(presets, axes, simulate, None if surrogate is None else differentiate,
                 probes(*decays, threshold=levels["threshold"]))


def _step(candidate, tools):
    step = tools.presets[candidate.preset]
    return step if candidate.axis is None \
        else step._replace(**{candidate.axis: candidate.value})


def _variants(names, tools):
    """Return all candidates that change one convention of a preset in `names`."""
    return [Candidate(name, axis, value) for name in names
            for axis, values in tools.axes.items() for value in values
            if value != getattr(tools.presets[name], axis)]


def _differs(found, wanted, exact, rtol):
    """Mark the entries that violate eq. (1) if `exact` is True, else eq. (2)."""
    if exact:
        return found != wanted                                             # (1)
    scale = max(np.abs(found).max(initial=0), np.abs(wanted).max(initial=0))
    return np.abs(found - wanted) > rtol * scale                           # (2)


def _part(rows, run, rtol):
    """Return the first difference (or None) and the number of differences."""
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


def _judge(step, x, W, rows, gradients, tools, rtol):
    """Compare recorded arrays with `_part`; if they match, compare gradients."""
    parting, count = _part(rows, tools.simulate(step, x, W), rtol)
    if parting is None and gradients is not None:
        wanted = np.asarray(tools.differentiate(step, x, W), float)
        if wanted.shape != gradients.shape:
            raise ValueError(f"gradients are of shape {gradients.shape}: must be "
                             f"{wanted.shape}, as differentiate returns")
        bad = _differs(gradients, wanted, False, rtol)
        if bad.any():
            return Parting(None, None, None, "gradients", float(gradients[bad][0]),
                           float(wanted[bad][0])), int(bad.sum())
    return parting, count


def _telling(one, other, rows, tools, rtol):
    """Return the name of a probe that distinguishes two update steps, or ""."""
    inputs = tools.inputs or {}
    for names, note in ((tuple(rows), ""), (QUANTITIES, ", with syn and mem")):
        for name, probe in inputs.items():
            a, b = (tools.simulate(step, probe.x, probe.W) for step in (one, other))
            if _part({key: np.asarray(a[key], float) for key in names}, b, rtol)[0]:
                return name + note
    for name, probe in inputs.items() if tools.differentiate else ():
        a, b = (np.asarray(tools.differentiate(step, probe.x, probe.W))
                for step in (one, other))
        if _differs(a, b, False, rtol).any():
            return f"gradients of {name}"
    return ""


def _words(candidate):
    preset, axis, value = candidate
    words = WORDS.get(axis, {}).get(value, f"{axis} {value!r}")
    return preset if axis is None else f"{preset}, but {words}"


def _text(members, apart, nearest, parting):
    """Describe the members or the nearest candidate in words."""
    if members:
        others = [f"{_words(c)} ({apart[c]})" for c in members[1:] if apart[c]]
        same = [_words(c) for c in members[1:] if not apart[c]]
        return f"as {_words(members[0])}" + (
            "; not distinguished from (probe that does): " + "; ".join(others)
            if others else "") + (
            "; equal on every probe: " + "; ".join(same) if same else "")
    step, sample, neuron, quantity, found, wanted = parting
    where = "in the gradients" if step is None else \
        f"first at step {step}, sample {sample}, neuron {neuron}"
    return (f"nearest: as {_words(nearest)}; differs {where}: {quantity} is "
            f"{found:.9g}, would be {wanted:.9g}")


def probes(alphas, betas, threshold=1.0):
    """Return test inputs that distinguish between conventions.

    >>> found = probes([0.25], [0.5], 2.0)
    >>> found["ties"].x[1, :3, 0].tolist()
    [2.0, 2.6666666666666665, 4.0]

    A probe drives one neuron with weight 1.  The samples of the batch differ
    in input amplitude.  Rounding destroys ties.  If your tool permits, set the
    leak to 0, and use decay factors that are exact in binary.

    Parameters
    ----------
    alphas, betas : list of float
        Possible decay factors of current and membrane, in [0, 1).
    threshold : float
        Firing threshold of the neuron, above 0.

    Returns
    -------
    dict
        A `Probe` for each of "overdrive", "inhibition" and "ties"; the probe
        "all" combines these three in one batch.
    """
    alphas, betas, threshold = conventions._arrays(
        "alphas (p) in [0, 1), betas (q) in [0, 1), threshold () in [1e-300, 1e300)",
        alphas, betas, threshold, dtype=float)
    low = min([min(a, 1 - a) * (1 - b) for a in alphas if a for b in betas] + [1.0])
    sizes = threshold * np.geomspace(0.6, 9 / low, 40)
    patterns = {
        "overdrive": ([0, 1, 1, 1, 0, 0, 1], "decays, gains and delays; kind and "
                      "time of the reset; several spikes a step; refractory steps"),
        "inhibition": ([0, -1, -1, 0, 1, 1, 1, 0.5], "a floor"),
        "ties": ([0, 1], "whether u = threshold is a spike")}
    found = {}
    for name, (pattern, shows) in patterns.items():
        size = _ties(alphas, betas, threshold) if name == "ties" else sizes
        x = np.zeros((STEPS, len(size), 1))
        x[:len(pattern), :, 0] = np.multiply.outer(pattern, size)
        found[name] = Probe(x, np.ones((1, 1)), shows)
    x = np.concatenate([probe.x for probe in found.values()], axis=1)
    return found | {"all": Probe(x, np.ones((1, 1)), "all of these")}


def _ties(alphas, betas, threshold):
    """Return inputs x that fulfil eq. (4), at most one per product of factors."""
    found = []
    for alpha, beta in itertools.product(alphas, betas):
        for f1, f2, f3 in itertools.product((1.0, 1 - alpha), (1.0, alpha),
                                            (1.0, 1 - beta)):
            if f1 * f2 * f3 > 0:
                x = threshold / (f1 * f2 * f3)
                x += np.arange(-8, 9) * np.spacing(x)
                at = x[f3 * (f2 * (f1 * x)) == threshold]                  # (4)
                found += at[:1].tolist()
    return sorted(set(found))


# ---- checks

def _recorded(recording, shape):
    """Return a dict of the recorded arrays, none of which may be all zero."""
    if not isinstance(recording, dict) or not recording \
            or set(recording) - set(QUANTITIES):
        shown = " ".join(repr(recording).split())
        raise ValueError(f"recording is {shown:.60}: must be a dict with some of "
                         f"{QUANTITIES}")
    rows = {}
    for name in [key for key in QUANTITIES if key in recording]:
        rows[name], = conventions._arrays(f"recording[{name!r}] {shape}",
                                          recording[name], dtype=float)
        if not rows[name].any():
            raise ValueError(f"recording[{name!r}] is 0 throughout: must be alive, "
                             "because silence follows every convention")
    return rows


def _checked(tools, gradients, rtol):
    """Check the tools, the gradients and the tolerance; return the gradients."""
    if not isinstance(tools.presets, dict) or not tools.presets \
            or not isinstance(tools.axes, dict):
        raise ValueError(f"presets and axes are {tools.presets!r} and {tools.axes!r}: "
                         "must be dicts, presets not empty")
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol is {rtol!r}: must be in [0, 1)")
    if gradients is None:
        return None
    gradients, = conventions._arrays("gradients (...)", gradients, dtype=float)
    if not callable(tools.differentiate):
        raise ValueError(f"tools.differentiate is {tools.differentiate!r}: must be a "
                         "callable (step, x, W) to judge gradients")
    if not gradients.any():
        raise ValueError("gradients are 0 throughout: must be alive")
    return gradients
