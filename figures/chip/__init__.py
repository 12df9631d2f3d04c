"""Compute the figures about networks that are trained on an analog chip [CB22]."""
