"""``forest transform``: a batch transform job."""
