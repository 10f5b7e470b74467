"""``forest fit``: a training job. ``options`` and ``plan`` also serve ``forest tune``."""
