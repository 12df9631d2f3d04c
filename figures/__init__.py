"""Compute all figures of refsnn.

Each folder holds the figures on one subject.  The code in `run` computes the jobs of
the figures, judges their claims and writes the gallery.
"""
