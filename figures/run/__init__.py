"""Compute all figures, and write the web page."""
