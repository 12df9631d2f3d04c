# refsnn 0.1.0 | in_the_loop.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Compute surrogate gradients of a network with a chip in the loop.

The forward pass runs on an emulated or real chip, and the backward pass
runs in software.  The network has hidden neurons with input weights W,
optional recurrent weights V, and leaky readouts with weights W_out.  The
chip samples membrane potentials with an analog-to-digital converter (ADC).
Eq. (1) converts the ADC output code[t] at time step t to a potential:

    v[t] = (code[t] - code[0]) / unit
    readouts: o[t] = factor (code[t] - code[0]) / unit                (1)

The function `record` computes eq. (1) with factor = `gain`.  The
software model has the nominal parameters of the chip.  Each step of this
model starts from the recorded potentials v and spikes S:

    I[t+1] = alpha I[t] + W x[t] + V S[t]                   [CB22] eq. 3
    U[t+1] = beta v[t] + gain I[t]                          [CB22] eq. 2
    v[t] as recorded, with dv[t]/dU[t] = 1                  [CB22] eq. 4
    S[t] as recorded, with dS[t]/dv[t] = psi[t]
    psi[t] = (steepness |v[t] - threshold| + 1)^-2    [CB22] eq. 5    (2)

For readouts, the recorded potentials o replace v, and W_out S[t] replaces
W x[t] + V S[t].  The following matrices represent two hidden layers of n1
and n2 neurons.  The caller must keep their zero blocks at 0:

    W = [[W1], [0]],  V = [[V1, 0], [W2, V2]],  W_out = [0, W_out2].

The labels are y, and the spike counts are count = sum_t S.  The loss is
the sum of (4)-(7) with penalty coefficients `readout`, `burst` and `rate`:

    score[b,j] = scaling max_{t >= first[b,j]} o[t,b,j]
                 or scaling sum_t o[t,b,j]                            (3)
    -(1/B) sum_b log softmax(score[b])[y[b]]                          (4)
    readout (1/(B k)) sum_{b,j} (max_{t >= first[b,j]} o[t,b,j])^2    (5)
    burst (1/(B n)) sum_{b,i} count[b,i]^2            [CB22] eq. 6    (6)
    rate (1/B) sum_b max(0, sum_i count[b,i] - bound)^2               (7)

The published code uses first = 0.  If a readout neuron then stays below 0
for all patterns, the maximum of its potential is the initial value 0.
Because this value does not depend on the weights, the class of this neuron
is never learned.  With reduction="reached", the maximum for the correct
class j starts later: first[b, j] is two steps after the first hidden spike
of sample b, but at most T - 1.  No spike can influence the readout
earlier.  For all other classes, first = 0.

Derivation.  Let v[t] = U[t] + e[t].  The difference e has three causes:
    reset, mismatch and noise.  The gradient treats e as a constant.  For
    every array A, dA is the total derivative of the loss with respect to
    A.  The partial derivatives of the loss with respect to S, o and v are
    called dspikes, dout and dmem.  The loss depends on the potentials v of
    hidden neurons only through the spikes S.  At fixed spikes S, a change
    of v does not change the loss, so the partial derivative dmem of the
    loss with respect to v is 0.  The chain rule gives

    dv[t] = dmem[t] + psi[t] dS[t] + beta dv[t+1]                     (8)
    dI[t] = alpha dI[t+1] + gain dv[t+1]                              (9)
    dS[t] = dspikes[t] + V^T dI[t+1] + W_out^T dI_o[t+1]             (10)
    dW = sum_t dI[t+1] x[t]^T, dV = sum_t dI[t+1] S[t]^T,
    dW_out = sum_t dI_o[t+1] S[t]^T                                  (11)

    The derivatives dv_o and dI_o of readouts follow eqs. (8) and (9) with
    psi = 0 and dmem = dout.  If a chip does not report all membrane
    potentials, the function `complete` simulates the missing potentials.
    The last term of eq. (12) is the reset.  The reset term is omitted for
    readouts, because readouts have no reset:

    v[t+1] = beta v[t] + gain I[t] - threshold S[t]                  (12)

