# refsnn 0.1.0 | fast/lif.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Simulate and train one layer of spiking neurons, with fast algorithms.

The network is a layer of leaky integrate-and-fire (LIF) neurons, as in
`lif`, with a non-spiking leaky readout.  For training, `forward` simulates
the network, and `gradients` computes the surrogate gradient.  For
inference, `record` and `scores` simulate a feed-forward network with
sparse input events.  The layer has inputs x, synaptic currents I, membrane
potentials U and spikes S.  In the equations, u = U / threshold is the
scaled membrane potential, and the weights W and V include the factor
gain / threshold.  The readout has currents R and membrane potentials
`out`.  Let r[t] be 1 - S[t] if reset="zero", and 1 if reset="subtract".
Starting from rest,

    S[t]   = 1 if u[t] > 1 else 0                     (1)  [NMZ19]
    I[t+1] = alpha I[t] + W x[t] + V S[t]             (2)  [NMZ19]
    u[t+1] = beta u[t] + I[t] - S[t]     reset="subtract"            (3)
    u[t+1] = r[t] (beta u[t] + I[t])     reset="zero"                (4)
    R[t+1] = alpha R[t] + W_out S[t]                                 (5)
    out[t+1] = beta out[t] + R[t]                                    (6)

The surrogate derivative is that of the fast sigmoid with the steepness
kappa, dS/dU = 1 / (kappa |U - threshold| + 1)^2.  With
width = 1 / (kappa threshold), the surrogate derivative psi = dS/du is

    psi[t] = threshold width^2 / (|u[t] - 1| + width)^2                (7)

Derivation.  The arrays dspikes and dout hold the direct derivatives of the
    loss L with respect to S and `out`, with all other states held
    constant.  The notation dA, for example dS, stands for the total
    derivative of L with respect to the array A.  The readout (5), (6) is a
    linear filter.  To compute dR, the filter of eqs. (5) and (6) is
    applied to dout, from the last time step to the first.  If the spikes
    in the reset are treated as constants, the chain rule for (2)-(4) gives

    dS[t] = dspikes[t] + W_out^T dR[t+1] + V^T dI[t+1]               (8)
    dI[t] = alpha dI[t+1] + r[t] du[t+1]                             (9)
    du[t] = beta r[t] du[t+1] + psi[t] dS[t]                        (10)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T           (11)
    dW_out = sum_t dR[t+1] S[t]^T                                   (12)

    The function `gradients` multiplies dW and dV by gain / threshold.

    The function `record` processes blocks of steps.  In a block that
    starts at step s, the variables y[t] = alpha^-(t-s) I[t] and
    v[t] = beta^-(t-s) u[t] replace I and u.  The new variables do not
    decay.  Let full[t] be the value of v[t+1] without a reset.  For V = 0,
    eqs. (1)-(4) become

    S[t] = 1 if v[t] > beta^-(t-s) else 0                           (13)
    y[t+1] = y[t] + alpha^-(t-s+1) W x[t]                           (14)
    full[t] = v[t] + beta^-(t-s+1) alpha^(t-s) y[t]                 (15)
    v[t+1] = full[t] - beta^-(t-s+1) S[t]     reset="subtract"      (16)
    v[t+1] = full[t] (1 - S[t])               reset="zero"          (17)

    Because eqs. (5) and (6) are linear, the readout values are a constant
    matrix K times a vector.  The vector holds the initial state of the
    readout and the readout inputs W_out S.  For a block of j <= 64 steps,

    (out[s:s+j+1], R[s+j]) = K (W_out S[s:s+j], out[s], R[s])       (18)

Exact.  With the fast sigmoid and through_reset=False, `lif.backward` gives
    the same gradients as `gradients`.  `record` equals `lif.simulate`
    followed by `lif.readout` with gain 1.  Results differ only by
    rounding.  Near the threshold, rounding can add or remove a spike.
Cost.   With k readout units, training takes O(T B n (m + n + k)) time and
    O(T B (n + k)) memory.  Inference takes O(E n + T B n k) time and
    O(E + B n + T B k) memory for E input events.
Departures.  In [NMZ19], gain and threshold are 1, and the gradient
    includes the derivative of the reset.  No neuron is refractory.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import blas

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, one_of, shown

__all__ = ["forward", "gradients", "record", "scores"]

