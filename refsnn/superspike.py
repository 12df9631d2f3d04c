# refsnn 0.1.0 | superspike.py | SPDX-License-Identifier: MIT | needs: numpy
r"""SuperSpike is an online three-factor learning rule for spiking neurons.

The neurons are current-based leaky integrate-and-fire neurons with resting
potential 0 V.  The module simulates B independent copies (replicas) of one
layer with separate weights.  Each variable of the learning rule belongs to
one synapse or to one neuron, and depends only on past activity.  Let x be
the input spikes, S the output spikes, psi the surrogate derivative dS/dU,
and `het` a trace of the output spikes.  Each step first updates the
potential U and then the current I:

    U <- (1 - dt/tau_mem) U + (dt/tau_mem) I                (1)  [ZG18]
    S = 1 if not refractory and U > threshold else 0; U <- 0 where S = 1
    and in the next refractory/dt steps                     (2)  [ZG18]
    I <- exp(-dt/tau_syn) I + W x                           (3)  [ZG18]
    psi = (1 + steepness |U - threshold|)^-2                (4)  [ZG18]
    het_i <- exp(-dt/tau_het) het_i + S_i                   (5)  [ZG18]

Error signals arrive after an axonal delay.  Therefore, the inputs x in (7)
and the surrogate derivatives psi in (9) are also delayed by the time
`delay`.  Eqs. (6)-(9) apply in this order:

    trace_j <- b trace_j + g rise_j                         (6)  [ZG18]
    rise_j <- a rise_j + x_j                                (7)  [ZG18]
    lambda_ij <- decay lambda_ij + dt unit l_ij         (8)  [ZG18] eq. 2.5
    l_ij <- exp(-dt/tau_rise) l_ij + psi_i trace_j      (9)  [ZG18] eq. 2.5

In (8), decay = exp(-dt/tau_decay) and unit = (1 - exp(-dt/tau_rise)) (1 -
decay) / dt.  Eqs. (8) and (9) convolve the product `psi_i trace_j` with a
double-exponential kernel alpha of unit area.  The result is the
eligibility lambda_ij.  The error signal of a neuron, `signal`, is +1 at
each missing spike, -1 at each superfluous spike, and otherwise 0.  With *
for convolution, the filtered error e and the weight change are

    e = alpha*signal, in 1/s                           (10)  [ZG18] eq. 2.1
    change_ij = dt (e_i lambda_ij - rho W_ij zeta_i)   (11)  [ZG18] eq. 3.4
    zeta_i = het_i^exponent, or het_i^exponent e_i^2   (12)  [ZG18] eq. A.5

The second term of (11) moves the weights of active neurons towards 0.

Derivation.  Let S^ be the target spikes, and let e = alpha*(S^ - S).  The
    van Rossum loss 1/2 int e^2 has the derivative -int e (alpha*dS/dW).
    The rule replaces the derivative of the event train S by psi, and
    dU_i/dW_ij by trace_j, the response of the membrane potential to x_j
    alone.  The integral of e lambda is then the negative gradient.
Approximate.  The traces neglect that a reset to 0 erases the history of
    the membrane potential.  In six networks trained on the task of [ZG18]
    fig. 2, the cosine between (11) and the negative gradient, which passes
    through the reset, is 0.96 to 0.996.  The error signals of hidden
    neurons are heuristic.  For one layer, the sum of (11) over steps
    equals -dt times the surrogate gradient of the loss under five
    conditions: First, dS/dU := psi, and a spike has the size 1 (not 1/dt).
    Second, reset and refractoriness are recorded terms that are added to
    U.  Third, x, psi and the error signal have equal delays.  Fourth, the
    loss extends to the end of the trial.  Fifth, the options are rho=0,
    surrogate_read="before_reset", trace="simulator" and drive="paper".
Cost.   Each step takes O(B n m) time and memory.
Departures.  Options cover differences between paper and published code:

    surrogate_read: (4) uses U "before_reset", as in the paper, or
        "after_reset", as in the published code.
    trace: The option sets (a, b, g) of (6) and (7).  "simulator" uses a =
        exp(-dt/tau_syn), b = 1 - dt/tau_mem and g = dt/tau_mem.  Then
        `trace` equals dU/dW.  "continuous" solves the paper's filters over
        one step, with a, b = exp(-dt/tau_rise), exp(-dt/tau_decay).
        "published" uses a = exp(-dt/tau_rise), b = 1 - dt/tau_decay and g
        = a dt/tau_decay.
    drive: "published" multiplies e lambda, but not the regulariser, by
        steepness dt / (1 - exp(-dt/tau_rise)), which is about 5 by
        default.
    het: "plain" uses zeta = het^exponent.  "error" uses zeta =
        het^exponent e^2, as in the paper.  "published" uses zeta =
        het^exponent where |e| dt >= 1e-7, and zeta = 0 elsewhere.
    surrogate: "linear" sets psi = 1 everywhere, as in the paper's control.
    The module omits cutoffs of the published code, which set `trace` and e
    to 0 below 1e-7, and set psi to 0 where U is more than 20 mV below
    rest.  The published code sums (11) over 0.5 s, and then applies the
    optimiser RMaxProp to the sum.  The paper updates in every step.

[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, float_dtype, one_of, shown

__all__ = ["accumulate", "coefficients", "forward", "rest"]

OPTIONS = {"surrogate": ("fast_sigmoid", "linear"),
           "surrogate_read": ("before_reset", "after_reset"),
           "trace": ("simulator", "continuous", "published"),
           "drive": ("paper", "published"),
           "het": ("plain", "error", "published")}
COEFFICIENTS = (        # rules for the decay factors and for other coefficients
    "k.syn,mem,het,trace,alpha (7) in [0, 1), k.dt,gain,threshold,steepness,trace,"
    "alpha,drive,rho,exponent (9) in [0, inf), k.refractory () int in [0, inf), "
    "k.delay () int in [0, inf)")
STATE = ("state.syn (B, n), state.mem (B, n), state.held (B, n) int, "
         "state.past_x (D*, B, m), state.past_psi (D*, B, n), state.trace_rise (B, m), "
         "state.trace (B, m), state.eligibility_rise (B, n, m), state.eligibility "
         "(B, n, m), state.error_rise (B, n), state.error (B, n), state.het (B, n)")
SILENT = 1e-7       # cutoff of |e| dt in the published code
ROUNDING = 1e-6     # relative tolerance for a time that is a multiple of dt


class Settings(NamedTuple):
    """Hold the constants and options.  The default constants are those of [ZG18]."""
    dt: float = 1e-4
    tau_mem: float = 10e-3
    tau_syn: float = 5e-3
    refractory: float = 5e-3
    threshold: float = 10e-3
    steepness: float = 1e3
    tau_rise: float = 5e-3
    tau_decay: float = 10e-3
    tau_het: float = 0.1
    delay: float = 0.8e-3
    rho: float = 0.0
    exponent: float = 4.0
    surrogate: str = "fast_sigmoid"
    surrogate_read: str = "before_reset"
    trace: str = "simulator"
    drive: str = "paper"
    het: str = "plain"


class Coefficients(NamedTuple):
    """Hold the coefficients of eqs. (1)-(12)."""
    dt: float                       # s
    syn: float                      # exp(-dt/tau_syn)
    mem: float                      # 1 - dt/tau_mem
    gain: float                     # dt/tau_mem
    refractory: int                 # steps
    threshold: float                # V
    steepness: float                # 1/V; if it is 0, psi = 1
    before_reset: bool              # whether psi uses U before the reset
    trace: tuple                    # (a, b, g)
    alpha: tuple                    # (exp(-dt/tau_rise), decay, unit), unit in 1/s
    delay: int                      # steps
    drive: float                    # factor that multiplies e lambda
    het: float                      # exp(-dt/tau_het)
    rho: float
    exponent: float
    zeta: str                       # "plain", "error" or "published"


class State(NamedTuple):
    """Hold all states.  The function `rest` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    held: np.ndarray
    past_x: np.ndarray
    past_psi: np.ndarray
    trace_rise: np.ndarray
    trace: np.ndarray
    eligibility_rise: np.ndarray
    eligibility: np.ndarray
    error_rise: np.ndarray
    error: np.ndarray
    het: np.ndarray
    __repr__ = shown


