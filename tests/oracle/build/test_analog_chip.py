"""Vectors of the analog chip, by loops and by hand."""

import numpy as np

from refsnn import lif
from refsnn.oracle import check

VECTORS = check.vectors(["chip", "in_the_loop"])


def both(name):
    return VECTORS[name].inputs, VECTORS[name].outputs


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


def test_the_gradient_of_the_recording_is_that_of_a_lif_layer():
    p, right = both("in_the_loop")
    alpha, beta = (np.exp(-p["dt"] / p[key]) for key in ("tau_syn", "tau_mem"))
    psi = (p["steepness"] * np.abs(p["mem"] - p["threshold"]) + 1) ** -2.0
    peak, B, k = p["out"].max(axis=0), *p["out"].shape[1:]
    e = np.exp(p["scaling"] * peak)
    error = e / e.sum(axis=1, keepdims=True) - np.eye(k)[p["labels"]]
    slope = (p["scaling"] * error + 2 * p["cost_of_readout"] * peak / k) / B
    last = len(p["out"]) - 1 - np.argmax((p["out"] == peak)[::-1], axis=0)
    dout = slope * (np.arange(len(p["out"]))[:, None, None] == last)
    counts = p["spikes"].sum(axis=0)
    back = lif.readout_backward(p["spikes"], p["readout"], dout, alpha=alpha,
                                beta=beta)
    dspikes = back.dx + 2 * p["cost_of_bursts"] * counts / counts.size
    run = lif.Recording(p["mem"], p["mem"], p["spikes"], np.zeros(p["mem"].shape, bool))
    g = lif.backward(p["x"], p["hidden"], p["recurrent"], run, psi, dspikes,
                     alpha=alpha, beta=beta, through_reset=False)
    own = {"dhidden": g.dW, "drecurrent": g.dV, "dreadout": back.dW}
    assert own.keys() == right.keys() - {"loss"} and alpha != beta
    for key, value in own.items():
        assert np.abs(right[key] - value).max() < 1e-12 * np.abs(value).max()


def test_the_chip_s_loss_by_hand():
    p = VECTORS["in_the_loop"].inputs
    peak = p["out"].max(axis=0)
    z = p["scaling"] * peak
    cross = np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), p["labels"]]
    counts = p["spikes"].sum(axis=0)
    loss = cross.mean() + p["cost_of_readout"] * (peak ** 2).mean() \
        + p["cost_of_bursts"] * (counts ** 2).mean()
    assert np.isclose(VECTORS["in_the_loop"].outputs["loss"], loss, rtol=1e-13)
