"""``forest status``: the state of an endpoint or a job; ``forest list`` uses ``describe`` too."""
