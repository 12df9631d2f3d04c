# refsnn 0.1.0 | in_the_loop.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Surrogate gradients with a chip in the loop: forward there, back here.

A chip, drawn or real, runs one hidden layer, W, with or without recurrent
weights V, and leaky readouts, W_out.  Samples of its membranes become

    v[t] = (code[t] - code[0]) / unit, of readouts times gain         (1)

and v and the spikes S, as recorded, take the place of the variables of a
software model with nominal parameters, for which the gradient is computed:

    I[t+1] = alpha I[t] + W x[t] + V S[t]                   [CB22] eq. 3
    U[t+1] = beta v[t] + I[t]                               [CB22] eq. 2
    v[t] is what was recorded, dv[t]/dU[t] = 1              [CB22] eq. 4
    S[t] is what was recorded, dS[t]/dv[t] = psi[t]
    psi[t] = (steepness |v[t] - threshold| + 1)^-2    [CB22] eq. 5    (2)

The readouts, o in place of v, have W_out S[t] in place of W x[t] + V S[t].
Their scores z decide, and with the counts c = sum_t S the loss is

    z[j] = scaling max_{t >= r[j]} o[t,j], or scaling sum_t o[t,j]    (3)
    L = -(1/B) sum_b log softmax(z[b])[y[b]]                          (4)
      + readout (1/(B k)) sum_{b,j} (max_{t >= r[j]} o[b,t,j])^2      (5)
      + burst (1/(B n)) sum_{b,i} c[b,i]^2            [CB22] eq. 6    (6)
      + rate (1/B) sum_b max(0, sum_i c[b,i] - bound)^2               (7)

where r = 0 ("max", as published; "sum"), but for the right class, r[y],
if "reached": the first step of which its o depends on a weight, two after
the first hidden spike of the pattern, T - 1 at most.  With r = 0 a readout
that is pushed below 0 for all patterns has its maximum where it began,
before any spike, and nothing leads its weights back.  (Wrong classes need
nothing: with r[j] for all j they are pushed down without end, and MNIST
is learnt worse.)

Derivation.  v[t] = U[t] + e[t], e recorded: what a chip does beyond the
    model, reset, mismatch and noise, is a term that does not move.  With
    dA for dL/dA, all later steps taken into account, the chain rule is

    dv[t] = dmem[t] + psi[t] dS[t] + beta dv[t+1]                     (8)
    dI[t] = alpha dI[t+1] + dv[t+1]                                   (9)
    dS[t] = dspikes[t] + V^T dI[t+1] + W_out^T dI_o[t+1]             (10)
    dW = sum_t dI[t+1] x[t]^T, dV = sum_t dI[t+1] S[t]^T,
    dW_out = sum_t dI_o[t+1] S[t]^T                                  (11)

    and the readouts' dv_o and dI_o are (8) and (9) with psi = 0.
Exact.  Of the model with e frozen and S anchored at the record.  It knows
    no reset, no refractory time and no private number of the chip.  Of
    equal maxima in (3) and (5) the last step carries the derivative: step
    0 of a readout depends on no weight, and a silent layer would stay so.
Cost.   O(T B n (m + n + k)) time, O(T B (m + n + k)) memory.
Departures.  The authors' code has I[t+1] where eq. 2, as printed, has
    I[t], and applies (5) to z.
Errata.  Eq. 5 of [CB22] is printed without the + 1 of (2), and would be
    infinite at the threshold.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Gradient", "Loss", "Recording", "gradients", "loss", "record"]


class Recording(NamedTuple):
    """What a chip did: v, S and o, membranes in units of the threshold."""

    mem: np.ndarray         # (T, B, n)
    spikes: np.ndarray      # (T, B, n)
    out: np.ndarray         # (T, B, k)


class Loss(NamedTuple):
    """The value of (4)-(7), and its derivatives by o and by S."""

    value: float
    dout: np.ndarray        # (T, B, k)
    dspikes: np.ndarray     # (T, B, n), a view that must not be written to


class Gradient(NamedTuple):
    """dW (n, m), dV (n, n) or None, dW_out (k, n)."""

    hidden: np.ndarray
    recurrent: np.ndarray
    readout: np.ndarray


