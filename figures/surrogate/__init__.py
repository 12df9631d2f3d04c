"""Compute the figures on surrogate gradients [NMZ19]."""
