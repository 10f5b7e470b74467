"""What a row is: columns by name, numbers and categories, missing values, classes.

Learned once by training or read from a foreign model, and enforced by every reader. Start with
``schema.py``. Nothing here reads bytes.
"""
