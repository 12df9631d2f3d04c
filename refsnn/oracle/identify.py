# refsnn 0.1.0 | oracle/identify.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module identifies the conventions of a recorded LIF layer.

A convention is one choice for each axis of `conventions.Step`, and a
preset is the convention of an existing tool.  `identify` compares a
recording with all conventions, which `elimination` simulates, and names
the presets that fit.  An axis is settled if all conventions that fit agree
in this axis.  For each open axis, the report names a probe (a test input)
that settles it.  Gradients settle `through_reset`.

If nothing fits, the report gives constants that were refitted by least
squares, if they explain the recording.  The nearest convention is the one
with the largest step

    t = first row that contradicts the convention                     (1)

It is given only if refitted constants explain the recording, if it
reproduces at least 12 nonzero entries before row t, or if the error of
each recorded quantity is below half of its deviation from its mean.
White noise and recordings that explode have no nearest convention.
Tolerances are those of `elimination`.

If the caller supplies the candidates (`Tools`), these are presets, and
presets with one changed axis.  A candidate matches a recording r if

    simulated spikes = recorded spikes                                (2)
    |simulated - r| <= rtol max |r|  for mem, syn and gradients       (3)

Derivation.  Some conventions have an effect for special inputs only.  In a
    tie, the membrane potential equals the threshold to the last bit.  Let
    f1 be 1 or 1 - alpha, f2 be 1 or alpha, and f3 be the gain.  The
    probe "ties" contains inputs x such that, in floating-point arithmetic,

    f3 (f2 (f1 x)) = threshold                                        (4)

    Inputs of twice the threshold reveal multiple spikes per step and the
    type of reset, and inhibition reveals a floor.  Only gradients reveal a
    detached reset.  Membrane potentials distinguish an input delay from an
    output delay, but spikes do not.
Exact.  All presets that fit are members.  So are conventions that fit and
    differ from the first of these presets in one axis.  If no preset fits,
    the members are conventions with the fewest changes of a preset, at
    most 20.
Cost.   `elimination._search` takes most of the time.
Departures.  A tie settles `compare` only if no rounding is involved.
    Weights are not transposed in the search.  If nothing fits and
    transposed square weights do, the report says so.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refsnn import conventions
from refsnn.oracle import elimination, fitting

__all__ = ["Candidate", "Parting", "Probe", "Report", "Tools", "identify", "probes"]

STEPS = 13              # time steps of a probe
QUANTITIES = ("syn", "mem", "spikes")       # in causal order
MATCHED = 12            # entries, or
CLOSE = 0.5             # relative error, of the nearest convention
SHOWN = 20              # members at most, if no preset fits
TIES = 20_000_000       # entries of all simulations that are searched for ties
SINGLE = float(np.finfo(np.float32).eps)
TITLES = {
    "refsnn": "refsnn lif", "spytorch": "spytorch tutorials", "stork": "stork LIFGroup",
    "hxtorch": "hxtorch LIF", "norse": "norse lif_step",
    "norse_feed_forward": "norse lif_feed_forward_step", "nir": "NIR CubaLIF",
    "nir_subtract": "NIR CubaLIF, subtract",
    "snntorch_leaky": "snntorch Leaky, subtract",
    "snntorch_synaptic": "snntorch Synaptic, subtract",
    "spikingjelly": "spikingjelly LIFNode", "lava": "lava LIF", "sinabs": "sinabs LIF",
    "rockpool": "rockpool LIF", "spyx_lif": "spyx LIF", "spyx_cubalif": "spyx CuBaLIF"}
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


class Candidate(NamedTuple):
    """Hold a preset and the axes that a candidate changes."""
    preset: str
    axis: object        # name of the axis, or a tuple; None for the preset itself
    value: object       # new choice, or a tuple


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
    members: list       # candidates that fit the recording, presets first
    apart: dict         # probe that tells each other member from the first, or ""
    nearest: Candidate  # the closest candidate if none fits, else None
    parting: Parting    # first difference of `nearest` from the recording
    text: str           # `lines` in one line
    lines: tuple = ()
    settled: dict = {}  # choice for each axis in which all fits agree
    open: dict = {}     # (choices, probe that settles them) for each other axis
    fit: object = None  # fitting.Fit, refitted constants
    gradients: list = []        # fitting.Match of each surrogate that fits


