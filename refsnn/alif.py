# refsnn 0.1.0 | alif.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Adaptive integrate-and-fire (ALIF) neurons and their e-prop traces.

An LIF neuron whose threshold rises with each of its spikes and falls back
slowly remembers for as long as that takes.  With I[0] = U[0] = A[0] = 0,

    S[t] = b[t] H(U[t] - adaptation A[t] - threshold)    (1)  [BSS20] eq. ?
    I[t+1] = alpha I[t] + W x[t] + V S[t]                (2)
    U[t+1] = beta U[t] + gain I[t] - threshold S[t]      (3)  [BSS20] eq. ?
    A[t+1] = rho A[t] + S[t]                             (4)  [BSS20] eq. ?
    refractory=k: b[t] = 0 if any of S[t-k .. t-1] is 1 else 1   (5)

and psi the surrogate derivative of H, 0 where b is 0.  e-prop carries the
derivatives i, u of current and membrane by theta_ij, the weight from
signal z_j (x_j or S_j), and eps of the neuron's own adaptation:

    i_j[t+1] = alpha i_j[t] + z_j[t],  u_j[t+1] = beta u_j[t] + gain i_j[t]
                                                         (6)  [BSS20] eq. ?
    eps_ij[t+1] = (rho - adaptation psi_i[t]) eps_ij[t] + psi_i[t] u_j[t]
                                                         (7)  [BSS20] eq. ?
    e_ij[t] = psi_i[t] (u_j[t] - adaptation eps_ij[t])   (8)  [BSS20] eq. ?
    dL/dtheta_ij = sum_t dspikes_i[t] e_ij[t] + dmem_i[t] u_j[t]
                                                         (9)  [BSS20] eq. ?

Derivation.  As arrays, h = [I, U, A], a = adaptation, all at step t - 1:

    J[t] = [[alpha, V psi,                 -V psi a            ],
            [gain,  beta - threshold psi,   threshold psi a    ],
            [0,     psi,                    rho - a psi        ]]    (10)
    F[t]: dI_i[t]/dW_ij = x_j[t-1],  dI_i[t]/dV_ij = S_j[t-1]        (11)
    q[t] = [0, dmem + psi dspikes, -a psi dspikes][t]                (12)

    (6)-(9) are M[t] = J[t] M[t-1] + F[t] with both V psi terms and both
    threshold terms left out: then u no longer depends on i.
Approximate.  `linearise` and `credit` are exact (with dS/dU := psi, about
    the recording; b is a recorded value).  `gradient` keeps decays and own
    adaptation, and drops the recurrence through V and the reset: it is the
    exact gradient of a run in which both read recorded spikes.
Cost.   Of `step`: O(B n c) time and memory for c signals, one trace for
    each synapse more than the rung "presynaptic" of `sparse_rtrl`; of
    `linearise`: O(T B n p) memory, p = n c.
Departures.  [BSS20] has no synaptic current (alpha = 0, one step later),
    holds its learning signal apart, and filters e by a readout
    (`sparse_rtrl.readout_step`); published code stops the gradient at the
    reset and masks self-connections, which here is V's affair: give it a
    zero diagonal.

[BSS20] G. Bellec, F. Scherr, A. Subramoney, E. Hajek, D. Salaj, R.
    Legenstein and W. Maass, Nature Communications 11, 3625, 2020.
"""

from typing import Callable, NamedTuple

import numpy as np

__all__ = ["Recording", "Traces", "credit", "eligibility", "gradient", "linearise",
           "simulate", "step"]


class Recording(NamedTuple):
    """What a run leaves behind, five arrays of shape (T, B, n).

    I, U, A and S of (1)-(4), and `blocked`: True where b of (5) is 0.
    """

    syn: np.ndarray
    mem: np.ndarray
    adapted: np.ndarray
    spikes: np.ndarray
    blocked: np.ndarray


class Traces(NamedTuple):
    """i_j and u_j, both (B, c), and eps_ij, (B, n, c), of (6) and (7)."""

    syn: np.ndarray
    mem: np.ndarray
    adapted: np.ndarray


def _array(name, value, shape, dtype=None, mask=False):
    """`value` as a finite real array of `shape`, whose None axes are free."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiub" or (
            dtype is None and array.dtype not in (np.float32, np.float64)):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        kind = "float32 or float64" if dtype is None else "real"
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: "
                         f"must be a {kind} array of shape {want}")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    if mask and not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} has entries that are not 0 or 1: must be a mask")
    return array


