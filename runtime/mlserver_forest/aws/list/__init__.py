"""``forest list``: what exists because of this tool."""
