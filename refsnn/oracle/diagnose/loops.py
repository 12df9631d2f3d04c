# refsnn 0.1.0 | oracle/diagnose/loops.py | SPDX-License-Identifier: MIT | needs: numpy, scipy
"""This module imitates programs with programming errors (faults).

The function `_simulated` simulates a layer of leaky integrate-and-fire
(LIF) neurons, and `_gradient` computes gradients.  Some arguments of
`_simulated` and `_gradient` introduce a fault, such as a missing reset.
If `_simulated` or `_gradient` with one fault returns the results of a
tested program for all networks, the fault explains these results.
"""

from typing import NamedTuple

import numpy as np

from refsnn import losses
from refsnn.oracle.diagnose.variants import T, _error, _same, _scale, _slope

__all__ = ["Fault"]

FREE = -np.inf, np.inf      # no bounds of the membrane potential
FACTORS = {"0": lambda p: 0, "-1": lambda p: -1, "2": lambda p: 2, "1/2": lambda p: 0.5,
           "1 - alpha": lambda p: 1 - p["alpha"], "1 - beta": lambda p: 1 - p["beta"],
           "alpha": lambda p: p["alpha"], "beta": lambda p: p["beta"],
           "gain": lambda p: p["gain"], "1/gain": lambda p: 1 / p["gain"]}
DECAYS = "current decay", "membrane decay"


class Fault(NamedTuple):
    """This class describes a programming error in a simulation or a gradient."""
    terms: tuple        # at most two wrong terms
    words: str          # description of the faulty loop
    options: dict       # changed arguments; a callable depends on the inputs


def _scaled(sizes):
    """List programming errors that multiply an argument by a wrong factor."""
    return [Fault((term,), f"the {term} has the factor {words}", {
        name: lambda p, size=size, factor=factor: factor(p) * size(p)})
            for name, (term, size) in sizes.items()
            for words, factor in FACTORS.items()]


def _later(p):
    """Return the potentials of the next step."""
    last = p["beta"] * p["mem"][-1:] + p["gain"] * p["syn"][-1:]
    return np.concatenate([p["mem"][1:], last - p["threshold"] * p["spikes"][-1:]])


def _steps(p):
    return np.arange(len(p["x"]))[:, None, None]


SHARED = {"alpha": ("current decay", lambda p: p["alpha"]),
          "beta": ("membrane decay", lambda p: p["beta"]),
          "gain": ("gain", lambda p: p["gain"]),
          "jump": ("reset", lambda p: p["threshold"]),
          "V": ("recurrence", lambda p: p["V"])}
BOTH = [
    Fault(DECAYS, "alpha and beta are swapped", {
        "alpha": lambda p: p["beta"], "beta": lambda p: p["alpha"]}),
    Fault(DECAYS[:1], "alpha equals beta", {"alpha": lambda p: p["beta"]}),
    Fault(DECAYS[1:], "beta equals alpha", {"beta": lambda p: p["alpha"]}),
    *(Fault(("gain",), f"the gain is 1 - {name}", {
        "gain": lambda p, name=name: 1 - p[name]}) for name in ("alpha", "beta")),
    Fault(("recurrence",), "V is transposed", {"V": lambda p: p["V"].T})]
FORWARD = BOTH + [
    *(Fault(("clamp",), f"updates read U no {words}", {"bounds": bounds})
      for words, bounds in (("lower than 0", (0, np.inf)), (
          "higher than 1", (-np.inf, 1)), ("lower than -1 or higher than 1", (-1, 1)))),
    *(Fault(("threshold",), f"the threshold is {words}", dict.fromkeys(names, value))
      for names in (("level", "jump"), ("level",)) for words, value in (
          ("1", 1.0), ("halved", lambda p: p["threshold"] / 2),
          ("doubled", lambda p: p["threshold"] * 2))),
    Fault(("current",), "U is updated with the new current", {"read": 1}),
    Fault(("current",), "U is updated with the previous current", {"read": -1}),
    Fault(("gain",), "the current enters before the decay, and has the factor beta", {
        "gain": lambda p: p["beta"] * p["gain"]}),
    Fault(("reset",), "the reset acts before the decay, and has the factor beta", {
        "jump": lambda p: p["beta"] * p["threshold"]}),
    Fault(("reset",), "the reset acts twice", {"jump": lambda p: 2 * p["threshold"]}),
    Fault(("reset",), "the reset subtracts 1", {"jump": 1.0}),
    Fault(("reset",), "the reset sets U to 0", {"zero": True}),
    Fault(("reset",), "U is set to 0 before the decay", {"zero": True, "early": True}),
    Fault(("reset",), "the reset also sets I to 0", {"cleared": True}),
    Fault(("reset",), "the reset acts one step late", {"behind": (1,)}),
    Fault(("reset",), "the reset acts in two steps", {"behind": (0, 1)}),
    Fault(("recurrence",), "the recurrence is one step late", {"sent": 1}),
    Fault(("last step",), "the last step is missing", {"last": 1}),
    *(Fault(("input",), f"the input is {k} step{'s' * (k > 1)} late", {
        "x": lambda p, k=k: np.concatenate([0 * p["x"][:k], p["x"][:-k]])})
      for k in range(1, T - 2)),
    *(Fault(("refractory period",), f"{what} for {k} step{'s' * (k > 1)} after a "
            "spike", {"pause": k, "mute": mute})
      for what, mute in (("spikes are missing", True), ("U is 0", False))
      for k in range(2 - mute, T)),
    *_scaled(SHARED | {"W": ("input", lambda p: p["W"])})]
