"""What a precision mode does to the numbers of one step: where an error arises, what it ruins."""
