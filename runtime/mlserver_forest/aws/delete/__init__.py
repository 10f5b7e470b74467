"""``forest delete``: an endpoint and what was made for it."""
