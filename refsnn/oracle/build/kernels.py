# refsnn 0.1.0 | oracle/build/kernels.py | SPDX-License-Identifier: MIT | needs: numpy
"""Create test problems for tangent kernels and pruning."""

import numpy as np

from refsnn import mlp, ntk, ntk_dynamics, ntt, pruning
from refsnn.oracle.build.vector import marked, numbers

WIDTHS = (5, 6, 4, 3)
REDUCED = {     # reduction of ntk.kernel: (mistake, public source)
    "full": ("all outputs' own block", ""),
    "trace_mean": ("trace over outputs, averaged", "google/neural-tangents#7"),
    "trace_sum": ("trace over outputs, summed", ""),
    "sum_logits": ("kernel of the sum of all logits", "VITA-Group/TENAS#11"),
    "per_class": ("diagonal in the outputs only", "")}


def _network(seed, samples):
    weights = [2 * numbers([seed, i], rows, columns) - 1 for i, (columns, rows) in
               enumerate(zip(WIDTHS[:-1], WIDTHS[1:], strict=True))]
    biases = [numbers([seed, 5 + i], len(W)) - 0.5 for i, W in enumerate(weights)]
    return weights, biases, 2 * numbers([seed, 9], samples, WIDTHS[0]) - 1


def _numbered(letter, arrays):
    return {f"{letter}{i}": a for i, a in enumerate(arrays)}


