"""Compute the figures on spoken digits encoded as spikes [CSSZ20]."""
