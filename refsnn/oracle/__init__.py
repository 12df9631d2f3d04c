# refsnn 0.1.0 | oracle/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package provides known answers for testing other implementations.

A golden test vector is a small problem with its correct outputs and with
the outputs that known mistakes produce.  To start, run `python -m refsnn
vectors FOLDER`, compute the outputs with your code, and run `python -m
refsnn check RESULTS.npz`.  In Python, call the following functions:

    check.vectors(names)                   return golden vectors
    check.check({"bptt.dW": dW})           check results, name mistakes
    diagnose.assert_correct("bptt", f)     test f on random networks
    diagnose.diagnose(f)                   find the wrong term of f
    identify.identify(x, W, recording)     identify conventions
    files.write(folder), files.read(path)  write vectors, read results

The golden vectors `lif_forward_dyadic`, `bptt_dyadic` and
`bptt_dyadic_detached` are exact in float32, for use with C++ and hardware.

The field `text` of a golden vector names the equations that define its
arrays.  In golden vectors of spiking layers, inputs x are of shape (T, B,
m), weights W of shape (n, m) and V of shape (n, n), unless `text` says
otherwise.  For `identify`, set the decay
factor of an absent filter to 0.

In golden vectors of `lif`, align time as follows, or no result will match.
Step 0 is the resting state.  Input x[t] enters the current at step t + 1
and the membrane at step t + 2, and mem[t] determines spikes[t].
`identify` names the conventions of other tools, such as "as lava LIF
(lava), but reset by subtraction".

The folder `vectors` holds the golden vectors as JSON files, which other
languages can read, and `stored` reads and writes these files.  `matching`
compares results with one golden vector, and `locate` finds where and how
two arrays differ.  Three packages hold the rest: `build` computes the
golden vectors, `identify` recognises LIF conventions, and `diagnose` tests
functions.  The modules of this package import `refsnn` and each other, so
no module can be copied alone.
"""
