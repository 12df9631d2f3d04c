# refsnn 0.1.0 | oracle/online_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of approximate rules, each with its named wrong answers.

e-prop of adaptive neurons, SnAp-n and feedback of errors, as `Vector`s of
`conformance_spikes`.
"""

import numpy as np

from refsnn import alif, bptt, feedback, lif, losses, snap, surrogates
from refsnn.oracle.spikes_vectors import LEVELS, TIMES, Mutant, Vector, delayed, numbers

__all__ = ["ONLINE", "RINGS"]

OWN = {"rho": 0.875, "adaptation": 0.25}


def _layer(seed, T, B, m, n):
    """Inputs, weights and decays of a layer."""
    alpha, beta = (float(np.exp(-TIMES["dt"] / TIMES[tau]))
                   for tau in ("tau_syn", "tau_mem"))
    return {"x": (numbers([seed, 0], T, B, m) < 0.4).astype(float),
            "W": (5 * numbers([seed, 1], n, m) - 1.75) / max(1, m / 4),
            "V": (8 * numbers([seed, 2], n, n) - 5).round() / 4,
            "alpha": alpha, "beta": beta, "gain": 1 - beta}


def _bump(v, k=LEVELS["steepness"]):
    return surrogates.fast_sigmoid(v, k)[1]


def _exact(p, run, psi, d):
    """The gradient of adaptive neurons with nothing left out."""
    n, m = p["W"].shape
    decays = {key: p[key] for key in ("alpha", "beta", "gain", *OWN, "threshold")}
    J, F = alif.linearise(p["x"], p["W"], p["V"], run, psi, **decays)
    return _split(n, m, bptt.gradient(J, F, alif.credit(
        run, psi, d, adaptation=p["adaptation"])))


def _split(n, m, flat):
    """dW and dV of a flat gradient."""
    return {"dW": flat[:n * m].reshape(n, m), "dV": flat[n * m:].reshape(n, n)}


def _eprop(name, seed, T, B, m, n):
    """e-prop's gradient of adaptive neurons."""
    p = _layer(seed, T, B, m, n) | OWN | LEVELS
    decays = {key: p[key] for key in ("alpha", "beta", "gain")}
    run = alif.simulate(p["x"], p["W"], p["V"], threshold=p["threshold"], **decays,
                        **OWN)
    bump = _bump(run.mem - p["adaptation"] * run.adapted - p["threshold"])
    p["target"] = (numbers([seed, 3], T, B, n) < 0.3).astype(float)
    loss, d = losses.square(run.spikes, p["target"])

    def gradient(psi=bump, d=d, x=p["x"], run=run, own=()):
        return dict(zip(("dW", "dV"), alif.gradient(
            x, p["V"], run, psi, d, **decays, **(OWN | dict(own))), strict=True))

    late = {"dW": gradient(x=delayed(p["x"]))["dW"],
            "dV": gradient(run=run._replace(spikes=delayed(run.spikes)))["dV"]}
    mutants = [
        Mutant("exact gradient, not e-prop", "IGITUGraz/eligibility_propagation#2",
               _exact(p, run, bump, d)),
        Mutant("adaptation left out of the traces", "", gradient(
            own={"adaptation": 0.0})),
        Mutant("rho forgotten in the traces", "", gradient(own={"rho": 0.0})),
        Mutant("surrogate read without the adaptation", "", gradient(
            psi=_bump(run.mem - p["threshold"]))),
        Mutant("surrogate one step late", "", gradient(psi=delayed(bump))),
        Mutant("surrogate times its steepness", "fzenke/spytorch#2", gradient(
            psi=p["steepness"] * bump)),
        Mutant("learning signal one step late", "", gradient(d=delayed(d))),
        Mutant("input one step late in dW", "", {"dW": late["dW"]}),
        Mutant("presynaptic spikes of dV one step late", "", {"dV": late["dV"]})]
    given = p | {"mem": run.mem, "spikes": run.spikes, "adapted": run.adapted}
    return Vector(name, "adaptive neurons, loss 1/(2 B) sum (spikes - target)^2, its "
                  "e-prop gradient: refsnn.alif.gradient, (6)-(9)", given,
                  {"loss": np.float64(loss)} | gradient(), mutants, False)


def _signals(seed, T, B, m, n):
    """Errors, random weights and recordings of a layer."""
    p, k = _layer(seed, T, B, m, n), n + 1
    return {key: p[key] for key in ("x", "alpha", "beta", "gain")} | {
        "dsyn": numbers([seed, 4], T, B, k) - 0.5, "G": numbers([seed, 5], k, n) - 0.4,
        "error": numbers([seed, 6], T, B, k) - 0.4, "H": numbers([seed, 7], k, n) - 0.6,
        "spikes": (numbers([seed, 8], T, B, n) < 0.4).astype(float),
        "target": 2 * numbers([seed, 9], T, B, k) - 1,
        "psi": numbers([seed, 10], T, B, n)}


