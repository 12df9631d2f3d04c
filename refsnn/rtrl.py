# refsnn 0.1.0 | rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Real-time recurrent learning (RTRL) computes the exact gradient online.

Consider a recurrence h[t] = f(h[t-1], x[t]; parameters) of the state h.
RTRL propagates the state together with the influence M[t] =
dh[t]/dparameters.  The gradient of the loss L[t] is then available at step
t, and no earlier state is stored.  Let J[t] = dh[t]/dh[t-1] and q[t] =
dL[t]/dh[t].  Let F[t] be the immediate influence dh[t]/dparameters at
fixed h[t-1]:

    M[t] = J[t] M[t-1] + F[t],  M[-1] = 0     (1)  [WZ89]
    dL[t]/dparameters = q[t]^T M[t]           (2)  [WZ89]
    dL/dparameters = sum_t q[t]^T M[t]        (3)  [WZ89]

In a layer of LIF neurons, each weight directly affects only the
postsynaptic neuron.  Row i of theta = [W | V] holds the w incoming weights
of neuron i.  Column i w + j of an influence matrix holds the derivatives
with respect to theta_ij.  The n x (n w) matrix D(a) has the entry a_j in
row i and column i w + j.  All other entries of D(a) are 0.  The surrogate
derivative psi[t] replaces dS[t]/dU[t].  The factor c[t] is 0 for neurons
that are refractory at step t, and 1 for all other neurons.  For a reset by
subtraction or to zero, the currents I, the membrane potentials U and the
spikes S follow

    I[t+1] = alpha I[t] + W x[t] + V S[t],
    U[t+1] = c[t+1] (beta U[t] + gain I[t] - threshold S[t])    subtract
    U[t+1] = c[t+1] (beta U[t] + gain I[t]) (1 - S[t])          zero

The layer has two influences, G = dI/dtheta and P = dU/dtheta:

    G[t+1] = alpha G[t] + V diag(psi[t]) P[t] + D(x[t] | S[t])  (4)  [ZN21]
    P[t+1] = diag(beta r - z psi[t]) P[t] + diag(gain r) G[t]   (5)  [ZN21]
    subtract: r = c[t+1],            z = c[t+1] threshold
    zero:     r = c[t+1] (1 - S[t]), z = c[t+1] (beta U[t] + gain I[t])
    dL[t]/dtheta = (dL[t]/dU[t] + psi[t] dL[t]/dS[t])^T P[t]    (6)

The option `through_recurrence=False` omits the second term of (4).  The
option `through_reset=False` sets z = 0.

Derivation.  Eq. (1) is the chain rule.  Eqs. (4) and (5) are eq. (1) for
    the layer.  Here F has at most one nonzero entry in each
    column.
Exact.  Eqs. (1)-(3) are exact for every J, F and q.  Eqs. (4) and (5) are
    exact for the hard-spiking layer with dS/dU := psi.  Here, c is a
    recorded constant.
Cost.   A step takes O(n^2 p) time and O(n p) memory per sequence, for n
    neurons and p = n w weights.
Departures.  [WZ89] uses rate units and updates the weights at each step.
    Here, the caller decides when to update the weights.  The text of
    [ZN21] was not available.  Eqs. (4) and (5) follow descriptions of
    [ZN21] by other authors.

