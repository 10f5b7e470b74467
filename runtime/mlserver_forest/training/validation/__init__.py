"""How good a model is: rows held out, metrics, intervals and their coverage.

Start with ``holdout.py``.
"""
