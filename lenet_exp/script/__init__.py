"""Somebody's own TensorFlow script, run as it is, with its sessions under a precision mode."""
