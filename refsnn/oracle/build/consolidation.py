# refsnn 0.1.0 | oracle/build/consolidation.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for synaptic intelligence and EWC."""

import math

import numpy as np

from refsnn import ewc, losses, mlp, si
from refsnn.oracle.build.vector import marked, numbers

ALL = ("shivamsaboo17/Overcoming-Catastrophic-forgetting-in-Neural-Networks "
       "elastic_weight_consolidation.py:30")
GIVEN = "kuc2477/pytorch-ewc model.py:69"
LARGEST = "GT-RIPL/Continual-Learning-Benchmark agents/regularization.py:133"
SQUARED = "facebookresearch/GradientEpisodicMemory model/ewc.py:88"
SI = {          # (mistake, public source): changed fields of si.Settings
    ("regularised gradient", "GMvandeVen/continual-learning#14"): {"gradient": "total"},
    ("rate times gradient squared, step assumed", "aimagelab/mammoth#50"):
        {"displacement": "descent", "gradient": "total", "rate": 0.1},
    ("damping of 1e-7", "avalanche"): {"xi": 1e-7},
    ("importance capped at 1e-3", "avalanche"): {"cap": 1e-3},
    ("path integral clamped, task by task", "nupic.research"): {"clamp": "task"}}
COMPARED = "a comparison of pathint and avalanche"
OTHER = {       # mistakes of presets that differ from the paper in these fields
    ("gradient of the task alone", "pathint and vandeven differ"): {"gradient": "task"},
    ("displacement of the optimiser, not rate times gradient", "aimagelab/mammoth#52"):
        {"displacement": "step"},
    ("damping of 0.1", COMPARED): {"xi": 0.1},
    ("importance not capped", COMPARED): {"cap": math.inf},
    ("penalty doubled", COMPARED): {"factor": 1.0}}
NEW = {         # preset with the mistakes `OTHER`: additional inputs of the vector
    "vandeven": (), "mammoth": (), "mammoth_old": ("rate", "clip"),
    "avalanche": ("factor", "cap"), "nupic": ()}


def _si(*, preset):
    T, n, ends = 12, 5, (6, 12)
    theta = np.cumsum(numbers([28, 0], T + 1, n) - 0.45, axis=0) / 2
    task = 2 * numbers([28, 1], T, n) - 1.2
    pull = (numbers([28, 2], T, n) - 0.5) * (np.arange(T) >= ends[0])[:, None]
    own = si.PRESETS[preset]._replace(strength=0.5, rate=0.1)
    p = {"theta": theta, "task_gradient": task, "penalty_gradient": pull,
         "task_ends": np.array(ends), "xi": own.xi, "strength": own.strength}
    right = _path(p, own)
    changes = SI | OTHER if preset in NEW else SI
    wrong = {key: _path(p, own._replace(**fields)) for key, fields in changes.items()
             if own._replace(**fields) != own}
    wrong["aliasing: kept weights are a view of the live ones",
          "ContinualAI/continual-learning-baselines#74"] = {
        key: 0 * a for key, a in right.items()}
    if own.displacement == "descent":           # these path integrals are not negative
        wrong = {key: a for key, a in wrong.items() if "clamped" not in key[0]}
    elif own.clamp == "running":
        wrong["importance not clamped at 0", COMPARED] = _path(
            p, own._replace(clamp="none"))
    else:
        wrong["importance clamped at 0", COMPARED] = _path(
            p, own._replace(clamp="running"))
    if own.factor == 1:
        wrong["penalty halved", "avalanche"] = {
            key: right[key] / 2 for key in ("penalty", "dpenalty")}
    later = np.concatenate([task[1:], task[-1:]])
    wrong |= {
        "gradient after the step": _path(p | {"task_gradient": later}, own),
        "missing factor 2 of the penalty's derivative":
            {"dpenalty": right["dpenalty"] / 2},
        "path integral not set to 0 between tasks": _path(p, own, kept=True),
        "importance of the last task alone, not summed": _path(p, own, overwrite=True)}
    if own.displacement != "descent":
        wrong["sign of the path integral"] = _path(p | {"task_gradient": -task}, own)
    text = (f"synaptic intelligence as {preset} (see the table) along theta[0..T], "
            "gradients before each step; c = strength, f = factor, or 1 if not given; "
            "path integral at each task's end, importance after the last, penalty at "
            "theta[0]: refsnn.si, (1)-(4)")
    p |= {key: getattr(own, key) for key in NEW.get(preset, ())}
    idle = {}
    if own.gradient == "task":
        idle["penalty_gradient"] = marked(pull), "only the gradient of the task is used"
    if own.displacement == "descent":
        idle["theta"] = (marked(theta, *range(1, ends[0]), *range(ends[0] + 1, T)),
                         "the displacement is -rate times the gradient")
    return text, p, right, wrong, idle


