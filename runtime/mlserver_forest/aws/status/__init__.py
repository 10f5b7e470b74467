"""``forest status``: where an endpoint or a job stands; ``describe`` serves ``forest list`` too."""
