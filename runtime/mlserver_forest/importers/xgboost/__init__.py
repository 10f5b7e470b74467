"""XGBoost: boosters of version 0.90 to the newest -> ``Model``.

``saved_model.py`` reads what any version wrote, ``old_binary.py`` the binary form that XGBoost 3.1
dropped, ``xgboost_trees.py`` makes a forest of XGBoost's JSON, and ``xgboost_booster.py`` makes the
model of it and asks the library.
"""
