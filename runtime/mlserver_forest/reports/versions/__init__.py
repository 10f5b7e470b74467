"""Two versions of a model, compared before somebody decides about the newer one.

What is compared is in the two artifacts themselves: the distributions of their training rows, and
their answers to the rows of a sample. Start with ``version_comparison.py``.
"""
