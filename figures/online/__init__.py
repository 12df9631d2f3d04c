"""Compute the figures on online learning and approximations of RTRL [ZN21]."""
