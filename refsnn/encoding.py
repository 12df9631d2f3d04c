# refsnn 0.1.0 | encoding.py | SPDX-License-Identifier: MIT | needs: numpy
r"""Encode numbers as spikes with the latency code or the Poisson code.

In the latency code, each value v gives at most one spike, at the time t:

    t = tau log(v / (v - threshold)) for v > threshold      (1)  [NMZ19]
    step = floor(t / dt), a spike if step < T               (2)

In the Poisson code, the spikes S[t] of all steps are independent, with

    P(S[t] = 1) = rate dt                                   (3)

Derivation.  A constant input v charges a leaky integrator to v (1 -
    exp(-t/tau)).  Eq. (1) gives the time of the threshold crossing.
Exact.  Eqs. (1) and (2) are computed in float64, even for float32 values.
Cost.   `latency_events` takes O(B m log(B m)) time, and `latency` and
    `poisson` take O(T B m) time.
Departures.  Eq. (1) is from the second tutorial of [NMZ19], not the paper.

[NMZ19] E. O. Neftci et al., 2019, arXiv 1901.09948; SpyTorch tutorials.
"""

from typing import NamedTuple

import numpy as np

# `python -m refsnn vendor NAME FILE` adds these functions to a copy.
from refsnn._checks import arrays, float_dtype, one_of, shown

__all__ = ["latency", "latency_events", "poisson"]


class Events(NamedTuple):
    """Hold spike indices.  The function `latency_events` describes the fields."""
    step: np.ndarray
    sample: np.ndarray
    unit: np.ndarray
    __repr__ = shown


def latency_events(values, T, *, tau=20e-3, threshold=0.2, dt=1e-3):
    """Return the indices of latency-coded spikes, eqs. (1) and (2).

    >>> events = latency_events(np.array([[0.0, 1.0, 0.4]]), 100)
    >>> events.step.tolist(), events.unit.tolist()
    ([4, 13], [1, 2])

    Parameters
    ----------
    values, T : (B, m) float, int
        Values v, for example grey levels in [0, 1], and number of time steps.
    tau, threshold, dt : float
        Time constant of eq. (1) in seconds, threshold in the units of
        `values`, and time step in seconds.

    Returns
    -------
    Events, sorted by step, then sample, then unit
        step, sample, unit  (E,) int64, below T, B and m
    """
    values, T = arrays("values (B, m) float, T () int in [1, inf)", values, T)
    tau, threshold, dt = arrays(
        "tau () in (0, inf), threshold () in (0, inf), dt () in (0, inf)", tau,
        threshold, dt, dtype=np.float64)
    threshold = float(values.dtype.type(threshold))     # rounded like `values`
    sample, unit = np.nonzero(values > threshold)
    excess = values[sample, unit].astype(np.float64) - threshold
    time = tau * np.log1p(threshold / excess)                              # (1)
    step = np.floor(time / dt)                                             # (2)
    inside = np.flatnonzero(step < T)
    inside = inside[np.argsort(step[inside], kind="stable")]
    return Events(step[inside].astype(np.int64), sample[inside], unit[inside])


def latency(values, T, *, tau=20e-3, threshold=0.2, dt=1e-3, dtype=None):
    """Return the latency code as a dense spike train (T, B, m), eqs. (1) and (2).

    >>> spikes = latency(np.array([[0.0, 1.0, 0.4]]), 100)
    >>> spikes.sum(axis=0).tolist(), int(spikes[:, 0, 1].argmax())
    ([[0.0, 1.0, 1.0]], 4)

    Parameters
    ----------
    values, T, tau, threshold, dt : as for `latency_events`
    dtype : float32 or float64, optional; by default that of `values`
    """
    events = latency_events(values, T, tau=tau, threshold=threshold, dt=dt)
    dtype = float_dtype(np.asarray(values).dtype if dtype is None else dtype)
    spikes = np.zeros((int(T), *np.shape(values)), dtype)
    spikes[events] = 1
    return spikes


def poisson(rates_hz, T, dt, rng, *, dtype=None):
    """Sample independent spikes (T, B, m) with the given firing rates, eq. (3).

    >>> rates = np.array([[0.0, 1000.0]])
    >>> poisson(rates, 3, 1e-3, np.random.default_rng(1)).tolist()
    [[[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 1.0]]]

    Parameters
    ----------
    rates_hz : (B, m) or (T, B, m) float, at most 1/dt
    T, dt : int and float, number of time steps, and time step in seconds
    rng : numpy.random.Generator
    dtype : float32 or float64, optional; by default that of `rates_hz`
    """
    rates, T = arrays("rates_hz (...) float in [0, inf), T () int in [1, inf)",
                      rates_hz, T)
    dt, = arrays("dt () in (0, inf)", dt, dtype=np.float64)
    dtype = float_dtype(rates.dtype if dtype is None else dtype)
    one_of("rng", rng, np.random.Generator)
    if rates.ndim < 2 or rates.shape[:-2] not in ((), (T,)) or rates.size == 0:
        raise ValueError(f"rates_hz has shape {rates.shape}: must have (B, m), or "
                         f"(T, B, m) with T = {T}, and not be empty")
    probability = rates.astype(np.float64) * dt                            # (3)
    if probability.max() > 1:
        raise ValueError(f"rates_hz exceeds 1/dt = {1 / dt}: must be smaller, or dt")
    spikes = rng.random((T, *rates.shape[-2:])) < probability
    return spikes.astype(dtype)
