# refsnn 0.1.0 | oracle/arrays_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors that need no spiking layer, each with its wrong answers.

Surrogates, the loss of the maximum over time, the binning of events, the
gradient on a chip's recording, masks and optimisers, as `Vector`s of
`conformance_spikes`.
"""

import numpy as np

from refsnn import (encoding, in_the_loop, lif, losses, optimisers, pruning,
                    surrogates)
from refsnn.oracle.spikes_vectors import Mutant, Vector, numbers

__all__ = ["ARRAYS"]


def _surrogates():
    """Seven bumps of peak 1, and what tools of the same name have."""
    v, k = np.linspace(-1.7, 1.9, 36), 2.5
    z = k * np.abs(v)
    right = {name: f(v, k)[1] for name, f in surrogates.SURROGATES.items()}
    mutants = [
        Mutant("surrogate without +1", "", {"fast_sigmoid": z ** -2.0}),
        Mutant("square forgotten: 1/(1 + z)", "", {"fast_sigmoid": 1 / (1 + z)}),
        Mutant("times the steepness: peak k, not 1", "fzenke/spytorch#2",
               {name: k * bump for name, bump in right.items()}),
        Mutant("scaled to unit area", "", {
            "sigmoid": k / 4 * right["sigmoid"], "triangle": k * right["triangle"],
            "gaussian": k / (2 * np.pi) ** 0.5 * right["gaussian"],
            "arctan": k / np.pi * right["arctan"], "slayer": k / 2 * right["slayer"],
            "boxcar": k / 2 * right["boxcar"],
            "fast_sigmoid": k / 2 * right["fast_sigmoid"]}),
        Mutant("steepness ignored", "", {
            name: f(v, 1.0)[1] for name, f in surrogates.SURROGATES.items()}),
        Mutant("primitive, not derivative", "fangwei123456/spikingjelly#215", {
            name: f(v, k)[0] for name, f in surrogates.SURROGATES.items()}),
        Mutant("width pi k/2, as other tools define it", "spikingjelly, snntorch ATan",
               {"arctan": surrogates.arctan(v, np.pi / 2 * k)[1]})]
    return Vector("surrogates", "derivatives f' of steepness k at v, peak 1: "
                  "refsnn.surrogates, (1)-(7)", {"v": v, "steepness": k}, right,
                  mutants, False)


def _max_loss():
    """Cross entropy of the maximum over time, with tied steps."""
    record = np.round(8 * numbers([11, 0], 12, 4, 3) - 3)
    labels = np.array([0, 2, 1, 2])

    def loss(record, reduction="max"):
        return dict(zip(("loss", "drecord"), losses.cross_entropy(
            record, labels, reduction), strict=True))

    right = loss(record)
    top = record == record.max(axis=0)
    scores = right["drecord"].sum(axis=0)
    rolled = loss(record[::-1])["drecord"][::-1]
    mutants = [
        Mutant("first of the tied steps, not the last", "PyTorch max", {
            "drecord": rolled}),
        Mutant("tied steps share the derivative", "PyTorch amax, JAX max", {
            "drecord": top * scores / top.sum(axis=0)}),
        Mutant("all tied steps get the whole derivative", "", {
            "drecord": top * scores}),
        Mutant("sum over time, not the maximum", "", loss(record, "sum")),
        Mutant("last step, not the maximum", "", loss(record, "last")),
        Mutant("softmax at each step, then the mean over time", "", dict(zip(
            ("loss", "drecord"), _each_step(record, labels), strict=True))),
        Mutant("summed, not averaged, over the batch", "", {
            "loss": 4 * right["loss"], "drecord": 4 * right["drecord"]}),
        Mutant("softmax twice", "", dict(zip(("loss",), [_twice(record, labels)],
                                             strict=True)))]
    return Vector("max_over_time", "cross entropy of the maximum over time, mean over "
                  "the batch, nats; the last of tied steps carries the derivative: "
                  "refsnn.losses.cross_entropy, (1), (4), (5)",
                  {"record": record, "labels": labels}, right, mutants, False)


def _each_step(record, labels):
    """Cross entropy of every step, averaged."""
    pairs = [losses.cross_entropy(row[None], labels) for row in record]
    return (np.mean([loss for loss, _ in pairs]),
            np.concatenate([d for _, d in pairs]) / len(record))


def _twice(record, labels):
    """The loss of softmax scores, handed to a softmax again."""
    scores = np.exp(record.max(axis=0))
    return losses.cross_entropy((scores / scores.sum(axis=1, keepdims=True))[None],
                                labels)[0]


def _binning():
    """Events in seconds as counts, in bins of dt from 0 on."""
    T, m, dt, E = 280, 5, 5e-3, 300
    times = np.sort(0.012 + 1.38 * (numbers([12, 0], E) + numbers([12, 1], E) / 64))
    units = (5 * numbers([12, 2], E)).astype(int)
    times[30], units[30] = times[29], units[29]

    def bins(times=times, dt=dt, start=0.0, duplicates="count"):
        return {"counts": encoding.bin_events(
            times, units, T, m, dt=dt, start=start, outside="drop",
            duplicates=duplicates)}

    halves = times.astype(np.float16)
    steps = np.floor(halves / np.float16(dt)).astype(float)
    span = (times[-1] - times[0]) / T
    mutants = [
        Mutant("float16 times", "neuromorphs/tonic#321", bins(halves.astype(
            float))),
        Mutant("float16 times, divided in float16", "neuromorphs/tonic#321",
               bins((steps + 0.5) * dt)),
        Mutant("counts clipped to one spike", "", bins(duplicates="clip")),
        Mutant("bins numbered from 1: bin 0 is always empty", "SpyTorch tutorial 4",
               bins(start=-dt)),
        Mutant("time starts at the first event", "fangwei123456/spikingjelly#361",
               bins(times - times[0])),
        Mutant("edges from the first and last event", "neuromorphs/tonic#264",
               bins(times - times[0], dt=span)),
        Mutant("rounded to the nearest step, not down", "", bins(times + dt / 2)),
        Mutant("dt not equal to the bin: half of it", "SpyTorch tutorial 4",
               bins(dt=dt / 2)),
        Mutant("dt not equal to the bin: twice it", "", bins(dt=2 * dt))]
    return Vector("binning", "events (s, unit) counted in T bins [t dt, (t + 1) dt): "
                  "refsnn.encoding.bin_events, (4), (5)",
                  {"times": times, "units": units, "T": T, "m": m, "dt": dt}, bins(),
                  mutants, False)


def _record():
    """What a chip of 5 neurons and 3 readouts may have sent, and options."""
    T, B, m, n, k = 24, 4, 3, 5, 3
    W, V, W_out = (2 * numbers([18, i], *shape) - 0.75 for i, shape in
                   enumerate(((n, m), (n, n), (k, n)), 1))
    mem = 2.5 * numbers([18, 4], T, B, n) - 0.5
    arrays = {"x": (numbers([18, 0], T, B, m) < 0.4).astype(float), "hidden": W,
              "recurrent": V, "readout": W_out, "mem": mem,
              "spikes": (mem > 1).astype(float),
              "out": np.round(16 * numbers([18, 5], T, B, k) - 6) / 8,
              "labels": np.array([0, 2, 1, 1])}
    return arrays, {"tau_syn": 5e-6, "tau_mem": 8e-6, "dt": 2e-6, "threshold": 1.0,
                    "steepness": 4.0}, {"scaling": 3.0, "cost_of_readout": 0.05,
                                        "cost_of_bursts": 0.02}


def _chip_loss(p, scaling, cost_of_readout, cost_of_bursts, reduction="max"):
    record = in_the_loop.Recording(p["mem"], p["spikes"], p["out"])
    return record, *in_the_loop.loss(
        record, p["labels"], reduction=reduction, scaling=scaling,
        readout=cost_of_readout, burst=cost_of_bursts)


def _by_lif(p, alpha, beta, loss, psi, through_reset=False):
    """The same gradient from the LIF layer's equations."""
    _, value, dout, dspikes = loss
    back = lif.readout_backward(p["spikes"], p["readout"], dout, alpha=alpha, beta=beta)
    run = lif.Recording(p["mem"], p["mem"], p["spikes"], np.zeros(p["mem"].shape, bool))
    g = lif.backward(p["x"], p["hidden"], p["recurrent"], run, psi, dspikes + back.dx,
                     alpha=alpha, beta=beta, through_reset=through_reset)
    return {"loss": np.float64(value), "dhidden": g.dW, "drecurrent": g.dV,
            "dreadout": back.dW}


