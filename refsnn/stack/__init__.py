# refsnn 0.1.0 | stack/__init__.py | SPDX-License-Identifier: MIT | needs: numpy
"""This package trains stacks of spiking layers online.

A stack has L hidden layers of leaky integrate-and-fire (LIF) neurons or
adaptive neurons, and a leaky readout y above them.  The function `step`
simulates one time step of the stack, and returns the gradient of the loss
of this step with respect to all weights and learned constants.  The
weights can therefore change at every time step:

    from functools import partial
    from refsnn import optimisers, stack, surrogates
    net = [stack.layer(W1, V1, tau_syn=5e-3, tau_mem=20e-3),
           stack.layer(W2, tau_syn=5e-3, tau_mem=20e-3),
           stack.layer(W_out, tau_syn=5e-3, tau_mem=20e-3)]
    adam, state, moments = partial(optimisers.adam, rate=1e-3), None, None
    for x_now, target_now in zip(x, target):
        now, state = stack.step(
            net, x_now, state, lambda y: y - target_now, rule="block",
            dt=1e-3, learn=["tau_mem"], surrogate=surrogates.fast_sigmoid)
        net, moments = stack.descend(net, now.gradients, adam, moments)

The argument `rule` selects the learning rule.  The docstring of the module
`online` states the equations of all rules, and the derivatives that each
rule keeps:

    exact                              real-time recurrent learning (RTRL)
    block, implicit, presynaptic       approximations of RTRL
    e-prop, OSTL, OTTT, SLTT, DECOLLE  published online rules
    readout alone                      no hidden layer learns

The function `descend` changes the weights and constants with an optimiser,
and the function `memory` returns the memory that a rule needs.
"""

from refsnn.stack.network import CONSTANTS, Layer, descend, layer
from refsnn.stack.online import RULES, Now, State, memory, step

__all__ = ["CONSTANTS", "Layer", "Now", "RULES", "State", "descend", "layer", "memory",
           "step"]
