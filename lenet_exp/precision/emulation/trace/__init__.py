"""Which operator overflowed, at which step: counters and their report."""
