"""Vectors of LIF layers: dyadic ones in float32, and the influence on a ring."""

import numpy as np
import pytest
from answers import ANSWERS

from refsnn import bptt, lif, losses, surrogates
from refsnn.oracle import check
from refsnn.oracle.build.lif_layers import FORWARD
from refsnn.oracle.diagnose import random_networks

VECTORS = check.vectors(["lif_forward", "lif_forward_dyadic", "bptt", "bptt_dyadic",
                         "bptt_dyadic_detached", "snap_2", "tbptt_rolling",
                         "tbptt_chunks", "online_steps"])
RTOL = 1e-10


def near(a, b):
    return np.abs(a - b).max() < RTOL * np.abs(b).max()


def test_all_axes_of_the_step_that_a_recording_shows_are_mutants():
    assert {axis for axes in FORWARD.values() for axis in axes} == {
        "input", "test", "record", "reset", "reset_at", "synapse", "decay", "gain",
        "spikes", "compare"}


@pytest.mark.parametrize("name", [name for name, v in VECTORS.items() if v.exact])
def test_dyadic_vectors_are_exact_in_float32(name):
    vector = VECTORS[name]
    single = {key: value.astype(np.float32) if np.ndim(value) else value
              for key, value in vector.inputs.items()}
    known = vector.inputs | vector.outputs
    assert single["W"].dtype == np.float32 and len(single["x"]) <= 16
    assert single["alpha"] == single["beta"] == 0.5
    constants = {key: single[key] for key in ("alpha", "beta", "gain", "threshold")}
    V = single.get("V")
    run = lif.simulate(single["x"], single["W"], V, **constants)
    for key in ("syn", "mem", "spikes"):
        assert getattr(run, key).dtype == np.float32
        assert (getattr(run, key) == known[key]).all()
    if "dW" not in vector.outputs:
        return
    psi = surrogates.triangle(run.mem - np.float32(1), single["steepness"])[1]
    loss, d = losses.square(run.spikes, single["target"])
    g = lif.backward(single["x"], single["W"], V, run, psi, d,
                     through_reset="detached" not in name, **constants)
    assert loss == vector.outputs["loss"] and g.dW.dtype == np.float32
    for key in ("dW", "dx"):
        assert (getattr(g, key) == vector.outputs[key]).all()


def test_dyadic_vectors_have_ties():
    for name in ("lif_forward_dyadic", "bptt_dyadic"):
        arrays = VECTORS[name].inputs | VECTORS[name].outputs
        assert (arrays["mem"] == arrays["threshold"]).any()


def test_no_factor_of_the_spiking_vectors_is_one():
    p = VECTORS["bptt"].inputs
    assert {p[key] == 1 for key in ("gain", "threshold", "steepness")} == {False}
    assert p["tau_syn"] != p["tau_mem"]


def test_the_ring_is_one_and_its_neighbours_alone_are_kept():
    """One frozen pass for each neuron: it and the next one read live spikes."""
    p, right = VECTORS["snap_2"].inputs, VECTORS["snap_2"].outputs
    V, n = p["V"], len(p["V"])
    ring = np.roll(np.eye(n), 1, axis=0) + np.eye(n)
    assert ((V != 0) <= (ring > 0)).all() and V[np.roll(np.eye(n), 1, 0) > 0].all()
    decays = {key: p[key] for key in ("alpha", "beta", "gain", "threshold")}
    run = lif.simulate(p["x"], p["W"], V, **decays)
    assert (run.spikes == p["spikes"]).all() and 0.05 < run.spikes.mean() < 0.7
    psi = surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]
    _, d = losses.square(run.spikes, p["target"])
    J, F, _ = lif.linearise(p["x"], p["W"], V, run, psi, **decays)
    q, m = lif.credit(psi, d), p["W"].shape[1]
    for i in range(n):
        kept = np.zeros(n, bool)
        kept[[i, (i + 1) % n]] = True
        rows = np.tile(kept, 2)                 # currents, then membranes
        cut = J * rows[:, None] * rows[None, :]
        flat = bptt.gradient(cut, F * rows[:, None], q * rows)
        assert near(right["dW"][i], flat[:n * m].reshape(n, m)[i])
        assert near(right["dV"][i], flat[n * m:].reshape(n, n)[i])