def _chip():
    """Loss and gradients of a chip's recording."""
    p, own, costs = _record()
    alpha, beta = (float(np.exp(-own["dt"] / own[key])) for key in
                   ("tau_syn", "tau_mem"))
    k, v = own["steepness"], p["mem"] - own["threshold"]
    loss = _chip_loss(p, **costs)
    record, value, dout, dspikes = loss
    right = {"loss": np.float64(value)} | {f"d{key}": a for key, a in zip(
        in_the_loop.Gradient._fields, in_the_loop.gradients(
            p, p["x"], record, dout, dspikes, **own), strict=True)}
    psi = surrogates.fast_sigmoid(v, k)[1]
    x = np.concatenate([0 * p["x"][:1], p["x"][:-1]])

    def found(psi=psi, p=p, beta=beta, through=False, costs=costs):
        return _by_lif(p, alpha, beta, _chip_loss(p, **costs), psi, through)

    mutants = [
        Mutant("surrogate without +1", "[CB22] eq. 5 as printed", found(
            (k * np.maximum(np.abs(v), 1 / 64)) ** -2.0)),
        Mutant("surrogate times its steepness", "fzenke/spytorch#2", found(k * psi)),
        Mutant("surrogate read at the membrane, threshold forgotten",
               "synsense/sinabs#97", found(surrogates.fast_sigmoid(p["mem"], k)[1])),
        Mutant("reset followed, which the record has already", "", found(through=True)),
        Mutant("transposed V", "", found(p=p | {"recurrent": p["recurrent"].T})),
        Mutant("input one step late", "", found(p=p | {"x": x})),
        Mutant("one decay for both, that of the current", "", found(beta=alpha)),
        Mutant("sum over time, not the maximum", "", found(
            costs=costs | {"reduction": "sum"})),
        Mutant("scores not scaled", "", found(costs=costs | {"scaling": 1.0})),
        Mutant("no cost of bursts", "", found(costs=costs | {"cost_of_bursts": 0.0})),
        Mutant("no cost of the readout", "", found(
            costs=costs | {"cost_of_readout": 0.0}))]
    return Vector("in_the_loop", "loss of a chip's recording and its gradient by the "
                  "nominal parameters: refsnn.in_the_loop, (2)-(11)", p | own | costs,
                  right, mutants, False)


