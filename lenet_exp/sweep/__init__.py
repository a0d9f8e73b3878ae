"""A sweep: every job in a process of its own, one parent run, and the same command goes on."""
