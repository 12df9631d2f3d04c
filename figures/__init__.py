"""Compute all figures of refsnn.

The code in the folder `run` computes the figures, compares the results with bounds, and
writes a web page.  Each figure has a Python file fig_NAME.py in one of the other
folders.
"""
