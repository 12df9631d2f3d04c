# refsnn 0.1.0 | oracle/build/local_rules.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for local learning rules."""

import numpy as np

from refsnn import alif, bptt, feedback, lif, losses, superspike, surrogates
from refsnn.oracle.build.lif_layers import _drawn, _idle, _recorded_outputs, _split
from refsnn.oracle.build.vector import DECAYS, LEVELS, delayed, marked, numbers

ADAPTATION = {"rho": 0.875, "adaptation": 0.25}
SUPERSPIKE = {      # (mistake, public source): changed superspike.Settings
    ("filters of the published code", "pub2018superspike"): {"trace": "published"},
    ("filters solved over a step", ""): {"trace": "continuous"},
    ("surrogate read after the reset", "pub2018superspike"):
        {"surrogate_read": "after_reset"},
    ("scale of the published code", "pub2018superspike"): {"drive": "published"},
    ("delay left out", ""): {"delay": 0.0},
    ("no surrogate: psi = 1", ""): {"surrogate": "linear"},
    ("rise and decay of the kernel swapped with those of the neuron", ""):
        {"tau_rise": 4e-3, "tau_decay": 12e-3, "tau_syn": 6e-3, "tau_mem": 9e-3}}


SLOPE = "surrogate 1/(1 + steepness |mem - adaptation adapted - threshold|)^2"


def _adaptive(seed, T, B, m, n):
    p = _drawn(seed, T, B, m, n) | DECAYS | ADAPTATION | LEVELS
    own = DECAYS | ADAPTATION | {"threshold": p["threshold"]}
    run = alif.simulate(p["x"], p["W"], p["V"], **own)
    v = run.mem - p["adaptation"] * run.adapted - p["threshold"]
    p["target"] = (numbers([seed, 3], T, B, n) < 0.3) / 2 + 0.25
    return p, own, run, v, *losses.square(run.spikes, p["target"])


def _adaptive_answers(p, run, loss):
    p |= {"mem": run.mem, "spikes": run.spikes, "adapted": run.adapted}
    idle = _idle(p) | {"adapted": (marked(p["adapted"], 0, 1),
                                   "no weight acts on the first two steps")}
    return _recorded_outputs(loss, run), idle


def _eprop(seed, T, B, m, n):
    p, own, run, v, loss, d = _adaptive(seed, T, B, m, n)
    x, W, V, k = p["x"], p["W"], p["V"], p["steepness"]
    psi = surrogates.fast_sigmoid(v, k)[1]
    bare = surrogates.fast_sigmoid(run.mem - p["threshold"], k)[1]

    def gradient(psi=psi, d=d, x=x, run=run, rho=p["rho"], adaptation=p["adaptation"]):
        dW, dV = alif.gradient(x, V, run, psi, d, **DECAYS, rho=rho,
                               adaptation=adaptation)
        return {"dW": dW, "dV": dV}

    J, F = alif.linearise(x, W, V, run, psi, **own)
    exact = bptt.gradient(J, F, alif.credit(run, psi, d, adaptation=p["adaptation"]))
    J, F = alif.linearise(x, W, V, run, psi, through_recurrence=False, **own)
    reset = bptt.gradient(J, F, alif.credit(run, psi, d, adaptation=p["adaptation"]))
    late = run._replace(spikes=delayed(run.spikes))
    wrong = {
        ("exact gradient, not e-prop", "IGITUGraz/eligibility_propagation#2"):
            _split(p, exact),
        "reset kept in the traces": _split(p, reset),
        "adaptation left out of the traces": gradient(adaptation=0.0),
        "rho forgotten in the traces": gradient(rho=0.0),
        ("surrogate read without the adaptation",
         "fmi-basel/latent-predictive-learning#5"): gradient(psi=bare),
        "surrogate one step late": gradient(psi=delayed(psi)),
        ("surrogate times its steepness", "fzenke/spytorch#2"): gradient(psi=k * psi),
        "learning signal one step late": gradient(d=delayed(d)),
        "input one step late in dW": {"dW": gradient(x=delayed(x))["dW"]},
        "presynaptic spikes of dV one step late": {"dV": gradient(run=late)["dV"]}}
    text = ("adaptive neurons, loss 1/(2 B) sum (spikes - target)^2 and its e-prop "
            f"gradient; {SLOPE}: refsnn.alif, (1)-(4), (6)-(9)")
    forward, idle = _adaptive_answers(p, run, loss)
    return text, p, forward | gradient(), wrong, idle


