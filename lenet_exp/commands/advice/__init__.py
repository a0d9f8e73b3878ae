"""The parts of advise: what is tried, what is said and written of it, what is trained."""
