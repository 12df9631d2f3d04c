# refsnn 0.1.0 | oracle/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""Known answers with which anyone can check their own code.

A golden vector is a small problem with its right outputs and with the
outputs that known mistakes give.  To start, run `python -m refsnn vectors
FOLDER`, compute results, and run `python -m refsnn check RESULTS.npz`.
From Python:

    check.vectors(names)                   return golden vectors
    check.check({"bptt.dW": dW})           compare results, name mistakes
    check.check_gradient("bptt", f)        call f with random networks
    identify.identify(x, W, recording)     name conventions of a LIF layer
    files.write(folder), files.read(path)  write vectors, read results

The vectors `lif_forward_dyadic`, `bptt_dyadic` and `bptt_dyadic_detached`
are exact in float32, for C++ and hardware.

Align time as follows, or nothing will match.  Step 0 is rest, x[t] enters
the current at t + 1 and the membrane at t + 2, and mem[t] decides on
spikes[t].  If your tool aligns time differently, `identify` reports how,
for example "as norse, but reset one step late".

`registry` lists all vectors.  The modules `lif_layers`, `local_rules`,
`networks`, `kernels`, `consolidation`, `analog_chip`, `input_spikes` and
`losses_and_optimisers` build them.  The modules of this package import the
core and each other, so they cannot be copied alone.
"""
