# refsnn 0.1.0 | fast/lif_infer.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
r"""Fast inference: events in, membranes of a leaky readout out.

The network of `lif`, one feed-forward hidden layer and a leaky readout,
run on sparse events.  In blocks of c steps that start at step s, current
and membrane are counted in units that shrink as they decay,

    J[t] = alpha^-(t-s) gain I[t] / threshold,
    v[t] = beta^-(t-s) U[t] / threshold

so that no step has to multiply by alpha or beta: an event is added to J
and stays there.  The equations of `lif` become

    S[t] = 1 if v[t] > beta^-(t-s) else 0                             (1)
    J[t+1] = J[t] + alpha^-(t-s+1) (gain / threshold) W x[t]          (2)
    w[t] = v[t] + beta^-(t-s+1) alpha^(t-s) J[t]                      (3)
    v[t+1] = w[t] - beta^-(t-s+1) S[t]     reset="subtract"           (4)
    v[t+1] = w[t] (1 - S[t])               reset="zero"               (5)

and a block ends with J times alpha^c and v times beta^c.  The readout is
linear in W_out S; a block of it is one product with a constant matrix,

    (out[s..s+c-1], out[s+c], R[s+c]) = K (W_out S[s..s+c-1], out[s], R[s])
    R[t+1] = alpha R[t] + W_out S[t],  out[t+1] = beta out[t] + R[t]  (6)

Derivation.  Put J and v into eqs. (1)-(4) of `lif`; K holds the responses
    of (6) to unit inputs and unit states.

Exact.  As `lif.simulate` and `lif.readout`, to rounding: a membrane that
    comes within rounding of the threshold may fall on its other side.
Cost.   O(n) per event, and per step four element-wise passes over (B, n)
    and one product with W_out; O(B n + T B k) memory, no trajectory.
Departures.  [NMZ19] has gain 1 and threshold 1.  No recurrent weights and
    no refractory time: use `lif` or `lif_fast`.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

import numpy as np
from scipy import sparse
from scipy.linalg import blas

__all__ = ["record", "scores"]
_BLOCK = 2**21         # floats of a block: one product for many steps costs least
_RANGE = 1e9           # the units shrink by no more than this within a block


def _weights(name, value, columns):
    array = np.asarray(value)
    if array.ndim != 2 or columns not in (None, array.shape[1]) or 0 in array.shape \
            or array.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be (*, {columns or '*'}), not empty, float32 or float64")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _number(name, value, low, high):
    if not isinstance(value, (int, float, np.integer, np.floating)) \
            or isinstance(value, bool) or not low <= value < high:
        raise ValueError(f"{name} is {value!r}: must be a number in [{low}, {high})")
    return float(value)


def _events(x, m, steps):
    """Checked events; whether they are finite shows in the last state."""
    whole = isinstance(steps, (int, np.integer)) and steps > 0 and steps is not True
    if not sparse.issparse(x) or x.format != "csr" or x.shape[1:] != (m,) \
            or x.dtype.kind not in "fiub" or not x.shape[0]:
        raise ValueError(f"x is a {type(x).__name__} of shape {np.shape(x)}: must be "
                         f"a real scipy.sparse CSR matrix of shape (steps * B, {m})")
    if not whole or x.shape[0] % steps:
        raise ValueError(f"steps is {steps!r}: must be T, {x.shape[0]} = T * B rows")
    try:
        x.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"x is not a valid CSR matrix: {error}") from None


def record(x, W, W_out, *, steps, alpha, beta, gain=1.0, threshold=1.0,
           reset="subtract"):
    """Membranes of the readout, eqs. (1)-(6).

    Parameters
    ----------
    x : (T * B, m) scipy.sparse CSR
        Events; row t * B + b holds those of step t and pattern b.
    W : (n, m) float
        Input weights; their dtype, float32 or float64, is the result's.
    W_out : (k, n) float
        Readout weights.
    steps : int
        T.
    alpha, beta : float
        Decays exp(-dt/tau_syn) and exp(-dt/tau_mem), in [1e-9, 1).
    gain, threshold : float
        Positive.
    reset : {"subtract", "zero"}
        Equation (4) or (5).

    Returns
    -------
    (T, B, k) float

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit, or an entry is not
        finite.

    Examples
    --------
    >>> x = sparse.csr_matrix(np.array([[1.0], [0], [0], [0], [0], [0]]))
    >>> one = np.array([[2.0]])
    >>> record(x, one, one, steps=6, alpha=0.5, beta=0.5)[:, 0, 0].tolist()
    [0.0, 0.0, 0.0, 0.0, 2.0, 2.0]
    """
    W = _weights("W", W, None)
    W_out = _weights("W_out", W_out, len(W)).astype(W.dtype, copy=False)
    _events(x, W.shape[1], steps)
    alpha, beta = (_number(name, value, 1e-9, 1)
                   for name, value in (("alpha", alpha), ("beta", beta)))
    gain, threshold = (_number(name, value, 1e-9, 1e9)
                       for name, value in (("gain", gain), ("threshold", threshold)))
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    B = x.shape[0] // steps
    c = int(np.log(_RANGE) / -np.log(min(alpha, beta)))
    c = max(1, min(c, steps, _BLOCK // (B * len(W))))
    units = alpha ** -(1.0 + np.arange(steps) % c) * (gain / threshold)
    with np.errstate(over="ignore", invalid="ignore"):
        data = np.repeat(units, np.diff(x.indptr[::B])) * x.data
        sent, state = _hidden((data.astype(W.dtype), x.indices, x.indptr), W, W_out,
                              (steps, B, c), (alpha, beta), reset == "zero")
        if not np.isfinite(state).all():
            raise ValueError("x has NaN or infinite entries, or overflows with these "
                             "weights: must be finite")
        return _readout(sent, alpha, beta)


def _aligned(shape, dtype):
    """Zeros at a multiple of 64 bytes, where vector code runs twice as fast."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start:start + size].view(dtype).reshape(shape)


