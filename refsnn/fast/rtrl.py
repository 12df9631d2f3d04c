# refsnn 0.1.0 | fast/rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute gradients by real-time recurrent learning (RTRL) with fast code.

Eqs. (1) and (2) apply RTRL to a tanh network with inputs x and states h,

    h[t] = tanh(W x[t] + V h[t-1])

The parameters are the weights theta = [W | V].  The influence matrix M[t]
is the total derivative of h[t] with respect to theta.  Row i of theta
holds the m + n weights into neuron i, from the presynaptic values
z[t] = [x[t], h[t-1]].  Column i (m + n) + j of M belongs to theta_ij,
which directly affects only neuron i.  Therefore, the n x n (m + n) matrix
D(z) has the entry z_j in row i and column i (m + n) + j, and is 0
elsewhere.  With M[-1] = 0,

    M[t] = diag(1 - h[t]^2) (V M[t-1] + D(z[t]))              (1)  [WZ89]
    dL/dtheta = sum_t q[t]^T M[t]                             (2)  [WZ89]

In (2), q[t] is the derivative of the loss L[t] with respect to h[t].

Eqs. (3)-(5) apply RTRL to a layer of leaky integrate-and-fire (LIF)
neurons.  The module `lif` records the synaptic currents I, the membrane
potentials U and the spikes S.  The presynaptic values are z[t] = [x[t],
S[t]].  The surrogate derivative psi[t] replaces dS[t]/dU[t].  The mask
clamp[t] is 1 for neurons that are refractory at step t, and 0 for others.
A reset by subtraction has r = 1 and drop = threshold.  A reset to zero has
r = 1 - S and drop = beta U + gain I.  The influences G = dI/dtheta and
P = (dU/dtheta) / gain [ZN21] start from 0:

    P[t+1] = diag(1 - clamp[t+1])
             (diag(beta r - drop psi)[t] P[t] + diag(r[t]) G[t])       (3)
    G[t+1] = alpha G[t] + V diag(gain psi[t]) P[t] + D(z[t])           (4)
    q[t] = gain (dL[t]/dU[t] + psi[t] dL[t]/dS[t])
    dL/dtheta = sum_t q[t]^T P[t]                                      (5)

The option `through_recurrence=False` omits the second term of (4), and
`through_reset=False` sets drop = 0.  In a feed-forward layer, theta is W,
z is x, and the number of weights into a neuron is m instead of m + n.

Derivation.  Eq. (1) is the total derivative of h[t] with respect to theta.
    Eqs. (3) and (4) are the total derivatives of U[t+1] / gain and I[t+1].
Exact.  The gradient (2) is exact.  The gradient (5) is exact if dS/dU :=
    psi and if the refractory mask is treated as a constant.
Cost.   Each step takes O(n^3 (m + n)) time for each sequence, and `step`
    takes O(n^2 (m + n)) memory.  The gradient functions process blocks of
    columns of M, P and G that fit the cache.  Without the term with V in
    (4), a step takes O(n (m + n)) time.  Layers of a few dozen neurons are
    fastest with one thread of BLAS, for example with
    OPENBLAS_NUM_THREADS=1 in the environment.
Departures.  [WZ89] uses the logistic function instead of tanh, and updates
    the weights at each step.  Eqs. (3) and (4) follow descriptions of
    [ZN21] by other authors.

