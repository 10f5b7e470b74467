"""``forest drift``: recent rows compared with training rows."""
