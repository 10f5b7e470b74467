"""text/csv."""
