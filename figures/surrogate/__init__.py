"""Figures on surrogate gradients [NMZ19]."""
