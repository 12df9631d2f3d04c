# refsnn 0.1.0 | rtrl.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Real-time recurrent learning (RTRL): the exact gradient, forward in time.

For any recurrence h[t] = f(h[t-1], x[t]; parameters) the influence M[t] =
dh[t]/dparameters travels along with the state.  What the loss of a step
says about the parameters is known at that step, and nothing older than
one step is ever stored.  With J[t] = dh[t]/dh[t-1], F[t] =
dh[t]/dparameters (h[t-1] held) and q[t] = dL[t]/dh[t] of the loss L[t],

    M[t] = J[t] M[t-1] + F[t],  M[-1] = 0     (1)  [WZ89] eq. ?
    dL[t]/dparameters = q[t]^T M[t]           (2)  [WZ89] eq. ?
    dL/dparameters = sum_t q[t]^T M[t]        (3)  [WZ89] eq. ?

The influence on a layer of LIF neurons has structure: a weight touches one
neuron at once.  Row i of theta = [W | V] holds the c weights into neuron
i, column i c + j of an influence belongs to theta_ij, and D(z) is the
n x (n c) matrix with z_j in row i of that column and 0 elsewhere.  With
currents I, membranes U, spikes S, psi[t] for dS[t]/dU[t], c[t] = 0 where a
neuron is held refractory and 1 elsewhere, and the step

    I[t+1] = alpha I[t] + W x[t] + V S[t],
    U[t+1] = c[t+1] (beta U[t] + gain I[t] - threshold S[t])
    or     = c[t+1] (beta U[t] + gain I[t]) (1 - S[t]),

there are two influences, G = dI/dtheta and P = dU/dtheta:

    G[t+1] = alpha G[t] + V diag(psi[t]) P[t] + D(x[t] | S[t])
                                                   (4)  [ZN21] eq. ?
    P[t+1] = diag(beta r - z psi[t]) P[t] + diag(gain r) G[t]
                                                   (5)  [ZN21] eq. ?
    subtract: r = c[t+1],            z = c[t+1] threshold
    zero:     r = c[t+1] (1 - S[t]), z = c[t+1] (beta U[t] + gain I[t])
    dL[t]/dtheta = (dL[t]/dU[t] + psi[t] dL[t]/dS[t])^T P[t]  (6)

`through_recurrence=False` drops the second term of (4), also for the
weights V; `through_reset=False` sets z = 0.

Derivation.  (1) is the chain rule, (4) and (5) are (1) with J and F
    written out: F has one entry in each column, so it is added to a
    diagonal, and only V diag(psi) P is a product.
Exact.  (1)-(3) for every J, F and q; (4) and (5) are the derivative of the
    hard-spiking layer with dS/dU := psi, the clamp c a recorded value.
Cost.   O(n^2 p) time a step and O(n p) memory for each sequence, with n
    neurons and p = n c weights: n^4 and n^3 where c grows with n.  Over a
    recording, columns are followed in blocks that stay in the cache.
Departures.  [WZ89] has rate units and updates weights at each step; here
    the caller decides when.  [ZN21] has current and membrane in one state;
    here their influences stand apart, as V meets the membrane's alone.

[WZ89] R. J. Williams and D. Zipser, A learning algorithm for continually
    running fully recurrent neural networks, Neural Computation 1(2),
    270-280, 1989.
[ZN21] F. Zenke and E. O. Neftci, Proceedings of the IEEE 109(5), 935-950,
    2021, arXiv 2010.11931.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Influence", "gradient", "lif_gradient", "lif_step", "step",
           "step_gradient"]

BLOCK = 2 ** 18         # bytes of the columns that are followed together


class Influence(NamedTuple):
    """dI/dtheta and dU/dtheta of (4) and (5), (B, n, n c) each."""

    syn: np.ndarray
    mem: np.ndarray


