# refsnn 0.1.0 | oracle/consolidation.py | SPDX-License-Identifier: MIT | needs: numpy
"""This module builds golden test vectors for synaptic intelligence and EWC."""

import numpy as np

from refsnn import ewc, losses, mlp, si
from refsnn.oracle.vector import numbers

__all__ = ["SI"]

SI = {          # (mistake, public source): changed fields of si.Settings
    ("regularised gradient", "GMvandeVen/continual-learning#14"): {"gradient": "total"},
    ("rate times gradient squared, step assumed", "aimagelab/mammoth#50"):
        {"displacement": "descent", "gradient": "total", "rate": 0.1},
    ("damping of 1e-7", "avalanche"): {"xi": 1e-7},
    ("importance capped at 1e-3", "avalanche"): {"cap": 1e-3},
    ("path integral clamped, task by task", "nupic.research"): {"clamp": "task"}}


def _si(*, preset):
    T, n, ends = 12, 5, (6, 12)
    theta = np.cumsum(numbers([26, 0], T + 1, n) - 0.45, axis=0) / 2
    task = 2 * numbers([26, 1], T, n) - 1.2
    pull = (numbers([26, 2], T, n) - 0.5) * (np.arange(T) >= ends[0])[:, None]
    own = si.PRESETS[preset]._replace(strength=0.5)

    def path(changed=(), task=task):
        settings = own._replace(**dict(changed))
        state, paths = si.begin(theta[0]), []
        for t, g in enumerate(task):
            state = si.accumulate(state, theta[t + 1] - theta[t], g, pull[t], settings)
            if t + 1 in ends:
                paths.append(state.path_integral)
                state = si.consolidate(state, theta[t + 1], settings)
        return {"path_integral": np.array(paths), "importance": state.importance,
                "penalty": np.float64(si.penalty(state, theta[0], settings)),
                "dpenalty": si.penalty_gradient(state, theta[0], settings)}

    right = path()
    zero = {key: 0 * a for key, a in right.items()}
    clamp = "none" if own.clamp == "running" else "running"
    wrong = {key: path(changed) for key, changed in SI.items()} | {
        "gradient after the step": path(task=np.concatenate([task[1:], task[-1:]])),
        "sign of the path integral": path(task=-task),
        ("aliasing: kept weights are a view of the live ones",
         "ContinualAI/continual-learning-baselines#74"): zero,
        ("penalty halved", "avalanche"):
            {key: right[key] / 2 for key in ("penalty", "dpenalty")},
        "missing factor 2 of the penalty's derivative":
            {"dpenalty": right["dpenalty"] / 2},
        "path integral not set to 0 between tasks":
            {"path_integral": np.cumsum(right["path_integral"], axis=0)},
        (f"importance {'not ' if clamp == 'none' else ''}clamped at 0",
         "pathint and avalanche differ"): path({"clamp": clamp})}
    text = (f"synaptic intelligence as {preset} along theta[0..T], gradients before "
            "each step; path integral at each task's end, importance after the last, "
            "penalty at theta[0]: refsnn.si, (1)-(4)")
    p = {"theta": theta, "task_gradient": task, "penalty_gradient": pull,
         "task_ends": np.array(ends), "xi": own.xi, "strength": own.strength}
    return text, p, right, wrong


def _ewc():
    shapes = {"W0": (5, 4), "W1": (3, 5), "b0": (5,), "b1": (3,)}
    p = {key: 2 * numbers([27, i], *shapes[key]) - 1 for i, key in enumerate(shapes)}
    moved = {key: p[key] + numbers([28, i], *shapes[key]) - 0.5
             for i, key in enumerate(shapes)}
    p |= {f"moved_{key}": a for key, a in moved.items()} | {
        "x": 2 * numbers([29, 0], 8, 4) - 1, "strength": 1.5,
        "labels": np.array([0, 2, 1, 2, 0, 0, 1, 2])}
    run = mlp.forward([p["W0"], p["W1"]], [p["b0"], p["b1"]], p["x"])
    signals = mlp.signals([p["W0"], p["W1"]], run)

    def named(weights, biases):
        return {f"F_W{i}": a for i, a in enumerate(weights)} | {
            f"F_b{i}": a for i, a in enumerate(biases)}

    def fisher(labels=None, likelihood="categorical"):
        F = ewc.fisher(run.inputs, signals, run.outputs, labels, likelihood)
        return named(F.weights, F.biases)

    def penalty(F, factor=1.0):
        gaps = {key: moved[key] - p[key] for key in shapes}
        cost = sum((F[f"F_{key}"] * gaps[key] ** 2).sum() for key in shapes)
        return {"penalty": np.float64(factor * p["strength"] / 2 * cost)} | {
            f"dpenalty_{key}": factor * p["strength"] * F[f"F_{key}"] * gaps[key]
            for key in shapes}

    F = fisher()
    state = ewc.State([F[f"F_{key}"] for key in shapes], [p[key] for key in shapes], 1)
    held = {"penalty": np.float64(ewc.penalty(state, [*moved.values()], p["strength"]))}
    held |= {f"dpenalty_{key}": d for key, d in zip(shapes, ewc.penalty_gradient(
        state, [*moved.values()], p["strength"]), strict=True)}
    error = losses.cross_entropy(run.outputs[None], p["labels"])[1][0]
    d = [np.einsum("nk,nkj->nj", error, g) for g in signals]
    mean_squared = named([(d[i].T @ run.inputs[i]) ** 2 for i in range(2)],
                         [d[i].sum(axis=0) ** 2 for i in range(2)])
    zero = {key: 0 * a for key, a in held.items()}
    wrong_F = {
        "empirical Fisher: the data's labels": fisher(p["labels"]),
        "labels of the largest output": fisher(run.outputs.argmax(axis=1)),
        "unit variance about the outputs, not their softmax":
            fisher(likelihood="gaussian"),
        "square of the mean derivative, not mean of its square": mean_squared,
        "summed, not averaged, over samples": {key: 8 * a for key, a in F.items()}}
    wrong = {key: other | penalty(other) for key, other in wrong_F.items()} | {
        "missing factor 1/2 of the penalty": penalty(F, 2.0),
        ("aliasing: the anchor is a view of the live weights",
         "ContinualAI/continual-learning-baselines#74"): zero}
    text = ("f = W1 relu(W0 x + b0) + b1; diagonal F of the Fisher information, labels "
            "drawn from the softmax of f, mean over x; penalty strength/2 sum F (moved "
            "- own)^2 and its derivative: refsnn.ewc, (1)-(7)")
    return text, p, F | held, wrong
