# refsnn 0.1.0 | oracle/build/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package builds the golden vectors of `oracle`.

A golden vector is a stored test problem: the inputs, the correct outputs,
and the wrong outputs that known programming mistakes cause.  The module
`registry` lists the golden vectors, and the module `vector` defines the
class `Vector`.  The other modules compute golden vectors.  To update the
stored golden vectors, run `python -m refsnn.oracle.stored`.
"""
