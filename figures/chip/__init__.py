"""Compute the figures on [CB22]: training with a chip in the loop."""
