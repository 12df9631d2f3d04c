# refsnn 0.1.0 | lif.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Layers of leaky integrate-and-fire (LIF) neurons and leaky readouts.

A current-based LIF layer, optionally recurrent, is run forward in time,
and its surrogate gradient is followed backward in time or laid out as
arrays.  With c[t] = 0 where a neuron is held refractory and 1 elsewhere,
and I[0] = U[0] = 0, one step of [NMZ19] is

    S[t]   = 1 if U[t] > threshold else 0             (1)  [NMZ19] eq. ?
    I[t+1] = alpha I[t] + W x[t] + V S[t]             (2)  [NMZ19] eq. ?
    reset="subtract", threshold S[t] taken off,            [NMZ19] eq. ?
    U[t+1] = c[t+1] (beta U[t] + gain I[t] - threshold S[t])          (3)
    reset="zero", the membrane starts again,
    U[t+1] = c[t+1] (beta U[t] + gain I[t]) (1 - S[t])                (4)
    refractory=k: the membrane is 0 for k steps after a spike,
    c[t+1] = 0 if any of S[t-k+1 .. t] is 1 else 1                    (5)

so x[t] meets the membrane at t + 2.  The readout has no spikes:

    I[t+1] = alpha I[t] + W x[t],  U[t+1] = beta U[t] + gain I[t]     (6)

Derivation.  Write psi[t] for the surrogate of dS[t]/dU[t], r[t] for the
    factor of the reset (1, or 1 - S[t]), z[t] for minus its derivative by
    S[t] (threshold, or beta U[t] + gain I[t]), and dA for dL/dA with all
    later steps taken into account.  The chain rule through (2)-(4) is

    dI[t] = alpha dI[t+1] + gain r[t] c[t+1] dU[t+1]                  (7)
    dS[t] = dspikes[t] + V^T dI[t+1] - z[t] c[t+1] dU[t+1]            (8)
    dU[t] = dmem[t] + beta r[t] c[t+1] dU[t+1] + psi[t] dS[t]         (9)
    dW = sum_t dI[t+1] x[t]^T,  dV = sum_t dI[t+1] S[t]^T            (10)
    dx[t] = W^T dI[t+1]                                              (11)

    `through_recurrence=False` drops the second term of (8) and
    `through_reset=False` the third; both are the exact gradient of a run
    in which that path reads recorded spikes.  As arrays, h = [I, U]:

    J[t] = [[alpha, V psi[t-1]],
            [gain r[t-1] c[t], c[t] (beta r[t-1] - z[t-1] psi[t-1])]]  (12)
    F[t]: dI_i[t]/dW_ij = x_j[t-1],  dI_i[t]/dV_ij = S_j[t-1]        (13)
    E[t] = dh[t]/dx[t-1] = [[W], [0]]                                (14)
    q[t] = [0, dmem[t] + psi[t] dspikes[t]]                          (15)

Exact.  Of the hard-spiking network with dS/dU := psi: the derivative of
    the anchored run S = H(u0 - threshold) + f(u - threshold) - f(u0 -
    threshold), f' = psi, about the recording u0.  The refractory mask c is
    a recorded value: a counter has no derivative.
Cost.   Forward and backward O(T B n (m + n)) time, O(T B n) memory;
    `linearise` O(T B n p) memory, p = n m + n n.
Departures.  [NMZ19] has gain 1, threshold 1, no refractory time and lets
    the gradient pass the reset; its published tutorials reset to zero and
    do not.  A tie U = threshold is no spike.
Errata.  [NMZ19] prints -(U - U_rest + R I) for the membrane's drift; the
    current must enter with a plus, as in (3).

