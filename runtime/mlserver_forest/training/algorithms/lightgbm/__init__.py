"""LightGBM: its hyperparameters, and boosting on one host and on several."""
