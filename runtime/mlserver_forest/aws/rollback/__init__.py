"""``forest rollback`` and ``forest stop``."""
