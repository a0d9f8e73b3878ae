"""The verb advise: see `__main__`."""
