"""The same bits with fewer operations, and what proves that they are the same."""
