"""``forest cost``: what endpoints and jobs cost, and what would cost less."""
