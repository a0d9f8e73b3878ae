"""A plan as a person reads it: records, tables, a verdict."""
