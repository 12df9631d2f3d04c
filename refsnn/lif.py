# refsnn 0.1.0 | lif.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Simulate and differentiate leaky integrate-and-fire (LIF) neurons.

A neuron has a synaptic current I, a membrane potential U and spikes S.
The input is x, the input weights are W, and the recurrent weights are V.
The mask clamp[t] is 1 for refractory neurons, which are held at U = 0:

    S[t]   = 1 if U[t] > threshold else 0                     (1)  [NMZ19]
    I[t+1] = alpha I[t] + W x[t] + V S[t]                     (2)  [NMZ19]
    reset="subtract":
    U[t+1] = (1 - clamp[t+1])
             (beta U[t] + gain I[t] - threshold S[t])         (3)  [NMZ19]
    reset="zero":
    U[t+1] = (1 - clamp[t+1]) (beta U[t] + gain I[t]) (1 - S[t])   (4)
    refractory=k:
    clamp[t+1] = 1 if any of S[t-k+1 .. t] is 1 else 0        (5)

The input x[t] first changes U[t+2].  At rest, I and U are 0.  A leaky
readout has a synaptic current I and a potential U, but it does not spike:

    I[t+1] = alpha I[t] + W x[t],  U[t+1] = beta U[t] + gain I[t]     (6)

Derivation.  The surrogate derivative psi[t] replaces dS[t]/dU[t].  The
    arrays dspikes and dmem are the direct derivatives of the loss L with
    respect to S and U, with all other states held constant.  For any other
    array A, dA is the adjoint, the total derivative dL/dA.  The derivative
    of U[t+1] with respect to beta U[t] + gain I[t] is keep[t], and the
    derivative with respect to S[t] is -jump[t].  Let free[t] = 1 -
    clamp[t+1].  For reset="subtract", keep = free and jump = free
    threshold.  For reset="zero", keep = free (1 - S) and jump = free (beta
    U + gain I), all at step t.  The chain rule gives backpropagation
    through time (BPTT):

    dI[t] = alpha dI[t+1] + gain keep[t] dU[t+1]                      (7)
    dS[t] = dspikes[t] + V^T dI[t+1] - jump[t] dU[t+1]                (8)
    dU[t] = dmem[t] + beta keep[t] dU[t+1] + psi[t] dS[t]             (9)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T            (10)
    dx[t] = W^T dI[t+1]                                              (11)

    `through_recurrence=False` omits the second term of (8), and
    `through_reset=False` omits the third term.  The gradient is then exact
    for a simulation whose recurrence or reset uses recorded spikes.  For
    the state h = [I, U], J[t] is the Jacobian dh[t]/dh[t-1], F[t] is the
    derivative of h[t] with respect to the weights at fixed h[t-1], and
    q[t] is the direct derivative of L with respect to h[t]:

    J[t] = [[alpha, V psi[t-1]],
            [gain keep[t-1], beta keep[t-1] - jump[t-1] psi[t-1]]]   (12)
    F[t]: dI_i[t]/dW_ij = x_j[t-1],  dI_i[t]/dV_ij = S_j[t-1]        (13)
    E[t] = dh[t]/dx[t-1] = [[W], [0]]                                (14)
    q[t] = [0, dmem[t] + psi[t] dspikes[t]]                          (15)

    If alpha, beta, gain and threshold are learned, F[t] has four more
    columns for each neuron i.  With dS/dthreshold = -psi, these are

    F[t]: dI_i[t]/dalpha_i = I_i[t-1]                                (16)
          dU_i[t]/dbeta_i = keep_i[t-1] U_i[t-1]                     (17)
          dU_i[t]/dgain_i = keep_i[t-1] I_i[t-1]                     (18)
          dI_j[t]/dthreshold_i = -V_ji psi_i[t-1]                    (19)
          dU_i[t]/dthreshold_i = (jump_i psi_i - keep_i S_i)[t-1]    (20)

    For reset="zero", (20) has no last term.  `through_recurrence=False`
    also omits (19), and `through_reset=False` omits the term with jump in
    (20).  A loss that depends on spikes also has a direct derivative with
    respect to the threshold:

    direct_i = -sum_t psi_i[t] dspikes_i[t]                          (21)

    Derivatives with respect to parameters of these constants follow by the
    chain rule.  For alpha = exp(-dt/tau), dtau = dalpha alpha dt / tau^2.
    If gain = 1 - beta, dgain is subtracted from dbeta.  If all neurons
    share a constant, its derivative is the sum over all neurons.  To learn
    constants online, call `linearise` for one step with `after` and
    `constants`, and pass J[1] and F[1] to `rtrl.step`.

