"""Compute all figures of refsnn.

The folder `run` holds the code that computes the figures, checks their claims and
writes a web page.  Every other folder holds the figures on one subject.
"""
