# refsnn 0.1.0 | oracle/rules_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of other rules, each with its named wrong answers.

SuperSpike, tangent kernels, Neural Tangent Transfer and synaptic
intelligence, as `Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import mlp, ntk, ntt, si, superspike
from refsnn.oracle.spikes_vectors import Mutant, Vector, numbers

__all__ = ["KERNELS", "SIZED"]

WIDTHS = (5, 6, 4, 3)       # of the network of the kernels
REDUCED = {     # what else a kernel may be, and where it was
    "full": ("", "all outputs' own block"),
    "trace_mean": ("google/neural-tangents#7", "trace over outputs, averaged"),
    "trace_sum": ("", "trace over outputs, summed"),
    "sum_logits": ("VITA-Group/TENAS#11", "kernel of the sum of all logits"),
    "per_class": ("", "diagonal in the outputs only")}
SI = (          # changed settings of si.Settings
    ("regularised gradient", "GMvandeVen/continual-learning#14", {"gradient": "total"}),
    ("rate times gradient squared, step assumed", "aimagelab/mammoth#50",
     {"displacement": "descent", "gradient": "total", "rate": 0.1}),
    ("damping of 1e-7", "avalanche", {"xi": 1e-7}),
    ("importance capped at 1e-3", "avalanche", {"cap": 1e-3}),
    ("path integral clamped, task by task", "nupic.research", {"clamp": "task"}))


def _superspike_run(settings, x, W, signal):
    """Sum of dm, last eligibility and error, spikes."""
    k = superspike.coefficients(settings)
    state = superspike.rest(k, *W.shape)
    dm, spikes = 0, []
    for arriving, events in zip(x, signal, strict=True):
        state, step = superspike.forward(k, state, W, arriving)
        state, more, error = superspike.accumulate(k, state, W, step, events)
        dm = dm + more
        spikes.append(step.spikes)
    return {"dm": dm, "eligibility": state.eligibility, "error": error,
            "spikes": np.array(spikes)}


def _superspike(name, seed, T, B, m, n):
    """The three-factor rule online."""
    x = (numbers([seed, 0], T, B, m) < 0.3).astype(float)
    W = 0.1 * numbers([seed, 1], B, n, m)
    signal = (numbers([seed, 2], T, B, n) < 0.1) * 1.0 - (
        numbers([seed, 3], T, B, n) < 0.1)
    own = superspike.Settings(dt=1e-3, refractory=3e-3, delay=2e-3)
    right = _superspike_run(own, x, W, signal)
    mutants = [Mutant(text, seen, _superspike_run(own._replace(**change), x, W, signal))
               for text, seen, change in (
        ("filters of the published code", "pub2018superspike", {"trace": "published"}),
        ("filters solved over a step", "", {"trace": "continuous"}),
        ("surrogate read after the reset", "pub2018superspike",
         {"surrogate_read": "after_reset"}),
        ("scale of the published code", "pub2018superspike", {"drive": "published"}),
        ("delay left out", "", {"delay": 0.0}),
        ("no surrogate: psi = 1", "", {"surrogate": "linear"}),
        ("rise and decay of the kernel swapped with those of the neuron", "",
         {"tau_rise": 10e-3, "tau_decay": 20e-3}))]
    mutants += [Mutant("surrogate prefactor: times the steepness", "fzenke/spytorch#2",
                       {"dm": right["dm"] * own.steepness,
                        "eligibility": right["eligibility"] * own.steepness}),
                Mutant("error of the wrong sign", "", {
                    "dm": -right["dm"], "error": -right["error"]}),
                Mutant("dt forgotten in the sum", "", {"dm": right["dm"] / own.dt})]
    inputs = {"x": x, "W": W, "signal": signal.astype(float)}
    inputs |= {key: value for key, value in own._asdict().items()
               if isinstance(value, float)}
    return Vector(name, "SuperSpike: dm summed over the steps, the eligibility and "
                  "error after the last: refsnn.superspike, (1)-(11), defaults but "
                  "for dt, refractory, delay", inputs, right, mutants, False)


def _network(seed, samples):
    """Weights, biases and samples of a small ReLU network."""
    weights = [2 * numbers([seed, i], rows, columns) - 1 for i, (columns, rows) in
               enumerate(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))]
    biases = [numbers([seed, 5 + i], len(W)) - 0.5 for i, W in enumerate(weights)]
    return weights, biases, 2 * numbers([seed, 9], samples, WIDTHS[0]) - 1


def _named(letter, arrays):
    """Arrays of layers by name: W0, W1, ..."""
    return {f"{letter}{i}": a for i, a in enumerate(arrays)}


def _ntk(name, reduction):
    """The empirical kernel of all outputs, or of their sum."""
    weights, biases, x = _network(13, 4)
    recording = mlp.forward(weights, biases, x)
    signals = mlp.signals(weights, recording)
    full = {other: ntk.kernel((recording.inputs, signals), reduction=other)
            for other in REDUCED}
    K = full["full"]
    jac = mlp.jacobian(recording, signals)
    edges = np.cumsum([size for W in weights for size in (W.size, len(W))])
    blocks = np.split(jac, edges[:-1], axis=2)          # weights, biases, in turn

    def of(parts):
        gram = sum(np.einsum("nkp,mqp->nmkq", part, part) for part in parts)
        return {"kernel": gram if reduction == "full" else gram.sum(axis=(2, 3))}

    own = {"kernel": full[reduction]}
    mutants = [Mutant(words, seen, {"kernel": full[other]})
               for other, (seen, words) in REDUCED.items() if other != reduction]
    mutants += [Mutant("biases left out", "", of(blocks[::2])),
                Mutant("last layer only", "", of(blocks[-2:])),
                Mutant("NTK parametrisation: weights over sqrt(width)",
                       "google/neural-tangents", of(
                           part / (WIDTHS[i // 2] ** 0.5 if i % 2 == 0 else 1)
                           for i, part in enumerate(blocks)))]
    if reduction == "full":
        mutants.append(Mutant("outputs swapped", "", {
            "kernel": own["kernel"].swapaxes(2, 3)}))
    else:
        mutants.append(Mutant("mean, not sum, of the logits", "", {
            "kernel": own["kernel"] / K.shape[2] ** 2}))
    given = {"x": x} | _named("W", weights) | _named("b", biases)
    text = {"full": "df_k(x_n)/dtheta . df_q(x_m)/dtheta, (N, N, K, K)",
            "sum_logits": "the same for the sum of the outputs, (N, N)"}[reduction]
    return Vector(name, "empirical tangent kernel of f = W2 relu(W1 relu(W0 x + b0) "
                  f"+ b1) + b2, all parameters: {text}: refsnn.ntk.kernel, (1)", given,
                  own, mutants, False)


def _ntt(name, kind):
    """Gradient of the transfer loss, of one kernel or the other."""
    teacher, biases, x = _network(14, 6)
    own, _, _ = _network(15, 6)
    masks = [(numbers([16, i], *W.shape) < 0.5) * 1.0 for i, W in enumerate(own)]
    model = ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                      ntk.adjoint)
    goal = ntt.target(model, teacher, biases, x)
    options = {"density": 0.5, "strength": 0.05, "l2": 0.01}
    student = ntt.Student(own, biases, masks)

    def gradient(more=(), student=student, goal=goal, kind=kind):
        g = ntt.gradient(model, student, x, goal, kind=kind, **(options | dict(more)))
        return {"loss": np.float64(g.loss.total)} | _named("dW", g.weights) \
            | _named("db", g.biases)

    other = next(k for k in ntt.KINDS if k != kind)
    live = [W * M for W, M in zip(own, masks, strict=True)]
    pruned = gradient((), ntt.Student(live, biases, [np.ones_like(M) for M in masks]))
    swapped = ntt.Target(goal.outputs, goal.kernel.swapaxes(2, 3))
    masked = ntt.target(model, [W * M for W, M in zip(teacher, masks, strict=True)],
                        biases, x)
    mutants = [
        Mutant(f"kernel of kind {other}", "fmi-basel/neural-tangent-transfer#3",
               gradient(kind=other)),
        Mutant("teacher masked too", "", gradient(goal=masked)),
        Mutant("L2 not divided by the density", "", gradient({"density": 1.0})),
        Mutant("no L2", "", gradient({"l2": 0.0})),
        Mutant("outputs alone, no kernel", "", gradient({"strength": 0.0})),
        Mutant("kernel loss summed over the outputs, not averaged", "",
               gradient({"strength": 0.05 * WIDTHS[-1] ** 2})),
        Mutant("target kernel with its outputs swapped", "", gradient(goal=swapped))]
    if kind == "at_masked":
        mutants.append(Mutant("pruned weights get a gradient",
                              "fmi-basel/neural-tangent-transfer#4", pruned))
    given = {"x": x, "goal_outputs": goal.outputs, "goal_kernel": goal.kernel} \
        | _named("W", own) | _named("M", masks) | _named("b", biases) | options
    return Vector(name, "transfer loss of a masked ReLU network and its gradient, "
                  f"first half of the batch against the second, kernel of kind {kind}: "
                  "refsnn.ntt.gradient, (1)-(6)", given, gradient(), mutants, False)


def _path(theta, task, pull, ends, settings):
    """Path integral at the end of each task, importance, penalty gradient."""
    state, paths = si.begin(theta[0]), []
    for t, (g, p) in enumerate(zip(task, pull, strict=True)):
        step = theta[t + 1] - theta[t]
        state = si.accumulate(state, step, g, p, settings)
        if t + 1 in ends:
            paths.append(state.path_integral)
            state = si.consolidate(state, theta[t + 1], settings)
    return {"path_integral": np.array(paths), "importance": state.importance,
            "penalty": np.float64(si.penalty(state, theta[0], settings)),
            "dpenalty": si.penalty_gradient(state, theta[0], settings)}


def _si(name, preset):
    """Bookkeeping along a given trajectory of two tasks."""
    T, p, ends = 12, 5, (6, 12)
    theta = np.cumsum(numbers([26, 0], T + 1, p) - 0.45, axis=0) / 2
    task = 2 * numbers([26, 1], T, p) - 1.2
    pull = (numbers([26, 2], T, p) - 0.5) * (np.arange(T) >= ends[0])[:, None]
    own = si.PRESETS[preset]._replace(strength=0.5)

    def path(changes=(), task=task):
        return _path(theta, task, pull, ends, own._replace(**dict(changes)))

    right = path()
    mutants = [Mutant(words, seen, path(changes)) for words, seen, changes in SI] + [
        Mutant("gradient after the step", "", path((), np.concatenate([
            task[1:], task[-1:]]))),
        Mutant("sign of the path integral", "", path((), -task)),
        Mutant("aliasing: kept weights are a view of the live ones",
               "ContinualAI/continual-learning-baselines#74",
               {key: 0 * value for key, value in right.items()}),
        Mutant("penalty halved", "avalanche", {
            key: right[key] / 2 for key in ("penalty", "dpenalty")}),
        Mutant("missing factor 2 of the penalty's derivative", "", {
            "dpenalty": right["dpenalty"] / 2}),
        Mutant("path integral not set to 0 between tasks", "", {
            "path_integral": np.cumsum(right["path_integral"], axis=0)})]
    other = "none" if own.clamp == "running" else "running"
    clamped = "importance " + "not " * (other == "none") + "clamped at 0"
    mutants.append(Mutant(clamped, "pathint and avalanche differ",
                          path({"clamp": other})))
    given = {"theta": theta, "task_gradient": task, "penalty_gradient": pull,
             "task_ends": np.array(ends), "xi": own.xi, "strength": own.strength}
    return Vector(name, f"synaptic intelligence as {preset} along theta[0..T], "
                  "gradients before each step; path integral at each task's end, "
                  "importance after the last, penalty at theta[0]: refsnn.si, (1)-(4)",
                  given, right, mutants, False)


SIZED = {"superspike": (_superspike, {}, (8, 60, 2, 4, 3))}     # as RULES
KERNELS = {     # name: (function, its arguments)
    "ntk_full": (_ntk, ("ntk_full", "full")),
    "ntk_sum_logits": (_ntk, ("ntk_sum_logits", "sum_logits")),
    "ntt_at_masked": (_ntt, ("ntt_at_masked", "at_masked")),
    "ntt_through_mask": (_ntt, ("ntt_through_mask", "through_mask")),
    "si_pathint": (_si, ("si_pathint", "pathint")),
    "si_paper": (_si, ("si_paper", "paper"))}
