# refsnn 0.1.0 | oracle/spikes_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of spiking layers, each with its named wrong answers.

A `Vector` holds the inputs of a problem, the right outputs, and `Mutant`s:
what well-known mistakes would give instead, and where in public they were
made.  `RULES` builds one for any seed and size.  Inputs are multiples of
1/64 from a bit stream that no NumPy version changes; mutants run the same
modules with one choice changed, or with one array disturbed.

"dyadic" rules have decays of 1/2 and few bits: every value is exact in
float32 as well, and is compared with ==.
"""

from typing import NamedTuple

import numpy as np

from refsnn import bptt, conventions, lif, losses, rtrl, sparse_rtrl, surrogates

__all__ = ["FORWARD", "RULES", "Mutant", "Vector", "delayed",
           "numbers"]

TIMES = {"tau_syn": 5e-3, "tau_mem": 10e-3, "dt": 2e-3}
LEVELS = {"threshold": 0.75, "steepness": 2.0}      # no factor is 1
FORWARD = (     # what is wrong, where it was seen, axes of conventions.Step
    ("input one step early", "norse/norse#325", {"input": "same"}),
    ("spikes shown one step early", "fzenke/spytorch#10", {"test": "after"}),
    ("membrane and current shown one step early", "fzenke/spytorch#10",
     {"record": "after"}),
    ("reset to zero, not by subtraction", "jeshraghian/snntorch#379",
     {"reset": "zero"}),
    ("no reset", "", {"reset": "none"}),
    ("reset before the decay: beta times threshold is subtracted",
     "jeshraghian/snntorch#341", {"reset_at": "before"}),
    ("reset in the step of the spike", "jeshraghian/snntorch#364",
     {"reset_at": "once"}),
    ("new current read in the step of its update", "snntorch Synaptic",
     {"synapse": "first", "input": "same"}),
    ("current decays before it is read", "lava, snntorch Synaptic",
     {"synapse": "first"}),
    ("input decays in the step of its arrival", "sinabs, rockpool",
     {"synapse": "last"}),
    ("decays are 1 - dt/tau, not exp(-dt/tau)", "norse/norse#302",
     {"decay": "euler"}),
    ("missing factor: current enters the membrane without 1 - beta",
     "fangwei123456/spikingjelly#132", {"gain": "one"}),
    ("several spikes a step", "", {"spikes": "many"}),
    ("a tie is a spike: >=, not >", "lava-nc/lava#151", {"compare": ">="}))


class Mutant(NamedTuple):
    """A wrong answer: its name, a public place, the outputs it changes."""

    name: str
    seen: str
    outputs: dict


class Vector(NamedTuple):
    """A problem, its right outputs and wrong ones; if exact, each bit counts."""

    name: str
    text: str
    inputs: dict
    outputs: dict
    mutants: list
    exact: bool


def numbers(seed, *shape):
    """Multiples of 1/64 in [0, 1), the same for every version of NumPy.

    Parameters
    ----------
    seed : int or list of int
        Which ones.
    shape : int
        Axes of the result.

    Returns
    -------
    (*shape) float64
        Drawn uniformly.

    Raises
    ------
    ValueError
        If an axis is shorter than 1.

    Examples
    --------
    >>> numbers(1, 3).shape, float(numbers(1, 99).max()) < 1
    ((3,), True)
    """
    if not shape or min(shape) < 1:
        raise ValueError(f"shape is {shape}: must be axes of at least 1")
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(32)) % np.uint64(64)).astype(float).reshape(shape) / 64


def delayed(array):
    """A series one step late: 0, then all but its last step.

    Parameters
    ----------
    array : (T, ...) array
        Not empty.

    Returns
    -------
    (T, ...) array
        Of the same dtype.

    Raises
    ------
    ValueError
        If there is no step.

    Examples
    --------
    >>> delayed(np.array([1, 2, 3])).tolist()
    [0, 1, 2]
    """
    if len(array) == 0:
        raise ValueError("array has no step: must have one or more")
    return np.concatenate([np.zeros_like(array[:1]), array[:-1]])


def _problem(seed, T, B, m, n, recurrent, dyadic):
    """Inputs of a layer: spikes, weights, constants."""
    x = (numbers([seed, 0], T, B, m) < 0.4).astype(float)
    W = (5 * numbers([seed, 1], n, m) - 1.75) / max(1, m / 4)
    found = {"x": x, "W": W}
    if dyadic:
        found["W"] = (8 * numbers([seed, 1], n, m) - 2).round() / 4
    if recurrent:
        found["V"] = (8 * numbers([seed, 2], n, n) - 5).round() / 4
    if dyadic:
        return found | {"alpha": 0.5, "beta": 0.5, "gain": 1.0, "threshold": 1.0}
    alpha, beta = (float(np.exp(-TIMES["dt"] / TIMES[tau]))
                   for tau in ("tau_syn", "tau_mem"))
    return found | TIMES | {"alpha": alpha, "beta": beta, "gain": 1 - beta,
                            "threshold": LEVELS["threshold"]}


def _constants(p):
    return {name: p[name] for name in ("alpha", "beta", "gain", "threshold")}


def _layer(p):
    return lif.simulate(p["x"], p["W"], p.get("V"), **_constants(p))


def _resetdelayed(p):
    """A run whose reset comes one step too late."""
    spikes = np.zeros((*p["x"].shape[:2], len(p["W"])))
    for _ in range(len(spikes)):
        run = lif.simulate(p["x"], p["W"], p.get("V"), reset_spikes=delayed(spikes),
                           **_constants(p))
        spikes = run.spikes
    return run


def _shown(run):
    return {"spikes": run.spikes, "mem": run.mem, "syn": run.syn}


def _forward(name, seed, T, B, m, n, dyadic=False):
    """LIF layer forward in time."""
    p = _problem(seed, T, B, m, n, True, dyadic)
    half = 1 / np.log(2)
    taus = {"tau_syn": half, "tau_mem": half, "dt": 1.0} if dyadic else TIMES
    base = conventions.Step(gain="one" if dyadic else "leak")

    def run(axes=(), V=p["V"], taus=taus):
        step = base._replace(**dict(axes))
        return conventions.recorded(step, conventions.simulate(
            step, p["x"], p["W"], V, threshold=p["threshold"], **taus))

    unseen = {"decay", "gain"} if dyadic else {"compare", "spikes"}
    mutants = [Mutant(text, seen, run(axes)) for text, seen, axes in FORWARD
               if not unseen & set(axes)]
    mutants.append(Mutant("reset one step late", "jeshraghian/snntorch#364",
                          _shown(_resetdelayed(p))))
    mutants.append(Mutant("transposed V", "", run(V=p["V"].T.copy())))
    if not dyadic:
        mutants.append(Mutant("dt not equal to the bin: decays of dt/2",
                              "SpyTorch tutorial 4", run(
                                  taus=taus | {"dt": taus["dt"] / 2})))
    text = "LIF layer from rest: refsnn.lif.simulate, equations (1)-(3)"
    return Vector(name, text, p, _shown(_layer(p)), mutants, dyadic)


def _loss(p, seed, run, triangle):
    """psi and the derivative of the loss by the spikes; inputs completed."""
    p["target"] = (numbers([seed, 3], *run.spikes.shape) < 0.3).astype(float)
    p["steepness"] = 0.5 if triangle else LEVELS["steepness"]
    surrogate = surrogates.triangle if triangle else surrogates.fast_sigmoid
    psi = surrogate(run.mem - p["threshold"], p["steepness"])[1]
    return psi, *losses.square(run.spikes, p["target"])


def _surrogate_mutants(p, run, psi):
    """Psi that are none, by name."""
    v, k = np.abs(run.mem - p["threshold"]), p["steepness"]
    return (("surrogate without +1", "",
             1 / (k * np.maximum(v, 1e-3)) ** 2),
            ("surrogate times its steepness (SuperSpike's own code)",
             "fzenke/spytorch#2", k * psi),
            ("surrogate one step late", "", delayed(psi)),
            ("surrogate read at the membrane, threshold forgotten",
             "synsense/sinabs#97", surrogates.fast_sigmoid(run.mem, k)[1]))


def _bptt(name, seed, T, B, m, n, detached=False, dyadic=False):
    """Surrogate gradient backward in time."""
    p = _problem(seed, T, B, m, n, not dyadic, dyadic)
    run, x, W, V = _layer(p), p["x"], p["W"], p.get("V")
    psi, loss, d = _loss(p, seed, run, dyadic)

    def gradient(x=x, V=V, psi=psi, d=d, run=run, through_reset=not detached,
                 through_recurrence=True, gain=p["gain"]):
        g = lif.backward(x, W, V, run, psi, d, through_reset=through_reset,
                         through_recurrence=through_recurrence,
                         **(_constants(p) | {"gain": gain}))
        return {"dW": g.dW, "dx": g.dx} | ({} if V is None else {"dV": g.dV})

    where = "norse lif_feed_forward_step, fzenke/spytorch#3", \
        "norse lif_step, fzenke/spytorch#3"
    mutants = [Mutant("reset not detached" if detached else "reset detached",
                      where[not detached], gradient(through_reset=detached)),
               Mutant("input one step late in dW", "", {
                   "dW": gradient(x=delayed(x))["dW"]}),
               Mutant("errors one step late", "", gradient(d=delayed(d))),
               Mutant("errors summed, not averaged, over the batch", "",
                      gradient(d=B * d)),
               Mutant("missing factor 1/2 of the square loss", "", gradient(d=2 * d))]
    if not dyadic:
        mutants += [Mutant(text, seen, gradient(psi=wrong)) for text, seen, wrong in
                    _surrogate_mutants(p, run, psi)]
        mutants += [
            Mutant("missing factor: current enters without 1 - beta",
                   "fangwei123456/spikingjelly#132", gradient(gain=1.0)),
            Mutant("transposed V", "", gradient(V=V.T)),
            Mutant("recurrent path cut", "", gradient(
                through_recurrence=False)),
            Mutant("presynaptic spikes of dV one step late", "[NMZ19] box 2", {
                "dV": gradient(run=run._replace(spikes=delayed(run.spikes)))["dV"]})]
    text = ("loss 1/(2 B) sum (spikes - target)^2 of the recorded layer, its gradient "
            + ("with the reset detached" if detached else "through the reset")
            + f"; surrogate {'triangle' if dyadic else 'fast_sigmoid'}, peak 1: "
            "refsnn.lif.backward, equations (7)-(11)")
    right = {"loss": np.float64(loss)} | gradient()
    return Vector(name, text, p | _shown(run), right, mutants, dyadic)


def _arrays(p, run, psi, d, V, through_reset=True):
    """J, F, q of the layer, with a V of choice."""
    J, F, _ = lif.linearise(p["x"], p["W"], V, run, psi, through_reset=through_reset,
                            **_constants(p))
    return J, F, lif.credit(psi, d)


def _split(p, flat):
    """dW and dV of a flat gradient."""
    n, m = p["W"].shape
    return {"dW": flat[:n * m].reshape(n, m), "dV": flat[n * m:].reshape(n, n)}


def _rungs(p, run, psi, d, rung):
    g = sparse_rtrl.gradient(p["x"], p["V"], tuple(run), psi, d, rung=rung,
                             **_constants(p))
    return {"dW": g.dW, "dV": g.dV}


def _rtrl(name, seed, T, B, m, n, rung="exact"):
    """The gradient forward in time, exact or with fewer terms."""
    p = _problem(seed, T, B, m, n, True, False)
    run, V = _layer(p), p["V"]
    psi, loss, d = _loss(p, seed, run, False)
    J, F, q = _arrays(p, run, psi, d, V)
    truncated = {K: _split(p, bptt.truncated(J, F, q, K)) for K in (1, 2)}
    right = _rungs(p, run, psi, d, rung)
    if rung == "exact":
        dW, dV = rtrl.lif_gradient(p["x"], V, tuple(run), psi, d, **_constants(p))
        right = {"dW": dW, "dV": dV}
    mutants = [Mutant(f"truncation after K={K} sold as RTRL",
                      "snntorch 1.0.0, RTRL", truncated[K]) for K in (1, 2)]
    names = {"exact": "exact RTRL", "block": "block-diagonal RTRL",
             "implicit": "recurrence dropped (e-prop)",
             "presynaptic": "presynaptic traces alone"}
    mutants += [Mutant(names[other] + ", not " + names[rung],
                       "IGITUGraz/eligibility_propagation#2",
                       _rungs(p, run, psi, d, other)) for other in names
                if other != rung]
    if rung == "exact":
        wrong = _arrays(p, run, psi, d, V.T)
        detached = _arrays(p, run, psi, d, V, False)
        ahead = np.concatenate([q[1:], 0 * q[:1]])
        mutants += [
            Mutant("transposed V", "", _split(p, rtrl.gradient(*wrong))),
            Mutant("reset detached", "norse lif_step", _split(p, rtrl.gradient(
                *detached))),
            Mutant("influence used one step late", "", _split(p, rtrl.gradient(
                J, F, ahead)))]
    mutants += [Mutant(text, seen, _rungs(p, run, wrong, d, rung)) for
                text, seen, wrong in _surrogate_mutants(p, run, psi)]
    text = (f"loss 1/(2 B) sum (spikes - target)^2, its gradient forward in time: "
            f"{names[rung]}, through the reset; surrogate fast_sigmoid, peak 1: "
            f"refsnn.{'rtrl.lif_gradient' if rung == 'exact' else 'sparse_rtrl'}")
    return Vector(name, text, p | _shown(run), {"loss": np.float64(loss)} | right,
                  mutants, False)


RULES = {       # rule: (function, its options, (seed, T, B, m, n) of the golden one)
    "lif_forward": (_forward, {}, (1, 40, 3, 4, 3)),
    "lif_forward_dyadic": (_forward, {"dyadic": True}, (1, 16, 4, 3, 4)),
    "bptt": (_bptt, {}, (2, 40, 3, 4, 3)),
    "bptt_detached": (_bptt, {"detached": True}, (2, 40, 3, 4, 3)),
    "bptt_dyadic": (_bptt, {"dyadic": True}, (4, 6, 4, 3, 3)),
    "bptt_dyadic_detached": (_bptt, {"dyadic": True, "detached": True},
                             (4, 6, 4, 3, 3)),
    "rtrl": (_rtrl, {}, (5, 40, 3, 4, 3)),
    "rtrl_block": (_rtrl, {"rung": "block"}, (5, 40, 3, 4, 3)),
    "rtrl_implicit": (_rtrl, {"rung": "implicit"}, (5, 40, 3, 4, 3))}
