"""CatBoost: its files and pickles -> ``Model``, without CatBoost.

A ``.cbm`` file, a JSON file and a pickle hold the same things. ``cbm_file.py`` reads the first
with ``flat_buffers.py``, ``json_file.py`` the second, and both give a ``ModelDescription``;
``catboost_model.py`` turns that into a model. Start there. Nothing here loads CatBoost but
``catboost_library.py``, which asks it for answers if it is installed.
"""
