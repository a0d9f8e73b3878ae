"""What one run leaves in its folder."""
