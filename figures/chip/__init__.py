"""Compute the figures on training with an analog chip in the loop [CB22]."""