def _path(p, settings, overwrite=False, kept=False):
    theta, state, paths = p["theta"], si.begin(p["theta"][0]), []
    for t, g in enumerate(p["task_gradient"]):
        state = si.accumulate(state, theta[t + 1] - theta[t], g,
                              p["penalty_gradient"][t], settings)
        if t + 1 in p["task_ends"]:
            paths.append(state.path_integral)
            if overwrite:
                state = state._replace(importance=0 * state.importance)
            state = si.consolidate(state, theta[t + 1], settings)
            if kept:
                state = state._replace(path_integral=paths[-1])
    return {"path_integral": np.array(paths), "importance": state.importance,
            "penalty": np.float64(si.penalty(state, theta[0], settings)),
            "dpenalty": si.penalty_gradient(state, theta[0], settings)}


def _ewc(*, decay=1.0):
    shapes = {"W0": (5, 4), "W1": (3, 5), "b0": (5,), "b1": (3,)}
    p = {f"{when}{key}": 2 * numbers([seed, i], *shape) - 1
         for seed, when in ((27, ""), (31, "second_"))
         for i, (key, shape) in enumerate(shapes.items())}
    moved = [p[f"second_{key}"] + numbers([28, i], *shapes[key]) - 0.5
             for i, key in enumerate(shapes)]
    p |= {f"moved_{key}": a for key, a in zip(shapes, moved, strict=True)} | {
        "x": 2 * numbers([29, 0], 8, 4) - 1, "strength": 1.5,
        "labels": np.array([0, 2, 1, 2, 0, 0, 1, 2]),
        "second_x": 2 * numbers([29, 1], 8, 4) - 1,
        "second_labels": np.array([1, 0, 2, 2, 1, 0, 0, 1])}
    anchors = [[p[f"{when}{key}"] for key in shapes] for when in ("", "second_")]
    runs = []
    for when in ("", "second_"):
        layers = [[p[f"{when}{key}{i}"] for i in range(2)] for key in "Wb"]
        run = mlp.forward(*layers, p[f"{when}x"])
        runs.append((run, mlp.signals(layers[0], run), p[f"{when}labels"]))

    def found(*tasks, scale=decay, anchor=anchors[-1], decay=decay):
        state = None
        for F in tasks:
            state = ewc.accumulate(state, F, anchor, decay=decay)
        strength = scale * p["strength"]
        slopes = ewc.penalty_gradient(state, moved, strength)
        answers = {"penalty": np.float64(ewc.penalty(state, moved, strength))}
        for key, F, d in zip(shapes, state.importance, slopes, strict=True):
            answers |= {f"F_{key}": F, f"dpenalty_{key}": d}
        return answers

    def by(kind):
        return found(*(_fisher(*run, kind) for run in runs))

    tasks = [_fisher(*run) for run in runs]
    right = found(*tasks)

    def scaled(*factors):
        return found(*([c * a for a in task] for c, task in zip(
            factors, tasks, strict=True)))

    def penalty(scale=decay, anchor=anchors[-1]):
        return {key: a for key, a in found(*tasks, scale=scale, anchor=anchor).items()
                if "pen" in key}

    wrong = {
        ("empirical Fisher: the data's labels", GIVEN): by("labels"),
        ("labels of the largest output", LARGEST): by("largest"),
        "unit variance about the outputs, not their softmax": by("gaussian"),
        ("square of the mean derivative, not mean of its square", SQUARED): by("mean"),
        "summed, not averaged, over samples": scaled(8, 8),
        "missing factor 1/2 of the penalty": penalty(scale=2 * decay),
        ("aliasing: the anchor is a view of the live weights",
         "ContinualAI/continual-learning-baselines#74"): {
            key: 0 * a for key, a in right.items() if "pen" in key},
        "importance of the last task alone, not summed": found(tasks[1]),
        "anchor of the first task": penalty(anchor=anchors[0])}
    if decay < 1:
        p["decay"] = decay
        first = found([decay * a for a in tasks[0]], anchor=anchors[0])
        second = found(tasks[1])
        wrong |= {
            "without decay": found(*tasks, scale=1.0, decay=1.0),
            "decay of the importance alone, not of the penalty": penalty(scale=1.0),
            "decay of the penalty alone, not of the importance": found(
                *tasks, decay=1.0),
            "decay of the new importance, not of the old one": scaled(1 / decay, decay),
            "decay of both importances": scaled(1, decay),
            ("running average: 1 - decay times the new importance",
             "EWC++, arXiv 1801.10112"): scaled(1, 1 - decay),
            "an anchor for each task": {
                key: a + second[key] for key, a in first.items() if "pen" in key}}
    summed, weight = ("summed over the tasks", "") if decay == 1 else (
        "F <- decay F + that of the next task", "decay ")
    text = ("f = W1 relu(W0 x + b0) + b1 for a first and a second task; diagonal F of "
            "the Fisher information, labels drawn from the softmax of f, mean over x, "
            f"{summed}; penalty strength/2 {weight}sum F (moved - second)^2 and its "
            f"derivative: refsnn.ewc, (1)-(7){', (10)' * (decay < 1)}")
    idle = {key: (marked(p[key]), "the labels are drawn from the softmax")
            for key in ("labels", "second_labels")}
    return text, p, right, wrong, idle


