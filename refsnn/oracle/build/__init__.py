# refsnn 0.1.0 | oracle/build/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package builds the golden vectors of `oracle`.

A golden vector is a stored test problem: the inputs, the correct outputs,
and the wrong outputs that known programming mistakes cause.  The module
`registry` lists the golden vectors, and the module `vector` defines their
class.  The following modules compute golden vectors:

    lif_layers             LIF layers: forward, BPTT, RTRL, SnAp
    lif_networks           stacked LIF layers, readouts, wide layers
    local_rules            SuperSpike, e-prop, feedback alignment
    networks               RNN, LSTM, convolutional network, spike times
    kernels                tangent kernels, tangent transfer, pruning
    consolidation          synaptic intelligence, EWC
    losses_and_optimisers  losses, regularisers, surrogates, optimisers
    analog_chip            the analog chip and training in the loop
    input_spikes           binning, latency code, cochlea

To update the stored golden vectors, run `python -m refsnn.oracle.stored`.
"""
