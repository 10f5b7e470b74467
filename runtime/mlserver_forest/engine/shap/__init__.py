"""Exact path-dependent Shapley values (TreeSHAP).

Start with ``explainer.py``.
"""
