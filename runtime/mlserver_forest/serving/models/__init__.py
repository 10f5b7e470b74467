"""The models of this server: found, loaded, listed and unloaded; and the MLServer runtimes.

Start with ``loaded_models.py``, whose ``Runtime`` is what the pipeline needs from a model.
"""
