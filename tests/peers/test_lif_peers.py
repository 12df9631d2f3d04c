"""Test gradients by time constants, threshold and initial state against autograd.

Not part of the suite: needs the `peers` extra, and fails without it.
"""

import numpy as np
import pytest
import torch

from refsnn import lif, losses, surrogates

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")   # torch's own

RTOL_PEERS, STEEPNESS, DT = 1e-9, 3.0, 1e-3


@pytest.fixture(autouse=True)
def float_errors_as_the_tools_want():
    with np.errstate(all="ignore"):
        yield


def problem(seed, reset):
    """Return input, target, and the parameters by name, of a layer that spikes."""
    rng = np.random.default_rng(seed)
    T, B, m, n = 25, 3, 4, 5
    while True:
        x = (rng.random((T, B, m)) < 0.4).astype(float)
        p = {"W": rng.normal(0.5, 0.8, (n, m)), "V": rng.normal(0, 0.6, (n, n)),
             "tau_syn": rng.uniform(2e-3, 6e-3, n),
             "tau_mem": rng.uniform(5e-3, 2e-2, n),
             "gain": rng.uniform(0.5, 1.5, n), "threshold": rng.uniform(0.7, 1.5, n),
             "syn": rng.normal(size=(B, n)), "mem": rng.normal(size=(B, n))}
        rec, _ = lif.run(x, p["W"], p["V"], lif.State(p["syn"], p["mem"]), **model(p),
                         reset=reset)
        if 0.05 < rec.spikes.mean() < 0.7:
            return x, rng.random((T, B, n)), p


def model(p):
    return {"alpha": np.exp(-DT / p["tau_syn"]), "beta": np.exp(-DT / p["tau_mem"]),
            "gain": p["gain"], "threshold": p["threshold"]}


def ours(x, target, p, reset):
    """Return the loss and its derivatives in the order of `p`."""
    k = model(p)
    rec, _ = lif.run(x, p["W"], p["V"], lif.State(p["syn"], p["mem"]), **k, reset=reset)
    loss, dspikes = losses.square(rec.spikes, target)
    psi = surrogates.fast_sigmoid(rec.mem - k["threshold"], STEEPNESS)[1]
    g = lif.backward(x, p["W"], p["V"], rec, psi, dspikes, **k, reset=reset,
                     constants=True)
    return loss, [g.dW, g.dV, g.dalpha * k["alpha"] * DT / p["tau_syn"] ** 2,
                  g.dbeta * k["beta"] * DT / p["tau_mem"] ** 2, g.dgain,
                  g.dthreshold + g.direct, *g.dstate[:2]]


def in_torch(x, target, p, reset):
    t = {name: torch.tensor(value, requires_grad=True) for name, value in p.items()}
    alpha, beta = (torch.exp(-DT / t[name]) for name in ("tau_syn", "tau_mem"))
    syn, mem, spikes = t["syn"], t["mem"], []
    for step in torch.tensor(x):
        v = mem - t["threshold"]
        f = v / (1 + STEEPNESS * v.abs())
        S = (v > 0) + (f - f.detach())
        leak = beta * mem + t["gain"] * syn
        syn = alpha * syn + step @ t["W"].T + S @ t["V"].T
        mem = leak * (1 - S) if reset == "zero" else leak - t["threshold"] * S
        spikes.append(S)
    loss = ((torch.stack(spikes) - torch.tensor(target)) ** 2).sum() / (2 * x.shape[1])
    loss.backward()
    return loss.item(), [a.grad.numpy() for a in t.values()]


def in_jax(x, target, p, reset):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    stop = jax.lax.stop_gradient

    def loss(t):
        alpha, beta = (jax.numpy.exp(-DT / t[name]) for name in ("tau_syn", "tau_mem"))

        def advance(state, step):
            syn, mem = state
            v = mem - t["threshold"]
            f = v / (1 + STEEPNESS * abs(v))
            S = (v > 0) + (f - stop(f))
            leak = beta * mem + t["gain"] * syn
            syn = alpha * syn + step @ t["W"].T + S @ t["V"].T
            return (syn, leak * (1 - S) if reset == "zero"
                    else leak - t["threshold"] * S), S

        spikes = jax.lax.scan(advance, (t["syn"], t["mem"]), x)[1]
        return ((spikes - target) ** 2).sum() / (2 * x.shape[1])

    value, grad = jax.value_and_grad(loss)(p)
    return float(value), [np.asarray(grad[name]) for name in p]


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("tool", [in_torch, in_jax])
@pytest.mark.parametrize("seed", range(3))
def test_every_derivative_equals_autograd(tool, reset, seed):
    x, target, p = problem(seed, reset)
    loss, mine = ours(x, target, p, reset)
    other, theirs = tool(x, target, p, reset)
    assert abs(loss - other) <= RTOL_PEERS * loss
    for name, a, b in zip(p, mine, theirs, strict=True):
        size = np.linalg.norm(b)
        assert size > 1e-3 and np.linalg.norm(a - b) <= RTOL_PEERS * size, name
