"""``forest pack``: an existing model -> a model directory, proven to give the same answers.

``cli.py`` starts ``child_process.py``, which reads the file (``model_file.py``) by the library that
wrote it; then the parent, without that library, compares the packed model with the library's
answers (``proof.py``).
"""
