"""Compute the figures on the learning rule SuperSpike [ZG18]."""
