# refsnn 0.1.0 | oracle/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""Test other programs on problems with known correct results.

A golden vector is a stored test problem: the inputs, the correct outputs,
and the wrong outputs that known programming mistakes cause.  Each known
programming mistake was found in a public program, or is similar to such a
mistake.  The command `python -m refsnn vectors FOLDER` writes all golden
vectors to a folder.  Compute the outputs with your code, and save the
outputs in a NumPy npz file.  To compare the saved outputs with the correct
outputs, run `python -m refsnn check RESULTS.npz`.  In Python, call the
following functions:

    check.vectors(names)                   return golden vectors
    check.check({"bptt.dW": dW})           check results, name mistakes
    diagnose.assert_correct("bptt", f)     test f on random networks
    diagnose.diagnose(f)                   find the wrong term of f
    identify.identify(x, W, recording)     identify conventions
    files.write(folder), files.read(path)  write vectors, read results

The outputs of the golden vectors `lif_forward_dyadic`, `bptt_dyadic` and
`bptt_dyadic_detached` can be computed in float32 without any rounding
error.  The golden vectors without rounding errors are intended for tests
of C++ code and of hardware.

The field `text` of a golden vector describes the test problem, and names
the equations of refsnn that define the correct outputs.  For a spiking
layer, inputs x have the shape (T, B, m), weights W have the shape (n, m),
and recurrent weights V have the shape (n, n).  Exceptions are described in
the field `text`.

In golden vectors of leaky integrate-and-fire (LIF) layers, step 0 is the
resting state.  Input x[t] enters the current at step t + 1 and the
membrane potential at step t + 2, and mem[t] determines spikes[t].  If
other code counts time steps in another way, its results do not match the
correct outputs.  Simulators differ in such properties of a LIF time step.
In this package, a convention is one choice for each of these properties.
`identify` describes the convention of a recorded layer in words, such as
"as lava LIF (lava), but reset by subtraction".  If the layer has no
synaptic filter, pass the decay factor alpha = 0 to `identify`.

The folder `vectors` holds the golden vectors as JSON files, which can be
read from any programming language.  The module `stored` reads and writes
the JSON files.  The module `matching` compares the results of a program
with one golden vector.  The module `locate` finds where and how two arrays
differ.  The package `build` computes the golden vectors.  From recorded
spikes or potentials, the package `identify` infers how a simulator updates
its LIF neurons.  The package `diagnose` finds errors in functions that
compute gradients.  The modules of `oracle` import other modules of refsnn,
and therefore cannot be copied alone.
"""
