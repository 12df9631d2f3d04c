"""Read data and train networks for several figures."""
