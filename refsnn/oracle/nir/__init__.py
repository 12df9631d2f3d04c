# refsnn 0.1.0 | oracle/nir/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package judges recordings of spiking networks in the format NIR.

NIR is an exchange format for graphs of neurons in continuous time.  Each
simulator chooses its own time step and update convention.  This package
names the convention of each recorded node, and measures the distance of
the recording to the exact solution of the graph.
"""
