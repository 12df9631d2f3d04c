"""Training a chip of your own
===========================

At the end of this tutorial, you have found a fault in the connection to a chip, have
corrected this fault, and have trained a classifier of digits with the chip in the loop.
"""
import matplotlib.pyplot as plt
import numpy as np
from refsnn import (chip, chip_weights, datasets, encoding, in_the_loop, losses,
                    optimisers, probe)

# %%
# The chip has m inputs, n neurons and k readouts.  To train your own, replace the
# body of ``run``: write the integers ``weights.hidden`` (n, m) and ``weights.readout``
# (k, n) to the chip, send the input spikes x (T, B, m) of T time bins and B images, and
# return the spikes (T, B, n) and the sampled potentials (T, B, n + k), in ADC codes.
# Here, ``run`` drives an emulated chip, whose samples arrive two time bins late.
m, n, k, dt = 64, 40, 4, 1.7e-6                     # dt: time bin, in seconds
device, noise = chip.draw(1, chip.CALIBRATED), np.random.default_rng(1)


def run(weights, x):
    spikes, samples = chip.emulate(device, weights, x, rng=noise, dt=dt)
    return spikes, np.concatenate([samples[:1], samples[:1], samples[:-2]])


# %%
# The probe finds the fault, and ``in_the_loop.record`` corrects the measured delay.
report = probe.probe(run, m, n, k, dt=dt)
print("The probe says:", *report.faults or ["No fault was found."])

# %%
# The task: images of the digits 0 to 3, in which a brighter pixel spikes earlier.
images, labels = datasets.digits()
images, labels = images[labels < k].reshape(-1, m), labels[labels < k]
x = encoding.latency(images, 20, tau=8e-6, dt=dt, dtype=np.float32)
train, test = datasets.split(labels, 0.25)


def classify(weights, part, delay=report.delay):
    written, s = chip_weights.integers(weights)     # s scales the readout weights
    rec = in_the_loop.record(run, written, x[:, part], gain=240 / s, delay=delay)
    return rec, in_the_loop.loss(rec, labels[part], reduction="reached", scaling=4.0)


# %%
# Training in the loop: the chip computes spikes and potentials.  Software computes the
# surrogate gradient from nominal parameters of the chip.  For another chip, pass dt,
# tau_syn, tau_mem, unit, limit and scale (here 240) to all functions that accept them.
rng, state, state_out, accuracies = np.random.default_rng(2), None, None, []
weights = chip_weights.initial(rng, m, n, k, dt=dt)
for _ in range(10):
    for part in np.array_split(rng.permutation(train), len(train) // 50):
        record, (_, dout, dspikes) = classify(weights, part)
        d = in_the_loop.gradients(weights, x[:, part], record, dout, dspikes, dt=dt)
        state, step = optimisers.adam(state, d.hidden, rate=0.003)
        state_out, step_out = optimisers.adam(state_out, d.readout, rate=0.003)
        weights = chip_weights.clip(weights._replace(
            hidden=weights.hidden + step, readout=weights.readout + step_out))
    record, _ = classify(weights, test)
    accuracies.append(losses.accuracy(record.out, labels[test]))
print(f"Held-out images: accuracy {accuracies[-1]:.3f}")

# %%
# Only with the correction does the potential fall directly after the spike.  Next,
# ``help("refsnn.calibration")`` explains how to calibrate the neurons of your chip.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
raw, _ = classify(weights, test, delay=None)
b, i = np.argwhere(record.spikes.sum(axis=0) == 1)[0]       # an image and a neuron
t = np.arange(len(x)) * dt * 1e6
left.plot(t, raw.mem[:, b, i], "--", label="samples as they arrive")
left.plot(t, record.mem[:, b, i], label="samples after the correction")
left.plot(t[record.spikes[:, b, i] > 0] + dt * 5e5, 1, "k^", label="spike")
left.set(title="Potential (thresholds)", xlabel="time (µs)", ylim=(-0.1, 1.5))
left.legend()
right.plot(np.arange(1, 11), accuracies, label="180 held-out images")
right.axhline(0.25, color="black", linestyle=":", label="guessing: 1/4")
right.set(title="Accuracy", xlabel="training epoch", ylim=(0, 1))
right.legend()
fig.savefig("train_a_chip.png", dpi=150)
