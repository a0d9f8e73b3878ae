"""The keys of the configuration: their types, what is allowed, a value that works."""
