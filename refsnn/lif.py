# refsnn 0.1.0 | lif.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module implements layers of leaky integrate-and-fire (LIF) neurons.

A neuron has a synaptic current I, a membrane potential U and spikes S.
The input x enters through the weights W, and recurrent spikes enter
through the weights V.  The mask c[t] is 0 for neurons that are refractory
at step t and 1 otherwise.  The initial state is I[0] = U[0] = 0.  A step
of the simulation is

    S[t]   = 1 if U[t] > threshold else 0                     (1)  [NMZ19]
    I[t+1] = alpha I[t] + W x[t] + V S[t]                     (2)  [NMZ19]
    reset="subtract":
    U[t+1] = c[t+1] (beta U[t] + gain I[t] - threshold S[t])  (3)  [NMZ19]
    reset="zero":
    U[t+1] = c[t+1] (beta U[t] + gain I[t]) (1 - S[t])        (4)
    refractory=k:
    c[t+1] = 0 if any of S[t-k+1 .. t] is 1 else 1            (5)

The input x[t] first changes the membrane potential at step t + 2.  A leaky
readout follows the same equations without spikes:

    I[t+1] = alpha I[t] + W x[t],  U[t+1] = beta U[t] + gain I[t]     (6)

Derivation.  The surrogate derivative psi[t] replaces dS[t]/dU[t].  For an
    array A, dA is the total derivative dL/dA of the loss L.  For
    reset="subtract", let r[t] = 1 and z[t] = threshold.  For reset="zero",
    let r[t] = 1 - S[t] and z[t] = beta U[t] + gain I[t].  The chain rule
    applied to (2)-(4) gives

    dI[t] = alpha dI[t+1] + gain r[t] c[t+1] dU[t+1]                  (7)
    dS[t] = dspikes[t] + V^T dI[t+1] - z[t] c[t+1] dU[t+1]            (8)
    dU[t] = dmem[t] + beta r[t] c[t+1] dU[t+1] + psi[t] dS[t]         (9)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T            (10)
    dx[t] = W^T dI[t+1]                                              (11)

    `through_recurrence=False` omits the second term of (8), and
    `through_reset=False` omits the third term of (8).  The gradient is
    then exact for a simulation in which recorded spikes drive the omitted
    path.  With the state h = [I, U], the linearised layer is

    J[t] = [[alpha, V psi[t-1]],
            [gain r[t-1] c[t], c[t] (beta r[t-1] - z[t-1] psi[t-1])]]  (12)
    F[t]: dI_i[t]/dW_ij = x_j[t-1],  dI_i[t]/dV_ij = S_j[t-1]        (13)
    E[t] = dh[t]/dx[t-1] = [[W], [0]]                                (14)
    q[t] = [0, dmem[t] + psi[t] dspikes[t]]                          (15)

Exact.  The gradient is exact for the hard-spiking network with dS/dU :=
    psi.  The mask c is a recorded value without a derivative.  Finite
    differences confirm the gradient if the spike function is S = H(u0 -
    threshold) + f(u - threshold) - f(u0 - threshold).  H is the step
    function, f' = psi, and u0 is the recorded membrane potential.
Cost.   Simulation and gradient take O(T B n (m + n)) time and O(T B n)
    memory.  `linearise` takes O(T B n p) time and memory for p weights.
Departures.  [NMZ19] uses gain 1, threshold 1 and no refractory period.
    The tutorials of [NMZ19] reset U to zero and stop the gradient at the
    reset.
Errata.  [NMZ19] prints the drift of the membrane potential as
    -(U - U_rest + R I).  The current must enter with a plus sign.

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, 2019, arXiv 1901.09948.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "credit", "linearise",
           "readout", "readout_backward", "simulate"]

READOUT = ("W (n, m*) float, x (T, B, m*), alpha (n?) in [0, 1), "
           "beta (n?) in [0, 1), gain (n?) in (0, inf)")
