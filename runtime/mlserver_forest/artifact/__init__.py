"""The model directory: model-settings.json beside one forest file.

It is the only thing that crosses from training or packing to serving. Start with
``model_directory.py``, which saves and loads a ``Model``; ``forest_file.py`` is the layout of the
file, and ``atomic_write.py`` makes files complete before they take their names.
"""
