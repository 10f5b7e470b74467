"""Foreign models: a fitted estimator, booster or file -> Forest and Schema.

``libraries`` has one module per training library, and ``pack`` is the command ``forest pack``.
Used by training and packing, never by serving. Start with ``importer.py``.
"""
