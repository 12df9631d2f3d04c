# refsnn 0.1.0 | fast/superspike.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Compute the weight changes of SuperSpike quickly, in blocks of time steps.

The module applies the learning rule of superspike.py to B independent
copies (replicas) of a layer, in blocks of T time steps.  Each block starts
from the final state of the previous block.  Therefore, the block length
affects only the rounding error.  A neuron spikes if its membrane potential
U exceeds the threshold.  Afterwards, U is 0 for `refractory/dt` steps:

    U[t] = (1 - dt/tau_mem) U[t-1] + (dt/tau_mem) I[t-1]    (1)  [ZG18]
    I[t] = exp(-dt/tau_syn) I[t-1] + W x[t]                 (2)  [ZG18]
    psi = (1 + steepness |U - threshold|)^-2                (3)  [ZG18]

Eq. (4) applies two exponential filters in series to v[t].  Eq. (4)
computes the traces of the input spikes.  The module superspike.py defines
a double-exponential kernel alpha.  With suitable constants a, b and g, eq.
(4) also computes convolutions with the kernel alpha:

    first[t] = a first[t-1] + v[t],
    second[t] = b second[t-1] + g first[t-1]                            (4)

The symbol * denotes a convolution.  The filtered error is e =
alpha*signal.  Let hebb be the product of the delayed psi and the delayed
input trace.  With rho and zeta of superspike.py, the weight change is

    change = dt sum_t e[t] (alpha*hebb)[t]
             - rho W dt sum_t zeta[t]                   (5)  [ZG18] eq. 3.4

The coefficient `drive` of superspike.py multiplies the first sum in (5).

Derivation.  The first sum in (5) is linear in hebb.  The derivative of
    this sum with respect to hebb[s] is the error filtered backward in
    time, dhebb[s] = dt^2 sum_{t>=s} alpha[t-s] e[t].  Its derivative with
    respect to the input x_j[s] is dfirst[s], which the filter (4) computes
    backward in time from dtrace = psi dhebb:

    dsecond[t] = dtrace[t] + b dsecond[t+1],
    dfirst[t] = a dfirst[t+1] + g dsecond[t+1]                          (6)
    first term of (5) = sum_s dfirst_i[s] x_j[s] + terms of initial states
                                                                        (7)

    In (7), each input spike x_j[s] = 1 adds the vector dfirst[s] to column
    j of the weight change.  The eligibilities at the end of a block are
    sums over alpha[T-s] hebb[s].  They follow from (6) and (7) with
    alpha[T-s] in place of dhebb[s].
Exact.  Up to rounding, the results equal the results of superspike.py.
Cost.   A block of T steps takes O(T B n + B n m) time and memory.  Each
    input spike adds O(n) time, and a dense array x adds O(T B m) time.
Departures.  See superspike.py.

[ZG18] F. Zenke, S. Ganguli, Neural Comp. 30, 1514, 2018, arXiv 1705.11146.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import toeplitz
from scipy.sparse import csr_matrix, issparse, vstack

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, float_dtype, one_of, shown

__all__ = ["accumulate", "forward", "rest"]

BLOCK = 64      # number of steps that one matrix product filters
COEFFICIENTS = (        # rules for the decay factors and for other coefficients
    "k.syn,mem,het,trace,alpha (7) in [0, 1), k.dt,gain,threshold,steepness,trace,"
    "alpha,drive,rho,exponent (9) in [0, inf), k.refractory () int in [0, inf), "
    "k.delay () int in [0, inf)")
STATE = ("state.syn (B, n), state.mem (B, n), state.held (B, n) int, "
         "state.past_x (D*, B, m), state.past_psi (D*, B, n), state.trace_rise (B, m), "
         "state.trace (B, m), state.eligibility_rise (B, n, m), state.eligibility "
         "(B, n, m), state.error_rise (B, n), state.error (B, n), state.het (B, n)")
SILENT = 1e-7       # cutoff of |e| dt in the published code