Exact.  The gradient is exact if dS/dU := psi and if the mask clamp is
    treated as a constant.  Finite differences confirm the gradient if the
    spike function is H(u0 - threshold) + f(u - threshold) - f(u0 -
    threshold), with the step function H, f' = psi, and the recorded
    potential u0.  For finite differences with respect to the threshold,
    vary the threshold only in f(u - threshold) and in (3).
Cost.   Simulation and gradient take O(T B n (m + n)) time and O(T B (m +
    n)) memory, and k refractory steps add O(T B n k) time.  `linearise`
    takes O(T B n p) time and memory for p weights.
Departures.  [NMZ19] uses gain 1, threshold 1 and no refractory period.
    The tutorials of [NMZ19] use reset="zero" and through_reset=False.
Errata.  The arXiv version of [NMZ19] prints the drift of the potential as
    -(U - U_rest + R I).  The correct drift is -(U - U_rest) + R I.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, flags, one_of, shown

__all__ = ["backward", "credit", "linearise", "readout", "readout_backward",
           "readout_run", "readout_step", "run", "simulate", "step"]

SPIKE = 0.5     # in (5), any of S[t-k+1 .. t] above SPIKE is a spike
LEAK = "alpha (n?) in [0, 1), beta (n?) in [0, 1), gain (n?) in (0, inf)"
READOUT = "W (n, m*) float, x (T, B, m*), " + LEAK
LAYER = READOUT + ", threshold (n?) in (0, inf), V? (n, n)"
RECORDING = ("recording.syn (T, B, n), recording.mem (T, B, n), "
             "recording.spikes (T, B, n), recording.clamp (T, B, n) in {0, 1}")


class Recording(NamedTuple):
    """Hold recorded states.  The function `simulate` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    clamp: np.ndarray
    __repr__ = shown


class State(NamedTuple):
    """Hold the last states.  The function `run` describes the fields."""
    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray = None
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold derivatives.  The function `backward` describes the fields."""
    dW: np.ndarray
    dV: np.ndarray
    dx: np.ndarray
    dsyn: np.ndarray
    dstate: State
    dalpha: np.ndarray = None
    dbeta: np.ndarray = None
    dgain: np.ndarray = None
    dthreshold: np.ndarray = None
    direct: np.ndarray = None
    __repr__ = shown


def simulate(x, W, V=None, *, alpha, beta, gain=1.0, threshold=1.0,
             reset="subtract", refractory=0, spike: Callable = None, clamp=None,
             reset_spikes=None, recurrent_spikes=None):
    """Simulate one LIF layer from rest over T steps, eqs. (1)-(5).

    >>> x, W = np.eye(5, 1).reshape(5, 1, 1), np.array([[1.5]])
    >>> simulate(x, W, alpha=0.5, beta=0.5).mem[:, 0, 0].tolist()
    [0.0, 0.0, 1.5, 0.5, 0.625]

    Parameters
    ----------
    x : (T, B, m) float, int or bool
    W, V : (n, m) float, (n, n) float or None
        Weights, in the unit of the threshold.  Results have the dtype of W.
    alpha, beta, gain, threshold : float or (n,) float
        Decay factors exp(-dt/tau_syn) and exp(-dt/tau_mem) in [0, 1), positive
        gain of the current (often 1 or 1 - beta), and positive threshold.
    reset, refractory : {"subtract", "zero"}, int
        Reset by eq. (3) or (4), and number of steps with U = 0 after a spike.
    spike : callable (t, u) -> (B, n) float that replaces (1), optional
    clamp, reset_spikes, recurrent_spikes : (T, B, n), optional
        Recorded values of the mask and of the spikes in reset and recurrence.

    Returns
    -------
    Recording
        syn, mem, spikes  currents I, potentials U and spikes S, (T, B, n)
        clamp             bool, True where U is held at 0, (T, B, n)
    """
    return run(x, W, V, alpha=alpha, beta=beta, gain=gain, threshold=threshold,
               reset=reset, refractory=refractory, spike=spike, clamp=clamp,
               reset_spikes=reset_spikes, recurrent_spikes=recurrent_spikes)[0]


