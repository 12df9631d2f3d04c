# refsnn 0.1.0 | __init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements learning algorithms of spiking networks in NumPy.

A simulation returns a recording: the states and the spikes of a network at
all time steps.  Learning rules take recordings as arguments.  The modules
listed below form the core of the package.  Each core module can be copied
alone, because it imports no other core module.  Public functions raise a
ValueError if an array or an option is invalid, and a FileNotFoundError if
a file is missing.  Unless a docstring says otherwise, results have the
dtype of the weights (float32 or float64).  If a function takes no weights,
its results have the dtype of the input.  Only two kinds of functions
modify arguments in place: functions of the module `fast.si`, and functions
with an argument `out` or `work`.

models
    lif                 LIF layers and leaky readouts
    alif                adaptive LIF neurons and their e-prop traces
    rnn                 tanh recurrent network
    lstm                LSTM with dropout
    mlp                 multilayer perceptron, derivatives to second order
    convnet             convolutional networks, derivatives to second order
    spike_time          exact gradients of spike times
    eventprop           event-driven LIF layers, exact gradients of spikes
    delays              delays on a time grid, with gradients

rules
    bptt                BPTT of any network over J, F and q, also truncated
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
    datasets            handwritten digits, MNIST, CIFAR and SVHN files
    audio               WAV and FLAC files
    basilar             basilar membrane model
    cochlea             conversion of sound to spikes

proof tools
    checks              gradient checks by finite differences
    conventions         LIF conventions of other tools and their gradients

Seven core modules have a faster version in `refsnn.fast`: `lif`, `rtrl`,
`superspike`, `si`, `ntk`, `eventprop` and `convnet`.  Both versions give
the same results up to rounding errors.  `refsnn.oracle` holds golden
vectors, which are small test problems with their correct results.

Departures and errata.  The docstring of each module lists differences from
papers and errors in papers.  The most important departures are:

- In `lif`, the membrane potential is reset one step after the spike.  The
  reset sets the potential to 0 or subtracts the threshold.  The option
  `through_reset` selects whether the gradient passes through the reset
  (see test_lif.py::test_gradient_on_the_whole_grid_of_options).  In the
  tutorials of [NMZ19], the reset sets the membrane potential to 0, and the
  gradient does not pass through the reset
  (see test_conventions.py::test_every_preset_by_hand).

- In `lif`, a neuron does not spike if its membrane potential equals the
  threshold (see test_lif.py::test_a_tie_is_no_spike).

- In `surrogates`, the maximum of each surrogate derivative is 1 (see
  test_surrogates.py::test_bumps_are_even_of_peak_one_and_fall).  In some
  other packages, the maximum of the surrogate derivative grows with the
  steepness parameter.

- If a readout has its largest value at several time steps, the gradient
  passes only through the last of these steps
  (see test_losses.py::test_last_of_tied_steps_carries_the_derivative).

- With the loss of [CB22], a class is never learned if its readout stays
  below zero for every pattern, because the gradient is zero.  A readout is
  zero until it receives the first spike.  With reduction="reached",
  `in_the_loop.loss` ignores the time steps before a spike can reach the
  readout of the correct class.  A readout below zero can then learn (see
  test_in_the_loop.py::test_reached_recovers_a_readout_below_zero).

- Implementations of synaptic intelligence differ in several details, which
  are options of the module `si`.  The defaults are those of the authors'
  code (see test_si.py::test_defaults_are_those_of_the_authors_code).

- In `ntk`, pruned weights contribute to the kernel if kind="at_masked", as
  in the code of Neural Tangent Transfer, but not if kind="through_mask"
  (see test_ntt.py::test_kinds_differ_and_pruned_weights_have_no_gradient).

The most important errata (errors in papers or in their code) are:

- In the membrane equation of the arXiv version of [NMZ19], the input
  current has a minus sign.  The correct sign is plus
  (see test_lif.py::test_one_input_spike_below_threshold).

- In Box 2 of [NMZ19], the recurrent gradient contains the presynaptic
  state h[t].  The correct state is h[t-1]
  (see test_rnn.py::test_gradient_by_differences).

- In the fourth tutorial of [NMZ19], time bins are numbered from 1.  Time
  bin 0 is therefore always empty (see test_binning.py::test_bins_by_hand).

- In the fourth tutorial of [NMZ19], a time step lasts 14 ms, but the decay
  factors assume 1 ms.  All time constants are 14 times as long as intended
  (see test_check.py::test_the_well_known_mistakes_are_caught_by_name).

- The surrogate derivative printed in [CB22] lacks the summand 1 in its
  denominator, and is therefore infinite at the threshold
  (see test_in_the_loop.py::test_the_surrogate_in_closed_form).

- In the ear model of the Heidelberg data sets [CSSZ20], the basilar
  membrane wrongly moves before the sound arrives (see
  test_basilar.py::test_answers_come_before_or_after_the_sound).
"""

__version__ = "0.1.0"


def __getattr__(name, package=__name__):
    """Import a module of the package when it is first used."""
    import importlib
    try:
        return importlib.import_module(f"{package}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
