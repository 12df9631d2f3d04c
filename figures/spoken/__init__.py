"""Figures on spoken digits as spikes [CSSZ20]."""
