# refsnn 0.1.0 | oracle/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package provides known answers for testing other implementations.

A golden vector is a small problem with its correct outputs and the wrong
outputs of known mistakes.  A known mistake is an error that was found in
public code, or a similar error.  To write the golden vectors to a folder,
run `python -m refsnn vectors FOLDER`.  Compute the outputs with your code,
and save them in an npz file.  To check the file, run `python -m refsnn
check RESULTS.npz`.  In Python, call the following functions:

    check.vectors(names)                   return golden vectors
    check.check({"bptt.dW": dW})           check results, name mistakes
    diagnose.assert_correct("bptt", f)     test f on random networks
    diagnose.diagnose(f)                   find the wrong term of f
    identify.identify(x, W, recording)     identify conventions
    files.write(folder), files.read(path)  write vectors, read results

The outputs of the golden vectors `lif_forward_dyadic`, `bptt_dyadic` and
`bptt_dyadic_detached` can be computed in float32 without rounding.  Golden
vectors without rounding are intended for C++ code and hardware.

The field `text` of a golden vector describes the problem and names the
equations that define its arrays.  In golden vectors of spiking layers,
inputs x have the shape (T, B, m), weights W have the shape (n, m), and
recurrent weights V have the shape (n, n), unless `text` says otherwise.

In golden vectors of leaky integrate-and-fire (LIF) layers, step 0 is the
resting state.  Input x[t] enters the current at step t + 1 and the
membrane potential at step t + 2, and mem[t] determines spikes[t].  The
results of code that counts time differently do not match.  Simulators
differ in such properties of a LIF step, and a convention is one choice for
each property.  `identify` describes the convention of a recorded layer in
words, such as "as lava LIF (lava), but reset by subtraction".  If the
layer has no synaptic filter, pass the decay factor alpha = 0 to
`identify`.

The folder `vectors` holds the golden vectors as JSON files, which other
languages can read.  The module `stored` reads and writes the JSON files.
`matching` compares results with one golden vector, and `locate` finds
where and how two arrays differ.  The package `build` computes the golden
vectors, the package `identify` identifies conventions, and the package
`diagnose` tests functions.  The modules of `oracle` import `refsnn` and
each other.  Therefore, no module can be copied alone.
"""
