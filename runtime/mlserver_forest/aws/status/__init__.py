"""``forest status``, ``forest logs`` and ``forest list``: what exists."""