def identify(x, W, recording, V=None, *, tau_syn=None, tau_mem=None, dt=1.0,
             threshold=1.0, leak=0.0, reset_to=0.0, floor=0.0, gradients=None,
             dspikes=None, surrogate=None, tools=None, rtol=None, alpha=None,
             beta=None):
    """Identify the conventions that a recording follows, eqs. (1)-(3).

    >>> x, taus = np.ones((9, 1, 1)), {"tau_syn": 2.0, "tau_mem": 5.0}
    >>> step = conventions.PRESETS["spytorch"]
    >>> run = conventions.simulate(step, x, np.eye(1), **taus)
    >>> rows = conventions.recorded(step, run)
    >>> identify(x, np.eye(1), rows, **taus).members[0].preset
    'spytorch'

    Parameters
    ----------
    x : (T, B, m) float
        Input of the recording.
    W, V : (n, m) and (n, n) float
        Input weights and recurrent weights; V may be None.
    recording : dict
        At least one of the arrays "spikes", "mem" and "syn", each (T, B, n),
        in the dtype of the tool, which sets the tolerance.
    tau_syn, tau_mem, dt : float
        Time constants and time step, in seconds.
    threshold, leak, reset_to, floor : float or (n,) float
        Threshold, leak, reset value and floor of the membrane potential.
    gradients : (n, m) float, optional
        Gradient, with respect to W, of a loss on the recorded spikes.
    dspikes : (T, B, n) float, optional
        Derivative of this loss with respect to the recorded spikes.
    surrogate : str, float or callable, optional
        Surrogate: a name in `fitting.BUMPS`; its steepness; or a function of
        the membrane potential minus the threshold that returns (value,
        derivative).  By default, all are tried.
    tools : Tools, optional
        Candidates that replace the candidates from `conventions`.  V, the
        decays, `dspikes` and `surrogate` must then be None, and all other
        constants have no effect.
    rtol : float, optional
        Tolerance of eq. (3), by default 1e-9, or more for float32; only for
        `tools`.  Spikes are compared exactly.
    alpha, beta : float, optional
        Decay factors that replace the time constants.  The unit of time is
        then the time step, and the axis "decay" is not judged.

    Returns
    -------
    Report
        Members, settled and open axes, or the nearest candidate.
    """
    _turned(x, W, recording)
    x, W = conventions._arrays("x (T, B, m), W (n, m)", x, W, dtype=float)
    shape = (*x.shape[:2], len(W))
    if tools is not None:
        if any(value is not None for value in (
                V, tau_syn, tau_mem, dspikes, surrogate, alpha, beta)):
            raise ValueError("tools are given: V, tau_syn, tau_mem, alpha, beta, "
                             "dspikes and surrogate must be None")
        rows, eps = _recorded(recording, shape, True)
        return _among(x, W, rows, gradients, tools,
                      max(1e-9, 256 * eps) if rtol is None else rtol)
    if gradients is not None and dspikes is None:
        raise ValueError("gradients are given without dspikes: dspikes and surrogate "
                         "must be given, or dspikes alone")
    rows, eps = _recorded(recording, shape, False)
    decays, taus = _decays(tau_syn, tau_mem, dt, alpha, beta)
    _, V, *levels = conventions._arrays(
        "W (n, m), V? (n, n), threshold (n?) in (0, inf), leak (n?), reset_to (n?), "
        "floor (n?)", W, V, threshold, leak, reset_to, floor, dtype=float)
    if not any(row.any() for row in ([rows["spikes"]] if "spikes" in rows else
                                     rows.values())):
        return _silent()
    problem = elimination.Problem(x, W, V, rows, decays, taus, dict(zip(
        ("threshold", "leak", "reset_to", "floor"), levels, strict=True)), eps)
    gradient = None if gradients is None else _gradient(
        gradients, dspikes, surrogate, shape, W.shape)
    mem = np.asarray(recording.get("mem", 0.0))
    exact = {"mem": mem == np.asarray(levels[0]).astype(mem.dtype)} \
        if "mem" in rows else {}
    with np.errstate(all="ignore"):         # simulations of other conventions overflow
        return _judged(problem, gradient, exact, alpha is None)


