# refsnn 0.1.0 | superspike.py | SPDX-License-Identifier: MIT | needs: numpy
r"""SuperSpike, online form: a three-factor rule, one step at a time.

The module simulates a layer of current-based LIF neurons (rest is 0 V) and
computes the weight update of [ZG18] for B independent replicas, each with
its own weights.  Every quantity is local to a synapse or a neuron and
causal, as on a chip.  A step updates the neurons first; the spikes x that
arrive in it are added last:

    U <- (1 - dt/tau_mem) U + (dt/tau_mem) I                (1)  [ZG18]
    S = 1 if not refractory and U > threshold else 0; U <- 0 where S = 1
    and in the next refractory/dt steps                     (2)  [ZG18]
    I <- exp(-dt/tau_syn) I + W x                           (3)  [ZG18]
    psi = (1 + steepness |U - threshold|)^-2                (4)  [ZG18]
    z_i <- exp(-dt/tau_het) z_i + S_i                       (5)  [ZG18]

The traces of a synapse read x and psi as they were `delay` seconds ago,
because errors are computed after an axonal delay.  Update in this order;
a variable that is updated further down still has its previous value:

    z~_j <- b z~_j + c z_j                                  (6)  [ZG18]
    z_j <- a z_j + x_j                                      (7)  [ZG18]
    lambda_ij <- exp(-dt/tau_decay) lambda_ij + r l_ij  (8)  [ZG18] eq. 2.5
    l_ij <- exp(-dt/tau_rise) l_ij + psi_i z~_j         (9)  [ZG18] eq. 2.5

With r = (1 - exp(-dt/tau_rise)) (1 - exp(-dt/tau_decay)), lambda is
alpha*(psi z~), where * is convolution and alpha a double-exponential
kernel of unit area.  The same kernel filters the signal, a train of error
events of area 1:

    e = alpha*signal, in 1/s                           (10)  [ZG18] eq. 2.1
    dm_ij = dt (e_i lambda_ij - rho w_ij zeta_i)       (11)  [ZG18] eq. 3.4
    zeta = z^exponent, or z^exponent e^2               (12)  [ZG18] eq. A.5

The caller sums dm until the next update of the weights.

Derivation.  The van Rossum loss 1/2 int (alpha*(S^ - S))^2 has the
    derivative -int e (alpha*dS/dw) with e = alpha*(S^ - S).  Replace dS/dU
    by psi, and dU_i/dw_ij by z~_j, the membrane's response to x_j alone
    (reset and refractoriness are held fixed).  Then int e lambda is minus
    the derivative, and (11) descends the loss.
Approximate.  (11) equals the surrogate gradient of the loss, times -dt,
    for one layer if reset and refractoriness enter as one recorded
    additive term, trace is "simulator", delays match and the loss runs to
    the end of the trial.  A hard reset erases the membrane's past at each
    spike, which the traces ignore.  The signal of hidden neurons is no
    gradient.
Cost.   O(B n m) time and memory per step.
Departures.  Each difference of the paper and its code is an option:
    surrogate_read: psi of (4) reads U "before_reset", as in the paper, or
        "after_reset", as in the code, where U is at rest in the step of a
        spike and therefore never exceeds the threshold.
    trace: (a, b, c) of (6) and (7).  "simulator" has a = exp(-dt/tau_syn),
        b = 1 - dt/tau_mem and c = dt/tau_mem, so that z~ is the exact
        dU/dw; "continuous" solves the paper's filters over one step, with
        a, b = exp(-dt/tau_rise), exp(-dt/tau_decay); "published" is the
        code's, with b = 1 - dt/tau_decay and c = a dt/tau_decay.
    drive: "published" multiplies e lambda by steepness dt / (1 -
        exp(-dt/tau_rise)), about 5 by default.  The code's scales exceed
        the paper's by this factor, so rho = 1 is weaker there.
    het: zeta is z^exponent ("plain"), z^exponent e^2 ("error", the paper's
        variant), or z^exponent where |e| dt >= 1e-7, else 0 ("published").
    surrogate: "linear" sets psi = 1 everywhere, the paper's control.
    The code's other cutoffs (z~ and e below 1e-7, psi at more than 20 mV
    below rest) are omitted.  The code calls RMaxProp once per 0.5 s with
    the sum of (11); the paper's text suggests once per step.

[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

import re
from typing import NamedTuple

import numpy as np

__all__ = ["Coefficients", "Settings", "State", "Step", "accumulate", "coefficients",
           "forward", "rest"]

OPTIONS = {"surrogate": ("fast_sigmoid", "linear"),
           "surrogate_read": ("before_reset", "after_reset"),
           "trace": ("simulator", "continuous", "published"),
           "drive": ("paper", "published"),
           "het": ("plain", "error", "published")}
NUMBERS = ", ".join(
    [f"{name} () in (0, inf)" for name in (
        "dt", "tau_mem", "tau_syn", "refractory", "threshold", "steepness", "tau_rise",
        "tau_decay", "tau_het")]
    + [f"{name} () in [0, inf)" for name in ("delay", "rho", "exponent")])


class Settings(NamedTuple):
    """Constants and named options of a layer; the defaults are of [ZG18].

    `delay` and `refractory` are multiples of dt.  dt must not exceed
    `refractory` or a time constant.
    """

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
    exponent: float = 4.0           # of z_i in the regulariser
    surrogate: str = "fast_sigmoid"
    surrogate_read: str = "before_reset"
    trace: str = "simulator"
    drive: str = "paper"
    het: str = "plain"


class Coefficients(NamedTuple):
    """Coefficients of one step, computed from checked settings."""

    dt: float                       # s
    syn: float                      # exp(-dt/tau_syn)
    mem: float                      # 1 - dt/tau_mem
    gain: float                     # dt/tau_mem
    refractory: int                 # steps
    threshold: float                # V
    steepness: float                # 1/V; 0 makes psi 1
    before_reset: bool              # whether psi reads U before the reset
    trace: tuple                    # (a, b, c)
    alpha: tuple                    # (a, b, c), c = r / dt in 1/s
    delay: int                      # steps
    drive: float                    # factor of e lambda
    het: float                      # exp(-dt/tau_het)
    rho: float
    exponent: float
    zeta: str                       # "plain", "error" or "published"


class State(NamedTuple):
    """State of a layer between two steps; D is the delay in steps."""

    syn: np.ndarray                 # (B, n) I
    mem: np.ndarray                 # (B, n) U after the reset
    held: np.ndarray                # (B, n) int, refractory steps to come
    past_x: np.ndarray              # (D, B, m) input of the last D steps
    past_psi: np.ndarray            # (D, B, n) psi of the last D steps
    trace_rise: np.ndarray          # (B, m) z of the delayed input
    trace: np.ndarray               # (B, m) z~
    eligibility_rise: np.ndarray    # (B, n, m) l
    eligibility: np.ndarray         # (B, n, m) lambda
    error_rise: np.ndarray          # (B, n) signal after the first filter
    error: np.ndarray               # (B, n) e, 1/s
    het: np.ndarray                 # (B, n) z_i


class Step(NamedTuple):
    """Activity of the neurons in one step."""

    spikes: np.ndarray              # (B, n)
    mem: np.ndarray                 # (B, n) V, before the reset
    psi: np.ndarray                 # (B, n) at most 1
    x: np.ndarray                   # (B, m) input of the step


def coefficients(settings):
    """Return the coefficients of one step, after checking the settings.

    Parameters
    ----------
    settings : Settings
        Constants and options.

    Returns
    -------
    Coefficients
        For this module and for `fast.superspike`.

    Examples
    --------
    >>> k = coefficients(Settings(trace="published"))
    >>> k.mem, k.refractory, k.delay, k.trace[1]
    (0.99, 50, 8, 0.99)
    """
    s = _checked(settings)
    refractory, delay = _steps("refractory", s), _steps("delay", s)
    rise, decay, syn, het = (float(np.exp(-s.dt / tau)) for tau in
                             (s.tau_rise, s.tau_decay, s.tau_syn, s.tau_het))
    return Coefficients(
        s.dt, syn, 1 - s.dt / s.tau_mem, s.dt / s.tau_mem, refractory, s.threshold,
        s.steepness * (s.surrogate != "linear"), s.surrogate_read == "before_reset",
        _trace(s, rise, decay), (rise, decay, (1 - rise) * (1 - decay) / s.dt), delay,
        1.0 if s.drive == "paper" else s.steepness * s.dt / (1 - rise), het, s.rho,
        s.exponent, s.het)


def _trace(s, rise, decay):
    """Return (a, b, c) of (6) and (7)."""
    if s.trace == "simulator":
        return float(np.exp(-s.dt / s.tau_syn)), 1 - s.dt / s.tau_mem, s.dt / s.tau_mem
    if s.trace == "published":
        return rise, 1 - s.dt / s.tau_decay, rise * s.dt / s.tau_decay
    apart = s.dt / s.tau_rise - s.dt / s.tau_decay
    # int_0^dt exp(-(dt - t)/tau_decay) exp(-t/tau_rise) dt / tau_decay
    mean = -np.expm1(-apart) / apart if apart else 1.0
    return rise, decay, float(decay * mean * s.dt / s.tau_decay)


def _steps(name, s):
    time = getattr(s, name)
    steps = round(time / s.dt)
    if abs(time / s.dt - steps) > 1e-6 * max(steps, 1):
        raise ValueError(f"{name} is {time!r}: must be a multiple of dt = {s.dt!r}")
    return steps


def rest(k, B, n, m, dtype=np.float64):
    """Return the state of B replicas of n neurons with m inputs at rest.

    Parameters
    ----------
    k : Coefficients
        From `coefficients`.
    B, n, m : int
        Numbers of replicas, neurons and inputs, at least 1.
    dtype : float32 or float64
        Of all floating arrays.

    Returns
    -------
    State
        Zeros.

    Examples
    --------
    >>> rest(coefficients(Settings()), 2, 3, 4).past_x.shape
    (8, 2, 4)
    """
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    B, n, m = _arrays("B () int in [1, inf), n () int in [1, inf), "
                      "m () int in [1, inf)", B, n, m)
    D = _valid(k, np.dtype(dtype)).delay
    return State(**{name: np.zeros(shape, int if name == "held" else dtype)
                    for name, shape in _shapes(D, B, n, m).items()})


def _shapes(D, B, n, m):
    shapes = {"past_x": (D, B, m), "past_psi": (D, B, n), "trace_rise": (B, m),
              "trace": (B, m), "eligibility_rise": (B, n, m), "eligibility": (B, n, m)}
    return {name: shapes.get(name, (B, n)) for name in State._fields}


def forward(k, state, W, x):
    """Advance the neurons by one step, eqs. (1)-(4).

    Parameters
    ----------
    k : Coefficients
        From `coefficients`.
    state : State
        From `rest`, or from `accumulate` of the last step.
    W : (B, n, m) float
        Weights, V.
    x : (B, m) float, int or bool
        Spikes that arrive at the inputs in this step.

    Returns
    -------
    State
        With `syn`, `mem` and `held` after the step.  `accumulate` advances
        the other fields.
    Step
        Spikes, membrane potentials before the reset, psi and input.

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
    W, x = _given(k, state, "x", W, x)
    mem = k.mem * state.mem + k.gain * state.syn                           # (1)
    mem = np.where(state.held > 0, 0, mem).astype(W.dtype, copy=False)
    fired = mem > k.threshold                                              # (2)
    held = np.where(fired, k.refractory, np.maximum(state.held - 1, 0))
    syn = k.syn * state.syn + np.einsum("bij,bj->bi", W, x)                # (3)
    after = np.where(fired, 0, mem).astype(W.dtype, copy=False)
    read = mem if k.before_reset else after
    psi = (1 + k.steepness * np.abs(read - k.threshold)) ** -2             # (4)
    return state._replace(syn=syn, mem=after, held=held), \
        Step(fired.astype(W.dtype), mem, psi, x)


