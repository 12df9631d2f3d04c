"""Compute the outputs of each golden vector from its inputs alone.

`ANSWERS` maps the name of a golden vector to a function of the inputs.  The
functions are written as by a user, who knows the description and the inputs.
"""

import numpy as np

from figures.spike_times import time_grid
from refsnn import (alif, binning, chip, cochlea, convnet, delays, encoding, eventprop,
                    ewc, feedback, in_the_loop, lif, losses, lstm, mlp, ntk,
                    ntk_dynamics, ntt, optimisers, pruning, rnn, si, snap, sparse_rtrl,
                    spike_time, superspike, surrogates)
from refsnn import bptt as adjoints


def some(p, *names):
    return {name: p[name] for name in names}


def numbered(p, letter):
    return [p[f"{letter}{i}"] for i in range(9) if f"{letter}{i}" in p]


def named(letter, arrays):
    return {f"{letter}{i}": a for i, a in enumerate(arrays)}


# ---- LIF layers

CONSTANTS = ("alpha", "beta", "gain", "threshold")


def shown(run):
    return {"spikes": run.spikes, "mem": run.mem}


def lif_forward(p):
    run = lif.simulate(p["x"], p["W"], p["V"], **some(p, *CONSTANTS))
    return shown(run) | {"syn": run.syn}


def recorded(p, surrogate="fast_sigmoid"):
    """Outputs of the forward pass, the given recording, psi and errors."""
    forward = lif.simulate(p["x"], p["W"], p.get("V"), **some(p, *CONSTANTS))
    run = lif.Recording(p["syn"], p["mem"], p["spikes"], np.zeros(p["mem"].shape, bool))
    psi = surrogates.SURROGATES[surrogate](p["mem"] - p["threshold"],
                                           p["steepness"])[1]
    loss, d = losses.square(p["spikes"], p["target"])
    return shown(forward) | {"loss": loss}, run, psi, d


def bptt(p, surrogate="fast_sigmoid", **options):
    found, run, psi, d = recorded(p, surrogate)
    g = lif.backward(p["x"], p["W"], p.get("V"), run, psi, d, **options,
                     **some(p, *CONSTANTS))
    return found | {"dW": g.dW, "dx": g.dx} | ({"dV": g.dV} if "V" in p else {})


def rtrl(p, rule=None):
    if rule is None:
        return {key: a for key, a in bptt(p).items() if key != "dx"}
    found, run, psi, d = recorded(p)
    g = sparse_rtrl.gradient(p["x"], p["V"], tuple(run), psi, d, rule=rule,
                             **some(p, *CONSTANTS))
    return found | {"dW": g.dW, "dV": g.dV}


def online_steps(p):
    """Each step's share: the gradients of the first t + 1 steps, less those of t."""
    found, run, psi, d = recorded(p)
    for key in ("exact", "block", "implicit", "eprop"):
        sums = [np.zeros(p["W"].size + p["V"].size)]
        for t in range(1, len(d) + 1):
            g = sparse_rtrl.gradient(
                p["x"][:t], p["V"], tuple(a[:t] for a in run), psi[:t], d[:t],
                rule="implicit" if key == "eprop" else key,
                through_reset=key != "eprop", **some(p, *CONSTANTS))
            sums.append(np.concatenate([g.dW.ravel(), g.dV.ravel()]))
        found[f"dWV_{key}"] = np.diff(sums, axis=0)
    return found


def tbptt(p, rolling):
    """Truncated gradients: rolling by its definition, or chunk by chunk."""
    found, run, psi, d = recorded(p)
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], run, psi, **some(p, *CONSTANTS))
    q, K, total = lif.credit(psi, d), p["K"], 0
    if rolling:
        return found | split(p, adjoints.truncated(J, F, q, K))
    ends = np.zeros_like(q[0])
    J, F = (np.concatenate([a, 0 * a[:1]]) for a in (J, F))
    for t in range(0, len(q), K):
        here = F[t:t + K + 1].copy()
        here[0] = 0                     # the first state of the chunk is given
        total = total + adjoints.chunk(J[t:t + K + 1], here, q[t:t + K], ends)[0]
    return found | split(p, total)