def _real(name, value, shape, dtype=None):
    """`value` as a finite real array of `shape`, whose None axes are free."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is no array: {error}") from None
    fits = array.ndim == len(shape) and 0 not in array.shape and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in "fiub":
        want = ", ".join("*" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} is of shape {array.shape}, dtype {array.dtype}: must "
                         f"be a real array of shape ({want}), not empty")
    with np.errstate(over="ignore"):        # what is too large becomes infinite
        array = array if dtype is None else array.astype(dtype, copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite entries: must be finite")
    return array


def _binary(name, value, shape, dtype):
    """An array of 0 and 1."""
    array = _real(name, value, shape, dtype)
    if not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} has entries that are not 0 or 1: must be spikes")
    return array


def _number(name, value, low=0.0, high=np.inf, above=False):
    """A number in [low, high), or in (low, high)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(
            value, (int, float, np.integer, np.floating)) \
            or not low <= value < high or (above and value == low):
        raise ValueError(f"{name} is {value!r}: must be a number in "
                         f"{'(' if above else '['}{low}, {high})")
    return float(value)


def _matrices(weights):
    """hidden, recurrent (or None) and readout of a dict or NamedTuple."""
    W, V, W_out = (weights.get(name) if isinstance(weights, dict)
                   else getattr(weights, name, None) for name in Gradient._fields)
    W = _real("weights.hidden", W, (None, None))
    n = len(W)
    return (W, None if V is None else _real("weights.recurrent", V, (n, n)),
            _real("weights.readout", W_out, (None, n)))