def run(x, W, V=None, state=None, *, alpha, beta, gain=1.0, threshold=1.0,
        reset="subtract", refractory=0, spike: Callable = None, clamp=None,
        reset_spikes=None, recurrent_spikes=None):
    """Simulate one LIF layer from a given state, eqs. (1)-(5).

    >>> x, W = np.ones((4, 1, 1)), np.array([[0.5]])
    >>> first, state = run(x, W, alpha=0.5, beta=0.5)
    >>> second, _ = run(x, W, None, state, alpha=0.5, beta=0.5)
    >>> [rec.mem.ravel().tolist() for rec in (first, second)]
    [[0.0, 0.0, 0.5, 1.0], [1.375, 0.625, 1.28125, 0.625]]

    Parameters
    ----------
    x, W, V, alpha, beta, gain, threshold, reset, refractory, spike, clamp,
    reset_spikes, recurrent_spikes
        Arguments of `simulate`.  Step 0 is the first step of this simulation.
    state : State at step 0, optional; rest by default

    Returns
    -------
    recording : Recording, as from `simulate`, of the steps 0 to T - 1
    state : State
        syn, mem  currents I[T] and potentials U[T], (B, n)
        spikes    spikes of the last `refractory` steps, oldest step first,
                  (refractory, B, n); as an argument, None means no spikes
    """
    W, x, *constants, V, clamp, resets, sent, refractory = arrays(
        LAYER + ", clamp? (T, B, n) in {0, 1}, reset_spikes? (T, B, n), "
        "recurrent_spikes? (T, B, n), refractory () int in [0, inf)", W, x, alpha, beta,
        gain, threshold, V, clamp, reset_spikes, recurrent_spikes, refractory)
    one_of("reset", reset, "subtract", "zero")
    one_of("spike", spike, Callable, type(None))
    if refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be given if spike is and refractory > 0")
    if V is None and recurrent_spikes is not None:
        raise ValueError("recurrent_spikes is given: must be None, because V is None")
    (T, B, m), n = x.shape, W.shape[0]
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    return _scan(drive, "x@W.T", V, state, constants, reset, refractory, spike,
                 clamp, resets, sent)


def step(drive, V=None, state=None, *, alpha, beta, gain=1.0, threshold=1.0,
         reset="subtract", refractory=0):
    """Simulate step t of a LIF layer, eqs. (1)-(5).  Return a `Recording` of
    (B, n) arrays, and the `State` at step t + 1.

    >>> state = State(np.array([[1.0]]), np.array([[2.0]]))
    >>> now, state = step(np.array([[4.0]]), None, state, alpha=0.5, beta=0.5)
    >>> float(now.spikes[0, 0]), float(state.syn[0, 0]), float(state.mem[0, 0])
    (1.0, 4.5, 1.0)

    Parameters
    ----------
    drive : (B, n) float, ``x[t] @ W.T``, of the dtype of the results
    V, state, alpha, beta, gain, threshold, reset, refractory : as for `run`
    """
    drive, *constants, V, refractory = arrays(
        f"drive (B, n) float, {LEAK}, threshold (n?) in (0, inf), V? (n, n), "
        "refractory () int in [0, inf)", drive, alpha, beta, gain, threshold, V,
        refractory)
    one_of("reset", reset, "subtract", "zero")
    rec, state = _scan(drive[None], "drive", V, state, constants, reset, refractory)
    return Recording(*(field[0] for field in rec)), state


