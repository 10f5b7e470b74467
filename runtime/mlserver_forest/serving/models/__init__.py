"""The models of this server: found, loaded, listed and unloaded; and the MLServer runtime.

Start with ``loaded_models.py`` and ``runtime.py``.
"""