def split(p, flat):
    n, m = p["W"].shape
    return {"dW": flat[:n * m].reshape(n, m), "dV": flat[n * m:].reshape(n, n)}


def snap_2(p):
    found, run, psi, d = recorded(p)
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], run, psi, **some(p, *CONSTANTS))
    n, m = p["W"].shape
    return found | split(p, snap.gradient(J, F, lif.credit(psi, d), snap.owners(n, m),
                                          snap.reach(p["V"], 2)))


# ---- LIF networks

LEAK = ("alpha", "beta", "gain")


def peak_one(p, run):
    return surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]


def lif_constants(p):
    own = some(p, "gain", "threshold") | {"alpha": np.exp(-p["dt"] / p["tau_syn"]),
                                          "beta": np.exp(-p["dt"] / p["tau_mem"])}
    run, _ = lif.run(p["x"], p["W"], p["V"], lif.State(p["syn0"], p["mem0"]), **own)
    loss, d = losses.square(run.spikes, p["target"])
    g = lif.backward(p["x"], p["W"], p["V"], run, peak_one(p, run), d, constants=True,
                     **own)
    return shown(run) | {
        "loss": loss, "dW": g.dW, "dV": g.dV, "dgain": g.dgain,
        "dtau_syn": g.dalpha * own["alpha"] * p["dt"] / p["tau_syn"] ** 2,
        "dtau_mem": g.dbeta * own["beta"] * p["dt"] / p["tau_mem"] ** 2,
        "dthreshold": g.dthreshold + g.direct, "dsyn0": g.dstate.syn,
        "dmem0": g.dstate.mem}


def lif_wide(p):
    own = some(p, *CONSTANTS)
    run = lif.simulate(p["x"], p["W"], **own)
    loss, d = losses.square(run.spikes, np.full(run.spikes.shape, p["target"]))
    g = lif.backward(p["x"], p["W"], None, run, peak_one(p, run), d, constants=True,
                     **own)
    found = {"loss": loss, "counts": run.spikes.sum(axis=2), "dx": g.dx,
             "mem_sum": run.mem.sum(axis=2), "dW_sum": g.dW.sum(axis=0)}
    return found | ({"dalpha_sum": g.dalpha.sum(), "dbeta_sum": g.dbeta.sum()}
                    if np.ndim(p["alpha"]) else {})


def lif_chunks(p):
    """One run over all steps; the later steps give the derivatives at the cut."""
    own, K = some(p, *CONSTANTS), int(p["cut"])
    run = lif.simulate(p["x"], p["W"], p["V"], **own)
    loss, d = losses.square(run.spikes, p["target"])
    one, late = (lif.backward(p["x"][t:], p["W"], p["V"], lif.Recording(
        *(a[t:] for a in run)), peak_one(p, run)[t:], d[t:], **own) for t in (0, K))
    return shown(run) | {"loss": loss, "dW": one.dW, "dV": one.dV, "dx": one.dx,
                         "dsyn": late.dstate.syn, "dmem": late.dstate.mem}


def lif_stack(p):
    own, x, runs = some(p, *CONSTANTS), p["x"], []
    for W in (p["W"], p["W2"]):
        runs.append((x, W, lif.simulate(x, W, **own)))
        x = runs[-1][2].spikes
    loss, e = losses.square(lif.readout(x, p["W_out"], **some(p, *LEAK)), p["target"])
    back = lif.readout_backward(x, p["W_out"], e, **some(p, *LEAK))
    found, d = {"loss": loss, "dW_out": back.dW}, back.dx
    for end, (x, W, run) in (("2", runs[1]), ("", runs[0])):
        g = lif.backward(x, W, None, run, peak_one(p, run), d, **own)
        found |= {f"spikes{end}": run.spikes, f"mem{end}": run.mem, f"dW{end}": g.dW}
        d = g.dx
    return found | {"dx": d}