def _fishers():
    N, K = 6, 3
    p = {"W0": 2 * numbers([30, 0], 4, 3) - 1, "b0": numbers([30, 1], 4) - 0.25,
         "W1": 2 * numbers([30, 2], K, 4) - 1, "b1": numbers([30, 3], K) - 0.5,
         "x": 2 * numbers([30, 4], N, 3) - 1, "labels": np.array([0, 2, 1, 2, 0, 1]),
         "drawn": np.array([1, 2, 1, 0, 0, 2])}
    layers = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    run = mlp.forward(*layers, p["x"])
    signals, odds = mlp.signals(layers[0], run), np.exp(run.outputs)
    slopes = np.eye(K) - (odds / odds.sum(axis=1, keepdims=True))[:, None]

    def named(kind, F):
        keys = (f"{kind}_{key}" for key in ("W0", "W1", "b0", "b1"))
        return dict(zip(keys, F, strict=True))

    def by(kind, *labels):
        return named(kind, _fisher(run, signals, *labels))

    def squares(kind, shares):
        """Sum the squared gradients of all groups."""
        d = [np.einsum("gny,nyk,nkj->gnj", shares, slopes, g) for g in signals]
        return named(kind, [(np.einsum("gnj,ni->gji", e, a) ** 2).sum(axis=0) for e, a
                            in zip(d, run.inputs, strict=True)] + [
            (e.sum(axis=1) ** 2).sum(axis=0) for e in d])

    def batches(size):
        groups = np.repeat(np.eye(N // size), size, axis=1) / (size * N) ** 0.5
        return squares("empirical", groups[:, :, None] * own)

    own, each = np.eye(K)[p["labels"]], np.eye(N * K).reshape(-1, N, K) / N ** 0.5
    right = by("empirical", p["labels"], "labels") | by("exact", None) | by(
        "sampled", p["drawn"], "labels")
    largest, given = (by("sampled", p["labels"], kind) | by("exact", p["labels"], kind)
                      for kind in ("largest", "labels"))
    wrong = {
        ("square of the mean gradient of the batch", SQUARED): batches(N),
        ("square of the mean gradient of batches of 2",
         "ContinualAI/avalanche#1224, plugins/ewc.py:178"): batches(2),
        ("square of the mean over all samples with the labels of all samples", ALL):
            squares("empirical", (own.mean(axis=0) / N + 0 * own)[None]),
        ("labels of the largest output", LARGEST): largest,
        ("the data's labels, not those of the model", GIVEN): given,
        "all labels with the same weight": squares("exact", each),
        "summed, not averaged, over samples": {key: N * a for key, a in right.items()}}
    text = ("f = W1 relu(W0 x + b0) + b1; diagonal Fisher information, mean over the "
            "samples of squared derivatives of log softmax(f): empirical at the "
            "labels, sampled at labels drawn from the softmax, exact as the "
            "expectation over all labels: refsnn.ewc, (1), (4)-(8)")
    return text, p, right, wrong


def _fisher(run, signals, labels, kind="softmax"):
    if kind == "mean":
        error = losses.cross_entropy(run.outputs[None], labels)[1][0]
        d = [np.einsum("nk,nkj->nj", error, g) for g in signals]
        return [(a.T @ b) ** 2 for a, b in zip(d, run.inputs, strict=True)] + [
            a.sum(axis=0) ** 2 for a in d]
    given = {"labels": labels, "largest": run.outputs.argmax(axis=1)}.get(kind)
    F = ewc.fisher(run.inputs, signals, run.outputs, given,
                   "gaussian" if kind == "gaussian" else "categorical")
    return [*F.weights, *F.biases]
