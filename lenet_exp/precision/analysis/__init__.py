"""What is known of a graph without choosing a type: dtypes, shapes, cost."""
