# refsnn 0.1.0 | oracle/nir/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""Judge recordings of spiking networks by their graphs in the format NIR."""
