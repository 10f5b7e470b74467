"""Foreign models: a fitted estimator, a booster or a file of another library -> ``Model``.

Each library is one module and one row of ``registry.py``, and nothing else in the package knows
its name. Used by training and packing, never by serving. Start with ``importer.py``; ``pack/`` is
the command ``forest pack``, and docs/contributing.md says how to add a library.
"""