def lif_readout(p):
    own = some(p, *CONSTANTS)
    run = lif.simulate(p["x"], p["W"], p["V"], **own)
    out = lif.readout(run.spikes, p["W_out"], **some(p, *LEAK))
    loss, e = losses.cross_entropy(out, p["labels"])
    back = lif.readout_backward(run.spikes, p["W_out"], e, **some(p, *LEAK))
    g = lif.backward(p["x"], p["W"], p["V"], run, peak_one(p, run), back.dx, **own)
    return shown(run) | {"loss": loss, "out": out, "dW_out": back.dW, "dW": g.dW,
                         "dV": g.dV, "dx": g.dx}


# ---- local rules

def _eprop(p):
    """Return the constants, the run, the given recording, psi, loss and dspikes."""
    own = some(p, *CONSTANTS, "rho", "adaptation")
    run = alif.simulate(p["x"], p["W"], p["V"], **own)
    given = run._replace(**some(p, "mem", "spikes", "adapted"))
    v = p["mem"] - p["adaptation"] * p["adapted"] - p["threshold"]
    psi = surrogates.fast_sigmoid(v, p["steepness"])[1]
    return own, run, given, psi, *losses.square(p["spikes"], p["target"])


def eprop(p):
    own, run, given, psi, loss, d = _eprop(p)
    del own["threshold"]
    dW, dV = alif.gradient(p["x"], p["V"], given, psi, d, **own)
    return shown(run) | {"loss": loss, "dW": dW, "dV": dV}


def eprop_reset(p):
    """The gradient through the reset, with recorded spikes in the recurrence."""
    own, run, given, psi, loss, d = _eprop(p)
    J, F = alif.linearise(p["x"], p["W"], p["V"], given, psi, through_recurrence=False,
                          **own)
    q = alif.credit(given, psi, d, adaptation=p["adaptation"])
    return shown(run) | {"loss": loss} | split(p, adjoints.gradient(J, F, q))


def bptt_adaptive(p):
    own, run, given, psi, loss, d = _eprop(p)
    n, m = p["W"].shape
    J, F = alif.linearise(p["x"], p["W"], p["V"], given, psi, constants=True, **own)
    q = alif.credit(given, psi, d, adaptation=p["adaptation"])
    flat = adjoints.gradient(J, F, q)
    *_, threshold, rho, a = flat[n * (m + n):].reshape(6, n).sum(axis=1)
    return shown(run) | {
        "loss": loss, "drho": rho, "dthreshold": threshold - (psi * d).sum(),
        "dadaptation": a - (psi * d * p["adapted"]).sum(),
        **split(p, flat[:n * (m + n)])}


def feedback_rules(p):
    trace = feedback.presynaptic_trace(p["x"], **some(p, "alpha", "beta", "gain"))
    error = feedback.direct(p["error"], p["H"])
    return {"alignment": feedback.transport(p["dsyn"], p["G"]), "direct": error,
            "local": feedback.local_square(p["spikes"], p["G"], p["target"])[1],
            "dW": feedback.three_factor(p["psi"] * error, trace)}


def superspike_rule(p):
    own = superspike.Settings(**{key: p[key] for key in superspike.Settings._fields
                                 if key in p})
    k = superspike.coefficients(own)
    state, dm, steps = superspike.rest(k, *p["W"].shape), 0, []
    for x, signal in zip(p["x"], p["signal"], strict=True):
        state, step = superspike.forward(k, state, p["W"], x)
        state, more, error = superspike.accumulate(k, state, p["W"], step, signal)
        dm = dm + more
        steps.append(step)
    return {"dm": dm, "eligibility": state.eligibility, "error": error,
            "spikes": np.array([step.spikes for step in steps]),
            "mem": np.array([step.mem for step in steps])}


# ---- other networks

def rnn_gradient(p):
    h = rnn.simulate(p["x"], p["W"], p["V"])
    loss, e = losses.square(h, p["target"])
    dW, dV, dx, _ = rnn.backward(p["x"], p["W"], p["V"], h, e)
    return {"h": h, "loss": loss, "dW": dW, "dV": dV, "dx": dx}


