"""``forest deploy``: a model, an endpoint configuration and an endpoint."""
