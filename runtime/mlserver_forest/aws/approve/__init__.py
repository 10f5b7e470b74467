"""``forest approve`` and ``forest reject``: a decision about a version, after a comparison."""
