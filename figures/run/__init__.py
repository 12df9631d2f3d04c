"""Run the figures: jobs, claims, seeds, the gallery and the table of results."""
