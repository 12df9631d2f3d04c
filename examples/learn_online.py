"""Learning online in a stack, with learned time constants
=======================================================

At the end of this tutorial, you have a network with two hidden layers that learns while
it runs: weights and time constants change at every time step, and no past is stored.
"""
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from refsnn import datasets, optimisers, stack, surrogates

# %%
# The task: images of the digits 0, 1 and 2.  The rows of an image arrive one after the
# other, for 3 ms each, so that the network must remember earlier rows.
images, labels = (part[datasets.digits()[1] < 3] for part in datasets.digits())
x = np.repeat(images.transpose(1, 0, 2), 3, axis=0)     # (time step, image, column)
x = np.concatenate([x, np.zeros_like(x[:6])])           # 6 ms without input
train, test = datasets.split(labels, 0.25)
# %%
# The network: a layer has input weights and time constants in seconds.  Each hidden
# neuron has its own time constants.  The last layer is the readout, and does not spike.
# A layer holds the logarithm of a time constant, which therefore stays positive.
rng, each = np.random.default_rng(0), np.ones(20)
sizes = (20, 8, 8.0, each), (20, 20, 8.0, each), (3, 20, 1.0, 1)
start = [stack.layer(scale * rng.standard_normal((n, m)) / np.sqrt(m),
                     tau_syn=5e-3 * one, tau_mem=10e-3 * one)
         for n, m, scale, one in sizes]
model = {"dt": 1e-3, "gain": None,                      # gain 1 - exp(-dt / tau_mem)
         "surrogate": partial(surrogates.fast_sigmoid, steepness=5.0)}
adam = partial(optimisers.adam, rate=2e-3, beta1=0.99)

# %%
# Learning: ``stack.step`` simulates one time step of all layers, and returns the
# gradient of the cross entropy of this step.  ``error`` is the derivative of the cross
# entropy with respect to the readout potentials y.


def error(y, part):
    odds = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    return (odds - np.eye(3)[labels[part]]) / len(part)


def learn(rule, constants):
    layers, memory = start, None
    for _ in range(3):
        for part in np.array_split(rng.permutation(train), len(train) // 16):
            state = None
            for now in x[:, part]:
                result, state = stack.step(layers, now, state, partial(
                    error, part=part), rule=rule, learn=constants, **model)
                layers, memory = stack.descend(layers, result.gradients, adam, memory)
    return layers


# %%
# "block" is block-diagonal real-time recurrent learning; exchange it for another rule.
learned = {"nothing": start, "the readout": learn("readout alone", []),
           "all parameters": learn("block", ["tau_syn", "tau_mem"])}
found = {}
for name, layers in learned.items():
    state, score = None, 0
    for t, now in enumerate(x[:, test]):
        result, state = stack.step(layers, now, state, rule="readout alone", **model)
        score = score + result.potentials * (t >= 24)       # the 6 ms without input
    found[name] = np.mean(score.argmax(axis=1) == labels[test])
    print(f"Learned: {name}; on held-out images, accuracy {found[name]:.3f}")

# %%
# Next: ``help("refsnn.stack.online")`` states which derivatives each rule keeps.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.bar(list(found), list(found.values()))
left.axhline(1 / 3, color="black", linestyle=":", label="guessing: 1/3")
left.legend(loc="upper left")
left.set(title="Accuracy on held-out images", xlabel="what is learned", ylim=(0, 1))
for i in (0, 1):
    right.plot(*(1e3 * np.exp(layers[i][2:4])), "o^"[i], label=f"hidden layer {i + 1}")
right.set(title="Learned time constants (ms)", xlabel="synaptic", ylabel="membrane")
right.legend()
fig.savefig("learn_online.png", dpi=150)
