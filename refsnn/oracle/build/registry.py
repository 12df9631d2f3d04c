# refsnn 0.1.0 | oracle/build/registry.py | SPDX-License-Identifier: MIT | needs: numpy
"""List all golden vectors: test problems with their correct results.

In `REGISTRY`, the tuple `size` is (seed, T, B, m, n) for T time steps, B
samples, m inputs and n neurons.  If the arrays of a test problem have
fixed shapes, `size` is an empty tuple.  Each function in `REGISTRY`
returns a description of the test problem, the inputs, the correct outputs,
and a dict of wrong outputs.  Each key of the dict of wrong outputs names a
programming error.  For an error of a published program, the key is the
tuple (name of the error, name of the program).  Some functions also return
the dict `idle`, which marks input entries that change no output.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refsnn.oracle.build import (analog_chip, consolidation, delayed_inputs,
                                 event_gradients, input_spikes, kernels, lif_layers,
                                 lif_networks, local_rules, losses_and_optimisers,
                                 networks)
from refsnn.oracle.build.vector import DECAYS, Mutant, Vector

__all__ = ["REGISTRY", "Entry", "build"]


class Entry(NamedTuple):
    """A function and its arguments."""
    function: Callable
    size: tuple = ()
    options: dict = {}


LEAKY = {"decays": DECAYS}      # an option of functions that use these constants
REGISTRY = {
    "lif_forward": Entry(lif_layers._forward, (8, 40, 3, 4, 3), LEAKY),
    "lif_forward_dyadic": Entry(lif_layers._forward, (1, 16, 4, 3, 4),
                                {"dyadic": True}),
    "bptt": Entry(lif_layers._backward, (2, 40, 3, 4, 3), LEAKY),
    "bptt_detached": Entry(lif_layers._backward, (2, 40, 3, 4, 3),
                           LEAKY | {"detached": True}),
    "bptt_dyadic": Entry(lif_layers._backward, (10, 6, 4, 3, 3), {"dyadic": True}),
    "bptt_dyadic_detached": Entry(lif_layers._backward, (10, 6, 4, 3, 3),
                                  {"dyadic": True, "detached": True}),
    "rtrl": Entry(lif_layers._rtrl, (10, 40, 3, 4, 3), LEAKY),
    "rtrl_block": Entry(lif_layers._rtrl, (10, 40, 3, 4, 3), LEAKY | {"rule": "block"}),
    "rtrl_implicit": Entry(lif_layers._rtrl, (10, 40, 3, 4, 3),
                           LEAKY | {"rule": "implicit"}),
    "online_steps": Entry(lif_layers._online_steps, (3, 10, 2, 2, 3), LEAKY),
    "tbptt_rolling": Entry(lif_layers._truncated, (41, 40, 3, 4, 3),
                           LEAKY | {"kind": "rolling"}),
    "tbptt_chunks": Entry(lif_layers._truncated, (41, 40, 3, 4, 3),
                          LEAKY | {"kind": "chunks"}),
    "lif_constants": Entry(lif_networks._lif_constants, (27, 40, 3, 4, 3)),
    "lif_wide_decays": Entry(lif_networks._lif_wide, (),
                             {"m": 2, "n": 1200, "apart": True}),
    "lif_chunks": Entry(lif_networks._lif_chunks, (179, 24, 2, 3, 3), LEAKY),
    "lif_stack": Entry(lif_networks._lif_stack, (19, 40, 3, 4, 3), LEAKY),
    "lif_readout": Entry(lif_networks._lif_readout, (19, 40, 3, 4, 3), LEAKY),
    "superspike": Entry(local_rules._superspike, (8, 60, 2, 4, 3)),
    "eprop": Entry(local_rules._eprop, (9, 40, 3, 4, 3)),
    "eprop_reset": Entry(local_rules._eprop_reset, (9, 40, 3, 4, 3)),
    "bptt_adaptive": Entry(local_rules._bptt_adaptive, (143, 40, 3, 4, 3)),
    "feedback": Entry(local_rules._feedback, (10, 30, 3, 4, 3)),
    "rnn": Entry(networks._rnn, (22, 20, 3, 4, 3)),
    "lstm": Entry(networks._lstm, (24, 12, 3, 4, 3)),
    "ntk_full": Entry(kernels._ntk, (), {"reduction": "full"}),
    "ntk_sum_logits": Entry(kernels._ntk, (), {"reduction": "sum_logits"}),
    "ntt_at_masked": Entry(kernels._ntt, (), {"kind": "at_masked"}),
    "ntt_through_mask": Entry(kernels._ntt, (), {"kind": "through_mask"}),
    "snap_2": Entry(lif_layers._snap, (), {"order": 2}),
    "ewc_online": Entry(consolidation._ewc, (), {"decay": 0.75}),
    "fisher": Entry(consolidation._fishers),
    "delays_linear": Entry(delayed_inputs._delays, (61, 16, 2, 4, 3),
                           {"kernel": "linear"}),
    "delays_gaussian": Entry(delayed_inputs._delays, (62, 16, 2, 4, 3),
                             {"kernel": "normalised"}),
    "eventprop": Entry(event_gradients._exact, (7, 16, 2, 4, 3)),
    "eventprop_grid": Entry(event_gradients._grid, (70, 20, 2, 3, 2),
                            {"reset": "zero"}),
    "eventprop_grid_subtract": Entry(event_gradients._grid, (70, 20, 2, 3, 2),
                                     {"reset": "subtract"})}
REGISTRY |= {f"si_{preset}": Entry(consolidation._si, (), {"preset": preset})
             for preset in ("pathint", "paper", "vandeven", "mammoth", "mammoth_old",
                            "avalanche", "nupic")}
REGISTRY |= {function.__name__[1:]: Entry(function) for function in (
    losses_and_optimisers._van_rossum, losses_and_optimisers._regularisers,
    losses_and_optimisers._surrogates, losses_and_optimisers._surrogates_threshold,
    losses_and_optimisers._max_over_time, losses_and_optimisers._optimisers,
    losses_and_optimisers._first_spike, input_spikes._binning, input_spikes._velocity,
    input_spikes._hair_cell, input_spikes._bushy, input_spikes._latency,
    analog_chip._in_the_loop, analog_chip._chip, kernels._pruning,
    kernels._linearised, networks._spike_time, networks._convnet,
    lif_networks._lif_wide, consolidation._ewc)}


def build(name, size=(), single=False):
    """Compute the golden vector (test problem) `name`.  If the tuple `size` is
    empty, use the size that the table `REGISTRY` lists for the problem `name`.
    If `single` is true, round alpha, beta and gain to float32.

    >>> build("bptt", (1, 9, 2, 4, 3)).inputs["x"].shape
    (9, 2, 4)
    """
    if name not in REGISTRY:
        raise ValueError(f"{name!r} is not a vector: must be one of {tuple(REGISTRY)}")
    function, golden, options = REGISTRY[name]
    if single and "decays" in options:
        options = options | {"decays": {key: float(np.float32(value))
                                        for key, value in DECAYS.items()}}
    text, inputs, outputs, mistakes, *idle = function(*(size or golden), **options)
    mutants = [Mutant(*((key, "") if isinstance(key, str) else key), changed)
               for key, changed in mistakes.items()]
    return Vector(name, text, inputs, outputs, mutants, "dyadic" in options, *idle)
