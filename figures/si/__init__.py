"""Figures on continual learning with synaptic intelligence [ZPG17]."""
