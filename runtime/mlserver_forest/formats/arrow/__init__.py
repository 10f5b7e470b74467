"""Arrow streams, and record batches of any source."""
