"""What is counted, in memory that the workers share, and how it is published.

Start with ``metrics.py``.
"""
