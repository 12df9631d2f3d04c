"""Compute batch normalisation, and backpropagate the derivatives of a loss.

The input x (..., c) is a batch of maps with c channels.  For any array A of this shape,
`E A` denotes the mean of A over all axes except the last one.  With the parameters
`scale` and `shift` (c,) and a small constant eps, the normalised entries y are

    z = (x - mean) / root,  mean = E x,  root = sqrt(variance + eps),    (1)
        variance = E (x - mean)^2
    y = scale z + shift                                                  (2)

Derivation.  Let dX be the derivative of a loss with respect to X.  In (1), the mean and
    the divisor `root` of a channel depend on all entries of x in this channel.
    Therefore, each entry of z depends on all entries of x in the same channel.  Because
    E z = 0 by (1), the sum over the entries of a channel gives

    dscale = sum dy z,  dshift = sum dy                                  (3)
    dx = (dz - E dz - z E (dz z)) / root,  dz = scale dy                 (4)

Departures.  In tests, the mean and the variance in (1) are averages over batches of all
    training words, computed with the final weights.  Most public implementations of
    batch normalisation use running averages of the mean and the variance, which are
    updated during training.

The method is from S. Ioffe and C. Szegedy, ICML 2015, arXiv 1502.03167.
"""

from typing import NamedTuple

import numpy as np

EPS = 1e-3


class Tape(NamedTuple):
    """This class holds the quantities that eq. (1) computes."""

    z: np.ndarray
    root: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def forward(x, scale, shift, statistics=None):
    """Normalise a batch, eqs. (1) and (2).

    The argument `statistics` is a pair of arrays, which hold the mean and the variance
    of each channel for eq. (1).  If `statistics` is None, eq. (1) uses the mean and the
    variance of x.

    >>> y, tape = forward(np.array([[1.0], [3.0]]), np.ones(1), np.ones(1))
    >>> y.round(3).ravel().tolist(), tape.mean.tolist(), tape.variance.tolist()
    ([0.0, 2.0], [2.0], [1.0])
    """
    axes = tuple(range(x.ndim - 1))
    mean, variance = statistics or (x.mean(axis=axes), x.var(axis=axes))
    root = np.sqrt(variance + x.dtype.type(EPS))
    z = (x - mean) / root                                                  # (1)
    return scale * z + shift, Tape(z, root, mean, variance)                # (2)


def backward(dy, scale, tape):
    """Return (dx, dscale, dshift), eqs. (3) and (4)."""
    axes = tuple(range(dy.ndim - 1))
    dscale, dshift = (dy * tape.z).sum(axis=axes), dy.sum(axis=axes)       # (3)
    count = dy[..., 0].size
    dx = dy - dshift / count - tape.z * (dscale / count)
    return dx * (scale / tape.root), dscale, dshift                        # (4)
