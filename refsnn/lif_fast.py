# refsnn 0.1.0 | lif_fast.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Fast training of one hidden LIF layer with a leaky readout.

The network of `lif` (hidden layer, recurrent or not, and readout) and its
surrogate gradient for the fast sigmoid, arranged for speed in float32.  The
membrane is counted in thresholds, u = U / threshold, and the weights W, V
take the factor gain / threshold, so that

    S[t]   = 1 if u[t] > 1 else 0                     (1)  [NMZ19] eq. ?
    I[t+1] = alpha I[t] + W x[t] + V S[t]             (2)  [NMZ19] eq. ?
    u[t+1] = beta u[t] + I[t] - S[t]     reset="subtract"            (3)
    u[t+1] = (beta u[t] + I[t]) (1 - S[t])   reset="zero"            (4)
    R[t+1] = alpha_out R[t] + W_out S[t]                             (5)
    out[t+1] = beta_out out[t] + R[t]                                (6)

with everything at rest at step 0.  The fast sigmoid of steepness k has the
derivative 1 / (k |U - threshold| + 1)^2, hence by u

    psi[t] = threshold c^2 / (|u[t] - 1| + c)^2,  c = 1/(k threshold)  (7)

Derivation.  The chain rule backward in time through (5)-(6), then (2)-(4),
    with r[t] = 1 - S[t] if reset="zero" else 1, and dA for dL/dA:

    dout[t] += beta_out dout[t+1],  dR[t] = alpha_out dR[t+1] + dout[t+1]
    dS[t] = dspikes[t] + W_out^T dR[t+1] + V^T dI[t+1] - z du[t+1]   (8)
    dI[t] = alpha dI[t+1] + r[t] du[t+1]                             (9)
    du[t] = beta r[t] du[t+1] + psi[t] dS[t]                        (10)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T           (11)
    dW_out = sum_t dR[t+1] S[t]^T                                   (12)

    where z = 1 if the gradient follows the reset (of "subtract"), else 0.

Exact.  Of the hard-spiking network with dS/dU := psi, as `lif.backward`
    with through_recurrence=True, to rounding.
Cost.   The O(T B n (m + n + k)) of its matrix products plus about fifteen
    element-wise passes a step, made while the step is in cache.  Memory
    O(T B (n + k)): only the membrane is kept, spikes and psi are computed
    again.  Sparse input costs O(n) per event instead of O(m n) per step.
Departures.  [NMZ19] has gain 1 and threshold 1.  No refractory time; the
    reset to zero is never followed; only the fast sigmoid: use `lif`.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

__all__ = ["Tape", "Work", "forward", "gradients", "spikes", "workspace"]


class Work(NamedTuple):
    """Buffers of one network's size, used again at every step of training.

    `mem` (T+1, B, n), `out` (T, B, k) and `dout` (T, B, k) hold whole
    trajectories, `block` (4, c, B, n) a few steps and `step` (4, B, n) one.
    """

    mem: np.ndarray
    out: np.ndarray
    dout: np.ndarray
    block: np.ndarray
    step: np.ndarray


class Tape(NamedTuple):
    """What `forward` leaves for `gradients`; valid until `work` is re-used.

    `mem` (T, B, n) is the membrane in units of the threshold.
    """

    mem: np.ndarray
    x: np.ndarray
    weights: tuple
    constants: tuple
    reset: str
    work: Work


def _aligned(shape, dtype):
    """Zeros at a multiple of 64 bytes: vector code runs twice as fast."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype).reshape(shape)


def workspace(T, B, n, k, dtype=np.float32):
    """Buffers for T steps, batch B, n neurons and k outputs.

    Parameters
    ----------
    T, B, n, k : int
        At least 1.
    dtype : {float32, float64}
        Of the weights.

    Returns
    -------
    Work
        About 4 (T + 20) B n bytes in float32.

    Raises
    ------
    ValueError
        If a size is below 1 or the dtype is neither.

    Examples
    --------
    >>> workspace(5, 2, 3, 1).mem.shape
    (6, 2, 3)
    """
    for name, size in zip("TBnk", (T, B, n, k), strict=True):
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} is {size!r}: must be a whole number, >= 1")
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    c = min(T, max(1, 2**18 // (B * n)))      # a block of 1 MB stays in cache
    return Work(_aligned((T + 1, B, n), dtype), _aligned((T, B, k), dtype),
                _aligned((T, B, k), dtype), _aligned((4, c, B, n), dtype),
                _aligned((4, B, n), dtype))


def _matrix(name, value, shape, dtype=None):
    """`value` as a finite matrix; None in `shape` is free."""
    array = np.asarray(value)
    fits = array.ndim == 2 and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype not in (np.float32, np.float64) or 0 in array.shape:
        want = ", ".join("*" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a ({want}) matrix, not empty, float32 or float64")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array if dtype is None else array.astype(dtype, copy=False)


def _constant(name, value, n, dtype, low, high):
    """A number or (n,) array in [low, high] as scalar or array of dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (n,)) \
            or not ((array >= low) & (array < high)).all():
        raise ValueError(f"{name} is {value!r}: must be a number or ({n},) array "
                         f"in [{low}, {high})")
    return array.astype(dtype)[()]