LAYER = READOUT + ", threshold (n?) in (0, inf), V? (n, n)"
RECORDING = ("recording.syn (T, B, n), recording.mem (T, B, n), "
             "recording.spikes (T, B, n), recording.clamp (T, B, n) in {0, 1}")


class Recording(NamedTuple):
    """Hold I, U, S and the refractory mask, each of shape (T, B, n)."""
    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    clamp: np.ndarray           # bool, True where c is 0


class Gradient(NamedTuple):
    """Hold the derivatives of the loss with respect to W, V, x and I."""
    dW: np.ndarray              # (n, m)
    dV: np.ndarray              # (n, n), or None if V is None
    dx: np.ndarray              # (T, B, m)
    dsyn: np.ndarray            # (T, B, n)


def simulate(x, W, V=None, *, alpha, beta, gain=1.0, threshold=1.0,
             reset="subtract", refractory=0, spike: Callable = None, clamp=None,
             reset_spikes=None, recurrent_spikes=None):
    """Simulate one LIF layer from rest over T steps, eqs. (1)-(5).

    >>> x = np.zeros((5, 1, 1))
    >>> x[0] = 1
    >>> W = np.array([[1.5]])
    >>> simulate(x, W, alpha=0.5, beta=0.5).mem[:, 0, 0].tolist()
    [0.0, 0.0, 1.5, 0.5, 0.625]

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Input, for example the spikes of the previous layer.
    W, V : (n, m) float, (n, n) float or None
        Input and recurrent weights, in units of the threshold.  Results
        have the dtype of W.
    alpha, beta, gain, threshold : float or (n,) float
        Decay factors exp(-dt/tau_syn) and exp(-dt/tau_mem) in [0, 1), gain
        of the current (1 or 1 - beta in the literature), and firing
        threshold.  The gain and the threshold are positive.
    reset : {"subtract", "zero"}
        Type of the reset, eq. (3) or (4).
    refractory : int
        Number of steps after a spike in which the membrane potential is 0.
    spike : callable (t, u) -> (B, n) float, optional
        Spike function that replaces (1), for finite differences.
    clamp, reset_spikes, recurrent_spikes : (T, B, n), optional
        Recorded values that replace the mask, the spikes in the reset, and
        the spikes in the recurrence.

    Returns
    -------
    Recording
    """
    W, x, alpha, beta, gain, threshold, V, clamp, reset_spikes, recurrent_spikes, \
        refractory = _arrays(
            LAYER + ", clamp? (T, B, n) in {0, 1}, reset_spikes? (T, B, n), "
            "recurrent_spikes? (T, B, n), refractory () int in [0, inf)", W, x, alpha,
            beta, gain, threshold, V, clamp, reset_spikes, recurrent_spikes, refractory)
    _one_of("reset", reset, "subtract", "zero")
    _one_of("spike", spike, Callable, type(None))
    if refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be given if spike is and refractory > 0")
    if V is None and recurrent_spikes is not None:
        raise ValueError("recurrent_spikes is given: must be None, because V is None")
    (T, B, m), n = x.shape, W.shape[0]
    syn, mem, spikes = (np.zeros((T, B, n), W.dtype) for _ in range(3))
    held = np.zeros((T, B, n), bool) if clamp is None else clamp > 0
    fired, sent = (spikes if s is None else s for s in (reset_spikes, recurrent_spikes))
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    for t in range(T):
        if t:
            leak = beta * mem[t - 1] + gain * syn[t - 1]
            syn[t] = alpha * syn[t - 1] + drive[t - 1]                     # (2)
            if V is not None:
                syn[t] += sent[t - 1] @ V.T
            if clamp is None and refractory:
                held[t] = spikes[max(0, t - refractory):t].any(axis=0)     # (5)
            if reset == "subtract":
                mem[t] = ~held[t] * (leak - threshold * fired[t - 1])      # (3)
            else:
                mem[t] = ~held[t] * (leak * (1 - fired[t - 1]))            # (4)
        spikes[t] = mem[t] > threshold if spike is None else spike(t, mem[t])  # (1)
    return Recording(syn, mem, spikes, held)


