# refsnn 0.1.0 | oracle/identify/stimuli.py | SPDX-License-Identifier: MIT | needs: numpy
r"""This module makes inputs for which LIF simulators give different results.

A stimulus is an input signal for which different simulators give different
results.  A tie is a time step in which the membrane potential equals the
threshold exactly.  The stimulus "ties" contains inputs x such that, in
floating-point arithmetic,

    f3 (f2 (f1 x)) = threshold                                        (1)

The factor f1 is 1 or `1 - alpha`, f2 is 1 or `alpha`, and f3 is the gain,
where alpha is the decay factor of the synaptic current.

A stimulus distinguishes two update conventions if the spikes of the two
simulations differ, or if the currents or potentials a and b violate

    |a - b| <= 1e-9 max |a|                                           (2)

Derivation.  Strong inputs show whether a neuron can spike several times
    per step.  The membrane potential after a spike shows whether the reset
    subtracts the threshold.  Negative inputs show whether the potential
    has a lower bound (floor).
Exact.  Eq. (1) is tested for 17 values of the input x.  The middle value
    is the quotient `threshold / (f1 f2 f3)`.  The other values are eight
    floating-point numbers just below the quotient and eight just above.
Cost.   A stimulus has 25 time steps.  The stimuli "overdrive" and
    "inhibition" have 40 samples each.  The stimulus "ties" has at most one
    sample for each combination of the factors f1, f2 and f3 in eq. (1).
Departures.  If a simulator rounds numbers differently from refsnn, the
    stimulus "ties" may not drive the potential exactly to the threshold.
"""

import itertools
from typing import NamedTuple

import numpy as np

from refsnn import _checks, conventions
from refsnn.oracle.identify.arguments import QUANTITIES

__all__ = ["Stimulus", "make_stimuli"]

STEPS = 25              # time steps of a stimulus, with input in at most the first 8
SIZES = 40              # number of input amplitudes of a stimulus
WEAK = 0.6              # smallest drive, in units of the threshold
STRONG = 9.0            # largest drive, which makes a neuron spike several times
RTOL = 1e-9             # see (2)
NEAR = 8                # floating-point numbers tried on each side, for (1)


class Stimulus(NamedTuple):
    """This class holds an input signal x of shape (T, B, 1) for one neuron."""
    x: np.ndarray
    W: np.ndarray
    shows: str          # conventions that the stimulus distinguishes
    __repr__ = _checks.shown


def make_stimuli(alphas, betas, threshold=1.0, gains=()):
    """Return a dict of input signals that distinguish LIF simulators.  The dict
    has the keys "overdrive" (strong inputs), "inhibition" (negative inputs),
    "ties" (inputs that drive the potential exactly to the threshold) and
    "all".  Each value of the dict is a `Stimulus`.  The stimulus "all"
    combines the three others in one batch.

    >>> found = make_stimuli([0.25], [0.5], 2.0)
    >>> found["ties"].x[1, :3, 0].tolist()
    [2.0, 2.6666666666666665, 4.0]

    Each stimulus is the input of one neuron, whose input weight is 1.  The
    samples differ in the input amplitude.  Suppose that the leak potential is
    0 and the decay factors are binary fractions such as 0.75.  With these
    values, the stimulus "ties" drives the potential exactly to the threshold.

    Parameters
    ----------
    alphas, betas : list of float, possible decay factors, in [0, 1)
    threshold, gains : float, list of float
        Threshold, above 0, and possible gains other than 1 and 1 - beta.
    """
    alphas, betas, threshold, gains = _checks.arrays(
        "alphas (a) in [0, 1), betas (b) in [0, 1), threshold () in [1e-300, 1e300), "
        "gains (r*)", alphas, betas, threshold, gains, dtype=float)
    low = min([1.0] + [(min(a, 1 - a) or 1.0) * gain for a in alphas
                       for gain in (*(1 - betas), *gains) if gain > 0])
    sizes = threshold * np.geomspace(WEAK, STRONG / low, SIZES)
    patterns = {
        "overdrive": ([0, 1, 1, 1, 0, 0, 1], "decays, gains and delays; kind and "
                      "time of the reset; several spikes a step; refractory steps"),
        "inhibition": ([0, -1, -1, 0, 1, 1, 1, 0.5], "a floor"),
        "ties": ([0, 1], "whether u = threshold is a spike")}
    found = {}
    for name, (pattern, shows) in patterns.items():
        size = _ties(alphas, betas, gains, threshold) if name == "ties" else sizes
        x = np.zeros((STEPS, len(size), 1))
        x[:len(pattern), :, 0] = np.multiply.outer(pattern, size)
        found[name] = Stimulus(x, np.ones((1, 1)), shows)
    x = np.concatenate([stimulus.x for stimulus in found.values()], axis=1)
    return found | {"all": Stimulus(x, np.ones((1, 1)), "all of these")}


def _ties(alphas, betas, gains, threshold):
    found = []
    for alpha, beta in itertools.product(alphas, betas):
        for f1, f2, f3 in itertools.product((1.0, 1 - alpha), (1.0, alpha),
                                            (1.0, 1 - beta, *gains)):
            if f1 * f2 * f3 > 0:
                x = threshold / (f1 * f2 * f3)
                x += np.arange(-NEAR, NEAR + 1) * np.spacing(x)
                at = x[f3 * (f2 * (f1 * x)) == threshold]                  # (1)
                found += at[:1].tolist()
    return sorted(set(found))


def _simulator(problem):
    tau_syn, tau_mem, dt = problem.taus
    levels = {name: float(np.ravel(value)[0]) for name, value in problem.levels.items()}

    def simulate(step, x, W):
        return conventions.recorded(step, conventions.simulate(
            step, x, W, tau_syn=tau_syn, tau_mem=tau_mem, dt=dt, **levels))

    alphas, betas = ([_decay(decay, np.float64(tau), dt) for decay in problem.decays]
                     for tau in (tau_syn, tau_mem))
    gains = [gain for beta in betas for gain in (dt / tau_mem, tau_mem * (1 - beta))
             ] if tau_mem else []
    return simulate, make_stimuli(alphas, betas, levels["threshold"], gains)


def _telling(one, other, names, simulate, inputs):
    """Name a stimulus that distinguishes two conventions."""
    for keys, note in ((names, ""), (QUANTITIES, ", with syn and mem")):
        for name, (x, W, _) in inputs.items():
            a, b = (simulate(step, x, W) for step in (one, other))
            if any(_differ(key, a[key], b[key]) for key in keys):
                return name + note
    return ""


def _differ(name, a, b):
    limit = 0 if name == "spikes" else RTOL * np.abs(a).max(initial=0)
    return not (np.abs(a - b) <= limit).all()                              # (2)


def _decay(kind, tau, dt):
    """Compute a decay factor exactly as `conventions.simulate`."""
    with np.errstate(divide="ignore"):      # tau = 0: decay factor 0
        return float(1 - dt / tau if kind == "euler" else np.exp(-dt / tau))
