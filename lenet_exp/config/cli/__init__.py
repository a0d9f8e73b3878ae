"""A command line, read and checked before anything heavy is imported."""