BLOCK = 2**18           # floats per training block; the block fits the cache
EVENT_BLOCK = 2**21     # floats per inference block, for one matrix product
SHORT = 10_000          # OpenBLAS splits longer vectors among threads, which is slower
RANGE = 1e9             # largest ratio v / u or y / I in a block of several steps
SPAN = 64               # steps of one product with K; its cost is O(SPAN) per step
# With steepness in [1e-6, 1e6), these limits keep the factors of (7) within float32.
SCALES = "gain () in [1e-9, 1e9), threshold () in [1e-9, 1e9)"
CONSTANTS = f"alpha () in [0, 1), beta () in [0, 1), {SCALES}"
# These limits keep the growth of y / I and v / u in one step at most RANGE.
DECAYS = "alpha () in [1e-9, 1), beta () in [1e-9, 1)"
WEIGHTS = "W (n, m) float, V? (n, n), W_out (k, n)"

# After this array is freed, glibc keeps the memory of freed arrays of up to 8 MB for
# reuse.  Training takes up to 16 % less time.
np.empty(2**23, np.uint8)


class Tape(NamedTuple):
    """Hold a simulation.  The function `forward` describes the fields."""
    mem: np.ndarray
    blocks: list
    weights: tuple
    constants: tuple
    reset: str
    buffers: tuple
    __repr__ = shown


