# refsnn 0.1.0 | oracle/build/losses_and_optimisers.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for losses and optimisers."""

import numpy as np

from refsnn import losses, optimisers, surrogates
from refsnn.oracle.build.vector import marked, numbers


def _surrogates():
    v, k = np.linspace(-1.7, 1.9, 36), 2.5
    z = k * np.abs(v)
    right = {key: f(v, k)[1] for key, f in surrogates.SURROGATES.items()}
    peaks = {"sigmoid": k / 4, "triangle": k, "gaussian": k / (2 * np.pi) ** 0.5,
             "arctan": k / np.pi, "slayer": k / 2, "boxcar": k / 2,
             "fast_sigmoid": k / 2}                 # peaks of curves with unit area
    wrong = {
        "surrogate without +1": {"fast_sigmoid": z ** -2.0},
        "square forgotten: 1/(1 + z)": {"fast_sigmoid": 1 / (1 + z)},
        ("times the steepness: peak k, not 1", "fzenke/spytorch#2"):
            {key: k * bump for key, bump in right.items()},
        "scaled to unit area": {key: peak * right[key] for key, peak in peaks.items()},
        "steepness ignored":
            {key: f(v, 1.0)[1] for key, f in surrogates.SURROGATES.items()},
        ("primitive, not derivative", "fangwei123456/spikingjelly#215"):
            {key: f(v, k)[0] for key, f in surrogates.SURROGATES.items()},
        ("width pi k/2, as other tools define it", "spikingjelly, snntorch ATan"):
            {"arctan": surrogates.arctan(v, np.pi / 2 * k)[1]}}
    text = "derivatives f' of steepness k at v, peak 1: refsnn.surrogates, (1)-(7)"
    return text, {"v": v, "steepness": k}, right, wrong


def _surrogates_threshold():
    p = {"mem": np.concatenate([[-50.0, 50.0], np.linspace(-0.9, 1.7, 14)]),
         "threshold": 0.375, "steepness": 2.5}      # k |mem - threshold| exceeds 100
    v, ratio = p["mem"] - p["threshold"], p["mem"] / p["threshold"] - 1

    def slopes(v, end="", scale=1.0):
        return {key + end: f(v, p["steepness"])[1] / scale
                for key, f in surrogates.SURROGATES.items()}

    right = slopes(v) | slopes(ratio, "_ratio", p["threshold"])
    wrong = {
        ("surrogate read at the membrane, threshold forgotten", "synsense/sinabs#97"):
            slopes(p["mem"]),
        "surrogate shifted to 1": slopes(p["mem"] - 1) | slopes(p["mem"] - 1, "_ratio"),
        "membrane divided by the threshold": slopes(ratio),
        "membrane not divided by the threshold": slopes(v, "_ratio"),
        "derivative not divided by the threshold": slopes(ratio, "_ratio")}
    text = ("derivatives by the membrane of spikes with surrogates of peak 1 and "
            "steepness k: f'(mem - threshold), and NAME_ratio of spikes that depend on "
            "mem / threshold - 1: refsnn.surrogates, (1)-(7)")
    return text, p, right, wrong


def _max_over_time():
    record = np.round(8 * numbers([11, 0], 12, 4, 3) - 3)
    labels = np.array([0, 2, 1, 2])

    def loss(record=record, reduction="max"):
        value, slope = losses.cross_entropy(record, labels, reduction)
        return {"loss": value, "drecord": slope}

    right = loss()
    top = record == record.max(axis=0)
    scores = right["drecord"].sum(axis=0)
    steps = [loss(row[None]) for row in record]
    each = {"loss": np.mean([step["loss"] for step in steps]),
            "drecord": np.concatenate([step["drecord"] for step in steps]) / len(steps)}
    p = np.exp(record.max(axis=0))
    p /= p.sum(axis=1, keepdims=True)
    twice = loss(p[None])
    slope = twice["drecord"][0]
    slope = p * (slope - (p * slope).sum(axis=1, keepdims=True))
    last = np.arange(12)[:, None, None] == 11 - record[::-1].argmax(axis=0)
    wrong = {
        ("first of the tied steps, not the last", "PyTorch max"):
            {"drecord": loss(record[::-1])["drecord"][::-1]},
        ("tied steps share the derivative", "PyTorch amax, JAX max"):
            {"drecord": top * scores / top.sum(axis=0)},
        "all tied steps get the whole derivative": {"drecord": top * scores},
        "sum over time, not the maximum": loss(reduction="sum"),
        "last step, not the maximum": loss(reduction="last"),
        "softmax at each step, then the mean over time": each,
        "summed, not averaged, over the batch":
            {key: 4 * a for key, a in right.items()},
        "softmax twice": twice | {"drecord": last * slope}}
    text = ("cross entropy of the maximum over time, mean over the batch, nats; the "
            "last of tied steps carries the derivative: refsnn.losses.cross_entropy, "
            "(1), (4), (5)")
    return text, {"record": record, "labels": labels}, right, wrong