def lstm_gradient(p):
    own = p["x"], p["W"], p["V"], p["b"]
    run = lstm.simulate(*own, x_mask=p["x_mask"])
    loss, e = losses.square(run.h, p["target"])
    g = lstm.backward(*own, run, e, x_mask=p["x_mask"])
    return {"h": run.h, "loss": loss} | {f"d{key}": getattr(g, f"d{key}")
                                         for key in "WVbx"}


def first_times(p):
    out = spike_time.forward(p["inputs"], p["W"], **some(p, "tau", "threshold"))
    loss, d = spike_time.cross_entropy(out.times, p["labels"],
                                       **some(p, "scale", "late"))
    dW, dinputs = spike_time.backward(d, p["inputs"], p["W"], out, tau=p["tau"])
    return {"times": out.times, "loss": loss, "dW": dW, "dinputs": dinputs}


def delayed_gradient(p, kernel):
    one = {"most": int(p["most"]), "kernel": kernel, "width": p.get("width")}
    taps = delays.taps(p["delays"], **one)
    y, _ = delays.delayed(p["x"], p["W"] * taps)
    dx, dtaps, _ = delays.delayed_backward(p["dy"], p["x"], p["W"] * taps)
    ddelays, dwidth = delays.taps_backward(p["W"] * dtaps, p["delays"], **one)
    return {"y": y, "dx": dx, "dW": (taps * dtaps).sum(axis=0), "ddelays": ddelays,
            **({"dwidth": dwidth} if "width" in p else {})}


def event_gradient(p):
    order = np.argsort(p["input_times"], axis=1)
    inputs = [list(np.take_along_axis(p[key], order, axis=1))
              for key in ("input_times", "input_units")]
    own, end = some(p, "tau_mem", "tau_syn", "threshold"), {"until": p["until"]}
    end["most"] = 100       # refuses weights of 1000
    one = eventprop.simulate(*inputs, p["W"], **end, **own)
    two = eventprop.simulate(one.times, one.units, p["W2"], **end, **own)
    errors = [t - p["target"][b, i] for b, (t, i) in enumerate(zip(
        two.times, two.units, strict=True))]
    g2 = eventprop.backward(errors, one.units, p["W2"], None, two, **own)
    g = eventprop.backward(g2.dtimes, inputs[1], p["W"], None, one, **own)
    dinputs = np.zeros(order.shape)
    np.put_along_axis(dinputs, order, np.array(g.dtimes), axis=1)
    neurons = [(run.times[b], run.units[b] == i) for b in range(len(order))
               for run in (one, two) for i in range(p["target"].shape[1])]
    return {"counts": np.reshape([at.sum() for _, at in neurons], (len(order), -1)),
            "times": np.concatenate([t[at] for t, at in neurons]),
            "loss": sum((e ** 2).sum() / 2 for e in errors),
            "dW": g.dW, "dW2": g2.dW, "dinput_times": dinputs,
            "dtau_mem": (g.dtau_mem + g2.dtau_mem).sum(),
            "dtau_syn": (g.dtau_syn + g2.dtau_syn).sum()}


def grid_gradient(p, reset):
    """Each input spike enters by a weight of its own."""
    x, (T, B, m) = p["x"], p["x"].shape
    spikes, found = np.zeros((T, B, len(p["W"]))), {"loss": 0.0, "dW": 0.0}
    dinputs = np.zeros(x.shape)
    own = {"steps": T, "dt": p["dt"], "taus": (p["tau_mem"], p["tau_syn"]),
           "threshold": p["threshold"]}
    for b in range(B):
        arrivals, units = np.nonzero(x[:, b])
        every, W = np.arange(len(units)), p["W"][:, units]
        grid = time_grid.simulate(arrivals, every, W, reset=reset, **own)
        steps = np.rint(grid.times / p["dt"]).astype(int) - 1
        spikes[steps, b, grid.units] = 1
        errors = grid.times - p["target"][b, grid.units]
        dW, dtimes = time_grid.backward(errors, arrivals, every, W, grid, **own)
        dinputs[arrivals, b, units] = dtimes.sum(axis=0)
        found["dW"] = found["dW"] + dW @ (units[:, None] == np.arange(m))
        found["loss"] += (errors ** 2).sum() / 2
    return found | {"spikes": spikes, "dinput_times": dinputs,
                    "mem": before_reset(p, spikes, reset)}


