# refsnn 0.1.0 | fast/lif.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Fast training of one hidden LIF layer with a leaky readout.

The network of `lif` (a hidden layer, recurrent or not, and a readout) and
its surrogate gradient for the fast sigmoid, arranged for speed in float32.
The membrane is counted in thresholds, u = U / threshold, and W and V take
the factor gain / threshold.  With r[t] = 1 - S[t] if reset="zero" else 1,

    S[t]   = 1 if u[t] > 1 else 0                     (1)  [NMZ19] eq. ?
    I[t+1] = alpha I[t] + W x[t] + V S[t]             (2)  [NMZ19] eq. ?
    u[t+1] = beta u[t] + I[t] - S[t]     reset="subtract"            (3)
    u[t+1] = r[t] (beta u[t] + I[t])     reset="zero"                (4)
    R[t+1] = alpha R[t] + W_out S[t]                                 (5)
    out[t+1] = beta out[t] + R[t]                                    (6)

from rest.  The fast sigmoid's 1 / (k |U - threshold| + 1)^2 becomes

    psi[t] = threshold c^2 / (|u[t] - 1| + c)^2,  c = 1/(k threshold)  (7)

Derivation.  The chain rule backward in time, dA short for dL/dA.  The
    readout filters W_out S; the adjoint dR[t+1] of that is the same filter
    (5)-(6) of dout with time reversed.  Through (2)-(4),

    dS[t] = dspikes[t] + W_out^T dR[t+1] + V^T dI[t+1]               (8)
    dI[t] = alpha dI[t+1] + r[t] du[t+1]                             (9)
    du[t] = beta r[t] du[t+1] + psi[t] dS[t]                        (10)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T           (11)
    dW_out = sum_t dR[t+1] S[t]^T                                   (12)

Exact.  As `lif.backward` with through_reset=False and psi for dS/dU.
Cost.   The matrix products, O(T B n (m + n + k)) time (n per event if x is
    sparse), and about 15 passes a step in cache; O(T B n) memory.
Departures.  [NMZ19] has gain 1, threshold 1 and no refractory time, and
    lets the gradient pass the reset; for the latter two there is `lif`.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["Tape", "forward", "gradients"]
_BLOCK = 2**18          # floats in a block of steps, which should stay in cache


class Tape(NamedTuple):
    """A run and its buffers; ``tape.mem > 1`` are the spikes, (T, B, n)."""

    mem: np.ndarray
    blocks: list
    weights: tuple
    constants: tuple
    reset: str
    buffers: tuple


def _aligned(shape, dtype):
    """Zeros at a multiple of 64 bytes, where vector code runs twice as fast."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype).reshape(shape)


def _array(name, value, shape):
    """`value` as a real array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    if array.ndim != len(shape) or 0 in array.shape or array.dtype.kind not in "fiub" \
            or any(w not in (None, s) for w, s in zip(shape, array.shape, strict=True)):
        want = ", ".join("*" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a real array of shape ({want}), not empty")
    return array


def _number(name, value, low, high, dtype):
    if not isinstance(value, (int, float, np.integer, np.floating)) \
            or isinstance(value, bool) or not low <= value < high \
            or not dtype.type(value) < high:
        raise ValueError(f"{name} is {value!r}: must be a number in [{low}, {high}), "
                         f"also when rounded to {dtype}")
    return dtype.type(value)


def _input(x, m, steps):
    """Checked x, T, B; whether x is finite shows in the last state."""
    if not sparse.issparse(x):
        x = _array("x", x, (None, None, m))
        if steps is not None and (isinstance(steps, bool) or steps != len(x)):
            raise ValueError(f"steps is {steps!r}: must be None or T, {len(x)} in x")
        return x, x.shape[0], x.shape[1]
    whole = isinstance(steps, (int, np.integer)) and 0 < steps <= x.shape[0]
    if x.format != "csr" or x.shape[1:] != (m,) or x.dtype.kind not in "fiub" \
            or not whole or x.shape[0] % steps:
        raise ValueError(f"x is {x.format}, {x.dtype}, of shape {x.shape}, steps is "
                         f"{steps!r}: must be real CSR of shape (T * B, {m}), and T")
    try:
        x.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"x is not a valid CSR matrix: {error}") from None
    return x, int(steps), x.shape[0] // steps


def _blocks(x, B, c, dtype):
    """Input of every c steps as a matrix of m columns."""
    if not sparse.issparse(x):
        return [x[t:t + c].reshape(-1, x.shape[2]).astype(dtype, copy=False)
                for t in range(0, len(x), c)]
    ends = [x.indptr[row:row + c * B + 1] for row in range(0, x.shape[0], c * B)]
    return [sparse.csr_matrix((x.data[e[0]:e[-1]].astype(dtype, copy=False),
                               x.indices[e[0]:e[-1]], e - e[0]),
                              shape=(len(e) - 1, x.shape[1])) for e in ends]


