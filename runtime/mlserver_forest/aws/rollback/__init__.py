"""``forest rollback``: back to an endpoint's configuration before the last update."""
