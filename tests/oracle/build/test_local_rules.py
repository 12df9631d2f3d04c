"""Vectors of local rules, by other routes."""

import numpy as np
import pytest
from tolerances import RTOL_FD

from refsnn import alif, bptt, feedback, lif, losses, superspike, surrogates
from refsnn.oracle import check
from refsnn.oracle.build.local_rules import ADAPTATION
from refsnn.oracle.diagnose import random_networks

VECTORS = check.vectors(["eprop", "eprop_reset", "bptt_adaptive", "feedback",
                         "superspike"])
RTOL = 1e-10


def near(a, b):
    return np.abs(a - b).max() < RTOL * np.abs(b).max()


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


def frozen(p, through=False, reset=None):
    """The gradient of adaptive neurons that read recorded spikes, as arrays."""
    names = ("alpha", "beta", "gain", "threshold", *ADAPTATION)
    decays = {key: p[key] for key in names}
    again = alif.simulate(p["x"], p["W"], p["V"], **decays)
    assert all((getattr(again, key) == p[key]).all()
               for key in ("mem", "spikes", "adapted"))
    psi = surrogates.fast_sigmoid(p["mem"] - p["adaptation"] * p["adapted"]
                                  - p["threshold"], p["steepness"])[1]
    _, d = losses.square(p["spikes"], p["target"])
    reset = through if reset is None else reset
    J, F = alif.linearise(p["x"], p["W"], p["V"], again, psi, through_reset=reset,
                          through_recurrence=through, **decays)
    flat = bptt.gradient(J, F, alif.credit(again, psi, d, adaptation=p["adaptation"]))
    n, m = p["W"].shape
    return {"dW": flat[:n * m].reshape(n, m), "dV": flat[n * m:].reshape(n, n)}


def test_eprop_is_the_gradient_of_neurons_that_read_recorded_spikes():
    p, right = VECTORS["eprop"].inputs, VECTORS["eprop"].outputs
    own, exact = frozen(p), frozen(p, True)
    for key in ("dW", "dV"):
        assert near(right[key], own[key]) and not near(right[key], exact[key])
        assert near(mutant("eprop", "exact gradient, not e-prop")[key], exact[key])
    assert p["adapted"].any() and 0.05 < p["spikes"].mean() < 0.6


def test_the_reset_in_the_traces():
    """Follow one neuron's derivatives by one weight, with and without the reset."""
    p = VECTORS["eprop_reset"].inputs
    assert all(np.array_equal(p[key], value) for key, value in
               VECTORS["eprop"].inputs.items())
    psi = surrogates.fast_sigmoid(p["mem"] - p["adaptation"] * p["adapted"]
                                  - p["threshold"], p["steepness"])[1]
    _, d = losses.square(p["spikes"], p["target"])
    for name, reset in (("eprop", 0), ("eprop_reset", p["threshold"])):
        for key, z in (("dW", p["x"]), ("dV", p["spikes"])):
            right = VECTORS[name].outputs[key]
            found = np.zeros_like(right)
            for i, j in np.ndindex(found.shape):
                s, u, a = np.zeros((3, z.shape[1]))
                for t in range(len(z)):
                    e = psi[t, :, i] * (u - p["adaptation"] * a)
                    found[i, j] += d[t, :, i] @ e
                    u = p["beta"] * u + p["gain"] * s - reset * e
                    s, a = p["alpha"] * s + z[t, :, j], p["rho"] * a + e
            assert near(found, right), (name, key)
    assert near(mutant("eprop_reset", "reset left out of the traces")["dW"],
                VECTORS["eprop"].outputs["dW"])
    assert near(mutant("eprop", "reset kept in the traces")["dW"],
                VECTORS["eprop_reset"].outputs["dW"])


def smooth(p):
    """The loss, if spikes follow the surrogate's value near the recording."""
    I, U, A = np.zeros((3, *p["mem"].shape[1:]))
    loss = 0
    for t, x in enumerate(p["x"]):
        v = U - p["adaptation"] * A - p["threshold"]
        S = p["spikes"][t] + v / (1 + p["steepness"] * np.abs(v)) - p["anchor"][t]
        loss += ((S - p["target"][t]) ** 2).sum() / (2 * len(S))
        I, U, A = (p["alpha"] * I + x @ p["W"].T + S @ p["V"].T,
                   p["beta"] * U + p["gain"] * I - p["threshold"] * S, p["rho"] * A + S)
    return loss


