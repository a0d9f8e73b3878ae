"""The page of a plan: a graph to look at, with what a mode does to each of its operators."""
