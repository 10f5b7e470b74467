"""Pickles, read without executing anything.

``pickle_reader.py`` opens a file, ``byte_stream.py`` inflates it, ``pickle_machine.py`` follows its
opcodes, ``numpy_objects.py`` rebuilds arrays from their bytes, and every other object becomes a
``record.py``: a name, arguments and a state. Nothing that a pickle names is imported or called.
"""