class Step(NamedTuple):
    """Hold a recorded step.  The function `forward` describes the fields."""
    spikes: np.ndarray
    mem: np.ndarray
    psi: np.ndarray
    x: np.ndarray
    __repr__ = shown


def coefficients(settings):
    """Compute the `Coefficients` k of eqs. (1)-(12) from the settings.

    >>> k = coefficients(Settings(trace="published"))
    >>> k.mem, k.refractory, k.delay, k.trace[1]
    (0.99, 50, 8, 0.99)

    Parameters
    ----------
    settings : Settings
        Times are in s, the threshold is in V above rest, and the steepness in
        1/V.  `refractory` and `delay` are multiples of `dt`.  `dt` is at most
        the smallest of `refractory` and all time constants.
    """
    s = _settings(settings)
    mem, gain = 1 - s.dt / s.tau_mem, s.dt / s.tau_mem
    apart = s.dt / s.tau_rise - s.dt / s.tau_decay
    rise, decay, syn, het = (float(np.exp(-s.dt / tau)) for tau in
                             (s.tau_rise, s.tau_decay, s.tau_syn, s.tau_het))
    # For the trace "continuous", g tau_decay is the integral over t from 0 to dt
    # of exp((t - dt)/tau_decay - t/tau_rise), which is decay mean dt.
    mean = -np.expm1(-apart) / apart if apart else 1.0
    trace = {
        "simulator": (syn, mem, gain),
        "continuous": (rise, decay, float(decay * mean * s.dt / s.tau_decay)),
        "published": (rise, 1 - s.dt / s.tau_decay, rise * s.dt / s.tau_decay)}
    drive = 1.0 if s.drive == "paper" else s.steepness * s.dt / (1 - rise)
    return Coefficients(
        s.dt, syn, mem, gain, round(s.refractory / s.dt), s.threshold,
        s.steepness * (s.surrogate != "linear"), s.surrogate_read == "before_reset",
        trace[s.trace], (rise, decay, (1 - rise) * (1 - decay) / s.dt),
        round(s.delay / s.dt), drive, het, s.rho, s.exponent, s.het)