def _constants(n, dtype, own, constants):
    """Checked constants by name, in order; those of `own` may be (n,) arrays."""
    found = []
    for name, value in constants.items():
        array = np.asarray(value)
        shapes = ((), (n,)) if name in own else ((),)
        if array.dtype.kind not in "fiu" or array.shape not in shapes:
            raise ValueError(f"{name} is {value!r}: must be a number"
                             + f" or ({n},) array" * (name in own))
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(dtype)     # 1 - 1e-9 is 1 in float32
            decay = name in ("alpha", "beta", "rho")
            inside = (array > 0) | ((array == 0) & (decay or name == "adaptation"))
            inside &= (array < 1) if decay else np.isfinite(array)
        if not inside.all():
            bounds = "[0, 1)" if decay else \
                "[0, inf)" if name == "adaptation" else "(0, inf)"
            raise ValueError(f"{name} is {value!r}: must be in {bounds}, also when "
                             f"rounded to {array.dtype}")
        found.append(array)
    return found


def _flags(through_reset, through_recurrence):
    for name, value in (("through_reset", through_reset),
                        ("through_recurrence", through_recurrence)):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} is {value!r}: must be True or False")


def _layer(x, W, V):
    W = _array("W", W, (None, None))
    x = _array("x", x, (None, None, W.shape[1]), W.dtype)
    if 0 in x.shape[:2] or W.shape[0] == 0:
        raise ValueError(f"x and W are of shapes {x.shape} and {W.shape}: "
                         "must have T, B and n of at least 1")
    return x, W, None if V is None else _array("V", V, (len(W),) * 2, W.dtype)


def simulate(x, W, V=None, *, alpha, beta, rho, adaptation, gain=1.0, threshold=1.0,
             refractory=0, spike: Callable = None, blocked=None, reset_spikes=None,
             recurrent_spikes=None):
    """Run one layer from rest over T steps, eqs. (1)-(5).

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Input.
    W : (n, m) float
        Input weights, threshold units.  Its dtype is the result's.
    V : (n, n) float, optional
        Recurrent weights.
    alpha, beta, rho : float or (n,) float
        Decays of current, membrane and adaptation, in [0, 1).
    adaptation : float or (n,) float
        By how much a spike raises the threshold, at least 0; 0 is LIF.
    gain, threshold : float or (n,) float
        Positive.
    refractory : int
        Steps after a spike in which there is no other.
    spike : callable (t, v) -> (B, n) float, optional
        In place of the threshold; v = U - adaptation A.
    blocked : (T, B, n) bool, optional
        Recorded refractory mask, in place of the counter of (5).
    reset_spikes, recurrent_spikes : (T, B, n) float, optional
        Recorded spikes that the reset, or the recurrence, reads in place
        of the run's own.

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
    >>> run = simulate(np.ones((9, 1, 1)), np.array([[1.5]]), alpha=0.0,
    ...                beta=0.0, rho=0.5, adaptation=1.0)
    >>> run.spikes.ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    """
    x, W, V = _layer(x, W, V)
    (T, B, m), n, dtype = x.shape, W.shape[0], W.dtype
    alpha, beta, rho, a, gain, threshold = _constants(n, dtype, (
        "alpha", "beta", "rho", "adaptation", "gain", "threshold"), {
        "alpha": alpha, "beta": beta, "rho": rho, "adaptation": adaptation,
        "gain": gain, "threshold": threshold})
    _refractory(refractory, spike, blocked)
    if V is None and recurrent_spikes is not None:
        raise ValueError("recurrent_spikes is given and V is None: must be None")
    mask, resets, sent = (None if a is None else
                          _array(name, a, (T, B, n), dtype, name == "blocked")
                          for name, a in (("blocked", blocked),
                                          ("reset_spikes", reset_spikes),
                                          ("recurrent_spikes", recurrent_spikes)))
    syn, mem, adapted, spikes = (np.zeros((T, B, n), dtype) for _ in range(4))
    held = np.zeros((T, B, n), bool) if mask is None else mask > 0
    resets, sent = (spikes if s is None else s for s in (resets, sent))
    drive = (x.reshape(T * B, m) @ W.T).reshape(T, B, n)
    for t in range(T):
        if t:
            syn[t] = alpha * syn[t - 1] + drive[t - 1]
            if V is not None:
                syn[t] += sent[t - 1] @ V.T                                # (2)
            mem[t] = beta * mem[t - 1] + gain * syn[t - 1] \
                - threshold * resets[t - 1]                                # (3)
            adapted[t] = rho * adapted[t - 1] + spikes[t - 1]              # (4)
        if mask is None and refractory:
            held[t] = spikes[max(0, t - refractory):t].any(axis=0)         # (5)
        v = mem[t] - a * adapted[t]
        spikes[t] = v > threshold if spike is None else spike(t, v)
        spikes[t] *= ~held[t]                                              # (1)
    return Recording(syn, mem, adapted, spikes, held)