def _first_spike():
    p = {"spikes": (numbers([44, 0], 12, 4, 3) < 0.25).astype(float),
         "labels": np.array([0, 2, 1, 1]), "tau": 4e-3, "dt": 1e-3}
    p["spikes"][:, 1, 2] = 0                        # without a spike, the time is T

    def cost(spikes=p["spikes"], dt=p["dt"]):
        loss, dspikes = losses.first_spike_time(spikes, p["labels"], p["tau"], dt)
        return {"loss": loss, "dspikes": dspikes}

    right, silent = cost(), (1 - p["spikes"]).cumprod(axis=0)
    T, B, k = silent.shape
    times = silent.sum(axis=0)
    before = np.concatenate([np.ones((1, B, k)), silent[:-1]])
    e = np.exp(-p["dt"] / p["tau"] * times)
    error = e / e.sum(axis=1, keepdims=True) - np.eye(k)[p["labels"]]
    ended = p["spikes"].copy()
    ended[-1] = np.maximum(ended[-1], silent[-1])
    first = (np.arange(T)[:, None, None] == times) * 1.0
    wrong = {
        "silent units fire in the last step": cost(ended),
        "times in steps, not in s": cost(dt=1.0),
        "summed, not averaged, over the batch":
            {key: B * a for key, a in right.items()},
        "gradient to the first spike alone": {"dspikes": right["dspikes"] * first},
        "gradient of all earlier steps alike, as of a straight line":
            {"dspikes": before * p["dt"] / p["tau"] / B * error},
        "sign of the derivative: later is better": {"dspikes": -right["dspikes"]}}
    text = ("cross entropy of softmax(-t / tau), mean over the batch, and its "
            "derivative by the spikes S; t is the time of the first spike, or T dt "
            "without a spike, computed as dt sum_s prod_{j<=s} (1 - S[j]): "
            "refsnn.losses, (4)-(7)")
    earlier = np.cumsum(p["spikes"], axis=0) - p["spikes"]
    idle = {"spikes": (earlier > 1, "the unit has spiked twice before")}
    return text, p, right, wrong, idle


def _van_rossum():
    T, B, n = 30, 3, 2
    p = {"spikes": (numbers([24, 0], T, B, n) < 0.3).astype(float),
         "target": (numbers([25, 0], T, B, n) < 0.3).astype(float),
         "tau_rise": 5e-3, "tau_decay": 10e-3, "dt": 2e-3}
    t, dt = np.arange(T), p["dt"]
    a, b = (np.exp(-dt / p[tau]) for tau in ("tau_rise", "tau_decay"))
    ago = t[:, None] - t

    def kernel(t):
        return (1 - a) * (1 - b) / dt * ((a ** t - b ** t) / (a - b))

    def distance(K, adjoint=np.transpose, B=B):
        filters = np.where(ago >= 0, K[np.abs(ago)], 0)
        e = np.einsum("ts,sbi->tbi", filters, p["spikes"] - p["target"])
        return {"loss": np.float64(dt / B / 2 * (e ** 2).sum()),
                "dspikes": dt / B * np.einsum("st,tbi->sbi", adjoint(filters), e)}

    K = kernel(t)
    right = dict(zip(("loss", "dspikes"), losses.van_rossum(**p), strict=True))
    wrong = {
        "derivative filtered forward in time, not backward":
            {"dspikes": distance(K, lambda filters: filters)["dspikes"]},
        "derivative not filtered: the error itself":
            {"dspikes": distance(K, lambda filters: np.eye(T))["dspikes"]},
        "kernel of peak 1, not of unit area": distance(K / K.max()),
        "kernel not scaled": distance((a ** t - b ** t) / (a - b)),
        "kernel one step early": distance(kernel(t + 1)),
        "one exponential, that of the decay": distance((1 - b) / dt * b ** t),
        "missing factor 1/2": {key: 2 * a for key, a in right.items()},
        "missing factor dt": {key: a / dt for key, a in right.items()},
        "summed, not averaged, over the batch": distance(K, B=1),
        "sign: away from the target": {"dspikes": -right["dspikes"]}}
    text = ("dt/(2 B) sum (K * (spikes - target))^2 and its derivative, K[t] = (1 - a) "
            "(1 - b)/dt (a^t - b^t)/(a - b), a = exp(-dt/tau_rise), b = "
            "exp(-dt/tau_decay): refsnn.losses.van_rossum, (8)-(10)")
    idle = {key: (marked(p[key], -1), "K[0] is 0: the last step has no effect")
            for key in ("spikes", "target")}
    return text, p, right, wrong, idle


