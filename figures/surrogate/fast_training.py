"""Training one hidden LIF layer with the fast `refsnn.lif_fast`, in float32.

The same model as `train` with one hidden layer, the fast sigmoid and the
gradient not followed through the reset; inputs are sparse events.
"""

import numpy as np
from scipy import sparse

from figures.surrogate import lif_training
from refsnn import losses, optimisers
from refsnn.fast import lif as fast_lif


def events(x):
    """Spikes (T, B, m) as CSR (T * B, m) float32, row t * B + b."""
    return sparse.csr_matrix(x.reshape(-1, x.shape[2]).astype(np.float32))


def select(x, patterns, index):
    """Rows of CSR events (T * patterns, m) of the patterns `index` alone."""
    steps = np.arange(x.shape[0] // patterns)[:, None] * patterns
    return x[(steps + np.asarray(index)).ravel()]


def forward(weights, x, patterns, net, work=None):
    """(record (T, B, k), tape) of the weights [W, W_out] on CSR events."""
    return fast_lif.forward(x, weights[0], None, weights[1], reset=net.reset,
                            steps=x.shape[0] // patterns, work=work,
                            **net.constants())


def spikes(tape):
    """Hidden spikes (T, B, n) of a run, float32."""
    return (tape.mem > 1).astype(np.float32)


def fit(weights, x, labels, net, *, rate, epochs, generator=None, batch=None,
        optimiser=optimisers.adam, penalty=None, after_epoch=None):
    """As `train.fit`, with x as CSR events; weights are [W, W_out]."""
    if net.surrogate != "fast_sigmoid" or net.through_reset:
        raise ValueError(f"net is {net}: must have the fast sigmoid and not follow "
                         "the reset")
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
            dW, _, dW_out = fast_lif.gradients(tape, drecord, dspikes=dspikes,
                                               steepness=net.steepness)
            weights, states = lif_training.update(weights, [dW, dW_out], states,
                                           rate=rate, optimiser=optimiser)
            history[epoch] += loss / len(parts)
        if after_epoch is not None:
            after_epoch(epoch, weights)
    return weights, history


def evaluate(weights, x, labels, net):
    """train.Scores on all patterns of CSR events."""
    record, tape = forward(weights, x, len(labels), net)
    return lif_training.Scores(losses.cross_entropy(record, labels)[0],
                        losses.accuracy(record, labels),
                        np.array([spikes(tape).sum() / len(labels)]))