def _scan(drive, source, V, state, constants, reset, k, spike=None, recorded=None,
          resets=None, sent=None):
    (T, B, n), (alpha, beta, gain, threshold) = drive.shape, constants
    syn, mem, spikes = (np.zeros((rows, B, n), drive.dtype)
                        for rows in (T + 1, T + 1, k + T))  # first k: earlier spikes
    clamp = np.zeros((T + 1, B, n), bool)
    if state is not None:
        syn[0], mem[0], spikes[:k] = _checked("state", state, drive[0], source, k)
        clamp[0] = spikes[:k].any(axis=0)
    if recorded is not None:
        clamp[:T] = recorded > 0
    fired = spikes[k:]
    resets, sent = (fired if s is None else s for s in (resets, sent))
    for t in range(T):
        if spike is None:
            fired[t] = mem[t] > threshold                                  # (1)
        else:
            fired[t], = arrays(f"spike(t,u) ({B}, {n})", spike(t, mem[t]))
        leak = beta * mem[t] + gain * syn[t]
        syn[t + 1] = alpha * syn[t] + drive[t]                             # (2)
        if V is not None:
            syn[t + 1] += sent[t] @ V.T                                    # (2)
        if k and (recorded is None or t == T - 1):
            clamp[t + 1] = (spikes[t + 1:t + 1 + k] > SPIKE).any(axis=0)   # (5)
        if reset == "subtract":
            mem[t + 1] = ~clamp[t + 1] * (leak - threshold * resets[t])    # (3)
        else:
            mem[t + 1] = ~clamp[t + 1] * (leak * (1 - resets[t]))          # (4)
    return Recording(syn[:T], mem[:T], fired, clamp[:T]), State(
        syn[T].copy(), mem[T].copy(), spikes[T:].copy())


def backward(x, W, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
             through_recurrence=True, after=None, dstate=None, constants=False):
    """Compute the surrogate gradient of the loss, eqs. (7)-(11) and (16)-(21).

    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.5, beta=0.5)
    >>> dmem = np.eye(3, 1, -2).reshape(3, 1, 1)
    >>> backward(x, W, None, rec, 0 * dmem, None, dmem, alpha=0.5,
    ...          beta=0.5).dW.tolist()
    [[1.0]]

    Parameters
    ----------
    x, W, V, alpha, beta, gain, threshold, reset
        Arguments of `simulate`; V may be None.
    recording : Recording of `simulate`, another simulator or a chip
    psi : (T, B, n) float
        Surrogate derivative at ``recording.mem - threshold``.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss; one of these or `dstate` is needed.
    through_reset, through_recurrence : bool
        Whether the gradient passes through the reset and the recurrent spikes.
    after : State at step T from `run`, needed with `dstate`
    dstate : State, optional
        Field `dstate` of the `Gradient` for the later steps.
    constants : bool, whether dalpha ... direct are computed

    Returns
    -------
    Gradient, for parameters summed over steps and batch
        dW, dx      (n, m) and (T, B, m)
        dV          (n, n), or None if V is None
        dsyn        (T, B, n), dL/dI[t]
        dstate      `State`, derivatives with respect to I[0] and U[0]
        dalpha, dbeta, dgain  (n,); this and the next two fields are None
                    unless `constants` is true
        dthreshold  (n,), eqs. (19) and (20)
        direct      (n,), eq. (21); the derivative with respect to the
                    threshold is dthreshold + direct
    """
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset through_recurrence constants", through_reset,
          through_recurrence, constants)
    W, x, alpha, beta, gain, threshold, V, psi, dspikes, dmem, *rec = arrays(
        f"{LAYER}, psi (T, B, n), dspikes? (T, B, n), dmem? (T, B, n), {RECORDING}",
        W, x, alpha, beta, gain, threshold, V, psi, dspikes, dmem,
        *bundle("recording", recording, Recording))
    if dspikes is None and dmem is None and dstate is None:
        raise ValueError("dspikes, dmem and dstate are None: must be given, at least "
                         "one of them")
    (T, B, m), n, rec = x.shape, W.shape[0], Recording(*rec)
    dI, dU = (np.zeros((T + 1, B, n), W.dtype) for _ in range(2))
    if dstate is not None:
        dI[T], dU[T], _ = _checked("dstate", dstate, dU[T], "psi[0]")
        if after is None:
            raise ValueError("after is None: must be given, because dstate is")
    keep, jump = _paths(rec, after, beta, gain, threshold, reset, through_reset)
    last = len(keep)
    for t in range(T - 1, -1, -1):
        dS, direct = (0 if d is None else d[t] for d in (dspikes, dmem))
        if t < last:
            if V is not None and through_recurrence:
                dS = dS + dI[t + 1] @ V                                    # (8)
            dS = dS - jump[t] * dU[t + 1]                                  # (8)
            dI[t] = alpha * dI[t + 1] + gain * keep[t] * dU[t + 1]         # (7)
            direct = direct + beta * keep[t] * dU[t + 1]                   # (9)
        dU[t] = direct + psi[t] * dS                                       # (9)
    later = dI[1:last + 1]
    dW = later.reshape(-1, n).T @ x[:last].reshape(last * B, m)            # (10)
    dV = None if V is None else \
        later.reshape(-1, n).T @ rec.spikes[:last].reshape(-1, n)          # (10)
    dx = np.zeros_like(x)
    dx[:last] = later @ W                                                  # (11)
    gradient = Gradient(dW, dV, dx, dI[:T], State(dI[0], dU[0]))
    if not constants:
        return gradient
    by_syn, *by_mem = _columns(rec, psi, keep, jump, reset)
    sums = [(by_syn * later).sum((0, 1))] + [
        (column * dU[1:last + 1]).sum((0, 1)) for column in by_mem]
    if V is not None and through_recurrence:
        sums[3] = sums[3] - (psi[:last] * (later @ V)).sum((0, 1))         # (19)
    direct = np.zeros_like(sums[0]) if dspikes is None else \
        -(psi * dspikes).sum((0, 1))                                       # (21)
    return Gradient(*gradient[:5], *sums, direct)


