"""Vectors of approximate rules by other routes."""

import numpy as np
import pytest
from proofs import blinded

from refsnn import alif, bptt, feedback, lif, losses, surrogates
from refsnn.oracle import check, compare
from refsnn.oracle.online_vectors import ONLINE, OWN, RINGS

VECTORS = {name: make(*arguments) for name, (make, arguments) in RINGS.items()} | {
    name: make(name, *sizes, **options)
    for name, (make, options, sizes) in ONLINE.items()}
RTOL = 1e-10


@pytest.mark.parametrize("name", VECTORS)
def test_every_vector_can_fail(name):
    with pytest.raises(ValueError, match="blind"):
        compare.alive(blinded(VECTORS[name]))


def near(a, b):
    return np.abs(a - b).max() < RTOL * np.abs(b).max()


def mutant(name, words):
    return next(m.outputs for m in VECTORS[name].mutants if m.name == words)


def frozen(p, through=False):
    """The gradient of adaptive neurons that read recorded spikes, as arrays."""
    decays = {key: p[key] for key in ("alpha", "beta", "gain", "threshold", *OWN)}
    again = alif.simulate(p["x"], p["W"], p["V"], **decays)
    assert all((getattr(again, key) == p[key]).all()
               for key in ("mem", "spikes", "adapted"))
    psi = surrogates.fast_sigmoid(p["mem"] - p["adaptation"] * p["adapted"]
                                  - p["threshold"], p["steepness"])[1]
    _, d = losses.square(p["spikes"], p["target"])
    J, F = alif.linearise(p["x"], p["W"], p["V"], again, psi, through_reset=through,
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


def test_functions_of_somebody_else():
    assert check.check_gradient("eprop", frozen) > 20
    with pytest.raises(AssertionError, match="exact gradient, not e-prop"):
        check.check_gradient("eprop", lambda p: frozen(p, True))
    assert check.check_gradient("feedback", lambda p: {
        "direct": p["error"] @ p["H"]}) > 20
    with pytest.raises(AssertionError, match="feedback in the same step"):
        check.check_gradient("feedback", lambda p: {
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
