# refsnn 0.1.0 | oracle/diagnose/loops.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module computes the results of programs with known faults.

The function `_simulated` simulates a layer of leaky integrate-and-fire
(LIF) neurons, and the function `_gradient` computes a gradient, each in
one loop.  A fault changes some options of one of these loops.  If a faulty
loop and a tested program give the same results for all test networks, this
fault explains the results of the program.
"""

from typing import NamedTuple

import numpy as np

from refsnn import losses
from refsnn.oracle.diagnose.variants import T, _error, _same, _scale, _slope

__all__ = ["Fault"]

FREE = -np.inf, np.inf      # no bounds of the membrane potential


class Fault(NamedTuple):
    """Hold a fault of a loop."""
    terms: tuple        # at most two wrong terms
    words: str          # description of the faulty loop
    options: dict       # changed options; a callable depends on the inputs


DECAYS = "current decay", "membrane decay"
SWAPPED = Fault(DECAYS, "alpha and beta are swapped", {
    "alpha": lambda p: p["beta"], "beta": lambda p: p["alpha"]})
FORWARD = [
    SWAPPED,
    *(Fault(("clamp",), f"updates read U within {low:g} and {high:g}", {
        "bounds": (low, high)}) for low, high in ((0, np.inf), (-np.inf, 1), (-1, 1))),
    *(Fault(("threshold",), f"the threshold is {words}", dict.fromkeys(names, value))
      for names in (("level", "jump"), ("level",)) for words, value in (
          ("1", 1.0), ("halved", lambda p: p["threshold"] / 2),
          ("doubled", lambda p: p["threshold"] * 2))),
    Fault(("current",), "U is updated with the new current", {"new": True}),
    Fault(("reset",), "the reset sets U to 0", {"zero": True}),
    Fault(("reset",), "U is set to 0 before the decay", {"zero": True, "early": True}),
    Fault(("reset",), "the reset acts one step late", {"behind": (1,)}),
    Fault(("reset",), "the reset acts in two steps", {"behind": (0, 1)}),
    Fault(("last step",), "the last step is missing", {"last": T - 1}),
    *(Fault(("refractory period",), f"{what} for {k} step{'s' * (k > 1)} after a "
            "spike", {"pause": k, "mute": mute})
      for what, mute in (("spikes are missing", True), ("U is 0", False))
      for k in range(2 - mute, T))]
BACKWARD = [
    SWAPPED, Fault(DECAYS, "no gradient decays", {"alpha": 0, "beta": 0}),
    Fault(("reset", "recurrence"), "spikes pass no gradient", {"jump": 0, "V": 0}),
    Fault(("membrane decay", "reset"), "U passes no gradient to U", {
        "beta": 0, "jump": 0}),
    *(Fault(("reset",), f"{what} has the factor 1 - S", {
        "by_syn": by_syn, "zero": True} | cut)
      for what, by_syn in (("dU", True), ("beta dU", False))
      for cut in ({}, {"jump": 0})),
    *(Fault(("last step",), f"the last errors are missing, from step {k} on", {
        "errors": np.arange(T) < k}) for k in range(T - 3, T)),
    *(Fault(("truncation" if k > 1 else "first step",), (
        f"the adjoints before step {k} are missing"), {"inputs": np.arange(T) >= k})
      for k in range(1, T - 2)),
    Fault(("surrogate",), "psi is 0 below the threshold", {"side": 1}),
    Fault(("surrogate",), "psi is 0 above the threshold", {"side": -1}),
    *(Fault(("truncation",), f"the gradient is cut every {k} steps" if k < T else
            f"the gradient is cut at step {first}", {
                "kept": kept, "cuts": np.arange(T) % k == first})
      for kept in range(3) for k in (*range(1, T // 2 + 1), T)
      for first in (range(k) if k < T else range(2, T - 2))),
    *(Fault((term,), f"the {term} passes no gradient", {name: 0})
      for name, term in (("alpha", "current decay"), ("beta", "membrane decay"),
                         ("jump", "reset"), ("V", "recurrence")))]


def _simulated(p, c, bounds=FREE, new=False, zero=False, early=False, behind=(0,),
               last=T, pause=0, mute=False):
    """Compute eqs. (1)-(3) of `lif` with a fault."""
    x = p["x"] @ p["W"].T
    spikes, mem = np.zeros((2, *x.shape))
    syn = u = np.zeros(x.shape[1:])
    for t in range(last):
        held = spikes[max(0, t - pause):t].any(axis=0)
        mem[t] = u if mute else np.where(held, 0, u)
        spikes[t] = (mem[t] > c["level"]) & ~(held & mute)
        fired = sum(spikes[t - k] for k in behind if t >= k)
        later = c["alpha"] * syn + x[t] + spikes[t] @ p["V"].T
        read, syn = c["gain"] * (later if new else syn), later
        u, left = c["beta"] * np.clip(mem[t], *bounds), 1 - fired
        u = u + read - c["jump"] * fired if not zero else (
            u * left + read if early else (u + read) * left)
    return {"spikes": spikes, "mem": mem,
            "loss": np.float64(losses.square(spikes, p["target"])[0])}


def _gradient(p, c, zero=False, by_syn=False, errors=None, inputs=None, side=0,
              cuts=None, kept=0):
    """Compute eqs. (7)-(11) of `lif` with a fault."""
    q, psi = _error(p), _slope(p) * (side * (p["mem"] - p["threshold"]) >= 0)
    q = q if errors is None else q * errors[:, None, None]
    adjoints = 0 * q
    dI, dU = 0 * q[0], 0 * q[0]
    for t in range(T - 1, -1, -1):
        adjoints[t], left = dI, 1 - zero * p["spikes"][t]
        dS = q[t] + c["V"] * (dI @ p["V"]) - c["jump"] * dU
        dI = c["alpha"] * dI + c["gain"] * (left if by_syn else 1) * dU
        dU = c["beta"] * left * dU
        if cuts is not None and cuts[t]:
            dI, dU, dS = 0 * dI, 0 * dU, (0 * dS, dS, q[t])[kept]
        dU = dU + psi[t] * dS
    adjoints = adjoints if inputs is None else adjoints * inputs[:, None, None]
    return {"dW": np.einsum("tbi,tbj->ij", adjoints, p["x"]), "dx": adjoints @ p["W"],
            "dV": np.einsum("tbi,tbj->ij", adjoints, p["spikes"])}


def _reproduced(runs, forward):
    """Return the faults that explain all runs."""
    def alike(fault, run):
        c = {key: run.p[key] for key in ("alpha", "beta", "gain")} | {
            "level": run.p["threshold"], "jump": run.p["threshold"] * run.reset, "V": 1}
        given = {name: value(run.p) if callable(value) else value
                 for name, value in fault.options.items()}
        found = (_simulated if forward else _gradient)(
            run.p, c | {name: given.pop(name) for name in c if name in given}, **given)
        return all(_same(run.found[name], value, _scale(run.right, name))
                   for name, value in found.items() if name in run.found)

    return [fault for fault in (FORWARD if forward else BACKWARD)
            if all(alike(fault, run) for run in runs)]
