# refsnn 0.1.0 | oracle/build/event_gradients.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for gradients of spike times.

The function `_grid` keeps the synaptic current constant during each time
step.  Let dU and dI be the derivatives of the loss with respect to the
membrane potential U and the synaptic current I.  Some messages contain the
symbols lambda_V = -dU/tau_mem and lambda_I = -dI/tau_syn.
"""

import numpy as np

from refsnn import eventprop
from refsnn.oracle.build.vector import delayed, numbers

TAU_MEM, TAU_SYN, THRESHOLD = 20e-3, 8e-3, 0.75
CONSTANTS = {"tau_mem": TAU_MEM, "tau_syn": TAU_SYN, "threshold": THRESHOLD}
SPACING, STEP = 1.5e-3, 1e-3    # s, mean time between input spikes, and time step
TRIES = 40          # random problems, of which the first clear one is taken
CLEAR = 0.04        # smallest distance of a clear problem from another spike number
APART = 1e-5        # s, smallest time between a spike and an arrival
RESETS = {"zero": "to 0", "subtract": "by subtraction"}
FAULTS = {          # faults of backward passes: name, and a public program
    "inputs": ("lambda_I to the inputs, not lambda_V - lambda_I", "norse 1.1.0 "
               "lif_adjoint.py"),
    "factor": ("factor of lambda_V at a spike is 1", "jaxsnn 0.1.0 adjoint_lif.py"),
    "after": ("slope at a spike read after the reset", "norse 1.1.0 lif_adjoint.py"),
    "lost": ("lambda_V set to 0 at a spike", ""),
    "slow": ("lambda_I decays with tau_mem", "jaxsnn 0.1.0 adjoint_lif_dynamic"),
    "first": ("derivative by the first spike time given to every spike",
              "lolemacs/pytorch-eventprop 16850af")}


def _factors(s, constant=False):
    """Return fade, decay and gain in U(s) = fade U + gain I, I(s) = decay I."""
    fade, decay = np.exp(-s / TAU_MEM), np.exp(-s / TAU_SYN)
    return fade, decay, 1 - fade if constant else (
        fade - decay) * TAU_SYN / (TAU_MEM - TAU_SYN)


def _jump(dmem, dtimes, current, fault):
    """Return the derivative dU before a spike."""
    slope = current - THRESHOLD * (fault != "after")
    factor = {"factor": 1, "after": 1, "lost": 0}.get(fault, current / slope)
    return factor * dmem - TAU_MEM * dtimes / slope


def _moved(dmem, dsyn, fault):
    """Return dL/dt for an arrival time t."""
    return -dsyn / TAU_SYN if fault == "inputs" else dsyn / TAU_SYN - dmem / TAU_MEM


def _mistakes(right, found, more):
    weights = {key: a for key, a in right.items() if key[:2] == "dW"}
    wrong = more | {name: found(fault) for fault, name in FAULTS.items()} | {
        ("sign of dW", "hxtorch eventprop.py"): {k: -a for k, a in weights.items()},
        ("missing factor tau_syn of dW", "lolemacs/pytorch-eventprop models.py"):
            {k: a / TAU_SYN for k, a in weights.items()}}
    return {name: {key: a for key, a in found.items() if np.any(a != right[key])}
            for name, found in wrong.items()}


def _exact(seed, T, B, m, n):
    for k in range(TRIES):
        p = {"input_times": SPACING * (np.arange(T) + numbers([seed, k, 0], B, T)),
             "input_units": ((m - 1 / 64) * numbers([seed, k, 1], B, T)).astype(int),
             "W": 2 * numbers([seed, k, 2], n, m) - 0.25,
             "W2": (6 * numbers([seed, k, 3], n, n) - 0.75) / n,
             "target": SPACING * T * numbers([seed, k, 4], B, n),
             "until": SPACING * (T + 8)} | CONSTANTS
        spikes, layers = (list(p["input_times"]), list(p["input_units"])), []
        for W in (p["W"], p["W2"]):
            run = eventprop.simulate(*spikes, W, until=p["until"], **CONSTANTS)
            layers.append((spikes[1], W, run))
            spikes = run.times, run.units
        if all(_clear(run) for _, _, run in layers):
            break
    errors = [t - p["target"][b, i] for b, (t, i) in enumerate(zip(
        *spikes, strict=True))]
    g2 = eventprop.backward(errors, layers[1][0], p["W2"], None, run, **CONSTANTS)
    g = eventprop.backward(g2.dtimes, *layers[0][:2], None, layers[0][2], **CONSTANTS)
    right = {
        "counts": np.array([[(run.units[b] == i).sum() for _, _, run in layers
                             for i in range(n)] for b in range(B)], float),
        "times": np.concatenate([run.times[b][run.units[b] == i] for b in range(B)
                                 for _, _, run in layers for i in range(n)]),
        "loss": np.float64(sum((e ** 2).sum() for e in errors) / 2),
        "dW": g.dW, "dW2": g2.dW, "dinput_times": np.array(g.dtimes),
        "dtau_mem": (g.dtau_mem + g2.dtau_mem).sum(),
        "dtau_syn": (g.dtau_syn + g2.dtau_syn).sum()}

    def found(fault):
        given = errors if fault != "first" else [
            e[[list(i).index(j) for j in i]] for e, i in zip(errors, run.units,
                                                             strict=True)]
        dW2, given, dtaus = _layer(given, *layers[1], fault)
        dW, given, more = _layer(given, *layers[0], fault)
        return {"dW": dW, "dW2": dW2, "dinput_times": np.array(given),
                "dtau_mem": dtaus[0] + more[0], "dtau_syn": dtaus[1] + more[1]}

    text = ("two layers of LIF neurons from rest, time in s, no refractory time; times "
            "of all spikes by sample, layer, neuron, time; counts by sample, neuron; "
            "loss 1/2 sum (time - target)^2 over all spikes of the second layer, and "
            "its gradient: refsnn.eventprop, (1)-(3), (9)-(17)")
    return text, p, right, _mistakes(right, found, {})


def _clear(run):
    """Return whether the order of spikes is robust to small parameter changes."""
    gaps = [np.diff(log.at)[np.diff(log.kinds == eventprop.ARRIVAL)] for log in run.log]
    return min(run.margin.min(), run.slope.min() * TAU_MEM) > CLEAR \
        and min(gap.min(initial=1) for gap in gaps) > APART


def _layer(dtimes, units, W, run, fault):
    """Compute the gradient of the loss."""
    x, weights = np.polynomial.legendre.leggauss(20)
    dW, dtaus, dinputs = np.zeros(W.shape), np.zeros(2), []
    for errors, unit, own, log in zip(dtimes, units, run.units, run.log, strict=True):
        d, unit = np.append(np.zeros(len(unit)), errors), np.r_[unit, own, 0]
        dmem, dsyn = np.zeros((2, len(W)))
        for e in range(len(log.at) - 1, 0, -1):
            k, i = log.sources[e], unit[log.sources[e]]
            if log.kinds[e] == eventprop.ARRIVAL:
                dW[:, i] += dsyn
                d[k] += W[:, i] @ _moved(dmem, dsyn, fault)
            elif log.kinds[e] == eventprop.SPIKE:
                dmem[i] = _jump(dmem[i], d[k], log.syn[e, i], fault)
            s = log.at[e] - log.at[e - 1]
            later = s * np.append((1 - x) / 2, 1)[:, None]      # at last all of s
            fade, decay, gain = _factors(later)
            by_mem, by_syn = fade * dmem, gain * dmem + dsyn * (
                fade if fault == "slow" else decay)
            fade, decay, gain = _factors(s - later)
            syn = decay * log.syn[e - 1]
            fall = fade * log.mem[e - 1] + gain * log.syn[e - 1] - syn
            dtaus += [s / 2 * weights @ f[:-1].sum(axis=1)
                      for f in (by_mem * fall, by_syn * syn)]
            dmem, dsyn = by_mem[-1], by_syn[-1]
        dinputs.append(d[:len(d) - len(own)])
    return dW, dinputs, dtaus / np.square([TAU_MEM, TAU_SYN])


def _grid(seed, T, B, m, n, reset):
    for k in range(TRIES):
        p = {"x": np.floor(numbers([seed, k, 0], T, B, m) + 0.25),
             "W": 1.25 * numbers([seed, k, 1], n, m) - 0.125,
             "target": STEP * T * numbers([seed, k, 2], B, n), "dt": STEP} | CONSTANTS
        _, spikes, current = _steps(p["x"], p["W"], reset)
        if np.abs(current - THRESHOLD).min(initial=1, where=spikes > 0) > CLEAR:
            break
    ends = STEP * np.arange(1, T + 1)[:, None, None]

    def found(fault="", x=p["x"], reset=reset, when=ends):
        mem, spikes, current = _steps(x, p["W"], reset)
        errors = (when - p["target"]) * spikes
        right = {"mem": mem, "spikes": spikes, "loss": (errors ** 2).sum() / 2}
        if fault == "first":
            errors = spikes * np.take_along_axis(errors, spikes.argmax(axis=0)[None], 0)
        fade, decay, gain = _factors(STEP, True)
        (dmem, dsyn), dW, dinputs = np.zeros((2, B, n)), 0, np.zeros(x.shape)
        for t in range(T - 1, -1, -1):
            at = spikes[t] > 0
            dmem[at] = _jump(dmem[at], errors[t][at], current[t][at], fault)
            dsyn = (fade if fault == "slow" else decay) * dsyn + gain * dmem
            dmem, dW = fade * dmem, dW + dsyn.T @ x[t]
            dinputs[t] = x[t] * (_moved(dmem, dsyn, fault) @ p["W"])
        return right | {"dW": dW, "dinput_times": dinputs}

    right, late = found(), found(x=delayed(p["x"]))
    late["dinput_times"] = delayed(late["dinput_times"][::-1])[::-1]
    other = {"zero": "subtract", "subtract": "zero"}[reset]
    wrong = _mistakes(right, found, {
        ("current one step late", "lolemacs/pytorch-eventprop models.py"): late,
        f"reset {RESETS[other]}": found(reset=other),
        "spikes at the start of their step": found(when=ends - STEP)})
    text = ("LIF neurons from rest, in steps of dt (s): I += W x[t], mem[t] = b U + (1 "
            "- b) I, I *= a, with a = exp(-dt/tau_syn), b = exp(-dt/tau_mem); spikes "
            "at s = (t + 1) dt if mem[t] > threshold; U = mem[t], reset "
            f"{RESETS[reset]}; loss 1/2 sum (s - target)^2 over all spikes; EventProp "
            "for t = T-1 ... 0: dU = (I dU - tau_mem (s - target))/(I - threshold) at "
            "spikes, dI = a dI + (1 - b) dU, dU = b dU, dW += dI x[t], dinput_times = "
            "x[t] W'(dI/tau_syn - dU/tau_mem): refsnn.eventprop, (1), (3), (11)-(14)")
    return text, p, right, wrong


def _steps(x, W, reset):
    """Return potentials, spikes and currents."""
    U, syn, rows = 0.0, 0.0, []
    fade, decay, gain = _factors(STEP, True)
    for now in x:
        syn = syn + now @ W.T
        mem, syn = fade * U + gain * syn, decay * syn
        spikes = (mem > THRESHOLD).astype(float)
        rows.append((mem, spikes, syn))
        U = mem - (THRESHOLD if reset == "subtract" else mem) * spikes
    return np.array(rows).swapaxes(0, 1)
