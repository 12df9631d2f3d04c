"""Compute the figures about tangent kernels and Neural Tangent Transfer [LZ20]."""
