"""``forest delete``: an endpoint and what was created for it."""
