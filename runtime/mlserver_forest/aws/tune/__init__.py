"""``forest tune``: a hyperparameter tuning job."""
