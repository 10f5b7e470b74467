"""Columns that are computed from the columns of a row before its walk down the trees.

Start with ``derived_columns.py``; ``derivation.py`` is what all kinds have in common, and
``registry.py`` lists them. Each kind is arrays and a compiled loop. None is named by a file in any
other way than by its number, and none runs code that a file brings.
"""
