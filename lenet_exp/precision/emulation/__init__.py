"""From a plan to a graph that computes on a CPU what the chip would."""
