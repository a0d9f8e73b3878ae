"""Where a job's process is: this machine, or an engine's node."""
