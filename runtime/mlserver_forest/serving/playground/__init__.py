"""``GET /``: a page to try the model on."""
