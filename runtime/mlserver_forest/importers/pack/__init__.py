"""``forest pack``: a model that was trained elsewhere -> a proven model directory."""
