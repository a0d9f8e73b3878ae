"""What the tracking store is told, and what happens when it can't be."""
