"""Compute the figures on gradients of spike times [WP21]."""
