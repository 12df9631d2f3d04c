"""The machinery that runs the figures: jobs, claims, the gallery, results."""
