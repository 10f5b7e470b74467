"""``forest stop``: end a job early."""
