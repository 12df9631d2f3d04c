"""Vectors of LIF networks, by loops over steps and by finite differences.

Each spike is replaced by the recorded spike plus the change of the surrogate's value,
so that the surrogate derivative is the derivative of this smooth network.
"""

import numpy as np
import pytest
from answers import ANSWERS
from tolerances import RTOL_FD

from refsnn.oracle import check
from refsnn.oracle.diagnose import random_networks
from refsnn.oracle.matching import COUNTED, _same

VECTORS = check.vectors(["lif_constants", "lif_stack", "lif_readout", "lif_chunks",
                         "lif_wide", "lif_wide_decays"])
STEP = 1e-5


def value(v, k):
    """Primitive of 1/(k|v| + 1)^2."""
    return v / (1 + k * np.abs(v))


def layer(x, W, p, V=None, start=(0.0, 0.0), decays=None, anchor=None):
    """Spikes and membranes, step by step; `anchor` holds a recording."""
    alpha, beta = decays or (p["alpha"], p["beta"])
    I, U = (a + np.zeros((x.shape[1], len(W))) for a in start)
    spikes, mem = [], []
    for t in range(len(x)):
        v = U - p["threshold"]
        S = (v > 0).astype(float)
        if anchor is not None:
            S = anchor[0][t] + value(v, p["steepness"]) - value(anchor[1][t],
                                                                p["steepness"])
        spikes.append(S)
        mem.append(U)
        more = x[t] @ W.T + (0 if V is None else S @ V.T)
        I, U = alpha * I + more, beta * U + p["gain"] * I - p["threshold"] * S
    return np.array(spikes), np.array(mem)


def readout(x, p):
    I, U = np.zeros((2, x.shape[1], len(p["W_out"])))
    out = []
    for now in x:
        out.append(U)
        I, U = p["alpha"] * I + now @ p["W_out"].T, p["beta"] * U + p["gain"] * I
    return np.array(out)


def half_square(a, b):
    return ((a - b) ** 2).sum() / (2 * a.shape[1])


def constants(p, anchors=(None,)):
    decays = np.exp(-p["dt"] / p["tau_syn"]), np.exp(-p["dt"] / p["tau_mem"])
    spikes, mem = layer(p["x"], p["W"], p, p["V"], (p["syn0"], p["mem0"]), decays,
                        anchors[0])
    return {"loss": half_square(spikes, p["target"]), "spikes": spikes, "mem": mem}


def stack(p, anchors=(None, None)):
    spikes, mem = layer(p["x"], p["W"], p, anchor=anchors[0])
    spikes2, mem2 = layer(spikes, p["W2"], p, anchor=anchors[1])
    return {"loss": half_square(readout(spikes2, p), p["target"]), "spikes": spikes,
            "mem": mem, "spikes2": spikes2, "mem2": mem2}


def chunks(p, anchors=(None,)):
    """The layer without a cut."""
    spikes, mem = layer(p["x"], p["W"], p, p["V"], anchor=anchors[0])
    return {"loss": half_square(spikes, p["target"]), "spikes": spikes, "mem": mem}


def hidden(p, anchors=(None,)):
    spikes, mem = layer(p["x"], p["W"], p, p["V"], anchor=anchors[0])
    out = readout(spikes, p)
    top = np.exp(out.max(axis=0))
    own = top[np.arange(len(top)), p["labels"]] / top.sum(axis=1)
    return {"loss": -np.log(own).mean(), "spikes": spikes, "mem": mem, "out": out}


NETWORKS = {
    "lif_constants": (constants, ("W", "V", "tau_syn", "tau_mem", "gain", "threshold",
                                  "syn0", "mem0")),
    "lif_chunks": (chunks, ("W", "V", "x")),
    "lif_stack": (stack, ("W", "W2", "W_out", "x")),
    "lif_readout": (hidden, ("W", "V", "W_out", "x"))}


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_passes_step_by_step(name):
    network, _ = NETWORKS[name]
    right = VECTORS[name].outputs
    for key, found in network(VECTORS[name].inputs).items():
        assert _same(found, right[key], key in COUNTED, 1e-12), key