def _paths(rec, after, beta, gain, threshold, reset, through_reset):
    """Return keep and jump, eqs. (7)-(9)."""
    free, zero = 1 - rec.clamp[1:], reset == "zero"
    if after is not None:
        clamp = _checked("after", after, rec.mem[0], "recording.mem[0]")[2].any(axis=0)
        free = np.concatenate([free, 1 - clamp[None].astype(free.dtype)])
    syn, mem, spikes, _ = (field[:len(free)] for field in rec)
    keep = free * (1 - spikes) if zero else free
    if not through_reset:
        return keep, 0 * free
    return keep, free * (beta * mem + gain * syn if zero else threshold)


def _columns(rec, psi, keep, jump, reset):
    syn, mem, spikes, _ = (field[:len(keep)] for field in rec)
    subtracted = keep * spikes if reset == "subtract" else 0
    return (syn,                                                           # (16)
            keep * mem,                                                    # (17)
            keep * syn,                                                    # (18)
            jump * psi[:len(keep)] - subtracted)                           # (20)


def linearise(x, W, V, recording, psi, after=None, *, alpha, beta, gain=1.0,
              threshold=1.0, reset="subtract", through_reset=True,
              through_recurrence=True, constants=False):
    """Linearise a layer at each step, eqs. (12)-(14) and (16)-(20).

    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.25, beta=0.5)
    >>> J, F, E = linearise(x, W, None, rec, 0 * rec.mem, alpha=0.25, beta=0.5)
    >>> J[1, 0].tolist(), F[1, 0].tolist(), E[1, 0].tolist()
    ([[0.25, 0.0], [1.0, 0.5]], [[1.0], [0.0]], [[0.5], [0.0]])

    Arguments as for `backward`.
    With `after`, the results include step T.

    Returns
    -------
    J : (T, B, 2n, 2n) or (T + 1, B, 2n, 2n) float
        ``J[t] = dh[t]/dh[t-1]`` of h = [syn, mem]; J[0] is 0 and unused.
    F : (T, B, 2n, p) or (T + 1, B, 2n, p) float
        Derivative of h[t] with respect to the parameters at fixed h[t-1], with
        columns for the entries of W, then of V, row by row.  With `constants`,
        columns for alpha, beta, gain and threshold follow.
    E : (T, B, 2n, m) or (T + 1, B, 2n, m) float
        ``E[t] = dh[t]/dx[t-1]``
    """
    one_of("reset", reset, "subtract", "zero")
    flags("through_reset through_recurrence constants", through_reset,
          through_recurrence, constants)
    W, x, alpha, beta, gain, threshold, V, psi, *rec = arrays(
        f"{LAYER}, psi (T, B, n), {RECORDING}", W, x, alpha, beta, gain, threshold, V,
        psi, *bundle("recording", recording, Recording))
    (_, B, m), n, rec = x.shape, W.shape[0], Recording(*rec)
    keep, jump = _paths(rec, after, beta, gain, threshold, reset, through_reset)
    last, weights = len(keep), n * m + (0 if V is None else n * n)
    J, F, E = (np.zeros((last + 1, B, 2 * n, columns), W.dtype)
               for columns in (2 * n, weights + 4 * n * constants, m))
    I, U, psi = np.arange(n), n + np.arange(n), psi[:last]
    E[1:, :, :n] = W                                                       # (14)
    J[1:, :, I, I] = alpha                                                 # (12)
    if V is not None and through_recurrence:
        J[1:, :, :n, n:] = V * psi[:, :, None, :]                          # (12)
    J[1:, :, U, I] = gain * keep                                           # (12)
    J[1:, :, U, U] = beta * keep - jump * psi                              # (12)
    for i in range(n):
        F[1:, :, i, i * m:(i + 1) * m] = x[:last]                          # (13)
        if V is not None:
            first = n * m + i * n
            F[1:, :, i, first:first + n] = rec.spikes[:last]               # (13)
    if constants:
        rows = zip((I, U, U, U), _columns(rec, psi, keep, jump, reset), strict=True)
        for i, (row, column) in enumerate(rows):
            F[1:, :, row, weights + i * n + I] = column
        if V is not None and through_recurrence:
            F[1:, :, :n, weights + 3 * n:] = -J[1:, :, :n, n:]             # (19)
    return J, F, E


