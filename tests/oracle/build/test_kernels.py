"""Vectors of tangent kernels and masks, by other routes."""

import numpy as np
import pytest
from scipy import linalg
from tolerances import RTOL

from refsnn import mlp
from refsnn.oracle import check
from refsnn.oracle.build.kernels import REDUCED

VECTORS = check.vectors(["ntk_full", "ntk_sum_logits", "ntt_at_masked",
                         "ntt_through_mask", "linearised", "pruning"])


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


def network(p):
    """Outputs (N, K) and derivatives (N, K, ...) of a ReLU network by name."""
    inputs, gates, z = [p["x"]], [], None
    for i in range(3):
        z = inputs[i] @ p[f"W{i}"].T + p[f"b{i}"]
        gates.append(z.real > 0)
        inputs.append(z * gates[i])
    signal, jac = np.eye(z.shape[1])[None] * np.ones((len(z), 1, 1)), {}
    for i in (2, 1, 0):
        jac[f"W{i}"] = np.einsum("nki,nj->nkij", signal, inputs[i])
        jac[f"b{i}"] = signal
        signal = (signal @ p[f"W{i}"]) * gates[i - 1][:, None] if i else None
    return z, jac


def gram(left, right):
    return sum(np.einsum("nkp,mqp->nmkq", a.reshape(*a.shape[:2], -1),
                         b.reshape(*b.shape[:2], -1))
               for a, b in zip(left, right, strict=True))


def near(a, b):
    return np.abs(a - b).max() < RTOL * np.abs(b).max()


def test_kernels_by_hand():
    p = VECTORS["ntk_full"].inputs
    _, jac = network(p)
    step = p | {"W1": p["W1"] + 1e-30j}             # the derivatives are derivatives
    assert near(network(step)[0].imag / 1e-30, jac["W1"].sum(axis=(2, 3)))
    full = gram(jac.values(), jac.values())
    assert near(VECTORS["ntk_full"].outputs["kernel"], full)
    assert near(VECTORS["ntk_sum_logits"].outputs["kernel"], full.sum(axis=(2, 3)))
    assert near(mutant("ntk_sum_logits", "mean, not sum, of the logits")["kernel"],
                full.mean(axis=(2, 3)))
    trace = np.trace(full, axis1=2, axis2=3)
    assert near(mutant("ntk_full", REDUCED["trace_sum"][0])["kernel"], trace)
    assert near(mutant("ntk_full", REDUCED["trace_mean"][0])["kernel"], trace / 3)
    for names, words in ((["W0", "W1", "W2"], "biases left out"),
                         (["W2", "b2"], "last layer only")):
        part = [jac[name] for name in names]
        assert near(mutant("ntk_full", words)["kernel"], gram(part, part))


def transfer(p, through, l2_by_density=True):
    """The transfer loss, from its definition."""
    masked = p | {f"W{i}": p[f"W{i}"] * p[f"M{i}"] for i in range(3)}
    outputs, jac = network(masked)
    if through:
        jac |= {f"W{i}": jac[f"W{i}"] * p[f"M{i}"] for i in range(3)}
    half = len(outputs) // 2
    K = gram([a[:half] for a in jac.values()], [a[half:] for a in jac.values()])
    l2 = sum((masked[f"W{i}"] ** 2).sum() for i in range(3))
    return p["strength"] * ((K - p["goal_kernel"]) ** 2).mean() \
        + ((outputs - p["goal_outputs"]) ** 2).mean() \
        + p["l2"] / (p["density"] if l2_by_density else 1) * l2


@pytest.mark.parametrize("name", ["ntt_at_masked", "ntt_through_mask"])
def test_the_transfer_loss_and_its_gradient(name):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    through = name == "ntt_through_mask"
    assert near(right["loss"], transfer(p, through))
    assert not near(right["loss"], transfer(p, not through))
    assert near(mutant(name, "L2 not divided by the density")["loss"],
                transfer(p, through, False))
    for seed in (1, 2):
        rng, moved, slope = np.random.default_rng(seed), dict(p), 0.0
        for key in (f"{letter}{i}" for i in range(3) for letter in "Wb"):
            direction = rng.normal(size=p[key].shape)
            moved[key] = p[key] + 1e-30j * direction
            slope += (right[f"d{key}"] * direction).sum()
        assert near(transfer(moved, through).imag / 1e-30, slope)


def test_pruned_weights_have_no_gradient():
    p, right = (getattr(VECTORS["ntt_at_masked"], part) for part in
                ("inputs", "outputs"))
    wrong = mutant("ntt_at_masked", "pruned weights get a gradient")
    for i in range(3):
        pruned = p[f"M{i}"] == 0
        assert pruned.any() and not pruned.all()
        assert (right[f"dW{i}"][pruned] == 0).all() and wrong[f"dW{i}"][pruned].any()


def close(a, b):
    return np.allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


def test_the_linearised_network_step_by_step():
    p, right = VECTORS["linearised"].inputs, VECTORS["linearised"].outputs
    weights, biases = [p["W0"], p["W1"]], [p["b0"], p["b1"]]
    runs = [mlp.forward(weights, biases, p[key]) for key in ("x", "x_test")]
    J, J_test = (mlp.jacobian(r, mlp.signals(weights, r)) for r in runs)
    moved, after = np.zeros(J.shape[2]), {}
    for step in range(1, max(p["steps"]) + 1):
        error = runs[0].outputs + J @ moved - p["targets"]
        moved = moved - p["rate"] * np.einsum("nk,nkp->p", error, J) / len(error)
        after[step] = moved
    for s, step in enumerate(p["steps"]):
        assert close(runs[0].outputs + J @ after[step], right["train"][s])
        assert close(runs[1].outputs + J_test @ after[step], right["test"][s])
    flow = mutant("linearised", "continuous flow, not steps")
    J, J_test = (a.reshape(-1, a.shape[2]) for a in (J, J_test))
    kernels, start = p["rate"] / 4 * np.concatenate([J, J_test]) @ J.T, runs[0].outputs
    system = np.hstack([-kernels, np.zeros((14, 6))])       # of both errors, in time
    error = np.append(start - p["targets"], np.zeros(6))
    for s, step in enumerate(p["steps"]):
        train, test = np.split(linalg.expm(step * system) @ error, [8])
        assert close(p["targets"] + train.reshape(4, 2), flow["train"][s])
        assert close(runs[1].outputs + test.reshape(3, 2), flow["test"][s])


def test_masks_by_hand():
    p, right = VECTORS["pruning"].inputs, VECTORS["pruning"].outputs
    for i in range(2):
        W = np.abs(p[f"W{i}"])
        edge = np.sort(W.ravel())[int((1 - p["density"]) * W.size)]
        assert (right[f"magnitude{i}"] == (W > edge)).all()
    every = np.concatenate([np.abs(p[f"W{i}"] * p[f"g{i}"]).ravel() for i in range(2)])
    edge = np.sort(every)[int((1 - p["density"]) * every.size)]
    for i in range(2):
        assert (right[f"snip{i}"] == (np.abs(p[f"W{i}"] * p[f"g{i}"]) >= edge)).all()