@pytest.mark.parametrize("name, toward", [
    ("lif_wide", {"W": np.array([1.0, -2.0, 0.5, 1.5])}),
    ("lif_wide_decays", {"W": np.array([1.0, -2.0]), "alpha": 1.0, "beta": 1.0})])
def test_sums_over_a_wide_layer(name, toward):
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    spikes, mem = layer(p["x"], p["W"], p)
    assert (right["counts"] == spikes.sum(axis=2)).all() and 0.1 < spikes.mean() < 0.7
    assert np.abs(mem - p["threshold"]).min() > 1e-6        # also safe in float32
    assert _same(mem.sum(axis=2), right["mem_sum"], False, 1e-12)
    anchor = spikes, mem - p["threshold"]

    def slope(key, toward):
        up, down = (half_square(layer(q["x"], q["W"], q, anchor=anchor)[0], p["target"])
                    for q in (p | {key: p[key] + sign * STEP * toward}
                              for sign in (1, -1)))
        return (up - down) / (2 * STEP)

    for key, to in toward.items():
        assert np.isclose(slope(key, to), (right[f"d{key}_sum"] * to).sum(),
                          rtol=RTOL_FD)
    assert np.isclose(slope("x", toward["W"]), (right["dx"] @ toward["W"]).sum(),
                      rtol=RTOL_FD)


def test_derivatives_by_the_state_at_the_cut():
    p, right = VECTORS["lif_chunks"].inputs, VECTORS["lif_chunks"].outputs
    K, spikes, mem = p["cut"], right["spikes"], right["mem"]
    state = {"mem": mem[K], "syn": (mem[K + 1] - p["beta"] * mem[K] + p["threshold"]
                                    * spikes[K]) / p["gain"]}
    anchor = spikes[K:], mem[K:] - p["threshold"]
    for key, value in state.items():
        toward = np.random.default_rng(5).normal(size=value.shape)
        ends = (state | {key: value + sign * STEP * toward} for sign in (1, -1))
        up, down = (half_square(layer(p["x"][K:], p["W"], p, p["V"], (
            end["syn"], end["mem"]), None, anchor)[0], p["target"][K:]) for end in ends)
        slope = float((right[f"d{key}"] * toward).sum())
        assert abs(slope) > 1e-2
        assert np.isclose((up - down) / (2 * STEP), slope, rtol=RTOL_FD)


@pytest.mark.parametrize("name", NETWORKS)
def test_random_networks_show_all_mistakes(name):
    assert random_networks.assert_correct(name, ANSWERS[name]) > 20


@pytest.mark.parametrize("name, key", [
    (name, key) for name, (_, keys) in NETWORKS.items() for key in keys])
def test_gradients_by_differences_of_the_smooth_network(name, key):
    network, keys = NETWORKS[name]
    p, right = VECTORS[name].inputs, VECTORS[name].outputs
    anchors = [(right[f"spikes{end}"], right[f"mem{end}"] - p["threshold"])
               for end in ("", "2") if f"spikes{end}" in right]
    assert {f"d{k}" for k in (*keys, "x", "syn", "mem")} >= {
        k for k in right if k[0] == "d"}
    toward = np.random.default_rng(5).normal(size=p[key].shape)
    step = STEP * np.abs(p[key]).max()
    up, down = (network(p | {key: p[key] + sign * step * toward}, anchors)["loss"]
                for sign in (1, -1))
    slope = float((right[f"d{key}"] * toward).sum())
    assert abs(slope * np.abs(p[key]).max()) > 1e-4
    assert np.isclose((up - down) / (2 * step), slope, rtol=RTOL_FD, atol=0)