def _array(name, value, shape, dtype=None, finite=True):
    """`value` as an array of `shape` (None axes free): float, or cast to dtype."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    kinds = "f" if dtype is None else "fiub"
    if not fits or array.dtype.kind not in kinds or dtype is None and \
            array.dtype not in (np.float32, np.float64):
        want = "({})".format(", ".join("*" if s is None else str(s) for s in shape))
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a {'float' if kinds == 'f' else 'real'} array of "
                         f"shape {want}")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _filled(name, array):
    """Refuse an array with an axis of length 0."""
    if 0 in array.shape:
        raise ValueError(f"{name} is of shape {array.shape}: must have no axis of 0")
    return array


def _buffer(name, value, shape, dtype, others):
    """`value` to write to, apart from `others`; a new array for None."""
    if value is None:
        return np.empty(shape, dtype)
    if not isinstance(value, np.ndarray) or value.shape != shape \
            or value.dtype != dtype or not value.flags.c_contiguous \
            or not value.flags.writeable:
        raise ValueError(f"{name} is {getattr(value, 'shape', value)}, "
                         f"{getattr(value, 'dtype', None)}: must be a writeable, "
                         f"C-contiguous {np.dtype(dtype)} array of shape {shape}")
    if any(np.may_share_memory(value, other) for other in others):
        raise ValueError(f"{name} shares memory with an argument: must be apart")
    return value


def _previous(name, value, shape, dtype):
    """The influence before a step, 0 for None; entries are not searched."""
    if value is None:
        return np.zeros(shape, dtype)
    array = _array(name, value, shape, finite=False)
    if array.dtype != dtype:
        raise ValueError(f"{name} is of dtype {array.dtype}: must be {dtype}")
    return np.ascontiguousarray(array)


def _diagonal(M, first, c):
    """View (k, c) of the entries of D in columns of neurons first, first + 1, ..."""
    k = M.shape[1] // c
    return np.einsum("iij->ij", M[first:first + k].reshape(k, k, c))


def _blocks(n, c, itemsize):
    """(first, last) neurons of blocks of columns of about BLOCK bytes."""
    edges = np.linspace(0, n, min(n, -(-n * n * c * itemsize // BLOCK)) + 1)
    edges = edges.round().astype(int).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))


def step(M, J, F, out=None):
    """One step of the influence, eq. (1).

    Parameters
    ----------
    M : (B, n, p) float or None
        Influence of the parameters on the states one step before; None
        stands for 0, the start.
    J : (B, n, n) float
        State Jacobian of the step.
    F : (B, n, p) float
        Immediate influence.
    out : (B, n, p) float, optional
        Buffer for the result, other memory than M.

    Returns
    -------
    (B, n, p) float
        Influence after the step.

    Raises
    ------
    ValueError
        If shapes disagree, J, F or M is not finite or `out` does not fit.

    Examples
    --------
    >>> M = step(None, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 2.0))
    >>> step(M, np.full((1, 1, 1), 0.5), np.full((1, 1, 1), 3.0)).tolist()
    [[[4.0]]]
    """
    F = _filled("F", _array("F", F, (None, None, None)))
    J = _array("J", J, (*F.shape[:2], F.shape[1]))
    if M is None:
        M = np.zeros_like(F)
    M = _array("M", M, F.shape)
    out = _buffer("out", out, F.shape, np.result_type(M, J, F), (M, J, F))
    np.matmul(J, M, out=out)
    out += F                                                               # (1)
    return out


def step_gradient(M, q):
    """Gradient of the loss of one step, eq. (2), or (6) for `Influence.mem`.

    Parameters
    ----------
    M : (B, n, p) float
        Influence at this step.
    q : (B, n) float
        Derivative of the loss of this step by the states.

    Returns
    -------
    (p,) float
        Summed over the batch.

    Raises
    ------
    ValueError
        If shapes disagree or q is not finite.

    Examples
    --------
    >>> step_gradient(np.array([[[1.0, 2.0]]]), np.array([[3.0]])).tolist()
    [3.0, 6.0]
    """
    q = _filled("q", _array("q", q, (None, None)))
    M = _array("M", M, (*q.shape, None), finite=False)
    return q.reshape(-1) @ M.reshape(q.size, M.shape[2])                   # (2)


def gradient(J, F, q):
    """Gradient of a loss along a trajectory, forward in time, eqs. (1)-(3).

    Parameters
    ----------
    J : (T, B, n, n) float
        State Jacobians; J[0] is not used.
    F : (T, B, n, p) float
        Immediate influence of the parameters on the states.
    q : (T, B, n) float
        Direct credit dL[t]/dh[t], units of loss per unit of state.

    Returns
    -------
    (p,) float
        Summed over steps and batch, units of loss per unit of parameter.

    Raises
    ------
    ValueError
        If shapes disagree or an entry is not finite.

    Examples
    --------
    >>> J, q = np.full((2, 1, 1, 1), 0.5), np.ones((2, 1, 1))
    >>> F = np.array([3.0, 1.0]).reshape(2, 1, 1, 1)
    >>> gradient(J, F, q).tolist()
    [5.5]
    """
    q = _filled("q", _array("q", q, (None, None, None)))
    J = _array("J", J, (*q.shape, q.shape[2]))
    F = _array("F", F, (*q.shape, None))
    M, total = None, np.zeros(F.shape[3], np.result_type(J, F, q))
    for t in range(len(q)):
        M = step(M, J[t], F[t])
        total += step_gradient(M, q[t])                                    # (3)
    return total


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


def _factors(now, psi, clamp, model, through_reset):
    """Row factors of P and G in (5), one axis longer than psi."""
    syn, mem, spikes = now
    beta, gain, threshold, reset = model
    c = 1 - clamp
    zero = reset == "zero"
    r = c * (1 - spikes) if zero else c
    z = c * (beta * mem + gain * syn if zero else threshold) if through_reset else 0
    return (beta * r - z * psi)[..., None], (gain * r)[..., None]


def _lif_columns(G, P, factors, alpha, K, new_G, new_P):
    """(4) without D, and (5), in some columns of one sample; new_G may be G."""
    a, b = factors
    np.multiply(P, a, out=new_P)
    new_P += G if (b == 1).all() else b * G                                # (5)
    np.multiply(G, alpha, out=new_G)
    if K is not None:
        new_G += K @ P


def _lif_model(n, dtype, alpha, beta, gain, threshold, reset, through_reset,
               through_recurrence):
    """Checked alpha as a column, and what `_factors` needs of the rest."""
    if not isinstance(reset, str) or reset not in ("subtract", "zero"):
        raise ValueError(f"reset is {reset!r}: must be 'subtract' or 'zero'")
    for name, value in (("through_reset", through_reset),
                        ("through_recurrence", through_recurrence)):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name} is {value!r}: must be True or False")
    return (_constant("alpha", alpha, n, dtype, below=1).reshape(-1, 1),
            (_constant("beta", beta, n, dtype, below=1),
             _constant("gain", gain, n, dtype, positive=True),
             _constant("threshold", threshold, n, dtype, positive=True), reset))


def _recurrent(V, n, dtype):
    """Checked V, which may be None."""
    return None if V is None else _array("V", V, (n, n), dtype)


def _mask(name, value, shape, dtype):
    """Checked array of 0 and 1."""
    array = _array(name, value, shape, dtype)
    if not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} has entries that are not 0 or 1: must be a mask")
    return array


def lif_step(influence, x, V, syn, mem, spikes, psi, clamp=None, *, alpha, beta,
             gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
             through_recurrence=True, out=None):
    """The influences in a LIF layer from step t to t + 1, eqs. (4), (5).

    Parameters
    ----------
    influence : Influence or None
        At step t; None stands for 0, as at rest.  Entries are trusted.
    x : (B, m) float, int or bool
        Input x[t].
    V : (n, n) float or None
        Recurrent weights; None for a feed-forward layer, whose c is m.
    syn, mem, spikes : (B, n) float
        State I[t], U[t], S[t].
    psi : (B, n) float
        Surrogate derivative at U[t]; its dtype is the result's.
    clamp : (B, n) bool, optional
        Where refractoriness holds U[t+1] at 0; nowhere by default.
    alpha, beta : float or (n,) float
        Decays exp(-dt/tau_syn) and exp(-dt/tau_mem), in [0, 1).
    gain, threshold : float or (n,) float
        Positive factor on the current, and threshold.
    reset : {"subtract", "zero"}
        What a spike does to the membrane.
    through_reset, through_recurrence : bool
        Whether the gradient follows the reset, and the spikes through V.
    out : Influence, optional
        Buffers for the result, other memory than `influence`.

    Returns
    -------
    Influence
        At step t + 1; use its `mem` in `step_gradient`.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> one, decays = np.ones((1, 1)), {"alpha": 0.5, "beta": 0.5}
    >>> M = lif_step(None, one, None, 0 * one, 0 * one, 0 * one, one, **decays)
    >>> M = lif_step(M, one, None, one, 0 * one, 0 * one, one, **decays)
    >>> M.mem.tolist()
    [[[1.0]]]
    """
    psi = _filled("psi", _array("psi", psi, (None, None)))
    (B, n), dtype = psi.shape, psi.dtype
    alpha, model = _lif_model(n, dtype, alpha, beta, gain, threshold, reset,
                              through_reset, through_recurrence)
    now = [_array(name, value, (B, n), dtype) for name, value in
           (("syn", syn), ("mem", mem), ("spikes", spikes))]
    V, x = _recurrent(V, n, dtype), _array("x", x, (B, None), dtype)
    clamp = np.zeros_like(psi) if clamp is None \
        else _mask("clamp", clamp, (B, n), dtype)
    z = x if V is None else np.concatenate([x, now[2]], axis=1)
    shape, c = (B, n, n * z.shape[1]), z.shape[1]
    for name, value in (("influence", influence), ("out", out)):
        if value is not None and (not isinstance(value, tuple) or len(value) != 2):
            raise ValueError(f"{name} is a {type(value).__name__}: not an Influence")
    G, P = (_previous(f"influence.{name}", value, shape, dtype) for name, value in
            zip(Influence._fields, influence or (None, None), strict=True))
    new = Influence(*(
        _buffer(f"out.{name}", value, shape, dtype, (G, P, *now, psi, x))
        for name, value in zip(Influence._fields, out or (None, None), strict=True)))
    if np.may_share_memory(*new):
        raise ValueError("out.syn and out.mem share memory: must be apart")
    a, b = _factors(now, psi, clamp, model, through_reset)
    for k in range(B):
        K = None if V is None or not through_recurrence else V * psi[k]
        _lif_columns(G[k], P[k], (a[k], b[k]), alpha, K, new.syn[k], new.mem[k])
        view = _diagonal(new.syn[k], 0, c)
        view += z[k]                                                       # (4)
    return new


def lif_gradient(x, V, recording, psi, dspikes=None, dmem=None, *, alpha, beta,
                 gain=1.0, threshold=1.0, reset="subtract", through_reset=True,
                 through_recurrence=True):
    """Gradient of a recorded LIF layer, forward in time, eqs. (3)-(6).

    Parameters
    ----------
    x : (T, B, m) float, int or bool
        Input.
    V : (n, n) float or None
        Recurrent weights; None for a feed-forward layer.
    recording : tuple of (T, B, n) arrays
        Currents, membranes, spikes and refractory clamp (0 or 1).
    psi : (T, B, n) float
        Surrogate derivative on the recording; its dtype is the result's.
    dspikes, dmem : (T, B, n) float, optional
        Direct derivatives of the loss by the spikes and membranes.
    alpha, beta, gain, threshold, reset, through_reset, through_recurrence
        As for `lif_step`.

    Returns
    -------
    dW, dV : (n, m) and (n, n) float
        Summed over steps and batch; dV is None without V.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> x, rest = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    >>> lif_gradient(x, None, (rest,) * 4, rest, None, rest + 1, alpha=0.5,
    ...              beta=0.5)[0].tolist()
    [[1.0]]
    """
    psi = _filled("psi", _array("psi", psi, (None, None, None)))
    (T, B, n), dtype = psi.shape, psi.dtype
    alpha, model = _lif_model(n, dtype, alpha, beta, gain, threshold, reset,
                              through_reset, through_recurrence)
    if not isinstance(recording, tuple) or len(recording) != 4:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a tuple "
                         "of syn, mem, spikes and clamp")
    *now, clamp = (_array(f"recording.{name}", value, psi.shape, dtype)
                   for name, value in zip(("syn", "mem", "spikes", "clamp"), recording,
                                          strict=True))
    clamp = _mask("recording.clamp", clamp, psi.shape, dtype)
    V, x = _recurrent(V, n, dtype), _array("x", x, (T, B, None), dtype)
    q = np.zeros_like(psi)
    if dmem is not None:
        q += _array("dmem", dmem, psi.shape, dtype)
    if dspikes is not None:
        q += psi * _array("dspikes", dspikes, psi.shape, dtype)            # (6)
    z = x if V is None else np.concatenate([x, now[2]], axis=2)
    a, b = _factors([field[:-1] for field in now], psi[:-1], clamp[1:], model,
                    through_reset)
    K = V if through_recurrence else None
    m, total = x.shape[2], np.zeros((n, z.shape[2]), dtype)
    for k in range(B):
        for low, high in _blocks(n, z.shape[2], dtype.itemsize):
            total[low:high] += _lif_block((a[:, k], b[:, k]), alpha, K, psi[:, k],
                                          z[:, k], q[:, k], low, high)
    return total[:, :m], None if V is None else total[:, m:]


def _lif_block(factors, alpha, V, psi, z, q, low, high):
    """sum_t q[t] P[t] in the columns of neurons low to high of one sequence."""
    (T, n), c = psi.shape, z.shape[1]
    G, P, new = (np.zeros((n, (high - low) * c), psi.dtype) for _ in range(3))
    spot, total = _diagonal(G, low, c), np.zeros(P.shape[1], psi.dtype)
    for t in range(T - 1):
        K = None if V is None else V * psi[t]
        _lif_columns(G, P, [factor[t] for factor in factors], alpha, K, G, new)
        spot += z[t]
        P, new = new, P
        total += q[t + 1] @ P                                              # (3)
    return total.reshape(high - low, c)
