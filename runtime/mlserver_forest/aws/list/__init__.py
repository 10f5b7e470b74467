"""``forest list``: what this tool has created."""
