# refsnn 0.1.0 | convert/__init__.py | SPDX-License-Identifier: MIT | needs: python
"""This package implements the command `python -m refsnn convert`.

A recording is a WAV or FLAC file that holds one sound, such as a spoken
word.  The command converts recordings to spikes, and writes the spikes to
an HDF5 file in the format of the module `events`.
`help("refsnn.__main__")` describes its options.  The package has four
modules:

    command     check the options, convert all recordings, and join their
                spikes to the output files
    labels      find the label and the speaker of each recording
    sounds      convert a recording to a file of spikes
    workers     distribute the recordings over processes, and print the
                progress

The command `vendor` cannot copy these modules.
"""
