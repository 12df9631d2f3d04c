"""Train one hidden LIF layer and its readout with `refsnn.fast.lif`, in float32.

The network and the array shapes are those of `lif_training`.  The surrogate derivative
is the fast sigmoid.  The gradient of the loss does not pass through the reset of the
membrane potential.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from figures.train import lif_training
from refsnn import losses
from refsnn.fast import lif as fast_lif


class Scores(NamedTuple):
    """This class holds loss, accuracy, and mean number of hidden spikes per pattern."""

    loss: float
    accuracy: float
    spikes: float


def events(x):
    """Convert spikes (T, B, m) to a sparse matrix.

    In the float32 CSR matrix, row `t * B + b` holds pattern b at time step t.
    """
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]).astype(np.float32))


def select(x, patterns, index):
    """Return the rows that belong to the patterns with the given indices."""
    steps = np.arange(x.shape[0] // patterns)[:, None] * patterns
    return x[(steps + np.asarray(index)).ravel()]


def forward(weights, x, patterns, net, work=None):
    """Simulate the network for input spikes in the sparse format that `events` returns.

    Return (record, tape).  The array `record` has the shape (T, B, k), and holds the
    readout potentials.
    """
    return fast_lif.forward(x, weights[0], None, weights[1], reset=net.reset,
                            steps=x.shape[0] // patterns, work=work,
                            **net.constants())


def gradients(tape, drecord, net, dspikes=None):
    """Return the derivatives [dL/dW, dL/dW_out] of a loss L.

    The array `drecord` (T, B, k) is the derivative of L with respect to the readout
    potentials.  The array `dspikes` (T, B, n) is the derivative of a spike penalty with
    respect to the hidden spikes.
    """
    dW, _, dW_out = fast_lif.gradients(tape, drecord, dspikes=dspikes,
                                       steepness=net.steepness)
    return [dW, dW_out]


def spikes(tape):
    """Return the spikes of the hidden neurons."""
    return (tape.mem > 1).astype(np.float32)


def fit(weights, x, labels, net, *, rate, epochs, generator=None, batch=None,
        penalty=None, after_epoch=None):
    """Train a network; return weights and training losses.

    The input spikes `x` are in the sparse format that `events` returns.  A random
    mini-batch has about `batch` patterns.  If `batch` is None, each training step uses
    all patterns.  The argument of the function `penalty` is the array of hidden spikes
    of shape (T, B, n).  The function `penalty` returns a loss term, and the derivative
    of the loss term with respect to the spikes.  After each epoch, the function
    `after_epoch` is called as `after_epoch(epoch, weights)`.
    """
    if net.surrogate != "fast_sigmoid" or net.through_reset:
        raise ValueError(f"net is {net}: must have the fast sigmoid and stop the "
                         "gradient at the reset")
    states, history, tapes = [None, None], np.zeros(epochs), {}
    for epoch in range(epochs):
        parts = [np.arange(len(labels))] if batch is None \
            else lif_training.batches(generator, len(labels), batch)
        for part in parts:
            xs = x if batch is None else select(x, len(labels), part)
            record, tape = forward(weights, xs, len(part), net, tapes.get(len(part)))
            tapes[len(part)] = tape
            loss, drecord = losses.cross_entropy(record, labels[part])
            dspikes = None
            if penalty is not None:
                value, dspikes = penalty(spikes(tape))
                loss += value
            found = gradients(tape, drecord, net, dspikes)
            weights, states = lif_training.update(weights, found, states, rate=rate)
            history[epoch] += loss / len(parts)
        if after_epoch is not None:
            after_epoch(epoch, weights)
    return weights, history


def evaluate(weights, x, labels, net):
    """Return the `Scores` of a network.

    The input spikes `x` are in the sparse format that `events` returns.
    """
    record, tape = forward(weights, x, len(labels), net)
    return Scores(losses.cross_entropy(record, labels)[0],
                  losses.accuracy(record, labels), spikes(tape).sum() / len(labels))
