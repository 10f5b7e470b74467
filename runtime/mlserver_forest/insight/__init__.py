"""Information besides predictions: how certain the model is, and whether the data have changed.

``intervals.py`` and ``conformal.py`` are prediction intervals and their calibration;
``baseline.py`` is what the training rows looked like, ``traffic_window.py`` counts the rows that
are served, and ``comparison.py`` compares the two. Start with ``baseline.py``.
"""
