"""Compute the figures on tangent kernels and Neural Tangent Transfer [LZ20]."""
