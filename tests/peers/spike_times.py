"""Judge gradients of spike times, with the exact ones and with known mistakes.

The problem is a network of two layers of leaky integrate-and-fire neurons from rest, in
continuous time, in which neurons of both layers spike several times.  The loss is 1/2
sum (time - target)^2 over all spikes of the upper layer.  As in refsnn.eventprop, U is
the potential and I the current; lambda_V and lambda_I are their adjoint variables.
tau_mem = 2 tau_syn, because some tools allow no other ratio.
"""

import itertools

import numpy as np

from refsnn import eventprop
from refsnn.oracle.build.event_gradients import FAULTS
from refsnn.oracle.build.vector import numbers

CONSTANTS = {"tau_mem": 20e-3, "tau_syn": 10e-3, "threshold": 0.75}
SEED = 18               # spikes are far from appearing, vanishing or changing order
MISTAKES = ("inputs", "after", "factor", "lost", "slow")        # keys of FAULTS
NAMES = {"dW2": "upper weights", "dW": "lower weights", "dinput_times": "input times"}
LATE = 1e-4             # s, largest difference of spike times; tools have time steps
ALIKE = 1e-4            # largest 1 - |cosine| of gradients that count as equal
SCALE = 0.01            # largest difference from 1 of a factor that counts as 1


def problem(T=12, m=4, n=3):
    """Return the problem, a dict: one sample, all times in s."""
    return CONSTANTS | {
        "input_times": 2e-3 * (np.arange(T) + numbers([SEED, 0], T)),
        "input_units": ((m - 1 / 64) * numbers([SEED, 1], T)).astype(int),
        "W": 2 * numbers([SEED, 2], n, m) - 0.25,
        "W2": (6 * numbers([SEED, 3], n, n) - 0.75) / n,
        "target": 2e-3 * T * numbers([SEED, 4], n), "until": 40e-3}


def runs(p):
    """Return the recordings of the lower and of the upper layer."""
    lower = eventprop.simulate([p["input_times"]], [p["input_units"]], p["W"],
                               until=p["until"], **CONSTANTS)
    return lower, eventprop.simulate(lower.times, lower.units, p["W2"],
                                     until=p["until"], **CONSTANTS)


def gradients(p, mistakes=()):
    """Return the gradients of the backward pass with these mistakes."""
    lower, upper = runs(p)
    errors = upper.times[0] - p["target"][upper.units[0]]
    dW2, errors = _layer(errors, lower.units[0], p["W2"], upper, mistakes)
    dW, dinput_times = _layer(errors, p["input_units"], p["W"], lower, mistakes)
    return {"dW2": dW2, "dW": dW, "dinput_times": dinput_times}


def _layer(dtimes, units, W, run, mistakes):
    """Return the derivatives by weights and by input times."""
    tau_mem, tau_syn, threshold = CONSTANTS.values()
    (log,), own, count = run.log, run.units[0], len(units)
    d = np.append(np.zeros(count), dtimes)
    (lambda_V, lambda_I), dW = np.zeros((2, len(W))), np.zeros(W.shape)
    for e in range(len(log.at) - 1, 0, -1):
        k = log.sources[e]
        if log.kinds[e] == eventprop.ARRIVAL:
            j = units[k]
            dW[:, j] -= tau_syn * lambda_I
            d[k] += W[:, j] @ (lambda_I if "inputs" in mistakes else
                               lambda_V - lambda_I)
        elif log.kinds[e] == eventprop.SPIKE:
            i = own[k - count]
            slope = log.syn[e, i] - threshold * ("after" not in mistakes)
            factor = 0 if "lost" in mistakes else 1 if "factor" in mistakes else (
                log.syn[e, i] / slope)
            lambda_V[i] = factor * lambda_V[i] + d[k] / slope
        fade, decay = (np.exp((log.at[e - 1] - log.at[e]) / tau)
                       for tau in (tau_mem, tau_syn))
        gain = tau_mem / (tau_mem - tau_syn) * (fade - decay)
        lambda_I = (fade if "slow" in mistakes else decay) * lambda_I + gain * lambda_V
        lambda_V = fade * lambda_V
    return dW, d[:count]


def judged(found):
    """Return the verdicts on the gradients of a tool.

    Parameters
    ----------
    found : dict
        "times", the spike times of the upper layer in s, by neuron, then by time, and
        the gradients "dW2" (n, n), "dW" (n, m) and "dinput_times" (T,).

    Returns
    -------
    list of [str, float, str]
        For each gradient its name, its cosine with the exact gradient, and the verdict.
    """
    p = problem()
    upper = runs(p)[1]
    times = upper.times[0][np.lexsort((upper.times[0], upper.units[0]))]
    if len(found["times"]) != len(times):
        raise ValueError(f"times has {len(found['times'])} spikes: must have "
                         f"{len(times)}")
    if np.abs(found["times"] - times).max() > LATE:
        raise ValueError(f"times is {found['times']}: must be {times}")
    sets = [known for size in range(3)
            for known in itertools.combinations(MISTAKES, size)]
    wrong = {known: gradients(p, known) for known in sets}
    rows = []
    for key, name in NAMES.items():
        text = "wrong, no known mistake"
        for known in sets:
            cosine, factor = _alike(found[key], wrong[known][key])
            if 1 - abs(cosine) < ALIKE:
                text = "; ".join(FAULTS[fault][0] for fault in known) or "right"
                if abs(factor - 1) > SCALE:
                    text = text.replace("right", "the right gradient")
                    text += f", times {factor:.2g}"
                break
        rows.append([name, round(_alike(found[key], wrong[()][key])[0], 4), text])
    return rows


def _alike(a, b):
    """Return the cosine of a and b, and the factor c with the least |a - c b|."""
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)), float(
        (a * b).sum() / (b * b).sum())
