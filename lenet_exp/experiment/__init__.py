"""One run, stage by stage: the only package that knows all of them."""
