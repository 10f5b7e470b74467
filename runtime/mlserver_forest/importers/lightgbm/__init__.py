"""LightGBM: boosters of version 2 to the newest -> ``Model``.

``saved_text.py`` reads the text that any version wrote, ``lightgbm_trees.py`` makes a forest of it,
and ``lightgbm_booster.py`` makes the model and asks the library.
"""
