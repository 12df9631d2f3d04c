# refsnn 0.1.0 | conventions.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Every convention of a LIF step as a named axis, and the tools' choices.

Tools disagree on a dozen details of a step.  A `Step` names each choice,
one simulator runs any combination, `PRESETS` says what tools do, and the
default is refsnn's own.  State k is the current I and the membrane u
before the reset by its own spike; x[k] leads to state k + 1:

    s[k] = 1 if u[k] > threshold else 0                               (1)
    d[k] = drive (W x[k] + V s[k])                                    (2)
    I := alpha I ("decay"), I := I + d[k] ("add"), j := I ("read")    (3)
    R(u, s) = u - threshold s  or  u (1 - s) + reset_to s  or  u      (4)
    v = beta R(u[k], s[k]) + gain j + (1 - beta) leak                 (5)
    v = R(beta u[k] + gain j + (1 - beta) leak, s[k])                 (6)
    u[k+1] = max(floor, v), or reset_to while refractory              (7)

Derivation.  Given psi[k] for ds[k]/du[k], a step is elementwise but for W
    and V.  With r, z the derivatives of R by u and s, 1 and 0 where there
    is no reset before (1) or after (2) the decay, a, b (by I) and f, g (by
    d) those of the new I and of j in (3), which is linear, and c = 0 where
    u is held or floored, 1 elsewhere, the `slopes` are

    dI[k+1]/dI[k] = a,  dI[k+1]/dd[k] = f                             (8)
    du[k+1]/dI[k] = c r2 gain b,  du[k+1]/dd[k] = c r2 gain g         (9)
    du[k+1]/du[k] = c r2 beta r1, s[k] held                          (10)
    du[k+1]/ds[k] = c (r2 beta z1 + z2), d[k] held                   (11)

    from which `conventions_linear` makes J, F and q for `bptt` or `rtrl`.
Exact.  Of the hard network with ds/du := psi.  What is held is a recorded
    value, a membrane on the floor a constant; "many" spikes reset to zero
    by a comparison, which has no derivative.
Cost.   O(T B n (m + n)) time and O(T B n) memory.
Departures.  Presets hold for default options, as of 2024 to 2026, but for
    rounding.  hxtorch skips the reset where a measured trace is injected.
"""

from collections import namedtuple
from typing import Callable, NamedTuple

import numpy as np

__all__ = ["AXES", "PRESETS", "Run", "Step", "recorded", "simulate", "slopes"]


class Step(NamedTuple):
    """One choice on every axis of (1)-(7); the default is that of `lif`.

    Attributes
    ----------
    decay : {"exact", "euler"}
        alpha is exp(-dt/tau_syn), or 1 - dt/tau_syn; so beta.
    synapse : {"none", "first", "between", "last"}
        Where the decay stands in (3); "none" is no filter, alpha = 0.
    input : {"same", "next"}
        The read of (3) comes after the add, or before it: one step late.
    drive, gain : {"one", "leak"}
        1, or 1 - alpha for drive and 1 - beta for gain.
    test : {"before", "after"}
        Whether row t of the recording shows the spikes s[t], tested before
        the update by x[t], or s[t+1], tested after it.
    compare : {">", ">="}
        Whether a tie u = threshold is no spike or a spike.
    spikes : {"one", "many"}
        Of a step: one at most, or as many as thresholds fit in u.
    reset : {"subtract", "zero", "none"}
        Which of (4); "zero" sets u to `reset_to`.
    reset_at : {"once", "before", "after"}
        At once, or a step later before the decay (both (5)), or a step
        later after the decay (6).
    through_reset : bool
        Whether a derivative follows s in (4).
    floor : bool
        Whether u is bounded below, in (7).
    refractory : int
        Steps for which u is held after a spike.
    record : {"before", "after"}
        Whether row t shows the state t or t + 1; R(u, s) for u where the
        reset comes "once" and the spike was tested by then.
    """

    decay: str = "exact"
    synapse: str = "between"
    input: str = "next"
    drive: str = "one"
    gain: str = "one"
    test: str = "before"
    compare: str = ">"
    spikes: str = "one"
    reset: str = "subtract"
    reset_at: str = "after"
    through_reset: bool = True
    floor: bool = False
    refractory: int = 0
    record: str = "before"


class Run(NamedTuple):
    """States 0 to T, seven arrays of shape (T + 1, B, n).

    `syn` is I, `mem` is u, `spikes` is s, `fired` what the reset read,
    `reset` is R(u, s), `free` is u before the reset of (6) and before (7),
    `held` is True where refractory.
    """

    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    fired: np.ndarray
    reset: np.ndarray
    free: np.ndarray
    held: np.ndarray


AXES = {
    "decay": ("exact", "euler"), "synapse": ("none", "first", "between", "last"),
    "input": ("same", "next"), "drive": ("one", "leak"), "gain": ("one", "leak"),
    "test": ("before", "after"), "compare": (">", ">="), "spikes": ("one", "many"),
    "reset": ("subtract", "zero", "none"), "reset_at": ("once", "before", "after"),
    "through_reset": (True, False), "floor": (False, True), "refractory": (0, 1, 2),
    "record": ("before", "after")}

_CONSTANTS = namedtuple(
    "_CONSTANTS", "alpha beta drive gain threshold leak reset_to floor")
_AFTER = Step(test="after", record="after", reset_at="once")
_NORSE = _AFTER._replace(decay="euler", synapse="last", input="same", gain="leak",
                         reset="zero")
_SNNTORCH = _AFTER._replace(synapse="none", input="same", reset_at="after",
                            through_reset=False)
_SINABS = _AFTER._replace(input="same", gain="leak", compare=">=", spikes="many")
_NIR = _AFTER._replace(decay="euler", drive="leak", gain="leak", reset="zero")
PRESETS = {
    "refsnn": Step(),
    "spytorch": Step(reset="zero", through_reset=False),
    "stork": Step(reset="zero", through_reset=False, gain="leak", record="after"),
    "hxtorch": _AFTER._replace(gain="leak", reset="zero", through_reset=False),
    "norse": _NORSE._replace(through_reset=False),
    "norse_feed_forward": _NORSE,
    "nir": _NIR,
    "nir_subtract": _NIR._replace(reset="subtract"),
    "snntorch_leaky": _SNNTORCH,
    "snntorch_synaptic": _SNNTORCH._replace(synapse="first"),
    "spikingjelly": _NORSE._replace(synapse="none", compare=">="),
    "lava": _NORSE._replace(synapse="first", gain="one"),
    "sinabs": _SINABS,
    "rockpool": _SINABS._replace(gain="one"),
    "spyx_lif": Step(synapse="none", input="same", record="after"),
    "spyx_cubalif": Step("exact", "first", "same", reset_at="before", record="after")}


def _array(name, value, shape, dtype=None):
    """`value` as a finite array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiub":
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a real array of shape {want}")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _checked_step(step):
    if not isinstance(step, tuple) or getattr(step, "_fields", 0) != Step._fields:
        raise ValueError(f"step is {step!r}: must be a Step")
    for axis, value in step._asdict().items():
        if not (axis == "refractory" and type(value) is int and value >= 0 or any(
                type(value) is type(v) and value == v for v in AXES[axis])):
            raise ValueError(f"step.{axis} is {value!r}: must be one of {AXES[axis]}")