def _eprop_reset(seed, T, B, m, n):
    p, own, run, v, loss, d = _adaptive(seed, T, B, m, n)
    psi = surrogates.fast_sigmoid(v, p["steepness"])[1]

    def gradient(psi=psi, run=run, gain=p["gain"], reset=True, recurrence=False,
                 horizon=T):
        J, F = alif.linearise(p["x"], p["W"], p["V"], run, psi, through_reset=reset,
                              through_recurrence=recurrence, **(own | {"gain": gain}))
        q = alif.credit(run, psi, d, adaptation=p["adaptation"])
        return _split(p, bptt.truncated(J, F, q, horizon))

    wrong = {
        ("exact gradient, not e-prop", "IGITUGraz/eligibility_propagation#2"):
            gradient(recurrence=True),
        ("reset left out of the traces", "IGITUGraz EligALIF"): gradient(reset=False),
        ("surrogate times its steepness", "fzenke/spytorch#2"):
            gradient(p["steepness"] * psi),
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            gradient(surrogates.fast_sigmoid(v + p["threshold"], p["steepness"])[1]),
        ("missing factor: traces without 1 - beta", "fangwei123456/spikingjelly#132"):
            gradient(gain=1.0),
        ("presynaptic spikes of dV one step late", "[NMZ19] box 2"):
            {"dV": gradient(run=run._replace(spikes=delayed(run.spikes)))["dV"]},
        ("truncated after K=1, not RTRL", "snntorch 1.0.0, RTRL"):
            gradient(horizon=1)}
    text = ("adaptive neurons, loss 1/(2 B) sum (spikes - target)^2 and its e-prop "
            f"gradient with the reset in the traces; {SLOPE}: refsnn.alif, (1)-(4), "
            "(10)-(12) without the terms of V")
    forward, idle = _adaptive_answers(p, run, loss)
    return text, p, forward | gradient(), wrong, idle


def _bptt_adaptive(seed, T, B, m, n):
    p, own, run, v, loss, d = _adaptive(seed, T, B, m, n)
    x, W, V, k, weights = p["x"], p["W"], p["V"], p["steepness"], n * (m + n)
    psi = surrogates.fast_sigmoid(v, k)[1]

    def gradient(psi=psi, changed=(), reset=True, recurrence=True, run=run, direct=1):
        used = own | dict(changed)
        J, F = alif.linearise(x, W, V, run, psi, through_reset=reset, constants=True,
                              through_recurrence=recurrence, **used)
        flat = bptt.gradient(J, F, alif.credit(run, psi, d,
                                               adaptation=used["adaptation"]))
        *_, by_threshold, by_rho, by_a = flat[weights:].reshape(6, n).sum(axis=1)
        e = direct * psi * d
        return _split(p, flat[:weights]) | {
            "drho": by_rho, "dthreshold": by_threshold - e.sum(),
            "dadaptation": by_a - (e * run.adapted).sum()}

    late = run._replace(spikes=delayed(run.spikes))
    wrong = {
        ("e-prop, not the exact gradient", "IGITUGraz/eligibility_propagation#2"):
            gradient(reset=False, recurrence=False),
        ("reset detached", "norse lif_step, fzenke/spytorch#3"): gradient(reset=False),
        ("recurrent spikes detached", "stork Connection, propagate_gradients=False"):
            gradient(recurrence=False),
        "adaptation left out of the gradient": {
            key: gradient(changed={"adaptation": 0.0})[key] for key in ("dW", "dV")},
        "rho forgotten in the gradient": gradient(changed={"rho": 0.0}),
        ("surrogate read without the adaptation",
         "fmi-basel/latent-predictive-learning#5"): gradient(
            surrogates.fast_sigmoid(run.mem - p["threshold"], k)[1]),
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            gradient(surrogates.fast_sigmoid(v + p["threshold"], k)[1]),
        ("surrogate times its steepness", "fzenke/spytorch#2"): gradient(k * psi),
        ("missing factor: current enters without 1 - beta",
         "fangwei123456/spikingjelly#132"): gradient(changed={"gain": 1.0}),
        ("presynaptic spikes of dV one step late", "[NMZ19] box 2"):
            {"dV": gradient(run=late)["dV"]},
        "threshold and adaptation act on later steps alone": gradient(direct=0)}
    text = ("adaptive neurons, loss 1/(2 B) sum (spikes - target)^2 and its gradient "
            "by backpropagation through time, through the reset and the adaptation; "
            f"{SLOPE}: refsnn.alif, (1)-(4), (10)-(15)")
    forward, idle = _adaptive_answers(p, run, loss)
    return text, p, forward | gradient(), wrong, {"x": idle["x"]}


