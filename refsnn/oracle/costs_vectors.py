# refsnn 0.1.0 | oracle/costs_vectors.py | SPDX-License-Identifier: MIT | needs: numpy
"""Golden vectors of costs, each with its named wrong answers.

The van Rossum distance, regularisers of spike counts, and elastic weight
consolidation, as `Vector`s of `conformance_spikes`.
"""

import numpy as np

from refsnn import ewc, losses, mlp
from refsnn.oracle.spikes_vectors import Mutant, Vector, numbers

__all__ = ["COSTS"]


def _trains(seed, T, B, n):
    return (numbers([seed, 0], T, B, n) < 0.3).astype(float)


def _distance(p, K, adjoint=None, batch=None):
    """Loss (9) of a kernel, and its derivative (10) by another."""
    T, B, _ = p["spikes"].shape
    ago = np.arange(T)[:, None] - np.arange(T)
    filters = np.where(ago >= 0, K[np.abs(ago)], 0)
    e = np.einsum("ts,sbi->tbi", filters, p["spikes"] - p["target"])
    back = filters.T if adjoint is None else adjoint(filters)
    scale = p["dt"] / (B if batch is None else batch)
    return {"loss": np.float64(scale / 2 * (e ** 2).sum()),
            "dspikes": scale * np.einsum("st,tbi->sbi", back, e)}


def _van_rossum():
    """Distance of spike trains that are filtered."""
    T, B, n = 30, 3, 2
    p = {"spikes": _trains(24, T, B, n), "target": _trains(25, T, B, n),
         "tau_rise": 5e-3, "tau_decay": 10e-3, "dt": 2e-3}
    t = np.arange(T)
    a, b = (np.exp(-p["dt"] / p[tau]) for tau in ("tau_rise", "tau_decay"))
    double, single = (a ** t - b ** t) / (a - b), b ** t
    K = (1 - a) * (1 - b) / p["dt"] * double

    def slope(adjoint):
        return {"dspikes": _distance(p, K, adjoint)["dspikes"]}

    right = dict(zip(("loss", "dspikes"), losses.van_rossum(
        *(p[key] for key in ("spikes", "target", "tau_rise", "tau_decay", "dt"))),
        strict=True))
    mutants = [
        Mutant("derivative filtered forward in time, not backward", "", slope(
            lambda filters: filters)),
        Mutant("derivative not filtered: the error itself", "", slope(
            lambda filters: np.eye(T))),
        Mutant("kernel of peak 1, not of unit area", "", _distance(p, K / K.max())),
        Mutant("kernel not scaled", "", _distance(p, double)),
        Mutant("kernel one step early", "", _distance(p, np.append(K[1:], (
            1 - a) * (1 - b) / p["dt"] * (a ** T - b ** T) / (a - b)))),
        Mutant("one exponential, that of the decay", "", _distance(
            p, (1 - b) / p["dt"] * single)),
        Mutant("missing factor 1/2", "", {key: 2 * v for key, v in right.items()}),
        Mutant("missing factor dt", "", {
            key: v / p["dt"] for key, v in right.items()}),
        Mutant("summed, not averaged, over the batch", "", _distance(p, K, batch=1)),
        Mutant("sign: away from the target", "", {
            "dspikes": -right["dspikes"]})]
    return Vector("van_rossum", "(dt/2B) sum (K * (spikes - target))^2, K of two "
                  "exponentials, unit area and K[0] = 0, and its derivative: "
                  "refsnn.losses.van_rossum, (8)-(10)", p, right, mutants, False)


def _costs(spikes, below="neuron", above="population", power=2, bounds=(4.5, 2.5)):
    """All regularisers of trains of spikes."""
    found = {"lower": losses.lower_bound(spikes, bounds[0], below, power),
             "upper": losses.upper_bound(spikes, bounds[1], above, power),
             "burst": losses.burst(spikes), "total": losses.total(spikes)}
    return {name: np.float64(value) for name, (value, _) in found.items()} | {
        f"d{name}": d for name, (_, d) in found.items()}


def _only(found, *names):
    return {key: found[key] for name in names for key in (name, f"d{name}")}


def _regularisers():
    """Costs of spike counts."""
    T, B, n = 12, 4, 3
    spikes = _trains(26, T, B, n)
    right = _costs(spikes)
    whole, d = losses.burst(spikes.reshape(T * B, 1, n))
    rates = _costs(spikes / T)

    def slopes(factor, *names):
        return {f"d{name}": factor * right[f"d{name}"] for name in names}

    mutants = [
        Mutant("lower bound per population, not per neuron", "", _only(_costs(
            spikes, below="population"), "lower")),
        Mutant("upper bound per neuron, not per population", "", _only(_costs(
            spikes, above="neuron"), "upper")),
        Mutant("distance to the bound not squared", "", _only(_costs(
            spikes, power=1), "lower", "upper")),
        Mutant("bounds swapped", "", _only(_costs(
            spikes, bounds=(2.5, 4.5)), "lower", "upper")),
        Mutant("rates, not counts", "", _only({
            key: value / T if key[0] == "d" else value for key, value in
            rates.items()}, "lower", "burst", "total")),
        Mutant("squared count of the whole batch", "SpyTorch tutorials", {
            "burst": np.float64(whole), "dburst": d.reshape(T, B, n)}),
        Mutant("summed, not averaged, over the batch", "", {
            key: B * value for key, value in right.items()}),
        Mutant("missing factor 2 of the square's derivative", "", slopes(
            0.5, "lower", "upper", "burst")),
        Mutant("sign of the lower bound's derivative", "", slopes(-1, "lower"))]
    return Vector("regularisers", "costs of spike counts and their derivatives: "
                  "squared distance below `below`, per neuron, and above `above`, of "
                  "the population's mean; bursts; total: refsnn.losses, (13)-(18)",
                  {"spikes": spikes, "below": 4.5, "above": 2.5}, right, mutants, False)