@pytest.mark.parametrize("key", ["W", "V", "rho", "threshold", "adaptation"])
def test_adaptive_neurons_by_differences(key):
    p, right = VECTORS["bptt_adaptive"].inputs, VECTORS["bptt_adaptive"].outputs
    v = p["mem"] - p["adaptation"] * p["adapted"] - p["threshold"]
    assert ((v > 0) == p["spikes"]).all() and np.abs(v).min() > 1e-4
    p = p | {"anchor": v / (1 + p["steepness"] * np.abs(v))}
    assert np.isclose(smooth(p), right["loss"], rtol=1e-12)
    toward = np.random.default_rng(5).normal(size=np.shape(p[key]))
    up, down = (smooth(p | {key: p[key] + sign * 1e-5 * toward}) for sign in (1, -1))
    slope = float((right[f"d{key}"] * toward).sum())
    assert abs(slope) > 1e-3 and np.isclose((up - down) / 2e-5, slope, rtol=RTOL_FD)


def test_functions_of_somebody_else():
    assert random_networks.assert_correct("eprop", frozen) > 20
    with pytest.raises(AssertionError, match="exact gradient, not e-prop"):
        random_networks.assert_correct("eprop", lambda p: frozen(p, True))
    assert random_networks.assert_correct(
        "eprop_reset", lambda p: frozen(p, reset=True)) > 20
    with pytest.raises(AssertionError, match="reset left out of the traces"):
        random_networks.assert_correct("eprop_reset", frozen)
    assert random_networks.assert_correct("feedback", lambda p: {
        "direct": p["error"] @ p["H"]}) > 20
    with pytest.raises(AssertionError, match="feedback in the same step"):
        random_networks.assert_correct("feedback", lambda p: {
            "alignment": p["dsyn"] @ p["G"]})


def test_feedback_by_hand():
    p, right = VECTORS["feedback"].inputs, VECTORS["feedback"].outputs
    T, B, n = p["spikes"].shape
    for t in range(T):
        for b in range(B):
            miss = p["G"] @ p["spikes"][t, b] - p["target"][t, b]
            assert np.allclose(right["local"][t, b], p["G"].T @ miss / B, rtol=1e-12)
            above = p["dsyn"][t + 1, b] if t + 1 < T else 0 * p["dsyn"][t, b]
            assert np.allclose(right["alignment"][t, b], p["G"].T @ above, rtol=1e-12)
            assert np.allclose(right["direct"][t, b], p["H"].T @ p["error"][t, b],
                               rtol=1e-12)
    eye = np.eye(p["x"].shape[2])
    trace = lif.simulate(p["x"], eye, threshold=1e9, **{
        key: p[key] for key in ("alpha", "beta", "gain")}).mem
    dW = np.einsum("tbi,tbj->ij", p["psi"] * right["direct"], trace)
    assert near(right["dW"], dW)
    assert near(feedback.presynaptic_trace(p["x"], alpha=p["alpha"], beta=p["beta"],
                                           gain=p["gain"]), trace)


def test_superspike_is_silent_nowhere():
    vector = VECTORS["superspike"]
    spikes, signal = vector.outputs["spikes"], vector.inputs["signal"]
    assert spikes.any(axis=(0, 1)).all() and not spikes.all(axis=0).any()
    assert {-1.0, 0.0, 1.0} == set(signal.ravel().tolist())


def test_superspike_is_the_module_step_by_step():
    p = VECTORS["superspike"].inputs
    settings = superspike.Settings(**{key: p[key] for key in superspike.Settings._fields
                                      if key in p})
    k = superspike.coefficients(settings)
    state, total = superspike.rest(k, *p["W"].shape), 0
    for x, signal in zip(p["x"], p["signal"], strict=True):
        state, step = superspike.forward(k, state, p["W"], x)
        state, dm, _ = superspike.accumulate(k, state, p["W"], step, signal)
        total = total + dm
    right = VECTORS["superspike"].outputs["dm"]
    np.testing.assert_allclose(total, right, rtol=0, atol=1e-12 * np.abs(right).max())
