# refsnn 0.1.0 | alif.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module implements adaptive spiking neurons and the e-prop rule.

An adaptive leaky integrate-and-fire (ALIF) neuron has a synaptic current
I, a membrane potential U, an adaptation A and spikes S.  Each spike raises
the threshold by the constant a (the argument `adaptation`).  This increase
decays between spikes.  The mask clamp[t] is 1 for refractory neurons,
which cannot spike.  H is the Heaviside step function with H(0) = 0:

    S[t] = (1 - clamp[t]) H(U[t] - a A[t] - threshold)   (1)  [BSS20]
    I[t+1] = alpha I[t] + W x[t] + V S[t]                (2)
    U[t+1] = beta U[t] + gain I[t] - threshold S[t]      (3)  [BSS20]
    A[t+1] = rho A[t] + S[t]                             (4)  [BSS20]
    refractory=k:
    clamp[t] = 1 if any of S[t-k .. t-1] is 1 else 0     (5)

At rest, I, U and A are 0.  Let psi be the surrogate derivative of H, set
to 0 for refractory neurons.  In a recurrent layer, the presynaptic values
z are the m inputs x and the n spikes S.  Without recurrence, z is x.  The
weight P_ij from z_j to neuron i is an entry of W or V.  The traces s_j,
u_j and eps_ij approximate the derivatives of I_i, U_i and A_i,
respectively, with respect to P_ij.  The arrays dspikes and dmem are the
direct derivatives of the loss L with respect to S and U, with all other
states held constant.  The e-prop rule computes the gradient forward in
time from the eligibility traces e_ij:

    s_j[t+1] = alpha s_j[t] + z_j[t],  u_j[t+1] = beta u_j[t] + gain s_j[t]
                                                         (6)  [BSS20]
    eps_ij[t+1] = (rho - a psi_i[t]) eps_ij[t] + psi_i[t] u_j[t]
                                                         (7)  [BSS20]
    e_ij[t] = psi_i[t] (u_j[t] - a eps_ij[t])            (8)  [BSS20]
    dL/dP_ij = sum_t (dspikes_i e_ij + dmem_i u_j)[t]    (9)  [BSS20]

Derivation.  For the state h = [I, U, A], J[t] is the Jacobian
    dh[t]/dh[t-1], F[t] is the derivative of h[t] with respect to the
    weights at fixed h[t-1], and q[t] is the direct derivative of L with
    respect to h[t].  In (10), psi is psi[t-1]:

    J[t] = [[alpha, V psi,                 -V psi a            ],
            [gain,  beta - threshold psi,   threshold psi a    ],
            [0,     psi,                    rho - a psi        ]]    (10)
    F[t]: dI_i[t]/dW_ij = x_j[t-1],  dI_i[t]/dV_ij = S_j[t-1]        (11)
    q[t] = [0, dmem + psi dspikes, -a psi dspikes][t]                (12)

    The total derivative M[t] of h[t] with respect to the weights obeys
    M[t] = J[t] M[t-1] + F[t].  The e-prop rule omits the four terms of J
    that contain V or the threshold.  In (6), all neurons share s_j and
    u_j.  Therefore, alpha, beta and gain must be the same for all neurons.

    If alpha, beta, gain, threshold, rho and a are learned, F[t] has six
    more columns for each neuron i.  With dS_i/dthreshold_i = -psi_i,
    dS_i/da_i = -psi_i A_i and right-hand sides at step t - 1, these are

    F[t]: dI_i[t]/dalpha_i = I_i,  dA_i[t]/drho_i = A_i,
          dU_i[t]/dbeta_i = U_i,   dU_i[t]/dgain_i = I_i             (13)
          d[I_j, U_i, A_i][t]/dthreshold_i =
              [-V_ji psi_i, threshold_i psi_i - S_i, -psi_i]         (14)
          d[I_j, U_i, A_i][t]/da_i =
              [-V_ji psi_i, threshold_i psi_i, -psi_i] A_i           (15)

    If all neurons share a constant, its column is the sum over all
    neurons.  If the loss depends on spikes, the caller must add direct
    derivatives: to dL/dthreshold_i the sum of -psi_i dspikes_i over steps
    and batch, and to dL/da_i the sum of -psi_i A_i dspikes_i.
    `through_recurrence=False` omits the terms with V psi, and
    `through_reset=False` omits the terms with threshold psi.  The gradient
    is then exact for a simulation whose recurrence or reset uses recorded
    spikes.
