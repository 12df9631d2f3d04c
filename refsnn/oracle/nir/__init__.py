# refsnn 0.1.0 | oracle/nir/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""Compare recordings of spiking networks with simulations of the NIR graphs."""
