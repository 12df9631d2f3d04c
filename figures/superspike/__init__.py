"""Compute the figures on SuperSpike [ZG18]."""
