"""Compute the figures on spoken digits as spikes [CSSZ20]."""
