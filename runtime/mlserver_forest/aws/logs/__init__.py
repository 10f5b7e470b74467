"""``forest logs``: what an endpoint or a job has logged."""