def _masks():
    """Which weights of two layers stay."""
    weights = [4 * (numbers([19, i], *shape) - 0.5) / (i + 1) for i, shape in
               enumerate(((5, 4), (4, 6)))]
    slopes = [2 * numbers([19, 5 + i], *W.shape) - 1 for i, W in enumerate(weights)]

    def masks(rho=0.3, magnitude="layer", snip="global", w=weights, g=slopes):
        return {f"{name}{i}": M for name, found in (
            ("magnitude", pruning.magnitude(w, rho, scope=magnitude)),
            ("snip", pruning.snip(w, g, rho, scope=snip)))
            for i, M in enumerate(found)}

    right, ones = masks(), [np.ones_like(W) for W in weights]
    mutants = [
        Mutant("density of what is pruned, not of what stays", "", masks(0.7)),
        Mutant("the smallest stay", "", {key: 1 - M for key, M in masks(0.7).items()}),
        Mutant("over all layers, not layer by layer", "", {
            key: M for key, M in masks(magnitude="global").items() if key[0] == "m"}),
        Mutant("layer by layer, not over all", "", {
            key: M for key, M in masks(snip="layer").items() if key[0] == "s"}),
        Mutant("saliency is the gradient alone", "", {
            key: M for key, M in masks(w=ones).items() if key[0] == "s"}),
        Mutant("magnitudes without their sign taken off", "", {
            key: M for key, M in masks(w=[W + 9 for W in weights]).items()
            if key[0] == "m"})]
    given = {f"W{i}": W for i, W in enumerate(weights)} | {
        f"g{i}": g for i, g in enumerate(slopes)} | {"density": 0.3}
    return Vector("pruning", "masks of density 0.3: magnitude by layer, strict at its "
                  "threshold; SNIP over all layers, not strict: refsnn.pruning, "
                  "(1)-(3)",
                  given, right, mutants, False)


def _steps(rule, slopes, options):
    """Updates of an optimiser, one after the other."""
    state, found = None, []
    for g in slopes:
        state, update = rule(state, g, **options)
        found.append(update)
    return np.array(found)


def _optimisers():
    """Updates by Adam and by RMaxProp."""
    slopes = 2 * numbers([20, 0], 6, 5) - 1
    options = {"rate": 0.5, "eps": 0.0625}
    adam = {"beta1": 0.75, "beta2": 0.875} | options
    right = {"adam": _steps(optimisers.adam, slopes, adam),
             "rmaxprop": _steps(optimisers.rmaxprop, slopes, {"decay": 0.75} | options)}
    t = np.arange(1, 7)[:, None]
    means, squares = (np.array([
        sum((1 - b) * b ** (s - r) * g[r] for r in range(s + 1)) for s in range(6)])
        for b, g in ((0.75, slopes), (0.875, slopes ** 2)))
    unbiased = means / (1 - 0.75 ** t), squares / (1 - 0.875 ** t)
    mutants = [
        Mutant("no correction of the bias", "", {
            "adam": -0.5 * means / (squares ** 0.5 + options["eps"])}),
        Mutant("eps inside the root", "", {
            "adam": -0.5 * unbiased[0] / (unbiased[1] + options["eps"]) ** 0.5}),
        Mutant("Adamax", "", {"adam": _steps(optimisers.adamax, slopes, adam)}),
        Mutant("betas swapped", "", {"adam": _steps(
            optimisers.adam, slopes, adam | {"beta1": 0.875, "beta2": 0.75})}),
        Mutant("RMSprop: a running mean, not a maximum", "", {"rmaxprop": _steps(
            optimisers.rmsprop, slopes, {"decay": 0.75} | options)}),
        Mutant("a maximum that does not decay", "", {"rmaxprop": -0.5 * slopes / (
            np.maximum.accumulate(np.abs(slopes)) + options["eps"])}),
        Mutant("steps up, not down", "", {key: -a for key, a in right.items()})]
    return Vector("optimisers", "updates of six steps: refsnn.optimisers, adam "
                  "(3)-(5), rmaxprop (9), (10)",
                  {"gradients": slopes, "decay": 0.75} | adam, right, mutants, False)


ARRAYS = {      # name: function
    "surrogates": _surrogates, "max_over_time": _max_loss, "binning": _binning,
    "in_the_loop": _chip, "pruning": _masks, "optimisers": _optimisers}
