"""Surrogate gradients from scratch
================================

At the end of this tutorial, you have a spiking network with a hard threshold, its
surrogate gradient, a proof that this gradient is correct, and a trained classifier.
"""
import matplotlib.pyplot as plt
import numpy as np
from refsnn import checks, lif, losses, optimisers, surrogates

# %%
# The task: each of m inputs spikes once in the T time steps of a sample.  The class of
# the sample determines the mean step of each spike.  Each spike count is 1.
rng, T, m, n, k, steepness = np.random.default_rng(1), 60, 30, 40, 4, 5.0
means = rng.integers(0, 40, (k, m))     # mean step, for k classes and m inputs
decays = {"alpha": 0.8, "beta": 0.9}    # per step, of synaptic current and potential


def draw(count):
    labels = rng.integers(0, k, count)
    times = np.clip(means[labels] + rng.integers(-8, 9, (count, m)), 0, T - 1)
    return (np.arange(T)[:, None, None] == times).astype(float), labels     # (T, B, m)


# %%
# The network has n leaky integrate-and-fire (LIF) neurons with the threshold 1, and k
# leaky readouts, whose sums over time are the class scores.  In the surrogate gradient,
# the slope psi of a fast sigmoid replaces the derivative of the hard threshold.
def forward(W, W_out, x, labels, spike=None):
    layer = lif.simulate(x, W, spike=spike, **decays)
    out = lif.readout(layer.spikes, W_out, gain=0.005, **decays)
    return *losses.cross_entropy(out, labels, "sum"), out, layer


def gradient(W, W_out, x, labels):
    _, dout, _, layer = forward(W, W_out, x, labels)
    top = lif.readout_backward(layer.spikes, W_out, dout, gain=0.005, **decays)
    psi = surrogates.fast_sigmoid(layer.mem - 1.0, steepness)[1]
    return lif.backward(x, W, None, layer, psi, top.dx, **decays).dW, top.dW


# %%
# Ordinary finite differences cannot test this gradient: a tiny change of the weights
# usually changes neither spikes nor loss.  The spike function of ``anchored`` gives the
# recorded spikes, but has the slope psi, so that finite differences prove the gradient.
# To see the proof fail, add reset="zero" to ``lif.simulate``, not to ``lif.backward``.
W, W_out, few = rng.normal(0.05, 0.2, (n, m)), rng.normal(0, 0.2, (k, n)), draw(2)
dW = gradient(W, W_out, *few)[0]
mem = forward(W, W_out, *few)[-1].mem
anchored = checks.anchored(lambda v: surrogates.fast_sigmoid(v, steepness), mem, 1.0)
try:
    checks.directional(lambda W: forward(W, W_out, *few)[0], W, dW, rng, names=["dW"])
except AssertionError as error:
    print("Hard threshold:", error)
checks.directional(lambda W: forward(W, W_out, *few, anchored)[0], W, dW, rng)
print("Anchored spike function: the surrogate gradient dW is correct.")
one, shifts = np.abs(dW) == np.abs(dW).max(), np.linspace(-0.12, 0.12, 241)
paths = {label: [forward(W + s * one, W_out, *few, spike)[0] for s in shifts] for label,
         spike in (("hard threshold", None), ("anchored spike function", anchored))}

# %%
# Training with Adam.  Next, ``learn_online.py`` learns without a backward pass in time.
train, test, curve, state, state_out = draw(200), draw(200), [], None, None
for _ in range(60):
    dW, dW_out = gradient(W, W_out, *train)
    state, step = optimisers.adam(state, dW, rate=0.01)
    state_out, step_out = optimisers.adam(state_out, dW_out, rate=0.01)
    W, W_out = W + step, W_out + step_out
    loss, _, out, _ = forward(W, W_out, *test)
    curve.append(loss)
print(f"Held-out: loss {loss:.3f}, accuracy {losses.accuracy(out, test[1], 'sum'):.3f}")
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(shifts, np.transpose([*paths.values()]), label=[*paths])
left.set(title="Loss of 2 samples (nats)", xlabel="change of one weight (thresholds)")
right.semilogy(curve, label="200 held-out samples")
right.axhline(np.log(k), color="black", linestyle=":", label="guessing: log 4")
right.set(title="Loss during training (nats)", xlabel="training step")
left.legend()
right.legend()
fig.savefig("surrogate_gradients.png", dpi=150)
