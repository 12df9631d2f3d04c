"""Train one hidden LIF layer and its readout with `refsnn.fast.lif`, in float32.

The model is the network of `lif_training` with one hidden layer and the fast-sigmoid
surrogate.  The gradient does not pass through the reset of the membrane potential.
Input spikes (events) are stored in a sparse matrix, with one row for each pair of time
step and pattern.

In shapes, T is the number of time steps, and B is the number of patterns in a batch.  A
network has m inputs, n hidden neurons and k readouts.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from figures.train import lif_training
from refsnn import losses
from refsnn.fast import lif as fast_lif


class Scores(NamedTuple):
    """Hold the loss, the accuracy and the mean number of hidden spikes per pattern."""

    loss: float
    accuracy: float
    spikes: float


def events(x):
    """Convert an array of spikes of shape (T, B, m) to a float32 CSR matrix.

    Row t * B + b of the matrix holds the spikes of pattern b at time step t.
    """
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]).astype(np.float32))


def select(x, patterns, index):
    """Return the events of the patterns in `index`, at all time steps, as a CSR matrix.
    """
    steps = np.arange(x.shape[0] // patterns)[:, None] * patterns
    return x[(steps + np.asarray(index)).ravel()]


def forward(weights, x, patterns, net, work=None):
    """Run the network with the weights [W, W_out] on the input spikes `x`.

    Return the pair (record, tape).  The input spikes are a CSR matrix in the form that
    `events` returns.  `record`, of shape (T, B, k), holds the membrane potentials of
    the readouts.  `tape` holds the values that `gradients` needs.
    """
    return fast_lif.forward(x, weights[0], None, weights[1], reset=net.reset,
                            steps=x.shape[0] // patterns, work=work,
                            **net.constants())


def gradients(tape, drecord, net, dspikes=None):
    """Return the gradients [dW, dW_out] of a loss L, given dL/d(record).

    The array dL/d(record) is of shape (T, B, k).  `dspikes`, of shape (T, B, n), is the
    derivative of a penalty with respect to the hidden spikes.
    """
    dW, _, dW_out = fast_lif.gradients(tape, drecord, dspikes=dspikes,
                                       steepness=net.steepness)
    return [dW, dW_out]


def spikes(tape):
    """Return the hidden spikes that `tape` holds.

    The result is a float32 array of shape (T, B, n).
    """
    return (tape.mem > 1).astype(np.float32)


def fit(weights, x, labels, net, *, rate, epochs, generator=None, batch=None,
        penalty=None, after_epoch=None):
    """Train a network; return its weights and the mean training loss of each epoch.

    x : input spikes in a CSR matrix, in the form that `events` returns.
    batch : number of patterns in a mini-batch.  `generator` shuffles the patterns in
        each epoch.  If `batch` is None, each step uses all patterns in the given order.
    penalty : function that maps the hidden spikes (T, B, n) to (value, dspikes), which
        are added to the loss and to the derivative of the loss.
    after_epoch : function that is called with (epoch, weights) after each epoch.
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
    """Return the loss, the accuracy and the spike counts over all patterns.

    The patterns are given as events in the CSR matrix `x`.
    """
    record, tape = forward(weights, x, len(labels), net)
    return Scores(losses.cross_entropy(record, labels)[0],
                  losses.accuracy(record, labels), spikes(tape).sum() / len(labels))
