"""Counters in memory that the workers share, and how they are published.

Start with ``metrics.py``.
"""
