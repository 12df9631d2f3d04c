"""Provide data and training for several figures."""
