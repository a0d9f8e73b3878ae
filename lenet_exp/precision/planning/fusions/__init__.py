"""Fusions of the compiler's operator library, each as a function of its own."""