def backward(x, W, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
             through_recurrence=True):
    """Compute the surrogate gradient of one layer, eqs. (7)-(11).

    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.5, beta=0.5)
    >>> dmem = np.zeros((3, 1, 1))
    >>> dmem[2] = 1
    >>> backward(x, W, None, rec, 0 * dmem, None, dmem, alpha=0.5,
    ...          beta=0.5).dW.tolist()
    [[1.0]]

    Parameters
    ----------
    x, W, V, alpha, beta, gain, threshold, reset
        Arguments of `simulate`; V may be None.
    recording : Recording
        Recorded states of `simulate`, another simulator or a chip.
    psi : (T, B, n) float
        Surrogate derivative at ``recording.mem - threshold``.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss with respect to spikes and `mem`.
    through_reset, through_recurrence : bool
        Whether the gradient passes through the reset, and through the
        recurrent spikes.  The result includes dV in both cases.

    Returns
    -------
    Gradient
        Fields dW and dV are sums over steps and batch; dsyn[t] is dL/dI[t].
    """
    _options(recording, reset, through_reset, through_recurrence)
    W, x, alpha, beta, gain, threshold, V, psi, dspikes, dmem, *rec = _arrays(
        f"{LAYER}, psi (T, B, n), dspikes? (T, B, n), dmem? (T, B, n), {RECORDING}",
        W, x, alpha, beta, gain, threshold, V, psi, dspikes, dmem, *recording)
    (T, B, m), n, rec = x.shape, W.shape[0], Recording(*rec)
    dsyn = np.zeros((T, B, n), W.dtype)
    dI, dU = np.zeros((B, n), W.dtype), np.zeros((B, n), W.dtype)
    for t in range(T - 1, -1, -1):
        dS, direct = (0 if d is None else d[t] for d in (dspikes, dmem))
        if t < T - 1:
            r, z = _paths(rec, t, beta, gain, threshold, reset, through_reset)
            if V is not None and through_recurrence:
                dS = dS + dI @ V
            dS = dS - z * dU                                               # (8)
            dI = alpha * dI + gain * r * dU                                # (7)
            direct = direct + beta * r * dU
        dU = direct + psi[t] * dS                                          # (9)
        dsyn[t] = dI
    later = dsyn[1:].reshape(-1, n)
    dW = later.T @ x[:-1].reshape((T - 1) * B, m)                          # (10)
    dV = None if V is None else later.T @ rec.spikes[:-1].reshape(-1, n)
    dx = np.zeros_like(x)
    dx[:-1] = dsyn[1:] @ W                                                 # (11)
    return Gradient(dW, dV, dx, dsyn)


def _paths(rec, t, beta, gain, threshold, reset, through_reset):
    """Return the factors c[t+1] r[t] and c[t+1] z[t] of eqs. (7)-(9)."""
    c, zero = 1 - rec.clamp[t + 1], reset == "zero"
    r = c * (1 - rec.spikes[t]) if zero else c
    if not through_reset:
        return r, 0
    return r, c * (beta * rec.mem[t] + gain * rec.syn[t] if zero else threshold)