def credit(psi, dspikes=None, dmem=None):
    """Return the direct derivative q of the loss with respect to the states [syn,
    mem] at fixed later states, eq. (15).  The shape of q is (T, B, 2n).

    >>> credit(np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 4.0)).tolist()
    [[[0.0, 2.0]]]

    Arguments as for `backward`.
    """
    psi, dspikes, dmem = arrays(
        "psi (T*, B*, n*) float, dspikes? (T*, B*, n*), dmem? (T*, B*, n*)", psi,
        dspikes, dmem)
    dU = np.zeros_like(psi)
    dU += 0 if dmem is None else dmem                                      # (15)
    dU += 0 if dspikes is None else psi * dspikes                          # (15)
    return np.concatenate([np.zeros_like(psi), dU], axis=-1)


def readout(x, W, *, alpha, beta, gain=1.0):
    """Compute the potentials of a leaky readout that starts at rest, eq. (6).
    The array of potentials has the shape (T, B, k).

    >>> readout(np.ones((4, 1, 1)), np.array([[1.0]]), alpha=0.5,
    ...         beta=0.5).ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]

    Arguments as for `simulate`.
    """
    return readout_run(x, W, alpha=alpha, beta=beta, gain=gain)[0]


def readout_run(x, W, state=None, *, alpha, beta, gain=1.0):
    """Simulate a leaky readout from a given state, eq. (6).  Return the
    potentials (T, B, k) at steps 0 to T - 1, and the `State` at step T.

    >>> state = State(np.array([[1.0]]), np.array([[2.0]]))
    >>> mem, state = readout_run(np.ones((2, 1, 1)), np.array([[1.0]]), state,
    ...                          alpha=0.5, beta=0.5)
    >>> mem.ravel().tolist(), float(state.mem[0, 0])
    ([2.0, 2.0], 2.5)

    Parameters
    ----------
    x, W, alpha, beta, gain : as for `readout`
    state : State at step 0, optional; rest by default
    """
    W, x, *constants = arrays(READOUT, W, x, alpha, beta, gain)
    (T, B, m), k = x.shape, W.shape[0]
    _, mem, state = _leak((x.reshape(T * B, m) @ W.T).reshape(T, B, k), "x@W.T",
                          state, constants)
    return mem, state


