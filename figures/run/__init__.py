"""Compute the figures, check their claims, and write the web page and the tables."""
