"""Compute the figures about online learning [ZN21]."""
