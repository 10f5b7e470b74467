"""The model directory: model-settings.json beside one memory-mapped file.

The only thing that crosses from training or packing to serving. Start with ``model_directory.py``;
``forest_file.py`` is the layout of the file, ``card.py`` what training knows of the model, and
``atomic_write.py`` how files are written whole.
"""
