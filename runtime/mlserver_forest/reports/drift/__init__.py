"""``forest drift``: recent rows against those of training."""
