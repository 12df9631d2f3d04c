# refsnn 0.1.0 | oracle/build/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package computes the test problems that `oracle` contains.

Each problem, with its correct results, is called a golden vector.
The module `registry` lists the golden vectors, `vector` defines their
class, and the other modules compute golden vectors.
"""
