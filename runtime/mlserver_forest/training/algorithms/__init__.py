"""The algorithms that a job can train, and their hyperparameters.

``registry.py`` has one row for each algorithm; nothing outside this room decides anything by an
algorithm's name. An algorithm is a module here, or a folder if it needs more than one.
Hyperparameters come as strings in every encoding that SageMaker's clients use, and become typed
values under the library's own names, with its meanings and defaults: start with
``hyperparameters.py``. Nothing here may import a training library until a job needs it.
"""
