"""The graph as the compiler reads it: names, edges, order, and how nodes are added."""
