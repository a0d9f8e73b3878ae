"""A sweep over a script: each job a process, a record and output folders of its own."""
