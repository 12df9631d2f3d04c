# refsnn 0.1.0 | sparse_rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute gradients by exact or approximate real-time recurrent learning.

Real-time recurrent learning (RTRL) propagates the state derivatives of a
recurrent LIF layer forward in time, and stores no past states.  Four rules
keep different derivatives.  In the order below, they become cheaper and
less exact.  The option `rung` selects the rule.  Let theta_ij be the
weight from the signal z_j (input x_j or spike S_j) to neuron i.  The
current I_k and the membrane potential U_k of neuron k have the derivatives
s_k and u_k with respect to theta_ij.  Let psi be the surrogate derivative.
The mask clamp is 1 for refractory neurons and 0 for others.  A reset by
subtraction has r = 1 and d = threshold.  A reset to zero has r = 1 - S and
d = beta U + gain I.

    s_k[t+1] = alpha s_k[t] + [k = i] z_j[t] + R_k[t]                 (1)
    u_k[t+1] = (1 - clamp_k[t+1])
               (r_k (beta u_k + gain s_k) - d_k psi_k u_k)[t]         (2)
    "exact": all k, R_k = sum_l V_kl psi_l u_l                        (3)
    "block": k = i only, R_i = V_ii psi_i u_i         (4)  [ZN21]
    "implicit": k = i only, R_i = 0                   (5)  [ZN21]
    "presynaptic": R = clamp = d = 0 and r = 1, so all i share one trace,
    s_j[t+1] = alpha s_j[t] + z_j[t],  u_j[t+1] = (beta u_j + gain s_j)[t]
                                                      (6)  [ZN21]

Let dspikes and dmem be the direct derivatives of the loss L with respect
to the spikes S and to U.  The gradient (8) is a sum over time steps.  The
summand of step t is available at step t:

    e_k[t] = psi_k[t] u_k[t]                          (7)  [ZN21]
    dL/dtheta_ij = sum_t sum_k (dspikes_k e_k + dmem_k u_k)[t]        (8)

Rules other than "exact" have only k = i.  If a leaky readout y[t] follows
the layer, the filter of the readout is applied to the eligibility e.  With
the direct derivative a[t] = dL/dy[t],

    f_k[t+1] = beta f_k[t] + gain g_k[t],  g_k[t+1] = alpha g_k[t] + e_k[t]
    dL/dtheta_ij = sum_t sum_k (W_out^T a[t])_k f_k[t]                (9)

where alpha, beta and gain are those of the readout.

Derivation.  Eqs. (1)-(3) are the exact derivative of the LIF step.  Eqs.
    (4)-(6) neglect terms of this derivative.  The rule "block" gives the
    gradient of backpropagation that passes only through the diagonal of V.
    The rule "implicit" gives the gradient of backpropagation that does not
    pass through V.
Approximate.  The following table holds for n neurons, c signals z_j and B
    sequences:

    rule         keeps                        state      time of a step
    exact        all terms                    2 B n n c  O(B n^3 c)
    block        own decay, reset and V_ii    2 B n c    O(B n c)
    implicit     own decay and reset          2 B n c    O(B n c)
    presynaptic  own decay                    2 B c      O(B c)

    In one hidden layer, the rule "block" is exact if V is diagonal.  The
    rule "implicit" is exact if the layer has no recurrence, or if recorded
    spikes replace the recurrent spikes.  The rule "presynaptic" is exact
    if, in addition, a recorded term replaces the reset and the refractory
    clamp.  In networks of several layers, the argument `dspikes` results
    from weight transport (W^T), from feedback alignment or from a local
    loss.
Cost.   The sum (8) adds O(B n c) time to a
    step.  For the rule "exact", (8) adds O(B n^2 c) time.
Departures.  The text of [ZN21] was not available.  The names and the rules
    of this module follow descriptions of [ZN21] by other authors.  The
    following rules are related:

    e-prop       "implicit" with through_reset=False, adaptive neurons (see
                 `alif`), the filter (9), and feedback of a[t] through
                 W_out^T or a random matrix
    RFLO         "implicit" for a rate network; only the leak is kept, and
                 the feedback is random
    DECOLLE      "presynaptic" without a filter; a local random readout
                 gives the error of each step
    SuperSpike   "presynaptic" with direct feedback; as in (9), each
                 synapse filters its eligibility, with the loss kernel

[ZN21] F. Zenke and E. O. Neftci, Proceedings of the IEEE 109(5), 935-950,
    2021, arXiv 2010.11931.
