"""``forest fit``: a training job."""
