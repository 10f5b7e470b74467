"""CatBoost: its hyperparameters, its estimators for categories that are codes, and their fit."""