"""

import math
from typing import NamedTuple

import numpy as np

from refsnn._checks import arrays, flags, float_dtype, one_of  # python -m refsnn vendor NAME FILE inlines it

__all__ = ["RUNGS", "Gradient", "Traces", "eligibility", "gradient", "lif_step",
           "readout_step", "rest"]

RUNGS = ("exact", "block", "implicit", "presynaptic")
NUMBERS = "alpha () in [0, 1), beta () in [0, 1), gain () in (0, inf)"
MODEL = {rung: (NUMBERS if rung == "presynaptic" else NUMBERS.replace("()", "(n?)"))
         + ", threshold (n?) in (0, inf)" for rung in RUNGS}


class Traces(NamedTuple):
    """Hold the derivatives of I and U with respect to the weights.

    For "exact", both arrays have the shape (B, n, n c).  Entry
    [b, k, i c + j] is s_k or u_k, the derivative with respect to theta_ij.
    The shape is (B, n, c) for "block" and "implicit", and (B, c) for
    "presynaptic".
    """

    syn: np.ndarray
    mem: np.ndarray


class Gradient(NamedTuple):
    """Hold the weight gradients, summed over steps and batch."""
    dW: np.ndarray              # (n, m)
    dV: np.ndarray | None       # (n, n); None without recurrence


def lif_step(traces, x, V, syn, mem, spikes, psi, clamp=None, *, rung, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True):
    """Advance the traces from step t to step t + 1, eqs. (1)-(6).

    >>> one = np.ones((1, 1))
    >>> traces = Traces(one[None], 4 * one[None])
    >>> [a.item() for a in lif_step(traces, one, None, one, one, one, 0 * one,
    ...                             rung="block", alpha=0.5, beta=0.5)]
    [1.5, 3.0]

    Parameters
    ----------
    traces : Traces or None
        Traces at step t; None stands for 0.
    x : (B, m) float, int or bool
        Input x[t].
    V : (n, n) float or None
        Recurrent weights; "block" uses only the diagonal.  Without recurrence,
        V is None and c = m.
    syn, mem, spikes, psi : (B, n) float
        States I[t], U[t] and S[t], and the surrogate derivative at U[t].
        The result has the dtype of `psi`.
    clamp : (B, n) bool, optional
        True for neurons that are refractory at step t + 1; none by default.
        After a call of `lif.step`, it is ``state.spikes.any(axis=0)``.
    rung : {"exact", "block", "implicit", "presynaptic"}
        Rule that determines which derivative terms are kept.
    alpha, beta, gain, threshold : float or (n,) float
        Parameters of the LIF layer; for "presynaptic", alpha, beta and gain
        must be scalars.
    reset : {"subtract", "zero"}
        Type of the reset.
    through_reset : bool
        Whether derivatives pass through the reset; unused by "presynaptic".

    Returns
    -------
    Traces
    """
    _options(rung, reset, through_reset)
    psi, x, V, *now = _present(psi, x, V, syn, mem, spikes)
    clamp = _masked(psi, clamp)
    constants = _constants("psi (B*, n*) float, " + MODEL[rung], psi, alpha, beta, gain,
                           threshold)
    z = x if V is None else np.concatenate([x, now[2]], axis=1)
    sizes = (rung, *psi.shape, z.shape[1])
    traces = rest(*sizes, psi.dtype) if traces is None \
        else _earlier("traces", traces, _shape(*sizes), psi)
    factors = _factors(*now, clamp, reset, through_reset, *constants[1:])
    return _step(traces, z, psi, V, factors, rung, *constants[:3])


def _step(traces, z, psi, V, factors, rung, alpha, beta, gain):
    syn, mem = traces
    (B, n), c = psi.shape, z.shape[1]
    if rung == "presynaptic":
        return Traces(alpha * syn + z, beta * mem + gain * syn)            # (6)
    (keep, drop), decay = factors, np.reshape(alpha, (-1, 1))
    after = (keep * beta - drop * psi)[:, :, None] * mem
    after += (keep * gain)[:, :, None] * syn                               # (2)
    new = decay * syn
    if rung != "exact":
        new += z[:, None, :]                                               # (5)
        if rung == "block" and V is not None:
            new += (np.diagonal(V) * psi)[:, :, None] * mem                # (4)
        return Traces(new, after)
    k = np.arange(n)
    new.reshape(B, n, n, c)[:, k, k] += z[:, None, :]                      # (1)
    if V is not None:
        new += V @ (psi[:, :, None] * mem)                                 # (3)
    return Traces(new, after)


def _factors(syn, mem, spikes, clamp, reset, through_reset, beta, gain, threshold):
    """Return the factors (1 - clamp) r and (1 - clamp) d of eq. (2)."""
    free = 1 - clamp
    if reset == "subtract":
        return free, free * threshold * through_reset
    return free * (1 - spikes), free * (beta * mem + gain * syn) * through_reset


def rest(rung, B, n, c, dtype=np.float64):
    """Return the initial traces, which are 0.

    >>> [rest(rung, 1, 2, 3).mem.shape for rung in RUNGS]
    [(1, 2, 6), (1, 2, 3), (1, 2, 3), (1, 3)]

    Parameters
    ----------
    rung
        As for `lif_step`.
    B, n, c : int
        Numbers of sequences, neurons and signals (inputs and spikes).
    dtype : float32 or float64
        Dtype of the traces.

    Returns
    -------
    Traces
    """
    one_of("rung", rung, *RUNGS)
    B, n, c = arrays("B () int in [0, inf), n () int in [0, inf), "
                     "c () int in [0, inf)", B, n, c)
    float_dtype(dtype)
    return Traces(*(np.zeros(_shape(rung, B, n, c), dtype) for _ in range(2)))


def _shape(rung, B, n, c):
    return {"exact": (B, n, n * c), "presynaptic": (B, c)}.get(rung, (B, n, c))


def eligibility(traces, psi):
    """Return the derivative of each spike with respect to the weights, eq. (7).

    >>> traces = Traces(np.zeros((1, 2)), np.array([[1.0, 2.0]]))
    >>> eligibility(traces, np.array([[1.0, 0.5]])).tolist()
    [[[1.0, 2.0], [0.5, 1.0]]]

    Parameters
    ----------
    traces : Traces
        Traces at step t.
    psi : (B, n) float
        Surrogate derivative at step t.  The result has the dtype of `psi`.

    Returns
    -------
    (B, n, n c) or (B, n, c) float
        Eligibility psi_k u_k for "exact", or psi_i u_ij for other rules.
    """
    psi, = arrays("psi (B*, n*) float", psi)
    mem = _earlier("traces", traces, None, psi).mem
    return psi[:, :, None] * (mem[:, None] if mem.ndim == 2 else mem)      # (7)


def readout_step(filtered, eligibility, *, alpha, beta, gain=1.0):
    """Advance the readout filter of the eligibility by one step, eq. (9).

    >>> e = np.ones((1, 1, 1))
    >>> f = readout_step(Traces(e, 4 * e), e, alpha=0.5, beta=0.5)
    >>> f.syn.item(), f.mem.item()
    (1.5, 3.0)

    The weight gradient of the layer is the sum over steps and batch of
    ``(a @ W_out)[:, :, None] * filtered.mem``.  For "exact", it is also
    summed over axis 1, and reshaped to (n, c).

    Parameters
    ----------
    filtered : Traces
        Filter states g (in `syn`) and f (in `mem`) at step t; initially 0.
    eligibility : (B, n, c) float
        Eligibility at step t.  The result has the same shape and dtype.
    alpha, beta, gain : float
        Constants of the readout, shared by all readout units.

    Returns
    -------
    Traces
    """
    e, = arrays("eligibility (B*, n*, c*) float", eligibility)
    syn, mem = _earlier("filtered", filtered, e.shape, e)
    alpha, beta, gain = _constants("eligibility (B*, n*, c*) float, " + NUMBERS, e,
                                   alpha, beta, gain)
    return Traces(alpha * syn + e, beta * mem + gain * syn)                # (9)


def gradient(x, V, recording, psi, dspikes=None, dmem=None, *, rung, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True):
    """Compute the gradient of a recorded layer forward in time, eq. (8).

    >>> one = np.ones((3, 1, 1))
    >>> gradient(one, None, (0 * one,) * 4, one, one, rung="implicit",
    ...          alpha=0.5, beta=0.5).dW.tolist()
    [[1.0]]

    Parameters
    ----------
    x, psi : (T, B, m) and (T, B, n) float
        Input and surrogate derivative.  The result has the dtype of `psi`.
    recording : tuple of (T, B, n) arrays
        Currents, membrane potentials, spikes and refractory mask (0 or 1).
    dspikes, dmem : (T, B, n) float, optional
        Derivatives dL/dS and dL/dU through all later layers, but not through
        the recurrence of this layer.
    V, rung, alpha, beta, gain, threshold, reset, through_reset
        As for `lif_step`.

    Returns
    -------
    Gradient
    """
    _options(rung, reset, through_reset)
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is {recording!r:.60}: must be a tuple of syn, "
                         "mem, spikes and clamp")
    psi, x, V, dspikes, dmem, syn, mem, spikes, clamp, *constants = arrays(
        "psi (T, B, n) float, x (T, B, m*), V? (n, n), dspikes? (T, B, n), "
        "dmem? (T, B, n), recording.syn (T, B, n), recording.mem (T, B, n), "
        "recording.spikes (T, B, n), recording.clamp (T, B, n) in {0, 1}, "
        + MODEL[rung], psi, x, V, dspikes, dmem, *recording, alpha, beta, gain,
        threshold)
    credit = np.zeros_like(psi)
    credit += 0 if dmem is None else dmem
    credit += 0 if dspikes is None else psi * dspikes
    z = x if V is None else np.concatenate([x, spikes], axis=2)
    (T, B, n), m, c = psi.shape, x.shape[2], z.shape[2]
    traces = rest(rung, B, n, c, psi.dtype)
    sums = {"exact": "bk,bkp->p", "presynaptic": "bi,bj->ij"}.get(rung, "bi,bij->ij")
    total = np.zeros(n * c if rung == "exact" else (n, c), psi.dtype)
    for t in range(1, T):
        factors = _factors(syn[t - 1], mem[t - 1], spikes[t - 1], clamp[t], reset,
                           through_reset, *constants[1:])
        traces = _step(traces, z[t - 1], psi[t - 1], V, factors, rung, *constants[:3])
        total += np.einsum(sums, credit[t], traces.mem)                    # (8)
    total = total.reshape(n, c)
    return Gradient(total[:, :m], None if V is None else total[:, m:])


def _options(rung, reset, through_reset):
    one_of("rung", rung, *RUNGS)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset", through_reset)


def _fit(*pairs):
    """Return True if all arrays have the given shapes, one common float dtype and
    a finite sum of squares."""
    dtype = getattr(pairs[0][0], "dtype", None)
    return dtype in (np.float32, np.float64) and all(
        type(a) is np.ndarray and a.dtype == dtype and a.shape == shape
        and math.isfinite(np.vdot(a, a)) for a, shape in pairs)


def _present(psi, x, V, syn, mem, spikes):
    psi, shape = np.asarray(psi), np.shape(psi)
    x, spikes = (a.astype(psi.dtype) if type(a) is np.ndarray and a.dtype == bool else a
                 for a in (x, spikes))
    if len(shape) == 2 and _fit(
            *((a, shape) for a in (psi, syn, mem, spikes)),
            (x, (shape[0], *np.shape(x)[1:2])),
            (psi if V is None else V, shape if V is None else 2 * shape[1:])):
        return psi, x, V, syn, mem, spikes
    return arrays("psi (B*, n*) float, x (B*, m*), V? (n*, n*), syn (B*, n*), "
                  "mem (B*, n*), spikes (B*, n*)", psi, x, V, syn, mem, spikes)


def _masked(psi, clamp):
    if clamp is None:
        return np.zeros_like(psi)
    if type(clamp) is np.ndarray and clamp.dtype == bool and clamp.shape == psi.shape:
        return clamp.astype(psi.dtype)
    return arrays("psi (B*, n*) float, clamp (B*, n*) in {0, 1}", psi, clamp)[1]


def _constants(spec, psi, *numbers):
    if all(type(number) is float for number in numbers) \
            and all([0 <= number < 0.9999 for number in numbers[:2]]) \
            and all([1e-9 < number < 1e9 for number in numbers[2:]]):
        return np.array(numbers, psi.dtype)
    return arrays(spec, psi, *numbers)[1:]


def _earlier(name, traces, shape, psi):
    if not isinstance(traces, tuple) or len(traces) != 2:
        raise ValueError(f"{name} is of type {type(traces).__name__}: must be Traces")
    syn, mem = traces
    shape = shape or (*psi.shape[:1 if np.ndim(mem) == 2 else 2], *np.shape(mem)[-1:])
    if _fit((psi, psi.shape), (syn, shape), (mem, shape)):
        return Traces(syn, mem)
    return Traces(*arrays(f"{name}.syn {shape}, {name}.mem {shape}", syn, mem,
                          dtype=psi.dtype))