Exact.  The gradient is exact for constant e and for the surrogate
    derivative dS[t]/dv[t] = psi[t] at the recorded v.  With eq. (12), the
    difference e[t+1] is the reset term -threshold S[t], whose derivative
    with respect to the spikes is omitted.  If a readout reaches its
    maximum in eq. (3) or (5) at several steps, the derivative is assigned
    to the last of these steps.
Cost.   Time is O(T B n (m + n + k)), memory is O(T B (m + n + k)).
Departures.  The code of [CB22] uses I[t+1] instead of I[t] in eq. 2 of
    [CB22], and applies penalty (5) to the scores.
Errata.  As printed, eq. 5 of [CB22] lacks the + 1 of eq. (2).  Without the
    summand + 1, the surrogate derivative psi diverges at the threshold.

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119, 2022, arXiv 2006.07239.
"""

from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, bundle, float_dtype, one_of, shown

__all__ = ["complete", "gradients", "loss", "record"]
WEIGHTS = ("weights.hidden (n, m) float, weights.recurrent? (n, n) float, "
           "weights.readout (k, n) float, x (T, B, m)")
RECORDING = ("recording.mem (T, B, n) float, recording.spikes (T, B, n), "
             "recording.out (T, B, k)")
PARTS = ("recording.mem? (T, B, n), recording.spikes (T, B, n), "
         "recording.out? (T, B, k)")
SCALES = "[1e-9, 1e9)"      # range of units and gains; float32 results stay finite
LATE = 99                   # largest delay, steps
SPIKE = 0.5                 # counts from SPIKE on are at least one spike


class Recording(NamedTuple):
    """Hold a chip recording.  The function `record` describes the fields."""
    mem: Optional[np.ndarray]
    spikes: np.ndarray
    out: Optional[np.ndarray]
    __repr__ = shown


class Loss(NamedTuple):
    """Hold loss and derivatives.  The function `loss` describes the fields."""
    value: float
    dout: np.ndarray
    dspikes: np.ndarray
    __repr__ = shown


class Gradient(NamedTuple):
    """Hold the gradient.  The function `gradients` describes the fields."""
    hidden: np.ndarray
    recurrent: Optional[np.ndarray]
    readout: np.ndarray
    __repr__ = shown


def record(run, weights, x, *, unit=70.0, gain=1.0, dtype=np.float32, delay=None):
    """Run a network on a chip, and record spikes and potentials, eq. (1).

    >>> def run(weights, x):
    ...     return np.zeros((3, 1, 1)), 80 + 70 * np.ones((3, 1, 2)).cumsum(0)
    >>> weights = {"hidden": np.array([[9]]), "readout": np.array([[1]])}
    >>> record(run, weights, np.ones((3, 1, 1))).out.ravel().tolist()
    [0.0, 1.0, 2.0]

    Parameters
    ----------
    run : callable (weights, x) -> (spikes, samples)
        The array `spikes` (T, B, n) holds the number of spikes of the hidden
        neurons in each time bin.  The array `samples` holds membrane
        potentials in ADC codes.  Its shape is (T, B, n + k) for hidden neurons
        and readouts, or (T, B, k) for readouts only.  Without potentials,
        `samples` is None.  Spikes of time bin t occur between samples t and t
        + 1.  The input x[t] arrives at the end of time bin t.  Sample 0 is
        taken at rest.  The module `probe` finds errors in such a function.
    weights : dict or NamedTuple
        `hidden` (n, m), `recurrent` (n, n) or None, and `readout` (k, n), in
        the form that `run` accepts.  Chips accept integer weights.
    x : (T, B, m), the number of input spikes in each time bin
    unit : float or (n + k,) float
        ADC codes between leak and threshold; hidden neurons precede readouts.
    gain : float
        Factor of eq. (1).  The factor 240 / s, with the readout scale s of
        `chip_weights.integers`, gives the potentials for the real weights.
    dtype : float32 or float64
    delay : dict, optional
        Delays of the chip in time steps, positive if late, with the keys
        "input", "spikes" and "samples", as from `probe.probe`.  `run` receives
        zeros before and after x.  The recording is aligned with x.

    Returns
    -------
    Recording, with potentials in units of the threshold
        mem, out  (T, B, n) v and (T, B, k) o, or None if not reported
        spikes    (T, B, n) spikes S of hidden neurons
    """
    one_of("run", run, Callable)
    float_dtype(dtype)
    W, _, W_out, x, gain = arrays(
        "weights.hidden (n, m), weights.recurrent? (n, n), weights.readout (k, n), "
        f"x (T, B, m) in [0, inf), gain () in {SCALES}", *_matrices(weights), x, gain)
    _whole("x", x)
    n, k, dtype = len(W), len(W_out), np.dtype(dtype).type
    _, unit = arrays(f"weights (all), unit (all?) in {SCALES}", np.zeros(n + k), unit)
    scale = np.broadcast_to(np.asarray(1 / unit, dtype), n + k), dtype(gain)
    before, after, cuts = _shifts(delay, len(x))
    x = np.pad(x, ((before, after), (0, 0), (0, 0))) if before or after else x
    return _piece(run(weights, x), x, n, k, *scale, cuts)


def _shifts(delay, T):
    delay = {"input": 0, "spikes": 0, "samples": 0} if delay is None else delay
    if set(one_of("delay", delay, dict)) != {"input", "spikes", "samples"}:
        raise ValueError(f"delay has the keys {sorted(map(str, delay))}: must have "
                         "input, samples and spikes")
    first, *late = arrays(", ".join(f"delay[{key!r}] () int in [-{LATE}, {LATE}]"
                                    for key in ("input", "spikes", "samples")),
                          delay["input"], delay["spikes"], delay["samples"])
    shifts = [first + d for d in late]
    before, after = -min(0, first, *shifts), max(0, first, *shifts)
    return before, after, [slice(before + shift, before + shift + T)
                           for shift in shifts]


def _piece(result, x, n, k, scale, gain, cuts):
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ValueError(f"run returned a {type(result).__name__}: must be a pair, "
                         "(spikes, samples)")
    T, B, _ = x.shape
    few = np.ndim(result[1]) == 3 and np.shape(result[1])[2] == k
    spikes, samples = arrays(
        f"run.spikes {(T, B, n)} in [0, inf), run.samples? "
        f"{(T, B, k if few else n + k)}", *result, dtype=scale.dtype)
    _whole("run.spikes", spikes)
    spikes = spikes[cuts[0]]
    if samples is None:
        return Recording(None, spikes.copy(), None)
    samples = samples[cuts[1]]
    v = samples - samples[0]
    v *= scale[-v.shape[2]:]                                               # (1)
    return Recording(None if few else v[:, :, :n].copy(), spikes.copy(),
                     gain * v[:, :, -k:])


def _whole(name, counts):
    if (counts != np.rint(counts)).any():
        raise ValueError(f"{name} holds fractions: must hold whole numbers of spikes")


def complete(weights, x, recording, *, tau_syn=6e-6, tau_mem=6e-6, dt=1.7e-6,
             gain=1.0, threshold=1.0):
    """Compute the membrane potentials that a chip does not report, eq. (12).
    Return a complete `Recording`.

    >>> weights = {"hidden": np.ones((1, 1)), "readout": np.ones((1, 1))}
    >>> spikes = Recording(None, np.zeros((3, 1, 1)), None)
    >>> complete(weights, np.ones((3, 1, 1)), spikes).mem.ravel().tolist()
    [0.0, 0.0, 1.0]

    Parameters
    ----------
    weights, x, tau_syn, tau_mem, dt, gain, threshold : as for `gradients`
    recording : Recording, of which only arrays that are None are computed
    """
    W, V, W_out, x, mem, spikes, out, threshold = arrays(
        f"{WEIGHTS}, {PARTS}, threshold (n?) in (0, inf)", *_matrices(weights), x,
        *bundle("recording", recording, Recording), threshold)
    hidden, readouts = _nominal(W, W_out, tau_syn, tau_mem, dt, gain)
    if mem is None:
        sent = x @ W.T + (0 if V is None else spikes @ V.T)
        mem = _software(sent, threshold * spikes, *hidden)
    if out is None:
        sent = spikes @ W_out.T
        out = _software(sent, 0 * sent, *readouts)
    return Recording(mem, spikes, out)


def _software(sent, reset, alpha, beta, gain):
    v, syn = np.zeros_like(sent), np.zeros_like(sent[0])
    for t in range(len(v) - 1):
        v[t + 1] = beta * v[t] + gain * syn - reset[t]                    # (12)
        syn = alpha * syn + sent[t]
    return v


def _nominal(W, W_out, tau_syn, tau_mem, dt, gain):
    n, k = len(W), len(W_out)
    _, tau_syn, tau_mem, dt, gain = arrays(
        "weights (all), tau_syn (all?) in (0, inf), tau_mem (all?) in (0, inf), dt () "
        "in (0, inf), gain (all?) in (0, inf)", np.zeros(n + k), tau_syn, tau_mem, dt,
        gain)
    rows = [np.broadcast_to(value, n + k).astype(W.dtype) for value in (
        np.exp(-dt / tau_syn), np.exp(-dt / tau_mem), gain)]
    return [row[:n] for row in rows], [row[n:] for row in rows]


def loss(recording, labels, *, reduction="max", scaling=10.0, readout=0.0,
         burst=0.0, rate=0.0, bound=0.0):
    """Compute the loss L, dL/dout and dL/dspikes, eqs. (3)-(7).

    >>> silent = Recording(*(np.zeros((3, 1, 2)) for _ in range(3)))
    >>> value, dout, dspikes = loss(silent, np.array([0]))
    >>> round(value, 4), dout[:, 0].tolist()
    (0.6931, [[0.0, 0.0], [0.0, 0.0], [-5.0, 5.0]])

    Parameters
    ----------
    recording : Recording with all potentials
    labels : (B,) int, from 0 to k - 1
    reduction : {"max", "reached", "sum"}
        Reduction over time in eq. (3).  [CB22] uses "sum" for spoken words.
    scaling : float
        Factor of eq. (3), published as 10.  For "sum", use about 0.1 instead.
    readout, burst, rate, bound : float
        Coefficients and bound of (5)-(7); published: burst 5e-4, readout 0.

    Returns
    -------
    Loss, where the predicted class has the largest score
        value    loss L, the sum of (4)-(7)
        dout, dspikes  (T, B, k) dL/do, and (T, B, n) dL/dS (read-only)
    """
    one_of("reduction", reduction, "max", "reached", "sum")
    _, spikes, out, labels = arrays(f"{RECORDING}, labels (B) int", *bundle(
        "recording", recording, Recording), labels)
    _, scaling, readout, burst, rate, bound = arrays(
        f"labels (B) in [0, {out.shape[2] - 1}], scaling () in (0, inf), readout () in "
        "[0, inf), burst () in [0, inf), rate () in [0, inf), bound () in [0, inf)",
        labels, scaling, readout, burst, rate, bound)
    last, peak = _peaks(out, spikes, labels if reduction == "reached" else None)
    scores = scaling * (out.sum(axis=0) if reduction == "sum" else peak)   # (3)
    value, dscores = _softmax(scores, labels)
    more, dspikes = _activity(spikes, burst, rate, bound)
    value += readout * float((peak * peak).mean()) + more                  # (5)
    dout = np.zeros_like(out)
    if reduction == "sum":
        dout += scaling * dscores
    dpeak = (2 * readout / peak.size) * peak + (scaling * dscores) * (
        reduction != "sum")
    dpeak += np.take_along_axis(dout, last[None], 0)[0]
    np.put_along_axis(dout, last[None], dpeak[None].astype(out.dtype), 0)
    return Loss(value, dout, dspikes)


def _peaks(out, spikes, labels):
    last = len(out) - 1 - out[::-1].argmax(axis=0)
    if labels is not None:
        fired = np.logical_or.accumulate(spikes.max(axis=2) >= SPIKE)
        counts, rows = np.zeros_like(fired), np.arange(len(labels))
        counts[2:] = fired[:-2]
        own = np.where(counts, out[:, rows, labels], -np.inf)   # T - 1 if all are -inf
        last[rows, labels] = len(out) - 1 - own[::-1].argmax(axis=0)
    return last, np.take_along_axis(out, last[None], 0)[0]


def _softmax(scores, labels):
    rows, shifted = np.arange(len(scores)), scores - scores.max(axis=1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    dscores = np.exp(logp)
    dscores[rows, labels] -= 1
    return float(-logp[rows, labels].mean()), dscores / len(scores)        # (4)


def _activity(spikes, burst, rate, bound):
    (_, B, n), counts = spikes.shape, spikes.sum(axis=0)
    excess = np.maximum(counts.sum(axis=1, keepdims=True) - bound, 0)
    value = burst * float((counts * counts).mean())                        # (6)
    value += rate * float((excess * excess).mean())                        # (7)
    dcounts = (2 * burst / (B * n)) * counts + (2 * rate / B) * excess
    return value, np.broadcast_to(dcounts.astype(spikes.dtype), spikes.shape)


def gradients(weights, x, recording, dout, dspikes=None, *, tau_syn=6e-6,
              tau_mem=6e-6, dt=1.7e-6, gain=1.0, threshold=1.0, steepness=50.0):
    """Compute the surrogate gradient of the loss, eqs. (8)-(11).

    >>> weights = {"hidden": np.ones((1, 1)), "readout": np.ones((1, 1))}
    >>> silent = Recording(*(np.zeros((6, 1, 1)) for _ in range(3)))
    >>> d = gradients(weights, np.ones((6, 1, 1)), silent, -np.ones((6, 1, 1)))
    >>> bool(d.hidden < 0)
    True

    Parameters
    ----------
    weights : dict or NamedTuple
        Weights before rounding, as for `record`.  Results have their dtype.
    x : (T, B, m)
    recording : Recording
        Result of `record`, or of `complete` if potentials are missing.
    dout, dspikes : (T, B, k) float, (T, B, n) float or None; as from `loss`
    tau_syn, tau_mem, gain : float or (n + k,) float
        Nominal time constants in s, and gain of the synaptic current in eq.
        (2), first for hidden neurons and then for readouts.
    dt : float, time step of the recording, s
    threshold, steepness : float or (n,) float
        Threshold (unit of v) and steepness (1 / unit of v) in eq. (2).

    Returns
    -------
    Gradient, summed over time steps and batch
        hidden, readout  (n, m) dW and (k, n) dW_out
        recurrent        (n, n) dV, or None if V is None
    """
    W, V, W_out, x, mem, spikes, out, dout, dspikes, threshold, steepness = arrays(
        f"{WEIGHTS}, {RECORDING}, dout (T, B, k), dspikes? (T, B, n), threshold (n?) "
        "in (0, inf), steepness (n?) in (0, inf)", *_matrices(weights), x,
        *bundle("recording", recording, Recording), dout, dspikes, threshold,
        steepness)
    n, m, k = *W.shape, len(W_out)
    hidden, readouts = _nominal(W, W_out, tau_syn, tau_mem, dt, gain)
    psi = np.abs(mem - threshold) * steepness + 1
    np.square(psi, out=psi)
    np.reciprocal(psi, out=psi)                                            # (2)
    dsyn_out = _back(dout, None, None, *readouts)[1:].reshape(-1, k)
    dS = np.zeros(mem.shape, mem.dtype)         # in C order, even if mem is not
    np.matmul(dsyn_out, W_out, out=dS[:-1].reshape(-1, n))                 # (10)
    if dspikes is not None:
        dS += dspikes
    dsyn = _back(dS, psi, V, *hidden)[1:].reshape(-1, n)
    sent = spikes[:-1].reshape(-1, n)
    return Gradient(dsyn.T @ x[:-1].reshape(-1, m), None if V is None else
                    dsyn.T @ sent, dsyn_out.T @ sent)                      # (11)


def _back(dmem, psi, V, alpha, beta, gain):
    dsyn = np.empty_like(dmem)
    dI, dv, spare = np.zeros((3, *dmem.shape[1:]), dmem.dtype)
    for t in range(len(dmem) - 1, -1, -1):
        credit = dmem[t]
        if V is not None:
            credit = np.add(credit, dI @ V, out=spare)                     # (10)
        if psi is not None:
            credit = np.multiply(credit, psi[t], out=spare)
        dI *= alpha
        dI += gain * dv                                                    # (9)
        dv *= beta
        dv += credit                                                       # (8)
        dsyn[t] = dI
    return dsyn


def _matrices(weights):
    for name in weights if isinstance(weights, dict) else ():
        one_of("weights' key", name, *Gradient._fields)
    return [weights.get(name) if isinstance(weights, dict)
            else getattr(weights, name, None) for name in Gradient._fields]