[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

from typing import Callable, NamedTuple

import numpy as np

__all__ = ["Gradient", "Recording", "backward", "credit", "linearise",
           "readout", "readout_backward", "simulate"]


class Recording(NamedTuple):
    """What a run leaves behind, four arrays of shape (T, B, n).

    `syn` is I of (2), `mem` is U after reset and clamp, `spikes` is S of
    (1), and `clamp` is True where refractoriness held the membrane at 0.
    """

    syn: np.ndarray
    mem: np.ndarray
    spikes: np.ndarray
    clamp: np.ndarray


class Gradient(NamedTuple):
    """Adjoints: dW (n, m), dV (n, n) or None, dx (T, B, m), dsyn (T, B, n)."""

    dW: np.ndarray
    dV: np.ndarray
    dx: np.ndarray
    dsyn: np.ndarray


def _array(name, value, shape, dtype=None, mask=False):
    """`value` as a finite array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiub":
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a real array of shape {want}")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    if mask and not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} has entries that are not 0 or 1: must be a mask")
    return array


def _weights(x, W, V):
    """Checked (x, W, V) in the dtype of W."""
    W = _array("W", W, (None, None))
    if W.dtype not in (np.float32, np.float64):
        raise ValueError(f"W is of dtype {W.dtype}: must be float32 or float64")
    x = _array("x", x, (None, None, W.shape[1]), W.dtype)
    if 0 in x.shape[:2] or W.shape[0] == 0:
        raise ValueError(f"x and W are of shapes {x.shape} and {W.shape}: "
                         "must have T, B and n of at least 1")
    if V is not None:
        V = _array("V", V, (W.shape[0],) * 2, W.dtype)
    return x, W, V


def _constant(name, value, n, dtype, below=None, positive=False):
    """A number or (n,) array in [0, below), or above 0, as array of dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (n,)):
        raise ValueError(f"{name} is {value!r}: must be a number or ({n},) array")
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype)         # 1 - 1e-9 is 1 in float32
        inside = (array > 0) if positive else (array >= 0)
        inside &= np.isfinite(array) if below is None else (array < below)
    if not inside.all():
        low, high = ("(0" if positive else "[0"), "inf" if below is None else below
        raise ValueError(f"{name} is {value!r}: must be in {low}, {high}), "
                         f"also when rounded to {array.dtype}")
    return array


def _constants(alpha, beta, gain, threshold, n, dtype):
    return (_constant("alpha", alpha, n, dtype, below=1),
            _constant("beta", beta, n, dtype, below=1),
            _constant("gain", gain, n, dtype, positive=True),
            _constant("threshold", threshold, n, dtype, positive=True))


def _options(reset, through_reset=True, through_recurrence=True):
    """Whether the reset is to zero, all options checked."""
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    for name, value in (("through_reset", through_reset),
                        ("through_recurrence", through_recurrence)):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} is {value!r}: must be True or False")
    return reset == "zero"


def _refractory(refractory, spike, clamp):
    if type(refractory) is bool or not isinstance(refractory, (int, np.integer)) \
            or refractory < 0:
        raise ValueError(f"refractory is {refractory!r}: must be an integer >= 0")
    if spike is not None and not callable(spike):
        raise ValueError(f"spike is {spike!r}: must be a callable (t, u) or None")
    if refractory and spike is not None and clamp is None:
        raise ValueError("clamp is None: must be recorded for spike, refractory > 0")