def _feedback(seed, T, B, m, n):
    k, x = n + 1, (numbers([seed, 0], T, B, m) < 0.4).astype(float)
    p = {"x": x} | DECAYS | {
        "dsyn": numbers([seed, 4], T, B, k) - 0.5, "G": numbers([seed, 5], k, n) - 0.4,
        "error": numbers([seed, 6], T, B, k) - 0.4, "H": numbers([seed, 7], k, n) - 0.6,
        "spikes": (numbers([seed, 8], T, B, n) < 0.4).astype(float),
        "target": 2 * numbers([seed, 9], T, B, k) - 1,
        "psi": numbers([seed, 10], T, B, n)}
    trace = feedback.presynaptic_trace(x, **DECAYS)
    silent = lif.simulate(x, np.eye(m), threshold=1e9, **DECAYS)
    e, same_step = feedback.direct(p["error"], p["H"]), p["dsyn"] @ p["G"]

    def local(target=p["target"]):
        return {"local": feedback.local_square(p["spikes"], p["G"], target)[1]}

    def weights(pre=trace, post=p["psi"] * e):
        return {"dW": feedback.three_factor(post, pre)}

    right = {"alignment": feedback.transport(p["dsyn"], p["G"]), "direct": e} \
        | local() | weights()
    wrong = {
        ("feedback in the same step", "[NMZ19]"): {"alignment": same_step},
        "feedback one step late": {"alignment": delayed(same_step)},
        "feedback weights of the other rule": {
            "alignment": feedback.transport(p["dsyn"], p["H"]),
            "direct": feedback.direct(p["error"], p["G"])},
        "local error twice: the square without its 1/2":
            {"local": 2 * right["local"]},
        "local target forgotten": local(0 * p["target"]),
        "bare events in place of traces: event-driven random backpropagation":
            weights(x),
        "trace of the current, not of the membrane": weights(silent.syn),
        "trace one step late": weights(delayed(trace)),
        "missing factor: surrogate": weights(post=e),
        "missing factor: trace without 1 - beta": weights(trace / p["gain"])}
    text = ("errors of hidden spikes by feedback alignment (weights G), by direct "
            "feedback (H) and by a local square error (G), mean over the batch; dsyn "
            "is dI of (1); dW of psi, the direct error and traces of x: "
            "refsnn.feedback, (1)-(4), (6), (7)")
    idle = {"x": (marked(x, -1, -2), "the last two steps reach no trace"),
            "dsyn": (marked(p["dsyn"], 0), "feedback reads the next step"),
            "psi": (marked(p["psi"], 0, 1), "all traces are 0 in these steps")}
    return text, p, right, wrong, idle


def _superspike(seed, T, B, m, n):
    x = (numbers([seed, 0], T, B, m) < 0.3).astype(float)
    W = 0.1 * numbers([seed, 1], B, n, m)
    signal = (numbers([seed, 2], T, B, n) < 0.1) * 1.0 - (
        numbers([seed, 3], T, B, n) < 0.1)
    own = superspike.Settings(
        dt=1e-3, refractory=3e-3, delay=2e-3, tau_syn=4e-3, tau_mem=12e-3,
        tau_rise=6e-3, tau_decay=9e-3, steepness=800.0)     # all times differ

    def trial(settings):
        k = superspike.coefficients(settings)
        state = superspike.rest(k, *W.shape)
        dm, steps = 0, []
        for arriving, events in zip(x, signal, strict=True):
            state, step = superspike.forward(k, state, W, arriving)
            state, more, error = superspike.accumulate(k, state, W, step, events)
            dm = dm + more
            steps.append(step)
        return {"dm": dm, "eligibility": state.eligibility, "error": error,
                "spikes": np.array([step.spikes for step in steps]),
                "mem": np.array([step.mem for step in steps])}

    right = trial(own)
    wrong = {key: trial(own._replace(**changed)) for key, changed in SUPERSPIKE.items()}
    wrong |= {
        ("surrogate prefactor: times the steepness", "fzenke/spytorch#2"):
            {key: right[key] * own.steepness for key in ("dm", "eligibility")},
        "error of the wrong sign": {key: -right[key] for key in ("dm", "error")},
        "dt forgotten in the sum": {"dm": right["dm"] / own.dt}}
    p = {"x": x, "W": W, "signal": signal.astype(float)}
    p |= {key: a for key, a in own._asdict().items() if isinstance(a, float)}
    text = ("SuperSpike: dm summed over the steps, eligibility and error after the "
            "last step, mem before the reset; W (replica, n, m); U read before the "
            "reset, a = exp(-dt/tau_syn), b = 1 - dt/tau_mem, c = dt/tau_mem: "
            "refsnn.superspike, (1)-(11)")
    refractory = np.flatnonzero(~right["mem"][-1].any(axis=1))      # replicas
    idle = {"x": (marked(x, -1, *((-2, b) for b in refractory)),
                  "these events are too late, or all neurons are refractory"),
            "signal": (marked(signal, -1), "an error acts in the next step"),
            "tau_het": (marked(0), "rho is 0"), "exponent": (marked(0), "rho is 0")}
    return text, p, right, wrong, idle
