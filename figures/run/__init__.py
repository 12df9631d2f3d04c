"""Compute the figures, compare the results with bounds, and write the web page."""
