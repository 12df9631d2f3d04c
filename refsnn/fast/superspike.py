# refsnn 0.1.0 | fast/superspike.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""SuperSpike, fast form: a block of steps at once, filters and one product.

The rule of superspike.py for blocks of T steps of B replicas, each with
weights of its own.  All states carry over: cutting a simulation into other
blocks changes rounding alone.  With the current I, the membrane U and
arriving spikes x, S = 1 where a free U exceeds the threshold (from then
on, U is 0 for refractory/dt steps),

    U[t] = (1 - dt/tau_mem) U[t-1] + (dt/tau_mem) I[t-1]  (1)  [ZG18] eq. ?
    I[t] = exp(-dt/tau_syn) I[t-1] + W x[t]               (2)  [ZG18] eq. ?
    psi = (1 + steepness |U - threshold|)^-2              (3)  [ZG18] eq. ?

Traces and kernels are cascades of two low-pass filters, s in and y out,

    z[t] = a z[t-1] + s[t],  y[t] = b y[t-1] + c z[t-1]                 (4)

with (a, b, c) of the trace or of alpha, the kernel of unit area.  With e =
alpha*signal the error, p = psi times the input's trace, both `delay` ago,

    m = dt sum_t e[t] (alpha*p)[t]
        - rho W dt sum_t zeta[t]                        (5)  [ZG18] eq. 3.4

with zeta = z_i^exponent from an exponential trace z_i of own spikes.

Derivation.  The sum of (5) is linear in p, and p[s] is worth g[s] =
    sum_{t>=s} alpha[t-s] e[t], the error filtered backward in time; the
    input x_j[s] is worth zbar[s], q = g psi filtered backward by (4),

    ybar[t] = q[t] + b ybar[t+1],
    zbar[t] = a zbar[t+1] + c ybar[t+1]                                 (6)
    m_ij = sum_s zbar_i[s] x_j[s] + what the states at the start add    (7)

    one row of zbar for each input spike, nothing per synapse and step.
    The states per synapse at the block's end are sums of p with other
    weights in place of g: three products in all.
Exact.  Equal to the online form up to rounding, for all options.
Cost.   O(T B n) time, O(n) for each input spike and O(B n m) for the
    block; O(T B n + B n m) memory.
Departures.  Those of superspike.py, whose `coefficients` are taken.

[ZG18] F. Zenke and S. Ganguli, Neural Computation 30(6), 1514-1541, 2018,
    arXiv 1705.11146.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter
from scipy.sparse import csr_matrix, issparse, vstack

__all__ = ["Block", "Coefficients", "State", "accumulate", "forward", "rest"]

WIDE = 64       # columns from which a loop over time beats lfilter


class Coefficients(NamedTuple):
    """What `coefficients` of superspike.py gives; here for 0.1 ms steps."""

    dt: float = 1e-4
    syn: float = float(np.exp(-0.02))
    mem: float = 0.99
    gain: float = 0.01
    refractory: int = 50            # steps
    threshold: float = 10e-3        # V
    steepness: float = 1e3          # 1/V; 0 makes psi 1
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
    """What one step leaves to the next; D is the delay in steps."""

    syn: np.ndarray                 # (B, n) I
    mem: np.ndarray                 # (B, n) U after the reset
    held: np.ndarray                # (B, n) int, refractory steps to come
    past_x: np.ndarray              # (D, B, m) input under way
    past_psi: np.ndarray            # (D, B, n) psi under way
    trace_rise: np.ndarray          # (B, m) z of the delayed input
    trace: np.ndarray               # (B, m) z~
    eligibility_rise: np.ndarray    # (B, n, m) p after the first filter
    eligibility: np.ndarray         # (B, n, m) alpha*p
    error_rise: np.ndarray          # (B, n) signal after the first filter
    error: np.ndarray               # (B, n) e, 1/s
    het: np.ndarray                 # (B, n) z_i


class Block(NamedTuple):
    """What the neurons did: three arrays (T, B, n) and their packed input."""

    spikes: np.ndarray
    mem: np.ndarray                 # V, before the reset
    psi: np.ndarray                 # peak 1
    x: csr_matrix                   # (T B, B m), block-diagonal


