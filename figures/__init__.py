"""Compute all figures of refsnn.

The folder `run` holds the code that computes the figures, compares the results with
bounds and writes a web page.  The Python files of the figures themselves are in other
folders, one for each subject.
"""
