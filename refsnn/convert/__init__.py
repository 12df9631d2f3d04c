# refsnn 0.1.0 | convert/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements the command `python -m refsnn convert`.

A recording is a WAV or FLAC file that holds one sound, such as a spoken
word.  The command converts each sound to spikes, and writes the spikes to
an HDF5 file in the format of the module `events`.  The command `vendor`
cannot copy the modules of this package.
"""
