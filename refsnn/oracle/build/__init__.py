# refsnn 0.1.0 | oracle/build/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package computes the problems with which `oracle` tests programs.

Each stored problem, with its correct results, is called a golden vector.
The module `registry` lists the test problems.  The module `vector` defines
the class `Vector` of a test problem.  The other modules compute problems.
"""
