"""A model: schema, forest, and what else is known; the one path from rows to answers.

The server, the MLServer runtime, the Python API and the proof of ``forest pack`` all ask a
``Model``. Nothing here knows HTTP, SageMaker, MLServer or files. Start with ``model.py``;
``outputs.py`` is how each output is computed, ``row_matrix.py`` how a caller's rows become ``X``.
"""
