"""Figures on SuperSpike [ZG18]."""
