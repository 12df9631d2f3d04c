"""Compute the figures about the learning rule SuperSpike [ZG18]."""