def forward(x, W, V, W_out, *, alpha, beta, gain=1.0, threshold=1.0,
            reset="subtract", steps=None, work=None):
    """Simulate the hidden layer and the readout from rest, eqs. (1)-(6).

    >>> x, one = np.array([2.0, 0, 0, 0, 0]).reshape(5, 1, 1), np.ones((1, 1))
    >>> out, tape = forward(x, one, None, one, alpha=0.5, beta=0.5)
    >>> tape.mem[:, 0, 0].tolist(), out[:, 0, 0].tolist()
    ([0.0, 0.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0, 1.0])

    Parameters
    ----------
    x : (T, B, m) array, or (T * B, m) scipy.sparse CSR
        Input.  Row t * B + b of a sparse input is ``x[t, b]``.
    W, V, W_out : (n, m) float, (n, n) float or None, (k, n) float
    alpha, beta, gain, threshold, reset
        As for `lif.simulate`, equal for all neurons; the readout has gain 1.
    steps, work : int, Tape, optional
        Number of steps T, required if x is sparse.  `work` is the tape of an
        earlier simulation of the same size, and is overwritten.

    Returns
    -------
    out : (T, B, k) float, membrane potentials of the readout
    Tape, argument of `gradients`
        mem  (T, B, n) membrane potentials u; S = 1 where u > 1
        blocks, weights, constants, reset, buffers
             intermediate results for `gradients`
    """
    one_of("reset", reset, "subtract", "zero")
    one_of("work", work, Tape, type(None))
    W, V, W_out, *constants = arrays(f"{WEIGHTS}, {CONSTANTS}", W, V, W_out, alpha,
                                     beta, gain, threshold)
    x, T, B = _input(x, W, steps)
    (k, n), (alpha, beta, gain, threshold) = W_out.shape, np.array(constants, W.dtype)
    scale, size = gain / threshold, min(T, max(1, BLOCK // (B * n)))
    shapes = (T + 1, B, n), (T, B, k), (T, B, k), (4, size, B, n), (3, B, n)
    buffers = work.buffers if work else tuple(_aligned(s, W.dtype) for s in shapes)
    if tuple(a.shape for a in buffers) != shapes or buffers[0].dtype != W.dtype:
        raise ValueError(f"work is of shape {work.mem.shape}, {work.mem.dtype}: must "
                         f"be of a run of shape {(T, B, n)}, {W.dtype}, {k} outputs")
    weights = W * scale, None if V is None else V * scale, W_out
    with np.errstate(over="ignore", invalid="ignore"):
        tape = Tape(buffers[0][:T], _blocks(x, B, size, W.dtype), weights,
                    (alpha, beta, scale, threshold), reset, buffers)
        syn = _hidden(tape)
        _filter(buffers[1], alpha, beta)
    if not np.isfinite(syn).all() or not np.isfinite(buffers[0][T]).all():
        raise ValueError("x has NaN or infinite entries, or overflows: must be finite")
    return buffers[1], tape


def _hidden(tape):
    alpha, beta = tape.constants[:2]
    W, V, W_out = (a if a is None else a.T.copy() for a in tape.weights)
    mem, sent, _, block, (syn, S, spare) = tape.buffers
    size, B, n = block.shape[1:]
    syn[:], mem[0] = 0, 0
    for t in range(len(tape.mem)):
        if t % size == 0:
            drive = (tape.blocks[t // size] @ W).reshape(-1, B, n)         # (2)
        np.greater(mem[t], 1, out=S, casting="unsafe")                     # (1)
        np.matmul(S, W_out, out=sent[t])                                   # (5)
        u = np.multiply(mem[t], beta, out=mem[t + 1])                      # (3, 4)
        u += syn                                                           # (3, 4)
        if tape.reset == "subtract":
            u -= S                                                         # (3)
        else:
            u *= np.subtract(1, S, out=spare)                              # (4)
        syn *= alpha                                                       # (2)
        syn += drive[t % size]                                             # (2)
        if V is not None:
            syn += np.matmul(S, V, out=spare)                              # (2)
    return syn


def _filter(record, alpha, beta):
    rise, out, spare = np.zeros((3,) + record.shape[1:], record.dtype)
    for row in record:
        np.copyto(spare, row)
        np.copyto(row, out)
        out *= beta                                                        # (6)
        out += rise                                                        # (6)
        rise *= alpha                                                      # (5)
        rise += spare                                                      # (5)


def _blocks(x, B, size, dtype):
    if not sparse.issparse(x):
        return [x[t:t + size].reshape(-1, x.shape[2]).astype(dtype, copy=False)
                for t in range(0, len(x), size)]
    events = x.data.astype(dtype, copy=False), x.indices, x.indptr
    return [_events(events, row, size * B, x.shape[1])
            for row in range(0, x.shape[0], size * B)]


def _events(events, row, size, m):
    """Slice rows of a sparse matrix quickly."""
    data, indices, indptr = events
    ends = indptr[row:row + size + 1]
    part = slice(ends[0], ends[-1])
    return sparse.csr_matrix((data[part], indices[part], ends - ends[0]),
                             shape=(len(ends) - 1, m))


def _aligned(shape, dtype):
    raw = np.zeros(math.prod(shape) * dtype.itemsize + 64, np.uint8)
    return np.ndarray(shape, dtype, raw, -raw.ctypes.data % 64)


def gradients(tape, dout, *, steepness, dspikes=None):
    """Compute the surrogate gradients dW (n, m), dV (n, n) and dW_out (k, n),
    eqs. (7)-(12).  The spikes in the reset are treated as constants.  If V
    is None, dV is None.

    >>> x, one = np.full((5, 1, 1), 2.0), np.ones((1, 1))
    >>> out, tape = forward(x, one, None, one, alpha=0.5, beta=0.5)
    >>> dW, dV, dW_out = gradients(tape, np.ones((5, 1, 1)), steepness=1.0)
    >>> dW.tolist(), dV, dW_out.tolist()
    ([[0.5]], None, [[1.0]])

    Parameters
    ----------
    tape : Tape of `forward` that no later simulation has overwritten
    dout : (T, B, k) float, derivative of the loss by the potentials
    steepness : float, kappa of the fast sigmoid, per unit of U
    dspikes : (T, B, n) float, optional
        Direct derivative of the loss with respect to the hidden spikes.
    """
    dtype = one_of("tape", tape, Tape).mem.dtype
    *_, dout, dspikes, steepness = arrays(
        "tape.mem (T, B, n) unread, tape.out (T, B, k) unread, dout (T, B, k) unread, "
        "dspikes? (T, B, n) unread, steepness () in [1e-6, 1e6)",
        tape.mem, tape.buffers[1], dout, dspikes, steepness, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        tape.buffers[2][:] = dout
        _filter(tape.buffers[2][::-1], *tape.constants[:2])
        width = 1 / (dtype.type(steepness) * tape.constants[3])
        *found, last = _backward(tape, width, dspikes)
    unused = dout[:2], None if dspikes is None else dspikes[:1]     # affect no result
    if not all(a is None or np.isfinite(a).all() for a in (*found, last, *unused)):
        raise ValueError("dout or dspikes has NaN or infinite entries, or overflows: "
                         "must be finite")
    return tuple(found)


def _backward(tape, width, dspikes):
    mem, _, dR, block, (du, carry, spare) = tape.buffers
    alpha, beta, scale, threshold = tape.constants
    W, V, W_out = (a if a is None else a * (threshold * width * width)
                   for a in tape.weights)
    (T, _, n), size = tape.mem.shape, block.shape[1]
    du[:], carry[:], dW, dV, dW_out = 0, 0, 0, 0, 0
    for start in range((T - 1) // size * size, -1, -size):
        stop = min(start + size, T)
        S, dS, dI, slope = block[:, :stop - start]
        np.greater(mem[start:stop], 1, out=S, casting="unsafe")            # (1)
        np.abs(np.subtract(mem[start:stop], 1, out=slope), out=slope)      # (7)
        slope += width                                                     # (7)
        slope *= slope                                                     # (7)
        later = dR[start:stop].reshape(-1, len(W_out))
        np.matmul(later, W_out, out=dS.reshape(-1, n))                     # (8)
        if dspikes is not None:
            dS += dspikes[start:stop] * (threshold * width * width)        # (8)
        if V is None:           # saves one buffer
            dS, dI = np.divide(dS, slope, out=dS), slope
        dI[-1] = carry
        for i in reversed(range(stop - start)):
            if V is not None:
                dS[i] += np.matmul(dI[i], V, out=spare)                    # (8)
                dS[i] /= slope[i]                                          # (7)
            if tape.reset == "zero":
                du *= np.subtract(1, S[i], out=spare)                      # (9, 10)
            earlier = np.multiply(dI[i], alpha, out=dI[i - 1] if i else carry)
            earlier += du                                                  # (9)
            du *= beta                                                     # (10)
            du += dS[i]                                                    # (10)
        dI, S, x = dI.reshape(-1, n), S.reshape(-1, n), tape.blocks[start // size]
        dW += dI.T @ x                                                     # (11)
        if V is not None:
            dV += dI.T @ S                                                 # (11)
        dW_out += later.T @ S                                              # (12)
    return dW * scale, None if V is None else dV * scale, dW_out, carry


def record(x, W, W_out, *, steps, alpha, beta, gain=1.0, threshold=1.0,
           reset="subtract"):
    """Compute the readout's potentials (T, B, k) for sparse input events.

    >>> x = sparse.csr_matrix(np.array([[1.0], [0], [0], [0], [0], [0]]))
    >>> one = np.array([[2.0]])
    >>> record(x, one, one, steps=6, alpha=0.5, beta=0.5)[:, 0, 0].tolist()
    [0.0, 0.0, 0.0, 0.0, 2.0, 2.0]

    Parameters
    ----------
    x : (T * B, m) scipy.sparse CSR
        Row t * B + b holds the events of step t and pattern b.
    W, W_out, steps, alpha, beta, gain, threshold, reset
        As for `forward`; alpha and beta must be at least 1e-9.
    """
    one_of("reset", reset, "subtract", "zero")
    W, _, W_out = arrays(WEIGHTS, W, None, W_out)
    alpha, beta, gain, threshold = arrays(f"{DECAYS}, {SCALES}", alpha, beta, gain,
                                          threshold, dtype=np.dtype(float))
    steps, B = _events_size(x, W, steps)
    size = int(np.log(RANGE) / -np.log(min(alpha, beta)))
    size = max(1, min(size, steps, EVENT_BLOCK // (B * len(W))))
    units = alpha ** -(1.0 + np.arange(steps) % size) * (gain / threshold)
    with np.errstate(over="ignore", invalid="ignore"):
        data = np.repeat(units, np.diff(x.indptr[::B])) * x.data
        sent, state = _run((data.astype(W.dtype), x.indices, x.indptr), W, W_out,
                           (steps, B, size), (alpha, beta), reset == "zero")
        if not np.isfinite(state).all():
            raise ValueError("x has NaN or infinite entries, or overflows: must be "
                             "finite")
        return _convolved(sent, alpha, beta)


def _run(events, W, W_out, sizes, decays, zero):
    (T, B, size), (alpha, beta) = sizes, decays
    (n, m), dtype, axpy = W.shape, W.dtype, blas.get_blas_funcs("axpy", dtype=W.dtype)
    state = y, v, S, spare = _aligned((4, B * n), dtype)
    sent, fired = np.empty((T, B, len(W_out)), dtype), np.empty(B * n, bool)
    parts = [tuple(state[:3, j:j + SHORT]) for j in range(0, B * n, SHORT)]
    W = np.ascontiguousarray(W.T)
    for s in range(0, T, size):
        drive = (_events(events, s * B, size * B, m) @ W).reshape(-1, B * n)
        for i, row in enumerate(drive):
            np.greater(v, dtype.type(beta ** -i), out=fired)               # (13)
            np.copyto(S, fired)
            np.matmul(S.reshape(B, n), W_out.T, out=sent[s + i])
            by_spike = -beta ** -(i + 1)                                   # (16)
            by_y = -by_spike * alpha ** i                                  # (15)
            for some_y, some_v, some_S in parts:
                axpy(some_y, some_v, a=by_y)
                if not zero:
                    axpy(some_S, some_v, a=by_spike)
            if zero:
                v *= np.subtract(1, S, out=spare)                          # (17)
            y += row                                                       # (14)
        y *= dtype.type(alpha ** len(drive))
        v *= dtype.type(beta ** len(drive))
    return sent, state[:2]


def _convolved(sent, alpha, beta):
    T, B, k = sent.shape
    size = min(T, SPAN)
    step = np.arange(size + 1)
    lag = np.maximum(step[:, None] - step[None, :size] - 1, 0)
    response = np.append(0, np.convolve(alpha ** step, beta ** step)[:size])    # of R
    K = np.zeros((size + 2, size + 2))
    K[:-1, :size] = response[lag]                                          # (18)
    K[:-1, size], K[:-1, size + 1] = beta ** step, response                # (18)
    K[size + 1, :size] = alpha ** step[size - 1::-1]                       # (18)
    K[size + 1, size + 1] = alpha ** size                                  # (18)
    K, full = K.astype(sent.dtype), np.zeros((size + 2, B * k), sent.dtype)
    for s in range(0, T, size):
        rows = sent[s:s + size].reshape(-1, B * k)
        full[:len(rows)] = rows
        full = K @ full                                                    # (18)
        rows[:] = full[:len(rows)]
    return sent


def scores(x, W, W_out, *, steps, alpha, beta, gain=1.0, threshold=1.0,
           reset="subtract"):
    """Compute the maximum over time of the readout's potentials, (B, k).

    >>> x = sparse.csr_matrix(np.array([[1.0], [0], [0], [0], [0], [0]]))
    >>> W, W_out = np.array([[2.0]]), np.array([[1.0], [3.0]])
    >>> scores(x, W, W_out, steps=6, alpha=0.5, beta=0.5).tolist()
    [[1.0, 3.0]]

    Arguments as for `record`.
    """
    return record(x, W, W_out, steps=steps, alpha=alpha, beta=beta, gain=gain,
                  threshold=threshold, reset=reset).max(axis=0)


def _input(x, W, steps):
    if sparse.issparse(x):
        return x, *_events_size(x, W, steps)
    _, x, steps = arrays("W (n, m), x (T, B, m) unread, steps? () int", W, x, steps)
    if steps not in (None, len(x)):
        raise ValueError(f"steps is {steps}, x has {len(x)} steps (axis 0): must be "
                         "equal")
    return x, *x.shape[:2]


def _events_size(x, W, steps):
    """Return T and B."""
    steps, = arrays("steps () int in [1, inf)", steps)
    if getattr(x, "format", "") != "csr":
        raise ValueError(f"x is of type {type(x).__name__}: must be a scipy.sparse CSR "
                         "matrix")
    arrays("x.data (_*) unread", x.data)
    if x.shape[1:] != W.shape[1:]:
        raise ValueError(f"x has shape {x.shape}, W has {W.shape[1]} inputs (axis 1): "
                         "x must have as many columns")
    if x.shape[0] == 0 or x.shape[0] % steps:
        raise ValueError(f"x has {x.shape[0]} rows (axis 0), steps is {steps}: the "
                         "rows must be a positive multiple of steps")
    try:
        x.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"x is not a valid CSR matrix: {error}") from None
    return steps, x.shape[0] // steps
