"""The command line and the files of the ModelZoo's scripts."""
