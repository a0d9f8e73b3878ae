"""A step's graph, the program around it, and the loop; knows no model and no tracker."""
