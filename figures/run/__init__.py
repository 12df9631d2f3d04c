"""Compute the jobs of the figures, judge the claims, and write gallery and tables."""
