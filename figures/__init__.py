"""Every figure of refsnn: one folder for each capability, and `run`."""