def _fisher(p, labels=None, likelihood="categorical"):
    """Diagonal Fisher information of the network of `_ewc`."""
    weights, biases = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    run = mlp.forward(weights, biases, p["x"])
    found = ewc.fisher(run.inputs, mlp.signals(weights, run), run.outputs,
                       labels, likelihood)
    return {f"F_{letter}{i}": a for letter, rows in
            (("W", found.weights), ("b", found.biases)) for i, a in enumerate(rows)}


def _held(p, F, factor=1.0):
    """The penalty of an importance, and its derivative."""
    names = ("W0", "W1", "b0", "b1")
    moved = {key: p[f"moved_{key}"] - p[key] for key in names}
    return F | {"penalty": np.float64(factor * p["strength"] / 2 * sum(
        (F[f"F_{key}"] * moved[key] ** 2).sum() for key in names))} | {
        f"dpenalty_{key}": factor * p["strength"] * F[f"F_{key}"] * moved[key]
        for key in names}


def _mean_squared(p, labels):
    """The square of the mean derivative, not the mean of its square."""
    weights, biases = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    run = mlp.forward(weights, biases, p["x"])
    error = losses.cross_entropy(run.outputs[None], labels)[1][0]
    d = [np.einsum("nk,nkj->nj", error, g) for g in mlp.signals(weights, run)]
    return {f"F_W{i}": (row.T @ run.inputs[i]) ** 2 for i, row in enumerate(d)} | {
        f"F_b{i}": row.sum(axis=0) ** 2 for i, row in enumerate(d)}


def _ewc():
    """Diagonal Fisher information, the penalty and its derivative."""
    shapes = {"W0": (5, 4), "W1": (3, 5), "b0": (5,), "b1": (3,)}
    p = {key: 2 * numbers([27, i], *shape) - 1 for i, (key, shape) in
         enumerate(shapes.items())}
    p |= {f"moved_{key}": p[key] + numbers([28, i], *shape) - 0.5 for i, (key, shape) in
          enumerate(shapes.items())}
    p |= {"x": 2 * numbers([29, 0], 8, 4) - 1, "strength": 1.5,
          "labels": np.array([0, 2, 1, 2, 0, 0, 1, 2])}
    run = mlp.forward([p["W0"], p["W1"]], [p["b0"], p["b1"]], p["x"])
    right = _fisher(p)
    state = ewc.State([right[f"F_{key}"] for key in shapes],
                      [p[key] for key in shapes], 1)
    moved = [p[f"moved_{key}"] for key in shapes]
    own = right | {"penalty": np.float64(ewc.penalty(state, moved, p["strength"]))}
    own |= {f"dpenalty_{key}": d for key, d in zip(
        shapes, ewc.penalty_gradient(state, moved, p["strength"]), strict=True)}
    wrong = {
        "empirical Fisher: the data's labels": _fisher(p, p["labels"]),
        "labels of the largest output": _fisher(p, run.outputs.argmax(axis=1)),
        "unit variance about the outputs, not their softmax": _fisher(
            p, likelihood="gaussian"),
        "square of the mean derivative, not mean of its square": _mean_squared(
            p, p["labels"]),
        "summed, not averaged, over samples": {
            key: 8 * F for key, F in right.items()}}
    mutants = [Mutant(words, "", _held(p, F)) for words, F in wrong.items()]
    scaled = _held(p, right, 2.0)
    mutants += [
        Mutant("missing factor 1/2 of the penalty", "", {
            key: scaled[key] for key in scaled if "penalty" in key}),
        Mutant("aliasing: the anchor is a view of the live weights",
               "ContinualAI/continual-learning-baselines#74", {
                   key: 0 * own[key] for key in own if "penalty" in key})]
    return Vector("ewc", "f = W1 relu(W0 x + b0) + b1, the diagonal F of its softmax's "
                  "Fisher information, by the model's own law, mean over x; penalty "
                  "strength/2 sum F (moved - own)^2 and its derivative: refsnn.ewc, "
                  "(1)-(7)", p, own, mutants, False)


COSTS = {       # name: (function, its arguments)
    "van_rossum": (_van_rossum, ()), "regularisers": (_regularisers, ()),
    "ewc": (_ewc, ())}