def _judged(problem, gradient, exact, judged):
    """Return the report for a recording; `judged` is False if decays are given."""
    for eps in sorted({problem.eps, max(problem.eps, SINGLE)}):
        tried = problem._replace(eps=eps)
        codes, parted = elimination._search(tried)
        fits = _settle_ties(tried, codes[parted == len(problem.x)], exact)
        if len(fits):
            note = "" if eps == problem.eps else \
                "fits to the precision of float32, although the recording has more"
            return _fitting(tried, fits, judged, gradient, note)
    return _nothing(tried, codes, parted, judged)


def _decays(tau_syn, tau_mem, dt, alpha, beta):
    """Return the decay factors for each choice of "decay", and time constants."""
    if alpha is None and beta is None:
        tau_syn, tau_mem, dt = conventions._arrays(
            "tau_syn () in (0, inf), tau_mem () in (0, inf), dt () in (0, inf)",
            tau_syn, tau_mem, dt)
        decays = {"exact": tuple(float(np.exp(-dt / t)) for t in (tau_syn, tau_mem))}
        if min(tau_syn, tau_mem) >= dt:         # otherwise, 1 - dt/tau is below 0
            decays["euler"] = 1 - dt / tau_syn, 1 - dt / tau_mem
        return decays, (tau_syn, tau_mem, dt)
    if tau_syn is not None or tau_mem is not None:
        raise ValueError("alpha and beta are given: tau_syn and tau_mem must be None")
    decays = conventions._arrays("alpha () in [0, 1), beta () in [0, 1)", alpha, beta)
    return {"exact": tuple(map(float, decays))}, (*(
        -1 / float(np.log(d)) if d else 0.0 for d in decays), 1.0)


def _gradient(gradients, dspikes, surrogate, shape, weights):
    """Check the arguments on gradients; return them with the precision of dW."""
    eps = _precision(gradients)
    gradients, dspikes = conventions._arrays(
        f"gradients {weights}, dspikes {shape}", gradients, dspikes, dtype=float)
    if not gradients.any():
        raise ValueError("gradients are 0 throughout: must be alive")
    if callable(surrogate):
        chosen = (lambda v: np.asarray(surrogate(v)[1], float)), None
    elif isinstance(surrogate, str):
        name, _, steepness = surrogate.partition(":")
        if name not in fitting.BUMPS:
            raise ValueError(f"surrogate is {surrogate!r:.60}: must be a callable, a "
                             f"steepness or one of {sorted(fitting.BUMPS)}")
        chosen = name, _steepness(steepness) if steepness else None
    else:
        chosen = None, None if surrogate is None else _steepness(surrogate)
    return gradients, dspikes, chosen, eps


def _steepness(value):
    try:
        value = float(value)
    except (TypeError, ValueError):
        value = np.nan
    return conventions._arrays("surrogate () in (0, inf)", value)[0]


def _silent():
    line = ("no spike in the recording, and silence follows every convention: drive "
            "the layer above its threshold")
    return Report([], {}, None, None, line, (line,))


