# refsnn 0.1.0 | oracle/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""Test other programs on problems with known correct results.

A golden vector is a stored test problem: the inputs, the correct outputs,
and the wrong outputs that known programming mistakes cause.  The command
`python -m refsnn vectors FOLDER` writes all golden vectors to a folder, as
JSON and npz files.  Run your code with the inputs of the golden vectors,
and save the results in an npz file.  To compare the results with the
correct outputs, run `python -m refsnn check RESULTS.npz`.  In Python:

    check.vectors(names)                   return golden vectors
    check.check({"bptt.dW": dW})           check results, name mistakes
    diagnose.assert_correct("bptt", f)     test f on random networks
    diagnose.diagnose(f)                   find the wrong term of f
    identify.identify(x, W, recording)     find the LIF update of a program
    files.write(folder), files.read(path)  write vectors, read results
    protocol.run(["./harness"])            test a program in any language

To test C++ code and hardware, use the golden vectors `lif_forward_dyadic`,
`bptt_dyadic` and `bptt_dyadic_detached`.  The outputs of test problems
with "dyadic" in the name have no rounding errors in float32.

The field `text` of a golden vector describes the test problem, and names
the equations of refsnn that define the correct outputs.  Unless this text
says otherwise, the inputs x of a spiking layer have the shape (T, B, m),
the weights W (n, m) and the recurrent weights V (n, n).  At step 0, all
neurons are at rest.  The input x[t] enters the current at step t + 1 and
the membrane potential at step t + 2.  The membrane potential mem[t]
determines spikes[t].  The results of programs that count time steps
differently do not match the correct outputs.
"""

import functools

import refsnn

__getattr__ = functools.partial(refsnn.__getattr__, package=__name__)
