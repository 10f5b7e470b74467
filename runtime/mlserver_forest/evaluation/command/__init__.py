"""``forest evaluate``: a model directory on a file whose targets are known."""