BACKWARD = BOTH + [
    Fault(DECAYS, "the decays pass no gradient", {"alpha": 0, "beta": 0}),
    Fault(("reset", "recurrence"), "spikes pass no gradient", {
        "jump": 0, "V": lambda p: 0 * p["V"]}),
    Fault(("membrane decay", "reset"), "U passes no gradient to U", {
        "beta": 0, "jump": 0}),
    *(Fault(("reset",), f"{what} has the factor 1 - S", {
        "by_syn": by_syn, "zero": True} | cut)
      for what, by_syn in (("dU", True), ("beta dU", False))
      for cut in ({}, {"jump": 0})),
    *(Fault(("current",), f"dI reads dU one step {words}", {"read": read})
      for words, read in (("early", 1), ("late", -1))),
    *(Fault(("last step",), f"the errors are missing from step T - {k} on", {
        "q": lambda p, k=k: _error(p) * (_steps(p) < len(p["x"]) - k)})
      for k in range(1, 4)),
    *(Fault(("truncation" if k > 1 else "first step",), (
        f"the adjoints before step {k} are missing"), {"first": k})
      for k in range(1, T - 2)),
    *(Fault(("surrogate",), f"psi is {words}", {"psi": psi}) for words, psi in (
        ("0 below the threshold", lambda p: _slope(p) * (p["mem"] > p["threshold"])),
        ("0 above the threshold", lambda p: _slope(p) * (p["mem"] <= p["threshold"])),
        ("read at U, not at U - threshold", lambda p: _slope(
            p, p["mem"] + p["threshold"])),
        ("read one step early, after the update of U", lambda p: _slope(p, _later(p))),
        ("read one step late, before the update of U", lambda p: _slope(
            p, np.roll(p["mem"], 1, axis=0))),
        ("read after the reset", lambda p: _slope(
            p, p["mem"] - p["threshold"] * p["spikes"])),
        ("constant, 1", lambda p: 1 + 0 * p["mem"]))),
    *(Fault(("truncation",), f"the gradient is cut {words}", {
        "kept": kept, "cuts": cuts})
      for kept in range(3) for words, cuts in (
          *((f"every {k} step{'s' * (k > 1)}", lambda t, k=k, first=first: (
              t % k == first)) for k in range(1, T - 1) for first in range(k)),
          *((f"at step {k}", lambda t, k=k: t == k) for k in range(2, T - 1)))),
    *_scaled(SHARED | {"psi": ("surrogate", _slope)})]


def _simulated(p, x, W, V, alpha, beta, gain, level, jump, bounds=FREE, read=0,
               zero=False, early=False, behind=(0,), last=0, pause=0, mute=False,
               cleared=False, sent=0):
    """Compute eqs. (1)-(3) of `lif`.  Changed arguments imitate faults."""
    x = x @ W.T
    spikes, mem = np.zeros((2, *x.shape))
    before = syn = u = np.zeros(x.shape[1:])
    for t in range(len(x) - last):
        held = spikes[max(0, t - pause):t].any(axis=0)
        mem[t] = u if mute else np.where(held, 0, u)
        spikes[t] = (mem[t] > level) & ~(held & mute)
        fired = sum(spikes[t - k] for k in behind if t >= k)
        after = alpha * syn * (1 - cleared * fired) + x[t]
        after = after + spikes[t - sent] @ V.T * (t >= sent)
        current = gain * (syn, after, before)[read]
        before, syn, left = syn, after, 1 - fired
        u = beta * np.clip(mem[t], *bounds)
        u = u + current - jump * fired if not zero else (
            u * left + current if early else (u + current) * left)
    return {"spikes": spikes, "mem": mem,
            "loss": np.float64(losses.square(spikes, p["target"])[0])}


def _gradient(p, V, alpha, beta, gain, jump, psi, q, zero=False, by_syn=False, read=0,
              first=0, cuts=None, kept=0):
    """Compute eqs. (7)-(11) of `lif`.  Changed arguments imitate faults."""
    adjoints = 0 * q
    before = dI = dU = 0 * q[0]
    for t in range(len(q) - 1, -1, -1):
        adjoints[t], left = dI * (t >= first), 1 - zero * p["spikes"][t]
        dS = q[t] + dI @ V - jump * dU
        after = beta * left * dU + psi[t] * dS
        dI = alpha * dI + gain * (left if by_syn else 1) * (dU, after, before)[read]
        before, dU = dU, after
        if cuts is not None and cuts(t):
            dI, dU = 0 * dI, psi[t] * (0 * dS, dS, q[t])[kept]
    return {"dW": np.einsum("tbi,tbj->ij", adjoints, p["x"]), "dx": adjoints @ p["W"],
            "dV": np.einsum("tbi,tbj->ij", adjoints, p["spikes"])}


def _result(fault, run, forward):
    """Return the results of a program that has the given fault."""
    p = run.p
    own = {name: size(p) for name, (_, size) in SHARED.items()}
    own |= {"x": p["x"], "W": p["W"], "level": p["threshold"]} if forward else {
        "psi": _slope(p), "q": _error(p), "jump": p["threshold"] * run.reset}
    own |= {name: value(p) if callable(value) and name != "cuts" else value
            for name, value in fault.options.items()}
    return _simulated(p, **own) if forward else _gradient(p, **own)


def _reproduced(runs, forward, faults=None):
    """Return the faults that explain all runs."""
    return [fault for fault in faults or (FORWARD if forward else BACKWARD)
            if all(_same(run.found[name], value, _scale(run.right, name))
                   for run in runs for name, value in _result(fault, run,
                                                              forward).items()
                   if name in run.found)]