def _input(x, m, steps):
    """Checked input, T and B; entries are checked through the last state."""
    if sparse.issparse(x):
        if x.format != "csr" or x.ndim != 2 or x.shape[1] != m:
            raise ValueError(f"x is a sparse {x.format} of shape {x.shape}: "
                             f"must be a CSR matrix of shape (steps * B, {m})")
        if not isinstance(steps, (int, np.integer)) or steps < 1 \
                or x.shape[0] % steps or not x.shape[0]:
            raise ValueError(f"steps is {steps!r}: must be T of a sparse x of "
                             f"{x.shape[0]} = T * B rows")
        x.check_format(full_check=True)
        return x, int(steps), x.shape[0] // steps
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != m or 0 in x.shape or x.dtype.kind not in "fiub":
        raise ValueError(f"x is of shape {x.shape}, dtype {x.dtype}: must be a real "
                         f"array of shape (T, B, {m}), not empty")
    if steps not in (None, x.shape[0]):
        raise ValueError(f"steps is {steps!r}: must be None or T = {x.shape[0]}")
    return x, x.shape[0], x.shape[1]


def _rows(x, start, stop, B, dtype):
    """Steps start..stop of the input as ((stop - start) B, m) matrix."""
    if not sparse.issparse(x):
        return x[start:stop].reshape((stop - start) * B, -1).astype(dtype, copy=False)
    rows = x.indptr[start * B:stop * B + 1]
    events = slice(rows[0], rows[-1])
    return sparse.csr_matrix(
        (x.data[events].astype(dtype, copy=False), x.indices[events], rows - rows[0]),
        shape=((stop - start) * B, x.shape[1]))


def forward(x, W, V, W_out, *, alpha, beta, gain=1.0, threshold=1.0,
            reset="subtract", alpha_out=None, beta_out=None, steps=None, work=None):
    """Run hidden layer and readout from rest, eqs. (1)-(6).

    Parameters
    ----------
    x : (T, B, m) array, or (T * B, m) sparse CSR with `steps`
        Input; row t * B + b of the sparse form is ``x[t, b]``.  Sparse
        input pays below a density of about 0.1.
    W : (n, m) float
        Input weights; their dtype, float32 or float64, is the result's.
    V : (n, n) float or None
        Recurrent weights.
    W_out : (k, n) float
        Readout weights.
    alpha, beta : float or (n,) float
        Decays exp(-dt/tau_syn) and exp(-dt/tau_mem), in [0, 1).
    gain, threshold : float or (n,) float
        Positive.
    reset : {"subtract", "zero"}
        Equation (3) or (4).
    alpha_out, beta_out : float, optional
        Decays of the readout; alpha and beta where None.
    steps : int, optional
        T, needed with sparse x only.
    work : Work, optional
        From `workspace`, or ``tape.work`` of the step before: its arrays
        (the returned `out` among them) are written to, not allocated anew.

    Returns
    -------
    out : (T, B, k) float
        Membranes of the readout.
    Tape
        For `gradients` and `spikes`.

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit, or if x holds NaN
        or infinity or overflows.

    Examples
    --------
    >>> x = np.zeros((6, 1, 1))
    >>> x[0] = 1
    >>> W = np.array([[1.5]])
    >>> out, tape = forward(x, W, None, W, alpha=0.5, beta=0.5)
    >>> out[:, 0, 0].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.5, 1.5]
    """
    W = _matrix("W", W, (None, None))
    n, dtype = W.shape[0], W.dtype
    W_out = _matrix("W_out", W_out, (None, n), dtype)
    V = None if V is None else _matrix("V", V, (n, n), dtype)
    x, T, B = _input(x, W.shape[1], steps)
    if reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    alpha_out = alpha if alpha_out is None else alpha_out
    beta_out = beta if beta_out is None else beta_out
    tiny = np.finfo(dtype).tiny
    alpha, beta, gain, threshold = (
        _constant(name, value, n, dtype, low, high) for name, value, low, high in (
            ("alpha", alpha, 0, 1), ("beta", beta, 0, 1),
            ("gain", gain, tiny, np.inf), ("threshold", threshold, tiny, np.inf)))
    leaks = tuple(_constant(name, value, W_out.shape[0], dtype, 0, 1) for name, value
                  in (("alpha_out", alpha_out), ("beta_out", beta_out)))
    if work is None:
        work = workspace(T, B, n, W_out.shape[0], dtype)
    elif work.mem.shape != (T + 1, B, n) or work.out.shape[2] != W_out.shape[0] \
            or work.mem.dtype != dtype:
        raise ValueError(f"work is for (T + 1, B, n) = {work.mem.shape}, k = "
                         f"{work.out.shape[2]}, {work.mem.dtype}: must be for "
                         f"{(T + 1, B, n)}, {W_out.shape[0]}, {dtype}")
    scale = np.broadcast_to(gain / threshold, (n,))[:, None]
    tape = Tape(work.mem[:T], x, (W * scale, None if V is None else V * scale, W_out),
                (alpha, beta, scale, threshold) + leaks, reset, work)
    with np.errstate(over="ignore", invalid="ignore"):
        syn = _hidden(tape)
        _readout(work.out, *leaks)
    if not (np.isfinite(syn).all() and np.isfinite(work.mem[T]).all()):
        raise ValueError("x holds NaN or infinity, or overflows with these weights: "
                         "must be finite")
    return work.out, tape


