"""Models that are code: AWS's script mode (``inference.py``) and multi-model-server's handlers.

``code_layout.py`` finds the code in a model directory, ``script_modules.py`` imports it, and
``script_model.py`` and ``handler_model.py`` are the two runtimes. Nothing here is imported before
``FOREST_TRUST_CODE`` allows code. What the functions get and may return follows
sagemaker-inference 1.10, sagemaker-containers 2.8 and multi-model-server 1.1.
"""
