# refsnn 0.1.0 | regularisers.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Activity regularisers: costs of spike counts, as (value, derivative).

With the spike counts of the neurons, and their mean over the population,

    c[b, i] = sum_t S[t, b, i]                           (1)
    c[b] = (1/n) sum_i c[b, i]                           (2)

the costs, all of them means over the batch, are

    lower_bound   mean max(0, bound - c)^power          (3)  [CSSZ20] eq. ?
    upper_bound   mean max(0, c - bound)^power          (4)  [CSSZ20] eq. ?
    burst         (1/(B n)) sum_{b,i} c[b, i]^2          (5)  [CB22] eq. 6
    total         (1/B) sum_{b,i} c[b, i]                (6)  [NMZ19] eq. ?

where the means of (3) and (4) run over b and i with the counts (1), or
over b with the counts (2).

Derivation.  Each S[t, b, i] enters its count with the factor 1, or 1/n, so
    the derivative is the cost's derivative by the count, for all t alike.
Exact.  A bound that is met exactly has the derivative 0, also for power=1,
    where the cost has a kink.
Cost.   O(T B n) time and memory.
Departures.  Strengths are the caller's.  Published terms that scale
    otherwise: the sum of all spikes of a batch is B times (6); the squared
    spike count of a whole batch, mean over neurons (the tutorials that
    accompany [NMZ19] add it to the sum), is (5) of the batch strung
    together, ``burst(spikes.reshape(T * B, 1, n))``, its derivative
    reshaped back; the bound R on the count of a whole layer, [CB22]'s
    max(0, n c[b] - R)^2, is n^2 times (4) with bound = R/n and
    per="population".

[CB22] B. Cramer, S. Billaudelle et al., PNAS 119(4), e2109194119, 2022,
    arXiv 2006.07239.
[CSSZ20] B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, IEEE TNNLS
    33(7), 2744-2757, 2022, arXiv 1910.07407.
[NMZ19] E. O. Neftci, H. Mostafa and F. Zenke, IEEE Signal Processing
    Magazine 36(6), 51-63, 2019, arXiv 1901.09948.
"""

import numpy as np

__all__ = ["burst", "lower_bound", "total", "upper_bound"]


def _spikes(spikes):
    array = np.asarray(spikes)
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"spikes is of dtype {array.dtype}: must be float32 or "
                         "float64")
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(f"spikes is of shape {array.shape}: must be (T, B, n), "
                         "none of them 0")
    if not np.isfinite(array).all():
        raise ValueError("spikes has NaN or infinite entries: must be finite")
    return array


def _counts(spikes):
    return spikes.sum(axis=0)                                              # (1)


def _all_steps(dcounts, spikes):
    """dL/dS from dL/dc (B, n) or (B, 1): the same at all steps."""
    return np.broadcast_to(dcounts, spikes.shape).astype(spikes.dtype)


def _excess(spikes, bound, per, power, sign):
    """max(0, sign (c - bound)) (B, n or 1), and dc/dS."""
    bound_array = np.asarray(bound)
    if bound_array.shape != () or bound_array.dtype.kind not in "fiu" \
            or not 0 <= bound_array < np.inf:
        raise ValueError(f"bound is {bound!r}: must be a finite number of spikes, "
                         "at least 0")
    if not isinstance(per, str) or per not in ("neuron", "population"):
        raise ValueError(f"per is {per!r}: must be 'neuron' or 'population'")
    if isinstance(power, bool) or np.ndim(power) or power not in (1, 2):
        raise ValueError(f"power is {power!r}: must be 1 or 2")
    counts, share = _counts(spikes), 1.0
    if per == "population":
        counts, share = counts.mean(axis=1, keepdims=True), 1 / counts.shape[1]  # (2)
    return np.maximum(sign * (counts - spikes.dtype.type(bound)), 0), share


def _bounded(spikes, bound, per, power, sign):
    excess, share = _excess(spikes, bound, per, power, sign)
    slope = 2 * excess if power == 2 else excess > 0
    return (float(np.mean(excess ** power)),
            _all_steps(sign * share / excess.size * slope, spikes))


def lower_bound(spikes, bound, per="neuron", power=2):
    """Cost of spike counts below a bound, eq. (3).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spike trains of a layer.
    bound : float
        Spikes per trial, at least 0.
    per : {"neuron", "population"}
        Which counts are bounded: (1) or (2).
    power : {2, 1}
        Of the distance to the bound.

    Returns
    -------
    value : float
        Spikes to that power, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative by the spikes.

    Raises
    ------
    ValueError
        If spikes is not a finite float (T, B, n), or an option unknown.

    Examples
    --------
    >>> value, dspikes = lower_bound(np.zeros((2, 1, 2)), 3)
    >>> value, dspikes[0, 0].tolist()
    (9.0, [-3.0, -3.0])
    """
    return _bounded(_spikes(spikes), bound, per, power, -1)                # (3)


def upper_bound(spikes, bound, per="population", power=2):
    """Cost of spike counts above a bound, eq. (4).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spike trains of a layer.
    bound : float
        Spikes per trial, at least 0.
    per : {"population", "neuron"}
        Which counts are bounded: (2) or (1).
    power : {2, 1}
        Of the distance to the bound.

    Returns
    -------
    value : float
        Spikes to that power, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative by the spikes.

    Raises
    ------
    ValueError
        If spikes is not a finite float (T, B, n), or an option unknown.

    Examples
    --------
    >>> value, dspikes = upper_bound(np.ones((5, 1, 2)), 3)
    >>> value, dspikes[0, 0].tolist()
    (4.0, [2.0, 2.0])
    """
    return _bounded(_spikes(spikes), bound, per, power, 1)                 # (4)


def burst(spikes):
    """Mean squared spike count, which only lowers activity, eq. (5).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spike trains of a layer.

    Returns
    -------
    value : float
        Spikes squared, mean over batch and neurons.
    dspikes : (T, B, n) float
        Its derivative by the spikes.

    Raises
    ------
    ValueError
        If spikes is not a finite float (T, B, n).

    Examples
    --------
    >>> value, dspikes = burst(np.ones((3, 1, 2)))
    >>> value, dspikes[0, 0].tolist()
    (9.0, [3.0, 3.0])
    """
    spikes = _spikes(spikes)
    counts = _counts(spikes)
    return (float(np.mean(counts * counts)),                               # (5)
            _all_steps(2 * counts / counts.size, spikes))


def total(spikes):
    """Number of spikes of a trial, eq. (6).

    Parameters
    ----------
    spikes : (T, B, n) float
        Spike trains of a layer.

    Returns
    -------
    value : float
        Spikes of all neurons, mean over the batch.
    dspikes : (T, B, n) float
        Its derivative by the spikes.

    Raises
    ------
    ValueError
        If spikes is not a finite float (T, B, n).

    Examples
    --------
    >>> value, dspikes = total(np.ones((3, 2, 4)))
    >>> value, float(dspikes[0, 0, 0])
    (12.0, 0.5)
    """
    spikes = _spikes(spikes)
    B = spikes.shape[1]
    return float(spikes.sum() / B), np.full_like(spikes, 1 / B)            # (6)
