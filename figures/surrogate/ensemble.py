"""Simulate many small networks of the same shape in parallel, along the batch axis.

The module `refsnn.lif` uses one weight matrix for the whole batch, but in this module,
each network has its own weights.  Therefore the weighted input W x (the drive) is
computed first, and the LIF layer receives the drive through an identity weight matrix.
In this case, the field `dx` of the result of `lif.backward` is the derivative of the
loss with respect to the drive.  The results of a network do not depend on the other
networks of the batch.

T is the number of time steps, N the number of networks, and B the number of patterns.
Each layer has m inputs and n neurons.  The weights of a layer have shape (N, n, m), and
the spikes have shape (T, N, B, n).
"""

import numpy as np

from refsnn import lif


def drive(W, x):
    """Return the drive W x (weighted input) of all networks, of shape (T, N, B, n)."""
    return np.einsum("tNbm,Nnm->tNbn", x, W)


def by_weights(ddrive, x):
    """Compute dL/d(weights) of a loss L from dL/d(drive); shape (N, n, m)."""
    return np.einsum("tNbn,tNbm->Nnm", ddrive, x)


def by_inputs(ddrive, W):
    """Compute dL/d(inputs) of a loss L from dL/d(drive); shape (T, N, B, m)."""
    return np.einsum("tNbn,Nnm->tNbm", ddrive, W)


def _flat(a):
    return a.reshape(len(a), -1, a.shape[-1])


def layer(current, net, spike=None):
    """Simulate one LIF layer in each network, and return a `lif.Recording`."""
    recording = lif.simulate(_flat(current), np.eye(current.shape[-1]),
                             reset=net.reset, spike=spike, **net.constants())
    return lif.Recording(*(a.reshape(current.shape) for a in recording))


def layer_backward(current, recording, psi, dspikes, net):
    """Compute dL/d(drive) of a loss L from dL/d(spikes); shape (T, N, B, n)."""
    flat = lif.Recording(*(_flat(a) for a in recording))
    gradient = lif.backward(_flat(current), np.eye(current.shape[-1]), None, flat,
                            _flat(psi), _flat(dspikes), reset=net.reset,
                            through_reset=net.through_reset, **net.constants())
    return gradient.dx.reshape(current.shape)