def before_reset(p, spikes, reset):
    mem, U, current = [], 0, 0
    beta = np.exp(-p["dt"] / p["tau_mem"])
    for now, fired in zip(p["x"], spikes, strict=True):
        current = current + now @ p["W"].T
        mem.append(beta * U + (1 - beta) * current)
        current = np.exp(-p["dt"] / p["tau_syn"]) * current
        U = mem[-1] - p["threshold"] * fired if reset == "subtract" else np.where(
            fired, 0, mem[-1])
    return np.array(mem)


def convnet_gradient(p):
    weights, biases = numbered(p, "W"), numbered(p, "b")
    run = convnet.forward(weights, biases, p["x"], (True,))
    dW, db = convnet.backward(weights, run, p["doutputs"], (True,))
    return {"outputs": run.outputs} | named("dW", dW) | named("db", db)


# ---- kernels and pruning

def traced(p, x):
    weights = numbered(p, "W")
    run = mlp.forward(weights, numbered(p, "b"), x)
    return run, (run.inputs, mlp.signals(weights, run))


def ntk_kernel(p, reduction):
    return {"kernel": ntk.kernel(traced(p, p["x"])[1], reduction=reduction)}


def ntt_gradient(p, kind):
    model = ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                      ntk.adjoint)
    student = ntt.Student(*(numbered(p, letter) for letter in "WbM"))
    goal = ntt.Target(p["goal_outputs"], p["goal_kernel"])
    g = ntt.gradient(model, student, p["x"], goal, kind=kind,
                     **some(p, "density", "strength", "l2"))
    return {"loss": g.loss.total} | named("dW", g.weights) | named("db", g.biases)


def linearised(p):
    (run, train), (late, test) = traced(p, p["x"]), traced(p, p["x_test"])
    return ntk_dynamics.predict(
        ntk.kernel(train), run.outputs, p["targets"], p["steps"], rate=p["rate"],
        loss="mean", cross=ntk.kernel(test, train), test_outputs=late.outputs)._asdict()


def masks(p):
    W, g = numbered(p, "W"), numbered(p, "g")
    return named("magnitude", pruning.magnitude(W, p["density"])) | named(
        "snip", pruning.snip(W, g, p["density"]))


# ---- consolidation

def si_path(p, preset, overwrite=False):
    own = si.PRESETS[preset]
    own = own._replace(**{key: p[key] for key in own._fields if key in p})
    theta, state, paths = p["theta"], si.begin(p["theta"][0]), []
    for t, g in enumerate(p["task_gradient"]):
        state = si.accumulate(state, theta[t + 1] - theta[t], g,
                              p["penalty_gradient"][t], own)
        if t + 1 in p["task_ends"]:
            paths.append(state.path_integral)
            if overwrite:
                state = state._replace(importance=0 * state.importance)
            state = si.consolidate(state, theta[t + 1], own)
    return {"path_integral": np.array(paths), "importance": state.importance,
            "penalty": si.penalty(state, theta[0], own),
            "dpenalty": si.penalty_gradient(state, theta[0], own)}


