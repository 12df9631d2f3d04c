# refsnn 0.1.0 | __init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements learning algorithms of spiking networks in NumPy.

A recording is the set of arrays that a model returns, which are the states
and the spikes at all steps.  Learning rules take recordings as arguments.
The core consists of the modules in the following list.  No module of the
core imports another module of the core, so each module can be copied
alone.  Public functions raise a ValueError if an array or an option is
invalid, and a FileNotFoundError if a file is missing.  The error message
states the name of the argument, its value and the requirement.  Docstrings
mention only errors that do not follow from the documented shapes and
ranges.  Unless a docstring says otherwise, results have the dtype of the
weights, which is float32 or float64.  Results of functions without weights
have the dtype of the data.  Only `fast.si`, and functions with an argument
`out` or `work`, modify arrays of the caller.

models
    lif                 LIF layers and leaky readouts
    alif                adaptive LIF neurons and their e-prop traces
    rnn                 tanh recurrent network
    lstm                LSTM with dropout
    mlp                 multilayer perceptron, derivatives to second order
    convnet             convolutional networks, derivatives to second order
    spike_time          exact gradients of spike times

rules
    bptt                backpropagation through time, full or truncated
    rtrl                exact real-time recurrent learning over J, F and q
    sparse_rtrl         RTRL of LIF layers, exact or approximate
    snap                SnAp-n: RTRL limited to influences over n synapses
    feedback            feedback alignment and local errors
    superspike          the SuperSpike three-factor rule
    superspike_signals  axonal delays and error feedback for SuperSpike
    ntk                 empirical neural tangent kernel and its adjoint
    ntk_dynamics        prediction of training from the tangent kernel
    ntt                 Neural Tangent Transfer
    pruning             pruning masks: magnitude, SNIP, GraSP, random
    si                  synaptic intelligence
    ewc                 elastic weight consolidation

analog chip
    chip                an emulated analog chip with device mismatch
    chip_weights        integer weights for the chip
    calibration         measurement and correction of a chip
    in_the_loop         training with any chip in the loop
    probe               detection of interface faults

pointwise
    surrogates          surrogate derivatives
    losses              losses and activity regularisers
    optimisers          SGD, Adam, Adamax, RMSprop, RMaxProp

data
    encoding            latency and Poisson codes
    binning             spike events as dense or sparse counts per step
    events              files in the format of the Heidelberg data sets
    datasets            embedded digits, MNIST, CIFAR and SVHN files
    audio               WAV and FLAC files
    basilar             basilar membrane model
    cochlea             conversion of sound to spikes

proof tools
    checks              gradient checks by finite differences
    conventions         LIF conventions of other tools and their gradients

`refsnn.fast` has faster versions of `lif`, `rtrl`, `superspike`, `si` and
`ntk`.  These versions compute the same numbers up to rounding.
`refsnn.oracle` holds the golden vectors.

Departures and errata.  The docstring of each module lists differences
between this module and the papers, and errors in the papers.  The most
important differences and errors, with the tests that prove them, are:

- In `lif`, the membrane potential is reset one step after the spike.  The
  argument `reset` selects a reset by subtraction or a reset to zero.  The
  argument `through_reset` selects whether the gradient passes through the
  reset (test_lif.py::test_gradient_on_the_whole_grid_of_options).  In the
  tutorials that accompany [NMZ19], the reset is to zero, and the gradient
  does not pass through the reset
  (test_conventions.py::test_every_preset_by_hand).

- In `lif`, a neuron does not spike if its membrane potential equals the
  threshold (test_lif.py::test_a_tie_is_no_spike).

- All surrogate derivatives have the value 1 at the threshold.  In some
  other implementations, this value depends on the steepness
  (test_surrogates.py::test_bumps_are_even_of_peak_one_and_fall).

- In `losses`, if several steps share the maximum over time, the last of
  these steps receives the gradient.  If the first of these steps received
  the gradient, a silent network would never learn
  (test_losses.py::test_last_of_tied_steps_carries_the_derivative).

- If a readout stays below zero for every pattern, its maximum over time is
  its initial value 0.  The gradient of this readout then vanishes, and the
  network never learns its class.  On small data sets, this failure occurs
  in some runs with the loss of [CB22].  With reduction="reached", the
  maximum of the correct class is taken only over steps that a spike can
  influence
  (test_in_the_loop.py::test_reached_recovers_a_readout_below_zero).

- Implementations of synaptic intelligence differ in several choices, and
  `si` has an argument for each of these choices.  The default choices are
  those of the authors' code
  (test_si.py::test_defaults_are_those_of_the_authors_code).

- The tangent kernel of a masked network has two versions.  The version of
  the authors' code includes the derivatives with respect to pruned
  weights.  The other version omits these derivatives
  (test_ntt.py::test_kinds_differ_and_pruned_weights_have_no_gradient).

- [NMZ19] prints the input current with a minus sign in the membrane
  equation.  The correct sign is plus
  (test_lif.py::test_one_input_spike_below_threshold).  Box 2 of [NMZ19]
  prints the presynaptic factor of the recurrent gradient at the wrong time
  step.  The presynaptic factor must be taken one step before the error
  (test_rnn.py::test_gradient_by_differences).

- The tutorial on the data of [CSSZ20] numbers its time bins from 1.  The
  time bins have a length of 14 ms, but the decay factors are computed for
  steps of 1 ms (test_binning.py::test_bins_by_hand,
  test_check.py::test_the_well_known_mistakes_are_caught_by_name).

- [CB22] prints its surrogate derivative without the summand 1 in the
  denominator.  This summand keeps the surrogate derivative finite at the
  threshold
  (test_in_the_loop.py::test_the_surrogate_in_closed_form).

- The basilar membrane model of [CSSZ20] responds before the sound arrives,
  and so do the published data
  (test_basilar.py::test_answers_come_before_or_after_the_sound).
"""

__version__ = "0.1.0"
