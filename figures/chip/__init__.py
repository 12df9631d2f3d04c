"""Compute the figures on learning with an analog chip in the loop [CB22]."""
