"""ONNX files with one tree ensemble -> ``Model``, by the rules by which ONNX Runtime answers.

``onnx_file.py`` reads a file into a record, ``onnx_messages.py`` has the messages of the format,
``graph.py`` follows the graph from its input through the ensemble to its outputs,
``input_columns.py`` says what is done to columns before, ``node_arrays.py`` reads the nodes of the
trees, ``ensemble.py`` the other attributes, ``branches.py`` turns comparisons into the engine's,
``scores.py`` sums into answers, and ``onnx_model.py`` puts the model together. Start there.
"""
