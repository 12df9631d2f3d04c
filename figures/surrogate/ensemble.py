"""Simulate many small networks of the same shape in parallel.

The functions of `refsnn.lif` use the same weights for all samples of a batch.  In this
module, each entry of the batch axis is a network with its own weights.  Therefore, the
function `drive` first computes the weighted input W x.  The function `lif.simulate`
receives the weighted input in place of x, and an identity matrix in place of the
weights.  In this module, the array `dx` from `lif.backward` is the derivative of the
loss with respect to W x, and not with respect to x.

With T time steps, N networks, B input patterns, m inputs and n neurons, the weights of
a layer have shape (N, n, m), and the spikes have shape (T, N, B, n).
"""

import numpy as np

from refsnn import lif


def drive(W, x):
    """Return the weighted inputs W x."""
    return np.einsum("tNbm,Nnm->tNbn", x, W)


def by_weights(ddrive, x):
    """Return dL/dW for a loss L."""
    return np.einsum("tNbn,tNbm->Nnm", ddrive, x)


def by_inputs(ddrive, W):
    """Return dL/dx for a loss L."""
    return np.einsum("tNbn,Nnm->tNbm", ddrive, W)


def _flat(a):
    return a.reshape(len(a), -1, a.shape[-1])


def layer(current, net, spike=None):
    """Simulate one LIF layer in each network."""
    recording = lif.simulate(_flat(current), np.eye(current.shape[-1]),
                             reset=net.reset, spike=spike, **net.constants())
    return lif.Recording(*(a.reshape(current.shape) for a in recording))


def layer_backward(current, recording, psi, dspikes, net):
    """Compute dL/d(drive) from dL/d(spikes)."""
    flat = lif.Recording(*(_flat(a) for a in recording))
    gradient = lif.backward(_flat(current), np.eye(current.shape[-1]), None, flat,
                            _flat(psi), _flat(dspikes), reset=net.reset,
                            through_reset=net.through_reset, **net.constants())
    return gradient.dx.reshape(current.shape)
