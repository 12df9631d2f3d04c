"""Test fast training against the automatic differentiation of other tools.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import numpy as np
import pytest
from scipy import sparse

from figures.speed import speed_lif
from refsnn.fast import lif as fast_lif

RTOL_PEERS = 1e-9       # float64, different order of summation
SAME = ("PyTorch", "JAX scan")


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


def problem(recurrent, seed, T=40, B=6, m=12, n=9, k=4):
    rng = np.random.default_rng(seed)
    return speed_lif.Problem(
        (rng.random((T, B, m)) < 0.3).astype(float), rng.normal(0.03, 0.2, (n, m)),
        rng.normal(0, 0.1, (n, n)) if recurrent else None, rng.normal(size=(k, n)),
        rng.normal(size=(T, B, k)), 0.8, 0.9, 10.0, 1)


def distance(got, wanted):
    assert got.shape == wanted.shape and np.linalg.norm(wanted) > 0
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def arrays(out, found):
    """Return the results of a step as float64 arrays."""
    out, *found = (np.asarray(a.detach() if hasattr(a, "detach") else a)
                   for a in (out, *found))
    assert out.dtype == np.float64
    return out, found


@pytest.mark.parametrize("as_events", [False, True])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SAME)
def test_outputs_and_gradients(name, recurrent, seed, as_events):
    p = problem(recurrent, seed)
    x = sparse.csr_matrix(p.x.reshape(-1, p.x.shape[2])) if as_events else p.x
    out, tape = fast_lif.forward(x, p.W, p.V, p.W_out, alpha=p.alpha, beta=p.beta,
                                 steps=len(p.x))
    assert 0.01 < (tape.mem > 1).mean() < 0.6
    found = fast_lif.gradients(tape, p.dout, steepness=p.steepness)
    theirs, grads = arrays(*speed_lif.PEERS[name][1](p)())
    assert distance(out, theirs) < RTOL_PEERS
    for got, wanted in zip([g for g in found if g is not None], grads, strict=True):
        assert distance(got, wanted) < RTOL_PEERS


@pytest.mark.parametrize("name", SAME)
def test_inference(name):
    p = problem(False, 5)._replace(dout=None)
    out = fast_lif.record(sparse.csr_matrix(p.x.reshape(-1, p.x.shape[2])), p.W,
                          p.W_out, steps=len(p.x), alpha=p.alpha, beta=p.beta)
    theirs, _ = arrays(speed_lif.PEERS[name][1](p)()[0], ())
    assert distance(out, theirs) < RTOL_PEERS


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_spikes_of_snntorch_two_steps_later(reset):
    """In snnTorch, x[t] acts on the membrane in step t, here on U[t+2]."""
    import snntorch
    import torch
    p = problem(False, 7)
    T, B, _ = p.x.shape
    x = np.concatenate([p.x, np.zeros((2,) + p.x.shape[1:])])
    _, tape = fast_lif.forward(x, p.W, None, p.W_out, alpha=p.alpha, beta=p.beta,
                               reset=reset)
    ours = (tape.mem > 1)[2:]
    neuron = snntorch.Synaptic(alpha=torch.tensor(p.alpha, dtype=torch.float64),
                               beta=torch.tensor(p.beta, dtype=torch.float64),
                               reset_mechanism=reset)
    syn = mem = torch.zeros((B, len(p.W)), dtype=torch.float64)
    with torch.no_grad():
        for t, now in enumerate(torch.from_numpy(p.x @ p.W.T)):
            spikes, syn, mem = neuron(now, syn, mem)
            assert np.array_equal(spikes.numpy() > 0, ours[t])
    assert ours.any()
