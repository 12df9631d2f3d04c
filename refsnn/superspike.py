# refsnn 0.1.0 | superspike.py | SPDX-License-Identifier: MIT | needs: numpy
r"""SuperSpike, online form: a three-factor rule, one step at a time.

A layer of current-based LIF neurons (rest is 0 V) and the traces of
[ZG18], for B independent replicas, each with weights of its own.  Every
quantity is local to a synapse or a neuron and causal, as on a chip.  One
step: neurons first, then the spikes x that arrive in it,

    U <- (1 - dt/tau_mem) U + (dt/tau_mem) I              (1)  [ZG18] eq. ?
    S = 1 if free and U > threshold else 0; U <- 0 where S = 1, and
    for refractory/dt steps after it                      (2)  [ZG18] eq. ?
    I <- exp(-dt/tau_syn) I + W x                         (3)  [ZG18] eq. ?
    psi = (1 + steepness |U - threshold|)^-2              (4)  [ZG18] eq. ?
    z_i <- exp(-dt/tau_het) z_i + S_i                     (5)  [ZG18] eq. ?

With x and psi of `delay` ago (the way of spikes to where errors are
computed), a synapse keeps, each line reading what the one below it left,

    z~_j <- b z~_j + c z_j                                (6)  [ZG18] eq. ?
    z_j <- a z_j + x_j                                    (7)  [ZG18] eq. ?
    lambda_ij <- exp(-dt/tau_decay) lambda_ij + r l_ij  (8)  [ZG18] eq. 2.5
    l_ij <- exp(-dt/tau_rise) l_ij + psi_i z~_j         (9)  [ZG18] eq. 2.5

where r = (1 - exp(-dt/tau_rise)) (1 - exp(-dt/tau_decay)): lambda =
alpha*(psi z~) with a double-exponential kernel alpha of unit area.  The
error e_i is the same filter of the signal, events of area 1, and

    e = alpha*signal, in 1/s                           (10)  [ZG18] eq. 2.1
    dm_ij = dt (e_i lambda_ij - rho w_ij zeta_i)       (11)  [ZG18] eq. 3.4
    zeta = z^exponent, or z^exponent e^2               (12)  [ZG18] eq. A.5

to be summed, by the caller, until the next update of the weights.

Derivation.  The van Rossum loss 1/2 int (alpha*(S^ - S))^2 has derivative
    -int e (alpha*dS/dw), e = alpha*(S^ - S).  With the surrogate psi for
    dS/dU and dU_i/dw_ij = z~_j, the membrane's answer to x_j alone (reset
    and refractoriness taken as given), minus the derivative is int e
    lambda: (11) climbs down.
Approximate.  The surrogate gradient of the loss, times -dt, for one layer
    if reset and refractoriness enter as one recorded additive term, trace
    is "simulator", both delays match and the loss runs to the trial's end.
    With hard reset and clamp a membrane forgets what came before its
    spike: the rule drops that.  Hidden neurons get a signal, no gradient.
Cost.   O(B n m) time and memory a step.
Departures.  The paper and its published code differ; each is an option:
    surrogate_read: psi of (4) reads U "before_reset", as the paper's
        equations have it, or "after_reset" (code), where a spike's own
        step shows rest and U never exceeds the threshold.
    trace: (a, b, c) of (6) and (7) are the "simulator"'s own (a =
        exp(-dt/tau_syn), b = 1 - dt/tau_mem, c = dt/tau_mem), so that z~
        is the exact dU/dw; the "continuous" filters of the paper, solved
        over a step (a, b = exp(-dt/tau_rise), exp(-dt/tau_decay)); or the
        code's ("published"), b = 1 - dt/tau_decay, c = a dt/tau_decay.
    drive: "published" multiplies e lambda by steepness dt / (1 -
        exp(-dt/tau_rise)), about 5, by which the code's scales exceed the
        paper's: what rho = 1 means there.
    het: zeta is "plain" z^exponent, z^exponent e^2 ("error", the paper's
        variant), or z^exponent left out where |e| dt < 1e-7 ("published").
    surrogate: "linear" has psi = 1 everywhere, the paper's control.
    The code's other thresholds (z~ or e below 1e-7 is 0, psi = 0 below -20
    mV from rest) are left out.  Delays and refractory are whole steps.

[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import numbers
from typing import NamedTuple

import numpy as np

__all__ = ["Coefficients", "Settings", "State", "Step", "accumulate", "coefficients",
           "forward", "rest"]

OPTIONS = {"surrogate": ("fast_sigmoid", "linear"),
           "surrogate_read": ("before_reset", "after_reset"),
           "trace": ("simulator", "continuous", "published"),
           "drive": ("paper", "published"),
           "het": ("plain", "error", "published")}


class Settings(NamedTuple):
    """Constants (those of [ZG18]) and named options of a layer."""

    dt: float = 1e-4                # s, as all times
    tau_mem: float = 10e-3
    tau_syn: float = 5e-3
    refractory: float = 5e-3
    threshold: float = 10e-3        # V above rest
    steepness: float = 1e3          # 1/V
    tau_rise: float = 5e-3          # of alpha and of the trace
    tau_decay: float = 10e-3
    tau_het: float = 0.1
    delay: float = 0.8e-3           # of x and psi in the Hebbian product
    rho: float = 0.0                # strength of the regulariser
    exponent: float = 4.0           # of z_i in it
    surrogate: str = "fast_sigmoid"
    surrogate_read: str = "before_reset"
    trace: str = "simulator"
    drive: str = "paper"
    het: str = "plain"


class Coefficients(NamedTuple):
    """Settings, checked, as the filters need them: decays over one step."""

    dt: float                       # s
    syn: float                      # exp(-dt/tau_syn)
    mem: float                      # 1 - dt/tau_mem
    gain: float                     # dt/tau_mem
    refractory: int                 # steps
    threshold: float                # V
    steepness: float                # 1/V; 0 makes psi 1
    before_reset: bool              # which U psi reads
    trace: tuple                    # (a, b, c)
    alpha: tuple                    # (a, b, c), c = r / dt in 1/s
    delay: int                      # steps
    drive: float                    # factor of e lambda
    het: float                      # exp(-dt/tau_het)
    rho: float
    exponent: float
    zeta: str                       # "plain", "error" or "published"


class State(NamedTuple):
    """What one step leaves to the next; D is the delay in steps."""

    syn: np.ndarray                 # (B, n) I
    mem: np.ndarray                 # (B, n) U after the reset
    held: np.ndarray                # (B, n) int, refractory steps to come
    past_x: np.ndarray              # (D, B, m) input under way
    past_psi: np.ndarray            # (D, B, n) psi under way
    trace_rise: np.ndarray          # (B, m) z of the delayed input
    trace: np.ndarray               # (B, m) z~
    eligibility_rise: np.ndarray    # (B, n, m) l
    eligibility: np.ndarray         # (B, n, m) lambda
    error_rise: np.ndarray          # (B, n) signal after the first filter
    error: np.ndarray               # (B, n) e, 1/s
    het: np.ndarray                 # (B, n) z_i


class Step(NamedTuple):
    """What the neurons did in a step."""

    spikes: np.ndarray              # (B, n)
    mem: np.ndarray                 # (B, n) V, before the reset
    psi: np.ndarray                 # (B, n) peak 1
    x: np.ndarray                   # (B, m) as handed in


def _steps(name, time, dt):
    steps = round(time / dt)
    if abs(time / dt - steps) > 1e-6 * max(steps, 1):
        raise ValueError(f"{name} is {time!r}: must be a multiple of dt = {dt!r}")
    return steps


def _checked(settings):
    """Settings whose numbers are in range and whose options exist."""
    if getattr(settings, "_fields", None) != Settings._fields:
        raise ValueError(f"settings is {settings!r:.60}: must be a Settings")
    for name, value in zip(Settings._fields, settings, strict=True):
        if name in OPTIONS:
            if not isinstance(value, str) or value not in OPTIONS[name]:
                raise ValueError(f"{name} is {value!r}: must be one of {OPTIONS[name]}")
            continue
        low = 0 if name in ("rho", "exponent", "delay") else np.finfo(float).tiny
        if not isinstance(value, numbers.Real) or isinstance(value, bool) \
                or not low <= value < np.inf:
            raise ValueError(f"{name} is {value!r}: must be finite and at least 0, all "
                             "but rho, exponent and delay above 0")
    least = min(settings.tau_mem, settings.tau_syn, settings.tau_rise,
                settings.tau_decay, settings.tau_het, settings.refractory)
    if settings.dt > least:
        raise ValueError(f"dt is {settings.dt!r}: must be at most {least!r} s, the "
                         "smallest time constant")
    return settings


def _trace(s, rise, decay):
    """(a, b, c) of (6) and (7)."""
    if s.trace == "simulator":
        return float(np.exp(-s.dt / s.tau_syn)), 1 - s.dt / s.tau_mem, s.dt / s.tau_mem
    if s.trace == "published":
        return rise, 1 - s.dt / s.tau_decay, rise * s.dt / s.tau_decay
    apart = s.dt / s.tau_rise - s.dt / s.tau_decay
    # int_0^dt exp(-(dt - t)/tau_decay) exp(-t/tau_rise) dt / tau_decay
    mean = -np.expm1(-apart) / apart if apart else 1.0
    return rise, decay, float(decay * mean * s.dt / s.tau_decay)


def coefficients(settings):
    """Settings checked and turned into the coefficients of one step.

    Parameters
    ----------
    settings : Settings
        Constants and options.

    Returns
    -------
    Coefficients
        What this module and superspike_trial.py compute with.

    Raises
    ------
    ValueError
        If a number is out of range, an option unknown, dt larger than the
        smallest time constant, or a delay no multiple of dt.

    Examples
    --------
    >>> k = coefficients(Settings(trace="published"))
    >>> k.mem, k.refractory, k.delay, k.trace[1]
    (0.99, 50, 8, 0.99)
    """
    s = _checked(settings)
    rise, decay, syn, het = (float(np.exp(-s.dt / tau)) for tau in
                             (s.tau_rise, s.tau_decay, s.tau_syn, s.tau_het))
    return Coefficients(
        float(s.dt), syn, float(1 - s.dt / s.tau_mem), float(s.dt / s.tau_mem),
        _steps("refractory", s.refractory, s.dt), float(s.threshold),
        float(s.steepness) * (s.surrogate != "linear"),
        s.surrogate_read == "before_reset", _trace(s, rise, decay),
        (rise, decay, (1 - rise) * (1 - decay) / float(s.dt)),
        _steps("delay", s.delay, s.dt),
        1.0 if s.drive == "paper" else float(s.steepness * s.dt / (1 - rise)),
        het, float(s.rho), float(s.exponent), s.het)


def _valid(k, dtype):
    """Coefficients, of this module or of superspike_trial.py."""
    if getattr(k, "_fields", None) != Coefficients._fields:
        raise ValueError(f"k is {k!r:.60}: must be what `coefficients` returns")
    decays = (k.syn, k.mem, k.het, *k.trace[:2], *k.alpha[:2])
    if not all(0 <= dtype.type(decay) < 1 for decay in decays):
        raise ValueError(f"k has decays {decays}: must be in [0, 1) as {dtype}")
    return k


def _shapes(D, B, n, m):
    shapes = {"past_x": (D, B, m), "past_psi": (D, B, n), "trace_rise": (B, m),
              "trace": (B, m), "eligibility_rise": (B, n, m), "eligibility": (B, n, m)}
    return {name: shapes.get(name, (B, n)) for name in State._fields}


def rest(k, B, n, m, dtype=np.float64):
    """State of B replicas of n neurons with m inputs, before any spike.

    Parameters
    ----------
    k : Coefficients
        From `coefficients`.
    B, n, m : int
        Replicas, neurons, inputs; at least 1.
    dtype : float32 or float64
        Of all floating arrays.

    Returns
    -------
    State
        Zeros.

    Raises
    ------
    ValueError
        If k is something else, a size no positive integer, or dtype another
        one.

    Examples
    --------
    >>> rest(coefficients(Settings()), 2, 3, 4).past_x.shape
    (8, 2, 4)
    """
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    for name, size in (("B", B), ("n", n), ("m", m)):
        if type(size) is bool or not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} is {size!r}: must be an integer of at least 1")
    D = _valid(k, np.dtype(dtype)).delay
    return State(**{name: np.zeros(shape, int if name == "held" else dtype)
                    for name, shape in _shapes(D, B, n, m).items()})


def _array(name, value, shape, dtype):
    """`value` as finite array of `shape` and dtype."""
    array = np.asarray(value)
    if array.shape != shape or array.dtype.kind not in "fiub":
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be numbers of shape {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array.astype(dtype, copy=False)


def _given(k, state, W):
    """Coefficients, W and its (B, n, m), all of them checked against the state."""
    W = np.asarray(W)
    if W.dtype not in (np.float32, np.float64) or W.ndim != 3 or 0 in W.shape \
            or not np.isfinite(W).all():
        raise ValueError(f"W is of shape {W.shape}, dtype {W.dtype}: must be finite "
                         "float32 or float64 of shape (B, n, m), none of them 0")
    if getattr(state, "_fields", None) != State._fields:
        raise ValueError(f"state is {state!r:.60}: must be a State, see `rest`")
    shapes = _shapes(_valid(k, W.dtype).delay, *W.shape)
    for (name, shape), array in zip(shapes.items(), state, strict=True):
        kind = np.dtype(int if name == "held" else W.dtype)
        if np.shape(array) != shape or getattr(array, "dtype", None) != kind:
            raise ValueError(f"state.{name} is of shape {np.shape(array)}: must be "
                             f"{kind} {shape} to match W of shape {W.shape} and delay")
    return W, W.shape


def forward(k, state, W, x):
    """One step of the neurons, eqs. (1)-(4).

    Parameters
    ----------
    k : Coefficients
        From `coefficients`.
    state : State
        From `rest`, or what the step before left.
    W : (B, n, m) float
        Weights, V.
    x : (B, m) float, int or bool
        Spikes arriving at the inputs in this step.

    Returns
    -------
    State
        With syn, mem and held after the step; `accumulate` moves the other
        fields on.
    Step
        Spikes, membranes before the reset, surrogate, input.

    Raises
    ------
    ValueError
        If a shape, dtype or setting does not fit, or an entry is not finite.

    Examples
    --------
    >>> k = coefficients(Settings(
    ...     dt=1.0, tau_mem=2.0, tau_syn=2.0, tau_rise=2.0, tau_decay=2.0,
    ...     tau_het=2.0, refractory=1.0, delay=0.0))
    >>> state, W = rest(k, 1, 1, 1), np.full((1, 1, 1), 0.03)
    >>> state, step = forward(k, state, W, np.ones((1, 1)))
    >>> state, step = forward(k, state, W, np.zeros((1, 1)))
    >>> step.mem.tolist(), step.spikes.tolist(), state.mem.tolist()
    ([[0.015]], [[1.0]], [[0.0]])
    """
    W, (B, n, m) = _given(k, state, W)
    x = _array("x", x, (B, m), W.dtype)
    mem = k.mem * state.mem + k.gain * state.syn                           # (1)
    mem = np.where(state.held > 0, 0, mem).astype(W.dtype)
    fired = mem > k.threshold                                              # (2)
    held = np.where(fired, k.refractory, np.maximum(state.held - 1, 0))
    syn = k.syn * state.syn + np.einsum("bij,bj->bi", W, x)                # (3)
    after = np.where(fired, 0, mem).astype(W.dtype)
    read = mem if k.before_reset else after
    psi = (1 + k.steepness * np.abs(read - k.threshold)) ** -2             # (4)
    return state._replace(syn=syn, mem=after, held=held), \
        Step(fired.astype(W.dtype), mem, psi, x)


def _zeta(k, het, error):
    zeta = het ** k.exponent                                              # (12)
    if k.zeta == "error":
        return zeta * error ** 2
    return zeta if k.zeta == "plain" else zeta * (np.abs(error) * k.dt >= 1e-7)


def accumulate(k, state, W, step, signal):
    """Error times eligibility in one step, eqs. (5)-(12).

    Parameters
    ----------
    k, state, W
        As for `forward`, which gave this state.
    step : Step
        What `forward` returned.
    signal : (B, n) float
        Unfiltered error events at each neuron: + for a missing spike, -
        for a surplus one, as late as `delay` makes psi and input.

    Returns
    -------
    State
        After the step.
    dm : (B, n, m) float
        Ascent direction of (11), to be summed over the steps.
    error : (B, n) float
        e, 1/s.

    Raises
    ------
    ValueError
        If a shape, dtype or setting does not fit, or an entry is not finite.

    Examples
    --------
    >>> k, W = coefficients(Settings(delay=0.0)), np.full((1, 1, 1), 0.02)
    >>> state, m = rest(k, 1, 1, 1), 0.0
    >>> for t in range(200):
    ...     x, signal = np.full((1, 1), t == 0), np.full((1, 1), t == 100)
    ...     state, step = forward(k, state, W, x)
    ...     state, dm, error = accumulate(k, state, W, step, signal)
    ...     m = m + dm
    >>> bool(m[0, 0, 0] > 0), bool(error[0, 0] > 0)
    (True, True)
    """
    W, (B, n, m) = _given(k, state, W)
    if getattr(step, "_fields", None) != Step._fields:
        raise ValueError(f"step is {step!r:.60}: must be the Step of `forward`")
    spikes, _, psi = (_array(f"step.{name}", field, (B, n), W.dtype) for name, field
                      in zip(Step._fields[:3], step[:3], strict=True))
    x = _array("step.x", step.x, (B, m), W.dtype)
    signal = _array("signal", signal, (B, n), W.dtype)
    past_x = np.concatenate([state.past_x, x[None]])
    past_psi = np.concatenate([state.past_psi, psi[None]])
    (a, b, c), (rise, decay, unit) = k.trace, k.alpha
    trace = b * state.trace + c * state.trace_rise                         # (6)
    trace_rise = a * state.trace_rise + past_x[0]                          # (7)
    hebb = past_psi[0][:, :, None] * trace[:, None, :]
    later = decay * state.eligibility + unit * k.dt * state.eligibility_rise  # (8)
    sooner = rise * state.eligibility_rise + hebb                          # (9)
    error = decay * state.error + unit * state.error_rise                 # (10)
    error_rise = rise * state.error_rise + signal
    het = k.het * state.het + spikes                                       # (5)
    dm = k.drive * k.dt * error[:, :, None] * later
    if k.rho:
        dm -= k.rho * k.dt * W * _zeta(k, het, error)[:, :, None]         # (11)
    return State(state.syn, state.mem, state.held, past_x[1:], past_psi[1:],
                 trace_rise, trace, sooner, later, error_rise, error, het), dm, error
