"""Compute the figures on continual learning with synaptic intelligence [ZPG17]."""