def _ntk(*, reduction):
    weights, biases, x = _network(54, 4)
    recording = mlp.forward(weights, biases, x)
    signals = mlp.signals(weights, recording)
    kernels = {other: ntk.kernel((recording.inputs, signals), reduction=other)
               for other in REDUCED}
    K = kernels[reduction]
    jac = mlp.jacobian(recording, signals)
    edges = np.cumsum([size for W in weights for size in (W.size, len(W))])
    blocks = np.split(jac, edges[:-1], axis=2)      # weights and biases alternate
    by_width = [part / (WIDTHS[i // 2] ** 0.5 if i % 2 == 0 else 1)
                for i, part in enumerate(blocks)]

    def of(parts):
        gram = sum(np.einsum("nkp,mqp->nmkq", part, part) for part in parts)
        return {"kernel": gram if reduction == "full" else gram.sum(axis=(2, 3))}

    wrong = {key: {"kernel": kernels[other]} for other, key in REDUCED.items()
             if other != reduction} | {
        "biases left out": of(blocks[::2]),
        "last layer only": of(blocks[-2:]),
        ("NTK parametrisation: weights over sqrt(width)", "google/neural-tangents"):
            of(by_width)}
    if reduction == "full":
        kind = "df_k(x_n)/dtheta . df_q(x_m)/dtheta, (N, N, K, K)"
        wrong["outputs swapped"] = {"kernel": K.swapaxes(2, 3)}
    else:
        kind = "dF(x_n)/dtheta . dF(x_m)/dtheta of the sum F of the outputs, (N, N)"
        wrong["mean, not sum, of the logits"] = {"kernel": K / WIDTHS[-1] ** 2}
    text = ("empirical tangent kernel of f = W2 relu(W1 relu(W0 x + b0) + b1) + b2 for "
            f"all parameters: {kind}: refsnn.ntk.kernel, (1)")
    p = {"x": x} | _numbered("W", weights) | _numbered("b", biases)
    idle = {"b2": (marked(p["b2"]), "no derivative depends on the biases of outputs")}
    return text, p, {"kernel": K}, wrong, idle


def _ntt(*, kind):
    teacher, biases, x = _network(14, 6)
    weights, _, _ = _network(15, 6)
    masks = [(numbers([16, i], *W.shape) < 0.5) * 1.0 for i, W in enumerate(weights)]
    model = ntt.Model(mlp.forward, mlp.signals, mlp.second_order, ntk.kernel,
                      ntk.adjoint)
    goal = ntt.target(model, teacher, biases, x)
    options = {"density": 0.375, "strength": 0.05, "l2": 0.01}
    student = ntt.Student(weights, biases, masks)

    def gradient(changed=(), student=student, goal=goal, kind=kind):
        g = ntt.gradient(model, student, x, goal, kind=kind,
                         **(options | dict(changed)))
        return {"loss": np.float64(g.loss.total)} | _numbered("dW", g.weights) \
            | _numbered("db", g.biases)

    def masked(weights):
        return [W * M for W, M in zip(weights, masks, strict=True)]

    other = "through_mask" if kind == "at_masked" else "at_masked"
    swapped = ntt.Target(goal.outputs, goal.kernel.swapaxes(2, 3))
    wrong = {
        (f"kernel of kind {other}", "fmi-basel/neural-tangent-transfer#3"):
            gradient(kind=other),
        "teacher masked too":
            gradient(goal=ntt.target(model, masked(teacher), biases, x)),
        "L2 not divided by the density": gradient({"density": 1.0}),
        "no L2": gradient({"l2": 0.0}),
        "L2 with a factor of 1/2": gradient({"l2": 0.005}),
        "outputs alone, no kernel": gradient({"strength": 0.0}),
        "kernel loss summed over the outputs, not averaged":
            gradient({"strength": 0.05 * WIDTHS[-1] ** 2}),
        "target kernel with its outputs swapped": gradient(goal=swapped)}
    if kind == "at_masked":
        ones = [np.ones_like(M) for M in masks]
        wrong["pruned weights get a gradient", "fmi-basel/neural-tangent-transfer#4"] \
            = gradient(student=ntt.Student(masked(weights), biases, ones))
    text = ("transfer loss of a masked ReLU network (masks M, biases not masked) and "
            "its gradient, f* = goal_outputs, K* = goal_kernel, first half of the "
            f"batch against the second, kernel of kind {kind}: refsnn.ntt, (1)-(6)")
    p = {"x": x, "goal_outputs": goal.outputs, "goal_kernel": goal.kernel} \
        | _numbered("W", weights) | _numbered("M", masks) | _numbered("b", biases)
    idle = {f"W{i}": (M == 0, "the masks prune these weights")
            for i, M in enumerate(masks)}
    return text, p | options, gradient(), wrong, idle


def _linearised():
    p = {"W0": 2 * numbers([47, 0], 6, 3) - 1, "b0": numbers([47, 1], 6) - 0.5,
         "W1": 2 * numbers([47, 2], 2, 6) - 1, "b1": numbers([47, 3], 2) - 0.5,
         "x": 2 * numbers([47, 4], 4, 3) - 1, "x_test": 2 * numbers([47, 5], 3, 3) - 1,
         "targets": 2 * numbers([47, 6], 4, 2) - 1, "steps": np.array([1, 10, 100]),
         "rate": 0.02}
    weights, biases = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    runs = [mlp.forward(weights, biases, p[key]) for key in ("x", "x_test")]
    train, test = ((r.inputs, mlp.signals(weights, r)) for r in runs)
    K, cross = ntk.kernel(train), ntk.kernel(test, train)
    start, start_test = (r.outputs for r in runs)

    def predicted(K=K, cross=cross, steps=p["steps"], rate=p["rate"], loss="mean",
                  start=start, start_test=start_test):
        return ntk_dynamics.predict(K, start, p["targets"], steps, rate=rate, loss=loss,
                                    cross=cross, test_outputs=start_test)._asdict()

    def averaged(K):
        return np.trace(K, axis1=2, axis2=3)[..., None, None] / 2 * np.eye(2)

    last, last_test = ((inputs[-1:], signals[-1:]) for inputs, signals in (train, test))
    values, Q = np.linalg.eigh(K.transpose(0, 2, 1, 3).reshape(8, 8))
    changes = np.expm1(-p["rate"] / 4 * np.outer(p["steps"], values)) * (
        Q.T @ (start - p["targets"]).ravel())
    far = cross.transpose(0, 2, 1, 3).reshape(6, 8) @ Q / values
    wrong = {
        ("continuous flow, not steps", "google/neural-tangents#184"): {
            "train": start + (changes @ Q.T).reshape(3, 4, 2),
            "test": start_test + (changes @ far.T).reshape(3, 3, 2)},
        "square without its 1/2: rate doubled": predicted(rate=2 * p["rate"]),
        "summed, not averaged, over samples": predicted(loss="sum"),
        ("kernel averaged over outputs: none couple", "google/neural-tangents#7"):
            predicted(averaged(K), averaged(cross)),
        "outputs taken for uncoupled": predicted(K * np.eye(2), cross * np.eye(2)),
        "last layer's kernel alone":
            predicted(ntk.kernel(last), ntk.kernel(last_test, last)),
        "outputs at the start taken for 0":
            predicted(start=0 * start, start_test=0 * start_test),
        "one step too many": predicted(steps=p["steps"] + 1)}
    text = ("outputs f = W1 relu(W0 x + b0) + b1 for x and x_test after steps of "
            "gradient descent on 1/(2 N) sum (f - targets)^2 over the N samples x, "
            "predicted with the kernel of all parameters at the start: "
            "refsnn.ntk_dynamics, (2) and (4)")
    return text, p, predicted(), wrong


def _pruning():
    weights = [4 * (numbers([19, i], *shape) - 0.5) / (i + 1) for i, shape in
               enumerate(((5, 4), (4, 6)))]
    slopes = [2 * numbers([19, 5 + i], *W.shape) - 1 for i, W in enumerate(weights)]

    def magnitude(density=0.3125, scope="layer", weights=weights):
        return _numbered("magnitude", pruning.magnitude(weights, density, scope=scope))

    def snip(density=0.3125, scope="global", weights=weights):
        return _numbered("snip", pruning.snip(weights, slopes, density, scope=scope))

    other = magnitude(0.6875) | snip(0.6875)
    wrong = {
        "density of what is pruned, not of what stays": other,
        "the smallest stay": {key: 1 - M for key, M in other.items()},
        "over all layers, not layer by layer": magnitude(scope="global"),
        "layer by layer, not over all": snip(scope="layer"),
        "saliency is the gradient alone":
            snip(weights=[np.ones_like(W) for W in weights]),
        "magnitudes without their sign taken off":
            magnitude(weights=[W + 9 for W in weights])}
    text = ("masks of `density`: magnitude by layer, above the threshold; SNIP over "
            "all layers, not below the threshold; the threshold is number int((1 - "
            "density) P) of P scores in ascending order, from 0: refsnn.pruning, "
            "(1)-(3)")
    p = _numbered("W", weights) | _numbered("g", slopes) | {"density": 0.3125}
    return text, p, magnitude() | snip(), wrong
