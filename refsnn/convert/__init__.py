# refsnn 0.1.0 | convert/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements the command `python -m refsnn convert`.

The command converts WAV and FLAC files, each with one sound, to spikes in
an HDF5 file in the format of the module `events`.
"""