def _hidden(events, W, W_out, sizes, decays, zero):
    """Input W_out S (T, B, k) of the readout; J and v after the last step."""
    (data, indices, indptr), (T, B, c), (alpha, beta) = events, sizes, decays
    (n, m), dtype, axpy = W.shape, W.dtype, blas.get_blas_funcs("axpy", dtype=W.dtype)
    state = J, v, S, spare = _aligned((4, B * n), dtype)
    sent, fired = np.empty((T, B, len(W_out)), dtype), np.empty(B * n, bool)
    W = np.ascontiguousarray(W.T)
    for s in range(0, T, c):
        ends = indptr[s * B:(s + c) * B + 1]
        part, steps = slice(ends[0], ends[-1]), (len(ends) - 1) // B
        drive = sparse.csr_matrix((data[part], indices[part], ends - ends[0]),
                                  shape=(steps * B, m)) @ W
        for i, row in enumerate(drive.reshape(steps, B * n)):
            np.greater(v, dtype.type(beta ** -i), out=fired)               # (1)
            np.copyto(S, fired)
            np.matmul(S.reshape(B, n), W_out.T, out=sent[s + i])
            axpy(J, v, a=beta ** -(i + 1) * alpha ** i)                    # (3)
            if zero:
                v *= np.subtract(1, S, out=spare)                          # (5)
            else:
                axpy(S, v, a=-beta ** -(i + 1))                            # (4)
            J += row                                                       # (2)
        J *= dtype.type(alpha ** steps)
        v *= dtype.type(beta ** steps)
    return sent, state[:2]


def _readout(sent, alpha, beta):
    """Membranes of the readout, by blocks of c steps."""
    T, B, k = sent.shape
    c = min(T, 64)
    step = np.arange(c + 1)
    answer = np.append(0, np.convolve(alpha ** step, beta ** step)[:c])     # to R = 1
    K = np.zeros((c + 2, c + 2))
    K[:-1, :c] = answer[np.maximum(step[:, None] - step[None, :c] - 1, 0)]
    K[:-1, c], K[:-1, c + 1] = beta ** step, answer
    K[c + 1, :c], K[c + 1, c + 1] = alpha ** step[c - 1::-1], alpha ** c
    K, full = K.astype(sent.dtype), np.zeros((c + 2, B * k), sent.dtype)
    for s in range(0, T, c):
        rows = sent[s:s + c].reshape(-1, B * k)
        full[:len(rows)] = rows
        full = K @ full                                                    # (6)
        rows[:] = full[:len(rows)]
    return sent


def scores(x, W, W_out, *, steps, alpha, beta, gain=1.0, threshold=1.0,
           reset="subtract"):
    """Class scores: the readout's membranes at their maxima over time.

    Parameters
    ----------
    x, W, W_out, steps, alpha, beta, gain, threshold, reset
        As for `record`.

    Returns
    -------
    (B, k) float
        The class is its argmax along the last axis.

    Raises
    ------
    ValueError
        As `record`.

    Examples
    --------
    >>> x = sparse.csr_matrix(np.array([[1.0], [0], [0], [0], [0], [0]]))
    >>> W, W_out = np.array([[2.0]]), np.array([[1.0], [3.0]])
    >>> scores(x, W, W_out, steps=6, alpha=0.5, beta=0.5).tolist()
    [[1.0, 3.0]]
    """
    return record(x, W, W_out, steps=steps, alpha=alpha, beta=beta, gain=gain,
                  threshold=threshold, reset=reset).max(axis=0)