def elastic(p):
    shapes, tasks = ("W0", "W1", "b0", "b1"), []
    for when in ("", "second_"):
        own = {key: p[f"{when}{key}"] for key in shapes}
        run, (inputs, signals) = traced(own, p[f"{when}x"])
        F = ewc.fisher(inputs, signals, run.outputs)
        tasks.append(([*F.weights, *F.biases], [*own.values()]))
    decay = p.get("decay", 1.0)
    state = ewc.accumulate(ewc.accumulate(None, *tasks[0]), *tasks[1], decay=decay)
    moved = [p[f"moved_{key}"] for key in shapes]
    slopes = ewc.penalty_gradient(state, moved, p["strength"] * decay)
    found = {"penalty": ewc.penalty(state, moved, p["strength"] * decay)}
    for key, F, d in zip(shapes, state.importance, slopes, strict=True):
        found |= {f"F_{key}": F, f"dpenalty_{key}": d}
    return found


def fishers(p):
    run, (inputs, signals) = traced(p, p["x"])
    found = {}
    for kind, labels in (("empirical", p["labels"]), ("sampled", p["drawn"]),
                         ("exact", None)):
        F = ewc.fisher(inputs, signals, run.outputs, labels)
        for letter, arrays in (("W", F.weights), ("b", F.biases)):
            found |= named(f"{kind}_{letter}", arrays)
    return found


# ---- analog chips

def chip_run(p):
    off = chip.Effects(*[None] * len(chip.Effects._fields))._replace(
        weight_limit=63, refractory=p["refractory"], adc_limit=255, hidden_peak=True)
    one = chip.Chip(
        off, (p["nominal_tau"],) * 2, *some(
            p, "gain", "synapse", "tau_syn", "tau_mem", "threshold", "leak", "reset",
            "adc_offset", "adc_gain").values())
    spikes, codes = chip.emulate(
        one, some(p, "hidden", "recurrent", "readout"), p["x"],
        rng=np.random.default_rng(0), code=(p["code_leak"], p["code_threshold"]),
        **some(p, "dt", "step", "scale"))
    return {"spikes": spikes.astype(float), "codes": codes.astype(float)}


def chip_gradient(p):
    run = in_the_loop.Recording(p["mem"], p["spikes"], p["out"])
    loss, dout, dspikes = in_the_loop.loss(
        run, p["labels"], scaling=p["scaling"], readout=p["cost_of_readout"],
        burst=p["cost_of_bursts"])
    weights = some(p, "hidden", "recurrent", "readout")
    g = in_the_loop.gradients(weights, p["x"], run, dout, dspikes, **some(
        p, "tau_syn", "tau_mem", "dt", "gain", "threshold", "steepness"))
    return {"loss": loss} | {f"d{key}": a for key, a in g._asdict().items()}


# ---- sounds and input spikes

def velocity(p):
    V = p["V_re"] + 1j * p["V_im"]
    return {"v": cochlea.velocity(p["x"], p["rate"], lambda f, c: V, V.shape[1])}


def hair_cell(p):
    cell = cochlea.HairCell(**some(p, *cochlea.HairCell._fields))
    q, c, w = cochlea.transmitter(p["v"], p["dt"], cell=cell)
    return {"q": q, "c": c, "w": w,
            "probability": cochlea.firing_probability(p["v"], p["dt"], cell=cell)}


def bushy(p):
    steps, channels = cochlea.bushy(p["n"].astype(np.uint16), p["dt"], **some(
        p, "tau_mem", "tau_syn", "refractory", "weight"))
    spikes = np.zeros(p["n"].shape)
    spikes[steps, channels] = 1
    return {"spikes": spikes}


def latency(p):
    return {"spikes": encoding.latency(p["values"], p["T"], **some(
        p, "tau", "threshold", "dt"))}


def counts(p):
    options = binning.Binning(0.0, p["T"] * p["dt"], p["dt"], "left", "count", "drop",
                              "refuse")
    return {"counts": binning.dense([p["times"]], [p["units"]], p["m"], options)[:, 0]}


# ---- surrogates, losses and optimisers

def curves(p):
    return {key: f(p["v"], p["steepness"])[1] for key, f in
            surrogates.SURROGATES.items()}


def curves_at_threshold(p):
    ratio = curves(p | {"v": p["mem"] / p["threshold"] - 1})
    return curves(p | {"v": p["mem"] - p["threshold"]}) | {
        f"{key}_ratio": slope / p["threshold"] for key, slope in ratio.items()}