def _hidden(tape):
    """Fill work.mem and the readout's input work.out; return the last I."""
    work, (W, V, W_out), (alpha, beta) = tape.work, tape.weights, tape.constants[:2]
    T, B, n = tape.mem.shape
    drive, (syn, S, sent, fired) = work.block[0], work.step
    fired = fired.view(np.bool_).reshape(-1)[:B * n].reshape(B, n)
    W, W_out = np.ascontiguousarray(W.T), np.ascontiguousarray(W_out.T)
    V = None if V is None else np.ascontiguousarray(V.T)
    syn[:], work.mem[0], c = 0, 0, len(drive)
    for t in range(T):
        if t % c == 0:
            rows = _rows(tape.x, t, min(t + c, T), B, W.dtype)
            if sparse.issparse(rows):
                drive = (rows @ W).reshape(-1, B, n)
            else:
                np.matmul(rows, W, out=drive.reshape(-1, n)[:len(rows)])
        u, later = work.mem[t], work.mem[t + 1]
        np.greater(u, 1, out=fired)                                        # (1)
        np.copyto(S, fired)
        np.matmul(S, W_out, out=work.out[t])
        np.multiply(u, beta, out=later)
        later += syn
        if tape.reset == "subtract":
            later -= S                                                     # (3)
        else:
            later *= np.subtract(1, S, out=sent)                           # (4)
        syn *= alpha
        syn += drive[t % c]                                                # (2)
        if V is not None:
            syn += np.matmul(S, V, out=sent)
    return syn


def _readout(record, alpha, beta):
    """Turn W_out S (T, B, k) into the readout's membrane, in place."""
    syn, mem, spare = np.zeros((3,) + record.shape[1:], record.dtype)
    for row in record:
        np.copyto(spare, row)
        np.copyto(row, mem)
        mem *= beta
        mem += syn                                                         # (6)
        syn *= alpha
        syn += spare                                                       # (5)


def spikes(tape):
    """Hidden spikes of a run, eq. (1).

    Parameters
    ----------
    tape : Tape
        From `forward`.

    Returns
    -------
    (T, B, n) bool

    Raises
    ------
    ValueError
        If `tape` is not a Tape.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> out, tape = forward(np.ones((4, 1, 1)), one, None, one, alpha=0.5, beta=0.5)
    >>> spikes(tape)[:, 0, 0].tolist()
    [False, False, False, True]
    """
    if not isinstance(tape, Tape):
        raise ValueError(f"tape is a {type(tape).__name__}: must be a Tape")
    return tape.mem > 1


