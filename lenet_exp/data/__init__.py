"""MNIST: fetched, verified, read, split and drawn in batches."""