def simulate(x, W, V=None, *, alpha, beta, gain=1.0, threshold=1.0,
             reset="subtract", refractory=0, spike: Callable = None, clamp=None,
             reset_spikes=None, recurrent_spikes=None):
    """Run one LIF layer from rest over T steps, eqs. (1)-(5).

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Input, such as spikes of the layer below.
    W : (n, m) float
        Input weights, threshold units.  Its dtype is the result's.
    V : (n, n) float, optional
        Recurrent weights, threshold units.
    alpha, beta : float or (n,) float
        Decays exp(-dt/tau_syn) and exp(-dt/tau_mem), in [0, 1).
    gain, threshold : float or (n,) float
        Positive; gain is 1 or 1 - beta in the literature.
    reset : {"subtract", "zero"}
        Equation (3) or (4).
    refractory : int
        Steps for which the membrane is 0 after a spike.
    spike : callable (t, u) -> (B, n) float, optional
        In place of (1); what anchored finite differences run with.
    clamp : (T, B, n) bool, optional
        Recorded refractory mask, in place of the counter of (5).
    reset_spikes, recurrent_spikes : (T, B, n) float, optional
        Recorded spikes that the reset, or the recurrence, reads in place
        of the run's own: what frozen finite differences run with.

    Returns
    -------
    Recording
        Step 0 is rest.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x = np.zeros((5, 1, 1))
    >>> x[0] = 1
    >>> W = np.array([[1.5]])
    >>> simulate(x, W, alpha=0.5, beta=0.5).mem[:, 0, 0].tolist()
    [0.0, 0.0, 1.5, 0.5, 0.625]
    """
    x, W, V = _weights(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    alpha, beta, gain, threshold = _constants(alpha, beta, gain, threshold,
                                              n, W.dtype)
    zero = _options(reset)
    _refractory(refractory, spike, clamp)
    given = {name: None if a is None else
             _array(name, a, (T, B, n), W.dtype, name == "clamp") for name, a in
             (("clamp", clamp), ("reset_spikes", reset_spikes),
              ("recurrent_spikes", recurrent_spikes))}
    if V is None and recurrent_spikes is not None:
        raise ValueError("recurrent_spikes is given and V is None: must be None")
    syn, mem, spikes = (np.zeros((T, B, n), W.dtype) for _ in range(3))
    held = np.zeros((T, B, n), bool) if clamp is None else given["clamp"] > 0
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    for t in range(T):
        if t:
            leak = beta * mem[t - 1] + gain * syn[t - 1]
            fired = spikes[t - 1] if reset_spikes is None \
                else given["reset_spikes"][t - 1]
            syn[t] = alpha * syn[t - 1] + drive[t - 1]
            if V is not None:
                sent = spikes[t - 1] if recurrent_spikes is None \
                    else given["recurrent_spikes"][t - 1]
                syn[t] += sent @ V.T                                       # (2)
            if clamp is None and refractory:
                held[t] = spikes[max(0, t - refractory):t].any(axis=0)     # (5)
            mem[t] = leak * (1 - fired) if zero else leak - threshold * fired  # (4)
            mem[t] *= ~held[t]                                             # (3)
        spikes[t] = mem[t] > threshold if spike is None \
            else spike(t, mem[t])                                          # (1)
    return Recording(syn, mem, spikes, held)


def _recording(recording, psi, dspikes, dmem, shape, dtype):
    """Checked recording and fields on it; absent adjoints are None."""
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is a {type(recording).__name__}: not a Recording")
    rec = Recording(*(_array(f"recording.{name}", field, shape, dtype, name == "clamp")
                      for name, field in zip(Recording._fields, recording)))
    psi = _array("psi", psi, shape, dtype)
    dspikes = None if dspikes is None else _array("dspikes", dspikes, shape, dtype)
    dmem = None if dmem is None else _array("dmem", dmem, shape, dtype)
    return rec, psi, dspikes, dmem


def _paths(rec, t, beta, gain, threshold, zero, through_reset):
    """c[t+1] r[t] and c[t+1] z[t] of the step from t to t+1."""
    c = 1 - rec.clamp[t + 1]
    r = c * (1 - rec.spikes[t]) if zero else c
    if not through_reset:
        return r, np.zeros_like(c)
    return r, c * (beta * rec.mem[t] + gain * rec.syn[t] if zero else threshold)


def backward(x, W, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
             through_recurrence=True):
    """Surrogate gradient of one layer backward in time, eqs. (7)-(11).

    Parameters
    ----------
    x, W, V
        As handed to `simulate`; V may be None.
    recording : Recording
        What `simulate` returned (or any other source's).
    psi : (T, B, n) float
        Surrogate derivative at ``recording.mem - threshold``.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss by the spikes and membranes.
    alpha, beta, gain, threshold, reset
        As handed to `simulate`.
    through_reset, through_recurrence : bool
        Whether the gradient follows the reset, and the spikes sent back
        through V (dV itself is always computed).

    Returns
    -------
    Gradient
        Summed over steps and batch; ``dsyn[t]`` is dL/dI[t].

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.5, beta=0.5)
    >>> dmem = np.zeros((3, 1, 1))
    >>> dmem[2] = 1
    >>> backward(x, W, None, rec, 0 * dmem, None, dmem, alpha=0.5,
    ...          beta=0.5).dW.tolist()
    [[1.0]]
    """
    x, W, V = _weights(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    alpha, beta, gain, threshold = _constants(alpha, beta, gain, threshold,
                                              n, W.dtype)
    zero = _options(reset, through_reset, through_recurrence)
    rec, psi, dspikes, dmem = _recording(recording, psi, dspikes, dmem,
                                         (T, B, n), W.dtype)
    dsyn = np.zeros((T, B, n), W.dtype)
    dI, dU = np.zeros((B, n), W.dtype), np.zeros((B, n), W.dtype)
    for t in range(T - 1, -1, -1):
        dS = np.zeros((B, n), W.dtype) if dspikes is None else dspikes[t].copy()
        leak = 0 if dmem is None else dmem[t]
        if t < T - 1:
            r, z = _paths(rec, t, beta, gain, threshold, zero, through_reset)
            if V is not None and through_recurrence:
                dS += dI @ V
            dS -= z * dU                                                   # (8)
            dI = alpha * dI + gain * r * dU                                # (7)
            leak = leak + beta * r * dU
        dU = leak + psi[t] * dS                                            # (9)
        dsyn[t] = dI
    later = dsyn[1:].reshape(-1, n)
    dW = later.T @ x[:-1].reshape((T - 1) * B, m)
    dV = None if V is None else later.T @ rec.spikes[:-1].reshape(-1, n)   # (10)
    dx = np.zeros_like(x)
    dx[:-1] = dsyn[1:] @ W                                                 # (11)
    return Gradient(dW, dV, dx, dsyn)


def linearise(x, W, V, recording, psi, *, alpha, beta, gain=1.0, threshold=1.0,
              reset="subtract", through_reset=True, through_recurrence=True):
    """The layer as arrays J, F, E along a recording, eqs. (12)-(14).

    Parameters
    ----------
    x, W, V, recording, psi, alpha, beta, gain, threshold, reset,
    through_reset, through_recurrence
        As for `backward`.

    Returns
    -------
    J : (T, B, 2n, 2n) float
        ``J[t] = dh[t]/dh[t-1]`` of h = [syn, mem]; J[0] is 0, unused.
    F : (T, B, 2n, p) float
        Immediate influence of the parameters, W then V, row by row.
    E : (T, B, 2n, m) float
        ``E[t] = dh[t]/dx[t-1]``, which chains layers.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W = np.ones((3, 1, 1)), np.array([[0.5]])
    >>> rec = simulate(x, W, alpha=0.25, beta=0.5)
    >>> J, F, E = linearise(x, W, None, rec, 0 * rec.mem, alpha=0.25, beta=0.5)
    >>> J[1, 0].tolist(), F[1, 0].tolist(), E[1, 0].tolist()
    ([[0.25, 0.0], [1.0, 0.5]], [[1.0], [0.0]], [[0.5], [0.0]])
    """
    x, W, V = _weights(x, W, V)
    (T, B, m), n = x.shape, W.shape[0]
    alpha, beta, gain, threshold = _constants(alpha, beta, gain, threshold,
                                              n, W.dtype)
    zero = _options(reset, through_reset, through_recurrence)
    rec, psi, _, _ = _recording(recording, psi, None, None, (T, B, n), W.dtype)
    p = n * m + (0 if V is None else n * n)
    J = np.zeros((T, B, 2 * n, 2 * n), W.dtype)
    F = np.zeros((T, B, 2 * n, p), W.dtype)
    E = np.zeros((T, B, 2 * n, m), W.dtype)
    I, U = np.arange(n), n + np.arange(n)
    E[1:, :, :n] = W                                                       # (14)
    for t in range(1, T):
        r, z = _paths(rec, t - 1, beta, gain, threshold, zero, through_reset)
        J[t][:, I, I] = alpha
        if V is not None and through_recurrence:
            J[t][:, :n, n:] = V * psi[t - 1][:, None, :]
        J[t][:, U, I] = gain * r
        J[t][:, U, U] = beta * r - z * psi[t - 1]                          # (12)
        for i in range(n):
            F[t][:, i, i * m:(i + 1) * m] = x[t - 1]
            if V is not None:
                first = n * m + i * n
                F[t][:, i, first:first + n] = rec.spikes[t - 1]            # (13)
    return J, F, E


def credit(psi, dspikes=None, dmem=None):
    """Credit q[t] = dL/dh[t] that a loss gives the states, eq. (15).

    Parameters
    ----------
    psi : (T, B, n) float
        Surrogate derivative on the recording.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss by the spikes and membranes.

    Returns
    -------
    (T, B, 2n) float
        For h = [syn, mem].

    Raises
    ------
    ValueError
        If a shape or dtype does not fit, or an entry is not finite.

    Examples
    --------
    >>> credit(np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 4.0)).tolist()
    [[[0.0, 2.0]]]
    """
    psi = _array("psi", psi, (None, None, None))
    if psi.dtype not in (np.float32, np.float64):
        raise ValueError(f"psi is of dtype {psi.dtype}: must be float32 or float64")
    mem = np.zeros_like(psi)
    if dmem is not None:
        mem += _array("dmem", dmem, psi.shape, psi.dtype)
    if dspikes is not None:
        mem += psi * _array("dspikes", dspikes, psi.shape, psi.dtype)      # (15)
    return np.concatenate([np.zeros_like(psi), mem], axis=-1)


def readout(x, W, *, alpha, beta, gain=1.0):
    """Membranes of a leaky readout that never spikes, eq. (6).

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Spikes of the layer below.
    W : (k, m) float
        Weights; its dtype is the result's.
    alpha, beta, gain : float or (k,) float
        As for `simulate`.

    Returns
    -------
    (T, B, k) float
        Membranes; step 0 is rest.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> readout(np.ones((4, 1, 1)), np.array([[1.0]]), alpha=0.5,
    ...         beta=0.5).ravel().tolist()
    [0.0, 0.0, 1.0, 2.0]
    """
    x, W, _ = _weights(x, W, None)
    (T, B, m), k = x.shape, W.shape[0]
    alpha, beta, gain, _ = _constants(alpha, beta, gain, 1, k, W.dtype)
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, k)
    mem, syn = np.zeros((T, B, k), W.dtype), np.zeros((B, k), W.dtype)
    for t in range(1, T):
        mem[t] = beta * mem[t - 1] + gain * syn
        syn = alpha * syn + drive[t - 1]                                   # (6)
    return mem


def readout_backward(x, W, dmem, *, alpha, beta, gain=1.0):
    """Gradient of a leaky readout: eqs. (7)-(11) with psi = 0 and r = c = 1.

    Parameters
    ----------
    x, W, alpha, beta, gain
        As handed to `readout`.
    dmem : (T, B, k) float
        Derivative of the loss by the membranes.

    Returns
    -------
    Gradient
        Its dV is None.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> dmem = np.zeros((4, 1, 1))
    >>> dmem[3] = 1
    >>> x, W = np.ones((4, 1, 1)), np.array([[1.0]])
    >>> readout_backward(x, W, dmem, alpha=0.5, beta=0.5).dW.tolist()
    [[2.0]]
    """
    x, W, _ = _weights(x, W, None)
    rest = np.zeros((*x.shape[:2], W.shape[0]), W.dtype)
    return backward(x, W, None, Recording(rest, rest, rest, rest > 0), rest, None,
                    dmem, alpha=alpha, beta=beta, gain=gain)
