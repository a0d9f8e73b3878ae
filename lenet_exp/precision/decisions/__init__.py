"""Why one operator has its types, and what would change them."""
