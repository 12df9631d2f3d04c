# refsnn 0.1.0 | stack/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package trains stacks of spiking layers online.

A stack has L hidden layers of leaky integrate-and-fire (LIF) neurons or
adaptive neurons, and a leaky readout y above them.  The function `step`
simulates one time step of all layers, and returns the gradient of the loss
of this step.  The gradient is taken with respect to all weights and to the
logarithms of learned constants, such as time constants.  This example
changes the weights at every time step:

    >>> import numpy as np
    >>> from functools import partial
    >>> from refsnn import optimisers, stack, surrogates
    >>> rng = np.random.default_rng(0)
    >>> taus = {"tau_syn": 5e-3, "tau_mem": 0.02}
    >>> net = [stack.layer(rng.random(shape), **taus)
    ...        for shape in ((8, 6), (8, 8), (1, 8))]
    >>> adam = partial(optimisers.adam, rate=1e-3)
    >>> state = moments = None
    >>> for x in rng.random((20, 1, 6)):
    ...     now, state = stack.step(
    ...         net, x, state, lambda y: y - 1.0, rule="block", dt=1e-3,
    ...         surrogate=partial(surrogates.fast_sigmoid, steepness=2.0),
    ...         learn=["tau_mem"])
    ...     net, moments = stack.descend(net, now.gradients, adam, moments)
    >>> bool(np.exp(net[0].log_tau_mem) < 0.02)
    True

The argument `rule` selects a learning rule of the module `online`:

    exact                              real-time recurrent learning (RTRL)
    block, implicit, presynaptic       approximations of RTRL
    e-prop, OSTL, OTTT, SLTT, DECOLLE  published online rules
    readout alone                      no hidden layer learns

The function `memory` returns how many bytes a learning rule needs to store
derivatives.  The module `network` shows how to save and load layers.
"""

from refsnn.stack.network import CONSTANTS, Layer, descend, layer   # noqa: F401
from refsnn.stack.online import RULES, Now, State, memory, step     # noqa: F401

__all__ = ["CONSTANTS", "RULES", "descend", "layer", "memory", "step"]
