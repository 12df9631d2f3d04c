"""Measure the speed of refsnn and of other packages, and draw the speed figure."""