def linearise(x, W, V, recording, psi, *, alpha, beta, gain=1.0, threshold=1.0,
              reset="subtract", through_reset=True, through_recurrence=True):
    """Linearise the layer along a recording, eqs. (12)-(14).

    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.25, beta=0.5)
    >>> J, F, E = linearise(x, W, None, rec, 0 * rec.mem, alpha=0.25, beta=0.5)
    >>> J[1, 0].tolist(), F[1, 0].tolist(), E[1, 0].tolist()
    ([[0.25, 0.0], [1.0, 0.5]], [[1.0], [0.0]], [[0.5], [0.0]])

    Parameters
    ----------
    x, W, V, recording, psi, alpha, beta, gain, threshold, reset,
    through_reset, through_recurrence
        Arguments of `backward`.

    Returns
    -------
    J : (T, B, 2n, 2n) float
        ``J[t] = dh[t]/dh[t-1]`` of h = [syn, mem]; J[0] is 0 and unused.
    F : (T, B, 2n, p) float
        Immediate influence of the parameters: W, then V, row by row.
    E : (T, B, 2n, m) float
        Derivative with respect to the input, ``E[t] = dh[t]/dx[t-1]``.
    """
    _options(recording, reset, through_reset, through_recurrence)
    W, x, alpha, beta, gain, threshold, V, psi, *rec = _arrays(
        f"{LAYER}, psi (T, B, n), {RECORDING}", W, x, alpha, beta, gain, threshold, V,
        psi, *recording)
    (T, B, m), n, rec = x.shape, W.shape[0], Recording(*rec)
    p = n * m + (0 if V is None else n * n)
    J = np.zeros((T, B, 2 * n, 2 * n), W.dtype)
    F = np.zeros((T, B, 2 * n, p), W.dtype)
    E = np.zeros((T, B, 2 * n, m), W.dtype)
    I, U = np.arange(n), n + np.arange(n)
    E[1:, :, :n] = W                                                       # (14)
    for t in range(1, T):
        r, z = _paths(rec, t - 1, beta, gain, threshold, reset, through_reset)
        J[t][:, I, I] = alpha                                              # (12)
        if V is not None and through_recurrence:
            J[t][:, :n, n:] = V * psi[t - 1][:, None, :]
        J[t][:, U, I] = gain * r
        J[t][:, U, U] = beta * r - z * psi[t - 1]
        for i in range(n):
            F[t][:, i, i * m:(i + 1) * m] = x[t - 1]                       # (13)
            if V is not None:
                F[t][:, i, n * m + i * n:n * m + (i + 1) * n] = rec.spikes[t - 1]
    return J, F, E


def credit(psi, dspikes=None, dmem=None):
    """Return the direct derivative q[t] of the loss, eq. (15).

    >>> credit(np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 4.0)).tolist()
    [[[0.0, 2.0]]]

    Parameters
    ----------
    psi, dspikes, dmem
        Arguments of `backward`.  The result has the dtype of psi.

    Returns
    -------
    (T, B, 2n) float
        ``q[t] = dL/dh[t]`` for h = [syn, mem].
    """
    psi, dspikes, dmem = _arrays(
        "psi (T*, B*, n*) float, dspikes? (T*, B*, n*), dmem? (T*, B*, n*)", psi,
        dspikes, dmem)
    mem = np.zeros_like(psi)
    mem += 0 if dmem is None else dmem
    mem += 0 if dspikes is None else psi * dspikes                         # (15)
    return np.concatenate([np.zeros_like(psi), mem], axis=-1)


def readout(x, W, *, alpha, beta, gain=1.0):
    """Simulate a non-spiking leaky readout, eq. (6).

    >>> readout(np.ones((4, 1, 1)), np.array([[1.0]]), alpha=0.5,
    ...         beta=0.5).ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]

    Parameters
    ----------
    x, W, alpha, beta, gain
        Arguments of `simulate`, with k readouts in place of n neurons.

    Returns
    -------
    (T, B, k) float
        Membrane potentials, which are 0 at step 0.
    """
    W, x, alpha, beta, gain = _arrays(READOUT, W, x, alpha, beta, gain)
    (T, B, m), k = x.shape, W.shape[0]
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, k)
    mem, syn = np.zeros((T, B, k), W.dtype), np.zeros((B, k), W.dtype)
    for t in range(1, T):
        mem[t] = beta * mem[t - 1] + gain * syn                            # (6)
        syn = alpha * syn + drive[t - 1]
    return mem