Approximate.  The functions `linearise` and `credit` are exact, except that
    psi replaces dS/dU, and that the mask clamp is treated as a constant.
    The result of `gradient` equals the exact gradient with
    through_recurrence=False and through_reset=False.
Cost.   `trace_step` takes O(B n (m + n)) time and memory.  `linearise`
    takes O(T B n p) time and memory for p parameters.
Departures.  The neuron model of [BSS20] has no synaptic current.  With
    alpha = 0, a neuron has the same dynamics as in [BSS20], except that
    spikes arrive one step later and inputs arrive two steps later.  In
    [BSS20], the eligibility trace e is filtered with the dynamics of the
    readout, as in the function `sparse_rtrl.readout_step`.  The code of
    [BSS20] removes connections from a neuron to itself.

[BSS20] G. Bellec et al., Nat. Commun. 11, 3625, 2020.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, one_of, shown

__all__ = ["credit", "eligibility", "gradient", "linearise", "run", "simulate", "step",
           "trace_step"]

NEURONS = ("V? (n, n), alpha (n?) in [0, 1), beta (n?) in [0, 1), rho (n?) in [0, 1), "
           "adaptation (n?) in [0, inf), gain (n?) in (0, inf), "
           "threshold (n?) in (0, inf)")
LAYER = "W (n, m*) float, x (T, B, m*), " + NEURONS
CONSTANTS = ("alpha () in [0, 1), beta () in [0, 1), gain () in (0, inf), "
             "rho (n?) in [0, 1), adaptation (n?) in [0, inf)")
SPIKES = "recording.spikes (T*, B*, n), recording.clamp (T*, B*, n) in {0, 1}"
RECORDING = ("recording.syn (T, B, n), recording.mem (T, B, n), "
             "recording.adapted (T, B, n), " + SPIKES)
TRACES = ("traces.syn (B*, m+n*), traces.mem (B*, m+n*), "
          "traces.adapted (B*, n, m+n*)")
SPIKE = 0.5     # entries of State.spikes above SPIKE are spikes in (5)


class Recording(NamedTuple):
    """Hold recorded states.  The function `simulate` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    adapted: np.ndarray
    spikes: np.ndarray
    clamp: np.ndarray
    __repr__ = shown


class State(NamedTuple):
    """Hold the last states.  The function `run` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    adapted: np.ndarray
    spikes: np.ndarray = None
    __repr__ = shown


