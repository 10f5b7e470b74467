"""Columns that are computed from the columns of a row before its walk down the trees.

Start with ``derived_columns.py``. ``derivation.py`` is what all kinds have in common,
``registry.py`` lists them, and ``derivation_list.py`` numbers their columns while a forest is made.
Each kind is arrays and a compiled loop; a file names it by its number alone, and brings no code.
"""