def max_over_time(p):
    return dict(zip(("loss", "drecord"), losses.cross_entropy(
        p["record"], p["labels"]), strict=True))


def first_spike(p):
    return dict(zip(("loss", "dspikes"), losses.first_spike_time(
        p["spikes"], p["labels"], p["tau"], p["dt"]), strict=True))


def van_rossum(p):
    return dict(zip(("loss", "dspikes"), losses.van_rossum(**p), strict=True))


def regularisers(p):
    found = {"lower": losses.lower_bound(p["spikes"], p["below"]),
             "upper": losses.upper_bound(p["spikes"], p["above"]),
             "burst": losses.burst(p["spikes"]), "total": losses.total(p["spikes"])}
    return {key: cost for key, (cost, _) in found.items()} | {
        f"d{key}": d for key, (_, d) in found.items()}


def updates(p):
    found = {}
    for rule, names in ((optimisers.adam, ("beta1", "beta2")),
                        (optimisers.rmaxprop, ("decay",))):
        state, steps = None, []
        for g in p["gradients"]:
            state, step = rule(state, g, **some(p, "rate", "eps", *names))
            steps.append(step)
        found[rule.__name__] = np.array(steps)
    return found


ANSWERS = {
    "lif_forward": lif_forward,
    "lif_forward_dyadic": lif_forward,
    "bptt": bptt,
    "bptt_detached": lambda p: bptt(p, through_reset=False),
    "bptt_dyadic": lambda p: bptt(p, "triangle"),
    "bptt_dyadic_detached": lambda p: bptt(p, "triangle", through_reset=False),
    "rtrl": rtrl,
    "rtrl_block": lambda p: rtrl(p, "block"),
    "rtrl_implicit": lambda p: rtrl(p, "implicit"),
    "online_steps": online_steps,
    "tbptt_rolling": lambda p: tbptt(p, True),
    "tbptt_chunks": lambda p: tbptt(p, False),
    "lif_constants": lif_constants,
    "lif_wide": lif_wide,
    "lif_wide_decays": lif_wide,
    "lif_chunks": lif_chunks,
    "lif_stack": lif_stack,
    "lif_readout": lif_readout,
    "superspike": superspike_rule,
    "eprop": eprop,
    "eprop_reset": eprop_reset,
    "bptt_adaptive": bptt_adaptive,
    "feedback": feedback_rules,
    "rnn": rnn_gradient,
    "lstm": lstm_gradient,
    "ntk_full": lambda p: ntk_kernel(p, "full"),
    "ntk_sum_logits": lambda p: ntk_kernel(p, "sum_logits"),
    "ntt_at_masked": lambda p: ntt_gradient(p, "at_masked"),
    "ntt_through_mask": lambda p: ntt_gradient(p, "through_mask"),
    "snap_2": snap_2,
    "spike_time": first_times,
    "delays_linear": lambda p: delayed_gradient(p, "linear"),
    "delays_gaussian": lambda p: delayed_gradient(p, "normalised"),
    "eventprop": event_gradient,
    "eventprop_grid": lambda p: grid_gradient(p, "zero"),
    "eventprop_grid_subtract": lambda p: grid_gradient(p, "subtract"),
    "van_rossum": van_rossum,
    "regularisers": regularisers,
    "surrogates": curves,
    "surrogates_threshold": curves_at_threshold,
    "max_over_time": max_over_time,
    "ewc": elastic,
    "ewc_online": elastic,
    "fisher": fishers,
    "binning": counts,
    "in_the_loop": chip_gradient,
    "pruning": masks,
    "optimisers": updates,
    "velocity": velocity,
    "hair_cell": hair_cell,
    "bushy": bushy,
    "latency": latency,
    "first_spike": first_spike,
    "chip": chip_run,
    "convnet": convnet_gradient,
    "linearised": linearised}
ANSWERS |= {f"si_{preset}": lambda p, preset=preset: si_path(p, preset)
            for preset in si.PRESETS}
