"""Compute spike times and EventProp gradients in discrete time steps.

The neuron model is that of the module `eventprop`.  Delays and recurrent
weights are not supported.  An input spike arrives at the start of a step.
If the membrane potential U is above the threshold at the end of a step,
the neuron spikes.  The scheme "euler" is the explicit Euler method.  The
scheme "held" assumes that the current does not change during a step.  The
module `lif` makes the same assumption of a constant current in each step
if the option `gain` of `lif` is `1 - beta`.  The scheme "exact" uses the
analytic solution of the neuron equations.

By default, a spike occurs at the end of a step.  The option `between`
interpolates spike times linearly within a step.  Because spike times on
the grid are not differentiable, the backward pass uses the jump conditions
of EventProp.
"""

from typing import NamedTuple

import numpy as np

from refsnn._checks import arrays, one_of


class Grid(NamedTuple):
    """This class holds spikes, and the values that `backward` needs.

    The field `times` holds the spike times, and the field `units` holds the
    spiking neurons.
    """

    times: np.ndarray
    units: np.ndarray
    spikes: dict


def factors(s, tau_mem, tau_syn, scheme):
    """Return the factors in U(s) = fade U + gain I and I(s) = decay I."""
    if scheme == "euler":
        return 1 - s / tau_mem, 1 - s / tau_syn, s / tau_mem
    fade, decay = np.exp(-s / tau_mem), np.exp(-s / tau_syn)
    return fade, decay, 1 - fade if scheme == "held" else (
        fade - decay) * tau_syn / (tau_mem - tau_syn)


def simulate(arrivals, units, W, *, steps, dt, taus, threshold=1.0, scheme="held",
             reset="zero", between=False):
    """Simulate one sample in time steps.

    >>> one, none = np.array([[8.0]]), np.array([0])
    >>> options = {"dt": 1.0, "taus": (2.0, 4.0), "scheme": "euler"}
    >>> simulate(none, none, one, steps=3, **options).times.tolist()
    [1.0, 2.0, 3.0]

    Parameters
    ----------
    arrivals, units : (S,) int
        Steps and input neurons of the input spikes.
    W : (n, m) float
        Weights, in the unit of the threshold.
    steps : int
    dt, taus, threshold : float, (float, float), float
        Step in s, time constants of U and I in s, threshold.
    scheme : {"euler", "held", "exact"}
    reset : {"zero", "subtract"}
        Reset; always to zero if spikes are interpolated.
    between : bool
        If True, spike times are interpolated within a step.

    Returns
    -------
    Grid
        Spikes, in the order of their steps.
    """
    one_of("scheme", scheme, "euler", "held", "exact")
    one_of("reset", reset, "zero", "subtract")
    W, arrivals, units = arrays(
        "W (n, m) float, arrivals (k*) int in [0, inf), units (k*) int in [0, {})"
        .format(np.shape(W)[1]), W, arrivals, units)
    drive, spikes = {}, {}
    for t, j in zip(arrivals.tolist(), units.tolist(), strict=True):
        drive[t] = drive.get(t, 0) + W[:, j]
    mem, syn = np.zeros((2, len(W)))
    fade, decay, gain = factors(dt, *taus, scheme)
    for t in range(steps):
        if t in drive:
            syn = syn + drive[t]
        later = fade * mem + gain * syn
        if later.max() > threshold:
            i = np.flatnonzero(later > threshold)
            share = (threshold - mem[i]) / (later[i] - mem[i]) if between else \
                np.ones(len(i))
            current = syn[i] * factors(share * dt, *taus, scheme)[1]
            spikes[t] = i, share, current
            after = factors((1 - share) * dt, *taus, scheme)[2] * current
            later[i] = later[i] - threshold if reset == "subtract" and not between \
                else after
        mem, syn = later, decay * syn
    times = [(t + share) * dt for t, (_, share, _) in spikes.items()]
    return Grid(np.concatenate([[], *times]), np.concatenate(
        [np.zeros(0, int), *(i for i, _, _ in spikes.values())]), spikes)


def backward(dtimes, arrivals, units, W, grid, *, steps, dt, taus, threshold=1.0,
             scheme="held"):
    """Differentiate a loss that depends on spike times.

    >>> one, none = np.array([[8.0]]), np.array([0])
    >>> options = {"steps": 1, "dt": 1.0, "taus": (2.0, 4.0)}
    >>> options["scheme"] = "euler"
    >>> found = simulate(none, none, one, **options)
    >>> backward(one[0], none, none, one, found, **options)[0].tolist()
    [[-1.6]]

    Parameters
    ----------
    dtimes : array
        Derivative of the loss with respect to the spike times of `grid`.
    grid : Grid
        Result of `simulate`.
    arrivals, units, W, steps, dt, taus, threshold, scheme : as for `simulate`

    Returns
    -------
    dW, darrival : (n, m) float
        Derivatives with respect to the weights and, separately for each
        neuron, with respect to the arrival times of all spikes of an input.
    """
    tau_mem, tau_syn = taus
    (dmem, dsyn), dW, darrival = np.zeros((2, len(W))), np.zeros(W.shape), \
        np.zeros(W.shape)
    at, left = {}, len(dtimes)
    for t, j in zip(arrivals.tolist(), units.tolist(), strict=True):
        at.setdefault(t, []).append(j)
    whole = factors(dt, *taus, scheme)
    for t in range(steps - 1, -1, -1):
        fade, decay, gain = whole
        if t in grid.spikes:
            i, share, current = grid.spikes[t]
            fade, decay, gain = (np.full(len(W), a) for a in whole)
            fade[i], decay[i], gain[i] = factors(share * dt, *taus, scheme)
            after = factors((1 - share) * dt, *taus, scheme)
            dsyn[i] = after[1] * dsyn[i] + after[2] * dmem[i]
            left -= len(i)
            dmem[i] = (after[0] * dmem[i] * current - tau_mem * dtimes[
                left:left + len(i)]) / (current - threshold)
        dsyn = decay * dsyn + gain * dmem
        dmem = fade * dmem
        for j in at.get(t, ()):
            dW[:, j] += dsyn
            darrival[:, j] += W[:, j] * (dsyn / tau_syn - dmem / tau_mem)
    return dW, darrival