def _valid(k, dtype):
    """Coefficients, of this module or of superspike.py."""
    if getattr(k, "_fields", None) != Coefficients._fields:
        raise ValueError(f"k is {k!r:.60}: must be Coefficients")
    decays = (k.syn, k.mem, k.het, *k.trace[:2], *k.alpha[:2])
    if not all(0 <= dtype.type(decay) < 1 for decay in decays):
        raise ValueError(f"k has decays {decays}: must be in [0, 1) as {dtype}")
    return k


def rest(k, B, n, m, dtype=np.float64):
    """State of B replicas of n neurons with m inputs, before any spike.

    Parameters
    ----------
    k : Coefficients
        Of superspike.py, or of this module.
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
    >>> rest(Coefficients(), 2, 3, 4).past_x.shape
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


def _shapes(D, B, n, m):
    shapes = {"past_x": (D, B, m), "past_psi": (D, B, n), "trace_rise": (B, m),
              "trace": (B, m), "eligibility_rise": (B, n, m), "eligibility": (B, n, m)}
    return {name: shapes.get(name, (B, n)) for name in State._fields}


def _given(k, state, W):
    """W and its (B, n, m), all of them checked against the state."""
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


def _series(name, value, shape, dtype):
    """A finite array of shape and dtype."""
    array = np.asarray(value)
    if array.shape != shape or array.dtype.kind not in "fiub" \
            or not np.isfinite(array).all():
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be finite numbers of shape {shape}")
    return array.astype(dtype, copy=False)


def _packed(x, B, m, dtype):
    """(T B, B m) matrix: x[t, b, j] in row t B + b, column b m + j."""
    if not issparse(x):
        x = np.asarray(x)
        if x.ndim != 3 or x.shape[1:] != (B, m) or x.dtype.kind not in "fiub":
            raise ValueError(f"x is of shape {x.shape}, dtype {x.dtype}: must be "
                             f"numbers of shape (T, {B}, {m})")
        at = np.flatnonzero(x)
        rows, data = at // m, x.ravel()[at]
        indptr = np.append(0, np.cumsum(np.bincount(rows, minlength=len(x) * B)))
        x = csr_matrix((data, rows % B * m + at % m, indptr), (len(x) * B, B * m))
    elif x.format == "csr":
        rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    if x.format != "csr" or x.shape[1] != B * m or x.shape[0] % B or not x.shape[0] \
            or (rows % B != x.indices // m).any() or not np.isfinite(x.data).all():
        raise ValueError(f"x is {x.shape}: must be finite, of at least one step, and a "
                         f"matrix only from the Block of B = {B}, m = {m}")
    return x.astype(dtype, copy=False)


def _lowpass(drive, decay, start):
    """y[t] = decay y[t-1] + drive[t], y[-1] = start, along axis 0."""
    a = np.array([1, -decay], drive.dtype)
    return lfilter(a[:1], a, drive, axis=0, zi=decay * start[None])[0]


def _cascade(drive, a, b, c, z, y):
    """Filter (4) from the states z, y: its output and both states at the end."""
    if y.size < WIDE:
        first = np.concatenate([z[None], _lowpass(drive, a, z)])
        out = _lowpass(c * first[:-1], b, y)                               # (4)
        return out, first[-1], out[-1]
    out, z, work = np.empty_like(drive), z.copy(), np.empty_like(z)
    for row, s in zip(out, drive, strict=True):
        np.multiply(y, b, out=row)
        row += np.multiply(z, c, out=work)
        z *= a
        z += s
        y = row
    return out, z, y.copy()


def _adjoint(weights, a, b, c):
    """What input and states of (4) are worth in sum_t weights[t] y[t]."""
    zero = np.zeros_like(weights[0])
    back, y, z = _cascade(weights[::-1], b, a, c, zero, zero)              # (6)
    return back[::-1], a * z + c * y, b * y


def _membranes(current, mem, held, beta, threshold, refractory):
    """Membranes (T, N) before the reset, spikes, and both states at the end."""
    record, spikes = np.empty_like(current), np.empty(current.shape, bool)
    free = (held == 0).astype(current.dtype)
    release = deque((int(h), held == h) for h in np.unique(held[held > 0]))
    for t, (row, drive, fired) in enumerate(zip(record, current, spikes,
                                                strict=True)):
        np.multiply(mem, beta, out=row)
        row += drive                                                       # (1)
        if release:
            if release[0][0] == t:
                free[release.popleft()[1]] = 1
            row *= free
        np.greater(row, threshold, out=fired)
        mem = row
        if np.count_nonzero(fired):
            mem = np.where(fired, 0, row)
            free[fired] = 0
            release.append((t + 1 + refractory, fired))
    held = np.zeros_like(held)
    for step, units in release:
        held[units] = step - len(current)
    return record, spikes, mem.astype(current.dtype), held


def forward(k, state, W, x):
    """Run the neurons over a block of steps, eqs. (1)-(3).

    Parameters
    ----------
    k : Coefficients
        Of superspike.py, or of this module.
    state : State
        From `rest`, or what the block before left.
    W : (B, n, m) float
        Weights, V.
    x : (T, B, m) float, int or bool
        Spikes arriving at the inputs, mostly 0.  Where a train comes again,
        ``x`` of its first Block saves the search for its spikes.

    Returns
    -------
    State
        With syn, mem and held at the block's end; `accumulate` moves the
        other fields on.
    Block
        Spikes, membranes before the reset, surrogate, packed input.

    Raises
    ------
    ValueError
        If a shape, dtype or setting does not fit, or an entry is not finite.

    Examples
    --------
    >>> k = Coefficients(syn=0.5, mem=0.5, gain=0.5, refractory=1)
    >>> x = np.zeros((5, 1, 1))
    >>> x[0] = 1
    >>> state = rest(k, 1, 1, 1)
    >>> state, block = forward(k, state, np.full((1, 1, 1), 0.03), x)
    >>> block.spikes[:, 0, 0].tolist()
    [0.0, 1.0, 0.0, 0.0, 0.0]
    """
    W, (B, n, m) = _given(k, state, W)
    x = _packed(x, B, m, W.dtype)
    drive = (x @ W.transpose(0, 2, 1).reshape(B * m, n)).reshape(-1, B * n)
    syn = state.syn.ravel()
    current, z, y = _cascade(drive, 0.0, k.syn, 1.0, syn, 0 * syn)         # (2)
    mem, spikes, last, held = _membranes(
        k.gain * current, state.mem.ravel(), state.held.ravel(), k.mem, k.threshold,
        k.refractory)
    read = mem if k.before_reset else mem * ~spikes
    psi = 1 / np.square(1 + k.steepness * np.abs(read - k.threshold))      # (3)
    mem, psi, spikes = (a.reshape(-1, B, n) for a in (mem, psi, spikes.astype(W.dtype)))
    return state._replace(syn=(k.syn * y + z).reshape(B, n), mem=last.reshape(B, n),
                          held=held.reshape(B, n)), Block(spikes, mem, psi, x)


def _heterosynaptic(k, spikes, error, het):
    """Integral of zeta over the block (B, n), and the trace at its end."""
    trace = k.het * _cascade(spikes, 0.0, k.het, 1.0, het, 0 * het)[0] + spikes
    if not k.rho:
        return 0 * het, trace[-1]
    zeta = trace ** k.exponent
    if k.zeta != "plain":
        zeta *= error ** 2 if k.zeta == "error" else np.abs(error) * k.dt >= 1e-7
    return k.dt * zeta.sum(axis=0), trace[-1]


def accumulate(k, state, W, block, signal):
    """Integrate error times eligibility over a block, eqs. (4)-(7).

    Parameters
    ----------
    k, state, W
        As for `forward`, which gave this state.
    block : Block
        What `forward` returned.
    signal : (T, B, n) float
        Unfiltered error events at each neuron: + for a missing spike, -
        for a surplus one, as late as `delay` makes psi and input.

    Returns
    -------
    State
        At the block's end.
    m : (B, n, m) float
        Ascent direction of (5), integrated over the block.
    error : (T, B, n) float
        e, 1/s.

    Raises
    ------
    ValueError
        If a shape, dtype or setting does not fit, or an entry is not finite.

    Examples
    --------
    >>> k = Coefficients(delay=0)
    >>> x, signal = np.zeros((400, 1, 1)), np.zeros((400, 1, 1))
    >>> x[0], signal[100] = 1, 1
    >>> W = np.full((1, 1, 1), 0.02)
    >>> state, block = forward(k, rest(k, 1, 1, 1), W, x)
    >>> state, m, error = accumulate(k, state, W, block, signal)
    >>> bool(m[0, 0, 0] > 0), round(float(error.sum() * 1e-4), 2)
    (True, 0.9)
    """
    W, (B, n, m) = _given(k, state, W)
    if getattr(block, "_fields", None) != Block._fields:
        raise ValueError(f"block is {block!r:.60}: must be the Block of `forward`")
    x = _packed(block.x, B, m, W.dtype)
    T = x.shape[0] // B
    signal, psi, spikes = (_series(name, value, (T, B, n), W.dtype) for name, value in (
        ("signal", signal), ("block.psi", block.psi), ("block.spikes", block.spikes)))
    past = np.concatenate([state.past_psi, psi])
    x = vstack([_packed(state.past_x, B, m, W.dtype), x], "csr") if k.delay else x
    error, *ends = _cascade(signal, *k.alpha, state.error_rise, state.error)
    total, traces, synapses = _products(k, state, x[:T * B], past[:T], error)
    integral, het = _heterosynaptic(k, spikes, error, state.het)
    tail, past_x = x[T * B:].tocoo(), np.zeros(state.past_x.shape, W.dtype)
    past_x.reshape(-1, m)[tail.row, tail.col % m] = tail.data
    total = k.drive * total - k.rho * W * integral[:, :, None]             # (5)
    return State(state.syn, state.mem, state.held, past_x, past[T:], *traces, *synapses,
                 *ends, het), total, error


def _response(a, b, c, T, dtype):
    """z and y of (4), T + 1 steps after an impulse at step 0, (T + 1, 1, 1)."""
    impulse, zero = np.zeros((T + 1, 1, 1), dtype), np.zeros((1, 1), dtype)
    impulse[0] = 1
    return _lowpass(impulse, a, zero), _cascade(impulse, a, b, c, zero, zero)[0]


def _products(k, state, x, psi, error):
    """Sum over e alpha*p; trace states and eligibility states at the end."""
    T, B, n = psi.shape
    m = state.trace.shape[1]
    a, b, c = k.alpha[0], k.alpha[1], k.alpha[2] * k.dt
    worth, of_rise, of_eligibility = _adjoint(k.dt * error, a, b, c)
    rise, decay = _response(a, b, c, T, psi.dtype)
    posts = np.empty((T, B, 3, n), psi.dtype)
    for i, weight in enumerate((worth, rise[:T][::-1], decay[:T][::-1])):
        np.multiply(weight, psi, out=posts[:, :, i])
    back, of_z, of_trace = _adjoint(posts, *k.trace)
    rows = np.flatnonzero(np.diff(x.indptr))        # where there is input at all
    sums = x[rows].T @ back[rows // B, rows % B].reshape(-1, 3 * n)
    sums = sums.reshape(B, m, 3, n).transpose(2, 0, 3, 1) \
        + np.einsum("bin,bm->ibnm", of_z, state.trace_rise) \
        + np.einsum("bin,bm->ibnm", of_trace, state.trace)                 # (7)
    first, second = state.eligibility_rise, state.eligibility
    total = sums[0] + of_rise[:, :, None] * first + of_eligibility[:, :, None] * second
    parts = (sums[1] + rise[T, 0, 0] * first,
             sums[2] + decay[T, 0, 0] * first + b ** T * second)
    rise, decay = _response(*k.trace, T, psi.dtype)
    weights = np.stack([np.repeat(w[:T][::-1], B) for w in (rise, decay)], axis=1)
    z, trace = (x.T @ weights).reshape(B, m, 2).transpose(2, 0, 1)
    ends = (z + rise[T, 0, 0] * state.trace_rise,
            trace + decay[T, 0, 0] * state.trace_rise + k.trace[1] ** T * state.trace)
    return total, ends, parts
