# refsnn 0.1.0 | conventions.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate and differentiate LIF layers as in published simulators.

Simulators of leaky integrate-and-fire (LIF) neurons differ in fifteen
properties (axes) of a time step, such as the type of reset.  A convention
is a choice for each property.  The class `Step` holds a convention, `AXES`
lists choices for each property, and `PRESETS` holds the conventions of
published simulators.  State k of a layer consists of the synaptic current
I[k] and the membrane potential u[k] before the reset by the spikes s[k].
A step with the input x[k] computes state k + 1 from state k:

    s[k] = 1 if u[k] > threshold else 0                               (1)
    net[k] = W x[k] + V s[k]                                          (2)
    I := alpha I ("decay"), I := I + drive net[k] ("add"),
    j := I ("read")                                                   (3)
    R(u, s) = u - threshold s  or  u (1 - s) + reset_to s  or  u      (4)
    v = beta R(u[k], s[k]) + gain j + (1 - beta) leak                 (5)
    v = R(beta u[k] + gain j + (1 - beta) leak, s[k])                 (6)
    u[k+1] = max(floor, v), or reset_to while refractory              (7)

Eq. (3) lists three operations, whose order depends on the convention.  R
in eq. (4) is the reset.  If the reset precedes the decay of the potential
u, eq. (5) applies.  If the reset follows the decay of u, eq. (6) applies.
With the choice mute=True, the potential u of a refractory neuron evolves
freely, but its spikes s[k] and their derivatives psi[k] are set to 0.

Derivation.  Let R_u = dR/du and R_s = dR/ds for the reset R(u, s) in eq.
    (5) or (6).  Let Q be 1 if eq. (5) applies, and R_u if eq. (6) applies.
    The mask `fixed` is 1 where eq. (7) replaces v by `reset_to` or by the
    lower bound `floor`, and 0 elsewhere.  The derivatives of a step are

    syn_by_syn = dI[k+1]/dI[k],  syn_by_drive = dI[k+1]/dnet[k]       (8)
    mem_by_syn = du[k+1]/dI[k] = (1 - fixed) Q gain dj/dI[k],
    mem_by_drive = du[k+1]/dnet[k] = (1 - fixed) Q gain dj/dnet[k]    (9)
    mem_by_mem = du[k+1]/du[k] = (1 - fixed) beta R_u                (10)
    mem_by_spikes = du[k+1]/ds[k] = (1 - fixed) beta R_s by (5),
                    (1 - fixed) R_s by (6)                           (11)

    Each derivative with respect to one of the variables I[k], net[k], u[k]
    and s[k] is taken at fixed values of the other three.  Let psi[k] be
    the surrogate derivative that replaces ds[k]/du[k], and let h = [I, u]
    be the state.  The chain rule gives the Jacobian J of a time step, the
    derivatives F and E of the new state with respect to the weights and
    the input, and the direct derivative q of the loss with respect to the
    state.  From J, F and q, `bptt` and `rtrl` compute the gradient:

    J[k+1] = [[syn_by_syn, syn_by_drive V psi[k]],
              [mem_by_syn, mem_by_mem + mem_by_spikes psi[k]
                           + mem_by_drive V psi[k]]]                 (12)
    F[k+1]: dI_i/dW_ij = syn_by_drive_i x_j[k],
            dI_i/dV_ij = syn_by_drive_i s_j[k],
            du_i/dW_ij = mem_by_drive_i x_j[k],
            du_i/dV_ij = mem_by_drive_i s_j[k]                       (13)
    E[k+1] = dh[k+1]/dx[k] = [[syn_by_drive W], [mem_by_drive W]]    (14)
    q[k] = [0, psi[k] dspikes
               + (row_by_mem + row_by_spikes psi[k]) dmem]           (15)

    In eq. (15), row_by_mem and row_by_spikes are the derivatives of the
    recorded potential with respect to u and s.  These derivatives are R_u
    and R_s if the potential is recorded after the reset, and 1 and 0
    otherwise.  The function `credit` explains dspikes and dmem.  In eqs.
    (12) and (14), a vector that multiplies V or W means a diagonal matrix.
