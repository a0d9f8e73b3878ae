"""Where a program runs: opens sessions and says what it is."""