def _refractory(refractory, spike, blocked):
    if type(refractory) is bool or not isinstance(refractory, (int, np.integer)) \
            or refractory < 0:
        raise ValueError(f"refractory is {refractory!r}: must be an integer >= 0")
    if spike is not None and not callable(spike):
        raise ValueError(f"spike is {spike!r}: must be a callable (t, v) or None")
    if refractory and spike is not None and blocked is None:
        raise ValueError("blocked is None: must be recorded for spike, refractory > 0")


def _recorded(recording, psi, shape, dtype):
    """Checked spikes, and psi with 0 where refractoriness blocked a spike."""
    if not isinstance(recording, tuple) or len(recording) != 5:
        raise ValueError(f"recording is a {type(recording).__name__}: not a Recording")
    spikes, blocked = (_array(f"recording.{name}", field, shape, dtype,
                              name == "blocked") for name, field in
                       zip(("spikes", "blocked"), recording[3:], strict=True))
    return spikes, _array("psi", psi, shape, dtype) * (1 - blocked)


def linearise(x, W, V, recording, psi, *, alpha, beta, rho, adaptation, gain=1.0,
              threshold=1.0, through_reset=True, through_recurrence=True):
    """The layer as arrays J and F along a recording, eqs. (10) and (11).

    Parameters
    ----------
    x, W, V, alpha, beta, rho, adaptation, gain, threshold
        As handed to `simulate`; V may be None.
    recording : Recording
        What `simulate` returned.
    psi : (T, B, n) float
        Surrogate derivative at ``mem - adaptation * adapted - threshold``;
        taken as 0 where refractoriness blocked a spike.
    through_reset, through_recurrence : bool
        Whether derivatives follow the reset, and spikes sent through V.

    Returns
    -------
    J : (T, B, 3n, 3n) float
        ``J[t] = dh[t]/dh[t-1]`` of h = [syn, mem, adapted]; J[0] is 0.
    F : (T, B, 3n, p) float
        Immediate influence of W then V, row by row.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, W, own = np.ones((2, 1, 1)), np.array([[1.0]]), {"alpha": 0.5,
    ...     "beta": 0.25, "rho": 0.75, "adaptation": 2.0}
    >>> J, F = linearise(x, W, None, simulate(x, W, **own), 0 * x, **own)
    >>> J[1, 0].tolist()
    [[0.5, 0.0, 0.0], [1.0, 0.25, 0.0], [0.0, 0.0, 0.75]]
    """
    x, W, V = _layer(x, W, V)
    (T, B, m), n, dtype = x.shape, W.shape[0], W.dtype
    alpha, beta, rho, a, gain, threshold = _constants(n, dtype, (
        "alpha", "beta", "rho", "adaptation", "gain", "threshold"), {
        "alpha": alpha, "beta": beta, "rho": rho, "adaptation": adaptation,
        "gain": gain, "threshold": threshold})
    _flags(through_reset, through_recurrence)
    spikes, psi = _recorded(recording, psi, (T, B, n), dtype)
    J = np.zeros((T, B, 3 * n, 3 * n), dtype)
    F = np.zeros((T, B, 3 * n, n * m + (0 if V is None else n * n)), dtype)
    I, U, A = (np.arange(n) + k * n for k in range(3))
    before, reset = psi[:-1], psi[:-1] * threshold * through_reset
    J[1:, :, I, I], J[1:, :, U, I] = alpha, gain
    if V is not None and through_recurrence:
        J[1:, :, :n, n:2 * n] = V * before[:, :, None, :]
        J[1:, :, :n, 2 * n:] = -V * (a * before)[:, :, None, :]
    J[1:, :, U, U], J[1:, :, U, A] = beta - reset, a * reset
    J[1:, :, A, U], J[1:, :, A, A] = before, rho - a * before              # (10)
    for i in range(n):
        F[1:, :, i, i * m:(i + 1) * m] = x[:-1]
        if V is not None:
            F[1:, :, i, n * m + i * n:n * m + (i + 1) * n] = spikes[:-1]   # (11)
    return J, F