Exact.  The gradient of the loss is exact, except that the surrogate
    derivative psi replaces ds/du.  The refractory mask, and membrane
    potentials at the floor, are treated as constants.  No derivative
    passes through s in (4) if through_reset=False, or if spikes="many" and
    reset="zero".
Cost.   `simulate` takes O(T B n (m + n)) time and O(T B n) memory.  A
    refractory time of k steps adds O(T B n k) time.  `linearise` takes O(T
    B n p) time and memory for p = n m + n n weights.
Departures.  Each convention in `PRESETS` follows a version of a simulator
    from the years 2024 to 2026 with default options.  The conventions of
    norse, snntorch, spikingjelly and spyx are tested against the installed
    simulators, and all others against separate loops over the time steps
    or calculations by hand.  Unlike the convention "hxtorch", the
    simulator hxtorch applies no reset if a recorded membrane trace
    replaces the simulated potential.  A simulation of T steps has T + 1
    states, of which `lif` records the first T.
"""

from collections import namedtuple
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, one_of, shown

__all__ = ["AXES", "PARTS", "PRESETS", "credit", "linearise", "recorded", "simulate",
           "slopes"]


class Step(NamedTuple):
    """Define how a simulator computes a time step.
    A convention consists of the following fifteen choices:

    decay          formula of alpha, exp(-dt/tau_syn) for "exact" and
                   1 - dt/tau_syn for "euler"; beta is analogous
    synapse        position of the decay among the operations of (3), or
                   "none" for alpha = 0
    input          order of reading I and adding the input in (3); I is read
                   after ("same") or before ("next") the addition
    drive          factor in (3), 1 ("one") or 1 - alpha ("leak")
    gain           factor in (5) and (6), 1 ("one"), 1 - beta ("leak"),
                   dt/tau_mem ("rate"), or tau_mem (1 - beta) ("integral")
    test           row t of the recording holds the spikes s[t] ("before"
                   the update with x[t]) or s[t+1] ("after" the update)
    compare        condition of a spike in (1); with "half", u = threshold
                   gives half a spike
    spikes         at most one spike per step ("one"), or one for each multiple
                   of the threshold that u exceeds ("many")
    reset          form of R in (4); "zero" sets u to `reset_to`, and "none"
                   does not reset
    reset_at       time of the reset: immediately after the spike, by (5)
                   ("once"), or in the next step, before the decay by (5)
                   ("before") or after the decay by (6) ("after"); "once"
                   and "before" differ only in the recorded u
    through_reset  if True, derivatives pass through s in (4)
    floor          if True, (7) bounds u from below
    refractory     number of steps after a spike in which u is held at reset_to
    record         row t of the recording holds state t ("before") or t + 1
                   ("after"); for reset_at="once", R(u, s) replaces u,
                   except for test="before" with record="after"
    mute           if True, a refractory neuron does not spike, but u evolves
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
    mute: bool = False


