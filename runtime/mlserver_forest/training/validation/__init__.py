"""Validation: held-out rows, metrics, prediction intervals and their coverage.

Start with ``holdout.py``.
"""
