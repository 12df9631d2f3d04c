"""Compute the figures on online learning [ZN21]."""
