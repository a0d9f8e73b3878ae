"""From a graph to a plan: the compiler's phases, one a module."""