def _checked(x, W, V):
    """Checked (x, W, V) in the dtype of W."""
    W = _array("W", W, (None, None))
    if W.dtype not in (np.float32, np.float64):
        raise ValueError(f"W is of dtype {W.dtype}: must be float32 or float64")
    x = _array("x", x, (None, None, W.shape[1]), W.dtype)
    if 0 in x.shape[:2] or W.shape[0] == 0:
        raise ValueError(f"x and W are of shapes {x.shape} and {W.shape}: "
                         "must have T, B and n of at least 1")
    return x, W, None if V is None else _array("V", V, (W.shape[0],) * 2, W.dtype)


def _constant(name, value, n, low=-np.inf, positive=False):
    """A number or (n,) array of at least `low`, or above 0, as float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (n,)) or not (
            np.isfinite(array) & (array > 0 if positive else array >= low)).all():
        what = "above 0" if positive else f">= {low}" if low > -np.inf else "finite"
        raise ValueError(f"{name} is {value!r}: must be a number or ({n},) array, "
                         f"{what}")
    return array.astype(float)


def _decay(step, name, tau, n, dt):
    """exp(-dt/tau), or 1 - dt/tau, which needs a tau of at least dt."""
    tau = _constant(name, tau, n, low=dt if step.decay == "euler" else 0)
    with np.errstate(divide="ignore"):      # tau = 0: no memory
        return 1 - dt / tau if step.decay == "euler" else np.exp(-dt / tau)


def _constants(step, n, dtype, tau_syn, tau_mem, dt, threshold, leak, reset_to, floor):
    """The numbers of (1)-(7), in dtype."""
    dt = _constant("dt", dt, 1, positive=True)
    alpha = 0.0 if step.synapse == "none" else _decay(step, "tau_syn", tau_syn, n, dt)
    beta = _decay(step, "tau_mem", tau_mem, n, dt)
    values = (alpha, beta, 1 - alpha if step.drive == "leak" else 1.0,
              1 - beta if step.gain == "leak" else 1.0,
              _constant("threshold", threshold, n, positive=True),
              *(_constant(name, value, n) for name, value in
                (("leak", leak), ("reset_to", reset_to), ("floor", floor))))
    return _CONSTANTS(*(np.asarray(value, dtype) for value in values))


def _synapse(step, current, terms, alpha):
    """(new current, what the membrane reads) of (3)."""
    order = ["add", "read"] if step.input == "same" else ["read", "add"]
    order.insert({"first": 0, "between": 1, "last": 2,
                  "none": int(step.input == "next")}[step.synapse], "decay")
    for name in order:
        if name == "decay":
            current = alpha * current
        elif name == "add":
            for term in terms:
                current = current + term                                   # (3)
        else:
            read = current
    return current, read


def _count(step, mem, threshold):
    """Spikes of (1)."""
    over = mem > threshold if step.compare == ">" else mem >= threshold
    many = np.ceil(mem / threshold) - 1 if step.compare == ">" \
        else np.floor(mem / threshold)
    return over * np.maximum(many, 1) if step.spikes == "many" else over   # (1)


def _reset(step, mem, fired, c):
    """R of (4)."""
    if step.reset == "subtract":
        return mem - c.threshold * fired                                   # (4)
    return mem * (1 - fired) + c.reset_to * fired if step.reset == "zero" else mem


def _reset_slopes(step, mem, fired, c):
    """Derivatives r and z of R by u and by s."""
    zero, none = step.reset == "zero", step.reset == "none"
    by_mem = 1 - fired if zero else np.ones_like(mem)
    if none or not step.through_reset or zero and step.spikes == "many":
        return by_mem, np.zeros_like(mem)
    return by_mem, c.reset_to - mem if zero else np.zeros_like(mem) - c.threshold


def simulate(step, x, W, V=None, *, tau_syn, tau_mem, dt=1.0, threshold=1.0, leak=0.0,
             reset_to=0.0, floor=0.0, spike: Callable = None, clamp=None,
             reset_spikes=None):
    """Run one layer from rest over T steps of any convention, eqs. (1)-(7).

    Parameters
    ----------
    step : Step
        What is chosen on each axis.
    x : (T, B, m) float, int or bool
        Input.
    W : (n, m) float
        Input weights; its dtype is the result's.
    V : (n, n) float, optional
        Recurrent weights.
    tau_syn, tau_mem : float or (n,) float
        Time constants, s; 0 is no memory.
    dt : float
        Step, s.
    threshold, leak, reset_to, floor : float or (n,) float
        Membrane levels; `floor` counts where the step has one.
    spike : callable (k, u) -> (B, n) float, optional
        In place of (1); what anchored finite differences run with.
    clamp, reset_spikes : (T + 1, B, n), optional
        `held` and `fired` of a run, in place of this one's own.

    Returns
    -------
    Run
        States 0 to T; `recorded` makes T rows of it.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W = np.array([[[1.5]], [[0.0]], [[1.0]]]), np.eye(1)
    >>> step = PRESETS["lava"]._replace(synapse="none")
    >>> simulate(step, x, W, tau_syn=2, tau_mem=2).mem.ravel().tolist()
    [0.0, 1.5, 0.0, 1.0]
    """
    _checked_step(step)
    x, W, V = _checked(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    c = _constants(step, n, W.dtype, tau_syn, tau_mem, dt, threshold, leak, reset_to,
                   floor)
    if spike is not None and not callable(spike):
        raise ValueError(f"spike is {spike!r}: must be a callable (k, u) or None")
    if step.refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be recorded for spike, refractory > 0")
    clamp, reset_spikes = (a if a is None else _array(name, a, (T + 1, B, n), W.dtype)
                           for name, a in (("clamp", clamp),
                                           ("reset_spikes", reset_spikes)))
    syn, mem, spikes, fired, reset, free = (np.zeros((T + 1, B, n), W.dtype)
                                            for _ in range(6))
    held = np.zeros((T + 1, B, n), bool) if clamp is None else clamp > 0
    drive = c.drive * (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    mem[0] = c.leak
    for k in range(T + 1):
        if k:
            d = [drive[k - 1]] + ([] if V is None else
                                  [c.drive * (spikes[k - 1] @ V.T)])       # (2)
            u = (mem if step.reset_at == "after" else reset)[k - 1]
            syn[k], read = _synapse(step, syn[k - 1], d, c.alpha)
            v = free[k] = c.beta * u + c.gain * read + (1 - c.beta) * c.leak  # (5)
            if step.reset_at == "after":
                v = _reset(step, v, fired[k - 1], c)                       # (6)
            if clamp is None and step.refractory:
                held[k] = spikes[max(0, k - step.refractory):k].any(axis=0)
            v = np.maximum(v, c.floor) if step.floor else v
            mem[k] = np.where(held[k], c.reset_to, v)                      # (7)
        spikes[k] = _count(step, mem[k], c.threshold) if spike is None \
            else spike(k, mem[k])
        fired[k] = spikes[k] if reset_spikes is None else reset_spikes[k]
        if step.spikes == "many" and step.reset == "zero":
            fired[k] = fired[k] > 0.5
        reset[k] = _reset(step, mem[k], fired[k], c)
    return Run(syn, mem, spikes, fired, reset, free, held)


def _rows(step, states):
    """First state shown by spikes and by membranes, and whether R(u, s) is."""
    s, u, rows = int(step.test == "after"), int(step.record == "after"), states - 1
    return slice(s, s + rows), slice(u, u + rows), step.reset_at == "once" and s >= u


def _run(step, run):
    """Refuse what is no Step and no Run: seven arrays of one shape."""
    _checked_step(step)
    if not isinstance(run, tuple) or getattr(run, "_fields", 0) != Run._fields:
        raise ValueError(f"run is a {type(run).__name__}: not a Run")
    _array("run.mem", run.mem, (None, None, None))
    for name, field in zip(Run._fields, run, strict=True):
        _array(f"run.{name}", field, run.mem.shape)


def recorded(step, run):
    """What a tool of this convention shows of a run, row by row.

    Parameters
    ----------
    step : Step
        The convention; its `test`, `record` and `reset_at` count.
    run : Run
        States 0 to T.

    Returns
    -------
    dict
        "spikes", "mem" and "syn", (T, B, n) each.

    Raises
    ------
    ValueError
        If step is no Step or run no Run.

    Examples
    --------
    >>> step, x = PRESETS["lava"], np.array([[[1.5]], [[0.0]]])
    >>> run = simulate(step, x, np.eye(1), tau_syn=2, tau_mem=2)
    >>> rows = recorded(step, run)
    >>> rows["spikes"].ravel().tolist(), rows["mem"].ravel().tolist()
    ([1.0, 0.0], [0.0, 0.75])
    """
    _run(step, run)
    spikes, state, shown = _rows(step, len(run.mem))
    return {"spikes": run.spikes[spikes], "syn": run.syn[state],
            "mem": (run.reset if shown else run.mem)[state]}


def slopes(step, run, *, tau_syn, tau_mem, dt=1.0, threshold=1.0, leak=0.0,
           reset_to=0.0, floor=0.0):
    """Elementwise derivatives of a step along a run, eqs. (8)-(11).

    Parameters
    ----------
    step, tau_syn, tau_mem, dt, threshold, leak, reset_to, floor
        As for `simulate`.
    run : Run
        What it returned.

    Returns
    -------
    dict
        "syn_by_syn", "syn_by_drive", "mem_by_syn", "mem_by_drive",
        "mem_by_mem", "mem_by_spikes": from state k - 1 to k, (T + 1, B, n);
        "row_by_mem", "row_by_spikes": of the recorded membrane by its state,
        (T + 1, B, n); "rows": the first states that the rows of spikes and
        of membranes show, (2,) int.  "drive" is W x + V s.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> step, one = PRESETS["lava"], np.ones((1, 1, 1))
    >>> run = simulate(step, one, one[0], tau_syn=4, tau_mem=2)
    >>> found = slopes(step, run, tau_syn=4, tau_mem=2)
    >>> [found[name][1].item() for name in ("syn_by_syn", "mem_by_syn",
    ...                                     "mem_by_mem", "mem_by_spikes")]
    [0.75, 0.75, 0.5, 0.0]
    """
    _run(step, run)
    (states, B, n), dtype = run.mem.shape, run.mem.dtype
    c = _constants(step, n, dtype, tau_syn, tau_mem, dt, threshold, leak, reset_to,
                   floor)
    by_syn = _synapse(step, 1.0, [], c.alpha)
    by_drive = _synapse(step, 0.0, [c.drive], c.alpha)
    spikes, state, shown = _rows(step, states)
    own = _reset_slopes(step, run.mem, run.fired, c)
    keep = 1 - run.held[1:]
    if step.floor:
        keep = keep * (run.mem[1:] > c.floor)
    if step.reset_at == "after":
        r, z = _reset_slopes(step, run.free[1:], run.fired[:-1], c)
        read, mem, fired = keep * r, c.beta * (keep * r), keep * z
    else:
        read = keep
        mem, fired = (c.beta * (keep * part[:-1]) for part in own)
    parts = {"syn_by_syn": by_syn[0], "syn_by_drive": by_drive[0],         # (8)
             "mem_by_syn": read * c.gain * by_syn[1],
             "mem_by_drive": read * c.gain * by_drive[1],                  # (9)
             "mem_by_mem": mem, "mem_by_spikes": fired}                    # (10, 11)
    found = {name: np.zeros((states, B, n), dtype) for name in parts}
    for name in parts:
        found[name][1:] = parts[name]
    row = own if shown else (1 + 0 * run.mem, 0 * run.mem)
    return found | {"row_by_mem": row[0], "row_by_spikes": row[1],
                    "rows": np.array([spikes.start, state.start])}
