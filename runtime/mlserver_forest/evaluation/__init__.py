"""How good a model is on rows whose targets are known: metrics, calibration, segments, coverage.

``forest evaluate`` and ``model.evaluate`` share it, and training takes its metrics from here. It
knows models and no training library but scikit-learn's metrics. Start with ``model_evaluation.py``.
"""