def forward(x, W, V, W_out, *, alpha, beta, gain=1.0, threshold=1.0,
            reset="subtract", steps=None, work=None):
    """Run hidden layer and readout from rest, eqs. (1)-(6).

    Parameters
    ----------
    x : (T, B, m) array, or (T * B, m) scipy.sparse CSR
        Input; row t * B + b of the sparse form is ``x[t, b]``.
    W, V, W_out : (n, m) float, (n, n) float or None, (k, n) float
        Input, recurrent, readout weights, all float32 or all float64.
    alpha, beta, gain, threshold, reset
        As for `lif.simulate`; numbers only.
    steps : int, optional
        T, needed where x is sparse.
    work : Tape, optional
        A run of the same size whose arrays, and `out`, are written anew.

    Returns
    -------
    out : (T, B, k) float
        Membranes of the readout.
    Tape
        For `gradients`.

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit, or x is not finite.

    Examples
    --------
    >>> x, one = np.array([2.0, 0, 0, 0, 0]).reshape(5, 1, 1), np.ones((1, 1))
    >>> out, tape = forward(x, one, None, one, alpha=0.5, beta=0.5)
    >>> tape.mem[:, 0, 0].tolist(), out[:, 0, 0].tolist()
    ([0.0, 0.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0, 1.0])
    """
    W = _array("W", W, (None, None))
    n, m = W.shape
    W_out = _array("W_out", W_out, (None, n))
    V = None if V is None else _array("V", V, (n, n))
    for name, a in (("W", W), ("W_out", W_out), ("V", W if V is None else V)):
        if a.dtype != W.dtype or a.dtype.char not in "fd" or not np.isfinite(a).all():
            raise ValueError(f"{name} is {a.dtype}, W {W.dtype}, or {name} not finite: "
                             "must be finite and all float32 or all float64")
    x, T, B = _input(x, m, steps)
    alpha, beta, gain, threshold = (_number(*arguments, W.dtype) for arguments in (
        ("alpha", alpha, 0, 1), ("beta", beta, 0, 1), ("gain", gain, 1e-9, 1e9),
        ("threshold", threshold, 1e-9, 1e9)))
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    if work is not None and not isinstance(work, Tape):
        raise ValueError(f"work is {work!r:.60}: must be a Tape or None")
    k, scale, c = len(W_out), gain / threshold, min(T, max(1, _BLOCK // (B * n)))
    shapes = (T + 1, B, n), (T, B, k), (T, B, k), (4, c, B, n), (3, B, n)
    buffers = work.buffers if work else tuple(_aligned(s, W.dtype) for s in shapes)
    if tuple(a.shape for a in buffers) != shapes or buffers[0].dtype != W.dtype:
        raise ValueError(f"work is of shape {work.mem.shape}, {work.mem.dtype}: must "
                         f"be of a run of shape {(T, B, n)}, {W.dtype}, {k} outputs")
    weights = W * scale, None if V is None else V * scale, W_out
    with np.errstate(over="ignore", invalid="ignore"):
        tape = Tape(buffers[0][:T], _blocks(x, B, c, W.dtype), weights,
                    (alpha, beta, scale, threshold), reset, buffers)
        syn = _hidden(tape)
        _readout(buffers[1], alpha, beta)
    if not np.isfinite(syn).all() or not np.isfinite(buffers[0][T]).all():
        raise ValueError("x has NaN or infinite entries, or overflows: must be finite")
    return buffers[1], tape


def _hidden(tape):
    """Fill the buffers of u and W_out S; return the I after the last step."""
    alpha, beta = tape.constants[:2]
    W, V, W_out = (a if a is None else a.T.copy() for a in tape.weights)
    mem, sent, _, block, (syn, S, spare) = tape.buffers
    c, B, n = block.shape[1:]
    syn[:], mem[0] = 0, 0
    for t in range(len(tape.mem)):
        if t % c == 0:
            drive = (tape.blocks[t // c] @ W).reshape(-1, B, n)
        np.greater(mem[t], 1, out=S, casting="unsafe")                     # (1)
        np.matmul(S, W_out, out=sent[t])
        u = np.multiply(mem[t], beta, out=mem[t + 1])
        u += syn
        if tape.reset == "subtract":
            u -= S                                                         # (3)
        else:
            u *= np.subtract(1, S, out=spare)                              # (4)
        syn *= alpha
        syn += drive[t % c]                                                # (2)
        if V is not None:
            syn += np.matmul(S, V, out=spare)
    return syn


def _readout(record, alpha, beta):
    """Turn the input of the readout (T, B, k) into its membrane, in place."""
    syn, mem, spare = np.zeros((3,) + record.shape[1:], record.dtype)
    for row in record:
        np.copyto(spare, row)
        np.copyto(row, mem)
        mem *= beta
        mem += syn                                                         # (6)
        syn *= alpha
        syn += spare                                                       # (5)


def gradients(tape, dout, *, steepness, dspikes=None):
    """Surrogate gradient of the weights, not through resets, eqs. (7)-(12).

    Parameters
    ----------
    tape : Tape
        From `forward`; not handed to another one as `work` since.
    dout : (T, B, k) float
        Derivative of the loss by the readout's membranes.
    steepness : float
        k of the fast sigmoid, per unit of the membrane.
    dspikes : (T, B, n) float, optional
        By the hidden spikes; one of `np.broadcast_to` takes no memory.

    Returns
    -------
    dW, dV, dW_out
        Of the shapes of W, V (None if V is) and W_out.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, one = np.full((5, 1, 1), 2.0), np.ones((1, 1))
    >>> out, tape = forward(x, one, None, one, alpha=0.5, beta=0.5)
    >>> dW, dV, dW_out = gradients(tape, np.ones((5, 1, 1)), steepness=1.0)
    >>> dW.tolist(), dV, dW_out.tolist()
    ([[0.5]], None, [[1.0]])
    """
    if not isinstance(tape, Tape):
        raise ValueError(f"tape is {tape!r:.60}: must be a Tape that forward returned")
    dout = _array("dout", dout, tape.buffers[2].shape)
    if dspikes is not None:
        dspikes = _array("dspikes", dspikes, tape.mem.shape)
    k = _number("steepness", steepness, 1e-6, 1e6, tape.mem.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        tape.buffers[2][:] = dout
        _readout(tape.buffers[2][::-1], *tape.constants[:2])
        *found, last = _backward(tape, 1 / (k * tape.constants[3]), dspikes)
    unread = dout[:2], None if dspikes is None else dspikes[:1]     # reach no weight
    if not all(a is None or np.isfinite(a).all() for a in (*found, last, *unread)):
        raise ValueError("dout or dspikes has NaN or infinite entries, or overflows: "
                         "must be finite")
    return tuple(found)


def _backward(tape, c, dspikes):
    """dW, dV, dW_out and the dI before the first step."""
    mem, _, credits, block, (du, carry, spare) = tape.buffers
    alpha, beta, scale, threshold = tape.constants
    W, V, W_out = (a if a is None else a * (threshold * c * c) for a in tape.weights)
    (T, _, n), size = tape.mem.shape, block.shape[1]
    du[:], carry[:], dW, dV, dW_out = 0, 0, 0, 0, 0
    for start in range((T - 1) // size * size, -1, -size):
        stop = min(start + size, T)
        S, dS, dsyn, slope = block[:, :stop - start]
        np.greater(mem[start:stop], 1, out=S, casting="unsafe")
        np.abs(np.subtract(mem[start:stop], 1, out=slope), out=slope)
        slope += c
        slope *= slope
        credit = credits[start:stop].reshape(-1, len(W_out))
        np.matmul(credit, W_out, out=dS.reshape(-1, n))
        if dspikes is not None:
            dS += dspikes[start:stop] * (threshold * c * c)
        if V is None:           # one buffer less, in cache
            dS, dsyn = np.divide(dS, slope, out=dS), slope
        dsyn[-1] = carry
        for i in reversed(range(stop - start)):
            if V is not None:
                dS[i] += np.matmul(dsyn[i], V, out=spare)                  # (8)
                dS[i] /= slope[i]                                          # (7)
            if tape.reset == "zero":
                du *= np.subtract(1, S[i], out=spare)
            earlier = np.multiply(dsyn[i], alpha, out=dsyn[i - 1] if i else carry)
            earlier += du                                                  # (9)
            du *= beta
            du += dS[i]                                                    # (10)
        dsyn, S, x = dsyn.reshape(-1, n), S.reshape(-1, n), tape.blocks[start // size]
        dW += x.T @ dsyn if sparse.issparse(x) else dsyn.T @ x
        if V is not None:
            dV += dsyn.T @ S                                               # (11)
        dW_out += credit.T @ S                                             # (12)
    dW = dW.T if sparse.issparse(x) else dW
    return dW * scale, None if V is None else dV * scale, dW_out, carry
