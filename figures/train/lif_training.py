"""Train spiking networks with `refsnn.lif`.

A network has one or more hidden layers of leaky integrate-and-fire (LIF) neurons, and a
leaky readout.  The weights of the network are a list of arrays: the input weights of
each hidden layer, followed by the weights of the readout.  All layers have the
constants in `Net`.  All computations use the dtype of the weights; float32 is faster
than float64.

In array shapes, T is the number of time steps, and B is the number of patterns in a
batch.  A layer has m inputs and n neurons, and the network has k readouts.

    run = lif_training.forward(weights, x, net)
    loss, drecord = losses.cross_entropy(run.record, labels)
    dweights = lif_training.gradients(weights, x, run, drecord, net)
    weights, states = lif_training.update(weights, dweights, states, rate=2e-3)
"""

from typing import NamedTuple

import numpy as np

from refsnn import lif, losses, optimisers, surrogates

TAU_MEM_S, TAU_SYN_S, DT_S = 10e-3, 5e-3, 1e-3      # as in the [NMZ19] tutorials


class Net(NamedTuple):
    """The constants of all layers.

    surrogate : a name in `surrogates.SURROGATES`, or "none" for a derivative of 0.
    """

    alpha: float = float(np.exp(-DT_S / TAU_SYN_S))
    beta: float = float(np.exp(-DT_S / TAU_MEM_S))
    reset: str = "zero"
    through_reset: bool = False
    surrogate: str = "fast_sigmoid"
    steepness: float = 100.0

    def constants(self):
        return {"alpha": self.alpha, "beta": self.beta}


class Run(NamedTuple):
    """This class holds the results of a simulation."""

    hidden: list            # the recording of each hidden layer, from `lif.simulate`
    record: np.ndarray      # membrane potentials (T, B, k) of the readouts


def initial(generator, sizes, scale, dtype=np.float64):
    """Sample weights from N(0, scale^2 / fan_in).

    sizes : number of inputs, and number of neurons of each layer.
    """
    scales = np.broadcast_to(scale, (len(sizes) - 1,))
    return [(generator.standard_normal((post, pre)) * s / np.sqrt(pre)).astype(dtype)
            for pre, post, s in zip(sizes[:-1], sizes[1:], scales, strict=True)]


def forward(weights, x, net):
    """Simulate a network for input spikes of shape (T, B, m)."""
    hidden = []
    for W in weights[:-1]:
        hidden.append(lif.simulate(x, W, reset=net.reset, **net.constants()))
        x = hidden[-1].spikes
    return Run(hidden, lif.readout(x, weights[-1], **net.constants()))


def psi(recording, net):
    """Return the surrogate derivatives of one layer."""
    if net.surrogate == "none":
        return np.zeros_like(recording.mem)
    return surrogates.SURROGATES[net.surrogate](recording.mem - 1, net.steepness)[1]


def gradients(weights, x, run, drecord, net, dspikes=None):
    """Return the gradient of the loss L.

    The array `drecord` is the derivative of L with respect to the readout potentials.
    The list `dspikes` holds the derivatives of a regulariser with respect to the spikes
    of each hidden layer.
    """
    inputs = [x, *(recording.spikes for recording in run.hidden)]
    top = lif.readout_backward(inputs[-1], weights[-1], drecord, **net.constants())
    dweights, error = [top.dW], top.dx
    for i in range(len(run.hidden) - 1, -1, -1):
        if dspikes is not None:
            error = error + dspikes[i]
        below = lif.backward(inputs[i], weights[i], None, run.hidden[i],
                             psi(run.hidden[i], net), error, reset=net.reset,
                             through_reset=net.through_reset, **net.constants())
        dweights.insert(0, below.dW)
        error = below.dx
    return dweights


def penalty(spikes, strength):
    """Return a penalty on the spikes of a layer, and the derivative of the penalty.

    The spikes, and the derivative with respect to the spikes, have the shape (T, B, n).
    The array N holds the number of spikes of each neuron in the batch.  As in the
    tutorials of the authors of [NMZ19], the penalty is
    `strength * (N.sum() + (N**2).mean())`.
    """
    T, B, n = spikes.shape
    burst, dburst = losses.burst(spikes.reshape(T * B, 1, n))
    total, dtotal = losses.total(spikes)
    return (strength * (B * total + burst),
            np.float32(strength) * (np.float32(B) * dtotal + dburst.reshape(T, B, n)))


def update(weights, dweights, states, *, optimiser=optimisers.adam, rate):
    """Update the weights by one optimiser step."""
    results = [optimiser(state, dW, rate=rate)
               for state, dW in zip(states, dweights, strict=True)]
    weights = [W + step for W, (_, step) in zip(weights, results, strict=True)]
    return weights, [state for state, _ in results]


def packed(weights, states):
    """Return weights and optimiser states as a dict."""
    return {f"{name} {i}": value for i, (W, state) in enumerate(zip(
        weights, states, strict=True)) for name, value in
        {"array": W, **(state._asdict() if state else {})}.items() if value is not None}


def unpacked(found):
    """Restore weights and states from a dict."""
    count = 1 + max(int(key.split()[1]) for key in found if key.startswith("array "))
    return [found.get(f"array {i}") for i in range(count)], [
        optimisers.State(int(found[f"step {i}"]), found[f"mean {i}"],
                         found[f"scale {i}"]) if f"step {i}" in found else None
        for i in range(count)]


def batches(generator, patterns, size):
    """Split patterns at random into mini-batches."""
    parts = max(1, round(patterns / size))
    return np.array_split(generator.permutation(patterns), parts)