def _regularisers():
    T, B, n = 12, 4, 3
    spikes = (numbers([26, 0], T, B, n) < 0.3).astype(float)

    def costs(names, spikes=spikes, below="neuron", above="population", power=2,
              bounds=(4.5, 2.5)):
        found = {"lower": losses.lower_bound(spikes, bounds[0], below, power),
                 "upper": losses.upper_bound(spikes, bounds[1], above, power),
                 "burst": losses.burst(spikes), "total": losses.total(spikes)}
        return {key: np.float64(found[key][0]) for key in names} | {
            f"d{key}": found[key][1] for key in names}

    both, all_names = ("lower", "upper"), ("lower", "upper", "burst", "total")
    right = costs(all_names)
    whole, d = losses.burst(spikes.reshape(T * B, 1, n))
    rates = costs(("lower", "burst", "total"), spikes / T)
    wrong = {
        "lower bound per population, not per neuron":
            costs(("lower",), below="population"),
        "upper bound per neuron, not per population": costs(("upper",), above="neuron"),
        "distance to the bound not squared": costs(both, power=1),
        "bounds swapped": costs(both, bounds=(2.5, 4.5)),
        "rates, not counts":
            {key: a / T if key[0] == "d" else a for key, a in rates.items()},
        ("squared count of the whole batch", "SpyTorch tutorials"):
            {"burst": np.float64(whole), "dburst": d.reshape(T, B, n)},
        "summed, not averaged, over the batch":
            {key: B * a for key, a in right.items()},
        "missing factor 2 of the square's derivative":
            {key: right[key] / 2 for key in ("dlower", "dupper", "dburst")},
        "sign of the lower bound's derivative": {"dlower": -right["dlower"]}}
    text = ("costs of spike counts and their derivatives: squared distance of each "
            "neuron below `below` and of the population's mean above `above`, bursts "
            "(squared count), each a mean; total, mean over the batch: refsnn.losses, "
            "(13)-(18)")
    return text, {"spikes": spikes, "below": 4.5, "above": 2.5}, right, wrong


def _optimisers():
    slopes = 2 * numbers([20, 0], 6, 5) - 1
    options = {"rate": 0.5, "eps": 0.0625}
    betas = {"beta1": 0.75, "beta2": 0.875}

    def steps(rule, own):
        state, found = None, []
        for g in slopes:
            state, update = rule(state, g, **(options | own))
            found.append(update)
        return np.array(found)

    t = np.arange(1, 7)[:, None]
    means, squares = (np.array([
        sum((1 - b) * b ** (s - r) * g[r] for r in range(s + 1)) for s in range(6)])
        for b, g in ((0.75, slopes), (0.875, slopes ** 2)))
    unbiased = means / (1 - 0.75 ** t), squares / (1 - 0.875 ** t)
    peaks = np.maximum.accumulate(np.abs(slopes))
    right = {"adam": steps(optimisers.adam, betas),
             "rmaxprop": steps(optimisers.rmaxprop, {"decay": 0.75})}
    swapped = {"beta1": 0.875, "beta2": 0.75}
    wrong = {
        "no correction of the bias":
            {"adam": -0.5 * means / (squares ** 0.5 + options["eps"])},
        "eps inside the root":
            {"adam": -0.5 * unbiased[0] / (unbiased[1] + options["eps"]) ** 0.5},
        "Adamax": {"adam": steps(optimisers.adamax, betas)},
        "betas swapped": {"adam": steps(optimisers.adam, swapped)},
        "RMSprop: a running mean, not a maximum":
            {"rmaxprop": steps(optimisers.rmsprop, {"decay": 0.75})},
        "a maximum that does not decay":
            {"rmaxprop": -0.5 * slopes / (peaks + options["eps"])},
        "steps up, not down": {key: -a for key, a in right.items()}}
    text = "updates of six steps: refsnn.optimisers, adam (3)-(5), rmaxprop (9), (10)"
    p = {"gradients": slopes, "decay": 0.75} | betas | options
    return text, p, right, wrong