def rest(k, B, n, m, dtype=np.float64):
    """Return the resting state of B replicas of a layer.

    >>> rest(coefficients(Settings()), 2, 3, 4).past_x.shape
    (8, 2, 4)

    Parameters
    ----------
    k : Coefficients, result of `coefficients`
    B, n, m : int, numbers of replicas, neurons and inputs, at least 1
    dtype : float32 or float64

    Returns
    -------
    State, in which all arrays are 0
        syn, mem           (B, n) I, and U after the reset
        held               (B, n) int, remaining refractory steps
        past_x, past_psi   (D, B, m) and (D, B, n) input and psi of the last D
                           = delay steps
        trace_rise, trace  (B, m) rise and trace of the delayed input
        eligibility_rise, eligibility  (B, n, m) l and lambda
        error_rise, error  (B, n) signal after the first filter, and e, 1/s
        het                (B, n) het_i
    """
    dtype = float_dtype(dtype)
    B, n, m = arrays("B () int in [1, inf), n () int in [1, inf), "
                     "m () int in [1, inf)", B, n, m)
    k = _coefficients(k, dtype)
    shapes = {"past_x": (k.delay, B, m), "past_psi": (k.delay, B, n),
              "trace_rise": (B, m), "trace": (B, m),
              "eligibility_rise": (B, n, m), "eligibility": (B, n, m)}
    return State(**{name: np.zeros(shapes.get(name, (B, n)),
                                   int if name == "held" else dtype)
                    for name in State._fields})


def forward(k, state, W, x):
    """Simulate the neurons for one time step, eqs. (1)-(4).

    >>> k = coefficients(Settings(dt=5e-3, delay=0.0))
    >>> state, W = rest(k, 1, 1, 1), np.full((1, 1, 1), 0.03)
    >>> state, step = forward(k, state, W, np.ones((1, 1)))
    >>> state, step = forward(k, state, W, np.zeros((1, 1)))
    >>> step.mem.tolist(), step.spikes.tolist(), state.mem.tolist()
    ([[0.015]], [[1.0]], [[0.0]])

    Parameters
    ----------
    k : Coefficients, result of `coefficients`
    state, W : State from `rest` or `accumulate`, (B, n, m) float in volts
    x : (B, m) float, int or bool, spikes at the inputs in this step

    Returns
    -------
    State, in which only `syn`, `mem` and `held` have new values
    Step
        spikes  (B, n)
        mem     (B, n) U before the reset, in V
        psi     (B, n) surrogate derivative
        x       (B, m) input of the step
    """
    k, state, W, x = _given(k, state, W, "x (B, m)", x)
    mem = k.mem * state.mem + k.gain * state.syn                           # (1)
    mem = np.where(state.held > 0, 0, mem).astype(W.dtype, copy=False)
    fired = mem > k.threshold                                              # (2)
    held = np.where(fired, k.refractory, np.maximum(state.held.astype(int) - 1, 0))
    syn = k.syn * state.syn + np.einsum("bij,bj->bi", W, x)                # (3)
    after = np.where(fired, 0, mem).astype(W.dtype, copy=False)
    read = mem if k.before_reset else after
    psi = (1 + k.steepness * np.abs(read - k.threshold)) ** -2             # (4)
    return state._replace(syn=syn, mem=after, held=held), \
        Step(fired.astype(W.dtype), mem, psi, x)


