"""Read data and train networks for the figures on several papers."""