class Traces(NamedTuple):
    """Hold the e-prop traces.  The function `trace_step` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    adapted: np.ndarray
    __repr__ = shown


def simulate(x, W, V=None, *, alpha, beta, rho, adaptation, gain=1.0, threshold=1.0,
             refractory=0, spike: Callable = None, clamp=None, reset_spikes=None,
             recurrent_spikes=None):
    """Simulate one ALIF layer from rest over T steps, eqs. (1)-(5).

    >>> run = simulate(np.ones((9, 1, 1)), np.array([[1.5]]), alpha=0.0,
    ...                beta=0.0, rho=0.5, adaptation=1.0)
    >>> run.spikes.ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]

    Parameters
    ----------
    x : (T, B, m) float, int or bool
    W, V : (n, m) float, (n, n) float or None
        Weights, in the unit of the threshold.  Results have the dtype of W.
    alpha, beta, rho : float or (n,) float
        Decay factors of I, U and A in one step, in [0, 1).
    adaptation, gain, threshold : float or (n,) float
        Threshold increase a >= 0 per spike (0 for LIF neurons), positive gain
        of the current, and positive resting threshold.
    refractory : int
        Number of steps after a spike in which the neuron cannot spike.
    spike : callable (t, v) -> (B, n) float, optional
        Function of v = U - a A that replaces H(v - threshold) in (1).
    clamp, reset_spikes, recurrent_spikes : (T, B, n), optional
        Recorded values of the mask and of the spikes in reset and recurrence.

    Returns
    -------
    Recording
        syn, mem         currents I and potentials U, (T, B, n)
        adapted, spikes  adaptations A and spikes S, (T, B, n)
        clamp            bool, True where a neuron cannot spike, (T, B, n)
    """
    return run(x, W, V, alpha=alpha, beta=beta, rho=rho, adaptation=adaptation,
               gain=gain, threshold=threshold, refractory=refractory, spike=spike,
               clamp=clamp, reset_spikes=reset_spikes,
               recurrent_spikes=recurrent_spikes)[0]


def run(x, W, V=None, state=None, *, alpha, beta, rho, adaptation, gain=1.0,
        threshold=1.0, refractory=0, spike: Callable = None, clamp=None,
        reset_spikes=None, recurrent_spikes=None):
    """Simulate one ALIF layer from a given state, eqs. (1)-(5).

    >>> rec, state = run(np.ones((3, 1, 1)), np.array([[1.5]]), alpha=0.0,
    ...                  beta=0.0, rho=0.5, adaptation=1.0)
    >>> rec.spikes.ravel().tolist(), [float(a[0, 0]) for a in state[:3]]
    ([0.0, 0.0, 1.0], [1.5, 0.5, 1.0])

    Parameters
    ----------
    x, W, V, alpha, beta, rho, adaptation, gain, threshold, refractory, spike,
    clamp, reset_spikes, recurrent_spikes
        Arguments of `simulate`.  Step 0 is the first step of this simulation.
    state : State at step 0, optional; rest by default

    Returns
    -------
    recording : Recording, as from `simulate`, of the steps 0 to T - 1
    state : State
        syn, mem, adapted  I[T], U[T] and A[T], (B, n)
        spikes             spikes of the last `refractory` steps, oldest step
                           first, (refractory, B, n); as an argument, None
                           means no spikes
    """
    W, x, V, *constants, clamp, resets, sent, refractory = arrays(
        LAYER + ", clamp? (T, B, n) in {0, 1}, reset_spikes? (T, B, n), "
        "recurrent_spikes? (T, B, n), refractory () int in [0, inf)", W, x, V, alpha,
        beta, rho, adaptation, gain, threshold, clamp, reset_spikes, recurrent_spikes,
        refractory)
    one_of("spike", spike, Callable, type(None))
    if refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be given if spike is and refractory > 0")
    if V is None and recurrent_spikes is not None:
        raise ValueError("recurrent_spikes is given: must be None, because V is None")
    (T, B, m), n = x.shape, W.shape[0]
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    return _scan(drive, "x@W.T", V, state, constants, refractory, spike, clamp,
                 resets, sent)


def step(drive, V=None, state=None, *, alpha, beta, rho, adaptation, gain=1.0,
         threshold=1.0, refractory=0):
    """Simulate step t of an ALIF layer, eqs. (1)-(5).  Return a `Recording` of
    (B, n) arrays, and the `State` at step t + 1.

    >>> state = State(*np.full((3, 1, 1), 2.0))
    >>> now, state = step(np.array([[4.0]]), None, state, alpha=0.5, beta=0.5,
    ...                   rho=0.5, adaptation=0.25)
    >>> float(now.spikes[0, 0]), [float(a[0, 0]) for a in state[:3]]
    (1.0, [5.0, 2.0, 2.0])

    Parameters
    ----------
    drive : (B, n) float, ``x[t] @ W.T``, of the dtype of the results
    V, state, alpha, beta, rho, adaptation, gain, threshold, refractory
        Arguments of `run`.
    """
    drive, V, *constants, refractory = arrays(
        f"drive (B, n) float, {NEURONS}, refractory () int in [0, inf)", drive, V,
        alpha, beta, rho, adaptation, gain, threshold, refractory)
    recording, state = _scan(drive[None], "drive", V, state, constants, refractory)
    return Recording(*(field[0] for field in recording)), state


def _scan(drive, source, V, state, constants, k, spike=None, recorded=None, resets=None,
          sent=None):
    (T, B, n), (alpha, beta, rho, a, gain, threshold) = drive.shape, constants
    syn, mem, adapted, spikes = (
        np.zeros((rows, B, n), drive.dtype)
        for rows in (T + 1, T + 1, T + 1, k + T))       # k rows of the past
    clamp = np.zeros((T, B, n), bool) if recorded is None else recorded > 0
    if state is not None:
        syn[0], mem[0], adapted[0], spikes[:k] = _checked(
            "state", state, drive[0], source, k)
    fired = spikes[k:]
    resets, sent = (fired if s is None else s for s in (resets, sent))
    for t in range(T):
        if recorded is None and k:
            clamp[t] = spikes[t:t + k].any(axis=0)                         # (5)
        v = mem[t] - a * adapted[t]                                        # (1)
        if spike is None:
            fired[t] = v > threshold                                       # (1)
        else:
            fired[t], = arrays(f"spike(t,v) ({B}, {n})", spike(t, v))
        fired[t] *= ~clamp[t]                                              # (1)
        syn[t + 1] = alpha * syn[t] + drive[t]                             # (2)
        if V is not None:
            syn[t + 1] += sent[t] @ V.T                                    # (2)
        leak = beta * mem[t] + gain * syn[t]
        mem[t + 1] = leak - threshold * resets[t]                          # (3)
        adapted[t + 1] = rho * adapted[t] + fired[t]                       # (4)
    return Recording(syn[:T], mem[:T], adapted[:T], fired, clamp), State(
        syn[T].copy(), mem[T].copy(), adapted[T].copy(), spikes[T:].copy())


def linearise(x, W, V, recording, psi, after=None, *, alpha, beta, rho, adaptation,
              gain=1.0, threshold=1.0, through_reset=True, through_recurrence=True,
              constants=False):
    """Return two derivatives of the states h[t]: J with respect to h[t-1], and F
    with respect to the parameters, eqs. (10), (11), (13)-(15).

    >>> x, W = np.zeros((2, 1, 1)), np.ones((1, 1))
    >>> J, F = linearise(x, W, None, (x,) * 5, x, alpha=0.5, beta=0.25,
    ...                  rho=0.75, adaptation=2.0)
    >>> J[1, 0].tolist()
    [[0.5, 0.0, 0.0], [1.0, 0.25, 0.0], [0.0, 0.0, 0.75]]

    Parameters
    ----------
    x, W, V, alpha, beta, rho, adaptation, gain, threshold
        Arguments of `simulate`; V may be None.
    recording : Recording, result of `simulate`
    psi : (T, B, n) float
        Surrogate derivative at ``mem - adaptation * adapted - threshold``.
    after : State at step T, optional; if given, the results include step T
    through_reset, through_recurrence : bool
        Whether derivatives pass through the reset and the recurrent spikes.
    constants : bool, whether F includes the columns of eqs. (13)-(15)

    Returns
    -------
    J : (T, B, 3n, 3n) or (T + 1, B, 3n, 3n) float
        ``J[t] = dh[t]/dh[t-1]`` of h = [syn, mem, adapted]; J[0] is 0.
    F : (T, B, 3n, p) or (T + 1, B, 3n, p) float
        Derivative of h[t] with respect to the parameters at fixed h[t-1], with
        columns for the entries of W, then of V, row by row.  With `constants`,
        columns for alpha, beta, gain, threshold, rho and a follow.
    """
    W, x, V, alpha, beta, rho, a, gain, threshold, psi, *states, spikes, clamp = \
        arrays(f"{LAYER}, psi (T, B, n), {RECORDING}", W, x, V, alpha, beta, rho,
               adaptation, gain, threshold, psi,
               *bundle("recording", recording, Recording))
    flags("through_reset through_recurrence constants", through_reset,
          through_recurrence, constants)
    (T, B, m), n, psi = x.shape, W.shape[0], psi * (1 - clamp)
    if after is not None:
        _checked("after", after, states[0][0], "recording.syn[0]")
    last, weights = T - (after is None), n * m + (0 if V is None else n * n)
    J, F = (np.zeros((last + 1, B, 3 * n, columns), W.dtype)
            for columns in (3 * n, weights + 6 * n * constants))
    I, U, A = (np.arange(n) + i * n for i in range(3))
    before, spikes, syn, mem, adapted = (v[:last] for v in (psi, spikes, *states))
    by_reset = before * threshold * through_reset
    J[1:, :, I, I] = alpha                                                 # (10)
    J[1:, :, U, I] = gain                                                  # (10)
    if V is not None and through_recurrence:
        J[1:, :, :n, n:2 * n] = V * before[:, :, None, :]                  # (10)
        J[1:, :, :n, 2 * n:] = -V * (a * before)[:, :, None, :]            # (10)
    J[1:, :, U, U], J[1:, :, U, A] = beta - by_reset, a * by_reset         # (10)
    J[1:, :, A, U], J[1:, :, A, A] = before, rho - a * before              # (10)
    for i in range(n):
        F[1:, :, i, i * m:(i + 1) * m] = x[:last]                          # (11)
        if V is not None:
            first = n * m + i * n
            F[1:, :, i, first:first + n] = spikes                          # (11)
    if constants:
        by_alpha, by_beta, by_gain, by_threshold, by_rho, by_a = (
            F[1:, :, :, weights + i * n:weights + (i + 1) * n] for i in range(6))
        by_alpha[:, :, I, I], by_rho[:, :, A, I] = syn, adapted            # (13)
        by_beta[:, :, U, I], by_gain[:, :, U, I] = mem, syn                # (13)
        by_a[:, :, :n] = -J[1:, :, :n, n:2 * n]                            # (15)
        by_a[:, :, U, I] = by_reset                                        # (15)
        by_a[:, :, A, I] = -before                                         # (15)
        by_threshold[:] = by_a                                             # (14)
        by_threshold[:, :, U, I] -= spikes                                 # (14)
        by_a *= adapted[:, :, None, :]                                     # (15)
    return J, F


def credit(recording, psi, dspikes=None, dmem=None, *, adaptation):
    """Return q, the direct derivative of the loss with respect to the states h,
    eq. (12).  The array q has the shape (T, B, 3n), because h contains `syn`,
    `mem` and `adapted`.  A direct derivative excludes effects on later states.

    >>> one = np.ones((1, 1, 1))
    >>> run = (one, one, one, one, 0 * one)
    >>> credit(run, one, 2 * one, adaptation=0.5).tolist()
    [[[0.0, 2.0, -1.0]]]

    Parameters
    ----------
    recording, psi, adaptation
        Arguments of `linearise`.  The result has the dtype of psi.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss with respect to spikes and `mem`.
    """
    psi, dspikes, dmem, a, _, clamp = arrays(
        "psi (T*, B*, n) float, dspikes? (T*, B*, n), dmem? (T*, B*, n), "
        f"adaptation (n?) in [0, inf), {SPIKES}", psi, dspikes, dmem, adaptation,
        *bundle("recording", recording, Recording)[3:])
    psi = psi * (1 - clamp)
    by_mem = np.zeros_like(psi) if dmem is None else dmem
    by_spike = np.zeros_like(psi) if dspikes is None else psi * dspikes
    return np.concatenate([0 * psi, by_mem + by_spike, -a * by_spike], -1)     # (12)


def trace_step(traces, z, psi, *, alpha, beta, rho, adaptation, gain=1.0):
    """Advance the e-prop traces by one step, eqs. (6) and (7).

    >>> one = np.ones((1, 1))
    >>> traces = Traces(one, 2 * one, 4 * one[None])
    >>> [a.ravel().tolist() for a in trace_step(traces, one, one, alpha=0.5,
    ...      beta=0.5, rho=0.5, adaptation=0.25)]
    [[1.5], [2.0], [3.0]]

    Parameters
    ----------
    traces : Traces at step t; at step 0, all traces are 0
    z : (B, m + n) or (B, m) float
        Presynaptic values at step t: m inputs and, if recurrent, n spikes.
    psi : (B, n) float
        Surrogate derivative at step t, which must be 0 for refractory neurons.
    alpha, beta, rho, adaptation, gain
        As for `simulate`, but alpha, beta and gain are scalars.

    Returns
    -------
    Traces at step t + 1, in new arrays
        syn      s_j, (B, m + n), or (B, m) without recurrence
        mem      u_j, in the shape of `syn`
        adapted  eps_ij, (B, n, m + n) or (B, n, m)
    """
    psi, z, alpha, beta, gain, rho, a, *traces = arrays(
        f"psi (B*, n) float, z (B*, m+n*), {CONSTANTS}, {TRACES}", psi, z, alpha, beta,
        gain, rho, adaptation, *bundle("traces", traces, Traces))
    return _trace_step(traces, z, psi, alpha, beta, gain, rho, a)


def _trace_step(traces, z, psi, alpha, beta, gain, rho, a):
    syn, mem, adapted = traces
    spike = psi[:, :, None]
    a, rho = np.reshape(a, (-1, 1)), np.reshape(rho, (-1, 1))
    return Traces(
        alpha * syn + z,                                                   # (6)
        beta * mem + gain * syn,                                           # (6)
        (rho - a * spike) * adapted + spike * mem[:, None, :])             # (7)


def eligibility(traces, psi, *, adaptation):
    """Return the e-prop eligibility traces e, eq. (8).  The array e has the shape
    (B, n, m + n), or (B, n, m) without recurrence.

    >>> one = np.ones((1, 1))
    >>> eligibility(Traces(one, 2 * one, 4 * one[None]), one,
    ...             adaptation=0.25).tolist()
    [[[1.0]]]

    Arguments as for `trace_step`.
    """
    psi, a, _, mem, adapted = arrays(
        f"psi (B*, n) float, adaptation (n?) in [0, inf), {TRACES}", psi, adaptation,
        *bundle("traces", traces, Traces))
    by_mem = mem[:, None, :] - np.reshape(a, (-1, 1)) * adapted
    return psi[:, :, None] * by_mem                                        # (8)


def gradient(x, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta, rho,
             adaptation, gain=1.0):
    """Compute the e-prop gradients dW (n, m) and dV (n, n) of the loss, summed
    over steps and batch, eq. (9).  dV is None if V is None.

    >>> one = np.ones((3, 1, 1))
    >>> run = (one, one, one, one, 0 * one)
    >>> gradient(one, None, run, one, one, alpha=0.5, beta=0.5, rho=0.5,
    ...          adaptation=1.0)[0].tolist()
    [[1.0]]

    Parameters
    ----------
    x, V, recording, psi, dspikes, dmem, alpha, beta, rho, adaptation, gain
        Arguments of `linearise`, `credit` and `trace_step`.
    """
    psi, x, V, spikes, clamp, dspikes, dmem, *constants = arrays(
        f"psi (T, B, n) float, x (T, B, m*), V? (n, n), {SPIKES}, "
        f"dspikes? (T, B, n), dmem? (T, B, n), {CONSTANTS}", psi, x, V,
        *bundle("recording", recording, Recording)[3:], dspikes, dmem, alpha, beta,
        gain, rho, adaptation)
    psi = psi * (1 - clamp)
    dspikes, dmem = (np.zeros_like(psi) if d is None else d for d in (dspikes, dmem))
    z = x if V is None else np.concatenate([x, spikes], axis=2)
    (T, B, n), m, size = psi.shape, x.shape[2], z.shape[2]
    zero = np.zeros((B, size), psi.dtype)
    traces = Traces(zero, zero, np.zeros((B, n, size), psi.dtype))
    total, a = np.zeros((n, size), psi.dtype), np.reshape(constants[4], (-1, 1))
    for t in range(1, T):
        traces = _trace_step(traces, z[t - 1], psi[t - 1], *constants)
        by_spike = psi[t] * dspikes[t]
        total += (by_spike + dmem[t]).T @ traces.mem                       # (9)
        total -= a * np.einsum("bi,bij->ij", by_spike, traces.adapted)     # (9)
    return total[:, :m], None if V is None else total[:, m:]


def _checked(name, state, like, source, k=None):
    _, *values, spikes = arrays(
        f"{source} (B, n) float, {name}.syn (B, n), {name}.mem (B, n), "
        f"{name}.adapted (B, n), {name}.spikes? ({'_*' if k is None else k}, B, n)",
        like, *bundle(name, state, State))
    return *values, 0 if spikes is None else spikes > SPIKE