def credit(recording, psi, dspikes=None, dmem=None, *, adaptation):
    """Credit q[t] = dL/dh[t] that a loss gives the states, eq. (12).

    Parameters
    ----------
    recording, psi, adaptation
        As for `linearise`.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss by the spikes and membranes.

    Returns
    -------
    (T, B, 3n) float
        For h = [syn, mem, adapted].

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> one = np.ones((1, 1, 1))
    >>> run = (one, one, one, one, 0 * one)
    >>> credit(run, one, 2 * one, adaptation=0.5).tolist()
    [[[0.0, 2.0, -1.0]]]
    """
    psi = _array("psi", psi, (None, None, None))
    _, psi = _recorded(recording, psi, psi.shape, psi.dtype)
    a, = _constants(psi.shape[2], psi.dtype, ("adaptation",),
                    {"adaptation": adaptation})
    by_mem = np.zeros_like(psi) if dmem is None \
        else _array("dmem", dmem, psi.shape, psi.dtype)
    by_spike = np.zeros_like(psi) if dspikes is None \
        else psi * _array("dspikes", dspikes, psi.shape, psi.dtype)
    return np.concatenate([0 * psi, by_mem + by_spike, -a * by_spike], axis=-1)  # (12)


def _step(traces, z, psi, alpha, beta, gain, rho, a):
    syn, mem, adapted = traces
    spike = psi[:, :, None]
    a, rho = np.reshape(a, (-1, 1)), np.reshape(rho, (-1, 1))
    return Traces(alpha * syn + z, beta * mem + gain * syn,                # (6)
                  (rho - a * spike) * adapted + spike * mem[:, None, :])   # (7)


def _traces(traces, z, psi):
    """Checked (traces, z, psi)."""
    psi = _array("psi", psi, (None, None))
    if z is not None:
        z = _array("z", z, (len(psi), None), psi.dtype)
    if not isinstance(traces, tuple) or len(traces) != 3:
        raise ValueError(f"traces is a {type(traces).__name__}: must be Traces")
    c = np.shape(traces[0])[-1:] if z is None else z.shape[1:]
    shapes = ((len(psi), *c), (len(psi), *c), (*psi.shape, *c))
    return Traces(*(_array(f"traces.{name}", field, shape, psi.dtype)
                    for name, field, shape in
                    zip(Traces._fields, traces, shapes, strict=True))), z, psi


