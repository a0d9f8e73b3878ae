"""What the tracking store is sent, and what happens when it can't be."""
