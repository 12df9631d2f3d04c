"""Many small networks of one shape at once: they share the batch axis.

`refsnn.lif` has one weight matrix for all of its batch.  Here each network
has its own, so the drive W x is computed first and the layer reads it
through the identity matrix; `lif.backward` then returns, as dx, the
derivative by the drive.  No network's numbers depend on the others.

Shapes: weights (N, n, m), spikes (T, N, B, n) of N networks, B patterns.
"""

import numpy as np

from refsnn import lif


def drive(W, x):
    """W x of each network: (T, N, B, n)."""
    return np.einsum("tNbm,Nnm->tNbn", x, W)


def by_weights(ddrive, x):
    """Derivative by the weights (N, n, m), from that by the drive."""
    return np.einsum("tNbn,tNbm->Nnm", ddrive, x)


def by_inputs(ddrive, W):
    """Derivative by the inputs (T, N, B, m), from that by the drive."""
    return np.einsum("tNbn,Nnm->tNbm", ddrive, W)


def _flat(a):
    return a.reshape(len(a), -1, a.shape[-1])


def layer(current, net, spike=None):
    """lif.Recording of a LIF layer, its arrays (T, N, B, n)."""
    recording = lif.simulate(_flat(current), np.eye(current.shape[-1]),
                             reset=net.reset, spike=spike, **net.constants())
    return lif.Recording(*(a.reshape(current.shape) for a in recording))


def layer_backward(current, recording, psi, dspikes, net):
    """Derivative by the drive, from that by the spikes: (T, N, B, n)."""
    flat = lif.Recording(*(_flat(a) for a in recording))
    gradient = lif.backward(_flat(current), np.eye(current.shape[-1]), None, flat,
                            _flat(psi), _flat(dspikes), reset=net.reset,
                            through_reset=net.through_reset, **net.constants())
    return gradient.dx.reshape(current.shape)