def accumulate(k, state, W, step, signal):
    """Compute the traces and the weight change of one time step, eqs. (5)-(12).

    >>> k, W = coefficients(Settings()), np.full((1, 1, 1), 0.02)
    >>> state, x, signal = rest(k, 1, 1, 1), np.ones((1, 1)), np.ones((1, 1))
    >>> for _ in range(200):
    ...     state, step = forward(k, state, W, x)
    ...     state, change, error = accumulate(k, state, W, step, signal)
    >>> change.item() > 0, error.item() > 0
    (True, True)

    Parameters
    ----------
    k, state, W, step : arguments and results of `forward`
    signal : (B, n) float
        Unfiltered error signal of each neuron, delayed by `delay`.

    Returns
    -------
    State
    change : (B, n, m) float, weight change of eq. (11)
    error : (B, n) float, filtered error e, in 1/s
    """
    k, state, W, spikes, _, psi, x, signal = _given(
        k, state, W, "step.spikes (B, n), step.mem (B, n), step.psi (B, n), "
        "step.x (B, m), signal (B, n)", *bundle("step", step, Step), signal)
    past_x = np.concatenate([state.past_x, x[None]])
    past_psi = np.concatenate([state.past_psi, psi[None]])
    (a, b, g), (rise, decay, unit) = k.trace, k.alpha
    trace = b * state.trace + g * state.trace_rise                         # (6)
    trace_rise = a * state.trace_rise + past_x[0]                          # (7)
    hebb = past_psi[0][:, :, None] * trace[:, None, :]
    later = decay * state.eligibility + unit * k.dt * state.eligibility_rise  # (8)
    sooner = rise * state.eligibility_rise + hebb                          # (9)
    error = decay * state.error + unit * state.error_rise                 # (10)
    error_rise = rise * state.error_rise + signal                         # (10)
    het = k.het * state.het + spikes                                       # (5)
    change = k.drive * k.dt * error[:, :, None] * later                   # (11)
    if k.rho:
        zeta = het ** k.exponent                                          # (12)
        if k.zeta != "plain":
            zeta *= error ** 2 if k.zeta == "error" else np.abs(error) * k.dt >= SILENT
        change -= k.rho * k.dt * W * zeta[:, :, None]                     # (11)
    return State(state.syn, state.mem, state.held, past_x[1:], past_psi[1:],
                 trace_rise, trace, sooner, later, error_rise, error, het), \
        change, error


def _settings(settings):
    settings = bundle("settings", settings, Settings)
    for name, allowed in OPTIONS.items():
        one_of(f"settings.{name}", getattr(settings, name), *allowed)
    rules = ", ".join(
        [f"settings.{name} () in (0, inf)" for name in Settings._fields[:9]]
        + [f"settings.{name} () in [0, inf)" for name in Settings._fields[9:12]])
    s = Settings(*arrays(rules, *settings[:12], dtype=np.float64), *settings[12:])
    least = min(s.tau_mem, s.tau_syn, s.tau_rise, s.tau_decay, s.tau_het, s.refractory)
    if s.dt > least:
        raise ValueError(f"settings.dt is {s.dt!r}: must be at most {least!r} s, the "
                         "smallest of the time constants and `refractory`")
    for name in ("refractory", "delay"):
        steps = getattr(s, name) / s.dt
        if abs(steps - round(steps)) > ROUNDING * max(round(steps), 1):
            raise ValueError(f"settings.{name} is {getattr(s, name)!r}: must be a "
                             f"multiple of settings.dt = {s.dt!r}")
    return s


def _coefficients(k, dtype):
    k = bundle("k", k, Coefficients)
    for name in ("trace", "alpha"):
        if len(entries := one_of(f"k.{name}", getattr(k, name), tuple)) != 3:
            raise ValueError(f"k.{name} has {len(entries)} entries: must have 3")
    arrays(COEFFICIENTS, (k.syn, k.mem, k.het, *k.trace[:2], *k.alpha[:2]),
           (k.dt, k.gain, k.threshold, k.steepness, k.trace[2], k.alpha[2], k.drive,
            k.rho, k.exponent), k.refractory, k.delay, dtype=dtype)
    flags("k.before_reset", k.before_reset)
    one_of("k.zeta", k.zeta, *OPTIONS["het"])
    return k


def _given(k, state, W, rules, *others):
    W, *given = arrays(f"W (B, n, m) float, {STATE}, {rules}", W,
                       *bundle("state", state, State), *others)
    k, state = _coefficients(k, W.dtype), State(*given[:12])
    if len(state.past_x) != k.delay:
        raise ValueError(f"state.past_x has {len(state.past_x)} steps (axis 0): must "
                         f"have {k.delay}, as k.delay")
    return k, state, W, *given[12:]