def gradients(tape, dout, *, steepness, dspikes=None, through_reset=False):
    """Surrogate gradient of the three weight matrices, eqs. (7)-(12).

    Parameters
    ----------
    tape : Tape
        From `forward`, whose `work` has not been used again since.
    dout : (T, B, k) float
        Derivative of the loss by the readout's membranes.
    steepness : float
        k of the fast sigmoid, per unit of the membrane, positive.
    dspikes : float, or array that broadcasts to (T, B, n), optional
        Derivative of the loss by the hidden spikes, such as an activity
        regulariser's: one number for their total, (B, n) for counts.
    through_reset : bool
        Whether the gradient follows the reset; with "subtract" only.

    Returns
    -------
    dW : (n, m) float
    dV : (n, n) float or None
    dW_out : (k, n) float

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit, or if `dout` or
        `dspikes` holds NaN or infinity or overflows.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> out, tape = forward(np.ones((4, 1, 1)), one, None, one, alpha=0.5, beta=0.5)
    >>> dW, dV, dW_out = gradients(tape, np.ones((4, 1, 1)), steepness=1.0)
    >>> dW.tolist(), dV, dW_out.tolist()
    ([[0.25]], None, [[0.0]])
    """
    spikes(tape)
    dtype, shape = tape.mem.dtype, tape.work.out.shape
    dout = np.asarray(dout)
    if dout.shape != shape or dout.dtype.kind not in "fiu":
        raise ValueError(f"dout is of shape {dout.shape}, dtype {dout.dtype}: "
                         f"must be a real array of shape {shape}")
    if through_reset and tape.reset == "zero":
        raise ValueError("through_reset is True with reset='zero': must be False, "
                         "use `lif.backward`")
    threshold = tape.constants[3]
    k = _constant("steepness", steepness, 1, dtype, 1e-6, 1e6).reshape(-1)[0]
    if dspikes is not None:
        dspikes = np.asarray(dspikes)
        try:
            dspikes = np.broadcast_to(dspikes, tape.mem.shape).astype(
                dtype, casting="same_kind", copy=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"dspikes is of shape {dspikes.shape}, dtype {dspikes.dtype}: must "
                f"be real and broadcast to {tape.mem.shape}") from None
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(tape.work.dout, dout, casting="same_kind")
        _readout(tape.work.dout[::-1], *tape.constants[4:])
        found = _backward(tape, 1 / (k * threshold), dspikes, through_reset)
    if not all(np.isfinite(a).all() for a in found if a is not None):
        raise ValueError("dout or dspikes holds NaN or infinity, or overflows: "
                         "must be finite")
    return found[:3]


def _backward(tape, c, dspikes, through_reset):
    """dW, dV, dW_out and the last dI, with work.dout holding dR[t+1]."""
    work, (W, V, W_out) = tape.work, tape.weights
    alpha, beta, scale, threshold = tape.constants[:4]
    T, B, n = tape.mem.shape
    peak = threshold * c * c
    W_out = W_out * peak
    V = None if V is None else V * peak
    carry, du, spare = work.step[:3]
    carry[:], du[:] = 0, 0
    dW, dV, dW_out = np.zeros_like(W), None if V is None else np.zeros_like(V), 0
    size = work.block.shape[1]
    for start in range((T - 1) // size * size, -1, -size):
        stop = min(start + size, T)
        dsyn, S, dS, slope = work.block[:, :stop - start]
        _locals(work.mem[start:stop], c, S, slope)
        credit = work.dout[start:stop].reshape(-1, len(W_out))
        np.matmul(credit, W_out, out=dS.reshape(-1, n))
        if dspikes is not None:
            dS += dspikes[start:stop] * peak
        if V is None and not through_reset:
            dS /= slope                                                    # (7)
        np.copyto(dsyn[-1], carry)
        for i in range(stop - start - 1, -1, -1):
            if V is not None:
                dS[i] += np.matmul(dsyn[i], V, out=spare)                  # (8)
            if through_reset:
                dS[i] -= np.multiply(du, peak, out=spare)
            if V is not None or through_reset:
                dS[i] /= slope[i]
            if tape.reset == "zero":
                du *= np.subtract(1, S[i], out=spare)
            earlier = dsyn[i - 1] if i else carry
            np.multiply(dsyn[i], alpha, out=earlier)
            earlier += du                                                  # (9)
            du *= beta
            du += dS[i]                                                    # (10)
        dsyn, S = dsyn.reshape(-1, n), S.reshape(-1, n)
        rows = _rows(tape.x, start, stop, B, W.dtype)
        dW += (rows.T @ dsyn).T if sparse.issparse(rows) else dsyn.T @ rows
        if V is not None:
            dV += dsyn.T @ S                                               # (11)
        dW_out = dW_out + credit.T @ S                                     # (12)
    dW *= scale
    return dW, None if V is None else dV * scale, dW_out, carry


def _locals(mem, c, S, slope):
    """Spikes, and the denominator of psi, of some steps."""
    np.greater(mem, 1, out=S, casting="unsafe")
    np.subtract(mem, 1, out=slope)
    np.abs(slope, out=slope)
    slope += c
    slope *= slope
