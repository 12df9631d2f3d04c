# refsnn 0.1.0 | oracle/build/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package builds the golden vectors of `oracle`.

A golden vector is a test problem with its correct results, see `oracle`.
The module `registry` lists the golden vectors, `vector` defines their
class, and the other modules compute golden vectors.
"""