[WZ89] R. J. Williams and D. Zipser, Neural Comput. 1, 270-280, 1989.
[ZN21] F. Zenke and E. O. Neftci, Proc. IEEE 109, 2021, arXiv 2010.11931.
"""

import itertools
import math
from collections import namedtuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, buffer, bundle, flags, one_of, unread

__all__ = ["gradient", "lif_gradient", "step"]

_RECORDING = namedtuple("Recording", "syn mem spikes clamp")
BLOCK = 2 ** 20         # bytes of the matrices that are processed together
LINE = 64               # bytes of a line of the cache
PAGE = 4096             # bytes of a page of memory
RUN = ("psi (T, B, n) float, x (T, B, m*), dspikes? (T, B, n), dmem? (T, B, n), "
       "recording.syn (T, B, n), recording.mem (T, B, n), recording.spikes (T, B, n), "
       "recording.clamp (T, B, n) in {0, 1}, V? (n, n), alpha (n?) in [0, 1), "
       "beta (n?) in [0, 1), gain (n?) in (0, inf), threshold (n?) in (0, inf)")


def step(M, x, before, h, V, out=None):
    """Compute the influence matrix M[t] of a tanh network from M[t-1], eq. (1).
    Return a (B, n, n (m + n)) float, which holds M[t] for each sequence.

    >>> x, h, V = np.ones((1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.5)
    >>> M = step(None, x, h, h, V)
    >>> step(M, x, h, h, V).tolist()
    [[[1.5, 0.0]]]

    Parameters
    ----------
    M : (B, n, n (m + n)) float or None
        Unchecked influence matrix of the previous step, or None at the start.
    x : (B, m) float
    before, h : (B, n) float, states before and after this step
    V : (n, n) float, of the dtype of the result
    out : (B, n, n (m + n)) float, separate buffer for the result, optional
    """
    V, before, h, x = arrays("V (n, n) float, before (B, n), h (B, n), x (B, m*)", V,
                             before, h, x)
    z, slope = np.concatenate([x, before], axis=1), 1 - h ** 2
    shape = (*h.shape, h.shape[1] * z.shape[1])
    M = np.zeros(shape, V.dtype) if M is None else \
        np.ascontiguousarray(unread("M, for x and h,", M, shape, V.dtype))
    out = buffer("out", out, shape, V.dtype, (M, x, before, h, V))
    for b in range(len(h)):
        np.matmul(slope[b][:, None] * V, M[b], out=out[b])
        own = _diagonal(out[b], 0, z.shape[1])
        own += slope[b][:, None] * z[b]                                    # (1)
    return out


def _diagonal(M, first, count):
    """Return a view where D is nonzero."""
    k = M.shape[1] // count
    return np.einsum("iij->ij", M[first:first + k].reshape(k, k, count))


def gradient(x, V, h, dh, state=None):
    """Compute the gradients dW (n, m) and dV (n, n) of a tanh network from
    recorded states, eqs. (1), (2).  Gradients are sums over steps and batch.

    >>> x, h, V = np.ones((2, 1, 1)), np.zeros((2, 1, 1)), np.full((1, 1), 0.5)
    >>> gradient(x, V, h, h + 1)[0].tolist()
    [[2.5]]

    Parameters
    ----------
    x : (T, B, m) float
    V : (n, n) float, of the dtype of the results
    h, dh : (T, B, n) float
        Recorded states h, and the derivative q[t] of the loss of step t.
    state : (B, n) float before the first step, optional; 0 by default
    """
    V, h, dh, x, state = arrays("V (n, n) float, h (T, B, n), dh (T, B, n), "
                                "x (T, B, m*), state? (B, n)", V, h, dh, x, state)
    first = np.zeros_like(h[0]) if state is None else state
    z = np.concatenate([x, np.concatenate([first[None], h[:-1]])], axis=2)
    (_, B, n), m = h.shape, x.shape[2]
    slope, total = 1 - h ** 2, np.zeros((n, m + n), V.dtype)
    for b in range(B):
        J = slope[:, b, :, None] * V
        for part in _slices(n, 2 * n * (m + n) * V.itemsize):
            total[part] += _block(J, slope[:, b, part], z[:, b], dh[:, b], part.start)
    return total[:, :m], total[:, m:]


def _slices(count, size):
    edges = np.linspace(0, count, min(count, -(-count * size // BLOCK)) + 1)
    return itertools.starmap(slice, itertools.pairwise(
        edges.round().astype(int).tolist()))


def _block(J, slope, z, q, first):
    """Return the gradient (2) for some neurons."""
    (T, n, _), shape = J.shape, (slope.shape[1], z.shape[1])
    M, new = (np.zeros((n, math.prod(shape)), J.dtype) for _ in range(2))
    own = [_diagonal(a, first, shape[1]) for a in (new, M)]
    total, part = np.zeros((2, math.prod(shape)), J.dtype)
    sent = np.empty(shape, J.dtype)
    for t in range(T):
        if t:
            np.matmul(J[t], M, out=new)
        np.multiply(slope[t][:, None], z[t], out=sent)
        own[t % 2] += sent                                                 # (1)
        np.matmul(q[t], new, out=part)
        total += part                                                      # (2)
        M, new = new, M
    return total.reshape(shape)


def lif_gradient(x, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
                 gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
                 through_recurrence=True):
    """Compute the gradients dW (n, m) and dV (n, n) of a LIF layer from a
    recording, eqs. (3)-(5).  Gradients are sums over steps and batch.  If V is
    None, dV is None.

    >>> x, rest = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    >>> lif_gradient(x, None, (rest,) * 4, rest, None, rest + 1, alpha=0.5,
    ...              beta=0.5)[0].tolist()
    [[1.0]]

    Parameters
    ----------
    x, psi : (T, B, m) and (T, B, n) float
        Input and surrogate derivative.  Results have the dtype of psi.
    V : (n, n) float, or None for a feed-forward layer
    recording : tuple
        I, U, S and refractory mask, (T, B, n), as from `lif.simulate`.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss with respect to spikes and `mem`.
    alpha, beta, gain, threshold, reset, through_reset
        As for `sparse_rtrl.gradient` with rule="exact", with the same results.
    through_recurrence : bool
        Whether the gradient passes through the recurrent spikes.  False gives
        the results of `sparse_rtrl.gradient` with rule="implicit".
    """
    psi, x, dspikes, dmem, *now, clamp, V, alpha, beta, gain, threshold = arrays(
        RUN, psi, x, dspikes, dmem, *bundle("recording", recording, _RECORDING), V,
        alpha, beta, gain, threshold)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset through_recurrence", through_reset, through_recurrence)
    q = np.zeros_like(psi)
    if dmem is not None:
        q += gain * dmem
    if dspikes is not None:
        q += gain * psi * dspikes
    (syn, mem, spikes), free = now, 1 - clamp[1:]
    if reset == "zero":
        r, drop = free * (1 - spikes[:-1]), free * (beta * mem[:-1] + gain * syn[:-1])
    else:
        r, drop = free, free * threshold
    decay = (beta * r - drop * psi[:-1] if through_reset else beta * r)[..., None]
    r, alpha = r[..., None], alpha.reshape(-1, 1)
    z = x if V is None else np.concatenate([x, spikes], axis=2)
    (_, B, n), count = psi.shape, z.shape[2]
    total, size = np.zeros((n, count), psi.dtype), n * count * psi.itemsize
    if V is None or not through_recurrence:
        for part in _slices(B, 3 * size):
            total += _local(decay[:, part], r[:, part], alpha, z[:, part], q[:, part])
    else:
        # A small buffer is faster, because NumPy otherwise copies decay[t] to all
        # columns first.
        size_before = np.setbufsize(16)
        try:
            for b in range(B):
                K = V * (gain * psi[:-1, b])[:, None]
                for part in _slices(n, 4 * size):
                    total[part] += _lif_block(K, decay[:, b], r[:, b], alpha, z[:, b],
                                              q[:, b], part)
        finally:
            np.setbufsize(size_before)
    return total[:, :x.shape[2]], None if V is None else total[:, x.shape[2]:]


def _lif_block(K, decay, r, alpha, z, q, part):
    """Return the gradient (5) for some neurons."""
    (T, n), shape = q.shape, (part.stop - part.start, z.shape[1])
    P, G, new, spare = _aligned(4, (n, math.prod(shape)), q.dtype)
    own = _diagonal(G, part.start, shape[1])
    total, term = np.zeros((2, math.prod(shape)), q.dtype)
    whole = (r == 1).all(axis=(1, 2)).tolist()
    for t in range(T - 1):
        if t > 1:               # P[0] = P[1] = 0
            np.matmul(K[t], P, out=new)
        P *= decay[t]
        P += G if whole[t] else np.multiply(r[t], G, out=spare)            # (3)
        G *= alpha
        G += new
        own += z[t]                                                        # (4)
        np.matmul(q[t + 1], P, out=term)
        total += term                                                      # (5)
    return total.reshape(shape)


def _local(decay, r, alpha, z, q):
    """Return the gradient (5) without recurrent paths."""
    (T, B, n), count = q.shape, z.shape[2]
    P, G = np.zeros((B, n, count), q.dtype), np.zeros((B, len(alpha), count), q.dtype)
    total = np.zeros((n, count), q.dtype)
    for t in range(T - 1):
        P *= decay[t]
        P += r[t] * G                                                      # (3)
        G *= alpha
        G += z[t][:, None]                                                 # (4)
        total += np.einsum("bi,bij->ij", q[t + 1], P)                      # (5)
    return total


def _aligned(number, shape, dtype):
    """Return zeros, aligned for speed."""
    size = math.prod(shape) * dtype.itemsize
    size += -size % PAGE + 4 * LINE
    raw = np.zeros(number * size + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    return [np.ndarray(shape, dtype, raw, first + i * size) for i in range(number)]
