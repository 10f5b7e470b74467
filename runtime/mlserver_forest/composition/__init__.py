"""Several predictors that answer as one: averages, votes, calibration, thresholds and the like.

Each operation is one class of a small closed algebra and one row of ``encoding.py``, which is all
that an artifact may name. Members are forests of the engine or compositions in turn. What no file
may do here is choose code. Start with ``composition.py``.
"""