def _settle_ties(problem, fits, exact):
    """Keep the fits that decide ties as recorded; see `elimination._ties`."""
    at, size = list(elimination.AXES).index("compare"), len(conventions.AXES["compare"])
    base = fits.copy()
    base[:, at] = 0
    base = np.unique(base, axis=0)
    known = elimination._grouped([elimination._codes_of(step._replace(compare=">"))
                                  for step in conventions.PRESETS.values()])
    base = base[np.argsort(~np.isin(elimination._grouped(base), known), kind="stable")]
    spikes = problem.rows.get("spikes")
    whole = spikes is None or bool((spikes == np.rint(spikes)).all())
    T, B, _ = problem.x.shape
    most = max(4, min(200, TIES // (T * B * len(problem.W))))   # presets come first
    kept = []
    for number, row in enumerate(base):
        if not whole:
            names = {"half"}
        elif number >= most:
            names = set()
        elif spikes is None:
            names = _free_ties(problem, row, fits, at)
        else:
            names = elimination._ties(problem, elimination._steps(row[None])[0], exact)
        for value in range(size):
            if len(names) != 1 or conventions.AXES["compare"][value] in names:
                kept.append(row.copy())
                kept[-1][at] = value
    return np.array(kept, fits.dtype).reshape(-1, fits.shape[1])


def _free_ties(problem, row, fits, at):
    """Return the choices of `compare` that fit, if ties without rounding decide."""
    found = set()
    for value, name in enumerate(conventions.AXES["compare"]):
        code = row.copy()
        code[at] = value
        if (fits == code).all(axis=1).any():
            if not elimination._ties(problem, elimination._steps(code[None])[0], {}):
                return set()
            found.add(name)
    return found


def _changes(step, preset, judged):
    """Return the axes in which a step differs from a preset."""
    return [axis for axis in elimination.AXES if getattr(step, axis) != getattr(
        preset, axis) and (judged or axis != "decay")]


def _candidate(step, judged, through=True):
    """Describe a step as a preset with the fewest changes; return their number."""
    if through is not None:
        step = step._replace(through_reset=through)
    best = None
    for name, preset in conventions.PRESETS.items():
        changed = _changes(step, preset, judged)
        if through is not None and step.through_reset != preset.through_reset:
            changed.append("through_reset")
        if best is None or len(changed) < len(best[1]):
            best = name, changed
    name, changed = best
    values = tuple(getattr(step, axis) for axis in changed)
    return Candidate(name, *((None, None) if not changed else (changed[0], values[0])
                             if len(changed) == 1 else (tuple(changed), values))), \
        len(changed)


def _step(candidate, tools):
    step = tools.presets[candidate.preset]
    if candidate.axis is None:
        return step
    if isinstance(candidate.axis, tuple):
        return step._replace(**dict(zip(candidate.axis, candidate.value, strict=True)))
    return step._replace(**{candidate.axis: candidate.value})


def _fitting(problem, fits, judged, gradient, note):
    """Return the report on conventions that fit, eq. (2) of `elimination`."""
    keys = set(elimination._grouped(fits).tolist())
    matches, choices = [], (True, False)
    if gradient is not None:
        matches, near, step = _explained(problem, fits, keys, judged, gradient)
        if not matches:
            wanted = gradient[0]
            at = np.unravel_index(np.argmax(np.abs(wanted - (
                0 if near is None else near))), wanted.shape)
            nearest, _ = _candidate(step, judged, None)
            parting = Parting(None, None, None, "gradients", float(wanted[at]),
                              float(0 if near is None else near[at]))
            lines = [_difference(nearest, parting),
                     "spikes and states fit, but no surrogate and reset path give the "
                     "recorded gradient"]
            return Report([], {}, nearest, parting, "; ".join(lines), tuple(lines))
        best = matches[0].factor == 1
        choices = tuple(dict.fromkeys(m.through_reset for m in matches
                                      if (m.factor == 1) == best))
    presets = _known(judged)
    members = [Candidate(name, None, None) for name, step in presets.items()
               if _fits(step, keys) and _passes(step, choices)]
    if members:
        first = presets[members[0].preset]
        members += [c for c in _variants([members[0].preset], Tools(
            presets, conventions.AXES, None)) if _fits(
                step := _step(c, Tools(presets, {}, None)), keys) and _passes(
                step, choices)]
    else:
        through = choices[0] if len(choices) == 1 else None
        ranked = [_candidate(step, judged, through) for step in elimination._steps(
            fits[np.argsort(_distance(fits, judged), kind="stable")[:SHOWN]])]
        least = min(count for _, count in ranked)
        members = [c for c, count in ranked if count == least]
        first = _step(members[0], Tools(presets, {}, None))
    tools = _probing(problem)
    apart = {c: _telling(first, _step(c, Tools(presets, {}, None)), problem.rows, tools,
                         1e-9) for c in members[1:]}
    settled, undecided = _axes(fits, first, choices, judged, problem, tools)
    lines = _lines(members, settled, undecided, judged)
    if "spikes" not in problem.rows and not elimination._trace(
            problem, first)["spikes"].any():
        silent = _silent()
        lines = [silent.lines[0], *lines[1:]]
        return silent._replace(text="; ".join(lines), lines=tuple(lines),
                               settled=settled, open=undecided)
    if gradient is not None:
        lines.append("gradients: " + " or ".join(map(_match_words, matches[:4]))
                     + f", and {len(matches) - 4} more" * (len(matches) > 4))
    lines += [note] * bool(note)
    return Report(members, apart, None, None, "; ".join(lines), tuple(lines), settled,
                  undecided, None, matches)


def _distance(codes, judged):
    """Return the number of axes in which each code differs from some preset."""
    axes = slice(0 if judged else 1, None)      # "decay" is the first axis
    presets = [elimination._codes_of(step) for step in conventions.PRESETS.values()]
    return np.min([(codes != code)[:, axes].sum(axis=1) for code in presets], axis=0)


def _known(judged):
    """Return the presets, with the decay "exact" if this axis is not judged."""
    return {name: step if judged else step._replace(decay="exact")
            for name, step in conventions.PRESETS.items()}


def _fits(step, keys):
    step = step._replace(mute=step.mute and step.refractory > 0)
    return int(elimination._grouped([elimination._codes_of(step)])[0]) in keys


def _passes(step, choices):
    return step.through_reset in choices or step.reset == "none"


def _explained(problem, fits, keys, judged, gradient):
    """Return the surrogates that explain a gradient, for a few steps that fit."""
    wanted, dspikes, surrogate, eps = gradient
    steps = [step for step in _known(judged).values() if _fits(step, keys)]
    steps = (steps or elimination._steps(fits[:1]))[:4]
    rtol = 4 * max(eps, problem.eps) * (256 + 8 * len(problem.x))
    found, near = [], None
    for step in steps:
        some, near = fitting._gradients(problem, step, wanted, dspikes, surrogate, rtol)
        found += [match for match in some if match not in found]
    return sorted(found, key=lambda match: match.factor != 1), near, steps[0]


def _match_words(match):
    width = "" if match.surrogate == "given" else f" of steepness {match.steepness:.6g}"
    return (f"surrogate {match.surrogate}{width}"
            + {"both": "", "above": ", 0 below the threshold",
               "below": ", 0 above the threshold"}[match.side]
            + (", through" if match.through_reset else ", not through") + " the reset"
            + ("" if match.factor == 1 else f", times {match.factor:.5g}"))


def _probing(problem):
    """Return `Tools` that simulate the probes with the constants of a problem."""
    tau_syn, tau_mem, dt = problem.taus
    levels = {name: float(np.ravel(value)[0]) for name, value in problem.levels.items()}
    given = levels | {"tau_syn": tau_syn, "tau_mem": tau_mem, "dt": dt}

    def simulate(step, x, weights):
        return conventions.recorded(step, conventions.simulate(step, x, weights,
                                                               **given))

    # Decay factors as in `simulate`, because a rounding error destroys ties.
    alphas, betas = ([conventions._decay(conventions.Step(decay=decay), "tau",
                                         np.float64(tau), dt).item()
                      for decay in problem.decays] for tau in (tau_syn, tau_mem))
    gains = [gain for beta in betas for gain in (dt / tau_mem, tau_mem * (1 - beta))
             ] if tau_mem else []
    return Tools({}, {}, simulate, None, probes(alphas, betas, levels["threshold"],
                                                gains))


def _axes(fits, first, choices, judged, problem, tools):
    """Return the settled axes, and choices and probe of each open axis."""
    settled, undecided = {}, {}
    own = np.array(elimination._codes_of(first._replace(
        mute=first.mute and first.refractory > 0)))
    for at, (axis, values) in enumerate(elimination.AXES.items()):
        found = sorted(set(fits[:, at].tolist()))
        if axis == "decay" and not judged:
            continue
        if len(found) == 1:
            settled[axis] = values[found[0]]
            continue
        told = []
        for value in found:
            if value != own[at]:
                rows = fits[fits[:, at] == value]
                other = rows[np.argmin((rows != own).sum(axis=1))]
                told.append(_telling(first, elimination._steps(other[None])[0]._replace(
                    through_reset=first.through_reset), problem.rows, tools, 1e-9))
        undecided[axis] = tuple(values[i] for i in found), next(
            (name for name in told if name), "")
    if len(choices) == 1:
        settled["through_reset"] = choices[0]
    else:
        undecided["through_reset"] = (True, False), "" if first.reset == "none" else \
            "gradients"
    return settled, undecided


def _lines(members, settled, undecided, judged):
    """Return the lines of a report: name, settled axes, open axes."""
    exact = [c for c in members if c.axis is None]
    if exact:
        name = " or ".join(_title(c.preset) for c in exact)
    elif isinstance(members[0].axis, tuple) and len(members[0].axis) > 2:
        name = "no preset, but: " + ", ".join(
            f"{axis} {value}" for axis, value in settled.items())
    else:
        name = _words(members[0], True)
    live = {axis: row for axis, row in undecided.items() if row[1]}
    idle = [f"{axis} ({' or '.join(map(str, values))})"
            for axis, (values, probe) in undecided.items() if not probe]
    return [f"as {name}",
            "settled: " + (", ".join(f"{axis} {value}" for axis, value in
                                     settled.items()) or "no axis")
            + ("" if judged else " (decays are given)"),
            "open: " + (", ".join(
                f"{axis} ({' or '.join(map(str, values))}; probe: {probe})"
                for axis, (values, probe) in live.items()) or "no axis")
            + ("; equal on every probe: " + ", ".join(idle) if idle else "")]


def _title(preset):
    return f"{TITLES[preset]} ({preset})"


# ---- recordings that no convention fits

def _nothing(problem, codes, parted, judged):
    """Return the report on a recording that follows no convention."""
    lines = ["no convention fits"]
    fit = fitting._constants(problem)
    nearest, parting = _nearest(problem, codes, parted, judged, fit is not None)
    if nearest is not None:
        lines.append(_difference(nearest, parting))
    if fit is not None:
        lines.append(
            "with refitted constants (a least-squares fit, not a recognition): alpha "
            f"{fit.alpha:.6g}, beta {fit.beta:.6g}, gain {fit.gain:.6g}, rest "
            f"{fit.rest:.3g}, reset {fit.step.reset}; "
            + ("exact to rounding" if fit.exact else f"error {100 * fit.error:.2g} %"))
    turned = _transposed(problem, judged)
    lines += [turned] * bool(turned)
    return Report([], {}, nearest, parting, "; ".join(lines), tuple(lines), {}, {}, fit)


def _difference(nearest, parting):
    step, sample, neuron, quantity, found, wanted = parting
    where = "in the gradients" if step is None else \
        f"first at step {step}, sample {sample}, neuron {neuron}"
    return (f"nearest: as {_words(nearest)}; differs {where}: {quantity} is "
            f"{found:.9g}, would be {wanted:.9g}")


def _nearest(problem, codes, parted, judged, fitted):
    """Return the nearest candidate and its first difference, or (None, None)."""
    best = codes[parted == parted.max()]
    steps = list(_known(judged).values())
    if "euler" not in problem.decays:
        steps = [step for step in steps if step.decay == "exact"]
    order = np.argsort(_distance(best, judged), kind="stable")
    steps += elimination._steps(best[order[:24]])
    found = []
    for step in steps:
        run = elimination._trace(problem, step)
        parting, rows = _first(problem, run)
        error = _error(problem, run)
        near = rows >= MATCHED and parting.step > 1 or error < CLOSE or (
            fitted and error < np.inf)
        found.append((near, parting.step, -error, step, parting))
    found = [row for row in found if row[0]]
    if not found:
        return None, None
    latest = max(row[1] for row in found)
    _, _, _, step, parting = max((row for row in found if row[1] == latest),
                                 key=lambda row: row[2])                   # (1)
    return _candidate(step, judged, None)[0], parting


def _first(problem, run):
    """Return the first difference, and the number of nonzero entries before it."""
    slack, wrong, alive = elimination._slack(problem), {}, {}
    with np.errstate(all="ignore"):
        for name, row in problem.rows.items():
            limit = 0 if name == "spikes" else slack[name][:, None, None]
            wrong[name] = ~(np.abs(run[name] - row) <= limit)
            alive[name] = np.abs(row) > limit
        if "spikes" in wrong:       # either answer is right near the threshold
            wrong["spikes"] &= ~_tied(problem, run)
    steps = [int(np.argmax(bad.any(axis=(1, 2)))) for bad in wrong.values()
             if bad.any()]
    step = min(steps, default=len(problem.x) - 1)
    name = next((name for name in problem.rows if wrong[name][step].any()),
                next(iter(problem.rows)))
    sample, neuron = (int(i) for i in np.unravel_index(
        np.argmax(wrong[name][step]), wrong[name][step].shape))
    matched = sum(int(a[:step].sum()) for a in alive.values())
    return Parting(step, sample, neuron, name,
                   float(problem.rows[name][step, sample, neuron]),
                   float(run[name][step, sample, neuron])), matched


def _tied(problem, run):
    """Mark recorded spikes of potentials within rounding of the threshold."""
    thr = np.asarray(problem.levels["threshold"], float)
    level = np.maximum(np.rint(run["tested"] / thr), 1)
    return np.abs(run["tested"] - level * thr) <= elimination._slack(problem)["mem"][
        :, None, None]


def _error(problem, run):
    """Return the largest error of a quantity, relative to its deviation."""
    worst = 0.0
    with np.errstate(all="ignore"):
        for name, row in problem.rows.items():
            size = np.abs(row).max() or 1.0
            error = np.square((run[name] - row) / size).sum()
            spread = np.square((row - row.mean()) / size).sum()
            worst = max(worst, float(np.sqrt(error / spread)) if error < np.inf and
                        spread > 0 else np.inf)
    return worst


def _transposed(problem, judged):
    """Say that transposed weights fit, or return ""."""
    n, m = problem.W.shape
    V = problem.V
    for name, W, back in (("V", problem.W, None if V is None else V.T),
                          ("W", problem.W.T, V),
                          ("W and V", problem.W.T, None if V is None else V.T)):
        if "V" in name and V is None or "W" in name and n != m:
            continue
        other = problem._replace(W=W, V=back)
        codes, parted = elimination._search(other)
        fits = codes[parted == len(problem.x)]
        if len(fits):
            keys = set(elimination._grouped(fits).tolist())
            names = [_title(name) for name, step in _known(judged).items()
                     if _fits(step, keys)] or ["no preset"]
            return f"transposed {name} fits: as " + " or ".join(names)
    return ""


# ---- candidates of the caller

def _among(x, W, rows, gradients, tools, rtol):
    """Return the report on presets of the caller and their variants, eqs. (2, 3)."""
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
    text = _text(members, apart) if members else _difference(nearest, parting)
    return Report(members, apart, nearest, parting, text, (text,))


def _variants(names, tools):
    """Return all candidates that change one convention of a preset in `names`."""
    return [Candidate(name, axis, value) for name in names
            for axis, values in tools.axes.items() for value in values
            if value != getattr(tools.presets[name], axis)]


def _differs(found, wanted, exact, rtol):
    """Mark the entries that violate eq. (2) if `exact` is True, else eq. (3)."""
    if exact:
        return found != wanted                                             # (2)
    scale = np.abs(found).max(initial=0)
    return ~(np.abs(found - wanted) <= rtol * scale)                       # (3)


def _part(rows, run, rtol):
    """Return the first difference (or None) and the number of differences."""
    run = {name: np.asarray(run[name], float) for name in rows}
    wrong = {name: _differs(row, run[name], name == "spikes", rtol)
             for name, row in rows.items()}
    count = sum(int(bad.sum()) for bad in wrong.values())
    if not count:
        return None, 0
    step = min(int(np.argmax(bad.any(axis=(1, 2)))) for bad in wrong.values()
               if bad.any())
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


def _words(candidate, title=False):
    preset, axis, value = candidate
    name = _title(preset) if title else preset
    if axis is None:
        return name
    axes, values = (axis, value) if isinstance(axis, tuple) else ((axis,), (value,))
    return f"{name}, but " + " and ".join(
        WORDS.get(a, {}).get(v, f"{a} {v!r}") for a, v in zip(axes, values,
                                                              strict=True))


def _text(members, apart):
    """Describe the members in words."""
    others = [f"{_words(c)} ({apart[c]})" for c in members[1:] if apart[c]]
    same = [_words(c) for c in members[1:] if not apart[c]]
    return f"as {_words(members[0])}" + (
        "; not distinguished from (probe that does): " + "; ".join(others)
        if others else "") + (
        "; equal on every probe: " + "; ".join(same) if same else "")


def probes(alphas, betas, threshold=1.0, gains=()):
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
    gains : list of float
        Possible gains of the membrane other than 1 and 1 - beta.

    Returns
    -------
    dict
        A `Probe` for each of "overdrive", "inhibition" and "ties"; the probe
        "all" combines these three in one batch.
    """
    alphas, betas, threshold, gains = conventions._arrays(
        "alphas (p) in [0, 1), betas (q) in [0, 1), threshold () in [1e-300, 1e300), "
        "gains (r*)", alphas, betas, threshold, gains, dtype=float)
    low = min([min(a, 1 - a) * (1 - b) for a in alphas if a for b in betas] + [1.0])
    sizes = threshold * np.geomspace(0.6, 9 / low, 40)
    patterns = {
        "overdrive": ([0, 1, 1, 1, 0, 0, 1], "decays, gains and delays; kind and "
                      "time of the reset; several spikes a step; refractory steps"),
        "inhibition": ([0, -1, -1, 0, 1, 1, 1, 0.5], "a floor"),
        "ties": ([0, 1], "whether u = threshold is a spike")}
    found = {}
    for name, (pattern, shows) in patterns.items():
        size = _ties(alphas, betas, gains, threshold) if name == "ties" else sizes
        x = np.zeros((STEPS, len(size), 1))
        x[:len(pattern), :, 0] = np.multiply.outer(pattern, size)
        found[name] = Probe(x, np.ones((1, 1)), shows)
    x = np.concatenate([probe.x for probe in found.values()], axis=1)
    return found | {"all": Probe(x, np.ones((1, 1)), "all of these")}


def _ties(alphas, betas, gains, threshold):
    """Return inputs x that fulfil eq. (4), at most one per product of factors."""
    found = []
    for alpha, beta in itertools.product(alphas, betas):
        for f1, f2, f3 in itertools.product((1.0, 1 - alpha), (1.0, alpha),
                                            (1.0, 1 - beta, *gains)):
            if f1 * f2 * f3 > 0:
                x = threshold / (f1 * f2 * f3)
                x += np.arange(-8, 9) * np.spacing(x)
                at = x[f3 * (f2 * (f1 * x)) == threshold]                  # (4)
                found += at[:1].tolist()
    return sorted(set(found))


# ---- checks

def _turned(x, W, recording):
    """Refuse weights that would fit if they were transposed, and say so."""
    row = next(iter(recording.values()), 0) if isinstance(recording, dict) else 0
    try:
        (m, n), shape = ((np.shape(a) or (0,))[-1] for a in (x, row)), np.shape(W)
    except ValueError:      # a ragged list, which is refused by its name elsewhere
        return
    if shape == (m, n) and m != n:
        raise ValueError(f"W is {shape} and seems to be transposed: must be (n, m), "
                         f"{(n, m)}")


def _recorded(recording, shape, alive):
    """Return the recorded arrays and their precision.

    If `alive` is True, no array may be all zero.
    """
    if not isinstance(recording, dict) or not recording \
            or set(recording) - set(QUANTITIES):
        shown = " ".join(repr(recording).split())
        raise ValueError(f"recording is {shown:.60}: must be a dict with some of "
                         f"{QUANTITIES}")
    rows, eps = {}, 0.0
    for name in [key for key in QUANTITIES if key in recording]:
        limits = " in [0, inf)" * (name == "spikes")
        rows[name], = conventions._arrays(f"recording[{name!r}] {shape}{limits}",
                                          recording[name], dtype=float)
        if name != "spikes" or len(recording) == 1:
            eps = max(eps, _precision(recording[name], f"recording[{name!r}]",
                                      name == "spikes"))
    for name, row in rows.items():
        if alive and not row.any():
            raise ValueError(f"recording[{name!r}] is 0 throughout: must be alive, "
                             "because silence follows every convention")
    return rows, eps


def _precision(values, name="gradients", counts=False):
    """Return the rounding error of the dtype of an array; 2^-52 if integer."""
    dtype = np.asarray(values).dtype
    if dtype == np.float16 and not counts:
        raise ValueError(f"{name} is of dtype float16: must be float32 or float64")
    return SINGLE if dtype in (np.float16, np.float32) else 2.0 ** -52


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
