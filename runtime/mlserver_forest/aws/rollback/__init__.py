"""``forest rollback``: return to an endpoint's previous configuration."""
