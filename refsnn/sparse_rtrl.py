# refsnn 0.1.0 | sparse_rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""The ladder from exact to local real-time recurrent learning (RTRL).

A recurrent LIF layer can carry the derivatives of its states forward in
time and needs no stored past; four rungs differ in what they keep of them.
theta_ij is the weight from signal z_j (input x_j or spike S_j) into neuron
i.  With i = dI_k/dtheta_ij and u = dU_k/dtheta_ij, psi the surrogate
derivative, c = 0 where refractory, r = 1 or (reset to zero) 1 - S, and
d = threshold or (to zero) beta U + gain I, they are

    i_k[t+1] = alpha i_k[t] + [k = i] z_j[t] + R_k[t]                 (1)
    u_k[t+1] = c_k[t+1] (r_k (beta u_k + gain i_k)[t] - d_k psi_k u_k[t])
                                                                      (2)
    "exact": all k, R_k = sum_l V_kl psi_l u_l                        (3)
    "block": k = i only, R_i = V_ii psi_i u_i         (4)  [ZN21] eq. ?
    "implicit": k = i only, R_i = 0                   (5)  [ZN21] eq. ?
    "presynaptic": the same and c = r = 1, d = 0: one trace for all i,
    i_j[t+1] = alpha i_j[t] + z_j[t],  u_j[t+1] = (beta u_j + gain i_j)[t]
                                                      (6)  [ZN21] eq. ?

and the gradient is a sum over steps that is known at each of them,

    e_ij[t] = psi_i[t] u_ij[t]                        (7)  [ZN21] eq. ?
    dL/dtheta_ij = sum_t dspikes_i[t] e_ij[t] + dmem_i[t] u_ij[t]     (8)

("exact": summed over k too).  A leaky readout y[t] above the layer becomes
a filter on the eligibility; with a[t] = dL/dy[t], the direct derivative,

    f[t+1] = beta f[t] + gain g[t],  g[t+1] = alpha g[t] + e[t]       (9)
    dL/dtheta_ij = sum_t (W_out^T a[t])_i f_ij[t]

Derivation.  (1)-(3) differentiate the LIF step; (4)-(6) leave out terms.
    (9) is the readout, which is linear and has constants of its own.
    Given all of the future, "block" equals the backward sweep with V
    replaced by its diagonal, "implicit" that which stops at V.

Approximate.  n neurons, c signals, B sequences; state in numbers:

    rung         keeps                        state      time of a step
    exact        everything                   2 B n n c  O(B n^3 c)
    block        own reset, own synapse V_ii  2 B n c    O(B n c)
    implicit     own decay and reset          2 B n c    O(B n c)
    presynaptic  own decay                    2 B c      O(B c)

    (the sum (8) takes O(B n c) at each step, also on the last rung.)
    Dropped: "block", all that neuron i does to others, and hears back;
    "implicit", also what it does to itself through V_ii; "presynaptic",
    also reset and refractoriness.  Exact: "block", one hidden layer with
    diagonal V; "implicit", one hidden layer without recurrence, and
    always the derivative of a run whose recurrence reads recorded spikes;
    "presynaptic", if also reset and clamp enter as one recorded term.
    Below one layer, dspikes must come by way of space: transport by W,
    feedback alignment or a local loss.

Cost.   See above; `gradient` needs no more memory than its state and sum.

Departures.  [ZN21] was not at hand: names and split are after what others
    quote of it.  Rules that are known by other names sit here:

    e-prop       "implicit" with the reset cut (through_reset=False), for
                 adaptive neurons with the own adaptation kept (`alif`);
                 a[t] through W_out or a random matrix; the filter (9)
    RFLO         "implicit" of a rate network: the leak alone is kept;
                 random feedback
    DECOLLE      "presynaptic", error of a local random readout at each
                 step, nothing filtered: state 2 B c
    SuperSpike   "presynaptic" with the loss kernel as the filter (9) on
                 every synapse, direct feedback

[ZN21] F. Zenke and E. O. Neftci, Proceedings of the IEEE 109(5), 935-950,
    2021, arXiv 2010.11931.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["RUNGS", "Gradient", "Traces", "eligibility", "gradient", "lif_step",
           "readout_step", "rest"]