class Run(NamedTuple):
    """The function `simulate` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    fired: np.ndarray
    reset: np.ndarray
    free: np.ndarray
    held: np.ndarray
    __repr__ = shown


AXES = {
    "decay": ("exact", "euler"), "synapse": ("none", "first", "between", "last"),
    "input": ("same", "next"), "drive": ("one", "leak"),
    "gain": ("one", "leak", "rate", "integral"), "test": ("before", "after"),
    "compare": (">", ">=", "half"), "spikes": ("one", "many"),
    "reset": ("subtract", "zero", "none"), "reset_at": ("once", "before", "after"),
    "through_reset": (True, False), "floor": (False, True), "refractory": (0, 1, 2),
    "record": ("before", "after"), "mute": (False, True)}
PARTS = ("syn_by_syn", "syn_by_drive", "mem_by_syn", "mem_by_drive", "mem_by_mem",
         "mem_by_spikes")                   # eqs. (8)-(11)
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
LEVELS = ("tau_syn (n?) in [0, inf), tau_mem (n?) in [0, inf), "
          "dt () in (0, inf), threshold (n?) in (0, inf), leak (n?), reset_to (n?), "
          "floor (n?)")


def simulate(step, x, W, V=None, *, tau_syn, tau_mem, dt=1.0, threshold=1.0, leak=0.0,
             reset_to=0.0, floor=0.0, spike: Callable = None, clamp=None,
             reset_spikes=None):
    """Simulate a layer for T steps from the resting state, eqs. (1)-(7).

    >>> x, W = np.array([[[1.5]], [[0.0]], [[1.0]]]), np.eye(1)
    >>> step = PRESETS["lava"]._replace(synapse="none")
    >>> simulate(step, x, W, tau_syn=2, tau_mem=2).mem.ravel().tolist()
    [0.0, 1.5, 0.0, 1.0]

    Parameters
    ----------
    step : Step
    x : (T, B, m) float, int or bool
    W, V : (n, m) float, (n, n) float or None
    tau_syn, tau_mem, dt : float, or (n,) float for time constants
        Time constants, s; with decay="exact", they may be 0.
    threshold, leak, reset_to, floor : float or (n,) float
        Membrane potentials of eqs. (1) and (4)-(7).  `floor` needs step.floor.
    spike : callable (k, u) -> (B, n) float, optional
        Spike function that replaces eq. (1), for finite differences.
    clamp, reset_spikes : (T + 1, B, n), optional
        Fields `held` and `fired` of an earlier result.  For finite
        differences, they replace the refractory mask and spikes in the reset.

    Returns
    -------
    Run, states 0 to T, (T + 1, B, n), of which `recorded` selects T rows
        syn, mem, spikes  currents I, potentials u and spikes s
        fired   spikes s in the reset, which are s > 0.5 if spikes="many" and
                reset="zero"
        reset   R(u, s)
        free    membrane potentials before the reset of (6) and before (7)
        held    bool, True while a neuron is refractory
    """
    step = _step(step)
    one_of("spike", spike, Callable, type(None))
    if step.refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be given if spike is and refractory > 0")
    W, x, V = arrays("W (n, m*) float, x (T, B, m*), V? (n, n)", W, x, V)
    (T, B, m), n = x.shape, W.shape[0]
    _, _, clamp, reset_spikes = arrays(
        f"W (n, _*) float, x (_, B, _*), clamp? ({T + 1}, B, n) in {{0, 1}}, "
        f"reset_spikes? ({T + 1}, B, n)", W, x, clamp, reset_spikes)
    const = _constants(step, "W (n, _*)", W[:, :0], tau_syn, tau_mem, dt, threshold,
                       leak, reset_to, floor)
    syn, mem, spikes, fired, reset, free = np.zeros((6, T + 1, B, n), W.dtype)
    held = np.zeros((T + 1, B, n), bool) if clamp is None else clamp > 0
    inputs = const.drive * (x.reshape(T * B, m) @ W.T).reshape(T, B, n)    # (2)
    mem[0] = const.leak
    for k in range(T + 1):
        if k:
            terms = [inputs[k - 1]]
            if V is not None:
                terms.append(
                    const.drive * (spikes[k - 1] @ V.T))                   # (2)
            u = (mem if step.reset_at == "after" else reset)[k - 1]
            syn[k], read = _synapse(step, syn[k - 1], terms, const.alpha)
            v = free[k] = const.beta * u + const.gain * read \
                + (1 - const.beta) * const.leak                            # (5)
            if step.reset_at == "after":
                v = _reset(step, v, fired[k - 1], const)                   # (6)
            if clamp is None and step.refractory:
                held[k] = spikes[max(0, k - step.refractory):k].any(axis=0)
            v = np.maximum(v, const.floor) if step.floor else v            # (7)
            mem[k] = np.where(
                held[k] & (not step.mute), const.reset_to, v)              # (7)
        spikes[k] = _count(step, mem[k], const.threshold) if spike is None else arrays(
            f"spike(k,u) {mem[k].shape}", spike(k, mem[k]), dtype=W.dtype)[0]
        if step.mute:
            spikes[k][held[k]] = 0
        fired[k] = spikes[k] if reset_spikes is None else reset_spikes[k]
        if step.spikes == "many" and step.reset == "zero":
            fired[k] = fired[k] > 0.5
        reset[k] = _reset(step, mem[k], fired[k], const)
    return Run(syn, mem, spikes, fired, reset, free, held)


def _constants(step, source, like, tau_syn, tau_mem, *levels):
    none = step.synapse == "none"
    _, tau_syn, tau_mem, dt, *levels = arrays(
        f"{source}, {LEVELS}", like, 0 if none else tau_syn, tau_mem, *levels,
        dtype=np.float64)
    alpha = 0.0 if none else _decay(step, "tau_syn", tau_syn, dt)
    beta = _decay(step, "tau_mem", tau_mem, dt)
    if step.gain == "rate" and not tau_mem.all():
        raise ValueError("tau_mem is 0 for a neuron: must be above 0 for a gain of "
                         "dt/tau")
    gain = 1.0 if step.gain == "one" else 1 - beta if step.gain == "leak" else \
        dt / tau_mem if step.gain == "rate" else tau_mem * (1 - beta)
    values = alpha, beta, 1 - alpha if step.drive == "leak" else 1.0, gain, *levels
    return _CONSTANTS(*(np.asarray(value, like.dtype) for value in values))


def _decay(step, name, tau, dt):
    if step.decay == "euler" and (tau < dt).any():
        raise ValueError(f"{name} is below dt = {dt} for a neuron: must be at least dt "
                         "for Euler steps")
    with np.errstate(divide="ignore"):      # tau = 0: decay factor 0
        return 1 - dt / tau if step.decay == "euler" else np.exp(-dt / tau)


def _synapse(step, current, terms, alpha):
    order = ["add", "read"] if step.input == "same" else ["read", "add"]
    order.insert({"first": 0, "between": 1, "last": 2,
                  "none": int(step.input == "next")}[step.synapse], "decay")
    for name in order:
        if name == "decay":
            current = alpha * current                                      # (3)
        elif name == "add":
            current = sum(terms, current)                                  # (3)
        else:
            read = current
    return current, read


def _count(step, mem, threshold):
    if step.compare == "half":
        return sum(_count(step._replace(compare=compare), mem, threshold) * 0.5
                   for compare in (">", ">="))
    over = mem > threshold if step.compare == ">" else mem >= threshold
    many = np.ceil(mem / threshold) - 1 if step.compare == ">" \
        else np.floor(mem / threshold)
    return over * np.maximum(many, 1) if step.spikes == "many" else over   # (1)


def _reset(step, mem, fired, const):
    if step.reset == "subtract":
        return mem - const.threshold * fired                               # (4)
    if step.reset == "zero":
        return mem * (1 - fired) + const.reset_to * fired                  # (4)
    return mem


def recorded(step, run):
    """Return a dict of the recorded arrays "spikes", "mem" and "syn" (T, B, n).

    >>> step, x = PRESETS["lava"], np.array([[[1.5]], [[0.0]]])
    >>> run = simulate(step, x, np.eye(1), tau_syn=2, tau_mem=2)
    >>> recorded(step, run)["mem"].ravel().tolist()
    [0.0, 0.75]

    Parameters
    ----------
    step, run : Step and Run, convention and result of `simulate`
    """
    step, run = _run(step, run)
    spikes, state, shown = _rows(step, len(run.mem))
    return {"spikes": run.spikes[spikes], "syn": run.syn[state],
            "mem": (run.reset if shown else run.mem)[state]}


def _rows(step, states):
    s, u, rows = int(step.test == "after"), int(step.record == "after"), states - 1
    return slice(s, s + rows), slice(u, u + rows), step.reset_at == "once" and s >= u


def slopes(step, run, *, tau_syn, tau_mem, dt=1.0, threshold=1.0, leak=0.0,
           reset_to=0.0, floor=0.0):
    """Differentiate the current and potential after each time step, eqs.
    (8)-(11).  The derivatives are with respect to the current, potential,
    spikes and net input before the time step.

    >>> step, one = PRESETS["lava"], np.ones((1, 1, 1))
    >>> run = simulate(step, one, one[0], tau_syn=4, tau_mem=2)
    >>> found = slopes(step, run, tau_syn=4, tau_mem=2)
    >>> [found[name][1].item() for name in PARTS]
    [0.75, 1.0, 0.75, 1.0, 0.5, 0.0]

    Parameters
    ----------
    step, tau_syn, tau_mem, dt, threshold, leak, reset_to, floor
        As for `simulate`.
    run : Run, result of `simulate`

    Returns
    -------
    dict
        names in `PARTS`  (T + 1, B, n), derivatives (8)-(11); entry k belongs
                          to the step from state k - 1 to state k
        row_by_mem, row_by_spikes  (T + 1, B, n), factors of eq. (15)
        rows  first index of the recorded spikes and of the recorded potentials
        live  mask that is 0 for refractory neurons, only if step.mute is True
    """
    step, run = _run(step, run)
    (states, B, n), dtype = run.mem.shape, run.mem.dtype
    const = _constants(step, "run.mem (_*, _, n)", run.mem[:0], tau_syn, tau_mem, dt,
                       threshold, leak, reset_to, floor)
    by_syn = _synapse(step, 1.0, [], const.alpha)
    by_drive = _synapse(step, 0.0, [const.drive], const.alpha)
    spikes, state, shown = _rows(step, states)
    own = _reset_slopes(step, run.mem, run.fired, const)
    read = 1 - (run.held[1:] & (not step.mute))         # 1 - fixed
    if step.floor:
        read = read * (run.mem[1:] > const.floor)
    if step.reset_at == "after":
        by_mem, by_spikes = _reset_slopes(step, run.free[1:], run.fired[:-1], const)
        fired = read * by_spikes                                          # (11)
        read = read * by_mem
        mem = const.beta * read                                           # (10)
    else:
        mem, fired = [const.beta * (read * part[:-1]) for part in own]    # (10, 11)
    parts = (by_syn[0], by_drive[0],                                      # (8)
             read * const.gain * by_syn[1], read * const.gain * by_drive[1],  # (9)
             mem, fired)
    found = {name: np.zeros((states, B, n), dtype) for name in PARTS}
    for name, part in zip(PARTS, parts, strict=True):
        found[name][1:] = part
    row = own if shown else (1 + 0 * run.mem, 0 * run.mem)
    found |= {"row_by_mem": row[0], "row_by_spikes": row[1]}
    if step.mute:
        found["live"] = 1 - run.held.astype(dtype)
    return found | {"rows": np.array([spikes.start, state.start])}


def _reset_slopes(step, mem, fired, const):
    zero, none = step.reset == "zero", step.reset == "none"
    by_mem = 1 - fired if zero else np.ones_like(mem)
    if none or not step.through_reset or zero and step.spikes == "many":
        return by_mem, np.zeros_like(mem)
    return by_mem, const.reset_to - mem if zero \
        else np.zeros_like(mem) - const.threshold


def linearise(x, W, V, spikes, psi, slopes):
    """Return the Jacobians J, F and E of each time step, eqs. (12)-(14).

    >>> two = np.ones((2, 1, 1))
    >>> parts = {name: (i + 1) * two for i, name in enumerate(PARTS)}
    >>> J, F, E = linearise(3 * two[:1], two[0], None, two, two, parts)
    >>> J[1, 0].tolist(), F[1, 0].tolist(), E[1, 0].tolist()
    ([[1.0, 0.0], [3.0, 11.0]], [[6.0], [12.0]], [[2.0], [4.0]])

    Parameters
    ----------
    x, W, V : as for `simulate`
    spikes, psi : (T + 1, B, n) float; results have the dtype of psi
    slopes : dict, result of `slopes`

    Returns
    -------
    J : (T + 1, B, 2n, 2n) float
        ``J[k] = dh[k]/dh[k-1]`` of h = [syn, mem]; J[0] is 0 and not used.
    F : (T + 1, B, 2n, p) float
        Derivative of h[k] by W and then V, row by row, at fixed h[k-1].
    E : (T + 1, B, 2n, m) float
        Derivative of h[k] with respect to the input, ``E[k] = dh[k]/dx[k-1]``.
    """
    psi, *parts = _slopes(psi, slopes, PARTS)
    psi, W, V, spikes, x = arrays(
        "psi (states, B, n) float, W (n, m*), V? (n, n), spikes (states, B, n), "
        f"x ({len(psi) - 1}, B, m*)", psi, W, V, spikes, x)
    slope = dict(zip(PARTS, parts, strict=True))
    (states, B, n), dtype, m = psi.shape, psi.dtype, W.shape[1]
    p = n * m + (0 if V is None else n * n)
    J, F, E = (np.zeros((states, B, 2 * n, size), dtype) for size in (2 * n, p, m))
    I, U = np.arange(n), n + np.arange(n)
    J[1:, :, I, I] = slope["syn_by_syn"][1:]                              # (12)
    J[1:, :, U, I] = slope["mem_by_syn"][1:]                              # (12)
    J[1:, :, U, U] = slope["mem_by_mem"][1:] \
        + slope["mem_by_spikes"][1:] * psi[:-1]                           # (12)
    for first, name in ((0, "syn_by_drive"), (n, "mem_by_drive")):
        rows, by_drive = slice(first, first + n), slope[name][1:, :, :, None]
        E[1:, :, rows] = by_drive * W                                     # (14)
        if V is not None:
            J[1:, :, rows, n:] += by_drive * (V * psi[:-1, :, None])      # (12)
        for i in range(n):
            at = slice(i * m, (i + 1) * m)
            F[1:, :, first + i, at] = by_drive[:, :, i] * x               # (13)
            if V is not None:
                at = slice(n * m + i * n, n * m + (i + 1) * n)
                F[1:, :, first + i, at] = by_drive[:, :, i] * spikes[:-1]  # (13)
    return J, F, E


def credit(psi, slopes, dspikes=None, dmem=None):
    """Return the derivative q of the loss with respect to each state h = [syn,
    mem] at fixed later states, eq. (15).  The shape of q is (T + 1, B, 2n).

    >>> one = np.ones((2, 1, 1))
    >>> parts = {"rows": [1, 0], "row_by_mem": one, "row_by_spikes": -one}
    >>> credit(0.5 * one, parts, 4 * one[:1], 3 * one[:1]).tolist()
    [[[0.0, 1.5]], [[0.0, 2.0]]]

    Parameters
    ----------
    psi, slopes : as for `linearise`
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss with respect to the recorded spikes
        and potentials.
    """
    psi, row_by_mem, row_by_spikes = _slopes(
        psi, slopes, ("row_by_mem", "row_by_spikes"))
    (states, B, n), dtype = psi.shape, psi.dtype
    _, first, dspikes, dmem = arrays(
        f"psi (_, B, n) float, slopes.rows (2) int in {{0, 1}}, "
        f"dspikes? ({states - 1}, B, n), dmem? ({states - 1}, B, n)", psi,
        slopes.get("rows"), dspikes, dmem)
    q = np.zeros((states, B, 2 * n), dtype)
    for value, by_mem, start in ((dspikes, psi, int(first[0])),
                                 (dmem, row_by_mem + row_by_spikes * psi,
                                  int(first[1]))):
        if value is not None:
            rows = slice(start, start + states - 1)
            q[rows, :, n:] += by_mem[rows] * value                        # (15)
    return q


def _step(step):
    step = bundle("step", step, Step)
    for axis, allowed in AXES.items():
        if isinstance(allowed[0], str):
            one_of(f"step.{axis}", getattr(step, axis), *allowed)
    flags("step.through_reset step.floor step.mute", step.through_reset, step.floor,
          step.mute)
    refractory, = arrays("step.refractory () int in [0, inf)", step.refractory)
    return step._replace(refractory=refractory)


def _run(step, run):
    names = ("syn", "mem", "spikes", "fired", "reset", "free")
    run = bundle("run", run, Run)
    _, *states, held = arrays(
        "run.mem (states, B, n) float, " + ", ".join(
            f"run.{name} (states, B, n)" for name in names)
        + ", run.held (states, B, n) in {0, 1}", run.mem, *run)
    return _step(step), Run(*states, held > 0)


def _slopes(psi, slopes, names):
    one_of("slopes", slopes, dict)
    psi, live, *parts = arrays(
        "psi (states, B, n) float, slopes.live? (states, B, n) in {0, 1}" + "".join(
            f", slopes.{name} (states, B, n)" for name in names), psi,
        slopes.get("live"), *map(slopes.get, names))
    if len(psi) < 2:
        raise ValueError(f"psi has {len(psi)} state: must have T + 1 >= 2 states")
    return psi if live is None else psi * live, *parts
