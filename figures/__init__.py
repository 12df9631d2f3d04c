"""Compute all figures of refsnn, with one folder for each capability.

The folder `run` runs the jobs of the figures, judges their claims and writes the
gallery.
"""
