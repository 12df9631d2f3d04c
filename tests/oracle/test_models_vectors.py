"""Vectors of a chip and of images by hand and by finite differences."""

import numpy as np
import pytest
from proofs import blinded, slopes_hold
from tolerances import RTOL

from refsnn import mlp
from refsnn.oracle import compare
from refsnn.oracle.models_vectors import MODELS

VECTORS = {name: make() for name, make in MODELS.items()}


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_can_fail(name):
    with pytest.raises(ValueError, match="blind"):
        compare.alive(blinded(VECTORS[name]))


def both(name):
    return VECTORS[name].inputs, VECTORS[name].outputs


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name.startswith(words))


def close(a, b):
    return np.allclose(a, b, rtol=RTOL, atol=RTOL * np.abs(b).max())


# ---- the chip -----------------------------------------------------------------------

def kernel(h, rise, decay):
    return (np.exp(-h / rise) - np.exp(-h / decay)) / (1 / decay - 1 / rise)


def chip_image(p, x):
    """Spikes, codes and the least distance to threshold of an image, by loops."""
    n, N, m = len(p["hidden"]), len(p["leak"]), x.shape[1]
    K = round(p["dt"] / p["step"])
    weights = np.zeros((N, m + n))
    weights[:n, :m], weights[:n, m:] = p["hidden"], p["recurrent"]
    weights[n:, m - m:n] = p["readout"]         # readouts read the neurons' lines
    spikes, codes = np.zeros((len(x), n)), np.zeros((len(x), N))
    v, flow, held, nearest = np.zeros(N), np.zeros((2, N)), np.zeros(N, int), np.inf
    sent, unit = np.zeros(n), kernel(p["dt"], p["nominal_tau"], p["nominal_tau"] * (
        1 - 1e-9))
    for j in range(len(x) * K):
        t = j // K
        if j:
            for s, sign in ((0, 1), (1, -1)):
                v_s = kernel(p["dt"] / K, p["tau_syn"][s], p["tau_mem"]) / unit
                v = v + sign * v_s * flow[s] if s else \
                    v * np.exp(-p["dt"] / K / p["tau_mem"]) + v_s * flow[s]
            flow = flow * np.exp(-p["dt"] / K / p["tau_syn"])
        v = np.where(held > 0, p["reset"], v)
        gap = np.where((held > 0)[:n], np.inf, np.abs(v[:n] - p["threshold"][:n]))
        nearest, fired = min(nearest, gap.min()), np.zeros(N, bool)
        fired[:n] = (v > p["threshold"])[:n] & (held[:n] == 0)
        held = np.where(fired, round(p["refractory"] / (p["dt"] / K)),
                        np.maximum(held - 1, 0))
        v = np.where(fired, p["reset"], v)
        spikes[t] = np.maximum(spikes[t], fired[:n])
        if j % K == 0:
            codes[t] = np.clip(np.floor(
                p["code_leak"] + p["adc_offset"] + p["code_threshold"] * (
                    1 + p["adc_gain"]) * (v + p["leak"])), 0, 255)
        came = x[t - 1] if j % K == 0 and t else np.zeros(m)
        for s, part in enumerate((np.maximum(weights, 0), np.maximum(-weights, 0))):
            scaled = p["gain"][s][:, None] * part / p["scale"]
            flow[s, :n] += (scaled * p["synapse"][s])[:n, :m] @ came
            flow[s, :n] += (scaled * p["synapse"][s])[:n, m:] @ sent
            flow[s, n:] += (scaled[:, :n] * p["synapse"][s][:, :n])[n:] @ sent
        sent = fired[:n].astype(float)
    return spikes, codes, nearest


def test_the_chip_neuron_by_neuron():
    p, right = both("chip")
    for b in range(p["x"].shape[1]):
        spikes, codes, nearest = chip_image(p, p["x"][:, b])
        assert nearest > 1e-6 and spikes.sum() > 10
        assert np.array_equal(spikes, right["spikes"][:, b])
        assert np.array_equal(codes, right["codes"][:, b])
    assert right["codes"].min() == 0 and right["codes"].max() > 150


# ---- images --------------------------------------------------------------------------

def outputs(p, W0, b0, W1, b1):
    """The network position by position; distance of its maxima to flips."""
    N, side, _, _ = p["x"].shape
    z = np.zeros((N, side - 2, side - 2, len(W0)))
    for row in range(side - 2):
        for column in range(side - 2):
            patch = p["x"][:, row:row + 3, column:column + 3]
            z[:, row, column] = np.einsum("nijc,oijc->no", patch, W0) + b0
    rows, least = [], np.abs(z).min()
    for row in (0, 2):
        for column in (0, 2):
            window = np.sort(z[:, row:row + 2, column:column + 2].reshape(N, 4, -1), 1)
            least = min(least, (window[:, 3] - window[:, 2]).min())
            rows.append(np.maximum(window[:, 3], 0))
    return np.concatenate(rows, axis=1) @ W1.T + b1, least


def test_the_convolution_by_loops_and_differences():
    p, right = both("convnet")
    names = ("W0", "b0", "W1", "b1")
    found, least = outputs(p, *(p[key] for key in names))
    assert close(found, right["outputs"]) and least > 1e-3
    for seed, name in enumerate(names):
        def value(array, name=name):
            return (p["doutputs"] * outputs(p, *(
                array if key == name else p[key] for key in names))[0]).sum()

        assert slopes_hold(value, p[name], right[f"d{name}"], seed)
    turned = outputs(p, p["W0"][:, ::-1, ::-1], *(p[key] for key in names[1:]))[0]
    assert close(turned, mutant("convnet", "kernel turned over")["outputs"])


def test_the_linearised_network_step_by_step():
    p, right = both("linearised")
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
