"""The verb diagnose: see `__main__`."""