def readout_step(drive, state=None, *, alpha, beta, gain=1.0):
    """Simulate step t of a leaky readout, eq. (6).  Return the potentials (B, k)
    at step t, and the `State` at step t + 1.

    >>> mem, state = readout_step(np.array([[1.0]]), alpha=0.5, beta=0.5)
    >>> float(mem[0, 0]), float(state.syn[0, 0])
    (0.0, 1.0)

    Parameters
    ----------
    drive : (B, k) float, ``x[t] @ W.T``, of the dtype of the results
    state, alpha, beta, gain : as for `readout_run`
    """
    drive, *constants = arrays(f"drive (B, n) float, {LEAK}", drive, alpha, beta, gain)
    _, mem, state = _leak(drive[None], "drive", state, constants)
    return mem[0], state


def _leak(drive, source, state, constants):
    (T, *shape), (alpha, beta, gain) = drive.shape, constants
    syn, mem = (np.zeros((T + 1, *shape), drive.dtype) for _ in range(2))
    if state is not None:
        syn[0], mem[0], _ = _checked("state", state, drive[0], source)
    for t in range(T):
        mem[t + 1] = beta * mem[t] + gain * syn[t]                         # (6)
        syn[t + 1] = alpha * syn[t] + drive[t]                             # (6)
    return syn[:T], mem[:T], State(syn[T].copy(), mem[T].copy())


def readout_backward(x, W, dmem, *, alpha, beta, gain=1.0, state=None, dstate=None,
                     constants=False):
    """Return the `Gradient` for a leaky readout.  Eqs. (7)-(11) apply with
    psi = 0.  The field dV of the gradient is None.

    >>> dmem = np.eye(4, 1, -3).reshape(4, 1, 1)
    >>> x, W = np.ones((4, 1, 1)), np.array([[1.0]])
    >>> readout_backward(x, W, dmem, alpha=0.5, beta=0.5).dW.tolist()
    [[2.0]]

    Parameters
    ----------
    x, W, alpha, beta, gain : as for `readout_run`
    dmem : (T, B, k) float or None, derivative of the loss
    state : State, optional
        State at step 0, used only if `constants` is true; rest by default.
    dstate, constants : as for `backward`
    """
    W, x, *decays = arrays(READOUT, W, x, alpha, beta, gain)
    if dmem is None and dstate is None:
        raise ValueError("dmem and dstate are None: must be given, at least one of "
                         "them")
    (T, B, m), k = x.shape, W.shape[0]
    rest = np.zeros((T, B, k), W.dtype)
    if dstate is not None:
        _checked("dstate", dstate, rest[0], "x@W.T")
    syn, mem, _ = (rest,) * 3 if not constants else _leak(
        (x.reshape(T * B, m) @ W.T).reshape(T, B, k), "x@W.T", state, decays)
    after = None if dstate is None else State(rest[0], rest[0])
    return backward(x, W, None, Recording(syn, mem, rest, rest > 0), rest, None, dmem,
                    after=after, dstate=dstate, alpha=alpha, beta=beta, gain=gain,
                    constants=constants)


def _checked(name, state, like, source, k=None):
    _, syn, mem, spikes = arrays(
        f"{source} (B, n) float, {name}.syn (B, n), {name}.mem (B, n), "
        f"{name}.spikes? ({'_*' if k is None else k}, B, n)", like,
        *bundle(name, state, State))
    if spikes is None:
        spikes = np.zeros((k or 0, *like.shape), like.dtype)
    return syn, mem, spikes > SPIKE
