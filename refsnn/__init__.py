# refsnn 0.1.0 | __init__.py | SPDX-License-Identifier: MIT | needs: python
"""Reference learning algorithms for spiking networks, in plain NumPy."""

__version__ = "0.1.0"