def accumulate(k, state, W, step, signal):
    """Advance the traces by one step and return the update, eqs. (5)-(12).

    Parameters
    ----------
    k, W
        As for `forward`.
    state : State
        From `forward`.
    step : Step
        From `forward`.
    signal : (B, n) float
        Unfiltered error events of each neuron: positive for a missing
        spike, negative for an additional one, delayed like psi and x.

    Returns
    -------
    State
        After the step.
    dm : (B, n, m) float
        Ascent direction of (11), to be summed over steps.
    error : (B, n) float
        e, 1/s.

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
    _one_of("step", step, Step)
    W, x, signal, spikes, psi = _given(k, state, "step.x signal step.spikes step.psi",
                                       W, step.x, signal, step.spikes, step.psi)
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


def _zeta(k, het, error):
    zeta = het ** k.exponent                                              # (12)
    if k.zeta == "error":
        return zeta * error ** 2
    return zeta if k.zeta == "plain" else zeta * (np.abs(error) * k.dt >= 1e-7)


def _checked(settings):
    """Return the settings with their numbers as floats."""
    _one_of("settings", settings, Settings)
    for name, allowed in OPTIONS.items():
        _one_of(name, getattr(settings, name), *allowed)
    s = Settings(*_arrays(NUMBERS, *settings[:12], dtype=np.float64), *settings[12:])
    least = min(s.tau_mem, s.tau_syn, s.tau_rise, s.tau_decay, s.tau_het, s.refractory)
    if s.dt > least:
        raise ValueError(f"dt is {s.dt!r}: must be at most {least!r} s, the smallest "
                         "time constant")
    return s


def _valid(k, dtype):
    """Return coefficients of this module or of fast/superspike.py."""
    if getattr(k, "_fields", None) != Coefficients._fields:
        raise ValueError(f"k is {k!r:.60}: must be what `coefficients` returns")
    decays = (k.syn, k.mem, k.het, *k.trace[:2], *k.alpha[:2])
    if not all(0 <= dtype.type(decay) < 1 for decay in decays):
        raise ValueError(f"k has decays {decays}: must be in [0, 1) as {dtype}")
    return k


def _given(k, state, names, W, *others):
    """Return W and other arrays of a step in its dtype; check k and state.

    `_arrays` takes half as long as a step.  It is called only if needed.
    """
    if getattr(state, "_fields", None) != State._fields:
        raise ValueError(f"state is {state!r:.60}: must be a State, see `rest`")
    if not _fits(W, state.eligibility) or W.dtype not in (np.float32, np.float64):
        W, = _arrays("W (B, n, m) float", W)
    shapes = _shapes(_valid(k, W.dtype).delay, *W.shape)
    whole = np.dtype(int)
    for (name, shape), array in zip(shapes.items(), state, strict=True):
        kind = whole if name == "held" else W.dtype
        if getattr(array, "shape", None) != shape or array.dtype != kind:
            raise ValueError(f"state.{name} is of shape {np.shape(array)}: must be "
                             f"{kind} {shape} to match W of shape {W.shape} and delay")
    like = (state.trace, state.mem, state.mem, state.mem)
    if not all(map(_fits, others, like)):
        others = _arrays(", ".join(f"{name} {a.shape}" for name, a in zip(
            names.split(), like)), *others, dtype=W.dtype)
    return W, *[array.astype(W.dtype, copy=False) for array in others]


def _fits(array, like):
    """Return whether an array is valid, and bool or in the dtype of `like`."""
    return isinstance(array, np.ndarray) and array.shape == np.shape(like) and (
        array.dtype == getattr(like, "dtype", None)
        or array.dtype == bool and array.ndim == 2) and np.isfinite(array).all()


# ---- checks, the same in every module ----
def _arrays(spec, *values, dtype=None):
    """Return `values`, checked against spec: "W (n, m) float, V? (n, n)".
    The mark ? allows None, [] a list of arrays, n? a number, n* an empty
    axis, _ any axis.  Arrays get the dtype of the first float array."""
    known = {"dtype": dtype}
    return [_array(*rule, value, known) for rule, value in zip(re.findall(
        r"(\S+) \((.*?)\)( float| int|)( in .*?[])}]|)", spec), values, strict=True)]


def _array(name, axes, kind, limits, value, known):
    if name.endswith("[]"):
        return [_array(f"{name[:-1]}{i}]", axes, kind, limits, entry, known)
                for i, entry in enumerate(_one_of(name, value, list, tuple))]
    if value is None and name.endswith("?"):
        return None
    try:
        a = np.asarray(value)
        ok = a.dtype in (np.float32, np.float64) if kind == " float" else \
            a.dtype.kind in ("iu" if kind else "fiub"[:3 + a.ndim])
        known["dtype"] = known["dtype"] or (a.dtype if kind == " float" else None)
        a = a if kind == " int" else a.astype(known["dtype"] or a.dtype, copy=False)
        ends = "" if "?" in axes and not a.ndim else axes.replace("...", "* " * a.ndim)
        ok &= all(size == int(x) if x.isdigit() else (size > 0 or x[-1] == "*") and (
            x[0] in "_*" or known.setdefault(x.rstrip("*?"), size) == size)
            for x, size in zip(re.findall(r"[^\s,]+", ends), a.shape, strict=True))
        low, high = map(float, (limits or " in (-inf, inf)")[5:-1].split(","))
        finite = ok and not limits and np.isfinite(np.vdot(a, a))     # no temporaries
        ok &= bool(finite or np.all(np.isin(a, (low, high)) if "{" in limits else (
            a >= low if "[" in limits else a > low) & (
            a <= high if "]" in limits else a < high)))
    except (ArithmeticError, RuntimeError, RuntimeWarning, TypeError, ValueError):
        ok = False
    if not ok:
        shown = " ".join(f"{getattr(value, 'shape', '')} {value!r}".split())[:80]
        raise ValueError(f"{name.rstrip('?')} is {shown}: must be finite"
                         f"{kind or ' real'} ({axes}){limits}, with {known}")
    return a if axes else a.item()


def _one_of(name, value, *allowed):
    types = tuple(x for x in allowed if isinstance(x, type))
    if not isinstance(value, types) and str(value) not in allowed:
        raise ValueError(f"{name} is {value!r:.60}: must be one of {allowed}")
    return value