def record(run, weights, x, *, unit=70.0, gain=1.0, dtype=np.float32):
    """Run a network on a chip, and check what comes back, eq. (1).

    Parameters
    ----------
    run : callable (weights, x) -> (spikes, samples)
        The chip, drawn or real.  It returns spikes (T, B, n), 0 or 1, and
        samples (T, B, n + k) of all membranes, hidden neurons first: any
        real numbers, on a chip codes of 8 bits.  Spikes of bin t are those
        between samples t and t + 1, and x[t] arrives at the end of it;
        sample 0 is of membranes at rest.
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None, `readout` (k, n), as
        `run` wants them: on a chip integers.
    x : (T, B, m) float, int or bool
        Input spikes, 0 or 1.
    unit : float
        Codes from the leak to the threshold.
    gain : float
        Factor on the readouts, such as 240 over the scale of their weights.
    dtype : float32 or float64
        Of the result.

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        If what `run` returns is no pair of finite real arrays of these
        shapes, or spikes are not 0 or 1; if another argument does not fit.

    Examples
    --------
    >>> def run(weights, x):
    ...     return np.zeros((3, 1, 1)), 80 + 70 * np.ones((3, 1, 2)).cumsum(0)
    >>> weights = {"hidden": np.array([[9]]), "readout": np.array([[1]])}
    >>> record(run, weights, np.ones((3, 1, 1))).out.ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    if not callable(run):
        raise ValueError(f"run is {run!r:.60}: must be a callable (weights, x)")
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype!r}: must be float32 or float64")
    dtype = np.dtype(dtype).type
    unit, gain = _number("unit", unit, 1e-9, 1e9), _number("gain", gain, 1e-9, 1e9)
    W, _, W_out = _matrices(weights)
    T, B, _ = _binary("x", x, (None, None, W.shape[1]), dtype).shape
    result = run(weights, x)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(f"run returned a {type(result).__name__}: must be a pair, "
                         "(spikes, samples)")
    n = len(W)
    spikes = _binary("spikes of run", result[0], (T, B, n), dtype).copy()
    samples = _real("samples of run", result[1], (T, B, n + len(W_out)), dtype)
    v = samples - samples[0]
    v *= dtype(1 / unit)                                                   # (1)
    out = v[:, :, n:] * dtype(gain)
    return Recording(v[:, :, :n], spikes, out)


def _softmax(z, labels):
    """Cross entropy of scores (B, k), mean over the batch, and its dz."""
    rows, shifted = np.arange(len(z)), z - z.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dz = np.exp(logp)
    dz[rows, labels] -= 1
    return float(-logp[rows, labels].mean()), dz / len(z)                  # (4)


def _activity(spikes, burst, rate, bound):
    """Value of (6) and (7), and its derivative, the same at all steps."""
    (_, B, n), counts = spikes.shape, spikes.sum(axis=0)
    excess = np.maximum(counts.sum(axis=1, keepdims=True) - bound, 0)
    value = burst * float((counts * counts).mean())                        # (6)
    value += rate * float((excess * excess).mean())                       # (7)
    dcounts = (2 * burst / (B * n)) * counts + (2 * rate / B) * excess
    return value, np.broadcast_to(dcounts.astype(spikes.dtype), spikes.shape)


def _fields(recording):
    """Checked mem, spikes and out of a recording."""
    if not isinstance(recording, tuple) or len(recording) != 3:
        raise ValueError(f"recording is a {type(recording).__name__}: must be a "
                         "Recording (mem, spikes, out)")
    mem = _real("recording.mem", recording[0], (None, None, None))
    if mem.dtype not in (np.float32, np.float64):
        raise ValueError(f"recording.mem is of dtype {mem.dtype}: must be float32 or "
                         "float64")
    return (mem, _real("recording.spikes", recording[1], mem.shape, mem.dtype),
            _real("recording.out", recording[2], (*mem.shape[:2], None), mem.dtype))


def _peaks(out, spikes, labels):
    """Steps (B, k) of the maxima, the last of equal ones, and their values.

    With labels, theirs are of the steps that a spike has reached.
    """
    last = len(out) - 1 - out[::-1].argmax(axis=0)
    if labels is not None:
        fired = np.logical_or.accumulate(spikes.max(axis=2) >= 0.5)
        counts, rows = np.zeros_like(fired), np.arange(len(labels))
        counts[2:] = fired[:-2]
        own = np.where(counts, out[:, rows, labels], -np.inf)   # the last if none does
        last[rows, labels] = len(out) - 1 - own[::-1].argmax(axis=0)
    return last, np.take_along_axis(out, last[None], 0)[0]


def loss(recording, labels, *, reduction="max", scaling=10.0, readout=0.0,
         burst=0.0, rate=0.0, bound=0.0):
    """Loss of a recording and its derivatives, eqs. (3)-(7).

    Parameters
    ----------
    recording : Recording
        From `record`, or of any other source.
    labels : (B,) int
        Right classes, 0 ... k-1.
    reduction : {"max", "reached", "sum"}
        Over time, (3); "sum" is that of the keyword task.  "reached" is
        "max" but for the right class, of which only steps count that a spike
        has reached: take it if classes are lost for good (one readout that
        is nowhere above 0), which happens on small data.
    scaling : float
        Of the scores, large if membranes of readouts are small: 10 is
        published for the maximum; sums over time take less, as 0.1.
    readout, burst, rate : float
        Strengths of (5), (6) and (7), at least 0; published code has
        burst = 5e-4 and readout = 0.
    bound : float
        Spikes of the hidden layer from which on (7) counts.

    Returns
    -------
    Loss
        Networks decide by argmax of the maximum, or the sum, of `out`.

    Raises
    ------
    ValueError
        If a shape, dtype, label, option or range does not fit, or an entry
        is not finite.

    Examples
    --------
    >>> silent = Recording(*(np.zeros((3, 1, 2)) for _ in range(3)))
    >>> value, dout, dspikes = loss(silent, np.array([0]))
    >>> round(value, 4), dout[:, 0].tolist()
    (0.6931, [[0.0, 0.0], [0.0, 0.0], [-5.0, 5.0]])
    """
    _, spikes, out = _fields(recording)
    labels = _real("labels", labels, (out.shape[1],))
    if labels.dtype.kind not in "iu" or labels.min() < 0 \
            or labels.max() >= out.shape[2]:
        raise ValueError(f"labels is {labels.dtype}, from {labels.min()} to "
                         f"{labels.max()}: must be integers in 0 ... "
                         f"{out.shape[2] - 1}")
    reductions = "max", "reached", "sum"
    if not isinstance(reduction, str) or reduction not in reductions:
        raise ValueError(f"reduction is {reduction!r}: must be one of "
                         f"{reductions}")
    scaling = _number("scaling", scaling, above=True)
    readout, burst, rate, bound = (_number(*pair) for pair in (
        ("readout", readout), ("burst", burst), ("rate", rate), ("bound", bound)))
    last, peak = _peaks(out, spikes, labels if reduction == "reached" else None)
    z = scaling * (out.sum(axis=0) if reduction == "sum" else peak)        # (3)
    value, dz = _softmax(z, labels)
    more, dspikes = _activity(spikes, burst, rate, bound)
    value += readout * float((peak * peak).mean()) + more                  # (5)
    dout = np.zeros_like(out)
    if reduction == "sum":
        dout += scaling * dz
    dpeak = (2 * readout / peak.size) * peak + (scaling * dz) * (reduction != "sum")
    dpeak += np.take_along_axis(dout, last[None], 0)[0]
    np.put_along_axis(dout, last[None], dpeak[None].astype(out.dtype), 0)
    return Loss(value, dout, dspikes)


def _constants(tau_syn, tau_mem, dt, threshold, steepness, dtype):
    """alpha, beta, threshold and steepness, checked and of dtype."""
    dt = _number("dt", dt, above=True)
    tau_syn, tau_mem = (_number(name, tau, above=True) for name, tau in
                        (("tau_syn", tau_syn), ("tau_mem", tau_mem)))
    values = (np.exp(-dt / tau_syn), np.exp(-dt / tau_mem),
              _number("threshold", threshold, above=True),
              _number("steepness", steepness, above=True))
    return tuple(dtype.type(value) for value in values)


def _back(dmem, psi, V, alpha, beta):
    """dI of membranes whose direct credit is dmem, or psi (dmem + V^T dI)."""
    dsyn = np.empty_like(dmem)
    dI, dv, spare = np.zeros((3, *dmem.shape[1:]), dmem.dtype)
    for t in range(len(dmem) - 1, -1, -1):
        credit = dmem[t]
        if V is not None:
            credit = np.add(credit, dI @ V, out=spare)                     # (10)
        if psi is not None:
            credit = np.multiply(credit, psi[t], out=spare)
        dI *= alpha
        dI += dv                                                           # (9)
        dv *= beta
        dv += credit                                                       # (8)
        dsyn[t] = dI
    return dsyn


def gradients(weights, x, recording, dout, dspikes=None, *, tau_syn=6e-6,
              tau_mem=6e-6, dt=1.7e-6, threshold=1.0, steepness=50.0):
    """Surrogate gradient of the weights on a recording, eqs. (2), (8)-(11).

    Parameters
    ----------
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None, `readout` (k, n), all
        float32 or float64: those of the software, not rounded.
    x : (T, B, m) float, int or bool
        Input spikes.
    recording : Recording
        From `record`, of the same dtype or cast to it.
    dout, dspikes : (T, B, k) float, (T, B, n) float or None
        Derivatives of the loss by the readouts and the hidden spikes.
    tau_syn, tau_mem, dt : float
        Nominal time constants and step of the recording, s.
    threshold : float
        Nominal, in units of the recording.
    steepness : float
        Of the surrogate, 1/threshold units.

    Returns
    -------
    Gradient
        Summed over steps and batch.

    Raises
    ------
    ValueError
        If a shape, dtype or range does not fit, or an entry is not finite.

    Examples
    --------
    >>> weights = {"hidden": np.ones((1, 1)), "readout": np.ones((1, 1))}
    >>> silent = Recording(*(np.zeros((6, 1, 1)) for _ in range(3)))
    >>> dout = np.zeros((6, 1, 1))
    >>> dout[5] = -1
    >>> d = gradients(weights, np.ones((6, 1, 1)), silent, dout)
    >>> bool(d.hidden < 0), d.readout.tolist()
    (True, [[0.0]])
    """
    W, V, W_out = _matrices(weights)
    names = ("hidden", "recurrent", "readout")
    for name, a in zip(names, (W, W if V is None else V, W_out), strict=True):
        if a.dtype != W.dtype or a.dtype not in (np.float32, np.float64):
            raise ValueError(f"weights.{name} is of dtype {a.dtype}: must be float32 "
                             "or float64, all alike")
    mem, spikes, out = (a.astype(W.dtype, copy=False) for a in _fields(recording))
    (T, B, n), m, k = mem.shape, W.shape[1], len(W_out)
    if n != len(W) or out.shape[2] != k:
        raise ValueError(f"recording has {n} neurons and {out.shape[2]} readouts: "
                         f"must have {len(W)} and {k}")
    x = _real("x", x, (T, B, m), W.dtype)
    dout = _real("dout", dout, (T, B, k), W.dtype)
    alpha, beta, threshold, steepness = _constants(tau_syn, tau_mem, dt, threshold,
                                                   steepness, W.dtype)
    psi = np.abs(mem - threshold)
    psi *= steepness
    psi += 1
    np.square(psi, out=psi)
    np.reciprocal(psi, out=psi)                                            # (2)
    dsyn_out = _back(dout, None, None, alpha, beta)[1:].reshape(-1, k)
    dS = np.zeros(mem.shape, mem.dtype)         # in C order, whatever mem is in
    np.matmul(dsyn_out, W_out, out=dS[:-1].reshape(-1, n))
    if dspikes is not None:
        dS += _real("dspikes", dspikes, (T, B, n), W.dtype)
    dsyn = _back(dS, psi, V, alpha, beta)[1:].reshape(-1, n)
    sent = spikes[:-1].reshape(-1, n)
    return Gradient(dsyn.T @ x[:-1].reshape(-1, m), None if V is None else
                    dsyn.T @ sent, dsyn_out.T @ sent)                      # (11)