def _feedback(name, seed, T, B, m, n):
    """Errors of a hidden layer by several ways, and three factors."""
    p = _signals(seed, T, B, m, n)
    pre = feedback.presynaptic_trace(p["x"], **{key: p[key] for key in (
        "alpha", "beta", "gain")})
    e, same_step = feedback.direct(p["error"], p["H"]), p["dsyn"] @ p["G"]

    def local(target=p["target"]):
        return {"local": feedback.local_square(p["spikes"], p["G"], target)[1]}

    def weights(pre=pre, post=p["psi"] * e):
        return {"dW": feedback.three_factor(post, pre)}

    right = {"alignment": feedback.transport(p["dsyn"], p["G"]), "direct": e} \
        | local() | weights()
    mutants = [
        Mutant("feedback in the same step", "[NMZ19]", {"alignment": same_step}),
        Mutant("feedback one step late", "", {"alignment": delayed(same_step)}),
        Mutant("feedback weights of the other rule", "", {
            "alignment": feedback.transport(p["dsyn"], p["H"]),
            "direct": feedback.direct(p["error"], p["G"])}),
        Mutant("local error twice: the square without its 1/2", "", {
            "local": 2 * right["local"]}),
        Mutant("local target forgotten", "", local(0 * p["target"])),
        Mutant("bare events in place of traces: event-driven random backpropagation",
               "", weights(p["x"])),
        Mutant("trace of the current, not of the membrane", "", weights(
            delayed(_filtered(p["x"], p["alpha"])))),
        Mutant("trace one step late", "", weights(delayed(pre))),
        Mutant("missing factor: surrogate", "", weights(post=e)),
        Mutant("missing factor: trace without 1 - beta", "", weights(
            pre / p["gain"]))]
    return Vector(name, "credit of hidden spikes by feedback alignment (G), direct "
                  "feedback (H), a local square error (G), and dW of three factors: "
                  "psi times the direct error, traces of x: refsnn.feedback, (1)-(4), "
                  "(6), (7)", p, right, mutants, False)


def _filtered(x, decay):
    """Sums of x that decay."""
    found = np.array(x)
    for t in range(1, len(x)):
        found[t] += decay * found[t - 1]
    return found


def _ring():
    """A recorded ring: inputs, J of V and of its transpose, F, q and loss."""
    T, B, m, n = 30, 2, 3, 4
    p = _layer(17, T, B, m, n) | LEVELS
    p["V"] = np.eye(n) * p["V"] - np.roll(np.eye(n), 1, axis=0) * (
        0.25 + numbers([17, 4], n, n))
    decays = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    run = lif.simulate(p["x"], p["W"], p["V"], **decays)
    psi = _bump(run.mem - p["threshold"])
    p["target"] = (numbers([17, 3], T, B, n) < 0.3).astype(float)
    loss, d = losses.square(run.spikes, p["target"])
    (J, F, _), (turned, _, _) = (lif.linearise(p["x"], p["W"], V, run, psi, **decays)
                                 for V in (p["V"], p["V"].T))
    p |= {"syn": run.syn, "mem": run.mem, "spikes": run.spikes}
    return p, J, turned, F, lif.credit(psi, d), loss


def _snap(name, order):
    """The influence kept within a few synapses, on a ring."""
    p, J, turned, F, q, loss = _ring()
    n, m = p["W"].shape

    def gradient(pattern, J=J):
        return _split(n, m, snap.gradient(J, F, q, snap.owners(n, m), pattern))

    mutants = [Mutant(f"SnAp-{k}, not SnAp-{order}", "chaobrain/braintrace#143",
                      gradient(snap.reach(p["V"], k))) for k in (1, 2, 3) if k != order]
    mutants += [
        Mutant("exact gradient, not SnAp", "", gradient(np.ones((n, n), bool))),
        Mutant("transposed V", "", gradient(snap.reach(p["V"].T, order), turned)),
        Mutant("truncation after K=1 sold as SnAp", "snntorch 1.0.0, RTRL", _split(
            n, m, bptt.truncated(J, F, q, 1)))]
    return Vector(name, "loss 1/(2 B) sum (spikes - target)^2 of a recorded ring, its "
                  f"SnAp-{order} gradient, through the reset; surrogate fast_sigmoid, "
                  "peak 1: refsnn.snap.gradient, (1)-(3)", p,
                  {"loss": np.float64(loss)} | gradient(snap.reach(p["V"], order)),
                  mutants, False)


ONLINE = {      # as conformance_spikes.RULES
    "eprop": (_eprop, {}, (9, 40, 3, 4, 3)),
    "feedback": (_feedback, {}, (10, 30, 3, 4, 3))}
RINGS = {"snap_2": (_snap, ("snap_2", 2))}      # name: (function, its arguments)
