# refsnn 0.1.0 | sparse_rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute gradients by exact or approximate real-time recurrent learning.

Real-time recurrent learning (RTRL) propagates the state derivatives of a
recurrent layer of leaky integrate-and-fire (LIF) neurons forward in time,
and stores no past states.  The option `rule` selects exact RTRL or one of
three cheaper approximations, which neglect some derivatives.  Let
z = [x, S] be the presynaptic values of the layer, which are m inputs x and
n spikes S.  Without recurrence, z contains only the inputs.  Let theta_ij
be the weight from z_j to neuron i.  The current I_k and the membrane
potential U_k of neuron k have the derivatives s_k and u_k with respect to
theta_ij.  Let psi be the surrogate derivative dS/dU.  The mask clamp is 1
for refractory neurons, which are held at U = 0, and 0 for others.  A reset
by subtraction has r = 1 and drop = threshold.  A reset to zero has
r = 1 - S and drop = beta U + gain I.

    s_k[t+1] = alpha s_k[t] + [k = i] z_j[t] + R_k[t]                 (1)
    u_k[t+1] = (1 - clamp_k[t+1])
               (r_k (beta u_k + gain s_k) - drop_k psi_k u_k)[t]      (2)
    "exact": all k, R_k = sum_l V_kl psi_l u_l        (3)  [ZN21]
    "block": k = i only, R_i = V_ii psi_i u_i         (4)  [ZN21]
    "implicit": k = i only, R_i = 0                   (5)  [ZN21]
    "presynaptic": R = clamp = drop = 0 and r = 1, so all i share one
    trace, s_j[t+1] = alpha s_j[t] + z_j[t],
    u_j[t+1] = (beta u_j + gain s_j)[t]               (6)  [ZN21]

Let dspikes and dmem be the direct derivatives of the loss L with respect
to S and U, with all other states held constant.  The eligibility trace e_k
is the surrogate derivative of S_k with respect to theta_ij.  Term t of the
gradient (8) can be computed at step t:

    e_k[t] = psi_k[t] u_k[t]                          (7)  [ZN21]
    dL/dtheta_ij = sum_t sum_k (dspikes_k e_k + dmem_k u_k)[t]        (8)

Rules other than "exact" keep only the terms with k = i.  If a leaky
readout y[t] with the weights W_out follows the layer, the filter of the
readout is applied to the eligibility.  With dy[t] = dL/dy[t],

    f_k[t+1] = beta f_k[t] + gain g_k[t],  g_k[t+1] = alpha g_k[t] + e_k[t]
    dL/dtheta_ij = sum_t sum_k (W_out^T dy[t])_k f_k[t]               (9)

In (9), alpha, beta and `gain` are the constants of the readout.

Derivation.  Eqs. (1)-(3) are the total derivatives of the next state of
    the layer with respect to the weights.  The rule "exact" gives the same
    gradient as the module `rtrl`, but is faster, because it skips the
    entries of the Jacobians that are always 0.  The rule "block" gives the
    same gradient as backpropagation through time if the backward pass uses
    only the diagonal entries of V.  The rule "implicit" treats recurrent
    spikes as constants: it neglects all derivatives that pass through the
    recurrent weights V.
Approximate.  The rule "exact" computes the surrogate gradient without
    error if the refractory mask is treated as a constant.  The table
    counts the derivatives that are stored for B sequences.  In the table,
    "own" denotes derivatives of a neuron's states with respect to earlier
    states of the same neuron.  Without recurrence, m + n becomes m:

    rule         keeps                      stored         time of a step
    exact        all terms                  2 B n n (m+n)  O(B n^3 (m+n))
    block        own decay, reset and V_ii  2 B n (m+n)    O(B n (m+n))
    implicit     own decay and reset        2 B n (m+n)    O(B n (m+n))
    presynaptic  own decay                  2 B (m+n)      O(B (m+n))

    In a network with one hidden layer, the rule "block" is exact if V is
    diagonal.  The rule "implicit" is exact if recurrent spikes are absent
    or treated as constants.  The rule "presynaptic" is exact if there
    are no recurrent spikes, no resets and no refractory neurons.
Cost.   In each step, the gradient (8) takes O(B n^2 (m + n)) additional
    time for the rule "exact", and O(B n (m + n)) for other rules.
