"""``forest invoke``: one request to an endpoint."""