def recorded(name):
    """J, F, q and the number of steps K of a truncated vector."""
    p = VECTORS[name].inputs
    run = lif.Recording(p["syn"], p["mem"], p["spikes"], np.zeros(p["mem"].shape, bool))
    psi = surrogates.fast_sigmoid(run.mem - p["threshold"], p["steepness"])[1]
    _, d = losses.square(run.spikes, p["target"])
    J, F, _ = lif.linearise(p["x"], p["W"], p["V"], run, psi, **{
        key: p[key] for key in ("alpha", "beta", "gain", "threshold")})
    return J, F, lif.credit(psi, d), p["K"]


def same(name, found, flat):
    n, m = VECTORS[name].inputs["W"].shape
    return near(flat[:n * m].reshape(n, m), found["dW"]) and near(
        flat[n * m:].reshape(n, n), found["dV"])


@pytest.mark.parametrize("name", ["tbptt_rolling", "tbptt_chunks"])
def test_random_networks_show_all_mistakes(name):
    assert random_networks.assert_correct(name, ANSWERS[name]) > 20


def test_truncation_loss_by_loss():
    """The loss of step t acts back over K steps, or to the start of its chunk."""
    for name in ("tbptt_rolling", "tbptt_chunks"):
        J, F, q, K = recorded(name)
        total = 0
        for t in range(len(q)):
            first = max(0, t - K) if name == "tbptt_rolling" else t - t % K
            own = np.zeros_like(q[first:t + 1])
            own[-1] = q[t]
            here = F[first:t + 1].copy()
            if name == "tbptt_chunks":
                here[0] = 0             # the first state of the chunk is given
            total = total + bptt.gradient(J[first:t + 1], here, own)
        assert same(name, VECTORS[name].outputs, total)
        whole = bptt.gradient(J, F, q)
        assert not same(name, VECTORS[name].outputs, whole)
        wrong = {m.name: m.outputs for m in VECTORS[name].mutants}
        assert same(name, wrong["exact gradient, not truncated"], whole)
        late = bptt.gradient(J, F * (np.arange(len(q)) >= len(q) - K)[
            :, None, None, None], q)
        words = "truncation counted from the end of the sequence"
        assert same(name, wrong[words], late)


def test_each_step_of_online_rules_by_traces_of_all_weights():
    p, right = VECTORS["online_steps"].inputs, VECTORS["online_steps"].outputs
    T, B, n = p["spikes"].shape
    z, own = np.concatenate([p["x"], p["spikes"]], axis=2), np.eye(n)
    psi = (p["steepness"] * np.abs(p["mem"] - p["threshold"]) + 1) ** -2.0
    for key, paths, reset in (("exact", p["V"], 1), ("block", own * p["V"], 1),
                              ("implicit", 0 * own, 1), ("eprop", 0 * own, 0)):
        s, u = np.zeros((2, B, n, n, z.shape[2]))       # sample, k, i, j
        for t in range(T):
            e = psi[t][:, :, None, None] * u
            d = (p["spikes"] - p["target"])[t] / B
            share = np.einsum("bk,bkij->ij", d, e)
            assert np.allclose(right[f"dWV_{key}"][t], np.concatenate(
                [share[:, :-n].ravel(), share[:, -n:].ravel()]), rtol=1e-11, atol=1e-14)
            u = p["beta"] * u + p["gain"] * s - reset * p["threshold"] * e
            s = p["alpha"] * s + np.einsum("ki,bj->bkij", own, z[t]) + np.einsum(
                "kl,blij->bkij", paths, e)


def test_the_exact_steps_are_shares_of_the_whole_gradient():
    p, right = VECTORS["online_steps"].inputs, VECTORS["online_steps"].outputs
    whole = ANSWERS["bptt"](p)
    whole = np.concatenate([whole["dW"].ravel(), whole["dV"].ravel()])
    by_weight = next(m.outputs["dWV_exact"] for m in VECTORS["online_steps"].mutants
                     if m.id == "online_steps/by-step-of-weight")
    assert near(right["dWV_exact"].sum(axis=0), whole)
    assert near(by_weight.sum(axis=0), whole)
    assert not near(by_weight, right["dWV_exact"])
