"""Read the data and train the networks that the figures of several papers share."""