RUNGS = ("exact", "block", "implicit", "presynaptic")


class Traces(NamedTuple):
    """Derivatives of current and membrane by the weights, or filters of them.

    Both of shape (B, n, n c) for "exact", [b, k, i c + j] being neuron k's
    by theta_ij; (B, n, c) for "block" and "implicit"; (B, c) for
    "presynaptic".
    """

    syn: np.ndarray
    mem: np.ndarray


class Gradient(NamedTuple):
    """dW (n, m) and dV (n, n), which is None without recurrence."""

    dW: np.ndarray
    dV: np.ndarray


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


def _constant(name, value, n, dtype, below=None):
    """A number or (n,) array in [0, below), or above 0, as array of dtype."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape not in ((), (n,)):
        raise ValueError(f"{name} is {value!r}: must be a number"
                         + (", for all neurons" if n is None else f" or ({n},) array"))
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(dtype)         # 1 - 1e-9 is 1 in float32
        inside = (array > 0) & np.isfinite(array) if below is None \
            else (array >= 0) & (array < below)
    if not inside.all():
        raise ValueError(f"{name} is {value!r}: must be in "
                         f"{'(0, inf)' if below is None else f'[0, {below})'}, "
                         f"also when rounded to {array.dtype}")
    return array


def _constants(rung, alpha, beta, gain, threshold, n, dtype):
    """The four as arrays; one trace for all neurons wants numbers."""
    own = None if rung == "presynaptic" else n
    return (_constant("alpha", alpha, own, dtype, 1),
            _constant("beta", beta, own, dtype, 1),
            _constant("gain", gain, own, dtype),
            _constant("threshold", threshold, n, dtype))


def _options(rung, reset, through_reset=True):
    """Whether the reset is to zero, all options checked."""
    if not isinstance(rung, str) or rung not in RUNGS:
        raise ValueError(f"rung is {rung!r}: must be one of {RUNGS}")
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    if not isinstance(through_reset, (bool, np.bool_)):
        raise ValueError(f"through_reset is {through_reset!r}: must be True or False")
    return reset == "zero"


def _shape(rung, B, n, c):
    return {"exact": (B, n, n * c), "presynaptic": (B, c)}.get(rung, (B, n, c))


def _traces(name, traces, shape, dtype):
    if not isinstance(traces, tuple) or len(traces) != 2:
        raise ValueError(f"{name} is a {type(traces).__name__}: must be Traces")
    return Traces(*(_array(f"{name}.{field}", value, shape, dtype)
                    for field, value in zip(Traces._fields, traces, strict=True)))


def rest(rung, B, n, c, dtype=np.float64):
    """Traces before the first step.

    Parameters
    ----------
    rung : {"exact", "block", "implicit", "presynaptic"}
        Which terms are kept.
    B, n, c : int
        Sequences, neurons, signals (inputs, and neurons if recurrent).
    dtype : numpy dtype
        float32 or float64.

    Returns
    -------
    Traces
        Zeros.

    Raises
    ------
    ValueError
        If the rung is unknown, a size negative or the dtype another one.

    Examples
    --------
    >>> [rest(rung, 1, 2, 3).mem.shape for rung in RUNGS]
    [(1, 2, 6), (1, 2, 3), (1, 2, 3), (1, 3)]
    """
    _options(rung, "zero")
    for name, size in (("B", B), ("n", n), ("c", c)):
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) \
                or size < 0:
            raise ValueError(f"{name} is {size!r}: must be an integer >= 0")
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    return Traces(*(np.zeros(_shape(rung, B, n, c), dtype) for _ in range(2)))


def _step(traces, z, psi, V, factors, rung, alpha, beta, gain):
    """The step (1)-(6) of checked arrays; factors are c r and c d, (B, n)."""
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
    own = new.reshape(B, n, n, c)
    k = np.arange(n)
    own[:, k, k] += z[:, None, :]                                          # (1)
    if V is not None:
        new += V @ (psi[:, :, None] * mem)                                 # (3)
    return Traces(new, after)


def _factors(spikes, mem, syn, clamp, zero, through_reset, beta, gain, threshold):
    """c[t+1] r[t] and c[t+1] d[t] of (2)."""
    c = 1 - clamp
    if not zero:
        return c, c * threshold * through_reset
    return c * (1 - spikes), c * (beta * mem + gain * syn) * through_reset


def lif_step(traces, x, V, syn, mem, spikes, psi, clamp=None, *, rung, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True):
    """Traces of step t + 1 from those of step t, eqs. (1)-(6).

    Parameters
    ----------
    traces : Traces or None
        Of step t; None stands for 0, as at rest.
    x : (B, m) float, int or bool
        Input x[t].
    V : (n, n) float or None
        Recurrent weights, of which "block" reads the diagonal; None for a
        feed-forward layer, whose c is m.
    syn, mem, spikes : (B, n) float
        State I[t], U[t], S[t]; I and U are read if reset is "zero".
    psi : (B, n) float
        Surrogate derivative at U[t]; its dtype is the result's.
    clamp : (B, n) bool, optional
        Where refractoriness holds U[t+1] at 0; nowhere by default.
    rung : {"exact", "block", "implicit", "presynaptic"}
        Which terms are kept.
    alpha, beta, gain, threshold, reset
        As handed to the LIF layer; numbers for "presynaptic".
    through_reset : bool
        Whether the reset is followed; "presynaptic" never does.

    Returns
    -------
    Traces
        New arrays.

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit.

    Examples
    --------
    >>> one, traces = np.ones((1, 1)), None
    >>> for _ in range(2):
    ...     traces = lif_step(traces, one, None, one, one, one, 0 * one,
    ...                       rung="block", alpha=0.5, beta=0.5)
    >>> traces.syn.ravel().tolist(), traces.mem.ravel().tolist()
    ([1.5], [1.0])
    """
    zero = _options(rung, reset, through_reset)
    psi = _array("psi", psi, (None, None))
    (B, n), dtype = psi.shape, psi.dtype
    x = _array("x", x, (B, None), dtype)
    V = None if V is None else _array("V", V, (n, n), dtype)
    alpha, beta, gain, threshold = _constants(rung, alpha, beta, gain, threshold,
                                              n, dtype)
    syn, mem, spikes = (_array(name, value, (B, n), dtype) for name, value in
                        (("syn", syn), ("mem", mem), ("spikes", spikes)))
    clamp = np.zeros((B, n), dtype) if clamp is None \
        else _array("clamp", clamp, (B, n), dtype, True)
    z = x if V is None else np.concatenate([x, spikes], axis=1)
    traces = rest(rung, B, n, z.shape[1], dtype) if traces is None \
        else _traces("traces", traces, _shape(rung, B, n, z.shape[1]), dtype)
    factors = _factors(spikes, mem, syn, clamp, zero, through_reset, beta, gain,
                       threshold)
    return _step(traces, z, psi, V, factors, rung, alpha, beta, gain)


def eligibility(traces, psi):
    """Derivative of each spike by the weights, eq. (7).

    Parameters
    ----------
    traces : Traces
        Of step t, of any rung.
    psi : (B, n) float
        Surrogate derivative of step t.

    Returns
    -------
    (B, n, n c) or (B, n, c) float
        psi_k u_k of "exact", psi_i u_ij of the others.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> traces = Traces(np.zeros((1, 2)), np.array([[1.0, 2.0]]))
    >>> eligibility(traces, np.array([[1.0, 0.5]])).tolist()
    [[[1.0, 2.0], [0.5, 1.0]]]
    """
    psi = _array("psi", psi, (None, None))
    if isinstance(traces, tuple) and np.ndim(traces[-1]) == 2:
        mem = _traces("traces", traces, (len(psi), None), psi.dtype).mem[:, None]
    else:
        mem = _traces("traces", traces, (*psi.shape, None), psi.dtype).mem
    return psi[:, :, None] * mem                                           # (7)


def readout_step(filtered, eligibility, *, alpha, beta, gain=1.0):
    """Eligibility as a leaky readout sees it, at step t + 1, eq. (9).

    Its field `mem` is f; the gradient by the weights of the layer grows by
    ``(a @ W_out)[:, :, None] * f`` at each step, summed over the batch.

    Parameters
    ----------
    filtered : Traces
        g and f of step t; zeros of eligibility's shape before the first.
    eligibility : (B, n, c) float
        Of step t.
    alpha, beta, gain : float
        Of the readout, the same for all of its units.

    Returns
    -------
    Traces
        g and f of step t + 1.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> e = np.ones((1, 1, 1))
    >>> f = Traces(0 * e, 0 * e)
    >>> for _ in range(3):
    ...     f = readout_step(f, e, alpha=0.5, beta=0.5)
    >>> f.mem.ravel().tolist()
    [2.0]
    """
    e = _array("eligibility", eligibility, (None, None, None))
    syn, mem = _traces("filtered", filtered, e.shape, e.dtype)
    alpha, beta = (_constant(name, value, None, e.dtype, 1) for name, value in
                   (("alpha", alpha), ("beta", beta)))
    return Traces(alpha * syn + e, beta * mem
                  + _constant("gain", gain, None, e.dtype) * syn)          # (9)


def _recording(recording, shape, dtype):
    """Checked syn, mem, spikes, clamp."""
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "tuple of syn, mem, spikes and clamp")
    return [_array(f"recording.{name}", field, shape, dtype, name == "clamp")
            for name, field in zip(("syn", "mem", "spikes", "clamp"), recording,
                                   strict=True)]


def gradient(x, V, recording, psi, dspikes=None, dmem=None, *, rung, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True):
    """Gradient of a whole recording, carried forward in time, eq. (8).

    Parameters
    ----------
    x : (T, B, m) float
        Input of the layer.
    V : (n, n) float or None
        Its recurrent weights.
    recording : (syn, mem, spikes, clamp), each (T, B, n)
        What the layer's run left behind.
    psi : (T, B, n) float
        Surrogate derivative; its dtype is the result's.
    dspikes, dmem : (T, B, n) float, optional
        dL/dS and dL/dU of this layer, all that comes after it included
        but its own recurrence.
    rung, alpha, beta, gain, threshold, reset, through_reset
        As for `lif_step`.

    Returns
    -------
    Gradient
        Summed over steps and batch.

    Raises
    ------
    ValueError
        If a shape, dtype, range or option does not fit.

    Examples
    --------
    >>> one = np.ones((3, 1, 1))
    >>> run = (0 * one, 0 * one, 0 * one, 0 * one)
    >>> gradient(one, None, run, one, one, rung="implicit", alpha=0.5,
    ...          beta=0.5).dW.tolist()
    [[1.0]]
    """
    zero = _options(rung, reset, through_reset)
    psi = _array("psi", psi, (None, None, None))
    (T, B, n), dtype = psi.shape, psi.dtype
    if 0 in psi.shape:
        raise ValueError(f"psi is of shape {psi.shape}: must be (T, B, n), none of "
                         "them 0")
    x = _array("x", x, (T, B, None), dtype)
    m = x.shape[2]
    V = None if V is None else _array("V", V, (n, n), dtype)
    syn, mem, spikes, clamp = _recording(recording, psi.shape, dtype)
    alpha, beta, gain, threshold = _constants(rung, alpha, beta, gain, threshold,
                                              n, dtype)
    credit = np.zeros_like(psi)
    if dmem is not None:
        credit += _array("dmem", dmem, psi.shape, dtype)
    if dspikes is not None:
        credit += psi * _array("dspikes", dspikes, psi.shape, dtype)
    z = x if V is None else np.concatenate([x, spikes], axis=2)
    traces = rest(rung, B, n, z.shape[2], dtype)
    sums = {"exact": "bk,bkp->p", "presynaptic": "bi,bj->ij"}.get(rung, "bi,bij->ij")
    total = np.zeros(n * z.shape[2] if rung == "exact" else (n, z.shape[2]), dtype)
    for t in range(1, T):
        factors = _factors(spikes[t - 1], mem[t - 1], syn[t - 1], clamp[t], zero,
                           through_reset, beta, gain, threshold)
        traces = _step(traces, z[t - 1], psi[t - 1], V, factors, rung, alpha, beta,
                       gain)
        total += np.einsum(sums, credit[t], traces.mem)                    # (8)
    total = total.reshape(n, z.shape[2])
    return Gradient(total[:, :m], None if V is None else total[:, m:])