Departures.  The equations come from descriptions of [ZN21] in other
    sources, and not from [ZN21] itself.  The following rules are related:

    e-prop       "implicit" with through_reset=False, adaptive neurons (see
                 `alif`), the filter (9), and feedback of dy[t] through
                 W_out^T or a random matrix
    RFLO         "implicit" for a rate network; only the leak is kept, and
                 the feedback is random
    DECOLLE      "presynaptic" without a filter; a local random readout
                 gives the error of each step
    SuperSpike   "presynaptic" with direct feedback; as in (9), each
                 synapse filters its eligibility, with the loss kernel

[ZN21] F. Zenke and E. O. Neftci, Proc. IEEE 109, 2021, arXiv 2010.11931.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, buffer, bundle, flags, float_dtype, one_of, shown

__all__ = ["RULES", "eligibility", "gradient", "lif_step", "readout_step", "rest"]

RULES = ("exact", "block", "implicit", "presynaptic")
LEAK = "alpha () in [0, 1), beta () in [0, 1), gain () in (0, inf)"
MODEL = {rule: (LEAK if rule == "presynaptic" else LEAK.replace("()", "(n?)"))
         + ", threshold (n?) in (0, inf)" for rule in RULES}


class Recording(NamedTuple):
    """Hold a recording.  The function `gradient` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    clamp: np.ndarray
    __repr__ = shown


class Traces(NamedTuple):
    """Hold the traces.  The function `rest` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold the gradient.  The function `gradient` describes the fields."""
    dW: np.ndarray
    dV: np.ndarray | None
    __repr__ = shown


def lif_step(traces, x, V, syn, mem, spikes, psi, clamp=None, *, rule, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True, out=None):
    """Compute the `Traces` s and u at the next step, eqs. (1)-(6).

    >>> one = np.ones((1, 1))
    >>> traces = Traces(one[None], 4 * one[None])
    >>> [a.item() for a in lif_step(traces, one, None, one, one, one, 0 * one,
    ...                             rule="block", alpha=0.5, beta=0.5)]
    [1.5, 3.0]

    Parameters
    ----------
    traces : Traces or None
        Traces at step t, or None at the start.  Non-finite entries are found
        only if the traces do not have the dtype of `psi`.
    x : (B, m) float, int or bool
    V : (n, n) float or None; "block" uses only the diagonal
    syn, mem, spikes, psi : (B, n) float
        I[t], U[t], S[t] and surrogate derivative, of the dtype of the result.
    clamp : (B, n) bool, optional
        True for neurons that are refractory at step t + 1; none by default.
        After `lif.step`, clamp is ``state.spikes.any(axis=0)``.
    rule : {"exact", "block", "implicit", "presynaptic"}
    alpha, beta, gain, threshold : float or (n,) float
        Constants; for "presynaptic", alpha, beta and gain must be scalars.
    reset : {"subtract", "zero"}
    through_reset : bool
        Whether derivatives pass through the reset; unused by "presynaptic".
    out : Traces, separate buffers for the result, optional
    """
    one_of("rule", rule, *RULES)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset", through_reset)
    psi, x, V, *now, clamp, alpha, beta, gain, threshold = arrays(
        "psi (B*, n) float, x (B*, m*), V? (n, n), syn (B*, n), mem (B*, n), "
        "spikes (B*, n), clamp? (B*, n) in {0, 1}, " + MODEL[rule], psi, x, V, syn,
        mem, spikes, clamp, alpha, beta, gain, threshold)
    z = x if V is None else np.concatenate([x, now[2]], axis=1)
    shape = _shape(rule, *psi.shape, z.shape[1])
    traces = rest(rule, *psi.shape, z.shape[1], psi.dtype) if traces is None else \
        _checked(traces, shape, psi)
    new = Traces(*np.empty((2, *shape), psi.dtype)) if out is None else \
        _buffers(out, shape, (psi, x, V, *now, *traces))
    factors = None if rule == "presynaptic" else _factors(
        now, psi, clamp, reset, through_reset, beta, gain, threshold)
    _advance(traces, z, psi, V, factors, rule, alpha, beta, gain, new)
    return new


def _factors(now, psi, clamp, reset, through_reset, beta, gain, threshold):
    syn, mem, spikes = now
    free = np.ones_like(psi) if clamp is None else 1 - clamp
    r = 1 if reset == "subtract" else 1 - spikes
    kept = free * r
    drop = free * (threshold if reset == "subtract" else beta * mem + gain * syn)
    return kept * beta - drop * psi * through_reset, kept * gain


def _advance(traces, z, psi, V, factors, rule, alpha, beta, gain, new):
    (syn, mem), (after_syn, after_mem), (B, n) = traces, new, psi.shape
    if rule == "presynaptic":
        np.multiply(alpha, syn, out=after_syn)
        after_syn += z
        np.multiply(beta, mem, out=after_mem)
        after_mem += gain * syn                                            # (6)
        return
    np.multiply(np.reshape(alpha, (-1, 1)), syn, out=after_syn)
    if rule != "exact":
        after_syn += z[:, None, :]                                         # (5)
        if rule == "block" and V is not None:
            after_syn += (np.diagonal(V) * psi)[:, :, None] * mem          # (4)
    else:
        if V is not None:                                   # after_mem is a buffer
            np.matmul(V * psi[:, None, :], mem, out=after_mem)             # (3)
            after_syn += after_mem                                         # (3)
        own = np.einsum("biij->bij", after_syn.reshape(B, n, n, z.shape[1]))  # a view
        own += z[:, None, :]                                               # (1)
    by_mem, by_syn = (factor[:, :, None] for factor in factors)
    np.multiply(by_mem, mem, out=after_mem)
    after_mem += syn if (by_syn == 1).all() else by_syn * syn              # (2)


def rest(rule, B, n, count, dtype=np.float64):
    """Return the initial traces, which are 0.

    >>> [rest(rule, 1, 2, 3).mem.shape for rule in RULES]
    [(1, 2, 6), (1, 2, 3), (1, 2, 3), (1, 3)]

    Parameters
    ----------
    rule : as for `lif_step`
    B, n, count : int
        Numbers of sequences, of neurons and of presynaptic values z.
    dtype : float32 or float64

    Returns
    -------
    Traces
        Arrays of equal shapes.  Without recurrence, m + n becomes m:

        exact            (B, n, n (m + n)), entry [b, k, i (m + n) + j] is the
                         derivative for neuron k and weight theta_ij
        block, implicit  (B, n, m + n), entry [b, i, j] for theta_ij
        presynaptic      (B, m + n), entry [b, j] for all theta_ij

        syn, mem  derivatives of currents and of potentials by the weights
    """
    one_of("rule", rule, *RULES)
    B, n, count = arrays("B () int in [0, inf), n () int in [0, inf), "
                         "count () int in [0, inf)", B, n, count)
    shape = _shape(rule, B, n, count)
    return Traces(*(np.zeros(shape, float_dtype(dtype)) for _ in range(2)))


def _shape(rule, B, n, count):
    return {"exact": (B, n, n * count), "presynaptic": (B, count)}.get(
        rule, (B, n, count))


def eligibility(traces, psi):
    """Return the array of eligibility traces, eq. (7).  For the rule "exact",
    the traces have the shape (B, n, n (m + n)).  For other rules, the traces
    have the shape (B, n, m + n).

    >>> traces = Traces(np.zeros((1, 2)), np.array([[1.0, 2.0]]))
    >>> eligibility(traces, np.array([[1.0, 0.5]])).tolist()
    [[[1.0, 2.0], [0.5, 1.0]]]

    Parameters
    ----------
    traces, psi : Traces and (B, n) float
        Traces and surrogate derivative at step t, of the dtype of the result.
    """
    psi, syn, mem = arrays("psi (B*, n) float, traces.syn (...), traces.mem (...)",
                           psi, *bundle("traces", traces, Traces))
    axes = "B*, c*" if mem.ndim == 2 else "B*, n, c*"
    arrays(f"psi (B*, n), traces.syn ({axes}), traces.mem ({axes})", psi, syn, mem)
    return psi[:, :, None] * (mem[:, None] if mem.ndim == 2 else mem)      # (7)


def readout_step(filtered, eligibility, *, alpha, beta, gain=1.0):
    """Return the filter states g and f of eq. (9) at the next step, as `Traces`.

    >>> e = np.ones((1, 1, 1))
    >>> f = readout_step(Traces(e, 4 * e), e, alpha=0.5, beta=0.5)
    >>> f.syn.item(), f.mem.item()
    (1.5, 3.0)

    Let p be the product ``(dy @ W_out)[:, :, None] * filtered.mem``.  To
    obtain the gradient (9), sum p over steps and batch.  With rule="exact",
    sum the product p over steps, batch and axis 1, and reshape to (n, m + n).

    Parameters
    ----------
    filtered : Traces
        Filter states g (in `syn`) and f (in `mem`) at step t; initially 0.
    eligibility : (B, n, count) float at step t, like the result
    alpha, beta, gain : float, the constants of all readout units
    """
    e, syn, mem, alpha, beta, gain = arrays(
        "eligibility (B*, n, c*) float, filtered.syn (B*, n, c*), "
        "filtered.mem (B*, n, c*), " + LEAK, eligibility,
        *bundle("filtered", filtered, Traces), alpha, beta, gain)
    return Traces(alpha * syn + e, beta * mem + gain * syn)                # (9)


def gradient(x, V, recording, psi, dspikes=None, dmem=None, *, rule, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True):
    """Compute the gradient of the loss from the recording of a layer, eq. (8).

    >>> one = np.ones((3, 1, 1))
    >>> gradient(one, None, (0 * one,) * 4, one, one, rule="implicit",
    ...          alpha=0.5, beta=0.5).dW.tolist()
    [[1.0]]

    Parameters
    ----------
    x, psi : (T, B, m) and (T, B, n) float
        Input and surrogate derivative.  The result has the dtype of `psi`.
    recording : Recording
        Result of `lif.simulate`, or a tuple with the same fields:

        syn, mem, spikes  (T, B, n) currents I, potentials U and spikes S
        clamp             (T, B, n), 1 for refractory neurons, otherwise 0
    dspikes, dmem : (T, B, n) float, optional direct derivatives dL/dS, dL/dU
    V, rule, alpha, beta, gain, threshold, reset, through_reset : as for
        `lif_step`

    Returns
    -------
    Gradient
        dW  (n, m)
        dV  (n, n), or None without recurrence
    """
    one_of("rule", rule, *RULES)
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset", through_reset)
    psi, x, V, dspikes, dmem, *now, clamp, alpha, beta, gain, threshold = arrays(
        "psi (T, B, n) float, x (T, B, m*), V? (n, n), dspikes? (T, B, n), "
        "dmem? (T, B, n), recording.syn (T, B, n), recording.mem (T, B, n), "
        "recording.spikes (T, B, n), recording.clamp (T, B, n) in {0, 1}, "
        + MODEL[rule], psi, x, V, dspikes, dmem,
        *bundle("recording", recording, Recording), alpha, beta, gain, threshold)
    q = np.zeros_like(psi)
    q += 0 if dmem is None else dmem
    q += 0 if dspikes is None else psi * dspikes
    z = x if V is None else np.concatenate([x, now[2]], axis=2)
    (T, B, n), m, count = psi.shape, x.shape[2], z.shape[2]
    factors = _factors([field[:-1] for field in now], psi[:-1], clamp[1:], reset,
                       through_reset, beta, gain, threshold)
    traces, new = (rest(rule, B, n, count, psi.dtype) for _ in range(2))
    total = np.zeros((n, count), psi.dtype)
    for t in range(T - 1):
        _advance(traces, z[t], psi[t], V, [factor[t] for factor in factors], rule,
                 alpha, beta, gain, new)
        traces, new = new, traces
        total += _product(rule, q[t + 1], traces.mem)                      # (8)
    return Gradient(total[:, :m], None if V is None else total[:, m:])


def _product(rule, q, mem):
    if rule == "exact":
        (B, n), count = q.shape, mem.shape[2] // q.shape[1]
        return (q.reshape(-1) @ mem.reshape(B * n, -1)).reshape(n, count)
    return np.einsum("bi,bj->ij" if rule == "presynaptic" else "bi,bij->ij", q, mem)


def _checked(traces, shape, psi):
    traces = bundle("traces", traces, Traces)
    if all(type(a) is np.ndarray and a.dtype == psi.dtype and a.shape == shape
           for a in traces):
        return traces
    axes = f"({'B*, n' if len(shape) == 3 else 'B*'}, {shape[-1]})"
    return Traces(*arrays(f"psi (B*, n) float, traces.syn {axes}, traces.mem {axes}",
                          psi, *traces)[1:])


def _buffers(out, shape, others):
    found = Traces(*(buffer(name, value, shape, others[0].dtype, others)
                     for name, value in zip(("out.syn", "out.mem"),
                                            bundle("out", out, Traces), strict=True)))
    if np.may_share_memory(*found):
        raise ValueError("out.syn and out.mem share memory: must be separate")
    return found
