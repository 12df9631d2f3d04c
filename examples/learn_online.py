"""
Learning online in a stack, with learned time constants
=======================================================

At the end, you have a network with two hidden layers that learns to draw a curve while
it runs: weights and membrane time constants change at every time step, and no past
states are stored. You can exchange the learning rule by changing one word.
"""

# %%
# Input and target: 60 input neurons repeat one random spike pattern of 0.2 s.  The two
# readouts should follow two curves.  All times are in seconds.

from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from refsnn import optimisers, stack, surrogates

rng, dt, steps = np.random.default_rng(0), 1e-3, 200
time = dt * np.arange(steps)
spikes = (rng.random((steps, 1, 60)) < 0.03).astype(float)
target = np.stack([np.sin(2 * np.pi * 10 * time), np.sin(2 * np.pi * 5 * time) ** 2], 1)

# %%
# The network: each layer has input weights, here also recurrent weights V, and time
# constants.  A time constant of shape (n,) is learned for each neuron.  The network learns
# the logarithm of a time constant, which therefore stays positive.


def weights(n, m, scale):
    return scale * rng.standard_normal((n, m)) / np.sqrt(m)


def constants(n):
    return {"tau_syn": 5e-3, "tau_mem": np.full(n, 20e-3)}


start = [stack.layer(weights(40, 60, 1.5), weights(40, 40, 0.3), **constants(40)),
         stack.layer(weights(40, 40, 1.0), weights(40, 40, 0.3), **constants(40)),
         stack.layer(weights(2, 40, 0.1), tau_syn=5e-3, tau_mem=20e-3)]

# %%
# Learning: one pass over the pattern is a trial.  `stack.step` simulates one time step and
# returns the gradient of the squared error of this step; `stack.descend` changes the
# weights and the asked constants.


surrogate = partial(surrogates.fast_sigmoid, steepness=2.0)


def learn(rule, learned, trials=40):
    """Return the layers, the error of each trial, and the output in the last trial."""
    layers, moments, errors = start, None, []
    for _ in range(trials):
        state, output = None, []
        for x, wanted in zip(spikes, target):
            now, state = stack.step(layers, x, state, lambda y, t=wanted: y - t,
                                    rule=rule, dt=dt, learn=learned,
                                    surrogate=surrogate)
            layers, moments = stack.descend(
                layers, now.gradients, partial(optimisers.adam, rate=2e-3), moments)
            output.append(now.potentials[0])
        errors.append(np.mean((np.array(output) - target) ** 2))
    return layers, errors, np.array(output)


fixed = learn("block", [])
layers, errors, output = learn("block", ["tau_mem"])
print(f"mean squared error, first and last trial: {errors[0]:.3f}, {errors[-1]:.3f}; "
      f"with fixed time constants: {fixed[1][-1]:.3f}")
