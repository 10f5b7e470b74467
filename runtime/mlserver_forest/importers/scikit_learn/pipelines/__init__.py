"""Pipelines of scikit-learn: what stands before an ensemble is folded into its trees.

A prepared feature that is a function of one raw column makes a test of that column out of each test
of a tree. Start with ``prepared.py``, which says what such a function is; the modules ``scalers``,
``encoders``, ``imputers``, ``selectors`` and ``compositions`` read the transformers, ``folding.py``
changes the trees, and ``raw_columns.py`` finds the schema.
"""