class Coefficients(NamedTuple):
    """Hold constants of neurons and learning rule.  The default step is 0.1 ms."""
    dt: float = 1e-4
    syn: float = float(np.exp(-0.02))
    mem: float = 0.99
    gain: float = 0.01
    refractory: int = 50            # steps
    threshold: float = 10e-3        # V
    steepness: float = 1e3          # 1/V; if it is 0, psi = 1
    before_reset: bool = True
    trace: tuple = (float(np.exp(-0.02)), 0.99, 0.01)
    alpha: tuple = (float(np.exp(-0.02)), float(np.exp(-0.01)),
                    float(np.expm1(-0.02) * np.expm1(-0.01)) / 1e-4)
    delay: int = 8                  # steps
    drive: float = 1.0
    het: float = float(np.exp(-0.001))
    rho: float = 0.0
    exponent: float = 4.0
    zeta: str = "plain"


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


class Block(NamedTuple):
    """Hold a recorded block.  The function `forward` describes the fields."""
    spikes: np.ndarray
    mem: np.ndarray
    psi: np.ndarray
    x: csr_matrix
    __repr__ = shown


def rest(k, B, n, m, dtype=np.float64):
    """Return the resting state for B copies of a layer.

    >>> rest(Coefficients(), 2, 3, 4).past_x.shape
    (8, 2, 4)

    Arguments and results as for `superspike.rest`.
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
    """Simulate the neurons for one block of time steps, eqs. (1)-(3).

    >>> k = Coefficients(syn=0.5, mem=0.5, gain=0.5, refractory=1)
    >>> x = np.array([1.0, 0, 0, 0, 0]).reshape(5, 1, 1)
    >>> _, block = forward(k, rest(k, 1, 1, 1), np.full((1, 1, 1), 0.03), x)
    >>> block.spikes[:, 0, 0].tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0]

    Parameters
    ----------
    k : Coefficients, of superspike.py or of this module
    state, W : State from `rest` or `accumulate`, (B, n, m) float in volts
    x : (T, B, m) float, int or bool, or csr_matrix
        Input spikes.  The field `x` of an earlier `Block` saves time if the
        same input is used again.

    Returns
    -------
    State, in which only `syn`, `mem` and `held` have new values
    Block
        spikes  (T, B, n)
        mem     (T, B, n) U before the reset, V
        psi     (T, B, n) surrogate derivative, at most 1
        x       CSR matrix (T B, B m) with x[t, b, j] at [t B + b, b m + j]
    """
    k, state, W = _given(k, state, W)
    B, n, m = W.shape
    x = _packed("x", x, W)
    drive = (x @ W.transpose(0, 2, 1).reshape(B * m, n)).reshape(-1, B * n)
    syn = state.syn.ravel()
    current, first, second = _cascade(drive, 0.0, k.syn, 1.0, syn, 0 * syn)  # (2)
    mem, spikes, last, held = _membranes(k, state, k.gain * current)
    read = mem if k.before_reset else mem * ~spikes
    psi = 1 / np.square(1 + k.steepness * np.abs(read - k.threshold))      # (3)
    mem, psi, spikes = (a.reshape(-1, B, n) for a in (mem, psi, spikes.astype(W.dtype)))
    last, held, syn = (a.reshape(B, n) for a in (last, held, k.syn * second + first))
    return state._replace(syn=syn, mem=last, held=held), Block(spikes, mem, psi, x)


def _packed(name, x, W):
    """Return the input as a sparse matrix."""
    B, _, m = W.shape
    if not issparse(x):
        _, x = arrays(f"W (B, n, m), {name} (T, B, m)", W, x)
        at = np.flatnonzero(x if x.dtype == bool else x != 0)    # bools are faster
        rows, data = at // m, x.ravel()[at]
        indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=len(x) * B)))
        x = csr_matrix((data, rows % B * m + at % m, indptr), (len(x) * B, B * m))
    elif x.format != "csr" or x.shape[1] != B * m or x.shape[0] % B or not x.shape[0] \
            or (np.repeat(np.arange(x.shape[0]), np.diff(x.indptr)) % B
                != x.indices // m).any():
        raise ValueError(f"{name} is a sparse matrix of shape {x.shape}: must be a "
                         f"csr_matrix, the field x of a Block for W of shape {W.shape}")
    data, = arrays(f"{name}.data (_*)", x.data, dtype=W.dtype)
    return x if data is x.data else csr_matrix((data, x.indices, x.indptr), x.shape)


def _membranes(k, state, current):
    record, spikes = np.empty_like(current), np.empty(current.shape, bool)
    mem, held = state.mem.ravel(), state.held.ravel().astype(int)
    step = np.arange(min(len(current), BLOCK, k.refractory + 1))[:, None]
    K = np.tril(k.mem ** abs(step - step.T)).astype(current.dtype)
    for t in range(0, len(current), len(step)):
        drive, row, fired = (a[t:t + len(step)] for a in (current, record, spikes))
        n = len(drive)
        drive[0] += k.mem * mem
        if held.any():
            drive *= step[:n] >= held
        np.matmul(K[:n, :n], drive, out=row)                               # (1)
        np.greater(row, k.threshold, out=fired)
        held = np.maximum(held - n, 0)
        units = np.flatnonzero(fired.any(axis=0))
        first = fired[:, units].argmax(axis=0)
        fired[:, units] = step[:n] == first
        row[:, units] *= step[:n] <= first
        held[units] = first + k.refractory + 1 - n
        mem = row[-1] * ~fired[-1]
    return record, spikes, mem, held


def _cascade(drive, a, b, g, first, second):
    """Apply the filters (4) by matrix products."""
    size = min(len(drive), BLOCK)
    step, dtype = np.arange(size + 1), drive.dtype
    answer = g * np.append(0, np.convolve(a ** step, b ** step)[:size])
    K = np.empty((size, size + 2), dtype)
    K[:, 0], K[:, 1:] = b ** step[1:], toeplitz(answer, 0 * answer)[1:]
    fall = (a ** step[::-1]).astype(dtype)
    rows = drive.reshape(len(drive), -1)
    out = np.empty((len(drive), second.size), dtype)
    work = np.concatenate([[second.ravel(), first.ravel()], 0 * rows[:size]])
    for t in range(0, len(rows), size):
        n = len(rows[t:t + size])
        work[2:n + 2] = rows[t:t + n]
        np.matmul(K[:n, :n + 2], work[:n + 2], out=out[t:t + n])           # (4)
        work[:2] = out[t + n - 1], fall[-n - 1:] @ work[1:n + 2]
    return (out.reshape(drive.shape), work[1].reshape(first.shape),
            work[0].reshape(second.shape))


def accumulate(k, state, W, block, signal):
    """Compute the weight change of one block of time steps, eqs. (4)-(7).

    >>> k, W, x = Coefficients(), np.full((1, 1, 1), 0.1), np.ones((400, 1, 1))
    >>> state, block = forward(k, rest(k, 1, 1, 1), W, x)
    >>> state, change, error = accumulate(k, state, W, block, signal=x)
    >>> change.item() > 0, round(error[-1].item() * k.dt, 2)
    (True, 0.96)

    Parameters
    ----------
    k, state, W, block : arguments and results of `forward`
    signal : (T, B, n) float, as for `superspike.accumulate`

    Returns
    -------
    State
    change : (B, n, m) float, weight change of the block, eq. (5)
    error : (T, B, n) float, filtered error e, 1/s
    """
    *activity, x = bundle("block", block, Block)
    k, state, W, signal, spikes, _, psi = _given(
        k, state, W, "signal (T, B, n), block.spikes (T, B, n), block.mem (T, B, n), "
        "block.psi (T, B, n)", signal, *activity)
    B, n, m = W.shape
    x, T = _packed("block.x", x, W), len(psi)
    if x.shape[0] != T * B:
        raise ValueError(f"block.x has {x.shape[0]} rows, block.psi {T} steps (axis 0) "
                         f"of {B} samples (axis 1): must have {T * B} rows")
    past = np.concatenate([state.past_psi, psi])
    x = vstack([_packed("state.past_x", state.past_x, W), x], "csr") if k.delay else x
    error, *ends = _cascade(signal, *k.alpha, state.error_rise, state.error)
    total, traces, synapses = _products(k, state, x[:T * B], past[:T], error)
    integral, het = _heterosynaptic(k, spikes, error, state.het)
    tail, past_x = x[T * B:].tocoo(), np.zeros(state.past_x.shape, W.dtype)
    np.add.at(past_x.reshape(-1, m), (tail.row, tail.col % m), tail.data)
    change = k.drive * total - k.rho * W * integral[:, :, None]            # (5)
    return State(state.syn, state.mem, state.held, past_x, past[T:], *traces, *synapses,
                 *ends, het), change, error


def _products(k, state, x, psi, error):
    T, B, n = psi.shape
    m = state.trace.shape[1]
    a, b, g = k.alpha[0], k.alpha[1], k.alpha[2] * k.dt
    dhebb, of_rise, of_eligibility = _adjoint(k.dt * error, a, b, g)
    rise, decay = _response(a, b, g, T, psi.dtype)
    posts = np.empty((T, B, 3, n), psi.dtype)
    for i, weight in enumerate((dhebb, rise[:T][::-1], decay[:T][::-1])):
        np.multiply(weight, psi, out=posts[:, :, i])
    dfirst, of_trace_rise, of_trace = _adjoint(posts, *k.trace)
    rows = np.flatnonzero(np.diff(x.indptr))        # rows with input spikes
    sums = x[rows].T @ dfirst[rows // B, rows % B].reshape(-1, 3 * n)
    sums = sums.reshape(B, m, 3, n).transpose(2, 0, 3, 1) \
        + np.einsum("bin,bm->ibnm", of_trace_rise, state.trace_rise) \
        + np.einsum("bin,bm->ibnm", of_trace, state.trace)                 # (7)
    first, second = state.eligibility_rise, state.eligibility
    total = sums[0] + of_rise[:, :, None] * first + of_eligibility[:, :, None] * second
    parts = (sums[1] + rise[T, 0, 0] * first,
             sums[2] + decay[T, 0, 0] * first + b ** T * second)
    rise, decay = _response(*k.trace, T, psi.dtype)
    weights = np.stack([np.repeat(w[:T][::-1], B) for w in (rise, decay)], axis=1)
    trace_rise, trace = (x.T @ weights).reshape(B, m, 2).transpose(2, 0, 1)
    ends = (trace_rise + rise[T, 0, 0] * state.trace_rise,
            trace + decay[T, 0, 0] * state.trace_rise + k.trace[1] ** T * state.trace)
    return total, ends, parts


def _adjoint(weights, a, b, g):
    zero = np.zeros_like(weights[0])
    dinput, dsecond, dfirst = _cascade(weights[::-1], b, a, g, zero, zero)  # (6)
    return dinput[::-1], a * dfirst + g * dsecond, b * dsecond


def _response(a, b, g, T, dtype):
    impulse, zero = np.zeros((T + 1, 1, 1), dtype), np.zeros((1, 1), dtype)
    impulse[0], first = 1, (a ** np.arange(T + 1)).astype(dtype)
    return first[:, None, None], _cascade(impulse, a, b, g, zero, zero)[0]


def _heterosynaptic(k, spikes, error, het):
    trace = k.het * _cascade(spikes, 0.0, k.het, 1.0, het, 0 * het)[0] + spikes
    if not k.rho:
        return 0 * het, trace[-1]
    zeta = trace ** k.exponent
    if k.zeta != "plain":
        zeta *= error ** 2 if k.zeta == "error" else np.abs(error) * k.dt >= SILENT
    return k.dt * zeta.sum(axis=0), trace[-1]


def _coefficients(k, dtype):
    k = bundle("k", k, Coefficients)
    for name in ("trace", "alpha"):
        if len(entries := one_of(f"k.{name}", getattr(k, name), tuple)) != 3:
            raise ValueError(f"k.{name} has {len(entries)} entries: must have 3")
    arrays(COEFFICIENTS, (k.syn, k.mem, k.het, *k.trace[:2], *k.alpha[:2]),
           (k.dt, k.gain, k.threshold, k.steepness, k.trace[2], k.alpha[2], k.drive,
            k.rho, k.exponent), k.refractory, k.delay, dtype=dtype)
    flags("k.before_reset", k.before_reset)
    one_of("k.zeta", k.zeta, "plain", "error", "published")
    return k


def _given(k, state, W, rules="", *others):
    W, *given = arrays(f"W (B, n, m) float, {STATE}, {rules}", W,
                       *bundle("state", state, State), *others)
    k, state = _coefficients(k, W.dtype), State(*given[:12])
    if len(state.past_x) != k.delay:
        raise ValueError(f"state.past_x has {len(state.past_x)} steps (axis 0): must "
                         f"have {k.delay}, as k.delay")
    return k, state, W, *given[12:]