def readout_backward(x, W, dmem, *, alpha, beta, gain=1.0):
    """Compute the gradient of a leaky readout, eqs. (7)-(11) with psi = 0.

    >>> dmem = np.zeros((4, 1, 1))
    >>> dmem[3] = 1
    >>> x, W = np.ones((4, 1, 1)), np.array([[1.0]])
    >>> readout_backward(x, W, dmem, alpha=0.5, beta=0.5).dW.tolist()
    [[2.0]]

    Parameters
    ----------
    x, W, alpha, beta, gain
        Arguments of `readout`.
    dmem : (T, B, k) float
        Derivative of the loss with respect to the membrane potentials.

    Returns
    -------
    Gradient
        The field dV is None.
    """
    W, x = _arrays("W (n, m*) float, x (T, B, m*)", W, x)
    rest = np.zeros((*x.shape[:2], W.shape[0]), W.dtype)
    return backward(x, W, None, Recording(rest, rest, rest, rest > 0), rest, None,
                    dmem, alpha=alpha, beta=beta, gain=gain)


def _options(recording, reset, *flags):
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "Recording of four arrays")
    _one_of("reset", reset, "subtract", "zero")
    for name, flag in zip(("through_reset", "through_recurrence"), flags, strict=True):
        _one_of(name, flag, bool, np.bool_)


# ---- checks, the same in every module ----
def _arrays(spec, *values, dtype=None):
    """Check `values` against `spec`, a text like "W (n, m) float, V? (n, n)".
    `V?` may be None, `a[]` is a list, and the shape `(n?)` allows a number as
    well.  Arrays get the dtype of the first float array."""
    known = {"dtype": dtype}
    return [_array(*rule, value, known) for rule, value in zip(re.findall(
        r"(\S+) \((.*?)\)( float| int|)( in .*?[])}]|)", spec), values, strict=True)]


def _array(name, axes, kind, limits, value, known):
    if name.endswith("[]"):
        return [_array(f"{name[:-1]}{i}]", axes, kind, limits, entry, known)
                for i, entry in enumerate(_one_of(name, value, list, tuple))]
    if value is None and name.endswith("?"):
        return None
    try:
        a = np.asarray(value)
        ok = a.dtype in (np.float32, np.float64) if kind == " float" else \
            a.dtype.kind in ("iu" if kind else "fiub"[:3 + a.ndim])
        known["dtype"] = known["dtype"] or (a.dtype if kind == " float" else None)
        a = a if kind == " int" else a.astype(known["dtype"] or a.dtype, copy=False)
        ends = "" if "?" in axes and not a.ndim else axes.replace("...", "* " * a.ndim)
        ok &= all(size == int(x) if x.isdigit() else (size > 0 or x[-1] == "*") and (
            x[0] in "_*" or known.setdefault(x.rstrip("*?"), size) == size)
            for x, size in zip(re.findall(r"[^\s,]+", ends), a.shape, strict=True))
        low, high = map(float, (limits or " in (-inf, inf)")[5:-1].split(","))
        finite = ok and not limits and np.isfinite(np.vdot(a, a))     # no temporaries
        ok &= bool(finite or np.all(np.isin(a, (low, high)) if "{" in limits else (
            a >= low if "[" in limits else a > low) & (
            a <= high if "]" in limits else a < high)))
    except (ArithmeticError, RuntimeError, RuntimeWarning, TypeError, ValueError):
        ok = False
    if not ok:
        shown = " ".join(f"{getattr(value, 'shape', '')} {value!r}".split())[:80]
        raise ValueError(f"{name.rstrip('?')} is {shown}: must be finite"
                         f"{kind or ' real'} ({axes}){limits}, with {known}")
    return a if axes else a.item()


def _one_of(name, value, *allowed):
    types = tuple(x for x in allowed if isinstance(x, type))
    if not isinstance(value, types) and str(value) not in allowed:
        raise ValueError(f"{name} is {value!r:.60}: must be one of {allowed}")
    return value
