"""A trained network without its training: frozen into one graph, and asked for classes."""
