# refsnn 0.1.0 | convert/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements the command `python -m refsnn convert`.

The command converts WAV and FLAC files to spikes.  Each of these files
holds one sound.  The module `events` reads the resulting HDF5 file.
"""