def step(traces, z, psi, *, alpha, beta, rho, adaptation, gain=1.0):
    """Traces of step t + 1 from those of step t, eqs. (6) and (7).

    Parameters
    ----------
    traces : Traces
        Of step t; zeros before the first.
    z : (B, c) float
        Signals of step t: input, then the layer's spikes if recurrent.
    psi : (B, n) float
        Surrogate derivative of step t, 0 where refractory.
    alpha, beta, gain : float
        As handed to `simulate`, the same for all neurons.
    rho, adaptation : float or (n,) float
        As handed to `simulate`.

    Returns
    -------
    Traces
        New arrays.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> traces = Traces(one, 2 * one, 4 * one[None])
    >>> [a.ravel().tolist() for a in step(traces, one, one, alpha=0.5,
    ...      beta=0.5, rho=0.5, adaptation=0.25)]
    [[1.5], [2.0], [3.0]]
    """
    traces, z, psi = _traces(traces, z, psi)
    constants = _constants(psi.shape[1], psi.dtype, ("rho", "adaptation"), {
        "alpha": alpha, "beta": beta, "gain": gain, "rho": rho,
        "adaptation": adaptation})
    return _step(traces, z, psi, *constants)


def eligibility(traces, psi, *, adaptation):
    """Derivative of each spike by the weights as e-prop has it, eq. (8).

    Parameters
    ----------
    traces : Traces
        Of step t.
    psi : (B, n) float
        Surrogate derivative of step t, 0 where refractory.
    adaptation : float or (n,) float
        As handed to `simulate`.

    Returns
    -------
    (B, n, c) float
        e of step t.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> eligibility(Traces(one, 2 * one, 4 * one[None]), one,
    ...             adaptation=0.25).tolist()
    [[[1.0]]]
    """
    traces, _, psi = _traces(traces, None, psi)
    a, = _constants(psi.shape[1], psi.dtype, ("adaptation",),
                    {"adaptation": adaptation})
    return psi[:, :, None] * (traces.mem[:, None, :]
                              - np.reshape(a, (-1, 1)) * traces.adapted)   # (8)


def gradient(x, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta, rho,
             adaptation, gain=1.0):
    """e-prop's gradient of a whole recording, forward in time, eq. (9).

    Parameters
    ----------
    x, V, recording, psi, dspikes, dmem
        As for `linearise` and `credit`.
    alpha, beta, gain, rho, adaptation
        As for `step`.

    Returns
    -------
    dW, dV : (n, m) and (n, n) float
        Summed over steps and batch; dV is None if V is.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> one = np.ones((3, 1, 1))
    >>> run = (one, one, one, one, 0 * one)
    >>> gradient(one, None, run, one, one, alpha=0.5, beta=0.5, rho=0.5,
    ...          adaptation=1.0)[0].tolist()
    [[1.0]]
    """
    psi = _array("psi", psi, (None, None, None))
    (T, B, n), dtype = psi.shape, psi.dtype
    if 0 in psi.shape:
        raise ValueError(f"psi is of shape {psi.shape}: must be (T, B, n), none of "
                         "them 0")
    x = _array("x", x, (T, B, None), dtype)
    V = None if V is None else _array("V", V, (n, n), dtype)
    spikes, psi = _recorded(recording, psi, psi.shape, dtype)
    own = {"rho": rho, "adaptation": adaptation}
    constants = _constants(n, dtype, own, {"alpha": alpha, "beta": beta, "gain": gain,
                                           **own})
    z = x if V is None else np.concatenate([x, spikes], axis=2)
    dspikes, dmem = (np.zeros_like(psi) if d is None else _array(name, d, psi.shape,
                                                                 dtype)
                     for name, d in (("dspikes", dspikes), ("dmem", dmem)))
    c, a = z.shape[2], np.reshape(constants[4], (-1, 1))
    traces = Traces(np.zeros((B, c), dtype), np.zeros((B, c), dtype),
                    np.zeros((B, n, c), dtype))
    total = np.zeros((n, c), dtype)
    for t in range(1, T):
        traces = _step(traces, z[t - 1], psi[t - 1], *constants)
        by_spike = psi[t] * dspikes[t]
        total += (by_spike + dmem[t]).T @ traces.mem
        total -= a * np.einsum("bi,bij->ij", by_spike, traces.adapted)     # (9)
    m = x.shape[2]
    return total[:, :m], None if V is None else total[:, m:]