[WZ89] R. J. Williams and D. Zipser, Neural Comput. 1, 270-280, 1989.
[ZN21] F. Zenke and E. O. Neftci, Proc. IEEE 109, 2021, arXiv 2010.11931.
"""

import math
from typing import NamedTuple

import numpy as np

from refsnn._checks import arrays, flags, one_of  # python -m refsnn vendor NAME FILE inlines it

__all__ = ["Influence", "gradient", "lif_gradient", "lif_step", "step",
           "step_gradient"]

CONSTANTS = ("alpha (n?) in [0, 1), beta (n?) in [0, 1), gain (n?) in (0, inf), "
             "threshold (n?) in (0, inf)")
RUN = ("psi (T, B, n) float, x (T, B, m*), dspikes? (T, B, n), dmem? (T, B, n), "
       "recording.syn (T, B, n), recording.mem (T, B, n), recording.spikes (T, B, n), "
       "recording.clamp (T, B, n) in {0, 1}, V? (n, n), " + CONSTANTS)


class Influence(NamedTuple):
    """Hold the influences dI/dtheta and dU/dtheta of eqs. (4) and (5)."""
    syn: np.ndarray             # (B, n, n w)
    mem: np.ndarray             # (B, n, n w)


def step(M, J, F, out=None):
    """Advance the influence matrix by one time step, eq. (1).

    >>> M = step(None, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 2.0))
    >>> step(M, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 3.0)).tolist()
    [[[4.0]]]

    Parameters
    ----------
    M : (B, n, p) float or None
        Influence at the previous step; None stands for the initial value 0.
    J : (B, n, n) float
        State Jacobian of this step.  The result has the dtype of J.
    F : (B, n, p) float
        Immediate influence at this step.
    out : (B, n, p) float, optional
        Buffer for the result, without memory shared with other arguments.

    Returns
    -------
    (B, n, p) float
        Influence at this step.
    """
    shape = np.shape(F)
    if len(shape) != 3 or not _fit((J, (*shape[:2], shape[1])), (F, shape), (M, shape)):
        J, F, M = arrays("J (B, n, n) float, F (B, n, p) float, M? (B, n, p) float",
                         J, F, M)
    M = np.zeros_like(F) if M is None else M
    out = _buffer("out", out, F.shape, F.dtype, (M, J, F))
    np.matmul(J, M, out=out)
    out += F                                                               # (1)
    return out


def step_gradient(M, q):
    """Return the gradient of the loss at one time step, eq. (2) or (6).

    >>> step_gradient(np.array([[[1.0, 2.0]]]), np.array([[3.0]])).tolist()
    [3.0, 6.0]

    Parameters
    ----------
    M : (B, n, p) float
        Influence, or `Influence.mem` for LIF layers.  Entries are not checked.
    q : (B, n) float
        Derivative of the loss of this step with respect to the states.  For
        LIF layers, pass the sum in parentheses in eq. (6).

    Returns
    -------
    (p,) float
        Gradient, summed over the batch.
    """
    if np.ndim(q) != 2 or not _fit((q, np.shape(q))):
        q, = arrays("q (B, n) float", q)
    M = _unread("M", M, (*q.shape, np.size(M) // q.size), np.float32, np.float64)
    return q.reshape(-1) @ M.reshape(q.size, M.shape[2])                   # (2)


def gradient(J, F, q):
    """Return the gradient of the loss along a trajectory, eqs. (1) and (3).

    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> gradient(J, 3 * q[..., None], q).tolist()
    [7.5]

    Parameters
    ----------
    J, F, q : (T, B, n, n), (T, B, n, p) and (T, B, n) float
        Arguments of `step` and `step_gradient` at all steps; J[0] is not
        used.  The result has the dtype of J.

    Returns
    -------
    (p,) float
        Gradient, summed over steps and batch.
    """
    J, F, q = arrays("J (T, B, n, n) float, F (T, B, n, p) float, q (T, B, n) float",
                     J, F, q)
    M, total = np.zeros_like(F[0]), np.zeros(F.shape[3], F.dtype)
    for t in range(len(q)):
        M = np.matmul(J[t], M)
        M += F[t]
        total += q[t].reshape(-1) @ M.reshape(q[t].size, F.shape[3])       # (3)
    return total


def lif_step(influence, x, V, syn, mem, spikes, psi, clamp=None, *, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
             through_recurrence=True, out=None):
    """Advance the influences of a LIF layer by one step, eqs. (4) and (5).

    >>> one, decays = np.ones((1, 1)), {"alpha": 0.5, "beta": 0.5}
    >>> M = lif_step(None, one, None, 0 * one, 0 * one, 0 * one, one, **decays)
    >>> M = lif_step(M, one, None, one, 0 * one, 0 * one, one, **decays)
    >>> M.mem.tolist()
    [[[1.0]]]

    Parameters
    ----------
    influence : Influence or None
        Influences at step t; None stands for 0.  Entries are not checked.
    x : (B, m) float, int or bool
        Input x[t].
    V : (n, n) float or None
        Recurrent weights.  For a feed-forward layer, V is None and w = m.
    syn, mem, spikes, psi : (B, n) float
        Recorded I[t], U[t] and S[t], and the surrogate derivative at U[t].
        Results have the dtype of psi.
    clamp : (B, n) bool, optional
        True for neurons that are refractory at step t + 1; none by default.
        After a call of `lif.step`, it is ``state.spikes.any(axis=0)``.
    alpha, beta, gain, threshold : float or (n,) float
        Decay factors exp(-dt/tau_syn) and exp(-dt/tau_mem) in [0, 1),
        positive gain of the current, and positive firing threshold.
    reset : {"subtract", "zero"}
        Type of the reset.
    through_reset, through_recurrence : bool
        Whether the gradient passes through the reset, and through V.
    out : Influence, optional
        Buffers for the result, without memory shared with other arguments.

    Returns
    -------
    Influence
        Influences at step t + 1.  Eq. (6) uses only the field `mem`.
    """
    now, shape = (syn, mem, spikes), np.shape(psi)
    if len(shape) != 2 or not _fit(
            *((a, shape) for a in (psi, *now)), (x, (shape[0], *np.shape(x)[1:2])),
            (psi if V is None else V, shape if V is None else 2 * shape[1:])):
        psi, x, V, *now = arrays("psi (B, n) float, x (B, m*), V? (n, n), syn (B, n), "
                                 "mem (B, n), spikes (B, n)", psi, x, V, *now)
    clamp, alpha, *model = _checked(psi, clamp, alpha, beta, gain, threshold)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset through_recurrence", through_reset, through_recurrence)
    pre = x if V is None else np.concatenate([x, now[2]], axis=1)
    (B, n), w = psi.shape, pre.shape[1]
    shape = B, n, n * w
    G, P = (np.zeros(shape, psi.dtype) if value is None else
            np.ascontiguousarray(_unread(name, value, shape, psi.dtype))
            for name, value in _parts("influence", influence))
    new = Influence(*(_buffer(*field, shape, psi.dtype, (G, P, *now, psi, x, V))
                      for field in _parts("out", out)))
    if np.may_share_memory(*new):
        raise ValueError("out.syn and out.mem share memory: must be separate")
    factors = _factors(now, psi, clamp, (*model, reset), through_reset)
    _lif_advance(G, P, *factors, alpha, V if through_recurrence else None, psi, pre,
                 *new)
    return new


def _factors(now, psi, clamp, model, through_reset):
    """Return the factors of P and G in eq. (5).  The last axis of both results
    has length 1."""
    syn, mem, spikes = now
    beta, gain, threshold, reset = model
    c = 1 - clamp
    r = c * (1 - spikes) if reset == "zero" else c
    a = beta * r
    if through_reset:
        z = c * (beta * mem + gain * syn if reset == "zero" else threshold)
        a -= z * psi
    return a[..., None], (gain * r)[..., None]


def _lif_advance(G, P, a, b, alpha, V, psi, pre, new_G, new_P):
    """Write the influences of the next step to `new_G` and `new_P`, eqs. (4) and
    (5).  If V is None, the second term of (4) is omitted."""
    B, n, p = P.shape
    np.multiply(P, a, out=new_P)
    new_P += G if (b == 1).all() else b * G                                # (5)
    np.multiply(G, alpha.reshape(-1, 1), out=new_G)
    if V is not None:
        for k in range(B):
            new_G[k] += (V * psi[k]) @ P[k]
    spot = np.einsum("biij->bij", new_G.reshape(B, n, n, p // n))  # a view
    spot += pre[:, None]                                                   # (4)


def lif_gradient(x, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
                 gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
                 through_recurrence=True):
    """Return the gradient of a recorded LIF layer, eqs. (3)-(6).

    >>> x, rest = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    >>> lif_gradient(x, None, (rest,) * 4, rest, None, rest + 1, alpha=0.5,
    ...              beta=0.5)[0].tolist()
    [[1.0]]

    Parameters
    ----------
    x, psi : (T, B, m) and (T, B, n) float
        Input and surrogate derivative.  Results have the dtype of psi.
    V, alpha, beta, gain, threshold, reset, through_reset, through_recurrence
        Arguments of `lif_step`.
    recording : tuple of (T, B, n) arrays
        Currents, membrane potentials, spikes and 1 - c (0 or 1).
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss with respect to spikes and `mem`.

    Returns
    -------
    dW, dV : (n, m) and (n, n) float
        Gradients, summed over steps and batch; dV is None if V is None.
    """
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is of type {type(recording).__name__}: must be a tuple "
                         "of syn, mem, spikes and clamp")
    psi, x, dspikes, dmem, *now, clamp, V, alpha, beta, gain, threshold = arrays(
        RUN, psi, x, dspikes, dmem, *recording, V, alpha, beta, gain, threshold)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset through_recurrence", through_reset, through_recurrence)
    q = np.zeros_like(psi)
    if dmem is not None:
        q += dmem
    if dspikes is not None:
        q += psi * dspikes                                                 # (6)
    pre = x if V is None else np.concatenate([x, now[2]], axis=2)
    a, b = _factors([field[:-1] for field in now], psi[:-1], clamp[1:],
                    (beta, gain, threshold, reset), through_reset)
    (T, B, m), (n, w) = x.shape, (psi.shape[2], pre.shape[2])
    now, new = np.zeros((2, 2, B, n, n * w), psi.dtype)     # G and P of two steps
    total = np.zeros(n * w, psi.dtype)
    for t in range(T - 1):
        _lif_advance(*now, a[t], b[t], alpha, V if through_recurrence else None, psi[t],
                     pre[t], *new)
        now, new = new, now
        total += q[t + 1].reshape(-1) @ now[1].reshape(B * n, n * w)       # (3)
    total = total.reshape(n, w)
    return total[:, :m], None if V is None else total[:, m:]


def _fit(*pairs):
    """Return True if all arrays have the given shapes, one common float dtype and
    a finite sum of squares."""
    dtype = getattr(pairs[0][0], "dtype", None)
    return dtype in (np.float32, np.float64) and all(
        type(a) is np.ndarray and a.dtype == dtype and a.shape == shape and a.size
        and math.isfinite(np.vdot(a, a)) for a, shape in pairs)


def _checked(psi, clamp, alpha, beta, gain, threshold):
    clamp = np.zeros_like(psi) if clamp is None else arrays(
        "psi (B, n) float, clamp (B, n) in {0, 1}", psi, clamp)[1]
    if type(alpha) is type(beta) is type(gain) is type(threshold) is float \
            and 0 <= alpha < 0.9999 and 0 <= beta < 0.9999 \
            and 1e-9 < gain < 1e9 and 1e-9 < threshold < 1e9:
        return clamp, *np.array([alpha, beta, gain, threshold], psi.dtype)
    return clamp, *arrays("psi (B, n) float, " + CONSTANTS, psi, alpha, beta, gain,
                          threshold)[1:]


def _parts(name, value):
    if value is not None and (not isinstance(value, tuple) or len(value) != 2):
        raise ValueError(f"{name} is of type {type(value).__name__}: must be an Influence")
    return zip((f"{name}.syn", f"{name}.mem"), value or (None, None), strict=True)


def _buffer(name, value, shape, dtype, others):
    if value is None:
        return np.empty(shape, dtype)
    _unread(name, value, shape, dtype)
    if not isinstance(value, np.ndarray) or not value.flags.carray:
        raise ValueError(f"{name} is of type {type(value).__name__}: must be an array that "
                         "is writeable and C-contiguous")
    if any(np.may_share_memory(value, other) for other in others):
        raise ValueError(f"{name} shares memory with an argument: must be separate")
    return value


def _unread(name, value, shape, *dtypes):
    array = np.asarray(value)
    if array.shape != shape or array.dtype not in dtypes:
        raise ValueError(f"{name} is {array.dtype} {array.shape}: must be "
                         f"{np.dtype(dtypes[-1])} {shape}")
    return array
